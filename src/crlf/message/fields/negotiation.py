"""Negotiation: what of several offers a client likes best, by its Accept fields.

The client says how much it likes what (RFC 9110 12.4.2), the server offers in its own order
of preference; the best-liked offer wins, and the server's order decides between equals. A
weight of zero is a refusal. A field that cannot be read says nothing, and so refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from crlf.message.errors import Malformed
from crlf.message.fields.media import MediaType, parse_media_type
from crlf.message.grammar import BLANK, QUOTED, parse_digits, split_list
from crlf.patterns import pattern

MAX_MEMBERS: Final = 50  # of one Accept field; browsers send up to 10, with every language 30
_REMEMBERED: Final = 256  # characters of a field that is worth it
_QUALITY = pattern(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")  # RFC 9110 12.4.2
_WEIGHT = pattern(r";[ \t]*[qQ]=")
_HARDLY: Final = 0.0005  # below every weight that can be written
_ALIASES: Final = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 8.4.1


def parse_quality_list(text: str) -> list[tuple[str, float]]:
    """Read a list of values with weights, in its order: `gzip, br;q=0.5` (RFC 9110 12.4.2).

    Parameters before the weight stay with the value. A member with a broken weight is left
    out; a list that cannot be split, or has over MAX_MEMBERS, is empty.
    """
    try:
        members = split_list(text, MAX_MEMBERS)
    except Malformed:
        return []
    weighted: list[tuple[str, float]] = []
    for member in members:
        # Quoted strings are painted over, so that a weight inside one is none.
        plain = QUOTED.sub(lambda quoted: "_" * len(quoted[0]), member)
        found = _WEIGHT.search(plain)
        if found is None:
            weighted.append((member, 1.0))
            continue
        value = member[: found.start()].rstrip(BLANK)
        quality = member[found.end() :].partition(";")[0].strip(BLANK)
        if value and _QUALITY.fullmatch(quality) is not None:
            thousandths = parse_digits(quality[2:].ljust(3, "0")) or 0
            weighted.append((value, 1.0 if quality[0] == "1" else thousandths / 1000))
    return weighted


def best_media_type(accept: str | None, offered: Sequence[str]) -> str | None:
    """Pick the offered media type that an Accept field likes best (RFC 9110 12.5.1).

    The most specific range decides for each offer: with parameters, type/subtype, type/*, */*.
    None: nothing offered is acceptable. Without a field, or a readable one, the first offer.
    """
    if accept is not None and len(accept) <= _REMEMBERED:
        return _remembered_type(accept, tuple(offered))
    return _best_media_type(accept or "", offered)


def _best_media_type(accept: str, offered: Sequence[str]) -> str | None:
    ranges = [
        (found, quality)
        for text, quality in parse_quality_list(accept)
        if (found := parse_media_type(text)) is not None
    ]
    if not ranges:
        return offered[0] if offered else None

    def liking(offer: str) -> float:
        media_type = parse_media_type(offer)
        if media_type is None:
            return 0.0
        fits = [(_fit(one, media_type), quality) for one, quality in ranges]
        return max(fits)[1] if max(fits)[0] else 0.0

    return _best(offered, liking)


_remembered_type = lru_cache(maxsize=256)(
    _best_media_type
)  # browsers say one thing again and again


def _fit(accepted: MediaType, offer: MediaType) -> int:
    """How closely a media range describes an offer; 0 when it does not."""
    if accepted.type == "*":
        return 1 if accepted.subtype == "*" else 0
    if accepted.type != offer.type:
        return 0
    if accepted.subtype == "*":
        return 2
    if accepted.subtype != offer.subtype:
        return 0
    asked = accepted.parameters
    if any((value or "").lower() != (offer.parameter(name) or "").lower() for name, value in asked):
        return 0
    return 3 + len(asked)


def best_coding(accept_encoding: str | None, offered: Sequence[str]) -> str | None:
    """Pick the offered content coding that Accept-Encoding likes best (RFC 9110 12.5.3).

    offered: codings in the server's order, "identity" among them when the content may go out
    as it is. Without the field anything is allowed, and identity is sent where it is offered.
    Identity not mentioned is acceptable, but liked least. None: every offer is refused.
    """
    if accept_encoding is None:
        return "identity" if "identity" in offered or not offered else offered[0]
    liked: dict[str, float] = {}
    for name, quality in parse_quality_list(accept_encoding):
        lowered = name.lower()
        liked.setdefault(_ALIASES.get(lowered, lowered), quality)
    rest = liked.get("*", 0.0)

    def liking(coding: str) -> float:
        if coding == "identity" and coding not in liked:
            return 0.0 if liked.get("*") == 0 else _HARDLY
        return liked.get(coding, rest)

    return _best(offered, liking)


def best_language(accept_language: str | None, offered: Sequence[str]) -> str | None:
    """Pick the offered language that Accept-Language likes best (RFC 9110 12.5.4, RFC 4647 3).

    A range matches the tags below it ("en" takes "en-US", basic filtering); where it matches
    none, its ends are cut off one by one ("de-CH" falls back on "de", lookup). None: nothing
    matches, and the server sends its default. Without a field the first offer.
    """
    if accept_language is not None and len(accept_language) <= _REMEMBERED:
        return _remembered_language(accept_language, tuple(offered))
    return _best_language(accept_language or "", offered)


def _best_language(accept_language: str, offered: Sequence[str]) -> str | None:
    ranges = [(text.lower(), q) for text, q in parse_quality_list(accept_language)]
    if not ranges:
        return offered[0] if offered else None
    tags = {tag.lower(): tag for tag in reversed(offered)}
    refused = {text for text, quality in ranges if not quality}
    ordered = [tag.lower() for tag in offered]
    for wanted, _ in sorted((pair for pair in ranges if pair[1]), key=lambda pair: -pair[1]):
        allowed = [tag for tag in ordered if not _is_refused(tag, wanted, refused)]
        found = _match_language(wanted, allowed)
        if found is not None:
            return tags[found]
    return None


_remembered_language = lru_cache(maxsize=256)(_best_language)


def _match_language(wanted: str, tags: list[str]) -> str | None:
    if wanted == "*":
        return tags[0] if tags else None
    below = wanted + "-"
    for tag in tags:
        if tag == wanted:
            return tag
    for tag in tags:
        if tag.startswith(below):
            return tag
    while "-" in wanted:
        wanted = wanted.rpartition("-")[0]
        if wanted[-2:-1] == "-":  # RFC 4647 3.4: a single letter before the cut goes too
            wanted = wanted[:-2]
        if wanted in tags:
            return wanted
    return None


def _is_refused(tag: str, wanted: str, refused: set[str]) -> bool:
    """Tell whether a weight of zero forbids a tag to a range that is no closer to it."""
    return any(
        (tag == no or tag.startswith(no + "-")) and (wanted == "*" or len(no) >= len(wanted))
        for no in refused
    )


def _best(offered: Sequence[str], liking: Callable[[str], float]) -> str | None:
    """Pick the first of the best-liked offers; None when all are refused."""
    best, most = None, 0.0
    for offer in offered:
        if (liked := liking(offer)) > most:
            best, most = offer, liked
    return best
