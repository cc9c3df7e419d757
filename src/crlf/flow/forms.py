"""Forms with files: multipart/form-data, taken apart while it arrives.

Fields stay in memory, bounded all together by the parser; a file's content is gathered and
goes to a temporary file a batch at a time, in a thread, so that neither many small pieces nor
a large file cost more than they should. A file that is small to its end never sees the disk.
Its law: whatever goes wrong, be it their bytes, our disk or a cancelled flow, no temporary
file outlives the form that it was to become part of.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from typing import BinaryIO, Final

from crlf.flow.batches import BATCH, Behind
from crlf.flow.bodies import DeadlineOf, Lent, PartSource, expect_end, refuse_over
from crlf.flow.terms import Spawn
from crlf.message.batch import Batch
from crlf.message.content import known_charset
from crlf.message.errors import CrlfError, Malformed, RemoteError
from crlf.message.fields.media import parse_media_type
from crlf.message.grammar import parse_digits
from crlf.message.headers import Headers
from crlf.message.params import Params
from crlf.message.uploads import Files, Upload
from crlf.ports import InThread
from crlf.wire.multipart import (
    DEFAULT_LIMITS,
    MultipartLimits,
    MultipartParser,
    PartData,
    PartEnd,
    PartHead,
)
from crlf.wire.parts import Data

FORM_DATA: Final = "multipart/form-data"


def is_form_data(headers: Headers) -> bool:
    """Tell whether a message's content is multipart/form-data (RFC 7578)."""
    text = headers.first("content-type")
    if text is None or "multipart" not in text.lower():
        return False
    kind = parse_media_type(text)
    return kind is not None and kind.essence == FORM_DATA


async def read_form(
    connection: PartSource,
    headers: Headers,
    limit: int | None,
    spool: Callable[[], BinaryIO],
    deadline_of: DeadlineOf,
    in_thread: InThread,
    limits: MultipartLimits = DEFAULT_LIMITS,
    spawn: Spawn | None = None,
) -> tuple[Params, Files]:
    """Read the rest of a request as a form: its fields, and its files by field name.

    limit: of the whole body in bytes, which is what files can take of the disk; None for none.
    spool: opens an empty temporary file, in a thread. spawn: lets it write while more comes.
    Inputs without a chosen file are left out.

    Raises RemoteError (400) for what is no such form, TooLarge (413, 431; 507 from the spool),
    ReadTimeout, ReadFailed. After an error nothing is left open; otherwise the caller closes
    the files.
    """
    length = headers.first("content-length")
    refuse_over(limit, None if length is None else parse_digits(length))
    form = _Form(spool, Behind(in_thread, spawn), limits.field_in_memory)
    try:
        parser = MultipartParser(boundary_of(headers), limits)
        size = 0
        while type(part := await connection.next_part(deadline_of())) is Data:
            size += len(part.data)
            refuse_over(limit, size)
            parser.receive(part.data)
            await form.take_from(parser)
        expect_end(part)
        parser.receive(b"")
        await form.take_from(parser)  # raises when the closing boundary has not come
        return form.finished()
    except Malformed as fault:
        form.close()
        # As the engine does with its own: what arrived is broken, and that is the peer's doing.
        raise RemoteError(fault.reason, fault.rule, fault.status_code, fault.offset) from None
    except BaseException:
        form.close()
        raise


def boundary_of(headers: Headers) -> str:
    """Return what stands between the parts of a form. Raises Malformed where nothing is said."""
    kind = parse_media_type(headers.first("content-type") or "")
    boundary = None if kind is None else kind.parameter("boundary")
    if boundary is None:
        raise Malformed("multipart/form-data without a boundary", "RFC 2046 5.1.1")
    return boundary


class _Form:
    """A form while it is read: what is complete of it, and the part that is not."""

    def __init__(self, spool: Callable[[], BinaryIO], behind: Behind, in_memory: int) -> None:
        self._spool = spool
        self._behind = behind
        self._in_memory = in_memory  # bytes of one file that are not worth a temporary file
        self._fields: list[tuple[str, str]] = []
        self._files: list[tuple[str, Upload]] = []
        self._head: PartHead | None = None
        self._content = Batch()  # of the part under way, what is not on the disk
        self._stored: _Stored | None = None  # its part on the disk

    async def take_from(self, parser: MultipartParser) -> None:
        """Take every part that is there. Raises Malformed, TooLarge, OSError."""
        while (part := parser.next_part()) is not None:
            if type(part) is PartData:
                self._content.add(part.data)
                if self._content.size >= BATCH and self._is_file():
                    await self._store(last=False)
            elif type(part) is PartHead:
                self._head = part
            elif type(part) is PartEnd:
                await self._end_part()

    def finished(self) -> tuple[Params, Files]:
        """Return the form."""
        return Params(self._fields), Files(self._files)

    def close(self) -> None:
        """Let go of everything that is open."""
        self._behind.stop()
        if self._stored is not None:
            self._stored.let_go()
        for _, upload in self._files:
            upload.close()

    def _is_file(self) -> bool:
        return self._head is not None and self._head.filename is not None

    async def _end_part(self) -> None:
        head = self._head
        if head is None:
            return
        if head.filename is None:
            self._fields.append(
                (head.name, self._content.take_whole().decode(_charset(head), "replace"))
            )
        elif self._stored is not None or self._content.size > self._in_memory:
            stored = await self._store(last=True)
            upload = Upload(head.filename, head.content_type, *stored.kept())
            self._files.append((head.name, upload))
            self._stored = None
        elif head.filename or self._content.size:
            content = self._content.take_whole()
            digest = hashlib.sha256(content).hexdigest()
            file = BytesIO(content)
            upload = Upload(head.filename, head.content_type, len(content), digest, file)
            self._files.append((head.name, upload))
        self._head = None

    async def _store(self, last: bool) -> _Stored:
        """Let threads write and digest what was gathered, once they have done what was before."""
        stored, is_first = self._stored, self._stored is None
        if stored is None:
            stored = self._stored = _Stored(self._spool)
        pieces = self._content.take()
        write, digest = partial(stored.write, pieces, last), partial(stored.digest, pieces)
        if last and is_first:  # too little for two threads
            await self._behind.begin_alone(lambda: (write(), digest()))
        else:
            await self._behind.begin(write, digest)
        if last:
            await self._behind.finish()
        return stored


class _Stored:
    """A file on the disk while it is written, with its digest. A thread's, except for `let_go`."""

    def __init__(self, spool: Callable[[], BinaryIO]) -> None:
        self._lent = Lent(self._close)
        self._spool = spool
        self._file: BinaryIO | None = None
        self._size = 0
        self._digest = hashlib.sha256()

    def write(self, pieces: Iterable[bytes | bytearray], last: bool) -> None:
        """Write some content; after the last of it, stand at the beginning."""
        self._lent.use(lambda: self._write(pieces, last))

    def digest(self, pieces: Iterable[bytes | bytearray]) -> None:
        """Digest some content, in the order in which it is written."""
        for piece in pieces:
            self._size += len(piece)
            self._digest.update(piece)

    def _write(self, pieces: Iterable[bytes | bytearray], last: bool) -> None:
        if self._file is None:
            self._file = self._spool()
        for piece in pieces:
            self._file.write(piece)
        if last:
            self._file.seek(0)

    def kept(self) -> tuple[int, str, BinaryIO]:
        """Give the size, the digest and the file, which is the taker's to close."""
        if self._file is None:
            raise RuntimeError("nothing was stored")
        return self._size, self._digest.hexdigest(), self._file

    def let_go(self) -> None:
        """Close the file, now or when the thread is done with it."""
        self._lent.let_go()

    def _close(self) -> None:
        if self._file is not None:
            # What is still to be written cannot be, and need not be.
            with contextlib.suppress(OSError, CrlfError):
                self._file.close()


def _charset(head: PartHead) -> str:
    """Name the encoding of a field: what its own type says (RFC 7578 5.1.2), otherwise UTF-8."""
    kind = None if head.content_type is None else parse_media_type(head.content_type)
    named = None if kind is None or kind.charset is None else known_charset(kind.charset)
    return named or "utf-8"
