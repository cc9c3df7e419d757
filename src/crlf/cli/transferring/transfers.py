"""Files under way: what one is about, how far it is, and how that is said.

A worker's thread writes a Transfer's figures, the main thread reads them: each is one object
that is replaced whole, so nothing is locked. Sizes are in binary units, as they are on disks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import Literal
from unicodedata import combining, east_asian_width

from crlf.cli.terminal import harmless_line
from crlf.message.url import URL

State = Literal["waiting", "running", "done", "failed"]
_UNITS = ("KiB", "MiB", "GiB", "TiB")


class Transfer:
    """One file on its way.

    shown: its name for people, as far as it is known. size: bytes here (or there) so far; total:
    in all, or None. found: bytes of an earlier call. is_moving: something was told of it. path:
    where it is to be, once that is known.
    """

    __slots__ = (
        "began", "ended", "fault", "found", "is_moving", "part", "path", "shown", "size", "state",
        "total", "url",
    )  # fmt: skip

    def __init__(self, url: URL, shown: str) -> None:
        self.url = url
        self.shown = harmless_line(shown)
        self.state: State = "waiting"
        self.is_moving = False
        self.size = 0
        self.total: int | None = None
        self.found = 0
        self.path = self.part = ""
        self.began = 0.0
        self.ended = 0.0
        self.fault: BaseException | None = None

    def rename(self, path: str) -> None:
        """Note where it goes, and by what name it is known from then on."""
        self.path = path
        self.shown = harmless_line(os.path.basename(path))

    def begin(self) -> None:
        """Note that it is under way."""
        self.began = monotonic()
        self.state = "running"

    def tell(self, size: int, total: int | None) -> None:
        """Note how far it is; the first thing told is where it begins."""
        if not self.is_moving or size < self.found:
            self.found = size
            self.is_moving = True
        self.size, self.total = size, total

    def end(self, fault: BaseException | None = None) -> None:
        """Note that it is over, well or not."""
        self.ended = monotonic()
        self.fault = fault
        self.state = "done" if fault is None else "failed"

    @property
    def seconds(self) -> float:
        """How long it took, or has been taking."""
        return (self.ended or monotonic()) - self.began

    @property
    def moved(self) -> int:
        """Bytes that went over the wire, this time."""
        return self.size - self.found


class Speed:
    """Bytes a second over the last moments, from looks at a figure that grows."""

    _SPAN = 5.0  # seconds that are looked back at

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._seen: list[tuple[float, int]] = []

    def look(self, size: int) -> float | None:
        """Note where it is; return the speed, None until there is one."""
        now = self._now()
        self._seen.append((now, size))
        while self._seen[0][0] < now - self._SPAN and len(self._seen) > 2:
            del self._seen[0]
        began, first = self._seen[0]
        return (size - first) / (now - began) if now - began > 0.2 else None


def size_text(size: float) -> str:
    """Write a size for people, as in 1.2 GiB."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in _UNITS:
        size /= 1024
        if size < 999.5 or unit == _UNITS[-1]:
            break
    return f"{size:.1f} {unit}" if size < 99.95 else f"{size:.0f} {unit}"


def time_text(seconds: float | None) -> str:
    """Write how long something takes, as in 1:02:03; "-:--" when nobody knows."""
    if seconds is None or seconds > 99 * 3600:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def left_of(size: int, total: int | None, speed: float | None) -> float | None:
    """Estimate the seconds that are left; None where there is nothing to go by."""
    if total is None or not speed or speed <= 0:
        return None
    return max(0, total - size) / speed


def without_secrets(url: URL) -> str:
    """Write a URL for people: no credentials, and of a query only that there is one."""
    start, mark, _ = str(url.without_credentials()).partition("#")[0].partition("?")
    return f"{start}{mark and '?...'}"


def widths(text: str) -> int:
    """Count the columns that text takes on a terminal: wide letters two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )


def clipped(text: str, width: int) -> str:
    """Shorten text to so many columns, in the middle, so that its ending is seen."""
    if widths(text) <= width:
        return text
    if width < 8:
        return _fitting(text, width)
    tail = _fitting(text[::-1], (width - 1) // 2)[::-1]
    return f"{_fitting(text, width - 1 - widths(tail))}…{tail}"


def _fitting(text: str, width: int) -> str:
    """Return as much of the beginning as fits."""
    kept, room = [], width
    for letter in text:
        room -= widths(letter)
        if room < 0:
            break
        kept.append(letter)
    return "".join(kept)
