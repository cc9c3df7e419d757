"""One request and no client: `crlf.get(url)`. Each call has a client of its own, for as long as
the call lasts; who asks the same server again is better off with a Client, which keeps the
connection and the cookies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from crlf.client.options import RequestOptions
from crlf.client.plain import PlainClient
from crlf.client.streamed import StreamedResponse
from crlf.message.response import Response
from crlf.message.url import URL


def request(method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Send a request with any method; see RequestOptions for what it takes.

    Raises CrlfError; a status of 4xx or 5xx is a response like any other.
    """
    with PlainClient() as client:
        return client.request(method, url, **options)


@contextmanager
def stream(
    method: str, url: str | URL, **options: Unpack[RequestOptions]
) -> Iterator[StreamedResponse]:
    """Send a request and give its response with the content still to come, for a `with` block."""
    with PlainClient() as client, client.stream(method, url, **options) as response:
        yield response


def get(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Ask for a representation (RFC 9110 9.3.1)."""
    return request("GET", url, **options)


def head(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Ask for what GET would say, without the content (RFC 9110 9.3.2)."""
    return request("HEAD", url, **options)


def post(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Hand in content to be processed (RFC 9110 9.3.3)."""
    return request("POST", url, **options)


def query(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Ask what stands in the content; it changes nothing and may be repeated (RFC 10008)."""
    return request("QUERY", url, **options)


def put(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Put content in place of what is there (RFC 9110 9.3.4)."""
    return request("PUT", url, **options)


def patch(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Change a part of what is there (RFC 5789)."""
    return request("PATCH", url, **options)


def delete(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Take away what is there (RFC 9110 9.3.5)."""
    return request("DELETE", url, **options)


def options(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Ask what may be asked (RFC 9110 9.3.7)."""
    return request("OPTIONS", url, **options)
