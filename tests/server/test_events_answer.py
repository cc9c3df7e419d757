"""Events as an answer: heartbeats, backpressure, and an end that nobody has to wait for."""

from __future__ import annotations

import asyncio
import queue
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crlf import AsyncClient, Client, Response, events, running
from crlf.message.request import Request
from crlf.rules.deadlines import Patience
from crlf.server import App, EventsAnswer, Refused
from crlf.wire.sse import ServerSentEvent

HOME = "http://localhost/"
pytestmark = [pytest.mark.timeout(60), pytest.mark.rfc("WHATWG HTML", "9.2")]


def until(check: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something holds."""
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.005)


@dataclass
class Price:
    part: str
    euros: int


ALL = [
    "two\nlines",
    {"price": 3},
    [1, 2],
    Price("bolt", 2),
    ServerSentEvent("tick", "4", "id-4", 250),
    ServerSentEvent(data="plain"),
]


def telling_app(closed: list[str]) -> App:
    """The same events from each kind of source, and in each kind of handler."""
    app = App()

    async def waiting() -> AsyncIterator[Any]:
        try:
            for event in ALL:
                await asyncio.sleep(0)
                yield event
        finally:
            closed.append("waiting")

    def plain() -> Iterator[Any]:
        try:
            yield from ALL
        finally:
            closed.append("plain")

    sources = {"waiting": waiting, "plain": plain, "list": lambda: ALL}

    @app.get("/async/{kind}")
    async def asked(request: Request, kind: str) -> EventsAnswer:
        return events(sources[kind](), retry=700)

    @app.get("/def/{kind}")
    def by_thread(request: Request, kind: str) -> EventsAnswer:
        return events(sources[kind](), retry=700)

    return app


@pytest.mark.parametrize("kind", ["waiting", "plain", "list"])
@pytest.mark.parametrize("colour", ["async", "def"])
def test_a_client_hears_what_was_told(colour: str, kind: str) -> None:
    closed: list[str] = []
    with Client(app=telling_app(closed)) as client:
        response = client.get(f"{HOME}{colour}/{kind}")
        assert response.status_code == 200
        assert dict(response.headers.fields).items() >= {
            ("content-type", "text/event-stream"), ("cache-control", "no-store"),
            ("x-accel-buffering", "no"), ("x-content-type-options", "nosniff"),
        }  # fmt: skip
        assert response.text.startswith(": \nretry: 700\n\n")
        heard = list(client.events(f"{HOME}{colour}/{kind}", reconnect=False))
    assert [event.data for event in heard] == [
        "two\nlines", '{"price":3}', "[1,2]", '{"part":"bolt","euros":2}', "4", "plain",
    ]  # fmt: skip
    assert heard[4] == ServerSentEvent("tick", "4", "id-4", 250)
    assert heard[5].event == "message"
    if kind != "list":
        assert closed == [kind] * 2


def test_a_status_and_fields_may_be_said_with_it() -> None:
    app = App()
    app.get("/")(lambda request: (events(["a"]), 200, {"x-more": "1"}))
    with Client(app=app) as client:
        response = client.get(HOME)
        assert response.headers["x-more"] == "1"
        assert response.text == ": \n\ndata: a\n\n"


def test_a_client_that_comes_back_says_where_it_was() -> None:
    app = App()

    @app.get("/")
    async def numbers(request: Request) -> EventsAnswer:
        after = int(request.headers.get("last-event-id", "0"))
        return events(
            (ServerSentEvent(data=str(n), id=str(n)) for n in range(after + 1, after + 3)),
            retry=100,
        )

    heard = []
    with Client(app=app) as client, client.events(HOME) as told:
        for event in told:
            heard.append(event.data)
            if event.id == "5":
                break
    assert heard == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("kind", ["waiting", "plain"])
def test_the_head_comes_at_once_and_heartbeats_after_silence(kind: str) -> None:
    app, go_on = App(), queue.Queue[Any]()

    async def waiting() -> AsyncIterator[Any]:
        yield await asyncio.to_thread(go_on.get)

    def plain() -> Iterator[Any]:
        yield go_on.get()

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(waiting() if kind == "waiting" else plain(), heartbeat=0.05)

    with (
        running(app) as server,
        Client() as client,
        client.stream("GET", server.url) as response,
    ):
        pieces = response.iter_bytes()
        heard = next(pieces)
        while heard.count(b": \n\n") < 4:
            heard += next(pieces)
        go_on.put("at last")
        heard += b"".join(pieces)
    assert heard.replace(b": \n\n", b"") == b"data: at last\n\n"


@pytest.mark.parametrize("kind", ["waiting", "plain"])
def test_a_stop_does_not_wait_for_the_next_event(kind: str) -> None:
    app, closed, hold = App(), list[str](), threading.Event()

    async def waiting() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.sleep(60)
        finally:
            closed.append("waiting")

    def plain() -> Iterator[str]:
        try:
            yield "first"
            hold.wait(10)
            yield "second"
        finally:
            closed.append("plain")

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(waiting() if kind == "waiting" else plain())

    with Client() as client:
        with running(app, patience=Patience(linger=0.1)) as server:
            told = client.stream("GET", server.url)
            with told as response:
                pieces = response.iter_bytes()
                heard = next(pieces)
                while b"first" not in heard:
                    heard += next(pieces)
                server.request_stop()
                began = time.monotonic()
                assert b"".join(pieces) == b""  # a whole end, and not a cut
                assert time.monotonic() - began < 3
        assert time.monotonic() - began < 4
    hold.set()
    until(lambda: closed == [kind])


@pytest.mark.parametrize("kind", ["waiting", "plain"])
def test_a_client_that_leaves_is_noticed_and_the_source_closed(kind: str) -> None:
    app, closed, begun = App(), list[str](), threading.Event()

    async def waiting() -> AsyncIterator[str]:
        try:
            begun.set()
            await asyncio.sleep(60)
            yield ""
        finally:
            closed.append("waiting")

    def plain() -> Iterator[str]:
        try:
            begun.set()
            while True:
                time.sleep(0.05)
                yield "x"
        finally:
            closed.append("plain")

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(waiting() if kind == "waiting" else plain(), heartbeat=None)

    with running(app, patience=Patience(linger=0.1)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(100)
            assert begun.wait(5)
        until(lambda: closed == [kind])


def test_without_interrupts_a_heartbeat_notices_it() -> None:
    app, closed = App(), list[str]()

    async def waiting() -> AsyncIterator[str]:
        try:
            await asyncio.sleep(60)
            yield ""
        finally:
            closed.append("closed")

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(waiting(), heartbeat=0.05)

    with running(app, patience=Patience(linger=30)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(100)
        until(lambda: closed == ["closed"])


def test_a_slow_client_slows_the_source() -> None:
    app, made = App(), list[int]()

    async def waiting() -> AsyncIterator[str]:
        for number in range(2_000):
            made.append(number)
            yield "x" * 100_000

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(waiting())

    with (
        running(app, patience=Patience(linger=0.1)) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100)
        time.sleep(0.3)
        stood = len(made)
        time.sleep(0.2)
        assert len(made) == stood < 500


def test_an_event_is_asked_for_once_the_one_before_has_gone_out() -> None:
    app, made = App(), list[int]()

    async def waiting() -> AsyncIterator[str]:
        for number in range(100):
            made.append(number)
            yield str(number)

    app.get("/")(lambda request: events(waiting()))

    async def main() -> None:
        request = Request("GET", HOME)
        pieces = events(waiting()).response(request).body.chunks_async()
        await anext(pieces)
        assert await anext(pieces) == b"data: 0\n\n"
        await asyncio.sleep(0.02)
        assert made == [0]
        await pieces.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["head", "thrown away"])
def test_a_source_that_is_never_asked_is_closed(kind: str) -> None:
    app, closed = App(), list[str]()

    class Subscription:
        def __aiter__(self) -> Subscription:
            return self

        async def __anext__(self) -> str:
            raise AssertionError("nobody asks")

        async def aclose(self) -> None:
            await asyncio.sleep(0)
            closed.append("closed")

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(Subscription())

    if kind == "thrown away":

        @app.filter
        def another(request: Request) -> Any:
            yield request
            raise Refused(403)

    async def main() -> None:
        async with AsyncClient(app=app) as client:
            await client.request("HEAD" if kind == "head" else "GET", HOME)
            await asyncio.sleep(0.01)
        assert closed == ["closed"]

    asyncio.run(main())


class Hub:
    """An iterable that is not its own iterator, and belongs to the program."""

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def close(self) -> None:
        raise AssertionError("it is not the answer's")


def test_what_gives_iterators_is_not_closed() -> None:
    app = App()
    app.get("/")(lambda request: events(Hub()))
    with Client(app=app) as client:
        assert client.get(HOME).text == ": \n\ndata: a\n\n"
        assert client.head(HOME).status_code == 200


def failing() -> Iterator[Any]:
    yield "first"
    raise LookupError("a mistake")


def odd() -> Iterator[Any]:
    yield "first"
    yield b"bytes"


def forging() -> Iterator[Any]:
    yield "first"
    yield ServerSentEvent("a\nb", "c")


@pytest.mark.parametrize(
    ("source", "why"),
    [(failing, "a mistake"), (odd, "not a bytes"), (forging, "line end or NUL")],
)
def test_what_goes_wrong_in_a_source_is_logged_and_cuts_the_answer(
    source: Callable[[], Iterator[Any]], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.get("/")(lambda request: events(source()))
    with running(app) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""
        while piece := client.recv(10_000):
            heard += piece
    assert b"data: first" in heard
    assert not heard.endswith(b"0\r\n\r\n")
    assert why in caplog.text


async def never_called() -> Any:
    return None


@pytest.mark.parametrize(
    ("source", "times", "error"),
    [
        ("text", {}, TypeError), ({"a": 1}, {}, TypeError), (7, {}, TypeError),
        (never_called, {}, TypeError), ([], {"heartbeat": 0}, ValueError),
        ([], {"heartbeat": float("nan")}, ValueError), ([], {"retry": -1}, ValueError),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_at_once(source: Any, times: Any, error: Any) -> None:
    with pytest.raises(error):
        events(source, **times)


@pytest.mark.needs("curl")
def test_curl_hears_events_as_they_come(program: Callable[[str], str]) -> None:
    curl = program("curl")
    app, go_on = App(), threading.Event()

    @app.get("/")
    def asked(request: Request) -> EventsAnswer:
        def told() -> Iterator[str]:
            yield "first"
            go_on.wait(10)
            yield "second"

        return events(told())

    with (
        running(app) as server,
        subprocess.Popen([curl, "-sN", server.url], stdout=subprocess.PIPE, bufsize=0) as process,
    ):
        heard = b""
        assert process.stdout is not None
        while b"first" not in heard:
            heard += process.stdout.read(1000)
        go_on.set()
        heard += process.stdout.read()
        assert heard.endswith(b"data: second\n\n")


def test_it_is_a_response_of_its_own(tmp_path: Any) -> None:
    answer = events([]).response(Request("GET", HOME))
    assert isinstance(answer, Response)
    with pytest.raises(TypeError):
        answer.body.chunks()  # type: ignore[union-attr]


@pytest.mark.parametrize("is_told", [True, False])
def test_under_another_server_the_source_is_closed_when_the_client_is_gone(
    is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crlf.server.gateways import asgiface

    monkeypatch.setattr(asgiface, "DEFAULT_PATIENCE", Patience(linger=0.05))
    app, closed = App(), list[str]()

    async def waiting() -> AsyncIterator[str]:
        try:
            for number in range(20):
                yield str(number)
                await asyncio.sleep(0.02)
            closed.append("whole")
        finally:
            closed.append("closed")

    @app.get("/")
    async def asked(request: Request) -> EventsAnswer:
        return events(waiting())

    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/", "raw_path": b"/",
        "query_string": b"", "headers": [(b"host", b"localhost")], "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def main() -> None:
        told = [{"type": "http.request"}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            """Say that the client is gone, or the same again and again, as no host should."""
            return told.pop(0) if is_told else {"type": "http.request"}

        async def send(message: Any) -> None:
            """Say nothing, as uvicorn does when the client is gone."""

        await asgiface.AsgiFace(app)(scope, receive, send)

    asyncio.run(main())
    assert closed == (["closed"] if is_told else ["whole", "closed"])
