"""Clients against nginx that returns a short text: one after another, and 64 at a time.

A client runs in a process of its own (clients/blocking.py, clients/waiting.py), on the core
that nginx does not use, and tells how many requests it made and what CPU time they took.
nginx counts the connections, so that a client which does not keep them is found out.
"""

import json
import re
import socket
from pathlib import Path

from ground import (
    BENCH,
    OWN,
    PEERS,
    Failed,
    Options,
    exchange,
    free_port,
    need_import,
    output_of,
    serving,
)
from heads import build_request
from nginx import nginx_command
from turns import Aim, Column, Figures, in_turns, table

# The row's name, the name in the script, what must import.
BLOCKING = (
    ("floor: bare socket", "floor", "sys"),
    ("pycurl", "pycurl", "pycurl"),
    ("pyreqwest", "pyreqwest", "pyreqwest"),
    ("http.client", "http_client", "http"),
    ("urllib3", "urllib3", "urllib3"),
    ("httpx2", "httpx2", "httpx2"),
    ("requests", "requests", "requests"),
    ("crlf.Client", "crlf", "crlf.Client"),
)
WAITING = (
    ("floor: Protocol on uvloop", "floor", "uvloop"),
    ("pyreqwest", "pyreqwest", "pyreqwest"),
    ("aiohttp", "aiohttp", "aiohttp"),
    ("httpx2", "httpx2", "httpx2"),
    ("crlf.AsyncClient", "crlf", "crlf.AsyncClient"),
)
KINDS = {"blocking.py": BLOCKING, "waiting.py": WAITING}


def columns(against: str) -> list[Column]:
    return [
        Column("rate", "requests/s", against=against),
        Column("cpu", "CPU µs a request", ",.1f"),
        Column("connections", "connections"),
    ]


BLOCKING_AIMS = [Aim("crlf.Client", peer, "rate", 1.0) for peer in ("pycurl", "pyreqwest")]
WAITING_AIMS = [Aim("crlf.AsyncClient", "pyreqwest", "rate", 1.0)]


def connections_of(port: int) -> int:
    """Ask nginx how many connections it has accepted so far."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        _, body = exchange(connection, build_request("bare", port, "/connections"))
    counts = re.search(rb"\n +([0-9]+) ", body)
    if counts is None:
        raise Failed("nginx does not count connections")
    return int(counts[1])


def measured(script: str, name: str, needs: str, port: int, options: Options) -> Figures:
    python = (OWN if name == "crlf" else PEERS) / "python"
    need_import(python, needs, *(("uvloop",) if script == "waiting.py" else ()))
    before = connections_of(port)
    url = f"http://127.0.0.1:{port}/"
    command: list[str | Path] = [python, BENCH / "clients" / script, name, url]
    printed = json.loads(output_of([*command, str(options.seconds)], 1, options.seconds + 20))
    opened = connections_of(port) - before - 1  # the asking itself is one
    count = printed["requests"]
    if opened > count / 10:
        raise Failed(f"opened {opened} connections for {count} requests")
    cpu = printed["cpu"] / count * 1e6
    return {"rate": count / printed["seconds"], "cpu": cpu, "connections": opened}


def report(options: Options) -> list[str]:
    lines = []
    for script, title, against, aims in (
        ("blocking.py", "blocking, one connection", "pycurl", BLOCKING_AIMS),
        ("waiting.py", "asyncio on uvloop, 64 at a time", "pyreqwest", WAITING_AIMS),
    ):
        port = free_port()
        with serving(nginx_command(options.scratch, port), port):
            subjects = {
                row: (
                    lambda script=script, name=name, needs=needs, port=port: measured(
                        script, name, needs, port, options
                    )
                )
                for row, name, needs in KINDS[script]
                if options.wants(row)
            }
            outcomes = in_turns(subjects, options.turns)
        lines += [f"## Clients: {title}, {options.seconds} s each", ""]
        lines += [*table(outcomes, columns(against)), ""]
        lines += [*(aim.line(outcomes) for aim in aims if options.wants("crlf")), ""]
    return lines
