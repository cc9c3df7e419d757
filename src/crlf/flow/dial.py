"""How a connection comes about: TCP, then TLS where the scheme asks for it, then the engine.

A Route is everything that two exchanges must agree on to share a connection.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.flow.budget import Budget
from crlf.flow.connection import Connection
from crlf.message.errors import BadUrl
from crlf.message.url import URL
from crlf.ports import Network, TlsSettings
from crlf.wire.h1.client import ClientEngine
from crlf.wire.limits import Limits


class Route(NamedTuple):
    """Where a connection leads, and under which trust: the key of the pool."""

    scheme: str
    host: str
    port: int
    tls: TlsSettings | None


def route_of(url: URL, tls: TlsSettings) -> Route:
    """Return the route to a URL's origin. Raises BadUrl for a scheme that is not ours."""
    scheme = url.scheme
    if scheme == "https":
        return Route(scheme, url.host, url.port, tls)
    if scheme != "http":
        raise BadUrl(f"cannot request {scheme}: URLs, only http and https")
    return Route(scheme, url.host, url.port, None)


async def dial(
    network: Network, route: Route, budget: Budget, limits: Limits
) -> Connection[ClientEngine]:
    """Open a connection. Raises ConnectFailed, ConnectTimeout, TlsFailed."""
    deadline = budget.until(budget.timeout.connect)
    stream = await network.connect(route.host, route.port, deadline)
    if route.tls is not None:
        try:
            stream = await network.start_tls(stream, route.tls, route.host, deadline)
        except BaseException:
            stream.close()
            raise
    return Connection(stream, ClientEngine(limits))
