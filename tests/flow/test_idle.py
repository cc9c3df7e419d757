"""What a connection keeps while nobody asks on it: nothing of its last request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from crlf.flow.serve import REST, Service
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.memorystream import join
from crlf.net.scripted import FakeClock
from crlf.wire.h1.server import ServerEngine
from crlf.wire.parts import RequestHead

GET = b"GET /%d HTTP/1.1\r\nHost: a.example\r\nCookie: id=1\r\n\r\n"


class Scene:
    """A service on a clock that is told, with one client."""

    def __init__(self, send: Callable[[Request], Any]) -> None:
        self.clock = FakeClock(time.monotonic())  # the time of streams in memory is real

        async def here(work: Callable[[], Any]) -> Any:
            return work()

        self.service = Service(send, self.clock.now, here, None)  # type: ignore[arg-type]  # no files
        self.client, there = join(asyncio.get_running_loop())
        self.task = asyncio.ensure_future(self.service.serve(there))

    async def ask(self, number: int) -> bytes:
        await self.client.write(GET % number, None)
        return await self.client.read(None)

    @property
    def engine(self) -> ServerEngine:
        (visit,) = self.service.visits
        return visit.engine

    def tidy_after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.service.tidy()

    async def end(self) -> None:
        self.client.close()
        await self.task


async def answer(request: Request) -> Response:
    return Response(200, content=f"{request.target} {request.headers['cookie']}".encode())


def test_who_has_been_idle_for_a_while_keeps_no_head() -> None:
    async def story() -> None:
        scene = Scene(answer)
        assert (await scene.ask(1)).endswith(b"/1 id=1")
        await asyncio.sleep(0)
        (visit,) = scene.service.visits
        visit.kept = "what an application remembers"
        scene.tidy_after(REST / 2)
        assert scene.engine._head is not None
        scene.tidy_after(REST)
        assert scene.engine._head is None
        assert scene.engine._block_data is None
        assert visit.kept is None
        assert (await scene.ask(1)).endswith(b"/1 id=1")  # the very same head, read anew
        scene.tidy_after(2 * REST)
        scene.tidy_after(2 * REST)
        assert (await scene.ask(2)).endswith(b"/2 id=1")
        await scene.end()

    asyncio.run(story())


def test_who_is_busy_keeps_what_it_works_on() -> None:
    async def story() -> None:
        going = asyncio.Event()

        async def slowly(request: Request) -> Response:
            await going.wait()
            return await answer(request)

        scene = Scene(slowly)
        asking = asyncio.ensure_future(scene.ask(1))
        await asyncio.sleep(0.01)
        scene.tidy_after(10 * REST)
        assert scene.engine._head is not None
        going.set()
        assert (await asking).endswith(b"/1 id=1")
        await scene.end()

    asyncio.run(story())


def test_half_a_head_is_not_forgotten() -> None:
    async def story() -> None:
        scene = Scene(answer)
        await scene.ask(1)
        wire = GET % 3
        await scene.client.write(wire[:20], None)
        await asyncio.sleep(0.01)
        scene.tidy_after(10 * REST)
        await scene.client.write(wire[20:], None)
        assert (await scene.client.read(None)).endswith(b"/3 id=1")
        await scene.end()

    asyncio.run(story())


@pytest.mark.parametrize("cut", range(1, len(GET % 7)))
def test_an_engine_forgets_only_between_two_exchanges(cut: int) -> None:
    wire = GET % 7
    engine = ServerEngine()
    engine.receive(wire[:cut])
    assert engine.next_part() is None
    engine.forget()
    engine.receive(wire[cut:])
    head = engine.next_part()
    assert isinstance(head, RequestHead)
    engine.forget()  # an answer is due
    engine.send_whole(Response(204), b"")
    assert b" 204 " in engine.outgoing()
    engine.forget()
    engine.receive(wire)
    again = engine.next_part()
    assert again == head
    assert again is not head
