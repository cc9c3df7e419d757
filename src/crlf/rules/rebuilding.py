"""Messages rebuilt from what a HAR says of them: fields, text, times; no bytes were kept.

Content was decoded when it was kept, so it is framed anew: by its length, or as one chunk where
the message was chunked. What was not kept is counted, and its length left as it was. Its law:
whatever a file says, what comes out is one message; nothing in a value can begin another line.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from crlf.message.content import charset_of
from crlf.message.errors import CrlfError
from crlf.message.grammar import parse_digits
from crlf.message.headers import Headers
from crlf.message.url import URL, build_pairs
from crlf.rules.tracing import Step, StepName

MAX_FIELDS: Final = 1000  # of one message
_DROPPED = ("content-length", "transfer-encoding")
_ENDS = {10: " ", 13: " ", 0: " "}

Fields = list[tuple[str, str]]


def rebuilt_request(row: Mapping[str, Any]) -> tuple[bytes, int]:
    """Write a request as HTTP/1.1 would have it; say how many bytes of content were not kept."""
    url, method = row.get("url"), row.get("method")
    fields = _fields(row.get("headers"))
    content = _posted(row.get("postData"), fields)
    missing = 0 if content else _first_size(_length(fields), row.get("bodySize"))
    target, authority = _target(url if isinstance(url, str) else "", method)
    if all(name.lower() != "host" for name, _ in fields) and authority:
        fields.insert(0, ("Host", authority))
    line = f"{_line(method) or 'GET'} {_line(target)} HTTP/1.1"
    return _message(line, fields, content, missing), missing


def rebuilt_response(row: Mapping[str, Any], method: str = "GET") -> tuple[bytes, int]:
    """Write a response as HTTP/1.1 would have it; say how many bytes of content were not kept.

    method: of the request that it answers. b"" for a status that is none: none came.
    """
    status = row.get("status")
    if type(status) is not int or not 100 <= status <= 999:
        return b"", 0
    line = f"HTTP/1.1 {status} {_line(row.get('statusText'))}"
    fields = _fields(row.get("headers"))
    if method == "HEAD" or status < 200 or status in (204, 304):
        # RFC 9112 6.3 (1): no content; browsers tell with a 304 what they had of it.
        return _head(line, fields), 0
    kept = row.get("content")
    kept = kept if isinstance(kept, Mapping) else {}
    content = _bytes(kept.get("text"), kept.get("encoding"), fields)
    missing = 0
    if not content:
        missing = _first_size(_length(fields), kept.get("size"), row.get("bodySize"))
    return _message(line, fields, content, missing), missing


def _first_size(*sizes: object) -> int:
    """Return the first that is a number of bytes, and not 0; else 0."""
    for size in sizes:
        if type(size) is int and 0 < size < 1 << 53:
            return size
    return 0


def _length(fields: Fields) -> int | None:
    """Return what Content-Length says."""
    for name, value in fields:
        if name.lower() == "content-length":
            return parse_digits(value)
    return None


def _head(line: str, fields: Fields) -> bytes:
    lines = [line, *[f"{name}: {value}" if value else f"{name}:" for name, value in fields]]
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n"


def _message(line: str, fields: Fields, content: bytes, missing: int) -> bytes:
    """Put a message together, framed for the content that there is, or for what is missing."""
    framed = {name.lower() for name, _ in fields}
    if content:
        length = str(len(content))
        fields = [
            (name, length if name.lower() == "content-length" else value) for name, value in fields
        ]
    if (content or missing) and framed.isdisjoint(_DROPPED):
        fields = [*fields, ("Content-Length", str(len(content) or missing))]  # HTTP/2 needs none
    head = _head(line, fields)
    if "transfer-encoding" in framed and not missing:
        sized = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return head + sized + b"0\r\n\r\n"
    return head + content


def _fields(rows: object) -> Fields:
    """Read the fields; browsers join several Set-Cookie by line feeds, which end no line here."""
    fields: Fields = []
    for row in rows[:MAX_FIELDS] if isinstance(rows, list) else ():
        name = row.get("name") if isinstance(row, Mapping) else None
        value = row.get("value") if isinstance(row, Mapping) else None
        if not isinstance(name, str) or not isinstance(value, str) or name[:1] in (":", ""):
            continue  # :method and its like are HTTP/2's way to say the first line
        fields += [(_line(name), _line(one)) for one in value.split("\n")]
    length = [field for field in fields if field[0].lower() == "content-length"]
    if any(name.lower() == "transfer-encoding" for name, _ in fields):
        fields = [field for field in fields if field not in length]
    return fields


def _line(text: object) -> str:
    return text.translate(_ENDS).strip(" \t") if isinstance(text, str) else ""


def _posted(post: object, fields: Fields) -> bytes:
    """Read the content of a request: its text, or the pairs of a form where there is no text."""
    if not isinstance(post, Mapping):
        return b""
    content = _bytes(post.get("text"), post.get("_encoding"), fields)
    params = post.get("params")
    kind = post.get("mimeType")
    is_form = isinstance(kind, str) and kind.lower().startswith("application/x-www-form-urlencoded")
    if content or not is_form or not isinstance(params, list):
        return content
    pairs = [
        (_text(each.get("name")), _text(each.get("value")))
        for each in params[:MAX_FIELDS]
        if isinstance(each, Mapping)
    ]
    return build_pairs(pairs).encode("ascii")


def _text(value: object) -> str:
    """Take text as UTF-8 can say it; JSON can have half a character."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _bytes(text: object, coding: object, fields: Fields) -> bytes:
    """Make bytes of text: in the charset that is declared where that can say it, or UTF-8."""
    if not isinstance(text, str):
        return b""
    if coding == "base64":
        try:
            return b64decode(text)
        except (binascii.Error, ValueError):
            return b""
    kinds = [value for name, value in fields if name.lower() == "content-type"]
    charset = charset_of(Headers([("content-type", kinds[0])])) if kinds else None
    try:
        return text.encode(charset or "utf-8")
    except (UnicodeError, LookupError):
        return text.encode("utf-8", "replace")


def _target(text: str, method: object) -> tuple[str, str]:
    """Split a URL into a request's target and its Host."""
    if method == "CONNECT":
        return text, text
    try:
        url = URL(text)
    except CrlfError:
        return text or "/", ""
    return url.target, url.authority


_PHASES: Final[tuple[tuple[StepName, str], ...]] = (
    ("queue", "blocked"), ("dns", "dns"), ("connect", "connect"), ("tls", "ssl"),
    ("send", "send"), ("wait", "wait"), ("receive", "receive"),
)  # fmt: skip


def steps_of(row: Mapping[str, Any]) -> tuple[Step, ...]:
    """Read HAR's times, in milliseconds, as steps one after the other. -1 is none."""
    lasted = {ours: _seconds(row.get(theirs)) for ours, theirs in _PHASES}
    connect, tls = lasted["connect"], lasted["tls"]
    if connect is not None and tls is not None:
        lasted["connect"] = max(0.0, connect - tls)
    steps, at = [], 0.0
    for name, seconds in lasted.items():
        if seconds is not None:
            steps.append(Step(name, at, at + seconds))
            at += seconds
    return tuple(steps)


def _seconds(value: object) -> float | None:
    if type(value) is int or type(value) is float:
        return value / 1000 if 0 <= value < 1e10 else None
    return None
