"""One exchange, cancelled at each of its awaits in turn: at the k-th, for every k there is.

Three ways of it: at once, in the very moment when what was waited for has come, and twice, the
second time while the first is still being dealt with. After each the only place of the pool is
free, every stream is closed, and the next request is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from bad_peer import content_of, serve

from crlf.client.aio import AsyncClient
from crlf.message.errors import CrlfError
from crlf.net.aio import AioNetwork
from crlf.net.loops import new_loop
from crlf.net.memory import AsyncMemoryNetwork
from crlf.ports import DEFAULT_SOCKETS, SocketSettings, Stream, TlsSettings
from crlf.rules.ledger import PoolLimits

Story = Callable[[AsyncClient, str, Path], Awaitable[object]]
ONE = PoolLimits(total=1, per_host=1)
MOST = 400  # awaits of one exchange; more, and something never ends


class CancelledAt:
    """An awaitable that runs a coroutine, and cancels its task at the k-th suspension.

    when: "at once"; "late": as what is waited for is there already, if it is a future;
    "twice": at once, and again at the next suspension, which is one of the cleaning up.
    suspensions: how many there were.
    """

    def __init__(self, work: Any, k: int, when: str) -> None:
        self.work = work
        self.k = k
        self.when = when
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.work.__await__()
        task = asyncio.current_task()
        assert task is not None
        go_on: Callable[[], Any] = lambda: steps.send(None)  # noqa: E731
        while True:
            try:
                awaited = go_on()
            except StopIteration as done:
                return done.value
            self.suspensions += 1
            after = self.suspensions - self.k
            if after == 0 or (after == 1 and self.when == "twice"):
                if self.when == "late" and isinstance(awaited, asyncio.Future):
                    awaited.add_done_callback(lambda _: task.cancel())
                else:
                    asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield awaited
            except BaseException as fault:
                thrown = fault
                go_on = lambda: steps.throw(thrown)  # noqa: E731, B023
            else:
                go_on = lambda: steps.send(None)  # noqa: E731


# --- the exchanges -------------------------------------------------------------------------------


async def fresh(client: AsyncClient, base: str, upload: Path) -> None:
    response = await client.get(f"{base}/a/900/dribble")
    assert response.content == content_of("a", 900)


async def fresh_and_again(client: AsyncClient, base: str, upload: Path) -> None:
    for token in ("a", "b", "c"):
        response = await client.get(f"{base}/{token}/9/slow")
        assert response.content == content_of(token, 9)


async def streamed(client: AsyncClient, base: str, upload: Path) -> None:
    async with client.stream("GET", f"{base}/a/5000/slow") as response:
        assert await response.read() == content_of("a", 5000)


async def left_early(client: AsyncClient, base: str, upload: Path) -> None:
    async with client.stream("GET", f"{base}/a/90000/dribble") as response:
        pieces = response.iter_bytes()
        try:
            async for piece in pieces:
                assert content_of("a", 90_000).startswith(piece)
                break
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]


async def redirected(client: AsyncClient, base: str, upload: Path) -> None:
    """What the redirect carried is left for what it leads to, whole and streamed."""
    response = await client.get(f"{base}/a/9/redirects")
    assert response.content == content_of("a", 9)
    async with client.stream("GET", f"{base}/b/20000/redirects") as reply:
        assert await reply.read() == content_of("b", 20_000)


async def left_unread(client: AsyncClient, base: str, upload: Path) -> None:
    """A little is left, which is read by who leaves."""
    async with client.stream("GET", f"{base}/a/300/slow") as reply:
        assert reply.status_code == 200


async def saved(client: AsyncClient, base: str, upload: Path) -> None:
    """To a file, which is there whole or not at all."""
    path = upload.with_name("saved.bin")
    path.unlink(missing_ok=True)
    try:
        await client.download(f"{base}/a/9000/slow", path, overwrite=True)
    except asyncio.CancelledError:
        assert not path.exists() or path.read_bytes() == content_of("a", 9000)
        raise
    assert path.read_bytes() == content_of("a", 9000)


async def uploaded(client: AsyncClient, base: str, upload: Path) -> None:
    stages = []

    async def pieces() -> AsyncIterator[bytes]:
        stages.append("begun")
        try:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"u" * 50_000
        finally:
            stages.append("over")
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    try:
        response = await client.post(f"{base}/a/9/good", content=pieces())
        assert response.headers["got"] == "150000"
        assert response.content == content_of("a", 9)
    finally:
        assert stages in ([], ["begun", "over"]), "a body that was begun is not closed"


async def asked_before_upload(client: AsyncClient, base: str, upload: Path) -> None:
    response = await client.post(
        f"{base}/a/9/good", content=b"u" * 1000, headers={"expect": "100-continue"}
    )
    assert response.headers["got"] == "1000"


async def file_uploaded(client: AsyncClient, base: str, upload: Path) -> None:
    response = await client.post(f"{base}/a/9/good", files={"f": upload})
    assert int(response.headers["got"]) > 300_000  # the file, and what is around it


async def queued(client: AsyncClient, base: str, upload: Path) -> None:
    """Wait for the only place, which somebody else has, and get their connection."""

    async def other() -> None:
        with suppress(asyncio.CancelledError):
            response = await client.get(f"{base}/other/9/slow")
            assert response.content == content_of("other", 9)

    holder = asyncio.create_task(other())
    await asyncio.sleep(0)
    try:
        response = await client.get(f"{base}/a/9/good")
        assert response.content == content_of("a", 9)
    finally:
        holder.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(holder, return_exceptions=True)


async def queued_for_a_place(client: AsyncClient, base: str, upload: Path) -> None:
    """Wait for a place whose connection is closed, so that a new one has to be opened."""

    async def other() -> None:
        with suppress(asyncio.CancelledError):
            await client.get(f"{base}/other/9/closes")

    holder = asyncio.create_task(other())
    await asyncio.sleep(0)
    try:
        response = await client.get(f"{base}/a/9/good")
        assert response.content == content_of("a", 9)
    finally:
        holder.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(holder, return_exceptions=True)


async def sent_once_more(client: AsyncClient, base: str, upload: Path) -> None:
    """The server leaves as the second request is on its way, which is then sent again."""
    await client.get(f"{base}/a/9/leaves")
    response = await client.get(f"{base}/b/9/good")
    assert response.content == content_of("b", 9)


STORIES = [
    fresh, fresh_and_again, streamed, left_early, left_unread, redirected, saved, uploaded,
    asked_before_upload, file_uploaded,
    queued, queued_for_a_place, sent_once_more,
]  # fmt: skip


# --- where they are played -----------------------------------------------------------------------


class SlowNetwork(AsyncMemoryNetwork):
    """A network in memory where opening takes a few turns of the loop, TLS too."""

    def __init__(self) -> None:
        super().__init__(serve)
        self.streams: list[Any] = []

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stream = await super().connect(host, port, deadline, addresses, settings)
        self.streams.append(stream)
        return stream

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        await asyncio.sleep(0)
        return await super().start_tls(stream, settings, hostname, deadline)


async def play(
    client: AsyncClient, base: str, story: Story, upload: Path, k: int, when: str
) -> int:
    """Play a story, cancelled at its k-th await; return k, or 0 when it has not that many."""
    cancelled = CancelledAt(story(client, base, upload), k, when)

    async def run() -> None:
        await cancelled

    task = asyncio.create_task(run())
    done, _ = await asyncio.wait({task}, timeout=5)
    assert done, f"{story.__name__} never ends when cancelled at await {k}"
    was_cancelled = task.cancelled()
    if not was_cancelled and (fault := task.exception()) is not None:
        raise fault
    pool = client._core._pool
    assert not pool._queues, k
    assert pool._ledger.total <= 1, k
    probe = await client.delete(f"{base}/probe/1/good", timeout=2)
    assert probe.content == b"probe;x", k
    return k if cancelled.suspensions >= k else 0


async def in_all_ways(
    new_client: Callable[[], AsyncClient], base: str, story: Story, upload: Path, when: str
) -> int:
    for k in range(1, MOST):
        client = new_client()
        try:
            reached = await play(client, base, story, upload, k, when)
        finally:
            await client.aclose()
        assert client._core._pool._ledger.total == 0, k
        network = client._core.network
        if isinstance(network, SlowNetwork):
            assert all(stream._is_closed for stream in network.streams), k
        if not reached:
            return k - 1
    raise AssertionError("it never ends")


@pytest.mark.parametrize("when", ["at once", "late", "twice"])
@pytest.mark.parametrize("story", STORIES)
def test_in_memory(story: Story, when: str, big_file: Path) -> None:
    async def run() -> None:
        found = await in_all_ways(
            lambda: AsyncClient(network=SlowNetwork(), pool=ONE, timeout=3),
            "https://a.example", story, big_file, when,
        )  # fmt: skip
        assert found >= 3, "it was cancelled nowhere"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


@asynccontextmanager
async def served_here(listening: Any, *, tls: bool) -> AsyncIterator[str]:
    service = listening.encrypted(serve) if tls else serve
    listener = await AioNetwork().listen("127.0.0.1", 0, service)
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.addresses[0][1]}"
    finally:
        listener.close()
        await listener.finish(0.5)


@pytest.mark.parametrize("when", ["at once", "late", "twice"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("story", [fresh_and_again, streamed, uploaded, queued_for_a_place])
def test_on_sockets(
    story: Story, tls: bool, when: str, big_file: Path, listening: Any, papers: tuple[str, str]
) -> None:
    async def run() -> None:
        async with served_here(listening, tls=tls) as base:
            found = await in_all_ways(
                lambda: AsyncClient(pool=ONE, timeout=3, verify=papers[0], trust_env=False),
                base, story, big_file, when,
            )  # fmt: skip
        assert found >= 3, "it was cancelled nowhere"

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(run())


def test_who_is_cancelled_gets_no_other_error(big_file: Path) -> None:
    """A cancellation is never turned into an error, nor is it swallowed."""

    async def run() -> None:
        client = AsyncClient(network=SlowNetwork(), pool=ONE, timeout=3)
        for k in range(1, MOST):
            cancelled = CancelledAt(fresh(client, "https://a.example", big_file), k, "at once")
            try:
                await asyncio.ensure_future(_awaited(cancelled))
            except asyncio.CancelledError:
                continue
            except CrlfError as fault:
                raise AssertionError(f"at await {k}: {fault!r}") from fault
            assert cancelled.suspensions < k, f"the cancellation at await {k} was swallowed"
            break
        await client.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


async def _awaited(thing: Awaitable[object]) -> None:
    await thing
