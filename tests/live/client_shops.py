"""Four things to serve with the same paths, for clients and proxies that nobody here wrote.

An App, a folder, Starlette over ASGI and Flask over WSGI. /files are files; /echo says how much
content came and its digest, /form what a form had, /seen what the server knows of a request;
/stream is content of unknown length, /hello and /to-hello are what they say. A folder has files
alone. `shop` is `crlf serve` of one of them in a process of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("SHOP_FOLDER", "."))
KINDS = ("app", "folder", "starlette", "flask")
TALKING = ("app", "starlette", "flask")  # those that answer more than files
NEEDS = {"starlette": ("python:starlette", "python:python_multipart"), "flask": ("python:flask",)}
LARGE = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(40_000))  # 1.2 MiB
SPARSE = 40_000_000  # bytes: more than the kernel takes in by itself
PAGE = "<!DOCTYPE html><title>a page</title>" + "<p>said again and again" * 400
PIECES = [f"piece {number}\n" for number in range(20)]
HERE = Path(__file__).parent
SERVING = re.compile(r"http://127\.0\.0\.1:([0-9]+)")


def fill(folder: Path) -> Path:
    """Make the folder that all of them serve."""
    files = folder / "files"
    files.mkdir(parents=True)
    (files / "large.bin").write_bytes(LARGE)
    with (files / "sparse.bin").open("wb") as sparse:
        sparse.truncate(SPARSE)
    (files / "small.txt").write_text("small\n")
    (files / "page.html").write_text(PAGE)
    for path in files.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def digest(content: bytes) -> str:
    return f"{len(content)} {hashlib.sha256(content).hexdigest()[:16]}"


def made_with_crlf() -> Any:
    """An App of ours."""
    from crlf import App, Request, Response, html, redirect, text
    from crlf import json as answer

    app = App(secret="a secret of more than sixteen bytes", secure_cookies=False)
    app.folder("/files", FOLDER / "files", listing=True)

    @app.get("/hello")
    async def hello(request: Request) -> Response:
        return text("hello\n")

    @app.get("/page")
    def page(request: Request) -> Response:
        return html(
            "<!DOCTYPE html><title>form</title><main><form method=post action=/form"
            " enctype=multipart/form-data><input name=note><input type=file name=file>"
            "<button>Go</button></form><a id=down href=/down>down</a></main>"
        )

    @app.get("/down")
    def down(request: Request) -> Response:
        fields = {"content-disposition": 'attachment; filename="down.bin"'}
        return Response(200, {**fields, "content-type": "application/octet-stream"}, LARGE)

    @app.get("/to-hello")
    async def to_hello(request: Request) -> Response:
        return redirect("/hello")

    @app.route("/echo", ["POST", "PUT"])
    async def echo(request: Request) -> Response:
        return text(digest(request.content))

    @app.post("/form")
    def form(request: Request) -> Response:
        file: Any = request.files["file"]
        return text(f"{request.form['note']} {file.filename} {file.size}")

    @app.get("/stream")
    async def stream(request: Request) -> Response:
        async def pieces() -> Any:
            for piece in PIECES:
                yield piece.encode()
                await asyncio.sleep(0.001)

        return Response(200, {"content-type": "text/plain"}, pieces())

    @app.get("/slow")
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.3)
        return text("at last\n")

    @app.get("/broken")
    async def broken(request: Request) -> Response:
        raise LookupError("not for visitors")

    @app.get("/endless")
    async def endless(request: Request) -> Response:
        async def pieces() -> Any:
            while True:
                yield b"more " * 1000
                await asyncio.sleep(0)

        return Response(200, {"content-type": "text/plain"}, pieces())

    @app.get("/seen")
    async def seen(request: Request) -> Response:
        peer = request.peer or ("", 0)
        known = {"peer": peer[0], "port": peer[1], "url": str(request.url), "pid": os.getpid()}
        return answer({**known, "fields": dict(request.headers.fields)})

    return app


def made_with_starlette() -> Any:
    """An application over ASGI."""
    from starlette.applications import Starlette
    from starlette.responses import (
        JSONResponse,
        PlainTextResponse,
        RedirectResponse,
        StreamingResponse,
    )
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def hello(request: Any) -> Any:
        return PlainTextResponse("hello\n")

    async def to_hello(request: Any) -> Any:
        return RedirectResponse("/hello", 303)

    async def echo(request: Any) -> Any:
        return PlainTextResponse(digest(await request.body()))

    async def form(request: Any) -> Any:
        async with request.form() as filled:
            file = filled["file"]
            return PlainTextResponse(f"{filled['note']} {file.filename} {file.size}")

    async def stream(request: Any) -> Any:
        async def pieces() -> Any:
            for piece in PIECES:
                yield piece
                await asyncio.sleep(0.001)

        return StreamingResponse(pieces(), media_type="text/plain")

    async def slow(request: Any) -> Any:
        await asyncio.sleep(0.3)
        return PlainTextResponse("at last\n")

    async def broken(request: Any) -> Any:
        raise LookupError("not for visitors")

    async def endless(request: Any) -> Any:
        async def pieces() -> Any:
            while True:
                yield b"more " * 1000
                await asyncio.sleep(0)

        return StreamingResponse(pieces(), media_type="text/plain")

    async def seen(request: Any) -> Any:
        known = {"peer": request.client.host, "port": request.client.port, "pid": os.getpid()}
        return JSONResponse({**known, "url": str(request.url), "fields": dict(request.headers)})

    return Starlette(
        routes=[
            Route("/hello", hello), Route("/to-hello", to_hello), Route("/stream", stream),
            Route("/echo", echo, methods=["POST", "PUT"]), Route("/form", form, methods=["POST"]),
            Route("/seen", seen), Route("/slow", slow), Route("/broken", broken),
            Route("/endless", endless),
            Mount("/files", StaticFiles(directory=FOLDER / "files")),
        ]
    )  # fmt: skip


def made_with_flask() -> Any:
    """An application over WSGI."""
    import flask

    app = flask.Flask(__name__)
    plain = {"content-type": "text/plain; charset=utf-8"}

    @app.get("/hello")
    def hello() -> Any:
        return "hello\n", plain

    @app.get("/to-hello")
    def to_hello() -> Any:
        return flask.redirect("/hello", 303)

    @app.route("/echo", methods=["POST", "PUT"])
    def echo() -> Any:
        return digest(flask.request.get_data()), plain

    @app.post("/form")
    def form() -> Any:
        file = flask.request.files["file"]
        size = len(file.stream.read())
        return f"{flask.request.form['note']} {file.filename} {size}", plain

    @app.get("/stream")
    def stream() -> Any:
        return app.response_class(iter(PIECES), headers=plain)

    @app.get("/slow")
    def slow() -> Any:
        time.sleep(0.3)
        return "at last\n", plain

    @app.get("/broken")
    def broken() -> Any:
        raise LookupError("not for visitors")

    @app.get("/endless")
    def endless() -> Any:
        return app.response_class(repeat("more " * 1000), headers=plain)

    @app.get("/seen")
    def seen() -> Any:
        asked = flask.request
        port = int(asked.environ["REMOTE_PORT"])
        known = {"peer": asked.remote_addr, "port": port, "url": asked.url, "pid": os.getpid()}
        return json.dumps({**known, "fields": dict(asked.headers)}), plain

    @app.get("/files/<path:name>")
    def files(name: str) -> Any:
        return flask.send_from_directory(FOLDER / "files", name, conditional=True)

    return app


class Shop:
    """`crlf serve` of one kind. log: what it said, with a line of JSON for each answer."""

    def __init__(self, kind: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.kind, self.process, self.port, self._log = kind, process, port, log
        self.url = f"http://127.0.0.1:{port}"

    def answered(self) -> list[dict[str, Any]]:
        """List the answers so far, as they were logged."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def until(self, is_so: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
        """Wait until the log says so: it is written a moment later."""
        give_up = time.monotonic() + 5
        while not is_so(self.answered()):
            assert time.monotonic() < give_up, self.answered()[-10:]
            time.sleep(0.05)
        return self.answered()


@contextmanager
def shop(kind: str, folder: Path, *options: str, at: int = 0) -> Iterator[Shop]:
    """Run `crlf serve` of a kind until the block ends, by its pid; it has to end in order."""
    target = [f"client_shops:made_with_{'crlf' if kind == 'app' else kind}", "--factory"]
    if kind == "folder":
        target = [str(folder)]
    folder.parent.mkdir(exist_ok=True)
    log = folder.parent / f"{kind}-{time.monotonic_ns()}.log"
    environment = os.environ | {"SHOP_FOLDER": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "crlf", "serve", *target, "--port", str(at)]
    command += ["--access-log", "json", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=HERE, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        give_up = time.monotonic() + 20
        while not (found := SERVING.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, f"{kind} does not start: {log.read_text()}"
            time.sleep(0.02)
        yield Shop(kind, process, int(found[1]), log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert code == 0, log.read_text()
