"""A flow that waits at a bell is told that it is late when it is, and never before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from crlf.net.aio import AioBell

LOOPS = ["asyncio", "uvloop"]


def loop_of(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    return asyncio.new_event_loop if name == "asyncio" else __import__("uvloop").new_event_loop


@pytest.mark.parametrize("loop", LOOPS)
def test_late_is_not_before_the_deadline(loop: str) -> None:
    """uvloop counts in whole milliseconds from when it last looked at the clock."""

    async def story() -> list[float]:
        bell, early = AioBell(asyncio.get_running_loop()), []
        for number in range(60):
            spin = time.monotonic() + 0.0013  # the loop's idea of now is old by then
            while time.monotonic() < spin:
                pass
            deadline = time.monotonic() + 0.0014 + number / 100_000
            with bell:
                assert not await bell.wait(deadline)
            early.append(deadline - time.monotonic())
        return [seconds for seconds in early if seconds > 0]

    with asyncio.Runner(loop_factory=loop_of(loop)) as runner:
        assert runner.run(story()) == []


@pytest.mark.parametrize("loop", LOOPS)
def test_a_ring_ends_the_wait(loop: str) -> None:
    async def story() -> tuple[bool, float]:
        bell, began = AioBell(asyncio.get_running_loop()), time.monotonic()
        asyncio.get_running_loop().call_later(0.01, bell.ring)
        with bell:
            return await bell.wait(began + 5), time.monotonic() - began

    with asyncio.Runner(loop_factory=loop_of(loop)) as runner:
        rang, took = runner.run(story())
    assert rang
    assert took < 1
