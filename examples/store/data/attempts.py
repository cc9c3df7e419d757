"""Attempts: how often a password may be tried, by name and by where from.

Each try is written down before its password is looked at, so that a hundred at the same moment
are a hundred. Its law: whoever knows neither name nor password can lock nobody out for longer
than a few minutes, and nobody out who signs in from elsewhere with the right password.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Address, ip_address
from typing import Final

from examples.store.data.database import Database

WINDOW: Final = 15 * 60.0  # seconds that a try is remembered
AT_ONE_NAME: Final = 6  # tries from one address
FROM_ONE_PLACE: Final = 40  # tries from one address, at whatever names: an office has one address


class TooMany(Exception):
    """Too many tries. seconds: until the next one may be made."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"{seconds} s")
        self.seconds = seconds


class Attempts:
    """What has been tried of late."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, name: str, address: str) -> None:
        """Write a try down. Raises TooMany when it is one too many, which does not count."""
        place, now = _place(address), time.time()
        limits = ((f"{place} {name.lower()}", AT_ONE_NAME), (place, FROM_ONE_PLACE))
        with self._database.writing() as db:
            db.execute("DELETE FROM attempts WHERE at < ?", (now - WINDOW,))
            for who, most in limits:
                count, first = db.execute(
                    "SELECT count(*), min(at) FROM attempts WHERE who = ?", (who,)
                ).fetchone()
                if count >= most:
                    raise TooMany(int(first + WINDOW - now) + 1)
            db.executemany(
                "INSERT INTO attempts (who, at) VALUES (?, ?)", [(who, now) for who, _ in limits]
            )

    def forget(self, name: str, address: str) -> None:
        """Strike out the tries at a name, and one of the place's: the last one was right."""
        place = _place(address)
        with self._database.writing() as db:
            db.execute("DELETE FROM attempts WHERE who = ?", (f"{place} {name.lower()}",))
            db.execute(
                "DELETE FROM attempts WHERE id = (SELECT max(id) FROM attempts WHERE who = ?)",
                (place,),
            )


def _place(address: str) -> str:
    """What counts as one place: an IPv4 address, or the network of an IPv6 one.

    A household has 2^64 of those, and may take another for each try.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)
