"""A file that is put into a folder: nowhere to be seen until it is whole, then under a free name.

It is written without a name where the system can (O_TMPFILE), so that not even a crash leaves
half of it behind; elsewhere under a hidden name of ours, 0600, which is gone when the file is
closed unplaced. It gets its name by a link, which never replaces anything. Its law: what has a
name is whole, and no two of them get the same one.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import Any, Final

from crlf.message.errors import TooLarge
from crlf.net.partfile import numbered
from crlf.net.spool import KEEP_FREE, free_space

_lock: Any
try:
    import fcntl as _lock
except ImportError:  # Windows: one process serves there
    _lock = None

PREFIX: Final = ".crlf-upload-"  # of names that are ours until a file is whole
_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
# Where a file system does not know O_TMPFILE it says so in one of these ways.
_UNKNOWN: Final = frozenset({errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT})
_LINKS: Final = "/proc/self/fd"  # by which a file without a name is given one
_NAMELESS: Final = getattr(os, "O_TMPFILE", 0) if os.path.isdir(_LINKS) else 0
_SAFE: Final = (
    os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
_NEW: Final = _SAFE | os.O_CREAT | os.O_EXCL


class Landing:
    """An open folder that files are put into, one after the other.

    folder: its descriptor, which is closed with it, or its path where there is no such thing.
    keep_free: bytes of the disk that are left to everyone else.
    """

    def __init__(self, folder: int | str, *, keep_free: int = KEEP_FREE) -> None:
        self.folder = folder
        self.keep_free = keep_free

    def begin(self, room: int | None = None, limit: int = 0) -> Placing:
        """Open a file that has no place yet.

        room: the bytes that it may have, of a quota of `limit`. Raises OSError.
        """
        return Placing(self.folder, self.keep_free, room, limit)

    def look(self, name: str) -> os.stat_result | None:
        """Return what is there under a name, a link itself; None for nothing. Raises OSError."""
        with suppress(FileNotFoundError):
            place, folder = _at(self.folder, name)
            return os.stat(place, dir_fd=folder, follow_symlinks=False)
        return None

    def remove(self, name: str) -> None:
        """Remove a file that was placed here."""
        with suppress(FileNotFoundError):
            place, folder = _at(self.folder, name)
            os.unlink(place, dir_fd=folder)

    def close(self) -> None:
        """Let go of the folder. May be called twice."""
        folder, self.folder = self.folder, ""
        if isinstance(folder, int):
            os.close(folder)


class Placing(io.FileIO):
    """A file that is being put into a folder. Closed before it was placed, it is gone."""

    def __init__(self, folder: int | str, keep_free: int, room: int | None, limit: int) -> None:
        self._name = ""  # ours; "" for none
        self._folder: int | str = ""
        self._keep_free = keep_free
        self._room = room
        self._limit = limit
        descriptor = self._open(folder)
        try:
            super().__init__(descriptor, "r+")
        except BaseException:
            os.close(descriptor)
            raise

    def _open(self, folder: int | str) -> int:
        if _NAMELESS and isinstance(folder, int):
            try:
                # Nobody can reach it yet: the rights that it has are those it is to have.
                return os.open(".", _SAFE | _NAMELESS, 0o666, dir_fd=folder)
            except OSError as fault:
                if fault.errno not in _UNKNOWN:
                    raise
        name = f"{PREFIX}{token_hex(16)}"
        place, at = _at(folder, name)
        descriptor = os.open(place, _NEW, 0o600, dir_fd=at)
        # Of our own, since it may be closed when nobody else has the folder open.
        self._folder = os.dup(folder) if isinstance(folder, int) else folder
        self._name = name
        return descriptor

    def write(self, data: object, /) -> int:
        """Write all of it. Raises TooLarge (507) when there is no room, OSError."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # a buffer, says io
        if self._room is not None:
            if len(view) > self._room:
                raise TooLarge("upload_quota", self._limit, 507, "RFC 4918 11.5")
            self._room -= len(view)
        done = 0
        try:
            if free_space(self.fileno()) < self._keep_free + len(view):
                raise TooLarge("free_space", self.tell(), 507, "RFC 4918 11.5")
            while done < len(view):  # a disk that is about to be full takes less than it was given
                done += super().write(view[done:]) or 0
        except OSError as fault:
            if fault.errno in _FULL:
                raise TooLarge("free_space", self.tell(), 507, "RFC 4918 11.5") from None
            raise
        return done

    def place(self, folder: int | str, name: str) -> None:
        """Give it a name that nothing has. Raises FileExistsError, OSError."""
        self._allow()
        if not self._name:
            self._link(folder, name)
            return
        place, at = _at(folder, name)
        source, own = _at(self._folder, self._name)
        try:
            os.link(source, place, src_dir_fd=own, dst_dir_fd=at, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            # No links here. A file that appears between these two calls would be replaced.
            if os.path.lexists(place) if at is None else _is_there(place, at):
                raise FileExistsError(errno.EEXIST, "already there", name) from None
            os.rename(source, place, src_dir_fd=own, dst_dir_fd=at)
            self._name = ""

    def place_free(self, folder: int | str, name: str) -> str:
        """Give it a name, or one like it that is free, as in "photo (1).jpg"; return it."""
        for each in numbered(name):
            with suppress(FileExistsError):
                self.place(folder, each)
                return each
        raise FileExistsError(errno.EEXIST, "already there, and all like it", name)

    def replace(self, folder: int | str, name: str) -> None:
        """Give it a name, whoever has it. Raises OSError."""
        self._allow()
        if not self._name:
            ours = f"{PREFIX}{token_hex(16)}"
            self._link(folder, ours)
            self._folder = os.dup(folder) if isinstance(folder, int) else folder
            self._name = ours
        source, own = _at(self._folder, self._name)
        place, at = _at(folder, name)
        os.replace(source, place, src_dir_fd=own, dst_dir_fd=at)
        self._name = ""

    def facts(self) -> os.stat_result:
        """Return what the system knows of it."""
        return os.fstat(self.fileno())

    def close(self) -> None:
        """Close it; the name that is ours is gone then. May be called twice."""
        try:
            super().close()
        finally:
            name, self._name = self._name, ""
            folder, self._folder = self._folder, ""
            if name:
                with suppress(OSError):
                    place, at = _at(folder, name)
                    os.unlink(place, dir_fd=at)
            if isinstance(folder, int):
                os.close(folder)

    def _allow(self) -> None:
        """Give it the rights that the process gives new files."""
        if self._name and hasattr(os, "fchmod"):
            os.fchmod(self.fileno(), 0o666 & ~_umask())

    def _link(self, folder: int | str, name: str) -> None:
        place, at = _at(folder, name)
        source = os.fsencode(f"{_LINKS}/{self.fileno()}")
        os.link(source, place, dst_dir_fd=at, follow_symlinks=True)


@contextmanager
def alone(folder: int | str) -> Iterator[None]:
    """Be the only one of all processes that is here, for a moment. Blocks. Raises OSError."""
    if _lock is None or not isinstance(folder, int):
        yield
        return
    _lock.flock(folder, _lock.LOCK_EX)
    try:
        yield
    finally:
        _lock.flock(folder, _lock.LOCK_UN)


def usage(path: str) -> tuple[int, int]:
    """Count the files below a folder and their bytes, links themselves and what is not whole out.

    It takes as long as there are files: a second for some 300,000.
    """
    files = size = 0
    left = [path]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as found:  # gone by now, or not ours
            for item in found:
                with suppress(OSError):
                    if item.is_dir(follow_symlinks=False):
                        left.append(item.path)
                    elif item.is_file(follow_symlinks=False) and not item.name.startswith(PREFIX):
                        files += 1
                        size += item.stat(follow_symlinks=False).st_size
    return files, size


def _at(folder: int | str, name: str) -> tuple[bytes | str, int | None]:
    """Say where a name of a folder is: what os takes as a path, and as dir_fd.

    Names are UTF-8 on the wire and bytes on the disk, whatever the locale.
    """
    if isinstance(folder, int):
        return name.encode(), folder
    return os.path.join(folder, name), None


def _is_there(place: bytes | str, folder: int) -> bool:
    try:
        os.stat(place, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _umask() -> int:
    """Ask what new files may not be; for a moment no more is allowed than nothing to others."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def is_plain(found: os.stat_result) -> bool:
    """Tell whether what was found is a regular file."""
    return stat.S_ISREG(found.st_mode)
