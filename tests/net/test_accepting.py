"""The accept loop: what it does at the limit, when descriptors are out, and beside others."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from crlf.message.errors import TransportError
from crlf.net import aiolistener
from crlf.net.aiolistener import Crowd, Listener
from crlf.net.board import ACCEPTED, BEAT, CONNECTIONS, DRAINING, PID, READY, Board
from crlf.net.sweep import Sweep
from crlf.ports import Stream

LOOPS = ("asyncio", "uvloop")


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Run a coroutine on either loop."""
    from crlf.net.loops import new_loop

    monkeypatch.setenv("CRLF_LOOP", request.param)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        yield runner.run


class Scene:
    """A listener at a free port, whose connections stay open until they are told to end."""

    def __init__(self, **options: Any) -> None:
        loop = asyncio.get_running_loop()
        self.board = Board()
        self.slot = options.setdefault("slot", self.board[0])
        self.leave = asyncio.Event()
        self.streams: list[Stream] = []
        self.listener = Listener(loop, self.serve, Sweep(loop), **options)
        self.door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.visitors: list[socket.socket] = []

    async def __aenter__(self) -> Scene:
        self.listener.listen([self.door])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave.set()
        self.listener.close()
        for visitor in self.visitors:
            visitor.close()
        await self.listener.finish(2.0)

    async def serve(self, stream: Stream) -> None:
        self.streams.append(stream)
        with suppress(TransportError):
            while await stream.read(time.monotonic() + 20):
                await stream.write(b"heard", time.monotonic() + 20)

    def visit(self, count: int = 1) -> None:
        for _ in range(count):
            self.visitors.append(
                socket.create_connection(("127.0.0.1", self.listener.addresses[0][1]), timeout=5)
            )

    async def until(self, what: Callable[[], bool], seconds: float = 5.0) -> None:
        give_up = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < give_up, "waited for in vain"
            await asyncio.sleep(0.005)


def test_a_connection_is_served_and_counted(run: Callable) -> None:
    async def story() -> None:
        async with Scene() as scene:
            scene.visit(3)
            await scene.until(lambda: scene.slot[CONNECTIONS] == 3)
            assert scene.slot[ACCEPTED] == 3
            visitor = scene.visitors.pop()
            visitor.sendall(b"hello")
            await asyncio.sleep(0.05)
            assert visitor.recv(9) == b"heard"
            visitor.close()
            await scene.until(lambda: scene.slot[CONNECTIONS] == 2)
            assert len(scene.listener.tasks) == 2
        assert scene.slot[CONNECTIONS] == 0
        assert scene.slot[ACCEPTED] == 3

    run(story())


def test_small_answers_go_out_at_once(run: Callable) -> None:
    async def story() -> None:
        async with Scene() as scene:
            scene.visit()
            await scene.until(lambda: bool(scene.streams))
            stream: Any = scene.streams[0]
            accepted = stream._transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert stream.facts.peer == scene.visitors[0].getsockname()

    run(story())


def test_socket_files_are_served_too(run: Callable, tmp_path) -> None:
    async def story() -> None:
        async with Scene() as scene:
            with socket.socket(socket.AF_UNIX) as door:
                door.bind(str(tmp_path / "x"))
                door.listen()
                scene.listener.listen([door.dup()])
            visitor = socket.socket(socket.AF_UNIX)
            visitor.connect(str(tmp_path / "x"))
            scene.visitors.append(visitor)
            await scene.until(lambda: bool(scene.streams))
            assert scene.streams[0].facts.peer is None

    run(story())


def test_beyond_the_most_others_wait_and_are_not_lost(run: Callable) -> None:
    async def story() -> None:
        async with Scene(most=2) as scene:
            scene.visit(4)
            await scene.until(lambda: len(scene.streams) == 2)
            await asyncio.sleep(0.1)
            assert scene.slot[ACCEPTED] == 2
            scene.visitors.pop(0).close()
            await scene.until(lambda: scene.slot[ACCEPTED] == 3)
            await asyncio.sleep(0.05)
            assert scene.slot[CONNECTIONS] == 2
            scene.visitors.pop(0).close()
            await scene.until(lambda: scene.slot[ACCEPTED] == 4)

    run(story())


class Failing:
    """A listening socket whose accept fails a number of times first."""

    def __init__(self, door: socket.socket, faults: list[int]) -> None:
        self.door = door
        self.faults = faults
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.door, name)

    def accept(self) -> tuple[socket.socket, Any]:
        self.asked += 1
        if self.faults:
            number = self.faults.pop(0)
            raise OSError(number, errno.errorcode[number])
        return self.door.accept()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_it_pauses_and_says_so_once(
    run: Callable, number: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiolistener, "_PAUSE", 0.05)

    async def story() -> None:
        scene = Scene()
        scene.door = failing = Failing(scene.door, [number] * 3)  # type: ignore[assignment]
        async with scene:
            began = time.monotonic()
            scene.visit()
            await scene.until(lambda: failing.asked > 0)
            await asyncio.sleep(0.02)
            assert failing.asked <= 1 + (time.monotonic() - began) // 0.05, "it spins"
            await scene.until(lambda: scene.slot[CONNECTIONS] == 1)

    with caplog.at_level(logging.ERROR, "crlf.server"):
        run(story())
    assert len(caplog.records) == 1
    assert "cannot accept, with 0 connections open" in caplog.text


def test_a_client_that_is_gone_already_disturbs_nobody(
    run: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        scene = Scene()
        scene.door = Failing(  # type: ignore[assignment]
            scene.door, [errno.ECONNABORTED, errno.EPROTO, errno.ENETUNREACH]
        )
        async with scene:
            scene.visit()
            await scene.until(lambda: scene.slot[CONNECTIONS] == 1)

    run(story())
    assert not caplog.records


def test_a_client_that_resets_at_once_leaves_nothing(run: Callable) -> None:
    async def story() -> None:
        async with Scene() as scene:
            for _ in range(20):
                scene.visit()
                visitor = scene.visitors.pop()
                visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                visitor.close()
            await scene.until(lambda: scene.slot[ACCEPTED] > 0)
            await scene.until(lambda: scene.slot[CONNECTIONS] == 0)

    run(story())


def test_the_descriptors_of_this_process_run_out_and_come_back(run: Callable) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def story() -> None:
        async with Scene() as scene:
            scene.visit(3)
            await scene.until(lambda: scene.slot[CONNECTIONS] == 3)
            late = socket.socket()
            scene.visitors.append(late)
            highest = max(one.fileno() for one in (late, *scene.visitors)) + 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
            try:
                filling: list[socket.socket] = []
                while True:
                    try:
                        filling.append(scene.visitors[0].dup())
                    except OSError:
                        break
                late.connect(("127.0.0.1", scene.listener.addresses[0][1]))
                await asyncio.sleep(0.1)
                assert scene.slot[ACCEPTED] == 3
                for one in filling:
                    one.close()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await scene.until(lambda: scene.slot[CONNECTIONS] == 4)

    run(story())


def test_a_loop_that_tells_no_news_accepts_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        plain = loop.add_reader

        def refuse(descriptor: Any, callback: Any, *given: Any) -> None:
            if "_accept" in str(callback):
                raise NotImplementedError
            plain(descriptor, callback, *given)

        monkeypatch.setattr(loop, "add_reader", refuse)
        async with Scene(most=2) as scene:
            scene.visit(3)
            await scene.until(lambda: scene.slot[ACCEPTED] == 2)
            await asyncio.sleep(0.05)
            assert scene.slot[ACCEPTED] == 2
            scene.visitors.pop(0).close()
            await scene.until(lambda: scene.slot[ACCEPTED] == 3)
        await asyncio.sleep(0)

    asyncio.run(story())


# -- beside others


def crowd_of(*counts: int) -> tuple[Board, Crowd]:
    """Make a board of processes that accept and have so many connections; we are the first."""
    board = Board(len(counts))
    for slot, count in zip(board, counts, strict=True):
        slot[PID], slot[READY], slot[CONNECTIONS] = 1, 1, count
        slot[BEAT] = 10**9
    return board, Crowd(board, board[0], lambda: 1.0)


@pytest.mark.parametrize(
    ("counts", "ahead"),
    [
        ((0, 0), False), ((1, 0), False), ((2, 0), True), ((17, 16), False), ((20, 16), True),
        ((18, 16), False), ((18, 16, 8), True), ((8, 16), False), ((850, 800), False),
        ((852, 800), True), ((5,), False),
    ],
)  # fmt: skip
def test_who_has_clearly_more_is_ahead(counts: tuple[int, ...], ahead: bool) -> None:
    _, crowd = crowd_of(*counts)
    assert crowd.is_ahead is ahead


@pytest.mark.parametrize("counter", [PID, READY, BEAT])
def test_who_does_not_accept_is_not_waited_for(counter: int) -> None:
    board, crowd = crowd_of(9, 0)
    board[1][counter] = 0 if counter != BEAT else -(10**10)
    assert not crowd.is_ahead


def test_who_drains_is_not_waited_for() -> None:
    board, crowd = crowd_of(9, 0)
    assert crowd.is_ahead
    board[1][DRAINING] = 1
    assert not crowd.is_ahead


def test_one_who_is_let_go_first_and_does_not_go_is_not_waited_for_again(run: Callable) -> None:
    async def story() -> None:
        board = Board(2)
        for slot in board:
            slot[PID], slot[READY], slot[BEAT] = 1, 1, time.monotonic_ns()
        crowd = Crowd(board, board[0], time.monotonic)
        async with Scene(slot=board[0], crowd=crowd) as scene:
            began = time.monotonic()
            scene.visit(30)
            await scene.until(lambda: board[0][CONNECTIONS] == 30)
            assert time.monotonic() - began < 1.0

    run(story())


def test_two_who_share_a_door_have_about_as_many_each(run: Callable) -> None:
    async def story() -> None:
        board = Board(2)
        for slot in board:
            slot[PID], slot[READY], slot[BEAT] = 1, 1, time.monotonic_ns()
        one = Scene(slot=board[0], crowd=Crowd(board, board[0], time.monotonic))
        two = Scene(slot=board[1], crowd=Crowd(board, board[1], time.monotonic))
        two.door.close()
        two.door = one.door.dup()
        async with one, two:
            one.visit(40)
            await one.until(lambda: board.total(CONNECTIONS) == 40)
            counts = [slot[CONNECTIONS] for slot in board]
            assert max(counts) <= 1.3 * min(counts), counts
            for visitor in one.visitors:
                visitor.close()

    run(story())
