"""A client that talks to an application in its own process, through the real engine.

The bytes are real, the network is memory: what the application sees is what a server would
hand it, and what the client sees is what came off the wire.
"""

from __future__ import annotations

from crlf.client.options import Application
from crlf.flow.serve import Service
from crlf.net.aio import from_threads, in_thread, monotonic, spawn, wall
from crlf.net.memory import AsyncMemoryNetwork, MemoryNetwork
from crlf.net.spool import Spool


def service_for(app: Application) -> Service:
    """Return a service for an application, with a server's default limits and patience."""
    talker = getattr(app, "talker", None)
    if talker is not None:  # it answers piece by piece, as what hosts ASGI and WSGI does
        return Service(None, monotonic, in_thread, Spool(), talk=talker(in_thread, wall))
    return Service(
        app.sender(in_thread, wall), monotonic, in_thread, Spool(),
        spawn=spawn, intake=getattr(app, "intake", None), from_threads=from_threads,
    )  # fmt: skip


def memory_network(app: Application) -> MemoryNetwork:
    """Return a network on which every address is the application, for blocking flows."""
    return MemoryNetwork(service_for(app).serve)


def async_memory_network(app: Application) -> AsyncMemoryNetwork:
    """Return a network on which every address is the application, for flows on a loop."""
    return AsyncMemoryNetwork(service_for(app).serve)
