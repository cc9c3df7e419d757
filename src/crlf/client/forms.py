"""Content for a request: JSON, forms, files, or what it is given as it is.

Its law: one kind of content a request; what could mean two things is a TypeError that names the
options.
"""

from __future__ import annotations

from crlf.client.options import RequestOptions
from crlf.message.request import FORM_TYPE
from crlf.message.url import text_pairs
from crlf.wire.forms import build_form


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
        from crlf.client.uploads import build_multipart  # most forms have no files

        return build_multipart(list(text_pairs(data or ())), files)
    if data is not None:
        _refuse_text(data)
        return build_form(text_pairs(data)), FORM_TYPE
    return (b"" if content is None else content), None


def _refuse_text(data: object) -> None:
    if isinstance(data, (str, bytes)):
        raise TypeError("data= is a form; for a body as it is, use content=")
