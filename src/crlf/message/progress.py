"""How far content is on its way, for whoever waits for it, and what came of a download.

A program that shows progress is told (bytes so far, bytes in all or None). Its law: telling
changes nothing of what is sent: the same bytes in the same order, with the same length.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, NamedTuple

from crlf.message.body import (
    PIECE,
    UPLOAD_PIECE,
    Body,
    IterableBody,
    Progress,
    Span,
    body_of,
)
from crlf.message.response import Response
from crlf.values import frozen


class UploadProgress(NamedTuple):
    """How far a request's content is on its way in, as its server's program is told.

    received: bytes so far. total: in all, None where the client does not say. ended: nothing more
    comes: all of it is here, or, failed, it is refused or broke off.
    """

    received: int
    total: int | None
    ended: bool = False
    failed: bool = False

    @property
    def share(self) -> float | None:
        """What is here of the whole, from 0.0 to 1.0; None where nobody knows."""
        if self.total is None:
            return 1.0 if self.ended and not self.failed else None
        return self.received / self.total if self.total else 1.0


class WatchedBody:
    """A body that tells how much of it is out: 0 before the first piece, then after each.

    body: bytes, or anything that can be content. A piece is told when the next one is asked
    for, so it has been taken by then. Sent once more, as a retry or a redirect does, it starts
    at 0 again. Of a body that reads files, an AsyncClient makes the pieces in a thread: there
    `told` is called in that thread, and never twice at a time.
    """

    def __init__(self, body: object, told: Progress) -> None:
        given = body_of(body)
        content = IterableBody(_Cut(given), len(given)) if isinstance(given, bytes) else given
        self._content: Body = content
        self._told = told
        self.length = content.length
        self.can_send_again = content.can_send_again
        self.waits = content.waits
        self.reads_files = content.reads_files

    def chunks(self) -> Iterator[bytes]:
        """Yield the pieces, telling after each."""
        pieces = self._content.chunks()
        sent = 0
        self._told(sent, self.length)
        try:
            for piece in pieces:
                yield piece
                sent += len(piece)
                self._told(sent, self.length)
        finally:
            _close(pieces)

    def spans(self) -> Iterator[bytes | Span]:
        """Yield the pieces, files as spans where they can be, none too large to be told after."""
        spans = getattr(self._content, "spans", None)
        if spans is None:
            yield from self.chunks()
            return
        pieces: Iterator[bytes | Span] = spans()
        sent = 0
        self._told(sent, self.length)
        try:
            for piece in pieces:
                for part in _parts(piece):
                    yield part
                    sent += part.size if isinstance(part, Span) else len(part)
                    self._told(sent, self.length)
        finally:
            _close(pieces)

    def chunks_async(self) -> AsyncIterator[bytes]:
        """Yield the pieces of a body that must be waited for, telling after each."""
        return _WatchedPieces(self._content.chunks_async(), self._told, self.length)

    def close(self) -> None:
        """Let go of what the body holds open."""
        _close(self._content)


class _WatchedPieces:
    """The pieces of a body that must be waited for; each is told when the next is asked for."""

    def __init__(self, pieces: AsyncIterator[bytes], told: Progress, length: int | None) -> None:
        self._pieces = pieces
        self._told = told
        self._length = length
        self._sent = 0
        aclose = getattr(pieces, "aclose", None)
        if aclose is not None:
            self.aclose = aclose

    def __aiter__(self) -> _WatchedPieces:
        return self

    def __anext__(self) -> _WatchedPieces:
        return self

    def __await__(self) -> Generator[Any, Any, bytes]:
        self._told(self._sent, self._length)
        piece: bytes = yield from self._pieces.__anext__().__await__()
        self._sent += len(piece)
        return piece


class _Cut:
    """Bytes in pieces as large as a file's are."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            yield self._content[start : start + PIECE]


def _parts(piece: bytes | Span) -> Iterator[bytes | Span]:
    """Cut a span into pieces as large as those that are read."""
    if not isinstance(piece, Span):
        yield piece
        return
    descriptor, offset, size = piece
    for start in range(0, size, UPLOAD_PIECE):
        yield Span(descriptor, offset + start, min(UPLOAD_PIECE, size - start))


def _close(thing: object) -> None:
    close = getattr(thing, "close", None)
    if close is not None:
        close()


@frozen
class Download:
    """What came of a download.

    path: where the file is now. size: of the file, in bytes. response: the last one, without
    content; its status is 206 after a resume, and 416 when everything had been here already.
    resumed_from: how many bytes an earlier call had left here. attempts: requests that it took.
    digest: what the file was checked against, as `sha-256=` and hexadecimal digits; None when
    nobody said what it should be.
    """

    path: str
    size: int
    response: Response
    resumed_from: int = 0
    attempts: int = 1
    digest: str | None = None
