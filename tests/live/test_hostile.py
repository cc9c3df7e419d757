"""Malformed messages over real sockets, to both ends: the named error, and life goes on.

The messages are those of tests/wire/cases, so that there is one list. A bad request is answered
with the status and the rule that its case names, and the answer can be read to its end; a bad
response is an error that names the rule, and never a response. After each the other end proves
that it still works.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.errors import CrlfError, RemoteError, TooLarge
from crlf.net.loops import new_loop
from crlf.server import App, running

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "wire" / "cases"
VERDICT = re.compile(
    r'(RemoteError|TooLarge) ([0-9]{3}) "(.*?)" (RFC [0-9]+ .*?)(?: at (?:[0-9]+|None))?'
)


def reader() -> Any:
    """Load the reader of the cases."""
    spec = importlib.util.spec_from_file_location("wire_cases", CASES.parent / "test_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bad(NamedTuple):
    """A malformed message and what is to be said of it."""

    title: str
    data: bytes
    ended: bool  # the sender ends the connection behind it
    to: str | None  # what a response answers
    kind: str
    status_code: int
    reason: str
    rule: str


def bad_messages(file: str) -> list[Bad]:
    found = []
    for case in reader().cases_of(CASES / file):
        match = VERDICT.fullmatch(case.steps[-1].text)
        assert match is not None, case.steps[-1].text
        kind, status, reason, rule = match.groups()
        reason = reason.encode().decode("unicode_escape")
        found.append(
            Bad(case.title, case.data, case.ended, case.to, kind, int(status), reason, rule)
        )
    return found


REQUESTS = bad_messages("bad_requests.md")
RESPONSES = [bad for bad in bad_messages("bad_responses.md") if bad.to in ("GET", "HEAD")]


def test_there_are_enough_of_them() -> None:
    assert len(REQUESTS) >= 40
    assert len(RESPONSES) >= 40
    assert len({bad.rule for bad in REQUESTS}) >= 15
    assert len({bad.status_code for bad in REQUESTS}) >= 5


# --- bad requests --------------------------------------------------------------------------------

PROBE = b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def application() -> App:
    app = App()

    @app.get("/probe")
    def probe(request: object) -> str:
        return "alive"

    @app.route("/{rest:path}", ("GET", "POST"))
    def anything(request: object, rest: str) -> str:
        return "good"

    return app


PROGRAM = """
import sys
sys.path[:0] = [{tests!r}]
from test_hostile import application
from crlf.server import serve
serve(application(), port=0, started=lambda server: print(server.port, flush=True))
"""


@contextmanager
def in_a_process() -> Iterator[int]:
    """Serve the application in a process of its own."""
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=10)
        told = [line for line in complaints.split(b"\n") if not line.startswith(b"refused")]
        assert told == [b""]  # a line a second for each kind of refusal, and no trace
        assert process.returncode == 0


@contextmanager
def in_a_thread() -> Iterator[int]:
    with running(application()) as server:
        yield server.port


def say(port: int, data: bytes, *, ended: bool = False, piece: int | None = None) -> bytes:
    """Send bytes as they are and read to the end of the connection, which has to be one."""
    with socket.create_connection(("127.0.0.1", port), 5) as peer:
        peer.settimeout(5)
        for at in range(0, len(data), piece or max(1, len(data))):
            peer.sendall(data[at : at + (piece or len(data))])
        if ended:
            peer.shutdown(socket.SHUT_WR)
        pieces = []
        while data := peer.recv(65536):
            pieces.append(data)
        return b"".join(pieces)


def responses_in(data: bytes) -> list[tuple[int, bytes]]:
    """Split what a server said into (status, the rest of the response)."""
    pieces = re.split(rb"(?=HTTP/1\.1 [0-9]{3} )", data)[1:]
    return [(int(piece[9:12]), piece) for piece in pieces]


@pytest.mark.parametrize("place", [in_a_thread, in_a_process])
def test_each_bad_request_is_answered_and_the_next_client_served(
    place: Callable[[], Any],
) -> None:
    with place() as port:
        for bad in REQUESTS:
            found = responses_in(say(port, bad.data, ended=bad.ended))
            assert found, bad.title
            *good, (status_code, answer) = found
            assert status_code == bad.status_code, (bad.title, answer)
            assert all(status in (100, 200) for status, _ in good), bad.title
            assert b"connection: close\r\n" in answer, bad.title
            if not bad.data.startswith(b"HEAD"):
                assert f"[{bad.rule}]".encode() in answer, (bad.title, answer)
                if bad.kind == "RemoteError":
                    assert bad.reason.encode() in answer, (bad.title, answer)
                else:
                    assert b"over its limit of" in answer, (bad.title, answer)
            assert say(port, PROBE).endswith(b"\r\n\r\nalive"), bad.title


def test_the_answer_does_not_depend_on_how_the_bytes_came() -> None:
    with in_a_thread() as port:
        for bad in REQUESTS[::7]:
            whole = responses_in(say(port, bad.data, ended=bad.ended))
            if len(bad.data) < 300:
                # What was sent after the fault may find nobody who reads it; the answer is there.
                dribbled = responses_in(say(port, bad.data, ended=bad.ended, piece=1))
                assert [status for status, _ in dribbled] == [status for status, _ in whole]


def test_no_bytes_of_the_peer_are_in_the_answer() -> None:
    with in_a_thread() as port:
        for data in (
            b"GET /<script>alert(1)</script> HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX\x1b[31m: y\r\n\r\n",
            b"<script>MARK\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: <script>MARK\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: <script>MARK\r\n\r\n",
        ):
            answer = say(port, data)
            assert b"<script>" not in answer
            assert b"MARK" not in answer
            assert b"\x1b" not in answer


HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_answered_or_closed_and_the_server_lives(seed: int) -> None:
    chance = random.Random(seed)
    with in_a_thread() as port:
        for _ in range(30):
            noise = chance.choice(
                [
                    chance.randbytes(chance.randrange(1, 3000)),
                    HELLO,
                    b"\r\n" * 5000,
                    b"GET " * 5000,
                    b"\0" * 100,
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                ]
            )
            with suppress(ConnectionError):
                found = responses_in(say(port, noise, ended=True))
                assert all(400 <= status <= 505 for status, _ in found)
        assert say(port, PROBE).endswith(b"alive")


def test_who_hangs_up_anywhere_costs_the_server_nothing() -> None:
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    reset = struct.pack("ii", 1, 0)
    with in_a_process() as port:
        for cut in range(len(request) + 1):
            for rudely in (False, True):
                peer = socket.create_connection(("127.0.0.1", port), 5)
                peer.sendall(request[:cut])
                if rudely:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                peer.close()
        assert say(port, PROBE).endswith(b"alive")


@pytest.mark.rfc("9112", "9.3.2")
def test_a_thousand_requests_at_once_are_answered_in_order_and_then_it_is_enough() -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(1100))
    with in_a_thread() as port:
        answers = responses_in(say(port, requests, ended=True))
        assert len(answers) == 1000
        assert b"connection: close" in answers[-1][1]
        assert all(status == 200 for status, _ in answers)


# --- bad responses -------------------------------------------------------------------------------

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


class Liar:
    """A server that answers /N with the Nth bad response, and anything else well.

    again: the paths that were asked on a connection after something bad had been said there.
    """

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.again: list[bytes] = []
        self.unread: list[str] = []
        self._workers: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            worker = threading.Thread(target=self._serve, args=(accepted,))
            self._workers.append(worker)
            worker.start()

    def _serve(self, accepted: socket.socket) -> None:
        is_bad = False
        with accepted, suppress(ConnectionError):
            accepted.settimeout(5)
            while data := accepted.recv(65536):
                path = data.split(b" ")[1][1:]
                if is_bad:
                    self.again.append(path)
                if not path.isdigit():
                    accepted.sendall(GOOD)
                    continue
                bad = RESPONSES[int(path)]
                is_bad = True
                accepted.sendall(bad.data)
                if bad.ended:
                    accepted.shutdown(socket.SHUT_WR)

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


def check_error(bad: Bad, error: CrlfError) -> None:
    """The error is the one that its case names, and says all that errors say."""
    assert isinstance(error, RemoteError | TooLarge), bad.title
    assert type(error).__name__ == bad.kind, bad.title
    assert error.rule == bad.rule, bad.title
    assert error.status_code == 502, bad.title
    if isinstance(error, TooLarge):
        assert error.what == bad.reason, bad.title
    else:
        assert error.reason == bad.reason, bad.title
    assert error.phase == "read", bad.title
    assert error.request is not None, bad.title
    assert error.seconds is not None, bad.title
    assert bad.rule in str(error), bad.title


def test_a_client_takes_no_bad_response_for_one(liar: Liar) -> None:
    with Client(timeout=5) as client:
        pool = client._core._pool
        for number, bad in enumerate(RESPONSES):
            client.get(f"{liar.url}/good")
            with pytest.raises(CrlfError) as caught:
                client.request(bad.to or "GET", f"{liar.url}/{number}")
            check_error(bad, caught.value)
            assert pool._ledger.total == 0, bad.title
            assert client.get(f"{liar.url}/good").text == "good"
    assert liar.again == []


def test_nor_does_it_when_it_streams(liar: Liar) -> None:
    with Client(timeout=5) as client:
        for number, bad in enumerate(RESPONSES):
            with (
                pytest.raises(CrlfError) as caught,
                client.stream(bad.to or "GET", f"{liar.url}/{number}") as response,
            ):
                response.read()
            check_error(bad, caught.value)
            assert client._core._pool._ledger.total == 0, bad.title
    assert liar.again == []


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, new_loop])
def test_nor_does_an_asynchronous_one(liar: Liar, factory: Callable[[], Any]) -> None:
    async def story() -> None:
        async with AsyncClient(timeout=5) as client:
            for number, bad in enumerate(RESPONSES):
                await client.get(f"{liar.url}/good")
                with pytest.raises(CrlfError) as caught:
                    await client.request(bad.to or "GET", f"{liar.url}/{number}")
                check_error(bad, caught.value)
                assert client._core._pool._ledger.total == 0, bad.title
                assert (await client.get(f"{liar.url}/good")).text == "good"

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())
    assert liar.again == []


def test_many_at_once_get_each_their_own(liar: Liar) -> None:
    """Good and bad answers on one pool: nobody gets what was meant for another."""

    async def story() -> None:
        async with AsyncClient(timeout=5) as client:

            async def one(number: int) -> None:
                bad = RESPONSES[number % len(RESPONSES)]
                if number % 3:
                    assert (await client.get(f"{liar.url}/good")).text == "good"
                    return
                with pytest.raises(CrlfError) as caught:
                    await client.request(bad.to or "GET", f"{liar.url}/{number % len(RESPONSES)}")
                check_error(bad, caught.value)

            await asyncio.gather(*(one(number) for number in range(300)))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())
    assert liar.again == []
