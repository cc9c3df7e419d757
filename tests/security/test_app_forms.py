"""Forms and uploads of applications, attacked: bodies, names, paths, untimely readers."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf import App, Client, running
from crlf.message.request import Request
from crlf.rules.deadlines import Patience
from crlf.server import stream

pytestmark = [pytest.mark.rfc("7578", "4.2"), pytest.mark.timeout(60)]

HOME = "http://localhost"
FORM = {"content-type": "multipart/form-data; boundary=XX"}
MEGABYTE = os.urandom(1_000_000)


def part(disposition: str, content: bytes = b"1", more: str = "") -> bytes:
    head = f"--XX\r\nContent-Disposition: {disposition}\r\n{more}\r\n"
    return head.encode("utf-8", "surrogatepass") + content + b"\r\n"


def form_of(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


def file_of(filename: str, content: bytes = b"1") -> bytes:
    return form_of(part(f'form-data; name="f"; filename="{filename}"', content))


def taking(folder: Path) -> App:
    app = App(sessions=False, csrf=False)

    @app.post("/form")
    def form(request: Request) -> dict[str, Any]:
        files: Any = request.files
        return {
            "form": list(request.form.pairs),
            "files": [[name, upload.safe_name(), upload.size] for name, upload in files.pairs],
            "all": len(files.get_all("f")),
        }

    @app.post("/save")
    def save(request: Request) -> str:
        upload: Any = request.files["f"]
        return str(upload.save(folder / "in" / upload.filename))

    @app.post("/joined")
    def joined(request: Request) -> str:
        upload: Any = request.files["f"]
        return str(upload.save(os.path.join(folder / "in", upload.filename)))

    @app.post("/stream", streams=True)
    def save_streamed(request: Request) -> list[str]:
        return [
            part.save(os.path.join(folder / "in", part.filename or "unnamed"))
            for part in request.parts()
        ]

    @app.post("/astream", streams=True)
    async def save_awaited(request: Request) -> list[str]:
        return [
            await part.save(os.path.join(folder / "in", part.filename or "unnamed"))
            async for part in request.parts()
        ]

    (folder / "in").mkdir()
    return app


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Client(app=taking(tmp_path), base_url=HOME) as opened:
        yield opened


# -- bodies that are none, or two


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form_of(part('form-data; name="a"; name="b"')), 400),
        (form_of(part('form-data; filename="b"')), 400),
        (form_of(part('attachment; name="a"')), 400),
        (form_of(part('form-data;\r\n name="a"')), 400),
        (form_of(part('form-data; name="a\0"')), 400),
        (form_of(part('form-data; name="a"', more="Content-Disposition: form-data\r\n")), 400),
        (form_of(part('form-data; name="a"', more="Content-Transfer-Encoding: base64\r\n")), 400),
        (form_of(part('form-data; name="a"', b"x\r\n--XXY\r\ny")), 400),
        (form_of(part('form-data; name="a"')).replace(b"\r\n", b"\n"), 400),
        (part('form-data; name="a"'), 400),
        (part('form-data; name="a"') + b"--XX-", 400),
        (b"--XX\r\n\r\n1\r\n--XX--\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (form_of(part(f'form-data; name="{"a" * 9000}"')), 431),
        (form_of(part('form-data; name="a"', more="X: y\r\n" * 200)), 431),
        (form_of(*[part(f'form-data; name="{number}"') for number in range(10_000)]), 413),
        (b"x" * 100_000 + b"\r\n" + form_of(part('form-data; name="a"')), 413),
        (form_of(part('form-data; name="a"')) + b"x" * 100_000, 413),
        (form_of(part('form-data; name="a"', b"x" * 3_000_000)), 413),
    ],
)  # fmt: skip
def test_a_hostile_form_is_refused_with_its_rule(client: Client, body: bytes, status: int) -> None:
    answer = client.post("/form", content=body, headers=FORM)
    assert answer.status_code == status, answer.text
    assert "Something" not in answer.text


@pytest.mark.parametrize(
    "kind", ["multipart/mixed; boundary=XX", "text/plain", "", FORM["content-type"]]
)
@pytest.mark.parametrize("body", [b"", form_of(part('form-data; name="f"; filename="x"'))])
def test_what_is_no_form_has_no_files(client: Client, kind: str, body: bytes) -> None:
    """A handler may ask as of any form: who sends another kind breaks nothing."""
    answer = client.post("/form", content=body, headers={"content-type": kind} if kind else {})
    assert answer.status_code == 200
    expected = 1 if body and "form-data" in kind else 0
    assert answer.json()["all"] == expected


def test_a_form_in_a_form_is_a_file(client: Client) -> None:
    inner = part('form-data; name="evil"').replace(b"XX", b"YY") + b"--YY--"
    outer = form_of(
        part(
            'form-data; name="f"; filename="x"',
            inner,
            "Content-Type: multipart/mixed; boundary=YY\r\n",
        )
    )
    told = client.post("/form", content=outer, headers=FORM).json()
    assert told == {"form": [], "files": [["f", "x", len(inner)]], "all": 1}


@pytest.mark.rfc("9110", "8.4")
def test_a_coded_body_is_not_undone(client: Client) -> None:
    """Ten megabytes of it in ten kilobytes would be a bomb."""
    bomb = gzip.compress(b"0" * 10_000_000)
    answer = client.post("/form", content=bomb, headers={**FORM, "content-encoding": "gzip"})
    assert answer.status_code in (400, 413, 415)


# -- names and paths


@pytest.mark.parametrize("way", ["/save", "/joined", "/stream", "/astream"])
@pytest.mark.parametrize(
    "name",
    [
        "../x", "../../../../tmp/x", "/tmp/crlf-evil", "a/b", "..", ".", "in/../x", "C:\\\\x",
        "~/x", "x.", "x ", "a\u202eb", "CON", "x%0Ay", ".hidden",
    ],
)  # fmt: skip
def test_no_name_of_the_senders_leads_a_path(
    client: Client, tmp_path: Path, way: str, name: str
) -> None:
    answer = client.post(way, content=file_of(name), headers=FORM)
    assert answer.status_code in (400, 500)
    assert list((tmp_path / "in").iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]
    assert not os.path.lexists("/tmp/crlf-evil")


@pytest.mark.parametrize("way", ["/save", "/stream", "/astream"])
def test_a_link_that_lies_there_is_replaced_and_not_followed(
    client: Client, tmp_path: Path, way: str
) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "in" / "x").symlink_to(target)
    assert client.post(way, content=file_of("x"), headers=FORM).status_code == 200
    assert target.read_text() == "precious"
    assert (tmp_path / "in" / "x").read_bytes() == b"1"
    assert not (tmp_path / "in" / "x").is_symlink()


@pytest.mark.parametrize("way", ["/save", "/stream", "/astream"])
def test_a_form_that_breaks_off_leaves_nothing(client: Client, tmp_path: Path, way: str) -> None:
    for body in (file_of("x", MEGABYTE)[:-10], file_of("x", MEGABYTE)[:600_000]):
        assert client.post(way, content=body, headers=FORM).status_code == 400
        assert list((tmp_path / "in").iterdir()) == []


# -- who reads what comes, and when


def reading(told: list[str]) -> App:
    app = App(sessions=False, csrf=False)

    def size(request: Request) -> int:
        return sum(map(len, request.pieces()))

    def noting(request: Request) -> None:
        try:
            told.append(str(size(request)))
        except Exception as fault:
            told.append(type(fault).__name__)

    @app.post("/never", streams=True)
    def never(request: Request) -> str:
        return "never"

    @app.post("/anever", streams=True)
    async def never_awaited(request: Request) -> str:
        return "never"

    @app.post("/twice", streams=True)
    def twice(request: Request) -> list[int]:
        return [size(request), size(request)]

    @app.post("/tasks", streams=True)
    async def tasks(request: Request) -> str:
        async def read() -> int:
            return sum([len(piece) async for piece in request.pieces()])

        results = await asyncio.gather(read(), read(), return_exceptions=True)
        assert any(isinstance(result, Exception) for result in results) or sum(
            result for result in results if isinstance(result, int)
        ) == int(request.headers["Content-Length"])
        return "one"

    @app.post("/threads", streams=True)
    def threads(request: Request) -> list[str]:
        mine: list[str] = []

        def read() -> None:
            try:
                mine.append(str(size(request)))
            except Exception as fault:
                mine.append(type(fault).__name__)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(10)
        return mine

    @app.post("/later", streams=True)
    async def later(request: Request) -> str:
        request.after_answer(noting, request)
        return "later"

    @app.post("/generator", streams=True)
    async def generator(request: Request) -> object:
        async def pieces() -> AsyncIterator[bytes]:
            async for piece in request.pieces():
                yield hashlib.sha256(piece).digest()

        return stream(pieces())

    def raising(request: Request, progress: object) -> None:
        raise ValueError("of the progress")

    @app.post("/progress", progress=raising)
    def told_whole(request: Request) -> str:
        return "whole"

    @app.post("/progressing", progress=raising, streams=True)
    def told_streamed(request: Request) -> str:
        return str(size(request))

    @app.get("/ok")
    async def ok(request: Request) -> str:
        return "ok"

    return app


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/never", 200), ("/anever", 200), ("/twice", 200), ("/tasks", 200), ("/threads", 200),
        ("/later", 200), ("/generator", 200), ("/progress", 500), ("/progressing", 500),
    ],
)  # fmt: skip
def test_however_it_is_read_the_server_goes_on(path: str, status: int) -> None:
    told: list[str] = []
    with (
        running(reading(told), patience=Patience(drain=2)) as server,
        Client(base_url=server.url) as client,
    ):
        answer = client.post(path, content=MEGABYTE)
        assert answer.status_code == status
        assert client.get("/ok").text == "ok"
        broken = client.post(path, content=file_of("x", MEGABYTE)[:-9], headers=FORM)
        assert broken.status_code in (status, 400)
        assert client.get("/ok").text == "ok"
    assert not told or set(told) == {"RuntimeError"}  # after the answer nobody reads


def test_size_and_digest_are_of_what_was_sent(client: Client) -> None:
    app = App(sessions=False, csrf=False)

    @app.post("/whole")
    def whole(request: Request) -> list[object]:
        upload: Any = request.files["f"]
        first, again = upload.read(), upload.read()
        return [upload.size, upload.sha256, first == again, hashlib.sha256(first).hexdigest()]

    @app.post("/parts", streams=True)
    async def parts(request: Request) -> list[object]:
        made = []
        async for one in request.parts():
            made += [one.size, hashlib.sha256(await one.read(10_000_000)).hexdigest(), one.size]
        return made

    with Client(app=app, base_url=HOME) as opened:
        for content in (b"", b"\r\n--X", b"\r\n--X\r" * 7, MEGABYTE, MEGABYTE + b"\r\n"):
            digest = hashlib.sha256(content).hexdigest()
            body = file_of("x", content)
            told = opened.post("/whole", content=body, headers=FORM).json()
            assert told == [len(content), digest, True, digest]
            assert opened.post("/parts", content=body, headers=FORM).json() == [
                0,
                digest,
                len(content),
            ]
