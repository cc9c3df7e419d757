"""Handlers that misbehave, and clients that leave them: over real connections, on each loop.

An answer that breaks off is visibly cut and never followed by another; what a handler says wrong
is a 500 or a cut, once in the log; a generator whose client is gone is closed soon, also one that
waits for something that may never come; and a blocking one stops nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.deadlines import Patience
from crlf.server import App, running, stream
from crlf.server.serving import Server

HASTY = Patience(linger=0.2, write=0.5, drain=0.5)
CLOSE = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
KEEP = b" HTTP/1.1\r\nHost: a\r\n\r\n"


class Shop:
    """An application of handlers that misbehave, and what came of their generators."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.app = app = App()
        app.get("/probe")(self.probe)
        for name in (
            "raises_late", "raises_late_waiting", "too_long", "too_short", "too_long_whole",
            "no_content", "nothing", "not_bytes", "infinite", "infinite_waiting", "never",
            "blocking", "never_blocking",
        ):  # fmt: skip
            app.get(f"/{name}")(getattr(self, name))

    async def probe(self, request: Request) -> str:
        return "alive"

    async def raises_late(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                yield b"begun"
                raise ValueError("late")
            finally:
                self.closed.set()

        return stream(pieces())

    async def raises_late_waiting(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"begun"
                await asyncio.sleep(0.01)
                raise ValueError("late")
            finally:
                self.closed.set()

        return stream(pieces())

    async def too_long(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                yield b"12345"
                yield b"67890"
            finally:
                self.closed.set()

        return stream(pieces(), headers={"content-length": "7"})

    async def too_short(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                yield b"12345"
            finally:
                self.closed.set()

        return stream(pieces(), headers={"content-length": "7"})

    async def too_long_whole(self, request: Request) -> Response:
        return Response(200, {"content-length": "3"}, b"12345")

    async def no_content(self, request: Request) -> Response:
        return Response(204, None, b"there is some")

    async def nothing(self, request: Request) -> None:
        return None

    async def not_bytes(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                yield b"begun"
                yield "text"  # type: ignore[misc]  # what the test is about
            finally:
                self.closed.set()

        return stream(pieces())

    async def infinite(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
            finally:
                self.closed.set()

        return stream(pieces())

    async def infinite_waiting(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(0.02)
            finally:
                self.closed.set()

        return stream(pieces())

    async def never(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"begun"
                await asyncio.sleep(3600)
                yield b"too late"
            finally:
                self.closed.set()

        return stream(pieces())

    def blocking(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    time.sleep(0.1)
                    yield b"x"
            finally:
                self.closed.set()

        return stream(pieces())

    def never_blocking(self, request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                yield b"begun"
                time.sleep(1.2)  # as long as a test can wait for it
                yield b"too late"
            finally:
                self.closed.set()

        return stream(pieces())


@pytest.fixture(params=["asyncio", "uvloop"])
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("CRLF_LOOP", request.param)
    shop = Shop()
    with running(shop.app, patience=HASTY) as server:
        shop.server = server  # type: ignore[attr-defined]  # for the tests alone
        yield shop
        settle(server)


def settle(server: Server) -> None:
    """Wait until no connection is left."""
    service = server._service
    assert service is not None
    give_up = time.monotonic() + 3
    while service.visits and time.monotonic() < give_up:
        time.sleep(0.01)
    assert not service.visits, "a connection stays"


def port_of(shop: Shop) -> int:
    port: int = shop.server.port  # type: ignore[attr-defined]  # as above
    return port


def said_to(shop: Shop, path: str, behind: bytes = CLOSE) -> bytes:
    """Ask for a path and read to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port_of(shop)), 5) as peer:
        peer.sendall(b"GET /" + path.encode() + behind)
        said = b""
        try:
            while piece := peer.recv(65536):
                said += piece
        except ConnectionError:
            pass  # a cut may be one
        return said


@pytest.mark.rfc("9112", "8")
@pytest.mark.parametrize("path", ["raises_late", "raises_late_waiting", "not_bytes"])
def test_a_handler_that_fails_after_it_began_cuts_its_answer(
    shop: Shop, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        said = said_to(shop, path, KEEP + b"GET /probe" + CLOSE)
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"\r\n0\r\n" not in said, "it looks as if it were whole"
    assert b"Traceback" not in said
    assert shop.closed.wait(1)
    assert len(caplog.records) == 1


@pytest.mark.rfc("9110", "8.6")
@pytest.mark.parametrize("path", ["too_long", "too_short"])
def test_a_stream_of_another_length_than_it_said_is_cut(
    shop: Shop, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        said = said_to(shop, path, KEEP + b"GET /probe" + CLOSE)
    assert said.count(b"HTTP/1.1 ") == 1
    _, _, content = said.partition(b"\r\n\r\n")
    assert len(content) < 7, "what is wrong looks right"
    assert shop.closed.wait(1)
    assert len(caplog.records) == 1


@pytest.mark.rfc("9110", "15.3.5")
@pytest.mark.parametrize("path", ["too_long_whole", "no_content", "nothing"])
def test_what_cannot_be_said_is_a_500_and_life_goes_on(
    shop: Shop, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        said = said_to(shop, path, KEEP + b"GET /probe" + CLOSE)
    assert said.startswith((b"HTTP/1.1 500 ", b"HTTP/1.1 204 "))
    assert said.endswith(b"alive")
    assert said.count(b"HTTP/1.1 ") == 2
    assert b"there is some" not in said
    assert len(caplog.records) <= 1


def leave(peer: socket.socket, how: str) -> None:
    if how == "in disorder":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.parametrize("how", ["in order", "in disorder"])
@pytest.mark.parametrize(
    ("path", "seconds"),
    [("infinite", 0.5), ("infinite_waiting", 0.5), ("never", 0.7), ("blocking", 0.8),
     ("never_blocking", 2.0)],
)  # fmt: skip
def test_a_generator_whose_client_is_gone_is_closed_soon(
    shop: Shop, path: str, seconds: float, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = socket.create_connection(("127.0.0.1", port_of(shop)), 5)
    peer.sendall(b"GET /" + path.encode() + KEEP)
    assert peer.recv(1000).startswith(b"HTTP/1.1 200 ")
    leave(peer, how)
    assert shop.closed.wait(seconds + 0.5)
    settle(shop.server)  # type: ignore[attr-defined]  # as above
    assert not caplog.records


def test_who_closes_only_his_side_is_sent_what_comes(shop: Shop) -> None:
    with socket.create_connection(("127.0.0.1", port_of(shop)), 5) as peer:
        peer.sendall(b"GET /infinite_waiting" + KEEP)
        peer.shutdown(socket.SHUT_WR)
        said = b""
        while said.count(b"tick") < 30:  # three times as long as one who says nothing is given
            piece = peer.recv(65536)
            assert piece
            said += piece
    assert shop.closed.wait(1)


def test_who_closes_only_his_side_has_a_whole_answer(shop: Shop) -> None:
    with socket.create_connection(("127.0.0.1", port_of(shop)), 5) as peer:
        peer.sendall(b"GET /probe" + KEEP)
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(65536).endswith(b"alive")
        assert peer.recv(1) == b""


def test_a_client_that_does_not_read_ends_an_infinite_answer(shop: Shop) -> None:
    with socket.create_connection(("127.0.0.1", port_of(shop)), 5) as peer:
        peer.sendall(b"GET /infinite" + KEEP)
        assert shop.closed.wait(HASTY.write + 1.5)


def test_a_generator_that_blocks_stops_nobody_else(shop: Shop) -> None:
    with socket.create_connection(("127.0.0.1", port_of(shop)), 5) as peer:
        peer.sendall(b"GET /blocking" + KEEP)
        peer.recv(1000)
        began = time.monotonic()
        for _ in range(10):
            assert said_to(shop, "probe").endswith(b"alive")
        assert time.monotonic() - began < 0.9, "each waited for a piece of another's"


def test_interrupt_strikes_only_its_own_wait() -> None:
    from crlf.net.interrupt import Interrupt

    async def story(moved: Callable[[], int]) -> str:
        interrupt = Interrupt()
        interrupt.begin(0.05, moved)
        try:
            await asyncio.sleep(0.12)
        except asyncio.CancelledError:
            assert interrupt.has_struck
            return "struck"
        finally:
            interrupt.stop()
        await asyncio.sleep(0.1)
        return "not struck"

    assert asyncio.run(story(lambda: 1)) == "struck"
    numbers = iter(range(100))
    assert asyncio.run(story(lambda: next(numbers))) == "not struck"
