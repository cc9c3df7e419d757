"""Lengths of message bodies, by the eight rules of RFC 9112 section 6.3.

The rules are tried in the RFC's order and numbered as there. A message that could be
read in two ways is refused, never repaired: repairs are how smuggling begins.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.message.errors import Malformed
from crlf.message.grammar import BLANK, is_token, parse_digits, split_list
from crlf.message.headers import Headers

CHUNKED = -1  # the body says itself where it ends
TO_CLOSE = -2  # the end of the connection is the end of the body
TUNNEL = -3  # what follows is not a body at all


class Facts(NamedTuple):
    """What the fields of a head mean to its connection.

    length: bytes of the body, or CHUNKED, TO_CLOSE, TUNNEL.
    persists: whether the sender is ready for another exchange after this one.
    expects_continue: whether an Expect: 100-continue stands there.
    upgrade: the protocols asked for, when Connection names Upgrade.
    is_coded: whether the body is other than it was: a content coding, or a transfer coding
    beside chunked.
    """

    length: int
    persists: bool
    expects_continue: bool = False
    upgrade: str | None = None
    is_coded: bool = False


# Fields of which a request may have only one; two that differ are two requests (RFC 9110 5.3).
SINGLE = frozenset(
    {
        "host", "content-length", "content-type", "content-location", "content-range",
        "authorization", "proxy-authorization", "from", "referer", "user-agent", "max-forwards",
        "if-modified-since", "if-unmodified-since", "if-range", "range", "date",
    }
)  # fmt: skip


def request_facts(headers: Headers, version: str) -> Facts:
    """Decide how a request's body ends and what its connection options mean.

    Raises Malformed for every contradiction, with the status code to answer.
    """
    for name in headers if len(headers) != len(headers.fields) else ():
        if name in SINGLE and len(headers.get_all(name)) > 1:
            rule = "RFC 9112 6.3 (5)" if name == "content-length" else "RFC 9110 5.3"
            raise Malformed(f"more than one {name} field", rule, 400)
    options = connection_options(headers)
    expects = _expects_continue(headers, version)
    upgrade = headers.get("upgrade") if "upgrade" in options and version != "1.0" else None
    return Facts(_request_length(headers, version), _persists(options, version), expects, upgrade)


def _request_length(headers: Headers, version: str) -> int:
    length = headers.first("content-length")
    if "transfer-encoding" in headers:
        codings = transfer_codings(headers)
        if version == "1.0":
            # RFC 9112 6.1: a server MUST treat it as faulty framing and close.
            raise Malformed("Transfer-Encoding in HTTP/1.0", "RFC 9112 6.1", 400)
        if length is not None:
            raise Malformed("both Content-Length and Transfer-Encoding", "RFC 9112 6.3 (3)", 400)
        if codings.count("chunked") > 1:
            raise Malformed("chunked applied twice", "RFC 9112 6.1", 400)
        if codings[-1] != "chunked":
            # RFC 9112 6.1: a coding that is not understood SHOULD get 501.
            known = not _REGISTERED.isdisjoint(codings)
            raise Malformed(
                "last transfer coding is not chunked", "RFC 9112 6.3 (4)", 400 if known else 501
            )
        if len(codings) > 1:
            raise Malformed("transfer coding not implemented", "RFC 9112 6.1", 501)
        return CHUNKED  # rule 4
    if length is None:
        return 0  # rule 7
    size = parse_digits(length)
    if size is None:  # rule 5; a list of equal values too: no honest client sends one
        raise Malformed("Content-Length is not a plain number", "RFC 9112 6.3 (5)", 400)
    return size  # rule 6


_REGISTERED = frozenset({"chunked", "gzip", "x-gzip", "deflate", "compress", "x-compress"})


def response_facts(status_code: int, headers: Headers, version: str, method: str) -> Facts:
    """Decide how a response's body ends; method is that of the request it answers.

    Raises Malformed for a response that could be read in two ways.
    """
    options = connection_options(headers)
    length = _response_length(status_code, headers, version, method)
    persists = _persists(options, version) and length not in (TO_CLOSE, TUNNEL)
    if (status_code < 200 or status_code == 204) and _announces_content(headers):
        persists = False  # RFC 9112 6.1: it must not; who knows what is sent behind it
    upgrade = headers.get("upgrade") if "upgrade" in options else None
    coded = headers.first("transfer-encoding")
    is_coded = "content-encoding" in headers or (coded or "chunked").lower() != "chunked"
    return Facts(length, persists, False, upgrade, is_coded)


def _response_length(status_code: int, headers: Headers, version: str, method: str) -> int:
    if method == "CONNECT" and 200 <= status_code < 300:
        return TUNNEL  # rule 2: Content-Length and Transfer-Encoding MUST be ignored
    coded = "transfer-encoding" in headers
    if coded and version == "1.0":
        raise Malformed("Transfer-Encoding in HTTP/1.0", "RFC 9112 6.1", 502)
    lengths = headers.get_all("content-length")
    if coded and lengths:
        raise Malformed("both Content-Length and Transfer-Encoding", "RFC 9112 6.3 (3)", 502)
    size = _agreed_length(lengths)
    if method == "HEAD" or status_code < 200 or status_code in (204, 304):
        return 0  # rule 1
    if coded:
        codings = transfer_codings(headers)
        if codings.count("chunked") > 1:
            raise Malformed("chunked applied twice", "RFC 9112 6.1", 502)
        return CHUNKED if codings[-1] == "chunked" else TO_CLOSE  # rule 4
    if size is not None:
        return size  # rule 6
    return TO_CLOSE  # rule 8


def _announces_content(headers: Headers) -> bool:
    return "transfer-encoding" in headers or (headers.first("content-length") or "0") != "0"


def _agreed_length(lengths: list[str]) -> int | None:
    """Read Content-Length fields; a list of one and the same number is that number (rule 5)."""
    if not lengths:
        return None
    size = parse_digits(lengths[0])
    if size is not None and len(lengths) == 1:
        return size
    members = [member.strip(BLANK) for value in lengths for member in value.split(",")]
    sizes = {parse_digits(member) for member in members}
    size = sizes.pop()
    if sizes or size is None:
        raise Malformed("Content-Length is not one plain number", "RFC 9112 6.3 (5)", 502)
    return size


def transfer_codings(headers: Headers) -> list[str]:
    """Return the transfer codings in order, lower-case. Raises Malformed (RFC 9112 6.1)."""
    values = headers.get_all("transfer-encoding")
    if len(values) > 1:
        raise Malformed("more than one Transfer-Encoding field", "RFC 9112 6.1", 400)
    members = values[0].split(",")
    codings = [member.strip(BLANK).lower() for member in members]
    for coding in codings:
        name = coding.partition(";")[0].strip(BLANK)
        if not is_token(name) or (name == "chunked" and coding != "chunked"):
            raise Malformed("broken Transfer-Encoding", "RFC 9112 6.1", 400)
    return codings


def connection_options(headers: Headers) -> frozenset[str]:
    """Return the options of Connection, lower-case (RFC 9110 7.6.1)."""
    value = headers.get("connection")
    if value is None:
        return frozenset()
    known = _OPTIONS.get(value)
    if known is not None:
        return known
    try:
        return frozenset(option.lower() for option in split_list(value))
    except Malformed as fault:  # its offset counts from the value's start
        raise Malformed(fault.reason, fault.rule, 400) from None


_OPTIONS = {
    "close": frozenset({"close"}),
    "keep-alive": frozenset({"keep-alive"}),
    "Keep-Alive": frozenset({"keep-alive"}),
}


def _persists(options: frozenset[str], version: str) -> bool:
    """Apply RFC 9112 9.3: close wins, 1.1 persists, 1.0 persists when it says keep-alive."""
    if "close" in options:
        return False
    return version != "1.0" or "keep-alive" in options


def _expects_continue(headers: Headers, version: str) -> bool:
    value = headers.get("expect")
    if value is None or version == "1.0":
        return False
    if value.lower() != "100-continue":
        raise Malformed("an expectation other than 100-continue", "RFC 9110 10.1.1", 417)
    return True
