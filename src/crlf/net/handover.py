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

    # What most never change stands here and not in each of them; there is one a request.
    is_gone = False
    _put = _taken = 0  # bytes of content: said by the thread, taken by the flow
    _waiting: asyncio.Future[None] | None = None
    _room: threading.Event | None = None  # set when content was taken; few need one

    def __init__(self, pool: WorkPool) -> None:
        self.pool = pool
        self._said: deque[T] = deque()

    # -- in the thread

    def say(self, thing: T) -> None:
        """Hand something over."""
        self._said.append(thing)
        self.pool.tell(self._hear)

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

    def next(self) -> T | None:
        """Return the next thing, None when it is yet to come: await `news` then."""
        return self._said.popleft() if self._said else None

    def news(self) -> asyncio.Future[None]:
        """Return what to wait for while there is nothing, and look again then."""
        self._waiting = waiting = self.pool.loop.create_future()
        if self._said:
            waiting.set_result(None)
        return waiting

    async def heard(self) -> T:
        """Return the next thing, waiting for it."""
        while (thing := self.next()) is None:
            await self.news()
        return thing

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

    def _hear(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
