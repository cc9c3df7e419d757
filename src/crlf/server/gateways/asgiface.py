"""The other way round: an App as an ASGI application, for uvicorn, granian, hypercorn and tests.

The host reads and writes, crlf does what is between: content is read under crlf's limits, forms
go to disk as they arrive, answers are the same as on crlf's own server. Its law: what crlf's
engine would have refused is refused here, however lenient the host was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from crlf.flow.afterwards import Afterwards
from crlf.flow.bodies import PartSource, let_go, read_whole, refuse_over, send_body
from crlf.flow.forms import is_form_data, read_form
from crlf.flow.intake import AS_SET, WHOLE, AskIntake
from crlf.flow.streamed import StreamedContent
from crlf.flow.telling import Telling, Told
from crlf.message.authority import parse_authority
from crlf.message.errors import Malformed, ReadFailed, RemoteError, TooLarge
from crlf.message.facts import Draining
from crlf.message.grammar import is_token, parse_digits
from crlf.message.headers import Headers
from crlf.message.percent import percent_encode
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.message.target import parse_target
from crlf.net.aio import from_threads, in_thread, spawn, turn_once, wall
from crlf.net.draining import Drain
from crlf.net.interrupt import is_cancelled
from crlf.net.saving import Saving
from crlf.net.spool import Spool
from crlf.net.tasks import unless, within
from crlf.ports import InThread
from crlf.rules.deadlines import DEFAULT_PATIENCE
from crlf.rules.pages import error_response
from crlf.wire.h1.framing import request_facts
from crlf.wire.limits import SERVER_LIMITS, Limits
from crlf.wire.multipart import MultipartLimits
from crlf.wire.parts import END, Data, Part

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATH: Final = "-._~!$&'()*+,;=:@/"  # RFC 3986 3.3: what a path may have as it is
_OF_THE_HOST: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})


class Sender(Protocol):
    """What can be served so: an App."""

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]: ...


class AsgiFace:
    """An application as ASGI 3 calls it.

    limits: what a client may make us read; deadlines are the host's.
    """

    def __init__(self, app: Sender, limits: Limits = SERVER_LIMITS) -> None:
        self._app = app
        self._limits = limits
        self._answer: Callable[[Request], Awaitable[Response]] | None = None
        self._spool = Spool(quota=limits.spool)
        self._draining = Drain()
        self._afterwards = Afterwards(in_thread, spawn, is_cancelled)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what a scope stands for: a request, or the life of the application."""
        kind = scope["type"]
        if kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})  # before accept: a 403
        else:
            raise ValueError(f"crlf serves no {kind!r}")

    # -- the application's life

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        begin, finish = getattr(self._app, "begin", None), getattr(self._app, "finish", None)
        try:
            if begin is not None:
                await begin()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._draining.begin()
        await within(DEFAULT_PATIENCE.drain, self._afterwards.finish())
        if finish is not None:
            await finish()
        await send({"type": "lifespan.shutdown.complete"})

    # -- a request

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._answer is None:
            self._answer = self._app.sender(in_thread, wall)
        request = None
        try:
            try:
                request = request_of(scope, self._draining, self._limits)
                request = await self._with_content(request, scope, receive)
                response = await self._answer(request)
            except (RemoteError, Malformed, TooLarge) as fault:
                response = _refusal(fault, request)
            except ReadFailed:
                return  # nobody is there to be answered
            try:
                await _say(response, scope, send, None if _is_read(request) else receive)
            finally:
                if request is not None:
                    self._afterwards.begin(request)  # though nobody may have read the answer
        finally:
            _let_go_of_files(request)

    async def _with_content(self, request: Request, scope: Scope, receive: Receive) -> Request:
        """Take in a request's content as the application says; return the request with it."""
        length = request.headers.first("content-length")
        if (
            length is None
            and "transfer-encoding" not in request.headers
            and scope["http_version"] in ("1.0", "1.1")
        ):
            return request
        ask: AskIntake | None = getattr(self._app, "intake", None)
        intake = WHOLE if ask is None else ask(request)
        if intake.way == "none":
            return request
        limit = self._limits.body if intake.limit == AS_SET else intake.limit
        total = None if length is None else parse_digits(length)
        if total == 0:
            return request
        try:
            refuse_over(limit, total)
        except TooLarge as fault:
            if intake.leaves(request, fault):
                return request
            raise
        telling = None if intake.progress is None else Telling(intake.progress, request, total)
        content = _Content(receive)
        if intake.way == "streamed":
            if telling is not None:
                telling.begin()
            return request.with_body(self._as_it_comes(request, content, limit, telling))
        if telling is None:
            return await self._here(request, content, limit)
        try:
            telling.begin()
            request = await self._here(request, Told(content, telling), limit)
        except BaseException:
            telling.finish(failed=True)
            raise
        telling.finish()
        return request

    def _as_it_comes(
        self, request: Request, content: _Content, limit: int | None, telling: Telling | None
    ) -> StreamedContent:
        """Return the content for a handler that reads it."""
        received = 0

        async def next_piece() -> bytes | None:
            nonlocal received
            part = await content.next_part(None)
            if type(part) is not Data:
                return None
            received += len(part.data)
            refuse_over(limit, received)
            return part.data

        return StreamedContent(
            next_piece, request.headers, MultipartLimits.of(self._limits), in_thread,
            from_threads(), Saving, telling, spawn,
        )  # fmt: skip

    async def _here(self, request: Request, content: PartSource, limit: int | None) -> Request:
        """Return the request with its content, whole or as a form."""
        if is_form_data(request.headers):
            form, files = await read_form(
                content, request.headers, limit, self._spool, _never, in_thread,
                MultipartLimits.of(self._limits), spawn,
            )  # fmt: skip
            return request.with_form(form, files)
        whole, _ = await read_whole(content, limit, _never)
        return request.with_content(whole)


def request_of(scope: Scope, draining: Draining, limits: Limits = SERVER_LIMITS) -> Request:
    """Make the request that a scope describes; its content is still to be received.

    Raises Malformed and TooLarge for what crlf's own engine refuses.
    """
    method, target = scope["method"], _target_of(scope)
    _refuse_large(method, target, scope["headers"], limits)
    headers = Headers(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    hosts = headers.get_all("host")
    if len(hosts) > 1:
        raise Malformed("more than one Host field", "RFC 9112 3.2")
    if hosts:
        parse_authority(hosts[0])
    elif scope["http_version"] == "1.1":
        raise Malformed("HTTP/1.1 request without a Host field", "RFC 9112 3.2")
    if not is_token(method):
        raise Malformed("method is not a token", "RFC 9112 3.1")
    parse_target(target, method)
    version = "1.0" if scope["http_version"] == "1.0" else "1.1"
    request_facts(headers, version)  # the host has framed it, by whichever of two lengths
    peer, local = scope.get("client"), scope.get("server")
    received = Received(
        scope.get("scheme") or "http",
        None if not peer else (str(peer[0]), int(peer[1] or 0)),
        None if not local or local[1] is None else (str(local[0]), int(local[1])),
        draining=draining,
        is_unix=not peer,
    )
    return Request.received((method, target, headers, version), b"", received)


def _refuse_large(
    method: str, target: str, fields: Iterable[tuple[bytes, bytes]], limits: Limits
) -> None:
    """Raise TooLarge for a head that crlf's own engine would not have read."""
    line = len(method) + len(target) + len("  HTTP/1.1")
    if line > limits.line:
        raise TooLarge("line", limits.line, 414, "RFC 9112 3")
    sizes = [len(name) + len(value) + len(": ") for name, value in fields]
    if len(sizes) > limits.fields:
        raise TooLarge("fields", limits.fields, 431, "RFC 9110 5.4")
    if sizes and max(sizes) > limits.field:
        raise TooLarge("field", limits.field, 431, "RFC 9110 5.4")
    if line + sum(sizes) > limits.head:
        raise TooLarge("head", limits.head, 431, "RFC 9110 5.4")


def _target_of(scope: Scope) -> str:
    """Put the target together, without what the application is mounted at."""
    raw = scope.get("raw_path")
    path = percent_encode(scope["path"], _PATH) if raw is None else raw.decode("latin-1")
    path = path.partition("?")[0]  # some hosts leave the query in it
    root = percent_encode(scope.get("root_path") or "", _PATH).rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :] or "/"
    query = scope.get("query_string") or b""
    return f"{path}?{query.decode('latin-1')}" if query else path


def _never() -> None:
    """There is no deadline: the host has its own."""


class _Content:
    """A request's content as the parts that crlf reads."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def next_part(self, deadline: float | None) -> Part:
        """Return the next content, or its end. Raises ReadFailed when the client is gone."""
        while not self._ended:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ReadFailed("the client is gone", phase="read")
            self._ended = not message.get("more_body", False)
            data = message.get("body", b"")
            if data:
                return Data(bytes(data))
        return END


class _Sink:
    """An answer's content on its way to the host."""

    sends_files = False

    def __init__(self, send: Send) -> None:
        self._send = send
        self._message: Message | None = None

    def send(self, part: Part) -> None:
        """Take a part."""
        data = part.data if type(part) is Data else b""
        self._message = {"type": "http.response.body", "body": data, "more_body": part is not END}

    async def flush(self, deadline: float | None) -> None:
        """Hand it on."""
        message, self._message = self._message, None
        if message is not None:
            await self._send(message)
            # Some hosts take everything at once when the client is gone: a body without end that
            # never waits would keep the loop for itself, and nobody could notice.
            await turn_once()

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Raise RuntimeError: nobody asks for it."""
        raise RuntimeError("a host of ASGI is given bytes")


async def _say(response: Response, scope: Scope, send: Send, receive: Receive | None) -> None:
    """Say a response in ASGI's words.

    receive: tells when the client is gone, which `send` does not under every host: who goes on
    without end would never know. None where the content is still read by it.
    """
    body, status_code = response.body, response.status_code
    length = len(body) if isinstance(body, bytes) else body.length
    has_content = scope["method"] != "HEAD" and status_code not in (204, 205, 304)
    is_new = scope["http_version"] not in ("1.0", "1.1")
    fields = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers.fields
        if not (is_new and name.lower() in _OF_THE_HOST)  # RFC 9113 8.2.2
        and name.lower() != "date"  # hosts write it beside ours, and there is one (RFC 9110 6.6.1)
    ]
    if length is not None and "content-length" not in response.headers:
        if status_code == 205:
            fields.append((b"content-length", b"0"))
        elif status_code not in (204, 304):
            fields.append((b"content-length", b"%d" % length))
    try:
        await send({"type": "http.response.start", "status": status_code, "headers": fields})
    except BaseException:
        let_go(body)
        raise
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": body if has_content else b""})
    elif has_content:
        sending = send_body(_Sink(send), body, _never, in_thread)
        if body.length is not None or receive is None:
            await sending
        else:
            # Who has only closed his side may still read, but is as good as gone for some hosts
            # once they are asked: what does not take long is said before.
            await unless(sending, partial(_is_gone, receive), DEFAULT_PATIENCE.linger)
    else:
        let_go(body)
        await send({"type": "http.response.body", "body": b""})


def _is_read(request: Request | None) -> bool:
    """Whether the handler reads the request's content as it comes, perhaps while it answers."""
    return request is not None and not isinstance(request.body, bytes)


async def _is_gone(receive: Receive) -> bool:
    """Wait until the client is gone; False when the host has more to say of the request."""
    message = await receive()
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()  # content that nobody reads
    if message["type"] == "http.request":
        message = await receive()
    return bool(message["type"] == "http.disconnect")


def _refusal(fault: RemoteError | Malformed | TooLarge, request: Request | None) -> Response:
    """Say which rule or limit was broken and close, as crlf's own server does."""
    sentence = fault.brief if isinstance(fault, TooLarge) else fault.reason
    accept = "" if request is None else request.headers.get("accept", "")
    response = error_response(fault.status_code, sentence, fault.rule, accept)
    return response.with_field("connection", "close")


def _let_go_of_files(request: Request | None) -> None:
    """Close what came with a request; what is not saved is gone."""
    if request is None:
        return
    held = request.body if isinstance(request.body, StreamedContent) else request.files
    close = getattr(held, "close", None)
    if close is not None:
        close()
