"""multipart/form-data: bytes to parts and back, for uploads of any size.

Bytes are pushed in as they arrive, parts are pulled out until there are none. In a part's
content only the delimiter is searched for, by one `find` over each arrival; what could be
the beginning of a delimiter at its end is kept for the next one, and everything else goes
on, most often the very object that came in. Its law: a byte is looked at a bounded number
of times, wherever the arrivals are cut, and the cuts never show in what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from crlf.message.errors import Malformed, TooLarge
from crlf.message.fields.disposition import parse_disposition
from crlf.message.fields.media import parse_media_type
from crlf.message.grammar import BLANK, is_token
from crlf.message.headers import EMPTY, Headers
from crlf.patterns import pattern
from crlf.values import frozen
from crlf.wire.limits import Limits

MAX_PADDING: Final = 64  # blanks after a boundary; RFC 2046 5.1.1 has them, nobody sends any
PART_END: Final = b"\r\n"  # what stands between a part's content and the next boundary

# RFC 2046 5.1.1: bchars, up to 70, the last no blank.
_BOUNDARY = pattern(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_CONTROL = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPES: Final = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}  # WHATWG HTML 4.10.21.8
_NO_ENCODING: Final = frozenset({"7bit", "8bit", "binary"})
_SINGLE: Final = ("content-disposition", "content-type", "content-transfer-encoding")


@frozen
class MultipartLimits:
    """Bounds on one multipart body. Sizes are in bytes, counts are plain numbers.

    The parser holds all but the last: it hands content on as it comes and keeps none, so
    `field_in_memory` is for whoever stores the parts, and the body's own limit bounds files.
    """

    parts: int = 128  # tornado 100, Go 1000, Starlette 1000 files and 1000 fields: 413
    headers: int = 8  # of one part; python-multipart and multipart 8, RFC 7578 knows 3: 431
    header: int = 4096  # one line of them; python-multipart and multipart 4 KiB: 431
    preamble: int = 4096  # before the first boundary; browsers send none: 413
    epilogue: int = 4096  # after the last one; browsers send a line end: 413
    fields_total: int = 2 * 1024 * 1024  # content of all parts but files; aiohttp 1 MiB: 413
    field_in_memory: int = 64 * 1024  # of one field, the rest to disk; tornado 512 KiB

    @classmethod
    def of(cls, limits: Limits) -> MultipartLimits:
        """Take from a server's limits what bounds a form."""
        return cls(
            parts=limits.parts,
            headers=limits.part_headers,
            header=limits.part_header,
            fields_total=limits.fields_total,
            field_in_memory=limits.field_in_memory,
        )


DEFAULT_LIMITS: Final = MultipartLimits()


class PartHead(NamedTuple):
    """The beginning of a part. filename is None for a plain field, and "" for no file chosen.

    name, filename and content_type are what the sender claims: data, not to be trusted.
    """

    name: str
    filename: str | None = None
    content_type: str | None = None
    headers: Headers = EMPTY


class PartData(NamedTuple):
    """Some of a part's content, never empty. Where one PartData ends means nothing."""

    data: bytes


class PartEnd(NamedTuple):
    """The end of a part."""


class Finished(NamedTuple):
    """The end of the body: it was complete and well-formed, to its last byte."""


MultipartPart = PartHead | PartData | PartEnd | Finished


class MultipartParser:
    """Reads one multipart/form-data body (RFC 7578, RFC 2046 5.1).

    boundary: the parameter of the Content-Type, unquoted. Raises Malformed when it is none.

    A part without a Content-Disposition of form-data with a name is refused, and so is a
    transfer encoding: its content would be stored as something it is not (RFC 7578 4.2, 4.7).
    """

    __slots__ = (
        "_at",
        "_buffer",
        "_delimiter",
        "_ended",
        "_fields",
        "_head",
        "_is_file",
        "_limits",
        "_parts",
        "_passed",
        "_searched",
        "_skipped",
        "_step",
    )

    def __init__(self, boundary: str, limits: MultipartLimits = DEFAULT_LIMITS) -> None:
        self._delimiter = b"\r\n--" + _checked(boundary)
        self._limits = limits
        # The first boundary may stand at the very beginning: as if a line had just ended.
        self._buffer: bytes | bytearray = b"\r\n"
        self._passed = -2  # bytes of the body before the buffer
        self._at = 0  # what is before this has been dealt with
        self._searched = 0  # what is before this holds no end of a line
        self._ended = False
        self._parts = 0
        self._fields = 0  # bytes of content in parts that are no files
        self._skipped = -2  # bytes of preamble, later of epilogue
        self._is_file = False
        self._head: list[tuple[str, str]] = []
        self._step: Callable[[MultipartParser], MultipartPart | None]
        self._step = MultipartParser._skip_preamble

    def receive(self, data: bytes) -> None:
        """Take some bytes of the body; b"" says that there are no more."""
        if not data:
            self._ended = True
            return
        if self._ended:
            raise RuntimeError("bytes after the end of the body")
        left = len(self._buffer) - self._at
        if left <= len(self._delimiter):
            # Nothing, or what may be the beginning of a delimiter.
            self._buffer = bytes(self._buffer[self._at :]) + data if left else data
        else:
            # Part of a line, which may come byte by byte. Adding to a bytearray costs what is
            # added, and cutting its front off costs nothing, so nothing is copied again.
            if isinstance(self._buffer, bytearray):
                del self._buffer[: self._at]
            else:
                self._buffer = bytearray(memoryview(self._buffer)[self._at :])
            self._buffer += data
        self._passed += self._at
        self._searched = max(self._searched - self._at, 0)
        self._at = 0

    def next_part(self) -> MultipartPart | None:
        """Give the next part; None: more bytes are needed, or Finished was the last one.

        Raises Malformed (400) and TooLarge (413, 431). The body cannot be read on after that:
        what is asked then is answered by Malformed.
        """
        while True:
            step = self._step
            part = step(self)
            if part is not None:
                return part
            if step is self._step:
                break
        if self._ended and step is not MultipartParser._rest:
            self._at = len(self._buffer)
            raise self._fault("the body ends before its closing boundary")
        return None

    # The steps, one for each state. Each looks at what has come and gives a part, or sets
    # another step and gives None, or only gives None, because it needs more bytes.

    def _skip_preamble(self) -> None:
        end, is_delimiter = self._end_of_content()
        self._skipped += end - self._at
        self._at = end
        if self._skipped > self._limits.preamble:
            raise self._over("preamble", self._limits.preamble)
        if is_delimiter:
            self._at += len(self._delimiter)
            self._step = MultipartParser._after_boundary

    def _after_boundary(self) -> None:
        """Two dashes, or the end of the line; what begins another word is no boundary."""
        rest = self._rest_of_boundary()
        if rest.startswith(b"--"):
            self._at += 2
            self._step = MultipartParser._after_closing
        elif rest != b"-" and self._skip_line_end(rest):
            if self._parts == self._limits.parts:
                raise self._over("parts", self._limits.parts)
            self._parts += 1
            self._head = []
            self._step = MultipartParser._read_head

    def _after_closing(self) -> None:
        rest = self._rest_of_boundary()
        if self._skip_line_end(rest):
            self._skipped = 0
            self._step = MultipartParser._skip_epilogue
        elif self._ended and not rest.strip(b" \t"):
            self._step = MultipartParser._finish

    def _read_head(self) -> PartHead | None:
        while (line := self._next_line()) is not None:
            if not line:
                head = self._checked_head()
                self._step = MultipartParser._read_content
                return head
            if len(self._head) == self._limits.headers:
                raise self._over("part_headers", self._limits.headers, 431)
            name, colon, value = line.partition(":")
            if not colon or not is_token(name):
                raise self._fault("a part's header line does not begin with a name", "RFC 9110 5.1")
            if _CONTROL.search(value) is not None:
                raise self._fault("control character in a part's header", "RFC 9110 5.5")
            self._head.append((name, value.strip(BLANK)))
        return None

    def _read_content(self) -> PartData | PartEnd | None:
        if self._at == len(self._buffer):
            return None
        end, is_delimiter = self._end_of_content()
        if end > self._at:
            if not self._is_file:
                self._fields += end - self._at
                if self._fields > self._limits.fields_total:
                    raise self._over("fields_total", self._limits.fields_total)
            return PartData(self._cut(end))
        if not is_delimiter:
            return None
        self._at += len(self._delimiter)
        self._step = MultipartParser._after_boundary
        return PartEnd()

    def _skip_epilogue(self) -> None:
        self._skipped += len(self._buffer) - self._at
        self._at = len(self._buffer)
        if self._skipped > self._limits.epilogue:
            raise self._over("epilogue", self._limits.epilogue)
        if self._ended:
            self._step = MultipartParser._finish

    def _finish(self) -> Finished:
        self._step = MultipartParser._rest
        return Finished()

    def _rest(self) -> None:
        """There is nothing more to say."""

    def _refuse(self) -> None:
        raise Malformed("this multipart body was refused before", "RFC 2046 5.1.1")

    # What the steps are made of.

    def _end_of_content(self) -> tuple[int, bool]:
        """Find where content ends that starts here, and whether a delimiter stands there.

        Without one, what may be its beginning is left out: a delimiter has its only CR in
        front, so it begins at the last CR or nowhere.
        """
        buffer, delimiter, at = self._buffer, self._delimiter, self._at
        found = buffer.find(delimiter, at)
        if found >= 0:
            return found, True
        size = len(buffer)
        near = size - len(delimiter) + 1
        tail = buffer.rfind(b"\r", near if near > at else at)
        if tail >= 0 and delimiter.startswith(buffer[tail:]):
            return tail, False
        return size, False

    def _cut(self, end: int) -> bytes:
        """Take the bytes up to end out of the buffer; the whole of it is not copied."""
        start, self._at = self._at, end
        if isinstance(self._buffer, bytearray):
            return bytes(memoryview(self._buffer)[start:end])
        return self._buffer[start:end]  # CPython gives the object itself for all of it

    def _next_line(self) -> str | None:
        """Take a line without its CRLF, one character a byte; None when its end has not come."""
        start = self._at
        end = self._buffer.find(b"\r\n", max(start, self._searched))
        # Without an end, the last byte may be a CR that belongs to it.
        size = end - start if end >= 0 else len(self._buffer) - start - 1
        if size > self._limits.header:
            raise self._over("part_header", self._limits.header, 431)
        if end < 0:
            self._searched = max(len(self._buffer) - 1, 0)
            return None
        self._at = end + 2
        return self._buffer[start:end].decode("latin-1")

    def _rest_of_boundary(self) -> bytes:
        """What has come after a boundary, as much of it as matters."""
        return bytes(self._buffer[self._at : self._at + MAX_PADDING + 2])

    def _skip_line_end(self, rest: bytes) -> bool:
        """Step over blanks and CRLF; False when more bytes are needed."""
        line_end = rest.lstrip(b" \t")
        if line_end.startswith(b"\r\n"):
            self._at += len(rest) - len(line_end) + 2
            return True
        if line_end not in (b"", b"\r") or len(rest) == MAX_PADDING + 2:
            raise self._fault("a boundary is not followed by the end of its line")
        return False

    def _checked_head(self) -> PartHead:
        """Make the part's head from its fields, or refuse it."""
        said: dict[str, str] = {}
        for name, value in self._head:
            lowered = name.lower()
            if lowered in said and lowered in _SINGLE:
                raise self._fault("a part's header is given twice", "RFC 7578 4.8")
            said[lowered] = value
        found = parse_disposition(said.get("content-disposition", ""))
        if found is None or found.kind != "form-data" or found.name is None:
            reason = "a part has no Content-Disposition of form-data with a name"
            raise self._fault(reason, "RFC 7578 4.2")
        if said.get("content-transfer-encoding", "binary").lower() not in _NO_ENCODING:
            raise self._fault("a part has a transfer encoding", "RFC 7578 4.7")
        self._is_file = found.filename is not None
        if len(said) == len(self._head):  # every field was checked when it was read
            headers = Headers.checked(tuple(self._head), {**said})
        else:
            headers = Headers(self._head)
        return PartHead(found.name, found.filename, said.get("content-type"), headers)

    def _fault(self, reason: str, rule: str = "RFC 2046 5.1.1") -> Malformed:
        self._step = MultipartParser._refuse
        return Malformed(reason, rule, 400, max(self._passed + self._at, 0))

    def _over(self, what: str, limit: int, status_code: int = 413) -> TooLarge:
        self._step = MultipartParser._refuse
        return TooLarge(what, limit, status_code)


# Writing: opening, head, content and PART_END for each part, then closing.


def new_boundary() -> str:
    """Make a boundary that nobody can have put into a part: 128 random bits."""
    # Only here: it loads OpenSSL, and a client that sends no file does not wait for that.
    import secrets

    return "crlf-" + secrets.token_hex(16)


def opening(boundary: str) -> bytes:
    """Write the line before a part's head."""
    return b"--" + _checked(boundary) + b"\r\n"


def closing(boundary: str) -> bytes:
    """Write the line after the last part."""
    return b"--" + _checked(boundary) + b"--\r\n"


def build_part_head(
    name: str, filename: str | None = None, content_type: str | None = None
) -> bytes:
    """Write a part's header fields and the blank line after them (RFC 7578 4.2, 4.4).

    Names go out in UTF-8, with quotes and line ends as %22, %0D and %0A, as browsers do. Raises
    Malformed on other controls, lone surrogates, and what is no media type.
    """
    text = f'Content-Disposition: form-data; name="{_escaped(name)}"'
    if filename is not None:
        text += f'; filename="{_escaped(filename)}"'
    head = text.encode("utf-8")
    if content_type is not None:
        media_type = parse_media_type(content_type)
        if media_type is None:
            raise Malformed("a part's content type is no media type", "RFC 9110 8.3.1")
        head += b"\r\nContent-Type: " + media_type.build().encode("latin-1")
    return head + b"\r\n\r\n"


def _escaped(text: str) -> str:
    escaped = text.translate(_ESCAPES)
    if _CONTROL.search(escaped) is not None:
        raise Malformed("control character in a part's name", "RFC 7578 4.2")
    if not escaped.isascii() and any("\ud800" <= letter <= "\udfff" for letter in escaped):
        raise Malformed("a part's name cannot be written in UTF-8", "RFC 7578 5.1.1")
    return escaped


def _checked(boundary: str) -> bytes:
    if _BOUNDARY.fullmatch(boundary) is None:
        raise Malformed("the boundary is none, or over 70 characters", "RFC 2046 5.1.1")
    return boundary.encode("ascii")
