"""Fetching what strangers name: `policy=` in both colours, over sockets and a server of ours.

The server is on loopback, which the policy here allows and no other address; whatever leads
elsewhere inside must end in BlockedAddress before a byte is sent there.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from crlf import (
    App,
    AsyncClient,
    BlockedAddress,
    Client,
    DecodingError,
    Policy,
    Request,
    Response,
    TooLarge,
    TooManyRedirects,
    public_only,
    running,
)
from crlf.net.scripted import ScriptedNetwork, ScriptedStream
from crlf.values import replace

COLOURS = ["blocking", "asyncio"]
AT_HOME = Policy(ports=None, allow=("127.0.0.1",))


@pytest.fixture(params=COLOURS)
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Ask for a URL as a client of either colour: ask(url, **what the client is made with)."""

    def blocking(url: str, **options: Any) -> Response:
        with Client(**{"policy": AT_HOME, **options}) as client:
            return client.get(url)

    def on_a_loop(url: str, **options: Any) -> Response:
        async def main() -> Response:
            async with AsyncClient(**{"policy": AT_HOME, **options}) as client:
                return await client.get(url)

        return asyncio.run(main())

    return blocking if request.param == "blocking" else on_a_loop


@pytest.fixture
def server() -> Iterator[Any]:
    app = App()

    @app.get("/")
    async def home(request: Request) -> Response:
        return Response(200, content=b"home")

    @app.get("/to")
    async def away(request: Request) -> Response:
        return Response(302, {"location": request.query["url"]})

    @app.get("/round")
    async def around(request: Request) -> Response:
        return Response(302, {"location": f"/round?n={len(request.query.get('n', ''))}x"})

    @app.get("/large")
    async def large(request: Request) -> Response:
        return Response(200, content=b"x" * 3000)

    @app.get("/bomb")
    async def bomb(request: Request) -> Response:
        content = gzip.compress(b"\0" * 8_000_000)
        return Response(200, {"content-encoding": "gzip"}, content=content)

    with running(app) as made:
        yield made


def test_what_is_allowed_is_fetched(ask, server) -> None:
    assert ask(server.url).content == b"home"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/",
        "http://[::ffff:7f00:2]/", "http://127.0.0.2/", "http://localhost./", "http://[::1]/",
        "http://0.0.0.0/", "https://127.0.0.3/", "http://inner.example/", "//10.0.0.1/",
    ],
)  # fmt: skip
def test_a_redirect_inside_is_blocked_and_says_for_what(ask, server, url) -> None:
    with pytest.raises(BlockedAddress) as blocked:
        ask(f"{server.url}to?url={url}", resolve={"inner.example": ["8.8.8.8", "192.168.1.1"]})
    asked = blocked.value.request
    assert isinstance(asked, Request)
    assert str(asked.url).removeprefix("http:") == url.removeprefix("http:") or url in str(
        asked.url
    )
    assert blocked.value.phase in ("url", "dns")
    assert "192.168.1.1" not in str(blocked.value)


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://0x7f.1/",
            "http://2130706433/", "http://127.1/", "http://0177.0.0.1/"]
)  # fmt: skip
def test_a_redirect_that_is_no_url_to_ask_is_not_followed(ask, server, url) -> None:
    """A response that was received is not thrown away because of where it points."""
    assert ask(f"{server.url}to?url={url}").status_code == 302


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]/", "http://a.example:22/"])
def test_by_default_nothing_inside_is_fetched(ask, url) -> None:
    with pytest.raises(BlockedAddress):
        ask(url, policy=public_only)


def test_nobody_is_connected_to_before_every_address_is_checked(ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        port = listener.getsockname()[1]
        with pytest.raises(BlockedAddress):
            ask(
                f"http://a.example:{port}/",
                policy=AT_HOME,
                resolve={"a.example": ["127.0.0.1", "10.0.0.1"]},
            )
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_refusal_is_not_tried_again(ask) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> str:
        asked.append(host)
        return "10.0.0.1"

    with pytest.raises(BlockedAddress):
        ask("http://a.example/", policy=public_only, resolve=resolver)
    assert asked == ["a.example"]


# --- caps ----------------------------------------------------------------------------------------


def test_redirects_are_few(ask, server) -> None:
    with pytest.raises(TooManyRedirects):
        ask(f"{server.url}round", policy=replace(AT_HOME, redirects=2))


def test_content_is_small(ask, server) -> None:
    small = replace(AT_HOME, limits=replace(AT_HOME.limits, body=2000))
    with pytest.raises(TooLarge):
        ask(f"{server.url}large", policy=small)


def test_content_that_swells_is_given_up(ask, server) -> None:
    with pytest.raises((TooLarge, DecodingError)):
        ask(f"{server.url}bomb")


def test_time_is_short() -> None:
    """The clock is a fake one: the whole exchange has the policy's seconds and no more."""
    network = ScriptedNetwork([ScriptedStream()])
    network.addresses["a.example"] = ("8.8.8.8",)
    with closing(Client(policy=public_only, network=network, retry=None)) as client:
        began = network.now()
        with pytest.raises(TimeoutError):
            client.get("http://a.example/")
        assert network.now() - began <= 30.0


def test_what_leads_around_a_policy_is_refused_when_the_client_is_made() -> None:
    for around in ({"proxy": "http://127.0.0.1:3128"}, {"unix_socket": "/run/docker.sock"}):
        with pytest.raises(ValueError, match="exclude each other"):
            Client(policy=public_only, **around)  # type: ignore[arg-type]


def test_the_environments_proxy_is_left_alone(ask, server, monkeypatch) -> None:
    """It would look names up by itself, where no policy can see."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:9/")
    assert ask(server.url, resolve={"a.example": "127.0.0.1"}).content == b"home"
    with pytest.raises(BlockedAddress):
        ask("http://a.example/", resolve={"a.example": "10.0.0.1"})
