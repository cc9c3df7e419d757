"""JSON as it is read best: indented and coloured while it comes, and otherwise as it came.

The text is taken apart token by token, by the grammar of RFC 8259, and put together again: every
number, escape, double key and its order as it was, only the white space between is ours. (pygments
colours too, but takes 30 ms to load, checks nothing, and wants the whole text first.) Its law:
what breaks the grammar is shown as it came from there on, and each character is looked at once.
"""

from __future__ import annotations

from crlf.cli.terminal import Style
from crlf.patterns import pattern

_BLANKS = pattern(r"[ \t\r\n]+")
_CLEAN = pattern(r'"[^"\\\n\t]*"')  # a string without escapes, as nearly all are
_INSIDE = pattern(r'(?:[^"\\\n\t]++|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})++')
_ESCAPE = pattern(r"\\(?:u[0-9A-Fa-f]{0,3})?")  # one whose end has not come
_WORD = pattern(r"[-+.0-9A-Za-z]+")
_NUMBER = pattern(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_LITERALS = frozenset({"true", "false", "null"})
INDENT = 2  # blanks; jq's
_DEEPEST_INDENT = 32  # levels; deeper ones are no further to the right
_DEEPEST = 512  # levels that are formatted; Python's own json ends near 1000
_LONGEST_WORD = 64 * 1024  # characters of a number

# What may come next.
_VALUE, _KEY, _COLON, _COMMA = "value", "key", "colon", "comma"


class JsonShape:
    """Takes text, gives it back formatted; see the module.

    indents: whether white space is made anew. is_broken: from somewhere on it is no JSON, and is
    given back as it came.
    """

    def __init__(self, style: Style, *, indents: bool = True) -> None:
        self._indents = indents
        self.is_broken = False
        self._open: list[str] = []  # what is to be closed, innermost last
        self._next = _VALUE
        self._may_close = False  # right after an opening bracket
        self._has_value = False  # on the top level
        self._string = ""  # "key" or "text" while we are in a string
        self._is_cut = False  # the string began in an earlier piece
        self._tail = ""  # an escape that is cut
        self._blanks = ""  # white space before what comes next, left out so far
        self._word: list[str] = []  # a number or name that may go on
        self._word_size = 0
        self._marks = {
            name: style.marks(colour)
            for name, colour in (
                ("key", "name"), ("text", "text"), ("number", "number"), ("word", "word"),
            )
        }  # fmt: skip

    @property
    def is_between(self) -> bool:
        """Whether all values so far are whole."""
        return not (self._open or self._word or self._string or self.is_broken)

    def feed(self, text: str) -> str:
        """Return what some more text looks like."""
        if self.is_broken:
            return text
        out: list[str] = []
        text, self._tail = self._tail + text, ""
        at = self._take(text, out)
        if at < len(text):
            self.is_broken = True
            out.append(self._blanks + text[at:])
        return "".join(out)

    def finish(self) -> str:
        """Say that nothing more comes; return what was held back."""
        if self.is_broken:
            return ""
        out: list[str] = []
        if self._word:
            self._take_word(out)
        out.append(self._tail)
        self.is_broken = not (self.is_between and self._has_value)
        return "".join(out)

    def _take(self, text: str, out: list[str]) -> int:
        """Take tokens; return where there is none, the text's length when all were taken."""
        at, size = 0, len(text)
        while at < size and not self.is_broken:
            sign = text[at]
            if self._string:
                at = self._take_string(text, at, out)
                if self._tail:
                    return size
            elif self._word or sign.isalnum() or sign in "-+.":
                word = _WORD.match(text, at)
                if word is not None:
                    self._word.append(word[0])
                    self._word_size += len(word[0])
                    at = word.end()
                    if at == size and self._word_size <= _LONGEST_WORD:
                        return at
                elif not self._word:
                    return at
                self._take_word(out)
            elif sign in " \n\r\t":
                blanks = _BLANKS.match(text, at)
                end = at + 1 if blanks is None else blanks.end()
                if self._indents:
                    self._blanks = text[at:end]
                else:
                    out.append(text[at:end])
                at = end
                continue
            elif sign == '"':
                if not self._begin_string(out):
                    return at
                whole = _CLEAN.match(text, at)
                if whole is None:
                    out.append('"')
                    at += 1
                else:
                    out.append(whole[0])
                    self._end_string(out)
                    at = whole.end()
            elif self._punctuate(sign, out):
                at += 1
            else:
                return at
            if not self._word:
                self._blanks = ""
        return at

    # -- tokens

    def _begin_value(self, out: list[str]) -> bool:
        """Make room for a value, if one may stand here."""
        if self._next != _VALUE:
            return False
        if self._open:
            if self._may_close:
                self._new_line(out)
        elif self._has_value and self._indents:
            out.append("\n")
        self._may_close = False
        return True

    def _end_value(self) -> None:
        self._next = _COMMA if self._open else _VALUE
        self._has_value = True

    def _begin_string(self, out: list[str]) -> bool:
        if self._next == _KEY:
            if self._may_close:
                self._new_line(out)
            self._may_close = False
            self._string = "key"
        elif self._begin_value(out):
            self._string = "text"
        else:
            return False
        out.append(self._marks[self._string][0])
        return True

    def _end_string(self, out: list[str]) -> None:
        kind, self._string = self._string, ""
        out.append(self._marks[kind][1])
        if kind == "key":
            self._next = _COLON
        else:
            self._end_value()

    def _take_string(self, text: str, at: int, out: list[str]) -> int:
        """Take the rest of a string, as far as it is there."""
        start, end = self._marks[self._string]
        if self._is_cut:
            out.append(start)
            self._is_cut = False
        inside = _INSIDE.match(text, at)
        if inside is not None:
            out.append(inside[0])
            at = inside.end()
        if at < len(text) and text[at] == '"':
            out.append('"')
            self._end_string(out)
            return at + 1
        # No colour outlives a piece: something else may be written in between.
        out.append(end)
        escape = _ESCAPE.match(text, at)
        if at == len(text) or (escape is not None and escape.end() == len(text)):
            self._is_cut = True
            self._tail = text[at:]
        else:
            self.is_broken = True
        return at

    def _take_word(self, out: list[str]) -> None:
        """Take a number or a literal that is whole; what is neither is given back plain."""
        word = "".join(self._word)
        self._word.clear()
        self._word_size = 0
        kind = "word" if word in _LITERALS else "number" if _NUMBER.fullmatch(word) else ""
        if not kind or not self._begin_value(out):
            out.append(self._blanks + word)
            self.is_broken = True
            return
        start, end = self._marks[kind]
        out.append(f"{start}{word}{end}")
        self._end_value()

    def _punctuate(self, sign: str, out: list[str]) -> bool:
        """Take a bracket, a comma or a colon, if it may stand here."""
        if sign in "{[":
            if len(self._open) >= _DEEPEST or not self._begin_value(out):
                return False
            self._open.append("}" if sign == "{" else "]")
            self._next = _KEY if sign == "{" else _VALUE
            self._may_close = True
        elif sign in "}]":
            if not self._open or self._open[-1] != sign:
                return False
            if not self._may_close and self._next != _COMMA:
                return False
            self._open.pop()
            if not self._may_close:
                self._new_line(out)
            self._may_close = False
            self._end_value()
        elif sign == "," and self._next == _COMMA:
            self._next = _KEY if self._open[-1] == "}" else _VALUE
            out.append(sign)
            self._new_line(out)
            return True
        elif sign == ":" and self._next == _COLON:
            self._next = _VALUE
            sign = ": " if self._indents else ":"
        else:
            return False
        out.append(sign)
        return True

    def _new_line(self, out: list[str]) -> None:
        if self._indents:
            out.append("\n" + " " * (INDENT * min(len(self._open), _DEEPEST_INDENT)))
