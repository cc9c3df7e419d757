"""Cookies at rest: what is kept of one, and the texts in which many are written down.

The Cookie field is what goes out. JSON is our own and keeps everything. The Netscape format is
what curl, wget and browsers' exports have; it knows no SameSite, no Partitioned and no creation
time. Reading and writing files is for whoever has them. Its law: a cookie that came from a text is
as well-formed as one that came from a server, and host-only stays host-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from crlf.message.authority import fault_of_host, is_ipv6
from crlf.message.errors import Malformed
from crlf.message.fields.cookies import MAX_PAIR, prefix_fault
from crlf.message.grammar import BLANK, parse_digits
from crlf.patterns import pattern
from crlf.values import as_dict, record

MAX_FIELD: Final = 16 * 1024  # bytes of a Cookie field; curl 8190; nginx, Apache read 8 KiB, IIS 16

_FORMAT: Final = "crlf cookies 1"
SESSION_FORMAT: Final = "crlf session 1"  # of the command line; it has cookies in the same form
_LATEST: Final = 253_402_300_799.0  # the end of the year 9999
# RFC 6265bis 5.6 (1): HTAB is allowed. Each character is a byte.
_CONTROL = pattern("[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_HTTP_ONLY: Final = "#HttpOnly_"  # how curl writes it, in what would else be a comment


@record
class Cookie:
    """A cookie in a jar (RFC 6265bis 5.7). Nothing of it changes but `accessed`.

    domain: in lower case, without a leading dot; "" for one that the user gave for whatever host
    he asks. host_only: not for the hosts below domain. same_site: "Strict", "Lax", "None" or ""
    for not said. expires, created, accessed: seconds since 1970; expires None: when the session
    ends. created is never the same for two cookies of a jar.
    """

    name: str
    value: str
    domain: str
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    partitioned: bool = False
    expires: float | None = None
    created: float = 0.0
    accessed: float = 0.0

    def has_expired(self, now: float) -> bool:
        """Tell whether its time is over."""
        return self.expires is not None and self.expires <= now

    def __repr__(self) -> str:
        below = "" if self.host_only else "."
        return f"<Cookie {self.name}=*** for {below}{self.domain or 'any host'}{self.path}>"


def fault_of_cookie(cookie: Cookie) -> str:
    """Say what is wrong with a cookie that no server sent, or nothing."""
    name, value, domain, path = cookie.name, cookie.value, cookie.domain, cookie.path
    if _CONTROL.search(name + value) is not None or ";" in name + value or "=" in name:
        return "a control character, semicolon, = in the name, or character beyond U+00FF"
    if name != name.strip(BLANK) or value != value.strip(BLANK):
        return "name or value begins or ends with a blank"
    if not 0 < len(name) + len(value) <= MAX_PAIR:
        return f"name and value are empty, or over {MAX_PAIR} bytes"
    host = domain.partition("%")[0]  # the zone of an IPv6 address has a case
    if host != host.lower():
        return "the domain is written in lower case"
    if domain and not is_ipv6(host) and (fault := fault_of_host(domain)) is not None:
        return f"domain: {fault}"
    if not domain and not cookie.host_only:
        return "no domain"
    if path[:1] != "/" or _CONTROL.search(path) is not None:
        return "the path has to begin with / and must not have a control character"
    if cookie.same_site not in ("", "Strict", "Lax", "None"):
        return 'SameSite has to be "Strict", "Lax" or "None"'
    if cookie.same_site == "None" and not cookie.secure:
        return "SameSite=None needs Secure"
    times = (cookie.expires or 0.0, cookie.created, cookie.accessed)
    if not all(0 <= moment <= _LATEST for moment in times):
        return "a time that is not between 1970 and 9999"
    return prefix_fault(name, value, secure=cookie.secure, host_only=cookie.host_only, path=path)


# --- the Cookie field ----------------------------------------------------------------------------


def given_pairs(cookies: Mapping[str, str]) -> str:
    """Write the Cookie field of cookies that the user gives with a request.

    Raises Malformed (a ValueError) for what would be read back as another cookie, or several.
    """
    for name, value in cookies.items():
        if fault := fault_of_cookie(Cookie(name, value, "")):
            raise Malformed(f"cookie {name[:40]!a}: {fault}", "RFC 6265bis 5.8.3")
    return "; ".join([f"{name}={value}" for name, value in cookies.items()])


def build_cookie_field(cookies: Iterable[Cookie], given: str = "") -> str | None:
    """Write the value of a Cookie field; None when there is nothing to say (RFC 6265bis 5.8.3).

    given: what the user wrote there himself. It comes first and as it is, and no cookie whose name
    it has goes along. What would make the field longer than MAX_FIELD stays behind.
    """
    pairs, left = [given] if given else [], MAX_FIELD - len(given)
    taken = _names_of(given) if given else ()
    for cookie in cookies:
        pair = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
        if len(pair) + 2 <= left and cookie.name not in taken:
            pairs.append(pair)
            left -= len(pair) + 2
    return "; ".join(pairs) or None


def _names_of(field: str) -> frozenset[str]:
    """Read the names in a Cookie field; a cookie without one has the name ""."""
    pieces = [piece.partition("=") for piece in field.split(";")]
    return frozenset(name.strip(BLANK) if equals else "" for name, equals, _ in pieces)


# --- JSON ----------------------------------------------------------------------------------------


def build_json(cookies: Iterable[Cookie]) -> str:
    """Write cookies as JSON, all that is known of them, in ASCII."""
    import json

    return json.dumps({"format": _FORMAT, "cookies": [as_dict(each) for each in cookies]}, indent=1)


def parse_json_cookies(text: str) -> list[Cookie]:
    """Read what build_json wrote. Raises Malformed, also for a cookie that could not be sent."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("a cookie file that is no JSON") from None
    if not isinstance(found, dict) or found.get("format") not in (_FORMAT, SESSION_FORMAT):
        raise Malformed(f'JSON, but not of the format "{_FORMAT}"')
    entries = found.get("cookies")
    if not isinstance(entries, list):
        raise Malformed("a cookie file without a list of cookies")
    return [_read_entry(entry, f"cookie {at}") for at, entry in enumerate(entries, 1)]


def _read_entry(entry: object, where: str) -> Cookie:
    if not isinstance(entry, dict):
        raise Malformed(f"{where}: no JSON object")
    values: dict[str, object] = {}
    for name, example in as_dict(Cookie("", "", "")).items():
        value = entry.get(name, example)
        if type(value) is int:
            value = value * 1.0 if abs(value) <= _LATEST else -1.0
        if type(value) is not type(example) and not (
            name == "expires" and (value is None or type(value) is float)
        ):
            raise Malformed(f"{where}: {name} is a {type(value).__name__}")
        values[name] = value
    return _checked(Cookie(**values), where)  # type: ignore[arg-type]  # each was checked


def _checked(cookie: Cookie, where: str) -> Cookie:
    if fault := fault_of_cookie(cookie):
        raise Malformed(f"{where}: {fault}", "RFC 6265bis 5.7")
    return cookie


# --- Netscape ------------------------------------------------------------------------------------


def build_netscape(cookies: Iterable[Cookie]) -> str:
    """Write cookies in the Netscape format, one character a byte: encode it as latin-1.

    Left out are cookies without a domain, and those with a tab, which would shift the columns.
    """
    lines = ["# Netscape HTTP Cookie File", ""]
    for cookie in cookies:
        words = (
            (_HTTP_ONLY if cookie.http_only else "")
            + ("" if cookie.host_only else ".")
            + cookie.domain,
            "FALSE" if cookie.host_only else "TRUE",
            cookie.path,
            "TRUE" if cookie.secure else "FALSE",
            "0" if cookie.expires is None else f"{max(1.0, cookie.expires):.0f}",
            cookie.name,
            cookie.value,
        )
        if cookie.domain and not any("\t" in word for word in words):
            lines.append("\t".join(words))
    return "\n".join([*lines, ""])


def parse_netscape(text: str) -> list[Cookie]:
    """Read cookies in the Netscape format. Raises Malformed, naming the line.

    The second column says whether hosts below the domain get it, a leading dot says nothing.
    """
    cookies: list[Cookie] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        http_only = line.startswith(_HTTP_ONLY)
        line = line.removeprefix(_HTTP_ONLY)
        if not line.strip(BLANK) or (line[0] == "#" and not http_only):
            continue
        columns = line.split("\t", 6)
        if len(columns) == 6:  # an empty value at the end, and an editor that took the tab away
            columns.append("")
        seconds = parse_digits(columns[4], 12) if len(columns) == 7 else None
        flags = (columns[1], columns[3]) if len(columns) == 7 else ()
        if seconds is None or any(flag not in ("TRUE", "FALSE") for flag in flags):
            raise Malformed(f"line {number}: not the seven columns of a Netscape cookie file")
        domain, below, path, secure, _, name, value = columns
        cookie = Cookie(
            name,
            value,
            domain.removeprefix(".").lower(),
            path,
            host_only=below == "FALSE",
            secure=secure == "TRUE",
            http_only=http_only,
            expires=seconds * 1.0 if seconds else None,
        )
        if not cookie.domain:
            raise Malformed(f"line {number}: no domain")
        cookies.append(_checked(cookie, f"line {number}"))
    return cookies
