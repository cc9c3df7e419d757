"""How a connection comes about: a name, an address, a socket, a proxy, TLS, then the engine.

A Route is everything that two exchanges must agree on to share a connection. Its law: what was
checked is what is connected to; no name is looked up a second time between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from crlf.flow.budget import Budget
from crlf.flow.connection import Connection
from crlf.message.authority import in_brackets, is_address
from crlf.message.errors import BadUrl, ConnectFailed, TransportError
from crlf.message.url import URL
from crlf.ports import (
    DEFAULT_SOCKETS,
    DEFAULT_TLS,
    Network,
    Policy,
    SocketSettings,
    SocksProxy,
    Stream,
    TlsSettings,
    Via,
)
from crlf.values import replace
from crlf.wire.h1.client import ClientEngine
from crlf.wire.limits import CLIENT_LIMITS, Limits

# What a client knows of names by itself: "host" or "host:port" -> an address, or several, or
# another name; or a function that is asked for (host, port), in a thread.
Resolver = Mapping[str, str | Sequence[str]] | Callable[[str, int], str | Iterable[str]]


Proxies = Callable[[URL], Via | None]  # which proxy a URL is asked through


class Route(NamedTuple):
    """Where a connection leads, how, and under which trust: the key of the pool.

    via: the proxy on the way. A proxy that forwards plain HTTP is one route for all hosts, and
    its host is then empty.
    """

    scheme: str
    host: str
    port: int
    tls: TlsSettings | None = None
    via: Via | None = None
    sockets: SocketSettings | None = None

    @property
    def forwards(self) -> bool:
        """Whether requests go out in the absolute form, for a proxy to forward them."""
        return not self.host

    @property
    def place(self) -> str:
        """Whom it leads to, as errors say it."""
        if not self.host:
            return f"the proxy {self.via}"
        return f"{in_brackets(self.host)}:{self.port}"


class Dialler:
    """What one client knows about opening connections.

    sockets: None for the ordinary ones. proxies: None goes straight everywhere. policy: checks
    every address before it is connected to; with one there are no proxies, since those would
    look names up by themselves.
    """

    def __init__(
        self,
        network: Network,
        limits: Limits = CLIENT_LIMITS,
        tls: TlsSettings = DEFAULT_TLS,
        *,
        sockets: SocketSettings | None = None,
        proxies: Proxies | None = None,
        resolver: Resolver | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.network = network
        self.limits = limits
        self._tls = tls
        self._sockets = sockets
        self._proxies = proxies
        self._resolver = resolver
        self._policy = policy
        self._last: tuple[URL | None, Route] = (None, Route("", "", 0))
        self._is_plain = sockets is None and resolver is None and policy is None

    def route(self, url: URL) -> Route:
        """Return the route to a URL's origin.

        Raises BadUrl for a scheme that is not ours, BlockedAddress where the policy forbids it.
        """
        seen, route = self._last
        if seen is not url:
            route = self._route(url)
            self._last = url, route  # a client's URLs are the same objects again and again
        return route

    def _route(self, url: URL) -> Route:
        scheme = url.scheme
        tls = self._tls if scheme == "https" else None
        if tls is None and scheme != "http":
            raise BadUrl(f"cannot request {scheme}: URLs, only http and https")
        if self._policy is not None:
            self._policy.check_url(url)
        via = None if self._proxies is None else self._proxies(url)
        if via is not None and tls is None and not via.is_socks:
            return Route(scheme, "", 0, None, via, self._sockets)
        return Route(scheme, url.host, url.port, tls, via, self._sockets)

    async def dial(self, route: Route, budget: Budget) -> Connection[ClientEngine]:
        """Open a connection.

        Raises ConnectFailed, ConnectTimeout, TlsFailed, ProxyFailed, BlockedAddress.
        """
        deadline = budget.until(budget.timeout.connect)
        if route.via is None:
            stream = await self._connected(route.host, route.port, budget, deadline)
        else:
            stream = await self._through(route, route.via, budget, deadline)
        if route.tls is not None:
            stream = await self._secured(stream, route.tls, route.host, budget, deadline)
        return Connection(stream, ClientEngine(self.limits))

    # -- the steps

    async def _connected(
        self, host: str, port: int, budget: Budget, deadline: float | None
    ) -> Stream:
        """Open a socket to a host, or to the socket that stands for all of them."""
        network = self.network
        began = network.now()
        if self._is_plain and budget.trace is None:
            return await network.connect(host, port, deadline)
        sockets = self._sockets or DEFAULT_SOCKETS
        addresses: Sequence[str] | None = None
        if sockets.unix_path is None:
            addresses = await self._addresses(host, port, deadline)
            if self._policy is not None:
                for address in addresses:
                    self._policy.check_address(host, address)
            budget.note("dns", began, addresses)
            began = network.now()
        stream = await network.connect(host, port, deadline, addresses, sockets)
        try:
            budget.note("connect", began, stream.facts)
        except BaseException:  # of whoever listens
            stream.close()
            raise
        return stream

    async def _addresses(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """Look a name up: in the client's own resolver, then in the network's."""
        resolver = self._resolver
        if resolver is None:
            return await self.network.resolve(host, port, deadline)
        if isinstance(resolver, Mapping):
            given = resolver.get(f"{in_brackets(host)}:{port}") or resolver.get(host)
            found = _listed(given or ())
        else:
            asked = resolver
            found = _listed(await self.network.in_thread(lambda: asked(host, port)))
            if not found:
                raise ConnectFailed(f"cannot find {host}: the resolver has no address", phase="dns")
        if not found:
            return await self.network.resolve(host, port, deadline)
        addresses: list[str] = []
        for name in found:
            if is_address(name):
                addresses.append(name)
            else:
                addresses += await self.network.resolve(name, port, deadline)
        return addresses

    async def _through(
        self, route: Route, via: Via, budget: Budget, deadline: float | None
    ) -> Stream:
        """Open a way through a proxy, up to the host or, for plain HTTP, to the proxy alone."""
        network = self.network
        try:
            stream = await self._connected(via.host, via.port, budget, deadline)
        except TransportError as fault:  # of an address that nobody has asked for
            fault.add_note("that is the proxy on the way")
            raise
        if via.is_socks:
            return await self._through_socks(stream, route, via, budget, deadline)
        if via.scheme == "https":
            # Our certificate is for the origin, not for who stands in between.
            trust = replace(self._tls, certificate=None, key=None)
            stream = await self._secured(stream, trust, via.host, budget, deadline)
        if route.forwards:
            return stream
        from crlf.flow.tunnel import open_tunnel  # few go through a proxy

        began = network.now()
        try:
            await open_tunnel(stream, via, route.host, route.port, deadline, self.limits)
            budget.note("proxy", began, stream.facts)
        except BaseException:
            stream.close()
            raise
        return stream

    async def _through_socks(
        self, stream: Stream, route: Route, via: Via, budget: Budget, deadline: float | None
    ) -> Stream:
        """Open a way through a SOCKS proxy on a stream that leads to it."""
        network, host = self.network, route.host
        began = network.now()
        try:
            if not via.resolves_names:
                found = await self._addresses(host, route.port, deadline)
                # Whoever is given addresses is likelier to reach IPv4; SOCKS4 knows no other.
                host = next((address for address in found if ":" not in address), found[0])
            stream = await network.open_socks(stream, socks_proxy(via), host, route.port, deadline)
            budget.note("proxy", began, stream.facts)
        except BaseException:
            stream.close()
            raise
        return stream

    async def _secured(
        self, stream: Stream, tls: TlsSettings, host: str, budget: Budget, deadline: float | None
    ) -> Stream:
        """Speak TLS on a stream, which is closed when that fails."""
        began = self.network.now()
        try:
            secured = await self.network.start_tls(stream, tls, host, deadline)
            budget.note("tls", began, secured.facts.tls)
        except BaseException:
            stream.close()
            raise
        return secured


def socks_proxy(via: Via) -> SocksProxy:
    """Return what a network needs to know of a SOCKS proxy."""
    version = 4 if via.scheme.startswith("socks4") else 5
    return SocksProxy(version, via.host, via.port, via.username, via.password, via.resolves_names)


def _listed(found: str | Iterable[str]) -> list[str]:
    return [found] if isinstance(found, str) else list(found)
