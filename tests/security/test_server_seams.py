"""A server at the seams of what it believes, says and remembers, seen by who means it ill."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.net.aio import in_thread
from crlf.server import App
from crlf.server.asgi import AsgiApplication
from crlf.server.asgiface import asgi_face
from crlf.server.foldersite import FolderSite
from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.server.starting import running
from crlf.server.workers import Worker
from crlf.server.wsgi import WsgiApplication
from crlf.server.wsgicall import Call, End
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


# --- processes -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="workers are for POSIX")
def test_measures_of_workers_are_at_their_socket_file_and_nowhere_else(tmp_path: Path) -> None:
    """A socket file is no host; taken for one, the measures were open to every network."""
    pytest.importorskip("prometheus_client")
    path = tmp_path / "measures"
    command = [
        sys.executable, "-m", "crlf", "serve", str(tmp_path), "--workers", "1",
        "--bind", "127.0.0.1:0", "--metrics", f"unix:{path}",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until(path.exists, 20.0)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(path))
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"crlf_workers" in answer
        finally:
            server.terminate()


@pytest.mark.parametrize(
    "said", [b"nonsense\n", b"{}\n", b'{":":"Limits"}\n', b'{":":"Answer","what":1}\n', b"[1]\n"]
)
def test_what_a_worker_says_ends_nobody_else(said: bytes) -> None:
    """A worker runs the application's code; the supervisor believes it nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Worker.__new__(Worker)
        worker.link, worker.ready, worker.fault, worker._said = ours, None, "", bytearray()
        theirs.sendall(said)
        assert not worker.listen()
        assert worker.ready is None
        assert worker.fault


# --- what is logged of errors ---------------------------------------------------------------------


def test_an_error_is_logged_without_the_query(caplog: pytest.LogCaptureFixture) -> None:
    """Secrets travel in queries; errors are logged whatever the access log leaves out."""

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    with running(AsgiApplication(fails, lifespan="off"), settings=HERE) as server:
        answer = say(server.port, b"GET /a?token=S3CRET HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500")
    assert "/a failed" in caplog.text
    assert "S3CRET" not in caplog.text


# --- files ---------------------------------------------------------------------------------------


def test_a_file_that_the_kernel_sends_stays_open_when_its_client_says_goodbye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the descriptor closed, the kernel would send whatever is opened under its number."""
    path = tmp_path / "large"
    path.write_bytes(b"a" * 16_000_000)
    say_it = Call.say

    def say_slowly(call: Call, thing: Any) -> None:
        say_it(call, thing)
        if isinstance(thing, End):
            time.sleep(0.4)  # the thread is put aside, and the loop is sending by now

    monkeypatch.setattr(Call, "say", say_slowly)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "16000000")])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    with (
        running(WsgiApplication(application), settings=HERE) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.8)
        head, _, content = b"".join(iter(lambda: client.recv(1 << 20), b"")).partition(b"\r\n\r\n")
    assert b" 200 " in head
    assert len(content) == 16_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_single_file_brings_nothing_of_what_lies_beside_it(tmp_path: Path) -> None:
    """Beside a file in /tmp anybody may put a link, to what only the server's user may read."""
    secret = tmp_path / "id_ed25519"
    secret.write_bytes(b"S3CRET")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "notes.txt").write_text("for all")
    for suffix in (".gz", ".br", ".zst"):
        (shared / f"notes.txt{suffix}").symlink_to(secret)
    request = Request.received(
        ("GET", "/", Headers({"host": "a", "accept-encoding": "gzip, br, zstd"}), "1.1"),
        b"", Received(),
    )  # fmt: skip
    for site, target in (
        (FolderSite(shared / "notes.txt"), "/"),
        (FolderSite(shared), "/notes.txt"),
    ):
        answer = site.sender(in_thread, time.time)(request.with_target(target))
        assert asyncio.run(answer).content == b"for all"  # type: ignore[arg-type]


def test_uploads_of_a_request_whose_handler_fails_are_closed(tmp_path: Path) -> None:
    """Also under a host that is not ours, which sees an error where we answer by ourselves."""
    seen: list[Any] = []

    class Fails:
        def sender(self, in_thread: Any, now: Any) -> Any:
            async def send(request: Request) -> Any:
                seen.append(request.files["f"])
                raise ZeroDivisionError

            return send

    async def run() -> None:
        content = (
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
            + b"z" * 300_000
            + b"\r\n--x--\r\n"
        )

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            raise AssertionError("nothing is to be sent")

        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": "/", "scheme": "http",
            "raw_path": b"/", "query_string": b"", "client": None, "server": None,
            "headers": [
                (b"host", b"a"), (b"content-type", b"multipart/form-data; boundary=x"),
                (b"content-length", str(len(content)).encode()),
            ],
        }  # fmt: skip
        with pytest.raises(ZeroDivisionError):
            await asgi_face(Fails())(scope, receive, send)

    asyncio.run(run())
    assert seen[0].file.closed
