"""Every verb once, for both colours: what `request` returns, they return.

A blocking client's methods give a Response, an asynchronous one's a coroutine of it. Its law:
a verb is `request` with a name and nothing else, so that an option holds in each of them.
"""

from __future__ import annotations

from typing import Generic, TypeVar, Unpack

from crlf.client.options import RequestOptions
from crlf.message.url import URL

R = TypeVar("R")


class Verbs(Generic[R]):
    """The methods of HTTP as methods; see RequestOptions for what they take."""

    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Send a request with any method."""
        raise NotImplementedError  # the colour decides how

    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Ask for a representation (RFC 9110 9.3.1)."""
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Ask for what GET would say, without the content (RFC 9110 9.3.2)."""
        return self.request("HEAD", url, **options)

    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Hand in content to be processed (RFC 9110 9.3.3)."""
        return self.request("POST", url, **options)

    def query(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Ask what stands in the content; it changes nothing and may be repeated (RFC 10008)."""
        return self.request("QUERY", url, **options)

    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Put content in place of what is there (RFC 9110 9.3.4)."""
        return self.request("PUT", url, **options)

    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Change a part of what is there (RFC 5789)."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Take away what is there (RFC 9110 9.3.5)."""
        return self.request("DELETE", url, **options)

    def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> R:
        """Ask what may be asked (RFC 9110 9.3.7)."""
        return self.request("OPTIONS", url, **options)
