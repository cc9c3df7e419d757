"""Representations: what is said of an open file, and how a request is answered with it.

A file is described once (type, validators, how long it may be kept, its coding); then conditions
and ranges decide how much of it goes out. A small one is bytes, a large one is an open file that
the network sends from where it stands. Its law: length and tags are those of the open file, and
each coding of a file has a tag of its own (RFC 9110 8.8.3.3).

The tag is strong and made of modification time (in ns) and size: reading the content for a
digest would cost as much as sending it. Who writes a file in place twice within a tick of the
file system's clock, at the same length, gets the same tag; who replaces files does not. What is
coded on its way out has a weak one: another version of the encoder makes other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple

from crlf.flow.encoding import EncodedBody
from crlf.message.body import FileBody, JoinedBody
from crlf.message.dates import build_date
from crlf.message.fields.etags import ETag
from crlf.message.fields.media import media_type_of
from crlf.message.headers import Field, Headers
from crlf.message.response import Response
from crlf.rules.compressing import ACCEPT_ENCODING
from crlf.rules.conditional import not_modified_headers
from crlf.rules.pages import NOSNIFF
from crlf.rules.partial import (
    ACCEPT_RANGES,
    WHOLE,
    Selection,
    answer_bytes,
    multipart,
    part_headers,
    refusal,
    select,
)
from crlf.server.files.opening import Facts, Opened

_FRESH: Final = 2  # seconds; the Date that every response gets may be a second old


class Description(NamedTuple):
    """What is said of a file in one coding.

    modified: seconds since 1970, never in the future (RFC 9110 8.8.2.1), or None. coding: None
    for none. is_made: the coding is done on the way out, and ranges of it are not to be had.
    is_settled: long enough ago that another change would show in the time.
    """

    headers: Headers
    etag: ETag
    modified: int | None
    coding: str | None
    is_made: bool
    is_settled: bool


def describe(
    name: str,
    facts: Facts,
    now: int,
    *,
    caching: str = "no-cache",
    coding: str | None = None,
    is_made: bool = False,
    varies: bool = False,
    more: Sequence[Field] = (),
) -> Description:
    """Write the fields of a file's 200.

    name: of the file as it is asked for, which says its type. facts: of what is sent. now:
    seconds since 1970. caching: the Cache-Control; "" for none. varies: there are other codings.
    """
    tag = f"{facts.modified:x}-{facts.size:x}"
    etag = ETag(tag if coding is None else f"{tag}-{coding}", weak=is_made)
    modified: int | None = min(facts.seconds, now)
    is_settled = facts.seconds < now - _FRESH
    fields = [("content-type", media_type_of(name)), ("etag", etag.build())]
    try:
        fields.append(("last-modified", build_date(min(facts.seconds, now))))
    except ValueError:
        modified = None  # before the year 1: no date, and none to compare by
    if not is_settled:
        fields.append(("date", build_date(now)))
    if caching:
        fields.append(("cache-control", caching))
    if coding is not None:
        fields.append(("content-encoding", coding))
    if varies:
        fields.append(("vary", ACCEPT_ENCODING))
    if not is_made:
        fields.append(ACCEPT_RANGES)
    headers = Headers([*fields, NOSNIFF, *more])
    return Description(headers, etag, modified, coding, is_made, is_settled)


def answer_in_memory(
    described: Description,
    whole: Response,
    method: str,
    asked: Headers,
    now: int,
    not_modified: Response | None = None,
) -> Response:
    """Answer with content that is here.

    whole: the 200 that has all of it. not_modified: its 304, from whoever keeps one.
    """
    size = None if described.is_made else len(whole.content)
    selection = _selected(described, method, asked, size, now)
    if selection.status_code == 304 and not_modified is not None:
        return not_modified
    if selection is WHOLE and method == "HEAD":
        length = str(len(whole.content))
        return Response.quick(200, described.headers.adding("content-length", length), b"")
    return answer_bytes(selection, asked, whole, _make_boundary)


def not_modified_response(described: Description) -> Response:
    """Build the 304 of a representation."""
    return Response.quick(304, not_modified_headers(described.headers), b"")


def answer_from_file(
    described: Description, opened: Opened, method: str, asked: Headers, now: int
) -> Response:
    """Answer with an open file, which the response takes or which is closed.

    It is sent from where its body says, with a length that was asked of it when it was opened.
    """
    headers, size = described.headers, opened.facts.size
    try:
        rangeable = None if described.is_made else size
        status_code, spans = selection = _selected(described, method, asked, rangeable, now)
        if status_code == 304:
            return not_modified_response(described)
        if status_code in (412, 416):
            return refusal(selection, size, asked.get("accept"))
        if described.is_made and described.coding is not None:
            coded = EncodedBody(FileBody(opened.take(), size, closing=True), described.coding)
            return Response(200, headers, coded)
        if method == "HEAD":
            return Response.quick(200, headers.adding("content-length", str(size)), b"")
        if not spans:
            body = FileBody(opened.take(), size, closing=True)
            return Response(200, headers.adding("content-length", str(size)), body)
        if len(spans) == 1:
            first, last = spans[0]
            body = FileBody(opened.take(first), last + 1 - first, closing=True)
            fields = part_headers(headers, spans[0], size)
            return Response(206, fields.adding("content-length", str(last + 1 - first)), body)
        around = multipart(headers, spans, size, _make_boundary())
        parts = PartsBody(opened.take(), spans, around.before, around.after)
        length = str(around.length)
        return Response(206, around.headers.adding("content-length", length), parts)
    finally:
        opened.close()


def _selected(
    described: Description, method: str, asked: Headers, size: int | None, now: int
) -> Selection:
    selection = select(method, asked, described.etag, described.modified, size, now)
    if len(selection.parts) > 1 and described.coding is not None:
        return WHOLE  # several parts under one Content-Encoding could be read in two ways
    return selection


class PartsBody(JoinedBody):
    """Several parts of one open file, with what stands around them; it closes the file."""

    can_send_again = False

    def __init__(
        self,
        file: BinaryIO,
        spans: Sequence[tuple[int, int]],
        before: Sequence[bytes],
        after: bytes,
    ) -> None:
        self.file = file
        parts: list[bytes | tuple[int | None, _Span]] = []
        for text, (first, last) in zip(before, spans, strict=True):
            parts += [text, (last + 1 - first, _Span(file, first, last))]
        super().__init__([*parts, after])

    def chunks(self) -> Iterator[bytes]:
        """Yield every part's bytes in order."""
        try:
            yield from super().chunks()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class _Span:
    """A part of a file, opened by going to where it begins."""

    __slots__ = ("_file", "_first", "_last")

    def __init__(self, file: BinaryIO, first: int, last: int) -> None:
        self._file, self._first, self._last = file, first, last

    def __call__(self) -> FileBody:
        self._file.seek(self._first)
        return FileBody(self._file, self._last + 1 - self._first)


def _make_boundary() -> str:
    """Make up what no content can have in it, since nobody could have known it."""
    from secrets import token_hex

    return token_hex(16)
