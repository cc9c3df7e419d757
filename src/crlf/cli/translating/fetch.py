"""A request as JavaScript: `await fetch(...)`, for browsers and Node.

Its law: what fetch may set is set, what it sets by itself is left to it, and what it can
neither send nor be told is a Failure.
"""

from __future__ import annotations

from binascii import b2a_base64

from crlf.cli.exits import Failure
from crlf.cli.translating.errand import (
    Errand,
    Json,
    Multipart,
    Text,
    Upload,
    file_bytes,
)
from crlf.cli.translating.quoting import javascript

# What a page may not set (the Fetch standard, "forbidden request-header"), nor "proxy-", "sec-".
_FORBIDDEN = frozenset({
    "accept-charset", "accept-encoding", "access-control-request-headers",
    "access-control-request-method", "connection", "content-length", "cookie", "cookie2", "date",
    "dnt", "expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te", "trailer",
    "transfer-encoding", "upgrade", "via",
})  # fmt: skip
# What Node's fetch refuses too, or ends with.
_REFUSED = frozenset({
    "connection", "content-length", "expect", "keep-alive", "transfer-encoding", "upgrade",
})  # fmt: skip
_LARGEST = 2**53  # of whole numbers that JavaScript has


def fetch(errand: Errand) -> str:
    """Write the statements. Raises Failure for what fetch cannot send, or is told as bytes."""
    if errand.method in ("CONNECT", "TRACE", "TRACK"):
        raise Failure(f"fetch sends no {errand.method}")
    before, body = _content(errand)
    if body and errand.method in ("GET", "HEAD"):
        raise Failure(f"fetch sends no content with {errand.method}; try --as curl")
    members = [] if errand.method == "GET" else [f"method: {javascript(errand.method)}"]
    fields = [(name, value) for name, value in errand.other_fields(*_REFUSED, *_own_type(errand))]
    login = errand.login
    if login is not None and login[0] == "digest":
        raise Failure("fetch knows no Digest; try --as curl")
    if login is not None:
        value = errand.request.headers.first("authorization") or ""
        fields.append(("authorization", value))
    if fields:
        members.append(f"headers: {_fields(fields)}")
    if body:
        members.append(f"body: {body}")
    url = javascript(errand.url)
    called = f"fetch({url})" if not members else f"fetch({url}, {_object(members)})"
    lines = [*before, f"const response = await {called};"]
    lines.append("console.log(response.status, await response.text());")
    return "\n".join(lines) + "\n"


def forbidden(errand: Errand) -> list[str]:
    """List the fields that a browser does not let a page set."""
    return [
        name
        for name, _ in errand.fields
        if name.lower() in _FORBIDDEN or name.lower().startswith(("proxy-", "sec-"))
    ]


def _own_type(errand: Errand) -> list[str]:
    return ["content-type"] if isinstance(errand.content, Multipart) else []


def _object(members: list[str]) -> str:
    return "{\n" + "".join([f"  {member},\n" for member in members]) + "}"


def _fields(fields: list[tuple[str, str]]) -> str:
    """Write fields; their values stand as bytes, one character each, as fetch sends them."""
    named = {name.lower() for name, _ in fields}
    if len(named) < len(fields) or "__proto__" in named:
        pairs = [f"[{javascript(name)}, {javascript(value)}]" for name, value in fields]
        return "[" + ", ".join(pairs) + "]"
    members = [f"{javascript(name)}: {javascript(value)}" for name, value in fields]
    return "{" + ", ".join(members) + "}"


def _content(errand: Errand) -> tuple[list[str], str]:
    """Return the statements before the call, and the expression that is the content."""
    content = errand.content
    if isinstance(content, Multipart):
        lines = ["const form = new FormData();"]
        return [*lines, *map(_appended, content.parts)], "form"
    data = errand.raw()
    if not data:
        return [], ""
    if isinstance(content, Json) and _is_same(content.value):
        from json import dumps

        text = dumps(content.value).replace("</", "<\\/").replace("<!", "\\u003c!")
        return [], f"JSON.stringify({text})"
    try:
        return [], javascript(data.decode("utf-8"))
    except UnicodeDecodeError:
        return [], _bytes(data)


def _appended(part: Text | Upload) -> str:
    """Write the statement that adds a part to a form; a file is in it, since no page opens one."""
    name = javascript(part.name)
    if isinstance(part, Text):
        return f"form.append({name}, {javascript(part.value)});"
    with open(part.path, "rb") as file:
        data = file_bytes(file)
    blob = f"new Blob([{_bytes(data)}], {{type: {javascript(part.kind)}}})"
    return f"form.append({name}, {blob}, {javascript(part.filename)});"


def _bytes(data: bytes) -> str:
    """Write bytes, in Base64, which browsers and Node both read."""
    text = b2a_base64(data, newline=False).decode("ascii")
    return f'Uint8Array.from(atob("{text}"), (sign) => sign.charCodeAt(0))'


def _is_same(value: object) -> bool:
    """Whether JavaScript writes a value as we do: its numbers and the order of names may differ."""
    if isinstance(value, dict):
        ours = all(not name.isdecimal() and name != "__proto__" for name in value)
        return ours and all(map(_is_same, value.values()))
    if isinstance(value, list):
        return all(map(_is_same, value))
    if isinstance(value, str):
        return not any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, float):
        return False
    return (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, int) and -_LARGEST < value < _LARGEST)
    )
