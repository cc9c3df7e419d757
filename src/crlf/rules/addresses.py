"""Where a client may go when somebody else says where: the policy for URLs of strangers.

Its law: an address is refused unless it is known to be of the public internet. What is special
is IANA's registries of special-purpose addresses (RFC 6890), written out here, since what
Python's ipaddress calls global differs from one version to the next. What an IPv6 address only
wraps, an IPv4 address, is judged as what it wraps; and the caps stand beside the addresses,
because a stranger's server may also send too much, for too long, or around in circles.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from crlf.message.authority import is_address
from crlf.message.errors import BlockedAddress
from crlf.message.grammar import parse_digits, parse_hex
from crlf.message.url import URL
from crlf.rules.deadlines import Timeout
from crlf.values import frozen, replace
from crlf.wire.limits import CLIENT_LIMITS, Limits

_SPECIAL: Final = (
    ("0.0.0.0/8", "this machine or network", "RFC 791 3.2"),
    ("10.0.0.0/8", "a private network", "RFC 1918"),
    ("100.64.0.0/10", "a provider's own network", "RFC 6598"),
    ("127.0.0.0/8", "this machine", "RFC 1122 3.2.1.3"),
    ("168.63.129.16/32", "a cloud's own service", "Azure's, in the midst of public addresses"),
    ("169.254.0.0/16", "the local link, where clouds keep their metadata", "RFC 3927"),
    ("172.16.0.0/12", "a private network", "RFC 1918"),
    ("192.0.0.0/24", "protocols of the IETF", "RFC 6890 2.1"),
    ("192.0.2.0/24", "documentation", "RFC 5737"),
    ("192.88.99.0/24", "relays from IPv6 that are no more", "RFC 7526"),
    ("192.168.0.0/16", "a private network", "RFC 1918"),
    ("198.18.0.0/15", "benchmarks", "RFC 2544"),
    ("198.51.100.0/24", "documentation", "RFC 5737"),
    ("203.0.113.0/24", "documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 5771"),
    ("255.255.255.255/32", "broadcast", "RFC 919"),
    ("240.0.0.0/4", "no use yet", "RFC 1112 4"),
    ("::/128", "this machine or network", "RFC 4291 2.5.2"),
    ("::1/128", "this machine", "RFC 4291 2.5.3"),
    ("::/96", "IPv4 in a form that is no more", "RFC 4291 2.5.5.1"),
    ("::ffff:0:0:0/96", "translation from IPv4", "RFC 2765 2.1"),
    ("64:ff9b:1::/48", "translation to a network's own IPv4", "RFC 8215"),
    ("100::/64", "what is to be thrown away", "RFC 6666"),
    ("100:0:0:1::/64", "dummies", "RFC 9780"),
    ("2001::/32", "Teredo tunnels, which lead to IPv4", "RFC 4380"),
    ("2001::/23", "protocols of the IETF", "RFC 2928"),
    ("2001:db8::/32", "documentation", "RFC 3849"),
    ("2002::/16", "6to4 tunnels, which lead to IPv4", "RFC 7526"),
    ("3fff::/20", "documentation", "RFC 9637"),
    ("5f00::/16", "segment routing", "RFC 9602"),
    ("fc00::/7", "a private network", "RFC 4193"),
    ("fe80::/10", "the local link", "RFC 4291 2.5.6"),
    ("fec0::/10", "a private network of old", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291 2.7"),
)
# Not above are the few that the registries call global: AS112 (RFC 7534, 7535) and AMT (RFC 7450).

_GLOBAL: Final = "2000::/3"  # all of IPv6 that IANA gives to the public so far (RFC 4291 2.4)
_WRAPPING: Final = (
    "::ffff:0:0/96",  # RFC 4291 2.5.5.2: the kernel connects by IPv4
    "64:ff9b::/96",  # RFC 6052 2.1: NAT64 does, and a network without IPv4 knows no other way
)


class Address(NamedTuple):
    """An address as a number. version: 4 or 6."""

    version: int
    number: int


class Network(NamedTuple):
    """A block of addresses as the numbers of its first and last. version: 4 or 6."""

    version: int
    first: int
    last: int

    def has(self, address: Address) -> bool:
        """Tell whether an address is of this block."""
        return self.version == address.version and self.first <= address.number <= self.last


@frozen
class Policy:
    """Where a client may go, and how much it takes from there.

    Addresses are checked when a name has been looked up, all of them, and those that were
    checked are the ones connected to; each hop of a redirect is checked anew.

    schemes: those of URLs. ports: None for all; by default those of the web, since a server that
    can be made to knock at any port is a scanner. allow: networks that may be talked to although
    they are not public, as ("10.1.0.0/16",). deny: networks that may not, and be they allowed or
    public; name the prefix of a NAT64 of your own here. timeout, limits, redirects: the client's,
    unless it is given others.
    """

    schemes: frozenset[str] = frozenset({"http", "https"})
    ports: frozenset[int] | None = frozenset({80, 443})
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    timeout: Timeout = Timeout(connect=10.0, read=10.0, write=10.0, pool=10.0, total=30.0)
    limits: Limits = replace(CLIENT_LIMITS, body=10 * 1024 * 1024, ratio=100)
    redirects: int = 5

    def __post_init__(self) -> None:
        for networks in (self.allow, self.deny):
            for text in networks:
                parse_network(text)

    def check_url(self, url: URL) -> None:
        """Raise BlockedAddress when a URL may not be asked, whatever its host resolves to."""
        if url.scheme not in self.schemes:
            raise _blocked(f"{url.scheme}: URLs", f"only {_listed(self.schemes)} may be requested")
        if self.ports is not None and url.port not in self.ports:
            raise _blocked(f"port {url.port}", f"only {_listed(self.ports)} may be connected to")
        if is_address(url.host):
            self.check_address(url.host, url.host)

    def check_address(self, host: str, address: str) -> None:
        """Raise BlockedAddress when a host's address may not be talked to.

        The error names the block that the address is of and not the address, which is nothing
        that a stranger needs to learn.
        """
        if "%" in address:
            raise _blocked(host, "it is on a link of this machine (RFC 4007)", phase="dns")
        outer = parse_address(address)
        if outer is None:
            raise _blocked(host, "its address is not one", phase="dns")
        inner = unwrapped(outer)
        for text in self.deny:
            network = parse_network(text)
            if network.has(outer) or network.has(inner):
                raise _blocked(host, f"it is in {text}, which this client is denied", phase="dns")
        if any(parse_network(text).has(inner) for text in self.allow):
            return
        why = why_not_public(inner)
        if why is not None:
            raise _blocked(host, f"its address is for {why}", phase="dns")


public_only: Final = Policy()
"""Public addresses, by http and https on their own ports; 10 MiB, 30 seconds, 5 redirects."""


def why_not_public(address: Address) -> str | None:
    """Say what an address is for, and by which rule, when it is not public; None when it is."""
    for network, why in _special():
        if network.has(address):
            return why
    if address.version == 6 and not parse_network(_GLOBAL).has(address):
        return "no use yet (RFC 4291 2.4)"
    return None


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for; any other is returned as it is."""
    if any(parse_network(text).has(address) for text in _WRAPPING):
        return Address(4, address.number & 0xFFFF_FFFF)
    return address


def parse_address(text: str) -> Address | None:
    """Read an IP address without a zone, IPv6 without brackets; None when it is none."""
    if not is_address(text) or "%" in text:
        return None
    if ":" not in text:
        return Address(4, _read_ipv4(text))
    before, gap, after = text.partition("::")
    head, tail = _groups(before), _groups(after)
    if gap:
        head += [0] * (8 - len(head) - len(tail))
    number = 0
    for group in head + tail:
        number = number << 16 | group
    return Address(6, number)


def _groups(text: str) -> list[int]:
    """Read the groups on one side of ::, the last of which may be IPv4."""
    groups = []
    for group in text.split(":") if text else ():
        if "." in group:
            number = _read_ipv4(group)
            groups += [number >> 16, number & 0xFFFF]
        else:
            groups.append(parse_hex(group) or 0)
    return groups


def _read_ipv4(text: str) -> int:
    number = 0
    for octet in text.split("."):
        number = number << 8 | (parse_digits(octet) or 0)
    return number


@lru_cache(maxsize=256)
def parse_network(text: str) -> Network:
    """Read an address, or a block of them as "10.0.0.0/8". Raises ValueError."""
    start, slash, length = text.partition("/")
    address = parse_address(start)
    if address is None:
        raise ValueError(f"no network: {text!r}; write it as 10.0.0.0/8 or 2001:db8::/32")
    bits = 32 if address.version == 4 else 128
    known = parse_digits(length, most=3) if slash else bits
    if known is None or known > bits:
        raise ValueError(f"no network: {text!r}; its length is a number from 0 to {bits}")
    size = 1 << (bits - known)
    if address.number % size:
        raise ValueError(f"no network: {text!r}; its address has bits beyond its length")
    return Network(address.version, address.number, address.number + size - 1)


@lru_cache(maxsize=1)
def _special() -> list[tuple[Network, str]]:
    return [(parse_network(text), f"{why} ({text}, {rule})") for text, why, rule in _SPECIAL]


def _listed(allowed: Iterable[object]) -> str:
    names = sorted(map(str, allowed), key=lambda name: (len(name), name))
    return ", ".join(names) or "nothing"


def _blocked(what: str, why: str, phase: str = "url") -> BlockedAddress:
    return BlockedAddress(f"{what} is not allowed here: {why}", phase=phase)
