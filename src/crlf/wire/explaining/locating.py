"""Where a fault is to be seen: the offending bytes of a verdict that the engine has given.

Most verdicts come with an offset; those on a whole head (two Host fields, a length that is no
number) say what is wrong and not where, and some name the beginning of what is wrong. Here the
place is found in the spans. Its law: the verdict is the engine's, and a caret stands where the
engine points or, in the same element, at the first byte that cannot be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from crlf.message.authority import parse_authority
from crlf.message.errors import Malformed, ProtocolError, TooLarge
from crlf.message.grammar import split_list
from crlf.patterns import pattern
from crlf.wire.explaining.spans import Span

Fault = ProtocolError | TooLarge


class Place(NamedTuple):
    """Where a fault is: its bytes, none when something is missing there.

    is_broken: the bytes cannot be what they stand for; otherwise each of them is in order, and
    what they say together is not.
    """

    start: int
    end: int
    is_broken: bool = False


class Field(NamedTuple):
    """A field line in the spans: where its name, its value and the line begin and end."""

    name: str
    name_start: int
    value: str
    value_start: int
    end: int


_NOT_TCHAR = pattern(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_NOT_DIGIT = pattern(rb"[^0-9]")
_NOT_HEX = pattern(rb"[^0-9A-Fa-f]")
_CONTROL = pattern(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_PERCENT = pattern(rb"%(?![0-9A-Fa-f]{2})")
_EXTENSION = pattern(
    rb"(?:[ \t]*+;[ \t]*+[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
    rb"(?:[ \t]*+=[ \t]*+(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
    rb'|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"))?+)*+'
)


def place_of(data: bytes, spans: Sequence[Span], start: int, fault: Fault) -> Place:
    """Find where a fault is to be seen in a message that begins at start."""
    scene = Scene(data, spans, start)
    if isinstance(fault, TooLarge):
        return scene.excess(fault)
    given = None if fault.offset is None else min(start + fault.offset, len(data))
    if given is not None:
        return scene.given(fault.reason, given)
    if fault.reason.startswith("connection closed"):
        return Place(len(data), len(data))
    return scene.searched(fault)


class Scene:
    """The spans of a broken message, asked for where things are."""

    def __init__(self, data: bytes, spans: Sequence[Span], start: int) -> None:
        self.data = data
        self.spans = spans
        self.start = start

    # -- parts of it

    def span(self, *elements: str) -> Place:
        """Return where the first spans of these elements stand together."""
        found = [span for span in self.spans if span.element in elements]
        if not found:
            return Place(self.start, self.start)
        end = found[0].end
        for span in found[1:]:
            end = span.end if span.start == end else end
        return Place(found[0].start, end)

    def line_end(self, at: int) -> int:
        """Return where the text of the line at some place ends."""
        end = self.data.find(b"\n", at)
        end = len(self.data) if end < 0 else end
        return end - 1 if end > at and self.data[end - 1] == 13 else end

    def fields(self, name: str = "", *, trailers: bool = False) -> list[Field]:
        """List the field lines, or those of one name, as they stand in the spans."""
        wanted = ("trailer name",) if trailers else ("field name",)
        values = ("trailer value",) if trailers else ("field value",)
        found: list[Field] = []
        for span in self.spans:
            if span.element in wanted:
                text = self.data[span.start : span.end].decode("latin-1")
                found.append(Field(text.lower(), span.start, "", span.end, span.end))
            elif span.element == "colon" and found and not found[-1].value:
                found[-1] = found[-1]._replace(value_start=span.end, end=span.end)
            elif span.element in values and found and not found[-1].value:
                text = self.data[span.start : span.end].decode("latin-1")
                found[-1] = found[-1]._replace(value=text, value_start=span.start, end=span.end)
        return [field for field in found if field.name == name] if name else found

    def value(self, name: str, number: int = 0) -> Place:
        """Return where the value of a field stands; the whole line when there is no such one."""
        fields = self.fields(name)
        if not fields:
            return self.span("line end")
        field = fields[min(number, len(fields) - 1)]
        return Place(field.value_start, field.end)

    # -- verdicts with an offset

    def given(self, reason: str, at: int) -> Place:
        """Find the bytes that a verdict means whose offset says where their element begins."""
        line_end = self.line_end(at)
        for words, find in _BY_REASON.items():
            if words in reason:
                return find(self, at, line_end)
        if reason.endswith("in a head") or "line end" in reason:
            return Place(at, min(at + 1, len(self.data)), is_broken=True)
        if reason.endswith("in a trailer"):
            name = reason.partition(" ")[0]
            fields = self.fields(name, trailers=True)
            return Place(fields[0].name_start, fields[0].end) if fields else Place(at, line_end)
        return Place(at, line_end, is_broken=at < line_end)

    def first(self, wrong: Callable[[bytes, int, int], object], at: int, stop: int) -> Place:
        """Return the first byte that a pattern finds wrong, or else all of them."""
        found = wrong(self.data, at, stop)
        place = found.start() if hasattr(found, "start") else at  # a re.Match, or None
        return Place(place, place + 1 if found else stop, is_broken=True)

    # -- verdicts without one

    def searched(self, fault: ProtocolError) -> Place:
        """Find what a verdict on a whole head is about."""
        reason = fault.reason
        if reason == "HTTP/1.1 request without a Host field":
            first = self.span("line end")
            return Place(first.end, first.end)
        if reason.startswith("more than one "):
            name = reason.removeprefix("more than one ").removesuffix(" field").lower()
            return self._second(name)
        if "Content-Length and Transfer" in reason:
            both = [*self.fields("content-length")[:1], *self.fields("transfer-encoding")[:1]]
            later = max(both, key=lambda field: field.name_start)
            return Place(later.name_start, later.end)
        if reason.startswith("Content-Length"):
            return self._bad_length()
        if "ransfer" in reason or "chunked applied" in reason:
            return self.value("transfer-encoding")
        if "expectation" in reason:
            return self.value("expect")
        if "101 " in reason or "2xx " in reason:
            return self.span("status code")
        if "interim" in reason:
            return self.span("status code")
        if "quoted string" in reason or "a list of over" in reason:
            return self._bad_list("connection")
        return self._bad_place(reason)

    def _second(self, name: str) -> Place:
        fields = self.fields(name)
        if len(fields) < 2:
            return self.value(name)
        return Place(fields[1].name_start, fields[1].end)

    def _bad_length(self) -> Place:
        fields = self.fields("content-length")
        for field in fields:
            found = _NOT_DIGIT.search(self.data, field.value_start, field.end)
            if found is not None:
                return Place(found.start(), field.end)
            if not field.value:
                return Place(field.value_start, field.end)
        long = next((each for each in fields if len(each.value) > 19), fields[-1])
        return Place(long.value_start, long.end)

    def _bad_list(self, name: str) -> Place:
        for field in self.fields(name):
            try:
                split_list(field.value)
            except Malformed as fault:
                return Place(field.value_start + (fault.offset or 0), field.end)
        return self.value(name)

    def _bad_place(self, reason: str) -> Place:
        """Find what is wrong with a host or a target (message/authority.py, message/target.py)."""
        for host in self.fields("host")[:1]:
            try:
                parse_authority(host.value)
            except Malformed:
                return self._bad_character(reason, host.value_start, host.end)
        authority = self.span("target authority")
        if " in the host" in reason and authority.end > authority.start:
            return self._bad_character(reason, *authority[:2])
        if reason == "user name in the target":
            at = self.data.find(b"@", *authority[:2])
            return Place(authority.start, at + 1, is_broken=True)
        target = self.span("target scheme", "target authority", "target path", "target query")
        if reason == "fragment in the target":
            return Place(self.data.find(b"#", *target[:2]), target.end, is_broken=True)
        if reason.startswith("character 0x"):
            part = self.span("target query" if reason.endswith("query") else "target path")
            return self._bad_character(reason, *part[:2])
        if reason.startswith("percent sign"):
            path = self.span("target path")
            return self.first(_BAD_PERCENT.search, *path[:2])
        return Place(target.start, target.end)

    def _bad_character(self, reason: str, start: int, end: int) -> Place:
        """Find the character that a reason names, as in "'@' in the host"."""
        code = reason.partition("0x")[2][:2]
        wrong = b""
        if code:
            wrong = bytes.fromhex(code)
        elif reason[:1] in "'\"" and reason.endswith("in the host"):
            wrong = _character_of(reason.removesuffix(" in the host"))
        at = self.data.find(wrong, start, end) if wrong else -1
        if at >= 0:
            return Place(at, at + 1, is_broken=True)
        if reason.startswith("port is no number"):
            return Place(self.data.rfind(b":", start, end) + 1, end)
        return Place(start, end)

    # -- what is too large

    def excess(self, fault: TooLarge) -> Place:
        """Find the first byte, line or field that is over its limit."""
        data, limit = self.data, fault.limit
        if fault.what == "line":
            return Place(self.start + limit, self.line_end(self.start))
        if fault.what == "head":
            return Place(self.start + limit, min(self.start + limit + 1, len(data)))
        if fault.what in ("field", "fields", "trailers", "trailer_block"):
            return self._excess_of_fields(fault)
        sizes = [span for span in self.spans if span.element in ("chunk size", "last chunk")]
        if fault.what == "chunk_line" and sizes:
            return Place(min(sizes[-1].start + limit, len(data)), self.line_end(sizes[-1].start))
        extensions = [span for span in self.spans if span.element == "chunk extension"]
        total = 0
        for span in extensions:
            total += span.end - span.start
            if total > limit:
                return Place(span.start, span.end)
        return Place(len(data), len(data))

    def _excess_of_fields(self, fault: TooLarge) -> Place:
        limit = fault.limit
        trailers = fault.what.startswith("trailer")
        names = ("trailer name", "fold") if trailers else ("field name", "fold")
        lines = [span.start for span in self.spans if span.element in names]
        if fault.what in ("fields", "trailers") and len(lines) > limit:
            return Place(lines[limit], self.line_end(lines[limit]))
        if fault.what == "field":
            for at in lines:
                end = self.line_end(at)
                if end - at > limit:
                    return Place(at + limit, end)
        if fault.what == "trailer_block" and lines:
            at = min(lines[0] + limit, len(self.data))
            return Place(at, self.line_end(at))
        end = self.line_end(lines[-1]) if lines else len(self.data)
        return Place(end, end)


def _character_of(text: str) -> bytes:
    """Read the character that stands between quotes, as ascii() has written it."""
    inner = text[1:-1]
    if inner[:2] == "\\x":
        return bytes.fromhex(inner[2:4])
    return {"\\t": b"\t", "\\\\": b"\\", "\\'": b"'"}.get(inner, inner[:1].encode("latin-1"))


def _in_request_line(scene: Scene, at: int, line_end: int) -> Place:
    """The first space too many, the first word too many, or the place of what is missing."""
    data = scene.data
    tab = data.find(b"\t", scene.start, line_end)
    if tab >= 0:
        return Place(tab, tab + 1, is_broken=True)
    for span in scene.spans:
        if span.start >= line_end:
            break
        if span.element == "broken":
            return Place(span.start, span.end, is_broken=True)
    if data[line_end - 1 : line_end] == b" ":
        return Place(line_end - 1, line_end, is_broken=True)
    return Place(max(at, line_end), max(at, line_end))


def _in_name(scene: Scene, at: int, line_end: int) -> Place:
    colon = scene.data.find(b":", at, line_end)
    return scene.first(_NOT_TCHAR.search, at, line_end if colon < 0 else colon + 1)


def _in_method(scene: Scene, at: int, line_end: int) -> Place:
    return scene.first(_NOT_TCHAR.search, at, line_end)


def _in_chunk_size(scene: Scene, at: int, line_end: int) -> Place:
    found = _NOT_HEX.search(scene.data, at, line_end)
    if found is not None and found.start() < at + 17:
        return Place(found.start(), line_end, is_broken=True)
    return Place(at, line_end, is_broken=True)


def _in_extension(scene: Scene, at: int, line_end: int) -> Place:
    found = _EXTENSION.match(scene.data, at, line_end)
    place = at if found is None else found.end()
    return Place(place, max(line_end, place), is_broken=True)


def _a_control(scene: Scene, at: int) -> Place:
    return scene.first(_CONTROL.search, at, len(scene.data))


def _a_word(scene: Scene, at: int, line_end: int) -> Place:
    space = scene.data.find(b" ", at, line_end)
    end = line_end if space < 0 else space
    return Place(min(at, end), end, is_broken=at < end)


_BY_REASON: Final[dict[str, Callable[[Scene, int, int], Place]]] = {
    "request line is not": _in_request_line,
    "method is not a token": _in_method,
    "field name is not a token": _in_name,
    "chunk size is not": _in_chunk_size,
    "broken chunk extension": _in_extension,
    "control character in a chunk": lambda scene, at, stop: _a_control(scene, at),
    "not an HTTP version": _a_word,
    "HTTP of another major": _a_word,
    "status code is not": _a_word,
    "empty request target": lambda scene, at, stop: Place(at, min(at + 1, stop)),
    "blank between": lambda scene, at, stop: Place(at, at + 1, is_broken=True),
    "blank before the first": lambda scene, at, stop: Place(at, at + 1, is_broken=True),
    "folded field": lambda scene, at, stop: Place(at, at + 1, is_broken=True),
    "bare CR or LF": lambda scene, at, stop: Place(at, at + 1, is_broken=True),
    "too many empty": lambda scene, at, stop: Place(at, at + 2, is_broken=True),
    "chunk data not followed": lambda scene, at, stop: _behind_data(scene, at),
    "connection closed": lambda scene, at, stop: Place(len(scene.data), len(scene.data)),
    "bytes that no request": lambda scene, at, stop: Place(at, stop),
    "without a colon": lambda scene, at, stop: Place(at, stop, is_broken=True),
}


def _behind_data(scene: Scene, at: int) -> Place:
    """The byte that stands where CR LF belongs: the first, or the one behind a CR."""
    if scene.data[at : at + 1] == b"\r":
        at += 1
    return Place(at, min(at + 1, len(scene.data)), is_broken=True)
