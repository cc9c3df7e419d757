"""An event loop that runs only while a blocking call waits for it.

No thread belongs to it. Whoever calls first drives the loop until its own work is done; other
threads leave their work with the driver, and one of them drives on when the driver leaves.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class PrivateLoop:
    """A loop for blocking flows, made when it is first needed."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._is_driven = False  # guarded by _news
        self._is_closed = False  # guarded by _news
        self._loop: asyncio.AbstractEventLoop | None = None  # guarded by _news; run by the driver

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work to its end, and meanwhile whatever else there is to do on the loop.

        Raises RuntimeError inside a running loop, since a thread runs one at a time.
        """
        try:
            refuse_second_loop()
            with self._news:
                loop = self._opened()
                is_free = not self._is_driven
                self._is_driven = True
        except BaseException:
            work.close()
            raise
        return self._drive(work, loop) if is_free else self._hand_over(work, loop)

    def call(self, work: Callable[[], object]) -> None:
        """Run work that never waits: at once, or as soon as the driver comes to it."""
        with self._news:
            if self._is_driven and self._loop is not None:
                self._loop.call_soon_threadsafe(work)
            else:
                work()

    def close(self, finish: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run finish, then let go of the loop and its threads. May be called twice."""
        refuse_second_loop()
        with self._news:
            while self._is_driven:
                self._news.wait()
            loop, self._loop = self._loop, None
            self._is_closed = True
            self._news.notify_all()
        if loop is None:
            return
        try:
            loop.run_until_complete(finish())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    def _opened(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise RuntimeError("the network in memory is closed")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def _drive(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
        """Run the loop until work is done."""
        task = loop.create_task(work)
        try:
            return loop.run_until_complete(task)
        finally:
            if not task.done():  # KeyboardInterrupt came between
                task.cancel()
            with self._news:
                self._is_driven = False
                self._news.notify_all()

    def _hand_over(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
        """Let the driver run work; drive on when it leaves before that is done."""
        outcome = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            outcome.add_done_callback(self._tell)
            with self._news:
                while self._is_driven and not outcome.done():
                    self._news.wait()
                drives = not outcome.done()
                if drives:
                    self._opened()  # unless it was closed meanwhile
                    self._is_driven = True
            if drives:
                self._drive(settled(outcome), loop)
            return outcome.result()
        except BaseException:
            outcome.cancel()
            raise

    def _tell(self, _: object) -> None:
        with self._news:
            self._news.notify_all()


async def settled(outcome: concurrent.futures.Future[Any]) -> None:
    """Wait until a thread's future is done, however it ends."""
    wrapped = asyncio.wrap_future(outcome)
    await asyncio.wait([wrapped])
    if not wrapped.cancelled():
        wrapped.exception()  # whoever handed the work over raises it; here it has been seen


def refuse_second_loop() -> None:
    """Raise RuntimeError when this thread runs a loop already."""
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(
            "a blocking call inside a running event loop: use AsyncClient and await it,"
            " or run the blocking one by asyncio.to_thread"
        )
