"""One large file in a multipart form, taken to the disk by an application.

The client is a bare socket and the kernel's sendfile, the same for all. Both cores are for
whoever can use them: a server that writes in threads has something to do for the second. Each
server says how many bytes its file has. crlf makes a digest of each file on its way, which
Starlette does not: that is measured as it is, and with an application that makes one. The first
upload of each turn is not counted, since it finds the memory of the machine as others left it.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ground import (
    BENCH,
    CORES,
    OWN,
    PEERS,
    PINNED,
    ROOT,
    Failed,
    Options,
    cpu_seconds,
    free_port,
    need_import,
    received,
    serving,
)
from nginx import write_files
from server_rows import UVICORN
from transfers import mark
from turns import Aim, Bound, Column, Figures, in_turns, table

BOUNDARY = "----WebKitFormBoundary0123456789abcdef"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
STARLETTE, OURS = "Starlette on uvicorn", "crlf, request.files"
DIGESTED = "Starlette, with a digest"
MOST = 64  # MiB that a server of ours may need, whatever it is sent
BOTH = ["taskset", "-c", ",".join(map(str, CORES))] if PINNED else []


def starlette(port: int) -> list[str | Path]:
    need_import(PEERS / "python", "starlette", "python_multipart", "uvloop", "httptools")
    where = ["--port", str(port), "forms_starlette_app:app"]
    return [*BOTH, PEERS / UVICORN.split(" ")[0], *UVICORN.split(" ")[1:], *where]


def own(port: int) -> list[str | Path]:
    need_import(OWN / "python", "crlf.App")
    app = "bench.servers.forms_crlf_app:app"
    return [*BOTH, OWN / "crlf", "serve", app, "--port", str(port), "--quiet"]


@dataclass(frozen=True)
class Taker:
    """A server, and where it takes the form."""

    command: Callable[[int], list[str | Path]]
    path: str
    folder: Path


TAKERS = {
    STARLETTE: Taker(starlette, "/form", BENCH / "servers"),
    DIGESTED: Taker(starlette, "/digested", BENCH / "servers"),
    OURS: Taker(own, "/form", ROOT),
    "crlf, request.parts()": Taker(own, "/parts", ROOT),
}


def uploaded(port: int, path: str, file: Path) -> float:
    """Upload a file; return the seconds until the answer is here. Raises Failed."""
    size = file.stat().st_size
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(HEAD) + size + len(TAIL)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 60) as client, file.open("rb") as opened:
        start = time.perf_counter()
        try:
            client.sendall(head.encode() + HEAD)
            client.sendfile(opened)
            client.sendall(TAIL)
            answer = b""
            while not answer.endswith(f"\r\n\r\n{size}".encode()):
                answer += received(client)
        except OSError as error:
            raise Failed(f"no answer: {error}") from None
        return time.perf_counter() - start


def measured(taker: Taker, file: Path) -> Figures:
    port = free_port()
    with serving(taker.command(port), port, taker.folder) as session:
        uploaded(port, taker.path, file)
        used = cpu_seconds(session)
        seconds = uploaded(port, taker.path, file)
        cpu = cpu_seconds(session) - used
        size = file.stat().st_size / (1 << 20)
        return {"rate": size / seconds, "cpu": cpu * 1024 / size, "peak": mark(session)}


def report(options: Options) -> list[str]:
    file = write_files(options.scratch, options.megabytes) / "large.bin"
    with file.open("rb") as opened:  # so that no row pays for bringing it from the disk
        while opened.read(1 << 20):
            pass
    subjects = {
        name: (lambda taker=taker: measured(taker, file))
        for name, taker in TAKERS.items()
        if options.wants(name)
    }
    outcomes = in_turns(subjects, options.turns)
    columns = [
        Column("rate", "MiB/s", against=STARLETTE),
        Column("cpu", "CPU s for a GiB", ".2f"),
        Column("peak", "peak memory, MiB", ".0f"),
    ]
    lines = [f"## A form of {options.megabytes} MiB to the disk of an application", ""]
    aims = [Aim(OURS, peer, "rate", 2.0).line(outcomes) for peer in (STARLETTE, DIGESTED)]
    lines += [*table(outcomes, columns), "", *aims]
    return [*lines, Bound(OURS, "peak", MOST, "MiB").line(outcomes), ""]
