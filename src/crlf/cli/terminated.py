"""SIGTERM while a terminal is not as it was found: put in order first, then ended by the signal.

By default the signal ends a process where it stands, which is right where nothing is open but
files. A prompt has turned the echo off, and bars have hidden the cursor: they are undone by what
stands in a `finally`. Its law: who sent the signal sees that it was the signal that ended it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Terminated(BaseException):
    """SIGTERM came; nobody but `in_order` catches it."""


@contextmanager
def in_order() -> Iterator[None]:
    """Let SIGTERM unwind what is inside before it ends the process."""
    is_usual = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not is_usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, _unwind)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _unwind(number: int, frame: object) -> None:
    raise _Terminated
