"""Gathering: so many at once and no more, results as they come, and nothing left when it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from contextvars import ContextVar
from typing import Any

import pytest

from crlf import App, running
from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.client.gathering import gather, gather_async
from crlf.client.options import RequestOptions
from crlf.message.errors import BadUrl, ReadTimeout
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net import tasks, threads
from crlf.rules.deadlines import Timeout


class Watch:
    """How many are inside at once, and at most."""

    def __init__(self) -> None:
        self.now = self.most = self.begun = 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.begun += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def make_app(watch: Watch) -> App:
    app = App()

    @app.get("/{name}")
    async def number(request: Request, name: str) -> Response:
        with watch:
            await asyncio.sleep(0.3 if name == "slow" else 0.01)
            return Response(200, {}, request.headers.get("x-mark", "") + name)

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(200, {}, request.headers.get("x-mark", "").encode() + request.content)

    return app


def play(asked: list[Any], **more: Any) -> tuple[list[Any], Watch]:
    """Gather over sockets in both colours, demand equal results, and return them by order asked."""
    options: RequestOptions = more.pop("options", {})
    watch = Watch()
    with running(make_app(watch)) as server:
        there = f"http://127.0.0.1:{server.port}/"

        def placed(one: Any) -> Any:
            if isinstance(one, str):
                return one.replace("http://here/", there)
            return one(there)

        wanted = [placed(one) for one in asked]

        def shown(results: list[tuple[Any, Any]]) -> list[str]:
            found = [(wanted.index(one), outcome) for one, outcome in results]
            assert len({index for index, _ in found}) == len(wanted)
            return [
                outcome.text if isinstance(outcome, Response) else type(outcome).__name__
                for _, outcome in sorted(found, key=lambda pair: pair[0])
            ]

        with Client(timeout=Timeout(connect=2)) as client:
            one = shown(list(gather(client, wanted, options, **more)))

        async def waiting() -> list[str]:
            async with AsyncClient(timeout=Timeout(connect=2)) as client:
                results = gather_async(client, wanted, options, **more)
                return shown([result async for result in results])

        assert asyncio.run(waiting()) == one
    return one, watch


def test_each_is_asked_once_and_comes_with_its_answer() -> None:
    assert play([f"http://here/{n}" for n in range(25)])[0] == [str(n) for n in range(25)]


def test_no_more_than_so_many_are_under_way() -> None:
    _, watch = play([f"http://here/{n}" for n in range(20)], at_once=3)
    assert 2 <= watch.most <= 3


def test_one_at_a_time_is_a_plain_loop() -> None:
    _, watch = play([f"http://here/{n}" for n in range(5)], at_once=1)
    assert watch.most == 1


def test_an_error_is_a_result() -> None:
    results, _ = play(["http://here/1", "http://127.0.0.1:1/", "nonsense", "http://here/2"])
    assert results == ["1", "ConnectFailed", "BadUrl", "2"]


def test_urls_and_requests_may_be_asked_for_and_options_are_for_all() -> None:
    asked = [
        "http://here/1",
        lambda there: URL(there + "2"),
        lambda there: Request("POST", there + "echo", content=b"hi"),
        lambda there: Request("POST", there + "echo", {"x-mark": "own-"}, b"hi"),
    ]
    results, _ = play(asked, options={"headers": {"x-mark": "all-"}})
    assert results == ["all-1", "all-2", "all-hi", "own-hi"]


def test_results_come_as_they_are_done() -> None:
    with running(make_app(Watch())) as server, Client() as client:
        there = f"http://127.0.0.1:{server.port}/"
        urls = [there + name for name in ("slow", "a", "b", "c")]
        order = [url.removeprefix(there) for url, _ in gather(client, urls, {}, at_once=2)]
    assert order[-1] == "slow"


def test_progress_is_told_before_each_result() -> None:
    told: list[tuple[int, int | None]] = []
    with Client(app=make_app(Watch())) as client:
        urls = ["http://a.example/1", "http://a.example/2"]
        for count, _ in enumerate(
            gather(client, urls, {}, on_progress=lambda *now: told.append(now)), 1
        ):
            assert told[-1] == (count, 2)
        list(gather(client, iter(urls), {}, on_progress=lambda *now: told.append(now)))
    assert told == [(1, 2), (2, 2), (1, None), (2, None)]


# --- what is asked for is taken lazily ----------------------------------------------------------


def test_an_iterable_is_taken_from_only_as_far_as_needed_and_in_the_callers_thread() -> None:
    taken: list[threading.Thread] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            taken.append(threading.current_thread())
            yield number
            number += 1

    with closing(threads.as_they_come(lambda n: n * n, endless(), 4)) as results:
        found = [next(results) for _ in range(10)]
        assert all(square == number * number for number, square in found)
        assert len(taken) <= 14
    assert set(taken) == {threading.current_thread()}


def test_an_asynchronous_iterable_that_is_slow_holds_no_result_back() -> None:
    async def slowly() -> AsyncIterator[str]:
        yield "first"
        await asyncio.sleep(0.2)
        yield "second"

    async def work(name: str) -> float:
        await asyncio.sleep(0)
        return time.monotonic()

    async def story() -> list[float]:
        began = time.monotonic()
        seen = []
        async for name, _ in tasks.as_they_come(work, slowly(), 5):
            seen.append((name, time.monotonic() - began))
        assert [name for name, _ in seen] == ["first", "second"]
        return [when for _, when in seen]

    first, second = asyncio.run(story())
    assert first < 0.1 < second


def test_an_asynchronous_iterable_is_bounded_too() -> None:
    watch, taken = Watch(), 0

    async def many() -> AsyncIterator[int]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield number

    async def work(number: int) -> None:
        with watch:
            await asyncio.sleep(0.001)

    async def story() -> int:
        count = 0
        async for _ in tasks.as_they_come(work, many(), 4):
            count += 1
            assert taken <= count + 4
        return count

    assert asyncio.run(story()) == 30
    assert watch.most == 4


@pytest.mark.parametrize("at_once", [1, 3])
def test_nothing_asked_for_is_nothing_done(at_once: int) -> None:
    async def story() -> list[object]:
        none: list[float] = []
        return [result async for result in tasks.as_they_come(asyncio.sleep, none, at_once)]

    assert asyncio.run(story()) == []
    assert list(threads.as_they_come(time.sleep, [], at_once)) == []


# --- leaving ------------------------------------------------------------------------------------


def test_leaving_early_in_threads_begins_nothing_more_and_leaves_no_thread() -> None:
    watch = Watch()

    def work(number: int) -> int:
        with watch:
            time.sleep(0.01)
            return number

    before = set(threading.enumerate())
    for _ in threads.as_they_come(work, range(1000), 4):
        break
    assert set(threading.enumerate()) == before
    begun = watch.begun
    assert begun <= 5
    time.sleep(0.05)
    assert watch.begun == begun


def test_leaving_early_on_a_loop_cancels_the_rest() -> None:
    watch = Watch()

    async def story() -> None:
        async with AsyncClient(app=make_app(watch)) as client:
            urls = ["http://a.example/fast", *["http://a.example/slow"] * 20]
            began = time.monotonic()
            results = gather_async(client, urls, {}, at_once=5)
            async with aclosing(results):  # type: ignore[type-var]
                async for _ in results:
                    break
            assert time.monotonic() - began < 0.2
            assert len(asyncio.all_tasks()) <= 6, "this one, and what serves in memory"
            assert client._core._pool._ledger.total == 1, "the idle connection of the first"

    asyncio.run(story())
    assert watch.begun <= 6


def test_a_cancelled_gathering_cancels_its_tasks() -> None:
    async def story() -> None:
        async with AsyncClient(app=make_app(Watch())) as client:

            async def read() -> None:
                async for _ in gather_async(client, ["http://a.example/slow"] * 5, {}):
                    pass

            task = asyncio.create_task(read())
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)
            assert client._core._pool._ledger.total == 0

    asyncio.run(story())


def test_what_is_no_error_of_ours_ends_it_all() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ZeroDivisionError
        return number

    async def waiting(number: int) -> int:
        await asyncio.sleep(0)
        return work(number)

    async def story() -> None:
        async for _ in tasks.as_they_come(waiting, range(100), 4):
            pass

    with pytest.raises(ZeroDivisionError):
        list(threads.as_they_come(work, range(100), 4))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(story())


def test_what_the_iterable_raises_comes_out() -> None:
    def breaking() -> Iterator[int]:
        yield 1
        raise LookupError

    async def breaking_async() -> AsyncIterator[int]:
        yield 1
        raise LookupError

    async def story(things: Any) -> None:
        async for _ in tasks.as_they_come(asyncio.sleep, things, 4):
            pass

    with pytest.raises(LookupError):
        list(threads.as_they_come(abs, breaking(), 4))
    for things in (breaking(), breaking_async()):
        with pytest.raises(LookupError):
            asyncio.run(story(things))


MARK: ContextVar[str] = ContextVar("mark", default="")


def test_context_variables_are_those_of_the_caller() -> None:
    MARK.set("here")
    results = threads.as_they_come(lambda _: MARK.get(), range(3), 2)
    assert [mark for _, mark in results] == ["here"] * 3


def test_what_makes_no_sense_is_refused_at_once() -> None:
    with Client(app=make_app(Watch())) as client:
        with pytest.raises(ValueError, match="1 or more"):
            gather(client, [], {}, at_once=0)
        with pytest.raises(TypeError, match="several"):
            gather(client, "http://a.example/", {})


def test_each_request_has_its_own_deadline() -> None:
    with Client(app=make_app(Watch())) as client:
        options: RequestOptions = {"timeout": Timeout(read=0.1)}
        urls = ["http://a.example/slow", "http://a.example/1", "no url"]
        results = dict(gather(client, urls, options, at_once=2))
    slow = results["http://a.example/slow"]
    assert isinstance(slow, ReadTimeout)
    assert slow.request is not None
    assert isinstance(results["http://a.example/1"], Response)
    assert isinstance(results["no url"], BadUrl)
