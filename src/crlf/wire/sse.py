"""Server-sent events, both ways: a stream of bytes to events, and an event to bytes.

The format and its reading are those of WHATWG HTML 9.2.5 and 9.2.6. Bytes are cut into lines
before they are decoded, so a verdict cannot depend on how they were cut on the way, and an
event is there as soon as the byte that ends it. Its law: what a server may make us hold is
bounded, one line by itself and an event in all.
"""

from __future__ import annotations

from typing import Final

from crlf.message.content import parse_json
from crlf.message.errors import Malformed, TooLarge
from crlf.message.grammar import parse_digits
from crlf.patterns import pattern
from crlf.values import frozen

EVENT_STREAM: Final = "text/event-stream"
MAX_LINE: Final = 1024 * 1024  # bytes
MAX_EVENT: Final = 4 * 1024 * 1024  # bytes, of all lines of one event, comments aside
_RULE = "WHATWG HTML 9.2.6"
_BOM = b"\xef\xbb\xbf"
_LINE_END = pattern(rb"\r\n|\r|\n")
_TEXT_LINE_END = pattern(r"\r\n|\r|\n")


@frozen
class ServerSentEvent:
    """An event: its type ("message" where none was sent), its data, and what came with it.

    id: the last event id, which stays until the server sends another; "" before the first.
    retry: milliseconds that the server wants between two connections, where this event said so.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> object:
        """Parse the data as JSON. Raises Malformed when it is not."""
        return parse_json(self.data.encode())


class EventParser:
    """Bytes of an event stream to events: `receive` gives those that have come to their end.

    An event that the stream ends in the middle of never was one. last_event_id: what a client
    sends as Last-Event-ID when it comes back. retry: milliseconds, or None; both as far as read.
    """

    def __init__(
        self,
        last_event_id: str = "",
        *,
        most_in_line: int = MAX_LINE,
        most_in_event: int = MAX_EVENT,
    ) -> None:
        self.last_event_id = last_event_id
        self.retry: int | None = None
        self._most_in_line = most_in_line
        self._most_in_event = most_in_event
        self._line = bytearray()  # begun, and not ended
        self._is_after_cr = False  # a LF that comes first belongs to the line end before
        self._is_first_line = True
        self._id = last_event_id  # counts once its event ends
        self._event = ""
        self._data: list[str] = []
        self._retry: int | None = None  # of the event that is being read
        self._size = 0  # bytes of its lines

    def receive(self, data: bytes) -> list[ServerSentEvent]:
        """Take bytes and return the events that they complete. Raises TooLarge."""
        events: list[ServerSentEvent] = []
        if not data:
            return events
        at = 1 if self._is_after_cr and data[0] == 0x0A else 0
        self._is_after_cr = data[-1] == 0x0D
        for end in _LINE_END.finditer(data, at):
            self._keep(data[at : end.start()])
            at = end.end()
            line = bytes(self._line)
            self._line.clear()
            if (event := self._take(line)) is not None:
                events.append(event)
        self._keep(data[at:])
        return events

    def _keep(self, piece: bytes) -> None:
        """Hold a piece of a line. Raises TooLarge before a byte too many is held."""
        size = len(self._line) + len(piece)
        if size > self._most_in_line:
            raise TooLarge("event_line", self._most_in_line, 502, _RULE)
        self._line += piece

    def _take(self, line: bytes) -> ServerSentEvent | None:
        """Take a line; an empty one ends an event and returns it, if it has any data."""
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        if line[0] == 0x3A:  # a colon: a comment, as servers send them to keep a connection open
            return None
        self._size += len(line)
        if self._size > self._most_in_event:
            raise TooLarge("event", self._most_in_event, 502, _RULE)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        self._take_field(name, value.removeprefix(" "))
        return None

    def _take_field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry":
            milliseconds = parse_digits(value)
            if milliseconds is not None:
                self.retry = self._retry = milliseconds

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_event_id = self._id
        data, name, retry = self._data, self._event, self._retry
        self._event, self._retry, self._size = "", None, 0
        if not data:
            return None
        self._data = []
        return ServerSentEvent(name or "message", "\n".join(data), self._id, retry)


def build_event(
    data: str | None = None,
    *,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """Write an event as a server sends it, with the empty line that ends it.

    data: its lines, ended by LF, CRLF or CR, arrive ended by LF; without any no event happens at
    the other end, but id and retry count. comment: what nobody reads, for keeping a connection
    open.

    Raises Malformed (a ValueError) for a line end in event or id, NUL in id, and a lone surrogate:
    whoever wrote such a name could write events of their own.
    """
    lines = [] if comment is None else [f": {line}" for line in _lines(comment)]
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            if "\n" in value or "\r" in value or (name == "id" and "\0" in value):
                raise Malformed(f"line end or NUL in the {name} of an event", _RULE)
            lines.append(f"{name}: {value}")
    if retry is not None:
        if retry < 0:
            raise ValueError(f"milliseconds are 0 or more, not {retry}")
        lines.append(f"retry: {retry}")
    if data is not None:
        lines += [f"data: {line}" for line in _lines(data)]
    lines += ["", ""] if lines else []
    try:
        return "\n".join(lines).encode()
    except UnicodeEncodeError:
        raise Malformed("a lone surrogate in an event is no text", _RULE) from None


def _lines(text: str) -> list[str]:
    return _TEXT_LINE_END.split(text)
