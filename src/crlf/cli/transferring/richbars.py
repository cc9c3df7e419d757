"""Bars for files under way, by rich: one each and one for all, as wide as the terminal.

Only files under way have a bar, the newest at the bottom; what has ended is a line above. Its
law: names are shown as they are, harmless, and never as rich's own markup.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crlf.cli.environment import Environment
from crlf.cli.transferring.bars import on_terminal, whole_of
from crlf.cli.transferring.transfers import (
    Speed,
    Transfer,
    clipped,
    left_of,
    size_text,
    time_text,
)

_MOST = 8  # bars at a time; of the others only the total tells
_NAME = 12  # columns that a name has at least, or figures are left out
# Columns that figures take: 100%, 99.9 MiB/s, 9:59:59. Sizes take what the largest does.
_SHARE, _SPEED, _TIME = 4, 10, 7


class RichBars:
    """Bars on standard error."""

    is_live = True

    def __init__(self, environment: Environment, transfers: Sequence[Transfer]) -> None:
        self._environment = environment
        self._transfers = transfers
        self._speeds: dict[Transfer | None, Speed] = {}
        self._console = Console(
            file=_Stream(environment),  # type: ignore[arg-type]  # it writes, which is all that is asked
            force_terminal=True,
            color_system="standard" if environment.wants_colour(True) else None,
            width=environment.width,
            markup=False,
            highlight=False,
            emoji=False,
        )
        self._live: Live | None = None

    def paint(self) -> None:
        """Draw the bars anew."""
        width = self._environment.width
        self._console.width = width
        if self._live is None:
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()
        self._live.update(self._table(width), refresh=True)

    def clear(self) -> None:
        """Take the bars away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self) -> None:
        """Take the bars away, and show the cursor again."""
        self.clear()

    def _table(self, width: int) -> Table:
        table = Table.grid(padding=(0, 1), expand=False)
        running = [one for one in self._transfers if one.state == "running"]
        shown = running[:_MOST]
        names = [on_terminal(one.shown, self._environment) for one in shown]
        size, total = whole_of(self._transfers)
        over = sum([one.state in ("done", "failed") for one in self._transfers])
        label = f"{over} of {len(self._transfers)} files"
        room, figures = _room(width, [*(one.total for one in shown), total])
        for number in range(2 + len(figures)):
            table.add_column(
                no_wrap=True,
                justify="left" if number < 2 else "right",
                min_width=0 if number < 2 else figures[number - 2],
            )
        for one, name in zip(shown, names, strict=True):
            speed = self._speed(one, one.moved)
            cells = _row(clipped(name, room), one.size, one.total, speed, width)
            table.add_row(*cells[: 2 + len(figures)])
        moved = sum([one.moved for one in self._transfers])
        speed = self._speed(None, moved)
        if len(self._transfers) > 1:
            cells = _row(clipped(label, room), size, total, speed, width)
            table.add_row(*cells[: 2 + len(figures)])
        return table

    def _speed(self, key: Transfer | None, size: int) -> float | None:
        return self._speeds.setdefault(key, Speed()).look(size)


def _room(width: int, totals: Sequence[int | None]) -> tuple[int, list[int]]:
    """Share out a line: the columns of a name, and of each figure that there is room for."""
    most = [9 if total is None else 2 * len(size_text(total)) + 1 for total in totals]
    figures = [_SHARE, _SPEED, max(most), _TIME]
    while True:
        room = width - _bar_width(width) - sum(figures) - len(figures) - 1
        if room >= _NAME or len(figures) == 1:
            return max(1, min(40, room)), figures
        figures.pop()


def _bar_width(width: int) -> int:
    return max(4, min(40, width // 4))


def _row(
    name: str, size: int, total: int | None, speed: float | None, width: int
) -> list[Text | ProgressBar]:
    """Make the cells of a row: name, bar, share, speed, sizes and the time left."""
    share = "" if total is None else f"{100 * size // max(1, total)}%"
    bar = ProgressBar(
        total=None if total is None else max(1, total),
        completed=size,
        width=_bar_width(width),
        pulse=total is None,
        complete_style="green",  # rich's own is red where there are sixteen colours
        finished_style="green",
    )
    sizes = size_text(size) if total is None else f"{size_text(size)}/{size_text(total)}"
    figures = [
        share,
        f"{size_text(speed)}/s" if speed is not None else "",
        sizes,
        time_text(left_of(size, total, speed)),
    ]
    return [Text(name, style="cyan"), bar, *[Text(text) for text in figures]]


class _Stream:
    """Standard error as rich writes to it: whoever has closed it is not told so."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.encoding = environment.encoding  # by which rich chooses what bars are drawn with

    def write(self, text: str) -> int:
        self._environment.tell(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is told is out."""

    def isatty(self) -> bool:
        return True
