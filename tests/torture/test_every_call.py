"""Every call to the world fails once: the k-th of a client's life, for every k and in every way.

First the calls through the ports, in memory and in both colours, then the system's own, on
sockets. What a client's life is stays the same: requests of each kind on one client, each of
which gives the right answer or a typed error; afterwards nothing is open or owed, and the client
still works.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from bad_peer import content_of, serve

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.flow.run import run_sync
from crlf.message.errors import (
    ConnectFailed,
    ConnectTimeout,
    CrlfError,
    ReadFailed,
    ReadTimeout,
    TlsFailed,
    WriteFailed,
    WriteTimeout,
)
from crlf.message.response import Response
from crlf.net.memory import AsyncMemoryNetwork, MemoryNetwork
from crlf.ports import DEFAULT_SOCKETS, Network, SocketSettings, Stream, TlsSettings
from crlf.rules.ledger import PoolLimits
from crlf.rules.retries import Retry

T = TypeVar("T")
OPTIONS: Any = {"pool": PoolLimits(total=2), "retry": Retry(first_wait=0.001)}
MOST = 500  # calls of a life; more, and something never ends


class DiskFailed(OSError):
    """What a thread that reads a file raises here; it is no error of HTTP, and stays what it is."""


class Interrupted(BaseException):
    """What a signal raises in the middle of anything, as Ctrl-C does."""


class TraceFailed(Exception):
    """What a listener raises that should not."""


class Torture:
    """Counts calls and lets the k-th one fail.

    kinds: of the calls that count. met: what the k-th one was, once it came.
    """

    def __init__(self, k: int, kinds: frozenset[str], thread: int | None = None) -> None:
        self.k = k
        self.kinds = kinds
        self.thread = thread
        self.count = 0
        self.met = ""
        self.is_over = False

    def now(self, kind: str) -> bool:
        """Whether this call is to fail."""
        if kind not in self.kinds or self.met or self.is_over:
            return False
        if self.thread is not None and threading.get_ident() != self.thread:
            return False
        self.count += 1
        if self.count < self.k:
            return False
        self.met = kind
        return True


# --- the client's life ---------------------------------------------------------------------------


class Life:
    """One client, whichever colour, and what is asked of it."""

    def __init__(
        self, client: Client | AsyncClient, base: str, upload: Path, torture: Torture
    ) -> None:
        self.client = client
        self.torture = torture
        self.base = base
        self.upload = upload
        self.seen: Counter[str] = Counter()

    async def ask(self, method: str, path: str, **options: Any) -> Response:
        reply = self.client.request(method, self.base + path, **options)
        return reply if isinstance(reply, Response) else await reply

    async def get(self, token: str, way: str = "good") -> None:
        response = await self.ask("GET", f"/{token}/9/{way}")
        assert response.content == content_of(token, 9)

    async def first(self) -> None:
        await self.get("a")

    async def second(self) -> None:
        await self.get("b", "chunks")

    async def early_hints(self) -> None:
        await self.get("c", "interim")

    async def uploaded(self) -> None:
        def pieces() -> Iterator[bytes]:
            for _ in range(3):
                yield b"u" * 10

        response = await self.ask("POST", "/d/9/good", content=pieces())
        assert response.content == content_of("d", 9)
        assert response.headers["got"] == "30"

    async def file_uploaded(self) -> None:
        response = await self.ask("PUT", "/e/9/good", files={"f": self.upload})
        assert response.content == content_of("e", 9)
        assert int(response.headers["got"]) > 1000

    async def asked_first(self) -> None:
        headers = {"expect": "100-continue"}
        response = await self.ask("POST", "/f/9/good", content=b"u" * 100, headers=headers)
        assert response.headers["got"] == "100"

    async def streamed(self) -> None:
        content = b""
        if isinstance(self.client, Client):
            with self.client.stream("GET", f"{self.base}/g/9000/good") as reply:
                for piece in reply.iter_bytes():
                    content += piece
        else:
            async with self.client.stream("GET", f"{self.base}/g/9000/good") as waiting:
                content = await waiting.read()
        assert content == content_of("g", 9000)

    async def closed(self) -> None:
        await self.get("h", "closes")

    async def afresh(self) -> None:
        await self.get("i", "to_the_end")

    async def live(self) -> None:
        for story in (
            self.first, self.second, self.early_hints, self.uploaded, self.file_uploaded,
            self.asked_first, self.streamed, self.closed, self.afresh, self.first,
        ):  # fmt: skip
            try:
                await story()
            except CrlfError as fault:
                check_error(fault)
                self.seen[type(fault).__name__] += 1
            except (DiskFailed, Interrupted, TraceFailed) as fault:
                self.seen[type(fault).__name__] += 1
            else:
                self.seen["right"] += 1
            pool = self.client._core._pool
            assert pool._ledger.total <= 2, story
            assert not pool._queues, story
        assert self.seen["right"] >= 8, self.seen  # a fault befalls one request, or two
        self.torture.is_over = True
        await self.get("probe")


def check_error(fault: CrlfError) -> None:
    """An error says all that errors say."""
    assert fault.phase, repr(fault)
    assert fault.request is not None, repr(fault)
    assert fault.seconds is not None, repr(fault)


# --- ports ---------------------------------------------------------------------------------------


class TorturedStream:
    """A stream whose calls may fail."""

    sends_files = True  # in pieces, as it happens

    def __init__(self, inner: Stream, torture: Torture, how: str) -> None:
        self.inner = inner
        self.torture = torture
        self.how = how
        self.facts = inner.facts
        self.is_closed = False
        self.is_over = False
        self.is_broken = False

    async def read(self, deadline: float | None) -> bytes:
        if self.is_over:
            return b""
        if self.is_broken or self.torture.now("read"):
            if self.is_broken or self.how == "breaks":
                self.is_broken = True
                raise ReadFailed("connection lost: tortured", phase="read")
            if self.how == "interrupted":
                raise Interrupted
            if self.how == "late":
                raise ReadTimeout("nothing arrived in time", phase="read")
            if self.how == "ends":
                self.is_over = True
                return b""
        return await self.inner.read(deadline)

    async def write(self, data: bytes, deadline: float | None) -> None:
        if self.torture.now("write"):
            self.is_broken = self.how != "late"
            if self.how == "breaks":
                raise WriteFailed("connection lost: tortured", phase="write")
            if self.how == "interrupted":
                raise Interrupted
            if self.how == "late":
                raise WriteTimeout("the peer took too little", phase="write")
            if self.how == "ends":
                await self.inner.write(data[: len(data) // 2], deadline)
                raise WriteFailed("connection lost: half of it was sent", phase="write")
        await self.inner.write(data, deadline)

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        if self.torture.now("send_file"):
            self.is_broken = self.how != "late"
            if self.how == "breaks":
                raise WriteFailed("connection lost: tortured", phase="write")
            if self.how == "interrupted":
                raise Interrupted
            if self.how == "late":
                raise WriteTimeout("the peer took too little", phase="write")
            if self.how == "ends":
                await self.inner.send_file(descriptor, offset, count // 2, deadline_of)
                raise WriteFailed("connection lost: half of it was sent", phase="write")
        await self.inner.send_file(descriptor, offset, count, deadline_of)

    def on_end(self, callback: Callable[[], object] | None) -> None:
        self.inner.on_end(callback)

    async def end(self, deadline: float | None) -> None:
        await self.inner.end(deadline)

    def close(self) -> None:
        self.is_closed = True
        self.inner.close()

    def has_arrived(self) -> bool:
        if self.torture.now("has_arrived"):
            self.is_over = True
        return self.is_over or self.inner.has_arrived()


class TorturedNetwork:
    """A network whose calls, and those of its streams, may fail."""

    def __init__(self, inner: Network, torture: Torture, how: str) -> None:
        self.inner = inner
        self.torture = torture
        self.how = how
        self.now, self.wall = inner.now, inner.wall
        self.new_bell, self.aclose = inner.new_bell, inner.aclose
        self.open_socks = inner.open_socks
        self.streams: list[TorturedStream] = []

    def fail(self, kind: str, broken: type[CrlfError]) -> None:
        if self.torture.now(kind):
            if self.how == "interrupted":
                raise Interrupted
            raise (ConnectTimeout if self.how == "late" else broken)("tortured", phase=kind)

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        self.fail("resolve", ConnectFailed)
        return await self.inner.resolve(host, port, deadline)

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        self.fail("connect", ConnectFailed)
        stream = await self.inner.connect(host, port, deadline, addresses, settings)
        self.streams.append(TorturedStream(stream, self.torture, self.how))
        return self.streams[-1]

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        self.fail("tls", TlsFailed)
        assert isinstance(stream, TorturedStream)
        secured = await self.inner.start_tls(stream.inner, settings, hostname, deadline)
        stream.facts = secured.facts
        return stream

    async def in_thread(self, work: Callable[[], T]) -> T:
        if self.torture.now("in_thread"):
            raise DiskFailed(errno.EIO, "tortured")
        return await self.inner.in_thread(work)

    def trace(self, step: object) -> None:
        if self.torture.now("trace"):
            raise TraceFailed


PORTS = frozenset(
    {"read", "write", "send_file", "has_arrived", "resolve", "connect", "tls", "in_thread"}
)


def check_ports(client: Client | AsyncClient, network: TorturedNetwork) -> None:
    assert client._core._pool._ledger.total == 0
    assert all(stream.is_closed for stream in network.streams)


def ports_blocking(torture: Torture, how: str, upload: Path) -> None:
    network = TorturedNetwork(MemoryNetwork(serve), torture, how)
    client = Client(network=network, trace=network.trace, **OPTIONS)
    try:
        run_sync(Life(client, "https://a.example", upload, torture).live())
    finally:
        client.close()
    check_ports(client, network)


def ports_waiting(torture: Torture, how: str, upload: Path) -> None:
    async def story() -> None:
        network = TorturedNetwork(AsyncMemoryNetwork(serve), torture, how)
        client = AsyncClient(network=network, trace=network.trace, **OPTIONS)
        try:
            await Life(client, "https://a.example", upload, torture).live()
        finally:
            await client.aclose()
        check_ports(client, network)

    run(story)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Play a story on a loop of the standard library's."""

    async def play() -> None:
        await story()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(play())


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.bin"
    path.write_bytes(b"f" * 70_000)  # small, and yet so large that it is not copied
    return path


@pytest.mark.parametrize("how", ["breaks", "late", "ends", "interrupted"])
@pytest.mark.parametrize("play", [ports_blocking, ports_waiting])
def test_each_call_of_a_port_fails_once(
    play: Callable[[Torture, str, Path], None], how: str, small_file: Path
) -> None:
    met: Counter[str] = Counter()
    for k in range(1, MOST):
        torture = Torture(k, PORTS)
        try:
            play(torture, how, small_file)
        except BaseException as fault:
            fault.add_note(f"call {k}, {torture.met}, {how}")
            raise
        if not torture.met:
            break
        met[torture.met] += 1
    assert met.keys() == PORTS
    assert 30 < met.total() < MOST - 1


@pytest.mark.parametrize("play", [ports_blocking, ports_waiting])
def test_a_listener_that_raises_costs_nothing_but_its_request(
    play: Callable[[Torture, str, Path], None], small_file: Path
) -> None:
    count = 0
    for k in range(1, MOST):
        torture = Torture(k, frozenset({"trace"}))
        try:
            play(torture, "", small_file)
        except BaseException as fault:
            fault.add_note(f"step {k}")
            raise
        if not torture.met:
            break
        count += 1
    assert 20 < count < MOST - 1


# --- the system's calls --------------------------------------------------------------------------


class TorturedSocket(socket.socket):
    """A socket whose calls fail as the system lets them fail."""

    torture: Torture
    faults: dict[str, OSError | int]  # by call: what is raised, or how many bytes are moved
    made: list[TorturedSocket]

    def __init__(self, *args: Any, **options: Any) -> None:
        self.broken: OSError | None = None
        self.fail("socket")
        super().__init__(*args, **options)
        if threading.get_ident() == self.torture.thread:
            self.made.append(self)

    def fail(self, kind: str) -> bool:
        """Raise the fault of this call, if it is its turn, or say that it is to move few bytes."""
        fault = self.faults.get(kind)
        if kind != "socket" and self.family != socket.AF_INET:
            return False  # the loop's own
        if kind in ("recv", "send") and self.broken is not None:
            raise type(self.broken)(*self.broken.args)
        if fault is None or not self.torture.now(kind):
            return False
        if isinstance(fault, OSError):
            if kind in ("recv", "send") and fault.errno != errno.EAGAIN:
                self.broken = fault  # and stays so
            raise type(fault)(*fault.args)
        return True

    def recv(self, size: int, *flags: int) -> bytes:
        return super().recv(1 if self.fail("recv") else size, *flags)

    def send(self, data: Any, *flags: int) -> int:  # type: ignore[override]
        return super().send(data[:1] if self.fail("send") else data, *flags)

    def connect(self, address: Any) -> None:
        self.fail("connect")
        super().connect(address)

    def setsockopt(self, *values: Any) -> None:
        self.fail("setsockopt")
        super().setsockopt(*values)

    def getsockname(self) -> Any:
        self.fail("getsockname")
        return super().getsockname()

    def getpeername(self) -> Any:
        self.fail("getpeername")
        return super().getpeername()

    def shutdown(self, how: int) -> None:
        self.fail("shutdown")
        super().shutdown(how)


RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
SYSTEM: dict[str, dict[str, OSError | int]] = {
    "reset": {"recv": RESET, "send": RESET, "connect": RESET, "shutdown": RESET},
    "pipe": {"send": BrokenPipeError(errno.EPIPE, "Broken pipe")},
    "refused": {"connect": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")},
    "unreachable": {
        "recv": OSError(errno.EHOSTUNREACH, "No route to host"),
        "send": OSError(errno.ENETUNREACH, "Network is unreachable"),
        "connect": OSError(errno.EHOSTUNREACH, "No route to host"),
    },
    "gave up": {
        "recv": TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
        "send": TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
        "connect": TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
    },
    "not yet": {  # what a timer of the kernel's, or a readiness that was none, looks like
        "recv": BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        "send": BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    },
    "one byte": {"recv": 1, "send": 1},
    "no descriptors": {"socket": OSError(errno.EMFILE, "Too many open files")},
    "no memory": {
        "send": OSError(errno.ENOBUFS, "No buffer space available"),
        "recv": OSError(errno.ENOMEM, "Cannot allocate memory"),
        "setsockopt": OSError(errno.ENOBUFS, "No buffer space available"),
    },
    "reset at once": {  # what macOS says to these when the peer has reset the connection
        "getpeername": OSError(errno.ENOTCONN, "Transport endpoint is not connected"),
        "setsockopt": OSError(errno.EINVAL, "Invalid argument"),
    },
    "no name": {"getsockname": OSError(errno.EINVAL, "Invalid argument")},
}


def sockets_blocking(base: str, upload: Path) -> None:
    client = Client(trust_env=False, timeout=5, **OPTIONS)
    try:
        run_sync(Life(client, base, upload, TorturedSocket.torture).live())
    finally:
        client.close()
    assert client._core._pool._ledger.total == 0


def sockets_waiting(base: str, upload: Path) -> None:
    async def story() -> None:
        client = AsyncClient(trust_env=False, timeout=5, **OPTIONS)
        try:
            await Life(client, base, upload, TorturedSocket.torture).live()
        finally:
            await client.aclose()
        assert client._core._pool._ledger.total == 0

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.get_loop()
        TorturedSocket.torture.thread = threading.get_ident()  # the loop has its own sockets now
        runner.run(story())


@pytest.mark.parametrize(
    ("play", "how"),
    [
        *((sockets_waiting, how) for how in SYSTEM),
        *((sockets_blocking, how) for how in SYSTEM),
    ],
)
def test_each_call_of_the_system_fails_once(
    play: Callable[[str, Path], None],
    how: str,
    small_file: Path,
    listening: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    TorturedSocket.faults = SYSTEM[how]
    TorturedSocket.made = made = []
    met: Counter[str] = Counter()
    with listening.in_thread(serve) as port:
        base = f"http://127.0.0.1:{port}"
        monkeypatch.setattr(socket, "socket", TorturedSocket)
        for k in range(1, MOST):
            thread = threading.get_ident() if play is sockets_blocking else -1
            TorturedSocket.torture = torture = Torture(k, frozenset(SYSTEM[how]), thread)
            try:
                play(base, small_file)
                assert all(one.fileno() < 0 for one in made), "a socket was left open"
            except BaseException as fault:
                fault.add_note(f"call {k}, {torture.met}, {how}")
                raise
            finally:
                while made:
                    made.pop().close()
            if not torture.met:
                break
            met[torture.met] += 1
    assert met.total() < MOST - 1
    assert met, "nothing failed"
