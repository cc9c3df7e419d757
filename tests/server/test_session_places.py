"""Where an application's sessions are, and what its pages say when that place is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.server.session_visitors import HOME, MemoryStore, Shop, incrementing, putting, signing_in

from crlf.client import Client
from crlf.message.errors import StoreUnavailable
from crlf.message.request import Request
from crlf.net.sessionfile import SessionFile
from crlf.rules.sessions import NoSessions, SignedSessions
from crlf.rules.sessionstore import Record
from crlf.rules.storedsessions import StoredSessions
from crlf.server import App

SECRET = "a secret of the tests"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder of its own: an App() may make something there."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store_of(app: App) -> Any:
    assert isinstance(app.sessions, StoredSessions)
    return app.sessions.store


# --- what sessions= says -------------------------------------------------------------------------


def test_each_place_has_its_kind(elsewhere: Path) -> None:
    assert store_of(App()).path == str(elsewhere / ".crlf" / "sessions.sqlite")
    assert store_of(App(sessions="x.sqlite")).path == str(elsewhere / "x.sqlite")
    assert store_of(App(sessions=elsewhere / "y")).path == str(elsewhere / "y")
    assert store_of(App(secret=SECRET, sessions="x.sqlite")).path == str(elsewhere / "x.sqlite")
    store = MemoryStore()
    assert store_of(App(sessions=store)) is store
    assert isinstance(App(secret=SECRET).sessions, SignedSessions)
    assert isinstance(App(secret=SECRET, sessions="cookie").sessions, SignedSessions)
    assert isinstance(App(sessions=False).sessions, NoSessions)
    assert isinstance(App(secret=SECRET, sessions=False).sessions, NoSessions)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "error"),
    [("cookie", ValueError), ("postgres://x/y", ValueError), ("http://x", ValueError),
     ("", ValueError), (7, TypeError), (True, TypeError), (object(), TypeError)],
)  # fmt: skip
def test_what_is_no_place(place: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"sessions|secret"):
        App(sessions=place)


@pytest.mark.parametrize("url", ["valkey://localhost/0", "redis://localhost", "unix:///x.sock"])
def test_a_url_is_a_store_for_many_machines(url: str) -> None:
    pytest.importorskip("valkey")
    store = store_of(App(sessions=url))
    assert type(store).__name__ == "ValkeyStore"
    store.close()


def test_settings_reach_the_store() -> None:
    app = App(session_cookie="mine", session_idle=10, session_lifetime=20, secure_cookies=True)
    sessions = app.sessions
    assert isinstance(sessions, StoredSessions)
    assert (sessions.cookie, sessions.idle, sessions.lifetime) == ("mine", 10, 20)
    with pytest.raises(ValueError, match="seconds"):
        App(session_idle=0)


def test_an_app_without_sessions_loads_no_database() -> None:
    program = """
import sys
from crlf.client import Client
from crlf.server import App
app = App()
app.get("/")(lambda request: "x")
with Client(app=app, base_url="http://localhost") as client:
    assert client.get("/", headers={"cookie": "session=" + "A" * 22}).text == "x"
assert "sqlite3" not in sys.modules and "crlf.net.sessionvalkey" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)
    assert os.listdir(".") == []


def test_over_https_in_memory_the_cookie_is_the_one_that_is_served() -> None:
    app = App()
    app.get("/")(lambda request: {"n": request.session.increment("n"), "at": str(request.url)})
    with Client(app=app, base_url="https://shop.example") as client:
        answer = client.get("/")
        assert answer.headers["set-cookie"].startswith("__Host-session=")
        assert "; Secure" in answer.headers["set-cookie"]
        assert client.get("/").json() == {"n": 2, "at": "https://shop.example/"}


# --- one application in another ------------------------------------------------------------------


def looking(**settings: Any) -> App:
    app = App(**settings)
    app.get("/")(lambda request: {"n": request.session.increment("n")})
    return app


def told_in(inner: App, outer: App) -> object:
    outer.mount("/in", inner)
    return outer.routes.find("GET", "/in/").endpoint.sessions  # type: ignore[union-attr]


def test_the_outer_ones_sessions_are_those_of_both() -> None:
    outer = App(secret=SECRET)
    assert told_in(looking(), outer) is outer.sessions
    outer = App(secret=SECRET)
    assert told_in(looking(sessions="x"), outer) is outer.sessions
    outer = App()
    assert told_in(looking(), outer) is outer.sessions
    outer = App()
    assert told_in(looking(sessions=False), outer) is outer.sessions
    outer = App(sessions=False)
    assert told_in(looking(), outer) is outer.sessions


def test_who_alone_was_told_where_keeps_his() -> None:
    for outer in (App(), App(sessions=False)):
        inner = looking(secret=SECRET)
        assert told_in(inner, outer) is inner.sessions


def test_two_places_under_one_cookie_are_refused_before_one_ends_the_others_sessions() -> None:
    site = App(sessions=False)
    site.mount("/a", looking(sessions="a.sqlite"))
    site.mount("/too", looking(sessions="a.sqlite"))  # the same place, so the same sessions
    site.mount("/mine", looking(sessions="b.sqlite", session_cookie="mine"))
    within = App()
    with pytest.raises(ValueError, match=r"both in the cookie 'session': one needs App\(session_"):
        site.mount("/b", looking(secret=SECRET))
    site.mount("/within", within)
    with pytest.raises(ValueError, match="in different places"):
        within.mount("/b", looking(sessions="b.sqlite"))
    assert [route.pattern for route in within._added] == []


def test_who_was_told_nothing_may_have_such_a_one_in_it_and_not_look(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outer = looking()
    outer.get("/plain")(lambda request: "a page")
    outer.mount("/in", looking(secret=SECRET))
    with Client(app=outer, base_url="http://localhost") as client:
        assert client.get("/plain").text == "a page"
        assert client.get("/in/").json() == {"n": 1}
        assert client.get("/").status_code == 500
        assert client.get("/in/").json() == {"n": 2}
    assert "in the same cookie 'session'" in caplog.text

    outer = looking(session_cookie="outer")
    outer.mount("/in", looking(secret=SECRET))
    with Client(app=outer, base_url="http://localhost") as client:
        seen = [client.get(path).json()["n"] for path in ("/", "/in/", "/", "/in/")]
    store_of(outer).close()
    assert seen == [1, 1, 2, 2]


# --- a place that is gone ------------------------------------------------------------------------


class GoneStore(MemoryStore):
    """A store that does not answer when it is told so."""

    is_gone = False

    def _held(self, key: str, now: int) -> Record | None:
        if self.is_gone:
            raise StoreUnavailable("the store at secret.example does not answer")
        return super()._held(key, now)

    def delete_all_of(self, user: str) -> int:
        if self.is_gone:
            raise StoreUnavailable("the store at secret.example does not answer")
        return super().delete_all_of(user)


@pytest.fixture(params=["def", "async def"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return Shop(GoneStore(), waits=request.param == "async def")


def test_pages_that_need_it_are_503_and_others_are_served(shop: Shop) -> None:
    store = store_of(shop.app)
    with shop.browser() as ann:
        ann.do(putting(n=1))
        store.is_gone = True
        for _ in range(2):  # from the second time on it is opened ahead of an `async def`
            answer = ann.ask(len)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "secret.example" not in answer.text
            assert "set-cookie" not in answer.headers
            assert ann.unseen().status_code == 200
        store.is_gone = False
        assert ann.data == {"n": 1}


def test_one_that_goes_in_the_middle_is_503(shop: Shop) -> None:
    store = store_of(shop.app)
    with shop.browser() as ann:
        ann.do(putting(n=1))

        def pull(session: Any) -> None:
            session.increment("n")
            store.is_gone = True

        answer = ann.ask(pull)
        assert (answer.status_code, answer.headers["cache-control"]) == (503, "private")
        store.is_gone = False
        assert ann.data == {"n": 1}


def test_a_new_visitor_is_only_told_when_something_is_to_be_kept(shop: Shop) -> None:
    store_of(shop.app).is_gone = True
    with shop.browser() as ann:
        assert ann.ask(len).status_code == 200
        assert ann.ask(putting(n=1)).status_code == 503
        assert ann.ask(signing_in("ann")).status_code == 503
        assert ann.ask(lambda s: s.revoke_all("ann")).status_code == 503


def test_a_program_may_have_its_own_page_for_it(shop: Shop) -> None:
    store = store_of(shop.app)

    @shop.app.on_error(StoreUnavailable)
    def closed(request: Request, error: Exception) -> str:
        return "back soon"

    with shop.browser() as ann:
        ann.do(putting(n=1))
        store.is_gone = True
        for work in (len, incrementing()):
            answer = ann.ask(work)
            assert (answer.status_code, answer.text) == (503, "back soon")


def test_a_file_that_is_broken_is_503_for_who_has_a_session(elsewhere: Path) -> None:
    store = SessionFile(elsewhere / "x.sqlite")
    shop = Shop(store, waits=False)
    with shop.browser() as ann:
        ann.do(putting(n=1))
        store.close()
        for file in elsewhere.iterdir():
            file.unlink()
        (elsewhere / "x.sqlite").write_bytes(b"broken" * 1000)
        answer = ann.ask(len)
        assert answer.status_code == 503
        assert str(elsewhere) not in answer.text
        assert ann.unseen().status_code == 200


def test_two_servers_of_one_machine_share_a_session(elsewhere: Path) -> None:
    first, second = looking(), looking()
    with Client(app=first, base_url=HOME) as one:
        assert [one.get("/").json() for _ in range(2)] == [{"n": 1}, {"n": 2}]
        with Client(app=second, base_url=HOME, cookies=one.cookies) as two:
            assert two.get("/").json() == {"n": 3}
    for app in (first, second):
        store_of(app).close()
    assert os.listdir(elsewhere) == [".crlf"]
