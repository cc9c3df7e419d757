"""Entity tags: the ETag field, and the lists that If-Match and If-None-Match bring.

An entity tag is compared in one of two ways (RFC 9110 8.8.3.2): strongly where bytes are put
together from two answers, weakly where one only asks whether anything of interest changed.
A list that does not fit the grammar matches nothing, so the answer is a whole one, or a 412.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from crlf.message.errors import Malformed
from crlf.message.grammar import BLANK
from crlf.patterns import pattern
from crlf.values import frozen

MAX_TAGS: Final = 1000  # in one list; a field of 8 KiB has room for 2,700 of the shortest
_OPAQUE = pattern(r"[\x21\x23-\x7e\x80-\xff]*")  # etagc: no blank, no quote, no escapes
_TAG = pattern(rf'(W/)?"({_OPAQUE.pattern})"')
_GAP = pattern(r"[ \t,]*")


@frozen
class ETag:
    """An entity tag: what stands between the quotes, and whether it is weak."""

    value: str
    weak: bool = False

    def build(self) -> str:
        """Write the tag as a field value. Raises Malformed when it does not fit the grammar."""
        if _OPAQUE.fullmatch(self.value) is None:
            raise Malformed("an entity tag has no blanks, quotes or controls", "RFC 9110 8.8.3")
        return f'W/"{self.value}"' if self.weak else f'"{self.value}"'

    def strongly_equals(self, other: ETag) -> bool:
        """Tell whether both are strong and the same: byte for byte the same content."""
        return self.value == other.value and not (self.weak or other.weak)

    def weakly_equals(self, other: ETag) -> bool:
        """Tell whether both have the same value, weak or not."""
        return self.value == other.value

    def weakened(self) -> ETag:
        """The same tag, weak: for content that was encoded on its way out."""
        return ETag(self.value, weak=True)

    def is_in(self, tags: Iterable[ETag] | Literal["*"], *, weakly: bool) -> bool:
        """Tell whether this tag is in a list: strongly for If-Match, weakly for If-None-Match."""
        if tags == "*":
            return True
        if weakly:
            return any(self.value == tag.value for tag in tags)
        return any(self.strongly_equals(tag) for tag in tags)


def parse_etag(text: str) -> ETag | None:
    """Read one entity tag; None when it is none (RFC 9110 8.8.3). W/ is case-sensitive."""
    found = _TAG.fullmatch(text.strip(BLANK))
    return None if found is None else ETag(found[2], weak=found[1] is not None)


def parse_etag_list(text: str) -> list[ETag] | Literal["*"]:
    """Read the value of If-Match or If-None-Match (RFC 9110 13.1.1, 13.1.2).

    An empty list, which matches nothing, when any part of it is broken or there are over
    MAX_TAGS: an unquoted tag may hold a comma, so the rest cannot be trusted either.
    """
    text = text.strip(BLANK)
    if text == "*":
        return "*"
    tags: list[ETag] = []
    at = _end_of_gap(text, 0)
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None or len(tags) == MAX_TAGS:
            return []
        tags.append(ETag(found[2], weak=found[1] is not None))
        at = _end_of_gap(text, found.end())
        if at < len(text) and "," not in text[found.end() : at]:
            return []
    return tags


def _end_of_gap(text: str, at: int) -> int:
    """Where the commas and blanks between two members end (RFC 9110 5.6.1.2)."""
    gap = _GAP.match(text, at)
    return at if gap is None else gap.end()
