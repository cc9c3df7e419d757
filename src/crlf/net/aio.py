"""The asyncio network: connections out, connections in, bells and threads.

A network belongs to one running loop. A listener (aiolistener.py) serves each connection in one
Task, which lives as long as the connection does.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from crlf.net.aiolistener import Crowd, Listener
from crlf.net.aioracing import find_addresses, open_any, open_unix
from crlf.net.aiostream import AioStream
from crlf.net.board import Slot
from crlf.net.listening import Bind, Doors
from crlf.net.names import literals, place_of, shown
from crlf.net.sweep import Sweep
from crlf.ports import (
    DEFAULT_SOCKETS,
    FromThread,
    SocketSettings,
    SocksProxy,
    Stream,
    TlsSettings,
)

T = TypeVar("T")
monotonic = time.monotonic
wall = time.time


async def in_thread(work: Callable[[], T]) -> T:
    """Run work in the running loop's thread pool, with the caller's context variables."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(None, context.run, work)


def from_threads() -> FromThread:
    """Return what threads wait for a flow with, which the present loop runs."""
    loop = asyncio.get_running_loop()

    def wait(flow: Coroutine[Any, Any, T]) -> T:
        if asyncio._get_running_loop() is not None:
            flow.close()
            raise RuntimeError("a loop cannot wait for itself: use `async for` and `await` here")
        return asyncio.run_coroutine_threadsafe(flow, loop).result()

    return wait


async def turn_once() -> None:
    """Let everything else on the loop have a turn."""
    await asyncio.sleep(0)


def spawn(flow: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Run a flow in a Task of its own, on the present loop."""
    return asyncio.get_running_loop().create_task(flow)


class AioBell:
    """A bell for flows of one loop. The loop itself is the guard: nothing else runs meanwhile.

    sweep: looks after deadlines, so that a wait needs no timer of its own.
    """

    __slots__ = ("_loop", "_sweep", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, sweep: Sweep | None = None) -> None:
        self._loop = loop
        self._sweep = Sweep(loop) if sweep is None else sweep
        self._waiting: set[asyncio.Future[bool]] = set()

    def __enter__(self) -> AioBell:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def wait(self, deadline: float | None) -> bool:
        """Wait for a ring; False when the deadline passes first."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.add(future)
        if deadline is None:
            try:
                return await future
            finally:
                self._waiting.discard(future)
        self._sweep.watch(future, deadline)
        try:
            return await future
        finally:
            self._waiting.discard(future)
            self._sweep.forget(future)

    def ring(self) -> None:
        """Wake every flow that waits here."""
        for future in self._waiting:
            _set(future, True)


def _set(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


class AioNetwork:
    """TCP on a running event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._sweep = Sweep(self._loop)
        self.now = monotonic
        self.wall = wall

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that this network's streams live on."""
        return self._loop

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """List the addresses of a host as IP literals, best first."""
        found = await find_addresses(self._loop, host, port, deadline)
        return [shown(candidate) for candidate in found]

    async def open_socks(
        self, stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
    ) -> Stream:
        """Ask the SOCKS proxy at the other end of a stream for a way to a host."""
        from crlf.net.socks import ask_aio  # few have one

        return await ask_aio(stream, proxy, host, port, deadline)

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Open a connection to the first address of host that answers."""
        loop = self._loop
        if settings.unix_path is not None:
            opened = await open_unix(settings.unix_path, deadline)
            _, stream = await loop.create_unix_connection(self._new_stream, sock=opened)
            return stream
        candidates = (
            await find_addresses(loop, host, port, deadline)
            if addresses is None
            else literals(addresses, port)
        )
        opened = await open_any(loop, candidates, place_of(host, port), deadline, settings)
        _, stream = await loop.create_connection(self._new_stream, sock=opened)
        return stream

    def _new_stream(self) -> AioStream:
        return AioStream(self._loop, self._sweep)

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        """Speak TLS on a stream as its client."""
        from crlf.net.tls import start_client_tls  # ssl costs 20 ms; plain HTTP does without

        return await start_client_tls(stream, settings, hostname, deadline, in_thread)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work in the loop's thread pool, with the caller's context variables."""
        return await in_thread(work)

    async def aclose(self) -> None:
        """Hold nothing any more."""

    def new_bell(self) -> AioBell:
        """Make a bell for flows of this loop."""
        return AioBell(self._loop, self._sweep)

    async def listen(
        self, host: str, port: int, serve: Callable[[Stream], Awaitable[None]]
    ) -> Listener:
        """Accept connections at an address and run serve for each, in a Task of its own.

        Port 0 takes a free one. Raises OSError when the address cannot be had.
        """
        doors = Doors()
        doors.open(Bind(host, port))
        return self.listen_on(doors.sockets, serve)

    def listen_on(
        self,
        sockets: Sequence[socket.socket],
        serve: Callable[[Stream], Awaitable[None]],
        *,
        slot: Slot | None = None,
        most: int | None = None,
        make_room: Callable[[], object] | None = None,
        crowd: Crowd | None = None,
    ) -> Listener:
        """Accept connections from sockets that listen, and own those; see Listener."""
        listener = Listener(
            self._loop, serve, self._sweep, slot=slot, most=most, make_room=make_room, crowd=crowd
        )
        listener.listen(sockets)
        return listener
