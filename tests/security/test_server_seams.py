"""A server at the seams of what it believes, says and remembers, seen by who means it ill."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crlf.server import App
from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.server.starting import running
from crlf.values import replace

pytestmark = pytest.mark.timeout(30)
HERE = replace(DEFAULT_SETTINGS, bind=("127.0.0.1:0",))


def told(**changes: object) -> ServerSettings:
    return replace(HERE, **changes)


def say(port: int, *pieces: bytes, seconds: float = 5.0) -> bytes:
    """Send bytes on one connection, end it, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def until(ready: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < give_up, "it never happens"
        time.sleep(0.01)


def greeting() -> App:
    app = App()

    @app.route("/", ("GET", "DELETE"))
    async def index(request: Any) -> str:
        return str(request.url)

    return app


# --- what is logged ------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["short", "combined", "json"])
def test_no_method_hides_behind_another_of_the_same_head(style: str, tmp_path: Path) -> None:
    """What a head says is remembered by its fields; the request line is not one of them."""
    log = tmp_path / "access.log"
    block = b"Host: a.example\r\nConnection: keep-alive\r\n\r\n"
    with running(greeting(), settings=told(access_log=style, access_log_file=str(log))) as server:
        lines = (b"GET / HTTP/1.1\r\n", b"DELETE / HTTP/1.1\r\n", b"DELETE / HTTP/1.0\r\n")
        answers = say(server.port, b"".join([line + block for line in lines]))
        assert answers.count(b"HTTP/1.1 200") == 3
    written = log.read_text().splitlines()
    assert len(written) == 3
    if style == "json":
        told_of = [(each["method"], each["version"]) for each in map(json.loads, written)]
        assert told_of == [("GET", "1.1"), ("DELETE", "1.1"), ("DELETE", "1.0")]
    else:
        assert [line.count("DELETE") for line in written] == [0, 1, 1]
