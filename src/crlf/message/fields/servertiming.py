"""Server-Timing: how long parts of an answer took at the server (W3C Server Timing, 2 and 3).

A list of names, each with parameters of which two mean something: `dur` in milliseconds and
`desc` for people. Its law: a metric that cannot be read is left out, and none is made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from crlf.message.errors import Malformed
from crlf.message.fields.media import parse_parameters
from crlf.message.grammar import BLANK, TOKEN, parse_digits, split_list
from crlf.patterns import pattern

MAX_METRICS: Final = 100  # of one response; what crlf's own server says ends at 32
_DURATION = pattern(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")


class ServerTiming(NamedTuple):
    """One metric. milliseconds: None where only the name was said, as of a cache that missed."""

    name: str
    milliseconds: float | None = None
    description: str = ""


def parse_server_timing(values: Iterable[str]) -> tuple[ServerTiming, ...]:
    """Read the values of all Server-Timing fields, as Headers.get_all gives them.

    Of a parameter that comes twice the first counts. What has no name is left out, and so is
    all beyond MAX_METRICS.
    """
    found: list[ServerTiming] = []
    for value in values:
        try:
            members = split_list(value)
        except Malformed:
            continue
        for member in members:
            metric = _metric(member)
            if metric is not None and len(found) < MAX_METRICS:
                found.append(metric)
    return tuple(found)


def _metric(member: str) -> ServerTiming | None:
    name = TOKEN.match(member)
    if name is None:
        return None
    rest = member[name.end() :].lstrip(BLANK)
    if rest and rest[0] != ";":
        return None
    params = parse_parameters(member, name.end()) or {}
    return ServerTiming(name[0], _duration(params.get("dur", "")), params.get("desc", ""))


def _duration(text: str) -> float | None:
    whole, _, fraction = text.partition(".")
    if _DURATION.fullmatch(text) is None:
        return None
    return (parse_digits(whole + fraction, 24) or 0) / 10.0 ** len(fraction)
