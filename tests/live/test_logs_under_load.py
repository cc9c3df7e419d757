"""A log under load: every answer is in it once, whole, through moves of the file and from several
processes; and what it costs, in processor time, beside an answer.

The cost is of the server's own work on an answer, without the network's, in turns with and
without, so that a busy machine does not decide: what the log may add is a tenth of what an answer
costs in all, network included, where ours took 15 microseconds when this was written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.peers import free_port

from crlf.flow.serve import Service
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.scripted import ScriptedStream
from crlf.rules.deadlines import DEFAULT_PATIENCE
from crlf.server.settings import ServerSettings
from crlf.server.watching.watches import watches
from crlf.values import replace

pytestmark = [pytest.mark.long, pytest.mark.live]

APP = """
from crlf import App
from crlf import text
app = App()
@app.get("/")
async def home(request):
    return text("Hello, world!")
"""
MOST = 2.5  # microseconds that a line may cost; it took 1.1 on an idle machine


def serve(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server; return it and its port once it answers."""
    (folder / "hello.py").write_text(APP)
    port = free_port()
    words = ["-m", "crlf", "serve", "hello:app", "--port", str(port), *options]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until or process.poll() is not None:
                end(process)
                raise
            time.sleep(0.05)
        else:
            return process, port


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    finally:
        process.kill()
        process.wait()


def load(port: int, seconds: int) -> int:
    """Ask as fast as it goes; return how many answers came."""
    url = f"http://127.0.0.1:{port}/"
    ran = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", url], capture_output=True, text=True, check=True
    )
    found = re.search(r"([0-9]+) requests in", ran.stdout)
    assert found is not None
    assert "Non-2xx" not in ran.stdout
    return int(found[1])


@pytest.mark.timeout(90)
@pytest.mark.needs("wrk")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_answer_is_logged_once_while_the_file_is_moved(tmp_path: Path, workers: str) -> None:
    log = tmp_path / "access.log"
    process, port = serve(
        tmp_path, "--access-log", "json", "--log-file", str(log), "--workers", workers
    )
    try:
        wrk = subprocess.Popen(
            ["wrk", "-t1", "-c32", "-d4s", f"http://127.0.0.1:{port}/"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        for number in range(3):
            time.sleep(1)
            shutil.move(log, tmp_path / f"access.log.{number}")
            process.send_signal(signal.SIGUSR1)
        said = wrk.communicate(timeout=30)[0]
    finally:
        end(process)
    found = re.search(r"([0-9]+) requests in", said)
    assert found is not None
    files = sorted(tmp_path.glob("access.log*"))
    assert len(files) == 4
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    # wrk leaves answers that were under way; those are logged as well.
    assert 0 <= len(lines) - int(found[1]) <= 100
    assert {line["status"] for line in lines} <= {200, 0}
    if lines[0]["request_id"] is not None:
        assert max(Counter(line["request_id"] for line in lines).values()) == 1
    assert len({line["worker"] for line in lines}) == max(int(workers), 1)


@pytest.mark.timeout(60)
@pytest.mark.needs("wrk")
def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    """A pipe that is full: lines are lost, answers are not."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    process, port = serve(tmp_path, "--access-log", "combined", "--log-file", str(pipe))
    try:
        status = Path(f"/proc/{process.pid}/status")
        assert load(port, 3) > 1000
        before = memory(status)
        assert load(port, 3) > 1000
        assert memory(status) - before < 16_000
    finally:
        os.close(reader)
        end(process)


def memory(status: Path) -> int:
    """KiB that a process has."""
    found = re.search(r"VmRSS:\s+([0-9]+) kB", status.read_text())
    assert found is not None
    return int(found[1])


HELLO = Headers([("content-type", "text/plain")])
ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8\r\n\r\n"


async def hello(request: Request) -> Response:
    return Response.quick(200, HELLO, b"Hello, world!")


async def here(work: Callable[[], object]) -> object:
    return work()


@pytest.mark.timeout(60)
def test_a_line_of_the_log_costs_little(tmp_path: Path) -> None:
    log = str(tmp_path / "access.log")
    watch = watches(ServerSettings(access_log="combined", access_log_file=log))
    patience = replace(DEFAULT_PATIENCE, requests=10**9)
    services = [
        Service(hello, time.monotonic, here, None, patience=patience, watch=w)  # type: ignore[arg-type]  # no uploads
        for w in (None, watch)
    ]

    def cost(service: Service) -> float:
        count = 500
        serving = service.serve(ScriptedStream([ASK] * count))
        began = time.process_time()  # of all threads: the one that writes counts, too
        with pytest.raises(StopIteration):
            serving.send(None)
        return (time.process_time() - began) / count * 1e6

    pairs = [(cost(services[0]), cost(services[1])) for _ in range(150)]
    watch.close()
    added = statistics.median(logged - plain for plain, logged in pairs)
    assert added < MOST
    assert Path(log).read_text().count("\n") == 150 * 500
