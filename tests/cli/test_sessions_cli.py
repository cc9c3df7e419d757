"""Sessions of the command line: what they keep, for whom, and what never happens to their files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crlf as library
from crlf import App, Request, Response, redirect, running, text
from crlf.cli.asking.request import Asked
from crlf.cli.asking.sessions import folder_name, is_kept, open_session
from crlf.cli.asking.sessiontext import Kept, Place, build_session, parse_session
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_CONNECTION, NO_OUTPUT, OK, REFUSED, USAGE
from crlf.cli.main import main
from crlf.message.errors import BadUrl, Malformed
from crlf.message.url import URL
from crlf.net import ownfile
from crlf.rules.hsts import SecureHost

CommandLine = Any  # see conftest.py
SOURCE = Path(__file__).resolve().parents[2] / "src"
posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and owners of files")


def build_app() -> App:
    """An application that sets cookies, asks for passwords, and says what it was asked."""
    app = App()

    @app.get("/echo")
    def echo(request: Request) -> Response:
        return library.json([[name.lower(), value] for name, value in request.headers.fields])

    app.route("/echo", ["POST"])(echo)

    @app.get("/set/{name}/{value}")
    def setting(request: Request, name: str, value: str) -> Response:
        answer = text("kept", 404 if name == "failed" else 200)
        return answer.with_field("set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax")

    @app.get("/forget/{name}")
    def forgetting(request: Request, name: str) -> Response:
        return text("gone").with_field("set-cookie", f"{name}=; Path=/; Max-Age=0")

    @app.get("/lead")
    def lead(request: Request) -> Response:
        return redirect(request.query["to"], external=True)

    @app.get("/circle")
    def circle(request: Request) -> Response:
        return redirect("/circle").with_field("set-cookie", "round=1; Path=/")

    return app


@pytest.fixture
def place() -> Iterator[str]:
    with running(build_app()) as server:
        yield server.url.rstrip("/")


@pytest.fixture
def at_home(crlf: CommandLine, tmp_path: Path) -> CommandLine:
    crlf.variables["HOME"] = str(tmp_path / "home")
    (tmp_path / "home").mkdir()
    return crlf


def sent(done: Any, name: str) -> list[str]:
    assert done.code == OK, done.err
    return [value for key, value in json.loads(done.out) if key == name]


def file_of(crlf: CommandLine, url: str, name: str = "me") -> Path:
    home = Path(crlf.variables["HOME"])
    return home / ".config" / "crlf" / "sessions" / folder_name(URL(url)) / f"{name}.json"


# --- what is kept --------------------------------------------------------------------------------


def test_cookies_come_back(at_home: CommandLine, place: str) -> None:
    assert at_home("get", f"{place}/set/sid/42", "--session", "me").code == OK
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "cookie") == ["sid=42"]
    assert sent(at_home("get", f"{place}/echo", "--session=other"), "cookie") == []
    assert sent(at_home("get", f"{place}/echo"), "cookie") == []
    cookie = json.loads(file_of(at_home, place).read_text())["cookies"][0]
    assert (cookie["http_only"], cookie["same_site"], cookie["path"]) == (True, "Lax", "/")


def test_a_cookie_that_is_taken_back_is_gone(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/set/a/1", "--session=me")
    at_home("get", f"{place}/set/b/2", "--session=me")
    at_home("get", f"{place}/forget/a", "--session=me")
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "cookie") == ["b=2"]


def test_fields_are_kept_until_others_are_said(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/echo", "X-Team:red", "-H", "Accept: a/b", "--session=me")
    done = at_home("get", f"{place}/echo", "--session=me")
    assert (sent(done, "x-team"), sent(done, "accept")) == (["red"], ["a/b"])
    done = at_home("get", f"{place}/echo", "x-team:blue", "--session=me")
    assert sent(done, "x-team") == ["blue"]
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "x-team") == ["blue"]


def test_a_field_that_is_left_out_is_forgotten(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/echo", "X-Team:red", "--session=me")
    assert sent(at_home("get", f"{place}/echo", "X-Team:", "--session=me"), "x-team") == []
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "x-team") == []


def test_what_tells_of_one_message_is_not_kept(at_home: CommandLine, place: str) -> None:
    done = at_home(
        "post", f"{place}/echo", "--session=me", "--json", "a=b", "If-Match:x", "Range:bytes=0-1",
        "Content-Language:de", "Expect:100-continue", "Host:a.example", "X-A:1",
    )  # fmt: skip
    assert done.code == OK, done.err
    kept = json.loads(file_of(at_home, place).read_text())["origins"][place]["headers"]
    assert kept == [["X-A", "1"]]


@pytest.mark.parametrize("name", ["Content-Type", "IF-Modified-Since", "Connection", "HOST", "TE"])
def test_names_are_never_kept_in_any_case(name: str) -> None:
    assert not is_kept(name)
    assert is_kept(f"X-{name}")


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_credentials_are_kept(kind: str, at_home: CommandLine, place: str) -> None:
    secret = "ann:s3cret" if kind == "basic" else "s3cret"
    at_home("get", f"{place}/echo", "-a", secret, "-A", kind, "--session=me")
    value = sent(at_home("get", f"{place}/echo", "--session=me"), "authorization")
    assert value == ["Basic YW5uOnMzY3JldA==" if kind == "basic" else "Bearer s3cret"]


def test_digest_is_kept_as_digest(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/echo", "-a", "ann:s3cret", "-A", "digest", "--session=me")
    kept = json.loads(file_of(at_home, place).read_text())["origins"][place]
    assert kept["auth"] == {"type": "digest", "user": "ann", "password": "s3cret"}
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "authorization") == []


def test_credentials_in_the_url_are_kept(at_home: CommandLine, place: str) -> None:
    url = place.replace("http://", "http://ann:s3cret@")
    at_home("get", f"{url}/echo", "--session=me")
    value = sent(at_home("get", f"{place}/echo", "--session=me"), "authorization")
    assert value == ["Basic YW5uOnMzY3JldA=="]


def test_what_netrc_has_stays_there(at_home: CommandLine, place: str, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password s3cret\n")
    netrc.chmod(0o600)
    at_home.variables["NETRC"] = str(netrc)
    done = at_home("get", f"{place}/echo", "--netrc", "X-A:1", "--session=me")
    assert sent(done, "authorization") == ["Basic YW5uOnMzY3JldA=="]
    assert "s3cret" not in file_of(at_home, place).read_text()


def test_the_newer_of_field_and_credentials_counts(at_home: CommandLine, place: str) -> None:
    def value(*words: str) -> list[str]:
        return sent(at_home("get", f"{place}/echo", "--session=me", *words), "authorization")

    assert value("Authorization:Own x") == ["Own x"]
    assert value("-a", "a:b") == ["Basic YTpi"]
    assert value() == ["Basic YTpi"]
    assert value("Authorization:Own y") == ["Own y"]
    assert value() == ["Own y"]
    assert value("Authorization:") == []
    assert value() == []


def test_a_cookie_field_becomes_cookies(at_home: CommandLine, place: str) -> None:
    done = at_home("get", f"{place}/echo", "Cookie:a=1; b=2", "--session=me")
    assert sent(done, "cookie") == ["a=1; b=2"]
    kept = json.loads(file_of(at_home, place).read_text())
    assert [(one["name"], one["host_only"]) for one in kept["cookies"]] == [
        ("a", True),
        ("b", True),
    ]
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "cookie") == ["a=1; b=2"]


def test_it_is_kept_whatever_the_status_is(at_home: CommandLine, place: str) -> None:
    assert at_home("get", f"{place}/set/failed/1", "X-A:1", "--session=me").code == REFUSED
    done = at_home("get", f"{place}/echo", "--session=me")
    assert (sent(done, "cookie"), sent(done, "x-a")) == (["failed=1"], ["1"])


def test_cookies_of_an_exchange_that_fails_are_kept(at_home: CommandLine, place: str) -> None:
    assert at_home("get", f"{place}/circle", "--session=me").code == 47
    assert sent(at_home("get", f"{place}/echo", "--session=me"), "cookie") == ["round=1"]


def test_nothing_is_kept_of_what_nobody_answered(at_home: CommandLine, tmp_path: Path) -> None:
    done = at_home("get", "http://127.0.0.1:1/", "-a", "a:b", "--session=me")
    assert done.code == NO_CONNECTION
    assert not file_of(at_home, "http://127.0.0.1:1/").exists()


def test_a_session_that_is_read_only_is_read(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/set/sid/1", "X-A:1", "--session=me")
    before = file_of(at_home, place).read_bytes()
    at_home("get", f"{place}/set/sid/2", "X-A:2", "-a", "a:b", "--session-read-only", "me")
    assert file_of(at_home, place).read_bytes() == before
    done = at_home("get", f"{place}/echo", "--session-read-only=me")
    assert (sent(done, "cookie"), sent(done, "x-a")) == (["sid=1"], ["1"])
    done = at_home("get", f"{place}/echo", "--session-read-only=you")
    assert (done.code, "there is no session" in done.err) == (USAGE, True)
    done = at_home("get", f"{place}/echo", "--session-read-only=me", "--session=me")
    assert done.err == "crlf: --session and --session-read-only exclude each other\n"


def test_a_session_without_anything_new_is_not_written(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/echo", "--session=me")
    assert not file_of(at_home, place).exists()
    at_home("get", f"{place}/echo", "X-A:1", "--session=me")
    before = file_of(at_home, place).stat().st_ino
    at_home("get", f"{place}/echo", "X-A:1", "--session=me")
    assert file_of(at_home, place).stat().st_ino == before


@pytest.mark.rfc("6797", "8.3")
def test_hosts_that_want_https_are_asked_over_https(at_home: CommandLine, tmp_path: Path) -> None:
    kept = Kept()
    kept.hsts.add("shop.example")
    kept.places["https://shop.example"] = Place((("X-A", "1"),), ("basic", "a", "b"))
    (tmp_path / "s.json").write_text(build_session(kept))
    done = at_home("get", "http://shop.example/", "--session=./s.json", "--offline")
    assert done.code == OK, done.err
    assert b"x-a: 1" in done.out.lower()
    done = at_home(
        "get", "http://shop.example:1/", "--session=./s.json", "--resolve=shop.example:127.0.0.1"
    )
    assert done.code == NO_CONNECTION
    asked = Asked("GET", URL("http://shop.example/b"), {}, [])
    environment = Environment(None, None, None, folder=str(tmp_path))
    applied = open_session("./s.json", asked.url, environment).apply(asked)
    assert str(applied.url) == "https://shop.example/b"
    assert applied.client["hsts"] is not None
    assert (asked.options, asked.client) == ({}, {})


# --- for whom ------------------------------------------------------------------------------------


def test_no_origin_is_sent_what_was_given_for_another(at_home: CommandLine, place: str) -> None:
    with running(build_app()) as other:
        there = other.url.rstrip("/")
        path = "./shared.json"
        at_home("get", f"{place}/echo", "X-Token:1", "-a", "a:b", f"--session={path}")
        done = at_home("get", f"{there}/echo", f"--session={path}")
        assert (sent(done, "x-token"), sent(done, "authorization")) == ([], [])
        done = at_home("get", f"{place}/lead", f"to=={there}/echo", f"--session={path}")
        assert (sent(done, "x-token"), sent(done, "authorization")) == ([], [])
        done = at_home("get", f"{place}/echo", f"--session={path}")
        assert (sent(done, "x-token"), sent(done, "authorization")) == (["1"], ["Basic YTpi"])


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("http://a.example/", "a.example"),
        ("https://a.example:443/", "a.example"),
        ("http://A.example:443/", "a.example+443"),
        ("http://a_8080/", "a_8080"),
        ("http://a:8080/", "a+8080"),
        ("http://[2001:DB8::1]:81/", "[2001-db8--1]+81"),
        ("http://[fe80::1%25eth0]/", "[fe80--1%eth0]"),
        ("http://b\u00fccher.example/", "xn--bcher-kva.example"),
    ],
)
def test_each_host_has_a_folder(url: str, folder: str) -> None:
    assert folder_name(URL(url)) == folder


@given(st.text(alphabet="a.-_:[]%0123456789/\\+@~", max_size=30), st.integers(1, 65535))
def test_no_host_leads_out_of_its_folder(host: str, port: int) -> None:
    try:
        url = URL(f"http://{host}:{port}/")
    except BadUrl:
        return
    name = folder_name(url)
    assert name not in ("", ".", "..")
    assert not {*name} & {*"/\\:\0"}
    assert len(name) < 250


def test_a_very_long_host_has_a_folder_too() -> None:
    names = {folder_name(URL(f"http://{'a.' * 120}{last}.example/")) for last in "bc"}
    assert len(names) == 2
    assert max(map(len, names)) < 200


@pytest.mark.parametrize("name", ["", ".", "..", ".me", "a b", "a\\b\n", "\u00fc", "a" * 101])
def test_what_is_no_name_is_refused(name: str, at_home: CommandLine, place: str) -> None:
    done = at_home("get", f"{place}/echo", f"--session={name}")
    assert done.code == USAGE
    assert "is no name of a session" in done.err


def test_without_a_home_only_paths_are_sessions(crlf: CommandLine, place: str) -> None:
    done = crlf("get", f"{place}/echo", "--session=me")
    assert (done.code, "there is no home folder" in done.err) == (USAGE, True)
    assert crlf("get", f"{place}/echo", "X-A:1", "--session=./me.json").code == OK
    done = crlf("get", f"{place}/echo", "--session=./not/me.json")
    assert done.err == "crlf: the folder of the session ./not/me.json is not there\n"


# --- the file ------------------------------------------------------------------------------------


@posix
def test_nobody_else_can_read_it(at_home: CommandLine, place: str) -> None:
    at_home("get", f"{place}/echo", "X-A:1", "--session=me")
    path = file_of(at_home, place)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["me.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"format": "crlf cookies 1", "cookies": []}', b"\xff",
        b'{"format": "crlf session 2"}', b'{"format": "crlf session 1"}', b"[" * 100_000,
        b'{"format": "crlf session 1", "origins": {"a": {}}, "cookies": [], "hsts": []}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_session_is_left_as_it_is(
    content: bytes, at_home: CommandLine, place: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    done = at_home("get", f"{place}/set/a/1", "X-A:1", "--session=./s.json")
    assert done.code == USAGE
    assert done.err.startswith("crlf: ./s.json is no session: ")
    assert done.err.count("\n") == 1
    assert path.read_bytes() == content


def session_text(**changes: object) -> str:
    whole: dict[str, object] = json.loads(build_session(Kept()))
    return json.dumps(whole | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"origins": []},
        {"origins": {"http://a.example/": {"headers": [], "auth": None}}},
        {"origins": {"http://A.example": {"headers": [], "auth": None}}},
        {"origins": {"http://a.example": {"headers": [["a b", "c"]], "auth": None}}},
        {"origins": {"http://a.example": {"headers": [["a", "b\r\nc: d"]], "auth": None}}},
        {"origins": {"http://a.example": {"headers": [["a"]], "auth": None}}},
        {"origins": {"http://a.example": {"headers": [["a", "b"]] * 101, "auth": None}}},
        {"origins": {"http://a.example": {"headers": []}}},
        {"origins": {"http://a.example": {"headers": [], "auth": {"type": "x"}}}},
        {"origins": {"http://a.example": {"headers": [], "auth": {"type": "bearer"}}}},
        {"origins": {"http://a.example": {"headers": [], "auth": {"type": "bearer", "token": ""}}}},
        {"origins": {"http://a.example": {"headers": [], "auth": {"type": ["basic"]}}}},
        {"cookies": [{"name": "a", "value": "b\r\nc", "domain": "a.example"}]},
        {"cookies": {}},
        {"hsts": [{"host": "::1", "subdomains": False, "expires": 1e9}]},
        {"hsts": None},
    ],
)  # fmt: skip
def test_what_a_session_may_not_have_is_refused(changes: dict[str, object]) -> None:
    parse_session(session_text(), 0.0)
    with pytest.raises((Malformed, BadUrl)):
        parse_session(session_text(**changes), 0.0)


def test_all_of_a_session_is_written_and_read_again() -> None:
    kept = Kept()
    kept.places["http://a.example"] = Place((("X-A", "1\xe9"), ("X-A", "2")), ("digest", "u", "p"))
    kept.places["https://[::1]:81"] = Place((), ("bearer", "t"))
    kept.jar.set("a", "b", ".a.example", "/c", secure=True, http_only=True, same_site="None")
    kept.hsts.add("a.example", subdomains=True)
    again = parse_session(build_session(kept), 0.0)
    assert again.places == kept.places
    assert list(again.jar) == list(kept.jar)
    assert list(again.hsts) == [SecureHost("a.example", True)]
    assert "p" not in repr(kept.places["http://a.example"]).replace("http", "").split("'")


def test_the_library_reads_its_cookies(at_home: CommandLine, place: str, tmp_path: Path) -> None:
    at_home("get", f"{place}/set/sid/42", "--session=./s.json")
    assert library.load_cookies(tmp_path / "s.json").get("sid") == "42"


@posix
def test_a_link_of_ones_own_stays_one(at_home: CommandLine, place: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "s.json").symlink_to(tmp_path / "deep" / "real.json")
    at_home("get", f"{place}/echo", "X-A:1", "--session=./s.json")
    assert (tmp_path / "s.json").is_symlink()
    assert (tmp_path / "deep" / "real.json").exists()


@posix
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "link", "open"])
def test_what_others_put_there_is_not_touched(
    what: str, at_home: CommandLine, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, target = tmp_path / "s.json", tmp_path / "target.json"
    target.write_text(build_session(Kept()))
    if what == "link":
        path.symlink_to(target)
        os.lchown(path, 12345, 12345)
    else:
        path.write_text(build_session(Kept()))
        if what == "file":
            os.chown(path, 12345, 12345)
        else:
            path.chmod(0o666)
    before = path.read_text()
    done = at_home("get", f"{place}/echo", "X-A:1", "--session=./s.json")
    assert done.code == USAGE
    wanted = {"file": "belongs to another user", "link": "link of another user", "open": "anybody"}
    assert wanted[what] in done.err
    assert (path.read_text(), target.read_text()) == (before, before)


@posix
def test_a_pipe_in_its_place_keeps_nobody_waiting(
    at_home: CommandLine, place: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "s.json")
    done = at_home("get", f"{place}/echo", "X-A:1", "--session=./s.json")
    assert (done.code, "it is no file" in done.err) == (USAGE, True)


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_disk_that_takes_nothing_leaves_the_old_one(
    at_home: CommandLine, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home("get", f"{place}/echo", "X-A:1", "--session=./s.json")
    before = (tmp_path / "s.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = at_home("get", f"{place}/echo", "X-A:2", "--session=./s.json")
    assert done.code == NO_OUTPUT
    assert done.err == "crlf: the session ./s.json cannot be kept: No space left on device\n"
    assert (tmp_path / "s.json").read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "s.json"]


@posix
def test_who_does_not_let_go_of_it_is_not_waited_for_for_ever(
    at_home: CommandLine, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownfile, "PATIENCE", 0.05)
    with ownfile.holding(str(tmp_path)):
        done = at_home("get", f"{place}/echo", "X-A:1", "--session=./s.json")
    assert done.code == NO_OUTPUT
    assert "./s.json cannot be kept: another command does not let go of it" in done.err


# --- several at once -----------------------------------------------------------------------------


def test_two_commands_at_once_lose_nothing(
    at_home: CommandLine, place: str, tmp_path: Path
) -> None:
    def ask(number: int) -> None:
        with open(os.devnull, "r+b", buffering=0) as nowhere:
            environment = Environment(
                nowhere, nowhere, nowhere, variables=at_home.variables, folder=str(tmp_path)
            )
            main(["get", f"{place}/set/c{number}/1", f"X-{number}:1", "--session=me"], environment)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = json.loads(file_of(at_home, place).read_text())
    assert {one["name"] for one in kept["cookies"]} == {f"c{number}" for number in range(8)}
    assert len(kept["origins"][place]["headers"]) == 8


def test_processes_at_once_lose_nothing(at_home: CommandLine, place: str, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "crlf", "get", "--session=me", "-q"]
    variables = {**os.environ, **at_home.variables, "PYTHONPATH": str(SOURCE)}
    started = [
        subprocess.Popen([*run, f"{place}/set/c{number}/1"], env=variables) for number in range(4)
    ]
    assert [one.wait(20) for one in started] == [OK] * 4
    kept = json.loads(file_of(at_home, place).read_text())
    assert {one["name"] for one in kept["cookies"]} == {f"c{number}" for number in range(4)}
