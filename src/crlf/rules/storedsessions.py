"""Sessions on the server: the visitor has an id, a store has the data under the id's hash.

The id is 128 random bits, made here and taken from nobody: one that the store does not know
counts as none, and a new one is made when there is something to keep. Who reads the store
cannot visit as anybody, since it has hashes alone. Its law: requests at the same time lose
nothing of each other's (rules/merging.py), and none brings back what was revoked or signed out.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final, NamedTuple

from crlf.message.errors import LocalError, StoreUnavailable
from crlf.message.fields.cookies import SetCookie
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.session import NOBODY, Session, check_user
from crlf.patterns import pattern
from crlf.rules.merging import merged
from crlf.rules.sessions import (
    HOST_PREFIX,
    IDLE,
    LIFETIME,
    check_lifetimes,
    cookie_name,
    private_headers,
)
from crlf.rules.sessionstore import Record, SessionStore

ID_BYTES: Final = 16  # 128 bits; OWASP asks for 64 of entropy at least, Flask-Session has 256
MAX_SESSION: Final = (
    64 * 1024
)  # bytes of JSON, read at each look; a TEXT of MySQL, where Rails stops
MAX_TRIES: Final = 1000  # each that fails is one of another request that got through
PRUNED_EVERY: Final = 64  # new sessions; less than a store forgets at once, so that it keeps up
NOT_YET: Final = ""  # the user of a session whose user's others are being revoked

_ID = pattern(r"[A-Za-z0-9_-]{22}")  # 16 bytes in base64url


class StoredSessions:
    """Sessions in a store, by an id in a cookie.

    idle, lifetime, secure: as SignedSessions has them. That a session is in use is noted once in
    a tenth of its idle time. is_default: nobody asked for it, so that another application's own
    may take its place. is_shadowed: one that is mounted in this has its sessions in our cookie.
    """

    __slots__ = (
        "_begun", "cookie", "idle", "is_default", "is_shadowed", "lifetime", "secure", "store",
    )  # fmt: skip

    def __init__(
        self,
        store: SessionStore,
        cookie: str = "session",
        idle: int = IDLE,
        lifetime: int = LIFETIME,
        secure: bool | None = None,
        *,
        is_default: bool = False,
    ) -> None:
        check_lifetimes(idle, lifetime)
        self.store = store
        self.cookie = cookie.removeprefix(HOST_PREFIX)
        SetCookie(self.cookie, "")
        self.idle = idle
        self.lifetime = lifetime
        self.secure = secure
        self.is_default = is_default
        self.is_shadowed = False
        self._begun = 0  # how many sessions; a count that threads lose of does no harm

    @property
    def opens_slowly(self) -> bool:
        """Whether the store is behind a network."""
        return self.store.opens_slowly

    def is_known(self, request: Request) -> bool:
        """Whether the request has a cookie that may be ours. Raises as `open`."""
        return self._id_in(request, self._name(request)) is not None

    def open(self, request: Request, now: float) -> Session:
        """Read the visitor's session, or begin an empty one. now: seconds since 1970.

        Raises LocalError where no session can be kept safely, StoreUnavailable.
        """
        if self.is_shadowed:
            raise LocalError(
                f"an application looks at a session, and one that is mounted in it keeps its own "
                f"elsewhere, in the same cookie {self.cookie!r}, so that each would end the "
                f"other's: one of them needs App(session_cookie=...)"
            )
        at = math.floor(now)
        name = self._name(request)
        found, told = None, self._id_in(request, name)
        if told is not None:
            key = key_of(name, told)
            record = self.store.load(key, at)
            if record is not None and self.ends(record) > at:
                found = _session(name, key, record)
        return Session(name, {}, at, at) if found is None else found

    def _name(self, request: Request) -> str:
        return cookie_name(request, self.cookie, self.secure)

    def _id_in(self, request: Request, name: str) -> str | None:
        text = request.cookies.get(name)
        return None if text is None or _ID.fullmatch(text) is None else text

    def saves(self, session: Session, now: float) -> bool:
        """Whether to close it means to ask the store. Raises TypeError, ValueError."""
        session.close()
        return bool(session.revoked) or self._is_due(session, math.floor(now))

    def close(self, session: Session, response: Response, now: float) -> Response:
        """Keep a session and return the response that goes out after a look at it.

        It sets the cookie when the session is a new one or has a new id, and no other time: an
        answer that is late would overwrite the id that another has brought.

        Raises LocalError when it is over MAX_SESSION, TypeError and ValueError for what is not
        JSON, StoreUnavailable.
        """
        cookie = None
        if self.saves(session, now):
            cookie = self._kept(session, math.floor(now))
        return response.with_headers(private_headers(response.headers, cookie))

    def revoke_all(self, user: str) -> int:
        """End all sessions of a user at once, and return how many. Raises StoreUnavailable."""
        check_user(user)
        return self.store.delete_all_of(user)

    def ends(self, record: Record) -> int:
        """When a record is over, in seconds since 1970."""
        return min(record.seen + self.idle, record.made + self.lifetime)

    def is_aging(self, session: Session, now: int) -> bool:
        """Whether it is time to note that a session is still in use."""
        return now - session.seen >= self.idle // 10

    def _is_due(self, session: Session, now: int) -> bool:
        if session.is_changed:
            return True
        is_odd = session.is_rotated or session.is_forgotten or self.is_aging(session, now)
        return is_odd and bool(session.key)

    def _kept(self, session: Session, now: int) -> SetCookie | None:
        writing = _Writing(self, session, now)
        is_secure = session.cookie.startswith(HOST_PREFIX)
        user = session.user
        is_own = user in session.revoked and bool(session.key) and not session.is_forgotten
        for revoked in session.revoked:
            if revoked != user or not is_own:
                self.store.delete_all_of(revoked)
        if not self._is_due(session, now):
            return None
        kept = writing.write(NOT_YET if is_own else user)
        if is_own and user is not None and kept is not None:
            # What others did is in it by now; and nobody knows its id yet, so nobody changes it.
            self.store.delete_all_of(user)
            bound = kept.record._replace(user=user, version=kept.record.version + 1)
            self.store.swap(kept.key, kept.record.version, bound, self.ends(bound), now)
        if writing.is_deleted:
            return SetCookie(session.cookie, "", secure=is_secure, http_only=True).removal()
        if kept is None or not kept.told:
            return None
        age = max(1, self.lifetime)
        return SetCookie(session.cookie, kept.told, max_age=age, secure=is_secure, http_only=True)

    def prune_now_and_then(self, now: int) -> None:
        """Forget some of what is over, at one new session in PRUNED_EVERY."""
        if self._begun % PRUNED_EVERY == 0:
            self.store.prune(now)
        self._begun += 1


class _Kept(NamedTuple):
    """What was written. told: the id that the visitor is to be told; "" when he has it."""

    told: str
    key: str
    record: Record


class _Writing:
    """One session on its way into its store."""

    __slots__ = ("_now", "_session", "_sessions", "_store", "is_deleted")

    def __init__(self, sessions: StoredSessions, session: Session, now: int) -> None:
        self._sessions = sessions
        self._store = sessions.store
        self._session = session
        self._now = now
        self.is_deleted = False  # the record that the visitor has the id of

    def write(self, user: str | None) -> _Kept | None:
        """Write what became of a session, together with what others did to it meanwhile.

        None where nothing is left to be kept: it is empty, or was ended by somebody else.
        """
        session = self._session
        if session.key and session.is_forgotten:
            self._store.delete(session.key)
            self.is_deleted = session.is_nobodys
        if session.key and not session.is_forgotten:
            return self._swap(user)
        return None if session.is_nobodys else self._begin(session.close(), user)

    def _begin(self, text: str, user: str | None) -> _Kept:
        """Write one that the store does not have."""
        self._sessions.prune_now_and_then(self._now)
        told, key = self._new_id()
        record = Record(_checked(text), user, self._now, self._now, 1)
        if not self._store.swap(key, 0, record, self._sessions.ends(record), self._now):
            raise StoreUnavailable("the store of sessions has one under an id of this moment")
        return _Kept(told, key, record)

    def _swap(self, user: str | None) -> _Kept | None:
        session, store, now = self._session, self._store, self._now
        text, key, version, made = session.close(), session.key, session.version, session.made
        seen = now if self._sessions.is_aging(session, now) else session.seen
        told, new_key = "", key
        if session.is_rotated:
            told, new_key = self._new_id()
            made = seen = now
        for _ in range(MAX_TRIES):
            record = Record(_checked(text), user, made, seen, version + 1)
            is_nobodys = text == NOBODY and user is None
            ends = now if is_nobodys else self._sessions.ends(record)
            if told and not is_nobodys:
                is_done = store.move(key, version, new_key, record, ends, now)
            else:
                is_done = store.swap(key, version, record, ends, now)
            if is_done:
                self.is_deleted = is_nobodys
                return None if is_nobodys else _Kept(told, new_key, record)
            there = store.load(key, now)
            if there is None:  # signed out, revoked, or rotated: it stays so
                is_new = session.is_signed_in
                return self._begin(merged(session, NOBODY), user) if is_new else None
            text, version = merged(session, there.data), there.version
            if not told:
                made, seen = there.made, max(seen, there.seen)
        raise StoreUnavailable(f"others changed a session {MAX_TRIES:,} times in a row")

    def _new_id(self) -> tuple[str, str]:
        """Make an id, and the key that its record is stored under."""
        import secrets  # a program without sessions needs no such

        told = secrets.token_urlsafe(ID_BYTES)
        return told, key_of(self._session.cookie, told)


def key_of(cookie: str, told: str) -> str:
    """Return what a session is stored under.

    With the cookie's name: what was read over plain HTTP is no session over TLS.
    """
    return hashlib.sha256(f"{cookie}={told}".encode()).hexdigest()


def _session(name: str, key: str, record: Record) -> Session | None:
    """Make a session of its record; None when that is not ours."""
    import json  # a program that looks at no session may never need it

    try:
        data = json.loads(record.data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    return Session(
        name,
        data,
        record.made,
        record.seen,
        record.data,
        record.user or None,
        key=key,
        version=record.version,
    )


def _checked(text: str) -> str:
    size = len(text.encode())
    if size > MAX_SESSION:
        raise LocalError(
            f"a session of {size:,} bytes is over its limit of {MAX_SESSION:,}: it is read at each "
            f"look, so keep what is large in a database, and its key here"
        )
    return text
