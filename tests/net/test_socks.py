"""SOCKS: what is said byte by byte, on every kind of stream, and to proxies that lie or stall.

The conversations are written out here as RFC 1928, RFC 1929 and the description of SOCKS4(a)
have them, so that what goes over the wire is what is compared, and not what a library thinks.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import ConnectFailed, ConnectTimeout, CrlfError, ProxyFailed
from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork
from crlf.net.scripted import END, RESET, STALL, Item, ScriptedStream
from crlf.net.socks import ask_aio, ask_blocking
from crlf.ports import SocksProxy, Stream

pytest.importorskip("python_socks")

SECRET = "s3cret"
BOUND = b"\x00\x01\x7f\x00\x00\x01\x04\x38"  # reserved, IPv4, 127.0.0.1:1080
NAME = b"\x09a.example\x01\xbb"
GREETING, WITH_PASSWORD = b"\x05\x01\x00", b"\x05\x02\x00\x02"
PLAIN, LOGIN = b"\x05\x00", b"\x05\x02"

# What is asked, and the conversation: what we say, what the proxy answers, in turn.
TALKS: dict[str, tuple[SocksProxy, str, list[tuple[bytes, bytes]]]] = {
    "5, a name": (
        SocksProxy(5, "p", 1080),
        "a.example",
        [(GREETING, PLAIN), (b"\x05\x01\x00\x03" + NAME, b"\x05\x00" + BOUND)],
    ),
    "5, an address": (
        SocksProxy(5, "p", 1080, names_there=False),
        "192.0.2.1",
        [(GREETING, PLAIN), (b"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb", b"\x05\x00" + BOUND)],
    ),
    "5, IPv6": (
        SocksProxy(5, "p", 1080),
        "::1",
        [
            (GREETING, PLAIN),
            (
                b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x01\xbb",
                b"\x05\x00\x00\x04" + bytes(16) + b"\x04\x38",
            ),
        ],
    ),
    "5, with a password": (
        SocksProxy(5, "p", 1080, "me", SECRET),
        "a.example",
        [
            (WITH_PASSWORD, LOGIN),
            (b"\x01\x02me\x06" + SECRET.encode(), b"\x01\x00"),
            (b"\x05\x01\x00\x03" + NAME, b"\x05\x00\x00\x03\x01x\x04\x38"),
        ],
    ),
    "5, a password that is not wanted": (
        SocksProxy(5, "p", 1080, "me", SECRET),
        "a.example",
        [(WITH_PASSWORD, PLAIN), (b"\x05\x01\x00\x03" + NAME, b"\x05\x00" + BOUND)],
    ),
    "4": (
        SocksProxy(4, "p", 1080, "me", names_there=False),
        "192.0.2.1",
        [(b"\x04\x01\x01\xbb\xc0\x00\x02\x01me\x00", b"\x00\x5a" + bytes(6))],
    ),
    "4a": (
        SocksProxy(4, "p", 1080),
        "a.example",
        [(b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00a.example\x00", b"\x00\x5a" + bytes(6))],
    ),
}
TALK = pytest.mark.parametrize("talk", TALKS)


def ask(stream: Stream, proxy: SocksProxy, host: str, deadline: float = 1003.0) -> Stream:
    """Ask over a script, in both colours: those of the second are to be the same."""
    return run_sync(ask_blocking(stream, proxy, host, 443, deadline))


def ask_on_a_loop(stream: Stream, proxy: SocksProxy, host: str, deadline: float = 1003.0) -> Stream:
    return asyncio.run(ask_aio(stream, proxy, host, 443, deadline))


COLOURS = pytest.mark.parametrize("asking", [ask, ask_on_a_loop], ids=["blocking", "aio"])
Asking = Callable[..., Stream]


def fails(
    asking: Asking, kind: type[CrlfError], talk: str, *script: Item, host: str | None = None
) -> CrlfError:
    """Ask a proxy that plays a script; look at all that such an error must say, and must not."""
    proxy, asked, _ = TALKS[talk]
    stream = ScriptedStream(script)
    with pytest.raises(kind) as caught:
        asking(stream, proxy, host or asked)
    assert stream.is_closed
    assert caught.value.phase == "proxy"
    assert "p:1080" in str(caught.value)
    assert SECRET not in f"{caught.value!r}"
    return caught.value


# --- what is said --------------------------------------------------------------------------------


@TALK
def test_every_kind_of_stream_leads_through(stage: Any, talk: str) -> None:
    proxy, host, turns = TALKS[talk]

    async def story(stream: Stream) -> None:
        asking = ask_aio if stage.is_aio else ask_blocking
        facts = stream.facts
        way = await asking(stream, proxy, host, 443, time.monotonic() + 10)
        assert way.facts == facts
        await way.write(b"ping", time.monotonic() + 10)
        assert await way.read(time.monotonic() + 10) == b"pong"

    async def script(peer: Any) -> None:
        for said, answer in turns:
            assert await peer.receive(len(said)) == said
            await peer.send(answer)
        assert await peer.receive(4) == b"ping"
        await peer.send(b"pong")

    stage.play(story, script)


@COLOURS
@TALK
def test_an_answer_may_come_in_any_pieces(asking: Asking, talk: str) -> None:
    proxy, host, turns = TALKS[talk]
    answers = b"".join(answer for _, answer in turns)
    stream = ScriptedStream([answers], piece=1)
    asking(stream, proxy, host)
    assert bytes(stream.written) == b"".join(said for said, _ in turns)
    assert not stream.is_closed


@COLOURS
def test_without_a_deadline_there_is_none(asking: Asking) -> None:
    proxy, host, turns = TALKS["4"]
    asking(ScriptedStream([3600.0, turns[0][1]]), proxy, host, None)


def test_a_name_is_looked_up_here_when_the_proxy_shall_not() -> None:
    for version, said in (
        (5, b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x01\xbb"),
        (4, b"\x04\x01\x01\xbb\x7f\x00\x00\x01\x00"),
    ):
        answer = b"\x05\x00\x05\x00" + BOUND if version == 5 else b"\x00\x5a" + bytes(6)
        stream = ScriptedStream([answer])
        ask(stream, SocksProxy(version, "p", 1080, names_there=False), "localhost")
        assert bytes(stream.written) == said


# --- what goes wrong -----------------------------------------------------------------------------


@COLOURS
@TALK
@pytest.mark.parametrize("fault", [END, RESET])
def test_an_answer_that_is_cut_at_any_byte_opens_nothing(
    asking: Asking, talk: str, fault: Item
) -> None:
    answers = b"".join(answer for _, answer in TALKS[talk][2])
    for size in range(0, len(answers), 1 if asking is ask else 5):
        fails(asking, ProxyFailed, talk, answers[:size], fault)


@COLOURS
@TALK
def test_whoever_speaks_before_he_is_asked_is_not_the_host(asking: Asking, talk: str) -> None:
    answers = b"".join(answer for _, answer in TALKS[talk][2])
    error = fails(asking, ProxyFailed, talk, answers + b"H")
    assert "before it was asked" in str(error)


@COLOURS
@TALK
def test_the_deadline_is_for_the_whole_conversation(asking: Asking, talk: str) -> None:
    answers = b"".join(answer for _, answer in TALKS[talk][2])
    drip: list[Item] = []
    for byte in answers:
        drip += [bytes([byte]), 0.9]
    for script in ([STALL], [answers[:1], STALL], drip):
        assert "in time" in str(fails(asking, ConnectTimeout, talk, *script))


@COLOURS
def test_what_the_proxy_cannot_reach_is_not_the_proxys_fault(asking: Asking) -> None:
    for code in (3, 4, 5, 6):
        answer = b"\x05\x00\x05" + bytes([code]) + BOUND
        error = fails(asking, ConnectFailed, "5, a name", answer)
        assert "a.example:443" in str(error)
    for code in (1, 2, 7, 8, 9, 255):
        answer = b"\x05\x00\x05" + bytes([code]) + BOUND
        fails(asking, ProxyFailed, "5, a name", answer)
    for code in (0x5B, 0x5C, 0x5D, 0, 255):
        fails(asking, ProxyFailed, "4a", b"\x00" + bytes([code]) + bytes(6))


@COLOURS
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x04\x00", b"\x05\xff", b"\x05\x01", b"\x05\x02", b"\x05\x77",
        PLAIN + b"\x04\x00" + BOUND,
        PLAIN + b"\x05\x00\x01\x01" + bytes(6),
        PLAIN + b"\x05\x00\x00\x02" + bytes(6),
        PLAIN + b"\x05\x00\x00\x03\x02\xff\xfe\x04\x38",
    ],
)  # fmt: skip
def test_who_does_not_speak_socks_is_no_proxy(asking: Asking, answer: bytes) -> None:
    fails(asking, ProxyFailed, "5, a name", answer, END)


@COLOURS
def test_a_wrong_password_is_said_and_not_shown(asking: Asking) -> None:
    error = fails(asking, ProxyFailed, "5, with a password", LOGIN + b"\x01\x01")
    assert "authentication" in str(error)


@COLOURS
@pytest.mark.parametrize(
    ("proxy", "host"),
    [
        (SocksProxy(5, "p", 1080), "a\x00b"),
        (SocksProxy(4, "p", 1080), "a\x00b.example"),
        (SocksProxy(5, "p", 1080), "é.example"),
        (SocksProxy(5, "p", 1080), ""),
        (SocksProxy(5, "p", 1080), "a" * 300),
        (SocksProxy(5, "p", 1080), "fe80::1%eth0"),
        (SocksProxy(4, "p", 1080), "::1"),
        (SocksProxy(4, "p", 1080, "me\x00evil.example"), "192.0.2.1"),
        (SocksProxy(4, "p", 1080, "mé"), "192.0.2.1"),
        (SocksProxy(5, "p", 1080, "me", "é"), "a.example"),
        (SocksProxy(5, "p", 1080, "m" * 256, SECRET), "a.example"),
        (SocksProxy(5, "p", 1080, "me"), "a.example"),
        (SocksProxy(5, "p", 1080, None, SECRET), "a.example"),
    ],
)
def test_what_socks_cannot_say_is_not_said(asking: Asking, proxy: SocksProxy, host: str) -> None:
    stream = ScriptedStream([PLAIN])
    with pytest.raises(ProxyFailed) as caught:
        asking(stream, proxy, host)
    assert stream.is_closed
    assert not stream.written
    assert SECRET not in str(caught.value)


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for asking in (ask, ask_on_a_loop):
        for name in [name for name in sys.modules if name.split(".")[0] == "python_socks"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "python_socks", None)
        error = fails(asking, ProxyFailed, "5, a name", PLAIN)
        assert "pip install 'crlf[socks]'" in str(error)


def test_the_library_is_loaded_by_nobody_who_has_no_such_proxy() -> None:
    script = (
        "import sys, crlf.net.blocking, crlf.net.aio; "
        "sys.exit(any(name.startswith(('python_socks', 'crlf.net.socks')) for name in sys.modules))"
    )
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env={"PYTHONPATH": str(source)}
    )
    assert done.returncode == 0


# --- by way of a network -------------------------------------------------------------------------


def answering(listener: socket.socket, turns: list[tuple[bytes, bytes]]) -> None:
    accepted = listener.accept()[0]
    with accepted:
        accepted.settimeout(10)
        for said, answer in turns:
            data = b""
            while len(data) < len(said) and (piece := accepted.recv(len(said) - len(data))):
                data += piece
            accepted.sendall(answer)
        accepted.recv(1)


async def opened(network: Any, proxy: SocksProxy, deadline: float) -> Any:
    """Connect to a proxy, and ask it for a way to a host."""
    stream = await network.connect(proxy.host, proxy.port, deadline)
    return await network.open_socks(stream, proxy, "a.example", 443, deadline)


Open = Callable[[Any, SocksProxy], Coroutine[object, object, None]]


def on_sockets(is_aio: bool, turns: list[tuple[bytes, bytes]], story: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = SocksProxy(5, "127.0.0.1", listener.getsockname()[1])
        thread = threading.Thread(target=answering, args=(listener, turns))
        thread.start()
        try:
            if is_aio:

                async def main() -> None:
                    await story(AioNetwork(), proxy)

                asyncio.run(main())
            else:
                run_sync(story(BlockingNetwork(), proxy))
        finally:
            thread.join()


@pytest.mark.parametrize("is_aio", [False, True])
def test_a_network_opens_the_way_and_tells_where_it_leads(is_aio: bool) -> None:
    async def story(network: Any, proxy: SocksProxy) -> None:
        stream = await opened(network, proxy, network.now() + 5)
        assert stream.facts.peer == ("127.0.0.1", proxy.port)
        stream.close()

    on_sockets(is_aio, TALKS["5, a name"][2], story)


@pytest.mark.parametrize("is_aio", [False, True])
def test_a_proxy_that_says_nothing_has_until_the_deadline(is_aio: bool) -> None:
    async def story(network: Any, proxy: SocksProxy) -> None:
        began = network.now()
        with pytest.raises(ConnectTimeout):
            await opened(network, proxy, began + 0.3)
        assert 0.25 < network.now() - began < 2.0

    on_sockets(is_aio, [(GREETING, b"\x05")], story)


def test_a_cancelled_conversation_leaves_nothing_open() -> None:
    async def story(network: Any, proxy: SocksProxy) -> None:
        task = asyncio.create_task(opened(network, proxy, network.now() + 5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    on_sockets(True, [(GREETING, b"\x05")], story)
