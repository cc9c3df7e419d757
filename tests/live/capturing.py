"""A peer that keeps every byte of each request, answers it and closes; and what a request says."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from crlf.cli.environment import Environment
from crlf.cli.main import main
from crlf.message.fields.media import parse_media_type
from crlf.message.headers import Headers
from crlf.wire import Data, End, MultipartParser, RequestHead, ServerEngine

PATIENCE = 20.0  # seconds for a request to come
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n"
_BOUNDARY = re.compile(rb"crlf-[0-9a-f]{32}")


class Said(NamedTuple):
    """What a request says, however it was written. content: a value to compare."""

    method: str
    target: str
    headers: Headers
    content: object


class Peer:
    """Listens on a port of its own. heard: the bytes of each request, in order."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.heard: list[bytes] = []  # guarded by _bell
        self._bell = threading.Condition()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def wait_for(self, count: int) -> list[bytes]:
        """Return what was heard, once it is so many requests."""
        with self._bell:
            enough = self._bell.wait_for(lambda: len(self.heard) >= count, PATIENCE)
            assert enough, f"{len(self.heard)} requests came, not {count}"
            return list(self.heard)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        """Take one connection after the other, so that the order is that of who asks."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE)
                data = _whole(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(_ANSWER)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):  # until who asked has let go
                        pass
            with self._bell:
                self.heard.append(data)
                self._bell.notify_all()


def _whole(connection: socket.socket) -> bytes:
    """Read to the end of a request; all that came is returned, also when it is none."""
    engine, data, is_asked = ServerEngine(), bytearray(), True
    with contextlib.suppress(OSError):
        while True:
            while (part := engine.next_part()) is not None:
                if isinstance(part, End):
                    return bytes(data)
            if is_asked and engine.expects_continue:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                is_asked = False
            piece = connection.recv(65536)
            if not piece:
                return bytes(data)
            data += piece
            engine.receive(piece)
    return bytes(data)


@contextlib.contextmanager
def capturing() -> Iterator[Peer]:
    """Give a peer for a block."""
    peer = Peer()
    try:
        yield peer
    finally:
        peer.close()


def plain(data: bytes) -> bytes:
    """Return a request's bytes with the one thing in them that is random made the same."""
    return _BOUNDARY.sub(b"crlf-" + b"0" * 32, data)


def said_by(data: bytes) -> Said:
    """Understand a request: JSON as a value, a form of several parts as its parts."""
    engine = ServerEngine()
    engine.receive(data)
    head = engine.next_part()
    assert isinstance(head, RequestHead), data[:200]
    pieces = []
    while not isinstance(part := engine.next_part(), End):
        assert isinstance(part, Data), "the request ends too early"
        pieces.append(part.data)
    content = b"".join(pieces)
    kind = parse_media_type(head.headers.get("content-type") or "")
    value: object = content
    if kind is not None and kind.essence == "application/json" and content:
        value = json.loads(content)
    elif kind is not None and kind.essence == "multipart/form-data":
        value = _parts(content, kind.parameter("boundary") or "")
    return Said(head.method, head.target, head.headers, value)


def _parts(content: bytes, boundary: str) -> list[tuple[str, str | None, str | None, bytes]]:
    parser = MultipartParser(boundary)
    parser.receive(content)
    found: list[tuple[str, str | None, str | None, bytes]] = []
    while (part := parser.next_part()) is not None:
        name = type(part).__name__
        if name == "PartHead":
            # HTTPie and fetch say nothing of a text's type, nor do we.
            found.append((part.name, part.filename, part.content_type, b""))
        elif name == "PartData":
            found[-1] = (*found[-1][:3], found[-1][3] + part.data)
        elif name != "PartEnd":
            break
    return found


def run_line(words: list[str], folder: Path, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Run a command line here, in a folder; return its code and what it wrote."""
    out, err = io.BytesIO(), io.BytesIO()
    environment = Environment(io.BytesIO(stdin), out, err, folder=str(folder), variables={})
    code = main(words, environment)
    return code, out.getvalue(), err.getvalue().decode()
