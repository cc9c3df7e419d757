"""Request items in HTTPie's form: `Header:value q==v f=v j:=json file@path`, and what they mean.

An item is split at its first separator, the longest of those that begin there; a backslash
before a separator's character takes its meaning away. Reading is pure: what comes from files is
only named here. Its law: an item that could be meant otherwise is an error that says how to
write it, and none is ever guessed from what is on the disk or on standard input.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.cli.exits import Failure

# Longest first, so that `:=@` is not read as `:`.
SEPARATORS = (":=@", "==@", ":=", "==", "=@", ":@", ":", "=", ";", "@")
_SPECIAL = frozenset("".join(SEPARATORS))


class Item(NamedTuple):
    """One item. kind: the separator without its @. from_file: value is a path to read it from."""

    kind: str
    name: str
    value: str
    from_file: bool
    text: str  # as it was written


class Items(NamedTuple):
    """The items of one request, sorted, each kind in its order. A field's None takes it away."""

    fields: list[Item]
    parameters: list[Item]
    texts: list[Item]
    values: list[Item]  # JSON
    files: list[Item]
    body: Item | None  # @file

    @property
    def content(self) -> list[Item]:
        """Those that make up the request's content."""
        return [*self.texts, *self.values, *self.files, *([self.body] if self.body else [])]


def parse_item(text: str) -> Item:
    """Split one item. Raises Failure for what is none, and for an empty name."""
    at = 0
    name: list[str] = []
    while at < len(text):
        if is_escaped(text, at):
            at += 1
        elif text[at] in _SPECIAL:
            separator = next((one for one in SEPARATORS if text.startswith(one, at)), "")
            # `Header;` is the only use of the semicolon.
            if separator and (separator != ";" or at == len(text) - 1):
                value = unescaped(text[at + len(separator) :])
                return _item(separator, "".join(name), value, text)
        name.append(text[at])
        at += 1
    raise Failure(
        f"{text!r} is no item: write name=value, name==value for the query, Header:value, "
        "name:=json or name@file"
    )


def is_escaped(text: str, at: int) -> bool:
    """Whether a backslash stands here that takes the next character's meaning away."""
    return text[at] == "\\" and at + 1 < len(text) and text[at + 1] in _SPECIAL


def unescaped(text: str) -> str:
    """Leave out the backslashes before separators' characters, as HTTPie does in values too."""
    if "\\" not in text:
        return text
    kept, at = [], 0
    while at < len(text):
        at += is_escaped(text, at)
        kept.append(text[at])
        at += 1
    return "".join(kept)


def _item(separator: str, name: str, value: str, text: str) -> Item:
    from_file = len(separator) > 1 and separator.endswith("@")
    kind = separator[:-1] if from_file else separator
    if not name and (kind != "@" or not value):
        raise Failure(f"{text!r} has no name before the {separator}")
    if kind == ":" and value.startswith("//") and name.lower() in ("http", "https"):
        raise Failure(f"{text!r} looks like a second URL; only one is requested")
    if not value and (from_file or kind == "@"):
        raise Failure(f"{text!r} names no file after the {separator}")
    if kind == ":=" and not value:
        raise Failure(f"{text!r} has no JSON after the :=")
    return Item(kind, name, value, from_file, text)


def sort_items(items: list[Item]) -> Items:
    """Sort items by what they make of a request. Raises Failure when they contradict."""
    sorted_items = Items([], [], [], [], [], None)
    bodies = []
    for item in items:
        if item.kind in (":", ";"):
            sorted_items.fields.append(item)
        elif item.kind == "==":
            sorted_items.parameters.append(item)
        elif item.kind == "=":
            sorted_items.texts.append(item)
        elif item.kind == ":=":
            sorted_items.values.append(item)
        elif item.name:
            sorted_items.files.append(item)
        else:
            bodies.append(item)
    if not bodies:
        return sorted_items
    both = [*bodies[1:], *sorted_items.content]
    if both:
        raise Failure(f"{bodies[0].text!r} is the whole content, so {both[0].text!r} has no place")
    return sorted_items._replace(body=bodies[0])


def split_file(value: str) -> tuple[str, str | None]:
    """Take `path;type=image/png` apart: the path, and the media type or None."""
    path, mark, kind = value.rpartition(";type=")
    return (path, kind) if mark and path else (value, None)
