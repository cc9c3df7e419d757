"""From what a user says to the request that goes out.

The URL gets its parameters, the content its form and type, the head the fields that every
request of this client has. What does not change from one request to the next (a parsed URL,
the fields for one host) is made once and kept, so a repeated request costs a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crlf.client.forms import build_body
from crlf.client.options import AddedHeaders, Auth, ClientSettings, RequestOptions
from crlf.message.body import UPLOAD_PIECE, Body, FileBody, body_of
from crlf.message.errors import LocalError
from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.message.version import __version__
from crlf.rules.cookiefiles import given_pairs
from crlf.rules.credentials import WITHOUT, userinfo_of
from crlf.rules.redirects import SAFE_FIELDS

USER_AGENT = f"crlf/{__version__}"
_KNOWN = RequestOptions.__annotations__.keys()
_MOST_KEPT = 512  # URLs and hosts remembered; then the memory is emptied and begins anew


class Dressing:
    """Builds the requests of one client."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._defaults: Headers | None = None
        self._standing_auth = _standing_value(settings.auth)
        self._home = None if settings.base_url is None else settings.base_url.origin
        self._is_anchored = self._home is not None and (
            self._standing_auth is not None or settings.headers is not EMPTY
        )
        self._ready: dict[str, tuple[URL, Headers]] = {}  # by the text of the URL
        self._fields: dict[object, Headers] = {}  # by authority or origin, when none are added

    def request(self, method: str, url: str | URL, options: RequestOptions) -> Request:
        """Build a request. Raises BadUrl, Malformed, TypeError, OSError for files not there."""
        if isinstance(url, str):
            ready = self._ready.get(url)
            url, headers = self._prepared(url) if ready is None else ready
        else:
            headers = self._fields_for(url)
        if not options:
            return Request(method, url, headers if method != "TRACE" else _traced(headers))
        if options.keys() - _KNOWN:
            raise TypeError(f"a request takes no {', '.join(sorted(options.keys() - _KNOWN))}")
        params = options.get("params")
        if params:
            url = url.with_params(params)
        content, kind = build_body(options)
        if "auth" in options:
            headers = headers.without("authorization")
            value = _standing_value(options["auth"])
            if value is not None:
                headers = headers.with_field("authorization", value)
        if kind is not None:
            headers = headers.with_field("content-type", kind)
        if content != b"":
            content = body_of(content)
            if isinstance(content, FileBody):
                content.piece = UPLOAD_PIECE
            headers = self._asking_first(headers, content)
            progress = options.get("progress")
            if progress is not None:
                from crlf.message.progress import WatchedBody  # few watch

                content = WatchedBody(content, progress)
        added = options.get("headers")
        if added:
            headers = _merged(headers, added)
        cookies = options.get("cookies")
        if cookies:
            headers = headers.with_field("cookie", given_pairs(cookies))
        if method == "TRACE":
            if content != b"":
                raise LocalError("a TRACE has no content", "RFC 9110 9.3.8")
            headers = _traced(headers)
        request = Request(method, url, headers, content)
        if added and "authorization" not in headers and _takes_away(added, "authorization"):
            request.extras[WITHOUT] = True
        return request

    def _asking_first(self, headers: Headers, content: bytes | Body) -> Headers:
        """Add Expect for content that is long, or of which nobody knows how long it is."""
        threshold = self._settings.expect_continue
        if threshold is None:
            return headers
        size = len(content) if isinstance(content, bytes) else content.length
        if size is not None and size < threshold:
            return headers
        return headers.with_field("expect", "100-continue")

    def _prepared(self, text: str) -> tuple[URL, Headers]:
        """Read a URL, and remember it with the fields of a request that adds none."""
        if len(self._ready) >= _MOST_KEPT:
            self._ready.clear()
        base, params = self._settings.base_url, self._settings.params
        url = URL(text) if base is None else base.join(text)
        if params and self._home in (None, url.origin):
            url = url.with_params(params)
        ready = self._ready[text] = url, self._fields_for(url)
        return ready

    def _fields_for(self, url: URL) -> Headers:
        """Return the fields of a request to a URL that adds none: Host first (RFC 9110 7.2).

        Credentials in the URL are more explicit than the client's own.
        """
        userinfo = userinfo_of(url)
        if userinfo is not None:
            plain = self._fields_for(url.without_credentials())
            return plain.with_field("authorization", userinfo)
        value = self._standing_auth
        place: object = url.origin if value is not None or self._is_anchored else url.authority
        headers = self._fields.get(place)
        if headers is None:
            if len(self._fields) >= _MOST_KEPT:
                self._fields.clear()
            host: Iterable[tuple[str, str]] = (("host", url.authority),)
            is_home = self._home is None or self._home == url.origin
            standing = self._standing() if is_home else self._standing_elsewhere()
            headers = Headers((*host, *standing.fields))
            if value is not None and is_home and "authorization" not in headers:
                headers = headers.with_field("authorization", value)
            self._fields[place] = headers
        return headers

    def _standing(self) -> Headers:
        """Return the fields of every request, made when the first one is."""
        if self._defaults is None:
            own = self._settings.headers
            codings = "" if "accept-encoding" in own else _codings()
            defaults = (
                ("accept", "*/*"),
                ("accept-encoding", codings),
                ("user-agent", USER_AGENT),
            )
            self._defaults = Headers(defaults).merged(own)
        return self._defaults

    def _standing_elsewhere(self) -> Headers:
        """Return those that go to another origin than the base URL's: as where a redirect leads.

        Who joins a path of pieces may ask "//elsewhere/" without knowing it.
        """
        safe = SAFE_FIELDS.union(name.lower() for name in self._settings.redirect_headers)
        return Headers(field for field in self._standing().fields if field[0].lower() in safe)


def _codings() -> str:
    """Say which codings can be undone here."""
    from crlf.wire.coding import available  # looks for packages, 2 ms

    return ", ".join(available())


def _standing_value(auth: Auth | None) -> str | None:
    """Return the Authorization value that an auth= has from the beginning, if it has one."""
    if auth is None:
        return None
    from crlf.rules.authentication import standing_value  # few authenticate

    return standing_value(auth)


def _traced(headers: Headers) -> Headers:
    """Leave out what TRACE would send back to who knows whom (RFC 9110 9.3.8)."""
    return headers.without("authorization", "proxy-authorization", "cookie")


def _takes_away(added: AddedHeaders, name: str) -> bool:
    """Tell whether a user's fields say that there is to be none of this name."""
    return isinstance(added, Mapping) and any(
        value is None and field.lower() == name for field, value in added.items()
    )


def _merged(headers: Headers, added: AddedHeaders) -> Headers:
    """Put a user's fields over the standing ones; a value of None takes a field away."""
    pairs: list[tuple[str, str | None]] = list(
        added.fields
        if isinstance(added, Headers)
        else added.items()
        if isinstance(added, Mapping)
        else added
    )
    gone = [name for name, value in pairs if value is None]
    for name, value in pairs:
        if not isinstance(value, str | None):
            raise TypeError(f"the field {name} takes text, and not {type(value).__name__}")
    if gone:
        headers = headers.without(*gone)
    over = Headers([(name, value) for name, value in pairs if value is not None])
    headers = headers.merged(over) if over is not EMPTY else headers
    if "range" in over and "accept-encoding" not in over and "accept-encoding" not in gone:
        # RFC 9110 14.2: of a coded representation it would be a part of the code.
        headers = headers.with_field("accept-encoding", "identity")
    return headers
