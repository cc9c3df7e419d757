"""Many URLs in one, as curl writes them: `{a,b}`, `[1-3]`, `[001-100:10]`, `[a-z]`.

Its law: how many there are is known before any of them is made, and bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from crlf.cli.exits import Failure
from crlf.patterns import pattern

MAX_URLS = 1000  # of one pattern: each becomes a line

MAX_TEXT = 4 * 1024 * 1024  # characters of all of them
MAX_GLOBS = 100  # in one URL; curl 100

_RANGE = pattern(
    r"\[(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})|(?P<low>[a-z])-(?P<lower>[a-z])"
    r"|(?P<up>[A-Z])-(?P<upper>[A-Z]))(?::(?P<step>[0-9]{1,18}))?\]"
)
_LITERAL = pattern(r"[^\\{}\[\]]+")
# What is no glob: an escaped bracket, a lone backslash, [] and the address of a host.
_AS_IS = pattern(r"\\[{}\[\]]|\\|\[\]|\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[^\[\]{}]{1,100})?\]")
_NUMBER = pattern("#([0-9]{1,3})")


class Globbed(NamedTuple):
    """One URL of a pattern. choices: what stands in it for each glob: #1, #2 and so on."""

    url: str
    choices: tuple[str, ...]


def expand_globs(text: str) -> list[Globbed]:
    """Write out all URLs of a pattern. Raises Failure for what curl refuses, and for too many."""
    literals, globs = _split(text)
    count = 1
    for glob in globs:
        count *= len(glob)
        if count > MAX_URLS or count * len(text) > MAX_TEXT:
            raise Failure(f"{text[:60]!r} is over {MAX_URLS:,} URLs; -g takes it as it is")
    found = []
    for choices in product(*globs):
        pieces = [literals[0]]
        for choice, literal in zip(choices, literals[1:], strict=True):
            pieces += [choice, literal]
        found.append(Globbed("".join(pieces), choices))
    return found


def fill_target(target: str, choices: tuple[str, ...]) -> str:
    """Put what was chosen into the name of an output: #1 is the first glob's."""

    def chosen(found: re.Match[str]) -> str:
        number = int(found[1])
        return choices[number - 1] if 0 < number <= len(choices) else found[0]

    return _NUMBER.sub(chosen, target)


def _split(text: str) -> tuple[list[str], list[Sequence[str]]]:
    """Take a pattern apart: what stands before, between and after its globs, and these."""
    literals: list[str] = []
    globs: list[Sequence[str]] = []
    plain: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        if found := _LITERAL.match(text, at) or _AS_IS.match(text, at):
            plain.append(found[0].removeprefix("\\") if found[0] != "\\" else "\\")
            at = found.end()
            continue
        if sign in "}]":
            raise _fault(text, at, f"a {sign} without its beginning")
        if sign == "{":
            end = text.find("}", at)
            glob: Sequence[str] = text[at + 1 : end].split(",") if end > 0 else ()
            if end < 0 or "{" in text[at + 1 : end] or glob == [""]:
                raise _fault(text, at, "a { that is not like {a,b}")
            end += 1
        else:
            glob, end = _range(text, at)
        if len(globs) >= MAX_GLOBS:
            raise Failure(f"more than {MAX_GLOBS} globs in a URL")
        globs.append(glob)
        literals.append("".join(plain))
        plain, at = [], end
    return [*literals, "".join(plain)], globs


def _range(text: str, at: int) -> tuple[Sequence[str], int]:
    """Read [1-3], [a-f] or [001-100:10] without writing it out."""
    found = _RANGE.match(text, at)
    if found is None:
        raise _fault(text, at, "a [ that is not like [1-3]")
    step = int(found["step"] or 1)
    if found["first"]:
        first, last = int(found["first"]), int(found["last"])
        width = len(found["first"]) if found["first"][0] == "0" else 0
    else:
        begun, ended = found["low"] or found["up"], found["lower"] or found["upper"]
        first, last, width = ord(begun), ord(ended), -1
    if first > last or not 0 < step <= max(1, last - first):
        raise _fault(text, at, "a range that leads nowhere")
    numbers = range(first, last + 1, step)
    if last - first >= MAX_URLS * step:
        raise Failure(f"{text[:60]!r} is over {MAX_URLS:,} URLs; -g takes it as it is")
    if width < 0:
        return [chr(number) for number in numbers], found.end()
    return [f"{number:0{width}d}" for number in numbers], found.end()


def _fault(text: str, at: int, what: str) -> Failure:
    return Failure(f"{what}, at character {at + 1} of {text[:60]!r}; curl takes it with -g")
