"""Threads for a program's own work: a bounded number of them, fed by a bounded queue.

What a thread costs is not its work but its waking, so there is as little of that as can be: a
thread that wakes takes everything that waits, one after the other, and wakes one more only when
something still waits as it begins; what the threads have to say reaches the loop in one call,
however much it is. Its law: work that blocks holds up no other while a thread is free, and what
the queue has no room for is refused at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")
Work = Callable[[], object]


class WorkPool:
    """Threads of the running event loop, started when they are first needed.

    threads: at most so many. queue: pieces of work that may wait for one of them; None for any
    number. name: what the threads are called.

    Nothing here takes a lock. What is shared are deques, whose steps are whole, and each side
    says what it did before it looks at what the other did.
    """

    def __init__(
        self, threads: int = 32, queue: int | None = None, name: str = "crlf-work"
    ) -> None:
        if threads < 1 or (queue is not None and queue < 1):
            raise ValueError("a pool has at least one thread, and room for one piece of work")
        self.loop = asyncio.get_running_loop()
        self.most = threads
        self.room = queue
        self._name = name
        self._waiting: deque[Work] = deque()
        self._asleep: deque[threading.Lock] = deque()  # of each thread that has nothing to do
        self._is_waking = False  # a thread was woken and has not looked at what waits yet
        self._news: deque[Work] = deque()
        self._is_told = False  # the loop knows that there are news
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()  # guards _threads while one is added
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How much work no thread has begun."""
        return len(self._waiting)

    @property
    def threads(self) -> int:
        """How many threads there are by now."""
        return len(self._threads)

    @property
    def is_here(self) -> bool:
        """Whether it is the running loop's."""
        return self.loop is asyncio.get_running_loop()

    def submit(self, work: Work, *, must: bool = False) -> bool:
        """Let a thread do some work; False when the queue is full, or the pool closed.

        must: take it in any case, as what ends something that has begun. The work raises
        nothing, and tells the loop by itself what came of it.
        """
        if not must and (
            self._is_closed or (self.room is not None and len(self._waiting) >= self.room)
        ):
            return False
        self._waiting.append(work)
        if not self._is_waking:
            self._is_waking = True
            self.loop.call_soon(self._wake)
        return True

    def tell(self, news: Work) -> None:
        """Call something on the loop soon, from any thread; in the order of telling."""
        self._news.append(news)
        # A thread that is about to look at what waits tells them if we come to block.
        if not self._is_waking:
            self._tell_loop()

    async def run(self, work: Callable[[], T]) -> T:
        """Do some work in a thread, with the caller's context variables; return what it returns.

        It waits for a thread however many wait before it: who bounds those that call bounds the
        queue. Cancelled, it is not waited for; before a thread has begun it is not done at all.
        """
        future: asyncio.Future[T] = self.loop.create_future()
        context = contextvars.copy_context()

        def settle(result: T | None, fault: BaseException | None) -> None:
            if future.cancelled():
                return
            if fault is None:
                future.set_result(result)  # type: ignore[arg-type]  # T, where there is no fault
            elif isinstance(fault, StopIteration):
                future.set_exception(RuntimeError("work in a thread raised StopIteration"))
            else:
                future.set_exception(fault)

        def do() -> None:
            if future.cancelled():
                return
            try:
                result = context.run(work)
            except BaseException as fault:
                self.tell(partial(settle, None, fault))  # no name here leads back to it
            else:
                self.tell(partial(settle, result, None))

        if self._is_closed:
            raise RuntimeError("the threads have ended")
        self.submit(do, must=True)
        return await future

    async def close(self, seconds: float | None = None) -> bool:
        """Let the threads end once nothing waits; tell whether all have, after so many seconds.

        Those that have not are busy with work that hangs, and do not keep the process alive.
        """
        self._is_closed = True
        give_up = None if seconds is None else self.loop.time() + seconds
        while self._waiting or any(thread.is_alive() for thread in self._threads):
            if give_up is not None and self.loop.time() >= give_up:
                return False
            self._wake()
            await asyncio.sleep(0.002)
        return True

    # -- in any thread

    def _tell_loop(self) -> None:
        """Let the loop hear what it was not told of yet."""
        if self._news and not self._is_told:
            self._is_told = True
            try:
                self.loop.call_soon_threadsafe(self._hear)
            except RuntimeError:  # the loop is closed: there is nobody left to tell
                self._news.clear()

    def _wake(self) -> None:
        """Let one more thread look at what waits, if there is one."""
        try:
            sleeper = self._asleep.pop()  # the last that fell asleep: its caches are warm
        except IndexError:
            self._is_waking = False
            if len(self._threads) < self.most and self._waiting:
                self._start()
            if not self._is_waking:
                self._tell_loop()
        else:
            self._is_waking = True
            sleeper.release()

    def _start(self) -> None:
        with self._starting:
            if len(self._threads) >= self.most:
                return
            number = len(self._threads) + 1
            thread = threading.Thread(target=self._live, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
        self._is_waking = True
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads; those that are there must do
            self._is_waking = False
            self._threads.remove(thread)

    # -- in the threads

    def _live(self) -> None:
        waiting, asleep = self._waiting, self._asleep
        sleeper = threading.Lock()
        sleeper.acquire()
        while True:
            self._is_waking = False
            self._tell_loop()
            while waiting:
                try:
                    work = waiting.popleft()
                except IndexError:  # another was quicker
                    break
                if waiting and not self._is_waking:
                    self._wake()
                try:
                    work()
                except BaseException as fault:
                    _report(fault)
                del work  # or what it holds would live until the next
            self._tell_loop()
            if self._is_closed:
                return
            asleep.append(sleeper)
            # What came before this thread lay down, and so woke nobody, is seen here.
            if (waiting or self._is_closed) and self._took_back(sleeper):
                continue
            sleeper.acquire()

    def _took_back(self, sleeper: threading.Lock) -> bool:
        """Get up again; False when somebody is about to wake us."""
        try:
            self._asleep.remove(sleeper)
        except ValueError:
            return False
        return True

    # -- on the loop

    def _hear(self) -> None:
        self._is_told = False
        news = self._news
        try:
            for _ in range(len(news)):  # what is told meanwhile has the next turn
                news.popleft()()
        finally:
            if news and not self._is_told:
                self._is_told = True
                self.loop.call_soon(self._hear)


def _report(fault: BaseException) -> None:
    """Log an error that work should have kept to itself."""
    import logging  # nobody owes its loading to work that is as it should be

    logging.getLogger("crlf.server").error("work in a thread failed", exc_info=fault)
