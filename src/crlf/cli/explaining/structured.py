"""An explanation as JSON: spans with their offsets, notes, remarks and faults, for other programs.

Offsets count bytes in `bytes`, one character each. Its law: what the text says is here too, and
the spans of a part cover it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from crlf.cli.explaining.story import Chapter, Line, Note, Part
from crlf.rules.captures import Captured
from crlf.rules.timing import timings_json
from crlf.wire.explain import Fault, Span


def as_json(chapters: Sequence[Chapter]) -> str:
    """Write chapters as JSON text."""
    return json.dumps([_chapter(one) for one in chapters], indent=1) + "\n"


def _chapter(chapter: Chapter) -> dict[str, object]:
    row: dict[str, object] = {}
    captured = chapter.captured
    if captured is not None:
        [times] = timings_json([captured])
        row = {
            "method": captured.method,
            "url": captured.url,
            "connection": captured.connection,
            "peer": captured.peer,
            "tls": None if captured.tls is None else captured.tls.version,
            "origin": captured.origin or "the wire",
            "fault": captured.fault,
            "not_kept": {"sent": captured.sent_cut, "received": captured.received_cut},
            "timing": times,
        }
    return row | {"messages": [_part(part) for part in chapter.parts]}


def _part(part: Part) -> dict[str, object]:
    message, start = part.message, part.start
    return {
        "way": "sent" if part.way == ">" else "received",
        "title": part.title,
        "is_complete": message is not None and message.is_complete,
        "bytes": part.data[start : part.end].decode("latin-1"),
        "lines": [_line(line, start) for line in part.lines],
        "remarks": [_note(note) for note in part.remarks],
        "fault": None if part.fault is None else _fault(part.fault, start),
    }


def _line(line: Line, base: int) -> dict[str, object]:
    return {
        "kind": line.kind,
        "start": line.start - base,
        "end": line.end - base,
        "spans": [_span(span, base) for span in line.spans],
        "notes": [_note(note) for note in line.notes],
    }


def _span(span: Span, base: int) -> dict[str, object]:
    row: dict[str, object] = {
        "start": span.start - base,
        "end": span.end - base,
        "element": span.element,
        "meaning": span.meaning,
        "rule": span.rule,
    }
    if span.details:
        row["details"] = [_span(detail, base) for detail in span.details]
    return row


def _note(note: Note) -> dict[str, object]:
    return {name: value for name, value in note._asdict().items() if value}


def _fault(fault: Fault, base: int) -> dict[str, object]:
    row: dict[str, object] = fault._asdict()
    return row | {"offset": fault.offset - base, "end": fault.end - base}


def as_times(captures: Sequence[Captured]) -> str:
    """Write the times of exchanges as JSON text."""
    return json.dumps(timings_json(list(captures)), indent=1) + "\n"
