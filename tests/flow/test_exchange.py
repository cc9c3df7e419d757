"""One exchange on a client's connection, with a fault at every byte of its response and request.

The stream is a script and the clock is told, so every fault happens at an exact byte. The
oracle is the same everywhere: the right response, or an error of a named type that says for
which request, in which phase and after how many seconds, and a connection that is gone.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import AsyncIterator, Iterator

import pytest

from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler
from crlf.flow.exchange import exchange
from crlf.flow.pool import Pool
from crlf.flow.run import run_sync
from crlf.flow.sending import open_response, send_through
from crlf.message.errors import (
    ConnectFailed,
    ConnectTimeout,
    CrlfError,
    LocalError,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    TlsFailed,
    TooLarge,
    TotalTimeout,
    WriteFailed,
    WriteTimeout,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.scripted import (
    END,
    RESET,
    STALL,
    Fault,
    Item,
    ScriptedNetwork,
    ScriptedStream,
)
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits
from crlf.wire.limits import CLIENT_LIMITS

HOST = {"host": "a.example"}
URL = "http://a.example/"
FAULTS = (END, RESET, STALL)
TIMES = Timeout(connect=3.0, read=5.0, write=7.0, pool=2.0, total=60.0)
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

HINTED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
KEPT = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n"
ELEVEN = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
TRAILED = CHUNKED + b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n"
ANSWERS: dict[str, tuple[str, bytes, int, bytes]] = {
    # what it is: the method that is asked with, the bytes, the status and the content
    "length": ("GET", ELEVEN + b"hello world", 200, b"hello world"),
    "empty": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
    "chunked, with trailers": ("GET", TRAILED, 200, b"hello world"),
    "interim": ("GET", HINTED + NOT_FOUND, 404, b"gone"),
    "to HEAD": ("HEAD", ELEVEN, 200, b""),
    "204": ("DELETE", b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", 204, b""),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 11\r\n\r\n", 304, b""),
    "HTTP/1.0, kept": ("GET", KEPT + b"old", 200, b"old"),
}
TO_CLOSE = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end"


class Asking:
    """A pool over scripted connections, and requests through it."""

    def __init__(self, *connections: ScriptedStream | Exception, timeout: Timeout = TIMES) -> None:
        self.network = ScriptedNetwork(connections)
        self.pool = Pool(Dialler(self.network, CLIENT_LIMITS), PoolLimits())
        self.timeout = timeout

    def budget(self) -> Budget:
        return Budget(self.timeout, self.network.now)

    def ask(self, request: Request) -> Response:
        return run_sync(send_through(self.pool, request, self.budget()))

    def get(self, method: str = "GET") -> Response:
        return self.ask(Request(method, URL, HOST))

    def fails(self, request: Request) -> CrlfError:
        """Ask, demand an error, and look at all that every error must say."""
        began = self.network.now()
        with pytest.raises(CrlfError) as caught:
            self.ask(request)
        error = caught.value
        assert error.request is request
        assert error.phase in ("connect", "tls", "pool", "write", "read")
        assert error.seconds is not None
        assert error.seconds >= 0
        assert error.seconds <= self.network.now() - began or error.phase == "connect"
        if isinstance(request.body, bytes):
            again = pickle.loads(pickle.dumps(error))
            assert type(again) is type(error)
            assert str(again) == str(error)
            assert (again.phase, again.seconds) == (error.phase, error.seconds)
            assert isinstance(again.request, Request)
            assert (again.request.method, str(again.request.url)) == (request.method, URL)
        return error

    @property
    def open(self) -> int:
        return self.pool._ledger.total


def cuts(data: bytes) -> Iterator[tuple[int, Fault]]:
    """List every place in some bytes with everything that may happen there."""
    for cut in range(len(data) + 1):
        for fault in FAULTS:
            yield cut, fault


# --- a fault at every byte of a response ---------------------------------------------------------


@pytest.mark.rfc("9112", "8")
@pytest.mark.parametrize("name", ANSWERS)
def test_a_fault_anywhere_in_a_response_is_an_error_and_after_it_is_noticed(name: str) -> None:
    method, reply, status_code, content = ANSWERS[name]
    for cut, fault in cuts(reply):
        stream, fresh = ScriptedStream([reply[:cut], fault]), ScriptedStream([PLAIN])
        asking = Asking(stream, fresh)
        if cut < len(reply):
            error = asking.fails(Request(method, URL, HOST))
            assert isinstance(error, EXPECTED[fault]), (cut, fault)
            assert stream.is_closed
            assert asking.open == 0
            continue
        response = asking.get(method)
        assert (response.status_code, response.content) == (status_code, content)
        assert asking.open == 1
        if fault is STALL:
            assert not stream.is_closed  # nothing odd has happened: it may be used again
            continue
        # The peer has gone since: noticed before anything is written, so that nothing is lost.
        assert asking.ask(Request("POST", URL, HOST, b"x")).content == b"ok"
        assert stream.is_closed
        assert stream.writes == 1
        assert fresh.writes == 1


EXPECTED: dict[Fault, type[CrlfError]] = {END: RemoteError, RESET: ReadFailed, STALL: ReadTimeout}


@pytest.mark.rfc("9112", "6.3")
@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_means_the_same_byte_by_byte(name: str) -> None:
    method, reply, status_code, content = ANSWERS[name]
    stream = ScriptedStream([reply, reply], piece=1)
    asking = Asking(stream)
    response = asking.get(method)
    assert (response.status_code, response.content) == (status_code, content)
    assert stream.reads == len(reply)
    assert stream.writes == 1
    assert dict(response.trailers) == ({"x-sum": "7"} if "trailers" in name else {})


@pytest.mark.rfc("9112", "6.3")
def test_a_close_delimited_response_ends_with_its_connection_and_in_no_other_way() -> None:
    head = TO_CLOSE.index(b"\r\n\r\n") + 4
    for cut, fault in cuts(TO_CLOSE):
        stream = ScriptedStream([TO_CLOSE[:cut], fault])
        asking = Asking(stream)
        if fault is END and cut >= head:
            assert asking.get().content == TO_CLOSE[head:cut]
        else:
            error = asking.fails(Request("GET", URL, HOST))
            assert isinstance(error, EXPECTED[fault]), (cut, fault)
        assert stream.is_closed
        assert asking.open == 0


@pytest.mark.parametrize("name", ANSWERS)
def test_a_streamed_response_fails_where_the_whole_one_does(name: str) -> None:
    method, reply, _, content = ANSWERS[name]
    for cut, fault in cuts(reply):
        stream = ScriptedStream([reply[:cut], fault])
        asking = Asking(stream)
        request = Request(method, URL, HOST)

        async def stream_it(asking: Asking = asking, request: Request = request) -> bytes:
            incoming = await open_response(asking.pool, request, asking.budget())
            return b"".join([piece async for piece in incoming.pieces()])

        if cut == len(reply):
            assert run_sync(stream_it()) == content
            assert asking.open == 1
            continue
        with pytest.raises(EXPECTED[fault]) as caught:
            run_sync(stream_it())
        assert caught.value.request is request
        assert caught.value.seconds is not None
        assert stream.is_closed
        assert asking.open == 0


def test_who_asks_a_broken_stream_again_is_told_again() -> None:
    asking = Asking(ScriptedStream([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", END]))

    async def read_on() -> None:
        request = Request("GET", URL, HOST)
        incoming = await open_response(asking.pool, request, asking.budget())
        assert await incoming.next_piece() == b"half"
        for _ in range(2):
            with pytest.raises(RemoteError, match="closed"):
                await incoming.next_piece()

    run_sync(read_on())


def test_a_streamed_response_that_was_closed_has_no_end_to_be_read() -> None:
    asking = Asking(ScriptedStream([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]))

    async def read_on() -> None:
        request = Request("GET", URL, HOST)
        incoming = await open_response(asking.pool, request, asking.budget())
        assert await incoming.next_piece() == b"half"
        incoming.close()
        with pytest.raises(RuntimeError, match="closed"):
            await incoming.next_piece()
        incoming.close()

    run_sync(read_on())
    assert asking.open == 0


def test_a_streamed_response_that_was_read_to_its_end_goes_on_ending() -> None:
    asking = Asking(ScriptedStream([PLAIN]))

    async def read_on() -> None:
        request = Request("GET", URL, HOST)
        incoming = await open_response(asking.pool, request, asking.budget())
        assert await incoming.next_piece() == b"ok"
        assert await incoming.next_piece() is None
        incoming.close()
        assert await incoming.next_piece() is None

    run_sync(read_on())
    assert asking.open == 1


# --- a fault at every byte of a request ----------------------------------------------------------


class Waiting:
    """An asynchronous body that says whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            for piece in (b"hel", b"lo ", b"world"):
                yield piece
        finally:
            self.is_closed = True


def bodies() -> dict[str, object]:
    """Make one content of each kind."""
    return {
        "nothing": b"",
        "bytes": b"hello world",
        "a file": io.BytesIO(b"hello world"),
        "an iterator": iter([b"hel", b"lo ", b"world"]),
        "a list": [b"hel", b"lo ", b"world"],
        "a generator": (piece for piece in (b"hel", b"lo ", b"world")),
        "an asynchronous generator": Waiting().pieces(),
    }


class Deaf(ScriptedStream):
    """Lets nobody know that something has arrived before it is read."""

    def has_arrived(self) -> bool:
        return False


def written(kind: str) -> bytes:
    """What goes over the wire for a content of this kind."""
    stream = Deaf([PLAIN])
    assert Asking(stream).ask(Request("PUT", URL, HOST, bodies()[kind])).content == b"ok"
    return bytes(stream.written)


@pytest.mark.parametrize("kind", bodies())
def test_the_content_arrives_whole(kind: str) -> None:
    head, _, content = written(kind).partition(b"\r\n\r\n")
    if b"chunked" in head:
        assert content == b"3\r\nhel\r\n3\r\nlo \r\n5\r\nworld\r\n0\r\n\r\n"
    elif kind == "nothing":
        assert content == b""
        assert b"content-length: 0" in head
    else:
        assert content == b"hello world"
        assert b"content-length: 11" in head


@pytest.mark.parametrize("kind", bodies())
def test_a_fault_anywhere_in_a_request_is_an_error(kind: str) -> None:
    whole = written(kind)
    for cut in range(len(whole)):
        for fault in FAULTS:
            content = bodies()[kind]
            stream = Deaf([END], write_fault=fault, write_after=cut)
            asking = Asking(stream)
            error = asking.fails(Request("PUT", URL, HOST, content))
            assert type(error) is (WriteTimeout if fault is STALL else WriteFailed), (cut, fault)
            assert error.phase == "write"
            assert bytes(stream.written) == whole[:cut]
            assert stream.is_closed
            assert asking.open == 0


def test_an_asynchronous_body_is_closed_when_the_write_fails() -> None:
    body = Waiting()
    stream = Deaf([END], write_fault=RESET, write_after=100)
    Asking(stream).fails(Request("PUT", URL, HOST, body.pieces()))
    assert body.is_closed


def test_a_body_that_raises_ends_its_connection_and_says_what_it_raised() -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise ZeroDivisionError("our own")

    stream = ScriptedStream()
    asking = Asking(stream)
    with pytest.raises(ZeroDivisionError, match="our own"):
        asking.ask(Request("POST", URL, HOST, broken()))
    assert stream.is_closed
    assert asking.open == 0
    assert not stream.written.endswith(b"0\r\n\r\n")  # never an end that it did not have


def test_a_body_that_yields_text_is_wrong_use_and_says_so() -> None:
    asking = Asking(ScriptedStream())
    with pytest.raises(TypeError, match="bytes"):
        asking.ask(Request("POST", URL, HOST, iter(["text"])))
    assert asking.open == 0


@pytest.mark.parametrize("length", ["10", "12"])
def test_a_body_that_is_not_as_long_as_its_head_says_is_never_a_request(length: str) -> None:
    stream = Deaf([PLAIN])
    asking = Asking(stream)
    headers = {**HOST, "content-length": length}
    error = asking.fails(Request("POST", URL, headers, iter([b"hello ", b"world"])))
    assert type(error) is LocalError
    assert error.phase == "write"
    assert stream.is_closed
    assert asking.open == 0


# --- answers that come before the request is out -------------------------------------------------

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"


@pytest.mark.rfc("9112", "9.5")
@pytest.mark.parametrize("fault", [END, RESET])
@pytest.mark.parametrize("kind", ["bytes", "a file", "a generator", "an asynchronous generator"])
def test_a_server_that_closed_may_have_said_why(kind: str, fault: Fault) -> None:
    """The write fails, and the answer is there to be read: it counts, its connection does not."""
    for cut in range(len(written(kind))):
        stream = Deaf([REFUSAL], write_fault=fault, write_after=cut)
        asking = Asking(stream)
        response = asking.ask(Request("PUT", URL, HOST, bodies()[kind]))
        assert (response.status_code, response.content) == (413, b"big")
        assert stream.is_closed
        assert asking.open == 0


@pytest.mark.rfc("9112", "9.5")
def test_a_refusal_on_the_way_ends_the_sending() -> None:
    asked = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            asked.append(number)
            if number == 3:
                stream.play(REFUSAL)
            yield b"x" * 100

    stream = ScriptedStream()
    asking = Asking(stream)
    response = asking.ask(Request("POST", URL, HOST, pieces()))
    assert response.status_code == 413
    assert len(asked) < 6
    assert stream.is_closed  # half a request stands on it
    assert not stream.written.endswith(b"0\r\n\r\n")


@pytest.mark.rfc("9110", "15.2")
@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"]
)
def test_an_interim_response_on_the_way_ends_nothing(interim: bytes) -> None:
    """A server may say 100 unasked, or too late; it still waits for the rest of the content."""

    def pieces() -> Iterator[bytes]:
        for number in range(10):
            if number == 3:
                stream.play(interim)
            yield b"%d" % number
        stream.play(PLAIN)

    stream = ScriptedStream()
    asking = Asking(stream)
    response = asking.ask(Request("POST", URL, HOST, pieces()))
    assert response.content == b"ok"
    assert stream.written.endswith(b"1\r\n9\r\n0\r\n\r\n")
    assert not stream.is_closed


@pytest.mark.rfc("9112", "9.3")
def test_a_server_that_answers_while_it_reads_gets_all_of_the_content() -> None:
    def pieces() -> Iterator[bytes]:
        stream.play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n")
        yield b"0"
        yield b"1"
        stream.play(b"1\r\n1\r\n0\r\n\r\n")

    stream = ScriptedStream()
    asking = Asking(stream)
    assert asking.ask(Request("POST", URL, HOST, pieces())).content == b"01"
    assert stream.written.endswith(b"1\r\n1\r\n0\r\n\r\n")


# --- Expect: 100-continue ------------------------------------------------------------------------

EXPECTING = {**HOST, "expect": "100-continue"}


@pytest.mark.rfc("9110", "10.1.1")
@pytest.mark.parametrize("piece", [None, 1, 7])
def test_who_expects_100_sends_when_it_comes(piece: int | None) -> None:
    stream = ScriptedStream([b"HTTP/1.1 100 Continue\r\n\r\n"], piece=piece)
    asking = Asking(stream)

    def pieces() -> Iterator[bytes]:
        assert stream.written.endswith(b"\r\n\r\n")
        yield b"hello"
        stream.play(PLAIN)

    began = asking.network.now()
    assert asking.ask(Request("POST", URL, EXPECTING, pieces())).content == b"ok"
    assert stream.written.endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert asking.open == 1
    assert asking.network.now() == began  # not a moment was waited for more than that


@pytest.mark.rfc("9110", "10.1.1")
@pytest.mark.parametrize("piece", [None, 1, 7])
@pytest.mark.parametrize("status", [b"417 Expectation Failed", b"401 Unauthorized", b"200 OK"])
def test_who_expects_100_and_is_answered_sends_nothing_more(
    status: bytes, piece: int | None
) -> None:
    reply = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"
    stream = ScriptedStream([reply], piece=piece)
    asking = Asking(stream)

    asked = []

    def pieces() -> Iterator[bytes]:
        asked.append("for the content")
        yield b"hello"

    response = asking.ask(Request("POST", URL, EXPECTING, pieces()))
    assert not asked
    assert response.content == b"no"
    assert stream.written.endswith(b"\r\n\r\n")
    assert stream.is_closed  # the server may still wait for what was announced (CVE-2024-24791)
    assert asking.open == 0


@pytest.mark.rfc("9110", "10.1.1")
def test_who_expects_100_does_not_wait_for_ever() -> None:
    stream = ScriptedStream([60.0, PLAIN])
    asking = Asking(stream, timeout=Timeout(read=100.0, total=None))
    began = asking.network.now()
    assert asking.ask(Request("POST", URL, EXPECTING, iter([b"hello"]))).content == b"ok"
    assert stream.written.endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert asking.network.now() - began == 60.0


@pytest.mark.rfc("9110", "10.1.1")
def test_a_100_that_comes_late_is_no_answer() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"hello "
        stream.play(b"HTTP/1.1 100 Continue\r\n\r\n")
        yield b"world"
        stream.play(PLAIN)

    stream = ScriptedStream([1.5])
    asking = Asking(stream)
    assert asking.ask(Request("POST", URL, EXPECTING, pieces())).content == b"ok"
    assert stream.written.endswith(b"5\r\nworld\r\n0\r\n\r\n")


def test_the_total_covers_the_wait_for_100() -> None:
    asking = Asking(ScriptedStream([STALL]), timeout=Timeout(total=0.5))
    error = asking.fails(Request("POST", URL, EXPECTING, iter([b"hello"])))
    assert type(error) is TotalTimeout
    assert error.seconds == 0.5


# --- deadlines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "kind", "seconds"),
    [
        (ConnectTimeout("no answer", phase="connect"), ConnectTimeout, 3.0),
        (ScriptedStream([STALL]), ReadTimeout, 5.0),
        (ScriptedStream(write_fault=STALL), WriteTimeout, 7.0),
    ],
)
def test_each_phase_has_its_own_timeout(
    stream: ScriptedStream | CrlfError, kind: type[CrlfError], seconds: float
) -> None:
    asking = Asking(stream)
    error = asking.fails(Request("GET", URL, HOST))
    assert type(error) is kind
    assert error.seconds == seconds
    assert isinstance(error, TimeoutError)
    assert asking.open == 0


@pytest.mark.parametrize(
    "stream", [ScriptedStream([STALL]), ScriptedStream(write_fault=STALL)], ids=["read", "write"]
)
def test_the_total_is_named_when_it_is_what_ran_out(stream: ScriptedStream) -> None:
    asking = Asking(stream, timeout=Timeout(read=5.0, write=5.0, total=4.0))
    error = asking.fails(Request("GET", URL, HOST))
    assert type(error) is TotalTimeout
    assert error.seconds == 4.0
    assert error.phase in ("read", "write")
    assert "4 s" in str(error)


def test_the_total_covers_a_response_that_never_stalls() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    dribble: list[Item] = [reply]
    for _ in range(99):
        dribble += [1.0, b"x"]
    asking = Asking(ScriptedStream(dribble), timeout=Timeout(read=5.0, total=20.0))
    error = asking.fails(Request("GET", URL, HOST))
    assert type(error) is TotalTimeout
    assert error.seconds == 20.0


def test_the_time_between_two_reads_starts_anew_with_each() -> None:
    dribble: list[Item] = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]
    for _ in range(9):
        dribble += [4.0, b"x"]
    asking = Asking(ScriptedStream(dribble), timeout=Timeout(read=5.0, total=None))
    response = asking.get()
    assert response.content == b"x" * 9
    assert response.elapsed == 36.0


def test_none_waits() -> None:
    asking = Asking(ScriptedStream([86_400.0, PLAIN]), timeout=Timeout.of(None))
    assert asking.get().elapsed == 86_400.0


@pytest.mark.parametrize("size", [1_000_000, 5_000_000])
@pytest.mark.parametrize("way", ["bytes", "one piece"])
def test_a_write_is_late_when_nothing_moves_and_not_when_much_is_to_be_moved(
    size: int, way: str
) -> None:
    class Slow(Deaf):
        """Takes 100,000 bytes a second."""

        async def write(self, data: bytes, deadline: float | None) -> None:
            seconds = len(data) / 100_000
            if deadline is not None and self.clock.now() + seconds > deadline:
                self.clock.wait_until(deadline)
                raise WriteTimeout("too slow", phase="write")
            self.clock.advance(seconds)
            await super().write(data, deadline)

    content = b"x" * size
    stream = Slow([PLAIN])
    asking = Asking(stream, timeout=Timeout(write=5.0, total=None))
    body: object = content if way == "bytes" else iter([content])
    assert asking.ask(Request("POST", URL, HOST, body)).content == b"ok"
    assert bytes(stream.written).count(b"x") == size + bytes(stream.written[:200]).count(b"ex")


# --- what ends a connection's use ----------------------------------------------------------------


@pytest.mark.rfc("9112", "9.2")
@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("GET", PLAIN + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ("GET", PLAIN + b"\r\n"),
        ("HEAD", PLAIN),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nbody"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody"),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, CLOSE\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + PLAIN),
    ],
)
def test_a_connection_on_which_anything_odd_was_seen_is_never_used_again(
    method: str, reply: bytes
) -> None:
    stream, fresh = ScriptedStream([reply]), ScriptedStream([PLAIN])
    asking = Asking(stream, fresh)
    assert asking.get(method).status_code in (200, 204, 304)
    assert stream.is_closed
    assert asking.open == 0
    assert asking.get().content == b"ok"
    assert fresh.writes == 1


@pytest.mark.rfc("9112", "9.2")
@pytest.mark.parametrize("item", [PLAIN, b"\r\n", END, RESET])
def test_what_comes_unasked_on_an_idle_connection_is_no_answer(item: Item) -> None:
    stream, fresh = ScriptedStream([PLAIN]), ScriptedStream([PLAIN])
    asking = Asking(stream, fresh)
    asking.get()
    stream.play(item)
    assert asking.get().content == b"ok"
    assert stream.is_closed
    assert (stream.writes, fresh.writes) == (1, 1)


def test_an_old_connection_is_not_used_again() -> None:
    stream, fresh = ScriptedStream([PLAIN, PLAIN]), ScriptedStream([PLAIN])
    asking = Asking(stream, fresh)
    asking.get()
    asking.network.clock.advance(PoolLimits().idle + 1)
    asking.get()
    assert stream.is_closed
    assert fresh.writes == 1


# --- sent again, or not --------------------------------------------------------------------------


class Stale(ScriptedStream):
    """A connection that serves one exchange, and breaks as soon as the next is written."""

    def __init__(self, how: str, then: bytes = b"") -> None:
        super().__init__([PLAIN])
        self.how = how
        self.then = then

    async def write(self, data: bytes, deadline: float | None) -> None:
        if self.writes and self.how == "write":
            self.writes += 1
            raise WriteFailed("cannot send: Broken pipe", phase="write")
        if self.writes:
            self.play(self.then, END if self.how == "end" else RESET)
        await super().write(data, deadline)


@pytest.mark.rfc("9112", "9.3.1")
@pytest.mark.parametrize("how", ["write", "end", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_is_sent_again_when_a_used_connection_turns_out_dead(
    method: str, how: str
) -> None:
    reply = PLAIN[:-2] if method == "HEAD" else PLAIN
    stream, fresh = Stale(how), ScriptedStream([reply])
    asking = Asking(stream, fresh)
    asking.get()
    assert asking.get(method).status_code == 200
    assert stream.is_closed
    assert fresh.writes == 1


@pytest.mark.rfc("9112", "9.3.1")
@pytest.mark.parametrize("how", ["write", "end", "reset"])
def test_a_streamed_get_is_sent_again_in_the_same_case(how: str) -> None:
    stream, fresh = Stale(how), ScriptedStream([PLAIN])
    asking = Asking(stream, fresh)
    asking.get()

    async def read() -> bytes:
        request = Request("GET", URL, HOST)
        incoming = await open_response(asking.pool, request, asking.budget())
        return b"".join([piece async for piece in incoming.pieces()])

    assert run_sync(read()) == b"ok"
    assert fresh.writes == 1


@pytest.mark.rfc("9110", "9.2.2")
@pytest.mark.parametrize("how", ["write", "end", "reset"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW"])
def test_any_other_is_not(method: str, how: str) -> None:
    fresh = ScriptedStream([PLAIN])
    asking = Asking(Stale(how), fresh)
    asking.get()
    asking.fails(Request(method, URL, HOST))
    assert fresh.writes == 0
    assert asking.open == 0


@pytest.mark.rfc("9112", "9.3.1")
@pytest.mark.parametrize("how", ["end", "reset"])
def test_nor_is_one_to_which_something_has_come_back(how: str) -> None:
    fresh = ScriptedStream([PLAIN])
    asking = Asking(Stale(how, b"HTTP/1.1 2"), fresh)
    asking.get()
    asking.fails(Request("GET", URL, HOST))
    assert fresh.writes == 0


def test_nor_when_what_came_back_was_read_after_a_failed_write() -> None:
    class Half(Stale):
        async def write(self, data: bytes, deadline: float | None) -> None:
            if self.writes:
                self.play(b"HTTP/1.1 2", RESET)
            await super().write(data, deadline)

    fresh = ScriptedStream([PLAIN])
    asking = Asking(Half("write"), fresh)
    asking.get()
    asking.fails(Request("GET", URL, HOST))
    assert fresh.writes == 0


def test_nor_on_a_connection_of_its_own() -> None:
    asking = Asking(ScriptedStream([END]), ScriptedStream([PLAIN]))
    error = asking.fails(Request("GET", URL, HOST))
    assert isinstance(error, RemoteError)
    assert len(asking.network.asked) == 1


def test_the_second_time_is_the_last_and_on_a_connection_of_its_own() -> None:
    first, second, fresh = Stale("end"), Stale("end"), ScriptedStream([END])
    asking = Asking(first, second, fresh, ScriptedStream([PLAIN]))
    budget, request = asking.budget(), Request("GET", URL, HOST)
    route = asking.pool.dialler.route(request.url)

    async def use_both() -> None:
        taken = [await asking.pool.take(route, budget) for _ in range(2)]
        for connection, _ in taken:
            await exchange(connection, request, budget, asking.network.in_thread)
            asking.pool.give_back(route, connection)

    run_sync(use_both())
    assert asking.open == 2
    asking.fails(request)
    assert first.is_closed
    assert second.is_closed
    assert (first.writes, second.writes, fresh.writes) == (1, 2, 1)
    assert asking.open == 0


@pytest.mark.rfc("9112", "9.3.1")
def test_a_body_that_can_be_had_once_is_not_sent_again() -> None:
    for content, again in ((iter([b"x"]), False), ([b"x"], True), (io.BytesIO(b"x"), True)):
        fresh = Deaf([PLAIN])
        asking = Asking(Stale("write"), fresh)
        asking.get()
        request = Request("PUT", URL, HOST, content)
        if again:
            assert asking.ask(request).content == b"ok"
            assert b"x" in fresh.written
        else:
            asking.fails(request)
            assert fresh.writes == 0


# --- limits, and what is no response -------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "head"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", "fields"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", "body"),
    ],
)
def test_too_large_is_an_error_that_names_the_limit(reply: bytes, what: str) -> None:
    stream = ScriptedStream([reply])
    asking = Asking(stream)
    error = asking.fails(Request("GET", URL, HOST))
    assert isinstance(error, TooLarge)
    assert error.what in (what, "field")
    assert error.phase == "read"
    assert stream.is_closed
    assert asking.open == 0


@pytest.mark.rfc("9110", "15.2")
@pytest.mark.parametrize("count", [0, 1, 10, 11, 1000])
def test_interim_responses_are_skipped_and_counted(count: int) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * count
    stream = ScriptedStream([hints, PLAIN])
    asking = Asking(stream)
    if count <= CLIENT_LIMITS.interim:
        assert asking.get().content == b"ok"
        return
    error = asking.fails(Request("GET", URL, HOST))
    assert isinstance(error, RemoteError)
    assert error.rule == "RFC 9110 15.2"
    assert stream.is_closed


@pytest.mark.parametrize(
    "fault",
    [
        ConnectFailed("refused", phase="connect"),
        TlsFailed("who is this", phase="tls"),
        ConnectTimeout("slow", phase="connect"),
    ],
)
def test_no_connection_is_an_error_too(fault: CrlfError) -> None:
    asking = Asking(fault)
    assert type(asking.fails(Request("GET", URL, HOST))) is type(fault)
    assert asking.open == 0
