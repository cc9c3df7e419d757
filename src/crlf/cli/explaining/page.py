"""An explanation as a page: the wire to the left, what it means beside it, the times above.

One file, without scripts and without anything from elsewhere, for light and dark, wide and narrow.
Its law: whatever came over the wire is text in it, and its policy lets nothing else in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from crlf.cli.explaining.glyphs import glyphs_of, hex_rows
from crlf.cli.explaining.pagestyle import STYLE
from crlf.cli.explaining.story import Chapter, Line, Note, Part
from crlf.cli.showing.output import count
from crlf.cli.showing.waterfall import Bar, Row, rows_of, span_text
from crlf.cli.terminal import harmless_line, is_text
from crlf.message.timestamps import build_timestamp
from crlf.rules.captures import Captured
from crlf.wire.explain import Fault, Span

MOST_CONTENT: Final = 256 * 1024  # bytes of one piece of content; a browser has to lay it out
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page_of(chapters: Sequence[Chapter], title: str = "") -> str:
    """Write chapters as an HTML page."""
    captures = [one.captured for one in chapters if one.captured is not None]
    name = title or (f"{captures[0].method} {captures[0].url}" if captures else "Bytes explained")
    times = "".join(_waterfall(captures)) if any(one.steps for one in captures) else ""
    many = len(chapters) > 1
    body = "".join([_chapter(one, number if many else 0) for number, one in enumerate(chapters, 1)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(name)} · crlf explain</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{_text(name)}</h1>\n{times}{body}</main>\n"
        "<footer>Written by <code>crlf explain --html</code>. Rules are sections of "
        '<a href="https://www.rfc-editor.org/rfc/rfc9110" rel="noreferrer">RFC 9110</a>, '
        '<a href="https://www.rfc-editor.org/rfc/rfc9112" rel="noreferrer">RFC 9112</a> '
        "and those that are named.</footer>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return escape(harmless_line(text))


# --- times ---------------------------------------------------------------------------------------


def _waterfall(captures: list[Captured]) -> Iterator[str]:
    rows = rows_of(captures)
    whole = max((row.began + row.total for row in rows), default=0.0) or 1.0
    yield '<section class="times" aria-label="Where the time went"><h2>Where the time went</h2>\n'
    for number, row in enumerate(rows, 1):
        yield from _row(row, whole, number if len(rows) > 1 else 0)
    yield "</section>\n"


def _row(row: Row, whole: float, number: int) -> Iterator[str]:
    one = row.captured
    place = f"{number}. " if number else ""
    status = f' <b class="s{row.status[:1]}">{row.status}</b>' if row.status else ""
    yield f"<h3><span>{place}{_text(f'{one.method} {one.url}')}{status}</span>"
    yield f"<em>{span_text(row.total)}</em></h3>\n<dl>\n"
    for bar in row.bars:
        yield _bar(bar, whole)
    yield "</dl>\n"
    if one.fault:
        yield f'<p class="bad">{_text(one.fault)}</p>\n'


def _bar(bar: Bar, whole: float) -> str:
    left = min(100.0, bar.began / whole * 100)
    width = min(100.0 - left, bar.seconds / whole * 100)
    note = f"<small>{_text(bar.note)}</small>" if bar.note else ""
    depth = ' class="inner"' if bar.depth else ""
    return (
        f"<dt{depth}>{_text(bar.name)}</dt><dd><span class=track>"
        f'<i class="p-{bar.kind}" style="margin-left:{left:.3f}%;width:{width:.3f}%"></i></span>'
        f"<em>{bar.took}</em>{note}</dd>\n"
    )


# --- messages ------------------------------------------------------------------------------------


def _chapter(chapter: Chapter, number: int) -> str:
    one = chapter.captured
    head = ""
    if one is not None:
        place = f"{number}. " if number else ""
        when = [build_timestamp(one.began)] if one.began else []
        head = f"<h2>{place}{_text(f'{one.method} {one.url}')}</h2>\n"
        head += f'<p class="facts">{_text(" · ".join(when + chapter.facts))}</p>\n'
        if one.fault and not chapter.is_broken:
            head += f'<p class="bad">{_text(one.fault)}</p>\n'
    level = 3 if head else 2
    parts = "".join([_part(part, level) for part in chapter.parts])
    return f'<section class="exchange">\n{head}{parts}</section>\n'


def _part(part: Part, level: int) -> str:
    way = "sent" if part.way == ">" else "received"
    size = count(part.end - part.start)
    rows = "".join([_line(part, line) for line in part.lines])
    if part.fault is not None and part.fault.offset >= part.end:
        rows += f'<div class="line broken"><code></code>{_fault(part, part.fault)}</div>\n'
    remarks = "".join([f"<li>{_note(note)}</li>" for note in part.remarks])
    follows = f'<ul class="remarks">{remarks}</ul>\n' if remarks else ""
    return (
        f'<article class="{way}"><h{level}><span>{_text(part.title)}</span>'
        f"<em>{way}, {size}</em></h{level}>\n"
        f"{rows}{follows}</article>\n"
    )


def _line(part: Part, line: Line) -> str:
    fault = part.fault
    if fault is not None and not line.start <= fault.offset < line.end:
        fault = None
    wire = _content(part, line) if line.kind == "data" else _wire(part, line, line.start, line.end)
    if fault is None:
        notes = "".join([f"<p>{_note(note)}</p>" for note in line.notes])
        meaning = f'<div class="notes">{notes}</div>'
    else:
        meaning = _fault(part, fault)
    broken = " broken" if fault is not None else ""
    return f'<div class="line {line.kind}{broken}"><code>{wire}</code>{meaning}</div>\n'


def _wire(part: Part, line: Line, start: int, end: int) -> str:
    """Write bytes, each span marked with what it is."""
    pieces = []
    for span in line.spans:
        begin, stop = max(span.start, start), min(span.end, end)
        if begin < stop:
            shown_to = min(stop, begin + MOST_CONTENT)
            text = _shown(part.data, begin, shown_to)
            if shown_to < stop:
                text += f'<span class="cut">… {stop - shown_to:,} more bytes</span>'
            pieces.append(f'<span class="e-{_class(span)}" title="{_title(span)}">{text}</span>')
    return "".join(pieces)


def _shown(data: bytes, start: int, end: int) -> str:
    """Write bytes; line ends by their names, since few fonts have signs for them."""
    text = escape("".join([g.text for g in glyphs_of(data, start, end, has_unicode=True)]))
    return text.replace("␍", "<s>CR</s>").replace("␊", "<s>LF</s>")


def _class(span: Span) -> str:
    return span.element.replace(" ", "-")


def _title(span: Span) -> str:
    return escape(harmless_line(f"{span.element}: {span.meaning} [{span.rule}]"))


def _content(part: Part, line: Line) -> str:
    data, span = part.data, line.spans[0]
    end = min(span.end, span.start + MOST_CONTENT)
    cut = f'<span class="cut">… {span.end - end:,} more bytes</span>' if end < span.end else ""
    if not is_text(data[span.start : end], "utf-8"):
        rows = [escape(text) for _, _, text in hex_rows(data, span.start, end)]
        rest = _wire(part, line, span.end, line.end)
        return f'<span class="hex">{chr(10).join(rows)}</span>{cut}{rest}'
    pieces, at = [], span.start
    while at < end:
        stop = data.find(b"\n", at, end) + 1 or end
        pieces.append(_shown(data, at, stop))
        at = stop
    return "\n".join(pieces) + cut + _wire(part, line, span.end, line.end)


def _note(note: Note) -> str:
    label = f"<code>{_text(note.label)}</code> " if note.label and len(note.label) < 60 else ""
    who = f"<b>{_text(note.who)}:</b> " if note.who else ""
    rule = f" <cite>{_text(note.rule)}</cite>" if note.rule else ""
    return f"{label}{who}{_text(note.text)}{rule}"


def _fault(part: Part, fault: Fault) -> str:
    whose = "A client then" if part.way == "<" else "A server answers"
    place = f"line {fault.line}, byte {fault.column}: "
    return (
        f'<div class="notes"><p class="bad"><b>{place}{_text(fault.reason)}</b> '
        f"<cite>{_text(fault.rule)}</cite></p><p>{whose}: {_text(fault.answer)}</p>"
        f'<p class="mend">To mend it: {_text(fault.advice)}</p></div>'
    )
