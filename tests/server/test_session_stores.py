"""Sessions hold the same wherever they are kept: in a cookie, in a file, in a store in memory.

For Valkey the same stories are told in tests/live/test_session_valkey.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.session_shops import SessionStories
from tests.server.session_visitors import MemoryStore, Shop, increments_at_once, putting

from crlf.net.sessionfile import SessionFile


@pytest.fixture(params=["memory", "file", "cookie"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["def", "async def"])
def shop(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[Shop]:
    waits = request.param == "async def"
    if kind == "cookie":
        yield Shop("cookie", waits=waits, secret="a secret of the tests")
        return
    store = MemoryStore() if kind == "memory" else SessionFile(tmp_path / "sessions.sqlite")
    yield Shop(store, waits=waits)
    store.close()


class TestStores(SessionStories):
    """In each of them."""

    def test_200_increments_on_a_loop_are_200(self, shop: Shop) -> None:
        shop.only_if_stored("is what its last answer said")
        with shop.browser() as ann:
            ann.do(putting(n=0))
            asyncio.run(increments_at_once(shop, f"session={ann.id}", 200))
            assert ann.data == {"n": 200}
