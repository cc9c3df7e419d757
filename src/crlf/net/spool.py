"""Temporary files for uploads: nameless, ours alone, and gone with the descriptor.

A file is made without a name where the system can (O_TMPFILE), elsewhere it loses its name as
soon as it is open, and on Windows when it is closed: nothing is left on the disk, not even by
a crash. Its law: an upload never fills the disk; what does not fit is TooLarge (507).
"""

from __future__ import annotations

import errno
import io
import os
from secrets import token_hex
from threading import Lock
from typing import BinaryIO, Final

from crlf.message.errors import TooLarge

KEEP_FREE: Final = 64 * 1024 * 1024  # bytes of a disk that uploads leave to everyone else
_KEPT: Final = 2 * 1024 * 1024  # bytes; twice as many, at most, stay with a process that had them
_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
# Where a file system does not know O_TMPFILE it says so in one of these ways.
_UNKNOWN: Final = frozenset(
    {errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT, errno.EACCES}
)

_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)
_ALONE: Final = (
    os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
_DELETED_ON_CLOSE: Final = getattr(os, "O_TEMPORARY", 0)  # Windows
_NEW: Final = _ALONE | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | _DELETED_ON_CLOSE


class Spool:
    """Opens temporary files in one folder; calling it gives a new one.

    folder: the system's folder for temporary files when it is None. On Linux that may be in
    memory (tmpfs); a folder on a disk is the better one for large uploads then.
    keep_free: bytes that have to stay free on the disk. quota: bytes of all its files that are
    open at once; None for any number.
    """

    def __init__(
        self, folder: str | None = None, *, keep_free: int = KEEP_FREE, quota: int | None = None
    ) -> None:
        self.folder = folder
        self.keep_free = keep_free
        self.quota = Quota(quota)
        # glibc gives memory back to the system with every batch that is written, and has it filled
        # with zeros for the next: a fifth of what a large upload costs. What it has once given
        # back in a piece of this size it keeps from then on (mallopt(3), M_TRIM_THRESHOLD).
        bytes(_KEPT)

    def __call__(self) -> BinaryIO:
        """Open a new file, empty, for reading and writing. Raises TooLarge (507), OSError."""
        if self.folder is None:
            import tempfile

            self.folder = tempfile.gettempdir()
        try:
            descriptor = _open_nameless(self.folder)
        except OSError as fault:
            raise _too_large(fault, 0) from None
        return io.BufferedRandom(_Spooled(descriptor, self.keep_free, self.quota))


class Quota:
    """Bytes that may be taken at once, by all threads together. limit: None for any number."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.taken = 0  # guarded by _guard
        self._guard = Lock()

    def take(self, size: int) -> None:
        """Take so many. Raises TooLarge (507) when there are not."""
        with self._guard:
            if self.limit is not None and self.taken + size > self.limit:
                raise TooLarge("spool", self.limit, 507, "RFC 4918 11.5")
            self.taken += size

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        with self._guard:
            self.taken -= size


class _Spooled(io.FileIO):
    """A file that looks how much is free before it takes any, and says TooLarge on a full disk."""

    def __init__(self, descriptor: int, keep_free: int, quota: Quota) -> None:
        super().__init__(descriptor, "r+")
        self._keep_free = keep_free
        self._quota = quota
        self._taken = 0

    def write(self, data: object, /) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # a buffer, says io
        done = 0
        self._quota.take(len(view))
        self._taken += len(view)
        try:
            if free_space(self.fileno()) < self._keep_free + len(view):
                raise TooLarge("spool", self.tell(), 507, "RFC 4918 11.5")
            while done < len(view):  # a file that is about to be full takes less than it was given
                done += super().write(view[done:]) or 0
        except OSError as fault:
            raise _too_large(fault, self.tell()) from None
        return done

    def close(self) -> None:
        """Close it, and with that let go of what it took. May be called twice."""
        try:
            super().close()
        finally:
            taken, self._taken = self._taken, 0
            self._quota.give_back(taken)


def free_space(descriptor: int) -> int:
    """Return the bytes free for us on the disk of an open file; very many where nobody can tell."""
    if not hasattr(os, "fstatvfs"):
        return 1 << 62
    found = os.fstatvfs(descriptor)
    if not found.f_blocks:  # no disk, or one that does not count
        return 1 << 62
    return found.f_bavail * found.f_frsize


def _open_nameless(folder: str) -> int:
    if _TMPFILE:
        try:
            return os.open(folder, _ALONE | _TMPFILE, 0o600)
        except OSError as fault:
            if fault.errno not in _UNKNOWN:
                raise
    path = os.path.join(folder, f"crlf-{token_hex(16)}")
    descriptor = os.open(path, _NEW, 0o600)
    if not _DELETED_ON_CLOSE:
        try:
            os.unlink(path)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _too_large(fault: OSError, size: int) -> Exception:
    """Return TooLarge for a disk that is full, and any other fault as it is."""
    if fault.errno in _FULL:
        return TooLarge("spool", size, 507, "RFC 4918 11.5")
    return fault
