"""Whether a cache may keep an answer, for how long it is fresh, and for whom: RFC 9111 in words.

crlf's client has no cache; this is what those between it and the server do. Its law: an answer
that any cache on the way may not keep is said to be so, with the sentence that forbids it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from crlf.message.dates import parse_date
from crlf.message.errors import BadUrl, Malformed
from crlf.message.grammar import parse_digits, split_list
from crlf.message.headers import Headers, visible
from crlf.message.url import URL
from crlf.wire.parts import RequestHead, ResponseHead

# RFC 9110 15.1: what may be kept though nothing says for how long.
HEURISTIC: Final = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
# RFC 9110 9.2.1, RFC 10008, and of IANA's registry those of WebDAV that change nothing.
_SAFE: Final = frozenset(
    {"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"}
)
_UNDERSTOOD: Final = frozenset({"GET", "HEAD", "POST", "QUERY"})
_SHOWN: Final = 80  # characters of a field in a sentence


class Reason(NamedTuple):
    """A sentence on keeping, and the section that it comes from."""

    text: str
    rule: str


def directives_of(headers: Headers) -> dict[str, str]:
    """Read Cache-Control: names in lower case, arguments without quotes; the first of each counts.

    A field that cannot be read says nothing (RFC 9111 4.2.1 leaves it to the cache).
    """
    try:
        members = split_list(headers.get("cache-control") or "")
    except Malformed:
        return {}
    found: dict[str, str] = {}
    for member in members:
        name, _, value = member.partition("=")
        found.setdefault(name.strip(" \t").lower(), value.strip(' \t"'))
    return found


def keeping(request: RequestHead, response: ResponseHead) -> Iterator[Reason]:
    """Say whether caches may keep a response, for how long, and for which requests."""
    said = directives_of(response.headers)
    forbidden = _why_not(request, response, said)
    if forbidden is not None:
        yield forbidden
        return
    shared = _why_not_shared(request, said)
    yield _lifetime(response, said, is_shared=shared is None)
    if request.method == "POST":
        text = "a copy answers GET and HEAD of this URL, and never another POST"
        yield Reason(text, "RFC 9110 9.3.3")
    if shared is not None:
        yield shared
    if said.get("private"):
        text = f"private: a shared cache leaves out {_shown_names(said['private'])}"
        yield Reason(text, "RFC 9111 5.2.2.7")
    if said.get("no-cache") == "":
        text = "no-cache: a copy is asked about each time before it is used"
        yield Reason(text, "RFC 9111 5.2.2.4")
    elif "must-revalidate" in said:
        text = "must-revalidate: once it is stale, it is never shown without asking"
        yield Reason(text, "RFC 9111 5.2.2.2")
    if said.get("no-cache"):
        text = f"no-cache: a copy is used without asking, but for {_shown_names(said['no-cache'])}"
        yield Reason(text, "RFC 9111 5.2.2.4")
    vary = response.headers.get("vary")
    if vary is not None:
        yield _varying(vary)


def _shown_names(names: str) -> str:
    """Make the field names of a qualified directive fit for a sentence."""
    return visible(names[:_SHOWN])


def _why_not(request: RequestHead, response: ResponseHead, said: dict[str, str]) -> Reason | None:
    """Say why no cache at all may keep it (RFC 9111 3), or None."""
    code, method = response.status_code, request.method
    forgotten = ""
    if method not in _SAFE and 200 <= code < 400:
        forgotten = ", and what caches have of this URL is forgotten"
    if method not in _UNDERSTOOD:
        text = f"not kept: answers to {visible(method[:20])} are not"
        return Reason(text + forgotten, "RFC 9111 4.4" if forgotten else "RFC 9110 9.2.3")
    if "no-store" in said:
        if "must-understand" in said:
            text = f"kept only by caches that know must-understand and what a {code} is"
            return Reason(text, "RFC 9111 5.2.2.3")
        return Reason("not kept: the response says no-store" + forgotten, "RFC 9111 5.2.2.5")
    if "no-store" in directives_of(request.headers):
        return Reason("not kept: the request says no-store" + forgotten, "RFC 9111 5.2.1.5")
    if code == 304:
        return Reason("brings a kept copy up to date and is none itself", "RFC 9111 4.3.4")
    is_timed = "expires" in response.headers or not said.keys().isdisjoint({"max-age", "s-maxage"})
    if method == "POST":
        text = ""
        if not is_timed:
            text = "not kept: an answer to POST is, only if it says for how long"
        elif not _names_itself(request, response):
            text = "not kept: an answer to POST is, only if Content-Location names the same URL"
        return Reason(text + forgotten, "RFC 9110 9.3.3") if text else None
    if not is_timed and said.keys().isdisjoint({"public", "private"}) and code not in HEURISTIC:
        text = f"not kept: nothing says for how long, and for a {code} nobody may guess"
        return Reason(text, "RFC 9111 3")
    return None


def _names_itself(request: RequestHead, response: ResponseHead) -> bool:
    """Tell whether Content-Location names what was asked for; the scheme is not in the heads."""
    try:
        asked = URL("http://" + (request.headers.get("host") or "")).join(request.target)
        named = asked.join(response.headers.get("content-location") or "//")
    except (BadUrl, ValueError):
        return False
    host = named.host, named.explicit_port, named.target
    return host == (asked.host, asked.explicit_port, asked.target)


def _why_not_shared(request: RequestHead, said: dict[str, str]) -> Reason | None:
    if said.get("private") == "":
        text = "private: the reader's own cache may keep it, one that many share may not"
        return Reason(text, "RFC 9111 5.2.2.7")
    allowed = {"public", "s-maxage", "must-revalidate"}
    if "authorization" in request.headers and said.keys().isdisjoint(allowed):
        text = "asked with Authorization, so no shared cache may keep it"
        return Reason(text, "RFC 9111 3.5")
    return None


def _lifetime(response: ResponseHead, said: dict[str, str], *, is_shared: bool) -> Reason:
    """Say for how long a kept copy is fresh (RFC 9111 4.2.1, 4.2.2)."""
    names = [name for name in ("s-maxage", "max-age") if name in said]
    if not is_shared and "s-maxage" in names:
        names.remove("s-maxage")
    if names:
        return _of_seconds(response, said, names)
    headers = response.headers
    date = parse_date(headers.get("date") or "")
    expires = headers.get("expires")
    if expires is not None:
        until = parse_date(expires)
        if until is None or (date is not None and until <= date):
            text = "may be kept, but Expires says that it is stale already"
            return Reason(text, "RFC 9111 5.3")
        if date is not None:
            text = f"may be kept: Expires makes it fresh for {until - date:,} s from Date on"
            return Reason(text, "RFC 9111 4.2.1")
        return Reason("may be kept: fresh until the moment in Expires", "RFC 9111 4.2.1")
    modified = parse_date(headers.get("last-modified") or "")
    may_guess = response.status_code in HEURISTIC or "public" in said
    if (
        may_guess
        and said.get("no-cache") != ""
        and modified is not None
        and date is not None
        and modified < date
    ):
        text = (
            "may be kept; nothing says for how long, so a cache guesses: often a tenth of the time"
            f" since Last-Modified, {(date - modified) // 10:,} s"
        )
        return Reason(text, "RFC 9111 4.2.2")
    if not may_guess:
        text = "may be kept; nothing says for how long it is fresh, so each time it is asked about"
        return Reason(text, "RFC 9111 4.2.2")
    return Reason("may be kept; nothing says for how long it is fresh", "RFC 9111 4.2.2")


def _of_seconds(response: ResponseHead, said: dict[str, str], names: Sequence[str]) -> Reason:
    """Say what s-maxage and max-age make of it, of which Age may have used some."""
    first = names[0]
    who = "shared caches" if first == "s-maxage" else "caches"
    seconds = parse_digits(said[first])
    if seconds is None:
        text = f"may be kept, but {first} says no seconds, so it counts as stale"
        return Reason(text, "RFC 9111 4.2.1")
    if not seconds:
        text = f"may be kept, but {first}=0 makes it stale at once in {who}"
    else:
        text = f"may be kept: {first} makes it fresh for {seconds:,} s in {who}"
    other = parse_digits(said[names[1]]) if len(names) > 1 else None
    if other is not None:
        text += f", max-age for {other:,} s in the reader's own"
    age = parse_digits(response.headers.get("age") or "")
    if age and seconds:
        over = "all" if age >= seconds else f"{age:,} s"
        text += f"; of these, {over} had passed when it came, as Age says"
    return Reason(text, "RFC 9111 4.2.1")


def _varying(vary: str) -> Reason:
    if "*" in [member.strip(" \t") for member in vary.split(",")]:
        text = "Vary: *: a copy fits no other request, so it is asked about each time"
        return Reason(text, "RFC 9111 4.1")
    text = f"a copy is used only for requests with the same {visible(vary[:_SHOWN])}"
    return Reason(text, "RFC 9111 4.1")
