"""The life of a connection on its server: read a request, answer it, go on or say goodbye.

One coroutine a connection, from accept to close; handlers run inside it, so nothing is handed
over and nothing outlives it. Whatever the peer does ends in one of three ways: the next
request, an answer that names the broken rule and a close that lets it be read, or a close.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

from crlf.flow.bodies import drain, read_whole
from crlf.flow.connection import PIECE, write_large
from crlf.flow.forms import is_form_data, read_form
from crlf.flow.line import UNREAD_MOST, Line
from crlf.flow.terms import Send, Stamp, Terms, Watch
from crlf.flow.turn import Talk, Turn
from crlf.message.errors import LocalError, RemoteError, TooLarge
from crlf.message.facts import NOT_DRAINING, Draining
from crlf.message.request import Request
from crlf.ports import InThread, Stream
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.rules.gates import Gate
from crlf.wire.h1.server import NO_STANDING, Standing
from crlf.wire.limits import SERVER_LIMITS, Limits
from crlf.wire.parts import CLOSED, CONTINUE, Part, RequestHead

__all__ = ["Send", "Service", "Stamp", "Talk", "Turn", "Visit", "Watch"]

REST: Final = 0.5  # seconds for which who asks nothing is left in peace, though others wait
_GOLDEN: Final = 0.618033988749895  # its multiples, without their whole part, lie far apart


class Service(Terms):
    """What serves connections; see Terms for what it is given.

    talk: an application that answers piece by piece, instead of send.
    """

    def __init__(
        self,
        send: Send | None,
        now: Callable[[], float],
        in_thread: InThread,
        spool: Callable[[], BinaryIO],
        *,
        talk: Talk | None = None,
        limits: Limits = SERVER_LIMITS,
        patience: Patience = DEFAULT_PATIENCE,
        standing: Standing = NO_STANDING,
        report: Callable[[Request | None, BaseException], None] | None = None,
        gate: Gate | None = None,
        stamp: Stamp | None = None,
        watch: Watch | None = None,
        draining: Draining = NOT_DRAINING,
    ) -> None:
        super().__init__(
            send, now, in_thread, spool, limits=limits, patience=patience, standing=standing,
            report=report, gate=gate, stamp=stamp, watch=watch, draining=draining,
        )  # fmt: skip
        self.talk = talk
        self.visits: set[Visit] = set()
        self.closes_idle = False
        self.full_watch = watch if watch is not None and watch.sees_all else None

    async def serve(self, stream: Stream) -> None:
        """Serve one connection to its end."""
        visit = Visit(stream, self)
        self.visits.add(visit)
        watch = self.full_watch
        if watch is not None:
            watch.opened(visit.where)
        try:
            await visit.run()
        finally:
            self.visits.discard(visit)
            stream.close()
            visit.let_go_of_files()
            if watch is not None:
                watch.closed(visit.where)

    def drain(self) -> None:
        """Let every connection end with its present or next answer; `close_idle` ends the idle."""
        self.is_draining = True

    def close_idle(self) -> None:
        """Close the connections on which nothing is under way, now and from now on."""
        self.closes_idle = True
        for visit in list(self.visits):
            if visit.is_idle:
                visit.connection.close()

    def make_room(self) -> None:
        """Close what has waited longest for a client to ask, since others wait to be let in.

        RFC 9112 9.5 allows it at any time. Who has just come or been answered is left in peace.
        """
        before = self.now() - REST
        waiting = [
            visit
            for visit in self.visits
            if (visit.is_idle or visit.is_hearing) and visit.waits_since < before
        ]
        waiting.sort(key=lambda visit: visit.waits_since)
        for visit in waiting[: 1 + len(waiting) // 32]:  # as many at a time as nginx
            visit.connection.close()

    @property
    def has_idle(self) -> bool:
        """Whether there are connections on which nothing is under way."""
        return any(visit.is_idle for visit in self.visits)


class Visit(Line):
    """One client's connection: its requests, one after the other.

    asking: the application is at work, whose troubles are its own. turn: of a talk at work.
    is_hearing: a request's head has come in part. waits_since: when it was last ready for one.
    """

    __slots__ = (
        "asking", "idle_seconds", "is_hearing", "service", "status_code", "turn", "waits_since",
    )  # fmt: skip

    def __init__(self, stream: Stream, service: Service) -> None:
        super().__init__(stream, service)
        self.service = service
        self.asking = False
        self.turn: Turn | None = None
        self.is_hearing = False
        self.waits_since = 0.0
        self.status_code = 0
        # Not all that came together are to end together.
        share = 0.0 if self.where.peer is None else self.where.peer[1] * _GOLDEN % 1
        patience = service.patience
        self.idle_seconds = max(patience.idle / 2, patience.idle - patience.jitter * share)

    async def run(self) -> None:
        """Answer requests until the connection ends."""
        engine, service, where = self.engine, self.service, self.where
        stream, send, now = self.connection.stream, service.send, service.now
        stamp, watch, write_seconds = service.stamp, service.full_watch, service.patience.write
        is_led = service.gate is not None or service.talk is not None
        wait_seconds = service.patience.head  # a new connection came to ask
        began = 0.0
        while True:
            head = request = None
            self.asking = False
            try:
                head = await self._next_head(wait_seconds)
                wait_seconds = self.idle_seconds
                if type(head) is not RequestHead:
                    break
                if watch is not None:
                    began = now()
                request = Request.received(head, b"", where)
                if head.method == "CONNECT":
                    raise RemoteError("this server is no proxy", "RFC 9110 9.3.6", 501)
                is_answered = False
                if is_led:
                    request, is_answered = await self._led(request)
                if not is_answered:
                    if engine.body_is_due:
                        request = await self._with_content(request)
                    self.asking = True
                    response = await send(request)  # type: ignore[misc]  # there, if talk is not
                    self.asking = False
                    if stamp is not None:
                        response = response.with_headers(stamp(request, response.headers))
                    self.left -= 1
                    if self.left <= 0 or service.is_draining or now() > self.last_at:
                        engine.persist_no_more()
                    self.status_code = response.status_code
                    body = response.body
                    if type(body) is bytes:
                        engine.send_whole(response, body)
                        self.size = len(body)
                        data = engine.outgoing()
                        if len(data) <= PIECE:
                            await stream.write(data, now() + write_seconds)
                        else:
                            await write_large(stream, data, self.write_deadline)
                    else:
                        await self.stream_out(response, request)
                elif engine.body_is_due and not await self._drop_content():
                    break
                if watch is not None:
                    watch.answered(request, where, self.status_code, self.size, now() - began, "")
                if self.files is not None:
                    self.let_go_of_files()
            except Exception as fault:
                if not await self._survived(fault, head, request, began):
                    break
        await self.linger()

    async def _led(self, request: Request) -> tuple[Request, bool]:
        """Let the gate look and the talk answer; return the request, and whether it is answered."""
        gate, talk = self.service.gate, self.service.talk
        if gate is not None:
            passed = gate(request)
            if not isinstance(passed, Request):
                self.before_answer()
                await self.answer(passed, request)
                self.status_code = passed.status_code
                return request, True
            request = passed
        if talk is None:
            return request, False
        turn = self.turn = Turn(self, request)
        self.asking = True
        await talk(turn)
        if not turn.is_finished:
            raise turn.fault or LocalError("the application gave no whole answer", "")
        self.asking = False
        self.status_code = turn.status_code
        self.turn = None
        return request, True

    async def _survived(
        self, fault: Exception, head: Part | None, request: Request | None, began: float
    ) -> bool:
        """Answer for what went wrong and say so to the watch; tell whether we go on."""
        self.let_go_of_files()
        if self.turn is not None and self.turn.fault is fault:
            self.asking = False  # the connection's doing, though it came through the application
        self.turn = None
        goes_on, status_code, why = await self.goes_on(fault, head, request, self.asking)
        watch = self.service.watch
        if watch is not None and (status_code or request is not None):
            seconds = self.service.now() - began if began and request is not None else 0.0
            watch.answered(request, self.where, status_code, self.size, seconds, why)
        return goes_on

    async def _next_head(self, wait_seconds: float) -> Part:
        """Wait for the next request's head: so long for its first byte, then the head time."""
        connection, engine, service = self.connection, self.engine, self.service
        began = service.now()
        if engine.is_waiting:
            if service.closes_idle and connection.received:
                return CLOSED  # the stop came while an answer was under way that promised more
            self.waits_since = began
            self.is_idle = True
            data = await connection.stream.read(began + wait_seconds)
            self.is_idle = False
            connection.received += len(data)
            engine.receive(data)
            part = engine.next_part()
            if part is not None:
                return part
            if connection.received > len(data):  # it was idle, which is no part of the head time
                began = service.now()
        self.waits_since = service.now()
        self.is_hearing = True
        part = await connection.next_part(began + service.patience.head)
        self.is_hearing = False
        return part

    async def _with_content(self, request: Request) -> Request:
        """Read a request's content, whole or as a form, and return the request with it."""
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

        if is_form_data(request.headers):
            form, files = await read_form(
                self.connection, request.headers, limit, service.spool, deadline,
                service.in_thread, service.form_limits,
            )  # fmt: skip
            self.files = files
            return request.with_form(form, files)
        content, _ = await read_whole(self.connection, limit, deadline)
        return request.with_content(content)

    async def _drop_content(self) -> bool:
        """Read what the application left of a request; tell whether the connection can go on."""
        if not self.drains_content():
            return False
        deadline = self.service.now() + self.service.patience.body_stall
        return await drain(self.connection, UNREAD_MOST, deadline)
