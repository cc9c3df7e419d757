"""The catalogue: parts by number, pages of what somebody searches for, and where parcels go.

A search is a few words that must all be in a part's name, size or text. Its law: what
is typed is matched as it is. It is a parameter of the statement, and what LIKE would take for a
wildcard in it is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from examples.store.data.amounts import Grams, Money
from examples.store.data.database import Database
from examples.store.data.parts import Part, Zone

PAGE: Final = 12  # parts on a page
MOST_WORDS: Final = 8  # of a search
LONGEST_SEARCH: Final = 80  # characters

COLUMNS: Final = "number, name, family, size, price, weight, drawing, stock, text"
# What may stand after `sort=`: how it is called, and the SQL for it, which is never a visitor's.
SORTS: Final = {
    "number": ("By number", "number"),
    "name": ("By name", "name, price"),
    "cheap": ("Cheapest first", "price, number"),
    "dear": ("Dearest first", "price DESC, number"),
    "light": ("Lightest first", "weight, number"),
}


class Search(NamedTuple):
    """What is looked for. sort: a key of SORTS. page: from 1."""

    words: str = ""
    family: str = ""
    sort: str = "number"
    page: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether all of the catalogue is wanted, from its beginning."""
        return self == Search()


class Found(NamedTuple):
    """One page of what was found. total: parts on all pages. pages: at least 1."""

    parts: tuple[Part, ...]
    total: int
    page: int
    pages: int


class Line(NamedTuple):
    """So many of one part, at a price each."""

    part: Part
    quantity: int
    price: Money

    @property
    def sum(self) -> Money:
        """What the line costs."""
        return Money(self.quantity * self.price)


class Catalogue:
    """What is sold, and what it costs to send."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, search: Search) -> Found:
        """Find a page of parts; one that is beyond the last has none."""
        conditions, values = ["TRUE"], []
        for word in search.words.split()[:MOST_WORDS]:
            conditions.append("name || ' ' || size || ' ' || text LIKE ? ESCAPE '\\'")
            values.append(f"%{_literally(word)}%")
        if search.family:
            conditions.append("family = ?")
            values.append(search.family)
        which = f"FROM parts WHERE {' AND '.join(conditions)}"
        order = SORTS[search.sort][1]
        with self._database.reading() as db:
            total = db.execute(f"SELECT count(*) {which}", values).fetchone()[0]
            rows = db.execute(
                f"SELECT {COLUMNS} {which} ORDER BY {order} LIMIT ? OFFSET ?",
                (*values, PAGE, PAGE * (search.page - 1)),
            ).fetchall()
        pages = max(1, -(-total // PAGE))
        return Found(tuple(part_of(row) for row in rows), total, search.page, pages)

    def part(self, number: int) -> Part | None:
        """Find a part by its number."""
        with self._database.reading() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM parts WHERE number = ?", (number,)).fetchone()
        return None if row is None else part_of(row)

    def last(self) -> int:
        """Say the highest number of a part."""
        with self._database.reading() as db:
            return int(db.execute("SELECT max(number) FROM parts").fetchone()[0])

    def stock(self) -> dict[int, int]:
        """Say how many pieces of each part are left."""
        with self._database.reading() as db:
            return dict(db.execute("SELECT number, stock FROM parts"))

    def lines(self, quantities: Mapping[int, int]) -> tuple[Line, ...]:
        """Price what is in a cart, by part number; what is not sold any more is left out."""
        found = ((self.part(number), quantity) for number, quantity in sorted(quantities.items()))
        return tuple(Line(part, quantity, part.price) for part, quantity in found if part)

    def zone(self, zip_code: str) -> Zone | None:
        """Find the zone of a zip code, of which the first three digits count."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT name, base, per_kilo, days FROM zones"
                " WHERE ? BETWEEN first AND last ORDER BY id LIMIT 1",
                (zip_code[:3],),
            ).fetchone()
        return None if row is None else Zone(row[0], Money(row[1]), Money(row[2]), row[3])


def part_of(row: tuple[Any, ...]) -> Part:
    """Make a part of its COLUMNS."""
    number, name, family, size, price, weight, *rest = row
    return Part._make((number, name, family, size, Money(price), Grams(weight), *rest))


def total_of(lines: tuple[Line, ...]) -> Money:
    return Money(sum(line.sum for line in lines))


def weight_of(lines: tuple[Line, ...]) -> Grams:
    return Grams(sum(line.part.weight * line.quantity for line in lines))


def _literally(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
