"""The index: what a list and a search need to know of each letter, in one SQLite file a user.

Letters are the truth and stand in a Maildir; this can be deleted at any time and comes back by
itself. A user has an index of their own, so no query can forget to say whose letters it means.
Its law: values reach SQL as parameters, and a search becomes quoted words, never syntax.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from examples.webmail.letters import Letter
from examples.webmail.maildir import Kept

PAGE: Final = 25  # letters on one page of a list
MOST_WORDS: Final = 8  # of a search
_WORD = re.compile(r"\w{1,64}")
_MARKED = re.compile("\x02([^\x02\x03]*)\x03")
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS letters (
    id TEXT PRIMARY KEY, unique_name TEXT UNIQUE, folder TEXT, flags TEXT, moment INTEGER,
    sender TEXT, address TEXT, recipients TEXT, subject TEXT, start TEXT, size INTEGER,
    files INTEGER
);
CREATE INDEX IF NOT EXISTS by_moment ON letters (folder, moment DESC, id);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    id UNINDEXED, subject, people, text, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE IF NOT EXISTS looked (folder TEXT PRIMARY KEY, changed INTEGER);
"""
_SHOWN: Final = (
    "letters.id, unique_name, folder, flags, moment, sender, address, recipients, letters.subject, "
    "start, size, files"
)


class Row(NamedTuple):
    """A letter in a list. moment: seconds since 1970. start: the first words of its text."""

    id: str
    unique: str
    folder: str
    flags: str
    moment: int
    sender: str
    address: str
    recipients: str
    subject: str
    start: str
    size: int
    files: int
    found: str = ""  # the words around what was searched for, which stands between \2 and \3

    @property
    def is_read(self) -> bool:
        return "S" in self.flags

    @property
    def is_starred(self) -> bool:
        return "F" in self.flags

    @property
    def is_answered(self) -> bool:
        return "R" in self.flags

    @property
    def excerpt(self) -> list[tuple[str, bool]]:
        """The words around what was found, each piece with whether it is what was found."""
        pieces = _MARKED.split(self.found)
        return [(piece, number % 2 == 1) for number, piece in enumerate(pieces) if piece]


class Page(NamedTuple):
    """One page of a list. number, of: counted from 1."""

    rows: Sequence[Row]
    number: int
    of: int
    total: int

    @property
    def first(self) -> int:
        return (self.number - 1) * PAGE + 1


def id_of(unique: str) -> str:
    """Name a letter for addresses: the same after every rebuild, and no name of a file."""
    return hashlib.sha256(unique.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Index:
    """The index of one user. Each method opens the file, does one thing and closes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as database:
            database.executescript(SCHEMA)

    # -- looking

    def page(self, folder: str, number: int) -> Page:
        """List a folder, the newest first; "starred" is what has a star, wherever it is."""
        where, values = "folder = ?", [folder]
        if folder == "starred":
            where, values = "flags LIKE '%F%' AND folder != 'bin'", []
        return self._page(f"FROM letters WHERE {where}", "''", values, number)

    def search(self, text: str, number: int) -> Page:
        """Find letters that have all words of a text, as beginnings of words; not in the bin."""
        words = _WORD.findall(text)[:MOST_WORDS]
        if not words:
            return Page((), 1, 1, 0)
        asked = " ".join(f'"{word}"*' for word in words)
        where = "FROM words JOIN letters USING (id) WHERE words MATCH ? AND folder != 'bin'"
        found = "snippet(words, 3, char(2), char(3), '…', 14)"
        return self._page(where, found, [asked], number)

    def _page(self, where: str, found: str, values: list[Any], number: int) -> Page:
        with self._opened() as database:
            total = database.execute(f"SELECT count(*) {where}", values).fetchone()[0]
            of = max(1, -(-total // PAGE))
            number = min(max(number, 1), of)
            query = f"SELECT {_SHOWN}, {found} {where} ORDER BY moment DESC, letters.id"
            place = [*values, PAGE, (number - 1) * PAGE]
            rows = database.execute(f"{query} LIMIT ? OFFSET ?", place).fetchall()
        return Page([Row(*row) for row in rows], number, of, total)

    def row(self, id: str) -> Row | None:
        with self._opened() as database:
            query = f"SELECT {_SHOWN}, '' FROM letters WHERE id = ?"
            found = database.execute(query, [id]).fetchone()
        return None if found is None else Row(*found)

    def ids(self, folder: str) -> list[str]:
        """List all of a folder, the newest first."""
        query = "SELECT id FROM letters WHERE folder = ? ORDER BY moment DESC, id"
        with self._opened() as database:
            return [id for (id,) in database.execute(query, [folder])]

    def counts(self) -> dict[str, int]:
        """Count what is unread, by folder; of drafts, all."""
        query = (
            "SELECT folder, count(*) FROM letters WHERE folder = 'drafts' OR flags NOT LIKE '%S%'"
        )
        with self._opened() as database:
            return dict(database.execute(f"{query} GROUP BY folder").fetchall())

    # -- being told

    def looked(self) -> dict[str, int]:
        """Say when each folder had changed last, when it was looked at."""
        with self._opened() as database:
            return dict(database.execute("SELECT folder, changed FROM looked").fetchall())

    def known(self) -> dict[str, tuple[str, str]]:
        """Folder and flags of each letter, by its unique name."""
        with self._opened() as database:
            rows = database.execute("SELECT unique_name, folder, flags FROM letters")
            return {unique: (folder, flags) for unique, folder, flags in rows}

    def update(
        self,
        new: Iterable[tuple[str, Kept, Letter, int, int]],
        moved: Iterable[tuple[str, Kept]],
        gone: Iterable[str],
        changed: dict[str, int],
    ) -> None:
        """Take in what is new (folder, where, what, moment, size), moved and gone."""
        with self._opened() as database:
            for unique in gone:
                database.execute("DELETE FROM words WHERE id = ?", [id_of(unique)])
                database.execute("DELETE FROM letters WHERE id = ?", [id_of(unique)])
            for folder, kept in moved:
                query = "UPDATE letters SET folder = ?, flags = ? WHERE id = ?"
                database.execute(query, [folder, kept.flags, id_of(kept.unique)])
            for folder, kept, letter, moment, size in new:
                self._add(database, folder, kept, letter, moment, size)
            database.executemany("REPLACE INTO looked VALUES (?, ?)", list(changed.items()))

    def _add(
        self, database: sqlite3.Connection, folder: str, kept: Kept, letter: Letter,
        moment: int, size: int,
    ) -> None:  # fmt: skip
        id, words = id_of(kept.unique), letter.words
        addressed = (*letter.to, *letter.cc)
        shown = ", ".join(str(person) for person in addressed[:5])
        if len(addressed) > 5:
            shown += f" and {len(addressed) - 5} more"
        row = (
            id, kept.unique, folder, kept.flags, moment, str(letter.sender),
            letter.sender.address, shown, letter.subject, " ".join(words[:400].split())[:200], size,
            len(letter.attachments),
        )  # fmt: skip
        people = " ".join(f"{p.name} {p.address}" for p in (letter.sender, *addressed[:50]))
        cursor = database.execute(
            f"INSERT OR IGNORE INTO letters VALUES ({', '.join('?' * len(row))})", row
        )
        if cursor.rowcount == 1:
            found = (id, letter.subject, people, words[:100_000])
            database.execute("INSERT INTO words VALUES (?, ?, ?, ?)", found)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            with database:  # commits, or takes all of it back
                yield database
