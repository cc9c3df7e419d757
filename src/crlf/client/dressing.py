"""From what a user says to the request that goes out.

The URL gets its parameters, the content its form and type, the head the fields that every
request of this client has. What does not change from one request to the next (a parsed URL,
the fields for one host) is made once and kept, so a repeated request costs a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crlf.client.forms import build_body
from crlf.client.options import AddedHeaders, ClientOptions, RequestOptions
from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.message.version import __version__
from crlf.rules.credentials import basic

USER_AGENT = f"crlf/{__version__}"
# No content coding is asked for as long as none is decoded here; left out, it would mean "any".
DEFAULTS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", USER_AGENT))
_MOST_KEPT = 512  # URLs and hosts remembered; then the memory is emptied and begins anew


class Dressing:
    """Builds the requests of one client."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._defaults = Headers(DEFAULTS).merged(options.headers)
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
        added = options.get("headers")
        if added:
            headers = _merged(headers, added)
        cookies = options.get("cookies")
        if cookies:
            pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
            headers = headers.with_field("cookie", pairs)
        auth = options.get("auth")
        if auth is not None:
            headers = headers.with_field("authorization", basic(*auth))
        return Request(method, url, headers, content)

    def _parsed(self, text: str) -> URL:
        url = self._urls.get(text)
        if url is None:
            if len(self._urls) >= _MOST_KEPT:
                self._urls.clear()
            url = self._urls[text] = URL(text)
        return url

    def _fields_for(self, url: URL) -> Headers:
        """Return the fields of a request to a URL that adds none: Host first (RFC 9110 7.2)."""
        if url.username is not None or url.password is not None:
            plain = self._fields_for(url.without_credentials())
            return plain.with_field("authorization", basic(url.username or "", url.password or ""))
        authority = url.authority
        headers = self._fields.get(authority)
        if headers is None:
            if len(self._fields) >= _MOST_KEPT:
                self._fields.clear()
            host: Iterable[tuple[str, str]] = (("host", authority),)
            headers = Headers((*host, *self._defaults.fields))
            if self._options.auth is not None:
                headers = headers.with_field("authorization", basic(*self._options.auth))
            self._fields[authority] = headers
        return headers


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
