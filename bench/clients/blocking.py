"""One blocking client, one connection, one GET after another: `blocking.py NAME URL SECONDS`.

Prints requests, seconds and CPU seconds as JSON. Every client reads the status and the
whole body and checks both; each keeps its defaults, except that connections are kept: those
that remember only a few hosts may remember all of hosts.py's.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

BODY = b"Hello, world!\n"
WARM = 200  # requests before the clock starts
MANY = 100  # hosts that hosts.py asks
Get = Callable[[str], None]  # a URL


def check(status: int, body: object) -> None:
    if status != 200 or body != BODY:
        raise SystemExit(f"not the expected answer: {status} {body!r}")


@contextmanager
def floor() -> Iterator[Get]:
    """Send and read on a bare socket; of HTTP it only knows what the answer ends with."""
    import socket

    opened: dict[str, tuple[socket.socket, bytes]] = {}

    def connect(url: str) -> tuple[socket.socket, bytes]:
        where = urlsplit(url)
        request = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
        opened[url] = socket.create_connection((where.hostname, where.port)), request
        return opened[url]

    def get(url: str) -> None:
        connection, request = opened.get(url) or connect(url)
        connection.sendall(request)
        answer = connection.recv(65536)
        if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(BODY)):
            raise SystemExit(f"not the expected answer: {answer!r}")

    yield get
    for connection, _ in opened.values():
        connection.close()


@contextmanager
def pycurl() -> Iterator[Get]:
    """The header fields stay in C: nothing of them is made a Python object."""
    import pycurl

    curl = pycurl.Curl()
    pieces: list[bytes] = []
    curl.setopt(pycurl.WRITEFUNCTION, pieces.append)

    def get(url: str) -> None:
        pieces.clear()
        curl.setopt(pycurl.URL, url)
        curl.perform()
        check(curl.getinfo(pycurl.RESPONSE_CODE), b"".join(pieces))

    yield get
    curl.close()


@contextmanager
def pyreqwest() -> Iterator[Get]:
    from pyreqwest.client import SyncClientBuilder

    with SyncClientBuilder().build() as client:

        def get(url: str) -> None:
            response = client.get(url).build().send()
            check(response.status, response.bytes())

        yield get


@contextmanager
def httpx2() -> Iterator[Get]:
    import httpx2

    limits = httpx2.Limits(max_connections=MANY, max_keepalive_connections=MANY)
    with httpx2.Client(limits=limits) as client:

        def get(url: str) -> None:
            response = client.get(url)
            check(response.status_code, response.content)

        yield get


@contextmanager
def urllib3() -> Iterator[Get]:
    import urllib3

    with urllib3.PoolManager(num_pools=MANY) as pool:

        def get(url: str) -> None:
            response = pool.request("GET", url)
            check(response.status, response.data)

        yield get


@contextmanager
def requests() -> Iterator[Get]:
    import requests

    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=MANY))

        def get(url: str) -> None:
            response = session.get(url)
            check(response.status_code, response.content)

        yield get


@contextmanager
def http_client() -> Iterator[Get]:
    """It is one connection, and what keeps several of them is not counted as its work."""
    from http.client import HTTPConnection

    opened: dict[str, tuple[HTTPConnection, str]] = {}

    def connect(url: str) -> tuple[HTTPConnection, str]:
        where = urlsplit(url)
        opened[url] = HTTPConnection(where.hostname or "", where.port), where.path
        return opened[url]

    def get(url: str) -> None:
        connection, path = opened.get(url) or connect(url)
        connection.request("GET", path)
        response = connection.getresponse()
        check(response.status, response.read())

    yield get
    for connection, _ in opened.values():
        connection.close()


@contextmanager
def crlf() -> Iterator[Get]:
    import crlf

    with crlf.Client() as client:

        def get(url: str) -> None:
            response = client.get(url)
            check(response.status_code, response.content)

        yield get


CLIENTS = {
    client.__name__: client
    for client in (floor, pycurl, pyreqwest, httpx2, urllib3, requests, http_client, crlf)
}


def cpu_seconds() -> float:
    """CPU time of this process, all its threads and the kernel's work for it included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(name: str, url: str, seconds: float) -> None:
    with CLIENTS[name]() as get:
        for _ in range(WARM):
            get(url)
        count, cpu, start = 0, cpu_seconds(), time.perf_counter()
        end = start + seconds
        while time.perf_counter() < end:
            get(url)
            count += 1
        spent, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    print(json.dumps({"requests": count, "seconds": spent, "cpu": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
