"""Cache-Control by path: for how long which files may be kept without asking.

Rules are patterns and values, tried in their order; the first that fits says it. Without one a
file may be kept and is asked about each time: else a cache guesses for how long it is good (RFC
9111 4.2.2), and shows an old page after a new one is there. Its law: nothing is said to be good
for long that the program has not said so of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from crlf.message.headers import check_field
from crlf.patterns import pattern

ASK: Final = "no-cache"
FOREVER: Final = "max-age=31536000, immutable"  # RFC 8246; a year, as RFC 9111 has no more
# A build tool's names: app.3f2a9b1c.js (webpack, Parcel), index-DiwrgTda.css (Vite, Rollup),
# main-LOQZ6YWM.js (esbuild); the map of each goes with it.
_DOTTED: Final = pattern(r".*\.([A-Za-z0-9_\-]{8,64})\.[A-Za-z0-9]{1,8}(?:\.map)?")
_DASHED: Final = pattern(r".*-([A-Za-z0-9_\-]{8})\.[A-Za-z0-9]{1,8}(?:\.map)?")
_CLASSES: Final = (pattern(r".*[0-9]"), pattern(r".*[a-z]"), pattern(r".*[A-Z]"))
_PAGES: Final = (".html", ".htm", ".xhtml", ".html.map")


class CacheRules:
    """What Cache-Control says of which path.

    rules: by pattern, in which `*` is any text, slashes too: "/assets/*", "*.css". hashed: names
    that have a digest of their content in them are good for ever.

    Raises ValueError for a value that no field may have.
    """

    __slots__ = ("_default", "_hashed", "_rules")

    def __init__(
        self,
        rules: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        hashed: bool = False,
        default: str = ASK,
    ) -> None:
        pairs = rules.items() if isinstance(rules, Mapping) else rules
        self._rules = tuple((tuple(one.split("*")), value) for one, value in pairs)
        self._hashed = hashed
        self._default = default
        for value in (default, *(value for _, value in self._rules)):
            check_field("cache-control", value)

    def value_of(self, path: str) -> str:
        """Return the Cache-Control of a decoded path, such as "/assets/app.js"; "" for none."""
        for pieces, value in self._rules:
            if _fits(pieces, path):
                return value
        if self._hashed and is_hashed(path.rpartition("/")[2]):
            return FOREVER
        return self._default


def parse_rules(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Read rules that are written "PATTERN=VALUE". Raises ValueError for one that is not."""
    rules = []
    for text in texts:
        start, equals, value = text.partition("=")
        if not equals or not start:
            raise ValueError(
                f"a cache rule is PATTERN=VALUE, as in '/assets/*=max-age=600': {text!r}"
            )
        rules.append((start, value))
    return rules


def is_hashed(name: str) -> bool:
    """Tell whether a file's name looks as if a build tool had put a digest into it.

    That is name.DIGEST.ext, or name-DIGEST.ext with 8 characters: of two kinds among digits,
    small and capital letters, or 8 capitals. A page never is: others link to it by its name.
    """
    if name.lower().endswith(_PAGES):
        return False
    found = _DASHED.fullmatch(name) or _DOTTED.fullmatch(name)
    if found is None:
        return False
    kinds = [kind.match(found[1]) is not None for kind in _CLASSES]
    return sum(kinds) > 1 or (len(found[1]) == 8 and kinds == [False, False, True])


def _fits(pieces: tuple[str, ...], path: str) -> bool:
    """Tell whether a path is these pieces with anything between them; in linear time."""
    first, *middle = pieces
    if not middle:
        return path == first
    last = middle.pop()
    if not path.startswith(first) or not path.endswith(last):
        return False
    at, end = len(first), len(path) - len(last)
    for piece in middle:
        found = path.find(piece, at, end) if at <= end else -1
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end
