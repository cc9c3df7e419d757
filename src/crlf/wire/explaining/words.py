"""Sentences for start lines and names: short, concrete, and safe to show on a terminal.

Its law: whatever of the wire stands in a sentence has passed `shown`, and is short.
"""

from __future__ import annotations

from typing import Final, Literal

from crlf.message.fieldlore import FieldLore
from crlf.message.grammar import parse_digits
from crlf.message.headers import visible
from crlf.message.status import MEANINGS, explain
from crlf.wire.explaining.spans import Span, detail_of

_SHOWN: Final = 60  # characters of the wire in a sentence
_MOST_DETAILS: Final = 200  # parts of one value that are named

# RFC 9110 9.3, RFC 5789, RFC 10008: what each does, and whether it may be sent a second time.
METHODS: Final[dict[str, str]] = {
    "GET": "GET: asks for the resource itself; changes nothing",
    "HEAD": "HEAD: asks for what GET would answer, without the content",
    "POST": "POST: hands over content to be dealt with; sent twice, it may count twice",
    "PUT": "PUT: puts this content in the place of what is there; twice is the same as once",
    "DELETE": "DELETE: asks to remove the resource; twice is the same as once",
    "CONNECT": "CONNECT: asks a proxy for a tunnel to a host and port",
    "OPTIONS": "OPTIONS: asks what may be done here",
    "TRACE": "TRACE: asks to be sent back the request as it arrived",
    "PATCH": "PATCH: asks to change the resource as the content says",
    "QUERY": "QUERY: asks a question that stands in the content; changes nothing",
    "PRI": "PRI: the beginning of HTTP/2, which is another protocol",
}


def shown(text: str) -> str:
    """Make text of the wire fit for a sentence: printable ASCII, and not long."""
    return visible(text[:_SHOWN]) + ("..." if len(text) > _SHOWN else "")


def method_meaning(method: str) -> str:
    """Say what a method asks for."""
    known = METHODS.get(method)
    if known is not None:
        return known
    if method.upper() in METHODS:
        return f"{shown(method)}: not {method.upper()}, for the case of a method counts"
    return f"{shown(method)}: a method that RFC 9110 does not have"


def version_meaning(text: str, who: Literal["client", "server"]) -> str:
    """Say what a version tells of its sender."""
    if text == "HTTP/1.1":
        return f"the {who} understands HTTP/1.1"
    if text == "HTTP/1.0":
        return f"the {who} says HTTP/1.0: no chunks, and one exchange unless keep-alive is said"
    if len(text) == 8 and text[:7] == "HTTP/1.":
        return f"the {who} says {shown(text)}, which is spoken to as HTTP/1.1"
    return f"{shown(text)}: no version that HTTP/1.1 can answer in"


def path_meaning(path: str, method: str) -> str:
    """Say what a path asks for."""
    if path == "*":
        return "asks about the server as a whole, not about one resource"
    verb = {"GET": "asks for", "HEAD": "asks about", "OPTIONS": "asks about"}.get(method, "names")
    return f"{verb} the resource {shown(path)}"


def authority_meaning(text: str, method: str) -> str:
    """Say what an authority in a target is for."""
    if method == "CONNECT":
        return f"asks for a tunnel to {shown(text)}"
    return f"the host that is asked, {shown(text)}; it counts, and not what Host says"


def query_meaning(query: str, count: int) -> str:
    """Say what a query has in it."""
    if not query:
        return "a question mark with nothing behind it"
    if "=" not in query:
        return f"asks with the query {shown(query)}"
    return f"asks with {count} query parameter{'' if count == 1 else 's'}"


def query_details(start: int, query: str) -> tuple[Span, ...]:
    """Name the pairs of a query that begins at start."""
    details, at = [], start
    for pair in query.split("&", _MOST_DETAILS)[:_MOST_DETAILS]:
        name, equals, value = pair.partition("=")
        if pair:
            said = f"{shown(name)} is {shown(value)}" if equals else f"{shown(name)}, without value"
            details.append(detail_of(at, at + len(pair), "query parameter", said))
        at += len(pair) + 1
    return tuple(details)


def status_meaning(text: str) -> tuple[str, str]:
    """Say what a status code means, and which section says so."""
    code = parse_digits(text, 3)
    if code is None or len(text) != 3 or code < 100:
        return f"{shown(text)}: no status code, which has three digits", "RFC 9112 4"
    sentence, _, rule = explain(code).rpartition(" [")
    known = MEANINGS.get(code)
    first = sentence[0].lower() + sentence[1:].removesuffix(".")
    return f"{code}: {first}", known.rule if known is not None else rule.removesuffix("]")


def name_meaning(name: str, known: FieldLore | None) -> str:
    """Say what a field of this name is for."""
    if known is None:
        return f"{shown(name)}: a field of this sender's own; who does not know it passes it over"
    return f"{known.name}: {known.purpose}"
