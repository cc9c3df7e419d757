"""Timestamps as JSON has them (RFC 3339): read and written, as seconds since 1970.

They are the dates of HTTP in another order, so dates.py does the counting. Its law: what is not
exactly a timestamp is None.
"""

from __future__ import annotations

from crlf.message.dates import FIRST, LAST, MONTHS, build_date, parse_date
from crlf.message.grammar import parse_digits
from crlf.patterns import pattern

_TIMESTAMP = pattern(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.([0-9]{1,9})[0-9]{0,30})?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)


def build_timestamp(seconds: float) -> str:
    """Write seconds since 1970 with milliseconds, in UTC: 2026-11-23T12:00:00.250Z."""
    thousandths = round(max(FIRST, min(LAST, seconds)) * 1000)
    whole, rest = divmod(thousandths, 1000)
    date = build_date(whole)  # Mon, 23 Nov 2026 12:00:00 GMT
    month = MONTHS.index(date[8:11]) + 1
    return f"{date[12:16]}-{month:02d}-{date[5:7]}T{date[17:25]}.{rest:03d}Z"


def parse_timestamp(text: str) -> float | None:
    """Read a timestamp of any zone; None for what is none."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, clock, fraction, sign, hours, minutes = found.groups()
    name = MONTHS[((parse_digits(month) or 0) - 1) % 12] if "01" <= month <= "12" else "?"
    seconds = parse_date(f"Mon, {day} {name} {year} {clock} GMT")
    if seconds is None:
        return None
    east = 60 * (parse_digits(hours or "0") or 0) + (parse_digits(minutes or "0") or 0)
    past = (parse_digits(fraction or "0") or 0) / 10.0 ** len(fraction or "0")
    return seconds + past - (-60 if sign == "-" else 60) * east
