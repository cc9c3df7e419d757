"""Waiting: by one task at a time, and never for a time that no clock knows."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from crlf import AsyncClient, Client, PoolLimits, Timeout
from crlf.message.errors import ReadFailed


@asynccontextmanager
async def sending(*pieces: bytes) -> AsyncIterator[str]:
    """Answer one request with these pieces, one after the other, and then say no more."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)

        async def answer() -> None:
            accepted, _ = await loop.sock_accept(listening)
            with accepted:
                await loop.sock_recv(accepted, 65536)
                for piece in pieces:
                    await loop.sock_sendall(accepted, piece)
                    await asyncio.sleep(0.02)
                with suppress(OSError):
                    await loop.sock_recv(accepted, 1)

        answering = asyncio.create_task(answer())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        await answering


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"


def test_two_tasks_that_read_one_response_are_told_and_both_end() -> None:
    async def ask() -> list[object]:
        async with (
            sending(HEAD, b"half-") as url,
            AsyncClient() as client,
            client.stream("GET", url) as reply,
        ):

            async def read() -> None:
                async for _ in reply.iter_bytes():
                    pass

            both = asyncio.gather(read(), read(), return_exceptions=True)
            return list(await asyncio.wait_for(both, 5))  # the first hung, and could not be ended

    first, second = asyncio.run(ask())
    assert isinstance(first, ReadFailed)
    assert isinstance(second, RuntimeError)
    assert "two tasks" in str(second)


def test_a_response_may_be_opened_in_one_task_and_read_in_another() -> None:
    async def ask() -> bytes:
        async with (
            sending(HEAD, b"half-", b"whole") as url,
            AsyncClient() as client,
            client.stream("GET", url) as reply,
        ):
            return await asyncio.create_task(reply.read())

    assert asyncio.run(ask()) == b"half-whole"


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 1e12])
@pytest.mark.parametrize("phase", ["connect", "read", "write", "pool", "total", "all"])
def test_a_timeout_is_a_time(phase: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Timeout.of(seconds) if phase == "all" else Timeout(**{phase: seconds})
    options: Any = {"timeout": seconds}
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Client(**options)


@pytest.mark.parametrize("most", [0, -1])
@pytest.mark.parametrize("which", ["total", "per_host"])
def test_a_pool_in_which_every_request_would_wait_is_refused(which: str, most: int) -> None:
    with pytest.raises(ValueError, match="room for 1 connection"):
        PoolLimits(**{which: most})
