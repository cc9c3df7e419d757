"""Captures: what went over the wire for one request, as bytes, with the times of its steps.

A capture is a value that HAR, timings and explanations are made of, and that a file can keep:
JSON lines, the first of which says what the file is. Its law: what is kept is what was sent and
received, but for secrets, which are stars of the same length; nothing is repaired.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from crlf.message.errors import Malformed, TooLarge
from crlf.message.facts import TlsFacts
from crlf.patterns import pattern
from crlf.rules.tracing import Step

MAX_FILE: Final = 256 * 1024 * 1024  # bytes of a file of captures; what a recorder keeps is less
MAX_EXCHANGES: Final = 10_000  # in one file
MAX_STEPS: Final = 1000  # of one exchange
FIRST_LINE: Final = '{"crlf": "capture", "version": 1}'

PHASES: Final = ("queue", "dns", "connect", "proxy", "tls", "send", "interim", "wait", "receive")
_NAMES: Final = frozenset({*PHASES, "redirect", "retry", "failed"})

# Credentials (RFC 9110 11.6.2, 11.7.2) after their scheme; and fields that are nothing else.
_CREDENTIALS = pattern(rb"(?i)((?:proxy-)?authorization:[ \t]*+)([!-~]++[ \t]++)?([^\r\n]++)")
_SECRETS = pattern(
    rb"(?i)((?:(?:x-)?api-key|x-(?:auth|csrf|xsrf|amz-security)-token):[ \t]*+)([^\r\n]++)"
)
_COOKIES = pattern(rb"(?i)(cookie:[ \t]*+)([^\r\n]++)")
_PAIR = pattern(rb"([^;=]++=)([^;]++)")
_SET_COOKIE = pattern(rb"(?i)(set-cookie:[ \t]*+[^;=\r\n]*+=)([^;\r\n]++)")
_INTERIM = pattern(rb"HTTP/1\.[0-9] 1(?!01)[0-9][0-9]")


class Captured(NamedTuple):
    """One exchange as it went over the wire.

    sent, received: all bytes either way, or their beginning: sent_cut and received_cut say how
    many more there were. ended: the peer has ended the connection after them. began: seconds
    since 1970. steps: what was told of it, in order, in seconds of one clock. connection: which
    one, from 1. fault: what went wrong. origin: "" for a real exchange; where it was rebuilt
    from, when these are not the bytes.
    """

    url: str
    method: str
    sent: bytes = b""
    received: bytes = b""
    ended: bool = False
    began: float = 0.0
    steps: tuple[Step, ...] = ()
    connection: int = 0
    peer: tuple[str, int] | None = None
    tls: TlsFacts | None = None
    fault: str = ""
    sent_cut: int = 0
    received_cut: int = 0
    origin: str = ""

    def __repr__(self) -> str:
        """Say which exchange; the bytes may have secrets in them."""
        sizes = f"{len(self.sent) + self.sent_cut} bytes sent, {len(self.received)} received"
        return f"<Captured {self.method} {self.url.partition('?')[0]}: {sizes}>"


def masked(captured: Captured, *, cookies: bool = True) -> Captured:
    """Return a capture with stars for credentials, and for the values of cookies.

    Sizes stay, so the framing of messages is what it was. Only heads are looked at.
    """
    return captured._replace(
        sent=mask_heads(captured.sent, cookies=cookies),
        received=mask_heads(captured.received, cookies=cookies),
    )


def mask_heads(data: bytes, *, cookies: bool = True) -> bytes:
    """Write stars over the secrets in the heads that a message begins with (1xx ones too)."""
    end = 0
    while True:
        begin, end = end, _end_of_head(data, end)
        if _INTERIM.match(data, begin) is None or end == len(data):
            break
    lines = data[:end].split(b"\n")
    return b"\n".join([_masked_line(line, cookies) for line in lines]) + data[end:]


def _end_of_head(data: bytes, begin: int) -> int:
    end = data.find(b"\r\n\r\n", begin)
    return len(data) if end < 0 else end + 4


def _masked_line(line: bytes, cookies: bool) -> bytes:
    for secrets in (_CREDENTIALS, _SECRETS):
        found = secrets.match(line)
        if found is not None:
            kept = b"".join([piece or b"" for piece in found.groups()[:-1]])
            return kept + _stars(found[found.re.groups]) + line[found.end() :]
    found = _COOKIES.match(line) if cookies else None
    if found is not None:
        pairs = _PAIR.sub(lambda pair: pair[1] + _stars(pair[2]), found[2])
        return found[1] + pairs + line[found.end() :]
    found = _SET_COOKIE.match(line) if cookies else None
    return line if found is None else found[1] + _stars(found[2]) + line[found.end() :]


def _stars(secret: bytes) -> bytes:
    return b"*" * len(secret)


# --- a file of them ------------------------------------------------------------------------------


def build_captures(captures: Iterable[Captured]) -> str:
    """Write captures as JSON lines; parse_captures reads them."""
    import json  # few captures are kept

    lines = [FIRST_LINE]
    for one in captures:
        row: dict[str, object] = {"url": one.url, "method": one.method}
        row |= _bytes_row("sent", one.sent) | _bytes_row("received", one.received)
        row |= {"ended": one.ended, "began": one.began, "connection": one.connection}
        if one.peer is not None:
            row["peer"] = list(one.peer)
        if one.tls is not None:
            row["tls"] = [one.tls.version, one.tls.cipher, one.tls.alpn]
        for name in ("fault", "sent_cut", "received_cut", "origin"):
            if getattr(one, name):
                row[name] = getattr(one, name)
        base = one.steps[0].began if one.steps else 0.0
        row["steps"] = [[s.name, s.began - base, s.ended - base, detail_of(s)] for s in one.steps]
        lines.append(json.dumps(row, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def detail_of(step: Step) -> str:
    """Say a step's detail for people, and for files; "" when there is nothing to say."""
    detail = step.detail
    if isinstance(detail, str):
        return detail
    if isinstance(detail, (list, tuple)):
        return ", ".join([str(one) for one in detail])
    if isinstance(detail, bool):
        return "one that had been used" if detail else "a new one"
    if isinstance(detail, int | float):
        return f"{detail:g}"
    return ""


def _bytes_row(name: str, data: bytes) -> dict[str, object]:
    """Bytes as text, one character each, where they are text; in base64 otherwise."""
    if data.isascii() and not data.translate(None, bytes([*range(32, 127), 9, 10, 13])):
        return {name: data.decode("ascii")}
    return {f"{name}64": b64encode(data).decode("ascii")}


def is_captures(data: bytes) -> bool:
    """Tell whether a file begins as one of captures does."""
    return data.startswith(FIRST_LINE.encode())


def parse_captures(data: bytes) -> list[Captured]:
    """Read what build_captures has written. Raises Malformed, TooLarge."""
    if len(data) > MAX_FILE:
        raise TooLarge("capture_file", MAX_FILE, 400)
    if not is_captures(data):
        raise Malformed("no file of captures: its first line says so")
    lines = [line for line in data.split(b"\n")[1:] if line.strip(b" \t\r")]
    if len(lines) > MAX_EXCHANGES:
        raise TooLarge("captures", MAX_EXCHANGES, 400)
    return [_capture(line, number) for number, line in enumerate(lines, 2)]


def _capture(line: bytes, number: int) -> Captured:
    import json  # the same

    try:
        row = json.loads(line.decode("utf-8"))
        if not isinstance(row, dict):
            raise TypeError("no object")
        peer, tls = row.get("peer"), row.get("tls")
        return Captured(
            _typed(row["url"], str),
            _typed(row["method"], str),
            _row_bytes(row, "sent"),
            _row_bytes(row, "received"),
            _typed(row.get("ended", False), bool),
            _number(row.get("began", 0.0)),
            _steps(row.get("steps", [])),
            _whole(row.get("connection", 0)),
            None if peer is None else (_typed(peer[0], str), _whole(peer[1])),
            None if tls is None else _tls(tls),
            _typed(row.get("fault", ""), str),
            _whole(row.get("sent_cut", 0)),
            _whole(row.get("received_cut", 0)),
            _typed(row.get("origin", ""), str),
        )
    except (ValueError, TypeError, LookupError, RecursionError) as fault:
        why = f"{type(fault).__name__}: {fault}"[:80]
        raise Malformed(f"line {number} of the captures cannot be read ({why})") from None


def _tls(row: Any) -> TlsFacts:
    version, cipher, alpn = row
    alpn = None if alpn is None else _typed(alpn, str)
    return TlsFacts(_typed(version, str), _typed(cipher, str), alpn)


def _typed(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} stands")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise TypeError("no whole number")
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{type(value).__name__} where a number stands")
    return 0.0 + value if -1e12 < value < 1e12 else 0.0  # type: ignore[operator]  # a number


def _row_bytes(row: Mapping[str, Any], name: str) -> bytes:
    text = row.get(name)
    if text is not None:
        data: bytes = _typed(text, str).encode("latin-1")
        return data
    coded = row.get(f"{name}64", "")
    return b64decode(_typed(coded, str), validate=True)


def _steps(rows: Any) -> tuple[Step, ...]:
    steps = []
    for name, began, ended, detail in _typed(rows, list)[:MAX_STEPS]:
        if name not in _NAMES:
            raise ValueError("a step that is not known")
        steps.append(Step(name, _number(began), _number(ended), None, _typed(detail, str)))
    return tuple(steps)
