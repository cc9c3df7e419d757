"""HSTS in both clients: what is asked is https from the first byte on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import trustme

from crlf import App, Digest, Hsts, Request, Response, redirect, running, text
from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.rules.tracing import Step
from crlf.server.settings import ServerSettings

pytestmark = pytest.mark.rfc("6797", "8.3")


class Shop:
    """An application that says what it is told to say."""

    def __init__(self) -> None:
        self.said = "max-age=1000"
        self.app = App()
        self.app.get("/")(self.home)
        self.app.get("/old")(self.old)
        self.app.get("/members")(self.members)

    def home(self, request: Request) -> Response:
        return text("home").with_field("strict-transport-security", self.said)

    def old(self, request: Request) -> Response:
        answer = redirect("http://shop.example/", external=True)
        return answer.with_field("strict-transport-security", self.said)

    def members(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return text("welcome")
        challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
        return Response(401, {"www-authenticate": challenge})


def asked(answers: list[Response]) -> list[str]:
    """List the URLs that were asked, each redirect's too."""
    return [str(one.url) for answer in answers for one in (*answer.history, answer)]


def ask(shop: Shop, *urls: str, **options: Any) -> tuple[list[Response], list[Response]]:
    """Ask for the same URLs with both clients; each begins with a store of its own."""
    stores = options.pop("stores", None) or [Hsts(), Hsts()]
    with Client(app=shop.app, hsts=stores[0], **options) as client:
        first = [client.get(url) for url in urls]

    async def waiting() -> list[Response]:
        async with AsyncClient(app=shop.app, hsts=stores[1], **options) as client:
            return [await client.get(url) for url in urls]

    return first, asyncio.run(waiting())


def test_who_said_so_is_asked_over_https_from_then_on() -> None:
    shop = Shop()
    both = ask(shop, "http://shop.example/", "https://shop.example/", "http://shop.example/")
    once = ["http://shop.example/", "https://shop.example/", "https://shop.example/"]
    assert [asked(answers) for answers in both] == [once, once]


def test_without_a_store_nothing_is_changed() -> None:
    shop = Shop()
    with Client(app=shop.app) as client:
        client.get("https://shop.example/")
        assert client.get("http://shop.example/").url.scheme == "http"


def test_max_age_zero_is_heeded() -> None:
    shop = Shop()
    stores = [Hsts(), Hsts()]
    for store in stores:
        store.add("shop.example")
    shop.said = "max-age=0"
    both = ask(shop, "http://shop.example/", "http://shop.example/", stores=stores)
    once = ["https://shop.example/", "http://shop.example/"]
    assert [asked(answers) for answers in both] == [once, once]


@pytest.mark.rfc("6797", "8.1")
def test_nothing_is_learned_where_no_certificate_is_checked() -> None:
    both = ask(Shop(), "https://shop.example/", "http://shop.example/", verify=False)
    once = ["https://shop.example/", "http://shop.example/"]
    assert [asked(answers) for answers in both] == [once, once]


def test_a_redirect_to_http_is_followed_to_https() -> None:
    for answers in ask(Shop(), "https://shop.example/old"):
        assert answers[0].content == b"home"
        assert asked(answers) == ["https://shop.example/old", "https://shop.example/"]


def test_the_same_redirect_without_a_store_is_refused() -> None:
    with Client(app=Shop().app) as client:
        assert (
            "from https to http"
            in client.get("https://shop.example/old").extras["redirect_refused"]
        )


def test_digest_for_a_base_url_goes_along_to_https() -> None:
    shop = Shop()
    stores = [Hsts(), Hsts()]
    for store in stores:
        store.add("shop.example")
    both = ask(
        shop, "members", stores=stores, base_url="http://shop.example/", auth=Digest("a", "b")
    )
    for answers in both:
        assert answers[0].content == b"welcome"
        assert asked(answers) == ["https://shop.example/members"]


def test_secure_cookies_go_to_the_upgraded_url() -> None:
    sent: list[str] = []
    app = App()

    @app.get("/")
    def home(request: Request) -> Response:
        sent.append(request.headers.get("cookie", ""))
        answer = text("home").with_field("strict-transport-security", "max-age=9")
        return answer.with_field("set-cookie", "__Host-sid=1; Secure; Path=/")

    with Client(app=app, hsts=Hsts()) as client:
        client.get("https://shop.example/")
        client.get("http://shop.example/")
    assert sent == ["", "__Host-sid=1"]


def test_streams_and_traces_see_the_upgraded_url() -> None:
    shop, steps, store = Shop(), [], Hsts()
    store.add("shop.example")

    def trace(step: Step) -> None:
        steps.append(step)

    with (
        Client(app=shop.app, hsts=store, trace=trace) as client,
        client.stream("GET", "http://shop.example/old") as response,
    ):
        assert response.read() == b"home"
        assert str(response.url) == "https://shop.example/"
    assert [step.name for step in steps].count("redirect") == 1


def test_over_sockets_and_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair = authority.issue_cert("shop.example").private_key_and_cert_chain_pem
    pair.write_to_path(tmp_path / "shop.pem")
    settings = ServerSettings(certificates=(str(tmp_path / "shop.pem"),))
    with (
        running(Shop().app, settings=settings) as server,
        Client(
            hsts=Hsts(), verify=str(tmp_path / "ca.pem"), resolve={"shop.example": "127.0.0.1"}
        ) as client,
    ):
        client.get(f"https://shop.example:{server.port}/")
        answer = client.get(f"http://shop.example:{server.port}/")
        assert answer.url.scheme == "https"
        assert answer.tls is not None


def test_what_is_no_store_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(TypeError, match="hsts= is an Hsts, not bool"):
        Client(hsts=True)  # type: ignore[arg-type]  # that is the point


def test_a_store_is_shared() -> None:
    shop, store = Shop(), Hsts()
    with Client(app=shop.app, hsts=store) as client:
        client.get("https://shop.example/")
    with Client(app=shop.app, hsts=store) as client:
        assert client.get("http://shop.example/").url.scheme == "https"
