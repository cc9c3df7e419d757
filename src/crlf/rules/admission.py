"""Who may change something: whoever knows a secret, or this machine itself.

Whose page has sent it is asked before (crosssite.py). Secrets are compared in a time that tells
nothing of them. Its law: without a secret only this machine may (nearness.py), and who is not
known to sit at it may not.
"""

from __future__ import annotations

import hmac
from binascii import Error, a2b_base64

from crlf.message.fields.challenges import build_challenge
from crlf.message.grammar import BLANK
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.rules.credentials import basic, bearer
from crlf.rules.nearness import is_from_here


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
            return request.peer is not None and is_from_here(request)
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
