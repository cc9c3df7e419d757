"""Work after the answer: it runs whatever becomes of the client, and holds no connection."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf import AsyncClient, Client
from crlf.flow.afterwards import Afterwards
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.deadlines import Patience
from crlf.server import App, Refused, running, stream
from crlf.server.gateways.asgiface import AsgiFace

HOME = "http://localhost/"
WHO = contextvars.ContextVar("WHO", default="nobody")


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "crlf.server")
    return caplog


def until(check: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something holds."""
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.005)


def noting_app(seen: list[Any]) -> App:
    app = App()

    def plain(word: str) -> None:
        time.sleep(0.05)
        seen.append((word, threading.current_thread() is not threading.main_thread()))

    async def waiting(word: str) -> None:
        await asyncio.sleep(0.02)
        seen.append((word, asyncio.current_task() is not None))

    @app.post("/waits")
    async def waits(request: Request) -> str:
        request.after_answer(plain, "first")
        request.after_answer(waiting, "second")
        return "done"

    @app.post("/plain")
    def by_thread(request: Request) -> str:
        request.after_answer(plain, "first")
        request.after_answer(waiting, "second")
        return "done"

    return app


BOTH = [("first", True), ("second", True)]


@pytest.mark.parametrize("path", ["waits", "plain"])
def test_a_blocking_client_in_memory_sees_it_done_when_it_is_closed(path: str) -> None:
    seen: list[Any] = []
    with Client(app=noting_app(seen)) as client:
        assert client.post(HOME + path).text == "done"
        assert seen == []
    assert seen == BOTH


@pytest.mark.parametrize("path", ["waits", "plain"])
def test_an_async_client_in_memory_sees_it_done(path: str) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with AsyncClient(app=noting_app(seen)) as client:
            assert (await client.post(HOME + path)).text == "done"
            assert seen == []
        assert seen == BOTH

    asyncio.run(main())


@pytest.mark.parametrize("path", ["waits", "plain"])
def test_a_server_does_it_and_answers_the_next_request_meanwhile(path: str) -> None:
    seen: list[Any] = []
    app, begun, go_on = noting_app(seen), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(5)
        seen.append("slow")

    @app.get("/slow")
    async def asked(request: Request) -> str:
        request.after_answer(slow)
        return "begun"

    with running(app) as server, Client() as client:
        assert client.get(server.url + "slow").text == "begun"
        assert begun.wait(5)
        assert client.post(server.url + path).text == "done"  # on the same connection
        until(lambda: seen == BOTH)
        go_on.set()
    assert seen == [*BOTH, "slow"]  # the stop has waited for it


def test_it_comes_after_the_end_of_a_streamed_answer() -> None:
    app, seen = App(), list[str]()

    @app.get("/")
    async def pieces(request: Request) -> Response:
        request.after_answer(seen.append, "after")

        async def made() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0.01)
                seen.append("piece")
                yield b"x"

        return stream(made())

    with Client(app=app) as client:
        assert client.get(HOME).content == b"xxx"
    assert seen == ["piece", "piece", "piece", "after"]


@pytest.mark.parametrize("path", ["large", "stream"])
def test_it_is_done_though_the_client_has_gone(path: str) -> None:
    app, seen = App(), list[str]()

    @app.get("/large")
    def large(request: Request) -> bytes:
        request.after_answer(seen.append, "after")
        return bytes(64 * 1024 * 1024)

    @app.get("/stream")
    def streamed(request: Request) -> Response:
        request.after_answer(seen.append, "after")

        def made() -> Iterator[bytes]:
            while True:
                yield bytes(100_000)

        return stream(made())

    with running(app) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            client.recv(100)
        until(lambda: seen == ["after"])


def test_what_goes_wrong_is_logged_and_the_next_is_done(
    errors: pytest.LogCaptureFixture,
) -> None:
    app, seen = App(), list[str]()

    def failing() -> None:
        raise LookupError("a mistake")

    async def leaving() -> None:
        raise SystemExit(3)

    async def cancelled() -> None:
        raise asyncio.CancelledError

    def yielding() -> Iterator[int]:
        yield 1

    def stopping() -> None:
        next(iter(()))

    @app.get("/part")
    async def asked(request: Request) -> str:
        for work in (failing, leaving, cancelled, yielding, stopping):
            request.after_answer(work)
        request.after_answer(seen.append, "last")
        return ""

    with Client(app=app) as client:
        assert client.get(HOME + "part?token=secret").status_code == 200
    assert seen == ["last"]
    for name in ("failing", "leaving", "cancelled", "yielding", "stopping"):
        assert f"GET /part after its answer: {name}() failed" in errors.text
    assert "a mistake" in errors.text
    assert "secret" not in errors.text


@pytest.mark.parametrize(("path", "is_done"), [("refused", True), ("broken", False)])
def test_an_answer_that_nobody_foresaw_drops_it(
    path: str, is_done: bool, errors: pytest.LogCaptureFixture
) -> None:
    app, seen = App(), list[str]()

    @app.get("/refused")
    def refused(request: Request) -> str:
        request.after_answer(seen.append, "done")
        raise Refused(409)

    @app.get("/broken")
    async def broken(request: Request) -> str:
        request.after_answer(seen.append, "done")
        raise LookupError("a mistake")

    with Client(app=app) as client:
        client.get(HOME + path)
    assert seen == (["done"] if is_done else [])


def test_layers_and_copies_of_the_request_note_in_the_same_place() -> None:
    app, seen = App(), list[str]()

    @app.get("/")
    def front(request: Request) -> str:
        request.after_answer(seen.append, "handler")
        return ""

    @app.filter
    def noting(request: Request) -> Any:
        response = yield request.with_field("x-copy", "1")
        request.after_answer(seen.append, f"layer {response.status_code}")
        return response

    with Client(app=app) as client:
        client.get(HOME)
    assert seen == ["handler", "layer 200"]


def test_it_has_the_context_of_its_request_alone() -> None:
    app, seen = App(), list[str]()

    def plain() -> None:
        seen.append(WHO.get())

    async def waiting() -> None:
        seen.append(WHO.get())

    @app.get("/{who}")
    async def asked(request: Request, who: str) -> str:
        if who != "other":
            WHO.set(who)
        request.after_answer(plain)
        request.after_answer(waiting)
        return ""

    with running(app) as server, Client() as client:
        client.get(server.url + "eve")
        client.get(server.url + "other")
        until(lambda: len(seen) == 4)
    assert sorted(seen) == ["eve", "eve", "nobody", "nobody"]


def test_a_stop_waits_and_then_cancels() -> None:
    app, seen = App(), list[str]()

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def short() -> None:
        await asyncio.sleep(0.1)
        seen.append("short")

    @app.get("/{which}")
    async def asked(request: Request, which: str) -> str:
        request.after_answer(hang if which == "hang" else short)
        return ""

    began = time.monotonic()
    with running(app, patience=Patience(drain=0.5)) as server, Client() as client:
        client.get(server.url + "hang")
        client.get(server.url + "short")
    assert sorted(seen) == ["cancelled", "short"]
    assert 0.3 < time.monotonic() - began < 5


def test_uploads_are_closed_by_then_so_that_they_are_saved_before(
    tmp_path: Path, errors: pytest.LogCaptureFixture
) -> None:
    app, seen = App(), list[bytes]()

    @app.post("/")
    def upload(request: Request) -> str:
        photo: Any = request.files["photo"]
        photo.save(tmp_path / "saved")
        request.after_answer(photo.read)
        request.after_answer(lambda path: seen.append(path.read_bytes()), tmp_path / "saved")
        return ""

    with Client(app=app) as client:
        client.post(HOME, files={"photo": ("a.txt", b"content", "text/plain")})
    assert seen == [b"content"]
    assert "read() failed" in errors.text


def test_without_tasks_it_is_done_at_once() -> None:
    seen: list[str] = []

    async def in_thread(work: Callable[[], Any]) -> Any:
        return work()

    async def waiting() -> None:
        seen.append("waiting")

    async def hanging() -> None:
        await asyncio.sleep(1)

    request = Request.received(("GET", "/", Headers([]), "1.1"), b"", Received())
    request.after_answer(seen.append, "plain")
    request.after_answer(hanging)
    request.after_answer(waiting)
    Afterwards(in_thread).begin(request)  # type: ignore[arg-type]
    assert seen == ["plain", "waiting"]


def test_under_another_server_by_asgi() -> None:
    seen: list[Any] = []
    face = AsgiFace(noting_app(seen))
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/plain",
        "raw_path": b"/plain", "query_string": b"", "headers": [(b"host", b"localhost")],
        "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def main() -> None:
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request"}

        async def say(message: Any) -> None:
            said.append(message)

        async def gone(message: Any) -> None:
            raise OSError("the client is gone")

        await face(scope, receive, say)
        assert said[-1]["body"] == b"done"
        assert seen == []
        with pytest.raises(OSError, match="gone"):
            await face(scope, receive, gone)
        life = asyncio.Queue[Any]()
        life.put_nowait({"type": "lifespan.startup"})
        life.put_nowait({"type": "lifespan.shutdown"})
        await face({"type": "lifespan"}, life.get, say)
        assert sorted(seen) == sorted(BOTH * 2)

    asyncio.run(main())
