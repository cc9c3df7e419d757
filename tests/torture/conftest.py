"""What the torture tests share: one seed for all of them, and peers that listen.

CRLF_SEED in the environment plays the run again that a failure has named.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from crlf.message.errors import CrlfError
from crlf.net.aio import AioNetwork
from crlf.net.tls import server_context, start_server_tls
from crlf.ports import Service, Stream

sys.path.insert(0, str(Path(__file__).parent))  # where bad_peer is


@pytest.fixture
def seed() -> int:
    """Give the seed of this run, and show it when the test fails."""
    given = os.environ.get("CRLF_SEED")
    chosen = int(given) if given else random.SystemRandom().randrange(1_000_000)
    sys.stdout.write(f"CRLF_SEED={chosen} plays this again\n")
    return chosen


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Make an authority and a certificate for this machine; give the paths of both."""
    folder = tmp_path_factory.mktemp("torture-papers")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "here.pem")
    return str(folder / "ca.pem"), str(folder / "here.pem")


def encrypted(serve: Service, context: ssl.SSLContext) -> Service:
    """Serve over TLS; a handshake that fails is the client's affair."""

    async def served(stream: Stream) -> None:
        with suppress(CrlfError):
            await serve(await start_server_tls(stream, context, None))

    return served


@contextmanager
def listening_in_thread(serve: Service, certificate: str | None = None) -> Iterator[int]:
    """Serve on a port of this machine, on a loop in a thread of its own."""
    if certificate is not None:
        serve = encrypted(serve, server_context(certificate))
    ports: list[int] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def live() -> None:
        listener = await AioNetwork().listen("127.0.0.1", 0, serve)
        ports.append(listener.addresses[0][1])
        ready.set()
        await over.wait()
        listener.close()
        await listener.finish(0.5)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(live())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(5)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


class Listening:
    """What the tests of this folder need of this file, since a conftest is not imported."""

    def __init__(self, certificate: str) -> None:
        self._certificate = certificate

    def in_thread(self, serve: Service, *, tls: bool = False) -> AbstractContextManager[int]:
        return listening_in_thread(serve, self._certificate if tls else None)

    def encrypted(self, serve: Service) -> Service:
        return encrypted(serve, server_context(self._certificate))


@pytest.fixture(scope="session")
def listening(papers: tuple[str, str]) -> Listening:
    """Give what makes a service listen."""
    return Listening(papers[1])


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    """Make a file that takes more than one read."""
    path = tmp_path / "upload.bin"
    path.write_bytes(b"f" * 300_000)
    return path
