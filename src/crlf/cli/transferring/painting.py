"""Who draws how far files are: rich where it is installed, else a line of our own, or nobody.

Nothing is drawn in the first moments, so a short transfer costs no drawing and loads no rich.
Its law: nothing is drawn where nobody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from crlf.cli.environment import Environment
from crlf.cli.transferring.bars import OneLine, Painter
from crlf.cli.transferring.transfers import Transfer

_FIRST = 0.3  # seconds before anything is drawn


class NoPainter:
    """Shows nothing."""

    is_live = False

    def paint(self) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class LatePainter:
    """Begins with the right painter when something has been going on for a moment."""

    is_live = True

    def __init__(self, environment: Environment, transfers: Sequence[Transfer]) -> None:
        self._environment = environment
        self._transfers = transfers
        self._begins = monotonic() + _FIRST
        self._painter: Painter | None = None

    def paint(self) -> None:
        """Show where things stand now, unless that is too early."""
        if self._painter is None:
            if monotonic() < self._begins:
                return
            self._painter = _best_painter(self._environment, self._transfers)
        self._painter.paint()

    def clear(self) -> None:
        """Take away what is drawn."""
        if self._painter is not None:
            self._painter.clear()

    def close(self) -> None:
        """Draw no more."""
        if self._painter is not None:
            self._painter.close()


def painter_for(
    environment: Environment, transfers: Sequence[Transfer], *, is_quiet: bool
) -> Painter:
    """Choose who shows progress on standard error: nobody, where no person looks at it."""
    is_terminal = environment.stderr_is_terminal and environment.variables.get("TERM") != "dumb"
    return LatePainter(environment, transfers) if is_terminal and not is_quiet else NoPainter()


def _best_painter(environment: Environment, transfers: Sequence[Transfer]) -> Painter:
    try:
        from crlf.cli.transferring.richbars import RichBars
    except ImportError:  # the extra `progress` is not installed
        return OneLine(environment, transfers)
    return RichBars(environment, transfers)
