"""Content on its way in and out: read whole, dropped, or sent piece by piece.

What a peer sends is counted as it comes, so a limit holds before the byte too many is kept.
What we send is asked for one piece at a time, and each is written before the next is made: a
slow peer slows its own response and costs no memory. Its law: whatever was opened to be sent
is closed on every way out, also when a thread still reads it as the flow is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from crlf.flow.connection import PIECE
from crlf.message.body import Body, FileBody, Span
from crlf.message.errors import ProtocolError, TooLarge, TransportError
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.wire.parts import END, Data, End, Part

T = TypeVar("T")
DeadlineOf = Callable[[], float | None]  # asked anew for each wait

_SMALL = 4096  # bytes; pieces below it are gathered, so that a dribble costs no object each


class PartSource(Protocol):
    """The side of a connection that brings parts."""

    async def next_part(self, deadline: float | None) -> Part: ...


class PartSink(Protocol):
    """The side of a connection that takes them: `send` queues, `flush` writes.

    sends_files: whether content of the present message may go by `send_file`, which flushes
    first.
    """

    @property
    def sends_files(self) -> bool: ...
    def send(self, part: Part) -> None: ...
    async def flush(self, deadline: float | None) -> None: ...
    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: DeadlineOf
    ) -> None: ...


class Content:
    """Content to be read piece by piece, decoded or as it is on the wire.

    codings: what it is still coded with when it is read decoded; () when it is plain.
    """

    codings: tuple[str, ...] = ()

    async def next_piece(self) -> bytes | None:
        """Return the next bytes, or None at the end."""
        raise NotImplementedError  # whoever brings it says how

    async def next_raw(self) -> bytes | None:
        """Return the next bytes as they are on the wire, or None at the end."""
        return await self.next_piece()  # where no coding is undone


async def read_whole(
    connection: PartSource, limit: int | None, deadline_of: DeadlineOf, length: int | None = None
) -> tuple[bytes, Headers]:
    """Read the rest of a message, and return its content and its trailer fields.

    limit: in bytes; None for no limit. length: what Content-Length says, where the caller knows
    it: then too long a body is refused before its first byte is waited for.

    Raises TooLarge (413), RemoteError, ReadTimeout, ReadFailed.
    """
    refuse_over(limit, length)
    pieces: list[bytes | bytearray] = []
    small = bytearray()
    size = 0
    while type(part := await connection.next_part(deadline_of())) is Data:
        piece = part.data
        size += len(piece)
        refuse_over(limit, size)
        if len(piece) < _SMALL and size > len(piece):
            small += piece
            continue
        if small:
            pieces.append(small)
            small = bytearray()
        pieces.append(piece)
    trailers = expect_end(part)
    if small:
        pieces.append(small)
    if len(pieces) == 1 and type(pieces[0]) is bytes:
        return pieces[0], trailers
    return b"".join(pieces), trailers


async def drain(connection: PartSource, most: int, deadline: float | None) -> bool:
    """Read what is left of a message and drop it; tell whether its end was reached.

    RFC 9112 9.3: a server reads a request whole or closes. False when there are over `most`
    bytes, or it is not here by the deadline, or it is broken: then the connection is over.
    """
    left = most
    try:
        while type(part := await connection.next_part(deadline)) is Data:
            left -= len(part.data)
            if left < 0:
                return False
    except (TransportError, ProtocolError, TooLarge):
        return False
    return type(part) is End


async def send_body(
    connection: PartSink, body: Body, deadline_of: DeadlineOf, in_thread: InThread
) -> None:
    """Send a message's content and its end; the head has gone before. See send_content."""
    await send_content(connection, body, deadline_of, in_thread)
    connection.send(END)
    await connection.flush(deadline_of())


async def send_content(
    connection: PartSink, body: Body, deadline_of: DeadlineOf, in_thread: InThread
) -> None:
    """Send a message's content, or a part of it.

    Files go from disk to the connection without passing here, where it takes them so. Otherwise
    a body that reads files is asked for its pieces in a thread, one that waits is waited for,
    any other is asked here. It is closed on every way out.

    Raises what the body raises, TypeError for a piece that is not bytes, LocalError when it is
    not as long as its head said, WriteTimeout, WriteFailed.
    """
    if body.waits:
        await _send_waiting(connection, body, deadline_of)
    elif body.reads_files and not _is_at_hand(connection, body):
        await _send_from_thread(connection, body, deadline_of, in_thread)
    else:
        pieces = _pieces_of(connection, body)
        try:
            for piece in pieces:
                await _send_piece(connection, piece, deadline_of)
        finally:
            close_if_it_can(pieces)
            let_go(body)


def _is_at_hand(connection: PartSink, body: Body) -> bool:
    """Tell whether a body is one open file that the connection takes as it is.

    That needs no thread: the kernel may wait for a disk in either, and it reads ahead.
    """
    return isinstance(body, FileBody) and connection.sends_files and body.span() is not None


def _pieces_of(connection: PartSink, body: Body) -> Iterator[object]:
    """Ask a body for its pieces, with files as they are where the connection takes them so."""
    spans = getattr(body, "spans", None)
    if spans is None or not connection.sends_files:
        return body.chunks()
    pieces: Iterator[object] = spans()
    return pieces


async def _send_piece(connection: PartSink, piece: object, deadline_of: DeadlineOf) -> None:
    """Send a piece; a large one in several, so that each has a deadline of its own."""
    if type(piece) is Span:
        await connection.send_file(*piece, deadline_of)
        return
    data = _as_bytes(piece)
    if len(data) <= PIECE:
        connection.send(Data(data))
        await connection.flush(deadline_of())
        return
    for start in range(0, len(data), PIECE):
        connection.send(Data(data[start : start + PIECE]))
        await connection.flush(deadline_of())


async def _send_waiting(connection: PartSink, body: Body, deadline_of: DeadlineOf) -> None:
    pieces = body.chunks_async()
    try:
        async for piece in pieces:
            await _send_piece(connection, piece, deadline_of)
    finally:
        try:
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()
        finally:  # also when that is cancelled in its turn
            let_go(body)


async def _send_from_thread(
    connection: PartSink, body: Body, deadline_of: DeadlineOf, in_thread: InThread
) -> None:
    pieces = _pieces_of(connection, body)

    def close() -> None:
        close_if_it_can(pieces)
        let_go(body)

    lent = Lent(close)

    def read() -> object:
        return next(pieces, None)

    try:
        while (piece := await in_thread(lambda: lent.use(read))) is not None:
            await _send_piece(connection, piece, deadline_of)
    finally:
        lent.let_go()


def let_go(body: Body | bytes) -> None:
    """Close what a body holds open. For whoever does not send it: a HEAD, a 304, an error."""
    if not isinstance(body, bytes):
        close_if_it_can(body)


def close_if_it_can(thing: object) -> None:
    """Close an iterator, a body or a file that has a close; others need none."""
    close = getattr(thing, "close", None)
    if close is not None:
        close()


def refuse_over(limit: int | None, size: int | None) -> None:
    """Raise TooLarge when content of this size is over the limit; None is no limit, or no size."""
    if limit is not None and size is not None and size > limit:
        raise TooLarge("body", limit, 413, "RFC 9110 15.5.14")


def expect_end(part: Part) -> Headers:
    """Return the trailers of the part that ended a body; any other is a fault of the caller's."""
    if type(part) is not End:
        raise RuntimeError(f"{type(part).__name__} where a body was to be read: it was read before")
    return part.trailers


class Lent:
    """Something that a thread may be using at the moment its flow has to let go of it.

    A cancelled flow goes on at once, and the thread it waited for does not notice. So the one
    of the two that is done last calls `close`, and it is called once. There is no lock: the
    flow says that it is gone before it asks whether the thread is busy, and the thread says
    that it is busy no more before it asks whether the flow is gone.
    """

    __slots__ = ("_busy", "_close", "_gone")

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = [close]  # taken out by who calls it: list.pop is one step
        self._busy = False
        self._gone = False

    def use(self, work: Callable[[], T]) -> T:
        """Run work, in the thread. Raises RuntimeError when the flow is gone already."""
        self._busy = True
        try:
            if self._gone:
                raise RuntimeError("nobody waits for this any more")
            return work()
        finally:
            self._busy = False
            if self._gone:
                self._finish()

    def let_go(self) -> None:
        """Close it now, or as soon as the work under way is done. May be called twice."""
        self._gone = True
        if not self._busy:
            self._finish()

    def _finish(self) -> None:
        try:
            close = self._close.pop()
        except IndexError:
            return
        close()


async def opened_in_thread(in_thread: InThread, opening: Callable[[], T]) -> T:
    """Let a thread make what may be a response with an open file.

    That is closed if nobody waits any more.
    """
    made: list[T] = []

    def work() -> T:
        made.append(opening())
        return made[0]

    def close() -> None:
        for thing in made:
            if isinstance(thing, Response):
                let_go(thing.body)

    lent = Lent(close)
    try:
        return await in_thread(lambda: lent.use(work))
    except BaseException:
        lent.let_go()
        raise


def _as_bytes(piece: object) -> bytes:
    """Return a piece as bytes that nobody changes under us."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"a body yields bytes, not {type(piece).__name__}")
