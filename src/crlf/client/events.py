"""Server-sent events of a client, in either colour: two windows on one EventSource.

Iterating connects, and reconnects; leaving the loop, or the `with` block around it, closes. The
total timeout is no matter here, the one between two reads is: a server that is silent for longer
is believed to be gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from crlf.client.core import Core, chance
from crlf.client.options import AddedHeaders, RequestOptions
from crlf.flow.events import MOST_FAILURES, Content, EventSource
from crlf.flow.run import run_sync
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.blocking import refuse_inside_loop
from crlf.rules.deadlines import Timeout
from crlf.wire.sse import EVENT_STREAM, ServerSentEvent

# Compressed events would wait for one another; and nobody may answer from a store.
_FIELDS = (("accept", EVENT_STREAM), ("cache-control", "no-store"), ("accept-encoding", "identity"))


def event_source(
    core: Core,
    url: str | URL,
    options: RequestOptions,
    *,
    reconnect: bool = True,
    last_event_id: str = "",
    failures: int | None = MOST_FAILURES,
) -> EventSource:
    """Build the source of a URL's events; nothing is sent before the first one is asked for.

    reconnect: False to end with the first connection. last_event_id: of an earlier visit.
    failures: how many connections in a row may fail before an error is raised; None for any
    number. A timeout among the options is for the phases of each connection, never for the whole.
    """
    asked = options.copy()
    timeout = Timeout.of(asked["timeout"]) if "timeout" in asked else core.settings.timeout
    asked["timeout"] = timeout.without_total()
    given = asked.get("headers")

    async def opening(last_event_id: str | None) -> tuple[Content, Response]:
        fields: list[tuple[str, str | None]] = list(_FIELDS)
        if last_event_id is not None:
            fields.append(("last-event-id", last_event_id))
        asked["headers"] = fields if given is None else _merged(fields, given)
        return await core.open("GET", url, asked)

    return EventSource(
        opening,
        core.network,
        chance,
        last_event_id=last_event_id,
        reconnects=reconnect,
        failures=failures,
    )


def _merged(fields: list[tuple[str, str | None]], given: AddedHeaders) -> AddedHeaders:
    """Put a user's fields over ours; but where the stream was left, the stream knows better."""
    if isinstance(given, Headers):
        pairs: list[tuple[str, str | None]] = [*given.fields]
    else:
        pairs = [*(given.items() if isinstance(given, Mapping) else given)]
    if any(name == "last-event-id" for name, _ in fields):
        pairs = [pair for pair in pairs if pair[0].lower() != "last-event-id"]
    named = {name.lower() for name, _ in pairs}
    return [*(field for field in fields if field[0] not in named), *pairs]


class Events:
    """The events of a server as they come, for `for` and, to be left in order, for `with`."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._is_entered = False

    @property
    def last_event_id(self) -> str:
        """The id of the last event that arrived, for another day."""
        return self._source.last_event_id

    def __iter__(self) -> Iterator[ServerSentEvent]:
        """Yield the events; without a `with` block, the end of the loop closes.

        Raises CrlfError: StatusError and RemoteError for what is no stream of events, the first
        connection's failure, or the last of many; a broken stream without `reconnect`.
        """
        refuse_inside_loop()
        try:
            while (event := run_sync(self._source.next_event())) is not None:
                yield event
        finally:
            if not self._is_entered:
                self.close()

    def close(self) -> None:
        """Let go of the connection; no more events will come."""
        self._source.close()

    def __enter__(self) -> Events:
        self._is_entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncEvents:
    """The events of a server as they come, for `async for` and `async with`."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._is_entered = False

    @property
    def last_event_id(self) -> str:
        """The id of the last event that arrived, for another day."""
        return self._source.last_event_id

    async def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        """Yield the events; without an `async with` block, the end of the loop closes.

        Raises CrlfError as Events does.
        """
        try:
            while (event := await self._source.next_event()) is not None:
                yield event
        finally:
            if not self._is_entered:
                self.close()

    def close(self) -> None:
        """Let go of the connection; no more events will come."""
        self._source.close()

    async def __aenter__(self) -> AsyncEvents:
        self._is_entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
