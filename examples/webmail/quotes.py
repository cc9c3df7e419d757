"""Quotes: the plain text of a letter as passages, by how often they were answered.

Lines that begin with ">" are somebody else's words. Links are found by their scheme alone; what
is a link and what is text is for the template to escape.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

_LINK = re.compile(r"https?://[^\s<>\"'`{}|\\^\[\]]{1,2000}", re.IGNORECASE)
_MARKS = re.compile(r"(?:> ?)+")
DEEPEST = 3  # from here on all look the same


class Piece(NamedTuple):
    """Some text, and where it leads; "" for nowhere."""

    text: str
    link: str = ""


class Passage(NamedTuple):
    """Lines that stand behind the same number of brackets."""

    depth: int
    pieces: tuple[Piece, ...]


def passages(text: str) -> list[Passage]:
    """Divide a text."""
    split = (_unquoted(line) for line in text.strip("\n").split("\n"))
    grouped = groupby(split, key=lambda pair: pair[0])
    return [
        Passage(depth, pieces("\n".join(line for _, line in pairs))) for depth, pairs in grouped
    ]


def pieces(text: str) -> tuple[Piece, ...]:
    """Find the links in a text."""
    found, at = [], 0
    for link in _LINK.finditer(text):
        url = link[0].rstrip(".,;:!?)")
        found += [Piece(text[at : link.start()]), Piece(url, url)]
        at = link.start() + len(url)
    return tuple(piece for piece in (*found, Piece(text[at:])) if piece.text)


def _unquoted(line: str) -> tuple[int, str]:
    marks = _MARKS.match(line)
    if marks is None:
        return 0, line
    return min(marks[0].count(">"), DEEPEST), line[marks.end() :]
