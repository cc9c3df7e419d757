"""Kinds of values that a setting may have: from text, from TOML, and back to TOML.

A command line and an environment know only text, TOML knows more; both become the same value
here, or a BadValue that says what would have been right. Its law: what `shown` writes, `read`
reads as the same value, so that a configuration that was printed can be saved and used; of a
secret it writes stars, and whoever prints says so.
"""

from __future__ import annotations

from collections.abc import Callable

from crlf.message.grammar import parse_digits
from crlf.patterns import pattern
from crlf.rules.deadlines import LONGEST
from crlf.values import frozen

OFF = "off"
NO_LIMIT = 2**62  # what "off" is for a limit that has to be a number
_NO = ("no", "false", "off", "0")
_YES = ("yes", "true", "on", "1")
_SIZE = pattern(r"([0-9]{1,15})(?: ?([KMGTkmgt])(?:i?[Bb])?)?")
_SECONDS = pattern(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h)?")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SPANS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PLAIN = pattern(r'[^"\\\x00-\x1f\x7f]*')


class BadValue(ValueError):
    """A value is not of its setting's kind. The text says what is."""


@frozen
class Kind:
    """A kind of value.

    wanted: what it takes, for people: "a whole number". read: makes a value of a text. may_be:
    the types that TOML may give for it beside text. separator: its value is a tuple, of which
    `read` makes one at a time, and this stands between them in a variable.
    """

    wanted: str
    read: Callable[[str], object]
    may_be: tuple[type, ...] = ()
    separator: str = ""

    def value_of(self, given: object) -> object:
        """Make the value of what was given: a text, TOML's value, or a list. Raises BadValue."""
        return self._many(given) if self.separator else self._one(given)

    def _one(self, given: object) -> object:
        if isinstance(given, bool) and bool not in self.may_be:
            if given or OFF not in self.wanted:
                raise BadValue(f"takes {self.wanted}, not {str(given).lower()}")
            given = OFF  # "idle = false" says what it means
        elif not isinstance(given, str | bool) and type(given) not in self.may_be:
            raise BadValue(f"takes {self.wanted}, not {_named(given)}")
        text = given if isinstance(given, str) else str(given).lower()
        if "\x00" in text:
            raise BadValue("has a NUL in it")
        try:
            return self.read(text)
        except ValueError as fault:
            raise BadValue(str(fault) or f"takes {self.wanted}, not {text!r}") from None

    def _many(self, given: object) -> tuple[object, ...]:
        if isinstance(given, str):
            pieces = given.split(self.separator)
            given = [word for piece in pieces if (word := piece.strip(" \t"))]
        if not isinstance(given, list | tuple):
            raise BadValue(f"takes a list of {self.wanted}, not {_named(given)}")
        return tuple(self._one(item) for item in given)


def _named(given: object) -> str:
    """Name what TOML gave, for people."""
    if isinstance(given, dict):
        return "a table"
    if isinstance(given, list):
        return "a list"
    return str(given)


# --- the kinds -----------------------------------------------------------------------------------


def _read_flag(text: str) -> bool:
    word = text.lower()
    if word not in _YES and word not in _NO:
        raise ValueError
    return word in _YES


def _read_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has control characters in it")
    return text


def _read_optional(text: str) -> str | None:
    return None if text.lower() in (OFF, "") else _read_text(text)


class Secret(str):
    """A text that is not shown: it is printed as stars, and only compared."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, form: str) -> str:
        return format("***", form)


def _read_secret(text: str) -> Secret | None:
    read = _read_optional(text)
    return None if read is None else Secret(read)


def _read_size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError
    return int(found[1]) * _UNITS[(found[2] or "").upper()]


def _read_limit(text: str) -> int:
    return NO_LIMIT if text.lower() == OFF else _read_size(text)


def _read_maybe_limit(text: str) -> int | None:
    return None if text.lower() == OFF else _read_size(text)


def _read_span(text: str) -> float:
    if text.lower() == OFF:
        return LONGEST
    found = _SECONDS.fullmatch(text)
    seconds = -1.0 if found is None else float(found[1]) * _SPANS[found[2] or ""]
    if not 0 <= seconds <= LONGEST:
        raise ValueError
    return seconds


def _read_seconds(text: str) -> float:
    seconds = _read_span(text)
    if not seconds:
        raise ValueError
    return seconds


def choice(*words: str) -> Kind:
    """Return the kind that is one of some words."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", read, (bool,) if OFF in words else ())


def whole(least: int, most: int) -> Kind:
    """Return the kind of whole numbers in a range."""

    def read(text: str) -> int:
        number = parse_digits(text, 9)
        if number is None or not least <= number <= most:
            raise ValueError
        return number

    return Kind(f"a number from {least} to {most}", read, (int,))


FLAG = Kind("yes or no", _read_flag, (bool,))
TEXT = Kind("a text", _read_text)
OPTIONAL = Kind('a text, or "off"', _read_optional)
SECRET = Kind('a text that is not shown, or "off"', _read_secret, (int,))
PATH = Kind("a path", _read_text)
MAYBE_PATH = Kind('a path, or "off"', _read_optional)
WORDS = Kind("texts", _read_text, separator=",")
PATHS = Kind("paths", _read_text, separator=",")
RULES = Kind("texts", _read_text, separator=";")  # each may have commas in it
SIZE = Kind('a size as in 64K or 16M, or "off"', _read_limit, (int,))
MAYBE_SIZE = Kind('a size as in 64K or 16M, or "off"', _read_maybe_limit, (int,))
COUNT = Kind('a number from 1 on, or "off"', _read_limit, (int,))
SECONDS = Kind('seconds as in 10, 0.5 or 2m, or "off"', _read_seconds, (int, float))
SPAN = Kind('seconds as in 10, 0.5 or 0, or "off"', _read_span, (int, float))


# --- back to TOML --------------------------------------------------------------------------------


def shown(kind: Kind, value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, tuple):
        return f"[{', '.join(_quoted(str(item)) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value in (NO_LIMIT, LONGEST):
        return _quoted(OFF)
    if isinstance(value, int) and kind in (SIZE, MAYBE_SIZE):
        return _size(value)
    if isinstance(value, int | float):
        return f"{value:.15g}"
    return _quoted(str(value))


def _size(size: int) -> str:
    for letter in "TGMK":
        if size % _UNITS[letter] == 0:
            return f'"{size // _UNITS[letter]}{letter}"'
    return str(size)


def _quoted(text: str) -> str:
    """Write a text as TOML's basic string."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    safe = "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{safe}"'
