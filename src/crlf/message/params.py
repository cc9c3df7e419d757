"""Params: the pairs of a query, a form or a Cookie field, read with the types one asked for.

A mapping from a name to its *first* value, because that is what the browser shows in the
address bar and what proxies judge by; `get_all` gives every value, `pairs` everything in
order. Its law: a value that is not what was asked for is BadParameter (a 400), never a
guess and never a traceback.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar, overload

from crlf.message.errors import BadParameter, MissingParameter, TooLarge
from crlf.message.grammar import parse_digits
from crlf.message.percent import decode_plus
from crlf.patterns import pattern

# The methods of Params carry the names of the types; these stand for the types in its body.
Text = str
Whole = int
Real = float
Flag = bool
Default = TypeVar("Default")
Value = TypeVar("Value")

MAX_PAIRS = 1000  # of one query or form; aiohttp and tornado 1000, ASP.NET 1024
MAX_DIGITS = 18  # of a whole number: whatever they are, a signed 64-bit column holds it

_MISSING = object()
_REAL = pattern(r"-?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_YES = frozenset({"1", "true", "yes", "on"})  # "on" is what a checkbox without a value sends
_NO = frozenset({"0", "false", "no", "off"})


class Params(Mapping[str, str]):
    """An immutable list of (name, value) pairs, read as a mapping to each name's first value.

    Two Params are equal when their pairs are, order included; a Params equals another mapping
    when no name is repeated and the items are the same.

    `int`, `float`, `bool`, `str`, `choice` and `read` read one value. Without a default a missing
    name is BadParameter; a value that is there and is wrong is BadParameter always. An empty
    value counts as missing for all but `str`: that is what a browser sends for an input left
    blank.
    """

    __slots__ = ("_first", "pairs")

    pairs: tuple[tuple[Text, Text], ...]
    _first: dict[Text, Text]

    def __init__(self, pairs: Iterable[tuple[Text, Text]] = ()) -> None:
        self.pairs = tuple(pairs)
        self._first = {}
        for name, value in self.pairs:
            self._first.setdefault(name, value)

    def __getitem__(self, name: Text) -> Text:
        """Return a name's first value. Raises MissingParameter, a KeyError and a 400."""
        value = self._first.get(name)
        if value is None:
            raise missing(name, "a text", MissingParameter)
        return value

    def __contains__(self, name: object) -> Flag:
        return name in self._first

    def __iter__(self) -> Iterator[Text]:
        return iter(self._first)

    def __len__(self) -> Whole:
        return len(self._first)

    def __eq__(self, other: object) -> Flag:
        if isinstance(other, Params):
            return self.pairs == other.pairs
        if isinstance(other, Mapping):
            return len(self.pairs) == len(self._first) and self._first == dict(other)
        return NotImplemented

    def __hash__(self) -> Whole:
        return hash(self.pairs)

    def __repr__(self) -> Text:
        return f"Params({list(self.pairs)!r})"

    def get_all(self, name: Text) -> list[Text]:
        """List every value of a name, in order; an empty list when there is none."""
        return [value for key, value in self.pairs if key == name]

    @overload
    def str(self, name: Text) -> Text: ...
    @overload
    def str(self, name: Text, default: Default) -> Text | Default: ...
    def str(self, name: Text, default: object = _MISSING) -> object:
        """Read a value as it came, which may be empty."""
        value = self._first.get(name)
        if value is None:
            return _ormissing(default, name, "a text")
        return value

    @overload
    def int(self, name: Text) -> Whole: ...
    @overload
    def int(self, name: Text, default: Default) -> Whole | Default: ...
    def int(self, name: Text, default: object = _MISSING) -> object:
        """Read a whole number: an optional "-" and at most 18 ASCII digits."""
        value = self._first.get(name)
        if not value:
            return _ormissing(default, name, "a whole number")
        number = parse_digits(value.removeprefix("-"), MAX_DIGITS)
        if number is None:
            raise _not_a("a whole number", name, value)
        return -number if value[0] == "-" else number

    @overload
    def float(self, name: Text) -> Real: ...
    @overload
    def float(self, name: Text, default: Default) -> Real | Default: ...
    def float(self, name: Text, default: object = _MISSING) -> object:
        """Read a finite decimal number, as a number input writes it: -1, 1.5, .5, 2e3."""
        value = self._first.get(name)
        if not value:
            return _ormissing(default, name, "a number")
        if _REAL.fullmatch(value) is None or not math.isfinite(number := Real(value)):
            raise _not_a("a number", name, value)
        return number

    @overload
    def bool(self, name: Text) -> Flag: ...
    @overload
    def bool(self, name: Text, default: Default) -> Flag | Default: ...
    def bool(self, name: Text, default: object = _MISSING) -> object:
        """Read yes or no: 1 true yes on, 0 false no off, in any case."""
        value = self._first.get(name)
        if not value:
            return _ormissing(default, name, "yes or no")
        word = value.lower() if value.isascii() else value
        if word in _YES:
            return True
        if word in _NO:
            return False
        raise _not_a("yes or no", name, value)

    @overload
    def choice(self, name: Text, among: Iterable[Text]) -> Text: ...
    @overload
    def choice(self, name: Text, among: Iterable[Text], default: Default) -> Text | Default: ...
    def choice(self, name: Text, among: Iterable[Text], default: object = _MISSING) -> object:
        """Read one of some texts, as it stands among them."""
        value, listed = self._first.get(name), tuple(among)
        if value and value in listed:
            return value
        expected = f"one of {', '.join(listed)}"
        if not value:
            return _ormissing(default, name, expected)
        raise _not_a(expected, name, value)

    @overload
    def read(
        self, name: Text, reader: Callable[[Text], Value], *, expected: Text = ""
    ) -> Value: ...
    @overload
    def read(
        self, name: Text, reader: Callable[[Text], Value], default: Default, *, expected: Text = ""
    ) -> Value | Default: ...
    def read(
        self,
        name: Text,
        reader: Callable[[Text], object],
        default: object = _MISSING,
        *,
        expected: Text = "a value that can be read",
    ) -> object:
        """Read a value by a function of one's own, such as date.fromisoformat or an Enum.

        reader: raises ValueError or ArithmeticError for what it cannot read. expected: what the
        visitor is told that it should be, "a date".
        """
        value = self._first.get(name)
        if not value:
            return _ormissing(default, name, expected)
        try:
            return reader(value)
        except (ValueError, ArithmeticError):  # the second is Decimal's
            raise _not_a(expected, name, value) from None


def parse_pairs(
    text: str, limit: int = MAX_PAIRS, what: str = "query_fields", status_code: int = 414
) -> Params:
    """Read `name=value&name=value`, the form of queries and of urlencoded bodies (WHATWG URL 5.1).

    A name without "=" has an empty value; empty pieces are skipped, but count. Raises TooLarge,
    called `what`, when there are over `limit` pieces: they are counted before any is made.
    """
    if not text:
        return Params()
    if text.count("&") >= limit:
        raise TooLarge(what, limit, status_code)
    pairs = []
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((decode_plus(name), decode_plus(value)))
    return Params(pairs)


def missing(name: str, expected: str, kind: type[BadParameter] = BadParameter) -> BadParameter:
    """Say that nothing came where something was needed."""
    return kind(
        f"parameter {_shown(name)} is missing: {expected} needed", name=name, expected=expected
    )


def _not_a(expected: str, name: str, value: str) -> BadParameter:
    """Say that what came is not what was expected."""
    reason = f"parameter {_shown(name)} should be {expected}, and is {_shown(value)}"
    return BadParameter(reason, name=name, expected=expected)


def _ormissing(default: object, name: str, expected: str) -> object:
    if default is _MISSING:
        raise missing(name, expected)
    return default


def _shown(text: str) -> str:
    """At most 40 characters, all of them printable ASCII, in quotes."""
    shown = ascii(text[:40])[1:-1]
    return f"'{shown}'" if len(text) <= 40 and len(shown) <= 40 else f"'{shown[:40]}...'"
