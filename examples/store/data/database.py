"""The store's memory: one SQLite file, which any thread of any process may use at any time.

Each look opens a connection, does one thing and closes it. Readers go on reading while somebody
writes (write-ahead log), and writers take turns: `writing` begins with BEGIN IMMEDIATE, so what
it reads cannot change before it writes. Its law: values reach SQL as parameters, never as text.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from examples.store.data.parts import PARTS, ZONES

SCHEMA: Final = """
CREATE TABLE parts (
    number INTEGER PRIMARY KEY, name TEXT, family TEXT, size TEXT, price INTEGER, weight INTEGER,
    drawing INTEGER, stock INTEGER NOT NULL CHECK (stock >= 0), text TEXT
);
CREATE TABLE zones (
    id INTEGER PRIMARY KEY, first TEXT, last TEXT, name TEXT, base INTEGER, per_kilo INTEGER,
    days INTEGER
);
CREATE TABLE members (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT, password TEXT,
    made TEXT DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE attempts (id INTEGER PRIMARY KEY, who TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX attempts_who ON attempts (who, at);
CREATE TABLE orders (
    code TEXT PRIMARY KEY, ticket TEXT NOT NULL UNIQUE, member INTEGER REFERENCES members,
    name TEXT, address TEXT, zip TEXT, note TEXT, shipping INTEGER,
    made TEXT DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX orders_member ON orders (member);
CREATE TABLE order_lines (
    code TEXT REFERENCES orders, number INTEGER REFERENCES parts, quantity INTEGER, price INTEGER,
    PRIMARY KEY (code, number)
);
CREATE TABLE projects (
    id INTEGER PRIMARY KEY, photo TEXT UNIQUE, caption TEXT, maker TEXT,
    member INTEGER REFERENCES members, filename TEXT, size INTEGER, sha256 TEXT,
    made TEXT DEFAULT CURRENT_TIMESTAMP
);
PRAGMA user_version = 2;
"""
PATIENCE: Final = 10.0  # seconds to wait for another writer


class Database:
    """One SQLite file, which is made and filled when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_ready = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file for a look."""
        if not self._is_ready:
            self._make()
        with closing(self._connect()) as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one change: all of it is done, or nothing where an error is raised."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            with db:
                yield db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
        db.execute("PRAGMA foreign_keys = ON")
        return db

    def _make(self) -> None:
        """Make the tables and fill them, unless somebody has; two starts at once are one."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(self._connect()) as db:
            _use_wal(db)
            db.execute("BEGIN IMMEDIATE")
            with db:
                if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                    for statement in SCHEMA.split(";"):
                        db.execute(statement)
                    db.executemany(f"INSERT INTO parts VALUES ({_slots(PARTS[0])})", PARTS)
                    db.executemany(f"INSERT INTO zones VALUES (NULL, {_slots(ZONES[0])})", ZONES)
        self._is_ready = True


def _slots(row: tuple[object, ...]) -> str:
    return ", ".join("?" * len(row))


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite does not wait here for another that does the same."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return
