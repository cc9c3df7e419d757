"""The same application, wherever it is served: by crlf, by uvicorn and hypercorn, in another App.

The stories are those of the matrix (app_stories.py). Servers are in processes of their own, one
for each colour of handlers; one colour is asked by Client, the other by AsyncClient.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import left_tasks, logged
from tests.live.peers import free_port, process
from tests.matrix.app_shop import furnish, make_shop
from tests.matrix.app_stories import STORIES, play_all

from crlf import AsyncClient, Client
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.server import App, stream

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("python:jinja2")]

FACTORY = "app_hosted:made"
HOSTS = {
    "crlf": ["crlf", "serve", "--factory", FACTORY, "--bind", "127.0.0.1:PORT"],
    "uvicorn": ["uvicorn", "--port", "PORT", "--log-level", "critical", "--factory", FACTORY],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:PORT", FACTORY + "()"],
}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """In place of the fixture of that name: here, too, threads are those of many tests."""
    left_tasks.clear()
    logged.clear()
    yield
    assert not left_tasks + logged


def begun(stack: ExitStack, folder: Path, host: str, waits: bool) -> str:
    """Start a server that ends with the stack; give its URL."""
    port = free_port()
    command = [sys.executable, "-m", *(part.replace("PORT", str(port)) for part in HOSTS[host])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_FOLDER", str(folder))
        patch.setenv("SHOP_WAITS", "yes" if waits else "no")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        stack.enter_context(process(port, *command))
    return f"http://127.0.0.1:{port}"


def hosts() -> list[Any]:
    """One host in every run; the others when there is time."""
    return [pytest.param(one, marks=[] if one == "uvicorn" else pytest.mark.long) for one in HOSTS]


@pytest.fixture(scope="module", params=hosts())
def hosted(
    request: pytest.FixtureRequest, tools: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("hosted")
    furnish(folder)
    with ExitStack() as stack:
        plain = begun(stack, folder, request.param, waits=False)
        waiting = begun(stack, folder, request.param, waits=True)
        made = tools.matrix_of_cells(
            ("Client, def", Client, plain), ("AsyncClient, async def", AsyncClient, waiting)
        )
        yield made, request.param


LEAVING = ("a_client_that_leaves_events", "a_slow_client_that_leaves")


def told(hosted: Any, name: str) -> None:
    matrix, host = hosted
    play_all(matrix, STORIES[name], is_told_to_send=host == "hypercorn")


@pytest.mark.live
@pytest.mark.needs("python:uvicorn", "python:hypercorn")
@pytest.mark.parametrize("name", [name for name in STORIES if name not in LEAVING])
def test_hosted(hosted: Any, name: str) -> None:
    told(hosted, name)


@pytest.mark.live
@pytest.mark.long  # a host is asked only after 2 s whether the client of an answer is still there
@pytest.mark.needs("python:uvicorn", "python:hypercorn")
@pytest.mark.parametrize("name", LEAVING)
def test_hosted_and_left(hosted: Any, name: str) -> None:
    told(hosted, name)


def test_a_host_that_takes_everything_keeps_its_loop() -> None:
    """uvicorn and hypercorn take what is sent once the client is gone, and never wait."""
    app, closed = App(), []

    @app.get("/")
    async def endless(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"piece"
            finally:
                closed.append(True)

        return stream(pieces())

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/",
        "headers": [(b"host", b"a")], "query_string": b"", "scheme": "http",
        "client": ("127.0.0.1", 1), "server": None,
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert closed == [True]


# --- in another application ----------------------------------------------------------------------


def around(shop: App) -> App:
    """An application that has the shop below a prefix, and a layer of its own."""
    outer = App(sessions=False)

    @outer.filter
    def stamping(request: Request) -> Generator[Request, Response, Response]:
        response = yield request
        return response.with_field("x-outer", "1")

    outer.mount("/shop", shop)
    return outer


@pytest.fixture(scope="module")
def mounted(tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("mounted")
    furnish(folder)
    plain, waiting = (around(make_shop(folder, waits=waits)) for waits in (False, True))
    base = "http://localhost"
    yield tools.matrix_of_cells(
        ("Client, def", tools.in_memory(Client, plain), base),
        ("AsyncClient, async def", tools.in_memory(AsyncClient, waiting), base),
    )
    for app in (plain, waiting):
        asyncio.run(app.finish())  # as a server does


@pytest.mark.parametrize("name", STORIES)
def test_mounted(mounted: Any, name: str) -> None:
    play_all(mounted, STORIES[name], "/shop")
