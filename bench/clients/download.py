"""Fetch one body into a file: `download.py NAME URL FILE`.

One write for each piece as the client hands it over, or the client's own way to a file; curl
and `crlf get -o` need no script. Asynchronous ones run on uvloop and write in the loop. Prints
the seconds from before the client was made until the file is closed, imports left out.
"""

import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any


def httpx2(url: str, path: str) -> None:
    import httpx2

    with open(path, "wb") as file, httpx2.Client() as client, client.stream("GET", url) as answer:
        for piece in answer.iter_bytes():
            file.write(piece)


def urllib3(url: str, path: str) -> None:
    import urllib3

    with open(path, "wb") as file, urllib3.PoolManager() as pool:
        for piece in pool.request("GET", url, preload_content=False).stream(65536):
            file.write(piece)


def crlf(url: str, path: str) -> None:
    import crlf

    with open(path, "wb") as file, crlf.Client() as client, client.stream("GET", url) as answer:
        for piece in answer.iter_bytes():
            file.write(piece)


def crlf_saved(url: str, path: str) -> None:
    import crlf

    with crlf.Client() as client:
        client.download(url, path)


async def aiohttp_waiting(url: str, path: str) -> None:
    import aiohttp

    with open(path, "wb") as file:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            async for piece in answer.content.iter_any():
                file.write(piece)


async def crlf_waiting(url: str, path: str) -> None:
    import crlf

    with open(path, "wb") as file:
        async with crlf.AsyncClient() as client, client.stream("GET", url) as answer:
            async for piece in answer.iter_bytes():
                file.write(piece)


async def crlf_saved_waiting(url: str, path: str) -> None:
    import crlf

    async with crlf.AsyncClient() as client:
        await client.download(url, path)


Way = Callable[[str, str], None]
Waiting = Callable[[str, str], Coroutine[Any, Any, None]]
BLOCKING: dict[str, Way] = {way.__name__: way for way in (httpx2, urllib3, crlf, crlf_saved)}
WAITING: dict[str, Waiting] = {
    way.__name__: way for way in (aiohttp_waiting, crlf_waiting, crlf_saved_waiting)
}


def timed(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def main(name: str, url: str, path: str) -> None:
    if name in BLOCKING:
        ready(name.partition("_")[0], "Client")
        spent = timed(lambda: BLOCKING[name](url, path))
    else:
        ready(name.partition("_")[0], "AsyncClient")
        from uvloop import run

        spent = timed(lambda: run(WAITING[name](url, path)))
    print(json.dumps({"seconds": spent, "bytes": Path(path).stat().st_size}))


def ready(module: str, client: str) -> None:
    """Import a client; crlf's names are loaded when they are asked for."""
    getattr(__import__(module), client, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
