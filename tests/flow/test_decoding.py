"""Content decoded on its way in: whole or in pieces, its limits kept, its errors complete.

A source here is a list of raw pieces, so that a stall, a cut and a turn for others happen at an
exact place. in_thread is counted: that is where a long decoding lets others have their turn.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import brotli
import pytest

from crlf.flow.decoding import IncomingContent, codings_left, decode_aside
from crlf.flow.run import run_sync
from crlf.message.errors import CrlfError, DecodingError, ReadTimeout, TooLarge
from crlf.message.headers import EMPTY, Headers
from crlf.values import replace
from crlf.wire.limits import CLIENT_LIMITS, Limits

pytestmark = pytest.mark.rfc("9110", "8.4")

T = TypeVar("T")
MiB = 1024 * 1024
FREE = replace(CLIENT_LIMITS, ratio=None)
TEXT = b"".join(b'{"number": %d, "name": "item %d"}\n' % (n, n * 7919 % 10007) for n in range(300))
GZIP = Headers({"content-encoding": "gzip"})


def coded(*names: str) -> Headers:
    return Headers({"content-encoding": ", ".join(names)})


class Threads:
    """An in_thread that runs work here, and counts it."""

    def __init__(self) -> None:
        self.turns = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        self.turns += 1
        return work()


class Source:
    """Raw pieces, and errors among them."""

    most: int | None = None

    def __init__(self, items: Iterable[bytes | Exception]) -> None:
        self.items = list(items)
        self.is_closed = False

    async def next_piece(self) -> bytes | None:
        if not self.items:
            return None
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def completed(self, fault: CrlfError) -> CrlfError:
        fault.seconds = 3.0
        return fault

    def close(self) -> None:
        self.is_closed = True


def content_of(
    headers: Headers,
    *items: bytes | Exception,
    limits: Limits = CLIENT_LIMITS,
    status_code: int = 200,
) -> tuple[IncomingContent, Source, Threads]:
    source, threads = Source(items), Threads()
    return IncomingContent(source, headers, limits, threads, status_code), source, threads


def read(content: IncomingContent) -> bytes:
    pieces = []
    while (piece := run_sync(content.next_piece())) is not None:
        assert piece
        pieces.append(piece)
    return b"".join(pieces)


def decode(
    headers: Headers,
    content: bytes,
    limits: Limits = CLIENT_LIMITS,
    *,
    threads: Threads | None = None,
    status_code: int = 200,
) -> bytes:
    return run_sync(decode_aside(headers, content, limits, threads or Threads(), status_code))


# --- whole -----------------------------------------------------------------------------------


def test_content_that_is_not_coded_is_the_same_object() -> None:
    threads = Threads()
    for headers in (EMPTY, Headers({"content-type": "x/y"}), coded("identity")):
        assert decode(headers, TEXT, threads=threads) is TEXT
        assert codings_left(headers) == ()
    assert threads.turns == 0


def test_coded_content_is_decoded() -> None:
    data = brotli.compress(gzip.compress(TEXT))
    threads = Threads()
    assert decode(coded("x-gzip", "BR"), data, threads=threads) == TEXT
    assert codings_left(coded("gzip", "br")) == ()
    assert threads.turns == 0


def test_content_that_may_not_be_there_is_no_error() -> None:
    # To HEAD, with 204 and with 304 the field may speak of what is not here.
    for headers in (GZIP, coded("br"), coded("gzip", "gzip", "gzip")):
        assert decode(headers, b"") == b""


def test_an_unknown_coding_leaves_all_of_it_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(TEXT)
    for headers in (coded("exi"), coded("exi", "gzip"), coded("gzip", "aes128gcm")):
        assert decode(headers, data) is data
        assert codings_left(headers) == tuple(headers["content-encoding"].split(", "))
    monkeypatch.setattr("crlf.flow.decoding.available", lambda: ("gzip", "deflate"))
    assert decode(coded("br"), data) is data
    assert codings_left(coded("br")) == ("br",)


@pytest.mark.rfc("9110", "14.4")
def test_a_part_of_coded_content_is_left_coded() -> None:
    part = gzip.compress(TEXT)[:100]
    assert decode(GZIP, part, status_code=206) is part
    assert codings_left(GZIP, 206) == ("gzip",)
    assert codings_left(EMPTY, 206) == ()


@pytest.mark.parametrize("limit", [len(TEXT) - 1, len(TEXT), len(TEXT) + 1])
def test_the_limit_of_a_body_is_for_what_it_decodes_to(limit: int) -> None:
    limits, data = replace(CLIENT_LIMITS, body=limit), gzip.compress(TEXT)
    if limit >= len(TEXT):
        assert decode(GZIP, data, limits) == TEXT
        return
    with pytest.raises(TooLarge, match="body over its limit"):
        decode(GZIP, data, limits)


def test_no_more_is_decoded_than_the_limit_allows() -> None:
    bomb = gzip.compress(bytes(64 * MiB), 1)
    with pytest.raises(DecodingError, match="`ratio`"):
        decode(GZIP, bomb)
    with pytest.raises(TooLarge):
        decode(GZIP, bomb, replace(FREE, body=MiB))
    assert len(decode(GZIP, bomb, replace(FREE, body=None))) == 64 * MiB


def test_much_is_decoded_in_a_thread_and_little_is_not() -> None:
    for size, turns in ((1000, 0), (400 * 1024, 0), (MiB, 1), (8 * MiB, 1)):
        content, threads = os.urandom(size), Threads()
        assert decode(GZIP, gzip.compress(content, 1), threads=threads) == content
        assert threads.turns == turns
    nothing, threads = b"\0\0\0\xff\xff" * 10**6 + b"\3\0", Threads()
    assert decode(coded("deflate"), nothing, threads=threads) == b""
    assert threads.turns == 1


# --- in pieces -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_pieces_are_decoded_as_they_come(size: int) -> None:
    data = gzip.compress(TEXT)
    content, source, threads = content_of(
        GZIP, *(data[at : at + size] for at in range(0, len(data), size))
    )
    assert read(content) == TEXT
    assert run_sync(content.next_piece()) is None
    assert content.codings == ()
    assert not source.is_closed
    assert threads.turns == 0


def test_what_is_here_is_given_before_more_is_waited_for() -> None:
    packing = zlib.compressobj(wbits=31)
    first = packing.compress(b"data: 1\n\n") + packing.flush(zlib.Z_SYNC_FLUSH)
    content, source, _ = content_of(GZIP, first, ReadTimeout("late"))
    assert run_sync(content.next_piece()) == b"data: 1\n\n"
    assert len(source.items) == 1
    for _ in range(2):
        with pytest.raises(ReadTimeout):
            run_sync(content.next_piece())
    assert source.is_closed


def test_plain_content_passes_as_it_is_and_may_be_read_either_way() -> None:
    content, _, threads = content_of(EMPTY, b"one", b"two", b"three")
    assert run_sync(content.next_piece()) == b"one"
    assert run_sync(content.next_raw()) == b"two"
    assert run_sync(content.next_piece()) == b"three"
    assert run_sync(content.next_raw()) is None
    assert threads.turns == 0


def test_raw_is_raw_and_the_two_are_not_mixed() -> None:
    data = gzip.compress(TEXT)
    content, _, _ = content_of(GZIP, data[:50], data[50:])
    assert run_sync(content.next_raw()) == data[:50]
    with pytest.raises(RuntimeError, match="read raw"):
        run_sync(content.next_piece())
    content, _, _ = content_of(GZIP, data[:50], data[50:])
    assert run_sync(content.next_piece())
    with pytest.raises(RuntimeError, match="read decoded"):
        run_sync(content.next_raw())


def test_what_cannot_be_decoded_comes_raw_and_says_so() -> None:
    data = gzip.compress(TEXT)
    for headers, status_code, left in (
        (coded("exi"), 200, ("exi",)),
        (GZIP, 206, ("gzip",)),
        (coded("exi", "gzip", "gzip", "gzip"), 200, ("exi", "gzip", "gzip", "gzip")),
    ):
        content, _, _ = content_of(headers, data, status_code=status_code)
        assert content.codings == left
        assert read(content) == data


def test_no_content_at_all_is_no_error() -> None:
    content, source, _ = content_of(GZIP)
    assert read(content) == b""
    assert not source.is_closed


@pytest.mark.parametrize(
    ("headers", "items", "message"),
    [
        (GZIP, [gzip.compress(TEXT)[:-1]], "ends early"),
        (GZIP, [gzip.compress(TEXT), b"more"], "after its end"),
        (GZIP, [b"<html>"], "RFC 1952"),
        (GZIP, [gzip.compress(bytes(8 * MiB))], "`ratio`"),
        (coded("gzip", "gzip", "gzip"), [b"x"], "`codings` of 2"),
    ],
)
def test_a_fault_of_the_coding_closes_and_says_what_every_error_says(
    headers: Headers, items: list[bytes], message: str
) -> None:
    content, source, _ = content_of(headers, *items)
    for _ in range(2):
        with pytest.raises(DecodingError, match=message) as caught:
            read(content)
        assert (caught.value.phase, caught.value.seconds) == ("decode", 3.0)
        assert source.is_closed


def test_a_stream_may_be_longer_than_a_whole_body() -> None:
    limits = replace(CLIENT_LIMITS, body=1000)
    content, _, _ = content_of(GZIP, gzip.compress(TEXT), limits=limits)
    assert len(read(content)) > 1000


def test_others_have_their_turn_while_one_piece_becomes_many() -> None:
    bomb = gzip.compress(bytes(32 * MiB))
    content, _, threads = content_of(GZIP, bomb, limits=FREE)
    assert len(read(content)) == 32 * MiB
    assert 50 <= threads.turns <= 70
    content, _, threads = content_of(coded("deflate"), b"\0\0\0\xff\xff" * 10**6 + b"\3\0")
    assert read(content) == b""
    assert threads.turns >= 1


def test_a_decoder_that_was_left_in_a_thread_is_not_used_again() -> None:
    class Stuck:
        async def __call__(self, work: Callable[[], T]) -> T:
            await asyncio.sleep(60)
            return work()

    async def leave() -> None:
        source = Source([gzip.compress(bytes(4 * MiB))])
        content = IncomingContent(source, GZIP, FREE, Stuck())

        async def reading() -> None:
            while await content.next_piece() is not None:
                pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reading(), 0.05)
        assert source.is_closed
        with pytest.raises(RuntimeError, match="left while it was being decoded"):
            await content.next_piece()

    asyncio.run(leave())


def test_a_loop_goes_on_turning_while_much_is_decoded() -> None:
    async def in_thread(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def measured(decoding: Awaitable[object]) -> int:
        turns = 0

        async def turning() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.create_task(turning())
        await decoding
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        return turns

    async def reading() -> None:
        content = IncomingContent(Source([bomb]), GZIP, FREE, in_thread)
        while await content.next_piece() is not None:
            pass

    bomb = gzip.compress(bytes(16 * MiB))
    assert asyncio.run(measured(reading())) > 25
    assert asyncio.run(measured(decode_aside(GZIP, bomb, FREE, in_thread))) > 0
