"""The client against servers that nobody here wrote: what it saves is what `curl -o` saves.

nginx, `python -m http.server`, our own server and a bare socket; nothing, a little and much;
by length, in chunks, to the end of the connection, and over TLS. Each way of fetching saves a
file, and all the files are the same.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from tests.live.peers import free_port, process

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.errors import TlsFailed
from crlf.net.loops import new_loop
from crlf.server import App, running, stream

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"empty": 0, "small": 1024, "large": 10_000_000}

pytestmark = [pytest.mark.needs("curl"), pytest.mark.timeout(60)]


class Site(NamedTuple):
    """Where a file is, and the certificate authority to trust there."""

    base: str
    authority: str | None = None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a file of each size."""
    made = tmp_path_factory.mktemp("site")
    chance = random.Random(20261101)
    for name, size in SIZES.items():
        (made / f"{name}.bin").write_bytes(chance.randbytes(size))
    return made


@contextmanager
def to_the_end(folder: Path) -> Iterator[int]:
    """A server that says no length: a file ends where its connection does."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(accepted: socket.socket) -> None:
        with accepted:
            name = accepted.recv(65536).split(b" ")[1].decode()
            accepted.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: x/y\r\n\r\n")
            accepted.sendall((folder / name.lstrip("/")).read_bytes())

    def accept() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            answer(accepted)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; default_type application/octet-stream;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/here.pem; ssl_certificate_key {folder}/here.pem;
    root {root};
    location /chunked/ {{ proxy_pass http://127.0.0.1:{behind}/; }}
    location /to-close/ {{
      proxy_pass http://127.0.0.1:{behind}/; chunked_transfer_encoding off;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def others(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    program: Callable[[str], str],
) -> Iterator[dict[str, Site]]:
    """Start every server and say where each serves the folder."""
    here = tmp_path_factory.mktemp("nginx")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(here / "ca.pem")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(here / "here.pem")
    plain, tls, simple = free_port(), free_port(), free_port()
    with to_the_end(folder) as behind:
        config = here / "nginx.conf"
        config.write_text(
            NGINX.format(folder=here, root=folder, plain=plain, tls=tls, behind=behind)
        )
        nginx = (program("nginx"), "-p", str(here), "-c", str(config))
        python = (sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", str(folder))
        with process(plain, *nginx), process(simple, *python, str(simple)):
            ca = str(here / "ca.pem")
            yield {
                "nginx": Site(f"http://127.0.0.1:{plain}"),
                "nginx, chunked": Site(f"http://127.0.0.1:{plain}/chunked"),
                "nginx, to the end": Site(f"http://127.0.0.1:{plain}/to-close"),
                "nginx, HTTPS": Site(f"https://127.0.0.1:{tls}", ca),
                "nginx, HTTPS, chunked": Site(f"https://127.0.0.1:{tls}/chunked", ca),
                "nginx, HTTPS, to the end": Site(f"https://127.0.0.1:{tls}/to-close", ca),
                "http.server": Site(f"http://127.0.0.1:{simple}"),
                "a socket, to the end": Site(f"http://127.0.0.1:{behind}"),
            }


@pytest.fixture
def sites(others: dict[str, Site], folder: Path) -> Iterator[dict[str, Site]]:
    """Add our own server, which is to leave nothing behind after each test."""
    app = App()
    app.folder("/files", folder)

    @app.get("/chunked/{name}")
    def chunked(request: object, name: str) -> object:
        data = (folder / name).read_bytes()
        return stream(data[at : at + 70_001] for at in range(0, len(data), 70_001))

    with running(app) as own:
        yield {
            **others,
            "own": Site(f"{own.url}files"),
            "own, chunked": Site(f"{own.url}chunked"),
        }


def by_curl(site: Site, url: str, path: Path, curl: str) -> None:
    trust = [] if site.authority is None else ["--cacert", site.authority]
    subprocess.run([curl, "-sS", "--fail", *trust, "-o", str(path), url], check=True)


def by_client(site: Site, url: str, path: Path, curl: str) -> None:
    with Client(verify=site.authority or True) as client:
        client.get(url).raise_for_status().save(path)


def by_stream(site: Site, url: str, path: Path, curl: str) -> None:
    with (
        Client(verify=site.authority or True) as client,
        client.stream("GET", url) as response,
        path.open("wb") as file,
    ):
        response.raise_for_status()
        for piece in response.iter_bytes():
            file.write(piece)


def by_async_client(site: Site, url: str, path: Path, curl: str) -> None:
    async def fetch() -> None:
        async with AsyncClient(verify=site.authority or True) as client:
            (await client.get(url)).raise_for_status().save(path)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(fetch())


def by_async_stream(site: Site, url: str, path: Path, curl: str) -> None:
    async def fetch() -> bytes:
        async with (
            AsyncClient(verify=site.authority or True) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            return b"".join([piece async for piece in response.iter_bytes()])

    path.write_bytes(asyncio.run(fetch()))


def by_command(site: Site, url: str, path: Path, curl: str) -> None:
    trust = [] if site.authority is None else ["--insecure"]
    subprocess.run(
        [sys.executable, "-m", "crlf", "get", url, "-o", str(path), *trust],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.DEVNULL,
    )


WAYS = [by_client, by_stream, by_async_client, by_async_stream, by_command]
SITES = [
    "nginx", "nginx, chunked", "nginx, to the end", "nginx, HTTPS", "nginx, HTTPS, chunked",
    "nginx, HTTPS, to the end", "http.server", "own", "own, chunked", "a socket, to the end",
]  # fmt: skip


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("name", SITES)
def test_every_way_saves_what_curl_saves(
    name: str, sites: dict[str, Site], folder: Path, tmp_path: Path, program: Callable[[str], str]
) -> None:
    site, curl = sites[name], program("curl")
    for size in SIZES:
        url = f"{site.base}/{size}.bin"
        by_curl(site, url, tmp_path / "by_curl", curl)
        expected = (tmp_path / "by_curl").read_bytes()
        assert expected == (folder / f"{size}.bin").read_bytes()
        for way in WAYS:
            path = tmp_path / f"{way.__name__}.bin"
            way(site, url, path, curl)
            assert path.read_bytes() == expected, f"{way.__name__}, {size}"


@pytest.mark.needs("nginx")
def test_the_framing_is_what_it_is_called(sites: dict[str, Site]) -> None:
    for name, site in sites.items():
        with Client(verify=site.authority or True) as client:
            response = client.get(f"{site.base}/small.bin")
            again = client.get(f"{site.base}/small.bin")
            fields = response.headers
            assert ("transfer-encoding" in fields) == ("chunked" in name), name
            assert ("content-length" in fields) == (name in
                ("nginx", "nginx, HTTPS", "http.server", "own")), name  # fmt: skip
            assert response.content == again.content
            kept = client._core._pool._ledger.total
            assert kept == (0 if "end" in name or name == "http.server" else 1), name


@pytest.mark.needs("nginx")
def test_an_authority_that_nobody_knows_is_not_trusted(sites: dict[str, Site]) -> None:
    with Client() as client, pytest.raises(TlsFailed, match="certificate") as caught:
        client.get(f"{sites['nginx, HTTPS'].base}/small.bin")
    assert caught.value.phase == "tls"


@pytest.mark.needs("nginx")
def test_what_nginx_refuses_of_us_is_nothing(sites: dict[str, Site]) -> None:
    """Large and odd but good requests of ours are good requests to nginx."""
    base = sites["nginx"].base
    with Client() as client:
        assert client.head(f"{base}/large.bin").headers["content-length"] == "10000000"
        assert client.get(f"{base}/nowhere").status_code == 404
        assert client.post(f"{base}/small.bin", content=iter([b"x" * 1000])).status_code == 405
        assert client.post(f"{base}/small.bin", content=b"x" * 2_000_000).status_code == 413
        late = client.post(f"{base}/small.bin", content=(b"x" * 65536 for _ in range(100)))
        assert late.status_code in (405, 413)
        assert client.get(f"{base}/small.bin?" + "q" * 7000).status_code == 200
        assert client.get(f"{base}/small.bin", headers={"x": "y" * 7000}).status_code == 200
        answer = client.put(
            f"{base}/small.bin", content=b"hello", headers={"expect": "100-continue"}
        )
        assert answer.status_code == 405
