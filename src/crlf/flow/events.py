"""A source of server-sent events: connections one after the other, that look like one stream.

A connection that ends, breaks or falls silent is followed by another that says which event was
the last to arrive, after the time that the server asked for, and later with each failure in a
row; WHATWG HTML 9.2.3. The first connection has to succeed. Its law: the source ends
when the server says so (204), when it is closed, or with an error; and then holds nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from crlf.message.errors import (
    CrlfError,
    Malformed,
    RemoteError,
    StatusError,
    TooLarge,
    TransportError,
)
from crlf.message.fields.media import parse_media_type
from crlf.message.fields.retryafter import parse_retry_after
from crlf.message.headers import check_field
from crlf.message.response import Response
from crlf.ports import Network
from crlf.wire.sse import EVENT_STREAM, EventParser, ServerSentEvent

MOST_FAILURES: Final = 10  # in a row; with the waits between, six minutes
_WAIT = 3.0  # seconds, where the server says nothing; "a few" in the standard
_SOONEST, _LATEST = 0.1, 300.0  # seconds; what a server may ask for
_LONGEST_BACKOFF = 60.0  # seconds, unless the server wants more
_MOST_DOUBLINGS = 10
_MAX_ID = 4096  # bytes of Last-Event-ID; half of what servers take for a field
# What a gateway says while its server starts anew. By the standard the source would be dead now,
# and every page that is open with it.
_PASSING: Final = frozenset({502, 503, 504})
_EXCERPT, _EXCERPT_SECONDS = 64 * 1024, 10.0  # of the content of an error; bytes, and seconds


class Content(Protocol):
    """Content on its way in, as Incoming is."""

    async def next_piece(self) -> bytes | None: ...
    def completed(self, fault: CrlfError) -> CrlfError: ...
    def close(self) -> None: ...


# Asks for the stream; it is handed the Last-Event-ID field, or None.
Opening = Callable[[str | None], Awaitable[tuple[Content, Response]]]


class EventSource:
    """The events of one URL, for one flow at a time.

    chance: gives numbers from 0 to 1. failures: how many in a row are waited out; None is all.
    """

    def __init__(
        self,
        opening: Opening,
        network: Network,
        chance: Callable[[], float],
        *,
        last_event_id: str = "",
        reconnects: bool = True,
        failures: int | None = MOST_FAILURES,
    ) -> None:
        self._open = opening
        self._network = network
        self._chance = chance
        self._reconnects = reconnects
        self._most_failures = failures
        self._parser = EventParser(last_event_id)
        self._handed_id = last_event_id
        self._ready: deque[ServerSentEvent] = deque()
        self._content: Content | None = None
        self._was_open = False
        self._failures = 0  # in a row
        self._retry: int | None = None  # milliseconds, by the connections before this one
        self._asked = 0.0  # seconds, by a Retry-After
        self._is_over = False  # guarded by bell
        self._bell = network.new_bell()

    @property
    def last_event_id(self) -> str:
        """The id of the last event that was handed out, which a later visit begins after."""
        return self._handed_id if self._ready else self._parser.last_event_id

    async def next_event(self) -> ServerSentEvent | None:
        """Return the next event, waiting for it; None when there will be none.

        Raises StatusError, RemoteError for what is no stream of events, TooLarge, and
        what connecting and reading raise where that is not waited out.
        """
        try:
            while not self._ready:
                if self._is_over:
                    return None
                if self._content is not None:
                    await self._read(self._content)
                else:
                    await self._connect()
        except BaseException:
            self.close()
            raise
        event = self._ready.popleft()
        self._handed_id = event.id
        return event

    def close(self) -> None:
        """Let go of the connection; whoever waits for the next one is told that it is over."""
        with self._bell:
            self._is_over = True
            self._bell.ring()
        self._ready.clear()
        self._let_go()

    def _let_go(self) -> None:
        content, self._content = self._content, None
        if content is not None:
            content.close()

    async def _connect(self) -> None:
        """Open a connection, if need be after a while; or count a failure."""
        if self._was_open and not await self._pause():
            return
        try:
            content, response = await self._open(_field_of(self._parser.last_event_id))
        except TransportError as fault:
            self._fail(fault)
            return
        if self._is_over:  # closed meanwhile
            content.close()
            return
        self._content = content
        if response.status_code == 204:  # 9.2.3: the server wants nobody to come back
            self.close()
        elif self._was_open and response.status_code in _PASSING:
            self._asked = _retry_after(response, self._network.wall())
            self._fail(content.completed(await _refusal(content, response, self._network)))
        else:
            await self._check(content, response)
            self._was_open = True
            self._parser = EventParser(self._parser.last_event_id)

    async def _check(self, content: Content, response: Response) -> None:
        """Raise unless this is a stream of events."""
        if response.status_code != 200:
            raise content.completed(await _refusal(content, response, self._network))
        kind = parse_media_type(response.headers.first("content-type") or "")
        if kind is None or kind.essence != EVENT_STREAM:
            what = "no type that can be read" if kind is None else kind.essence[:100]
            raise content.completed(
                RemoteError(f"not {EVENT_STREAM} but {what}", "WHATWG HTML 9.2.3", 502)
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise content.completed(
                RemoteError("events in a coding that was not asked for", "RFC 9110 12.5.3", 502)
            )

    async def _read(self, content: Content) -> None:
        """Take the next piece, and the events that it completes."""
        try:
            piece = await content.next_piece()
        except (TransportError, RemoteError) as fault:
            self._keep_retry()
            self._fail(fault)
            return
        self._failures = 0
        if piece is not None:
            try:
                self._ready.extend(self._parser.receive(piece))
            except TooLarge as fault:
                raise content.completed(fault) from None
            return
        self._content = None  # read to its end, and back in the pool
        self._keep_retry()
        self._is_over = not self._reconnects

    def _keep_retry(self) -> None:
        self._retry = self._retry if self._parser.retry is None else self._parser.retry

    def _fail(self, fault: CrlfError) -> None:
        """Count a failure, and raise it where it is the first of all or the last of many."""
        self._let_go()
        self._failures += 1
        is_last = self._most_failures is not None and self._failures > self._most_failures
        if is_last or not self._was_open or not self._reconnects:
            raise fault from None

    async def _pause(self) -> bool:
        """Wait before the next connection; tell whether there is to be one."""
        until = self._network.now() + self._wait()
        self._asked = 0.0
        with self._bell:
            while not self._is_over and self._network.now() < until:
                if not await self._bell.wait(until):
                    break
        return not self._is_over

    def _wait(self) -> float:
        """Return the seconds until the next connection: never fewer than the server wants."""
        wanted = _WAIT if self._retry is None else self._retry / 1000
        wanted = min(max(wanted, self._asked, _SOONEST), _LATEST)
        doublings = min(max(0, self._failures - 1), _MOST_DOUBLINGS)
        most = min(wanted * 2.0**doublings, max(wanted, _LONGEST_BACKOFF))
        return wanted + self._chance() * (most - wanted)


def _field_of(event_id: str) -> str | None:
    """Write an id as the Last-Event-ID field: its UTF-8, one character a byte; None for none."""
    if not event_id:
        return None
    field = event_id.encode().decode("latin-1")
    try:
        check_field("last-event-id", field)
    except Malformed:
        raise RemoteError("an event id that no field can carry", "RFC 9110 5.5", 502) from None
    if len(field) > _MAX_ID:
        raise TooLarge("event_id", _MAX_ID, 502)
    return field


def _retry_after(response: Response, now: float) -> float:
    text = response.headers.first("retry-after")
    return 0.0 if text is None else parse_retry_after(text, now) or 0.0


async def _refusal(content: Content, response: Response, network: Network) -> CrlfError:
    """Make the error for an answer that is no stream, with the beginning of what it says."""
    pieces, size = [], 0
    give_up = network.now() + _EXCERPT_SECONDS
    try:
        while size < _EXCERPT and network.now() < give_up:
            piece = await content.next_piece()
            if piece is None:
                break
            pieces.append(piece[: _EXCERPT - size])
            size += len(piece)
    except CrlfError:
        pass  # what has come is said; the status is what went wrong
    try:
        response.with_content(b"".join(pieces)).raise_for_status()
    except StatusError as fault:
        return fault
    return RemoteError(
        f"a stream of events comes with 200, not {response.status_code}", "WHATWG HTML 9.2.3", 502
    )
