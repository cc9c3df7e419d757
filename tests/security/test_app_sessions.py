"""Sessions, attacked: whose cookie, what is revived, whose file, what a lock or a crowd does."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crlf import App, Client, Refused, running
from crlf.message.errors import StoreUnavailable
from crlf.message.request import Received, Request
from crlf.net import sessionfile
from crlf.net.sessionfile import SessionFile
from crlf.rules.sessions import signed_sessions
from crlf.rules.sessionstore import Record
from crlf.rules.storedsessions import StoredSessions
from crlf.server import stream
from crlf.wire.signing import sign, unsign

SECRET = "a secret of sixteen bytes"
HOME = "http://localhost"
NOW = 1_800_000_000


@pytest.fixture(params=["file", "cookie"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An application with sessions of each kind, by which a visitor signs in and out."""
    sessions: Any = tmp_path / "s.sqlite" if request.param == "file" else "cookie"
    made = App(secret=SECRET, sessions=sessions, csrf=False)
    furnish(made)
    yield made
    store = getattr(made.sessions, "store", None)
    if store is not None:
        store.close()


def furnish(app: App) -> None:
    @app.get("/who")
    def who(request: Request) -> dict[str, Any]:
        return {"user": request.session.user, **request.session}

    @app.get("/awho")
    async def awaited(request: Request) -> dict[str, Any]:
        return {"user": request.session.user, **request.session}

    @app.post("/in")
    def sign_in(request: Request) -> str:
        request.session.sign_in("ann")
        return "in"

    @app.post("/out")
    def sign_out(request: Request) -> str:
        request.session.sign_out()
        return "out"

    @app.post("/add")
    def add(request: Request) -> str:
        return str(request.session.increment("n"))

    @app.get("/plain")
    async def plain(request: Request) -> str:
        return "plain"


@pytest.fixture
def filed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """One with sessions in a file, and the patience for a crowd on a slow machine."""
    monkeypatch.setattr(sessionfile, "PATIENCE", 20.0)
    store = SessionFile(tmp_path / "s.sqlite")
    made = App(sessions=store, csrf=False)
    furnish(made)
    yield made
    store.close()


def cookies_of(client: Client) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies)


# -- whose cookie counts


@pytest.mark.rfc("6265", "8.6")
@pytest.mark.parametrize(
    "name",
    [
        "session", "__host-session", "__HOST-session", "__Secure-session", "\xa0__Host-session",
        "\x85__Host-session", "__Host-session\xa0", '"__Host-session"', "x=__Host-session",
        "%5F_Host-session", "__Host-session[]", "$Version", "\xef\xbb\xbf__Host-session",
    ],
)  # fmt: skip
def test_a_cookie_that_only_looks_like_ours_counts_for_nothing(tmp_path: Path, name: str) -> None:
    """What a sibling host can set, no browser having kept it from it by its prefix."""
    app = App(sessions=tmp_path / "s.sqlite", csrf=False, secure_cookies=True)
    furnish(app)
    with Client(app=app, base_url="https://shop.example") as client:
        client.post("/in")
        (told,) = [cookie.value for cookie in client.cookies]
    with Client(app=app, base_url="https://shop.example") as client:
        ours = client.get("/who", headers={"cookie": f"__Host-session={told}"}).json()
        assert ours == {"user": "ann"}
        line = f"{name}={told}".encode("latin-1").decode("latin-1")
        assert client.get("/who", headers={"cookie": line}).json() == {"user": None}


@pytest.mark.parametrize(
    "value",
    [
        "", "x" * 3000, "A" * 22, "A" * 23, "A" * 21 + "=", "\u00b2" * 22, "../" * 7 + "a",
        "%00" * 7,
        "' OR 1=1 --          a", "a,b" * 7 + "a", '"' * 22, "hs256..0.", "none.e30.1800000000.",
    ],
)  # fmt: skip
def test_no_odd_value_is_a_session_or_an_error(app: App, value: str) -> None:
    with Client(app=app, base_url=HOME) as client:
        for path in ("/who", "/awho"):
            answer = client.get(path, headers={"cookie": f"session={value}"})
            assert (answer.status_code, answer.json()) == (200, {"user": None})
            assert "set-cookie" not in answer.headers


def test_signing_in_never_keeps_an_id_that_was_brought_along(app: App) -> None:
    with Client(app=app, base_url=HOME) as attacker, Client(app=app, base_url=HOME) as victim:
        attacker.post("/add")
        fixed = cookies_of(attacker)
        answer = victim.post("/in", headers={"cookie": fixed})
        assert answer.headers["set-cookie"].partition(";")[0] not in fixed
        assert attacker.get("/who").json()["user"] is None


@pytest.mark.parametrize("line", ["X-Forwarded-Proto: https", "Forwarded: proto=https;host=x"])
def test_nobody_says_https_but_a_trusted_proxy(tmp_path: Path, line: str) -> None:
    """Or a cookie of plain HTTP, which a sibling's page can set, would be looked at no more."""
    sessions = StoredSessions(SessionFile(tmp_path / "s.sqlite"))
    name, _, value = line.partition(": ")
    head = ("GET", "/", Request("GET", "http://localhost/", [(name, value)]).headers, "1.1")
    request = Request.received(head, b"", Received(peer=("127.0.0.1", 1), local=("127.0.0.1", 80)))
    assert sessions.open(request, NOW).cookie == "session"


# -- half of a sign-in, and what comes too late


def breaking(app: App) -> None:
    def begun(request: Request) -> None:
        request.session.sign_in("ann")
        request.session["half"] = 1

    @app.post("/raises")
    def raises(request: Request) -> str:
        begun(request)
        raise ValueError

    @app.post("/hostile")
    def hostile(request: Request) -> str:
        begun(request)
        request.session["half"] = {"a": float("nan")}
        return "no JSON"

    @app.post("/surrogate")
    async def surrogate(request: Request) -> str:
        begun(request)
        request.session["half"] = "\ud800"
        return "no UTF-8"

    @app.post("/deep")
    def deep(request: Request) -> str:
        begun(request)
        data: list[Any] = []
        for _ in range(100_000):
            data = [data]
        request.session["half"] = data
        return "too deep"

    @app.post("/large")
    async def large(request: Request) -> str:
        begun(request)
        request.session["half"] = "x" * 70_000
        return "too large"

    @app.post("/number")
    def number(request: Request) -> str:
        begun(request)
        request.session["half"] = 10**5000
        return "too long a number"

    @app.post("/nothing")
    async def nothing(request: Request) -> None:
        begun(request)

    @app.on_error(500)
    def sorry(request: Request, error: Exception) -> str:
        request.session["blamed"] = 1
        return "sorry"


@pytest.mark.parametrize(
    "path", ["/raises", "/hostile", "/surrogate", "/deep", "/large", "/number", "/nothing"]
)
def test_who_signed_in_to_a_page_that_broke_is_not_in(app: App, path: str) -> None:
    breaking(app)
    with Client(app=app, base_url=HOME) as client:
        client.post("/add")
        before = cookies_of(client)
        answer = client.post(path)
        assert (answer.status_code, "set-cookie" in answer.headers) == (500, False)
        assert "private" in answer.headers["cache-control"]
        assert "Cookie" in answer.headers["vary"]
        assert (cookies_of(client), client.get("/who").json()) == (before, {"user": None, "n": 1})


def test_a_refusal_after_signing_in_keeps_all_of_it(app: App) -> None:
    @app.post("/refused")
    def refused(request: Request) -> str:
        request.session.sign_in("ann")
        request.session["why"] = "terms"
        raise Refused(403, "Accept the terms first.")

    with Client(app=app, base_url=HOME) as client:
        assert client.post("/refused").status_code == 403
        assert client.get("/who").json() == {"user": "ann", "why": "terms"}


def test_nothing_comes_back_after_the_head(app: App) -> None:
    """Neither from a stream, nor from work that was left for later, whoever looked before."""
    told: list[str] = []
    done = threading.Event()

    def late(request: Request, session: Any) -> None:
        for change in (
            lambda: session.__setitem__("late", 1),
            lambda: session.increment("late"),
            lambda: session.sign_in("eve"),
            lambda: session.rotate(),
            lambda: session.flash("late"),
            lambda: session.revoke_all("ann"),
            lambda: request.session.update(late=1),
            lambda: request.with_headers(request.headers).session.update(late=1),
        ):
            try:
                change()
                told.append("kept")
            except RuntimeError:
                told.append("refused")

    @app.get("/streamed")
    def streamed(request: Request) -> object:
        session = request.session

        def pieces() -> Iterator[bytes]:
            yield b"a"
            late(request, session)
            yield b"b"

        return stream(pieces())

    @app.get("/later")
    async def later(request: Request) -> str:
        session = request.session

        def work() -> None:
            late(request, session)
            done.set()

        request.after_answer(work)
        return "now"

    with running(app) as server, Client(base_url=server.url) as client:
        client.post("/in")
        assert client.get("/streamed").text == "ab"
        assert client.get("/later").text == "now"
        assert done.wait(5)
        assert client.get("/who").json() == {"user": "ann"}
    assert set(told) == {"refused"}, told


@pytest.mark.parametrize("end", ["sign_out", "revoke_all"])
def test_a_slow_request_revives_nobody(filed: App, end: str) -> None:
    """It has read the session, and writes after another has ended it: nothing of it is there."""
    looked, ended = threading.Event(), threading.Event()

    @filed.post("/slow/{how}")
    def slow(request: Request, how: str) -> str:
        session = request.session
        looked.set()
        assert ended.wait(10)
        if how == "write":
            session["n"] = 2
        elif how == "rotate":
            session.rotate()
        elif how == "increment":
            session.increment("n")
        return str(session.user)

    for how in ("write", "rotate", "increment"):
        with Client(app=filed, base_url=HOME) as client, ThreadPoolExecutor(1) as pool:
            looked.clear()
            ended.clear()
            client.post("/in")
            client.post("/add")
            cookie = {"cookie": cookies_of(client)}
            answer = pool.submit(client.post, f"/slow/{how}", headers=cookie)
            assert looked.wait(5)
            if end == "sign_out":
                client.post("/out", headers=cookie)
            else:
                assert filed.sessions.revoke_all("ann") == 1
            ended.set()
            late = answer.result(10)
            assert (late.status_code, "set-cookie" in late.headers) == (200, False)
            assert client.get("/who", headers=cookie).json() == {"user": None}


# -- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.sqlite"


ONE = Record("{}", "ann", NOW, NOW, 1)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_no_umask_opens_the_file_to_others(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SessionFile(path)
        assert store.swap("a", 0, ONE, NOW + 9, NOW)
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
        store.close()
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o602, 0o666])
def test_a_file_that_anybody_may_open_is_refused(path: Path, mode: int) -> None:
    """As one laid out beforehand in a folder for all, by who wants to be signed in as others."""
    path.touch(0o600)
    path.chmod(mode)
    store = SessionFile(path)
    for ask in (lambda: store.load("a", NOW), lambda: store.swap("a", 0, ONE, NOW + 9, NOW)):
        with pytest.raises(StoreUnavailable, match="anybody"):
            ask()
    assert path.read_bytes() == b""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused_also_behind_a_link(path: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.touch(0o600)
    os.chown(theirs, 12345, 12345)
    path.symlink_to(theirs)
    with pytest.raises(StoreUnavailable, match="another user"):
        SessionFile(path).swap("a", 0, ONE, NOW + 9, NOW)
    assert theirs.read_bytes() == b""


@pytest.mark.parametrize("user", ["%", "_", "a%", "*", "' OR '1'='1", "ANN", "ann ", "\x00ann"])
def test_a_users_name_is_a_name_and_no_pattern(path: Path, user: str) -> None:
    store = SessionFile(path)
    store.swap("a", 0, ONE, NOW + 9, NOW)
    assert store.delete_all_of(user) == 0
    assert store.load("a", NOW) == ONE
    store.close()


def test_a_file_cut_in_half_is_out_of_order_and_left_as_it_is(path: Path) -> None:
    store = SessionFile(path)
    for number in range(200):
        record = Record("x" * 500, None, NOW, NOW, 1)
        store.swap(str(number), 0, record, NOW + 9, NOW)
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    failures = 0
    for number in range(200):
        try:
            assert store.load(str(number), NOW) in (None, Record("x" * 500, None, NOW, NOW, 1))
        except StoreUnavailable:
            failures += 1
    assert failures
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit as Linux does")
def test_a_full_disk_is_503_and_what_was_there_stays(path: Path) -> None:
    program = f"""
import resource
from crlf.message.errors import StoreUnavailable
from crlf.net.sessionfile import SessionFile
from crlf.rules.sessionstore import Record
store = SessionFile({str(path)!r})
one = Record("first", None, {NOW}, {NOW}, 1)
assert store.swap("one", 0, one, {NOW + 9}, {NOW})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for number in range(100):
    try:
        store.swap(str(number), 0, Record("x" * 9000, None, {NOW}, {NOW}, 1), {NOW + 9}, {NOW})
    except StoreUnavailable as fault:
        print("full", fault)
        break
assert store.load("one", {NOW}) == one
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout[:4]) == (0, "full"), done.stderr


HOLDING = """
import sqlite3, sys
holder = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
holder.execute("PRAGMA locking_mode = EXCLUSIVE")
holder.execute("BEGIN EXCLUSIVE")
holder.execute("UPDATE session SET seen = seen")
holder.execute("COMMIT")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.timeout(60)
def test_a_program_that_keeps_the_file_does_not_stop_the_server(filed: App, tmp_path: Path) -> None:
    """Readers wait on the loop, a moment each: forty of them would hold everybody for ten."""
    with running(filed) as server, Client(base_url=server.url) as client:
        client.post("/add")
        cookie = {"cookie": cookies_of(client)}
        filed.sessions.store.close()  # type: ignore[attr-defined]  # StoredSessions
        command = [sys.executable, "-c", HOLDING, str(tmp_path / "s.sqlite")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            began = time.monotonic()
            with ThreadPoolExecutor(40) as pool:
                answers = [pool.submit(client.get, "/awho", headers=cookie) for _ in range(40)]
                assert client.get("/plain").text == "plain"
                statuses = [answer.result(30) for answer in answers]
            taken = time.monotonic() - began
            assert {answer.status_code for answer in statuses} == {503}
            assert taken < 4, taken
            assert all(str(tmp_path) not in answer.text for answer in statuses)
            holder.kill()
        time.sleep(sessionfile.AVOIDED)
        assert client.get("/awho", headers=cookie).json() == {"user": None, "n": 1}


@pytest.mark.timeout(60)
def test_writers_behind_a_lock_wait_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessionfile, "PATIENCE", 0.5)
    store = SessionFile(tmp_path / "s.sqlite")
    app = App(sessions=store, csrf=False)
    furnish(app)
    with (
        running(app) as server,
        Client(base_url=server.url) as client,
        Client(base_url=server.url) as other,
    ):
        client.post("/add")
        cookie = {"cookie": cookies_of(client)}
        holder = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            answers = [pool.submit(client.post, "/add", headers=cookie) for _ in range(20)]
            assert other.get("/plain").text == "plain"
            assert other.get("/who", headers=cookie).json()["n"] == 1
            assert time.monotonic() - began < 0.5
            statuses = {answer.result(30).status_code for answer in answers}
        assert statuses == {503}
        assert time.monotonic() - began < 5
        holder.rollback()
        holder.close()
        assert client.post("/add", headers=cookie).text == "2"
    store.close()


# -- what is told


def test_no_id_is_in_a_log_or_on_a_page(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    app.debug = True

    @app.get("/boom")
    def boom(request: Request) -> str:
        session, cookies, headers = request.session, request.cookies, request.headers
        raise ValueError(f"boom {len(session)} {len(headers)} {len(cookies)}")

    with Client(app=app, base_url=HOME) as client:
        client.post("/in")
        told = next(cookie.value for cookie in client.cookies)
        pages = [
            client.get("/boom", headers={"accept": accept}).text
            for accept in ("text/html", "application/json", "*/*")
        ]
    for text in (*pages, caplog.text, repr(app.sessions), str(app.sessions)):
        assert told not in text
        assert SECRET not in text
        assert told.rpartition(".")[2] not in text


# -- signed text


def test_signed_text_is_all_or_nothing() -> None:
    keys = [SECRET.encode()]
    text = sign(b"payload", keys, "session session", NOW)
    algorithm, payload, at, mac = text.split(".")
    forged = [
        text[:-1], text + "A", text + "=", text + ".", "." + text, text.upper(), text + " ",
        f"none.{payload}.{at}.", f"none.{payload}.{at}.{mac}", f"{algorithm}.{payload}.{at}.",
        f"{payload}.{at}.{mac}", f"{algorithm}.{payload}.{int(at) + 1}.{mac}",
        f"{algorithm}.{payload}=.{at}.{mac}", f"{algorithm}..{payload}.{at}.{mac}",
        f"hs512.{payload}.{at}.{mac}", f"{algorithm}.{payload}.0{at}.{mac}", f"{text}.{mac}", "",
        "...", "a" * 5000, f"{algorithm}.{payload}.{at}.{mac[:-1]}\u0430",
    ]  # fmt: skip
    for other in forged:
        with pytest.raises(Exception, match=r"sign|limit"):
            unsign(other, keys, "session session", NOW, None)
    for other in ("session __Host-session", "form", "session"):
        with pytest.raises(Exception, match="sign"):
            unsign(text, keys, other, NOW, None)
    assert unsign(text, keys, "session session", NOW, None) == b"payload"


def test_a_cookie_of_one_name_is_none_of_another() -> None:
    plain = signed_sessions(SECRET, "session", 1000, 5000, False)
    other = signed_sessions(SECRET, "basket", 1000, 5000, False)
    request = Request("GET", "http://localhost/")
    session = plain.open(request, NOW)
    session["n"] = 1
    from crlf.message.response import Response

    line = plain.close(session, Response(200), NOW).headers["set-cookie"].partition(";")[0]
    value = line.partition("=")[2]
    stolen = Request("GET", "http://localhost/", {"cookie": f"basket={value}; session={value}"})
    assert (plain.open(stolen, NOW), other.open(stolen, NOW)) == ({"n": 1}, {})
    for when in (NOW + 1000, NOW - 61, NOW + 10**9):
        assert plain.open(stolen, when) == {}


# -- a crowd


def mixed(count: int, client: Client, cookie: dict[str, str], paths: list[str]) -> list[int]:
    def ask(number: int) -> int:
        path = paths[number % len(paths)]
        verb: Callable[..., Any] = client.get if path in ("/who", "/awho") else client.post
        status: int = verb(path, headers=cookie).status_code
        return status

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(ask, range(count)))


@pytest.mark.timeout(90)
def test_200_at_once_lose_nothing_and_break_nothing(filed: App) -> None:
    with running(filed) as server, Client(base_url=server.url) as client:
        client.post("/add")
        cookie = {"cookie": cookies_of(client)}
        statuses = mixed(200, client, cookie, ["/add", "/who", "/add", "/awho"])
        assert set(statuses) == {200}
        assert client.get("/who", headers=cookie).json()["n"] == 101


@pytest.mark.timeout(90)
def test_in_a_crowd_that_signs_out_nobody_stays_in(filed: App, tmp_path: Path) -> None:

    @filed.post("/rotate")
    def rotate(request: Request) -> str:
        request.session.rotate()
        return "rotated"

    with running(filed) as server, Client(base_url=server.url) as client:
        client.post("/in")
        cookie = {"cookie": cookies_of(client)}
        paths = ["/add", "/who", "/rotate", "/add", "/awho", "/add", "/who", "/rotate", "/out"]
        assert set(mixed(198, client, cookie, paths)) == {200}
        assert client.get("/who", headers=cookie).json() == {"user": None}
        with sqlite3.connect(tmp_path / "s.sqlite") as database:
            (count,) = database.execute(
                "SELECT count(*) FROM session WHERE user = 'ann'"
            ).fetchone()
        database.close()
        assert count <= 1  # the one that was rotated, and whose new id one visitor was told
