"""A command line of curl's, read as curl does: options in clusters, names cut short, --next.

Its law: what curl would not take is an error that says what to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crlf.cli.exits import Failure
from crlf.cli.translating.curltable import LETTERS, NAMES, Known

# Whatever --next begins, these go on.
_GLOBAL = ("verbose",)
MAX_OPTIONS = 10_000  # of one command line


class Datum(NamedTuple):
    """One of what -d, --json and their kin were given. kind: data, raw, binary, urlencode, json."""

    kind: str
    text: str


class Given(NamedTuple):
    """What one operation of a command line says: all between two --next.

    values: of each option, in order. switches: the last word of each. targets: what -o and -O
    said, in order; None is -O.
    """

    values: dict[str, list[str]]
    switches: dict[str, bool]
    urls: list[str]
    targets: list[str | None]
    data: list[Datum]
    forms: list[Datum]  # kind: form or string
    remarks: list[tuple[str, bool]]  # and whether what it is about changes the request

    def last(self, name: str) -> str | None:
        """Return the last value of an option, or None."""
        values = self.values.get(name)
        return values[-1] if values else None

    def every(self, name: str) -> list[str]:
        """Return all values of an option."""
        return self.values.get(name, [])

    def has(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.switches.get(name, False)


def parse_curl(words: list[str]) -> list[Given]:
    """Read curl's words, without its name, into its operations. Raises Failure."""
    reader = _Reader()
    rest = iter(words)
    for word in rest:
        if reader.is_over or not word.startswith("-"):
            reader.current.urls.append(word)
        elif word == "--":
            reader.is_over = True
        elif word.startswith("--"):
            known, is_on = _long(word[2:])
            value = _value(next(rest, None), word, known) if known.takes else ""
            reader.add(known, word, value, is_on)
        else:
            _read_cluster(word, rest, reader)
    return reader.operations


def _read_cluster(word: str, rest: Iterator[str], reader: _Reader) -> None:
    """Read one-letter options; the first that takes a value takes what follows."""
    if word == "-":
        raise Failure("curl does not know the option -: @- is standard input")
    for at in range(1, len(word)):
        known = LETTERS.get(word[at])
        name = f"-{word[at]}"
        if known is None:
            raise Failure(f"curl has no option {name}, in {word[:40]!r}")
        if known.takes:
            value = word[at + 1 :] or _value(next(rest, None), name, known)
            reader.add(known, name, value, True)
            return
        reader.add(known, name, "", word[at] != "N")


class _Reader:
    """Gathers what the operations of a command line say."""

    def __init__(self) -> None:
        self.operations = [_nothing()]
        self.is_over = False
        self._count = 0

    @property
    def current(self) -> Given:
        return self.operations[-1]

    def add(self, known: Known, written: str, value: str, is_on: bool) -> None:
        """Take an option in. Raises Failure."""
        self._count += 1
        if self._count > MAX_OPTIONS:
            raise Failure(f"more than {MAX_OPTIONS:,} options in one command line")
        given, name = self.current, known.name
        if known.sort == "refused":
            raise Failure(f"{written} has no counterpart{'; ' if known.note else ''}{known.note}")
        if known.sort in ("remark", "differs"):
            if is_on:
                note = known.note or "has no counterpart"
                given.remarks.append((f"{written}: {note}", known.sort == "differs"))
        elif name == "next":
            self._begin()
        elif name in ("output", "remote-name"):
            given.targets.append(value if known.takes else None)
        elif name == "url":
            given.urls.append(value)
        elif name in ("form", "form-string"):
            given.forms.append(Datum(name.removeprefix("form-"), value))
        elif name == "json" or name.startswith("data"):
            kind = name.removeprefix("data-")
            given.data.append(Datum("data" if kind == "ascii" else kind, value))
        elif known.takes:
            given.values.setdefault(name, []).append(value)
        else:
            given.switches[name] = is_on

    def _begin(self) -> None:
        """Begin a new operation."""
        if not self.current.urls:
            raise Failure("--next comes before there is a URL")
        going_on = {key: self.current.has(key) for key in _GLOBAL}
        self.operations.append(_nothing())
        self.current.switches.update(going_on)


def _nothing() -> Given:
    return Given({}, {}, [], [], [], [], [])


def _long(name: str) -> tuple[Known, bool]:
    """Find an option by its name, or by the beginning that it alone has. Raises Failure."""
    known = NAMES.get(name)
    if known is not None:
        return known, True
    denied = NAMES.get(name.removeprefix("no-")) if name.startswith("no-") else None
    if denied is not None and not denied.takes:
        return denied, False
    if "=" in name:
        bare = name.partition("=")[0]
        raise Failure(f"curl has no option --{name[:40]}: write --{bare} and the value after it")
    if name.startswith("expand-"):
        raise Failure(f"--{name[:40]}: let the shell fill it in")
    found = [one for full, one in NAMES.items() if full.startswith(name)]
    if len(found) != 1:
        fault = f"could be any of {', '.join(one.name for one in found[:4])}" if found else ""
        raise Failure(f"curl has no option --{name[:40]}{'; it ' if fault else ''}{fault}")
    return found[0], True


def _value(word: str | None, written: str, known: Known) -> str:
    if word is None:
        raise Failure(f"{written} needs {known.takes} after it")
    return word
