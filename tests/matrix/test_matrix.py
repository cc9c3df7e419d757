"""One set of stories, told by every client to every server; all must tell the same.

Client and AsyncClient, in memory, over sockets and over TLS, on asyncio and uvloop, to `def`
and to `async def` handlers. A story's results are normalised (no Date, no ports) and compared
between the cells, and then with what they should be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from crlf.message.errors import CrlfError, StatusError
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import Stream
from crlf.server import App, Refused, html, redirect, stream, text
from crlf.server import json as json_answer

OF_THE_CELL = {"date", "server", "connection", "host"}


def normal(response: Response) -> dict[str, object]:
    """Say everything of a response that does not depend on where and when it was made."""
    fields = sorted(
        (name.lower(), value)
        for name, value in response.headers.fields
        if name.lower() not in OF_THE_CELL
    )
    content = response.content
    if len(content) > 2000:
        content = hashlib.sha256(content).hexdigest().encode()
    return {
        "status": (response.status_code, response.reason, response.version),
        "fields": fields,
        "content": content,
        "trailers": sorted(response.trailers.items()),
        "path": response.url.target,
        "history": [hop.status_code for hop in response.history],
        "asked": response.request.method if response.request is not None else None,
    }


def described(error: BaseException) -> tuple[object, ...]:
    """Say everything of an error that does not depend on where and when it happened."""
    asked = getattr(error, "request", None)
    return (
        type(error).__name__,
        error.brief if not isinstance(error, StatusError) else "",
        getattr(error, "rule", ""),
        getattr(error, "phase", ""),
        asked.method if isinstance(asked, Request) else None,
    )


async def failing(awaitable: Any) -> tuple[object, ...]:
    """Wait for an error of ours and describe it."""
    try:
        response = await awaitable
    except CrlfError as error:
        return described(error)
    raise AssertionError(f"{response!r} where an error was expected")


def fill(app: App, colour: Callable[[Any], Any]) -> None:
    """Give an application its handlers, in one colour."""

    def route(path: str, *methods: str) -> Callable[[Any], Any]:
        return lambda handler: app.route(path, methods or ("GET",))(colour(handler))

    @route("/echo", "GET", "POST", "PUT", "PATCH", "DELETE", "QUERY")
    def echo(request: Request) -> object:
        fields = {
            name.lower(): value
            for name, value in request.headers.fields
            if name.lower() not in OF_THE_CELL
        }
        return json_answer(
            {
                "method": request.method,
                "path": request.path,
                "query": list(request.query.pairs),
                "fields": fields,
                "form": list(request.form.pairs),
                "files": [
                    [name, upload.filename, upload.content_type, upload.size, upload.sha256]  # type: ignore[attr-defined]
                    for name, upload in request.files.pairs  # type: ignore[attr-defined]
                ]
                if request.files
                else [],
                "cookies": list(request.cookies.pairs),
                "content": hashlib.sha256(request.content).hexdigest(),
                "size": len(request.content),
            }
        )

    @route("/part/{number:int}")
    def part(request: Request, number: int) -> str:
        return f"part {number}"

    @route("/empty", "GET", "DELETE")
    def empty(request: Request) -> object:
        return "", 204

    @route("/same")
    def same(request: Request) -> Response:
        return Response(304, {"etag": '"1"'})

    @route("/page")
    def page(request: Request) -> Response:
        return html("<p>a page</p>")

    @route("/count")
    def count(request: Request) -> str:
        request.session["count"] = int(str(request.session.get("count", 0))) + 1
        return str(request.session["count"])

    @route("/forget")
    def forget(request: Request) -> str:
        request.session.clear()
        return "gone"

    @route("/cookie")
    def cookie(request: Request) -> Response:
        return (
            text("set")
            .adding_field("set-cookie", "taste=sweet; Path=/")
            .adding_field("set-cookie", "size=7; Path=/")
        )

    @route("/eat")
    def eat(request: Request) -> Response:
        return text("eaten").adding_field("set-cookie", "taste=; Path=/; Max-Age=0")

    @route("/go/{code:int}", "GET", "POST", "PUT")
    def go(request: Request, code: int) -> Response:
        return redirect("/echo?after=1#part", code)

    @route("/circle")
    def circle(request: Request) -> Response:
        return redirect("/circle")

    @route("/lines")
    def lines(request: Request) -> Response:
        return stream(iter([b"one\r\ntw", b"o\n\nfour\r", b"\nfi\xc3", b"\xa9ve"]), "text/plain")

    @route("/long/{size:int}")
    def long(request: Request, size: int) -> Response:
        return stream(iter([b"x" * 1000] * (size // 1000)))

    @route("/waiting")
    def waiting(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for letter in b"abc":
                yield bytes([letter]) * 10

        return stream(pieces(), headers={"content-length": "30"})

    @route("/file")
    def file(request: Request) -> object:
        from crlf.server import file as file_answer

        return file_answer(FILE[0])

    @route("/broken")
    def broken(request: Request) -> str:
        raise ZeroDivisionError("a secret of ours")

    @route("/breaks-off")
    def breaks_off(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield b"half"
            raise ZeroDivisionError("a secret of ours")

        return stream(pieces())

    @route("/refused")
    def refused(request: Request) -> str:
        raise Refused(409, "Not like this.")

    @route("/large-field")
    def large_field(request: Request) -> Response:
        return text("x", headers={"x-large": "y" * 6000})

    @route("/json", "POST")
    def reads_json(request: Request) -> object:
        return {"seen": request.json()}


FILE: list[Path] = []


@pytest.fixture
def matrix(tools: Any, papers: tuple[str, str], shared_folder: Path) -> Iterator[Any]:
    FILE[:] = [shared_folder / "file.txt"]
    FILE[0].write_bytes(b"the content of a file\n" * 1000)
    apps = tools.in_both_colours(fill, secret=b"0123456789abcdef")
    with tools.matrix_of(apps, papers) as made:
        yield made


def asked(response: Response) -> dict[str, Any]:
    """What the echo understood."""
    assert response.status_code == 200
    said = response.json()
    assert isinstance(said, dict)
    return said


# --- what is asked -------------------------------------------------------------------------------


def test_every_verb(matrix: Any) -> None:
    async def story(face: Any) -> object:
        verbs = ("get", "head", "post", "put", "patch", "delete", "options", "query")
        found = [normal(await face.by_verb(verb, "/echo")) for verb in verbs]
        found.append(normal(await face.ask("BREW", "/echo")))
        found.append(normal(await face.ask("OPTIONS", "/nowhere")))
        return found

    found = matrix.play(story)
    assert [one["status"][0] for one in found] == [200] * 6 + [204, 200, 501, 404]
    assert found[1]["content"] == b""
    assert dict(found[1]["fields"]).keys() == dict(found[0]["fields"]).keys()
    assert "DELETE" in dict(found[6]["fields"])["allow"]


PARAMS: list[tuple[str, Any, list[list[str]]]] = [
    ("/echo", {"a": "1", "b": "x y&z=ü"}, [["a", "1"], ["b", "x y&z=ü"]]),
    ("/echo?z=0", {"a": [1, 2.5, True]}, [["z", "0"], ["a", "1"], ["a", "2.5"], ["a", "true"]]),
    ("/echo", {"a": None, "b": ""}, [["b", ""]]),
    ("/echo", [("a", "1"), ("a", "2")], [["a", "1"], ["a", "2"]]),
    ("/echo?q=%2F+%zz", None, []),
]


@pytest.mark.parametrize(("path", "params", "expected"), PARAMS)
def test_params(matrix: Any, path: str, params: Any, expected: list[list[str]]) -> None:
    async def story(face: Any) -> object:
        response = await face.ask("GET", path, params=params)
        return asked(response)["query"] if response.status_code == 200 else normal(response)

    found = matrix.play(story)
    assert found == expected or path.endswith("%zz")


def test_forms(matrix: Any) -> None:
    async def story(face: Any) -> object:
        return [
            asked(await face.ask("POST", "/echo", data={"a": "1", "b": ["x", "ü&="], "c": None})),
            asked(await face.ask("POST", "/echo", data=[("a", "1"), ("a", "2")])),
            asked(await face.ask("PUT", "/echo", data={})),
        ]

    found = matrix.play(story)
    assert [one["form"] for one in found] == [
        [["a", "1"], ["b", "x"], ["b", "ü&="]],
        [["a", "1"], ["a", "2"]],
        [],
    ]


@pytest.mark.parametrize("size", [0, 1, 1024, 70_000, 5_000_000])
def test_uploads(matrix: Any, size: int, shared_folder: Path) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    path = shared_folder / "upload.bin"
    path.write_bytes(content)

    async def story(face: Any) -> object:
        found = [
            asked(
                await face.ask(
                    "POST", "/echo", data={"name": "ü"}, files={"f": ("ü.bin", content, "x/y")}
                )
            )
        ]
        if size in (0, 1024, 5_000_000):
            with path.open("rb") as opened:
                files = [("f", opened), ("f", path), ("g", str(path))]
                found.append(asked(await face.ask("POST", "/echo", files=files)))
        return [{**one, "fields": None} for one in found]  # a boundary is a random one

    found = matrix.play(story)
    digest = hashlib.sha256(content).hexdigest()
    assert found[0]["files"] == [["f", "ü.bin", "x/y", size, digest]]
    assert found[0]["form"] == [["name", "ü"]]
    for one in found[1:]:
        assert [(entry[0], entry[3], entry[4]) for entry in one["files"]] == [
            ("f", size, digest), ("f", size, digest), ("g", size, digest),
        ]  # fmt: skip


def test_json(matrix: Any) -> None:
    value = {"ü": [1, 2.5, None, True], "nested": {"a": ""}}

    async def story(face: Any) -> object:
        return [
            normal(await face.ask("POST", "/json", json=value)),
            normal(await face.ask("POST", "/json", json=None)),
            normal(await face.ask("POST", "/json", content=b"{", headers={"accept": "text/html"})),
        ]

    found = matrix.play(story)
    assert json.loads(found[0]["content"]) == {"seen": value}
    assert found[2]["status"][0] == 400


async def waiting_pieces() -> AsyncIterator[bytes]:
    for piece in (b"hel", b"", b"lo"):
        yield piece


CONTENTS: dict[str, Callable[[], object]] = {
    "bytes": lambda: b"hello",
    "str": lambda: "hello",
    "bytearray": lambda: bytearray(b"hello"),
    "memoryview": lambda: memoryview(b"hello"),
    "an iterator": lambda: iter([b"hel", b"", b"lo"]),
    "a list": lambda: [b"hel", b"lo"],
    "a generator": lambda: (piece for piece in (b"hel", b"lo")),
    "an asynchronous generator": waiting_pieces,
    "an open file": lambda: (FILE[0]).open("rb"),
    "nothing": lambda: b"",
    "no pieces": lambda: iter(()),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_content_of_every_kind(matrix: Any, kind: str) -> None:
    async def story(face: Any) -> object:
        content = CONTENTS[kind]()
        found = asked(await face.ask("POST", "/echo", content=content))
        if kind == "an open file":
            assert not content.closed  # type: ignore[attr-defined]
            content.close()  # type: ignore[attr-defined]
        return found

    found = matrix.play(story)
    if kind == "an open file":
        assert found["content"] == hashlib.sha256(FILE[0].read_bytes()).hexdigest()
    else:
        expected = b"" if kind.startswith("no") else b"hello"
        assert found["content"] == hashlib.sha256(expected).hexdigest()


def test_content_with_its_length_given(matrix: Any) -> None:
    async def story(face: Any) -> object:
        headers = {"content-length": "5"}
        return asked(
            await face.ask("POST", "/echo", content=iter([b"hel", b"lo"]), headers=headers)
        )

    found = matrix.play(story)
    assert found["size"] == 5
    assert "transfer-encoding" not in found["fields"]


def test_fields(matrix: Any) -> None:
    async def story(face: Any) -> object:
        first = asked(await face.ask("GET", "/echo", headers={"X-One": "  1 ", "Accept": "a/b"}))
        second = asked(await face.ask("GET", "/echo", headers={"user-agent": None}))
        third = asked(await face.ask("GET", "/echo", headers=[("x", "1"), ("X", "2")]))
        wrong = [
            await failing(face.ask("GET", "/echo", headers={"x": value}))
            for value in ("a\r\nb", "a\0", "\x7f")
        ]
        return [first, second, third, wrong]

    first, second, _, wrong = matrix.play(story, headers={"x-all": "yes"})
    assert first["fields"]["x-one"] == "1"
    assert first["fields"]["accept"] == "a/b"
    assert first["fields"]["x-all"] == second["fields"]["x-all"] == "yes"
    assert "user-agent" not in second["fields"]
    assert {one[0] for one in wrong} == {"Malformed"}


def test_cookies(matrix: Any) -> None:
    async def story(face: Any) -> object:
        found = [normal(await face.ask("GET", "/cookie"))]
        found.append(asked(await face.ask("GET", "/echo"))["cookies"])
        await face.ask("GET", "/eat")
        found.append(asked(await face.ask("GET", "/echo"))["cookies"])
        found.append(asked(await face.ask("GET", "/echo", cookies={"own": "1"}))["cookies"])
        return found

    found = matrix.play(story)
    assert found[1] == [["taste", "sweet"], ["size", "7"]]
    assert found[2] == [["size", "7"]]
    assert ["own", "1"] in found[3]


def test_sessions(matrix: Any) -> None:
    async def story(face: Any) -> object:
        texts = [(await face.ask("GET", "/count")).text for _ in range(3)]
        last = await face.ask("GET", "/forget")
        texts.append((await face.ask("GET", "/count")).text)
        return texts, last.headers.get("cache-control"), last.headers.get("vary")

    assert matrix.play(story)[0] == ["1", "2", "3", "1"]


# --- where it leads ------------------------------------------------------------------------------

REDIRECTS = [
    # method, code, follow: what is asked in the end
    ("GET", 301, None, "GET"), ("GET", 302, None, "GET"), ("GET", 303, None, "GET"),
    ("GET", 307, None, "GET"), ("GET", 308, None, "GET"), ("HEAD", 302, None, "HEAD"),
    ("POST", 303, None, None), ("POST", 301, True, "GET"), ("POST", 302, True, "GET"),
    ("POST", 303, True, "GET"), ("POST", 307, True, "POST"), ("POST", 308, True, "POST"),
    ("PUT", 303, True, "GET"), ("PUT", 307, True, "PUT"), ("GET", 302, False, None),
]  # fmt: skip


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize(("method", "code", "follow", "then"), REDIRECTS)
def test_redirects(
    matrix: Any, method: str, code: int, follow: bool | None, then: str | None
) -> None:
    async def story(face: Any) -> object:
        content = b"hello" if method in ("POST", "PUT") else b""
        response = await face.ask(method, f"/go/{code}", content=content, follow_redirects=follow)
        return normal(response), response.url.fragment

    found, fragment = matrix.play(story)
    if then is None:
        assert found["status"][0] == code
        assert found["history"] == []
        return
    assert found["status"][0] == 200
    assert found["history"] == [code]
    assert found["asked"] == then
    assert fragment == "part"
    if then != "HEAD":
        said = json.loads(found["content"])
        assert said["size"] == (5 if then == method and method != "GET" else 0)
        assert said["query"] == [["after", "1"]]


def test_a_stream_cannot_be_sent_a_second_time(matrix: Any) -> None:
    async def story(face: Any) -> object:
        response = await face.ask(
            "POST", "/go/307", content=iter([b"hello"]), follow_redirects=True
        )
        return normal(response), response.extras.get("redirect_refused")

    found, why = matrix.play(story)
    assert found["status"][0] == 307
    assert "second time" in why


def test_a_circle_ends(matrix: Any) -> None:
    async def story(face: Any) -> object:
        return (await failing(face.ask("GET", "/circle")))[0], face.connections

    assert matrix.play(story) == ("TooManyRedirects", 1)


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.rfc("9110", "9.3.2")
def test_answers_without_content(matrix: Any) -> None:
    async def story(face: Any) -> object:
        found = []
        for method, path in (
            ("HEAD", "/page"), ("HEAD", "/file"), ("HEAD", "/lines"), ("HEAD", "/broken"),
            ("GET", "/empty"), ("DELETE", "/empty"), ("GET", "/same"), ("HEAD", "/empty"),
        ):  # fmt: skip
            found.append(normal(await face.ask(method, path)))
        return found, face.connections

    found, connections = matrix.play(story)
    assert [one["status"][0] for one in found] == [200, 200, 200, 500, 204, 204, 304, 204]
    assert {one["content"] for one in found} == {b""}
    assert connections == 1


def test_whole_answers(matrix: Any) -> None:
    async def story(face: Any) -> object:
        paths = ("/page", "/part/7", "/lines", "/waiting", "/long/3000000", "/file")
        found = [normal(await face.ask("GET", path)) for path in paths]
        return found, face.connections

    found, connections = matrix.play(story)
    assert [one["status"][0] for one in found] == [200] * 6
    assert found[2]["content"] == "one\r\ntwo\n\nfour\r\nfiéve".encode()
    assert found[4]["content"] == hashlib.sha256(b"x" * 3_000_000).hexdigest().encode()
    assert connections == 1


def test_a_file_that_is_there_already(matrix: Any) -> None:
    async def story(face: Any) -> object:
        first = await face.ask("GET", "/file")
        again = await face.ask("GET", "/file", headers={"if-none-match": first.headers["etag"]})
        return normal(again)

    assert matrix.play(story)["status"][0] == 304


def test_streamed_answers(matrix: Any) -> None:
    async def story(face: Any) -> object:
        async with face.stream("GET", "/lines") as body:
            lines = await body.lines()
        async with face.stream("GET", "/long/500000") as body:
            content = b"".join([piece async for piece in body.pieces()])
        async with face.stream("GET", "/waiting") as body:
            rest = await body.read()
        async with face.stream("HEAD", "/lines") as body:
            nothing = await body.read()
        return lines, hashlib.sha256(content).hexdigest(), rest, nothing, face.connections

    found = matrix.play(story)
    assert found[0] == ["one", "two", "", "four", "fiéve"]
    assert found[1] == hashlib.sha256(b"x" * 500_000).hexdigest()
    assert found[2:] == (b"a" * 10 + b"b" * 10 + b"c" * 10, b"", 1)


def test_a_stream_that_is_left_early_takes_its_connection_along(matrix: Any) -> None:
    async def story(face: Any) -> object:
        async with (
            face.stream("GET", "/long/5000000") as body,
            aclosing(body.pieces()) as pieces,
        ):
            assert (await anext(pieces))[:1] == b"x"
        after = face.connections
        again = normal(await face.ask("GET", "/part/7"))
        return after, again, face.connections

    after, again, connections = matrix.play(story)
    assert (after, connections) == (0, 1)
    assert again["content"] == b"part 7"


# --- what goes wrong -----------------------------------------------------------------------------


def test_errors_are_answers(matrix: Any) -> None:
    async def story(face: Any) -> object:
        paths = ("/nowhere", "/broken", "/refused", "/part/x", "/part/" + "9" * 30)
        found = [normal(await face.ask("GET", path)) for path in paths]
        found.append(normal(await face.ask("POST", "/page")))
        found.append(normal(await face.ask("GET", "/broken", headers={"accept": "text/html"})))
        return found, face.connections

    found, connections = matrix.play(story)
    assert [one["status"][0] for one in found] == [404, 500, 409, 404, 404, 405, 500]
    assert not any(b"secret" in one["content"] for one in found)
    assert b"Not like this." in found[2]["content"]
    assert dict(found[5]["fields"])["allow"] == "GET, HEAD, OPTIONS"
    assert connections == 1


def test_raise_for_status(matrix: Any) -> None:
    async def story(face: Any) -> object:
        good = await face.ask("GET", "/part/7")
        assert good.raise_for_status() is good
        response = await face.ask("GET", "/nowhere")
        with pytest.raises(StatusError) as caught:
            response.raise_for_status()
        assert caught.value.response is response
        return described(caught.value)

    assert matrix.play(story)[0] == "StatusError"


@pytest.mark.rfc("9112", "8")
def test_an_answer_that_breaks_off_is_an_error(matrix: Any) -> None:
    async def story(face: Any) -> object:
        kind, *_ = await failing(face.ask("GET", "/breaks-off"))
        streamed = "an end"
        async with face.stream("GET", "/breaks-off") as body:
            try:
                async for piece in body.pieces():
                    assert piece == b"half"
            except CrlfError as error:
                streamed = type(error).__name__
        broken = {"RemoteError", "ReadFailed"}  # over TLS it is a failure of the stream
        return kind in broken, streamed in broken, face.connections

    assert matrix.play(story) == (True, True, 0)


@pytest.mark.rfc("9110", "15.5.14")
def test_too_large_a_request_is_refused_and_the_answer_read(matrix: Any) -> None:
    async def story(face: Any) -> object:
        large = await face.ask("POST", "/echo", content=b"x" * (16 * 1024 * 1024 + 1))
        pieces = (b"x" * 65536 for _ in range(300))
        chunked = await face.ask("POST", "/echo", content=pieces)
        field = await face.ask("GET", "/echo", headers={"x": "y" * 20_000})
        fields = await face.ask("GET", "/echo", headers=[(f"x-{n}", "y") for n in range(200)])
        line = await face.ask("GET", "/echo?" + "z" * 9000)
        return [normal(one) for one in (large, chunked, field, fields, line)], face.connections

    found, connections = matrix.play(story)
    assert [one["status"][0] for one in found] == [413, 413, 431, 431, 414]
    assert connections == 0


def test_large_fields(matrix: Any) -> None:
    async def story(face: Any) -> object:
        response = await face.ask("GET", "/large-field", headers={"x-large": "y" * 6000})
        return normal(response)

    assert len(dict(matrix.play(story)["fields"])["x-large"]) == 6000


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("ftp://a.example/", "BadUrl"),
        ("http://", "BadUrl"),
        ("http://a b/", "BadUrl"),
        ("/relative", "BadUrl"),
    ],
)
def test_no_url(matrix: Any, url: str, kind: str) -> None:
    async def story(face: Any) -> object:
        face.base = ""
        return await failing(face.ask("GET", url))

    assert matrix.play(story)[0] == kind


# --- what no application of ours would say -------------------------------------------------------

ANSWERS: dict[bytes, bytes] = {
    b"/trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"5;ext=1\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"
    ),
    b"/hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3
    + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"/to-close": b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    b"/no-last-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    b"/nothing": b"",
    b"/half-a-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    b"/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"/huge": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nab",
    b"/reason": b"HTTP/1.1 299 Fair \xe4nough\r\nContent-Length: 0\r\nX-\xe4: 1\r\n\r\n",
    b"/latin": b"HTTP/1.1 200 \r\nContent-Type: text/plain; charset=latin-1\r\n"
    b"Content-Length: 1\r\nX: \xe4\r\n\r\n\xe4",
    b"/after": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
    b"/204-body": b"HTTP/1.1 204 No Content\r\n\r\nbody",
}


async def raw(stream: Stream) -> None:
    """Answer each request with what stands in the table for its path."""
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            data = await stream.read(None)
            if not data:
                return
            head += data
        path = head.split(b" ")[1]
        answer = ANSWERS[path]
        await stream.write(answer, None)
        if path in ENDING:
            await stream.end(None)
            return


ENDING = {b"/to-close", b"/short", b"/no-last-chunk", b"/nothing", b"/half-a-head"}


@pytest.fixture
def raw_matrix(tools: Any, papers: tuple[str, str]) -> Iterator[Any]:
    with tools.raw_matrix_of(raw, papers) as made:
        yield made


def test_odd_answers(raw_matrix: Any) -> None:
    async def story(face: Any) -> object:
        found: list[object] = []
        for path in ("/trailers", "/hints", "/to-close", "/latin", "/after", "/204-body"):
            response = await face.ask("GET", path)
            found.append((normal(response), response.text, face.connections))
        async with face.stream("GET", "/trailers") as body:
            found.append((await body.read(), sorted(body.inner.trailers.items())))
        return found

    found = raw_matrix.play(story)
    trailers, hints, to_close, latin, after, no_content, streamed = found
    assert trailers[0]["content"] == b"hello"
    assert trailers[0]["trailers"] == [("x-sum", "7")]
    assert hints[0]["content"] == b"ok"
    assert to_close[0]["content"] == b"until the end"
    assert latin[1] == "ä"
    assert [one[2] for one in found[:6]] == [1, 1, 0, 1, 0, 0]
    assert after[0]["content"] == b"ok"
    assert no_content[0]["content"] == b""
    assert streamed == (b"hello", [("x-sum", "7")])


@pytest.mark.rfc("9112", "8")
def test_broken_answers(raw_matrix: Any) -> None:
    async def story(face: Any) -> object:
        found = []
        for path in ("/short", "/no-last-chunk", "/nothing", "/half-a-head", "/two-lengths",
                     "/reason"):  # fmt: skip
            found.append(await failing(face.ask("GET", path)))
            assert face.connections == 0
        found.append(await failing(face.ask("GET", "/huge")))
        return found, face.connections

    found, connections = raw_matrix.play(story)
    assert [one[0] for one in found] == ["RemoteError"] * 6 + ["TooLarge"]
    assert [one[2] for one in found] == [
        "RFC 9112 8", "RFC 9112 8", "RFC 9112 8", "RFC 9112 8", "RFC 9112 6.3 (5)",
        "RFC 9110 5.1", "RFC 9110 15.5.14",
    ]  # fmt: skip
    assert {one[3] for one in found} == {"read"}
    assert connections == 0


def test_a_stream_that_is_too_large_to_be_read_whole_may_be_read_in_pieces(
    raw_matrix: Any,
) -> None:
    async def story(face: Any) -> object:
        async with face.stream("GET", "/huge") as body, aclosing(body.pieces()) as pieces:
            return (await anext(pieces))[:1]

    assert raw_matrix.play(story) == b"a"
