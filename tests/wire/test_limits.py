"""Every limit at one less, at itself and at one more, at both ends, at once and byte by byte.

A limit is a promise in both directions: what is just within it is read, and what is one beyond is
refused with the limit's name before its end has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest

from crlf.flow.bodies import read_whole
from crlf.flow.run import run_sync
from crlf.message.errors import RemoteError, TooLarge
from crlf.message.headers import Headers
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from crlf.wire.parts import END, Closed, Data, End, Part, RequestHead, ResponseHead

Engine = ClientEngine | ServerEngine

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def request_line(size: int) -> bytes:
    return b"GET /" + b"a" * (size - 14) + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def status_line(size: int) -> bytes:
    return b"HTTP/1.1 204 " + b"a" * (size - 13) + b"\r\n\r\n"


def field(size: int) -> bytes:
    return b"X: " + b"a" * (size - 3) + b"\r\n\r\n"


def head(start: bytes, size: int) -> bytes:
    """A head of some bytes in all, its last empty line counted, in eight fields."""
    left = size - len(start) - 2
    lines = [b"X: " + b"a" * (left // 8 - 5) + b"\r\n"] * 7
    rest = left - len(b"".join(lines))
    return start + b"".join(lines) + b"X: " + b"a" * (rest - 5) + b"\r\n\r\n"


def extensions(size: int) -> bytes:
    """Chunks whose extensions have some bytes in all, none of them long."""
    whole, rest = divmod(size - 2, 10)
    chunks = [b"1;" + b"a" * 9 + b"\r\nx\r\n"] * whole
    return b"".join([*chunks, b"1;" + b"a" * (rest + 1) + b"\r\nx\r\n", LAST])


class Case(NamedTuple):
    """A limit, bytes of a size that it counts, and the error that one more gets."""

    limit: str
    request: Callable[[int], bytes] | None
    response: Callable[[int], bytes] | None
    status_code: int
    small: int  # a value that is tried beside the default one


CASES = [
    Case("line", request_line, status_line, 414, 40),
    Case("field", lambda n: POST + field(n), lambda n: EMPTY + field(n), 431, 50),
    Case("head", lambda n: head(POST, n), lambda n: head(EMPTY, n), 431, 150),
    Case("fields", lambda n: POST + b"A: b\r\n" * (n - 1) + b"\r\n",
         lambda n: EMPTY + b"A: b\r\n" * (n - 1) + b"\r\n", 431, 6),
    Case("blank_lines", lambda n: b"\r\n" * n + POST + b"\r\n", None, 400, 3),
    Case("chunk_line", lambda n: POST + CHUNKED + b"1;" + b"a" * (n - 2) + b"\r\nx\r\n" + LAST,
         lambda n: OK + CHUNKED + b"1;" + b"a" * (n - 2) + b"\r\nx\r\n" + LAST, 400, 20),
    Case("chunk_extensions", lambda n: POST + CHUNKED + extensions(n),
         lambda n: OK + CHUNKED + extensions(n), 400, 60),
    Case("trailers", lambda n: POST + CHUNKED + b"0\r\n" + b"A: b\r\n" * n + b"\r\n",
         lambda n: OK + CHUNKED + b"0\r\n" + b"A: b\r\n" * n + b"\r\n", 431, 4),
    Case("trailer_block", lambda n: POST + CHUNKED + b"0\r\nX: " + b"a" * (n - 7) + b"\r\n\r\n",
         lambda n: OK + CHUNKED + b"0\r\nX: " + b"a" * (n - 7) + b"\r\n\r\n", 431, 50),
    Case("interim", None,
         lambda n: b"HTTP/1.1 103 Early Hints\r\n\r\n" * n + EMPTY + b"\r\n", 502, 2),
]  # fmt: skip


def pieces_of(data: bytes, how: str) -> Iterable[bytes]:
    if how == "at once":
        return [data]
    if how == "in two":
        return [data[: len(data) // 2], data[len(data) // 2 :]]
    return (data[at : at + 1] for at in range(len(data)))


def engine_for(serves: bool, limits: Limits) -> Engine:
    if serves:
        return ServerEngine(limits)
    client = ClientEngine(limits)
    client.send_whole(RequestHead("GET", "/", Headers({"host": "a"})), b"")
    return client


def parts_of(engine: Engine, pieces: Iterable[bytes]) -> list[Part]:
    found = []
    for piece in pieces:
        engine.receive(piece)
        while (part := engine.next_part()) is not None and type(part) is not Closed:
            found.append(part)
    return found


NAMES = list(Limits.__annotations__)


def changed(limits: Limits, name: str, value: int) -> Limits:
    """Return limits of which one is another."""
    return Limits(**{each: value if each == name else getattr(limits, each) for each in NAMES})


SIDES = [
    pytest.param(case, serves, id=f"{case.limit} at the {'server' if serves else 'client'}")
    for case in CASES
    for serves in (True, False)
    if (case.request if serves else case.response)
]


@pytest.mark.rfc("9110", "5.4")
@pytest.mark.parametrize("how", ["at once", "in two", "byte by byte"])
@pytest.mark.parametrize("size", ["small", "default"])
@pytest.mark.parametrize(("case", "serves"), SIDES)
def test_a_limit_is_exact(case: Case, serves: bool, size: str, how: str) -> None:
    limits = SERVER_LIMITS if serves else CLIENT_LIMITS
    if size == "small":
        limits = changed(limits, case.limit, case.small)
    limit = getattr(limits, case.limit)
    write = case.request if serves else case.response
    assert write is not None
    for within in (limit - 1, limit):
        found = parts_of(engine_for(serves, limits), pieces_of(write(within), how))
        assert isinstance(found[-1], End), within
    with pytest.raises((TooLarge, RemoteError)) as refused:
        parts_of(engine_for(serves, limits), pieces_of(write(limit + 1), how))
    if isinstance(refused.value, TooLarge):
        assert (refused.value.what, refused.value.limit) == (case.limit, limit)
    else:
        assert case.limit in ("blank_lines", "interim")
    assert isinstance(refused.value, TooLarge | RemoteError)
    assert refused.value.status_code == (case.status_code if serves else 502)
    assert refused.value.rule


@pytest.mark.rfc("9110", "5.4")
@pytest.mark.parametrize("serves", [True, False])
@pytest.mark.parametrize("limit", ["line", "field", "head", "chunk_line", "trailer_block"])
def test_a_limit_holds_before_the_end_has_come(limit: str, serves: bool) -> None:
    limits = Limits(line=100, field=100, head=300, chunk_line=50, trailer_block=80)
    begin = POST if serves else OK
    there = {
        "line": b"",
        "field": begin,
        "head": begin + (b"X: " + b"b" * 20 + b"\r\n") * 10,
        "chunk_line": begin + CHUNKED,
        "trailer_block": begin + CHUNKED + b"0\r\n",
    }[limit]
    engine = engine_for(serves, limits)
    parts_of(engine, [there] if there else [])
    fed = len(there) if limit == "head" else 0
    while fed < 2 * getattr(limits, limit):
        fed += 1
        try:
            parts_of(engine, [b"a"])
        except TooLarge as refused:
            what = refused.what
            break
    # A head or trailer section that fills its limit has no room left for its own end.
    full = 0 if limit in ("head", "trailer_block") else 1
    assert (what, fed) == (limit, getattr(limits, limit) + full)


@pytest.mark.rfc("9110", "5.4")
@pytest.mark.parametrize("serves", [True, False])
def test_the_first_limit_in_the_order_of_the_bytes_is_the_one_that_is_named(serves: bool) -> None:
    limits = Limits(line=40, field=40, head=400, fields=3)
    begin = POST if serves else OK
    for data, what in [
        (b"y" * 41 + b"\r\n" + b"X: " + b"a" * 50 + b"\r\n\r\n", "line"),
        (begin + b"X: " + b"a" * 50 + b"\r\n" + b"A: b\r\n" * 9 + b"\r\n", "field"),
        (begin + b"A: b\r\n" * 9 + b"X: " + b"a" * 50 + b"\r\n\r\n", "fields"),
        (begin + b"A: b\r\n" * 100 + b"\r\n", "fields"),
    ]:
        for how in ("at once", "in two", "byte by byte"):
            with pytest.raises(TooLarge) as refused:
                parts_of(engine_for(serves, limits), pieces_of(data, how))
            assert refused.value.what == what


@pytest.mark.rfc("9112", "2.2")
def test_empty_lines_are_counted_for_each_request_anew() -> None:
    server = ServerEngine(Limits(blank_lines=2))
    for _ in range(3):
        parts_of(server, [b"\r\n\r\n" + POST + b"\r\n"])
        server.send_whole(ResponseHead(204), b"")
    with pytest.raises(RemoteError, match="empty lines"):
        parts_of(server, [b"\r\n", b"\r\n", b"\r\n"])


@pytest.mark.rfc("9110", "15.2")
def test_interim_responses_are_counted_for_each_request_anew() -> None:
    client = ClientEngine(Limits(interim=2))
    for _ in range(3):
        client.send_whole(RequestHead("GET", "/", Headers({"host": "a"})), b"")
        answer = b"HTTP/1.1 103 Hints\r\n\r\n" * 2 + OK + b"Content-Length: 0\r\n\r\n"
        assert parts_of(client, [answer])[-1] == END


@pytest.mark.rfc("9112", "7.1.1")
def test_extensions_are_counted_for_each_message_anew() -> None:
    server = ServerEngine(Limits(chunk_extensions=30))
    for _ in range(3):
        assert parts_of(server, [POST + CHUNKED + extensions(30)])[-1] == END
        server.send_whole(ResponseHead(204), b"")


class Parts:
    """An engine as the source of parts that the flows read from."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def next_part(self, deadline: float | None) -> Part:
        part = self.engine.next_part()
        assert part is not None
        return part


@pytest.mark.rfc("9110", "15.5.14")
@pytest.mark.parametrize("how", ["at once", "in two", "byte by byte"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("serves", [True, False])
def test_a_body_is_bounded_by_who_gathers_it(serves: bool, framing: str, how: str) -> None:
    """The engine keeps nothing of a body, so it has nothing to bound; it says what is to come."""
    for size in (99, 100, 101):
        engine = engine_for(serves, Limits(body=100))
        length = b"Content-Length: %d\r\n\r\n" % size if framing == "length" else CHUNKED
        body = b"x" * size if framing == "length" else b"1\r\nx\r\n" * size + LAST
        engine.receive((POST if serves else OK) + length)
        assert engine.next_part() is not None
        assert engine.body_left == (size if framing == "length" else None)
        for piece in pieces_of(body, how):
            engine.receive(piece)
        gathering = read_whole(Parts(engine), engine.limits.body, lambda: None)
        if size <= 100:
            assert run_sync(gathering) == (b"x" * size, Headers())
        else:
            with pytest.raises(TooLarge) as refused:
                run_sync(gathering)
            assert (refused.value.what, refused.value.status_code) == ("body", 413)


def test_every_limit_has_its_case() -> None:
    elsewhere = {"body", "ratio", "codings"}  # above, and in test_coding.py
    content = {
        "query_fields",
        "form_fields",
        "cookies",
        "parts",
        "part_headers",
        "part_header",
        "fields_total",
        "field_in_memory",
    }  # tests/server/test_limits.py
    server = {"connections", "spool"}  # tests/server/test_limits.py, tests/net/test_spool.py
    assert {case.limit for case in CASES} | elsewhere | content | server == set(NAMES)


def test_content_passes_whatever_its_size() -> None:
    server = ServerEngine(Limits(body=10))
    server.receive(POST + b"Content-Length: 1000000\r\n\r\n")
    server.next_part()
    got = 0
    while server.body_is_due:
        server.receive(b"x" * 50000)
        part = server.next_part()
        assert isinstance(part, Data)
        got += len(part.data)
    assert got == 1000000
