"""What an application says to start_response, made into the head of a response.

Programs that are quick enough for it to count say the same few heads again and again, so those
are kept. Its law: what could split a response, or is the connection's and not the response's, is
the program's error, told where it was made; nothing of it goes out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crlf.message.errors import Malformed
from crlf.message.grammar import parse_digits
from crlf.message.headers import Headers
from crlf.message.status import reason_of
from crlf.patterns import pattern

_MOST_HEADS: Final = 256  # remembered; a program has some dozens, with a length or a date more
_LARGEST_HEAD: Final = 1024  # characters of one that is remembered
_STATUS = pattern(r"([2-5][0-9][0-9])(?: ([\x20-\x7e]*))?")
# RFC 9110 7.6.1, and what earlier texts counted among them: each says how a message travels on one
# connection, which is for its server to say (PEP 3333, "Other HTTP Features").
HOP_BY_HOP: Final = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    " trailers transfer-encoding upgrade".split(" ")
)


class Head(NamedTuple):
    """The head of a response, as far as its application says it.

    headers: without Content-Length, which is `length`. reason: "" where it is the usual one.
    """

    status_code: int
    headers: Headers
    reason: str
    length: int | None


_heads: dict[tuple[str, tuple[tuple[str, str], ...]], Head] = {}


def build_head(status: object, fields: object) -> Head:
    """Make a head of what start_response was given.

    Raises TypeError, and ValueError for what may not be sent.
    """
    if type(status) is not str or type(fields) is not list:
        raise TypeError("start_response takes the status as str and the fields as a list")
    key = status, tuple(fields)
    try:
        head = _heads.get(key)
    except TypeError:  # a list among them, say; the careful way has words for it
        head = None
    if head is None:
        head = _careful_head(status, fields)
        size = sum(len(name) + len(value) for name, value in fields)
        if size <= _LARGEST_HEAD and "set-cookie" not in head.headers:  # no visitor's own
            if len(_heads) >= _MOST_HEADS:
                _heads.clear()
            _heads[key] = head
    return head


def _careful_head(status: str, fields: list[object]) -> Head:
    found = _STATUS.fullmatch(status)
    if found is None:
        raise ValueError(f"{status!r:.80} is no status: three digits from 200, blank, reason is")
    length: str | None = None
    kept = []
    for field in fields:
        if type(field) is not tuple or len(field) != 2:
            raise TypeError(f"{field!r:.80} is no field: (name, value) is")
        name, value = field
        if type(name) is not str or type(value) is not str:
            raise TypeError(f"names and values of fields are str: {name!r:.80}")
        lower = name.lower()
        if lower in HOP_BY_HOP:
            raise ValueError(f"{name} is the server's to say (PEP 3333, Other HTTP Features)")
        if lower != "content-length":
            kept.append(field)
        elif length is None:
            length = value
        elif length != value:
            raise ValueError("two different Content-Length fields")
    number = None if length is None else parse_digits(length)
    if length is not None and number is None:
        raise ValueError(f"Content-Length is {length!r:.40}, which is no number")
    try:
        headers = Headers(kept)
    except Malformed as fault:  # the program's doing, and none of the client's
        raise ValueError(fault.reason) from None
    status_code, reason = int(found[1]), found[2] or ""
    return Head(status_code, headers, "" if reason == reason_of(status_code) else reason, number)
