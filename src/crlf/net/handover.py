"""What a thread of a pool hands to its loop: things one after the other, content with a bound.

One thread says, one flow hears, in the same order. Its law: who says content faster than it is
taken waits in the thread, and the loop never does; when nobody hears any more, saying content
raises Gone.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Final, Generic, TypeVar

from crlf.net.workpool import WorkPool

T = TypeVar("T")

AHEAD: Final = 256 * 1024  # bytes that may wait to be taken while the thread makes more


class Gone(Exception):
    """Nobody hears any more."""


class Handover(Generic[T]):
    """From one thread to one flow."""

    __slots__ = ("_put", "_room", "_said", "_taken", "_waiting", "is_gone", "pool")

    def __init__(self, pool: WorkPool) -> None:
        self.pool = pool
        self._said: deque[T] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._room: threading.Event | None = None  # set when content was taken; few need one
        self._put = self._taken = 0  # bytes of content: said by the thread, taken by the flow
        self.is_gone = False

    # -- in the thread

    def say(self, thing: T) -> None:
        """Hand something over."""
        self._said.append(thing)
        self.pool.tell(self._news)

    def say_content(self, thing: T, size: int) -> None:
        """Hand some content over; return when little enough of it waits. Raises Gone."""
        if self.is_gone:
            raise Gone
        self._put += size
        self.say(thing)
        while self._put - self._taken > AHEAD and not self.is_gone:
            if self._room is None:
                self._room = threading.Event()
            self._room.clear()
            if self._put - self._taken > AHEAD and not self.is_gone:
                self._room.wait()

    # -- on the loop

    async def heard(self) -> T:
        """Return the next thing, waiting for it."""
        while not self._said:
            self._waiting = self.pool.loop.create_future()
            await self._waiting
        return self._said.popleft()

    def took(self, size: int) -> None:
        """Note that so many bytes of content are out, so that there is room for more."""
        self._taken += size
        if self._room is not None:
            self._room.set()

    def leave(self) -> None:
        """Hear nothing more. May be called twice."""
        self.is_gone = True
        if self._room is not None:
            self._room.set()

    def _news(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
