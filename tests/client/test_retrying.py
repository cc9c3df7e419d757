"""Retries of a client, in both colours, over memory and sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from crlf import App, running
from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.errors import ConnectFailed, ReadTimeout
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.deadlines import Timeout
from crlf.rules.retries import Retry

pytestmark = pytest.mark.rfc("9112", "9.3.1")

BUSY = Retry(attempts=4, statuses=frozenset({503}), first_wait=0.001)


class Shop:
    """An application that is busy a few times before it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, bytes]] = []
        self.busy = 2
        self.headers: dict[str, str] = {}
        self.app = App()
        self.app.get("/")(self.answer)
        self.app.put("/")(self.answer)
        self.app.post("/")(self.answer)

    async def answer(self, request: Request) -> Response:
        self.asked.append((time.monotonic(), request.content))
        if len(self.asked) <= self.busy:
            return Response(503, self.headers, b"busy" * 1000)
        return Response(200, {}, b"here you are")


def both(
    blocking: Callable[[Client, str, Shop], object],
    waiting: Callable[[AsyncClient, str, Shop], Awaitable[object]],
    *,
    in_memory_only: bool = False,
    **options: Any,
) -> list[object]:
    """Do the same in four ways, each with a shop of its own; return what each gave."""
    results: list[object] = []

    async def on_loop(shop: Shop, url: str, **more: Any) -> None:
        async with AsyncClient(**options, **more) as client:
            results.append(await waiting(client, url, shop))
            assert client._core._pool._ledger.total <= 1

    def off_loop(shop: Shop, url: str, **more: Any) -> None:
        with Client(**options, **more) as client:
            results.append(blocking(client, url, shop))
            assert client._core._pool._ledger.total <= 1

    shop = Shop()
    off_loop(shop, "http://a.example/", app=shop.app)
    shop = Shop()
    asyncio.run(on_loop(shop, "http://a.example/", app=shop.app))
    if in_memory_only:
        return results
    for play in (off_loop, lambda shop, url: asyncio.run(on_loop(shop, url))):
        shop = Shop()
        with running(shop.app) as server:
            play(shop, f"http://127.0.0.1:{server.port}/")
    return results


def test_a_busy_server_is_asked_again() -> None:
    def told(response: Response, shop: Shop) -> object:
        return response.text, response.extras["attempts"], len(shop.asked)

    async def waiting(client: AsyncClient, url: str, shop: Shop) -> object:
        return told(await client.get(url), shop)

    results = both(lambda client, url, shop: told(client.get(url), shop), waiting, retry=BUSY)
    assert results == [("here you are", 3, 3)] * 4


def test_a_streamed_response_is_the_last_one_and_the_others_are_let_go() -> None:
    def blocking(client: Client, url: str, shop: Shop) -> object:
        with client.stream("GET", url) as response:
            assert client._core._pool._ledger.total == 1
            return response.status_code, response.read(), len(shop.asked)

    async def waiting(client: AsyncClient, url: str, shop: Shop) -> object:
        async with client.stream("GET", url) as response:
            assert client._core._pool._ledger.total == 1
            return response.status_code, await response.read(), len(shop.asked)

    assert both(blocking, waiting, retry=BUSY) == [(200, b"here you are", 3)] * 4


def test_what_is_not_retried_by_default_stays_so() -> None:
    async def waiting(client: AsyncClient, url: str, shop: Shop) -> object:
        return (await client.get(url)).status_code, len(shop.asked)

    def blocking(client: Client, url: str, shop: Shop) -> object:
        return client.get(url).status_code, len(shop.asked)

    assert both(blocking, waiting) == [(503, 1)] * 4


@pytest.mark.rfc("9110", "10.2.3")
def test_retry_after_is_waited_for() -> None:
    def gap(shop: Shop) -> bool:
        return shop.asked[1][0] - shop.asked[0][0] >= 1.0

    def prepared(shop: Shop) -> None:
        shop.busy, shop.headers = 1, {"retry-after": "1"}

    def blocking(client: Client, url: str, shop: Shop) -> object:
        prepared(shop)
        return client.get(url).status_code, gap(shop)

    async def waiting(client: AsyncClient, url: str, shop: Shop) -> object:
        prepared(shop)
        return (await client.get(url)).status_code, gap(shop)

    assert both(blocking, waiting, in_memory_only=True, retry=BUSY) == [(200, True)] * 2


def test_when_there_is_no_time_the_response_comes_at_once() -> None:
    def told(response: Response, began: float) -> object:
        return response.status_code, response.content[:4], time.monotonic() - began < 0.4

    def blocking(client: Client, url: str, shop: Shop) -> object:
        shop.headers = {"retry-after": "1"}
        began = time.monotonic()
        return told(client.get(url), began)

    async def waiting(client: AsyncClient, url: str, shop: Shop) -> object:
        shop.headers = {"retry-after": "1"}
        began = time.monotonic()
        return told(await client.get(url), began)

    results = both(blocking, waiting, retry=BUSY, timeout=0.9)
    assert results == [(503, b"busy", True)] * 4


def test_a_stream_is_sent_once_and_bytes_again() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"once"

    def blocking(client: Client, url: str, shop: Shop) -> object:
        first = client.put(url, content=pieces()).status_code
        assert len(shop.asked) == 1
        second = client.put(url, content=b"many").status_code
        return first, second, [content for _, content in shop.asked]

    async def waiting(client: AsyncClient, url: str, shop: Shop) -> object:
        first = (await client.put(url, content=pieces())).status_code
        assert len(shop.asked) == 1
        second = (await client.put(url, content=b"many")).status_code
        return first, second, [content for _, content in shop.asked]

    assert both(blocking, waiting, retry=BUSY) == [(503, 200, [b"once", b"many", b"many"])] * 4


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give the URL of a port at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"


def attempts_of(url: str, count: int = 1, method: str = "GET", **options: Any) -> list[int]:
    """Ask where nobody is, in both colours; return which attempt each error says it was."""
    found = []
    with Client(**options) as client:
        for _ in range(count):
            with pytest.raises(ConnectFailed) as caught:
                client.request(method, url)
            found.append(caught.value.attempt)

    async def waiting() -> list[int]:
        found = []
        async with AsyncClient(**options) as client:
            for _ in range(count):
                with pytest.raises(ConnectFailed) as caught:
                    await client.request(method, url)
                found.append(caught.value.attempt)
        return found

    assert asyncio.run(waiting()) == found
    return found


def test_by_default_a_request_that_reached_nobody_is_tried_twice(nowhere: str) -> None:
    assert attempts_of(nowhere) == [2]
    assert attempts_of(nowhere, retry=None) == [1]
    assert attempts_of(nowhere, method="POST") == [1]


def test_the_budget_is_that_of_a_client(nowhere: str) -> None:
    found = attempts_of(nowhere, 20, retry=Retry(first_wait=0.0, reserve=3))
    # 3 to begin with, and one for every five requests after the first retry.
    assert found[:3] == [2, 2, 2]
    assert sum(found) - 20 == 3 + 19 // 5


def test_a_policy_of_one_request_counts_for_it_alone(nowhere: str) -> None:
    with Client(retry=None) as client:
        with pytest.raises(ConnectFailed) as caught:
            client.get(nowhere, retry=Retry(attempts=3, first_wait=0.0))
        assert caught.value.attempt == 3
        with pytest.raises(ConnectFailed) as caught:
            client.get(nowhere)
        assert caught.value.attempt == 1


def test_silence_is_retried_only_when_asked() -> None:
    asked: list[int] = []
    app = App()

    @app.get("/")
    async def silent(request: Request) -> Response:
        asked.append(1)
        await asyncio.sleep(0.2 if len(asked) < 2 else 0)
        return Response(200)

    timeout = Timeout(read=0.1)
    with Client(app=app, timeout=timeout) as client, pytest.raises(ReadTimeout):
        client.get("http://a.example/")
    assert len(asked) == 1
    asked.clear()
    retry = Retry(unanswered=True, first_wait=0.0)
    with Client(app=app, timeout=timeout, retry=retry) as client:
        assert client.get("http://a.example/").extras["attempts"] == 2
