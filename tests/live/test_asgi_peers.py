"""ASGI with those who do it too: frameworks hosted by crlf, and an App hosted by others.

Every application is in a process of its own, served as its users would; the client is ours.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.live.peers import free_port, process

from crlf import Client, Response

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]
LARGE = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "small.txt").write_text("small\n")
    return folder


@contextmanager
def started(folder: Path, *command: str) -> Iterator[str]:
    """Run a server until the block ends; give its URL."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_FOLDER", str(folder))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        with process(port, *(part.replace("PORT", str(port)) for part in command)):
            yield f"http://127.0.0.1:{port}/"


@contextmanager
def served(folder: Path, *command: str) -> Iterator[Client]:
    """Run a server until the block ends; give a client that asks it."""
    with started(folder, *command) as url, Client(base_url=url, trust_env=False) as client:
        yield client


def own(factory: str) -> list[str]:
    line = [sys.executable, "-m", "crlf", "serve", "--factory", f"asgi_shops:{factory}"]
    return [*line, "--bind", "127.0.0.1:PORT"]


def raw(client: Client, asked: bytes, until: bytes) -> socket.socket:
    """Ask by hand, read until something has come, and give the connection."""
    connection = socket.create_connection(("127.0.0.1", client.get("seen").url.port), 10)
    connection.sendall(asked)
    got = b""
    while until not in got:
        piece = connection.recv(4096)
        assert piece, got
        got += piece
    return connection


def until_seen(client: Client, event: str) -> None:
    give_up = time.monotonic() + 10
    while event not in client.get("seen").json():
        assert time.monotonic() < give_up, client.get("seen").json()
        time.sleep(0.01)


# --- Starlette -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[str]:
    with started(folder, *own("made_with_starlette")) as url:
        yield url


@pytest.fixture
def starlette(shop: str) -> Iterator[Client]:
    with Client(base_url=shop, trust_env=False) as client:
        yield client


with_starlette = pytest.mark.needs("python:starlette", "python:python_multipart")
ways = pytest.mark.parametrize("way", ["", "passed/"], ids=["plain", "through a middleware"])


@with_starlette
@ways
def test_starlette_gets_the_state_of_its_lifespan(starlette: Client, way: str) -> None:
    response = starlette.get(way)
    assert response.text == "hello from the lifespan"
    assert ("x-passed" in response.headers) == bool(way)


@with_starlette
@ways
def test_starlette_reads_forms_and_uploads(starlette: Client, way: str) -> None:
    files = {"file": ("large.bin", LARGE)}
    said = starlette.post(way + "form", data={"note": "grüße"}, files=files).json()
    assert said == {"note": "grüße", "name": "large.bin", "size": len(LARGE)}


@with_starlette
@ways
def test_starlette_reads_a_stream(starlette: Client, way: str) -> None:
    pieces = (b"x" * 1000 for _ in range(100))
    assert starlette.post(way + "echo", content=pieces).json() == {"size": 100_000, "last": "xxxxx"}
    assert starlette.post(way + "echo", content=b"").json() == {"size": 0, "last": ""}


@with_starlette
@ways
def test_starlette_streams(starlette: Client, way: str) -> None:
    whole = "".join(f"piece {number}\n" for number in range(5))
    for _ in range(2):
        assert starlette.get(way + "stream").text == whole


@with_starlette
@ways
def test_starlette_sends_files_by_their_path(starlette: Client, way: str) -> None:
    assert starlette.get(way + "file").content == LARGE
    head = starlette.head(way + "file")
    assert (head.headers["content-length"], head.content) == (str(len(LARGE)), b"")
    part = starlette.get(way + "file", headers={"range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, bytes(range(256)))


@with_starlette
def test_starlettes_static_files(starlette: Client) -> None:
    first = starlette.get("static/small.txt")
    assert first.text == "small\n"
    again = starlette.get("static/small.txt", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert starlette.get("static/nothing.txt").status_code == 404
    assert starlette.get("static/large.bin").content == LARGE


@with_starlette
@ways
def test_starlette_hears_that_nobody_listens_to_its_events(starlette: Client, way: str) -> None:
    asked = f"GET /{way}ticks HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    raw(starlette, asked, b"tick").close()
    until_seen(starlette, "ticks ended")


@with_starlette
def test_starlette_hears_that_nobody_waits(starlette: Client) -> None:
    connection = raw(starlette, b"GET /seen HTTP/1.1\r\nHost: a\r\n\r\n", b"[")
    connection.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.05)
    connection.close()
    until_seen(starlette, "waiting ended")


@with_starlette
def test_starlettes_background_tasks_are_done(starlette: Client) -> None:
    assert starlette.get("work").text == "begun"
    until_seen(starlette, "work done")


@with_starlette
@ways
def test_an_error_in_starlette_is_a_500(starlette: Client, way: str) -> None:
    response = starlette.get(way + "broken")
    assert response.status_code == 500
    assert "not for visitors" not in response.text
    assert starlette.get(way).status_code == 200


@with_starlette
def test_starlettes_early_hints_go_ahead(starlette: Client) -> None:
    connection = raw(starlette, b"GET /hinted HTTP/1.1\r\nHost: a\r\n\r\n", b"103 Early Hints")
    connection.close()
    assert starlette.get("hinted").text == "hinted"


# --- FastAPI and Django --------------------------------------------------------------------------


@pytest.mark.needs("python:fastapi")
def test_fastapi(folder: Path) -> None:
    with served(folder, *own("made_with_fastapi")) as client:
        part = client.get("part/7", params={"color": "red"})
        assert part.json() == {"number": 7, "color": "red"}
        assert client.get("part/seven").status_code == 422
        assert client.post("sum", json=[1, 2, 3]).json() == 6
        assert client.post("sum", content=b"{").status_code == 422
        assert client.get("openapi.json").json()["paths"]


@pytest.mark.needs("python:django")
def test_django(folder: Path) -> None:
    with served(folder, *own("made_with_django")) as client:
        assert client.get("", params={"name": "Ann"}).text == "hello Ann"
        assert client.get("waiting").text == "/waiting http 127.0.0.1"
        said = client.post("upload", data={"note": "n"}, files={"file": ("a.bin", LARGE)}).json()
        assert said == {"note": "n", "name": "a.bin", "size": len(LARGE)}
        assert client.get("stream").text == "piece 0\npiece 1\npiece 2\n"
        assert client.get("file").content == LARGE
        assert client.get("broken").status_code == 500
        assert client.get("nowhere").status_code == 404
        assert client.head("").headers["content-length"] == "14"


# --- an App under others -------------------------------------------------------------------------

FACTORY = "asgi_shops:made_with_crlf"
HOSTS = {
    "uvicorn": ["--port", "PORT", "--log-level", "error", "--factory", FACTORY],
    "granian": ["--interface", "asgi", "--port", "PORT", "--no-ws", "--factory", FACTORY],
    "hypercorn": ["--bind", "127.0.0.1:PORT", FACTORY + "()"],
}


def said(client: Client) -> list[tuple[Any, ...]]:
    """What an App says to a bit of everything."""
    large = {"file": ("large.bin", LARGE)}

    def fields(response: Response) -> dict[str, str]:
        names = ("content-type", "content-length", "etag", "allow", "vary", "content-range")
        return {name: response.headers[name] for name in names if name in response.headers}

    answers = [
        client.get(""),
        client.head(""),
        client.get("part/7", params={"color": "dark red & blue"}),
        client.get("part/seven"),
        client.delete(""),
        client.post("form", data={"name": "nüt", "size": "10"}),
        client.post("upload", data={"note": "grüße"}, files=large),
        client.get("stream"),
        client.get("nothing"),
        client.get("broken"),
        client.get("count"),
        client.get("count"),
        client.get("files/small.txt"),
        client.get("files/large.bin"),
        client.head("files/large.bin"),
        client.get("files/large.bin", headers={"range": "bytes=256-511"}),
        client.get("files/..%2Fetc/passwd"),
    ]
    return [(answer.status_code, fields(answer), answer.content) for answer in answers]


@pytest.mark.parametrize(
    "host", [pytest.param(name, marks=pytest.mark.needs(f"python:{name}")) for name in HOSTS]
)
def test_an_app_says_the_same_under_others(folder: Path, host: str) -> None:
    with served(folder, *own("made_with_crlf")) as client:
        ours = said(client)
    with served(folder, sys.executable, "-m", host, *HOSTS[host]) as client:
        theirs = said(client)
    for number, (one, another) in enumerate(zip(ours, theirs, strict=True)):
        assert one == another, number
