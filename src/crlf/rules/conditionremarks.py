"""What became of conditions and ranges: why a 304, a 412 or a 206, and why all of it came.

A server may pass over a condition and a range without a word, so that much of what is said here
is what the two heads agree or disagree on. Its law: no reason is named that they do not show.
"""

from __future__ import annotations

from collections.abc import Iterator

from crlf.message.fields.etags import parse_etag, parse_etag_list
from crlf.message.fields.media import parse_media_type
from crlf.message.fields.ranges import ContentRange, parse_content_range, parse_range
from crlf.rules.remarks import Exchange, Remark, shown


def of_condition(exchange: Exchange) -> Iterator[Remark]:
    """Say what a condition of the request led to (RFC 9110 13.1)."""
    code, asked = exchange.response.status_code, exchange.request.headers
    if code == 304:
        yield _not_modified(exchange)
    elif code == 412:
        for name, why in (
            ("If-Match", "has not the state that is there"),
            ("If-Unmodified-Since", "is before the last change"),
            ("If-None-Match", "has the state that is there, or * and there is one"),
        ):
            if name in asked:
                section = {"If-Match": 1, "If-Unmodified-Since": 4, "If-None-Match": 2}[name]
                text = f"412, and nothing was done: {name} {why}"
                yield Remark("condition", text, f"RFC 9110 13.1.{section}")
                return
    elif code == 428:
        text = "428: the server changes this only under a condition, as If-Match"
        yield Remark("condition", text, "RFC 6585 3")
    elif code == 200 and "if-none-match" in asked and exchange.request.method in ("GET", "HEAD"):
        yield _modified(exchange)


def _not_modified(exchange: Exchange) -> Remark:
    asked = exchange.request.headers
    etag = parse_etag(exchange.fields.get("etag") or "")
    if "if-none-match" in asked:
        tags = parse_etag_list(asked["if-none-match"])
        why = "If-None-Match names the state that is there"
        if etag is not None and not etag.is_in(tags, weakly=True):
            text = f"304, though If-None-Match does not name its ETag, {shown(etag.build())}"
            return Remark("condition", text, "RFC 9110 13.1.2")
        if etag is not None and tags != "*":
            why += f", {shown(etag.build())}"
        return Remark("condition", f"304: {why}; the kept copy is good", "RFC 9110 13.1.2")
    if "if-modified-since" in asked:
        text = "304: it did not change since If-Modified-Since; the kept copy is good"
        return Remark("condition", text, "RFC 9110 13.1.3")
    text = "304, though the request has no condition that it could answer"
    return Remark("condition", text, "RFC 9110 15.4.5")


def _modified(exchange: Exchange) -> Remark:
    """Say why a 200 answers If-None-Match: another state, or a server without conditions."""
    tags = parse_etag_list(exchange.request.headers["if-none-match"])
    etag = parse_etag(exchange.fields.get("etag") or "")
    if etag is not None and etag.is_in(tags, weakly=True):
        text = "200, though If-None-Match names this very state: the server passed over it, or a"
        text += " cache has put its 304 and the kept copy together"
    elif etag is not None:
        text = f"200: If-None-Match names another state than this, {shown(etag.build())}"
    else:
        text = "200: If-None-Match names another state, or the server passed over it"
    return Remark("condition", text, "RFC 9110 13.1.2")


def of_range(exchange: Exchange) -> Iterator[Remark]:
    """Say what a Range of the request led to (RFC 9110 14.2)."""
    code, asked = exchange.response.status_code, exchange.request.headers
    found = parse_content_range(exchange.fields.get("content-range") or "")
    if code == 206:
        why = _why_a_part(exchange, found)
        yield Remark("range", f"206: {_part(exchange, found)}, {why}", "RFC 9110 15.3.7")
    elif code == 416:
        size = "" if found is None or found.size is None else f" of {found.size:,} bytes"
        text = f"416: no range that was asked for lies in the content{size}"
        yield Remark("range", text, "RFC 9110 15.5.17")
    elif code == 200 and "range" in asked:
        yield Remark("range", f"200 to a Range: {_why_all(exchange)}", "RFC 9110 14.2")


def _part(exchange: Exchange, found: ContentRange | None) -> str:
    if found is not None and found.first is not None:
        size = "" if found.size is None else f" of {found.size:,}"
        return f"bytes {found.first} to {found.last}{size}"
    kind = parse_media_type(exchange.fields.first("content-type") or "")
    if kind is not None and kind.essence == "multipart/byteranges":
        return "several parts, each with its own Content-Range"
    return "a part"


def _why_a_part(exchange: Exchange, found: ContentRange | None) -> str:
    asked = exchange.request.headers
    if "range" not in asked:
        return "though no Range asked for it"
    if exchange.request.method != "GET":
        return f"though Range counts for GET alone, not for {shown(exchange.request.method)}"
    if found is not None and not _was_asked_for(asked["range"], found):
        return "though Range asked for others"
    if "if-range" in asked:
        return "Range asked for it, and If-Range says that nothing changed since"
    return "Range asked for it"


def _was_asked_for(text: str, found: ContentRange) -> bool:
    """Whether a part has a byte in common with what was asked for; yes where nobody can know."""
    ranges = parse_range(text)
    if ranges is None or found.first is None or found.last is None or found.size is None:
        return True
    places = [place for each in ranges if (place := each.within(found.size)) is not None]
    return any(first <= found.last and found.first <= last for first, last in places)


def _why_all(exchange: Exchange) -> str:
    """Say why a Range was passed over, as far as that is to be seen."""
    asked, method = exchange.request.headers, exchange.request.method
    if method != "GET":
        return f"it counts for GET alone, not for {shown(method)}, and is passed over"
    if parse_range(asked["range"]) is None:
        return "all of it comes; no ranges of bytes that can be read are asked for"
    if "if-range" in asked:
        return "all of it comes; it changed since If-Range, or there are no ranges of it"
    if (exchange.fields.get("accept-ranges") or "").lower() == "none":
        return "all of it comes; the server has no ranges of it, as Accept-Ranges says"
    return "all of it comes, as a server may always do"
