"""Layers: what stands around an application's handlers, sees each request and each answer.

A filter decides and cannot wait: a generator, the same as at the client (rules/filters.py). What
stands `around` may wait: an `async def`, or a plain generator whose every step runs in a thread
that nobody holds while the inner part answers. Its law: a layer is given a response whatever
happens within, and what it throws away is let go of.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextvars import Context, ContextVar, Token, copy_context
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from crlf.flow.bodies import Lent, close_if_it_can, let_go
from crlf.flow.filters import filtered
from crlf.message.body import Body
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.filters import Filter
from crlf.server.apps.handlers import Endpoint, Handler, Send, name_of, waits

MOST_ASKED: Final = 20  # answers that one layer may ask for one request; the client follows 20


class Layer(Protocol):
    """One that stands around handlers. name: of the program's function."""

    @property
    def name(self) -> str: ...

    async def answer(self, request: Request, inner: Send, in_thread: InThread) -> object:
        """Answer a request, by asking `inner` or without."""


class Service(Protocol):
    """What stands inside of all layers, and what they have in common."""

    async def handled(
        self, request: Request, endpoint: Endpoint, values: Mapping[str, object]
    ) -> Response:
        """Let the handler answer. Never raises an Exception."""

    async def response_of(self, result: object, request: Request, name: str) -> Response:
        """Make what a layer returned into a response."""

    async def excused(self, request: Request, error: Exception, endpoint: Endpoint) -> Response:
        """Answer for what a layer raised. Never raises an Exception."""


class Passage:
    """One request's way through the layers of its endpoint, and back."""

    __slots__ = ("_copies", "_endpoint", "_in_thread", "_service", "_values")

    def __init__(
        self,
        service: Service,
        endpoint: Endpoint,
        values: Mapping[str, object],
        in_thread: InThread,
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._values = values
        self._in_thread = in_thread
        self._copies: list[Request] = []  # that layers have made

    async def answer(self, request: Request) -> Response:
        """Answer the request. Never raises an Exception."""
        request.extras  # noqa: B018  # there from now on, and so shared by copies
        try:
            return await self._through(request, 0)
        finally:
            for copy in self._copies:
                copy.site = None  # as answering does with the request itself

    async def _through(self, request: Request, depth: int) -> Response:
        endpoint, service = self._endpoint, self._service
        if depth == len(endpoint.layers):
            return await service.handled(request, endpoint, self._values)
        layer: Layer = endpoint.layers[depth]

        async def send(changed: Request) -> Response:
            if changed is not request:
                self._copies.append(changed)
            return await self._through(changed, depth + 1)

        asking = _Asking(layer.name, request, send)
        try:
            result = await layer.answer(request, asking.ask, self._in_thread)
            if result is None:
                raise TypeError(f"{layer.name}() returned nothing, where its answer is wanted")
            if type(result) is Response:
                response = result
            else:
                response = await service.response_of(result, request, layer.name)
        except Exception as error:
            response = await service.excused(request, error, endpoint)
        except BaseException:
            asking.let_go()
            raise
        return asking.kept(response)


class _Asking:
    """What one layer asks for one request, and what it was given."""

    __slots__ = ("_given", "_name", "_request", "_send")

    def __init__(self, name: str, request: Request, send: Send) -> None:
        self._name = name
        self._request = request
        self._send = send
        self._given: list[Response] = []

    async def ask(self, request: Request) -> Response:
        """Send on what a layer sends on. Raises TypeError for what is no request."""
        if not isinstance(request, Request):
            raise TypeError(f"{self._name}() sent on a {type(request).__name__}, not a Request")
        if len(self._given) == MOST_ASKED:
            raise RuntimeError(f"{self._name}() asked {MOST_ASKED} times, and returned no answer")
        if request.site is None:  # one of the layer's own making
            request.site, request.endpoint = self._request.site, self._request.endpoint
            request._extras = self._request._extras
        response = await self._send(request)
        self._given.append(response)
        return response

    def kept(self, response: Response) -> Response:
        """Return the layer's response, and let go of what it was given and has no use for."""
        body = response.body
        for given in self._given:
            if given.body is body or isinstance(given.body, bytes):
                continue
            if isinstance(body, bytes):
                let_go(given.body)
            else:  # it may be made of what was given
                response = response.with_content(_Tied(body, given.body))
        return response

    def let_go(self) -> None:
        """Let go of all that it was given."""
        for given in self._given:
            let_go(given.body)


class _Tied:
    """A body that was put in the place of another, and is perhaps made of it: both are closed."""

    can_send_again = False

    def __init__(self, body: Body, other: Body) -> None:
        self.length = body.length
        self.waits = body.waits
        self.reads_files = body.reads_files or other.reads_files
        self._body = body
        self._other = other

    def chunks(self) -> Iterator[bytes]:
        """Yield the pieces."""
        return self._body.chunks()

    def chunks_async(self) -> AsyncIterator[bytes]:
        """Yield the pieces, waiting for each."""
        return self._body.chunks_async()

    def close(self) -> None:
        """Close both."""
        let_go(self._body)
        let_go(self._other)


# --- the three kinds -----------------------------------------------------------------------------


class Filtering(NamedTuple):
    """A filter: its steps run on the loop."""

    name: str
    filter: Filter

    async def answer(self, request: Request, inner: Send, in_thread: InThread) -> object:
        """Answer a request through the filter."""
        return await filtered((self.filter,), request, inner)


class Around(NamedTuple):
    """What waits: async def f(request, answer)."""

    name: str
    wrapper: Callable[[Request, Send], Awaitable[object]]

    async def answer(self, request: Request, inner: Send, in_thread: InThread) -> object:
        """Let it answer."""
        return await self.wrapper(request, inner)


class Stepping(NamedTuple):
    """A generator whose steps may block: each runs in a thread, one after the other."""

    name: str
    filter: Filter

    async def answer(self, request: Request, inner: Send, in_thread: InThread) -> object:
        """Answer a request through the generator."""
        steps = _Steps(self.filter, request)
        try:
            is_over, thing = await steps.next(None, in_thread)
            while not is_over:
                response = await inner(thing)
                is_over, thing = await steps.next(response, in_thread)
            return thing
        except Exception:
            steps.let_go()  # it raised, and has ended
            raise
        except BaseException:  # while it waited for an answer: its `finally` may block, too
            await in_thread(steps.let_go)
            raise


class _Steps:
    """A generator's steps, in threads, all in one context.

    What they set in it is set for the flow as well, and so for the handler: a thread is given a
    copy of the flow's context, whose changes nobody would see.
    """

    __slots__ = ("_context", "_lent", "_steps", "_tokens")

    def __init__(self, layer: Filter, request: Request) -> None:
        self._context: Context = copy_context()
        self._tokens: dict[ContextVar[Any], Token[Any]] = {}
        self._steps: Generator[Any, Any, Any] = layer(request)  # runs nothing yet
        self._lent = Lent(partial(self._context.run, close_if_it_can, self._steps))

    async def next(self, response: Response | None, in_thread: InThread) -> tuple[bool, Any]:
        """Take a step; return whether it was the last, and what it gave."""
        before = dict(self._context)
        outcome = await in_thread(lambda: self._lent.use(lambda: self._step(response)))
        self._tell(before)
        return outcome

    def _step(self, response: Response | None) -> tuple[bool, Any]:
        try:
            return False, self._context.run(self._steps.send, response)
        except StopIteration as done:
            return True, done.value

    def _tell(self, before: dict[ContextVar[Any], Any]) -> None:
        """Set for the flow what the step has set, and forget what it has reset."""
        after = dict(self._context)
        for variable, value in after.items():
            if variable not in before or before[variable] is not value:
                token = variable.set(value)
                self._tokens.setdefault(variable, token)
        for variable in before.keys() - after.keys():
            token_of_ours = self._tokens.pop(variable, None)
            if token_of_ours is not None:
                variable.reset(token_of_ours)

    def let_go(self) -> None:
        """Close it, now or after the step under way."""
        self._lent.let_go()


# --- registration --------------------------------------------------------------------------------


def filter_layer(function: Handler) -> Layer:
    """Make a layer of a filter. Raises TypeError for anything else."""
    name = name_of(function)
    if not _yields(function):
        raise TypeError(
            f"{name}() is no filter: that is a generator function of a request, with "
            f"`response = yield request` and `return response`; what waits is for @app.around"
        )
    _check_parameters(function, name, "request")
    return Filtering(name, function)


def around_layer(function: Handler) -> Layer:
    """Make a layer of what stands around. Raises TypeError for anything else."""
    name = name_of(function)
    if _yields(function):
        _check_parameters(function, name, "request")
        return Stepping(name, function)
    if not waits(function):
        raise TypeError(
            f"{name}() cannot stand around: that is `async def {name}(request, answer)`, or a "
            f"generator function of a request, whose steps run in a thread"
        )
    _check_parameters(function, name, "request", "answer")
    return Around(name, function)


def _yields(function: Handler) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(
        getattr(function, "__call__", None)  # noqa: B004  # of an object, its own
    )


def _check_parameters(function: Handler, name: str, *given: str) -> None:
    try:
        inspect.signature(function).bind(*given)
    except ValueError:
        return  # written in C; it says nothing of itself
    except TypeError:
        raise TypeError(f"{name}() has to take ({', '.join(given)}) and no more") from None
