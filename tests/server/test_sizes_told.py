"""What a log says of an answer's size is what was sent of its content, of that answer alone."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from crlf import App, Limits, Patience, Request, Response, running, text
from crlf.server.settings import ServerSettings

LONG = "a long answer\n" * 100
FIRST = b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n"


def application() -> App:
    app = App()

    @app.get("/long")
    async def long(request: Request) -> Response:
        return text(LONG)

    @app.get("/broken")
    async def broken(request: Request) -> Response:
        raise LookupError("as it is asked to")

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return text("read\n")

    return app


@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.parametrize(
    ("second", "status_code"),
    [
        (b"HEAD /long HTTP/1.1\r\nHost: a\r\n", 200),
        (b"GET /broken HTTP/1.1\r\nHost: a\r\n", 500),
        (b"HEAD /broken HTTP/1.1\r\nHost: a\r\n", 500),
        (b"GET /long HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET /long HTTP/2.0\r\nHost: a\r\n", 505),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n", 413),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n", 408),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_told_is_what_was_sent(second: bytes, status_code: int, tmp_path: Path) -> None:
    settings = ServerSettings(
        bind=("127.0.0.1:0",), limits=Limits(body=10_000), access_log="json",
        patience=Patience(body_grace=0.2, body_stall=0.2, linger=0.2),
        access_log_file=str(tmp_path / "log"),
    )  # fmt: skip
    with (
        running(application(), settings=settings) as server,
        socket.create_connection(("127.0.0.1", server.port), 5) as visitor,
    ):
        visitor.sendall(FIRST)
        heard = b""
        while not heard.endswith(LONG.encode()):
            heard += visitor.recv(65536)
        visitor.sendall(second + b"Connection: close\r\n\r\n")
        heard = b""
        while piece := visitor.recv(65536):
            heard += piece
    content = heard.partition(b"\r\n\r\n")[2]
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = [(line["status"], line["bytes"]) for line in lines]
    assert told == [(200, len(LONG)), (status_code, len(content))]
