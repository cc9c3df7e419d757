"""Slow clients of every kind, against everything that is served, over TCP and TLS.

Each row is a client that stalls or dribbles somewhere. All of them come at once, to `crlf serve`
in a process of its own that is impatient enough for a test; each is cut by the deadline that it
meets, somebody else is answered within a second throughout, and afterwards the server has as many
descriptors as before. The same with a server's own patience, and slowhttptest, are `long`.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import re
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from tests.live.targets import KINDS, Served, serving

from crlf.rules.deadlines import Patience

LOG = logging.getLogger("crlf.tests")
HASTY = Patience(
    handshake=0.5, head=0.5, idle=0.6, jitter=0.1, body_grace=0.6, body_rate=100_000,
    body_stall=0.4, write=0.5, linger=0.2,
)  # fmt: skip
DEFAULT = Patience()
SLACK = 1.5  # seconds that a deadline may be late on a busy machine
PROBE_MOST = 1.0  # seconds in which everybody else is answered
LAGS = 10  # times that two processes have to be woken for that, on a machine that is busy

GET = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def options_of(patience: Patience) -> list[str]:
    """Say a patience on the command line."""
    said = [
        f"--timeout-{name.replace('_', '-')}={getattr(patience, name)}"
        for name in ("handshake", "head", "idle", "jitter", "body_grace", "body_stall", "write",
                     "linger")
    ]  # fmt: skip
    return [*said, f"--limit-body-rate={patience.body_rate:.0f}"]


class Peer:
    """A client that is up to no good. gap: seconds between what it dribbles."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gap: float
    ) -> None:
        self.reader, self.writer, self.gap = reader, writer, gap
        self.said = b""

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def hear_out(self) -> None:
        """Read until the server ends the connection."""
        with suppress(ConnectionError, ssl.SSLError):
            while data := await self.reader.read(65536):
                self.said += data

    async def dribble(self, data: bytes) -> None:
        """Send byte by byte until the server has had enough."""
        heard = asyncio.create_task(self.hear_out())
        for byte in data:
            await self.say(bytes([byte]))
            await asyncio.wait([heard], timeout=self.gap)
            if heard.done():
                break
        await heard


Row = Callable[[Peer], Awaitable[None]]


async def silence(peer: Peer) -> None:
    await peer.hear_out()


async def half_a_request_line(peer: Peer) -> None:
    await peer.say(GET[:8])
    await peer.hear_out()


async def half_a_header(peer: Peer) -> None:
    await peer.say(GET[:-2] + b"X: y")
    await peer.hear_out()


async def a_dribbled_header(peer: Peer) -> None:
    await peer.say(GET[:-2])
    await peer.dribble(b"X: y\r\n" * 1000)


async def a_stalled_body(peer: Peer) -> None:
    await peer.say(POST + b"x" * 1000)
    await peer.hear_out()


async def a_dribbled_body(peer: Peer) -> None:
    await peer.say(POST)
    await peer.dribble(b"x" * 6000)


async def idle_keep_alive(peer: Peer) -> None:
    await peer.say(GET)
    await peer.hear_out()


# and some more


async def dribbled_chunks(peer: Peer) -> None:
    await peer.say(CHUNKED)
    await peer.dribble(b"1\r\nx\r\n" * 1000)


async def dribbled_empty_lines(peer: Peer) -> None:
    await peer.dribble(b"\r\n" * 4)
    await peer.hear_out()


async def a_second_head_dribbled(peer: Peer) -> None:
    await peer.say(GET)
    await peer.dribble(GET[:-2] + b"X: y\r\n" * 1000)


async def never_reading(peer: Peer) -> None:
    """Ask for much, read nothing of it, and notice when the server is gone."""
    await peer.say(GET.replace(b"probe", b"large"))
    below = peer.writer.get_extra_info("socket")
    while not below.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        await asyncio.sleep(0.02)
        peer.writer.write(b"x")  # a peer that aborted takes nothing more
        if peer.writer.transport.is_closing():
            return


SEVEN: list[Row] = [
    silence, half_a_request_line, half_a_header, a_dribbled_header, a_stalled_body,
    a_dribbled_body, idle_keep_alive,
]  # fmt: skip
MORE: list[Row] = [
    dribbled_chunks, dribbled_empty_lines, a_second_head_dribbled, never_reading,
]  # fmt: skip


def longest(row: Row, patience: Patience) -> float:
    """Return the seconds after which a row's connection is over: of deadline, grace and linger."""
    if row in (silence, half_a_request_line, half_a_header):
        return patience.head + patience.linger
    if row is idle_keep_alive:
        return patience.idle + patience.linger
    if row is a_stalled_body:
        return patience.body_stall + patience.linger
    if row is never_reading:
        return patience.write
    if row in (a_dribbled_body, dribbled_chunks):
        first = patience.body_grace
    else:
        first = patience.head
    # Who still sends when it is told reads only after that: RFC 9112 9.6.
    return first + max(patience.linger, patience.body_grace) + patience.linger


def may_say(row: Row) -> set[int]:
    """Return the statuses of which a row's client is told one; an empty set for nothing at all."""
    if row is silence:
        return set()
    if row in (idle_keep_alive, a_second_head_dribbled, never_reading):
        return {200}
    return {408}


class Scene:
    """A server and what is measured of it."""

    def __init__(self, served: Served, patience: Patience, context: ssl.SSLContext | None) -> None:
        self.served, self.patience, self.context = served, patience, context
        self.lived: dict[str, float] = {}
        self.said: dict[str, bytes] = {}
        self.lag = 0.0  # seconds by which this machine is late with anything

    @asynccontextmanager
    async def peer(self, is_plain: bool = False) -> AsyncIterator[Peer]:
        below = socket.socket()
        below.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        below.setblocking(False)
        await asyncio.get_running_loop().sock_connect(below, ("127.0.0.1", self.served.port))
        context = None if is_plain else self.context
        reader, writer = await asyncio.open_connection(
            sock=below, ssl=context, limit=4096, server_hostname="localhost" if context else None
        )
        try:
            yield Peer(reader, writer, 0.03 if self.patience is HASTY else 0.5)
        finally:
            writer.transport.abort()

    async def play(self, row: Row, most: float, is_plain: bool = False) -> None:
        """Let a row live; note how long it did, and what it was told."""
        async with self.peer(is_plain) as peer:
            began = time.monotonic()
            try:
                await asyncio.wait_for(row(peer), most + SLACK + 10)
            finally:
                self.lived[row.__name__] = time.monotonic() - began
                self.said[row.__name__] = peer.said

    async def probe(self, until: asyncio.Event) -> list[float]:
        """Ask again and again on new connections, and return how long each answer took."""
        spent = []
        while not until.is_set():
            began = time.monotonic()
            async with self.peer() as peer:
                await peer.say(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                await asyncio.wait_for(peer.hear_out(), 10)
                assert b"alive" in peer.said
            spent.append(time.monotonic() - began)
            began = time.monotonic()
            await asyncio.sleep(0.02)
            self.lag = max(self.lag, time.monotonic() - began - 0.02)
        return spent

    async def play_all(self, rows: list[Row], plain: list[Row]) -> list[float]:
        """Let all rows live at once, and somebody else ask meanwhile."""
        over = asyncio.Event()
        probing = asyncio.create_task(self.probe(over))
        try:
            await asyncio.gather(
                *(self.play(row, longest(row, self.patience)) for row in rows),
                *(self.play(row, self.patience.handshake, True) for row in plain),
            )
        finally:
            over.set()
        return await probing


def see(
    served: Served,
    rows: list[Row],
    patience: Patience,
    context: ssl.SSLContext | None = None,
    plain: list[Row] | None = None,
) -> None:
    """Let the rows come, and see that all is as it should be."""
    scene = Scene(served, patience, context)

    async def warm() -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, over.set)
        await scene.probe(over)

    asyncio.run(warm())
    descriptors, threads = served.descriptors, served.threads
    spent = asyncio.run(scene.play_all(rows, plain or []))
    assert max(spent) < PROBE_MOST + LAGS * scene.lag, "somebody else had to wait"
    assert len(spent) > 1
    for row in rows:
        name, most = row.__name__, longest(row, patience)
        assert scene.lived[name] <= most + SLACK + LAGS * scene.lag, (
            f"{name} lived {scene.lived[name]:.2f} s"
        )
        codes = {int(code) for code in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", scene.said[name])}
        allowed = may_say(row)
        if row is a_second_head_dribbled:
            assert codes == {200, 408}, name
        elif row is not never_reading:
            assert codes == allowed, (name, scene.said[name][:300])
    for row in plain or []:
        lived = scene.lived[row.__name__]
        assert lived <= patience.handshake + SLACK + LAGS * scene.lag, (
            f"{row.__name__} lived {lived:.2f} s"
        )
    assert served.settles(descriptors)
    assert served.threads <= threads + 32  # those that WSGI and files are at work in
    assert "Traceback" not in served.said


@pytest.mark.rfc("9112", "9.5")
@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_are_cut_and_nobody_waits_for_them(kind: str) -> None:
    with serving(kind, *options_of(HASTY)) as served:
        see(served, [*SEVEN, *MORE], HASTY)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_are_cut_by_default(kind: str) -> None:
    with serving(kind) as served:
        see(served, [*SEVEN, never_reading], DEFAULT)


@pytest.mark.parametrize("kind", KINDS)
def test_who_never_reads_costs_little_memory(kind: str) -> None:
    """Sixty of them would cost 900 MB, had each a copy of what it is sent."""
    with serving(kind) as served, ExitStack() as stack:
        before = served.memory
        for _ in range(60):
            peer = stack.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", served.port))
            peer.sendall(GET.replace(b"probe", b"large"))
        with socket.create_connection(("127.0.0.1", served.port), 5) as peer:
            peer.sendall(GET)
            assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert served.memory - before < 200_000_000


# --- over TLS ------------------------------------------------------------------------------------


async def no_handshake(peer: Peer) -> None:
    await peer.hear_out()


async def half_a_hello(peer: Peer) -> None:
    await peer.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40)
    await peer.hear_out()


async def a_dribbled_hello(peer: Peer) -> None:
    await peer.dribble(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500)


async def a_hello_that_goes_no_further(peer: Peer) -> None:
    """Say a whole ClientHello, and nothing after it."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    await peer.say(outgoing.read())
    await peer.hear_out()


HANDSHAKES: list[Row] = [
    no_handshake, half_a_hello, a_dribbled_hello, a_hello_that_goes_no_further,
]  # fmt: skip


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext]:
    """Make a certificate; give its file, and what a client trusts."""
    import trustme

    folder = tmp_path_factory.mktemp("papers")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "paper.pem")
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return str(folder / "paper.pem"), context


@pytest.mark.rfc("9112", "9.8")
@pytest.mark.parametrize("kind", ["app", "wsgi"])
def test_slow_clients_over_tls_are_cut(kind: str, papers: tuple[str, ssl.SSLContext]) -> None:
    """The handshake has a deadline of its own; after it, the seven rows as without TLS."""
    file, context = papers
    rows = [*SEVEN, never_reading]
    with serving(kind, *options_of(HASTY), "--tls-certificate", file) as served:
        see(served, rows, HASTY, context, HANDSHAKES)


@pytest.mark.long
def test_slow_clients_over_tls_are_cut_by_default(papers: tuple[str, ssl.SSLContext]) -> None:
    file, context = papers
    with serving("app", "--tls-certificate", file) as served:
        see(served, SEVEN, DEFAULT, context, HANDSHAKES)


# --- slowhttptest --------------------------------------------------------------------------------


@contextmanager
def slowhttptest(served: Served, folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run slowhttptest against a server, for as long as the block lasts."""
    process = subprocess.Popen(
        ["slowhttptest", "-u", f"http://127.0.0.1:{served.port}/large", "-g",
         "-o", str(folder / "slow"), "-l", "15", "-p", "1", *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


ATTACKS = {
    "H": ("-H", "-c", "300", "-r", "200", "-i", "1"),
    "B": ("-B", "-c", "300", "-r", "200", "-i", "1", "-s", "8192", "-x", "10"),
    "X": (
        "-X",
        "-c",
        "300",
        "-r",
        "50",
        "-n",
        "1",
        "-z",
        "32",
        "-w",
        "512",
        "-y",
        "1024",
        "-k",
        "3",
    ),
    "R": ("-R", "-c", "300", "-r", "200", "-a", "10", "-b", "3000", "-t", "HEAD"),
    "H, more than there is room for": ("-H", "-c", "1400", "-r", "200", "-i", "1"),
}


@pytest.mark.long
@pytest.mark.needs("slowhttptest")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_slowhttptest_keeps_nobody_waiting(attack: str, kind: str, tmp_path: Path) -> None:
    with serving(kind) as served:
        spent = []

        def probe() -> None:
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", served.port), 5) as peer:
                peer.settimeout(5)
                peer.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                said = b""
                while piece := peer.recv(65536):
                    said += piece
            assert b"alive" in said
            spent.append(time.monotonic() - began)

        probe()
        descriptors = served.descriptors
        worked, began = served.cpu_seconds, time.monotonic()
        most = 0
        with slowhttptest(served, tmp_path, *ATTACKS[attack]) as process:
            while process.poll() is None and time.monotonic() - began < 40:
                probe()
                most = max(most, served.descriptors)
                time.sleep(0.2)
            said = process.communicate(timeout=5)[0]
        busy = (served.cpu_seconds - worked) / (time.monotonic() - began)
        with (tmp_path / "slow.csv").open() as file:
            rows = list(csv.DictReader(file))
        verdict = [
            line.strip() for line in said.splitlines() if "status:" in line or "Exit" in line
        ]
        LOG.info(
            "%s against %s: %d probes, the slowest %.3f s; at most %d descriptors, %.0f %% of a "
            "core; slowhttptest at its end: %s; %s",
            attack, kind, len(spent), max(spent), most, 100 * busy,
            rows[-1], verdict[-1:],
        )  # fmt: skip
        assert max(spent) < PROBE_MOST
        if "more" not in attack:
            assert all(row["Service Available"] != "0" for row in rows), "it says it was down"
        assert served.settles(descriptors + 2, 25)
        assert "Traceback" not in served.said
