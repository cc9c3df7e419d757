"""A connection: an engine at the end of a stream, and the waiting between them.

It asks the engine for parts and feeds it from the stream, and it carries what the engine
wants to say back. It knows neither roles nor versions of HTTP.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from crlf.ports import Stream
from crlf.wire.engine import Engine
from crlf.wire.parts import Part

E = TypeVar("E", bound=Engine)


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

    def send(self, part: Part) -> None:
        """Let the engine write a part; `flush` carries it out. Raises LocalError."""
        self.engine.send(part)

    async def flush(self, deadline: float | None) -> None:
        """Send what the engine has written. Raises WriteTimeout, WriteFailed."""
        data = self.engine.outgoing()
        if data:
            await self.stream.write(data, deadline)

    def close(self) -> None:
        """Let go of the stream at once."""
        self.stream.close()
