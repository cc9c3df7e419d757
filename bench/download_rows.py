"""One large file from nginx to disk.

The file is removed between runs, and its size looked at, so that nobody is quick by stopping.
"""

import os
from collections.abc import Callable
from pathlib import Path

from command_rows import crlf_command
from ground import Failed, Options, free_port, need_program, serving
from nginx import nginx_command
from transfers import lines_of, passed, script
from turns import Aim, Figures, in_turns

Build = Callable[[str, Path], list[str | Path]]
AGAINST = "curl -o"
CURL_SAYS = '{"seconds":%{time_total},"bytes":%{size_download}}'

DOWNLOADS: dict[str, Build] = {
    AGAINST: lambda url, target: [need_program("curl"), "-s", "-w", CURL_SAYS, "-o", target, url],
    "urllib3, stream": script("download.py", "urllib3", "urllib3"),
    "httpx2, iter_bytes": script("download.py", "httpx2", "httpx2"),
    "aiohttp, iter_any": script("download.py", "aiohttp_waiting", "aiohttp"),
    "crlf.Client, download": script("download.py", "crlf_saved", "crlf.Client"),
    "crlf.Client, iter_bytes": script("download.py", "crlf", "crlf.Client"),
    "crlf.AsyncClient, download": script("download.py", "crlf_saved_waiting", "crlf.AsyncClient"),
    "crlf.AsyncClient, iter_bytes": script("download.py", "crlf_waiting", "crlf.AsyncClient"),
    "crlf get -o": lambda url, target: [crlf_command(), "get", url, "-o", target],
    "crlf download": lambda url, target: [crlf_command(), "download", url, "-o", target],
}


def measured(build: Build, url: str, options: Options) -> Figures:
    target = options.scratch / "downloaded"
    command = build(url, target)
    os.sync()  # what the one before left to be written is not this one's cost
    try:
        seen = passed(command)
        if not target.exists() or target.stat().st_size != options.megabytes << 20:
            raise Failed("the file is not whole")
    finally:
        for left in options.scratch.glob("downloaded*"):
            left.unlink()
    size = options.megabytes
    return {"rate": size / seen.seconds, "whole": size / seen.whole, "peak": seen.peak}


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
    title = f"## Download of {options.megabytes} MiB to disk"
    lines = [title, "", *lines_of(outcomes, AGAINST, with_aims=options.wants("crlf"))]
    # Commands against each other, from the start of the process to its end.
    commands = [name for name in outcomes if name.startswith("crlf ")]
    return [*lines, *(Aim(name, AGAINST, "whole", 1.0).line(outcomes) for name in commands)]
