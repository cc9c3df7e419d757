"""Signed text: bytes that travel through a client and come back as they left.

`hs256.PAYLOAD.TIME.MAC`: the algorithm by name, the payload in base64url, the second it was
signed, and HMAC-SHA256 over all of that under a key of its own for each purpose. Signed is
not secret: whoever holds the text reads the payload. Its law: nothing is decoded, and not
even looked at, before the MAC was found to be ours.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from crlf.message.errors import BadSignature, TooLarge
from crlf.message.grammar import parse_digits

ALGORITHM: Final = "hs256"
MAX_SIGNED: Final = 4096  # characters; what browsers keep of one cookie (RFC 6265bis 5.6)
MIN_KEY: Final = 16  # bytes; RFC 2104 3 asks for the hash's length, 128 bits are the least
SKEW: Final = 60  # seconds that another worker's clock may be ahead

_DERIVED_FROM: Final = b"crlf signing 1\x00"  # so that a key used elsewhere signs nothing here


def sign(payload: bytes, keys: Sequence[bytes], purpose: str, now: int) -> str:
    """Sign a payload with the newest key, which is the first.

    purpose: what the text is for ("session", "form"); a text signed for one purpose is not
    valid for another. now: seconds since 1970.

    Raises TooLarge when the text would be over MAX_SIGNED characters, and ValueError on no
    key, a key under MIN_KEY bytes, no purpose, or a time before 1970.
    """
    _check(keys, purpose)
    if now < 0:
        raise ValueError("now is in seconds since 1970")
    if len(payload) > MAX_SIGNED:
        raise TooLarge("signed_text", MAX_SIGNED)
    text = f"{ALGORITHM}.{_base64(payload)}.{now:d}"
    signed = f"{text}.{_mac(text, keys[0], purpose)}"
    if len(signed) > MAX_SIGNED:
        raise TooLarge("signed_text", MAX_SIGNED)
    return signed


def unsign(text: str, keys: Sequence[bytes], purpose: str, now: int, max_age: int | None) -> bytes:
    """Give back the payload of a text that any of the keys signed, at most max_age seconds ago.

    max_age None: however long ago. Raises BadSignature when the text is too long, not ours, for
    another purpose, too old, or from the future by more than SKEW seconds; ValueError as `sign`.
    """
    _check(keys, purpose)
    if len(text) > MAX_SIGNED:
        raise BadSignature("signed text over its limit")
    signed, _, mac = text.rpartition(".")
    if not signed.startswith(ALGORITHM + ".") or not text.isascii():
        raise BadSignature("not a signed text")
    if not _is_ours(signed, mac, keys, purpose):
        raise BadSignature("not signed by us, or for another purpose")
    # From here on it is our own writing.
    _, payload, time = signed.split(".")
    signed_at = parse_digits(time)
    if signed_at is None:
        raise BadSignature("no time in the signed text")
    if signed_at > now + SKEW:
        raise BadSignature("signed in the future")
    if max_age is not None and now - signed_at > max_age:
        raise BadSignature("signed too long ago")
    return urlsafe_b64decode(payload + "=" * (-len(payload) % 4))


def _is_ours(signed: str, mac: str, keys: Sequence[bytes], purpose: str) -> bool:
    """Compare with every key's MAC, each in constant time and without stopping early."""
    found = False
    for key in keys:
        found |= hmac.compare_digest(_mac(signed, key, purpose), mac)
    return found


def _mac(text: str, key: bytes, purpose: str) -> str:
    derived = hmac.digest(key, _DERIVED_FROM + purpose.encode(), hashlib.sha256)
    return _base64(hmac.digest(derived, text.encode("ascii"), hashlib.sha256))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _check(keys: Sequence[bytes], purpose: str) -> None:
    if not keys:
        raise ValueError("signing needs a list of keys, the newest first")
    if any(len(key) < MIN_KEY for key in keys):
        raise ValueError(f"a signing key has at least {MIN_KEY} bytes")
    if not purpose:
        raise ValueError("signing needs a purpose")
