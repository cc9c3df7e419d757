"""News that a peer is gone, for whoever waits for it while others use the stream."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import TransportError
from crlf.net.aiostream import AioStream
from crlf.net.scripted import END, RESET, ScriptedStream
from crlf.ports import Stream

pytestmark = pytest.mark.timeout(30)


def soon() -> float:
    return time.monotonic() + 8.0


async def until(stage: Any, told: list[int], stream: Stream) -> None:
    give_up = time.monotonic() + 3.0
    while not told and time.monotonic() < give_up:
        await stage.pause(0.005)
        stream.has_arrived()  # which lets a loop that is driven by us go on


def told_by_itself(stage: Any) -> bool:
    """Whether somebody is there who can tell: blocking sockets have nobody."""
    return stage.is_aio or stage.in_memory


@pytest.mark.parametrize("how", ["end", "close", "reset"])
def test_who_waits_is_told_once_that_the_peer_is_gone(stage, how: str) -> None:
    told: list[int] = []

    async def story(stream: Stream) -> None:
        stream.on_end(lambda: told.append(1))
        assert await stream.read(soon()) == b"go"
        assert told == []
        await stream.write(b"on", soon())
        if told_by_itself(stage):
            await until(stage, told, stream)
        else:
            with suppress(TransportError):
                await stream.read(soon())
            stream.on_end(lambda: told.append(1))
        assert told == [1]
        with suppress(TransportError):
            await stream.read(soon())
        stream.close()
        await stage.pause(0.01)
        assert told == [1]

    async def script(peer) -> None:
        await peer.send(b"go")
        assert await peer.receive(2) == b"on"
        if how == "end":
            await peer.end()
            with suppress(OSError, TransportError):
                await peer.receive(1)
        elif how == "close":
            peer.close()
        else:
            peer.reset()

    stage.play(story, script)


def test_who_comes_late_is_told_at_once(stage) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(b"go", soon())
        with suppress(TransportError):
            assert await stream.read(soon()) == b""
        told: list[int] = []
        stream.on_end(lambda: told.append(1))
        assert told == [1]

    async def script(peer) -> None:
        assert await peer.receive(2) == b"go"
        await peer.end()
        with suppress(OSError, TransportError):
            await peer.receive(1)

    stage.play(story, script)


def test_who_wants_to_know_no_more_is_not_told(stage) -> None:
    told: list[int] = []

    async def story(stream: Stream) -> None:
        assert await stream.read(soon()) == b"go"
        stream.on_end(lambda: told.append(1))
        stream.on_end(lambda: told.append(2))
        stream.on_end(None)
        await stream.write(b"on", soon())
        with suppress(TransportError):
            await stream.read(soon())
        assert told == []

    async def script(peer) -> None:
        await peer.send(b"go")
        assert await peer.receive(2) == b"on"
        await peer.end()
        with suppress(OSError, TransportError):
            await peer.receive(1)

    stage.play(story, script)


def test_who_waits_is_told_when_we_let_go(stage) -> None:
    """Nobody is left waiting for news that cannot come any more."""
    if not told_by_itself(stage):
        pytest.skip("nobody is there who could tell")
    told: list[int] = []

    async def story(stream: Stream) -> None:
        assert await stream.read(soon()) == b"go"
        stream.on_end(lambda: told.append(1))
        stream.close()
        await until(stage, told, stream)
        assert told == [1]

    async def script(peer) -> None:
        await peer.send(b"go")
        with suppress(OSError, TransportError):
            await peer.receive(1)

    stage.play(story, script)


def test_what_has_come_is_no_end(stage) -> None:
    async def story(stream: Stream) -> None:
        assert await stream.read(soon()) == b"go"
        await stream.write(b"on", soon())
        give_up = time.monotonic() + 3.0
        while not stream.has_arrived() and time.monotonic() < give_up:
            await stage.pause(0.005)
        told: list[int] = []
        stream.on_end(lambda: told.append(1))
        assert told == []
        assert await stream.read(soon()) == b"more"

    async def script(peer) -> None:
        await peer.send(b"go")
        assert await peer.receive(2) == b"on"
        await peer.send(b"more")
        with suppress(OSError, TransportError):
            await peer.receive(1)

    stage.play(story, script)


def test_it_comes_while_one_reads_and_another_writes(stage) -> None:
    if not stage.is_aio or stage.settings is not None:
        pytest.skip("plain streams of a loop")
    order: list[str] = []

    async def story(stream: Stream) -> None:
        assert await stream.read(soon()) == b"go"
        stream.on_end(lambda: order.append("told"))
        writing = asyncio.ensure_future(stream.write(b"x" * 20_000_000, soon()))
        reading = asyncio.ensure_future(stream.read(soon()))
        done = await asyncio.gather(writing, reading, return_exceptions=True)
        order.append("gone")
        assert isinstance(done[0], TransportError)
        if isinstance(stream, AioStream):
            assert order[0] == "told"
        assert sorted(order) == ["gone", "told"]

    async def script(peer) -> None:
        await peer.send(b"go")
        await peer.receive(10)
        peer.reset()

    stage.play(story, script)


def test_one_task_reads_while_another_writes(stage) -> None:
    if not stage.is_aio:
        pytest.skip("one thread, one task")
    much = bytes(range(256)) * 8_000

    async def story(stream: Stream) -> None:
        async def echoes() -> bytes:
            data = bytearray()
            while len(data) < 300:
                data += await stream.read(soon())
            return bytes(data)

        reading = asyncio.ensure_future(echoes())
        await stream.write(much, soon())
        await stream.write(b"!", soon())
        assert await reading == b"abc" * 100

    async def script(peer) -> None:
        for _ in range(100):
            await peer.send(b"abc")
            await peer.pause(0.0005)
        assert await peer.receive(len(much) + 1) == much + b"!"
        with suppress(OSError, TransportError):
            await peer.receive(1)

    stage.play(story, script)


@pytest.mark.parametrize("fault", [END, RESET])
def test_a_script_tells_when_it_comes_to_its_end(fault) -> None:
    stream = ScriptedStream([b"go", fault])
    told: list[int] = []
    stream.on_end(lambda: told.append(1))
    assert run_sync(stream.read(None)) == b"go"
    assert told == []
    with suppress(TransportError):
        run_sync(stream.read(None))
    assert told == [1]
    stream.on_end(lambda: told.append(2))
    assert told == [1, 2]
