"""Content on its way out that was asked to be compressed, or sent without saying its length.

Both are coats over whatever content there is, so that a file of any size still goes out piece
by piece.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from crlf.message.body import Body


class ChunkedBody:
    """Content whose length is not told, so that it goes out in chunks (RFC 9112 7.1)."""

    length: int | None = None
    waits = False
    reads_files = True

    def __init__(self, content: bytes | Body) -> None:
        self._content = content
        self.can_send_again = isinstance(content, bytes) or content.can_send_again

    def chunks(self) -> Iterator[bytes]:
        """Yield the content's own pieces."""
        if isinstance(self._content, bytes):
            yield self._content
        else:
            yield from self._content.chunks()

    def chunks_async(self) -> AsyncIterator[bytes]:
        """Refuse: there is nothing to wait for."""
        raise TypeError("this content needs no waiting")


class CompressedBody(ChunkedBody):
    """Content that is compressed by gzip while it goes out; how long it gets, its end tells."""

    def chunks(self) -> Iterator[bytes]:
        """Yield compressed pieces, none of them empty."""
        import zlib

        packer = zlib.compressobj(wbits=31)
        for piece in super().chunks():
            packed = packer.compress(piece)
            if packed:
                yield packed
        yield packer.flush()


def compressed(content: bytes) -> bytes:
    """Compress all of some content by gzip (RFC 9110 8.4.1.3)."""
    import zlib

    return zlib.compress(content, wbits=31)
