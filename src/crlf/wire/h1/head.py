"""Heads of messages: bytes to parts and back (RFC 9112 sections 2 to 5).

There are two ways through here and one grammar. The quick way reads a whole head that is
as it should be, and remembers what it saw last, since a peer sends the same fields again
and again. The moment anything looks odd it hands over to the careful way, which walks line
by line, tolerates the one thing it must (folded lines in responses) and names the first
fault in the order of the bytes, so that the verdict does not depend on how they were cut.
"""

from __future__ import annotations

from crlf.message.errors import Malformed, TooLarge
from crlf.message.grammar import BLANK, is_token, parse_digits
from crlf.message.headers import Field, Headers, Index, add_to, index_of
from crlf.wire.limits import Limits

NOT_CONTROL = bytes(byte for byte in range(256) if byte >= 32 and byte != 127) + b"\t"
_CONTROL = bytes(byte for byte in range(256) if byte not in NOT_CONTROL)

LINE_RULE = "RFC 9112 2.2"
START_RULE = "RFC 9112 3"
STATUS_RULE = "RFC 9112 4"
FIELD_RULE = "RFC 9112 5"

# Names met before, each with its lower-case form: a dict look-up is the whole check of a name.
# Bounded, because names come from peers: when it is full, further names are checked each time.
_MOST_NAMES = 1024
_names: dict[str, str] = {}


def key_of(name: str) -> str | None:
    """Return a field name in lower case, or None when it is no token (RFC 9110 5.1)."""
    key = _names.get(name)
    if key is None and is_token(name):
        key = name.lower()
        if len(_names) < _MOST_NAMES and len(name) < 64:
            _names[name] = key
    return key


def has_stray_control(data: bytes | bytearray) -> bool:
    """Tell whether data has a control character that is neither HTAB nor part of a CRLF."""
    return len(data.translate(None, NOT_CONTROL)) != 2 * data.count(b"\r\n")


def parse_block(block: bytes, limits: Limits) -> Headers | None:
    """Read the field lines of a head (without the empty line) the quick way.

    Returns None when anything is odd: the careful way must look.
    """
    if not block:
        return Headers.checked((), {})
    lines = block.decode("latin-1").split("\r\n")
    if len(lines) > limits.fields or has_stray_control(block):
        return None
    if len(block) > limits.field and max(map(len, lines)) > limits.field:
        return None
    fields: list[Field] = []
    index: Index = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = _names.get(name) or key_of(name)
        if key is None or not colon:
            return None
        value = value.strip(BLANK)
        fields.append((name, value))
        if key in index:
            add_to(index, key, value)
        else:
            index[key] = value
    return Headers.checked(tuple(fields), index)


class CarefulWalk:
    """The careful way through a head: lines in order, the first fault named with its offset.

    data: the bytes of the head that are here, cut to limits.head, the empty line not included.
    whole: whether that is all of the head; otherwise its last line may still go on.
    folds: whether a folded line is joined with a space (responses, RFC 9112 5.2) or refused.
    """

    def __init__(self, data: bytes, limits: Limits, *, whole: bool, folds: bool) -> None:
        self.data = data
        self.limits = limits
        self.whole = whole
        self.folds = folds
        self.at = 0

    def next_line(self, what: str, most: int, status: int) -> str | None:
        """Return the next line without its CRLF, or None at the end of the data.

        Raises Malformed for a control character, TooLarge for a line of over `most` bytes,
        and for a head that fills limits.head without an end.
        """
        start = self.at
        end = self.data.find(b"\r\n", start)
        ended = end >= 0
        if not ended:
            end = len(self.data)
            if not self.whole and self.data.endswith(b"\r", start):
                end -= 1  # its LF may be on the way
        line = self.data[start : min(end, start + most)]
        for place, byte in enumerate(line) if line.translate(None, NOT_CONTROL) else ():
            if byte in _CONTROL:
                raise Malformed(_named(byte), LINE_RULE, 400, start + place)
        if end - start > most:
            raise TooLarge(what, most, status, "RFC 9112 3" if what == "line" else "RFC 9110 5.4")
        if not ended and not self.whole:
            if len(self.data) >= self.limits.head:
                raise TooLarge("head", self.limits.head, 431, "RFC 9110 5.4")
            return None
        self.at = end + 2
        return line.decode("latin-1") if start < len(self.data) else None

    def headers(self) -> Headers:
        """Read the field lines. Raises Malformed or TooLarge."""
        fields: list[Field] = []
        folds: dict[int, list[str]] = {}  # what each folded field goes on with
        seen, start = 0, self.at
        while (line := self.next_line("field", self.limits.field, 431)) is not None:
            seen += 1
            if seen > self.limits.fields:
                raise TooLarge("fields", self.limits.fields, 431, "RFC 9110 5.4")
            if line[:1] in (" ", "\t"):
                self._check_fold(fields, start)
                folds.setdefault(len(fields) - 1, []).append(line.strip(BLANK))
            else:
                fields.append(self._field(line, start))
            start = self.at
        for place, pieces in folds.items():
            # RFC 9112 5.2: a user agent MUST replace each received obs-fold with SP.
            name, value = fields[place]
            fields[place] = name, " ".join(piece for piece in (value, *pieces) if piece)
        return Headers.checked(tuple(fields), index_of(fields))

    def _field(self, line: str, offset: int) -> Field:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("field line without a colon", FIELD_RULE, 400, offset)
        if name[-1:] in (" ", "\t"):
            raise Malformed(
                "blank between field name and colon", "RFC 9112 5.1", 400, offset + len(name) - 1
            )
        if key_of(name) is None:
            raise Malformed("field name is not a token", "RFC 9110 5.1", 400, offset)
        return name, value.strip(BLANK)

    def _check_fold(self, fields: list[Field], offset: int) -> None:
        if not fields:
            raise Malformed("blank before the first field", LINE_RULE, 400, offset)
        if not self.folds:
            raise Malformed("folded field line", "RFC 9112 5.2", 400, offset)


def _named(byte: int) -> str:
    names = {0: "NUL", 10: "bare LF", 13: "bare CR"}
    return f"{names.get(byte, f'control character 0x{byte:02x}')} in a head"


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Split a request line into method, target and version ("1.1"). Raises Malformed."""
    words = line.split(" ")
    if len(words) != 3:
        raise Malformed(
            "request line is not METHOD SP target SP HTTP/x.y", START_RULE, 400, len(words[0])
        )
    method, target, version = words
    if not is_token(method):
        raise Malformed("method is not a token", "RFC 9112 3.1", 400, 0)
    number = parse_version(version, len(method) + len(target) + 2)
    if not target:
        raise Malformed("empty request target", "RFC 9112 3.2", 400, len(method) + 1)
    return method, target, number


def parse_status_line(line: str) -> tuple[int, str, str]:
    """Split a status line into status code, reason and version. Raises Malformed.

    RFC 9112 4: a client ignores the reason; the space before an empty one may be missing.
    """
    version, _, rest = line.partition(" ")
    number = parse_version(version, 0)
    digits, space, reason = rest[:3], rest[3:4], rest[4:]
    code = parse_digits(digits)
    if code is None or len(digits) != 3 or code < 100 or space not in ("", " "):
        raise Malformed("status code is not three digits from 100", STATUS_RULE, 502, 9)
    return code, reason, number


def parse_version(text: str, offset: int) -> str:
    """Return "1.0" or "1.1" for an HTTP version of major 1 (RFC 9112 2.3).

    A higher minor version is spoken to as 1.1 (RFC 9110 2.5). Raises Malformed, with 505 for
    another major version and 400 for what is no version.
    """
    if text == "HTTP/1.1":
        return "1.1"
    if text == "HTTP/1.0":
        return "1.0"
    if len(text) != 8 or text[:5] != "HTTP/" or text[6] != ".":
        raise Malformed("not an HTTP version", "RFC 9112 2.3", 400, offset)
    if parse_digits(text[5]) is None or parse_digits(text[7]) is None:
        raise Malformed("not an HTTP version", "RFC 9112 2.3", 400, offset)
    if text[5] != "1":
        raise Malformed("HTTP of another major version", "RFC 9110 2.5", 505, offset)
    return "1.1"
