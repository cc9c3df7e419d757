"""Filters and waiting: who sees what, in which order, and who is told of an error."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from functools import partial

import pytest

from crlf.flow.budget import Budget
from crlf.flow.filters import filtered
from crlf.flow.filters import pause as wait_for
from crlf.flow.run import run_sync
from crlf.message.errors import CrlfError, ReadFailed, ReadTimeout, TotalTimeout
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork
from crlf.net.scripted import FakeClock, ScriptedNetwork
from crlf.rules.deadlines import Timeout
from crlf.rules.filters import After, Filter

Steps = Generator[Request | After, Response, Response]
REQUEST = Request("GET", "http://a.example/", {"host": "a.example"})


def answer(request: Request) -> Response:
    """Answer with the path that a request goes, which filters have noted in a field."""
    return Response(200, content=request.headers.get("way", "").encode())


async def send(request: Request) -> Response:
    return answer(request)


def noting(name: str, log: list[str]) -> Filter:
    """A filter that says when it comes to its turn."""

    def steps(request: Request) -> Steps:
        log.append(f"{name} asks")
        try:
            response = yield request.with_field("way", request.headers.get("way", "") + name)
        finally:
            log.append(f"{name} is done")
        return response.with_content(response.content + name.encode())

    return steps


def test_without_filters_a_request_is_just_sent() -> None:
    assert run_sync(filtered((), REQUEST, send)).content == b""


def test_the_first_filter_is_the_outermost() -> None:
    log: list[str] = []
    filters = [noting(name, log) for name in "abc"]
    response = run_sync(filtered(filters, REQUEST, send))
    assert response.content == b"abc" + b"cba"
    assert log == ["a asks", "b asks", "c asks", "c is done", "b is done", "a is done"]


def test_a_filter_may_answer_by_itself() -> None:
    sent: list[Request] = []

    async def noted(request: Request) -> Response:
        sent.append(request)
        return answer(request)

    def refusing(request: Request) -> Steps:
        return Response(403)
        yield

    log: list[str] = []
    response = run_sync(filtered([noting("a", log), refusing, noting("b", log)], REQUEST, noted))
    assert response.status_code == 403
    assert response.content == b"a"
    assert sent == []
    assert log == ["a asks", "a is done"]


def test_a_filter_may_ask_again_and_those_below_see_each_request() -> None:
    log: list[str] = []

    def again(request: Request) -> Steps:
        contents = []
        for number in range(3):
            response = yield request.with_field("way", str(number))
            contents.append(response.content)
        return response.with_content(b" ".join(contents))

    response = run_sync(filtered([again, noting("b", log)], REQUEST, send))
    assert response.content == b"0bb 1bb 2bb"
    assert log == ["b asks", "b is done"] * 3


def test_a_filter_is_told_of_an_error_below_it_and_may_go_on() -> None:
    asked: list[str] = []

    async def failing(request: Request) -> Response:
        asked.append(request.headers.get("way", ""))
        if len(asked) < 3:
            raise ReadTimeout("slow", phase="read")
        return answer(request)

    def retrying(request: Request) -> Steps:
        while True:
            try:
                return (yield request.with_field("way", f"{len(asked)}"))
            except ReadTimeout:
                continue

    log: list[str] = []
    response = run_sync(filtered([retrying, noting("b", log)], REQUEST, failing))
    assert response.content == b"2bb"
    assert asked == ["0b", "1b", "2b"]
    assert log == ["b asks", "b is done"] * 3


@pytest.mark.parametrize("fault", [ReadFailed("gone"), ZeroDivisionError("theirs"), OSError(5)])
def test_an_error_that_nobody_wants_comes_out_as_it_is(fault: Exception) -> None:
    async def failing(request: Request) -> Response:
        raise fault

    log: list[str] = []
    with pytest.raises(type(fault)) as caught:
        run_sync(filtered([noting("a", log), noting("b", log)], REQUEST, failing))
    assert caught.value is fault
    assert log == ["a asks", "b asks", "b is done", "a is done"]


def test_an_error_may_become_another() -> None:
    async def failing(request: Request) -> Response:
        raise ReadFailed("gone")

    def translating(request: Request) -> Steps:
        try:
            return (yield request)
        except CrlfError:
            return Response(502)

    assert run_sync(filtered([translating], REQUEST, failing)).status_code == 502


def test_what_a_filter_raises_is_told_to_those_above() -> None:
    def breaking(request: Request) -> Steps:
        yield request
        raise ReadFailed("a filter's own")

    told: list[str] = []

    def watching(request: Request) -> Steps:
        try:
            return (yield request)
        except ReadFailed as fault:
            told.append(fault.reason)
            raise

    with pytest.raises(ReadFailed, match="own"):
        run_sync(filtered([watching, breaking], REQUEST, send))
    assert told == ["a filter's own"]


def test_a_cancelled_flow_closes_its_filters() -> None:
    log: list[str] = []

    async def for_ever(request: Request) -> Response:
        await asyncio.sleep(60)
        return answer(request)

    async def story() -> None:
        filters = [noting("a", log), noting("b", log)]
        task = asyncio.create_task(filtered(filters, REQUEST, for_ever))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert log == ["a asks", "b asks", "b is done", "a is done"]


# --- waiting ------------------------------------------------------------------------------------


def patient(seconds: float) -> Filter:
    """A filter that wants a pause before its second request, and says what came of it."""

    def steps(request: Request) -> Steps:
        first = yield request
        try:
            second = yield After(seconds, request.with_field("way", "second"))
        except TotalTimeout as fault:
            return first.with_content(f"{fault.phase}: {fault.reason}".encode())
        return second

    return steps


def test_a_pause_is_made_between_two_requests() -> None:
    clock = FakeClock()
    network = ScriptedNetwork([], clock)
    times: list[float] = []

    async def timed(request: Request) -> Response:
        times.append(clock.now())
        return answer(request)

    pause = partial(wait_for, network, Budget(Timeout(total=60), clock.now))
    response = run_sync(filtered([patient(7)], REQUEST, timed, pause))
    assert response.content == b"second"
    assert times[1] - times[0] == 7


def test_a_pause_that_does_not_fit_is_refused_at_once() -> None:
    clock = FakeClock()
    network = ScriptedNetwork([], clock)
    began = clock.now()
    pause = partial(wait_for, network, Budget(Timeout(total=5), clock.now))
    response = run_sync(filtered([patient(5)], REQUEST, send, pause))
    assert response.content == b"pause: no time for a pause of 5 s: 5 s are left of 5"
    assert clock.now() == began


def test_where_nobody_waits_a_filter_is_told() -> None:
    response = run_sync(filtered([patient(0.001)], REQUEST, send))
    assert response.content.startswith(b"pause: no time")


def test_a_pause_reaches_a_filter_below_another() -> None:
    network = BlockingNetwork()
    pause = partial(wait_for, network, Budget(Timeout(total=None), network.now))
    began = network.now()
    log: list[str] = []
    response = run_sync(filtered([noting("a", log), patient(0.02)], REQUEST, send, pause))
    assert response.content == b"seconda"
    assert network.now() - began >= 0.02


def test_a_pause_on_a_loop_leaves_the_loop_to_others() -> None:
    async def story() -> list[str]:
        network = AioNetwork()
        pause = partial(wait_for, network, Budget(Timeout(), network.now))
        log: list[str] = []

        async def beside() -> None:
            await asyncio.sleep(0.005)
            log.append("beside")

        task = asyncio.create_task(beside())
        await filtered([patient(0.03)], REQUEST, send, pause)
        log.append("paused")
        await task
        return log

    assert asyncio.run(story()) == ["beside", "paused"]


def test_a_pause_that_is_cancelled_closes_its_filters() -> None:
    log: list[str] = []

    async def story() -> None:
        network = AioNetwork()
        pause = partial(wait_for, network, Budget(Timeout(total=None), network.now))
        filters = [noting("a", log), patient(3600)]
        task = asyncio.create_task(filtered(filters, REQUEST, send, pause))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert log == ["a asks", "a is done"]
