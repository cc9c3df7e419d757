"""The way to a server, and how long it may take, as a command line says them."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.cli.conftest import CommandLine

from crlf import App, Request, Response, Retry, Timeout, public_only, running, text
from crlf.cli.arguments import parse_arguments
from crlf.cli.asking.request import Asked, read_request
from crlf.cli.asking.way import read_resolve
from crlf.cli.commands import COMMANDS
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_CONNECTION, NO_INPUT, NO_TLS, NO_TRUST, TOO_LATE, USAGE, Failure


def asked(*words: str, folder: str = "/here") -> Asked:
    command = COMMANDS["get"]
    environment = Environment(io.BytesIO(), io.BytesIO(), io.BytesIO(), folder=folder)
    return read_request(command, parse_arguments(words, command.options), environment)


def test_a_plain_command_says_nothing_of_the_way() -> None:
    plain = asked("http://a.example/")
    assert (plain.client, plain.options, plain.added) == ({}, {}, ())


def test_what_the_user_gave_is_told() -> None:
    assert asked("http://a.example/", "A:1", "-H", "B: 2", "Host:x").added == ("b", "a", "host")


@pytest.mark.parametrize(
    ("words", "client"),
    [
        (["--insecure"], {"verify": False}),
        (["-k"], {"verify": False}),
        (["--tls-minimum", "1.3"], {"tls_minimum": "1.3"}),
        (["--proxy", "http://p:3128"], {"proxy": "http://p:3128"}),
        (["--proxy", "p.example:3128"], {"proxy": "p.example:3128"}),
        (["--proxy", "socks5h://u:w@p"], {"proxy": "socks5h://u:w@p"}),
        (["--proxy", "http:http://p:1", "--proxy", "https:http://q:2"],
         {"proxy": {"http": "http://p:1", "https": "http://q:2"}}),
        (["--proxy", "all:socks5://p"], {"proxy": "socks5://p"}),
        (["--no-proxy"], {"proxy": None}),
        (["--resolve", "A.example:127.0.0.1"], {"resolve": {"a.example": ["127.0.0.1"]}}),
        (["--unix-socket", "s"], {"unix_socket": "/here/s"}),
        (["--interface", "127.0.0.2"], {"local_address": "127.0.0.2"}),
        (["--untrusted"], {"policy": public_only}),
        (["--max-redirects", "3"], {"max_redirects": 3}),
        (["--retry", "0"], {"retry": None}),
        (["--retry", "3"], {"retry": Retry(
            attempts=4, statuses={429, 502, 503, 504}, unanswered=True, share=None)}),
        (["--connect-timeout", "2"], {"timeout": Timeout(connect=2)}),
        (["--connect-timeout", "2", "--untrusted"],
         {"policy": public_only, "timeout": Timeout(2, 10, 10, 10, 30)}),
    ],
)  # fmt: skip
def test_options_become_what_the_client_is_made_with(words: list[str], client: object) -> None:
    assert asked("http://a.example/", *words).client == client


def test_a_timeout_is_of_the_request() -> None:
    assert asked("http://a/", "-t", "5").options == {"timeout": Timeout(5, 5, 5, 5, 5)}
    both = asked("http://a/", "-t", "5", "--connect-timeout", "2").options
    assert both == {"timeout": Timeout(2, 5, 5, 5, 5)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--proxy http://p --no-proxy", "--proxy and --no-proxy exclude each other"),
        ("--proxy http://p --unix-socket s", "--proxy and --unix-socket exclude each other"),
        ("--proxy http://p --untrusted", "--proxy and --untrusted exclude each other"),
        ("--unix-socket s --resolve a:127.0.0.1", "--unix-socket and --resolve exclude"),
        ("--unix-socket s --interface 127.0.0.1", "--unix-socket and --interface exclude"),
        ("--unix-socket s --untrusted", "--unix-socket and --untrusted exclude"),
        ("--insecure --ca f", "--insecure and --ca exclude each other"),
        ("--app a:b --proxy http://p", "--proxy and --app exclude each other"),
        ("--app a:b --unix-socket s", "--unix-socket and --app exclude each other"),
        ("--no-follow --max-redirects 3", "--max-redirects and --no-follow exclude"),
        ("--cert-key k", "name that with --cert"),
        ("--proxy ftp://p", "--proxy takes a URL, as http://proxy.example:3128"),
        ("--proxy http://user:hidden@p/path", "a proxy's URL ends with its host and port"),
        ("--interface eth0", "--interface takes one of our addresses"),
        ("--retry many", "--retry takes a number from 0 to 1000, not 'many'"),
        ("--retry -1", "--retry takes a number"),
        ("--retry 99999999999999", "--retry takes a number"),
        ("--max-redirects ٣", "--max-redirects takes a number"),
        ("--timeout inf", "--timeout takes seconds"),
        ("--connect-timeout 0", "--connect-timeout takes seconds"),
        ("--resolve a.example", "--resolve takes HOST:ADDRESS"),
        ("--resolve a.example:80:b.example", "--resolve takes HOST:ADDRESS"),
        ("--resolve a.example:80:1::2", "can be read in two ways"),
        ("--resolve :127.0.0.1", "--resolve takes HOST:ADDRESS"),
        ("--resolve a,b:127.0.0.1", "in the host"),
        ("--tls-minimum 1", "--tls-minimum takes 1.2 or 1.3"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(words: str, says: str) -> None:
    with pytest.raises(Failure) as caught:
        asked("http://a.example/", *words.split(" "))
    assert says in caught.value.line
    assert "hidden" not in caught.value.line
    assert caught.value.code == USAGE


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a.example:127.0.0.1", ("a.example", ["127.0.0.1"])),
        ("a.example:443:127.0.0.1", ("a.example:443", ["127.0.0.1"])),
        ("a.example:127.0.0.1,127.0.0.2", ("a.example", ["127.0.0.1", "127.0.0.2"])),
        ("a.example:[::1]", ("a.example", ["::1"])),
        ("a.example:443:[::1]", ("a.example:443", ["::1"])),
        ("a.example:::1", ("a.example", ["::1"])),
        ("a.example:443:::1", ("a.example:443", ["::1"])),
        ("a.example:1:2:3:4:5:6:7:8", ("a.example", ["1:2:3:4:5:6:7:8"])),
        ("bücher.example:127.0.0.1", ("xn--bcher-kva.example", ["127.0.0.1"])),
    ],
)
def test_a_host_is_told_where_it_is(text: str, place: tuple[str, list[str]]) -> None:
    assert read_resolve([text]) == dict([place])


def test_the_last_place_of_a_name_counts() -> None:
    assert read_resolve(["a:127.0.0.1", "a:127.0.0.2"]) == {"a": ["127.0.0.2"]}


# --- and so it is sent ---------------------------------------------------------------------------


def test_a_name_is_asked_where_it_is_said_to_be(crlf: CommandLine, site: str) -> None:
    port = site.rpartition(":")[2]
    for place in ("shop.example:127.0.0.1", f"shop.example:{port}:127.0.0.1"):
        done = crlf("get", f"http://shop.example:{port}/page", "--resolve", place)
        assert (done.code, done.out) == (0, b"<h1>Parts</h1>\n")


def test_a_socket_stands_for_every_host(crlf: CommandLine) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(crlf.folder / "s"))
    listener.listen()
    heads = []

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted:
            heads.append(accepted.recv(65536))
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        done = crlf("get", "http://a.example/x", "--unix-socket", "s")
        thread.join()
    assert (done.code, done.out) == (0, b"ok")
    assert heads[0].startswith(b"GET /x HTTP/1.1\r\nhost: a.example\r\n")


def test_a_stranger_s_url_leads_to_no_machine_of_ours(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "--untrusted")
    assert done.code == NO_CONNECTION
    assert "only 80 and 443" in done.err or "may be connected to" in done.err
    done = crlf("get", "http://127.0.0.1/", "--untrusted")
    assert (done.code, "its address is for" in done.err) == (NO_CONNECTION, True)


def test_redirects_have_a_number(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/circle", "--max-redirects", "2")
    assert "over 2 redirects" in done.err


@pytest.mark.timeout(20)
def test_what_failed_in_passing_is_tried_again(crlf: CommandLine) -> None:
    app = App()
    tries: list[int] = []

    @app.get("/")
    def flaky(request: Request) -> Response:
        tries.append(1)
        return text("well", 503 if len(tries) < 3 else 200)

    with running(app) as server:
        done = crlf("get", server.url, "--retry", "3")
        assert (done.code, done.out, len(tries)) == (0, b"well", 3)
        tries.clear()
        assert crlf("get", server.url).code == 5


def test_a_connect_timeout_is_heeded(crlf: CommandLine) -> None:
    # A listener whose queue is full answers nobody.
    with socket.socket() as listener, socket.socket() as one, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for each in (one, other):
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        done = crlf("get", f"http://127.0.0.1:{port}/", "--connect-timeout", "0.2", "--retry", "0")
    assert done.code == TOO_LATE, done.err


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a server's certificate and a client's."""
    folder = tmp_path_factory.mktemp("pki")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    mine = authority.issue_cert("me@a.example")
    mine.private_key_and_cert_chain_pem.write_to_path(str(folder / "me.pem"))
    mine.private_key_pem.write_to_path(str(folder / "me.key"))
    mine.cert_chain_pems[0].write_to_path(str(folder / "me.crt"))
    return folder


@pytest.fixture
def secured(pki: Path) -> Iterator[str]:
    """A server that wants to see a certificate of its authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem")
    context.load_verify_locations(pki / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted:
                accepted.settimeout(5)
                try:
                    with context.wrap_socket(accepted, server_side=True) as stream:
                        stream.recv(65536)
                        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.rfc("8446", "4.4.2")
def test_a_client_shows_its_certificate(secured: str, pki: Path, crlf: CommandLine) -> None:
    trust = ["--ca", str(pki / "ca.pem")]
    for who in (["--cert", str(pki / "me.pem")],
                ["--cert", str(pki / "me.crt"), "--cert-key", str(pki / "me.key")]):  # fmt: skip
        done = crlf("get", secured, *trust, *who)
        assert (done.code, done.out) == (0, b"ok"), done.err
    assert crlf("get", secured, *trust).code == NO_TLS
    assert crlf("get", secured, "--cert", str(pki / "me.pem")).code == NO_TRUST
    done = crlf("get", secured, "-k", "--cert", str(pki / "me.pem"))
    assert (done.code, done.out) == (0, b"ok")


@pytest.mark.rfc("8996", "4")
def test_the_oldest_tls_can_be_said(secured: str, pki: Path, crlf: CommandLine) -> None:
    done = crlf("get", secured, "-k", "--cert", str(pki / "me.pem"), "--tls-minimum", "1.3")
    assert done.code == NO_TLS


@pytest.mark.parametrize("option", ["--ca", "--cert"])
def test_a_file_that_is_not_there_is_named(option: str, crlf: CommandLine) -> None:
    done = crlf("get", "https://127.0.0.1:9/", option, "none.pem")
    assert (done.code, done.err) == (
        NO_INPUT,
        "crlf: cannot read none.pem: No such file or directory\n",
    )
