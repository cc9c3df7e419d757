"""Messages rebuilt from what a HAR says of them: fields, text, times; no bytes were kept.

Content was decoded when it was kept, so it is framed anew: by its length, or as one chunk where
the message was chunked. Its law: whatever a file says, what comes out is one message; nothing in
a value can begin another line.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from crlf.message.errors import CrlfError
from crlf.message.url import URL
from crlf.rules.tracing import Step, StepName

MAX_FIELDS: Final = 1000  # of one message
_DROPPED = ("content-length", "transfer-encoding")
_ENDS = {10: " ", 13: " ", 0: " "}

Fields = list[tuple[str, str]]


def rebuilt_request(row: Mapping[str, Any]) -> bytes:
    """Write a request as HTTP/1.1 would have it."""
    url, method = row.get("url"), row.get("method")
    fields = _fields(row.get("headers"))
    post = row.get("postData")
    text = post.get("text") if isinstance(post, Mapping) else None
    coding = post.get("_encoding") if isinstance(post, Mapping) else None
    content = _bytes(text, coding)
    target, authority = _target(url if isinstance(url, str) else "", method)
    if all(name.lower() != "host" for name, _ in fields) and authority:
        fields.insert(0, ("Host", authority))
    line = f"{_line(method) or 'GET'} {_line(target)} HTTP/1.1"
    return _message(line, fields, content, is_whole=True)


def rebuilt_response(row: Mapping[str, Any]) -> tuple[bytes, int]:
    """Write a response as HTTP/1.1 would have it; say how many bytes of content were not kept.

    b"" for a status of 0: none came.
    """
    status = row.get("status")
    if type(status) is not int or not 100 <= status <= 999:
        return b"", 0
    kept = row.get("content")
    kept = kept if isinstance(kept, Mapping) else {}
    content = _bytes(kept.get("text"), kept.get("encoding"))
    size = kept.get("size")
    missing = 0
    if not content and type(size) is int and 0 < size < 1 << 53:
        missing = size
    line = f"HTTP/1.1 {status} {_line(row.get('statusText'))}"
    is_whole = not missing and status >= 200 and status not in (204, 304)
    return _message(line, _fields(row.get("headers")), content, is_whole=is_whole), missing


def _message(line: str, fields: Fields, content: bytes, *, is_whole: bool) -> bytes:
    """Put a message together, framed for the content that there is. is_whole: it is all here."""
    framed = {name.lower() for name, _ in fields}
    lines = [line]
    for name, value in fields:
        if is_whole and name.lower() == "content-length":
            value = str(len(content))
        lines.append(f"{name}: {value}" if value else f"{name}:")
    if is_whole and content and not framed & set(_DROPPED):
        lines.append(f"Content-Length: {len(content)}")  # HTTP/2 has no need of it
    head = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n"
    if is_whole and "transfer-encoding" in framed:
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


def _bytes(text: object, coding: object) -> bytes:
    if not isinstance(text, str):
        return b""
    if coding == "base64":
        try:
            return b64decode(text)
        except (binascii.Error, ValueError):
            return b""
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
