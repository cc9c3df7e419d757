"""Urlencoded forms: `name=value&name=value` with percent signs, as a body.

Reading has no errors but size (WHATWG URL 5.1): what is no pair is a name without a value,
what is no UTF-8 becomes U+FFFD. Writing gives the bytes that a browser would.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crlf.message.params import MAX_PAIRS, Params, parse_pairs
from crlf.message.percent import encode_plus

FORM_TYPE: Final = "application/x-www-form-urlencoded"


def parse_form(data: bytes, limit: int = MAX_PAIRS) -> Params:
    """Read an urlencoded body. Raises TooLarge when there are over `limit` fields."""
    return parse_pairs(data.decode("utf-8", "replace"), limit, "form_fields", 413)


def build_form(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Write an urlencoded body. Raises UnicodeEncodeError, a ValueError, on a lone surrogate."""
    return "&".join([f"{encode_plus(name)}={encode_plus(value)}" for name, value in pairs]).encode(
        "ascii"
    )
