"""A long day for a server, in minutes: does what it holds stay the same?

    .venv/bin/python bench/soak.py                    ten minutes
    .venv/bin/python bench/soak.py --minutes 1 --save

wrk, clients that leave in the middle and clients that hardly move ask three servers at once, each
`crlf serve --workers 2`: an App with a folder in it, an ASGI application, a folder. Once a second
each process is looked at from outside: its memory (RSS, and PSS once in ten), descriptors and
threads, what /tasks says of its loop, what /metrics says of connections. A row is flat when the
line through its samples, the first quarter left out, rises by no more over the whole time than a
few samples of noise do. At last everybody leaves, and each process must be as it was before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BENCH = Path(__file__).resolve().parent
LARGE = 8 * 1024 * 1024
WHAT = ("RSS KiB", "PSS KiB", "descriptors", "threads", "tasks", "connections")
# What a row may rise in all, by its own noise apart: memory in KiB, a tenth of a count.
ALLOWED = {"RSS KiB": 2048.0, "PSS KiB": 2048.0, "threads": 32.0}
# What may be left when everybody has gone: the connection that asks is one. The threads of a pool
# stay, and are at most --threads.
REST = {"descriptors": 3.0, "threads": 32.0, "tasks": 3.0}

Ask = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Served:
    """One server, and what was seen of its processes."""

    def __init__(self, name: str, target: str, port: int, folder: Path) -> None:
        self.name, self.port = name, port
        self.has_tasks = ":" in target
        command = [sys.executable, "-m", "crlf", "serve", target, "--port", str(port)]
        command += ["--workers", "2", "--metrics", "/metrics", "--health", "--quiet"]
        environment = os.environ | {"SOAK_FOLDER": str(folder)}
        self.log_path = folder.parent / f"{port}.log"
        self.log = self.log_path.open("wb")
        self.process = subprocess.Popen(
            command, cwd=BENCH / "servers", env=environment, stdout=self.log, stderr=self.log
        )
        self.rows: dict[tuple[int, str], list[tuple[float, float]]] = {}
        self.whole: list[tuple[float, float]] = []  # connections of all processes
        self.before: dict[tuple[int, str], float] = {}

    def pids(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *sorted(int(pid) for pid in listed.split())]

    async def until_up(self) -> None:
        give_up = time.monotonic() + 20
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            except OSError:
                said = self.log_path.read_text()
                assert time.monotonic() < give_up, f"{self.name} does not answer: {said}"
                await asyncio.sleep(0.1)

    async def look(self, now: float, *, closely: bool) -> dict[tuple[int, str], float]:
        """Look at each process; closely is slower."""
        seen: dict[tuple[int, str], float] = {}
        for pid in self.pids():
            for what, value in measure(pid, closely=closely):
                seen[pid, what] = value
        if self.has_tasks:
            for _ in range(4):  # two workers, of which each answers about every second time
                pid, tasks = (await fetch(self.port, "/tasks")).split()
                seen[int(pid), "tasks"] = float(tasks)
        for line in (await fetch(self.port, "/metrics")).splitlines():
            if line.startswith("crlf_connections "):
                self.whole.append((now, float(line.split()[1])))
        for key, value in seen.items():
            self.rows.setdefault(key, []).append((now, value))
        return seen

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.log.close()


def measure(pid: int, *, closely: bool) -> Iterator[tuple[str, float]]:
    """Yield what the kernel knows of a process; nothing of one that has ended just now."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            word, _, rest = line.partition(":")
            if word == "VmRSS":
                yield "RSS KiB", float(rest.split()[0])
            elif word == "Threads":
                yield "threads", float(rest)
        yield "descriptors", float(len(os.listdir(f"/proc/{pid}/fd")))
        if closely:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    yield "PSS KiB", float(line.split()[1])


async def fetch(port: int, path: str) -> str:
    """Ask once, on a connection of its own, and return the content."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            answer = await reader.read()
        while b"\r\n\r\n" not in answer:
            raise ConnectionError(f"{path}: {answer!r}")
        head, _, content = answer.partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            content = b"".join(content.split(b"\r\n")[1::2])
        return content.decode()
    finally:
        writer.close()


# --- those who leave, and those who hardly move --------------------------------------------------

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


async def half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nCook")


async def half_a_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(POST % 1_000_000 + b"x" * random.randrange(1, 200_000))
    await writer.drain()


async def half_a_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab")


async def half_a_form(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + b"x" * 200_000
    writer.write(
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + part
    )
    await writer.drain()


async def some_of_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = random.choice([b"/files/large.bin", b"/large.bin", b"/stream"])
    writer.write(GET % path)
    await reader.read(random.randrange(1, 20_000))


async def many_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    paths = (b"/", b"/thread/7?color=red", b"/session", b"/stream", b"/files/small.txt")
    writer.write(b"".join(GET % path for path in paths) * 4)
    await reader.read(10)


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(random.choice([b"\x16\x03\x01\x02\x00\x01\x00", b"GET /\r\n\r\n", b"A" * 9000]))
    await reader.read(100)


async def an_error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GET % b"/nowhere" + GET % b"/broken")
    await reader.read(100)


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


LEAVING: tuple[Ask, ...] = (
    half_a_head, half_a_body, half_a_chunk, half_a_form, some_of_an_answer, many_at_once, nonsense,
    an_error, nothing,
)  # fmt: skip


async def leave_again_and_again(port: int, count: Counter[str]) -> None:
    """Begin something and leave, by a reset half of the time, without ever waiting long."""
    while True:
        way = random.choice(LEAVING)
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                async with asyncio.timeout(2):
                    await way(reader, writer)
            finally:
                if random.random() < 0.5:  # RST: what is on its way is lost
                    taken = writer.get_extra_info("socket")
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.close()
                count["left in the middle"] += 1
        await asyncio.sleep(0.02)


async def hardly_move(port: int, kind: int, count: Counter[str]) -> None:
    """Send a head, send content, or read, a few bytes a second, until the server has enough."""
    while True:
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            try:
                count["hardly moved"] += 1
                async with asyncio.timeout(60):
                    await _crawl(kind, reader, writer)
            finally:
                writer.close()
        await asyncio.sleep(0.1)


async def _crawl(kind: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if kind == 2:
        path = b"/large.bin" if random.random() < 0.3 else b"/files/large.bin"
        writer.write(GET % path)
        while await reader.read(256):
            await asyncio.sleep(0.5)
        return
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" if kind == 0 else POST % 100_000)
    while not reader.at_eof():
        writer.write(b"x-a: b\r\n" if kind == 0 else b"x" * 100)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                if not await reader.read(1000):
                    return


# --- the run -------------------------------------------------------------------------------------


@contextmanager
def loads(servers: list[Served], seconds: int, connections: int) -> Iterator[dict[str, Path]]:
    """Let wrk ask each server, on the second core where there are two."""
    pin = []
    if (cores := sorted(os.sched_getaffinity(0)))[1:] and shutil.which("taskset"):
        pin = ["taskset", "-c", str(cores[1])]
    asked = {"App": "/thread/7?color=red", "ASGI": "/", "folder": "/small.txt"}
    running, said = [], {}
    for served in servers:
        said[served.name] = served.log_path.with_suffix(".wrk")
        url = f"http://127.0.0.1:{served.port}{asked[served.name]}"
        command = [*pin, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        with said[served.name].open("wb") as out:
            running.append(subprocess.Popen([*command, "--latency", url], stdout=out, stderr=out))
    try:
        yield said
    finally:
        for one in running:
            with suppress(subprocess.TimeoutExpired):
                one.wait(15)
            one.kill()
            one.wait()


async def soak(servers: list[Served], options: argparse.Namespace) -> tuple[list[str], bool]:
    """Load the servers, look at them, and return what to print and whether all is flat."""
    for served in servers:
        await served.until_up()
    await asyncio.sleep(2)
    seconds, count = int(options.minutes * 60), Counter[str]()
    with loads(servers, 3, 4):  # what is made at the first use is there
        await asyncio.sleep(4)
    for served in servers:
        for _ in range(3):
            served.before |= await served.look(0.0, closely=True)
        served.rows.clear()
        served.whole.clear()
    began = time.monotonic()
    with loads(servers, seconds, options.connections) as said:
        crowd = [
            asyncio.create_task(one)
            for served in servers
            for one in (
                *[leave_again_and_again(served.port, count) for _ in range(options.leaving)],
                *[hardly_move(served.port, kind % 3, count) for kind in range(options.slow)],
            )
        ]
        turn = 0
        while (now := time.monotonic() - began) < seconds:
            for served in servers:
                try:
                    await served.look(now, closely=turn % 10 == 0)
                except (OSError, TimeoutError) as fault:
                    count[f"{served.name} was not seen: {fault!r}"] += 1
            turn += 1
            await asyncio.sleep(max(0.0, began + turn - time.monotonic()))
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    await asyncio.sleep(5)
    lines, is_flat = [], True
    for served in servers:
        after: dict[tuple[int, str], float] = {}
        for _ in range(3):
            after |= await served.look(0.0, closely=True)
        table, good = report(served, after, seconds)
        lines += [f"\n## {served.name}\n", *table, "", *summary(said[served.name])]
        is_flat = is_flat and good
    lines += ["", *(f"- {what}: {times}" for what, times in sorted(count.items()))]
    return lines, is_flat


def report(
    served: Served, after: dict[tuple[int, str], float], seconds: int
) -> tuple[list[str], bool]:
    """Make a table of a server's processes, and judge it."""
    table = [
        "| process | what | before | first quarter | last quarter | most | rise | at rest | |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    is_flat = served.pids() == sorted({pid for pid, _ in served.before}, key=served.pids().index)
    for pid, what in sorted(served.rows, key=lambda key: (key[0], WHAT.index(key[1]))):
        samples = [sample for sample in served.rows[pid, what] if sample[0]]
        if len(samples) < 4:
            continue
        rise, verdict = judge(what, samples, seconds)
        rest, before = after.get((pid, what)), served.before.get((pid, what))
        if rest is not None and before is not None and rest > before + REST.get(what, rest):
            verdict = "LEFT BEHIND"
        is_flat = is_flat and verdict == "flat"
        quarter = len(samples) // 4
        first = sorted(value for _, value in samples[:quarter])[quarter // 2]
        last = sorted(value for _, value in samples[-quarter:])[quarter // 2]
        most = max(value for _, value in samples)
        name = "supervisor" if pid == served.process.pid else f"worker {pid}"
        cells = [before, first, last, most, rise, rest]
        shown = ["-" if cell is None else f"{cell:,.0f}" for cell in cells]
        table.append(f"| {name} | {what} | {' | '.join(shown)} | {verdict} |")
    whole = [sample for sample in served.whole if sample[0]]
    rise, verdict = judge("connections", whole, seconds)
    most = max(value for _, value in whole)
    last_seen = min(value for _, value in served.whole[-3:])
    if last_seen > 1:  # the one that asks; the one that asked before may be on its way out
        verdict = "LEFT BEHIND"
    table.append(
        f"| all | connections | | {whole[len(whole) // 8][1]:.0f} | {whole[-2][1]:.0f} |"
        f" {most:.0f} | {rise:.0f} | {last_seen:.0f} | {verdict} |"
    )
    return table, is_flat and verdict == "flat"


def judge(what: str, samples: list[tuple[float, float]], seconds: int) -> tuple[float, str]:
    """Return what a line through the samples rises in all, and a word for it."""
    later = samples[len(samples) // 4 :]
    middle = sum(at for at, _ in later) / len(later)
    mean = sum(value for _, value in later) / len(later)
    spread = sum((at - middle) ** 2 for at, _ in later) or 1.0
    slope = sum((at - middle) * (value - mean) for at, value in later) / spread
    rise = slope * (later[-1][0] - later[0][0])
    noise = (sum((value - mean) ** 2 for _, value in later) / len(later)) ** 0.5
    allowed = ALLOWED.get(what, max(4.0, mean / 10, noise))
    return rise, "flat" if rise <= allowed else "RISES"


def summary(path: Path) -> list[str]:
    """Return what of wrk's words matters."""
    wanted = ("Requests/sec", "Socket errors", "Non-2xx", "99%", "requests in")
    text = path.read_text()
    return [
        f"- wrk: {line.strip()}" for line in text.splitlines() if any(w in line for w in wanted)
    ]


def main() -> int:
    """Run it; the exit code says whether all was flat."""
    parser = argparse.ArgumentParser(description="Does what a server holds stay the same?")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--connections", type=int, default=16, help="of wrk, to each server")
    parser.add_argument("--leaving", type=int, default=4, help="clients that leave, of each")
    parser.add_argument("--slow", type=int, default=12, help="clients that hardly move, of each")
    parser.add_argument("--only", default="App,ASGI,folder", help="some of App,ASGI,folder")
    parser.add_argument("--save", action="store_true", help="write bench/results/soak.md too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crlf-soak-") as scratch:
        folder = Path(scratch) / "folder"
        folder.mkdir()
        (folder / "small.txt").write_text("small\n" * 100)
        (folder / "large.bin").write_bytes(os.urandom(LARGE))
        targets = {"App": "soak_app:app", "ASGI": "soak_app:asgi", "folder": str(folder)}
        servers = []
        try:
            for name in options.only.split(","):
                servers.append(Served(name, targets[name], free_port(), folder))  # noqa: PERF401 - each is ended
            lines, is_flat = asyncio.run(soak(servers, options))
        finally:
            codes = [served.end() for served in servers]
        said = "".join(path.read_text() for path in Path(scratch).glob("*.log"))
    lines.append(f"- exit codes {codes}; flat: {'yes' if is_flat else 'NO'}")
    complaints = Counter(line for line in said.splitlines() if line and not line.startswith(" "))
    lines += [f"- said {times} times: {line}" for line, times in complaints.most_common(8)]
    text = f"# {options.minutes:g} minutes of load\n" + "\n".join(lines) + "\n"
    print(text)
    if options.save:
        (BENCH / "results" / "soak.md").write_text(text)
    return 0 if is_flat and not any(codes) else 1


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
