"""Forwarded: what proxies have seen of a request (RFC 7239), and the words of the older fields.

Each proxy adds an element at the right: whom it was asked by (for), under which of its names
(by), for which host, over which scheme. Its law: the grammar whole, quoted strings included, or
nothing; and an address has one spelling, however it was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from crlf.message.authority import in_brackets, is_address, is_ipv6, parse_authority, parse_port
from crlf.message.errors import Malformed
from crlf.message.grammar import BLANK, QUOTED, TOKEN, build_quoted, is_token, unquote
from crlf.patterns import pattern

MAX_HOPS: Final = 64  # of one request; a chain of ten proxies is a long one

_RULE = "RFC 7239 4"
_PAIR = pattern(rf"({TOKEN.pattern})=({TOKEN.pattern}|{QUOTED.pattern})")
_HIDDEN = pattern(r"_[A-Za-z0-9._\-]+")  # an identifier that is a secret, RFC 7239 6.3
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.\-]*")
_PORT = pattern("[0-9]{1,5}")


class Node(NamedTuple):
    """Who was at an end of a connection (RFC 7239 6).

    name: an IP address without brackets, "unknown", or an identifier that begins with "_".
    port: a number, an identifier that begins with "_", or None when it is not said.
    """

    name: str
    port: int | str | None = None

    @property
    def place(self) -> tuple[str, int] | None:
        """Address and port, 0 where that is not known; None when there is no address."""
        if self.name[0] == "_" or self.name == "unknown":
            return None
        return self.name, self.port if isinstance(self.port, int) else 0

    def __str__(self) -> str:
        host = in_brackets(self.name)
        return host if self.port is None else f"{host}:{self.port}"


class Hop(NamedTuple):
    """One element: what one proxy says of the request as it came to it.

    client: who asked it ("for"). by: where it was asked. host: the Host field it was sent. proto:
    the scheme, in lower case. others: parameters that RFC 7239 does not know.
    """

    client: Node | None = None
    by: Node | None = None
    host: str | None = None
    proto: str | None = None
    others: tuple[tuple[str, str], ...] = ()


def parse_forwarded(value: str, most: int = MAX_HOPS) -> list[Hop]:
    """Read a Forwarded field, the proxy nearest to the client first.

    Blanks round a semicolon, which RFC 7239 does not have and people write, are passed over.
    Raises Malformed when anything else is not as its grammar says, or there are over `most`.
    """
    hops: list[Hop] = []
    pairs: dict[str, str] = {}
    at, ended = 0, False  # ended: the last pair is over, and needs a separator before the next
    while True:
        while value[at : at + 1] in (" ", "\t"):
            at += 1
        if at == len(value) or value[at] == ",":
            if pairs:
                if len(hops) >= most:
                    raise Malformed(f"Forwarded by over {most} proxies", _RULE)
                hops.append(_hop(pairs))
                pairs = {}
            if at == len(value):
                return hops
            ended = False
        elif value[at] == ";":
            ended = False
        else:
            found = _PAIR.match(value, at)
            if found is None or ended:
                raise Malformed("Forwarded has something that is no parameter", _RULE, offset=at)
            name, text = found[1].lower(), found[2]
            # RFC 7239 4: each parameter MUST NOT occur more than once.
            if name in pairs:
                raise Malformed("a parameter of Forwarded comes twice", _RULE, offset=at)
            pairs[name] = unquote(text) if text[0] == '"' else text
            at, ended = found.end(), True
            continue
        at += 1


def _hop(pairs: dict[str, str]) -> Hop:
    client, by = pairs.pop("for", None), pairs.pop("by", None)
    host, proto = pairs.pop("host", None), pairs.pop("proto", None)
    if host is not None:
        parse_authority(host)  # RFC 7239 5.3: the syntax of the Host field
    if proto is not None and _SCHEME.fullmatch(proto) is None:
        raise Malformed("no scheme in Forwarded", "RFC 7239 5.4")
    return Hop(
        None if client is None else parse_node(client),
        None if by is None else parse_node(by),
        host,
        None if proto is None else proto.lower(),
        tuple(pairs.items()),
    )


def parse_node(text: str) -> Node:
    """Read a node: `nodename [":" node-port]` (RFC 7239 6). Raises Malformed.

    An IPv6 address stands in brackets. See parse_place for those that do not.
    """
    if text[:1] == "[":
        name, bracket, rest = text[1:].partition("]")
        if not bracket or not is_ipv6(name) or rest[:1] not in ("", ":"):
            raise Malformed("no IPv6 address in the brackets", "RFC 7239 6.1")
        port = rest[1:] if rest else None
    else:
        name, colon, rest = text.partition(":")
        port = rest if colon else None
        if name.lower() == "unknown":
            name = "unknown"
        elif not (_HIDDEN.fullmatch(name) or is_address(name)):
            raise Malformed("neither an address nor an identifier in Forwarded", "RFC 7239 6")
    if port is None:
        return Node(canonical_address(name))
    if _HIDDEN.fullmatch(port) is not None:
        return Node(canonical_address(name), port)
    number = parse_port(port) if _PORT.fullmatch(port) is not None else None
    if number is None:
        raise Malformed("no port in Forwarded", "RFC 7239 6")
    return Node(canonical_address(name), number)


def parse_place(text: str) -> Node:
    """Read a member of X-Forwarded-For: a node, or IPv6 without brackets. Raises Malformed."""
    if ":" in text and is_ipv6(text):
        return Node(canonical_address(text))
    return parse_node(text)


def canonical_address(text: str) -> str:
    """Write an IP address the one way (RFC 5952); IPv4 in IPv6 is the former; else as it is."""
    if ":" not in text:
        return text
    from ipaddress import IPv6Address

    address = IPv6Address(text)
    return str(address.ipv4_mapped or address)


def build_forwarded(hops: Iterable[Hop]) -> str:
    """Write a Forwarded field. Raises Malformed for what may not stand in one."""
    elements = []
    for hop in hops:
        known = (("for", hop.client), ("by", hop.by), ("host", hop.host), ("proto", hop.proto))
        pairs = [(name, str(value)) for name, value in known if value is not None]
        elements.append(";".join([_build_pair(*pair) for pair in (*pairs, *hop.others)]))
    return ", ".join(elements)


def _build_pair(name: str, value: str) -> str:
    if not is_token(name):
        raise Malformed("a parameter of Forwarded whose name is no token", _RULE)
    return f"{name}={value if is_token(value) else build_quoted(value)}"


def split_members(value: str) -> list[str]:
    """Split X-Forwarded-For and its like at the commas, empty members left out."""
    return [member for piece in value.split(",") if (member := piece.strip(BLANK))]
