"""A request's content that its handler reads as it comes, in either colour.

Who brings the content (a connection, a host of ASGI) knows limits and deadlines; here it is only
handed on: to `async for` as it is awaited, to `for` by a thread that waits for the loop. Such a
thread needs no other, so that a server whose threads are all busy reading still reads. Its law:
a fault is told each time it is asked for, and after the answer nothing can be read any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from crlf.flow.formparts import FormReader, ReadParts
from crlf.flow.telling import Telling
from crlf.flow.terms import Spawn
from crlf.message.errors import CrlfError
from crlf.message.headers import Headers
from crlf.ports import FromThread, InThread, OpenSaving
from crlf.wire.multipart import MultipartLimits

T = TypeVar("T")
NextPiece = Callable[[], Awaitable[bytes | None]]


class StreamedContent:
    """Content on its way in: a Body, and what `request.pieces()` and `request.parts()` read.

    next_piece: brings the next bytes, None at the end. headers: of the request. limits: of a
    form in it. in_thread: runs what would block. from_thread: lets threads wait; None where there
    is no loop. saving: opens files to save to. telling: is told of what comes. spawn:
    lets files be written while more comes.
    """

    length: int | None = None
    can_send_again = False
    waits = True
    reads_files = False

    def __init__(
        self,
        next_piece: NextPiece,
        headers: Headers,
        limits: MultipartLimits,
        in_thread: InThread,
        from_thread: FromThread | None,
        saving: OpenSaving | None,
        telling: Telling | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        self.fault: Exception | None = None
        self.is_reading = False
        self.headers = headers
        self.limits = limits
        self.in_thread = in_thread
        self.spawn = spawn
        self.saving = saving
        self._bring = next_piece
        self._from_thread = from_thread
        self._telling = telling
        self._is_closed = self._is_over = False
        self._parts: ReadParts | None = None

    async def next_piece(self) -> bytes | None:
        """Return the next bytes of the content, None at its end.

        Raises RemoteError, TooLarge (413), ReadTimeout, ReadFailed; RuntimeError after the answer.
        """
        if self.fault is not None:
            raise self.fault
        if self._is_over:
            return None
        if self._is_closed:
            raise RuntimeError("the request was answered, and what was left of its content is gone")
        self.is_reading = True
        try:
            piece = await self._bring()
        except CrlfError as fault:
            self.blame(fault)
            raise
        finally:
            self.is_reading = False
        telling = self._telling
        if piece is None:
            self._is_over = True
            if telling is not None:
                telling.finish()
        elif telling is not None:
            telling.add(len(piece))
        return piece

    def blame(self, fault: Exception) -> None:
        """Note what was wrong with the content, and that this is not the handler's fault."""
        if self.fault is None:
            self.fault = fault
            if self._telling is not None:
                self._telling.finish(failed=True)

    def wait(self, flow: Coroutine[Any, Any, T]) -> T:
        """Wait for a flow in a thread. Raises RuntimeError on the loop, and where there is none."""
        if self._from_thread is None:
            flow.close()
            raise RuntimeError("there is no loop here that a thread could wait for")
        return self._from_thread(flow)

    def pieces(self) -> ReadPieces:
        """Return the content's pieces, from where it is read so far."""
        if self._parts is not None:
            raise RuntimeError("this content is read by its parts: it has no other pieces")
        return ReadPieces(self)

    def parts(self) -> ReadParts:
        """Return the parts of the form that it is, from where it is read so far.

        Raises Malformed (400, 415) when the request's fields speak of no such form.
        """
        if self._parts is None:
            self._parts = ReadParts(FormReader(self))
        return self._parts

    def chunks(self) -> Iterator[bytes]:
        """Raise TypeError: it must be waited for."""
        raise TypeError("content that is on its way in must be waited for")

    def chunks_async(self) -> AsyncIterator[bytes]:
        """Yield the content as it comes, as an answer that sends it back does."""
        return self.pieces().__aiter__()

    def close(self) -> None:
        """Let nobody read any more: the request has been answered. May be called twice."""
        self._is_closed = True
        if self._telling is not None:
            self._telling.finish(failed=not self._is_over)
        self.fault = None  # its traceback leads back here


class ReadPieces:
    """Bytes as they come, for a loop of either colour."""

    def __init__(self, content: StreamedContent) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        content = self._content
        while (piece := content.wait(content.next_piece())) is not None:
            yield piece

    def __aiter__(self) -> ReadPieces:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._content.next_piece()
        if piece is None:
            raise StopAsyncIteration
        return piece
