"""A recorder keeps what either client sends and receives: exchanges told apart, and bounded."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import crlf
from crlf import App, Request, Response, redirect, running, text
from crlf.client.recording import HarFile, Recorder
from crlf.net.scripted import Fault, ScriptedNetwork, ScriptedStream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")


@pytest.fixture
def url() -> Iterator[str]:
    app = App()

    @app.get("/old")
    def old(request: Request) -> Response:
        return redirect("/part?n=1")

    @app.get("/part")
    async def part(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return text("part " + request.query.get("n", "") + "." * 100)

    @app.post("/part")
    def create(request: Request) -> Response:
        return text(f"{len(request.content)}")

    with running(app) as server:
        yield server.url.rstrip("/")


def scripted(*streams: ScriptedStream) -> tuple[Recorder, crlf.Client]:
    recorder = Recorder()
    network = ScriptedNetwork(list(streams))
    return recorder, crlf.Client(network=network, record=recorder)


def test_each_hop_of_a_redirect_is_an_exchange(url: str) -> None:
    recorder = Recorder()
    with crlf.Client(record=recorder) as client:
        client.get(f"{url}/old")
    first, second = recorder.captured
    assert first.url == f"{url}/old"
    assert first.sent.startswith(b"GET /old HTTP/1.1\r\n")
    assert first.received.startswith(b"HTTP/1.1 303")
    assert second.url == f"{url}/part?n=1"
    assert first.connection == second.connection == 1
    assert [step.name for step in first.steps] == ["dns", "connect", "send", "wait", "receive"]
    assert [step.name for step in second.steps] == ["send", "wait", "receive"]
    assert first.began <= second.began


def test_a_trace_of_ones_own_is_told_too(url: str) -> None:
    recorder, steps = Recorder(), []
    with crlf.Client(record=recorder, trace=steps.append) as client:
        client.get(f"{url}/part")
        client.get(f"{url}/part", trace=None)
    assert [step.name for step in steps][:2] == ["dns", "connect"]
    assert len(recorder.captured[1].steps) == 3


def test_exchanges_on_several_connections_are_told_apart(url: str) -> None:
    recorder = Recorder()

    async def ask() -> None:
        async with crlf.AsyncClient(record=recorder) as client:
            await asyncio.gather(*[client.get(f"{url}/part?n={n}") for n in range(20)])

    asyncio.run(ask())
    assert len(recorder.captured) == 20
    for one in recorder.captured:
        number = one.url.rpartition("=")[2].encode()
        assert one.sent.startswith(b"GET /part?n=%b HTTP/1.1\r\n" % number)
        assert b"\r\n\r\npart %b." % number in one.received
        assert [step.name for step in one.steps][-3:] == ["send", "wait", "receive"]


def test_threads_share_a_recorder(url: str) -> None:
    recorder = Recorder()
    with crlf.Client(record=recorder) as client:

        def ask(n: int) -> None:
            for _ in range(5):
                client.get(f"{url}/part?n={n}")

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(recorder.captured) == 20
    for one in recorder.captured:
        number = one.url.rpartition("=")[2].encode()
        assert one.sent.startswith(b"GET /part?n=%b HTTP/1.1\r\n" % number)
        assert b"\r\n\r\npart %b." % number in one.received
        assert [step.name for step in one.steps][-3:] == ["send", "wait", "receive"]


def test_interim_responses_belong_to_their_exchange() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    recorder, client = scripted(ScriptedStream([hint, LAST]), ScriptedStream([OK]))
    with client:
        client.get("http://a.example/1")
        client.get("http://a.example/2")
    first, second = recorder.captured
    assert first.received == hint + LAST
    assert [step.name for step in first.steps][-4:] == ["send", "interim", "wait", "receive"]
    assert second.received == OK


def test_a_question_and_its_content_are_one_exchange() -> None:
    recorder, client = scripted(ScriptedStream([b"HTTP/1.1 100 Continue\r\n\r\n", OK]))
    with client:
        client.post("http://a.example/", content=b"long", headers={"expect": "100-continue"})
    [one] = recorder.captured
    assert one.sent.endswith(b"\r\n\r\nlong")
    assert one.received.startswith(b"HTTP/1.1 100")
    assert "interim" in [step.name for step in one.steps]  # the 100


def test_a_tunnel_is_an_exchange_of_its_own() -> None:
    recorder = Recorder()
    network = ScriptedNetwork([ScriptedStream([b"HTTP/1.1 200 Fine\r\n\r\n", OK])])
    options = {"proxy": "http://proxy.example:3128", "network": network, "record": recorder}
    with crlf.Client(**options) as client:  # type: ignore[misc]  # a dict's values are objects
        client.get("https://a.example/")
    tunnel, asked = recorder.captured
    assert (tunnel.method, tunnel.url) == ("CONNECT", "a.example:443")
    assert tunnel.received == b"HTTP/1.1 200 Fine\r\n\r\n"
    assert (asked.method, asked.url) == ("GET", "https://a.example/")
    assert asked.received == OK
    assert "tls" in [step.name for step in asked.steps]


def test_what_is_sent_again_on_a_fresh_connection_is_two_exchanges() -> None:
    first = ScriptedStream([OK])
    recorder, client = scripted(first, ScriptedStream([OK]))
    with client:
        client.get("http://a.example/1")
        read = first.read

        async def ended(deadline: float | None) -> bytes:
            first.play(Fault.END)
            return await read(deadline)

        first.read = ended  # type: ignore[method-assign]  # it ends when it is read, not before
        client.get("http://a.example/2")
    urls = [one.url for one in recorder.captured]
    assert urls == ["http://a.example/1", "http://a.example/2", "http://a.example/2"]
    one, lost, again = recorder.captured
    assert (one.received, lost.received, again.received) == (OK, b"", OK)
    assert (lost.connection, again.connection) == (1, 2)
    assert lost.ended
    assert "sent again" in lost.fault


def test_what_came_to_nothing_says_why() -> None:
    recorder = Recorder()
    with crlf.Client(record=recorder, retry=None) as client, pytest.raises(crlf.ConnectFailed):
        client.get("http://127.0.0.1:9/")
    [one] = recorder.captured
    assert (one.url, one.sent) == ("http://127.0.0.1:9/", b"")
    assert "refused" in one.fault


def test_a_broken_answer_is_kept_as_it_came() -> None:
    recorder, client = scripted(ScriptedStream([b"HTTP/1.1 2x0 OK\r\n\r\n"]))
    with client, pytest.raises(crlf.RemoteError):
        client.get("http://a.example/")
    [one] = recorder.captured
    assert one.received == b"HTTP/1.1 2x0 OK\r\n\r\n"
    assert "RFC" in one.fault


def test_bytes_are_kept_up_to_a_bound() -> None:
    recorder = Recorder(most=100_000)
    size = 300_000
    answer = LAST.replace(b"2\r", b"%d\r" % size).removesuffix(b"ok") + bytes(size)
    network = ScriptedNetwork([ScriptedStream([answer]), ScriptedStream([answer])])
    with crlf.Client(network=network, record=recorder) as client:
        client.get("http://a.example/1")
        client.get("http://a.example/2")
    for one in recorder.captured:
        assert len(one.received) + one.received_cut == len(answer)
        assert answer.startswith(one.received)
    assert sum(len(one.received) for one in recorder.captured) <= 100_000 + 2 * 65_536


def test_a_har_file_is_private_and_has_no_secrets(url: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.har"
    with HarFile(path) as har, crlf.Client(record=har, auth=("ann", "hunter2")) as client:
        client.get(f"{url}/part", cookies={"sid": "hidden"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = path.read_text(encoding="utf-8")
    assert [entry["response"]["status"] for entry in json.loads(kept)["log"]["entries"]] == [200]
    assert "hidden" not in kept
    assert "YW5u" not in kept
    assert [one.name for one in tmp_path.iterdir()] == ["shop.har"]


def test_secrets_are_kept_when_that_is_asked_for(url: str, tmp_path: Path) -> None:
    with crlf.HarFile(tmp_path / "x.har", secrets=True) as har, crlf.Client(record=har) as client:
        client.get(f"{url}/part", cookies={"sid": "hidden"})
    assert "hidden" in (tmp_path / "x.har").read_text(encoding="utf-8")


def test_a_har_is_written_when_the_block_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    with pytest.raises(crlf.ConnectFailed), HarFile(path) as har, crlf.Client(record=har) as client:
        client.get("http://127.0.0.1:9/", retry=None)
    [entry] = json.loads(path.read_text(encoding="utf-8"))["log"]["entries"]
    assert "refused" in entry["response"]["_error"]
