"""Thousands of requests, cancelled, late and broken at random: nothing is lost, nobody is lied to.

Every choice comes from one seed, which a failure shows. Each request carries a token, and what
comes back is the answer to that token or an error of ours; afterwards the pool's books are at
zero, every stream is closed and the client still works.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bad_peer import EARLY, RIGHT, WAYS, Asked, serve

from crlf.client.aio import AsyncClient
from crlf.message.errors import ConnectFailed, CrlfError
from crlf.net.aio import AioNetwork
from crlf.net.loops import new_loop
from crlf.net.memory import AsyncMemoryNetwork
from crlf.net.memorystream import Shape
from crlf.net.scripted import END, RESET, STALL
from crlf.ports import DEFAULT_SOCKETS, SocketSettings, Stream
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits

SMALL = PoolLimits(total=8, per_host=4, idle=0.05)
AT_ONCE = 30  # requests; so most of them wait for a place
HOSTS = ("a.example", "b.example", "c.example")


class BrokenUpload(Exception):
    """Raised by a body of ours while it is sent."""


class ShakyNetwork(AsyncMemoryNetwork):
    """A network in memory whose connections are slow, narrow, cut, or do not come about."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(serve)
        self.chance = chance
        self.is_calm = False
        self.streams: list[Stream] = []

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        chance = self.chance
        self.to_server = self.to_client = Shape()
        if not self.is_calm:
            for _ in range(chance.choice((0, 0, 1, 3))):
                await asyncio.sleep(0)
            if chance.random() < 0.03:
                raise ConnectFailed("as it happens", phase="connect")
            self.to_server, self.to_client = self.shape(1000), self.shape(1)
        stream = await super().connect(host, port, deadline, addresses, settings)
        self.streams.append(stream)
        return stream

    def shape(self, least: int) -> Shape:
        """Choose how bytes travel; least: bytes that one read gives at most."""
        chance = self.chance
        kind = chance.random()
        if kind < 0.6:
            return Shape()
        if kind < 0.8:
            return Shape(piece=least * chance.choice((1, 7, 100)))
        return Shape(fault=chance.choice((END, RESET, STALL)), after=chance.randrange(6000))

    @property
    def open(self) -> int:
        return sum(not stream._is_closed for stream in self.streams)  # type: ignore[attr-defined]


def check_error(fault: CrlfError) -> None:
    """An error says all that errors say."""
    assert fault.phase, repr(fault)
    assert fault.request is not None, repr(fault)
    assert fault.seconds is not None, repr(fault)


class Life:
    """A client and what it goes through.

    bases: what a URL begins with. is_shaky: the network breaks connections by itself, so that
    a body without a length may end early, and a right answer may turn into an error.
    """

    def __init__(
        self,
        client: AsyncClient,
        bases: Sequence[str],
        chance: random.Random,
        upload: Path,
        *,
        is_shaky: bool,
    ) -> None:
        self.client = client
        self.bases = bases
        self.chance = chance
        self.upload = upload
        self.is_shaky = is_shaky
        self.numbers = count()
        self.seen: Counter[str] = Counter()

    # -- one request

    def asked(self, method: str, ways: Sequence[str]) -> tuple[Asked, str]:
        chance = self.chance
        token, way = f"t{next(self.numbers)}", chance.choice(ways)
        size = chance.choice((0, 10, 1000, 15_000))
        asked = Asked(method, token, size, way, b"", b"")
        return asked, f"{chance.choice(self.bases)}/{token}/{size}/{way}"

    def check(self, asked: Asked, status_code: int, content: bytes, *, partly: bool) -> None:
        """An answer is the one to its own question, or the beginning of it where that is due."""
        right = RIGHT[asked.way](asked)
        if right is None:
            assert partly, f"{asked} was answered with {status_code} {content[:80]!r}"
            right = (200, asked.content)
        assert status_code == right[0], asked
        if partly or (self.is_shaky and asked.way == "to_the_end"):
            assert right[1].startswith(content), (asked, content[:80])
        else:
            assert content == right[1], (asked, content[:80])

    def timeout(self) -> Timeout:
        chance = self.chance
        total = chance.choice((0.01, 0.05, 1.0, 1.0, 1.0))
        return Timeout(
            connect=1.0, read=0.05, write=0.05, pool=chance.choice((0.01, 1)), total=total
        )

    async def whole(self) -> None:
        method = self.chance.choice(("GET", "GET", "GET", "HEAD", "DELETE"))
        asked, url = self.asked(method, tuple(WAYS))
        response = await self.client.request(method, url, timeout=self.timeout())
        self.check(asked, response.status_code, response.content, partly=False)

    async def streamed(self) -> None:
        asked, url = self.asked("GET", tuple(WAYS))
        leaves_after = self.chance.choice((0, 1, 2, 1_000_000))
        content = b""
        is_whole = False
        async with self.client.stream("GET", url, timeout=self.timeout()) as response:
            if leaves_after:
                pieces = response.iter_bytes()
                try:
                    async for piece in pieces:
                        content += piece
                        leaves_after -= 1
                        if not leaves_after:
                            break
                    else:
                        is_whole = True
                finally:
                    await pieces.aclose()  # type: ignore[attr-defined]
        self.check(asked, response.status_code, content, partly=not is_whole)

    async def uploaded(self) -> None:
        method = self.chance.choice(("POST", "PUT"))
        asked, url = self.asked(method, (*WAYS, *EARLY, *EARLY))
        body, length = self.body()
        headers = {"expect": "100-continue"} if self.chance.random() < 0.1 else {}
        response = await self.client.request(
            method, url, **body, headers=headers, timeout=self.timeout()
        )
        self.check(asked, response.status_code, response.content, partly=False)
        got = response.headers.first("got")
        if got is not None and asked.way not in EARLY and length is not None:
            assert int(got) == length, asked

    def body(self) -> tuple[dict[str, Any], int | None]:
        """Choose a request's content; with it how long it is, where that is known."""
        chance = self.chance
        kind = chance.randrange(5)
        if kind == 0:
            size = chance.choice((0, 10, 400_000))
            return {"content": b"u" * size}, size
        if kind == 1:
            return {"files": {"f": self.upload}}, None  # read in a thread
        if kind == 2:
            return {"content": (b"u" * 100 for _ in range(50))}, 5000
        return {"content": self.pieces(fails=kind == 3)}, None

    async def pieces(self, *, fails: bool) -> AsyncIterator[bytes]:
        chance = self.chance
        try:
            for _ in range(chance.randrange(5)):
                await asyncio.sleep(chance.choice((0, 0, 0.001)))
                yield b"u" * chance.choice((0, 1, 70_000))
            if fails:
                raise BrokenUpload
        finally:
            await asyncio.sleep(0)  # what a second cancellation hits

    # -- all of them

    async def one(self) -> None:
        kind = self.chance.choice((self.whole, self.streamed, self.uploaded))
        try:
            await kind()
        except CrlfError as fault:
            check_error(fault)
            self.seen[type(fault).__name__] += 1
        except BrokenUpload:
            self.seen["BrokenUpload"] += 1
        except asyncio.CancelledError:
            self.seen["cancelled"] += 1
            raise
        else:
            self.seen["right"] += 1

    async def live(self, requests: int) -> None:
        chance = self.chance
        now: set[asyncio.Task[None]] = set()
        faults: list[BaseException] = []

        def done(task: asyncio.Task[None]) -> None:
            now.discard(task)
            if not task.cancelled() and (fault := task.exception()) is not None:
                faults.append(fault)

        for _ in range(requests):
            task = asyncio.create_task(self.one())
            now.add(task)
            task.add_done_callback(done)
            if chance.random() < 0.4:
                await asyncio.sleep(chance.choice((0, 0, 0, 0.001)))
            if now and chance.random() < 0.35:
                await self.cancel(chance.choice(sorted(now, key=id)))
            if len(now) >= AT_ONCE:
                await asyncio.wait(set(now), return_when=asyncio.FIRST_COMPLETED)
            if faults:
                break
        while now:
            await asyncio.wait(set(now))
        if faults:
            raise faults[0]

    async def cancel(self, victim: asyncio.Task[None]) -> None:
        """Cancel once, or again while what the first one began is under way."""
        victim.cancel()
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            await asyncio.sleep(0)
            victim.cancel()


async def survive(life: Life, requests: int) -> None:
    """Live, then look at what is left: nothing, and a client that works."""
    await life.live(requests)
    pool = life.client._core._pool
    assert not pool._queues
    assert pool._ledger.total <= 8
    network = life.client._core.network
    if isinstance(network, ShakyNetwork):
        network.is_calm = True
    for base in life.bases:
        probe = await life.client.delete(f"{base}/probe/3/closes", timeout=5)
        assert probe.content == b"probe;xxx"
    await life.client.aclose()
    assert pool._ledger.total == 0
    if isinstance(network, ShakyNetwork):
        assert network.open == 0
    await asyncio.sleep(0)
    assert life.seen["right"] > requests / 6, life.seen
    assert life.seen["cancelled"] > requests / 12, life.seen
    assert len(life.seen) >= 6, life.seen


def run(story: Callable[[], Coroutine[Any, Any, None]], *, factory: Any = new_loop) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())


def in_memory(seed: int, requests: int, upload: Path) -> None:
    async def story() -> None:
        chance = random.Random(seed)
        client = AsyncClient(network=ShakyNetwork(chance), pool=SMALL)
        bases = [f"http://{host}" for host in HOSTS]
        await survive(Life(client, bases, chance, upload, is_shaky=True), requests)

    run(story)


@asynccontextmanager
async def listening_here() -> AsyncIterator[str]:
    """Listen on this loop, so that what the peer has sent is there when the client looks."""
    listener = await AioNetwork().listen("127.0.0.1", 0, serve)
    try:
        yield f"http://127.0.0.1:{listener.addresses[0][1]}"
    finally:
        listener.close()
        await listener.finish(0.5)


def on_sockets(seed: int, requests: int, upload: Path, factory: Any = new_loop) -> None:
    async def story() -> None:
        async with listening_here() as one, listening_here() as other:
            client = AsyncClient(pool=SMALL, trust_env=False)
            life = Life(client, (one, other), random.Random(seed), upload, is_shaky=False)
            await survive(life, requests)

    run(story, factory=factory)


def test_1500_requests_lose_nothing_in_memory(seed: int, big_file: Path) -> None:
    in_memory(seed, 1500, big_file)


def test_500_requests_lose_nothing_on_sockets(seed: int, big_file: Path) -> None:
    on_sockets(seed, 500, big_file)


@pytest.mark.long
def test_10000_requests_lose_nothing_in_memory(seed: int, big_file: Path) -> None:
    in_memory(seed, 10_000, big_file)


@pytest.mark.long
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, new_loop])
def test_10000_requests_lose_nothing_on_sockets(seed: int, big_file: Path, factory: Any) -> None:
    on_sockets(seed, 10_000, big_file, factory)


@pytest.mark.long
@pytest.mark.parametrize("number", range(20))
def test_many_seeds_lose_nothing(number: int, big_file: Path) -> None:
    in_memory(number, 2000, big_file)
    on_sockets(number, 500, big_file)
