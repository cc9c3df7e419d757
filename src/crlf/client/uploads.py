"""Forms with files: multipart/form-data that streams from disk (RFC 7578).

A multipart body is a list of pieces and files whose length is known before anything is
opened, so an upload of any size goes out in constant memory with its Content-Length.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from crlf.client.options import FileInput, Files
from crlf.message.body import Body, JoinedBody, body_of
from crlf.message.fields.media import media_type_of
from crlf.net.files import file_part
from crlf.wire.multipart import PART_END, build_part_head, closing, new_boundary, opening

Piece = bytes | tuple[int | None, Callable[[], Body]]


def build_multipart(
    fields: list[tuple[str, str]], files: Files, boundary: str | None = None
) -> tuple[JoinedBody, str]:
    """Return the body of a form with files, and its media type. Raises OSError, Malformed.

    boundary: None for one that nobody can have put into a part.
    """
    boundary = boundary or new_boundary()
    parts = JoinedBody(_multipart(boundary, fields, files))
    return parts, f"multipart/form-data; boundary={boundary}"


def _multipart(boundary: str, fields: list[tuple[str, str]], files: Files) -> Iterator[Piece]:
    for name, value in fields:
        head = opening(boundary) + build_part_head(name, None, None)
        yield head + value.encode() + PART_END
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, kind, content = _file(file)
        yield opening(boundary) + build_part_head(name, filename, kind)
        yield content
        yield PART_END
    yield closing(boundary)


def _file(file: FileInput) -> tuple[str | None, str | None, Piece]:
    """Return (filename, media type, content) as users write it; a field has only the last."""
    if isinstance(file, (str, os.PathLike)):
        filename, size, opener = file_part(file)
        return filename, media_type_of(filename), (size, opener)
    if isinstance(file, tuple):
        given, content = file[0], file[1]
        if given is None:
            return None, file[2] if len(file) == 3 else None, _piece(content)
        kind = file[2] if len(file) == 3 else media_type_of(given)
        return given, kind, _piece(content)
    named = getattr(file, "name", None)
    filename = os.path.basename(named) if isinstance(named, str) else "file"
    return filename, media_type_of(filename), _piece(file)


def _piece(content: object) -> Piece:
    body = body_of(content)
    return body if isinstance(body, bytes) else (body.length, lambda: body)
