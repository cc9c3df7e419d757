"""URLs as curl reads them: a scheme is guessed, dots in the path are followed away.

Its law: what is not touched goes out byte for byte, as crlf sends URLs.
"""

from __future__ import annotations

from typing import Protocol

from crlf.cli.exits import Failure
from crlf.cli.translating.curlwords import Given
from crlf.message.errors import BadUrl
from crlf.message.reference import remove_dot_segments
from crlf.message.url import URL
from crlf.patterns import pattern

_SCHEME = pattern("([A-Za-z][A-Za-z0-9+.-]*)://")
_PARTS = pattern(r"((?:[A-Za-z][A-Za-z0-9+.-]*+://)?[^/?#]*+)([^?#]*+)(.*+)", 16)  # DOTALL
_BLANK = pattern("[\x00-\x20\x7f]")


class Translating(Protocol):
    """What of a translation is needed here."""

    given: Given
    expansions: dict[str, str]

    def remark(self, text: str, *, differs: bool = False) -> None: ...


def complete_url(text: str, translation: Translating) -> str:
    """Return the URL that curl would ask for. Raises Failure for one that crlf cannot ask for."""
    given, expansions = translation.given, translation.expansions
    if not text:
        raise Failure("curl is given an empty URL")
    found = _SCHEME.match(text)
    if text[0] in expansions:
        return text  # all that is known of it is known to the shell
    if found is None:
        default = (given.last("proto-default") or "http").lower()
        text = f"{default}://{text.removeprefix('//')}"
        found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme not in ("http", "https"):
        raise Failure(f"crlf speaks HTTP, and {scheme}:// is something else")
    parts = _PARTS.fullmatch(text)
    start, path, rest = parts.groups() if parts else (text, "", "")
    if not given.has("path-as-is"):
        path = remove_dot_segments(path)
    return f"{start}{path}{rest}"


def check_url(text: str, translation: Translating) -> None:
    """Raise Failure for what is no URL; remark what is written otherwise when it is sent."""
    if text[:1] in translation.expansions:
        return
    plain = "".join(["x" if sign in translation.expansions else sign for sign in text])
    found = _PARTS.fullmatch(plain.partition("#")[0])
    try:
        url = URL(found[0] if found else plain)
    except BadUrl as fault:
        raise Failure(f"{plain[:60]!r} is no URL to ask for: {fault.brief}") from None
    said = found[2] + found[3] if found else ""
    if _BLANK.search(said):
        translation.remark("curl refuses a blank in a URL; crlf sends %20", differs=True)
    elif not url.target.endswith(said):
        translation.remark("crlf percent-encodes what no URL may have; curl sends some of it raw")


def add_query(url: str, query: str) -> str:
    """Add to a URL's query, before its fragment."""
    head, mark, fragment = url.partition("#")
    if query:
        head += ("" if head.endswith(("?", "&")) else "&" if "?" in head else "?") + query
    return head + mark + fragment


def last_segment(url: str, default: str = "") -> str:
    """Return what stands behind the last slash of a URL's path, or of a file's."""
    found = _PARTS.fullmatch(url) if "://" in url else None
    path = found[2] if found else url
    return path.replace("\\", "/").rpartition("/")[2] or default
