"""An explanation as text: the wire to the left, or above, and what is said of it beside, or below.

From 110 columns on both stand side by side; in less, notes are indented below their line. Its
law: no line is wider than the terminal, and what came over the wire is harmless in all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final, NamedTuple

from crlf.cli.explaining.glyphs import Glyph, glyphs_of, hex_rows, text_width
from crlf.cli.explaining.story import Chapter, Line, Note, Part
from crlf.cli.showing.output import count
from crlf.cli.terminal import Style, harmless_line, is_text
from crlf.wire.explain import Fault

BESIDE_FROM: Final = 110  # columns from which notes stand beside
WIDEST: Final = 160
MOST_ROWS: Final = 16  # of one piece of content, without --all
MOST_LINES: Final = 40  # of one message's body
_TAIL: Final = 6  # of those, how many are its last
_COLOURS: Final = {
    "method": "strong", "target scheme": "link", "target authority": "link", "target path": "link",
    "target query": "text", "version": "faint", "status code": "strong", "field name": "name",
    "trailer name": "name", "line end": "faint", "head end": "faint", "chunk end": "faint",
    "body end": "faint", "colon": "faint", "chunk size": "number", "last chunk": "number",
    "chunk extension": "faint", "broken": "bad", "not read": "faint", "left over": "odd",
    "other protocol": "odd",
}  # fmt: skip
_WHO: Final = {"you": "good", "crlf": "name", "the URL": "link", "the session": "odd"}


class Row(NamedTuple):
    """A row of a line: plain text for its width, painted text to show."""

    text: str
    painted: str
    glyphs: tuple[Glyph, ...] = ()


class Teller:
    """Writes chapters. width: columns. shows_all: nothing is cut."""

    def __init__(
        self, width: int, style: Style, *, has_unicode: bool = True, shows_all: bool = False
    ) -> None:
        self.width = max(40, min(width, WIDEST))
        self._style = style
        self._has_unicode = has_unicode
        self._shows_all = shows_all
        self._is_beside = self.width >= BESIDE_FROM
        self._left = self.width * 45 // 100 if self._is_beside else self.width

    def chapter(self, chapter: Chapter, number: int = 0) -> str:
        """Tell of one exchange. number: which of several, 0 for the only one."""
        lines: list[str] = []
        one = chapter.captured
        if one is not None:
            place = f"{number}. " if number else ""
            lines += self._heading(f"{place}{one.method} {one.url}", "; ".join(chapter.facts))
        for part in chapter.parts:
            lines += self._part(part)
        if not chapter.parts:
            lines += [self._style.paint("nothing went over the wire", "faint"), ""]
        fault = "" if one is None else one.fault
        if fault and not chapter.is_broken:
            lines += [self._style.paint(harmless_line(fault), "bad"), ""]
        return "\n".join(lines) + "\n"

    def _heading(self, title: str, facts: str) -> list[str]:
        paint = self._style.paint
        lines = [paint(line, "strong") for line in self._wrapped(harmless_line(title), 0)]
        lines += [paint(line, "faint") for line in self._wrapped(harmless_line(facts), 0)]
        return [*lines, ""]

    def _wrapped(self, text: str, indent: int, width: int = 0) -> list[str]:
        room = max(20, (width or self.width) - indent)
        return [" " * indent + line for line in wrap(text, room, break_on_hyphens=False)]

    # -- one message

    def _part(self, part: Part) -> list[str]:
        paint = self._style.paint
        title = f"{part.way} {harmless_line(part.title)}, {count(part.end - part.start)}"
        lines = [paint(row, "strong") for row in self._wrapped(title, 0)]
        self._left = self._column(part)
        for line, left_out in self._chosen(part):
            if left_out:
                lines.append(
                    paint(f"{part.way} [{left_out}; crlf explain --all shows them]", "faint")
                )
            if line is not None:
                lines += self._line(part, line)
        if part.fault is not None and part.fault.offset >= part.end:
            lines += self._fault(part, part.fault, 2)
        for note in part.remarks:
            lines += self._note(note, "= ", self.width, "odd")
        return [*lines, ""]

    def _column(self, part: Part) -> int:
        """Choose how wide the wire's column is: as its head needs it, and not all there is."""
        if not self._is_beside:
            return self.width
        heads = [line for line in part.lines if line.kind not in ("data", "chunk")]
        longest = max([line.end - line.start for line in heads], default=0)
        return max(36, min(longest + 3, self.width * 45 // 100))

    def _chosen(self, part: Part) -> Iterator[tuple[Line | None, str]]:
        """Choose which lines of a message are shown, each with what is left out before it."""
        body = next(
            (n for n, one in enumerate(part.lines) if one.kind in ("chunk", "data")),
            len(part.lines),
        )
        left = len(part.lines) - body - MOST_LINES
        for number, line in enumerate(part.lines):
            has_fault = part.fault is not None and line.start <= part.fault.offset < line.end
            if left > 0 and not self._shows_all and not has_fault:
                place = number - body
                if place == MOST_LINES - _TAIL:
                    last = part.lines[len(part.lines) - _TAIL - 1]
                    size = f"{last.end - line.start:,} bytes"
                    yield None, f"{left} more lines, {size}"
                    continue
                if MOST_LINES - _TAIL < place < len(part.lines) - body - _TAIL:
                    continue
            yield line, ""

    def _line(self, part: Part, line: Line) -> list[str]:
        fault = part.fault
        if fault is not None and not line.start <= fault.offset < line.end:
            fault = None
        rows = self._rows(part, line)
        notes = self._notes(line)
        if fault is not None:
            rows, after = self._with_caret(part, rows, fault)
            return [*[row.painted for row in rows], *after]
        if not self._is_beside:
            return [row.painted for row in rows] + notes
        lines = []
        for at in range(max(len(rows), len(notes))):
            row = rows[at] if at < len(rows) else Row("", "")
            note = notes[at] if at < len(notes) else ""
            gap = " " * (self._left + 2 - text_width(row.text))
            lines.append(f"{row.painted}{gap}{note}".rstrip(" ") if note else row.painted)
        return lines

    # -- the wire

    def _rows(self, part: Part, line: Line) -> list[Row]:
        """Show the bytes of a line, as many rows as they need."""
        if line.kind == "data":
            return self._content_rows(part, line)
        end = line.end
        if not self._shows_all:
            at = -1 if part.fault is None else part.fault.offset
            start = at if line.start <= at < line.end else line.start
            end = min(end, start + 4 * (MOST_ROWS + 1) * self._left)  # a character has 4 bytes
        glyphs = glyphs_of(part.data, line.start, end, has_unicode=self._has_unicode)
        rows = self._laid(part, line, glyphs)
        return self._cut(rows, part, line, MOST_ROWS, end)

    def _content_rows(self, part: Part, line: Line) -> list[Row]:
        data, start, end = part.data, line.start, line.end
        content = next(
            (span for span in line.spans if span.element not in ("chunk end",)), line.spans[0]
        )
        if not is_text(data[content.start : content.end], "utf-8"):
            most = end if self._shows_all else min(end, start + 16 * MOST_ROWS)
            rows = [
                Row(f"{part.way} {text}", self._style.paint(f"{part.way} ", "faint") + text)
                for _, _, text in hex_rows(data, content.start, min(most, content.end))
            ]
            return self._cut(rows, part, line, MOST_ROWS, most)
        rows = []
        most = end if self._shows_all else min(end, start + (MOST_ROWS + 1) * self._left)
        at = start
        while at < most:
            stop = data.find(b"\n", at, most) + 1 or most
            glyphs = glyphs_of(data, at, stop, has_unicode=self._has_unicode)
            rows += self._laid(part, line, glyphs)
            at = stop
        return self._cut(rows, part, line, MOST_ROWS, most)

    def _cut(
        self, rows: list[Row], part: Part, line: Line, most: int, shown_to: int = 0
    ) -> list[Row]:
        """Leave out what is too much, and say so."""
        fault = part.fault
        if self._shows_all or (fault is not None and line.start <= fault.offset < line.end):
            return rows
        if len(rows) <= most and shown_to in (0, line.end):
            return rows
        kept = rows[:most]
        last = kept[-1].glyphs
        left = line.end - (last[-1].end if last else min(line.end, line.start + 16 * most))
        text = f"{part.way} [{left:,} more bytes; crlf explain --all shows them]"
        return [*kept, Row(text, self._style.paint(text, "faint"))]

    def _laid(self, part: Part, line: Line, glyphs: list[Glyph]) -> list[Row]:
        """Lay glyphs out in rows that fit, coloured by what they are."""
        rows: list[Row] = []
        row: list[Glyph] = []
        used = 0
        room = self._left - 3
        for glyph in glyphs:
            if used + glyph.width > room and row:
                rows.append(self._row(part, line, row, not rows))
                row, used = [], 0
            row.append(glyph)
            used += glyph.width
        if row:
            rows.append(self._row(part, line, row, not rows))
        return rows

    def _row(self, part: Part, line: Line, glyphs: list[Glyph], is_first: bool) -> Row:
        paint = self._style.paint
        sign = f"{part.way} " if is_first else "  "
        plain, painted = [sign], [paint(sign, "faint")]
        spans = iter(line.spans)
        span = next(spans)
        piece: list[str] = []
        for glyph in glyphs:
            while glyph.start >= span.end:
                painted.append(self._coloured("".join(piece), span.element))
                piece = []
                span = next(spans, span)
                if span is line.spans[-1]:
                    break
            piece.append(glyph.text)
            plain.append(glyph.text)
        painted.append(self._coloured("".join(piece), span.element))
        return Row("".join(plain), "".join(painted), tuple(glyphs))

    def _coloured(self, text: str, element: str) -> str:
        style = _COLOURS.get(element)
        return text if style is None else self._style.paint(text, style)

    # -- what is said

    def _notes(self, line: Line) -> list[str]:
        lines: list[str] = []
        width = self.width - self._left - 2 if self._is_beside else self.width
        indent = "" if self._is_beside else "      "
        for note in line.notes:
            lines += self._note(note, indent, width)
        return lines

    def _note(self, note: Note, indent: str, width: int, mark: str = "") -> list[str]:
        """Write a note: a label, what is to be said, and behind it the rule."""
        paint = self._style.paint
        label = harmless_line(f"{note.label}  " if note.label else "")
        if len(label) > 30:
            label = ""
        who = f"{note.who}: " if note.who else ""
        rule = f" [{note.rule}]" if note.rule else ""
        body = harmless_line(f"{label}{who}{note.text}")
        rows = wrap(
            body + rule.replace(" ", "\u00a0").replace("\u00a0[", " [", 1),
            max(20, width - len(indent) - 1),
            subsequent_indent="  ",
            break_on_hyphens=False,
        ) or [""]
        painted = []
        for number, row in enumerate(rows):
            text = row.replace("\u00a0", " ")
            if rule and rule[1:] in text:
                text = text.replace(rule[1:], paint(rule[1:], "faint"))
            start = label + who
            if number == 0 and start and text.startswith(start):
                style = _WHO.get(note.who, "name" if note.who else "strong")
                word = start.rstrip(" ")  # blanks are not underlined
                text = paint(word, style) + text[len(word) :]
            sign = indent if number == 0 else " " * len(indent)
            painted.append((paint(sign, mark) if mark and number == 0 else sign) + text)
        return painted

    # -- what is wrong

    def _with_caret(self, part: Part, rows: list[Row], fault: Fault) -> tuple[list[Row], list[str]]:
        """Put a caret under the offending byte, and what is to be said below it."""
        kept: list[Row] = []
        for row in rows:
            kept.append(row)
            column = 2
            under = 0
            for glyph in row.glyphs:
                if glyph.end <= fault.offset:
                    column += glyph.width
                elif glyph.start < max(fault.end, fault.offset + 1):
                    under += glyph.width
            if row.glyphs and row.glyphs[-1].end > fault.offset:
                caret = " " * column + self._style.paint("^" * max(1, under), "bad")
                return kept, [caret, *self._fault(part, fault, column)]
        return rows, self._fault(part, fault, 2)

    def _fault(self, part: Part, fault: Fault, column: int) -> list[str]:
        place = f"line {fault.line}, byte {fault.column}: " if fault.line else ""
        whose = "what a client does" if part.way == "<" else "what a server answers"
        indent = " " * min(column, self.width // 4)
        notes = (
            (Note(f"{place}{fault.reason}", fault.rule), "bad"),
            (Note(f"{whose}: {fault.answer}"), "odd"),
            (Note(f"to mend it: {fault.advice}"), "good"),
        )
        lines: list[str] = []
        for note, style in notes:
            rows = self._note(note, indent, self.width)
            lines += [self._style.paint(row, style) if row.strip(" ") else row for row in rows]
        return lines
