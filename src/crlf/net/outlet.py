"""A stream without a peer: what is written to it comes out where the flow that writes is run.

A flow over it suspends with each piece of bytes, so that whoever steps it, with `send(None)`,
is handed one after the other and no more than a piece is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from crlf.net.sendfile import write_pieces
from crlf.ports import StreamFacts

T = TypeVar("T")


class Outlet:
    """A Stream of which one side is missing. answer: what each read gives."""

    sends_files = False

    def __init__(self, answer: bytes = b"") -> None:
        self.facts = StreamFacts()
        self._answer = answer

    async def read(self, deadline: float | None) -> bytes:
        """Return the answer."""
        return self._answer

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Suspend with the data."""
        await _Piece(data)

    async def end(self, deadline: float | None) -> None:
        """Nobody is there to be told."""

    def close(self) -> None:
        """Nothing is open."""

    def has_arrived(self) -> bool:
        """Nothing comes unasked."""
        return False

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Read so many bytes of an open file and write them; see Stream."""
        await write_pieces(self, descriptor, offset, count, deadline_of)

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """It has no peer that could end it."""


class _Piece:
    """What a flow suspends with, so that who runs it gets the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __await__(self) -> Generator[bytes, None, None]:
        yield self._data


async def at_once(work: Callable[[], T]) -> T:
    """Run work here, where nobody else waits (`InThread`)."""
    return work()
