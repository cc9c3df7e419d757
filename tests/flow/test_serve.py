"""The life of a connection on its server, with a fault at every byte that goes in or out.

The stream is a script and the clock is told. The oracle: nothing escapes, the stream and every
file are closed, the application sees whole requests only, and what was written is a sequence
of whole responses, except for a last one that is visibly cut.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.flow.run import run_sync
from crlf.flow.serve import Send, Service
from crlf.message.body import FileBody
from crlf.message.errors import (
    ConnectFailed,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    TooLarge,
    WriteTimeout,
)
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.memorystream import join
from crlf.net.scripted import END, RESET, STALL, Fault, Item, ScriptedStream
from crlf.rules.deadlines import Patience
from crlf.wire.h1.client import ClientEngine
from crlf.wire.limits import SERVER_LIMITS, Limits
from crlf.wire.parts import Data, End, RequestHead, ResponseHead

FAULTS = (END, RESET, STALL)
HOST = b"Host: a.example\r\n"


class Spool:
    """Temporary files that are counted."""

    def __init__(self) -> None:
        self.files: list[io.BytesIO] = []

    def __call__(self) -> BinaryIO:
        self.files.append(io.BytesIO())
        return self.files[-1]


class Tracked(io.BytesIO):
    """A file that an answer sends; all of them are looked at in the end."""

    made: list[Tracked] = []  # noqa: RUF012  # emptied by each Serving

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        Tracked.made.append(self)


class Serving:
    """A service with one connection, played from its first byte to its last."""

    def __init__(
        self,
        send: Send,
        script: Iterable[Item],
        *,
        patience: Patience | None = None,
        limits: Limits = SERVER_LIMITS,
        stream: ScriptedStream | None = None,
    ) -> None:
        self.stream = stream or ScriptedStream(script)
        self.clock = self.stream.clock
        self.began = self.clock.now()
        self.spool = Spool()
        self.reported: list[BaseException] = []
        self.asked: list[Request] = []
        self.uploads: list[BinaryIO] = []
        Tracked.made = []

        async def noting(request: Request) -> Response:
            self.asked.append(request)
            self.uploads += [upload.file for upload in request.files.values()]  # type: ignore[attr-defined]
            return await send(request)

        async def in_thread(work):  # type: ignore[no-untyped-def]
            return work()

        self.service = Service(
            noting,
            self.clock.now,
            in_thread,
            self.spool,
            limits=limits,
            patience=patience or Patience(),
            report=lambda request, fault: self.reported.append(fault),
        )

    def play(self) -> Serving:
        """Serve, and look at what must be so whatever happened."""
        run_sync(self.service.serve(self.stream))
        assert self.stream.is_closed
        assert not self.service.visits
        assert all(file.closed for file in self.spool.files)
        assert all(file.closed for file in self.uploads)
        assert all(file.closed for file in Tracked.made)
        return self

    @property
    def written(self) -> bytes:
        return bytes(self.stream.written)

    @property
    def seconds(self) -> float:
        return self.clock.now() - self.began

    def responses(self, *methods: str, cut: bool = False) -> list[tuple[int, bytes]]:
        """Read what was written as (status, content); interim ones too. cut: the last may be."""
        return read_responses(self.written, methods, cut=cut)


def read_responses(
    data: bytes, methods: Iterable[str] = (), *, cut: bool = False
) -> list[tuple[int, bytes]]:
    """Read a connection's responses with the client's engine, to the last byte."""
    found: list[tuple[int, bytes]] = []
    asked = iter(methods)
    rest = data
    while rest:
        engine = ClientEngine()
        method = next(asked, "GET")
        engine.send_whole(RequestHead(method, "/", Headers([("host", "a")])), b"")
        engine.receive(rest)
        engine.receive(b"")
        content: list[bytes] = []
        status_code = 0
        try:
            while type(part := engine.next_part()) is not End:
                if isinstance(part, ResponseHead):
                    status_code = part.status_code
                    if status_code < 200:
                        found.append((status_code, b""))
                elif isinstance(part, Data):
                    content.append(part.data)
        except RemoteError:
            if not cut:
                raise
            return found
        found.append((status_code, b"".join(content)))
        rest = engine.leftover()
    return found


async def echo(request: Request) -> Response:
    """Answer with what was understood."""
    files = [upload.read() for upload in request.files.values()]  # type: ignore[attr-defined]
    form = "&".join(f"{name}={value}" for name, value in request.form.pairs)
    said = [request.method.encode(), request.path.encode(), form.encode(), *files, request.content]
    return Response(200, {"content-type": "text/plain"}, b" ".join(part for part in said if part))


def serve(script: Iterable[Item], send: Send = echo, **options: object) -> Serving:
    """Serve a script to its end."""
    return Serving(send, script, **options).play()  # type: ignore[arg-type]


BOUNDARY = b"frontier"
MULTIPART = (
    b"--frontier\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
    b'--frontier\r\nContent-Disposition: form-data; name=f; filename="f.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n" + b"x" * 20 + b"\r\n--frontier--\r\n"
)
FORM_TYPE = b"Content-Type: multipart/form-data; boundary=frontier\r\n"
GET = b"GET /path HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n"
)
UPLOAD = (
    b"POST /u HTTP/1.1\r\n" + HOST + FORM_TYPE
    + b"Content-Length: %d\r\n\r\n" % len(MULTIPART) + MULTIPART
)  # fmt: skip
REQUESTS: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "GET": (GET, [(200, b"GET /path")]),
    "length": (POST, [(200, b"POST /p hello")]),
    "chunked": (CHUNKED, [(200, b"POST /c hello")]),
    "multipart": (UPLOAD, [(200, b"POST /u a=1 " + b"x" * 20)]),
    "pipelined": (
        GET + POST + GET,
        [(200, b"GET /path"), (200, b"POST /p hello"), (200, b"GET /path")],
    ),
    "after empty lines": (b"\r\n\r\n" + GET, [(200, b"GET /path")]),
}


# --- a fault at every byte of a request ----------------------------------------------------------


@pytest.mark.rfc("9112", "9.3.2")
@pytest.mark.parametrize("piece", [None, 1, 3])
@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_asked_is_answered_in_order_however_it_is_cut(name: str, piece: int | None) -> None:
    data, answers = REQUESTS[name]
    serving = serve([], stream=ScriptedStream([data, END], piece=piece))
    assert serving.responses() == answers
    assert not serving.reported


def whole_before(name: str, cut: int) -> int:
    """How many requests stand whole in the first bytes."""
    if name != "pipelined":
        return int(cut == len(REQUESTS[name][0]))
    ends = [len(GET), len(GET + POST), len(GET + POST + GET)]
    return sum(end <= cut for end in ends)


@pytest.mark.rfc("9112", "8")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_fault_anywhere_in_a_request_ends_the_connection_and_nothing_else(name: str) -> None:
    data, answers = REQUESTS[name]
    starts = {0, *((len(GET), len(GET + POST)) if name == "pipelined" else ())}
    if name == "after empty lines":
        starts |= {1, 2, 3, 4}
    for cut in range(len(data) + 1):
        for fault in FAULTS:
            serving = serve([data[:cut], fault])
            whole = whole_before(name, cut)
            assert len(serving.asked) == whole, (cut, fault)
            assert not serving.reported, (cut, fault)
            found = serving.responses()
            assert found[:whole] == answers[:whole], (cut, fault)
            is_between = cut in starts or cut == len(data)
            if name == "after empty lines" and is_between and fault is not RESET:
                assert [status for status, _ in found[whole:]] in ([], [408], [400])
            elif fault is RESET or (is_between and (fault is END or cut in (0, len(data)))):
                # There is nobody to talk to, or nothing was asked.
                assert len(found) == whole, (cut, fault)
            elif fault is STALL and not is_between:
                assert [status for status, _ in found[whole:]] == [408], (cut, fault)
            elif fault is END:
                assert [status for status, _ in found[whole:]] == [400], (cut, fault)


@pytest.mark.parametrize("name", ["multipart", "chunked", "length"])
def test_a_large_upload_that_breaks_off_leaves_no_file(name: str) -> None:
    big = b"x" * 300_000
    body = MULTIPART.replace(b"x" * 20, big)
    head = b"POST /u HTTP/1.1\r\n" + HOST + FORM_TYPE + b"Content-Length: %d\r\n\r\n" % len(body)
    data = head + body
    for cut in range(0, len(data), 20_011):
        for fault in FAULTS:
            serving = serve([data[:cut], fault])
            assert not serving.asked
    serving = serve([data, END])
    assert serving.responses() == [(200, b"POST /u a=1 " + big)]
    assert len(serving.spool.files) == 1


# --- a fault at every byte of a response ---------------------------------------------------------


def endless() -> Iterator[bytes]:
    for number in range(10):
        yield b"piece %d;" % number


async def endless_waiting() -> AsyncIterator[bytes]:
    for number in range(10):
        yield b"piece %d;" % number


def a_file() -> FileBody:
    return FileBody(Tracked(b"the content of a file"), closing=True)


ANSWERS: dict[str, Callable[[], object]] = {
    "bytes": lambda: b"hello",
    "nothing": lambda: b"",
    "a generator": endless,
    "an asynchronous generator": endless_waiting,
    "a file": a_file,
}


def answering(content: Callable[[], object], status_code: int = 200) -> Send:
    async def send(request: Request) -> Response:
        return Response(status_code, {"x": "y"}, content())

    return send


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_fault_anywhere_in_a_response_closes_what_it_was_made_of(kind: str) -> None:
    send = answering(ANSWERS[kind])
    whole = serve([GET, END], send)
    assert len(whole.responses()) == 1
    assert not whole.reported
    size = len(whole.written)
    for cut in range(size):
        for fault in FAULTS:
            stream = ScriptedStream([GET, GET, END], write_fault=fault, write_after=cut)
            serving = serve([], send, stream=stream)
            assert serving.written == whole.written[:cut]
            assert len(serving.asked) == 1
            assert not serving.reported  # a client that goes away is no news


@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize(("method", "status_code"), [("HEAD", 200), ("GET", 304)])
def test_what_is_not_sent_is_closed(kind: str, method: str, status_code: int) -> None:
    data = GET.replace(b"GET", method.encode())
    serving = serve([data, data, END], answering(ANSWERS[kind], status_code))
    assert serving.responses(method, method) == [(status_code, b""), (status_code, b"")]
    assert len(Tracked.made) == (2 if kind == "a file" else 0)


@pytest.mark.rfc("9110", "15.3.5")
def test_an_answer_that_cannot_be_is_closed_and_becomes_500() -> None:
    serving = serve([GET, GET, END], answering(a_file, 204))
    assert [status for status, _ in serving.responses()] == [500, 500]
    assert len(serving.reported) == 2
    assert len(Tracked.made) == 2


@pytest.mark.parametrize("headers", [{"content-length": "3"}, {"content-length": "100"}])
def test_an_answer_that_is_not_as_long_as_it_says_is_never_whole(headers: dict[str, str]) -> None:
    async def send(request: Request) -> Response:
        return Response(200, headers, endless())

    serving = serve([GET, GET, END], send)
    assert serving.responses(cut=True) == []
    assert len(serving.asked) == len(serving.reported) == 1


@pytest.mark.rfc("9112", "8")
@pytest.mark.parametrize(
    "fault",
    [ZeroDivisionError("ours"), ReadFailed("upstream"), RemoteError("theirs"), TooLarge("x")],
)
def test_a_body_that_breaks_cuts_the_connection_and_is_reported(fault: Exception) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"one"
        raise fault

    serving = serve([GET, GET, END], answering(breaking))
    assert serving.responses(cut=True) == []
    assert b"one" in serving.written
    assert not serving.written.endswith(b"0\r\n\r\n")
    assert serving.reported == [fault]
    assert not serving.stream.is_ended  # cut, not ended: what came is not all


def test_a_body_that_breaks_before_its_first_piece_is_no_response_either() -> None:
    def breaking() -> Iterator[bytes]:
        raise ZeroDivisionError("ours")
        yield b""

    serving = serve([GET, END], answering(breaking))
    assert serving.responses(cut=True) == []
    assert len(serving.reported) == 1


# --- what the application does -------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        ZeroDivisionError("ours"),
        ConnectFailed("upstream is down", phase="connect"),
        ReadTimeout("upstream is slow", phase="read"),
        RemoteError("upstream is broken", "RFC 9112 8", 502),
        OSError(5, "disk"),
        RuntimeError("?"),
    ],
)
def test_the_trouble_of_an_application_is_500_and_the_connection_goes_on(fault: Exception) -> None:
    """Trouble with another server least of all looks like trouble with this client."""

    async def send(request: Request) -> Response:
        if request.path == "/path":
            raise fault
        return await echo(request)

    serving = serve([GET, POST, END], send)
    assert [status for status, _ in serving.responses()] == [500, 200]
    assert serving.reported == [fault]
    assert str(fault).encode() not in serving.written


def test_a_request_that_cannot_be_read_further_is_refused() -> None:
    async def send(request: Request) -> Response:
        return Response(200, content=str(request.json()))

    serving = serve([POST, END], send)
    assert [status for status, _ in serving.responses()] == [400]
    assert not serving.reported


def test_uploads_are_closed_when_the_application_fails() -> None:
    async def failing(request: Request) -> Response:
        raise ZeroDivisionError

    big = UPLOAD.replace(b"x" * 20, b"x" * 100_000).replace(
        b"Content-Length: %d" % len(MULTIPART), b"Content-Length: %d" % (len(MULTIPART) + 99_980)
    )
    serving = serve([big, big, big, END], failing)
    assert len(serving.uploads) == 3
    assert [status for status, _ in serving.responses()] == [500, 500, 500]


def test_uploads_are_open_while_the_answer_is_sent_and_no_longer() -> None:
    seen: list[bool] = []

    async def send(request: Request) -> Response:
        file = serving.uploads[-1]

        def pieces() -> Iterator[bytes]:
            seen.append(file.closed)
            yield b"x"

        if len(serving.uploads) > 1:
            seen.append(serving.uploads[0].closed)
        return Response(200, content=pieces())

    serving = Serving(send, [UPLOAD, UPLOAD, END])
    serving.play()
    assert seen == [False, True, False]


@pytest.mark.rfc("9112", "9.3")
def test_a_disk_that_fails_is_500_and_a_close_since_the_rest_was_not_read() -> None:
    serving = Serving(echo, [UPLOAD.replace(b"x" * 20, b"x" * 20), GET, END])

    def broken() -> BinaryIO:
        raise OSError(5, "the disk is broken")

    serving.service.spool = broken
    big = b"x" * 200_000
    body = MULTIPART.replace(b"x" * 20, big) + b" " * 100_000
    head = b"POST /u HTTP/1.1\r\n" + HOST + FORM_TYPE + b"Content-Length: %d\r\n\r\n" % len(body)
    serving.stream = ScriptedStream([head + body[:250_000], body[250_000:], GET, END])
    serving.service.now = serving.stream.clock.now
    serving.play()
    assert [status for status, _ in serving.responses()] == [500]
    assert b"connection: close" in serving.written
    assert not serving.asked


@pytest.mark.rfc("9110", "9.3.6")
def test_connect_is_not_implemented_and_ends_the_connection() -> None:
    serving = serve([b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", GET, END])
    assert [status for status, _ in serving.responses()] == [501]
    assert not serving.asked


# --- Expect --------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "10.1.1")
def test_100_is_said_when_the_content_is_wanted_and_before_it_is_waited_for() -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    for cut in range(len(head) + 1):
        serving = serve([head[:cut], head[cut:], STALL])
        assert [status for status, _ in serving.responses()] == [100, 408]
    serving = serve([head, b"hello", head, b"hello", END])
    assert serving.responses() == [(100, b""), (200, b"POST / hello")] * 2


@pytest.mark.rfc("9110", "10.1.1")
@pytest.mark.parametrize(
    ("head", "status_code"),
    [
        (b"POST / HTTP/1.1\r\n%bExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\n%bExpect: 42\r\nContent-Length: 5\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\n%bExpect: 100-continue\r\nContent-Length: +5\r\n\r\n", 400),
    ],
)
def test_100_is_not_said_to_what_is_refused(head: bytes, status_code: int) -> None:
    serving = serve([head % HOST, GET, END])
    assert [status for status, _ in serving.responses()] == [status_code]
    assert b"connection: close" in serving.written


@pytest.mark.rfc("9110", "15.2")
def test_100_is_not_said_to_http_1_0() -> None:
    data = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
    assert serve([data, END]).responses() == [(200, b"POST / hello")]


# --- what ends a connection ----------------------------------------------------------------------


@pytest.mark.rfc("9112", "9.6")
@pytest.mark.parametrize(
    "request_bytes",
    [
        GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        b"GET /path HTTP/1.0\r\n\r\n",
    ],
)
def test_after_close_no_further_request_is_answered(request_bytes: bytes) -> None:
    serving = serve([request_bytes + GET, GET, END])
    assert serving.responses() == [(200, b"GET /path")]
    assert len(serving.asked) == 1
    assert serving.stream.is_ended


@pytest.mark.rfc("9112", "9.3.2")
def test_after_a_bad_request_no_further_one_is_answered() -> None:
    serving = serve([GET + b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n" + GET, GET, END])
    assert [status for status, _ in serving.responses()] == [200, 400]
    assert len(serving.asked) == 1


@pytest.mark.rfc("9112", "9.6")
def test_the_last_word_is_followed_by_an_end_and_then_the_peer_is_heard_out() -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999\r\n\r\n"
    pieces: list[Item] = []
    for _ in range(30):
        pieces += [b"x" * 65536, 0.3]  # more than any one wait, less than a stall
    serving = serve([head, *pieces, END])
    assert [status for status, _ in serving.responses()] == [413]
    assert serving.stream.is_ended
    assert serving.stream.reads > 30  # to its end: a reset would have destroyed the answer
    assert 8.0 < serving.seconds < 10.0


@pytest.mark.parametrize("gap", [0.5, 1.9, 3.0])
def test_hearing_out_has_an_end(gap: float) -> None:
    pieces: list[Item] = []
    for _ in range(1000):
        pieces += [gap, b"x"]
    serving = serve([b"nonsense\r\n\r\n", *pieces])
    patience = Patience()
    assert serving.seconds <= patience.body_grace + patience.linger
    if gap > patience.linger:
        assert serving.seconds == patience.linger


@pytest.mark.rfc("9112", "9.6")
def test_a_connection_has_so_many_requests_and_so_long_a_life() -> None:
    serving = serve([GET] * 5, patience=Patience(requests=3))
    assert len(serving.responses()) == 3
    assert serving.written.count(b"connection: close") == 1
    script: list[Item] = []
    for _ in range(10):
        script += [GET, 10.0]
    serving = serve(script, patience=Patience(age=35.0))
    assert len(serving.responses()) == 5
    assert serving.written.count(b"connection: close") == 1


def test_a_stop_while_an_answer_is_made_lets_it_say_so_and_ends() -> None:
    async def send(request: Request) -> Response:
        serving.service.drain()
        serving.service.close_idle()
        return await echo(request)

    serving = Serving(send, [GET, 0.01, GET, END])
    serving.play()
    assert serving.responses() == [(200, b"GET /path")]
    assert b"connection: close" in serving.written


def test_a_stop_while_an_answer_is_sent_ends_the_connection_after_it() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"1"
        serving.service.drain()
        serving.service.close_idle()
        yield b"2"

    serving = Serving(answering(pieces), [GET, 30.0, GET, END])
    serving.play()
    assert serving.responses() == [(200, b"12")]
    assert serving.seconds <= Patience().linger


def test_a_stop_closes_who_is_idle_at_once() -> None:
    class Waiting(ScriptedStream):
        async def read(self, deadline: float | None) -> bytes:
            if self.reads == 1:
                serving.service.drain()
                serving.service.close_idle()
                assert self.is_closed
            return await super().read(deadline)

    serving = Serving(echo, [], stream=Waiting([GET, 30.0, GET]))
    serving.play()
    assert serving.responses() == [(200, b"GET /path")]
    assert serving.seconds < 1.0


# --- deadlines -----------------------------------------------------------------------------------


def dribble(data: bytes, gap: float) -> list[Item]:
    script: list[Item] = []
    for byte in data:
        script += [bytes([byte]), gap]
    return script


def test_silence_after_connecting_has_the_time_of_a_head() -> None:
    serving = serve([STALL])
    assert serving.written == b""
    assert serving.seconds <= Patience().head + Patience().linger


@pytest.mark.rfc("9110", "15.5.9")
@pytest.mark.parametrize("gap", [0.1, 1.0, 9.0])
def test_a_dribbled_head_has_one_deadline_for_all_of_it(gap: float) -> None:
    serving = serve([*dribble(GET * 10, gap), END])
    if gap * len(GET) < Patience().head:
        assert serving.asked
    else:
        assert [status for status, _ in serving.responses()] == [408]
        assert serving.seconds <= Patience().head + Patience().body_grace + Patience().linger


def test_an_idle_connection_is_closed_without_a_word() -> None:
    serving = serve([GET, STALL])
    assert serving.responses() == [(200, b"GET /path")]
    patience = Patience()
    assert patience.idle <= serving.seconds <= patience.idle + patience.linger


def test_a_second_head_has_its_time_from_its_first_byte() -> None:
    assert len(serve([GET, 14.0, GET[:5], 9.0, GET[5:], END]).asked) == 2
    serving = serve([GET, 14.0, GET[:5], 11.0, GET[5:], END])
    assert [status for status, _ in serving.responses()] == [200, 408]


def test_a_body_that_stalls_has_its_time() -> None:
    serving = serve([POST[:-3], STALL])
    assert [status for status, _ in serving.responses()] == [408]
    patience = Patience()
    assert patience.body_stall <= serving.seconds <= patience.body_stall + patience.linger


@pytest.mark.parametrize(("gap", "is_enough"), [(0.001, True), (0.01, False), (5.0, False)])
def test_a_dribbled_body_has_to_come_at_a_rate(gap: float, is_enough: bool) -> None:
    size = 20_000
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
    script = [head, *dribble(b"x" * size, gap)]
    serving = serve([*script, END])
    assert bool(serving.asked) == is_enough
    if not is_enough:
        assert [status for status, _ in serving.responses()] == [408]
        patience = Patience()
        most = patience.body_grace + size / patience.body_rate
        assert serving.seconds < most + patience.body_grace + patience.linger


@pytest.mark.parametrize("kind", ["bytes", "a generator", "a file"])
@pytest.mark.parametrize("speed", [20_000, 5_000])
def test_a_client_may_read_slowly_but_not_stop(kind: str, speed: int) -> None:
    """A piece of 256 KiB has 30 seconds: 8.7 kB/s and more are served, however much it is."""

    class Slow(ScriptedStream):
        async def write(self, data: bytes, deadline: float | None) -> None:
            seconds = len(data) / speed
            if deadline is not None and self.clock.now() + seconds > deadline:
                self.clock.wait_until(deadline)
                raise WriteTimeout("too slow", phase="write")
            self.clock.advance(seconds)
            await super().write(data, deadline)

    content = b"x" * 3_000_000
    made: dict[str, Callable[[], object]] = {
        "bytes": lambda: content,
        "a generator": lambda: iter([content]),
        "a file": lambda: FileBody(Tracked(content), closing=True),
    }
    serving = serve([], answering(made[kind]), stream=Slow([GET, END]))
    if speed == 20_000:
        assert serving.responses() == [(200, content)]
    else:
        assert serving.responses(cut=True) == []
        assert not serving.reported


# --- pages and limits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [(b"text/html", b"text/html"), (b"*/*", b"text/plain"), (b"", b"text/plain")],
)
def test_a_refusal_is_a_page_for_who_wants_one(accept: bytes, kind: bytes) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Accept: " + accept + b"\r\n"
    for rest, rule in (
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", b"RFC 9112 7.1"),
        (b"Content-Length: 999999999\r\n\r\n", b"RFC 9110 15.5.14"),
    ):
        serving = serve([head + rest, END])
        assert b"content-type: " + kind in serving.written
        assert rule in serving.written


@pytest.mark.rfc("9110", "15.5.14")
@pytest.mark.parametrize("size", [999, 1000, 1001])
@pytest.mark.parametrize("way", ["length", "chunked"])
def test_the_limit_of_a_body_holds_to_the_byte(size: int, way: str) -> None:
    if way == "length":
        data = b"POST / HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (HOST, size) + b"x" * size
    else:
        data = b"POST / HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % HOST
        data += b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
    for piece in (None, 1):
        stream = ScriptedStream([data, END], piece=piece)
        serving = serve([], stream=stream, limits=Limits(body=1000))
        assert serving.responses()[0][0] == (200 if size <= 1000 else 413)
        assert len(serving.asked) == (size <= 1000)


# --- anything at all -----------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        GET, POST, CHUNKED, UPLOAD, b"\r\n", b"\n", b"\r", b"\0", b" ", b"GET ", b"HTTP/1.1",
        b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"5\r\n", HOST,
        b"POST / HTTP/1.1\r\n", b"\r\n\r\n", b"Expect: 100-continue\r\n", b"x" * 9000,
    ]
)  # fmt: skip


@given(
    st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=6),
    st.sampled_from(FAULTS),
    st.sampled_from([None, 1, 5]),
)
def test_whatever_comes_is_answered_in_order_or_not_at_all(
    pieces: list[bytes], fault: Fault, piece: int | None
) -> None:
    serving = serve([], stream=ScriptedStream([*pieces, fault], piece=piece))
    assert not serving.reported
    found = serving.responses(*(request.method for request in serving.asked))
    finals = [status for status, _ in found if status >= 200]
    assert finals[: len(serving.asked)] == [200] * len(serving.asked)
    assert len(finals) <= len(serving.asked) + 1
    assert all(400 <= status <= 505 for status in finals[len(serving.asked) :])


# --- cancelled anywhere --------------------------------------------------------------------------


class Slow(Spool):
    """Temporary files on a slow disk, which a thread opens and writes."""

    def __call__(self) -> BinaryIO:
        time.sleep(0.0005)
        return super().__call__()


async def cancelled_after(moments: int, data: bytes, answer: Callable[[], object]) -> None:
    """Serve some bytes, cancel that after so many moments, and look at every file."""
    loop = asyncio.get_running_loop()
    here, there = join(loop)
    spool, uploads, opened = Slow(), [], []

    async def in_thread(work):  # type: ignore[no-untyped-def]
        return await loop.run_in_executor(None, work)

    async def send(request: Request) -> Response:
        uploads.extend(upload.file for upload in request.files.values())  # type: ignore[attr-defined]
        await asyncio.sleep(0.0005)
        opened.append(answer())
        return Response(200, {}, opened[-1])

    service = Service(send, time.monotonic, in_thread, spool)

    async def feed() -> None:
        for at in range(0, len(data), 100_000):
            await here.write(data[at : at + 100_000], None)
        while await here.read(None):
            pass

    serving = loop.create_task(service.serve(there))
    feeding = loop.create_task(feed())
    for _ in range(moments):
        await asyncio.sleep(0.0002)
    serving.cancel()
    await asyncio.wait([serving])
    feeding.cancel()
    await asyncio.wait([feeding])
    here.close()
    await loop.shutdown_default_executor()  # a thread that was busy closes what it had
    assert not service.visits
    assert all(file.closed for file in spool.files), moments
    assert all(file.closed for file in uploads), moments
    assert all(body.file.closed for body in opened if isinstance(body, FileBody)), moments


@pytest.mark.parametrize("moments", range(0, 60, 3))
def test_a_server_that_is_cancelled_anywhere_closes_every_file(moments: int) -> None:
    big = MULTIPART.replace(b"x" * 20, b"x" * 2_500_000)
    head = b"POST /u HTTP/1.1\r\n" + HOST + FORM_TYPE + b"Content-Length: %d\r\n\r\n" % len(big)

    def a_large_file() -> FileBody:
        return FileBody(io.BytesIO(b"y" * 3_000_000), closing=True)

    asyncio.run(cancelled_after(moments, (head + big) * 2, a_large_file))
