"""The four kinds of what a server serves, as the tests of bad input and slow clients need them.

An App, a folder, an ASGI and a WSGI application, all with the same paths: /probe, /large, the
endless /endless (a folder has none), and any other, which reads what it is sent and says how much
that was. Each looks at what it is given first: what no application should ever see is an error,
and so a 500. `Served` is `crlf serve` in a process of its own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from crlf.message.request import Request
from crlf.message.response import Response
from crlf.server import App, stream

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KINDS = ("app", "folder", "asgi", "wsgi")
LARGE = 15_000_000  # bytes; far more than the kernel takes by itself
WHOLE = b"x" * LARGE
PIECE = b"x" * 100_000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")

turns = count(1)  # each call of an application has a number, which its answer says


def insist(is_sane: bool, what: object) -> None:
    """Raise what becomes a 500 when an application is shown something that it never should be."""
    if not is_sane:
        raise RuntimeError(f"an application was shown {what!r}")


def insist_on_fields(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Look at a request's fields: names and values are what RFC 9110 5 says, framing is single."""
    names = []
    for name, value in fields:
        insist(TOKEN.fullmatch(name) is not None, name)
        insist(VALUE.fullmatch(value) is not None, (name, value))
        names.append(name.lower())
    for single in (b"host", b"content-length", b"transfer-encoding"):
        insist(names.count(single) <= 1, names)
    insist(not (b"content-length" in names and b"transfer-encoding" in names), names)


# --- an App --------------------------------------------------------------------------------------

app = App()


@app.get("/probe")
async def probe(request: Request) -> str:
    return "alive"


@app.get("/large")
async def large(request: Request) -> bytes:
    return WHOLE


@app.get("/endless")
async def endless(request: Request) -> Response:
    def pieces() -> Iterator[bytes]:
        while True:
            yield PIECE

    return stream(pieces())


@app.route("/", METHODS)
@app.route("/{rest:path}", METHODS)
async def other(request: Request, rest: str = "") -> Response:
    insist_on_fields(
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.fields
    )
    said = f"{len(request.content)} bytes".encode()
    return Response(200, [("x-turn", str(next(turns)))], said)


# --- ASGI ----------------------------------------------------------------------------------------


async def asgi(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    insist(scope["type"] == "http", scope["type"])
    insist(TOKEN.fullmatch(scope["method"].encode()) is not None, scope["method"])
    insist(scope["http_version"] in ("1.0", "1.1"), scope["http_version"])
    insist(type(scope["path"]) is str and type(scope["query_string"]) is bytes, scope)
    insist(all(name == name.lower() for name, _ in scope["headers"]), scope["headers"])
    insist_on_fields(scope["headers"])
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    fields = [(b"x-turn", str(next(turns)).encode())]
    pieces: Iterable[bytes] = [f"{size} bytes".encode()]
    if scope["path"] == "/probe":
        pieces = [b"alive"]
    elif scope["path"] == "/large":
        pieces = [WHOLE]
    elif scope["path"] == "/endless":
        pieces = iter(lambda: PIECE, b"")
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


# --- WSGI ----------------------------------------------------------------------------------------


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    insist(TOKEN.fullmatch(environ["REQUEST_METHOD"].encode()) is not None, environ)
    insist(environ["SERVER_PROTOCOL"] in ("HTTP/1.0", "HTTP/1.1"), environ)
    for name, value in environ.items():
        if type(value) is str:
            insist(not {"\r", "\n", "\0"} & set(value), (name, value))
    insist("HTTP_PROXY" not in environ and "HTTP_CONTENT_LENGTH" not in environ, environ)
    said = environ.get("CONTENT_LENGTH") or "0"
    insist(said.isascii() and said.isdigit(), said)
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    insist(size == int(said), (size, said))
    start_response("200 OK", [("X-Turn", str(next(turns)))])
    if environ["PATH_INFO"] == "/probe":
        return [b"alive"]
    if environ["PATH_INFO"] == "/large":
        return [WHOLE]
    if environ["PATH_INFO"] == "/endless":
        return iter(lambda: PIECE, b"")
    return [f"{size} bytes".encode()]


# --- a folder ------------------------------------------------------------------------------------


def fill_folder(folder: Path) -> None:
    """Put what a folder is asked for into it."""
    (folder / "probe").write_bytes(b"alive")
    (folder / "index.html").write_text("<!doctype html><title>a</title>" + "<p>hello" * 200)
    (folder / "below").mkdir()
    (folder / "below" / "style.css").write_text("a { color: red }\n" * 100)
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE)


# --- in a process --------------------------------------------------------------------------------


class Served:
    """`crlf serve` of one kind, with an address of its own. said: what it has complained of."""

    def __init__(self, process: subprocess.Popen[str], port: int, said: Path) -> None:
        self.process = process
        self.port = port
        self._said = said

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    @property
    def memory(self) -> int:
        """How many bytes of memory it has."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split(" ")[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu_seconds(self) -> float:
        """How long it has been at work."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settles(self, descriptors: int, seconds: float = 5.0) -> bool:
        """Wait until it has so few descriptors again; tell whether it came to that."""
        give_up = time.monotonic() + seconds
        while self.descriptors > descriptors:
            if time.monotonic() > give_up:
                return False
            time.sleep(0.02)
        return True


@contextmanager
def serving(
    kind: str, *options: str, environment: dict[str, str] | None = None, first: Iterable[str] = ()
) -> Iterator[Served]:
    """Run `crlf serve` of a kind until the block ends, by its pid; it has to end in order.

    first: what runs it, with its arguments.
    """
    with tempfile.TemporaryDirectory(prefix="crlf-served-") as made:
        folder = Path(made)
        target = f"targets:{kind}"
        if kind == "folder":
            target = str(folder / "site")
            (folder / "site").mkdir()
            fill_folder(folder / "site")
        with (folder / "said").open("w") as said:
            process = subprocess.Popen(
                [*first, sys.executable, "-m", "crlf", "serve", target, "--port", "0",
                 "--access-log", "off", *options],
                cwd=HERE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(environment or {})},
            )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"://127\.0\.0\.1:([0-9]+)", line)
            assert found, line + (folder / "said").read_text()
            yield Served(process, int(found[1]), folder / "said")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise


async def pieces_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield data piece by piece."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
