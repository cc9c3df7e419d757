"""Content that goes onto the wire beside its engine: counted as if it had gone through it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import LocalError
from crlf.message.headers import Headers
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.parts import END, Data, RequestHead, ResponseHead

pytestmark = pytest.mark.rfc("9110", "8.6")


def asked(method: str = "GET", version: str = "1.1") -> ServerEngine:
    """Return a server's engine that has been asked for something."""
    engine = ServerEngine()
    engine.receive(f"{method} / HTTP/{version}\r\nHost: a.example\r\n\r\n".encode())
    engine.next_part()
    return engine


def answering(framing: str, length: int, method: str = "GET") -> ServerEngine:
    engine = asked(method, "1.0" if framing == "to close" else "1.1")
    fields = {"length": {"content-length": str(length)}, "to close": {}, "chunked": {}}[framing]
    engine.send(ResponseHead(200, Headers(fields)))
    return engine


def uploading(framing: str, length: int) -> ClientEngine:
    engine = ClientEngine()
    fields = {"host": "a.example"}
    if framing == "chunked":
        fields["transfer-encoding"] = "chunked"
    else:
        fields["content-length"] = str(length)
    engine.send(RequestHead("POST", "/", Headers(fields)))
    return engine


pieces = st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), max_size=8)


@given(pieces, st.sampled_from(["response", "to close", "request"]), st.integers(-3, 3))
def test_the_wire_carries_the_same_either_way(
    pieces: list[tuple[bool, bytes]], what: str, off: int
) -> None:
    """off: how far what was promised is from what there is."""
    length = max(0, sum(len(piece) for _, piece in pieces) + off)

    def new() -> ServerEngine | ClientEngine:
        if what == "request":
            return uploading("length", length)
        return answering("length" if what == "response" else what, length)

    through, beside = new(), new()
    wire, other = through.outgoing(), beside.outgoing()
    for goes_beside, piece in pieces:
        faults: list[LocalError | None] = [None, None]
        try:
            through.send(Data(piece))
        except LocalError as fault:
            faults[0] = fault
        try:
            if goes_beside:
                beside.send_beside(len(piece))
            else:
                beside.send(Data(piece))
        except LocalError as fault:
            faults[1] = fault
        assert str(faults[0]) == str(faults[1])
        wire += through.outgoing()
        other += beside.outgoing()
        if goes_beside and faults[1] is None:
            other += piece
    assert wire == other
    for engine in (through, beside):
        with suppress(LocalError):  # too little, for both
            engine.send(END)
    assert through.ours == beside.ours
    assert through.outgoing() == beside.outgoing()


@pytest.mark.rfc("9112", "7.1")
@pytest.mark.parametrize("engine", [answering("chunked", 0), uploading("chunked", 0)])
def test_nothing_goes_beside_chunks(engine: ServerEngine | ClientEngine) -> None:
    engine.outgoing()
    assert not engine.may_send_beside
    with pytest.raises(LocalError, match="beside chunks"):
        engine.send_beside(5)
    engine.send(Data(b"a"))
    engine.send(END)
    assert engine.outgoing() == b"1\r\na\r\n0\r\n\r\n"


def test_what_is_queued_goes_first() -> None:
    engine = answering("length", 5)
    with pytest.raises(LocalError, match="queued"):
        engine.send_beside(5)
    assert engine.outgoing().endswith(b"\r\n\r\n")
    engine.send_beside(5)
    engine.send(END)
    assert engine.is_reusable


def test_nothing_is_counted_where_nothing_is_sent() -> None:
    engine = answering("length", 5, "HEAD")
    engine.outgoing()
    assert engine.drops_content
    engine.send_beside(5)
    engine.send_beside(500)
    engine.send(END)
    assert engine.outgoing() == b""
    assert engine.is_reusable


def test_nothing_goes_beside_what_is_no_body() -> None:
    engine = asked()
    with pytest.raises(LocalError, match="cannot send"):
        engine.send_beside(1)
    engine = answering("length", 0)
    engine.outgoing()
    engine.send(END)
    with pytest.raises(LocalError, match="cannot send"):
        engine.send_beside(1)


def test_each_message_is_counted_anew() -> None:
    engine = answering("length", 5)
    engine.outgoing()
    engine.send_beside(2)
    with pytest.raises(LocalError, match="1 bytes more"):
        engine.send_beside(4)
    with pytest.raises(LocalError, match="3 bytes fewer"):
        engine.send(END)
    engine.send_beside(3)
    engine.send(END)
    engine.receive(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    engine.next_part()
    engine.send(ResponseHead(200, Headers({"content-length": "7"})))
    engine.outgoing()
    engine.send_beside(7)
    engine.send(END)
    assert engine.is_reusable
