"""Streams of asyncio: a Protocol with its own buffer, woken without a detour.

Three things make it fast. A flow that waits here is resumed inside data_received itself, in the
same turn of the loop, instead of through a future and a second turn. No wait has a timer: a sweep
looks at all waiting streams a few times a second, or as soon as the nearest deadline says. And
where much comes it is read straight from the kernel, without a copy out of the loop's buffer.
Writes go to the kernel at once; what it does not take is waited for, so that a write which has
returned is out of our hands. One Task may wait here to read while others wait to write: these
have futures, since whoever waits for room is slow anyway.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from collections.abc import Callable, Generator
from typing import cast

from crlf.message.errors import ReadFailed, ReadTimeout, TransportError, WriteFailed, WriteTimeout
from crlf.net.aiosendfile import Sending
from crlf.net.blocking import shown_address
from crlf.net.names import reason_of
from crlf.net.sendfile import CAN_SEND_FILES, is_unsuited, send_some, write_pieces
from crlf.net.sweep import NEVER, Sweep
from crlf.ports import StreamFacts

_TURN = 1024 * 1024  # bytes written without waiting, after which other connections have a turn
_PULLED = 64 * 1024  # bytes taken from the kernel when somebody asks whether there are any
_MUCH = 128 * 1024  # bytes in one piece: the loop's buffer was full, and the kernel has more
_BULK = 256 * 1024  # bytes then taken from the kernel at once: as many as stay in a cache
_STRAIGHT = 4 * 1024 * 1024  # bytes taken so, after which other connections have a turn
_MOST_BUFFERED = 128 * 1024  # bytes that wait for a reader before the peer is asked to pause
_NOBODY: set[asyncio.Future[bool]] = set()  # stays empty; an idle connection needs none of its own


class AioStream(asyncio.Protocol):
    """A TCP or unix connection on an event loop; also the thing that a reading flow waits on.

    To its Task it looks like a future (asyncio's duck type: `_asyncio_future_blocking`,
    add_done_callback, result, cancel), so that `_wake` can step the Task directly.
    """

    __slots__ = (
        "_asyncio_future_blocking", "_callback", "_cancelled", "_context",
        "_descriptor", "_ended", "_failure", "_late", "_loop", "_on_end", "_paused", "_pieces",
        "_reading_paused", "_said_end", "_sending", "_serve", "_size", "_straight", "_sweep",
        "_taken", "_transport", "_writers", "deadline", "facts",
    )  # fmt: skip
    sends_files = CAN_SEND_FILES

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
        self._straight = 0  # bytes that a reader may take from the kernel before the next turn
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
        self._on_end: Callable[[], object] | None = None
        self._sending: Sending | None = None
        self._writers: set[asyncio.Future[bool]] = _NOBODY  # they wait until everything is out
        self.deadline = NEVER  # of who reads
        self.facts = StreamFacts()

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's has no base
        transport.set_write_buffer_limits(high=0)
        connected = transport.get_extra_info("socket")
        if connected is not None and sys.platform != "win32":
            self._descriptor = connected.fileno()
        local = transport.get_extra_info("sockname")
        self.facts = StreamFacts(
            shown_address(transport.get_extra_info("peername")),
            self._sweep.shared(shown_address(local)),
            is_unix=not isinstance(local, tuple),
        )
        self._sweep.add(self)
        serve, self._serve = self._serve, None  # which may hold more than it looks
        if serve is not None:
            serve(self)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived, and let the flow that waits for it go on."""
        self._pieces.append(data)
        self._size += len(data)
        if len(data) > _MUCH:
            self._straight = _STRAIGHT
        if self._callback is not None:
            self._wake()
        elif self._size > _MOST_BUFFERED and not self._reading_paused:
            self._reading_paused = True
            if self._transport is not None:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Note the end; writing may go on."""
        self._ended = True
        if self._on_end is not None:
            self._tell_end()
        if self._callback is not None:
            self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone, and why."""
        self._sweep.drop(self)
        if self._failure is None and not (exc is None and self._ended):
            self._failure = str(exc) if exc is not None else "connection closed"
        self._ended = True
        self._transport = None
        self._descriptor = -1
        self._let_writers_go()
        if self._on_end is not None:
            self._tell_end()
        if self._callback is not None:
            self._wake()

    def pause_writing(self) -> None:
        """Note that the kernel takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """Note that everything written is out."""
        self._paused = False
        for waiting in self._writers:
            _set(waiting)

    def expire(self) -> None:
        """Tell the waiting flow that its deadline has passed."""
        self.deadline = NEVER
        if self._callback is not None:
            self._late = True
            self._wake()

    # -- what a flow calls

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" at the end.

        RuntimeError when another Task waits already: that one would never be woken again.
        """
        while not self._pieces:
            if self._ended:
                if self._failure is None:
                    return b""
                raise ReadFailed(f"connection lost: {self._failure}", phase="read")
            if self._callback is not None:
                raise RuntimeError("two tasks wait for one connection: let one of them read")
            if self._straight > 0 and self._pull(_BULK):
                continue
            if deadline is not None:
                self.deadline = deadline
                if deadline < self._sweep.next_look:
                    self._sweep.hasten(deadline)
            try:
                await self
            finally:
                self.deadline = NEVER
            if self._late:
                self._late = False
                raise ReadTimeout("nothing arrived in time", phase="read")
        pieces = self._pieces
        if len(pieces) == 1:
            data = pieces.pop()
        elif len(pieces[0]) > _MUCH:  # then there are few
            data, self._pieces = pieces[0], pieces[1:]
        else:
            data = b"".join(pieces)
            pieces.clear()
        self._size -= len(data)
        if self._reading_paused and not self._size:
            self._reading_paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return data

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send data; return when the kernel has all of it."""
        transport = self._transport
        if transport is None or self._said_end or transport.is_closing():
            raise self._cannot_send()
        if self._sending is not None:
            raise RuntimeError("a write in the midst of a file: let one task send at a time")
        transport.write(data)
        self._taken += len(data)
        if self._taken > _TURN:
            self._taken = 0
            if not self._paused:
                await asyncio.sleep(0)
        if self._paused:
            await self._until_out(deadline)

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Let the kernel send so many bytes of an open file; see Stream."""
        if self._paused:
            await self._until_out(deadline_of())
        if self.sends_files:
            offset, count = await self._send_by_kernel(descriptor, offset, count, deadline_of)
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def _send_by_kernel(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> tuple[int, int]:
        """Send a file; return offset and count of what is left, if it is not one to be sent so."""
        try:
            while count:
                transport = self._transport
                if transport is None or self._said_end or transport.is_closing():
                    raise self._cannot_send()
                if self._sending is not None:
                    raise RuntimeError("two files at once: let one task send at a time")
                try:
                    sent = send_some(self._descriptor, descriptor, offset, count)
                except (BlockingIOError, InterruptedError):
                    sent = 0
                offset, count = offset + sent, count - sent
                self._taken += sent
                if self._taken > _TURN:
                    self._taken = 0
                    await asyncio.sleep(0)
                elif count:
                    rest = Sending(self._loop, self._sweep, descriptor, offset, count, deadline_of)
                    self._sending = rest
                    try:
                        in_time = await rest.finish(self._descriptor)
                    finally:
                        self._sending = None
                        offset, count = rest.offset, rest.left
                    if not in_time:
                        raise WriteTimeout("the peer does not read", phase="write")
        except OSError as fault:
            if isinstance(fault, TransportError):
                raise
            if not is_unsuited(fault):
                self._failure = self._failure or reason_of(fault)
                raise WriteFailed(f"connection lost: {self._failure}", phase="write") from None
        return offset, count

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
        self._let_writers_go()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if self._callback is not None:
            self._loop.call_soon(self._wake)

    def has_arrived(self) -> bool:
        """Whether a read would return at once.

        What the kernel has is taken here: while it came the loop may have been busy elsewhere.
        """
        return bool(self._pieces) or self._ended or self._pull(_PULLED)

    def _pull(self, most: int) -> bool:
        """Take what the kernel has, or note the end; tell whether there was either."""
        if self._descriptor < 0:
            return False
        try:
            data = os.read(self._descriptor, most)
        except BlockingIOError:
            self._straight = 0
            return False
        except OSError as fault:
            self._failure = fault.strerror or str(fault)
            self._ended = True
            return True
        if data:
            self._pieces.append(data)
            self._size += len(data)
            self._straight -= len(data)
        else:
            self._ended = True
        return True

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once when the peer has closed its side, or the connection is gone."""
        self._on_end = callback
        if callback is not None and self._ended:
            self._tell_end()

    # -- waiting

    async def _until_out(self, deadline: float | None) -> None:
        """Wait until the kernel has everything. Raises WriteTimeout, WriteFailed."""
        while self._paused:
            waiting: asyncio.Future[bool] = self._loop.create_future()
            if self._writers is _NOBODY:
                self._writers = set()
            self._writers.add(waiting)
            if deadline is not None:
                self._sweep.watch(waiting, deadline)
            try:
                in_time = await waiting
            finally:
                self._writers.discard(waiting)
                self._sweep.forget(waiting)
            if not in_time:
                raise WriteTimeout("the peer does not read", phase="write")
        if self._failure is not None:
            raise WriteFailed(f"connection lost: {self._failure}", phase="write")

    def _let_writers_go(self) -> None:
        """Tell who waits to write that the connection is gone."""
        self._paused = False
        for waiting in self._writers:
            _set(waiting)
        if self._sending is not None:
            self._sending.fail(self._cannot_send())

    def _cannot_send(self) -> WriteFailed:
        return WriteFailed(f"cannot send: {self._failure or 'we ended it'}", phase="write")

    def _tell_end(self) -> None:
        callback, self._on_end = self._on_end, None
        if callback is not None:
            callback()

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


def _set(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(True)
