"""One asyncio client on uvloop, 64 GETs at a time: `waiting.py NAME URL SECONDS`.

64 coroutines share the client, each with one GET after another. Prints requests, seconds
and CPU seconds as JSON. Each client reads the status and the whole body and checks both.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import uvloop
from blocking import BODY, MANY, check, cpu_seconds

AT_ONCE = 64
WARM = 20  # requests of each coroutine before the clock starts
Get = Callable[[str], Awaitable[None]]  # a URL


class Floor(asyncio.Protocol):
    """Send a request for each answer; of HTTP it only knows what the answer ends with."""

    def __init__(self, request: bytes) -> None:
        self.request, self.count = request, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]
        self.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not (data.startswith(b"HTTP/1.1 200") and data.endswith(BODY)):
            raise SystemExit(f"not the expected answer: {data!r}")
        self.count += 1
        self.write(self.request)


async def measure_floor(url: str, seconds: float) -> dict[str, float]:
    where = urlsplit(url)
    request = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
    connect = asyncio.get_running_loop().create_connection
    floors = []
    for _ in range(AT_ONCE):
        _, floor = await connect(lambda: Floor(request), where.hostname, where.port)
        floors.append(floor)
    await asyncio.sleep(0.1)
    before, cpu, start = sum(floor.count for floor in floors), cpu_seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    spent, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    return {"requests": sum(f.count for f in floors) - before, "seconds": spent, "cpu": cpu}


@asynccontextmanager
async def pyreqwest() -> AsyncIterator[Get]:
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().build() as client:

        async def get(url: str) -> None:
            response = await client.get(url).build().send()
            check(response.status, await response.bytes())

        yield get


@asynccontextmanager
async def aiohttp() -> AsyncIterator[Get]:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def get(url: str) -> None:
            async with session.get(url) as response:
                check(response.status, await response.read())

        yield get


@asynccontextmanager
async def httpx2() -> AsyncIterator[Get]:
    """It keeps 20 idle connections by default, too few for 64 at a time; here it may keep all."""
    import httpx2

    limits = httpx2.Limits(max_connections=MANY, max_keepalive_connections=MANY)
    async with httpx2.AsyncClient(limits=limits) as client:

        async def get(url: str) -> None:
            response = await client.get(url)
            check(response.status_code, response.content)

        yield get


@asynccontextmanager
async def crlf() -> AsyncIterator[Get]:
    import crlf

    async with crlf.AsyncClient() as client:

        async def get(url: str) -> None:
            response = await client.get(url)
            check(response.status_code, response.content)

        yield get


CLIENTS = {client.__name__: client for client in (pyreqwest, aiohttp, httpx2, crlf)}


async def measure(name: str, url: str, seconds: float) -> dict[str, float]:
    async def repeat(get: Get, end: float, times: int) -> int:
        count = 0
        while count < times and time.perf_counter() < end:
            await get(url)
            count += 1
        return count

    async def together(get: Get, end: float, times: int) -> int:
        return sum(await asyncio.gather(*(repeat(get, end, times) for _ in range(AT_ONCE))))

    async with CLIENTS[name]() as get:
        await together(get, time.perf_counter() + 5, WARM)
        cpu, start = cpu_seconds(), time.perf_counter()
        count = await together(get, start + seconds, sys.maxsize)
        spent, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    return {"requests": count, "seconds": spent, "cpu": cpu}


def main(name: str, url: str, seconds: float) -> None:
    story = measure_floor(url, seconds) if name == "floor" else measure(name, url, seconds)
    print(json.dumps(uvloop.run(story)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
