"""Large files from a server's disk to somebody who throws them away: nginx's sendfile, and ours.

10 MB under wrk with eight connections, and one gigabyte under curl, each server pinned to the
first core and who asks to the second. The content is looked at once: length and last bytes.
"""

import json
import re
import socket
from pathlib import Path

from ground import (
    Failed,
    Options,
    cpu_seconds,
    free_port,
    need_program,
    output_of,
    serving,
)
from nginx import nginx_command, write_files
from server_rows import own
from turns import Aim, Column, Figures, in_turns, table

MEDIUM = 10  # MB, as of 10**6 bytes
CONNECTIONS = 8
AGAINST = "nginx, sendfile"


def write_medium(scratch: Path) -> None:
    """Add medium.bin to the folder that is served."""
    medium = write_files(scratch, 0) / "medium.bin"
    if not medium.exists():
        medium.write_bytes(bytes(range(250)) * (MEDIUM * 4000))


def checked(port: int, path: str, size: int) -> None:
    """See that the end of a file arrives where it should. Raises Failed."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(20)
        line = f"GET {path} HTTP/1.1\r\nHost: a\r\nRange: bytes=-4\r\nConnection: close\r\n\r\n"
        connection.sendall(line.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    if f"/{size}".encode() not in answer.partition(b"\r\n\r\n")[0]:
        raise Failed(f"{path} is not {size} bytes long")


def measured(name: str, options: Options) -> Figures:
    port = free_port()
    command = nginx_command if name == AGAINST else own()
    write_files(options.scratch, options.megabytes)
    write_medium(options.scratch)
    with serving(command(options.scratch, port), port) as session:
        checked(port, "/medium.bin", MEDIUM * 1_000_000)
        checked(port, "/large.bin", options.megabytes << 20)
        used = cpu_seconds(session)
        wrk = [need_program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{options.seconds}s"]
        printed = output_of([*wrk, f"http://127.0.0.1:{port}/medium.bin"], 1, options.seconds + 20)
        found = re.search(r"([0-9]+) requests in ([0-9.]+)s", printed)
        if found is None or "Socket errors" in printed:
            raise Failed(f"wrk: {printed[-200:]}")
        medium = int(found[1]) * MEDIUM / float(found[2])
        cpu = (cpu_seconds(session) - used) / int(found[1]) * 1000
        says = '{"seconds":%{time_total},"bytes":%{size_download}}'
        curl = [need_program("curl"), "-s", "-w", says, "-o", "/dev/null"]
        seen = json.loads(output_of([*curl, f"http://127.0.0.1:{port}/large.bin"], 1, 120))
        if seen["bytes"] != options.megabytes << 20:
            raise Failed("the large file is not whole")
    return {"medium": medium, "cpu": cpu, "large": options.megabytes / seen["seconds"]}


def report(options: Options) -> list[str]:
    subjects = {
        name: (lambda name=name: measured(name, options))
        for name in (AGAINST, "crlf serve FOLDER")
        if options.wants(name)
    }
    outcomes = in_turns(subjects, options.turns)
    columns = [
        Column("medium", f"{MEDIUM} MB, MB/s", against=AGAINST),
        Column("large", f"{options.megabytes} MiB, MiB/s", against=AGAINST),
        Column("cpu", f"{MEDIUM} MB, CPU ms", ".2f"),
    ]
    aims = [Aim("crlf serve FOLDER", AGAINST, what, 1.0) for what in ("medium", "large")]
    return [
        f"## Files: wrk -t1 -c{CONNECTIONS} for {MEDIUM} MB, curl for {options.megabytes} MiB",
        "",
        *table(outcomes, columns),
        "",
        *(aim.line(outcomes) for aim in aims if options.wants("crlf")),
    ]
