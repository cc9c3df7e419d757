"""What an application answers is chosen by what the client takes, and Vary says so by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from crlf import App, AsyncClient, Client, Refused, html, json
from crlf.message.request import Request
from crlf.message.response import Response

pytestmark = pytest.mark.rfc("9110", "12.5")

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
WORDS = {"en": "Welcome", "de": "Willkommen", "de-CH": "Grüezi"}


def shop() -> App:
    app = App(secret="a secret of sixteen bytes")

    @app.get("/part")
    async def part(request: Request) -> Response:
        if request.accepts("text/html", "application/json") == "application/json":
            return json({"name": "bolt"})
        return html("<p>bolt</p>")

    @app.get("/strict")
    def strict(request: Request) -> object:
        if request.accepts("application/json") is None:
            raise Refused(406, "There is JSON here and nothing else.")
        return {}

    @app.get("/hello")
    def hello(request: Request) -> str:
        return WORDS[request.accepts_language("en", "de", "de-CH") or "en"]

    @app.get("/plain")
    async def plain(request: Request) -> str:
        return "the same for everybody"

    @app.get("/all")
    def everything(request: Request) -> Response:
        request.accepts("text/html")
        request.accepts("text/html", "text/plain")
        request.accepts_language("en")
        request.session["seen"] = True
        return html("", headers={"vary": "accept"})

    @app.get("/star")
    def star(request: Request) -> Response:
        request.accepts("text/html")
        return html("", headers={"vary": "*"})

    @app.get("/fails")
    def fails(request: Request) -> Response:
        request.accepts_language("en")
        raise ZeroDivisionError

    return app


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(app=shop(), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/html"), (BROWSER, "text/html"), ("application/json", "application/json"),
        ("application/json;q=0.5, text/html;q=0.4", "application/json"),
        ("application/*", "application/json"), ("*/*", "text/html"), ("image/png", "text/html"),
        ("text/html;q=0, */*", "application/json"),
    ],
)  # fmt: skip
def test_the_best_liked_type_is_sent(client: Client, accept: str, kind: str) -> None:
    response = client.get("/part", headers={"accept": accept})
    assert response.headers["content-type"].partition(";")[0] == kind
    assert response.headers["vary"] == "Accept"


def test_what_cannot_be_had_may_be_refused(client: Client) -> None:
    assert client.get("/strict", headers={"accept": "application/json"}).status_code == 200
    refused = client.get("/strict", headers={"accept": "text/html"})
    assert (refused.status_code, refused.headers["vary"]) == (406, "Accept")


@pytest.mark.rfc("4647", "3.4")
@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (None, "Welcome"), ("de", "Willkommen"), ("de-CH", "Grüezi"), ("de-AT", "Willkommen"),
        ("de-CH-1996", "Grüezi"), ("fr", "Welcome"), ("fr, de;q=0.5", "Willkommen"),
        ("de;q=0.2, en;q=0.3", "Welcome"), ("*", "Welcome"), ("en;q=0, *", "Willkommen"),
        ("DE", "Willkommen"), ("!", "Welcome"),
    ],
)  # fmt: skip
def test_the_best_read_language_is_sent(client: Client, asked: str | None, word: str) -> None:
    response = client.get("/hello", headers={"accept-language": asked} if asked else {})
    assert response.text == word
    assert response.headers["vary"] == "Accept-Language"


def test_what_is_the_same_for_everybody_does_not_vary(client: Client) -> None:
    assert "vary" not in client.get("/plain").headers


def test_vary_names_everything_once(client: Client) -> None:
    names = client.get("/all").headers["vary"].lower().split(", ")
    assert sorted(names) == ["accept", "accept-language", "cookie"]


def test_a_star_says_all_there_is_to_say(client: Client) -> None:
    assert client.get("/star").headers["vary"] == "*"


def test_an_accident_after_a_choice_varies_too(client: Client) -> None:
    failed = client.get("/fails")
    assert (failed.status_code, failed.headers["vary"]) == (500, "Accept, Accept-Language")


def test_the_asynchronous_face_says_the_same() -> None:
    async def ask() -> Response:
        async with AsyncClient(app=shop(), base_url="http://localhost") as client:
            return await client.get("/hello", headers={"accept-language": "de"})

    response = asyncio.run(ask())
    assert (response.text, response.headers["vary"]) == ("Willkommen", "Accept-Language")


@pytest.mark.parametrize("types", [(), ("json",), ("text/html", "")])
def test_a_type_is_written_in_full(types: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="text/html"):
        Request("GET", "http://a.example/").accepts(*types)


@pytest.mark.parametrize("tags", [(), ("en", "")])
def test_a_language_has_a_tag(tags: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="de-CH"):
        Request("GET", "http://a.example/").accepts_language(*tags)
