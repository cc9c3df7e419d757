"""The ground that every measurement stands on: places, cores, processes, the expected answer.

A process is started on a free port of 127.0.0.1, awaited until it answers, and ended by its
own number, always. The measured one and the one that loads it each have a core to themselves,
where there are two.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
OWN = Path(sys.executable).parent  # the project's virtual environment: where crlf is
PEERS = ROOT / ".venv-peers" / "bin"

HELLO = b"Hello, world!\n"
SMALL = b"x" * 1023 + b"\n"  # the static file of 1 KiB

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SESSIONS: set[int] = set()  # of the processes that run just now
PINNED = len(CORES) > 1 and shutil.which("taskset") is not None


class Absent(Exception):
    """What was to be measured is not installed here; reported so, never as beaten."""


class Failed(Exception):
    """It was started, and did not do what all the others do."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    turns: int
    seconds: int  # of each single measurement
    only: tuple[str, ...]
    megabytes: int  # of a transfer
    scratch: Path

    def wants(self, name: str) -> bool:
        return not self.only or any(part.lower() in name.lower() for part in self.only)


def on_core(number: int, command: Sequence[str | Path]) -> list[str]:
    """Pin a command: core 0 serves, core 1 loads."""
    pin = ["taskset", "-c", str(CORES[number])] if PINNED else []
    return [*pin, *map(str, command)]


def environment() -> dict[str, str]:
    """The environment without proxies and without settings of Python's own."""
    unwanted = (
        "_proxy", "_PROXY", "PYTHONPATH", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG",
        "PYTHONDONTWRITEBYTECODE",  # installed programs are compiled once, and so is crlf
    )  # fmt: skip
    return {name: value for name, value in os.environ.items() if not name.endswith(unwanted)}


def need_program(name: str) -> str:
    """Find a program on PATH. Raises Absent."""
    if found := shutil.which(name):
        return found
    raise Absent(f"{name} is not on PATH")


@cache
def need_import(python: Path, *names: str) -> None:
    """See that names import in that Python; "crlf.App" asks for that of crlf. Raises Absent."""
    if not python.exists():
        raise Absent(f"no {python.parent.parent.name}")
    for name in names:
        module, _, attribute = name.partition(".")
        command = [str(python), "-c", f"import {module}; {module}.{attribute or '__name__'}"]
        said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
        if said.returncode:
            raise Absent(f"{name} does not import ({last_line(said.stderr)})")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def output_of(command: Sequence[str | Path], core: int, timeout: float) -> str:
    """Run to its end and return what it printed. Raises Failed."""
    with running(on_core(core, command), BENCH) as (process, printed):
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {timeout:.0f} s") from None
        printed.seek(0)
        text = printed.read()
    if process.returncode:
        raise Failed(last_line(text) or f"exit code {process.returncode}")
    return text


def last_line(text: str) -> str:
    return text.strip("\n").rpartition("\n")[2][:120]


@contextmanager
def running(
    command: Sequence[str], folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], TextIO]]:
    """Run a process in a session of its own; end it, and what it started, with the block.

    What it prints goes to the file beside it: a pipe that nobody reads would stop it.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        SESSIONS.add(process.pid)
        try:
            yield process, printed
        finally:
            SESSIONS.discard(process.pid)
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers, had it left any
            process.wait(5)


@contextmanager
def serving(command: Sequence[str | Path], port: int, folder: Path = BENCH) -> Iterator[int]:
    """Run a server on the serving core until the block ends; yield its session. Raises Failed."""
    with running(on_core(0, command), folder) as (process, printed):
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    printed.seek(0)
                    raise Failed(last_line(printed.read()) or "ended at once") from None
                if time.monotonic() > end:
                    raise Failed("did not listen within 10 s") from None
                time.sleep(0.02)
        yield process.pid


def exchange(connection: socket.socket, request: bytes) -> tuple[bytes, bytes]:
    """Send a request, read one answer by its Content-Length: its head, its body. Raises Failed."""
    try:
        connection.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += received(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        lengths = [line[15:] for line in lines if line.startswith(b"content-length:")]
        if len(lengths) != 1:
            raise Failed("an answer without Content-Length")
        while len(body) < int(lengths[0]):
            body += received(connection)
    except OSError as error:
        raise Failed(f"no answer: {error}") from None
    return head, body


def received(connection: socket.socket) -> bytes:
    if data := connection.recv(65536):
        return data
    raise Failed("closed the connection")


def cpu_seconds(*sessions: int) -> float:
    """CPU time so far of all processes in these sessions (Linux; elsewhere 0)."""
    ticks, wanted = 0, set(map(str, sessions))
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split(" ")
        except OSError:
            continue  # it has ended meanwhile
        if fields[4] in wanted:
            ticks += int(fields[12]) + int(fields[13])
    return ticks / os.sysconf("SC_CLK_TCK")


def others_seconds() -> float:
    """CPU time so far that went to strangers on our two cores (Linux; elsewhere 0).

    Another virtual machine's share ("steal") is in it; interrupts, which our own packets
    cause, are not.
    """
    try:
        lines = Path("/proc/stat").read_text().split("\n")
    except OSError:
        return 0.0
    names, ticks = {f"cpu{core}" for core in CORES[:2]}, 0
    for line in lines:
        name, *counts = line.split(" ")
        if name in names:
            user, nice, system, steal = (int(counts[index]) for index in (0, 1, 2, 7))
            ticks += user + nice + system + steal
    ours = cpu_seconds(*SESSIONS) + sum(os.times()[:4])
    return ticks / os.sysconf("SC_CLK_TCK") - ours
