"""An App as an ASGI application: whoever hosts it, its answers are those of crlf's own server.

The first host is crlf itself, by way of ASGI: the same bytes in must give the same bytes out.
The second is a fake one, lenient and odd, which calls as ASGI hosts do.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf import App, Request, Response, html, text
from crlf.flow.serve import Service
from crlf.net.scripted import END, ScriptedStream
from crlf.server.gateways.asgi import AsgiApplication
from crlf.server.gateways.asgiface import AsgiFace
from crlf.wire.limits import Limits

HOST = b"Host: localhost\r\n"


async def in_thread(work: Callable[[], Any]) -> Any:
    return work()


def shop(folder: Path) -> App:
    """An application with a bit of everything."""
    app = App(secret="a secret of sixteen bytes at least")

    @app.get("/")
    async def front(request: Request) -> Response:
        return html("<h1>Shop</h1>")

    @app.get("/part/{number:int}")
    def part(request: Request, number: int) -> Response:
        return text(f"part {number}, {request.query.get('color', 'grey')}")

    @app.post("/form")
    async def form(request: Request) -> Response:
        return text(f"{request.form.get('name')} {request.form.get('size')}")

    @app.post("/upload")
    def upload(request: Request) -> Response:
        file: Any = request.files["file"]
        return text(f"{file.filename} {file.size} {file.sha256[:8]} {request.form['note']}")

    @app.get("/count")
    async def count(request: Request) -> Response:
        request.session["count"] = seen = request.session.get("count", 0) + 1
        return text(f"visit {seen}")

    @app.get("/stream")
    async def stream(request: Request) -> Response:
        async def pieces() -> Any:
            for number in range(3):
                yield f"piece {number}\n".encode()

        return Response(200, {"content-type": "text/plain"}, pieces())

    @app.get("/iterator")
    def iterator(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"one"
            yield b"two"

        return Response(200, {"content-type": "text/plain"}, pieces())

    @app.get("/nothing")
    async def nothing(request: Request) -> Response:
        return Response(204)

    @app.get("/broken")
    async def broken(request: Request) -> Response:
        raise LookupError("not for visitors")

    @app.get("/url")
    async def url(request: Request) -> Response:
        return text(f"{request.url} {request.peer}")

    app.folder("/files", folder)
    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("some text\n" * 100)
    return tmp_path


# --- hosted by crlf, by way of ASGI --------------------------------------------------------------


def played(request: bytes, **given: Any) -> bytes:
    """What crlf's server writes for a request to an application, directly or by ASGI."""
    stream = ScriptedStream([request, END])
    service = Service(
        given.get("send"), stream.clock.now, in_thread, io.BytesIO, talk=given.get("talk")
    )
    asyncio.run(service.serve(stream))
    return bytes(stream.written)


def multipart() -> bytes:
    content = (
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
        + b"0123456789" * 50
        + b"\r\n--b--\r\n"
    )
    return (
        b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n" % len(content) + content
    )


FORM = (
    b"POST /form HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 16\r\n\r\nname=nut&size=10"
)
REQUESTS = {
    "page": b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "values": b"GET /part/7?color=b%20w HTTP/1.1\r\n" + HOST + b"\r\n",
    "head": b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n",
    "form": FORM,
    "chunked form": FORM.replace(b"Content-Length: 16", b"Transfer-Encoding: chunked").replace(
        b"name=nut&size=10", b"8\r\nname=nut\r\n8\r\n&size=10\r\n0\r\n\r\n"
    ),
    "upload": multipart(),
    "not a form": multipart().replace(b"\r\n--b--\r\n", b"\r\n--c--\r\n"),
    "stream": b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n",
    "head of a stream": b"HEAD /stream HTTP/1.1\r\n" + HOST + b"\r\n",
    "iterator": b"GET /iterator HTTP/1.1\r\n" + HOST + b"\r\n",
    "204": b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n",
    "404": b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Accept: text/html\r\n\r\n",
    "405": b"DELETE / HTTP/1.1\r\n" + HOST + b"\r\n",
    "500": b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n",
    "options": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "file": b"GET /files/a.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    "head of a file": b"HEAD /files/a.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    "range": b"GET /files/a.txt HTTP/1.1\r\n" + HOST + b"Range: bytes=5-8\r\n\r\n",
    "no file": b"GET /files/b.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    "url": b"GET /url?x HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute": b"GET http://localhost/url?x HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS)
def test_by_way_of_asgi_an_answer_is_the_same(request_bytes: bytes, folder: Path) -> None:
    app = shop(folder)
    hosted = AsgiApplication(AsgiFace(app)).talker(in_thread, lambda: 0.0)
    directly = played(request_bytes, send=app.sender(in_thread, lambda: 0.0))
    by_asgi = played(request_bytes, talk=hosted)
    assert directly
    # A Date is for the host, which has no clock here.
    dateless = [line for line in directly.split(b"\r\n") if not line.startswith(b"date: ")]
    assert sorted(by_asgi.split(b"\r\n")) == sorted(dateless)


def test_a_session_lasts_by_way_of_asgi(folder: Path) -> None:
    hosted = AsgiApplication(AsgiFace(shop(folder))).talker(in_thread, lambda: 0.0)
    first = played(b"GET /count HTTP/1.1\r\n" + HOST + b"\r\n", talk=hosted)
    cookie = first.partition(b"set-cookie: ")[2].partition(b";")[0]
    again = played(
        b"GET /count HTTP/1.1\r\n" + HOST + b"Cookie: " + cookie + b"\r\n\r\n", talk=hosted
    )
    assert first.endswith(b"visit 1")
    assert again.endswith(b"visit 2")


HOSTED = (b"host", b"localhost")

# --- hosted by somebody lenient ------------------------------------------------------------------


def called(
    app: App, *messages: dict[str, Any], limits: Limits | None = None, **scope: Any
) -> list[dict[str, Any]]:
    """What an application says to a host that calls it with this scope."""
    face = AsgiFace(app) if limits is None else AsgiFace(app, limits)
    told = list(messages) or [{"type": "http.request"}]
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return told.pop(0) if told else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    whole = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        **scope,
    }
    asyncio.run(face(whole, receive, send))
    return said


def status(said: list[dict[str, Any]]) -> int:
    assert said[0]["type"] == "http.response.start"
    return int(said[0]["status"])


def content(said: list[dict[str, Any]]) -> bytes:
    assert [message["type"] for message in said[1:]] == ["http.response.body"] * (len(said) - 1)
    assert [message.get("more_body", False) for message in said[1:]][-1] is False
    return b"".join(message["body"] for message in said[1:])


def test_a_host_that_says_little_is_enough(folder: Path) -> None:
    assert content(called(shop(folder))) == b"<h1>Shop</h1>"


@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/part/7"},
        {"path": "/x", "raw_path": b"/part/7"},
        {"path": "/x", "raw_path": b"/part/7?color=red"},
        {"path": "/at/part/7", "root_path": "/at"},
        {"path": "/at/part/7", "raw_path": b"/at/part/7", "root_path": "/at/"},
        {"path": "/part/7", "raw_path": b"/part/7", "root_path": "/at"},
    ],
)
def test_the_path_is_found_however_a_host_says_it(folder: Path, scope: dict[str, Any]) -> None:
    assert content(called(shop(folder), **scope)) == b"part 7, grey"


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    "scope",
    [
        {"headers": [(b"host", b"a"), (b"host", b"b")]},
        {"headers": [(b"host", b"a b")]},
        {"headers": [(b"host", b"a"), (b"x y", b"1")]},
        {"headers": [(b"host", b"a"), (b"x", b"1\n2")]},
        {"raw_path": b"/a b"},
        {"raw_path": b"*"},
        {"method": "GET /"},
        {"query_string": b"a#b"},
        {"headers": []},
        {"headers": [HOSTED, (b"content-type", b"text/plain"), (b"content-type", b"text/html")]},
        {"headers": [HOSTED, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]},
        {"headers": [HOSTED, (b"content-length", b"1"), (b"content-length", b"2")]},
        {"headers": [HOSTED, (b"content-length", b"+1")]},
        {"headers": [HOSTED, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")]},
        {"headers": [HOSTED, (b"transfer-encoding", b"chunked")], "http_version": "1.0"},
    ],
)
def test_what_crlf_refuses_is_refused_under_a_lenient_host(
    folder: Path, scope: dict[str, Any]
) -> None:
    assert status(called(shop(folder), **scope)) == 400


@pytest.mark.rfc("9110", "5.4")
@pytest.mark.parametrize(
    ("scope", "code", "what"),
    [
        ({"headers": [HOSTED, *[(b"x", b"")] * 100]}, 431, b"fields over its limit of 100"),
        ({"headers": [HOSTED, (b"x", b"y" * 8190)]}, 431, b"field over its limit of 8,192"),
        ({"headers": [HOSTED, *[(b"x", b"y" * 8000)] * 5]}, 431, b"head over its limit of 32,768"),
        ({"query_string": b"a=" + b"b" * 8190}, 414, b"line over its limit of 8,192"),
    ],
)
def test_a_head_that_a_host_has_read_is_not_too_large_for_crlf_either(
    folder: Path, scope: dict[str, Any], code: int, what: bytes
) -> None:
    said = called(shop(folder), **scope)
    assert status(said) == code
    assert what in content(said)


def test_a_head_at_its_limits_is_read(folder: Path) -> None:
    fields = [HOSTED, (b"x", b"y" * 8189), *[(b"x", b"")] * 98]
    assert status(called(shop(folder), headers=fields)) == 200
    query = b"a=" + b"b" * (8192 - len("GET /?a= HTTP/1.1"))
    assert status(called(shop(folder), query_string=query)) == 200
    assert status(called(shop(folder), headers=[], http_version="2")) == 200


@pytest.mark.parametrize("length", [[], [(b"content-length", b"11")]])
def test_content_over_the_limit_is_refused(folder: Path, length: list[Any]) -> None:
    said = called(
        shop(folder),
        {"type": "http.request", "body": b"x" * 11},
        http_version="2",
        method="POST",
        path="/form",
        headers=[(b"host", b"localhost"), *length],
        limits=Limits(body=10),
    )
    assert status(said) == 413


def test_a_program_says_itself_that_content_is_too_long(folder: Path) -> None:
    app = shop(folder)

    @app.on_error(413)
    def too_large(request: Request, error: Exception) -> str:
        return "At most ten."

    said = called(
        app,
        {"type": "http.request", "body": b"x" * 11},
        method="POST",
        path="/form",
        headers=[(b"host", b"localhost"), (b"content-length", b"11")],
        limits=Limits(body=10),
    )
    assert (status(said), content(said)) == (413, b"At most ten.")


def test_who_goes_in_the_middle_is_not_answered(folder: Path) -> None:
    said = called(
        shop(folder),
        {"type": "http.request", "body": b"name=", "more_body": True},
        {"type": "http.disconnect"},
        method="POST",
        path="/form",
        headers=[(b"host", b"localhost"), (b"content-length", b"11")],
    )
    assert said == []


def test_http_2_has_no_fields_of_a_connection(folder: Path) -> None:
    app = shop(folder)

    @app.get("/close")
    async def close(request: Request) -> Response:
        return Response(200, {"connection": "close", "x-one": "1"})

    fields = dict(called(app, path="/close", http_version="2")[0]["headers"])
    assert b"connection" not in fields
    assert fields[b"x-one"] == b"1"
    assert b"connection" in dict(called(app, path="/close")[0]["headers"])


@pytest.mark.parametrize(
    ("scope", "length"),
    [
        ({}, b"13"),
        ({"method": "HEAD"}, b"13"),
        ({"path": "/nothing"}, None),
        ({"path": "/stream"}, None),
        ({"path": "/files/a.txt"}, b"1000"),
    ],
)
def test_length_is_said_where_it_is_known(
    folder: Path, scope: dict[str, Any], length: bytes | None
) -> None:
    said = called(shop(folder), **scope)
    assert dict(said[0]["headers"]).get(b"content-length") == length
    assert content(said) or scope.get("method") or length is None


def test_names_of_fields_are_lower_case(folder: Path) -> None:
    app = shop(folder)

    @app.get("/fields")
    async def fields(request: Request) -> Response:
        return Response(200, {"X-One": "1"})

    assert all(name.islower() for name, _ in called(app, path="/fields")[0]["headers"])


@pytest.mark.rfc("9110", "6.6.1")
def test_the_date_is_left_to_the_host_which_writes_one_of_its_own(folder: Path) -> None:
    app = shop(folder)

    @app.get("/dated")
    async def dated(request: Request) -> Response:
        return text("", headers={"Date": "Mon, 23 Nov 2026 14:00:00 GMT"})

    for path in ("/dated", "/files/a.txt"):
        start = called(app, path=path)[0]
        assert start["status"] == 200
        assert b"date" not in dict(start["headers"])


def test_a_web_socket_is_declined(folder: Path) -> None:
    said = called(shop(folder), {"type": "websocket.connect"}, type="websocket")
    assert said == [{"type": "websocket.close", "code": 1000}]


def test_the_lifespan_is_answered_and_tells_of_the_end(folder: Path) -> None:
    app = shop(folder)
    seen: list[str] = []

    async def begin() -> None:
        seen.append("begin")

    async def finish() -> None:
        seen.append("finish")

    app.begin, app.finish = begin, finish  # type: ignore[attr-defined]
    said = called(app, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}, type="lifespan")
    assert [message["type"] for message in said] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert seen == ["begin", "finish"]


def test_a_start_that_fails_is_said() -> None:
    app = App()

    async def begin() -> None:
        raise OSError("no database")

    app.begin = begin  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no database"):
        called(app, {"type": "lifespan.startup"}, type="lifespan")


def test_nothing_else_is_served() -> None:
    with pytest.raises(ValueError, match="'amqp'"):
        called(App(), type="amqp")
