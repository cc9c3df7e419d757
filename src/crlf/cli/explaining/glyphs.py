"""Bytes as they are shown: line ends visible, controls escaped, each with the columns it takes.

Its law: every byte of a line is in exactly one glyph, so that a caret below it stands where the
byte is, whatever is wide, combining or escaped before it.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NamedTuple

from crlf.cli.terminal import harmless_line

HEX_ROW: Final = 16  # bytes in a row of binary content


class Glyph(NamedTuple):
    """What is shown for some bytes. width: columns."""

    start: int
    end: int
    text: str
    width: int


def glyphs_of(data: bytes, start: int, end: int, *, has_unicode: bool) -> list[Glyph]:
    """Show bytes of a line: as UTF-8 where they are that, else as escapes."""
    found: list[Glyph] = []
    at = start
    for character in data[start:end].decode("utf-8", "surrogateescape"):
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:
            found.append(Glyph(at, at + 1, f"\\x{code - 0xDC00:02x}", 4))
            at += 1
            continue
        size = 1 if code < 128 else len(character.encode("utf-8"))
        text = _shown(character, has_unicode)
        width = len(text) if text != character else width_of(character)
        found.append(Glyph(at, at + size, text, width))
        at += size
    return found


def _shown(character: str, has_unicode: bool) -> str:
    if character == "\r":
        return "␍" if has_unicode else "\\r"
    if character == "\n":
        return "␊" if has_unicode else "\\n"
    if character > "\x7f" and not has_unicode:
        return "".join([f"\\x{byte:02x}" for byte in character.encode("utf-8")])
    return harmless_line(character)


def width_of(character: str) -> int:
    """Count the columns that a character takes on a terminal."""
    if character < "\x7f":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def text_width(text: str) -> int:
    """Count the columns that harmless text takes."""
    return len(text) if text.isascii() else sum([width_of(each) for each in text])


def hex_rows(data: bytes, start: int, end: int) -> list[tuple[int, int, str]]:
    """Show binary content, so many bytes a row: in hexadecimal, and as ASCII."""
    rows = []
    for at in range(start, end, HEX_ROW):
        piece = data[at : min(at + HEX_ROW, end)]
        text = "".join([chr(byte) if 32 <= byte < 127 else "." for byte in piece])
        rows.append((at, at + len(piece), f"{piece.hex(' ').ljust(HEX_ROW * 3)} {text}"))
    return rows
