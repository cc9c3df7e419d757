"""Telling how far a request's content is on its way in, to a program that wants to show it.

Its law: the program is told the beginning and the end of whatever it was told of, and between
them no more often than anybody could look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crlf.flow.bodies import PartSource
from crlf.message.progress import UploadProgress
from crlf.message.request import Request
from crlf.wire.parts import Data, Part

STEP: Final = 64 * 1024  # bytes between two tellings, at least; a hundredth of what is longer


class Telling:
    """Tells of one request's content. total: its bytes in all, None while nobody knows."""

    def __init__(self, told: Callable[..., object], request: Request, total: int | None) -> None:
        self._told = told
        self._request = request
        self._total = total
        self._step = max(STEP, (total or 0) // 100)
        self._received = 0
        self._next = 0
        self._is_over = False

    def begin(self) -> None:
        """Say that nothing has come yet. Raises what the program raises."""
        self.add(0)

    def add(self, size: int) -> None:
        """Note that more has come. Raises what the program raises."""
        self._received += size
        if self._received >= self._next:
            self._next = self._received + self._step
            self._say()

    def finish(self, *, failed: bool = False) -> None:
        """Say that nothing more comes, once."""
        if not self._is_over:
            self._is_over = True
            self._say(ended=True, failed=failed)

    def _say(self, *, ended: bool = False, failed: bool = False) -> None:
        progress = UploadProgress(self._received, self._total, ended, failed)
        self._told(self._request, progress)


class Told:
    """Brings a connection's parts, and tells of them."""

    def __init__(self, source: PartSource, telling: Telling) -> None:
        self._source = source
        self._telling = telling

    async def next_part(self, deadline: float | None) -> Part:
        """Return the next part."""
        part = await self._source.next_part(deadline)
        if type(part) is Data:
            self._telling.add(len(part.data))
        return part
