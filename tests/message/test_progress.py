"""A watched body sends what it would send unwatched, and says how much of it is out."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator

import pytest

from crlf import App, AsyncClient, Client, Response
from crlf.message.body import PIECE, AsyncIterableBody, FileBody, IterableBody
from crlf.message.progress import WatchedBody

Told = list[tuple[int, int | None]]


def watched(content: object) -> tuple[WatchedBody, Told]:
    told: Told = []
    return WatchedBody(content, lambda sent, total: told.append((sent, total))), told


def test_bytes_go_out_in_pieces() -> None:
    content = b"x" * (2 * PIECE + 5)
    body, told = watched(content)
    assert (body.length, body.can_send_again, body.waits, body.reads_files) == (
        len(content), True, False, False,
    )  # fmt: skip
    assert b"".join(body.chunks()) == content
    assert told == [(done, len(content)) for done in (0, PIECE, 2 * PIECE, len(content))]


def test_a_piece_is_told_when_it_has_been_taken() -> None:
    body, told = watched([b"abc", b"de"])
    pieces = body.chunks()
    assert next(pieces) == b"abc"
    assert told == [(0, None)]
    assert next(pieces) == b"de"
    assert told[-1] == (3, None)
    assert next(pieces, None) is None
    assert told[-1] == (5, None)


def test_a_second_sending_starts_at_0() -> None:
    body, told = watched(IterableBody([b"abc"], 3))
    assert body.can_send_again
    assert [*body.chunks(), *body.chunks()] == [b"abc", b"abc"]
    assert told == [(0, 3), (3, 3)] * 2


def test_an_empty_body_is_told_once() -> None:
    body, told = watched(b"")
    assert list(body.chunks()) == []
    assert (body.length, told) == (0, [(0, 0)])


def test_a_file_keeps_its_answers_and_is_closed() -> None:
    file = io.BytesIO(b"content")
    body, _ = watched(FileBody(file, closing=True))
    assert (body.length, body.can_send_again, body.reads_files) == (7, False, True)
    pieces = body.chunks()
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    assert file.closed
    another = io.BytesIO(b"content")
    watched(FileBody(another, closing=True))[0].close()
    assert another.closed
    watched(b"")[0].close()


def test_an_iterator_can_be_sent_once() -> None:
    assert not watched(iter([b"x"]))[0].can_send_again


def test_what_raises_in_the_callback_ends_the_sending() -> None:
    def full(sent: int, total: int | None) -> None:
        if sent:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(WatchedBody([b"a", b"b"], full).chunks())


def test_a_body_that_waits() -> None:
    left = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            await asyncio.sleep(0)
            yield b"de"
        finally:
            left.append(True)

    async def story() -> None:
        body, told = watched(AsyncIterableBody(pieces(), 5))
        assert (body.waits, body.length, body.can_send_again) == (True, 5, False)
        assert [piece async for piece in body.chunks_async()] == [b"abc", b"de"]
        assert told == [(0, 5), (3, 5), (5, 5)]
        body, told = watched(pieces())
        left.clear()
        waiting = body.chunks_async()
        assert await waiting.__anext__() == b"abc"
        await waiting.aclose()  # type: ignore[attr-defined]  # as an asynchronous generator has
        assert left == [True]

    asyncio.run(story())


def echo() -> App:
    app = App()

    @app.post("/")
    def home(request: object) -> Response:
        return Response(content=request.content)  # type: ignore[attr-defined]

    return app


def test_an_upload_through_the_blocking_client() -> None:
    content = bytes(range(256)) * 4000

    def pieces() -> Iterator[bytes]:
        yield content[:10]
        yield content[10:]

    with Client(app=echo()) as client:
        for given in (content, io.BytesIO(content), pieces()):
            body, told = watched(given)
            assert client.post("http://a/", content=body).content == content
            assert told[0][0] == 0
            assert told[-1][0] == len(content)
            assert told == sorted(told, key=lambda one: one[0])


def test_an_upload_through_the_asynchronous_client() -> None:
    async def story() -> None:
        content = b"x" * 1_000_000

        async def pieces() -> AsyncIterator[bytes]:
            yield content[:10]
            yield content[10:]

        async with AsyncClient(app=echo()) as client:
            for given in (content, io.BytesIO(content), pieces()):
                body, told = watched(given)
                assert (await client.post("http://a/", content=body)).content == content
                assert told[-1][0] == len(content)

    asyncio.run(story())
