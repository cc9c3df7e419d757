"""Measures: what is counted, summed over processes, as Prometheus reads it."""

from __future__ import annotations

import socket
import sys

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

import crlf
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.net.board import (
    BEAT,
    CONNECTIONS,
    DRAINING,
    ERRORS,
    GONE,
    READY,
    REFUSED_HOST,
    REFUSED_LIMIT,
    REFUSED_RULE,
    REFUSED_TIMEOUT,
    Board,
    Slot,
)
from crlf.server.settings import ServerSettings
from crlf.server.watching.measures import Measures, MetricsSite, reason_counter

HERE = Received("http", ("192.0.2.1", 4711))
OPENMETRICS = (  # what Prometheus 3 sends
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def asked(target: str = "/metrics", method: str = "GET", accept: str = "") -> Request:
    headers = Headers([("host", "a"), ("accept", accept)])
    return Request.received((method, target, headers, "1.1"), b"", HERE)


def samples(text: str, parse=text_string_to_metric_families) -> dict[str, float]:
    """Read a page as Prometheus does: by name and labels."""
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sample.labels.items()):
        sample.value
        for family in parse(text)
        for sample in family.samples
    }  # fmt: skip


def page(board: Board, accept: str = "") -> dict[str, float]:
    return samples(MetricsSite(board).page(accept).text)


def busy(slot: Slot, count: int = 1) -> Measures:
    """Let a slot be a process that has answered."""
    slot[BEAT] = slot[READY] = 1
    slot[CONNECTIONS] = 2
    measures = Measures(slot, 1_000_000.5)
    for _ in range(count):
        measures.answered(None, HERE, 200, 100, 0.004, "")
    return measures


def test_all_processes_are_one_sum() -> None:
    board = Board.shared(3)
    busy(board[0], 2)
    measures = busy(board[1], 3)
    measures.answered(None, HERE, 404, 10, 20.0, "")
    found = page(board)
    board.close()
    assert found["crlf_requests_total{class=2xx}"] == 5
    assert found["crlf_requests_total{class=4xx}"] == 1
    assert found["crlf_requests_total{class=5xx}"] == 0
    assert found["crlf_response_bytes_total"] == 510
    assert found["crlf_connections"] == 4
    assert found["crlf_workers"] == found["crlf_workers_ready"] == 2
    assert found["crlf_start_time_seconds"] == 1_000_000


def test_the_histogram_adds_up() -> None:
    board = Board()
    measures = busy(board[0], 2)
    for seconds in (0.0, 0.001, 0.0011, 9.9, 11.0):
        measures.answered(None, HERE, 200, 0, seconds, "")
    found = page(board)
    assert found["crlf_request_seconds_bucket{le=0.001}"] == 2
    assert found["crlf_request_seconds_bucket{le=0.0025}"] == 3
    assert found["crlf_request_seconds_bucket{le=0.005}"] == 5
    assert found["crlf_request_seconds_bucket{le=10.0}"] == 6
    assert found["crlf_request_seconds_bucket{le=+Inf}"] == 7
    assert found["crlf_request_seconds_count"] == 7
    assert found["crlf_request_seconds_sum"] == pytest.approx(20.9101)


def test_counts_survive_the_process_that_made_them() -> None:
    board = Board()
    busy(board[0], 5)
    board[0].wipe()
    found = page(board)
    assert found["crlf_requests_total{class=2xx}"] == 5
    assert found["crlf_workers"] == found["crlf_connections"] == 0
    busy(board[0], 1)
    found = page(board)
    assert found["crlf_requests_total{class=2xx}"] == 6
    assert found["crlf_workers"] == 1


def test_who_drains_is_not_ready() -> None:
    board = Board(2)
    for slot in board:
        busy(slot)
    board[1][DRAINING] = 1
    found = page(board)
    assert (found["crlf_workers"], found["crlf_workers_ready"]) == (2, 1)
    assert found["crlf_draining"] == 1


@pytest.mark.parametrize(
    ("why", "counter"),
    [
        ("RFC 9112 3.2: two Host fields", REFUSED_RULE),
        ("what no rule has a name for", REFUSED_RULE),
        ("limit head of 32768", REFUSED_LIMIT),
        ("timeout body", REFUSED_TIMEOUT),
        ("gone", GONE),
        ("error", ERRORS),
        ("draining", None),
    ],
)
def test_every_reason_is_counted_as_one_of_a_few(why: str, counter: int | None) -> None:
    assert reason_counter(why) == counter
    slot = Board()[0]
    Measures(slot, 0.0).answered(None, HERE, 0, 0, 0.0, why)
    if counter is not None:
        assert slot[counter] == 1


def test_a_request_for_another_host_is_a_refusal() -> None:
    slot = Board()[0]
    Measures(slot, 0.0).answered(asked(), HERE, 421, 0, 0.0, "")
    assert slot[REFUSED_HOST] == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text; version=\x01", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "text/plain, application/openmetrics-text;q=0.5",
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain; version=x" * 1000, "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_both_formats_are_spoken(accept: str, content_type: str) -> None:
    board = Board()
    busy(board[0])
    response = MetricsSite(board).page(accept)
    assert response.headers["content-type"].startswith(content_type)
    assert response.headers["cache-control"] == "no-store"
    is_open = content_type.startswith("application")
    found = samples(response.text, parse_openmetrics if is_open else text_string_to_metric_families)
    assert found["crlf_requests_total{class=2xx}"] == 1


@pytest.mark.parametrize(
    ("target", "method", "status_code"),
    [("/metrics", "HEAD", 200), ("/metrics?name[]=x", "GET", 200), ("/metrics", "POST", 405)],
)
def test_the_gate_answers_for_its_path(target: str, method: str, status_code: int) -> None:
    answer = MetricsSite(Board()).gate(asked(target, method))
    assert isinstance(answer, crlf.Response)
    assert answer.status_code == status_code


@pytest.mark.parametrize("target", ["/", "/metrics/", "/metricss"])
def test_the_gate_lets_others_pass(target: str) -> None:
    request = asked(target)
    assert MetricsSite(Board()).gate(request) is request


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(RuntimeError, match=r"pip install 'crlf\[metrics\]'"):
        MetricsSite(Board())


def test_a_server_counts_what_it_does() -> None:
    app = crlf.App()

    @app.get("/")
    def home(request: Request) -> str:
        return "hello"

    @app.get("/broken")
    def broken(request: Request) -> str:
        raise KeyError

    settings = ServerSettings(metrics="/metrics")
    with crlf.running(app, settings=settings) as server, crlf.Client() as client:
        for _ in range(3):
            client.get(server.url)
        assert client.get(f"{server.url}nothing").status_code == 404
        assert client.get(f"{server.url}broken").status_code == 500
        with socket.create_connection(("127.0.0.1", server.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
        response = client.get(f"{server.url}metrics", headers={"accept": OPENMETRICS})
    found = samples(response.text, parse_openmetrics)
    assert found["crlf_requests_total{class=2xx}"] == 3  # this page is not done yet
    assert found["crlf_requests_total{class=4xx}"] == 2
    assert found["crlf_requests_total{class=5xx}"] == 1
    assert found["crlf_refused_total{why=rule}"] == 1
    assert found["crlf_accepted_total"] == 2
    assert found["crlf_workers_ready"] == 1
    assert found["crlf_request_seconds_count"] == 6


def test_measures_may_have_an_address_of_their_own() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ServerSettings(metrics=f"127.0.0.1:{port}")
    with crlf.running(crlf.App(), settings=settings) as server, crlf.Client() as client:
        assert client.get(f"{server.url}metrics").status_code == 404
        found = samples(client.get(f"http://127.0.0.1:{port}/metrics").text)
        assert client.get(f"http://127.0.0.1:{port}/").status_code == 404
    assert found["crlf_requests_total{class=4xx}"] == 1
