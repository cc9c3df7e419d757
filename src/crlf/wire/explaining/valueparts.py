"""Values cut into their parts: members, parameters, pairs, with where each stands.

The cuts are those of the grammar (quoted strings hold together), found in one pass. Its law:
parts are bounded in number, each lies inside of its value, and what cannot be cut has no parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from crlf.message.grammar import QUOTED
from crlf.wire.explaining.spans import Span, detail_of
from crlf.wire.explaining.words import shown

MOST_PARTS: Final = 200  # of one value, named; further ones are just value


class Piece(NamedTuple):
    """A part of a value without the blanks round it: where it begins in the input, and its text."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def pieces_of(start: int, text: str, separator: str = ",") -> list[Piece]:
    """Cut text, which begins at start, at a separator outside of quotes; empty pieces left out."""
    pieces: list[Piece] = []
    begin = at = 0
    is_closed = True  # a quote that no other closes is a character like any other, and so are all
    while at <= len(text) and len(pieces) < MOST_PARTS:
        if at == len(text) or text[at] == separator:
            piece = text[begin:at]
            blanks = len(piece) - len(piece.lstrip(" \t"))
            if bare := piece.strip(" \t"):
                pieces.append(Piece(start + begin + blanks, bare))
            begin = at = at + 1
        elif text[at] == '"' and is_closed:
            found = QUOTED.match(text, at)
            is_closed = found is not None
            at = at + 1 if found is None else found.end()
        else:
            at += 1
    return pieces


def pair_of(piece: Piece) -> tuple[str, str, bool]:
    """Take a piece "name=value" apart: name in lower case, value without quotes, whether a =."""
    name, equals, value = piece.text.partition("=")
    value = value.strip(" \t")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return name.strip(" \t").lower(), value, bool(equals)


def named(
    pieces: list[Piece], element: str, say: Callable[[str], str] = shown, rule: str = ""
) -> tuple[Span, ...]:
    """Make details of pieces, all of one element."""
    return tuple(
        detail_of(piece.start, piece.end, element, say(piece.text), rule) for piece in pieces
    )


def with_parameters(piece: Piece, element: str, say: Callable[[str], str]) -> Iterator[Span]:
    """Make details of "thing; name=value; q=0.5": the thing, each parameter, the weight."""
    parts = pieces_of(piece.start, piece.text, ";")
    for number, part in enumerate(parts):
        if not number:
            yield detail_of(part.start, part.end, element, say(part.text))
            continue
        name, value, _ = pair_of(part)
        if name == "q" and value:
            liked = f"liked {shown(value)}, of at most 1"
            liked = liked if value.strip("0.") else "not liked at all: refused"
            yield detail_of(part.start, part.end, "weight", liked)
        else:
            meaning = f"{shown(name)} is {shown(value)}"
            yield detail_of(part.start, part.end, "parameter", meaning)


def joined(words: list[str], most: int = 5) -> str:
    """Write words as people list them, the first few."""
    few = [shown(word) for word in words[:most]]
    if len(words) > most:
        return f"{', '.join(few)} and {len(words) - most} more"
    return few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}" if few else "nothing"


def counted(count: int, word: str) -> str:
    """Write a number with its noun."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def lasting(seconds: int) -> str:
    """Write a time in seconds as people say it."""
    for size, word in ((31_536_000, "year"), (86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{counted(seconds, 'second')} ({counted(seconds // size, word)})"
    if seconds >= 172_800:
        return f"{counted(seconds, 'second')} (over {seconds // 86_400} days)"
    return counted(seconds, "second")
