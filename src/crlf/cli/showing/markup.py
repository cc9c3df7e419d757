"""HTML and XML in colour as they come, and XML indented where that changes nothing.

Signs are looked for, nothing is parsed: no entity is expanded, no DTD read, no error repaired, so
that a document can do no more than look odd. Its law: without its colours the text is what came,
and indenting adds and takes white space only between elements that have nothing else between them.
"""

from __future__ import annotations

from collections.abc import Callable

from crlf.cli.terminal import Style
from crlf.patterns import pattern

_BLANKS = " \t\r\n"
_NAME = pattern(r"[^ \t\r\n=>\"'/<]+")
_SPACE = pattern(r"[ \t\r\n]+")
_OPENERS = ("<!--", "<![CDATA[")  # what is more than one sign after <!
_RAW = ("script", "style")  # elements of HTML in which < begins nothing
INDENT = 2
_DEEPEST_INDENT = 32  # levels; deeper ones are no further to the right
_DEEPEST = 512  # levels of XML that are indented
_LONGEST = 4096  # characters between two values of a tag


class MarkupShape:
    """Takes text, gives it back coloured. is_html: it has scripts and styles."""

    def __init__(self, style: Style, *, is_html: bool = False) -> None:
        self._paint = style.paint
        self._is_html = is_html
        self._tail = ""  # the beginning of a sign whose end has not come
        self._state: Callable[[str, int, list[str]], int] = self._text
        self._until = ("", "")  # the sign that ends a passage, and its colour
        self._raw = ""  # the raw element that the present tag opens
        self._closes = False  # the present tag is an end tag
        self._is_value = False  # after a = comes a value, quoted or not

    def feed(self, text: str) -> str:
        """Return what some more text looks like."""
        text = self._tail + text
        out: list[str] = []
        at = 0
        while at < len(text):
            after = self._state(text, at, out)
            if after == at:  # it takes more to tell
                break
            at = after
        self._tail = text[at:]
        return "".join(out)

    def finish(self) -> str:
        """Say that nothing more comes; return what was held back."""
        rest, self._tail = self._tail, ""
        return rest

    # -- states: each takes text from a place on, and returns how far it came

    def _text(self, text: str, at: int, out: list[str]) -> int:
        end = text.find("<", at)
        if end != at:
            end = len(text) if end < 0 else end
            out.append(text[at:end])
            return end
        if text.startswith("<!", at):
            return self._declaration(text, at, out)
        if len(text) - at < 2:
            return at
        if text[at + 1] == "?":
            return self._begin(("?>", "faint"))(text, at, out)
        closes = text[at + 1] == "/"
        start = at + 2 if closes else at + 1
        if start >= len(text):
            return at
        if not (text[start].isalpha() or text[start] in "_:"):
            out.append("<")  # HTML has such: 1 < 2
            return at + 1
        self._closes = closes
        out.append(self._paint(text[at:start], "tag"))
        self._state = self._tag_name
        return start

    def _declaration(self, text: str, at: int, out: list[str]) -> int:
        rest = text[at : at + len(_OPENERS[1])]
        if any(opener.startswith(rest) and opener != rest for opener in _OPENERS):
            return at
        if rest.startswith(_OPENERS[0]):
            return self._begin(("-->", "faint"))(text, at, out)
        if rest == _OPENERS[1]:
            return self._begin(("]]>", ""))(text, at, out)
        return self._begin((">", "faint"))(text, at, out)

    def _begin(self, until: tuple[str, str]) -> Callable[[str, int, list[str]], int]:
        self._until = until
        self._state = self._passage
        return self._passage

    def _passage(self, text: str, at: int, out: list[str]) -> int:
        """Go on to the sign that ends a comment, a section, a value or a raw element."""
        sign, colour = self._until
        end = text.find(sign, at)
        if end < 0:
            end = max(at, len(text) - len(sign) + 1)
        else:
            end += len(sign)
            self._state = self._inside if sign in "\"'" else self._text
        piece = text[at:end]
        out.append(self._paint(piece, colour) if colour else piece)
        return end

    def _tag_name(self, text: str, at: int, out: list[str]) -> int:
        name = _NAME.match(text, at)
        if name is None:
            self._state = self._inside
            return self._inside(text, at, out)
        out.append(self._paint(name[0], "tag"))
        is_raw = self._is_html and not self._closes and name[0].lower() in _RAW
        self._raw = name[0].lower() if is_raw else ""
        if name.end() < len(text):
            self._state = self._inside
        return name.end()

    def _inside(self, text: str, at: int, out: list[str]) -> int:
        """Take something of a tag: white space, a name, a sign, the beginning of a value."""
        found = _SPACE.match(text, at)
        if found is not None:
            out.append(found[0])
            return found.end()
        found = _NAME.match(text, at)
        if found is not None:
            out.append(self._paint(found[0], "text" if self._is_value else "name"))
            self._is_value = self._is_value and found.end() == len(text)
            return found.end()
        sign = text[at]
        self._is_value = sign == "="
        if sign in "\"'":
            out.append(self._paint(sign, "text"))
            self._until = (sign, "text")
            self._state = self._passage
        elif sign == ">":
            out.append(self._paint(sign, "tag"))
            self._state = self._raw_text if self._raw else self._text
        elif sign == "<":  # the last one was never closed
            self._state = self._text
            return self._text(text, at, out)
        else:
            out.append(self._paint(sign, "tag") if sign == "/" else sign)
        return at + 1

    def _raw_text(self, text: str, at: int, out: list[str]) -> int:
        """Take a script or a style: up to its end tag, < means nothing (HTML 13.2.5.4)."""
        end = text.find("<", at)
        if end != at:
            end = len(text) if end < 0 else end
            out.append(text[at:end])
            return end
        closing = f"</{self._raw}"
        rest = text[at : at + len(closing)].lower()
        if rest == closing:
            self._raw = ""
            self._state = self._text
            return self._text(text, at, out)
        if closing.startswith(rest):
            return at
        out.append("<")
        return at + 1


# --- indenting -----------------------------------------------------------------------------------


def indent_xml(text: str) -> str | None:
    """Return XML with each element on a line of its own; None where that may not be done.

    An element that has text in it, or xml:space, stays as it is with all that it has. White
    space without a line's end between two elements is text, as between two words.
    """
    tokens = _tokens(text)
    if tokens is None:
        return None
    closings = _closings(tokens)
    if closings is None:
        return None
    lines: list[str] = []
    depth = at = 0
    while at < len(tokens):
        kind, _ = tokens[at]
        end = at
        if kind == "close":
            depth -= 1
        if kind == "open":
            closing, is_mixed = closings[at]
            end = closing if is_mixed else at
        if kind not in ("space", "text"):  # of text only white space is left, outside of all
            lines.append(" " * (INDENT * min(depth, _DEEPEST_INDENT)))
            lines += [token for _, token in tokens[at : end + 1]]
            lines.append("\n")
        if kind == "open" and end == at:
            depth += 1
        at = end + 1
    return "".join(lines)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """Cut XML into tags, text and the rest; None when its signs do not add up."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        if text[at] != "<":
            end = text.find("<", at)
            end = len(text) if end < 0 else end
            piece = text[at:end]
            is_space = not piece.strip(_BLANKS) and "\n" in piece
            tokens.append(("space" if is_space else "text", piece))
        else:
            kind, end = _tag(text, at)
            if end <= at:
                return None
            tokens.append((kind, text[at:end]))
        at = end
    return tokens


def _tag(text: str, at: int) -> tuple[str, int]:
    """Return what kind of thing begins with a <, and where it ends; -1 for nowhere."""
    for start, sign, kind in (
        ("<!--", "-->", "other"), ("<![CDATA[", "]]>", "text"), ("<?", "?>", "other"),
    ):  # fmt: skip
        if text.startswith(start, at):
            end = text.find(sign, at + len(start))
            return kind, -1 if end < 0 else end + len(sign)
    if text.startswith("<!", at):
        end = text.find(">", at) + 1
        has_subset = "[" in text[at:end]  # a DTD of its own: who knows what is white space there
        return "other", -1 if has_subset or not end else end
    end = at + 1
    while True:
        places = [place for sign in "\"'>" if (place := text.find(sign, end, end + _LONGEST)) >= 0]
        if not places:
            return "", -1
        end = min(places)
        if text[end] == ">":
            break
        end = text.find(text[end], end + 1) + 1
        if not end:
            return "", -1
    kind = "close" if text[at + 1] == "/" else "empty" if text[end - 1] == "/" else "open"
    return kind, end + 1


def _closings(tokens: list[tuple[str, str]]) -> dict[int, tuple[int, bool]] | None:
    """Say for each opening tag where it is closed, and whether it stays as it is.

    None when they do not match, or are too deep.
    """
    closings: dict[int, tuple[int, bool]] = {}
    opened: list[tuple[int, str]] = []
    mixed: list[bool] = []
    for at, (kind, token) in enumerate(tokens):
        if kind == "open":
            opened.append((at, _name_of(token, 1)))
            mixed.append("xml:space" in token)
            if len(opened) > _DEEPEST:
                return None
        elif kind == "text":
            if mixed:
                mixed[-1] = True
            elif token.strip(_BLANKS):
                return None
        elif kind == "close":
            if not opened or opened[-1][1] != _name_of(token, 2):
                return None
            start, _ = opened.pop()
            is_leaf = at == start + 1 or (at == start + 2 and tokens[start + 1][0] == "space")
            closings[start] = at, mixed.pop() or is_leaf
    return None if opened else closings


def _name_of(tag: str, at: int) -> str:
    name = _NAME.match(tag, at)
    return "" if name is None else name[0]
