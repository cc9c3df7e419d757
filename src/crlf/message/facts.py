"""What is known of a connection beside its bytes: who is at its ends, and what TLS agreed on.

On floor 1, since requests and traces carry them up. Its law: facts as the system and TLS gave
them; what a peer claims of itself is none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from crlf.values import frozen


@frozen
class TlsFacts:
    """What a TLS handshake agreed on. alpn: the protocol chosen, or None.

    subject: whose certificate the client has shown, as RFC 4514 writes it, and certificate: that
    one, as DER. At a server that asks for one; None where none was shown, and at clients.
    """

    version: str
    cipher: str
    alpn: str | None
    subject: str | None = None
    certificate: bytes | None = None


@frozen
class StreamFacts:
    """Who is at the two ends: (address, port), or None off the network; tls when encrypted.

    is_unix: it is a Unix domain socket, which has no addresses.
    """

    peer: tuple[str, int] | None = None
    local: tuple[str, int] | None = None
    tls: TlsFacts | None = None
    is_unix: bool = False


class Draining(Protocol):
    """Whether the server is about to stop, as those who answer for long want to know.

    True once no new request is taken: whoever streams without end should come to one.
    """

    def __bool__(self) -> bool: ...

    def wait(self, seconds: float | None = None) -> bool:
        """Block a thread until it drains or so many seconds have passed; tell whether it does."""

    def within(self, seconds: float | None = None) -> Awaitable[bool]:
        """Wait on the event loop until it drains or so many seconds have passed; tell which."""

    def on_drain(self, callback: Callable[[], object]) -> None:
        """Call back once when it begins to drain, at once if it has."""

    def forget(self, callback: Callable[[], object]) -> None:
        """Call back no more."""


class NotDraining:
    """What a request says that no server has received: there is nothing that could stop."""

    def __bool__(self) -> bool:
        return False

    def wait(self, seconds: float | None = None) -> bool:
        """Raise RuntimeError: it would be waited for in vain."""
        raise RuntimeError("no server received this request, so none will drain")

    def within(self, seconds: float | None = None) -> Awaitable[bool]:
        """Raise RuntimeError: it would be waited for in vain."""
        raise RuntimeError("no server received this request, so none will drain")

    def on_drain(self, callback: Callable[[], object]) -> None:
        """Never call back."""

    def forget(self, callback: Callable[[], object]) -> None:
        """Have nothing to forget."""


NOT_DRAINING = NotDraining()
