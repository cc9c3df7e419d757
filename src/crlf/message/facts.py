"""What is known of a connection beside its bytes: who is at its ends, and what TLS agreed on."""

from __future__ import annotations

from crlf.values import frozen


@frozen
class TlsFacts:
    """What a TLS handshake agreed on. alpn: the protocol chosen, or None."""

    version: str
    cipher: str
    alpn: str | None


@frozen
class StreamFacts:
    """Who is at the two ends: (address, port), or None off the network; tls when encrypted."""

    peer: tuple[str, int] | None = None
    local: tuple[str, int] | None = None
    tls: TlsFacts | None = None
