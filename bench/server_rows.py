"""Servers under wrk, one core and one worker each, with a bare and a browser's request head.

Before it is measured each server answers both heads twice on one connection, and status,
type and body are looked at, so that nobody is measured doing less.
"""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ground import (
    BENCH,
    HELLO,
    OWN,
    PEERS,
    ROOT,
    SMALL,
    Absent,
    Failed,
    Options,
    cpu_seconds,
    exchange,
    free_port,
    need_import,
    need_program,
    output_of,
    serving,
)
from heads import HEADS, build_request, write_script
from nginx import nginx_command, write_files
from turns import Aim, Column, Figures, in_turns, table

CONNECTIONS = 64
WARM = 1600  # requests before the clock starts
HERE = BENCH / "servers"

GRANIAN = "granian --workers 1 --runtime-threads 1 --loop uvloop --http 1 --no-ws --log-level error"
UVICORN = (
    "uvicorn --workers 1 --loop uvloop --http httptools --ws none --lifespan off"
    " --no-access-log --log-level error"
)

Command = Callable[[Path, int], list[str]]


@dataclass(frozen=True)
class Server:
    """One server: how it is started, where it is, what it answers."""

    command: Command
    path: str = "/"
    body: bytes = HELLO
    folder: Path = HERE


def script(file: str, *needs: str) -> Command:
    def command(scratch: Path, port: int) -> list[str]:
        need_import(PEERS / "python", *needs)
        return [str(PEERS / "python"), file, str(port)]

    return command


def program(line: str, app: str, *needs: str) -> Command:
    def command(scratch: Path, port: int) -> list[str]:
        name, *options = line.split(" ")
        need_import(PEERS / "python", name, *needs)
        return [str(PEERS / name), *options, "--host", "127.0.0.1", "--port", str(port), app]

    return command


def own(what: str = "", *needs: str) -> Command:
    """Serve an app, or the folder of files where none is named."""

    def command(scratch: Path, port: int) -> list[str]:
        need_import(OWN / "python", "crlf.App", *needs)
        if not (OWN / "crlf").exists():
            raise Absent("no command crlf beside this Python")
        shown = what or str(write_files(scratch, 0))
        plain = [] if what else ["--no-compress"]
        where = ["--host", "127.0.0.1", "--port", str(port)]
        return [str(OWN / "crlf"), "serve", shown, *plain, *where]

    return command


SERVERS = {
    "nginx, return 200": Server(nginx_command),
    "nginx, file of 1 KiB": Server(nginx_command, "/small.txt", SMALL),
    "floor: Protocol on uvloop": Server(script("floor.py", "uvloop")),
    "bjoern": Server(script("bjoern_app.py", "bjoern")),
    "socketify": Server(script("socketify_app.py", "socketify")),
    "granian, RSGI": Server(program(f"{GRANIAN} --interface rsgi", "rsgi_app:app", "uvloop")),
    "granian, ASGI": Server(program(f"{GRANIAN} --interface asginl", "asgi_app:app", "uvloop")),
    "granian, WSGI": Server(program(f"{GRANIAN} --interface wsgi", "wsgi_app:app", "uvloop")),
    "uvicorn": Server(program(UVICORN, "asgi_app:app", "uvloop", "httptools")),
    "aiohttp.web": Server(script("aiohttp_app.py", "aiohttp", "uvloop")),
    "Starlette on uvicorn": Server(
        program(UVICORN, "starlette_app:app", "starlette", "uvloop", "httptools")
    ),
    "crlf": Server(own("bench.servers.crlf_app:app"), folder=ROOT),
    "crlf, ASGI": Server(own("bench.servers.asgi_app:app"), folder=ROOT),
    "Starlette on crlf": Server(own("bench.servers.starlette_app:app", "starlette"), folder=ROOT),
    "crlf, WSGI": Server(own("bench.servers.wsgi_app:app"), folder=ROOT),
    "crlf, file of 1 KiB": Server(own(), "/small.txt", SMALL, ROOT),
}

COLUMNS = [
    Column("bare", "bare, req/s", against="granian, RSGI"),
    Column("browser", "browser, req/s", against="granian, RSGI"),
    Column("bare cpu", "bare, CPU µs", ".1f"),
    Column("browser cpu", "browser, CPU µs", ".1f"),
    Column("busy", "core busy", ".0%"),
    Column("head", "answer's head, bytes"),
]

AIMS = (
    [
        Aim("crlf", peer, head, factor)
        for peer, factor in (
            ("granian, RSGI", 1.0),
            ("uvicorn", 2.0),
            ("Starlette on uvicorn", 4.0),
            ("bjoern", 1.0),
            ("socketify", 1.0),
        )
        for head in HEADS
    ]
    + [
        Aim(name, peer, head, factor)
        for name, peer, factor in (
            ("crlf, ASGI", "uvicorn", 2.0),
            ("Starlette on crlf", "Starlette on uvicorn", 1.3),
            ("crlf, WSGI", "granian, WSGI", 1.0),
        )
        for head in HEADS
    ]
    + [Aim("crlf, file of 1 KiB", "nginx, file of 1 KiB", head, 1.0) for head in HEADS]
)


def checked(server: Server, port: int) -> int:
    """See that both heads are answered as agreed, then warm up; return the head's size."""
    for name in HEADS:
        # A connection of its own for each head: servers end one after some requests, ours 1000.
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            request = build_request(name, port, server.path)
            for _ in range(WARM // len(HEADS)):
                head, body = exchange(connection, request)
                status, _, fields = head.lower().partition(b"\r\n")
                if not re.match(rb"http/1\.1 200( |$)", status) or body != server.body:
                    raise Failed(f"answered {status.decode('latin-1')!r} with {body[:40]!r}")
                if b"content-type: text/plain" not in fields:
                    raise Failed("its answer is not text/plain")
    return len(head) + 4


def loaded(request: bytes, port: int, options: Options) -> float:
    """Load with wrk; return requests a second. Raises Failed when an answer was not 2xx."""
    lua = write_script(request, options.scratch / f"request-{port}.lua")
    command = [
        need_program("wrk"),
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{options.seconds}s",
        "-s",
        str(lua),
    ]
    printed = output_of([*command, f"http://127.0.0.1:{port}/"], 1, options.seconds + 20)
    if found := re.search(r"(Socket errors|Non-2xx).*", printed):
        raise Failed(f"wrk: {found[0]}")
    rate = re.search(r"Requests/sec: *([0-9.]+)", printed)
    if rate is None:
        raise Failed("wrk printed no rate")
    return float(rate[1])


def measured(server: Server, options: Options) -> Figures:
    port = free_port()
    with serving(server.command(options.scratch, port), port, server.folder) as session:
        figures = {"head": float(checked(server, port))}
        for name in HEADS:
            used = cpu_seconds(session)
            rate = loaded(build_request(name, port, server.path), port, options)
            busy = (cpu_seconds(session) - used) / options.seconds
            figures |= {name: rate, f"{name} cpu": busy / rate * 1e6, "busy": busy}
        return figures


def report(options: Options) -> list[str]:
    sizes = ", ".join(f"{name} {len(build_request(name, 48000, '/'))} bytes" for name in HEADS)
    subjects = {
        name: (lambda server=server: measured(server, options))
        for name, server in SERVERS.items()
        if options.wants(name)
    }
    outcomes = in_turns(subjects, options.turns)
    return [
        f"## Servers: wrk -t1 -c{CONNECTIONS} -d{options.seconds}s ({sizes})",
        "",
        *table(outcomes, COLUMNS),
        "",
        *(aim.line(outcomes) for aim in AIMS if options.wants("crlf")),
    ]
