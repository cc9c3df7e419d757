"""Files with secrets in them that are read again: this user's own, and nobody else's.

Who reads, changes and writes one back holds its folder meanwhile, so that of two who do so at
once neither loses anything (that a file is replaced whole, privatefile.py sees to). Its law:
nothing is read or written by way of a link or a file that another user has put there.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from crlf.net.privatefile import write_private

_lock: Any
try:
    import fcntl as _lock
except ImportError:  # Windows: of two who write within the same milliseconds the last one counts
    _lock = None

PATIENCE: Final = 5.0  # seconds for others; each holds a folder for a few milliseconds
_AGAIN: Final = 0.01  # seconds between two looks whether the folder is free

_READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that somebody put there keeps nobody waiting
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
# How a file system says that it knows no locks.
_WITHOUT: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})


def read_own(path: str, most: int) -> bytes | None:
    """Return what is in a file, or None where there is none.

    most: bytes. Raises PermissionError for a file or link of another user and for one that
    anybody may write to, OSError for one that is longer or no file.
    """
    try:
        descriptor = os.open(_own_target(path), _READ)
    except FileNotFoundError:
        return None
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise PermissionError(errno.EPERM, "a link took its place", path) from None
        raise
    try:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode):
            raise OSError(errno.EINVAL, "it is no file", path)
        _refuse_others(known, path)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most:,} bytes", path)
    return data


def write_own(path: str, data: bytes) -> None:
    """Put data in the place of a file, or make it: whole or not at all, and for its owner alone.

    A link of one's own stays one. Raises OSError, PermissionError for a link of another's.
    """
    write_private(_own_target(path), data)


def make_own(folder: str) -> None:
    """Make a folder that is this user's alone, and those above it that are missing.

    Raises PermissionError for one that is there and is another's, or that anybody may write to.
    """
    above = os.path.dirname(folder)
    if above and not os.path.isdir(above):
        make_own(above)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    known = os.stat(_own_target(folder))
    if not stat.S_ISDIR(known.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is no folder", folder)
    _refuse_others(known, folder)


@contextmanager
def holding(folder: str) -> Iterator[None]:
    """Keep everybody else who asks like this out of a folder.

    Raises BlockingIOError when others do not let go of it, OSError.
    """
    if _lock is None:
        yield
        return
    descriptor = os.open(folder, _FOLDER)
    try:
        _hold(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int, folder: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            _lock.flock(descriptor, _lock.LOCK_EX | _lock.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise BlockingIOError(
                    errno.EAGAIN, "another command does not let go of it", folder
                ) from None
            time.sleep(_AGAIN)
        except OSError as fault:
            if fault.errno not in _WITHOUT:
                raise
            return


def _own_target(path: str) -> str:
    """Return what a path leads to. Raises PermissionError for a link that is another user's."""
    try:
        known = os.lstat(path)
    except FileNotFoundError:
        return path
    if not stat.S_ISLNK(known.st_mode):
        return path
    if os.name == "posix" and known.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, "it is a link of another user", path)
    return os.path.realpath(path)


def _refuse_others(known: os.stat_result, path: str) -> None:
    if os.name != "posix":
        return
    if known.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, "it belongs to another user", path)
    if known.st_mode & stat.S_IWOTH:
        raise PermissionError(errno.EPERM, "anybody may write to it: chmod o-w", path)
