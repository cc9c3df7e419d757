"""Ways through an HTTP proxy: CONNECT for a tunnel, the absolute form for plain HTTP."""

from __future__ import annotations

from crlf.message.request import Request
from crlf.ports import Stream
from crlf.rules.proxies import Proxy
from crlf.wire.limits import Limits


async def open_tunnel(
    stream: Stream, proxy: Proxy, host: str, port: int, deadline: float | None, limits: Limits
) -> None:
    """Ask the proxy at the other end of a stream for a way to a host (RFC 9110 9.3.6).

    Afterwards the stream leads there. Raises ProxyFailed, ConnectTimeout.
    """
    raise NotImplementedError


def forwarded(request: Request, proxy: Proxy) -> Request:
    """Return the request as a proxy is asked to forward it (RFC 9112 3.2.2)."""
    raise NotImplementedError
