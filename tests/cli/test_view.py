"""-v: what goes over the wire, byte for byte in a pipe and harmless on a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from crlf.cli.environment import Environment
from crlf.cli.showing.view import MOST, View
from crlf.flow.run import run_sync
from crlf.net.blocking import BlockingNetwork
from crlf.net.tap import Event, TapNetwork
from crlf.ports import StreamFacts, TlsFacts

CommandLine = Any  # see conftest.py


def shown(*events: Event, terminal: bool = False, colour: bool = False) -> str:
    """Return what a view shows of some events."""
    err = io.BytesIO()
    variables = {} if colour else {"NO_COLOR": "1"}
    view = View(Environment(io.BytesIO(), io.BytesIO(), err, stderr_is_terminal=terminal,
                            variables=variables))  # fmt: skip
    for event in events:
        view(event)
    view.finish()
    return err.getvalue().decode()


def sent(data: bytes, number: int = 1) -> Event:
    return Event("sent", number, 0.0, data)


def received(data: bytes, number: int = 1) -> Event:
    return Event("received", number, 0.0, data)


def test_an_exchange_is_shown_as_it_went(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "-v")
    assert done.out == b"<h1>Parts</h1>\n"
    place = site.removeprefix("http://")
    lines = done.err.split("\n")
    assert lines[0].startswith(f"* connected to {place} in ")
    assert lines[1] == "> GET /page HTTP/1.1\r"
    assert f"> host: {place}\r" in lines
    assert lines[lines.index("> \r") + 1] == "< HTTP/1.1 200 OK\r"
    assert lines[-3:] == ["< \r", "< <h1>Parts</h1>", ""]


def test_on_one_terminal_the_content_is_not_shown_twice(crlf: CommandLine, site: str) -> None:
    crlf.on_terminal = ("stdout", "stderr")
    done = crlf("get", f"{site}/page", "-v")
    assert done.out == b""
    assert "&lt;" not in done.err
    assert "<h1>Parts</h1>" in done.err
    crlf.on_terminal = ("stderr",)
    assert crlf("get", f"{site}/page", "-v").out == b"<h1>Parts</h1>\n"
    crlf.on_terminal = ("stdout", "stderr")
    assert crlf("get", f"{site}/page", "-vo", "a").code == 0
    assert (crlf.folder / "a").read_bytes() == b"<h1>Parts</h1>\n"


def test_every_redirect_is_shown(crlf: CommandLine, site: str) -> None:
    err = crlf("get", f"{site}/old", "-v").err
    starts = [line for line in err.split("\n") if "HTTP/1.1" in line]
    assert starts == [
        "> GET /old HTTP/1.1\r",
        "< HTTP/1.1 303 See Other\r",
        "> GET /page HTTP/1.1\r",
        "< HTTP/1.1 200 OK\r",
    ]


def test_chunks_are_shown_with_their_sizes() -> None:
    text = shown(received(b"HTTP/1.1 200 OK\r\n\r\n4\r\nont\n\r\n0\r\n\r\n"))
    assert text == "< HTTP/1.1 200 OK\r\n< \r\n< 4\r\n< ont\n< \r\n< 0\r\n< \r\n"


def test_lines_are_whole_however_they_arrive() -> None:
    data = b"HTTP/1.1 200 OK\r\na: b\r\n\r\nline\nrest"
    whole = shown(received(data))
    for at in range(1, len(data)):
        assert shown(received(data[:at]), received(data[at:])) == whole
    assert whole.endswith("< \r\n< line\n< rest\n")


@pytest.mark.rfc("9110", "15.2")
def test_an_interim_head_is_followed_by_another_head() -> None:
    text = shown(
        received(b"HTTP/1.1 103 Early Hints\r\nAuthorization: Basic x\r\n\r\n"),
        received(b"HTTP/1.1 200 OK\r\nAuthorization: Basic x\r\n\r\nbody"),
    )
    assert text.count("Basic [not shown]") == 2


def test_credentials_are_not_shown(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/echo", "-v", "-a", "me:secret")
    assert "> authorization: Basic [not shown]\r\n" in done.err
    assert json.loads(done.out)["headers"].count(["authorization", "Basic bWU6c2VjcmV0"]) == 1
    text = shown(sent(b"GET / HTTP/1.1\r\nProxy-AUTHORIZATION:Bearer  abc\r\n\r\n"))
    assert "abc" not in text
    split = (sent(b"GET / HTTP/1.1\r\nauthorization: Bas"), sent(b"ic secret\r\n\r\n"))
    assert "secret" not in shown(*split)


def test_a_terminal_is_not_obeyed() -> None:
    data = b"HTTP/1.1 200 \x1b[2J\r\nA: \x9b31m\tb\r\n\r\n\x1b]0;t\x07\rx\n"
    text = shown(received(data), terminal=True)
    assert text == "< HTTP/1.1 200 \\x1b[2J\n< A: \\x9b31m\tb\n< \n< \\x1b]0;t\\x07\\x0dx\n"


def test_with_colours_line_ends_are_visible() -> None:
    text = shown(received(b"HTTP/1.1 404 No\r\nA: b\r\n\r\nx\ny"), terminal=True, colour=True)
    assert "\x1b[2m< \x1b[0mHTTP/1.1 \x1b[1;31m404 No\x1b[0m\x1b[2m␍␊\x1b[0m\n" in text
    assert "\x1b[36mA\x1b[0m: b\x1b[2m␍␊\x1b[0m\n" in text
    assert "x\x1b[2m␊\x1b[0m\n" in text
    assert text.endswith("\x1b[2m< \x1b[0my\n")


def test_binary_content_is_counted() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert shown(received(head + b"\x00\x01"), received(b"more")).endswith(
        "< \r\n< [6 bytes of binary content]\n"
    )
    assert shown(sent(b"POST / HTTP/1.1\r\n\r\n"), sent(b"\x00")).endswith(
        "> [1 byte of binary content]\n"
    )


def test_of_a_long_body_only_the_beginning_is_shown() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    text = shown(received(head), *[received(b"x" * 1000 + b"\n") for _ in range(100)])
    assert text.endswith(f"< [{100 * 1001 - MOST:,} bytes more]\n")
    assert MOST < len(text) < MOST + 1000
    one_line = shown(received(head), *[received(b"x" * 1000) for _ in range(60)])
    assert one_line.count("x") == 60_000


def test_what_happens_around_the_messages_is_told() -> None:
    tls = StreamFacts(("192.0.2.1", 443), None, TlsFacts("TLSv1.3", "TLS_AES", None))
    text = shown(
        Event("opening", 1, 10.0, b"a.example:443"),
        Event("opened", 1, 10.0125, facts=tls),
        Event("secured", 1, 10.1, facts=tls),
        received(b"HTTP/1.1 200 OK\r\n\r\nx"),
        Event("ended", 1, 10.2),
        Event("closed", 1, 10.3),
    )
    assert text == (
        "* connected to a.example:443 (192.0.2.1) in 12.5 ms\n"
        "* TLSv1.3, TLS_AES\n"
        "< HTTP/1.1 200 OK\r\n< \r\n< x\n"
        "* the server ended the connection\n"
    )


def test_a_broken_answer_is_shown_before_its_error(
    crlf: CommandLine, scripted: Callable[..., str]
) -> None:
    done = crlf("get", scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "-v")
    assert done.err.index("< half\n") < done.err.index("* the server ended")
    assert done.err.index("* the server ended") < done.err.index("crlf: the answer is broken")


# --- the tap -------------------------------------------------------------------------------------


def test_a_tap_tells_all_and_changes_nothing(scripted: Callable[..., str]) -> None:
    events: list[Event] = []
    network = TapNetwork(BlockingNetwork(), events.append)
    port = int(scripted(b"answer").rsplit(":", 1)[1].strip("/"))

    async def talk() -> bytes:
        stream = await network.connect("127.0.0.1", port, None)
        await stream.write(b"question\r\n\r\n", None)
        pieces = []
        while piece := await stream.read(network.now() + 5):
            pieces.append(piece)
        await stream.end(None)
        assert stream.has_arrived()
        stream.close()
        stream.close()
        await network.aclose()
        return b"".join(pieces)

    assert run_sync(talk()) == b"answer"
    assert [event.what for event in events] == [
        "opening", "opened", "sent", "received", "ended", "closed",
    ]  # fmt: skip
    assert [event.data for event in events if event.data] == [
        f"127.0.0.1:{port}".encode(),
        b"question\r\n\r\n",
        b"answer",
    ]
    assert {event.connection for event in events} == {1}
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[1].facts is not None
    assert events[1].facts.peer == ("127.0.0.1", port)
