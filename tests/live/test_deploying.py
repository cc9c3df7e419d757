"""The files of docs/server/deploying.md do what the page says, as they stand there.

Each is taken from the page; only places (ports, paths of certificates) are changed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from tests.live.peers import free_port, process

import crlf

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "server" / "deploying.md").read_text(encoding="utf-8")
CRLF = (sys.executable, "-m", "crlf")
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/error.log; events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
  fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  {text}
}}
"""
CADDY = "{{\n admin off\n persist_config off\n auto_https disable_redirects\n}}\n{text}"


def block(title: str) -> str:
    """Take a file from the page by its name."""
    found = re.search(rf'^```[a-z]+ title="[^"]*{re.escape(title)}"\n(.*?)^```$', PAGE, re.M | re.S)
    assert found is not None, title
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the application and its settings; started in it, python finds crlf."""
    for name in ("shop.py", "crlf.toml"):
        (tmp_path / name).write_text(block(name), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):  # where Caddy would write
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.fixture
def authority(folder: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = made.issue_cert("shop.example")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "shop.pem"))
    issued.private_key_pem.write_to_path(str(folder / "shop.key"))
    return made


@contextlib.contextmanager
def standing(kind: str, program: str, folder: Path, front: int, back: int) -> Iterator[None]:
    """Run a proxy with the page's file, at one port before another."""
    name = {"nginx": "shop.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}[kind]
    text = block(name).replace("127.0.0.1:8000", f"127.0.0.1:{back}")
    text = text.replace("/etc/ssl/", f"{folder}/")
    config = folder / "config"
    if kind == "nginx":
        text = NGINX.format(folder=folder, text=text.replace("443 ssl", f"127.0.0.1:{front} ssl"))
        command = [program, "-c", str(config), "-p", str(folder)]
    elif kind == "haproxy":
        text = text.replace("bind :443", f"bind 127.0.0.1:{front}")
        command = [program, "-db", "-q", "-f", str(config)]
    else:
        tls = f"https://shop.example:{front} {{\n tls {folder}/shop.pem {folder}/shop.key"
        text = CADDY.format(text=text.replace("shop.example {", tls))
        command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    config.write_text(text, encoding="utf-8")
    with process(front, *command, said=folder / "error.log"):
        yield


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("nginx", marks=pytest.mark.needs("nginx")),
        pytest.param("haproxy", marks=pytest.mark.needs("haproxy")),
        pytest.param("caddy", marks=pytest.mark.needs("caddy")),
    ],
)
@pytest.mark.usefixtures("authority")
def test_a_proxy_as_the_page_has_it(kind: str, folder: Path, program: Callable[[str], str]) -> None:
    front, back = free_port(), free_port()
    measures = ["--metrics", "/metrics", "--workers", "0", "--port", str(back)]
    with (
        process(back, *CRLF, "serve", *measures),
        standing(kind, program(kind), folder, front, back),
        crlf.Client(verify=str(folder / "ca.pem"), resolve={"shop.example": "127.0.0.1"}) as client,
        crlf.Client(base_url=f"http://127.0.0.1:{back}/") as inside,
    ):
        url = f"https://shop.example:{front}/"
        for _ in range(50):  # HAProxy looks at /readyz before it lets anybody in
            if client.get(url).status_code == 200:
                break
            time.sleep(0.1)

        def accepted() -> int:
            found = re.search(r"^crlf_accepted_total ([0-9]+)", inside.get("metrics").text, re.M)
            assert found is not None
            return int(found[1])

        before = accepted()
        for _ in range(5):
            assert client.get(url).json() == {"peer": "127.0.0.1", "url": url}
        checks = 2 if kind == "haproxy" else 0
        assert accepted() - before <= 1 + checks  # connections to the server are kept
        # A client that invents where it comes from is not believed beyond the proxy.
        fields = {"X-Forwarded-For": "nonsense", "X-Forwarded-Proto": "http"}
        assert client.get(url, headers=fields).json()["url"] == url


@pytest.mark.needs("systemd-analyze")
def test_systemd_understands_its_files(folder: Path, program: Callable[[str], str]) -> None:
    service = block("shop.service").replace("/srv/shop/.venv/bin/crlf", sys.executable)
    (folder / "shop.service").write_text(service.replace("/srv/shop", str(folder)))
    (folder / "shop.socket").write_text(block("shop.socket"))
    files = [str(folder / "shop.service"), str(folder / "shop.socket")]
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *files],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "shop" in line]
    assert ours == []


@pytest.mark.needs("systemd-socket-activate")
def test_a_socket_of_systemd_is_taken_and_a_reload_keeps_it(
    folder: Path, program: Callable[[str], str]
) -> None:
    start = re.search(r"^ExecStart=\S+/crlf (.*)$", block("shop.service"), re.M)
    reload = re.search(r"^ExecReload=kill -(\w+) \$MAINPID$", block("shop.service"), re.M)
    assert start is not None
    assert reload is not None
    port = free_port()
    path = [program("systemd-socket-activate"), "-l", f"127.0.0.1:{port}"]
    path += [f"-E{name}={os.environ[name]}" for name in ("PYTHONPATH", "PATH")]
    command = [*path, *CRLF, *shlex.split(start[1]), "--workers", "1"]
    with process(port, *command) as pid, crlf.Client(timeout=20) as client:
        url = f"http://127.0.0.1:{port}/"
        assert client.get(url).json() == {"peer": "127.0.0.1", "url": url}
        (folder / "shop.py").write_text(block("shop.py").replace('"peer"', '"who"'))
        os.kill(pid, signal.Signals[f"SIG{reload[1]}"])
        give_up = time.monotonic() + 20
        while "who" not in client.get(url).json():  # every one of them is answered
            assert time.monotonic() < give_up
            time.sleep(0.05)


def test_a_container_serves_what_the_page_says(folder: Path) -> None:
    (folder / "crlf.toml").unlink()
    text = block("Dockerfile")
    said = re.search(r"^ENV (.*)$", text, re.M)
    command = re.search(r"^CMD \[(.*)\]$", text, re.M)
    assert said is not None
    assert command is not None
    words = [word.strip(' "') for word in command[1].split(",")]
    assert words[0] == "crlf"
    variables = dict(pair.split("=", 1) for pair in said[1].split())
    done = subprocess.run(
        [*CRLF, *words[1:], "--check-config"],
        env=os.environ | variables, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "All is well: shop:app can be served at *:8000\n"
