"""Users: who may sign in, and how a password is checked without being kept.

Accounts stand in a file, one a line: name, what Argon2 made of the password, the name for
people. A name that was typed is looked up among them and never becomes part of a path. Its law:
a stranger learns neither whether a name exists nor, by the time it takes, how near a guess was.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

DOMAIN: Final = "prairie.example"
NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
LONGEST: Final = 1000  # characters of a password; each is work for us
# OWASP's first choice for Argon2id: 19 MiB, 2 passes, 1 lane. Two at a time, so that a crowd at
# the door takes 38 MiB, and not that times the server's threads.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE: Final = threading.BoundedSemaphore(2)
TRIES: Final = 5  # wrong passwords of one name before it has to wait
PAUSE: Final = 30.0  # seconds
_REMEMBERED: Final = 10_000  # names whose wrong passwords are counted


class User(NamedTuple):
    """Somebody with an account."""

    name: str
    hash: str
    full_name: str

    @property
    def address(self) -> str:
        return f"{self.name}@{DOMAIN}"

    def __repr__(self) -> str:
        return f"<User {self.name}>"


class TooManyTries(Exception):
    """So many wrong passwords that the right one has to wait, too. seconds: for how long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} seconds")
        self.seconds = seconds


class Users:
    """The accounts of a file, which is read when it is asked: any worker may add one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._no_hash = ""  # of no password; checked for names that do not exist
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # guarded by _lock
        self._lock = threading.Lock()

    def find(self, name: str) -> User | None:
        return self._read().get(name)

    def find_address(self, address: str) -> User | None:
        """Find whose address this is; None for addresses of elsewhere."""
        name, _, domain = address.rpartition("@")
        return self.find(name.lower()) if domain.lower() == DOMAIN else None

    def add(self, name: str, password: str, full_name: str) -> User:
        """Add an account. Raises ValueError for a name that is taken, or is none."""
        if NAME.fullmatch(name) is None or "\n" in full_name or "\t" in full_name:
            raise ValueError(f"a name is like ann or tim-2, not {name!r}")
        users = self._read()
        if name in users:
            raise ValueError(f"there is a {name} already")
        users[name] = User(name, _hashed(password), full_name)
        part = self._path.with_name(f".{token_hex(8)}.part")
        part.write_text("".join("\t".join(user) + "\n" for user in users.values()), "utf-8")
        part.chmod(0o600)
        part.replace(self._path)
        return users[name]

    def sign_in(self, name: str, password: str) -> User | None:
        """Return whose name and password this is, or None. Raises TooManyTries."""
        name = name.strip(" ").lower().removesuffix(f"@{DOMAIN}")
        self._wait_for(name)
        user = self.find(name)
        if not self._no_hash:
            self._no_hash = _hashed(token_hex(16))
        kept = user.hash if user is not None else self._no_hash  # the same work for either
        is_right = len(password) <= LONGEST and _matches(kept, password)
        if user is None or not is_right:
            self._note(name)
            return None
        with self._lock:
            self._wrong.pop(name, None)
        return user

    def _wait_for(self, name: str) -> None:
        with self._lock:
            tries, last = self._wrong.get(name, (0, 0.0))
        left = last + PAUSE - time.monotonic()
        if tries >= TRIES and left > 0:
            raise TooManyTries(left)

    def _note(self, name: str) -> None:
        with self._lock:
            tries, last = self._wrong.pop(name, (0, 0.0))
            if time.monotonic() - last > PAUSE:
                tries = 0
            self._wrong[name] = (tries + 1, time.monotonic())
            while len(self._wrong) > _REMEMBERED:
                self._wrong.popitem(last=False)

    def _read(self) -> dict[str, User]:
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return {}
        rows = (line.split("\t") for line in text.split("\n") if line)
        return {row[0]: User(*row) for row in rows if len(row) == 3 and NAME.fullmatch(row[0])}


def _hashed(password: str) -> str:
    with _AT_ONCE:
        return HASHER.hash(password)


def _matches(kept: str, password: str) -> bool:
    with _AT_ONCE:
        try:
            return HASHER.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
