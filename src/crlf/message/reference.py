"""The parts of URLs and of references to them: split, checked, encoded where they must be.

What is done with a text on its way to being a URL, by the grammar of RFC 3986. Its law: a part
that is valid comes out as it went in.
"""

from __future__ import annotations

import re

from crlf.message.authority import MAX_HOST, MAX_PORT, fault_of_host, is_ipv6, parse_port
from crlf.message.errors import BadUrl
from crlf.message.percent import percent_decode, percent_encode
from crlf.patterns import pattern

MAX_UNICODE_HOST = 1000  # characters, of which IDNA then makes MAX_HOST at most

# RFC 3986 3.2.1, 3.3 and 3.4. Square brackets have no place in a path or query there, but
# browsers, curl and requests all send them raw, and signatures are made over them; they stay.
USERINFO = r"A-Za-z0-9\-._~!$&'()*+,;=:"
PATH = USERINFO + r"@/\[\]"
QUERY = PATH + "?"
ESCAPE = "%[0-9A-Fa-f]{2}"
# RFC 3986 appendix B; it matches any text.
_REFERENCE = pattern(
    r"(?:([A-Za-z][A-Za-z0-9+.\-]*+):)?(?://([^/?#]*+))?([^?#]*+)(?:\?([^#]*+))?(?:#(.*+))?",
    re.DOTALL,
)
_LONE_PERCENT = "%(?![0-9A-Fa-f]{2})"
_NOT_IN_USERINFO = pattern(rf"[^{USERINFO}%]++|{_LONE_PERCENT}")
_NOT_IN_PATH = pattern(rf"[^{PATH}%]++|{_LONE_PERCENT}")
_NOT_IN_QUERY = pattern(rf"[^{QUERY}%]++|{_LONE_PERCENT}")
_NOT_IN_NAME = pattern(rf"[^A-Za-z0-9\-._~!$&'()*+,;=%]|{_LONE_PERCENT}")  # RFC 3986 3.2.2
_ZONE = pattern(r"[A-Za-z0-9\-._~]++")  # RFC 6874 2, without escapes
_NOT_IN_TEXT = pattern("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def encode_path(path: str) -> str:
    """Percent-encode what no path may have; what it may have stays as it is."""
    return _NOT_IN_PATH.sub(_encode_found, path)


def encode_query(query: str) -> str:
    """Percent-encode what no query or fragment may have; what it may have stays as it is."""
    return _NOT_IN_QUERY.sub(_encode_found, query)


def _encode_found(found: re.Match[str]) -> str:
    return percent_encode(found[0], "")


def remove_dot_segments(path: str) -> str:
    """Take "." and ".." out of a path as RFC 3986 5.2.4 does, in one pass."""
    if "." not in path:
        return path
    at = 0
    while path.startswith(("../", "./"), at):
        at = path.index("/", at) + 1
    if path[at:] in (".", ".."):
        return ""
    first, *segments = path[at:].split("/")
    kept = [first] if first else []
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(f"/{segment}")
    if segments and segments[-1] in (".", ".."):
        kept.append("/")
    return "".join(kept)


def split_reference(text: str) -> tuple[str | None, str | None, str, str | None, str | None]:
    """Split a URL or reference into scheme, authority, path, query and fragment, all raw."""
    if text[0] == " " or text[-1] == " ":
        raise BadUrl("blank at the start or end of the URL")
    if (wrong := _NOT_IN_TEXT.search(text)) is not None:
        kind = "half of a character" if ord(wrong[0]) >= 0xD800 else "control character"
        raise BadUrl(f"{kind} 0x{ord(wrong[0]):02x} in the URL")
    found = _REFERENCE.fullmatch(text)
    if found is None:  # cannot be: every part may be anything
        raise BadUrl("not a URL")
    scheme, authority, path, query, fragment = found.groups()
    return scheme, authority, path, query, fragment


def read_authority(text: str, is_web: bool) -> tuple[str | None, str, int | None, str]:
    """Read what follows "//": raw userinfo, host, port, and the whole as it is written."""
    if "\\" in text:
        raise BadUrl("backslash before the path")  # browsers take it for a slash
    raw, at, place = text.rpartition("@")
    if "@" in raw:
        raise BadUrl("two @ before the path; inside a password it is written %40")
    userinfo = _NOT_IN_USERINFO.sub(_encode_found, raw) if at else None
    if userinfo is not None:
        try:
            percent_decode(userinfo).decode()
        except UnicodeDecodeError:
            raise BadUrl("user name or password is not UTF-8") from None
    if place[:1] == "[":
        literal, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and rest[0] != ":"):
            raise BadUrl("brackets of the host are not around an IPv6 address")
        host, shown = _read_ipv6(literal), f"[{literal}]"
        colon, port = rest[:1], rest[1:]
    else:
        name, colon, port = place.partition(":")
        if ":" in port:
            raise BadUrl("two colons in the host; an IPv6 address stands in brackets")
        shown = _read_name(name, is_web)
        host = shown.lower()
    number = read_port(port) if port else None
    shown = f"{shown}{colon}{port}"
    return userinfo, host, number, shown if userinfo is None else f"{userinfo}@{shown}"


def _read_ipv6(literal: str) -> str:
    address, percent, zone = literal.partition("%25")  # RFC 6874 2
    if not is_ipv6(address):
        raise BadUrl("no IPv6 address in the brackets (a zone comes after %25)")
    if not percent:
        return address.lower()
    if _ZONE.fullmatch(zone) is None:
        raise BadUrl("zone of an IPv6 address is not letters, digits and -._~")
    return f"{address.lower()}%{zone}"  # names of interfaces have a case


def _read_name(name: str, is_web: bool) -> str:
    if not name.isascii():
        name = _to_ascii(name)
    if is_web:
        if (fault := fault_of_host(name)) is not None:
            raise BadUrl(fault)
    elif (wrong := _NOT_IN_NAME.search(name)) is not None:
        raise BadUrl(f"{wrong[0]!a} in the host")
    return name


def _to_ascii(name: str) -> str:
    """Write an international name in A-labels, as browsers do (UTS 46, then IDNA 2008)."""
    if len(name) > MAX_UNICODE_HOST:
        raise BadUrl(f"host of over {MAX_HOST} characters")
    import idna  # tables of megabytes, and most hosts are ASCII

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadUrl(f"no international host name: {error}") from None


def read_port(text: str) -> int:
    number = parse_port(text)
    if number is None:
        raise BadUrl(f"port is no number from 0 to {MAX_PORT}")
    return number
