"""Downloads and uploads against programs that others wrote, ended in the middle too.

nginx has ranges and strong tags, `python -m http.server` has neither. What is killed is killed
with SIGKILL: the server while it sends, and the program that downloads.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.live.peers import free_port, until_up

from crlf import AsyncClient, Client
from crlf.client.download import save
from crlf.flow.run import run_sync
from crlf.message.progress import Download

MIB = 1024 * 1024
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log; default_type application/octet-stream; sendfile on;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; client_max_body_size 0;
  log_format main '$status $http_range'; access_log {folder}/log main;
  gzip on; gzip_types application/octet-stream; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port}; root {root};
    location /slow/ {{ alias {root}/; limit_rate {rate}; limit_rate_after 1m; }}
    location /plain/ {{ alias {root}/; max_ranges 0; }}
    location /take {{ client_body_buffer_size 64k; proxy_pass http://127.0.0.1:{port}/ok; }}
    location /ok {{ return 204; }}
  }}
}}
"""


class Nginx:
    """An nginx that can be killed and started again on its port."""

    def __init__(self, program: str, folder: Path, root: Path) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=self.port, root=root, rate="4m"))
        self.command = (program, "-p", str(folder), "-c", str(config))
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=quiet, stderr=quiet)
        until_up(self.port, self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def ranges(self) -> list[str]:
        """List what was logged: status and Range of each request."""
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    (folder / "file.bin").write_bytes(os.urandom(8 * MIB))
    return folder


@pytest.fixture
def nginx(tmp_path: Path, root: Path, program: Callable[[str], str]) -> Iterator[Nginx]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    server = Nginx(program("nginx"), folder, root)
    try:
        yield server
    finally:
        server.kill()


def save_blocking(url: str, path: Path, **options: Any) -> Download:
    with Client(trust_env=False) as client:
        return run_sync(save(client._core, url, path, options))  # type: ignore[arg-type]


def save_async(url: str, path: Path, **options: Any) -> Download:
    async def story() -> Download:
        async with AsyncClient(trust_env=False) as client:
            return await save(client._core, url, path, options)  # type: ignore[arg-type]

    return asyncio.run(story())


both = pytest.mark.parametrize("saving", [save_blocking, save_async], ids=["blocking", "asyncio"])


@pytest.mark.needs("nginx")
@both
def test_nginx_is_killed_in_the_middle(
    nginx: Nginx, root: Path, tmp_path: Path, saving: Callable[..., Download]
) -> None:
    """It is taken up again where it stopped, as soon as there is an nginx again."""
    killing: list[threading.Thread] = []

    def again() -> None:
        nginx.kill()
        time.sleep(0.3)
        nginx.start()

    def told(done: int, total: int | None) -> None:
        assert total == 8 * MIB
        if done > MIB and not killing:
            killing.append(threading.Thread(target=again))
            killing[0].start()

    digest = hashlib.sha256((root / "file.bin").read_bytes()).hexdigest()
    done = saving(f"{nginx.base}/slow/file.bin", tmp_path / "f", progress=told, digest=digest)
    killing[0].join()
    assert done.attempts > 1
    assert done.response.status_code == 206
    assert (tmp_path / "f").read_bytes() == (root / "file.bin").read_bytes()
    assert nginx.ranges()[-1].startswith("206 bytes=")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "nginx"]


PROGRAM = """
import sys
from crlf import Client
from crlf.client.download import save
from crlf.flow.run import run_sync
with Client(trust_env=False) as client:
    done = run_sync(save(client._core, sys.argv[1], sys.argv[2], {}))
print(done.resumed_from, done.attempts, done.response.status_code)
"""


@pytest.mark.needs("nginx")
def test_the_program_is_killed_in_the_middle(nginx: Nginx, root: Path, tmp_path: Path) -> None:
    """What came stays, the final name does not appear, and the next run goes on."""
    run = [sys.executable, "-c", PROGRAM, f"{nginx.base}/slow/file.bin", str(tmp_path / "f")]
    part = tmp_path / "f.part"
    started = subprocess.Popen(run)
    give_up = time.monotonic() + 20
    while not part.exists() or part.stat().st_size < MIB:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait(10)
    kept = part.stat().st_size
    assert kept < 8 * MIB
    assert not (tmp_path / "f").exists()
    again = subprocess.run(run, check=True, capture_output=True, text=True)
    assert again.stdout.split() == [str(kept), "1", "206"]
    assert (tmp_path / "f").read_bytes() == (root / "file.bin").read_bytes()


@pytest.mark.needs("nginx")
@both
def test_a_complete_part_is_a_416(
    nginx: Nginx, root: Path, tmp_path: Path, saving: Callable[..., Download]
) -> None:
    with Client(trust_env=False) as client:
        etag = client.head(f"{nginx.base}/file.bin", headers={"accept-encoding": "identity"})
    note = {"crlf": 1, "url": f"{nginx.base}/file.bin", "etag": etag.headers["etag"], "total": None}
    (tmp_path / "f.part").write_bytes((root / "file.bin").read_bytes())
    (tmp_path / "f.part.json").write_text(json.dumps(note))
    done = saving(f"{nginx.base}/file.bin", tmp_path / "f")
    assert (done.response.status_code, done.resumed_from) == (416, 8 * MIB)
    assert (tmp_path / "f").read_bytes() == (root / "file.bin").read_bytes()


@pytest.mark.needs("nginx")
@both
def test_a_file_that_changed_is_not_mixed(
    nginx: Nginx, root: Path, tmp_path: Path, saving: Callable[..., Download]
) -> None:
    changing = root / f"changing-{saving.__name__}.bin"
    changing.write_bytes(b"a" * 3 * MIB)
    os.utime(changing, (10**9, 10**9))
    url = f"{nginx.base}/slow/{changing.name}"

    def stop(done: int, total: int | None) -> None:
        if done >= 2 * MIB:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        saving(url, tmp_path / "f", progress=stop)
    assert (tmp_path / "f.part").stat().st_size
    changing.write_bytes(b"b" * 2 * MIB)
    done = saving(url, tmp_path / "f")
    assert (done.resumed_from, done.response.status_code) == (0, 200)
    assert (tmp_path / "f").read_bytes() == b"b" * 2 * MIB


@pytest.mark.needs("nginx")
def test_nginx_without_ranges(nginx: Nginx, root: Path, tmp_path: Path) -> None:
    done = save_blocking(f"{nginx.base}/plain/file.bin", tmp_path)
    assert done.path == str(tmp_path / "file.bin")
    assert done.response.headers.get("content-encoding") is None  # although gzip is on


@both
def test_a_server_without_ranges_and_tags(
    root: Path, tmp_path: Path, saving: Callable[..., Download]
) -> None:
    """`python -m http.server`: a later call starts over."""
    port = free_port()
    run = (sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", str(root), str(port))
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(run, stdout=quiet, stderr=quiet)
    try:
        until_up(port, server)
        url = f"http://127.0.0.1:{port}/file.bin"
        with pytest.raises(InterruptedError):
            saving(url, tmp_path / "f", progress=interrupt)
        assert not (tmp_path / "f.part.json").exists()
        done = saving(url, tmp_path / "f")
    finally:
        server.terminate()
        server.wait(10)
    assert (done.resumed_from, done.response.status_code) == (0, 200)
    assert (tmp_path / "f").read_bytes() == (root / "file.bin").read_bytes()


def interrupt(done: int, total: int | None) -> None:
    raise InterruptedError


# -- constant memory

MEASURED = """
import asyncio, resource, sys
from crlf import AsyncClient, Client, Timeout
from crlf.client.download import save
from crlf.flow.run import run_sync

what, colour, url, path = sys.argv[1:]
PATIENT = Timeout(read=60, write=60, total=None)

def options():
    if what == "form":
        return {"files": {"file": path}, "timeout": PATIENT}
    return {"content": open(path, "rb"), "timeout": PATIENT}

def blocking():
    with Client(trust_env=False) as client:
        if what == "down":
            run_sync(save(client._core, url, path, {}))
        else:
            print(client.post(url, **options()).status_code, file=sys.stderr)

async def waiting():
    async with AsyncClient(trust_env=False) as client:
        if what == "down":
            await save(client._core, url, path, {})
        else:
            print((await client.post(url, **options())).status_code, file=sys.stderr)

blocking() if colour == "blocking" else asyncio.run(waiting())
# Not ru_maxrss, which a process may have from the one that started it.
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak[0] if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@contextmanager
def sink() -> Iterator[str]:
    """A server that swallows what is posted, and counts it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def swallow() -> None:
        accepted, _ = listening.accept()
        with accepted:
            data = accepted.recv(65536)
            head, _, rest = data.partition(b"\r\n\r\n")
            if b"expect: 100-continue" in head.lower():
                accepted.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            left = length - len(rest)
            room = bytearray(MIB)
            while left:
                left -= accepted.recv_into(room)
            accepted.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    thread = threading.Thread(target=swallow)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        thread.join(60)
        listening.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of 1 GiB, sparse."""
    folder = tmp_path_factory.mktemp("large")
    with open(folder / "large.bin", "wb") as file:
        file.truncate(1024 * MIB)
    yield folder
    (folder / "large.bin").unlink()


def measured(*words: str) -> int:
    """Run the program and return its peak of memory in MiB."""
    run = [sys.executable, "-c", MEASURED, *words]
    done = subprocess.run(run, check=True, capture_output=True, text=True, timeout=300)
    if words[0] != "down":
        assert done.stderr.split()[-1] == "200"
    return int(done.stdout) // 1024


@pytest.mark.long
@pytest.mark.parametrize("colour", ["blocking", "asyncio"])
@pytest.mark.parametrize("what", ["raw", "form"])
def test_an_upload_takes_constant_memory(large: Path, what: str, colour: str) -> None:
    with sink() as url:
        assert measured(what, colour, url, str(large / "large.bin")) < 60


@pytest.mark.long
@pytest.mark.needs("nginx")
@pytest.mark.parametrize("colour", ["blocking", "asyncio"])
def test_a_download_takes_constant_memory(
    large: Path, tmp_path: Path, program: Callable[[str], str], colour: str
) -> None:
    server = Nginx(program("nginx"), tmp_path, large)
    target = tmp_path / "f"
    try:
        assert measured("down", colour, f"{server.base}/large.bin", str(target)) < 60
        assert target.stat().st_size == 1024 * MIB
    finally:
        server.kill()
        target.unlink(missing_ok=True)
