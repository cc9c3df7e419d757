"""A server on a running loop: from its first accept to its last goodbye.

It listens, renews the Date field once a second, and stops in order: no new connections, then
idle ones closed, answers under way finished within the patience, the rest cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from crlf.flow.serve import Service
from crlf.message.dates import build_date
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.aio import AioNetwork, Listener, in_thread, monotonic, wall
from crlf.net.spool import Spool
from crlf.ports import InThread
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.wire.h1.server import Standing
from crlf.wire.limits import SERVER_LIMITS, Limits


class Application(Protocol):
    """What can be served: an App, or whatever gives a Send when told its surroundings."""

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]: ...


class Server:
    """Serves an application at an address, on the running loop.

    host: an address or name to listen on. port: 0 takes a free one. limits, patience: what a
    client may make us read, and for how long. name: the Server field; None leaves it out.
    """

    def __init__(
        self,
        app: Application,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        limits: Limits = SERVER_LIMITS,
        patience: Patience = DEFAULT_PATIENCE,
        name: str | None = "crlf",
    ) -> None:
        self._host, self._port = host, port
        self._patience = patience
        self._standing = Standing(server=b"" if name is None else f"server: {name}\r\n".encode())
        self._service = Service(
            app.sender(in_thread, wall),
            monotonic,
            in_thread,
            Spool(),
            limits=limits,
            patience=patience,
            standing=self._standing,
            report=_report,
        )
        self._listener: Listener | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to accept. Raises OSError when the address cannot be had."""
        network = AioNetwork()
        self._renew_date()
        self._listener = await network.listen(self._host, self._port, self._service.serve)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._listener is None:
            raise RuntimeError("the server has not started")
        return self._listener.addresses[0][1]

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the server."""
        host = self._host if self._host not in ("0.0.0.0", "::", "") else "127.0.0.1"
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    async def stop(self) -> None:
        """Stop in order; see the head of this file."""
        if self._listener is None:
            return
        self._listener.close()
        self._service.drain()
        self._service.close_idle()
        await self._listener.finish(self._patience.drain)
        if self._timer is not None:
            self._timer.cancel()
        self._listener = None

    def _renew_date(self) -> None:
        now = time.time()
        self._standing.renew(f"date: {build_date(int(now))}\r\n".encode())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(1.001 - now % 1, self._renew_date)


def _report(request: Request | None, fault: BaseException) -> None:
    """Log what went wrong on our side."""
    import logging  # 8 ms; a server on which nothing goes wrong does without

    logging.getLogger("crlf.server").error("%r failed", request, exc_info=fault)
