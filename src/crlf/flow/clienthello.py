"""The first look at a client of a port that speaks TLS: does it, and is there a protocol for it?

Its law: who is sent away is told why in words that he understands, an alert for TLS and a page
for HTTP, and whatever else OpenSSL would refuse is left to OpenSSL.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from crlf.flow.rewound import RewoundStream
from crlf.message.errors import Malformed, ReadFailed, TlsFailed, TransportError
from crlf.ports import Stream
from crlf.wire.clienthello import (
    DECODE_ERROR,
    NO_APPLICATION_PROTOCOL,
    UNRECOGNIZED_NAME,
    ClientHello,
    HelloReader,
    build_alert,
)

_MOST_UNREAD: Final = 64 * 1024  # bytes thrown away of a request that had to be sent by TLS
_PAGE: Final = (
    b"400 Bad Request\n\nThis port speaks HTTPS, and was sent plain HTTP: write https:// in the"
    b" address.\n[RFC 9110 4.2.2]\n"
)
_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
)


async def read_client_hello(
    stream: Stream, protocols: Sequence[str], deadline: float | None
) -> Stream | None:
    """See that the client speaks TLS and one of the protocols; return the stream to do it on.

    None when it speaks plain HTTP: see `say_https`. protocols: ours, as ALPN has them; a client
    that does not speak of any may have them all.
    Raises TlsFailed once the client has been told, ReadTimeout, ReadFailed.
    """
    reader = HelloReader()
    hello: ClientHello | None = None
    while hello is None:
        data = await stream.read(deadline)
        if not data:
            if reader.data:
                raise TlsFailed("no TLS with the client: it hung up", phase="tls")
            raise ReadFailed("the connection ended before it said anything", phase="read")
        if not reader.data and _looks_like_http(data):
            return None
        try:
            hello = reader.receive(data)
        except Malformed as fault:
            await _say(stream, build_alert(DECODE_ERROR), deadline)
            raise TlsFailed(f"no TLS with the client: {fault.brief}", phase="tls") from None
    # OpenSSL's binding cannot take a name that is no ASCII, and RFC 6066 3 allows no other.
    if hello.server_name is not None and not hello.server_name.isascii():
        await _say(stream, build_alert(UNRECOGNIZED_NAME), deadline)
        raise TlsFailed("no TLS with the client: it asks for a name that is none", phase="tls")
    offered = hello.protocols
    # RFC 7301 3.2: the server SHALL respond with a fatal no_application_protocol.
    if offered is not None and not any(ours.encode() in offered for ours in protocols):
        await _say(stream, build_alert(NO_APPLICATION_PROTOCOL), deadline)
        shown = ", ".join([name.decode("ascii", "replace") for name in offered[:4]])
        raise TlsFailed(f"no TLS with the client: it speaks only {shown!a}", phase="tls")
    return RewoundStream(stream, reader.data)


def _looks_like_http(data: bytes) -> bool:
    """Tell whether a method begins here; no record of TLS begins with a letter."""
    return data[:1].isalpha()


async def _say(stream: Stream, word: bytes, deadline: float | None) -> None:
    """Send a last word, and end."""
    with suppress(TransportError):
        await stream.write(word, deadline)
        await stream.end(deadline)


async def say_https(stream: Stream, deadline: float | None, date: bytes = b"") -> None:
    """Answer a request that should have come by TLS, and let the client read the answer.

    RFC 9112 9.6: to close while something unread arrives could destroy it. date: the Date field
    with its CRLF. deadline: for all of it. Never raises.
    """
    await _say(stream, _ANSWER % len(_PAGE) + date + b"\r\n" + _PAGE, deadline)
    unread = _MOST_UNREAD
    with suppress(TransportError):
        while unread > 0 and (data := await stream.read(deadline)):
            unread -= len(data)
