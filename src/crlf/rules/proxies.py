"""Which proxy a URL is asked through: the one that was given, or the environment's.

A proxy sees where everything goes, and its credentials are for it alone: no repr, no text and
no error shows them. Its law: what is given counts without exceptions, even for this machine;
what the environment says counts where rules/exemptions.py has none, and never for this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from crlf.message.authority import fault_of_host, in_brackets, is_ipv6, parse_authority
from crlf.message.errors import BadUrl, Malformed
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.patterns import pattern
from crlf.rules.credentials import basic
from crlf.rules.exemptions import Exemptions
from crlf.rules.filters import FieldSetter

# Scheme of a proxy's URL -> its port when none is written.
PORTS: Final = {
    "http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080,
}  # fmt: skip
_MOST_KEPT = 512  # origins remembered; then the memory is emptied and begins anew
_CONTROL = pattern("[\x00-\x1f\x7f]")
_PROXIED: Final = ("http", "https", "all")


@final
class Proxy:
    """A proxy. scheme: http, https, socks4, socks4a, socks5 or socks5h. Immutable.

    Part of the key that connections are kept under, and therefore no `@frozen`: its hash is
    asked for with every request.

    authorization: what Proxy-Authorization says to it (RFC 9110 11.7.2); None without a user
    name and password, and for SOCKS.

    Raises BadUrl for what is no proxy, Malformed for a user name that Basic cannot say; both
    are ValueErrors.
    """

    __slots__ = (
        "_hash",
        "_setter",
        "authorization",
        "host",
        "password",
        "port",
        "scheme",
        "username",
    )
    __match_args__ = ("scheme", "host", "port", "username", "password")

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        if scheme not in PORTS:
            raise BadUrl(f"a proxy's URL starts with {', '.join(PORTS)}, then ://")
        if not is_ipv6(host.partition("%")[0]) and (fault := fault_of_host(host)) is not None:
            raise BadUrl(f"{fault}, of a proxy")
        if not 0 < port <= 65535:
            raise BadUrl("the port of a proxy is a number from 1 to 65535")
        for word in (username or "", password or ""):
            if _CONTROL.search(word) is not None:
                raise BadUrl("control character in a proxy's user name or password")
        if scheme.startswith("socks4") and password:
            raise BadUrl("SOCKS4 knows user names, but no passwords")
        self.scheme = scheme
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        has_secret = bool(username or password) and not scheme.startswith("socks")
        self.authorization = basic(username or "", password or "") if has_secret else None
        # In the case that proxies know which compare the name as it stands (pproxy).
        self._setter = FieldSetter("Proxy-Authorization")
        self._hash = hash((scheme, host, port, username, password))

    @classmethod
    def parse(cls, text: str | URL | Proxy) -> Proxy:
        """Read a proxy's URL: "http://user:password@host:port", of which the host will do.

        The user name and password are percent-decoded. Raises BadUrl, Malformed.
        """
        if isinstance(text, Proxy):
            return text
        if isinstance(text, str):
            text = URL(text if "://" in text else f"http://{text}")
        elif not isinstance(text, URL):
            raise TypeError(f"a proxy is a URL, not {type(text).__name__}")
        if text.path not in ("", "/") or text.query is not None or text.fragment is not None:
            raise BadUrl("a proxy's URL ends with its host and port")
        port = PORTS.get(text.scheme, 0) if text.explicit_port is None else text.explicit_port
        return cls(text.scheme, text.host, port, text.username or None, text.password or None)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, and not HTTP."""
        return self.scheme.startswith("socks")

    @property
    def resolves_names(self) -> bool:
        """Whether it is given names, and looks them up itself; socks4 and socks5 want addresses."""
        return self.scheme not in ("socks4", "socks5")

    def authorize(self, request: Request) -> Request:
        """Return a request to be forwarded, with Proxy-Authorization unless it has its own."""
        value = self.authorization
        if value is None or request.headers.first("proxy-authorization") is not None:
            return request
        return self._setter.on(request, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Proxy):
            return NotImplemented
        return (
            self._hash == other._hash
            and (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
            and (self.username, self.password) == (other.username, other.password)
        )

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        """Write it as a URL, without user name and password."""
        return f"{self.scheme}://{in_brackets(self.host)}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self}>"

    def __reduce__(self) -> tuple[object, ...]:
        return Proxy, (self.scheme, self.host, self.port, self.username, self.password)


ProxyInput = str | URL | Proxy
# By what is asked for: "http", "https", "all", "https://host", "https://host:port"; None: straight.
ProxyTable = Mapping[str, ProxyInput | None]


@final
class Proxies:
    """The proxies of one client: those it was given, or the environment's."""

    __slots__ = ("_by_origin", "_exemptions", "_has_hosts", "_known", "_late")

    def __init__(
        self,
        table: ProxyTable,
        late: Mapping[str, tuple[str, str]] | None = None,
        exemptions: Exemptions | None = None,
    ) -> None:
        """Read a table of proxies. Raises ValueError for a key or a proxy that is none.

        late: scheme -> (variable, its text), to be read when it is needed. exemptions: of those.
        """
        self._by_origin: dict[str, Proxy | None] = {}
        self._late = late or {}
        self._exemptions = exemptions
        self._known: dict[tuple[str, str, int], Proxy | None] = {}
        for key, proxy in table.items():
            self._by_origin[_key_of(key)] = None if proxy is None else Proxy.parse(proxy)
        self._has_hosts = any("://" in key for key in self._by_origin)

    @classmethod
    def of(cls, given: ProxyInput | ProxyTable | None) -> Proxies | None:
        """Read what users write: one proxy for everything, a table of them, or None for none."""
        if given is None:
            return None
        return cls(given if isinstance(given, Mapping) else {"all": given})

    def for_url(self, url: URL) -> Proxy | None:
        """Choose the proxy for a URL; None: go straight.

        The closest entry counts: of the host with this port, of the host, of the scheme, of all.
        Raises BadUrl for a variable of the environment that names no proxy.
        """
        key = (url.scheme, url.host, url.port)
        try:
            return self._known[key]
        except KeyError:
            found = self._chosen(*key)
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[key] = found
        return found

    def _chosen(self, scheme: str, host: str, port: int) -> Proxy | None:
        table = self._by_origin
        if self._has_hosts:
            place = in_brackets(host.removesuffix("."))
            for start in (scheme, "all"):
                for key in (f"{start}://{place}:{port}", f"{start}://{place}"):
                    if key in table:
                        return table[key]
        if self._late:
            if self._exemptions is not None and self._exemptions.cover(host, port):
                return None
            self._read(scheme if scheme in self._late else "all")
        return table[scheme] if scheme in table else table.get("all")

    def _read(self, scheme: str) -> None:
        """Read the variable that speaks of a scheme, now that it is needed."""
        if scheme in self._late and scheme not in self._by_origin:
            variable, text = self._late[scheme]
            try:
                self._by_origin[scheme] = Proxy.parse(text)
            except ValueError as fault:
                why = fault.reason if isinstance(fault, (BadUrl, Malformed)) else str(fault)
                raise BadUrl(f"the variable {variable} names no proxy: {why}") from None

    def __repr__(self) -> str:
        named = [f"{key}: {proxy}" for key, proxy in self._by_origin.items()]
        named += [f"{key}: ${name}" for key, (name, _) in self._late.items()]
        return f"<Proxies {', '.join(named)}>"


def environment_proxies(environ: Mapping[str, str]) -> Proxies | None:
    """Read http_proxy, https_proxy, all_proxy and no_proxy; None when they name no proxy.

    A variable in lower case comes before the same in upper case, also when it is empty. Under CGI
    HTTP_PROXY is what a client sent as its field Proxy, and does not count (httpoxy,
    CVE-2016-5385). What a variable says is read when it is needed first.
    """
    late: dict[str, tuple[str, str]] = {}
    for scheme in _PROXIED:
        name = f"{scheme}_proxy"
        value = environ.get(name)
        if value is None:
            name = name.upper()
            value = environ.get(name)
        if value and (scheme != "http" or not _may_be_forged(environ, name)):
            late[scheme] = (name, value)
    if not late:
        return None
    exempt = environ.get("no_proxy")
    if exempt is None:
        exempt = environ.get("NO_PROXY", "")
    return Proxies({}, late, Exemptions(exempt))


def _may_be_forged(environ: Mapping[str, str], name: str) -> bool:
    """Whether a CGI server may have made this variable of a client's field.

    On Windows http_proxy reads HTTP_PROXY, so what counts is the name that is listed.
    """
    if "REQUEST_METHOD" not in environ and "GATEWAY_INTERFACE" not in environ:
        return False
    return name == "HTTP_PROXY" or name not in list(environ)


def _key_of(key: str) -> str:
    """Check a key of a table and write it in one way. Raises BadUrl."""
    scheme, mark, place = key.partition("://")
    scheme = scheme.lower()
    if scheme not in _PROXIED:
        raise BadUrl(f"proxies are for http, https or all, not for {scheme[:20]!r}")
    if not mark or not place:
        return scheme
    try:
        host, port = parse_authority(place)
    except Malformed as fault:
        raise BadUrl(f"{fault.reason}, that a proxy is for") from None
    place = in_brackets(host.removesuffix("."))
    return f"{scheme}://{place}" if port is None else f"{scheme}://{place}:{port}"
