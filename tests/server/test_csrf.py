"""An application takes nothing from pages of other sites: by what browsers say, or by tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from crlf import App, Client, Refused
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.server.apps.csrftokens import csrf_field, csrf_token

pytestmark = pytest.mark.rfc("6454", "7")

SECRET = "a secret of sixteen bytes"
EVIL = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
SHOP = "https://shop.example"
HERE = "http://localhost"


def opened(app: App) -> Client:
    return Client(app=app, base_url=HERE)


def bank(**options: Any) -> App:
    app = App(secret=SECRET, **options)

    @app.route("/pay", ("GET", "POST", "PUT", "PATCH", "DELETE"))
    async def pay(request: Request) -> str:
        return "paid"

    @app.post("/hook", cross_site=True)
    def hook(request: Request) -> str:
        return "called"

    @app.get("/form")
    def form(request: Request) -> str:
        return f"<form method=post>{csrf_field(request)}</form>"

    @app.get("/token")
    async def token(request: Request) -> str:
        return csrf_token(request)

    @app.post("/login")
    def log_in(request: Request) -> str:
        request.session["who"] = request.form["who"]
        request.session.rotate()
        return csrf_token(request)

    return app


# -- by what browsers say


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_sites_page_changes_nothing(method: str) -> None:
    with opened(bank()) as client:
        refused = client.request(method, "/pay", headers=EVIL)
        assert refused.status_code == 403
        assert "another site" in refused.text
        assert client.request(method, "/pay").text == "paid"  # no browser
        own = {"sec-fetch-site": "same-origin", "origin": HERE}
        assert client.request(method, "/pay", headers=own).text == "paid"
        assert client.request(method, "/pay", headers={"origin": HERE}).text == "paid"
        assert client.request(method, "/pay", headers={"origin": "null"}).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_is_for_everybody(method: str) -> None:
    with opened(bank()) as client:
        assert client.request(method, "/pay", headers=EVIL).is_success


def test_a_route_may_be_for_other_sites() -> None:
    with opened(bank()) as client:
        assert client.post("/hook", headers=EVIL).text == "called"


def test_an_application_may_be_for_other_sites() -> None:
    with opened(bank(csrf=False)) as client:
        assert client.post("/pay", headers=EVIL).text == "paid"


def test_a_trusted_origin_may_send() -> None:
    with opened(bank(trusted_origins=(SHOP,))) as client:
        theirs = {"origin": SHOP, "sec-fetch-site": "cross-site"}
        assert client.post("/pay", headers=theirs).text == "paid"
        assert client.post("/pay", headers=EVIL).status_code == 403


def test_where_nothing_is_404_and_405_are_told() -> None:
    with opened(bank()) as client:
        assert client.post("/nowhere", headers=EVIL).status_code == 404
        assert client.post("/form", headers=EVIL).status_code == 405


def test_what_is_refused_is_not_read() -> None:
    app = bank()
    head = ("POST", "/pay", bank_fields(), "1.1")
    asked = Request.received(head, b"", Request("GET", HERE).received_how)
    assert app.intake(asked).way == "none"
    assert app.intake(asked.with_headers(asked.headers.without("origin"))).way == "whole"


def bank_fields() -> Any:
    return Request("POST", HERE, {"host": "localhost", "origin": SHOP}).headers


def test_the_refusal_may_have_a_page_of_its_own() -> None:
    app = bank()

    @app.on_error(403)
    def page(request: Request, error: Refused) -> str:
        return f"<h1>No</h1><p>{error.reason}"

    with opened(app) as client:
        refused = client.post("/pay", headers=EVIL)
        assert (refused.status_code, refused.text[:11]) == (403, "<h1>No</h1>")


@pytest.mark.parametrize(
    ("outer", "inner", "passes"),
    [
        ({}, {}, False),
        ({"csrf": False}, {}, True),
        ({}, {"csrf": False}, True),
        ({"trusted_origins": [EVIL["origin"]]}, {}, True),
        ({"trusted_origins": [SHOP]}, {"trusted_origins": [EVIL["origin"]]}, True),
        ({"trusted_origins": [EVIL["origin"]]}, {"trusted_origins": [SHOP]}, False),
        ({"csrf": False}, {"trusted_origins": [SHOP]}, False),
    ],
)
def test_the_innermost_application_that_was_told_decides(
    outer: dict, inner: dict, passes: bool
) -> None:
    site = App(**outer)
    site.mount("/bank", bank(**inner))
    with opened(site) as client:
        assert client.post("/bank/pay", headers=EVIL).is_success == passes


@pytest.mark.parametrize("wrong", ["yes", "tokens", None])
def test_there_are_three_ways(wrong: Any) -> None:
    with pytest.raises(ValueError, match="token"):
        App(csrf=wrong)


def test_a_trusted_origin_is_one() -> None:
    with pytest.raises(ValueError, match="origin"):
        App(trusted_origins=["shop.example"])


# -- by tokens


def field_of(page: Response) -> str:
    found = re.search(r'<input type="hidden" name="csrf_token" value="([\w-]{48})">', page.text)
    assert found is not None
    return found[1]


@pytest.fixture
def client() -> Iterator[Client]:
    with opened(bank(csrf="token")) as client:
        yield client


def test_a_form_without_a_word_needs_a_token(client: Client) -> None:
    refused = client.post("/pay", data={"to": "me"})
    assert (refused.status_code, "token" in refused.text) == (403, True)
    token = field_of(client.get("/form"))
    assert client.post("/pay", data={"csrf_token": token}).text == "paid"
    assert client.post("/pay", data={"a": "b"}, headers={"x-csrf-token": token}).text == "paid"
    files = {"photo": ("a.png", b"x")}
    assert client.post("/pay", data={"csrf_token": token}, files=files).text == "paid"
    assert client.post("/pay", files=files).status_code == 403
    assert client.post("/pay", content=b"", headers={}).status_code == 403


def test_who_says_whose_page_it_is_needs_none(client: Client) -> None:
    for own in ({"sec-fetch-site": "same-origin"}, {"origin": HERE}):
        assert client.post("/pay", data={"to": "me"}, headers=own).text == "paid"
    assert client.post("/pay", json={}).text == "paid"  # which no form can send
    assert client.post("/pay", data={"to": "me"}, headers=EVIL).status_code == 403


def test_a_token_that_is_wrong_is_refused_whatever_else_is_said(client: Client) -> None:
    token = field_of(client.get("/form"))
    own = {"sec-fetch-site": "same-origin"}
    wrong = ("", "x", token[:-1], token + "A", token.swapcase(), "A" * 48, "ä" * 48, token[::-1])
    for one in wrong:
        refused = client.post("/pay", data={"csrf_token": one}, headers=own)
        assert refused.status_code == 403, one
    both = client.post("/pay", data={"csrf_token": token}, headers={"x-csrf-token": "A" * 48})
    assert both.status_code == 403
    assert client.post("/pay", data={"csrf_token": token}, headers=EVIL).status_code == 403


def test_a_token_is_never_the_same_text_twice(client: Client) -> None:
    tokens = [client.get("/token").text for _ in range(20)]
    assert len(set(tokens)) == 20
    assert len({token[:8] for token in tokens}) == len({token[-8:] for token in tokens}) == 20
    assert all(client.post("/pay", data={"csrf_token": one}).is_success for one in tokens)


def test_a_token_is_of_one_visitor() -> None:
    app = bank(csrf="token")
    with opened(app) as ann, opened(app) as bob:
        token = ann.get("/token").text
        bob.get("/token")
        assert bob.post("/pay", data={"csrf_token": token}).status_code == 403
        assert ann.post("/pay", data={"csrf_token": token}).text == "paid"


def test_nobody_is_logged_in_by_another_site(client: Client) -> None:
    sent = {"who": "mallory"}
    assert client.post("/login", data=sent).status_code == 403  # from a page of an old browser
    assert client.post("/login", data=sent, headers=EVIL).status_code == 403
    page = client.get("/form")  # an anonymous visitor has a session for it
    assert "set-cookie" in page.headers
    sent["csrf_token"] = field_of(page)
    assert client.post("/login", data=sent).is_success


def test_a_login_makes_all_tokens_new(client: Client) -> None:
    before = field_of(client.get("/form"))
    after = client.post("/login", data={"who": "ann", "csrf_token": before}).text
    assert client.post("/pay", data={"csrf_token": before}).status_code == 403
    assert client.post("/pay", data={"csrf_token": after}).text == "paid"


def test_a_streamed_form_has_its_token_in_the_head() -> None:
    app = bank(csrf="token")

    @app.post("/upload", streams=True)
    async def upload(request: Request) -> str:
        return "taken"

    with opened(app) as client:
        token = client.get("/token").text
        sent = {"csrf_token": token}
        assert client.post("/upload", data=sent).status_code == 403
        assert client.post("/upload", data=sent, headers={"x-csrf-token": token}).text == "taken"


def test_tokens_are_of_sessions() -> None:
    app = App(csrf="token", sessions=False)
    app.get("/")(lambda request: csrf_field(request))
    with opened(app) as client:
        assert client.get("/").status_code == 500


def test_without_being_asked_for_tokens_are_not_looked_at() -> None:
    with opened(bank()) as client:
        assert client.post("/pay", data={"csrf_token": "x"}).text == "paid"
