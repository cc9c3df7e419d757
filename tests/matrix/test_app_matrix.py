"""Every feature of applications, told by every client to handlers of either colour.

The stories are those of app_stories.py, the application that of app_shop.py. Client and
AsyncClient, in memory, over sockets and over TLS, on asyncio and uvloop, to `def` and to `async
def` handlers: a feature exists when its story is the same in all of these cells.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import left_tasks, logged, new_files, new_threads, open_files
from tests.live.valkeyserver import NEEDED, store_server
from tests.matrix.app_shop import furnish, make_shop
from tests.matrix.app_stories import STORIES, play_all, session_stories

from crlf import AsyncClient, Client
from crlf.server import running

pytestmark = [pytest.mark.timeout(60), pytest.mark.needs("python:jinja2")]


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """In place of the fixture of that name: the servers' threads are those of many tests."""
    left_tasks.clear()
    logged.clear()
    yield
    assert not left_tasks + logged


@pytest.fixture(scope="module", autouse=True)
def nothing_left_of_servers() -> Iterator[None]:
    """Fail when a thread or a descriptor is left once all servers have stopped."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    assert not new_threads(threads) + new_files(files)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    furnish(folder)
    return folder


@pytest.fixture(scope="module")
def matrix(tools: Any, papers: tuple[str, str], places: Path) -> Iterator[Any]:
    apps = [make_shop(places, waits=waits) for waits in (False, True)]
    with tools.matrix_of(apps, papers) as made:
        yield made


@pytest.mark.parametrize("name", STORIES)
def test_feature(matrix: Any, name: str) -> None:
    play_all(matrix, STORIES[name])


@pytest.fixture(scope="module")
def valkey_matrix(
    tools: Any, papers: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("valkeyshop")
    furnish(folder)
    with store_server(tmp_path_factory.mktemp("valkey")) as store:
        apps = [make_shop(folder, waits=waits, valkey=store.url) for waits in (False, True)]
        with tools.matrix_of(apps, papers) as made:
            yield made


@pytest.mark.live
@pytest.mark.needs(NEEDED)
@pytest.mark.parametrize("name", session_stories("valkey"))
def test_session_in_valkey(valkey_matrix: Any, name: str) -> None:
    play_all(valkey_matrix, session_stories("valkey")[name])


# --- a server that stops -------------------------------------------------------------------------


def listen(url: str, heard: threading.Event) -> int:
    """Listen to events until their end, and say how many there were."""
    count = 0
    with Client() as client, client.events(url, reconnect=False) as told:
        for _ in told:
            count += 1
            heard.set()
    return count


def listen_on_a_loop(url: str, heard: threading.Event) -> int:
    async def main() -> int:
        count = 0
        async with AsyncClient() as client, client.events(url, reconnect=False) as told:
            async for _ in told:
                count += 1
                heard.set()
        return count

    return asyncio.run(main())


@pytest.mark.parametrize("kind", ["ticks", "ticks-waiting"])
@pytest.mark.parametrize("waits", [False, True], ids=["def", "async def"])
def test_events_end_as_the_server_drains(places: Path, waits: bool, kind: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        with running(make_shop(places, waits=waits)) as server:
            url = f"http://127.0.0.1:{server.port}/events/{kind}"
            heard = [threading.Event(), threading.Event()]
            listening = [
                pool.submit(listen, url, heard[0]), pool.submit(listen_on_a_loop, url, heard[1]),
            ]  # fmt: skip
            assert all(one.wait(5) for one in heard)
            stopped = time.monotonic()
        assert all(one.result(5) > 0 for one in listening)  # an end, and no error
        assert time.monotonic() - stopped < 3


# --- what is still to be mended ------------------------------------------------------------------


@pytest.mark.rfc("8259", "6")
@pytest.mark.parametrize("content", [b"NaN", b"[Infinity]", b'{"a": -Infinity}'])
def test_json_has_no_nan(places: Path, content: bytes) -> None:
    with Client(app=make_shop(places, waits=False)) as client:
        assert client.post("http://localhost/typed/json", content=content).status_code == 400
