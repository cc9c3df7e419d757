"""What one warm GET costs at each end, in figures that do not depend on the machine.

The stream is a script, so what is counted is ours alone: calls of Python functions (and steps
of coroutines), and what was asked of the stream. A change that raises a figure has to say why
here; one that lowers it should lower the figure.

| end                 | reads | writes | looks | Python calls |
|---------------------|-------|--------|-------|--------------|
| client              | 1     | 1      | 1     | see CLIENT   |
| server, App, text() | 1     | 1      | -     | see SERVER   |
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

from crlf.client.core import Core
from crlf.client.options import ClientSettings
from crlf.flow.run import run_sync
from crlf.flow.serve import Service
from crlf.net.scripted import FakeClock
from crlf.ports import StreamFacts
from crlf.rules.cookiejar import CookieJar
from crlf.server.apps.answers import text
from crlf.server.apps.app import App

CLIENT = 78  # Python-level calls of client.get, from the URL to the Response
SERVER = 26  # of one request, from the bytes read to the bytes written

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Counter:
    """A stream that answers each write, or asks again and again, and counts what it is asked."""

    def __init__(self, pieces: Callable[[], bytes]) -> None:
        self.facts = StreamFacts()
        self.pieces = pieces
        self.reads = self.writes = self.looks = 0

    async def read(self, deadline: float | None) -> bytes:
        self.reads += 1
        return self.pieces()

    async def write(self, data: bytes, deadline: float | None) -> None:
        self.writes += 1

    async def end(self, deadline: float | None) -> None:
        return None

    def close(self) -> None:
        return None

    def has_arrived(self) -> bool:
        self.looks += 1
        return False


class OneStream:
    """A network that has one stream and a clock that stands still."""

    def __init__(self, stream: Counter) -> None:
        self.stream = stream
        self.bell = Bell()

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0

    async def connect(self, host: str, port: int, deadline: float | None) -> Counter:
        return self.stream

    async def in_thread(self, work):  # type: ignore[no-untyped-def]
        return work()

    def new_bell(self) -> Bell:
        return self.bell

    async def aclose(self) -> None:
        return None


class Bell:
    def __enter__(self) -> Bell:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def wait(self, deadline: float | None) -> bool:
        raise AssertionError("a warm GET does not wait for a connection")

    def ring(self) -> None:
        return None


def calls_of(work: Callable[[], object]) -> int:
    """Count the Python functions that run, each step of a coroutine being one."""
    count = 0

    def look(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    gc.disable()  # a callback of the collection would be counted, too
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def test_a_warm_get_at_the_client() -> None:
    stream = Counter(lambda: REPLY)
    core = Core(ClientSettings(), OneStream(stream), CookieJar())

    def get() -> None:
        response = run_sync(core.request("GET", "http://a.example/", {}))
        assert response.content == b"hello\n"

    for _ in range(3):
        get()
    stream.reads = stream.writes = stream.looks = 0
    calls = calls_of(get)
    assert (stream.reads, stream.writes, stream.looks) == (1, 1, 1)
    assert calls <= CLIENT, f"{calls} calls"


def test_a_warm_get_at_the_server() -> None:
    app = App()

    @app.get("/")
    async def hello(request: object) -> object:
        return text("hello\n")

    calls: list[int] = []

    def piece() -> bytes:
        calls.append(seen[0])
        return REQUEST if len(calls) < 6 else b""

    seen = [0]

    def look(frame: object, event: str, argument: object) -> None:
        seen[0] += event == "call"

    stream = Counter(piece)
    clock = FakeClock()
    service = Service(app.sender(OneStream(stream).in_thread, clock.now), clock.now, None, None)  # type: ignore[arg-type]
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run_sync(service.serve(stream))
    finally:
        sys.setprofile(before)
    assert stream.writes == 5
    # From the read of the fourth request to that of the fifth: one warm exchange, whole.
    cost = calls[4] - calls[3]
    assert cost <= SERVER, f"{cost} calls"


@pytest.mark.parametrize("count", [1, 50])
def test_work_does_not_grow_on_a_connection_that_lives_on(count: int) -> None:
    stream = Counter(lambda: REPLY)
    core = Core(ClientSettings(), OneStream(stream), CookieJar())
    for _ in range(count + 2):
        run_sync(core.request("GET", "http://a.example/", {}))
    once = calls_of(lambda: run_sync(core.request("GET", "http://a.example/", {})))
    assert once <= CLIENT
