"""The pool: bounds, turns, and nothing lost, whoever is cancelled and whenever.

First the pool by itself, over streams that do nothing, then whole clients on a loop and in
threads. Every random choice comes from a seed that a failure shows.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler, Route
from crlf.flow.pool import ClientConnection, Pool
from crlf.message.errors import ConnectFailed, CrlfError, PoolTimeout, TotalTimeout
from crlf.net.aio import AioBell, monotonic, wall
from crlf.net.loops import new_loop
from crlf.net.scripted import Item, ScriptedStream
from crlf.ports import Stream, TlsSettings
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits
from crlf.server import App, running

T = TypeVar("T")
A, B, C = (Route("http", f"{name}.example", 80, None) for name in "abc")


class Quiet:
    """A network of streams on which nothing happens; connecting takes as long as it is told."""

    def __init__(self) -> None:
        self.streams: list[ScriptedStream] = []
        self.opening: Callable[[], Awaitable[None]] | None = None
        self.now, self.wall = monotonic, wall

    async def connect(self, host: str, port: int, deadline: float | None) -> Stream:
        if self.opening is not None:
            await self.opening()
        self.streams.append(ScriptedStream())
        return self.streams[-1]

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        return stream

    async def in_thread(self, work: Callable[[], T]) -> T:
        return work()

    def new_bell(self) -> AioBell:
        return AioBell(asyncio.get_running_loop())

    async def aclose(self) -> None:
        return None

    @property
    def open(self) -> int:
        return sum(not stream.is_closed for stream in self.streams)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Play a story on a loop of its own."""

    async def play() -> None:
        await story()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(play())


def waiting(network: Quiet, seconds: float | None = 5.0) -> Budget:
    return Budget(Timeout(pool=seconds, total=None), network.now)


def pool_of(network: Quiet, total: int | None = None, per_host: int | None = None) -> Pool:
    return Pool(Dialler(network), PoolLimits(total=total, per_host=per_host))


async def settle(turns: int = 5) -> None:
    """Let everything happen that can happen now."""
    for _ in range(turns):
        await asyncio.sleep(0)


# --- turns ---------------------------------------------------------------------------------------


def test_an_idle_connection_is_used_again_newest_first() -> None:
    async def story() -> None:
        network = Quiet()
        pool = pool_of(network)
        first, _ = await pool.take(A, waiting(network))
        second, _ = await pool.take(A, waiting(network))
        pool.give_back(A, first)
        pool.give_back(A, second)
        assert await pool.take(A, waiting(network)) == (second, True)
        assert await pool.take(A, waiting(network)) == (first, True)
        other, is_used = await pool.take(B, waiting(network))
        assert not is_used
        assert other not in (first, second)

    run(story)


@pytest.mark.parametrize("ending", ["give_back", "drop"])
def test_who_came_first_is_served_first(ending: str) -> None:
    async def story() -> None:
        network = Quiet()
        pool = pool_of(network, per_host=2)
        served: list[int] = []

        async def use(number: int) -> None:
            connection, _ = await pool.take(A, waiting(network))
            served.append(number)
            await settle(random.Random(number).randrange(4))
            getattr(pool, ending)(A, connection)

        await asyncio.gather(*(use(number) for number in range(50)))
        assert served == list(range(50))
        assert len(network.streams) == (2 if ending == "give_back" else 50)
        pool.close()
        assert pool._ledger.total == network.open == 0

    run(story)


def test_a_busy_route_does_not_keep_others_out_for_ever() -> None:
    """All places are in use by one host, whose queue is never empty; another host waits."""

    async def story() -> None:
        network = Quiet()
        pool = pool_of(network, total=2)
        served: list[Route] = []
        is_over = False

        async def keep_busy() -> None:
            while not is_over:
                connection, _ = await pool.take(A, waiting(network))
                await settle(1)
                served.append(A)
                pool.give_back(A, connection)

        busy = [asyncio.create_task(keep_busy()) for _ in range(6)]
        await settle()
        before = len(served)
        connection, _ = await pool.take(B, waiting(network, 1.0))
        assert len(served) - before < 12  # those who waited already, and little more
        pool.give_back(B, connection)
        is_over = True
        await asyncio.gather(*busy)
        pool.close()
        assert network.open == 0

    run(story)


def test_an_idle_connection_of_another_host_makes_room() -> None:
    async def story() -> None:
        network = Quiet()
        pool = pool_of(network, total=1)
        connection, _ = await pool.take(A, waiting(network))
        pool.give_back(A, connection)
        await pool.take(B, waiting(network))
        assert network.streams[0].is_closed
        assert pool._ledger.total == 1

    run(story)


def test_who_waits_too_long_is_told_so_and_leaves_the_queue() -> None:
    async def story() -> None:
        network = Quiet()
        pool = pool_of(network, per_host=1)
        connection, _ = await pool.take(A, waiting(network))
        with pytest.raises(PoolTimeout, match=r"a\.example") as caught:
            await pool.take(A, waiting(network, 0.02))
        assert caught.value.phase == "pool"
        assert caught.value.seconds is not None
        assert 0.015 <= caught.value.seconds < 1.0
        pool.give_back(A, connection)  # to nobody
        assert await pool.take(A, waiting(network, 0.02)) == (connection, True)

    run(story)


def test_a_closed_pool_sends_away_who_waits() -> None:
    async def story() -> None:
        network = Quiet()
        pool = pool_of(network, per_host=1)
        connection, _ = await pool.take(A, waiting(network))
        others = [asyncio.create_task(pool.take(A, waiting(network))) for _ in range(3)]
        await settle()
        pool.close()
        for outcome in await asyncio.gather(*others, return_exceptions=True):
            assert isinstance(outcome, RuntimeError)
            assert "closed" in str(outcome)
        with pytest.raises(RuntimeError, match="closed"):
            await pool.take(A, waiting(network))
        pool.give_back(A, connection)
        assert network.open == pool._ledger.total == 0
        assert len(network.streams) == 1

    run(story)


@pytest.mark.rfc("9112", "9.2")
def test_what_arrived_while_a_connection_was_handed_over_is_no_answer() -> None:
    async def story(item: Item) -> None:
        network = Quiet()
        pool = pool_of(network, per_host=1)
        connection, _ = await pool.take(A, waiting(network))
        other = asyncio.create_task(pool.take(A, waiting(network)))
        await settle()
        pool.give_back(A, connection)
        network.streams[0].play(item)  # before the other has come to its turn
        fresh, is_used = await other
        assert not is_used
        assert fresh is not connection
        assert network.streams[0].is_closed
        assert pool._ledger.total == 1

    run(lambda: story(b"HTTP/1.1 200 OK\r\n\r\n"))


# --- cancelled at every await --------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["give_back", "drop"])
@pytest.mark.parametrize("turns", range(4))
def test_who_is_cancelled_as_its_turn_comes_passes_it_on(turns: int, ending: str) -> None:
    async def story() -> None:
        network = Quiet()
        pool = pool_of(network, per_host=1)
        connection, _ = await pool.take(A, waiting(network))
        first = asyncio.create_task(pool.take(A, waiting(network)))
        second = asyncio.create_task(pool.take(A, waiting(network)))
        await settle()
        getattr(pool, ending)(A, connection)
        await settle(turns)
        was_served = first.done()
        first.cancel()
        await settle(1)
        first.cancel()
        if was_served:
            pool.give_back(A, (await first)[0])
        else:
            with pytest.raises(asyncio.CancelledError):
                await first
        taken, _ = await second
        pool.give_back(A, taken)
        pool.close()
        assert pool._ledger.total == network.open == 0
        assert not pool._queues

    run(story)


def test_who_is_cancelled_while_it_connects_gives_its_place_to_the_next() -> None:
    async def story() -> None:
        network = Quiet()
        network.opening = lambda: asyncio.sleep(60)
        pool = pool_of(network, per_host=1)
        first = asyncio.create_task(pool.take(A, waiting(network)))
        await settle()
        second = asyncio.create_task(pool.take(A, waiting(network)))
        await settle()
        network.opening = None
        first.cancel()
        await second
        assert pool._ledger.total == 1

    run(story)


def test_who_cannot_connect_gives_its_place_to_the_next() -> None:
    async def story() -> None:
        network = Quiet()

        async def refuse() -> None:
            await settle()
            network.opening = None
            raise ConnectFailed("nobody there", phase="connect")

        network.opening = refuse
        pool = pool_of(network, per_host=1)
        first = asyncio.create_task(pool.take(A, waiting(network)))
        second = asyncio.create_task(pool.take(A, waiting(network)))
        with pytest.raises(ConnectFailed):
            await first
        await second
        assert pool._ledger.total == 1

    run(story)


class Life:
    """Takes and gives back at random, on three routes, and is cancelled at random."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.network = Quiet()
        self.network.opening = self.pause
        self.pool = pool_of(self.network, total=5, per_host=3)
        self.held: Counter[Route] = Counter()
        self.hands: set[ClientConnection] = set()
        self.most = 0

    async def pause(self) -> None:
        await settle(self.chance.randrange(4))
        if self.chance.random() < 0.1:
            raise ConnectFailed("as it happens")

    async def use(self) -> None:
        pool, chance = self.pool, self.chance
        route = chance.choice((A, B, C))
        connection, _ = await pool.take(
            route, waiting(self.network, chance.choice((None, 5.0, 0.001)))
        )
        assert connection not in self.hands
        stream = connection.stream
        assert isinstance(stream, ScriptedStream)
        assert not stream.is_closed
        self.hands.add(connection)
        self.held[route] += 1
        assert self.held[route] <= 3
        assert sum(self.held.values()) <= 5
        try:
            await settle(chance.randrange(4))
        finally:
            self.hands.discard(connection)
            self.held[route] -= 1
            if chance.random() < 0.3:
                pool.drop(route, connection)
            else:
                if chance.random() < 0.2:
                    stream.play(b"unasked")
                pool.give_back(route, connection)
            assert pool._ledger.total <= 5
            assert self.network.open <= 5

    async def live(self, count: int) -> None:
        tasks: list[asyncio.Task[None]] = []
        for _ in range(count):
            tasks.append(asyncio.create_task(self.use()))
            if self.chance.random() < 0.3:
                await asyncio.sleep(0)
            if self.chance.random() < 0.5:
                self.chance.choice(tasks[-20:]).cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(
                outcome, (asyncio.CancelledError, PoolTimeout, ConnectFailed)
            ), repr(outcome)
        assert not self.pool._queues
        assert self.pool._ledger.total == self.network.open
        self.pool.close()
        assert self.pool._ledger.total == self.network.open == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_books_are_right(seed: int) -> None:
    run(lambda: Life(seed).live(300))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 400))
def test_whatever_happens_the_books_are_right_at_length(seed: int) -> None:
    run(lambda: Life(seed).live(2000))


# --- whole clients, cancelled at random ----------------------------------------------------------


def application() -> App:
    app = App()

    @app.get("/")
    async def root(request: object) -> str:
        return "hello"

    @app.get("/slow")
    async def slow(request: object) -> str:
        await asyncio.sleep(0.003)
        return "slowly"

    @app.post("/")
    async def echo(request: object) -> bytes:
        return request.content  # type: ignore[attr-defined,no-any-return]

    return app


async def cancelled_at_random(client: AsyncClient, url: str, seed: int, count: int) -> Counter[str]:
    """Send requests, cancel half of them once or twice at any moment; the rest must be right."""
    chance = random.Random(seed)
    seen: Counter[str] = Counter()

    async def pieces() -> object:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(chance.choice((0, 0, 0.001)))
            yield b"x" * chance.choice((1, 70_000))

    async def one() -> None:
        kind = chance.randrange(5)
        if kind == 0:
            assert (await client.get(url)).text == "hello"
        elif kind == 1:
            assert (await client.get(f"{url}slow")).text == "slowly"
        elif kind == 2:
            content = b"x" * chance.choice((0, 10, 300_000))
            assert (await client.post(url, content=content)).content == content
        elif kind == 3:
            reply = await client.post(url, content=pieces())  # type: ignore[arg-type]
            assert set(reply.content) <= {ord("x")}
        else:
            async with client.stream("GET", url) as response:
                if chance.random() < 0.5:
                    assert await response.read() == b"hello"
        seen["whole"] += 1

    async def guarded() -> None:
        try:
            await one()
        except asyncio.CancelledError:
            seen["cancelled"] += 1
            raise
        except (PoolTimeout, TotalTimeout):
            seen["late"] += 1

    running_now: set[asyncio.Task[None]] = set()
    for _ in range(count):
        task = asyncio.create_task(guarded())
        running_now.add(task)
        task.add_done_callback(running_now.discard)
        if chance.random() < 0.4:
            await asyncio.sleep(chance.choice((0, 0, 0, 0.001)))
        if running_now and chance.random() < 0.5:
            victim = chance.choice(list(running_now))
            victim.cancel()
            if chance.random() < 0.3:
                await asyncio.sleep(0)
                victim.cancel()
        while len(running_now) > 30:
            await asyncio.sleep(0)
    outcomes = await asyncio.gather(*running_now, return_exceptions=True)
    for outcome in outcomes:
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), repr(outcome)
    assert (await client.get(url)).text == "hello"
    return seen


def survive(client_of: Callable[[], AsyncClient], url: str, seed: int, count: int) -> None:
    async def story() -> None:
        client = client_of()
        seen = await cancelled_at_random(client, url, seed, count)
        pool = client._core._pool
        assert not pool._queues
        await client.aclose()
        assert pool._ledger.total == 0
        assert seen["whole"] > count / 4
        assert seen["cancelled"] > count / 8
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(story)


SMALL = PoolLimits(total=6, per_host=4)


@pytest.mark.parametrize("seed", [1, 2])
def test_2000_requests_cancelled_at_random_lose_nothing_in_memory(seed: int) -> None:
    survive(lambda: AsyncClient(app=application(), pool=SMALL), "http://a.example/", seed, 1000)


def test_1000_requests_cancelled_at_random_lose_nothing_on_sockets() -> None:
    with running(application()) as server:
        survive(lambda: AsyncClient(pool=SMALL), server.url, 3, 1000)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 15))
def test_10000_requests_cancelled_at_random_lose_nothing(seed: int) -> None:
    with running(application()) as server:
        survive(lambda: AsyncClient(pool=SMALL), server.url, seed, 5000)
    survive(lambda: AsyncClient(app=application(), pool=SMALL), "http://a.example/", seed, 5000)


# --- threads -------------------------------------------------------------------------------------


def share(client: Client, url: str, threads: int, each: int) -> None:
    """Let threads use one client; every answer has to be the one to its own question."""
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(each):
                content = f"{number}/{turn}".encode()
                if turn % 7 == 6:
                    with client.stream("POST", url, content=content) as response:
                        if turn % 2:
                            assert response.read() == content
                else:
                    assert client.post(url, content=content).content == content
        except BaseException as fault:
            faults.append(fault)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults, faults[0]
    pool = client._core._pool
    assert pool._ledger.total <= 4
    assert not pool._queues
    client.close()
    assert pool._ledger.total == 0


def test_8_threads_share_a_client_on_sockets() -> None:
    with running(application()) as server:
        share(Client(pool=PoolLimits(per_host=4)), server.url, 8, 200)


def test_4_threads_share_a_client_in_memory() -> None:
    share(Client(app=application(), pool=PoolLimits(per_host=3)), "http://a.example/", 4, 50)


def test_a_thread_that_waits_is_sent_away_when_the_client_closes() -> None:
    app = application()
    gate = threading.Event()
    entered = threading.Event()

    @app.get("/gate")
    def wait(request: object) -> str:
        entered.set()
        gate.wait(10)
        return "open"

    outcomes: list[object] = []

    def ask(path: str) -> None:
        try:
            outcomes.append(client.get(server.url + path).text)
        except (CrlfError, RuntimeError) as fault:
            outcomes.append(fault)

    with running(app) as server:
        client = Client(pool=PoolLimits(per_host=1))
        first = threading.Thread(target=ask, args=("gate",))
        second = threading.Thread(target=ask, args=("",))
        first.start()
        assert entered.wait(5)
        second.start()
        while not client._core._pool._queues:
            second.join(0.001)
        client.close()
        second.join(5)
        assert len(outcomes) == 1
        assert isinstance(outcomes[0], RuntimeError)
        gate.set()
        first.join(5)
        assert outcomes[1] == "open"
        assert client._core._pool._ledger.total == 0
