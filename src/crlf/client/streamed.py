"""Responses that are read piece by piece, in either colour.

Both are windows on one Incoming (flow/sending.py): status and fields are there at once, the
content comes when asked, its codings undone. A piece has arrived when it is yielded; a body
that is cut short raises and never just ends. Lines end at LF, CRLF or CR, and at nothing else.

Who leaves the block early leaves the connection, unless only a little was left to be read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Self

from crlf.client.pieces import Chunks, Lines, cut
from crlf.flow.incoming import Arrived, Incoming, content_of
from crlf.flow.run import run_sync
from crlf.message.batch import Batch
from crlf.message.content import TextDecoder
from crlf.message.errors import TooLarge
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.blocking import refuse_inside_loop


class Streamed:
    """What a streamed response says before its content is read, and what `read` has left."""

    def __init__(self, incoming: Incoming | Arrived, response: Response, limit: int | None) -> None:
        self._incoming = incoming
        self._response = response
        self._limit = limit
        self._is_whole = False  # its content has been read, and is in the response
        self._content = content_of(incoming, response)

    @property
    def status_code(self) -> int:
        """The status code."""
        return self._response.status_code

    @property
    def reason(self) -> str:
        """The reason phrase, as sent."""
        return self._response.reason

    @property
    def version(self) -> str:
        """The version of HTTP that the server speaks: "1.1" or "1.0"."""
        return self._response.version

    @property
    def headers(self) -> Headers:
        """The header fields, as they were sent."""
        return self._response.headers

    @property
    def url(self) -> URL:
        """The URL that was asked in the end."""
        return self._response.url

    @property
    def history(self) -> tuple[Response, ...]:
        """The responses that redirected here, oldest first."""
        return self._response.history

    @property
    def trailers(self) -> Headers:
        """The trailer fields, once the content has been read to its end."""
        return self._incoming.response.trailers

    @property
    def codings(self) -> tuple[str, ...]:
        """The codings that the content still has when it is read: () but for those unknown here.

        A part of coded content (206) stays coded too.
        """
        return self._content.codings

    @property
    def response(self) -> Response:
        """The response as a value; its content is empty until `read` has been called."""
        return self._response

    @property
    def content(self) -> bytes:
        """The content, decoded, once `read` has been called; RuntimeError before."""
        return self._whole().content

    @property
    def text(self) -> str:
        """The content as text, once `read` has been called; RuntimeError before."""
        return self._whole().text

    def json(self) -> Any:
        """Parse the content as JSON, once `read` has been called. Raises Malformed."""
        return self._whole().json()

    def raise_for_status(self) -> Self:
        """Return this response, or raise StatusError when it is 4xx or 5xx."""
        self._response.raise_for_status()
        return self

    def _whole(self) -> Response:
        if not self._is_whole:
            raise RuntimeError("the content of this response is not here yet: read() it first")
        return self._response

    def _take(self, content: bytes) -> bytes:
        self._response = self._response.with_content(content)
        self._is_whole = True
        return content

    def _within(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            self._incoming.close()
            raise self._incoming.completed(TooLarge("body", self._limit, 413, "RFC 9110 15.5.14"))


class StreamedResponse(Streamed):
    """A blocking client's streamed response; use it in a `with` block."""

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the content, decoded, as it arrives: in pieces of any size, or all of one size.

        The last may be shorter. Raises RemoteError when it is cut short, ReadTimeout when
        nothing comes, DecodingError for a broken coding or one that decodes to too much.
        """
        refuse_inside_loop()
        if self._is_whole:
            yield from cut(self.content, chunk_size)
            return
        if chunk_size is None:
            while (piece := run_sync(self._content.next_piece())) is not None:
                yield piece
            return
        chunks = Chunks(chunk_size)
        while (piece := run_sync(self._content.next_piece())) is not None:
            yield from chunks.feed(piece)
        yield from chunks.finish()

    def iter_raw(self) -> Iterator[bytes]:
        """Yield the content as it is on the wire, its codings not undone, in pieces of any size."""
        refuse_inside_loop()
        while (piece := run_sync(self._content.next_raw())) is not None:
            yield piece

    def iter_text(self) -> Iterator[str]:
        """Yield the content as text, in pieces of any size."""
        decoder = TextDecoder(self.headers)
        for piece in self.iter_bytes():
            if text := decoder.feed(piece):
                yield text
        if text := decoder.finish():
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Yield the content as lines of text, without their ends.

        Raises TooLarge for a line that is longer than the client's limit for a whole content.
        """
        lines = Lines(self.headers)
        for piece in self.iter_bytes():
            yield from lines.feed(piece)
            self._within(lines.held)
        yield from lines.finish()

    def read(self) -> bytes:
        """Return the rest of the content; it is kept, for `content`, `text` and `json`.

        Raises TooLarge beyond the client's limit.
        """
        if self._is_whole:
            return self.content
        gathered = Batch()
        for piece in self.iter_bytes():
            gathered.add(piece)
            self._within(gathered.size)
        return self._take(gathered.take_whole())

    def close(self) -> None:
        """Let go of the connection at once; content not read yet is lost."""
        self._incoming.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            run_sync(self._incoming.leave())
        else:
            self.close()


class AsyncStreamedResponse(Streamed):
    """An asynchronous client's streamed response; use it in an `async with` block."""

    async def iter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the content, decoded, as it arrives: in pieces of any size, or all of one size.

        The last may be shorter. Raises RemoteError when it is cut short, ReadTimeout when
        nothing comes, DecodingError for a broken coding or one that decodes to too much.
        """
        if self._is_whole:
            for chunk in cut(self.content, chunk_size):
                yield chunk
            return
        if chunk_size is None:
            while (piece := await self._content.next_piece()) is not None:
                yield piece
            return
        chunks = Chunks(chunk_size)
        while (piece := await self._content.next_piece()) is not None:
            for chunk in chunks.feed(piece):
                yield chunk
        for chunk in chunks.finish():
            yield chunk

    async def iter_raw(self) -> AsyncGenerator[bytes, None]:
        """Yield the content as it is on the wire, its codings not undone, in pieces of any size."""
        while (piece := await self._content.next_raw()) is not None:
            yield piece

    async def iter_text(self) -> AsyncGenerator[str, None]:
        """Yield the content as text, in pieces of any size."""
        decoder = TextDecoder(self.headers)
        async with aclosing(self.iter_bytes()) as pieces:
            async for piece in pieces:
                if text := decoder.feed(piece):
                    yield text
        if text := decoder.finish():
            yield text

    async def iter_lines(self) -> AsyncGenerator[str, None]:
        """Yield the content as lines of text, without their ends.

        Raises TooLarge for a line that is longer than the client's limit for a whole content.
        """
        lines = Lines(self.headers)
        async with aclosing(self.iter_bytes()) as pieces:
            async for piece in pieces:
                for line in lines.feed(piece):
                    yield line
                self._within(lines.held)
        for line in lines.finish():
            yield line

    async def read(self) -> bytes:
        """Return the rest of the content; it is kept, for `content`, `text` and `json`.

        Raises TooLarge beyond the client's limit.
        """
        if self._is_whole:
            return self.content
        gathered = Batch()
        async with aclosing(self.iter_bytes()) as pieces:  # an error leaves it open otherwise
            async for piece in pieces:
                gathered.add(piece)
                self._within(gathered.size)
        return self._take(gathered.take_whole())

    async def close(self) -> None:
        """Let go of the connection at once; content not read yet is lost."""
        self._incoming.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None:
            await self._incoming.leave()
        else:
            await self.close()
