"""Field values in words: what this value of this field says, and the parts it is made of.

One small function for each kind of field, found by its name. Its law: no secret is repeated in a
sentence, and a value that does not fit its grammar is called so and has no parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crlf.message.dates import parse_date
from crlf.message.errors import Malformed
from crlf.message.fields.challenges import parse_challenges
from crlf.message.fields.disposition import parse_disposition
from crlf.message.fields.etags import parse_etag, parse_etag_list
from crlf.message.fields.media import parse_media_type
from crlf.message.fields.ranges import parse_content_range, parse_range
from crlf.message.fields.transportsecurity import parse_transport_security
from crlf.message.grammar import parse_digits
from crlf.wire.explaining.cookiewords import Said, cookies, set_cookie
from crlf.wire.explaining.directives import directive_meaning
from crlf.wire.explaining.spans import Kind, Span, detail_of, span_of
from crlf.wire.explaining.valueparts import (
    Piece,
    counted,
    joined,
    lasting,
    named,
    pair_of,
    pieces_of,
    with_parameters,
)
from crlf.wire.explaining.words import shown

_UNREADABLE: Final = "cannot be read, and counts as not there"


def value_span(
    start: int,
    element: str,
    name: str,
    value: str,
    rule: str,
    *,
    kind: Kind,
    is_folded: bool = False,
) -> Span:
    """Make the span of a field's value: what it says, and its parts unless it is folded.

    kind: of the message; some fields say one thing in a request and another in a response.
    """
    lowered = name.lower()
    say = _BY_KIND[kind].get(lowered) or _BY_NAME.get(lowered)
    meaning, details = ("", ()) if say is None else say(start, value)
    kept = () if is_folded else tuple(each for each in details if each.end > each.start)
    return span_of(start, start + len(value), element, meaning, rule, kept)


def _host(start: int, value: str) -> Said:
    host, colon, port = value.rpartition(":") if not value.endswith("]") else (value, "", "")
    if not colon:
        host, port = value, ""
    details = [detail_of(start, start + len(host), "host", f"the host {shown(host)}")]
    if port:
        place = start + len(host) + 1
        details.append(detail_of(place, place + len(port), "port", f"port {shown(port)}"))
    meaning = f"means the site {shown(host)}" + (f" on port {shown(port)}" if port else "")
    return meaning, tuple(details)


def _content_length(start: int, value: str) -> Said:
    size = parse_digits(value)
    if size is None:
        return "no plain number", ()
    return (f"{counted(size, 'byte')} of content" if size else "no content"), ()


def _codings(start: int, value: str) -> Said:
    pieces = pieces_of(start, value)
    names = [piece.text for piece in pieces]
    if [name.lower() for name in names] == ["chunked"]:
        return "the content comes in chunks, each with its size before it", named(pieces, "coding")
    return f"coded by {joined(names)}, in this order", named(pieces, "coding")


_OPTIONS: Final = {
    "close": "the connection ends after this exchange",
    "keep-alive": "the connection may be used again",
    "upgrade": "the Upgrade field is for this connection",
    "te": "the TE field is for this connection",
}


def _connection(start: int, value: str) -> Said:
    def say(option: str) -> str:
        return _OPTIONS.get(option.lower(), f"{shown(option)} is for this connection only")

    pieces = pieces_of(start, value)
    return "; ".join(say(piece.text) for piece in pieces[:5]), named(pieces, "option", say)


def _content_type(start: int, value: str) -> Said:
    kind = parse_media_type(value)
    if kind is None:
        return _UNREADABLE, ()
    charset = kind.charset
    meaning = f"the content is {shown(kind.essence)}"
    meaning += f", its text coded as {shown(charset)}" if charset else ""
    return meaning, tuple(with_parameters(Piece(start, value), "media type", shown))


def _accepted(element: str) -> Callable[[int, str], Said]:
    def say(start: int, value: str) -> Said:
        pieces = pieces_of(start, value)
        details = [each for piece in pieces for each in with_parameters(piece, element, shown)]
        liked: list[str] = []
        refused: list[str] = []
        for piece in pieces:
            first, *rest = pieces_of(0, piece.text, ";") or [piece]
            if piece.text[0] == ";":
                continue
            weights = [said for key, said, _ in map(pair_of, rest) if key == "q" and said]
            (refused if any(not said.strip("0.") for said in weights) else liked).append(first.text)
        meaning = f"likes {joined(liked)}"
        return meaning + (f", and not {joined(refused)}" if refused else ""), tuple(details)

    return say


def _directives(kind: Kind) -> Callable[[int, str], Said]:
    def say(start: int, value: str) -> Said:
        pieces = pieces_of(start, value)
        meanings = [directive_meaning(*pair_of(piece)[:2], kind) for piece in pieces]
        details = [
            detail_of(piece.start, piece.end, "directive", meaning)
            for piece, meaning in zip(pieces, meanings, strict=True)
        ]
        return "; ".join(meanings[:4]) or "says nothing", tuple(details)

    return say


def _range(start: int, value: str) -> Said:
    ranges = parse_range(value)
    if ranges is None:
        return "is ignored: no ranges of bytes that can be read", ()

    def say(text: str) -> str:
        first, _, last = text.partition("-")
        if not first:
            return f"the last {last} bytes"
        return f"bytes {first} to {last}, counted from 0" if last else f"from byte {first} on"

    at = value.index("=") + 1
    pieces = pieces_of(start + at, value[at:])
    return f"asks for {joined([say(each.text) for each in pieces], 3)}", named(pieces, "range", say)


def _content_range(start: int, value: str) -> Said:
    found = parse_content_range(value)
    if found is None:
        return _UNREADABLE, ()
    size = "an unknown number" if found.size is None else f"{found.size:,}"
    if found.first is None or found.last is None:
        return f"no part: there are {size} bytes in all", ()
    count = found.last - found.first + 1
    return f"{counted(count, 'byte')}, from {found.first} to {found.last} of {size}", ()


def _etag(start: int, value: str) -> Said:
    tag = parse_etag(value)
    if tag is None:
        return "no entity tag: it wants quotes", ()
    if tag.weak:
        return "a weak validator: what has it means the same, byte for byte or not", ()
    return "a strong validator: what has it is the same byte for byte", ()


def _etags(start: int, value: str) -> Said:
    tags = parse_etag_list(value)
    if tags == "*":
        return "any state at all", ()
    if not tags:
        return "matches nothing: no list of entity tags", ()
    return f"{counted(len(tags), 'state')} that the client knows", named(
        pieces_of(start, value), "validator", lambda tag: f"the state {shown(tag)}"
    )


def _date(start: int, value: str) -> Said:
    if parse_date(value) is None:
        return f"no date of HTTP: {_UNREADABLE}", ()
    return ("a moment in UTC" if value.endswith(" GMT") else "a moment, in an old format"), ()


def _credentials(start: int, value: str) -> Said:
    scheme, space, rest = value.partition(" ")
    details = [detail_of(start, start + len(scheme), "auth scheme", shown(scheme))]
    if space and rest:
        end = start + len(value)
        details.append(detail_of(end - len(rest), end, "credentials", "a secret"))
    kinds = {
        "basic": "user and password in base64, which anybody who sees it can read",
        "bearer": "a token: who has it may do what its owner may",
        "digest": "proves the password without sending it",
    }
    return kinds.get(scheme.lower(), f"credentials of the kind {shown(scheme)}"), tuple(details)


def _challenges(start: int, value: str) -> Said:
    try:
        challenges = parse_challenges([value])
    except Malformed:
        return _UNREADABLE, ()
    names = [
        each.scheme + (f" for {shown(each.realm)}" if each.realm else "") for each in challenges
    ]
    return f"asks for {joined(names)}", ()


def _location(start: int, value: str) -> Said:
    return f"leads to {shown(value)}", ()


def _links(start: int, value: str) -> Said:
    details: list[Span] = []
    at = value.find("<")
    while at >= 0 and len(details) < 50:
        end = value.find(">", at)
        if end < 0:
            break
        target = shown(value[at + 1 : end])
        details.append(detail_of(start + at, start + end + 1, "link target", f"leads to {target}"))
        at = value.find("<", end)
    return f"points to {counted(len(details), 'thing')}", tuple(details)


def _members(verb: str) -> Callable[[int, str], Said]:
    def say(start: int, value: str) -> Said:
        pieces = pieces_of(start, value)
        return f"{verb} {joined([piece.text for piece in pieces])}", named(pieces, "member")

    return say


def _vary(start: int, value: str) -> Said:
    if value.strip(" \t") == "*":
        return "depends on more than the request says: no cache can use it again", ()
    return _members("depends on the request's")(start, value)


def _products(start: int, value: str) -> Said:
    details: list[Span] = []
    at = 0
    while at < len(value) and len(details) < 50:
        if value[at] == " ":
            at += 1
            continue
        is_comment = value[at] == "("
        end = value.find(")", at) + 1 if is_comment else value.find(" ", at)
        end = len(value) if end <= 0 else end
        element = "comment" if is_comment else "product"
        details.append(detail_of(start + at, start + end, element, shown(value[at:end])))
        at = end
    return f"calls itself {shown(value)}", tuple(details)


def _expect(start: int, value: str) -> Said:
    if value.lower() == "100-continue":
        return "waits for 100 (Continue) before it sends the content", ()
    return "no expectation that anybody has", ()


def _transport_security(start: int, value: str) -> Said:
    found = parse_transport_security(value)
    if found is None:
        return _UNREADABLE, ()
    if not found.max_age:
        return "takes back what was said before", ()
    also = ", and its subdomains" if found.subdomains else ""
    details = named(pieces_of(start, value, ";"), "directive", shown, "RFC 6797 6.1")
    return f"by https alone for {lasting(found.max_age)}: this host{also}", details


def _seconds(text: str, otherwise: Callable[[int, str], Said]) -> Callable[[int, str], Said]:
    def say(start: int, value: str) -> Said:
        seconds = parse_digits(value)
        if seconds is not None:
            return text.replace("{}", lasting(seconds)), ()
        return otherwise(start, value)

    return say


def _no_seconds(start: int, value: str) -> Said:
    return f"no number of seconds: {_UNREADABLE}", ()


def _allow_origin(start: int, value: str) -> Said:
    if value == "*":
        return "pages of every origin may read this, without cookies", ()
    return f"pages of {shown(value)} may read this", ()


def _disposition(start: int, value: str) -> Said:
    found = parse_disposition(value)
    if found is None:
        return _UNREADABLE, ()
    verb = "show it in the page" if found.kind == "inline" else "save it"
    name = f" as {shown(found.filename)}" if found.filename else ""
    return verb + name, tuple(with_parameters(Piece(start, value), "member", shown))


def _nosniff(start: int, value: str) -> Said:
    if value.lower() == "nosniff":
        return "believe Content-Type, do not guess", ()
    return "says nothing: nosniff is all that it can be", ()


def _policy(start: int, value: str) -> Said:
    pieces = pieces_of(start, value, ";")
    return counted(len(pieces), "rule"), named(pieces, "directive", shown, "CSP3 2.3")


def _ranges_taken(start: int, value: str) -> Said:
    if value.lower() == "none":
        return "parts are not to be had", ()
    return f"parts may be asked for in {shown(value)}", ()


_BY_NAME: Final[dict[str, Callable[[int, str], Said]]] = {
    "accept": _accepted("media type"),
    "accept-charset": _accepted("member"),
    "accept-encoding": _accepted("coding"),
    "accept-language": _accepted("member"),
    "accept-ranges": _ranges_taken,
    "access-control-allow-headers": _members("lets in"),
    "access-control-allow-methods": _members("lets in"),
    "access-control-allow-origin": _allow_origin,
    "access-control-expose-headers": _members("shows"),
    "access-control-max-age": _seconds("holds for {}", _no_seconds),
    "access-control-request-headers": _members("asks for"),
    "age": _seconds("has lain in caches for {}", _no_seconds),
    "allow": _members("has"),
    "authorization": _credentials,
    "connection": _connection,
    "content-disposition": _disposition,
    "content-encoding": _codings,
    "content-length": _content_length,
    "content-range": _content_range,
    "content-security-policy": _policy,
    "content-type": _content_type,
    "cookie": cookies,
    "date": _date,
    "etag": _etag,
    "expect": _expect,
    "expires": _date,
    "host": _host,
    "if-match": _etags,
    "if-modified-since": _date,
    "if-none-match": _etags,
    "if-unmodified-since": _date,
    "keep-alive": _members("offers"),
    "last-modified": _date,
    "link": _links,
    "location": _location,
    "proxy-authenticate": _challenges,
    "proxy-authorization": _credentials,
    "range": _range,
    "retry-after": _seconds("not before {} have passed", _date),
    "server": _products,
    "server-timing": _members("measured"),
    "set-cookie": set_cookie,
    "strict-transport-security": _transport_security,
    "te": _accepted("coding"),
    "trailer": _members("behind the content come"),
    "transfer-encoding": _codings,
    "user-agent": _products,
    "vary": _vary,
    "via": _members("passed"),
    "www-authenticate": _challenges,
    "x-content-type-options": _nosniff,
    "x-forwarded-for": _members("asked for"),
}
_BY_KIND: Final[dict[Kind, dict[str, Callable[[int, str], Said]]]] = {
    "request": {"cache-control": _directives("request"), "upgrade": _members("offers")},
    "response": {"cache-control": _directives("response"), "upgrade": _members("speaks")},
}
