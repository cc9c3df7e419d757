"""A request as a value: the same type in a client's hands and in a handler's.

A Request is a head and a body; everything else it says (url, query, cookies, form) is read
from those two when somebody asks, and kept. It does no I/O: a body that is still under way is
a Body, and whoever has the connection reads it. Its law: what is routed, what `url` says and
what stood on the wire come from one target, parsed in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from crlf.message.body import Body, LostBody, body_of
from crlf.message.content import parse_json
from crlf.message.facts import NOT_DRAINING, Draining, TlsFacts
from crlf.message.fields.cookies import MAX_COOKIES, parse_cookies
from crlf.message.fields.media import parse_media_type
from crlf.message.formparts import FormParts, Pieces, parts_of, pieces_of
from crlf.message.headers import Headers, visible
from crlf.message.message import Message
from crlf.message.params import MAX_PAIRS, Params, parse_pairs
from crlf.message.session import Session
from crlf.message.target import Target, parse_target
from crlf.message.url import URL

FORM_TYPE = "application/x-www-form-urlencoded"
CHOSEN_BY = "chosen_by"  # of extras: the fields that an answer was chosen by, for Vary
NO_PARAMS = Params()


class Counts(NamedTuple):
    """How many of a kind a request may have before reading them is TooLarge."""

    query_fields: int = MAX_PAIRS
    form_fields: int = MAX_PAIRS
    cookies: int = MAX_COOKIES


DEFAULT_COUNTS = Counts()


class Received(NamedTuple):
    """What a server knows of a request beside its head.

    scheme: "http" or "https". peer, local: (address, port), or None off the network. tls: what
    the handshake agreed on. draining: whether the server is about to stop. authority: the host
    that was asked for, where a trusted proxy says so and Host does not. counts: of what is read
    only when somebody asks for it. is_unix: it came by a Unix domain socket, as from a proxy.
    """

    scheme: str = "http"
    peer: tuple[str, int] | None = None
    local: tuple[str, int] | None = None
    tls: TlsFacts | None = None
    draining: Draining = NOT_DRAINING
    authority: str | None = None
    counts: Counts = DEFAULT_COUNTS
    is_unix: bool = False

    @property
    def is_inside(self) -> bool:
        """Whether it came from this very process, in memory, and from nobody else."""
        return self.peer is None and self.local is None and not self.is_unix


NOT_RECEIVED = Received()


class Site(Protocol):
    """What a request was handed to, seen from it: an application."""

    def open_session(self, request: Request) -> Session:
        """Read what is remembered of the visitor. Raises RuntimeError where nothing is kept."""


class Request(Message):
    """An HTTP request (RFC 9110 section 3.4). Immutable: the with_... methods return copies.

    url: absolute, http or https. content: bytes, str, a binary file, an iterable of bytes, or
    an asynchronous one. version: "1.1" or "1.0" as received.

    Raises BadUrl for a url that cannot be requested, Malformed for a bad method or field.
    """

    __slots__ = (
        "_cookies", "_files", "_form", "_query", "_received", "_target", "_url", "endpoint",
        "method", "site", "target",
    )  # fmt: skip

    method: str
    target: str
    site: Site | None  # the application that answers it, while it does
    endpoint: object  # what of it does, once its route is found

    def __init__(
        self,
        method: str,
        url: str | URL,
        headers: Headers | Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content: object = b"",
    ) -> None:
        self._url: URL | None = url if isinstance(url, URL) else URL(url)
        self.method = method
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.target = self._url.target
        self.version = "1.1"
        self._body = content if isinstance(content, bytes) else body_of(content)
        self._received: Received | None = None
        self._target: Target | None = None
        self._query: Params | None = None
        self._cookies: Params | None = None
        self._form: Params | None = None
        self._files: Mapping[str, object] | None = None
        self._extras = None
        self.site = self.endpoint = None

    @classmethod
    def received(
        cls,
        head: tuple[str, str, Headers, str],
        content: bytes | Body,
        where: Received,
    ) -> Request:
        """Build what a server hands to its application from a head that came off the wire."""
        request = cls.__new__(cls)
        request.method, request.target, request.headers, request.version = head
        request._body = content
        request._received = where
        request._url = request._target = request._query = request._cookies = None
        request._form = request._files = request._extras = request.site = request.endpoint = None
        return request

    # -- where it goes

    @property
    def _parsed(self) -> Target:
        if self._target is None:
            self._target = parse_target(self.target, self.method)
        return self._target

    @property
    def url(self) -> URL:
        """The effective URL; on a server put together from target and Host (RFC 9110 7.1)."""
        if self._url is None:
            where = self.received_how
            authority = where.authority or self.headers.first("host") or _host_of(where.local)
            target = self._parsed
            if target.authority is not None and (where.authority or where.scheme == "https"):
                # Nor does a form of the target deny what a trusted proxy or the handshake says.
                asked = where.authority or target.authority
                target = target._replace(scheme=where.scheme, authority=asked)
            self._url = URL.received(where.scheme, authority, target)
        return self._url

    @property
    def path(self) -> str:
        """The path as it stands in the target: raw, percent-encoded; "*" for OPTIONS *."""
        return self._parsed.path

    @property
    def query(self) -> Params:
        """The parameters of the query, decoded. Raises TooLarge beyond 1,000 of them."""
        if self._query is None:
            text = self._parsed.query
            most = self.received_how.counts.query_fields
            self._query = parse_pairs(text, most) if text else NO_PARAMS
        return self._query

    # -- what it carries

    @property
    def form(self) -> Params:
        """The text fields of a form; of no form, none. Raises TooLarge beyond 1,000 fields."""
        if self._form is None:
            self._refuse_streamed()
            kind = parse_media_type(self.headers.first("content-type") or "")
            is_form = kind is not None and kind.essence == FORM_TYPE
            most = self.received_how.counts.form_fields
            self._form = _parse_form(self.content, most) if is_form else NO_PARAMS
        return self._form

    @property
    def files(self) -> Mapping[str, object]:
        """The uploads of a multipart form by field name, each an Upload."""
        if self._files is None:
            self._refuse_streamed()
            from crlf.message.uploads import Files  # clients never receive any

            return Files()
        return self._files

    def pieces(self) -> Pieces:
        """Give the content piece by piece, for `for` in a `def` handler, else for `async for`.

        As it comes, on a route with streams=True; anywhere else it is here already, and one piece.
        The loop is where TooLarge, RemoteError, ReadTimeout and ReadFailed are raised.
        """
        self._refuse_taken()
        return pieces_of(self._body)

    def parts(self) -> FormParts:
        """Give the parts of a multipart form as they come, on a route with streams=True.

        For `for` in a `def` handler, else for `async for`: each has the methods of that colour.
        Raises Malformed (400, 415) when no such form was sent, RuntimeError on other routes.
        """
        self._refuse_taken()
        return parts_of(self._body)

    def _refuse_streamed(self) -> None:
        if hasattr(self._body, "parts"):
            raise RuntimeError("this content comes as a stream: read it by pieces() or parts()")

    def _refuse_taken(self) -> None:
        if self._files is not None:
            raise RuntimeError("this form is in .form and .files; only with streams=True it is not")

    def json(self) -> Any:
        """Parse the content as JSON. Raises Malformed (a ValueError, 400) when it is not.

        A text with half a surrogate pair counts as none: kept, it would break each page it is on.
        """
        return parse_json(self.content, for_keeps=True)

    @property
    def cookies(self) -> Params:
        """The cookies sent along, by name; the first of each name counts."""
        if self._cookies is None:
            text = self.headers.get("cookie")
            most = self.received_how.counts.cookies
            self._cookies = parse_cookies(text, most) if text else NO_PARAMS
        return self._cookies

    # -- what it would like to have

    def accepts(self, *types: str) -> str | None:
        """Pick the media type that the client likes best; of equals the first (RFC 9110 12.5.1).

        None: it takes none of them, which is a 406, or an answer of the program's choice. An
        application's answer says by itself that it was chosen so (Vary). Raises ValueError for
        what is no type, such as "json".
        """
        if not types or any("/" not in one for one in types):
            raise ValueError('media types are like "text/html"')
        from crlf.message.fields.negotiation import best_media_type  # clients never choose

        self._chosen_by("Accept")
        return best_media_type(self.headers.get("accept"), types)

    def accepts_language(self, *tags: str) -> str | None:
        """Pick the language that the client likes best, of equals the first (RFC 9110 12.5.4).

        "en" is good for who asks for "en-US", and the other way round (RFC 4647 3). None: it
        reads none of them; the program's own is better than nothing. Vary says so by itself.
        """
        if not tags or not all(tags):
            raise ValueError('languages are like "en" or "de-CH"')
        from crlf.message.fields.negotiation import best_language

        self._chosen_by("Accept-Language")
        return best_language(self.headers.get("accept-language"), tags)

    def _chosen_by(self, name: str) -> None:
        names = self.extras.setdefault(CHOSEN_BY, {})
        names[name] = True  # type: ignore[index]  # a dict, as set here

    # -- what a server knows beside

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address and port of who sent it; None on a client or off the network."""
        return None if self._received is None else self._received.peer

    @property
    def received_how(self) -> Received:
        """What the server knows of the connection it came by; off a server, of none."""
        return NOT_RECEIVED if self._received is None else self._received

    @property
    def draining(self) -> Draining:
        """Whether the server is about to stop: who streams without end should come to one.

        True or false; `wait(seconds)` blocks a thread and `within(seconds)` waits on the loop
        until it drains or the time is over.
        """
        return self.received_how.draining

    @property
    def session(self) -> Session:
        """What the application remembers of this visitor; read when it is first looked at.

        Raises RuntimeError off an application and after its answer, StoreUnavailable when what
        keeps sessions does not answer.
        """
        session = None if self._extras is None else self._extras.get("session")
        if isinstance(session, Session):
            return session
        if self.site is None:
            raise RuntimeError("a session belongs to a request that an application is answering")
        session = self.extras["session"] = self.site.open_session(self)
        return session

    def after_answer(self, work: Callable[..., object], *arguments: object) -> None:
        """Have something done once the answer has been sent: a function, or an async one.

        A function is called in a thread, an async one in a Task of its own. What it raises goes
        to the log; a server that stops waits for it as long as for answers.
        """
        works = self.extras.setdefault("after_answer", [])
        works.append(partial(work, *arguments))  # type: ignore[attr-defined]  # a list, as set above

    # -- copies

    def _copy(self) -> Request:
        if self.site is not None:  # what one of them looks at, as the session, is all of theirs
            self.extras  # noqa: B018  # there from now on, and so shared
        return super()._copy()

    def with_headers(self, headers: Headers) -> Request:
        """Return a copy with these fields and no others."""
        copy = self._copy()
        copy.headers = headers
        copy._cookies = copy._form = None
        return copy

    def with_target(self, target: str) -> Request:
        """Return a copy that is asked for by another target, as a proxy is (RFC 9112 3.2.2)."""
        copy = self._copy()
        copy.target = target
        copy._target = None
        return copy

    def with_received(self, received: Received) -> Request:
        """Return a copy that came by another connection: as a trusted proxy describes it."""
        copy = self._copy()
        copy._received = received
        copy._url = None
        return copy

    def with_content(self, content: bytes) -> Request:
        """Return a copy whose content has arrived."""
        copy = self._copy()
        copy._body = content
        copy._form = copy._files = None
        return copy

    def with_form(self, form: Params, files: Mapping[str, object]) -> Request:
        """Return a copy whose form was parsed while it arrived."""
        copy = self._copy()
        copy._form, copy._files = form, files
        return copy

    def with_body(self, body: Body) -> Request:
        """Return a copy whose content is still to be read, as it comes."""
        copy = self._copy()
        copy._body = body
        return copy

    def redirected(self, method: str, url: URL, *, keep_content: bool) -> Request:
        """Return the request that follows a redirect to url, with or without its content."""
        copy = Request(method, url, self.headers, self._body if keep_content else b"")
        copy._extras = self._extras
        return copy

    def __str__(self) -> str:
        """Say what is asked, for errors and logs: the URL without its query and credentials."""
        method = visible(self.method)
        if self._url is None:
            return f"{method} {self.target.partition('?')[0]}"
        if not self._url.is_requestable:  # who writes user:password@host has the scheme "user"
            return f"{method} {self._url.scheme}:..."
        url = self._url.without_credentials()
        start, mark, _ = str(url).partition("#")[0].partition("?")
        return f"{method} {start}{mark and '?...'}"

    def __repr__(self) -> str:
        where = self._url.redacted if self._url is not None else self.target
        return f"<Request {visible(self.method)} {where}>"

    def __reduce__(self) -> tuple[object, ...]:
        body = self._body if isinstance(self._body, bytes) else LostBody()
        return Request, (self.method, self.url, self.headers, body)


def _parse_form(content: bytes, most: int) -> Params:
    return parse_pairs(content.decode("utf-8", "replace"), most, "form_fields", 413)


def _host_of(local: tuple[str, int] | None) -> str:
    if local is None:
        return "localhost"
    address, port = local
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
