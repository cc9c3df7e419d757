"""Stream one body to a file: `download.py NAME URL FILE`.

One write for each piece as the client hands it over; curl and `crlf get -o` need no script.
"""

import sys
from collections.abc import Iterator


def httpx2(url: str) -> Iterator[bytes]:
    import httpx2

    with httpx2.Client() as client, client.stream("GET", url) as response:
        yield from response.iter_bytes()


def urllib3(url: str) -> Iterator[bytes]:
    import urllib3

    with urllib3.PoolManager() as pool:
        yield from pool.request("GET", url, preload_content=False).stream(65536)


def crlf(url: str) -> Iterator[bytes]:
    import crlf

    with crlf.Client() as client, client.stream("GET", url) as response:
        yield from response.iter_bytes()


CLIENTS = {client.__name__: client for client in (httpx2, urllib3, crlf)}


def main(name: str, url: str, path: str) -> None:
    with open(path, "wb") as file:
        for piece in CLIENTS[name](url):
            file.write(piece)


if __name__ == "__main__":
    main(*sys.argv[1:])
