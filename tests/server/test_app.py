"""An application answers whatever comes: its routes, its errors, its sessions, its folders."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import Malformed, RemoteError, TooLarge
from crlf.message.fields.cookies import SetCookie
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.server import App, Refused, file, html, json, redirect, stream, text

NOW = 1_800_000_000.0
SECRET = "a secret of the tests"
BROWSER = "text/html,*/*;q=0.8"


async def at_once(work: Callable[[], Any]) -> Any:
    """A thread for a `def` handler that is none."""
    return work()


def ask(
    app: App,
    target: str = "/",
    method: str = "GET",
    content: bytes = b"",
    *,
    host: str = "localhost",
    where: Received | None = None,
    now: float = NOW,
    **fields: str,
) -> Response:
    """Send one request through an application."""
    headers = Headers([("host", host), *((k.replace("_", "-"), v) for k, v in fields.items())])
    request = Request.received((method, target, headers, "1.1"), content, where or Received())
    return run_sync(app.sender(at_once, lambda: now)(request))  # type: ignore[arg-type]


def returning(result: object) -> App:
    app = App()
    app.get("/")(lambda request: result)
    return app


def raising(error: BaseException) -> App:
    app = App()

    @app.get("/")
    def fail(request: Request) -> str:
        raise error

    return app


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "crlf.server")
    return caplog


# --- handlers ------------------------------------------------------------------------------------


def test_both_kinds_of_handler_answer() -> None:
    app = App()

    @app.get("/plain")
    def plain(request: Request) -> Response:
        return text("plain")

    @app.get("/waiting")
    async def waiting(request: Request) -> Response:
        return text("waiting")

    class Called:
        async def __call__(self, request: Request) -> str:
            return "called"

    app.get("/called")(Called())
    app.get("/partial")(functools.partial(lambda word, request: word, "partial"))
    for word in ("plain", "waiting", "called", "partial"):
        assert ask(app, f"/{word}").text == word
        assert ask(app, f"/{word}?x=1").text == word


def test_def_handlers_run_in_a_thread_and_async_ones_do_not() -> None:
    app, seen = App(), {}

    @app.get("/plain")
    def plain(request: Request) -> str:
        seen["plain"] = threading.current_thread()
        return ""

    @app.get("/waiting")
    async def waiting(request: Request) -> str:
        await asyncio.sleep(0)
        seen["waiting"] = threading.current_thread()
        return ""

    @app.on_error(404)
    def missing(request: Request, error: Exception) -> str:
        seen["error"] = threading.current_thread()
        return ""

    async def main() -> None:
        send = app.sender(asyncio.to_thread, lambda: NOW)
        for target in ("/plain", "/waiting", "/nothing"):
            await send(Request.received(("GET", target, Headers(), "1.1"), b"", Received()))

    asyncio.run(main())
    assert seen["waiting"] is threading.main_thread()
    assert threading.main_thread() not in (seen["plain"], seen["error"])


def test_path_values_come_by_name_and_converted() -> None:
    app = App()

    @app.get("/{shop}/part/{number:int}")
    async def part(request: Request, number: int, shop: str) -> dict[str, object]:
        return {"number": number, "shop": shop}

    @app.get("/id/{id:uuid}")
    def by_id(request: Request, *, id: UUID, more: str = "more") -> dict[str, object]:
        return {"id": id.hex, "more": more}

    @app.get("/any/{rest:path}")
    def anything(request: Request, **values: object) -> dict[str, object]:
        return values

    assert ask(app, "/a%20b/part/7").json() == {"number": 7, "shop": "a b"}
    assert ask(app, f"/id/{UUID(int=5)}").json() == {"id": UUID(int=5).hex, "more": "more"}
    assert ask(app, "/any/x/y").json() == {"rest": "x/y"}


def test_a_decorated_handler_is_called_by_its_wrapper() -> None:
    app = App()

    def loud(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def wrapped(request: Request, **values: object) -> Any:
            return handler(request, **values)

        return wrapped

    @app.get("/{number:int}")
    @loud
    async def part(request: Request, number: int) -> str:
        return f"part {number}"

    assert ask(app, "/7").text == "part 7"


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (lambda: "x", "takes no request"),
        (lambda **values: "x", "takes no request"),
        (lambda number: "x", "where the request comes"),
        (lambda request: "x", "does not take 'number'"),
        (lambda request, numbr: "x", "does not take 'number'"),
        (lambda request, number, more: "x", "wants 'more'"),
        (lambda request, number, *, more: "x", "wants 'more'"),
        (eval("lambda request, number, /: 'x'"), "does not take 'number'"),
        ("text", "needs a function"),
    ],
)
def test_a_handler_that_could_not_be_called_is_refused(handler: Any, fault: str) -> None:
    with pytest.raises(TypeError, match=fault):
        App().get("/{number:int}")(handler)


def test_a_handler_that_yields_is_refused() -> None:
    with pytest.raises(TypeError, match="return stream"):

        @App().get("/")
        def pieces(request: Request):  # type: ignore[no-untyped-def]
            yield b"x"


def test_what_is_returned_is_made_into_an_answer(tmp_path: Path) -> None:
    assert ask(returning("<p>")).headers["content-type"] == "text/html; charset=utf-8"
    assert ask(returning({"a": 1})).json() == {"a": 1}
    assert ask(returning(("x", 202))).status_code == 202
    assert ask(returning(redirect("/x"))).headers["location"] == "/x"
    assert ask(returning(json([1], 201))).status_code == 201
    assert not isinstance(ask(returning(stream([b"a"]))).body, bytes)
    (tmp_path / "a.css").write_text("p {}")
    answer = ask(returning(file(tmp_path / "a.css")))
    assert (answer.content, answer.headers["content-type"]) == (b"p {}", "text/css; charset=utf-8")
    etag = answer.headers["etag"]
    assert ask(returning(file(tmp_path / "a.css")), if_none_match=etag).status_code == 304


def test_no_answer_is_an_error_that_names_the_handler(errors: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/")
    async def forgetful(request: Request) -> None:
        pass

    assert ask(app).status_code == 500
    assert "forgetful() returned nothing" in errors.text


# --- methods -------------------------------------------------------------------------------------


def verbs() -> App:
    app = App()
    for register in (app.get, app.post, app.put, app.patch, app.delete, app.query):
        register("/all", name=register.__name__)(lambda request: request.method)
    app.route("/two", ("GET", "PURGE"))(lambda request: request.method)
    app.get("/one")(lambda request: request.method)
    app.get("/value/{x}")(lambda request, x: request.method)
    return app


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"])
def test_each_verb_has_its_decorator(method: str) -> None:
    assert ask(verbs(), "/all", method).text == method


@pytest.mark.rfc("9110", "9.3.2")
def test_head_is_answered_by_get() -> None:
    assert ask(verbs(), "/one", "HEAD").text == "HEAD"
    assert ask(verbs(), "/value/1", "HEAD").text == "HEAD"


@pytest.mark.rfc("9110", "15.5.6")
@pytest.mark.parametrize("target", ["/one", "/value/7", "/one?x=1"])
def test_another_method_is_refused_with_those_allowed(target: str) -> None:
    response = ask(verbs(), target, "POST")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.rfc("9110", "9.3.7")
def test_options_says_what_is_allowed() -> None:
    response = ask(verbs(), "/two", "OPTIONS")
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, PURGE"
    everything = ask(verbs(), "*", "OPTIONS")
    assert everything.status_code == 204
    assert (
        everything.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PURGE, PUT, QUERY"
    )
    assert ask(verbs(), "http://localhost", "OPTIONS").status_code == 204
    assert ask(verbs(), "/nothing", "OPTIONS").status_code == 404


def test_an_options_handler_comes_first() -> None:
    app = App()
    app.route("/", ["OPTIONS"])(lambda request: "mine")
    assert ask(app, "/", "OPTIONS").text == "mine"


@pytest.mark.rfc("9110", "9.1")
def test_a_method_that_nobody_knows_is_not_implemented() -> None:
    for method in ("BREW", "get", "GET2"):
        assert ask(verbs(), "/one", method).status_code == 501
    assert ask(verbs(), "/one", "PURGE").status_code == 405


@pytest.mark.rfc("9110", "9.3.6")
@pytest.mark.rfc("9110", "9.3.8")
def test_there_are_no_tunnels_and_no_echoes() -> None:
    response = ask(verbs(), "shop.example:443", "CONNECT")
    assert (response.status_code, response.headers["connection"]) == (501, "close")
    assert ask(verbs(), "/one", "TRACE").status_code == 405


def test_a_string_of_methods_is_one_method() -> None:
    app = App()
    app.route("/", "PUT")(lambda request: "put")
    assert ask(app, "/", "PUT").text == "put"


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.rfc("9112", "3.2")
def test_every_form_of_target_is_routed_by_its_path() -> None:
    app = verbs()
    for target in ("/one", "/one?a=/two", "http://shop.example/one", "http://x/one?q", "/%6Fne"):
        assert ask(app, target).text == "GET", target
    for target in ("/one/../one", "//one", "/one#x", "/two%2F..%2Fone", "http://x/nothing"):
        assert ask(app, target).status_code in (400, 404), target
    assert ask(app, "one").status_code == 400
    assert ask(app, "/%").status_code == 400
    assert ask(app, "/value/%FF").status_code == 400


def test_a_slash_at_the_end_is_corrected_by_a_redirect() -> None:
    app = App()
    app.get("/a")(lambda request: "a")
    app.route("/b/", ["POST"], name="b")(lambda request: "b")
    app.get("/{x}/y/", name="c")(lambda request, x: "c")
    for target, method, location in (
        ("/a/", "GET", "/a"),
        ("/a/?x=1&y=//b", "HEAD", "/a?x=1&y=//b"),
        ("/b", "POST", "/b/"),
        ("/%C3%BC/y", "GET", "/%C3%BC/y/"),
        ("http://other.example/a/", "GET", "/a"),
    ):
        response = ask(app, target, method)
        assert (response.status_code, response.headers["location"]) == (308, location)
    assert ask(app, "//evil.example/y").status_code == 404
    assert ask(app, "/b").status_code == 404


# --- what went wrong -----------------------------------------------------------------------------


def test_nothing_there_is_a_page_or_text() -> None:
    plain = ask(App(), "/x<y>")
    assert (plain.status_code, plain.headers["content-type"][:10]) == (404, "text/plain")
    page = ask(App(), "/x", accept=BROWSER)
    assert (page.status_code, page.headers["content-type"][:9]) == (404, "text/html")
    assert "x-content-type-options" in page.headers
    assert "/x" not in plain.text


def test_an_accident_is_logged_and_not_shown(errors: pytest.LogCaptureFixture) -> None:
    response = ask(raising(KeyError("the password")), "/?token=secret", accept=BROWSER)
    assert response.status_code == 500
    assert "password" not in response.text
    assert "KeyError" not in response.text
    (record,) = errors.records
    assert (record.name, record.levelname) == ("crlf.server", "ERROR")
    assert record.getMessage() == "GET / failed: 'the password'"
    assert record.exc_info is not None
    assert "token" not in errors.text
    assert "in fail" in errors.text


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        RecursionError(),
        MemoryError(),
        StopIteration(),
        StopAsyncIteration(),
        TimeoutError(),
        RemoteError("the server behind us", status_code=400),
        ExceptionGroup("two", [ValueError()]),
    ],
)
def test_any_accident_is_a_500(error: Exception, errors: pytest.LogCaptureFixture) -> None:
    assert ask(raising(error)).status_code == 500
    assert len(errors.records) == 1


def test_stop_iteration_in_a_thread_does_not_hang() -> None:
    async def main() -> Response:
        send = raising(StopIteration()).sender(asyncio.to_thread, lambda: NOW)
        request = Request.received(("GET", "/", Headers(), "1.1"), b"", Received())
        return await asyncio.wait_for(send(request), 5)

    assert asyncio.run(main()).status_code == 500


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_the_program_is_let_through(end: type[BaseException]) -> None:
    with pytest.raises(end):
        ask(raising(end()))


FAULTS: list[tuple[str, Callable[[Request], object], int, str]] = [
    ("/?number=x", lambda request: request.query.int("number"), 400, "number"),
    ("/", lambda request: request.query.int("number"), 400, "missing"),
    ("/", lambda request: request.json(), 400, "not JSON"),
    ("/?" + "&" * 2000, lambda request: request.query["x"], 414, "limit"),
    ("/", lambda request: request.cookies["x"], 431, "cookies"),
    ("/", lambda request: throw(Malformed("five digits", "the post", 422)), 422, "five digits"),
    ("/", lambda request: throw(TooLarge("photo", 5, 413)), 413, "photo"),
    ("/", lambda request: throw(Refused(409, "Sold out.")), 409, "Sold out."),
]


def throw(error: Exception) -> object:
    raise error


@pytest.mark.parametrize(("target", "look", "status_code", "words"), FAULTS)
def test_a_wrong_request_is_told_so(
    target: str,
    look: Callable[[Request], object],
    status_code: int,
    words: str,
    errors: pytest.LogCaptureFixture,
) -> None:
    app = App()
    app.get("/")(look)
    response = ask(app, target, content=b"{", cookie="; ".join(f"c{n}=x" for n in range(300)))
    assert response.status_code == status_code
    assert words in response.text
    assert errors.records == []


OURS: list[Callable[[Request], object]] = [
    lambda request: Response(200, {"x": "a\r\nb"}),
    lambda request: Headers({"a b": "x"}),
    lambda request: text("x", headers={"x": "\x00"}),
    lambda request: ("x", 200, {"x": "\x00"}),
    lambda request: SetCookie("a", "b c"),
    lambda request: Response(200, content=b"{").json(),
    lambda request: Request("GET", "http://b.example/", {"x": "\x00"}),
    lambda request: request.with_field("x", "\x00"),
    lambda request: throw(Malformed("not the visitor's", "x", 500)),
    lambda request: redirect("//evil.example"),
]


@pytest.mark.parametrize("make", OURS)
def test_a_fault_of_ours_is_not_put_on_the_visitor(
    make: Callable[[Request], object], errors: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.get("/")(make)
    assert ask(app).status_code == 500
    assert len(errors.records) == 1


@pytest.mark.rfc("9110", "15.5.2")
def test_a_refusal_brings_its_fields() -> None:
    response = ask(raising(Refused(401, headers={"WWW-Authenticate": 'Basic realm="x"'})))
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Basic realm="x"')


def test_a_status_may_have_its_own_page() -> None:
    app = App()

    @app.on_error(404)
    async def missing(request: Request, error: Refused) -> str:
        return f"<h1>Nothing at {len(request.path)} characters</h1>"

    @app.on_error(405)
    def wrong(request: Request, error: Refused) -> Response:
        return html("<h1>No</h1>", 405, error.headers)

    @app.on_error(400)
    def bad(request: Request, error: Exception) -> tuple[dict[str, str], int]:
        return {"error": str(error)}, 422

    @app.get("/")
    def index(request: Request) -> str:
        if "number" in request.query:
            return str(request.query.int("number"))
        raise Refused(404)

    for target in ("/", "/nothing"):
        response = ask(app, target)
        assert response.status_code == 404
        assert response.text.startswith("<h1>Nothing at")
    assert ask(app, "/", "POST").headers["allow"] == "GET, HEAD, OPTIONS"
    assert "number" in ask(app, "/?number=x").json()["error"]  # type: ignore[index]
    assert ask(app, "/?number=x").status_code == 422


def test_an_exception_may_have_its_own_answer(errors: pytest.LogCaptureFixture) -> None:
    class Sold(Exception):
        pass

    class SoldOut(Sold):
        pass

    app = raising(SoldOut("sorry"))

    @app.on_error(Sold)
    def sold(request: Request, error: Sold) -> tuple[str, int]:
        return str(error), 409

    @app.on_error(Exception)
    def anything(request: Request, error: Exception) -> str:
        return "anything"

    assert (ask(app).status_code, ask(app).text) == (409, "sorry")
    assert errors.records == []
    assert ask(app, "/nothing").text.startswith("404")  # Exception is for accidents

    @app.get("/accident")
    def accident(request: Request) -> str:
        raise KeyError

    response = ask(app, "/accident")
    assert (response.status_code, response.text) == (500, "anything")
    assert len(errors.records) == 1


def test_an_error_handler_may_fail_too(errors: pytest.LogCaptureFixture) -> None:
    app = raising(ValueError("first"))

    @app.on_error(500)
    def fail(request: Request, error: Exception) -> str:
        raise KeyError("second")

    response = ask(app)
    assert response.status_code == 500
    assert response.text.startswith("500 Internal Server Error")
    assert [record.getMessage().partition(": ")[2] for record in errors.records] == [
        "first",
        "'second'",
    ]

    @app.on_error(ValueError)
    def busy(request: Request, error: Exception) -> str:
        raise Refused(503, "Come back later.")

    assert (ask(app).status_code, "later" in ask(app).text) == (503, True)


@pytest.mark.parametrize("what", [200, 399, 600, "404", BaseException, KeyboardInterrupt, None])
def test_an_error_handler_is_for_an_error(what: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="error"):
        App().on_error(what)(lambda request, error: "")


def test_tracebacks_are_shown_to_their_author_alone() -> None:
    app = raising(KeyError("<why>"))
    here, there = Received(peer=("127.0.0.1", 5)), Received(peer=("192.0.2.1", 5))
    assert "KeyError" not in ask(app, where=here).text
    app.debug = True
    assert "KeyError" in ask(app).text
    assert "KeyError" in ask(app, where=here).text
    assert "&lt;why&gt;" in ask(app, where=here, accept=BROWSER).text
    assert "KeyError" not in ask(app, where=there).text
    assert "KeyError" not in ask(app, where=here, host="shop.example").text
    assert "KeyError" not in ask(app, where=here, host="127.0.0.1.evil.example").text
    assert "Traceback" not in ask(app, "/nothing").text


def test_what_the_log_says_of_a_request_is_one_line(errors: pytest.LogCaptureFixture) -> None:
    app = App()
    app.route("/{x}")(lambda request, x: None)
    ask(app, "/" + "a" * 1000)
    assert "\n" not in errors.records[0].getMessage()
    assert len(errors.records[0].getMessage()) < 400


# --- sessions ------------------------------------------------------------------------------------


def counting(**how: Any) -> App:
    app = App(secret=SECRET, **how)

    @app.get("/")
    async def count(request: Request) -> dict[str, object]:
        seen = request.session.get("seen", 0)
        assert isinstance(seen, int)
        request.session["seen"] = seen + 1
        return {"seen": seen + 1}

    @app.get("/look")
    def look(request: Request) -> dict[str, object]:
        return dict(request.session)

    @app.get("/plain")
    def plain(request: Request) -> str:
        return "plain"

    @app.get("/accident")
    def accident(request: Request) -> str:
        request.session["seen"] = 100
        raise KeyError

    @app.get("/refuse")
    def refuse(request: Request) -> str:
        request.session["flash"] = "no"
        raise Refused(403)

    @app.get("/clear")
    def clear(request: Request) -> str:
        request.session.clear()
        return ""

    return app


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def test_a_session_counts_from_request_to_request() -> None:
    app = counting()
    cookie = cookie_of(ask(app))
    for seen in (2, 3):
        response = ask(app, cookie=cookie)
        assert response.json() == {"seen": seen}
        cookie = cookie_of(response)
    looked = ask(app, "/look", cookie=cookie)
    assert looked.json() == {"seen": 3}
    assert "set-cookie" not in looked.headers
    assert (looked.headers["vary"], looked.headers["cache-control"]) == ("Cookie", "private")
    assert ask(app, "/clear", cookie=cookie).headers["set-cookie"].startswith("session=; Expires")
    assert ask(app, "/look", cookie=cookie, now=NOW + 15 * 86400).json() == {}


def test_who_never_looks_at_the_session_is_not_marked() -> None:
    response = ask(counting(), "/plain", cookie=cookie_of(ask(counting())))
    assert not {"vary", "cache-control", "set-cookie"} & set(response.headers)


def test_after_an_accident_the_session_is_as_it_was() -> None:
    app = counting()
    response = ask(app, "/accident", cookie=cookie_of(ask(app)))
    assert response.status_code == 500
    assert "set-cookie" not in response.headers
    assert response.headers["vary"] == "Accept, Cookie"
    refused = ask(app, "/refuse")
    assert refused.status_code == 403
    assert ask(app, "/look", cookie=cookie_of(refused)).json() == {"flash": "no"}


def test_an_error_page_may_look_at_the_session() -> None:
    app = counting()

    @app.on_error(404)
    def missing(request: Request, error: Exception) -> str:
        return f"seen {request.session.get('seen')}"

    response = ask(app, "/nothing", cookie=cookie_of(ask(app)))
    assert (response.text, response.headers["vary"]) == ("seen 1", "Cookie")


@pytest.mark.rfc("9111", "7.3")
@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (None, "private"),
        ("public, max-age=60", "private, max-age=60"),
        ("no-store", "no-store"),
        ("private", "private"),
        ("max-age=5, private", "private, max-age=5"),
    ],
)
def test_a_cookie_of_the_handlers_own_is_not_shared(said: str | None, sent: str) -> None:
    fields = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    if said is not None:
        fields.append(("cache-control", said))
    headers = ask(returning(text("x", headers=fields))).headers
    assert headers["cache-control"] == sent
    assert headers.get_all("set-cookie") == ["a=1", "b=2"]
    app = App()
    app.on_error(404)(lambda request, error: text("x", 404, fields))
    assert ask(app).headers["cache-control"] == sent


def test_without_sessions_a_look_is_an_error(errors: pytest.LogCaptureFixture) -> None:
    app = App(sessions=False)
    app.get("/")(lambda request: request.session["x"])
    assert ask(app).status_code == 500
    assert "sessions=False" in errors.text


def test_sessions_are_for_https_unless_told(errors: pytest.LogCaptureFixture) -> None:
    https = Received("https")
    secure = ask(counting(), host="shop.example", where=https).headers["set-cookie"]
    assert secure.startswith("__Host-session=")
    plain = Received(peer=("192.0.2.1", 5))
    assert ask(counting(), host="shop.example", where=plain).status_code == 500
    assert "serve HTTPS" in errors.text
    assert ask(counting(), "/plain", host="shop.example", where=plain).status_code == 200
    risky = counting(secure_cookies=False, session_cookie="__Host-mine")
    assert ask(risky, host="shop.example", where=plain).headers["set-cookie"].startswith("mine=")
    assert "Secure" in ask(counting(secure_cookies=True)).headers["set-cookie"]


def test_a_session_that_is_too_large_is_our_fault(errors: pytest.LogCaptureFixture) -> None:
    app = App(secret=SECRET)

    @app.get("/")
    def fill(request: Request) -> Response:
        request.session["x"] = "a" * 5000
        return text("x")

    assert ask(app).status_code == 500
    assert "keep what is large on the server" in errors.text


def test_what_is_streamed_is_closed_when_the_session_cannot_be_kept(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * 1_000_000)
    app, opened = App(secret=SECRET), []

    @app.get("/")
    def fill(request: Request) -> Response:
        request.session["x"] = {1, 2}
        response = file(big).response(request)
        opened.append(response.body)
        return response

    assert ask(app).status_code == 500
    assert opened[0].file.closed  # type: ignore[attr-defined]


def test_a_stream_cannot_change_the_session_any_more() -> None:
    app = App(secret=SECRET)

    @app.get("/")
    def pieces(request: Request) -> Response:
        request.session["x"] = 1

        def later():  # type: ignore[no-untyped-def]
            request.session["x"] = 2
            yield b""

        return stream(later())

    body = ask(app).body
    assert not isinstance(body, bytes)
    with pytest.raises(RuntimeError, match="after the head"):
        list(body.chunks())


def test_lifetimes_are_settings() -> None:
    app = counting(session_idle=10, session_lifetime=15)
    first = ask(app)
    assert "Max-Age=10;" in first.headers["set-cookie"]
    assert ask(app, "/look", cookie=cookie_of(first), now=NOW + 9).json() == {"seen": 1}
    assert ask(app, "/look", cookie=cookie_of(first), now=NOW + 10).json() == {}


# --- folders -------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "a b.css").write_text("p {}")
    (tmp_path / "index.html").write_text("<p>index")
    (tmp_path / ".hidden").write_text("hidden")
    return tmp_path


@pytest.mark.parametrize("prefix", ["/static", "/", "/a/b"])
def test_a_folder_is_served_below_its_prefix(site: Path, prefix: str) -> None:
    app = App()
    app.folder(prefix, site, name="files")
    below = prefix.rstrip("/")
    response = ask(app, f"{below}/css/a%20b.css")
    assert (response.status_code, response.content) == (200, b"p {}")
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert (
        ask(app, f"{below}/css/a%20b.css", if_none_match=response.headers["etag"]).status_code
        == 304
    )
    assert ask(app, f"{below}/").content == b"<p>index"
    assert app.url("files", subpath="css/a b.css") == f"{below}/css/a%20b.css"
    if below:
        assert ask(app, below).headers["location"] == f"{below}/"
    for missing in ("nothing", ".hidden", "css/../index.html", "css%2Fa%20b.css", "%2e%2e/x"):
        assert ask(app, f"{below}/{missing}").status_code == 404, missing
    refused = ask(app, f"{below}/index.html", "POST")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_route_is_more_specific_than_a_folder(site: Path) -> None:
    app = App()
    app.folder("/", site)
    app.get("/index.html")(lambda request: "mine")

    @app.on_error(404)
    def missing(request: Request, error: Exception) -> str:
        return "my own page"

    assert ask(app, "/index.html").text == "mine"
    assert ask(app, "/").text == "<p>index"
    assert ask(app, "/nothing").text == "my own page"


def test_a_folder_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        App().folder("/static", tmp_path / "nothing")
    for prefix in ("static", "/static/", "/{x}", ""):
        with pytest.raises(ValueError, match=r"prefix|route"):
            App().folder(prefix, tmp_path)


# --- mounts and urls -----------------------------------------------------------------------------


def test_a_mounted_application_answers_below_its_prefix(site: Path) -> None:
    admin, shop = App(), App()
    admin.get("/")(lambda request: "admin")
    shop.get("/")(lambda request: "shop")
    shop.mount("/admin", admin)

    @admin.get("/user/{number:int}")
    def user(request: Request, number: int) -> str:
        return f"user {number}"

    admin.folder("/static", site)
    assert ask(shop).text == "shop"
    assert ask(shop, "/admin/").text == "admin"
    assert ask(shop, "/admin").headers["location"] == "/admin/"
    assert ask(shop, "/admin/user/7").text == "user 7"
    assert ask(shop, "/admin/static/css/a%20b.css").content == b"p {}"
    assert ask(shop, "/user/7").status_code == 404
    assert ask(admin, "/user/7").text == "user 7"
    assert shop.url("user", number=7) == admin.url("user", number=7) == "/admin/user/7"


def test_mounts_go_deep_and_routes_may_come_late() -> None:
    top, middle, bottom = App(), App(), App()
    middle.mount("/c d", bottom)
    top.mount("/ab", middle)
    send = top.sender(at_once, lambda: NOW)

    @bottom.get("/{x:int}")
    async def late(request: Request, x: int) -> str:
        return f"late {x}"

    request = Request.received(("GET", "/ab/c%20d/5", Headers(), "1.1"), b"", Received())
    assert run_sync(send(request)).text == "late 5"  # type: ignore[arg-type]
    assert bottom.url("late", x=5) == top.url("late", x=5) == "/ab/c%20d/5"


def test_the_innermost_error_handler_answers() -> None:
    inner, outer = App(), App()
    outer.mount("/in", inner)
    inner.get("/")(lambda request: throw(KeyError()))
    inner.on_error(404)(lambda request, error: "inner 404")
    outer.on_error(404)(lambda request, error: "outer 404")
    outer.on_error(KeyError)(lambda request, error: "outer KeyError")
    assert ask(outer, "/nothing").text == "outer 404"
    assert ask(outer, "/inn/x").text == "outer 404"
    assert ask(outer, "/in/nothing").text == "inner 404"
    assert ask(outer, "/in/").text == "outer KeyError"


def test_the_session_is_the_whole_sites() -> None:
    inner, outer = counting(), App(secret="another secret, longer")
    outer.mount("/in", inner)
    outer.get("/")(lambda request: dict(request.session))
    cookie = cookie_of(ask(outer, "/in/"))
    assert ask(outer, "/", cookie=cookie).json() == {"seen": 1}
    assert ask(inner, "/look", cookie=cookie).json() == {}
    plain = App()
    plain.mount("/in", counting())
    assert ask(plain, "/in/").json() == {"seen": 1}


def test_what_cannot_be_mounted() -> None:
    inner, outer = App(), App()
    outer.mount("/in", inner)
    for prefix, app in (("/x", outer), ("/in/", App()), ("/{x}", App()), ("", App())):
        with pytest.raises(ValueError, match=r"mounted|prefix|route"):
            outer.mount(prefix, app)
    with pytest.raises(ValueError, match="in itself"):
        inner.mount("/out", outer)


def test_an_application_in_two_places_cannot_say_where_it_is() -> None:
    app, one, two = App(), App(), App()
    app.get("/x", name="x")(lambda request: "x")
    one.mount("/1", app)
    two.mount("/2", app)
    assert (one.url("x"), two.url("x")) == ("/1/x", "/2/x")
    with pytest.raises(ValueError, match="two places"):
        app.url("x")


def test_a_url_may_have_a_query() -> None:
    app = App()
    app.get("/search/{kind}", name="search")(lambda request, kind: "")
    assert app.url("search", {"q": "a b&c", "page": 2}, kind="x") == "/search/x?q=a+b%26c&page=2"
    assert app.url("search", {}, kind="x") == "/search/x"
    assert app.url("search", {"q": None}, kind="ü") == "/search/%C3%BC"


def test_one_route_is_registered_once() -> None:
    app = App()
    app.get("/")(lambda request: "x")
    with pytest.raises(ValueError, match="taken"):
        app.get("/")(lambda request: "y")
    assert ask(app).text == "x"


@pytest.mark.parametrize("target", ["/accident", "/nothing", "/%", "/refuse"])
def test_an_answered_error_is_forgotten_at_once(target: str) -> None:
    """Not when the collector of cycles comes by: an error holds its handler's whole frame."""
    app = App()

    @app.get("/accident")
    def accident(request: Request) -> str:
        raise KeyError

    @app.get("/refuse")
    async def refuse(request: Request) -> str:
        raise Refused(404)

    send = app.sender(at_once, lambda: NOW)
    request = Request.received(("GET", target, Headers(), "1.1"), b"", Received())
    run_sync(send(request))  # type: ignore[arg-type]
    gc.collect()
    gc.disable()
    try:
        run_sync(send(request))  # type: ignore[arg-type]
        assert gc.collect() == 0
    finally:
        gc.enable()
