"""Answering: one request through an application, from its route to its response.

Handlers are `async def`, called where they are, or `def`, called in a thread. A path without
slots costs one look into a table; everything else happens only when it is asked for. Its law:
whatever a handler does, the answer is a response; what went wrong goes to the log and never to
the visitor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from crlf.flow.bodies import let_go, opened_in_thread
from crlf.message.body import IterableBody
from crlf.message.errors import BadUrl, Malformed, TooLarge
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.pages import NOSNIFF, error_response
from crlf.rules.routes import METHODS, NO_VALUES, Found, Missed, Routes
from crlf.rules.sessions import Opener, SignedSessions, is_loopback, without_shared_caching
from crlf.server.apps.answers import FileAnswer, InFolder, Refused, response_of
from crlf.server.apps.handlers import Catchers, Endpoint, Handler, Send, name_of, status_of, waits

LOGGER: Final = "crlf.server"


class Site(Protocol):
    """What is served: an App, seen from here."""

    routes: Routes[Endpoint]
    sessions: SignedSessions | None
    debug: bool

    def catchers_at(self, path: str) -> tuple[Catchers, ...]:
        """Whose error handlers count for a path that no route has, innermost first."""


def answering(site: Site, in_thread: InThread, now: Callable[[], float]) -> Send:
    """Return what answers requests: `async def answer(request) -> Response`. It never raises.

    in_thread: runs handlers that are `def`. now: seconds since 1970, for sessions.
    """
    literals = site.routes.literals
    service = _Service(site, in_thread)

    async def answer(request: Request) -> Response:
        methods = literals.get(request.target)
        endpoint = None if methods is None else methods.get(request.method)
        values = NO_VALUES
        if endpoint is None:
            endpoint, values = service.find(request)
        opener = None
        if endpoint.sessions is not None:
            opener = request.extras["session"] = Opener(endpoint.sessions, request, now)
        try:
            if not endpoint.is_async:
                result = await in_thread(partial(_call, endpoint.handler, request, **values))
            elif values:
                result = await endpoint.handler(request, **values)
            else:
                result = await endpoint.handler(request)
            if type(result) is not Response:
                result = await service.response_of(result, request, endpoint.name)
            if result.headers.first("set-cookie") is not None:
                result = without_shared_caching(result)
            return result if opener is None else service.kept(opener, result)
        except Exception as error:
            return await service.failed(request, error, endpoint, opener)

    return answer


class _Service:
    """A site while it is served."""

    __slots__ = ("_in_thread", "_site")

    def __init__(self, site: Site, in_thread: InThread) -> None:
        self._site = site
        self._in_thread = in_thread

    async def response_of(
        self, result: object, request: Request, name: str, status_code: int = 200
    ) -> Response:
        """Make what a handler returned into a response."""
        if hasattr(result, "__await__"):  # from a `def` around an `async def`
            result = await result
        if isinstance(result, InFolder):
            response = await result.folder.answer(request, result.subpath, self._in_thread)
            if response.status_code == 404 and 404 not in result.folder.errors:
                raise Refused(404)  # so that the program's own page is shown
            return response
        if isinstance(result, FileAnswer):
            return await opened_in_thread(self._in_thread, partial(result.response, request))
        return response_of(result, name, status_code)

    def kept(self, opener: Opener, response: Response) -> Response:
        """Return the response with the session in it; one that cannot be had holds nothing open."""
        try:
            return opener.keep(response)
        except BaseException:
            let_go(response.body)
            raise

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
        return Endpoint(handler, "crlf", self._site.catchers_at(path), self._site.sessions)

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

    async def failed(
        self, request: Request, error: Exception, endpoint: Endpoint, opener: Opener | None
    ) -> Response:
        """Answer for an error, with what the program has for it or a page. Never raises."""
        status_code = status_of(error)
        expected = status_code != 500 or any(each.expects(error) for each in endpoint.catchers)
        if not expected:
            _log(request, error)
        catcher = endpoint.catcher(error, status_code)
        try:
            if catcher is None:
                response = self._page(request, error, status_code)
            else:
                response = await self._caught(catcher, request, error, status_code)
            if opener is None:
                return response
            return self.kept(opener, response) if expected else opener.drop(response)
        except Exception as another:
            if not isinstance(another, Refused):
                _log(request, another)
            response = self._page(request, another, status_of(another))
            return response if opener is None else opener.drop(response)

    async def _caught(
        self, catcher: Handler, request: Request, error: Exception, status_code: int
    ) -> Response:
        if waits(catcher):
            result = await catcher(request, error)
        else:
            result = await self._in_thread(partial(_call, catcher, request, error))
        response = await self.response_of(result, request, name_of(catcher), status_code)
        sets_cookie = response.headers.first("set-cookie") is not None
        return without_shared_caching(response) if sets_cookie else response

    def _page(self, request: Request, error: Exception, status_code: int) -> Response:
        accept = request.headers.get("accept")
        if isinstance(error, Refused):
            return error_response(status_code, error.reason, "", accept, headers=error.headers)
        if status_code != 500 and isinstance(error, Malformed | TooLarge):
            sentence = error.reason if isinstance(error, Malformed) else error.brief
            return error_response(status_code, sentence, error.rule, accept)
        detail = ""
        if self._site.debug and _is_from_here(request):
            import traceback  # only an error page needs it

            detail = "".join(traceback.format_exception(error))
        return error_response(status_code, accept=accept, detail=detail)


def _call(handler: Handler, /, *arguments: object, **values: object) -> object:
    """Call a handler in its thread; StopIteration would never get through to who awaits it.

    A generator of its may wait as it might itself, and so is asked for its pieces in a thread too.
    """
    try:
        result = handler(*arguments, **values)
    except StopIteration as stop:
        raise RuntimeError(f"{name_of(handler)}() let StopIteration escape") from stop
    if isinstance(result, Response) and isinstance(result.body, IterableBody):
        result.body.reads_files = not result.body.can_send_again
    return result


def _log(request: Request, error: BaseException) -> None:
    """Write an error and where it came from to the log, without the query, which has secrets."""
    import logging  # a program that makes no mistakes may never need it

    path = ascii(request.target.partition("?")[0][:200])[1:-1]
    where = f"{ascii(request.method[:20])[1:-1]} {path}"
    logging.getLogger(LOGGER).error("%s failed: %s", where, error, exc_info=error)


def _is_from_here(request: Request) -> bool:
    """Tell whether a request comes from this machine and is for it, so may see its insides."""
    try:
        peer = request.peer
        if peer is None:
            is_near = request.received_how.is_inside
        else:
            is_near = is_loopback(peer[0])
        return is_near and is_loopback(request.url.host)
    except BadUrl:
        return False
