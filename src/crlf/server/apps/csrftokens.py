"""Tokens of forms: what a page of this site can send and a page of another cannot know.

A session keeps one secret; each page gets it under another mask, so that it never is the same
text twice and compression of the page tells nothing of it (BREACH). Rotating a session forgets
the secret, so that a token from before a login is none after it. Its law: a token is worth
something in the session that it was made in, and in no other.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Final

from crlf.message.request import Request
from crlf.message.session import FORM_SECRET
from crlf.rules.crosssite import NO_TOKEN, OLD_TOKEN, CrossSite
from crlf.rules.pages import escape

FIELD: Final = "csrf_token"  # of a form
HEADER: Final = "x-csrf-token"

_SIZE: Final = 18  # bytes of a secret: 144 bits, and base64 without padding


def csrf_token(request: Request) -> str:
    """Return a token for the forms of the page that is answered with, another one each time.

    The visitor gets a session by it, who may not have had one. Raises RuntimeError where
    sessions are not kept, and as `request.session` does.
    """
    from secrets import token_bytes

    session = request.session
    secret = _decoded(session.get(FORM_SECRET), _SIZE)
    if secret is None:
        secret = token_bytes(_SIZE)
        session[FORM_SECRET] = urlsafe_b64encode(secret).decode("ascii")
    mask = token_bytes(_SIZE)
    return urlsafe_b64encode(mask + _xor(mask, secret)).decode("ascii")


def asks_for_tokens(request: Request) -> bool:
    """Whether the application that answers a request was made with csrf="token"."""
    guard = getattr(request.endpoint, "guard", None)
    return isinstance(guard, CrossSite) and guard.tokens


def csrf_field(request: Request) -> str:
    """Return the hidden input that a form needs: HTML that is safe as it is."""
    return f'<input type="hidden" name="{FIELD}" value="{escape(csrf_token(request))}">'


def token_fault(request: Request, guard: CrossSite, *, reads_form: bool) -> str:
    """Say why a request is refused for its token, or for having none; "" when it is not.

    One that is there has to be right, whatever else the browser says. It may read the session.
    """
    token = token_of(request, reads_form=reads_form)
    if token is None:
        return NO_TOKEN if guard.needs_token(request) else ""
    return "" if is_token(request, token) else OLD_TOKEN


def token_of(request: Request, *, reads_form: bool) -> str | None:
    """Find the token that a request has, in its field X-CSRF-Token or else in its form.

    None: it has none. reads_form: False where the content is not here. Of several fields, which
    nobody sends, they are taken together, and so are no token.
    """
    token = request.headers.get(HEADER)
    if token is None and reads_form:
        token = request.form.get(FIELD)
    return token


def is_token(request: Request, token: str) -> bool:
    """Tell whether a token was made for the session of who sends it. Reads the session."""
    secret = _decoded(request.session.get(FORM_SECRET), _SIZE)
    given = _decoded(token, 2 * _SIZE)
    if secret is None or given is None:
        return False
    return hmac.compare_digest(_xor(given[:_SIZE], given[_SIZE:]), secret)


def _decoded(text: object, size: int) -> bytes | None:

    if not isinstance(text, str) or len(text) != size * 4 // 3:
        return None
    try:
        found = urlsafe_b64decode(text.encode("ascii"))
    except (Error, ValueError):
        return None
    return found if len(found) == size else None


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")
