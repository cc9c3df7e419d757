"""Mailboxes: the letters of one user, found by the index and read from the Maildir.

Whatever changes, changes on the disk; the index then looks what became different, which is the
same work whether this program did it or another one that delivers mail. Its law: a visitor says
an id, the index says which letter that is, and the Maildir where it lies.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple

from examples.webmail.index import Index, Page, Row, id_of
from examples.webmail.letters import Attachment, Letter, read_letter
from examples.webmail.maildir import FOLDERS, MARK, Kept, folders_in

_SAME_TICK: Final = 2_000_000_000  # nanoseconds in which a folder may change unnoticed (FAT: 2 s)


class Found(NamedTuple):
    """A letter that somebody asked for."""

    row: Row
    content: bytes
    letter: Letter


class Mailbox:
    """The letters of one user, in a folder of their own."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folders = folders_in(path / "Maildir")
        self._index = Index(path / "index.sqlite")
        self._files = path / "files"  # attachments that were downloaded, so that ranges work
        self._lock = threading.Lock()

    # -- looking

    def page(self, folder: str, number: int = 1) -> Page:
        """List one page of a folder, or of "starred"."""
        self._look()
        return self._index.page(folder, number)

    def search(self, text: str, number: int = 1) -> Page:
        self._look()
        return self._index.search(text, number)

    def counts(self) -> dict[str, int]:
        return self._index.counts()

    def find(self, id: str) -> Found | None:
        """Read a letter; None when there is none of this id."""
        content = self.content(id)
        row = self._index.row(id)
        return None if content is None or row is None else Found(row, content, read_letter(content))

    def content(self, id: str) -> bytes | None:
        """Read a letter as it came; None when there is none of this id."""
        for _ in range(2):  # the second time for a letter that another program has moved
            kept = self._kept(id)
            if kept is not None:
                with suppress(FileNotFoundError):
                    return kept.path.read_bytes()
            self._look(whatever=True)
        return None

    def all(self, folder: str) -> Iterator[bytes]:
        """Read every letter of a folder, one at a time."""
        self._look()
        for id in self._index.ids(folder):
            content = self.content(id)
            if content is not None:
                yield content

    def file(self, id: str, attachment: Attachment) -> Path:
        """Have an attachment as a file of its own, so that a download can go on where it broke."""
        self._files.mkdir(mode=0o700, exist_ok=True)
        path = self._files / f"{id_of(id)}-{attachment.number}"
        if not path.is_file():
            part = path.with_name(f".{token_hex(8)}.part")
            part.write_bytes(attachment.content)
            part.replace(path)
        return path

    # -- changing

    def add(self, folder: str, content: bytes, flags: str = "") -> str:
        """Keep a letter and return its id."""
        kept = self._folders[folder].add(content, flags)
        self._look()
        return id_of(kept.unique)

    def add_later(self, folder: str, content: bytes, flags: str = "") -> None:
        """Keep a letter that the index learns of when somebody looks: for many at once."""
        self._folders[folder].add(content, flags)

    def flag(self, id: str, flag: str, is_set: bool = True) -> None:
        """Set a flag of a letter, or take it away."""
        kept, row = self._kept(id), self._index.row(id)
        if kept is None or row is None:
            return
        flags = kept.flags.replace(flag, "") + (flag if is_set else "")
        if sorted(flags) != sorted(kept.flags):
            with suppress(FileNotFoundError):
                self._folders[row.folder].flagged(kept, flags)
            self._look(whatever=True)

    def move(self, id: str, folder: str) -> None:
        """Put a letter into another folder."""
        kept = self._kept(id)
        if kept is not None:
            with suppress(FileNotFoundError):
                self._folders[folder].take(kept)
            self._look(whatever=True)

    def drop(self, *ids: str) -> None:
        """Delete letters, and what was taken out of them."""
        for id in ids:
            kept = self._kept(id)
            if kept is not None:
                kept.path.unlink(missing_ok=True)
                for path in self._files.glob(f"{id_of(id)}-*"):
                    path.unlink(missing_ok=True)
        self._look(whatever=True)

    def empty_bin(self) -> int:
        """Delete what is in the bin, and return how much that was."""
        self._look()
        ids = self._index.ids("bin")
        self.drop(*ids)
        return len(ids)

    # -- the disk and the index

    def _kept(self, id: str) -> Kept | None:
        row = self._index.row(id)
        if row is None:
            return None
        maildir = self._folders[row.folder].path
        named = maildir / "cur" / f"{row.unique}{MARK}{row.flags}"
        path = named if row.flags or named.exists() else maildir / "new" / row.unique
        return Kept(row.unique, row.flags, path)

    def _look(self, whatever: bool = False) -> None:
        """Bring the index up to what is on the disk, if anything may have changed there."""
        with self._lock:
            looked = self._index.looked()
            before = time.time_ns()
            changed = {name: self._folders[name].changed() for name in FOLDERS}
            if changed == looked and not whatever:
                return
            known = self._index.known()
            here = {
                kept.unique: (name, kept)
                for name in FOLDERS
                for kept in self._folders[name].letters()
            }
            new = ((name, kept) for unique, (name, kept) in here.items() if unique not in known)
            moved = [
                (name, kept)
                for unique, (name, kept) in here.items()
                if unique in known and known[unique] != (name, kept.flags)
            ]
            gone = [unique for unique in known if unique not in here]
            # A folder that has just changed may change again within the same tick of its clock.
            settled = {
                name: moment if before - moment > _SAME_TICK else 0
                for name, moment in changed.items()
            }
            self._index.update(_read_all(new), moved, gone, settled)


def _read_all(
    new: Iterator[tuple[str, Kept]],
) -> Iterator[tuple[str, Kept, Letter, int, int]]:
    for folder, kept in new:
        try:
            content = kept.path.read_bytes()
            arrived = int(os.stat(kept.path).st_mtime)
        except FileNotFoundError:
            continue  # moved a moment ago; it will be found where it is
        letter = read_letter(content)
        said = int(letter.date.timestamp()) if letter.date is not None else arrived
        # A letter from next year would stand on top until then.
        yield folder, kept, letter, min(said, arrived + 86400), len(content)
