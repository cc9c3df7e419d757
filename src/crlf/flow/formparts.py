"""The parts of a form, handed to a handler one after the other while the form arrives.

There is one reader, and a part is a window on it for as long as no other part is: what is left
of it then is skipped. A part that `for` gave has methods that block, one that `async for` gave
has methods that are awaited; both only ask the reader. Its law: a part is saved whole or not at
all, and a fault of the form is the sender's, whoever meets it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeVar

from crlf.flow.batches import BATCH, Behind
from crlf.flow.bodies import Lent
from crlf.flow.forms import boundary_of, is_form_data
from crlf.flow.terms import Spawn
from crlf.message.batch import Batch
from crlf.message.errors import Malformed, RemoteError, TooLarge
from crlf.message.fields.disposition import safe_name
from crlf.message.formparts import READ_MOST
from crlf.message.headers import Headers
from crlf.message.uploads import refuse_unsafe
from crlf.ports import InThread, OpenSaving, Saving
from crlf.wire.multipart import (
    Finished,
    MultipartLimits,
    MultipartParser,
    MultipartPart,
    PartData,
    PartHead,
)

T = TypeVar("T")
P = TypeVar("P", bound=str | PathLike[str])


class Source(Protocol):
    """Content on its way in, as StreamedContent is it."""

    headers: Headers
    limits: MultipartLimits
    in_thread: InThread
    spawn: Spawn | None
    saving: OpenSaving | None

    async def next_piece(self) -> bytes | None: ...
    def blame(self, fault: Exception) -> None: ...
    def wait(self, flow: Coroutine[Any, Any, T]) -> T: ...


class FormReader:
    """Reads a form from content that comes. number: of the part under way, from 1."""

    def __init__(self, content: Source) -> None:
        headers = content.headers
        if not is_form_data(headers):
            raise Malformed("the content is no multipart/form-data", "RFC 7578 4", 415)
        self.content = content
        self.number = 0
        self._parser = MultipartParser(boundary_of(headers), content.limits)
        self._is_in_part = False

    async def next_head(self) -> PartHead | None:
        """Skip what is left of a part and return the head of the next; None at the form's end."""
        self.number += 1
        while True:
            part = await self._next()
            if type(part) is PartHead:
                self._is_in_part = True
                return part
            if type(part) is Finished:
                return None

    async def next_data(self, number: int) -> bytes | None:
        """Return the next bytes of a part, None at its end. RuntimeError for one that is over."""
        if number != self.number:
            raise RuntimeError("this part is over: a part is read before the next is asked for")
        if not self._is_in_part:
            return None
        part = await self._next()
        if type(part) is PartData:
            return part.data
        self._is_in_part = False
        return None

    async def gather(self, number: int, most: int) -> Batch:
        """Return the next pieces of a part, so many bytes or some more; none at its end."""
        batch = Batch()
        while batch.size < most and (piece := await self.next_data(number)) is not None:
            batch.add(piece)
        return batch

    async def _next(self) -> MultipartPart:
        content, parser = self.content, self._parser
        try:
            while (part := parser.next_part()) is None:
                piece = await content.next_piece()
                if piece != b"":
                    parser.receive(piece or b"")
        except Malformed as fault:
            # As the engine does with its own: what arrived is broken, and that is the peer's doing.
            named = RemoteError(fault.reason, fault.rule, fault.status_code, fault.offset)
            content.blame(named)
            raise named from None
        except TooLarge as fault:
            content.blame(fault)
            raise
        return part


class ReadParts:
    """The parts of a form, for a loop of either colour."""

    def __init__(self, reader: FormReader) -> None:
        self._reader = reader
        self._is_over = False

    def __iter__(self) -> Iterator[ReadPart]:
        reader = self._reader
        while not self._is_over:
            head = reader.content.wait(reader.next_head())
            if head is None:
                self._is_over = True
                return
            yield ReadPart(reader, head)

    def __aiter__(self) -> ReadParts:
        return self

    async def __anext__(self) -> AsyncReadPart:
        head = None if self._is_over else await self._reader.next_head()
        if head is None:
            self._is_over = True
            raise StopAsyncIteration
        return AsyncReadPart(self._reader, head)


class _Facts:
    """What is known of a part, in both colours; see message/formparts.py."""

    __slots__ = (
        "_number",
        "_reader",
        "content_type",
        "filename",
        "headers",
        "name",
        "sha256",
        "size",
    )

    def __init__(self, reader: FormReader, head: PartHead) -> None:
        self.name, self.filename, self.content_type, self.headers = head
        self.size = 0
        self.sha256: str | None = None
        self._reader = reader
        self._number = reader.number

    def safe_name(self) -> str:
        """Return a name for it that is safe in a folder on any system; never empty."""
        return safe_name(self.filename or "")

    def __repr__(self) -> str:
        return f"<FormPart {self.safe_name()!r}, {self.size:,} bytes so far>"

    async def _next(self) -> bytes | None:
        piece = await self._reader.next_data(self._number)
        if piece is not None:
            self.size += len(piece)
        return piece

    async def _gather(self, most: int) -> list[bytes | bytearray]:
        batch = await self._reader.gather(self._number, most)
        self.size += batch.size
        return batch.take()

    async def _whole(self, limit: int) -> bytes:
        batch = Batch()
        while (piece := await self._next()) is not None:
            batch.add(piece)
            if batch.size > limit:
                raise TooLarge("part", limit, 413, "RFC 9110 15.5.14")
        return batch.take_whole()

    def _opener(self, path: str | PathLike[str], exclusive: bool) -> Callable[[], Saving]:
        """Return what opens a file to save to. Raises RuntimeError, ValueError before that."""
        saving = self._reader.content.saving
        if saving is None:
            raise RuntimeError("nothing can be saved here")
        if self.size:
            raise RuntimeError("some of this part was read already: it cannot be saved whole")

        def opened() -> Saving:
            refuse_unsafe(Path(path), self.filename or "")
            return saving(path, exclusive)

        return opened


class ReadPart(_Facts):
    """A part as `for` gives it, in a thread."""

    __slots__ = ()

    def pieces(self) -> Iterator[bytes]:
        """Yield its content as it comes."""
        wait = self._reader.content.wait
        while (piece := wait(self._next())) is not None:
            yield piece

    def read(self, limit: int = READ_MOST) -> bytes:
        """Return its content. Raises TooLarge (413) for more than limit bytes."""
        return self._reader.content.wait(self._whole(limit))

    def save(self, path: P, *, exclusive: bool = False) -> P:
        """Write its content to a file, whole or not at all, and return the path."""
        content = self._reader.content
        saving = self._opener(path, exclusive)()
        try:
            while pieces := content.wait(self._gather(BATCH)):
                saving.write(pieces)
                saving.digest(pieces)
            saving.keep()
            self.sha256 = saving.sha256
        except TooLarge as fault:
            content.blame(fault)
            raise
        finally:
            saving.close()
        return path


class AsyncReadPart(_Facts):
    """A part as `async for` gives it, on the loop."""

    __slots__ = ()

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield its content as it comes."""
        return _PartPieces(self._next)

    async def read(self, limit: int = READ_MOST) -> bytes:
        """Return its content. Raises TooLarge (413) for more than limit bytes."""
        return await self._whole(limit)

    async def save(self, path: P, *, exclusive: bool = False) -> P:
        """Write its content to a file, whole or not at all, and return the path."""
        content = self._reader.content
        open_saving = self._opener(path, exclusive)
        opened: list[Saving] = []

        def close() -> None:
            for saving in opened:
                saving.close()

        def keep() -> None:
            opened[0].keep()
            self.sha256 = opened[0].sha256

        lent, behind = Lent(close), Behind(content.in_thread, content.spawn)
        try:
            await content.in_thread(lambda: lent.use(lambda: opened.append(open_saving())))
            write, digest = opened[0].write, opened[0].digest
            while pieces := await self._gather(BATCH):
                await behind.begin(
                    partial(lent.use, partial(write, pieces)), partial(digest, pieces)
                )
            await behind.begin_alone(lambda: lent.use(keep))
            await behind.finish()
        except TooLarge as fault:
            content.blame(fault)
            raise
        finally:
            behind.stop()
            lent.let_go()
        return path


class _PartPieces:
    """The pieces of one part, awaited."""

    def __init__(self, following: Callable[[], Coroutine[Any, Any, bytes | None]]) -> None:
        self._following = following

    def __aiter__(self) -> _PartPieces:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._following()
        if piece is None:
            raise StopAsyncIteration
        return piece
