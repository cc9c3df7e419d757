"""Streamed responses in both colours: every way to read them, and every way to leave them.

The connection is a script, over which neither colour ever waits, so that both are asked the same
questions in one step each, and a connection that lives on or is closed can be seen.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crlf.client.blocking import Client
from crlf.client.pieces import Chunks, LineSplitter
from crlf.client.streamed import AsyncStreamedResponse, StreamedResponse
from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler
from crlf.flow.pool import Pool
from crlf.flow.run import run_sync
from crlf.flow.sending import Incoming, open_response
from crlf.message.batch import Batch
from crlf.message.errors import (
    DecodingError,
    Malformed,
    ReadTimeout,
    RemoteError,
    StatusError,
    TooLarge,
)
from crlf.message.request import Request
from crlf.net.scripted import END, STALL, Item, ScriptedNetwork, ScriptedStream
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits
from crlf.values import replace
from crlf.wire.limits import CLIENT_LIMITS, Limits

HOST = {"host": "a.example"}
URL = "http://a.example/"
TIMES = Timeout(connect=3.0, read=5.0, write=7.0, pool=2.0, total=60.0)
TEXT = b"".join(b'{"number": %d, "name": "item %d"}\n' % (n, n * 7919 % 10007) for n in range(300))


class Either:
    """A streamed response of either colour, asked in the same words."""

    def __init__(self, inner: StreamedResponse | AsyncStreamedResponse) -> None:
        self.inner = inner

    def every(self, way: str, *given: Any) -> list[Any]:
        return list(self.each(way, *given))

    def each(self, way: str, *given: Any) -> Iterator[Any]:
        pieces = getattr(self.inner, way)(*given)
        if isinstance(self.inner, StreamedResponse):
            yield from pieces
            return
        missing = object()

        async def following(pieces: AsyncIterator[Any]) -> Any:
            return await anext(pieces, missing)

        while (piece := run_sync(following(pieces))) is not missing:
            yield piece

    def read(self) -> bytes:
        read = self.inner.read()
        return read if isinstance(read, bytes) else run_sync(read)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __enter__(self) -> Either:
        if isinstance(self.inner, StreamedResponse):
            self.inner.__enter__()
        else:
            run_sync(self.inner.__aenter__())
        return self

    def __exit__(self, *how: Any) -> None:
        if isinstance(self.inner, StreamedResponse):
            self.inner.__exit__(*how)
        else:
            run_sync(self.inner.__aexit__(*how))


class Asked:
    """One request over a scripted connection, and its response, streamed."""

    def __init__(
        self, colour: type[Any], *items: Item, limits: Limits = CLIENT_LIMITS, method: str = "GET"
    ) -> None:
        self.stream = ScriptedStream(items)
        self.network = ScriptedNetwork([self.stream])
        self.pool = Pool(Dialler(self.network, limits), PoolLimits())
        self.request = Request(method, URL, HOST)
        self.incoming: Incoming = run_sync(
            open_response(self.pool, self.request, Budget(TIMES, self.network.now))
        )
        self.streamed = Either(colour(self.incoming, self.incoming.response, limits.body))

    @property
    def lives(self) -> bool:
        """Whether the connection may be used again."""
        assert self.stream.is_closed == (self.pool._ledger.total == 0)
        return not self.stream.is_closed


Ask = Callable[..., Asked]


@pytest.fixture(params=[StreamedResponse, AsyncStreamedResponse], ids=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Give what asks in one colour."""
    return lambda *items, **options: Asked(request.param, *items, **options)


def reply(content: bytes, *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def chunked(*pieces: bytes, fields: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{fields}\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


GZIPPED = reply(gzip.compress(TEXT), "Content-Encoding: gzip")


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "8.4")
def test_the_same_content_in_every_way(ask: Ask) -> None:
    for answer in (GZIPPED, reply(TEXT), reply(zlib.compress(TEXT), "Content-Encoding: deflate")):
        assert b"".join(ask(answer).streamed.every("iter_bytes")) == TEXT
        assert b"".join(ask(answer).streamed.every("iter_bytes", 1000)) == TEXT
        assert "".join(ask(answer).streamed.every("iter_text")) == TEXT.decode()
        assert ask(answer).streamed.every("iter_lines") == TEXT.decode().split("\n")[:-1]
        assert b"".join(ask(answer).streamed.every("iter_raw")) == answer.split(b"\r\n\r\n", 1)[1]
        asked = ask(answer)
        assert asked.streamed.read() == TEXT
        assert asked.lives


@pytest.mark.parametrize("size", [1, 7, 4096, 10**6])
def test_pieces_of_a_size_are_of_that_size_but_for_the_last(ask: Ask, size: int) -> None:
    pieces = ask(GZIPPED).streamed.every("iter_bytes", size)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert 0 < len(pieces[-1]) <= size
    with pytest.raises(ValueError, match="at least one"):
        ask(GZIPPED).streamed.every("iter_bytes", 0)


def test_what_was_read_is_kept(ask: Ask) -> None:
    streamed = ask(reply(gzip.compress(b'{"a": "\xc3\xa9"}'), "Content-Encoding: gzip")).streamed
    for early in (lambda: streamed.content, lambda: streamed.text, streamed.json):
        with pytest.raises(RuntimeError, match="read"):
            early()
    content = streamed.read()
    assert streamed.read() is streamed.content is content
    assert streamed.text == '{"a": "é"}'
    assert streamed.json() == {"a": "é"}
    assert streamed.response.content == content
    assert streamed.every("iter_bytes") == [content]
    assert streamed.every("iter_bytes", 4) == [content[:4], content[4:8], content[8:]]
    assert streamed.every("iter_lines") == ['{"a": "é"}']


def test_reading_on_gives_the_rest(ask: Ask) -> None:
    streamed = ask(chunked(b"one"), b"3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n").streamed
    assert next(streamed.each("iter_bytes")) == b"one"
    assert streamed.read() == b"twothree"


def test_what_a_streamed_response_says(ask: Ask) -> None:
    asked = ask(reply(b"gone", "X: y", status="404 Not Found"))
    streamed = asked.streamed
    assert (streamed.status_code, streamed.reason, streamed.version) == (404, "Not Found", "1.1")
    assert streamed.headers["x"] == "y"
    assert str(streamed.url) == URL
    with pytest.raises(StatusError):
        streamed.raise_for_status()
    good = ask(reply(b"")).streamed
    assert good.raise_for_status() is good.inner
    bad = ask(reply(b"{")).streamed
    bad.read()
    with pytest.raises(Malformed):
        bad.json()


def test_trailers_are_there_at_the_end(ask: Ask) -> None:
    streamed = ask(chunked(b"content"), b"0\r\nX-Sum: 7\r\n\r\n").streamed
    streamed.read()
    assert streamed.trailers["x-sum"] == "7"


@pytest.mark.rfc("9110", "8.4")
def test_what_nobody_here_knows_stays_coded_and_says_so(ask: Ask) -> None:
    streamed = ask(reply(b"\0\1\2", "Content-Encoding: exi")).streamed
    assert streamed.codings == ("exi",)
    assert streamed.read() == b"\0\1\2"
    assert ask(GZIPPED).streamed.codings == ()


@pytest.mark.rfc("9110", "14.4")
def test_a_part_of_something_coded_stays_coded(ask: Ask) -> None:
    part = gzip.compress(TEXT)[:100]
    answer = reply(
        part,
        "Content-Encoding: gzip",
        "Content-Range: bytes 0-99/5000",
        status="206 Partial Content",
    )
    streamed = ask(answer).streamed
    assert streamed.codings == ("gzip",)
    assert streamed.read() == part


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n"),
        ("GET", reply(b"", "Content-Encoding: gzip")),
    ],
)
def test_no_content_is_no_broken_coding(ask: Ask, method: str, answer: bytes) -> None:
    for way in ("iter_bytes", "iter_raw", "iter_text", "iter_lines"):
        asked = ask(answer, method=method)
        assert asked.streamed.every(way) == []
        assert asked.lives


def test_lines_come_as_soon_as_they_are_there(ask: Ask) -> None:
    packing = zlib.compressobj(wbits=31)
    events = [packing.compress(line) + packing.flush(zlib.Z_SYNC_FLUSH) for line in (b"a\n", b"b")]
    asked = ask(chunked(*events, fields="Content-Encoding: gzip\r\n"), STALL)
    lines = asked.streamed.each("iter_lines")
    assert next(lines) == "a"
    with pytest.raises(ReadTimeout):
        next(lines)
    assert not asked.lives


def test_text_is_in_the_charset_that_is_said(ask: Ask) -> None:
    latin = reply("naïve\ncafé".encode("latin-1"), "Content-Type: text/plain; charset=latin-1")
    marked = reply("naïve\ncafé".encode("utf-16"), "Content-Type: text/plain")
    page = reply(b"<meta charset=latin-1>na\xefve\ncaf\xe9", "Content-Type: text/html")
    for answer in (latin, marked):
        assert ask(answer).streamed.every("iter_lines") == ["naïve", "café"]
    assert ask(page).streamed.every("iter_lines") == ["<meta charset=latin-1>naïve", "café"]


# --- limits and faults -----------------------------------------------------------------------


@pytest.mark.parametrize("limit", [len(TEXT) - 1, len(TEXT), len(TEXT) + 1])
def test_reading_it_whole_is_bounded_as_decoded(ask: Ask, limit: int) -> None:
    asked = ask(GZIPPED, limits=replace(CLIENT_LIMITS, body=limit))
    if limit >= len(TEXT):
        assert asked.streamed.read() == TEXT
        return
    with pytest.raises(TooLarge, match="body") as caught:
        asked.streamed.read()
    assert caught.value.request is asked.request
    assert not asked.lives


def test_a_line_without_an_end_is_bounded_and_a_stream_of_lines_is_not(ask: Ask) -> None:
    limits = replace(CLIENT_LIMITS, body=1000)
    assert len(ask(GZIPPED, limits=limits).streamed.every("iter_lines")) == 300
    endless = ask(chunked(*[b"x" * 400] * 4), limits=limits)
    with pytest.raises(TooLarge):
        endless.streamed.every("iter_lines")
    assert not endless.lives


@pytest.mark.parametrize("way", ["iter_bytes", "iter_text", "iter_lines", "read"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(gzip.compress(TEXT)[:-3], "Content-Encoding: gzip"), "ends early"),
        (reply(b"<html>", "Content-Encoding: br"), "broken br content"),
        (reply(gzip.compress(bytes(10**7)), "Content-Encoding: gzip"), "`ratio`"),
        (
            reply(brotli.compress(gzip.compress(bytes(10**7))), "Content-Encoding: gzip, br"),
            "ratio",
        ),
        (reply(b"x", "Content-Encoding: gzip, gzip, gzip"), "`codings`"),
    ],
)
def test_a_fault_of_a_coding_says_of_which_request(
    ask: Ask, answer: bytes, message: str, way: str
) -> None:
    asked = ask(answer)
    with pytest.raises(DecodingError, match=message) as caught:
        asked.streamed.read() if way == "read" else asked.streamed.every(way)
    error = caught.value
    assert (error.request, error.phase) == (asked.request, "decode")
    assert error.seconds is not None
    if message != "ends early":  # the end of the body itself was reached there
        assert not asked.lives


def test_a_body_that_is_cut_short_never_just_ends(ask: Ask) -> None:
    for end in (20, len(GZIPPED) // 2, len(GZIPPED) - 1):
        cut = GZIPPED[: max(end, GZIPPED.index(b"\r\n\r\n") + 4)]
        asked = ask(cut, END)
        with pytest.raises(RemoteError, match="closed"):
            asked.streamed.every("iter_bytes")
        assert not asked.lives


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.rfc("9112", "9.3")
def test_who_leaves_a_little_unread_leaves_a_connection_that_lives(ask: Ask) -> None:
    small = reply(bytes(64 * 1024))
    for items in (
        (small,),
        (small[:100], small[100:1000], small[1000:]),
        (GZIPPED,),
        (chunked(b"x" * 1000) + b"0\r\n\r\n",),
        (chunked(b"x" * 1000), b"0\r\n\r\n"),
        (reply(b""),),
    ):
        asked = ask(*items)
        with asked.streamed as streamed:
            assert streamed.status_code == 200
        assert asked.lives


def test_what_is_left_is_not_decoded(ask: Ask) -> None:
    # A bomb, and bytes that are no gzip at all: nobody wants to know any more.
    for content in (gzip.compress(bytes(40 * 2**20)), b"no gzip"):
        asked = ask(reply(content, "Content-Encoding: gzip"))
        with asked.streamed:
            pass
        assert asked.lives


def test_who_leaves_much_or_something_endless_leaves_the_connection(ask: Ask) -> None:
    large = reply(bytes(64 * 1024 + 1))
    for items in (
        (large,),
        (large[:200], STALL),
        (chunked(b"event"), STALL),
        (chunked(b"x" * 70_000) + b"0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end",),
        (reply(b"12345")[:-1], STALL),
        (reply(b"12345")[:-1], END),
        (chunked(b"x") + b"zzz",),
    ):
        asked = ask(*items)
        began = asked.network.now()
        with asked.streamed:
            pass
        assert not asked.lives
        assert asked.network.now() - began <= 0.2


def test_an_error_or_a_close_waits_for_nothing(ask: Ask) -> None:
    asked = ask(reply(b"12345"))
    with pytest.raises(ZeroDivisionError), asked.streamed:
        raise ZeroDivisionError
    assert not asked.lives
    asked = ask(reply(b"12345"))
    closing: Coroutine[Any, Any, None] | None = asked.streamed.close()
    if closing is not None:
        run_sync(closing)
    assert not asked.lives
    with pytest.raises(RuntimeError, match="closed"):
        asked.streamed.read()


def test_what_was_left_cannot_be_read_on(ask: Ask) -> None:
    asked = ask(GZIPPED)
    with asked.streamed:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        asked.streamed.read()


# --- cutting anew --------------------------------------------------------------------------------


def lines_of(pieces: list[str]) -> list[str]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.finish()


@given(st.lists(st.text(alphabet="ab\r\n\u2028\x0b", max_size=6), max_size=12))
@settings(max_examples=150, deadline=None)
def test_lines_do_not_depend_on_how_text_was_cut(pieces: list[str]) -> None:
    text = "".join(pieces)
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert lines_of(pieces) == (plain[:-1] if plain[-1] == "" else plain)


def test_a_dribble_costs_no_object_a_byte() -> None:
    splitter = LineSplitter()
    for _ in range(50_000):
        splitter.feed("é")
    assert splitter.held == 50_000
    assert len(splitter._pieces) + len(splitter._small) < 5000
    assert splitter.finish() == ["é" * 50_000]
    gathered = Batch()
    for _ in range(50_000):
        gathered.add(b"xy")
    assert len(gathered._pieces) == 0
    assert gathered.take_whole() == b"xy" * 50_000


@given(st.lists(st.binary(max_size=9000), max_size=6), st.integers(1, 10_000))
@settings(max_examples=100, deadline=None)
def test_what_is_cut_anew_says_the_same(pieces: list[bytes], size: int) -> None:
    chunks, gathered = Chunks(size), Batch()
    found = []
    for piece in pieces:
        found += chunks.feed(piece)
        gathered.add(piece)
    found += chunks.finish()
    assert gathered.size == len(b"".join(pieces))
    assert b"".join(found) == gathered.take_whole() == b"".join(pieces)
    assert all(len(chunk) == size for chunk in found[:-1])


def test_a_large_streamed_content_is_bounded_by_nothing_but_its_reader(ask: Ask) -> None:
    noise = os.urandom(2**20)
    asked = ask(reply(gzip.compress(noise * 4, 1), "Content-Encoding: gzip"))
    assert sum(map(len, asked.streamed.each("iter_bytes"))) == 4 * 2**20
    assert asked.lives


@pytest.mark.rfc("9112", "7.4")
@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "xchunked", "chunked, identity"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_transfer_coding_that_nobody_asked_for_is_not_handed_out_as_content(
    coding: str, is_streamed: bool
) -> None:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n".encode()
    body = b"5\r\nhello\r\n0\r\n\r\n" if coding.endswith(", chunked") else b"hello"
    client = Client(network=ScriptedNetwork([ScriptedStream([head + body, END])]))

    def ask() -> None:
        if not is_streamed:
            client.get("http://a.example/")
            return
        with client.stream("GET", "http://a.example/") as response:
            response.read()

    with pytest.raises(DecodingError, match="nobody asked for"):
        ask()
    assert client._core._pool._ledger.total == (0 if is_streamed or body == b"hello" else 1)
