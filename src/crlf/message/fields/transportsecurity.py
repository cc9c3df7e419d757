"""Strict-Transport-Security: for how long a host is to be asked over https alone (RFC 6797 6.1).

One grammar, and no mercy: what is not wholly in it says nothing at all, as the RFC demands, so
that no two readers can take a field for two different promises.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crlf.message.grammar import DIGITS, QUOTED, TOKEN, parse_digits, unquote
from crlf.patterns import pattern

LONGEST: Final = 100 * 365 * 86400  # seconds; what is longer is taken for this

_GAP: Final = "[ \t]*+"
_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED: Final = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
# One directive, or none between two semicolons, and what ends it.
_DIRECTIVE = pattern(
    rf"{_GAP}(?:({_NAME}){_GAP}(?:=({_GAP}(?:{_NAME}|{_QUOTED})){_GAP})?+)?+(;|\Z)"
)


class TransportSecurity(NamedTuple):
    """What a Strict-Transport-Security field says. max_age: seconds; 0: forget what was said."""

    max_age: int
    subdomains: bool = False


def parse_transport_security(text: str) -> TransportSecurity | None:
    """Read a Strict-Transport-Security value; None for one that says nothing (RFC 6797 6.1, 8.1).

    That is one without max-age, with a directive twice, or outside of the grammar anywhere.
    Directives that are not known are skipped.
    """
    said: dict[str, str | None] = {}
    at, end = 0, ";"
    while end:
        found = _DIRECTIVE.match(text, at)
        if found is None:
            return None
        name, value, end = found.groups()
        at = found.end()
        if name is None:
            continue
        if name.lower() in said:  # RFC 6797 6.1 (2): each directive only once
            return None
        said[name.lower()] = value
    age = _text_of(said.get("max-age"))
    if DIGITS.fullmatch(age) is None or said.get("includesubdomains") is not None:
        return None
    seconds = parse_digits(age.lstrip("0") or "0")
    return TransportSecurity(
        LONGEST if seconds is None else min(LONGEST, seconds), "includesubdomains" in said
    )


def _text_of(value: str | None) -> str:
    """Return a directive's value without its quotes; "" for one that has none."""
    text = "" if value is None else value.strip(" \t")
    if TOKEN.fullmatch(text) is not None:
        return text
    return unquote(text) if QUOTED.fullmatch(text) is not None else ""
