"""From a request to its response through the pool: the bottom of a client.

A connection that the server closed just as we wrote to it proves nothing about the request;
when it was a used one and nothing came back, an idempotent request is sent once more
(RFC 9112 9.3.1). Everything else that can be retried is a filter's business.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from crlf.flow.budget import Budget
from crlf.flow.dial import Route
from crlf.flow.exchange import ClientConnection, begin, exchange
from crlf.flow.pool import Pool
from crlf.message.errors import (
    BadUrl,
    BlockedAddress,
    CrlfError,
    LocalError,
    ProtocolError,
    ReadFailed,
    RemoteError,
    TimedOut,
    TooLarge,
    TransportError,
    WriteFailed,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.wire.parts import Data, End, ResponseHead

T = TypeVar("T")
Step = Callable[[ClientConnection, Request, Budget, InThread], Awaitable[T]]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "QUERY"})  # 9110 9.2.2
_LITTLE = 64 * 1024  # bytes of a body that are read so that its connection may live on
_PATIENCE = 0.1  # seconds that they may take


async def send_through(pool: Pool, request: Request, budget: Budget) -> Response:
    """Send a request on a connection of the pool and return its response, whole."""
    route = _route(pool, request, budget)
    connection, response = await _sent(pool, route, request, budget, exchange)
    response.request = request  # not what a proxy was sent: that had its password in it
    pool.give_back(route, connection)
    return response


def _route(pool: Pool, request: Request, budget: Budget) -> Route:
    """Return the route to a request's origin. Raises BadUrl, BlockedAddress, saying for what."""
    try:
        return pool.dialler.route(request.url)
    except CrlfError as fault:
        raise _completed(fault, request, budget) from None


async def _sent(
    pool: Pool, route: Route, request: Request, budget: Budget, step: Step[T]
) -> tuple[ClientConnection, T]:
    """Take a connection and go a step on it; once more on a fresh one where that is harmless.

    Returns the connection, which is the caller's to give back or drop. Raises CrlfError, with
    all that is known of it.
    """
    fresh = False
    budget.request = request
    try:
        outgoing = _addressed(request, route)
    except CrlfError as fault:
        raise _completed(fault, request, budget) from None
    while True:
        try:
            connection, is_used = await pool.take(route, budget, fresh=fresh)
        except CrlfError as fault:
            raise _completed(fault, request, budget) from None
        before = connection.received
        try:
            return connection, await step(connection, outgoing, budget, pool.network.in_thread)
        except BaseException as fault:
            pool.drop(route, connection)
            if isinstance(fault, CrlfError):
                fault.peer = connection.stream.facts.peer
            if is_used and not fresh and _is_harmless(fault, request, connection, before):
                fresh = True
                continue
            if isinstance(fault, CrlfError):
                raise _completed(fault, request, budget) from None
            raise


def _addressed(request: Request, route: Route) -> Request:
    """Return the request as it goes out on a route. Raises ProxyFailed, LocalError."""
    if route.via is None and "proxy-authorization" not in request.headers:
        return request
    from crlf.flow.tunnel import check_straight, forwarded  # few go through a proxy

    if route.via is not None and route.forwards:
        return forwarded(request, route.via)
    check_straight(request)
    return request


def _is_harmless(
    fault: BaseException, request: Request, connection: ClientConnection, before: int
) -> bool:
    """Whether a request may be sent again after this: nothing came back, nothing can be harmed."""
    closed = isinstance(fault, (ReadFailed, WriteFailed)) or (
        isinstance(fault, RemoteError) and fault.rule == "RFC 9112 8"
    )
    body = request.body
    return (
        closed
        and connection.received == before
        and request.method in IDEMPOTENT
        and (isinstance(body, bytes) or body.can_send_again)
    )


def _completed(fault: CrlfError, request: Request, budget: Budget) -> CrlfError:
    """Add to an error what only the flow knows: request, phase, and how long it all took."""
    if isinstance(fault, TimedOut):
        fault = budget.explained(fault)
    if not fault.phase:
        fault.phase = _phase_of(fault)
    if fault.seconds is None:
        fault.seconds = budget.elapsed
    fault.during(request)
    return fault


def _phase_of(fault: CrlfError) -> str:
    if isinstance(fault, (BadUrl, BlockedAddress)):
        return "url"
    return "write" if isinstance(fault, LocalError) else "read"


class Incoming:
    """A response whose body is still to be read, and the connection that it comes on.

    The connection goes back to the pool when the end has been read, and is closed when the
    response is closed before.

    limits, in_thread: of the connection and of its network, for whoever decodes the content.
    """

    def __init__(
        self,
        pool: Pool,
        route: Route,
        connection: ClientConnection,
        head: ResponseHead,
        request: Request,
        budget: Budget,
    ) -> None:
        self._pool = pool
        self._route = route
        self._connection: ClientConnection | None = connection
        self._budget = budget
        self._fault: CrlfError | None = None  # what ended it before its time
        self._is_read = False  # to its end
        self.limits = connection.engine.limits
        self.in_thread = pool.network.in_thread
        self.response = Response.received(head, b"", Response().headers, request, budget.elapsed)
        self.request = request

    async def next_piece(self) -> bytes | None:
        """Return the next bytes of the body, or None at its end.

        Raises RemoteError for a body that is cut short, ReadTimeout, ReadFailed, each time it
        is asked; RuntimeError when it was closed before its end.
        """
        connection = self._connection
        if connection is None:
            self._check_end()
            return None
        try:
            part = await connection.next_part(self._budget.read())
        except BaseException as fault:
            self.close()
            if isinstance(fault, CrlfError):
                self._fault = self.completed(fault)
                raise self._fault from None
            raise
        if type(part) is Data:
            return part.data
        if type(part) is End:
            self.response.trailers = part.trailers
        self._connection = None
        self._is_read = True
        self._pool.give_back(self._route, connection)
        return None

    def completed(self, fault: CrlfError) -> CrlfError:
        """Add to an error of this response's content what every error says."""
        return _completed(fault, self.request, self._budget)

    def _check_end(self) -> None:
        """Say once more what was said before: an end only where there was one."""
        if self._fault is not None:
            raise self._fault
        if not self._is_read:
            raise RuntimeError("this response was closed before its content was read to its end")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come."""
        while (piece := await self.next_piece()) is not None:
            yield piece

    def close(self) -> None:
        """Let go of the connection; one that is not read to its end cannot be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop(self._route, connection)

    async def leave(self) -> None:
        """Let go of the connection, and keep it when only a little is left to be read.

        RFC 9112 9.3: a client that reuses a connection reads responses to their end. What is
        left is dropped as it came: no content coding is undone for nobody.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        is_over = False
        try:
            is_over = await _is_drained(connection, self._budget.until(_PATIENCE))
        finally:
            if is_over:
                self._pool.give_back(self._route, connection)
            else:
                self._pool.drop(self._route, connection)


async def _is_drained(connection: ClientConnection, deadline: float | None) -> bool:
    """Read the little that is left of a body, and tell whether its end was reached.

    A body of unknown length may go on for ever: of that only what has arrived is read.
    """
    engine = connection.engine
    left = engine.body_left
    size = 0 if left is None else left
    try:
        while size <= _LITTLE:
            part = engine.next_part()
            if type(part) is Data:
                size += len(part.data) if left is None else 0
            elif part is not None:
                return type(part) is End
            elif left is None and not connection.stream.has_arrived():
                return False
            else:
                await connection.fill(deadline)
    except (TransportError, ProtocolError, TooLarge):
        pass
    return False


async def open_response(pool: Pool, request: Request, budget: Budget) -> Incoming:
    """Send a request and return its response as soon as the head is there."""
    route = _route(pool, request, budget)
    connection, head = await _sent(pool, route, request, budget, begin)
    return Incoming(pool, route, connection, head, request, budget)
