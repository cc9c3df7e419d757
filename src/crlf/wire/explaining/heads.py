"""Heads taken apart for showing: start lines and fields, whole, cut off or broken.

The engine has judged a head before it comes here, so nothing is refused: what fits no grammar
is tiled as well as can be. Its law: the spans tile from the first byte to where they end, each
byte is looked at a few times and no more, and a valid head has the engine's names and values.
"""

from __future__ import annotations

from typing import Final, Literal

from crlf.message.fieldlore import lore_of
from crlf.patterns import pattern
from crlf.wire.explaining.spans import Kind, Span, span_of
from crlf.wire.explaining.values import value_span
from crlf.wire.explaining.words import (
    authority_meaning,
    method_meaning,
    name_meaning,
    path_meaning,
    query_details,
    query_meaning,
    shown,
    status_meaning,
    version_meaning,
)
from crlf.wire.h1.head import NOT_CONTROL

Section = Literal["head", "trailers"]

# Lines of one head or one trailer section that are named; no limit lets so many in.
MOST_FIELDS: Final = 20_000
_CONTROLS = pattern(rb"[\x00-\x08\x0a-\x1f\x7f]+")
_WORDS = pattern(rb" +|[^ ]+")
_ANY_SCHEME = pattern(rb"[A-Za-z][A-Za-z0-9+.\-]*+://")
_LINE_RULE = "RFC 9112 2.2"


class Tiles:
    """Spans of one input as they are made, one behind the other."""

    __slots__ = ("at", "data", "kind", "spans")

    def __init__(self, data: bytes, at: int, kind: Kind = "response") -> None:
        self.kind: Kind = kind
        self.data = data
        self.at = at
        self.spans: list[Span] = []

    def take(self, end: int, element: str, meaning: str = "", rule: str = "") -> None:
        """Say what the bytes up to end are; nothing when there are none."""
        if end > self.at:
            self.spans.append(span_of(self.at, end, element, meaning, rule))
            self.at = end

    def put(self, span: Span) -> None:
        """Take a span that begins where the last one ended."""
        if span.end > span.start:
            self.spans.append(span)
            self.at = span.end

    def take_text(self, end: int, element: str, meaning: str = "", rule: str = "") -> None:
        """Say what text up to end is; control characters in it are broken."""
        text = self.data[self.at : end]
        if text.translate(None, NOT_CONTROL):
            start = self.at
            for found in _CONTROLS.finditer(text):
                self.take(start + found.start(), element, meaning, rule)
                self.take(start + found.end(), "broken", control_meaning(found[0]), _LINE_RULE)
        self.take(end, element, meaning, rule)

    def take_line_end(self, end: int, element: str = "line end", meaning: str = "") -> None:
        """Say what stands between a line's text and its end: CR LF, half of it, or a bare LF."""
        found = self.data[self.at : end]
        if found == b"\r\n":
            self.take(end, element, meaning)
        elif found == b"\r":
            self.take(end, element, "the first half of a line end; its LF has not come")
        elif found:
            self.take(end, "broken", control_meaning(found), _LINE_RULE)


def control_meaning(found: bytes) -> str:
    """Say which control character makes a head broken."""
    names = {0: "NUL", 10: "a bare LF, which ends no line", 13: "a bare CR, which ends no line"}
    return names.get(found[0], f"the control character 0x{found[0]:02x}")


def line_of(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return where a line's text ends, and where the line does; LF ends it, CR or not."""
    end = data.find(b"\n", at, stop)
    if end < 0:
        return (stop - 1 if stop > at and data[stop - 1] == 13 else stop), stop
    return (end - 1 if end > at and data[end - 1] == 13 else end), end + 1


def tile_head(data: bytes, start: int, stop: int, kind: Kind) -> list[Span]:
    """Tile a head from its start line to its empty line, or to stop when it has none.

    After MOST_FIELDS lines it ends where it is.
    """
    tiles = Tiles(data, start, kind)
    text_end, end = line_of(data, start, stop)
    if text_end == start < end and kind == "response":
        tiles.take(end, "broken", "an empty line where a status line belongs", "RFC 9112 4")
        text_end, end = line_of(data, end, stop)
    if kind == "request":
        _tile_request_line(tiles, text_end)
    else:
        _tile_status_line(tiles, text_end)
    tiles.take_line_end(end, meaning="ends the start line")
    tile_fields(tiles, stop, "head")
    return tiles.spans


def tile_fields(tiles: Tiles, stop: int, section: Section) -> None:
    """Tile field lines up to their empty line, that included, or to stop, or MOST_FIELDS."""
    data = tiles.data
    for _ in range(MOST_FIELDS):
        if tiles.at >= stop:
            return
        text_end, end = line_of(data, tiles.at, stop)
        if text_end == tiles.at:
            is_whole = data[text_end:end] == b"\r\n"
            element = "head end" if section == "head" else "body end"
            tiles.take_line_end(end, element if is_whole else "line end")
            return
        if data[tiles.at] in b" \t":
            _tile_fold(tiles, text_end)
        else:
            follows = data[end : end + 1] in (b" ", b"\t") and end < stop
            _tile_field(tiles, text_end, section, is_folded=follows)
        tiles.take_line_end(end)


def _tile_fold(tiles: Tiles, text_end: int) -> None:
    line = tiles.data[tiles.at : text_end]
    tiles.take(text_end - len(line.lstrip(b" \t")), "fold")
    tiles.take_text(tiles.at + len(line.strip(b" \t")), "field value", "more of the value")
    tiles.take(text_end, "whitespace")


def _tile_field(tiles: Tiles, text_end: int, section: Section, *, is_folded: bool) -> None:
    data, start = tiles.data, tiles.at
    is_trailer = section == "trailers"
    name_element = "trailer name" if is_trailer else "field name"
    colon = data.find(b":", start, text_end)
    if colon < 0:
        tiles.take_text(text_end, name_element, "a field line that has no colon")
        return
    text = data[start:colon]
    name = text.rstrip(b" \t").decode("latin-1")
    known = lore_of(name)
    rule = "RFC 9110 5.1" if known is None else known.rule
    tiles.take_text(start + len(name), name_element, name_meaning(name, known), rule)
    tiles.take(colon, "whitespace", "blanks that may not stand before a colon", "RFC 9112 5.1")
    tiles.take(colon + 1, "colon")
    line = data[colon + 1 : text_end]
    tiles.take(text_end - len(line.lstrip(b" \t")), "whitespace")
    value = line.strip(b" \t")
    value_end = tiles.at + len(value)
    element = "trailer value" if is_trailer else "field value"
    if value.translate(None, NOT_CONTROL):
        tiles.take_text(value_end, element, rule=rule)
    elif value:
        text_value = value.decode("latin-1")
        span = value_span(
            tiles.at, element, name, text_value, rule, kind=tiles.kind, is_folded=is_folded
        )
        tiles.put(span)
    tiles.take(text_end, "whitespace")


def _tile_request_line(tiles: Tiles, end: int) -> None:
    """Tile a request line; the words' places decide what they are, but a version is known."""
    data = tiles.data
    method = ""
    seen = 0  # words that are done: method, target, version
    version_at = data.rfind(b" HTTP/", tiles.at, end) + 1
    for found in _WORDS.finditer(data, tiles.at, end):
        word = found[0]
        if word[:1] == b" ":
            if seen == 1 or (seen == 2 and version_at <= found.end()):
                tiles.take(found.start() + 1, "space")
            tiles.take(found.end(), "broken", "a space too many", "RFC 9112 3")
        elif seen == 2 and version_at > found.start():
            tiles.take_text(found.end(), "broken", "a second target", "RFC 9112 3")
        elif seen == 0:
            method = word.decode("latin-1")
            tiles.take_text(found.end(), "method", method_meaning(method))
            seen = 1
        elif seen == 1 and word[:5].upper() != b"HTTP/":
            _tile_target(tiles, found.end(), method)
            seen = 2
        elif seen < 3:
            text = word.decode("latin-1")
            tiles.take_text(found.end(), "version", version_meaning(text, "client"))
            seen = 3
        else:
            tiles.take(found.end(), "broken", "more than method, target and version", "RFC 9112 3")


def _tile_target(tiles: Tiles, end: int, method: str) -> None:
    data, start = tiles.data, tiles.at
    if method == "CONNECT":
        text = data[start:end].decode("latin-1")
        tiles.take_text(end, "target authority", authority_meaning(text, method), "RFC 9112 3.2.3")
        return
    found = _ANY_SCHEME.match(data, start, end)
    rule = "RFC 9112 3.2.1"
    if found is not None:
        rule = "RFC 9112 3.2.2"
        tiles.take(found.end(), "target scheme")
        ends = [at for mark in b"/?#" if (at := data.find(mark, tiles.at, end)) >= 0]
        authority_end = min(ends, default=end)
        text = data[tiles.at : authority_end].decode("latin-1")
        tiles.take_text(authority_end, "target authority", authority_meaning(text, method), rule)
    query = data.find(b"?", tiles.at, end)
    path_end = end if query < 0 else query
    path = data[tiles.at : path_end].decode("latin-1")
    if path == "*":
        rule = "RFC 9112 3.2.4"
    tiles.take_text(path_end, "target path", path_meaning(path, method), rule)
    if query >= 0:
        if data[query:end].translate(None, NOT_CONTROL):
            tiles.take_text(end, "target query")
        else:
            asked = data[query + 1 : end].decode("latin-1")
            details = query_details(query + 1, asked)
            meaning = query_meaning(asked, len(details))
            tiles.put(span_of(query, end, "target query", meaning, details=details))


def _tile_status_line(tiles: Tiles, end: int) -> None:
    data = tiles.data
    space = data.find(b" ", tiles.at, end)
    version_end = end if space < 0 else space
    text = data[tiles.at : version_end].decode("latin-1")
    tiles.take_text(version_end, "version", version_meaning(text, "server"))
    if space < 0:
        return
    tiles.take(space + 1, "space", rule="RFC 9112 4")
    space = data.find(b" ", tiles.at, end)
    code_end = end if space < 0 else space
    meaning, rule = status_meaning(data[tiles.at : code_end].decode("latin-1"))
    tiles.take_text(code_end, "status code", meaning, rule)
    if space >= 0:
        tiles.take(space + 1, "space", rule="RFC 9112 4")
    reason = data[tiles.at : end].decode("latin-1")
    tiles.take_text(end, "reason", f"the status in words, for people: {shown(reason)}")
