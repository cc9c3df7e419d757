"""One request and its response on a client's connection.

The request goes out, the response comes back; the two may overlap, since a server may answer
before it has read everything. Whatever goes wrong, what is returned is a whole response or
an error, never half of one taken for the whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial

from crlf.flow.bodies import read_whole
from crlf.flow.budget import Budget
from crlf.flow.connection import Connection
from crlf.message.body import Body
from crlf.message.errors import LocalError, ReadTimeout, TransportError, WriteFailed
from crlf.message.headers import EMPTY
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.wire.h1.client import ClientEngine
from crlf.wire.parts import END, Data, RequestHead, ResponseHead

ClientConnection = Connection[ClientEngine]
_CONTINUE_WAIT = 1.0  # seconds; RFC 9110 10.1.1 wants no client to wait for ever, curl waits 1

Interim = Callable[[ResponseHead], None]


async def send_request(
    connection: ClientConnection, request: Request, budget: Budget, in_thread: InThread
) -> None:
    """Send a request, or as much of it as the server wants to see.

    Raises LocalError, WriteTimeout, and whatever a body raises when it is read.
    """
    body = request.body
    engine = connection.engine
    if isinstance(body, bytes):
        engine.send_whole(request, body)
        try:
            await connection.stream.write(engine.outgoing(), budget.write())
        except WriteFailed:
            await _excuse_early_answer(connection, budget)
        return
    headers = request.headers
    if body.length is None:
        if "transfer-encoding" not in headers:
            headers = headers.without("content-length").adding("transfer-encoding", "chunked")
    elif "content-length" not in headers:
        headers = headers.adding("content-length", str(body.length))
    engine.send(RequestHead(request.method, request.target, headers))
    await connection.flush(budget.write())
    if headers.get("expect", "").lower() == "100-continue":
        await _await_continue(connection, budget)
    try:
        await _send_pieces(connection, body, budget, in_thread)
    except WriteFailed:
        await _excuse_early_answer(connection, budget)


async def _send_pieces(
    connection: ClientConnection, body: Body, budget: Budget, in_thread: InThread
) -> None:
    """Send a body until its end, or until the server has answered without it."""
    engine, stream = connection.engine, connection.stream
    waited = body.chunks_async() if body.waits else None
    plain = iter(()) if body.waits else body.chunks()
    try:
        while not stream.has_arrived():
            if waited is not None:
                piece = await anext(waited, None)
            elif body.reads_files:
                piece = await in_thread(partial(next, plain, None))
            else:
                piece = next(plain, None)
            if piece is None:
                engine.send(END)
                await connection.flush(budget.write())
                return
            engine.send(Data(piece))
            await connection.flush(budget.write())
    finally:
        if isinstance(waited, AsyncGenerator):
            await waited.aclose()
        if isinstance(plain, Generator):
            plain.close()


async def _await_continue(connection: ClientConnection, budget: Budget) -> None:
    """Give the server a moment to say 100, or to refuse (RFC 9110 10.1.1)."""
    try:
        data = await connection.stream.read(budget.until(_CONTINUE_WAIT))
    except ReadTimeout:
        return
    connection.engine.receive(data)


async def _excuse_early_answer(connection: ClientConnection, budget: Budget) -> None:
    """Go on after a failed write if the server has answered: it closed, and said why before.

    Raises WriteFailed when there is nothing to read.
    """
    try:
        data = await connection.stream.read(budget.until(1.0))
    except TransportError:
        data = b""
    if not data:
        raise WriteFailed("the server closed while the request was sent", phase="write") from None
    connection.engine.receive(data)


async def receive_head(
    connection: ClientConnection, budget: Budget, interim: Interim | None = None
) -> ResponseHead:
    """Return the final response's head, handing every interim one to `interim`."""
    engine = connection.engine
    while True:
        head = engine.next_part()
        if head is None:
            data = await connection.stream.read(budget.read())
            connection.received += len(data)
            engine.receive(data)
            continue
        if not isinstance(head, ResponseHead):
            raise LocalError("a response was expected", "RFC 9110 3.3")
        if head.status_code >= 200 or head.status_code == 101:
            return head
        if interim is not None:
            interim(head)


async def exchange(
    connection: ClientConnection, request: Request, budget: Budget, in_thread: InThread
) -> Response:
    """Send a request and return its response, whole.

    Raises RemoteError, TooLarge, LocalError, ReadTimeout, ReadFailed, WriteTimeout, WriteFailed.
    """
    await send_request(connection, request, budget, in_thread)
    head = await receive_head(connection, budget)
    engine = connection.engine
    if engine.body_is_due:
        content, trailers = await read_whole(connection, engine.limits.body, budget.read)
    else:
        content, trailers = b"", EMPTY
        engine.next_part()
    return Response.received(head, content, trailers, request, budget.elapsed)
