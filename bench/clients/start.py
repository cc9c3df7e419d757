"""What a client costs before its first request: `start.py NAME`.

Prints milliseconds of its import, and microseconds of making and closing the first client,
and of each of the next thousand. None of them opens a connection. Those of asyncio are made
in a running loop, and asyncio's own import is part of theirs.
"""

import json
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

COUNT = 1000


def crlf_client() -> Callable[[], None]:
    import crlf
    from crlf import Client

    del crlf

    def make() -> None:
        Client().close()

    return make


def crlf_async_client() -> Callable[[], Awaitable[None]]:
    import asyncio  # noqa: F401  # a program that has this client has this, too

    from crlf import AsyncClient

    async def make() -> None:
        await AsyncClient().aclose()

    return make


def httpx2() -> Callable[[], None]:
    import httpx2

    def make() -> None:
        httpx2.Client().close()

    return make


def requests() -> Callable[[], None]:
    import requests

    def make() -> None:
        requests.Session().close()

    return make


def urllib3() -> Callable[[], None]:
    import urllib3

    def make() -> None:
        urllib3.PoolManager().clear()

    return make


def pyreqwest() -> Callable[[], None]:
    from pyreqwest.client import SyncClientBuilder

    def make() -> None:
        SyncClientBuilder().build().close()

    return make


def http_client() -> Callable[[], None]:
    from http.client import HTTPConnection

    def make() -> None:
        HTTPConnection("127.0.0.1").close()

    return make


def aiohttp() -> Callable[[], Awaitable[None]]:
    import aiohttp

    async def make() -> None:
        await aiohttp.ClientSession().close()

    return make


BLOCKING = {
    client.__name__: client
    for client in (crlf_client, httpx2, requests, urllib3, pyreqwest, http_client)
}
WAITING = {client.__name__: client for client in (crlf_async_client, aiohttp)}


def main(name: str) -> None:
    start = time.perf_counter()
    take = BLOCKING.get(name)
    made: list[float] = []
    if take is not None:
        make = take()
        imported = time.perf_counter() - start
        count = COUNT if name not in ("httpx2", "pyreqwest") else COUNT // 50  # they read the CAs
        for _ in range(1 + count):
            began = time.perf_counter()
            make()
            made.append(time.perf_counter() - began)
    else:
        make_waiting = WAITING[name]()
        imported = time.perf_counter() - start
        import asyncio

        async def repeat() -> None:
            for _ in range(1 + COUNT):
                began = time.perf_counter()
                await make_waiting()
                made.append(time.perf_counter() - began)

        asyncio.run(repeat())
    each = median(made[1:])
    print(json.dumps({"import": imported * 1e3, "first": made[0] * 1e6, "each": each * 1e6}))


if __name__ == "__main__":
    main(sys.argv[1])
