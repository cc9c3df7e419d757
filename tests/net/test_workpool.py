"""The threads that programs' own work runs in: bounded, woken seldom, never asleep over work."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from crlf.net.handover import AHEAD, Gone, Handover
from crlf.net.workpool import WorkPool

T = TypeVar("T")
pytestmark = pytest.mark.timeout(20)


def with_pool(story: Callable[[WorkPool], Awaitable[T]], threads: int = 4, queue: int = 8) -> T:
    """Live through a story with a pool; it has to end with every thread."""

    async def live() -> T:
        pool = WorkPool(threads, queue)
        try:
            return await story(pool)
        finally:
            assert await pool.close(5)

    return asyncio.run(live())


def test_work_is_done_in_a_thread_and_its_result_comes_back() -> None:
    async def story(pool: WorkPool) -> tuple[int, int]:
        return await pool.run(lambda: 6 * 7), await pool.run(threading.get_ident)

    result, where = with_pool(story)
    assert result == 42
    assert where != threading.get_ident()


def test_what_work_raises_is_raised_where_it_is_awaited() -> None:
    async def story(pool: WorkPool) -> None:
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 // 0)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pool.run(lambda: next(iter(())))
        assert await pool.run(lambda: "goes on") == "goes on"

    with_pool(story)


def test_work_has_the_context_of_who_asked_for_it() -> None:
    name = contextvars.ContextVar("name", default="")

    async def story(pool: WorkPool) -> str:
        name.set("mine")
        return await pool.run(name.get)

    assert with_pool(story) == "mine"


def test_work_that_blocks_holds_up_no_other_while_a_thread_is_free() -> None:
    async def story(pool: WorkPool) -> None:
        gate = threading.Event()
        blocked = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(3)]
        try:
            assert await asyncio.wait_for(pool.run(lambda: "free"), 5) == "free"
            assert not any(task.done() for task in blocked)
        finally:
            gate.set()
        await asyncio.gather(*blocked)
        assert pool.threads <= 4

    with_pool(story)


def test_all_threads_work_at_once_when_all_is_asked_for_at_once() -> None:
    async def story(pool: WorkPool) -> None:
        meeting = threading.Barrier(4, timeout=5)
        await asyncio.gather(*(pool.run(meeting.wait) for _ in range(4)))
        await asyncio.gather(*(pool.run(meeting.wait) for _ in range(4)))  # woken, not started

    with_pool(story)


def test_no_more_threads_than_were_allowed_and_the_rest_waits() -> None:
    async def story(pool: WorkPool) -> None:
        gate, seen = threading.Event(), []

        def work() -> None:
            seen.append(threading.get_ident())
            gate.wait()

        tasks = [asyncio.ensure_future(pool.run(work)) for _ in range(6)]
        give_up = time.monotonic() + 5
        while len(seen) < 4 and time.monotonic() < give_up:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert len(set(seen)) == len(seen) == 4
        assert pool.waiting == 2
        gate.set()
        await asyncio.gather(*tasks)
        assert len(seen) == 6

    with_pool(story)


@pytest.mark.parametrize("queue", [1, 8])
def test_a_full_queue_refuses_at_once_and_takes_again_when_there_is_room(queue: int) -> None:
    async def story(pool: WorkPool) -> None:
        gate, done = threading.Event(), []

        def work() -> None:
            gate.wait()
            done.append(1)

        while pool.threads < 1 or pool.waiting:
            if not pool.waiting:
                assert pool.submit(work)
            await asyncio.sleep(0.001)
        assert all(pool.submit(work) for _ in range(queue))
        assert not pool.submit(work)
        assert pool.submit(work, must=True)
        gate.set()
        while len(done) < queue + 2:
            await asyncio.sleep(0.001)
        assert pool.submit(work)

    with_pool(story, threads=1, queue=queue)


def test_many_small_pieces_of_work_all_get_done_whatever_the_threads_do() -> None:
    async def story(pool: WorkPool) -> None:
        for size in (1, 2, 3, 50, 500):
            for _ in range(20):
                results = await asyncio.gather(
                    *(pool.run(lambda number=number: number) for number in range(size))
                )
                assert results == list(range(size))

    with_pool(story, threads=3)


def test_news_come_in_the_order_in_which_they_were_told() -> None:
    async def story(pool: WorkPool) -> list[int]:
        heard: list[int] = []
        done = asyncio.Event()

        def work() -> None:
            for number in range(1000):
                pool.tell(lambda number=number: heard.append(number))
            pool.tell(done.set)

        pool.submit(work)
        await done.wait()
        return heard

    assert with_pool(story) == list(range(1000))


def test_news_that_fail_do_not_take_the_others_along() -> None:
    async def story(pool: WorkPool) -> None:
        done = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        def work() -> None:
            pool.tell(lambda: 1 // 0)
            pool.tell(done.set)

        pool.submit(work)
        await asyncio.wait_for(done.wait(), 5)

    with_pool(story)


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    async def story(pool: WorkPool) -> None:
        gate, begun = threading.Event(), []
        busy = asyncio.ensure_future(pool.run(gate.wait))
        later = asyncio.ensure_future(pool.run(lambda: begun.append(1)))
        await asyncio.sleep(0.01)
        later.cancel()
        await asyncio.sleep(0)
        gate.set()
        await busy
        await pool.run(lambda: None)
        assert begun == []

    with_pool(story, threads=1)


def test_closing_does_what_waits_and_takes_no_more() -> None:
    async def story() -> None:
        pool, done = WorkPool(2, 100), []
        for _ in range(50):
            pool.submit(lambda: done.append(1))
        assert await pool.close(5)
        assert len(done) == 50
        assert not pool.submit(lambda: None)
        with pytest.raises(RuntimeError):
            await pool.run(lambda: None)

    asyncio.run(story())


def test_closing_does_not_wait_for_ever_for_work_that_hangs() -> None:
    async def story() -> None:
        pool, gate = WorkPool(1), threading.Event()
        pool.submit(gate.wait)
        await asyncio.sleep(0.01)
        assert not await pool.close(0.05)
        gate.set()
        assert await pool.close(5)

    asyncio.run(story())


def test_telling_a_loop_that_is_closed_is_no_error() -> None:
    async def story() -> WorkPool:
        return WorkPool(1)

    asyncio.run(story()).tell(lambda: None)


@pytest.mark.parametrize(("threads", "queue"), [(0, 1), (1, 0), (-1, None)])
def test_a_pool_of_nothing_is_refused(threads: int, queue: int | None) -> None:
    async def story() -> None:
        with pytest.raises(ValueError, match="at least one"):
            WorkPool(threads, queue)

    asyncio.run(story())


# --- handing over --------------------------------------------------------------------------------


def test_who_says_faster_than_is_taken_waits() -> None:
    async def story(pool: WorkPool) -> None:
        handover: Handover[int] = Handover(pool)
        said: list[int] = []

        def work() -> None:
            for number in range(10):
                handover.say_content(number, AHEAD // 2)
                said.append(number)

        pool.submit(work)
        for number in range(10):
            assert await handover.heard() == number
            await asyncio.sleep(0.005)
            assert len(said) <= number + 2
            handover.took(AHEAD // 2)

    with_pool(story)


def test_who_speaks_to_nobody_is_stopped() -> None:
    async def story(pool: WorkPool) -> None:
        handover: Handover[bytes] = Handover(pool)

        def work() -> str:
            try:
                while True:
                    handover.say_content(b"", AHEAD // 4)
            except Gone:
                return "stopped"

        speaking = asyncio.ensure_future(pool.run(work))
        await handover.heard()
        await asyncio.sleep(0.01)
        assert not speaking.done()
        handover.leave()
        assert await asyncio.wait_for(speaking, 5) == "stopped"

    with_pool(story)
