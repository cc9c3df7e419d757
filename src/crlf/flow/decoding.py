"""Content on its way in, its codings undone: whole, or piece by piece as it is asked for.

What cannot be undone stays as it came and is said to be coded still: a coding that nobody here
knows, and a part of something coded (206), which is no beginning of anything.

Its law: content that is not coded costs one look at the head, and content that is costs no
other task its turn: after some hundred KiB the work goes on in a thread.
"""

from __future__ import annotations

from typing import Protocol

from crlf.flow.bodies import Content, refuse_over
from crlf.message.errors import CrlfError, DecodingError, TooLarge
from crlf.message.fields.codings import codings_of
from crlf.message.headers import Headers
from crlf.ports import InThread
from crlf.wire.coding import ContentDecoder, available
from crlf.wire.h1.framing import transfer_codings
from crlf.wire.limits import Limits

_AT_ONCE = 512 * 1024  # decoded bytes until a thread has its turn: 1 to 3 ms
_FOR_NOTHING = 64 * 1024  # what a step that gave no byte counts for


def codings_left(headers: Headers, status_code: int = 200) -> tuple[str, ...]:
    """List the codings that content still has when it is handed out; () when it is plain.

    RFC 9110 14.4: a part is one of the coded content, and cannot be decoded by itself.
    """
    codings = codings_of(headers)
    return () if _may_undo(codings, status_code) else codings


def refuse_transfer_coding(headers: Headers) -> None:
    """Raise DecodingError for a transfer coding beside chunked.

    RFC 9112 7.4: a server applies none that its client does not accept, and we accept none.
    What such a body says, nobody here knows.
    """
    if "transfer-encoding" in headers:
        *codings, last = transfer_codings(headers)
        if last != "chunked":
            codings.append(last)
        unasked = next((coding for coding in codings if coding != "identity"), None)
        if unasked is not None:
            raise DecodingError(f"a transfer coding that nobody asked for: {unasked[:40]!a}")


def _may_undo(codings: tuple[str, ...], status_code: int) -> bool:
    return status_code != 206 and all(coding in available() for coding in codings)


def _decoder_for(headers: Headers, limits: Limits, status_code: int) -> ContentDecoder | None:
    """Return what undoes the codings of a message, or None when it is to stay as it is.

    Raises DecodingError for more codings than allowed.
    """
    codings = codings_of(headers)
    return ContentDecoder(codings, limits) if codings and _may_undo(codings, status_code) else None


async def decode_aside(
    headers: Headers, content: bytes, limits: Limits, in_thread: InThread, status_code: int = 200
) -> bytes:
    """Return content with its codings undone; the same object when there is nothing to undo.

    What takes long is decoded in a thread. Raises DecodingError, also for transfer codings that
    nobody asked for, and TooLarge for more than limits.body.
    """
    refuse_transfer_coding(headers)
    if headers.first("content-encoding") is None or not content:
        return content
    decoder = _decoder_for(headers, limits, status_code)
    if decoder is None:
        return content
    whole = _Whole(decoder, content, limits.body)
    return whole.rest() if whole.begin() else await in_thread(whole.rest)


class _Whole:
    """Content that is here whole, being decoded."""

    def __init__(self, decoder: ContentDecoder, content: bytes, limit: int | None) -> None:
        self._decoder = decoder
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = self._work = 0
        self._is_over = False
        decoder.receive(content)

    def begin(self) -> bool:
        """Decode a little, and tell whether that was all."""
        while not self._is_over and self._work < _AT_ONCE:
            self._go_on()
        return self._is_over

    def rest(self) -> bytes:
        """Decode what is left, and return all of it."""
        while not self._is_over:
            self._go_on()
        return b"".join(self._pieces)

    def _go_on(self) -> None:
        piece = self._decoder.next_piece()
        if piece is None:
            self._decoder.finish()
            self._is_over = True
            return
        self._size += len(piece)
        self._work += len(piece) or _FOR_NOTHING
        refuse_over(self._limit, self._size)
        if piece:
            self._pieces.append(piece)


class RawPieces(Protocol):
    """Where content comes from as it is on the wire: an Incoming."""

    most: int | None  # bytes that content may have, coded and decoded

    async def next_piece(self) -> bytes | None: ...
    def completed(self, fault: CrlfError) -> CrlfError: ...
    def close(self) -> None: ...


class IncomingContent(Content):
    """The content of a message that is still under way, decoded or as it is on the wire.

    codings: what it is coded with when it is handed out decoded all the same; see codings_left.
    """

    def __init__(
        self,
        source: RawPieces,
        headers: Headers,
        limits: Limits,
        in_thread: InThread,
        status_code: int = 200,
    ) -> None:
        codings = codings_of(headers)
        may_undo = _may_undo(codings, status_code)
        self.codings = () if may_undo else codings
        self._undone = codings if may_undo else ()
        self._headers = headers
        self._is_checked = False  # for transfer codings
        self._source = source
        self._limits = limits
        self._in_thread = in_thread
        self._decoder: ContentDecoder | None = None  # from the first piece that is asked for
        self._fault: Exception | None = None  # what ended it before its time
        self._size = 0  # decoded bytes so far
        self._is_raw = False  # it has been read as it is on the wire
        self._work = 0  # since others had their turn

    async def next_raw(self) -> bytes | None:
        """Return the next bytes as they are on the wire, or None at the end.

        Raises what the source raises, and RuntimeError when it has been read decoded before.
        """
        if self._decoder is not None:
            raise RuntimeError("this content has been read decoded; what is left cannot be raw")
        self._is_raw = True
        return await self._source.next_piece()

    async def next_piece(self) -> bytes | None:
        """Return the next bytes of the content, b"" never, or None at the end.

        Raises what the source raises, and DecodingError, each time it is asked; the source is
        closed then. RuntimeError when coded content has been read raw before.
        """
        if not self._undone and self._is_checked:
            return await self._source.next_piece()
        if self._fault is not None:
            raise self._fault
        if self._is_raw:
            raise RuntimeError("this content has been read raw; what is left cannot be decoded")
        try:
            refuse_transfer_coding(self._headers)
            self._is_checked = True
            return await (self._decoded() if self._undone else self._source.next_piece())
        except BaseException as fault:
            # Whatever it was, a thread may still be at work on the decoder.
            self._source.close()
            if isinstance(fault, (DecodingError, TooLarge)):
                self._fault = self._source.completed(fault)
                raise self._fault from None
            left = RuntimeError("this content was left while it was being decoded")
            self._fault = fault if isinstance(fault, Exception) else left
            raise

    async def _decoded(self) -> bytes | None:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = ContentDecoder(self._undone, self._limits)
        while True:
            if self._work < _AT_ONCE:
                piece = decoder.next_piece()
            else:
                self._work = 0
                piece = await self._in_thread(decoder.next_piece)
            if piece:
                self._work += len(piece)
                self._size += len(piece)
                refuse_over(self._source.most, self._size)
                return piece
            if piece is None:
                data = await self._source.next_piece()
                if data is None:
                    decoder.finish()
                    return None
                decoder.receive(data)
            else:
                self._work += _FOR_NOTHING
