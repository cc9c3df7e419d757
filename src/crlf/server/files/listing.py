"""What is in a folder, for people and for programs: in an order, a page at a time, or as JSON.

The page works without a script: its columns are links that sort, in the order that it has (see
listingpage.py). Its law: folders first, and of equals the lesser name, so that the same folder
is always the same bytes, which its ETag is a digest of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from crlf.message.fields.negotiation import best_media_type
from crlf.message.headers import Headers
from crlf.message.params import Params
from crlf.message.percent import percent_encode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.patterns import pattern
from crlf.rules.pages import NOSNIFF
from crlf.rules.partial import conditional
from crlf.server.files.listingpage import (
    Entry,
    Listed,
    Panel,
    View,
    listing_page,
    moment_of,
    policy_of,
)

__all__ = ["Entry", "Listed", "Panel", "View", "answer_listing", "in_order", "listing_json"]

PER_PAGE: Final = 1000  # entries of one page: 200 KB of HTML; GitHub ends at 1000 as well
MOST_NEW: Final = 100  # names that a page may be asked to mark

_OFFERED: Final = ("text/html", "application/json")  # of equals the first
_PAGE_NUMBER: Final = pattern("[1-9][0-9]{0,5}")
_DIGITS: Final = pattern("([0-9]+)")
_KEYS: Final = ("name", "size", "date")


def answer_listing(
    request: Request, listed: Listed, now: int, panel: Panel | None = None
) -> Response:
    """Answer with a folder's contents, as JSON for who prefers it or asks for `?format=json`.

    now: seconds since 1970. panel: what else stands on the page. Raises TooLarge for a query of
    too many fields.
    """
    view = _view_of(request.query)
    ordered = in_order(listed.entries or (), view.key, descending=view.is_descending)
    if _wants_json(request):
        kind, content, policy = "application/json", listing_json(listed, ordered), None
    else:
        kind, policy = "text/html; charset=utf-8", policy_of(panel)
        content = listing_page(listed, ordered, view, PER_PAGE, panel).encode()
    fields = [
        ("content-type", kind),
        ("etag", f'"{_digest(content)}"'),
        ("vary", "Accept" if panel is None else "Accept, Authorization"),
        ("cache-control", "no-cache" if panel is None else "private, no-cache"),
        ("accept-ranges", "none"),  # it is not worth the trouble
        NOSNIFF,
    ]
    if policy is not None:
        fields.append(("content-security-policy", policy))
    whole = Response.quick(200, Headers(fields), content)
    return conditional(request.method, request.headers, whole, now, str)


def in_order(entries: Sequence[Entry], key: str, *, descending: bool = False) -> list[Entry]:
    """Sort entries by name, size or date, folders first; equal ones stay by name."""
    ordered = sorted(entries, key=_by_name)
    if key == "size":
        ordered.sort(key=lambda entry: 0 if entry.is_folder else entry.size, reverse=descending)
    elif key == "date":
        ordered.sort(key=lambda entry: entry.modified, reverse=descending)
    elif descending:
        ordered.reverse()
    ordered.sort(key=lambda entry: not entry.is_folder)
    return ordered


def listing_json(listed: Listed, ordered: Sequence[Entry]) -> bytes:
    """Write a listing for programs.

    An object of path (of the folder, decoded), entries and complete. Each entry has a name, a
    type ("folder" or "file"), a size in bytes (null of a folder), modified (ISO 8601 in UTC, or
    null for what is no date) and link, relative to the listing.
    """
    import json

    entries: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "type": "folder" if entry.is_folder else "file",
            "size": None if entry.is_folder else entry.size,
            "modified": moment_of(entry.modified) or None,
            "link": percent_encode(entry.name) + ("/" if entry.is_folder else ""),
        }
        for entry in ordered
    ]
    path = "".join(f"/{name}" for name in listed.names) + "/"
    is_complete = not listed.is_cut and listed.entries is not None
    content = {"path": path, "entries": entries, "complete": is_complete}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _by_name(entry: Entry) -> tuple[list[str | tuple[int, str]], str]:
    """Sort as people do: without capitals, and 2 before 10."""
    pieces: list[Any] = _DIGITS.split(entry.name.casefold())
    for at in range(1, len(pieces), 2):
        digits = pieces[at].lstrip("0")
        pieces[at] = (len(digits), digits)
    return pieces, entry.name


def _view_of(query: Params) -> View:
    """Read how a folder is to be shown. What makes no sense is as if it were not there."""
    key, number = query.get("sort"), query.get("page") or ""
    return View(
        key=key if key in _KEYS else "name",
        is_descending=query.get("order") == "desc",
        number=int(number) if _PAGE_NUMBER.fullmatch(number) else 1,
        new=frozenset(query.get_all("new")[:MOST_NEW]),
    )


def _wants_json(request: Request) -> bool:
    kind = request.query.get("format")
    if kind in ("json", "html"):
        return kind == "json"
    return best_media_type(request.headers.get("accept"), _OFFERED) == "application/json"


def _digest(content: bytes) -> str:
    from hashlib import blake2b

    return blake2b(content, digest_size=12).hexdigest()
