"""Signals as bytes of a socket, so that one wait hears them beside everything else.

Python writes a signal's number into the socket when it comes (signal.set_wakeup_fd); nothing is
done in the handler itself, which may run between any two lines. Its law: what was set before is
set again at the end.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

WAKE = 0  # is heard when another thread wakes the one that listens; no signal has this number


class Ear:
    """Hears signals as long as it is entered. Of the main thread alone."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers

    def __enter__(self) -> Ear:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._outer.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _ignore) for number in self._numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._wakeup)
        self._inner.close()
        self._outer.close()

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to hear."""
        return self._inner.fileno()

    def wake(self) -> None:
        """Let something be heard; from any thread."""
        with suppress(OSError):  # full, and then there is enough to hear, or nobody listens
            self._outer.send(bytes([WAKE]))

    def heard(self) -> list[int]:
        """List the signals that have come, in order."""
        with suppress(BlockingIOError):
            return [number for number in self._inner.recv(4096) if number != WAKE]
        return []


def _ignore(number: int, frame: object) -> None:
    """Do nothing: the number is in the socket already."""
