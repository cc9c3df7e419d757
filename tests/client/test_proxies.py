"""What a client makes of proxy=, trust_env= and the environment: explicit comes first, always.

Everything goes out on a scripted network, in both colours; what is looked at is who was
connected to, and what was written there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.client.options import TrustEnv
from crlf.message.errors import BadUrl, LocalError, ProxyFailed
from crlf.message.response import Response
from crlf.net.scripted import END, ScriptedNetwork, ScriptedStream
from crlf.rules.proxies import Proxy

SECRET = "s3cret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD")

Ask = Callable[..., Response]


def ask_blocking(url: str, network: ScriptedNetwork, **options: Any) -> Response:
    asked = {"headers": options.pop("headers")} if "headers" in options else {}
    with Client(network=network, **options) as client:
        assert SECRET not in repr(client)
        return client.get(url, **asked)


def ask_aio(url: str, network: ScriptedNetwork, **options: Any) -> Response:
    asked = {"headers": options.pop("headers")} if "headers" in options else {}

    async def main() -> Response:
        async with AsyncClient(network=network, **options) as client:
            return await client.get(url, **asked)

    return asyncio.run(main())


@pytest.fixture(params=[ask_blocking, ask_aio], ids=["blocking", "aio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Give each colour in turn."""
    asking: Ask = request.param
    return asking


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def way(ask: Ask, url: str, **options: Any) -> tuple[str, str]:
    """Ask a URL; return who was connected to, and the first line that was said there."""
    stream = ScriptedStream([OPEN if url.startswith("https") else OK, OK])
    network = ScriptedNetwork([stream])
    ask(url, network, **options)
    ((host, port),) = network.asked
    return f"{host}:{port}", stream.written.partition(b"\r\n")[0].decode()


STRAIGHT = ("a.example:80", "GET / HTTP/1.1")
FORWARDED = "GET http://a.example/ HTTP/1.1"
URL = "http://a.example/"


def test_a_proxy_that_is_given_is_gone_through(ask: Ask) -> None:
    for given in ("p:81", "http://p:81", Proxy("http", "p", 81), {"http": "p:81", "https": "q"}):
        assert way(ask, URL, proxy=given) == ("p:81", FORWARDED)
    assert way(ask, "https://a.example/", proxy="p")[1] == "CONNECT a.example:443 HTTP/1.1"
    assert way(ask, "http://localhost/", proxy="p")[0] == "p:80"
    assert way(ask, URL, proxy={"https": "p"}) == STRAIGHT
    assert way(ask, URL, proxy={"all": "p", "http://a.example": None}) == STRAIGHT


def test_the_environment_counts_where_nothing_is_given(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert way(ask, URL) == STRAIGHT
    monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@env:3128")
    monkeypatch.setenv("NO_PROXY", "b.example")
    assert way(ask, URL) == ("env:3128", FORWARDED)
    assert way(ask, "http://x.b.example/")[0] == "x.b.example:80"
    assert way(ask, "http://127.0.0.1:8000/")[0] == "127.0.0.1:8000"


def test_explicit_beats_environment_always(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://env")
    monkeypatch.setenv("NO_PROXY", "*")
    assert way(ask, URL, proxy="p") == ("p:80", FORWARDED)
    monkeypatch.delenv("NO_PROXY")
    assert way(ask, URL) == ("env:80", FORWARDED)
    assert way(ask, URL, proxy="p") == ("p:80", FORWARDED)
    assert way(ask, URL, proxy=None) == STRAIGHT
    assert way(ask, URL, proxy={"https": "p"}) == STRAIGHT
    assert way(ask, URL, trust_env=False) == STRAIGHT
    assert way(ask, URL, trust_env=TrustEnv(proxy=False)) == STRAIGHT
    assert way(ask, URL, trust_env=True) == ("env:80", FORWARDED)
    assert way(ask, URL, proxy="p", trust_env=False) == ("p:80", FORWARDED)


@pytest.mark.rfc("3875", "4.1.18")
def test_a_cgi_script_is_not_led_to_its_clients_proxy(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "evil")
    assert way(ask, URL) == ("evil:80", FORWARDED)
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert way(ask, URL) == STRAIGHT


def test_a_client_knows_the_environment_that_it_was_made_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "env")
    first, second = ScriptedStream([OK]), ScriptedStream([OK, END])
    network = ScriptedNetwork([first, second])
    with Client(network=network) as client:
        monkeypatch.setenv("http_proxy", "other")
        monkeypatch.setenv("no_proxy", "*")
        client.get(URL)
    assert network.asked == [("env", 80)]


@pytest.mark.parametrize(
    "given", ["ftp://p", "http://p/path", {"ftp": "p"}, f"http://a%3A:{SECRET}@p"]
)
def test_what_is_no_proxy_is_refused_when_the_client_is_made(given: Any) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError) as caught:
            kind(proxy=given)
        assert SECRET not in str(caught.value)


def test_a_variable_that_is_no_proxy_is_an_error_of_the_request(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"foo://me:{SECRET}@p")
    assert way(ask, URL) == STRAIGHT
    with pytest.raises(BadUrl, match="https_proxy") as caught:
        way(ask, "https://a.example/")
    assert SECRET not in str(caught.value)
    assert caught.value.request is not None


@pytest.mark.rfc("9110", "11.7.2")
def test_proxy_authorization_of_the_users_own(ask: Ask) -> None:
    mine = {"Proxy-Authorization": "Basic bWluZQ=="}
    assert way(ask, URL, proxy="p", headers=mine) == ("p:80", FORWARDED)
    for url, proxy in ((URL, None), ("https://a.example/", "p")):
        with pytest.raises(LocalError, match="would reach the origin"):
            way(ask, url, proxy=proxy, headers=mine)


def test_a_response_tells_of_its_origin_and_not_of_the_proxy(ask: Ask) -> None:
    network = ScriptedNetwork([ScriptedStream([OK])])
    reply = ask(f"{URL}x?y", network, proxy=f"http://me:{SECRET}@p")
    assert str(reply.url) == "http://a.example/x?y"
    assert reply.request is not None
    assert reply.request.target == "/x?y"
    assert "proxy-authorization" not in reply.request.headers


def test_a_refused_tunnel_is_told_with_all_that_is_known(ask: Ask) -> None:
    refusal = b"HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\n<b>no</b>"
    network = ScriptedNetwork([ScriptedStream([refusal])])
    with pytest.raises(ProxyFailed) as caught:
        ask("https://a.example/", network, proxy=f"http://me:{SECRET}@p")
    error = caught.value
    assert (error.status_code, error.phase) == (407, "proxy")
    assert error.request is not None
    assert "http://p:80" in str(error)
    assert SECRET not in f"{error} {error!r}"
    assert "<b>" not in str(error)


def test_both_colours_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (URL, "https://a.example/x"):
        said = []
        for asking in (ask_blocking, ask_aio):
            stream = ScriptedStream([OPEN, OK] if url.startswith("https") else [OK])
            asking(url, ScriptedNetwork([stream]), proxy=f"http://me:{SECRET}@p")
            said.append(bytes(stream.written))
        assert said[0] == said[1]
        assert said[0].count(b"Proxy-Authorization: Basic bWU6czNjcmV0\r\n") == 1


def test_no_proxy_at_all_costs_a_client_nothing_to_speak_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@p")
    monkeypatch.setenv("no_proxy", "a.example," * 200)
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        client = Client()
        best = min(best, time.perf_counter() - began)
        client.close()
    assert best < 200e-6
