r"""A line of a shell's, taken apart into words as the shell would, without running anything.

The language is what POSIX sh and bash share, with `$'...'`, which browsers write into "copy
as cURL". What only a shell can fill in, `$TOKEN` or `$(date)`, is kept: it stands in a word as
one character of private use, and shellquotes.py writes it as it was. Its law: time and memory
grow with the length of the line, and nothing in it is run.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from crlf.cli.exits import Failure
from crlf.cli.translating.cmdwords import is_for_cmd, split_for_cmd
from crlf.cli.translating.shellquotes import FIRST, SECRET
from crlf.patterns import pattern

MAX_LINE = 4 * 1024 * 1024  # characters; Linux gives all of a command line 2 MiB
MAX_NESTED = 50  # `$(` in `$(`
_MOST = 1000

_BLANK = " \t"
# Ends a command: what comes then is somebody else's.
_OPERATORS = "|&;<>()"
_REDIRECTION = pattern("[0-9]{0,3}[<>]")
_PIPED = pattern(r"[|][ \t]*(?:[^ \t\n|&;<>()]*/)?curl[ \t]")
_HERE = pattern(r"<<-?[ \t]*['\"\\]?([A-Za-z_][A-Za-z_0-9]{0,100})")
_PLAIN = pattern(r"""[^\s"'\\$`|&;<>()]+""")
_BROKEN_END = pattern(r"\\[ \t]+\n")
_IN_DOUBLE = pattern(r'[^"\\$`]+')
_NAME = pattern("[A-Za-z_][A-Za-z_0-9]*|[0-9@*#?$!-]")
_SIMPLE = {
    "a": 7, "b": 8, "e": 27, "E": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
    "\\": 92, "'": 39, '"': 34, "?": 63,
}  # fmt: skip
_DIGITS = pattern(
    "(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9A-Fa-f]{1,2})"
    "|u(?P<u>[0-9A-Fa-f]{1,4})|U(?P<U>[0-9A-Fa-f]{1,8})"
)


class Spoken(NamedTuple):
    """One command. feed, tail: what the shell has before and after it, as it is written.

    As in "echo x | ", and in "< file | jq .".
    """

    words: list[str]
    feed: str = ""
    tail: str = ""


class Line(NamedTuple):
    """What a text says. expansions: by the character that stands for each, how it was written."""

    commands: list[Spoken]
    expansions: dict[str, str]


def split_commands(text: str) -> Line:
    """Take a text apart into commands, and these into words. Raises Failure."""
    if len(text) > MAX_LINE:
        raise Failure(f"more than {MAX_LINE:,} characters are no command line")
    if "\0" in text:
        raise Failure("a NUL cannot be in a command line")
    text = text.replace("\r\n", "\n")
    if is_for_cmd(text):
        return Line([Spoken(words) for words in split_for_cmd(text)], {})
    return _Splitter(text).split()


class _Splitter:
    """Walks over a text once, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._expansions: dict[str, str] = {}
        self._commands: list[Spoken] = []
        self._words: list[str] = []
        self._feed = ""
        self._start = 0  # where the command begins

    def split(self) -> Line:
        text, end = self._text, len(self._text)
        while self._at < end:
            sign = text[self._at]
            if sign == "\n":
                self._finish(self._at + 1)
            elif sign == "#":
                self._at = self._end_of_line()
            elif sign in _BLANK:
                self._at += 1
            elif text.startswith("\\\n", self._at):
                self._at += 2
            elif _REDIRECTION.match(text, self._at) or text.startswith("&>", self._at):
                self._keep_tail()
            elif sign in _OPERATORS:
                self._read_operator(sign)
            else:
                self._words.append(self._word())
        self._finish(end)
        return Line(self._commands, self._expansions)

    def _finish(self, at: int, tail: str = "") -> None:
        """End a command; the next one begins at a place."""
        if self._words:
            self._commands.append(Spoken(self._words, self._feed, tail))
        self._words, self._feed = [], ""
        self._start = self._at = at

    def _read_operator(self, sign: str) -> None:
        """Read what stands between commands."""
        text, start = self._text, self._at
        if sign in "()":
            raise Failure(f"a ( or ) outside of quotes, at character {start + 1}")
        is_doubled = text.startswith(sign, start + 1)
        if sign != "|" or is_doubled:
            self._finish(start + 1 + is_doubled)
        elif _PIPED.match(text, start):
            feed = _shown(text[self._start : start + 1].lstrip(" \t")) + " "
            self._words = []
            self._start = self._at = start + 1
            self._feed += feed
        else:
            self._keep_tail()

    def _keep_tail(self) -> None:
        """Keep the rest of the line as it is, and the text that << takes in."""
        text, start = self._text, self._at
        end = self._end_of_line()
        here = _HERE.search(text, start, end)
        if here is not None:
            closing = re.compile(rf"^\t*{re.escape(here[1])}$", re.MULTILINE)
            found = closing.search(text, end)
            if found is None:
                raise self._unclosed(here.start(), here[0])
            end = found.end()
        self._finish(end, " " + _shown(text[start:end].strip(" \t")))

    def _word(self) -> str:
        text, end = self._text, len(self._text)
        pieces: list[str] = []
        while self._at < end:
            if plain := _PLAIN.match(text, self._at):
                self._at = plain.end()
                pieces.append(self._own(plain[0]))
                continue
            sign = text[self._at]
            if sign in " \t\n":
                break
            if sign in _OPERATORS:
                self._check_operator(sign)
                break
            if sign == "\\":
                pieces.append(self._escaped())
            elif sign == "'":
                pieces.append(self._own(self._until("'", 1)))
            elif sign == '"':
                pieces.append(self._in_double())
            elif sign == "`" or (sign == "$" and not text.startswith(("$'", '$"'), self._at)):
                pieces.append(self._expansion())
            elif sign == "$":
                self._at += 1
                pieces.append(self._in_ansi() if text[self._at] == "'" else self._in_double())
            else:  # another white space is a character like any other
                pieces.append(sign)
                self._at += 1
        return "".join(pieces)

    def _check_operator(self, sign: str) -> None:
        """Refuse an & in the middle of a word: an URL that lost its quotes."""
        after = self._text[self._at + 1 : self._at + 2]
        if sign == "&" and after not in ("", "&", " ", "\t", "\n", ">"):
            raise Failure(
                f"a shell ends the command at the & before {self._text[self._at + 1 :][:20]!r}: "
                "put the URL in quotes"
            )

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _until(self, closing: str, skip: int) -> str:
        """Return what stands between quotes."""
        end = self._text.find(closing, self._at + skip)
        if end < 0:
            raise self._unclosed(self._at, closing)
        found = self._text[self._at + skip : end]
        self._at = end + 1
        return found

    def _unclosed(self, start: int, sign: str) -> Failure:
        begun = self._text[start : start + 20]
        return Failure(f"the {sign} at character {start + 1} is never closed: {begun!r}")

    def _own(self, text: str) -> str:
        """Return literal text; a character that stands for expansions stands for itself."""
        if text.isascii():
            return text
        return "".join([self._kept(sign) if ord(sign) >= FIRST else sign for sign in text])

    def _kept(self, written: str) -> str:
        """Return the character that stands for an expansion from now on."""
        if len(self._expansions) >= _MOST:
            raise Failure(f"more than {_MOST:,} expansions in one command line")
        sign = chr(FIRST + len(self._expansions))
        self._expansions[sign] = written
        return sign

    def _escaped(self) -> str:
        """Read a backslash outside of quotes."""
        after = self._text[self._at + 1 : self._at + 2]
        if _BROKEN_END.match(self._text, self._at):
            raise Failure(
                f"a blank after the \\ at the end of a line, at character {self._at + 2}: "
                "the line does not go on for a shell; take the blank away"
            )
        self._at += 1 + len(after)
        return "" if after == "\n" else self._own(after or "\\")

    def _in_double(self) -> str:
        text, start = self._text, self._at
        self._at += 1
        pieces: list[str] = []
        while self._at < len(text):
            if plain := _IN_DOUBLE.match(text, self._at):
                self._at = plain.end()
                pieces.append(self._own(plain[0]))
                continue
            sign, after = text[self._at], text[self._at + 1 : self._at + 2]
            if sign == '"':
                self._at += 1
                return "".join(pieces)
            if sign in "$`":
                pieces.append(self._expansion())
            elif after and after in '$`"\\\n':
                self._at += 2
                pieces.append("" if after == "\n" else after)
            else:
                self._at += 1
                pieces.append("\\")
        raise self._unclosed(start, '"')

    def _in_ansi(self) -> str:
        r"""Read `$'...'`: escapes for bytes, \x and octal, and for characters, \u and \U."""
        text, start = self._text, self._at
        self._at += 1
        pieces: list[bytes] = []
        while self._at < len(text):
            sign = text[self._at]
            if sign == "'":
                self._at += 1
                whole = b"".join(pieces)
                if b"\0" in whole:
                    raise Failure("a NUL cannot be in a command line")
                return self._own(whole.decode("utf-8", "surrogateescape"))
            if sign == "\\":
                pieces.append(self._ansi_escape())
            else:
                end = self._at
                while end < len(text) and text[end] not in "\\'":
                    end += 1
                pieces.append(text[self._at : end].encode("utf-8", "surrogateescape"))
                self._at = end
        raise self._unclosed(start, "'")

    def _ansi_escape(self) -> bytes:
        text = self._text
        found = _DIGITS.match(text, self._at + 1)
        if found is not None:
            self._at = found.end()
            digits = found[0].lstrip("xuU")
            number = int(digits, 8 if found["octal"] else 16)
            if found["octal"] or found["hex"]:
                return bytes([number & 0xFF])
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                raise Failure(f"\\{found[0]} is no character")
            return chr(number).encode()
        after = text[self._at + 1 : self._at + 2]
        self._at += 2
        if after in _SIMPLE:
            return bytes([_SIMPLE[after]])
        if after == "c" and self._at < len(text):
            self._at += 1
            return bytes([ord(text[self._at - 1]) & 0x1F])
        return ("\\" + after).encode("utf-8", "surrogateescape")

    def _expansion(self) -> str:
        """Step over `$NAME`, `${...}`, `$(...)` or backquotes; keep how it is written."""
        text, start = self._text, self._at
        if text[start] == "`":
            end = start + 1
            while end < len(text) and text[end] != "`":
                end += 1 + (text[end] == "\\")
            if end >= len(text):
                raise self._unclosed(start, "`")
            self._at = end + 1
        elif text.startswith("${", start):
            end = text.find("}", start)
            if end < 0:
                raise self._unclosed(start, "${")
            self._at = end + 1
        elif text.startswith("$(", start):
            self._at = self._end_of_substitution(start)
        elif name := _NAME.match(text, start + 1):
            self._at = name.end()
        else:
            self._at += 1
            return "$"
        return self._kept(text[start : self._at])

    def _end_of_substitution(self, start: int) -> int:
        """Find the end of `$(...)`, by its parentheses and quotes."""
        text, at, depth = self._text, start + 2, 1
        while at < len(text):
            sign = text[at]
            if sign == "'":
                at = text.find("'", at + 1)
                if at < 0:
                    break
            elif sign == "\\":
                at += 1
            elif sign == '"':
                at += 1
                while at < len(text) and text[at] != '"':
                    at += 1 + (text[at] == "\\")
            elif sign == "(":
                depth += 1
                if depth > MAX_NESTED:
                    raise Failure(f"more than {MAX_NESTED} parentheses in each other")
            elif sign == ")":
                depth -= 1
                if not depth:
                    return at + 1
            at += 1
        raise self._unclosed(start, "$(")


def _shown(text: str) -> str:
    """Return what the shell keeps. Raises Failure for what no terminal should see."""
    if SECRET.search(text.replace("\n", "").replace("\t", "")):
        raise Failure("a control character outside of quotes")
    return text
