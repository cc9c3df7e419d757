"""Words of strangers as a log may have them: plain, short, and without what is secret.

Its law: what comes out is visible ASCII without a quote or a backslash that is not an escape, and
no longer than was asked for; no escape is cut in two.
"""

from __future__ import annotations

from typing import Final

from crlf.patterns import pattern

_PLAIN: Final = pattern(r"[ !#-\[\]-~]*")  # visible ASCII but for quote and backslash
_USERINFO: Final = pattern(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//[^/?#@]*@")


def quoted(text: str, most: int) -> str:
    r"""Escape a text for between quotes: every byte that is not plain as \xNN, at most so long.

    What is cut ends with "...".
    """
    if len(text) > most:
        text = text[: most - 3] + "..."
    if _PLAIN.fullmatch(text) is not None:
        return text
    return _bounded(_escaped_bytes(text), most)


def json_text(text: str, most: int) -> str:
    r"""Write a text as JSON, quotes included, in ASCII; a byte of the wire is one \u00NN."""
    if len(text) > most:
        text = text[: most - 3] + "..."
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{_bounded([_json_character(character) for character in text], most)}"'


def _bounded(pieces: list[str], most: int) -> str:
    """Join escapes, none of them cut in two."""
    whole = "".join(pieces)
    if len(whole) <= most:
        return whole
    size, kept = 3, []
    for piece in pieces:
        size += len(piece)
        if size > most:
            break
        kept.append(piece)
    return "".join([*kept, "..."])


def _escaped_bytes(text: str) -> list[str]:
    """Escape character by character. On the wire one is a byte; beyond U+00FF it is UTF-8."""
    return [_BYTES[ord(each)] if each <= "\xff" else _beyond(each) for each in text]


def _beyond(character: str) -> str:
    return "".join([_BYTES[byte] for byte in character.encode("utf-8", "surrogatepass")])


def _json_character(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if 0x20 <= code < 0x7F:
        return character
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"


_BYTES: Final = tuple(
    [
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}"
        for byte in range(256)
    ]
)


def without_query(target: str) -> str:
    """Cut a target, or a referer, at its query; a user's name and password go too."""
    return without_userinfo(target.partition("?")[0].partition("#")[0])


def without_userinfo(target: str) -> str:
    """Take a user's name and password out of a target, or a referer."""
    named = _USERINFO.match(target)
    return target if named is None else f"{target[: target.index('//')]}//{target[named.end() :]}"
