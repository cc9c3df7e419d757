"""Health and Server-Timing: what balancers and browsers are told beside the answer."""

from __future__ import annotations

import socket
import threading
import time

import pytest

import crlf
from crlf.message.facts import NOT_DRAINING
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.net.draining import Drain
from crlf.server.settings import ServerSettings
from crlf.server.watching.health import health_gate
from crlf.server.watching.timing import Timing, stamp_timing, timing, timing_gate


def asked(target: str, method: str = "GET", draining: object = NOT_DRAINING) -> Request:
    where = Received()._replace(draining=draining)
    return Request.received((method, target, Headers([("host", "a")]), "1.1"), b"", where)


def answer(request: Request, is_ready: bool = True) -> Response:
    answered = health_gate(lambda: is_ready)(request)
    assert isinstance(answered, Response)
    return answered


# -- health


@pytest.mark.parametrize("target", ["/healthz", "/healthz?x", "/readyz", "/readyz?"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.rfc("9111", "5.2.2.5")
def test_health_is_good_and_kept_by_nobody(target: str, method: str) -> None:
    response = answer(asked(target, method))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert len(response.content) < 10


def test_who_is_not_ready_is_healthy() -> None:
    assert answer(asked("/healthz"), is_ready=False).status_code == 200
    assert answer(asked("/readyz"), is_ready=False).status_code == 503


def test_who_drains_is_not_ready() -> None:
    drain = Drain()
    assert answer(asked("/readyz", draining=drain)).status_code == 200
    drain.begin()
    assert answer(asked("/readyz", draining=drain)).status_code == 503
    assert answer(asked("/healthz", draining=drain)).status_code == 200


@pytest.mark.rfc("9110", "15.5.6")
def test_health_is_only_asked_for() -> None:
    response = answer(asked("/readyz", "POST"))
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("target", ["/", "/healthz/", "/healthzz", "/a?/healthz", "*", "/Healthz"])
def test_other_requests_pass(target: str) -> None:
    request = asked(target)
    assert health_gate()(request) is request


def test_a_server_tells_its_health_to_whoever_knows_its_address_only() -> None:
    settings = ServerSettings(health=True, allowed_hosts=("a.example",))
    with crlf.running(crlf.App(), settings=settings) as server, crlf.Client() as client:
        assert client.get(f"{server.url}readyz").text == "ready\n"
        assert client.get(f"{server.url}healthz").text == "ok\n"
        assert client.get(server.url).status_code == 421


def test_without_the_setting_the_application_is_asked() -> None:
    with crlf.running(crlf.App()) as server, crlf.Client() as client:
        assert client.get(f"{server.url}healthz").status_code == 404


def test_readiness_is_the_first_to_know_of_a_stop() -> None:
    app, inside = crlf.App(), threading.Event()

    @app.get("/slow")
    def slow(request: Request) -> str:
        inside.set()
        request.draining.wait(5)
        return "done"

    with crlf.running(app, settings=ServerSettings(health=True)) as server:
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address) as busy:
            # Two requests on one connection: when the second is read the server drains.
            busy.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            assert inside.wait(5)
            with socket.create_connection(address) as prober:
                prober.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
                assert prober.recv(1000).startswith(b"HTTP/1.1 200 ")
                prober.sendall(b"G")
                time.sleep(0.1)
                server.request_stop()
                assert busy.recv(1000).endswith(b"done")
                prober.sendall(b"ET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
                said = prober.recv(1000)
        until = time.monotonic() + 5
        while server._stopping is None or not server._stopping.done():
            assert time.monotonic() < until
            time.sleep(0.01)
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nconnection: close\r\n" in said.lower()


# -- Server-Timing


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_answer_says_what_took_how_long() -> None:
    now = Clock()
    request = timing_gate(now)(asked("/"))
    assert isinstance(request, Request)
    with timing(request).measure("db", 'the "big" one'):
        now.seconds += 0.25
    timing(request).add("miss")
    now.seconds += 0.5
    headers = stamp_timing(request, Headers([("a", "b")]))
    assert headers["server-timing"] == (
        'total;dur=750.000, db;desc="the \\"big\\" one";dur=250.000, miss'
    )
    assert headers["a"] == "b"


def test_what_raises_is_measured_too() -> None:
    now = Clock()
    times = Timing(now)

    def fail() -> None:
        with times.measure("db"):
            now.seconds += 0.001
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert times.field() == "total;dur=1.000, db;dur=1.000"


def test_where_nothing_is_said_nothing_is_kept() -> None:
    request = asked("/")
    for _ in range(100):
        with timing(request).measure("db"):
            pass
        timing(request).add("x", 1.0)
    assert timing(asked("/")).field() == "total;dur=0.000"
    assert stamp_timing(request, Headers()) == Headers()


@pytest.mark.parametrize("name", ["", "a b", "a;b", 'a"', "\xe9", "a\r\nb"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="names no measure"):
        Timing(Clock()).add(name)


@pytest.mark.parametrize("text", ["a\r\nb", "\xe9", "\x00"])
def test_a_description_is_plain(text: str) -> None:
    with pytest.raises(ValueError, match="no description"):
        Timing(Clock()).add("a", 0.0, text)


def test_measures_are_bounded() -> None:
    times = Timing(Clock())
    for number in range(1000):
        times.add(f"n{number}", 1.0, "d" * 1000)
    assert len(times.field()) < 4096


def test_a_server_says_times_when_it_is_told_to() -> None:
    app = crlf.App()

    @app.get("/")
    def home(request: Request) -> str:
        with timing(request).measure("db"):
            pass
        return "x"

    settings = ServerSettings(server_timing=True, request_ids=True)
    with crlf.running(app, settings=settings) as server, crlf.Client() as client:
        headers = client.get(server.url).headers
    assert headers["server-timing"].startswith("total;dur=")
    assert ", db;dur=" in headers["server-timing"]
    assert headers["x-request-id"].endswith("-1")
    with crlf.running(app) as server, crlf.Client() as client:
        headers = client.get(server.url).headers
    assert "server-timing" not in headers
    assert "x-request-id" not in headers
