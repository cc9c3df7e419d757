"""An explanation as a story: exchanges, their messages, their lines, and what each means.

It is made of spans (wire/explain.py) and nothing of it is for one medium: text, JSON and the page
are written from it. Its law: the lines of a message cover its bytes, in order, none twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from crlf.cli.explaining.origins import UNKNOWN, Origins
from crlf.message.status import reason_of
from crlf.rules.captures import Captured
from crlf.rules.consequences import consequences
from crlf.wire.explain import (
    Explained,
    Fault,
    Message,
    Span,
    explain_bytes,
    explain_request,
    explain_response,
)
from crlf.wire.limits import Limits
from crlf.wire.parts import Head, RequestHead, ResponseHead

Kind = Literal["start", "field", "blank", "chunk", "data", "other"]
Way = Literal[">", "<"]

_DATA: Final = frozenset({"content", "chunk data", "other protocol"})
_STARTS: Final = frozenset({"method", "version", "target path", "status code"})
_NAMES: Final = frozenset({"field name", "trailer name"})
_VALUES: Final = frozenset({"field value", "trailer value"})
_CHUNKS: Final = frozenset({"chunk size", "last chunk", "chunk end"})
_ENDS: Final = frozenset({"line end", "head end", "chunk end", "body end"})
_SILENT: Final = frozenset({"space", "colon", "whitespace", "line end", "chunk end", "field name",
                            "trailer name"})  # fmt: skip
# Parts of a value of which the value's own meaning says all.
_SAID: Final = frozenset(
    {"query parameter", "host", "port", "cookie", "product", "credentials", "parameter"}
)
_PLAIN: Final = "what the field says", "what a field after the content says"
# What is shown was received already: nothing is refused for its size.
ROOM: Final = Limits(
    line=1 << 20, field=1 << 20, head=1 << 22, fields=5000, body=None, trailers=500,
    trailer_block=1 << 20, interim=1000,
)  # fmt: skip


class Note(NamedTuple):
    """Something to be said of a line. label: the bytes that it is about, when not all of it."""

    text: str
    rule: str = ""
    label: str = ""
    who: str = ""


class Line(NamedTuple):
    """One line on the wire, or content. spans: those that cover it."""

    kind: Kind
    start: int
    end: int
    spans: tuple[Span, ...]
    notes: tuple[Note, ...]


class Part(NamedTuple):
    """One message, or what is left over: its way, its lines, and what follows from it.

    data: what the offsets count in. fault: what is wrong, when that is here.
    """

    way: Way
    title: str
    data: bytes
    start: int
    end: int
    lines: tuple[Line, ...]
    remarks: tuple[Note, ...]
    fault: Fault | None
    message: Message | None


class Chapter(NamedTuple):
    """One exchange, or one input. captured: None for bytes of somebody's."""

    captured: Captured | None
    parts: tuple[Part, ...]

    @property
    def is_broken(self) -> bool:
        """Whether a message of it breaks a rule."""
        return any(part.fault is not None for part in self.parts)

    @property
    def facts(self) -> list[str]:
        """What is known of an exchange's way: the connection, its peer, TLS; or its rebuilding."""
        one = self.captured
        if one is None:
            return []
        facts = [f"connection {one.connection}"] if one.connection else []
        if one.peer is not None and one.peer[1]:
            facts.append(f"to {one.peer[0]} port {one.peer[1]}")
        if one.tls is not None:
            facts.append(f"{one.tls.version}, {one.tls.cipher}")
        if one.origin:
            facts.append(f"rebuilt from {one.origin}: not the bytes that went over the wire")
        return facts


def chapter_of(captured: Captured, origins: Origins = UNKNOWN) -> Chapter:
    """Tell of a capture."""
    parts: list[Part] = []
    request: RequestHead | None = None
    if captured.sent:
        is_whole = not captured.sent_cut and not captured.fault
        sent = explain_request(captured.sent, is_whole=is_whole, limits=ROOM)
        if sent.messages and isinstance(sent.messages[0].head, RequestHead):
            request = sent.messages[0].head
        parts += parts_of(captured.sent, sent, ">", origins)
    if captured.received:
        received = explain_response(
            captured.received,
            method=captured.method or "GET",
            is_ended=captured.ended and not captured.received_cut,
            request=request,
            limits=ROOM,
        )
        parts += parts_of(captured.received, received, "<", origins)
    return Chapter(captured, _with_cuts(_with_consequences(parts, captured), captured))


def chapter_of_bytes(data: bytes, *, is_whole: bool = True) -> Chapter:
    """Tell of bytes of which nobody says what they are."""
    explained = explain_bytes(data, is_whole=is_whole)
    return Chapter(None, _with_consequences(parts_of(data, explained, None, UNKNOWN), None))


# --- parts ---------------------------------------------------------------------------------------


def parts_of(data: bytes, explained: Explained, way: Way | None, origins: Origins) -> list[Part]:
    """Make a part of each message, and of what no message has."""
    parts: list[Part] = []
    spans = list(explained.spans)
    at = 0
    for message in explained.messages:
        before = at
        while at < len(spans) and spans[at].start < message.start:
            at += 1
        if at > before:
            parts.append(_leftover(data, spans[before:at], way))
        first = at
        while at < len(spans) and spans[at].start < message.end:
            at += 1
        parts.append(_part(data, message, spans[first:at], way, origins))
    if at < len(spans):
        parts.append(_leftover(data, spans[at:], way))
    fault = explained.fault
    if fault is not None and parts:
        fits = [n for n, part in enumerate(parts) if part.start <= fault.offset < part.end]
        place = fits[0] if fits else len(parts) - 1
        parts[place] = parts[place]._replace(fault=fault)
    return parts


def _part(
    data: bytes, message: Message, spans: Sequence[Span], way: Way | None, origins: Origins
) -> Part:
    is_request = message.kind == "request"
    chosen: Way = way or (">" if is_request else "<")
    who = origins if is_request else None
    lines = lines_of(data, spans, who)
    start, end = (spans[0].start, spans[-1].end) if spans else (message.start, message.end)
    text = message.framing.text
    text = text if text.startswith("no content") else f"content: {text}"
    is_known = message.framing.how != "unknown"
    remarks = (Note(text, message.framing.rule),) if is_known else ()
    return Part(
        chosen, title_of(message.head, message.kind), data, start, end, lines, remarks, None,
        message,
    )  # fmt: skip


def _leftover(data: bytes, spans: Sequence[Span], way: Way | None) -> Part:
    start, end = spans[0].start, spans[-1].end
    lines = lines_of(data, spans, None)
    return Part(way or ">", "what no message has", data, start, end, lines, (), None, None)


def title_of(head: Head | None, kind: str) -> str:
    """Name a message in a few words."""
    if isinstance(head, ResponseHead):
        reason = head.reason or reason_of(head.status_code)
        words = f"{head.status_code} {reason}".rstrip(" ")
        interim = 100 <= head.status_code < 200 and head.status_code != 101
        return f"an interim response: {words}" if interim else f"the response: {words}"
    if isinstance(head, RequestHead):
        return f"the request: {head.method}"
    return f"a {kind} that is broken or not whole"


# --- lines ---------------------------------------------------------------------------------------


def lines_of(data: bytes, spans: Iterable[Span], origins: Origins | None) -> tuple[Line, ...]:
    """Group spans into lines; content is a line of its own, with the CR LF behind a chunk."""
    lines: list[Line] = []
    row: list[Span] = []
    for span in spans:
        if row and (span.element in _DATA) and row[-1].element not in _DATA:
            lines.append(_line(data, row, origins))
            row = []
        row.append(span)
        if span.element in _ENDS or (span.element not in _DATA and data[span.end - 1] == 10):
            lines.append(_line(data, row, origins))
            row = []
    if row:
        lines.append(_line(data, row, origins))
    return tuple(lines)


def _line(data: bytes, row: list[Span], origins: Origins | None) -> Line:
    elements = {span.element for span in row}
    kind: Kind = "other"
    if elements & _DATA:
        kind = "data"
    elif elements & _NAMES:
        kind = "field"
    elif elements & _STARTS:
        kind = "start"
    elif elements & _CHUNKS:
        kind = "chunk"
    elif elements <= _ENDS:
        kind = "blank"
    notes = _field_notes(data, row, origins) if kind == "field" else _notes(data, row)
    return Line(kind, row[0].start, row[-1].end, tuple(row), tuple(notes))


def _notes(data: bytes, row: list[Span]) -> list[Note]:
    """What is to be said of each element of a line."""
    notes = []
    for span in row:
        if span.element in _SILENT:
            continue
        text = _text(data, span)
        meaning = span.meaning.removeprefix(f"{text}: ")
        is_alone = len(row) <= 2 or span.element in _DATA
        notes.append(Note(meaning, span.rule, "" if is_alone else text))
    return notes


def _field_notes(data: bytes, row: list[Span], origins: Origins | None) -> list[Note]:
    """What is to be said of a field: what it is for, what it says here, and who set it."""
    notes: list[Note] = []
    name = ""
    for span in row:
        text = _text(data, span)
        if span.element in _NAMES:
            name = text
            notes.append(Note(span.meaning.partition(": ")[2] or span.meaning, span.rule))
        elif span.element in _VALUES:
            if notes and span.meaning not in _PLAIN and span.meaning not in notes[0].text:
                notes[0] = notes[0]._replace(text=f"{notes[0].text}. Here: {span.meaning}")
            notes += _details(data, span)
        elif span.element not in _SILENT:
            notes.append(Note(span.meaning, span.rule))
    origin = None if origins is None else origins.of_field(name)
    if origin is not None and notes:
        notes.append(Note(origin.why, "", "", origin.who))
    return notes


def _details(data: bytes, span: Span) -> list[Note]:
    """Parts of a value that say more than the value's own meaning does."""
    return [
        Note(detail.meaning, detail.rule, _text(data, detail))
        for detail in span.details
        if detail.element not in _SAID
        and detail.meaning not in span.meaning
        and detail.meaning != _text(data, detail)
    ]


def _text(data: bytes, span: Span) -> str:
    return data[span.start : span.end].decode("utf-8", "backslashreplace")


def _with_cuts(parts: tuple[Part, ...], captured: Captured) -> tuple[Part, ...]:
    """Say with the last message of each way how much more there was that was not kept."""
    found = list(parts)
    for way, count, verb in (
        (">", captured.sent_cut, "were sent"),
        ("<", captured.received_cut, "came"),
    ):
        numbers = [number for number, part in enumerate(found) if part.way == way]
        if count and numbers:
            part = found[numbers[-1]]
            note = Note(f"not kept: {count:,} byte{'' if count == 1 else 's'} more {verb}")
            found[numbers[-1]] = part._replace(remarks=(*part.remarks, note))
    return tuple(found)


# --- what follows --------------------------------------------------------------------------------


def _with_consequences(parts: list[Part], captured: Captured | None) -> tuple[Part, ...]:
    """Add what came of it to each final response: one answers the first request without one."""
    found = list(parts)
    asked: list[RequestHead] = []
    answers, interim = 0, list[int]()
    for number, part in enumerate(parts):
        head = _head(part)
        if isinstance(head, RequestHead):
            asked.append(head)
        elif not isinstance(head, ResponseHead):
            continue
        elif head.status_code < 200 and head.status_code != 101:
            interim.append(head.status_code)
        elif answers < len(asked):
            remarks = _follows(asked[answers], head, interim, captured)
            found[number] = part._replace(remarks=remarks)
            answers, interim = answers + 1, []
    return tuple(found)


def _follows(
    asked: RequestHead, answer: ResponseHead, interim: list[int], captured: Captured | None
) -> tuple[Note, ...]:
    """Say what follows from a request and its final response."""
    url = "" if captured is None else captured.url
    now = 0.0 if captured is None else captured.began
    unsaid = ["request content"]
    if captured is not None and "spoken as" in captured.origin:
        unsaid.append("connection")  # which HTTP/2 keeps by rules of its own
    return tuple(
        Note(f"{remark.about}: {remark.text}", remark.rule)
        for remark in consequences(asked, answer, url=url, now=now, interim=interim)
        if remark.about not in unsaid
    )


def _head(part: Part) -> Head | None:
    return None if part.message is None else part.message.head
