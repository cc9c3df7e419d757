"""A blocking network that another thread can stop: every wait in it ends at once, with Stopped.

A thread in `recv` hears of nothing but its socket, so stopping breaks the connections; what a
flow does with that, it tries to connect once more or to wait a while, raises Stopped. Its law:
after `stop` no connection is opened, and a broken one never looks like one that ended in order.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakSet

from crlf.net.blocking import BlockingBell, BlockingNetwork, BlockingStream
from crlf.ports import DEFAULT_SOCKETS, SocketSettings, Stream


class Stopped(Exception):
    """The command was interrupted; what was under way goes no further."""


class StoppableNetwork(BlockingNetwork):
    """The machine's network, for threads that may be asked to stop."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._guard = threading.Lock()
        self._streams: WeakSet[BlockingStream] = WeakSet()  # guarded by _guard
        self._bells: WeakSet[StoppableBell] = WeakSet()  # guarded by _guard

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """List the addresses of a host. Raises Stopped."""
        self.check()
        return await super().resolve(host, port, deadline)

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Open a connection. Raises Stopped."""
        self.check()
        stream = await super().connect(host, port, deadline, addresses, settings)
        with self._guard:
            if isinstance(stream, BlockingStream) and not self.is_stopped:
                self._streams.add(stream)
        if self.is_stopped:
            stream.close()
        self.check()
        return stream

    def new_bell(self) -> BlockingBell:
        """Make a bell at which nobody waits after the stop."""
        bell = StoppableBell(self)
        with self._guard:
            self._bells.add(bell)
        return bell

    def stop(self) -> None:
        """End every wait, of whatever thread, and let none begin."""
        with self._guard:
            self.is_stopped = True
            streams, bells = list(self._streams), list(self._bells)
        for stream in streams:
            stream.cut()
        for bell in bells:
            with bell:
                bell.ring()

    def check(self) -> None:
        """Raise Stopped when it is."""
        if self.is_stopped:
            raise Stopped


class StoppableBell(BlockingBell):
    """A bell of a network that can be stopped."""

    def __init__(self, network: StoppableNetwork) -> None:
        super().__init__()
        self._network = network

    async def wait(self, deadline: float | None) -> bool:
        """Wait for a ring; False when the deadline passes first. Raises Stopped."""
        self._network.check()
        is_rung = await super().wait(deadline)
        self._network.check()
        return is_rung
