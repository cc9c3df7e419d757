"""Where an application's sessions are: what App(sessions=...) was given becomes one of the kinds.

A file on this machine unless something else is said; a place is only named here, and opened when
the first session is kept. Its law: of two applications, one mounted in the other, the outer
one's sessions are those of both, unless it was asked for none and the inner one was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, Final, Literal

from crlf.net.sessionfile import SessionFile
from crlf.rules.sessions import NoSessions, Secret, Sessions, SignedSessions, signed_sessions
from crlf.rules.sessionstore import SessionStore
from crlf.rules.storedsessions import StoredSessions

SessionPlace = str | os.PathLike[str] | SessionStore | Literal[False] | None

Kept = SignedSessions | StoredSessions

COOKIE: Final = "cookie"
VALKEY: Final = ("valkey", "valkeys", "redis", "rediss", "unix")  # schemes


def sessions_of(
    place: SessionPlace,
    secret: Secret | None,
    cookie: str,
    idle: int,
    lifetime: int,
    secure: bool | None,
) -> Sessions:
    """Make an application's sessions of what it was given. Raises ValueError, TypeError."""
    if isinstance(secret, str) and secret in sys.modules:  # Flask(__name__) is what many write
        raise TypeError(f"App takes no module: {secret!r} would be a secret that all know")
    if place is False:
        return NoSessions()
    if place == COOKIE or (place is None and secret is not None):
        if secret is None:
            raise ValueError('App(sessions="cookie") needs a secret that signs the cookie')
        return signed_sessions(secret, cookie, idle, lifetime, secure)
    return StoredSessions(_store(place), cookie, idle, lifetime, secure, is_default=place is None)


def site_wide(inner: Sessions | None, outer: Sessions | None) -> Sessions | None:
    """Choose whose sessions an application's routes have that stands in another one.

    The outer one's, unless it has none, or has those by default where the inner was told.
    """
    inner_is_told = inner is not None and not _is_default(inner)
    if isinstance(outer, NoSessions) or _is_default(outer):
        return inner if inner_is_told and not isinstance(inner, NoSessions) else outer
    return outer or inner


def check_cookies(all_of_them: Iterable[Sessions]) -> None:
    """Raise ValueError where two applications of a site have their sessions in one cookie.

    Each would take the other's for unknown and overwrite it, so that signing in to one signs
    the visitor out of the other. One that was told nothing may never look: it is told so then.
    """
    known: dict[str, Kept] = {}
    untold: list[StoredSessions] = []
    for sessions in all_of_them:
        if isinstance(sessions, StoredSessions) and sessions.is_default:
            untold.append(sessions)
        elif isinstance(sessions, Kept):
            first = known.setdefault(sessions.cookie, sessions)
            if _place_of(first) != _place_of(sessions):
                raise ValueError(
                    f"two applications of one site keep sessions in different places, and both "
                    f"in the cookie {sessions.cookie!r}: one needs App(session_cookie=...)"
                )
    for sessions in untold:
        sessions.is_shadowed = sessions.is_shadowed or sessions.cookie in known


def _place_of(sessions: Kept) -> object:
    if isinstance(sessions, SignedSessions):
        return sessions.keys
    store = sessions.store
    return store.path if isinstance(store, SessionFile) else repr(store)


def let_go_of(sessions: Sessions) -> None:
    """Close the files and connections of a store."""
    if isinstance(sessions, StoredSessions):
        sessions.store.close()


def _is_default(sessions: Sessions | None) -> bool:
    return isinstance(sessions, StoredSessions) and sessions.is_default


def _store(place: Any) -> SessionStore:
    if place is None:
        return SessionFile()
    if isinstance(place, str) and "://" in place:
        scheme = place.partition("://")[0]
        if scheme not in VALKEY:
            raise ValueError(
                f"sessions are kept at valkey://, redis:// or in a file, not {scheme}:"
            )
        from crlf.net.sessionvalkey import ValkeyStore  # few have many machines

        return ValkeyStore(place)
    if isinstance(place, str | os.PathLike):
        if not os.fspath(place):
            raise ValueError("sessions are kept in a file that has a name")
        return SessionFile(place)
    if isinstance(place, SessionStore):
        return place
    raise TypeError(f"sessions are a path, a URL, a store, 'cookie' or False, not {place!r}")
