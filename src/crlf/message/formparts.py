"""Content that a handler reads as it comes: its pieces, and the parts of a form.

One object serves both colours, and the loop chooses: `for` in a `def` handler blocks its thread,
`async for` in an `async def` one waits. What it gives has that colour too. Its law: nobody gets
an end where there was none: content that broke off raises in the loop that reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from os import PathLike
from typing import Any, Final, Protocol, TypeVar

from crlf.message.body import Body
from crlf.message.errors import Malformed
from crlf.message.headers import Headers

P = TypeVar("P", bound=str | PathLike[str])

READ_MOST: Final = 1024 * 1024  # bytes that `read` of a part takes unless it is told; Flask 500 kB


class Pieces(Protocol):
    """Bytes as they come, in pieces whose sizes mean nothing; none of them is empty."""

    def __iter__(self) -> Iterator[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class PartFacts(Protocol):
    """What is known of a part of a form before its content.

    name, filename, content_type, headers: as the sender wrote them: data, and never to be
    trusted. filename: None for a plain field, "" where no file was chosen. size: bytes of it that
    have been read. sha256: in hexadecimal, once it was saved.
    """

    @property
    def name(self) -> str: ...
    @property
    def filename(self) -> str | None: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str | None: ...
    def safe_name(self) -> str:
        """Return a name for it that is safe in a folder on any system; never empty."""


class FormPart(PartFacts, Protocol):
    """A part as `for` gives it: its methods block. The next part ends it."""

    def pieces(self) -> Iterator[bytes]:
        """Yield its content as it comes."""

    def read(self, limit: int = READ_MOST) -> bytes:
        """Return its content. Raises TooLarge (413) for more than limit bytes."""

    def save(self, path: P, *, exclusive: bool = False) -> P:
        """Write its content to a file, whole or not at all, and return the path; see Upload.save.

        Raises also TooLarge (507) when the disk has no room, and what reading raises.
        """


class AsyncFormPart(PartFacts, Protocol):
    """A part as `async for` gives it: its methods are awaited. The next part ends it."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield its content as it comes."""

    def read(self, limit: int = READ_MOST) -> Coroutine[Any, Any, bytes]:
        """Return its content. Raises TooLarge (413) for more than limit bytes."""

    def save(self, path: P, *, exclusive: bool = False) -> Coroutine[Any, Any, P]:
        """Write its content to a file, whole or not at all, and return the path; see Upload.save.

        Raises also TooLarge (507) when the disk has no room, and what reading raises.
        """


class FormParts(Protocol):
    """The parts of a form in their order. What is left of one is skipped for the next."""

    def __iter__(self) -> Iterator[FormPart]: ...
    def __aiter__(self) -> AsyncIterator[AsyncFormPart]: ...


class PiecesHere:
    """Content that is here already, in one piece."""

    def __init__(self, content: bytes) -> None:
        self._left = [content] if content else []

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            yield self._left.pop()

    def __aiter__(self) -> PiecesHere:
        return self

    def __anext__(self) -> PiecesHere:
        return self

    def __await__(self) -> Generator[None, None, bytes]:
        yield from ()  # which makes this a generator, as what is awaited has to be
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


def pieces_of(body: bytes | Body) -> Pieces:
    """Give the pieces of a request's content. Raises RuntimeError for what is none."""
    if isinstance(body, bytes):
        return PiecesHere(body)
    if hasattr(body, "pieces"):
        pieces: Pieces = body.pieces()
        return pieces
    raise RuntimeError("this content goes out: its pieces are in .body.chunks()")


def parts_of(body: bytes | Body) -> FormParts:
    """Give the parts of a form. Raises Malformed (400) for no content, RuntimeError for none."""
    if hasattr(body, "parts"):
        parts: FormParts = body.parts()
        return parts
    if body == b"":
        raise Malformed("a form was to be sent, and there is no content", "RFC 7578 4")
    raise RuntimeError("this form is here whole: a route with streams=True gets it part by part")
