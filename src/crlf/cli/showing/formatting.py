"""Content onto a terminal: as text, formatted and coloured by its type; of other content a note.

Its law: content is text first, made harmless, and formatted then, so that no formatter can let
anything through.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import NamedTuple

from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.cli.showing.jsontext import JsonShape
from crlf.cli.showing.output import Output, count, says_text
from crlf.cli.showing.shapes import MOST, AsItIs, HeldJson, HeldXml, Lines, Pairs, Shape
from crlf.cli.terminal import Style, TerminalText, harmless_line, is_text
from crlf.message.content import declared_encoding, encoding_of
from crlf.message.headers import Headers

_JSON_LINES = frozenset({"ndjson", "x-ndjson", "jsonl", "x-jsonlines", "jsonlines", "stream+json"})

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class Pretty(NamedTuple):
    """How content is shown: formats, white space made anew; colours; else it is as it comes.

    is_said: somebody asked for it, so that it is done however long the content is.
    """

    formats: bool
    colours: bool
    is_said: bool = False

    @property
    def is_any(self) -> bool:
        """Whether anything is to be done."""
        return self.formats or self.colours


def read_pretty(said: str | None, environment: Environment) -> Pretty:
    """Read --pretty; its default is all on a terminal, and none elsewhere. Raises Failure."""
    is_terminal = environment.stdout_is_terminal
    if said is None:
        return Pretty(is_terminal, is_terminal and environment.wants_colour(is_terminal))
    if said not in ("all", "format", "colors", "colours", "none"):
        raise Failure(f"--pretty is all, format, colors or none, not {said!r}")
    return Pretty(said in ("all", "format"), said in ("all", "colors", "colours"), is_said=True)


def shape_of(headers: Headers, start: str, pretty: Pretty) -> Shape:
    """Choose how text is shown. start: its first piece."""
    if not pretty.is_any or (not pretty.is_said and (_length(headers) or 0) > MOST):
        return AsItIs()
    style = Style(pretty.colours)
    kind = essence_of(headers)
    name = kind.partition("/")[2]
    if kind == "application/x-www-form-urlencoded" and pretty.formats:
        return Pairs(style)
    if name in _JSON_LINES and pretty.colours:
        return Lines(lambda line: _json_line(line, style))
    if kind == "text/event-stream" and pretty.colours:
        return Lines(lambda line: _event_line(line, style))
    if name == "json" or name.endswith("+json") or (not kind and start[:1] in ("{", "[")):
        shape = JsonShape(style, indents=pretty.formats)
        return HeldJson(shape, flows=pretty.is_said) if pretty.formats else shape
    is_html = name in ("html", "xhtml+xml")
    if is_html or name == "xml" or name.endswith("+xml"):
        from crlf.cli.showing import markup  # an answer is one thing or another

        colours = markup.MarkupShape(style, is_html=is_html)
        return HeldXml(markup.indent_xml, colours) if pretty.formats and not is_html else colours
    return AsItIs()


def _json_line(line: str, style: Style) -> str:
    shape = JsonShape(style, indents=False)
    shaped = shape.feed(line) + shape.finish()
    return line if shape.is_broken else shaped


def _event_line(line: str, style: Style) -> str:
    """Colour a line of an event stream (HTML 9.2.5): a field, or a comment after a colon."""
    name, colon, value = line.partition(":")
    if not name:
        return style.paint(line, "faint")
    if value.lstrip(" ")[:1] in ("{", "["):
        value = _json_line(value, style)
    return f"{style.paint(name, 'name')}{colon}{value}"


def _length(headers: Headers) -> int | None:
    """Return how many bytes are to come, where the head says so."""
    said = headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None


def essence_of(headers: Headers) -> str:
    """Return what Content-Type says, without parameters, in lower case; "" when nothing."""
    return headers.get("content-type", "").partition(";")[0].strip(" \t").lower()


# --- an output -----------------------------------------------------------------------------------


class TerminalOutput:
    """Content for people, on a terminal.

    is_full: no more is of any use. plain: where content goes that is no text, when it may go
    somewhere; None on a terminal, which gets a note in its place. width: the terminal's columns.
    is_coded: the content is still compressed.
    """

    def __init__(
        self,
        show: Callable[[str], None],
        headers: Headers,
        pretty: Pretty,
        plain: Output | None = None,
        *,
        width: int = 80,
        is_coded: bool = False,
    ) -> None:
        self._show = show
        self._headers = headers
        self._pretty = pretty
        self._plain = plain
        self._width = width
        self._is_coded = is_coded
        self._text: TerminalText | None = None
        self._shape: Shape = AsItIs()
        self._ends_line = True
        self._is_binary = False
        self.is_full = False

    def write(self, piece: bytes) -> None:
        """Show a piece."""
        if self._text is None and not self._is_binary:
            encoding = _encoding(self._headers, piece)
            is_declared = says_text(self._headers)
            is_readable = not self._is_coded and is_text(piece, encoding, is_declared=is_declared)
            self._is_binary = not is_readable
            if not self._is_binary:
                self._text = TerminalText(encoding)
                start = piece[:8].decode("latin-1").lstrip(" \t\r\n")
                self._shape = shape_of(self._headers, start, self._pretty)
            elif self._plain is None:
                self._note(piece)
        if self._text is not None:
            self._put(self._shape.feed(self._text.feed(piece)))
        elif self._plain is not None:
            self._plain.write(piece)

    def finish(self) -> None:
        """Show what was held back, and end its line."""
        if self._is_binary and self._plain is not None:
            self._plain.finish()
        else:
            self.abandon()

    def abandon(self) -> str:
        """Show what was held back, and end its line."""
        if self._text is not None:
            self._put(self._shape.feed(self._text.feed(b"", is_last=True)) + self._shape.finish())
            if not self._ends_line:
                self._show("\n")  # so that the prompt stands on a line of its own
        elif self._is_binary and self._plain is not None:
            return self._plain.abandon()
        return ""

    def _put(self, text: str) -> None:
        if text:
            self._show(text)
            self._ends_line = text.endswith("\n")

    def _note(self, piece: bytes) -> None:
        """Say what would be there."""
        kind = essence_of(self._headers) or "content of no type"
        about = [harmless_line(kind)]
        size = _length(self._headers)
        if size is not None:
            about.append(count(size))
        coding = self._headers.get("content-encoding", "")
        if coding and len(about) > 1:
            about[-1] += f" as {harmless_line(coding)}"
        from crlf.cli.showing.images import image_size  # most content is text

        pixels = image_size(piece)
        if pixels is not None:
            about.append(f"{pixels[0]} x {pixels[1]} pixels")
        note = f"[{', '.join(about)}; -o FILE saves it]"
        if len(note) > self._width:
            note = f"[{', '.join(about)}]"
        self._put(Style(self._pretty.colours).paint(note, "odd") + "\n")
        self.is_full = True


def _encoding(headers: Headers, piece: bytes) -> str:
    """Decide what text is in, by its first piece, which may end within a character."""
    declared = declared_encoding(headers, piece)
    if declared in ("utf-16", "utf-32") and not piece.startswith(_MARKS):
        return f"{declared}-le"  # as browsers read it (WHATWG Encoding 4.2)
    if declared is not None:
        return declared
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(piece)
    except UnicodeDecodeError:
        return encoding_of(headers, piece)
    return "utf-8"
