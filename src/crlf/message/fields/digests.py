"""Digests of content and of representations (RFC 9530): said, asked for, and checked.

Repr-Digest is of the whole representation, whatever part of it an answer brings;
Content-Digest is of the content of this one message. Both map algorithms to bytes. Its law: an
algorithm that somebody can forge (MD5, SHA-1, checksums) proves nothing and is not looked at.
"""

from __future__ import annotations

import hashlib
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Final, Protocol

from crlf.message.errors import DigestMismatch, Malformed
from crlf.message.grammar import BLANK, parse_digits
from crlf.patterns import pattern
from crlf.values import frozen

MAX_MEMBERS: Final = 32  # of one field; the registry of RFC 9530 has 9 algorithms
# What is checked, the strongest first, with the size of each in bytes (RFC 9530 5).
ALGORITHMS: Final[Mapping[str, int]] = {"sha-512": 64, "sha-256": 32}

_KEY = r"[a-z*][a-z0-9_\-.*]*+"  # RFC 9651 3.1.2
_BARE = (  # RFC 9651 3.3: bytes, string, token, number, boolean, date
    r':[A-Za-z0-9+/=]*+:|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*+"'
    r"|[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+|-?[0-9]{1,15}(?:\.[0-9]{1,3})?|\?[01]|@-?[0-9]{1,15}"
)
_MEMBER = pattern(rf"({_KEY})(?:=({_BARE}))?+(?:; *+{_KEY}(?:=(?:{_BARE}))?+)*+")
_GAP = pattern(r"[ \t]*+,[ \t]*+")
_HEX = pattern(r"[0-9A-Fa-f]+")
_GIVEN = pattern(r"(?:(sha-?(?:256|512))[=:])?(.+)")  # sha-256=..., sha256:...


class Hash(Protocol):
    """A digest in the making, as hashlib has it."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@frozen
class Digest:
    """What content has to come to: an algorithm of ALGORITHMS, and its bytes."""

    algorithm: str
    value: bytes

    def new_hash(self) -> Hash:
        """Begin to work it out."""
        return new_hash(self.algorithm)

    def check(self, found: Hash) -> None:
        """Raise DigestMismatch when what was worked out is something else."""
        value = found.digest()
        if value != self.value:
            raise DigestMismatch(
                f"{self.algorithm} of the content is {value.hex()}, not {self.value.hex()}"
            )

    def __str__(self) -> str:
        return f"{self.algorithm}={self.value.hex()}"


def new_hash(algorithm: str) -> Hash:
    """Begin a digest by an algorithm of ALGORITHMS."""
    return hashlib.sha512() if algorithm == "sha-512" else hashlib.sha256()


def parse_digests(text: str) -> dict[str, bytes]:
    """Read a Repr-Digest or Content-Digest field: algorithms in lower case, and their bytes.

    Nothing at all when any part of it is broken (RFC 9651 4.2), or it has over MAX_MEMBERS.
    """
    found: dict[str, bytes] = {}
    for name, item in _parse_dictionary(text).items():
        value = _parse_bytes(item)
        if value is None:
            return {}
        found[name] = value
    return found


def strongest(digests: Mapping[str, bytes]) -> Digest | None:
    """Pick the digest to check; None when none of them proves anything."""
    for algorithm in ALGORITHMS:
        if algorithm in digests:
            return Digest(algorithm, digests[algorithm])
    return None


def build_digests(digests: Mapping[str, bytes]) -> str:
    """Write a Repr-Digest or Content-Digest field."""
    pairs = [
        f"{name}=:{b2a_base64(value, newline=False).decode('ascii')}:"
        for name, value in digests.items()
    ]
    return ", ".join(pairs)


def parse_wanted(text: str) -> dict[str, int]:
    """Read Want-Repr-Digest or Want-Content-Digest: algorithms and how much each is liked.

    10 is most, 0 is not at all (RFC 9530 4). Nothing when any part of it is broken.
    """
    wanted: dict[str, int] = {}
    for name, item in _parse_dictionary(text).items():
        liking = parse_digits(item, 2)
        if liking is None or liking > 10:
            return {}
        wanted[name] = liking
    return wanted


def build_wanted(wanted: Mapping[str, int]) -> str:
    """Write Want-Repr-Digest or Want-Content-Digest. Raises Malformed for no liking of 0 to 10."""
    if not all(0 <= liking <= 10 for liking in wanted.values()):
        raise Malformed("a digest is wanted by 0 to 10", "RFC 9530 4")
    return ", ".join([f"{name}={liking}" for name, liking in wanted.items()])


def digest_of(text: str) -> Digest:
    """Read a digest as people write it: `sha-256=...`, `sha256:...`, or bare hexadecimal digits.

    The value is in hexadecimal or in base64, with colons around it or without. Raises
    ValueError when it is none of these, or not as long as its algorithm makes it.
    """
    found = _GIVEN.fullmatch(text.strip(BLANK))
    if found is None:
        raise ValueError("an empty digest")
    named, written = found.groups()
    sizes = ALGORITHMS
    if named is not None:
        name = f"sha-{named[-3:]}"
        sizes = {name: ALGORITHMS[name]}
    for algorithm, size in sizes.items():
        if len(written) == 2 * size and _HEX.fullmatch(written) is not None:
            return Digest(algorithm, bytes.fromhex(written))
        value = _parse_bytes(f":{written.removeprefix(':').removesuffix(':')}:")
        if named is not None and value is not None and len(value) == size:
            return Digest(algorithm, value)
    raise ValueError("no digest: write sha-256= or sha-512= and its value in hexadecimal or base64")


def _parse_dictionary(text: str) -> dict[str, str]:
    """Read a dictionary of bare items as text; empty when broken (RFC 9651 4.2.2).

    Parameters are read over; a name without a value is true; of a name twice the last counts.
    """
    text = text.strip(BLANK)
    members: dict[str, str] = {}
    at = seen = 0
    while at < len(text):
        member = _MEMBER.match(text, at)
        seen += 1
        if member is None or seen > MAX_MEMBERS:
            return {}
        members[member[1]] = member[2] or "?1"
        at = member.end()
        if at == len(text):
            return members
        gap = _GAP.match(text, at)
        if gap is None or gap.end() == len(text):
            return {}
        at = gap.end()
    return members


def _parse_bytes(item: str) -> bytes | None:
    """Read `:base64:` (RFC 9651 4.2.7); its padding may be missing. None when it is no bytes."""
    if len(item) < 2 or item[0] != ":" or item[-1] != ":":
        return None
    inner = item[1:-1].rstrip("=")
    padding = len(item) - 2 - len(inner)
    if padding > 2 or (padding and (len(inner) + padding) % 4):
        return None
    try:
        return a2b_base64(inner + "=" * (-len(inner) % 4), strict_mode=True)
    except (Error, ValueError):
        return None
