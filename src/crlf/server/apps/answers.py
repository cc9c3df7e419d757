"""Answers: short ways to write the responses that handlers return, and one to refuse.

Each says its content type with a charset and forbids browsers to guess another. A handler that
returns text, bytes or data instead of a Response has it made into one here. Its law: a redirect
stays on this site unless the program says otherwise.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from crlf.flow.bodies import let_go
from crlf.message.errors import BadUrl
from crlf.message.headers import EMPTY, Headers
from crlf.message.percent import UNRESERVED, percent_encode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules.pages import NOSNIFF
from crlf.rules.problems import check_members
from crlf.server.files.single import Folder, file_response
from crlf.values import frozen

Fields = Headers | Mapping[str, str] | Iterable[tuple[str, str]]

# One Headers for all answers of a kind: what the engine concludes from it is concluded once.
TEXT: Final = Headers([("content-type", "text/plain; charset=utf-8"), NOSNIFF])
HTML: Final = Headers([("content-type", "text/html; charset=utf-8"), NOSNIFF])
JSON: Final = Headers([("content-type", "application/json"), NOSNIFF])
OCTETS: Final = Headers([("content-type", "application/octet-stream"), NOSNIFF])

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BODILESS: Final = frozenset({204, 205, 304})  # RFC 9110 15.3.5, 15.3.6, 15.4.5
_ERRORS: Final = range(400, 600)
# RFC 9110 15.5.2, 15.5.6, 15.5.22: the field without which a status must not be sent.
MUST_HAVE: Final = {401: "www-authenticate", 405: "allow", 426: "upgrade"}

_CONTROL_OR_BACKSLASH = re.compile(r"[\x00-\x1f\x7f\\]")
_SCHEME = re.compile(r"[^/?#]*:")
_HTTP = re.compile(r"https?:", re.IGNORECASE | re.ASCII)
_KEPT: Final = UNRESERVED + "!#$%&'()*+,/:;=?@[]"  # RFC 3986 2.2, and escapes as they are


class Refused(Exception):
    """Raise it to answer with an error: `raise Refused(404, "There is no such part.")`.

    The answer is the application's handler for that status, or a page with the reason, which
    is one sentence for people. problem: more for programs that read it as JSON (RFC 9457), as in
    problem={"left": 3}; "type", "title" and "instance" may be among it.

    Raises ValueError for a status that is no error, or that needs a field which is not there.
    """

    def __init__(
        self,
        status_code: int,
        reason: str = "",
        headers: Fields | None = None,
        *,
        problem: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(status_code, reason)
        self.status_code = status_code
        self.reason = reason
        self.headers = Headers(headers)
        self.problem = check_members(problem)
        if status_code not in _ERRORS:
            raise ValueError(f"{status_code!r} refuses nothing: that is 400 to 599")
        needed = MUST_HAVE.get(status_code)
        if needed is not None and needed not in self.headers:
            raise ValueError(f"a {status_code} has to have the field {needed}")


def text(content: str, status_code: int = 200, headers: Fields | None = None) -> Response:
    """Answer with plain text."""
    return Response.quick(status_code, _with(TEXT, headers), content.encode())


def html(content: str, status_code: int = 200, headers: Fields | None = None) -> Response:
    """Answer with a page. What stands in it has to be escaped already."""
    return Response.quick(status_code, _with(HTML, headers), content.encode())


def json(value: object, status_code: int = 200, headers: Fields | None = None) -> Response:
    """Answer with JSON: what Python's json can write, dataclasses, dates and UUIDs.

    Raises TypeError for anything else, and ValueError for numbers that JSON has not.
    """
    return Response.quick(status_code, _with(JSON, headers), json_text(value).encode())


def redirect(
    location: str, status_code: int = 303, *, external: bool = False, headers: Fields | None = None
) -> Response:
    """Send the client on to another page; 303: with GET, whatever the method was.

    location: a path on this site, or relative to this page; with external=True any URL. Blanks
    and characters beyond ASCII are percent-encoded. Raises BadUrl for a location that browsers
    would take for another site, which is what `is_local` asks; ValueError for another status.
    """
    if status_code not in REDIRECTS:
        raise ValueError(f"{status_code} is no redirect: that is 301, 302, 303, 307 or 308")
    if not external and not is_local(location):
        raise BadUrl("a redirect that would leave this site, without external=True")
    if _CONTROL_OR_BACKSLASH.search(location) is not None or location[:1] in ("", " "):
        raise BadUrl("a redirect to nowhere, or with control characters or backslashes")
    where = str(URL(location)) if _HTTP.match(location) else percent_encode(location, _KEPT)
    return Response.quick(status_code, _with(Headers([("location", where), NOSNIFF]), headers), b"")


def is_local(location: str) -> bool:
    """Tell whether a browser stays on this site when it is sent to a location.

    False for URLs, `//host`, whatever has backslashes, control characters or a blank in front
    (browsers read them as slashes, or not at all), and for an empty text.
    """
    return (
        location[:1] not in ("", " ")
        and not location.startswith("//")
        and _CONTROL_OR_BACKSLASH.search(location) is None
        and _SCHEME.match(location) is None
    )


def stream(
    pieces: Iterable[bytes] | AsyncIterable[bytes],
    content_type: str = "application/octet-stream",
    status_code: int = 200,
    headers: Fields | None = None,
) -> Response:
    """Answer with pieces, each sent as it comes; the client's slowness slows their maker."""
    fields = Headers([("content-type", content_type), NOSNIFF])
    return Response(status_code, _with(fields, headers), pieces)


class Pending:
    """What a handler returned that needs the request to become a response.

    waits: it reads files or computes for long, and so becomes one in a thread.
    """

    __slots__ = ()
    waits: bool = False

    def response(self, request: Request) -> Response:
        """Make the response."""
        raise NotImplementedError  # each kind says how


@frozen
class FileAnswer(Pending):
    """A file to be sent, once the request says what the client has of it already."""

    path: str | Path
    download_name: str | None = None
    waits = True

    def response(self, request: Request) -> Response:
        """Open the file and say what is to be said of it. Raises OSError."""
        asked = request.headers if request.method in ("GET", "HEAD") else None
        return file_response(self.path, asked, self.download_name, method=request.method)


class InFolder(NamedTuple):
    """A file to be sent from a folder. subpath: raw, as a target has it."""

    folder: Folder
    subpath: str


def file(path: str | Path, download_name: str | None = None) -> FileAnswer:
    """Answer with a file that the program has chosen, or with 304 to who has it.

    download_name: lets browsers save it under this name and never show it, as is right for what
    users uploaded. A path that came from outside is for App.folder, never for this.
    """
    return FileAnswer(path, download_name)


def pending_in(result: object) -> Pending | None:
    """Find what needs the request: the result itself, or the content of (content, status)."""
    if isinstance(result, tuple) and result:
        result = result[0]
    return result if isinstance(result, Pending) else None


def response_of(
    result: object, whose: str, status_code: int = 200, request: Request | None = None
) -> Response:
    """Make what a handler returned into a response.

    A Response is as it is; text is HTML, bytes are application/octet-stream, dicts, lists and
    dataclasses are JSON; (content, status) and (content, status, headers) say more. whose: the
    handler's name. request: for what is Pending. Raises TypeError for anything else, None
    included, and what making the response raises.
    """
    if isinstance(result, Response):
        return result
    if isinstance(result, Pending) and request is not None:
        made = result.response(request)
        is_as_made = status_code == 200 or made.status_code != 200  # such as 304, or 206
        return made if is_as_made else Response(status_code, made.headers, made.body)
    if isinstance(result, str):
        return html(result, status_code)
    if isinstance(result, bytes | bytearray):
        return Response.quick(status_code, OCTETS, bytes(result))
    if is_data(result):
        return json(result, status_code)
    if isinstance(result, tuple) and len(result) in (2, 3) and not isinstance(result[0], Response):
        content, code, *fields = result
        if not isinstance(code, int) or not 200 <= code <= 599:
            raise TypeError(f"{whose}() returned {code!r} where a status from 200 to 599 stands")
        response = response_of(content, whose, int(code), request)  # HTTPStatus.CREATED is one
        if code in BODILESS and response.body:
            let_go(response.body)
            raise TypeError(f"{whose}() returned content with {code}, which has none")
        return response.with_headers(_with(response.headers, *fields)) if fields else response
    if result is None:
        raise TypeError(f'{whose}() returned nothing; an empty answer is written ("", 204)')
    raise TypeError(
        f"{whose}() returned a {type(result).__name__}, which is no answer: "
        f"return a Response, text, bytes, a dict, a list, or (one of these, a status)"
    )


def _with(headers: Headers, more: Fields | None = None) -> Headers:
    if more is None:
        return headers
    return headers.merged(more if isinstance(more, Headers) else Headers(more or EMPTY))


def is_data(value: object) -> bool:
    """Tell whether a value becomes JSON by itself: a dict, a list, a dataclass."""
    if isinstance(value, dict | list):
        return True
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def json_text(value: object) -> str:
    """Write a value as JSON, in one line. Raises TypeError and ValueError, as `json` does."""
    return _json_writer()(value)


@cache
def _json_writer() -> Callable[[object], str]:
    import json  # few programs need it at once

    encoder = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_plain
    )
    return encoder.encode


def _as_plain(value: object) -> object:
    """Say in JSON's words what its writer does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no place in JSON")
