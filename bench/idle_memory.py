"""What idle keep-alive connections cost a server: 10,000 of them, after one GET each.

    bench/idle_memory.py [--connections 10000] [--only NAMES] [--json]

Each server is a process of its own on a core of its own, warmed by a hundred requests before
its memory is looked at. The figures are of memory that is the process's own (Pss of smaps_rollup;
what the kernel holds for sockets is in neither): before, with all connections open and idle, and
the difference by connection. Both are told to keep them open: uvicorn would end them after 5 s,
crlf after 15.
"""

import argparse
import json
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

from ground import (
    BENCH,
    OWN,
    PEERS,
    ROOT,
    Absent,
    Failed,
    exchange,
    free_port,
    need_import,
    serving,
)
from heads import build_request
from server_rows import UVICORN

AGAINST = "uvicorn"
WARM = 100  # requests on a connection that is closed again, before the first look
SETTLE = 2.0  # seconds without anything to do, before the last
# crlf takes no more connections than it could send files on all at once, three descriptors each;
# these send none, and a container may have no more than 20,000 descriptors.
MANY = (
    "import sys; from crlf.net import descriptors; descriptors._EACH = 1\n"
    "from crlf.cli.main import main; sys.exit(main())"
)
A_SOURCE = 5000  # connections from one address of 127.0.0.0/8: below the number of free ports


def uvicorn(app: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        need_import(PEERS / "python", "uvicorn", "uvloop", "httptools")
        name, *options = UVICORN.split(" ")
        options += ["--timeout-keep-alive", "600", "--host", "127.0.0.1", "--port", str(port)]
        return [str(PEERS / name), *options, app]

    return command


def own(app: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        need_import(OWN / "python", "crlf.App")
        options = ["--limit-connections", "20000", "--timeout-idle", "600"]
        return [
            str(OWN / "python"),
            "-c",
            MANY,
            "serve",
            app,
            "--bind",
            f"127.0.0.1:{port}",
            *options,
        ]

    return command


SERVERS: dict[str, tuple[Callable[[int], list[str]], Path]] = {
    AGAINST: (uvicorn("asgi_app:app"), BENCH / "servers"),
    "crlf, App": (own("bench.servers.crlf_app:app"), ROOT),
    "crlf, ASGI": (own("bench.servers.asgi_app:app"), ROOT),
}


def memory_of(session: int) -> int:
    """Sum up the memory of a session's processes, in bytes (Linux). Raises Failed."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text().rpartition(")")[2].split(" ")
            if int(stat[4]) != session:
                continue
            lines = (process / "smaps_rollup").read_text().split("\n")
        except OSError:
            continue  # it has ended meanwhile
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    if not total:
        raise Failed("there is no /proc to look at memory")
    return total


def opened(port: int, number: int) -> socket.socket:
    """Open a connection, from one of several addresses, and ask for one page."""
    source = f"127.0.1.{1 + number // A_SOURCE}"
    connection = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    connection.settimeout(10)
    # Each says of itself what no other does, as browsers' cookies do.
    request = build_request("browser", port, "/").replace(
        b"\r\n\r\n", b"\r\nCookie: id=%d\r\n\r\n" % number
    )
    exchange(connection, request)
    return connection


def measured(name: str, count: int) -> dict[str, float]:
    """Return bytes before, with the connections, and by connection. Raises Absent, Failed."""
    build, folder = SERVERS[name]
    port = free_port()
    with serving(build(port), port, folder) as session:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            for _ in range(WARM):
                exchange(connection, build_request("browser", port, "/"))
        time.sleep(SETTLE)
        before = memory_of(session)
        connections = []
        try:
            connections.extend(opened(port, number) for number in range(count))
            time.sleep(SETTLE)
            after = memory_of(session)
            for connection in connections[:: max(1, count // 100)]:  # they live, all of them
                exchange(connection, build_request("browser", port, "/"))
        finally:
            for connection in connections:
                connection.close()
    return {"before": before, "after": after, "each": (after - before) / count}


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of idle connections.")
    parser.add_argument("--connections", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--only", default="", help="names that contain one of these words")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    words = [word for word in chosen.only.split(",") if word]
    figures: dict[str, dict[str, float] | str] = {}
    for name in SERVERS:
        if words and not any(word in name for word in words):
            continue
        try:
            figures[name] = measured(name, chosen.connections)
        except (Absent, Failed, OSError) as reason:
            figures[name] = f"not measured: {reason}"
    if chosen.json:
        print(json.dumps(figures))
        return
    against = figures.get(AGAINST)
    print(f"{chosen.connections} idle connections, after one GET each")
    for name, found in figures.items():
        if isinstance(found, str):
            print(f"{name:12}  {found}")
            continue
        ratio = ""
        if isinstance(against, dict):
            all_of_it, each = found["after"] / against["after"], found["each"] / against["each"]
            ratio = f"  ÷ {AGAINST}: {all_of_it:.2f} whole, {each:.2f} each"
        whole, before = found["after"] / 2**20, found["before"] / 2**20
        print(
            f"{name:12}  {before:6.1f} -> {whole:6.1f} MiB, {found['each']:6.0f} bytes each{ratio}"
        )


if __name__ == "__main__":
    main()
