"""A network that tells what goes over it: connections made and ended, and every byte.

It stands between the flows and another network and changes nothing. What is told is what the
engine writes and reads, so TLS is seen from its inside. Its law: a listener is told of bytes
after they were taken or before they are handed on, in their order, and never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

from crlf.net.sendfile import write_pieces
from crlf.ports import (
    DEFAULT_SOCKETS,
    Bell,
    Network,
    SocketSettings,
    SocksProxy,
    Stream,
    StreamFacts,
    TlsSettings,
)

T = TypeVar("T")


class Event(NamedTuple):
    """Something that happened on a network.

    what: "opening" (data is host and port), "opened", "secured" (TLS agreed), "sent", "received",
    "ended" (by the peer), "closed" (by us). connection: counts from 1. at: the network's now.
    """

    what: Literal["opening", "opened", "secured", "sent", "received", "ended", "closed"]
    connection: int
    at: float
    data: bytes = b""
    facts: StreamFacts | None = None


Listener = Callable[[Event], None]


class TappedStream:
    """A stream whose bytes are told to a listener."""

    __slots__ = ("_is_open", "_listener", "_now", "facts", "inner", "number")
    sends_files = False  # the kernel tells nobody what it sends

    def __init__(
        self, inner: Stream, number: int, listener: Listener, now: Callable[[], float]
    ) -> None:
        self.inner = inner
        self.number = number
        self.facts = inner.facts
        self._listener = listener
        self._now = now
        self._is_open = True

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived; see Stream."""
        data = await self.inner.read(deadline)
        self._listener(Event("received" if data else "ended", self.number, self._now(), data))
        return data

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send all of data; see Stream."""
        await self.inner.write(data, deadline)
        self._listener(Event("sent", self.number, self._now(), data))

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Read so many bytes of an open file and send them; see Stream."""
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def end(self, deadline: float | None) -> None:
        """Say that we send no more."""
        await self.inner.end(deadline)

    def close(self) -> None:
        """Let go of the connection at once."""
        self.inner.close()
        if self._is_open:
            self._is_open = False
            self._listener(Event("closed", self.number, self._now()))

    def has_arrived(self) -> bool:
        """Whether a read would return at once."""
        return self.inner.has_arrived()

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once when the peer is done; see Stream."""
        self.inner.on_end(callback)


class TapNetwork:
    """A network that is another one, with a listener to all that happens on it."""

    def __init__(self, inner: Network, listener: Listener) -> None:
        self._inner = inner
        self._listener = listener
        self._count = 0
        self.now = inner.now
        self.wall = inner.wall

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """List the addresses of a host; see Network."""
        return await self._inner.resolve(host, port, deadline)

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Open a connection; see Network."""
        number = self._opening(host, port)
        stream = await self._inner.connect(host, port, deadline, addresses, settings)
        return self._opened(number, stream)

    async def open_socks(
        self, stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
    ) -> Stream:
        """Go by way of a proxy, below the listener: what is said to it is no HTTP."""
        if not isinstance(stream, TappedStream):
            return await self._inner.open_socks(stream, proxy, host, port, deadline)
        inner = await self._inner.open_socks(stream.inner, proxy, host, port, deadline)
        return TappedStream(inner, stream.number, self._listener, self.now)

    def _opening(self, host: str, port: int) -> int:
        self._count += 1
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._listener(Event("opening", self._count, self.now(), place.encode("ascii", "replace")))
        return self._count

    def _opened(self, number: int, stream: Stream) -> TappedStream:
        self._listener(Event("opened", number, self.now(), facts=stream.facts))
        return TappedStream(stream, number, self._listener, self.now)

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        """Speak TLS below the listener: on the stream that was tapped, not through the tap."""
        tapped = stream if isinstance(stream, TappedStream) else None
        below = stream if tapped is None else tapped.inner
        secured = await self._inner.start_tls(below, settings, hostname, deadline)
        number = 0 if tapped is None else tapped.number
        self._listener(Event("secured", number, self.now(), facts=secured.facts))
        return TappedStream(secured, number, self._listener, self.now)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work where it blocks nobody."""
        return await self._inner.in_thread(work)

    def new_bell(self) -> Bell:
        """Make a bell for flows of this network."""
        return self._inner.new_bell()

    async def aclose(self) -> None:
        """Let go of what the network holds."""
        await self._inner.aclose()
