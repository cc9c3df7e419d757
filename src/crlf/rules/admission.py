"""Who may change something: whoever knows a secret, or this machine itself.

Whose page has sent it is asked before (crosssite.py). Secrets are compared in a time that tells
nothing of them. Its law: without a secret only this machine may, and only when it is asked for
by its own name, since a name of somebody else's may lead here as well.
"""

from __future__ import annotations

import hmac
from binascii import Error, a2b_base64
from typing import Final

from crlf.message.errors import BadUrl
from crlf.message.fields.challenges import build_challenge
from crlf.message.grammar import BLANK
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.patterns import pattern
from crlf.rules.credentials import basic, bearer

_LOOPBACK: Final = pattern(r"127(?:\.[0-9]{1,3}){3}")
_LOOPBACKS: Final = ("::1", "[::1]", "::ffff:127.0.0.1", "localhost")


class Admission:
    """Who is let in: by a token, as a user, or everybody on this machine when it has neither.

    token: for Bearer (RFC 6750), and as the password of any user for Basic, which browsers ask
    for. user: "NAME:PASSWORD", for Basic (RFC 7617). realm: what browsers say it is for.

    Raises ValueError for a token or a user that no request could bring.
    """

    __slots__ = ("_token", "_user", "challenges")

    def __init__(
        self, token: str | None = None, user: str | None = None, *, realm: str = "uploads"
    ) -> None:
        if token is not None:
            bearer(token)
            basic("", token)
        if user is not None:
            name, colon, password = user.partition(":")
            if not colon or not name or not password:
                raise ValueError("a user is written NAME:PASSWORD")
            basic(name, password)
        self._token = None if token is None else token.encode()
        self._user = None if user is None else user.encode()
        params = {"realm": realm, "charset": "UTF-8"}
        fields = [("www-authenticate", build_challenge("Basic", params))]
        if token is not None:
            fields.append(("www-authenticate", build_challenge("Bearer", {"realm": realm})))
        self.challenges = Headers(fields)

    @property
    def needs_secret(self) -> bool:
        """Whether there is anything to know."""
        return self._token is not None or self._user is not None

    def admits(self, request: Request) -> bool:
        """Tell whether a request brings what it takes, or need not."""
        if not self.needs_secret:
            return is_at_home(request)
        given = request.headers.get_all("authorization")
        if len(given) != 1:
            return False
        scheme, _, rest = given[0].partition(" ")
        said = rest.strip(BLANK)
        if scheme.lower() == "bearer":
            return _is_same(said.encode("latin-1", "replace"), self._token)
        if scheme.lower() != "basic":
            return False
        try:
            pair = a2b_base64(said.encode("latin-1", "replace"), strict_mode=True)
        except (Error, ValueError):
            return False
        password = pair.partition(b":")[2]
        # Both are compared, whatever comes of the first.
        return _is_same(pair, self._user) | _is_same(password, self._token)


def _is_same(given: bytes, secret: bytes | None) -> bool:
    return secret is not None and hmac.compare_digest(given, secret)


def is_at_home(request: Request) -> bool:
    """Tell whether this machine asks itself, by an address or name that is always its own."""
    peer = request.peer
    if peer is None or not _is_loopback(peer[0]):
        return False
    try:
        host = request.url.host.lower()
    except BadUrl:
        return False
    return _is_loopback(host) or host.endswith(".localhost")


def _is_loopback(host: str) -> bool:
    return host in _LOOPBACKS or _LOOPBACK.fullmatch(host) is not None
