"""A server for the command line to meet: each path is a fault of its own, or a thing too large.

It reads one request of a connection, does what its path says, and ends the connection. `held` is
set while an answer is being held back in the middle, so that a test knows where a client waits.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

OK = b"HTTP/1.1 200 OK\r\n"
# What a terminal obeys, or is led astray by: C0, DEL, C1 (by itself and in UTF-8), bidi.
EVIL = (
    b"\x1b]0;owned\x07\x1b[2J\x1b]52;c;b3duZWQ=\x1b\\\x1bP1$r\x1b\\\x9b31m\xc2\x9b31m\xc2\x90q"
    b"\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f\x08\x08\x7f\x0b\x0c\x0e\x05"
)
# The same without what no field may have, which would be refused before anybody shows it.
EVIL_FIELD = bytes(byte for byte in EVIL if byte > 31 and byte != 127)


def whole(content: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """Write an answer whose length is said."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(content), *fields, b"", b""]
    return b"\r\n".join(lines) + content


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@cache
def bomb() -> bytes:
    """Return 200 MB of nothing, compressed twice over into some hundred bytes."""
    packer = zlib.compressobj(9, wbits=31)
    once = b"".join([packer.compress(bytes(1 << 20)) for _ in range(200)]) + packer.flush()
    return gzip.compress(once)


ANSWERS: dict[str, Callable[[], bytes]] = {
    "/ok": lambda: whole(b"a page\n", b"Content-Type: text/plain"),
    "/json": lambda: whole(b'{"a":[1,2,{"b":"c"}]}', b"Content-Type: application/json"),
    "/many": lambda: whole(b"a line of many\n" * 20_000, b"Content-Type: text/plain"),
    "/nothing": lambda: b"",
    "/ends-in-head": lambda: OK + b"Content-Type: text/pl",
    "/ends-in-body": lambda: OK + b"Content-Length: 100\r\n\r\nonly this",
    "/ends-in-chunk": lambda: OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nonly this",
    "/garbage": lambda: bytes(range(256)) * 4,
    "/no-http": lambda: b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "/large-head": lambda: OK + b"X: " + b"x" * 300_000 + b"\r\n\r\n",
    "/many-fields": lambda: OK + b"".join([b"X-%d: y\r\n" % n for n in range(9000)]) + b"\r\n",
    "/bad-chunk": lambda: OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nx",
    "/two-lengths": lambda: OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "/bad-gzip": lambda: whole(b"\x1f\x8b\x08 no gzip at all", b"Content-Encoding: gzip"),
    "/short-gzip": lambda: whole(gzip.compress(b"x" * 9000)[:-9], b"Content-Encoding: gzip"),
    "/unknown-coding": lambda: whole(b"?", b"Content-Encoding: squash"),
    "/circle": lambda: whole(b"", b"Location: /circle", status=b"302 Found"),
    "/bad-location": lambda: whole(b"", b"Location: http://[", status=b"302 Found"),
    "/odd-location": lambda: whole(b"", b"Location: file:///etc/passwd", status=b"302 Found"),
    "/bomb": lambda: whole(bomb(), b"Content-Encoding: gzip, gzip"),
    "/not-found": lambda: whole(b"no\n", status=b"404 Not Found"),
    "/broken": lambda: whole(b"no\n", status=b"500 Oh no"),
    "/evil": lambda: whole(EVIL + b"\n", b"Content-Type: text/plain", *evil_fields()),
    "/evil-json": lambda: whole(
        b'{"a' + EVIL_FIELD + b'": "' + EVIL_FIELD + b'\\u001b]0;x\\u0007\\u009b1m\\u202e"}',
        b"Content-Type: application/json",
        *evil_fields(),
    ),
    "/evil-html": lambda: whole(
        b"<p title='" + EVIL + b"'>" + EVIL + b"<!--" + EVIL + b"--></p>",
        b"Content-Type: text/html",
        *evil_fields(),
    ),
    "/evil-xml": lambda: whole(
        b"<a b='" + EVIL_FIELD + b"'>" + EVIL_FIELD + b"&#x1b;</a>",
        b"Content-Type: text/xml",
        *evil_fields(),
    ),
    "/evil-latin": lambda: whole(EVIL, b"Content-Type: text/plain; charset=latin-1"),
    "/evil-seven": lambda: whole(
        b"+ABs-]0;owned+AAc- +AJs-31m", b"Content-Type: text/plain; charset=utf-7"
    ),
    "/evil-shift": lambda: whole(
        b"\x1b$B\x1b(B\x1b]0;owned\x07", b"Content-Type: text/plain; charset=iso-2022-jp"
    ),
    "/evil-status": lambda: whole(b"no\n", *evil_fields(), status=b"404 " + EVIL_FIELD),
    "/evil-redirect": lambda: whole(
        b"", b"Location: /" + EVIL_FIELD, *evil_fields(), status=b"399 " + EVIL_FIELD
    ),
    "/evil-head": lambda: OK + b"X-" + EVIL + b": " + EVIL + b"\r\n\r\n",
    "/evil-line": lambda: b"HTTP/1.1 200 " + EVIL + b"\r\n\r\n",
    "/evil-protocol": lambda: EVIL + b"/1.1 200 OK\r\n\r\n",
    "/evil-chunk": lambda: OK + b"Transfer-Encoding: chunked\r\n\r\n" + EVIL + b"\r\n",
    "/evil-coding": lambda: whole(b"?", b"Content-Encoding: " + EVIL_FIELD),
    "/evil-transfer": lambda: OK + b"Transfer-Encoding: " + EVIL_FIELD + b"\r\n\r\n?",
    "/evil-length": lambda: OK + b"Content-Length: " + EVIL_FIELD + b"\r\n\r\n?",
    "/evil-trailer": lambda: (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5;" + EVIL_FIELD + b"\r\nhello\r\n0\r\n"
        b"X-Late: " + EVIL_FIELD + b"\r\n\r\n"
    ),
    "/evil-interim": lambda: (
        b"HTTP/1.1 103 " + EVIL_FIELD + b"\r\nLink: <" + EVIL_FIELD + b">\r\n\r\n" + whole(b"ok\n")
    ),
    "/evil-name": lambda: whole(
        b"content",
        b'Content-Disposition: attachment; filename="a' + EVIL_FIELD + b'.txt"',
    ),
    "/evil-name-star": lambda: whole(
        b"content",
        b"Content-Disposition: attachment; filename*=UTF-8''%1B%5D0;x%07%C2%9B%E2%80%AE%0Ab.txt",
    ),
    "/evil-challenge": lambda: whole(
        b"", b'WWW-Authenticate: Digest realm="' + EVIL_FIELD + b'", nonce="x"',
        status=b"401 " + EVIL_FIELD,
    ),
}  # fmt: skip
EVIL_PATHS = [path for path in ANSWERS if path.startswith("/evil")]


def evil_fields() -> list[bytes]:
    """List fields whose values somebody may show."""
    names = (b"Server-Timing", b"X-Any", b"ETag", b"Set-Cookie", b"Link", b"Server", b"Vary")
    value = b'a;desc="' + EVIL_FIELD + b'";dur=5'
    return [b"%s: %s" % (name, value) for name in names]


def endless_head() -> Iterator[bytes]:
    yield OK
    while True:
        yield b"X-Field: " + b"y" * 1000 + b"\r\n"


def endless_line() -> Iterator[bytes]:
    yield OK
    while True:
        yield b"x" * 65536


def endless_interim() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n" * 100


def endless_body() -> Iterator[bytes]:
    yield OK + b"Content-Type: application/json\r\n\r\n["
    while True:
        yield b'"an item", ' * 6000


def endless_text() -> Iterator[bytes]:
    yield OK + b"Content-Type: text/plain\r\n\r\n"
    while True:
        yield (b"x" * 1023 + b"\n") * 64


def large_json() -> Iterator[bytes]:
    """One array of 100 MB."""
    item = b'{"number": 12345, "name": "a part", "tags": ["x", "y"]},' * 1000
    count = 100_000_000 // len(item)
    yield OK + b"Content-Type: application/json\r\nConnection: close\r\n\r\n["
    for _ in range(count):
        yield item
    yield b"null]"


def deep_json() -> Iterator[bytes]:
    yield OK + b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
    for sign in (b"[", b"]"):
        for _ in range(10):
            yield sign * 100_000


def long_line() -> Iterator[bytes]:
    """A line of 1 GB."""
    yield OK + b"Content-Type: text/plain\r\nContent-Length: 1073741824\r\n\r\n"
    for _ in range(1024):
        yield b"x" * 1_048_576


STREAMS: dict[str, Callable[[], Iterator[bytes]]] = {
    "/endless-head": endless_head,
    "/endless-line": endless_line,
    "/endless-interim": endless_interim,
    "/endless-body": endless_body,
    "/endless-text": endless_text,
    "/large.json": large_json,
    "/deep.json": deep_json,
    "/long-line": long_line,
}
HELD = {  # what is said before nothing more is
    "/hold-head": b"",
    "/hold-in-head": OK + b"Content-Type: te",
    "/hold-body": OK + b'Content-Length: 400000\r\nETag: "a"\r\n\r\n' + b"a line\n" * 20_000,
    "/hold-json": OK + b"Content-Type: application/json\r\n\r\n[1, 2,",
}
FILE = b"0123456789abcdef" * 250_000  # more than anybody keeps back from a disk


class FaultyPeer:
    """The server. tls: the context to speak it with."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._tls = tls
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.heads: list[bytes] = []
        self.held = threading.Event()
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.over.is_set():
                accepted, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(accepted,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, accepted: socket.socket) -> None:
        accepted.settimeout(20)
        with accepted, suppress(OSError):
            connection = accepted
            if self._tls is not None:
                connection = self._tls.wrap_socket(accepted, server_side=True)
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        self.heads.append(head)
        path = head.split(b" ", 2)[1].split(b"?")[0].decode("latin-1")
        if path == "/reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif path == "/hold-request":
            self._hold(connection)
        elif path.startswith("/file"):
            self._send_file(connection, head, path)
        elif path in HELD:
            connection.sendall(HELD[path])
            self._hold(connection)
        elif path in STREAMS:
            for piece in STREAMS[path]():
                if self.over.is_set():
                    break
                connection.sendall(piece)
        else:
            connection.sendall(ANSWERS.get(path, ANSWERS["/not-found"])())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # so that a close resets nothing
                pass

    def _send_file(self, connection: socket.socket, head: bytes, path: str) -> None:
        """Send half of a file and hold; the rest to who asks for that."""
        start = head.find(b"range: bytes=")
        if start < 0:
            start = head.find(b"Range: bytes=")
        fields = b'ETag: "one"\r\nAccept-Ranges: bytes\r\n'
        if start < 0:
            length = b"Content-Length: %d\r\n\r\n" % len(FILE)
            connection.sendall(OK + fields + length + FILE[: len(FILE) // 2])
            self._hold(connection)
        else:
            begin = int(head[start + 13 :].split(b"-")[0])
            rest = FILE[begin:]
            span = b"Content-Range: bytes %d-%d/%d" % (begin, len(FILE) - 1, len(FILE))
            connection.sendall(whole(rest, fields.strip(), span, status=b"206 Partial Content"))

    def _hold(self, connection: socket.socket) -> None:
        self.held.set()
        connection.settimeout(0.2)
        while not self.over.is_set():
            try:
                if not connection.recv(65536):
                    return
            except TimeoutError:
                continue

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join(10)
