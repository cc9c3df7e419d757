"""Dialling as a flow: which addresses are asked for, which are checked, and which connected to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler, Resolver
from crlf.flow.pool import Pool
from crlf.flow.run import run_sync
from crlf.flow.sending import send_through
from crlf.message.errors import BadUrl, BlockedAddress, ConnectFailed, ConnectTimeout
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork
from crlf.net.scripted import ScriptedNetwork, ScriptedStream
from crlf.ports import DEFAULT_SOCKETS, SocketSettings, TlsSettings
from crlf.rules.addresses import Policy, public_only
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits
from crlf.rules.tracing import Step
from crlf.wire.limits import CLIENT_LIMITS

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMES = Timeout(connect=3.0, total=60.0)


class Telling(ScriptedNetwork):
    """A scripted network that tells what it was asked to look up and to connect to.

    found: what each lookup of a name finds, in turn; the last again and again.
    """

    def __init__(self, found: Iterable[Sequence[str] | Exception] = (), streams: int = 1) -> None:
        super().__init__([ScriptedStream([OK, 0.01] * 5) for _ in range(streams)])
        self.found = list(found)
        self.lookups: list[str] = []
        self.connections: list[tuple[Any, ...]] = []
        self.secured: list[str] = []

    async def resolve(self, host: str, port: int, deadline: float | None) -> Sequence[str]:
        self.lookups.append(host)
        answer = self.found[0] if len(self.found) == 1 else self.found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def connect(
        self,
        host: str,
        port: int,
        deadline: float | None,
        addresses: Sequence[str] | None = None,
        settings: SocketSettings = DEFAULT_SOCKETS,
    ) -> Any:
        listed = None if addresses is None else list(addresses)
        self.connections.append((host, port, listed, settings))
        return await super().connect(host, port, deadline)

    async def start_tls(
        self, stream: Any, settings: TlsSettings, hostname: str, deadline: float | None
    ) -> Any:
        self.secured.append(hostname)
        return await super().start_tls(stream, settings, hostname, deadline)


def dial(network: Any, url: str, trace: Any = None, **options: Any) -> Any:
    """Dial to a URL on a network; return the connection."""
    dialler = Dialler(network, CLIENT_LIMITS, **options)
    budget = Budget(TIMES, network.now, trace)
    return run_sync(dialler.dial(dialler.route(URL(url)), budget))


# --- the plain way, and the client's own resolver ------------------------------------------------


def test_what_is_plain_leaves_names_to_the_network() -> None:
    network = Telling()
    dial(network, "http://a.example/")
    assert network.lookups == []
    assert network.connections == [("a.example", 80, None, DEFAULT_SOCKETS)]


@pytest.mark.parametrize(
    ("resolver", "addresses", "lookups"),
    [
        ({"a.example": "192.0.2.7"}, ["192.0.2.7"], []),
        ({"a.example": ["192.0.2.7", "2001:db8::7"]}, ["192.0.2.7", "2001:db8::7"], []),
        ({"a.example:80": "192.0.2.7", "a.example": "192.0.2.8"}, ["192.0.2.7"], []),
        ({"a.example:443": "192.0.2.7", "a.example": "192.0.2.8"}, ["192.0.2.8"], []),
        ({"a.example": "b.example"}, ["192.0.2.9"], ["b.example"]),
        ({"b.example": "192.0.2.7"}, ["192.0.2.9"], ["a.example"]),
        (lambda host, port: f"192.0.2.{port}", ["192.0.2.80"], []),
        (lambda host, port: iter(["192.0.2.1", "b.example"]), ["192.0.2.1", "192.0.2.9"],
         ["b.example"]),
    ],
)  # fmt: skip
def test_the_clients_own_names_come_first(
    resolver: Resolver, addresses: list[str], lookups: list[str]
) -> None:
    network = Telling([["192.0.2.9"]])
    dial(network, "http://a.example/", resolver=resolver)
    assert [entry[2] for entry in network.connections] == [addresses]
    assert network.lookups == lookups


def test_a_resolver_that_finds_nothing_is_no_reason_to_ask_the_system() -> None:
    network = Telling([["192.0.2.9"]])
    with pytest.raises(ConnectFailed, match="the resolver has no address") as failed:
        dial(network, "http://a.example/", resolver=lambda host, port: [])
    assert failed.value.phase == "dns"
    assert network.lookups == []


def test_tls_is_spoken_to_the_name_wherever_it_leads() -> None:
    network = Telling()
    dial(network, "https://a.example/", resolver={"a.example": "192.0.2.7"})
    assert network.secured == ["a.example"]


def test_sockets_are_opened_as_they_should_be() -> None:
    sockets = SocketSettings(local_address="192.0.2.1", keepalive=False)
    network = Telling([["192.0.2.9"]])
    dial(network, "http://a.example/", sockets=sockets)
    assert network.connections == [("a.example", 80, ["192.0.2.9"], sockets)]


def test_a_unix_socket_needs_no_name() -> None:
    sockets = SocketSettings(unix_path="/run/x.sock")
    network = Telling()
    dial(network, "http://a.example/", sockets=sockets)
    assert network.lookups == []
    assert network.connections == [("a.example", 80, None, sockets)]


def test_routes_differ_by_how_sockets_are_opened() -> None:
    """The pool's key: a connection from another address, or socket, is another one."""
    url = URL("http://a.example/")
    routes = {
        Dialler(Telling(), sockets=sockets).route(url)
        for sockets in (
            None,
            SocketSettings(local_address="192.0.2.1"),
            SocketSettings(local_address="192.0.2.2"),
            SocketSettings(unix_path="/run/x.sock"),
        )
    }
    assert len(routes) == 4


def test_each_step_is_told_with_its_time() -> None:
    steps: list[Step] = []
    network = Telling([["192.0.2.9"]])
    dial(network, "https://a.example/", steps.append)
    assert [step.name for step in steps] == ["dns", "connect", "tls"]
    assert steps[0].detail == ["192.0.2.9"]


def test_a_name_that_is_not_found_in_time_is_late_in_its_phase() -> None:
    late = ConnectTimeout("no address of a.example within 3 seconds", phase="dns", seconds=3.0)
    with pytest.raises(ConnectTimeout) as caught:
        dial(Telling([late]), "http://a.example/", sockets=DEFAULT_SOCKETS)
    assert caught.value.phase == "dns"


# --- policies ------------------------------------------------------------------------------------


def test_every_address_is_checked_and_those_are_connected_to() -> None:
    network = Telling([["8.8.8.8", "2001:4860:4860::8888"], ["127.0.0.1"]])
    dial(network, "http://a.example/", policy=public_only)
    assert network.lookups == ["a.example"]
    assert network.connections[0][2] == ["8.8.8.8", "2001:4860:4860::8888"]


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["8.8.8.8", "::1"], ["::ffff:10.0.0.1"],
        ["169.254.169.254", "8.8.8.8"], ["fe80::1%2"], ["2001:db8::1"],
    ],
)  # fmt: skip
def test_one_address_inside_is_enough_to_refuse_the_name(found: list[str]) -> None:
    network = Telling([found])
    with pytest.raises(BlockedAddress, match=r"^a\.example is not allowed here"):
        dial(network, "http://a.example/", policy=public_only)
    assert network.connections == []


@pytest.mark.parametrize(
    "resolver",
    [{"a.example": "10.0.0.1"}, {"a.example": "inside.example"}, lambda host, port: "10.0.0.1"],
)
def test_the_clients_own_names_are_checked_too(resolver: Resolver) -> None:
    network = Telling([["10.0.0.1"]])
    with pytest.raises(BlockedAddress):
        dial(network, "http://a.example/", resolver=resolver, policy=public_only)
    assert network.connections == []


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://[::1]/", "http://a.example:22/", "http://[::ffff:a9fe:a9fe]/"],
)
def test_what_a_url_says_is_refused_before_anything_is_asked(url: str) -> None:
    network = Telling([["8.8.8.8"]])
    for _ in range(2):  # a route is remembered, a refusal is not
        with pytest.raises(BlockedAddress):
            dial(network, url, policy=public_only)
    assert (network.lookups, network.connections) == ([], [])


def test_other_schemes_are_no_urls_to_request() -> None:
    with pytest.raises(BadUrl, match="cannot request ftp: URLs"):
        dial(Telling(), "ftp://a.example/", policy=public_only)


def test_a_name_that_moves_inside_is_refused_when_it_is_dialled_again() -> None:
    """Rebinding: each connection is checked; one that is kept stays where it was checked."""
    network = Telling([["8.8.8.8"], ["127.0.0.1"]], streams=2)
    pool = Pool(Dialler(network, CLIENT_LIMITS, policy=public_only), PoolLimits())

    def ask() -> int:
        request = Request("GET", "http://a.example/", {"host": "a.example"})
        budget = Budget(TIMES, network.now)
        return run_sync(send_through(pool, request, budget)).status_code

    assert [ask(), ask()] == [200, 200]
    assert network.lookups == ["a.example"]  # the second was sent on the first one's connection
    network.clock.advance(60.0)  # idle for so long, it is given up
    with pytest.raises(BlockedAddress) as blocked:
        ask()
    assert isinstance(blocked.value.request, Request)
    assert len(network.connections) == 1


COLOURS = ["blocking", "asyncio", "uvloop"]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_resolver_that_changes_its_answer_is_asked_once(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding on real sockets: between the check and the connect nobody is asked again."""
    answers = ["127.0.0.2", "127.0.0.1", "127.0.0.1"]
    asked: list[bytes] = []

    def getaddrinfo(name: bytes, port: int, **_: object) -> list[Any]:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    policy = Policy(ports=None, allow=("127.0.0.2",))

    async def story(network: Any, port: int) -> Any:
        dialler = Dialler(network, CLIENT_LIMITS, policy=policy)
        route = dialler.route(URL(f"http://a.example:{port}/"))
        connection = await dialler.dial(route, Budget(TIMES, network.now))
        peer = connection.stream.facts.peer
        connection.close()
        with pytest.raises(BlockedAddress, match="RFC 1122"):
            await dialler.dial(route, Budget(TIMES, network.now))
        return peer

    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]
        assert played(colour, lambda network: story(network, port)) == ("127.0.0.2", port)
    assert asked == [b"a.example"] * 2


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("host", ["localhost", "localhost.", "a.localhost"])
def test_loopback_by_name_is_loopback(colour: str, host: str) -> None:
    async def story(network: Any) -> None:
        dialler = Dialler(network, CLIENT_LIMITS, policy=public_only)
        with pytest.raises(BlockedAddress, match=r"RFC (4291|1122)"):
            await dialler.dial(dialler.route(URL(f"http://{host}/")), Budget(TIMES, network.now))

    played(colour, story)


def played(colour: str, story: Callable[[Any], Any]) -> Any:
    if colour == "blocking":
        return run_sync(story(BlockingNetwork()))

    async def main() -> Any:
        return await story(AioNetwork())

    factory = (
        pytest.importorskip("uvloop").new_event_loop
        if colour == "uvloop"
        else asyncio.new_event_loop
    )
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def test_a_resolver_that_blocks_holds_up_no_loop() -> None:
    """It is a function of the program's, so it is run in a thread."""
    main_thread = threading.current_thread()
    ran_in: list[threading.Thread] = []

    def resolver(host: str, port: int) -> str:
        ran_in.append(threading.current_thread())
        return "127.0.0.1"

    async def story(network: Any) -> None:
        dialler = Dialler(network, CLIENT_LIMITS, resolver=resolver)
        with pytest.raises(ConnectFailed):
            await dialler.dial(
                dialler.route(URL("http://a.example:1/")), Budget(TIMES, network.now)
            )

    played("asyncio", story)
    assert ran_in != [main_thread]
    assert len(ran_in) == 1
