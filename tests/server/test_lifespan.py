"""The lifespan of an ASGI application: started before, stopped after, done without where absent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from crlf import Client
from crlf.server.gateways.asgi import AsgiApplication
from crlf.server.starting import running


async def ready(scope: Any, receive: Any, send: Any) -> None:
    """Start and stop as one should; answer with what was kept from the start."""
    if scope["type"] == "lifespan":
        assert await receive() == {"type": "lifespan.startup"}
        scope["state"]["told"] = ["started"]
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == {"type": "lifespan.shutdown"}
        scope["state"]["told"].append("stopped")
        await send({"type": "lifespan.shutdown.complete"})
        return
    scope["state"]["mine"] = 1
    content = f"{scope['state']['told'][0]} {sorted(scope['state'])}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": content})


def lived(application: AsgiApplication) -> None:
    """Begin and finish."""

    async def story() -> None:
        await application.begin()
        await application.finish()

    asyncio.run(story())


def test_a_request_has_a_copy_of_what_the_start_left() -> None:
    application = AsgiApplication(ready)
    with running(application) as server, Client(base_url=server.url, trust_env=False) as client:
        assert [client.get("").text for _ in range(2)] == ["started ['mine', 'told']"] * 2
    assert application.state == {"told": ["started", "stopped"]}


def test_it_can_be_lived_twice() -> None:
    application = AsgiApplication(ready)
    lived(application)
    lived(application)
    assert application.state["told"] == ["started", "stopped"]


def test_a_start_that_fails_keeps_the_server_from_starting() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise OSError("no database")

    with (
        pytest.raises(RuntimeError, match="the application did not start: no database"),
        running(AsgiApplication(app)),
    ):
        pass


async def raising(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise ValueError("only http")


async def returning(scope: Any, receive: Any, send: Any) -> None:
    """Know nothing of a lifespan, and not mind."""


@pytest.mark.parametrize("app", [raising, returning])
def test_an_application_without_a_lifespan_is_served_and_that_is_said(
    app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "crlf.server"):
        lived(AsgiApplication(app))
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "is served without a lifespan" in caplog.text


@pytest.mark.parametrize("app", [raising, returning])
def test_who_insists_is_not_served_without(app: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        lived(AsgiApplication(app, lifespan="on"))


def test_who_asks_not_is_not_told() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("asked")

    lived(AsgiApplication(app, lifespan="off"))


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="auto, on, off, not 'maybe'"):
        AsgiApplication(ready, lifespan="maybe")


@pytest.mark.parametrize(
    ("last", "text"),
    [
        ({"type": "lifespan.shutdown.failed", "message": "still busy"}, "still busy"),
        ({"type": "lifespan.startup.complete"}, "lifespan.startup.complete is not expected now"),
    ],
)
def test_what_goes_wrong_at_the_end_is_logged(
    last: dict[str, str], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send(last)

    lived(AsgiApplication(app))
    assert text in caplog.text


def test_who_ends_in_the_middle_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise LookupError("in the middle")

    async def story() -> None:
        application = AsgiApplication(app)
        await application.begin()
        await asyncio.sleep(0)
        await asyncio.wait_for(application.finish(), 5)

    asyncio.run(story())
    assert "in the middle" in caplog.text


def test_a_start_that_is_cancelled_cancels_the_application() -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("ended")

    async def story() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(AsgiApplication(app).begin(), 0.01)

    asyncio.run(story())
    assert ends == ["ended"]


def test_all_of_it_is_one_task() -> None:
    tasks: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for word in ("startup", "shutdown"):
            await receive()
            tasks.append(asyncio.current_task())
            await send({"type": f"lifespan.{word}.complete"})

    lived(AsgiApplication(app))
    assert len(tasks) == 2
    assert tasks[0] is tasks[1]
