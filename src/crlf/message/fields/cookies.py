"""Cookies: the Cookie and Set-Cookie fields, read leniently and written strictly.

RFC 6265bis has two grammars on purpose: servers write the narrow one of its section 4, and
whoever reads follows the algorithms of section 5 to the letter, because browsers do and a
difference between two readers is a hole. Everything here is pure: a jar asks these
functions whether, and for whom, a cookie is.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from crlf.message.dates import build_date, parse_cookie_date
from crlf.message.errors import Malformed, TooLarge
from crlf.message.grammar import BLANK, is_token, parse_digits
from crlf.message.params import Params
from crlf.patterns import pattern
from crlf.values import frozen, replace

MAX_COOKIES: Final = 200  # read from one request; Go 3000, Chromium keeps 180 a domain
MAX_PAIR: Final = 4096  # bytes of name and value; RFC 6265bis 5.6, as in browsers
MAX_ATTRIBUTE: Final = 1024  # bytes of an attribute's value; RFC 6265bis 5.6, as in browsers
MAX_AGE: Final = 400 * 24 * 60 * 60  # seconds; RFC 6265bis 5.5, as in Chromium
LONG_GONE: Final = 0  # seconds since 1970; the earliest time that an expiry can be

SameSite = Literal["Strict", "Lax", "None"]
_SAME_SITE: Final[dict[str, SameSite]] = {"strict": "Strict", "lax": "Lax", "none": "None"}

_CONTROL = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 6265bis 5.6 (1): HTAB is allowed
_VALUE = pattern(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265bis 4.1.1
_PATH = pattern(r"/[\x21-\x2b\x2d-\x3a\x3c-\x7e]*")  # no blank, comma or semicolon
_LABEL = r"[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
_DOMAIN = pattern(rf"{_LABEL}(?:\.{_LABEL})*")
_SECONDS = pattern(r"-?[0-9]+")
_NUMERIC_LABEL = pattern(r"[0-9]+|0[xX][0-9A-Fa-f]*")  # the end of an IPv4 address


def parse_cookies(value: str, limit: int = MAX_COOKIES) -> Params:
    """Read a Cookie field; of two cookies with one name the first is the one that counts.

    Browsers send the cookie with the longest path first (RFC 6265bis 5.8.3), so first wins.
    Blanks round names and values are dropped, one pair of quotes round a value is taken off,
    and nothing inside is decoded. What is no pair of a name and a value is skipped alone.

    Raises TooLarge when there are more than `limit` pairs.
    """
    pairs: list[tuple[str, str]] = []
    for piece in value.split(";"):
        name, equals, text = piece.partition("=")
        name = name.strip(BLANK)
        if not equals or not name or _CONTROL.search(piece) is not None:
            continue
        if len(pairs) == limit:
            raise TooLarge("cookies", limit, 431, "RFC 6265bis 6.1")
        text = text.strip(BLANK)
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        pairs.append((name, text))
    return Params(pairs)


@frozen
class SetCookie:
    """A cookie as a server sends it. Only what the grammar allows can be made.

    max_age is in seconds and expires in seconds since 1970; neither means until the browser
    closes. domain None means this host alone. path None leaves out the attribute, and the
    browser takes the folder of the request.

    Raises Malformed (a ValueError) when a browser would drop the cookie or misread it.
    """

    name: str
    value: str
    path: str | None = "/"
    domain: str | None = None
    max_age: int | None = None
    expires: int | None = None
    secure: bool = False
    http_only: bool = False
    same_site: SameSite | None = "Lax"
    partitioned: bool = False

    def __post_init__(self) -> None:
        if fault := self._fault():
            raise Malformed(f"cookie {self.name[:40]!a}: {fault}", "RFC 6265bis 4.1")

    def _fault(self) -> str:
        """Say what is wrong with this cookie, or nothing."""
        if not is_token(self.name):
            return "the name has to be a token"
        if _VALUE.fullmatch(self.value) is None:
            return "the value has a blank, quote, comma, semicolon or other character to encode"
        if len(self.name) + len(self.value) > MAX_PAIR:
            return f"name and value are over {MAX_PAIR} bytes, and browsers drop it"
        if self.path is not None and (
            _PATH.fullmatch(self.path) is None or len(self.path) > MAX_ATTRIBUTE
        ):
            return "the path has to begin with / and needs other characters encoded"
        if self.domain is not None and (
            len(self.domain) > 253 or _DOMAIN.fullmatch(self.domain) is None
        ):
            return "the domain has to be a host name in ASCII, without a leading dot"
        if self.same_site is not None and self.same_site not in _SAME_SITE.values():
            return 'SameSite has to be "Strict", "Lax" or "None"'
        if not self.secure and (self.same_site == "None" or self.partitioned):
            return "SameSite=None and Partitioned need Secure"
        return prefix_fault(
            self.name, self.value, secure=self.secure, host_only=not self.domain, path=self.path
        )

    def build(self) -> str:
        """Write the value of a Set-Cookie field (RFC 6265bis 4.1.1)."""
        words = [f"{self.name}={self.value}"]
        if self.expires is not None:
            words.append(f"Expires={build_date(self.expires)}")
        if self.max_age is not None:
            if self.max_age > 0:
                words.append(f"Max-Age={self.max_age:d}")
            elif self.expires is None:  # the grammar has no Max-Age of zero
                words.append(f"Expires={build_date(LONG_GONE)}")
        if self.domain is not None:
            words.append(f"Domain={self.domain}")
        if self.path is not None:
            words.append(f"Path={self.path}")
        for word, is_set in (
            ("Secure", self.secure),
            ("HttpOnly", self.http_only),
            (f"SameSite={self.same_site}", self.same_site is not None),
            ("Partitioned", self.partitioned),
        ):
            if is_set:
                words.append(word)
        return "; ".join(words)

    def removal(self) -> SetCookie:
        """Make the cookie that deletes this one: same name, domain and path, long expired."""
        return replace(self, value="", max_age=None, expires=LONG_GONE)


class ParsedCookie(NamedTuple):
    """A cookie as a client reads it, before anything is known of who sent it.

    expires is in seconds since 1970, None for a cookie of this session. domain is in lower
    case and "" when the cookie is for one host alone. path is None without a Path attribute
    and "" when there was one that says nothing: both mean default_path of the request.
    same_site is "" when the server said nothing that is known.
    """

    name: str
    value: str
    expires: float | None = None
    domain: str = ""
    path: str | None = None
    secure: bool = False
    http_only: bool = False
    same_site: SameSite | Literal[""] = ""
    partitioned: bool = False


def parse_set_cookie(value: str, now: float) -> ParsedCookie | None:
    """Read a Set-Cookie field by the algorithm of RFC 6265bis 5.6; None: ignore the cookie.

    value has one character a byte; now is in seconds since 1970.
    """
    if _CONTROL.search(value) is not None:  # (1)
        return None
    pair, _, unparsed = value.partition(";")  # (2)
    name, equals, text = pair.partition("=")  # (3)
    if not equals:
        name, text = "", pair
    name, text = name.strip(BLANK), text.strip(BLANK)  # (4)
    if len(name) + len(text) > MAX_PAIR:  # (5)
        return None
    if not name and not text:  # RFC 6265bis 5.7 (2)
        return None
    seen: dict[str, str] = {}
    aged: float | None = None
    expires: float | None = None
    for attribute in unparsed.split(";"):
        key, _, said = attribute.partition("=")
        key, said = key.strip(BLANK), said.strip(BLANK)
        if len(said) > MAX_ATTRIBUTE or not key.isascii():  # no non-ASCII name is known
            continue
        key = key.lower()
        if key == "max-age":  # the last that can be read counts, in 5.7 (6) as in browsers
            aged = aged if (at := _age_to_expiry(said, now)) is None else at
        elif key == "expires":
            at = parse_cookie_date(said)
            expires = expires if at is None else min(at, now + MAX_AGE)
        else:
            seen[key] = said
    path = seen.get("path")
    if not seen.get("domain", "").isascii():  # RFC 6265bis 5.7 (8)
        return None
    same_site = seen.get("samesite", "")
    return ParsedCookie(
        name,
        text,
        expires=expires if aged is None else aged,
        domain=seen.get("domain", "").removeprefix(".").lower(),
        path=path if path is None or path.startswith("/") else "",
        secure="secure" in seen,
        http_only="httponly" in seen,
        same_site=_SAME_SITE.get(same_site.lower(), "") if same_site.isascii() else "",
        partitioned="partitioned" in seen,
    )


def _age_to_expiry(text: str, now: float) -> float | None:
    """Turn Max-Age into a time (RFC 6265bis 5.6.2); None when the attribute is to be ignored."""
    if _SECONDS.fullmatch(text) is None:
        return None
    digits = text.lstrip("-0")
    if text[0] == "-" or not digits:
        return LONG_GONE
    age = parse_digits(digits, 9)
    return now + (MAX_AGE if age is None else min(age, MAX_AGE))


def prefix_fault(name: str, value: str, *, secure: bool, host_only: bool, path: str | None) -> str:
    """Say why the promise of a cookie's name prefix is broken, or "" (RFC 6265bis 5.7 (20-22)).

    Prefixes are compared in any case (4.1.3). path: the cookie's path, None when it came
    without a Path attribute and got the default.
    """
    if not name:
        # (22) sent back without a "=", such a value would look like a cookie of that name
        if value.lower().startswith(("__secure-", "__host-")):
            return "a cookie without a name whose value begins with a prefix"
        return ""
    lowered = name.lower()
    if lowered.startswith("__secure-") and not secure:
        return "the prefix __Secure- needs Secure"
    if lowered.startswith("__host-") and not (secure and host_only and path == "/"):
        return "the prefix __Host- needs Secure, Path=/ and no Domain"
    return ""


def domain_matches(host: str, domain: str) -> bool:
    """Tell whether a host is the domain or below it (RFC 6265bis 5.1.3).

    Both in canonical form: lower case, IDNA done, an IPv6 address with or without brackets.
    An address matches itself alone.
    """
    if not domain or host == domain:
        return bool(domain)
    return host.endswith("." + domain) and not _is_address(host)


def _is_address(host: str) -> bool:
    return (
        ":" in host
        or _NUMERIC_LABEL.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None
    )


def path_matches(request_path: str, cookie_path: str) -> bool:
    """Tell whether a request's path is the cookie's path or below it (RFC 6265bis 5.1.4)."""
    if not cookie_path or not request_path.startswith(cookie_path):
        return False
    return (
        len(request_path) == len(cookie_path)
        or cookie_path[-1:] == "/"
        or request_path[len(cookie_path)] == "/"
    )


def default_path(request_path: str) -> str:
    """The path of a cookie that named none: the folder of the request (RFC 6265bis 5.1.4).

    request_path: the path of the URL as it was requested, without the query.
    """
    folder, slash, _ = request_path.rpartition("/")
    return folder if slash and folder.startswith("/") else "/"
