"""Layers stand around all that an application answers, and see a response whatever happened."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crlf import AsyncClient, Client
from crlf.flow.run import run_sync
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.filters import After
from crlf.server import App, Refused, running, stream, text
from crlf.server.apps.layers import MOST_ASKED

HOME = "http://localhost/"
NOW = 1_800_000_000.0


async def at_once(work: Callable[[], Any]) -> Any:
    """A thread for a `def` handler that is none."""
    return work()


def ask(app: App, target: str = "/", method: str = "GET", **fields: str) -> Response:
    """Send one request through an application."""
    headers = Headers([("host", "localhost"), *fields.items()])
    request = Request.received((method, target, headers, "1.1"), b"", Received())
    return run_sync(app.sender(at_once, lambda: NOW)(request))  # type: ignore[arg-type]


def marking(mark: str, seen: list[str]) -> Any:
    """A filter that notes when it is entered, and what it was answered."""

    def marked(request: Request) -> Any:
        seen.append(f"+{mark}")
        response = yield request
        seen.append(f"-{mark} {response.status_code}")
        return response

    return marked


def plain_app() -> App:
    app = App()

    @app.get("/")
    async def front(request: Request) -> str:
        return "front"

    @app.get("/plain/{number:int}")
    def plain(request: Request, number: int) -> str:
        return f"plain {number} {request.headers.get('x-added')}"

    @app.get("/waits/{number:int}")
    async def waits(request: Request, number: int) -> str:
        return f"waits {number} {request.headers.get('x-added')}"

    return app


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "crlf.server")
    return caplog


# --- the three kinds, and their order ------------------------------------------------------------


def test_a_filter_changes_the_request_and_the_answer() -> None:
    app = plain_app()

    @app.filter
    def adding(request: Request) -> Any:
        response = yield request.with_field("x-added", "yes")
        return response.with_field("x-seen", str(response.status_code))

    for kind in ("plain", "waits"):
        answer = ask(app, f"/{kind}/7")
        assert answer.text == f"{kind} 7 yes"
        assert answer.headers["x-seen"] == "200"


def test_what_stands_around_waits() -> None:
    app = plain_app()

    @app.around
    async def timing(request: Request, answer: Any) -> Response:
        response: Response = await answer(request.with_field("x-added", "around"))
        return response.with_field("x-around", "yes")

    @app.around
    def stepping(request: Request) -> Any:
        response = yield request.with_field("x-added", "steps")
        return response.with_field("x-steps", "yes")

    answer = ask(app, "/plain/3")
    assert answer.text == "plain 3 steps"
    assert (answer.headers["x-around"], answer.headers["x-steps"]) == ("yes", "yes")


def test_the_first_is_outermost_and_the_outer_application_comes_before_the_inner() -> None:
    seen: list[str] = []
    outer, inner, innermost = App(), App(), App()
    innermost.get("/c")(lambda request: "c")
    outer.filter(marking("outer 1", seen))
    inner.filter(marking("inner", seen))
    inner.mount("/b", innermost)
    outer.mount("/a", inner)
    innermost.filter(marking("innermost", seen))

    @outer.around
    async def around(request: Request, answer: Any) -> Any:
        seen.append("+outer 2")
        response = await answer(request)
        seen.append("-outer 2")
        return response

    assert ask(outer, "/a/b/c").text == "c"
    assert seen == [
        "+outer 1", "+outer 2", "+inner", "+innermost",
        "-innermost 200", "-inner 200", "-outer 2", "-outer 1 200",
    ]  # fmt: skip
    seen.clear()
    assert ask(inner, "/b/c").text == "c"  # served by itself
    assert seen == ["+inner", "+innermost", "-innermost 200", "-inner 200"]


def test_layers_of_a_mounted_application_do_not_stand_around_its_neighbours() -> None:
    seen: list[str] = []
    outer, inner = plain_app(), App()
    inner.filter(marking("inner", seen))
    outer.mount("/in", inner)
    assert ask(outer, "/").text == "front"
    assert seen == []
    assert ask(outer, "/in/nothing").status_code == 404
    assert seen == ["+inner", "-inner 404"]


def test_layers_stand_around_folders_and_what_no_route_answers(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a file")
    app, seen = plain_app(), list[str]()
    app.folder("/files", tmp_path)
    app.filter(marking("f", seen))
    for target, method, status_code in (
        ("/files/a.txt", "GET", 200),
        ("/files/b.txt", "GET", 404),
        ("/nothing", "GET", 404),
        ("/", "DELETE", 405),
        ("/", "OPTIONS", 204),
        ("/%zz", "GET", 400),
        ("/", "BREW", 501),
    ):
        seen.clear()
        assert ask(app, target, method).status_code == status_code
        assert seen == ["+f", f"-f {status_code}"]


def test_a_layer_may_answer_without_asking() -> None:
    app = plain_app()

    @app.filter
    def shut(request: Request) -> Any:
        yield from ()
        return "closed for today", 503

    assert ask(app).status_code == 503
    assert ask(app).text == "closed for today"


def test_a_layer_may_ask_twice() -> None:
    app, calls = App(), list[str]()

    @app.get("/")
    def flaky(request: Request) -> Any:
        calls.append("")
        return ("no", 503) if len(calls) == 1 else "yes"

    @app.filter
    def again(request: Request) -> Any:
        response = yield request
        if response.status_code == 503:
            response = yield request
        return response

    assert ask(app).text == "yes"


# --- errors --------------------------------------------------------------------------------------


def test_a_layer_sees_the_answer_to_an_error_and_never_the_error(
    errors: pytest.LogCaptureFixture,
) -> None:
    app, seen = App(), list[str]()
    app.filter(marking("f", seen))

    @app.get("/refused")
    def refused(request: Request) -> str:
        raise Refused(409, "taken")

    @app.get("/broken")
    async def broken(request: Request) -> str:
        raise LookupError("a mistake")

    @app.on_error(409)
    def taken(request: Request, error: Exception) -> str:
        return "our page"

    assert ask(app, "/refused").text == "our page"
    assert ask(app, "/broken").status_code == 500
    assert seen == ["+f", "-f 409", "+f", "-f 500"]
    assert "a mistake" in errors.text


@pytest.mark.parametrize("kind", ["filter", "stepping", "around"])
def test_what_a_layer_raises_is_answered_and_seen_by_those_outside(kind: str) -> None:
    app, seen = plain_app(), list[str]()
    app.filter(marking("outer", seen))

    def steps(request: Request) -> Any:
        if request.headers.get("x-token") is None:
            raise Refused(401, "who are you?", {"www-authenticate": "Bearer"})
        return (yield request)

    async def waits(request: Request, answer: Any) -> Any:
        raise Refused(401, "who are you?", {"www-authenticate": "Bearer"})

    if kind == "filter":
        app.filter(steps)
    else:
        app.around(waits if kind == "around" else steps)

    @app.on_error(401)
    async def stranger(request: Request, error: Exception) -> str:
        return "our login page"

    answer = ask(app)
    assert (answer.status_code, answer.text) == (401, "our login page")
    assert seen == ["+outer", "-outer 401"]


def forgetful(request: Request) -> Any:
    yield request


def endless(request: Request) -> Any:
    while True:
        yield request


def nonsense(request: Request) -> Any:
    return (yield "a text")


def odd(request: Request) -> Any:
    yield request
    return 7


def patient(request: Request) -> Any:
    return (yield After(3.0, request))


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (forgetful, "forgetful() returned nothing, where its answer is wanted"),
        (endless, f"endless() asked {MOST_ASKED} times, and returned no answer"),
        (nonsense, "nonsense() sent on a str, not a Request"),
        (odd, "odd() returned a int, which is no answer"),
        (patient, "nobody waits here"),
    ],
)
@pytest.mark.parametrize("kind", ["filter", "around"])
def test_what_is_no_layer_says_so_in_the_log(
    layer: Any, why: str, kind: str, errors: pytest.LogCaptureFixture
) -> None:
    app = plain_app()
    getattr(app, kind)(layer)
    assert ask(app).status_code == 500
    if kind == "around" and layer is patient:
        why = "patient() sent on a After, not a Request"
    assert why in errors.text


def test_around_that_returns_nothing_says_so(errors: pytest.LogCaptureFixture) -> None:
    app = plain_app()

    @app.around
    async def lost(request: Request, answer: Any) -> None:
        await answer(request)

    assert ask(app).status_code == 500
    assert "lost() returned nothing" in errors.text


def plain_function(request: Request) -> Response:
    return text("")


async def waiting_function(request: Request) -> Response:
    return text("")


async def waiting_generator(request: Request) -> Any:
    yield request


def two_arguments(request: Request, other: object) -> Any:
    return (yield request)


async def around(request: Request, answer: object) -> Any:
    return text("")


@pytest.mark.parametrize(
    ("kind", "function", "why"),
    [
        ("filter", plain_function, "is no filter"),
        ("filter", waiting_function, "is no filter"),
        ("filter", waiting_generator, "is no filter"),
        ("filter", around, "is for @app.around"),
        ("filter", two_arguments, r"has to take \(request\) and no more"),
        ("filter", 7, "is no filter"),
        ("around", plain_function, "cannot stand around"),
        ("around", waiting_function, r"has to take \(request, answer\)"),
        ("around", waiting_generator, "cannot stand around"),
        ("around", two_arguments, r"has to take \(request\) and no more"),
        ("around", None, "cannot stand around"),
    ],
)
def test_what_cannot_be_a_layer_is_refused_at_once(kind: str, function: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        getattr(App(), kind)(function)


# --- the session, and what is held open ----------------------------------------------------------


def test_the_session_works_in_layers_and_around_them() -> None:
    app = App(secret="a secret of the tests")

    @app.get("/")
    def front(request: Request) -> str:
        return f"{request.session.get('visits')}"

    @app.filter
    def counting(request: Request) -> Any:
        request = request.with_field("x-copy", "1")
        request.session["visits"] = request.session.get("visits", 0) + 1
        response = yield request
        request.session["after"] = True
        return response

    @app.around
    def within(request: Request) -> Any:
        response = yield request.without_fields("x-copy")
        assert request.session["visits"] > 0
        return response

    with Client(app=app) as client:
        assert client.get("http://localhost/").text == "1"
        assert client.get("http://localhost/").text == "2"


def test_after_the_answer_no_copy_opens_a_session() -> None:
    app, copies = plain_app(), list[Request]()

    @app.filter
    def copying(request: Request) -> Any:
        copies.append(request.with_field("x-copy", "1"))
        return (yield copies[0])

    ask(app)
    with pytest.raises(RuntimeError):
        copies[0].session  # noqa: B018  # raises


class Watched(io.BytesIO):
    """A file that a body closes."""


@pytest.mark.parametrize("kind", ["replaced", "raised", "kept", "wrapped"])
def test_a_body_that_is_thrown_away_is_closed(kind: str) -> None:
    from crlf.message.body import FileBody

    app, file = App(), Watched(b"content")

    @app.get("/")
    async def download(request: Request) -> Response:
        return Response(200, None, FileBody(file, closing=True))

    @app.filter
    def over(request: Request) -> Any:
        response = yield request
        if kind == "raised":
            raise Refused(403)
        if kind == "wrapped":
            body = response.body

            def louder() -> Iterator[bytes]:
                for piece in body.chunks():
                    yield piece.upper()

            return stream(louder())
        return text("another") if kind == "replaced" else response

    answer = ask(app)
    assert file.closed is (kind in ("replaced", "raised"))
    if kind == "wrapped":
        assert b"".join(answer.body.chunks()) == b"CONTENT"
    if not isinstance(answer.body, bytes):
        answer.body.close()  # type: ignore[attr-defined]  # as whoever sends it does
    assert file.closed


# --- threads, and what is set in a context -------------------------------------------------------

WHO = contextvars.ContextVar("WHO", default="nobody")


def telling_app() -> App:
    app = App()

    @app.get("/plain")
    def plain(request: Request) -> str:
        return WHO.get()

    @app.get("/waits")
    async def waits(request: Request) -> str:
        return WHO.get()

    return app


def setting(request: Request) -> Any:
    if "x-who" not in request.headers:
        return (yield request)
    token = WHO.set(request.headers["x-who"])
    try:
        return (yield request)
    finally:
        WHO.reset(token)


def setting_for_good(request: Request) -> Any:
    if "x-who" in request.headers:
        WHO.set(request.headers["x-who"])
    return (yield request)


async def setting_around(request: Request, answer: Any) -> Any:
    if "x-who" in request.headers:
        WHO.set(request.headers["x-who"])
    return await answer(request)


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("filter", setting), ("filter", setting_for_good), ("around", setting),
        ("around", setting_for_good), ("around", setting_around),
    ],
)  # fmt: skip
def test_what_a_layer_sets_the_handler_sees_and_the_next_request_does_not(
    kind: str, layer: Any
) -> None:
    app = telling_app()
    getattr(app, kind)(layer)
    with Client(app=app) as client:
        for path in ("plain", "waits"):
            url = f"http://localhost/{path}"
            assert client.get(url, headers={"x-who": "eve"}).text == "eve"
            assert client.get(url).text == "nobody"
    with running(app) as server, Client() as client:
        for path in ("plain", "waits"):
            assert client.get(server.url + path, headers={"x-who": "eve"}).text == "eve"
            assert client.get(server.url + path).text == "nobody"


def test_steps_run_in_threads_and_filters_on_the_loop() -> None:
    app, seen = App(), dict[str, list[threading.Thread]]()

    @app.get("/")
    async def front(request: Request) -> str:
        seen["handler"] = [threading.current_thread()]
        return ""

    @app.filter
    def deciding(request: Request) -> Any:
        threads = seen["filter"] = [threading.current_thread()]
        response = yield request
        threads.append(threading.current_thread())
        return response

    @app.around
    def blocking(request: Request) -> Any:
        threads = seen["steps"] = [threading.current_thread()]
        response = yield request
        threads.append(threading.current_thread())
        return response

    async def main() -> None:
        async with AsyncClient(app=app) as client:
            await client.get("http://localhost/")

    asyncio.run(main())
    loop = seen["handler"][0]
    assert seen["filter"] == [loop, loop]
    assert loop not in seen["steps"]


@pytest.mark.timeout(30)
def test_no_thread_is_held_while_the_inner_part_answers() -> None:
    """With one thread for everything, three that step and a handler that blocks get through."""
    from crlf.server.settings import ServerSettings

    app = App()

    @app.get("/")
    def front(request: Request) -> str:
        time.sleep(0.02)
        return "front"

    for _ in range(3):

        @app.around
        def layer(request: Request) -> Any:
            return (yield request)

    with running(app, settings=ServerSettings(threads=1)) as server:

        async def main() -> None:
            async with AsyncClient() as client:
                answers = await asyncio.gather(*(client.get(server.url) for _ in range(6)))
                assert {answer.text for answer in answers} == {"front"}

        asyncio.run(main())


def test_a_generator_whose_answer_nobody_waits_for_is_closed() -> None:
    app, closed = App(), list[str]()

    @app.get("/")
    async def hang(request: Request) -> str:
        await asyncio.sleep(30)
        return ""

    @app.around
    def stepping(request: Request) -> Any:
        try:
            return (yield request)
        finally:
            closed.append(threading.current_thread().name)

    async def main() -> None:
        send = app.sender(asyncio.to_thread, lambda: NOW)  # type: ignore[arg-type]
        request = Request.received(("GET", "/", Headers([]), "1.1"), b"", Received())
        task = asyncio.ensure_future(send(request))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(closed) == 1
    assert closed[0] != threading.main_thread().name


@pytest.mark.parametrize("path", ["plain", "waits"])
def test_under_another_server_it_is_the_same(path: str) -> None:
    from crlf.server import AsgiApplication

    app, done = telling_app(), list[str]()
    app.filter(setting_for_good)
    app.around(setting)

    @app.around
    async def noting(request: Request, answer: Any) -> Any:
        response = await answer(request.with_field("x-copy", "1"))
        request.after_answer(done.append, WHO.get())
        return response.with_field("x-around", "yes")

    with Client(app=AsgiApplication(app)) as client:
        response = client.get(HOME + path, headers={"x-who": "eve"})
        assert (response.text, response.headers["x-around"]) == ("eve", "yes")
        assert client.get(HOME + path).text == "nobody"
        assert client.get(HOME + "nothing").headers["x-around"] == "yes"
    assert done[:1] == ["eve"]
