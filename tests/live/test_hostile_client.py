"""What hostile servers say, byte for byte, to both clients: no lie is taken for an answer.

A response whose framing or head is broken is an error, also when it comes byte by byte; what is
merely odd costs the connection. After each, the next request goes out on another connection and
gets its own answer. What never ends is given up early, in little memory.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from itertools import count, repeat
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.flow.run import run_sync
from crlf.message.errors import (
    CrlfError,
    DecodingError,
    ReadFailed,
    RemoteError,
    TooLarge,
    TotalTimeout,
)
from crlf.net.loops import new_loop

CASES = Path(__file__).resolve().parents[1] / "wire" / "cases"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"
PATIENCE = 3.0  # seconds


class Lie(NamedTuple):
    """Something a server says.

    data: in pieces. ended: the server ends the connection behind it; else it waits for the client
    to leave. method: of the request. right: (status, content) where it is an answer, though an
    odd one; None where it is an error.
    """

    title: str
    data: Iterable[bytes]
    ended: bool = False
    method: str = "GET"
    right: tuple[int, bytes] | None = None


def head(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((line, *fields, b"", b""))


def broken(title: str, data: bytes, *, ended: bool = False, method: str = "GET") -> Lie:
    return Lie(title, (data,), ended, method)


# --- what is broken ------------------------------------------------------------------------------


def controls() -> Iterator[Lie]:
    """SECURITY 1.1 rows 2, 3, 21: every control character in every place of a head."""
    for number in (*range(0x20), 0x7F):
        if number == 0x09:
            continue
        octet = bytes([number])
        places = {
            "version": b"HTTP/1.%b1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "status": b"HTTP/1.1 2%b00 OK\r\nContent-Length: 0\r\n\r\n",
            "reason": b"HTTP/1.1 200 O%bK\r\nContent-Length: 0\r\n\r\n",
            "name": b"HTTP/1.1 200 OK\r\nX%bY: z\r\nContent-Length: 0\r\n\r\n",
            "value": b"HTTP/1.1 200 OK\r\nX: y%bz\r\nContent-Length: 0\r\n\r\n",
            "start of a value": b"HTTP/1.1 200 OK\r\nX:%bz\r\nContent-Length: 0\r\n\r\n",
            "end of a value": b"HTTP/1.1 200 OK\r\nX: z%b\r\nContent-Length: 0\r\n\r\n",
            "length": b"HTTP/1.1 200 OK\r\nContent-Length:%b0\r\n\r\n",
            "coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding:%bchunked\r\n\r\n0\r\n\r\n",
            "trailer": (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a%bb\r\n\r\n"
            ),
        }
        for place, data in places.items():
            yield broken(f"{number:#04x} in {place}", data % octet, ended=True)


def lengths() -> Iterator[Lie]:
    """Rows 28, 31, 33: lengths that are none, or two."""
    for value in (
        b"+4", b"-4", b"0x4", b"4_0", b"4 4", b"4;", b"4.0", b"", b"4,", b",4", b"5, 4", b"four",
        "٤".encode(), b"\xb2", b"9" * 30, b"18446744073709551620", b"4\xa0", b"1e1",
    ):  # fmt: skip
        yield broken(f"Content-Length {value!r}", head(b"Content-Length: " + value) + b"good")
    for first, second in ((b"4", b"5"), (b"5", b"4"), (b"4", b"+4"), (b"4", b"04, 5")):
        data = head(b"Content-Length: " + first, b"Content-Length: " + second) + b"good"
        yield broken(f"Content-Length {first!r} and {second!r}", data, ended=True)
    both = (b"Content-Length: 4", b"Transfer-Encoding: chunked")
    yield broken("length, then chunked", head(*both) + b"4\r\ngood\r\n0\r\n\r\n")
    yield broken("chunked, then length", head(*both[::-1]) + b"4\r\ngood\r\n0\r\n\r\n")


def codings() -> Iterator[Lie]:
    """Rows 26, 29: transfer codings that are none."""
    whole = b"4\r\ngood\r\n0\r\n\r\n"
    for value in (
        b"chunked, chunked", b"chunked;q=1", b'"chunked"', b"chunked\x0b", b",chunked,,chunked",
        b"chunked gzip", b"", b",chunked", b"x chunked",
    ):  # fmt: skip
        yield broken(f"Transfer-Encoding {value!r}", head(b"Transfer-Encoding: " + value) + whole)
    data = head(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK") + whole
    yield broken("chunked in HTTP/1.0", data, ended=True)
    twice = head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + whole
    yield broken("two fields that say chunked", twice, ended=True)


def chunks() -> Iterator[Lie]:
    """Rows 36 to 39: chunks that are none, or not all."""
    start = head(b"Transfer-Encoding: chunked")
    for size in (
        b"+4", b"-4", b"0x4", b"4 ", b" 4", b"", b"g", b"4_", b"F" * 17, b"0" * 40 + b"4",
        b"4;a=\0", b"4\t", b"4;\x7f", "４".encode(), b"4\r", b"\n4", b"4,",
    ):  # fmt: skip
        yield broken(f"chunk size {size!r}", start + size + b"\r\ngood\r\n0\r\n\r\n", ended=True)
    for title, rest in {
        "chunk line ends in LF": b"4\ngood\r\n0\r\n\r\n",
        "chunk ends in LF": b"4\r\ngood\n0\r\n\r\n",
        "chunk ends in two other bytes": b"4\r\ngoodXX0\r\n\r\n",
        "chunk ends late": b"4\r\ngoodness\r\n0\r\n\r\n",
        "last chunk ends in LF": b"4\r\ngood\r\n0\n\n",
        "trailers end in LF": b"4\r\ngood\r\n0\r\n\n",
        "no last chunk": b"4\r\ngood\r\n",
        "half a last chunk": b"4\r\ngood\r\n0\r\n",
        "half a trailer": b"4\r\ngood\r\n0\r\nX: y\r\n",
        "half a chunk": b"8\r\ngood",
        "half a size": b"8",
        "no chunk": b"",
        "a trailer without colon": b"4\r\ngood\r\n0\r\nX y\r\n\r\n",
        "a trailer with a blank in its name": b"4\r\ngood\r\n0\r\nX : y\r\n\r\n",
    }.items():
        yield broken(title, start + rest, ended=True)


def start_lines() -> Iterator[Lie]:
    """Rows 7, 14: status lines that are none."""
    for line in (
        b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 +20 OK", b"HTTP/1.1 2 0 OK",
        b"HTTP/1.1 -200 OK", b"HTTP/1.1 \xb200 OK", "HTTP/1.1 ２00 OK".encode(), b"HTTP/1.1",
        b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"http/1.1 200 OK", b"HTTP/1.10 200 OK",
        b"HTTP/01.1 200 OK", b"HTTP/2.0 200 OK", b"HTTP/3 200 OK", b"HTTP/1. 200 OK",
        b"HTTP/1.1200 OK", b" HTTP/1.1 200 OK", b"ICY 200 OK", b"HTTPS/1.1 200 OK", b"200 OK",
        b"GET / HTTP/1.1", b"", b"HTTP/1.1 000 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 200\x0bOK",
    ):  # fmt: skip
        yield broken(f"{line!r}", head(b"Content-Length: 4", line=line) + b"good", ended=True)


def fields() -> Iterator[Lie]:
    """Rows 5, 16, 18: field lines that are none."""
    for line in (
        b"Content-Length : 4", b"Content-Length\t: 4", b": 4", b"no colon",
        b" X: leads with a blank", b"X Y: z", b"X[Y]: z", b"\xefoo: z", b"X(: z", b'X": z',
        b"X@Y: z", b"\xc3\x9c: z",
    ):  # fmt: skip
        data = head(line, b"Content-Length: 4") + b"good"
        yield broken(f"field {line!r}", data, ended=True)


def cut() -> Iterator[Lie]:
    """Row 39: what ends too early, at every byte."""
    whole = head(b"Content-Length: 4", b"X: y") + b"good"
    for at in range(len(whole)):
        yield broken(f"cut at {at}", whole[:at], ended=True)
    yield broken("a redirect that is cut", head(line=b"HTTP/1.1 302 Go")[:-2], ended=True)


def unasked() -> Iterator[Lie]:
    """Rows 51, 57: 1xx beyond measure."""
    good = head(b"Content-Length: 4") + b"good"
    hint = head(b"Link: </x>", line=b"HTTP/1.1 103 Early Hints")
    yield broken("a thousand interim responses", hint * 1000 + good)
    yield broken("101", head(b"Upgrade: x", b"Connection: upgrade", line=b"HTTP/1.1 101 Go"))
    yield broken("101 with nothing", head(line=b"HTTP/1.1 101 Go") + good)
    yield broken("1xx with a bare CR", head(b"X: a\rb", line=b"HTTP/1.1 103 Hi") + good)


def big() -> Iterator[Lie]:
    """Row 24: what is too large, refused before its end."""
    yield broken("100 KB of a field", head(b"X: " + b"x" * 100_000, b"Content-Length: 0"))
    yield broken("10,000 fields", head(*(b"X%d: y" % n for n in range(10_000))))
    yield broken("100 KB of a reason", head(line=b"HTTP/1.1 200 " + b"x" * 100_000))
    yield broken("a field of 65 KB of nothing", head(b"X:" + b" " * 70_000))
    yield broken("a number of fields", head(*[b"X: y"] * 300, b"Content-Length: 0"))


BROKEN = [
    lie
    for lies in (
        controls, lengths, codings, chunks, start_lines, fields, cut, unasked, big,
    )
    for lie in lies()
]  # fmt: skip


# --- what is odd ---------------------------------------------------------------------------------


HINTS = b"HTTP/1.1 103 Early Hints"
GOOD = head(b"Content-Length: 4") + b"good"
CHUNKED = head(b"Transfer-Encoding: chunked") + b"4\r\ngood\r\n0\r\n\r\n"
RIGHT = (200, b"good")
NONE = b"HTTP/1.1 204 No"
SAME = b"HTTP/1.1 304 No"
LENGTH = b"Content-Length: 4"
ODD = [
    Lie("a second response", (GOOD + POISON,), right=RIGHT),
    Lie("a second response behind chunks", (CHUNKED + POISON,), right=RIGHT),
    Lie("a second response to HEAD", (head(LENGTH) + POISON,), False, "HEAD", (200, b"")),
    Lie("content for HEAD", (GOOD,), False, "HEAD", (200, b"")),
    Lie("chunks for HEAD", (CHUNKED,), False, "HEAD", (200, b"")),
    Lie("content with 204", (head(line=NONE) + POISON,), right=(204, b"")),
    Lie("length and content with 204", (head(LENGTH, line=NONE) + b"evil",), right=(204, b"")),
    Lie("content with 304", (head(LENGTH, line=SAME) + b"evil",), right=(304, b"")),
    Lie("chunks with 304", (CHUNKED.replace(b"200", b"304"),), right=(304, b"")),
    Lie("a line end too many", (GOOD + b"\r\n",), right=RIGHT),
    Lie("a byte too many", (GOOD + b"!",), right=RIGHT),
    Lie("a NUL too many", (CHUNKED + b"\0",), right=RIGHT),
    Lie("longer than said", (head(LENGTH) + b"goodness",), right=RIGHT),
    Lie("an interim response", (GOOD + head(line=b"HTTP/1.1 100 Go on"),), right=RIGHT),
    Lie("half a response", (GOOD + POISON[:12],), right=RIGHT),
    Lie("close, and more", (head(LENGTH, b"Connection: close") + b"good" + POISON,), right=RIGHT),
    Lie("CLOSE", (head(LENGTH, b"Connection: Keep-Alive, CLOSE") + b"good",), right=RIGHT),
    Lie("HTTP/1.0", (head(LENGTH, line=b"HTTP/1.0 200 OK") + b"good",), right=RIGHT),
    Lie("close in advance", (head(b"Connection: close", line=HINTS) + GOOD,), right=RIGHT),
    Lie("no length", (head() + b"good",), True, right=RIGHT),
    Lie("no length and a lot", (head() + b"good" + POISON,), True, right=(200, b"good" + POISON)),
]  # fmt: skip


# --- what never ends -----------------------------------------------------------------------------


ANY_CHUNKS = head(b"Transfer-Encoding: chunked")


def endless(title: str, begin: bytes, over_and_over: bytes) -> Lie:
    """100 MB, should anybody want them."""
    times = 100_000_000 // len(over_and_over)
    return Lie(title, Endless(begin, over_and_over, times))


class Endless:
    """Pieces that are made as they are sent, and can be sent again."""

    def __init__(self, begin: bytes, over_and_over: bytes, times: int) -> None:
        self.begin = begin
        self.over_and_over = over_and_over
        self.times = times

    def __iter__(self) -> Iterator[bytes]:
        yield self.begin
        yield from repeat(self.over_and_over, self.times)


ENDLESS = [
    endless("a status line", b"HTTP/1.1 200 ", b"x" * 1000),
    endless("a version", b"HTTP/", b"1.1" * 300),
    endless("blank lines", b"", b"\r\n" * 500),
    endless("a field", b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000),
    endless("a name", b"HTTP/1.1 200 OK\r\n", b"x" * 1000),
    endless("fields", b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
    endless("folds", b"HTTP/1.1 200 OK\r\nX: y\r\n", b" y\r\n" * 100),
    endless("interim responses", b"", head(line=b"HTTP/1.1 102 Wait") * 10),
    endless("a chunk size", ANY_CHUNKS, b"0" * 1000),
    endless("a chunk extension", ANY_CHUNKS + b"4;", b"a" * 1000),
    endless("chunk extensions", ANY_CHUNKS, b"1;" + b"a" * 100 + b"\r\nx\r\n"),
    endless("trailers", ANY_CHUNKS + b"0\r\n", b"X: y\r\n" * 100),
    endless("a trailer", ANY_CHUNKS + b"0\r\nX: ", b"y" * 1000),
    endless("noise", b"", bytes(range(256)) * 4),
]


# --- the server that says all that ---------------------------------------------------------------


class Liar:
    """A server that answers /lie/N with the Nth of its lies, and /TOKEN with the token.

    again: what was asked on connections after a lie. slowly: byte by byte. sent: bytes of the
    last lie that the system took.
    """

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.lies: list[Lie] = []
        self.again: list[bytes] = []
        self.slowly = False
        self.sent = 0
        self.count = 0
        self._workers: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            self.count += 1
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            worker = threading.Thread(target=self._serve, args=(accepted,))
            worker.start()
            self._workers = [one for one in self._workers if one.is_alive()] + [worker]

    def _serve(self, accepted: socket.socket) -> None:
        has_lied = False
        with accepted, suppress(OSError):
            accepted.settimeout(PATIENCE)
            while data := accepted.recv(65536):
                path = data.split(b" ")[1][1:]
                if has_lied:
                    self.again.append(path)
                if not path.startswith(b"lie/"):
                    accepted.sendall(head(b"Content-Length: %d" % len(path)) + path)
                    continue
                has_lied = True
                lie = self.lies[int(path[4:])]
                self._say(accepted, lie)
                if lie.ended:
                    accepted.shutdown(socket.SHUT_WR)

    def _say(self, accepted: socket.socket, lie: Lie) -> None:
        self.sent = 0
        for piece in lie.data:
            if self.slowly and len(piece) < 1000:
                for at in range(len(piece)):
                    accepted.sendall(piece[at : at + 1])
            else:
                accepted.sendall(piece)
            self.sent += len(piece)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self._accepting.join()
        for worker in self._workers:
            worker.join()


@pytest.fixture
def liar() -> Iterator[Liar]:
    made = Liar()
    try:
        yield made
    finally:
        made.close()


# --- the clients ---------------------------------------------------------------------------------


class Face:
    """A client of either colour; in the blocking one nothing here waits."""

    def __init__(self, client: Client | AsyncClient, liar: Liar) -> None:
        self.client = client
        self.liar = liar
        self.tokens = count()

    async def whole(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        url = f"{self.liar.url}/{path}"
        if isinstance(self.client, Client):
            response = self.client.request(method, url, **options)
        else:
            response = await self.client.request(method, url, **options)
        return response.status_code, response.content

    async def streamed(self, method: str, path: str) -> tuple[int, bytes]:
        url = f"{self.liar.url}/{path}"
        if isinstance(self.client, Client):
            with self.client.stream(method, url) as reply:
                return reply.status_code, b"".join(reply.iter_bytes())
        async with self.client.stream(method, url) as waiting:
            return waiting.status_code, await waiting.read()

    async def next_is_right(self) -> None:
        """Ask something, which has to be answered, and on a connection without a past."""
        token = f"token{next(self.tokens)}"
        status_code, content = await self.whole("GET", token)
        assert (status_code, content) == (200, token.encode())
        assert self.liar.again == []

    @property
    def connections(self) -> int:
        return self.client._core._pool._ledger.total


Story = Callable[[Face], Coroutine[Any, Any, None]]
OPTIONS: dict[str, Any] = {"timeout": PATIENCE, "trust_env": False}


def blocking(story: Story, liar: Liar) -> None:
    with Client(**OPTIONS) as client:
        run_sync(story(Face(client, liar)))
        assert client._core._pool._ledger.total <= 1
    assert client._core._pool._ledger.total == 0


def on_loop(factory: Callable[[], Any]) -> Callable[[Story, Liar], None]:
    def play(story: Story, liar: Liar) -> None:
        async def run() -> None:
            async with AsyncClient(**OPTIONS) as client:
                await story(Face(client, liar))
                assert client._core._pool._ledger.total <= 1
            assert client._core._pool._ledger.total == 0

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())

    return play


CLIENTS = [
    pytest.param(blocking, id="Client"),
    pytest.param(on_loop(asyncio.new_event_loop), id="AsyncClient"),
    pytest.param(on_loop(new_loop), id="AsyncClient, as installed"),
]
both = pytest.mark.parametrize("play", CLIENTS)


def check(lie: Lie, fault: CrlfError) -> None:
    """The error blames the peer, or the connection where that was cut, and says all it should."""
    assert isinstance(fault, RemoteError | TooLarge | ReadFailed), (lie.title, fault)
    assert fault.phase == "read", lie.title
    assert fault.request is not None, lie.title
    assert fault.seconds is not None, lie.title
    assert isinstance(fault, ReadFailed) or fault.rule.startswith("RFC "), lie.title
    assert str(fault).isprintable(), lie.title


# --- the stories ---------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("slowly", "ask"), [(False, Face.whole), (False, Face.streamed), (True, Face.whole)]
)
@pytest.mark.rfc("9112", "6.3")
@pytest.mark.rfc("9112", "8")
def test_what_is_broken_is_never_an_answer(
    play: Callable[[Story, Liar], None], slowly: bool, ask: Any, liar: Liar
) -> None:
    """Whole and streamed, at once and byte by byte."""
    liar.lies = [lie for lie in BROKEN if not (slowly and sum(map(len, lie.data)) > 1000)]
    liar.slowly = slowly

    taken: list[str] = []

    async def story(face: Face) -> None:
        for number, lie in enumerate(liar.lies):
            try:
                answer = await ask(face, lie.method, f"lie/{number}")
            except (RemoteError, TooLarge, ReadFailed) as fault:
                check(lie, fault)
            except CrlfError as fault:
                taken.append(f"{lie.title}: {fault!r}")
            else:
                taken.append(f"{lie.title}: was taken for {answer}")
            assert face.connections == 0, lie.title
            if number % 5 == 0:
                await face.next_is_right()

    play(story, liar)
    assert not taken, "\n".join(taken)


def wire_cases() -> list[Lie]:
    """The malformed responses that the engine is tried with, each one more time."""
    spec = importlib.util.spec_from_file_location("wire_cases_too", CASES.parent / "test_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [
        Lie(case.title, (case.data,), case.ended, case.to)
        for case in module.cases_of(CASES / "bad_responses.md")
        if case.to in ("GET", "HEAD")
    ]


@both
def test_the_cases_of_the_engine_byte_by_byte(
    play: Callable[[Story, Liar], None], liar: Liar
) -> None:
    liar.lies = wire_cases()
    liar.slowly = True
    assert len(liar.lies) >= 40

    async def story(face: Face) -> None:
        for number, lie in enumerate(liar.lies):
            with pytest.raises(CrlfError) as caught:
                await face.whole(lie.method, f"lie/{number}")
            check(lie, caught.value)
            assert face.connections == 0, lie.title
            await face.next_is_right()

    play(story, liar)


@both
@pytest.mark.parametrize("ask", [Face.whole, Face.streamed])
@pytest.mark.rfc("9112", "9.2")
@pytest.mark.rfc("9112", "6.3")
def test_what_is_odd_costs_the_connection(
    play: Callable[[Story, Liar], None], ask: Any, liar: Liar
) -> None:
    """The next response belongs to the next request, which goes elsewhere."""
    liar.lies = ODD

    async def story(face: Face) -> None:
        for number, lie in enumerate(ODD):
            await face.next_is_right()
            assert await ask(face, lie.method, f"lie/{number}") == lie.right, lie.title
            await face.next_is_right()

    play(story, liar)


@both
@pytest.mark.rfc("9112", "9.2")
def test_many_oddities_in_a_row_poison_nobody(
    play: Callable[[Story, Liar], None], liar: Liar
) -> None:
    liar.lies = ODD

    async def story(face: Face) -> None:
        for turn in range(3):
            for number in range(turn, len(ODD), 2):
                lie = ODD[number]
                assert await face.whole(lie.method, f"lie/{number}") == lie.right, lie.title
        await face.next_is_right()

    play(story, liar)


class Later:
    """Bytes that a server says on a connection that has nothing to do."""

    def __init__(self, first: bytes, later: bytes, *, ended: bool = False) -> None:
        self.first = first
        self.later = later
        self.ended = ended
        self.has_said = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        time.sleep(0.02)
        yield self.later
        self.has_said.set()


@both
@pytest.mark.parametrize(
    "later",
    [POISON, b"!", b"\r\n", b"\0" * 300_000, POISON * 1000, head(line=b"HTTP/1.1 408 Late")],
)
@pytest.mark.rfc("9112", "9.2")
def test_what_comes_on_an_idle_connection_is_no_answer(
    play: Callable[[Story, Liar], None], later: bytes, liar: Liar
) -> None:
    async def story(face: Face) -> None:
        said = Later(GOOD, later)
        liar.lies = [Lie("later", said)]
        assert await face.whole("GET", "lie/0") == RIGHT
        assert face.connections == 1  # nothing odd was seen of it yet
        if isinstance(face.client, Client):
            said.has_said.wait(0.2)
        else:
            await asyncio.sleep(0.05)
        before = liar.count
        await face.next_is_right()
        assert liar.count == before + 1
        assert face.connections == 1

    play(story, liar)


@both
@pytest.mark.parametrize("coding", ["xchunked", "chunked, gzip", "chunked, identity", "gzip"])
@pytest.mark.rfc("9112", "6.3")
def test_a_coding_that_nobody_asked_for_is_read_to_the_end_and_refused(
    play: Callable[[Story, Liar], None], coding: str, liar: Liar
) -> None:
    """Row 30: it has no other end than that of the connection, and is handed out as no guess."""
    data = CHUNKED.replace(b"chunked", coding.encode(), 1)
    liar.lies = [Lie("coding", (data,), True)]

    async def story(face: Face) -> None:
        with pytest.raises(DecodingError, match="nobody asked for"):
            await face.whole("GET", "lie/0")
        await face.next_is_right()

    play(story, liar)


@both
def test_an_answer_to_half_a_request_ends_it(
    play: Callable[[Story, Liar], None], liar: Liar
) -> None:
    """The server answers before it has the body, and more than once; nobody else gets it."""
    liar.lies = [Lie("early", (GOOD + POISON,)), Lie("refused", (GOOD.replace(b"200", b"413"),))]

    async def story(face: Face) -> None:
        for number, status_code in ((0, 200), (1, 413)):
            with suppress(CrlfError):  # the peer reads no more, and may be gone in the middle
                answer = await face.whole("POST", f"lie/{number}", content=b"u" * 3_000_000)
                assert answer == (status_code, b"good")
            await face.next_is_right()

    play(story, liar)


@both
@pytest.mark.rfc("9112", "5.2")
def test_a_folded_field_is_unfolded_and_nothing_else(
    play: Callable[[Story, Liar], None], liar: Liar
) -> None:
    """Row 20, the one place where a client must be lenient: no CR or LF is left in the value."""
    liar.lies = [
        Lie("fold", (head(b"Set-Cookie: a=b;\r\n path=/", b"Content-Length: 4") + b"good",))
    ]

    async def story(face: Face) -> None:
        url = f"{liar.url}/lie/0"
        if isinstance(face.client, Client):
            response = face.client.get(url)
        else:
            response = await face.client.get(url)
        value = response.headers["set-cookie"]
        assert value.split() == ["a=b;", "path=/"]
        assert "\r" not in value
        assert "\n" not in value

    play(story, liar)


@both
@pytest.mark.parametrize("lie", ENDLESS, ids=[lie.title for lie in ENDLESS])
def test_what_never_ends_is_given_up_early(
    play: Callable[[Story, Liar], None], lie: Lie, liar: Liar
) -> None:
    liar.lies = [lie]

    async def story(face: Face) -> None:
        with pytest.raises((RemoteError, TooLarge)):
            await face.whole("GET", "lie/0")
        await face.next_is_right()

    tracemalloc.start()
    try:
        began = time.monotonic()
        play(story, liar)
        assert time.monotonic() - began < 3
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert liar.sent < 8_000_000  # what the buffers of the system take, and no more


@pytest.mark.parametrize(
    "play",
    [
        *CLIENTS[:2],
        pytest.param(on_loop(new_loop), id="AsyncClient, as installed"),
    ],
)
def test_dust_that_comes_without_a_pause_is_late_all_the_same(
    play: Callable[[Story, Liar], None], liar: Liar
) -> None:
    """There is always something to read, so nobody ever waits; the total deadline holds."""
    liar.lies = [Lie("dust", Endless(ANY_CHUNKS, b"1\r\nx\r\n" * 1000, 700))]

    async def story(face: Face) -> None:
        began = time.monotonic()
        with pytest.raises(TotalTimeout):
            await face.whole("GET", "lie/0", timeout=0.3)
        assert time.monotonic() - began < 1.5
        await face.next_is_right()

    play(story, liar)


@pytest.mark.long
@both
def test_a_million_chunks_of_one_byte_are_read_in_little_memory(
    play: Callable[[Story, Liar], None], liar: Liar
) -> None:
    liar.lies = [
        Lie(
            "dust",
            [
                head(b"Transfer-Encoding: chunked"),
                *repeat(b"1\r\nx\r\n" * 1000, 1000),
                b"0\r\n\r\n",
            ],
        )
    ]

    async def story(face: Face) -> None:
        assert await face.whole("GET", "lie/0", timeout=60) == (200, b"x" * 1_000_000)

    play(story, liar)
    tracemalloc.start()
    try:
        play(story, liar)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
