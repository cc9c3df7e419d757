"""`crlf upload`: one file to a URL, as it is or in a form, and what is said of it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf import App, Request, Response, json, running, text
from crlf.cli.environment import Environment
from crlf.cli.transferring import painting

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store() -> Iterator[str]:
    """A server that says what it was sent."""
    app = App()

    def seen(request: Request, name: str) -> Response:
        if request.headers.get("if-none-match") == "*" and name == "there":
            return text("there is one\n", 412)
        return json(
            {
                "method": request.method,
                "target": request.target,
                "fields": {key.lower(): value for key, value in request.headers.fields},
                "content": request.content.decode("latin-1"),
            },
            201,
            headers={"location": f"/files/{name}"},
        )

    app.route("/put/{name}", ["PUT", "POST"])(seen)

    @app.post("/form")
    def form(request: Request) -> Response:
        file = request.files["photo"]
        return json([file.filename, file.content_type, len(file.read()), request.form["by"]])

    @app.put("/no")
    def no(request: Request) -> Response:
        return text("not here\n", 403)

    with running(app) as server:
        yield server.url.rstrip("/")


@pytest.fixture
def photo(crlf: CommandLine) -> Path:
    path: Path = crlf.folder / "Gehäuse 1.jpg"
    path.write_bytes(b"\xff\xd8 a photo")
    return path


def told(done: Any) -> Any:
    from json import loads

    return loads(done.out)


def test_a_file_is_put_under_its_name(crlf: CommandLine, store: str, photo: Path) -> None:
    done = crlf("upload", photo.name, f"{store}/put/", "X-Part:7", "v==1")
    said = told(done)
    assert done.code == 0
    assert (said["method"], said["target"]) == ("PUT", "/put/Geh%C3%A4use%201.jpg?v=1")
    assert said["content"].encode("latin-1") == photo.read_bytes()
    fields = said["fields"]
    assert (fields["content-type"], fields["x-part"]) == ("image/jpeg", "7")
    assert fields["content-length"] == str(photo.stat().st_size)
    assert done.err.startswith(f"crlf: {photo.name}: 10 bytes in ")
    assert done.err.endswith(" s; 201 Created, at /files/Gehäuse 1.jpg\n")


def test_a_whole_url_is_taken_as_it_is(crlf: CommandLine, store: str, photo: Path) -> None:
    words = ("--method", "POST", "--type", "image/png")
    said = told(crlf("upload", photo.name, f"{store}/put/a", *words))
    assert (said["method"], said["target"]) == ("POST", "/put/a")
    assert said["fields"]["content-type"] == "image/png"
    said = told(crlf("upload", photo.name, f"{store}/put/a", "-H", "Content-Type: x/y"))
    assert said["fields"]["content-type"] == "x/y"


def test_standard_input_is_sent_in_chunks(crlf: CommandLine, store: str) -> None:
    out = io.BytesIO()
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    with open(reading, "rb") as stdin:
        environment = Environment(stdin, out, io.BytesIO(), folder=str(crlf.folder))
        from crlf.cli.main import main

        assert main(["upload", "-", f"{store}/put/a"], environment) == 0
    assert b'"transfer-encoding": "chunked"' in out.getvalue().replace(b'":"', b'": "')
    assert b"from a pipe" in out.getvalue()
    nameless = crlf("upload", "-", f"{store}/put/")
    assert (nameless.code, "standard input has no name" in nameless.err) == (2, True)


def test_a_form_has_the_file_and_texts(crlf: CommandLine, store: str, photo: Path) -> None:
    done = crlf("upload", photo.name, f"{store}/form", "--as-form", "photo", "by=Ann", "-q")
    assert (done.code, done.out, done.err) == (0, b"", "")
    done = crlf("upload", photo.name, f"{store}/form", "--as-form", "photo", "by=Ann")
    assert told(done) == [photo.name, "image/jpeg", 10, "Ann"]


@pytest.mark.rfc("9110", "13.1.2")
def test_nothing_is_overwritten_where_that_is_said(
    crlf: CommandLine, store: str, photo: Path
) -> None:
    done = crlf("upload", photo.name, f"{store}/put/there", "--no-overwrite")
    assert (done.code, done.out) == (4, b"there is one\n")
    assert done.err == (
        f"crlf: {photo.name}: 412 Precondition Failed: there is something at this URL already\n"
    )
    assert crlf("upload", photo.name, f"{store}/put/free", "--no-overwrite").code == 0


def test_a_refusal_is_shown_and_told(crlf: CommandLine, store: str, photo: Path) -> None:
    with photo.open("wb") as file:
        file.truncate(3_000_000)  # so much is asked about first
    done = crlf("upload", photo.name, f"{store}/no")
    assert (done.code, done.out) == (4, b"not here\n")
    assert done.err == f"crlf: {photo.name}: 403 Forbidden\n"
    assert crlf("upload", photo.name, f"{store}/no", "--ignore-status").code == 0
    assert crlf("upload", photo.name, f"{store}/no", "-qq").err == ""


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["nothing.bin", "http://a.example/"], 26, "cannot read nothing.bin: No such file"),
        ([".", "http://a.example/x"], 26, "cannot read .: Is a directory"),
        (["f", "http://a.example/", "a=1"], 2, "--as-form NAME sends it in a form"),
        (["f", "http://a.example/", "@f"], 2, "--as-form NAME sends it in a form"),
        (["f", "http://a.example/", "--as-form", "x", "a:=1"], 2, "sends it in a form"),
        (["f", "http://a.example/", "--type", "photo"], 2, "is no media type"),
        (["f", "http://a.example/", "--method", "a b"], 2, "is no method"),
        (["f"], 2, "URL is missing"),
        (["f", "g", ":8000/"], 2, "one file is sent"),
        (["f", "g", "http://a.example/"], 2, "one file is sent"),
    ],
)
def test_what_cannot_be_sent_is_said_first(
    crlf: CommandLine, words: list[str], code: int, line: str
) -> None:
    (crlf.folder / "f").write_text("f")
    done = crlf("upload", *words)
    assert (done.code, line in done.err, done.err.count("\n")) == (code, True, 1)


@contextlib.contextmanager
def taking(most: int) -> Iterator[tuple[str, threading.Event]]:
    """A server that reads so much of what it is sent, and then no more; told when it stops."""
    listener = socket.create_server(("127.0.0.1", 0))
    reached, over = threading.Event(), threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(20)
                if b"100-continue" in accepted.recv(65536).lower():
                    accepted.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                left = most
                while left > 0 and (piece := accepted.recv(65536)):
                    left -= len(piece)
                reached.set()
                over.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/f", reached
    over.set()
    listener.close()
    thread.join(20)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_ends_an_upload_at_once(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(64 * 1024 * 1024)  # more than sockets hold
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with taking(4 * 1024 * 1024) as (url, reached):
        process = subprocess.Popen(
            [sys.executable, "-m", "crlf", "upload", "f", url],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert reached.wait(20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, b"")
    assert re.fullmatch(rb"crlf: interrupted; [0-9,]+ bytes of f had been sent\n", err)


def test_progress_is_drawn_on_a_terminal(
    crlf: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painting, "_FIRST", 0.0)
    crlf.on_terminal = ("stderr",)
    crlf.variables = {"COLUMNS": "70", "TERM": "xterm", "NO_COLOR": "1"}
    with (crlf.folder / "f").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    with taking(1024 * 1024) as (url, _):
        done = crlf("upload", "f", url, "-t", "1")
    assert done.code == 28
    assert "/64.0 MiB" in done.err
    assert done.err.split("\n")[-2].endswith("seconds") or "crlf: " in done.err


@pytest.mark.needs("nginx")
@pytest.mark.live
def test_nginx_takes_files(
    crlf: CommandLine, tmp_path: Path, program: Callable[[str], str], photo: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    home = tmp_path / "nginx"
    (home / "dav").mkdir(parents=True)
    (home / "conf").write_text(
        f"daemon off; master_process off; pid {home}/pid; error_log {home}/log; events {{}}"
        f" http {{ access_log off; client_body_temp_path {home}/1; proxy_temp_path {home}/2;"
        f" fastcgi_temp_path {home}/3; uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;"
        f" server {{ listen 127.0.0.1:{port}; location / {{ root {home}/dav; dav_methods PUT;"
        f" create_full_put_path on; }} }} }}"
    )
    run = [program("nginx"), "-p", str(home), "-c", str(home / "conf")]
    server = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert time.monotonic() < give_up, "nginx does not listen"
            time.sleep(0.02)
        done = crlf("upload", photo.name, f"http://127.0.0.1:{port}/a/b/")
        assert (done.code, done.out) == (0, b"")
        assert (home / "dav" / "a" / "b" / photo.name).read_bytes() == photo.read_bytes()
    finally:
        server.kill()
        server.wait(10)
