"""Authentication against servers that nobody here wrote, and its order of precedence, in both
colours: nginx for Basic, httpbin for Basic, Bearer and Digest, a server of our own for the rest.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.peers import free_port, process

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.credentials import Basic, Bearer, basic
from crlf.rules.digest import Digest
from crlf.server import App, running, text

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

HTTPBIN = """
import sys
from httpbin import app
from werkzeug.serving import WSGIRequestHandler, run_simple

class Persistent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Persistent)
"""
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{port};
    auth_basic "a \\"quoted\\" place"; auth_basic_user_file {folder}/passwords;
    location = /page {{ try_files /none @page; }}  # "return" alone would come before auth_basic
    location = /away {{ try_files /none @away; }}
    location @page {{ return 200 "for $remote_user"; }}
    location @away {{ return 302 {away}; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    pytest.importorskip("httpbin")
    port = free_port()
    with process(port, sys.executable, "-c", HTTPBIN, str(port)):
        yield f"http://127.0.0.1:{port}"


Fetch = Callable[..., list[Response]]
Asked = tuple[str, dict[str, Any]]  # a URL, and the options of its request


def fetched(*asked: Asked, **options: Any) -> list[Response]:
    """Send requests with one client, one after the other."""
    with Client(**options) as client:
        return [client.request(more.pop("method", "GET"), url, **more) for url, more in asked]


def fetched_async(*asked: Asked, **options: Any) -> list[Response]:
    """Do the same with the asynchronous client."""

    async def flow() -> list[Response]:
        async with AsyncClient(**options) as client:
            return [
                await client.request(more.pop("method", "GET"), url, **more) for url, more in asked
            ]

    return asyncio.run(flow())


@pytest.fixture(params=[fetched, fetched_async], ids=["blocking", "asyncio"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    colour: Fetch = request.param
    return colour


# --- httpbin -------------------------------------------------------------------------------------


@pytest.mark.rfc("7617", "2")
def test_basic(httpbin: str, fetch: Fetch) -> None:
    url = f"{httpbin}/basic-auth/anna/a%3Ab"
    right, object_, wrong, none, in_url = fetch(
        (url, {"auth": ("anna", "a:b")}),
        (url, {"auth": Basic("anna", "a:b")}),
        (url, {"auth": ("anna", "b")}),
        (url, {}),
        (url.replace("//", "//anna:a%3Ab@"), {}),
    )
    assert (
        right.json() == object_.json() == in_url.json() == {"authenticated": True, "user": "anna"}
    )
    assert wrong.status_code == none.status_code == 401


@pytest.mark.rfc("6750", "2.1")
def test_bearer(httpbin: str, fetch: Fetch) -> None:
    url = f"{httpbin}/bearer"
    right, none = fetch((url, {"auth": Bearer("abc.def")}), (url, {}))
    assert right.json() == {"authenticated": True, "token": "abc.def"}
    assert none.status_code == 401


@pytest.mark.rfc("7616", "3.4")
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_digest(httpbin: str, fetch: Fetch, qop: str, algorithm: str) -> None:
    url = f"{httpbin}/digest-auth/{qop}/anna/geheim/{algorithm}"
    right = Digest("anna", "geheim")
    *good, wrong = fetch(
        (url, {"auth": right}),
        (url, {"auth": right}),
        (url, {"auth": right}),
        (url, {"auth": Digest("anna", "wrong")}),
    )
    assert [each.json()["user"] for each in good] == ["anna"] * 3
    assert wrong.status_code == 401
    assert "does not accept" in str(wrong.extras["auth_refused"])


@pytest.mark.rfc("7616", "3.3")
def test_a_digest_of_the_client_outlives_its_nonces(httpbin: str, fetch: Fetch) -> None:
    url = f"{httpbin}/digest-auth/auth/anna/geheim/MD5/2"
    found = fetch(*[(url, {}) for _ in range(5)], auth=Digest("anna", "geheim"))
    assert [each.status_code for each in found] == [200] * 5


def test_an_algorithm_that_nobody_knows_is_named(httpbin: str, fetch: Fetch) -> None:
    url = f"{httpbin}/digest-auth/auth/anna/geheim/SHA-512"
    (response,) = fetch((url, {"auth": Digest("anna", "geheim")}))
    assert response.status_code == 401
    assert "SHA-512" in str(response.extras["auth_refused"])


def test_a_stream_is_read_with_digest_too(httpbin: str) -> None:
    url = f"{httpbin}/digest-auth/auth/anna/geheim"
    with Client(auth=Digest("anna", "geheim")) as client:
        for _ in range(2):
            with client.stream("GET", url) as reply:
                assert b"".join(reply.iter_bytes()).find(b'"anna"') > 0


# --- nginx ---------------------------------------------------------------------------------------


@pytest.mark.needs("nginx")
@pytest.mark.rfc("9110", "15.4")
def test_nginx_and_a_redirect_away_from_it(
    fetch: Fetch, seen: tuple[str, list[Request]], tmp_path: Path, program: Callable[[str], str]
) -> None:
    away, requests = seen
    (tmp_path / "passwords").write_text("anna:{PLAIN}ge heim\n", encoding="utf-8")
    port, config = free_port(), tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, port=port, away=f"{away}/away"))
    url = f"http://127.0.0.1:{port}"
    with process(port, program("nginx"), "-p", str(tmp_path), "-c", str(config)):
        for auth in (("anna", "ge heim"), Basic("anna", "ge heim")):
            page, gone, wrong = fetch(
                (f"{url}/page", {"auth": auth}),
                (f"{url}/away", {"auth": auth}),
                (f"{url}/page", {"auth": ("anna", "geheim")}),
            )
            assert page.text == "for anna"
            assert gone.text == "none"
            assert wrong.status_code == 401
    assert [each.headers.first("authorization") for each in requests] == [None, None]


# --- what counts more ----------------------------------------------------------------------------


@pytest.fixture
def seen() -> Iterator[tuple[str, list[Request]]]:
    """Run a server that says what it was told."""
    app, requests = App(), []

    @app.get("/{name}")
    def told(request: Request, name: str) -> Response:
        requests.append(request)
        return text(request.headers.get("authorization", "none"))

    with running(app) as server:
        yield server.url.rstrip("/"), requests


def own_flow(request: Request) -> Generator[Request, Response, Response]:
    return (yield request.with_field("authorization", "flow"))


def test_explicit_counts_more_than_client_and_client_more_than_environment(
    fetch: Fetch,
    seen: tuple[str, list[Request]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"{seen[0]}/page"
    with_user = url.replace("//", "//url:u@")
    netrc = tmp_path / "netrc"
    netrc.write_text("default login netrc password n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    header = {"headers": {"Authorization": "own"}}
    for client_auth in (("client", "c"), own_flow):
        told = fetch(
            (with_user, {**header, "auth": ("request", "r")}),
            (with_user, {**header, "auth": own_flow}),
            (with_user, {"auth": ("request", "r")}),
            (with_user, {"auth": own_flow}),
            (with_user, {}),
            (url, {}),
            (url, {"auth": None}),
            auth=client_auth,
            trust_env=True,
        )
        standing = "flow" if client_auth is own_flow else basic("client", "c")
        assert [each.text for each in told] == [
            "own", "own", basic("request", "r"), "flow", basic("url", "u"), standing, "none",
        ]  # fmt: skip
    first, off, other = (
        fetch((url, {}), (url, {"auth": None}), (with_user, {}), trust_env=True),
        fetch((url, {}), trust_env=False),
        fetch((url, {})),
    )
    assert [each.text for each in first] == [basic("netrc", "n"), "none", basic("url", "u")]
    assert off[0].text == "none"
    assert other[0].text == "none", "not unless it is asked for"


def test_a_flow_reads_its_token_while_the_answer_is_streamed() -> None:
    app = App()

    @app.get("/page")
    def page(request: Request) -> Response:
        right = request.headers.first("authorization") == "Bearer new"
        return text("here it is") if right else Response(401, content=b"who?" * 1000)

    @app.post("/token")
    def token(request: Request) -> dict[str, str]:
        return {"access_token": "new"}

    def refreshing(request: Request) -> Generator[Request, Response, Response]:
        response = yield request
        if response.status_code == 401:
            granted = yield Request("POST", request.url.join("/token"))
            answer = granted.json()
            assert isinstance(answer, dict)
            response = yield request.with_field("authorization", f"Bearer {answer['access_token']}")
        return response

    async def streamed(url: str) -> bytes:
        async with AsyncClient(auth=refreshing) as client, client.stream("GET", url) as reply:
            return b"".join([piece async for piece in reply.iter_bytes()])

    with running(app) as server:
        url = f"{server.url.rstrip('/')}/page"
        with Client(auth=refreshing) as client, client.stream("GET", url) as reply:
            assert b"".join(reply.iter_bytes()) == b"here it is"
        assert asyncio.run(streamed(url)) == b"here it is"
