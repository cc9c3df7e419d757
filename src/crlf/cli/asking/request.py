"""From a command line to a request: method, URL, options.

A URL may be short: `:8000/path` is on this machine, a bare host is http, and a path alone is
for an application in memory. Items make the content: a form, which becomes multipart with a
file in it, or JSON with --json or a `:=` item. Its law: what cannot be meant is said before
anything is sent.
"""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

from crlf.cli.arguments import Arguments
from crlf.cli.asking.items import Item, Items, parse_item, sort_items, split_file
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_INPUT, Failure
from crlf.cli.showing.output import reason_of
from crlf.client.options import ClientOptions, RequestOptions
from crlf.message.errors import BadUrl
from crlf.message.fields.media import media_type_of, parse_media_type
from crlf.message.grammar import is_token
from crlf.message.headers import check_field
from crlf.message.url import URL, Pairs

# Methods whose content means nothing (RFC 9110 9.3): to give some is a slip, most likely.
_WITHOUT_CONTENT = ("get", "head")

Field = tuple[str, str | None]


class Asked(NamedTuple):
    """What a command line asks for.

    opened: files that the content comes from. client: what the client is made with that sends
    it. added: names, in lower case, of the header fields that the user gave.
    """

    method: str
    url: URL
    options: RequestOptions
    opened: list[BinaryIO]
    client: ClientOptions = {}  # noqa: RUF012  # never written to; each request has its own
    added: tuple[str, ...] = ()

    def close(self) -> None:
        """Close the files that the content came from."""
        for file in self.opened:
            file.close()


def read_request(command: Command, arguments: Arguments, environment: Environment) -> Asked:
    """Build what is asked for. Raises Failure, Malformed for a bad header field."""
    words = list(arguments.words)
    method = command.method
    if not method:
        method, *words = words
        if not is_token(method):
            raise Failure(f"{method!r} is no method")
    url, *texts = words
    items = sort_items([parse_item(text) for text in texts])
    if items.content and command.name in _WITHOUT_CONTENT:
        _refuse_content(command.name, items.content[0])
    options: RequestOptions = {}
    timeout = arguments.last("timeout")
    if timeout is not None:
        options["timeout"] = _read_timeout(timeout)
    if items.parameters:
        options["params"] = _pairs(items.parameters, environment)
    auth = arguments.last("auth")
    if auth is not None:
        options["auth"] = _read_auth(auth, environment)
    follow = arguments.last("follow")
    if follow is not None:
        options["follow_redirects"] = follow == "yes"
    try:
        whole = URL(whole_url(url, arguments.has("app")))
    except BadUrl as fault:
        raise Failure(f"{url!r} is no URL to ask for: {fault}") from None
    client: ClientOptions = {}
    if arguments.has("insecure"):
        client["verify"] = False
    asked = Asked(method, whole, options, [], client)
    try:
        fields = _fields(arguments, items, environment)
        _add_content(asked, fields, arguments, items, environment)
    except BaseException:
        asked.close()
        raise
    if fields:
        options["headers"] = fields
    return asked._replace(added=tuple(name.lower() for name, _ in fields))


def whole_url(text: str, is_inside: bool = False) -> str:
    """Complete a URL. is_inside: for an application in memory, where a path says it all."""
    if text.startswith("://"):
        return f"http{text}"
    if text.startswith(":"):
        port = text[1:].partition("/")[0].partition("?")[0]
        return f"http://localhost{text if port else text[1:]}"
    if is_inside and text.startswith("/"):
        return f"http://localhost{text}"
    head = text.partition("/")[0].partition("?")[0]
    name, colon, rest = head.partition(":")
    is_host = not colon or (rest.isascii() and rest.isdigit()) or "@" in head or name[:1] == "["
    return f"http://{text}" if is_host and "://" not in text.partition("?")[0] else text


def _refuse_content(command: str, item: Item) -> None:
    hint = "use post"
    if item.kind == "=" and not item.from_file:
        hint = f"write {item.name}=={item.value} for the URL's query, or use post"
    raise Failure(f"{item.text!r} is content, which {command.upper()} does not carry: {hint}")


# --- how long ------------------------------------------------------------------------------------


def _read_timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise Failure(f"--timeout takes seconds, as in 2.5, not {text!r}")
    return seconds


# --- what is sent --------------------------------------------------------------------------------


def _fields(arguments: Arguments, items: Items, environment: Environment) -> list[Field]:
    """Collect header fields from -H and from items; a value of None takes a field away."""
    fields = [_header(text) for text in arguments.every("header")]
    for item in items.fields:
        text = _value(item, environment).strip(" \t\r\n" if item.from_file else " \t")
        is_taken_away = item.kind == ":" and not text and not item.from_file
        fields.append((item.name, None if is_taken_away else text))
    for name, value in fields:
        check_field(name, as_wire(value or ""))
    return [(name, None if value is None else as_wire(value)) for name, value in fields]


def _header(text: str) -> Field:
    """Read what -H is given, as curl does: `Name: value`, `Name:` leaves out, `Name;` is empty."""
    name, colon, value = text.partition(":")
    if not colon:
        if text.endswith(";"):
            return text[:-1], ""
        raise Failure(f"-H takes 'Name: value', not {text!r}")
    return name, value.strip(" \t") or None


def as_wire(value: str) -> str:
    """Write text beyond ASCII as its UTF-8, one character a byte, as fields keep it."""
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


def _add_content(
    asked: Asked,
    fields: list[Field],
    arguments: Arguments,
    items: Items,
    environment: Environment,
) -> None:
    """Put the content that the items make into the options."""
    options = asked.options
    is_json = arguments.has("json") or bool(items.values)
    if is_json and arguments.has("form"):
        raise Failure("--form and JSON exclude each other; name=value is what a form has")
    if items.body is not None:
        kind = _add_body(asked, items.body, environment)
        if kind and all(name.lower() != "content-type" for name, _ in fields):
            fields.append(("content-type", kind))
    elif is_json and (items.texts or items.values or items.files):
        if items.files:
            raise Failure(f"{items.files[0].text!r} is an upload, for which JSON has no place")
        options["json"] = _json(items, environment)
    elif items.files:
        options["data"] = _pairs(items.texts, environment)
        options["files"] = [(one.name, _upload(asked, one, environment)) for one in items.files]
    elif items.texts:
        options["data"] = _pairs(items.texts, environment)


def _add_body(asked: Asked, item: Item, environment: Environment) -> str | None:
    """Send a file as the whole content; return its type, None for standard input's."""
    path, kind = split_file(item.value)
    if path == "-":
        asked.options["content"] = environment.stdin
        return None if kind is None else _checked_type(kind)
    kind = _checked_type(kind or media_type_of(path))
    file = open_input(path, environment)
    asked.opened.append(file)
    asked.options["content"] = file
    return kind


def _json(items: Items, environment: Environment) -> object:
    import json  # few requests have it

    whole: dict[str, object] = {}
    for item in [*items.texts, *items.values]:
        if "[" in item.name:
            raise Failure(f"{item.text!r}: names with brackets mean nothing in JSON yet")
        if item.kind == "=":
            whole[item.name] = _value(item, environment)
            continue
        try:
            whole[item.name] = json.loads(_value(item, environment))
        except (ValueError, RecursionError):
            raise Failure(
                f"{item.text!r} has no JSON after the :=; a text is written {item.name}=value"
            ) from None
    return whole


def _pairs(items: list[Item], environment: Environment) -> Pairs:
    return [(item.name, _value(item, environment)) for item in items]


def _upload(asked: Asked, item: Item, environment: Environment) -> tuple[str, BinaryIO, str]:
    path, kind = split_file(item.value)
    if path == "-":
        raise Failure(f"{item.text!r}: an upload comes from a file; @- alone sends standard input")
    name = os.path.basename(path)
    kind = _checked_type(kind or media_type_of(name))
    file = open_input(path, environment)
    asked.opened.append(file)
    return name, file, kind


def _checked_type(kind: str) -> str:
    if parse_media_type(kind) is None:
        raise Failure(f"{kind!r} is no media type; they are like image/png")
    return kind


# --- what comes from elsewhere -------------------------------------------------------------------


def _value(item: Item, environment: Environment) -> str:
    """Return an item's value, from its file where that is said."""
    if not item.from_file:
        return item.value
    if item.value == "-":
        content = environment.stdin.read()
    else:
        with open_input(item.value, environment) as file:
            content = file.read()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Failure(
            f"{item.value} is not text in UTF-8; name@file uploads anything", NO_INPUT
        ) from None


def open_input(path: str, environment: Environment) -> BinaryIO:
    """Open a file that is to be sent. Raises Failure."""
    try:
        return open(environment.path(path), "rb")
    except OSError as fault:
        raise Failure(f"cannot read {path}: {reason_of(fault)}", NO_INPUT) from None


def _read_auth(text: str, environment: Environment) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not colon:
        if environment.ask is None:
            raise Failure(f"--auth {user} has no password, and there is nobody to ask")
        password = environment.ask(f"Password of {user}: ")
    return user, password
