"""The news that a server drains: once, to threads, loops and callbacks."""

from __future__ import annotations

import asyncio
import threading

import pytest

from crlf.message.facts import NOT_DRAINING
from crlf.net.draining import Drain


def test_it_comes_once_and_stays() -> None:
    drain, told = Drain(), []
    drain.on_drain(lambda: told.append(1))
    assert not drain
    assert drain.wait(0.0) is False
    drain.begin()
    drain.begin()
    assert drain
    assert told == [1]
    assert drain.wait() is True
    drain.on_drain(lambda: told.append(2))  # it has begun
    assert told == [1, 2]


def test_a_thread_is_woken() -> None:
    drain, woken = Drain(), []
    thread = threading.Thread(target=lambda: woken.append(drain.wait(20)))
    thread.start()
    drain.begin()
    thread.join(20)
    assert woken == [True]


def test_a_loop_is_woken_and_a_wait_may_end_before() -> None:
    async def story() -> list[bool]:
        drain = Drain()
        early = await drain.within(0.01)
        assert drain._callbacks == []  # who waits no longer is forgotten
        asyncio.get_running_loop().call_later(0.01, drain.begin)
        return [early, await drain.within(20), await drain.within(20)]

    assert asyncio.run(story()) == [False, True, True]


def test_a_request_that_no_server_received_drains_never() -> None:
    assert not NOT_DRAINING
    for wait in (NOT_DRAINING.wait, NOT_DRAINING.within):
        with pytest.raises(RuntimeError, match="no server"):
            wait(1.0)
