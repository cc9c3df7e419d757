"""Responses coded on their way out: whole, piece by piece, in either colour, from files."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Iterator

import pytest

from crlf.flow.bodies import let_go
from crlf.flow.encoding import EncodedBody, compressed
from crlf.message.body import AsyncIterableBody, FileBody, IterableBody
from crlf.message.headers import Headers
from crlf.message.response import Response

GZIP = Headers({"accept-encoding": "gzip"})
PLAIN = {"content-type": "text/plain", "etag": '"x"'}
TEXT = b"A sentence that is said again and again. " * 400


def test_a_whole_response() -> None:
    response = compressed("GET", GZIP, Response(200, PLAIN, TEXT))
    assert gzip.decompress(response.content) == TEXT
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["etag"] == 'W/"x"'


@pytest.mark.rfc("9110", "9.3.2")
def test_head_says_what_get_would_and_makes_nothing() -> None:
    whole = Response(200, PLAIN, TEXT)
    head, got = compressed("HEAD", GZIP, whole), compressed("GET", GZIP, whole)
    assert (head.headers, head.content) == (got.headers, b"")


@pytest.mark.rfc("9110", "12.5.5")
def test_what_is_not_coded_says_that_there_is_a_choice() -> None:
    response = compressed("GET", Headers(), Response(200, PLAIN, TEXT))
    assert (response.content, response.headers["vary"]) == (TEXT, "Accept-Encoding")
    assert response.headers["etag"] == '"x"'
    for untouched in (
        Response(200, PLAIN, b"short"),
        Response(200, {}, TEXT),
        Response(304, PLAIN),
    ):
        assert compressed("GET", GZIP, untouched) is untouched


def test_a_stream_is_flushed_at_each_piece() -> None:
    response = compressed("GET", GZIP, Response(200, PLAIN, iter([b"one\n", b"two\n"])))
    assert isinstance(response.body, EncodedBody)
    assert response.body.length is None
    pieces = list(response.body.chunks())
    assert len(pieces) == 3  # two lines and an end
    assert gzip.decompress(b"".join(pieces)) == b"one\ntwo\n"


def test_a_body_that_waits() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield TEXT
        yield TEXT

    async def story() -> bytes:
        body = EncodedBody(AsyncIterableBody(pieces()), "br")
        assert body.waits
        return b"".join([piece async for piece in body.chunks_async()])

    import brotli

    assert brotli.decompress(asyncio.run(story())) == TEXT * 2


def test_a_file_is_closed_on_every_way_out() -> None:
    for leave_early in (False, True):
        file = io.BytesIO(TEXT * 100)
        body = EncodedBody(FileBody(file, len(TEXT) * 100, closing=True), "gzip")
        assert body.reads_files
        pieces = body.chunks()
        made = [next(pieces)]
        if leave_early:
            pieces.close()  # type: ignore[attr-defined]  # a generator
        else:
            assert gzip.decompress(b"".join([*made, *pieces])) == TEXT * 100
        assert file.closed
    file = io.BytesIO(TEXT)
    let_go(EncodedBody(FileBody(file, closing=True), "gzip"))
    assert file.closed


def test_what_a_body_raises_is_raised() -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(EncodedBody(IterableBody(broken()), "zstd").chunks())
