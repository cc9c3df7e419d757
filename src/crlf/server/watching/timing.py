"""Server-Timing: how long parts of an answer took, in the answer (W3C Server Timing).

Browsers show it beside their own times. Its law: nothing is measured and nothing is said unless
the server is told to, since times tell strangers things, too; a handler that measures works the
same without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from crlf.message.grammar import is_token
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.patterns import pattern
from crlf.rules.gates import Gate

MOST: Final = 32  # measures in one answer; browsers keep some hundred
_LONGEST: Final = 64  # characters of a description
_TIMING: Final = "timing"  # request.extras[...]
_FIELD: Final = "server-timing"
_PLAIN: Final = pattern(r"[ !#-\[\]-~]*")  # needs no escape in a quoted-string


class Timing:
    """The measures of one answer. Made by `timing_gate`; handlers get theirs by `timing`.

    now: monotonic seconds, None where nobody is going to read it.
    """

    __slots__ = ("_began", "_measures", "_now")

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._now = now
        self._began = 0.0 if now is None else now()
        self._measures: list[str] = []

    @contextmanager
    def measure(self, name: str, description: str = "") -> Iterator[None]:
        """Measure what is done inside the block. Raises ValueError as `add` does."""
        if self._now is None:
            yield
            return
        began = self._now()
        try:
            yield
        finally:
            self.add(name, self._now() - began, description)

    def add(self, name: str, seconds: float | None = None, description: str = "") -> None:
        """Add a measure, or only a name ("miss", of a cache). What is beyond 32 is dropped.

        Raises ValueError for a name that is no token, or a description with a control character.
        """
        if not is_token(name):
            raise ValueError(f"{name[:40]!r} names no measure: letters, digits and _ - . do")
        text = name
        if description:
            text += f';desc="{_quoted(description[:_LONGEST])}"'
        if seconds is not None:
            text += f";dur={seconds * 1000:.3f}"
        if self._now is not None and len(self._measures) < MOST:
            self._measures.append(text)

    def field(self) -> str:
        """Write the field: all measures, the total at the front."""
        total = 0.0 if self._now is None else self._now() - self._began
        return ", ".join([f"total;dur={total * 1000:.3f}", *self._measures])


_NOBODY: Final = Timing()


def timing(request: Request) -> Timing:
    """Get the measures of a request's answer: `with timing(request).measure("db"): ...`.

    Where the server does not say its times, nothing is kept.
    """
    kept = request.extras.get(_TIMING)
    return kept if isinstance(kept, Timing) else _NOBODY


def timing_gate(now: Callable[[], float]) -> Gate:
    """Make the gate that starts a request's clock. It stands before all others."""

    def start(request: Request) -> Request | Response:
        request.extras[_TIMING] = Timing(now)
        return request

    return start


def stamp_timing(request: Request, headers: Headers) -> Headers:
    """Say in an answer how long it took until now, and what its handlers measured."""
    kept = request.extras.get(_TIMING)
    return headers.adding(_FIELD, kept.field()) if isinstance(kept, Timing) else headers


def _quoted(text: str) -> str:
    """Escape a description for a quoted-string (RFC 9110 5.6.4). Raises ValueError."""
    if _PLAIN.fullmatch(text) is not None:
        return text
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"{text!a} is no description: visible ASCII is")
    return text.replace("\\", "\\\\").replace('"', '\\"')
