"""A connection: an engine at the end of a stream, and the waiting between them.

It asks the engine for parts and feeds it from the stream, and it carries what the engine
wants to say back. It knows neither roles nor versions of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from crlf.ports import Stream
from crlf.wire.engine import Engine
from crlf.wire.parts import Part

E = TypeVar("E", bound=Engine)
PIECE = 256 * 1024  # bytes written at once; a deadline is for each, so that progress counts


async def write_large(stream: Stream, data: bytes, deadline_of: Callable[[], float | None]) -> None:
    """Send much data, with a deadline anew for every piece of it.

    A peer is slow when it takes nothing, not when there is much to take. Raises WriteTimeout,
    WriteFailed.
    """
    for start in range(0, len(data), PIECE):
        await stream.write(data[start : start + PIECE], deadline_of())


class Connection(Generic[E]):
    """One stream and the engine that speaks on it.

    received: bytes read from the stream so far, which a body's minimum rate is reckoned from.
    """

    __slots__ = ("engine", "received", "stream")

    def __init__(self, stream: Stream, engine: E) -> None:
        self.stream = stream
        self.engine = engine
        self.received = 0

    async def next_part(self, deadline: float | None) -> Part:
        """Return the next part, reading as often as it takes until the deadline.

        Raises RemoteError, TooLarge, ReadTimeout, ReadFailed.
        """
        engine = self.engine
        part = engine.next_part()
        while part is None:
            data = await self.stream.read(deadline)
            self.received += len(data)
            engine.receive(data)
            part = engine.next_part()
        return part

    async def fill(self, deadline: float | None) -> bool:
        """Read once and hand it to the engine; tell whether anything came, or it was the end.

        Raises ReadTimeout, ReadFailed.
        """
        data = await self.stream.read(deadline)
        self.received += len(data)
        self.engine.receive(data)
        return bool(data)

    def send(self, part: Part) -> None:
        """Let the engine write a part; `flush` carries it out. Raises LocalError."""
        self.engine.send(part)

    async def flush(self, deadline: float | None) -> None:
        """Send what the engine has written. Raises WriteTimeout, WriteFailed."""
        data = self.engine.outgoing()
        if data:
            await self.stream.write(data, deadline)

    @property
    def sends_files(self) -> bool:
        """Whether content of our present message may be sent by `send_file`, from a file."""
        return self.stream.sends_files and self.engine.may_send_beside

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Send what the engine has written, then so many bytes of an open file beside it.

        Raises WriteTimeout, WriteFailed, LocalError for more than Content-Length, and for a file
        that is shorter: then the message has no end any more.
        """
        await self.flush(deadline_of())
        self.engine.send_beside(count)
        if not self.engine.drops_content:
            await self.stream.send_file(descriptor, offset, count, deadline_of)

    def close(self) -> None:
        """Let go of the stream at once."""
        self.stream.close()

    def leave(self, deadline: float) -> None:
        """Close after the last exchange: say so first, as far as that needs little waiting.

        RFC 9112 9.8: a client sends close_notify before it closes. On a connection that has
        nothing under way there is room for that, unless the peer has read nothing for long:
        then it has to do without, after the deadline where streams block, at once elsewhere.
        """
        farewell = self.stream.end(deadline)
        try:
            farewell.send(None)
        except StopIteration:
            pass
        else:
            farewell.close()
        self.stream.close()
