"""Workers under wrk: even load, and no request lost to a reload, nor to another's death."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.needs("wrk"),
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks into /proc"),
]

APP = """
import crlf
app = crlf.App()
@app.get("/")
async def home(request): return crlf.text("hello")
"""


class House:
    """`crlf serve` with workers, at a free port."""

    def __init__(self, folder: Path, workers: int) -> None:
        (folder / "hello.py").write_text(APP)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crlf", "serve", "hello:app", "--bind", "127.0.0.1:0",
             "--workers", str(workers)],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.port = 0
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:([0-9]+)", line):
                self.port = int(found[1])
                break
        assert self.port, said

    def workers(self) -> list[int]:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        return [int(pid) for pid in listed.split()]

    def connections(self) -> list[int]:
        """Count the connections that each worker has."""
        port = f":{self.port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = {row[9] for row in rows if row[1].endswith(port) and row[3] == "01"}
        counts = []
        for pid in self.workers():
            count = 0
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    count += os.readlink(link).removeprefix("socket:[").removesuffix("]") in ours
            counts.append(count)
        return counts

    def load(self, connections: int, seconds: int) -> subprocess.Popen[str]:
        """Let wrk ask as fast as it can."""
        return subprocess.Popen(
            ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
             f"http://127.0.0.1:{self.port}/"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[[int], House]]:
    built: list[House] = []

    def build(workers: int) -> House:
        built.append(House(tmp_path, workers))
        return built[-1]

    yield build
    for one in built:
        one.end()


def figures(load: subprocess.Popen[str]) -> tuple[int, int]:
    """Wait for wrk; return how many requests it made, and how many went wrong."""
    said = load.communicate(timeout=120)[0]
    made = re.search(r"([0-9]+) requests in", said)
    assert made, said
    wrong = 0
    if found := re.search(r"Socket errors: (.*)", said):
        wrong += sum(int(number) for number in re.findall("[0-9]+", found[1]))
    if found := re.search(r"Non-2xx or 3xx responses: ([0-9]+)", said):
        wrong += int(found[1])
    return int(made[1]), wrong


@pytest.mark.long
@pytest.mark.parametrize("workers", [2, 4])
def test_the_load_is_even(house: Callable[[int], House], workers: int) -> None:
    ours = house(workers)
    load = ours.load(64, 6)
    ratios = []
    while load.poll() is None:
        time.sleep(0.3)
        counts = ours.connections()
        assert len(counts) == workers
        if sum(counts) >= 56:  # neither on their way in nor out; of 1000 requests each is the last
            ratios.append(max(counts) / max(1, min(counts)))
    _, wrong = figures(load)
    assert wrong == 0
    assert len(ratios) >= 3
    assert statistics.median(ratios) <= 1.3, ratios


@pytest.mark.long
def test_a_reload_each_second_loses_no_request(house: Callable[[int], House]) -> None:
    ours = house(2)
    first = set(ours.workers())
    load = ours.load(32, int(os.environ.get("CRLF_RELOAD_SECONDS", "10")))
    while load.poll() is None:
        time.sleep(1)
        ours.process.send_signal(signal.SIGHUP)
    made, wrong = figures(load)
    assert made > 1000
    assert wrong == 0
    assert not first & set(ours.workers()), "nobody was replaced"


@pytest.mark.long
def test_a_killed_worker_takes_only_its_own_with_it(house: Callable[[int], House]) -> None:
    ours = house(2)
    load = ours.load(32, 5)
    time.sleep(2)
    counts = dict(zip(ours.workers(), ours.connections(), strict=True))
    victim, had = max(counts.items(), key=lambda item: item[1])
    os.kill(victim, signal.SIGKILL)
    made, wrong = figures(load)
    assert made > 1000
    # wrk counts a connection twice when both its request and its reading were cut.
    assert wrong <= 2 * had, (wrong, had)
    assert victim not in ours.workers()
    assert len(ours.workers()) == 2
