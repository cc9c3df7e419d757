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
_NARROW, _NARROWER, _NARROWEST = 80, 56, 40  # columns below which figures are left out


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
        room = max(8, min(40, width // 3))
        for number in range(_columns(width)):
            table.add_column(no_wrap=True, justify="left" if number < 2 else "right")
        for one, name in zip(shown, names, strict=True):
            speed = self._speed(one, one.moved)
            table.add_row(*_row(clipped(name, room), one.size, one.total, speed, width))
        moved = sum([one.moved for one in self._transfers])
        speed = self._speed(None, moved)
        if len(self._transfers) > 1:
            table.add_row(*_row(clipped(label, room), size, total, speed, width))
        return table

    def _speed(self, key: Transfer | None, size: int) -> float | None:
        return self._speeds.setdefault(key, Speed()).look(size)


def _columns(width: int) -> int:
    return 3 if width < _NARROWEST else 4 if width < _NARROWER else 5 if width < _NARROW else 6


def _row(
    name: str, size: int, total: int | None, speed: float | None, width: int
) -> list[Text | ProgressBar]:
    """Make the cells of a row: name, bar, share, and as many figures as there is room for."""
    share = "" if total is None else f"{100 * size // max(1, total)}%"
    bar = ProgressBar(
        total=None if total is None else max(1, total),
        completed=size,
        width=max(4, min(40, width // 4)),
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
    cells = [Text(text) for text in figures[: _columns(width) - 2]]
    return [Text(name, style="cyan"), bar, *cells]


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
