"""Networks that never leave the process: every address on them is one service.

On these networks https is served without TLS: what never leaves a process needs no secrecy.
Each works as the machine's own does, for flows of its colour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork
from crlf.net.memorystream import STRAIGHT, DrivenStream, MemoryStream, Shape, join
from crlf.net.privateloop import PrivateLoop
from crlf.ports import (
    DEFAULT_SOCKETS,
    Service,
    SocketSettings,
    SocksProxy,
    Stream,
    TlsSettings,
)

Finish = Callable[[], Awaitable[object]]

_GRACE = 0.25  # seconds that connections have to end by themselves when their network closes


class _Servings:
    """The Tasks in which a network's service looks after its connections."""

    def __init__(self, serve: Service, finish: Finish | None) -> None:
        self._serve = serve
        self._finish = finish
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, loop: asyncio.AbstractEventLoop, stream: MemoryStream) -> None:
        """Serve a connection."""
        task = loop.create_task(self._served(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _served(self, stream: MemoryStream) -> None:
        try:
            await self._serve(stream)
        finally:
            stream.close()

    async def finish(self) -> None:
        """Wait a moment for the Tasks to end, cancel what is left, do what is to be done last."""
        if self._tasks:
            _, left = await asyncio.wait(set(self._tasks), timeout=_GRACE)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
        if self._finish is not None:
            await self._finish()


class _OneService:
    """What networks in memory share: wherever one goes, it is to the same service.

    addresses: what names resolve to, where a test has put anything.
    """

    def _lead_to(
        self, serve: Service, to_server: Shape, to_client: Shape, finish: Finish | None
    ) -> None:
        self._servings = _Servings(serve, finish)
        self.to_server = to_server
        self.to_client = to_client
        self.addresses: dict[str, tuple[str, ...]] = {}

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """Return what `addresses` has for the host, else a loopback address: all are one here."""
        return self.addresses.get(host, ("127.0.0.1",))

    async def open_socks(
        self, stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
    ) -> Stream:
        """Return the stream itself: it leads to the service already."""
        return stream

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        """Return the stream itself; both ends now say that it is encrypted."""
        return pretend_tls(stream)


class AsyncMemoryNetwork(_OneService, AioNetwork):
    """A Network on the running loop; every address is one service, which runs beside its client.

    to_server, to_client: how bytes travel on the connections made from now on. finish: what the
    service still does, when its connections have ended.
    """

    def __init__(
        self,
        serve: Service,
        *,
        to_server: Shape = STRAIGHT,
        to_client: Shape = STRAIGHT,
        finish: Finish | None = None,
    ) -> None:
        AioNetwork.__init__(self)
        self._lead_to(serve, to_server, to_client, finish)

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Make a connection to the service."""
        here, there = join(self.loop, self.to_server, self.to_client)
        self._servings.begin(self.loop, there)
        return here

    async def aclose(self) -> None:
        """Wait a moment for the connections to end, then cut them."""
        await self._servings.finish()


class MemoryNetwork(_OneService, BlockingNetwork):
    """A Network for blocking flows; every address is one service, on a loop of its own.

    The loop runs only while a flow waits here, in the flow's thread, so what happens when is
    the same every time. `def` handlers run in the loop's thread pool. to_server, to_client:
    how bytes travel on the connections made from now on. finish: what the service still does,
    when its connections have ended.
    """

    def __init__(
        self,
        serve: Service,
        *,
        to_server: Shape = STRAIGHT,
        to_client: Shape = STRAIGHT,
        finish: Finish | None = None,
    ) -> None:
        self._lead_to(serve, to_server, to_client, finish)
        self._loop = PrivateLoop()

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Make a connection to the service, which begins when it is first used."""
        return self._loop.run(self._connect())

    async def _connect(self) -> DrivenStream:
        loop = asyncio.get_running_loop()
        here, there = join(loop, self.to_server, self.to_client)
        return DrivenStream(here, self._loop, partial(self._servings.begin, loop, there))

    async def aclose(self) -> None:
        """Wait a moment for the connections to end, cut them, and let go of loop and threads."""
        self._loop.close(self._servings.finish)


def pretend_tls(stream: Stream) -> Stream:
    """Let both ends of a connection in memory say that they are encrypted."""
    if not isinstance(stream, MemoryStream | DrivenStream):
        raise TypeError("a network in memory knows only its own streams")
    stream.pretend_tls()
    return stream
