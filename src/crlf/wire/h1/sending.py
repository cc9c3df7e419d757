"""What goes out: start lines, framing and connection options, checked in one place.

Whoever builds a message may leave its framing out; then it is added here. What is there is
checked here, against RFC 9112 6 and 9110 8.6: two ways to read a message are never sent.
What the fields of a Headers mean for sending is worked out once and noted on it, since the
same Headers is sent again and again.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.message.errors import LocalError, Malformed
from crlf.message.grammar import is_token, parse_digits
from crlf.message.headers import Headers
from crlf.wire.h1.framing import connection_options


class Outgoing(NamedTuple):
    """What the fields of a message that we send say about framing and connection.

    length: Content-Length, or None. is_chunked: Transfer-Encoding: chunked stands there.
    options: of the Connection field. plain: none of framing, Connection, TE, Date, Server is there.
    """

    length: int | None
    is_chunked: bool
    options: frozenset[str]
    plain: bool
    block: bytes


_NOTABLE = frozenset({"content-length", "transfer-encoding", "connection", "date", "server", "te"})


def outgoing_facts(headers: Headers) -> Outgoing:
    """Work out, once, what these fields say. Raises LocalError for what must not be sent."""
    noted = headers.noted
    if isinstance(noted, Outgoing):
        return noted
    if headers.keys().isdisjoint(_NOTABLE):
        facts = Outgoing(None, False, frozenset(), True, headers.block())
    else:
        facts = _worked_out(headers)
    headers.noted = facts
    return facts


def _worked_out(headers: Headers) -> Outgoing:
    lengths = headers.get_all("content-length")
    codings = headers.get_all("transfer-encoding")
    if lengths and codings:
        raise LocalError("both Content-Length and Transfer-Encoding", "RFC 9112 6.2")
    length = parse_digits(lengths[0]) if lengths else None
    if len(lengths) > 1 or (lengths and length is None):
        raise LocalError("Content-Length is not one plain number", "RFC 9110 8.6")
    if codings and (len(codings) > 1 or codings[0].lower() != "chunked"):
        raise LocalError("the only transfer coding sent is chunked", "RFC 9112 6.1")
    try:
        options = connection_options(headers)
    except Malformed as fault:
        raise LocalError(fault.reason, fault.rule) from None
    if "te" in headers and "te" not in options:
        raise LocalError("TE without Connection: TE", "RFC 9110 10.1.4")
    return Outgoing(length, bool(codings), options, False, headers.block())


# What may stand in a request target: visible ASCII; "#" starts a fragment, which is never sent.
_TARGET = frozenset(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")


def request_line(method: str, target: str) -> bytes:
    """Write a request line. Raises LocalError for a method or target that could split it."""
    if not is_token(method):
        raise LocalError(f"{method[:40]!r} is no method", "RFC 9110 9.1")
    if not target or not _TARGET.issuperset(target):
        raise LocalError("blank, control or other unusable character in the target", "RFC 9112 3.2")
    return f"{method} {target} HTTP/1.1\r\n".encode("ascii")


def status_line(status_code: int, reason: str) -> bytes:
    """Write a status line; the space stands there even before an empty reason (RFC 9112 4).

    Raises LocalError for a code outside 100 to 599 or a reason with control characters.
    """
    if not 100 <= status_code <= 599:
        raise LocalError(f"{status_code} is no status code", "RFC 9110 15")
    line = f"HTTP/1.1 {status_code} {reason}"
    if not line.isprintable() or not reason.isascii():
        raise LocalError("control or non-ASCII character in a reason phrase", "RFC 9112 4")
    return f"{line}\r\n".encode("ascii")
