"""HAR 1.2: exchanges as browsers write and read them, made from captures and read back.

A HAR has fields, texts and times but no bytes. What is read from one is therefore rebuilt: a
message that says the same, in the plainest framing, and says that it was rebuilt. Its law:
numbers that are not known are -1, as the format has it, and a file that is no HAR is refused.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

from crlf.message.content import encoding_of
from crlf.message.errors import CrlfError, DecodingError, Malformed, TooLarge
from crlf.message.fields.codings import codings_of
from crlf.message.fields.cookies import parse_cookies, parse_set_cookie
from crlf.message.fields.media import parse_media_type
from crlf.message.grammar import parse_digits
from crlf.message.headers import EMPTY, Headers
from crlf.message.params import parse_pairs
from crlf.message.timestamps import build_timestamp, parse_timestamp
from crlf.message.url import URL
from crlf.message.version import __version__
from crlf.rules.captures import MAX_EXCHANGES, MAX_FILE, Captured
from crlf.rules.rebuilding import rebuilt_request, rebuilt_response, steps_of
from crlf.rules.timing import Timings, timings_of
from crlf.wire.coding import ContentDecoder, available
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.limits import Limits
from crlf.wire.parts import END, Data, End, Part, RequestHead, ResponseHead

MAX_TEXT: Final = 64 * 1024 * 1024  # bytes of one content, decoded, that a HAR is given
_ROOM = Limits(
    line=1 << 20, field=1 << 20, head=1 << 22, fields=10_000, interim=1000, body=None,
    chunk_line=1 << 16, chunk_extensions=1 << 20, trailers=1000, trailer_block=1 << 20,
)  # fmt: skip

Row = dict[str, object]


def har_text(captures: Iterable[Captured]) -> str:
    """Write captures as the text of a HAR file, as build_har makes it."""
    import json  # few write one

    return json.dumps(build_har(captures), ensure_ascii=False, indent=1) + "\n"


def build_har(captures: Iterable[Captured]) -> dict[str, object]:
    """Build a HAR 1.2 log of captures, with everything that they say: mask them before."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "crlf", "version": __version__},
            "entries": [_entry(one) for one in captures],
        }
    }


def _entry(captured: Captured) -> Row:
    times = timings_of(captured)
    request, response = parts_sent(captured), parts_received(captured)
    row: Row = {
        "startedDateTime": build_timestamp(captured.began),
        "time": _sum(_timings(times)),
        "request": _request(captured, request),
        "response": _response(captured, response),
        "cache": {},
        "timings": _timings(times),
    }
    if captured.peer is not None:
        row["serverIPAddress"] = captured.peer[0]
    if captured.connection:
        row["connection"] = str(captured.connection)
    if captured.fault:
        row["comment"] = captured.fault
    if captured.tls is not None:
        row["_tls"] = {"version": captured.tls.version, "cipher": captured.tls.cipher}
    return row


def _sum(phases: Row) -> float:
    """HAR's `time`: all phases but those that there were not; connect has ssl in it."""
    known = [one for name, one in phases.items() if name != "ssl" and isinstance(one, int | float)]
    return _rounded(sum([one for one in known if one > 0]))


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)


def _timings(times: Timings) -> Row:
    """HAR's phases in milliseconds: -1 where there was none; ssl is a part of connect."""

    def lasted(*names: str) -> float | None:
        known = [times.seconds[name] for name in names if name in times.seconds]
        return _rounded(sum(known) * 1000) if known else None

    connect, ssl = lasted("connect", "proxy", "tls"), lasted("tls")
    return {
        "blocked": _or_none(lasted("queue")),
        "dns": _or_none(lasted("dns")),
        "connect": _or_none(connect),
        "ssl": _or_none(ssl),
        "send": lasted("send") or 0,
        "wait": lasted("wait") or 0,
        "receive": lasted("receive") or 0,
    }


def _or_none(value: float | None) -> float:
    return -1 if value is None else value


# --- messages to rows ----------------------------------------------------------------------------


class Message:
    """What an engine made of one message: its head, its content as it was coded, its trailers.

    head_size: bytes up to the content, interim responses aside. is_whole: its end was reached.
    """

    __slots__ = ("content", "fault", "head", "head_size", "is_whole", "size", "trailers")

    def __init__(self) -> None:
        self.head: RequestHead | ResponseHead | None = None
        self.content = b""
        self.trailers = EMPTY
        self.head_size = -1
        self.size = 0
        self.is_whole = False
        self.fault = ""


def parts_sent(captured: Captured) -> Message:
    """Read what was sent as a server would, as far as it can be read."""
    engine = ServerEngine(_ROOM)
    return _read(engine, captured.sent, False)


def parts_received(captured: Captured) -> Message:
    """Read what was received as the client did, as far as it can be read."""
    engine = ClientEngine(_ROOM)
    target = "a.example:80" if captured.method == "CONNECT" else "/"
    fields = [("host", "a.example")]
    if captured.received[:13].endswith(b" 101 "):
        fields += [("connection", "upgrade"), ("upgrade", "x")]
    try:
        engine.send(RequestHead(captured.method or "GET", target, Headers(fields)))
        engine.send(END)
    except CrlfError:
        return Message()
    engine.outgoing()
    return _read(engine, captured.received, captured.ended and not captured.received_cut)


def _read(engine: ServerEngine | ClientEngine, data: bytes, is_ended: bool) -> Message:
    message, pieces = Message(), []
    if not data:
        return message
    engine.receive(data)
    if is_ended:
        engine.receive(b"")
    begin = 0
    try:
        while (part := engine.next_part()) is not None:
            if isinstance(part, RequestHead | ResponseHead):
                end = data.find(b"\r\n\r\n", begin) + 4
                message.head, message.head_size, begin = part, end - begin, end
                if isinstance(part, RequestHead) or part.status_code >= 200:
                    message.size = len(data) - end
            elif isinstance(part, Data):
                pieces.append(part.data)
            elif isinstance(part, End):
                message.trailers, message.is_whole = part.trailers, True
            if _is_over(part):
                break
    except CrlfError as fault:
        message.fault = fault.brief
    message.content = b"".join(pieces)
    return message


def _is_over(part: Part) -> bool:
    is_head = isinstance(part, RequestHead | ResponseHead)
    return not is_head and not isinstance(part, Data)


def _headers(headers: Headers) -> list[Row]:
    return [{"name": name, "value": _shown(value)} for name, value in headers.fields]


def _shown(value: str) -> str:
    """A field's value as text: UTF-8 where it is that, else one character a byte."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def _request(captured: Captured, message: Message) -> Row:
    head = message.head if isinstance(message.head, RequestHead) else None
    headers = EMPTY if head is None else head.headers
    row: Row = {
        "method": captured.method,
        "url": captured.url,
        "httpVersion": "HTTP/1.1" if head is None else f"HTTP/{head.version}",
        "cookies": [
            {"name": name, "value": value}
            for text in headers.get_all("cookie")
            for name, value in _cookies(text)
        ],
        "headers": _headers(headers),
        "queryString": _query(captured.url),
        "headersSize": message.head_size,
        "bodySize": message.size + captured.sent_cut,
    }
    if message.content:
        kind = headers.get("content-type", "")
        text, coding = _text(headers, message.content)
        row["postData"] = {"mimeType": kind, "params": [], "text": text}
        if coding:
            row["postData"] = {"mimeType": kind, "params": [], "text": text, "_encoding": coding}
    return row


def _cookies(text: str) -> list[tuple[str, str]]:
    try:
        return list(parse_cookies(text).pairs)
    except CrlfError:
        return []


def _query(url: str) -> list[Row]:
    try:
        pairs = parse_pairs(URL(url).query or "").pairs if "://" in url else ()
    except CrlfError:
        return []
    return [{"name": name, "value": value} for name, value in pairs]


def _response(captured: Captured, message: Message) -> Row:
    head = message.head if isinstance(message.head, ResponseHead) else None
    headers = EMPTY if head is None else head.headers
    content, comment = _decoded(headers, message.content)
    row: Row = {
        "status": 0 if head is None else head.status_code,
        "statusText": "" if head is None else head.reason,
        "httpVersion": "" if head is None else f"HTTP/{head.version}",
        "cookies": _set_cookies(headers),
        "headers": _headers(headers),
        "content": _content(headers, content, message, captured, comment),
        "redirectURL": headers.get("location", ""),
        "headersSize": message.head_size,
        "bodySize": message.size + captured.received_cut if head is not None else -1,
    }
    if message.trailers:
        row["_trailers"] = _headers(message.trailers)
    if message.fault:
        row["_error"] = message.fault
    elif captured.fault and head is None:
        row["_error"] = captured.fault
    return row


def _content(
    headers: Headers, content: bytes, message: Message, captured: Captured, comment: str
) -> Row:
    row: Row = {"size": len(content), "mimeType": headers.get("content-type", "")}
    if len(content) > len(message.content):
        row["compression"] = len(content) - len(message.content)
    if content:
        row["text"], coding = _text(headers, content)
        if coding:
            row["encoding"] = coding
    if captured.received_cut:
        comment = f"cut: {captured.received_cut} bytes more came and were not kept"
    if comment:
        row["comment"] = comment
    return row


def _set_cookies(headers: Headers) -> list[Row]:
    rows: list[Row] = []
    for text in headers.get_all("set-cookie"):
        cookie = parse_set_cookie(text, 0.0)
        if cookie is not None:
            rows.append({"name": cookie.name, "value": cookie.value})
    return rows


def _text(headers: Headers, content: bytes) -> tuple[str, str]:
    """Content as text, and "base64" where it is none."""
    kind = parse_media_type(headers.get("content-type", ""))
    is_told = kind is not None and (kind.type == "text" or "json" in kind.subtype)
    try:
        text = content.decode(encoding_of(headers, content) if is_told else "utf-8")
        if b"\0" not in content:
            return text, ""
    except (UnicodeDecodeError, LookupError):
        pass
    return b64encode(content).decode("ascii"), "base64"


def _decoded(headers: Headers, content: bytes) -> tuple[bytes, str]:
    """Undo the codings of a content; say what was in the way."""
    codings = codings_of(headers)
    if not codings or not content:
        return content, ""
    if not set(codings) <= set(available()):
        return content, f"left coded: {', '.join(codings)}"
    pieces, size = [], 0
    try:
        decoder = ContentDecoder(codings, _ROOM)
        decoder.receive(content)
        while (piece := decoder.next_piece()) is not None:
            size += len(piece)
            if size > MAX_TEXT:
                return content, f"left coded: over {MAX_TEXT} bytes when decoded"
            pieces.append(piece)
    except DecodingError as fault:
        return content, f"left coded: {fault.brief}"
    return b"".join(pieces), ""


# --- reading -------------------------------------------------------------------------------------


def parse_har(data: bytes) -> list[Captured]:
    """Read a HAR of anybody, as Chromium and Firefox write them: messages are rebuilt.

    Raises Malformed for what is no HAR, TooLarge.
    """
    if len(data) > MAX_FILE:
        raise TooLarge("har_file", MAX_FILE, 400)
    import json  # few read one

    try:
        whole = json.loads(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("no HAR: it is no JSON") from None
    log = whole.get("log") if isinstance(whole, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise Malformed("no HAR: it has no list log.entries", "HAR 1.2 log")
    if len(entries) > MAX_EXCHANGES:
        raise TooLarge("har_entries", MAX_EXCHANGES, 400)
    return [_captured(entry, number) for number, entry in enumerate(entries)]


def _captured(entry: object, number: int) -> Captured:
    if not isinstance(entry, Mapping):
        raise Malformed(f"no HAR: entry {number} is no object", "HAR 1.2 entries")
    request, response = _mapping(entry, "request"), _mapping(entry, "response")
    address, began = entry.get("serverIPAddress"), entry.get("startedDateTime")
    fault = response.get("_error") or entry.get("comment") or ""
    method = _clean(request.get("method")) or "GET"
    sent, sent_cut = rebuilt_request(request)
    received, received_cut = rebuilt_response(response, method)
    connection = entry.get("connection")
    version = request.get("httpVersion")
    spoken = version.upper() if isinstance(version, str) else ""
    is_other = spoken[:6] in ("HTTP/2", "HTTP/3", "H2", "H3") or spoken in ("H2", "H3")
    digits = connection if isinstance(connection, str) and len(connection) < 10 else ""
    return Captured(
        _clean(request.get("url")),
        method,
        sent,
        received,
        False,
        parse_timestamp(began) or 0.0 if isinstance(began, str) else 0.0,
        steps_of(_mapping(entry, "timings")),
        parse_digits(digits) or 0,
        (address, 0) if isinstance(address, str) and 0 < len(address) < 64 else None,
        None,
        fault if isinstance(fault, str) else "",
        sent_cut,
        received_cut,
        f"a HAR (spoken as {spoken})" if is_other else "a HAR",
    )


def _mapping(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def _clean(value: object) -> str:
    return value if isinstance(value, str) else ""
