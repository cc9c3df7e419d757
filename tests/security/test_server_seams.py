"""A server at the seams of what it believes, says and remembers, seen by who means it ill."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.net.aio import in_thread
from crlf.server import App
from crlf.server.files.foldersite import FolderSite
from crlf.server.gateways.asgi import AsgiApplication
from crlf.server.gateways.asgiface import AsgiFace
from crlf.server.gateways.wsgi import WsgiApplication
from crlf.server.gateways.wsgicall import Call, End
from crlf.server.processes.workers import Worker
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


def say_to_file(path: Path, asked: bytes, seconds: float = 20.0) -> bytes:
    """The same at a socket file, as soon as somebody listens there."""
    give_up = time.monotonic() + seconds
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            try:
                connection.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < give_up, "nobody ever listens"
                time.sleep(0.02)
                continue
            connection.sendall(asked)
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
            asked = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            answer = say_to_file(path, asked)
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
            await AsgiFace(Fails())(scope, receive, send)

    asyncio.run(run())
    assert seen[0].file.closed


# --- where a request was sent --------------------------------------------------------------------


@pytest.mark.rfc("9110", "7.4")
@pytest.mark.parametrize("trusted", [(), ("10.0.0.1",)])
def test_https_is_not_had_without_tls(trusted: tuple[str, ...]) -> None:
    """Who could name the scheme would have a secure cookie set on a connection that is none."""
    with running(greeting(), settings=told(trusted_proxies=trusted)) as server:
        for target in (b"https://a.example/", b"HTTPS://a.example/"):
            asked = b"GET " + target + b" HTTP/1.1\r\nHost: a.example\r\n\r\n"
            answer = say(server.port, asked + asked)
            assert answer.startswith(b"HTTP/1.1 421 ")
            assert answer.count(b"HTTP/1.1 ") == 1
        plain = say(server.port, b"GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n")
        assert plain.startswith(b"HTTP/1.1 200 ")
        assert plain.endswith(b"http://a.example/")


def test_a_trusted_proxy_may_ask_for_https() -> None:
    with running(greeting(), settings=told(trusted_proxies=("127.0.0.1",))) as server:
        fields = b"Host: a.example\r\nX-Forwarded-Proto: https\r\n\r\n"
        answer = say(server.port, b"GET https://a.example/ HTTP/1.1\r\n" + fields)
    assert answer.endswith(b"https://a.example/")


@pytest.mark.parametrize("interface", ["app", "asgi", "wsgi"])
def test_all_applications_are_told_of_the_same_host(interface: str) -> None:
    """And it is the one that is held against the allowed hosts."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b" ".join(hosts)})

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["HTTP_HOST"].encode()]

    app = App()

    @app.get("/")
    async def index(request: Any) -> str:
        return str(request.url.host)

    served: Any = {
        "app": app,
        "asgi": AsgiApplication(asgi, lifespan="off"),
        "wsgi": WsgiApplication(wsgi),
    }[interface]
    settings = told(
        trusted_proxies=("127.0.0.1",), proxy_fields=("x-forwarded-host",),
        allowed_hosts=("told.example", "target.example", "own.example"),
    )  # fmt: skip
    told_so = b"X-Forwarded-Host: told.example\r\n"
    with running(served, settings=settings) as server:
        for line, field, host in (
            (b"GET / HTTP/1.1\r\n", b"", b"own.example"),
            (b"GET http://target.example/ HTTP/1.1\r\n", b"", b"target.example"),
            (b"GET / HTTP/1.1\r\n", told_so, b"told.example"),
            (b"GET http://target.example/ HTTP/1.1\r\n", told_so, b"told.example"),
        ):
            answer = say(server.port, line + b"Host: own.example\r\n" + field + b"\r\n")
            assert answer.endswith(b"\r\n\r\n" + host), (line, field)
        evil = b"Host: own.example\r\nX-Forwarded-Host: evil.example\r\n\r\n"
        for line in (b"GET / HTTP/1.1\r\n", b"GET http://target.example/ HTTP/1.1\r\n"):
            assert say(server.port, line + evil).startswith(b"HTTP/1.1 421 ")


# --- applications that end otherwise -------------------------------------------------------------


def leaving_app() -> App:
    app = App()
    task_of: dict[str, Any] = {}

    @app.get("/exit")
    async def leaves(request: Any) -> str:
        sys.exit(3)

    @app.get("/thread")
    def leaves_in_thread(request: Any) -> str:
        sys.exit(3)

    @app.get("/cancelled")
    async def waits_for_what_was_cancelled(request: Any) -> str:
        task_of["one"] = asyncio.ensure_future(asyncio.sleep(60))
        task_of["one"].cancel()
        await task_of["one"]
        return "never"

    @app.get("/")
    async def index(request: Any) -> str:
        return "well"

    return app


@pytest.mark.parametrize("path", ["/exit", "/thread", "/cancelled"])
def test_a_handler_that_leaves_ends_its_own_answer_only(path: str) -> None:
    """sys.exit in a handler, or a wait for a Task that was cancelled, is one answer's 500."""
    with running(leaving_app(), settings=HERE) as server:
        both = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        answer = say(server.port, both.encode())
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"HTTP/1.1 200 " in answer
        assert say(server.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"well")


def test_what_a_failed_answer_has_set_the_next_request_does_not_see() -> None:
    """Behind a proxy the requests of one connection are those of many visitors."""
    visitor: ContextVar[str] = ContextVar("visitor", default="nobody")
    app = App()

    @app.get("/set")
    async def remembers(request: Any) -> Response:
        visitor.set("Alice")
        return Response(200, [("content-length", "7")], b"not seven")

    @app.get("/")
    async def index(request: Any) -> str:
        return visitor.get()

    with running(app, settings=HERE) as server:
        answer = say(
            server.port,
            b"GET /set HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        )
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"nobody")


def test_a_connection_is_let_go_though_its_application_goes_on() -> None:
    """Clients must not hold descriptors of ours by work that they have started and left."""
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    async def works_on(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"said"})
        begun.set()
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        over.set()

    with (
        running(AsgiApplication(works_on, lifespan="off"), settings=HERE) as server,
        socket.create_connection(("127.0.0.1", server.port), 5) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536).endswith(b"said")
        assert begun.wait(5)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(65536) == b""
        client.close()
        until(lambda: not connections_of(server.port))
        go_on.set()
        assert over.wait(5), "what it did after the answer was cut short"


def connections_of(port: int) -> list[str]:
    """List the connections of this process to a port that it serves, by their server's end."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the system's list of connections is read")
    shown = f":{port:04X}"
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    # Of each line: number, local address, remote address, state; 0A is one that listens.
    ends = [line.split() for line in lines]
    return [end[3] for end in ends if end[1].endswith(shown) and end[3] in ("01", "08")]


# --- what a child of an application inherits -----------------------------------------------------

SPAWNS = """
import subprocess, sys
import crlf
app = crlf.App()
LIST = '''
import os
for name in sorted(os.listdir("/proc/self/fd"), key=int):
    try:
        print(name, os.readlink(f"/proc/self/fd/{name}"))
    except OSError:
        pass
'''
@app.get("/")
def index(request):
    done = subprocess.run([sys.executable, "-c", LIST], close_fds=False, capture_output=True)
    return crlf.text(done.stdout.decode())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says what is open")
@pytest.mark.parametrize("options", [(), ("--workers", "1")])
def test_a_program_that_a_handler_starts_inherits_nothing(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """No listening socket, no connection, no board, no log, though it closes nothing itself."""
    (tmp_path / "spawning.py").write_text(SPAWNS)
    path = tmp_path / "door"
    command = [
        sys.executable, "-m", "crlf", "serve", "spawning:app", "--bind", f"unix:{path}",
        "--access-log", "json", "--log-file", str(tmp_path / "log"), *options,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            answer = say_to_file(path, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        finally:
            server.terminate()
    head, _, listed = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    assert listed
    inherited = [line for line in listed.splitlines() if int(line.split(" ")[0]) > 2]
    assert [line for line in inherited if "/fd" not in line.split(" ", 1)[1]] == []


# --- what strangers are shown --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "is_shown"), [(None, True), ("127.0.0.1", False), ("unknown", False)]
)
def test_tracebacks_are_for_this_machine_and_not_for_who_is_unknown(
    client: str | None, is_shown: bool
) -> None:
    """Who comes by a proxy is nobody we know, even if the proxy says that he is on this machine."""
    app = App(debug=True)

    @app.get("/")
    async def index(request: Any) -> str:
        raise ZeroDivisionError("S3CRET")

    settings = told(trusted_proxies=("127.0.0.1",), proxy_fields=("forwarded",))
    with running(app, settings=settings) as server:
        forwarded = "" if client is None else f"Forwarded: for={client}\r\n"
        fields = f"Host: localhost\r\n{forwarded}\r\n"
        answer = say(server.port, b"GET / HTTP/1.1\r\n" + fields.encode())
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert (b"S3CRET" in answer) is is_shown
