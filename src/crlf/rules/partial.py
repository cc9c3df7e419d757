"""Conditions and ranges together: what of a representation a request gets, or why nothing of it.

Whoever answers says what it has (validators, size) and what was asked; the verdict is one of
whole (200), some parts (206), nothing new (304), not under these conditions (412), nothing there
(416). A file on disk, a page in memory and a cache ask the same function. Its law: a part is only
ever given of the state that was asked for, and what would cost more than the whole is the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from crlf.message.dates import parse_date
from crlf.message.fields.etags import ETag, parse_etag
from crlf.message.fields.ranges import (
    ContentRange,
    if_range_holds,
    parse_range,
    refuses_ranges,
)
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.rules.conditional import evaluate, not_modified_headers
from crlf.rules.pages import error_response

Span = tuple[int, int]  # first and last position, both inclusive, from 0

MAX_OVERLAPS: Final = 2  # RFC 9110 14.2: with more than two, a client is broken or worse
ACCEPT_RANGES: Final = ("accept-ranges", "bytes")
# The fields of a request that decide what of a representation it gets.
DECIDING: Final = frozenset(
    {
        "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
        "range",
    }
)  # fmt: skip


class Selection(NamedTuple):
    """What a request gets. parts: the spans of a 206, in the order they were asked for."""

    status_code: Literal[200, 206, 304, 412, 416]
    parts: tuple[Span, ...] = ()


WHOLE: Final = Selection(200)
_NEW_LINE: Final = "\r\n"  # belongs to the delimiter after it (RFC 2046 5.1.1)


def select(
    method: str,
    headers: Headers,
    etag: ETag | None,
    modified: int | None,
    size: int | None,
    now: int,
) -> Selection:
    """Decide what of a representation a request gets (RFC 9110 13.2.2, 14.2).

    For a request that would be answered 200 without conditions. etag, modified: the validators
    of what is there now (seconds since 1970), or None. size: in bytes; None when ranges of it
    are not to be had. now: seconds since 1970.
    """
    verdict = evaluate(method, headers, etag, modified, now)
    if verdict != 200:
        return Selection(verdict)
    # RFC 9110 14.2: a Range is for GET, and for what would be a 200.
    if method != "GET" or size is None or "range" not in headers:
        return WHOLE
    if_range = headers.get("if-range")
    if if_range is not None and not if_range_holds(if_range, etag, modified, now):
        return WHOLE  # RFC 9110 13.1.5: another state, so everything
    return _select_parts(headers["range"], size)


def _select_parts(text: str, size: int) -> Selection:
    asked = parse_range(text)
    if asked is None:
        return WHOLE
    spans = [span for one in asked if (span := one.within(size)) is not None]
    if not spans:
        if not size and any(one.first is None and one.last for one in asked):
            return WHOLE  # RFC 9110 14.1.2: the last bytes of nothing are there, and are all of it
        return Selection(416)
    if len(spans) > 1 and _is_wasteful(spans, size):
        return WHOLE
    return Selection(206, tuple(spans))


def _is_wasteful(spans: Sequence[Span], size: int) -> bool:
    """Tell whether parts overlap too often, or are together more than the whole."""
    overlaps, end = 0, -1
    for first, last in sorted(spans):
        overlaps += first <= end
        end = max(end, last)
    return overlaps > MAX_OVERLAPS or sum(last + 1 - first for first, last in spans) > size


def part_headers(headers: Headers, span: Span, size: int) -> Headers:
    """Return the fields of a 206 that is one part: those of the 200, with Content-Range."""
    first, last = span
    kept = headers.without("content-length")
    return kept.adding("content-range", ContentRange(first, last, size).build())


class Multipart(NamedTuple):
    """Several parts in one message (RFC 9110 14.6).

    before: what stands before each part's bytes. after: what stands after the last. length: in
    bytes, of all of it.
    """

    headers: Headers
    before: tuple[bytes, ...]
    after: bytes
    length: int


def multipart(headers: Headers, spans: Sequence[Span], size: int, boundary: str) -> Multipart:
    """Write what stands around several parts of a representation.

    headers: of the 200; its Content-Type moves into each part. boundary: a token of at most 70
    characters that nobody could have written into the content beforehand.
    """
    kind = headers.first("content-type")
    type_line = b"" if kind is None else f"content-type: {kind}\r\n".encode("latin-1")
    before = []
    length = 0
    for number, (first, last) in enumerate(spans):
        line = f"{_NEW_LINE if number else ''}--{boundary}\r\n".encode("ascii")
        place = f"content-range: {ContentRange(first, last, size).build()}\r\n\r\n".encode("ascii")
        before.append(line + type_line + place)
        length += len(before[-1]) + last + 1 - first
    after = f"\r\n--{boundary}--\r\n".encode("ascii")
    fields = headers.without("content-length").with_field(
        "content-type", f"multipart/byteranges; boundary={boundary}"
    )
    return Multipart(fields, tuple(before), after, length + len(after))


def refusal(selection: Selection, size: int | None, accept: str | None) -> Response:
    """Answer 412, or 416 with the size there is (RFC 9110 15.5.13, 15.5.17)."""
    if selection.status_code == 412:
        return error_response(412, accept=accept)
    place = ContentRange(None, None, size).build()
    return error_response(416, accept=accept, headers=Headers([("content-range", place)]))


def answer_bytes(
    selection: Selection,
    asked: Headers,
    response: Response,
    make_boundary: Callable[[], str],
) -> Response:
    """Give what was selected of a whole 200 in memory.

    asked: the request's fields. make_boundary: asked when several parts go out in one message.
    """
    status_code, parts = selection
    content, headers = response.content, response.headers
    if status_code == 200:
        return response
    if status_code == 304:
        return Response.quick(304, not_modified_headers(headers), b"")
    if status_code != 206:
        return refusal(selection, len(content), asked.get("accept"))
    size = len(content)
    if len(parts) == 1:
        first, last = parts[0]
        return Response.quick(206, part_headers(headers, parts[0], size), content[first : last + 1])
    around = multipart(headers, parts, size, make_boundary())
    pieces: list[bytes] = []
    for before, (first, last) in zip(around.before, parts, strict=True):
        pieces += [before, content[first : last + 1]]
    return Response.quick(206, around.headers, b"".join([*pieces, around.after]))


def conditional(
    method: str,
    asked: Headers,
    response: Response,
    now: int,
    make_boundary: Callable[[], str],
) -> Response:
    """Let a whole 200 in memory answer a request's conditions and ranges by its own fields.

    Its ETag and Last-Modified are what it is compared by. Any other response is as it was; ranges
    are of what has Accept-Ranges: bytes, or no such field, and a validator.
    """
    if response.status_code != 200 or not isinstance(response.body, bytes):
        return response
    tag = response.headers.get("etag")
    date = response.headers.get("last-modified")
    etag = None if tag is None else parse_etag(tag)
    modified = None if date is None else parse_date(date, now)
    size = None
    if (etag or modified) is not None and not refuses_ranges(response.headers):
        size = len(response.body)
        if "accept-ranges" not in response.headers:
            response = response.with_headers(response.headers.adding(*ACCEPT_RANGES))
    selection = select(method, asked, etag, modified, size, now)
    if len(selection.parts) > 1 and "content-encoding" in response.headers:
        selection = WHOLE  # several parts under one coding could be read in two ways
    return answer_bytes(selection, asked, response, make_boundary)
