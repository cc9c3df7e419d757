"""Networks in memory: the shapes of a direction, and a loop that runs only when waited for."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import ReadFailed, ReadTimeout, WriteFailed, WriteTimeout
from crlf.net.aio import in_thread
from crlf.net.memory import AsyncMemoryNetwork, MemoryNetwork
from crlf.net.memorystream import Shape, join
from crlf.net.privateloop import PrivateLoop
from crlf.net.scripted import END, RESET, STALL, UNENCRYPTED
from crlf.ports import DEFAULT_TLS, Stream


def soon() -> float:
    return time.monotonic() + 5.0


def a_moment() -> float:
    return time.monotonic() + 0.02


async def echo(stream: Stream) -> None:
    while data := await stream.read(None):
        await stream.write(data, None)


async def read_to_end(stream: Stream) -> bytes:
    pieces = []
    while data := await stream.read(soon()):
        pieces.append(data)
    return b"".join(pieces)


def play(story: Callable[[MemoryNetwork], Awaitable[None]], network: MemoryNetwork) -> None:
    """Play a blocking story on a network, and let the network go."""

    async def whole() -> None:
        try:
            await story(network)
        finally:
            await network.aclose()

    run_sync(whole())


# --- shapes --------------------------------------------------------------------------------------


async def say_ten(stream: Stream) -> None:
    await stream.write(b"0123456789", None)
    await stream.end(None)
    await stream.read(None)


@pytest.mark.parametrize("after", range(11))
def test_an_end_after_any_byte_is_an_end(after: int) -> None:
    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        assert await read_to_end(stream) == b"0123456789"[:after]
        stream.close()

    play(story, MemoryNetwork(say_ten, to_client=Shape(fault=END, after=after)))


@pytest.mark.parametrize("after", range(10))
def test_a_stall_after_any_byte_lasts_until_the_deadline(after: int) -> None:
    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        if after:
            assert await stream.read(soon()) == b"0123456789"[:after]
        with pytest.raises(ReadTimeout):
            await stream.read(time.monotonic() + 0.002)
        stream.close()

    play(story, MemoryNetwork(say_ten, to_client=Shape(fault=STALL, after=after)))


@pytest.mark.parametrize("after", range(10))
def test_a_reset_after_any_byte_breaks_both_directions(after: int) -> None:
    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        if after:
            assert await stream.read(soon()) == b"0123456789"[:after]
        with pytest.raises(ReadFailed, match="reset"):
            await stream.read(soon())
        with pytest.raises(WriteFailed, match="reset"):
            await stream.write(b"x", soon())
        stream.close()

    async def serve(stream: Stream) -> None:
        with pytest.raises((ReadFailed, WriteFailed)):
            await say_ten(stream)

    play(story, MemoryNetwork(serve, to_client=Shape(fault=RESET, after=after)))


def test_a_cut_way_to_the_server_ends_what_it_hears() -> None:
    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        await stream.write(b"question", soon())
        assert await read_to_end(stream) == b"quest"
        stream.close()

    play(story, MemoryNetwork(echo, to_server=Shape(fault=END, after=5)))


def test_pieces_are_no_larger_than_they_may_be() -> None:
    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        assert [await stream.read(soon()) for _ in range(4)] == [b"012", b"345", b"678", b"9"]
        stream.close()

    play(story, MemoryNetwork(say_ten, to_client=Shape(piece=3)))


def test_a_write_waits_for_room() -> None:
    async def main() -> None:
        here, there = join(asyncio.get_running_loop(), Shape(room=10))
        with pytest.raises(WriteTimeout):
            await here.write(b"x" * 11, a_moment())
        assert await there.read(None) == b"x" * 10
        writing = asyncio.ensure_future(here.write(b"y" * 25, soon()))
        got = b""
        while len(got) < 25:
            got += (piece := await there.read(soon()))
            assert len(piece) <= 10
        assert got == b"y" * 25
        await writing

    asyncio.run(main())


@pytest.mark.rfc("9112", "9.6")
def test_to_close_with_something_unread_loses_what_the_peer_had_not_read() -> None:
    """A server that answers without reading the request must linger, and here one sees why."""

    async def main() -> None:
        here, there = join(asyncio.get_running_loop())
        await here.write(b"a long request", None)
        await there.write(b"413", None)
        there.close()
        with pytest.raises(ReadFailed, match="reset"):
            await here.read(None)

    asyncio.run(main())


def test_to_close_with_all_read_loses_nothing() -> None:
    async def main() -> None:
        here, there = join(asyncio.get_running_loop())
        await here.write(b"a request", None)
        await there.read(None)
        await there.write(b"200", None)
        there.close()
        assert await here.read(None) == b"200"
        assert await here.read(None) == b""
        with pytest.raises(WriteFailed, match="closed by the peer"):
            await here.write(b"another", None)

    asyncio.run(main())


# --- both networks -------------------------------------------------------------------------------


def asked_over_tls(serve: Callable[[Stream], Awaitable[None]]) -> list[bytes]:
    """Ask a service "?" over https, in either colour; return what it said."""
    said = []

    async def story(network: MemoryNetwork | AsyncMemoryNetwork) -> None:
        plain = await network.connect("a.example", 443, None)
        stream = await network.start_tls(plain, DEFAULT_TLS, "a.example", None)
        assert stream.facts.tls == UNENCRYPTED
        await stream.write(b"?", soon())
        said.append(await stream.read(soon()))
        stream.close()
        await network.aclose()

    async def main() -> None:
        await story(AsyncMemoryNetwork(serve))

    run_sync(story(MemoryNetwork(serve)))
    asyncio.run(main())
    return said


def test_https_is_served_without_tls_and_both_ends_know() -> None:
    async def serve(stream: Stream) -> None:
        await stream.read(None)
        await stream.write(repr(stream.facts.tls).encode(), None)

    assert asked_over_tls(serve) == [repr(UNENCRYPTED).encode()] * 2


def test_a_service_that_looks_when_it_begins_knows_of_tls_too() -> None:
    """As a server does, which says https or http of a connection once."""
    seen = []

    async def serve(stream: Stream) -> None:
        seen.append(stream.facts.tls)
        await stream.write(await stream.read(None), None)

    assert asked_over_tls(serve) == [b"?", b"?"]
    assert seen == [UNENCRYPTED, UNENCRYPTED]


async def hang(stream: Stream) -> None:
    await stream.read(None)
    await asyncio.sleep(3600)


def test_a_service_that_hangs_is_waited_for_until_the_deadline_and_then_cut() -> None:
    async def story(network: MemoryNetwork | AsyncMemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        await stream.write(b"x", soon())
        with pytest.raises(ReadTimeout):
            await stream.read(a_moment())
        began = time.monotonic()
        stream.close()
        await network.aclose()
        assert time.monotonic() - began < 1.0

    async def main() -> None:
        await story(AsyncMemoryNetwork(hang))

    run_sync(story(MemoryNetwork(hang)))
    asyncio.run(main())


def test_what_a_service_does_after_its_answer_is_finished() -> None:
    done: list[str] = []

    async def serve(stream: Stream) -> None:
        await stream.write(await stream.read(None), None)
        await asyncio.sleep(0.01)
        done.append("log written")

    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        await stream.write(b"x", soon())
        assert await stream.read(soon()) == b"x"
        stream.close()

    play(story, MemoryNetwork(serve))
    assert done == ["log written"]


# --- the private loop ----------------------------------------------------------------------------


def test_handlers_in_threads_are_waited_for() -> None:
    async def serve(stream: Stream) -> None:
        await stream.read(None)
        name = await in_thread(lambda: threading.current_thread().name)
        await stream.write(name.encode(), None)

    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        await stream.write(b"x", soon())
        assert await stream.read(soon()) != threading.current_thread().name.encode()
        stream.close()

    play(story, MemoryNetwork(serve))


def test_threads_share_a_network_without_waiting_for_each_other() -> None:
    """Both connections are served at once, whoever drives: here each answers the other's."""
    both = threading.Barrier(2)

    async def serve(stream: Stream) -> None:
        await stream.read(None)
        await in_thread(lambda: both.wait(5.0))
        await stream.write(b"met", None)

    network = MemoryNetwork(serve)
    heard: list[bytes] = []

    async def story() -> None:
        for _ in range(20):
            stream = await network.connect("a", 1, None)
            await stream.write(b"x", soon())
            heard.append(await stream.read(soon()))
            stream.close()

    threads = [threading.Thread(target=run_sync, args=(story(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run_sync(network.aclose())
    assert heard == [b"met"] * 40


def test_a_handler_may_call_its_own_network_from_its_thread() -> None:
    async def serve(stream: Stream) -> None:
        question = await stream.read(None)
        if question == b"outer":
            answer = await in_thread(lambda: run_sync(ask(network, b"inner")))
            await stream.write(b"heard " + answer, None)
        else:
            await stream.write(question, None)

    async def story(network: MemoryNetwork) -> None:
        assert await ask(network, b"outer") == b"heard inner"

    network = MemoryNetwork(serve)
    play(story, network)


async def ask(network: MemoryNetwork, question: bytes) -> bytes:
    stream = await network.connect("a", 1, None)
    try:
        await stream.write(question, soon())
        return await stream.read(soon())
    finally:
        stream.close()


def test_the_server_gets_its_turn_before_an_idle_connection_is_looked_at() -> None:
    async def serve(stream: Stream) -> None:
        await stream.read(None)
        await stream.write(b"last", None)
        await asyncio.sleep(0)
        await stream.end(None)

    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        await stream.write(b"x", soon())
        assert await stream.read(soon()) == b"last"
        assert stream.has_arrived()
        stream.close()

    play(story, MemoryNetwork(serve))


def test_a_closed_network_is_of_no_use() -> None:
    network = MemoryNetwork(echo)
    stream = run_sync(network.connect("a", 1, None))
    run_sync(network.aclose())
    run_sync(network.aclose())
    with pytest.raises(RuntimeError, match="closed"):
        run_sync(network.connect("a", 1, None))
    with pytest.raises(RuntimeError, match="closed"):
        run_sync(stream.read(None))
    stream.close()


def test_a_network_that_was_never_used_holds_nothing() -> None:
    run_sync(MemoryNetwork(echo).aclose())


def test_inside_a_running_loop_it_says_what_to_use_instead() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="use AsyncClient"):
            await MemoryNetwork(echo).connect("a", 1, None)

    asyncio.run(main())


def test_a_service_sees_the_context_of_its_client() -> None:
    name: contextvars.ContextVar[bytes] = contextvars.ContextVar("name")

    async def serve(stream: Stream) -> None:
        await stream.read(None)
        await stream.write(name.get(), None)

    async def story(network: MemoryNetwork) -> None:
        name.set(b"of the test")
        assert await ask(network, b"?") == b"of the test"

    contextvars.copy_context().run(play, story, MemoryNetwork(serve))


def test_an_interrupted_call_leaves_the_loop_fit_for_the_next() -> None:
    async def serve(stream: Stream) -> None:
        while data := await stream.read(None):
            if data == b"interrupt":
                asyncio.get_running_loop().call_soon(interrupt)
            else:
                await stream.write(data, None)

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def story(network: MemoryNetwork) -> None:
        stream = await network.connect("a", 1, None)
        await stream.write(b"interrupt", soon())
        with pytest.raises(KeyboardInterrupt):
            await stream.read(soon())
        await stream.write(b"go on", soon())
        assert await stream.read(soon()) == b"go on"
        stream.close()

    play(story, MemoryNetwork(serve))


def test_an_error_of_work_that_was_handed_over_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two threads share a loop: the second's work fails when the first has left driving it."""

    async def lasts(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def fails() -> None:
        await asyncio.sleep(0.2)
        raise ReadFailed("broken")

    loop = PrivateLoop()
    driver = threading.Thread(target=lambda: loop.run(lasts(0.1)))
    driver.start()
    time.sleep(0.03)
    with pytest.raises(ReadFailed):
        loop.run(fails())
    driver.join()
    loop.close(lambda: lasts(0))
    gc.collect()
    assert not caplog.records
