"""The life of a connection on its server: read a request, answer it, go on or say goodbye.

One coroutine a connection, from accept to close; handlers run inside it, so nothing is handed
over and nothing outlives it. Whatever the peer does ends in one of three ways: the next
request, an answer that names the broken rule and a close that lets it be read, or a close.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import Final

from crlf.flow.afterwards import Afterwards
from crlf.flow.bodies import drain, let_go
from crlf.flow.connection import PIECE
from crlf.flow.line import UNREAD_MOST, Line, as_error, is_own, reason_of, refuse_misdirected
from crlf.flow.streamed import StreamedContent
from crlf.flow.taking import take_in
from crlf.flow.terms import Running, Send, Spawn, Stamp, Terms, Watch
from crlf.flow.turn import Talk, Turn
from crlf.message.errors import LocalError, RemoteError, TooLarge
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import Stream
from crlf.wire.parts import CLOSED, Part, RequestHead

__all__ = ["Send", "Service", "Stamp", "Talk", "Turn", "Visit", "Watch"]


REST: Final = 0.5  # seconds for which who asks nothing is left in peace, though others wait
_GOLDEN: Final = 0.618033988749895  # its multiples, without their whole part, lie far apart


class Service(Terms):
    """What serves connections; see Terms for what it is given."""

    def _begin(self) -> None:
        self.visits: set[Visit] = set()
        self.afterwards = Afterwards(self.in_thread, self.spawn, self.is_cancelled)
        self.closes_idle = False
        self._tidied_until = 0.0
        watch = self.watch
        self.full_watch = watch if watch is not None and watch.sees_all else None

    async def serve(self, stream: Stream) -> None:
        """Serve one connection to its end."""
        visit = Visit(stream, self)
        self.visits.add(visit)
        watch = self.full_watch
        try:
            if watch is not None:
                watch.opened(visit.where)
            await visit.live()
        finally:
            self.visits.discard(visit)
            stream.close()
            for run in visit.runs:
                run.cancel()
            if watch is not None:
                watch.closed(visit.where)
            visit.let_go_of_files()

    def follow(self, request: Request) -> None:
        """Begin what was to be done after a request's answer."""
        self.afterwards.begin(request)

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
            if (visit.is_idle or visit.may_go) and visit.waits_since < before
        ]
        waiting.sort(key=lambda visit: visit.waits_since)
        for visit in waiting[: 1 + len(waiting) // 32]:  # as many at a time as nginx
            visit.connection.close()

    def tidy(self) -> None:
        """Let connections that have been idle for a while keep nothing of their last request."""
        since, until = self._tidied_until, self.now() - REST
        self._tidied_until = until
        for visit in self.visits:
            if since <= visit.waits_since < until and visit.is_idle:
                visit.engine.forget()
                visit.kept = None

    @property
    def has_idle(self) -> bool:
        """Whether there are connections on which nothing is under way."""
        return any(visit.is_idle for visit in self.visits)


class Visit(Line):
    """One client's connection: its requests, one after the other.

    asking: the application is at work, whose troubles are its own. turn: of a talk at work.
    may_go: a head has come in part, or our last word is out. waits_since: since when that is so.
    began: when the present request was here. runs: the Tasks that carry on, after applications
    that are busy with what nobody waits for any more; the eldest first.
    """

    __slots__ = (
        "asking", "began", "idle_seconds", "may_go", "number", "runs", "service", "status_code",
        "turn", "waits_since",
    )  # fmt: skip

    def __init__(self, stream: Stream, service: Service) -> None:
        super().__init__(stream, service)
        self.service = service
        self.asking = False
        self.turn: Turn | None = None
        self.may_go = False
        self.waits_since = 0.0
        self.status_code = 0
        self.began = 0.0
        self.number = 0  # of the run that has the connection
        self.runs: tuple[Running, ...] = ()
        # Not all that came together are to end together.
        share = 0.0 if self.where.peer is None else self.where.peer[1] * _GOLDEN % 1
        patience = service.patience
        self.idle_seconds = max(patience.idle / 2, patience.idle - patience.jitter * share)

    async def live(self) -> None:
        """Answer requests until the connection ends, whoever does it in the end."""
        await self.run()
        while self.runs:
            await self.runs[0]
            self.runs = self.runs[1:]

    def leave(self) -> None:
        """Let the connection go on in a Task of its own: the answer is said, the rest is private.

        A next request would wait for it otherwise: what an application does after its answer.
        """
        spawn, turn = self.service.spawn, self.turn
        if spawn is not None and turn is not None:
            self.turn = None
            self._carry_on(spawn)
            self._tell(turn)

    def _carry_on(self, spawn: Spawn) -> None:
        """Let another Task have the connection."""
        self.number += 1
        at_work = [run for run in self.runs if not run.done()]
        self.runs = (*at_work, spawn(self.run()))

    def _tell(self, turn: Turn) -> None:
        """Tell who watches that a turn has been answered; it may be in the midst of a step."""
        watch, seconds = self.service.full_watch, self.service.now() - self.began
        if watch is not None:
            try:
                watch.answered(turn.request, self.where, turn.status_code, self.size, seconds, "")
            except Exception as fault:
                self.report(turn.request, fault)

    async def run(self) -> None:
        """Answer requests until the connection ends, or is carried on by another run.

        Longer than 60 lines because every request goes through it, and each call costs one.
        """
        number, clean = self.number, copy_context()
        engine, service, where = self.engine, self.service, self.where
        send, stamp, watch, now = service.send, service.stamp, service.full_watch, service.now
        stream, write_seconds = self.connection.stream, service.patience.write
        is_led = service.gate is not None or service.talk is not None
        # A new connection came to ask.
        wait_seconds = self.idle_seconds if self.connection.received else service.patience.head
        if engine.body_is_due and not await self._drop_content():
            await self.linger()
            return
        while True:
            head = request = None
            response: Response | None = None  # which nobody keeps while the connection is idle
            self.asking = is_answered = False
            try:
                head = await self._next_head(wait_seconds)
                wait_seconds = self.idle_seconds
                if type(head) is not RequestHead:
                    break
                if watch is not None:
                    self.began = now()
                request = Request.received(head, b"", where)
                if head.target[:1] != "/":
                    refuse_misdirected(request, not is_led)
                if is_led:
                    request, is_answered = await self._led(request)
                    if self.number != number:
                        return
                if not is_answered:
                    if engine.body_is_due:
                        request = await take_in(self, request)
                    self.asking = True
                    response = await send(request)  # type: ignore[misc]  # there, if talk is not
                    self.asking = False
                    if stamp is not None:
                        response = response.with_headers(stamp(request, response.headers))
                    self.status_code = response.status_code
                    if engine.body_is_due:
                        present = self.before_answer()  # some content was left, or not yet read
                    else:
                        self.left -= 1
                        present = now()
                        if self.left <= 0 or service.is_draining or present > self.last_at:
                            engine.persist_no_more()
                    body = response.body
                    if type(body) is bytes and len(body) <= PIECE:
                        engine.send_whole(response, body)
                        self.size = 0 if head.method == "HEAD" else len(body)
                        await stream.write(engine.outgoing(), present + write_seconds)
                    else:
                        await self.answer(response, request, present)
                    is_answered = True
                    if request._extras is not None:  # a property would cost each request a call
                        service.follow(request)
                if engine.body_is_due and not await self._drop_content():
                    break
                if watch is not None:
                    watch.answered(
                        request, where, self.status_code, self.size, now() - self.began, ""
                    )
                if self.files is not None:
                    self.let_go_of_files()
            except BaseException as fault:
                has_left = self.number != number
                if not is_own(fault, self.asking or has_left or response is not None, service):
                    raise
                let_go(b"" if response is None else response.body)
                if not (is_answered or response is None or request is None):
                    service.follow(request)  # though nobody has read the answer
                if has_left:
                    self.report(request, fault)
                    return
                if not await self._survived(as_error(fault), head, request, is_answered):
                    break
            # What one request has set in its context, the next must not see. Few set anything, and
            # to run each of their steps in a copy would cost every request a fifth.
            if copy_context() != clean:
                if service.spawn is None:
                    break
                clean.run(self._carry_on, service.spawn)
                return
        self.waits_since = now()
        self.may_go = True
        await self.linger()
        stream.close()  # though an application may be busy still

    async def _led(self, request: Request) -> tuple[Request, bool]:
        """Let the gate look and the talk answer; return the request, and whether it is answered."""
        gate, talk = self.service.gate, self.service.talk
        if gate is not None:
            passed = gate(request)
            if not isinstance(passed, Request):
                self.status_code = passed.status_code
                await self.answer(passed, request, self.before_answer())
                return request, True
            request = passed
        if request.target[:1] != "/":
            refuse_misdirected(request, True)
        if talk is None:
            return request, False
        turn = self.turn = Turn(self, request)
        self.asking = True
        await talk(turn)
        if self.turn is not turn:
            return request, True  # another run has the connection
        if not turn.is_finished:
            raise turn.fault or LocalError("the application gave no whole answer", "")
        self.asking = False
        self.status_code = turn.status_code
        self.turn = None
        return request, True

    async def _survived(
        self, fault: Exception, head: Part | None, request: Request | None, is_answered: bool
    ) -> bool:
        """Answer for what went wrong and say so to the watch; tell whether we go on."""
        self.let_go_of_files()
        turn, self.turn = self.turn, None
        if is_answered:  # it is of what came after, and a second answer would be the next one's
            self.report(request, fault)
            return not self.engine.body_is_due
        if turn is not None and turn.is_finished:
            self.report(turn.request, fault)  # of what it did after its answer
            self._tell(turn)
            return not self.engine.body_is_due or await self._drop_content()
        begun = 0  # the status of an answer that is under way, and will not be whole
        if self.engine.may_answer:
            self.size = 0  # what is there is of the answer before
        elif request is not None:
            begun = self.status_code if turn is None else turn.status_code
        if turn is not None and turn.fault is fault:
            self.asking = False  # the connection's doing, though it came through the application
        if (
            isinstance(fault, RemoteError | TooLarge)
            and turn is not None
            and not (self.asking or self.engine.may_answer)
        ):
            self.cut()  # what they broke cannot be named in an answer that is under way
            goes_on, status_code, why = False, 0, reason_of(fault)
        else:
            goes_on, status_code, why = await self.goes_on(fault, head, request, self.asking)
        watch = self.service.watch
        if watch is not None and (status_code or request is not None):
            began = self.began
            seconds = self.service.now() - began if began and request is not None else 0.0
            watch.answered(request, self.where, status_code or begun, self.size, seconds, why)
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
        self.may_go = True
        part = await connection.next_part(began + service.patience.head)
        self.may_go = False
        return part

    async def _drop_content(self) -> bool:
        """Read what the application left of a request; tell whether the connection can go on."""
        content = self.files
        if type(content) is StreamedContent:
            content.close()
            if content.is_reading:  # a thread that its handler has left behind
                self.cut()
        if self.is_cut or not self.drains_content():
            return False
        deadline = self.service.now() + self.service.patience.body_stall
        return await drain(self.connection, UNREAD_MOST, deadline)
