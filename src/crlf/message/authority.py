"""Hosts and ports: what may stand between "//" and the path, and in the Host field.

One grammar for both ends, tighter than RFC 3986's: a name is made of the characters that
names in use are made of, and an IPv4 address has one spelling. So no two readers can take a
host for two different ones, and no address check can be passed by "0x7f.1".
"""

from __future__ import annotations

from crlf.message.errors import Malformed
from crlf.message.grammar import parse_digits
from crlf.patterns import pattern

MAX_HOST = 253  # characters, without the last dot; RFC 1035 2.3.4: 255 octets on the wire
MAX_LABEL = 63  # RFC 1035 2.3.4
MAX_PORT = 65535

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4_ADDRESS = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
# Almost every host there is: an IPv4 address, or labels of which the last starts with a letter.
# The rest (example.com. or 7.8x) is fault_of_host's. Possessive, so it never goes back.
PLAIN_HOST = (
    rf"(?=[0-9]){_IPV4_ADDRESS}"
    r"|(?:[A-Za-z0-9_-]{1,63}+\.)*+[A-Za-z_][A-Za-z0-9_-]{0,62}+"
)

_IPV4 = pattern(_IPV4_ADDRESS)
_PLAIN_AUTHORITY = pattern(rf"({PLAIN_HOST})(?::([0-9]{{1,5}}))?")
_NOT_IN_HOST = pattern(r"[^A-Za-z0-9._-]")
_NUMBER = pattern("[0-9]++|0[xX][0-9A-Fa-f]*+")
_GROUP = pattern("[0-9A-Fa-f]{1,4}")
_USUAL_PORTS = {str(port): port for port in (80, 443, 3000, 5000, 8000, 8080, 8443)}  # sooner read
_RULE = "RFC 9112 3.2"


def is_ipv6(text: str) -> bool:
    """Tell whether text is an IPv6 address, without brackets and zone (RFC 3986 3.2.2)."""
    if len(text) > 45:  # eight groups of four, the last two as IPv4
        return False
    before, gap, after = text.partition("::")
    groups = (before.split(":") if before else []) + (after.split(":") if after else [])
    count = len(groups)
    # The last 32 bits may be written as IPv4, and only those.
    if groups and text[-1] != ":" and _IPV4.fullmatch(groups[-1]) is not None:
        groups.pop()
        count += 1
    if any(_GROUP.fullmatch(group) is None for group in groups):
        return False
    return count <= 7 if gap else count == 8


def is_address(text: str) -> bool:
    """Tell whether text is an IP address, IPv6 without brackets and with or without a zone."""
    return _IPV4.fullmatch(text) is not None or is_ipv6(text.partition("%")[0])


def fault_of_host(host: str) -> str | None:
    """Say what is wrong with a host name or IPv4 address of an http URL; None when nothing is.

    Percent-encoding and RFC 3986's sub-delims (`a,b`, `a;b`) are faults here: no name in use
    has them, and readers disagree about them. So is every number that is an address only to
    some: when the last label is one, the host is four plain decimal numbers (WHATWG URL 3.5).
    """
    if not host:
        return "no host"
    if (wrong := _NOT_IN_HOST.search(host)) is not None:
        return f"{wrong[0]!a} in the host"
    labels = host.removesuffix(".").split(".")
    if "" in labels:
        return "empty label in the host"
    if max(map(len, labels)) > MAX_LABEL:
        return f"label of over {MAX_LABEL} characters in the host"
    if len(host.removesuffix(".")) > MAX_HOST:
        return f"host of over {MAX_HOST} characters"
    if _NUMBER.fullmatch(labels[-1]) is not None and _IPV4.fullmatch(host) is None:
        return "an IPv4 address is four numbers from 0 to 255, as in 127.0.0.1"
    return None


def in_brackets(host: str) -> str:
    """Write a host as it stands in a URL: IPv6 in brackets, its zone left out.

    RFC 6874 4: a zone has a meaning on one machine only and is never sent.
    """
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def parse_authority(text: str, may_be_empty: bool = False) -> tuple[str, int | None]:
    """Read uri-host [":" port], as in a Host field: the host in lower case, IPv6 without brackets.

    The port is None when it is left out or left empty. An empty text is ("", None) where it may
    be empty. Raises Malformed (400).
    """
    plain = _PLAIN_AUTHORITY.fullmatch(text)
    if plain is not None and len(text) <= MAX_HOST:
        host, port = plain.groups()
        if port is None:
            return host.lower(), None
        number = _USUAL_PORTS.get(port) or parse_port(port)
        if number is not None:
            return host.lower(), number
    if not text:
        if may_be_empty:
            return "", None
        raise Malformed("no host", _RULE)
    return _parse_rare_authority(text)


def _parse_rare_authority(text: str) -> tuple[str, int | None]:
    if text[0] == "[":
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise Malformed("bracket not closed in the host", _RULE)
        if not is_ipv6(host):
            raise Malformed("no IPv6 address in the brackets", _RULE)
        if rest and rest[0] != ":":
            raise Malformed("characters after the bracket in the host", _RULE)
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
        if (fault := fault_of_host(host)) is not None:
            raise Malformed(fault, _RULE)
    if not port:
        return host.lower(), None
    number = parse_port(port)
    if number is None:
        raise Malformed(f"port is no number from 0 to {MAX_PORT}", _RULE)
    return host.lower(), number


def parse_port(text: str) -> int | None:
    """Read a port's digits; None when it is anything else than a number from 0 to 65535."""
    number = parse_digits(text)
    return number if number is not None and number <= MAX_PORT else None
