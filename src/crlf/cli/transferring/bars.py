"""How far files are, in one line that is written over: what any terminal can show.

Its law: what is drawn is never wider than the terminal, and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from crlf.cli.environment import Environment
from crlf.cli.transferring.transfers import (
    Speed,
    Transfer,
    clipped,
    left_of,
    size_text,
    time_text,
)


class Painter(Protocol):
    """Shows how far transfers are. is_live: there is somebody to show it to."""

    is_live: bool

    def paint(self) -> None:
        """Show where things stand now."""

    def clear(self) -> None:
        """Take away what is drawn, so that a line can be written; the next paint draws it again."""

    def close(self) -> None:
        """Draw no more, and leave the terminal as it was."""


class OneLine:
    """One line that is written over again and again."""

    is_live = True

    def __init__(self, environment: Environment, transfers: Sequence[Transfer]) -> None:
        self._environment = environment
        self._transfers = transfers
        self._speed = Speed()
        self._drawn = ""

    def paint(self) -> None:
        """Write the line anew, where it has changed."""
        speed = self._speed.look(sum([one.moved for one in self._transfers]))
        line = progress_line(self._transfers, speed, self._environment.width - 1)
        line = on_terminal(line, self._environment)[: self._environment.width - 1]
        if line != self._drawn:
            self._environment.tell(f"\r{line}\x1b[K")
            self._drawn = line

    def clear(self) -> None:
        """Leave an empty line."""
        if self._drawn:
            self._environment.tell("\r\x1b[K")
            self._drawn = ""

    def close(self) -> None:
        """Leave an empty line."""
        self.clear()


def on_terminal(text: str, environment: Environment) -> str:
    """Return text as the terminal's encoding can write it."""
    return environment.encoded(text).decode(environment.encoding)


def progress_line(transfers: Sequence[Transfer], speed: float | None, width: int) -> str:
    """Write how far transfers are in one line of at most so many columns.

    What matters least is left out first: the time left, the speed, the size.
    """
    size, total = whole_of(transfers)
    running = [one.shown for one in transfers if one.state == "running"]
    over = sum([one.state in ("done", "failed") for one in transfers])
    name = running[0] if len(running) == 1 else f"{len(running)} at once"
    if len(transfers) > 1:
        name = f"{over}/{len(transfers)} {name}"
    figures = [size_text(size) if total is None else f"{100 * size // max(1, total):3}%"]
    if total is not None:
        figures.append(f"{size_text(size)} of {size_text(total)}")
    figures.append("" if speed is None else f"{size_text(speed)}/s")
    if total is not None:
        figures.append(f"{time_text(left_of(size, total, speed))} left")
    figures = [figure for figure in figures if figure]
    while len(figures) > 1 and sum(map(len, figures)) + 2 * len(figures) + 12 > width:
        figures.pop()
    ending = "  ".join(["", *figures])
    room = width - len(ending)
    if room < 4:
        return _cut(figures[0], width)
    return f"{clipped(name, min(room, 40))}{ending}"


def _cut(text: str, width: int) -> str:
    return text[: max(0, width)]


def whole_of(transfers: Sequence[Transfer]) -> tuple[int, int | None]:
    """Add up bytes so far, and in all; None in all while that of any is not known."""
    size = sum([one.size for one in transfers])
    # One that failed, and one that has ended without having said its length, is as long as it is.
    totals = [one.size if one.ended else one.total for one in transfers]
    known = [total for total in totals if total is not None]
    return size, sum(known) if len(known) == len(totals) else None
