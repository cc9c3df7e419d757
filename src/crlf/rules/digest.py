"""Digest authentication: proof that a password is known, without sending it (RFC 7616).

A server hands out a nonce, and each request then answers it with a hash; so a Digest object
remembers, for each origin, the nonce that was accepted last, and answers it in advance. Its law:
only the origin that was asked is answered, and a password that was refused is not tried twice.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import count
from unicodedata import normalize

from crlf.message.body import Body
from crlf.message.errors import BadUrl, Malformed, RemoteError
from crlf.message.fields.challenges import parse_auth_params
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL, Origin
from crlf.patterns import pattern
from crlf.rules.credentials import REFUSED, cannot_be_resent, takes_credentials
from crlf.rules.digestproof import MAX_PARAM, DigestChallenge, Proof, strongest
from crlf.values import replace

_MOST_ORIGINS = 64  # remembered; then the oldest is forgotten
_MOST_SPACES = 8  # realms of one origin
_MOST_PLACES = 32  # URIs of one domain
_COUNT_DIGITS = 8  # of nc (RFC 7616 3.4); then a new nonce is needed
_CONTROL = pattern("[\x00-\x1f\x7f]")


class _Space:
    """A nonce, where it is good for, and how often it has been used. Threads share it.

    places: paths of the origin; None for all of it. cnonce: of the session; where there is none,
    each use has a new one. counter: hands out each number once, since next() of itertools.count
    is a single step.
    """

    __slots__ = ("cnonce", "counter", "places", "proof")

    def __init__(self, proof: Proof, cnonce: str, places: tuple[str, ...] | None) -> None:
        self.proof = proof
        self.cnonce = cnonce
        self.places = places
        self.counter = count(1)

    def covers(self, path: str) -> bool:
        """Tell whether a path of this origin is in the protection space."""
        return self.places is None or any(_is_below(path, place) for place in self.places)


def _places_of(domain: tuple[str, ...], url: URL) -> tuple[str, ...] | None:
    """Read the paths that a domain names at the origin of the URL that was asked (RFC 7616 3.3)."""
    if not domain:
        return None
    places = []
    for word in domain[:_MOST_PLACES]:
        try:
            place = url.join(word)
        except BadUrl:
            continue
        if place.origin == url.origin:  # another origin is not for this one to speak of
            places.append(place.path)
    return tuple(places)


def _is_below(path: str, place: str) -> bool:
    # The RFC's prefix would let /private cover /private-not; this one counts whole segments.
    return path == place or path.startswith(place if place[-1] == "/" else f"{place}/")


class _Attempt:
    """One answer under way: what was sent with a nonce, and what its response has to say."""

    __slots__ = ("cnonce", "is_first", "nc", "request", "space")

    def __init__(self, space: _Space, request: Request, content: bytes | str) -> None:
        challenge = space.proof.challenge
        self.space = space
        number = next(space.counter)
        self.is_first = number == 1
        self.nc = f"{number:0{_COUNT_DIGITS}x}"
        self.cnonce = space.cnonce if challenge.is_session else _new_cnonce()
        self.request = request.with_field(
            "authorization",
            space.proof.authorization(
                request.method, request.target, content, self.nc, self.cnonce
            ),
        )

    def fault_of(self, info: dict[str, str]) -> str:
        """Say what is wrong with an Authentication-Info; "" when nothing is (RFC 7616 3.5).

        Checked for qop=auth alone: with auth-int it covers the content as it was sent, which a
        filter sees decoded.
        """
        given = info.get("rspauth")
        if given is None or {self.space.proof.challenge.qop, info.get("qop", "auth")} != {"auth"}:
            return ""
        if info.get("cnonce", self.cnonce) != self.cnonce:
            return "it repeats another cnonce than the one it was sent"
        right = self.space.proof.response("", self.request.target, b"", self.nc, self.cnonce)
        return (
            "" if given.lower() == right else "its rspauth is wrong: it does not know the password"
        )


class Digest:
    """A user name and password for the Digest scheme: a filter, for auth= and elsewhere.

    Keep one and hand it to each request, or to a client: it remembers the nonces that servers
    accepted, and answers them in advance. It may be shared by threads.

    The first request to a server goes out without credentials, so content that is a stream and
    cannot be sent again comes back with the 401. Content in a file cannot be sent where a server
    insists on auth-int: to hash it, a filter would have to read the disk.
    """

    __slots__ = ("_password", "_spaces", "user")

    def __init__(self, user: str, password: str) -> None:
        """Raise Malformed (a ValueError) for control characters and what UTF-8 does not have."""
        if _CONTROL.search(user) is not None or _CONTROL.search(password) is not None:
            raise Malformed("a control character in the user name or password", "RFC 7616 3.4")
        self.user = normalize("NFC", user)  # RFC 7616 4
        self._password = normalize("NFC", password)
        try:
            f"{self.user}{self._password}".encode()
        except UnicodeEncodeError:
            raise Malformed(
                "user name or password is no text that UTF-8 has", "RFC 7616 4"
            ) from None
        # By origin, the newest first. What is in here is replaced, never changed: threads that
        # do so at once lose a nonce, which costs one more round.
        self._spaces: dict[Origin, tuple[_Space, ...]] = {}

    def __call__(self, request: Request) -> Generator[Request, Response, Response]:
        """Send a request, and once more with an answer where the server asks for one."""
        if not takes_credentials(request):
            return (yield request)
        origin = request.url.origin
        attempt = self._in_advance(request, origin)
        response = yield request if attempt is None else attempt.request
        answered = 0
        while response.status_code == 401:
            if response.request is not None and response.request.url.origin != origin:
                return response  # somebody else asks, to whom a filter below has gone
            challenge = strongest(response.headers.get_all("www-authenticate"))
            if isinstance(challenge, str):
                return _refused(response, challenge)
            if attempt is not None and not _asks_anew(challenge, attempt, answered):
                self._forget(origin, attempt.space)
                return _refused(response, "the server does not accept this name and password")
            if why := cannot_be_resent(request):
                return _refused(response, why)
            content = _hashable(request.body, challenge)
            if content is None:
                return _refused(response, "auth-int needs a hash of the content, which is a file")
            attempt = _Attempt(self._space(challenge, request.url), request, content)
            answered += 1
            response = yield attempt.request
        if attempt is not None:
            self._learn(origin, attempt, response)
        return response

    def _in_advance(self, request: Request, origin: Origin) -> _Attempt | None:
        path = request.url.path
        for space in self._spaces.get(origin, ()):
            if space.covers(path):
                content = _hashable(request.body, space.proof.challenge)
                attempt = None if content is None else _Attempt(space, request, content)
                return attempt if attempt is None or len(attempt.nc) == _COUNT_DIGITS else None
        return None

    def _space(self, challenge: DigestChallenge, url: URL) -> _Space:
        cnonce = _new_cnonce()
        proof = Proof(challenge, self.user, self._password, (challenge.nonce, cnonce))
        return _Space(proof, cnonce, _places_of(challenge.domain, url))

    def _learn(self, origin: Origin, attempt: _Attempt, response: Response) -> None:
        """Keep a nonce that was accepted, or the one that is to come after it."""
        if response.request is not None and response.request.url.origin != origin:
            return
        info, space = _info_of(response), attempt.space
        if fault := attempt.fault_of(info):
            self._forget(origin, space)
            raise RemoteError(f"the server cannot prove itself: {fault}", "RFC 7616 3.5", 502)
        nonce = info.get("nextnonce")
        if nonce is not None and len(nonce) <= MAX_PARAM:
            old = space.proof
            proof = Proof(
                replace(old.challenge, nonce=nonce), self.user, self._password, old.session
            )
            self._keep(origin, _Space(proof, space.cnonce, space.places))
        elif attempt.is_first:
            self._keep(origin, space)

    def _keep(self, origin: Origin, space: _Space) -> None:
        realm = space.proof.challenge.realm
        others = [
            each for each in self._spaces.get(origin, ()) if each.proof.challenge.realm != realm
        ]
        spaces = dict(self._spaces)
        spaces.pop(origin, None)
        if len(spaces) >= _MOST_ORIGINS:
            del spaces[next(iter(spaces))]
        spaces[origin] = (space, *others[: _MOST_SPACES - 1])
        self._spaces = spaces

    def _forget(self, origin: Origin, space: _Space) -> None:
        spaces = dict(self._spaces)
        kept = tuple(each for each in spaces.pop(origin, ()) if each is not space)
        self._spaces = {**spaces, origin: kept} if kept else spaces

    def __repr__(self) -> str:
        return f"Digest({self.user!r}, ***)"

    def __reduce__(self) -> tuple[object, ...]:
        return Digest, (self.user, self._password)


def _refused(response: Response, why: str) -> Response:
    response.extras[REFUSED] = why
    return response


def _asks_anew(challenge: DigestChallenge, attempt: _Attempt, answered: int) -> bool:
    """Tell whether a 401 to an answer is about the nonce, and not about the password.

    A nonce answered in advance may have been forgotten by the server, whatever it says of it.
    answered: how many challenges of this request have been.
    """
    if challenge.nonce == attempt.space.proof.challenge.nonce:
        return False
    return answered == 0 or (answered == 1 and challenge.stale)


def _hashable(body: bytes | Body, challenge: DigestChallenge) -> bytes | str | None:
    """Give content as auth-int wants it, or its hash; None where it cannot be had in a filter."""
    if isinstance(body, bytes) or challenge.qop != "auth-int":
        return body if isinstance(body, bytes) else b""
    if body.waits or body.reads_files or not body.can_send_again:
        return None
    return challenge.digest_of(body.chunks())


def _info_of(response: Response) -> dict[str, str]:
    """Read Authentication-Info; a broken one says nothing."""
    try:
        return dict(parse_auth_params(response.headers.get("authentication-info", "")))
    except Malformed:
        return {}


def _new_cnonce() -> str:
    import secrets  # loads OpenSSL

    return secrets.token_hex(16)
