"""Content that comes in pieces, cut anew: into pieces of one size, or lines of text.

What comes in is counted in bytes, never in pieces: a dribble of single bytes costs no object
for each of them. Everything here is fed, and then finished.
"""

from __future__ import annotations

from collections.abc import Iterator

from crlf.message.content import TextDecoder
from crlf.message.headers import Headers

_SMALL = 4096  # bytes, or pieces of text; what is less is gathered


class Chunks:
    """Bytes in pieces to pieces of one size, the last one what is left: feed it, then finish it."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a chunk has at least one byte")
        self._size = size
        self._held = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the pieces that are complete with this one."""
        held, size = self._held, self._size
        held += piece
        whole = len(held) - len(held) % size
        if not whole:
            return []
        with memoryview(held) as view:
            chunks = [bytes(view[at : at + size]) for at in range(0, whole, size)]
        del held[:whole]
        return chunks

    def finish(self) -> list[bytes]:
        """Return what is left, if there is anything."""
        held, self._held = bytes(self._held), bytearray()
        return [held] if held else []


class LineSplitter:
    """Text in pieces to lines: feed it, then finish it. held: characters of the line so far."""

    def __init__(self) -> None:
        self.held = 0
        self._pieces: list[str] = []
        self._small: list[str] = []  # pieces that are to become one
        self._after_cr = False  # the last piece ended with CR, whose LF may follow

    def feed(self, text: str) -> list[str]:
        """Return the lines that text completes, without their ends."""
        if self._after_cr and text:
            text = "\r" + text
            self._after_cr = False
        if text.endswith("\r"):
            text, self._after_cr = text[:-1], True
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._keep(lines[0])
        if len(lines) == 1:
            return []
        first = self._kept()
        self._keep(lines[-1])
        return [first, *lines[1:-1]]

    def finish(self) -> list[str]:
        """Return what is left as the last line, if there is anything."""
        last = self._kept()
        held, self._after_cr = self._after_cr, False
        return [last] if last or held else []

    def _keep(self, text: str) -> None:
        self.held += len(text)
        self._small.append(text)
        if len(self._small) > _SMALL or len(text) > _SMALL:
            self._pieces.append("".join(self._small))
            self._small.clear()

    def _kept(self) -> str:
        line = "".join((*self._pieces, *self._small))
        self._pieces.clear()
        self._small.clear()
        self.held = 0
        return line


class Lines:
    """Content in pieces to lines of text: feed it, then finish it."""

    def __init__(self, headers: Headers) -> None:
        self._decoder = TextDecoder(headers)
        self._splitter = LineSplitter()

    @property
    def held(self) -> int:
        """Characters of the line that is not complete yet."""
        return self._splitter.held

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that are complete with this piece."""
        return self._splitter.feed(self._decoder.feed(piece))

    def finish(self) -> list[str]:
        """Return the lines that the end completes."""
        return [*self._splitter.feed(self._decoder.finish()), *self._splitter.finish()]


def cut(content: bytes, size: int | None) -> Iterator[bytes]:
    """Yield content that is here in pieces of a size, or in one."""
    if size is None:
        yield from [content] if content else []
        return
    chunks = Chunks(size)
    yield from chunks.feed(content)
    yield from chunks.finish()
