"""Serving from a program: until a signal, or in a thread for as long as a block lasts.

One process, one loop. The first SIGINT or SIGTERM asks the server to stop in order; a second
one insists.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crlf.net.loops import new_loop
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.server.serving import Application, Server
from crlf.wire.limits import SERVER_LIMITS, Limits


async def _serve_until_told(server: Server, started: Callable[[Server], None] | None) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell() -> None:
        if told.is_set():
            # At once, and without the threads: a handler that hangs in one cannot be stopped.
            sys.stderr.write("stopped at once, as asked\n")
            sys.stderr.flush()
            os._exit(130)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell)
    try:
        await server.start()
        if started is not None:
            started(server)
        await told.wait()
        await server.stop()
        # Handlers may still be busy in threads; while they are waited for, a signal insists.
        await loop.shutdown_default_executor()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def serve(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    started: Callable[[Server], None] | None = None,
    limits: Limits = SERVER_LIMITS,
    patience: Patience = DEFAULT_PATIENCE,
) -> None:
    """Serve an application until SIGINT or SIGTERM, then stop in order.

    started: called with the server once it accepts. Raises OSError when the address cannot
    be had.
    """
    server = Server(app, host, port, limits=limits, patience=patience)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve_until_told(server, started))


@contextmanager
def running(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    limits: Limits = SERVER_LIMITS,
    patience: Patience = DEFAULT_PATIENCE,
) -> Iterator[Server]:
    """Serve an application in a thread of its own for as long as the block lasts."""
    server = Server(app, host, port, limits=limits, patience=patience)
    loop = new_loop()
    ready = threading.Event()
    faults: list[BaseException] = []

    async def begin() -> None:
        try:
            await server.start()
        except BaseException as fault:
            faults.append(fault)
            loop.stop()
        finally:
            ready.set()

    def live() -> None:
        asyncio.set_event_loop(loop)
        starting = loop.create_task(begin())
        loop.run_forever()
        if not faults:
            loop.run_until_complete(server.stop())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        starting.cancel()
        loop.close()

    thread = threading.Thread(target=live, name="crlf-server", daemon=True)
    thread.start()
    ready.wait()
    try:
        if faults:
            raise faults[0]
        yield server
    finally:
        if not faults:
            loop.call_soon_threadsafe(loop.stop)
        thread.join()
