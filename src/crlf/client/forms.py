"""Content for a request: JSON, forms, and files that stream from disk.

A multipart body is a list of pieces and files whose length is known before anything is
opened, so an upload of any size goes out in constant memory with its Content-Length.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from crlf.client.options import FileInput, Files, RequestOptions
from crlf.message.body import Body, JoinedBody, body_of
from crlf.message.fields.media import media_type_of
from crlf.message.request import FORM_TYPE
from crlf.message.url import text_pairs
from crlf.net.files import file_part
from crlf.wire.forms import build_form
from crlf.wire.multipart import build_part_head, closing, new_boundary, opening

Piece = bytes | tuple[int | None, Callable[[], Body]]


def build_body(options: RequestOptions) -> tuple[object, str | None]:
    """Return a request's content and its media type, None when there is none to say.

    Raises TypeError when more than one kind of content is given.
    """
    data, files, content = options.get("data"), options.get("files"), options.get("content")
    has_json = "json" in options
    kinds = [data is not None or files is not None, content is not None, has_json]
    if sum(kinds) > 1:
        raise TypeError("give one of content=, json= and data=/files=")
    if has_json:
        import json  # a client that never sends JSON does not wait for its writer

        text = json.dumps(
            options["json"], ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        return text.encode(), "application/json"
    if files is not None:
        boundary = new_boundary()
        parts = JoinedBody(_multipart(boundary, list(text_pairs(data or ())), files))
        return parts, f"multipart/form-data; boundary={boundary}"
    if data is not None:
        _refuse_text(data)
        return build_form(text_pairs(data)), FORM_TYPE
    return (b"" if content is None else content), None


def _refuse_text(data: object) -> None:
    if isinstance(data, (str, bytes)):
        raise TypeError("data= is a form; for a body as it is, use content=")


def _multipart(boundary: str, fields: list[tuple[str, str]], files: Files) -> Iterator[Piece]:
    for name, value in fields:
        head = opening(boundary) + build_part_head(name, None, None)
        yield head + value.encode() + b"\r\n"
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, kind, content = _file(file)
        yield opening(boundary) + build_part_head(name, filename, kind)
        yield content
        yield b"\r\n"
    yield closing(boundary)


def _file(file: FileInput) -> tuple[str, str, Piece]:
    """Return (filename, media type, content) of one file as users write it."""
    if isinstance(file, (str, os.PathLike)):
        filename, size, opener = file_part(file)
        return filename, media_type_of(filename), (size, opener)
    if isinstance(file, tuple):
        filename, content = file[0], file[1]
        kind = file[2] if len(file) == 3 else media_type_of(filename)
        return filename, kind, _piece(content)
    named = getattr(file, "name", None)
    filename = os.path.basename(named) if isinstance(named, str) else "file"
    return filename, media_type_of(filename), _piece(file)


def _piece(content: object) -> Piece:
    body = body_of(content)
    return body if isinstance(body, bytes) else (body.length, lambda: body)
