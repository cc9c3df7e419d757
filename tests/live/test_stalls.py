"""Clients that stall anywhere are cut by a deadline, and meanwhile everyone else is served.

The seven rows of slow clients, and who never reads, all at once, against a server that is
impatient enough for a test. And how a server ends: what is under way is finished, what is
idle is closed, and who insists is obeyed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.request import Request
from crlf.net.loops import new_loop
from crlf.rules.deadlines import Patience
from crlf.server import App, running, stream
from crlf.wire.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
HASTY = Patience(
    head=0.4, idle=0.5, body_grace=0.5, body_rate=100_000, body_stall=0.3, write=0.4, linger=0.1,
    drain=3.0,
)  # fmt: skip
SLACK = 1.5  # seconds that a deadline may be late on a busy machine; a server has 10 and more
HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


def application() -> App:
    app = App()

    @app.get("/probe")
    async def probe(request: object) -> str:
        return "alive"

    @app.post("/x")
    async def receive(request: Request) -> str:
        return str(len(request.content))

    @app.get("/whole")
    async def whole(request: object) -> bytes:
        return b"x" * 15_000_000

    @app.get("/endless")
    async def endless(request: object) -> object:
        def pieces() -> Iterator[bytes]:
            while True:
                yield b"x" * 100_000

        return stream(pieces())

    return app


LOOPS = ["asyncio"] if importlib.util.find_spec("uvloop") is None else ["uvloop", "asyncio"]


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the server run on each loop."""
    monkeypatch.setenv("CRLF_LOOP", request.param)
    return str(request.param)


# --- slow clients --------------------------------------------------------------------------------


class Peer:
    """A client that is up to no good."""

    def __init__(self, port: int, room: int | None = None) -> None:
        self.socket = socket.socket()
        if room is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.setblocking(False)
        self.port = port
        self.said = b""

    async def connect(self) -> None:
        await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", self.port))

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def hear_out(self) -> None:
        """Read until the server ends the connection."""
        loop = asyncio.get_running_loop()
        with suppress(ConnectionError):
            while data := await loop.sock_recv(self.socket, 65536):
                self.said += data

    async def dribble(self, data: bytes, gap: float) -> None:
        """Send byte by byte until the server has had enough."""
        loop = asyncio.get_running_loop()
        heard = loop.create_task(self.hear_out())
        with suppress(ConnectionError):
            for byte in data:
                await loop.sock_sendall(self.socket, bytes([byte]))
                await asyncio.wait([heard], timeout=gap)
                if heard.done():
                    break
        await heard


async def silence(peer: Peer) -> None:
    await peer.hear_out()


async def half_a_request_line(peer: Peer) -> None:
    await peer.say(b"GET /pro")
    await peer.hear_out()


async def half_a_header(peer: Peer) -> None:
    await peer.say(b"GET /probe HTTP/1.1\r\nHost: a\r\nX: y")
    await peer.hear_out()


async def a_dribbled_header(peer: Peer) -> None:
    await peer.dribble(b"GET /probe HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100, 0.03)


async def a_stalled_body(peer: Peer) -> None:
    await peer.say(HEAD + b"x" * 1000)
    await peer.hear_out()


async def a_dribbled_body(peer: Peer) -> None:
    await peer.say(HEAD)
    await peer.dribble(b"x" * 1000, 0.03)


async def idle_keep_alive(peer: Peer) -> None:
    await peer.say(b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.hear_out()


async def empty_lines(peer: Peer) -> None:
    await peer.dribble(b"\r\n" * 4, 0.02)


async def a_second_head_dribbled(peer: Peer) -> None:
    await peer.say(b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n")
    await peer.dribble(b"GET /probe HTTP/1.1\r\n" + b"X: y\r\n" * 100, 0.03)


async def never_reading(peer: Peer, path: bytes) -> None:
    """Ask for much and read nothing of it; then look whether the server has gone."""
    await peer.say(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
    while True:
        await asyncio.sleep(0.02)
        if peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return
        with suppress(BlockingIOError):
            # A peer that aborted takes nothing more: the second byte finds that out.
            try:
                peer.socket.send(b"x")
            except ConnectionError:
                return


async def never_reading_whole(peer: Peer) -> None:
    await never_reading(peer, b"whole")


async def never_reading_a_stream(peer: Peer) -> None:
    await never_reading(peer, b"endless")


async def asking_and_never_reading(peer: Peer) -> None:
    """Send requests without end, and read no answer."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while True:
            await loop.sock_sendall(peer.socket, b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n" * 50)


# name: the longest it may live in seconds, and the status that it is told, if any
ROWS: dict[Callable[[Peer], Awaitable[None]], tuple[float, int | None]] = {
    silence: (HASTY.head + HASTY.linger, None),
    half_a_request_line: (HASTY.head + HASTY.linger, 408),
    half_a_header: (HASTY.head + HASTY.linger, 408),
    a_dribbled_header: (HASTY.head + HASTY.body_grace + HASTY.linger, 408),
    a_stalled_body: (HASTY.body_stall + HASTY.linger, 408),
    a_dribbled_body: (HASTY.body_grace * 2 + HASTY.linger, 408),
    idle_keep_alive: (HASTY.idle + HASTY.linger, 200),
    empty_lines: (HASTY.head + HASTY.linger, 408),
    a_second_head_dribbled: (HASTY.head + HASTY.body_grace + HASTY.linger, 408),
    never_reading_whole: (HASTY.write, 200),
    never_reading_a_stream: (HASTY.write, 200),
    asking_and_never_reading: (HASTY.write * 3, 200),
}


async def probing(port: int, until: asyncio.Event) -> list[float]:
    """Ask again and again how the server is, and return how long each answer took."""
    spent = []
    async with AsyncClient(timeout=5) as client:
        while not until.is_set():
            began = time.monotonic()
            assert (await client.get(f"http://127.0.0.1:{port}/probe")).text == "alive"
            spent.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
    return spent


def test_who_stalls_anywhere_is_cut_and_all_others_are_served(loop_name: str) -> None:
    """Slow clients are all bounded by default."""
    lived: dict[str, float] = {}
    said: dict[str, bytes] = {}

    async def one(row: Callable[[Peer], Awaitable[None]], port: int) -> None:
        is_reading = "never" not in row.__name__
        peer = Peer(port, None if is_reading else 4096)
        await peer.connect()
        began = time.monotonic()
        try:
            await asyncio.wait_for(row(peer), 8)
        finally:
            lived[row.__name__] = time.monotonic() - began
            said[row.__name__] = peer.said
            peer.socket.close()

    async def story(port: int) -> list[float]:
        is_over = asyncio.Event()
        probes = asyncio.create_task(probing(port, is_over))
        try:
            await asyncio.gather(*(one(row, port) for row in ROWS))
        finally:
            is_over.set()
        return await probes

    with running(application(), patience=HASTY) as server:
        with asyncio.Runner() as runner:
            spent = runner.run(story(server.port))
        give_up = time.monotonic() + 2
        while len(server._service.visits) > 0 and time.monotonic() < give_up:
            time.sleep(0.01)
        assert not server._service.visits
    for row, (longest, status_code) in ROWS.items():
        name = row.__name__
        assert lived[name] <= longest + SLACK, f"{name} lived {lived[name]:.2f} s"
        if "never" not in name:
            if status_code is None:
                assert said[name] == b"", name
            else:
                assert b"HTTP/1.1 %d " % status_code in said[name], (name, said[name])
                assert said[name].startswith(b"HTTP/1.1 ")
    assert len(spent) >= 2
    assert max(spent) < 1.0


def test_two_hundred_stalled_connections_do_not_keep_anyone_waiting() -> None:
    with running(application(), patience=HASTY) as server:
        stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        try:
            for number, peer in enumerate(stalled):
                peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n"[: number % 20])
            with Client(timeout=5) as client:
                for _ in range(20):
                    assert client.get(f"{server.url}probe").text == "alive"
            for peer in stalled:
                peer.settimeout(5)
                while peer.recv(65536):
                    pass
        finally:
            for peer in stalled:
                peer.close()


# --- an answer that comes before the request is through -----------------------------------------


@pytest.mark.rfc("9112", "9.6")
@pytest.mark.parametrize("way", ["socket", "socket, slowly", "Client", "AsyncClient", "chunked"])
def test_who_posts_ten_megabytes_to_a_413_reads_the_answer(way: str, loop_name: str) -> None:
    size = 10_000_000
    patience = Patience(linger=0.3)
    with running(application(), limits=Limits(body=1_000_000), patience=patience) as server:
        url = f"{server.url}x"
        if way.startswith("socket"):
            with socket.create_connection(("127.0.0.1", server.port), 5) as peer:
                peer.sendall(HEAD.replace(b"1000000", b"%d" % size))
                for _ in range(20):
                    peer.sendall(b"x" * (size // 20))
                    if way == "socket, slowly":
                        time.sleep(0.05)  # longer in all than any one wait of the server's
                answer = b""
                while data := peer.recv(65536):
                    answer += data
                assert answer.startswith(b"HTTP/1.1 413 ")
                assert b"[RFC 9110 15.5.14]" in answer
        elif way == "AsyncClient":

            async def post() -> int:
                async with AsyncClient() as client:
                    return (await client.post(url, content=b"x" * size)).status_code

            with asyncio.Runner(loop_factory=new_loop) as runner:
                assert runner.run(post()) == 413
        else:
            content = b"x" * size if way == "Client" else (b"x" * 50_000 for _ in range(200))
            with Client() as client:
                assert client.post(url, content=content).status_code == 413
                assert client.get(f"{server.url}probe").text == "alive"


# --- the end of a server -------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys, time
from crlf.server import App, serve, stream
app = App()

@app.get("/probe")
async def probe(request):
    return "alive"

@app.get("/endless")
async def endless(request):
    def pieces():
        while True:
            yield b"x" * 100_000
    return stream(pieces())

@app.get("/slow")
async def slow(request):
    await asyncio.sleep(0.4)
    return "slowly"

@app.get("/slow-thread")
def slow_thread(request):
    time.sleep(0.4)
    return "slowly"

@app.get("/slow-stream")
async def slow_stream(request):
    async def pieces():
        for _ in range(8):
            yield b"slowly"
            await asyncio.sleep(0.05)
    return stream(pieces())

@app.get("/stuck")
async def stuck(request):
    await asyncio.sleep(60)
    return "never"

@app.get("/stuck-thread")
def stuck_thread(request):
    time.sleep(60)
    return "never"

serve(app, port=0, started=lambda server: print(server.port, flush=True))
print("stopped in order", flush=True)
"""


class Served:
    """A server in a process of its own, to be stopped by a signal."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def stop(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self, seconds: float) -> tuple[int, str, str]:
        """Wait for its end; give its exit status and what it said."""
        said, complaints = self.process.communicate(timeout=seconds)
        return self.process.returncode, said, complaints


@pytest.fixture
def served(loop_name: str) -> Iterator[Served]:
    made = Served()
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.communicate()


@contextmanager
def asking(url: str) -> Iterator[list[object]]:
    """Ask in a thread; give the list in which the answer will be."""
    outcome: list[object] = []

    def ask() -> None:
        try:
            with Client(timeout=10) as client:
                response = client.get(url)
                outcome.append((response.text, response.headers.get("connection")))
        except Exception as fault:
            outcome.append(fault)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_at_rest_stops_at_once(served: Served, number: int) -> None:
    with Client() as client, socket.create_connection(("127.0.0.1", served.port), 5) as silent:
        assert client.get(f"{served.url}probe").text == "alive"  # and is kept, idle
        began = time.monotonic()
        served.stop(number)
        assert silent.recv(10) == b""
        assert served.finish(5) == (0, "stopped in order\n", "")
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("path", ["slow", "slow-thread", "slow-stream"])
def test_what_is_under_way_is_finished_and_nothing_else(served: Served, path: str) -> None:
    with Client() as idle, asking(served.url + path) as outcome:
        idle.get(f"{served.url}probe")
        time.sleep(0.15)
        began = time.monotonic()
        served.stop(signal.SIGTERM)
        time.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", served.port), 1).close()
        assert served.finish(5) == (0, "stopped in order\n", "")
        assert time.monotonic() - began < 1.0
    if path == "slow-stream":
        assert outcome[0] == ("slowly" * 8, None)  # its head had gone before
    else:
        assert outcome == [("slowly", "close")]


@pytest.mark.parametrize(
    ("first", "path"),
    [
        (signal.SIGTERM, "stuck"),
        (signal.SIGINT, "stuck"),
        (signal.SIGINT, "stuck-thread"),
    ],
)
def test_who_insists_is_obeyed(served: Served, first: int, path: str) -> None:
    with asking(f"{served.url}{path}") as outcome:
        time.sleep(0.15)
        served.stop(first)
        time.sleep(0.3)
        assert served.process.poll() is None  # it waits for what is under way
        began = time.monotonic()
        served.stop(signal.SIGINT)
        status, _, _ = served.finish(3)
        assert time.monotonic() - began < 1.0
        assert status == 130
    assert isinstance(outcome[0], ConnectionError | Exception)


# --- and who is served too well ------------------------------------------------------------------

READER = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.sendall(b"GET /endless HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
room = bytearray(1 << 20)
while peer.recv_into(room):
    pass
"""


def test_who_reads_fast_and_without_end_is_not_the_only_one_served(served: Served) -> None:
    """How well others are served is measured in test_sending.py; here, that they are at all."""

    async def story() -> list[float]:
        is_over = asyncio.Event()
        probes = asyncio.create_task(probing(served.port, is_over))
        await asyncio.sleep(0.8)
        is_over.set()
        return await probes

    reader = subprocess.Popen([sys.executable, "-c", READER, str(served.port)])
    try:
        with asyncio.Runner() as runner:
            assert runner.run(story())
    finally:
        reader.kill()
        reader.wait()
