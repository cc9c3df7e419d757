"""What was made for one visitor is kept by no cache for another: whoever looked, wherever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from crlf import App, Client, Refused, file, html, redirect, template
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.session import Session
from crlf.server import csrf_field, events, stream

pytestmark = [pytest.mark.rfc("9111", "5.2.2.7"), pytest.mark.rfc("9111", "4.1")]

SECRET = "a secret of sixteen bytes"
HOME = "http://localhost"

PATHS = [
    "/public", "/targeted", "/star", "/refused", "/boom", "/moved", "/file", "/look", "/csrf",
    "/flash", "/flashes", "/flashes", "/stream", "/events", "/empty", "/head", "/copy", "/caught",
]  # fmt: skip


def look(request: Request) -> object:
    return request.session.get("x")


def made(folder: Path, sessions: str) -> App:
    (folder / "pages").mkdir()
    (folder / "pages" / "look.html").write_text("{{ session.user }}")
    (folder / "pages" / "flashes.html").write_text(
        "{% for f in flashes() %}{{ f.text }}{% endfor %}"
    )
    (folder / "x.txt").write_text("file")
    place = "cookie" if sessions == "cookie" else str(folder / "s.sqlite")
    app = App(secret=SECRET, sessions=place, csrf=False, templates=folder / "pages")

    answers: dict[str, Callable[[], object]] = {
        "/public": lambda: ("x", 200, {"cache-control": "public, s-maxage=9, max-age=60"}),
        "/targeted": lambda: ("x", 200, {
            "cdn-cache-control": "max-age=60", "surrogate-control": "max-age=60",
            "x-accel-expires": "60", "cloudflare-cdn-cache-control": "max-age=60"}),
        "/star": lambda: ("x", 200, {"vary": "*"}),
        "/moved": lambda: redirect("/x", 301),
        "/file": lambda: file(folder / "x.txt"),
        "/stream": lambda: stream([b"a"]),
        "/empty": lambda: ("", 204),
        "/head": lambda: "x",
        "/events": lambda: events(["a"]),
    }  # fmt: skip

    def answering(answer: Callable[[], object]) -> Callable[[Request], object]:
        def handler(request: Request) -> object:
            look(request)
            return answer()

        return handler

    for path, answer in answers.items():
        app.get(path, name=path)(answering(answer))

    @app.get("/refused")
    def refused(request: Request) -> str:
        look(request)
        raise Refused(404)

    @app.get("/boom")
    async def boom(request: Request) -> str:
        look(request)
        raise ValueError

    @app.get("/caught")
    async def caught(request: Request) -> str:
        raise KeyError

    @app.on_error(KeyError)
    def catching(request: Request, error: Exception) -> object:
        look(request)
        return ("caught", 200, {"cache-control": "public"})

    @app.get("/look")
    def looking(request: Request) -> object:
        return template("look.html")

    @app.get("/csrf")
    async def csrf(request: Request) -> object:
        return html(csrf_field(request))

    @app.get("/flash")
    def flash(request: Request) -> str:
        request.session.flash("hello")
        return "x"

    @app.get("/flashes")
    async def flashes(request: Request) -> object:
        return template("flashes.html")

    @app.get("/copy")
    def copy(request: Request) -> str:
        look(request.with_field("x-more", "1"))
        return "x"

    @app.get("/unseen")
    def unseen(request: Request) -> str:
        return "x"

    (folder / "static").mkdir()
    (folder / "static" / "a.html").write_text("static")
    app.folder("/static", folder / "static")
    return app


@pytest.fixture(params=["cookie", "file"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    app = made(tmp_path, request.param)
    yield app
    store = getattr(app.sessions, "store", None)
    if store is not None:
        store.close()


def assert_private(answer: Any, path: str) -> None:
    control = answer.headers.get("cache-control", "")
    assert "private" in control or "no-store" in control, (path, control)
    assert "public" not in control, (path, control)
    assert "s-maxage" not in control, (path, control)
    assert {"cookie", "*"} & {name.strip().lower() for name in answer.headers["vary"].split(",")}
    others = [name for name in answer.headers if "cache-control" in name or "expires" in name]
    assert others == ["cache-control"], (path, others)
    assert "surrogate-control" not in answer.headers
    if "set-cookie" in answer.headers:
        assert control == "no-store", path


def test_no_shared_cache_keeps_what_was_made_with_a_look(app: App) -> None:
    with Client(app=app, base_url=HOME, follow_redirects=False) as client:
        for path in PATHS:
            verb = client.head if path == "/head" else client.get
            assert_private(verb(path), path)
        etag = client.get("/file").headers["etag"]
        unchanged = client.get("/file", headers={"if-none-match": etag})
        assert unchanged.status_code == 304
        assert_private(unchanged, "/file")
        part = client.get("/file", headers={"range": "bytes=0-1"})
        assert part.status_code == 206
        assert_private(part, "/file")
        assert "vary" not in client.get("/unseen").headers
        assert "vary" not in client.get("/static/a.html").headers


def filtering(request: Request) -> Generator[Request, Response, Response]:
    response = yield request
    look(request)
    return response


def before(request: Request) -> Generator[Request, Response, Response]:
    look(request.with_field("x-more", "1"))
    yield request
    return Response(200, {"cache-control": "public, max-age=60"}, b"another")


async def awaited(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    look(request)
    return await answer(request.with_headers(request.headers))


@pytest.mark.parametrize("layer", ["filter", "around", "stepping"])
def test_nor_what_a_layer_looked_at(app: App, layer: str) -> None:
    if layer == "filter":
        app.filter(filtering)
    else:
        app.around(awaited if layer == "around" else before)
    with Client(app=app, base_url=HOME, follow_redirects=False) as client:
        for path in (*PATHS, "/unseen", "/static/a.html", "/static/none", "/none"):
            assert_private(client.get(path), path)
        if layer != "stepping":
            etag = client.get("/static/a.html").headers["etag"]
            unchanged = client.get("/static/a.html", headers={"if-none-match": etag})
            assert unchanged.status_code == 304
            assert_private(unchanged, "/static/a.html")


@pytest.mark.parametrize("colour", ["def", "async"])
def test_what_is_changed_by_way_of_a_copy_is_kept(app: App, colour: str) -> None:
    def change(request: Request) -> str:
        session: Session = request.with_field("x-more", "1").session
        session["n"] = 1
        return "x"

    async def change_async(request: Request) -> str:
        return change(request)

    app.get("/change")(change if colour == "def" else change_async)

    @app.get("/tell")
    def tell(request: Request) -> dict[str, Any]:
        return dict(request.session)

    with Client(app=app, base_url=HOME) as client:
        assert_private(client.get("/change"), "/change")
        assert client.get("/tell").json() == {"n": 1}


def test_a_copy_that_outlives_the_answer_has_no_session(app: App) -> None:
    """What it changed would be kept by nobody, and nobody would be told."""
    told: list[str] = []

    @app.get("/copied")
    async def copied(request: Request) -> object:
        copy = request.with_field("x-more", "1")

        async def pieces() -> AsyncIterator[bytes]:
            yield b"a"
            try:
                copy.session["n"] = 1
            except RuntimeError as fault:
                told.append(str(fault))

        return stream(pieces())

    with Client(app=app, base_url=HOME) as client:
        assert client.get("/copied").text == "a"
    assert len(told) == 1
