"""Serving from a program: until a signal, or in a thread for as long as a block lasts.

One process, one loop. The first SIGINT or SIGTERM asks the server to stop in order; a second
one insists. SIGHUP and SIGUSR1 renew what can be renewed without stopping.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crlf.net.listening import allow_descriptors
from crlf.net.loops import new_loop
from crlf.rules.deadlines import Patience
from crlf.server.application import Application
from crlf.server.serving import Server
from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.server.watching.lastresort import settle_last_resort
from crlf.wire.limits import Limits


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

    heard = {signal.SIGINT: tell, signal.SIGTERM: tell}
    if hasattr(signal, "SIGHUP"):
        heard[signal.SIGHUP] = server.renew
        heard[signal.SIGUSR1] = server.reopen_logs
    for number, hear in heard.items():
        loop.add_signal_handler(number, hear)
    try:
        await server.start()
        if started is not None:
            started(server)
        await told.wait()
        await server.stop()
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def serve(
    app: Application,
    host: str | None = None,
    port: int | None = None,
    *,
    settings: ServerSettings = DEFAULT_SETTINGS,
    started: Callable[[Server], None] | None = None,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> None:
    """Serve an application until SIGINT or SIGTERM, then stop in order; see Server.

    SIGHUP loads certificates anew and reopens logs, SIGUSR1 reopens logs. started: called with
    the server once it accepts. Raises what Server.start raises, OSError when the address cannot
    be had. What the program logs, and has no handler for, is shown so that no terminal obeys it.
    """
    allow_descriptors()
    settle_last_resort()
    server = Server(app, host, port, settings=settings, limits=limits, patience=patience)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve_until_told(server, started))


@contextmanager
def running(
    app: Application,
    host: str | None = None,
    port: int | None = None,
    *,
    settings: ServerSettings = DEFAULT_SETTINGS,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> Iterator[Server]:
    """Serve an application in a thread of its own for as long as the block lasts; see Server.

    Any free port of this machine, unless something else is said.
    """
    if port is None and (host is not None or settings.bind == DEFAULT_SETTINGS.bind):
        port = 0
    server = Server(app, host, port, settings=settings, limits=limits, patience=patience)
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
