"""`crlf download` from nginx, which is killed, is slow, and has files that change."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.needs("nginx"), pytest.mark.timeout(60)]
ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
CONFIG = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format ranges '$status $http_range'; access_log {home}/log ranges; sendfile on;
  client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3;
  uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
  server {{
    listen 127.0.0.1:{port}; root {home}/files;
    location /slow/ {{ alias {home}/files/; limit_rate {rate}; limit_rate_after 1500k; }}
  }}
}}
"""


class Nginx:
    """An nginx with three files, which can be killed and started again on its port."""

    def __init__(self, program: str, home: Path) -> None:
        self.home = home
        (home / "files").mkdir(parents=True)
        for name in "abc":
            (home / "files" / name).write_bytes(os.urandom(3 * MIB))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = int(taken.getsockname()[1])
        self.command = (program, "-p", str(home), "-c", str(home / "conf"))
        self.url = f"http://127.0.0.1:{self.port}"
        self.start("200k")

    def start(self, rate: str = "0") -> None:
        """Start it. rate: bytes a second below /slow/; 0 for as many as there can be."""
        config = CONFIG.format(home=self.home, port=self.port, rate=rate)
        (self.home / "conf").write_text(config)
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=quiet, stderr=quiet)
        wait_until(self.listens, "nginx does not listen")

    def listens(self) -> bool:
        assert self.process.poll() is None, "nginx has stopped"
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def content(self, name: str) -> bytes:
        return (self.home / "files" / name).read_bytes()


@pytest.fixture
def nginx(tmp_path: Path, program: Callable[[str], str]) -> Iterator[Nginx]:
    server = Nginx(program("nginx"), tmp_path / "nginx")
    yield server
    server.kill()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def wait_until(is_so: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crlf", "download", *words],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip


def test_three_are_interrupted_and_gone_on_with(nginx: Nginx, here: Path) -> None:
    urls = [f"{nginx.url}/slow/{name}" for name in "abc"]
    process = start(here, *urls)
    parts = [here / f"{name}.part" for name in "abc"]
    wait_until(lambda: all(p.exists() and p.stat().st_size > MIB for p in parts), "nothing came")
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert (process.returncode, out) == (130, "")
    assert err.count("\n") == 1
    assert all(re.search(rf"[0-9,]+ bytes in {part.name}\b", err) for part in parts), err
    nginx.kill()
    nginx.start()
    kept = {part.stem: part.stat().st_size for part in parts}
    again = start(here, *urls)
    out, err = again.communicate(timeout=40)
    assert again.returncode == 0, err
    assert sorted(out.split()) == ["a", "b", "c"]
    for name, size in kept.items():
        assert (here / name).read_bytes() == nginx.content(name)
        assert f"{size:,} of them from before" in err
        assert f"206 bytes={size}-" in (nginx.home / "log").read_text()
    assert sorted(os.listdir(here)) == ["a", "b", "c"]


def test_a_server_that_is_killed_is_waited_for(nginx: Nginx, here: Path) -> None:
    process = start(here, f"{nginx.url}/slow/a", "--retry", "20")
    part = here / "a.part"
    wait_until(lambda: part.exists() and part.stat().st_size > MIB, "nothing came")
    nginx.kill()
    nginx.start()
    _, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert (here / "a").read_bytes() == nginx.content("a")


@pytest.mark.rfc("9110", "13.1.5")
def test_a_file_that_has_changed_is_not_mixed(nginx: Nginx, here: Path) -> None:
    process = start(here, f"{nginx.url}/slow/a")
    part = here / "a.part"
    wait_until(lambda: part.exists() and part.stat().st_size > MIB, "nothing came")
    process.kill()
    process.communicate(timeout=20)
    nginx.kill()
    nginx.start()
    changed = os.urandom(2 * MIB)
    (nginx.home / "files" / "fresh").write_bytes(changed)
    os.utime(nginx.home / "files" / "fresh", (10**9, 10**9))
    os.replace(nginx.home / "files" / "fresh", nginx.home / "files" / "a")
    again = start(here, f"{nginx.url}/slow/a")
    _, err = again.communicate(timeout=40)
    assert again.returncode == 0, err
    assert (here / "a").read_bytes() == changed
    assert "from before" not in err


def test_a_list_is_held_to_its_checksums(nginx: Nginx, here: Path) -> None:
    lines = [f"{hashlib.sha256(nginx.content(name)).hexdigest()}  {name}\n" for name in "ab"]
    (here / "SUMS").write_text("".join(lines) + f"{'0' * 64}  c\n")
    urls = [f"{nginx.url}/{name}" for name in "abc"]
    process = start(here, *urls, "--checksums", "SUMS")
    out, err = process.communicate(timeout=40)
    assert process.returncode == 32
    assert sorted(out.split()) == ["a", "b"]
    assert f"{nginx.url}/c: sha-256 of the content is " in err
    assert sorted(os.listdir(here)) == ["SUMS", "a", "b"]
