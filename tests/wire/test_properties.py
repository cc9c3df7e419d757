"""What holds of every input: the engine's promises, tried on bytes nobody would think of.

Valid messages, messages with some bytes changed, and shreds of messages in any order, cut anywhere;
and exchanges of any shape between two engines. Each property is one that no example could hold.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from crlf.message.errors import LocalError, Malformed, ProtocolError, TooLarge
from crlf.message.grammar import TOKEN
from crlf.message.headers import Headers
from crlf.wire.h1.body import FORBIDDEN_TRAILERS, LATE_TRAILERS
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.head import CarefulWalk, has_stray_control, parse_block
from crlf.wire.h1.server import ServerEngine
from crlf.wire.h1.state import CLOSED, IDLE, TABLE
from crlf.wire.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from crlf.wire.parts import END, Closed, Data, End, Part, RequestHead, ResponseHead, Switched

Engine = ClientEngine | ServerEngine
SMALL = Limits(
    line=60, field=50, head=160, fields=5, blank_lines=2, chunk_line=20, chunk_extensions=30,
    trailers=2, trailer_block=60, interim=2,
)  # fmt: skip

# --- bytes that look like HTTP


SHREDS = [
    b"GET", b"HEAD", b"POST", b"CONNECT", b" ", b"  ", b"/", b"*", b"a:1", b"http://b/",
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\r\r\n", b"\t",
    b"\0", b"\x0b", b"\x7f", b"\x85", b"\xa0", b"\xff", b":", b"Host: a\r\n",
    b"Host: b\r\n", b"Host : a\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.0\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 05\r\n", b"Content-Length: +5\r\n", b"X: y\r\n",
    b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"transfer-encoding:\r\n chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b" folded\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n", b"5",
    b"Upgrade: x\r\n", b"Expect: 100-continue\r\n", b"Connection: \"\r\n", b"hello", b"0\r\n\r\n",
    b"5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"5;a=\"b\r\nhello\r\n", b"0\r\n",
    b"0\r\nX: y\r\n\r\n", b"HTTP/1.1 103 Hi\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No\r\n",
    b"HTTP/1.1 304\r\n", b"HTTP/1.1 101 Up\r\n", b"HTTP/1.1 ", b"200", b"20", b"2000", b"OK",
    b"FFFFFFFFFFFFFFFF\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"x" * 40, b"y" * 60, b"5 ;a", b";",
]  # fmt: skip

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nHEAD /a?b HTTP/1.1\r\nHost: a\r\nAccept: x\r\nAccept: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b'PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n5;a="b"\r\nhello\r\n0\r\n\r\n',
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\n b\r\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nhello",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00",
]


LINE_ENDS = [b"\r\n"] * 30 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\r\n", b"", b"\0\r\n"]


def shredded(random: Random) -> bytes:
    """Lines of HTTP in an order of no sense."""
    shreds = random.choices(SHREDS, k=random.randrange(2, 14))
    return b"".join(shred + (b"" if shred[-1:] == b"\n" else random.choice(LINE_ENDS))
                    for shred in shreds)  # fmt: skip


def mutated(random: Random, messages: list[bytes]) -> bytes:
    """Some messages behind one another, with a few bytes taken out, put in or changed."""
    data = bytearray(b"".join(random.choices(messages, k=random.choice([1, 1, 2, 3]))))
    for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
        at = random.randrange(len(data) + 1)
        if random.random() < 0.5:  # where lines end is where things happen
            ends = [place for place, byte in enumerate(data) if byte in b"\r\n"]
            at = random.choice(ends or [0]) + random.choice([-1, 0, 0, 1])
        at = max(at, 0)
        gone = random.choice([0, 1, 1, 2, 7])
        put = random.choice([b"", b"", b"\r", b"\n", b"\0", b" ", b"\r\n", random.choice(SHREDS)])
        data[at : at + gone] = put
    return bytes(data)


def hostile(random: Random, messages: list[bytes]) -> bytes:
    if random.random() < 0.2:
        return shredded(random)
    return mutated(random, messages)


class Wire(NamedTuple):
    """What arrives at an engine: bytes, where they are cut, whether the peer then closes."""

    data: bytes
    cuts: list[int]
    ended: bool

    def pieces(self) -> list[bytes]:
        places = [0, *sorted({cut % (len(self.data) + 1) for cut in self.cuts}), len(self.data)]
        pieces = [self.data[a:b] for a, b in itertools.pairwise(places) if a < b]
        return [*pieces, *([b""] if self.ended else [])]

    def whole(self) -> list[bytes]:
        return [*([self.data] if self.data else []), *([b""] if self.ended else [])]

    def single(self) -> list[bytes]:
        single = [self.data[at : at + 1] for at in range(len(self.data))]
        return [*single, *([b""] if self.ended else [])]


def wires(random: Random, messages: list[bytes], most: int = 20) -> Iterator[Wire]:
    """Hostile bytes, cut and ended in many ways. Not drawn one by one, for there are many."""
    for _ in range(most):
        data = hostile(random, messages)
        cuts = random.choices(range(len(data) + 1), k=random.randrange(4))
        yield Wire(data, cuts, random.random() < 0.3)


seeds = st.integers(0, 2**32 - 1).map(Random)
limits_used = st.sampled_from([None, SMALL])
methods = st.sampled_from(["GET", "HEAD", "POST", "CONNECT", "UPGRADE"])


def client_after(method: str, limits: Limits | None = None) -> ClientEngine:
    client = ClientEngine(limits or CLIENT_LIMITS)
    fields = [("host", "a")]
    if method == "UPGRADE":
        method, fields = "GET", [*fields, ("connection", "upgrade"), ("upgrade", "x")]
    target = "b:443" if method == "CONNECT" else "/"
    client.send_whole(RequestHead(method, target, Headers(fields)), b"")
    client.outgoing()
    return client


def answer(engine: Engine, head: RequestHead) -> None:
    """Answer a request that is complete, as a server does with its best known page."""
    if isinstance(engine, ServerEngine) and engine.may_answer:
        engine.send_whole(ResponseHead(404), b"" if head.method == "CONNECT" else b"no")
        engine.outgoing()


class Verdict(NamedTuple):
    """What came of some bytes: the parts, Data joined, and the error with all that it says."""

    parts: list[Part]
    fields: list[object]  # of each head and trailer section as it stands: Headers ignore case
    fault: tuple[object, ...] | None

    @property
    def kind(self) -> str:
        return f"{self.fault[0]} {self.fault[1]}" if self.fault else "good"


def facts_of(fault: ProtocolError | TooLarge) -> tuple[object, ...]:
    return type(fault).__name__, str(fault), fault.status_code, fault.rule, fault.offset


def fault_of(engine: Engine) -> tuple[object, ...]:
    """Ask an engine that has failed once more: it must say the same."""
    with pytest.raises((ProtocolError, TooLarge)) as again:
        engine.next_part()
    assert isinstance(again.value, ProtocolError | TooLarge)
    return facts_of(again.value)


def verdict(engine: Engine, pieces: Iterable[bytes]) -> Verdict:
    """Feed pieces to an engine, answering requests, and say what comes of them.

    Nothing but a ProtocolError or TooLarge may escape; anything else fails the test.
    """
    found = Verdict([], [], None)
    parts = found.parts
    head = RequestHead("GET", "/")
    for piece in pieces:
        engine.receive(piece)
        while True:
            try:
                part = engine.next_part()
            except (ProtocolError, TooLarge) as fault:
                found = found._replace(fault=facts_of(fault))
                break
            if part is None or (parts and part == parts[-1] and type(part) in (Closed, Switched)):
                break
            if isinstance(part, Data) and parts and isinstance(parts[-1], Data):
                parts[-1] = Data(parts[-1].data + part.data)
            elif isinstance(part, Switched):
                if not parts or parts[-1] != Switched():
                    parts.append(Switched())
                break
            else:
                parts.append(part)
            if isinstance(part, RequestHead | ResponseHead):
                found.fields.append(part.headers.fields)
            if isinstance(part, RequestHead):
                head = part
            if isinstance(part, End):
                found.fields.append(part.trailers.fields)
                answer(engine, head)
        if found.fault:
            assert fault_of(engine) == found.fault
            break
    return found


@pytest.mark.rfc("9112", "2.2")
@given(seeds, limits_used)
def test_a_request_means_the_same_however_it_is_cut(random: Random, limits: Limits | None) -> None:
    for wire in wires(random, REQUESTS):
        whole, pieces, single = (
            verdict(ServerEngine(limits or SERVER_LIMITS), feed)
            for feed in (wire.whole(), wire.pieces(), wire.single())
        )
        event(whole.kind)
        assert whole == pieces == single, wire


@pytest.mark.rfc("9112", "2.2")
@given(seeds, methods, limits_used)
def test_a_response_means_the_same_however_it_is_cut(
    random: Random, method: str, limits: Limits | None
) -> None:
    for wire in wires(random, RESPONSES):
        whole, pieces, single = (
            verdict(client_after(method, limits), feed)
            for feed in (wire.whole(), wire.pieces(), wire.single())
        )
        event(whole.kind)
        assert whole == pieces == single, wire


@pytest.mark.rfc("9112", "2.2")
@given(st.binary(max_size=300), st.booleans(), methods, limits_used)
def test_no_bytes_bring_an_engine_down(
    data: bytes, ended: bool, method: str, limits: Limits | None
) -> None:
    wire = Wire(data, [], ended)
    for feed in (wire.whole(), wire.single()):
        verdict(ServerEngine(limits or SERVER_LIMITS), feed)
        verdict(client_after(method, limits), feed)


# --- what is never in what was let through


CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def texts_of(head: Part) -> list[str]:
    if isinstance(head, RequestHead):
        return [head.method, head.target]
    return [head.reason] if isinstance(head, ResponseHead) else []


@pytest.mark.rfc("9110", "5.5")
@given(seeds)
def test_no_control_character_is_ever_let_in(random: Random) -> None:
    found = [verdict(ServerEngine(), wire.whole()) for wire in wires(random, REQUESTS)]
    found += [verdict(client_after("GET"), wire.whole()) for wire in wires(random, RESPONSES)]
    for came in found:
        texts = [text for part in came.parts for text in texts_of(part)]
        assert CONTROL.search("".join(texts) + "".join(map(text_of, came.fields))) is None


def text_of(fields: object) -> str:
    assert isinstance(fields, tuple)
    return "".join(name + value for name, value in fields)


odd_text = st.text(st.sampled_from('aZ/ :\r\n\t\0\x0b\x7f\x85\xff"λ#?'), max_size=8)


@pytest.mark.rfc("9110", "5.5")
@given(odd_text, odd_text, odd_text, odd_text, st.booleans())
def test_no_control_character_is_ever_let_out(
    first: str, second: str, name: str, value: str, whole: bool
) -> None:
    client, server = ClientEngine(), ServerEngine()
    server.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.next_part()
    try:
        headers = Headers([("host", "a"), (name, value)])
    except Malformed:
        headers = Headers({"host": "a"})
    for engine, head in (
        (client, RequestHead(first or "GET", second or "/", headers)),
        (server, ResponseHead(200, headers, first)),
    ):
        try:
            if whole:
                engine.send_whole(head, b"")  # type: ignore[arg-type]
            else:
                engine.send(head)
        except LocalError:
            assert engine.outgoing() == b""
            continue
        out = engine.outgoing().partition(b"\r\n\r\n")[0]
        assert not has_stray_control(out)
        assert len(out.split(b"\r\n")) in range(1 + len(headers.fields), 4 + len(headers.fields))


# --- what is kept


@pytest.mark.rfc("9110", "5.4")
@given(seeds, st.sampled_from([SMALL, SERVER_LIMITS]))
def test_no_more_is_kept_than_a_limit_and_one_read(random: Random, limits: Limits) -> None:
    most = max(limits.head, limits.chunk_line + 2, limits.trailer_block)
    for engine, messages in (
        (ServerEngine(limits), REQUESTS),
        (client_after("GET", limits), RESPONSES),
    ):
        longest = 0
        for wire in wires(random, messages):
            for piece in wire.pieces():
                longest = max(longest, len(piece))
                engine.receive(piece)
                assert len(engine._in) - engine._at <= most + longest
                assert len(engine._in) <= most + longest + 65536 + longest
                drain(engine)


def drain(engine: Engine) -> None:
    """Take every part that is there, and answer every request."""
    head = RequestHead("GET", "/")
    try:
        while (part := engine.next_part()) is not None and not isinstance(part, Closed | Switched):
            if isinstance(part, RequestHead):
                head = part
            if isinstance(part, End):
                answer(engine, head)
            if isinstance(part, End) and isinstance(engine, ClientEngine) and engine.is_reusable:
                engine.send_whole(RequestHead("GET", "/", Headers({"host": "a"})), b"")
                engine.outgoing()
    except (ProtocolError, TooLarge):
        pass


# --- two ways through a head


NAMES = [
    "Host", "X", "x", "Content-Length", "A-b", "Y",
    "", " X", "\tX", "X ", "X\t", "\xfc", "[", "a\0",
]  # fmt: skip
COLONS = [":", ": ", ":", ": ", ":\t", " : ", ""]
VALUES = [
    "a", "a", "b, c", "", " d ", "\t", "\xa0", "\x85",
    "z" * 60, "a\0", "a\r", "\ra", "a\nb", "\x0b", "\x7f",
]  # fmt: skip


def some_block(random: Random) -> bytes:
    """The field lines of a head, most of them as they should be."""
    good = random.random() < 0.5

    def one(choices: list[str], well: int) -> str:
        return random.choice(choices[:well] if good or random.random() < 0.7 else choices)

    lines = [one(NAMES, 6) + one(COLONS, 5) + one(VALUES, 8) for _ in range(random.randrange(1, 7))]
    return "\r\n".join(line for line in lines if line).encode("latin-1")  # no head has an empty one


@pytest.mark.rfc("9112", "5")
@given(seeds, st.booleans(), st.sampled_from([SMALL, SERVER_LIMITS]))
def test_the_quick_way_through_a_head_is_the_careful_way(
    random: Random, folds: bool, limits: Limits
) -> None:
    for _ in range(20):
        block = some_block(random)
        quick = parse_block(block, limits)
        careful: Headers | str
        try:
            careful = CarefulWalk(block, limits, whole=True, folds=folds).headers()
        except (Malformed, TooLarge) as fault:
            careful = str(fault)
        if quick is not None:
            assert isinstance(careful, Headers), (block, careful)
            assert quick.fields == careful.fields, block
            assert quick == careful, block
        elif not folds:
            assert isinstance(careful, str), (block, "the quick way gave up on a good head")
        event("quick" if quick is not None else "folds" if type(careful) is Headers else "careful")


# --- a connection that has seen much


KNOWN_REQUESTS = [
    *REQUESTS[:4], REQUESTS[5],
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\n\r\n",
    b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld",
]  # fmt: skip
KNOWN_RESPONSES = [
    *RESPONSES[:5],
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 304 OK\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n",
]


@pytest.mark.rfc("9112", "9.3")
@given(seeds, st.booleans())
def test_a_server_that_has_seen_much_reads_as_a_fresh_one(random: Random, bytewise: bool) -> None:
    used = ServerEngine()
    for data in [*random.choices(KNOWN_REQUESTS, k=12), hostile(random, REQUESTS)]:
        fresh = ServerEngine()
        feed = Wire(data, [], ended=False)
        pieces = feed.single() if bytewise else feed.whole()
        assert verdict(used, pieces) == verdict(fresh, pieces)
        if not used.is_reusable:
            break
    assert (used.ours, used.theirs, used.is_reusable) == (
        fresh.ours,
        fresh.theirs,
        fresh.is_reusable,
    )


@pytest.mark.rfc("9112", "9.3")
@given(seeds, st.booleans())
def test_a_client_that_has_seen_much_reads_as_a_fresh_one(random: Random, bytewise: bool) -> None:
    used = ClientEngine()
    for data in [*random.choices(KNOWN_RESPONSES, k=12), hostile(random, RESPONSES)]:
        asked = random.choice(["GET", "GET", "HEAD", "POST"])
        if not used.is_reusable:
            break
        fresh = client_after(asked)
        wanted = fresh._request
        assert wanted is not None
        used.send_whole(wanted, b"")
        again = ClientEngine()
        again.send_whole(wanted, b"")
        assert used.outgoing() == again.outgoing()
        feed = Wire(data, [], ended=False)
        pieces = feed.single() if bytewise else feed.whole()
        assert verdict(used, pieces) == verdict(fresh, pieces)
        assert used.is_reusable is fresh.is_reusable


# --- there and back


tokens = st.from_regex(TOKEN.pattern, fullmatch=True).filter(lambda text: len(text) < 30)
values = st.text(
    st.characters(max_codepoint=255, exclude_categories=["Cc"]) | st.just("\t"), max_size=12
).map(lambda text: re.sub("[\x80-\x9f]", "", text).strip(" \t"))
FRAMING = {
    "host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade", "date",
    "server", "trailer",
}  # fmt: skip
field_lists = st.lists(
    st.tuples(tokens.filter(lambda name: name.lower() not in FRAMING), values),
    max_size=4,
    unique_by=lambda field: field[0].lower(),
)
trailer_lists = field_lists.map(
    lambda fields: [
        field for field in fields if field[0].lower() not in FORBIDDEN_TRAILERS | LATE_TRAILERS
    ]
)
targets = st.from_regex(
    r"/[A-Za-z0-9\-._~!$&'()*+,;=:@/]{0,12}(\?[A-Za-z0-9/?%]{0,8})?", fullmatch=True
)
contents = st.lists(st.binary(min_size=1, max_size=40), max_size=3)


class Message(NamedTuple):
    """A message to send: method or status code, and how its content goes out."""

    fields: list[tuple[str, str]]
    pieces: list[bytes]
    chunked: bool
    trailers: list[tuple[str, str]]

    def framed(self) -> list[tuple[str, str]]:
        size = sum(map(len, self.pieces))
        framing = (
            ("transfer-encoding", "chunked") if self.chunked else ("content-length", str(size))
        )
        return [*self.fields, framing]

    def body(self) -> list[Part]:
        trailers = Headers(self.trailers) if self.chunked else Headers()
        return [*map(Data, self.pieces), End(trailers)]


messages = st.builds(Message, field_lists, contents, st.booleans(), trailer_lists)


def carried(reader: Engine, data: bytes, cuts: list[int]) -> list[Part]:
    """Feed bytes in pieces and return the parts that came, without an end to a connection."""
    found: list[Part] = []
    for piece in Wire(data, cuts, ended=False).pieces():
        reader.receive(piece)
        while (part := reader.next_part()) is not None:
            if isinstance(part, Closed | Switched):
                break
            found.append(part)
    return found


def content_of(parts: Iterable[Part]) -> bytes:
    return b"".join(part.data for part in parts if isinstance(part, Data))


cut_lists = st.lists(st.integers(0, 500), max_size=5)


@pytest.mark.rfc("9112", "6")
@given(tokens.filter(lambda method: method != "CONNECT"), targets, messages, cut_lists)
def test_a_request_comes_back_from_the_wire_as_it_went(
    method: str, target: str, message: Message, cuts: list[int]
) -> None:
    head = RequestHead(method, target, Headers([("host", "a"), *message.framed()]))
    client, server = ClientEngine(), ServerEngine()
    for part in (head, *message.body()):
        client.send(part)
    data = client.outgoing()
    parts = carried(server, data, [])
    came = parts[0]
    assert isinstance(came, RequestHead)
    assert came == head
    assert came.headers.fields == head.headers.fields
    assert content_of(parts) == b"".join(message.pieces)
    assert parts[-1] == message.body()[-1]
    assert [type(part) for part in parts if not isinstance(part, Data)] == [RequestHead, End]
    # Written again, the same bytes; only chunks are cut as they came.
    writer = ClientEngine()
    for part in parts:
        writer.send(part)
    again = writer.outgoing()
    if not message.chunked or len(message.pieces) < 2:
        assert again == data
    assert content_of(carried(ServerEngine(), again, cuts)) == content_of(parts)


@pytest.mark.rfc("9112", "6")
@given(st.integers(200, 599), messages, cut_lists, st.sampled_from(["GET", "POST", "HEAD"]))
def test_a_response_comes_back_from_the_wire_as_it_went(
    status_code: int, message: Message, cuts: list[int], method: str
) -> None:
    if status_code in (204, 205):
        message = message._replace(pieces=[], chunked=False)
    headers = Headers(message.framed() if status_code != 204 else message.fields)
    head = ResponseHead(status_code, headers, "Fine")
    asked = f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()

    def written(parts: Iterable[Part]) -> bytes:
        server = ServerEngine()
        server.receive(asked)
        server.next_part()
        for part in parts:
            server.send(part)
        return server.outgoing()

    data = written([head, *message.body()])
    parts = carried(client_after(method), data, cuts)
    came = parts[0]
    assert isinstance(came, ResponseHead)
    assert came == head
    assert came.headers.fields == head.headers.fields
    empty = method == "HEAD" or status_code == 304
    assert content_of(parts) == (b"" if empty else b"".join(message.pieces))
    assert parts[-1] == (END if empty else message.body()[-1])
    if not message.chunked or len(message.pieces) < 2:
        assert written(carried(client_after(method), data, [])) == data


# --- whole exchanges


class Trip(NamedTuple):
    """One exchange: what is asked, what is answered, and who says close."""

    method: str
    request: Message
    interim: int
    status_code: int
    response: Message
    whole: bool
    client_closes: bool
    server_closes: bool


trips = st.builds(
    Trip,
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "X"]),
    messages,
    st.integers(0, 2),
    st.sampled_from([200, 201, 204, 205, 206, 301, 304, 400, 404, 500]),
    messages,
    st.booleans(),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([False, False, False, True]),
)


@pytest.mark.rfc("9112", "9.3")
@given(st.lists(trips, min_size=1, max_size=3), cut_lists)
def test_client_and_server_agree_on_every_exchange(trips: list[Trip], cuts: list[int]) -> None:
    client, server = ClientEngine(), ServerEngine()
    for trip in trips:
        close = [("connection", "close")] if trip.client_closes else []
        asked = Headers([("host", "a"), *close, *trip.request.framed()])
        for part in (RequestHead(trip.method, "/", asked), *trip.request.body()):
            client.send(part)
        read = carried(server, client.outgoing(), cuts)
        assert content_of(read) == b"".join(trip.request.pieces)
        assert (client.ours, client.theirs) == (server.theirs, server.ours)
        for _ in range(trip.interim):
            server.send(ResponseHead(103))
        empty = trip.status_code in (204, 205, 304)
        content = b"" if empty else b"".join(trip.response.pieces)
        close = [("connection", "close")] if trip.server_closes else []
        if trip.whole or empty:
            head = ResponseHead(trip.status_code, Headers([*close, *trip.response.fields]))
            server.send_whole(head, content)
            trailers = Headers()
        else:
            head = ResponseHead(trip.status_code, Headers([*close, *trip.response.framed()]))
            for part in (head, *trip.response.body()):
                server.send(part)
            trailers = Headers(trip.response.trailers if trip.response.chunked else [])
        came = carried(client, server.outgoing(), cuts)
        assert sum(isinstance(part, ResponseHead) for part in came) == trip.interim + 1
        without = trip.method == "HEAD"
        assert content_of(came) == (b"" if without else content)
        assert came[-1] == (END if without else End(trailers))
        assert (client.ours, client.theirs) == (server.theirs, server.ours)
        assert client.is_reusable is server.is_reusable
        assert client.is_reusable is not (trip.client_closes or trip.server_closes)
        if not client.is_reusable:
            assert client.ours == client.theirs == CLOSED
            assert isinstance(client.next_part(), Closed)
            assert isinstance(server.next_part(), Closed)
            break


# --- what a refusal changes


STEPS: list[Part] = [
    RequestHead("GET", "/", Headers({"host": "a"})),
    RequestHead("POST", "/", Headers({"host": "a", "content-length": "5"})),
    RequestHead("POST", "/", Headers({"host": "a", "content-length": "5", "connection": "close"})),
    RequestHead("GET", "/a b", Headers({"host": "a", "connection": "close"})),
    RequestHead("GET", "/"),
    ResponseHead(200),
    ResponseHead(200, Headers({"content-length": "5", "connection": "close"})),
    ResponseHead(204),
    ResponseHead(204, Headers({"content-length": "5", "connection": "close"})),
    ResponseHead(200, Headers({"content-length": "5", "transfer-encoding": "chunked"})),
    ResponseHead(200, Headers({"connection": '"'})),
    ResponseHead(200, Headers({"connection": "close"}), "a\nb"),
    ResponseHead(100),
    ResponseHead(100, Headers(), "\0"),
    ResponseHead(101, Headers({"connection": "upgrade", "upgrade": "x"})),
    ResponseHead(101),
    Data(b"hello"), Data(b"hell"), Data(b""), END, END, End(Headers({"x": "y"})),
    End(Headers({"content-length": "5"})), Closed(), Switched(),
]  # fmt: skip


def take(engine: Engine, step: Part, whole: bytes | None) -> None:
    """Send a part, or with `whole` a message in one piece."""
    wanted = ResponseHead if isinstance(engine, ServerEngine) else RequestHead
    if isinstance(step, wanted) and whole is not None:
        engine.send_whole(step, whole)  # type: ignore[arg-type]
    else:
        engine.send(step)


@pytest.mark.rfc("9112", "6")
@given(seeds, st.booleans())
def test_a_part_that_is_refused_changes_nothing(random: Random, serves: bool) -> None:
    for _ in range(15):
        engine: Engine = ServerEngine() if serves else ClientEngine()
        for _ in range(10):
            step = random.choice([*STEPS, None])
            if step is None or (engine.theirs == IDLE and serves):
                engine.receive(random.choice(REQUESTS if serves else RESPONSES))
                with suppress(ProtocolError):
                    engine.next_part()
            if step is None:
                continue
            before = {name: list(v) if name == "_out" else v for name, v in vars(engine).items()}
            try:
                take(engine, step, random.choice([None, b"", b"hello"]))
            except ProtocolError as refusal:
                event(str(refusal))
                assert vars(engine) == before, step
            assert engine.ours in range(len(TABLE))
            assert engine.theirs in range(len(TABLE))
