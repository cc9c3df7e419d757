"""Files that streams send: by the kernel where there is a plain socket, in pieces elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import LocalError, TransportError, WriteFailed, WriteTimeout
from crlf.net import sendfile
from crlf.net.aio import AioNetwork
from crlf.net.aiostream import AioStream
from crlf.net.blocking import BlockingStream
from crlf.ports import Stream

pytestmark = pytest.mark.timeout(60)

MUCH = bytes(range(256)) * 18_000  # 4.6 MB
DIGEST = hashlib.sha256(MUCH).hexdigest()


def soon() -> float:
    return time.monotonic() + 8.0


def made(content: bytes) -> int:
    """Write a file that is gone when its descriptor is closed."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())


@pytest.fixture
def much() -> Iterator[int]:
    descriptor = made(MUCH)
    yield descriptor
    os.close(descriptor)


async def nothing(peer: Any) -> None:
    """Wait for our end to go."""
    with suppress(OSError, TransportError):
        await peer.receive(1)


async def greeting(peer: Any) -> None:
    """Say something, so that both ends are there before one goes."""
    await peer.send(b".")
    await nothing(peer)


async def send_often(stream: Stream, times: int, descriptor: int, deadline_of: Any = soon) -> None:
    for _ in range(times):
        await stream.send_file(descriptor, 0, len(MUCH), deadline_of)


# --- every kind of stream ------------------------------------------------------------------------


def test_only_plain_sockets_leave_files_to_the_kernel(stage) -> None:
    async def story(stream: Stream) -> None:
        assert stream.sends_files == (stage.name in ("blocking", "aio", "uvloop"))
        await stream.read(soon())

    stage.play(story, greeting)


def test_a_file_goes_between_what_is_written_before_and_after(stage, much: int) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(b"head", soon())
        await stream.send_file(much, 0, len(MUCH), soon)
        await stream.write(b"tail", soon())
        await stream.end(soon())
        assert await stream.read(soon()) == hashlib.sha256(b"head" + MUCH + b"tail").digest()

    async def script(peer) -> None:
        await peer.send(bytes.fromhex(await peer.digest(slowly=True)))

    stage.play(story, script)


def test_a_part_of_a_file_is_sent_from_where_it_begins(stage, much: int) -> None:
    async def story(stream: Stream) -> None:
        await stream.send_file(much, 300, 4, soon)
        await stream.send_file(much, 0, 0, soon)
        await stream.send_file(much, len(MUCH) - 2, 2, soon)
        assert os.lseek(much, 0, os.SEEK_CUR) == len(MUCH)  # whoever reads it is not disturbed
        await stream.read(soon())

    async def script(peer) -> None:
        assert await peer.receive(6) == b"\x2c\x2d\x2e\x2f\xfe\xff"
        await peer.send(b".")

    stage.play(story, script)


@pytest.mark.rfc("9110", "8.6")
@pytest.mark.parametrize("size", [0, 9, len(MUCH)])
def test_a_file_that_shrank_is_a_fault_of_ours(stage, size: int) -> None:
    descriptor = made(MUCH[:size])

    async def story(stream: Stream) -> None:
        await stream.read(soon())
        with pytest.raises(LocalError, match="1 bytes before its promised length"):
            await stream.send_file(descriptor, 0, size + 1, soon)

    async def script(peer) -> None:
        await peer.send(b".")
        with suppress(OSError, TransportError):
            await peer.digest()

    try:
        stage.play(story, script)
    finally:
        os.close(descriptor)


def test_a_file_is_given_up_when_nobody_reads(stage, much: int) -> None:
    async def story(stream: Stream) -> None:
        began = time.monotonic()
        with pytest.raises(WriteTimeout):
            await send_often(stream, 6, much, lambda: began + 0.1)
        assert 0.09 <= time.monotonic() - began < 1.0
        stream.close()

    async def script(peer) -> None:
        await peer.pause(0.2)

    stage.play(story, script)


def test_progress_gives_more_time(stage, much: int) -> None:
    if stage.in_memory or stage.settings is not None:
        pytest.skip("each piece of its own is a write, which has a test")

    async def story(stream: Stream) -> None:
        began = time.monotonic()
        await send_often(stream, 3, much, lambda: time.monotonic() + 0.25)
        await stream.end(soon())
        await stream.read(soon())
        assert time.monotonic() - began > 0.5

    async def script(peer) -> None:
        for _ in range(20):  # 0.6 s, never 0.25 s without a byte
            await peer.receive(MUCH_AT_ONCE)
            await peer.pause(0.03)
        await peer.digest()
        await peer.send(b".")

    stage.play(story, script)


MUCH_AT_ONCE = 3 * len(MUCH) // 20


def test_a_peer_that_is_gone_is_noticed(stage, much: int) -> None:
    async def story(stream: Stream) -> None:
        await stream.read(soon())
        with pytest.raises(WriteFailed):
            await send_often(stream, 50, much)

    async def script(peer) -> None:
        await peer.send(b".")
        await peer.receive(10)
        peer.reset()

    stage.play(story, script)


def test_a_stream_that_was_closed_sends_no_file(stage, much: int) -> None:
    async def story(stream: Stream) -> None:
        await stream.read(soon())
        stream.close()
        with pytest.raises(WriteFailed):
            await stream.send_file(much, 0, 10, soon)

    stage.play(story, greeting)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
def test_what_the_kernel_does_not_send_is_read(stage) -> None:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    begins = os.pread(descriptor, 5, 0)

    async def story(stream: Stream) -> None:
        await stream.send_file(descriptor, 0, 5, soon)
        await stream.read(soon())

    async def script(peer) -> None:
        assert await peer.receive(5) == begins
        await peer.send(b".")

    try:
        stage.play(story, script)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("fault", ["EINVAL", "EOPNOTSUPP", "ENOSYS"])
def test_a_file_is_read_where_the_kernel_says_no(stage, much, monkeypatch, fault: str) -> None:
    import errno

    def refuse(*_: object) -> int:
        raise OSError(getattr(errno, fault), "no")

    monkeypatch.setattr(os, "sendfile", refuse)

    async def story(stream: Stream) -> None:
        await stream.send_file(much, 0, len(MUCH), soon)
        await stream.end(soon())
        await stream.read(soon())

    async def script(peer) -> None:
        assert await peer.digest() == DIGEST
        await peer.send(b".")

    stage.play(story, script)


def test_where_a_signal_would_end_us_files_are_written(stage, much, monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(os, "sendfile", lambda *words: calls.append(words))
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    async def story(stream: Stream) -> None:
        await stream.send_file(much, 0, 300, soon)
        await stream.read(soon())

    async def script(peer) -> None:
        assert await peer.receive(300) == MUCH[:300]
        await peer.send(b".")

    try:
        stage.play(story, script)
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert calls == []


# --- one call ------------------------------------------------------------------------------------


def test_no_call_takes_more_than_its_share(monkeypatch) -> None:
    asked = []

    def send(out: int, source: int, offset: int, count: int) -> int:
        asked.append(count)
        return count

    monkeypatch.setattr(os, "sendfile", send)
    assert sendfile.send_some(1, 2, 0, 10**9) == 2 * 1024 * 1024
    assert sendfile.send_some(1, 2, 0, 5) == 5
    assert asked == [2 * 1024 * 1024, 5]


def test_a_socket_that_waits_elsewhere_is_written_to(much: int) -> None:
    """Gevent's sockets, say: the kernel's call would hold up all of its greenlets."""

    class Patched:
        def __init__(self, plain: socket.socket) -> None:
            self.plain = plain
            self.sendall = plain.sendall

        def __getattr__(self, name: str) -> Any:
            return getattr(self.plain, name)

    here, there = socket.socketpair()
    with here, there:
        stream = BlockingStream(Patched(here))  # type: ignore[arg-type]  # it quacks like one
        assert not stream.sends_files
        run_sync(stream.send_file(much, 0, 100, soon))
        assert there.recv(200) == MUCH[:100]


# --- on a loop -----------------------------------------------------------------------------------


def loops() -> list[Any]:
    def uvloops() -> asyncio.AbstractEventLoop:
        return pytest.importorskip("uvloop").new_event_loop()

    return [
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(uvloops, id="uvloop"),
    ]


@pytest.fixture(params=loops())
def play(request) -> Callable[[Callable[[AioStream, socket.socket], Awaitable[None]]], None]:
    """Run a story with a stream on a loop, and the plain socket at its other end."""

    def run(story: Callable[[AioStream, socket.socket], Awaitable[None]]) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                stream = await AioNetwork().connect("127.0.0.1", listener.getsockname()[1], soon())
                peer = listener.accept()[0]
            peer.setblocking(False)
            with peer:
                assert isinstance(stream, AioStream)
                try:
                    await story(stream, peer)
                finally:
                    stream.close()
                    await asyncio.sleep(0)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return run


async def received(peer: socket.socket, count: int) -> bytes:
    data = bytearray()
    loop = asyncio.get_running_loop()
    while len(data) < count and (piece := await loop.sock_recv(peer, 65536)):
        data += piece
    return bytes(data)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc")


@needs_proc
def test_a_cancelled_file_lets_go_of_the_connection(play, much: int) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        before = descriptors()
        sending = asyncio.ensure_future(stream.send_file(much, 0, len(MUCH), soon))
        again = asyncio.ensure_future(stream.send_file(much, 0, len(MUCH), soon))
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError, match="two files at once"):
            await again
        with pytest.raises(RuntimeError, match="in the midst of a file"):
            await stream.write(b"x", soon())
        assert descriptors() == before + 1
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert descriptors() == before
        stream.close()
        with suppress(ConnectionError):
            while await received(peer, 65536):  # the end comes: no copy holds it open
                pass

    play(story)


@needs_proc
def test_closing_ends_a_file_on_its_way_at_once(play, much: int) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        before = descriptors()
        sending = asyncio.ensure_future(stream.send_file(much, 0, len(MUCH), lambda: None))
        await asyncio.sleep(0.05)
        stream.close()
        with pytest.raises(WriteFailed, match="closed by us"):
            await sending
        assert descriptors() <= before

    play(story)


def test_a_file_gives_others_a_turn(play, much: int) -> None:
    """A peer that reads as fast as we send must not keep the loop to itself."""

    async def story(stream: AioStream, peer: socket.socket) -> None:
        reading = asyncio.ensure_future(received(peer, 4 * len(MUCH)))
        sending = asyncio.ensure_future(asyncio.wait_for(send_often(stream, 4, much), 10))
        turns = 0
        while not sending.done():
            turns += 1
            await asyncio.sleep(0)
        await sending
        assert len(await reading) == 4 * len(MUCH)
        assert turns >= 8  # one for every two mebibytes at least

    play(story)


def test_one_task_reads_while_another_sends_a_file(play, much: int) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        reading = asyncio.ensure_future(stream.read(soon()))
        sending = asyncio.ensure_future(stream.send_file(much, 0, len(MUCH), soon))
        await asyncio.sleep(0.02)
        await asyncio.get_running_loop().sock_sendall(peer, b"stop")
        assert await reading == b"stop"
        assert not sending.done()
        assert hashlib.sha256(await received(peer, len(MUCH))).hexdigest() == DIGEST
        await sending

    play(story)


def test_one_task_reads_while_another_writes(play) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        writing = asyncio.ensure_future(stream.write(MUCH, soon()))
        reading = asyncio.ensure_future(stream.read(soon()))
        await asyncio.sleep(0.02)
        assert not writing.done()
        await asyncio.get_running_loop().sock_sendall(peer, b"one")
        assert await reading == b"one"
        reading = asyncio.ensure_future(stream.read(soon()))
        assert await received(peer, len(MUCH)) == MUCH
        await writing
        await asyncio.sleep(0.01)
        assert not reading.done()
        await asyncio.get_running_loop().sock_sendall(peer, b"two")
        assert await reading == b"two"

    play(story)


def test_each_of_the_two_has_its_own_deadline(play) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        began = time.monotonic()
        writing = asyncio.ensure_future(stream.write(MUCH * 4, began + 0.15))
        with pytest.raises(TransportError, match="nothing arrived"):
            await stream.read(began + 0.05)
        assert not writing.done()
        reading = asyncio.ensure_future(stream.read(began + 5))
        with pytest.raises(WriteTimeout):
            await writing
        await asyncio.sleep(0.01)
        assert not reading.done()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    play(story)


def test_two_that_write_are_heard_in_their_order(play) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        writers = [
            asyncio.ensure_future(stream.write(letter * 2_000_000, soon()))
            for letter in (b"a", b"b", b"c")
        ]
        await asyncio.sleep(0.02)
        writers[1].cancel()
        data = await received(peer, 6_000_000)
        assert data == b"a" * 2_000_000 + b"b" * 2_000_000 + b"c" * 2_000_000
        done = await asyncio.gather(*writers, return_exceptions=True)
        assert [type(one) for one in done] == [type(None), asyncio.CancelledError, type(None)]

    play(story)


def test_two_that_read_are_told_so(play) -> None:
    async def story(stream: AioStream, peer: socket.socket) -> None:
        reading = asyncio.ensure_future(stream.read(soon()))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks wait"):
            await stream.read(soon())
        reading.cancel()

    play(story)
