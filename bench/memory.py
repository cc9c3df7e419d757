"""Constant memory: what a client needs at most while much data passes through it.

    bench/memory.py [--megabytes 1024] [--only PIECES] [--json]

Each row is a process of its own, so that its peak is its own too; the peer, a bare socket
server, is another. Peaks are of the whole process (VmHWM: what was in memory at once, Python
itself included), "grew" is by how much more than before the transfer. The file that is sent
has a hole for content: it takes no disk, but is read like any other.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

MEGABYTE = 1024 * 1024
PIECE = b"x" * (256 * 1024)
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"


# --- the peer: /N sends N bytes, /chunked/N sends them in chunks, a body is read and dropped -----


def serve() -> None:
    """Serve until standard input ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listening,), daemon=True).start()
    sys.stdin.read()


def accept(listening: socket.socket) -> None:
    while True:
        accepted, _ = listening.accept()
        threading.Thread(target=visited, args=(accepted,), daemon=True).start()


def visited(accepted: socket.socket) -> None:
    with accepted:
        data = b""
        try:
            while piece := accepted.recv(65536):
                data += piece
                if b"\r\n\r\n" in data:
                    answer(accepted, *data.split(b"\r\n\r\n", 1))
                    data = b""
        except ConnectionError:
            return


def answer(accepted: socket.socket, head: bytes, begun: bytes) -> None:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    is_chunked = b"transfer-encoding" in fields
    left = int(fields.get(b"content-length", 0)) - len(begun)
    if b"expect" in fields and (left or is_chunked):
        accepted.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if is_chunked:
        tail = begun[-5:]
        while not tail.endswith(b"0\r\n\r\n"):
            tail = (tail + accepted.recv(MEGABYTE))[-5:]
        accepted.sendall(DONE)
        return
    if not head.startswith(b"GET"):
        buffer = bytearray(MEGABYTE)
        while left:
            left -= accepted.recv_into(buffer, min(left, MEGABYTE))
        accepted.sendall(DONE)
        return
    *kind, size = head.split(b" ")[1][1:].split(b"/")
    if kind:
        accepted.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
        for _ in range(int(size) // len(PIECE)):
            accepted.sendall(chunk)
        accepted.sendall(b"0\r\n\r\n")
        return
    accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % size)
    for _ in range(int(size) // len(PIECE)):
        accepted.sendall(PIECE)


# --- what is measured: each takes (URL of the peer, size, a file of that size) -------------------


def options() -> dict[str, Any]:
    from crlf.rules.deadlines import Timeout

    return {"timeout": Timeout(total=None), "trust_env": False}


def blocking(work: Callable[[Any], int]) -> int:
    from crlf.client.blocking import Client

    with Client(**options()) as client:
        return work(client)


def waiting(work: Callable[[Any], Any]) -> int:
    from crlf.client.aio import AsyncClient
    from crlf.net.loops import new_loop

    async def run() -> int:
        async with AsyncClient(**options()) as client:
            return int(await work(client))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(run())


def down(client: Any, url: str, size: int, kind: str) -> int:
    count = 0
    with client.stream("GET", f"{url}{kind}/{size}") as response:
        for piece in response.iter_bytes():
            count += len(piece)
    return count


async def down_waiting(client: Any, url: str, size: int, kind: str) -> int:
    count = 0
    async with client.stream("GET", f"{url}{kind}/{size}") as response:
        async for piece in response.iter_bytes():
            count += len(piece)
    return count


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield PIECE


async def pieces_waiting(size: int) -> AsyncIterator[bytes]:
    for piece in pieces(size):
        yield piece


def sent(response: Any, size: int) -> int:
    """The size, if the peer has taken all of it."""
    return size if response.content == b"done" else 0


def up(client: Any, url: str, size: int, **body: Any) -> int:
    return sent(client.post(f"{url}/up", **body), size)


async def up_waiting(client: Any, url: str, size: int, **body: Any) -> int:
    return sent(await client.post(f"{url}/up", **body), size)


def up_file(client: Any, url: str, size: int, file: Path) -> int:
    with file.open("rb") as opened:
        return up(client, url, size, content=opened)


async def up_file_waiting(client: Any, url: str, size: int, file: Path) -> int:
    with file.open("rb") as opened:
        return await up_waiting(client, url, size, content=opened)


def saved(client: Any, url: str, size: int, file: Path) -> int:
    to = file.with_name("saved.bin")
    client.download(f"{url}/{size}", to)
    return to.stat().st_size


async def saved_waiting(client: Any, url: str, size: int, file: Path) -> int:
    to = file.with_name("saved.bin")
    await client.download(f"{url}/{size}", to)
    return os.stat(to).st_size


Row = Callable[[str, int, Path], int]
ROWS: dict[str, Row] = {
    "Client, down": lambda u, n, f: blocking(lambda c: down(c, u, n, "")),
    "Client, down in chunks": lambda u, n, f: blocking(lambda c: down(c, u, n, "/chunked")),
    "Client, down to a file": lambda u, n, f: blocking(lambda c: saved(c, u, n, f)),
    "Client, up from a file": lambda u, n, f: blocking(lambda c: up_file(c, u, n, f)),
    "Client, up in multipart": lambda u, n, f: blocking(lambda c: up(c, u, n, files={"f": f})),
    "Client, up from an iterator": lambda u, n, f: blocking(
        lambda c: up(c, u, n, content=pieces(n))
    ),
    "AsyncClient, down": lambda u, n, f: waiting(lambda c: down_waiting(c, u, n, "")),
    "AsyncClient, down in chunks": lambda u, n, f: waiting(
        lambda c: down_waiting(c, u, n, "/chunked")
    ),
    "AsyncClient, down to a file": lambda u, n, f: waiting(lambda c: saved_waiting(c, u, n, f)),
    "AsyncClient, up from a file": lambda u, n, f: waiting(lambda c: up_file_waiting(c, u, n, f)),
    "AsyncClient, up in multipart": lambda u, n, f: waiting(
        lambda c: up_waiting(c, u, n, files={"f": f})
    ),
    "AsyncClient, up from an iterator": lambda u, n, f: waiting(
        lambda c: up_waiting(c, u, n, content=pieces_waiting(n))
    ),
}


def peak() -> int:
    """Bytes that this process has had in memory at once, at most."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def measure(name: str, url: str, size: int, file: Path) -> None:
    """Play a row in this process, a small one first; print what it took."""
    row = ROWS[name]
    small = len(PIECE)
    few = file.with_name("small.bin")
    few.write_bytes(PIECE)
    row(url, small, few)
    file.with_name("saved.bin").unlink(missing_ok=True)
    before, began = peak(), time.monotonic()
    moved = row(url, size, file)
    file.with_name("saved.bin").unlink(missing_ok=True)
    if moved != size:
        raise SystemExit(f"{moved} bytes went through instead of {size}")
    seconds = time.monotonic() - began
    print(json.dumps({"row": name, "before": before, "peak": peak(), "seconds": seconds}))


# --- all of them ---------------------------------------------------------------------------------


def measured(megabytes: int, only: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Measure every row whose name has one of the pieces, each in a process of its own."""
    own = [sys.executable, __file__]
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [*own, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as peer,
    ):
        assert peer.stdout is not None
        assert peer.stdin is not None
        try:
            url = f"http://127.0.0.1:{int(peer.stdout.readline())}"
            file = Path(folder) / "hole.bin"
            with file.open("wb") as opened:
                opened.truncate(megabytes * MEGABYTE)
            with file.open("rb") as opened:  # so that no row pays for filling the system's cache
                while opened.read(MEGABYTE):
                    pass
            for name in ROWS:
                if only and not any(word in name for word in only):
                    continue
                command = [*own, "--row", name, "--url", url, "--file", str(file)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300)
                if done.returncode:
                    raise SystemExit(f"{name}: {done.stderr.strip() or done.stdout}")
                found.append(json.loads(done.stdout))
        finally:
            peer.stdin.close()
    return found


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--megabytes", type=int, default=1024)
    words.add_argument("--only", default="", help="pieces of a row's name, separated by +")
    words.add_argument("--json", action="store_true")
    for name in ("--row", "--url", "--file"):
        words.add_argument(name, help=argparse.SUPPRESS)
    words.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.serve:
        return serve()
    if given.row:
        file = Path(given.file)
        return measure(given.row, given.url, file.stat().st_size, file)
    rows = measured(given.megabytes, tuple(filter(None, given.only.split("+"))))
    if given.json:
        return print(json.dumps(rows))
    print(f"{given.megabytes} MiB{'peak':>35} {'grew':>8} {'speed':>12}")
    for row in rows:
        grew = row["peak"] - row["before"]
        speed = given.megabytes / row["seconds"]
        print(
            f"{row['row']:34} {row['peak'] / MEGABYTE:5.1f} MiB {grew / MEGABYTE:4.1f} MiB"
            f" {speed:6.0f} MiB/s"
        )
    return None


if __name__ == "__main__":
    main()
