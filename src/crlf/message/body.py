"""Bodies on their way out: bytes, a file, or anything that yields bytes.

A body answers three questions before its first byte is sent: how long is it (None when
nobody knows), can it be sent again (a retry or a redirect needs that), and what are its
pieces. Pieces come from `chunks()`, a plain iterator, or, for a body that must be waited
for, from `chunks_async()`; exactly one of the two is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from io import BufferedRandom, BufferedReader, FileIO
from typing import BinaryIO, NamedTuple, Protocol

from crlf.message.errors import LocalError

PIECE = 256 * 1024  # bytes read from a file at a time; large enough that the calls vanish
SMALL_FILE = 64 * 1024  # bytes that are copied faster, head and content in one, than sent alone
UPLOAD_PIECE = 1024 * 1024  # bytes; an asyncio upload at 256 KiB is slower by a quarter


# Told the bytes so far, and those in all, None while nobody knows. What it returns is ignored,
# what it raises ends the transfer.
Progress = Callable[[int, int | None], object]


class Body(Protocol):
    """What a message can carry.

    length: the number of bytes, or None when it is known only at the end.
    can_send_again: whether `chunks` may be asked for a second time.
    waits: True when only `chunks_async` can be used.
    reads_files: True when `chunks` reads from disk, so that an event loop should not.
    """

    length: int | None
    can_send_again: bool
    waits: bool
    reads_files: bool

    def chunks(self) -> Iterator[bytes]: ...
    def chunks_async(self) -> AsyncIterator[bytes]: ...


class Span(NamedTuple):
    """So many bytes of an open file, from an offset on, for the kernel to send.

    A body with a method `spans` gives its pieces in order, with a Span where there is a file that
    the kernel can send. What is open stays so until the next piece is asked for.
    """

    descriptor: int
    offset: int
    size: int


class _Plain:
    """The answers that most bodies share."""

    length: int | None = None
    can_send_again = True
    waits = False
    reads_files = False

    def chunks(self) -> Iterator[bytes]:
        raise TypeError(f"{type(self).__name__} must be waited for")

    def chunks_async(self) -> AsyncIterator[bytes]:
        raise TypeError(f"{type(self).__name__} needs no waiting")


class FileBody(_Plain):
    """The rest of an open binary file, from where it stands, or `length` bytes of it.

    The length comes from the caller's look at the open file (fstat); a file that turns out
    shorter raises LocalError while it is sent, one that grew is sent only so far.
    The file is the caller's: it is not closed here, unless `closing` is set.

    piece: bytes read at a time. A client, which sends few files at once, takes more, so that an
    event loop waits for its thread less often.
    """

    reads_files = True
    piece = PIECE

    def __init__(self, file: BinaryIO, length: int | None = None, *, closing: bool = False) -> None:
        self.file = file
        self.can_send_again = file.seekable() and not closing
        self._start = file.tell() if self.can_send_again or file.seekable() else None
        if length is None and self._start is not None:
            try:
                end = file.seek(0, 2)
            except OSError:
                pass  # what is in /proc can be read again, and has no end that could be looked up
            else:
                file.seek(self._start)
                length = end - self._start
        self.length = length
        self._closing = closing

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes from where it stood when this body was made."""
        try:
            if self._start is not None:
                self.file.seek(self._start)
            left = self.length
            while left is None or left > 0:
                most = self.piece
                piece = self.file.read(most if left is None else min(most, left))
                if not piece:
                    break
                if left is not None:
                    left -= len(piece)
                yield piece
            if left:
                raise LocalError(f"the file ended {left:,} bytes before its promised length")
        finally:
            self.close()

    def span(self) -> Span | None:
        """Return where the content is; None when only reading the file tells what it is."""
        file = self.file
        raw = file if type(file) is FileIO else None
        if type(file) is BufferedReader or type(file) is BufferedRandom:
            raw = file.raw if type(file.raw) is FileIO else None
        if raw is None or self._start is None or self.length is None:
            return None
        if type(file) is BufferedRandom:
            file.flush()
        return Span(raw.fileno(), self._start, self.length)

    def spans(self) -> Iterator[bytes | Span]:
        """Yield the file as one span, or its bytes where there is none, or few of them."""
        span = self.span()
        if span is None or span.size <= SMALL_FILE:
            yield from self.chunks()
            return
        try:
            yield span
            if not self._closing:
                self.file.seek(span.offset + span.size)  # where reading it would have left it
        finally:
            self.close()

    def close(self) -> None:
        """Close the file if it is ours."""
        if self._closing:
            self.file.close()


class IterableBody(_Plain):
    """What an iterable yields, each piece as it comes. An iterator can be sent only once."""

    def __init__(self, pieces: Iterable[bytes], length: int | None = None) -> None:
        self._pieces = pieces
        self.length = length
        self.can_send_again = iter(pieces) is not pieces

    def chunks(self) -> Iterator[bytes]:
        """Yield the pieces; the iterable is asked anew each time."""
        return iter(self._pieces)


class AsyncIterableBody(_Plain):
    """What an asynchronous iterable yields. Never sent twice."""

    waits = True
    can_send_again = False

    def __init__(self, pieces: AsyncIterable[bytes], length: int | None = None) -> None:
        self._pieces = pieces
        self.length = length

    def chunks_async(self) -> AsyncIterator[bytes]:
        """Yield the pieces, waiting for each."""
        return self._pieces.__aiter__()


class LostBody(_Plain):
    """What stands for a streamed body in a request that was pickled: it did not come along."""

    can_send_again = False

    def chunks(self) -> Iterator[bytes]:
        """Raise RuntimeError: there is nothing to send."""
        raise RuntimeError("the content of this request was a stream, and did not come along")


class JoinedBody(_Plain):
    """Several pieces and files one after the other, opened when their turn comes.

    parts: bytes as they are, or a (length, opener) pair for a file. This is how a
    multipart form streams its files from disk in constant memory with a known length.
    """

    reads_files = True

    def __init__(self, parts: Iterable[bytes | tuple[int | None, Callable[[], Body]]]) -> None:
        self._parts = list(parts)
        lengths = [len(part) if isinstance(part, bytes) else part[0] for part in self._parts]
        known = [length for length in lengths if length is not None]
        self.length = sum(known) if len(known) == len(lengths) else None

    def chunks(self) -> Iterator[bytes]:
        """Yield every part's bytes in order."""
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part[1]().chunks()

    def spans(self) -> Iterator[bytes | Span]:
        """Yield every part in order, files as spans where they can be."""
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                opened = part[1]()
                yield from opened.spans() if isinstance(opened, FileBody) else opened.chunks()


Content = bytes | str | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]


def body_of(content: object) -> bytes | Body:
    """Turn what a user hands in as content into bytes or a Body.

    Takes bytes-like objects, str (as UTF-8), open binary files, iterables and asynchronous
    iterables of bytes, and a Body itself. Raises TypeError for anything else, dicts included:
    a mapping is data= or json=, never content=.
    """
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytearray, memoryview)):
        return bytes(content)
    if hasattr(content, "chunks") and hasattr(content, "can_send_again"):
        return content  # type: ignore[return-value]  # a Body, by its two telling questions
    if hasattr(content, "read") and hasattr(content, "seekable"):
        return FileBody(content)  # type: ignore[arg-type]  # a file by what it can do
    if isinstance(content, AsyncIterable):
        return AsyncIterableBody(content)
    if isinstance(content, Iterable) and not isinstance(content, dict):
        return IterableBody(content)
    raise TypeError(
        f"content must be bytes, str, a binary file or an iterable of bytes, "
        f"not {type(content).__name__}; use data= for forms and json= for JSON"
    )
