"""Text that is formatted while it comes: what may be shown of it, and when.

What has to be whole to be formatted is held back: up to 1 MiB, and while no more than a moment is
spent waiting; whatever is more, or slower, is shown as it comes. Its law: a stream without an end
is shown piece by piece in constant memory, each character looked at a fixed number of times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from crlf.cli.showing.jsontext import JsonShape
from crlf.cli.terminal import Style

MOST = 1024 * 1024  # characters that are held back to be formatted whole; more come as they are
PATIENCE = 0.3  # seconds spent waiting while something is held back
LONGEST_LINE = 64 * 1024  # characters of a line that are held back


class Shape(Protocol):
    """Takes text piece by piece, and gives it back as it is to be seen."""

    def feed(self, text: str) -> str: ...
    def finish(self) -> str: ...


class AsItIs:
    """The shape of what has none."""

    def feed(self, text: str) -> str:
        """Return the text."""
        return text

    def finish(self) -> str:
        """Return nothing."""
        return ""


class Waiting:
    """How long whoever holds text back has waited for more of it; its own work is not counted."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left_at: float | None = None
        self.seconds = 0.0

    def ends(self) -> None:
        """Say that more has come."""
        if self._left_at is not None:
            self.seconds += self._now() - self._left_at

    def begins(self) -> None:
        """Say that more is waited for."""
        self._left_at = self._now()

    def forget(self) -> None:
        """Begin anew: nothing is held back."""
        self._left_at, self.seconds = None, 0.0


class HeldJson:
    """JSON, each value of it shown when it is whole: formatted if it is JSON, else as it came.

    flows: what is too long to be held back is formatted all the same, as far as it is JSON.
    """

    def __init__(
        self,
        shape: JsonShape,
        now: Callable[[], float] = time.monotonic,
        *,
        flows: bool = False,
    ) -> None:
        self._shape = shape
        self._flows = flows
        self._waiting = Waiting(now)
        self._came: list[str] = []
        self._shaped: list[str] = []
        self._size = 0
        self._is_flowing = False  # nothing is held back any more
        self._is_plain = False  # nor formatted

    def feed(self, text: str) -> str:
        """Return what of the text can be shown now."""
        if self._is_plain:
            return text
        self._waiting.ends()
        shaped = self._shape.feed(text)
        if self._is_flowing:
            return shaped
        self._came.append(text)
        self._shaped.append(shaped)
        self._size += len(text)
        is_long = self._size > MOST
        if self._shape.is_broken or (is_long and not self._flows):
            self._is_plain = True
            return self._taken(self._came)
        self._is_flowing = is_long or self._waiting.seconds > PATIENCE
        if self._is_flowing or self._shape.is_between:
            return self._taken(self._shaped)
        self._waiting.begins()
        return ""

    def finish(self) -> str:
        """Return what was held back."""
        if self._is_plain:
            return ""
        self._shaped.append(self._shape.finish())
        return self._taken(self._came if self._shape.is_broken and self._came else self._shaped)

    def _taken(self, pieces: list[str]) -> str:
        text = "".join(pieces)
        self._came.clear()
        self._shaped.clear()
        self._size = 0
        self._waiting.forget()
        return text


class HeldXml:
    """XML, shown indented when all of it is here, coloured alone when it takes long."""

    def __init__(
        self,
        indent: Callable[[str], str | None],
        colours: Shape,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """indent: returns a whole document indented, or None."""
        self._indent = indent
        self._colours = colours
        self._waiting = Waiting(now)
        self._held: list[str] | None = []
        self._size = 0

    def feed(self, text: str) -> str:
        """Return what of the text can be shown now."""
        if self._held is None:
            return self._colours.feed(text)
        self._waiting.ends()
        self._held.append(text)
        self._size += len(text)
        if self._size <= MOST and self._waiting.seconds <= PATIENCE:
            self._waiting.begins()
            return ""
        whole = "".join(self._held)
        self._held = None
        return self._colours.feed(whole)

    def finish(self) -> str:
        """Return what was held back."""
        if self._held is None:
            return self._colours.finish()
        whole = "".join(self._held)
        shaped = self._indent(whole)
        return self._colours.feed(whole if shaped is None else shaped) + self._colours.finish()


class Lines:
    """Text in lines, each shown by itself when it is whole, if it is not too long."""

    def __init__(self, paint: Callable[[str], str]) -> None:
        self._paint = paint
        self._held: list[str] = []
        self._size = 0
        self._is_long = False  # this line is being shown as it comes

    def feed(self, text: str) -> str:
        """Return what of the text can be shown now."""
        out = []
        *lines, rest = text.split("\n")
        for line in lines:
            out.append(self._line(line))
            out.append("\n")
        if self._is_long:
            out.append(rest)
        elif rest:
            self._held.append(rest)
            self._size += len(rest)
            if self._size > LONGEST_LINE:
                out.append(self._taken())
                self._is_long = True
        return "".join(out)

    def finish(self) -> str:
        """Return what was held back."""
        return self._line("") if self._held else ""

    def _line(self, end: str) -> str:
        if self._is_long:
            self._is_long = False
            return end
        return self._paint(self._taken() + end)

    def _taken(self) -> str:
        text = "".join(self._held)
        self._held.clear()
        self._size = 0
        return text


class Pairs:
    """A form's pairs, each on a line of its own, as they came."""

    def __init__(self, style: Style) -> None:
        self._lines = Lines(self._pair)
        self._paint = style.paint

    def feed(self, text: str) -> str:
        """Return what of the text can be shown now."""
        return self._lines.feed(text.replace("&", "\n"))

    def finish(self) -> str:
        """Return what was held back."""
        return self._lines.finish()

    def _pair(self, text: str) -> str:
        name, sign, value = text.partition("=")
        return f"{self._paint(name, 'name')}{sign}{self._paint(value, 'text')}"
