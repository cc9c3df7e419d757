"""A server on a running loop: from its first accept to its last goodbye.

It puts together what its settings ask for, listens, and stops in order: whoever answers for long
is told first, no connection is accepted any more, idle ones are closed, answers under way are
finished within the patience, the rest is cancelled.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from crlf.flow.serve import Service
from crlf.message.dates import build_date
from crlf.message.request import Request
from crlf.net.aio import AioNetwork, from_threads, monotonic, wall
from crlf.net.aiolistener import Crowd, Listener
from crlf.net.board import BEAT, DRAINING, READY, Board, Slot
from crlf.net.descriptors import connections_that_fit
from crlf.net.draining import Drain
from crlf.net.interrupt import Interrupt, is_cancelled
from crlf.net.listening import Doors, doors_of, is_public, open_doors, url_of
from crlf.net.saving import Saving
from crlf.net.spool import Spool
from crlf.net.tasks import within
from crlf.net.workpool import WorkPool
from crlf.ports import Stream
from crlf.rules.deadlines import Patience
from crlf.rules.forwarded import Trusted, forwarded_gate
from crlf.rules.gates import Gate, in_a_row
from crlf.rules.hosts import hosts_gate
from crlf.server.application import Application, Entrance, check_debug
from crlf.server.renewing import Renewing
from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.server.watching.measures import MetricsSite
from crlf.server.watching.watches import Watching, warn, watches, watching_gates, watching_stamp
from crlf.values import replace
from crlf.wire.h1.server import Standing
from crlf.wire.limits import Limits

T = TypeVar("T")

_STEP = 0.02  # seconds between two looks at connections that may become idle
_AS_SET = "\0"  # no name for a server: the one in its settings


class Server:
    """Serves an application on the running loop.

    settings: everything that a server can be told. host, port, limits, patience, name: the same
    by themselves, for programs; port 0 takes a free one. sockets: that listen already, instead
    of the settings' binds. slot: where this process counts; board: where the others do.
    """

    def __init__(
        self,
        app: Application,
        host: str | None = None,
        port: int | None = None,
        *,
        settings: ServerSettings = DEFAULT_SETTINGS,
        limits: Limits | None = None,
        patience: Patience | None = None,
        name: str | None = _AS_SET,
        sockets: Sequence[socket.socket] | None = None,
        slot: Slot | None = None,
        board: Board | None = None,
    ) -> None:
        self.app = app
        self.settings = _as_told(settings, host, port, limits, patience, name)
        self.draining = Drain()
        self._sockets = sockets
        self._board = Board() if board is None else board
        self._slot = self._board[0] if slot is None else slot
        self._is_alone = board is None
        server = self.settings.name
        self._standing = Standing(
            server=b"" if server is None else f"server: {server}\r\n".encode()
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service: Service | None = None
        self._renewing: Renewing | None = None  # of certificates; none without TLS
        self._arrivals: Entrance | None = None
        self._doors: Doors | None = None
        self._metrics_doors: Doors | None = None
        self._watching: Watching | None = None
        self._pool: WorkPool | None = None
        self._listeners: list[Listener] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._begun = False

    # -- starting

    async def start(self) -> None:
        """Begin to accept.

        Raises OSError when an address cannot be had or the log cannot be opened, TlsFailed for
        certificates, ValueError for settings that cannot be, and what the application raises.
        """
        self._loop = asyncio.get_running_loop()
        self._stopping = None
        try:
            await self._start()
        except BaseException:
            await self._let_go()
            raise

    async def _start(self) -> None:
        settings, network = self.settings, AioNetwork()
        self._pool = WorkPool(settings.threads, name="crlf-handler")
        self._watching = watches(settings, self._slot)
        trusted = Trusted(settings.trusted_proxies)
        if settings.proxy_protocol and not trusted:
            raise ValueError("proxy_protocol needs trusted_proxies: whose PROXY line is believed?")
        gates = self._gates(trusted)
        self._begun = True
        await _await_if_there(self.app, "begin")
        service = self._service = self._new_service(gates)
        serve: Callable[[Stream], Awaitable[None]] = service.serve
        if settings.certificates or settings.proxy_protocol:
            serve = await self._open_entrance(service, trusted)
        await self._open_metrics(network)
        sockets = self._sockets
        if sockets is None:
            self._doors = doors_of(settings.bind, settings.backlog, os.environ, os.getpid())
            sockets = self._doors.sockets
        check_debug(self.app, is_reachable=any(map(is_public, sockets)))
        self._renew()
        crowd = None if self._is_alone else Crowd(self._board, self._slot, monotonic)
        listener = network.listen_on(
            sockets, serve, slot=self._slot, most=self._most_connections(),
            make_room=self._make_room, crowd=crowd,
        )  # fmt: skip
        self._listeners.insert(0, listener)
        self._slot[READY] = 1

    def _most_connections(self) -> int:
        """Return how many there may be at once: as told, as far as the system gives descriptors."""
        told = self.settings.limits.connections
        most = connections_that_fit(told)
        if most < told and self._slot.number == 0:
            warn(f"the system's limit of open files has room for {most} connections, not {told}")
        return most

    def _make_room(self) -> None:
        """Let go of the connections that have waited longest, since others wait to come in."""
        if self._service is not None:
            self._service.make_room()
        if self._arrivals is not None:
            self._arrivals.make_room()

    def _gates(self, trusted: Trusted) -> Gate | None:
        settings = self.settings
        gates = watching_gates(
            settings,
            trusts=lambda how: trusted.has_peer(how.peer, how.local),
            is_ready=lambda: self._slot[READY] == 1 and not self.draining,
            board=self._board,
        )
        if trusted:
            gates.append(forwarded_gate(trusted, settings.proxy_fields))
        if settings.allowed_hosts:
            gates.append(hosts_gate(settings.allowed_hosts))
        return in_a_row(gates)

    def _new_service(self, gate: Gate | None) -> Service:
        settings, pool = self.settings, self._pool
        if pool is None:
            raise RuntimeError("the server has not started")
        talker = getattr(self.app, "talker", None)
        sender = getattr(self.app, "sender", None)  # what has both talks
        return Service(
            sender(pool.run, wall) if talker is None and sender is not None else None,
            monotonic,
            pool.run,
            Spool(quota=settings.limits.spool),
            talk=None if talker is None else talker(pool.run, wall),
            spawn=asyncio.get_running_loop().create_task,
            limits=settings.limits,
            patience=settings.patience,
            standing=self._standing,
            report=_report,
            gate=gate,
            stamp=watching_stamp(settings),
            watch=self._watching,
            draining=self.draining,
            interrupt=Interrupt,
            is_cancelled=is_cancelled,
            intake=getattr(self.app, "intake", None) if talker is None else None,
            from_threads=from_threads,
            saving=Saving,
        )

    async def _open_entrance(
        self, service: Service, trusted: Trusted
    ) -> Callable[[Stream], Awaitable[None]]:
        """Put PROXY lines and TLS before a service."""
        from crlf.net.certificates import Certificates  # ssl, 20 ms that plain HTTP does not owe
        from crlf.server.arriving import Arrivals

        settings, certificates = self.settings, None
        if settings.certificates:
            files, ca, demand = (
                settings.certificates, settings.client_ca, settings.client_certificate,
            )  # fmt: skip
            certificates = await self._in_thread(lambda: Certificates(files, ca, demand))
            for note in certificates.notes():
                warn(note)
            self._renewing = Renewing(certificates, self._in_thread)
        arrivals = self._arrivals = Arrivals(
            service.serve, monotonic, wall, certificates=certificates,
            proxies=trusted if settings.proxy_protocol else None, patience=settings.patience,
        )  # fmt: skip
        return arrivals.serve

    async def _open_metrics(self, network: AioNetwork) -> None:
        """Serve the measures at an address of their own, if they have one."""
        where = self.settings.metrics
        if where is None or where.startswith("/") or not self._is_alone:
            return  # of several processes the one that looks after the others has the address
        site = MetricsSite(self._board)
        service = Service(
            site.sender(self._in_thread, wall), monotonic, self._in_thread, Spool(),
            standing=self._standing,
        )  # fmt: skip
        self._metrics_doors = open_doors([where])
        listener = network.listen_on(self._metrics_doors.sockets, service.serve)
        self._listeners.append(listener)

    # -- what is known of it

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """What is listened on. RuntimeError before it has started."""
        if not self._listeners:
            raise RuntimeError("the server has not started")
        return self._listeners[0].sockets

    @property
    def port(self) -> int:
        """The first port that is listened on. RuntimeError before it has started."""
        self.sockets  # noqa: B018  # raises
        return self._listeners[0].addresses[0][1]

    @property
    def urls(self) -> list[str]:
        """Where a browser on this machine finds the server, for each of its sockets."""
        scheme = "http" if self._renewing is None else "https"
        return [url_of(listening, scheme) for listening in self.sockets]

    @property
    def url(self) -> str:
        """The first of `urls`."""
        return self.urls[0]

    # -- while it runs

    def reopen_logs(self) -> None:
        """Write into the file that has the log's name now, as after it was moved away."""
        if self._watching is not None:
            self._watching.reopen()

    def renew(self) -> None:
        """Reopen logs and load certificates anew, as SIGHUP asks; what cannot be is warned of."""
        self.reopen_logs()
        if self._renewing is not None:
            self._renewing.request_reload()

    def _renew(self) -> None:
        """Do what is done once a second."""
        now = time.time()
        self._standing.renew(f"date: {build_date(int(now))}\r\n".encode())
        self._slot[BEAT] = time.monotonic_ns()
        loop = asyncio.get_running_loop()
        # First of all: whatever fails below, the next second comes, or we would look stuck.
        self._timer = loop.call_later(1.001 - now % 1, self._renew)
        if self._service is not None:
            self._service.tidy()
        if self._watching is not None:
            self._watching.every_second()
        if self._renewing is not None:
            self._renewing.look(now)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._pool is None:
            raise RuntimeError("the server has not started")
        return await self._pool.run(work)

    # -- stopping

    def request_stop(self) -> None:
        """Let it stop, from any thread; `stop` says how."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._begin_to_stop, 0.0)

    def _begin_to_stop(self, grace: float) -> asyncio.Task[None]:
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(grace))
        return self._stopping

    async def stop(self, grace: float = 0.0) -> None:
        """Stop in order; see the head of this file. Who asks a second time waits for the first.

        grace: seconds for idle connections in which their next request is still answered, for a
        server that others take over from.
        """
        await asyncio.shield(self._begin_to_stop(grace))

    async def _stop(self, grace: float) -> None:
        service, listeners = self._service, self._listeners
        if service is None or not listeners:
            return
        self._slot[DRAINING] = 1
        self.draining.begin()
        for listener in listeners:
            listener.close()
        service.drain()
        if self._arrivals is not None:
            self._arrivals.drain()
        give_up = monotonic() + grace
        while service.has_idle and monotonic() < give_up:
            await asyncio.sleep(_STEP)
        service.close_idle()
        give_up = monotonic() + self.settings.patience.drain
        await listeners[0].finish(self.settings.patience.drain)
        await within(give_up - monotonic(), service.afterwards.finish())
        for listener in listeners[1:]:
            await listener.finish(0.0)
        await self._let_go()

    async def _let_go(self) -> None:
        """Hold nothing any more."""
        self._slot[READY] = 0
        self._listeners = []
        for doors in (self._doors, self._metrics_doors):
            if doors is not None:
                doors.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._renewing is not None:
            self._renewing.stop()
        if self._begun:
            self._begun = False
            await _await_if_there(self.app, "finish")
        if self._watching is not None:
            await asyncio.to_thread(self._watching.close)
        if self._pool is not None:
            await self._pool.close(1.0)


def _as_told(
    settings: ServerSettings,
    host: str | None,
    port: int | None,
    limits: Limits | None,
    patience: Patience | None,
    name: str | None,
) -> ServerSettings:
    """Put into settings what was told by itself."""
    told: dict[str, object] = {}
    if host is not None or port is not None:
        host = "127.0.0.1" if host is None else host
        where = f"[{host}]" if ":" in host else host
        told["bind"] = (f"{where}:{8000 if port is None else port}",)
    if limits is not None:
        told["limits"] = limits
    if patience is not None:
        told["patience"] = patience
    if name != _AS_SET:
        told["name"] = name
    return replace(settings, **told) if told else settings


async def _await_if_there(app: object, name: str) -> None:
    """Await a method that an application may have."""
    method = getattr(app, name, None)
    if method is not None:
        await method()


def _report(request: Request | None, fault: BaseException) -> None:
    """Log what went wrong on our side; without the query, in which secrets travel."""
    import logging  # 8 ms; a server on which nothing goes wrong does without

    logging.getLogger("crlf.server").error("%s failed", request, exc_info=fault)
