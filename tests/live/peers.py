"""What the stories with real peers share: processes that end, and one face for both clients.

A story is a coroutine over a Face; a blocking client's face never suspends, so that its story
runs in one step. Each story is told by Client and by AsyncClient, and both have to tell the same.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from crlf import AsyncClient, Client, CrlfError, Response
from crlf.client.streamed import AsyncStreamedResponse, StreamedResponse
from crlf.flow.run import run_sync

START = 20  # seconds that a peer may take until it answers


def free_port() -> int:
    """Find a port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def until_up(port: int, started: subprocess.Popen[bytes], said: Path | None = None) -> None:
    """Wait until a server that was started answers. said: a file that is shown when it does not."""
    give_up = time.monotonic() + START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            why = said.read_text() if said is not None and said.exists() else ""
            assert started.poll() is None, f"{started.args} has stopped. {why}"
            assert time.monotonic() < give_up, f"{started.args} does not answer. {why}"
            time.sleep(0.02)


@contextmanager
def process(port: int, *command: str, said: Path | None = None) -> Iterator[int]:
    """Run a server until the block ends, by its pid; give its pid once it answers.

    said: a file that is shown when it does not start.
    """
    quiet = subprocess.DEVNULL
    started = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        until_up(port, started, said)
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(5)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(5)


class Body:
    """A streamed response of either colour."""

    def __init__(self, inner: StreamedResponse | AsyncStreamedResponse) -> None:
        self.inner = inner
        self.status_code = inner.status_code
        self.headers = inner.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content as it comes."""
        if isinstance(self.inner, StreamedResponse):
            for piece in self.inner.iter_bytes():
                yield piece
        else:
            async with aclosing(self.inner.iter_bytes()) as pieces:  # type: ignore[type-var]  # typed as an iterator
                async for piece in pieces:
                    yield piece

    async def lines(self) -> list[str]:
        """Read the content as lines."""
        if isinstance(self.inner, StreamedResponse):
            return list(self.inner.iter_lines())
        return [line async for line in self.inner.iter_lines()]

    async def read(self) -> bytes:
        """Read the content whole."""
        if isinstance(self.inner, StreamedResponse):
            return self.inner.read()
        return await self.inner.read()


class Face:
    """A client of either colour."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and return its response."""
        reply = self.client.request(method, url, **options)
        return reply if isinstance(reply, Response) else await reply

    async def get(self, url: str, **options: Any) -> Response:
        """Send a GET and return its response."""
        return await self.ask("GET", url, **options)

    async def failing(self, url: str, **options: Any) -> CrlfError:
        """Send a GET that has to fail, and return its error."""
        try:
            response = await self.get(url, **options)
        except CrlfError as fault:
            return fault
        raise AssertionError(f"{response!r} where an error was expected")

    @asynccontextmanager
    async def stream(self, method: str, url: str, **options: Any) -> AsyncIterator[Body]:
        """Send a request and give its response with the content still to come."""
        if isinstance(self.client, Client):
            with self.client.stream(method, url, **options) as response:
                yield Body(response)
        else:
            async with self.client.stream(method, url, **options) as streamed:
                yield Body(streamed)

    @property
    def connections(self) -> int:
        """How many connections the client holds."""
        return self.client._core._pool._ledger.total


Story = Callable[[Face], Awaitable[Any]]
Play = Callable[..., Any]  # a story, and what its client is made with


def play_blocking(story: Story, **options: Any) -> Any:
    """Let a blocking client live through a story; return what it tells."""
    with Client(**{"trust_env": False, **options}) as client:
        return run_sync(story(Face(client)))  # type: ignore[arg-type]  # a story is a coroutine


def play_asyncio(story: Story, **options: Any) -> Any:
    """Let an asynchronous client live through a story; return what it tells."""

    async def run() -> Any:
        async with AsyncClient(**{"trust_env": False, **options}) as client:
            return await story(Face(client))

    return asyncio.run(run())


COLOURS: dict[str, Play] = {"blocking": play_blocking, "asyncio": play_asyncio}
