"""Server-sent events of a client: what it asks for, when it comes back, and when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import pytest

from crlf import App, running
from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.client.events import AsyncEvents, Events, event_source
from crlf.flow.events import EventSource
from crlf.flow.run import run_sync
from crlf.message.errors import (
    ConnectFailed,
    CrlfError,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    StatusError,
    TooLarge,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.scripted import FakeClock, ScriptedNetwork
from crlf.rules.deadlines import Timeout
from crlf.wire.sse import ServerSentEvent, build_event

STREAM = {"content-type": "text/event-stream"}


# --- the flow, over a script --------------------------------------------------------------------


class FakeContent:
    """Content in pieces; an error among them is raised in its turn."""

    def __init__(self, pieces: Iterable[bytes | CrlfError]) -> None:
        self.pieces = list(pieces)
        self.is_closed = False

    async def next_piece(self) -> bytes | None:
        if not self.pieces:
            return None
        piece = self.pieces.pop(0)
        if isinstance(piece, CrlfError):
            raise piece
        return piece

    def completed(self, fault: CrlfError) -> CrlfError:
        return fault

    def close(self) -> None:
        self.is_closed = True


class Script:
    """Answers in order, with the time and the Last-Event-ID of each request for one."""

    def __init__(self, *answers: CrlfError | tuple[int, dict[str, str], list[bytes | CrlfError]]):
        self.answers = list(answers)
        self.clock = FakeClock(0.0)
        self.asked: list[tuple[float, str | None]] = []
        self.contents: list[FakeContent] = []

    async def opening(self, last_event_id: str | None) -> tuple[FakeContent, Response]:
        self.asked.append((round(self.clock.now(), 3), last_event_id))
        answer = self.answers.pop(0)
        if isinstance(answer, CrlfError):
            raise answer
        status, headers, pieces = answer
        content = FakeContent(pieces)
        self.contents.append(content)
        response = Response(status, headers)
        response.request = Request("GET", "http://a.example/events")
        return content, response

    def source(self, chance: float = 1.0, **more: Any) -> EventSource:
        network = ScriptedNetwork([], self.clock)
        return EventSource(self.opening, network, lambda: chance, **more)

    def read(self, **more: Any) -> tuple[list[str], CrlfError | None]:
        """Read to the end or an error, and demand that nothing is left open."""
        source, found = self.source(**more), []
        try:
            while (event := run_sync(source.next_event())) is not None:
                found.append(event.data)
            fault = None
        except CrlfError as caught:
            fault = caught
        for content in self.contents:
            assert content.is_closed or not content.pieces
        assert run_sync(source.next_event()) is None
        return found, fault

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.asked]


def stream(*pieces: bytes | CrlfError) -> tuple[int, dict[str, str], list[bytes | CrlfError]]:
    return 200, STREAM, list(pieces)


OVER: tuple[int, dict[str, str], list[bytes | CrlfError]] = (204, {}, [])


def test_a_stream_that_ends_is_asked_for_again_until_204() -> None:
    script = Script(stream(b"data: a\n\ndata: b\n\ndata: half"), stream(b"data: c\n\n"), OVER)
    assert script.read() == (["a", "b", "c"], None)
    assert script.times == [0, 3, 6]


def test_the_last_id_goes_along_with_the_next_request() -> None:
    script = Script(
        stream(b"id: 1\ndata: a\n\nid: 2\ndata: never ended\n"),
        stream(b"id: \xe2\x82\xac\ndata: b\n\n"),
        stream(b"id\ndata: c\n\n"),
        OVER,
    )
    assert script.read()[0] == ["a", "b", "c"]
    assert [last for _, last in script.asked] == [None, "1", "\xe2\x82\xac", None]


def test_what_has_come_and_was_not_handed_out_is_not_the_last_event() -> None:
    script = Script(stream(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n"), OVER)
    source = script.source()
    assert run_sync(source.next_event()).id == "1"  # type: ignore[union-attr]  # there is one
    assert source.last_event_id == "1"
    assert run_sync(source.next_event()).id == "2"  # type: ignore[union-attr]  # the same
    assert source.last_event_id == "3"  # an id without data is no event, and counts all the same


def test_an_earlier_visit_may_be_continued() -> None:
    script = Script(stream(b"data: a\n\n"), OVER)
    source = script.source(last_event_id="41")
    assert source.last_event_id == "41"
    script.read(last_event_id="41")
    assert [last for _, last in script.asked] == ["41", "41"]


def test_the_server_says_how_long_to_wait_within_reason() -> None:
    script = Script(
        stream(b"retry: 500\n\n"),
        stream(b"data: a\n\n"),
        stream(b"retry: 0\n\n"),
        stream(b"retry: 999999999999\n\n"),
        OVER,
    )
    assert script.read() == (["a"], None)
    assert script.times == [0, 0.5, 1.0, 1.1, 301.1]


def test_failures_in_a_row_wait_longer_each_time_but_none_shorter_than_wanted() -> None:
    def failing() -> list[CrlfError]:
        return [ConnectFailed("refused") for _ in range(7)]

    late = Script(stream(b"data: a\n\n"), *failing(), stream(b"data: b\n\n"), OVER)
    assert late.read() == (["a", "b"], None)
    waits = [after - before for before, after in zip(late.times, late.times[1:], strict=False)]
    assert waits == [3, 3, 6, 12, 24, 48, 60, 60, 3]
    soon = Script(stream(b"data: a\n\n"), *failing(), OVER)
    soon.read(chance=0.0)
    assert soon.times == [0, 3, 6, 9, 12, 15, 18, 21, 24]


def test_one_failure_too_many_is_raised() -> None:
    last = ConnectFailed("refused, the last time")
    script = Script(stream(b"data: a\n\n"), ConnectFailed("1"), ConnectFailed("2"), last)
    assert script.read(failures=2) == (["a"], last)


def test_the_first_connection_has_to_succeed() -> None:
    fault = ConnectFailed("refused")
    assert Script(fault).read() == ([], fault)


@pytest.mark.parametrize(
    "fault", [ReadFailed("gone"), ReadTimeout("silent"), RemoteError("cut short", "RFC 9112 8")]
)
def test_a_stream_that_breaks_or_falls_silent_is_asked_for_again(fault: CrlfError) -> None:
    script = Script(stream(b"id: 7\ndata: a\n\ndata: ha", fault), stream(b"lf\n\n"), OVER)
    assert script.read() == (["a"], None)
    assert script.asked[1] == (3, "7")


def test_a_stream_that_breaks_at_once_again_and_again_is_given_up() -> None:
    broken = [stream(ReadFailed(str(number))) for number in range(5)]
    found, fault = Script(*broken).read(failures=3)
    assert (found, str(fault)) == ([], "3")


def test_without_reconnecting_the_end_is_the_end_and_a_break_is_an_error() -> None:
    assert Script(stream(b"data: a\n\n")).read(reconnects=False) == (["a"], None)
    fault = ReadFailed("gone")
    assert Script(stream(b"data: a\n\n", fault)).read(reconnects=False) == (["a"], fault)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502, 503])
def test_another_status_is_an_error_with_what_the_server_says(status: int) -> None:
    found, fault = Script((status, {}, [b'{"why": ', b'"because"}'])).read()
    assert found == []
    assert isinstance(fault, StatusError)
    assert isinstance(fault.response, Response)
    assert fault.response.json() == {"why": "because"}


def test_what_an_error_says_is_read_only_so_far() -> None:
    script = Script((500, {}, [b"x" * 50_000] * 100))
    _, fault = script.read()
    assert isinstance(fault, StatusError)
    assert isinstance(fault.response, Response)
    assert len(fault.response.content) == 64 * 1024
    assert script.contents[0].is_closed


def test_an_error_whose_content_breaks_is_still_that_error() -> None:
    _, fault = Script((503, {}, [b"part", ReadFailed("gone")])).read()
    assert isinstance(fault, StatusError)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (200, {"content-type": "text/html"}),
        (200, {"content-type": "text/event-stream2"}),
        (200, STREAM | {"content-encoding": "gzip"}),
        (201, STREAM),
        (206, STREAM),
        (302, {"location": "/elsewhere"}),
    ],
)
def test_what_is_no_stream_of_events_is_refused(status: int, headers: dict[str, str]) -> None:
    found, fault = Script((status, headers, [b"data: a\n\n"])).read()
    assert found == []
    assert isinstance(fault, RemoteError)


def test_a_content_type_may_have_parameters() -> None:
    kind = {"content-type": "Text/Event-Stream; charset=utf-8"}
    assert Script((200, kind, [b"data: a\n\n"]), OVER).read() == (["a"], None)


def test_a_gateway_without_its_server_is_a_failure_like_any_other() -> None:
    script = Script(stream(b"data: a\n\n"), (502, {}, []), (503, {"retry-after": "20"}, []), OVER)
    assert script.read(chance=0.0) == (["a"], None)
    assert script.times == [0, 3, 6, 26]
    last = Script(stream(b"data: a\n\n"), (502, {}, []), (503, {}, []))
    assert isinstance(last.read(failures=1)[1], StatusError)


def test_too_large_an_event_ends_it_all() -> None:
    found, fault = Script(stream(b"data: a\n\n", b"data: " + b"x" * 1024 * 1024)).read()
    assert found == ["a"]
    assert isinstance(fault, TooLarge)


@pytest.mark.parametrize("name", [b"a\x01b", b"\x7f", b"x" * 5000])
def test_an_id_that_cannot_be_sent_back_is_an_error_in_words(name: bytes) -> None:
    found, fault = Script(stream(b"id: " + name + b"\ndata: a\n\n")).read()
    assert found == ["a"]
    assert isinstance(fault, RemoteError | TooLarge)


def test_closing_lets_go_of_everything() -> None:
    script = Script(stream(b"data: a\n\ndata: b\n\n", b"data: c\n\n"))
    source = script.source()
    assert run_sync(source.next_event()) == ServerSentEvent(data="a")
    source.close()
    source.close()
    assert script.contents[0].is_closed
    assert run_sync(source.next_event()) is None


# --- both faces, over the engine ----------------------------------------------------------------


def make_app(log: list[dict[str, str]]) -> App:
    app = App()

    async def events(first: int) -> AsyncIterator[bytes]:
        yield build_event(retry=1, comment="hello")
        for number in range(first, first + 2):
            yield build_event(f"number {number}", id=str(number), event="tick")

    @app.get("/events")
    async def serve(request: Request) -> Response:
        log.append(dict(request.headers))
        last = int(request.headers.get("last-event-id", "0"))
        if last >= 4:
            return Response(204)
        return Response(200, STREAM, events(last + 1))

    @app.get("/endless")
    async def endless(request: Request) -> Response:
        async def ticks() -> AsyncIterator[bytes]:
            while True:
                yield build_event("tick")
                await asyncio.sleep(0.01)

        return Response(200, STREAM, ticks())

    @app.get("/silent")
    async def silent(request: Request) -> Response:
        async def one() -> AsyncIterator[bytes]:
            yield build_event("one")
            await asyncio.sleep(0.3)

        return Response(200, STREAM, one())

    @app.get("/later")
    async def later(request: Request) -> Response:
        return Response(200, STREAM, build_event("one", retry=60_000))

    @app.get("/page")
    async def page(request: Request) -> Response:
        return Response(200, {"content-type": "text/html"}, b"<p>")

    return app


Seen = list[tuple[str, str, str]]


def read_blocking(client: Client, url: str, most: int, **options: Any) -> Seen:
    source = event_source(client._core, url, options.pop("options", {}), **options)
    seen: Seen = []
    for event in Events(source):
        seen.append((event.event, event.data, event.id))
        if len(seen) == most:
            break
    return seen


async def read_async(client: AsyncClient, url: str, most: int, **options: Any) -> Seen:
    source = event_source(client._core, url, options.pop("options", {}), **options)
    seen: Seen = []
    async with aclosing(AsyncEvents(source).__aiter__()) as events:  # type: ignore[type-var]
        async for event in events:
            seen.append((event.event, event.data, event.id))
            if len(seen) == most:
                break
    return seen


def both(
    blocking: Callable[[Client, str], object],
    waiting: Callable[[AsyncClient, str], Awaitable[object]],
    **options: Any,
) -> tuple[list[object], list[dict[str, str]]]:
    """Do the same over memory and sockets in both colours; return what each gave, and the heads."""
    log: list[dict[str, str]] = []
    app = make_app(log)
    results: list[object] = []

    async def on_loop(url: str, **more: Any) -> None:
        async with AsyncClient(**options, **more) as client:
            results.append(await waiting(client, url))
            assert client._core._pool._ledger.total <= 1

    with Client(app=app, **options) as client:
        results.append(blocking(client, "http://a.example"))
    asyncio.run(on_loop("http://a.example", app=app))
    with running(app) as server:
        there = f"http://127.0.0.1:{server.port}"
        with Client(**options) as client:
            results.append(blocking(client, there))
        asyncio.run(on_loop(there))
    return results, log


def test_events_arrive_in_both_colours_and_go_on_where_they_were_left() -> None:
    results, log = both(
        lambda client, url: read_blocking(client, f"{url}/events", 9),
        lambda client, url: read_async(client, f"{url}/events", 9),
    )
    expected = [("tick", f"number {number}", str(number)) for number in range(1, 5)]
    assert results == [expected] * 4
    assert len(log) == 12
    for head in log:
        assert head["accept"] == "text/event-stream"
        assert head["cache-control"] == "no-store"
        assert head["accept-encoding"] == "identity"
    assert [head.get("last-event-id") for head in log] == [None, "2", "4"] * 4


def test_a_users_fields_come_first_but_the_stream_knows_where_it_was() -> None:
    added = {"options": {"headers": {"Accept": "text/event-stream, */*", "Last-Event-ID": "2"}}}
    results, log = both(
        lambda client, url: read_blocking(client, f"{url}/events", 9, **added),
        lambda client, url: read_async(client, f"{url}/events", 9, **added),
    )
    assert results == [[("tick", "number 3", "3"), ("tick", "number 4", "4")]] * 4
    assert [head["last-event-id"] for head in log] == ["2", "4"] * 4
    assert {head["accept"] for head in log} == {"text/event-stream, */*"}


def test_leaving_an_endless_stream_leaves_nothing() -> None:
    def blocking(client: Client, url: str) -> object:
        seen = read_blocking(client, f"{url}/endless", 3)
        assert client._core._pool._ledger.total == 0
        return seen

    async def waiting(client: AsyncClient, url: str) -> object:
        seen = await read_async(client, f"{url}/endless", 3)
        assert client._core._pool._ledger.total == 0
        return seen

    assert both(blocking, waiting)[0] == [[("message", "tick", "")] * 3] * 4


def test_in_a_block_two_loops_may_read_one_stream() -> None:
    def blocking(client: Client, url: str) -> object:
        with Events(event_source(client._core, f"{url}/endless", {})) as events:
            found = [next(iter(events)).data for _ in range(2)]
            for event in events:
                found.append(event.data)
                break
        assert client._core._pool._ledger.total == 0
        return found

    async def waiting(client: AsyncClient, url: str) -> object:
        found = []
        async with AsyncEvents(event_source(client._core, f"{url}/endless", {})) as events:
            for _ in range(3):
                async with aclosing(events.__aiter__()) as loop:  # type: ignore[type-var]
                    async for event in loop:
                        found.append(event.data)
                        break
        assert client._core._pool._ledger.total == 0
        return found

    assert both(blocking, waiting)[0] == [["tick"] * 3] * 4


def test_silence_is_measured_and_not_the_whole() -> None:
    """A total of a client ends no stream; the time between two reads does."""
    patience = Timeout(read=0.15, total=0.05)
    seen: list[str] = []

    def note(fault: CrlfError) -> str:
        seen.append(fault.phase)
        return type(fault).__name__

    def blocking(client: Client, url: str) -> object:
        with pytest.raises(ReadTimeout) as caught:
            read_blocking(client, f"{url}/silent", 9, reconnect=False)
        return note(caught.value), read_blocking(client, f"{url}/endless", 10)

    async def waiting(client: AsyncClient, url: str) -> object:
        with pytest.raises(ReadTimeout) as caught:
            await read_async(client, f"{url}/silent", 9, reconnect=False)
        return note(caught.value), await read_async(client, f"{url}/endless", 10)

    ticks = [("message", "tick", "")] * 10
    assert both(blocking, waiting, timeout=patience)[0] == [("ReadTimeout", ticks)] * 4
    assert set(seen) == {"read"}


def test_a_page_is_no_stream_and_the_error_knows_its_request() -> None:
    def told(fault: RemoteError) -> str:
        assert fault.request is not None
        assert "/page" in repr(fault.request)
        return fault.reason

    def blocking(client: Client, url: str) -> object:
        with pytest.raises(RemoteError) as caught:
            read_blocking(client, f"{url}/page", 9)
        return told(caught.value)

    async def waiting(client: AsyncClient, url: str) -> object:
        with pytest.raises(RemoteError) as caught:
            await read_async(client, f"{url}/page", 9)
        return told(caught.value)

    results, _ = both(blocking, waiting)
    assert results == ["not text/event-stream but text/html"] * 4


def test_a_cancelled_reader_leaves_nothing() -> None:
    async def story() -> None:
        async with AsyncClient(app=make_app([])) as client:
            task = asyncio.create_task(read_async(client, "http://a.example/silent", 2))
            await asyncio.sleep(0.05)
            assert client._core._pool._ledger.total == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client._core._pool._ledger.total == 0

    asyncio.run(story())


def test_closing_ends_the_wait_for_the_next_connection() -> None:
    async def story() -> list[str]:
        async with AsyncClient(app=make_app([])) as client:
            source = event_source(client._core, "http://a.example/later", {})

            async def read() -> list[str]:
                return [event.data async for event in AsyncEvents(source)]

            task = asyncio.create_task(read())
            await asyncio.sleep(0.1)
            source.close()
            return await asyncio.wait_for(task, 1)

    assert asyncio.run(story()) == ["one"]
