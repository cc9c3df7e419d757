"""What the flows need of the world: bytes in and out, time, names, threads. Protocols only.

The flows (flow/) are `async def` over these ports and know nothing else. The asyncio ports
suspend; the blocking and memory ports never do, so that a flow over them runs to its end in
one step (run_sync). Deadlines are absolute, in seconds of the network's `now`; None is never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from os import PathLike
from typing import Any, Protocol, TypeVar

from crlf.message.facts import StreamFacts, TlsFacts
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.values import frozen

__all__ = [
    "DEFAULT_SOCKETS", "DEFAULT_TLS", "Bell", "FromThread", "InThread", "Network", "OpenSaving",
    "Policy", "Saving", "Service", "SocketSettings", "SocksProxy", "Stream", "StreamFacts",
    "TlsFacts", "TlsSettings", "Via",
]  # fmt: skip

T = TypeVar("T")


class Stream(Protocol):
    """A connection's bytes, both ways. One flow at a time uses it."""

    facts: StreamFacts
    sends_files: bool  # whether send_file may be called

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" when the peer is done.

        Raises ReadTimeout, ReadFailed. A TLS peer that is gone without close_notify is a
        failure, not an end (RFC 9112 9.8).
        """

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send all of data, or hand it to something that will. Raises WriteTimeout, WriteFailed."""

    def end(self, deadline: float | None) -> Coroutine[object, object, None]:
        """Say that we send no more (shutdown, close_notify); reading goes on. Never raises."""

    def close(self) -> None:
        """Let go of the connection at once. May be called twice; never raises or waits."""

    def has_arrived(self) -> bool:
        """Whether a read would return at once, be it bytes, an end or an error."""

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Let the kernel send so many bytes of an open file; all that was written goes before.

        deadline_of: asked anew for each piece. Raises WriteTimeout, WriteFailed, LocalError when
        the file is shorter than promised.
        """

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once when the peer has closed its side or is gone, at once if it has already.

        It takes no flow's place: another may be waiting here meanwhile. None forgets the last.
        """


@frozen
class TlsSettings:
    """How to trust and to be trusted; equal settings may share connections.

    verify: True for the system's trust store; a path to a PEM file or folder of CAs; False to
    accept any certificate, which protects against nobody. minimum: the oldest version spoken.
    trust_env: whether SSL_CERT_FILE and SSL_CERT_DIR may name the trust store.
    """

    verify: bool | str = True
    certificate: str | None = None  # PEM path: certificate chain
    key: str | None = None  # PEM path: its private key; None when it is in the same file
    alpn: tuple[str, ...] = ("http/1.1",)
    minimum: str = "1.2"  # or "1.3"; RFC 8996 forbids what is older
    trust_env: bool = True


@frozen
class SocketSettings:
    """How sockets are opened; equal settings may share connections.

    local_address: the address of ours to connect from, as an IP literal. unix_path: the path of
    a Unix domain socket, which then stands for every host. keepalive: let the kernel ask an idle
    peer from time to time whether it still lives.
    """

    local_address: str | None = None
    unix_path: str | None = None
    keepalive: bool = True


@frozen
class SocksProxy:
    """A SOCKS proxy. version: 4 or 5. names_there: the proxy resolves names (4a, 5h)."""

    version: int
    host: str
    port: int
    username: str | None = None
    password: str | None = None
    names_there: bool = True

    def __repr__(self) -> str:
        return f"<SocksProxy {self.version} at {self.host}:{self.port}>"


class Via(Protocol):
    """A proxy on the way to an origin, as rules/proxies.Proxy is one; part of a pool's key."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> str | None: ...
    @property
    def is_socks(self) -> bool: ...
    @property
    def resolves_names(self) -> bool: ...
    @property
    def authorization(self) -> str | None: ...

    def authorize(self, request: Request) -> Request:
        """Return a request to be forwarded with what the proxy wants to know of us."""


class Policy(Protocol):
    """Where connections may lead, as rules/addresses.Policy says it."""

    def check_url(self, url: URL) -> None:
        """Raise BlockedAddress when a URL may not be asked, whatever its host resolves to."""

    def check_address(self, host: str, address: str) -> None:
        """Raise BlockedAddress when a host's address may not be talked to."""


DEFAULT_TLS = TlsSettings()
DEFAULT_SOCKETS = SocketSettings()


class Network(Protocol):
    """Where connections come from, and what time it is there."""

    def now(self) -> float:
        """Return the time of deadlines: monotonic seconds."""

    def wall(self) -> float:
        """Return the time of day: POSIX seconds, for dates and expiry."""

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """List the addresses of a host as IP literals, best first (RFC 6724).

        An IP literal is its own and only address. Raises ConnectFailed, ConnectTimeout.
        """

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Open a connection to the first address that answers (RFC 8305).

        addresses: to choose from, no other is tried; None: those that `resolve` lists.
        Raises ConnectFailed, ConnectTimeout.
        """

    async def open_socks(
        self, stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
    ) -> Stream:
        """Ask the SOCKS proxy at the other end of a stream for a way to a host.

        Returns a stream that leads there; closes the one it was given when there is none. Raises
        ConnectFailed, ConnectTimeout, ProxyFailed.
        """

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        """Speak TLS on a stream as its client. Raises TlsFailed, ConnectTimeout."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work that would block where it blocks nobody, and return what it returns."""

    def new_bell(self) -> Bell:
        """Make a bell for flows of this network to wait at."""

    async def aclose(self) -> None:
        """Let go of what the network itself holds; its streams are their owners'."""


class Bell(Protocol):
    """Where flows wait until another flow or thread has news.

    The pattern is always: take the guard, look, wait while there is nothing, go.
    """

    def __enter__(self) -> object: ...
    def __exit__(self, *_: object) -> None: ...

    async def wait(self, deadline: float | None) -> bool:
        """With the guard held: let go of it, wait for a ring, take it again. False when late."""

    def ring(self) -> None:
        """With the guard held: wake every flow that waits here."""


class FromThread(Protocol):
    """Runs a flow on the loop, for a thread that waits for it. Raises RuntimeError on the loop."""

    def __call__(self, flow: Coroutine[Any, Any, T], /) -> T: ...


class Saving(Protocol):
    """A file on its way to a path. All of it blocks. size: bytes so far; sha256: of them."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    def write(self, pieces: Sequence[bytes | bytearray]) -> None:
        """Add some content. Raises TooLarge (507), OSError."""

    def digest(self, pieces: Sequence[bytes | bytearray]) -> None:
        """Count and digest the same content, in the same order; in another thread, if need be."""

    def keep(self) -> None:
        """Give the file its name: all of it is there. Raises FileExistsError, OSError."""

    def close(self) -> None:
        """Let go; a file that was not kept is gone. May be called twice."""


class OpenSaving(Protocol):
    """Begins to save a file to a path, for `exclusive` only where none is. Blocks."""

    def __call__(self, path: str | PathLike[str], exclusive: bool) -> Saving: ...


class InThread(Protocol):
    """Network.in_thread by itself."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


Service = Callable[[Stream], Awaitable[None]]  # what a listener runs for each connection
