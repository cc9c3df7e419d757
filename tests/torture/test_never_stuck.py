"""Places where a peer, or a listener of our own, could hold a client up or cost it a connection."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from bad_peer import content_of, serve

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.errors import CrlfError, TotalTimeout
from crlf.net.loops import new_loop
from crlf.net.memory import AsyncMemoryNetwork
from crlf.ports import Stream
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits


class Told(Exception):
    """What a listener raises that should not."""


def fill(connected: socket.socket) -> None:
    """Send until the kernel takes nothing more, not a byte, and keeps to that."""
    for size in (65536, 1, 1, 1):
        with suppress(BlockingIOError):
            while connected.send(b"x" * size, socket.MSG_DONTWAIT):
                pass
        time.sleep(0.02)


def test_a_peer_that_reads_no_more_does_not_hold_up_close(
    listening: Any, papers: tuple[str, str]
) -> None:
    """close_notify is a courtesy (RFC 9112 9.8); where there is no room for it, it is left out."""
    with listening.in_thread(serve, tls=True) as port:
        for _ in range(5):
            client = Client(verify=papers[0], trust_env=False, timeout=5)
            assert client.get(f"https://127.0.0.1:{port}/a/3/stops_reading").content == b"a;xxx"
            ((idle, _),) = next(iter(client._core._pool._ledger._idle.values()))
            below = idle.stream._inner._socket  # type: ignore[attr-defined]
            try:
                fill(below)
            except ConnectionError:  # a system short of buffers gives one up now and then
                client.close()
            else:
                break
        closing = threading.Thread(target=client.close, daemon=True)
        closing.start()
        closing.join(1)
        is_stuck = closing.is_alive()
        with suppress(OSError):
            below.shutdown(socket.SHUT_RDWR)  # lets it go on, should it be stuck
        closing.join(5)
        assert not is_stuck


def test_a_listener_that_raises_in_the_queue_costs_no_place() -> None:
    def trace(step: Any) -> None:
        if step.name == "queue":
            raise Told

    async def story() -> None:
        pool = PoolLimits(total=1)
        async with AsyncClient(network=AsyncMemoryNetwork(serve), pool=pool, timeout=2) as client:
            url = "http://a.example"
            first = asyncio.create_task(client.get(f"{url}/a/3/slow"))
            await asyncio.sleep(0)
            with pytest.raises(Told):
                await client.get(f"{url}/b/3/good", trace=trace)
            assert (await first).content == content_of("a", 3)
            response = await client.get(f"{url}/c/3/good", timeout=0.5)
            assert response.content == content_of("c", 3)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


async def dribbled_head(stream: Stream) -> None:
    """Send a head that is never done, a byte at a time."""
    with suppress(CrlfError):
        await stream.read(None)
        await stream.write(b"HTTP/1.1 200 OK\r\nX: ", None)
        for _ in range(100):
            await stream.write(b"x", None)
            await asyncio.sleep(0.01)


async def entered(client: AsyncClient) -> None:
    async with client.stream("GET", "http://a.example/"):
        pass


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_dribbled_head_is_bounded_by_the_total(is_streamed: bool) -> None:
    """Of a streamed response only the body may take as long as it likes."""

    async def story() -> None:
        timeout = Timeout(read=1.0, total=0.3)
        network = AsyncMemoryNetwork(dribbled_head)
        async with AsyncClient(network=network, timeout=timeout) as client:
            asked = client.get("http://a.example/")
            if is_streamed:
                asked.close()
                asked = entered(client)
            with pytest.raises(TotalTimeout):
                await asked

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())
