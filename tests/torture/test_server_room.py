"""More clients than there is room for: they wait, nobody is lost, and who is idle makes room.

At the limit of connections the next one waits in the kernel. Of those that wait for nothing but
their next request, the longest idle one is let go for it, so that nobody waits for as long as
others may be idle. Without descriptors it is the same, and the server neither ends nor spins.
"""

from __future__ import annotations

import fcntl
import re
import socket
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.live.targets import KINDS, serving

from crlf.flow.serve import REST
from crlf.rules.deadlines import Patience
from crlf.server import App, running
from crlf.wire.limits import Limits

GET = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"


def application() -> App:
    app = App()

    @app.get("/probe")
    async def probe(request: object) -> str:
        return "alive"

    return app


@contextmanager
def clients(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open connections, one after the other."""
    with ExitStack() as stack:
        place = ("127.0.0.1", port)
        yield [stack.enter_context(socket.create_connection(place, 5)) for _ in range(count)]


def ask(peer: socket.socket) -> bytes:
    """Ask, and return what is answered; b"" when the connection is over."""
    try:
        peer.sendall(GET)
        return peer.recv(65536)
    except ConnectionError:
        return b""


def is_answered(peer: socket.socket) -> bool:
    """Read an answer, however it comes in pieces; tell whether it is the one that was asked for."""
    said = b""
    while b"alive" not in said:
        piece = peer.recv(65536)
        if not piece:
            return False
        said += piece
    return said.startswith(b"HTTP/1.1 200 ")


def waits(peer: socket.socket, seconds: float) -> bool:
    """Tell whether nothing at all comes for so long."""
    peer.settimeout(seconds)
    try:
        peer.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        peer.settimeout(5)
    return False


@pytest.fixture
def port() -> Iterator[int]:
    """Give a server with room for three."""
    with running(application(), limits=Limits(connections=3)) as server:
        yield server.port


def test_who_comes_too_many_is_served_when_another_ends(port: int) -> None:
    with clients(port, 4) as (*first, fourth):
        for peer in first:
            peer.sendall(GET[:20])  # they are about to ask, and are not let go for that
        fourth.sendall(GET)
        assert waits(fourth, REST / 2)
        first[0].close()
        began = time.monotonic()
        assert fourth.recv(65536).endswith(b"alive")
        assert time.monotonic() - began < REST


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("how", ["whole", "byte by byte"])
def test_connections_is_exact(count: int, how: str, port: int) -> None:
    """Of three all are served at once; a fourth waits until one of them is let go."""
    with clients(port, count) as peers:
        began = time.monotonic()
        for peer in peers:
            for piece in [GET] if how == "whole" else [b"%c" % byte for byte in GET]:
                peer.sendall(piece)
        for peer in peers[:3]:
            assert is_answered(peer)
        if count == 4:
            assert waits(peers[3], REST / 2)
            assert is_answered(peers[3])
        assert (time.monotonic() - began > REST / 2) == (count == 4)


def test_the_longest_idle_connection_makes_room(port: int) -> None:
    with clients(port, 3) as first, ExitStack() as stack:
        for peer in first:
            assert ask(peer).endswith(b"alive")
            time.sleep(0.02)
        assert ask(first[0]).endswith(b"alive")  # so that the second is the longest idle
        fourth = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        began = time.monotonic()
        assert ask(fourth).endswith(b"alive")
        assert REST / 2 < time.monotonic() - began < 1.0, "idle connections are kept for 15 s"
        assert first[1].recv(1) == b""
        assert ask(first[0]).endswith(b"alive")
        assert ask(first[2]).endswith(b"alive")


def test_who_asks_slowly_makes_room_too(port: int) -> None:
    with clients(port, 3) as first:
        for peer in first:
            peer.sendall(GET[:20])
        with clients(port, 1) as (fourth,):
            began = time.monotonic()
            assert ask(fourth).endswith(b"alive")
            assert time.monotonic() - began < 1.0


def test_who_never_asks_makes_room_too(port: int) -> None:
    with clients(port, 3), clients(port, 1) as (fourth,):
        began = time.monotonic()
        assert ask(fourth).endswith(b"alive")
        assert time.monotonic() - began < 1.0


def test_who_was_refused_and_stays_makes_room_too(port: int) -> None:
    with clients(port, 3) as first:
        for peer in first:
            peer.sendall(b"nonsense\r\n\r\n")
            assert peer.recv(65536).startswith(b"HTTP/1.1 400 ")
        with clients(port, 1) as (fourth,):
            began = time.monotonic()
            assert ask(fourth).endswith(b"alive")
            assert time.monotonic() - began < 1.0


def test_nobody_is_let_go_while_nobody_waits(port: int) -> None:
    with clients(port, 3) as first:
        for peer in first:
            assert ask(peer).endswith(b"alive")
        time.sleep(REST * 2)
        for peer in first:
            assert ask(peer).endswith(b"alive")


def test_an_answer_under_way_is_not_let_go() -> None:
    import asyncio

    app = application()

    @app.get("/slow")
    async def slow(request: object) -> str:
        await asyncio.sleep(REST * 2)
        return "slow"

    with running(app, limits=Limits(connections=1)) as server, clients(server.port, 1) as (one,):
        one.sendall(GET.replace(b"probe", b"slow"))
        time.sleep(0.05)
        with clients(server.port, 1) as (two,):
            two.sendall(GET)
            assert one.recv(65536).endswith(b"slow")
            assert two.recv(65536).endswith(b"alive")


def test_many_come_through_a_door_for_three(port: int) -> None:
    """Each asks once and keeps its connection: all are served."""
    began = time.monotonic()
    with clients(port, 15) as crowd:
        for peer in crowd:
            peer.sendall(GET)
        for peer in crowd:
            assert peer.recv(65536).endswith(b"alive")
    assert time.monotonic() - began < 8


def test_a_handshake_that_never_comes_makes_room_too() -> None:
    pytest.importorskip("trustme")
    import ssl
    import tempfile

    import trustme

    from crlf.server.settings import ServerSettings

    with tempfile.TemporaryDirectory() as folder:
        issued = trustme.CA().issue_cert("localhost")
        paper = f"{folder}/paper.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(paper)
        settings = ServerSettings(certificates=(paper,), limits=Limits(connections=3))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            running(application(), port=0, settings=settings) as server,
            clients(server.port, 3),
            clients(server.port, 1) as (fourth,),
        ):
            began = time.monotonic()
            with context.wrap_socket(fourth) as secret:
                assert ask(secret).endswith(b"alive")
            assert time.monotonic() - began < 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="how much the kernel holds is Linux's to say")
def test_in_a_crowd_who_does_not_read_holds_little_of_the_kernel() -> None:
    large = b"x" * 5_000_000
    app = application()

    @app.get("/large")
    async def send_large(request: object) -> bytes:
        return large

    held = 0
    with running(app) as server, clients(server.port, 300) as crowd, ExitStack() as stack:
        assert ask(crowd[-1]).endswith(b"alive")  # all are in
        late = stack.enter_context(socket.socket())
        late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        late.connect(("127.0.0.1", server.port))
        late.sendall(GET.replace(b"probe", b"large"))
        late.settimeout(5)
        assert late.recv(12) == b"HTTP/1.1 200"
        time.sleep(0.3)
        visits = list(server._service.visits)
        for visit in visits:
            below = visit.connection.stream._transport.get_extra_info("socket")
            waiting = struct.unpack("i", fcntl.ioctl(below.fileno(), termios.TIOCOUTQ, b"\0" * 4))[
                0
            ]
            held = max(held, waiting)
    assert 0 < held < 400_000


# --- no descriptors ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_descriptors_neither_ends_nor_spins(kind: str) -> None:
    with serving(kind, first=("prlimit", "--nofile=64:64")) as served:
        with clients(served.port, 100) as crowd:
            for peer in crowd:
                peer.sendall(GET)
            began, worked = time.monotonic(), served.cpu_seconds
            for peer in crowd:
                assert is_answered(peer)
                peer.close()  # or the next would wait until this one is let go
            spent = time.monotonic() - began
            assert spent < 5
            assert served.cpu_seconds - worked < 0.5 * spent + 0.5
            worked = served.cpu_seconds
            time.sleep(0.5)
            assert served.cpu_seconds - worked < 0.1
        with clients(served.port, 1) as (peer,):
            peer.sendall(GET)
            assert is_answered(peer)
        assert served.said == (
            "the system's limit of open files has room for 10 connections, not 1000\n"
        )


def test_a_server_takes_all_descriptors_that_it_may_have() -> None:
    with serving("app", first=("prlimit", "--nofile=64:5000")) as served:
        limits = Path(f"/proc/{served.process.pid}/limits").read_text()
        assert re.search(r"Max open files +5000 +5000 ", limits)
        assert served.said == ""


def test_patience_with_an_idle_client_is_longer_while_nobody_waits() -> None:
    assert Patience().idle > 2 * REST
