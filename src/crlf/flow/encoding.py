"""Content coded on its way out: whole when it is here whole, piece by piece otherwise.

Which coding, and whether any, is decided in rules/compressing.py; here the bytes are made. A
body that reads files is coded where it reads them, in its thread. Its law: what a body held open
is closed, however far it was coded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from crlf.message.body import Body
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.rules.compressing import choose_coding, coded_headers, varied
from crlf.wire.encoding import Encoder, encodable, encode, encoder_of


def compressed(method: str, asked: Headers, response: Response) -> Response:
    """Return a response in the coding that suits its reader, or as it is where none does.

    asked: the request's fields. A response whose coding was up to the request says so in Vary,
    coded or not. Content that is here whole is coded at once; the caller may want a thread.
    """
    body = response.body
    length = len(body) if isinstance(body, bytes) else body.length
    choice = choose_coding(asked, response.status_code, response.headers, length, encodable())
    if not choice.varies:
        return response
    if choice.coding is None:
        return response.with_headers(varied(response.headers))
    coded = response.with_headers(coded_headers(response.headers, choice.coding))
    if method == "HEAD" or not isinstance(body, bytes):
        flushes = not isinstance(body, bytes) and body.length is None
        return coded.with_content(b"" if isinstance(body, bytes) else EncodedBody(
            body, choice.coding, flushes=flushes
        ))  # fmt: skip
    return coded.with_content(encode(body, choice.coding))


class EncodedBody:
    """A body in a coding, made while it is sent; how long it is nobody knows before.

    flushes: let each piece go out when it comes, for streams that somebody watches.
    """

    length: int | None = None

    def __init__(self, body: Body, coding: str, *, flushes: bool = False) -> None:
        self.can_send_again = body.can_send_again
        self.waits = body.waits
        self.reads_files = body.reads_files
        self._body = body
        self._coding = coding
        self._flushes = flushes

    def chunks(self) -> Iterator[bytes]:
        """Yield the coded pieces."""
        encoder = encoder_of(self._coding)
        pieces = self._body.chunks()
        try:
            for piece in pieces:
                if made := self._encode(encoder, piece):
                    yield made
            yield encoder.finish()
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    async def chunks_async(self) -> AsyncIterator[bytes]:
        """Yield the coded pieces, waiting for each."""
        encoder = encoder_of(self._coding)
        pieces = self._body.chunks_async()
        try:
            async for piece in pieces:
                if made := self._encode(encoder, piece):
                    yield made
            yield encoder.finish()
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    def _encode(self, encoder: Encoder, piece: bytes) -> bytes:
        made = encoder.encode(piece)
        return made + encoder.flush() if self._flushes else made

    def close(self) -> None:
        """Close what the body holds open."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
