"""A request as another tool has to be told of it: what was meant, beside the bytes it makes.

Other tools have fields of their own, so only those are told that are not the same for every
request of ours. Its law: content that a tool has no words for is told as bytes, never left out.
"""

from __future__ import annotations

from binascii import Error, a2b_base64
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from crlf.cli.asking.offline import Way, dressed, outgoing, request_bytes, way_of
from crlf.cli.asking.request import STANDING, Asked
from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.client.dressing import USER_AGENT
from crlf.message.authority import in_brackets
from crlf.message.body import FileBody
from crlf.message.request import FORM_TYPE, Request
from crlf.message.url import text_pairs
from crlf.rules.deadlines import Timeout
from crlf.rules.digest import Digest

MOST = 64 * 1024  # bytes that are written down as text; more is for a file
SMALL = 2048  # bytes of a file that are written down rather than read from it

Pairs = list[tuple[str, str]]


class Upload(NamedTuple):
    """A file of a form. path: where it lies; filename and kind: what is said of it."""

    name: str
    path: str
    filename: str
    kind: str


class Text(NamedTuple):
    """A text of a form that has files too."""

    name: str
    value: str


class Form(NamedTuple):
    """Text fields, urlencoded."""

    pairs: Pairs


class Multipart(NamedTuple):
    """Texts and files, as multipart/form-data."""

    parts: list[Text | Upload]


class Json(NamedTuple):
    """A value, written as JSON."""

    value: object


class File(NamedTuple):
    """A file, as it is."""

    path: str


class Stdin(NamedTuple):
    """What standard input gives, as it is."""


class Raw(NamedTuple):
    """Bytes, of which there may be none."""


Content = Form | Multipart | Json | File | Stdin | Raw


class Errand(NamedTuple):
    """What another tool is to be told.

    url: without user name, password and fragment. fields: those that it would not send by itself,
    as they stand on the wire, in order; without credentials that `login` has. missing: names of
    fields that ours has and this one does not. login: ("basic", user, password),
    ("digest", user, ""), ("bearer", token, ""), or None.
    """

    method: str
    url: str
    fields: Pairs
    missing: tuple[str, ...]
    login: tuple[str, str, str] | None
    content: Content
    request: Request
    way: Way
    asked: Asked

    @property
    def is_closing(self) -> bool:
        """Whether the request asks the server to close the connection when it has answered."""
        return "close" in (self.request.headers.get("connection") or "").lower()

    @property
    def seconds(self) -> float | None:
        """How long it may all take, where the user says so."""
        timeout = self.asked.options.get("timeout")
        return None if timeout is None else Timeout.of(timeout).total

    @property
    def proxy(self) -> str:
        """The URL of the proxy that the user says it goes through, with its password; or ""."""
        via = self.way.via
        if via is None or "proxy" not in self.asked.client:
            return ""
        words = [quote(word, safe="") for word in (via.username, via.password) if word is not None]
        login = ":".join(words) + "@" if words else ""
        return f"{via.scheme}://{login}{in_brackets(via.host)}:{via.port}"

    @property
    def type(self) -> str | None:
        """The content's media type; None when none is said."""
        return self.request.headers.first("content-type")

    def wire(self) -> tuple[bytes, str | None]:
        """Return the request's bytes, and the path of the file that goes after them, if one does.

        Raises Failure when it is too much to be written down.
        """
        body = self.request.body
        pieces = request_bytes(outgoing(self.request, self.way))
        is_long = isinstance(body, FileBody) and (body.length or 0) > SMALL
        if isinstance(self.content, File) and is_long:
            head = next(pieces)
            pieces.close()
            return head, self.content.path
        data = bytearray()
        for piece in pieces:
            data += piece
            if len(data) > MOST:
                raise too_much()
        return bytes(data), None

    @property
    def is_chunked(self) -> bool:
        """Whether the content goes out in chunks because the user said so."""
        body = self.request.body
        is_whole = isinstance(body, bytes) or body.length is not None
        return not (is_whole or isinstance(self.content, File | Stdin))

    def other_fields(self, *names: str) -> Pairs:
        """Return the fields to be told but for those that the tool writes by itself."""
        return [field for field in self.fields if field[0].lower() not in names]

    def raw(self) -> bytes:
        """Return the content. Raises Failure when it is too much to be written down."""
        body = self.request.body
        pieces, size = [], 0
        for piece in (body,) if isinstance(body, bytes) else body.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > MOST:
                raise too_much()
        return b"".join(pieces)


def errand_of(asked: Asked, environment: Environment) -> Errand:
    """Understand a request. Raises what dressing it raises."""
    request = dressed(asked)
    headers = request.headers
    given = set(asked.added)
    login = _login(asked, request)
    ours = {
        ("accept", "*/*"), ("accept-encoding", STANDING["accept-encoding"]),
        ("user-agent", USER_AGENT), ("expect", "100-continue"),
    }  # fmt: skip
    unsaid = {"host", "content-length"}
    if login is not None:
        unsaid.add("authorization")
    fields = [
        (name, value)
        for name, value in headers.fields
        if (key := name.lower()) in given or (key not in unsaid and (key, value) not in ours)
    ]
    missing = tuple(
        name
        for name in ("accept", "accept-encoding", "user-agent", "content-type")
        if name not in headers
    )
    url = f"{request.url.scheme}://{request.url.authority}{request.target}"
    content = _content(asked, request, environment)
    if "transfer-encoding" not in given:
        fields = [field for field in fields if field[0].lower() != "transfer-encoding"]
    way = way_of(asked, request)
    return Errand(request.method, url, fields, missing, login, content, request, way, asked)


def too_much() -> Failure:
    """Return the error for content that nobody would want to see written down."""
    return Failure(
        f"the content is over {MOST // 1024} KiB, too much to be written down: "
        "--offline writes the request's bytes into a file, which nc and others can send"
    )


def path_of(file: object) -> str | None:
    """Return the path of an open file, None for what has none."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else None


def text_of(value: str) -> str:
    """Read a field's value as a person does: its bytes are UTF-8, most often."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def _login(asked: Asked, request: Request) -> tuple[str, str, str] | None:
    """Return the credentials that are not a field of the user's own."""
    if "authorization" in asked.added:
        return None
    auth = asked.options.get("auth", asked.client.get("auth"))
    if isinstance(auth, Digest):
        return "digest", auth.user, ""  # the password is its own; each tool asks for it
    scheme, _, said = (request.headers.first("authorization") or "").partition(" ")
    if scheme == "Bearer":
        return "bearer", said, ""
    if scheme != "Basic":
        return None
    try:
        user, colon, password = a2b_base64(said).decode("utf-8").partition(":")
    except (Error, ValueError):
        return None
    return ("basic", user, password) if colon else None


def _content(asked: Asked, request: Request, environment: Environment) -> Content:
    """Find out what the content was made of; bytes where it cannot be said otherwise."""
    options = asked.options
    kind = request.headers.first("content-type") or ""
    data, files, content = options.get("data"), options.get("files"), options.get("content")
    if "json" in options:
        return Json(options["json"])
    if files is not None:
        found = files.items() if isinstance(files, Mapping) else files
        parts: list[Text | Upload | None] = [
            Text(name, value) for name, value in text_pairs(data or ())
        ]
        parts += [_part(name, file) for name, file in found]
        known = [part for part in parts if part is not None]
        is_ours = kind.startswith("multipart/form-data; boundary=")
        if len(known) == len(parts) and is_ours and "content-type" not in asked.added:
            return Multipart(known)
        return Raw()
    if data is not None:
        return Form(list(text_pairs(data))) if kind == FORM_TYPE else Raw()
    if content is environment.stdin:
        return Stdin()
    path = path_of(content) if content in asked.opened else None
    return Raw() if path is None else File(path)


def _part(name: str, file: object) -> Text | Upload | None:
    """Understand a part of a form; None for one that is neither a text nor a file's."""
    match file:
        case (None, bytes() as value):
            return Text(name, value.decode())
        case (str() as filename, content, str() as kind):
            path = path_of(content)
            return None if path is None else Upload(name, path, filename, kind)
    return None


def file_bytes(file: BinaryIO) -> bytes:
    """Read a file that is written down. Raises Failure when it is too much."""
    data = file.read(MOST + 1)
    if len(data) > MOST:
        raise too_much()
    return data
