"""One large file from nginx to disk: seconds, and the most memory that it took.

The file is removed between runs, and its size looked at, so that nobody is quick by stopping.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from command_rows import crlf_command
from ground import (
    BENCH,
    OWN,
    PEERS,
    Failed,
    Options,
    free_port,
    need_import,
    need_program,
    on_core,
    running,
    serving,
)
from nginx import nginx_command
from turns import Aim, Column, Figures, in_turns, table

Build = Callable[[str, Path], list[str | Path]]
SCRIPT = BENCH / "clients" / "download.py"
LIMIT = 120  # seconds for one download


def by_script(name: str, needs: str, folder: Path = PEERS) -> Build:
    def command(url: str, target: Path) -> list[str | Path]:
        need_import(folder / "python", needs)
        return [folder / "python", SCRIPT, name, url, target]

    return command


DOWNLOADS: dict[str, Build] = {
    "curl -o": lambda url, target: [need_program("curl"), "-s", "-o", target, url],
    "urllib3, stream": by_script("urllib3", "urllib3"),
    "httpx2, iter_bytes": by_script("httpx2", "httpx2"),
    "crlf.Client, iter_bytes": by_script("crlf", "crlf.Client", OWN),
    "crlf get -o": lambda url, target: [crlf_command(), "get", url, "-o", target],
}
AIMS = [Aim(ours, "curl -o", "rate", 1.0) for ours in DOWNLOADS if "crlf" in ours]


def measured(build: Build, url: str, options: Options) -> Figures:
    target = options.scratch / "downloaded"
    command = on_core(1, build(url, target))
    os.sync()  # what the one before left to be written is not this one's cost
    try:
        start = time.perf_counter()
        with running(command, BENCH) as (process, _):
            usage = waited(process.pid, time.monotonic() + LIMIT)
            spent = time.perf_counter() - start
            process.returncode = 0  # it was waited for here, for the sake of its memory
        if not target.exists() or target.stat().st_size != options.megabytes << 20:
            raise Failed("the file is not whole")
    finally:
        target.unlink(missing_ok=True)
    return {"rate": options.megabytes / spent, "peak": usage.ru_maxrss / 1024}


def waited(child: int, deadline: float) -> "os.struct_rusage":  # type: ignore[name-defined]
    """Wait for the end of a process; return what it used. Raises Failed."""
    while time.monotonic() < deadline:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            if status:
                raise Failed(f"exit code {os.waitstatus_to_exitcode(status)}")
            return usage
        time.sleep(0.002)
    raise Failed(f"not done after {LIMIT} s")


def report(options: Options) -> list[str]:
    port = free_port()
    with serving(nginx_command(options.scratch, port, options.megabytes), port):
        url = f"http://127.0.0.1:{port}/large.bin"
        subjects = {
            name: (lambda build=build: measured(build, url, options))
            for name, build in DOWNLOADS.items()
            if options.wants(name)
        }
        outcomes = in_turns(subjects, options.turns)
    columns = [
        Column("rate", "MiB/s", against="curl -o"),
        Column("peak", "peak memory, MiB", ".0f"),
    ]
    return [
        f"## Download of {options.megabytes} MiB to disk",
        "",
        *table(outcomes, columns),
        "",
        *(aim.line(outcomes) for aim in AIMS if options.wants("crlf")),
    ]
