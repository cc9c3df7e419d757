"""Credentials of the simple kind: Basic and Bearer, and the filters that hand them out.

A credential belongs to the origin that it was given for. Its law: it is sent there and nowhere
else, whatever a redirect says; and nothing here shows a secret, not even in an error.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Generator
from typing import Final
from unicodedata import normalize

from crlf.message.errors import Malformed
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.patterns import pattern
from crlf.rules.filters import FieldSetter, Filter, first_origin
from crlf.values import frozen

# Where response.extras says, in a sentence, why a 401 was not answered.
REFUSED: Final = "auth_refused"
# Where request.extras says that its caller wants it sent without credentials, wherever it goes.
WITHOUT: Final = "without_credentials"

_CONTROL = pattern("[\x00-\x1f\x7f]")
# RFC 6750 2.1 has letters, digits and -._~+/ with = at the end, but tokens in use have | and : too
# (Laravel's "7|a1b2"). What a reader could take for two things is left out: blank, comma, quote.
_TOKEN = pattern(r"[\x21\x23-\x2b\x2d-\x7e]+")


def basic(user: str, password: str) -> str:
    """Build the Authorization value of the Basic scheme, in UTF-8 (RFC 7617).

    Raises Malformed (a ValueError) when the user name has a colon, or one of the two a control
    character: the server could not read them back.
    """
    if ":" in user:
        raise Malformed("a user name with a colon, which ends it", "RFC 7617 2")
    if _CONTROL.search(user) is not None or _CONTROL.search(password) is not None:
        raise Malformed("a control character in the user name or password", "RFC 7617 2")
    try:
        pair = normalize("NFC", f"{user}:{password}").encode()  # RFC 7617 2.1
    except UnicodeEncodeError:
        raise Malformed("user name or password is no text that UTF-8 has", "RFC 7617 2.1") from None
    return f"Basic {b2a_base64(pair, newline=False).decode()}"


def bearer(token: str) -> str:
    """Build the Authorization value of the Bearer scheme (RFC 6750 2.1).

    Raises Malformed (a ValueError) for a token that is empty or has anything in it but visible
    ASCII without comma and quote.
    """
    if _TOKEN.fullmatch(token) is None:
        raise Malformed("a token is visible ASCII, without blank, comma and quote", "RFC 6750 2.1")
    return f"Bearer {token}"


def userinfo_of(url: URL) -> str | None:
    """Build the Authorization value for the user name and password in a URL; None without them.

    Raises Malformed for those that Basic cannot say.
    """
    user, password = url.username, url.password
    if not user and not password:
        return None
    return basic(user or "", password or "")


@frozen
class Basic:
    """A user name and password for the Basic scheme (RFC 7617): a filter, for auth=.

    Raises Malformed (a ValueError) for what `basic` refuses.
    """

    user: str
    password: str

    def __post_init__(self) -> None:
        basic(self.user, self.password)

    @property
    def value(self) -> str:
        """The value of the Authorization field."""
        return basic(self.user, self.password)

    def __call__(self, request: Request) -> Generator[Request, Response, Response]:
        """Send a request with the field, where it may have it; see takes_credentials."""
        return _sending(request, self.value)

    def __repr__(self) -> str:
        return f"Basic({self.user!r}, ***)"


@frozen
class Bearer:
    """A token for the Bearer scheme (RFC 6750): a filter, for auth=.

    Raises Malformed (a ValueError) for what `bearer` refuses.
    """

    token: str

    def __post_init__(self) -> None:
        bearer(self.token)

    @property
    def value(self) -> str:
        """The value of the Authorization field."""
        return bearer(self.token)

    def __call__(self, request: Request) -> Generator[Request, Response, Response]:
        """Send a request with the field, where it may have it; see takes_credentials."""
        return _sending(request, self.value)

    def __repr__(self) -> str:
        return "Bearer(***)"


def takes_credentials(request: Request) -> bool:
    """Tell whether a filter may give credentials to a request.

    Not where it has an Authorization field of its own, which counts more, or its caller wants it
    to go without; not where a redirect has led to another origin than the one its caller asked,
    and not with TRACE, which would send them back (RFC 9110 9.3.8).
    """
    return (
        request.headers.first("authorization") is None
        and WITHOUT not in request.extras
        and ((first := first_origin(request)) is None or first == request.url.origin)
        and request.method != "TRACE"
    )


def cannot_be_resent(request: Request) -> str:
    """Say why a request cannot be sent a second time; "" when it can."""
    body = request.body
    if isinstance(body, bytes) or body.can_send_again:
        return ""
    return f"the content of this {request.method} was a stream, which cannot be sent a second time"


def authorizing(value: str | None = None) -> Filter:
    """Make a filter that sends an Authorization field to the origin its request was made for.

    value: the field's value; None takes the user name and password of the request's URL. Which
    requests are given it: see takes_credentials; so of several the outermost counts. Outside of
    `redirecting` the field stays through redirects within the origin; inside it is given to every
    request to the first origin. Elsewhere it goes in neither case.
    """
    setter = FieldSetter("authorization")

    def authorized(request: Request) -> Generator[Request, Response, Response]:
        if takes_credentials(request):
            given = userinfo_of(request.url) if value is None else value
            if given is not None:
                request = setter.on(request, given)
        return (yield request)

    return authorized


def _sending(request: Request, value: str) -> Generator[Request, Response, Response]:
    return (
        yield request.with_field("authorization", value) if takes_credentials(request) else request
    )
