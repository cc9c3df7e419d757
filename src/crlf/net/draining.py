"""Drain: the news that a server is about to stop, for threads and for event loops.

Whoever answers for long (a stream of events, a poll) is told before anybody waits for him. One
loop begins it; it may be waited for from anywhere. Its law: it comes once, and stays.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class Drain:
    """Whether a server drains (message.facts.Draining); `begin` says so."""

    __slots__ = ("_begun", "_callbacks", "_guard", "_thread_event")

    def __init__(self) -> None:
        self._begun = False
        self._guard = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._thread_event: threading.Event | None = None  # made for the first who blocks

    def __bool__(self) -> bool:
        return self._begun

    def begin(self) -> None:
        """Tell everybody. A second time changes nothing."""
        with self._guard:
            self._begun = True
            callbacks, self._callbacks = self._callbacks, []
        if self._thread_event is not None:
            self._thread_event.set()
        for callback in callbacks:
            callback()

    def wait(self, seconds: float | None = None) -> bool:
        """Block a thread until it drains or so many seconds have passed; tell whether it does."""
        with self._guard:
            if self._begun:
                return True
            if self._thread_event is None:
                self._thread_event = threading.Event()
        return self._thread_event.wait(seconds)

    async def within(self, seconds: float | None = None) -> bool:
        """Wait on the event loop until it drains or so many seconds have passed; tell which."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            loop.call_soon_threadsafe(_finish, future)

        self.on_drain(wake)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return self._begun
        finally:
            self.forget(wake)
        return True

    def on_drain(self, callback: Callable[[], object]) -> None:
        """Call back once when it begins to drain, at once if it has."""
        with self._guard:
            if not self._begun:
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], object]) -> None:
        """Call back no more."""
        with self._guard:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
