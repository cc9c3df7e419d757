"""The pool: connections kept for the next exchange, and places handed out in turn.

The ledger (rules/ledger.py) does the counting; here are the waiting and the closing. A
connection is either idle in the ledger or in the hands of exactly one exchange, which gives
it back or drops it on every way out, cancellation included. Whoever finds no place takes a
ticket; what becomes free goes to the oldest ticket it fits, directly, so nobody overtakes.
"""

from __future__ import annotations

from collections import deque
from itertools import count

from crlf.flow.budget import Budget
from crlf.flow.connection import Connection
from crlf.flow.dial import Dialler, Route
from crlf.message.errors import PoolTimeout
from crlf.ports import Bell
from crlf.rules.ledger import Ledger, PoolLimits
from crlf.wire.h1.client import ClientEngine

ClientConnection = Connection[ClientEngine]
_CLOSED = "this client is closed"
_FAREWELL = 0.1  # seconds for a last word that the kernel has no room for; the guard is held


class _Ticket:
    """A place in the queue; settled under the pool's guard, waited for at its own bell.

    number: the lower, the longer it has waited. connection: what it was given; None with
    is_settled: permission to open one. is_refused: there will be neither.
    """

    __slots__ = ("bell", "connection", "is_refused", "is_settled", "number")

    def __init__(self, bell: Bell, number: int) -> None:
        self.bell = bell
        self.number = number
        self.connection: ClientConnection | None = None
        self.is_settled = False
        self.is_refused = False

    def settle(self, connection: ClientConnection | None) -> None:
        """Give the waiting exchange a connection, or leave to open one."""
        with self.bell:
            self.connection = connection
            self.is_settled = True
            self.bell.ring()

    async def settled(self, deadline: float | None) -> None:
        """Wait until it is settled or the deadline has passed."""
        with self.bell:
            while not self.is_settled:
                if not await self.bell.wait(deadline):
                    return


class Pool:
    """The connections of one client."""

    def __init__(self, dialler: Dialler, pool_limits: PoolLimits) -> None:
        self.dialler = dialler
        self.network = dialler.network
        self._bell = self.network.new_bell()  # only its guard is used
        self._ledger: Ledger[ClientConnection] = Ledger(pool_limits)  # guarded by bell
        self._queues: dict[Route, deque[_Ticket]] = {}  # guarded by bell; oldest first
        self._numbers = count()  # guarded by bell
        self._is_closed = False  # guarded by bell

    async def take(
        self, route: Route, budget: Budget, *, fresh: bool = False
    ) -> tuple[ClientConnection, bool]:
        """Return a connection and whether it was used before.

        fresh: an idle one turned out dead, so the others of its route are not believed either.

        Raises PoolTimeout and what dialling raises; RuntimeError when closed.
        """
        ticket = None
        with self._bell:
            connection = self._take_idle(route)
            while fresh and connection is not None:
                self._ledger.drop(route)
                connection.leave(self._farewell())
                connection = self._take_idle(route)
            if connection is not None:
                return connection, True
            if route not in self._queues and self._may_open(route):
                self._ledger.opened(route)
            else:
                ticket = _Ticket(self.network.new_bell(), next(self._numbers))
                self._queues.setdefault(route, deque()).append(ticket)
        if ticket is not None:
            connection = await self._queued(route, ticket, budget)
            if connection is not None:
                if not connection.stream.has_arrived():
                    return connection, True
                # As _take_idle does; its place is ours all the same.
                connection.leave(self._farewell())
        try:
            return await self.dialler.dial(route, budget), False
        except BaseException:
            self._forget(route)
            raise

    async def _queued(
        self, route: Route, ticket: _Ticket, budget: Budget
    ) -> ClientConnection | None:
        """Wait for a ticket's turn. Raises PoolTimeout, RuntimeError."""
        began = self.network.now()
        try:
            await ticket.settled(budget.until(budget.timeout.pool))
        except BaseException:
            self._give_up(route, ticket)
            raise
        with self._bell:
            if ticket.is_refused:
                raise RuntimeError(_CLOSED)
            if not ticket.is_settled:
                self._leave_queue(route, ticket)
                raise PoolTimeout(
                    f"no connection to {route.place} became free",
                    phase="pool",
                    seconds=budget.elapsed,
                )
        try:
            budget.note("queue", began, ticket.connection is not None)
        except BaseException:  # of whoever listens
            self._give_up(route, ticket)
            raise
        return ticket.connection

    def _give_up(self, route: Route, ticket: _Ticket) -> None:
        """Leave the queue, or pass on what the ticket was given in the last moment."""
        with self._bell:
            if ticket.is_refused:
                return
            if not ticket.is_settled:
                self._leave_queue(route, ticket)
            elif ticket.connection is not None:
                self.give_back(route, ticket.connection)
            else:
                self._ledger.drop(route)
                self._call_next()

    def _leave_queue(self, route: Route, ticket: _Ticket) -> None:
        queue = self._queues[route]
        queue.remove(ticket)
        if not queue:
            del self._queues[route]

    def _farewell(self) -> float:
        """Until when a peer may take our last word."""
        return self.network.now() + _FAREWELL

    def _take_idle(self, route: Route) -> ClientConnection | None:
        """Return an idle connection on which nothing has happened since, with the guard held."""
        if self._is_closed:
            raise RuntimeError(_CLOSED)
        while True:
            connection, stale = self._ledger.take(route, self.network.now())
            for old in stale:
                old.leave(self._farewell())
            # RFC 9112 9.2: bytes that nobody asked for, or the end: not to be used again.
            if connection is None or not connection.stream.has_arrived():
                return connection
            self._ledger.drop(route)
            connection.leave(self._farewell())

    def _may_open(self, route: Route) -> bool:
        """Whether there is room for one more, if need be in the place of an idle one."""
        if self._ledger.may_open(route):
            return True
        if not self._ledger.has_room_for(route):
            return False
        evicted = self._ledger.evict()
        if evicted is None:
            return False
        evicted.leave(self._farewell())
        return True

    def _in_turn(self) -> list[Route]:
        """List the routes that somebody waits for, the longest wait first."""
        return sorted(self._queues, key=lambda route: self._queues[route][0].number)

    def _next_of(self, route: Route) -> _Ticket:
        queue = self._queues[route]
        ticket = queue.popleft()
        if not queue:
            del self._queues[route]
        return ticket

    def _call_next(self) -> None:
        """Let whoever waits longest open a connection, now that there is room, guard held."""
        for route in self._in_turn():
            if self._may_open(route):
                self._ledger.opened(route)
                self._next_of(route).settle(None)
                return

    def _keep(self, route: Route, connection: ClientConnection) -> None:
        """Hand a connection to the next in its queue, or keep it, with the guard held.

        It is closed when another route has waited longer, and only for room in all: else a
        busy route would keep all others out for ever.
        """
        queues = self._queues
        if not queues:
            self._ledger.keep(route, connection, self.network.now())
            return
        if len(queues) == 1 and route in queues:
            self._next_of(route).settle(connection)
            return
        for waiting in self._in_turn():
            if waiting == route:
                self._next_of(route).settle(connection)
                return
            if self._ledger.has_room_for(waiting):
                self._ledger.drop(route)
                connection.leave(self._farewell())
                self._call_next()
                return
        self._ledger.keep(route, connection, self.network.now())

    def give_back(self, route: Route, connection: ClientConnection) -> None:
        """Keep a connection for the next exchange if it is fit for one; otherwise close it."""
        with self._bell:
            if connection.engine.is_reusable and not self._is_closed:
                self._keep(route, connection)
                return
            self._ledger.drop(route)
            self._call_next()
        connection.leave(self._farewell())

    def drop(self, route: Route, connection: ClientConnection) -> None:
        """Close a connection of which nobody knows any more what it is good for."""
        connection.close()
        self._forget(route)

    def _forget(self, route: Route) -> None:
        with self._bell:
            self._ledger.drop(route)
            self._call_next()

    def close(self) -> None:
        """Close every idle connection and send away who waits for one.

        The connections in use are closed when they come back.
        """
        with self._bell:
            self._is_closed = True
            for queue in self._queues.values():
                for ticket in queue:
                    ticket.is_refused = True
                    ticket.settle(None)
            self._queues.clear()
            for connection in self._ledger.clear():
                connection.leave(self._farewell())
