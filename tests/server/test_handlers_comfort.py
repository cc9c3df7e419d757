"""What handlers are given and may return, tried as their users try it: in memory, in both colours.

Every request here goes through both engines. A story is told to a def handler by a Client and to
an async def handler by an AsyncClient, and has to end in the same way.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest

from crlf import (
    App,
    AsyncClient,
    Client,
    Patience,
    Response,
    Timeout,
    TransportError,
    json,
    redirect,
)
from crlf.client.inside import async_memory_network, memory_network
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.net.memorystream import Shape
from crlf.net.scripted import RESET, STALL
from crlf.rules.routes import Found, Pattern, Routes
from crlf.server import stream

SECRET = "a secret of the tests"
HOME = "http://localhost/"
Ask = Callable[..., Response]
# What Chromium sends when somebody follows a link, or sends a form of the page that he is on.
BROWSER = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-GB,en;q=0.9",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "same-origin",
    "sec-fetch-user": "?1",
    "upgrade-insecure-requests": "1",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0",
}


@pytest.fixture(params=["def", "async def"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def coloured(handler: Callable[..., object], colour: str) -> Callable[..., object]:
    """The same handler in a colour."""
    if colour == "def":
        return handler

    async def waiting(request: Request, **values: object) -> object:
        await asyncio.sleep(0)
        return handler(request, **values)

    return waiting


def asked(app: App, colour: str, *requests: tuple[str, str, dict[str, Any]]) -> list[Response]:
    """Send requests by one client of a colour, one after the other."""
    if colour == "def":
        with Client(app=app, base_url=HOME) as client:
            return [client.request(method, url, **options) for method, url, options in requests]

    async def ask() -> list[Response]:
        async with AsyncClient(app=app, base_url=HOME) as client:
            return [await client.request(method, url, **more) for method, url, more in requests]

    return asyncio.run(ask())


def one(app: App, colour: str, method: str, url: str, **options: Any) -> Response:
    return asked(app, colour, (method, url, options))[0]


# --- what a handler is given ---------------------------------------------------------------------


def test_everything_is_a_plain_attribute_in_both_colours(colour: str) -> None:
    def show(request: Request, number: int, id: UUID, rest: str) -> object:
        return {
            "values": [number, id.int, rest],
            "query": request.query.int("page"),
            "form": request.form["name"],
            "cookie": request.cookies["c"],
            "peer": request.peer,
            "url": str(request.url),
            "path": request.path,
            "session": dict(request.session),
        }

    app = App(secret=SECRET)
    app.post("/{number:int}/{id:uuid}/{rest:path}")(coloured(show, colour))
    url = f"7/{UUID(int=5)}/a/b%20c?page=2"
    answer = one(app, colour, "POST", url, data={"name": "Ü"}, cookies={"c": "1"})
    assert answer.json() == {
        "values": [7, 5, "a/b c"], "query": 2, "form": "Ü", "cookie": "1", "peer": None,
        "url": HOME + url, "path": f"/7/{UUID(int=5)}/a/b%20c", "session": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("getter", "wrong", "sentence"),
    [
        (lambda p: p.int("n"), "x", "parameter 'n' should be a whole number, and is 'x'"),
        (lambda p: p.int("n"), "", "parameter 'n' is missing: a whole number needed"),
        (lambda p: p.float("n"), "nan", "parameter 'n' should be a number, and is 'nan'"),
        (lambda p: p.bool("n"), "maybe", "parameter 'n' should be yes or no"),
        (lambda p: p.str("other"), "x", "parameter 'other' is missing: a text needed"),
        (lambda p: p.choice("n", ("a", "b")), "c", "'n' should be one of a, b, and is 'c'"),
        (lambda p: p.read("n", date.fromisoformat, expected="a date"), "2026-02-30", "a date"),
    ],
)
@pytest.mark.parametrize("where", ["query", "form"])
def test_a_getter_that_fails_is_a_400_that_names_the_field(
    getter: Callable[[Any], object], wrong: str, sentence: str, where: str, colour: str
) -> None:
    app = App()
    app.post("/")(coloured(lambda request: str(getter(getattr(request, where))), colour))
    options = {"params": {"n": wrong}} if where == "query" else {"data": {"n": wrong}}
    answer = one(app, colour, "POST", "", **options)
    assert answer.status_code == 400
    assert sentence in answer.text
    page = one(app, colour, "POST", "", headers=BROWSER | {"origin": "http://localhost"}, **options)
    assert (page.status_code, page.headers["content-type"][:9]) == (400, "text/html")


@pytest.mark.rfc("8259", "2")
@pytest.mark.parametrize("content", [b"", b"{", b"[1,]", b"\xff", b'"' + b"[" * 10, b"[" * 100_000])
def test_json_that_is_none_is_a_400(content: bytes, colour: str) -> None:
    app = App()
    app.post("/")(coloured(lambda request: {"seen": request.json()}, colour))
    answer = one(app, colour, "POST", "", content=content)
    assert (answer.status_code, "JSON" in answer.text) == (400, True)
    assert one(app, colour, "POST", "", json=[1]).json() == {"seen": [1]}


HALVES = [
    rb'"\ud800"',
    rb'{"a": ["\uDFFF"]}',
    rb'{"\ud83d \ude00": 1}',
    b'"\xed\xa0\x80"',  # the same, as no UTF-8 has it
    '"\ud800"'.encode("utf-16-le", "surrogatepass"),
]


@pytest.mark.rfc("8259", "8.2")
@pytest.mark.parametrize("content", HALVES)
def test_half_a_character_is_none_so_that_no_page_breaks_by_it(content: bytes, colour: str) -> None:
    app = App()
    app.post("/")(coloured(lambda request: repr(request.json()), colour))
    answer = one(app, colour, "POST", "", content=content)
    assert answer.status_code == 400
    assert "half of a surrogate pair" in answer.text


@pytest.mark.rfc("8259", "6")
def test_no_number_becomes_infinity(colour: str) -> None:
    """Which passes every comparison, and breaks the page that shows it."""
    app = App()
    app.post("/")(coloured(lambda request: {"seen": request.json()}, colour))
    for content in (b"1e999", b"-1e999", b'{"a": [1.5E+400]}', b"9" * 400 + b".0"):
        answer = one(app, colour, "POST", "", content=content)
        assert (answer.status_code, "larger than" in answer.text) == (400, True), content
    assert one(app, colour, "POST", "", content=b"[1e308, 5e-999]").json() == {"seen": [1e308, 0]}


@pytest.mark.rfc("8259", "7")
def test_a_pair_is_a_character_and_an_escaped_backslash_is_none(colour: str) -> None:
    app = App()
    app.post("/")(coloured(lambda request: [request.json()], colour))
    for content, meant in ((rb'"\ud83d\ude00"', "😀"), (rb'"\\ud800"', "\\ud800"), ('"ü"', "ü")):
        assert one(app, colour, "POST", "", content=content).json() == [meant]


# --- shapes of one's own -------------------------------------------------------------------------


class Order(msgspec.Struct):
    number: int
    count: int = 1


@dataclass
class Line:
    number: int
    count: int = 1


@pytest.mark.parametrize("kind", [Order, Line])
def test_a_type_takes_json_by_one_line(kind: type, colour: str) -> None:
    app = App()

    def order(request: Request) -> object:
        order = msgspec.json.decode(request.content, type=kind)
        return msgspec.to_builtins(order) if kind is Order else order

    app.post("/")(coloured(order, colour))

    @app.on_error(msgspec.DecodeError)
    def not_one(request: Request, error: Exception) -> object:
        return {"error": str(error)}, 400

    good, bad, broken = asked(
        app, colour,
        ("POST", "", {"json": {"number": 7}}),
        ("POST", "", {"json": {"number": "7"}}),
        ("POST", "", {"content": b"{"}),
    )  # fmt: skip
    assert good.json() == {"number": 7, "count": 1}
    assert (bad.status_code, broken.status_code) == (400, 400)
    assert "`$.number`" in bad.json()["error"]


def test_a_dataclass_is_an_answer_as_it_is(colour: str) -> None:
    app = App()
    app.get("/")(coloured(lambda request: Line(7), colour))
    app.get("/made")(coloured(lambda request: (Line(7), 201, {"location": "/"}), colour))
    plain, made = asked(app, colour, ("GET", "", {}), ("GET", "made", {}))
    assert plain.json() == made.json() == {"number": 7, "count": 1}
    assert (made.status_code, made.headers["location"]) == (201, "/")


# --- methods and paths, as a browser asks --------------------------------------------------------


@pytest.mark.rfc("9110", "15.5.6")
@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.rfc("9110", "9.3.7")
def test_a_browser_is_answered_right_for_each_method(colour: str) -> None:
    app = App()
    app.get("/part/{number:int}")(coloured(lambda request, number: f"<p>{number}", colour))
    get, head, options, post, delete = asked(
        app, colour,
        *(
            (method, "part/7", {"headers": BROWSER | {"origin": "http://localhost"}})
            for method in ("GET", "HEAD", "OPTIONS", "POST", "DELETE")
        ),
    )  # fmt: skip
    assert get.text == "<p>7"
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "4")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    for refused in (post, delete):
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert refused.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.rfc("9110", "15.4.9")
def test_a_slash_too_many_keeps_the_method_and_never_leads_away(colour: str) -> None:
    app = App()
    app.post("/cart")(coloured(lambda request: request.form["n"], colour))
    app.get("/{a}/{b}/")(coloured(lambda request, a, b: "", colour))
    fields = BROWSER | {"origin": "http://localhost"}
    followed, shown, away, deep = asked(
        app, colour,
        ("POST", "cart/", {"data": {"n": "7"}, "headers": fields, "follow_redirects": True}),
        ("POST", "cart/?x=//y", {"data": {"n": "7"}, "headers": fields, "follow_redirects": False}),
        ("GET", "http://localhost//evil.example/", {"headers": BROWSER, "follow_redirects": False}),
        ("GET", "http://localhost//evil.example/x", {"follow_redirects": False}),
    )  # fmt: skip
    assert followed.text == "7"
    assert (shown.status_code, shown.headers["location"]) == (308, "/cart?x=//y")
    for answer in (away, deep):
        assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_urls_are_right_wherever_an_application_is_mounted(colour: str) -> None:
    parts, shop, site = App(), App(), App()

    def part(request: Request, name: str, number: int) -> str:
        return parts.url("part", {"page": 2}, name=name, number=number)

    parts.get("/{name}/{number:int}", name="part")(coloured(part, colour))
    shop.mount("/parts", parts)
    site.mount("/über uns", shop)
    assert parts.url("part", name="a b", number=7) == "/%C3%BCber%20uns/parts/a%20b/7"
    answer = one(site, colour, "GET", parts.url("part", name="a/b?"[:1], number=7))
    assert answer.text == "/%C3%BCber%20uns/parts/a/7?page=2"
    assert site.url("part", name="x", number=1) == shop.url("part", name="x", number=1)
    for values in ({"name": "a/b", "number": 7}, {"name": "a", "number": -1}, {"name": "a"}):
        with pytest.raises(ValueError):
            parts.url("part", **values)


# --- a route's cost ------------------------------------------------------------------------------


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of Python functions, and of C ones."""
    seen = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    gc.disable()  # a callback of the collection would be counted, too
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return seen


def routes_of(count: int) -> Routes[int]:
    routes: Routes[int] = Routes()
    for number in range(count):
        for text in (f"/page{number}", f"/shop{number}/part/{{number:int}}/{{rest:path}}"):
            routes.add(Pattern(text), ("GET",), number, f"r{number}")
    return routes


@pytest.mark.parametrize(
    "path", ["/page5", "/page5/", "/shop5/part/7/a/b", "/shop5/part/x/", "/nothing", "/shop5/part"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_route_is_found_by_as_much_work_among_ten_as_among_a_thousand(
    path: str, method: str
) -> None:
    few, many = routes_of(5), routes_of(500)  # two patterns each
    few.add(Pattern("/page5"), ("GET",), 5, "page")
    few.add(Pattern("/shop5/part/{number:int}/{rest:path}"), ("GET",), 5, "part")
    assert isinstance(few.find("GET", "/shop5/part/7/a"), Found)
    assert few.find(method, path) == many.find(method, path)
    work = [calls_of(lambda routes=routes: routes.find(method, path)) for routes in (few, many)]
    assert work[0] == work[1] <= 140


@pytest.mark.parametrize("target", ["/page5", "/shop5/part/7", "/nothing"])
def test_an_answer_is_as_much_work_with_a_thousand_routes(target: str) -> None:
    async def page(request: Request, **values: object) -> Response:
        return DONE

    async def in_thread(work: Callable[[], Any]) -> Any:
        return work()

    def cost(count: int) -> int:
        app = App()
        for number in range(1, count + 1):
            app.get(f"/page{number}")(page)
            app.get(f"/shop{number}/part/{{number:int}}")(page)
        send = app.sender(in_thread, time.time)

        def ask() -> None:
            request = Request.received(("GET", target, Headers(), "1.1"), b"", Received())
            with pytest.raises(StopIteration):
                send(request).send(None)  # type: ignore[attr-defined]  # a coroutine

        ask()
        return calls_of(ask)

    assert cost(5) == cost(500)


DONE = json({})


# --- testing in memory: uploads, sessions --------------------------------------------------------


def test_an_upload_goes_through_memory(colour: str) -> None:
    def photo(request: Request) -> object:
        upload: Any = request.files["photo"]
        return {
            "name": upload.safe_name(),
            "size": upload.size,
            "kind": upload.content_type,
            "begins": upload.read()[:3].decode(),
            "title": request.form["title"],
        }

    app = App()
    app.post("/photo")(coloured(photo, colour))
    answer = one(
        app, colour, "POST", "photo", data={"title": "Ü"},
        files={"photo": ("../a b.png", b"PNG" * 400_000, "image/png")},
    )  # fmt: skip
    assert answer.json() == {
        "name": "a b.png", "size": 1_200_000, "kind": "image/png", "begins": "PNG", "title": "Ü",
    }  # fmt: skip


def test_a_session_goes_from_request_to_request(colour: str) -> None:
    app = App(secret=SECRET)

    def add(request: Request) -> object:
        request.session["cart"] = [*request.session.get("cart", []), request.form.int("number")]
        return redirect("/cart")

    app.post("/cart")(coloured(add, colour))
    app.get("/cart", name="show")(coloured(lambda r: r.session.get("cart", []), colour))
    more = {"follow_redirects": True}
    *_, last, shown = asked(
        app, colour,
        ("POST", "cart", {"data": {"number": 7}, **more}),
        ("POST", "cart", {"data": {"number": 8}, **more}),
        ("GET", "https://localhost/cart", {}),
    )  # fmt: skip
    assert last.json() == [7, 8]
    assert shown.status_code == 200
    assert one(app, colour, "GET", "cart").json() == []  # another visitor


# --- testing in memory: who goes away, and who is slow -------------------------------------------


class Gone(Exception):
    """A client that has had enough."""


def uploading(seen: list[object]) -> App:
    app = App()

    @app.post("/photo")
    def photo(request: Request) -> object:
        seen.append("handler")
        return "whole"

    return app


@pytest.mark.parametrize("kind", ["content", "multipart"])
def test_a_client_may_leave_in_the_middle_of_an_upload(kind: str, colour: str) -> None:
    seen: list[object] = []
    app = uploading(seen)
    start = b'--x\r\ncontent-disposition: form-data; name="photo"; filename="a"\r\n\r\n'
    fields = {"content-type": "multipart/form-data; boundary=x"} if kind == "multipart" else {}

    def half() -> Iterator[bytes]:
        yield start + b"a" * 100_000
        raise Gone

    async def half_later() -> AsyncIterator[bytes]:
        for piece in half():
            yield piece

    def blocking() -> Response:
        with Client(app=app, base_url=HOME) as client:
            with pytest.raises(Gone):
                client.post("photo", content=half(), headers=fields)
            return client.post("photo", content=b"all of it")

    async def waiting() -> Response:
        async with AsyncClient(app=app, base_url=HOME) as client:
            with pytest.raises(Gone):
                await client.post("photo", content=half_later(), headers=fields)
            return await client.post("photo", content=b"all of it")

    assert (blocking() if colour == "def" else asyncio.run(waiting())).text == "whole"
    assert seen == ["handler"]  # never for the half


AHEAD = 40_000  # bytes that are made before they are read, at most: what is on its way


def ticking(ends: threading.Event, seen: list[int], colour: str) -> App:
    """An application with an answer that has no end; what it counts is how far it came."""
    app = App()

    def ticks() -> Iterator[bytes]:
        try:
            while True:
                seen.append(len(seen))
                yield b"x" * 1000
        finally:
            ends.set()

    async def ticks_later() -> AsyncIterator[bytes]:
        try:
            while True:
                seen.append(len(seen))
                yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            ends.set()

    app.get("/ticks")(
        coloured(lambda request: stream(ticks() if colour == "def" else ticks_later()), colour)
    )
    return app


def test_a_client_may_leave_in_the_middle_of_an_answer(colour: str) -> None:
    ends, seen = threading.Event(), list[int]()
    app = ticking(ends, seen, colour)

    def blocking() -> None:
        with Client(app=app, base_url=HOME) as client:
            with client.stream("GET", "ticks") as response:
                assert len(next(response.iter_bytes())) > 0
            client.request("OPTIONS", "*")  # the application's loop goes on while one asks

    async def waiting() -> None:
        async with AsyncClient(app=app, base_url=HOME) as client:
            async with client.stream("GET", "ticks") as response:
                async for _ in response.iter_bytes():
                    break
            while not ends.is_set():
                await asyncio.sleep(0.01)

    if colour == "def":
        blocking()
    else:
        asyncio.run(waiting())
    assert ends.wait(5)


def test_a_generator_that_waits_for_ever_is_closed_behind_a_client_that_left() -> None:
    ends = threading.Event()
    app = App()

    async def silence() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ends.set()

    @app.get("/silence")
    async def silent(request: Request) -> Response:
        return stream(silence())

    async def main() -> None:
        network = async_memory_network(app, patience=Patience(linger=0.02))
        async with AsyncClient(network=network, base_url=HOME) as client:
            async with client.stream("GET", "silence") as response:
                async for _ in response.iter_bytes():
                    break
            while not ends.is_set():
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 5))


def test_a_slow_client_slows_who_makes_the_pieces(colour: str) -> None:
    """Through a narrow way nothing is made long before it can be sent."""
    ends, seen = threading.Event(), list[int]()
    app = ticking(ends, seen, colour)
    narrow = Shape(room=4000, piece=1000)
    read = 0

    def blocking() -> None:
        nonlocal read
        client = Client(network=memory_network(app, to_client=narrow), base_url=HOME)
        with client, client.stream("GET", "ticks") as response:
            for piece in response.iter_bytes():
                read += len(piece)
                assert len(seen) * 1000 <= read + AHEAD
                if read > 200_000:
                    break

    async def waiting() -> None:
        nonlocal read
        network = async_memory_network(app, to_client=narrow)
        client = AsyncClient(network=network, base_url=HOME)
        async with client, client.stream("GET", "ticks") as response:
            async for piece in response.iter_bytes():
                read += len(piece)
                assert len(seen) * 1000 <= read + AHEAD
                if read > 200_000:
                    break
                await asyncio.sleep(0)

    if colour == "def":
        blocking()
    else:
        asyncio.run(waiting())
    assert ends.wait(5)


@pytest.mark.rfc("9110", "15.5.9")
def test_a_client_that_stalls_in_an_upload_is_told_408(colour: str) -> None:
    seen: list[object] = []
    app = uploading(seen)
    stalling, hasty = Shape(fault=STALL, after=1000), Patience(body_stall=0.05)

    def blocking() -> Response:
        network = memory_network(app, to_server=stalling, patience=hasty)
        with Client(network=network, base_url=HOME) as client:
            return client.post("photo", content=b"x" * 2000)

    async def waiting() -> Response:
        network = async_memory_network(app, to_server=stalling, patience=hasty)
        async with AsyncClient(network=network, base_url=HOME) as client:
            return await client.post("photo", content=b"x" * 2000)

    assert (blocking() if colour == "def" else asyncio.run(waiting())).status_code == 408
    assert seen == []


def test_a_client_that_drips_is_waited_for_as_long_as_it_is_quick_enough() -> None:
    seen: list[object] = []
    app = uploading(seen)

    async def dripping(seconds: float) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"drop"
            await asyncio.sleep(seconds)

    async def main() -> list[int]:
        network = async_memory_network(app, patience=Patience(body_stall=0.2))
        async with AsyncClient(network=network, base_url=HOME) as client:
            return [
                (await client.post("photo", content=dripping(seconds))).status_code
                for seconds in (0.01, 0.5)
            ]

    assert asyncio.run(main()) == [200, 408]
    assert seen == ["handler"]


@pytest.mark.parametrize("after", [10, 60, 200, 5000])
def test_a_connection_may_break_at_any_byte(after: int, colour: str) -> None:
    seen: list[object] = []
    app = uploading(seen)
    broken = Shape(fault=RESET, after=after)
    content = b"x" * 10_000

    def blocking() -> None:
        with Client(network=memory_network(app, to_server=broken), base_url=HOME) as client:
            client.post("photo", content=content)

    async def waiting() -> None:
        network = async_memory_network(app, to_server=broken)
        async with AsyncClient(network=network, base_url=HOME) as client:
            await client.post("photo", content=content)

    with pytest.raises(TransportError):
        blocking() if colour == "def" else asyncio.run(waiting())
    assert seen == []


def test_a_client_that_waits_no_longer_has_its_timeout(colour: str) -> None:
    app = App()
    done: list[str] = []

    def slow(request: Request) -> str:
        time.sleep(0.2)
        done.append("def")
        return "late"

    async def slow_later(request: Request) -> str:
        await asyncio.sleep(0.2)
        done.append("async")
        return "late"

    app.get("/slow")(slow if colour == "def" else slow_later)
    with pytest.raises(TransportError):
        one(app, colour, "GET", "slow", timeout=Timeout(read=0.02))
    assert one(app, colour, "GET", "slow").text == "late"
