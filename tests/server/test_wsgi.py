"""WSGI applications behind a real socket: what they are told, what they say, how they fail.

Every request is bytes, and so is every answer; the application runs in the pool's threads as it
does in earnest.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import io
import logging
import re
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from crlf.flow.serve import Service
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.net.aio import AioNetwork, in_thread, monotonic, wall
from crlf.net.handover import AHEAD
from crlf.net.loops import new_loop
from crlf.net.spool import Spool
from crlf.rules.deadlines import Patience
from crlf.server.gateways.environ import ErrorLog, place_entries, request_entries
from crlf.server.gateways.wsgi import IN_MEMORY, WsgiApplication
from crlf.server.gateways.wsgicall import SMALL_FILE
from crlf.server.gateways.wsgihead import HOP_BY_HOP, build_head
from crlf.wire.limits import Limits

pytestmark = pytest.mark.timeout(20)

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]
Wsgi = Callable[[Environ, Start], Iterable[bytes]]
PLAIN = [("Content-Type", "text/plain")]
HUGE = 64 * 1024 * 1024


class Hosted:
    """A server of one application, as its clients see it."""

    def __init__(self, port: int, faults: list[BaseException]) -> None:
        self.port = port
        self.faults = faults

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, request: bytes) -> bytes:
        """Send a request that ends its connection, and return all that comes."""
        with self.connect() as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def get(
        self, target: str = "/", *fields: str, method: str = "GET", content: bytes = b""
    ) -> Any:
        """Send a request; return status line, fields and content."""
        lines = [f"{method} {target} HTTP/1.1", "Host: a.example", "Connection: close", *fields]
        if content:
            lines.append(f"Content-Length: {len(content)}")
        head, _, body = self.ask("\r\n".join([*lines, "", ""]).encode() + content).partition(
            b"\r\n\r\n"
        )
        status, *named = head.decode("latin-1").split("\r\n")
        return Answer(status, [tuple(line.split(": ", 1)) for line in named], body)


class Answer:
    """What came back."""

    def __init__(self, status: str, fields: list[Any], content: bytes) -> None:
        self.status, self.fields = status, fields
        self.names = {name.lower(): value for name, value in fields}
        self.content = content

    @property
    def text(self) -> str:
        """The content, taken out of its chunks."""
        if self.names.get("transfer-encoding") != "chunked":
            return self.content.decode()
        rest, pieces = self.content, []
        while True:
            size, _, rest = rest.partition(b"\r\n")
            if int(size, 16) == 0:
                return b"".join(pieces).decode()
            pieces.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]


@contextmanager
def hosting(app: Any, limits: Limits | None = None, **options: Any) -> Iterator[Hosted]:
    """Serve an application in a thread for as long as the block lasts."""
    loop, faults, ready = new_loop(), [], threading.Event()
    ports: list[int] = []
    patience = options.pop("patience", Patience())
    hosted = WsgiApplication(app, **options)

    async def live() -> None:
        service = Service(
            None, monotonic, in_thread, Spool(), talk=hosted.talker(in_thread, wall),
            limits=limits or Limits(), patience=patience,
            report=lambda request, fault: faults.append(fault),
        )  # fmt: skip
        stop.append(asyncio.Event())
        listener = await AioNetwork().listen("127.0.0.1", 0, service.serve)
        ports.append(listener.addresses[0][1])
        ready.set()
        await stop[0].wait()
        listener.close()
        service.drain()
        service.close_idle()
        await listener.finish(2)
        await hosted.finish()

    stop: list[asyncio.Event] = []

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(live())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(5)
    try:
        yield Hosted(ports[0], faults)
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join()


def saying(*pieces: bytes, status: str = "200 OK", fields: Any = None) -> Wsgi:
    """Make an application that says these pieces."""

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start(status, list(PLAIN if fields is None else fields))
        return iter(pieces)

    return app


class Pieces:
    """An iterable that counts how often it is closed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = pieces
        self.closed = 0
        self.is_closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        """Count."""
        self.closed += 1
        self.is_closed.set()


# --- environ -------------------------------------------------------------------------------------


def environ_of(
    target: str = "/",
    *fields: tuple[str, str],
    method: str = "GET",
    version: str = "1.1",
    root_path: str = "",
    where: Received | None = None,
) -> Environ:
    where = where or Received("http", ("192.0.2.1", 5000), ("198.51.100.1", 8080))
    headers = Headers([("Host", "a.example"), *fields])
    request = Request.received((method, target, headers, version), b"", where)
    return request_entries(request, place_entries(where), root_path)


def test_environ_says_what_is_asked_and_by_whom() -> None:
    assert environ_of("/a%20b/%C3%A9?x=%20&y", ("Accept", "*/*"), method="OPTIONS") == {
        "REQUEST_METHOD": "OPTIONS",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa9",  # bytes as characters (PEP 3333, Unicode Issues)
        "QUERY_STRING": "x=%20&y",
        "RAW_URI": "/a%20b/%C3%A9?x=%20&y",
        "REQUEST_URI": "/a%20b/%C3%A9?x=%20&y",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "198.51.100.1",
        "SERVER_PORT": "8080",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "5000",
        "HTTP_HOST": "a.example",
        "HTTP_ACCEPT": "*/*",
        "wsgi.url_scheme": "http",
    }


def test_off_the_network_and_over_tls_environ_says_so() -> None:
    plain = environ_of(where=Received("http"))
    assert (plain["SERVER_NAME"], plain["SERVER_PORT"], plain["REMOTE_ADDR"]) == (
        "localhost",
        "80",
        "",
    )
    secure = environ_of(where=Received("https"))
    assert (secure["HTTPS"], secure["wsgi.url_scheme"], secure["SERVER_PORT"]) == (
        "on",
        "https",
        "443",
    )


@pytest.mark.parametrize(
    ("target", "root", "script", "path"),
    [
        ("/app/x", "/app", "/app", "/x"),
        ("/app", "/app", "/app", ""),
        ("/app/", "/app", "/app", "/"),
        ("/application", "/app", "/app", "/application"),
        ("/x", "/app", "/app", "/x"),  # a proxy took it off already
        ("/%61pp/x", "/app", "/app", "/x"),
        ("/x", "", "", "/x"),
    ],
)
def test_where_an_application_is_mounted(target: str, root: str, script: str, path: str) -> None:
    entries = environ_of(target, root_path=root)
    assert (entries["SCRIPT_NAME"], entries["PATH_INFO"]) == (script, path)


@pytest.mark.rfc("9112", "3.2.2")
def test_the_host_of_an_absolute_form_counts() -> None:
    entries = environ_of("http://b.example:81/x?y")
    assert entries["HTTP_HOST"] == "b.example:81"
    assert (entries["PATH_INFO"], entries["QUERY_STRING"]) == ("/x", "y")
    assert environ_of("*", method="OPTIONS")["PATH_INFO"] == "*"


def test_a_trusted_proxys_host_counts() -> None:
    where = Received("https", authority="public.example")
    assert environ_of(where=where)["HTTP_HOST"] == "public.example"


def test_names_that_could_be_taken_for_others_are_left_out() -> None:
    entries = environ_of(
        "/",
        ("X_Forwarded_For", "1"), ("Content_Length", "9"), ("Content_Type", "x"),
        ("Proxy", "http://evil.example"), ("PROXY", "x"), ("Transfer-Encoding", "chunked"),
        ("X-Forwarded-For", "2"),
    )  # fmt: skip
    assert {name for name in entries if name.startswith("HTTP_")} == {
        "HTTP_HOST",
        "HTTP_X_FORWARDED_FOR",
    }
    assert entries["HTTP_X_FORWARDED_FOR"] == "2"
    assert "CONTENT_LENGTH" not in entries
    assert "CONTENT_TYPE" not in entries


def test_repeated_fields_are_one_variable() -> None:
    entries = environ_of(
        "/", ("Accept", "a"), ("ACCEPT", "b"), ("Cookie", "c=1"), ("cookie", "d=2"),
        ("Content-Type", "text/plain"), ("Content-Length", "3"),
    )  # fmt: skip
    assert entries["HTTP_ACCEPT"] == "a,b"
    assert entries["HTTP_COOKIE"] == "c=1; d=2"
    assert entries["CONTENT_TYPE"] == "text/plain"
    assert entries["CONTENT_LENGTH"] == "3"


def test_names_are_not_remembered_without_end() -> None:
    from crlf.server.gateways.environ import _VARIABLES

    for number in range(1000):
        assert environ_of("/", (f"X-{number}", "v"))[f"HTTP_X_{number}"] == "v"
    assert len(_VARIABLES) <= 256


@pytest.mark.rfc("3986", "7.3")
def test_a_nul_in_the_path_is_refused() -> None:
    with hosting(saying(b"x")) as hosted:
        assert hosted.get("/a%00b").status == "HTTP/1.1 400 Bad Request"


def test_a_root_path_is_a_path() -> None:
    for wrong in ("app", "/app/", "/"):
        with pytest.raises(ValueError, match="root path"):
            WsgiApplication(saying(), root_path=wrong)


def test_what_is_written_to_the_errors_is_logged_line_by_line(caplog: Any) -> None:
    log = ErrorLog()
    print("one\ntwo", file=log)
    log.writelines(["half ", "\x1b[31m"])
    assert [record.getMessage() for record in caplog.records] == ["one", "two"]
    log.flush()
    assert caplog.records[-1].getMessage() == "half \\x1b[31m"
    log.write("x" * 10_000)
    assert len(caplog.records) == 4


# --- the head ------------------------------------------------------------------------------------


def test_a_head_says_status_fields_and_length() -> None:
    for _ in range(2):  # the second time it is remembered
        head = build_head("200 OK", [("A", "b"), ("content-length", "5"), ("A", "c")])
        assert head.status_code == 200
        assert head.headers.fields == (("A", "b"), ("A", "c"))
        assert (head.reason, head.length) == ("", 5)
    assert build_head("404 Gone fishing", []).reason == "Gone fishing"
    assert build_head("299", []).status_code == 299


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20 OK", "2000 OK", "099 x", "100 Continue", "101 x", "600 x", "200  \r\nx: y",
     "200 \n", "200OK", " 200 OK", "٢٠٠ OK", "200 é", "-20 x", "200\tOK"],
)  # fmt: skip
def test_a_status_that_is_none_is_refused(status: str) -> None:
    with pytest.raises(ValueError, match="status"):
        build_head(status, [])


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ([("a", "b\r\nc: d")], ValueError),
        ([("a", "b\nc")], ValueError),
        ([("a\r\nb", "c")], ValueError),
        ([("a b", "c")], ValueError),
        ([("", "c")], ValueError),
        ([("a", "\0")], ValueError),
        ([("a", "\u20ac")], ValueError),
        ([("Content-Length", "5"), ("content-length", "6")], ValueError),
        ([("Content-Length", "+5")], ValueError),
        ([("Content-Length", "5, 5")], ValueError),
        ([("Content-Length", "")], ValueError),
        ([("Content-Length", 5)], TypeError),
        ([("a", 5)], TypeError),
        ([("a", b"b")], TypeError),
        ([(b"a", "b")], TypeError),
        ([["a", "b"]], TypeError),
        ([("a", "b", "c")], TypeError),
        (["ab"], TypeError),
        ([("a", ["b"])], TypeError),
        ((("a", "b"),), TypeError),
        ({"a": "b"}, TypeError),
        (None, TypeError),
    ],
)
def test_fields_that_must_not_be_sent_are_refused(fields: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        build_head("200 OK", fields)
    with pytest.raises(TypeError):
        build_head(b"200 OK", [])


@pytest.mark.rfc("9110", "7.6.1")
@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_what_belongs_to_the_connection_is_the_servers_to_say(name: str) -> None:
    with pytest.raises(ValueError, match="PEP 3333"):
        build_head("200 OK", [(name.title(), "x")])


def test_a_visitors_cookie_is_not_remembered() -> None:
    from crlf.server.gateways import wsgihead

    build_head("200 OK", [("Set-Cookie", "secret=1")])
    assert "secret" not in repr(wsgihead._heads)
    for number in range(1000):
        build_head("200 OK", [("X", str(number))])
    assert len(wsgihead._heads) <= 256


# --- answers -------------------------------------------------------------------------------------


def test_a_list_of_one_is_sent_with_its_length() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", PLAIN)
        return [b"hello"]

    with hosting(app) as hosted:
        answer = hosted.get()
        assert answer.status == "HTTP/1.1 200 OK"
        assert answer.names["content-length"] == "5"
        assert answer.content == b"hello"


@pytest.mark.parametrize("made", [list, tuple, iter, Pieces])
@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"hello"], [b"", b"hel", b"", b"lo"], [b"x" * 100_000, b"y" * 300_000]]
)
@pytest.mark.parametrize("says_length", [True, False])
def test_whatever_it_comes_in_the_content_is_the_same(
    made: Callable[[list[bytes]], Any], pieces: list[bytes], says_length: bool
) -> None:
    whole = b"".join(pieces)

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        length = [("Content-Length", str(len(whole)))] if says_length else []
        start("200 OK", PLAIN + length)
        return made(pieces)

    with hosting(app) as hosted:
        answer = hosted.get()
        assert answer.text == whole.decode()
        if says_length:
            assert answer.names["content-length"] == str(len(whole))
        assert hosted.faults == []


def test_to_an_old_client_a_stream_ends_with_its_connection() -> None:
    with hosting(saying(b"hel", b"lo")) as hosted:
        answer = hosted.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"\r\n\r\nhello")
        assert b"chunked" not in answer


def test_each_piece_is_sent_before_the_next_is_asked_for() -> None:
    gate = threading.Event()

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", PLAIN)
        yield b"first"
        assert gate.wait(5)
        yield b"second"

    with hosting(app) as hosted, hosted.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        while b"first" not in data:
            data += connection.recv(1000)
        gate.set()
        while b"0\r\n\r\n" not in data:
            data += connection.recv(1000)
        assert b"second" in data


def test_the_connection_goes_on_after_each_kind_of_answer() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", PLAIN)
        name = environ["PATH_INFO"][1:].encode()
        return [name] if environ["QUERY_STRING"] else iter([name, b"!"])

    with hosting(app) as hosted:
        answer = hosted.ask(
            b"GET /one?x HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /three?x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            b"GET /four HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        assert re.findall(rb"one|two|three|four", answer) == [b"one", b"two", b"three", b"four"]


@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("pieces", [[], [b"hello"], [b"hel", b"lo"]])
@pytest.mark.parametrize("made", [list, iter])
def test_head_has_the_length_of_get_and_no_content(
    made: Callable[[list[bytes]], Any], pieces: list[bytes], says_length: bool
) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", PLAIN + ([("Content-Length", "5")] if says_length else []))
        return made(pieces)

    with hosting(app) as hosted:
        answer = hosted.get(method="HEAD")
        assert answer.content == b""
        known = "5" if says_length else {list: str(len(b"".join(pieces)))}.get(made)
        if not pieces and not says_length:
            known = "0"
        assert answer.names.get("content-length") == known
        assert hosted.faults == []


@pytest.mark.rfc("9110", "8.6")
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("made", [list, iter])
def test_what_has_no_content_is_sent_without(
    made: Callable[[list[bytes]], Any], status: str
) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start(status, [("Content-Length", "0"), ("X", "y")])
        return made([])

    with hosting(app) as hosted:
        answer = hosted.get()
        assert answer.status == f"HTTP/1.1 {status}"
        assert "content-length" not in answer.names
        assert answer.content == b""


def test_the_old_write_is_heard() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        write = start("200 OK", PLAIN)
        write(b"one ")
        write(b"")
        write(b"two ")
        return [b"three"]

    with hosting(app) as hosted:
        assert hosted.get().text == "one two three"


def test_early_hints_go_before_the_answer() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start("200 OK", PLAIN)
        return [b"hello"]

    with hosting(app) as hosted:
        data = hosted.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert data.startswith(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
        )
        assert data.endswith(b"hello")
        assert b"103" not in hosted.ask(b"GET / HTTP/1.0\r\n\r\n")


def test_a_field_of_the_applications_own_stays() -> None:
    fields = [("Server", "mine"), ("Date", "then"), ("X", "a"), ("X", "b")]
    with hosting(saying(b"x", status="418 Short and stout", fields=fields)) as hosted:
        answer = hosted.get()
        assert answer.status == "HTTP/1.1 418 Short and stout"
        assert [field for field in answer.fields if field in fields] == fields


def test_the_validator_of_the_standard_library_has_no_complaint() -> None:
    def inner(environ: Environ, start: Start) -> list[bytes]:
        content = environ["wsgi.input"].read(5) + environ["wsgi.input"].readline()
        environ["wsgi.errors"].flush()
        start("200 OK", PLAIN)
        return [content]

    with hosting(validator(inner)) as hosted:
        answer = hosted.get("/a?b", "Content-Type: text/plain", method="POST", content=b"hello you")
        assert answer.text == "hello you"
        answer = hosted.get()
        assert hosted.faults == []


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 10, SMALL_FILE, SMALL_FILE + 1, 3_000_000])
@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_is_sent_whole_and_closed(tmp_path: Path, size: int, says_length: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * (size // 2) + b"b" * (size - size // 2))
    opened: list[Any] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        opened.append(path.open("rb"))
        start("200 OK", PLAIN + ([("Content-Length", str(size))] if says_length else []))
        return environ["wsgi.file_wrapper"](opened[-1])  # type: ignore[no-any-return]

    with hosting(app) as hosted:
        answer = hosted.get()
        assert answer.text == path.read_text()
        assert hosted.get(method="HEAD").content == b""
        assert hosted.faults == []
    assert all(file.closed for file in opened)


def test_a_file_is_sent_from_where_it_stands_as_far_as_was_said(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"skip" + b"x" * 100_000 + b"rest")

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        file = path.open("rb")
        file.read(4)
        start("200 OK", [*PLAIN, ("Content-Length", "100000")])
        return environ["wsgi.file_wrapper"](file, 1000)  # type: ignore[no-any-return]

    with hosting(app) as hosted:
        assert hosted.get().content == b"x" * 100_000


def test_a_file_shorter_than_was_said_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [*PLAIN, ("Content-Length", "100000")])
        return environ["wsgi.file_wrapper"](path.open("rb"))  # type: ignore[no-any-return]

    with hosting(app) as hosted:
        assert hosted.get().status == "HTTP/1.1 500 Internal Server Error"
        assert len(hosted.faults) == 1


def test_what_only_looks_like_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 2000))  # it has a descriptor: of the gzip

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [*PLAIN, ("Content-Length", "512000")])
        if environ["PATH_INFO"] == "/gz":
            return environ["wsgi.file_wrapper"](gzip.open(path))  # type: ignore[no-any-return]
        return environ["wsgi.file_wrapper"](io.BytesIO(b"a" * 512_000))  # type: ignore[no-any-return]

    with hosting(app) as hosted:
        assert hosted.get("/gz").content == bytes(range(256)) * 2000
        assert hosted.get("/bytes").content == b"a" * 512_000


@pytest.mark.rfc("9110", "14.2")
def test_a_part_of_a_file_is_sought_and_the_file_closed(tmp_path: Path) -> None:
    """As Werkzeug does it: iter() of the wrapper is what it seeks in, reads and closes."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000 + b"the end")
    opened: list[Any] = []

    class Part:
        def __init__(self, wrapper: Iterable[bytes]) -> None:
            self.file: Any = iter(wrapper)

        def __iter__(self) -> Iterator[bytes]:
            assert self.file.seekable()
            self.file.seek(1_000_000)
            yield next(self.file)
            assert self.file.tell() == 1_000_007

        def close(self) -> None:
            self.file.close()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        opened.append(path.open("rb"))
        start("206 Partial Content", [*PLAIN, ("Content-Length", "7")])
        return Part(environ["wsgi.file_wrapper"](opened[-1]))

    with hosting(app) as hosted:
        assert hosted.get().content == b"the end"
        assert hosted.faults == []
    assert opened[0].closed


def test_a_file_is_closed_when_its_client_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(HUGE)
    opened: list[Any] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        opened.append(path.open("rb"))
        start("200 OK", PLAIN)
        return environ["wsgi.file_wrapper"](opened[-1])  # type: ignore[no-any-return]

    with hosting(app) as hosted:
        with hosted.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(1000)
        wait_until(lambda: opened and opened[0].closed)


# --- content -------------------------------------------------------------------------------------


def echo(environ: Environ, start: Start) -> list[bytes]:
    content = environ["wsgi.input"].read()
    start("200 OK", [*PLAIN, ("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return [content]


@pytest.mark.parametrize("size", [1, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 1_000_000])
@pytest.mark.parametrize("chunked", [True, False])
def test_content_arrives_however_it_was_framed(size: int, chunked: bool) -> None:
    content = bytes(number % 251 for number in range(size))
    framed, field = content, f"Content-Length: {size}"
    if chunked:
        middle = size // 2 or 1
        parts = [part for part in (content[:middle], content[middle:]) if part]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        field = "Transfer-Encoding: chunked"
    with hosting(echo) as hosted:
        head = f"POST / HTTP/1.1\r\nHost: a\r\n{field}\r\nConnection: close\r\n\r\n".encode()
        answer = hosted.ask(head + framed)
        assert answer.partition(b"\r\n\r\n")[2] == content
        assert b"X-Length: %d\r\n" % size in answer


def test_input_is_a_file_and_ends_by_itself() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        source = environ["wsgi.input"]
        assert environ["wsgi.input_terminated"] is True
        seen = [source.readline(), source.read(2), *source.readlines(3), *source, source.read()]
        start("200 OK", PLAIN)
        return [repr(seen).encode()]

    with hosting(app) as hosted:
        answer = hosted.get(method="PUT", content=b"one\ntwo\nthree\nfour")
        assert answer.text == repr([b"one\n", b"tw", b"o\n", b"three\n", b"four", b""])
        assert hosted.get().text == repr([b"", b"", b""])


def test_content_over_its_limit_never_gets_to_the_application() -> None:
    calls: list[str] = []

    def app(environ: Environ, start: Start) -> list[bytes]:
        calls.append(environ["CONTENT_LENGTH"])
        start("200 OK", PLAIN)
        return []

    with hosting(app, Limits(body=1000)) as hosted:
        assert hosted.get(method="POST", content=b"x" * 1000).status == "HTTP/1.1 200 OK"
        assert " 413 " in hosted.get(method="POST", content=b"x" * 1001).status
        chunk = b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert hosted.ask(head + chunk).startswith(b"HTTP/1.1 413 ")
    assert calls == ["1000"]


@pytest.mark.rfc("9110", "10.1.1")
def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    with hosting(echo) as hosted, hosted.connect() as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert connection.recv(1000).endswith(b"hello")


def test_a_full_disk_is_507_and_leaves_no_file_open() -> None:
    with hosting(echo, spool=Spool(keep_free=1 << 62)) as hosted:
        answer = hosted.get(method="POST", content=b"x" * (IN_MEMORY + 1))
        assert answer.status.startswith("HTTP/1.1 507 ")


def test_who_sends_slowly_holds_no_thread() -> None:
    with hosting(echo, threads=1) as hosted:
        slow = [hosted.connect() for _ in range(5)]
        for connection in slow:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert hosted.get(method="POST", content=b"fast").text == "fast"
        for connection in slow:
            connection.sendall(b" of it")
            assert connection.recv(1000).endswith(b"half of it")
            connection.close()


def test_who_reads_a_whole_answer_slowly_holds_no_thread() -> None:
    big = b"x" * 8_000_000

    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", PLAIN)
        return [big if environ["PATH_INFO"] == "/big" else b"small"]

    with hosting(app, threads=1) as hosted:
        slow = [hosted.connect() for _ in range(3)]
        for connection in slow:
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.05)
        assert hosted.get("/small").text == "small"
        for connection in slow:
            connection.close()


# --- what goes wrong -----------------------------------------------------------------------------


def wait_until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.005)


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("why"),
        SystemExit(1),
        KeyboardInterrupt(),
        StopIteration(),
        GeneratorExit(),
    ],
)
def test_an_application_that_fails_is_500_and_the_connection_goes_on(error: BaseException) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        if environ["PATH_INFO"] == "/fail":
            start("200 OK", PLAIN)
            raise error
        start("200 OK", PLAIN)
        return [b"fine"]

    with hosting(app) as hosted:
        answer = hosted.ask(
            b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"why" not in answer
        assert answer.endswith(b"fine")
        assert len(hosted.faults) == 1


def test_an_error_does_not_stay_in_memory() -> None:
    class Heavy(Exception):
        pass

    seen: list[weakref.ref[Heavy]] = []

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        error = Heavy()
        seen.append(weakref.ref(error))
        if environ["PATH_INFO"] == "/":
            try:
                raise error
            finally:
                del error
        try:
            raise SystemExit from error
        finally:
            del error
        yield b""

    gc.disable()
    try:
        with hosting(app) as hosted:
            assert hosted.get().status.startswith("HTTP/1.1 500 ")
            assert hosted.get("/other").status.startswith("HTTP/1.1 500 ")
            hosted.faults.clear()
            wait_until(lambda: [ref() for ref in seen] == [None, None])
    finally:
        gc.enable()


def test_an_error_that_the_client_would_be_blamed_for_is_the_applications() -> None:
    from crlf.message.errors import Malformed, TooLarge

    def app(environ: Environ, start: Start) -> list[bytes]:
        raise Malformed("of another server") if environ["PATH_INFO"] == "/a" else TooLarge("x")

    with hosting(app) as hosted:
        assert hosted.get("/a").status.startswith("HTTP/1.1 500 ")
        assert hosted.get("/b").status.startswith("HTTP/1.1 500 ")


def test_an_answer_that_breaks_off_is_cut_and_closed() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise ZeroDivisionError

    made: list[Pieces] = []

    def app(environ: Environ, start: Start) -> Pieces:
        start("200 OK", PLAIN)
        made.append(Pieces(pieces()))
        return made[0]

    with hosting(app) as hosted:
        data = b""
        with suppress(ConnectionError):
            data = hosted.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert not data.endswith(b"0\r\n\r\n")
        assert made[0].is_closed.wait(5)
    assert made[0].closed == 1


@pytest.mark.parametrize(
    "app",
    [
        lambda environ, start: [b"no head"],
        lambda environ, start: [],
        lambda environ, start: None,
        lambda environ, start: (start("200 OK", []), ["text"])[1],
        lambda environ, start: (start("200 OK", []), iter(["text"]))[1],
        lambda environ, start: (start("200 OK", []), [bytearray(b"x")])[1],
        lambda environ, start: (start("200 OK", []), start("200 OK", []), [b""])[2],
        lambda environ, start: (start("200 OK", [("Connection", "close")]), [b""])[1],
        lambda environ, start: (start("200 OK", [("Content-Length", "5")]), [b"four"])[1],
        lambda environ, start: (start("200 OK", [("Content-Length", "3")]), [b"four"])[1],
        lambda environ, start: (start("200 OK", [("Content-Length", "3")]), iter([]))[1],
        lambda environ, start: (start("OK", []), [b""])[1],
    ],
)
def test_a_broken_application_is_500(app: Any) -> None:
    with hosting(app) as hosted:
        assert hosted.get().status.startswith("HTTP/1.1 500 ")
        assert len(hosted.faults) == 1


def test_more_than_the_length_that_was_said_is_not_sent(caplog: Any) -> None:
    fields = [("Content-Length", "3")]
    with hosting(saying(b"one", b"two", fields=fields)) as hosted:
        assert hosted.get().content == b"one"
    assert "more than its Content-Length" in caplog.text


def test_an_error_handler_may_start_anew_until_the_head_is_out() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        write = start("200 OK", PLAIN)
        try:
            if environ["PATH_INFO"] == "/late":
                write(b"begun")
            raise ZeroDivisionError
        except ZeroDivisionError:
            start("503 Sorry", [("X", "y")], sys.exc_info())
            return [b"sorry"]

    with hosting(app) as hosted:
        assert hosted.get("/early").status == "HTTP/1.1 503 Sorry"
        with pytest.raises((ConnectionError, ValueError)):
            assert hosted.get("/late").text  # no last chunk
        assert [type(fault) for fault in hosted.faults] == [ZeroDivisionError]


@pytest.mark.parametrize("pieces", [[b"one"], [b"one", b"two"], [], [b"x" * 1_000_000]])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_iterable_is_closed_once(pieces: list[bytes], method: str) -> None:
    made: list[Pieces] = []

    def app(environ: Environ, start: Start) -> Pieces:
        start("200 OK", PLAIN)
        made.append(Pieces(pieces))
        return made[-1]

    with hosting(app) as hosted:
        hosted.get(method=method)
        assert made[0].is_closed.wait(5)
    assert [each.closed for each in made] == [1]


def test_a_close_that_fails_is_only_logged(caplog: Any) -> None:
    class Bad(Pieces):
        def close(self) -> None:
            super().close()
            raise ZeroDivisionError

    made = Bad([b"x"])

    def app(environ: Environ, start: Start) -> Pieces:
        start("200 OK", PLAIN)
        return made

    with hosting(app) as hosted:
        assert hosted.get().text == "x"
        assert made.is_closed.wait(5)
    assert made.closed == 1
    assert "failed in close()" in caplog.text


def test_a_client_that_leaves_ends_the_stream_it_was_sent() -> None:
    counted: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(1_000_000):
            counted.append(number)
            yield b"x" * 10_000

    made = Pieces(pieces())

    def app(environ: Environ, start: Start) -> Pieces:
        start("200 OK", PLAIN)
        return made

    with hosting(app) as hosted:
        with hosted.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(1000)
        assert made.is_closed.wait(10)
        assert len(counted) < 10_000
        assert hosted.faults == []  # that a client leaves is nobody's fault
    assert made.closed == 1


def test_a_client_that_reads_slowly_pauses_the_stream() -> None:
    said: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(2000):
            said.append(1)
            yield b"x" * 64 * 1024

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", PLAIN)
        return pieces()

    with hosting(app) as hosted, hosted.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(said) > 2)
        time.sleep(0.1)
        before = len(said)
        time.sleep(0.1)
        assert len(said) == before
        assert before * 64 * 1024 < AHEAD + 32 * 1024 * 1024  # and what kernels keep


def test_when_threads_and_queue_are_full_one_is_told_to_come_again() -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def app(environ: Environ, start: Start) -> list[bytes]:
        begun.release()
        gate.wait(10)
        start("200 OK", PLAIN)
        return [b"done"]

    with hosting(app, threads=2, queue=1) as hosted:
        waiting = []
        for number in range(3):
            waiting.append(hosted.connect())
            waiting[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if number < 2:
                assert begun.acquire(timeout=5)
        time.sleep(0.05)
        answer = hosted.get()
        assert answer.status == "HTTP/1.1 503 Service Unavailable"
        assert answer.names["retry-after"] == "1"
        large = hosted.get(method="POST", content=b"x" * (IN_MEMORY + 1))
        assert " 503 " in large.status
        gate.set()
        for connection in waiting:
            assert connection.recv(1000).endswith(b"done")
            connection.close()


def test_a_stop_is_seen_by_the_application_and_its_threads_end() -> None:
    seen: list[bool] = []

    def app(environ: Environ, start: Start) -> list[bytes]:
        seen.append(bool(environ["crlf.draining"]))
        start("200 OK", PLAIN)
        return [b"x"]

    with hosting(app) as hosted:
        hosted.get()
    assert seen == [False]
    assert not [thread for thread in threading.enumerate() if "wsgi" in thread.name]


def test_many_clients_at_once_get_each_their_own_answer() -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", PLAIN)
        name = environ["PATH_INFO"].encode()
        return [name] if hash(name) % 2 else iter([name[:2], name[2:]])

    wrong: list[str] = []

    def client(hosted: Hosted, which: int) -> None:
        for number in range(30):
            target = f"/{which}-{number}"
            if hosted.get(target).text != target:
                wrong.append(target)

    with hosting(app, threads=3) as hosted:
        threads = [threading.Thread(target=client, args=(hosted, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.fixture(autouse=True)
def _quiet_asyncio(caplog: Any) -> None:
    caplog.set_level(logging.ERROR, "crlf")
