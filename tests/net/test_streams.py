"""One set of stories for everything that claims to be a Stream (crlf/ports.py)."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import suppress

import pytest

from crlf.message.errors import ReadFailed, ReadTimeout, TransportError, WriteFailed, WriteTimeout
from crlf.ports import Stream

MUCH = bytes(range(256)) * 18_000  # 4.6 MB
MUCH_DIGEST = hashlib.sha256(MUCH).hexdigest()


def soon() -> float:
    """Return a deadline that passes only when something hangs."""
    return time.monotonic() + 8.0


async def read_exactly(stream: Stream, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (piece := await stream.read(soon())):
        data += piece
    return bytes(data)


async def until_arrived(stage, stream: Stream) -> bool:
    """Wait a while for has_arrived to be true."""
    give_up = time.monotonic() + 3.0
    while not stream.has_arrived():
        if time.monotonic() > give_up:
            return False
        await stage.pause(0.005)
    return True


async def write_often(stage, stream: Stream) -> None:
    """Write until a broken connection is noticed."""
    for _ in range(100):
        await stream.write(b"more", soon())
        await stage.pause(0.001)


async def nothing(peer) -> None:
    """Wait for our end to go."""
    with suppress(OSError, TransportError):
        await peer.receive(1)


def test_what_is_written_arrives_in_order(stage) -> None:
    async def story(stream: Stream) -> None:
        for number in range(100):
            await stream.write(b"%03d " % number, soon())
        assert await read_exactly(stream, 8) == b"received"

    async def script(peer) -> None:
        assert await peer.receive(400) == b"".join(b"%03d " % number for number in range(100))
        await peer.send(b"received")

    stage.play(story, script)


def test_pieces_of_one_byte_arrive_whole(stage) -> None:
    async def story(stream: Stream) -> None:
        assert await read_exactly(stream, 300) == bytes(range(100)) * 3
        await stream.write(b".", soon())

    async def script(peer) -> None:
        for number in bytes(range(100)) * 3:
            await peer.send(bytes([number]))
        assert await peer.receive(1) == b"."

    stage.play(story, script)


def test_much_is_written_to_a_slow_reader(stage) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(MUCH, soon())
        await stream.end(soon())
        assert await read_exactly(stream, 64) == MUCH_DIGEST.encode()

    async def script(peer) -> None:
        await peer.send((await peer.digest(slowly=True)).encode())

    stage.play(story, script)


def test_much_is_read_slowly(stage) -> None:
    async def story(stream: Stream) -> None:
        digest, reads = hashlib.sha256(), 0
        while piece := await stream.read(soon()):
            digest.update(piece)
            reads += 1
            if reads % 16 == 0:
                await stage.pause(0.001)
        assert digest.hexdigest() == MUCH_DIGEST

    async def script(peer) -> None:
        await peer.send(MUCH)
        await peer.end()
        await nothing(peer)

    stage.play(story, script)


def test_nothing_is_written_by_an_empty_write(stage) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(b"", soon())
        await stream.write(b"a", soon())
        await stream.write(b"", soon())
        await stream.end(soon())
        assert await read_exactly(stream, 1) == b"!"

    async def script(peer) -> None:
        assert await peer.receive(9) == b"a"
        await peer.send(b"!")

    stage.play(story, script)


def test_the_end_is_read_again_and_again(stage) -> None:
    async def story(stream: Stream) -> None:
        assert await read_exactly(stream, 4) == b"last"
        for _ in range(3):
            assert await stream.read(soon()) == b""
            assert stream.has_arrived()

    async def script(peer) -> None:
        await peer.send(b"last")
        await peer.end()
        await nothing(peer)

    stage.play(story, script)


@pytest.mark.rfc("9112", "9.6")
def test_reading_goes_on_after_our_end(stage) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(b"question", soon())
        await stream.end(soon())
        await stream.end(soon())
        assert await read_exactly(stream, 6) == b"answer"
        assert await stream.read(soon()) == b""
        with pytest.raises(WriteFailed):
            await stream.write(b"more", soon())

    async def script(peer) -> None:
        assert await peer.receive(99) == b"question"
        await peer.send(b"answer")
        await peer.end()

    stage.play(story, script)


def test_what_arrived_before_our_end_is_not_lost(stage) -> None:
    async def story(stream: Stream) -> None:
        assert await until_arrived(stage, stream)
        await stream.end(soon())
        assert await read_exactly(stream, 100_000) == b"x" * 100_000
        assert await stream.read(soon()) == b""

    async def script(peer) -> None:
        await peer.send(b"x" * 100_000)
        assert await peer.receive(1) == b""
        await peer.end()

    stage.play(story, script)


def test_writing_goes_on_after_the_peers_end(stage) -> None:
    async def story(stream: Stream) -> None:
        assert await stream.read(soon()) == b""
        await stream.write(b"still here", soon())
        await stream.end(soon())

    async def script(peer) -> None:
        await peer.end()
        assert await peer.receive(99) == b"still here"

    stage.play(story, script)


def test_a_closed_stream_is_of_no_use_and_says_so(stage) -> None:
    async def story(stream: Stream) -> None:
        assert await until_arrived(stage, stream)
        stream.close()
        stream.close()
        assert stream.has_arrived()
        with pytest.raises(ReadFailed, match="closed by us"):
            await stream.read(soon())
        with pytest.raises(ReadFailed, match="closed by us"):
            await stream.read(None)
        with pytest.raises(WriteFailed):
            await stream.write(b"more", soon())
        await stream.end(soon())

    async def script(peer) -> None:
        await peer.send(b"unread")
        await nothing(peer)

    stage.play(story, script)


def test_a_reset_is_never_taken_for_an_end(stage) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(b"go", soon())
        for _ in range(2):
            with pytest.raises(ReadFailed):
                await stream.read(soon())
        with pytest.raises(WriteFailed):
            await write_often(stage, stream)
        with pytest.raises(ReadFailed):
            await stream.read(soon())

    async def script(peer) -> None:
        await peer.receive(2)
        peer.reset()

    stage.play(story, script)


def test_a_reset_that_a_write_notices_is_no_end_either(stage) -> None:
    async def story(stream: Stream) -> None:
        await stream.write(b"go", soon())
        with pytest.raises(WriteFailed):
            await write_often(stage, stream)
        for _ in range(2):
            with pytest.raises(ReadFailed):
                await stream.read(soon())

    async def script(peer) -> None:
        await peer.receive(2)
        peer.reset()

    stage.play(story, script)


def test_an_answer_can_be_read_after_a_write_failed(stage) -> None:
    """A server may answer and close before it has read all (RFC 9112 9.6)."""

    async def story(stream: Stream) -> None:
        await stream.write(b"go", soon())
        assert await until_arrived(stage, stream)
        await stage.pause(0.03)
        with pytest.raises(WriteFailed):
            await write_often(stage, stream)
        assert await read_exactly(stream, 6) == b"enough"

    async def script(peer) -> None:
        assert await peer.receive(2) == b"go"
        await peer.send(b"enough")
        await peer.end()
        peer.close()

    stage.play(story, script)


def test_a_read_gives_up_at_its_deadline_and_the_stream_goes_on(stage) -> None:
    async def story(stream: Stream) -> None:
        for seconds in (0.02, 0.05):
            began = time.monotonic()
            with pytest.raises(ReadTimeout):
                await stream.read(began + seconds)
            assert seconds - 0.002 <= time.monotonic() - began <= seconds + 0.2
        await stream.write(b"go", soon())
        # The short deadline of before must not cut a longer one.
        assert await read_exactly(stream, 2) == b"on"

    async def script(peer) -> None:
        assert await peer.receive(2) == b"go"
        await peer.pause(0.08)
        await peer.send(b"on")
        await nothing(peer)

    stage.play(story, script)


def test_a_deadline_that_has_passed_waits_for_nothing(stage) -> None:
    async def story(stream: Stream) -> None:
        began = time.monotonic()
        with pytest.raises(ReadTimeout):
            await stream.read(began - 1.0)
        assert time.monotonic() - began < 0.2

    stage.play(story, nothing)


def test_a_read_without_a_deadline_waits(stage) -> None:
    async def story(stream: Stream) -> None:
        with pytest.raises(ReadTimeout):
            await stream.read(time.monotonic() + 0.01)
        await stream.write(b"go", None)
        assert await stream.read(None) == b"on"

    async def script(peer) -> None:
        await peer.receive(2)
        await peer.pause(0.04)
        await peer.send(b"on")
        await nothing(peer)

    stage.play(story, script)


def test_a_write_gives_up_when_nobody_reads(stage) -> None:
    async def story(stream: Stream) -> None:
        began = time.monotonic()
        with pytest.raises(WriteTimeout):
            await stream.write(MUCH * 6, began + 0.08)
        assert 0.07 <= time.monotonic() - began < 1.0
        stream.close()

    async def script(peer) -> None:
        await peer.pause(0.15)

    stage.play(story, script)


def test_what_has_arrived_is_known_before_it_is_read(stage) -> None:
    async def story(stream: Stream) -> None:
        assert not stream.has_arrived()
        for _ in range(3):
            await stream.write(b"go", soon())
            assert await until_arrived(stage, stream)
            assert await stream.read(soon()) == b"on"
            assert not stream.has_arrived()
        await stream.write(b"go", soon())
        assert await until_arrived(stage, stream)
        assert await stream.read(soon()) == b""

    async def script(peer) -> None:
        for _ in range(3):
            assert await peer.receive(2) == b"go"
            await peer.send(b"on")
        assert await peer.receive(2) == b"go"
        await peer.end()
        await nothing(peer)

    stage.play(story, script)


def test_a_stream_knows_who_is_at_its_ends(stage) -> None:
    async def story(stream: Stream) -> None:
        facts = stream.facts
        if stage.in_memory:
            assert (facts.peer, facts.local) == (None, None)
            assert await read_exactly(stream, 2) == b"hi"
        else:
            ours = f"{facts.local} {facts.peer}".encode()
            assert await read_exactly(stream, len(ours)) == ours
        if stage.settings is None:
            assert facts.tls is None
        else:
            assert facts.tls is not None
            assert facts.tls.version in ("TLSv1.2", "TLSv1.3")
            assert facts.tls.alpn == "http/1.1"
            assert facts.tls.cipher

    async def script(peer) -> None:
        if stage.in_memory:
            await peer.send(b"hi")
        else:
            plain = peer.wire.socket
            await peer.send(f"{plain.getpeername()} {plain.getsockname()}".encode())
        await nothing(peer)

    stage.play(story, script)


def test_a_cancelled_read_loses_nothing(stage) -> None:
    if not stage.is_aio:
        pytest.skip("a blocking read cannot be cancelled")

    async def story(stream: Stream) -> None:
        for _ in range(2):
            reading = asyncio.ensure_future(stream.read(soon()))
            await asyncio.sleep(0.01)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        await stream.write(b"go", soon())
        assert await read_exactly(stream, 2) == b"on"

    async def script(peer) -> None:
        assert await peer.receive(2) == b"go"
        await peer.send(b"on")
        await nothing(peer)

    stage.play(story, script)
