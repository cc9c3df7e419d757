"""A client that leaves a TLS connection says so, however the connection comes to its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client

pytestmark = pytest.mark.rfc("9112", "9.8")


class Host:
    """A TLS server of one exchange, on a socket of the standard library's."""

    def __init__(self, certificate: str, reply: bytes) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.reply = reply
        self.ended = "never"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.listening.getsockname()[1]}/"

    def serve(self) -> None:
        accepted, _ = self.listening.accept()
        accepted.settimeout(5)
        # suppress_ragged_eofs=False: an end without close_notify is an error, not b"".
        with self.context.wrap_socket(
            accepted, server_side=True, suppress_ragged_eofs=False
        ) as peer:
            try:
                peer.recv(65536)
                peer.sendall(self.reply)
                self.ended = "with close_notify" if peer.recv(65536) == b"" else "with data"
            except ssl.SSLEOFError:
                self.ended = "without close_notify"


@contextmanager
def hosting(certificate: str, reply: bytes) -> Iterator[Host]:
    host = Host(certificate, reply)
    worker = threading.Thread(target=host.serve)
    worker.start()
    try:
        yield host
    finally:
        worker.join(10)
        host.listening.close()


@pytest.mark.parametrize("option", [b"", b"Connection: close\r\n"])
def test_the_blocking_client(papers, option: bytes) -> None:
    reply = reply_with(option)
    with (
        hosting(papers.certificate, reply) as host,
        Client(verify=papers.authority) as client,
    ):
        assert client.get(host.url).text == "ok"
    assert host.ended == "with close_notify"


@pytest.mark.parametrize("option", [b"", b"Connection: close\r\n"])
def test_the_asynchronous_client(papers, option: bytes) -> None:
    async def story() -> None:
        async with AsyncClient(verify=papers.authority) as client:
            assert (await client.get(host.url)).text == "ok"

    with hosting(papers.certificate, reply_with(option)) as host:
        asyncio.run(story())
    assert host.ended == "with close_notify"


def reply_with(option: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + option + b"\r\nok"
