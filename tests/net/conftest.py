"""Every kind of stream, on one stage: a story plays at our end, a script at the other.

At the other end of a socket are a thread, a plain socket and Python's ssl, none of it ours.
In memory both ends are ours, and one knows only what the other lets it know.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from crlf.flow.run import run_sync
from crlf.net import blocking
from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork
from crlf.net.memory import AsyncMemoryNetwork, MemoryNetwork
from crlf.net.tls import server_context, start_client_tls, start_server_tls
from crlf.ports import Stream, TlsSettings

PATIENCE = 10.0  # seconds after which a peer gives its test up


# --- certificates --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Papers:
    """A certificate authority, and what it signed, as files."""

    authority: str
    certificate: str  # for localhost and 127.0.0.1, chain and key in one file
    elsewhere: str  # the same for elsewhere.example
    expired: str
    client: str

    @property
    def trusted(self) -> TlsSettings:
        """How a client trusts this authority alone."""
        return TlsSettings(verify=self.authority)


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Make an authority and certificates, once."""
    folder = tmp_path_factory.mktemp("papers")
    authority = trustme.CA()

    def write(name: str, blob: trustme.Blob) -> str:
        blob.write_to_path(folder / name)
        return str(folder / name)

    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return Papers(
        write("ca.pem", authority.cert_pem),
        write(
            "here.pem",
            authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem,
        ),
        write(
            "there.pem", authority.issue_cert("elsewhere.example").private_key_and_cert_chain_pem
        ),
        write(
            "old.pem",
            authority.issue_cert(
                "localhost", "127.0.0.1", not_before=past, not_after=past + datetime.timedelta(1)
            ).private_key_and_cert_chain_pem,
        ),
        write("client.pem", authority.issue_cert("me@a.example").private_key_and_cert_chain_pem),
    )


# --- the other end -------------------------------------------------------------------------------


class Wire:
    """A plain socket of the other end's thread, which knows nothing of crlf."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.settimeout(PATIENCE)
        self.socket = accepted

    async def read(self, deadline: float | None = None) -> bytes:
        return self.socket.recv(65536)

    async def write(self, data: bytes, deadline: float | None = None) -> None:
        self.socket.sendall(data)

    async def end(self, deadline: float | None = None) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class TlsWire(Wire):
    """The same, speaking TLS through Python's ssl."""

    def __init__(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(accepted)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.step(self.tls.do_handshake)

    def step(self, call: Callable[[], Any]) -> Any:
        """Make a call of OpenSSL, carrying bytes to and fro until it is done."""
        while True:
            try:
                done = call()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                if not data:
                    return b""
                self.incoming.write(data)
            except ssl.SSLZeroReturnError:  # both ends have said goodbye
                return b""
            else:
                self.flush()
                return done

    def flush(self) -> None:
        if self.outgoing.pending:
            self.socket.sendall(self.outgoing.read())

    async def read(self, deadline: float | None = None) -> bytes:
        return self.step(lambda: self.tls.read(65536))

    async def write(self, data: bytes, deadline: float | None = None) -> None:
        for start in range(0, len(data), 65536):
            self.tls.write(data[start : start + 65536])
            self.flush()

    async def end(self, deadline: float | None = None) -> None:
        with suppress(ssl.SSLWantReadError):  # the other side has not ended yet
            self.tls.unwrap()
        self.flush()
        self.socket.shutdown(socket.SHUT_WR)


class Peer:
    """The other end, as a script sees it."""

    def __init__(self, wire: Any, pause: Callable[[float], Awaitable[None]]) -> None:
        self.wire = wire
        self.pause = pause

    async def receive(self, count: int) -> bytes:
        """Read so many bytes; fewer only at the end."""
        data = bytearray()
        while len(data) < count and (piece := await self.wire.read(None)):
            data += piece
        return bytes(data)

    async def digest(self, slowly: bool = False) -> str:
        """Read to the end; return the digest of all."""
        digest, count = hashlib.sha256(), 0
        while piece := await self.wire.read(None):
            digest.update(piece)
            count += 1
            if slowly and count % 16 == 0:
                await self.pause(0.001)
        return digest.hexdigest()

    async def send(self, data: bytes) -> None:
        await self.wire.write(data, None)

    async def end(self) -> None:
        await self.wire.end(None)

    def close(self) -> None:
        self.wire.close()

    def reset(self) -> None:
        """Break the connection."""
        below = getattr(self.wire, "_inner", self.wire)
        below.reset()


Story = Callable[[Stream], Awaitable[None]]
Script = Callable[[Peer], Awaitable[None]]


async def sleep_here(seconds: float) -> None:
    """Pause in a thread of one's own."""
    time.sleep(seconds)  # noqa: ASYNC251


# --- the stages ----------------------------------------------------------------------------------


class Stage:
    """A kind of stream to play on.

    settings: of TLS, or None. is_aio: our end is on an event loop.
    """

    is_aio = False
    in_memory = False
    name = ""

    def __init__(self, settings: TlsSettings | None, context: ssl.SSLContext | None) -> None:
        self.settings = settings
        self.context = context
        self.pause = sleep_here

    def play(self, story: Story, script: Script) -> None:
        """Play both to their ends; raise what went wrong at either."""
        raise NotImplementedError

    async def act(self, network: Any, port: int, story: Story) -> None:
        """Connect and play the story."""
        deadline = network.now() + PATIENCE
        stream = await network.connect("127.0.0.1", port, deadline)
        try:
            if self.settings is not None:
                stream = await start_client_tls(stream, self.settings, "127.0.0.1", deadline)
            await story(stream)
        finally:
            stream.close()
            await network.aclose()


class SocketStage(Stage):
    """Sockets, blocking or on a loop."""

    def __init__(self, settings, context, new_loop=None) -> None:
        super().__init__(settings, context)
        self.new_loop = new_loop
        self.is_aio = new_loop is not None

    def play(self, story: Story, script: Script) -> None:
        faults: list[BaseException] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            thread = threading.Thread(target=self.be_peer, args=(listener, script, faults))
            thread.start()
            try:
                self.be_ourselves(listener.getsockname()[1], story)
            finally:
                thread.join()
        if faults:
            raise faults[0]

    def be_ourselves(self, port: int, story: Story) -> None:
        if self.new_loop is None:
            run_sync(self.act(BlockingNetwork(), port, story))
            return

        async def main() -> None:
            await self.act(AioNetwork(), port, story)

        self.pause = asyncio.sleep
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            runner.run(main())

    def be_peer(self, listener: socket.socket, script: Script, faults: list[BaseException]) -> None:
        try:
            accepted = listener.accept()[0]
            with accepted:
                context = self.context
                wire = Wire(accepted) if context is None else TlsWire(accepted, context)
                run_sync(script(Peer(wire, sleep_here)))
        except BaseException as fault:
            faults.append(fault)


class MemoryStage(Stage):
    """Memory, for either colour."""

    in_memory = True

    def __init__(self, settings, context, is_aio: bool) -> None:
        super().__init__(settings, context)
        self.is_aio = is_aio

    def play(self, story: Story, script: Script) -> None:
        faults: list[BaseException] = []

        async def serve(stream: Stream) -> None:
            try:
                if self.context is not None:
                    stream = await start_server_tls(stream, self.context, None)
                await script(Peer(stream, asyncio.sleep))
            except Exception as fault:
                faults.append(fault)

        if self.is_aio:

            async def main() -> None:
                await self.act(AsyncMemoryNetwork(serve), 80, story)

            self.pause = asyncio.sleep
            asyncio.run(main())
        else:
            run_sync(self.act(MemoryNetwork(serve), 80, story))
        if faults:
            raise faults[0]


def uvloop_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of uvloop's, or skip."""
    return pytest.importorskip("uvloop").new_event_loop()


class FallbackStage(SocketStage):
    """Blocking sockets where the kernel keeps no time for us, as on Windows."""

    def play(self, story: Story, script: Script) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocking, "_KERNEL_TIMERS", False)
            super().play(story, script)


STAGES: dict[str, Callable[[Any, Any], Stage]] = {
    "blocking": SocketStage,
    "settimeout": FallbackStage,
    "aio": lambda *tls: SocketStage(*tls, asyncio.new_event_loop),
    "uvloop": lambda *tls: SocketStage(*tls, uvloop_loop),
    "memory": lambda *tls: MemoryStage(*tls, False),
    "memory-aio": lambda *tls: MemoryStage(*tls, True),
}


KINDS = [*STAGES, *(f"{name}+tls" for name in STAGES if name != "settimeout")]


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, papers: Papers) -> Stage:
    """Give each kind of stream in turn."""
    name, _, tls = request.param.partition("+")
    if name == "uvloop":
        pytest.importorskip("uvloop")  # before a peer waits for somebody who never comes
    settings, context = None, None
    if tls:
        settings, context = papers.trusted, server_context(papers.certificate)
    made = STAGES[name](settings, context)
    made.name = request.param
    return made
