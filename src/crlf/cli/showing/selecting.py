"""--select: the parts of a JSON answer that a path leads to.

    path   = [ "." ] [ name ] *( "." name / ".." name / "[" [ what ] "]" )
    what   = index / slice / text       ; nothing: every element, or every value of an object
    index  = [ "-" ] digits             ; from 0; -1 is the last
    slice  = [ index ] ":" [ index ]    ; as in Python: the first is in it, the second is not
    text   = <">, with \\" and \\\\, <">   ; a name with odd characters in it
    name   = 1*( any but . [ ] " and white space )

`..name` is every value of that name, at any depth. A text is written as it is, everything else
as JSON on one line. Its law: what is selected is as it came: numbers keep their digits, objects
the order of their names and names that are there twice.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from crlf.cli.exits import OTHER, Failure
from crlf.cli.showing.jsontext import JsonShape
from crlf.cli.showing.output import Output
from crlf.cli.terminal import Style, harmless
from crlf.message.batch import Batch
from crlf.message.errors import TooLarge
from crlf.patterns import pattern

MOST = 64 * 1024 * 1024  # bytes of an answer in which something is selected; its values take more
_KNOWN = 4096  # numbers that are kept once, however often they come
_NAME = pattern(r'[^.\[\]" \t\r\n]+')
_NUMBER = pattern(r"-?[0-9]{1,9}")
_SLICE = pattern(r"(-?[0-9]{1,9})?:(-?[0-9]{1,9})?")
_TEXT = pattern(r'"((?:[^"\\]|\\["\\])*+)"')


class Step(NamedTuple):
    """One step of a path: `name` at any depth or here, an `index`, a slice, or every element."""

    kind: str  # "name", "deep", "index", "slice", "every"
    name: str = ""
    start: int | None = None
    end: int | None = None


class Number(str):
    """A number of JSON, as it was written."""

    __slots__ = ()


class _Numbers(dict[str, Number]):
    """Numbers by how they are written: the same few come again and again, and are one object."""

    __slots__ = ()

    def __missing__(self, text: str) -> Number:
        number = Number(text)
        if len(self) < _KNOWN:
            self[text] = number
        return number


class Pairs(list[tuple[str, object]]):
    """An object of JSON: its names and values, in order."""

    __slots__ = ()


def parse_path(text: str) -> list[Step]:
    """Read a path. Raises Failure that shows where it goes wrong."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        start = at
        if text.startswith("..", at):
            at += 2
            kind = "deep"
        elif text[at] == ".":
            at += 1
            kind = "name"
        else:
            kind = "name"
        if text[at : at + 1] == "[" and (kind == "name" and (start == at or start == 0)):
            step, at = _bracket(text, at)
        elif at == len(text) and text == ".":
            break
        elif start == at and steps:
            raise _wrong(text, at)
        else:
            found = _TEXT.match(text, at)
            name = _NAME.match(text, at)
            if found is not None:
                step, at = Step(kind, _plain(found[1])), found.end()
            elif name is not None:
                step, at = Step(kind, name[0]), name.end()
            else:
                raise _wrong(text, at)
        steps.append(step)
    return steps


def _bracket(text: str, at: int) -> tuple[Step, int]:
    """Read what stands in brackets; return it, and where it ends."""
    at += 1
    found = _TEXT.match(text, at)
    if found is not None:
        step = Step("name", _plain(found[1]))
    elif (found := _SLICE.match(text, at)) is not None:
        start, end = found.groups()
        step = Step("slice", "", *(None if one is None else int(one) for one in (start, end)))
    elif (found := _NUMBER.match(text, at)) is not None:
        step = Step("index", "", int(found[0]))
    else:
        step = Step("every")
    at = at if found is None else found.end()
    if text[at : at + 1] != "]":
        raise _wrong(text, at)
    return step, at + 1


def _plain(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\")


def _wrong(text: str, at: int) -> Failure:
    where = f"at {text[at:]!r}" if at < len(text) else "at its end"
    return Failure(
        f"--select {text!r} goes wrong {where}; paths are like a.b[0], items[].name, "
        'a["odd key"], [-1], [0:3], ..name'
    )


# --- values --------------------------------------------------------------------------------------


def parse_values(content: bytes) -> object:
    """Read JSON so that nothing of it is lost. Raises Failure."""
    from json import JSONDecoder, detect_encoding

    number = _Numbers().__getitem__
    decoder = JSONDecoder(
        parse_int=number, parse_float=number, parse_constant=_refuse, object_pairs_hook=Pairs
    )
    try:
        return decoder.decode(content.decode(detect_encoding(content), "surrogatepass"))
    except RecursionError:
        raise Failure("the answer is JSON nested too deeply to select in", OTHER) from None
    except ValueError as fault:
        why = "it is empty" if not content else str(fault)
        raise Failure(f"the answer is no JSON, so nothing can be selected: {why}", OTHER) from None


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def select(value: object, steps: Iterable[Step]) -> Iterator[object]:
    """Yield what the steps lead to, in the order of the document."""
    found: Iterable[object] = (value,)
    for step in steps:
        found = _stepped(found, step)
    return iter(found)


def _stepped(values: Iterable[object], step: Step) -> Iterator[object]:
    for value in values:
        yield from _within(value, step)


def _within(value: object, step: Step) -> Iterable[object]:
    """Return what one step leads to from a value."""
    if step.kind == "deep":
        return _anywhere(value, step.name)
    if isinstance(value, Pairs):
        if step.kind == "name":
            named = [each for name, each in value if name == step.name]
            return named[-1:]  # of a name that is there twice, all readers take the last
        return [each for _, each in value] if step.kind == "every" else ()
    if not isinstance(value, list):
        return ()
    if step.kind == "every":
        return value
    if step.kind == "slice":
        return value[step.start : step.end]
    if step.kind == "index" and step.start is not None and -len(value) <= step.start < len(value):
        return (value[step.start],)
    return ()


def _anywhere(value: object, name: str) -> Iterator[object]:
    """Yield every value of a name, at any depth; an outer one before those in it."""
    waiting: list[tuple[object, bool]] = [(value, False)]
    while waiting:
        one, is_named = waiting.pop()
        if is_named:
            yield one
        if isinstance(one, Pairs):
            waiting += [(each, key == name) for key, each in reversed(one)]
        elif isinstance(one, list):
            waiting += [(each, False) for each in reversed(one)]


def as_json(value: object) -> str:
    """Write a value as JSON on one line. Raises Failure when it is too deep."""
    from json.encoder import encode_basestring

    def write(value: object) -> None:
        if isinstance(value, Number):
            out.append(value)
        elif isinstance(value, str):
            out.append(encode_basestring(value))
        elif isinstance(value, Pairs):
            out.append("{")
            for at, (name, each) in enumerate(value):
                out.append(f"{',' if at else ''}{encode_basestring(name)}:")
                write(each)
            out.append("}")
        elif isinstance(value, list):
            out.append("[")
            for at, each in enumerate(value):
                if at:
                    out.append(",")
                write(each)
            out.append("]")
        else:
            out.append("null" if value is None else "true" if value else "false")

    out: list[str] = []
    try:
        write(value)
    except RecursionError:
        raise Failure("what was selected is nested too deeply to be written", OTHER) from None
    return "".join(out)


def as_line(value: object) -> str:
    """Write a value for a pipe: a text as it is, everything else as JSON."""
    is_text = isinstance(value, str) and not isinstance(value, Number)
    return str(value) if is_text else as_json(value)


def as_shown(value: object, style: Style, *, indents: bool) -> str:
    """Write a value for people: harmless, JSON in colour and on lines of its own."""
    if isinstance(value, str) and not isinstance(value, Number):
        return harmless(value)
    shape = JsonShape(style, indents=indents)
    return shape.feed(harmless(as_json(value))) + shape.finish()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage: a document makes none, and looking takes longer than reading it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _line(value: object) -> bytes:
    return as_line(value).encode("utf-8", "replace") + b"\n"


class SelectOutput:
    """Takes JSON, and writes what a path leads to, a line for each value.

    finish raises Failure (exit code 1) for what is no JSON, and when there is nothing.
    """

    is_full = False

    def __init__(
        self, path: str, sink: Output, line_of: Callable[[object], bytes] | None = None
    ) -> None:
        """line_of: how a value is written; see `as_line` for what stands without it."""
        self._path = path
        self._steps = parse_path(path)
        self._sink = sink
        self._line_of = _line if line_of is None else line_of
        self._content = Batch()

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises TooLarge."""
        self._content.add(piece)
        if self._content.size > MOST:
            raise TooLarge("body", MOST)

    def finish(self) -> None:
        """Write what was found. Raises Failure when that is nothing."""
        with _uncollected():
            has_found = False
            for value in select(parse_values(self._content.take_whole()), self._steps):
                self._sink.write(self._line_of(value))
                has_found = True
        if not has_found:
            raise Failure(f"the answer has nothing at {self._path}", OTHER)
        self._sink.finish()

    def abandon(self) -> str:
        """Say that nothing more will come."""
        return self._sink.abandon()
