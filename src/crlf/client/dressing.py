"""From what a user says to the request that goes out.

The URL gets its parameters, the content its form and type, the head the fields that every
request of this client has. What does not change from one request to the next (a parsed URL,
the fields for one host) is made once and kept, so a repeated request costs a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crlf.client.forms import build_body
from crlf.client.options import AddedHeaders, ClientSettings, RequestOptions
from crlf.message.body import Body, body_of
from crlf.message.headers import EMPTY, Headers
from crlf.message.progress import WatchedBody
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.message.version import __version__

USER_AGENT = f"crlf/{__version__}"
_MOST_KEPT = 512  # URLs and hosts remembered; then the memory is emptied and begins anew


class Dressing:
    """Builds the requests of one client."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._defaults: Headers | None = None
        self._urls: dict[str, URL] = {}
        self._fields: dict[str, Headers] = {}  # by authority, for requests that add none

    def request(self, method: str, url: str | URL, options: RequestOptions) -> Request:
        """Build a request. Raises BadUrl, Malformed, TypeError, OSError for files not there."""
        if not isinstance(url, URL):
            url = self._parsed(url)
        if not options:
            return Request(method, url, self._fields_for(url))
        params = options.get("params")
        if params:
            url = url.with_params(params)
        content, kind = build_body(options)
        headers = self._fields_for(url)
        if kind is not None:
            headers = headers.with_field("content-type", kind)
        if content != b"":
            content = body_of(content)
            headers = self._asking_first(headers, content)
            progress = options.get("progress")
            if progress is not None:
                content = WatchedBody(content, progress)
        added = options.get("headers")
        if added:
            headers = _merged(headers, added)
        if "range" in headers:
            # RFC 9110 14.2: of a coded representation it would be a part of the code.
            headers = headers.with_field("accept-encoding", "identity")
        cookies = options.get("cookies")
        if cookies:
            pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
            headers = headers.with_field("cookie", pairs)
        return Request(method, url, headers, content)

    def _asking_first(self, headers: Headers, content: bytes | Body) -> Headers:
        """Add Expect for content that is long, or of which nobody knows how long it is."""
        threshold = self._settings.expect_continue
        if threshold is None:
            return headers
        size = len(content) if isinstance(content, bytes) else content.length
        if size is not None and size < threshold:
            return headers
        return headers.with_field("expect", "100-continue")

    def _parsed(self, text: str) -> URL:
        url = self._urls.get(text)
        if url is None:
            if len(self._urls) >= _MOST_KEPT:
                self._urls.clear()
            base, params = self._settings.base_url, self._settings.params
            url = URL(text) if base is None else base.join(text)
            if params:
                url = url.with_params(params)
            self._urls[text] = url
        return url

    def _fields_for(self, url: URL) -> Headers:
        """Return the fields of a request to a URL that adds none: Host first (RFC 9110 7.2)."""
        authority = url.authority
        headers = self._fields.get(authority)
        if headers is None:
            if len(self._fields) >= _MOST_KEPT:
                self._fields.clear()
            host: Iterable[tuple[str, str]] = (("host", authority),)
            headers = Headers((*host, *self._standing().fields))
            self._fields[authority] = headers
        return headers

    def _standing(self) -> Headers:
        """Return the fields of every request, made when the first one is."""
        if self._defaults is None:
            self._defaults = Headers(
                (
                    ("accept", "*/*"),
                    ("accept-encoding", "identity"),
                    ("user-agent", USER_AGENT),
                )
            ).merged(self._settings.headers)
        return self._defaults


def _merged(headers: Headers, added: AddedHeaders) -> Headers:
    """Put a user's fields over the standing ones; a value of None takes a field away."""
    if isinstance(added, Headers):
        over = added
    else:
        pairs = list(added.items() if isinstance(added, Mapping) else added)
        gone = [name for name, value in pairs if value is None]
        if gone:
            headers = headers.without(*gone)
        over = Headers([(name, value) for name, value in pairs if value is not None])
    return headers.merged(over) if over is not EMPTY else headers
