"""Connections that never leave the process: two ends, and a buffer each way between them.

They behave as TCP does where it hurts: buffers fill up, one side may end before the other,
and to close with something unread breaks the connection and loses what the peer had not read.
A Shape bends one direction to a test's wish.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from crlf.message.errors import ReadFailed, ReadTimeout, WriteFailed, WriteTimeout
from crlf.net.aio import AioBell
from crlf.net.privateloop import PrivateLoop
from crlf.net.scripted import UNENCRYPTED, Fault
from crlf.net.sendfile import write_pieces
from crlf.ports import StreamFacts
from crlf.values import frozen

_ROOM = 256 * 1024  # bytes under way in one direction; what Linux begins with on loopback


@frozen
class Shape:
    """How bytes travel in one direction.

    room: bytes under way at most; a write waits for it. piece: bytes that one read returns at
    most. fault: what happens once so many bytes were written; the writer does not notice END
    and STALL, and with RESET both ends lose the connection.
    """

    room: int = _ROOM
    piece: int | None = None
    fault: Fault | None = None
    after: int = 0


STRAIGHT = Shape()


class Way:
    """One direction of a connection: a bounded buffer, and how it ends."""

    __slots__ = (
        "bell", "carried", "chunks", "is_ended", "is_swallowing", "is_unread", "lost", "on_end",
        "opposite", "shape", "size",
    )  # fmt: skip
    opposite: Way

    def __init__(self, loop: asyncio.AbstractEventLoop, shape: Shape) -> None:
        self.bell = AioBell(loop)  # rung at every change
        self.shape = shape
        self.chunks: deque[bytes] = deque()
        self.size = 0  # bytes in chunks
        self.carried = 0  # bytes written, all told
        self.is_ended = False  # nothing comes after the chunks
        self.is_unread = False  # the reader has gone
        self.is_swallowing = False  # what is written goes nowhere, and ends nothing
        self.lost = ""  # why the connection broke; the reader learns of it after the chunks
        self.on_end: Callable[[], object] | None = None  # the reader's; told when it is so far

    @property
    def room(self) -> int:
        """How many bytes the writer may put now."""
        return self.shape.room - self.size

    def put(self, data: bytes) -> None:
        """Take bytes from the writer, who has seen that there is room."""
        if not self.is_swallowing:
            if self.shape.fault is not None:
                data = data[: self.shape.after - self.carried]
            if data:
                self.chunks.append(data)
                self.size += len(data)
                self.carried += len(data)
            self.strike()
        self.bell.ring()

    def strike(self) -> None:
        """Let the fault happen if its time has come."""
        fault = self.shape.fault
        if fault is None or self.carried < self.shape.after:
            return
        if fault is Fault.RESET:
            self.lose("Connection reset by peer")
            self.opposite.lose("Connection reset by peer")
        else:
            self.is_swallowing = True
            self.is_ended = fault is Fault.END
            self.tell_end()

    def take(self) -> bytes:
        """Give the reader what is here, if it is not too much for one piece."""
        chunks, piece = self.chunks, self.shape.piece
        if len(chunks) == 1 or piece is not None:
            data = chunks.popleft()
            if piece is not None and len(data) > piece:
                chunks.appendleft(data[piece:])
                data = data[:piece]
        else:
            data = b"".join(chunks)
            chunks.clear()
        self.size -= len(data)
        self.bell.ring()
        return data

    def end(self) -> None:
        """Let nothing come after what is under way."""
        self.is_ended = self.is_ended or not self.is_swallowing
        self.tell_end()
        self.bell.ring()

    def lose(self, why: str) -> None:
        """Break. What is under way still arrives."""
        self.lost = self.lost or why
        self.tell_end()
        self.bell.ring()

    def tell_end(self) -> None:
        """Tell who wants to know that nothing more comes, if that is so."""
        if self.on_end is not None and (self.is_ended or self.lost):
            callback, self.on_end = self.on_end, None
            callback()


class MemoryStream:
    """One end of a connection in memory, for flows on an event loop."""

    __slots__ = ("_incoming", "_is_closed", "_outgoing", "_twin", "facts")
    sends_files = False

    def __init__(self, incoming: Way, outgoing: Way) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._is_closed = False
        self._twin: MemoryStream | None = None
        self.facts = StreamFacts()

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" when the peer is done."""
        way = self._incoming
        began = monotonic()
        while True:
            if self._is_closed:
                raise ReadFailed("connection lost: closed by us", phase="read")
            if way.chunks:
                return way.take()
            if way.lost:
                raise ReadFailed(f"connection lost: {way.lost}", phase="read")
            if way.is_ended:
                return b""
            if not await way.bell.wait(deadline):
                seconds = monotonic() - began
                raise ReadTimeout(
                    f"nothing arrived within {seconds:.3g} seconds", phase="read", seconds=seconds
                )

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Hand data over, waiting while there is no room for it."""
        way = self._outgoing
        began = monotonic()
        while True:
            if self._is_closed:
                raise WriteFailed("connection lost: closed by us", phase="write")
            if way.lost or way.is_unread:
                why = way.lost or "closed by the peer"
                raise WriteFailed(f"connection lost: {why}", phase="write")
            if way.is_ended and not way.is_swallowing:
                raise WriteFailed("cannot send: we ended it", phase="write")
            room = len(data) if way.is_swallowing else way.room
            if room > 0 and data:
                way.put(data[:room])
                data = data[room:]
            if not data:
                return
            if room <= 0 and not await way.bell.wait(deadline):
                seconds = monotonic() - began
                raise WriteTimeout(
                    f"the peer took too little within {seconds:.3g} seconds",
                    phase="write",
                    seconds=seconds,
                )

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Read so many bytes of an open file and send them; see Stream."""
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def end(self, deadline: float | None) -> None:
        """Say that we send no more; reading goes on."""
        self._outgoing.end()

    def close(self) -> None:
        """Let go at once; a reset, if the peer has sent what we did not read."""
        if self._is_closed:
            return
        self._is_closed = True
        self._twin = None
        incoming, outgoing = self._incoming, self._outgoing
        if incoming.chunks:
            # RFC 9112 9.6: a reset may destroy what the peer was about to read. Here it does.
            outgoing.chunks.clear()
            outgoing.size = 0
            outgoing.lose("Connection reset by peer")
        else:
            outgoing.end()
        incoming.is_unread = True
        incoming.chunks.clear()
        incoming.end()

    def reset(self) -> None:
        """Break the connection, as a peer that crashed does; what is under way is lost."""
        for way in (self._incoming, self._outgoing):
            way.chunks.clear()
            way.size = 0
            way.lose("Connection reset by peer")

    def has_arrived(self) -> bool:
        """Whether a read would return at once."""
        way = self._incoming
        return bool(way.chunks or way.lost or way.is_ended or self._is_closed)

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once when the peer has closed its side, or the connection is gone."""
        way = self._incoming
        way.on_end = callback
        if self._is_closed:
            way.end()
        way.tell_end()

    def pretend_tls(self) -> None:
        """Let both ends say that they are encrypted."""
        for end in (self, self._twin):
            if end is not None:
                end.facts = StreamFacts(tls=UNENCRYPTED)


def join(
    loop: asyncio.AbstractEventLoop, there: Shape = STRAIGHT, back: Shape = STRAIGHT
) -> tuple[MemoryStream, MemoryStream]:
    """Make a connection on a loop and return its two ends.

    there: the direction from the first end to the second; back: the other.
    """
    going, coming = Way(loop, there), Way(loop, back)
    going.opposite, coming.opposite = coming, going
    here, yonder = MemoryStream(coming, going), MemoryStream(going, coming)
    here._twin, yonder._twin = yonder, here
    going.strike()
    coming.strike()
    return here, yonder


class DrivenStream:
    """The client's end of a connection whose server lives on a private loop; never suspends.

    begin: has the server begin. It is called at the first use, and not before: whether the
    connection is encrypted is known by then, which the server looks at when it begins.
    """

    __slots__ = ("_begin", "_end", "_loop", "facts")
    sends_files = False

    def __init__(self, end: MemoryStream, loop: PrivateLoop, begin: Callable[[], object]) -> None:
        self._begin: Callable[[], object] | None = begin
        self._end = end
        self._loop = loop
        self.facts = end.facts

    async def read(self, deadline: float | None) -> bytes:
        """Run the loop until something arrives; b"" when the peer is done."""
        self._use()
        return self._loop.run(self._end.read(deadline))

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Hand data over, running the loop while there is no room for it."""
        self._use()
        self._loop.run(self._end.write(data, deadline))

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Read so many bytes of an open file and send them; see Stream."""
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def end(self, deadline: float | None) -> None:
        """Say that we send no more; reading goes on."""
        self._use()
        self._loop.call(self._end._outgoing.end)

    def close(self) -> None:
        """Let go at once."""
        self._loop.call(self._end.close)

    def has_arrived(self) -> bool:
        """Whether a read would return at once, when the server has done what it can do now."""
        self._use()
        return self._loop.run(self._look())

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once when the server has ended, as far as its loop is run."""
        self._loop.call(lambda: self._end.on_end(callback))

    def _use(self) -> None:
        begin, self._begin = self._begin, None
        if begin is not None:
            self._loop.run(_called(begin))

    async def _look(self) -> bool:
        await asyncio.sleep(0)
        return self._end.has_arrived()

    def pretend_tls(self) -> None:
        """Let both ends say that they are encrypted."""
        self._end.pretend_tls()
        self.facts = self._end.facts


async def _called(begin: Callable[[], object]) -> None:
    begin()
