"""Streams that play a script, on a clock that moves only when somebody waits for it.

What the peer sends, and what befalls it, is a list of items; what is sent to the peer is kept
to be looked at. Nothing here ever suspends or sleeps, so that an exchange can be played with
a fault at every byte, and an hour of waiting takes no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TypeVar

from crlf.message.errors import ReadFailed, ReadTimeout, WriteFailed, WriteTimeout
from crlf.net.sendfile import write_pieces
from crlf.ports import (
    DEFAULT_SOCKETS,
    SocketSettings,
    SocksProxy,
    Stream,
    StreamFacts,
    TlsFacts,
    TlsSettings,
)

T = TypeVar("T")
_WALL = 784_111_777.0  # POSIX seconds of Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example


class Fault(Enum):
    """What befalls a connection: the peer ends it, it breaks, or nothing comes any more."""

    END = "end"
    RESET = "reset"
    STALL = "stall"


END, RESET, STALL = Fault.END, Fault.RESET, Fault.STALL

Item = bytes | float | Fault
"""Bytes that arrive, seconds in which none do, or a fault."""

UNENCRYPTED = TlsFacts("none, in memory", "none", "http/1.1")
"""What a stream in memory says of TLS when https was asked for: there is nobody to hide from."""


class FakeClock:
    """Time that is told, not measured. seconds: of `now`, monotonic."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self._start = seconds
        self.seconds = seconds

    def now(self) -> float:
        """Return the time of deadlines."""
        return self.seconds

    def wall(self) -> float:
        """Return the time of day: it was 8:49:37 on 6 November 1994 when this clock began."""
        return _WALL + self.seconds - self._start

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def wait_until(self, deadline: float | None) -> float:
        """Let time pass up to a deadline, and return how much that was.

        Raises RuntimeError for None: whoever waits without a deadline would wait for ever.
        """
        if deadline is None:
            raise RuntimeError("a script stalls, and what waits for it has no deadline")
        passed = max(0.0, deadline - self.seconds)
        self.seconds += passed
        return passed


class ScriptedStream:
    """A Stream whose peer plays a script.

    script: after its last item nothing more arrives. END and RESET last; STALL, and a pause
    that is longer than the deadline, end in one ReadTimeout, and the script goes on from there.
    piece: bytes that one read returns at most.
    write_fault: what happens to a write beyond write_after bytes; STALL is a WriteTimeout.
    written: all that was taken. reads, writes: how often each was called.
    """

    sends_files = False

    def __init__(
        self,
        script: Iterable[Item] = (),
        clock: FakeClock | None = None,
        *,
        piece: int | None = None,
        write_fault: Fault | None = None,
        write_after: int = 0,
        facts: StreamFacts | None = None,
    ) -> None:
        self._script = deque(script)
        self.clock = clock or FakeClock()
        self._piece = piece
        self._write_fault = write_fault
        self._write_after = write_after
        self.facts = facts or StreamFacts()
        self.written = bytearray()
        self.reads = 0
        self.writes = 0
        self.is_ended = False
        self.is_closed = False
        self._on_end: Callable[[], object] | None = None

    def play(self, *items: Item) -> None:
        """Let more happen, after the rest of the script."""
        self._script.extend(items)

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the script; b"" once it has ended."""
        self.reads += 1
        if self.is_closed:
            raise ReadFailed("connection lost: closed by us", phase="read")
        while self._script:
            item = self._script.popleft()
            if isinstance(item, bytes):
                if item:
                    return self._first_piece(item)
            elif item is Fault.END:
                self._script.appendleft(item)
                self._tell_end()
                return b""
            elif item is Fault.RESET:
                self._script.appendleft(item)
                self._tell_end()
                raise ReadFailed("connection lost: Connection reset by peer", phase="read")
            elif item is Fault.STALL:
                break
            else:
                self._pause(item, deadline)
        raise self._late(self.clock.wait_until(deadline))

    def _first_piece(self, item: bytes) -> bytes:
        if self._piece is None or len(item) <= self._piece:
            return item
        self._script.appendleft(item[self._piece :])
        return item[: self._piece]

    def _pause(self, seconds: float, deadline: float | None) -> None:
        """Let a pause of the script pass. Raises ReadTimeout when it outlasts the deadline."""
        if deadline is not None and self.clock.seconds + seconds > deadline:
            passed = self.clock.wait_until(deadline)
            self._script.appendleft(seconds - passed)
            raise self._late(passed)
        self.clock.advance(seconds)

    def _late(self, seconds: float) -> ReadTimeout:
        return ReadTimeout(
            f"nothing arrived within {seconds:.3g} seconds", phase="read", seconds=seconds
        )

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Keep data in `written`, as far as the peer takes it."""
        self.writes += 1
        if self.is_closed or self.is_ended:
            raise WriteFailed("connection lost: closed by us", phase="write")
        if self._write_fault is None or len(self.written) + len(data) <= self._write_after:
            self.written += data
            return
        self.written += data[: max(0, self._write_after - len(self.written))]
        if self._write_fault is not Fault.STALL:
            raise WriteFailed("connection lost: Broken pipe", phase="write")
        seconds = self.clock.wait_until(deadline)
        raise WriteTimeout(
            f"the peer took too little within {seconds:.3g} seconds",
            phase="write",
            seconds=seconds,
        )

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Read so many bytes of an open file and send them; see Stream."""
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def end(self, deadline: float | None) -> None:
        """Note that we send no more."""
        self.is_ended = True

    def close(self) -> None:
        """Note that we let go."""
        self.is_closed = True

    def has_arrived(self) -> bool:
        """Whether a read would return at once."""
        if self.is_closed:
            return True
        while self._script and self._script[0] == b"":
            self._script.popleft()
        return bool(self._script) and (
            isinstance(self._script[0], bytes) or self._script[0] in (Fault.END, Fault.RESET)
        )

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once a read has come to the peer's end, or at once if it is what comes next."""
        self._on_end = callback
        if self.is_closed or (self._script and self._script[0] in (Fault.END, Fault.RESET)):
            self._tell_end()

    def _tell_end(self) -> None:
        callback, self._on_end = self._on_end, None
        if callback is not None:
            callback()


class ScriptedNetwork:
    """A Network whose connections are scripted streams, in the order they are given.

    An exception in their place is raised. asked: (host, port) of each call of connect.
    """

    def __init__(
        self, connections: Iterable[ScriptedStream | Exception], clock: FakeClock | None = None
    ) -> None:
        self._connections = deque(connections)
        self.clock = clock or FakeClock()
        self.asked: list[tuple[str, int]] = []
        self.addresses: dict[str, tuple[str, ...]] = {}
        for connection in self._connections:
            if isinstance(connection, ScriptedStream):
                connection.clock = self.clock

    def now(self) -> float:
        """Return the clock's time."""
        return self.clock.now()

    def wall(self) -> float:
        """Return the clock's time of day."""
        return self.clock.wall()

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """Return addresses[host] where the test has put any, else a loopback address."""
        return self.addresses.get(host, ("127.0.0.1",))

    async def open_socks(
        self, stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
    ) -> Stream:
        """Return the stream itself, and note the host as asked."""
        self.asked.append((host, port))
        return stream

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Return the next connection, or raise what is in its place."""
        self.asked.append((host, port))
        if not self._connections:
            raise RuntimeError(f"the script has no connection to {host}:{port}")
        connection = self._connections.popleft()
        if isinstance(connection, Exception):
            raise connection
        return connection

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        """Return the stream itself, which says that it is encrypted."""
        stream.facts = StreamFacts(stream.facts.peer, stream.facts.local, UNENCRYPTED)
        return stream

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work."""
        return work()

    def new_bell(self) -> ScriptedBell:
        """Make a bell that nobody rings in time."""
        return ScriptedBell(self.clock)

    async def aclose(self) -> None:
        """Hold nothing any more."""


class ScriptedBell:
    """A bell where a single flow waits, so that its deadline always comes first."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def __enter__(self) -> ScriptedBell:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def wait(self, deadline: float | None) -> bool:
        """Let time pass up to the deadline."""
        self._clock.wait_until(deadline)
        return False

    def ring(self) -> None:
        """Wake nobody."""
