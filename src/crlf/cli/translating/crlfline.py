"""A command line of crlf's, put together: items where they say it exactly, options elsewhere.

Its law: an item is only written when crlf's own parser reads it back as what was meant.
"""

from __future__ import annotations

from crlf.cli.asking.items import SEPARATORS, parse_item, split_upload
from crlf.cli.commands import COMMANDS
from crlf.cli.exits import Failure
from crlf.cli.translating.shellquotes import quote

_SPECIAL = frozenset("".join(SEPARATORS))
_VERBS = {
    command.method: command.name for command in COMMANDS.values() if command.module == "fetch"
}

Field = tuple[str, str | None]


class CrlfLine:
    """One request, as words.

    command: "" for the one that the method has. fields: None takes one away. variables: set for
    this command alone. feed: what goes on before it, into its standard input. filter: a command
    that its input passes. tail: what the shell does with all of this.
    """

    def __init__(self) -> None:
        self.command = ""
        self.method = "GET"
        self.url = ""
        self.fields: list[Field] = []
        self.items: list[str] = []
        self.options: list[str] = []
        self.has_content = False
        self.feed = ""
        self.filter = ""
        self.tail = ""
        self.variables: list[tuple[str, str]] = []

    def written(self, expansions: dict[str, str], *, is_ascii: bool) -> str:
        """Write it for a shell."""

        def quoted(word: str) -> str:
            return quote(word, expansions, is_ascii=is_ascii)

        verb = self.command or _VERBS.get(self.method, "")
        if not verb or (self.has_content and verb in ("get", "head")):
            verb = f"request {quoted(self.method)}"
        items, options = self._said_fields(expansions)
        words, options = [self.url, *self.items, *items], [*options, *self.options]
        if any(word.startswith("-") for word in words):
            words = [*options, "--", *words]
        else:
            words += options
        set_first = "".join([f"{name}={quoted(value)} " for name, value in self.variables])
        said = " ".join([quoted(word) for word in words])
        whole = f"{self.filter}{set_first}crlf {verb} {said}"
        if self.filter and self.tail.startswith(" <"):
            whole = f"{{ {whole}; }}"  # what is read there is for the filter
        return f"{self.feed}{whole}{self.tail}"

    def _said_fields(self, expansions: dict[str, str]) -> tuple[list[str], list[str]]:
        """Say header fields as items; all as -H where one of them needs it, or no items go."""
        texts = [field_item(name, value, expansions) for name, value in self.fields]
        if None not in texts and not self.command:
            return [text for text in texts if text is not None], []
        options = []
        for name, value in self.fields:
            text = f"{name}:" if value is None else f"{name}: {value}" if value else f"{name};"
            options += ["-H", text]
        return [], options


def item(name: str, separator: str, value: str) -> str | None:
    """Write an item; None where none can say it."""
    text = _escaped(name) + separator + _escaped_value(value, separator)
    from_file = len(separator) > 1 and separator.endswith("@")
    try:
        found = parse_item(text)
    except Failure:
        return None
    meant = (separator.removesuffix("@") if from_file else separator, name, value, from_file)
    is_meant = (found.kind, found.name, found.value, found.from_file) == meant
    return text if is_meant else None


def file_item(
    name: str, path: str, kind: str | None = None, filename: str | None = None
) -> str | None:
    """Write an item that sends a file, whole when it has no name; None where none can say it."""
    path = f"./{path}" if path.startswith("~") else path
    value = path if kind is None else f"{path};type={kind}"
    value = value if filename is None else f"{value};filename={filename}"
    return item(name, "@", value) if split_upload(value) == (path, kind, filename) else None


def field_item(name: str, value: str | None, expansions: dict[str, str]) -> str | None:
    """Write an item for a header field; None where -H has to say it."""
    if any(sign in expansions for sign in value or ""):
        return None  # whatever the shell fills in is not to be read as anything else
    return item(name, ";", "") if value == "" else item(name, ":", value or "")


def _escaped(name: str) -> str:
    return "".join([f"\\{sign}" if sign in _SPECIAL else sign for sign in name])


def _escaped_value(value: str, separator: str) -> str:
    """Escape what would make the separator longer, and what a backslash stands before."""
    kept: list[str] = []
    for at, sign in enumerate(value):
        is_first = not at and any(one.startswith(separator + sign) for one in SEPARATORS)
        if sign in _SPECIAL and (is_first or value[at - 1 : at] == "\\"):
            kept.append("\\")
        kept.append(sign)
    return "".join(kept)
