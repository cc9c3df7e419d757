"""Dialling in both colours: names, races between addresses, and what sockets are like.

The addresses are of 127.0.0.0/8: one takes connections, one refuses, and one is a hole, that is
a listener whose backlog is full, so that Linux drops what knocks.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import selectors
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import ConnectFailed, ConnectTimeout
from crlf.net import names, racing
from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork
from crlf.net.names import known_addresses, literal, literals, shown
from crlf.ports import Network, SocketSettings, Stream
from crlf.rules import eyeballs

COLOURS = ["blocking", "asyncio", "uvloop"]
LOOPS = COLOURS[1:]
OPEN, REFUSED, HOLE, HOLE_TOO = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.0/8, and holes, are Linux's")
pytestmark = on_linux

Story = Callable[[Any], Awaitable[Any]]


def loop_of(colour: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if colour == "uvloop":
        factory: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip(
            "uvloop"
        ).new_event_loop
        return factory
    return asyncio.new_event_loop


def play(colour: str, story: Story) -> Any:
    """Play a story on a network of a colour, and return what it returns."""
    if colour == "blocking":
        return run_sync(story(BlockingNetwork()))

    async def main() -> Any:
        return await story(AioNetwork())

    with asyncio.Runner(loop_factory=loop_of(colour)) as runner:
        return runner.run(main())


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Street(NamedTuple):
    """Neighbours at one port: OPEN, REFUSED and two holes. accepted: what OPEN took in."""

    port: int
    listener: socket.socket


def hole(stack: ExitStack, host: str, port: int) -> None:
    """Let an address take no more connections, and say nothing."""
    listener = stack.enter_context(socket.socket())
    listener.bind((host, port))
    listener.listen(0)
    for _ in range(2):
        knocking = stack.enter_context(socket.socket())
        knocking.setblocking(False)
        knocking.connect_ex((host, port))


@pytest.fixture
def street() -> Iterator[Street]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((OPEN, 0), backlog=64))
        listener.settimeout(5.0)
        port = listener.getsockname()[1]
        hole(stack, HOLE, port)
        hole(stack, HOLE_TOO, port)
        yield Street(port, listener)


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def dialled(
    port: int,
    addresses: Sequence[str] | None,
    seconds: float | None = 5.0,
    settings: SocketSettings | None = None,
    host: str = "a.example",
) -> Story:
    """Make a story that connects, closes, and returns the facts."""

    async def story(network: Network) -> Any:
        deadline = None if seconds is None else network.now() + seconds
        stream = await network.connect(
            host, port, deadline, addresses, settings or SocketSettings()
        )
        facts = stream.facts
        stream.close()
        return facts

    return story


def sockets() -> set[str]:
    """List the sockets that this process has open; what else a loop opens does not count."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the one that listdir had
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return {name for name in found if name.startswith("socket:")}


@contextmanager
def no_more_sockets() -> Iterator[None]:
    """Fail when sockets are open afterwards that were not before."""
    before = sockets()
    yield
    assert sockets() <= before


# --- the race ------------------------------------------------------------------------------------


@pytest.mark.rfc("8305", "5")
def test_a_silent_address_costs_a_quarter_of_a_second(colour: str, street: Street) -> None:
    began = time.monotonic()
    facts = play(colour, dialled(street.port, [HOLE, OPEN]))
    assert facts.peer == (OPEN, street.port)
    assert 0.24 <= time.monotonic() - began < 1.0


@pytest.mark.rfc("8305", "5")
def test_without_a_deadline_the_race_is_the_same(colour: str, street: Street) -> None:
    assert play(colour, dialled(street.port, [HOLE, OPEN], None)).peer == (OPEN, street.port)


def test_a_refusal_costs_nothing(colour: str, street: Street) -> None:
    began = time.monotonic()
    facts = play(colour, dialled(street.port, [REFUSED, "127.0.0.8", OPEN]))
    assert facts.peer == (OPEN, street.port)
    assert time.monotonic() - began < 0.2


def test_little_time_is_shared_out(colour: str, street: Street) -> None:
    began = time.monotonic()
    facts = play(colour, dialled(street.port, [HOLE, HOLE_TOO, OPEN], 0.3))
    assert facts.peer == (OPEN, street.port)
    assert time.monotonic() - began < 0.29


@pytest.mark.rfc("8305", "5")
def test_the_losers_are_closed_at_once(colour: str, street: Street) -> None:
    async def story(network: Network) -> None:
        before = sockets()
        stream = await network.connect(
            "a.example", street.port, network.now() + 5.0, [HOLE, HOLE_TOO, OPEN]
        )
        opened = len(sockets() - before)
        stream.close()
        assert opened == 1

    play(colour, story)


def test_the_first_of_the_race_may_still_win_it(colour: str, street: Street) -> None:
    assert play(colour, dialled(street.port, [OPEN, HOLE])).peer == (OPEN, street.port)


@pytest.mark.rfc("8305", "4")
def test_families_take_turns(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def note(_: object, address: tuple[str, int]) -> int:
        tried.append(address[0])
        return errno.ENETUNREACH

    def refuse(_: object, address: tuple[str, int]) -> None:
        raise OSError(note(_, address), "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect_ex", note, raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse, raising=False)
    with pytest.raises(ConnectFailed, match=r"a\.example:80: Network is unreachable$"):
        play(colour, dialled(80, ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"]))
    assert tried == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]


def test_each_reason_is_said_once(colour: str, street: Street) -> None:
    with pytest.raises(ConnectFailed) as failed:
        play(colour, dialled(street.port, [REFUSED, "127.0.0.8", "127.0.0.9"]))
    assert str(failed.value) == f"cannot connect to a.example:{street.port}: Connection refused"
    assert failed.value.phase == "connect"
    assert failed.value.seconds is not None


def test_the_deadline_of_a_race_is_kept(colour: str, street: Street) -> None:
    began = time.monotonic()
    with no_more_sockets(), pytest.raises(ConnectTimeout) as late:
        play(colour, dialled(street.port, [HOLE, REFUSED, HOLE_TOO], 0.15))
    assert 0.15 <= time.monotonic() - began < 0.35
    assert f"no connection to a.example:{street.port} within 0.1" in str(late.value)
    assert "Connection refused" in str(late.value)
    assert late.value.phase == "connect"


@pytest.mark.parametrize("addresses", [[HOLE], [OPEN]])
def test_the_deadline_of_a_single_attempt_is_kept(colour, street: Street, addresses) -> None:
    seconds = 0.1 if addresses == [HOLE] else -1.0
    began = time.monotonic()
    with no_more_sockets(), pytest.raises(ConnectTimeout, match=r"no connection to a\.example"):
        play(colour, dialled(street.port, addresses, seconds))
    assert time.monotonic() - began < 0.3


def test_a_deadline_that_has_passed_opens_nothing(colour, street, monkeypatch) -> None:
    monkeypatch.setattr("crlf.net.racing.new_socket", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr("crlf.net.aioracing.new_socket", lambda *_: pytest.fail("opened"))
    with pytest.raises(ConnectTimeout):
        play(colour, dialled(street.port, [OPEN, HOLE], -1.0))


def test_an_interrupted_race_leaves_nothing_behind(street: Street, monkeypatch) -> None:
    plain = socket.socket.connect_ex

    def interrupt(self: socket.socket, address: tuple[str, int]) -> int:
        if address[0] == OPEN:
            raise KeyboardInterrupt
        return plain(self, address)

    monkeypatch.setattr(socket.socket, "connect_ex", interrupt, raising=False)
    with no_more_sockets(), pytest.raises(KeyboardInterrupt):
        play("blocking", dialled(street.port, [HOLE, OPEN]))


def test_a_system_without_poll_has_select(street: Street, monkeypatch) -> None:
    monkeypatch.delattr(selectors, "PollSelector")
    assert play("blocking", dialled(street.port, [HOLE, REFUSED, OPEN])).peer[0] == OPEN


def test_a_race_over_no_addresses_is_lost(colour: str) -> None:
    with pytest.raises(ConnectFailed, match=r"a\.example:80: it has no address"):
        play(colour, dialled(80, []))


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("addresses", [[OPEN], [HOLE], [OPEN, HOLE], [HOLE, REFUSED, OPEN]])
def test_a_cancelled_connect_leaves_nothing_behind(
    loop_name, street, addresses, twice, monkeypatch
) -> None:
    """Cancelled after any number of turns, and once more while it is clearing up."""
    monkeypatch.setattr(eyeballs, "ATTEMPT_DELAY", 0.01)

    async def cancelled_after(turns: int, network: AioNetwork) -> None:
        deadline = network.now() + 5.0
        task = asyncio.ensure_future(network.connect("a.example", street.port, deadline, addresses))
        if turns > 10:
            await asyncio.sleep(0.0085 + 0.0002 * (turns - 11))  # when the last begins
        else:
            for _ in range(turns):
                await asyncio.sleep(0)
        task.cancel()
        if twice:
            await asyncio.sleep(0)
            task.cancel()
        try:
            stream = await task
        except asyncio.CancelledError:
            return
        stream.close()

    async def story(network: AioNetwork) -> None:
        before = sockets()
        tasks = asyncio.all_tasks()
        for turns in range(36 if len(addresses) == 3 else 10):
            await cancelled_after(turns, network)
            assert asyncio.all_tasks() == tasks
        for _ in range(20):
            await asyncio.sleep(0.001)
            if sockets() <= before:
                return
        assert sockets() <= before

    play(loop_name, story)


# --- names ---------------------------------------------------------------------------------------


@contextmanager
def answers(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], Sequence[str] | OSError]
) -> Iterator[list[bytes]]:
    """Let the system's resolver answer so; give the names that it is asked for."""
    asked: list[bytes] = []

    def getaddrinfo(name: bytes, port: int, **_: object) -> list[Any]:
        asked.append(name)
        found = answer(name)
        if isinstance(found, OSError):
            raise found
        return [
            (family, socket.SOCK_STREAM, 6, "", address)
            for family, address in literals(list(found), port)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield asked


def resolved(host: str, seconds: float | None = 5.0) -> Story:
    async def story(network: Network) -> Sequence[str]:
        deadline = None if seconds is None else network.now() + seconds
        return await network.resolve(host, 80, deadline)

    return story


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_name_is_looked_up(colour, monkeypatch, seconds) -> None:
    with answers(monkeypatch, lambda _: ["2001:db8::1", "192.0.2.1", "192.0.2.1"]) as asked:
        found = play(colour, resolved("a.example", seconds))
    assert list(found) == ["2001:db8::1", "192.0.2.1"]
    assert asked == [b"a.example"]


def test_a_name_is_connected_to(colour, street, monkeypatch) -> None:
    with answers(monkeypatch, lambda _: [REFUSED, OPEN]):
        assert play(colour, dialled(street.port, None)).peer == (OPEN, street.port)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("192.0.2.1", ["192.0.2.1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("fe80::1%1", ["fe80::1%1"]),
        ("::ffff:192.0.2.1", ["::ffff:192.0.2.1"]),
        ("localhost", ["::1", "127.0.0.1"]),
        ("LocalHost.", ["::1", "127.0.0.1"]),
        ("app.localhost", ["::1", "127.0.0.1"]),
    ],
)
@pytest.mark.rfc("6761", "6.3")
def test_addresses_and_loopback_names_are_not_looked_up(colour, monkeypatch, host, found) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert list(play(colour, resolved(host))) == found


@pytest.mark.parametrize("host", ["notlocalhost", "localhost.example", "127.0.0.1.example", "1"])
def test_what_only_looks_like_loopback_is_looked_up(host: str) -> None:
    assert known_addresses(host, 80) is None


@pytest.mark.parametrize("text", ["0x7f.1", "127.1", "2130706433", "0177.0.0.1", "1.2.3.4 ", ""])
def test_an_address_has_one_spelling(text: str) -> None:
    assert literal(text, 80) is None


@pytest.mark.rfc("4007", "11")
def test_a_zone_is_kept(colour, monkeypatch) -> None:
    with answers(monkeypatch, lambda _: ["fe80::1%7", "fe80::2"]):
        assert list(play(colour, resolved("printer.example"))) == ["fe80::1%7", "fe80::2"]
    name = socket.if_indextoname(1)
    assert literal(f"fe80::1%{name}", 80) == (socket.AF_INET6, ("fe80::1", 80, 0, 1))
    assert shown((socket.AF_INET6, ("fe80::1", 80, 0, 1))) == "fe80::1%1"


def test_a_zone_that_is_no_interface_is_said_to_be_none(colour) -> None:
    with pytest.raises(ConnectFailed, match="no network interface 'nowhere' here") as failed:
        play(colour, resolved("fe80::1%nowhere"))
    assert failed.value.phase == "dns"


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_name_that_nobody_has_is_a_failure_of_dns(colour, monkeypatch, seconds) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with answers(monkeypatch, lambda _: unknown), pytest.raises(ConnectFailed) as failed:
        play(colour, dialled(80, None, seconds))
    assert str(failed.value) == "cannot find a.example: Name or service not known"
    assert failed.value.phase == "dns"


@pytest.mark.parametrize("host", ["", "127.0.0.1\0.evil.example", "b\u00fccher.example"])
def test_what_is_no_name_is_not_looked_up(colour, host, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(ConnectFailed, match="not the name of a host"):
        play(colour, resolved(host))


def test_a_resolver_that_is_silent_is_waited_for_no_longer_than_allowed(
    colour, monkeypatch
) -> None:
    over = threading.Event()

    def silent(_: bytes) -> Sequence[str]:
        over.wait(5.0)
        return ["192.0.2.1"]

    began = time.monotonic()
    try:
        with answers(monkeypatch, silent), pytest.raises(ConnectTimeout) as late:
            play(colour, dialled(80, None, 0.1))
        assert 0.1 <= time.monotonic() - began < 0.4  # the end of the loop included
    finally:
        over.set()
    assert re.match(r"no address of a\.example within 0\.(1|09)", str(late.value))
    assert late.value.phase == "dns"


def test_a_lookup_takes_from_the_time_for_connecting(colour, street, monkeypatch) -> None:
    def slow(_: bytes) -> Sequence[str]:
        time.sleep(0.1)
        return [HOLE]

    began = time.monotonic()
    with answers(monkeypatch, slow), pytest.raises(ConnectTimeout, match="no connection"):
        play(colour, dialled(street.port, None, 0.2))
    assert 0.2 <= time.monotonic() - began < 0.4


def test_after_the_deadline_nobody_is_asked(colour, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(ConnectTimeout, match=r"no address of a\.example"):
        play(colour, resolved("a.example", -1.0))


def test_a_name_is_looked_up_even_where_no_thread_can_be_had(colour, monkeypatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(names.threading.Thread, "start", refuse)
    with answers(monkeypatch, lambda _: ["192.0.2.1"]):
        assert list(play(colour, resolved("a.example"))) == ["192.0.2.1"]


def test_the_loop_goes_on_while_a_name_is_looked_up(loop_name, monkeypatch) -> None:
    over = threading.Event()

    def waits(_: bytes) -> Sequence[str]:
        assert over.wait(5.0)
        return ["192.0.2.1"]

    async def story(network: AioNetwork) -> None:
        lookups = [
            asyncio.ensure_future(network.resolve(f"{number}.example", 80, None))
            for number in range(40)  # more than a pool of threads has
        ]
        await asyncio.sleep(0.02)
        lookups[0].cancel()
        over.set()
        found = await asyncio.gather(*lookups, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert found[1:] == [["192.0.2.1"]] * 39

    with answers(monkeypatch, waits):
        play(loop_name, story)


def test_an_answer_that_comes_after_the_loop_was_closed_harms_nobody(
    loop_name, monkeypatch
) -> None:
    over, faults = threading.Event(), []
    monkeypatch.setattr(threading, "excepthook", faults.append)

    def waits(_: bytes) -> Sequence[str]:
        over.wait(5.0)
        return ["192.0.2.1"]

    async def story(network: AioNetwork) -> None:
        with pytest.raises(ConnectTimeout):
            await network.resolve("a.example", 80, network.now() + 0.02)

    before = set(threading.enumerate())
    with answers(monkeypatch, waits):
        play(loop_name, story)
        over.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(5.0)
    assert faults == []


def test_addresses_that_were_given_are_not_looked_up(colour, street, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert play(colour, dialled(street.port, [OPEN])).peer == (OPEN, street.port)
    for text in ("localhost", "b.example", "0x7f.1"):
        with pytest.raises(ConnectFailed, match="not an IP address"):
            play(colour, dialled(street.port, [text]))


# --- sockets -------------------------------------------------------------------------------------


def socket_of(stream: Stream) -> socket.socket:
    transport = getattr(stream, "_transport", None)
    opened: socket.socket = (
        stream._socket if transport is None else transport.get_extra_info("socket")  # type: ignore[attr-defined]
    )
    return opened


@pytest.mark.parametrize("addresses", [[OPEN], [REFUSED, OPEN]])
@pytest.mark.parametrize("keepalive", [True, False])
def test_no_delay_always_and_keep_alive_when_asked(colour, street, addresses, keepalive) -> None:
    async def story(network: Network) -> None:
        settings = SocketSettings(keepalive=keepalive)
        stream = await network.connect(
            "a.example", street.port, network.now() + 5.0, addresses, settings
        )
        opened = socket_of(stream)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is keepalive
        if keepalive:
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        stream.close()

    play(colour, story)


@pytest.mark.parametrize("addresses", [[OPEN], [REFUSED, OPEN], ["::1", OPEN]])
def test_we_connect_from_the_address_that_was_chosen(colour, street, addresses) -> None:
    settings = SocketSettings(local_address="127.0.0.77")
    facts = play(colour, dialled(street.port, addresses, settings=settings))
    assert facts.local[0] == "127.0.0.77"
    with street.listener.accept()[0] as accepted:
        assert accepted.getpeername()[0] == "127.0.0.77"


def test_a_host_of_the_other_family_cannot_be_reached_from_there(colour) -> None:
    settings = SocketSettings(local_address="::1")
    with pytest.raises(ConnectFailed, match=r"a\.example:80 from ::1: it has no IPv6 address"):
        play(colour, dialled(80, ["192.0.2.1"], settings=settings))


@pytest.mark.parametrize("addresses", [[OPEN], [OPEN, REFUSED]])
def test_an_address_that_is_not_ours_is_named(colour, street, addresses) -> None:
    settings = SocketSettings(local_address="192.0.2.1")
    with (
        no_more_sockets(),
        pytest.raises(ConnectFailed, match=r"cannot connect from 192\.0\.2\.1: "),
    ):
        play(colour, dialled(street.port, addresses, settings=settings))
    with pytest.raises(ConnectFailed, match="not an IP address to connect from: 'eth0'"):
        play(colour, dialled(street.port, addresses, settings=SocketSettings("eth0")))


def test_ipv6_is_spoken(colour) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        port = listener.getsockname()[1]
        assert play(colour, dialled(port, None, host="::1")).peer == ("::1", port)
        assert play(colour, dialled(port, None, host="localhost")).peer == ("::1", port)
    with pytest.raises(ConnectFailed, match=rf"cannot connect to \[::1\]:{port}: Connection ref"):
        play(colour, dialled(port, None, host="::1"))


def test_localhost_is_found_on_ipv4_too(colour) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert play(colour, dialled(port, None, host="localhost")).peer == ("127.0.0.1", port)


# --- Unix domain sockets -------------------------------------------------------------------------


@contextmanager
def unix_listener(path: Path | str, backlog: int = 8) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        yield listener


def test_a_unix_socket_stands_for_every_host(colour, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    path = tmp_path / "here.sock"

    async def story(network: Network) -> None:
        settings = SocketSettings(unix_path=str(path))
        stream = await network.connect("a.example", 80, network.now() + 5.0, None, settings)
        assert (stream.facts.peer, stream.facts.local) == (None, None)
        with listener.accept()[0] as accepted:
            await stream.write(b"question", network.now() + 5.0)
            assert accepted.recv(100) == b"question"
            accepted.sendall(b"answer")
            assert await stream.read(network.now() + 5.0) == b"answer"
            await stream.end(None)
            stream.close()

    with unix_listener(path) as listener:
        play(colour, story)


def test_an_abstract_unix_socket_may_be_meant(colour) -> None:
    path = f"\0crlf-test-{os.getpid()}-{colour}"
    with unix_listener(path):
        play(colour, dialled(80, None, settings=SocketSettings(unix_path=path)))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nowhere/at/all.sock", "No such file or directory"),
        ("/tmp", "Connection refused"),
        ("/" + "x" * 200, "AF_UNIX path too long"),
        ("/tmp/a\0b", "no path has a NUL"),
    ],
)
def test_a_unix_socket_that_is_none_is_named(colour, path, why) -> None:
    with no_more_sockets(), pytest.raises(ConnectFailed, match=why) as failed:
        play(colour, dialled(80, None, settings=SocketSettings(unix_path=path)))
    assert str(failed.value).startswith(f"cannot connect to the socket {path!r}: ")


def test_a_unix_socket_that_is_full_is_waited_for(colour, tmp_path) -> None:
    path = tmp_path / "full.sock"
    settings = SocketSettings(unix_path=str(path))
    with ExitStack() as stack:
        listener = stack.enter_context(unix_listener(path, 0))
        with suppress(BlockingIOError):
            for _ in range(300):
                knocking = stack.enter_context(socket.socket(socket.AF_UNIX))
                knocking.setblocking(False)
                knocking.connect(str(path))
            pytest.skip("never full here")
        began = time.monotonic()
        with pytest.raises(ConnectTimeout, match="no connection to the socket"):
            play(colour, dialled(80, None, 0.1, settings))
        assert 0.1 <= time.monotonic() - began < 0.3
        timer = threading.Timer(0.05, lambda: listener.accept()[0].close())
        timer.start()
        play(colour, dialled(80, None, 5.0, settings))
        timer.join()


def test_a_system_without_unix_sockets_says_so(colour, monkeypatch) -> None:
    monkeypatch.setattr(racing, "_UNIX", None)
    with pytest.raises(ConnectFailed, match="has no Unix domain sockets"):
        play(colour, dialled(80, None, settings=SocketSettings(unix_path="/tmp/x")))
