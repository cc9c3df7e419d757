"""What -F and --form-string send, in crlf's items.

A form's part is `name=text`, `name=@file` or `name=<file`, with ;type=, ;filename= and ;headers=
after it; a text may stand in double quotes, to have semicolons in it.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.cli.asking.nested import parse_json
from crlf.cli.exits import Failure
from crlf.cli.translating.crlfline import file_item, item
from crlf.cli.translating.curlwords import Datum

_KNOWN = ("type=", "filename=", "headers=", "encoder=", "format=")


class FormPart(NamedTuple):
    """One part of a form. is_file: text is the path of a file; is_upload: sent under its name."""

    name: str
    text: str
    is_file: bool = False
    is_upload: bool = False
    kind: str | None = None
    filename: str | None = None
    lost: tuple[str, ...] = ()  # what has no place in crlf
    is_one_of_many: bool = False  # in one part, as RFC 7578 4.3 has it no more

    @property
    def is_json(self) -> bool:
        """Whether it is a JSON object or list that says so, which `name:=json` is, too."""
        is_plain = not self.is_file and not self.filename
        return is_plain and self.kind == "application/json" and _is_structure(self.text)


def read_parts(forms: list[Datum]) -> list[FormPart]:
    """Read the parts of a form. Raises Failure for what curl refuses."""
    parts: list[FormPart] = []
    for one in forms:
        name, equals, content = one.text.partition("=")
        if not equals:
            raise Failure(f"-F takes name=content, not {one.text[:40]!r}")
        if one.kind == "string":
            parts.append(FormPart(name, content))
        elif content.startswith("@"):
            parts += _read_uploads(name, content)
        elif content.startswith("<"):
            parts.append(_read_part(name, content, 1, ";")[0]._replace(is_file=True))
        elif content.startswith(("(", ")")) and name in ("", "="):
            raise Failure(f"parts in parts have no counterpart: -F {one.text[:40]!r}")
        else:
            parts.append(_read_part(name, content, 0, ";")[0])
    return parts


def _read_uploads(name: str, content: str) -> list[FormPart]:
    """Read @a,b;type=x: several files, separated by commas."""
    parts, at = [], 1
    while at <= len(content):
        part, at = _read_part(name, content, at, ";,")
        parts.append(part._replace(is_file=True, is_upload=True))
        at += 1
    return [part._replace(is_one_of_many=len(parts) > 1) for part in parts]


def _read_part(name: str, content: str, at: int, ends: str) -> tuple[FormPart, int]:
    """Read a word and what is said about it, to a comma or the end."""
    text, at = _word(content, at, ends)
    part = FormPart(name, text)
    lost: list[str] = []
    while at < len(content) and content[at] == ";":
        at += 1
        while at < len(content) and content[at] in " \t":
            at += 1
        known = _known_at(content, at)
        if known is None:
            word, at = _word(content, at, ends)
            lost.append(f"what follows the ; is nothing that curl knows: {word[:40]!r}")
        elif known == "type=":
            kind, at = _media_type(content, at + len(known), ends)
            part = part._replace(kind=kind)
        else:
            word, at = _word(content, at + len(known), ends)
            if known == "filename=":
                part = part._replace(filename=word)
            else:
                lost.append(f"-F {name}: {known.removesuffix('=')} has no counterpart")
    return part._replace(lost=tuple(lost)), at


def _known_at(content: str, at: int) -> str | None:
    word = content[at : at + 10].lower()
    return next((key for key in _KNOWN if word.startswith(key)), None)


def _word(content: str, at: int, ends: str) -> tuple[str, int]:
    """Read to one of the ends, or in double quotes; return it and where it ends."""
    if content.startswith('"', at):
        kept: list[str] = []
        here = at + 1
        while here < len(content):
            sign = content[here]
            if sign == '"':
                here += 1
                while here < len(content) and content[here] not in ends:
                    here += 1
                return "".join(kept), here
            if sign == "\\" and content[here + 1 : here + 2] in ("\\", '"'):
                here += 1
                sign = content[here]
            kept.append(sign)
            here += 1
    end = min((found for mark in ends if (found := content.find(mark, at)) >= 0), default=-1)
    end = len(content) if end < 0 else end
    return content[at:end], end


def _media_type(content: str, at: int, ends: str) -> tuple[str, int]:
    """Read a media type, with parameters that are none of what curl knows itself."""
    start = at
    while at < len(content):
        if content[at] in ends and content[at] != ";":
            break
        if content[at] == ";":
            after = content[at + 1 : at + 40]
            if _known_at(after.lstrip(" \t"), 0):
                break
        at += 1
    return content[start:at].rstrip(" \t"), at


def _is_structure(text: str) -> bool:
    """Whether a text is a JSON object or list, as it stands: then a part of it says its type."""
    try:
        return text == text.strip(" \t\r\n") and isinstance(parse_json(text), dict | list)
    except (ValueError, RecursionError):
        return False


def part_item(part: FormPart) -> str | None:
    """Say a part as an item; None where none says it."""
    if part.is_upload:
        return file_item(part.name, part.text, part.kind, part.filename)
    if part.is_json:
        return item(part.name, ":=", part.text)
    if not part.is_file:
        return item(part.name, "=", part.text) if part.kind is None and not part.filename else None
    return item(part.name, "=@", part.text) if part.kind is None and not part.filename else None
