"""What an engine hands out in pieces is what it hands out at once, and holds no copy of it."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import LocalError
from crlf.message.headers import Headers
from crlf.wire.h1.server import ServerEngine
from crlf.wire.parts import Data, ResponseHead

LARGE = b"x" * 1_000_003


def asked(request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> ServerEngine:
    engine = ServerEngine()
    engine.receive(request)
    engine.next_part()
    engine.next_part()
    return engine


REQUESTS = {
    "GET": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "1.0": b"GET / HTTP/1.0\r\n\r\n",
    "close": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}
FIELDS = {
    "none": Headers(),
    "length": Headers({"content-length": str(len(LARGE))}),
    "chunks": Headers({"transfer-encoding": "chunked"}),
}


@pytest.mark.rfc("9112", "6")
@pytest.mark.parametrize("status_code", [200, 304])
@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("request_kind", REQUESTS)
def test_pieces_of_a_whole_answer_are_the_same_bytes(
    request_kind: str, fields: str, status_code: int
) -> None:
    engines = [asked(REQUESTS[request_kind]) for _ in range(2)]
    for engine in engines:
        if (request_kind, fields) == ("1.0", "chunks"):
            with pytest.raises(LocalError):
                engine.send_whole(ResponseHead(status_code, FIELDS[fields]), LARGE)
            return
        engine.send_whole(ResponseHead(status_code, FIELDS[fields]), LARGE)
    pieces = list(engines[1].outgoing_pieces(65536))
    assert b"".join(pieces) == engines[0].outgoing()
    assert {len(piece) for piece in pieces[:-1]} <= {65536}
    assert engines[1].outgoing() == b""
    assert engines[0].ours == engines[1].ours


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 50))
def test_pieces_are_full_and_in_order(contents: list[bytes], most: int) -> None:
    one, other = asked(), asked()
    for engine in (one, other):
        engine.send(ResponseHead(200))
        for content in contents:
            engine.send(Data(content))
    pieces = list(one.outgoing_pieces(most))
    assert b"".join(pieces) == other.outgoing()
    assert all(len(piece) == most for piece in pieces[:-1])
    assert all(pieces)


def test_no_copy_of_large_content_is_held() -> None:
    engine = asked()
    tracemalloc.start()
    try:
        engine.send_whole(ResponseHead(200), LARGE)
        pieces = engine.outgoing_pieces(65536)
        next(pieces)
        next(pieces)
        assert tracemalloc.get_traced_memory()[1] < len(LARGE) / 3
    finally:
        tracemalloc.stop()
