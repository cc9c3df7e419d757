"""Answering: one request through an application, from its route to its response.

Handlers are `async def`, called where they are, or `def`, called in a thread. A path without
slots costs one look into a table; everything else happens only when it is asked for. Its law:
whatever a handler does, the answer is a response; what went wrong goes to the log and never to
the visitor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal, Protocol

from crlf.flow.afterwards import line_of
from crlf.flow.bodies import let_go, opened_in_thread
from crlf.flow.intake import AS_SET, NOTHING, Intake, raise_left
from crlf.message.errors import CrlfError, StoreUnavailable
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.session import Session
from crlf.ports import InThread
from crlf.rules.compressing import with_vary
from crlf.rules.crosssite import CrossSite
from crlf.rules.pages import NOSNIFF
from crlf.rules.routes import METHODS, NO_VALUES, Found, Missed, Routes
from crlf.rules.sessions import Opener, Sessions, without_shared_caching
from crlf.server.apps.answers import InFolder, Refused, pending_in, response_of
from crlf.server.apps.csrftokens import token_fault
from crlf.server.apps.errorpages import page_of, with_its_fields
from crlf.server.apps.handlers import (
    Endpoint,
    Handler,
    RouteOptions,
    Scope,
    Send,
    call,
    name_of,
    status_of,
    waits,
)
from crlf.server.apps.layers import Passage
from crlf.server.apps.sessions import site_wide

LOGGER: Final = "crlf.server"


_FOR_ALL: Final = RouteOptions(cross_site=True)  # 404 and 405 are told to everybody
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1; nobody routes TRACE


class Site(Protocol):
    """What is served: an App, seen from here."""

    routes: Routes[Endpoint]
    sessions: Sessions
    debug: bool

    def scopes_at(self, path: str) -> tuple[Scope, ...]:
        """Whose error handlers and layers count for a path no route has, innermost first."""


def answering(site: Site, in_thread: InThread, now: Callable[[], float]) -> Send:
    """Return what answers requests: `async def answer(request) -> Response`. It never raises.

    in_thread: runs handlers that are `def`. now: seconds since 1970, for sessions.
    """
    literals = site.routes.literals
    service = _Service(site, in_thread, now)

    async def answer(request: Request) -> Response:
        methods = literals.get(request.target)
        endpoint = None if methods is None else methods.get(request.method)
        values = NO_VALUES
        if endpoint is None:
            endpoint, values = service.find(request)
        request.site, request.endpoint = service, endpoint
        try:
            if request._extras is not None:  # as below
                raise_left(request)
            if endpoint.guard is not None and request.method not in SAFE:
                await service.refuse_strangers(request, endpoint)
            if endpoint.looks:
                await service.look_ahead(request, endpoint)
            if endpoint.layers:
                response = await service.through_layers(request, endpoint, values)
            else:
                if not endpoint.is_async:
                    work = partial(call, endpoint.handler, 200, request, **values)
                    result = await opened_in_thread(in_thread, work)
                elif values:
                    result = await endpoint.handler(request, **values)
                else:
                    result = await endpoint.handler(request)
                if type(result) is not Response:
                    result = await service.response_of(result, request, endpoint.name)
                response = result
            if response.headers.first("set-cookie") is not None:
                response = without_shared_caching(response)
            if request._extras is not None:  # a property would cost each request a call
                response = await service.finished(request, response)
        except Exception as error:
            response = await service.failed(request, error, endpoint)
        request.site = None
        if request._extras is not None:
            request._extras["is_answered"] = True  # for copies, of which nobody else knows
        return response

    return answer


def intake_of(site: Site, request: Request) -> Intake:
    """Say how the content of a request is to be taken in; what will be refused is not read."""
    try:
        found = site.routes.find(request.method, request.path)
    except CrlfError:
        return NOTHING
    if not isinstance(found, Found):
        return NOTHING
    endpoint = found.endpoint
    if endpoint.guard is not None and request.method not in SAFE and endpoint.guard(request):
        return NOTHING
    options = endpoint.options
    if not options:
        return Intake(catcher=endpoint.catcher)
    way: Literal["streamed", "whole"] = "streamed" if options.get("streams") else "whole"
    limit, progress = options.get("body", AS_SET), options.get("progress")
    return Intake(way, limit, progress, endpoint.catcher)


class _Service:
    """A site while it is served."""

    __slots__ = ("_now", "_site", "in_thread")

    def __init__(self, site: Site, in_thread: InThread, now: Callable[[], float]) -> None:
        self._site = site
        self.in_thread = in_thread
        self._now = now

    async def response_of(
        self, result: object, request: Request, name: str, status_code: int = 200
    ) -> Response:
        """Make what a handler returned into a response."""
        if hasattr(result, "__await__"):  # from a `def` around an `async def`
            result = await result
        if isinstance(result, InFolder):
            response = await result.folder.answer(request, result.subpath, self.in_thread)
            if response.status_code == 404 and 404 not in result.folder.errors:
                raise Refused(404)  # so that the program's own page is shown
            return response
        pending = pending_in(result)
        if pending is not None and pending.waits:
            work = partial(response_of, result, name, status_code, request)
            return await opened_in_thread(self.in_thread, work)
        return response_of(result, name, status_code, request)

    # -- what stands before a handler

    async def refuse_strangers(self, request: Request, endpoint: Endpoint) -> None:
        """Raise Refused (403) for what a page of another site has sent."""
        guard = endpoint.guard
        why = "" if guard is None else guard(request)
        if not why and isinstance(guard, CrossSite) and guard.tokens:
            is_here = not endpoint.options.get("streams")
            check = partial(token_fault, request, guard, reads_form=is_here)
            waits_for = endpoint.sessions is not None and endpoint.sessions.opens_slowly
            why = await self.in_thread(check) if waits_for else check()
        if why:
            raise Refused(403, why)

    async def through_layers(
        self, request: Request, endpoint: Endpoint, values: Mapping[str, object]
    ) -> Response:
        """Answer by way of filters and what stands around. Never raises an Exception."""
        return await Passage(self, endpoint, values, self.in_thread).answer(request)

    async def handled(
        self, request: Request, endpoint: Endpoint, values: Mapping[str, object]
    ) -> Response:
        """Answer by the handler, for layers around it. Never raises an Exception."""
        try:
            if endpoint.is_async:
                result = await endpoint.handler(request, **values)
            else:
                work = partial(call, endpoint.handler, 200, request, **values)
                result = await opened_in_thread(self.in_thread, work)
            return await self.response_of(result, request, endpoint.name)
        except Exception as error:
            return await self.excused(request, error, endpoint)

    # -- sessions

    def open_session(self, request: Request) -> Session:
        """Read the session of a request's visitor, which was looked at."""
        if "is_answered" in request.extras:
            raise RuntimeError("a session belongs to a request that an application is answering")
        opener = self._opener(request)
        if opener.session is not None:
            return opener.session
        failure = request.extras.get("session_failure")
        if isinstance(failure, Exception):
            raise failure
        return opener.open()

    def _opener(self, request: Request) -> Opener:
        opener = request.extras.get("opener")
        if isinstance(opener, Opener):
            return opener
        endpoint = request.endpoint
        if not isinstance(endpoint, Endpoint) or endpoint.sessions is None:
            raise RuntimeError("no sessions here: the application was made with sessions=False")
        if (endpoint.is_async or endpoint.layers) and endpoint.sessions.opens_slowly:
            endpoint.looks = True  # from now on it is opened before, where that can be awaited
        opener = request.extras["opener"] = Opener(endpoint.sessions, request, self._now)
        return opener

    async def look_ahead(self, request: Request, endpoint: Endpoint) -> None:
        """Open the session for an `async def` handler that will look, without holding up the loop.

        What goes wrong is kept for the moment when it does look: it may not.
        """
        sessions = endpoint.sessions
        try:
            if sessions is not None and sessions.is_known(request):
                await self.in_thread(self._opener(request).open)
        except Exception as failure:
            request.extras["session_failure"] = failure

    async def finished(self, request: Request, response: Response) -> Response:
        """Return the response with what was noted on the way: session, Vary.

        One that cannot be had holds nothing open.
        """
        if "unkept" in request.extras:
            return self._unkept(request, response)
        try:
            opener = request.extras.get("opener")
            if isinstance(opener, Opener):
                keep = partial(opener.keep, response)
                response = await self.in_thread(keep) if opener.saves else keep()
        except BaseException:
            let_go(response.body)
            raise
        return with_vary(request, response)

    # -- routes that are there, and those that are not

    def find(self, request: Request) -> tuple[Endpoint, Mapping[str, object]]:
        """Find what answers a request; where no route does, something that says so."""
        path = request.target
        try:
            if path[:1] != "/" or "?" in path:
                path = request.path
            found = self._site.routes.find(request.method, path)
            if isinstance(found, Found):
                return found
            return self._missed(request, path, found), NO_VALUES
        except Exception as fault:
            faults = [fault]

        async def refuse(_: Request) -> Response:
            raise faults.pop()  # an error that its own traceback led to would stay in memory

        return self._own(refuse, path), NO_VALUES

    def _own(self, handler: Handler, path: str) -> Endpoint:
        """An endpoint for what no route answers."""
        scopes = self._site.scopes_at(path)
        sessions: Sessions | None = None
        for scope in scopes:  # a page below a prefix has those that the routes there have
            sessions = site_wide(sessions, getattr(scope.site, "sessions", None))
        return Endpoint(handler, "crlf", scopes, sessions, _FOR_ALL)

    def _missed(self, request: Request, path: str, missed: Missed) -> Endpoint:
        """Find what to say to a request that no route answers. Raises Refused for a refusal."""
        method, known = request.method, self._site.routes.methods
        if method == "CONNECT" or (method not in METHODS and method not in known):
            fields = [("connection", "close")] if method == "CONNECT" else None
            raise Refused(501, headers=fields)  # RFC 9110 9.1; 9.3.6: what follows is no HTTP
        allowed = missed.allowed
        if path == "*":
            allowed = tuple(sorted({*known, "OPTIONS"} | ({"HEAD"} if "GET" in known else set())))
        if allowed and method == "OPTIONS":
            answer = Response(204, [("allow", ", ".join(allowed)), NOSNIFF])
        elif allowed:
            raise Refused(405, headers=[("allow", ", ".join(allowed))])
        elif missed.variant is not None:
            _, mark, query = request.target.partition("?")
            answer = Response(308, [("location", missed.variant + mark + query), NOSNIFF])
        else:
            raise Refused(404)

        async def say(_: Request) -> Response:
            return answer

        return self._own(say, path)

    # -- what went wrong

    async def failed(self, request: Request, error: Exception, endpoint: Endpoint) -> Response:
        """Answer for an error, and finish with the request. Never raises an Exception."""
        response = await self.excused(request, error, endpoint)
        try:
            return await self.finished(request, response)
        except Exception as another:
            if not isinstance(another, Refused):
                _log(request, another)
            response = self._page(request, another, status_of(another, request))
            return self._unkept(request, response)

    async def excused(self, request: Request, error: Exception, endpoint: Endpoint) -> Response:
        """Answer for an error, with what the program has for it or a page. Never raises."""
        status_code = status_of(error, request)
        is_expected = status_code != 500 or any(
            scope.catchers.expects(error) for scope in endpoint.scopes
        )
        if not is_expected or (status_code == 503 and not isinstance(error, Refused)):
            _log(request, error)
        catcher = endpoint.catcher(error, status_code)
        try:
            if catcher is None:
                response = self._page(request, error, status_code)
            else:
                response = await self._caught(catcher, request, error, status_code)
        except Exception as another:
            is_expected = False
            if not isinstance(another, Refused):
                _log(request, another)
            response = self._page(request, another, status_of(another, request))
        if not is_expected:  # what was begun is dropped: the session's changes, work for later
            request.extras["unkept"] = True
            request.extras.pop("after_answer", None)
        return response

    def _unkept(self, request: Request, response: Response) -> Response:
        """Return a response that nobody foresaw: what was changed of the session is not kept."""
        opener = request.extras.get("opener")
        dropped = opener.drop(response) if isinstance(opener, Opener) else response
        return with_vary(request, dropped)

    async def _caught(
        self, catcher: Handler, request: Request, error: Exception, status_code: int
    ) -> Response:
        if waits(catcher):
            result = await catcher(request, error)
        else:
            work = partial(call, catcher, status_code, request, error)
            result = await opened_in_thread(self.in_thread, work)
        response = await self.response_of(result, request, name_of(catcher), status_code)
        response = with_its_fields(error, response)
        sets_cookie = response.headers.first("set-cookie") is not None
        return without_shared_caching(response) if sets_cookie else response

    def _page(self, request: Request, error: Exception, status_code: int) -> Response:
        return page_of(request, error, status_code, debug=self._site.debug)


def _log(request: Request, error: BaseException) -> None:
    """Write an error to the log, and where it came from."""
    import logging  # a program that makes no mistakes may never need it

    # A store that is out of order fails many requests alike: a line says it for each.
    trace = None if isinstance(error, StoreUnavailable) else error
    logging.getLogger(LOGGER).error("%s failed: %s", line_of(request), error, exc_info=trace)
