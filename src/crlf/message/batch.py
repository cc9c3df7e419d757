"""Pieces of content gathered until somebody wants them: as they are, or as one whole.

What comes in is counted in bytes, never in pieces: small ones are joined on the way, so that a
dribble of single bytes costs no object for each of them. A piece is not to change once it is here.
"""

from __future__ import annotations

from typing import Final

_SMALL: Final = 4096  # bytes; pieces below it are joined


class Batch:
    """Pieces of content, none of them copied unless it is small. size: bytes of all."""

    __slots__ = ("_pieces", "_small", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes | bytearray] = []
        self._small = bytearray()

    def add(self, piece: bytes) -> None:
        """Keep a piece."""
        self.size += len(piece)
        if len(piece) < _SMALL:
            self._small += piece
            return
        if self._small:
            self._pieces.append(self._small)
            self._small = bytearray()
        self._pieces.append(piece)

    def take(self) -> list[bytes | bytearray]:
        """Take everything out."""
        pieces, small = self._pieces, self._small
        if small:
            pieces.append(small)
            self._small = bytearray()
        self._pieces = []
        self.size = 0
        return pieces

    def take_whole(self) -> bytes:
        """Take everything out as one."""
        return b"".join(self.take())
