"""Dates are read in the three formats and no other, and written in one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crlf.message.dates import FIRST, LAST, build_date, parse_cookie_date, parse_date

pytestmark = pytest.mark.rfc("9110", "5.6.7")

THEN = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT
NOW = 1_795_392_000  # Mon, 23 Nov 2026 00:00:00 GMT


def seconds(year: int, month: int, day: int, *clock: int) -> int:
    return int(datetime(year, month, day, *clock, tzinfo=UTC).timestamp())


def test_the_examples_of_the_rfc_are_one_moment() -> None:
    assert parse_date("Sun, 06 Nov 1994 08:49:37 GMT") == THEN
    assert parse_date("Sunday, 06-Nov-94 08:49:37 GMT", NOW) == THEN
    assert parse_date("Sunday, 06-Nov-94 08:49:37 GMT") == THEN
    assert parse_date("Sun Nov  6 08:49:37 1994") == THEN
    assert build_date(THEN) == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Tue, 29 Feb 2000 12:00:00 GMT", seconds(2000, 2, 29, 12)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LAST),
        ("Mon, 01 Jan 0001 00:00:00 GMT", FIRST),
        ("Mon Dec 31 23:59:59 2040", seconds(2040, 12, 31, 23, 59, 59)),
        ("Mon, 06 Nov 1994 08:49:37 GMT", THEN),  # it was a Sunday: not asked
        ("Sat, 31 Dec 2016 23:59:60 GMT", seconds(2016, 12, 31, 23, 59, 59)),  # a leap second
    ],
)
def test_valid_dates(text: str, expected: int) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "0", "now", "-1",
     "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
     "SUN, 06 NOV 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 gmt",
     "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
     "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
     "Sun 06 Nov 1994 08:49:37 GMT", "06 Nov 1994 08:49:37 GMT", "Xyz, 06 Nov 1994 08:49:37 GMT",
     "Sun, 06-Nov-1994 08:49:37 GMT", "Sun,  6 Nov 1994 08:49:37 GMT",
     "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT",
     "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
     "Sun, 06 Nov 1994 08:49:37 GMT\n", "Sun, 06 Nov 1994 08:49:37\tGMT",
     "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
     "Sun, 29 Feb 1900 08:49:37 GMT", "Sun, 29 Feb 2023 08:49:37 GMT",
     "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
     "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
     "Sun, 06 Nov +199 08:49:37 GMT", "Sun, 06 Nov 1_94 08:49:37 GMT",
     "Sun, ٠٦ Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 -8:49:37 GMT",
     "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
     "Sun Nov 06  8:49:37 1994", "Sun Nov 6 08:49:37 1994", "Sun Nov  0 08:49:37 1994",
     "Sun, Nov  6 08:49:37 1994", "Sun Nov  6 08:49:37 199x", "Sunday Nov 6 08:49:37 94",
     "Sun Nov  6 08:49:37 0000", "Sun Nov 6  08:49:37 1994",
     "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT",
     "Sun, 06-Nov-94 08:49:37 GMT", "sunday, 06-Nov-94 08:49:37 GMT",
     "Sunday, 06-Nov-94 08:49:37", "Sunday, 31-Feb-94 08:49:37 GMT",
     "Sunday, 06-Nov-9x 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMTx",
     "Sunday, 6-Nov-94 08:49:37 GMT",
     "Sunday, "],
)  # fmt: skip
@pytest.mark.parametrize("now", [None, NOW])
def test_what_is_not_exactly_a_date_is_none(text: str, now: int | None) -> None:
    assert parse_date(text, now) is None


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        # Exactly 50 years ahead is not over 50 years; a second more is.
        ("Monday, 23-Nov-76 00:00:00 GMT", NOW, seconds(2076, 11, 23)),
        ("Monday, 23-Nov-76 00:00:01 GMT", NOW, seconds(1976, 11, 23, 0, 0, 1)),
        ("Monday, 24-Nov-76 00:00:00 GMT", NOW, seconds(1976, 11, 24)),
        ("Monday, 01-Dec-76 00:00:00 GMT", NOW, seconds(1976, 12, 1)),
        ("Monday, 22-Nov-76 00:00:00 GMT", NOW, seconds(2076, 11, 22)),
        ("Monday, 01-Jan-77 00:00:00 GMT", NOW, seconds(1977, 1, 1)),
        ("Monday, 01-Jan-26 00:00:00 GMT", NOW, seconds(2026, 1, 1)),
        ("Monday, 01-Jan-05 00:00:00 GMT", seconds(2099, 1, 1), seconds(2105, 1, 1)),
        ("Monday, 06-Nov-94 08:49:37 GMT", 0, seconds(1994, 11, 6, 8, 49, 37)),
        ("Monday, 29-Feb-76 00:00:00 GMT", seconds(2026, 2, 28, 12), seconds(1976, 2, 29)),
    ],
)
def test_two_digits_of_a_year_are_never_over_50_years_ahead(
    text: str, now: int, expected: int
) -> None:
    assert parse_date(text, now) == expected


def test_two_digits_without_a_present_are_read_as_cookies_do() -> None:
    assert parse_date("Monday, 01-Jan-69 00:00:00 GMT") == seconds(2069, 1, 1)
    assert parse_date("Monday, 01-Jan-70 00:00:00 GMT") == 0


def test_a_date_beyond_four_digits_cannot_be_written() -> None:
    for moment in (FIRST - 1, LAST + 1):
        with pytest.raises(ValueError, match="years 1 to 9999"):
            build_date(moment)


@given(st.integers(FIRST, LAST))
@example(FIRST)
@example(LAST)
@example(seconds(2000, 2, 29))
@example(seconds(2100, 3, 1))
@example(seconds(2000, 12, 31))
@example(seconds(1900, 12, 31))
def test_a_written_date_is_read_again(moment: int) -> None:
    text = build_date(moment)
    assert parse_date(text) == moment
    assert text == format_datetime(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(0, moment), True)


@given(st.integers(seconds(1977, 1, 1), seconds(2076, 1, 1)))
def test_the_three_formats_agree(moment: int) -> None:
    when = datetime.fromtimestamp(moment, UTC)
    assert parse_date(when.strftime("%A, %d-%b-%y %H:%M:%S GMT"), NOW) == moment
    assert parse_date(f"{when:%a %b} {when.day:2d} {when:%H:%M:%S %Y}") == moment


@given(st.text(max_size=40) | st.text("SunNov, 0619:438-GMT", min_size=24, max_size=31))
def test_no_text_breaks_the_readers(text: str) -> None:
    for found in (parse_date(text, NOW), parse_cookie_date(text)):
        assert found is None or FIRST <= found <= LAST


# --- cookies


@pytest.mark.rfc("6265bis", "5.1.1")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", THEN),
        ("Sun, 06-Nov-94 08:49:37 GMT", THEN),
        ("Sunday, 06-NOV-1994 08:49:37", THEN),
        ("Sun Nov  6 08:49:37 1994", THEN),
        ("1994 november 6th 8:49:37pm", THEN),  # "pm" is not looked at, nor is "th"
        ("08:49:37 06 11 Nov 1994", seconds(2011, 11, 6, 8, 49, 37)),  # 11 is taken as the year
        ("08:49:37;06;Nov;1994", THEN),
        ("06 Nov 70 00:00:00", seconds(1970, 11, 6)),
        ("06 Nov 69 00:00:00", seconds(2069, 11, 6)),
        ("06 Nov 1601 00:00:00", seconds(1601, 11, 6)),
        ("06 Nov 0094 08:49:37", THEN),
        ("08:49:37 09:00:00 Nov 1994", seconds(1994, 11, 9, 8, 49, 37)),  # a second time is a day
        ("1:2:3 6 Nov 1994", seconds(1994, 11, 6, 1, 2, 3)),
        ("Nov 6 1994x 08:49:37 +0200", THEN),
        ("\xffNov 6 Nov 1994 08:49:37", THEN),
        ("", None),
        ("06 Nov 1994", None),
        ("08:49:37 Nov 1994", None),
        ("08:49:37 06 1994", None),
        ("08:49:37 06 Nov", None),
        ("24:00:00 06 Nov 1994", None),
        ("23:60:00 06 Nov 1994", None),
        ("23:59:60 06 Nov 1994", None),
        ("08:49:37 00 Nov 1994", None),
        ("08:49:37 32 Nov 1994", None),
        ("08:49:37 31 Nov 1994", None),
        ("08:49:37 29 Feb 2023", None),
        ("08:49:37 06 Nov 1600", None),
        ("08:49:377 06 Nov 1994", None),
        ("008:49:37 06 Nov 1994", None),
        ("08:49:37 06 Nov 19944", None),
        ("08:49:37 006 Nov 1994", None),  # 006 is no day, so it is the year; then no day is left
        ("٠٨:49:37 06 Nov 1994", None),
    ],
)
def test_the_date_of_a_cookie(text: str, expected: int | None) -> None:
    assert parse_cookie_date(text) == expected


@given(st.integers(seconds(1601, 1, 1), LAST))
def test_cookies_read_what_is_written(moment: int) -> None:
    assert parse_cookie_date(build_date(moment)) == moment


def test_long_text_takes_linear_time() -> None:
    start = time.process_time()
    for text in ("1:" * 200_000, "9" * 400_000, "jan " * 100_000, "a, " * 100_000, ", " * 200_000):
        parse_cookie_date(text)
        parse_date(text, NOW)
    assert time.process_time() - start < 2  # seconds
