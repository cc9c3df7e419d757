"""What a request carries: a form, JSON, several parts, a file or a text as it is.

Items are a form unless one of them, or --json, says JSON; a form is several parts when a file
is in it. Its law: two kinds of content at once are an error that names both, and what the user
says of the content's type counts more than what is known here.
"""

from __future__ import annotations

import os

from crlf.cli.arguments import Arguments
from crlf.cli.asking.inputs import Inputs
from crlf.cli.asking.items import Item, Items, split_file, split_upload
from crlf.cli.exits import Failure
from crlf.client.forms import build_body
from crlf.client.options import FileInput, RequestOptions
from crlf.message.body import body_of
from crlf.message.fields.media import OCTETS, media_type_of, parse_media_type
from crlf.message.request import FORM_TYPE

JSON_TYPE = "application/json"
JSON_ACCEPTED = "application/json, */*;q=0.5"
TEXT_TYPE = "text/plain; charset=utf-8"

Field = tuple[str, str | None]


def add_content(
    options: RequestOptions,
    fields: list[Field],
    arguments: Arguments,
    items: Items,
    inputs: Inputs,
) -> None:
    """Put content into the options, and what is to be said of it before the user's fields.

    fields: those of the user, names in any case; one of None takes a field away. Raises Failure.
    """
    _check(arguments, items)
    given = {name.lower(): value for name, value in fields}
    is_json = _is_json(arguments, items)
    made: RequestOptions = {}
    kind = None
    raw = arguments.last("raw")
    if raw is not None:
        made["content"] = raw.encode("utf-8", "surrogateescape")
        kind = JSON_TYPE if is_json else FORM_TYPE if arguments.has("form") else TEXT_TYPE
    elif items.body is not None:
        kind = _add_body(made, items.body, is_json, inputs)
    elif is_json and items.content:
        made["json"] = _json(items, inputs)
    elif items.has_files or (arguments.has("multipart") and items.content):
        kind = _add_parts(made, items, fields, inputs)
    elif items.content:
        made["data"] = [_form_pair(item, inputs) for item in items.content]
    added: list[Field] = []
    if is_json:
        added.append(("accept", JSON_ACCEPTED))
    if arguments.has("compress") or arguments.has("chunked"):
        made, kind = _code(made, kind, added, given, arguments)
    if kind is not None:
        added.append(("content-type", kind))
    fields[:0] = [field for field in added if field[0] not in given]
    options.update(made)


def _check(arguments: Arguments, items: Items) -> None:
    """Raise Failure where two kinds of content are asked for at once."""
    for other in ("form", "multipart"):
        if arguments.has("json") and arguments.has(other):
            raise Failure(f"--json and --{other} exclude each other: content has one form")
    carried = [*([items.body] if items.body else []), *items.content]
    if arguments.has("raw") and carried:
        raise Failure(f"--raw is the whole content, so {carried[0].text!r} has no place")
    if arguments.has("multipart") and (arguments.has("raw") or items.body):
        raise Failure("--multipart sends items, each as a part; a whole content has no parts")
    if items.has_files and _is_json(arguments, items):
        upload = next(item for item in items.content if item.kind == "@")
        raise Failure(f"{upload.text!r} is an upload, for which JSON has no place")


def _is_json(arguments: Arguments, items: Items) -> bool:
    if arguments.has("json"):
        return True
    is_form = arguments.has("form") or arguments.has("multipart")
    return not is_form and any(item.kind == ":=" for item in items.content)


# --- each kind -----------------------------------------------------------------------------------


def _json(items: Items, inputs: Inputs) -> object:
    """Build the JSON of `name=text` and `name:=json`, in their order."""
    import json  # few requests have it

    from crlf.cli.asking.nested import build_json

    whole = build_json([(item, _json_value(item, inputs)) for item in items.content])
    try:
        json.dumps(whole)
    except RecursionError:
        raise Failure("JSON that is nested too deep to be written") from None
    return whole


def _json_value(item: Item, inputs: Inputs) -> object:
    _, text = inputs.text(item)
    return text if item.kind == "=" else _parsed(item, text)


def _parsed(item: Item, text: str) -> object:
    from crlf.cli.asking.nested import parse_json  # loads json

    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        where = f"in {item.value}" if item.from_file else "after the :="
        raise Failure(
            f"{item.text!r} has no JSON {where}; a text is written {item.name}=value"
        ) from None


def _form_pair(item: Item, inputs: Inputs) -> tuple[str, str]:
    """Return a form's field; of JSON only what a text can say (`age:=42` with --form)."""
    name, text = inputs.text(item)
    if item.kind == "=":
        return name, text
    value = _parsed(item, text)
    if isinstance(value, str):
        return name, value
    if isinstance(value, dict | list) or value is None:
        raise Failure(f"{item.text!r}: a form has texts and numbers; --json sends the rest")
    return name, text.strip(" \t\r\n")


def _add_parts(
    made: RequestOptions, items: Items, fields: list[Field], inputs: Inputs
) -> str | None:
    """Send items as parts, in their order; return the type where the user named one."""
    parts: list[tuple[str, FileInput]] = []
    for item in items.content:
        if item.kind == "@":
            parts.append((item.name, _upload(item, inputs)))
        else:
            parts.append(_part(item, inputs))
    at = next((at for at, field in enumerate(fields) if field[0].lower() == "content-type"), None)
    if at is None or fields[at][1] is None:
        made["files"] = parts
        return None
    name, given = fields[at]
    media_type = parse_media_type(given or "")
    if media_type is None or not media_type.essence.startswith("multipart/"):
        raise Failure(f"{given!r} is no type of several parts; they are like multipart/form-data")
    from crlf.client.uploads import build_multipart  # most requests have no parts

    boundary = media_type.parameter("boundary")
    content, kind = build_multipart([], parts, boundary)
    made["content"] = content  # type: ignore[typeddict-item]  # a Body, which body_of takes too
    if boundary is None:
        fields[at] = (name, f"{given}; {kind.partition('; ')[2]}")
    return None


def _part(item: Item, inputs: Inputs) -> tuple[str, FileInput]:
    """Return a part without a file; an object or a list of JSON is one that says its type."""
    if item.kind == ":=":
        name, text = inputs.text(item)
        if isinstance(_parsed(item, text), dict | list):
            return name, (None, text.strip(" \t\r\n").encode(), JSON_TYPE)
    name, text = _form_pair(item, inputs)
    return name, (None, text.encode())


def _upload(item: Item, inputs: Inputs) -> FileInput:
    path, kind, name = split_upload(item.value)
    if path == "-":
        raise Failure(f"{item.text!r}: an upload comes from a file; @- alone sends standard input")
    if name == "":
        raise Failure(f"{item.text!r} says no name after ;filename=")
    name = name or os.path.basename(path)
    kind = _checked_type(kind or media_type_of(name))
    return name, inputs.keep(path), kind


def _add_body(made: RequestOptions, item: Item, is_json: bool, inputs: Inputs) -> str | None:
    """Send a file as the whole content; return its type, None where nobody knows it."""
    path, kind = split_file(item.value)
    if path == "-":
        made["content"] = inputs.stdin(item)
        if kind is None:
            return JSON_TYPE if is_json else None
        return _checked_type(kind)
    if kind is None:
        kind = media_type_of(path)
        if kind == OCTETS and is_json:
            kind = JSON_TYPE
    kind = _checked_type(kind)
    made["content"] = inputs.keep(path)
    return kind


def _checked_type(kind: str) -> str:
    if parse_media_type(kind) is None:
        raise Failure(f"{kind!r} is no media type; they are like image/png")
    return kind


# --- how it goes out -----------------------------------------------------------------------------


def _code(
    made: RequestOptions,
    kind: str | None,
    added: list[Field],
    given: dict[str, str | None],
    arguments: Arguments,
) -> tuple[RequestOptions, str | None]:
    """Compress content, or keep its length back, as it is asked for; return it and its type."""
    from crlf.cli.asking.coded import ChunkedBody, CompressedBody, compressed  # few ask for it

    option = "--compress" if arguments.has("compress") else "--chunked"
    if not made:
        raise Failure(f"{option} is about content, and there is none to send")
    found, its_kind = build_body(made)
    content = body_of(found)
    if arguments.has("compress"):
        if "content-encoding" in given:
            raise Failure("--compress says the Content-Encoding itself: leave one of them out")
        if isinstance(content, bytes):
            packed = compressed(content)
            # What does not get shorter stays as it is, unless that is asked for twice.
            if len(packed) < len(content) or len(arguments.every("compress")) > 1:
                content = packed
                added.append(("content-encoding", "gzip"))
        else:
            content = CompressedBody(content)
            added.append(("content-encoding", "gzip"))
    if arguments.has("chunked"):
        content = ChunkedBody(content)
    coded: RequestOptions = {"content": content}  # type: ignore[typeddict-item]  # as above
    return coded, kind or its_kind
