"""One blocking client, one connection, one GET after another: `blocking.py NAME URL SECONDS`.

Prints requests, seconds and CPU seconds as JSON. Every client reads the status and the
whole body and checks both; each keeps its defaults, except that the connection is kept.
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
Get = Callable[[], None]


def check(status: int, body: object) -> None:
    if status != 200 or body != BODY:
        raise SystemExit(f"not the expected answer: {status} {body!r}")


@contextmanager
def floor(url: str) -> Iterator[Get]:
    """Send and read on a bare socket; of HTTP it only knows what the answer ends with."""
    import socket

    where = urlsplit(url)
    request = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
    with socket.create_connection((where.hostname, where.port)) as connection:

        def get() -> None:
            connection.sendall(request)
            answer = connection.recv(65536)
            if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(BODY)):
                raise SystemExit(f"not the expected answer: {answer!r}")

        yield get


@contextmanager
def pycurl(url: str) -> Iterator[Get]:
    """The header fields stay in C: nothing of them is made a Python object."""
    import pycurl

    curl = pycurl.Curl()
    pieces: list[bytes] = []
    curl.setopt(pycurl.WRITEFUNCTION, pieces.append)

    def get() -> None:
        pieces.clear()
        curl.setopt(pycurl.URL, url)
        curl.perform()
        check(curl.getinfo(pycurl.RESPONSE_CODE), b"".join(pieces))

    yield get
    curl.close()


@contextmanager
def pyreqwest(url: str) -> Iterator[Get]:
    from pyreqwest.client import SyncClientBuilder

    with SyncClientBuilder().build() as client:

        def get() -> None:
            response = client.get(url).build().send()
            check(response.status, response.bytes())

        yield get


@contextmanager
def httpx2(url: str) -> Iterator[Get]:
    import httpx2

    with httpx2.Client() as client:

        def get() -> None:
            response = client.get(url)
            check(response.status_code, response.content)

        yield get


@contextmanager
def urllib3(url: str) -> Iterator[Get]:
    import urllib3

    with urllib3.PoolManager() as pool:

        def get() -> None:
            response = pool.request("GET", url)
            check(response.status, response.data)

        yield get


@contextmanager
def requests(url: str) -> Iterator[Get]:
    import requests

    with requests.Session() as session:

        def get() -> None:
            response = session.get(url)
            check(response.status_code, response.content)

        yield get


@contextmanager
def http_client(url: str) -> Iterator[Get]:
    from http.client import HTTPConnection

    where = urlsplit(url)
    connection = HTTPConnection(where.hostname or "", where.port)

    def get() -> None:
        connection.request("GET", where.path)
        response = connection.getresponse()
        check(response.status, response.read())

    yield get
    connection.close()


@contextmanager
def crlf(url: str) -> Iterator[Get]:
    import crlf

    with crlf.Client() as client:

        def get() -> None:
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
    with CLIENTS[name](url) as get:
        for _ in range(WARM):
            get()
        count, cpu, start = 0, cpu_seconds(), time.perf_counter()
        end = start + seconds
        while time.perf_counter() < end:
            get()
            count += 1
        spent, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    print(json.dumps({"requests": count, "seconds": spent, "cpu": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
