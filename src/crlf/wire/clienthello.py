"""The first words of a TLS client, as far as a server has to know them before it answers.

OpenSSL reads the ClientHello as well, and its reading is what counts. But as Python binds it, it
does not refuse a client that offers protocols of which the server has none (RFC 7301 3.2), and
prints a traceback for a server name that is no text. Its law: one pass over every byte, however
the records are cut, and nothing kept beyond the limit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crlf.message.errors import Malformed

MAX_HELLO: Final = 32 * 1024  # bytes; a browser's has 2 KiB; Go and rustls take 64, OpenSSL 128

_HANDSHAKE = 22  # the type of a record, RFC 8446 5.1
_CLIENT_HELLO = 1  # the type of a message, RFC 8446 4
_MOST_IN_RECORD = 16 * 1024
_SERVER_NAME = 0  # types of extensions, RFC 8446 4.2
_PROTOCOLS = 16

NO_APPLICATION_PROTOCOL: Final = 120  # descriptions of alerts, RFC 8446 6
UNRECOGNIZED_NAME: Final = 112
DECODE_ERROR: Final = 50


class ClientHello(NamedTuple):
    """What a client says first. protocols: offered by ALPN, None when it does not speak of them.

    server_name: the host it believes to talk to (SNI), as it came; None when it says none.
    """

    server_name: bytes | None
    protocols: tuple[bytes, ...] | None


class HelloReader:
    """Takes what arrives, byte by byte if need be, and has the ClientHello when it is whole."""

    __slots__ = ("_at", "_data", "_message", "hello")

    def __init__(self) -> None:
        self._data = bytearray()  # all that came, for who reads it after us
        self._at = 0  # where in it the next record begins
        self._message = bytearray()  # what the records carried
        self.hello: ClientHello | None = None

    @property
    def data(self) -> bytes:
        """All that was received."""
        return bytes(self._data)

    def receive(self, data: bytes) -> ClientHello | None:
        """Take more bytes; return the ClientHello when it is whole. Raises Malformed."""
        self._data += data
        while self.hello is None and len(self._data) - self._at >= 5:
            kind, version = self._data[self._at], self._data[self._at + 1]
            length = int.from_bytes(self._data[self._at + 3 : self._at + 5], "big")
            if kind != _HANDSHAKE or version != 3:
                raise _bad("what arrived is no TLS handshake")
            if not 0 < length <= _MOST_IN_RECORD:  # RFC 8446 5.1: nor may it be empty
                raise _bad("a record of TLS is empty or too long")
            end = self._at + 5 + length
            if len(self._data) < end:
                break
            self._message += self._data[self._at + 5 : end]
            self._at = end
            self._look()
        if self.hello is None and len(self._data) > MAX_HELLO:
            raise _bad(f"a ClientHello of over {MAX_HELLO:,} bytes")
        return self.hello

    def _look(self) -> None:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            raise _bad("the first message of TLS is no ClientHello")
        if len(message) < 4:
            return
        size = 4 + int.from_bytes(message[1:4], "big")
        if size > MAX_HELLO:
            raise _bad(f"a ClientHello of over {MAX_HELLO:,} bytes")
        if len(message) >= size:
            self.hello = parse_client_hello(bytes(message[4:size]))


class _Cursor:
    """Reads numbers and vectors (RFC 8446 3.4) from the front of bytes."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def is_left(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Return so many bytes. Raises Malformed where they are not."""
        end = self._at + size
        if end > len(self._data):
            raise _bad("a ClientHello with less in it than it says")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Return what a length of so many bytes stands before."""
        return self.take(self.number(size))


def parse_client_hello(body: bytes) -> ClientHello:
    """Read the body of a ClientHello (RFC 8446 4.1.2), without its type and length.

    Raises Malformed. Of extensions that come twice, which OpenSSL refuses, the first counts.
    """
    hello = _Cursor(body)
    hello.take(2 + 32)  # version and random
    hello.vector(1)  # session
    hello.vector(2)  # ciphers
    hello.vector(1)  # compressions
    name: bytes | None = None
    protocols: tuple[bytes, ...] | None = None
    extensions = _Cursor(hello.vector(2) if hello.is_left() else b"")
    while extensions.is_left():
        kind, value = extensions.number(2), _Cursor(extensions.vector(2))
        if kind == _SERVER_NAME and name is None:
            names = _Cursor(value.vector(2))
            while names.is_left():
                is_host, given = names.number(1) == 0, names.vector(2)
                if is_host and name is None:  # RFC 6066 3: one of each type
                    name = given
        elif kind == _PROTOCOLS and protocols is None:
            offered, found = _Cursor(value.vector(2)), []
            while offered.is_left():
                found.append(offered.vector(1))
            protocols = tuple(found)
    return ClientHello(name, protocols)


def build_alert(description: int) -> bytes:
    """Write a fatal alert as a server may send it before it has said anything (RFC 8446 6)."""
    return bytes((21, 3, 3, 0, 2, 2, description))


def _bad(reason: str) -> Malformed:
    return Malformed(reason, "RFC 8446 4.1.2")
