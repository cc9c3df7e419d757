"""Commands from start to end: one small page, fetched and thrown away; the help.

hyperfine times them where it is installed, and a loop around posix_spawn where not.
"""

import json
import os
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from ground import (
    OWN,
    PEERS,
    Absent,
    Failed,
    Options,
    environment,
    free_port,
    need_program,
    on_core,
    output_of,
    serving,
)
from nginx import nginx_command
from turns import Aim, Column, Figures, in_turns, table

WARM, RUNS = 2, 12  # of each command, each turn


def crlf_command() -> Path:
    """Find the command beside this Python, and see that it starts. Raises Absent."""
    if not (OWN / "crlf").exists():
        raise Absent("no command crlf beside this Python")
    try:
        output_of([OWN / "crlf", "--help"], 1, 20)
    except Failed as reason:
        raise Absent(f"crlf does not start: {reason}") from None
    return OWN / "crlf"


def httpie_command() -> Path:
    if not (PEERS / "http").exists():
        raise Absent("no httpie among the peers")
    return PEERS / "http"


COMMANDS: dict[str, Callable[[str], list[str | Path]]] = {
    "python -c pass": lambda url: [OWN / "python", "-c", "pass"],
    'python -c "import argparse, socket"': lambda url: [
        OWN / "python",
        "-c",
        "import argparse, socket",
    ],
    "curl": lambda url: [need_program("curl"), "-s", "-o", "/dev/null", url],
    "HTTPie": lambda url: [httpie_command(), "--ignore-stdin", "--body", "-o", "/dev/null", url],
    "crlf get": lambda url: [crlf_command(), "get", url, "-o", "/dev/null"],
    "HTTPie --help": lambda url: [httpie_command(), "--help"],
    "crlf --help": lambda url: [crlf_command(), "--help"],
    "crlf get --help": lambda url: [crlf_command(), "get", "--help"],
}
AIMS = [
    Aim("crlf get", 'python -c "import argparse, socket"', "ms", 2.0, less_is_better=True),
    Aim("crlf get", "HTTPie", "ms", 0.2, less_is_better=True),
    Aim("crlf --help", "HTTPie --help", "ms", 0.2, less_is_better=True),
]


def timed(command: list[str], scratch: Path) -> float:
    """Return the median of a command's wall-clock times, in milliseconds. Raises Failed."""
    if shutil.which("hyperfine") is None:
        return median([once(command) for _ in range(WARM + RUNS)][WARM:])
    result = scratch / "hyperfine.json"
    ask = ["hyperfine", "-N", f"--warmup={WARM}", f"--runs={RUNS}", "--style=none"]
    output_of([*ask, f"--export-json={result}", shlex.join(command)], 1, 60)
    return float(json.loads(result.read_text())["results"][0]["median"]) * 1000


def once(command: list[str]) -> float:
    program = command[0] if "/" in command[0] else need_program(command[0])
    start = time.perf_counter()
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(program, command, environment(), file_actions=nowhere)
    _, status = os.waitpid(child, 0)
    spent = time.perf_counter() - start
    if status:
        raise Failed(f"exit code {os.waitstatus_to_exitcode(status)}")
    return spent * 1000


def report(options: Options) -> list[str]:
    def measure(build: Callable[[str], list[str | Path]], url: str) -> Figures:
        command = [str(word) for word in build(url)]
        timed_by_loop = shutil.which("hyperfine") is None
        return {"ms": timed(on_core(1, command) if timed_by_loop else command, options.scratch)}

    port = free_port()
    with serving(nginx_command(options.scratch, port), port):
        subjects = {
            name: (lambda build=build: measure(build, f"http://127.0.0.1:{port}/"))
            for name, build in COMMANDS.items()
            if options.wants(name)
        }
        outcomes = in_turns(subjects, options.turns)
    by = "hyperfine" if shutil.which("hyperfine") else "a loop of its own"
    return [
        f"## Commands, by {by}",
        "",
        *table(outcomes, [Column("ms", "ms", ".1f", against="curl")]),
        "",
        *(aim.line(outcomes) for aim in AIMS if options.wants("crlf")),
    ]
