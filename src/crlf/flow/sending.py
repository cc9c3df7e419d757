"""From a request to its response through the pool: the bottom of a client.

A connection that the server closed just as we wrote to it proves nothing about the request;
when it was a used one and nothing came back, an idempotent request is sent once more
(RFC 9112 9.3.1). Everything else that can be retried is a filter's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from crlf.flow.budget import Budget
from crlf.flow.dial import Route
from crlf.flow.exchange import ClientConnection, begin, exchange
from crlf.flow.incoming import Incoming, completed
from crlf.flow.pool import Pool
from crlf.message.errors import (
    CrlfError,
    DecodingError,
    ReadFailed,
    RemoteError,
    TooLarge,
    WriteFailed,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.retries import IDEMPOTENT, can_send_again

T = TypeVar("T")
Step = Callable[[ClientConnection, Request, Budget, InThread], Awaitable[T]]


async def send_through(pool: Pool, request: Request, budget: Budget) -> Response:
    """Send a request on a connection of the pool and return its response, whole."""
    route = _route(pool, request, budget)
    connection, response = await _sent(pool, route, request, budget, exchange)
    response.request = request  # not what a proxy was sent: that had its password in it
    pool.give_back(route, connection)
    if connection.engine.is_coded and response.content:
        return await _decoded(response, request, pool, budget)
    return response


async def _decoded(response: Response, request: Request, pool: Pool, budget: Budget) -> Response:
    """Return a response with the codings of its content undone, those that are known here.

    A redirect that cannot be decoded is one all the same: nobody asked for its content.
    """
    from crlf.flow.decoding import codings_left, decode_aside  # plain content does without

    limits, in_thread = pool.dialler.limits, pool.network.in_thread
    headers, status_code = response.headers, response.status_code
    try:
        content = await decode_aside(headers, response.content, limits, in_thread, status_code)
    except (DecodingError, TooLarge) as fault:
        if response.is_redirect:
            return response
        fault.peer = response.peer
        raise completed(fault, request, budget) from None
    if content is response.content:
        response.extras["codings"] = codings_left(headers, status_code)
        return response
    return response.with_content(content)


def _route(pool: Pool, request: Request, budget: Budget) -> Route:
    """Return the route to a request's origin. Raises BadUrl, BlockedAddress, saying for what."""
    try:
        return pool.dialler.route(request.url)
    except CrlfError as fault:
        raise completed(fault, request, budget) from None


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
        raise completed(fault, request, budget) from None
    while True:
        try:
            connection, is_used = await pool.take(route, budget, fresh=fresh)
        except CrlfError as fault:
            raise completed(fault, request, budget) from None
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
                raise completed(fault, request, budget) from None
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
    return (
        closed
        and connection.received == before
        and request.method in IDEMPOTENT
        and can_send_again(request)
    )


async def open_response(pool: Pool, request: Request, budget: Budget) -> Incoming:
    """Send a request and return its response as soon as the head is there."""
    route = _route(pool, request, budget)
    connection, head = await _sent(pool, route, request, budget, begin)
    return Incoming(pool, route, connection, head, request, budget)
