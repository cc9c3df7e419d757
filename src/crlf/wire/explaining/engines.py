"""The engines of crlf, watched: what they make of bytes, and where they stand in them.

The whole input is handed over at once, so that a position in the engine's buffer is a position
in the input. Nothing is decided here: a message is what the engine says that it is.
"""

from __future__ import annotations

from crlf.message.headers import Headers
from crlf.wire.explaining.spans import How
from crlf.wire.h1.body import ChunkedReader, CloseReader, LengthReader
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.halves import H1Engine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.h1.state import CLOSED, IDLE, SWITCHED, TABLE, WHOLE
from crlf.wire.limits import Limits
from crlf.wire.parts import RequestHead, ResponseHead

_OK = ResponseHead(200)
_SWITCH = ResponseHead(101, Headers({"connection": "upgrade", "upgrade": "other"}))
_READERS: dict[type, How] = {
    LengthReader: "length", ChunkedReader: "chunked", CloseReader: "close", type(None): "none",
}  # fmt: skip


class _Watched(H1Engine):
    """An engine of either role that has its whole input, and tells where it stands in it."""

    def __init__(self, data: bytes, limits: Limits, *, ended: bool, start: int = 0) -> None:
        super().__init__(limits)
        if data:
            self.receive(data)
            self._at = self._checked = self._line_at = start
        if ended:
            self.receive(b"")

    @property
    def position(self) -> int:
        """How much of the input has been read."""
        return self._at

    @property
    def how(self) -> How:
        """How the end of the message is found whose head has just been read."""
        return "tunnel" if self.theirs == SWITCHED else _READERS[type(self._reader)]

    @property
    def has_switched(self) -> bool:
        """Whether what follows is another protocol."""
        return self.theirs == SWITCHED


class WatchedServer(_Watched, ServerEngine):
    """A server's engine, watched, that answers so that reading goes on."""

    @property
    def has_closed(self) -> bool:
        """Whether no further request is read."""
        return self.theirs == CLOSED

    def answer(self, *, switches: bool) -> None:
        """Answer a request that is complete: yes to a tunnel, 101 where another protocol came."""
        if switches and self.upgrade is not None:
            self.send(_SWITCH)
        elif self.may_answer:
            self.send_whole(_OK, b"")
        self.outgoing()


class WatchedClient(_Watched, ClientEngine):
    """A client's engine, watched, that is told what was asked."""

    @property
    def may_ask(self) -> bool:
        """Whether a next request could have been sent here."""
        return self.ours == IDLE and self.theirs == IDLE and self._persists

    def ask(self, head: RequestHead) -> None:
        """Note that a request without content went out, though its answer is here already."""
        self._begin_exchange(head)
        self.ours = TABLE[IDLE][WHOLE]
