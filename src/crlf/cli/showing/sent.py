"""What was really sent, read off the wire by the engine of the other end: a server's.

Its law: it holds no more than the beginning of a content, and what it cannot read it leaves.
"""

from __future__ import annotations

from crlf.message.batch import Batch
from crlf.message.errors import CrlfError
from crlf.net.tap import Event
from crlf.values import replace
from crlf.wire.h1.server import ServerEngine
from crlf.wire.limits import SERVER_LIMITS
from crlf.wire.parts import Data, End, RequestHead

MOST = 1024 * 1024  # bytes of a content that are kept, for one that cannot be read again
_ROOMY = 1024 * 1024
# Whoever sent it has no need to be protected from it.
_LIMITS = replace(
    SERVER_LIMITS, line=_ROOMY, field=_ROOMY, head=2 * _ROOMY, fields=10_000, body=None
)


class Sent:
    """Told of a network's events (`event` is a Listener), it knows the last request.

    head: as it went out; None before. content: its beginning; size: bytes of all of it.
    """

    def __init__(self) -> None:
        self.head: RequestHead | None = None
        self.content = Batch()
        self.size = 0
        self._engines: dict[int, ServerEngine] = {}

    @property
    def left(self) -> int:
        """How many bytes of the content were not kept."""
        return self.size - self.content.size

    def event(self, event: Event) -> None:
        """Take note of what is sent."""
        number = event.connection
        if event.what in ("secured", "closed"):
            self._engines.pop(number, None)  # what comes now has nothing to do with it
        elif event.what == "sent":
            engine = self._engines.get(number)
            if engine is None:
                engine = self._engines[number] = ServerEngine(_LIMITS)
            try:
                engine.receive(event.data)
                self._take(engine, number)
            except CrlfError:
                self._engines.pop(number, None)

    def _take(self, engine: ServerEngine, number: int) -> None:
        while (part := engine.next_part()) is not None:
            if isinstance(part, RequestHead):
                self.head = part
                self.content, self.size = Batch(), 0
            elif isinstance(part, Data):
                self.size += len(part.data)
                room = MOST - self.content.size
                if room > 0:
                    self.content.add(part.data[:room])
            else:
                if isinstance(part, End):
                    self._engines.pop(number, None)  # the next request has an engine of its own
                return
