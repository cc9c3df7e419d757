"""The request that would go out, and its bytes, without a network: what --offline stands on.

The request is dressed by the client that would send it, filters included, and written by the flow
and the engine that would write it; only the connection is another one. It hands out what it is
given instead of sending it. Its law: no name is looked up, no socket opened, and no byte is
written here that the client would not write itself.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple

from crlf.cli.asking.request import STANDING, Asked
from crlf.client.core import Core
from crlf.client.options import ClientOptions
from crlf.client.settings import jar_of, proxies_of, settings_of
from crlf.flow.budget import Budget
from crlf.flow.connection import Connection
from crlf.flow.exchange import send_request
from crlf.flow.run import run_sync
from crlf.flow.tunnel import check_straight, forwarded
from crlf.message.authority import in_brackets
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.net.blocking import BlockingNetwork
from crlf.net.outlet import Outlet, at_once
from crlf.ports import Via
from crlf.rules.deadlines import Timeout
from crlf.wire.h1.client import ClientEngine

# What a server says to "Expect: 100-continue" when it wants the content, as nearly all do.
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Of the client: only of use to one that connects, and a policy would want to see addresses.
_UNUSED = ("network", "app", "policy", "trace", "retry")


class Way(NamedTuple):
    """Where the bytes of a request go first.

    host, port: whom the socket leads to, IPv6 without brackets. name: for which TLS is spoken, ""
    for none. via: the proxy on the way, if there is one. forwards: whether the request is for that
    proxy to forward, and not for its origin. socket: the path of a Unix socket, or "".
    """

    host: str
    port: int
    name: str
    via: Via | None = None
    forwards: bool = False
    socket: str = ""


def dressed(asked: Asked) -> Request:
    """Return the very request that a client would send first, cookies and credentials included.

    Raises what a client raises before it connects.
    """
    options = client_options(asked)
    network = BlockingNetwork()
    core = Core(settings_of(options), network, jar_of(options, network))
    try:
        return run_sync(core.dressed(asked.method, asked.url, asked.options))
    finally:
        core.close()


def client_options(asked: Asked) -> ClientOptions:
    """Return what a client is made with as far as that shows in what it sends."""
    options: ClientOptions = {"headers": STANDING, **asked.client}
    for name in _UNUSED:
        options.pop(name, None)  # type: ignore[misc]  # each is a key of it
    options["retry"] = None
    return options


def way_of(asked: Asked, request: Request) -> Way:
    """Return where a request would go: to its origin, a proxy or a Unix socket."""
    url, options = request.url, asked.client
    name = url.host if url.scheme == "https" else ""
    path = options.get("unix_socket")
    if path is not None:
        return Way(url.host, url.port, name, socket=path)
    proxies = proxies_of(options)
    via = None if proxies is None else proxies(url)
    if via is not None and not name and not via.is_socks:
        tls = via.host if via.scheme == "https" else ""
        return Way(via.host, via.port, tls, via, forwards=True)
    return Way(url.host if via else _place(options, url), url.port, name, via)


def _place(options: ClientOptions, url: URL) -> str:
    """Return where a URL's host is as the user says (--resolve), or the host itself."""
    known = options.get("resolve")
    if not isinstance(known, Mapping):
        return url.host
    found = known.get(f"{in_brackets(url.host)}:{url.port}") or known.get(url.host) or url.host
    return found if isinstance(found, str) else found[0]


def outgoing(request: Request, way: Way) -> Request:
    """Return the request as it is written: in the absolute form for a proxy that forwards it.

    Raises LocalError where it would tell its origin what is for a proxy, ProxyFailed.
    """
    if way.forwards and way.via is not None:
        return forwarded(request, way.via)
    check_straight(request)
    return request


def request_bytes(request: Request) -> Generator[bytes, None, None]:
    """Give the bytes of a request in pieces, as they would be written, framing and all.

    What is asked about first (Expect) is answered with 100 at once. Raises LocalError for what
    cannot be sent, and what reading a file raises.
    """
    budget = Budget(Timeout.of(None), lambda: 0.0)
    sending = send_request(Connection(Outlet(_CONTINUE), ClientEngine()), request, budget, at_once)
    try:
        while True:
            try:
                piece = sending.send(None)
            except StopIteration:
                return
            if not isinstance(piece, bytes):
                raise TypeError("this content has to be waited for by an event loop")
            yield piece
    finally:
        sending.close()
