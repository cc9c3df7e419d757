"""Every kind of answer that our server gives, as it is on the wire, judged by httplint.

What an App says, and a folder, Starlette and Flask; every refusal from 400 to 505, whoever makes
it: the engine before there is a request, a gate, a limit, a deadline, the application, its
failure. Each is asked for by bytes, since no client would send most of them, and read by Python's
own http.client. What the linter says against an answer that has to be so is named with its reason.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json as json_text
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels
from tests.live import client_shops
from tests.live.client_shops import NEEDS, fill

from crlf import App, Limits, Patience, Request, Response, running
from crlf.server import (
    AsgiApplication,
    Folder,
    FolderSettings,
    FolderSite,
    Refused,
    ServerSettings,
    WsgiApplication,
    html,
    json,
    redirect,
    stream,
    text,
)

pytestmark = [pytest.mark.timeout(60)]

# What the linter says against answers that have to be as they are, and why.
KNOWN = {
    "STATUS_BAD_REQUEST": "says that the request was bad, which is what 400 is for",
    "STATUS_URI_TOO_LONG": "says that the target was long, which is what 414 is for",
    "STATUS_VERSION_NOT_SUPPORTED": "says what 505 says",
    "DATE_CLOCKLESS": "an interim answer needs none, RFC 9110 6.6.1; it has no other fields either",
    "FRESHNESS_HEURISTIC": "how long caches may keep a page is the application's to say",
    "PARTIAL_WITHOUT_RANGE": "several parts: Content-Range is in each, RFC 9110 15.3.7.2",
}


class Answer(NamedTuple):
    """One response as it came."""

    status_code: int
    reason: str
    fields: list[tuple[str, str]]
    content: bytes

    def faults(self, method: str = "GET") -> list[str]:
        """What the linter has against it."""
        linter = HttpResponseLinter(no_content=method == "HEAD")
        topline = (b"HTTP/1.1", str(self.status_code).encode(), self.reason.encode())
        linter.process_response_topline(*topline)
        linter.process_headers(
            [(name.encode(), value.encode("latin-1")) for name, value in self.fields]
        )
        linter.feed_content(self.content)
        linter.finish_content(True)
        return [
            f"{type(note).__name__}: {note.summary}"
            for note in linter.notes
            if note.level in (levels.BAD, levels.WARN) and type(note).__name__ not in KNOWN
        ]


class _Heard(io.BytesIO):
    """What http.client takes for a socket."""

    def makefile(self, *_: object) -> io.BytesIO:
        return self

    def close(self) -> None:
        """Stay open: more answers may follow."""


def ask(port: int, asked: bytes, method: str = "GET", *, wait: float = 10) -> list[Answer]:
    """Send bytes, read until the server closes, and return all its answers."""
    with socket.create_connection(("127.0.0.1", port), wait) as connection:
        connection.sendall(asked)
        heard = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                heard += piece
    return list(answers_in(_Heard(bytes(heard)), method))


def answers_in(heard: _Heard, method: str) -> Iterator[Answer]:
    size = len(heard.getbuffer())
    while heard.tell() < size:
        at = heard.tell()
        head = heard.read().partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        heard.seek(at)
        interim = head[0].split(" ", 2)
        if interim[1].startswith("1"):  # http.client would pass over it
            heard.seek(at + len("\r\n".join(head)) + 4)
            fields = [tuple(line.split(": ", 1)) for line in head[1:]]
            yield Answer(int(interim[1]), interim[2], fields, b"")  # type: ignore[arg-type]  # pairs
            continue
        response = http.client.HTTPResponse(heard, method=method)  # type: ignore[arg-type]  # no socket
        response.begin()
        content = response.read()
        assert response.version == 11
        yield Answer(response.status, response.reason, response.getheaders(), content)


# --- what is served ------------------------------------------------------------------------------

LIMITS = Limits(line=2000, field=2000, fields=40, head=8000, body=50_000, query_fields=20)
PATIENCE = Patience(head=0.5, body_grace=0.3, body_stall=0.5, linger=0.3)


def application(folder: Path) -> App:
    app = App(secret="a secret of more than sixteen bytes", secure_cookies=False)
    app.folder("/files", Folder(folder / "files", listing=True))

    @app.get("/text")
    async def plain(request: Request) -> Response:
        return text("hello\n")

    @app.get("/html")
    def page(request: Request) -> Response:
        return html("<!DOCTYPE html><title>a</title>")

    @app.get("/json")
    def data(request: Request) -> Response:
        return json({"a": 1})

    @app.get("/moved")
    def moved(request: Request) -> Response:
        return redirect("/text")

    @app.get("/nothing")
    def nothing(request: Request) -> Response:
        return Response(204)

    @app.get("/stream")
    def pieces(request: Request) -> Response:
        return stream(iter([b"a", b"b"]), "text/plain; charset=utf-8")

    @app.get("/session")
    def visited(request: Request) -> Response:
        request.session["n"] = 1
        return text("noted\n")

    @app.get("/number/{number:int}")
    def number(request: Request, number: int) -> Response:
        return text(str(request.query.int("more")))

    @app.post("/form")
    def form(request: Request) -> Response:
        return text(f"{len(request.form)} {len(request.files)}\n")

    @app.get("/refused/{code:int}")
    def refused(request: Request, code: int) -> Response:
        challenge = {"www-authenticate": 'Basic realm="a"'} if code == 401 else None
        raise Refused(code, "as it was asked for", headers=challenge)

    @app.get("/broken")
    async def broken(request: Request) -> Response:
        raise LookupError("not for visitors")

    return app


def fields(head: str, **more: str) -> str:
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items()]
    return f"{head} HTTP/1.1\r\nHost: a.example\r\n{''.join(lines)}"


def get(target: str, **more: str) -> bytes:
    """Write a GET that is the last of its connection."""
    return (fields(f"GET {target}", **more) + "Connection: close\r\n\r\n").encode()


def by(method: str, target: str, content: str = "", **more: str) -> bytes:
    more["Content_Length"] = str(len(content))
    return (fields(f"{method} {target}", **more) + f"Connection: close\r\n\r\n{content}").encode()


def form(content: str) -> bytes:
    return by("POST", "/form", content, Content_Type="application/x-www-form-urlencoded")


TAG = "TAG"  # stands for the entity tag of /files/page.html
HTML = {"Accept": "text/html,*/*;q=0.8"}
CHUNKED = fields("POST /form", Transfer_Encoding="chunked")
PARTS = "multipart/form-data; boundary=b"
LATE = fields("POST /form", Content_Length="100").encode() + b"\r\nab"

APP: list[tuple[int, bytes]] = [
    (200, get("/text")),
    (200, by("HEAD", "/text")),
    (200, get("/html")),
    (200, get("/json")),
    (200, get("/stream")),
    (200, by("HEAD", "/stream")),
    (200, get("/session")),
    (200, get("/number/7?more=3")),
    (200, form("a=1&b=2")),
    (200, by("POST", "/form", "--b--\r\n", Content_Type=PARTS)),
    (200, (CHUNKED + "Connection: close\r\n\r\n3\r\na=b\r\n0\r\n\r\n").encode()),
    (204, get("/nothing")),
    (204, by("OPTIONS", "/text")),
    (204, by("OPTIONS", "*")),
    (303, get("/moved")),
    # files
    (200, get("/files/page.html")),
    (200, get("/files/page.html", Accept_Encoding="gzip")),
    (200, get("/files/page.html", Accept_Encoding="br")),
    (200, get("/files/page.html", Accept_Encoding="zstd")),
    (200, by("HEAD", "/files/large.bin")),
    (200, get("/files/large.bin")),
    (200, get("/files/")),
    (200, get("/files/", Accept="application/json")),
    (200, get("/files/sub/")),
    (301, get("/files/sub")),
    (304, get("/files/page.html", If_None_Match=TAG)),
    (304, get("/files/page.html", If_Modified_Since="Tue, 14 Nov 2023 22:13:20 GMT")),
    (304, by("HEAD", "/files/page.html", If_None_Match="*")),
    (206, get("/files/page.html", Range="bytes=0-9")),
    (206, get("/files/page.html", Range="bytes=0-9", If_Range=TAG)),
    (200, get("/files/page.html", Range="bytes=0-9", If_Range='"other"')),
    (206, get("/files/large.bin", Range="bytes=-9")),
    (206, get("/files/large.bin", Range="bytes=0-9,100-109")),
    (416, get("/files/large.bin", Range="bytes=99999999-")),
    (412, get("/files/page.html", If_Match='"other"')),
    (412, get("/files/page.html", If_Unmodified_Since="Tue, 14 Nov 2000 22:13:20 GMT")),
    (406, get("/files/page.html", Accept_Encoding="identity;q=0")),
    (405, by("DELETE", "/files/page.html")),
    (404, get("/files/none")),
    (404, get("/files/none", **HTML)),
    (404, get("/files/.hidden")),
    (400, get("/files/%00")),
    # what the application refuses, or fails at
    *[(code, get(f"/refused/{code}", **HTML)) for code in (400, 401, 403, 404, 409, 410, 429)],
    *[(code, get(f"/refused/{code}")) for code in (404, 415, 422, 428, 451, 503)],
    (400, get("/number/7?more=three")),
    (404, get("/nowhere")),
    (404, get("/nowhere", **HTML)),
    (404, get("/number/seven")),
    (405, by("POST", "/text")),
    (500, get("/broken")),
    (500, get("/broken", **HTML)),
    (500, by("HEAD", "/broken")),
    (501, by("BREW", "/text")),
    # gates and endpoints of the server
    (200, get("/healthz")),
    (200, get("/readyz")),
    (200, by("HEAD", "/readyz")),
    (405, by("POST", "/healthz")),
    (200, get("/metrics")),
    (200, get("/metrics", Accept="application/openmetrics-text")),
    (405, by("POST", "/metrics")),
    (421, b"GET /text HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n"),
    # limits
    (413, by("POST", "/form", "x" * 60_000)),
    (413, (CHUNKED + "\r\n" + f"{60_000:x}\r\n" + "x" * 60_000).encode()),
    (414, get("/text?" + "x" * 3000)),
    (414, get("/number/7?" + "a=b&" * 30)),
    (431, get("/text", A="x" * 3000)),
    (431, get("/text", **{f"A{number}": "x" for number in range(60)})),
    # rules
    (400, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
    (400, b"GET /text\r\n\r\n"),
    (400, b"GET /text HTTP/1.1\r\n\r\n"),
    (400, b"GET /te xt HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    (400, get("/text").replace(b"Host:", b"Host: a\r\nHost:")),
    (400, get("/text").replace(b"a.example", b"a b")),
    (400, get("/text", Content_Length="1, 2")),
    (400, get("/text").replace(b"Host", b"X Y: z\r\nHost")),
    (400, (CHUNKED + "Content-Length: 3\r\n\r\n").encode()),
    (400, (CHUNKED + "\r\nzz\r\n").encode()),
    (400, by("POST", "/form", "not that", Content_Type=PARTS)),
    (417, by("POST", "/form", "a=b", Expect="a-miracle")),
    (501, (fields("POST /form", Transfer_Encoding="gzip, chunked") + "\r\n").encode()),
    (501, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
    (505, b"GET /text HTTP/2.0\r\nHost: a.example\r\n\r\n"),
    (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    # time
    (408, b"GET /text HTTP/1.1\r\nHost: a.exa"),
    (408, LATE),
]  # fmt: skip

FOLDER: list[tuple[int, bytes]] = [
    (200, get("/")),
    (200, get("/page.html", Accept_Encoding="gzip")),
    (204, by("OPTIONS", "/")),
    (301, get("/sub")),
    (304, get("/page.html", If_None_Match=TAG)),
    (206, get("/large.bin", Range="bytes=1-2")),
    (405, by("POST", "/page.html")),
    (404, get("/none", **HTML)),
    (501, by("BREW", "/page.html")),
    (413, by("POST", "/page.html", "x" * 60_000)),
    (421, b"GET / HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (505, b"GET / HTTP/3.0\r\nHost: a.example\r\n\r\n"),
    (408, b"GET /"),
]

TOKEN = "correct-horse-battery-staple"
SECRET = {"Authorization": f"Bearer {TOKEN}"}
FILE = '--b\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\nabc\r\n--b--\r\n'
FORM = {"Content_Type": PARTS, **SECRET}

# One after the other, in a folder of their own.
UPLOAD: list[tuple[int, bytes]] = [
    (200, get("/")),
    (200, get("/", **SECRET, **HTML)),
    (401, by("PUT", "/new.txt", "abc")),
    (401, by("PUT", "/new.txt", "abc", Authorization="Bearer wrong", **HTML)),
    (201, by("PUT", "/new.txt", "abc", **SECRET)),
    (409, by("PUT", "/new.txt", "abc", **SECRET)),
    (412, by("PUT", "/new.txt", "abc", If_Match='"other"', **SECRET)),
    (412, by("PUT", "/new.txt", "abc", If_None_Match="*", **SECRET)),
    (204, by("PUT", "/new.txt", "abcd", If_Match="*", **SECRET)),
    (400, by("PUT", "/part.txt", "abc", Content_Range="bytes 0-2/9", **SECRET)),
    (415, by("PUT", "/coded.txt", "abc", Content_Encoding="gzip", **SECRET)),
    (403, by("PUT", "/.hidden", "abc", **SECRET)),
    (403, by("POST", "/", FILE.format("a"), Sec_Fetch_Site="cross-site", **FORM)),
    (413, by("PUT", "/large.txt", "x" * 40_000, **SECRET)),
    (201, by("PUT", "/one.txt", "x" * 25_000, **SECRET)),
    (201, by("PUT", "/two.txt", "x" * 25_000, **SECRET)),
    (507, by("PUT", "/over-quota.txt", "x" * 25_000, **SECRET)),
    (201, by("POST", "/", FILE.format("form.txt"), **FORM)),
    (201, by("POST", "/", FILE.format("form.txt"), Accept="application/json", **FORM)),
    (303, by("POST", "/", FILE.format("form.txt"), **FORM, **HTML)),
    (200, get("/new.txt")),
    (415, by("POST", "/", "a=b", Content_Type="text/plain", **SECRET)),
    (400, by("POST", "/", "not that", **FORM)),
    (405, by("DELETE", "/new.txt", **SECRET)),
    (204, by("OPTIONS", "/", **SECRET)),
]

# The same of both; fields that an application of others sends are its own.
HOSTED: list[tuple[int, bytes]] = [
    (200, get("/hello")),
    (200, by("HEAD", "/hello")),
    (200, get("/stream")),
    (200, get("/seen")),
    (200, by("POST", "/echo", "abc")),
    (303, get("/to-hello")),
    (404, get("/nowhere")),
    (405, by("DELETE", "/hello")),
    (500, get("/broken")),
    (200, get("/files/large.bin")),
    (206, get("/files/large.bin", Range="bytes=1-2")),
    (416, get("/files/large.bin", Range="bytes=99999999-")),
    (304, get("/files/page.html", If_Modified_Since="Tue, 14 Nov 2023 22:13:20 GMT")),
    (200, get("/healthz")),
    (413, by("POST", "/echo", "x" * 60_000)),
    (421, b"GET /hello HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n"),
    (400, b"GET /hello HTTP/1.1\r\n\r\n"),
    (505, b"GET /hello HTTP/2.0\r\nHost: a.example\r\n\r\n"),
    (408, fields("POST /echo", Content_Length="100").encode() + b"\r\nab"),
]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Look for nothing: the servers of this file outlive each test, with threads as they come."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fill(tmp_path_factory.mktemp("lint") / "served")
    (folder / "files" / "sub").mkdir()
    return folder


@pytest.fixture(scope="module")
def ports(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Give the port of each kind of application, served with everything on that adds fields."""
    settings = ServerSettings(
        bind=("127.0.0.1:0",), limits=LIMITS, patience=PATIENCE, health=True, metrics="/metrics",
        request_ids=True, server_timing=True, allowed_hosts=("a.example",),
    )  # fmt: skip

    inbox = tmp_path_factory.mktemp("inbox")
    takes = FolderSettings(
        upload=True, upload_token=TOKEN, upload_limit=30_000, upload_quota=60_000
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(client_shops, "FOLDER", shared)
        applications: dict[str, Any] = {
            "app": application(shared),
            "folder": FolderSite(Folder(shared / "files", listing=True)),
            "upload": FolderSite(inbox, takes),
        }
        if find_spec("starlette"):
            applications["starlette"] = AsgiApplication(client_shops.made_with_starlette())
        if find_spec("flask"):
            applications["flask"] = WsgiApplication(client_shops.made_with_flask())
        servers = {
            kind: stack.enter_context(running(app, settings=settings))
            for kind, app in applications.items()
        }
        yield {kind: server.port for kind, server in servers.items()}


def named(asked: bytes) -> str:
    """Say in a few words what was asked."""
    said = re.sub(rb"Connection: close|Host: a.example|\r\n", b" ", asked[:120])
    return re.sub(r"[^ -~]|(.)\1{9,}", "", " ".join(said.decode("latin-1").split()))[:70]


def cases(kind: str, rows: list[tuple[int, bytes]]) -> list[Any]:
    marks = [pytest.mark.needs(*NEEDS[kind])] if kind in NEEDS else []
    return [
        pytest.param(kind, code, asked, id=f"{kind}: {code} {named(asked)}", marks=marks)
        for code, asked in rows
    ]


@pytest.mark.filterwarnings("ignore:.*failed.*")
@pytest.mark.parametrize(
    ("kind", "status_code", "asked"),
    [
        *cases("app", APP),
        *cases("folder", FOLDER),
        *cases("upload", UPLOAD),
        *cases("starlette", HOSTED),
        *cases("flask", HOSTED),
    ],
)
def test_an_answer_is_clean(
    kind: str, status_code: int, asked: bytes, ports: dict[str, int], shared: Path
) -> None:
    if TAG.encode() in asked:
        files = "/files" if kind != "folder" else ""
        head = ask(ports[kind], by("HEAD", f"{files}/page.html"), "HEAD")[0]
        asked = asked.replace(TAG.encode(), dict(head.fields)["etag"].encode())
    method = asked.partition(b" ")[0].decode("latin-1")
    answers = ask(ports[kind], asked, method)
    assert [answer.status_code for answer in answers] == [status_code]
    assert answers[0].faults(method) == []


@pytest.mark.rfc("9110", "15.2")
def test_what_is_said_meanwhile_is_clean(ports: dict[str, int]) -> None:
    asked = by("POST", "/form", "a=b", Expect="100-continue")
    head, _, content = asked.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", ports["app"]), 10) as connection:
        connection.sendall(head + b"\r\n\r\n")
        heard = connection.recv(65536)
        connection.sendall(content)
        while piece := connection.recv(65536):
            heard += piece
    answers = list(answers_in(_Heard(heard), "POST"))
    assert [answer.status_code for answer in answers] == [100, 200]
    assert [answer.faults("POST") for answer in answers] == [[], []]


def test_what_is_said_while_the_server_stops_is_clean(shared: Path) -> None:
    app = App()

    @app.get("/slow")
    def slow(request: Request) -> Response:
        request.draining.wait(10)
        return text("at last\n")

    settings = ServerSettings(bind=("127.0.0.1:0",), health=True)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(app, settings=settings))
        waiting = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
        waiting.sendall(fields("GET /slow").encode() + b"\r\n")
        time.sleep(0.1)
        server.request_stop()
        heard = b""
        while piece := waiting.recv(65536):
            heard += piece
    [answer] = answers_in(_Heard(heard), "GET")
    assert answer.status_code == 200
    assert ("connection", "close") in answer.fields
    assert answer.faults() == []


def notes_in(found: Any) -> Iterator[tuple[str, str]]:
    """Yield each note that redbot has written into its report, with its level."""
    if isinstance(found, dict):
        if "level" in found:
            yield found["level"], json_text.dumps(found)
        found = list(found.values())
    if isinstance(found, list):
        for part in found:
            yield from notes_in(part)


@pytest.mark.long
@pytest.mark.needs("redbot")
@pytest.mark.parametrize("kind", ["app", "folder"])
@pytest.mark.parametrize("path", ["page.html", "large.bin", "", "app.3f2a9b1c.js"])
def test_redbot_has_nothing_against_it(
    kind: str, path: str, shared: Path, program: Callable[[str], str]
) -> None:
    """It asks itself: for the whole, for codings, by validators, for parts, and compares."""
    (shared / "files" / "app.3f2a9b1c.js").write_text("let a;" * 1000)
    files = Folder(shared / "files", listing=True, hashed=True)
    app: Any = FolderSite(files)
    if kind == "app":
        app = App()
        app.folder("/", files)
    with running(app) as server:
        command = [program("redbot"), "-o", "har", server.url + path]
        done = subprocess.run(command, capture_output=True, timeout=50)
    assert done.returncode == 0, done.stderr
    notes = list(notes_in(json_text.loads(done.stdout)))
    assert len(notes) >= 5
    assert [text for level, text in notes if level in ("BAD", "WARN")] == []


def test_the_linter_sees_a_fault() -> None:
    broken = Answer(200, "OK", [("Date", "yesterday"), ("Content-Type", "text/html; charset")], b"")
    assert broken.faults() != []


def test_every_exemption_is_one() -> None:
    """A name that the linter does not know would exempt nothing, and nobody would notice."""
    import httplint

    source = Path(httplint.__file__).parent
    classes = "".join(path.read_text() for path in source.rglob("*.py"))
    assert [name for name in KNOWN if f"class {name}(" not in classes] == []
    assert os.path.isdir(source)
