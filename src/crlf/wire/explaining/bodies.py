"""Bodies taken apart for showing: chunks, their lines, trailers; content of a length; the rest.

Where a body ends is the engine's to say; here the bytes before that are named. Its law: chunks
are counted as the engine counts them, and what cannot be counted is shown line by line.
"""

from __future__ import annotations

from typing import Final

from crlf.message.grammar import parse_hex
from crlf.patterns import pattern
from crlf.wire.explaining.heads import Tiles, line_of, tile_fields
from crlf.wire.explaining.spans import Span, span_of
from crlf.wire.explaining.words import shown

# What is shown line by line of what nobody reads, and chunk by chunk of one body; what comes then
# is one span. Nobody looks at so many, and each takes a kilobyte when it is told.
MOST_UNREAD: Final = 1000
MOST_CHUNKS: Final = 10_000
_SIZE = pattern(rb"[0-9A-Fa-f]*")


def bytes_of(count: int) -> str:
    """Write a number of bytes as people do."""
    return f"{count:,} byte{'' if count == 1 else 's'}"


def tile_content(start: int, stop: int, meaning: str, rule: str) -> list[Span]:
    """Tile content that has no frame inside."""
    return [span_of(start, stop, "content", meaning, rule)] if stop > start else []


def tile_chunks(data: bytes, start: int, stop: int, halt: int | None = None) -> list[Span]:
    """Tile a chunked body, its trailers and its end, as far as stop; broken or not whole.

    halt: where what is broken begins; the line that begins there is the last that is named.
    """
    tiles = Tiles(data, start)
    count = 0
    while tiles.at < stop:
        count += 1
        if count > MOST_CHUNKS:
            end = _skip_chunks(data, tiles.at, stop if halt is None else min(halt, stop))
            tiles.take(end, "chunk data", f"{bytes_of(end - tiles.at)} of further chunks")
            count = -1 << 60  # what comes now is the last, or broken
            continue
        is_last = halt is not None and tiles.at >= halt
        text_end, end = line_of(data, tiles.at, stop)
        size = _tile_size(tiles, text_end)
        tiles.take_line_end(end)
        if size is None or (is_last and size):
            return tiles.spans + tile_unread(data, tiles.at, stop)
        if size == 0:
            tile_fields(tiles, stop, "trailers")
            return tiles.spans + tile_unread(data, tiles.at, stop)
        have = min(size, stop - tiles.at)
        lacks = f"; {bytes_of(size - have)} more of this chunk should follow" if have < size else ""
        tiles.take(tiles.at + have, "chunk data", f"{bytes_of(have)} of content{lacks}")
        found = data[tiles.at : min(tiles.at + 2, stop)]
        if not b"\r\n".startswith(found):
            return tiles.spans + tile_unread(data, tiles.at, stop)
        tiles.take(tiles.at + len(found), "chunk end")
    return tiles.spans


def _skip_chunks(data: bytes, at: int, stop: int) -> int:
    """Find where chunks end that are whole: at the last one, at stop, or at what is broken."""
    while at < stop:
        text_end, end = line_of(data, at, stop)
        found = _SIZE.match(data, at, text_end)
        size = None if found is None else parse_hex(found[0].decode("ascii"))
        if not size or end + size + 2 > stop:
            break
        at = end + size + 2
    return at


def _tile_size(tiles: Tiles, text_end: int) -> int | None:
    """Tile a chunk's first line; return its size, None when there is none."""
    found = _SIZE.match(tiles.data, tiles.at, text_end)
    digits = b"" if found is None else found[0]
    text = digits.decode("ascii")
    size = parse_hex(text)
    if size is None:
        tiles.take_text(text_end, "chunk size", "no size of a chunk")
    elif size == 0:
        tiles.take(tiles.at + len(text), "last chunk")
    else:
        verb = "follows" if size == 1 else "follow"
        meaning = f"{bytes_of(size)} of content {verb} in this chunk (hexadecimal {text})"
        tiles.take(tiles.at + len(text), "chunk size", meaning)
    if tiles.at < text_end:
        extension = tiles.data[tiles.at : text_end].decode("latin-1")
        meaning = f"{shown(extension)}: said of this chunk only, and ignored"
        tiles.take_text(text_end, "chunk extension", meaning)
    return size


def tile_unread(
    data: bytes, start: int, stop: int, element: str = "not read", meaning: str = ""
) -> list[Span]:
    """Tile bytes that nobody reads, line by line; after MOST_UNREAD lines in one span."""
    spans: list[Span] = []
    while start < stop:
        if len(spans) == MOST_UNREAD:
            return [*spans, span_of(start, stop, element, meaning)]
        _, end = line_of(data, start, stop)
        spans.append(span_of(start, end, element, meaning))
        start = end
    return spans
