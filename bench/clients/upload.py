"""Send one file as it is, or in a multipart form: `upload.py NAME URL FILE`.

Each client is given an open file, and the form its own way to one; none reads it whole first.
Asynchronous ones run on uvloop. Prints what the server says, how many bytes it has read, and
the seconds from before the client was made until its answer is here, imports left out.
"""

import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from download import ready, timed

NAME = "upload.bin"


def httpx2(url: str, path: str) -> str:
    import httpx2

    with open(path, "rb") as file, httpx2.Client() as client:
        return client.put(url, content=file).text


def httpx2_form(url: str, path: str) -> str:
    import httpx2

    with open(path, "rb") as file, httpx2.Client() as client:
        return client.post(url, files={"file": (NAME, file)}).text


def urllib3(url: str, path: str) -> str:
    import urllib3

    with open(path, "rb") as file, urllib3.PoolManager() as pool:
        return pool.request("PUT", url, body=file).data.decode()


def crlf(url: str, path: str) -> str:
    import crlf

    with open(path, "rb") as file, crlf.Client() as client:
        return client.put(url, content=file).text


def crlf_form(url: str, path: str) -> str:
    import crlf

    with crlf.Client() as client:
        return client.post(url, files={"file": path}).text


async def aiohttp_waiting(url: str, path: str) -> str:
    import aiohttp

    with open(path, "rb") as file:
        async with aiohttp.ClientSession() as session, session.put(url, data=file) as answer:
            return await answer.text()


async def aiohttp_form_waiting(url: str, path: str) -> str:
    import aiohttp

    with open(path, "rb") as file:
        form = {"file": file}
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
            return await answer.text()


async def crlf_waiting(url: str, path: str) -> str:
    import crlf

    with open(path, "rb") as file:
        async with crlf.AsyncClient() as client:
            return (await client.put(url, content=file)).text


async def crlf_form_waiting(url: str, path: str) -> str:
    import crlf

    async with crlf.AsyncClient() as client:
        return (await client.post(url, files={"file": path})).text


Way = Callable[[str, str], str]
Waiting = Callable[[str, str], Coroutine[Any, Any, str]]
BLOCKING: dict[str, Way] = {
    way.__name__: way for way in (httpx2, httpx2_form, urllib3, crlf, crlf_form)
}
WAITING: dict[str, Waiting] = {
    way.__name__: way
    for way in (aiohttp_waiting, aiohttp_form_waiting, crlf_waiting, crlf_form_waiting)
}


def main(name: str, url: str, path: str) -> None:
    said = []
    if name in BLOCKING:
        ready(name.partition("_")[0], "Client")
        spent = timed(lambda: said.append(BLOCKING[name](url, path)))
    else:
        ready(name.partition("_")[0], "AsyncClient")
        from uvloop import run

        spent = timed(lambda: said.append(run(WAITING[name](url, path))))
    print(said[0], end="")
    print(json.dumps({"seconds": spent, "bytes": int(said[0])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
