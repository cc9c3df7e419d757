"""What an engine promises beyond the wire: states, memory, and what it says of itself.

The stories of faults that were found are here too, each with what it would have done.
"""

from __future__ import annotations

import pytest

from crlf.message.errors import LocalError, ProtocolError, RemoteError, TooLarge
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.wire.engine import Engine as Promise
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine, Standing
from crlf.wire.h1.state import (
    BODY,
    CLOSE,
    CLOSED,
    DATA,
    DONE,
    FAIL,
    FAILED,
    HEAD,
    IDLE,
    INTERIM,
    NEXT,
    NO,
    STATE_NAMES,
    STEP_NAMES,
    STOP,
    SWITCH,
    SWITCHED,
    TABLE,
    WHOLE,
)
from crlf.wire.parts import END, Closed, Data, End, Part, RequestHead, ResponseHead, Switched

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD_REQUEST = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
ASKING = RequestHead("GET", "/", Headers({"host": "a"}))


def asked(method: str = "GET") -> ClientEngine:
    client = ClientEngine()
    client.send_whole(ASKING._replace(method=method), b"")
    client.outgoing()
    return client


def serving(data: bytes = GET) -> ServerEngine:
    server = ServerEngine()
    server.receive(data)
    assert isinstance(server.next_part(), RequestHead)
    return server


# --- the table


@pytest.mark.rfc("9112", "9.3")
def test_the_table_allows_just_these_steps() -> None:
    allowed = {
        (IDLE, INTERIM): IDLE, (IDLE, HEAD): BODY, (IDLE, WHOLE): DONE, (IDLE, CLOSE): CLOSED,
        (IDLE, SWITCH): SWITCHED, (BODY, DATA): BODY, (BODY, STOP): DONE, (DONE, NEXT): IDLE,
        (DONE, CLOSE): CLOSED, (DONE, SWITCH): SWITCHED, (CLOSED, CLOSE): CLOSED,
        (SWITCHED, CLOSE): CLOSED, (SWITCHED, SWITCH): SWITCHED, (FAILED, CLOSE): FAILED,
        **{(state, FAIL): FAILED for state in range(len(STATE_NAMES))},
    }  # fmt: skip
    for state in range(len(STATE_NAMES)):
        for step in range(len(STEP_NAMES)):
            assert TABLE[state][step] == allowed.get((state, step), NO), (state, step)


def reach(state: int) -> ServerEngine:
    """Bring the sending half of a server into a state."""
    server = serving(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    if state == BODY:
        server.send(ResponseHead(200))
    elif state == DONE:
        server.send_whole(ResponseHead(200), b"")
    elif state == CLOSED:
        server.send(Closed())
    elif state == SWITCHED:
        server = serving(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        server.send(ResponseHead(200))
    server.outgoing()
    assert server.ours == state
    return server


@pytest.mark.rfc("9112", "9.3")
@pytest.mark.parametrize("state", [IDLE, BODY, DONE, CLOSED, SWITCHED])
def test_a_step_that_the_table_lacks_is_refused_and_changes_nothing(state: int) -> None:
    steps: list[tuple[int, Part]] = [
        (INTERIM, ResponseHead(103)),
        (HEAD, ResponseHead(200)),
        (DATA, Data(b"x")),
        (STOP, END),
        (CLOSE, Closed()),
    ]
    for step, part in steps:
        server = reach(state)
        after = TABLE[state][step]
        if after != NO:
            server.send(part)
            assert server.ours == after
            continue
        before = {**vars(server), "_out": []}
        with pytest.raises(LocalError, match=STEP_NAMES[step]):
            server.send(part)
        assert {**vars(server), "_out": []} == before
        assert server.outgoing() == b""


def test_both_engines_keep_the_promise_of_every_version() -> None:
    engines: list[Promise] = [ServerEngine(), ClientEngine()]
    for engine in engines:
        assert engine.is_reusable
        assert engine.next_part() is None
        assert engine.outgoing() == b""


@pytest.mark.rfc("9110", "3.3")
def test_neither_side_speaks_for_the_other() -> None:
    with pytest.raises(LocalError, match="a server sends responses"):
        serving().send(ASKING)
    with pytest.raises(LocalError, match="a client sends requests"):
        ClientEngine().send(ResponseHead(200))
    with pytest.raises(LocalError):
        ClientEngine().send(Switched())


@pytest.mark.rfc("9110", "15.2")
def test_a_whole_response_is_a_final_one() -> None:
    with pytest.raises(LocalError, match="final"):
        serving().send_whole(ResponseHead(103), b"")


# --- requests and responses go as they are


def test_the_values_of_the_first_floor_are_heads() -> None:
    client, server = ClientEngine(), ServerEngine()
    request = Request("POST", "http://a.example/x?y", {"host": "a.example"}, b"hello")
    client.send_whole(request, b"hello")
    server.receive(client.outgoing())
    head = server.next_part()
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.headers["host"]) == ("POST", "/x?y", "a.example")
    assert [server.next_part(), server.next_part()] == [Data(b"hello"), END]
    server.send_whole(Response(404, {"x": "y"}, b"no"), b"no")
    client.receive(server.outgoing())
    answer = client.next_part()
    assert isinstance(answer, ResponseHead)
    assert (answer.status_code, answer.reason, answer.headers["x"]) == (404, "Not Found", "y")


@pytest.mark.rfc("9110", "8.6")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_method_that_has_content_says_so_when_there_is_none(method: str) -> None:
    client = ClientEngine()
    client.send_whole(ASKING._replace(method=method), b"")
    assert b"\r\ncontent-length: 0\r\n" in client.outgoing()


@pytest.mark.rfc("9112", "6.3")
def test_a_length_that_is_not_the_contents_is_not_sent() -> None:
    headers = Headers({"host": "a", "content-length": "4"})
    client = ClientEngine()
    with pytest.raises(LocalError, match="Content-Length"):
        client.send_whole(RequestHead("POST", "/", headers), b"hello")
    server = serving()
    with pytest.raises(LocalError, match="Content-Length"):
        server.send_whole(ResponseHead(200, headers), b"hello")
    assert client.outgoing() == server.outgoing() == b""
    assert client.is_reusable


@pytest.mark.rfc("9112", "7.1")
@pytest.mark.parametrize(
    ("method", "content", "body"),
    [
        ("GET", b"hello", b"5\r\nhello\r\n0\r\n\r\n"),
        ("GET", b"", b"0\r\n\r\n"),
        ("HEAD", b"hello", b""),
    ],
)
def test_a_whole_response_may_go_in_one_chunk(method: str, content: bytes, body: bytes) -> None:
    server = serving(GET.replace(b"GET", method.encode()))
    server.send_whole(ResponseHead(200, Headers({"transfer-encoding": "chunked"})), content)
    assert server.outgoing().partition(b"\r\n\r\n")[2] == body
    assert server.is_reusable


@pytest.mark.rfc("9112", "6.2")
def test_a_whole_request_goes_with_its_length() -> None:
    headers = Headers({"host": "a", "transfer-encoding": "chunked"})
    with pytest.raises(LocalError, match="with its length"):
        ClientEngine().send_whole(RequestHead("POST", "/", headers), b"hello")


@pytest.mark.rfc("9110", "8.6")
@pytest.mark.parametrize("length", ["+5", "5, 5", "-1", "0x5", "", "٥"])
def test_a_length_that_is_no_number_is_not_sent(length: str) -> None:
    if not length.isascii():
        length = length.encode().decode("latin-1")
    with pytest.raises(LocalError, match="plain number"):
        serving().send(ResponseHead(200, Headers({"content-length": length})))


@pytest.mark.rfc("9112", "6.1")
@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "chunked, chunked", "identity"])
def test_no_coding_but_chunked_is_sent(coding: str) -> None:
    with pytest.raises(LocalError, match="chunked"):
        serving().send(ResponseHead(200, Headers({"transfer-encoding": coding})))


@pytest.mark.rfc("9110", "15")
@pytest.mark.parametrize("status_code", [0, 42, 600, 1000, -1])
def test_a_status_code_that_is_none_is_not_sent(status_code: int) -> None:
    with pytest.raises(LocalError):
        serving().send(ResponseHead(status_code))


@pytest.mark.rfc("9112", "2.3")
def test_requests_go_out_as_http_1_1() -> None:
    with pytest.raises(LocalError, match=r"HTTP/1\.1"):
        ClientEngine().send(ASKING._replace(version="1.0"))


def test_the_date_is_that_of_the_moment_it_is_sent() -> None:
    standing = Standing(b"date: one\r\n", b"server: x\r\n")
    server = ServerEngine(standing=standing)
    for date in (b"one", b"two"):
        standing.renew(b"date: %b\r\n" % date)
        server.receive(GET)
        server.next_part()
        server.send_whole(ResponseHead(200), b"")
        assert b"date: %b\r\nserver: x\r\n" % date in server.outgoing()


# --- what an engine says of itself


def test_a_body_that_is_due_is_counted_down() -> None:
    server = serving(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert (server.body_is_due, server.body_left) == (True, 5)
    server.receive(b"hel")
    assert server.next_part() == Data(b"hel")
    assert (server.body_is_due, server.body_left) == (True, 2)
    server.receive(b"lo")
    assert server.next_part() == Data(b"lo")
    assert (server.body_is_due, server.body_left) == (False, 0)


def test_of_chunks_nobody_knows_how_many_are_due() -> None:
    server = serving(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert server.body_is_due
    assert server.body_left is None
    server.receive(b"0\r\n\r\n")
    assert server.next_part() == END
    assert server.body_left == 0


def test_a_client_knows_whether_it_waits_for_an_answer() -> None:
    def waits(client: ClientEngine) -> bool:
        return client.awaits_response

    client = ClientEngine()
    assert not waits(client)
    client.send(RequestHead("POST", "/", Headers({"host": "a", "content-length": "1"})))
    assert waits(client)
    client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.next_part()
    assert not waits(client)


def test_a_server_knows_whether_it_may_still_answer() -> None:
    for server, may in ((serving(), True), (reach(BODY), False), (reach(DONE), False)):
        assert server.may_answer is may


# --- memory


@pytest.mark.rfc("9110", "5.4")
@pytest.mark.parametrize("serves", [True, False])
def test_nothing_is_kept_for_nobody(serves: bool) -> None:
    """After a fault, and after the last message, bytes are dropped however many come."""
    failed = ServerEngine() if serves else asked()
    failed.receive(b"\0" if serves else b"x\r\n\r\n")
    with pytest.raises(RemoteError):
        failed.next_part()
    closed = ServerEngine() if serves else ClientEngine()
    closed.send(Closed())
    for engine in (failed, closed):
        for _ in range(100):
            engine.receive(b"x" * 1000)
        assert len(engine._in) <= 1000


def test_a_body_of_any_length_passes_through_a_small_buffer() -> None:
    chunk = b"fff\r\n" + b"x" * 0xFFF + b"\r\n"
    server = serving(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    stream = chunk * 500
    got = 0
    for at in range(0, len(stream), 5000):
        server.receive(stream[at : at + 5000])
        while (part := server.next_part()) is not None:
            assert isinstance(part, Data)
            got += len(part.data)
        assert len(server._in) <= 65536 + 2 * 5000
    assert got == 500 * 0xFFF


@pytest.mark.rfc("9112", "7.1")
def test_an_offset_counts_from_the_head_however_much_has_been_dropped_since() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    good = head + b"1\r\nx\r\n" * 60_000
    for step in (1003, 65_536, len(good) + 2):
        server = ServerEngine()
        server.receive(GET)  # what came before the message does not count
        server.next_part()
        server.send_whole(ResponseHead(204), b"")
        wire, fault = good + b"x\r\n", None
        for at in range(0, len(wire), step):
            server.receive(wire[at : at + step])
            try:
                while server.next_part() is not None:
                    assert len(server._in) <= 65_536 + 2 * step
            except RemoteError as refused:
                fault = refused
        assert fault is not None
        assert fault.offset == len(good)


# --- faults that were found


@pytest.mark.rfc("9112", "6.3")
def test_a_response_without_fields_has_none_of_the_last_ones() -> None:
    client = asked()
    client.receive(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\none")
    assert [type(client.next_part()) for _ in range(3)] == [ResponseHead, Data, End]
    client.send_whole(ASKING, b"")
    client.receive(b"HTTP/1.1 200 OK\r\n\r\n")
    answer = client.next_part()
    assert isinstance(answer, ResponseHead)
    assert answer.headers == Headers()
    assert client.body_left is None  # to the close, and not the three bytes of the one before


@pytest.mark.rfc("9112", "6.3")
def test_the_same_head_to_another_method_is_framed_anew() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    client = asked("HEAD")
    for method, left in (("HEAD", 0), ("GET", 5), ("HEAD", 0)):
        client.receive(data)
        assert isinstance(client.next_part(), ResponseHead)
        assert client.body_left == left
        if left:
            client.receive(b"hello")
            assert client.next_part() == Data(b"hello")
        assert client.next_part() == END
        following = {"HEAD": "GET", "GET": "HEAD"}[method]
        client.send_whole(ASKING._replace(method=following), b"")


@pytest.mark.rfc("9112", "9.3.2")
def test_the_answer_to_a_broken_request_is_not_framed_for_the_one_before() -> None:
    server = serving(HEAD_REQUEST)
    server.send_whole(ResponseHead(200), b"hello")
    server.outgoing()
    server.receive(b"GET  / HTTP/1.1\r\n\r\n")
    with pytest.raises(RemoteError):
        server.next_part()
    server.send_whole(ResponseHead(400), b"what?")
    assert server.outgoing().endswith(b"\r\n\r\nwhat?")
    assert server.upgrade is None


@pytest.mark.rfc("9110", "15.5.9")
@pytest.mark.parametrize("before", [b"", GET, HEAD_REQUEST, b"GET / HTTP/1.0\r\n\r\n"])
def test_an_answer_to_nobody_is_whole_and_the_last(before: bytes) -> None:
    server = ServerEngine()
    if before:
        server.receive(before.replace(b"1.0\r\n", b"1.0\r\nConnection: keep-alive\r\n"))
        server.next_part()
        server.send_whole(ResponseHead(200), b"")
        server.outgoing()
    server.send_whole(ResponseHead(408), b"too slow")
    out = server.outgoing()
    assert out.endswith(b"\r\n\r\ntoo slow")
    assert b"connection: close\r\n" in out
    server.receive(GET)
    assert server.next_part() == Closed()
    assert (server.ours, server.theirs) == (CLOSED, CLOSED)


@pytest.mark.rfc("9110", "15.2")
@pytest.mark.parametrize("status_code", [100, 103])
def test_no_interim_response_goes_to_nobody(status_code: int) -> None:
    server = serving()
    server.send_whole(ResponseHead(200), b"")
    with pytest.raises(LocalError, match="nobody"):
        server.send(ResponseHead(status_code))
    with pytest.raises(LocalError, match="nobody"):
        ServerEngine().send(ResponseHead(status_code))


@pytest.mark.rfc("9112", "9.2")
def test_bytes_nobody_asked_for_stop_a_request_before_it_is_written() -> None:
    def in_parts(client: ClientEngine) -> None:
        client.send(ASKING)

    def whole(client: ClientEngine) -> None:
        client.send_whole(ASKING, b"")

    for sending in (in_parts, whole):
        client = asked()
        client.receive(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        assert [type(client.next_part()) for _ in range(2)] == [ResponseHead, End]
        with pytest.raises(RemoteError, match="no request asked for"):
            sending(client)
        assert client.outgoing() == b""
        assert client.ours == IDLE


@pytest.mark.rfc("9112", "2.2")
def test_a_fault_is_seen_though_the_connection_closed_behind_it() -> None:
    for data in (b"GET /\0", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000):
        server = ServerEngine()
        server.receive(data)
        server.receive(b"")
        with pytest.raises((RemoteError, TooLarge)) as fault:
            server.next_part()
        assert "connection closed" not in str(fault.value)


@pytest.mark.rfc("9110", "5.4")
def test_a_long_line_before_the_last_one_is_seen_at_once() -> None:
    for rest in (b"\r\nY: ", b"\r\n"):
        server = ServerEngine()
        server.receive(b"GET / HTTP/1.1\r\nX: " + b"a" * 8000)
        assert server.next_part() is None
        server.receive(b"a" * 500 + rest)
        with pytest.raises(TooLarge, match="field"):
            server.next_part()


@pytest.mark.rfc("9110", "6.5.1")
def test_which_fault_is_named_does_not_depend_on_chance() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    for first, second in ((b"Cookie", b"Host"), (b"Host", b"Cookie")):
        server = serving(head + first + b": x\r\n" + second + b": x\r\n\r\n")
        with pytest.raises(RemoteError, match=first.decode().lower()):
            server.next_part()
    for first, second in ((b"From", b"Range"), (b"Range", b"From")):
        server = ServerEngine()
        fields = b"".join(b"%b: x\r\n" % name for name in (first, second, second, first))
        server.receive(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        with pytest.raises(RemoteError, match=f"more than one {first.decode().lower()}"):
            server.next_part()


@pytest.mark.rfc("9112", "9.6")
def test_an_answer_that_is_refused_leaves_the_connection_as_it_was() -> None:
    server = serving()
    wrong = Headers({"content-length": "1", "connection": "close"})
    with pytest.raises(LocalError):
        server.send_whole(ResponseHead(200, wrong), b"hello")
    server.send_whole(ResponseHead(200), b"hello")
    assert server.is_reusable


@pytest.mark.rfc("9110", "15.6.3")
def test_the_fault_of_a_response_is_a_bad_gateways() -> None:
    for data in (
        b"HTTP/1.1 200 OK\nx",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20000,
        b"HTTP/2.0 200\r\n\r\n",
    ):
        client = asked()
        client.receive(data)
        with pytest.raises((RemoteError, TooLarge)) as fault:
            client.next_part()
        assert isinstance(fault.value, ProtocolError | TooLarge)
        assert fault.value.status_code == 502


# --- all of it at once


@pytest.mark.parametrize("after", [b"", b"more"])
@pytest.mark.parametrize("body", [b"x", b"hello" * 1000])
@pytest.mark.rfc("9112", "6.2")
def test_what_is_here_whole_may_be_taken_in_one_step(body: bytes, after: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    by_parts, at_once = asked(), asked()
    for engine in (by_parts, at_once):
        engine.receive(answer + after)
        assert isinstance(engine.next_part(), ResponseHead)
    assert by_parts.next_part() == Data(body)
    assert by_parts.next_part() == END
    assert at_once.take_rest() == body
    for engine in (by_parts, at_once):
        assert engine.is_reusable == (not after)
        assert (engine.ours, engine.theirs, engine.holds_bytes) == (IDLE, IDLE, bool(after))


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 5\r\n\r\nhell",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello",
    ],
)
def test_what_is_not_whole_or_has_no_length_is_not_taken_at_once(rest: bytes) -> None:
    engine = asked()
    engine.receive(b"HTTP/1.1 200 OK\r\n" + rest)
    assert engine.take_rest() is None  # the head has still to be handed out
    assert isinstance(engine.next_part(), ResponseHead)
    assert engine.take_rest() is None
    assert isinstance(engine.next_part(), Data)


@pytest.mark.rfc("9112", "9.5")
def test_an_answer_before_the_end_of_the_request_still_has_its_end() -> None:
    client = ClientEngine()
    fields = {"host": "a.example", "transfer-encoding": "chunked"}
    client.send(RequestHead("PUT", "/", Headers(fields)))
    client.receive(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(client.next_part(), ResponseHead)
    client.send(Data(b"what is left"))
    client.send(End())
    assert client.next_part() == End()
    assert client.is_reusable
