"""Ranges: which bytes of a representation are asked for, and which of them an answer brings.

A request names byte ranges (Range), perhaps only for a certain state of what is asked for
(If-Range); an answer says which part of how much it is (Content-Range). Its law: a Range that
cannot be read asks for everything, a Content-Range that cannot be read belongs to nothing:
neither is ever repaired, since a byte in the wrong place is worse than a byte sent twice.
"""

from __future__ import annotations

from typing import Final

from crlf.message.dates import parse_date
from crlf.message.errors import Malformed
from crlf.message.fields.etags import ETag, parse_etag
from crlf.message.grammar import BLANK, parse_digits, split_list
from crlf.message.headers import Headers
from crlf.patterns import pattern
from crlf.values import frozen

MAX_RANGES: Final = 16  # of one request; Apache answers 200, starlette 100, nginx any number
_UNIT: Final = "bytes"
_SPEC = pattern(r"([0-9]{0,19})-([0-9]{0,19})")  # RFC 9110 14.1.2: int-range and suffix-range
_CONTENT = pattern(r"[Bb][Yy][Tt][Ee][Ss] (?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)")


@frozen
class ByteRange:
    """One range as it is asked for (RFC 9110 14.1.2); positions count from 0, both inclusive.

    first None: the last `last` bytes. last None: from `first` to the end.
    """

    first: int | None
    last: int | None = None

    def within(self, size: int) -> tuple[int, int] | None:
        """Return the first and last position in a representation of `size` bytes.

        None when it is not satisfiable: it begins behind the end, or is a suffix of 0 bytes. A
        suffix longer than everything is everything.
        """
        if self.first is None:
            wanted = min(self.last or 0, size)
            return (size - wanted, size - 1) if wanted else None
        if self.first >= size:
            return None
        return self.first, size - 1 if self.last is None else min(self.last, size - 1)

    def build(self) -> str:
        """Write it as a range-spec, without the unit."""
        first = "" if self.first is None else str(self.first)
        return f"{first}-{'' if self.last is None else self.last}"


def parse_range(text: str) -> tuple[ByteRange, ...] | None:
    """Read a Range field; None when it is to be ignored (RFC 9110 14.2).

    That is: another unit, any range that is broken or runs backwards, none at all, or over
    MAX_RANGES, empty members counted.
    """
    unit, equals, rest = text.strip(BLANK).partition("=")
    if not equals or unit.lower() != _UNIT or '"' in rest:
        return None
    try:
        members = split_list(rest, MAX_RANGES)
    except Malformed:
        return None
    ranges: list[ByteRange] = []
    for member in members:
        found = _SPEC.fullmatch(member)
        if found is None:
            return None
        first, last = parse_digits(found[1]), parse_digits(found[2])
        if first is None and last is None:
            return None
        if first is not None and last is not None and last < first:  # RFC 9110 14.1.1: invalid
            return None
        ranges.append(ByteRange(first, last))
    return tuple(ranges) or None


def build_range(*ranges: ByteRange) -> str:
    """Write a Range field: `bytes=0-499,-500`."""
    return f"{_UNIT}={','.join([one.build() for one in ranges])}"


@frozen
class ContentRange:
    """Which part of how much an answer is (RFC 9110 14.4); positions as in ByteRange.

    first and last None: no part at all, as a 416 says. size None: nobody knows how much it is.
    """

    first: int | None
    last: int | None
    size: int | None

    def build(self) -> str:
        """Write it as a field value: `bytes 0-499/1234`, `bytes */1234`."""
        part = "*" if self.first is None else f"{self.first}-{self.last}"
        return f"{_UNIT} {part}/{'*' if self.size is None else self.size}"


def parse_content_range(text: str) -> ContentRange | None:
    """Read a Content-Range field; None for another unit, and for one that cannot be true.

    RFC 9110 14.4: a part that ends before it begins, or behind the whole, is invalid.
    """
    found = _CONTENT.fullmatch(text.strip(BLANK))
    if found is None:
        return None
    first, last, size = (parse_digits(group or "") for group in found.groups())
    if first is None or last is None:
        return None if size is None else ContentRange(None, None, size)
    if last < first or (size is not None and last >= size):
        return None
    return ContentRange(first, last, size)


def refuses_ranges(headers: Headers) -> bool:
    """Tell whether an answer says that ranges of it are not to be had (RFC 9110 14.3).

    That is Accept-Ranges without "bytes" in it; without the field, one may try.
    """
    text = headers.get("accept-ranges")
    if text is None:
        return False
    try:
        return _UNIT not in [member.lower() for member in split_list(text)]
    except Malformed:
        return True


def if_range_holds(text: str, etag: ETag | None, modified: int | None, now: int) -> bool:
    """Tell whether the state that an If-Range names is the present one (RFC 9110 13.1.5).

    etag, modified: the validators of what is there now (seconds since 1970), or None. Tags are
    compared strongly. A date must be the same to the second, and be over: what changed within
    this second may change in it again (RFC 9110 8.8.2.2). What cannot be read does not hold.
    """
    tag = parse_etag(text)
    if tag is not None:
        return etag is not None and tag.strongly_equals(etag)
    date = parse_date(text, now)
    return date is not None and date == modified and modified < now
