"""An open file that a program hands over: whether the kernel can send it as it is, and from where.

Its law: what only looks like a file (a decompressor has a descriptor too, of what it reads) is
read by its own methods.
"""

from __future__ import annotations

import io
import os
import stat
from typing import Final

_REAL: Final = (io.BufferedReader, io.BufferedRandom, io.FileIO)


def what_is_left(file: object) -> tuple[int, int] | None:
    """Return where a regular file stands and how many bytes come after; None for anything else."""
    if type(file) not in _REAL or type(getattr(file, "raw", file)) is not io.FileIO:
        return None
    real: io.BufferedReader = file  # type: ignore[assignment]  # or another of the three
    try:
        found = os.fstat(real.fileno())
        if not stat.S_ISREG(found.st_mode):
            return None
        offset = real.tell()
    except (OSError, ValueError):  # closed, say: reading it says so
        return None
    return offset, max(0, found.st_size - offset)
