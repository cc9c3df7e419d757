"""A response as a value: what a handler returns and what a client gets, the same type.

It has a status code, fields and a body; text and JSON are read from the content when asked.
It does no I/O, with one exception that says so: `save` writes the content to a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike

from crlf.message.body import Body, body_of
from crlf.message.errors import StatusError
from crlf.message.facts import StreamFacts, TlsFacts
from crlf.message.headers import EMPTY, Headers, visible
from crlf.message.link import Link
from crlf.message.message import Message
from crlf.message.request import Request
from crlf.message.status import reason_of
from crlf.message.url import URL


class Response(Message):
    """An HTTP response (RFC 9110 section 3.4). Immutable: the with_... methods return copies.

    content: bytes, str (sent as UTF-8), a binary file, an iterable of bytes, or an
    asynchronous one. On a client also: request, url, history (the responses that redirected
    here, oldest first), elapsed (seconds from the request to the end of the body), version,
    facts (of the connection it came on: peer, tls).

    Raises ValueError for a status code outside 100 to 599, Malformed for a bad field.
    """

    __slots__ = ("elapsed", "facts", "history", "reason", "request", "status_code", "trailers")

    status_code: int
    reason: str

    def __init__(
        self,
        status_code: int = 200,
        headers: Headers | Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content: object = b"",
        *,
        reason: str = "",
    ) -> None:
        try:
            is_status = 100 <= status_code <= 599
        except TypeError:  # as in Response("text"), which others have
            raise TypeError(
                f"a response begins with its status, Response(200, fields, content): "
                f"a {type(status_code).__name__} is none"
            ) from None
        if not is_status:
            raise ValueError(f"{status_code} is no HTTP status code: RFC 9110 15")
        self.status_code = status_code
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self._body = content if isinstance(content, bytes) else body_of(content)
        self.reason = reason
        self.version = "1.1"
        self.request: Request | None = None
        self.history: tuple[Response, ...] = ()
        self.elapsed = 0.0
        self.facts: StreamFacts | None = None
        self.trailers = EMPTY
        self._extras = None

    @classmethod
    def quick(cls, status_code: int, headers: Headers, content: bytes) -> Response:
        """Build a response from a known status code, checked fields and bytes."""
        response = cls.__new__(cls)
        response.status_code = status_code
        response.headers = headers
        response._body = content
        response.reason = ""
        response.version = "1.1"
        response.request = response._extras = response.facts = None
        response.history = ()
        response.elapsed = 0.0
        response.trailers = EMPTY
        return response

    @classmethod
    def received(
        cls,
        head: tuple[int, Headers, str, str],
        content: bytes | Body,
        trailers: Headers,
        request: Request,
        elapsed: float,
        facts: StreamFacts | None = None,
    ) -> Response:
        """Build what a client hands to its caller from a head that came off the wire."""
        response = cls.__new__(cls)
        response.status_code, response.headers, response.reason, response.version = head
        response._body = content
        response.trailers = trailers
        response.request = request
        response.history = ()
        response.elapsed = elapsed
        response.facts = facts
        response._extras = None
        return response

    # -- content

    def save(self, path: str | PathLike[str]) -> PathLike[str]:
        """Write the content to a file, whole or not at all, and return its path.

        An existing file is replaced; a failure leaves it as it was. Raises OSError.
        """
        from pathlib import Path  # 3 ms, for the few who save
        from secrets import token_hex

        target = Path(path)
        content = self.content
        # A name that nobody can guess, and "x": or a link that lies there would be written through.
        part = target.with_name(f"{target.name}.{token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                file.write(content)
            return part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    # -- status

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status_code < 300

    @property
    def is_redirect(self) -> bool:
        """A 3xx that names another place to go."""
        return self.status_code in (301, 302, 303, 307, 308) and "location" in self.headers

    @property
    def is_error(self) -> bool:
        """4xx or 5xx."""
        return self.status_code >= 400

    def raise_for_status(self) -> Response:
        """Return this response, or raise StatusError when it is 4xx or 5xx."""
        if self.status_code < 400:
            return self
        whose = "the request's" if self.status_code < 500 else "the server's"
        reason = self.reason if self.reason.isascii() else ""  # or it might steer a terminal
        raise StatusError(
            f"{self.status_code} {reason or reason_of(self.status_code)}: {whose} fault",
            request=self.request,
            response=self,
        )

    # -- on a client

    @property
    def url(self) -> URL:
        """The URL that was asked in the end, after redirects."""
        if self.request is None:
            raise RuntimeError("this response answers no request yet")
        return self.request.url

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address and port of who answered; None off the network. Behind a proxy, the proxy's."""
        return None if self.facts is None else self.facts.peer

    @property
    def tls(self) -> TlsFacts | None:
        """What TLS agreed on: version, cipher, alpn; None without TLS."""
        return None if self.facts is None else self.facts.tls

    @property
    def links(self) -> Mapping[str, Link]:
        """The links of the Link fields by relation, the first of each (RFC 8288)."""
        from crlf.message.fields.links import links_of  # few responses have any

        return links_of(self.headers, self.url)

    # -- copies

    def with_content(self, content: object) -> Response:
        """Return a copy with another content."""
        copy = self._copy()
        copy._body = content if isinstance(content, bytes) else body_of(content)
        return copy

    def with_history(self, history: tuple[Response, ...]) -> Response:
        """Return a copy that says which responses redirected here."""
        copy = self._copy()
        copy.history = history
        return copy

    def __repr__(self) -> str:
        kind = self.headers.first("content-type") or "no type"
        size = f"{len(self._body):,} bytes" if isinstance(self._body, bytes) else "a stream"
        return f"<Response {self.status_code} {visible(self.reason)}, {visible(kind)}, {size}>"
