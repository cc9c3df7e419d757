"""Where the time of an exchange went: its steps as phases, joined with what the server says.

Phases stand one after the other: queue, dns, connect, proxy, tls, send, wait, receive. What the
server measured (Server-Timing) lies inside `wait`, at a place that nobody knows, so its bars begin
where waiting begins. Its law: seconds are those that were told; none are spread or rounded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crlf.message.fields.servertiming import ServerTiming, parse_server_timing
from crlf.message.grammar import BLANK
from crlf.rules.captures import Captured, detail_of
from crlf.rules.tracing import Step

PHASE_NAMES: Final = ("queue", "dns", "connect", "proxy", "tls", "send", "wait", "receive")


class Timings(NamedTuple):
    """The times of one exchange.

    began: seconds since 1970. total: seconds. steps: as they were told, from 0. seconds: what
    each phase took in all, by its name. server: what the server said of itself.
    """

    began: float
    total: float
    steps: tuple[Step, ...]
    seconds: dict[str, float]
    server: tuple[ServerTiming, ...]


def timings_of(captured: Captured) -> Timings:
    """Find the times of a capture."""
    base = captured.steps[0].began if captured.steps else 0.0
    steps: list[Step] = []
    seconds: dict[str, float] = {}
    last = 0.0
    for step in captured.steps:
        began, ended = step.began - base, step.ended - base
        steps.append(Step(step.name, began, ended, None, detail_of(step)))
        if step.name in PHASE_NAMES:
            seconds[step.name] = seconds.get(step.name, 0.0) + step.seconds
        last = max(last, ended)
    server = parse_server_timing(_fields(captured.received, b"server-timing:"))
    return Timings(captured.began, last, tuple(steps), seconds, server)


def _fields(data: bytes, name: bytes) -> list[str]:
    """Find the values of a field in what was received: heads, and trailers after chunks."""
    size = 256 * 1024  # bytes at either end that are looked at: heads, trailers
    pieces = [data] if len(data) <= 2 * size else [data[:size], data[-size:]]
    return [
        line[len(name) :].decode("latin-1").strip(BLANK)
        for piece in pieces
        for line in piece.split(b"\r\n")
        if line[: len(name)].lower() == name
    ]


def timings_json(captures: list[Captured]) -> list[dict[str, object]]:
    """Say the times as JSON has them: milliseconds from the first exchange's beginning."""
    first = min((one.began for one in captures), default=0.0)
    rows: list[dict[str, object]] = []
    for one in captures:
        times = timings_of(one)
        base = (one.began - first) * 1000
        rows.append(
            {
                "method": one.method,
                "url": one.url,
                "began": one.began,
                "start": round(base, 3),
                "total": round(times.total * 1000, 3),
                "phases": [
                    {
                        "name": step.name,
                        "start": round(base + step.began * 1000, 3),
                        "duration": round(step.seconds * 1000, 3),
                        **({"detail": step.detail} if step.detail else {}),
                    }
                    for step in times.steps
                ],
                "server": [
                    {"name": name, "duration": duration, "description": description}
                    for name, duration, description in times.server
                ],
            }
        )
    return rows
