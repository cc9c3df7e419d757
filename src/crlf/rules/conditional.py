"""Conditional requests: whether to answer as asked, with 304, or with 412.

RFC 9110 13.2.2 puts the five conditions in one order, and here they stand in it, numbered as
there. Whoever answers knows the validators of what it would send and asks this file once, after
it is sure that the answer would be a 2xx (13.2.1). Its law: a condition that cannot be read is
false where it guards a change, and not there where it would only save bytes.
"""

from __future__ import annotations

from typing import Final, Literal

from crlf.message.dates import parse_date
from crlf.message.fields.etags import ETag, parse_etag_list
from crlf.message.headers import Headers

Verdict = Literal[200, 304, 412]

# RFC 9110 13.2.1: these neither select nor change a representation, so conditions are ignored.
_UNCONDITIONAL: Final = frozenset({"CONNECT", "OPTIONS", "TRACE"})
_READING: Final = frozenset({"GET", "HEAD"})
# RFC 9110 15.4.5: what a 304 has to repeat of the 200; Date the engine adds. The last says how
# to read what is in the cache, as it does in every answer.
_KEPT: Final = frozenset(
    {
        "cache-control", "content-location", "date", "etag", "expires", "vary",
        "x-content-type-options",
    }
)  # fmt: skip


def evaluate(
    method: str,
    headers: Headers,
    etag: ETag | None,
    modified: int | None,
    now: int,
    *,
    exists: bool = True,
) -> Verdict:
    """Weigh a request's conditions against what is there (RFC 9110 13.2.2, steps 1 to 4).

    etag, modified: the validators of the current representation (seconds since 1970), or None.
    now: the present, by which two-digit years are read. exists: whether there is a current
    representation at all; False for a PUT that would create one.

    200 means: go on. Step 5, Range with If-Range, is for whoever can send parts; a server that
    cannot ignores both, which is a whole 200.
    """
    if method in _UNCONDITIONAL:
        return 200
    if "if-match" in headers:  # 1
        if not _matches(headers["if-match"], etag, exists, weakly=False):
            return 412
    elif modified is not None:  # 2; without a modification date MUST be ignored (13.1.4)
        date = _date(headers, "if-unmodified-since", now)
        if date is not None and modified > date:
            return 412
    if "if-none-match" in headers:  # 3
        if _matches(headers["if-none-match"], etag, exists, weakly=True):
            return 304 if method in _READING else 412
    elif method in _READING and modified is not None:  # 4
        date = _date(headers, "if-modified-since", now)
        if date is not None and modified <= date:
            return 304
    return 200


def not_modified_headers(headers: Headers) -> Headers:
    """Pick from the fields of a 200 those that its 304 has (RFC 9110 15.4.5).

    Other metadata would only overwrite what the cache has right; Last-Modified goes along when
    there is no ETag to tell representations apart by.
    """
    kept = _KEPT if "etag" in headers else _KEPT | {"last-modified"}
    return Headers([field for field in headers.fields if field[0].lower() in kept])


def _matches(text: str, etag: ETag | None, exists: bool, *, weakly: bool) -> bool:
    tags = parse_etag_list(text)
    if tags == "*":
        return exists
    return etag is not None and exists and etag.is_in(tags, weakly=weakly)


def _date(headers: Headers, name: str, now: int) -> int | None:
    """Read a date; None when there is none, it is no date, or there is more than one."""
    text = headers.get(name)  # several fields come joined by a comma, which no single date is
    return None if text is None else parse_date(text, now)
