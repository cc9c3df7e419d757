"""ASGI: applications of others, hosted (ASGI 3.0, HTTP 2.5, lifespan 2.0).

An application is called in the Task of its connection, in a context of its own, so that a whole
answer costs neither a Task nor a second write. Its law: what it says is checked when it says it,
by name; and what it says wrong is its own fault, never the client's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

from crlf.flow.contexts import rest_of
from crlf.flow.turn import Talk, Turn
from crlf.ports import InThread
from crlf.server.gateways.asgiexchange import Exchange
from crlf.server.gateways.asgiheads import FieldsMaker, Message, Scope, ScopeMaker
from crlf.server.gateways.lifespan import Lifespan

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiApplication:
    """An ASGI 3 application as a server hosts it.

    root_path: where it is mounted, such as "/shop": a proxy has cut it off the path. state: what
    its lifespan begins with; each request gets a copy. lifespan: "auto" to do without where the
    application has none, "on" to insist, "off" not to ask.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        root_path: str = "",
        state: dict[str, Any] | None = None,
        lifespan: str = "auto",
    ) -> None:
        self.app = app
        self.root_path = root_path.rstrip("/")
        self.state: dict[str, Any] = {} if state is None else dict(state)
        self._lifespan = Lifespan(app, self.state, lifespan)

    async def begin(self) -> None:
        """Let the application start up. Raises RuntimeError when it says that it cannot."""
        await self._lifespan.begin()

    async def finish(self) -> None:
        """Let the application shut down."""
        await self._lifespan.finish()

    def talker(self, in_thread: InThread, now: Callable[[], float]) -> Talk:
        """Return what answers requests."""
        app, root_path, state = self.app, self.root_path, self.state
        fields = FieldsMaker().fields

        async def talk(turn: Turn) -> None:
            request = turn.request
            known = turn.kept
            if type(known) is not ScopeMaker or not known.fits(request):
                known = turn.kept = ScopeMaker(request, root_path)
            exchange = Exchange(turn, fields, in_thread)
            # In a context of its own: what one visitor's request sets, the next must not see.
            run = copy_context().run
            try:
                called = run(app, known.new_scope(state), exchange.receive, exchange.send)
                steps = called.__await__()
                try:
                    waited = run(next, steps)
                except StopIteration:
                    pass  # it never had to wait
                else:
                    await rest_of(run, steps, waited, turn.leave_if_finished)
            except Exception as error:
                exchange.fail(error)
            finally:
                if exchange.news is not None:
                    exchange.end()
            if turn.is_gone and not turn.is_finished:
                raise exchange.gone()

        return talk
