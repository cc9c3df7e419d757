"""One request and its response on a client's connection.

The request goes out, the response comes back; the two may overlap, since a server may answer
before it has read everything. Whatever goes wrong, what is returned is a whole response or
an error, never half of one taken for the whole.
"""

from __future__ import annotations

from collections.abc import Callable

from crlf.flow.bodies import read_whole, refuse_over, send_body
from crlf.flow.budget import Budget
from crlf.flow.connection import PIECE, Connection, write_large
from crlf.message.body import IterableBody
from crlf.message.errors import LocalError, ReadTimeout, TransportError, WriteFailed
from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.wire.h1.client import ClientEngine
from crlf.wire.parts import Part, RequestHead, ResponseHead

ClientConnection = Connection[ClientEngine]
_DEAF = 4 * 1024 * 1024  # bytes of a file that are sent before we look for an early answer
_CONTINUE_WAIT = 1.0  # seconds; RFC 9110 10.1.1 wants no client to wait for ever, curl waits 1


async def send_request(
    connection: ClientConnection, request: Request, budget: Budget, in_thread: InThread
) -> ResponseHead | None:
    """Send a request, or as much of it as the server wants to see.

    Returns the final response's head if that came before all of the request was out.
    Raises LocalError, RemoteError, WriteTimeout, WriteFailed, and what a body raises.
    """
    body = request.body
    engine = connection.engine
    if isinstance(body, bytes) and not (body and _expects_continue(request.headers)):
        engine.send_whole(request, body)
        data = engine.outgoing()
        try:
            if len(data) <= PIECE:
                await connection.stream.write(data, budget.write())
            else:
                await write_large(connection.stream, data, budget.write)
        except WriteFailed as fault:
            return await _excuse_early_answer(connection, budget, fault)
        return None
    if isinstance(body, bytes):
        body = IterableBody((body,), len(body))
    headers = request.headers
    if "content-length" not in headers and "transfer-encoding" not in headers:
        if body.length is None:
            headers = headers.adding("transfer-encoding", "chunked")
        else:
            headers = headers.adding("content-length", str(body.length))
    watched = _Watched(connection, budget)
    try:
        watched.send(RequestHead(request.method, request.target, headers))
        if _expects_continue(headers):
            await connection.flush(budget.write())
            head = await _await_continue(connection, budget)
            if head is not None:
                return head
        else:
            await watched.flush(budget.write())
        await send_body(watched, body, budget.write, in_thread)
    except _Unwanted:
        pass
    except WriteFailed as fault:
        if watched.head is None:
            return await _excuse_early_answer(connection, budget, fault)
    return watched.head


def _expects_continue(headers: Headers) -> bool:
    expected = headers.first("expect")
    return expected is not None and expected.lower() == "100-continue"


class _Unwanted(Exception):
    """The server has answered and wants no more of the request. Never leaves this module."""


class _Watched:
    """A connection that listens while it sends.

    RFC 9112 9.5: a client that sees an error response on its way stops at once. An interim
    response means nothing of the kind, and a server may well answer while it reads.

    head: of the final response, once that has come.
    """

    def __init__(self, connection: ClientConnection, budget: Budget) -> None:
        self._connection = connection
        self._budget = budget
        self.head: ResponseHead | None = None

    def send(self, part: Part) -> None:
        """Let the engine write a part."""
        self._connection.send(part)

    async def flush(self, deadline: float | None) -> None:
        """Send what the engine has written, then look whether something has come back.

        Raises _Unwanted, RemoteError, WriteTimeout, WriteFailed, ReadFailed.
        """
        await self._connection.flush(deadline)
        await self._listen()

    @property
    def sends_files(self) -> bool:
        """Whether `send_file` may be called."""
        return self._connection.sends_files

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Let the kernel send so many bytes of a file, and look now and then as `flush` does."""
        for start in range(0, count, _DEAF):
            await self._connection.send_file(
                descriptor, offset + start, min(_DEAF, count - start), deadline_of
            )
            await self._listen()

    async def _listen(self) -> None:
        connection = self._connection
        while self.head is None and connection.stream.has_arrived():
            await connection.fill(self._budget.read())
            self.head = _final_head(connection, self._budget)
            if self.head is not None and self.head.status_code >= 300:
                raise _Unwanted


async def _await_continue(connection: ClientConnection, budget: Budget) -> ResponseHead | None:
    """Give the server a moment to say 100, or to answer, whose head is returned.

    RFC 9110 10.1.1: a client does not wait for ever, and sends nothing after a final answer.
    """
    deadline = budget.until(_CONTINUE_WAIT)
    engine = connection.engine
    while True:
        head = engine.next_part()
        if head is None:
            try:
                await connection.fill(deadline)
            except ReadTimeout:
                return None
            continue
        if isinstance(head, ResponseHead):
            if head.status_code >= 200:
                return head
            budget.note("interim", budget.now(), head)
            if head.status_code > 100:
                continue
        return _final_head(connection, budget)  # it may have come along


def _final_head(connection: ClientConnection, budget: Budget) -> ResponseHead | None:
    """Return the final head if it is there; every interim one is told of as a step."""
    while (head := connection.engine.next_part()) is not None:
        if not isinstance(head, ResponseHead):
            raise LocalError("a response was expected", "RFC 9110 3.3")
        if head.status_code >= 200 or head.status_code == 101:
            return head
        if budget.trace is not None:
            budget.note("interim", budget.now(), head)
    return None


async def _excuse_early_answer(
    connection: ClientConnection, budget: Budget, fault: WriteFailed
) -> ResponseHead | None:
    """Go on after a failed write if the server has answered: it closed, and said why before.

    Returns the head if that is here whole. Raises the fault when there is nothing to read.
    """
    try:
        has_come = await connection.fill(budget.until(1.0))
    except TransportError:
        has_come = False
    if not has_come:
        raise fault
    return _final_head(connection, budget)


async def receive_head(connection: ClientConnection, budget: Budget) -> ResponseHead:
    """Wait for the final response's head; every interim one is told of as a step.

    Whoever sent the request has looked at what had come by then.
    """
    while True:
        await connection.fill(budget.read())
        head = _final_head(connection, budget)
        if head is not None:
            return head


async def begin(
    connection: ClientConnection, request: Request, budget: Budget, in_thread: InThread
) -> ResponseHead:
    """Send a request and return its final response's head; its body is still to be read."""
    if budget.trace is not None:
        return await _begin_watched(connection, request, budget, in_thread)
    head = await send_request(connection, request, budget, in_thread)
    return await receive_head(connection, budget) if head is None else head


async def _begin_watched(
    connection: ClientConnection, request: Request, budget: Budget, in_thread: InThread
) -> ResponseHead:
    """Do what `begin` does, and tell how long each step took."""
    began = budget.now()
    head = await send_request(connection, request, budget, in_thread)
    budget.note("send", began, connection.stream.facts)
    began = budget.now()
    if head is None:
        head = await receive_head(connection, budget)
    budget.note("wait", began, head)
    return head


async def exchange(
    connection: ClientConnection, request: Request, budget: Budget, in_thread: InThread
) -> Response:
    """Send a request and return its response, whole.

    Raises RemoteError, TooLarge, LocalError, ReadTimeout, ReadFailed, WriteTimeout, WriteFailed.
    """
    head = await begin(connection, request, budget, in_thread)
    began = 0.0 if budget.trace is None else budget.now()
    engine = connection.engine
    trailers = EMPTY
    if not engine.body_is_due:
        content = b""
        engine.next_part()
    elif (rest := engine.take_rest()) is not None:
        content = rest
        refuse_over(engine.limits.body, len(content))
    else:
        limit = engine.limits.body
        content, trailers = await read_whole(connection, limit, budget.read, engine.body_left)
    if budget.trace is not None:
        budget.note("receive", began, len(content))
    facts = connection.stream.facts
    return Response.received(head, content, trailers, request, budget.elapsed, facts)
