"""Retry-After: how long a server wants to be left alone, in either form of RFC 9110 10.2.3."""

from __future__ import annotations

from crlf.message.dates import parse_date
from crlf.message.grammar import BLANK, parse_digits


def parse_retry_after(text: str, now: float) -> float | None:
    """Read a Retry-After value as seconds from now; None when it is neither form.

    now: POSIX seconds. A date that has passed is 0 seconds.
    """
    text = text.strip(BLANK)
    seconds = parse_digits(text)
    if seconds is not None:
        return seconds
    date = parse_date(text, round(now))
    return None if date is None else max(0.0, date - now)
