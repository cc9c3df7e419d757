"""HSTS: hosts that said they are to be asked over https alone, and the promise kept for them.

A store is filled by answers that came over https, and changes http URLs into https ones before
anything is sent: that of a request, and that of each redirect (RFC 6797). The clock is an
argument. Its law: only a host that proved who it is can say this, and only of itself and of what
is below it; and nothing that is learned of a host shortens what is known of another.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from crlf.message.authority import fault_of_host, is_address
from crlf.message.errors import Malformed
from crlf.message.fields.transportsecurity import parse_transport_security
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules.filters import Filter
from crlf.values import as_dict, frozen

MAX_HOSTS: Final = 4096  # in a store; Firefox had 1024, and sites that could fill them

_FORMAT: Final = "crlf hsts 1"
_LATEST: Final = 253_402_300_799.0  # the end of the year 9999


@frozen
class SecureHost:
    """A host that is asked over https alone. expires: in seconds since 1970.

    host: in lower case, without a dot at its end. subdomains: the hosts below it too.
    """

    host: str
    subdomains: bool = False
    expires: float = _LATEST


class Hsts:
    """The hosts that are asked over https alone: for Client(hsts=...), which fills and heeds it.

    guard: entered around each change; what is read needs none. A client gives the store one that
    has none, so that threads may share it.
    """

    __slots__ = ("_hosts", "guard")

    guard: AbstractContextManager[object]

    def __init__(self, guard: AbstractContextManager[object] | None = None) -> None:
        self.guard = nullcontext() if guard is None else guard
        self._hosts: dict[str, SecureHost] = {}  # guarded by guard; last heard of, last

    # -- what is heeded

    def knows(self, host: str, now: float) -> bool:
        """Tell whether a host is asked over https alone (RFC 6797 8.2). now: since 1970."""
        if not self._hosts or is_address(host):
            return False
        # One dot at the end names the same host to DNS (CVE-2022-30115 is what forgetting it is).
        name = host.lower().removesuffix(".")
        known = self._hosts.get(name)
        if known is not None and known.expires > now:
            return True
        above = name
        while dot := above.find(".") + 1:
            above = above[dot:]
            known = self._hosts.get(above)
            if known is not None and known.subdomains and known.expires > now:
                return True
        return False

    def upgraded(self, url: URL, now: float) -> URL:
        """Return the URL to ask: https instead of http where the host is known (RFC 6797 8.3).

        Port 80 becomes 443; any other that is written stays as it is.
        """
        if url.scheme != "http" or not self.knows(url.host, now):
            return url
        secured = f"https{str(url)[4:]}"
        if url.explicit_port != 80:
            return URL(secured)
        start, mark, rest = secured.partition("//")
        end = min((at for sign in "/?#" if (at := rest.find(sign)) >= 0), default=len(rest))
        before, _, _ = rest[:end].rpartition(":")
        return URL(f"{start}{mark}{before}:443{rest[end:]}")

    # -- what is learned

    def learn(self, response: Response, now: float) -> None:
        """Take in what a response says of its host, if it came over https (RFC 6797 8.1).

        Only the first field counts. Call it for no response whose certificate nobody checked.
        """
        value = response.headers.first("strict-transport-security")
        if value is None or response.request is None:
            return
        url = response.url
        said = parse_transport_security(value)
        if said is None or url.scheme != "https" or is_address(url.host):
            return
        if said.max_age == 0:
            self.forget(url.host)
        else:
            self._note(SecureHost(_name(url.host), said.subdomains, now + said.max_age), now)

    def add(
        self, host: str, *, subdomains: bool = False, expires: float = _LATEST, now: float = 0.0
    ) -> None:
        """Put in a host of the user's own: known before it is asked for the first time.

        Raises Malformed (a ValueError) for what is no name of a host, as an address.
        """
        known = SecureHost(_name(host), subdomains, expires)
        if fault := fault_of_secure_host(known):
            raise Malformed(f"host {host[:40]!a}: {fault}", "RFC 6797 8.1.1")
        self._note(known, now)

    def forget(self, host: str) -> None:
        """Forget what is known of one host; what is known of those above it stays."""
        with self.guard:
            self._hosts.pop(_name(host), None)

    def _note(self, known: SecureHost, now: float) -> None:
        with self.guard:
            hosts = self._hosts
            hosts.pop(known.host, None)
            hosts[known.host] = known
            if len(hosts) > MAX_HOSTS:
                for each in [one for one in hosts.values() if one.expires <= now]:
                    del hosts[each.host]
            while len(hosts) > MAX_HOSTS:
                del hosts[next(iter(hosts))]

    # -- at rest

    def __iter__(self) -> Iterator[SecureHost]:
        """Go through all, those that have expired meanwhile included; last heard of, last."""
        return iter(list(self._hosts.values()))

    def __len__(self) -> int:
        return len(self._hosts)

    def load(self, hosts: Iterable[SecureHost], now: float) -> None:
        """Put in hosts from elsewhere; what has expired is left out. Raises Malformed."""
        for known in hosts:
            if fault := fault_of_secure_host(known):
                raise Malformed(f"host {known.host[:40]!a}: {fault}", "RFC 6797 8.1.1")
            if known.expires > now:
                self._note(known, now)

    def as_json(self) -> str:
        """Write all hosts as JSON, in ASCII: for a file that only its owner reads."""
        import json

        return json.dumps({"format": _FORMAT, "hosts": [as_dict(one) for one in self]}, indent=1)

    @classmethod
    def from_json(cls, text: str, now: float = 0.0) -> Hsts:
        """Make a store of what as_json wrote. Raises Malformed."""
        import json

        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise Malformed("a file of hosts that is no JSON") from None
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise Malformed(f'JSON, but not of the format "{_FORMAT}"')
        store = cls()
        store.load(read_hosts(found.get("hosts")), now)
        return store

    def __repr__(self) -> str:
        return f"<Hsts of {len(self)} hosts>"

    # -- as filters

    def upgrading(self, now: Callable[[], float]) -> Filter:
        """Make a filter that changes http requests into https ones. now: seconds since 1970.

        It belongs outside of `redirecting`, for which https is then the origin that was asked.
        """

        def upgraded(request: Request) -> Generator[Request, Response, Response]:
            return (yield self._secured(request, now()))

        return upgraded

    def keeping(self, now: Callable[[], float], *, learns: bool = True) -> Filter:
        """Make a filter that learns from each response, and upgrades what other filters ask.

        It belongs inside of all that send requests of their own. learns: whether certificates are
        checked at all; without that anybody could say anything (RFC 6797 8.1).
        """

        def kept(request: Request) -> Generator[Request, Response, Response]:
            moment = now()
            response = yield self._secured(request, moment)
            if learns:
                self.learn(response, moment)
            return response

        return kept

    def _secured(self, request: Request, now: float) -> Request:
        before = request.url
        url = self.upgraded(before, now)
        if url is before:
            return request
        secured = request.redirected(request.method, url, keep_content=True)
        if request.headers.first("host") == before.authority != url.authority:
            return secured.with_headers(request.headers.with_field("Host", url.authority))
        return secured


def fault_of_secure_host(known: SecureHost) -> str:
    """Say what is wrong with an entry that no server made, or nothing."""
    host = known.host
    if host != _name(host):
        return "it is written in lower case, without a dot at its end"
    if is_address(host):
        return "an address, which has no certificate that could be for ever"
    if not 0 <= known.expires <= _LATEST:
        return "a time that is not between 1970 and 9999"
    return fault_of_host(host) or ""


def read_hosts(entries: object) -> list[SecureHost]:
    """Read the hosts of a file from its JSON. Raises Malformed."""
    if not isinstance(entries, list):
        raise Malformed("no list of hosts")
    hosts = []
    for number, entry in enumerate(entries, 1):
        match entry:
            case {"host": str(host), "subdomains": bool(below), "expires": int() | float() as end}:
                known = SecureHost(host, below, min(end, _LATEST) * 1.0)
            case _:
                raise Malformed(f"host {number}: no host, subdomains and expires")
        if fault := fault_of_secure_host(known):
            raise Malformed(f"host {number}: {fault}", "RFC 6797 8.1.1")
        hosts.append(known)
    return hosts


def _name(host: str) -> str:
    return host.lower().removesuffix(".")
