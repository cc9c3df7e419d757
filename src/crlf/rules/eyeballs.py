"""Happy Eyeballs: in which order the addresses of a host are tried, and when (RFC 8305).

A host that cannot be reached over IPv6, or whose first machine is down, should cost a quarter
of a second and not a timeout. Its law: no socket and no clock in here; the two networks hand in
the time and do what the race says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

A = TypeVar("A")

ATTEMPT_DELAY = 0.25  # seconds; RFC 8305 8: the Connection Attempt Delay recommended
MIN_DELAY, MAX_DELAY = 0.01, 2.0  # RFC 8305 8: never less, and no more
MOST_TRIED = 32  # addresses of one name; who lists hundreds would have us open hundreds of sockets


def interleaved(candidates: Sequence[tuple[int, A]]) -> list[tuple[int, A]]:
    """Order (family, address) pairs so that families take turns (RFC 8305 4).

    The first stays the first, and within a family the system's order stays (RFC 6724).
    """
    families: dict[int, deque[tuple[int, A]]] = {}
    for candidate in candidates:
        families.setdefault(candidate[0], deque()).append(candidate)
    order = []
    while families:
        for family, waiting in list(families.items()):
            order.append(waiting.popleft())
            if not waiting:
                del families[family]
    return order


def attempt_delay(seconds: float | None, count: int) -> float:
    """Return how long an attempt is alone before the next begins.

    seconds: what is left in all; count: of addresses. When time is short each has its share of
    it, so that none goes untried.
    """
    if seconds is None:
        return ATTEMPT_DELAY
    return min(MAX_DELAY, max(MIN_DELAY, min(ATTEMPT_DELAY, seconds / count)))


class Race(Generic[A]):
    """Which address is tried next, and when; reasons: why attempts failed, each once, in order."""

    def __init__(self, candidates: Sequence[tuple[int, A]], seconds: float | None) -> None:
        self._waiting = deque(interleaved(candidates[:MOST_TRIED]))
        self._delay = attempt_delay(seconds, max(1, len(self._waiting)))
        self._next_at: float | None = None  # None: at once
        self.reasons: dict[str, None] = {}

    def begin(self, now: float) -> tuple[int, A] | None:
        """Take the address to try now; None when it is not time yet, or none is left."""
        if not self._waiting or (self._next_at is not None and now < self._next_at):
            return None
        self._next_at = now + self._delay
        return self._waiting.popleft()

    def pause(self, now: float) -> float | None:
        """Return the seconds until the next attempt begins; None when none is left."""
        if not self._waiting:
            return None
        return 0.0 if self._next_at is None else max(0.0, self._next_at - now)

    def failed(self, reason: str) -> None:
        """Note why an attempt failed. The next one begins at once: nothing is gained by waiting."""
        self.reasons[reason] = None
        self._next_at = None
