"""Bodies as they arrive: readers that cut a message's content out of the buffer.

A reader is handed the buffer and a position and returns (content, new position); it never
waits and never looks twice at the same byte. It is `done` when the body is complete. How
the content is cut into pieces depends on how it came and means nothing.
"""

from __future__ import annotations

from crlf.message.errors import Malformed, TooLarge
from crlf.message.grammar import parse_hex
from crlf.message.headers import Headers
from crlf.patterns import pattern
from crlf.wire.h1.head import NOT_CONTROL, CarefulWalk, has_stray_control
from crlf.wire.limits import Limits

Buffer = bytes | bytearray


class LengthReader:
    """A body of a known number of bytes (RFC 9112 6.2)."""

    trailers: Headers | None = None

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = length == 0

    def take(self, data: Buffer, at: int) -> tuple[bytes, int]:
        """Cut out what is there, up to the length."""
        have = len(data) - at
        if have < self.left:
            self.left -= have
            return _cut(data, at, len(data)), len(data)
        end = at + self.left
        self.left, self.done = 0, True
        return _cut(data, at, end), end

    def end(self) -> None:
        """Note that the peer closed. RFC 9112 8: a short body is incomplete, never success."""
        raise Malformed(f"connection closed {self.left:,} bytes before the end", "RFC 9112 8", 400)


class CloseReader:
    """A body that ends with the connection (RFC 9112 6.3, rule 8)."""

    trailers: Headers | None = None
    done = False

    def take(self, data: Buffer, at: int) -> tuple[bytes, int]:
        """Cut out everything."""
        return _cut(data, at, len(data)), len(data)

    def end(self) -> None:
        """Note that the peer closed: that was the end."""
        self.done = True


_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)
# RFC 9112 7.1.1, blanks allowed where the grammar has BWS; possessive, so it never goes back.
_EXTENSIONS = pattern(
    rb"(?:[ \t]*+;[ \t]*+[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
    rb"(?:[ \t]*+=[ \t]*+(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
    rb'|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"))?+)*+'
)
_SIZE_DIGITS = pattern(rb"[0-9A-Fa-f]+")
_CHUNK_RULE = "RFC 9112 7.1"
# RFC 9110 6.5.1: what a trailer must not have, since it says where a message ends, where it goes,
# who sends it or what its content is; whoever merged it into the fields would be deceived.
FORBIDDEN_TRAILERS = frozenset(
    {
        "transfer-encoding", "content-length", "host", "content-encoding", "content-type",
        "content-range", "trailer", "te", "connection", "keep-alive", "upgrade", "expect",
        "max-forwards", "authorization", "proxy-authorization", "cookie", "set-cookie",
        "www-authenticate", "proxy-authenticate", "range", "if-match", "if-none-match",
        "if-modified-since", "if-unmodified-since", "if-range", "location",
    }
)  # fmt: skip
# What is merely too late there: never sent, and where it comes handed out with the other trailers.
LATE_TRAILERS = frozenset(
    {"age", "cache-control", "date", "expires", "retry-after", "vary", "warning"}
)


class ChunkedReader:
    """A body in chunks, with extensions (checked, then ignored) and trailer fields."""

    def __init__(self, limits: Limits, *, folds: bool) -> None:
        self.done = False
        self.trailers: Headers | None = None
        self._limits = limits
        self._folds = folds
        self._state = _SIZE
        self._left = 0
        self._extensions = 0  # bytes of extensions so far, of all chunks
        self._seen = 0  # bytes of the trailer section that hold neither its end nor a fault

    def take(self, data: Buffer, at: int) -> tuple[bytes, int]:
        """Cut out the content of every chunk, or part of one, that is there.

        What came before a fault is given first; the fault is raised when asked again.
        """
        pieces: list[bytes] = []
        while True:
            if self._state == _DATA:
                end = min(at + self._left, len(data))
                if end > at:
                    pieces.append(_cut(data, at, end))
                self._left -= end - at
                at = end
                if self._left:
                    break
                self._state = _DATA_END
            try:
                if self._state == _DATA_END:
                    # RFC 9112 7.1: compared, not skipped (CVE-2025-43859).
                    if data[at : at + 2] != b"\r\n":
                        if not b"\r\n".startswith(data[at : at + 2]):
                            raise Malformed("chunk data not followed by CRLF", _CHUNK_RULE, 400, at)
                        break
                    at += 2
                    self._state = _SIZE
                if self._state == _SIZE:
                    found = self._size_line(data, at)
                    if found < 0:
                        break
                    at = found
                if self._state == _TRAILERS:
                    at = self._trailer_section(data, at)
                    break
            except (Malformed, TooLarge):
                if not pieces:
                    raise
                break
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), at

    def _size_line(self, data: Buffer, at: int) -> int:
        """Read a chunk's first line; return the position behind it, or -1 when it is not whole."""
        limit = self._limits.chunk_line
        end = data.find(b"\r\n", at, at + limit + 2)
        line = bytes(data[at : end if end >= 0 else at + limit + 2])
        whole = end >= 0
        held = line[:-1] if not whole and line.endswith(b"\r") else line
        if held[: limit + 1].translate(None, NOT_CONTROL):
            raise Malformed("control character in a chunk's first line", _CHUNK_RULE, 400, at)
        if len(held) > limit:
            raise TooLarge("chunk_line", limit, 400, _CHUNK_RULE)
        if not whole:
            return -1
        digits = _SIZE_DIGITS.match(line)
        size = None if digits is None else parse_hex(digits[0].decode("ascii"))
        if digits is None or size is None:
            raise Malformed("chunk size is not 1 to 16 hexadecimal digits", _CHUNK_RULE, 400, at)
        if digits.end() < len(line):
            if _EXTENSIONS.fullmatch(line, digits.end()) is None:
                raise Malformed("broken chunk extension", "RFC 9112 7.1.1", 400, at + digits.end())
            self._extensions += len(line) - digits.end()
            if self._extensions > self._limits.chunk_extensions:
                raise TooLarge(
                    "chunk_extensions", self._limits.chunk_extensions, 400, "RFC 9112 7.1.1"
                )
        self._left = size
        self._state = _DATA if size else _TRAILERS
        return end + 2

    def _trailer_section(self, data: Buffer, at: int) -> int:
        """Read the trailer fields and the empty line; return `at` unmoved when not whole."""
        limits = self._limits
        if data[at : at + 2] == b"\r\n":
            self.done = True
            return at + 2
        stop = min(at + limits.trailer_block, len(data))
        end = data.find(b"\r\n\r\n", at + max(self._seen - 3, 0), stop)
        whole = end >= 0
        if not whole and stop - at < limits.trailer_block:
            checked = stop - 1 if stop > at and data[stop - 1] == 13 else stop
            if not has_stray_control(data[at + self._seen : checked]):
                self._seen = checked - at
                return at
        block = bytes(data[at : end if whole else stop])
        walk = CarefulWalk(block, _trailer_limits(limits), whole=whole, folds=self._folds)
        try:
            trailers = walk.headers()
        except Malformed as fault:
            raise Malformed(fault.reason, "RFC 9112 7.1.2", 400, at + (fault.offset or 0)) from None
        except TooLarge as fault:
            what = "trailer_block" if fault.what == "head" else "trailers"
            raise TooLarge(what, fault.limit, 431, "RFC 9112 7.1.2") from None
        for name in trailers:
            if name in FORBIDDEN_TRAILERS:
                raise Malformed(f"{name} in a trailer", "RFC 9110 6.5.1", 400, at)
        self.trailers = trailers
        self.done = True
        return end + 4

    def end(self) -> None:
        """Note that the peer closed. RFC 9112 8: without the last chunk, incomplete."""
        raise Malformed("connection closed before the last chunk", "RFC 9112 8", 400)


def _trailer_limits(limits: Limits) -> Limits:
    return Limits(field=limits.trailer_block, head=limits.trailer_block, fields=limits.trailers)


def _cut(data: Buffer, start: int, end: int) -> bytes:
    if type(data) is bytes and start == 0 and end == len(data):
        return data
    return bytes(data[start:end])
