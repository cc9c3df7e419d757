"""What hosted applications are shown, and what they never are.

An App, a folder, an ASGI and a WSGI application behind the same server: a request that could be
read in two ways, or holds what no request may, is refused before any of them is called, and what
was hidden in it is never taken for a request. What is merely unusual (other forms of targets,
upgrades, protocols of other versions) is answered cleanly, once.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crlf.message.request import Request
from crlf.server import App, running
from crlf.server.hosting import hosted, load_application
from crlf.server.serving import Server

KINDS = ("app", "folder", "asgi", "wsgi")
CLOSE = b"Connection: close\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"


class Seen(NamedTuple):
    """What an application was called with. fields: as the application finds them."""

    method: str
    path: str
    fields: dict[str, str]
    content: bytes


class Hosting:
    """A server of one kind, and what its application has been shown."""

    def __init__(self, kind: str, server: Server, seen: list[Seen]) -> None:
        self.kind, self.server, self.seen = kind, server, seen

    def say(self, data: bytes) -> bytes:
        """Say something on a connection of its own; return all that is answered."""
        self.seen.clear()
        with socket.create_connection(("127.0.0.1", self.server.port), 5) as peer:
            with suppress(ConnectionError):
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
            said = b""
            with suppress(ConnectionError):
                while piece := peer.recv(65536):
                    said += piece
        return said


def app_that_sees(seen: list[Seen]) -> App:
    app = App()

    @app.route("/", ["GET", "POST", "OPTIONS"])
    @app.route("/{rest:path}", ["GET", "POST", "OPTIONS"])
    async def see(request: Request, rest: str = "") -> str:
        fields = {name.lower(): value for name, value in request.headers.fields}
        seen.append(Seen(request.method, request.url.path, fields, request.content))
        return "seen"

    return app


def asgi_that_sees(seen: list[Seen]) -> Any:
    async def see(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        content = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            content += message["body"]
            if not message["more_body"]:
                break
        fields = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        seen.append(Seen(scope["method"], scope["path"], fields, content))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"seen"})

    return see


def wsgi_that_sees(seen: list[Seen]) -> Any:
    def see(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        fields = {
            name.removeprefix("HTTP_").lower().replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_LENGTH", "CONTENT_TYPE")
        }
        content = environ["wsgi.input"].read()
        seen.append(Seen(environ["REQUEST_METHOD"], environ["PATH_INFO"], fields, content))
        start_response("200 OK", [])
        return [b"seen"]

    return see


@pytest.fixture(params=KINDS)
def hosting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hosting]:
    seen: list[Seen] = []
    if request.param == "folder":
        for name in ("index.html", "hidden"):
            (tmp_path / name).write_text("seen")
        application = load_application(str(tmp_path))
    else:
        make = {"app": app_that_sees, "asgi": asgi_that_sees, "wsgi": wsgi_that_sees}
        application = hosted(make[request.param](seen), "here")
    with running(application) as server:
        yield Hosting(request.param, server, seen)


def status_of(said: bytes) -> int:
    return int(said[9:12]) if said.startswith(b"HTTP/1.1 ") else 0


def count_of(said: bytes) -> int:
    return len(re.findall(rb"HTTP/1\.1 [1-5][0-9]{2} ", said))


# --- what could be read in two ways --------------------------------------------------------------


def post(*fields: bytes, version: bytes = b"1.1", content: bytes = HIDDEN) -> bytes:
    lines = [b"POST / HTTP/" + version, b"Host: a", *fields, b"", b""]
    return b"\r\n".join(lines) + content


CHUNKS = b"5\r\nhello\r\n0\r\n\r\n" + HIDDEN
TE = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: 5"
REFUSED = {
    "length and chunks": post(LENGTH, TE, content=CHUNKS),
    "chunks and length": post(TE, LENGTH, content=CHUNKS),
    "length 0 and chunks": post(b"Content-Length: 0", TE, content=CHUNKS),
    "two lengths": post(b"Content-Length: 0", LENGTH),
    "two equal lengths": post(LENGTH, LENGTH, content=b"hello" + HIDDEN),
    "a list of lengths": post(b"Content-Length: 5, 5", content=b"hello" + HIDDEN),
    "a signed length": post(b"Content-Length: +5", content=b"hello" + HIDDEN),
    "a length in other digits": post("Content-Length: ٥".encode(), content=b"hello" + HIDDEN),
    "a length with an underscore": post(b"Content-Length: 1_0", content=b"hello" + HIDDEN),
    "a length that is empty": post(b"Content-Length:"),
    "a blank before the colon of a length": post(b"Content-Length : 5", content=b"hello" + HIDDEN),
    "a blank before the colon of a coding": post(TE.replace(b":", b" :"), content=CHUNKS),
    "a tab before the colon of a coding": post(TE.replace(b":", b"\t:"), content=CHUNKS),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", content=CHUNKS),
    "chunks that are not the last coding": post(b"Transfer-Encoding: chunked, identity"),
    "chunks twice": post(b"Transfer-Encoding: chunked, chunked", content=CHUNKS),
    "two codings in two fields": post(TE, b"Transfer-Encoding: identity", content=CHUNKS),
    "a coding behind a vertical tab": post(b"Transfer-Encoding:\x0bchunked", content=CHUNKS),
    "a coding in quotes": post(b'Transfer-Encoding: "chunked"', content=CHUNKS),
    "a coding behind a comma": post(b"Transfer-Encoding: ,chunked", b"X: y", LENGTH),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked", content=CHUNKS),
    "a folded field": post(b"X: a\r\n b", LENGTH, content=b"hello" + HIDDEN),
    "chunks in HTTP/1.0": post(TE, version=b"1.0", content=CHUNKS),
    "a coding behind a bare LF": post(b"X: y\nTransfer-Encoding: chunked", content=CHUNKS),
    "a coding behind a bare CR": post(b"X: y\rTransfer-Encoding: chunked", content=CHUNKS),
    "lines that end in LF": post(LENGTH, content=b"hello" + HIDDEN).replace(b"\r\n", b"\n"),
    "a head that ends in LF LF": b"GET / HTTP/1.1\r\nHost: a\n\n" + HIDDEN,
    "NUL in a value": post(b"X: a\0b", LENGTH, content=b"hello" + HIDDEN),
    "NUL in a name": post(b"X\0: a", LENGTH, content=b"hello" + HIDDEN),
    "NUL in a target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "a control character in a value": post(b"X: a\x01b", LENGTH, content=b"hello" + HIDDEN),
    "a name that is no token": post(b"X[]: a", LENGTH, content=b"hello" + HIDDEN),
    "a name that is not ASCII": post("Ünit: a".encode(), LENGTH, content=b"hello" + HIDDEN),
    "no name": post(b": a", LENGTH, content=b"hello" + HIDDEN),
    "no colon": post(b"nothing", LENGTH, content=b"hello" + HIDDEN),
    "a blank before the first field": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n" + HIDDEN,
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + HIDDEN,
    "no host": b"GET / HTTP/1.1\r\n\r\n" + HIDDEN,
    "a host with a user": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" + HIDDEN,
    "a chunk with a sign": post(TE, content=b"+5\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "a chunk of hexadecimal notation": post(TE, content=b"0x5\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "a chunk longer than it says": post(TE, content=b"5\r\nhelloXX\r\n0\r\n\r\n" + HIDDEN),
    "a chunk line that ends in LF": post(TE, content=b"5\nhello\r\n0\r\n\r\n" + HIDDEN),
    "a chunk with a bare CR": post(TE, content=b"5\r;x\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "a chunk of a size too large": post(TE, content=b"F" * 17 + b"\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "a chunk with NUL behind it": post(TE, content=b"5;\0\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "trailers with LF": post(TE, content=b"5\r\nhello\r\n0\r\nX: y\n\r\n\r\n" + HIDDEN),
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "a word too many": b"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n" + HIDDEN,
    "a small protocol": b"GET / http/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "HTTP/0.9": b"GET /\r\n" + HIDDEN,
    "HTTP/0.9 with an empty line": b"GET /\r\n\r\n" + HIDDEN,
    "HTTP/0.9 by name": b"GET / HTTP/0.9\r\nHost: a\r\n\r\n" + HIDDEN,
    "a star for GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "an authority for GET": b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)) + HIDDEN,
    "what is no HTTP": b"EHLO a\r\nMAIL FROM:<a@a>\r\n" + HIDDEN,
}
STATUSES = {"an unknown coding": 501, "HTTP/0.9 by name": 505}


@pytest.mark.rfc("9112", "11.2")
@pytest.mark.parametrize("what", REFUSED)
def test_what_could_be_read_in_two_ways_reaches_nobody(hosting: Hosting, what: str) -> None:
    said = hosting.say(REFUSED[what])
    assert status_of(said) == STATUSES.get(what, 400), said
    assert count_of(said) == 1, "what was hidden is answered"
    assert b"connection: close\r\n" in said
    assert hosting.seen == []
    if b"hidden" in said or b"seen" in said:
        raise AssertionError(f"it was let see what is hidden: {said!r}")


# --- what is unusual -----------------------------------------------------------------------------


@pytest.mark.rfc("9112", "3.2.2")
def test_an_absolute_target_counts_more_than_its_host(hosting: Hosting) -> None:
    said = hosting.say(b"GET http://b.example/index.html HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
    assert status_of(said) == 200
    assert count_of(said) == 1
    if hosting.kind != "folder":
        assert hosting.seen[0].path == "/index.html"
    if hosting.kind in ("asgi", "wsgi"):
        assert hosting.seen[0].fields["host"] == "b.example"


@pytest.mark.rfc("9112", "3.2.4")
def test_options_of_everything_is_answered(hosting: Hosting) -> None:
    said = hosting.say(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
    assert status_of(said) in (200, 204)
    assert count_of(said) == 1
    if hosting.kind == "asgi":
        assert [seen.path for seen in hosting.seen] == ["*"]  # as uvicorn and hypercorn say it


@pytest.mark.rfc("9110", "9.3.6")
@pytest.mark.parametrize("target", [b"a:443", b"[::1]:443"])
def test_connect_is_refused_and_nothing_follows(hosting: Hosting, target: bytes) -> None:
    said = hosting.say(b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN)
    assert status_of(said) == 501
    assert count_of(said) == 1
    assert b"connection: close\r\n" in said
    assert hosting.seen == []


@pytest.mark.rfc("9110", "9.3.8")
def test_trace_echoes_nothing(hosting: Hosting) -> None:
    said = hosting.say(b"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\n" + CLOSE + b"\r\n")
    assert count_of(said) == 1
    assert b"secret" not in said
    if hosting.kind in ("app", "folder"):
        assert status_of(said) in (405, 501)


@pytest.mark.rfc("9110", "7.8")
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0", b"a, b/1, c", b""])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_an_upgrade_is_not_taken_up(hosting: Hosting, protocol: bytes, version: bytes) -> None:
    said = hosting.say(
        b"GET / HTTP/" + version + b"\r\nHost: a\r\nUpgrade: " + protocol + b"\r\n"
        b"Connection: upgrade, close, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIA\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert status_of(said) == 200
    assert count_of(said) == 1
    assert said.endswith(b"seen")
    assert b"\r\nupgrade:" not in said.lower()


@pytest.mark.rfc("9113", "3.4")
def test_the_preface_of_http_2_is_refused_with_its_version(hosting: Hosting) -> None:
    said = hosting.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + HIDDEN)
    assert status_of(said) == 505
    assert count_of(said) == 1
    assert b"connection: close\r\n" in said
    assert hosting.seen == []


@pytest.mark.rfc("9110", "10.1.1")
def test_an_expectation_that_nobody_knows_is_refused(hosting: Hosting) -> None:
    said = hosting.say(post(b"Expect: 200-maybe", LENGTH, content=b"hello" + HIDDEN))
    assert status_of(said) == 417
    assert hosting.seen == []


@pytest.mark.rfc("9110", "6.5.1")
def test_trailers_are_not_taken_for_fields(hosting: Hosting) -> None:
    trailers = b"0\r\nHost: evil\r\nContent-Length: 99\r\nAuthorization: x\r\nX-Sum: 1\r\n\r\n"
    said = hosting.say(post(TE, CLOSE[:-2], content=b"5\r\nhello\r\n" + trailers))
    if hosting.kind == "folder":
        return
    assert count_of(said) == 1
    if status_of(said) == 200:  # a trailer that may be none is dropped, or the request refused
        (seen,) = hosting.seen
        assert seen.content == b"hello"
        assert seen.fields["host"] == "a"
        assert not {"authorization", "x-sum"} & seen.fields.keys()
        assert seen.fields.get("content-length", "5") == "5"
    else:
        assert status_of(said) == 400
        assert hosting.seen == []


def test_names_with_underscores_are_not_taken_for_others(hosting: Hosting) -> None:
    """A proxy that guards X-Forwarded-For may let X_Forwarded_For pass (RFC 3875 4.1.18)."""
    said = hosting.say(
        b"POST / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nX-Forwarded_For: 2\r\n"
        b"Content_Length: 3\r\nTransfer_Encoding: chunked\r\nContent_Type: evil\r\nProxy: evil\r\n"
        b"Content-Length: 5\r\n" + CLOSE + b"\r\nhello"
    )
    if hosting.kind == "folder":
        return
    assert status_of(said) == 200
    (seen,) = hosting.seen
    assert seen.content == b"hello"
    assert seen.fields["content-length"] == "5"
    if hosting.kind == "wsgi":
        assert not {"x-forwarded-for", "content-type", "transfer-encoding", "proxy"} & set(
            seen.fields
        )


@pytest.mark.rfc("9112", "9.3.2")
def test_what_follows_something_bad_is_not_looked_at(hosting: Hosting) -> None:
    good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    said = hosting.say(good * 3 + REFUSED["NUL in a value"] + good * 3)
    assert count_of(said) == 4
    if hosting.kind != "folder":
        assert len(hosting.seen) == 3


def test_everything_at_once_byte_by_byte_leaves_it_well(hosting: Hosting) -> None:
    """The refused ones again, in single bytes as far as the server listens."""
    for what, data in REFUSED.items():
        with socket.create_connection(("127.0.0.1", hosting.server.port), 5) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            hosting.seen.clear()
            with suppress(ConnectionError):
                for at in range(min(len(data), 120)):
                    peer.sendall(data[at : at + 1])
                peer.sendall(data[120:])
                peer.shutdown(socket.SHUT_WR)
            said = b""
            with suppress(ConnectionError):
                while piece := peer.recv(65536):
                    said += piece
            assert status_of(said) == STATUSES.get(what, 400), what
            assert count_of(said) == 1, what
            assert hosting.seen == [], what
    assert status_of(hosting.say(b"GET / HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")) == 200
