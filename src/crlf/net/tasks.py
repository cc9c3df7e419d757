"""Waiting work in a few tasks, its results in the order in which they come.

The asynchronous twin of threads.py. Its law: when the results are no longer wanted, every task
is cancelled and has ended before this has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Things:
    """The things still to be worked on; where they must be waited for, a task waits."""

    def __init__(self, things: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._here: Iterator[Any] | None = None
        self._there: AsyncIterator[Any] | None = None
        if isinstance(things, AsyncIterable):
            self._there = things.__aiter__()
        else:
            self._here = iter(things)
        self.next: Any = None  # the task that waits for the next one
        self.is_over = False

    def take(self) -> tuple[Any] | None:
        """Return the next thing in a tuple, or None when it is not here."""
        if self.is_over:
            return None
        if self._here is not None:
            for thing in self._here:
                return (thing,)
            self.is_over = True
            return None
        if self.next is not None and self.next.done():
            done, self.next = self.next, None
            try:
                return (done.result(),)
            except StopAsyncIteration:
                self.is_over = True
        return None

    def wait(self) -> None:
        """Begin to wait for the next thing, unless that has begun or there are none."""
        import asyncio

        if self._there is not None and self.next is None and not self.is_over:
            self.next = asyncio.ensure_future(_next_of(self._there))


async def within(seconds: float, flow: Awaitable[object]) -> bool:
    """Wait for a flow, and cancel it after so many seconds; tell whether it came to its end."""
    import asyncio

    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await flow
    except TimeoutError:
        return False
    return True


async def unless(
    flow: Awaitable[object], sign: Callable[[], Coroutine[object, object, bool]], delay: float
) -> bool:
    """Run a flow, and cancel it once a sign says true; tell whether it came to its end.

    delay: seconds in which nobody asks for the sign.
    """
    import asyncio

    async def run() -> None:
        await flow

    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(run())]
    running = tasks[0]
    try:
        await asyncio.wait(tasks, timeout=delay)
        if not running.done():
            waiting = asyncio.ensure_future(sign())
            tasks.append(waiting)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not running.done() and waiting.result():
                return False
        await running
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return True


async def _next_of(things: AsyncIterator[T]) -> T:
    return await things.__anext__()


async def as_they_come(
    work: Callable[[T], Awaitable[R]], things: Iterable[T] | AsyncIterable[T], at_once: int
) -> AsyncGenerator[tuple[T, R], None]:
    """Do the work on each thing, on so many at once, and yield each with its result.

    Things are taken when there is room: no more of them are under way, or waiting to be yielded,
    than at_once. What work raises is raised here, and so is what the iterable raises.
    """
    import asyncio

    async def worked_on(thing: T) -> tuple[T, R]:
        return thing, await work(thing)

    source = _Things(things)
    under_way: set[Any] = set()
    finished: deque[Any] = deque()
    try:
        while True:
            while len(under_way) + len(finished) < at_once:
                taken = source.take()
                if taken is None:
                    source.wait()
                    break
                under_way.add(asyncio.ensure_future(worked_on(taken[0])))
            if finished:
                yield finished.popleft().result()
                continue
            awaited = under_way if source.next is None else {*under_way, source.next}
            if not awaited:
                return
            done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            finished.extend(done & under_way)
            under_way -= done
    finally:
        left = [*under_way, *finished] + ([] if source.next is None else [source.next])
        for task in left:
            task.cancel()
        if left:
            # It looks at what each came to, too: a loop reports errors that nobody looked at.
            await asyncio.gather(*left, return_exceptions=True)
