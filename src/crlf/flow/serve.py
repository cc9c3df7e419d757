"""The life of a connection on its server: read a request, answer it, go on or say goodbye.

One coroutine a connection, from accept to close; handlers run inside it, so nothing is handed
over and nothing outlives it. Whatever the peer does ends in one of three ways: the next
request, an answer that names the broken rule and a close that lets it be read, or a close.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import BinaryIO

from crlf.flow.bodies import let_go, read_whole, send_body
from crlf.flow.connection import PIECE, Connection, write_large
from crlf.flow.forms import is_form_data, read_form
from crlf.message.errors import (
    CrlfError,
    LocalError,
    Malformed,
    ReadTimeout,
    RemoteError,
    TooLarge,
    TransportError,
)
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.message.uploads import Files
from crlf.ports import InThread, Stream
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.rules.pages import error_response
from crlf.wire.h1.server import NO_STANDING, ServerEngine, Standing
from crlf.wire.limits import SERVER_LIMITS, Limits
from crlf.wire.parts import CLOSED, END, Part, RequestHead, ResponseHead

Send = Callable[[Request], Awaitable[Response]]
_LINGER_MOST = 64 * 1024 * 1024  # bytes thrown away so that a peer which still sends can read

CONTINUE = ResponseHead(100)


class Service:
    """What all connections of a server share.

    send: the application. now: monotonic seconds. in_thread: runs what would block.
    spool: opens a new temporary file. report: takes an exception that no client may see.
    draining: set when the server stops; every answer then is a connection's last.
    """

    def __init__(
        self,
        send: Send,
        now: Callable[[], float],
        in_thread: InThread,
        spool: Callable[[], BinaryIO],
        *,
        limits: Limits = SERVER_LIMITS,
        patience: Patience = DEFAULT_PATIENCE,
        standing: Standing = NO_STANDING,
        report: Callable[[Request | None, BaseException], None] | None = None,
    ) -> None:
        self.send = send
        self.now = now
        self.in_thread = in_thread
        self.spool = spool
        self.limits = limits
        self.patience = patience
        self.standing = standing
        self.report = report
        self.draining = False
        self.visits: set[Visit] = set()

    async def serve(self, stream: Stream) -> None:
        """Serve one connection to its end."""
        visit = Visit(stream, self)
        self.visits.add(visit)
        try:
            await visit.run()
        finally:
            self.visits.discard(visit)
            stream.close()
            visit.let_go_of_files()

    def drain(self) -> None:
        """Let every connection end: idle ones now, the others with their present answer."""
        self.draining = True
        for visit in list(self.visits):
            if visit.is_idle:
                visit.connection.close()


class _Carrier:
    """A connection that remembers whether it was the one that broke."""

    def __init__(self, connection: Connection[ServerEngine]) -> None:
        self._connection = connection
        self.is_broken = False

    def send(self, part: Part) -> None:
        """Let the engine write a part."""
        self._connection.send(part)

    async def flush(self, deadline: float | None) -> None:
        """Send what the engine has written. Raises WriteTimeout, WriteFailed."""
        try:
            await self._connection.flush(deadline)
        except TransportError:
            self.is_broken = True
            raise


class Visit:
    """One client's connection, while it lasts."""

    def __init__(self, stream: Stream, service: Service) -> None:
        self.service = service
        self.engine = ServerEngine(service.limits, service.standing)
        self.connection = Connection(stream, self.engine)
        scheme = "http" if stream.facts.tls is None else "https"
        self.where = Received(scheme, stream.facts.peer, stream.facts.local)
        self.is_idle = False
        self.is_cut = False  # by us, so that the peer sees that something is missing
        self.files: Files | None = None  # the uploads of the present request

    def let_go_of_files(self) -> None:
        """Close the uploads of a request that has been answered; what is not saved is gone."""
        if self.files is not None:
            self.files.close()
            self.files = None

    def cut(self) -> None:
        """Let go of the connection at once, without an end."""
        self.is_cut = True
        self.connection.close()

    async def run(self) -> None:
        """Answer requests until the connection ends."""
        engine, service = self.engine, self.service
        stream, send, now = self.connection.stream, service.send, service.now
        write_seconds = service.patience.write
        last_at = now() + service.patience.age
        left = service.patience.requests
        first = True
        while True:
            head = request = None
            asking = False  # the application
            try:
                head = engine.next_part() or await self._next_head(first)
                first = False
                if type(head) is not RequestHead:
                    break
                if engine.body_is_due:
                    request = await self._with_content(head)
                else:
                    request = Request.received(head, b"", self.where)
                if head.method == "CONNECT":
                    raise RemoteError("this server is no proxy", "RFC 9110 9.3.6", 501)
                asking = True
                response = await send(request)
                asking = False
                left -= 1
                if left <= 0 or service.draining or now() > last_at:
                    engine.persist_no_more()
                body = response.body
                if type(body) is bytes:
                    engine.send_whole(response, body)
                    data = engine.outgoing()
                    if len(data) <= PIECE:
                        await stream.write(data, now() + write_seconds)
                    else:
                        await write_large(stream, data, self._write_deadline)
                else:
                    await self._stream_out(response, request)
                if self.files is not None:
                    self.let_go_of_files()
            except Exception as fault:
                self.let_go_of_files()
                if not await self._goes_on(fault, head, request, asking):
                    break
        await self._linger()

    async def _goes_on(
        self, fault: Exception, head: Part | None, request: Request | None, asking: bool
    ) -> bool:
        """Answer for what went wrong, as far as one can; tell whether the connection goes on.

        asking: it came out of the application, whose trouble with another server, say, is not
        that of this connection.
        """
        if isinstance(fault, (Malformed, TooLarge)) or (
            isinstance(fault, RemoteError) and not asking
        ):
            if self.engine.may_answer:
                await self._refuse(fault, head)
                return False
        elif isinstance(fault, TransportError) and not asking:
            if isinstance(fault, ReadTimeout) and self.engine.may_answer:
                await self._time_out()
            else:
                self.cut()
            return False
        return await self._apologise(request, fault)

    async def _next_head(self, first: bool) -> Part:
        """Wait for the next request's head: the idle time for its first byte, then the head time.

        A new connection came to ask: it has the head time for both.
        """
        connection, engine, patience = self.connection, self.engine, self.service.patience
        if self.service.draining and not first:
            return CLOSED  # the stop came while an answer was under way that promised more
        deadline = self.service.now() + (patience.head if first else patience.idle)
        if not engine.holds_bytes:
            self.is_idle = True
            data = await connection.stream.read(deadline)
            self.is_idle = False
            connection.received += len(data)
            engine.receive(data)
            part = engine.next_part()
            if part is not None:
                return part
        if not first:
            deadline = self.service.now() + patience.head
        return await connection.next_part(deadline)

    async def _with_content(self, head: RequestHead) -> Request:
        """Read a request's content, whole or as a form, and return the request."""
        service, engine = self.service, self.engine
        limit = service.limits.body
        left = engine.body_left
        if limit is not None and left is not None and left > limit:
            raise TooLarge("body", limit, 413, "RFC 9110 15.5.14")
        if engine.expects_continue:
            engine.send(CONTINUE)
            await self.connection.flush(service.now() + service.patience.write)
        began, before = service.now(), self.connection.received

        def deadline() -> float:
            received = self.connection.received - before
            return service.patience.body_deadline(began, received, service.now())

        if is_form_data(head.headers):
            form, files = await read_form(
                self.connection, head.headers, limit, service.spool, deadline, service.in_thread
            )
            self.files = files
            return Request.received(head, b"", self.where).with_form(form, files)
        content, _ = await read_whole(self.connection, limit, deadline)
        return Request.received(head, content, self.where)

    def _write_deadline(self) -> float:
        """When the client has to have taken the next piece."""
        return self.service.now() + self.service.patience.write

    async def _stream_out(self, response: Response, request: Request) -> None:
        """Send a response whose content comes piece by piece."""
        body = response.body
        if isinstance(body, bytes):
            return
        headers = response.headers
        if body.length is not None and "content-length" not in headers:
            headers = headers.with_field("content-length", str(body.length))
        try:
            self.engine.send(ResponseHead(response.status_code, headers, response.reason))
        except BaseException:
            let_go(body)
            raise
        if self.engine.drops_content:
            let_go(body)
            self.engine.send(END)
            await self.connection.flush(self._write_deadline())
            return
        carrier = _Carrier(self.connection)
        try:
            await send_body(carrier, body, self._write_deadline, self.service.in_thread)
        except TransportError as fault:
            if not carrier.is_broken and self.service.report is not None:
                self.service.report(request, fault)  # the body's, which reads from elsewhere
            raise

    async def _refuse(self, fault: RemoteError | Malformed | TooLarge, head: Part | None) -> None:
        """Answer a request that breaks a rule or a limit; the connection ends after it."""
        sentence = fault.brief if isinstance(fault, TooLarge) else fault.reason
        accept = head.headers.get("accept", "") if isinstance(head, RequestHead) else ""
        await self._last_word(error_response(fault.status_code, sentence, fault.rule, accept))

    async def _time_out(self) -> None:
        """Say 408 to a client that began a request and stalled; to an idle one, nothing."""
        if not self.is_idle and self.connection.received:
            await self._last_word(
                error_response(408, "The request did not arrive in time.", "RFC 9110 15.5.9")
            )

    async def _last_word(self, response: Response) -> None:
        self.engine.persist_no_more()
        try:
            self.engine.send_whole(response, response.content)
            await self.connection.flush(self.service.now() + self.service.patience.write)
        except (LocalError, TransportError):
            self.cut()  # nobody can be told: an answer is under way already

    async def _apologise(self, request: Request | None, fault: BaseException) -> bool:
        """Report what went wrong on our side and answer 500; False when it is too late for that."""
        if self.service.report is not None:
            self.service.report(request, fault)
        if not self.engine.may_answer:
            self.cut()
            return False
        if self.engine.body_is_due:
            self.engine.persist_no_more()
        response = error_response(500, "Something went wrong here, not with your request.")
        try:
            self.engine.send_whole(response, response.content)
            await self.connection.flush(self.service.now() + self.service.patience.write)
        except (CrlfError, OSError):
            self.cut()
            return False
        return True

    async def _linger(self) -> None:
        """Close so that the peer can still read our last word (RFC 9112 9.6).

        First our side, then wait, throwing away what comes, until the peer closes its own. Who
        still sends gets as long as a slow body does: it reads when it has sent.
        """
        if self.is_cut:
            return
        stream, now, patience = self.connection.stream, self.service.now, self.service.patience
        last_at = now() + max(patience.linger, patience.body_grace)
        await stream.end(now() + patience.linger)
        dropped = 0
        try:
            while dropped < _LINGER_MOST and now() < last_at:
                data = await stream.read(min(now() + patience.linger, last_at))
                if not data:
                    return
                dropped += len(data)
        except TransportError:
            return
