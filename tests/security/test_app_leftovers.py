"""What requests leave behind, attacked: variables, bodies, tasks, threads, descriptors."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crlf import App, Client, running
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.deadlines import Patience
from crlf.server import events, stream

pytestmark = pytest.mark.timeout(60)

WHO = contextvars.ContextVar("WHO", default="nobody")
Answer = Callable[[Request], Awaitable[Response]]


def until(check: Callable[[], object], seconds: float = 8.0) -> None:
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.02)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


# -- variables of one request


def naming() -> App:
    app = App(sessions=False, csrf=False)

    @app.get("/async/{name}")
    async def awaited(request: Request, name: str) -> str:
        before = WHO.get()
        WHO.set(name)
        await asyncio.sleep(0)
        return f"{before} {WHO.get()}"

    @app.get("/def/{name}")
    def plain(request: Request, name: str) -> str:
        before = WHO.get()
        WHO.set(name)
        return f"{before} {WHO.get()}"

    @app.get("/raises/{name}")
    async def raises(request: Request, name: str) -> str:
        WHO.set(name)
        raise ValueError

    @app.get("/streams/{name}")
    async def streams(request: Request, name: str) -> object:
        async def pieces() -> AsyncIterator[bytes]:
            yield WHO.get().encode()
            WHO.set(name)

        return stream(pieces())

    return app


def setting_filter(request: Request) -> Generator[Request, Response, Response]:
    WHO.set("filter")
    return (yield request)


def setting_steps(request: Request) -> Generator[Request, Response, Response]:
    WHO.set("steps")
    return (yield request)


async def setting_around(request: Request, answer: Answer) -> Response:
    WHO.set("around")
    return await answer(request)


@pytest.mark.parametrize("layer", ["none", "filter", "steps", "around"])
def test_no_request_sees_what_another_has_set(layer: str) -> None:
    """On one connection, one after the other, and on many at once."""
    app = naming()
    if layer == "filter":
        app.filter(setting_filter)
    elif layer != "none":
        app.around(setting_steps if layer == "steps" else setting_around)
    mine = "nobody" if layer == "none" else layer

    def visit(number: int) -> list[str]:
        with Client(base_url=url) as client:
            seen = []
            for turn in range(3):
                for kind in ("async", "def", "raises", "async", "streams", "def"):
                    name = f"{kind}-{number}-{turn}"
                    text = client.get(f"/{kind}/{name}").text
                    if kind in ("async", "def"):
                        assert text.endswith(f" {name}"), text
                        seen.append(text.partition(" ")[0])
                    elif kind == "streams":
                        seen.append(text)
            return seen

    with running(app) as server:
        url = str(server.url)
        with ThreadPoolExecutor(8) as pool:
            for seen in pool.map(visit, range(8)):
                assert set(seen) == {mine}


# -- visitors who are gone, and work that does not end


class Pieces:
    """An iterator that says when it was closed."""

    def __init__(self, closed: list[str], name: str) -> None:
        self._closed = closed
        self._name = name

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return b"x" * 10_000

    def close(self) -> None:
        self._closed.append(self._name)


@pytest.mark.parametrize("kind", ["async", "def", "stream"])
def test_a_hundred_visitors_who_left_leave_nothing(kind: str) -> None:
    app, closed = App(sessions=False), list[str]()

    @app.get("/async")
    async def telling(request: Request) -> object:
        async def source() -> AsyncIterator[str]:
            try:
                while True:
                    yield "news"
                    await asyncio.sleep(0.05)
            finally:
                closed.append("async")

        return events(source())

    @app.get("/def")
    def telling_plain(request: Request) -> object:
        def source() -> Iterator[str]:
            try:
                while True:
                    yield "news"
                    time.sleep(0.02)
            finally:
                closed.append("def")

        return events(source())

    @app.get("/stream")
    def streaming(request: Request) -> object:
        return stream(Pieces(closed, "stream"))

    @app.get("/tasks")
    async def tasks(request: Request) -> str:
        return str(len(asyncio.all_tasks()))

    with running(app) as server, Client(base_url=server.url) as client:
        before = int(client.get("/tasks").text), descriptors()
        visitors = []
        for _ in range(100):
            visitor = socket.create_connection(("127.0.0.1", server.port), 5)
            visitor.sendall(f"GET /{kind} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            visitors.append(visitor)
        for visitor in visitors:
            assert visitor.recv(12) == b"HTTP/1.1 200"
        assert client.get("/tasks").status_code == 200
        for visitor in visitors:
            visitor.close()
        until(lambda: len(closed) == 100, 20)
        until(lambda: int(client.get("/tasks").text) <= before[0], 20)
        until(lambda: descriptors() <= before[1], 20)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("crlf-work")]


def test_work_after_the_answer_holds_up_neither_pages_nor_the_end() -> None:
    app, ended = App(sessions=False, csrf=False), list[str]()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def deaf() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        ended.append("deaf")

    @app.post("/")
    async def leave(request: Request) -> str:
        request.after_answer(forever)
        return "left"

    @app.post("/deaf")
    async def leave_deaf(request: Request) -> str:
        request.after_answer(deaf)
        return "left"

    with running(app, patience=Patience(drain=0.5)) as server:
        with Client(base_url=server.url) as client:
            for path in ("/", "/deaf") * 10:
                assert client.post(path).text == "left"
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert sorted(ended) == ["deaf"] * 10 + ["ended"] * 10


def test_what_a_refused_or_broken_page_left_for_later_is_as_it_says() -> None:
    """Work of a page that broke is dropped, as what it changed is; a refusal is an answer."""
    app, done = App(sessions=False, csrf=False), list[str]()

    @app.get("/{how}")
    def leave(request: Request, how: str) -> Any:
        request.after_answer(done.append, how)
        if how == "broken":
            raise ValueError
        if how == "mistaken":
            return object()
        return how

    with Client(app=app, base_url="http://localhost") as client:
        for how in ("broken", "mistaken", "whole"):
            client.get(f"/{how}")
        until(lambda: done)
    assert done == ["whole"]
