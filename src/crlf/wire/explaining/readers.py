"""Messages read one after the other: the engine says where each ends, and spans are laid there.

Two readers, one for each direction, share the walk from head to body to end. Its law: it asks
the engine before it names a byte, and after the engine's first fault nothing more is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crlf.message.errors import ProtocolError, TooLarge
from crlf.message.headers import EMPTY
from crlf.patterns import pattern
from crlf.wire.explaining.bodies import bytes_of, tile_chunks, tile_content, tile_unread
from crlf.wire.explaining.engines import WatchedClient, WatchedServer
from crlf.wire.explaining.framings import framing_of
from crlf.wire.explaining.heads import tile_head
from crlf.wire.explaining.locating import Place, place_of
from crlf.wire.explaining.mending import advice_for, advice_on_beginning, answer_for
from crlf.wire.explaining.spans import (
    Explained,
    Fault,
    Framing,
    Kind,
    Message,
    Span,
    overlaid,
    span_of,
)
from crlf.wire.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from crlf.wire.parts import Data, End, Head, RequestHead, ResponseHead

_REQUEST_BEGINS = pattern(rb"[A-Z]{1,20} [^ \r\n]{1,8000} HTTP/|[A-Z]{1,20}\Z")
_RESPONSE_BEGINS = b"HTTP/1."
# A message of ten fields has fifty. Each takes half a kilobyte when it is told; more than ten
# thousand exchanges are not taken from a HAR either.
MOST_SPANS: Final = 500_000
_UNKNOWN = Framing("unknown", "its head is not whole, so nobody knows yet", "RFC 9112 6.3")
_BROKEN = Framing("unknown", "its head is broken, so nobody can know", "RFC 9112 6.3")


def _too_many(data: bytes, start: int) -> list[Span]:
    meaning = "further messages, which are not explained: there are too many"
    return [span_of(start, len(data), "not read", meaning)]


class Reader:
    """What both directions share: spans so far, messages so far, and the fault."""

    kind: Kind

    def __init__(self, data: bytes, engine: WatchedServer | WatchedClient) -> None:
        self.data = data
        self.engine = engine
        self.spans: list[Span] = []
        self.messages: list[Message] = []
        self.fault: Fault | None = None
        self.is_over = False  # there are more messages than are explained

    def read(self) -> Explained:
        """Read all there is, or as much of it as makes MOST_SPANS spans."""
        while self._read_message():
            if len(self.spans) > MOST_SPANS and self.engine.position < len(self.data):
                self.spans += _too_many(self.data, self.engine.position)
                self.is_over = True
                break
        return Explained(tuple(self.messages), tuple(self.spans), self.fault)

    def _read_message(self) -> bool:
        """Read one message; tell whether another may follow."""
        raise NotImplementedError

    def goes_back(self) -> bool:
        """Whether what follows is a message in the other direction."""
        return False

    def _head_start(self) -> int:
        return self.engine.position

    def _read_one(self) -> tuple[Head, bool] | None:
        """Read one message: its head, and whether all of it was there. None: nothing, or broken."""
        start = self._head_start()
        try:
            head = self.engine.next_part()
        except (ProtocolError, TooLarge) as fault:
            self._break_head(start, fault)
            return None
        if not isinstance(head, RequestHead | ResponseHead):
            if start < len(self.data):
                self._rest(start, head is None)
            return None
        head_end = self.engine.position
        spans = tile_head(self.data, start, head_end, self.kind)
        framing = framing_of(head, self.engine.how, self._asked_method)
        if self.engine.has_switched or (isinstance(head, ResponseHead) and head.status_code < 200):
            self._keep(Message(self.kind, start, head_end, head, tuple(spans), framing, True))
            return head, True
        return self._read_body(head, start, head_end, spans, framing)

    @property
    def _asked_method(self) -> str:
        return ""

    def _read_body(
        self, head: Head, start: int, head_end: int, spans: list[Span], framing: Framing
    ) -> tuple[Head, bool] | None:
        length, trailers, is_complete = 0, EMPTY, False
        try:
            while (part := self.engine.next_part()) is not None:
                if isinstance(part, Data):
                    length += len(part.data)
                elif isinstance(part, End):
                    is_complete, trailers = True, part.trailers
                    break
                else:
                    break
        except (ProtocolError, TooLarge) as fault:
            halt = self.engine.position
            spans += self._body_spans(head_end, len(self.data), framing, length, halt)
            message = Message(
                self.kind, start, len(self.data), head, (), framing, False, length, trailers
            )
            self._break(message, spans, fault)
            return None
        end = self.engine.position if is_complete else len(self.data)
        spans += self._body_spans(head_end, end, framing, length)
        message = Message(
            self.kind, start, end, head, tuple(spans), framing, is_complete, length, trailers
        )
        self._keep(message)
        return head, is_complete

    def _body_spans(
        self, start: int, stop: int, framing: Framing, length: int, halt: int | None = None
    ) -> list[Span]:
        if framing.how == "chunked":
            return tile_chunks(self.data, start, stop, halt)
        meaning = f"{bytes_of(length)} of content"
        spans = tile_content(start, start + length, meaning, framing.rule)
        return spans + tile_unread(self.data, start + length, stop)

    def _keep(self, message: Message) -> None:
        self.messages.append(message)
        self.spans += message.spans

    # -- what is no message

    def _rest(self, start: int, may_go_on: bool) -> None:
        """Lay spans over bytes that make no message: a head that is not whole, or what is over."""
        if not may_go_on:
            self.spans += tile_unread(self.data, start, len(self.data), "left over")
            return
        spans = tile_head(self.data, start, len(self.data), self.kind)
        spans += tile_unread(self.data, spans[-1].end, len(self.data))
        self._keep(Message(self.kind, start, len(self.data), None, tuple(spans), _UNKNOWN, False))

    def _take_other_protocol(self) -> None:
        start, end = self.engine.position, len(self.data)
        if start < end:
            meaning = f"{bytes_of(end - start)} of another protocol"
            self.spans.append(span_of(start, end, "other protocol", meaning))

    # -- what is broken

    def _break_head(self, start: int, fault: ProtocolError | TooLarge) -> None:
        if fault.rule == "RFC 9112 9.2":  # of no message at all
            rest = tile_unread(self.data, start, len(self.data), "left over")
            self._break(Message(self.kind, start, start, None, (), _BROKEN, False), rest, fault)
            return
        spans = tile_head(self.data, start, len(self.data), self.kind)
        end = spans[-1].end if spans else start
        spans += tile_unread(self.data, end, len(self.data))
        self._break(Message(self.kind, start, end, None, (), _BROKEN, False), spans, fault)

    def _break(self, message: Message, spans: list[Span], fault: ProtocolError | TooLarge) -> None:
        """Note the fault where it is to be seen, and lay it over what cannot be what it seems."""
        reason = fault.reason
        if isinstance(fault, TooLarge):
            reason = f"{fault.what.replace('_', ' ')} over its limit of {fault.limit:,}"
        place: Place = place_of(self.data, spans, message.start, fault)
        if place.is_broken:
            spans = overlaid(spans, place.start, place.end, reason, fault.rule)
        self.fault = Fault(
            place.start,
            reason,
            fault.rule,
            fault.status_code,
            self.data.count(b"\n", 0, place.start) + 1,
            place.start - self.data.rfind(b"\n", 0, place.start),
            self._advice_for(reason),
            answer_for(fault, self.kind),
            place.end,
        )
        if message.end > message.start:
            kept = tuple(span for span in spans if span.start < message.end)
            self.messages.append(message._replace(spans=kept))
        self.spans += spans

    def _advice_for(self, reason: str) -> str:
        """Say what mends it; of a first message that is none, what it is in truth."""
        advice = "" if self.messages else advice_on_beginning(self.data, self.kind)
        return advice or advice_for(reason, self.kind)


class RequestReader(Reader):
    """Reads what a client sent, as crlf's server does."""

    kind = "request"
    engine: WatchedServer

    def __init__(
        self, data: bytes, limits: Limits, *, ended: bool, start: int = 0, turns: bool = False
    ) -> None:
        super().__init__(data, WatchedServer(data, limits, ended=ended, start=start))
        self._turns = turns  # responses may follow, as in a transcript

    def goes_back(self) -> bool:
        at = self.engine.position
        return (
            self._turns
            and self.fault is None
            and bool(self.messages)
            and self.messages[-1].is_complete
            and self.data.startswith(_RESPONSE_BEGINS, at)
        )

    def _head_start(self) -> int:
        at = self.engine.position
        if self.engine.has_closed:
            return at
        data, most = self.data, self.engine.limits.blank_lines
        while data[at : at + 2] == b"\r\n" and most > 0:
            self.spans.append(span_of(at, at + 2, "empty line"))
            at += 2
            most -= 1
        return at

    def _read_message(self) -> bool:
        found = self._read_one()
        if found is None or not found[1] or self.goes_back():
            return False
        at = self.engine.position
        is_request = _REQUEST_BEGINS.match(self.data, at) is not None
        self.engine.answer(switches=at < len(self.data) and not is_request)
        if self.engine.has_switched:
            self._take_other_protocol()
            return False
        return True


class ResponseReader(Reader):
    """Reads what a server sent, as crlf's client does."""

    kind = "response"
    engine: WatchedClient

    def __init__(
        self,
        data: bytes,
        limits: Limits,
        requests: Sequence[RequestHead],
        *,
        ended: bool,
        then: RequestHead | None = None,
        start: int = 0,
        turns: bool = False,
    ) -> None:
        super().__init__(data, WatchedClient(data, limits, ended=ended, start=start))
        self._requests = iter(requests)
        self._then = then
        self._turns = turns  # requests may follow, as in a transcript
        self._method = ""
        self._ask()

    @property
    def _asked_method(self) -> str:
        return self._method

    def goes_back(self) -> bool:
        at = self.engine.position
        return (
            self._turns
            and self.fault is None
            and not self.engine.awaits_response
            and bool(self.messages)
            and self.messages[-1].is_complete
            and _REQUEST_BEGINS.match(self.data, at) is not None
        )

    def _ask(self) -> None:
        asked = next(self._requests, self._then)
        if asked is not None:
            self._method = asked.method
            self.engine.ask(asked)

    def _read_message(self) -> bool:
        found = self._read_one()
        if found is None or not found[1]:
            return False
        if self.engine.has_switched:
            self._take_other_protocol()
            return False
        if self.goes_back():
            return False
        if self.engine.may_ask and self.engine.position < len(self.data):
            self._ask()
        return True


def read_turns(data: bytes, first: Kind, then: RequestHead, *, ended: bool) -> Explained:
    """Read the two directions of a connection as they follow each other in a transcript.

    then: the request that responses are believed to answer of which none is there.
    """
    messages: list[Message] = []
    spans: list[Span] = []
    kind, start = first, 0
    asked: list[RequestHead] = []
    while True:
        reader: Reader
        if kind == "request":
            reader = RequestReader(data, SERVER_LIMITS, ended=ended, start=start, turns=True)
        else:
            reader = ResponseReader(
                data, CLIENT_LIMITS, asked, ended=ended, then=then, start=start, turns=True
            )
        found = reader.read()
        messages += found.messages
        spans += found.spans
        if reader.is_over or not reader.goes_back():
            return Explained(tuple(messages), tuple(spans), found.fault)
        heads = [message.head for message in found.messages]
        asked = [head for head in heads if isinstance(head, RequestHead)]
        start = reader.engine.position
        if len(spans) > MOST_SPANS:
            spans += _too_many(data, start)
            return Explained(tuple(messages), tuple(spans), None)
        kind = "response" if kind == "request" else "request"
