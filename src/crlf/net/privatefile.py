"""A file that holds what others on the machine should not read, written whole or not at all.

Its law: nobody else can read it at any moment (0600), and one that is there is replaced, never
changed, so whoever reads it finds the old or the new one.
"""

from __future__ import annotations

import os
from secrets import token_hex


def write_private(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file for its owner alone; a link stays one, what it leads to is replaced.

    A device or a pipe is written to as it is. Raises OSError.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as there:
            there.write(data)
        return
    part = f"{target}.{token_hex(8)}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        os.unlink(part)
        raise
