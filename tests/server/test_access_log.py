"""The access log: a line for each request that no client can forge, lengthen or hold up."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crlf
from crlf.message.facts import TlsFacts
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.requestids import counted_ids, naming, stamp_id
from crlf.server.settings import ServerSettings
from crlf.server.watching import logfile
from crlf.server.watching.accesslog import AccessLog, CombinedLog, JsonLog, ShortLog
from crlf.server.watching.logfile import LogFile
from crlf.server.watching.logtext import json_text, quoted, without_query
from crlf.server.watching.watches import Refusals, Watching, kind_of, watches, watching_gates

WHEN = 784_111_777.25  # Sun, 06 Nov 1994 08:49:37.25 GMT
HERE = Received("http", ("192.0.2.1", 4711))
COMBINED = re.compile(
    r'(\S+) (\S+) (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}|-) (\d+|-) "([^"]*)" "([^"]*)"\n'
)


class Lines(list[str]):
    """Where lines go, in a test."""

    def write(self, line: str) -> None:
        self.append(line)


def asked(target: str = "/", where: Received = HERE, **fields: str) -> Request:
    headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
    return Request.received(("GET", target, headers, "1.1"), b"", where)


def combined(request: Request | None, *, log_query: bool = False) -> str:
    lines = Lines()
    CombinedLog(lines, lambda: WHEN, log_query=log_query).answered(
        request, HERE, 200, 13, 0.0015, ""
    )
    return lines[0]


def as_json(request: Request | None, why: str = "", **options: bool) -> dict[str, object]:
    lines = Lines()
    log = JsonLog(lines, lambda: WHEN, worker=7, **options)
    log.answered(request, HERE, 200, 13, 1.0015, why)
    [line] = lines
    assert line.endswith("}\n")
    assert line.isascii()
    assert len(line) <= 4096
    return json.loads(line)


# -- the formats


def test_the_combined_format_is_that_of_apache_and_nginx() -> None:
    line = combined(asked("/a/b", user_agent="curl/8.5", referer="https://a.example/x"))
    assert line == (
        '192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a/b HTTP/1.1" 200 13 '
        '"https://a.example/x" "curl/8.5"\n'
    )
    assert COMBINED.fullmatch(line)


def test_what_could_not_be_read_has_a_line_too() -> None:
    line = combined(None)
    assert line == '192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "-" 200 13 "-" "-"\n'
    assert as_json(None)["method"] is None


def test_json_has_everything() -> None:
    request = asked("/a", host="a.example", user_agent="curl/8.5", referer="/b")
    request.extras["request_id"] = "abc-1"
    assert as_json(request, "limit head of 32768") == {
        "time": "1994-11-06T08:49:37.250Z", "status": 200, "bytes": 13, "seconds": 1.0015,
        "request_id": "abc-1", "why": "limit head of 32768", "peer": "192.0.2.1",
        "peer_port": 4711, "method": "GET", "target": "/a", "version": "1.1",
        "host": "a.example", "referer": "/b", "user_agent": "curl/8.5", "tls": None, "worker": 7,
    }  # fmt: skip


def test_json_says_which_tls() -> None:
    lines = Lines()
    where = HERE._replace(tls=TlsFacts("TLSv1.3", "x", None))
    JsonLog(lines, lambda: WHEN, worker=1).answered(asked(), where, 200, 0, 0.0, "")
    assert json.loads(lines[0])["tls"] == "TLSv1.3"


def test_the_short_format_says_what_went_wrong() -> None:
    lines = Lines()
    ShortLog(lines, lambda: WHEN).answered(asked("/a?b"), HERE, 408, 5, 0.25, "timeout body")
    assert lines == ["408 GET /a  5 B  250.0 ms  timeout body\n"]


def test_seconds_may_be_many() -> None:
    lines = Lines()
    log = JsonLog(lines, lambda: WHEN, worker=1)
    log.answered(asked(), HERE, 200, 0, 3600.000001, "")
    assert '"seconds":3600.000001,' in lines[0]


def test_time_goes_on() -> None:
    now = [WHEN]
    lines = Lines()
    plain, full = CombinedLog(lines, lambda: now[0]), JsonLog(lines, lambda: now[0], worker=1)
    for log in (plain, full):
        log.answered(asked(), HERE, 200, 0, 0.0, "")
    now[0] += 1
    plain.every_second()
    for log in (plain, full):
        log.answered(asked(), HERE, 200, 0, 0.0, "")
    assert ["08:49:37" in line for line in lines] == [True, True, False, False]
    assert all("08:49:38" in line for line in lines[2:])


def test_health_is_not_logged_while_it_is_good() -> None:
    lines = Lines()
    log = CombinedLog(lines, lambda: WHEN, quiet=frozenset({"/healthz"}))
    request = asked("/healthz")
    log.answered(request, HERE, 200, 3, 0.0, "")
    assert lines == []
    log.answered(request, HERE, 503, 3, 0.0, "")
    assert len(lines) == 1


def test_the_same_fields_by_another_client_are_another_line() -> None:
    lines = Lines()
    log = CombinedLog(lines, lambda: WHEN)
    one = asked("/one")
    other = one.with_received(HERE._replace(peer=("192.0.2.2", 1)))
    for request in (one, one.with_target("/two"), other):
        log.answered(request, HERE, 200, 0, 0.0, "")
    assert [line.split(" ")[0] for line in lines] == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
    assert [line.split(" ")[6] for line in lines] == ["/one", "/two", "/one"]


def test_what_is_remembered_is_bounded() -> None:
    lines = Lines()
    log = CombinedLog(lines, lambda: WHEN)
    for number in range(3000):
        log.answered(asked(f"/{number}", user_agent=f"a{number}"), HERE, 200, 0, 0.0, "")
    assert len(log._kept) <= 1024
    assert len(log._targets) <= 1024
    assert lines[2999].endswith(' "GET /2999 HTTP/1.1" 200 0 "-" "a2999"\n')


# -- secrets


def test_queries_are_left_out_unless_asked_for() -> None:
    request = asked("/reset?token=s3cret", referer="https://u:p4ss@a.example/x?key=s3cret#s3cret")
    for line in (combined(request), json.dumps(as_json(request))):
        assert "s3cret" not in line
        assert "p4ss" not in line
    line = combined(request, log_query=True)
    assert '/reset?token=s3cret HTTP/1.1" 200 13 "https://a.example/x?key=s3cret#s3cret"' in line


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/a?b=c", "/a"),
        ("/a#b", "/a"),
        ("*", "*"),
        ("http://u:p@a.example/b?c", "http://a.example/b"),
        ("//u@a.example/b", "//a.example/b"),
        ("https://a.example/u:p@b", "https://a.example/u:p@b"),
        ("a.example:443", "a.example:443"),
    ],
)
def test_a_target_without_its_query(target: str, shown: str) -> None:
    assert without_query(target) == shown


# -- forging


@pytest.mark.parametrize(
    "evil",
    [
        '/"x', "/\\", "/\r\n", "/\n127.0.0.1 - -", "/\x1b[2J", "/\x00", "/\x7f", "/\x85",
        "/\xe9", "/\u2028", "/\U0001f600", "/\ud800",
    ],
)  # fmt: skip
def test_no_client_can_forge_a_line(evil: str) -> None:
    request = asked(evil)
    request.headers = Headers.checked((), {"user-agent": evil, "referer": evil, "host": evil})
    request.extras["request_id"] = evil
    line = combined(request)
    assert COMBINED.fullmatch(line)
    assert line.isascii()
    assert line[:-1].isprintable()
    found = as_json(request, f"RFC 9112 3: {evil}")
    assert found["user_agent"] == found["target"] == found["host"] == evil


def test_escapes_are_those_of_nginx() -> None:
    assert quoted('a"\\\n\xe9', 100) == r"a\x22\x5C\x0A\xE9"
    assert quoted("\u20ac", 100) == r"\xE2\x82\xAC"
    assert json_text("\xe9\x00\U0001f600", 100) == r'"\u00e9\u0000\ud83d\ude00"'


@given(st.text(), st.integers(min_value=3, max_value=60))
def test_every_text_becomes_one_short_plain_word(text: str, most: int) -> None:
    assert len(quoted(text, most)) <= most
    written = json_text(text, most)
    assert len(written) <= most + 2
    assert written.isascii()
    read = json.loads(written)
    assert read == text or read.endswith("...")
    if read != text:
        assert text.startswith(read[:-3])


@pytest.mark.parametrize("letter", ["a", "\x01", '"'])
@pytest.mark.parametrize("make", [CombinedLog, ShortLog, JsonLog])
def test_every_line_ends_within_what_a_pipe_takes_whole(
    letter: str, make: Callable[..., AccessLog]
) -> None:
    lines = Lines()
    long = letter * 30_000
    request = asked("/")
    request.method = request.target = request.version = long
    request.headers = Headers.checked((), dict.fromkeys(("user-agent", "referer", "host"), long))
    request.extras["request_id"] = long
    where = Received("https", (long, 65535), tls=TlsFacts(long, "", None))
    more = {"worker": 2**31} if make is JsonLog else {}
    log = make(lines, lambda: WHEN, **more)
    log.answered(request.with_received(where), where, 599, 2**53, 1e6, long)
    assert len(lines[0]) <= 4096
    assert lines[0].count("\n") == 1


# -- request ids


def test_a_request_gets_a_name_of_its_own() -> None:
    gate = naming(lambda how: False, counted_ids("c0ffee"))
    names = [gate(asked("/", x_request_id="mine")).extras["request_id"] for _ in range(3)]
    assert names == ["c0ffee-1", "c0ffee-2", "c0ffee-3"]


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("0af7651916cd43dd", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("a b", False),
        ('"', False),
    ],
)
def test_a_trusted_proxy_names_requests(given: str, is_taken: bool) -> None:
    gate = naming(lambda how: how.peer == HERE.peer, counted_ids("x"))
    request = gate(asked("/", x_request_id=given))
    assert (request.extras["request_id"] == given) is is_taken


def test_an_answer_says_the_name_unless_the_application_has() -> None:
    request = asked()
    assert stamp_id(request, Headers()) == Headers()
    request.extras["request_id"] = "abc"
    assert stamp_id(request, Headers())["x-request-id"] == "abc"
    own = Headers([("X-Request-ID", "own")])
    assert stamp_id(request, own) is own


# -- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def wait_for(check: Callable[[], object]) -> None:
    until = time.monotonic() + 5
    while not check():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_lines_come_into_the_file_by_themselves(path: Path) -> None:
    file = LogFile(str(path), every=0.01)
    for burst in range(3):
        file.write(f"{burst}\n")
        wait_for(lambda: path.read_text().endswith(f"{burst}\n"))  # noqa: B023  # called at once
    file.close()
    assert path.read_text() == "0\n1\n2\n"


def test_what_is_left_is_written_at_the_end(path: Path) -> None:
    file = LogFile(str(path), every=60)
    for number in range(1000):
        file.write(f"{number}\n")
    file.close()
    file.close()
    assert path.read_text() == "".join(f"{number}\n" for number in range(1000))


def test_a_log_is_for_its_owner_and_group(path: Path) -> None:
    before = os.umask(0)
    try:
        LogFile(str(path)).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_log_is_added_to(path: Path) -> None:
    path.write_text("before\n")
    file = LogFile(str(path))
    file.write("after\n")
    file.close()
    assert path.read_text() == "before\nafter\n"


def test_a_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        LogFile(str(tmp_path / "none" / "access.log"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):  # and no wait for a reader
        LogFile(str(tmp_path / "pipe"))


def test_a_moved_log_is_opened_anew(path: Path) -> None:
    file = LogFile(str(path), every=0.01)
    file.write("one\n")
    path.rename(path.with_suffix(".1"))
    file.reopen()
    wait_for(path.exists)
    file.write("two\n")
    file.close()
    assert path.with_suffix(".1").read_text() == "one\n"
    assert path.read_text() == "two\n"


def test_a_log_that_sleeps_is_opened_anew(path: Path) -> None:
    file = LogFile(str(path), every=0.01)
    file.write("one\n")
    wait_for(lambda: file._sleeps)
    path.rename(path.with_suffix(".1"))
    file.reopen()
    wait_for(path.exists)
    file.close()


def test_a_log_that_cannot_be_opened_anew_goes_on(path: Path) -> None:
    said: list[str] = []
    folder = path.parent / "folder"
    folder.mkdir()
    file = LogFile(str(folder / "access.log"), complain=said.append)
    folder.rename(path.parent / "moved")
    file.reopen()
    file.write("still\n")
    file.close()
    assert (path.parent / "moved" / "access.log").read_text() == "still\n"
    assert "goes on where it was" in said[0]


def test_who_writes_never_waits_for_a_slow_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    free = threading.Event()
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        free.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr(logfile.os, "write", slow)
    file = LogFile(str(path), every=0.001, room=100_000, complain=said.append)
    began = time.monotonic()
    for _ in range(20_000):
        file.write("a line of twenty...\n")
    assert time.monotonic() - began < 2
    free.set()
    file.close()
    written = path.read_text().count("\n")
    assert file.lost > 10_000
    assert written + file.lost == 20_000
    assert sum(int(sentence.split(" ")[0]) for sentence in said) == file.lost
    assert "came too fast" in said[-1]


def test_a_full_disk_is_spoken_of_and_leaves_no_torn_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    is_full = True
    write = os.write

    def fill(descriptor: int, data: bytes) -> int:
        if not is_full:
            return write(descriptor, data)
        if len(data) > 3:
            return write(descriptor, data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logfile.os, "write", fill)
    file = LogFile(str(path), every=0.01, complain=said.append)
    file.write("lost!\n")
    wait_for(lambda: said)
    is_full = False
    file.write("kept\n")
    file.close()
    assert said == ["1 lines of the log are lost: No space left on device"]
    assert path.read_text() == "los\nkept\n"


def test_a_disk_that_hangs_does_not_hold_a_server_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, write = threading.Event(), os.write

    def hang(descriptor: int, data: bytes) -> int:
        hangs.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr(logfile.os, "write", hang)
    monkeypatch.setattr(logfile, "LAST_SECONDS", 0.1)
    file = LogFile(str(path), every=0.001)
    file.write("x\n")
    began = time.monotonic()
    file.close()
    assert time.monotonic() - began < 2
    hangs.set()
    wait_for(lambda: file._thread is not None and not file._thread.is_alive())
    os.close(file._descriptor)


def test_several_processes_share_a_pipe_and_no_line_is_torn(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    got: list[bytes] = []
    files = [LogFile(str(tmp_path / "pipe"), every=0.001) for _ in range(3)]
    os.set_blocking(reader, True)

    def read() -> None:
        while data := os.read(reader, 65536):
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(500):
        for number, file in enumerate(files):
            file.write(str(number) * 99 + "\n")
    for file in files:
        file.close()
    thread.join(5)
    os.close(reader)
    lines = b"".join(got).decode().splitlines()
    assert len(lines) == 1500
    assert all(line == line[0] * 99 for line in lines)


# -- refusals


def refusals() -> tuple[Refusals, list[str], list[float]]:
    said: list[str] = []
    now = [1000.0]
    return Refusals(lambda: now[0], said.append), said, now


def test_a_flood_of_bad_requests_is_no_flood_of_lines() -> None:
    watch, said, now = refusals()
    for _ in range(313):
        watch.answered(None, HERE, 400, 0, 0.0, "RFC 9112 3.2: two Host fields")
    watch.answered(None, HERE, 431, 0, 0.0, "limit head of 32768")
    assert said == [
        "refused 192.0.2.1 (400): RFC 9112 3.2: two Host fields",
        "refused 192.0.2.1 (431): limit head of 32768",
    ]
    now[0] += 1.5
    watch.answered(None, HERE, 400, 0, 0.0, "RFC 9112 3.2: no Host field")
    assert said[2:] == ["refused 192.0.2.1 (400): RFC 9112 3.2: no Host field ... and 312 more"]


def test_what_was_only_counted_is_told_in_the_end() -> None:
    watch, said, now = refusals()
    for _ in range(3):
        watch.answered(None, HERE, 400, 0, 0.0, "RFC 9112 3.2: two Host fields")
    watch.tell_rest(now[0])
    assert len(said) == 1
    now[0] += 1
    watch.tell_rest(now[0])
    watch.tell_rest()
    assert said[1:] == ["refused: RFC 9112 3.2 ... and 2 more"]


def test_only_refusals_are_warned_of() -> None:
    watch, said, _ = refusals()
    for why in ("", "gone", "error", "draining", "timeout head"):
        watch.answered(asked(), HERE, 500, 0, 0.0, why)
    assert said == []


def test_kinds_of_refusals_are_few_and_cannot_be_forged() -> None:
    watch, said, _ = refusals()
    for number in range(1000):
        watch.answered(None, HERE, 400, 0, 0.0, f"rule {number}\n: x")
    assert len(said) <= 66
    assert "\n" not in "".join(said)
    assert kind_of("limit head of 32768") == "limit head"
    assert kind_of("RFC 9112 3.2: what a peer sent: x") == "RFC 9112 3.2"


# -- put together


def test_without_settings_only_what_goes_wrong_is_watched() -> None:
    watch = watches(ServerSettings())
    assert not watch.sees_all
    assert watching_gates(ServerSettings(), trusts=lambda how: False, is_ready=lambda: True) == []
    watch.close()


def test_a_format_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="combined or json"):
        watches(ServerSettings(access_log="common"))


@pytest.mark.parametrize("style", ["short", "combined", "json"])
def test_a_server_logs(style: str, path: Path) -> None:
    settings = ServerSettings(access_log=style, access_log_file=str(path), health=True)
    app = crlf.App()

    @app.get("/hello")
    def hello(request: Request) -> str:
        return str(request.extras.get("request_id", "none"))

    with crlf.running(app, settings=settings) as server, crlf.Client() as client:
        name = client.get(f"{server.url}hello?secret=1").text
        assert client.get(f"{server.url}healthz").status_code == 200
        assert client.get(f"{server.url}none").status_code == 404
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 2
    assert "secret" not in lines[0]
    if style == "json":
        found = json.loads(lines[0])
        assert (found["target"], found["status"], found["request_id"]) == ("/hello", 200, name)
        assert found["bytes"] == len(name)
        assert found["worker"] == os.getpid()
        assert 0 < found["seconds"] < 5
    elif style == "combined":
        assert all(COMBINED.fullmatch(line) for line in lines)


def test_a_refusal_is_in_the_log_with_its_rule(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServerSettings(access_log="json", access_log_file=str(path))
    with (
        crlf.running(crlf.App(), settings=settings) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    [line] = path.read_text().splitlines()
    found = json.loads(line)
    assert found["status"] == 400
    assert found["why"].startswith("RFC 9112 3.2: ")
    assert [record.name for record in caplog.records] == ["crlf.server"]
    assert caplog.messages[0].startswith("refused 127.0.0.1 (400): RFC 9112 3.2: ")


def test_a_watch_of_both_tells_both(path: Path) -> None:
    from crlf.net.board import REQUESTS_2XX, Board

    slot = Board()[0]
    settings = ServerSettings(access_log="json", access_log_file=str(path), metrics="/m")
    watch: Watching = watches(settings, slot)
    watch.answered(asked(), HERE, 200, 1, 0.1, "")
    watch.close()
    assert slot[REQUESTS_2XX] == 1
    assert path.read_text().count("\n") == 1
