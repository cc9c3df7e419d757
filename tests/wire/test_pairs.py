"""A client's engine and a server's, joined: every part through both, states compared at each step.

What one side sends the other reads as the same part, whether its bytes come at once or one by one;
and after each step each side believes of the other what the other believes of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pytest

from crlf.message.errors import LocalError, RemoteError
from crlf.message.headers import Headers
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine, Standing
from crlf.wire.h1.state import BODY, CLOSED, DONE, FAILED, IDLE, SWITCHED
from crlf.wire.parts import END, Closed, Data, End, Part, RequestHead, ResponseHead, Switched

Engine = ClientEngine | ServerEngine
HOST = ("host", "a.example")


def asking(method: str = "GET", target: str = "/", /, **fields: str) -> RequestHead:
    return RequestHead(method, target, Headers([HOST, *written(fields)]))


def answering(status_code: int = 200, /, **fields: str) -> ResponseHead:
    return ResponseHead(status_code, Headers(written(fields)))


def written(fields: dict[str, str]) -> Iterator[tuple[str, str]]:
    return ((name.replace("_", "-"), value) for name, value in fields.items())


class Pair:
    """Two engines and the wire between them; `step` bytes are carried at a time (0: all)."""

    def __init__(self, step: int) -> None:
        self.client = ClientEngine()
        self.server = ServerEngine()
        self.step = step

    def parts_of(self, reader: Engine, data: bytes) -> list[Part]:
        """Feed bytes to an engine and return the parts that came of them, Data joined."""
        step = self.step or max(len(data), 1)
        found: list[Part] = []
        for piece in [data[at : at + step] for at in range(0, len(data), step)] or [b""]:
            if piece:
                reader.receive(piece)
            while (part := reader.next_part()) is not None:
                if isinstance(part, Data) and found and isinstance(found[-1], Data):
                    found[-1] = Data(found[-1].data + part.data)
                else:
                    found.append(part)
                if isinstance(part, Closed | Switched):
                    break
        return found

    def asks(self, *parts: Part) -> list[Part]:
        """Let the client send, and return what the server reads."""
        for part in parts:
            self.client.send(part)
        return self.parts_of(self.server, self.client.outgoing())

    def answers(self, *parts: Part) -> list[Part]:
        """Let the server send, and return what the client reads."""
        for part in parts:
            self.server.send(part)
        return self.parts_of(self.client, self.server.outgoing())

    def agree_on(self, ours: int, theirs: int) -> None:
        """Check the client's two states, and that the server has them the other way round."""
        assert (self.client.ours, self.client.theirs) == (ours, theirs)
        assert (self.server.theirs, self.server.ours) == (ours, theirs)

    def can_go_on(self) -> bool:
        """Tell whether both sides say that a next exchange may start; they must agree."""
        assert self.client.is_reusable is self.server.is_reusable
        return self.client.is_reusable


@pytest.fixture(params=[0, 1, 7], ids=["at once", "byte by byte", "in sevens"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def same_part(sent: Part, came: Part) -> None:
    """A part is read as it was sent; a head may have gained fields on its way out."""
    if isinstance(sent, RequestHead | ResponseHead):
        assert type(came) is type(sent)
        assert isinstance(came, RequestHead | ResponseHead)
        assert set(sent.headers.fields) <= set(came.headers.fields)
        if isinstance(sent, RequestHead):
            assert came[:2] == sent[:2]
        else:
            assert came[0] == sent[0]
    else:
        assert came == sent


# --- every framing, one part after another


class Exchange(NamedTuple):
    """A request and its response, each as the parts that are sent."""

    name: str
    request: Sequence[Part]
    response: Sequence[Part]


HELLO = (Data(b"hello"), Data(b" world"), END)
SUM = End(Headers({"x-sum": "1"}))
CHUNKED = {"transfer_encoding": "chunked"}
EXCHANGES = [
    Exchange("nothing either way", [asking(), END], [answering(204), END]),
    Exchange("nothing, said with a length", [asking(content_length="0"), END],
             [answering(content_length="0"), END]),
    Exchange("a length each way", [asking("POST", content_length="11"), *HELLO],
             [answering(content_length="11"), *HELLO]),
    Exchange("chunks each way", [asking("POST", **CHUNKED), *HELLO],
             [answering(**CHUNKED), *HELLO]),
    Exchange("chunks by default", [asking(), END], [answering(), *HELLO]),
    Exchange("chunks, none of them", [asking("PUT", **CHUNKED), END], [answering(), END]),
    Exchange("trailers each way", [asking("POST", **CHUNKED), Data(b"x"), SUM],
             [answering(**CHUNKED), Data(b"y"), SUM]),
    Exchange("trailers without a chunk", [asking("POST", **CHUNKED), SUM],
             [answering(**CHUNKED), SUM]),
    Exchange("HEAD with a length", [asking("HEAD"), END], [answering(content_length="11"), END]),
    Exchange("HEAD with chunks", [asking("HEAD"), END], [answering(**CHUNKED), END]),
    Exchange("HEAD with nothing said", [asking("HEAD"), END], [answering(), END]),
    Exchange("304 with a length", [asking(), END], [answering(304, content_length="11"), END]),
    Exchange("205", [asking(), END], [answering(205), END]),
    Exchange("a refused CONNECT", [asking("CONNECT", "a:443"), END],
             [answering(403, content_length="2"), Data(b"no"), END]),
    Exchange("three hints, then the answer", [asking(), END],
             [answering(100), answering(103, link="</a>"), answering(103, link="</b>"),
              answering(content_length="2"), Data(b"ok"), END]),
    Exchange("an error with content", [asking("DELETE"), END],
             [answering(404, content_length="2"), Data(b"no"), END]),
]  # fmt: skip


@pytest.mark.rfc("9112", "6.3")
@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange.name for exchange in EXCHANGES])
def test_every_part_arrives_as_it_was_sent(pair: Pair, exchange: Exchange) -> None:
    for _ in range(3):  # on one connection: a remembered head must mean what it meant
        came: list[Part] = []
        for sent in exchange.request:
            came += pair.asks(sent)
            after = DONE if sent is exchange.request[-1] or came[-1] == END else BODY
            assert pair.server.theirs == after
            assert pair.client.ours == (DONE if sent is exchange.request[-1] else BODY)
        for sent, read in zip(exchange.request, came, strict=True):
            same_part(sent, read)
        pair.agree_on(DONE, IDLE)
        assert pair.client.awaits_response
        came = []
        for sent in exchange.response:
            came += pair.answers(sent)
            interim = isinstance(sent, ResponseHead) and sent.status_code < 200
            if interim:
                pair.agree_on(DONE, IDLE)
            elif sent is not exchange.response[-1]:
                assert pair.server.ours == BODY
        for sent, read in zip(exchange.response, came, strict=True):
            same_part(sent, read)
        pair.agree_on(IDLE, IDLE)
        assert pair.can_go_on()


@pytest.mark.rfc("9112", "6.3")
@pytest.mark.parametrize("status_code", [200, 201, 204, 205, 206, 301, 304, 400, 404, 500, 599])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "CONNECT"])
def test_whole_messages_mean_the_same_at_both_ends(
    pair: Pair, method: str, status_code: int
) -> None:
    content = b"" if status_code in (204, 205, 304) else b"hello"
    if method == "CONNECT" and status_code < 300:
        content = b""
    target = "a.example:443" if method == "CONNECT" else "/"
    pair.client.send_whole(asking(method, target), b"" if method != "POST" else b"question")
    came = pair.parts_of(pair.server, pair.client.outgoing())
    assert [type(part) for part in came if type(part) is not Data] == [RequestHead, End]
    pair.server.send_whole(answering(status_code), content)
    came = pair.parts_of(pair.client, pair.server.outgoing())
    assert isinstance(came[0], ResponseHead)
    if method == "CONNECT" and status_code < 300:
        assert came[1:] == [Switched()]
        pair.agree_on(SWITCHED, SWITCHED)
        return
    there = content if method != "HEAD" else b""
    assert came[1:] == ([Data(there), END] if there else [END])
    pair.agree_on(IDLE, IDLE)
    assert pair.can_go_on()


@pytest.mark.rfc("9112", "6.2")
def test_a_server_adds_its_date_and_name_to_what_lacks_them() -> None:
    server = ServerEngine(standing=Standing(b"date: now\r\n", b"server: crlf\r\n"))
    for head, expected in [
        (answering(), {"date": ["now"], "server": ["crlf"]}),
        (answering(date="then"), {"date": ["then"], "server": ["crlf"]}),
        (answering(404, server="x", connection="close"), {"date": ["now"], "server": ["x"]}),
    ]:
        server.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.next_part()
        client = ClientEngine()
        client.send_whole(asking(), b"")
        server.send_whole(head, b"x")
        client.receive(server.outgoing())
        came = client.next_part()
        assert isinstance(came, ResponseHead)
        assert {name: came.headers.get_all(name) for name in expected} == expected


# --- an answer before the request's end


@pytest.mark.rfc("9112", "9.3")
def test_an_early_answer_lets_the_rest_of_the_request_come(pair: Pair) -> None:
    pair.asks(asking("POST", content_length="11"), Data(b"hello"))
    pair.agree_on(BODY, IDLE)
    assert pair.answers(answering(403, content_length="0"), END)[1:] == [END]
    pair.agree_on(BODY, DONE)
    assert not pair.can_go_on()
    assert pair.asks(Data(b" world")) == [Data(b" world"), END]
    assert pair.asks(END) == []
    pair.agree_on(IDLE, IDLE)
    assert pair.can_go_on()


def waits(server: ServerEngine) -> bool:
    return server.expects_continue


@pytest.mark.rfc("9110", "10.1.1")
def test_a_client_that_expects_a_100_gets_it_and_sends(pair: Pair) -> None:
    head = asking("POST", content_length="5", expect="100-continue")
    assert pair.asks(head) == [head]
    assert waits(pair.server)
    (came,) = pair.answers(answering(100))
    assert isinstance(came, ResponseHead)
    assert came.status_code == 100
    assert not waits(pair.server)
    assert pair.asks(Data(b"hello"), END) == [Data(b"hello"), END]
    pair.answers(answering(201), END)
    pair.agree_on(IDLE, IDLE)
    assert pair.can_go_on()
    assert pair.asks(head) == [head]  # the same again waits again
    assert waits(pair.server)


@pytest.mark.rfc("9110", "10.1.1")
def test_a_client_that_is_refused_instead_does_not_poison_the_connection(pair: Pair) -> None:
    pair.asks(asking("POST", content_length="5", expect="100-continue"))
    (refused, end) = pair.answers(answering(417, content_length="0"), END)
    assert isinstance(refused, ResponseHead)
    assert refused.headers["connection"] == "close"
    assert end == END
    assert not pair.can_go_on()
    with pytest.raises(LocalError):
        pair.client.send_whole(asking(), b"")


@pytest.mark.rfc("9110", "10.1.1")
def test_nobody_waits_for_a_100_without_content_or_in_http_1_0() -> None:
    without_content = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
    older = b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    for head in (without_content, older):
        server = ServerEngine()
        server.receive(head)
        assert isinstance(server.next_part(), RequestHead)
        assert not server.expects_continue


# --- handing the connection over


UPGRADE = {"connection": "upgrade", "upgrade": "websocket"}


@pytest.mark.rfc("9110", "7.8")
def test_an_upgrade_hands_the_connection_over_at_both_ends(pair: Pair) -> None:
    pair.asks(asking(**UPGRADE), END)
    assert pair.server.upgrade == "websocket"
    came = pair.answers(answering(101, **UPGRADE))
    assert came[-1] == Switched()
    assert pair.client.upgrade == "websocket"
    pair.agree_on(SWITCHED, SWITCHED)
    for engine in (pair.client, pair.server):
        engine.receive(b"\x81\x00")
        assert engine.next_part() == Switched(b"\x81\x00")
        assert not engine.is_reusable
        with pytest.raises(LocalError, match="SWITCHED"):
            engine.send(Data(b"x"))


@pytest.mark.rfc("9110", "7.8")
def test_an_upgrade_waits_for_the_end_of_the_request(pair: Pair) -> None:
    pair.asks(asking("POST", content_length="5", **UPGRADE), Data(b"hell"))
    with pytest.raises(LocalError, match="before the end"):
        pair.server.send(answering(101, **UPGRADE))
    assert pair.asks(Data(b"o"), END) == [Data(b"o"), END]
    assert pair.answers(answering(101, **UPGRADE))[-1] == Switched()
    pair.agree_on(SWITCHED, SWITCHED)


@pytest.mark.rfc("9110", "7.8")
def test_an_upgrade_may_be_declined(pair: Pair) -> None:
    pair.asks(asking(**UPGRADE), END)
    pair.answers(answering(content_length="0"), END)
    pair.agree_on(IDLE, IDLE)
    assert pair.server.upgrade is None
    pair.asks(asking(), END)
    assert pair.server.upgrade is None


@pytest.mark.rfc("9110", "9.3.6")
def test_a_connect_opens_a_tunnel_at_both_ends(pair: Pair) -> None:
    pair.asks(asking("CONNECT", "b:443"), END)
    came = pair.answers(answering(200))
    assert isinstance(came[0], ResponseHead)
    assert not came[0].headers.keys() & {"content-length", "transfer-encoding", "connection"}
    assert came[1:] == [Switched()]
    pair.agree_on(SWITCHED, SWITCHED)
    for step in (END, Data(b"x"), answering()):
        with pytest.raises(LocalError, match="SWITCHED"):
            pair.server.send(step)


@pytest.mark.rfc("9110", "9.3.6")
def test_a_tunnel_waits_for_the_end_of_the_request(pair: Pair) -> None:
    pair.asks(asking("CONNECT", "b:443", content_length="5"))
    with pytest.raises(LocalError, match="before the end"):
        pair.server.send(answering(200))
    with pytest.raises(LocalError, match="before the end"):
        pair.server.send_whole(answering(200), b"")
    assert pair.server.ours == IDLE


# --- the end of a connection


@pytest.mark.rfc("9112", "9.6")
def test_a_client_that_says_close_is_the_last_to_be_answered(pair: Pair) -> None:
    pair.asks(asking(connection="close"), END)
    assert not pair.server.is_reusable
    came = pair.answers(answering(content_length="0"), END)
    assert isinstance(came[0], ResponseHead)
    assert came[0].headers["connection"] == "close"
    assert isinstance(came[-1], Closed)
    pair.agree_on(CLOSED, CLOSED)
    assert pair.parts_of(pair.server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")[-1] == Closed()


@pytest.mark.rfc("9112", "9.6")
def test_a_server_that_says_close_answers_nothing_more(pair: Pair) -> None:
    pair.asks(asking(), END)
    came = pair.answers(answering(content_length="0", connection="close"), END)
    assert isinstance(came[-1], Closed)
    pair.agree_on(CLOSED, CLOSED)


@pytest.mark.rfc("9112", "9.6")
def test_a_server_that_drains_says_so_with_its_next_answer(pair: Pair) -> None:
    pair.asks(asking(), END)
    pair.server.persist_no_more()
    came = pair.answers(answering(content_length="0"), END)
    assert isinstance(came[0], ResponseHead)
    assert came[0].headers["connection"] == "close"
    pair.agree_on(CLOSED, CLOSED)


@pytest.mark.rfc("9112", "9.5")
def test_either_side_may_leave_between_two_exchanges(pair: Pair) -> None:
    for leaving, staying in ((pair.client, pair.server), (pair.server, pair.client)):
        leaving.send(Closed())
        assert leaving.outgoing() == b""
        staying.receive(b"")
        assert staying.next_part() == Closed()
        assert not leaving.is_reusable
        assert not staying.is_reusable
        assert leaving.next_part() == Closed()


@pytest.mark.rfc("9112", "8")
def test_a_server_that_leaves_without_an_answer_is_at_fault(pair: Pair) -> None:
    pair.asks(asking(), END)
    pair.server.send(Closed())
    pair.client.receive(b"")
    with pytest.raises(RemoteError, match="without a response"):
        pair.client.next_part()
    assert pair.client.theirs == FAILED


@pytest.mark.rfc("9112", "6.3")
def test_a_reply_to_http_1_0_ends_with_the_connection(pair: Pair) -> None:
    pair.client.send_whole(asking(), b"")
    pair.client.outgoing()
    assert pair.parts_of(pair.server, b"GET / HTTP/1.0\r\n\r\n")[-1] == END
    came = pair.answers(answering(), Data(b"hello"), END)
    assert came[1:] == [Data(b"hello")]
    assert pair.server.ours == pair.server.theirs == CLOSED
    assert pair.client.theirs == BODY
    pair.client.receive(b"")
    assert [pair.client.next_part(), pair.client.next_part()] == [END, Closed()]
    pair.agree_on(CLOSED, CLOSED)


@pytest.mark.rfc("9112", "9.3")
def test_http_1_0_may_keep_a_connection() -> None:
    server = ServerEngine()
    for _ in range(3):
        server.receive(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        assert isinstance(server.next_part(), RequestHead)
        server.send_whole(answering(), b"hello")
        assert b"connection: keep-alive\r\n" in server.outgoing()
        assert server.is_reusable
    server.receive(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
    server.next_part()
    server.send(answering())  # of a length nobody knows
    assert b"connection: close\r\n" in server.outgoing()


# --- pipelining


def pipelined(server: ServerEngine, clients: Iterable[ClientEngine]) -> Iterator[ClientEngine]:
    """Answer the requests that are there, in order; hand each answer to its client."""
    for client in clients:
        head = server.next_part()
        if not isinstance(head, RequestHead):
            return
        server.send_whole(answering(), head.target.encode())
        client.receive(server.outgoing())
        yield client


@pytest.mark.rfc("9112", "9.3.2")
def test_pipelined_requests_are_answered_in_order() -> None:
    server, clients = ServerEngine(), [ClientEngine() for _ in range(50)]
    for number, client in enumerate(clients):
        client.send_whole(asking("GET", f"/{number}"), b"")
        server.receive(client.outgoing())
    answered = 0
    for number, client in enumerate(pipelined(server, clients)):
        assert isinstance(client.next_part(), ResponseHead)
        assert client.next_part() == Data(b"/%d" % number)
        assert client.next_part() == END
        assert client.is_reusable
        answered += 1
    assert answered == 50
    assert server.is_reusable


@pytest.mark.rfc("9112", "9.6")
def test_what_was_pipelined_behind_a_close_is_not_answered() -> None:
    server, clients = ServerEngine(), [ClientEngine() for _ in range(5)]
    for number, client in enumerate(clients):
        options = {"connection": "close"} if number == 2 else {}
        client.send_whole(asking("GET", f"/{number}", **options), b"")
        server.receive(client.outgoing())
    assert len(list(pipelined(server, clients))) == 3
    assert server.next_part() == Closed()
    with pytest.raises(LocalError):
        server.send_whole(answering(), b"")


@pytest.mark.rfc("9112", "9.3.2")
def test_bodies_may_be_pipelined_too() -> None:
    server = ServerEngine()
    for number in range(3):
        client = ClientEngine()
        client.send(asking("POST", f"/{number}", transfer_encoding="chunked"))
        client.send(Data(b"%d" % number))
        client.send(SUM)
        server.receive(client.outgoing())
    for number in range(3):
        head = server.next_part()
        assert isinstance(head, RequestHead)
        assert head.target == f"/{number}"
        assert server.next_part() == Data(b"%d" % number)
        assert server.next_part() == SUM
        assert server.next_part() is None
        server.send_whole(answering(), b"")
    assert server.is_reusable
