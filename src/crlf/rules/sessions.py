"""Sessions: what an application remembers of a visitor between requests, over HTTP that does not.

Here the visitor carries it: JSON in a signed cookie, which the browser can read and cannot
change; rules/storedsessions.py keeps it on the server. A session is opened when somebody looks
at it and not before; a response that was made with a look at it is private, and says so to
caches (RFC 9111 5.2.2). Its law: a session that cannot be kept safely is an error, never a
cookie in the clear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Protocol

from crlf.message.content import parse_json
from crlf.message.errors import BadSignature, LocalError, Malformed, TooLarge
from crlf.message.fields.cookies import MAX_PAIR, SetCookie
from crlf.message.grammar import parse_digits, split_list
from crlf.message.headers import Headers
from crlf.message.percent import decode_plus, encode_plus
from crlf.message.request import NOT_RECEIVED, Request
from crlf.message.response import Response
from crlf.message.session import Session
from crlf.message.url import URL
from crlf.rules.nearness import is_loopback
from crlf.values import frozen
from crlf.wire.signing import MIN_KEY, sign, unsign

DAY: Final = 24 * 60 * 60
IDLE: Final = 14 * DAY  # seconds; Django and Starlette 14 days, Flask until the browser closes
LIFETIME: Final = 90 * DAY  # seconds, however often it is used; browsers keep a cookie 400 days
HOST_PREFIX: Final = "__Host-"  # browsers take it only with Secure, Path=/ and no Domain

_TARGETED: Final = ("surrogate-control", "x-accel-expires")  # of Fastly and the like; of nginx

_NONE_HERE = "no sessions here: the application was made with sessions=False"
_VERSION: Final = b"v2"  # of what is signed: "v2 MADE SEEN USER DATA"; before it "MADE SEEN DATA"

Secret = str | bytes | Sequence[str | bytes]


class Sessions(Protocol):
    """Where an application's sessions are: in a cookie, a file, or a store for many machines.

    opens_slowly: opening the session of a visitor who has one may wait, as for a network.
    """

    @property
    def opens_slowly(self) -> bool:
        """Whether opening may wait."""

    def open(self, request: Request, now: float) -> Session:
        """Read the visitor's session, or begin an empty one. now: seconds since 1970.

        Raises LocalError where no session can be kept safely, StoreUnavailable.
        """

    def is_known(self, request: Request) -> bool:
        """Whether the request has a cookie of ours, so that there may be a session to read."""

    def saves(self, session: Session, now: float) -> bool:
        """Whether to close it means to write it somewhere, which may wait."""

    def close(self, session: Session, response: Response, now: float) -> Response:
        """Keep a session and return the response that goes out after it was looked at.

        Raises LocalError when it would be too large, TypeError and ValueError for what is not
        JSON, StoreUnavailable.
        """

    def revoke_all(self, user: str) -> int:
        """End all sessions of a user, on all devices, and return how many. It may wait.

        Raises LocalError where visitors carry their sessions themselves, StoreUnavailable.
        """


class NoSessions:
    """What an application has that was made with sessions=False."""

    __slots__ = ()

    opens_slowly = False

    def is_known(self, request: Request) -> bool:
        """No."""
        return False

    def open(self, request: Request, now: float) -> Session:
        """Raise RuntimeError."""
        raise RuntimeError(_NONE_HERE)

    def saves(self, session: Session, now: float) -> bool:
        """No."""
        return False

    def close(self, session: Session, response: Response, now: float) -> Response:
        """Raise RuntimeError."""
        raise RuntimeError(_NONE_HERE)

    def revoke_all(self, user: str) -> int:
        """Raise RuntimeError."""
        raise RuntimeError(_NONE_HERE)


@frozen
class SignedSessions:
    """Sessions in a signed cookie, of at most 4 KiB in all.

    keys: the first signs, all verify. idle: seconds without a visit after which one is over;
    lifetime: seconds after which it is over all the same. secure: True for cookies that go over
    TLS alone, whatever this server's own connections are (a proxy in front has the TLS); False
    to send them over plain HTTP too; None for plain HTTP on loopback alone.
    """

    keys: tuple[bytes, ...]
    cookie: str = "session"
    idle: int = IDLE
    lifetime: int = LIFETIME
    secure: bool | None = None

    def __repr__(self) -> str:
        return f"SignedSessions({self.cookie!r}, {len(self.keys)} keys)"

    @property
    def opens_slowly(self) -> bool:
        """No: the visitor has brought it along."""
        return False

    def is_known(self, request: Request) -> bool:
        """Whether the request has a cookie of ours."""
        return cookie_name(request, self.cookie, self.secure) in request.cookies

    def saves(self, session: Session, now: float) -> bool:
        """No: the visitor takes it along."""
        return False

    def open(self, request: Request, now: float) -> Session:
        """Read the visitor's session, or begin an empty one. now: seconds since 1970.

        A cookie that is not ours, or too old, counts as none. Raises LocalError where no
        session can be kept safely.
        """
        at = math.floor(now)
        name = cookie_name(request, self.cookie, self.secure)
        text = request.cookies.get(name)
        read = None if text is None else self._read(text, name, at)
        return Session(name, {}, at, at, can_revoke=False) if read is None else read

    def _read(self, text: str, name: str, now: int) -> Session | None:
        try:
            payload = unsign(text, self.keys, _purpose(name), now, self.idle)
            version, _, rest = payload.partition(b" ")
            if version == _VERSION:
                made, seen, user, saved = rest.split(b" ", 3)
            else:
                user = b""
                made, seen, saved = payload.split(b" ", 2)
            data = parse_json(saved)
            who = decode_plus(user.decode("latin-1"))
            times = parse_digits(made.decode("latin-1")), parse_digits(seen.decode("latin-1"))
        except (BadSignature, Malformed, ValueError):
            return None
        if times[0] is None or times[1] is None or not isinstance(data, dict):
            return None
        if now - times[0] >= self.lifetime or now - times[1] >= self.idle:
            return None
        return Session(
            name, data, times[0], times[1], saved.decode(), who or None, can_revoke=False
        )

    def close(self, session: Session, response: Response, now: float) -> Response:
        """Return the response that goes out after a look at the session.

        It sets the cookie when the data changed, or when the visitor's one is a tenth of its
        idle time old. Raises LocalError when it would be too large, TypeError and ValueError
        for what is not JSON.
        """
        cookie = self._cookie_for(session, math.floor(now))
        return response.with_headers(private_headers(response.headers, cookie))

    def _cookie_for(self, session: Session, now: int) -> SetCookie | None:
        name, data = session.cookie, session.close()
        is_secure = name.startswith(HOST_PREFIX)
        if session.is_nobodys:
            if not session.saved:
                return None
            return SetCookie(name, "", secure=is_secure, http_only=True).removal()
        is_aging = now - session.seen >= self.idle // 10
        if not session.is_changed and not session.is_rotated and not is_aging:
            return None
        made = now if session.is_rotated else session.made
        user = encode_plus(session.user or "")
        payload = b"%b %d %d %b %b" % (_VERSION, made, now, user.encode(), data.encode())
        try:
            text = sign(payload, self.keys, _purpose(name), now)
        except TooLarge:
            text = ""
        if not text or len(name) + len(text) > MAX_PAIR:
            raise LocalError(
                f"a session of {len(data):,} characters is more than a signed cookie holds, "
                f"about 3,000; keep what is large on the server",
                "RFC 6265bis 5.6",
            )
        max_age = max(1, min(self.idle, made + self.lifetime - now))
        return SetCookie(name, text, max_age=max_age, secure=is_secure, http_only=True)

    def revoke_all(self, user: str) -> int:
        """Raise LocalError: nothing is stored that could be deleted."""
        raise LocalError(
            "sessions in signed cookies cannot be revoked: nothing is stored that could be "
            "deleted; keep sessions on the server, which App() does"
        )


def cookie_name(request: Request, cookie: str, secure: bool | None) -> str:
    """Name a session's cookie, which says whether it is secure: over TLS no other is looked at.

    secure: as SignedSessions has it. Raises LocalError where none can be kept safely.
    """
    how = request.received_how
    host = how.authority or request.headers.first("host")
    if host and request.target[:1] == "/" and how is not NOT_RECEIVED:
        scheme, is_near = how.scheme, _is_near(host)  # as nearly always: without making a URL
    else:
        scheme, is_near = request.url.scheme, is_loopback(request.url.host)
    if scheme == "https" or secure:
        return HOST_PREFIX + cookie
    if secure is None and not how.is_inside and not is_near:
        raise LocalError(
            "a session over plain HTTP, where anybody on the way could take it over: serve "
            "HTTPS, or make the application with App(secure_cookies=True) when a proxy in "
            "front does, or with secure_cookies=False to take the risk",
            "RFC 6265bis 8.3",
        )
    return cookie


@lru_cache(maxsize=256)
def _is_near(authority: str) -> bool:
    return is_loopback(URL(f"http://{authority}").host)


def check_lifetimes(idle: int, lifetime: int) -> None:
    """Raise ValueError unless a session lasts."""
    if idle <= 0 or lifetime <= 0:
        raise ValueError("a session lasts longer than 0 seconds")


class Opener:
    """Has a request's session from the first look at it to the end of the request.

    It may be opened before: a session that is ready and that nobody looks at counts for nothing.
    now: gives seconds since 1970.
    """

    __slots__ = ("_is_lost", "_now", "_request", "_sessions", "session")

    def __init__(self, sessions: Sessions, request: Request, now: Callable[[], float]) -> None:
        self._sessions = sessions
        self._request = request
        self._now = now
        self._is_lost = False  # it could not be kept, so it is not tried again
        self.session: Session | None = None

    def open(self) -> Session:
        """Read the session. It may wait where the sessions open slowly."""
        self.session = self._sessions.open(self._request, self._now())
        return self.session

    @property
    def _seen(self) -> Session | None:
        """The session, if anybody looked at it: then the request has it."""
        return None if self._request.extras.get("session") is None else self.session

    @property
    def saves(self) -> bool:
        """Whether `keep` may wait."""
        session = self._seen
        if session is None or self._is_lost:
            return False
        try:
            return self._sessions.saves(session, self._now())
        except BaseException:
            self._is_lost = True
            raise

    def keep(self, response: Response) -> Response:
        """Return the response that goes out, with the session in it if it was looked at."""
        session = self._seen
        if session is None or self._is_lost:
            return self.drop(response)
        try:
            return self._sessions.close(session, response, self._now())
        except BaseException:
            self._is_lost = True
            raise

    def drop(self, response: Response) -> Response:
        """The same for an answer that nobody foresaw: nothing that was changed is kept."""
        if self._seen is None:
            return response
        return response.with_headers(private_headers(response.headers))


def signed_sessions(
    secret: Secret, cookie: str, idle: int, lifetime: int, secure: bool | None
) -> SignedSessions:
    """Check what an application was given for its sessions. Raises ValueError, TypeError."""
    keys = [secret] if isinstance(secret, str | bytes) else list(secret)
    if not all(isinstance(key, str | bytes) for key in keys):  # bytes(99) would be 99 zeros
        raise TypeError("a secret is text or bytes, or a list of them")
    as_bytes = tuple(key.encode() if isinstance(key, str) else key for key in keys)
    if not as_bytes or min(map(len, as_bytes)) < MIN_KEY:
        raise ValueError(f"a secret has {MIN_KEY} bytes at least, from secrets.token_hex()")
    check_lifetimes(idle, lifetime)
    name = cookie.removeprefix(HOST_PREFIX)
    SetCookie(name, "")
    return SignedSessions(as_bytes, name, idle, lifetime, secure)


def private_headers(headers: Headers, cookie: SetCookie | None = None) -> Headers:
    """Return the fields of a response that is for one visitor alone (RFC 9111 5.2.2.7, 4.1).

    Vary names Cookie; Cache-Control is private, and no-store when a cookie is set.
    """
    private = _private_headers(headers, cookie is not None)
    return private if cookie is None else private.adding("set-cookie", cookie.build())


@lru_cache(maxsize=256)  # most answers of a program share a few heads
def _private_headers(headers: Headers, is_set: bool) -> Headers:
    vary = headers.get("vary", "")
    names = [name.lower() for name in split_list(vary)]
    if "*" not in names and "cookie" not in names:
        vary = f"{vary}, Cookie" if names else "Cookie"
    control = "no-store" if is_set else _private_control(headers.get("cache-control", ""))
    kept = headers.without("vary", "cache-control", *_for_some_caches(headers)).fields
    return Headers((*kept, ("vary", vary), ("cache-control", control)))


def _for_some_caches(headers: Headers) -> list[str]:
    """Name the fields that shared caches of a kind obey instead of Cache-Control (RFC 9213 2.2)."""
    return [name for name in headers if name in _TARGETED or name.endswith("-cache-control")]


def without_shared_caching(response: Response) -> Response:
    """Return a response as one that a shared cache does not keep, since it sets a cookie.

    A cache that stored it would hand the cookie to everybody (RFC 9111 7.3).
    """
    control = response.headers.get("cache-control", "")
    private = _private_control(control)
    targeted = _for_some_caches(response.headers)
    if private == control and not targeted:
        return response
    return response.without_fields(*targeted).with_field("cache-control", private)


def _private_control(value: str) -> str:
    directives = split_list(value)
    names = [directive.partition("=")[0].lower() for directive in directives]
    if "no-store" in names:
        return value
    kept = [
        directive
        for directive, name in zip(directives, names, strict=True)
        if name not in ("public", "private", "s-maxage")
    ]
    return ", ".join(["private", *kept])


def _purpose(name: str) -> str:
    # With the prefix: what was read over plain HTTP is no session over TLS.
    return f"session {name}"
