"""The request target: what stands between the method and the version in a request line.

It has four forms, and the method decides which are allowed (RFC 9112 3.2). A target is checked
once and kept raw: nothing is decoded, no dot segment removed, because what one reader repairs
another does not. Its law: every character is one that RFC 3986 allows or browsers really send.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from crlf.message.authority import parse_authority
from crlf.message.errors import Malformed
from crlf.patterns import pattern

Form = Literal["origin", "absolute", "authority", "asterisk"]

# RFC 3986 3.3: pchar and "/". Beyond it what browsers send: Chromium 156 leaves [ ] raw in a
# path (watched on the wire), the WHATWG path percent-encode set | too, and it had no ^ before 2023.
_PATH = r"A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]|^"
# RFC 3986 3.4: those and "?". Chromium 156 sends [ \ ] ^ ` { | } raw in a query, and a percent
# sign that starts no escape ("?q=100%"); a form reader takes that one as itself.
_QUERY = _PATH + r"?\\`{}%"
_SOME_PATH = rf"/[{_PATH}]*+(?:%[0-9A-Fa-f]{{2}}[{_PATH}]*+)*+"
_ORIGIN_FORM = pattern(rf"({_SOME_PATH})(?:\?([{_QUERY}]*+))?")
_ABSOLUTE_FORM = pattern(
    rf"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#]*+)({_SOME_PATH}|)(?:\?([{_QUERY}]*+))?"
)
_ANY_ABSOLUTE = pattern(r"([A-Za-z][A-Za-z0-9+.\-]*+)://[^/?#]*+")
_NOT_IN_PATH = pattern(rf"[^{_PATH}%]")
_NOT_IN_QUERY = pattern(rf"[^{_QUERY}]")


class Target(NamedTuple):
    """A request target, taken apart and otherwise as it came.

    authority: host[:port] of the absolute and authority forms, valid and raw.
    path: raw; "/" when an absolute form has none, "*" for the asterisk form (also when
        OPTIONS has an absolute form without path and query, RFC 9112 3.2.4), "" for CONNECT.
    query: raw, without the question mark; None when there is none.
    scheme: "http" or "https" of the absolute form.
    """

    form: Form
    authority: str | None
    path: str
    query: str | None
    scheme: str | None


def parse_target(target: str, method: str) -> Target:
    """Read the target of a request line by its method (RFC 9112 3.2).

    Whether an absolute form's scheme is the one of the connection is for the server to tell
    (RFC 9110 7.4). Raises Malformed (400).
    """
    if method != "CONNECT":
        found = _ORIGIN_FORM.fullmatch(target)
        if found is not None:
            path, query = found.groups()
            # Past the class's own __new__, which takes twice as long.
            return tuple.__new__(Target, ("origin", None, path, query, None))
        return _parse_rare_target(target, method)
    # RFC 9112 3.2.3: CONNECT has the authority form, always; RFC 9110 9.3.6: with a port.
    if "/" in target or "?" in target or target == "*":
        raise Malformed("CONNECT wants host:port", "RFC 9112 3.2.3")
    _, port = parse_authority(target)
    if not port:
        raise Malformed("CONNECT wants host:port, and has no port", "RFC 9110 9.3.6")
    return Target("authority", target, "", None, None)


def _parse_rare_target(target: str, method: str) -> Target:
    if target == "*":
        if method == "OPTIONS":
            return Target("asterisk", None, "*", None, None)
        raise Malformed("* is a target for OPTIONS only", "RFC 9112 3.2.4")
    if target[:1] == "/":
        raise Malformed(_fault_of_path_and_query(target), "RFC 9112 3.2.1")
    found = _ABSOLUTE_FORM.fullmatch(target)
    if found is None:
        raise _no_target(target)
    scheme, authority, path, query = found.groups()
    if "@" in authority:
        # RFC 9110 4.2.4: userinfo from an untrusted source is an error.
        raise Malformed("user name in the target", "RFC 9110 4.2.4")
    parse_authority(authority)
    if not path:
        path = "*" if method == "OPTIONS" and query is None else "/"
    return Target("absolute", authority, path, query, scheme.lower())


def _no_target(target: str) -> Malformed:
    """Say why target is of no form at all."""
    if not target:
        return Malformed("no target", "RFC 9112 3.2")
    begin = _ANY_ABSOLUTE.match(target)
    if begin is None:
        if "/" not in target and ":" in target:
            return Malformed("host:port is a target for CONNECT only", "RFC 9112 3.2.3")
        return Malformed("target is neither a path nor a URL", "RFC 9112 3.2")
    if begin[1].lower() not in ("http", "https"):
        return Malformed("scheme of the target is not http or https", "RFC 9110 4.2")
    return Malformed(_fault_of_path_and_query(target[begin.end() :]), "RFC 9112 3.2.2")


def _fault_of_path_and_query(text: str) -> str:
    """Name the first character that made a path and query fail; never the bytes themselves."""
    if "#" in text:
        return "fragment in the target"
    path, _, query = text.partition("?")
    if (wrong := _NOT_IN_PATH.search(path)) is not None:
        return f"character 0x{ord(wrong[0]):02x} in the path"
    if (wrong := _NOT_IN_QUERY.search(query)) is not None:
        return f"character 0x{ord(wrong[0]):02x} in the query"
    return "percent sign without two hexadecimal digits in the path"
