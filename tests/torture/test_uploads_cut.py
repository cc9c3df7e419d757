"""Uploads that end at every tenth of their way, in every way: nothing of them is left.

A client that leaves or is lost, a handler that fails, a limit, a full disk, a server that stops:
for a form that the server takes in, and for what handlers of both colours save as it comes. What
must not be there afterwards: a file, an open descriptor, a thread that waits for ever.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crlf import App, Patience, Request, running
from crlf.net import placing, spool
from crlf.server.serving import Server

SIZE = 2_000_000
HEAD = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
FORM = HEAD + b"x" * SIZE + b"\r\n--b--\r\n"
TENTHS = range(10)
HASTY = Patience(drain=0.02, linger=0.2, body_stall=5)
RESET = b"\1\0\0\0\0\0\0\0"
KINDS = ("form", "def", "async def", "def, pieces", "async def, pieces")


class Broken(Exception):
    """Raised by a handler in the middle."""


class Shop:
    """An application that takes one kind of upload.

    breaks_at: bytes of content after which the handler raises. busy: handlers at work.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.folder = folder
        self.breaks_at = SIZE * 2
        self.busy = 0
        self.served = 0
        self.app = App()
        handler = getattr(self, kind.replace(", ", "_").replace(" ", "_"))
        limits = {f"/{tenth}": len(FORM) * tenth // 10 for tenth in TENTHS}
        for path, limit in {"/": None, **limits}.items():
            self.app.post(path, body=limit, streams=kind != "form")(handler)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self.busy += 1
        try:
            yield
            self.served += 1
        finally:
            self.busy -= 1

    def form(self, request: Request) -> str:
        with self.at_work():
            if self.breaks_at < SIZE:
                raise Broken
            request.files["f"].save(self.folder / "saved")  # type: ignore[attr-defined]
        return "saved"

    # A method named "def" cannot be written.
    def blocking(self, request: Request) -> str:
        with self.at_work():
            for part in request.parts():
                if self.breaks_at < SIZE:
                    seen = 0
                    for piece in part.pieces():
                        seen += len(piece)
                        if seen > self.breaks_at:
                            raise Broken
                part.save(self.folder / "saved")
        return "saved"

    async def waiting(self, request: Request) -> str:
        with self.at_work():
            async for part in request.parts():
                if self.breaks_at < SIZE:
                    seen = 0
                    async for piece in part.pieces():
                        seen += len(piece)
                        if seen > self.breaks_at:
                            raise Broken
                await part.save(self.folder / "saved")
        return "saved"

    def blocking_pieces(self, request: Request) -> str:
        with self.at_work():
            seen = 0
            for piece in request.pieces():
                seen += len(piece)
                if seen > self.breaks_at:
                    raise Broken
        return "read"

    async def waiting_pieces(self, request: Request) -> str:
        with self.at_work():
            seen = 0
            async for piece in request.pieces():
                seen += len(piece)
                if seen > self.breaks_at:
                    raise Broken
        return "read"


for _name in ("", "_pieces"):
    setattr(Shop, "def" + _name, getattr(Shop, "blocking" + _name))
    setattr(Shop, "async_def" + _name, getattr(Shop, "waiting" + _name))


@pytest.fixture(params=["nameless", "named"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for all that is written, on systems that can do without names or not."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if request.param == "named":
        monkeypatch.setattr(spool, "_TMPFILE", 0)
        monkeypatch.setattr(placing, "_NAMELESS", 0)
    return tmp_path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def head(path: str = "/", *, chunked: bool = False) -> bytes:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(FORM)}"
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    ).encode()


def answered(server: Server, *pieces: bytes) -> bytes:
    """Send pieces until the server has said its last word; return what it said."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
        except OSError:
            pass  # it may have closed before it had everything
        try:
            while data := client.recv(65536):
                received += data
        except ConnectionError:
            pass
    return received


def until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.002)


def open_in(folder: Path) -> list[str]:
    """List what this process has open of a folder, be it without a name."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return [path for path in found if path.startswith(str(folder))]


def nothing_is_left(shop: Shop, left: list[str]) -> None:
    """Wait until no handler is at work and nothing is written, and see what is there."""
    until(lambda: shop.busy == 0, "a handler is stuck")
    if os.path.isdir("/proc/self/fd"):
        until(lambda: not open_in(shop.folder), "a file is open")
    until(lambda: sorted(os.listdir(shop.folder)) == left, "a file is left")


@pytest.mark.parametrize("ending", ["end", "reset"])
def test_a_client_that_leaves(kind: str, ending: str, folder: Path) -> None:
    shop = Shop(kind, folder)
    with running(shop.app, patience=HASTY) as server:
        for tenth in TENTHS:
            with socket.create_connection(("127.0.0.1", server.port), 10) as client:
                client.sendall(head() + FORM[: len(FORM) * tenth // 10])
                if ending == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        nothing_is_left(shop, [])
        assert shop.served == 0
        assert b" 200 OK" in answered(server, head(), FORM)
        nothing_is_left(shop, [] if "pieces" in kind else ["saved"])


def test_a_handler_that_fails(kind: str, folder: Path) -> None:
    shop = Shop(kind, folder)
    with running(shop.app, patience=HASTY) as server:
        for tenth in TENTHS:
            shop.breaks_at = SIZE * tenth // 10
            assert answered(server, head(), FORM).startswith(b"HTTP/1.1 500 ")
            nothing_is_left(shop, [])


@pytest.mark.rfc("9110", "15.5.14")
def test_a_limit(kind: str, folder: Path) -> None:
    shop = Shop(kind, folder)
    chunks = [
        b"%x\r\n%b\r\n" % (len(piece), piece)
        for piece in (FORM[start : start + 65536] for start in range(0, len(FORM), 65536))
    ]
    with running(shop.app, patience=HASTY) as server:
        for tenth in TENTHS:
            pieces = (head(f"/{tenth}", chunked=True), *chunks, b"0\r\n\r\n")
            assert answered(server, *pieces).startswith(b"HTTP/1.1 413 ")
            nothing_is_left(shop, [])


@pytest.mark.rfc("4918", "11.5")
@pytest.mark.parametrize("kind", ["form", "def", "async def"], indirect=True)  # which write
def test_a_disk_that_is_full(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = 0

    def free(descriptor: int) -> int:
        return placing.KEEP_FREE + room - os.fstat(descriptor).st_size

    monkeypatch.setattr(placing, "free_space", free)
    monkeypatch.setattr(spool, "free_space", free)
    shop = Shop(kind, folder)
    with running(shop.app, patience=HASTY) as server:
        for tenth in TENTHS:
            room = SIZE * tenth // 10
            assert answered(server, head(), FORM).startswith(b"HTTP/1.1 507 ")
            nothing_is_left(shop, [])


def test_a_server_that_stops(kind: str, folder: Path) -> None:
    for tenth in TENTHS:
        shop = Shop(kind, folder)
        with running(shop.app, patience=HASTY) as server:
            client = socket.create_connection(("127.0.0.1", server.port), 10)
            client.sendall(head() + FORM[: len(FORM) * tenth // 10])
            if kind != "form" and tenth:
                until(lambda: shop.busy == 1, "the handler never began")  # noqa: B023
        client.close()
        nothing_is_left(shop, [])
        workers = [each.name for each in threading.enumerate() if "crlf-handler" in each.name]
        until(lambda: not any(t.name in workers for t in threading.enumerate()), "a thread")  # noqa: B023
