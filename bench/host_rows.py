"""The same number of requests over 100 hosts and over one: what a pool costs when it is full.

The hosts are addresses of one nginx, 127.0.0.1 and up. Both kinds are asked by one process in
slices that alternate (clients/hosts.py), and the ratio is taken of its CPU time a request. The
floor shows what of it is the kernel's and the caches' own: a bare socket for each host.
"""

import json
from functools import partial
from pathlib import Path

from client_rows import connections_of
from ground import (
    BENCH,
    OWN,
    PEERS,
    Absent,
    Options,
    free_port,
    need_import,
    output_of,
    serving,
)
from nginx import nginx_command
from turns import Bound, Column, Figures, in_turns, table

HOSTS, REQUESTS = 100, 10_000
# The row's name, the name in the script, what must import.
ROWS = {
    "blocking": (
        ("floor: bare sockets", "floor", "sys"),
        ("pyreqwest", "pyreqwest", "pyreqwest"),
        ("http.client", "http_client", "http"),
        ("urllib3", "urllib3", "urllib3"),
        ("crlf.Client", "crlf", "crlf.Client"),
    ),
    "waiting": (
        ("pyreqwest", "pyreqwest", "pyreqwest"),
        ("aiohttp", "aiohttp", "aiohttp"),
        ("crlf.AsyncClient", "crlf", "crlf.AsyncClient"),
    ),
}
TITLES = {"blocking": "one after another", "waiting": "asyncio on uvloop, 64 at a time"}
COLUMNS = [
    Column("one", "one host, CPU µs", ",.1f"),
    Column("many", f"{HOSTS} hosts, CPU µs", ",.1f"),
    Column("ratio", "ratio", ".2f"),
    Column("time", "ratio, wall clock", ".2f"),
    Column("connections", "connections"),
]
MOST = 1.05  # of the ratio


def measured(way: str, name: str, needs: str, port: int) -> Figures:
    python = (OWN if name == "crlf" else PEERS) / "python"
    need_import(python, needs, *(("uvloop",) if way == "waiting" else ()))
    before = connections_of(port)
    urls = [f"http://127.0.0.{host + 1}:{port}/" for host in range(HOSTS)]
    command: list[str | Path] = [python, BENCH / "clients" / "hosts.py", way, name]
    spent = json.loads(output_of([*command, str(REQUESTS), *urls], 1, 120))
    opened = connections_of(port) - before - 1  # the asking itself is one; 101 are needed
    one, many = spent["one"], spent["many"]
    return {
        "one": one["cpu"] / one["requests"] * 1e6,
        "many": many["cpu"] / many["requests"] * 1e6,
        "ratio": many["cpu"] / one["cpu"],
        "time": many["seconds"] / one["seconds"],
        "connections": opened,
    }


def report(options: Options) -> list[str]:
    lines, port = [], free_port()
    if not Path("/proc").exists():
        raise Absent("needs 127.0.0.2 and up, which only Linux has by itself")
    with serving(nginx_command(options.scratch, port, hosts=HOSTS), port):
        for way, rows in ROWS.items():
            subjects = {
                row: partial(measured, way, name, needs, port)
                for row, name, needs in rows
                if options.wants(row)
            }
            outcomes = in_turns(subjects, options.turns)
            lines += [f"## {REQUESTS:,} requests over {HOSTS} hosts: {TITLES[way]}", ""]
            lines += [*table(outcomes, COLUMNS), ""]
            ours = [row for row in outcomes if row.startswith("crlf")]
            lines += [*(Bound(row, "ratio", MOST).line(outcomes) for row in ours), ""]
    return lines
