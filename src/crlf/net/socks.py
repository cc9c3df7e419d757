"""A way through a SOCKS proxy, over a stream that leads to it (SOCKS4, 4a, and RFC 1928, 1929).

What is said is python-socks's business. It believes to go by way of another proxy, which is a
stream of ours: so the proxy's own address is found, connected to and timed as every other, and
both colours have one behaviour. Its law: the deadline holds for the whole conversation, and
nothing is sent that could be read as something else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, TypeVar

from crlf.message.authority import fault_of_host, in_brackets, is_address
from crlf.message.errors import (
    ConnectFailed,
    ConnectTimeout,
    CrlfError,
    ProxyFailed,
    TimedOut,
    TransportError,
)
from crlf.ports import SocksProxy, Stream

T = TypeVar("T")
MAX_WORD = 255  # bytes of a user name or password; RFC 1929 2
_INSTALL = "pip install 'crlf[socks]'"
_FOREVER = 1e9  # seconds; to the library None means 60
_GRACE = 1.0  # seconds that the library's clock runs longer than the stream's
# What the proxy says of the host that it was sent to (RFC 1928 6): no network, no host, refused,
# too far away. Everything else is between the proxy and us.
_UNREACHABLE = frozenset({3, 4, 5, 6})


class _Wire:
    """The bytes of one conversation, and what came beyond it."""

    def __init__(self, stream: Stream, proxy: SocksProxy, deadline: float | None) -> None:
        self.stream = stream
        self._proxy = proxy
        self._deadline = deadline
        self._arrived = b""

    async def write(self, data: bytes) -> None:
        """Send data."""
        await self.stream.write(bytes(data), self._deadline)

    async def read_exactly(self, size: int) -> bytes:
        """Return so many bytes. Raises ProxyFailed when the proxy ends before."""
        while len(self._arrived) < size:
            data = await self.stream.read(self._deadline)
            if not data:
                raise _failed(self._proxy, "closed the connection before it opened a way")
            self._arrived += data  # a conversation has a few hundred bytes in all
        data, self._arrived = self._arrived[:size], self._arrived[size:]
        return data

    write_all, read_exact = write, read_exactly  # python-socks before 3 calls them so

    def check_end(self) -> None:
        """Raise ProxyFailed when more has come than belongs to the conversation."""
        if self._arrived:
            raise _failed(self._proxy, "sent something before it was asked")

    async def close(self) -> None:
        """Leave that to whoever opened it."""

    async def connect(self, **_: object) -> _Wire:
        """Be the way to the proxy, for an asyncio conversation."""
        return self


class _SteppedWire:
    """The same for a blocking conversation: its stream never suspends."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def write(self, data: bytes) -> None:
        """Send data."""
        _stepped(self._wire.write(data))

    def read_exactly(self, size: int) -> bytes:
        """Return so many bytes."""
        return _stepped(self._wire.read_exactly(size))

    write_all, read_exact = write, read_exactly

    def close(self) -> None:
        """Leave that to whoever opened it."""

    def connect(self, **_: object) -> _SteppedWire:
        """Be the way to the proxy."""
        return self


def _stepped(work: Coroutine[Any, Any, T]) -> T:
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("a blocking stream suspended")


async def ask_blocking(
    stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
) -> Stream:
    """Ask the proxy at the other end of a blocking stream for a way to a host.

    Returns the stream, which then leads there, or closes it. Raises ProxyFailed, ConnectFailed,
    ConnectTimeout.
    """

    async def talking(wire: _Wire) -> None:
        from python_socks import ProxyType
        from python_socks.sync.v2 import Proxy

        way: Any = _SteppedWire(wire)  # looks to the library like another proxy, and its stream
        kind = ProxyType.SOCKS4 if proxy.version == 4 else ProxyType.SOCKS5
        Proxy(
            kind, proxy.host, proxy.port, proxy.username, proxy.password,
            rdns=proxy.names_there, forward=way,
        ).connect(host, port, timeout=_seconds(deadline))  # fmt: skip

    return await _asked(_Wire(stream, proxy, deadline), proxy, host, port, talking)


async def ask_aio(
    stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
) -> Stream:
    """Ask the proxy at the other end of an asyncio stream for a way to a host; see above."""

    async def talking(wire: _Wire) -> None:
        from python_socks import ProxyType
        from python_socks.async_.asyncio.v2 import Proxy

        way: Any = wire
        kind = ProxyType.SOCKS4 if proxy.version == 4 else ProxyType.SOCKS5
        await Proxy(
            kind, proxy.host, proxy.port, proxy.username, proxy.password,
            rdns=proxy.names_there, forward=way,
        ).connect(host, port, timeout=_seconds(deadline))  # fmt: skip

    return await _asked(_Wire(stream, proxy, deadline), proxy, host, port, talking)


async def _asked(
    wire: _Wire,
    proxy: SocksProxy,
    host: str,
    port: int,
    talking: Callable[[_Wire], Awaitable[None]],
) -> Stream:
    """Hold a conversation, and return the stream when it ended well."""
    try:
        _check(proxy, host)
        try:
            await talking(wire)
        except ImportError:
            raise _failed(proxy, f"needs the package python-socks: {_INSTALL}") from None
        except Exception as fault:
            raise _translated(fault, proxy, host, port) from None
        wire.check_end()
    except BaseException:
        wire.stream.close()
        raise
    return wire.stream


def _check(proxy: SocksProxy, host: str) -> None:
    """Refuse what SOCKS cannot say, or what would be read as something else. Raises ProxyFailed."""
    if "%" in host:
        raise _failed(proxy, f"cannot reach {host}: its zone means something on this machine only")
    if not is_address(host) and (fault := fault_of_host(host)) is not None:
        raise _failed(proxy, f"is not asked for this host: {fault}")
    if proxy.version == 4 and ":" in host:
        raise _failed(proxy, f"cannot reach [{host}]: SOCKS4 has no IPv6 addresses")
    words = [word for word in (proxy.username, proxy.password) if word]
    for word in words:
        if not word.isascii() or not word.isprintable() or len(word) > MAX_WORD:
            raise _failed(proxy, f"takes a user name and password of 1 to {MAX_WORD} ASCII letters")
    if proxy.version == 5 and len(words) == 1:
        raise _failed(proxy, "takes both a user name and a password, or none (RFC 1929 2)")


def _seconds(deadline: float | None) -> float:
    return _FOREVER if deadline is None else max(0.0, deadline - monotonic()) + _GRACE


def _translated(fault: Exception, proxy: SocksProxy, host: str, port: int) -> CrlfError:
    """Say in our own words what went wrong. The library's are its own, not the proxy's."""
    from python_socks import ProxyError, ProxyTimeoutError

    place = f"{in_brackets(host)}:{port}"
    if isinstance(fault, (ProxyTimeoutError, TimedOut)):
        return ConnectTimeout(f"{_name(proxy)} opened no way to {place} in time", phase="proxy")
    if isinstance(fault, ProxyFailed):
        return fault
    if isinstance(fault, TransportError):
        return _failed(proxy, f"is gone: {fault.reason}")
    if isinstance(fault, ProxyError):
        if proxy.version == 5 and fault.error_code in _UNREACHABLE:
            return ConnectFailed(
                f"{_name(proxy)} cannot connect to {place}: {fault}", phase="proxy"
            )
        return _failed(proxy, f"opened no way to {place}: {fault}")
    if isinstance(fault, OSError):
        return ConnectFailed(
            f"cannot find {host}: {fault.strerror or type(fault).__name__}", phase="dns"
        )
    if isinstance(fault, (AttributeError, TypeError)):
        return _failed(proxy, f"needs another version of python-socks: {_INSTALL}")
    return _failed(proxy, "does not answer as a SOCKS proxy does")


def _name(proxy: SocksProxy) -> str:
    return f"the SOCKS{proxy.version} proxy {in_brackets(proxy.host)}:{proxy.port}"


def _failed(proxy: SocksProxy, why: str) -> ProxyFailed:
    return ProxyFailed(f"{_name(proxy)} {why}", phase="proxy")
