"""A file that content is saved to as it comes: under its name when it is whole, or not at all.

It is written without a name in the folder that it is for (placing.py), and its digest is made on
the way. Its law: what ends early leaves nothing, and what is left of the disk is never all taken.
All of it blocks, and belongs to one thread at a time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from crlf.net.placing import Landing, Placing

_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_HAS_FOLDERS: Final = os.open in os.supports_dir_fd


class Saving:
    """One file on its way to a path. size: bytes so far. sha256: of them, in hexadecimal.

    exclusive: replace nothing. Raises FileExistsError, OSError.
    """

    def __init__(self, path: str | os.PathLike[str], exclusive: bool = False) -> None:
        folder, self._name = os.path.split(os.fspath(path))
        self._exclusive = exclusive
        if exclusive and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "already there", os.fspath(path))
        place = folder or os.curdir
        self._landing = Landing(os.open(place, _FOLDER) if _HAS_FOLDERS else place)
        self._placing: Placing | None = None
        self._digest = sha256()
        self.size = 0
        try:
            self._placing = self._landing.begin()
        except BaseException:
            self._landing.close()
            raise

    def write(self, pieces: Iterable[bytes | bytearray]) -> None:
        """Add some content. Raises TooLarge (507) when the disk has no room, OSError."""
        placing = self._open()
        for piece in pieces:
            placing.write(piece)

    def digest(self, pieces: Iterable[bytes | bytearray]) -> None:
        """Count and digest the same content; another thread may do it."""
        for piece in pieces:
            self._digest.update(piece)
            self.size += len(piece)

    def keep(self) -> None:
        """Give the file its name: all of it is there. Raises FileExistsError, OSError."""
        placing = self._open()
        if self._exclusive:
            placing.place(self._landing.folder, self._name)
        else:
            placing.replace(self._landing.folder, self._name)

    @property
    def sha256(self) -> str:
        """The digest of what has been written."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let go; a file that was not kept is gone. May be called twice."""
        if self._placing is not None:
            self._placing.close()
        self._landing.close()

    def _open(self) -> Placing:
        if self._placing is None:
            raise RuntimeError("it was never opened")
        return self._placing
