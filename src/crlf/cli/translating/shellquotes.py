"""Words for a shell: quoted so that each is read as it is, on one line, harmless on a terminal.

What only a shell can fill in stands in a word as one character of private use; it is written as
it was, in double quotes. `$'...'` is for control characters: bash, zsh, ksh, and POSIX since 2024.
"""

from __future__ import annotations

from collections.abc import Iterator

from crlf.patterns import pattern

FIRST = 0x100000  # Plane 16, private use: a character for each expansion

_BARE = pattern(r"[A-Za-z0-9@%+=:,./_-]+")
# What no terminal should see, and no line can hold: C0, DEL, C1, what turns text around, and
# bytes that are no UTF-8.
SECRET = pattern(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)  # fmt: skip
# A ! in double quotes is history to an interactive shell.
_UNQUOTED = pattern(
    "[!\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NAME = pattern("[$][A-Za-z0-9_]+")
_MORE = pattern("[A-Za-z0-9_]")
_ESCAPED = {sign: f"\\{sign}" for sign in '$`"\\'}
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", "\\": "\\\\"}


def quote(word: str, expansions: dict[str, str], *, is_ascii: bool = False) -> str:
    """Write a word so that a shell reads it; expansions as they were, in double quotes.

    is_ascii: only ASCII can be written.
    """
    if not has_expansion(word, expansions):
        return _quoted(word, is_ascii)
    if _UNQUOTED.search(word) is None and (word.isascii() or not is_ascii):
        return '"' + "".join(_in_double(word, expansions)) + '"'
    pieces: list[str] = []
    plain: list[str] = []
    for sign in word:
        if sign not in expansions:
            plain.append(sign)
            continue
        if plain:
            pieces.append(_quoted("".join(plain), is_ascii))
        pieces.append(f'"{expansions[sign]}"')
        plain = []
    if plain:
        pieces.append(_quoted("".join(plain), is_ascii))
    return "".join(pieces)


def _in_double(word: str, expansions: dict[str, str]) -> Iterator[str]:
    """Write a word for double quotes; a name stands in braces before what would be part of it."""
    for sign, after in zip(word, [*word[1:], ""], strict=True):
        written = expansions.get(sign)
        if written is None:
            yield _ESCAPED.get(sign, sign)
        elif _NAME.fullmatch(written) and _MORE.match(after):
            yield f"${{{written[1:]}}}"
        else:
            yield written


def has_expansion(word: str, expansions: dict[str, str]) -> bool:
    """Tell whether a shell has to fill in some of a word."""
    return bool(expansions) and any(sign in expansions for sign in word)


def _quoted(text: str, is_ascii: bool) -> str:
    r"""Quote literal text: bare, in single quotes, or as $'...' when it has control characters."""
    if _BARE.fullmatch(text):
        return text
    if SECRET.search(text) is None and (text.isascii() or not is_ascii):
        return "'" + text.replace("'", "'\\''") + "'"
    signs = [
        _SHORT[sign]
        if sign in _SHORT
        else _octal(sign)
        if SECRET.match(sign) or (is_ascii and not sign.isascii())
        else sign
        for sign in text
    ]
    return "$'" + "".join(signs) + "'"


def _octal(sign: str) -> str:
    return "".join([f"\\{byte:03o}" for byte in sign.encode("utf-8", "surrogateescape")])
