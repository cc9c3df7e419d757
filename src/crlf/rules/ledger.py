"""The books of a connection pool: who may open one, who gets which, which is too old.

Pure: connections are whatever the pool says they are, time is an argument, waiting and
locking are the pool's. Counting a connection and knowing it are the same thing here, so the
two cannot drift apart: a place is taken by `take` and given up by `keep` or `drop`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from crlf.values import frozen

C = TypeVar("C")


@frozen
class PoolLimits:
    """Bounds on a pool's connections. None is no bound, and has to be written."""

    total: int | None = 100  # aiohttp and httpx 100
    per_host: int | None = 10  # urllib3 10; browsers 6
    idle: float = 15.0  # seconds an unused one is kept: below the servers' usual 60 or 75

    def __post_init__(self) -> None:
        for most in (self.total, self.per_host):
            if most is not None and most < 1:  # every request would wait for one in vain
                raise ValueError(f"a pool has room for 1 connection at least, not {most}")


class Ledger(Generic[C]):
    """Which connections there are, by key, and which of them are idle."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._idle: dict[Hashable, deque[tuple[C, float]]] = {}  # newest last
        self._open: dict[Hashable, int] = {}  # idle ones included
        self.total = 0

    def take(self, key: Hashable, now: float) -> tuple[C | None, list[C]]:
        """Return an idle connection, newest first, or None; and those too old, to be closed."""
        idle = self._idle.get(key)
        if not idle:
            return None, []
        connection, since = idle.pop()
        if now - since <= self._limits.idle:
            return connection, []
        # The newest is too old, so all of them are.
        stale = [connection, *(older for older, _ in idle)]
        idle.clear()
        for _ in stale:
            self.drop(key)
        return None, stale

    def has_room_for(self, key: Hashable) -> bool:
        """Tell whether the limit for one key leaves room for one more."""
        per_host = self._limits.per_host
        return per_host is None or self._open.get(key, 0) < per_host

    def may_open(self, key: Hashable) -> bool:
        """Tell whether both limits leave room for one more."""
        total = self._limits.total
        return (total is None or self.total < total) and self.has_room_for(key)

    def opened(self, key: Hashable) -> None:
        """Count one that is being opened."""
        self._open[key] = self._open.get(key, 0) + 1
        self.total += 1

    def evict(self) -> C | None:
        """Give up an idle connection to make room: of the key that has most, and its oldest.

        One that is its key's last is given up when there are no others. Else a hundred hosts
        that are asked in turn would take each other's only one away, each time.
        """
        most, rich = 0, None
        for key, idle in self._idle.items():
            if idle and self._open[key] > most:
                most, rich = self._open[key], key
        if rich is None:
            return None
        connection, _ = self._idle[rich].popleft()
        self.drop(rich)
        return connection

    def keep(self, key: Hashable, connection: C, now: float) -> None:
        """Take back one that may be used again."""
        idle = self._idle.get(key)
        if idle is None:
            idle = self._idle[key] = deque()
        idle.append((connection, now))

    def drop(self, key: Hashable) -> None:
        """Count one less."""
        left = self._open[key] - 1
        self.total -= 1
        if left:
            self._open[key] = left
        else:
            del self._open[key]
            self._idle.pop(key, None)

    def clear(self) -> list[C]:
        """Forget every idle connection and return them, to be closed."""
        gone = []
        for key, idle in list(self._idle.items()):
            gone += [connection for connection, _ in idle]
            for _ in range(len(idle)):
                idle.popleft()
                self.drop(key)
        return gone
