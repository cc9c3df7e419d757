"""JSON from the names of items: `a[b][]=1`, `a[0][x]:=2`, `[]=1`, in HTTPie's form.

A name is a path: its first step, then one in brackets after the other. `[word]` is a key of an
object, `[7]` a place in an array, `[]` its end; a backslash takes the meaning of a bracket, a
backslash or a number away. What a place is made to be by its first use it stays. Its law: the
result is bounded by what was typed, whatever numbers are in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from crlf.cli.asking.items import Item
from crlf.cli.exits import Failure
from crlf.cli.terminal import harmless_line
from crlf.patterns import pattern

MAX_DEPTH: Final = 100  # brackets of one name; Python's json writes some 1000
MAX_GAPS: Final = 10_000  # nulls in all that fill arrays up; HTTPie makes as many as one asks for

_NUMBER = pattern("-?[0-9]+")
_ESCAPED_NUMBER = pattern(r"\\-?[0-9]+")
_SPECIAL = frozenset("[]\\")
_KINDS: Final = (
    (dict, "an object"), (list, "an array"), (str, "a text"), (bool, "true or false"),
    ((int, float), "a number"), (type(None), "null"),
)  # fmt: skip


class Step(NamedTuple):
    """One step of a path. key: a text, a place, or None for the end. start, end: in the name."""

    key: str | int | None
    start: int
    end: int


class Token(NamedTuple):
    """A bracket, or what is between brackets. kind: "[", "]", "text" or "number"."""

    kind: str
    text: str
    start: int
    end: int


class DoubledObject(dict[str, object]):
    """A JSON object of which a key comes twice: it is written as it came, and read by its last."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def __setitem__(self, key: str, value: object) -> None:
        """Put a value in the place of all that the key had."""
        super().__setitem__(key, value)
        self._pairs = [*(pair for pair in self._pairs if pair[0] != key), (key, value)]

    def items(self) -> list[tuple[str, object]]:  # type: ignore[override]  # json wants a list
        """List the pairs, as json.dumps asks for them."""
        return self._pairs


def parse_json(text: str) -> object:
    """Read JSON as RFC 8259 has it, keys that come twice included. Raises ValueError."""
    import json  # few requests have it

    return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)


def build_json(values: Iterable[tuple[Item, object]]) -> object:
    """Put values at the places that their items' names say. Raises Failure."""
    builder = _Builder()
    for item, value in values:
        builder.put(item, value)
    return builder.root


def parse_path(name: str) -> list[Step]:
    """Take a name apart. Raises Failure with a caret under what is wrong."""
    tokens = _tokens(name)
    at = 0

    def take(*kinds: str) -> Token:
        nonlocal at
        token = tokens[at] if at < len(tokens) else Token("", "", len(name), len(name) + 1)
        at += 1
        if token.kind not in kinds:
            raise _fault(_missing(kinds, token), name, token.start, token.end)
        return token

    steps: list[Step] = []
    if tokens and tokens[0].kind in ("text", "number"):
        first = take("text", "number")
        steps.append(Step(first.text, first.start, first.end))
    while at < len(tokens):
        opening = take("[")
        kinds = ("text", "number", "]") if steps else ("number", "]")
        inner = take(*kinds)
        key: str | int | None = None
        closing = inner
        if inner.kind != "]":
            key = _place(inner, name) if inner.kind == "number" else inner.text
            closing = take("]")
        steps.append(Step(key, opening.start, closing.end))
        if len(steps) > MAX_DEPTH:
            raise _fault(
                f"{len(steps)} brackets: JSON is nested at most {MAX_DEPTH} deep here",
                name, opening.start, closing.end,
            )  # fmt: skip
    return steps


class _Builder:
    """The JSON so far. gaps: how many nulls fill up its arrays."""

    def __init__(self) -> None:
        self.root: object = None
        self.gaps = 0

    def put(self, item: Item, value: object) -> None:
        """Set one value. Raises Failure where its way leads through what is something else."""
        name = item.name
        steps = parse_path(name)
        if self.root is None:
            self.root = _container(steps[0])
        place: object = self.root
        for number, step in enumerate(steps):
            is_last = number == len(steps) - 1
            wanted = value if is_last else _container(steps[number + 1])
            if isinstance(step.key, str):
                place = self._in_object(place, step, wanted, is_last, name)
            else:
                place = self._in_array(place, step, wanted, is_last, name)

    def _in_object(
        self, place: object, step: Step, wanted: object, is_last: bool, name: str
    ) -> object:
        if not isinstance(place, dict):
            raise _conflict(place, step, name, "an object, which has keys")
        if is_last or step.key not in place:
            place[step.key] = wanted
            return wanted
        return place[step.key]

    def _in_array(
        self, place: object, step: Step, wanted: object, is_last: bool, name: str
    ) -> object:
        if not isinstance(place, list):
            raise _conflict(place, step, name, "an array, which has places")
        if step.key is None:
            place.append(wanted)
            return wanted
        at = int(step.key)
        missing = at - len(place)
        if missing > 0:
            self.gaps += missing
            if self.gaps > MAX_GAPS:
                raise _fault(
                    f"place {at} leaves too many empty before it: {MAX_GAPS:,} are filled with "
                    "null at most",
                    name, step.start, step.end,
                )  # fmt: skip
        place.extend([None] * (missing + 1))
        if is_last or place[at] is None:
            place[at] = wanted
        return place[at]


def _container(step: Step) -> dict[str, object] | list[object]:
    """Return what a step is taken in."""
    return {} if isinstance(step.key, str) else []


def _tokens(name: str) -> list[Token]:
    """Split a name at its brackets, in one walk."""
    tokens: list[Token] = []
    kept: list[str] = []
    start = at = 0
    has_escapes = False

    def finish(end: int) -> None:
        nonlocal has_escapes
        if kept:
            text = "".join(kept)
            kind = "number" if not has_escapes and _NUMBER.fullmatch(text) else "text"
            if not has_escapes and _ESCAPED_NUMBER.fullmatch(text):
                text = text[1:]
            tokens.append(Token(kind, text, start, end))
            kept.clear()
        has_escapes = False

    while at < len(name):
        letter = name[at]
        if letter in "[]":
            finish(at)
            tokens.append(Token(letter, letter, at, at + 1))
            start = at + 1
        elif letter == "\\" and name[at + 1 : at + 2] in _SPECIAL:
            at += 1
            kept.append(name[at])
            has_escapes = True
        else:
            kept.append(letter)
        at += 1
    finish(at)
    return tokens


def _place(token: Token, name: str) -> int:
    """Read a place in an array. Raises Failure for what is before its start, or far off."""
    if token.text[0] == "-":
        raise _fault(
            f"an array has no place {token.text}: the first is 0, and [] is its end",
            name, token.start, token.end,
        )  # fmt: skip
    digits = token.text.lstrip("0") or "0"
    if len(digits) > len(str(MAX_GAPS)):
        raise _fault(
            f"no place so far off: {MAX_GAPS:,} before it are filled with null at most",
            name, token.start, token.end,
        )  # fmt: skip
    return int(digits)


def _missing(kinds: tuple[str, ...], token: Token) -> str:
    """Say what had to stand where something else does, or nothing."""
    if kinds == ("]",):
        wanted = "a ] is missing"
    elif kinds == ("[",):
        wanted = "only another [ may follow a ]" if token.kind != "]" else "this ] closes nothing"
    elif kinds == ("number", "]"):
        wanted = "a name that begins with [ is an array: a number or ] follows"
    else:
        wanted = "a key, a number or ] is missing after the ["
    return f"{wanted}; \\{token.kind} is a plain one" if token.kind in ("[", "]") else wanted


def _conflict(place: object, step: Step, name: str, wanted: str) -> Failure:
    before = name[: step.start]
    kind = next(words for types, words in _KINDS if isinstance(place, types))
    what = f"{before!r} is {kind}" if before else f"the whole is {kind}"
    return _fault(f"{what} by now, and this needs {wanted}", name, step.start, step.end)


def _fault(line: str, name: str, start: int, end: int) -> Failure:
    """Make the error that shows where in a name something is wrong."""
    margin = len(harmless_line(name[:start]))
    width = max(1, len(harmless_line(name[start:end])))
    return Failure(line, below=(name, " " * margin + "^" * width))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else DoubledObject(pairs)


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number that is too large")
    return number
