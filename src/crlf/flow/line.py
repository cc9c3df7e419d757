"""A client's connection as those see it who answer: what can still be said, and how it ends.

Its law: whatever goes wrong ends in an answer that names the rule and a close that lets it be
read, or, where an answer is under way already, in a cut that shows that something is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from crlf.flow.bodies import let_go, send_body
from crlf.flow.connection import PIECE, Connection
from crlf.flow.terms import Interrupt, Terms
from crlf.message.errors import (
    CrlfError,
    LocalError,
    Malformed,
    ReadTimeout,
    RemoteError,
    TimedOut,
    TooLarge,
    TransportError,
    WriteFailed,
)
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.ports import Stream
from crlf.rules.pages import error_response
from crlf.wire.h1.server import ServerEngine
from crlf.wire.parts import END, Data, Part, RequestHead, ResponseHead

LINGER_MOST: Final = 64 * 1024 * 1024  # bytes thrown away so that a peer which still sends can read
UNREAD_MOST: Final = 256 * 1024  # bytes of unread content that are read for the next request; Go


async def write_out(
    stream: Stream, engine: ServerEngine, deadline_of: Callable[[], float | None]
) -> None:
    """Send what an engine has written, be it large, with a deadline anew for every piece.

    No copy of it is held while a client takes its time. Raises WriteTimeout, WriteFailed.
    """
    for piece in engine.outgoing_pieces(PIECE):
        await stream.write(piece, deadline_of())


class Held(Protocol):
    """What came with a request, uploads or content still under way, and ends with its answer."""

    def close(self) -> None:
        """Let go of it. May be called twice."""


class Carrier:
    """Carries an answer's parts: it counts content, and knows whether the connection broke."""

    __slots__ = ("_connection", "_moves", "_writes", "is_broken", "size")

    def __init__(self, connection: Connection[ServerEngine]) -> None:
        self._connection = connection
        self._moves = 0
        self._writes = False
        self.is_broken = False
        self.size = 0

    @property
    def connection(self) -> Connection[ServerEngine]:
        """What carries them, for who sends beside it."""
        return self._connection

    def send(self, part: Part) -> None:
        """Let the engine write a part."""
        self._connection.send(part)
        if type(part) is Data:
            self.size += len(part.data)

    async def flush(self, deadline: float | None) -> None:
        """Send what the engine has written. Raises WriteTimeout, WriteFailed."""
        self._writes = True
        try:
            await self._connection.flush(deadline)
        except TransportError:
            self.is_broken = True
            raise
        self._writes = False
        self._moves += 1

    def moved(self) -> int:
        """Return another number whenever something has gone out since, or is on its way."""
        if self._writes:
            self._moves += 1
        return self._moves

    @property
    def sends_files(self) -> bool:
        """Whether `send_file` may be called."""
        return self._connection.sends_files

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Let the kernel send so many bytes of a file; see Connection."""
        try:
            await self._connection.send_file(descriptor, offset, count, deadline_of)
        except TransportError:
            self.is_broken = True
            raise
        self.size += count


class Line:
    """One client's connection, while it lasts.

    where: what requests that come by it say of it. size: bytes of content in the present answer.
    left, last_at: how many requests it may still bring, and until when. kept: what the
    application remembers of it from one request to the next.
    """

    __slots__ = (
        "connection", "engine", "files", "is_cut", "is_idle", "kept", "last_at", "left", "size",
        "terms", "where",
    )  # fmt: skip

    def __init__(self, stream: Stream, terms: Terms) -> None:
        self.terms = terms
        self.engine = ServerEngine(terms.limits, terms.standing)
        self.connection = Connection(stream, self.engine)
        facts = stream.facts
        scheme = "http" if facts.tls is None else "https"
        self.where = Received(
            scheme, facts.peer, facts.local, facts.tls, terms.draining, None, terms.counts,
            facts.is_unix,
        )  # fmt: skip
        self.is_idle = False
        self.is_cut = False  # by us, so that the peer sees that something is missing
        self.files: Held | None = None  # what of the present request's content is still open
        self.size = 0
        self.kept: object = None
        self.left = terms.patience.requests
        self.last_at = terms.now() + terms.patience.age

    def let_go_of_files(self) -> None:
        """Close what came with a request that has been answered; what is not saved is gone."""
        files, self.files = self.files, None
        if files is not None:
            files.close()

    def cut(self) -> None:
        """Let go of the connection at once, without an end."""
        self.is_cut = True
        self.connection.close()

    def write_deadline(self) -> float:
        """When the client has to have taken the next piece."""
        return self.terms.now() + self.terms.patience.write

    # -- answering

    def leave(self) -> None:
        """Let others have the connection: what the application still does is its own affair."""

    def report(self, request: Request | None, fault: BaseException) -> None:
        """Tell of what no client may see."""
        if self.terms.report is not None:
            self.terms.report(request, fault)

    def drains_content(self) -> bool:
        """Whether what is left of the request's content is little enough to be read and dropped.

        Otherwise the answer has to be the connection's last (RFC 9112 9.3).
        """
        engine = self.engine
        left = engine.body_left
        return left is not None and left <= UNREAD_MOST and not engine.expects_continue

    def before_answer(self) -> float:
        """Let the answer that comes be the last, where it has to be; return what time it is."""
        now = self.terms.now()
        self.left -= 1
        self.size = 0
        if (
            self.left <= 0
            or self.terms.is_draining
            or now > self.last_at
            or (self.engine.body_is_due and not self.drains_content())
        ):
            self.engine.persist_no_more()
        return now

    async def answer(self, response: Response, request: Request, now: float) -> None:
        """Send a response. now: what time it is.

        Raises LocalError, WriteTimeout, WriteFailed, what its body raises.
        """
        engine, stream = self.engine, self.connection.stream
        body = response.body
        if type(body) is bytes:
            engine.send_whole(response, body)
            self.size = 0 if request.method == "HEAD" else len(body)  # a 304 has none anyway
            if len(body) <= PIECE:
                await stream.write(engine.outgoing(), now + self.terms.patience.write)
            else:
                await write_out(stream, engine, self.write_deadline)
        else:
            await self.stream_out(response, request)

    async def stream_out(self, response: Response, request: Request) -> None:
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
            await self.connection.flush(self.write_deadline())
            return
        carrier = Carrier(self.connection)
        interrupt = self._interrupt(carrier) if body.length is None else None
        try:
            await send_body(carrier, body, self.write_deadline, self.terms.in_thread)
        except TransportError as fault:
            if not carrier.is_broken and self.terms.report is not None:
                self.terms.report(request, fault)  # the body's, which reads from elsewhere
            raise
        except BaseException:
            if interrupt is not None and interrupt.has_struck:
                raise WriteFailed("the client is gone", phase="write") from None
            raise
        finally:
            self.size = carrier.size
            if interrupt is not None:
                self.connection.stream.on_end(None)
                interrupt.stop()

    def _interrupt(self, carrier: Carrier) -> Interrupt | None:
        """See to it that nobody waits for ever for a piece that a client which is gone would get.

        One that has only closed its side may still read, so that as long as pieces come it gets
        them. What it does not read has a deadline of its own.
        """
        if self.terms.interrupt is None:
            return None
        interrupt = self.terms.interrupt()
        seconds = self.terms.patience.linger
        self.connection.stream.on_end(lambda: interrupt.begin(seconds, carrier.moved))
        return interrupt

    # -- what went wrong

    async def goes_on(
        self, fault: Exception, head: Part | None, request: Request | None, asking: bool
    ) -> tuple[bool, int, str]:
        """Answer for what went wrong, as far as one can.

        asking: it came out of the application, whose trouble with another server, say, is not
        that of this connection. Returns whether the connection goes on, the status that was
        answered (0 for none), and why, for the log.
        """
        if isinstance(fault, (Malformed, TooLarge)) or (
            isinstance(fault, RemoteError) and not asking
        ):
            if self.engine.may_answer:
                await self._refuse(fault, head)
                return False, fault.status_code, reason_of(fault)
        elif isinstance(fault, TransportError) and not asking:
            if isinstance(fault, ReadTimeout):
                late = "timeout head" if request is None else "timeout body"
                if self.engine.may_answer:
                    return False, await self._time_out(), late
                self.cut()
                return False, 0, late
            self.cut()
            return False, 0, "timeout write" if isinstance(fault, TimedOut) else "gone"
        return *await self.apologise(request, fault), "error"

    async def _refuse(self, fault: RemoteError | Malformed | TooLarge, head: Part | None) -> None:
        """Answer a request that breaks a rule or a limit; the connection ends after it."""
        sentence = fault.brief if isinstance(fault, TooLarge) else fault.reason
        accept = head.headers.get("accept", "") if isinstance(head, RequestHead) else ""
        response = error_response(fault.status_code, sentence, fault.rule, accept)
        await self._last_word(response, head)

    async def _time_out(self) -> int:
        """Say 408 to a client that began a request and stalled; to an idle one, nothing."""
        if self.is_idle or not self.connection.received:
            return 0
        await self._last_word(
            error_response(408, "The request did not arrive in time.", "RFC 9110 15.5.9")
        )
        return 408

    async def _last_word(self, response: Response, head: Part | None = None) -> None:
        self.engine.persist_no_more()
        try:
            self.engine.send_whole(response, response.content)
            is_head = isinstance(head, RequestHead) and head.method == "HEAD"
            self.size = 0 if is_head else len(response.content)
            await self.connection.flush(self.write_deadline())
        except (LocalError, TransportError):
            self.cut()  # nobody can be told: an answer is under way already

    async def apologise(self, request: Request | None, fault: BaseException) -> tuple[bool, int]:
        """Report what went wrong on our side and answer 500.

        Returns whether the connection goes on, and the status; it is too late for one when an
        answer is under way.
        """
        if self.terms.report is not None:
            self.terms.report(request, fault)
        if not self.engine.may_answer:
            self.cut()
            return False, 0
        if self.engine.body_is_due:
            self.engine.persist_no_more()
        response = error_response(500, "Something went wrong here, not with your request.")
        try:
            self.engine.send_whole(response, response.content)
            is_head = request is not None and request.method == "HEAD"
            self.size = 0 if is_head else len(response.content)
            await self.connection.flush(self.write_deadline())
        except (CrlfError, OSError):
            self.cut()
            return False, 0
        return not self.engine.body_is_due, 500

    # -- the end

    async def linger(self) -> None:
        """Close so that the peer can still read our last word (RFC 9112 9.6).

        First our side, then wait, throwing away what comes, until the peer closes its own. Who
        still sends gets as long as a slow body does: it reads when it has sent.
        """
        if self.is_cut:
            return
        stream, now, patience = self.connection.stream, self.terms.now, self.terms.patience
        last_at = now() + max(patience.linger, patience.body_grace)
        await stream.end(now() + patience.linger)
        dropped = 0
        try:
            while dropped < LINGER_MOST and now() < last_at:
                data = await stream.read(min(now() + patience.linger, last_at))
                if not data:
                    return
                dropped += len(data)
        except TransportError:
            return


def reason_of(fault: RemoteError | Malformed | TooLarge) -> str:
    """Say in a few words for a log which rule or limit was broken."""
    if isinstance(fault, TooLarge):
        return f"limit {fault.what} of {fault.limit}"
    return f"{fault.rule}: {fault.reason}" if fault.rule else fault.reason


def is_own(fault: BaseException, asking: bool, terms: Terms) -> bool:
    """Tell whether a fault is for us to deal with: an error, or an application's own way out.

    An exit, or a cancellation that nobody asked for, ends the application's answer; it is not to
    end the others of this process. asking: the application is at work.
    """
    if isinstance(fault, Exception):
        return True
    if not asking or isinstance(fault, KeyboardInterrupt | GeneratorExit):
        return False
    is_cancelled = terms.is_cancelled
    return isinstance(fault, SystemExit) or (is_cancelled is not None and not is_cancelled())


def as_error(fault: BaseException) -> Exception:
    """Return what an application raised as an error: its exit, too, is one."""
    if isinstance(fault, Exception):
        return fault
    error = RuntimeError(f"the application raised {type(fault).__name__}")
    error.__cause__ = fault
    return error


def refuse_misdirected(request: Request, is_final: bool) -> None:
    """Refuse a request whose target is no path, if it is not for us. Raises RemoteError.

    is_final: no proxy may tell otherwise how the request has come.
    """
    if request.method == "CONNECT":
        raise RemoteError("this server is no proxy", "RFC 9110 9.3.6", 501)
    is_secure = request.received_how.scheme == "https"
    if is_final and not is_secure and request.target[:6].lower() == "https:":
        # RFC 9110 7.4: it MUST be rejected unless it came over a connection that is secured.
        raise RemoteError("https was asked for on a connection without TLS", "RFC 9110 7.4", 421)
