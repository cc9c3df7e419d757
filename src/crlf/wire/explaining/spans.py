"""What explaining gives: spans, messages and one fault, all plain values.

A span says what some bytes are; the spans of an input tile it, in order and without a gap, so
that a view may show each byte with its name. A fault is the engine's: explaining adds where it
is to be seen, what would mend it, and what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from crlf.message.headers import EMPTY, Headers
from crlf.wire.explaining.elements import DETAILS, ELEMENTS
from crlf.wire.parts import Head

Kind = Literal["request", "response"]
How = Literal["none", "length", "chunked", "close", "tunnel", "unknown"]


class Span(NamedTuple):
    """Some bytes and what they are: offsets into the input, the end not included.

    element: of ELEMENTS. rule: the section that defines it. meaning: what it says here, short.
    details: parts of a value, in order, each inside this span, with elements of DETAILS; they
    need not cover it.
    """

    start: int
    end: int
    element: str
    rule: str
    meaning: str
    details: tuple[Span, ...] = ()


class Framing(NamedTuple):
    """How the end of a message's content is found: a word, a sentence, and the rule.

    how: "none", "length", "chunked", "close" (of the connection), "tunnel" (no content: another
    protocol follows), "unknown" (its head is not whole, or broken).
    """

    how: How
    text: str
    rule: str


class Message(NamedTuple):
    """One message of the input; an interim response is one of its own.

    head: None when it is broken or not whole. start: of its start line. is_complete: whether all
    of it is there. content_length: bytes of content that are there, the chunks' lines not counted.
    """

    kind: Kind
    start: int
    end: int
    head: Head | None
    spans: tuple[Span, ...]
    framing: Framing
    is_complete: bool
    content_length: int = 0
    trailers: Headers = EMPTY


class Fault(NamedTuple):
    """What is wrong with the input, in the words and with the verdict of the engine.

    offset: of the offending byte; the input's length when something is missing at its end. end:
    behind the last offending byte, the same as offset when there is none. line, column: of offset,
    from 1; a column is a byte. advice: how to mend it. answer: what comes of it.
    """

    offset: int
    reason: str
    rule: str
    status_code: int
    line: int
    column: int
    advice: str
    answer: str
    end: int


class Explained(NamedTuple):
    """An input explained: its messages, the spans that tile it, and what is wrong, if anything."""

    messages: tuple[Message, ...]
    spans: tuple[Span, ...]
    fault: Fault | None


def span_of(
    start: int,
    end: int,
    element: str,
    meaning: str = "",
    rule: str = "",
    details: tuple[Span, ...] = (),
) -> Span:
    """Make a span; what is not said is taken from ELEMENTS."""
    known = ELEMENTS[element]
    return Span(start, end, element, rule or known.rule, meaning or known.meaning, details)


def detail_of(start: int, end: int, element: str, meaning: str = "", rule: str = "") -> Span:
    """Make a part of a value; what is not said is taken from DETAILS."""
    known = DETAILS[element]
    return Span(start, end, element, rule or known.rule, meaning or known.meaning)


def overlaid(spans: Sequence[Span], start: int, end: int, meaning: str, rule: str) -> list[Span]:
    """Return the spans with one that is broken laid over some bytes; what it cuts is cut.

    A span that is cut loses its details.
    """
    if start >= end:
        return list(spans)
    kept: list[Span] = []
    is_laid = False
    for span in spans:
        if span.end <= start or span.start >= end:
            kept.append(span)
            continue
        if span.start < start:
            kept.append(span._replace(end=start, details=()))
        if not is_laid:
            kept.append(Span(start, end, "broken", rule, meaning))
            is_laid = True
        if span.end > end:
            kept.append(span._replace(start=end, details=()))
    return kept
