"""Work grows with what came, and no faster: counted, not timed.

Counted are the calls that the interpreter makes, and the bytes handed to what looks at every one.
Twice as much of anything may cost about twice the work, whole or byte by byte; quadratic work is
how one cheap client stops a server.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType

import pytest

from crlf.message.headers import Headers
from crlf.wire.h1 import body, halves, head
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.limits import Limits
from crlf.wire.parts import Closed, Data, End, RequestHead, ResponseHead

Engine = ClientEngine | ServerEngine
HUGE = 10**9
WIDE = Limits(
    line=HUGE, field=HUGE, head=HUGE, fields=HUGE, blank_lines=HUGE, chunk_line=HUGE,
    chunk_extensions=HUGE, trailers=HUGE, trailer_block=HUGE, interim=HUGE,
)  # fmt: skip
NARROW_LINE = Limits(line=50, field=HUGE, head=HUGE, fields=HUGE)

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


class Counter:
    """Counts calls while it is on, and the bytes that those which look at each one are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = self.bytes = 0
        look = head.has_stray_control

        def counting(data: bytes | bytearray) -> bool:
            self.bytes += len(data)
            return look(data)

        # Names met before are read with fewer calls; here none has been.
        monkeypatch.setattr(head, "_MOST_NAMES", 0)
        monkeypatch.setattr(head, "_names", {})
        for module in (head, halves, body):
            monkeypatch.setattr(module, "has_stray_control", counting)
        walk = head.CarefulWalk.__init__

        def walking(self_: head.CarefulWalk, data: bytes, *rest: object, **named: object) -> None:
            self.bytes += len(data)
            walk(self_, data, *rest, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(head.CarefulWalk, "__init__", walking)

    def note(self, frame: FrameType, event: str, detail: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1

    def count(self, work: Callable[[], object]) -> tuple[int, int]:
        """Do some work and return how much it was."""
        self.calls = self.bytes = 0
        before = sys.getprofile()
        sys.setprofile(self.note)
        try:
            work()
        finally:
            sys.setprofile(before)
        return self.calls, self.bytes


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def read(engine: Engine, pieces: Iterable[bytes]) -> int:
    """Feed pieces, answer every request, and return how many parts came."""
    parts = 0
    for piece in pieces:
        engine.receive(piece)
        while (part := engine.next_part()) is not None and type(part) is not Closed:
            parts += 1
            if type(part) is End and type(engine) is ServerEngine:
                engine.send_whole(ResponseHead(204), b"")
                engine.outgoing()
    return parts


def server(limits: Limits = WIDE) -> ServerEngine:
    return ServerEngine(limits)


def client(limits: Limits = WIDE) -> ClientEngine:
    engine = ClientEngine(limits)
    engine.send_whole(RequestHead("GET", "/", Headers({"host": "a"})), b"")
    return engine


def numbered(count: int) -> bytes:
    return b"".join(b"X-%d: a\r\n" % number for number in range(count))


def trailing(fields: bytes) -> bytes:
    return CHUNKED + b"0\r\n" + fields + b"\r\n"


Grown = tuple[str, Callable[[], Engine], Callable[[int], bytes]]
BYTEWISE: list[Grown] = [
    ("a long request line", server,
     lambda n: b"GET /" + b"a" * n + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a long field", server, lambda n: POST + b"X: " + b"a" * n + b"\r\n\r\n"),
    ("a field longer than a line may be", lambda: client(NARROW_LINE),
     lambda n: OK + b"X: " + b"a" * n + b"\r\n\r\n"),
    ("many fields", server, lambda n: POST + numbered(n // 10) + b"\r\n"),
    ("many fields of a response", client, lambda n: OK + numbered(n // 10) + b"\r\n"),
    ("fields behind a long one", lambda: client(NARROW_LINE),
     lambda n: OK + b"X: " + b"a" * 100 + b"\r\n" + numbered(n // 10) + b"\r\n"),
    ("folded lines", client, lambda n: OK + b"X: a\r\n" + b" b\r\n" * (n // 4) + b"\r\n"),
    ("empty lines", server, lambda n: b"\r\n" * (n // 2) + POST + b"\r\n"),
    ("chunks", server, lambda n: POST + CHUNKED + b"1\r\nx\r\n" * (n // 6) + b"0\r\n\r\n"),
    ("extensions", server, lambda n: POST + CHUNKED + b"1;a=b\r\nx\r\n" * (n // 10) + b"0\r\n\r\n"),
    ("trailers", server, lambda n: POST + trailing(numbered(n // 10))),
    ("a long trailer", server, lambda n: POST + trailing(b"X: " + b"a" * n + b"\r\n")),
    ("a response's trailers", client,
     lambda n: b"HTTP/1.1 200 OK\r\n" + trailing(numbered(n // 10))),
    ("requests", server, lambda n: (POST + b"\r\n") * (n // 28)),
    ("interim responses", client, lambda n: b"HTTP/1.1 103\r\n\r\n" * (n // 16) + OK + b"\r\n"),
]  # fmt: skip

AT_ONCE: list[Grown] = [
    *BYTEWISE,
    ("fields of one name", server, lambda n: POST + b"X: a\r\n" * n + b"\r\n"),
    ("cookies", client, lambda n: OK + b"Set-Cookie: a=b\r\n" * n + b"\r\n"),
    ("a length said often", client,
     lambda n: b"HTTP/1.1 204 No\r\n" + b"Content-Length: 5\r\n" * n + b"\r\n"),
    ("a list of lengths", client,
     lambda n: b"HTTP/1.1 204 No\r\nContent-Length: 5" + b",5" * n + b"\r\n\r\n"),
    ("connection options", server,
     lambda n: POST + b"Connection: " + b"a, " * (n // 10) + b"close\r\n\r\n"),
    ("an extension of many", server,
     lambda n: POST + CHUNKED + b"1" + b";a=\"b\"" * n + b"\r\nx\r\n0\r\n\r\n"),
    ("an extension that fails at its end", server,
     lambda n: POST + CHUNKED + b"1" + b";a=\"b\"" * n),
]  # fmt: skip


def ids_of(cases: list[Grown]) -> list[str]:
    return [name for name, _, _ in cases]


@pytest.mark.rfc("9112", "2.2")
@pytest.mark.parametrize(("name", "engine", "data"), BYTEWISE, ids=ids_of(BYTEWISE))
def test_bytes_that_dribble_in_cost_the_same_each(
    counter: Counter, name: str, engine: Callable[[], Engine], data: Callable[[int], bytes]
) -> None:
    grows_with_its_input(counter, engine, data, 600, bytewise=True)


@pytest.mark.rfc("9112", "2.2")
@pytest.mark.parametrize(("name", "engine", "data"), AT_ONCE, ids=ids_of(AT_ONCE))
def test_many_bytes_at_once_cost_the_same_each(
    counter: Counter, name: str, engine: Callable[[], Engine], data: Callable[[int], bytes]
) -> None:
    grows_with_its_input(counter, engine, data, 1500, bytewise=False)


def grows_with_its_input(
    counter: Counter,
    engine: Callable[[], Engine],
    data: Callable[[int], bytes],
    size: int,
    *,
    bytewise: bool,
) -> None:
    """Check the work for n, 2n and 4n, beyond what a tiny message costs anyway."""
    spent = []
    for wire in map(data, (0, size, 2 * size, 4 * size)):
        pieces = [wire[at : at + 1] for at in range(len(wire))] if bytewise else [wire]
        reader = engine()
        spent.append(counter.count(partial(read, reader, pieces)))
    for kind in (0, 1):
        nothing, *some = (each[kind] for each in spent)
        once, twice, four = (each - nothing for each in some)
        assert twice <= 2.2 * once + 50, (spent, "calls or bytes grow faster than the input")
        assert four <= 4.4 * once + 100, (spent, "calls or bytes grow faster than the input")


@pytest.mark.rfc("9112", "7.1")
def test_a_million_chunks_of_one_byte_are_read_in_sane_time() -> None:
    """aiohttp and uvicorn took minutes (CVE-2025-69229). Here the clock is that of the test."""
    reader = server(Limits())
    wire = POST + CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"
    size = 0
    for at in range(0, len(wire), 65536):
        reader.receive(wire[at : at + 65536])
        while (part := reader.next_part()) is not None:
            if type(part) is Data:
                size += len(part.data)
    assert size == 1_000_000
    assert not reader.body_is_due


@pytest.mark.rfc("9112", "9.3.2")
def test_ten_thousand_pipelined_requests_are_answered() -> None:
    """A queue of them is not kept parsed (CVE-2026-54273): each is read when its turn comes."""
    engine = server(Limits())
    engine.receive((POST + b"\r\n") * 10_000)
    answered = 0
    while type(engine.next_part()) is RequestHead:
        engine.send_whole(ResponseHead(204), b"")
        answered += 1
    assert answered == 10_000
    assert engine.is_reusable


@pytest.mark.rfc("9110", "5.3")
def test_ten_thousand_fields_of_one_name_are_joined_once(counter: Counter) -> None:
    engine = server()
    engine.receive(POST + b"X: a\r\n" * 10_000 + b"\r\n")
    message = engine.next_part()
    assert isinstance(message, RequestHead)
    calls, _ = counter.count(lambda: message.headers["x"])
    assert calls < 20
