"""Which hosts no_proxy takes from the environment's proxies.

The variable has no standard; this is what curl and Go's net/http agree on, and the narrower of
the two where they do not. A name stands for itself and what is below it, label by label; an
address or network is compared as a number, and with addresses only. Its law: a look-up costs
as many steps as the host has labels, and as there are networks.
"""

from __future__ import annotations

from typing import Final

from crlf.message.authority import fault_of_host, is_address, is_ipv6, parse_port
from crlf.message.errors import BadUrl
from crlf.message.url import URL
from crlf.patterns import pattern

MAX_ENTRIES: Final = 4096  # Go and curl have no limit; lists in use have some dozens
_SEPARATOR = pattern("[ \t\r\n,]+")
_PLACE = pattern(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})")

# A place that an entry names: a name or number, and the port it is for; None is every port.
Place = tuple[object, int | None]


class Exemptions:
    """The entries of one no_proxy. This machine (localhost, 127.0.0.0/8, ::1) is always exempt.

    text: is read when a host is looked up first. Entries that are nothing are passed over, as
    everywhere; over MAX_ENTRIES of them are a BadUrl, then.
    """

    __slots__ = ("_addresses", "_all", "_below", "_names", "_networks", "_text")

    def __init__(self, text: str) -> None:
        self._text: str | None = text
        self._all = False
        self._names: set[Place] = set()  # each for itself and below
        self._below: set[Place] = set()  # each for what is below
        self._addresses: set[tuple[object, str, int | None]] = set()  # number, zone, port
        self._networks: list[object] = []

    def cover(self, host: str, port: int) -> bool:
        """Tell whether a host is gone to straight. host: as URL.host has it. Raises BadUrl."""
        host = host.removesuffix(".")
        if is_loopback(host):
            return True
        if self._text is not None:
            self._read(self._text)  # by two threads at once, if so it happens: to the same end
            self._text = None
        if self._all:
            return True
        if is_address(host):
            return self._covers_address(host, port)
        return self._covers_name(host, port)

    def _covers_name(self, host: str, port: int) -> bool:
        if not self._names and not self._below:
            return False
        names, below = self._names, self._below
        labels = host.split(".")
        for at in range(len(labels)):
            name = ".".join(labels[at:])
            if (name, None) in names or (name, port) in names:
                return True
            if at and ((name, None) in below or (name, port) in below):
                return True
        return False

    def _covers_address(self, host: str, port: int) -> bool:
        if not self._addresses and not self._networks:
            return False
        from ipaddress import IPv4Network, IPv6Network

        address, zone = _number(host)
        for known in {zone, ""}:
            for each in (None, port):
                if (address, known, each) in self._addresses:
                    return True
        return any(
            isinstance(network, (IPv4Network, IPv6Network)) and address in network
            for network in self._networks
        )

    # -- reading

    def _read(self, text: str) -> None:
        entries = [entry for entry in _SEPARATOR.split(text) if entry]
        if len(entries) > MAX_ENTRIES:
            raise BadUrl(f"the variable no_proxy has over {MAX_ENTRIES:,} entries")
        for entry in entries:
            if entry == "*":
                self._all = True
            elif "/" in entry:
                self._read_network(entry)
            else:
                self._read_place(entry)

    def _read_network(self, entry: str) -> None:
        from ipaddress import IPv6Network, ip_network

        address, _, bits = entry.partition("/")
        address = address.removeprefix("[").removesuffix("]")
        try:
            network = ip_network(f"{address}/{bits}", strict=False)
        except ValueError:
            return
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
            if network.prefixlen < 96:
                return
            mapped = network.network_address.ipv4_mapped
            network = ip_network(f"{mapped}/{network.prefixlen - 96}")
        self._networks.append(network)

    def _read_place(self, entry: str) -> None:
        port = None
        if not is_address(entry) and (found := _PLACE.fullmatch(entry)) is not None:
            entry, port = found[1], parse_port(found[2])
            if port is None:
                return
        entry = entry.removeprefix("[").removesuffix("]")
        if is_address(entry):
            self._addresses.add((*_number(entry), port))
            return
        is_below = entry.startswith("*.")
        name = entry.removeprefix("*.") if is_below else entry.removeprefix(".")
        name = _plain_name(name.removesuffix("."))
        if name:
            (self._below if is_below else self._names).add((name, port))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name or number (RFC 6761 6.3, RFC 1122, 4291)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if ":" not in host:
        return host.startswith("127.") and is_address(host)
    return is_ipv6(host.partition("%")[0]) and getattr(_number(host)[0], "is_loopback", False)


def _number(address: str) -> tuple[object, str]:
    """Read an address as a number, and its zone; an IPv4 address in IPv6 is the former."""
    from ipaddress import IPv6Address, ip_address

    plain, _, zone = address.partition("%")
    number = ip_address(plain)
    if isinstance(number, IPv6Address) and number.ipv4_mapped is not None:
        return number.ipv4_mapped, ""
    return number, zone


def _plain_name(name: str) -> str:
    """Write a name as URL.host has it; empty when it is none."""
    if name.isascii():
        return name.lower() if fault_of_host(name) is None else ""
    try:
        url = URL(f"http://{name}/")
    except BadUrl:
        return ""
    return url.host if url.username is None and url.target == "/" else ""
