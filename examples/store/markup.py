"""Markup that escapes by itself, and is HTML and XML at once.

`element("p", "a < b")` is `<p>a &lt; b</p>`: whatever is not Markup is text. Its law: what is
built is well-formed, so the same page may go out as text/html and as application/xhtml+xml.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

VOID: Final = frozenset("br hr img input link meta circle line path rect use".split(" "))
# A line end after these is not seen by a reader of the page, and seen by one of its source.
BLOCKS: Final = frozenset(
    "article aside body dd div dl dt fieldset figure footer form h1 h2 h3 head header label li "
    "link main meta nav ol p pre section svg symbol table tbody thead title tr ul".split(" ")
)
# XML 1.0 2.2: not even an escape may stand for one of these.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "str | int | Iterable[Child] | None"
Attribute: TypeAlias = str | int | bool | None


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """Build an element: children are Markup, text, numbers, lists of these, or None for nothing.

    Attributes: `class_` is class and `aria_label` aria-label; True stands for a flag, and what
    is None or False is left out.
    """
    written = "".join(
        f' {_name(name)}="{_value(name, value)}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    end = "\n" if tag in BLOCKS else ""
    if tag in VOID and not children:
        return Markup(f"<{tag}{written}/>{end}")
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>{end}")


def join(*children: Child) -> Markup:
    """Put children one after the other."""
    return Markup("".join(_flat(children)))


def escape(text: str) -> Markup:
    """Write text so that a page shows it, in an element as in an attribute."""
    return Markup(html.escape(_NOT_XML.sub("\ufffd", text)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield escape(child)
        elif isinstance(child, int):
            yield str(child)
        elif child is not None:
            yield from _flat(child)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(name: str, value: Attribute) -> str:
    return escape(_name(name) if value is True else str(value))
