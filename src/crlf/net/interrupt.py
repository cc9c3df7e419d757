"""Interrupt: ends a wait of the Task that made it, when nobody can be glad of its outcome any more.

A program may wait for hours for the next piece of an answer, and meanwhile the client goes. What
it waits in is its own, so that a deadline of ours is not seen there; a cancelled Task is. Its
law: it strikes once, and only its own Task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Interrupt:
    """Cancels the present Task, some time after `begin`, unless something moves.

    has_struck: it did; the CancelledError that comes is ours.
    """

    __slots__ = ("_moved", "_seconds", "_seen", "_task", "_timer", "has_struck")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0
        self._moved: Callable[[], int] = int
        self._seen = 0
        self.has_struck = False

    def begin(self, seconds: float, moved: Callable[[], int]) -> None:
        """Strike when nothing moves for so long. moved: gives another number when something has."""
        if self._task is not None:
            self._seconds, self._moved, self._seen = seconds, moved, moved()
            self._timer = self._task.get_loop().call_later(seconds, self._look)

    def stop(self) -> None:
        """Strike no more."""
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        task = self._task
        if task is None:
            return
        if self._moved() != self._seen:
            self.begin(self._seconds, self._moved)
            return
        self.has_struck = True
        task.cancel()


def is_cancelled() -> bool:
    """Tell whether somebody has asked the present Task to end."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
