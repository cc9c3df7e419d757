"""Orders: what was bought, by whom, and that nothing is sold twice.

An order takes its pieces off the stock and is written in one transaction. Of two buyers who want
the last piece, in two threads or two processes, one gets it and the other is told. Its law: all
lines of an order or none, and a stock never below zero. The table itself refuses that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from secrets import token_hex
from typing import Any, NamedTuple

from examples.store.data.amounts import Money
from examples.store.data.catalogue import Catalogue, Line, part_of, total_of, weight_of
from examples.store.data.database import Database
from examples.store.data.parts import Part, Zone


class Address(NamedTuple):
    """Where an order goes."""

    name: str
    address: str
    zip: str
    note: str


class Order(NamedTuple):
    """What was ordered, and where it goes. made: date and time, UTC."""

    code: str
    to: Address
    shipping: Money
    made: str
    lines: tuple[Line, ...]

    @property
    def goods(self) -> Money:
        """What the parts cost."""
        return total_of(self.lines)

    @property
    def total(self) -> Money:
        """What all of it costs."""
        return Money(self.goods + self.shipping)

    @property
    def pieces(self) -> int:
        """How many pieces are in the parcel."""
        return sum(line.quantity for line in self.lines)


class SoldOut(Exception):
    """There is not enough left of some parts, which are here as they are now."""

    def __init__(self, short: tuple[Part, ...]) -> None:
        super().__init__(", ".join(f"part {part.number}" for part in short))
        self.short = short


class Orders:
    """All orders."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    def place(
        self, ticket: str, cart: Mapping[int, int], to: Address, zone: Zone, member: int | None
    ) -> str:
        """Order what is in a cart and return the order's code, which nobody can guess.

        ticket: of the form that was sent. The same one again, from a second press of the button,
        orders nothing and returns the same code. Raises SoldOut.
        """
        with self._database.writing() as db:
            before = db.execute("SELECT code FROM orders WHERE ticket = ?", (ticket,)).fetchone()
            if before is not None:
                return str(before[0])
            taken = [(number, quantity) for number, quantity in cart.items() if quantity > 0]
            short = [number for number, quantity in taken if not _take(db, number, quantity)]
            if short:  # leaving by an error gives back what was taken of the others
                found = (self._catalogue.part(number) for number in short)
                raise SoldOut(tuple(part for part in found if part))
            return self._write(db, ticket, self._catalogue.lines(dict(taken)), to, zone, member)

    def _write(
        self,
        db: sqlite3.Connection,
        ticket: str,
        lines: tuple[Line, ...],
        to: Address,
        zone: Zone,
        member: int | None,
    ) -> str:
        code, shipping = token_hex(8), zone.cost(weight_of(lines))
        db.execute(
            "INSERT INTO orders (code, ticket, member, name, address, zip, note, shipping)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (code, ticket, member, *to, shipping),
        )
        db.executemany(
            "INSERT INTO order_lines VALUES (?, ?, ?, ?)",
            [(code, line.part.number, line.quantity, line.price) for line in lines],
        )
        return code

    def placed_with(self, ticket: str) -> str | None:
        """Find the code of the order that was placed with a ticket."""
        with self._database.reading() as db:
            row = db.execute("SELECT code FROM orders WHERE ticket = ?", (ticket,)).fetchone()
        return None if row is None else str(row[0])

    def find(self, code: str) -> Order | None:
        """Find an order by its code."""
        with self._database.reading() as db:
            row = db.execute(f"{_ORDERS} WHERE code = ?", (code,)).fetchone()
            return None if row is None else _order_of(db, row)

    def of_member(self, member: int, most: int = 50) -> tuple[Order, ...]:
        """List a member's orders, the newest first."""
        with self._database.reading() as db:
            rows = db.execute(
                f"{_ORDERS} WHERE member = ? ORDER BY made DESC, rowid DESC LIMIT ?", (member, most)
            ).fetchall()
            return tuple(_order_of(db, row) for row in rows)


_ORDERS = "SELECT code, name, address, zip, note, shipping, made FROM orders"
_LINES = (
    "SELECT parts.number, name, family, size, parts.price, weight, drawing, stock, text,"
    " quantity, order_lines.price FROM order_lines JOIN parts USING (number)"
    " WHERE code = ? ORDER BY number"
)


def _take(db: sqlite3.Connection, number: int, quantity: int) -> bool:
    """Take pieces off the stock, if there are so many."""
    taken = db.execute(
        "UPDATE parts SET stock = stock - ? WHERE number = ? AND stock >= ?",
        (quantity, number, quantity),
    )
    return taken.rowcount == 1


def _order_of(db: sqlite3.Connection, row: tuple[Any, ...]) -> Order:
    code, name, address, zip_code, note, shipping, made = row
    lines = db.execute(_LINES, (code,)).fetchall()
    return Order(
        code,
        Address(name, address, zip_code, note),
        Money(shipping),
        made,
        tuple(Line(part_of(line[:9]), line[9], Money(line[10])) for line in lines),
    )
