"""The blocking network: what it costs, how it connects, and what interrupts it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

import lawbook
from crlf.flow.run import run_sync
from crlf.message.errors import ConnectFailed, ConnectTimeout, ReadTimeout
from crlf.net import blocking
from crlf.net.blocking import BlockingNetwork, BlockingStream, refuse_inside_loop


class CountedSocket(socket.socket):
    """A socket that counts the system calls that are made through it."""

    calls: Counter[str]

    def recv(self, *args):
        self.calls["recv"] += 1
        return super().recv(*args)

    def send(self, *args):
        self.calls["send"] += 1
        return super().send(*args)

    def setsockopt(self, *args):
        self.calls["setsockopt"] += 1
        return super().setsockopt(*args)

    def settimeout(self, *args):
        self.calls["settimeout"] += 1
        return super().settimeout(*args)


@pytest.fixture
def ends() -> Iterator[tuple[CountedSocket, socket.socket]]:
    """A connection: a socket that counts, and its peer."""
    ours, theirs = socket.socketpair()
    with theirs, CountedSocket(fileno=ours.detach()) as counted:
        counted.calls = Counter()
        yield counted, theirs


def soon() -> float:
    return time.monotonic() + 5.0


def said_by(script: str) -> list[str]:
    """Run a script in an interpreter of its own and return the words that it printed."""
    path = f"import sys; sys.path.insert(0, {str(lawbook.SOURCE.parent)!r})\n"
    run = subprocess.run(
        [sys.executable, "-c", path + script], capture_output=True, text=True, check=True
    )
    return run.stdout.split()


# --- what it costs -------------------------------------------------------------------------------


def test_a_warm_exchange_costs_one_send_and_one_recv(ends) -> None:
    ours, theirs = ends
    stream = BlockingStream(ours)
    for _ in range(20):
        run_sync(stream.write(b"question", time.monotonic() + 30.0))
        theirs.send(b"answer")
        assert run_sync(stream.read(time.monotonic() + 30.0)) == b"answer"
    assert ours.calls == {"settimeout": 1, "setsockopt": 2, "send": 20, "recv": 20}


def test_a_nearer_deadline_sets_the_kernels_timer_and_a_farther_one_waits_again(ends) -> None:
    ours, theirs = ends
    stream = BlockingStream(ours)
    theirs.send(b"a")
    run_sync(stream.read(time.monotonic() + 0.05))
    theirs.send(b"b")
    run_sync(stream.read(time.monotonic() + 30.0))  # the timer stays at 50 ms
    assert ours.calls["setsockopt"] == 1
    began = time.monotonic()
    with pytest.raises(ReadTimeout, match=r"within 0\.1\d* seconds"):
        run_sync(stream.read(began + 0.1))
    assert time.monotonic() - began >= 0.1
    assert ours.calls["setsockopt"] == 2  # once, when it had fired early


def test_the_deadline_of_a_dribbling_read_is_kept(ends) -> None:
    """Deadlines are absolute: each piece that arrives leaves less time for the next."""
    ours, theirs = ends
    stream = BlockingStream(ours)
    deadline = time.monotonic() + 0.1
    stop = threading.Event()

    def dribble() -> None:
        while not stop.wait(0.02):
            theirs.send(b".")

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        with pytest.raises(ReadTimeout):
            read_on(stream, deadline)
        assert 0.09 < time.monotonic() - deadline + 0.1 < 0.2
    finally:
        stop.set()
        thread.join()


def read_on(stream: BlockingStream, deadline: float) -> None:
    while run_sync(stream.read(deadline)):
        pass


def test_much_data_is_read_in_large_pieces() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    with theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
        stream = BlockingStream(ours)
        sending = threading.Thread(target=theirs.sendall, args=(b"x" * 2_000_000,))
        sending.start()
        sizes: list[int] = []
        while sum(sizes) < 2_000_000:
            time.sleep(0.002)
            sizes.append(len(run_sync(stream.read(soon()))))
        sending.join()
        stream.close()
    assert max(sizes) > 64 * 1024
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize(
    ("seconds", "whole", "micro"),
    [
        (1.5, 1, 500_000),
        (1e-9, 0, 1),
        (0.9999999, 1, 0),
        (float("inf"), 0, 0),
        (1e12, 2**31 - 1, 0),
    ],
)
def test_a_duration_is_packed_as_the_kernel_has_it(seconds, whole, micro) -> None:
    assert struct.unpack("ll", blocking.packed_time(seconds)) == (whole, micro)


def test_a_timeout_of_the_connection_itself_is_no_timer() -> None:
    assert blocking.is_timer(BlockingIOError(errno.EAGAIN, "again"))
    assert blocking.is_timer(TimeoutError("timed out"))
    assert not blocking.is_timer(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
    assert not blocking.is_timer(ConnectionResetError(errno.ECONNRESET, "reset"))


def test_a_kernel_without_such_timers_is_got_on_with(ends) -> None:
    """It refuses the option; the socket's own timeout does the same, and a poll more."""
    ours, theirs = ends
    stream = BlockingStream(ours)
    ours.setsockopt = lambda *_: (_ for _ in ()).throw(OSError(errno.EINVAL, "no"))
    began = time.monotonic()
    with pytest.raises(ReadTimeout):
        run_sync(stream.read(began + 0.05))
    assert 0.05 <= time.monotonic() - began < 0.3
    theirs.send(b"a")
    assert run_sync(stream.read(None)) == b"a"


def test_importing_it_brings_neither_asyncio_nor_ssl() -> None:
    loaded = set(said_by("import crlf.net.blocking; print(*sys.modules)"))
    assert "crlf.net.blocking" in loaded
    assert {"asyncio", "ssl", "encodings.idna"} & loaded == set()


def test_connecting_loads_no_tables_of_idna() -> None:
    loaded = said_by(
        "from crlf.net.blocking import BlockingNetwork\n"
        "from crlf.flow.run import run_sync\n"
        "try: run_sync(BlockingNetwork().connect('127.0.0.1', 1, None))\n"
        "except OSError: print(*sys.modules)"
    )
    assert "crlf.net.blocking" in loaded
    assert "encodings.idna" not in loaded


# --- connecting ----------------------------------------------------------------------------------


def connect(host: str, port: int, deadline: float | None = None) -> BlockingStream:
    stream = run_sync(BlockingNetwork().connect(host, port, deadline))
    assert isinstance(stream, BlockingStream)
    return stream


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_refused_connection_says_where_and_why(closed_port) -> None:
    with pytest.raises(ConnectFailed) as refused:
        connect("127.0.0.1", closed_port, soon())
    assert str(refused.value) == f"cannot connect to 127.0.0.1:{closed_port}: Connection refused"
    assert refused.value.phase == "connect"


def test_a_name_that_nobody_has_is_said_to_be_unknown(monkeypatch) -> None:
    def unknown(*args, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConnectFailed, match=r"^cannot find nobody\.example: Name or service"):
        connect("nobody.example", 80)


@pytest.mark.parametrize("host", ["", "127.0.0.1\0.evil.example", "b\u00fccher.example"])
def test_what_is_no_host_is_not_looked_up(host, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(ConnectFailed, match="not the name of a host"):
        connect(host, 80)


def test_the_next_address_is_tried_when_one_refuses(closed_port, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = [
            (socket.AF_INET, ("127.0.0.1", closed_port)),
            (socket.AF_INET, listener.getsockname()),
        ]
        monkeypatch.setattr(blocking, "find_addresses", lambda *_: found)
        stream = connect("two.example", 80, soon())
        assert stream.facts.peer == listener.getsockname()
        stream.close()


@pytest.fixture
def full_listener() -> Iterator[tuple[str, int]]:
    """An address that takes no more connections, and says nothing: Linux drops what knocks."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for knocking in (first, second):
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse")
def test_connecting_takes_no_longer_than_allowed(full_listener) -> None:
    host, port = full_listener
    began = time.monotonic()
    with pytest.raises(ConnectTimeout, match=rf"no connection to {host}:{port} within 0\."):
        connect(host, port, began + 0.05)
    assert time.monotonic() - began < 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse")
def test_a_silent_address_gets_only_its_share_of_the_time(full_listener, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = [(socket.AF_INET, full_listener), (socket.AF_INET, listener.getsockname())]
        monkeypatch.setattr(blocking, "find_addresses", lambda *_: found)
        began = time.monotonic()
        stream = connect("two.example", 80, began + 0.1)
        assert stream.facts.peer == listener.getsockname()
        assert time.monotonic() - began < 0.09
        stream.close()


def test_a_deadline_that_has_passed_opens_nothing(closed_port) -> None:
    with pytest.raises(ConnectTimeout):
        connect("127.0.0.1", closed_port, time.monotonic() - 1.0)


def test_an_interrupted_connect_leaves_no_socket_behind(closed_port, monkeypatch) -> None:
    """The leak oracle, and ResourceWarning as an error, see what it leaves."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(socket.socket, "connect", interrupt, raising=False)
    with pytest.raises(KeyboardInterrupt):
        connect("127.0.0.1", closed_port, soon())


def test_small_packets_are_not_held_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = connect(*listener.getsockname(), soon())
        assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        stream.close()


def test_a_timeout_of_the_whole_program_is_not_ours(ends) -> None:
    """socket.setdefaulttimeout makes sockets non-blocking, where SO_RCVTIMEO has no say."""
    ours, _ = ends
    ours.settimeout(0.01)
    stream = BlockingStream(ours)
    began = time.monotonic()
    with pytest.raises(ReadTimeout):
        run_sync(stream.read(began + 0.06))
    assert time.monotonic() - began >= 0.06


# --- interruptions -------------------------------------------------------------------------------


@pytest.fixture
def alarm() -> Iterator[None]:
    """Put signal handlers back."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class Interrupted(BaseException):
    """What Ctrl-C raises, without being it."""


@pytest.mark.usefixtures("alarm")
def test_an_interrupted_read_loses_nothing(ends) -> None:
    ours, theirs = ends
    stream = BlockingStream(ours)

    def interrupt(*_):
        raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    with pytest.raises(Interrupted):
        run_sync(stream.read(soon()))
    theirs.send(b"all of it")
    assert run_sync(stream.read(soon())) == b"all of it"


@pytest.mark.usefixtures("alarm")
def test_a_signal_that_raises_nothing_is_not_noticed(ends) -> None:
    ours, theirs = ends
    stream = BlockingStream(ours)
    signal.signal(signal.SIGALRM, lambda *_: theirs.send(b"from the handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    assert run_sync(stream.read(soon())) == b"from the handler"


def test_a_child_that_closes_its_copy_does_not_end_the_connection(ends) -> None:
    """What fork does to descriptors, done by dup: close must not shut the connection down."""
    ours, theirs = ends
    BlockingStream(socket.socket(fileno=os.dup(ours.fileno()))).close()
    stream = BlockingStream(ours)
    theirs.send(b"still here")
    assert run_sync(stream.read(soon())) == b"still here"


def test_a_broken_pipe_is_an_error_even_where_it_would_kill() -> None:
    """Command lines set SIGPIPE to its default, for `crlf ... | head`."""
    assert said_by(
        "import signal, socket\n"
        "from crlf.net.blocking import BlockingStream\n"
        "from crlf.flow.run import run_sync\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "a, b = socket.socketpair()\n"
        "b.close()\n"
        "try: run_sync(BlockingStream(a).write(b'x', None))\n"
        "except OSError as fault: print(type(fault).__name__)"
    ) == ["WriteFailed"]


# --- bells, threads, loops -----------------------------------------------------------------------


def test_a_bell_wakes_the_thread_that_waits() -> None:
    bell = BlockingNetwork().new_bell()
    news: list[str] = []

    def bring() -> None:
        with bell:
            news.append("news")
            bell.ring()

    with bell:
        threading.Timer(0.02, bring).start()
        while not news:
            assert run_sync(bell.wait(soon()))
    assert news == ["news"]


def test_a_bell_that_nobody_rings_is_waited_at_until_the_deadline() -> None:
    bell = BlockingNetwork().new_bell()
    with bell:
        began = time.monotonic()
        assert not run_sync(bell.wait(began + 0.03))
        assert 0.03 <= time.monotonic() - began < 0.3
        assert not run_sync(bell.wait(began))


def test_work_for_a_thread_is_done_in_this_one() -> None:
    assert run_sync(BlockingNetwork().in_thread(threading.current_thread)) is (
        threading.current_thread()
    )


def test_a_blocking_call_inside_a_loop_is_refused_when_debugging(monkeypatch) -> None:
    async def call() -> None:
        refuse_inside_loop()

    with pytest.raises(RuntimeError, match="use AsyncClient"):
        asyncio.run(call(), debug=True)
    monkeypatch.setenv("CRLF_DEBUG", "1")
    with pytest.raises(RuntimeError, match="use AsyncClient"):
        asyncio.run(call(), debug=False)
    refuse_inside_loop()


@pytest.mark.skipif(sys.flags.dev_mode, reason="dev mode is debug mode")
def test_a_blocking_call_inside_a_loop_is_the_callers_business_otherwise(monkeypatch) -> None:
    async def call() -> None:
        refuse_inside_loop()

    monkeypatch.delenv("CRLF_DEBUG", raising=False)
    asyncio.run(call(), debug=False)


def test_a_blocking_call_in_a_thread_beside_a_loop_is_in_order() -> None:
    async def call() -> None:
        await asyncio.to_thread(refuse_inside_loop)

    asyncio.run(call(), debug=True)
