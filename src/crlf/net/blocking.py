"""The blocking network: sockets that wait in the kernel, in `async def`s that never suspend.

A warm exchange costs two system calls, one send and one recv. The sockets stay in blocking
mode and the kernel keeps the time (SO_RCVTIMEO, SO_SNDTIMEO), because `settimeout` polls
before each call. A kernel timer is set anew only when it would fire noticeably late; one that
fires early is looked at and waited for again. Its law: nothing here imports asyncio or ssl.
"""

from __future__ import annotations

import _socket
import os
import select
import socket
import struct
import sys
import threading
from _weakrefset import WeakSet  # threading has loaded it; weakref itself takes 0.5 ms
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import TypeVar

from crlf.message.errors import ReadFailed, ReadTimeout, WriteFailed, WriteTimeout
from crlf.net.names import find_addresses, literals, place_of, reason_of, shown
from crlf.net.racing import open_any, open_unix
from crlf.ports import (
    DEFAULT_SOCKETS,
    SocketSettings,
    SocksProxy,
    Stream,
    StreamFacts,
    TlsSettings,
)

T = TypeVar("T")
_FOREVER = float("inf")
_LATE = 1.02  # a timer may fire this much after the deadline before it is worth a system call
_PIECE = 64 * 1024  # bytes asked for at once; larger ones make malloc ask the kernel for pages
_LARGE_PIECE = 256 * 1024  # bytes asked for once a read was full: fewer calls for much data
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # a program may have made SIGPIPE deadly again
_POLL = getattr(select, "poll", None)
# On Windows a socket is in an unknown state once such a timer has fired.
_KERNEL_TIMERS = hasattr(socket, "SO_RCVTIMEO") and sys.platform != "win32"


class BlockingStream:
    """A connected socket as a Stream.

    The kernel's timers start anew when a signal handler has run, so a program that is
    interrupted more often than its timeout is long waits longer than it asked for.
    """

    __slots__ = (
        "__weakref__",
        "_lost",
        "_most",
        "_read_timer",
        "_socket",
        "_timed_by_kernel",
        "_write_timer",
        "facts",
        "sends_files",
    )

    def __init__(self, connected: socket.socket, facts: StreamFacts | None = None) -> None:
        connected.settimeout(None)
        self._socket = connected
        # A socket that was patched (gevent) waits elsewhere, and must know of the timer.
        self._timed_by_kernel = _KERNEL_TIMERS and isinstance(connected, _socket.socket)
        self.sends_files = self._timed_by_kernel and hasattr(os, "sendfile")
        self._lost = (
            ""  # why the connection broke: the kernel says so once, and then calls it an end
        )
        self._most = _PIECE
        self._read_timer = _FOREVER  # seconds after which the kernel gives a recv up
        self._write_timer = _FOREVER
        _streams.add(self)
        self.facts = facts or StreamFacts(
            shown_address(connected.getpeername()), shown_address(connected.getsockname())
        )

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" when the peer is done."""
        began = monotonic()
        if deadline is not None and self._read_timer > (deadline - began) * _LATE:
            self._set_read_timer(deadline, began)
        try:
            data = self._socket.recv(self._most)
        except OSError as fault:
            data = self._read_again(fault, deadline, began)
        size = len(data)
        if size >= _PIECE:
            self._most = _LARGE_PIECE
        elif self._most != _PIECE:
            self._most = _PIECE
        elif not data and self._lost:
            raise ReadFailed(f"connection lost: {self._lost}", phase="read")
        return data

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send all of data, as far as the kernel's buffer."""
        began = monotonic()
        if deadline is not None and self._write_timer > (deadline - began) * _LATE:
            self._set_write_timer(deadline, began)
        try:
            sent = self._socket.send(data, _NO_SIGNAL)
        except OSError as fault:
            self._check_write(fault, deadline, began)
            sent = 0
        if sent < len(data):
            self._write_rest(memoryview(data)[sent:], deadline, began)

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Let the kernel send so many bytes of an open file; see Stream."""
        from crlf.net.sendfile import is_unsuited, send_some, write_pieces  # few send files

        while count and self.sends_files and self._timed_by_kernel:
            began, deadline = monotonic(), deadline_of()
            if deadline is not None and self._write_timer > (deadline - began) * _LATE:
                self._set_write_timer(deadline, began)
            try:
                sent = send_some(self._socket.fileno(), descriptor, offset, count)
            except OSError as fault:
                if is_unsuited(fault) and self._socket.fileno() >= 0:
                    break
                self._check_write(fault, deadline, began)
            else:
                offset, count = offset + sent, count - sent
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def end(self, deadline: float | None) -> None:
        """Say that we send no more; reading goes on."""
        with suppress(OSError):  # gone already, which says the same
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the connection at once.

        No shutdown comes first: a child process may close its copy of a connection that its
        parent goes on using.
        """
        with suppress(OSError):  # the descriptor is gone all the same
            self._socket.close()

    def cut(self) -> None:
        """Break the connection from another thread: who waits in it fails, and sees no end."""
        self._lost = "cut by us"
        with suppress(OSError):  # it is gone already
            self._socket.shutdown(socket.SHUT_RDWR)

    def has_arrived(self) -> bool:
        """Whether a read would return at once."""
        number = self._socket.fileno()
        if number < 0:
            return True
        if _POLL is None:
            return bool(select.select([number], [], [], 0)[0])
        poll = _POLL()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back if the peer has closed its side by now: later there is nobody who could."""
        if callback is not None and self.has_arrived():
            with suppress(OSError):
                if self._socket.recv(1, socket.MSG_PEEK):
                    return
            callback()

    # -- what happens when the first call was not enough

    def _read_again(self, fault: OSError, deadline: float | None, began: float) -> bytes:
        """Wait on after a timer that fired early; raise what else the fault means."""
        while is_timer(fault):
            self._set_read_timer(deadline, began)
            try:
                return self._socket.recv(self._most)
            except OSError as again:
                fault = again
        self._note(fault)
        raise ReadFailed(f"connection lost: {self._lost}", phase="read") from None

    def _write_rest(self, rest: memoryview, deadline: float | None, began: float) -> None:
        """Send what one call did not take, until the deadline."""
        while rest:
            self._set_write_timer(deadline, began)
            try:
                rest = rest[self._socket.send(rest, _NO_SIGNAL) :]
            except OSError as fault:
                self._check_write(fault, deadline, began)

    def _check_write(self, fault: OSError, deadline: float | None, began: float) -> None:
        """Raise what a fault means for a write; return when it was only a timer."""
        if is_timer(fault):
            self._set_write_timer(deadline, began)
            return
        if isinstance(fault, BrokenPipeError) and self._socket.fileno() >= 0 and not self._lost:
            # Either end has ended in order, so that what is left to read is worth reading.
            raise WriteFailed("cannot send: the connection was ended", phase="write") from None
        self._note(fault)
        raise WriteFailed(f"connection lost: {self._lost}", phase="write") from None

    def _note(self, fault: OSError) -> None:
        """Remember the first reason why the connection broke."""
        if self._socket.fileno() < 0:
            self._lost = "closed by us"
        elif not self._lost:
            self._lost = reason_of(fault)

    # -- timers

    def _set_read_timer(self, deadline: float | None, began: float) -> None:
        """Let the kernel wake a read at the deadline. Raises ReadTimeout when that has passed."""
        left = _FOREVER if deadline is None else deadline - monotonic()
        if left <= 0:
            seconds = monotonic() - began
            raise ReadTimeout(
                f"nothing arrived within {seconds:.3g} seconds", phase="read", seconds=seconds
            )
        self._set_timer("SO_RCVTIMEO", left)
        self._read_timer = left

    def _set_write_timer(self, deadline: float | None, began: float) -> None:
        """Let the kernel wake a write at the deadline. Raises WriteTimeout when that has passed."""
        left = _FOREVER if deadline is None else deadline - monotonic()
        if left <= 0:
            seconds = monotonic() - began
            raise WriteTimeout(
                f"the peer took too little within {seconds:.3g} seconds",
                phase="write",
                seconds=seconds,
            )
        self._set_timer("SO_SNDTIMEO", left)
        self._write_timer = left

    def _set_timer(self, option: str, seconds: float) -> None:
        if self._socket.fileno() < 0:
            return  # closed; the call to come says so
        if self._timed_by_kernel:
            try:
                self._socket.setsockopt(
                    socket.SOL_SOCKET, getattr(socket, option), packed_time(seconds)
                )
                return
            except OSError:
                self._timed_by_kernel = False  # it has another idea of struct timeval
        self._socket.settimeout(None if seconds == _FOREVER else seconds)
        self._read_timer = self._write_timer = seconds  # here it is one timer for both


_streams: WeakSet[BlockingStream] = WeakSet()  # all there are


def _leave_to_parent() -> None:
    """Close a child process's copies of its parent's connections, at the fork.

    On a connection that two processes use, either would be given the other's responses.
    """
    for stream in list(_streams):
        stream.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def packed_time(seconds: float) -> bytes:
    """Write a duration as struct timeval; zero there is for ever, so never less than 1 us."""
    if seconds == _FOREVER:
        return struct.pack("ll", 0, 0)
    whole, micro = divmod(max(1, round(seconds * 1e6)), 1_000_000)
    return struct.pack("ll", min(whole, 0x7FFFFFFF), micro)


def is_timer(fault: OSError) -> bool:
    """Tell a timer of ours from the connection's own ETIMEDOUT, which is final."""
    return isinstance(fault, BlockingIOError) or (
        isinstance(fault, TimeoutError) and fault.errno is None
    )


def shown_address(address: object) -> tuple[str, int] | None:
    """Take (address, port) from a socket's name; None for one that is not of the internet."""
    if isinstance(address, tuple) and len(address) >= 2:
        return str(address[0]), address[1]
    return None


class BlockingNetwork:
    """TCP as the operating system has it, for flows that run in their caller's thread."""

    def now(self) -> float:
        """Return the time of deadlines: monotonic seconds."""
        return monotonic()

    def wall(self) -> float:
        """Return the time of day: POSIX seconds."""
        return time()

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        """List the addresses of a host as IP literals, best first."""
        return [shown(candidate) for candidate in find_addresses(host, port, deadline)]

    async def open_socks(
        self, stream: Stream, proxy: SocksProxy, host: str, port: int, deadline: float | None
    ) -> Stream:
        """Ask the SOCKS proxy at the other end of a stream for a way to a host."""
        from crlf.net.socks import ask_blocking  # few have one

        return await ask_blocking(stream, proxy, host, port, deadline)

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Stream:
        """Open a connection to the first address of host that answers."""
        if settings.unix_path is not None:
            return BlockingStream(open_unix(settings.unix_path, deadline), StreamFacts())
        candidates = (
            find_addresses(host, port, deadline) if addresses is None else literals(addresses, port)
        )
        opened, address = open_any(candidates, place_of(host, port), deadline, settings)
        try:
            local = shown_address(opened.getsockname())
        except OSError:  # macOS, where the peer has reset it already; the first read will say so
            local = None
        return BlockingStream(opened, StreamFacts(shown_address(address), local))

    async def start_tls(
        self, stream: Stream, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Stream:
        """Speak TLS on a stream as its client."""
        from crlf.net.tls import start_client_tls  # loads ssl, 10 ms that plain HTTP does not owe

        return await start_client_tls(stream, settings, hostname, deadline)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work here: the caller's thread is ours to block."""
        return work()

    def new_bell(self) -> BlockingBell:
        """Make a bell for threads to wait at."""
        return BlockingBell()

    async def aclose(self) -> None:
        """Hold nothing any more."""


class BlockingBell:
    """A bell for flows in threads; its guard may be taken again by the thread that holds it."""

    __slots__ = ("_condition",)

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def __enter__(self) -> BlockingBell:
        self._condition.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._condition.release()

    async def wait(self, deadline: float | None) -> bool:
        """Wait for a ring; False when the deadline passes first."""
        return self._condition.wait(None if deadline is None else max(0.0, deadline - monotonic()))

    def ring(self) -> None:
        """Wake every flow that waits here."""
        self._condition.notify_all()


def refuse_inside_loop() -> None:
    """Raise RuntimeError when this thread is running an event loop, in debug mode only.

    A blocking call there stalls every other task, which is seldom meant and hard to find.
    Debug mode is `python -X dev`, asyncio's own, or CRLF_DEBUG in the environment.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    # Not get_running_loop, which says "none" by raising: 1 us that every request would pay.
    running_loop = getattr(asyncio, "_get_running_loop", None)
    loop = running_loop() if running_loop is not None else None
    if loop is None:
        return
    if sys.flags.dev_mode or os.environ.get("CRLF_DEBUG") or loop.get_debug():
        raise RuntimeError(
            "a blocking call inside a running event loop stalls all of its tasks: "
            "use AsyncClient and await it, or run the blocking one by asyncio.to_thread"
        )
