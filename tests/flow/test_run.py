"""Running a flow in one step: what it returns, what it raises, and what it must never do."""

from __future__ import annotations

import asyncio

import pytest

from crlf.flow.run import run_sync


async def nothing() -> str:
    return "done"


def test_what_a_flow_returns_is_returned() -> None:
    async def flow() -> str:
        return await nothing()

    assert run_sync(flow()) == "done"


def test_what_a_flow_raises_is_raised() -> None:
    async def flow() -> None:
        await nothing()
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        run_sync(flow())


def test_a_flow_that_waits_is_ended_in_order_and_refused() -> None:
    steps: list[str] = []

    async def flow() -> None:
        try:
            await asyncio.sleep(0)
            steps.append("went on")
        finally:
            steps.append("cleaned up")

    with pytest.raises(RuntimeError, match="AsyncClient"):
        run_sync(flow())
    assert steps == ["cleaned up"]


def test_that_is_so_however_it_resists() -> None:
    steps: list[str] = []

    async def catching() -> str:
        try:
            await asyncio.sleep(0)
        except RuntimeError:
            steps.append("caught")
        return "as if nothing had been"

    async def waiting_again() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)

    for flow in (catching, waiting_again):
        with pytest.raises(RuntimeError, match="AsyncClient"):
            run_sync(flow())
    assert steps == ["caught"]


def test_flows_may_be_run_inside_a_flow() -> None:
    async def flow() -> str:
        return run_sync(nothing()) + await nothing()

    assert run_sync(flow()) == "donedone"
