"""What a client is told: once when it is made, and again with each request.

Explicit beats client beats default, always. None is a value like any other; "not given" is
its own thing, so that a timeout can be switched off for one request.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from os import PathLike
from typing import BinaryIO, Protocol, TypedDict

from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import Pairs
from crlf.ports import DEFAULT_TLS, InThread, TlsSettings
from crlf.rules.deadlines import DEFAULT_TIMEOUT, Timeout
from crlf.rules.ledger import PoolLimits
from crlf.values import frozen
from crlf.wire.limits import CLIENT_LIMITS, Limits

HeaderInput = Headers | Mapping[str, str] | Iterable[tuple[str, str]]
# Of one request; None takes away what the client would send.
AddedHeaders = Headers | Mapping[str, str | None] | Iterable[tuple[str, str | None]]
Content = bytes | str | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]
FileInput = (
    str | bytes | PathLike[str] | BinaryIO | tuple[str, bytes | BinaryIO]
    | tuple[str, bytes | BinaryIO, str]
)  # fmt: skip
Files = Mapping[str, FileInput] | Iterable[tuple[str, FileInput]]


class RequestOptions(TypedDict, total=False):
    """What every verb takes beside the URL.

    params: appended to the URL's query. data: a form, sent urlencoded, or multipart when there
    are files. files: name to path, open file, bytes, or (filename, content[, type]).
    json: anything json.dumps takes. content: the body as it is. headers, cookies: added to the
    client's own; a header of None takes one away. auth: (user, password) for Basic. timeout: a
    Timeout, seconds in all, or None for no end. follow_redirects: True for all methods, False
    for none; GET and HEAD otherwise.
    """

    params: Pairs | None
    data: Pairs | None
    files: Files | None
    json: object
    content: Content | None
    headers: AddedHeaders | None
    cookies: Mapping[str, str] | None
    auth: tuple[str, str] | None
    timeout: Timeout | float | None
    follow_redirects: bool | None


@frozen
class ClientOptions:
    """What a client is made with; see Client for the words."""

    headers: Headers = EMPTY
    timeout: Timeout = DEFAULT_TIMEOUT
    pool: PoolLimits = PoolLimits()
    limits: Limits = CLIENT_LIMITS
    tls: TlsSettings = DEFAULT_TLS
    follow_redirects: bool | None = None  # None: GET and HEAD
    auth: tuple[str, str] | None = None
    cookies: tuple[tuple[str, str], ...] = ()


class Application(Protocol):
    """What can be talked to in memory: an App, or whatever gives a Send in the same way."""

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]: ...


def client_options(
    headers: HeaderInput | None,
    timeout: Timeout | float | None,
    limits: PoolLimits | None,
    verify: bool | str,
    cert: str | tuple[str, str] | None,
    follow_redirects: bool | None,
    auth: tuple[str, str] | None,
    cookies: Mapping[str, str] | None,
) -> ClientOptions:
    """Put together what both clients take."""
    certificate, key = cert if isinstance(cert, tuple) else (cert, None)
    return ClientOptions(
        Headers(headers),
        Timeout.of(timeout),
        limits or PoolLimits(),
        tls=TlsSettings(verify, certificate, key),
        follow_redirects=follow_redirects,
        auth=auth,
        cookies=tuple((cookies or {}).items()),
    )
