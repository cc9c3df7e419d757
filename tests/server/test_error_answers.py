"""What visitors and programs are told of an error, and whose handler says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crlf import App, Client, Refused, html
from crlf.message.errors import (
    BadParameter,
    CrlfError,
    Malformed,
    StoreUnavailable,
    TooLarge,
)
from crlf.message.request import Request
from crlf.message.response import Response

pytestmark = pytest.mark.rfc("9457", "3")

JSON = {"accept": "application/json"}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class SoldOut(Refused):
    def __init__(self) -> None:
        super().__init__(
            409, "Sold out.", problem={"left": 0, "type": "https://a.example/sold-out"}
        )


def shop() -> App:
    app = App(secret="a secret of sixteen bytes")

    @app.get("/part")
    def part(request: Request) -> dict[str, int]:
        return {"number": request.query.int("number")}

    @app.get("/sold")
    async def sold(request: Request) -> str:
        raise SoldOut

    @app.post("/json")
    async def take(request: Request) -> str:
        request.json()
        return "taken"

    @app.get("/store")
    async def store(request: Request) -> str:
        raise StoreUnavailable("down")

    @app.get("/raise/{status:int}")
    async def refuse(request: Request, status: int) -> str:
        raise Refused(status, "As was asked for.", {"retry-after": "7"})

    @app.get("/odd")
    async def odd(request: Request) -> str:
        raise Refused(409, "", problem={"at": float("nan")})

    return app


def asked(app: App, path: str, method: str = "GET", **options: Any) -> Response:
    with Client(app=app, base_url="http://localhost") as client:
        return client.request(method, path, **options)


# -- problems


def test_a_wrong_parameter_is_told_to_programs_by_name() -> None:
    problem = asked(shop(), "/part?number=many", headers=JSON)
    assert problem.headers["content-type"] == "application/problem+json"
    said = problem.json()
    assert (said["status"], said["title"], said["type"]) == (400, "Bad Request", "about:blank")
    assert (said["parameter"], said["expected"]) == ("number", "a whole number")
    assert "number" in said["detail"]
    page = asked(shop(), "/part?number=many", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_a_refusal_may_say_more() -> None:
    said = asked(shop(), "/sold", headers=JSON).json()
    assert said == {
        "type": "https://a.example/sold-out",
        "title": "Conflict",
        "status": 409,
        "detail": "Sold out.",
        "left": 0,
    }
    assert "left" not in asked(shop(), "/sold").text


def test_the_rule_is_told() -> None:
    said = asked(shop(), "/json", "POST", content=b"{", headers=JSON).json()
    assert (said["status"], said["rule"]) == (400, "RFC 8259 2")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing", "GET", 404), ("/part", "POST", 405), ("/store", "GET", 503), ("/x", "BREW", 501)],
)
def test_what_no_handler_said_is_a_problem_too(path: str, method: str, status: int) -> None:
    problem = asked(shop(), path, method, headers=JSON)
    assert (problem.status_code, problem.json()["status"]) == (status, status)
    assert problem.headers["vary"] == "Accept"


def test_a_problem_that_json_cannot_say_is_our_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert asked(shop(), "/odd", headers=JSON).status_code == 500
    assert "not JSON compliant" in caplog.text


@pytest.mark.parametrize("name", ["status", "detail"])
def test_a_refusal_says_its_status_and_reason_once(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Refused(409, "Sold.", problem={name: "x"})


# -- whose handler answers


@pytest.fixture(params=["async", "def"])
def colour(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Make an error handler that says a word and what it was given, in each colour."""

    def saying(word: str) -> Any:
        async def waiting(request: Request, error: Exception) -> str:
            return f"{word} {type(error).__name__}"

        def plain(request: Request, error: Exception) -> str:
            return f"{word} {type(error).__name__}"

        return waiting if request.param == "async" else plain

    return saying


def test_a_class_then_a_status_then_what_has_many(colour: Callable[[str], Any]) -> None:
    app = shop()
    app.on_error(Refused)(colour("any"))
    assert asked(app, "/nothing").text == "any Refused"
    assert asked(app, "/sold").text == "any SoldOut"
    app.on_error(409)(colour("409"))
    assert asked(app, "/sold").text == "409 SoldOut"
    assert asked(app, "/nothing").text == "any Refused"
    app.on_error(SoldOut)(colour("sold"))
    assert asked(app, "/sold").text == "sold SoldOut"
    assert asked(app, "/raise/409").text == "409 Refused"


def test_errors_of_crlf_go_by_the_same_order(colour: Callable[[str], Any]) -> None:
    app = shop()
    app.on_error(CrlfError)(colour("crlf"))
    assert asked(app, "/part?number=x").text == "crlf BadParameter"
    app.on_error(400)(colour("400"))
    assert asked(app, "/part?number=x").text == "400 BadParameter"
    app.on_error(Malformed)(colour("malformed"))
    assert asked(app, "/part?number=x").text == "malformed BadParameter"
    app.on_error(BadParameter)(colour("parameter"))
    assert asked(app, "/part?number=x").text == "parameter BadParameter"


def test_a_mounted_application_answers_for_its_own_unknown_paths(
    colour: Callable[[str], Any],
) -> None:
    site, admin = shop(), shop()
    site.on_error(404)(colour("site"))
    site.on_error(405)(colour("site"))
    site.mount("/admin", admin)
    assert asked(site, "/admin/nothing").text == "site Refused"
    admin.on_error(404)(colour("admin"))
    admin.on_error(405)(colour("admin"))
    assert asked(site, "/admin/nothing").text == "admin Refused"
    assert asked(site, "/admin/part", "POST").text == "admin Refused"
    assert asked(site, "/nothing").text == "site Refused"
    assert asked(site, "/administration").text == "site Refused"


@pytest.mark.rfc("9110", "15.5.6")
def test_fields_that_belong_to_a_status_are_kept(colour: Callable[[str], Any]) -> None:
    app = shop()
    app.on_error(Refused)(colour("any"))
    assert asked(app, "/part", "POST").headers["allow"] == "GET, HEAD, OPTIONS"
    assert asked(app, "/raise/429").headers["retry-after"] == "7"


def test_an_answer_may_say_its_own_fields_and_status() -> None:
    app = shop()

    @app.on_error(405)
    async def other(request: Request, error: Refused) -> Response:
        return html("no", 405, {"allow": "GET"})

    @app.on_error(429)
    async def fine(request: Request, error: Refused) -> Response:
        return html("all is well", 200)

    assert asked(app, "/part", "POST").headers.get_all("allow") == ["GET"]
    well = asked(app, "/raise/429")
    assert (well.status_code, "retry-after" in well.headers) == (200, False)


def test_an_error_handler_may_choose_and_remember() -> None:
    app = shop()

    @app.on_error(404)
    def missing(request: Request, error: Refused) -> object:
        request.session["missed"] = request.session.get("missed", 0) + 1
        if request.accepts("text/html", "application/json") == "application/json":
            return {"missed": request.session["missed"]}
        return "a page"

    with Client(app=app, base_url="http://localhost") as client:
        client.get("/a")
        second = client.get("/b", headers=JSON)
        assert (second.status_code, second.json()) == (404, {"missed": 2})
        assert {"accept", "cookie"} <= set(second.headers["vary"].lower().split(", "))


# --- content that is too long -------------------------------------------------------------------


def uploading(**options: Any) -> App:
    app = App(secret="a secret of sixteen bytes", csrf="token")

    @app.post("/photo", **options)
    def photo(request: Request) -> str:
        return "kept"

    return app


@pytest.mark.rfc("9110", "15.5.14")
@pytest.mark.parametrize("options", [{"body": 1000}, {}, {"body": 1000, "streams": True}])
def test_a_program_says_itself_that_an_upload_is_too_large(options: dict[str, Any]) -> None:
    """Its page is in its own words, though nothing of the upload is read."""
    app = uploading(**options)

    @app.on_error(413)
    def too_large(request: Request, error: TooLarge) -> str:
        request.session["told"] = True
        return f"<h1>At most {error.limit} bytes</h1>"

    content = b"x" * (17 << 20)
    with Client(app=app, base_url="http://localhost") as client:
        answer = client.post("/photo", content=content, headers=BROWSER)
        assert answer.status_code == 413
        assert answer.text == f"<h1>At most {options.get('body', 16 << 20)} bytes</h1>"
        assert client.cookies.get("session") is not None


@pytest.mark.rfc("9110", "15.5.14")
def test_the_innermost_application_says_it_and_else_the_server() -> None:
    outer, inner, plain = App(), uploading(body=1000), uploading(body=1000)

    @inner.on_error(TooLarge)
    async def too_large(request: Request, error: TooLarge) -> tuple[str, int]:
        return "inside", 413

    outer.mount("/in", inner)
    outer.mount("/plain", plain)
    assert asked(outer, "/in/photo", "POST", content=bytes(1001)).text == "inside"
    told = asked(outer, "/plain/photo", "POST", content=bytes(1001))
    assert (told.status_code, "body over its limit of 1,000" in told.text) == (413, True)


def test_a_stranger_s_upload_is_refused_as_his_whatever_its_length() -> None:
    app = uploading(body=1000)

    @app.on_error(413)
    def too_large(request: Request, error: TooLarge) -> str:
        return "too large"

    foreign = {"origin": "http://evil.example"}
    assert asked(app, "/photo", "POST", content=bytes(1001), headers=foreign).status_code == 403
