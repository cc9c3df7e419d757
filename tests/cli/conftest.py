"""A command line without a process: `crlf("get", url)` runs it and keeps all that it wrote."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crlf import App, Request, Response, html, json, redirect, running, text
from crlf.cli.environment import Environment
from crlf.cli.main import main


@dataclass(frozen=True)
class Done:
    """What became of one command line."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


class CommandLine:
    """Runs command lines in a folder of their own.

    on_terminal: which of "stdout" and "stderr" a person reads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stdin = b""
        self.on_terminal: tuple[str, ...] = ()
        self.variables: dict[str, str] = {}
        self.password: str | None = None
        self.prompts: list[str] = []

    def __call__(self, *words: str, stdout: io.BytesIO | None = None) -> Done:
        out, err = stdout or io.BytesIO(), io.BytesIO()
        environment = Environment(
            io.BytesIO(self.stdin),
            out,
            err,
            stdout_is_terminal="stdout" in self.on_terminal,
            stderr_is_terminal="stderr" in self.on_terminal,
            variables=self.variables,
            folder=str(self.folder),
            ask=None if self.password is None else self.ask,
        )
        code = main(words, environment)
        return Done(code, out.getvalue(), err.getvalue().decode())

    def ask(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.password or ""


@pytest.fixture
def crlf(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def build_app() -> App:
    """An application that answers with what it was asked, and in every way that matters."""
    app = App()

    def echo(request: Request) -> Response:
        files = {name: [file.filename, file.content_type, file.read().decode("latin-1")]
                 for name, file in request.files.items()}  # fmt: skip
        is_form = bool(files or request.form)
        return json(
            {
                "method": request.method,
                "target": request.target,
                "headers": [[name.lower(), value] for name, value in request.headers.fields],
                "form": [[name, value] for name, value in request.form.pairs],
                "files": files,
                "content": "" if is_form else request.content.decode("latin-1"),
            }
        )

    app.route("/echo", ["GET", "POST", "PUT", "PATCH", "DELETE", "PURGE", "OPTIONS"])(echo)

    @app.get("/page")
    def page(request: Request) -> Response:
        return html("<h1>Parts</h1>\n")

    @app.get("/status/{code:int}")
    def status(request: Request, code: int) -> Response:
        return text(f"this is {code}\n", code)

    @app.get("/old")
    def old(request: Request) -> Response:
        return redirect("/page")

    @app.post("/order")
    def order(request: Request) -> Response:
        return redirect("/page")

    @app.get("/circle")
    def circle(request: Request) -> Response:
        return redirect("/circle")

    @app.get("/bytes/{size:int}")
    def some(request: Request, size: int) -> Response:
        return Response(200, {"content-type": "image/png"}, bytes(range(256)) * (size // 256))

    @app.get("/evil")
    def evil(request: Request) -> Response:
        return text("a\x1b]0;owned\x07b\x9bc\u202ed\te\r\nf")

    @app.get("/umlauts")
    def umlauts(request: Request) -> Response:
        fields = {"content-type": "text/plain; charset=iso-8859-1"}
        return Response(200, fields, "Gehäuse".encode("latin-1"))

    @app.get("/pieces")
    def pieces(request: Request) -> Response:
        async def slowly() -> AsyncIterator[bytes]:
            yield b"one\n"
            await asyncio.sleep(0.1)
            yield b"two\n"

        return Response(200, {"content-type": "text/plain"}, slowly())

    @app.get("/nothing")
    def nothing(request: Request) -> Response:
        return Response(204)

    return app


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a server that runs build_app(), without a slash at its end."""
    with running(build_app()) as server:
        yield server.url.rstrip("/")


@pytest.fixture
def terminal(crlf: CommandLine) -> Callable[..., Done]:
    """Run a command line of which a person reads everything, without colours."""
    crlf.on_terminal = ("stdout", "stderr")
    crlf.variables["NO_COLOR"] = "1"
    return crlf


@pytest.fixture
def scripted() -> Iterator[Callable[..., str]]:
    """Start a server that reads one request, writes given bytes and closes; return its URL.

    hold: seconds to wait after writing. tls: a context to speak TLS with.
    """
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []
    over = threading.Event()

    def start(
        answer: bytes, *, hold: float = 0, tls: ssl.SSLContext | None = None, reset: bool = False
    ) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with contextlib.suppress(OSError):
                accepted, _ = listener.accept()
                accepted.settimeout(5)
                connection = accepted if tls is None else tls.wrap_socket(accepted, True)
                with connection:
                    while b"\r\n\r\n" not in (connection.recv(65536)):
                        pass
                    connection.sendall(answer)
                    over.wait(hold)
                    if reset:
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        scheme = "http" if tls is None else "https"
        return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    over.set()
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()
