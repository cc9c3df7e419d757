"""One timer for all the deadlines of a loop: a look, a few times a second, at whoever waits.

A wait that almost always ends in time costs no timer of its own this way. Its law: a deadline
that is nearer than the next look brings that look forward.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

_LOOK = 0.25  # seconds between two looks; a far deadline may be late by as much
NEVER = float("inf")


class Watched(Protocol):
    """What waits for something, until a deadline."""

    deadline: float

    def expire(self) -> None:
        """Take note that the deadline has passed."""


class Sweep:
    """Every stream of one loop, every bell's wait, and one timer for all of their deadlines."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: set[Watched] = set()
        self._waits: dict[asyncio.Future[bool], float] = {}  # a future -> when it becomes False
        self._timer: asyncio.TimerHandle | None = None
        self._shared: tuple[str, int] | None = None
        self.next_look = NEVER

    def shared(self, address: tuple[str, int] | None) -> tuple[str, int] | None:
        """Return an address, as one object for all streams in a row that have it."""
        if address != self._shared:
            self._shared = address
        return self._shared

    def add(self, stream: Watched) -> None:
        """Look after a stream from now on."""
        self._streams.add(stream)
        if self._timer is None:
            self._look_at(time.monotonic() + _LOOK)

    def drop(self, stream: Watched) -> None:
        """Forget a stream."""
        self._streams.discard(stream)
        if not self._streams and not self._waits and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.next_look = NEVER

    def watch(self, wait: asyncio.Future[bool], deadline: float) -> None:
        """Give a future the value False when its deadline has passed."""
        self._waits[wait] = deadline
        if self._timer is None:
            self._look_at(min(deadline, time.monotonic() + _LOOK))
        elif deadline < self.next_look:
            self.hasten(deadline)

    def forget(self, wait: asyncio.Future[bool]) -> None:
        """Watch a future no longer, if it was watched."""
        self._waits.pop(wait, None)

    def hasten(self, deadline: float) -> None:
        """Look no later than a deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._look_at(deadline)

    def _look_at(self, moment: float) -> None:
        self.next_look = moment
        self._timer = self._loop.call_later(max(0.0, moment - time.monotonic()), self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for stream in [late for late in self._streams if late.deadline <= now]:
            stream.expire()
        for wait in [late for late, deadline in self._waits.items() if deadline <= now]:
            if not wait.done():
                wait.set_result(False)
        if self._streams or self._waits:
            nearest = min(
                min((stream.deadline for stream in self._streams), default=NEVER),
                min((at for wait, at in self._waits.items() if not wait.done()), default=NEVER),
            )
            self._look_at(max(now + 0.001, min(now + _LOOK, nearest)))
        else:
            self._timer = None
            self.next_look = NEVER
