"""The store's memory: parts, shipping zones, orders and projects, in one SQLite file.

Each method opens a connection, does one thing and closes it, so any thread may call any of them
at any time; SQLite's write-ahead log lets readers read while somebody writes. Its law: values
reach SQL as parameters, never as text.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple

from examples.store.parts import PARTS, ZONES, Part, Zone

SCHEMA: Final = """
CREATE TABLE parts (
    number INTEGER PRIMARY KEY, name TEXT, family TEXT, size TEXT, price INTEGER, weight INTEGER,
    text TEXT
);
CREATE TABLE zones (
    id INTEGER PRIMARY KEY, first TEXT, last TEXT, name TEXT, base INTEGER, per_kilo INTEGER,
    days INTEGER
);
CREATE TABLE orders (
    code TEXT PRIMARY KEY, name TEXT, address TEXT, zip TEXT, note TEXT, shipping INTEGER,
    made TEXT DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE order_lines (
    code TEXT REFERENCES orders, number INTEGER REFERENCES parts, quantity INTEGER, price INTEGER,
    PRIMARY KEY (code, number)
);
CREATE TABLE projects (
    id INTEGER PRIMARY KEY, photo TEXT UNIQUE, caption TEXT, maker TEXT, filename TEXT,
    size INTEGER, sha256 TEXT, made TEXT DEFAULT CURRENT_TIMESTAMP
);
PRAGMA user_version = 1;
"""
PATIENCE: Final = 10.0  # seconds to wait for another writer
MOST_PROJECTS: Final = 60  # photos that are kept; then the oldest goes


class Line(NamedTuple):
    """So many of one part, at a price each in cents."""

    part: Part
    quantity: int
    price: int

    @property
    def sum(self) -> int:
        """What the line costs, in cents."""
        return self.quantity * self.price


class Order(NamedTuple):
    """What was ordered, and where it goes. shipping: in cents. made: date and time, UTC."""

    code: str
    name: str
    address: str
    zip: str
    note: str
    shipping: int
    made: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        """What all of it costs, in cents."""
        return sum(line.sum for line in self.lines) + self.shipping


class Project(NamedTuple):
    """A photo that a customer sent. photo: our name for it. filename: theirs, made safe."""

    photo: str
    caption: str
    maker: str
    filename: str
    size: int
    sha256: str


class Database:
    """One SQLite file, which is made and filled when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_ready = False

    def parts(self) -> list[Part]:
        """List the catalogue, by number."""
        with self._open() as db:
            return [Part(*row) for row in db.execute("SELECT * FROM parts ORDER BY number")]

    def part(self, number: int) -> Part | None:
        """Find a part by its number."""
        with self._open() as db:
            row = db.execute("SELECT * FROM parts WHERE number = ?", (number,)).fetchone()
        return None if row is None else Part(*row)

    def lines(self, quantities: Mapping[int, int]) -> tuple[Line, ...]:
        """Price what is in a cart, by part number; what is not sold any more is left out."""
        found = ((self.part(number), quantity) for number, quantity in sorted(quantities.items()))
        return tuple(Line(part, quantity, part.price) for part, quantity in found if part)

    def zone(self, zip_code: str) -> Zone | None:
        """Find the zone of a zip code, of which the first three digits count."""
        with self._open() as db:
            row = db.execute(
                "SELECT first, last, name, base, per_kilo, days FROM zones"
                " WHERE ? BETWEEN first AND last ORDER BY id LIMIT 1",
                (zip_code[:3],),
            ).fetchone()
        return None if row is None else Zone(*row)

    def add_order(
        self,
        name: str,
        address: str,
        zip_code: str,
        note: str,
        shipping: int,
        lines: tuple[Line, ...],
    ) -> str:
        """Write an order, all of it or nothing, and return its code, which nobody can guess."""
        code = token_hex(8)
        with self._open() as db, db:
            db.execute(
                "INSERT INTO orders (code, name, address, zip, note, shipping)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (code, name, address, zip_code, note, shipping),
            )
            db.executemany(
                "INSERT INTO order_lines VALUES (?, ?, ?, ?)",
                [(code, line.part.number, line.quantity, line.price) for line in lines],
            )
        return code

    def order(self, code: str) -> Order | None:
        """Find an order by its code."""
        with self._open() as db:
            order = db.execute("SELECT * FROM orders WHERE code = ?", (code,)).fetchone()
            rows = db.execute(
                "SELECT parts.*, quantity, order_lines.price FROM order_lines"
                " JOIN parts USING (number) WHERE code = ? ORDER BY number",
                (code,),
            ).fetchall()
        if order is None:
            return None
        lines = tuple(Line(Part(*row[:7]), row[7], row[8]) for row in rows)
        return Order._make((*order, lines))

    def projects(self) -> list[Project]:
        """List the projects, newest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT photo, caption, maker, filename, size, sha256 FROM projects"
                " ORDER BY id DESC"
            )
            return [Project(*row) for row in rows]

    def project(self, photo: str) -> Project | None:
        """Find a project by the name of its photo."""
        return next((project for project in self.projects() if project.photo == photo), None)

    def add_project(self, project: Project) -> list[str]:
        """Write a project, and return the photos that have to make room for it."""
        with self._open() as db, db:
            db.execute(
                "INSERT INTO projects (photo, caption, maker, filename, size, sha256)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                project,
            )
            old = db.execute(
                "SELECT photo FROM projects ORDER BY id DESC LIMIT -1 OFFSET ?", (MOST_PROJECTS,)
            ).fetchall()
            db.executemany("DELETE FROM projects WHERE photo = ?", old)
        return [photo for (photo,) in old]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self._is_ready:
            self._make()
        with closing(self._connect()) as db:
            yield db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=PATIENCE)
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
                    db.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", PARTS)
                    db.executemany("INSERT INTO zones VALUES (NULL, ?, ?, ?, ?, ?, ?)", ZONES)
        self._is_ready = True


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
