"""Whom a request really comes from, when proxies that are trusted say so.

Each proxy notes at the right whom it was asked by, so the notes are read from the right, for as
long as who wrote them is trusted; the first who is not is the client, and whatever stands left of
him is his own invention. Its law: nothing is believed that a proxy did not write. So only the
fields are looked at that the configuration names: of two families one would be the client's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from crlf.message.authority import parse_authority, parse_port
from crlf.message.errors import Malformed
from crlf.message.fields.forwarded import (
    MAX_HOPS,
    Hop,
    Node,
    parse_forwarded,
    parse_place,
    split_members,
)
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.addresses import Network, parse_address, parse_network
from crlf.rules.gates import Gate

# What nearly every proxy writes, be it told to or not. X-Forwarded-Host is not among it: nginx
# and HAProxy do not write it unless told, and then it is the client who does.
PROXY_FIELDS: Final = ("x-forwarded-for", "x-forwarded-proto")
_KNOWN: Final = (
    "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
)  # fmt: skip
_MOST_REMEMBERED: Final = 1024  # addresses whose trust is known, fields whose meaning is
_LONGEST_REMEMBERED: Final = 256  # characters of such fields
_SCHEMES: Final = ("http", "https")

Place = tuple[str, int]


class Trusted:
    """The proxies that are believed: addresses, networks, "unix", or "*" for everybody.

    "unix" is who connects by a Unix domain socket. Raises ValueError for anything else.
    """

    __slots__ = ("_all", "_networks", "_seen", "_unix")

    def __init__(self, entries: Iterable[str]) -> None:
        entries = list(entries)
        self._all = "*" in entries
        self._unix = self._all or "unix" in entries
        self._networks: list[Network] = [
            parse_network(entry) for entry in entries if entry not in ("*", "unix")
        ]
        self._seen: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return self._all or self._unix or bool(self._networks)

    def has(self, place: Place | None) -> bool:
        """Tell whether an address is trusted; None is nobody's."""
        if place is None:
            return False
        known = self._seen.get(place[0])
        if known is None:
            if len(self._seen) >= _MOST_REMEMBERED:
                self._seen.clear()
            known = self._seen[place[0]] = self._all or self._is_in_networks(place[0])
        return known

    def has_peer(self, peer: Place | None, local: Place | None) -> bool:
        """Tell whether the other end of a connection is trusted; a Unix domain socket has none.

        A connection with an address of ours and none of the peer's is one of which a PROXY line
        says that nobody knows whose it is.
        """
        if peer is None:
            return self._unix and local is None
        return self.has(peer)

    def _is_in_networks(self, text: str) -> bool:
        address = parse_address(text.partition("%")[0])
        if address is None:
            return False
        if address.version == 6 and address.number >> 32 == 0xFFFF:
            # RFC 4291 2.5.5.2: how a socket for both versions shows IPv4.
            address = address._replace(version=4, number=address.number & 0xFFFF_FFFF)
        return any(network.has(address) for network in self._networks)


class Told(NamedTuple):
    """What proxies say of a request, as far as they are to be believed.

    peer: None when nobody says an address. scheme, authority: None when nobody says.
    """

    peer: Place | None
    scheme: str | None = None
    authority: str | None = None


def forwarded_gate(trusted: Trusted, fields: Sequence[str] = PROXY_FIELDS) -> Gate:
    """Make the gate that gives requests the peer, scheme and host that trusted proxies tell of.

    fields: those that the proxies write: "forwarded" alone, or any of the "x-forwarded-" ones. A
    request from anybody else passes as it is. Raises ValueError for other fields.
    """
    names = tuple([name.lower() for name in fields])
    if unknown := [name for name in names if name not in _KNOWN]:
        raise ValueError(f"no field of proxies: {unknown[0]!r}; there are {', '.join(_KNOWN)}")
    if "forwarded" in names and len(names) > 1:
        raise ValueError("proxies write Forwarded or X-Forwarded-*: one of them would be clients'")

    # What else the answer depends on: a port that is told alone belongs to the Host field's name.
    keys = (*names, "host") if "x-forwarded-port" in names else names
    known: dict[tuple[tuple[str, ...], ...], Told] = {}  # clients come back, and say the same

    def believe(request: Request) -> Request:
        how = request.received_how
        if not trusted.has_peer(how.peer, how.local):
            return request
        headers = request.headers
        for name in names:
            if name in headers:
                break
        else:
            return request
        key = tuple([tuple(headers.get_all(name)) for name in keys])
        told = known.get(key)
        if told is None:
            if names[0] == "forwarded":
                told = read_forwarded(key[0], how, trusted)
            else:
                told = read_x_forwarded(headers, names, how, trusted)
            size = sum([len(line) for lines in key for line in lines])
            if told.peer is not how.peer and size <= _LONGEST_REMEMBERED:
                if len(known) >= _MOST_REMEMBERED:
                    known.clear()
                known[key] = told
        return request.with_received(
            how._replace(
                peer=told.peer,
                scheme=told.scheme or how.scheme,
                authority=told.authority or how.authority,
            )
        )

    return believe


# --- RFC 7239 ------------------------------------------------------------------------------------


def read_forwarded(lines: Sequence[str], how: Received, trusted: Trusted) -> Told:
    """Walk through Forwarded from the right (RFC 7239 5.2). lines: the fields in their order.

    A proxy may add a field of its own, so that each is read by itself: what a client has broken
    ends the walk where the client's words begin. The outermost that is trusted has the last word
    on scheme and host.
    """
    peer, scheme, authority = how.peer, None, None
    left = MAX_HOPS
    for line in reversed(lines):
        hops, is_whole = _hops_of(line)
        for hop in reversed(hops):
            left -= 1
            if left < 0:
                return Told(None, scheme, authority)
            if hop.proto in _SCHEMES:
                scheme = hop.proto
            authority = hop.host or authority
            if hop.client is None:
                return Told(peer, scheme, authority)  # it tells of no client, so of none before
            peer = hop.client.place
            if not trusted.has(peer):
                return Told(peer, scheme, authority)
        if not is_whole:
            return Told(None, scheme, authority)
    return Told(peer, scheme, authority)


def _hops_of(line: str) -> tuple[list[Hop], bool]:
    """Read a field, or as much of its end as is certain; tell whether that is all.

    A quote that a client did not close swallows what the proxy has added. Its own element is the
    last, and where there is no quote in it, it is the same however one reads what comes before.
    """
    try:
        return parse_forwarded(line), True
    except Malformed:
        last = line.rpartition(",")[2]
        if '"' in last or "\\" in last:
            return [], False
        try:
            return parse_forwarded(last), False
        except Malformed:
            return [], False


# --- X-Forwarded-* -------------------------------------------------------------------------------


def read_x_forwarded(
    headers: Headers, names: Sequence[str], how: Received, trusted: Trusted
) -> Told:
    """Walk through X-Forwarded-For from the right; take the other fields' members beside it.

    Where another field has as many members as there are hops, each is one hop's; else the last
    counts, which the nearest proxy wrote.
    """
    peer, steps = how.peer, 0
    hops = _members(headers, "x-forwarded-for", names)
    for text in reversed(hops[-MAX_HOPS:]):
        steps += 1
        try:
            node: Node | None = parse_place(text)
        except Malformed:
            node = None
        peer = None if node is None else node.place
        if not trusted.has(peer):
            break
    else:
        if len(hops) > MAX_HOPS:
            peer = None

    def beside(name: str) -> str | None:
        members = _members(headers, name, names)
        if not members:
            return None
        return members[-steps] if steps and len(members) == len(hops) else members[-1]

    scheme = (beside("x-forwarded-proto") or "").lower()
    authority = _authority(beside("x-forwarded-host"), beside("x-forwarded-port"), headers)
    return Told(peer, scheme if scheme in _SCHEMES else None, authority)


def _members(headers: Headers, name: str, names: Sequence[str]) -> list[str]:
    if name not in names:
        return []
    return [member for line in headers.get_all(name) for member in split_members(line)]


def _authority(host: str | None, port: str | None, headers: Headers) -> str | None:
    """Put host and port together; a port that stands with the host comes before the other."""
    try:
        if host is not None:
            name, known = parse_authority(host)
        elif port is not None and (named := headers.first("host")):
            name, known = parse_authority(named)
        else:
            return None
    except Malformed:
        return None
    number = known if known is not None else parse_port(port or "")
    shown = f"[{name}]" if ":" in name else name
    return shown if number is None else f"{shown}:{number}"
