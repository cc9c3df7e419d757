"""Responses on their way in: the head is here, the content comes when it is asked for.

Who holds one holds its connection, and gives it back by reading to the end, or lets go of it.
Its law: an end is told only where there was one, and an error is told each time it is asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from crlf.flow.bodies import Content, refuse_over
from crlf.flow.budget import Budget
from crlf.flow.dial import Route
from crlf.flow.pool import ClientConnection, Pool
from crlf.message.errors import (
    BadUrl,
    BlockedAddress,
    CrlfError,
    LocalError,
    ProtocolError,
    TimedOut,
    TooLarge,
    TransportError,
)
from crlf.message.headers import EMPTY
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.wire.parts import Data, End, ResponseHead

_LITTLE = 64 * 1024  # bytes of a body that are read so that its connection may live on
_PATIENCE = 0.1  # seconds that they may take


def completed(fault: CrlfError, request: Request, budget: Budget) -> CrlfError:
    """Add to an error what only the flow knows: request, phase, and how long it all took."""
    if isinstance(fault, TimedOut):
        peer = fault.peer
        fault = budget.explained(fault)
        fault.peer = peer
    if not fault.phase:
        fault.phase = phase_of(fault)
    if fault.seconds is None:
        fault.seconds = budget.elapsed
    fault.during(request)
    return fault


def phase_of(fault: CrlfError) -> str:
    if isinstance(fault, (BadUrl, BlockedAddress)):
        return "url"
    return "write" if isinstance(fault, LocalError) else "read"


class Incoming(Content):
    """A response whose body is still to be read, and the connection that it comes on.

    The connection goes back to the pool when the end has been read, and is closed when the
    response is closed before.

    limits, in_thread: of the connection and of its network, for whoever decodes the content.
    size: bytes of the body that have come; most: how many may, None for any number. is_held: all
    of it is here, and the connection has been given back.
    """

    def __init__(
        self,
        pool: Pool,
        route: Route,
        connection: ClientConnection,
        head: ResponseHead,
        request: Request,
        budget: Budget,
    ) -> None:
        self._pool = pool
        self._route = route
        self._connection: ClientConnection | None = connection
        self._budget = budget
        self._fault: CrlfError | None = None  # what ended it before its time
        self._held: deque[bytes] = deque()  # pieces that have been read and not handed out
        self.is_held = False
        self._is_read = False  # to its end
        self.limits = connection.engine.limits
        self.is_coded = connection.engine.is_coded
        self.in_thread = pool.network.in_thread
        facts = connection.stream.facts
        self.response = Response.received(head, b"", EMPTY, request, budget.elapsed, facts)
        self.request = request
        self.size = 0
        self.most: int | None = None
        self._began = budget.now()

    async def next_piece(self) -> bytes | None:
        """Return the next bytes of the body, or None at its end.

        Raises RemoteError for a body that is cut short, ReadTimeout, ReadFailed, each time it
        is asked; RuntimeError when it was closed before its end.
        """
        if self._held:
            return self._held.popleft()
        connection = self._connection
        if connection is None:
            self._check_end()
            return None
        try:
            part = await connection.next_part(self._budget.read())
            if type(part) is Data:
                self.size += len(part.data)
                refuse_over(self.most, self.size)
                return part.data
        except BaseException as fault:
            self.close()
            if isinstance(fault, CrlfError):
                self._fault = self.completed(fault)
                raise self._fault from None
            raise
        if type(part) is End:
            self.response.trailers = part.trailers
        self._connection = None
        self._is_read = True
        self._pool.give_back(self._route, connection)
        self._budget.note("receive", self._began, self.size)
        return None

    async def hold(self) -> None:
        """Read a content that is known to be small, to be handed out later without a connection.

        Raises what next_piece raises.
        """
        connection = self._connection
        left = None if connection is None else connection.engine.body_left
        if left is None or left > _LITTLE:
            return
        pieces = []
        while (piece := await self.next_piece()) is not None:
            pieces.append(piece)
        self._held.extend(pieces)
        self.is_held = True

    def completed(self, fault: CrlfError) -> CrlfError:
        """Add to an error of this response's content what every error says."""
        if fault.peer is None:
            fault.peer = self.response.peer
        return completed(fault, self.request, self._budget)

    def _check_end(self) -> None:
        """Say once more what was said before: an end only where there was one."""
        if self._fault is not None:
            raise self._fault
        if not self._is_read:
            raise RuntimeError("this response was closed before its content was read to its end")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come."""
        while (piece := await self.next_piece()) is not None:
            yield piece

    def close(self) -> None:
        """Let go of the connection; one that is not read to its end cannot be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop(self._route, connection)

    async def leave(self) -> None:
        """Let go of the connection, and keep it when only a little is left to be read.

        RFC 9112 9.3: a client that reuses a connection reads responses to their end. What is
        left is dropped as it came: no content coding is undone for nobody.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        is_over = False
        try:
            is_over = await _is_drained(connection, self._budget.until(_PATIENCE))
        finally:
            if is_over:
                self._pool.give_back(self._route, connection)
            else:
                self._pool.drop(self._route, connection)


class Arrived(Content):
    """A response that is here whole, for whoever would read it piece by piece.

    What a filter hands back need not have come over a connection just now.
    """

    def __init__(self, response: Response, request: Request, pool: Pool) -> None:
        self.limits = pool.dialler.limits
        self.in_thread = pool.network.in_thread
        self.response = response
        self.request = request
        self._left: bytes | None = response.content

    async def next_piece(self) -> bytes | None:
        """Return the content, and after it None."""
        piece, self._left = self._left, None
        return piece or None

    def completed(self, fault: CrlfError) -> CrlfError:
        """Add the request to an error."""
        fault.during(self.request)
        return fault

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content."""
        while (piece := await self.next_piece()) is not None:
            yield piece

    def close(self) -> None:
        """Let go of nothing."""

    async def leave(self) -> None:
        """Let go of nothing."""


def content_of(incoming: Incoming | Arrived, response: Response) -> Content:
    """Return what a response's content is read from: the response itself, unless it is coded."""
    headers = response.headers
    if isinstance(incoming, Arrived) or not incoming.is_coded:
        return incoming
    from crlf.flow.decoding import IncomingContent  # decoders, which plain content does without

    limits, in_thread = incoming.limits, incoming.in_thread
    return IncomingContent(incoming, headers, limits, in_thread, response.status_code)


async def _is_drained(connection: ClientConnection, deadline: float | None) -> bool:
    """Read the little that is left of a body, and tell whether its end was reached.

    A body of unknown length may go on for ever: of that only what has arrived is read.
    """
    engine = connection.engine
    left = engine.body_left
    size = 0 if left is None else left
    try:
        while size <= _LITTLE:
            part = engine.next_part()
            if type(part) is Data:
                size += len(part.data) if left is None else 0
            elif part is not None:
                return type(part) is End
            elif left is None and not connection.stream.has_arrived():
                return False
            else:
                await connection.fill(deadline)
    except (TransportError, ProtocolError, TooLarge):
        pass
    return False
