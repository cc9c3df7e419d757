"""Members: who has an account, and the hash of what they sign in with."""

from __future__ import annotations

import re
import sqlite3
from typing import Final, NamedTuple

from examples.store.data.database import Database
from examples.store.data.passwords import LONGEST, SHORTEST

# Enough to catch a slip. Whether an address is somebody's, only a mail to it can tell.
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+")
LONGEST_EMAIL: Final = 254  # characters: RFC 5321 4.5.3.1.3, less the brackets
LONGEST_NAME: Final = 60


class Member(NamedTuple):
    """Somebody with an account. password: its hash."""

    id: int
    email: str
    name: str
    password: str


class Taken(Exception):
    """Somebody has an account with that address already."""


class Members:
    """All accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, email: str, name: str, password: str) -> Member:
        """Open an account. password: its hash. Raises Taken."""
        try:
            with self._database.writing() as db:
                added = db.execute(
                    "INSERT INTO members (email, name, password) VALUES (?, ?, ?)",
                    (email, name, password),
                )
        except sqlite3.IntegrityError:
            raise Taken(email) from None
        return Member(added.lastrowid or 0, email, name, password)

    def by_email(self, email: str) -> Member | None:
        """Find a member by e-mail address; capitals make no difference."""
        return self._find("email = ?", email)

    def by_id(self, id: int) -> Member | None:
        """Find a member by number."""
        return self._find("id = ?", id)

    def set_password(self, id: int, password: str) -> None:
        """Keep the hash of a new password."""
        with self._database.writing() as db:
            db.execute("UPDATE members SET password = ? WHERE id = ?", (password, id))

    def _find(self, condition: str, value: object) -> Member | None:
        with self._database.reading() as db:
            row = db.execute(
                f"SELECT id, email, name, password FROM members WHERE {condition}", (value,)
            ).fetchone()
        return None if row is None else Member(*row)


def email_fault(email: str) -> str:
    """Say what is wrong with an e-mail address; "" when nothing is."""
    if len(email) <= LONGEST_EMAIL and _EMAIL.fullmatch(email):
        return ""
    return "An e-mail address looks like name@example.org."


def name_fault(name: str) -> str:
    """Say what is wrong with a name; "" when nothing is."""
    if not name:
        return "What shall we call you?"
    return "" if len(name) <= LONGEST_NAME else f"At most {LONGEST_NAME} characters, please."


def password_fault(password: str, email: str) -> str:
    """Say what is wrong with a new password; "" when nothing is."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"A password has {SHORTEST} to {LONGEST} characters. A few words will do."
    if password.lower() in (email.lower(), email.partition("@")[0].lower()):
        return "A password that stands beside it is none: take another than your address."
    return "Ten times the same is no password." if len(set(password)) < 4 else ""
