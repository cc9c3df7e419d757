"""Text on a terminal: made harmless, and coloured.

A terminal obeys escape codes, and a server can send some: to change the title, the clipboard or
what has been shown before. Its law: nothing that came over the wire reaches a terminal except
through `harmless`, which shows control characters instead of sending them.
"""

from __future__ import annotations

import codecs

from crlf.message.harmless import harmless as harmless  # for all who show

# Control characters that no text has: all of C0 but BEL, BS, HT, LF, VT, FF, CR, ESC; so file(1).
_NO_TEXT = bytes([*range(7), *range(14, 27), *range(28, 32)])
_SAMPLE = 4096  # bytes looked at to tell text from everything else; git 8000


def harmless_line(text: str) -> str:
    """Return text as one line: line feeds and tabs are escaped too."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def is_text(sample: bytes, encoding: str, *, is_declared: bool = False) -> bool:
    """Tell by its beginning whether content is text.

    is_declared: its type says that it is, so that only a NUL is proof of the contrary.
    """
    sample = sample[:_SAMPLE]
    if not encoding.startswith(("utf-16", "utf-32")):
        foreign = b"\0" if is_declared else _NO_TEXT
        if len(sample.translate(None, foreign)) < len(sample):
            return False
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    except UnicodeError:
        return is_declared
    return True


class TerminalText:
    """Content in pieces to text for a terminal: decoded, harmless, lines ended by LF."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._held = ""  # a CR whose LF may be in the next piece
        self.ends_line = True  # whether what was given so far ends with its line

    def feed(self, piece: bytes, *, is_last: bool = False) -> str:
        """Return the text of a piece; with is_last also what was held back."""
        text = self._held + self._decoder.decode(piece, is_last)
        self._held = ""
        if text.endswith("\r") and not is_last:
            text, self._held = text[:-1], "\r"
        text = harmless(text.replace("\r\n", "\n"))
        if text:
            self.ends_line = text.endswith("\n")
        return text


_COLOURS = {
    "strong": "1", "faint": "2", "link": "4", "bad": "31", "good": "32", "odd": "33", "name": "36",
    "text": "32", "number": "35", "word": "33", "tag": "34",
}  # fmt: skip


class Style:
    """Colours by name, or none of them. Only the terminal's own sixteen, so any theme fits."""

    def __init__(self, has_colour: bool) -> None:
        self.has_colour = has_colour

    def paint(self, text: str, *styles: str) -> str:
        """Return text in a colour, back to normal at its end."""
        if not self.has_colour or not text:
            return text
        codes = ";".join([_COLOURS[style] for style in styles])
        return f"\x1b[{codes}m{text}\x1b[0m"

    def marks(self, *styles: str) -> tuple[str, str]:
        """Return what is written before and after something in a colour."""
        start, _, end = self.paint("\0", *styles).partition("\0")
        return start, end

    def status(self, code: int) -> str:
        """Name the style of a status code."""
        return "good" if code < 300 else "odd" if code < 400 else "bad"
