"""Files that are not there until they are whole: `name.part`, its note, and the name at the end.

Beside the unfinished file lies `name.part.json`, the note by which a later call goes on with
it. Both are opened as what they have to be, files of our own and no links, because a folder for
downloads is often one that others write to. Its law: nothing is ever under the final name but
the whole file, and what was under it before is replaced only when that was asked for.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Final

_lock: Any
try:
    import fcntl as _lock
except ImportError:  # Windows, where an open file cannot be replaced or removed anyway
    _lock = None

MAX_NOTE: Final = 64 * 1024  # bytes read of a note; ours are far below
MOST_NUMBERED: Final = 9999  # name (1) to name (9999)
_PIECE: Final = 256 * 1024
_PATIENCE: Final = 0.5  # seconds that another download may take to let go
_SAFE: Final = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or a FIFO of that name would keep us waiting
)
_NEW: Final = _SAFE | os.O_CREAT | os.O_EXCL


class Destination:
    """Where a download goes.

    path: of a file, or a folder that is there. overwrite: replace a file of that name.
    numbered: take a free name instead, as in "page (1).html". sync: have everything on the disk
    before the file gets its name.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        numbered: bool = False,
        sync: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self.is_folder = os.path.isdir(self.path)
        if not self.is_folder and not os.path.basename(self.path):
            raise FileNotFoundError(errno.ENOENT, "no such folder", self.path)
        self.overwrite = overwrite
        self.numbered = numbered and not overwrite
        self.sync = sync

    def part(self, name: str) -> PartFile:
        """Return the unfinished file; in a folder, that of a file of this name.

        The name has to be safe. Raises FileExistsError.
        """
        path = os.path.join(self.path, name) if self.is_folder else self.path
        return PartFile(path, self)

    def free_names(self, path: str) -> Iterator[str]:
        """List the names that the file may get, the best first."""
        return numbered(path) if self.numbered else iter((path,))

    def choose(self, path: str) -> str:
        """Choose the first of its names that is free. Raises FileExistsError."""
        if self.overwrite:
            with suppress(FileNotFoundError):
                mode = os.lstat(path).st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
                    raise FileExistsError(errno.EEXIST, "there, and no file", path)
            return path
        for name in self.free_names(path):
            if not os.path.lexists(name):
                return name
        raise FileExistsError(errno.EEXIST, "already there; overwrite=True replaces it", path)


class PartFile:
    """An unfinished file and its note. It belongs to one download at a time."""

    def __init__(self, path: str, destination: Destination) -> None:
        self._wanted = path
        self._destination = destination
        self._path = destination.choose(path)
        self._part = f"{self._path}.part"
        self._note = f"{self._part}.json"
        self._file = -1  # its descriptor

    def look(self) -> tuple[bytes, int] | None:
        """Return the note and the size of what an earlier call left; None when there is none.

        Raises BlockingIOError when another download is at it.
        """
        if self._file < 0 and not self._open():
            return None
        note = _read_note(self._note)
        return None if note is None else (note, os.lseek(self._file, 0, os.SEEK_END))

    def begin(self, note: bytes | None) -> None:
        """Empty the file, made if it has to be, and keep a new note, or none, beside it."""
        if self._file < 0 and not self._open():
            with suppress(FileNotFoundError):
                os.unlink(self._part)  # a link, or somebody else's
            self._file = os.open(self._part, _NEW | os.O_RDWR, 0o666)
            self._lock()
        # In this order nothing is ever beside a note that is not its own.
        with suppress(FileNotFoundError):
            os.unlink(self._note)
        # ext4 writes a file out at its close once it was cut to nothing, even when it was that.
        if os.fstat(self._file).st_size:
            os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        if note is not None:
            self._write_note(note)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Add pieces at the end. Raises OSError when the disk is full; what fits is written."""
        if len(pieces) > 1 and hasattr(os, "writev"):
            size = sum([len(piece) for piece in pieces])
            done = os.writev(self._file, pieces)
            if done == size:
                return
            pieces = [b"".join(pieces)[done:]]
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[os.write(self._file, left) :]

    def feed(self, update: Callable[[bytes], object]) -> None:
        """Hand over everything that is in the file, from the start."""
        os.lseek(self._file, 0, os.SEEK_SET)
        while piece := os.read(self._file, _PIECE):
            update(piece)

    def finish(self) -> str:
        """Give the file its name, remove the note, and return the name.

        Raises FileExistsError when somebody has taken the name since; the part stays.
        """
        if self._destination.sync:
            os.fsync(self._file)
        if _lock is None:
            self.close()
        name = self._name_it()
        with suppress(FileNotFoundError):
            os.unlink(self._note)
        if self._destination.sync:
            _sync_folder(os.path.dirname(name) or ".")
        self.close()
        return name

    def _name_it(self) -> str:
        if self._destination.overwrite:
            os.replace(self._part, self._path)
            return self._path
        for name in self._destination.free_names(self._wanted):
            with suppress(FileExistsError):
                _rename_new(self._part, name)
                return name
        raise FileExistsError(errno.EEXIST, "there since the download began", self._path)

    def discard(self) -> None:
        """Remove file and note, if they are ours; nothing is left."""
        if self._file < 0:
            return
        for path in (self._note, self._part):
            with suppress(FileNotFoundError):
                os.unlink(path)
        self.close()

    def close(self) -> None:
        """Let go of the file; it stays. May be called twice."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _open(self) -> bool:
        """Open what is there under our name; tell whether it is a file that we may go on with."""
        while True:
            try:
                descriptor = os.open(self._part, _SAFE | os.O_RDWR)
            except FileNotFoundError:
                return False
            except OSError as fault:
                if fault.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EACCES):
                    return False
                raise
            if not _is_ours(descriptor):
                os.close(descriptor)
                return False
            self._file = descriptor
            self._lock()
            # Whoever had it before us may have given it its final name just now.
            if _is_still(descriptor, self._part):
                return True
            self.close()

    def _lock(self) -> None:
        """Take the file for ourselves. Raises BlockingIOError when it is taken, and stays so.

        A download that was cancelled lets go of it when its thread has written the last piece.
        """
        give_up = monotonic() + _PATIENCE
        while _lock is not None:
            try:
                _lock.flock(self._file, _lock.LOCK_EX | _lock.LOCK_NB)
                return
            except BlockingIOError:
                if monotonic() > give_up:
                    self.close()
                    what = "another download is writing this file"
                    raise BlockingIOError(errno.EAGAIN, what, self._part) from None
                sleep(0.01)
            except OSError:
                return  # a file system without locks

    def _write_note(self, note: bytes) -> None:
        """Write the note beside, and put it in its place whole. Nobody else is to read it."""
        fresh = f"{self._note}.new"
        with suppress(FileNotFoundError):
            os.unlink(fresh)
        descriptor = os.open(fresh, _NEW | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, note)
        finally:
            os.close(descriptor)
        os.replace(fresh, self._note)


def numbered(path: str) -> Iterator[str]:
    """Yield a name, then others like it, as in "page (1).html"."""
    yield path
    stem, suffix = os.path.splitext(path)
    if stem.endswith(".tar"):
        stem, suffix = stem.removesuffix(".tar"), f".tar{suffix}"
    for number in range(1, MOST_NUMBERED + 1):
        yield f"{stem} ({number}){suffix}"


def _is_ours(descriptor: int) -> bool:
    """Tell whether an open file is a plain one, ours, and known by this name alone."""
    found = os.fstat(descriptor)
    is_mine = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return stat.S_ISREG(found.st_mode) and is_mine and found.st_nlink == 1


def _is_still(descriptor: int, path: str) -> bool:
    """Tell whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _read_note(path: str) -> bytes | None:
    """Read a note; None when there is none, or it is not of our making."""
    try:
        descriptor = os.open(path, _SAFE | os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(descriptor, MAX_NOTE) if _is_ours(descriptor) else None
    finally:
        os.close(descriptor)


def _rename_new(source: str, target: str) -> None:
    """Rename a file to a name that is free. Raises FileExistsError when it is not.

    By a second link, since a rename replaces what is there; where there are no links, the name
    is looked at first, and a file that appears in the same instant would be replaced.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "already there", target) from None
        os.rename(source, target)
        return
    os.unlink(source)


def _sync_folder(path: str) -> None:
    """Have a name on the disk too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
