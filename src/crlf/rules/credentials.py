"""Credentials of the simple kind: Basic and Bearer, and the filter that hands them out.

A credential belongs to the origin that it was given for. Its law: it is sent there and nowhere
else, whatever a redirect says; and nothing here shows a secret, not even in an error.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Generator
from unicodedata import normalize

from crlf.message.errors import Malformed
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.patterns import pattern
from crlf.rules.filters import FieldSetter, Filter, first_origin

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


def authorizing(value: str | None = None) -> Filter:
    """Make a filter that sends an Authorization field to the origin its request was made for.

    value: the field's value; None takes the user name and password of the request's URL. A request
    that has the field already keeps its own, so of several the outermost counts. Outside of
    `redirecting` the field stays through redirects within the origin; inside it is given to every
    request to the first origin. Elsewhere it goes in neither case, nor with TRACE.
    """
    setter = FieldSetter("authorization")

    def authorized(request: Request) -> Generator[Request, Response, Response]:
        url = request.url
        if (
            request.headers.first("authorization") is None
            and ((first := first_origin(request)) is None or first == url.origin)
            and request.method != "TRACE"  # RFC 9110 9.3.8
        ):
            given = userinfo_of(url) if value is None else value
            if given is not None:
                request = setter.on(request, given)
        return (yield request)

    return authorized
