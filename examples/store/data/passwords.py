"""Passwords: kept as Argon2id hashes, which are made slowly on purpose.

A hash takes some 50 ms and 64 MiB, so few are made at a time, whatever the number of threads:
otherwise whoever tries passwords decides how much memory the store takes. Its law: a name that
nobody has costs as much time as one with a wrong password, so that the time tells nothing.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 10  # characters; NIST SP 800-63B asks for 8 at least and for no other rules
LONGEST: Final = 200  # characters; NIST: 64 at least must be taken

_hasher: Final = PasswordHasher()  # RFC 9106 section 4, the second choice: 64 MiB, three passes
_turns: Final = BoundedSemaphore(4)


def hash_of(password: str) -> str:
    """Hash a new password, for keeping."""
    with _turns:
        return _hasher.hash(_normal(password))


def is_password(kept: str | None, password: str) -> bool:
    """Tell whether a password is the one whose hash is kept. None: there is no such member."""
    try:
        with _turns:
            _hasher.verify(_dummy() if kept is None else kept, _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_out_of_date(kept: str) -> bool:
    """Tell whether a hash was made more quickly than is the custom by now."""
    return _hasher.check_needs_rehash(kept)


@cache
def _dummy() -> str:
    return _hasher.hash("the password of nobody")


def _normal(password: str) -> bytes:
    # The same letters may be typed as different characters, by keyboard and system.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
