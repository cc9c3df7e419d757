"""Where the time went, drawn: a bar for each phase, on one scale for all that is shown.

What the server said of itself (Server-Timing) hangs below `wait`, since that is when it worked;
where in it, nobody knows, so those bars begin where waiting begins. Its law: a bar is never
longer than it was, but for the one cell without which it could not be seen.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crlf.cli.terminal import Style, harmless_line
from crlf.message.fields.servertiming import ServerTiming
from crlf.patterns import pattern
from crlf.rules.captures import Captured
from crlf.rules.timing import PHASE_NAMES, Timings, timings_of

WIDEST: Final = 120  # columns; a longer bar says no more
_MOST_IN_FULL: Final = 8  # exchanges; of more there is a line each
_STYLES: Final = {
    "queue": "faint", "dns": "name", "connect": "good", "proxy": "good", "tls": "odd",
    "send": "name", "wait": "strong", "receive": "good", "server": "faint", "failed": "bad",
    "retry": "odd", "redirect": "faint", "interim": "faint",
}  # fmt: skip
_EIGHTHS: Final = "▏▎▍▌▋▊▉█"
_FINAL = pattern(rb"(?:\A|\r\n\r\n)HTTP/1\.[0-9] ((?!1(?!01))[0-9]{3})[^0-9]")


class Bar(NamedTuple):
    """One line of a waterfall: seconds from the first exchange's beginning.

    seconds: how long it is drawn. took: what is written beside it, in words; note: below it.
    """

    name: str
    kind: str
    began: float
    seconds: float
    took: str
    note: str = ""
    depth: int = 0


class Row(NamedTuple):
    """One exchange. began: as its bars; total: seconds from there; bars in order."""

    captured: Captured
    status: str
    began: float
    total: float
    bars: tuple[Bar, ...]


def rows_of(captures: list[Captured]) -> list[Row]:
    """Lay exchanges out on one scale."""
    first = min((one.began for one in captures), default=0.0)
    rows = []
    for one in captures:
        times = timings_of(one)
        base = one.began - first
        bars = [bar._replace(began=base + bar.began) for bar in _bars(times)]
        rows.append(Row(one, status_of(one), base, times.total, tuple(bars)))
    return rows


def _bars(times: Timings) -> list[Bar]:
    bars: list[Bar] = []
    for step in times.steps:
        is_phase = step.name in PHASE_NAMES
        note = step.detail if isinstance(step.detail, str) else ""
        if step.name == "retry":
            note = "before it was tried again"
        elif step.name in ("send", "receive") or not is_phase:
            note = ""
        took = span_text(step.seconds)
        bars.append(Bar(step.name, step.name, step.began, step.seconds, took, note))
        if step.name == "wait":
            bars += [_server_bar(one, step.began, step.seconds) for one in times.server]
    return bars


def _server_bar(metric: ServerTiming, began: float, most: float) -> Bar:
    name, milliseconds, description = metric
    seconds = (milliseconds or 0.0) / 1000
    took = "" if milliseconds is None else span_text(seconds)
    excess = "longer than we waited, it says" if seconds > most else ""
    note = "; ".join([text for text in (description, excess) if text])
    return Bar(name, "server", began, min(seconds, most), took, note, 1)


def status_of(captured: Captured) -> str:
    """Find the final status in what was received; "" when none came."""
    found = _FINAL.search(captured.received[:65536])
    return "" if found is None else found[1].decode("ascii")


def span_text(seconds: float) -> str:
    """Write how long something took, in the unit that reads best, always as wide."""
    milliseconds = seconds * 1000
    if milliseconds >= 10_000:
        return f"{seconds:.1f} s"
    digits = 0 if milliseconds >= 1000 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:,.{digits}f} ms"


def waterfall(
    captures: list[Captured], width: int, style: Style, *, has_unicode: bool = True
) -> str:
    """Draw the times of exchanges as text, lines ended by LF."""
    rows = rows_of(captures)
    whole = max((row.began + row.total for row in rows), default=0.0)
    width = max(40, min(width, WIDEST))
    drawing = _Drawing(width, whole, style, has_unicode)
    lines: list[str] = []
    if len(rows) > _MOST_IN_FULL:
        lines = [drawing.short(row) for row in rows]
        phases = [style.paint(f"{name[0]} {name}", _STYLES[name]) for name in PHASE_NAMES]
        lines += ["", "  ".join(phases)]
    else:
        for row in rows:
            lines += [*([""] if lines else []), drawing.title(row)]
            lines += [drawing.line(bar) for bar in row.bars]
            if row.captured.fault:
                lines.append(style.paint(f"  {harmless_line(row.captured.fault)}", "bad"))
    return "\n".join(lines) + "\n"


class _Drawing:
    """Draws bars: names to the left, times to the right, and what is left of a line between."""

    def __init__(self, width: int, whole: float, style: Style, has_unicode: bool) -> None:
        self._width = width
        self._whole = whole or 1.0
        self._style = style
        self._has_unicode = has_unicode
        self._room = max(10, width - 2 - 12 - 12)

    def title(self, row: Row) -> str:
        """Write what was asked, what came of it, and how long it took in all."""
        total = span_text(row.total)
        text = harmless_line(f"{row.captured.method} {row.captured.url}")
        room = self._width - len(total) - len(row.status) - 4
        text = _cut(text, room, self._has_unicode)
        gap = " " * max(1, self._width - len(text) - len(row.status) - len(total) - 2)
        status = f"  {row.status}" if row.status else "  "
        colour = self._style.status(int(row.status)) if row.status else "bad"
        return f"{self._style.paint(text, 'strong')}{self._style.paint(status, colour)}{gap}{total}"

    def line(self, bar: Bar) -> str:
        """Draw one phase."""
        style = self._style
        indent = "  " * (bar.depth + 1)
        name = _cut(harmless_line(bar.name), 13 - len(indent), self._has_unicode)
        drawn = self._bar(bar)
        line = f"{indent}{name.ljust(13 - len(indent))} {drawn}{bar.took.rjust(12)}".rstrip(" ")
        if not bar.note:
            return line
        note = _cut(harmless_line(bar.note), self._width - 14, self._has_unicode)
        return f"{line}\n{' ' * 14}{style.paint(note, 'faint')}"

    def _bar(self, bar: Bar) -> str:
        room, paint = self._room, self._style.paint
        start = bar.began / self._whole * room
        size = bar.seconds / self._whole * room
        before = min(room - 1, int(start))
        if not self._has_unicode:
            sign = "-" if bar.kind == "server" else "="
            cells = sign * min(room - before, round(size)) or "|"
        else:
            full = int(size)
            part = int((size - full) * 8)
            cells = "█" * full + (_EIGHTHS[part - 1] if part else "") or "▏"
            cells = cells[: room - before]
            if bar.kind == "server":
                cells = cells.replace("█", "░") if full else cells
        return (
            " " * before
            + paint(cells, _STYLES.get(bar.kind, "faint"))
            + " " * (room - before - len(cells))
        )

    def short(self, row: Row) -> str:
        """Draw one exchange on one line: a cell shows the phase that filled most of it."""
        total = span_text(row.total)
        label = _cut(harmless_line(f"{row.captured.method} {row.captured.url}"), 34, True)
        room = max(10, self._width - 34 - 6 - 12)
        cells = [" "] * room
        for bar in row.bars:
            if bar.kind not in PHASE_NAMES:
                continue
            start = min(room - 1, int(bar.began / self._whole * room))
            end = min(room, max(start + 1, int((bar.began + bar.seconds) / self._whole * room)))
            for at in range(start, end):
                cells[at] = self._style.paint(bar.kind[0], _STYLES[bar.kind])
        return f"{label.ljust(34)} {row.status.rjust(3)} {''.join(cells)}{total.rjust(12)}"


def _cut(text: str, room: int, has_unicode: bool) -> str:
    """Shorten text to some columns, in the middle, where URLs differ least."""
    if len(text) <= room:
        return text
    mark = "…" if has_unicode else "..."
    left = max(1, (room - len(mark)) * 2 // 3)
    return text[:left] + mark + text[len(text) - max(1, room - left - len(mark)) :]
