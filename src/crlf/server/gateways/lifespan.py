"""The lifespan of an ASGI application: what it does before the first request and after the last.

It runs in one Task from its start to its end, as contexts and task groups in it need (ASGI
lifespan 2.0). Its law: an application that says that it could not start up is not served, and
one that knows of no lifespan is served without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from crlf.server.application import DidNotStart

Message = dict[str, Any]
App = Callable[
    [dict[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

MODES: Final = ("auto", "on", "off")
_LEAVING: Final = 1.0  # seconds for the application to return once it has shut down

# Where it stands.
_NEW, _STARTING, _STARTED, _STOPPING, _OVER = range(5)


class Lifespan:
    """The lifespan of one application.

    state: what the application may put things into for its requests. mode: "auto" to do without
    where the application has none, "on" to insist, "off" not to ask.
    """

    def __init__(self, app: App, state: dict[str, Any], mode: str = "auto") -> None:
        if mode not in MODES:
            raise ValueError(f"lifespan is one of {', '.join(MODES)}, not {mode!r}")
        self._app = app
        self._state = state
        self._mode = mode
        self._task: asyncio.Task[None] | None = None
        self._renew()

    def _renew(self) -> None:
        """Stand at the beginning: it may be begun again, also on another loop."""
        self._stage = _NEW
        self._why = ""  # it failed, in the application's words
        self._told = asyncio.Event()  # the application has said how it stands, or is over
        self._stop = asyncio.Event()

    async def begin(self) -> None:
        """Let the application start up. Raises DidNotStart when it says that it cannot.

        Cancelled, it takes the application with it.
        """
        if self._mode == "off":
            return
        self._renew()
        self._task = asyncio.create_task(self._run(), name="crlf-lifespan")
        try:
            await self._told.wait()
        except asyncio.CancelledError:
            await self._cut()
            raise
        if self._why:
            await self._cut()
            raise DidNotStart(self._why)

    async def finish(self) -> None:
        """Let the application shut down, and wait until it has; log it when it says it could not.

        Cancelled, it takes the application with it.
        """
        task = self._task
        if task is None:
            return
        try:
            if self._stage == _STARTED:
                self._stage = _STOPPING
                self._told.clear()
                self._stop.set()
                await self._told.wait()
                await asyncio.wait([task], timeout=_LEAVING)
            if self._why:
                _log("error", "the application did not shut down as it should: %s", self._why)
        finally:
            await self._cut()

    async def _cut(self) -> None:
        """End the Task, and look at what it came to."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            self._failed(error)
        else:
            if self._stage <= _STARTING and not self._why:
                self._missing("it returned without an answer to lifespan.startup")
        finally:
            self._stage = _OVER
            self._told.set()

    def _failed(self, error: Exception) -> None:
        if self._why:
            return  # as it has said itself
        if self._stage <= _STARTING:
            # ASGI lifespan: who raises has none, and the server goes on.
            self._missing(f"{type(error).__name__}: {error}")
        else:
            _log("error", "the application failed in its lifespan", exc_info=error)

    def _missing(self, why: str) -> None:
        if self._mode == "on":
            self._why = why
        else:
            _log("info", "the application is served without a lifespan: %s", why)

    async def _receive(self) -> Message:
        if self._stage == _NEW:
            self._stage = _STARTING
            return {"type": "lifespan.startup"}
        await self._stop.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        phase = {_NEW: "startup", _STARTING: "startup", _STOPPING: "shutdown"}.get(self._stage)
        if phase is None or kind not in (f"lifespan.{phase}.complete", f"lifespan.{phase}.failed"):
            raise RuntimeError(f"{kind} is not expected now")
        if kind == "lifespan.startup.complete":
            self._stage = _STARTED
        elif kind != "lifespan.shutdown.complete":
            self._why = str(message.get("message", "")) or "it does not say why"
        self._told.set()


def _log(level: str, text: str, *arguments: object, exc_info: BaseException | None = None) -> None:
    import logging  # 8 ms; a server on which nothing goes wrong does without

    logger = logging.getLogger("crlf.server")
    logger.log(logging.getLevelNamesMapping()[level.upper()], text, *arguments, exc_info=exc_info)
