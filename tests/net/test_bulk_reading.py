"""Much that comes at once: read straight from the kernel, in order, and others have their turn."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from crlf.net import aiostream
from crlf.net.aiostream import AioStream
from crlf.net.sweep import Sweep

pytestmark = pytest.mark.timeout(30)

CONTENT = os.urandom(1024 * 1024) * 12


async def open_pair() -> tuple[AioStream, socket.socket]:
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    sweep = Sweep(loop)
    _, stream = await loop.create_connection(lambda: AioStream(loop, sweep), sock=here)
    return stream, there


def send_all(there: socket.socket) -> None:
    there.sendall(CONTENT)
    there.close()


def test_it_comes_in_order_and_whole_and_then_ends() -> None:
    async def story() -> None:
        stream, there = await open_pair()
        sending = asyncio.get_running_loop().run_in_executor(None, send_all, there)
        pieces = []
        while piece := await stream.read(None):
            pieces.append(piece)
            if len(pieces) % 3 == 0:  # let some of it wait for us
                await asyncio.sleep(0.002)
        await sending
        assert b"".join(pieces) == CONTENT
        assert await stream.read(None) == b""
        stream.close()

    asyncio.run(story())


@pytest.mark.skipif(os.name == "nt", reason="no descriptor there that could be read")
def test_who_has_much_to_read_lets_others_have_their_turn() -> None:
    async def story() -> None:
        stream, there = await open_pair()
        sending = asyncio.get_running_loop().run_in_executor(None, send_all, there)
        assert await stream.read(None)
        await asyncio.sleep(0.05)
        turns, got = 0, len(CONTENT)

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.ensure_future(others())
        while got and (piece := await stream.read(None)):
            got -= len(piece)
        # What is taken straight from the kernel is counted, and then the loop goes round.
        assert turns >= len(CONTENT) // aiostream._STRAIGHT - 1
        beside.cancel()
        await sending
        stream.close()

    asyncio.run(story())


def test_a_reader_that_is_late_lets_little_wait_in_memory() -> None:
    async def story() -> None:
        stream, there = await open_pair()
        sending = asyncio.get_running_loop().run_in_executor(None, send_all, there)
        most = 0
        while piece := await stream.read(None):
            await asyncio.sleep(0.001)
            most = max(most, stream._size, len(piece))
        await sending
        assert most <= aiostream._MOST_BUFFERED + aiostream._BULK
        stream.close()

    asyncio.run(story())
