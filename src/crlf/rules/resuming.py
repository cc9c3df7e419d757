"""Downloads: what to ask for, what to make of the answer, and when to go on where it stopped.

Bytes of two answers are put together only when both carry the same strong entity tag, and
only where the second says that it begins exactly where the first one stopped (RFC 9110
15.3.7.3). Its law: an answer that does not say all of that is not argued with; what is there
is thrown away and everything is asked for once more, since a file half of one state and half
of another is worse than a second download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from crlf.message.errors import (
    CrlfError,
    PoolTimeout,
    RemoteError,
    StatusError,
    TotalTimeout,
    TransportError,
)
from crlf.message.fields.digests import Digest, build_wanted, parse_digests, strongest
from crlf.message.fields.disposition import parse_disposition, safe_name
from crlf.message.fields.etags import parse_etag
from crlf.message.fields.ranges import (
    ByteRange,
    build_range,
    parse_content_range,
    refuses_ranges,
)
from crlf.message.grammar import BLANK, parse_digits
from crlf.message.headers import Headers
from crlf.message.percent import percent_decode
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.values import frozen

MAX_NOTE: Final = 64 * 1024  # bytes of a note; a URL of 8 KiB and a tag of 8 KiB fit in
INDEX: Final = "index.html"  # what a URL is called that ends in a slash, as by wget and aria2
ENOUGH: Final = 64 * 1024  # bytes; an attempt that brought as many was not for nothing
_FIRST_PAUSE: Final = 0.5  # seconds, doubled each time; curl begins with 1
_LONGEST_PAUSE: Final = 30.0  # curl 600
# What passes by itself: too early, too often, and gateways whose server is just starting.
_PASSING: Final = frozenset({408, 425, 429, 502, 503, 504})
_RULE: Final = "RFC 9110 15.3.7"
_WANTED: Final = build_wanted({"sha-256": 10, "sha-512": 9})


@frozen
class Kept:
    """What is here of an earlier answer: how many bytes, of which state, of how many in all."""

    size: int
    etag: str  # as it came, and strong
    total: int | None


@frozen
class Whole:
    """Everything comes, from its first byte. etag: a strong one, or None; total: as Kept's."""

    etag: str | None
    total: int | None


@frozen
class Rest:
    """What was asked for comes: from where it stopped up to `end`, the position behind it."""

    end: int
    total: int


@frozen
class Complete:
    """What is here is everything."""


@frozen
class Unusable:
    """An answer that nothing can be put together with."""

    reason: str


@frozen
class Refused:
    """An answer that is no content: an error, or a redirect that was not followed."""


Verdict = Whole | Rest | Complete | Unusable | Refused


def asking(kept: Kept | None) -> list[tuple[str, str]]:
    """List the fields of a download's request: for the rest of what is kept, or for everything.

    Never a content coding: a position in coded bytes is none in the file.
    """
    fields = [("accept-encoding", "identity"), ("want-repr-digest", _WANTED)]
    if kept is not None:
        fields += [("range", build_range(ByteRange(kept.size))), ("if-range", kept.etag)]
    return fields


def judge(kept: Kept | None, status_code: int, headers: Headers) -> Verdict:
    """Decide what an answer to `asking(kept)` is good for."""
    if status_code == 206:
        return _judge_part(kept, headers)
    if status_code == 416 and kept is not None:
        return _judge_unsatisfied(kept, headers)
    if not 200 <= status_code < 300:
        return Refused()
    etag = None if refuses_ranges(headers) or is_coded(headers) else strong_etag(headers)
    return Whole(etag if status_code == 200 else None, _length(headers))


def _judge_part(kept: Kept | None, headers: Headers) -> Verdict:
    if kept is None:
        return Unusable("206 without having been asked for a part")
    if is_coded(headers):
        return Unusable("206 with a content coding")
    if (headers.get("content-type") or "").lower().startswith("multipart/byteranges"):
        return Unusable("206 with several parts, where one was asked for")
    text = headers.get("content-range")
    part = None if text is None else parse_content_range(text)
    if part is None or part.first is None or part.last is None:
        return Unusable("206 without a Content-Range that says which part it is")
    if part.first != kept.size:
        return Unusable(f"206 from byte {part.first:,}, where {kept.size:,} was asked for")
    if part.size is None:
        return Unusable("206 that does not say of how much it is a part")
    if kept.total is not None and part.size != kept.total:
        return Unusable(f"206 of {part.size:,} bytes, which had been {kept.total:,}")
    if strong_etag(headers) != kept.etag:
        return Unusable("206 of another state: its ETag is not the one that was asked for")
    length = _length(headers)
    if length is not None and length != part.last + 1 - part.first:
        return Unusable("206 with a Content-Length other than its Content-Range says")
    return Rest(part.last + 1, part.size)


def _judge_unsatisfied(kept: Kept, headers: Headers) -> Verdict:
    """RFC 9110 15.5.17: nothing behind what is kept; that is good when it is the end."""
    text = headers.get("content-range")
    part = None if text is None else parse_content_range(text)
    has_changed = "etag" in headers and strong_etag(headers) != kept.etag
    is_end = part is not None and part.first is None and part.size == kept.size
    if is_end and not has_changed and kept.total in (None, kept.size):
        return Complete()
    return Unusable("416: what was asked for is not as long as it had been")


def strong_etag(headers: Headers) -> str | None:
    """Return the ETag if it is there once, and strong (RFC 9110 8.8.3), as it stands."""
    texts = headers.get_all("etag")
    tag = parse_etag(texts[0]) if len(texts) == 1 else None
    return None if tag is None or tag.weak else texts[0].strip(BLANK)


def is_coded(headers: Headers) -> bool:
    """Tell whether content has a coding, asked for or not."""
    return (headers.get("content-encoding") or "").lower() not in ("", "identity")


def _length(headers: Headers) -> int | None:
    text = headers.first("content-length")
    if text is None or "transfer-encoding" in headers or is_coded(headers):
        return None
    return parse_digits(text)


# -- digests


def said_digest(headers: Headers, *, is_whole: bool) -> Digest | None:
    """Return the digest of the whole file that an answer or its trailers give, if any.

    Of a whole and uncoded answer, that of its content is one too (RFC 9530 2 and 3).
    """
    if is_coded(headers):
        return None
    said = strongest(parse_digests(headers.get("repr-digest") or ""))
    return content_digest(headers) if said is None and is_whole else said


def content_digest(headers: Headers) -> Digest | None:
    """Return the digest that an answer gives of its own content."""
    return strongest(parse_digests(headers.get("content-digest") or ""))


# -- the note beside an unfinished file


def build_note(url: str, etag: str, total: int | None) -> bytes:
    """Write down of what an unfinished file is, for the call that goes on with it."""
    note = {"crlf": 1, "url": url, "etag": etag, "total": total}
    return json.dumps(note, indent=1).encode() + b"\n"


def parse_note(note: bytes, url: str, size: int) -> Kept | None:
    """Read a note; None when it cannot be trusted, or is of another URL.

    size: of the unfinished file. The note may be anybody's, so it is read like a peer's bytes.
    """
    if len(note) > MAX_NOTE:
        return None
    try:
        read = json.loads(note)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, Mapping) or read.get("crlf") != 1 or read.get("url") != url:
        return None
    etag, total = read.get("etag"), read.get("total")
    tag = parse_etag(etag) if isinstance(etag, str) else None
    if tag is None or tag.weak or not isinstance(etag, str):
        return None
    if total is not None and (type(total) is not int or total < size):
        return None
    return Kept(size, etag, total) if size else None


# -- where it goes


def file_name(headers: Headers, url: URL) -> str:
    """Choose a file's name: as Content-Disposition says, else by the URL that was asked for.

    Not by the one that a redirect led to: who redirects would choose it (CVE-2010-2252 of
    wget). It is safe_name's, and none that an unfinished download goes by, or a server could
    leave a beginning for somebody else's.
    """
    named = parse_disposition(headers.get("content-disposition") or "")
    theirs = None if named is None else named.filename
    if not theirs:
        last = url.path.rpartition("/")[2] or INDEX
        theirs = percent_decode(last).decode("utf-8", "replace")
    name = safe_name(theirs)
    return f"{name}_" if name.lower().endswith((".part", ".part.json")) else name


def noted_url(url: URL) -> str:
    """Return what a download is known by: its URL without credentials and fragment."""
    return str(url.without_credentials().with_fragment(None))


# -- going on


def can_go_on(fault: CrlfError) -> bool:
    """Tell whether a fault passes: the connection broke, or a server is not ready just now."""
    if isinstance(fault, StatusError):
        response = fault.response
        return isinstance(response, Response) and response.status_code in _PASSING
    if isinstance(fault, TransportError):
        return not isinstance(fault, PoolTimeout | TotalTimeout)
    return isinstance(fault, RemoteError) and fault.rule == "RFC 9112 8"  # cut short


def pause_before(attempt: int) -> float:
    """Return the seconds to wait before the so-manieth attempt in a row that follows a fault."""
    return min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 16), _LONGEST_PAUSE)


def lie(reason: str) -> RemoteError:
    """Make the error for an answer to a part that contradicts what was asked, or itself."""
    return RemoteError(reason, _RULE, 502)
