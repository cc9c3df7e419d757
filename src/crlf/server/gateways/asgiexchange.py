"""One request and its answer, as an ASGI application sees it: what it receives and sends.

What is said is held against what may be said next, and goes to the turn as crlf says it. Its
law: a message that is wrong raises at who sent it, by name, and before anything of it is out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, BinaryIO, Final

from crlf.flow.turn import Turn
from crlf.message.errors import CrlfError, Malformed, TooLarge, WriteFailed
from crlf.message.headers import EMPTY, Headers
from crlf.net.files import file_part
from crlf.ports import InThread
from crlf.server.gateways.asgiheads import (
    EMPTY_FIELDS,
    Fields,
    Message,
    bytes_of,
    status_of,
    takes_trailers,
)
from crlf.wire.parts import ResponseHead

# What an application has said so far of its answer.
NOTHING, START, CONTENT, TRAILERS, ALL = range(5)
_EXPECTED: Final = (
    "http.response.start",
    "http.response.body",
    "http.response.body",
    "http.response.trailers",
    "nothing more",
)
_WITHOUT_CONTENT: Final = (204, 205, 304)  # RFC 9110 15.3.5, 15.3.6, 15.4.5


class Exchange:
    """One request and its answer, as the application sees it: what it receives and sends."""

    # Most exchanges never differ from these.
    _stage = NOTHING
    _listens = True  # there is content, or its end, that it was not told
    _status_code = 0
    _fields = EMPTY_FIELDS
    _with_trailers = False
    _trailers: Sequence[tuple[str, str]] = ()
    news: asyncio.Event | None = None  # set when the client is gone, or all is said

    def __init__(self, turn: Turn, fields_of: Callable[[Any], Fields], in_thread: InThread) -> None:
        self._turn = turn
        self._fields_of = fields_of
        self._in_thread = in_thread

    # -- what it receives

    async def receive(self) -> Message:
        """Return the next content of the request, or wait until the client is gone."""
        turn = self._turn
        if self._listens and self._stage != ALL and turn.fault is None:
            try:
                piece = await turn.next_piece()
            except CrlfError:
                # It cannot be read: the answer to that is ours, and the turn knows which.
                return {"type": "http.disconnect"}
            self._listens = turn.body_is_due and piece is not None
            return {"type": "http.request", "body": piece or b"", "more_body": self._listens}
        if self._stage != ALL and not turn.is_gone and turn.fault is None:
            if self.news is None:
                self.news = asyncio.Event()
                turn.on_gone(self.news.set)
            await self.news.wait()
        return {"type": "http.disconnect"}

    # -- what it sends

    async def send(self, message: Message) -> None:
        """Take one message. Raises OSError when the client is gone.

        RuntimeError for a message out of its order, TypeError and ValueError for one that is
        not as it should be.
        """
        turn = self._turn
        try:
            kind = message["type"]
        except (TypeError, KeyError):
            raise TypeError(f"a message is a dict with a type, not {message!r:.40}") from None
        if turn.is_gone or turn.fault is not None:
            raise WriteFailed("the client is gone", phase="write")
        if kind == "http.response.start":
            if self._stage != NOTHING:
                raise self._out_of_order(kind)
            status_code = message.get("status")
            if type(status_code) is not int or not 200 <= status_code <= 599:
                status_code = status_of(status_code)
            self._status_code = status_code
            self._fields = self._fields_of(message.get("headers", ()))
            if message.get("trailers", False):
                self._with_trailers = True
            self._stage = START
            if self._fields.is_live:
                await self._say(b"")
        elif kind == "http.response.body":
            await self._say_body(message)
        else:
            await self._send_rare(kind, message)

    def _say_body(self, message: Message) -> Awaitable[None]:
        """Say a piece of content, or all of it."""
        stage = self._stage
        if stage != START and stage != CONTENT:
            raise self._out_of_order("http.response.body")
        content = message.get("body", b"")
        if type(content) is not bytes:
            content = bytes_of(content)
        if message.get("more_body", False):
            return self._say(content)
        if stage == CONTENT or self._with_trailers:
            return self._say_last(content)
        fields, status_code = self._fields, self._status_code
        length = fields.length
        if self._turn.request.method == "HEAD" or status_code in _WITHOUT_CONTENT:
            return self._say_without(content)
        if length is not None and length != len(content):
            raise RuntimeError(
                f"the body has {len(content):,} bytes where content-length says {length:,}"
            )
        self._stage = ALL
        if self.news is not None:
            self.news.set()
        head = fields.heads.get(status_code) or fields.head(status_code)
        return self._turn.answer_whole(head, content)

    async def _send_rare(self, kind: str, message: Message) -> None:
        stage = self._stage
        if kind == "http.response.early_hint":
            if stage != ALL:
                links = [("link", bytes_of(link).decode("latin-1")) for link in message["links"]]
                await self._turn.inform(ResponseHead(103, Headers(links)))
        elif kind == "http.response.trailers":
            if stage != TRAILERS:
                raise self._out_of_order(kind)
            fields = self._fields_of(message.get("headers", ())).plain.fields
            self._trailers = (*self._trailers, *fields)
            if not message.get("more_trailers", False):
                await self._say_all()
        elif kind == "http.response.pathsend":
            if stage != START:
                raise self._out_of_order(kind)
            await self._send_path(message)
        elif kind == "http.response.zerocopysend":
            if stage != START and stage != CONTENT:
                raise self._out_of_order(kind)
            await self._send_file(message)
        else:
            shown = str(kind)[:60]
            raise RuntimeError(f"{shown!r} is no message of ASGI HTTP; expected {self._expected}")

    def _out_of_order(self, kind: str) -> RuntimeError:
        return RuntimeError(f"{kind} where {self._expected} is expected")

    @property
    def _expected(self) -> str:
        return _EXPECTED[self._stage]

    # -- what of it is said

    async def _say_without(self, content: bytes) -> None:
        """Say a whole answer without its content: to HEAD, or with a status that has none."""
        turn, fields, status_code = self._turn, self._fields, self._status_code
        self._stage = ALL
        if status_code == 204 or status_code == 205:
            await turn.answer_whole(fields.head(status_code), b"")
        elif fields.length is not None or status_code == 304:
            await turn.answer_whole(ResponseHead(status_code, fields.framed), b"")
        elif content:
            await turn.answer_whole(fields.head(status_code), content)
        else:  # nobody said how long it would be for GET: RFC 9110 8.6
            await turn.begin(fields.head(status_code))
            await turn.send(b"")
            await turn.finish()
        self.end()

    async def _begin(self, headers: Headers) -> None:
        self._stage = CONTENT
        await self._turn.begin(ResponseHead(self._status_code, headers))

    async def _say(self, content: bytes) -> None:
        """Say a piece of content, after the head if that is still to be said."""
        fields = self._fields
        has_content = self._status_code not in _WITHOUT_CONTENT
        if self._stage == START:
            await self._begin(fields.framed if has_content else fields.plain)
        if has_content or not content:
            await self._turn.send(content)

    async def _say_last(self, content: bytes) -> None:
        await self._say(content)
        await self._finish()

    async def _finish(self) -> None:
        """End the content; what follows, if anything, are trailers."""
        if self._with_trailers:
            self._stage = TRAILERS
        else:
            await self._say_all()

    async def _say_all(self) -> None:
        trailers = EMPTY
        fits = self._fields.length is None and self._status_code not in _WITHOUT_CONTENT
        # ASGI: to a client that does not say TE: trailers, none are sent.
        if self._trailers and fits and takes_trailers(self._turn.request):
            trailers = Headers(self._trailers)
        self._stage = ALL
        await self._turn.finish(trailers)
        self.end()

    async def _send_path(self, message: Message) -> None:
        """Send the file of a path."""
        path = message.get("path")
        if not isinstance(path, str):
            raise TypeError(f"the path of http.response.pathsend is text, not {path!r:.40}")
        try:
            file, size = await self._in_thread(lambda: _opened(path))
        except OSError as fault:  # which would look as if the client were gone
            raise RuntimeError(f"http.response.pathsend: {fault}") from fault
        try:
            await self._say_file(file, 0, size if self._fields.length is None else None)
            await self._finish()
        finally:
            file.close()

    async def _send_file(self, message: Message) -> None:
        """Send what is left of an open file, or a part of it."""
        file = message.get("file")
        if file is None or not hasattr(file, "fileno") or not hasattr(file, "read"):
            raise TypeError("the file of http.response.zerocopysend is an open binary file")
        offset, count = message.get("offset"), message.get("count")
        place = file.tell()
        start = place if offset is None else offset
        if count is None:
            count = max(0, file.seek(0, 2) - start)
        await self._say_file(file, start, count)
        file.seek(start + count if offset is None else place)
        if not message.get("more_body", False):
            await self._finish()

    async def _say_file(self, file: BinaryIO, offset: int, count: int | None) -> None:
        fields = self._fields
        if self._status_code in _WITHOUT_CONTENT:
            await self._say(b"")
            return
        if count is None:
            count = fields.length or 0
        if self._stage == START:
            await self._begin(fields.framed)
        await self._turn.send_file(file, offset, count)

    # -- how it ends

    def gone(self) -> Exception:
        """The reason why there is no whole answer, when it is not the application."""
        fault = self._turn.fault
        if fault is None:
            fault = self._turn.fault = WriteFailed("the client is gone", phase="write")
        return fault

    def fail(self, error: Exception) -> None:
        """Say what an error out of the application means: raise what the connection is to see."""
        turn = self._turn
        if turn.is_finished:
            _log(turn, error, "failed after its answer", is_news=True)
        elif turn.fault is not None or turn.is_gone:
            if error is not turn.fault and not isinstance(error, WriteFailed):
                _log(turn, error, "failed after its client was gone", is_news=False)
            if turn.fault is not None:
                # It leads to the turn and that to it; the application's frames, and what they
                # have open, would wait with them for the garbage collector.
                turn.fault.__traceback__ = None
        elif isinstance(error, (Malformed, TooLarge)):
            # Of something that the application read itself: not of this request.
            raise RuntimeError("the application failed") from error
        else:
            raise error

    def end(self) -> None:
        """Wake who still waits for news of the client: there will be none."""
        if self.news is not None:
            self.news.set()


def _opened(path: str) -> tuple[BinaryIO, int]:
    """Open a file, in a thread; return it and its size."""
    _, size, opened = file_part(path)
    return opened().file, size


def _log(turn: Turn, error: Exception, what: str, *, is_news: bool) -> None:
    import logging  # 8 ms; a server on which nothing goes wrong does without

    level = logging.ERROR if is_news else logging.INFO
    logging.getLogger("crlf.server").log(level, "%s %s", turn.request, what, exc_info=error)
