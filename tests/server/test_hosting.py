"""From what a user names to what is served: folders, files, and applications of every kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest

import crlf
from crlf.server.application import Application
from crlf.server.hosting import CannotHost, hosted, interface_of, load_application
from crlf.server.settings import DEFAULT_SETTINGS, FolderSettings, ServerSettings
from crlf.values import replace

COUNT = iter(range(1000))


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("HTTP only")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi " + scope["path"].encode()})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi " + environ["PATH_INFO"].encode()]


class Callable3:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi(scope, receive, send)


class Callable2:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)


@wraps(asgi)
def wrapped(*words: Any) -> Any:
    return asgi(*words)


def plain3(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


class Talks:
    def talker(self, in_thread: object, now: object) -> None: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (crlf.App(), "crlf"),
        (Talks(), "crlf"),
        (asgi, "asgi"),
        (Callable3(), "asgi"),
        (partial(asgi), "asgi"),
        (partial(Callable3()), "asgi"),
        (wrapped, "asgi"),
        (plain3, "asgi"),
        (wsgi, "wsgi"),
        (Callable2(), "wsgi"),
        (partial(wsgi), "wsgi"),
        (lambda environ, start: [], "wsgi"),
        (Callable3, ""),
        (Callable2, ""),
        (crlf.App, ""),
        (lambda: wsgi, ""),
        (lambda scope: asgi, ""),
        (lambda *words: wsgi(*words), ""),
        (print, ""),
        (sys, ""),
        ("app", ""),
        (None, ""),
    ],
)
def test_an_application_is_told_by_itself(app: object, interface: str) -> None:
    assert interface_of(app) == interface


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Write a module into the folder and return its name, forgotten after the test."""
    path = list(sys.path)
    names = []

    def write(text: str) -> str:
        names.append(f"hosted_{next(COUNT)}")
        (tmp_path / f"{names[-1]}.py").write_text(text, encoding="utf-8")
        return names[-1]

    yield write
    sys.path[:] = path
    for name in names:
        sys.modules.pop(name, None)


def told(**changes: Any) -> ServerSettings:
    return replace(DEFAULT_SETTINGS, **changes)


def fetched(app: Application, path: str = "/part") -> str:
    with crlf.running(app) as server:
        return crlf.get(server.url.rstrip("/") + path).text


@pytest.mark.parametrize(
    ("app", "text"), [(asgi, "asgi /part"), (Callable3(), "asgi /part"), (wsgi, "wsgi /part")]
)
def test_what_is_hosted_answers(app: object, text: str) -> None:
    assert fetched(hosted(app, "x:app")) == text


def test_the_interface_can_be_said() -> None:
    assert fetched(hosted(lambda *words: asgi(*words), "x", told(interface="asgi"))) == "asgi /part"
    assert fetched(hosted(lambda *words: wsgi(*words), "x", told(interface="wsgi"))) == "wsgi /part"
    for interface in ("crlf", "asgi", "wsgi"):
        with pytest.raises(CannotHost):
            hosted("no application", "x:word", told(interface=interface))
    with pytest.raises(CannotHost, match="x is no crlf application but a function"):
        hosted(wsgi, "x", told(interface="crlf"))


def test_a_factory_is_called() -> None:
    assert fetched(hosted(lambda: asgi, "x:make", told(factory=True))) == "asgi /part"
    assert fetched(hosted(Callable2, "x:Site", told(factory=True))) == "wsgi /part"

    def broken() -> None:
        raise KeyError("DATABASE")

    with pytest.raises(CannotHost, match=r"x:make\(\) failed: KeyError: 'DATABASE'") as refused:
        hosted(broken, "x:make", told(factory=True))
    assert "in broken" in refused.value.trace
    with pytest.raises(CannotHost, match="a str cannot be called"):
        hosted("x", "x:make", told(factory=True))


@pytest.mark.parametrize(
    ("app", "says"),
    [
        (Callable3, "a type; --factory makes one of it"),
        (lambda: wsgi, "a function without parameters; --factory calls it"),
        (lambda scope: asgi, "a function of one parameter, as ASGI 2 had; asgiref makes ASGI 3 of"),
        (lambda *words: wsgi(*words), "a function; --interface says how to talk to it"),
        (7, "an int; crlf.App() makes one"),
    ],
)
def test_what_is_none_says_what_it_needs(app: object, says: str) -> None:
    with pytest.raises(CannotHost) as refused:
        hosted(app, "x:app")
    assert str(refused.value).startswith(f"x:app is no application but {says}")


def test_a_root_path_is_handed_on() -> None:
    def shop(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["SCRIPT_NAME"].encode()]

    assert fetched(hosted(shop, "x", told(root_path="/shop"))) == "/shop"


# --- by name -------------------------------------------------------------------------------------


def test_a_module_is_found_in_the_folder(tmp_path: Path, module: Callable[[str], str]) -> None:
    name = module("from crlf import App, text\nclass site:\n    app = App()\n"
                  "site.app.get('/part')(lambda request: text('here'))\n")  # fmt: skip
    assert fetched(load_application(f"{name}:site.app", folder=str(tmp_path))) == "here"


def test_a_name_that_is_not_there_has_its_like(
    tmp_path: Path, module: Callable[[str], str]
) -> None:
    name = module("def application(environ, start_response): ...\n"
                  "async def api(scope, receive, send): ...\n_x = api\n")  # fmt: skip
    for attribute, says in [
        ("aplication", "; did you mean application?"),
        ("shop", ": it has application, api"),
    ]:
        with pytest.raises(CannotHost) as refused:
            load_application(f"{name}:{attribute}", folder=str(tmp_path))
        assert str(refused.value) == f"{name} has no {attribute}{says}"


def test_only_lines_of_the_user_are_shown(tmp_path: Path, module: Callable[[str], str]) -> None:
    inner = module("def check():\n    raise LookupError('no database')\n")
    outer = module(f"import {inner}\n{inner}.check()\n")
    with pytest.raises(CannotHost) as refused:
        load_application(f"{outer}:app", folder=str(tmp_path))
    assert refused.value.reason == f"{outer} cannot be imported: LookupError: no database"
    lines = refused.value.trace.splitlines()
    files = [line.split('"')[1] for line in lines if line.startswith('  File "')]
    assert files == [f"{tmp_path}/{outer}.py", f"{tmp_path}/{inner}.py"]
    assert isinstance(refused.value.__cause__, LookupError)


# --- folders and files ---------------------------------------------------------------------------


def test_a_folder_is_served_as_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "about.html").write_text("about", encoding="utf-8")
    (tmp_path / "oops.html").write_text("oops", encoding="utf-8")
    folder = FolderSettings(clean_urls=True, cache=("*=max-age=7",), error_pages=("404=oops.html",))
    with crlf.running(load_application(str(tmp_path), told(folder=folder))) as server:
        page = crlf.get(server.url + "about")
        assert (page.text, page.headers["cache-control"]) == ("about", "max-age=7")
        missing = crlf.get(server.url + "none")
        assert (missing.status_code, missing.text) == (404, "oops")


@pytest.mark.parametrize(
    "folder",
    [
        FolderSettings(cache=("no rule",)),
        FolderSettings(error_pages=("4x4=a.html",)),
        FolderSettings(error_pages=("200=a.html",)),
        FolderSettings(cache=("*=a\nb",)),
    ],
)
def test_a_folder_that_cannot_be_served_so_is_told(folder: FolderSettings, tmp_path: Path) -> None:
    with pytest.raises(CannotHost, match="cannot be served"):
        load_application(str(tmp_path), told(folder=folder))


def test_a_file_is_all_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("this", encoding="utf-8")
    (tmp_path / "other.txt").write_text("that", encoding="utf-8")
    app = load_application("a b.txt", folder=str(tmp_path))
    with crlf.running(app) as server:
        assert crlf.get(server.url).text == "this"
        assert crlf.get(server.url + "a%20b.txt").text == "this"
        assert crlf.get(server.url + "other.txt").status_code == 404


def test_a_program_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("SECRET = 1", encoding="utf-8")
    with pytest.raises(CannotHost, match="shop:app"):
        load_application("shop.py", folder=str(tmp_path))
    with pytest.raises(CannotHost, match=r"shop.py is there: shop:app\?"):
        load_application("shop", folder=str(tmp_path))


def test_what_is_neither_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotHost, match="neither a folder nor a file"):
        load_application("/dev/null", folder=str(tmp_path))
