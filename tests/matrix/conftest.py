"""The cells of the matrix: which client, over what, on which loop, to which colour of handlers.

A story is written once, as a coroutine over a Face; a blocking client's face never suspends,
so that its story runs in one step, like the flows themselves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import trustme

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.client.core import Core
from crlf.client.inside import service_for
from crlf.client.streamed import AsyncStreamedResponse, StreamedResponse
from crlf.flow.run import run_sync
from crlf.message.errors import TransportError
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.aio import AioNetwork
from crlf.net.loops import new_loop
from crlf.net.memory import AsyncMemoryNetwork, MemoryNetwork
from crlf.net.tls import server_context, start_server_tls
from crlf.ports import Service, Stream
from crlf.rules.cookiejar import CookieJar
from crlf.server import App, running

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:
    pass  # one of the environments that CI makes is without it
else:
    LOOPS["uvloop"] = uvloop.new_event_loop


class Body:
    """A streamed response of either colour."""

    def __init__(self, inner: StreamedResponse | AsyncStreamedResponse) -> None:
        self.inner = inner
        self.status_code = inner.status_code
        self.headers = inner.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        if isinstance(self.inner, StreamedResponse):
            for piece in self.inner.iter_bytes():
                yield piece
        else:
            # Closed in order, so that a story that leaves early leaves nothing to the loop.
            async with aclosing(self.inner.iter_bytes()) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece

    async def lines(self) -> list[str]:
        if isinstance(self.inner, StreamedResponse):
            return list(self.inner.iter_lines())
        return [line async for line in self.inner.iter_lines()]

    async def read(self) -> bytes:
        if isinstance(self.inner, StreamedResponse):
            return self.inner.read()
        return await self.inner.read()


class Face:
    """A client of either colour, and where it finds the application."""

    def __init__(self, client: Client | AsyncClient, base: str) -> None:
        self.client = client
        self.base = base

    async def ask(self, method: str, path: str = "/", **options: Any) -> Response:
        reply = self.client.request(method, self.base + path, **options)
        return reply if isinstance(reply, Response) else await reply

    async def by_verb(self, verb: str, path: str, **options: Any) -> Response:
        reply: Response | Awaitable[Response] = getattr(self.client, verb)(
            self.base + path, **options
        )
        return reply if isinstance(reply, Response) else await reply

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[Body]:
        if isinstance(self.client, Client):
            with self.client.stream(method, self.base + path, **options) as response:
                yield Body(response)
        else:
            async with self.client.stream(method, self.base + path, **options) as streamed:
                yield Body(streamed)

    @property
    def connections(self) -> int:
        return self.client._core._pool._ledger.total


Story = Callable[[Face], Awaitable[object]]


@dataclass(frozen=True)
class Cell:
    """One way to bring a client and a server together."""

    name: str
    play: Callable[[Story, dict[str, Any]], object]


@dataclass
class Matrix:
    """All cells, and the demand that what they give is equal."""

    cells: list[Cell] = field(default_factory=list)

    def play(self, story: Story, **options: Any) -> object:
        """Play a story in every cell, demand equal results, and return what they all gave."""
        results = [(cell.name, cell.play(story, options)) for cell in self.cells]
        name, first = results[0]
        for other, result in results[1:]:
            assert result == first, f"{other} differs from {name}"
        return first


def blocking(make: Callable[..., Client], base: str) -> Callable[[Story, dict[str, Any]], object]:
    def play(story: Story, options: dict[str, Any]) -> object:
        with make(**options) as client:
            return run_sync(story(Face(client, base)))  # type: ignore[arg-type]

    return play


def on_loop(
    make: Callable[..., AsyncClient], base: str, loop: str
) -> Callable[[Story, dict[str, Any]], object]:
    def play(story: Story, options: dict[str, Any]) -> object:
        async def run() -> object:
            async with make(**options) as client:
                return await story(Face(client, base))

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            return runner.run(run())

    return play


def in_both_colours(fill: Callable[[App, Callable[[Any], Any]], None], **options: Any) -> list[App]:
    """Make an application twice, with `def` and with `async def` handlers."""

    def waiting(handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        async def wrapped(request: Request, **values: Any) -> Any:
            return handler(request, **values)

        return wrapped

    apps = [App(**options), App(**options)]
    fill(apps[0], lambda handler: handler)
    fill(apps[1], waiting)
    return apps


@contextmanager
def listening(serve: Service, certificate: str | None = None) -> Iterator[int]:
    """Serve a service on a port of this machine, in a thread; with a certificate, over TLS."""
    loop = new_loop()
    ready = threading.Event()
    ports: list[int] = []
    context = server_context(certificate) if certificate is not None else None
    listeners: list[Any] = []

    async def encrypted(stream: Stream) -> None:
        if context is None:
            await serve(stream)
            return
        with suppress(TransportError):
            await serve(await start_server_tls(stream, context, None))

    async def begin() -> None:
        listeners.append(await AioNetwork().listen("127.0.0.1", 0, encrypted))
        ports.append(listeners[0].addresses[0][1])
        ready.set()

    async def finish() -> None:
        listeners[0].close()
        await listeners[0].finish(1.0)

    def live() -> None:
        task = loop.create_task(begin())
        loop.run_forever()
        loop.run_until_complete(task)
        loop.run_until_complete(finish())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        assert ready.wait(5)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Make an authority and a certificate for this machine; give the paths of both."""
    folder = tmp_path_factory.mktemp("papers")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "here.pem")
    return str(folder / "ca.pem"), str(folder / "here.pem")


@contextmanager
def matrix_of(apps: list[App], papers: tuple[str, str]) -> Iterator[Matrix]:
    """Bring every client to every server."""
    authority, certificate = papers
    matrix = Matrix()
    colours = dict(zip(("def", "async def"), apps, strict=True))
    with (
        running(apps[0]) as first,
        running(apps[1]) as second,
        listening(service_for(apps[1]).serve, certificate) as tls_port,
    ):
        ports = {"def": first.port, "async def": second.port}
        for colour, app in colours.items():
            base, there = "http://localhost", f"http://127.0.0.1:{ports[colour]}"
            matrix.cells += [
                Cell(f"Client, memory, {colour}", blocking(in_memory(Client, app), base)),
                Cell(f"Client, socket, {colour}", blocking(Client, there)),
            ]
            for loop in LOOPS:
                inside = on_loop(in_memory(AsyncClient, app), base, loop)
                outside = on_loop(AsyncClient, there, loop)
                matrix.cells += [
                    Cell(f"AsyncClient, memory, {loop}, {colour}", inside),
                    Cell(f"AsyncClient, socket, {loop}, {colour}", outside),
                ]
        there = f"https://127.0.0.1:{tls_port}"

        def secure(kind: Any) -> Callable[..., Any]:
            return lambda **options: kind(verify=authority, **options)

        matrix.cells += [
            Cell("Client, TLS", blocking(secure(Client), there)),
            *(
                Cell(f"AsyncClient, TLS, {loop}", on_loop(secure(AsyncClient), there, loop))
                for loop in LOOPS
            ),
        ]
        yield matrix


def matrix_of_cells(*asked: tuple[str, Callable[..., Any], str]) -> Matrix:
    """Make a matrix of the few cells that are named, each with its client and where it asks."""
    matrix = Matrix()
    for name, make, base in asked:
        is_async = isinstance(make(), AsyncClient)
        play = on_loop(make, base, "asyncio") if is_async else blocking(make, base)
        matrix.cells.append(Cell(name, play))
    return matrix


def in_memory(kind: Any, app: App) -> Callable[..., Any]:
    return lambda **options: kind(app=app, **options)


@contextmanager
def raw_matrix_of(serve: Service, papers: tuple[str, str]) -> Iterator[Matrix]:
    """Bring every client to a service that writes bytes as it likes."""

    def inside(**options: Any) -> Client:
        return Client(network=MemoryNetwork(serve), **options)

    def inside_loop(**options: Any) -> AsyncClient:
        client = AsyncClient(**options)
        client._core_here = Core(client._settings, AsyncMemoryNetwork(serve), CookieJar())
        return client

    authority, certificate = papers
    with listening(serve) as port, listening(serve, certificate) as tls_port:
        base, there = "http://localhost", f"http://127.0.0.1:{port}"
        matrix = Matrix(
            [
                Cell("Client, memory", blocking(inside, base)),
                Cell("Client, socket", blocking(Client, there)),
                Cell(
                    "Client, TLS",
                    blocking(
                        lambda **options: Client(verify=authority, **options),
                        f"https://127.0.0.1:{tls_port}",
                    ),
                ),
            ]
        )
        for loop in LOOPS:
            matrix.cells += [
                Cell(f"AsyncClient, memory, {loop}", on_loop(inside_loop, base, loop)),
                Cell(f"AsyncClient, socket, {loop}", on_loop(AsyncClient, there, loop)),
            ]
        yield matrix


class Tools:
    """What the stories need of this file, since a conftest is not imported."""

    Face = Face
    in_both_colours = staticmethod(in_both_colours)
    matrix_of = staticmethod(matrix_of)
    raw_matrix_of = staticmethod(raw_matrix_of)
    matrix_of_cells = staticmethod(matrix_of_cells)
    in_memory = staticmethod(in_memory)


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    """Give the makers of matrices."""
    return Tools


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the files of the stories."""
    return tmp_path_factory.mktemp("stories")
