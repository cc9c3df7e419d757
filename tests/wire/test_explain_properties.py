"""What holds of every input explained: it is tiled, and the verdict is the engine's.

The inputs are all cases of tests/wire/cases, cut off anywhere, and those with some bytes changed.
The engines are run beside, by a reader of their own that knows nothing of spans.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from random import Random
from time import process_time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.test_cases import ALL, Case

from crlf.message.errors import ProtocolError, TooLarge
from crlf.message.headers import Headers
from crlf.wire.explain import (
    ELEMENTS,
    Explained,
    explain_bytes,
    explain_request,
    explain_response,
)
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from crlf.wire.parts import Data, End, RequestHead, ResponseHead, Switched

SMALL = Limits(
    line=60, field=50, head=160, fields=5, blank_lines=2, chunk_line=20, chunk_extensions=30,
    trailers=2, trailer_block=60, interim=2,
)  # fmt: skip
ASKING = Headers({"host": "a", "connection": "upgrade", "upgrade": "any"})
OWN = [
    b"GET /a?b=c&d=%20e HTTP/1.1\r\nHost: a:80\r\nAccept: a/b;q=0.5, */*\r\nCookie: a=b; c\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nh\r\n0\r\nX: y\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET http://b/c?d HTTP/1.1\r\nHost: b\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00",
]  # fmt: skip
OWN_RESPONSES = [
    b"HTTP/1.1 103 Hi\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVary: *\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
    b"HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"a, b\"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nSet-Cookie: a=b; Path=/\r\n\r\nto the end\r\n\r\n",
]  # fmt: skip


class Wire(NamedTuple):
    """Bytes as one side sent them: to a server, or in answer to a method."""

    data: bytes
    method: str  # "" for a request
    upgrades: bool
    ended: bool


def wire_of(case: Case) -> Wire:
    method, *words = (case.to or "").split(" ")
    return Wire(case.data, method, "upgrade" in words, case.ended)


WIRES = [wire_of(case) for case in ALL if case.to != "nothing" and "unfinished" not in str(case.to)]
WIRES += [Wire(data, "", False, False) for data in OWN]
WIRES += [Wire(data, "GET", False, True) for data in OWN_RESPONSES]


def request_of(wire: Wire) -> RequestHead:
    target = "a.example:443" if wire.method == "CONNECT" else "/"
    headers = ASKING if wire.upgrades else Headers({"host": "a"})
    return RequestHead(wire.method, target, headers)


def explained(wire: Wire, limits: Limits | None = None) -> Explained:
    if not wire.method:
        return explain_request(wire.data, is_whole=wire.ended, limits=limits or SERVER_LIMITS)
    return explain_response(
        wire.data, request=request_of(wire), is_ended=wire.ended, limits=limits or CLIENT_LIMITS
    )


def check_tiling(data: bytes, found: Explained) -> None:
    """Each byte belongs to one span, each message to its spans, each detail to its value."""
    at = 0
    for span in found.spans:
        assert span.start == at, data
        assert span.end > at
        assert span.element in ELEMENTS
        assert span.rule
        assert span.meaning
        place = span.start
        for detail in span.details:
            assert place <= detail.start < detail.end <= span.end, data
            place = detail.end
        at = span.end
    assert at == len(data), data
    if found.fault is not None:
        fault = found.fault
        assert 0 <= fault.offset <= fault.end <= len(data), (data, fault)
        before = data[: fault.offset]
        assert fault.line == before.count(b"\n") + 1
        assert fault.column == len(before) - before.rfind(b"\n")
    end = 0
    places = {span.start: place for place, span in enumerate(found.spans)}
    for message in found.messages:
        assert end <= message.start < message.end
        end = message.end
        first = places[message.start]
        assert found.spans[first : first + len(message.spans)] == message.spans
        assert message.spans[-1].end == end


class Verdict(NamedTuple):
    """What an engine makes of a wire: heads, content, trailers, and why it stopped."""

    heads: list[object]
    contents: list[bytes]
    trailers: list[Headers]
    fault: tuple[str, str, int] | None
    offset: int | None = None  # in the message, as the engine counts


# Where the engine names the beginning of what is wrong, and a caret stands further on in it.
REFINED = (
    "request line is not", "method is not a token", "field name is not a token",
    "chunk size is not", "broken chunk extension", "control character in a chunk",
    "chunk data not followed", "in a trailer", "status code is not", "quoted string",
)  # fmt: skip


def verdict(wire: Wire, limits: Limits | None = None) -> Verdict:
    """Run the engine alone over a wire, answering each request as explaining is said to do."""
    engine: ServerEngine | ClientEngine
    if wire.method:
        engine = ClientEngine(limits or CLIENT_LIMITS)
        engine.send_whole(request_of(wire), b"")
    else:
        engine = ServerEngine(limits or SERVER_LIMITS)
    engine.outgoing()
    if wire.data:
        engine.receive(wire.data)
    if wire.ended:
        engine.receive(b"")
    found = Verdict([], [], [], None)
    for _ in range(len(wire.data) + 5):
        try:
            part = engine.next_part()
        except TooLarge as fault:
            reason = f"{fault.what.replace('_', ' ')} over its limit of {fault.limit:,}"
            return found._replace(fault=(reason, fault.rule, fault.status_code))
        except ProtocolError as fault:
            said = (fault.reason, fault.rule, fault.status_code)
            return found._replace(fault=said, offset=fault.offset)
        if isinstance(part, RequestHead | ResponseHead):
            found.heads.append(part)
            found.contents.append(b"")
        elif isinstance(part, Data):
            found.contents[-1] += part.data
        elif isinstance(part, End):
            found.trailers.append(part.trailers)
            if isinstance(engine, ServerEngine):
                head = found.heads[-1]
                assert isinstance(head, RequestHead)
                if engine.upgrade is not None and engine.holds_bytes:
                    return found  # what follows may be another protocol: told in a test of its own
                engine.send_whole(ResponseHead(200), b"")
                engine.outgoing()
        elif part is None or isinstance(part, Switched) or not isinstance(part, Data):
            return found
    return found


def check_verdict(wire: Wire, limits: Limits | None = None) -> None:
    found, said = explained(wire, limits), verdict(wire, limits)
    check_tiling(wire.data, found)
    if (
        said.heads
        and isinstance(said.heads[-1], RequestHead)
        and "upgrade" in said.heads[-1].headers
    ):
        return
    fault = found.fault
    assert said.fault == (
        None if fault is None else (fault.reason, fault.rule, fault.status_code)
    ), wire
    if fault is not None and said.offset is not None and found.messages:
        last = found.messages[-1]
        start = last.end if last.is_complete else last.start
        named = start + said.offset
        assert fault.offset >= named or fault.reason.startswith("request line is not"), wire
        assert fault.offset == named or any(words in fault.reason for words in REFINED), wire
    messages = [message for message in found.messages if message.head is not None]
    assert [message.head for message in messages] == said.heads
    ended = [message.trailers for message in messages if message.is_complete]
    finals = [each for each in messages if each.is_complete and not is_headed(each.head)]
    assert [each.trailers for each in finals] == said.trailers[: len(finals)], ended
    for message, content in zip(messages, said.contents, strict=True):
        assert message.content_length == len(content)
        shown = [
            wire.data[span.start : span.end]
            for span in message.spans
            if span.element in ("content", "chunk data")
        ]
        if fault is None:
            assert b"".join(shown) == content


def is_headed(head: object) -> bool:
    """Whether a message has no End of its own: interim, or the opening of a tunnel."""
    return isinstance(head, ResponseHead)


def test_there_are_at_least_two_hundred_messages() -> None:
    assert len({wire.data for wire in WIRES}) >= 200


def test_every_element_is_met_in_some_message() -> None:
    assert {span.element for wire in WIRES for span in explained(wire).spans} == set(ELEMENTS)


@pytest.mark.rfc("9112", "2.1")
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: ascii(wire.data[:24]))
def test_each_case_is_tiled_and_judged_as_the_engine_does(wire: Wire) -> None:
    check_verdict(wire)
    check_tiling(wire.data, explain_bytes(wire.data))


def check_cuts(wires: list[Wire], every: int) -> None:
    for number, wire in enumerate(wires):
        step = every if len(wire.data) < 400 else len(wire.data) // 80 * every
        for end in range(number % every, len(wire.data), step):
            part = wire._replace(data=wire.data[:end])
            check_tiling(part.data, explained(part))
            if end % 7 == 0:
                check_verdict(part)


@pytest.mark.rfc("9112", "2.1")
def test_each_case_is_tiled_where_it_is_cut_off() -> None:
    check_cuts(WIRES, 5)


@pytest.mark.long
@pytest.mark.rfc("9112", "2.1")
def test_each_case_is_tiled_wherever_it_is_cut_off() -> None:
    check_cuts(WIRES, 1)


PUT_IN = [
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b"\r\n",
    b":",
    b";",
    b'"',
    b"\xff",
    b"0",
    b"5",
    b",",
    b"{",
]


def mutated(random: Random) -> Iterator[Wire]:
    """Some cases with a few bytes taken out, put in or changed, or with another behind them."""
    for _ in range(12):
        wire = random.choice(WIRES)
        data = bytearray(wire.data[:3000])
        if random.random() < 0.3:
            data += random.choice(WIRES).data[:3000]
        for _ in range(random.choice([1, 1, 2, 3])):
            at = random.randrange(len(data) + 1)
            gone = random.choice([0, 1, 1, 2, 7])
            data[at : at + gone] = random.choice([b"", *PUT_IN])
        yield Wire(bytes(data), wire.method, wire.upgrades, random.random() < 0.5)


@pytest.mark.rfc("9112", "2.2")
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1).map(Random), st.sampled_from([None, SMALL]))
def test_broken_bytes_are_tiled_and_judged_as_the_engine_does(
    random: Random, limits: Limits | None
) -> None:
    for wire in mutated(random):
        check_verdict(wire, limits)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_tiled(data: bytes, ended: bool) -> None:
    check_tiling(data, explain_request(data, is_whole=ended))
    check_tiling(data, explain_response(data, is_ended=ended))
    check_tiling(data, explain_bytes(data))


MANY = [
    ("requests", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    ("responses", b"HTTP/1.1 204 No\r\n\r\n", b""),
    ("turns", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b""),
    ("chunks", b"1\r\na\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("lines", b"X: y\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n"),
    ("controls", b"\0\n", b"GET / HTTP/1.1\r\nHost: a\r\n"),
    ("words", b"a ", b"GET "),
    ("quotes", b'"\\', b"GET / HTTP/1.1\r\nHost: a\r\nCache-Control: "),
    ("pairs", b"a&", b"GET /?"),
    ("empty lines", b"\r\n", b""),
]


@pytest.mark.parametrize(
    ("piece", "begin"), [(b, c) for _, b, c in MANY], ids=[a for a, *_ in MANY]
)
def test_the_work_grows_as_the_bytes_do(piece: bytes, begin: bytes) -> None:
    size = 30_000 // len(piece)

    def seconds(times: int) -> float:
        data = begin + piece * times
        gc.disable()
        try:
            began = process_time()
            check = explain_bytes(data)
            spent = process_time() - began
        finally:
            gc.enable()
        assert check.spans[-1].end == len(data)
        return spent

    for _ in range(6):  # a busy machine may disturb one, not all
        one, four = seconds(size), seconds(4 * size)
        if four < 5 * one + 0.002:
            return
    pytest.fail(f"four times as much took {four / one:.1f} times as long")
