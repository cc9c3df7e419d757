"""App: a program's handlers by route, its error handlers, its folders, its sessions' secret.

It is filled by decorators and keeps what they say; `App.sender` gives the function from a
request to its response that a server serves and a client in memory calls (answering.py). Its
law: what could not be served is refused when it is registered, not when it is asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Unpack

from crlf.flow.intake import Intake
from crlf.message.percent import UNRESERVED, percent_encode
from crlf.message.reference import encode_path
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import Pairs, build_pairs
from crlf.ports import InThread
from crlf.rules.crosssite import guard_of
from crlf.rules.routes import Pattern, Routes
from crlf.rules.sessions import IDLE, LIFETIME, Secret, Sessions
from crlf.server.apps.answering import answering, intake_of
from crlf.server.apps.answers import InFolder
from crlf.server.apps.handlers import (
    Endpoint,
    H,
    RouteOptions,
    Scope,
    Send,
    check_catcher,
    check_caught,
    check_handler,
    check_route,
    name_of,
)
from crlf.server.apps.layers import Layer, around_layer, filter_layer
from crlf.server.apps.sessions import (
    SessionPlace,
    check_cookies,
    let_go_of,
    sessions_of,
    site_wide,
)
from crlf.server.apps.templates import Templates
from crlf.server.files.single import Folder, FolderOptions


class _Route(NamedTuple):
    pattern: str
    methods: tuple[str, ...]
    endpoint: Endpoint
    name: str


class _Mount(NamedTuple):
    prefix: str
    app: App


class App:
    """A web application: routes, error handlers, sessions.

    secret: signs sessions; bytes or text of at least 16 bytes, or several of which the first
    signs and all verify. session_cookie: the cookie's name, which gets the prefix __Host- where
    it is secure. session_idle, session_lifetime: seconds. secure_cookies: True behind a proxy
    that has the TLS, False to allow sessions over plain HTTP; by default they are over HTTPS,
    and on loopback. debug: show tracebacks to visitors on this machine. templates: a folder of
    Jinja2's templates, or an Environment of it, or Templates. csrf: what pages of other sites
    send is refused; "token" asks for one where the browser does not say whose page it was; False
    takes everything. trusted_origins: other sites whose pages may send, "https://shop.example".
    sessions: a path of an SQLite file, "valkey://host:port/0" (or redis, valkeys, rediss, unix),
    a SessionStore, "cookie" for the one that the secret signs, False for none. By default the
    cookie if there is a secret, and else a file in $STATE_DIRECTORY or .crlf, made when needed.
    """

    def __init__(
        self,
        secret: Secret | None = None,
        *,
        session_cookie: str = "session",
        session_idle: int = IDLE,
        session_lifetime: int = LIFETIME,
        secure_cookies: bool | None = None,
        debug: bool = False,
        templates: str | Path | Templates | object = None,
        csrf: bool | Literal["token"] = True,
        trusted_origins: Iterable[str] = (),
        sessions: SessionPlace = None,
    ) -> None:
        self.debug = debug
        self.sessions: Sessions = sessions_of(
            sessions, secret, session_cookie, session_idle, session_lifetime, secure_cookies
        )
        self.scope = Scope(self)
        self.scope.guard = guard_of(csrf, trusted_origins)
        if templates is not None:
            self.scope.templates = Templates.of(templates, reloads=debug)
        self.routes: Routes[Endpoint] = Routes()
        self._added: list[_Route] = []
        self._mounts: list[_Mount] = []  # what is in this one
        self._places: list[_Mount] = []  # where this one is
        self._face: Callable[..., Awaitable[None]] | None = None  # as ASGI sees it

    # -- routes

    def route(
        self, pattern: str, methods: Iterable[str] = ("GET",), **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]:
        """Let the decorated handler answer a path: "/part/{number:int}" calls f(request, number).

        What slots take is told by Pattern, the options by RouteOptions. GET answers HEAD, and
        OPTIONS answers by itself. Raises ValueError for a route that is taken or cannot be,
        TypeError for a handler that does not take what the route gives.
        """
        return self._route(pattern, methods, options)

    def _route(
        self, pattern: str, methods: str | Iterable[str], options: RouteOptions
    ) -> Callable[[H], H]:
        check_route(pattern, options)
        names = Pattern(pattern).names
        listed = (methods,) if isinstance(methods, str) else tuple(methods)

        def register(handler: H) -> H:
            check_handler(handler, names, pattern)
            called = options.get("name") or name_of(handler)
            endpoint = Endpoint(handler, called, options=options)
            self._add(_Route(pattern, listed, endpoint, called))
            return handler

        return register

    def get(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Let the decorated handler answer GET and HEAD of a path; see `route`."""
        return self._route(pattern, "GET", options)

    def post(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Let the decorated handler answer POST to a path; see `route`."""
        return self._route(pattern, "POST", options)

    def query(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Let the decorated handler answer QUERY of a path (RFC 10008); see `route`."""
        return self._route(pattern, "QUERY", options)

    def put(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Let the decorated handler answer PUT of a path; see `route`."""
        return self._route(pattern, "PUT", options)

    def patch(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Let the decorated handler answer PATCH of a path; see `route`."""
        return self._route(pattern, "PATCH", options)

    def delete(self, pattern: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Let the decorated handler answer DELETE of a path; see `route`."""
        return self._route(pattern, "DELETE", options)

    def mount(self, prefix: str, app: App) -> None:
        """Let another application answer what is below a prefix, such as "/admin".

        Its routes, also those added later, become routes here, with its own error handlers
        first. The session is the outer application's, unless only the inner one was told where.

        Raises ValueError for a prefix that is none, an application that this one is in, and two
        that keep sessions in different places under one cookie.
        """
        _check_mount(prefix, app)
        if app is self or self._is_in(app):
            raise ValueError("an application cannot be mounted in itself")
        for site in self._outermost():
            here = site_wide(self.sessions, site.sessions)
            check_cookies((*site._all_sessions(), *app._all_sessions(here)))
        for added in app._added:
            self._add(added._replace(pattern=prefix + added.pattern))
        self._mounts.append(_Mount(prefix, app))
        app._places.append(_Mount(prefix, self))

    def folder(
        self,
        prefix: str,
        path: str | Path | Folder,
        *,
        name: str | None = None,
        **options: Unpack[FolderOptions],
    ) -> None:
        """Let the files of a folder answer what is below a prefix: app.folder("/static", path).

        What is served and what not is told by Folder. name: for `url`, with the rest of the
        path as subpath; the prefix without its slashes by default.
        """
        if prefix != "/":
            _check_prefix(prefix)
        below = prefix.rstrip("/")
        files = path if isinstance(path, Folder) else Folder(path, **options)

        async def find_file(request: Request, subpath: str) -> Response | InFolder:
            raw = percent_encode(subpath, UNRESERVED + "/")
            return files.ready(request, raw) or InFolder(files, raw)

        called = name or prefix.strip("/")
        self._add(_Route(below + "/{subpath:path}", ("GET",), Endpoint(find_file, called), called))

    def _outermost(self) -> list[App]:
        return [each for place in self._places for each in place.app._outermost()] or [self]

    def _all_sessions(self, outer: Sessions | None = None) -> Iterator[Sessions]:
        """Give those of this application, and of all that are in it, as its site has them."""
        ours = site_wide(self.sessions, outer) or self.sessions
        yield ours
        for mount in self._mounts:
            yield from mount.app._all_sessions(ours)

    def _is_in(self, app: App) -> bool:
        return any(place.app is app or place.app._is_in(app) for place in self._places)

    def _add(self, route: _Route) -> None:
        endpoint = route.endpoint.within(self.scope, self.sessions)
        self.routes.add(Pattern(route.pattern), route.methods, endpoint, route.name)
        added = route._replace(endpoint=endpoint)
        self._added.append(added)
        for place in self._places:
            place.app._add(added._replace(pattern=place.prefix + route.pattern))

    def url(self, name: str, query: Pairs | None = None, /, **values: object) -> str:
        """Write the path of a route by its name: app.url("part", number=7) is "/part/7".

        query: names and values for after the question mark. Raises ValueError when there is no
        such route, or values do not fit it, or this application is mounted in two places.
        """
        path = self._prefix() + self.routes.url(name, values)
        written = build_pairs(query) if query is not None else ""
        return f"{path}?{written}" if written else path

    def _prefix(self) -> str:
        if not self._places:
            return ""
        if len(self._places) > 1:
            raise ValueError("mounted in two places: ask the outer application for its url()")
        return self._places[0].app._prefix() + encode_path(self._places[0].prefix)

    # -- errors

    def on_error(self, what: int | type[Exception]) -> Callable[[H], H]:
        """Let the decorated handler answer for a status or an exception: f(request, error).

        What it returns is an answer with the error's status, unless it says another. Raises
        TypeError and ValueError for what is no error, or a handler that does not take both.
        """
        check_caught(what)

        def register(handler: H) -> H:
            check_catcher(handler)
            self.scope.catchers.add(what, handler)
            return handler

        return register

    # -- layers

    def filter(self, function: H) -> H:
        """Let the decorated filter see each request, and each answer, of this application.

        A generator function of a request: `response = yield request`, `return response`. It runs
        on the event loop and must not wait; what does is for `around`. The first is outermost.
        """
        self._stand_around(filter_layer(function))
        return function

    def around(self, function: H) -> H:
        """Let the decorated function stand around all of this application's answers.

        `async def f(request, answer)` with `await answer(request)`; or a generator function, as
        for `filter`, whose every step runs in a thread. The first is outermost.
        """
        self._stand_around(around_layer(function))
        return function

    def _stand_around(self, layer: Layer) -> None:
        self.scope.layers.append(layer)
        self._compose()

    def _compose(self) -> None:
        """Let the routes that are here, and wherever this one is mounted, know their layers."""
        for added in self._added:
            added.endpoint.compose()
        for place in self._places:
            place.app._compose()

    def scopes_at(self, path: str) -> tuple[Scope, ...]:
        """Whose error handlers and layers count for a path no route has, innermost first."""
        for prefix, app in self._mounts:
            before = encode_path(prefix)
            if path == before or path.startswith(before + "/"):
                return (*app.scopes_at(path[len(before) :]), self.scope)
        return (self.scope,)

    # -- being served

    def sender(self, in_thread: InThread, now: Callable[[], float]) -> Send:
        """Return what answers requests: `async def answer(request) -> Response`. It never raises.

        in_thread: runs handlers that are `def`. now: seconds since 1970, for sessions.
        """
        return answering(self, in_thread, now)

    def intake(self, request: Request) -> Intake:
        """Say how the content of a request is to be taken in."""
        return intake_of(self, request)

    async def finish(self) -> None:
        """Let go of what sessions hold open, as whoever serves it does when it stops.

        They are opened anew when the application is served again, or still is elsewhere.
        """
        let_go_of(self.sessions)
        for mount in self._mounts:
            await mount.app.finish()

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer as an ASGI 3 application, under uvicorn, granian or hypercorn."""
        if self._face is None:
            from crlf.server.gateways.asgiface import (
                AsgiFace,  # asyncio; our own server does without it
            )

            self._face = AsgiFace(self)
        await self._face(scope, receive, send)


def _check_mount(prefix: object, app: object) -> None:
    if not isinstance(prefix, str) or not isinstance(app, App):
        raise TypeError(
            f'an App is mounted in an App, as in app.mount("/admin", admin); not '
            f"{app if isinstance(prefix, str) else prefix!r}"
        )
    _check_prefix(prefix)


def _check_prefix(prefix: str) -> None:
    if not Pattern(prefix).is_literal or prefix.endswith("/"):
        raise ValueError(f"a prefix is like /admin: no slots, no slash at its end; not {prefix!r}")
