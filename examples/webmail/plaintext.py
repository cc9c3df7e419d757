"""Plain text: what a reader sees of an HTML letter, for the list, the search and a quotation.

Html.parser, which never raises and needs no memory but the text. It decides nothing about
safety: what it gives is text, and is escaped like any other.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

MOST: Final = 256 * 1024  # characters of HTML that are looked at
_UNSEEN: Final = frozenset({"script", "style", "head", "title", "template", "noscript"})
_BREAKS: Final = frozenset(
    "p div br tr li ul ol table h1 h2 h3 h4 h5 h6 blockquote pre hr section article".split(" ")
)
_BLANKS = re.compile(r"[ \t\xa0]+")
_GAPS = re.compile(r"\s*\n\s*\n\s*")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = ""  # the element whose content is not for readers

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._unseen and tag in _UNSEEN:
            self._unseen = tag
        elif tag in _BREAKS:
            self.pieces.append("\n\n" if tag == "p" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        elif tag in _BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data.replace("\n", " "))


def plain_text(html: str) -> str:
    """Read the words of a page."""
    if not html:
        return ""
    words = _Words()
    words.feed(html[:MOST])
    words.close()
    text = _BLANKS.sub(" ", "".join(words.pieces))
    return _GAPS.sub("\n\n", text).strip()
