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
    """The items of one request, sorted, each sort in its order.

    content: fields of a form or of a JSON object, and uploads. body: a file as the whole content.
    """

    fields: list[Item]
    parameters: list[Item]
    content: list[Item]
    body: Item | None  # @file

    @property
    def has_files(self) -> bool:
        """Whether there are uploads."""
        return any(item.kind == "@" for item in self.content)


def parse_item(text: str) -> Item:
    """Split one item. Raises Failure for what is none, and for an empty name."""
    at = 0
    name: list[str] = []
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            # Any two go together, as in HTTPie: in `a\\=b` it is no separator that is escaped.
            if text[at + 1] not in _SPECIAL:
                name.append("\\")
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


def unescaped(text: str) -> str:
    """Leave out the backslashes before separators' characters, as HTTPie does in values too."""
    if "\\" not in text:
        return text
    kept, at = [], 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            if text[at + 1] not in _SPECIAL:
                kept.append("\\")
            at += 1
        kept.append(text[at])
        at += 1
    return "".join(kept)


def _item(separator: str, name: str, value: str, text: str) -> Item:
    from_file = len(separator) > 1 and separator.endswith("@")
    kind = separator[:-1] if from_file else separator
    if not name and kind == ":" and value[:1].isdecimal():
        raise Failure(f"{text!r} looks like a second URL; only one is requested")
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
    fields: list[Item] = []
    parameters: list[Item] = []
    content: list[Item] = []
    bodies: list[Item] = []
    for item in items:
        if item.kind in (":", ";"):
            fields.append(item)
        elif item.kind == "==":
            parameters.append(item)
        elif item.kind == "@" and not item.name:
            bodies.append(item)
        else:
            content.append(item)
    both = [*bodies[1:], *content]
    if bodies and both:
        raise Failure(f"{bodies[0].text!r} is the whole content, so {both[0].text!r} has no place")
    return Items(fields, parameters, content, bodies[0] if bodies else None)


def split_file(value: str) -> tuple[str, str | None]:
    """Take `path;type=image/png` apart: the path, and the media type or None."""
    path, mark, kind = value.rpartition(";type=")
    return (path, kind) if mark and path else (value, None)


def split_upload(value: str) -> tuple[str, str | None, str | None]:
    """Take `path;type=image/png;filename=a.png` apart, in either order: path, type, name."""
    path, mark, rest = value.rpartition(";filename=")
    if not mark or not path:
        return *split_file(value), None
    name, kind = split_file(rest)
    if kind is None:
        path, kind = split_file(path)
    return path, kind, name
