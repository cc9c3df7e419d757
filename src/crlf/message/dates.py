"""Dates of HTTP: read in three formats, written in one, as seconds since 1970 in UTC.

A date is a fixed row of columns, so it is read by columns and two tables, not by a general
parser of dates: those take what HTTP does not have. Its law: what is not exactly a date is
None, and the caller goes on as if the field were not there (RFC 9110 5.6.7).
"""

from __future__ import annotations

from bisect import bisect_right

from crlf.message.grammar import parse_digits
from crlf.patterns import pattern

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FIRST = -62_135_596_800  # Mon, 01 Jan 0001 00:00:00 GMT
LAST = 253_402_300_799  # Fri, 31 Dec 9999 23:59:59 GMT

# Read and checked in one step: what is no key is no number and no month.
_TWO = {f"{number:02d}": number for number in range(100)}
_TWO_OR_BLANK = _TWO | {f" {number}": number for number in range(1, 10)}  # asctime's day
_MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)}
_COOKIE_MONTHS = {name.lower(): number for name, number in _MONTH_NUMBERS.items()}

_BEFORE = (0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)  # days before a month
_BEFORE_IN_LEAP_YEAR = (0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366)
_DAYS_TO_1970 = 719_162  # from the first day of the year 1
_DAY = 86_400  # seconds

# RFC 6265bis 5.1.1: a token is what stands between delimiters; what follows a number in it is
# passed over, unless that is one more digit.
_COOKIE_TOKEN = pattern(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]++")
_COOKIE_TIME = pattern(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_COOKIE_DAY = pattern(r"([0-9]{1,2})(?![0-9])")
_COOKIE_YEAR = pattern(r"([0-9]{2,4})(?![0-9])")


def parse_date(text: str, now: int | None = None) -> int | None:
    """Read a date in any format of RFC 9110 5.6.7, or None when it is in none of them.

    now: the present, for RFC 850's two-digit years: such a date is never taken to be more than
        50 years ahead. Without it 70 to 99 are 1970 to 1999 and the rest 2000 to 2069.

    Day and month names are case-sensitive; that the day of the week is the right one is not
    asked. A leap second counts as the second before it.
    """
    if len(text) == 29 and text[3:5] == ", ":  # Sun, 06 Nov 1994 08:49:37 GMT
        if text[:3] not in DAYS or text[7] + text[11] + text[16] != "   " or text[25:] != " GMT":
            return None
        day, month, year, clock = text[5:7], text[8:11], text[12:16], text[17:25]
        return _moment(_year(year), _MONTH_NUMBERS.get(month), _TWO.get(day), _clock(clock))
    if len(text) == 24:  # Sun Nov  6 08:49:37 1994
        if text[:3] not in DAYS or text[3] + text[7] + text[10] + text[19] != "    ":
            return None
        month, day, clock, year = text[4:7], text[8:10], text[11:19], text[20:]
        return _moment(
            _year(year), _MONTH_NUMBERS.get(month), _TWO_OR_BLANK.get(day), _clock(clock)
        )
    return _parse_rfc850(text, now)


def _parse_rfc850(text: str, now: int | None) -> int | None:
    """Read the obsolete form: Sunday, 06-Nov-94 08:49:37 GMT."""
    name, _, rest = text.partition(", ")
    if name not in LONG_DAYS or len(rest) != 22 or rest[2] + rest[6] + rest[9:10] != "-- ":
        return None
    day, month, clock = _TWO.get(rest[:2]), _MONTH_NUMBERS.get(rest[3:6]), _clock(rest[10:18])
    two = _TWO.get(rest[7:9])
    if two is None or day is None or month is None or clock is None or rest[18:] != " GMT":
        return None
    if now is None:
        return _moment(two + (1900 if two >= 70 else 2000), month, day, clock)
    # RFC 9110 5.6.7: what seems over 50 years ahead is the most recent past year that has these
    # two digits. So it is the last such year that is not over 50 years from now, to the second.
    this_year, this_month, today = _civil(now // _DAY)
    year = this_year + 50 - (this_year + 50 - two) % 100
    if year == this_year + 50 and (month, day, clock) > (this_month, today, now % _DAY):
        year -= 100
    return _moment(year, month, day, clock)


def parse_cookie_date(text: str) -> int | None:
    """Read the date of a cookie's Expires, by the algorithm of RFC 6265bis 5.1.1.

    It takes almost anything with a time, a day, a month and a year in it, as browsers do; None
    when one of them is missing or out of range.
    """
    clock: tuple[str, ...] | None = None
    day: int | None = None
    month: int | None = None
    year: int | None = None
    for token in _COOKIE_TOKEN.findall(text):
        if clock is None and (found := _COOKIE_TIME.match(token)) is not None:
            clock = found.groups()
        elif day is None and (found := _COOKIE_DAY.match(token)) is not None:
            day = parse_digits(found[1])
        elif month is None and (named := _COOKIE_MONTHS.get(token[:3].lower())) is not None:
            month = named
        elif year is None and (found := _COOKIE_YEAR.match(token)) is not None:
            year = parse_digits(found[1])
    if clock is None or year is None:
        return None
    if year < 100:  # steps 3 and 4
        year += 1900 if year >= 70 else 2000
    hour, minute, second = [_TWO[field.rjust(2, "0")] for field in clock]
    if year < 1601 or hour > 23 or minute > 59 or second > 59:  # no leap second here
        return None
    return _moment(year, month, day, hour * 3600 + minute * 60 + second)


def build_date(seconds: int) -> str:
    """Write seconds since 1970 as an IMF-fixdate, the one form that is sent (RFC 9110 5.6.7).

    Raises ValueError outside the years 1 to 9999, which are all that four digits can say.
    """
    if not FIRST <= seconds <= LAST:
        raise ValueError(f"no date of the years 1 to 9999: {seconds} seconds from 1970")
    days, clock = divmod(seconds, _DAY)
    year, month, day = _civil(days)
    minutes, second = divmod(clock, 60)
    hour, minute = divmod(minutes, 60)
    return (
        f"{DAYS[(days + 3) % 7]}, {day:02d} {MONTHS[month - 1]} {year:04d}"  # 1970 began on a Thu
        f" {hour:02d}:{minute:02d}:{second:02d} GMT"
    )


def _year(text: str) -> int | None:
    """Read four digits; None for the year 0, which there was not."""
    century, rest = _TWO.get(text[:2]), _TWO.get(text[2:])
    return None if century is None or rest is None else century * 100 + rest or None


def _clock(text: str) -> int | None:
    """Read hh:mm:ss as seconds of the day; a leap second is the one before it."""
    hour, minute, second = _TWO.get(text[:2]), _TWO.get(text[3:5]), _TWO.get(text[6:])
    if hour is None or minute is None or second is None or text[2] + text[5] != "::":
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    return hour * 3600 + minute * 60 + (59 if second == 60 else second)


def _moment(year: int | None, month: int | None, day: int | None, clock: int | None) -> int | None:
    """Put a date together; None when a part is missing or the month has no such day."""
    if year is None or month is None or day is None or clock is None:
        return None
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    before = _BEFORE_IN_LEAP_YEAR if is_leap else _BEFORE
    if not 1 <= day <= before[month + 1] - before[month]:
        return None
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 + before[month] + day - 1
    return (days - _DAYS_TO_1970) * _DAY + clock


def _civil(days: int) -> tuple[int, int, int]:
    """Give the year, month and day of a day counted from 1970."""
    # Cycles of 400, 100, 4 and 1 years; the last day of a leap cycle would begin a fifth part.
    cycles, rest = divmod(days + _DAYS_TO_1970, 146_097)
    centuries = min(rest // 36_524, 3)
    fours, rest = divmod(rest - centuries * 36_524, 1461)
    ones = min(rest // 365, 3)
    rest -= ones * 365
    is_leap = ones == 3 and (fours != 24 or centuries == 3)
    before = _BEFORE_IN_LEAP_YEAR if is_leap else _BEFORE
    month = bisect_right(before, rest, 1) - 1
    year = cycles * 400 + centuries * 100 + fours * 4 + ones + 1
    return year, month, rest - before[month] + 1
