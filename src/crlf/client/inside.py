"""A client that talks to an application in its own process, through the real engine.

The bytes are real, the network is memory: what the application sees is what a server would
hand it, and what the client sees is what came off the wire. A Shape bends the way there or back,
so that a test has a slow client, or one whose connection breaks after so many bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from crlf.client.options import Application
from crlf.flow.serve import Service
from crlf.net.aio import from_threads, in_thread, monotonic, spawn, wall
from crlf.net.interrupt import Interrupt, is_cancelled
from crlf.net.memory import AsyncMemoryNetwork, MemoryNetwork
from crlf.net.memorystream import STRAIGHT, Shape
from crlf.net.saving import Saving
from crlf.net.spool import Spool
from crlf.net.tasks import within
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience


def service_for(app: Application, patience: Patience = DEFAULT_PATIENCE) -> Service:
    """Return a service for an application, with a server's default limits."""
    talker = getattr(app, "talker", None)
    if talker is not None:  # it answers piece by piece, as what hosts ASGI and WSGI does
        return Service(
            None, monotonic, in_thread, Spool(), talk=talker(in_thread, wall), patience=patience
        )
    return Service(
        app.sender(in_thread, wall), monotonic, in_thread, Spool(), patience=patience,
        spawn=spawn, intake=getattr(app, "intake", None), from_threads=from_threads,
        interrupt=Interrupt, is_cancelled=is_cancelled, saving=Saving,
    )  # fmt: skip


def memory_network(
    app: Application,
    *,
    to_server: Shape = STRAIGHT,
    to_client: Shape = STRAIGHT,
    patience: Patience = DEFAULT_PATIENCE,
) -> MemoryNetwork:
    """Return a network on which every address is the application: of a Client.

    to_server, to_client: how bytes travel. patience: the server's, with this client.
    """
    service = service_for(app, patience)
    return MemoryNetwork(
        service.serve, to_server=to_server, to_client=to_client, finish=_finish(service)
    )


def async_memory_network(
    app: Application,
    *,
    to_server: Shape = STRAIGHT,
    to_client: Shape = STRAIGHT,
    patience: Patience = DEFAULT_PATIENCE,
) -> AsyncMemoryNetwork:
    """Return a network on which every address is the application: of an AsyncClient.

    to_server, to_client: how bytes travel. patience: the server's, with this client.
    """
    service = service_for(app, patience)
    return AsyncMemoryNetwork(
        service.serve, to_server=to_server, to_client=to_client, finish=_finish(service)
    )


def _finish(service: Service) -> Callable[[], Awaitable[object]]:
    """Return what waits for work after answers, as long as a server that stops would."""
    return lambda: within(service.patience.drain, service.afterwards.finish())
