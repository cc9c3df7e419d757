"""What our server sends is found clean by httplint, a judge that nobody here wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels

from crlf.client.blocking import Client
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.server.apps.answers import html, json, redirect, stream, text
from crlf.server.apps.app import App
from crlf.server.starting import running

# What a linter warns of that is the application's to decide, not the server's: how long a page
# may be kept by a cache that was told nothing.
ITS_OWN = frozenset({"FRESHNESS_HEURISTIC"})


def faults_of(response: Response) -> list[str]:
    linter = HttpResponseLinter()
    linter.process_response_topline(
        b"HTTP/1.1", str(response.status_code).encode(), response.reason.encode()
    )
    linter.process_headers(
        [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.fields
        ]
    )
    linter.feed_content(response.content)
    linter.finish_content(True)
    return [
        f"{type(note).__name__}: {note.summary}"
        for note in linter.notes
        if note.level in (levels.BAD, levels.WARN) and type(note).__name__ not in ITS_OWN
    ]


def application(folder: Path) -> App:
    app = App(secret="a secret of more than sixteen bytes")

    @app.get("/text")
    async def plain(request: Request) -> Response:
        return text("hello\n")

    @app.get("/html")
    def page(request: Request) -> Response:
        return html("<p>hello</p>")

    @app.get("/json")
    def data(request: Request) -> Response:
        return json({"a": 1})

    @app.get("/stream")
    def pieces(request: Request) -> Response:
        return stream(iter([b"a", b"b"]), "text/plain; charset=utf-8")

    @app.get("/session")
    def visited(request: Request) -> Response:
        request.session["n"] = request.session.get("n", 0) + 1
        return text("counted\n")

    @app.post("/order")
    def order(request: Request) -> Response:
        return redirect("/text")

    @app.get("/broken")
    def broken(request: Request) -> Response:
        raise ZeroDivisionError

    app.folder("/files", folder)
    return app


@pytest.mark.parametrize(
    ("method", "path", "status_code"),
    [
        ("GET", "/text", 200),
        ("GET", "/html", 200),
        ("GET", "/json", 200),
        ("GET", "/stream", 200),
        ("GET", "/session", 200),
        ("POST", "/order", 303),
        ("GET", "/broken", 500),
        ("GET", "/nothing", 404),
        ("POST", "/text", 405),
        ("OPTIONS", "/text", 204),
        ("GET", "/files/page.html", 200),
        ("GET", "/files/nothing", 404),
    ],
)
def test_an_answer_is_clean(method: str, path: str, status_code: int, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!DOCTYPE html><title>a</title>")
    with running(application(tmp_path)) as server, Client(follow_redirects=False) as client:
        response = client.request(method, server.url.rstrip("/") + path)
    assert response.status_code == status_code
    assert faults_of(response) == []


def test_a_fault_is_seen() -> None:
    broken = Response(200, {"date": "yesterday", "content-type": "text/html; charset"})
    assert faults_of(broken) != []
