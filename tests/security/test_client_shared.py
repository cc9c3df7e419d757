"""What a client shares with child processes, threads and other responses is not mixed up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import nullcontext
from typing import cast

import pytest

from crlf import App, AsyncClient, Client
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.tls import TlsStream
from crlf.ports import Stream
from crlf.rules.cookiejar import CookieJar
from crlf.rules.redirects import DROPPED, redirecting

FORKING = """
import os, socket, threading
from crlf import Client

listening = socket.create_server(("127.0.0.1", 0))

def serve(accepted):
    with accepted:
        while head := accepted.recv(65536):
            path = head.split(b" ")[1]
            head = b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(path)
            accepted.sendall(head + path)

def accept():
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

threading.Thread(target=accept, daemon=True).start()
url = "http://127.0.0.1:%d" % listening.getsockname()[1]
client = Client(timeout=5)
client.get(url + "/before")
kept = client._core._pool._ledger.total
reading, writing = os.pipe()
child = os.fork()
if not child:
    streams = [at[0].stream for each in client._core._pool._ledger._idle.values() for at in each]
    lives = [stream._socket.fileno() for stream in streams]
    text = client.get(url + "/child").text  # on a connection of its own
    os.write(writing, f"{lives} {text}".encode())
    os._exit(0)
print(os.read(reading, 100).decode())
os.waitpid(child, 0)
print(kept, client.get(url + "/parent").text, client._core._pool._ledger.total)
"""


@pytest.mark.rfc("9112", "9.2")
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_child_process_uses_no_connection_of_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[-1] /child", "1 /parent 1"]


def numbering() -> App:
    app = App()
    seen: list[str] = []

    @app.get("/")
    def number(request: Request) -> Response:
        seen.append("")
        return Response(200 + len(seen), content=f"content {len(seen)}")

    return app


def handing_back_the_first(request: Request) -> Generator[Request, Response, Response]:
    first = yield request
    yield request
    return first


def handing_back_the_second(request: Request) -> Generator[Request, Response, Response]:
    yield request
    return (yield request)


def test_a_streamed_response_is_never_given_another_ones_content() -> None:
    with Client(app=numbering(), filters=[handing_back_the_first]) as client:
        with pytest.raises(RuntimeError, match="content was let go of"):
            client.stream("GET", "http://a.example/")
        assert client._core._pool._ledger.total <= 1
        whole = client.get("http://a.example/")
        assert (whole.status_code, whole.content) == (203, b"content 3")
    with (
        Client(app=numbering(), filters=[handing_back_the_second]) as client,
        client.stream("GET", "http://a.example/") as reply,
    ):
        assert (reply.status_code, reply.read()) == (202, b"content 2")


def test_the_same_holds_on_a_loop() -> None:
    async def ask() -> None:
        async with AsyncClient(app=numbering(), filters=[handing_back_the_first]) as client:
            with pytest.raises(RuntimeError, match="content was let go of"):
                async with client.stream("GET", "http://a.example/"):
                    pass

    asyncio.run(ask())


@pytest.mark.rfc("9110", "15.4")
def test_history_keeps_little_of_what_redirects_bring() -> None:
    steps = redirecting(limit=5)(Request("GET", "http://a.example/0"))
    next(steps)
    for at in range(1, 5):
        size = 64 * 1024 + at % 2
        steps.send(Response(302, {"location": f"/{at}"}, b"x" * size))
    with pytest.raises(StopIteration) as done:
        steps.send(Response(200, content=b"x" * 1024 * 1024))
    response = cast("Response", done.value.value)
    assert [len(hop.content) for hop in response.history] == [0, 64 * 1024] * 2
    assert ["content_dropped" == DROPPED in hop.extras for hop in response.history] == [
        True, False, True, False,
    ]  # fmt: skip
    assert len(response.content) == 1024 * 1024


def test_a_jar_that_a_client_is_given_gets_a_guard() -> None:
    jar, lock = CookieJar(), threading.Lock()
    with Client(cookies=jar):
        assert not isinstance(jar.guard, nullcontext)
    mine = CookieJar(guard=lock)
    with Client(cookies=mine):
        assert mine.guard is lock


class Noisy:
    """What is below a TLS stream: always more records, none of them data."""

    def __init__(self) -> None:
        self.reads = 0

    def has_arrived(self) -> bool:
        return True

    async def read(self, deadline: float | None) -> bytes:
        self.reads += 1
        assert self.reads < 1000, "it would be read for ever, with the pool's guard held"
        return b"\x16"


class Silent(TlsStream):
    """A TLS stream in which tickets, and nothing else, arrive."""

    def __init__(self, inner: Noisy) -> None:
        self._inner = cast("Stream", inner)
        self._pieces, self._ended, self._failure = [], False, None

    def _take(self, data: bytes) -> None:
        pass


@pytest.mark.rfc("9112", "9.2")
def test_an_idle_tls_connection_that_is_never_quiet_is_not_idle() -> None:
    assert Silent(Noisy()).has_arrived()
