"""A Maildir: letters as files, one each, written so that nobody ever sees half of one.

A letter is written to tmp/, and its name in new/ or cur/ is given when all of it is there; what
is known of it (seen, starred, answered) stands in its name after ":2,", so a flag is a rename.
Folders are Maildirs of their own inside, as Dovecot and mutt have them. Python's `mailbox` reads
the same format, but rewrites a whole letter to set a flag. Its law: a name on the disk is made
here or was found here; none ever comes from a visitor.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple

FOLDERS: Final = ("inbox", "drafts", "sent", "archive", "bin")
SEEN, STARRED, ANSWERED, DRAFT, PASSED = "S", "F", "R", "D", "P"  # the letters that all agree on
MARK: Final = ":2," if sys.platform != "win32" else ";2,"  # a colon is no name on Windows
_FLAGS: Final = re.compile(r"[A-Z]{0,16}")
_count: Final = count()


class Kept(NamedTuple):
    """A letter on the disk. unique: its name without flags, which it keeps wherever it goes."""

    unique: str
    flags: str
    path: Path

    def has(self, flag: str) -> bool:
        return flag in self.flags


class Maildir:
    """One folder of letters, and its three subfolders."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, letter: bytes, flags: str = "") -> Kept:
        """Keep a letter, whole or not at all. Without flags it is new."""
        unique = f"{time.time():.6f}.{os.getpid()}_{next(_count)}.{token_hex(6)}"
        part = self.path / "tmp" / unique
        try:
            with part.open("xb") as file:
                file.write(letter)
                file.flush()
                os.fsync(file.fileno())
            kept = Kept(unique, flags, self._path(unique, flags))
            part.rename(kept.path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return kept

    def flagged(self, kept: Kept, flags: str) -> Kept:
        """Have a letter with these flags and no others."""
        return self._renamed(kept, flags)

    def take(self, kept: Kept) -> Kept:
        """Move a letter from another folder of the same disk to this one."""
        return self._renamed(kept, kept.flags)

    def _renamed(self, kept: Kept, flags: str) -> Kept:
        flags = "".join(sorted(set(flags)))
        moved = kept._replace(flags=flags, path=self._path(kept.unique, flags))
        if moved.path != kept.path:
            kept.path.rename(moved.path)
        return moved

    def letters(self) -> Iterator[Kept]:
        """List what is here, in no order."""
        for name in ("new", "cur"):
            with os.scandir(self.path / name) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                        continue
                    unique, _, flags = entry.name.partition(MARK)
                    if _FLAGS.fullmatch(flags) and unique:
                        yield Kept(unique, flags, Path(entry.path))

    def changed(self) -> int:
        """Say when something was added, moved or flagged last, in nanoseconds."""
        return max((self.path / name).stat().st_mtime_ns for name in ("new", "cur"))

    def _path(self, unique: str, flags: str) -> Path:
        return self.path / "cur" / f"{unique}{MARK}{flags}" if flags else self.path / "new" / unique


def folders_in(path: Path) -> dict[str, Maildir]:
    """Open the folders of one user: the inbox is the Maildir itself, the others are inside."""
    return {name: Maildir(path if name == "inbox" else path / f".{name}") for name in FOLDERS}
