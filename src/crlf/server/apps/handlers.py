"""Handlers: the functions of a program that answer requests, and what is known of each.

A handler is looked at once, when it is registered: whether it waits, and whether it takes what
its route has to give. Its law: a handler that could not be called is refused then, by name, and
not when the first visitor comes.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, TypedDict, TypeVar

from crlf.message.body import IterableBody
from crlf.message.errors import (
    BadParameter,
    CrlfError,
    Malformed,
    RemoteError,
    StoreUnavailable,
    TimedOut,
    TooLarge,
)
from crlf.message.message import Message
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.crosssite import DEFAULT
from crlf.rules.sessions import Sessions
from crlf.server.apps.answers import Refused, pending_in, response_of
from crlf.server.apps.sessions import site_wide

Handler = Callable[..., Any]  # of a request, and what its route gives by name
H = TypeVar("H", bound=Handler)
Send = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Request], str]  # why a request is refused; "" when it is not

_OF_MANY: Final = (Refused, CrlfError)
# Where in crlf an error came from: the visitor's message was read ...
_READING: Final = ("crlf.message.request", "crlf.message.params")
# ... or one of our own was made, which is never the visitor's fault.
_WRITING: Final = (
    "crlf.client",
    "crlf.message.headers",
    "crlf.message.response",
    "crlf.rules.sessions",
    "crlf.server.apps.answers",
)
_MAKING: Final = ("Request.__init__", "Request.with", "Request.redirected", "SetCookie.")


class Catchers:
    """An application's handlers for errors, by exception and by status."""

    __slots__ = ("by_kind", "by_status")

    def __init__(self) -> None:
        self.by_kind: dict[type[BaseException], Handler] = {}
        self.by_status: dict[int, Handler] = {}

    def add(self, what: object, handler: Handler) -> None:
        """Let a handler answer for an error: a status, or a class of exceptions."""
        if isinstance(what, int):
            self.by_status[what] = handler
        elif isinstance(what, type) and issubclass(what, Exception):
            self.by_kind[what] = handler

    def find(self, error: Exception, status_code: int) -> Handler | None:
        """Pick the handler for an error: by its class, by its status, by a class of many.

        A status is more exact than Refused and CrlfError, which have many. A handler for
        Exception is meant for what nobody expected, so it is not asked about 404.
        """
        for kind in type(error).__mro__:
            if kind in _OF_MANY and status_code in self.by_status:
                break
            if kind is Exception and status_code != 500:
                break
            if kind in self.by_kind:
                return self.by_kind[kind]
        return self.by_status.get(status_code)

    def expects(self, error: Exception) -> bool:
        """Whether a handler is for this very kind of error, so that it is no accident."""
        return any(kind in self.by_kind for kind in type(error).__mro__ if kind is not Exception)


class Scope:
    """What one application says for all its routes.

    catchers: its handlers for errors. layers: what stands around its handlers, the outermost
    first (layers.py). guard: refuses what comes from a stranger's page (rules/crosssite.py);
    DEFAULT where it was told nothing, so that an outer application's counts.
    templates: what its pages are made of. site: the application itself.
    """

    __slots__ = ("catchers", "guard", "layers", "site", "templates")

    def __init__(self, site: object) -> None:
        self.site = site
        self.catchers = Catchers()
        self.layers: list[Any] = []
        self.guard: Guard | None = DEFAULT
        self.templates: Any = None


class RouteOptions(TypedDict, total=False):
    """What a route may say beside its path and its methods.

    name: for `url`; the handler's by default. body: bytes of content that it takes, None for
    any number; the server's limit by default, 16 MiB. streams: the handler reads the content
    itself, as it comes, by request.pieces() or request.parts(). progress: called while a form
    comes, with the request and a Progress. cross_site: pages of other sites may send to it.
    """

    name: str
    body: int | None
    streams: bool
    progress: Callable[..., object]
    cross_site: bool


NO_OPTIONS: Final = RouteOptions()


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


# What each option may be, and in words for whoever gave it something else.
_OPTIONS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "name": (lambda value: isinstance(value, str) and value != "", "a text that is not empty"),
    "body": (
        lambda value: value is None or (type(value) is int and value >= 0),
        "a whole number of bytes, or None for any number",
    ),
    "streams": (_is_flag, "True or False"),
    "progress": (callable, "a function"),
    "cross_site": (_is_flag, "True or False"),
}


class Endpoint:
    """What answers a route: a handler, and the applications that it belongs to.

    scopes: theirs, the innermost application's first. sessions: those of the outermost one that
    was told where to keep them. is_async: it waits by itself; otherwise it is run in a thread.
    guard: what refuses strangers' pages, unless it is for them. layers: what stands around the
    handler, the outermost first. looks: the handler is known to look at the session.
    """

    __slots__ = (
        "guard", "handler", "is_async", "layers", "looks", "name", "options", "scopes", "sessions",
    )  # fmt: skip

    def __init__(
        self,
        handler: Handler,
        name: str,
        scopes: tuple[Scope, ...] = (),
        sessions: Sessions | None = None,
        options: RouteOptions = NO_OPTIONS,
    ) -> None:
        self.handler = handler
        self.name = name
        self.is_async = waits(handler)
        self.scopes = scopes
        self.sessions = sessions
        self.options = options
        self.looks = False
        self.layers: tuple[Any, ...] = ()
        self.compose()
        self.guard = None
        if scopes and not options.get("cross_site"):
            told = (scope.guard for scope in scopes if scope.guard is not DEFAULT)
            self.guard = next(told, DEFAULT)  # of the innermost that was told anything

    def compose(self) -> None:
        """Stand inside the layers that the applications have by now."""
        self.layers = tuple(layer for scope in reversed(self.scopes) for layer in scope.layers)

    def within(self, scope: Scope, sessions: Sessions | None) -> Endpoint:
        """The same, in one more application; the outer one's sessions are those of the site."""
        scopes = (*self.scopes, scope)
        shared = site_wide(self.sessions, sessions)
        return Endpoint(self.handler, self.name, scopes, shared, self.options)

    def catcher(self, error: Exception, status_code: int) -> Handler | None:
        """Pick the handler for an error, of the innermost application that has one."""
        found = (scope.catchers.find(error, status_code) for scope in self.scopes)
        return next((handler for handler in found if handler is not None), None)


def waits(handler: Handler) -> bool:
    """Tell whether calling a handler gives something to wait for."""
    if inspect.iscoroutinefunction(handler):
        return True
    return inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def call(
    handler: Handler, status_code: int, request: Request, /, *others: object, **values: object
) -> object:
    """Call a handler in its thread; StopIteration would never get through to who awaits it.

    What is Pending becomes a response while we are here. A generator of the handler's may wait as
    it might itself, and so is asked for its pieces in a thread too.
    """
    try:
        result = handler(request, *others, **values)
        if pending_in(result) is not None:
            result = response_of(result, name_of(handler), status_code, request)
    except StopIteration as stop:
        raise RuntimeError(f"{name_of(handler)}() let StopIteration escape") from stop
    if isinstance(result, Response) and isinstance(result.body, IterableBody):
        result.body.reads_files = not result.body.can_send_again
    return result


def name_of(handler: Handler) -> str:
    """The name that a handler has when it is given no other."""
    return str(getattr(handler, "__name__", type(handler).__name__))


def check_handler(handler: Handler, given: Iterable[str], pattern: str) -> None:
    """Raise TypeError unless a handler can be called with a request and these values by name."""
    name = name_of(handler)
    if not callable(handler):
        raise TypeError(f"{pattern} needs a function to answer it, not {handler!r}")
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise TypeError(f"{name}() yields; return stream(...) of a generator instead")
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return  # written in C; it says nothing of itself
    given = tuple(given)
    kinds = [parameter.kind for parameter in parameters]
    if not kinds or kinds[0] in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        raise TypeError(f"{name}() takes no request, which is what comes first")
    if parameters[0].name in given:
        raise TypeError(f"{name}() takes {parameters[0].name!r} first, where the request comes")
    others = parameters if kinds[0] is inspect.Parameter.VAR_POSITIONAL else parameters[1:]
    by_name = {
        parameter.name: parameter
        for parameter in others
        if parameter.kind
        in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        untaken = [value for value in given if value not in by_name]
        if untaken:
            raise TypeError(f"{name}() does not take {untaken[0]!r}, which {pattern} gives")
    for parameter in others:
        optional = parameter.default is not inspect.Parameter.empty or parameter.kind in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        if not optional and (parameter.name not in given or parameter.name not in by_name):
            raise TypeError(f"{name}() wants {parameter.name!r}, which {pattern} does not give")


def check_route(pattern: object, options: Mapping[str, object]) -> None:
    """Raise TypeError, ValueError unless a route has a path, and options that there are.

    One that is misspelt would be a limit that nobody keeps, or a guard that is not there.
    """
    if not isinstance(pattern, str):
        raise TypeError(f'a route begins with its path, as in @app.get("/part"); not {pattern!r}')
    for option, value in options.items():
        if option == "methods":
            raise TypeError(f'methods are named by @app.route("{pattern}", methods=[...])')
        if option not in _OPTIONS:
            raise TypeError(f"no route has an option {option!r}; there are {', '.join(_OPTIONS)}")
        fits, wanted = _OPTIONS[option]
        if not fits(value):
            raise TypeError(f"{option} of {pattern} is {wanted}, not {value!r}")


def check_caught(what: object) -> None:
    """Raise TypeError, ValueError for what no error handler can be for."""
    if isinstance(what, int):
        if not 400 <= what <= 599:
            raise ValueError(f"{what} is the status of no error: that is 400 to 599")
    elif not isinstance(what, type) or not issubclass(what, Exception):
        raise TypeError(f"on_error takes a status or an exception, not {what!r}")


def check_catcher(handler: Handler) -> None:
    """Raise TypeError unless an error handler can be called with a request and an error."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        if callable(handler):
            return  # written in C; it says nothing of itself
        raise
    try:
        signature.bind(None, None)
    except TypeError:
        name = name_of(handler)
        raise TypeError(f"{name}() has to take the request and the error, in this order") from None


def is_of_content(error: Exception, request: Request) -> bool:
    """Whether an error is of the request's own content, which its handler was reading."""
    return getattr(request.body, "fault", None) is error


def status_of(error: Exception, request: Request) -> int:
    """The status that an error out of a handler is answered with; 500 when it is our fault.

    Malformed and TooLarge are the visitor's fault when Request or Params read what he sent, or a
    parser that the handler called, or when the handler raised them itself; they are ours when a
    field of an answer would not do, or when another server sent it.
    """
    if isinstance(error, Refused):
        return error.status_code
    if isinstance(error, StoreUnavailable):
        return 503
    if is_of_content(error, request):
        if isinstance(error, RemoteError | TooLarge):
            return error.status_code
        return 408 if isinstance(error, TimedOut) else 400
    if isinstance(error, Malformed | TooLarge) and 400 <= error.status_code <= 499:
        return error.status_code if _is_of_the_request(error) else 500
    return 500


def _is_of_the_request(error: Exception) -> bool:
    if isinstance(error, BadParameter):
        return True
    frame: TracebackType | None = error.__traceback__
    while frame is not None:
        module = str(frame.tb_frame.f_globals.get("__name__"))
        function = frame.tb_frame.f_code.co_qualname
        if module.startswith(_WRITING) or function.startswith(_MAKING):
            return False
        if module in _READING:
            return True
        if frame.tb_frame.f_code is Message.json.__code__:
            return isinstance(frame.tb_frame.f_locals.get("self"), Request)
        frame = frame.tb_next
    return True
