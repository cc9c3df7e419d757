"""Content and forms that handlers read as they come: in both colours, by every way to an App.

The ways are sockets, memory in both colours, and crlf's own server by way of ASGI. What is wrong
with the content is raised in the loop that reads it, and answered rightly if the handler lets it
pass; what is left over by a handler is of no harm to the next request.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crlf import (
    App,
    AsyncClient,
    Client,
    Patience,
    ReadFailed,
    RemoteError,
    Request,
    Response,
    TooLarge,
    running,
    text,
)
from crlf.message.progress import UploadProgress
from crlf.server.apps.answers import stream
from crlf.server.gateways.asgi import AsgiApplication
from crlf.server.settings import ServerSettings
from crlf.wire.limits import Limits

Post = Callable[..., Response]
WAYS = ("sockets", "memory", "memory, waiting", "asgi")
CONTENT = os.urandom(1000) * 1500
FILES = {"photo": ("a b.jpg", CONTENT), "note": ("n.txt", b"small")}


@contextmanager
def asking(app: App, way: str) -> Iterator[Post]:
    """Give what asks an application, by a way."""
    if way == "memory, waiting":

        def post(path: str, **options: Any) -> Response:
            async def ask() -> Response:
                async with AsyncClient(app=app, base_url="http://a.example") as client:
                    return await client.post(path, **options)

            return asyncio.run(ask())

        yield post
    elif way == "memory":
        with Client(app=app, base_url="http://a.example") as client:
            yield client.post
    else:
        served: Any = app if way == "sockets" else AsgiApplication(app)
        limits = Limits() if way == "sockets" else Limits(body=None)  # a host has its own
        with running(served, limits=limits) as server, Client(base_url=server.url) as client:
            yield client.post


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["def", "async def"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def route(app: App, path: str, colour: str, blocking: Any, waiting: Any, **options: Any) -> None:
    """Let one of two handlers that do the same answer a route."""
    handler = blocking if colour == "def" else waiting
    app.post(path, streams=True, cross_site=True, **options)(handler)


def digest_app(colour: str, **options: Any) -> App:
    """An application that says how much came, and its digest."""
    app = App()

    def blocking(request: Request) -> str:
        digest = hashlib.sha256()
        for piece in request.pieces():
            digest.update(piece)
        return digest.hexdigest()

    async def waiting(request: Request) -> str:
        digest = hashlib.sha256()
        async for piece in request.pieces():
            digest.update(piece)
        return digest.hexdigest()

    route(app, "/", colour, blocking, waiting, **options)
    return app


def form_app(colour: str, folder: Path, **options: Any) -> App:
    """An application that saves the files of a form, and says of each part what it was."""
    app = App()

    def blocking(request: Request) -> Any:
        said = []
        for part in request.parts():
            if part.filename is None:
                said.append([part.name, part.read().decode()])
            else:
                part.save(folder / part.safe_name())
                said.append([part.name, part.filename, part.content_type, part.size, part.sha256])
        return said

    async def waiting(request: Request) -> Any:
        said = []
        async for part in request.parts():
            if part.filename is None:
                said.append([part.name, (await part.read()).decode()])
            else:
                await part.save(folder / part.safe_name())
                said.append([part.name, part.filename, part.content_type, part.size, part.sha256])
        return said

    route(app, "/", colour, blocking, waiting, **options)
    return app


def in_chunks(content: bytes, size: int = 70_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


# --- what comes ----------------------------------------------------------------------------------


def test_content_comes_as_it_was_sent(way: str, colour: str) -> None:
    expected = hashlib.sha256(CONTENT).hexdigest()
    with asking(digest_app(colour), way) as post:
        assert post("/", content=CONTENT).text == expected
        assert post("/", content=in_chunks(CONTENT)).text == expected
        assert post("/", content=b"").text == hashlib.sha256().hexdigest()


@pytest.mark.rfc("7578", "4")
def test_parts_come_one_after_the_other(way: str, colour: str, tmp_path: Path) -> None:
    with asking(form_app(colour, tmp_path), way) as post:
        said = post("/", data={"title": "Grüße"}, files=FILES).json()
    assert said == [
        ["title", "Grüße"],
        ["photo", "a b.jpg", "image/jpeg", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()],
        ["note", "n.txt", "text/plain; charset=utf-8", 5, hashlib.sha256(b"small").hexdigest()],
    ]
    assert (tmp_path / "a b.jpg").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["a b.jpg", "n.txt"]


def test_a_handler_begins_before_the_content_is_here() -> None:
    app, first = App(), threading.Event()

    @app.post("/", streams=True)
    def early(request: Request) -> str:
        pieces = iter(request.pieces())
        begun = next(pieces)
        first.set()
        return (begun + b"".join(pieces)).decode()

    with running(app) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst")
        assert first.wait(5)
        client.sendall(b" last")
        assert client.recv(4096).endswith(b"first last")


def test_no_content_is_no_form(way: str, tmp_path: Path) -> None:
    with asking(form_app("async def", tmp_path), way) as post:
        assert post("/").status_code == 400
        plain = post("/", content=b"x", headers={"content-type": "text/plain"})
        assert (plain.status_code, "RFC 7578" in plain.text) == (415, True)


def test_what_was_sent_goes_back_while_it_comes(way: str) -> None:
    app = App()

    @app.post("/", streams=True, cross_site=True)
    async def echo(request: Request) -> Response:
        return stream(request.pieces())

    @app.post("/body", streams=True, cross_site=True)
    async def whole(request: Request) -> Response:
        return Response(200, None, request.body)

    with asking(app, way) as post:
        for path in ("/", "/body"):
            assert post(path, content=CONTENT[:100_000]).content == CONTENT[:100_000]


# --- what a part can do --------------------------------------------------------------------------


def test_a_part_is_read_piece_by_piece_up_to_a_limit_or_not_at_all(way: str, colour: str) -> None:
    app = App()

    def blocking(request: Request) -> Any:
        parts = iter(request.parts())
        sizes = [sum(map(len, next(parts).pieces()))]
        with pytest.raises(TooLarge, match="part over its limit of 4"):
            next(parts).read(4)
        skipped = next(parts)
        sizes.append(len(next(parts).read(limit=4)))
        with pytest.raises(RuntimeError, match="this part is over"):
            skipped.read()
        assert next(parts, None) is None
        assert list(request.parts()) == []
        return sizes

    async def waiting(request: Request) -> Any:
        parts = aiter(request.parts())
        sizes = [0]
        async for piece in (await anext(parts)).pieces():
            sizes[0] += len(piece)
        with pytest.raises(TooLarge, match="part over its limit of 4"):
            await (await anext(parts)).read(4)
        skipped = await anext(parts)
        sizes.append(len(await (await anext(parts)).read(limit=4)))
        with pytest.raises(RuntimeError, match="this part is over"):
            await skipped.read()
        assert [part async for part in request.parts()] == []
        return sizes

    route(app, "/", colour, blocking, waiting)
    content = [
        ("a", ("a", CONTENT)),
        ("b", ("b", b"12345")),
        ("c", ("c", CONTENT)),
        ("d", ("d", b"1234")),
    ]
    with asking(app, way) as post:
        assert post("/", files=content).json() == [len(CONTENT), 4]


def test_a_part_is_saved_whole_or_not_at_all(colour: str, tmp_path: Path) -> None:
    app = App()
    (tmp_path / "there").write_bytes(b"before")
    (tmp_path / "folder").mkdir()
    wrong = [
        (tmp_path / ".." / "x", False, ValueError),
        (tmp_path / "../../evil", False, ValueError),
        (tmp_path / "folder", False, IsADirectoryError),
        (tmp_path / "none" / "x", False, FileNotFoundError),
        (tmp_path / "there", True, FileExistsError),
    ]

    def blocking(request: Request) -> str:
        for part in request.parts():
            for path, exclusive, error in wrong:
                with pytest.raises(error):
                    part.save(path, exclusive=exclusive)
            assert part.save(tmp_path / "there") == tmp_path / "there"
            with pytest.raises(RuntimeError, match="read already"):
                part.save(tmp_path / "again")
        return "done"

    async def waiting(request: Request) -> str:
        async for part in request.parts():
            for path, exclusive, error in wrong:
                with pytest.raises(error):
                    await part.save(path, exclusive=exclusive)
            assert await part.save(tmp_path / "there") == tmp_path / "there"
            with pytest.raises(RuntimeError, match="read already"):
                await part.save(tmp_path / "again")
        return "done"

    route(app, "/", colour, blocking, waiting)
    with asking(app, "memory") as post:
        assert post("/", files={"f": ("../../evil", CONTENT)}).text == "done"
    assert (tmp_path / "there").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["folder", "there"]


@pytest.mark.rfc("4918", "11.5")
def test_a_disk_without_room_is_507_and_nothing_stays(
    way: str, colour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crlf.net import placing

    monkeypatch.setattr(placing, "free_space", lambda descriptor: placing.KEEP_FREE + 1000)
    with asking(form_app(colour, tmp_path), way) as post:
        refused = post("/", files=FILES)
    assert (refused.status_code, "RFC 4918 11.5" in refused.text) == (507, True)
    assert os.listdir(tmp_path) == []


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.5.14")
def test_the_bodys_limit_is_exact(way: str, colour: str) -> None:
    with asking(digest_app(colour, body=1000), way) as post:
        for size, status in ((999, 200), (1000, 200), (1001, 413)):
            for content in (b"x" * size, in_chunks(b"x" * size, 400)):
                answer = post("/", content=content)
                assert answer.status_code == status, size
                assert status == 200 or "limit of 1,000" in answer.text


def test_without_a_limit_there_is_none(way: str, colour: str) -> None:
    much = b"x" * 17_000_000
    with asking(digest_app(colour, body=None), way) as post:
        assert post("/", content=much).text == hashlib.sha256(much).hexdigest()
        assert post("/", content=in_chunks(much)).status_code == 200
    with asking(digest_app(colour), way) as post:  # the server's own: 16 MiB
        assert post("/", content=in_chunks(much)).status_code == 413


@pytest.mark.rfc("2046", "5.1.1")
def test_the_limits_of_a_form_hold(way: str, colour: str, tmp_path: Path) -> None:
    long = "x" * 5000
    with asking(form_app(colour, tmp_path), way) as post:
        many = post("/", files=[("f", (f"{number}", b"")) for number in range(129)])
        assert (many.status_code, "parts" in many.text) == (413, True)
        header = post("/", files={"f": (long, b"x")})
        assert (header.status_code, "part header" in header.text) == (431, True)
        thrice = {"f": long * 150, "g": long * 150, "h": long * 150}
        fields = post("/", data=thrice, files={"i": ("i", b"")})
        assert (fields.status_code, "fields total" in fields.text) == (413, True)


def test_a_servers_own_limits_are_those_of_streamed_forms_too(tmp_path: Path) -> None:
    limits = Limits(parts=2)
    app = form_app("async def", tmp_path)
    with running(app, limits=limits) as server, Client(base_url=server.url) as client:
        files = [("f", (f"{number}", b"")) for number in range(3)]
        assert client.post("/", files=files[:2]).status_code == 200
        assert client.post("/", files=files).status_code == 413


BROKEN = [
    (b"--b\r\nContent-Disposition: form-data; name=f\r\n\r\nx", 400, "RFC 2046 5.1.1"),
    (b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n", 400, "RFC 7578 4.2"),
    (b"no form at all", 400, "RFC 2046 5.1.1"),
    (b"--b\r\nX y: z\r\n\r\n\r\n--b--", 400, "RFC 9110 5.1"),
]


@pytest.mark.rfc("7578", "4.2")
@pytest.mark.parametrize(("content", "status", "rule"), BROKEN)
def test_a_broken_form_is_the_senders_fault(
    way: str, colour: str, content: bytes, status: int, rule: str, tmp_path: Path
) -> None:
    fields = {"content-type": "multipart/form-data; boundary=b"}
    with asking(form_app(colour, tmp_path), way) as post:
        answer = post("/", content=content, headers=fields)
        assert (answer.status_code, rule in answer.text) == (status, True)
        assert post("/", data={"a": "b"}, files={"f": ("f", b"x")}).status_code == 200


def test_a_handler_may_answer_for_it_itself(way: str, colour: str) -> None:
    app = App()

    def blocking(request: Request) -> Response:
        try:
            for _ in request.pieces():
                pass
        except TooLarge as fault:
            with pytest.raises(TooLarge):  # a fault is told each time
                next(iter(request.pieces()))
            return text(f"no more than {fault.limit}", status_code=400)
        return text("taken")

    async def waiting(request: Request) -> Response:
        try:
            async for _ in request.pieces():
                pass
        except TooLarge as fault:
            with pytest.raises(TooLarge):
                await anext(aiter(request.pieces()))
            return text(f"no more than {fault.limit}", status_code=400)
        return text("taken")

    route(app, "/", colour, blocking, waiting, body=10)
    with asking(app, way) as post:
        assert post("/", content=in_chunks(b"x" * 11, 5)).text == "no more than 10"


def test_an_error_handler_answers_for_it(way: str, colour: str) -> None:
    app = digest_app(colour, body=10)

    @app.on_error(413)
    def too_much(request: Request, error: Exception) -> str:
        return "too much, dear visitor"

    with asking(app, way) as post:
        refused = post("/", content=in_chunks(b"x" * 11, 5))
        assert (refused.status_code, refused.text) == (413, "too much, dear visitor")


# --- what a streamed request is not --------------------------------------------------------------


def test_what_is_not_here_says_so(way: str) -> None:
    app = App()

    @app.post("/", streams=True, cross_site=True)
    async def look(request: Request) -> str:
        for name in ("content", "text", "form", "files"):
            with pytest.raises(RuntimeError, match="stream"):
                getattr(request, name)
        with pytest.raises(RuntimeError, match="stream"):
            request.json()
        with pytest.raises(RuntimeError, match="cannot wait for itself"):
            list(request.pieces())
        request.parts()
        with pytest.raises(RuntimeError, match="by its parts"):
            request.pieces()
        return "all told"

    with asking(app, way) as post:
        assert post("/", files=FILES).text == "all told"


def test_whole_content_has_pieces_too_and_a_whole_form_has_none(way: str) -> None:
    app = App()

    @app.post("/def", cross_site=True)
    def blocking(request: Request) -> bytes:
        return b"".join(request.pieces())

    @app.post("/async", cross_site=True)
    async def waiting(request: Request) -> bytes:
        return b"".join([piece async for piece in request.pieces()])

    @app.post("/form", cross_site=True)
    async def form(request: Request) -> str:
        for wrong in (request.pieces, request.parts):
            with pytest.raises(RuntimeError, match="streams=True"):
                wrong()
        return "told"

    with asking(app, way) as post:
        assert post("/def", content=b"abc").content == b"abc"
        assert post("/async", content=b"abc").content == b"abc"
        assert post("/async").content == b""
        assert post("/form", files=FILES).text == "told"


# --- connections ---------------------------------------------------------------------------------


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


def talk(port: int, *pieces: bytes, seconds: float = 5.0) -> bytes:
    """Send pieces on one connection and return all that comes until its end."""
    with socket.create_connection(("127.0.0.1", port), seconds) as client:
        for piece in pieces:
            client.sendall(piece)
        received = b""
        while data := client.recv(65536):
            received += data
    return received


@pytest.mark.rfc("9112", "9.3")
def test_what_a_handler_leaves_is_dropped_or_the_connection_ends(colour: str) -> None:
    app = App()
    route(app, "/", colour, lambda request: "no", ignoring)
    little, much = b"x" * 1000, b"x" * 1_000_000
    with running(app) as server:
        last = HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
        after = talk(server.port, HEAD + b"Content-Length: 1000\r\n\r\n" + little + last)
        assert after.count(b"200 OK") == 2
        after = talk(server.port, HEAD + b"Content-Length: 1000000\r\n\r\n" + much)
        assert (after.count(b"200 OK"), b"connection: close" in after.lower()) == (1, True)


async def ignoring(request: Request) -> str:
    return "no"


@pytest.mark.rfc("9110", "10.1.1")
def test_a_client_is_told_to_go_on_when_the_first_piece_is_asked_for(colour: str) -> None:
    app, may_read = App(), threading.Event()

    def blocking(request: Request) -> str:
        assert may_read.wait(5)
        return str(sum(map(len, request.pieces())))

    async def waiting(request: Request) -> str:
        while not may_read.is_set():
            await asyncio.sleep(0.001)
        return str(sum([len(piece) async for piece in request.pieces()]))

    route(app, "/", colour, blocking, waiting)
    expects = HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with running(app) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(expects)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        may_read.set()
        client.settimeout(5)
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"12345")
        assert client.recv(4096).endswith(b"\r\n\r\n5")


@pytest.mark.rfc("9110", "10.1.1")
def test_a_client_whose_content_nobody_asks_for_is_not_told_to_send_it(colour: str) -> None:
    app = App()
    route(app, "/", colour, lambda request: "no", ignoring)
    with running(app) as server:
        answer = talk(server.port, HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer.lower()


@pytest.mark.rfc("9110", "15.5.9")
def test_content_that_stalls_is_408(colour: str) -> None:
    patience = Patience(body_stall=0.2, body_grace=0.2, linger=0.1)
    with running(digest_app(colour), patience=patience) as server:
        answer = talk(server.port, HEAD + b"Content-Length: 50\r\n\r\nsome")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


def test_a_handler_that_takes_its_time_is_not_blamed_on_the_client() -> None:
    app = App()

    @app.post("/", streams=True)
    async def slow(request: Request) -> str:
        pieces = aiter(request.pieces())
        first = await anext(pieces)
        await asyncio.sleep(0.5)
        may_go_on.set()
        return (first + b"".join([piece async for piece in pieces])).decode()

    may_go_on = threading.Event()
    patience = Patience(body_stall=5, body_grace=0.3, body_rate=1e9)
    with (
        running(app, patience=patience) as server,
        socket.create_connection(("127.0.0.1", server.port), 5) as client,
    ):
        client.sendall(HEAD + b"Content-Length: 8\r\n\r\nsome")
        assert may_go_on.wait(5)
        time.sleep(0.05)
        client.sendall(b"more")
        assert client.recv(4096).endswith(b"somemore")


@pytest.mark.parametrize("ending", ["end", "reset"])
def test_a_client_that_leaves_ends_the_loop(colour: str, ending: str) -> None:
    app, met, begun = App(), [], threading.Event()

    def blocking(request: Request) -> None:
        try:
            for _ in request.pieces():
                begun.set()
        except BaseException as fault:
            met.append(fault)
            raise

    async def waiting(request: Request) -> None:
        try:
            async for _ in request.pieces():
                begun.set()
        except BaseException as fault:
            met.append(fault)
            raise

    route(app, "/", colour, blocking, waiting)
    with running(app) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(HEAD + b"Content-Length: 50\r\n\r\nsome")
            assert begun.wait(5)
            if ending == "reset":
                linger = b"\1\0\0\0\0\0\0\0"
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        until(lambda: len(met) == 1)
    assert type(met[0]) is (ReadFailed if ending == "reset" else RemoteError)


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_who_reads_after_the_answer_gets_nothing() -> None:
    app, met = App(), []

    @app.post("/", streams=True)
    async def leaks(request: Request) -> str:
        met.append(request)
        return "answered"

    async def read(request: Request) -> None:
        with pytest.raises(RuntimeError, match="answered"):
            await anext(aiter(request.pieces()))

    with running(app) as server, Client(base_url=server.url) as client:
        assert client.post("/", content=b"x" * 1000).text == "answered"
        until(lambda: met[0].body._is_closed)
        asyncio.run(read(met[0]))


def test_a_thread_that_a_handler_leaves_reading_gets_an_error_and_no_other_request() -> None:
    app, met = App(), []

    @app.post("/", streams=True)
    def leaks(request: Request) -> str:
        def read() -> None:
            try:
                met.extend(request.pieces())
            except Exception as fault:
                met.append(fault)

        reader = threading.Thread(target=read)
        reader.start()
        until(lambda: request.body.is_reading)  # type: ignore[union-attr]  # a StreamedContent
        return "answered"

    with running(app) as server:
        answer = talk(server.port, HEAD + b"Content-Length: 50\r\n\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1
        until(lambda: met)
    assert isinstance(met[0], ReadFailed)


@pytest.mark.timeout(30)
def test_handlers_that_have_all_threads_do_not_wait_for_one(tmp_path: Path) -> None:
    """Each holds a thread while it reads; what they wait for needs none."""
    app = form_app("def", tmp_path)
    boundary = b"Content-Type: multipart/form-data; boundary=b\r\n"
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="%d"\r\n\r\n%s\r\n--b--\r\n'
    with running(app, settings=ServerSettings(threads=2)) as server:
        clients = []
        for number in range(6):  # the first two have the threads, the others wait for one
            client = socket.create_connection(("127.0.0.1", server.port), 10)
            content = body % (number, CONTENT)
            length = b"Content-Length: %d\r\n\r\n" % len(content)
            client.sendall(HEAD + boundary + length + content[:1000])
            clients.append((client, content))
        for client, content in clients:
            client.sendall(content[1000:])
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
            client.close()
    assert len(os.listdir(tmp_path)) == 6


# --- progress ------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True])
def test_the_program_is_told_how_far_content_is(way: str, streams: bool) -> None:
    app, told = App(), []

    def tell(request: Request, progress: UploadProgress) -> None:
        told.append((request, progress))

    @app.post("/", cross_site=True, streams=streams, body=None, progress=tell)
    async def take(request: Request) -> str:
        if streams:
            async for _ in request.pieces():
                pass
        return "taken"

    content = b"x" * 5_000_000
    with asking(app, way) as post:
        for sent, total in ((content, 5_000_000), (in_chunks(content, 10_000), None)):
            told.clear()
            assert post("/?id=1", content=sent).text == "taken"
            assert all(request.query["id"] == "1" for request, _ in told)
            steps = [progress for _, progress in told]
            assert steps[0] == UploadProgress(0, total)
            assert steps[-1] == UploadProgress(5_000_000, total, ended=True)
            assert steps[-1].share == 1.0
            assert len(steps) <= 5_000_000 // 65_536 + 3
            received = [step.received for step in steps]
            assert received == sorted(received)


def test_the_program_is_told_of_an_end_that_is_none(way: str) -> None:
    app, told = App(), []

    @app.post("/", cross_site=True, body=10, progress=lambda request, step: told.append(step))
    async def take(request: Request) -> str:
        return "taken"

    with asking(app, way) as post:
        assert post("/", content=in_chunks(b"x" * 20, 5)).status_code == 413
    assert told[-1].ended
    assert told[-1].failed
    assert told[-1].share is None
    assert [step.ended for step in told].count(True) == 1


def test_a_program_that_cannot_be_told_answers_500(way: str) -> None:
    app = App()

    def broken(request: Request, progress: UploadProgress) -> None:
        raise LookupError("no such bar")

    @app.post("/", cross_site=True, progress=broken)
    async def take(request: Request) -> str:
        return "taken"

    with asking(app, way) as post:
        assert post("/", content=b"x").status_code == 500
