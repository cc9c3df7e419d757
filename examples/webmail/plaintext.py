"""Plain text: what a reader sees of an HTML letter, for the list, the search and a quotation.

It goes from one "<" to the next ">" and never back, so that its work is that of the text's length;
Python's html.parser takes minutes for 100,000 times "<a ". It decides nothing about safety: what
it gives is text, and is escaped like any other. That is formatted.py's task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

MOST: Final = 400_000  # characters of HTML that are looked at
_UNSEEN: Final = ("script", "style", "head", "title", "template", "noscript")
_BREAKS: Final = frozenset(
    "br tr li ul ol table h1 h2 h3 h4 h5 h6 div blockquote pre hr section article".split(" ")
)
_NAME = re.compile(r"<(/?)([a-z][a-z0-9]{0,15})")
_BLANKS = re.compile(r"[ \t\r\xa0]+")


def plain_text(html: str) -> str:
    """Read the words of a page."""
    if not html:
        return ""
    lines = _BLANKS.sub(" ", unescape("".join(_pieces(html[:MOST])))).split("\n")
    text = "\n".join(line.strip(" ") for line in lines)
    return re.sub("\n{3,}", "\n\n", text).strip("\n")


def _pieces(html: str) -> Iterator[str]:
    small, at = html.lower(), 0
    if len(small) != len(html):  # a few letters are two when they are small
        small = html
    while (start := html.find("<", at)) >= 0:
        yield html[at:start].replace("\n", " ")
        named = _NAME.match(small, start)
        if named is None and not html.startswith(("<!", "<?", "</"), start):
            yield "<"  # as in 1 < 2
            at = start + 1
            continue
        name = named[2] if named is not None else ""
        closes = "-->" if html.startswith("<!--", start) else ">"
        if name in _UNSEEN and not small.startswith("</", start):
            closes = f"</{name}"
        end = small.find(closes, start + 1)
        if end < 0:
            return  # what is not closed is not seen
        at = end + len(closes) if closes != f"</{name}" else end
        if name == "p":
            yield "\n\n"
        elif name in _BREAKS:
            yield "\n"
    yield html[at:].replace("\n", " ")
