"""`--session NAME`: what is said once is said again, and cookies are where they were.

A session is one file for each host and name, which this user alone can read. It is read before
anything is sent; what this command adds is put afterwards on what is there then, so that two
commands at once lose nothing. Its law: what was given for an origin goes to no other, and a file
that is not ours, or broken, is never written over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

from crlf.cli.arguments import Arguments
from crlf.cli.asking.request import Asked
from crlf.cli.asking.sessiontext import (
    Kept,
    Login,
    auth_of,
    build_session,
    login_of,
    parse_session,
)
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_OUTPUT, Failure, reason_of
from crlf.client.options import ClientOptions, RequestOptions
from crlf.message.errors import BadUrl, Malformed
from crlf.message.grammar import BLANK
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import DEFAULT_PORTS, URL
from crlf.net.ownfile import holding, make_own, read_own, write_own
from crlf.patterns import pattern
from crlf.rules.cookiefiles import Cookie
from crlf.rules.credentials import Basic
from crlf.rules.hsts import SecureHost
from crlf.values import replace

MOST = 64 * 1024 * 1024  # bytes of a file; 3,000 cookies of 4 KiB are 12 MiB
_LONGEST_NAME = 100  # characters; file names have 255 bytes

# What tells of one message, or of one connection, and means nothing for the next.
_NEVER_KEPT = frozenset(
    {
        "host", "cookie", "connection", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "expect", "range", "proxy-authorization",
    }
)  # fmt: skip
_NEVER_KEPT_BEFORE = ("content-", "if-")
_NAME = pattern(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_CookieKey = tuple[str, str, str, bool]


@contextmanager
def in_session(asked: Asked, arguments: Arguments, environment: Environment) -> Iterator[Asked]:
    """Give what is asked in the session that a command line names, and keep what comes of it.

    Without one it is given as it is. Raises Failure.
    """
    session = named_session(asked.url, arguments, environment)
    if session is None:
        yield asked
        return
    session.keeps_login = arguments.has("auth") or not arguments.has("netrc")
    try:
        yield session.apply(asked)
    except BaseException as fault:
        try:
            session.keep()
        except Failure as other:
            fault.add_note(other.line)
        raise
    session.keep()


def named_session(url: URL, arguments: Arguments, environment: Environment) -> CliSession | None:
    """Read the session that a command line names, if it names one. Raises Failure."""
    name, read_only = arguments.last("session"), arguments.last("session-read-only")
    if name is not None and read_only is not None:
        raise Failure("--session and --session-read-only exclude each other")
    if name is not None:
        return open_session(name, url, environment)
    return None if read_only is None else open_session(read_only, url, environment, read_only=True)


def open_session(
    name: str, url: URL, environment: Environment, *, read_only: bool = False
) -> CliSession:
    """Read a session. name: of one for the URL's host, or a path, which has a / in it.

    Raises Failure for a name that is none, and for a file that is broken or not this user's.
    """
    is_path = "/" in name or (os.sep != "/" and os.sep in name)
    if is_path:
        path, shown = environment.path(name), name
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise Failure(f"the folder of the session {name} is not there")
        return CliSession(path, shown, url, read_only=read_only)
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST_NAME:
        raise Failure(
            f"{name!r} is no name of a session: that is letters, digits and ._-, or a path with a /"
        )
    above = environment.config_folder()
    if not above:
        raise Failure(
            "there is no home folder ($HOME) to keep sessions in; --session ./FILE.json is a file "
            "of your own"
        )
    folder = os.path.join(above, "sessions", folder_name(url))
    path = os.path.join(folder, f"{name}.json")
    return CliSession(path, path, url, read_only=read_only, own_folder=folder)


def folder_name(url: URL) -> str:
    """Return the folder of a host's sessions: its name, +PORT unless that is the scheme's own.

    No two hosts share one: a host has no + and no bracket. IPv6 is [2001-db8--1].
    """
    host = url.host
    if ":" in host:
        host = f"[{host.replace(':', '-')}]"
    if len(host) > 200:
        from hashlib import sha256  # loads OpenSSL, for names that nobody has

        host = f"{host[:150]}+{sha256(host.encode()).hexdigest()[:32]}"
    port = url.port
    return host if port == DEFAULT_PORTS[url.scheme] else f"{host}+{port}"


class CliSession:
    """A session while a command has it. What it keeps is not shown by its repr."""

    def __init__(
        self, path: str, shown: str, url: URL, *, read_only: bool = False, own_folder: str = ""
    ) -> None:
        self._path = path
        self._shown = shown
        self._read_only = read_only
        self.keeps_login = True  # what netrc has is kept there
        self._own_folder = own_folder  # made when there is something to keep
        found = self._read()
        if found is None and read_only:
            raise Failure(f"there is no session {shown} to read")
        self._kept = found or Kept()
        self._cookies = _cookies_of(self._kept)
        self._hosts = set(self._kept.hsts)
        self._url = self._kept.hsts.upgraded(url, time.time())
        self._origin = str(self._url.origin)
        self._given_fields: list[tuple[str, str | None]] = []
        self._given_login: Login = ()
        self._is_answered = False

    def apply(self, asked: Asked) -> Asked:
        """Return what is asked with what the session adds; what the user says now comes first.

        Its URL is https where the session knows that its host wants that.
        """
        kept = self._kept
        options: RequestOptions = {**asked.options}
        client: ClientOptions = {**asked.client}
        place = kept.place(self._origin)
        fields = field_list(options)
        added = frozenset(asked.added)
        given_auth = options.get("auth") or client.get("auth")
        has_auth = "auth" in options or "auth" in client
        if self._url.username is not None or self._url.password is not None:
            given_auth = given_auth or Basic(self._url.username or "", self._url.password or "")
            has_auth = True
        self._given_fields = [field for field in fields if field[0].lower() in added]
        self._given_login = login_of(given_auth)
        standing = [
            field
            for field in place.fields
            if field[0].lower() not in added
            and not (has_auth and field[0].lower() == "authorization")
        ]
        names = {name.lower() for name, _ in standing}
        fields = [*standing, *[field for field in fields if field[0].lower() not in names]]
        if fields:
            options["headers"] = fields
        if place.login and not has_auth and "authorization" not in added:
            options["auth"] = auth_of(place.login)
        if not self._read_only:
            self._take_cookies()
        client["cookies"], client["hsts"] = kept.jar, kept.hsts
        client["filters"] = (*client.get("filters", ()), self._noting)
        return asked._replace(url=self._url, options=options, client=client)

    def keep(self) -> None:
        """Write down what this command adds to the session.

        That is cookies and hosts that want https, and, once there was an answer, the fields and
        credentials that the user gave. Raises Failure.
        """
        if self._read_only:
            return
        try:
            if self._own_folder:
                if not self._has_news(self._kept):
                    return
                make_own(os.path.dirname(self._own_folder))
                make_own(self._own_folder)
            with holding(os.path.dirname(self._path) or "."):
                there = self._read() or Kept()
                before = build_session(there)
                self._add_to(there)
                after = build_session(there)
                if before != after:
                    write_own(self._path, after.encode())
        except OSError as fault:
            raise Failure(
                f"the session {self._shown} cannot be kept: {reason_of(fault)}", NO_OUTPUT
            ) from None

    # -- how

    def _read(self) -> Kept | None:
        """Read the file; None where there is none. Raises Failure."""
        try:
            data = read_own(self._path, MOST)
            return None if data is None else parse_session(data.decode(), time.time())
        except OSError as fault:
            raise Failure(f"the session {self._shown} cannot be read: {reason_of(fault)}") from None
        except (Malformed, BadUrl, UnicodeDecodeError) as fault:
            why = "it is no UTF-8" if isinstance(fault, UnicodeDecodeError) else fault.reason
            raise Failure(
                f"{self._shown} is no session: {why}; it is left as it is, and another name begins "
                "a new one"
            ) from None

    def _noting(self, request: Request) -> Generator[Request, Response, Response]:
        """Note that there was an answer, whatever it says."""
        response = yield request
        self._is_answered = True
        return response

    def _take_cookies(self) -> None:
        """Put the cookies of a Cookie field that the user gave into the jar, for this host."""
        is_secure = self._url.scheme == "https"
        for name, value in self._given_fields:
            for pair in (value or "").split(";") if name.lower() == "cookie" else ():
                cookie, equals, text = pair.partition("=")
                if equals:
                    try:
                        self._kept.jar.set(
                            cookie.strip(BLANK), text.strip(BLANK), self._url.host,
                            secure=is_secure, now=time.time(),
                        )  # fmt: skip
                    except Malformed:
                        continue  # it goes out as it was written, and is not kept

    def _has_news(self, kept: Kept) -> bool:
        return bool(
            _cookies_of(kept) != self._cookies
            or set(kept.hsts) != self._hosts
            or (self._is_answered and (self._given_login or self._kept_fields()))
        )

    def _kept_fields(self) -> list[tuple[str, str | None]]:
        return [field for field in self._given_fields if is_kept(field[0])]

    def _add_to(self, there: Kept) -> None:
        """Put what is new here on what is there now, which others may have changed meanwhile."""
        now = time.time()
        mine, before = _cookies_of(self._kept), self._cookies
        changed = [cookie for key, cookie in mine.items() if before.get(key) != cookie]
        gone = [replace(one, expires=0.0) for key, one in before.items() if key not in mine]
        there.jar.load([*changed, *gone], now)
        there.jar.expire(now)
        hosts: set[SecureHost] = set(self._kept.hsts)
        for host in self._hosts - hosts:
            there.hsts.forget(host.host)
        there.hsts.load([host for host in self._kept.hsts if host not in self._hosts], now)
        if self._is_answered:
            self._add_given(there)

    def _add_given(self, there: Kept) -> None:
        """Put the fields and credentials that the user gave in the place of those that were."""
        place = there.place(self._origin)
        given = self._kept_fields()
        names = {name.lower() for name, _ in given}
        fields = [field for field in place.fields if field[0].lower() not in names]
        fields += [(name, value) for name, value in given if value is not None]
        if "authorization" in names:
            place.login = ()
        if self._given_login and self.keeps_login:
            place.login = self._given_login
            fields = [field for field in fields if field[0].lower() != "authorization"]
        place.fields = tuple(fields)
        if place.fields or place.login:
            there.places[self._origin] = place
        else:
            there.places.pop(self._origin, None)

    def __repr__(self) -> str:
        return f"<CliSession {self._shown}>"


def field_list(options: RequestOptions) -> list[tuple[str, str | None]]:
    """List the header fields of a request's options, in whatever form they are given."""
    given = options.get("headers")
    if not given:
        return []
    if isinstance(given, Headers):
        return list(given.fields)
    return list(given.items() if isinstance(given, Mapping) else given)


def is_kept(name: str) -> bool:
    """Tell whether a field of this name is kept in a session."""
    name = name.lower()
    return name not in _NEVER_KEPT and not name.startswith(_NEVER_KEPT_BEFORE)


def _cookies_of(kept: Kept) -> dict[_CookieKey, Cookie]:
    """List a session's cookies by what makes each itself, without when they came and went."""
    return {
        (one.domain, one.name, one.path, one.host_only): replace(one, created=0.0, accessed=0.0)
        for one in kept.jar
    }
