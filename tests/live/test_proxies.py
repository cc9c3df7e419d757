"""By way of proxies that nobody here wrote: tinyproxy, squid and pproxy, in both colours.

Between client and proxy stands a relay that keeps every byte, and the origins keep what comes
to them. What is asserted is what they kept: to whom a password went, in what form was asked,
and that behind a tunnel there is nothing but TLS.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.live.peers import free_port, process

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.message.errors import ConnectFailed, ProxyFailed, TlsFailed
from crlf.message.response import Response

USER, PASSWORD = "me", "s3cret"
BASIC = b"Basic bWU6czNjcmV0"


# --- the other ends ------------------------------------------------------------------------------


class Door:
    """A listening socket; each connection is one thread's. kept: the bytes of each, in order."""

    def __init__(self, serve: Callable[[socket.socket, bytearray], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.kept: list[bytearray] = []
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Door:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                accepted = self._listener.accept()[0]
            except OSError:
                return
            accepted.settimeout(20)
            kept = bytearray()
            self.kept.append(kept)
            self._open.append(accepted)
            thread = threading.Thread(target=self._served, args=(accepted, kept))
            self._threads.append(thread)
            thread.start()

    def _served(self, accepted: socket.socket, kept: bytearray) -> None:
        with accepted, suppress(OSError):
            self._serve(accepted, kept)

    @property
    def all(self) -> bytes:
        return b"\n".join(bytes(kept) for kept in self.kept)


def relay_to(port: int) -> Door:
    """Make a door that leads to a port; it keeps what clients say."""

    def serve(accepted: socket.socket, kept: bytearray) -> None:
        with socket.create_connection(("127.0.0.1", port), 20) as further:

            def back() -> None:
                with suppress(OSError):
                    while data := further.recv(65536):
                        accepted.sendall(data)
                with suppress(OSError):
                    accepted.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=back)
            thread.start()
            try:
                while data := accepted.recv(65536):
                    kept += data
                    further.sendall(data)
                further.shutdown(socket.SHUT_WR)
            except OSError:
                further.close()
            finally:
                thread.join(20)

    return Door(serve)


def origin(context: ssl.SSLContext | None = None) -> Door:
    """Make a server that answers every request with its path, and keeps what it was asked."""

    def serve(accepted: socket.socket, kept: bytearray) -> None:
        stream = accepted
        if context is not None:
            stream = context.wrap_socket(accepted, server_side=True)
        with stream:
            at = 0
            while data := stream.recv(65536):
                kept += data
                while (end := kept.find(b"\r\n\r\n", at)) >= 0:
                    path = bytes(kept[at:end]).split(b" ")[1]
                    at = end + 4
                    stream.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)
                    )

    return Door(serve)


class World:
    """Two origins, who to trust there, and a relay before the proxy that a test is about."""

    def __init__(self, papers: tuple[str, str], stack: ExitStack) -> None:
        self.authority, certificate = papers
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._stack = stack
        self.plain = stack.enter_context(origin())
        self.secure = stack.enter_context(origin(context))
        self.http = f"http://localhost:{self.plain.port}"
        self.https = f"https://localhost:{self.secure.port}"

    def relay(self, port: int) -> Door:
        return self._stack.enter_context(relay_to(port))


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Write an authority, and a certificate with its key for localhost."""
    folder = tmp_path_factory.mktemp("papers")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "here.pem")
    return str(folder / "ca.pem"), str(folder / "here.pem")


@pytest.fixture
def world(papers: tuple[str, str]) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(papers, stack)


# --- the proxies ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tinyproxy(
    program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Run tinyproxy, which wants a password."""
    port, folder = free_port(), tmp_path_factory.mktemp("tinyproxy")
    conf = folder / "tinyproxy.conf"
    conf.write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nLogLevel Error\n"
        f'BasicAuth {USER} {PASSWORD}\nLogFile "{folder}/log"\n',
        encoding="ascii",
    )
    with process(port, program("tinyproxy"), "-d", "-c", str(conf)):
        yield port


SQUID = """
http_port 127.0.0.1:{plain}
https_port 127.0.0.1:{tls} tls-cert={papers} tls-key={papers}
http_access allow all
cache deny all
pid_filename none
pinger_enable off
access_log none
cache_log /dev/null
netdb_filename none
shutdown_lifetime 0 seconds
"""


@pytest.fixture(scope="module")
def squid(
    program: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
    papers: tuple[str, str],
) -> Iterator[tuple[int, int]]:
    """Run squid, on one port plainly and on one in TLS."""
    plain, tls = free_port(), free_port()
    conf = tmp_path_factory.mktemp("squid") / "squid.conf"
    conf.write_text(SQUID.format(plain=plain, tls=tls, papers=papers[1]), encoding="ascii")
    with process(tls, program("squid"), "-N", "-f", str(conf)):
        yield plain, tls


PPROXY = """
import asyncio, sys
sys.modules["uvloop"] = None  # it would take over
asyncio.set_event_loop(asyncio.new_event_loop())  # which pproxy expects to be there
from pproxy.server import main
main()
"""


def run_pproxy(port: int, scheme: str, secret: str) -> Any:
    pytest.importorskip("pproxy")
    where = f"{scheme}://127.0.0.1:{port}{secret}"
    return process(port, sys.executable, "-W", "ignore", "-c", PPROXY, "--auth=-1", "-l", where)


@pytest.fixture(scope="module")
def open_pproxy() -> Iterator[int]:
    """Run pproxy for everybody, in HTTP, SOCKS4 and SOCKS5."""
    port = free_port()
    with run_pproxy(port, "http+socks4+socks5", ""):
        yield port


@pytest.fixture(scope="module")
def locked_pproxy() -> Iterator[int]:
    """Run pproxy for one who knows the password."""
    port = free_port()
    with run_pproxy(port, "http+socks5", f"#{USER}:{PASSWORD}"):
        yield port


# --- the client, in both colours -----------------------------------------------------------------


Ask = Callable[..., list[Response]]


def ask_blocking(*urls: str, **options: Any) -> list[Response]:
    with Client(**options) as client:
        return [client.get(url) for url in urls]


def ask_aio(*urls: str, **options: Any) -> list[Response]:
    async def main() -> list[Response]:
        async with AsyncClient(**options) as client:
            return [await client.get(url) for url in urls]

    return asyncio.run(main())


@pytest.fixture(params=[ask_blocking, ask_aio], ids=["blocking", "aio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Give each colour in turn: a function that asks URLs, one after the other."""
    asking: Ask = request.param
    return asking


def texts(replies: list[Response]) -> list[str]:
    assert [reply.status_code for reply in replies] == [200] * len(replies)
    return [reply.text for reply in replies]


# --- HTTP proxies --------------------------------------------------------------------------------


@pytest.mark.needs("tinyproxy")
@pytest.mark.rfc("9112", "3.2.2")
@pytest.mark.rfc("9110", "11.7.2")
def test_tinyproxy_forwards_and_keeps_its_password(ask: Ask, tinyproxy: int, world: World) -> None:
    relay = world.relay(tinyproxy)
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{relay.port}"
    assert texts(ask(f"{world.http}/a?b", f"{world.http}/c", proxy=proxy)) == ["/a?b", "/c"]
    assert relay.all.startswith(f"GET {world.http}/a?b HTTP/1.1\r\n".encode())
    # At least two: tinyproxy closes after each, and what it did not read is sent once more.
    asked = relay.all.count(b"GET http://localhost:")
    assert asked >= 2
    assert relay.all.count(b"\r\nProxy-Authorization: " + BASIC) == asked
    assert b"/a?b" in world.plain.all
    assert b"authorization" not in world.plain.all.lower()


@pytest.mark.needs("tinyproxy")
@pytest.mark.rfc("9110", "9.3.6")
def test_tinyproxy_opens_a_tunnel_with_nothing_but_tls_in_it(
    ask: Ask, tinyproxy: int, world: World
) -> None:
    relay = world.relay(tinyproxy)
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{relay.port}"
    urls = [f"{world.https}/a", f"{world.https}/b"]
    assert texts(ask(*urls, proxy=proxy, verify=world.authority)) == ["/a", "/b"]
    place = f"localhost:{world.secure.port}"
    head, _, inside = bytes(relay.kept[0]).partition(b"\r\n\r\n")
    assert head.decode() == (
        f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\nProxy-Authorization: {BASIC.decode()}"
    )
    assert inside[:2] == b"\x16\x03"  # a TLS handshake record
    assert (len(relay.kept), len(world.secure.kept)) == (1, 1)
    assert b"authorization" not in world.secure.all.lower()
    assert BASIC not in inside


@pytest.mark.needs("tinyproxy")
@pytest.mark.parametrize("secret", ["", "me:wrong@"])
def test_tinyproxy_refuses_who_does_not_know_the_password(
    ask: Ask, tinyproxy: int, world: World, secret: str
) -> None:
    proxy = f"http://{secret}127.0.0.1:{tinyproxy}"
    with pytest.raises(ProxyFailed) as caught:
        ask(f"{world.https}/a", proxy=proxy, verify=world.authority)
    assert caught.value.status_code in (401, 407)  # tinyproxy has 401 for a wrong one
    assert "wrong" not in str(caught.value)
    assert f"127.0.0.1:{tinyproxy}" in str(caught.value)
    assert ask(f"{world.http}/a", proxy=proxy)[0].status_code in (401, 407)
    assert world.plain.all + world.secure.all == b""


@pytest.mark.needs("tinyproxy")
def test_two_passwords_are_two_connections(ask: Ask, tinyproxy: int, world: World) -> None:
    relay = world.relay(tinyproxy)
    mine, other = (f"http://{who}@127.0.0.1:{relay.port}" for who in ("me:s3cret", "you:x"))
    table = {"all": mine, f"http://127.0.0.1:{world.plain.port}": other}
    replies = ask(
        f"{world.http}/a", f"http://127.0.0.1:{world.plain.port}/b", f"{world.http}/c", proxy=table
    )
    assert [reply.status_code == 200 for reply in replies] == [True, False, True]
    # tinyproxy closes after each, so that what counts is what each connection said.
    for kept in relay.kept:
        assert (BASIC in kept) is (b"/b HTTP" not in kept)
        assert kept.count(b"Proxy-Authorization") == kept.count(b"GET ")


@pytest.mark.needs("squid")
def test_squid_forwards_and_opens_tunnels_on_kept_connections(
    ask: Ask, squid: tuple[int, int], world: World
) -> None:
    relay = world.relay(squid[0])
    urls = [f"{world.http}/a", f"{world.https}/b", f"{world.http}/c", f"{world.https}/d"]
    replies = ask(*urls, proxy=f"127.0.0.1:{relay.port}", verify=world.authority)
    assert texts(replies) == ["/a", "/b", "/c", "/d"]
    assert len(relay.kept) == 2
    assert bytes(relay.kept[0]).count(b"GET http://localhost:") == 2
    assert relay.kept[1].startswith(b"CONNECT localhost:")
    assert [str(reply.url) for reply in replies] == urls


@pytest.mark.needs("squid")
def test_squid_in_tls_forwards_and_opens_tunnels_in_tls(
    ask: Ask, squid: tuple[int, int], world: World
) -> None:
    relay = world.relay(squid[1])
    urls = [f"{world.http}/a", f"{world.https}/b", f"{world.https}/c"]
    proxy = f"https://{USER}:{PASSWORD}@localhost:{relay.port}"
    assert texts(ask(*urls, proxy=proxy, verify=world.authority)) == ["/a", "/b", "/c"]
    assert len(relay.kept) == 2
    for kept in relay.kept:
        assert kept[:2] == b"\x16\x03"
        assert b"HTTP/1.1" not in kept
        assert BASIC not in kept
    assert b"authorization" not in (world.plain.all + world.secure.all).lower()


@pytest.mark.needs("squid")
def test_a_proxy_in_tls_has_to_be_the_one_it_says(
    ask: Ask, squid: tuple[int, int], world: World, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    relay = world.relay(squid[1])
    proxy = f"https://{USER}:{PASSWORD}@localhost:{relay.port}"
    for url in (world.http, world.https):
        with pytest.raises(TlsFailed):
            ask(url, proxy=proxy, verify=str(tmp_path / "other.pem"))
    assert world.plain.all + world.secure.all == b""


@pytest.mark.needs("squid")
def test_squid_says_what_it_could_not_reach(ask: Ask, squid: tuple[int, int], world: World) -> None:
    proxy, nobody = f"http://127.0.0.1:{squid[0]}", free_port()
    with pytest.raises(ProxyFailed, match="503 Service Unavailable") as caught:
        ask(f"https://localhost:{nobody}/", proxy=proxy, verify=world.authority)
    assert caught.value.status_code == 503
    assert ask(f"http://localhost:{nobody}/", proxy=proxy)[0].status_code == 503


# --- SOCKS ---------------------------------------------------------------------------------------


def test_socks_leads_to_both_kinds_of_origin(ask: Ask, open_pproxy: int, world: World) -> None:
    pytest.importorskip("python_socks")
    for scheme in ("socks4", "socks5", "socks5h"):  # pproxy knows no 4a
        relay = world.relay(open_pproxy)
        urls = [f"{world.http}/a", f"{world.https}/b", f"{world.http}/c"]
        proxy = f"{scheme}://127.0.0.1:{relay.port}"
        assert texts(ask(*urls, proxy=proxy, verify=world.authority)) == ["/a", "/b", "/c"]
        assert len(relay.kept) == 2  # one for each origin, and kept
        assert relay.kept[0][0] == int(scheme[5])
        # Who resolves names: what stands before the request itself.
        asked, _, _ = bytes(relay.kept[0]).partition(b"GET /a HTTP/1.1\r\n")
        assert (b"localhost" in asked) is (scheme == "socks5h")
        assert (b"\x7f\x00\x00\x01" in asked) is (scheme != "socks5h")
    assert b"GET /a HTTP/1.1\r\nhost: localhost" in world.plain.all


def test_socks_with_a_password(ask: Ask, locked_pproxy: int, world: World) -> None:
    pytest.importorskip("python_socks")
    relay = world.relay(locked_pproxy)
    proxy = f"socks5h://{USER}:{PASSWORD}@127.0.0.1:{relay.port}"
    urls = [f"{world.http}/a", f"{world.https}/b"]
    assert texts(ask(*urls, proxy=proxy, verify=world.authority)) == ["/a", "/b"]
    assert all(b"\x02me\x06s3cret" in kept for kept in relay.kept)
    assert PASSWORD.encode() not in world.plain.all + world.secure.all
    for secret in ("", "me:wrong@"):
        with pytest.raises(ProxyFailed) as caught:
            ask(world.http, proxy=f"socks5h://{secret}127.0.0.1:{locked_pproxy}")
        assert "wrong" not in str(caught.value)


def test_pproxy_speaks_http_as_well(ask: Ask, locked_pproxy: int, world: World) -> None:
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{locked_pproxy}"
    urls = [f"{world.http}/a", f"{world.https}/b"]
    assert texts(ask(*urls, proxy=proxy, verify=world.authority)) == ["/a", "/b"]
    # What pproxy forwards it forwards with the password. It cannot in a tunnel.
    assert b"proxy-authorization" not in world.secure.all.lower()


def test_a_proxy_that_is_gone_is_a_connection_that_failed(ask: Ask) -> None:
    port = free_port()
    schemes = ["http", "https"]
    with suppress(ImportError):
        import python_socks  # noqa: F401  # whether it is there

        schemes += ["socks4", "socks5h"]
    for scheme in schemes:
        for url in ("http://a.example/", "https://a.example/"):
            if scheme == "socks4":
                url = url.replace("a.example", "127.0.0.1")
            with pytest.raises(ConnectFailed):
                ask(url, proxy=f"{scheme}://127.0.0.1:{port}")
