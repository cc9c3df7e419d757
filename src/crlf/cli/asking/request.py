"""From a command line to a request: method, URL, options, and what its client is made with.

A URL may be short: `:8000/path` is on this machine, a bare host is http, and a path alone is
for an application in memory. Its law: what cannot be meant is said before anything is sent, and
what is not asked for is not loaded (content.py, credentials.py, way.py).
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from crlf.cli.arguments import Arguments
from crlf.cli.asking.inputs import Inputs
from crlf.cli.asking.inputs import open_input as open_input  # asking for others too
from crlf.cli.asking.items import Item, Items, parse_item, sort_items
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.client.options import ClientOptions, RequestOptions
from crlf.message.errors import BadUrl
from crlf.message.grammar import is_token
from crlf.message.headers import check_field
from crlf.message.url import URL

# Fields that every request of a command has. Which codings there are beside these is a question of
# packages, 2 ms that no page is worth.
STANDING = {"accept-encoding": "gzip, deflate"}
# Methods whose content means nothing (RFC 9110 9.3): to give some is a slip, most likely.
_WITHOUT_CONTENT = ("get", "head")
# What the three files are about that are loaded when one of these is said.
_CONTENT = ("json", "form", "multipart", "raw", "chunked", "compress")
_WHO = ("auth", "auth-type", "netrc")
_WAY = (
    "timeout", "connect-timeout", "retry", "max-redirects", "insecure", "ca", "tls-minimum",
    "cert", "cert-key", "proxy", "no-proxy", "resolve", "unix-socket", "interface", "untrusted",
)  # fmt: skip

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
    text, *texts = words
    items = sort_items([parse_item(word) for word in texts])
    if command.name in _WITHOUT_CONTENT:
        _refuse_content(command.name, arguments, items)
    url = read_url(text, arguments.has("app"))
    options: RequestOptions = {}
    client: ClientOptions = {}
    inputs = Inputs(environment)
    try:
        if _says(arguments, _WAY):
            from crlf.cli.asking.way import add_way

            add_way(client, options, arguments, environment)
        follow = arguments.last("follow")
        if follow is not None:
            options["follow_redirects"] = follow == "yes"
        added = _add_items(options, arguments, items, inputs)
        # A password is asked for when all else is right.
        if _says(arguments, _WHO):
            from crlf.cli.asking.credentials import read_auth

            auth = read_auth(arguments, url, environment)
            if auth is not None:
                options["auth"] = auth
    except BaseException:
        for file in inputs.opened:
            file.close()
        raise
    return Asked(method, url, options, inputs.opened, client, added)


def read_url(text: str, is_inside: bool = False) -> URL:
    """Read the URL that somebody typed. Raises Failure, which shows no password in it."""
    try:
        url = URL(whole_url(text, is_inside))
    except BadUrl as fault:
        raise Failure(f"{_shown(text)!r} is no URL to ask for: {fault}") from None
    if not url.is_requestable:
        raise Failure(f"cannot request {url.scheme}: URLs, only http and https")
    return url


def whole_url(text: str, is_inside: bool = False) -> str:
    """Complete a URL. is_inside: for an application in memory, where a path says it all."""
    if text.startswith("://"):
        return f"http{text}"
    if text.startswith(":") and not text.startswith("::"):
        port = text[1:].partition("/")[0].partition("?")[0]
        return f"http://localhost{text if port else text[1:]}"
    if is_inside and text.startswith("/"):
        return f"http://localhost{text}"
    head = text.partition("/")[0].partition("?")[0].partition("#")[0]
    name, colon, rest = head.partition(":")
    is_host = (
        not colon
        or (rest.isascii() and rest.isdigit())
        or "." in name  # no scheme that anybody asks for has one: its port is wrong
        or "@" in head
        or name[:1] == "["
    )
    return f"http://{text}" if is_host and "://" not in text.partition("?")[0] else text


def _shown(text: str) -> str:
    """Write a URL that may be none, without user name and password."""
    scheme, mark, rest = text.partition("://")
    start, rest = (scheme + mark, rest) if mark else ("", text)
    head = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    userinfo, at, _ = head.rpartition("@")
    return f"{start}***@{rest[len(userinfo) + 1 :]}" if at else text


def _says(arguments: Arguments, keys: tuple[str, ...]) -> bool:
    return any(arguments.has(key) for key in keys)


def _refuse_content(command: str, arguments: Arguments, items: Items) -> None:
    """Raise Failure for content of a method that carries none."""
    verb = command.upper()
    if arguments.has("raw"):
        raise Failure(f"--raw is content, which {verb} does not carry: use post")
    carried = [*([items.body] if items.body else []), *items.content]
    if not carried:
        return
    item = carried[0]
    hint = "use post"
    if item.kind == "=" and not item.from_file:
        hint = f"write {item.name}=={item.value} for the URL's query, or use post"
    raise Failure(f"{item.text!r} is content, which {verb} does not carry: {hint}")


# --- what is sent --------------------------------------------------------------------------------


def _add_items(
    options: RequestOptions, arguments: Arguments, items: Items, inputs: Inputs
) -> tuple[str, ...]:
    """Put what is sent into the options; return the names of the fields that the user gave."""
    if items.parameters:
        options["params"] = [_parameter(item, inputs) for item in items.parameters]
    fields = _fields(arguments, items, inputs)
    added = tuple([name.lower() for name, _ in fields])
    if items.content or items.body or _says(arguments, _CONTENT):
        from crlf.cli.asking.content import add_content

        add_content(options, fields, arguments, items, inputs)
    if fields:
        options["headers"] = fields
    return added


def _parameter(item: Item, inputs: Inputs) -> tuple[str, str]:
    name, value = inputs.text(item)
    return name, value.rstrip("\r\n") if item.from_file else value


def _fields(arguments: Arguments, items: Items, inputs: Inputs) -> list[Field]:
    """Collect header fields from -H and from items; a value of None takes a field away.

    A name may come several times. One that is taken away has no value that came before.
    """
    given = [_header(text) for text in arguments.every("header")]
    given += [_item_field(item, inputs) for item in items.fields]
    for name, value in given:
        check_field(name, as_wire(value or ""))
    fields: list[Field] = []
    for name, value in given:
        key = name.lower()
        fields = [
            each for each in fields
            if each[0].lower() != key or (value is not None and each[1] is not None)
        ]  # fmt: skip
        fields.append((name, None if value is None else as_wire(value)))
    return fields


def _item_field(item: Item, inputs: Inputs) -> Field:
    text = inputs.value(item).strip(" \t\r\n" if item.from_file else " \t")
    is_taken_away = item.kind == ":" and not text and not item.from_file
    return item.name, None if is_taken_away else text


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
