"""Turn: one request, and what is said to it piece by piece.

Some applications do not return a response but speak it: ASGI's and WSGI's. They are handed a
turn, read the request's content from it as it comes, and say head, content and end. Its law:
what has been begun is finished, or the connection is cut, so that nobody takes half an answer
for a whole one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import BinaryIO

from crlf.flow.bodies import expect_end, refuse_over, send_content
from crlf.flow.connection import PIECE
from crlf.flow.line import Carrier, Line, write_out
from crlf.message.body import FileBody
from crlf.message.errors import CrlfError, TransportError
from crlf.message.facts import Draining
from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.wire.parts import CONTINUE, END, Data, End, ResponseHead

_SERVERS = -1  # stands for the limit of the server


class Turn:
    """One request and its answer, on a connection.

    request: its content is not in it, see `next_piece`. fault: what the connection, not the
    application, did wrong. status_code: of the answer, 0 before it has begun.
    """

    __slots__ = (
        "_deadline_from", "_given_at", "_has_left", "_head", "_limit", "_line", "_received",
        "fault", "has_begun", "is_finished", "is_gone", "request", "status_code",
    )  # fmt: skip

    def __init__(self, line: Line, request: Request) -> None:
        self._line = line
        self.request = request
        self._head: ResponseHead | None = None  # kept back for the first piece of content
        self._limit: int | None = _SERVERS
        self._received = -1  # bytes of content; -1 before the first was asked for
        self._deadline_from = (0.0, 0)  # when content was first asked for, at how many bytes
        self._given_at = 0.0  # when the application last got some
        self.fault: Exception | None = None
        self.has_begun = False
        self.is_finished = False
        self.is_gone = False
        self._has_left = False
        self.status_code = 0

    @property
    def draining(self) -> Draining:
        """Whether the server is about to stop."""
        return self.request.draining

    @property
    def body_is_due(self) -> bool:
        """Whether content of the request is still to come."""
        return self._line.engine.body_is_due

    @property
    def kept(self) -> object:
        """What the application keeps of this connection, from one turn to the next."""
        return self._line.kept

    @kept.setter
    def kept(self, thing: object) -> None:
        self._line.kept = thing

    # -- listening

    def take_up_to(self, limit: int | None) -> None:
        """Take so many bytes of content, where the server's limit is not meant for this request."""
        self._limit = limit

    async def next_piece(self) -> bytes | None:
        """Return the next bytes of the request's content, None at its end.

        A client that waits for a 100 is told to go on. Raises RemoteError, TooLarge (413),
        ReadTimeout, ReadFailed.
        """
        line, engine = self._line, self._line.engine
        try:
            if not engine.body_is_due:
                return None
            limit = line.terms.limits.body if self._limit == _SERVERS else self._limit
            if self._received < 0:
                self._received = 0
                refuse_over(limit, engine.body_left)
                self._deadline_from = line.terms.now(), line.connection.received
                if engine.expects_continue and not self.has_begun and engine.may_answer:
                    engine.send(CONTINUE)
                    await line.connection.flush(line.write_deadline())
            else:  # what the application did meanwhile is no time of the client's
                began, before = self._deadline_from
                self._deadline_from = began + line.terms.now() - self._given_at, before
            part = await line.connection.next_part(self._body_deadline())
            if type(part) is Data:
                self._received += len(part.data)
                refuse_over(limit, self._received)
                if not self.body_is_due:
                    # Its end has come with it; until that is fetched, no request can follow.
                    expect_end(await line.connection.next_part(None))
                self._given_at = line.terms.now()
                return part.data
            expect_end(part)
            return None
        except CrlfError as fault:
            self.fault = fault
            # Whoever answers all the same says that no request can follow: this one has no end.
            engine.persist_no_more()
            raise

    def _body_deadline(self) -> float:
        terms = self._line.terms
        began, before = self._deadline_from
        return terms.patience.body_deadline(
            began, self._line.connection.received - before, terms.now()
        )

    def on_gone(self, callback: Callable[[], object]) -> None:
        """Call back once when the client has closed its side or is gone, at once if it has."""

        def note() -> None:
            self.is_gone = True
            callback()

        self._line.connection.stream.on_end(note)

    # -- speaking

    async def inform(self, head: ResponseHead) -> None:
        """Send an interim response, such as 103 (RFC 8297). HTTP/1.0 and latecomers get none."""
        if self.has_begun or self.request.version == "1.0":
            return
        self._line.engine.send(head)
        await self._written(self._line.connection.flush(self._line.write_deadline()))

    async def answer(self, response: Response) -> None:
        """Say a whole response."""
        now = self._begins(response.status_code)
        line = self._line
        stamp = line.terms.stamp
        if stamp is not None:
            response = response.with_headers(stamp(self.request, response.headers))
        await self._written(line.answer(response, self.request, now))
        self.is_finished = True

    async def answer_whole(self, head: ResponseHead, content: bytes) -> None:
        """Say a whole response whose content is here: `answer` without a Response and a detour."""
        now = self._begins(head.status_code)
        line = self._line
        engine, stream, terms = line.engine, line.connection.stream, line.terms
        stamp = terms.stamp
        if stamp is not None:
            head = head._replace(headers=stamp(self.request, head.headers))
        engine.send_whole(head, content)
        line.size = 0 if self.request.method == "HEAD" else len(content)
        try:
            if len(content) <= PIECE:
                await stream.write(engine.outgoing(), now + terms.patience.write)
            else:
                await write_out(stream, engine, line.write_deadline)
        except TransportError as fault:
            self.fault = fault
            self.is_gone = True
            raise
        self.is_finished = True

    async def begin(self, head: ResponseHead) -> None:
        """Say a response's head. It goes out with the first piece of content, or the end."""
        self._begins(head.status_code)
        stamp = self._line.terms.stamp
        if stamp is not None:
            head = head._replace(headers=stamp(self.request, head.headers))
        self._head = head

    async def send(self, data: bytes) -> None:
        """Say a piece of content; return when the kernel has it.

        Raises LocalError for more than Content-Length, WriteTimeout, WriteFailed.
        """
        line, engine = self._line, self._line.engine
        self._say_head()
        engine.send(Data(data))
        if not engine.drops_content:
            line.size += len(data)
        stream = line.connection.stream
        if len(data) > PIECE:
            await self._written(write_out(stream, engine, line.write_deadline))
            return
        out = engine.outgoing()
        if out:
            await self._written(stream.write(out, line.write_deadline()))

    async def send_file(self, file: BinaryIO, offset: int, count: int) -> None:
        """Say so many bytes of a file, from an offset; nobody else may read it meanwhile.

        Raises LocalError when it is shorter, WriteTimeout, WriteFailed.
        """
        self._say_head()
        if self._line.engine.drops_content:
            return
        await self._written(self._send_file(file, offset, count))

    async def _send_file(self, file: BinaryIO, offset: int, count: int) -> None:
        in_thread = self._line.terms.in_thread

        def open_body() -> FileBody:
            file.seek(offset)
            return FileBody(file, count)

        carrier = Carrier(self._line.connection)
        try:
            await send_content(
                carrier, await in_thread(open_body), self._line.write_deadline, in_thread
            )
        finally:
            self._line.size += carrier.size

    async def finish(self, trailers: Headers = EMPTY) -> None:
        """Say that this was all. Raises LocalError for less than Content-Length."""
        line, engine = self._line, self._line.engine
        if self._head is not None and not trailers.fields and self.request.method != "HEAD":
            head, self._head = self._head, None
            engine.send_whole(head, b"")
        else:
            self._say_head()
            engine.send(End(trailers) if trailers.fields else END)
        out = engine.outgoing()
        if out:
            await self._written(line.connection.stream.write(out, line.write_deadline()))
        self.is_finished = True

    def leave_if_finished(self) -> None:
        """Let the connection go on without us, once the answer is finished.

        For an application that goes on working after its answer, in its own Task: the client's
        next request does not wait for that.
        """
        if self.is_finished and not self._has_left:
            self._has_left = True
            self._line.leave()

    def _begins(self, status_code: int) -> float:
        """Note that an answer begins; return what time it is."""
        if self.has_begun:
            raise RuntimeError("a request has one answer, and this one has begun")
        self.has_begun = True
        self.status_code = status_code
        return self._line.before_answer()

    def _say_head(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._line.engine.send(head)
        elif not self.has_begun:
            raise RuntimeError("content before the head of a response")

    async def _written(self, writing: Awaitable[None]) -> None:
        """Wait for a write; a connection that broke is no fault of the application's."""
        try:
            await writing
        except TransportError as fault:
            self.fault = fault
            self.is_gone = True
            raise


Talk = Callable[[Turn], Awaitable[None]]
