"""WSGI applications, hosted (PEP 3333): Flask, Django, and what else is a callable.

A client that is slow never holds a thread: its request is read before one is asked for, to a
temporary file when it is large, and a whole answer is handed over in one. Its law: threads and
their queue are bounded, and who finds both full is told at once when to come again.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, Final

from crlf.flow.bodies import Lent
from crlf.flow.turn import Talk, Turn
from crlf.message.errors import WriteFailed
from crlf.message.headers import Headers
from crlf.message.request import Received
from crlf.message.response import Response
from crlf.net.handover import Gone
from crlf.net.spool import Spool
from crlf.net.workpool import WorkPool
from crlf.ports import InThread
from crlf.rules.pages import error_response
from crlf.server.gateways.environ import Environ, place_entries
from crlf.server.gateways.wsgicall import Call, End, FileWrapper, Said, Sent, Wsgi
from crlf.wire.parts import ResponseHead

THREADS: Final = 32  # hypercorn and asyncio some 8, waitress 4, Tomcat 200
QUEUE: Final = 2048  # requests that wait for a thread; as many connections as the kernel keeps
IN_MEMORY: Final = 64 * 1024  # bytes of a request's content; beyond them it goes to a file
_WRITTEN_AT_ONCE: Final = 256 * 1024  # bytes, so that few threads are asked for
_MOST_PLACES: Final = 2048  # connections whose entries are remembered
_RETRY: Final = Headers([("retry-after", "1")])


class WsgiApplication:
    """A WSGI application that a Server can serve.

    threads: at most so many of its calls run at once. queue: so many more may wait; whoever
    comes then is answered 503. root_path: where it is mounted, its SCRIPT_NAME. spool: opens a
    temporary file for large content.
    """

    def __init__(
        self,
        app: Wsgi,
        *,
        threads: int = THREADS,
        queue: int = QUEUE,
        root_path: str = "",
        spool: Callable[[], BinaryIO] | None = None,
    ) -> None:
        if root_path and (root_path[0] != "/" or root_path[-1] == "/"):
            raise ValueError(
                f"a root path begins with a slash and has none at its end: {root_path}"
            )
        self.app = app
        self.threads = threads
        self.queue = queue
        # PEP 3333: text in environ has one character a byte.
        self.root_path = root_path.encode().decode("latin-1")
        self._spool = Spool() if spool is None else spool
        self._pools: list[WorkPool] = []

    def talker(self, in_thread: InThread, now: Callable[[], float]) -> Talk:
        """Return what answers requests, one call each."""
        hosting = _Hosting(self, in_thread, self._spool)

        return hosting.talk

    def open_pool(self) -> WorkPool:
        """Make the threads of the running loop."""
        pool = WorkPool(self.threads, self.queue, "crlf-wsgi")
        self._pools.append(pool)
        return pool

    async def finish(self) -> None:
        """Let the threads of the running loop end, as far as no call of the application hangs."""
        for pool in [pool for pool in self._pools if pool.is_here]:
            self._pools.remove(pool)
            await pool.close(1.0)


class _Hosting:
    """An application while one server serves it."""

    __slots__ = (
        "_app",
        "_in_thread",
        "_places",
        "_pool",
        "_root_path",
        "_shared",
        "_spool",
        "_what",
    )

    def __init__(
        self, what: WsgiApplication, in_thread: InThread, spool: Callable[[], BinaryIO]
    ) -> None:
        self._what, self._app, self._root_path = what, what.app, what.root_path
        self._in_thread = in_thread
        self._spool = spool
        self._pool: WorkPool | None = None  # made on the loop, which is not known before
        self._shared: Environ = {
            "wsgi.version": (1, 0),
            "wsgi.multithread": what.threads > 1,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
            "SERVER_SOFTWARE": "crlf",
        }
        self._places: dict[int, tuple[Received, Environ]] = {}  # by id, which the value keeps true

    async def talk(self, turn: Turn) -> None:
        """Let a thread call the application, and say what it says."""
        content, size = None, 0
        if turn.body_is_due:
            content, size = await self._content_of(turn)
        pool = self._pool
        if pool is None:
            pool = self._pool = self._what.open_pool()
        request = turn.request
        entries = self._entries_of(request.received_how)
        call = Call(pool, self._app, request, entries, self._root_path, content, size)
        if not pool.submit(call.run):
            if content is not None:
                content.close()
            await turn.answer(_too_busy(request.headers.get("accept")))
            return
        try:
            while (said := call.next()) is None:
                await call.news()
            if type(said) is Response:
                await turn.answer(said)
            else:
                await self._relay(turn, call, said)
        except BaseException:
            said = None  # an error that its own traceback leads to would stay in memory
            call.is_left = True
            call.leave()
            if call.is_handed_on:
                pool.submit(call.close, must=True)
            raise

    async def _relay(self, turn: Turn, call: Call, said: Said) -> None:
        """Say piece by piece what a call says."""
        while True:
            match said:
                case bytes():
                    await turn.send(said)
                    call.took(len(said))
                case ResponseHead():
                    if said.status_code < 200:
                        await turn.inform(said)
                    else:
                        turn.on_gone(call.leave)
                        await turn.begin(said)
                case Sent():
                    await turn.send_file(*said)
                    call.pool.submit(call.close, must=True)
                case End():
                    await turn.finish()
                    return
                case Response():
                    await turn.answer(said)
                    return
                case Gone():
                    turn.fault = WriteFailed("the client is gone", phase="write")
                    raise turn.fault
                case _:
                    try:
                        raise said
                    finally:
                        del said
            said = await call.heard()

    async def _content_of(self, turn: Turn) -> tuple[BinaryIO, int]:
        """Read a request's content; return it at its beginning, with its size in bytes.

        Raises TooLarge, RemoteError, ReadTimeout, ReadFailed.
        """
        pieces: list[bytes] = []
        size = 0
        while (piece := await turn.next_piece()) is not None:
            pieces.append(piece)
            size += len(piece)
            if size > IN_MEMORY:
                return await self._spooled(turn, pieces, size)
        return io.BytesIO(b"".join(pieces)), size

    async def _spooled(self, turn: Turn, pieces: list[bytes], size: int) -> tuple[BinaryIO, int]:
        """Read the rest of a request's content into a file, after what is here."""
        opened: list[BinaryIO] = []

        def close() -> None:
            for file in opened:
                file.close()

        def write(pieces: list[bytes]) -> None:
            if not opened:
                opened.append(self._spool())
            opened[0].writelines(pieces)

        lent = Lent(close)
        waiting = size
        try:
            while (piece := await turn.next_piece()) is not None:
                pieces.append(piece)
                size += len(piece)
                waiting += len(piece)
                if waiting >= _WRITTEN_AT_ONCE:
                    await self._in_thread(partial(lent.use, partial(write, pieces)))
                    pieces, waiting = [], 0

            def finish() -> None:
                write(pieces)
                opened[0].seek(0)

            await self._in_thread(partial(lent.use, finish))
        except BaseException:
            lent.let_go()
            raise
        return opened[0], size

    def _entries_of(self, where: Received) -> Environ:
        """Return the entries that the requests of a connection share."""
        known = self._places.get(id(where))
        if known is not None and known[0] is where:
            return known[1]
        entries = {**self._shared, **place_entries(where), "crlf.draining": where.draining}
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        self._places[id(where)] = where, entries
        return entries


def _too_busy(accept: str | None) -> Response:
    """Build the answer for whom there is no room (RFC 9110 15.6.4)."""
    return error_response(503, "Too much to do here; try again soon.", "", accept, headers=_RETRY)
