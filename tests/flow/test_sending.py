"""From a client's call to its response: time in all, cancellation, colours, and odd servers.

What the flows do byte by byte is looked at in test_exchange.py; here whole clients are, on
scripts, in memory and on sockets.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.client.core import Core
from crlf.client.inside import memory_network
from crlf.client.options import ClientSettings
from crlf.message.errors import (
    CrlfError,
    PoolTimeout,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    TooLarge,
    TooManyRedirects,
    TotalTimeout,
    WriteFailed,
    WriteTimeout,
)
from crlf.message.request import Request
from crlf.net.aiostream import AioStream
from crlf.net.loops import new_loop
from crlf.net.memorystream import Shape
from crlf.net.scripted import END, STALL, Fault, Item, ScriptedNetwork, ScriptedStream
from crlf.net.sweep import Sweep
from crlf.rules.cookiejar import CookieJar
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits
from crlf.server import App
from crlf.wire.limits import Limits

URL = "http://a.example/"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def redirect_to(path: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: " + path + b"\r\nContent-Length: 4\r\n\r\ngone"


def client_on(*scripts: list[Item], timeout: Timeout | float | None = 60.0) -> Client:
    network = ScriptedNetwork([ScriptedStream(script) for script in scripts])
    return Client(network=network, timeout=timeout)


def open_places(client: Client | AsyncClient) -> int:
    return client._core._pool._ledger.total


def on_a_loop(story: Callable[[], object], *, debug: bool = False) -> None:
    with asyncio.Runner(loop_factory=new_loop, debug=debug) as runner:
        runner.run(story())  # type: ignore[arg-type]


# --- time in all ---------------------------------------------------------------------------------


def test_the_total_covers_every_hop_of_a_redirect() -> None:
    script: list[Item] = []
    for number in range(8):
        script += [9.0, redirect_to(b"/%d" % number)]
    client = client_on(script, timeout=Timeout(read=10.0, total=40.0))
    with pytest.raises(TotalTimeout) as caught:
        client.get(URL)
    assert caught.value.seconds == 40.0
    assert isinstance(caught.value.request, Request)
    assert caught.value.request.path == "/3"
    assert open_places(client) == 0


def test_the_total_covers_the_time_before_a_second_try() -> None:
    client = client_on([PLAIN, 20.0, END], [25.0, PLAIN], timeout=Timeout(read=30.0, total=40.0))
    client.get(URL)
    with pytest.raises(TotalTimeout):
        client.get(URL)


def test_a_number_is_the_time_for_everything() -> None:
    client = client_on([STALL], timeout=2.5)
    with pytest.raises(TotalTimeout) as caught:
        client.get(URL)
    assert caught.value.seconds == 2.5
    with pytest.raises(TotalTimeout) as caught:
        client_on([STALL]).get(URL, timeout=1.5)
    assert caught.value.seconds == 1.5


@pytest.mark.parametrize("seconds", [0, -1, -0.5])
def test_no_time_at_all_is_wrong_use(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        client_on([PLAIN], timeout=seconds)


def test_a_streamed_response_may_take_as_long_as_it_flows() -> None:
    script: list[Item] = [b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"]
    for _ in range(20):
        script += [9.0, b"x"]
    client = client_on(script, timeout=Timeout(read=10.0, total=20.0))
    with client.stream("GET", URL) as response:
        assert response.read() == b"x" * 20
    client = client_on([*script[:5], STALL], timeout=Timeout(read=10.0, total=20.0))
    with client.stream("GET", URL) as response, pytest.raises(ReadTimeout) as caught:
        response.read()
    assert caught.value.seconds == 10.0


def test_a_redirect_of_which_little_is_left_costs_no_connection() -> None:
    stream = ScriptedStream([redirect_to(b"/x"), 1.0, PLAIN])
    client = Client(network=ScriptedNetwork([stream]))
    with client.stream("GET", URL) as response:
        assert response.read() == b"ok"
        assert response.url.path == "/x"
        assert [hop.status_code for hop in response.history] == [302]
    assert open_places(client) == 1


def test_a_redirect_that_is_long_costs_its_connection_and_no_more() -> None:
    long = redirect_to(b"/x").replace(b"Content-Length: 4", b"Content-Length: 99999999")
    assert b"99999999" in long
    first = ScriptedStream([long])
    client = Client(network=ScriptedNetwork([first, ScriptedStream([PLAIN])]))
    with client.stream("GET", URL) as response:
        assert response.read() == b"ok"
        assert first.is_closed
    assert open_places(client) == 1


def test_too_many_redirects_leave_nothing_open() -> None:
    script: list[Item] = []
    for number in range(20):
        script += [1.0, redirect_to(b"/%d" % number)]
    stream = ScriptedStream(script)
    client = Client(network=ScriptedNetwork([stream]))
    with pytest.raises(TooManyRedirects) as caught, client.stream("GET", URL):
        pass
    assert open_places(client) == 1  # idle: what each redirect said was read
    client.close()
    assert open_places(client) == 0
    assert (caught.value.phase, caught.value.seconds) == ("redirect", 11.0)
    assert isinstance(caught.value.request, Request)
    assert stream.is_closed


def test_a_circle_of_redirects_says_how_long_it_went_on() -> None:
    script: list[Item] = []
    for _ in range(11):
        script += [2.0, redirect_to(b"/")]
    client = client_on(script)
    with pytest.raises(TooManyRedirects, match="circle") as caught:
        client.get(URL)
    assert (caught.value.phase, caught.value.seconds) == ("redirect", 22.0)
    assert isinstance(caught.value.request, Request)


@pytest.mark.parametrize("size", [999, 1000, 1001])
def test_a_stream_that_is_read_whole_has_the_limit_of_a_whole_response(size: int) -> None:
    client = client_on([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size])
    options = ClientSettings(limits=Limits(body=1000))
    client._core = Core(options, client._core.network, CookieJar())
    with client.stream("GET", URL) as response:
        if size <= 1000:
            assert len(response.read()) == size
            return
        with pytest.raises(TooLarge) as caught:
            response.read()
    assert caught.value.phase == "read"
    assert caught.value.seconds == 0.0
    assert isinstance(caught.value.request, Request)
    assert open_places(client) == 0


# --- each phase, on real sockets -----------------------------------------------------------------


@contextmanager
def deaf_server(reply: bytes = b"") -> Iterator[str]:
    """A server that accepts, may say something, and then neither reads nor writes."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            held.append(accepted)
            accepted.sendall(reply)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for accepted in held:
            accepted.close()


PHASES = [
    (Timeout(read=0.1, total=None), b"", ReadTimeout, "read"),
    (Timeout(write=0.1, total=None), b"x" * 30_000_000, WriteTimeout, "write"),
    (Timeout(total=0.1), b"", TotalTimeout, "read"),
    (Timeout(total=0.1), b"x" * 30_000_000, TotalTimeout, "write"),
]


@pytest.mark.parametrize(("timeout", "content", "kind", "phase"), PHASES)
def test_a_blocking_client_is_late_in_time(
    timeout: Timeout, content: bytes, kind: type[CrlfError], phase: str
) -> None:
    with deaf_server() as url, Client(timeout=timeout) as client:
        began = time.monotonic()
        with pytest.raises(kind) as caught:
            client.post(url, content=content)
        check_late(caught.value, kind, phase, time.monotonic() - began)
        assert open_places(client) == 0


@pytest.mark.parametrize(("timeout", "content", "kind", "phase"), PHASES)
def test_an_asynchronous_client_is_late_in_time(
    timeout: Timeout, content: bytes, kind: type[CrlfError], phase: str
) -> None:
    async def story() -> None:
        async with AsyncClient(timeout=timeout) as client:
            began = time.monotonic()
            with pytest.raises(kind) as caught:
                await client.post(url, content=content)
            check_late(caught.value, kind, phase, time.monotonic() - began)
            assert open_places(client) == 0

    with deaf_server() as url:
        on_a_loop(story)


def check_late(error: CrlfError, kind: type[CrlfError], phase: str, spent: float) -> None:
    assert type(error) is kind
    assert error.phase == phase
    assert error.seconds is not None
    assert 0.09 <= error.seconds <= spent + 0.01
    assert spent < 2.0
    assert isinstance(error.request, Request)
    assert "POST" in repr(error.request)


def test_a_full_pool_is_a_timeout_of_its_own() -> None:
    limits = PoolLimits(per_host=1)
    timeout = Timeout(pool=0.1, read=5.0, total=None)

    async def story() -> None:
        async with AsyncClient(timeout=timeout, pool=limits) as client:
            first = asyncio.create_task(client.get(url))
            await asyncio.sleep(0.02)
            with pytest.raises(PoolTimeout) as caught:
                await client.get(url)
            assert caught.value.phase == "pool"
            assert isinstance(caught.value.request, Request)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    with deaf_server() as url:
        on_a_loop(story)


# --- odd servers ---------------------------------------------------------------------------------


@contextmanager
def unasked_server() -> Iterator[str]:
    """A server that answers each request, and the first once more than it was asked."""
    listening = socket.create_server(("127.0.0.1", 0))
    workers: list[threading.Thread] = []

    def serve(accepted: socket.socket) -> None:
        with accepted, suppress(ConnectionError):
            accepted.settimeout(5)
            if accepted.recv(65536):
                accepted.sendall(PLAIN)
                time.sleep(0.03)
                accepted.sendall(PLAIN.replace(b"ok", b"no"))
            while accepted.recv(65536):
                accepted.sendall(PLAIN)

    def accept() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            workers.append(threading.Thread(target=serve, args=(accepted,)))
            workers[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for worker in workers:
            worker.join()


@pytest.mark.rfc("9112", "9.2")
def test_an_answer_that_nobody_asked_for_is_not_given_to_the_next_request() -> None:
    with unasked_server() as url, Client() as client:
        assert client.get(url).text == "ok"
        time.sleep(0.1)
        assert client.get(url).text == "ok"


@pytest.mark.rfc("9112", "9.2")
@pytest.mark.parametrize(
    "pause",
    [asyncio.sleep, time.sleep],
)
def test_nor_on_a_loop_whatever_that_was_busy_with(pause: Callable[[float], object]) -> None:
    async def story() -> None:
        async with AsyncClient() as client:
            assert (await client.get(url)).text == "ok"
            waited = pause(0.1)
            if waited is not None:
                await waited  # type: ignore[misc]
            assert (await client.get(url)).text == "ok"

    with unasked_server() as url:
        on_a_loop(story)


def test_a_connection_is_lost_once() -> None:
    """The answer is there before the last write is through, and ends the connection at once."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    size = 8_000_000

    def serve() -> None:
        accepted, _ = listening.accept()
        with accepted, suppress(ConnectionError):
            accepted.sendall(PLAIN.replace(b"200 OK", b"413 No\r\nConnection: close"))
            left = size
            while left > 0 and (data := accepted.recv(65536)):
                left -= len(data)

    complaints: list[str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        async with AsyncClient() as client:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            response = await client.post(url, content=b"x" * size)
            assert response.status_code == 413
        await asyncio.sleep(0.01)

    worker = threading.Thread(target=serve)
    worker.start()
    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(story())
    finally:
        worker.join()
        listening.close()
    assert complaints == []


class Taking(asyncio.Transport):
    """A transport whose kernel takes whatever it is given."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def write(self, data: object) -> None:
        return None

    def abort(self) -> None:
        return None


def test_who_takes_everything_at_once_leaves_turns_to_others() -> None:
    async def story() -> int:
        loop = asyncio.get_running_loop()
        stream = AioStream(loop, Sweep(loop))
        stream.connection_made(Taking())
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        for _ in range(1000):
            await stream.write(b"x" * 65536, None)
        counting.cancel()
        stream.close()
        return turns

    assert asyncio.run(story()) >= 16  # one for each 4 MiB, at the least


# --- a fault at every byte between a client and an application -----------------------------------


def outcome_of(app: App, content: object, way: str, shape: Shape) -> str:
    """Post over a connection that breaks, and name what came of it."""
    network = memory_network(app)
    setattr(network, way, shape)
    with Client(network=network, timeout=Timeout(read=0.5)) as client:
        try:
            response = client.post(URL, content=content)  # type: ignore[arg-type]
        except (RemoteError, ReadFailed, WriteFailed) as error:
            is_complete = isinstance(error.request, Request) and error.phase in ("read", "write")
            return type(error).__name__ if is_complete else repr(error)
    # A request that was cut short may still be answered: it is bad.
    is_whole = response.text == "hello " * 20
    return f"{response.status_code}, {'whole' if is_whole else 'a page'}"


@pytest.mark.parametrize("content", [b"x" * 300, [b"x" * 100, b"x" * 200]])
def test_whatever_breaks_between_client_and_application_is_an_error_or_the_answer(
    content: object,
) -> None:
    """Real engines at both ends, real bytes, and a connection that breaks after each of them."""
    seen: list[bytes] = []
    app = App()

    @app.post("/")
    async def receive(request: Request) -> str:
        seen.append(request.content)
        return "hello " * 20

    outcomes = {
        outcome_of(app, content, way, Shape(fault=fault, after=after))
        for fault in (Fault.END, Fault.RESET)
        for after in range(0, 800, 7)
        for way in ("to_server", "to_client")
    }
    assert outcomes >= {"200, whole", "400, a page", "RemoteError", "ReadFailed"}
    assert outcomes <= {"200, whole", "400, a page", "RemoteError", "ReadFailed", "WriteFailed"}
    assert set(seen) == {b"x" * 300}


# --- cancelled, and what was open ----------------------------------------------------------------


def receiver() -> App:
    app = App()

    @app.post("/")
    async def receive(request: Request) -> str:
        return str(len(request.content))

    return app


class SlowFile(io.BytesIO):
    """A file on a slow disk; a thread that reads it cannot be stopped."""

    def __init__(self) -> None:
        super().__init__(b"x" * 1_000_000)
        self.is_read = threading.Event()
        self.may_go_on = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.is_read.set()
        self.may_go_on.wait(5)
        return super().read(size)


def test_a_client_that_is_cancelled_while_a_thread_reads_its_file_goes_at_once() -> None:
    async def story() -> None:
        file = SlowFile()
        async with AsyncClient(app=receiver()) as client:
            task = asyncio.create_task(client.post(URL, content=file))
            while not file.is_read.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 1.0
            assert open_places(client) == 0
            file.may_go_on.set()
            await asyncio.sleep(0.01)
            assert not file.closed  # it is its caller's
            file.seek(0)
            assert (await client.post(URL, content=file)).text == "1000000"

    on_a_loop(story)


def test_a_client_that_is_cancelled_closes_the_body_that_it_waited_for() -> None:
    closed: list[bool] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def story() -> None:
        async with AsyncClient(app=receiver()) as client:
            task = asyncio.create_task(client.post(URL, content=pieces()))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert closed == [True]
            assert open_places(client) == 0

    on_a_loop(story)


def test_a_stream_that_is_cancelled_or_left_lets_its_connection_go() -> None:
    app = App()

    @app.get("/")
    async def endless(request: Request) -> object:
        from crlf.server import stream

        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)

        return stream(pieces())

    async def story() -> None:
        async with AsyncClient(app=app) as client:

            async def read() -> None:
                async with client.stream("GET", URL) as response:
                    async for _ in response.iter_bytes():
                        pass

            task = asyncio.create_task(read())
            await asyncio.sleep(0.02)
            assert open_places(client) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert open_places(client) == 0
            async with client.stream("GET", URL) as response:
                async for _ in response.iter_bytes():
                    break
            assert open_places(client) == 0

    on_a_loop(story)


# --- colours -------------------------------------------------------------------------------------


def test_a_blocking_client_takes_an_asynchronous_body_that_never_waits() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    with Client(app=receiver()) as client:
        assert client.post(URL, content=pieces()).text == "7"


def test_a_blocking_client_refuses_a_body_that_waits_and_says_who_takes_it() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)

    with Client(app=receiver()) as client:
        with pytest.raises(RuntimeError, match="AsyncClient"):
            client.post(URL, content=pieces())
        assert open_places(client) == 0
        assert client.post(URL, content=b"two").text == "3"


@pytest.mark.parametrize("is_used", [False, True])
def test_a_client_that_was_closed_cannot_be_used_and_may_be_closed_again(is_used: bool) -> None:
    with Client(app=receiver()) as client:
        if is_used:
            client.post(URL)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.post(URL)

    async def story() -> None:
        async with AsyncClient(app=receiver()) as client:
            if is_used:
                await client.post(URL)
        await client.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await client.post(URL)

    on_a_loop(story)


@pytest.mark.parametrize("call", ["request", "stream"])
def test_a_blocking_call_inside_a_running_loop_is_refused_in_debug_mode(call: str) -> None:
    async def story() -> None:
        client = client_on([PLAIN])
        with pytest.raises(RuntimeError, match="use AsyncClient and await it"):
            getattr(client, call)("GET", URL)

    on_a_loop(story, debug=True)


def test_nor_may_a_stream_be_read_there() -> None:
    client = client_on([PLAIN])
    response = client.stream("GET", URL)

    async def story() -> None:
        with pytest.raises(RuntimeError, match="use AsyncClient and await it"):
            response.read()

    on_a_loop(story, debug=True)
    response.close()


@pytest.mark.skipif(
    sys.flags.dev_mode or "CRLF_DEBUG" in os.environ, reason="this is debug mode throughout"
)
def test_without_debug_mode_it_is_the_program_that_knows() -> None:
    async def story() -> None:
        assert client_on([PLAIN]).get(URL).text == "ok"

    on_a_loop(story)


# --- errors as values ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"bytes", [b"pieces"]],
)
def test_an_error_pickles_whatever_was_sent(content: bytes | list[bytes]) -> None:
    with pytest.raises(RemoteError) as caught:
        client_on([END]).post(URL, content=content)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.phase == "read"
