"""Opening: how a name below a folder becomes an open file, with nothing swapped in between.

A file is reached by opening one folder after the other, each from the one before, and what is
then known of it (kind, length, times) is asked of the open file. Its law: what is opened is a
regular file that the names lead to, without a link on the way unless links are wanted; anything
else is an OSError.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from crlf.rules.paths import may_be_named
from crlf.server.files.listing import Entry

WINDOWS: Final = os.name == "nt"

_WALKS: Final = os.open in os.supports_dir_fd
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
# A FIFO would keep a plain open waiting for a writer, and a terminal become ours.
_FILE: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_LISTED: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_STEP: Final = _LISTED | getattr(os, "O_PATH", 0)  # passing through needs no right to read

# What opening says of a name that is none, or not ours to serve. EMLINK is FreeBSD's ELOOP.
_NOTHING: Final = frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG,
        errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENODEV, errno.EINVAL, errno.EILSEQ,
    }
)  # fmt: skip
_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})


def is_nothing(fault: OSError) -> bool:
    """Tell whether a fault says that a name names nothing that is ours to serve."""
    return fault.errno in _NOTHING


def is_shortage(fault: OSError) -> bool:
    """Tell whether a fault says that there are too many open files just now."""
    return fault.errno in _NO_DESCRIPTORS


class Facts(NamedTuple):
    """What tells one state of a file from another; ns since 1970, bytes.

    changed: also moves when the content was written and the modification time put back, and
    when the right to read it was taken away.
    """

    device: int
    number: int
    modified: int
    changed: int
    size: int

    @property
    def seconds(self) -> int:
        """The modification time, in seconds since 1970."""
        return self.modified // 1_000_000_000


def facts_of(found: os.stat_result) -> Facts:
    """Take from what a system says of a file what we go by."""
    return Facts(
        found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
    )  # fmt: skip


class Opened:
    """An open regular file, and what is known of it. Whoever has it last closes it, or takes it.

    Raises IsADirectoryError, or OSError for what is no regular file; the descriptor is closed.
    """

    __slots__ = ("_descriptor", "facts")

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, "a folder")
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.ENXIO, "no regular file")
        except BaseException:
            self.close()
            raise
        self.facts = facts_of(found)

    def read(self) -> tuple[bytes, bool] | None:
        """Read it whole; None when it is shorter by now. What was added is left out.

        Beside the content: whether the file was the same before and after.
        """
        if self._descriptor is None:
            raise ValueError("the file has been closed")
        pieces = []
        left = self.facts.size
        while left > 0 and (piece := os.read(self._descriptor, left)):
            pieces.append(piece)
            left -= len(piece)
        if left:
            return None
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return content, facts_of(os.fstat(self._descriptor)) == self.facts

    def take(self, at: int = 0) -> BinaryIO:
        """Hand over the file, from a position on; it is the caller's to close."""
        if self._descriptor is None:
            raise ValueError("the file has been closed")
        file = os.fdopen(self._descriptor, "rb", buffering=0)  # read by large pieces, or not at all
        self._descriptor = None
        if at:
            file.seek(at)
        return file

    def close(self) -> None:
        """Close the file, unless it was handed over. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Looked(NamedTuple):
    """A file that was found, and what lies beside it under its name and a suffix."""

    file: Opened
    beside: tuple[tuple[str, Facts], ...] = ()


def open_file(path: str | os.PathLike[str]) -> Opened:
    """Open a file that the program has chosen, links followed. Raises OSError."""
    return Opened(os.open(path, _FILE))


class Root:
    """A folder to open files below. Names are judged before they come here (rules/paths.py).

    Raises NotADirectoryError when path is no folder.
    """

    __slots__ = ("follow_symlinks", "path")

    def __init__(self, path: str | os.PathLike[str], *, follow_symlinks: bool = False) -> None:
        self.path = os.path.abspath(path)
        self.follow_symlinks = follow_symlinks
        if not os.path.isdir(self.path):
            raise NotADirectoryError(errno.ENOTDIR, "no folder to serve", os.fspath(path))

    def open(self, names: Sequence[str]) -> Opened:
        """Open the file that names lead to. Raises OSError."""
        return Opened(self._reach(names, _FILE))

    def folder(self, names: Sequence[str]) -> int | str:
        """Open a folder that names lead to; its path, where folders cannot be opened.

        Raises OSError. Whoever gets a descriptor closes it.
        """
        if _WALKS:
            return self._reach(names, _LISTED)
        path = self._own_path(names)
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, "no folder")
        return path

    def look(self, names: Sequence[str], suffixes: Sequence[str] = ()) -> Looked:
        """Open the file that names lead to, and look for regular files with suffixes beside it.

        Raises OSError; what is wrong with one beside it only means that it is not there.
        """
        if not suffixes or not _WALKS or not names:
            file = self.open(names)
            return Looked(file, tuple(self._beside_by_path(names, suffixes)) if names else ())
        nofollow = 0 if self.follow_symlinks else _NOFOLLOW
        folder = self._reach(names[:-1], _STEP)
        try:
            name = names[-1].encode()
            file = Opened(os.open(name, _FILE | nofollow, dir_fd=folder))
            beside = []
            for suffix in suffixes:
                with suppress(OSError):
                    found = os.stat(
                        name + suffix.encode(), dir_fd=folder, follow_symlinks=self.follow_symlinks
                    )
                    if stat.S_ISREG(found.st_mode):
                        beside.append((suffix, facts_of(found)))
            return Looked(file, tuple(beside))
        finally:
            os.close(folder)

    def _beside_by_path(
        self, names: Sequence[str], suffixes: Sequence[str]
    ) -> Iterator[tuple[str, Facts]]:
        for suffix in suffixes:
            with suppress(OSError):
                file = self.open([*names[:-1], names[-1] + suffix])
                file.close()
                yield suffix, file.facts

    def entries(self, names: Sequence[str], most: int, *, hidden: bool = False) -> list[Entry]:
        """List what of a folder would be served, at most so many. Raises OSError."""
        entries = []
        opened = self._reach(names, _LISTED) if _WALKS else None
        try:
            place = self._own_path(names) if opened is None else opened
            with os.scandir(place) as found:
                for item in islice(found, most):
                    with suppress(OSError, UnicodeDecodeError):  # gone by now, or no text
                        entry = self._entry(os.fsencode(item.name), item, hidden)
                        if entry is not None:
                            entries.append(entry)
        finally:
            if opened is not None:
                os.close(opened)
        return entries

    def _entry(self, raw: bytes, item: os.DirEntry[str], hidden: bool) -> Entry | None:
        """Describe a file or folder; None for what would not be served."""
        name = raw.decode("utf-8")
        found = item.stat(follow_symlinks=self.follow_symlinks)
        is_folder = stat.S_ISDIR(found.st_mode)
        if not (is_folder or stat.S_ISREG(found.st_mode)):
            return None
        if not may_be_named(name, hidden=hidden, windows=WINDOWS):
            return None
        return Entry(name, is_folder, found.st_size, found.st_mtime_ns // 1_000_000_000)

    def _reach(self, names: Sequence[str], flags: int) -> int:
        """Open what names lead to, folder by folder. Raises OSError."""
        if not _WALKS:
            path = self._own_path(names)
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, "a folder")
            return os.open(path, flags)
        nofollow = 0 if self.follow_symlinks else _NOFOLLOW
        folder = os.open(self.path, _STEP)
        try:
            # Names are UTF-8 on the wire and bytes on the disk, whatever the locale.
            raw = [name.encode() for name in names] or [b"."]
            for name in raw[:-1]:
                passed, folder = folder, os.open(name, _STEP | nofollow, dir_fd=folder)
                os.close(passed)
            return os.open(raw[-1], flags | nofollow, dir_fd=folder)
        finally:
            os.close(folder)

    def _own_path(self, names: Sequence[str]) -> str:
        """Join the whole path, where a system cannot open step by step (Windows).

        A name that is really another one (a link, a short name, a stripped end) is refused by
        asking what it really is; between that and the opening somebody could swap it.
        """
        path = os.path.join(self.path, *names)
        if not self.follow_symlinks:
            direct = os.path.join(os.path.realpath(self.path), *names)
            if os.path.normcase(os.path.realpath(path)) != os.path.normcase(direct):
                raise OSError(errno.ELOOP, "not its own name")
        return path
