"""Events: an answer that goes on, one event after the other, for as long as its client stays.

The format is that of WHATWG HTML 9.2 (wire/sse.py). The source is asked for its next event only
once the one before has been sent, in a Task of its own, so that a heartbeat can go out while it
is waited for. Its law: however the answer ends, the source is closed, and nobody's end waits
for its next event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, Final

from crlf.flow.bodies import Lent, close_if_it_can
from crlf.flow.run import run_sync
from crlf.message.facts import Draining
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.aio import in_thread as in_any_thread
from crlf.ports import InThread
from crlf.rules.pages import NOSNIFF
from crlf.server.apps.answers import Pending, is_data, json_text
from crlf.wire.sse import EVENT_STREAM, ServerSentEvent, build_event

# Seconds; the standard's advice is 15, and proxies give up on silence after 60 (nginx, AWS).
HEARTBEAT: Final = 15.0

Event = ServerSentEvent | str | dict[str, Any] | list[Any]
Source = AsyncIterable[Any] | Iterable[Any]  # of events, or of dataclasses

_FIELDS: Final = Headers(
    [
        ("content-type", EVENT_STREAM),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),  # nginx would keep events until it has a page of them
        NOSNIFF,
    ]
)
_BEAT: Final = build_event(comment="")
_NO_MORE: Final = object()


def events(
    source: Source, *, heartbeat: float | None = HEARTBEAT, retry: int | None = None
) -> EventsAnswer:
    """Answer with events as they come: text, dicts and the like as JSON, ServerSentEvents.

    source: asynchronous, or plain and then asked in a thread, which it holds while it waits. Its
    iterator is closed at the end. heartbeat: seconds of silence after which a comment is sent;
    None for never. retry: milliseconds after which a client that was cut off comes back.

    The answer ends when the source does, when the client is gone, and when the server drains.
    Raises TypeError for what cannot be iterated over, ValueError for other times.
    """
    if not _is_source(source):
        raise TypeError(f"events are what an iterable yields, not a {type(source).__name__}")
    if heartbeat is not None and not heartbeat > 0:
        raise ValueError(f"a heartbeat comes after some seconds, not {heartbeat}")
    return EventsAnswer(source, heartbeat, build_event(retry=retry, comment=""))


def _is_source(thing: object) -> bool:
    can_be_asked = hasattr(thing, "__aiter__") or hasattr(thing, "__iter__")
    return can_be_asked and not isinstance(thing, str | bytes | dict)


def _threads_of(site: object) -> InThread:
    """The threads of an application that is served, otherwise those of the loop."""
    in_thread: InThread = getattr(site, "in_thread", in_any_thread)
    return in_thread


class EventsAnswer(Pending):
    """Events to be sent; what `events` makes."""

    __slots__ = ("_heartbeat", "_opening", "_source")

    def __init__(self, source: Source, heartbeat: float | None, opening: bytes) -> None:
        self._source = source
        self._heartbeat = heartbeat
        self._opening = opening  # sent at once, so that the client sees that it is heard

    def response(self, request: Request) -> Response:
        """Begin the answer."""
        threads = _threads_of(request.site)
        body = _Stream(self._source, self._heartbeat, self._opening, request.draining, threads)
        return Response(200, _FIELDS, body)


class _Stream:
    """Events as a body."""

    length: int | None = None
    can_send_again = False
    waits = True
    reads_files = False

    def __init__(
        self,
        source: Source,
        heartbeat: float | None,
        opening: bytes,
        draining: Draining,
        in_thread: InThread,
    ) -> None:
        self._source = source
        self._heartbeat = heartbeat
        self._opening = opening
        self._draining = draining
        self._in_thread = in_thread
        self._is_begun = False

    def chunks(self) -> Iterator[bytes]:
        """Raise TypeError: events are waited for."""
        raise TypeError("events must be waited for")

    async def chunks_async(self) -> AsyncIterator[bytes]:
        """Yield events and heartbeats."""
        self._is_begun = True
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[bytes] = asyncio.Queue()  # b"" for the end

        def end(*_: object) -> None:
            loop.call_soon_threadsafe(news.put_nowait, b"")

        telling = loop.create_task(self._tell(news))
        telling.add_done_callback(end)
        self._draining.on_drain(end)
        try:
            yield self._opening
            while True:
                try:
                    async with asyncio.timeout(self._heartbeat):
                        event = await news.get()
                except TimeoutError:
                    yield _BEAT
                    continue
                if not event:
                    break
                yield event
                news.task_done()
        finally:
            self._draining.forget(end)
            telling.remove_done_callback(end)
            telling.cancel()
            await asyncio.wait([telling])
            fault = None if telling.cancelled() else telling.exception()
            if fault is not None:
                raise fault

    async def _tell(self, news: asyncio.Queue[bytes]) -> None:
        """Tell of each event of the source, when the one before has gone out."""
        source = self._source
        events: AsyncIterator[object]
        if isinstance(source, AsyncIterable):
            events = source.__aiter__()
        else:
            events = _from_threads(iter(source), self._in_thread)
        try:
            async for event in events:
                news.put_nowait(_written(event))
                await news.join()
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()
            else:
                close_if_it_can(events)

    def close(self) -> None:
        """Close the source, if nobody has asked it for anything: for a HEAD, or an error."""
        source = self._source
        if self._is_begun or not (hasattr(source, "__anext__") or hasattr(source, "__next__")):
            return
        self._is_begun = True
        aclose = getattr(source, "aclose", None)
        if aclose is None:
            close_if_it_can(source)
        else:
            _run(aclose())


async def _from_threads(events: Iterator[object], in_thread: InThread) -> AsyncIterator[object]:
    """Yield what a plain iterator yields, asked in a thread; it is closed when none uses it."""
    lent = Lent(partial(close_if_it_can, events))
    step = partial(lent.use, partial(next, events, _NO_MORE))
    try:
        while (event := await in_thread(step)) is not _NO_MORE:
            yield event
    finally:
        lent.let_go()


def _written(event: object) -> bytes:
    """Write an event. Raises TypeError for what is none."""
    if isinstance(event, str):
        return build_event(event)
    if isinstance(event, ServerSentEvent):
        name = None if event.event == "message" else event.event
        return build_event(event.data, event=name, id=event.id or None, retry=event.retry)
    if is_data(event):
        return build_event(json_text(event))
    raise TypeError(
        f"an event is text, a dict, a list, a dataclass or a ServerSentEvent, "
        f"not a {type(event).__name__}"
    )


_running: Final[set[asyncio.Task[None]]] = set()  # a loop by itself would forget them


def _run(flow: Coroutine[Any, Any, None]) -> None:
    """Run a flow to its end, soon."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # it came from a thread
        run_sync(flow)
    else:
        task = loop.create_task(flow)
        _running.add(task)
        task.add_done_callback(_running.discard)
