"""Responses that are read piece by piece, in either colour.

Both are windows on one Incoming (flow/sending.py): status and fields are there at once, the
content comes when asked. A piece has arrived when it is yielded; a body that is cut short
raises and never just ends. Lines end at LF, CRLF or CR, and at nothing else.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Iterator

from crlf.flow.run import run_sync
from crlf.flow.sending import Incoming
from crlf.message.content import charset_of
from crlf.message.errors import TooLarge
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.blocking import refuse_inside_loop


class Streamed:
    """What a streamed response says before its content is read."""

    def __init__(self, incoming: Incoming, response: Response, limit: int | None) -> None:
        self._incoming = incoming
        self._response = response
        self._limit = limit

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
        """The header fields."""
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

    def raise_for_status(self) -> None:
        """Raise StatusError when the status is 4xx or 5xx."""
        self._response.raise_for_status()

    def _within(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise self._incoming.completed(TooLarge("body", self._limit, 413, "RFC 9110 15.5.14"))


class LineSplitter:
    """Text in pieces to lines: feed it, then finish it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = False  # the last piece ended with CR, whose LF may follow

    def feed(self, text: str) -> list[str]:
        """Return the lines that text completes, without their ends."""
        if self._held and text:
            text = "\r" + text
            self._held = False
        if text.endswith("\r"):
            text, self._held = text[:-1], True
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._pieces.append(lines[0])
        if len(lines) == 1:
            return []
        first = "".join(self._pieces)
        self._pieces = [lines[-1]]
        return [first, *lines[1:-1]]

    def finish(self) -> list[str]:
        """Return what is left as the last line, if there is anything."""
        last = "".join(self._pieces)
        self._pieces = []
        held, self._held = self._held, False
        return [last] if last or held else []


def _decoder(headers: Headers) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(charset_of(headers) or "utf-8")("replace")


class StreamedResponse(Streamed):
    """A blocking client's streamed response; use it in a `with` block."""

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the content as it arrives, in pieces of any size.

        Raises RemoteError when it is cut short, ReadTimeout when nothing comes.
        """
        refuse_inside_loop()
        while (piece := run_sync(self._incoming.next_piece())) is not None:
            yield piece

    def iter_lines(self) -> Iterator[str]:
        """Yield the content as lines of text, without their ends."""
        decoder, splitter = _decoder(self.headers), LineSplitter()
        for piece in self.iter_bytes():
            yield from splitter.feed(decoder.decode(piece))
        yield from splitter.feed(decoder.decode(b"", True))
        yield from splitter.finish()

    def read(self) -> bytes:
        """Return the rest of the content. Raises TooLarge beyond the client's limit."""
        pieces, size = [], 0
        for piece in self.iter_bytes():
            size += len(piece)
            self._within(size)
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the connection; content not read yet is lost."""
        self._incoming.close()

    def __enter__(self) -> StreamedResponse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStreamedResponse(Streamed):
    """An asynchronous client's streamed response; use it in an `async with` block."""

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the content as it arrives, in pieces of any size.

        Raises RemoteError when it is cut short, ReadTimeout when nothing comes.
        """
        while (piece := await self._incoming.next_piece()) is not None:
            yield piece

    async def iter_lines(self) -> AsyncIterator[str]:
        """Yield the content as lines of text, without their ends."""
        decoder, splitter = _decoder(self.headers), LineSplitter()
        async for piece in self.iter_bytes():
            for line in splitter.feed(decoder.decode(piece)):
                yield line
        for line in (*splitter.feed(decoder.decode(b"", True)), *splitter.finish()):
            yield line

    async def read(self) -> bytes:
        """Return the rest of the content. Raises TooLarge beyond the client's limit."""
        pieces, size = [], 0
        async for piece in self.iter_bytes():
            size += len(piece)
            self._within(size)
            pieces.append(piece)
        return b"".join(pieces)

    async def close(self) -> None:
        """Let go of the connection; content not read yet is lost."""
        self._incoming.close()
