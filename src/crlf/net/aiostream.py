"""Streams of asyncio: a Protocol with its own buffer, woken without a detour.

Two things make it fast. A flow that waits here is resumed inside data_received itself, in
the same turn of the loop, instead of through a future and a second turn. And no wait has a
timer: a sweep looks at all waiting streams a few times a second, or as soon as the nearest
deadline says. Writes go to the kernel at once; what it does not take is waited for, so that
a write which has returned is out of our hands.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import time
from collections.abc import Callable, Generator
from typing import cast

from crlf.message.errors import (
    ReadFailed,
    ReadTimeout,
    TimedOut,
    WriteFailed,
    WriteTimeout,
)
from crlf.ports import StreamFacts

_LOOK = 0.25  # seconds between two looks of the sweep; a far deadline may be late by as much
_NEVER = float("inf")
_TURN = 1024 * 1024  # bytes written without waiting, after which other connections have a turn
_PULLED = 64 * 1024  # bytes taken from the kernel when somebody asks whether there are any
_MOST_BUFFERED = 256 * 1024  # bytes that wait for a reader before the peer is asked to pause


class Sweep:
    """Every stream of one loop, every bell's wait, and one timer for all of their deadlines."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: set[AioStream] = set()
        self._waits: dict[asyncio.Future[bool], float] = {}  # a future -> when it becomes False
        self._timer: asyncio.TimerHandle | None = None
        self.next_look = _NEVER

    def add(self, stream: AioStream) -> None:
        """Look after a stream from now on."""
        self._streams.add(stream)
        if self._timer is None:
            self._look_at(time.monotonic() + _LOOK)

    def drop(self, stream: AioStream) -> None:
        """Forget a stream."""
        self._streams.discard(stream)
        if not self._streams and not self._waits and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.next_look = _NEVER

    def watch(self, wait: asyncio.Future[bool], deadline: float) -> None:
        """Give a future the value False when its deadline has passed."""
        self._waits[wait] = deadline
        if self._timer is None:
            self._look_at(min(deadline, time.monotonic() + _LOOK))
        elif deadline < self.next_look:
            self.hasten(deadline)

    def forget(self, wait: asyncio.Future[bool]) -> None:
        """Watch a future no longer."""
        del self._waits[wait]

    def hasten(self, deadline: float) -> None:
        """Look no later than a deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._look_at(deadline)

    def _look_at(self, moment: float) -> None:
        self.next_look = moment
        self._timer = self._loop.call_later(max(0.0, moment - time.monotonic()), self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for stream in [late for late in self._streams if late.deadline <= now]:
            stream.expire()
        for wait in [late for late, deadline in self._waits.items() if deadline <= now]:
            if not wait.done():
                wait.set_result(False)
        if self._streams or self._waits:
            nearest = min(
                min((stream.deadline for stream in self._streams), default=_NEVER),
                min((at for wait, at in self._waits.items() if not wait.done()), default=_NEVER),
            )
            self._look_at(max(now + 0.001, min(now + _LOOK, nearest)))
        else:
            self._timer = None
            self.next_look = _NEVER


class AioStream(asyncio.Protocol):
    """A TCP or unix connection on an event loop; also the thing its flow waits on.

    To its Task it looks like a future (asyncio's duck type: `_asyncio_future_blocking`,
    add_done_callback, result, cancel), so that `_wake` can step the Task directly.
    """

    __slots__ = (
        "_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_descriptor", "_ended",
        "_failure", "_late", "_loop", "_paused", "_pieces", "_reading_paused", "_said_end",
        "_serve", "_size", "_sweep", "_taken", "_transport", "deadline", "facts",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sweep: Sweep,
        serve: Callable[[AioStream], None] | None = None,
    ) -> None:
        self._loop = loop
        self._sweep = sweep
        self._serve = serve
        self._transport: asyncio.Transport | None = None
        self._descriptor = -1
        self._taken = 0  # bytes that the kernel has taken since others last had a turn
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._failure: str | None = None
        self._paused = False
        self._reading_paused = False
        self._asyncio_future_blocking = False
        self._callback: Callable[[AioStream], object] | None = None
        self._context: contextvars.Context | None = None
        self._cancelled = False
        self._late = False
        self._said_end = False
        self.deadline = _NEVER
        self.facts = StreamFacts()

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's has no base
        transport.set_write_buffer_limits(high=0)
        connected = transport.get_extra_info("socket")
        if connected is not None and sys.platform != "win32":
            self._descriptor = connected.fileno()
        self.facts = StreamFacts(
            _address(transport.get_extra_info("peername")),
            _address(transport.get_extra_info("sockname")),
        )
        self._sweep.add(self)
        if self._serve is not None:
            self._serve(self)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived, and let the flow that waits for it go on."""
        self._pieces.append(data)
        self._size += len(data)
        if self._callback is not None:
            self._wake()
        elif self._size > _MOST_BUFFERED and not self._reading_paused:
            self._reading_paused = True
            if self._transport is not None:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Note the end; writing may go on."""
        self._ended = True
        if self._callback is not None and not self._paused:
            self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone, and why."""
        self._sweep.drop(self)
        if self._failure is None and not (exc is None and self._ended):
            self._failure = str(exc) if exc is not None else "connection closed"
        self._ended = True
        self._paused = False
        self._transport = None
        self._descriptor = -1
        if self._callback is not None:
            self._wake()

    def pause_writing(self) -> None:
        """Note that the kernel takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """Note that everything written is out."""
        self._paused = False
        if self._callback is not None:
            # Not at once: the transport that calls this has not finished with itself yet.
            self._loop.call_soon(self._wake)

    def expire(self) -> None:
        """Tell the waiting flow that its deadline has passed."""
        self.deadline = _NEVER
        if self._callback is not None:
            self._late = True
            self._wake()

    # -- what a flow calls

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" at the end."""
        while not self._pieces:
            if self._ended:
                if self._failure is None:
                    return b""
                raise ReadFailed(f"connection lost: {self._failure}", phase="read")
            await self._until(deadline, ReadTimeout, "nothing arrived in time", "read")
        pieces = self._pieces
        if len(pieces) == 1:
            data = pieces.pop()
        else:
            data = b"".join(pieces)
            pieces.clear()
        self._size = 0
        if self._reading_paused:
            self._reading_paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return data

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send data; return when the kernel has all of it."""
        transport = self._transport
        if transport is None or self._said_end or transport.is_closing():
            why = self._failure or "we ended it"
            raise WriteFailed(f"cannot send: {why}", phase="write")
        transport.write(data)
        self._taken += len(data)
        if self._taken > _TURN:
            self._taken = 0
            if not self._paused:
                await asyncio.sleep(0)
        while self._paused:
            await self._until(deadline, WriteTimeout, "the peer does not read", "write")
            if self._failure is not None:
                raise WriteFailed(f"connection lost: {self._failure}", phase="write")

    async def end(self, deadline: float | None) -> None:
        """Say that we send no more; reading goes on."""
        transport = self._transport
        if transport is not None and not self._said_end and not transport.is_closing():
            self._said_end = True
            try:
                transport.write_eof()
            except (OSError, RuntimeError):
                self.close()

    def close(self) -> None:
        """Let go of the connection at once."""
        self._sweep.drop(self)
        if self._failure is None:
            self._failure = "closed by us"
        self._ended = True
        self._descriptor = -1
        self._pieces.clear()
        self._size = 0
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if self._callback is not None:
            self._loop.call_soon(self._wake)

    def has_arrived(self) -> bool:
        """Whether a read would return at once.

        What the kernel has is taken from it here: the loop may have been busy elsewhere while
        it came, and a connection on which something has come is not as idle as it looks.
        """
        if self._pieces or self._ended:
            return True
        if self._descriptor < 0:
            return False
        try:
            data = os.read(self._descriptor, _PULLED)
        except BlockingIOError:
            return False
        except OSError as fault:
            self._failure = fault.strerror or str(fault)
            self._ended = True
            return True
        if data:
            self._pieces.append(data)
            self._size += len(data)
        else:
            self._ended = True
        return True

    async def _until(
        self, deadline: float | None, late: type[TimedOut], why: str, phase: str
    ) -> None:
        """Wait for the next event of any kind. Raises `late` when the deadline passes first.

        RuntimeError when another Task waits already: that one would never be woken again.
        """
        if self._callback is not None:
            raise RuntimeError("two tasks wait for one connection: let one of them read and write")
        if deadline is not None:
            self.deadline = deadline
            if deadline < self._sweep.next_look:
                self._sweep.hasten(deadline)
        try:
            await self
        finally:
            self.deadline = _NEVER
        if self._late:
            self._late = False
            raise late(why, phase=phase)

    # -- what the waiting Task sees: a future

    def __await__(self) -> Generator[AioStream, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that this stream belongs to."""
        return self._loop

    def add_done_callback(
        self, callback: Callable[[AioStream], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Take the Task's wake-up call."""
        self._callback = callback
        self._context = context

    def cancel(self, msg: object = None) -> bool:
        """Cancel the wait, as Task.cancel asks."""
        self._cancelled = True
        self._loop.call_soon(self._wake)
        return True

    def result(self) -> None:
        """Raise CancelledError if the wait was cancelled."""
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def _wake(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            if self._context is None:
                callback(self)
            else:
                self._context.run(callback, self)


def _address(name: object) -> tuple[str, int] | None:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return None
