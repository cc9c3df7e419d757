"""The pool: connections kept for the next exchange, and room made for new ones.

The ledger (rules/ledger.py) does the counting; here are the waiting and the closing. A
connection is either idle in the ledger or in the hands of exactly one exchange, which gives
it back or drops it on every way out, cancellation included.
"""

from __future__ import annotations

from crlf.flow.budget import Budget
from crlf.flow.connection import Connection
from crlf.flow.dial import Route, dial
from crlf.message.errors import PoolTimeout
from crlf.ports import Network
from crlf.rules.ledger import Ledger, PoolLimits
from crlf.wire.h1.client import ClientEngine
from crlf.wire.limits import CLIENT_LIMITS, Limits

ClientConnection = Connection[ClientEngine]


class Pool:
    """The connections of one client."""

    def __init__(
        self, network: Network, pool_limits: PoolLimits, limits: Limits = CLIENT_LIMITS
    ) -> None:
        self.network = network
        self._limits = limits
        self._bell = network.new_bell()
        self._ledger: Ledger[ClientConnection] = Ledger(pool_limits)  # guarded by bell
        self._is_closed = False  # guarded by bell
        self._waiting = 0  # guarded by bell

    async def take(self, route: Route, budget: Budget) -> tuple[ClientConnection, bool]:
        """Return a connection and whether it was used before.

        Raises PoolTimeout, ConnectFailed, ConnectTimeout, TlsFailed.
        """
        deadline = None
        while True:
            with self._bell:
                connection = self._take_idle(route)
                if connection is not None:
                    return connection, True
                if self._ledger.may_open(route) or self._make_room(route):
                    self._ledger.opened(route)
                    break
                if deadline is None:
                    deadline = budget.until(budget.timeout.pool)
                self._waiting += 1
                try:
                    in_time = await self._bell.wait(deadline)
                finally:
                    self._waiting -= 1
            if not in_time:
                raise PoolTimeout(
                    f"no connection to {route.host} became free",
                    phase="pool",
                    seconds=budget.elapsed,
                )
        try:
            return await dial(self.network, route, budget, self._limits), False
        except BaseException:
            self._forget(route)
            raise

    def _take_idle(self, route: Route) -> ClientConnection | None:
        """Return an idle connection on which nothing has happened since, with the guard held."""
        if self._is_closed:
            raise RuntimeError("this client is closed")
        while True:
            connection, stale = self._ledger.take(route, self.network.now())
            for old in stale:
                old.close()
            # RFC 9112 9.2: bytes that nobody asked for, or the end: not to be used again.
            if connection is None or not connection.stream.has_arrived():
                return connection
            self._ledger.drop(route)
            connection.close()

    def _make_room(self, route: Route) -> bool:
        """Close an idle connection elsewhere if only the total stands in the way."""
        evicted = self._ledger.evict()
        if evicted is None:
            return False
        evicted.close()
        return self._ledger.may_open(route)

    def give_back(self, route: Route, connection: ClientConnection) -> None:
        """Keep a connection for the next exchange if it is fit for one; otherwise close it."""
        with self._bell:
            if connection.engine.is_reusable and not self._is_closed:
                self._ledger.keep(route, connection, self.network.now())
            else:
                self._ledger.drop(route)
                connection.close()
            if self._waiting:
                self._bell.ring()

    def drop(self, route: Route, connection: ClientConnection) -> None:
        """Close a connection of which nobody knows any more what it is good for."""
        connection.close()
        self._forget(route)

    def _forget(self, route: Route) -> None:
        with self._bell:
            self._ledger.drop(route)
            if self._waiting:
                self._bell.ring()

    def close(self) -> None:
        """Close every idle connection; the others are closed when they come back."""
        with self._bell:
            self._is_closed = True
            for connection in self._ledger.clear():
                connection.close()
            self._bell.ring()
