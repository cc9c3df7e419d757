"""Applications that speak their answers, gates before them, stamps on them, and who watches.

The stream is a script, the clock is told. The oracle is what was written: whole responses, in
order, except for a last one that is visibly cut.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from contextvars import ContextVar

import pytest

from crlf.client.blocking import Client
from crlf.flow.run import run_sync
from crlf.flow.serve import Service, Talk, Turn
from crlf.message.errors import LocalError, ReadTimeout, TooLarge, WriteFailed
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.net.draining import Drain
from crlf.net.scripted import END, STALL, Item, ScriptedStream
from crlf.server.apps.app import App
from crlf.server.starting import running
from crlf.wire.limits import Limits
from crlf.wire.parts import ResponseHead

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
WHO: ContextVar[str] = ContextVar("who", default="nobody")
PLAIN = Headers([("content-type", "text/plain")])


def post(content: bytes, *fields: bytes) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return (
        b"POST / HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n" % (lines, len(content))
        + content
    )


class Log:
    """A watch that remembers."""

    sees_all = True

    def __init__(self) -> None:
        self.lines: list[tuple[str | None, int, int, str]] = []
        self.open = 0

    def opened(self, where: Received) -> None:
        self.open += 1

    def closed(self, where: Received) -> None:
        self.open -= 1

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        assert seconds >= 0
        self.lines.append((request and request.method, status_code, size, why))


class Told:
    """One connection of a talk, played to its end."""

    def __init__(self, talk: Talk, *script: Item, **options: object) -> None:
        self.stream = ScriptedStream(script)
        self.faults: list[BaseException] = []
        self.log = Log()

        async def in_thread(work):  # type: ignore[no-untyped-def]  # a port's shape
            return work()

        self.service = Service(
            None, self.stream.clock.now, in_thread, io.BytesIO, talk=talk, watch=self.log,
            report=lambda _, fault: self.faults.append(fault), **options,  # type: ignore[arg-type]
        )  # fmt: skip
        run_sync(self.service.serve(self.stream))
        assert self.stream.is_closed
        assert self.log.open == 0
        self.written = bytes(self.stream.written)

    @property
    def heads(self) -> list[bytes]:
        """The status lines that were written."""
        return re.findall(rb"HTTP/1\.1 [0-9]{3} [^\r]*", self.written)

    @property
    def last_size(self) -> int:
        """How long the content of the last answer was, where it said so."""
        return len(self.written.rpartition(b"\r\n\r\n")[2])


async def say_hello(turn: Turn) -> None:
    await turn.answer(Response(200, PLAIN, b"hello"))


async def echo(turn: Turn) -> None:
    await turn.begin(ResponseHead(200, PLAIN))
    while (piece := await turn.next_piece()) is not None:
        await turn.send(piece)
    await turn.finish()


def test_a_whole_answer_is_one_write() -> None:
    told = Told(say_hello, GET, GET, END)
    assert told.heads == [b"HTTP/1.1 200 OK"] * 2
    assert told.log.lines == [("GET", 200, 5, "")] * 2


def test_the_head_goes_out_with_the_first_piece() -> None:
    writes: list[int] = []

    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, PLAIN))
        writes.append(0)
        await turn.send(b"one")
        await turn.send(b"two")
        await turn.finish()

    told = Told(talk, GET, END)
    assert told.written.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert told.log.lines == [("GET", 200, 6, "")]


def test_a_head_alone_has_a_length() -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, PLAIN))
        await turn.finish()

    assert b"content-length: 0\r\n" in Told(talk, GET, END).written


@pytest.mark.rfc("9110", "6.5")
def test_trailers_follow_the_content() -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, PLAIN))
        await turn.send(b"x")
        await turn.finish(Headers([("checksum", "7")]))

    assert Told(talk, GET, END).written.endswith(b"0\r\nchecksum: 7\r\n\r\n")


def test_content_is_read_as_it_comes() -> None:
    told = Told(echo, post(b"abc")[:-1], b"c", END)
    assert told.written.endswith(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")


@pytest.mark.rfc("9110", "10.1.1")
def test_a_client_that_waits_is_told_to_go_on_when_content_is_wanted() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

    async def talk(turn: Turn) -> None:
        assert turn.body_is_due
        assert await turn.next_piece() == b"abc"
        assert await turn.next_piece() is None
        await turn.answer(Response(200, PLAIN, b"thanks"))

    assert Told(talk, head, b"abc", END).heads == [b"HTTP/1.1 100 Continue", b"HTTP/1.1 200 OK"]
    told = Told(say_hello, head, END)
    assert told.heads == [b"HTTP/1.1 200 OK"]  # without it: nobody asked for the content
    assert b"connection: close" in told.written


@pytest.mark.rfc("9112", "9.3")
def test_little_content_that_nobody_read_is_dropped_and_much_ends_the_connection() -> None:
    told = Told(say_hello, post(b"x" * 1000), GET, END)
    assert told.heads == [b"HTTP/1.1 200 OK"] * 2
    told = Told(say_hello, post(b"x" * 300_000), GET, END, limits=Limits(body=None))
    assert told.heads == [b"HTTP/1.1 200 OK"]
    assert b"connection: close" in told.written
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    assert Told(say_hello, chunked, GET, END).heads == [b"HTTP/1.1 200 OK"]


def test_too_much_content_is_refused_before_it_is_read() -> None:
    told = Told(echo, post(b"x" * 11), END, limits=Limits(body=10))
    assert told.heads == [b"HTTP/1.1 413 Content Too Large"]
    assert told.log.lines == [("POST", 413, told.last_size, "limit body of 10")]


def test_an_application_may_answer_for_content_that_is_too_large_itself() -> None:
    async def talk(turn: Turn) -> None:
        try:
            await turn.next_piece()
        except TooLarge:
            await turn.answer(Response(413, PLAIN, b"mine"))

    told = Told(talk, post(b"x" * 11), END, limits=Limits(body=10))
    assert told.written.endswith(b"mine")


def test_content_that_stalls_is_a_408() -> None:
    told = Told(echo, post(b"abc")[:-1], STALL)
    assert told.log.lines[0][1:] == (200, 2, "timeout body")  # an answer was under way: it is cut

    async def read(turn: Turn) -> None:
        assert await turn.next_piece() == b"ab"
        with pytest.raises(ReadTimeout):
            await turn.next_piece()
        raise RuntimeError("never mind")

    assert Told(read, post(b"abc")[:-1], STALL).heads[:1] == [b"HTTP/1.1 500 Internal Server Error"]


@pytest.mark.rfc("8297", "2")
def test_early_hints_go_before_and_never_to_the_old() -> None:
    async def talk(turn: Turn) -> None:
        await turn.inform(ResponseHead(103, Headers([("link", "</a.css>; rel=preload")])))
        await say_hello(turn)
        await turn.inform(ResponseHead(103))

    assert Told(talk, GET, END).heads == [b"HTTP/1.1 103 Early Hints", b"HTTP/1.1 200 OK"]
    assert Told(talk, b"GET / HTTP/1.0\r\n\r\n", END).heads == [b"HTTP/1.1 200 OK"]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_file_is_sent_from_its_middle(count: int) -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, Headers([("content-length", str(count))])))
        await turn.send_file(io.BytesIO(b"0123456789"), 3, count)
        await turn.finish()

    assert Told(talk, GET, END).written.endswith(b"\r\n\r\n" + b"34567"[:count])


def test_a_file_that_is_shorter_than_promised_cuts_the_connection() -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, Headers([("content-length", "20")])))
        await turn.send_file(io.BytesIO(b"0123456789"), 3, 20)
        await turn.finish()

    told = Told(talk, GET, GET, END)
    assert told.written.endswith(b"3456789")
    assert isinstance(told.faults[0], LocalError)


# -- an application that does not keep to it


def test_an_application_that_says_nothing_gets_a_500() -> None:
    async def talk(turn: Turn) -> None:
        return None

    told = Told(talk, GET, GET, END)
    assert told.heads == [b"HTTP/1.1 500 Internal Server Error"] * 2
    assert len(told.faults) == 2
    assert told.log.lines[0][1:] == (500, told.last_size, "error")


@pytest.mark.parametrize("ends", ["returns", "raises"])
def test_half_an_answer_is_cut(ends: str) -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, PLAIN))
        await turn.send(b"half")
        if ends == "raises":
            raise KeyError("half")

    told = Told(talk, GET, GET, END)
    assert told.written.endswith(b"4\r\nhalf\r\n")
    assert len(told.faults) == 1


def test_a_head_that_was_not_sent_yet_becomes_a_500() -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, PLAIN))
        raise KeyError("after all")

    assert Told(talk, GET, END).heads == [b"HTTP/1.1 500 Internal Server Error"]


@pytest.mark.parametrize("wrong", ["twice", "content first", "end first"])
def test_answers_have_an_order(wrong: str) -> None:
    async def talk(turn: Turn) -> None:
        head = ResponseHead(200, PLAIN)
        if wrong == "twice":
            await turn.begin(head)
        say = {"twice": lambda: turn.begin(head), "content first": lambda: turn.send(b"x")}
        with pytest.raises(RuntimeError):
            await say.get(wrong, turn.finish)()
        raise KeyError("well")

    assert Told(talk, GET, END).heads == [b"HTTP/1.1 500 Internal Server Error"]


def test_the_content_of_an_answer_to_head_stays_here() -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, Headers([("content-length", "5")])))
        await turn.send(b"hello")
        await turn.finish()

    told = Told(talk, GET.replace(b"GET", b"HEAD"), GET, END)
    assert told.written.count(b"hello") == 1
    assert [size for _, _, size, _ in told.log.lines] == [0, 5]


def test_a_client_that_is_gone_is_no_fault_of_the_application() -> None:
    gone: list[bool] = []

    async def talk(turn: Turn) -> None:
        turn._line.connection.close()
        try:
            await turn.answer(Response(200, PLAIN, b"hello"))
        except WriteFailed:
            gone.append(turn.is_gone)
            raise

    told = Told(talk, GET, END)
    assert gone == [True]
    assert told.faults == []
    assert told.log.lines == [("GET", 0, 0, "gone")]


# -- gates, stamps, draining


def test_a_gate_answers_before_content_is_read() -> None:
    def gate(request: Request) -> Request | Response:
        return Response(403, PLAIN, b"no") if request.method == "POST" else request

    told = Told(say_hello, post(b"x" * 100), GET, END, gate=gate)
    assert told.heads == [b"HTTP/1.1 403 Forbidden", b"HTTP/1.1 200 OK"]
    told = Told(say_hello, post(b"x" * 300_000), GET, END, gate=gate)
    assert told.heads == [b"HTTP/1.1 403 Forbidden"]


def test_a_gate_may_change_where_a_request_came_from() -> None:
    async def talk(turn: Turn) -> None:
        url, peer = turn.request.url, turn.request.peer
        await turn.answer(Response(200, PLAIN, f"{url} {peer}".encode()))

    def gate(request: Request) -> Request:
        how = request.received_how._replace(
            scheme="https", peer=("192.0.2.7", 0), authority="shop.example"
        )
        return request.with_received(how)

    told = Told(talk, GET, END, gate=gate)
    assert told.written.endswith(b"https://shop.example/ ('192.0.2.7', 0)")


def test_a_stamp_is_on_every_answer() -> None:
    def stamp(request: Request, headers: Headers) -> Headers:
        return headers.adding("x-request-id", "7")

    for talk in (say_hello, echo):
        assert b"x-request-id: 7\r\n" in Told(talk, GET, END, stamp=stamp).written


def test_a_server_that_drains_says_so() -> None:
    drain = Drain()
    seen: list[bool] = []

    async def talk(turn: Turn) -> None:
        seen.append(bool(turn.draining))
        drain.begin()
        told.service.drain()
        seen.append(bool(turn.request.draining))
        await say_hello(turn)

    class Late(Told):
        def __init__(self) -> None:
            nonlocal told
            told = self
            super().__init__(talk, GET, GET, END, draining=drain)

    told: Told
    Late()
    assert seen == [False, True]
    assert told.heads == [b"HTTP/1.1 200 OK"]
    assert b"connection: close" in told.written


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ((b"GET / HTTP/1.1\r\n\r\n", END), (None, 400, "RFC 9112 3.2")),
        ((b"GET / HTTP/1.1\r\nHost", STALL), (None, 408, "timeout head")),
        ((b"GET /" + b"a" * 9000, END), (None, 414, "limit line of 8192")),
    ],
)
def test_what_was_refused_is_told_with_its_reason(
    script: Iterable[Item], line: tuple[str | None, int, str]
) -> None:
    told = Told(say_hello, *script)
    method, status_code, size, why = told.log.lines[0]
    assert (method, status_code, size) == (*line[:2], told.last_size)
    assert why.startswith(line[2])


def test_what_follows_an_answer_gets_no_second_one() -> None:
    async def talk(turn: Turn) -> None:
        await say_hello(turn)
        raise KeyError("afterwards")

    told = Told(talk, GET, GET, END)
    assert told.heads == [b"HTTP/1.1 200 OK"] * 2
    assert [type(fault) for fault in told.faults] == [KeyError] * 2
    assert told.log.lines == [("GET", 200, 5, "")] * 2


def test_an_answer_to_head_says_no_length_that_nobody_knows() -> None:
    async def talk(turn: Turn) -> None:
        await turn.begin(ResponseHead(200, PLAIN))
        await turn.finish()

    assert b"content-length" not in Told(talk, GET.replace(b"GET", b"HEAD"), END).written


@pytest.mark.rfc("9112", "7.1")
def test_content_that_is_broken_under_way_cuts_the_answer_and_is_not_ours() -> None:
    broken = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n"
    told = Told(echo, broken, END)
    assert told.faults == []
    assert told.written.endswith(b"3\r\nabc\r\n")
    assert told.log.lines[0][3].startswith("RFC 9112 7.1")


def test_what_a_request_sets_in_its_context_no_other_sees() -> None:
    """Where there can be no other Task, it is the connection that ends."""
    seen: list[str] = []

    async def send(request: Request) -> Response:
        seen.append(WHO.get())
        WHO.set(request.path)
        return Response(200, PLAIN, b"hello")

    async def in_thread(work):  # type: ignore[no-untyped-def]  # a port's shape
        return work()

    stream = ScriptedStream([GET, GET, END])
    run_sync(Service(send, stream.clock.now, in_thread, io.BytesIO).serve(stream))
    assert seen == ["nobody"]


def test_on_a_loop_another_task_goes_on_with_the_connection() -> None:
    seen: list[tuple[str, object]] = []
    app = App()

    @app.get("/")
    async def set_it(request: Request) -> str:
        seen.append((WHO.get(), request.peer))
        WHO.set("somebody")
        return "hello"

    with running(app) as server, Client() as client:
        for _ in range(4):
            assert client.get(server.url).text == "hello"
    assert [who for who, _ in seen] == ["nobody"] * 4
    assert len({peer for _, peer in seen}) == 1  # one connection
