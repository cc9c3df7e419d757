"""A server with TLS, and one behind proxies, as curl, openssl, nginx and HAProxy see them."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.live.peers import free_port, process

from crlf import App, running
from crlf import json as answer
from crlf.rules.deadlines import Patience
from crlf.server import renewing
from crlf.server.settings import ServerSettings

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

Program = Callable[[str], str]


def new_app() -> App:
    """Make an application that says what it knows of a request."""
    app = App()

    @app.get("/{path:path}")
    async def tell(request: Any, path: str) -> object:
        tls = request.received_how.tls
        return answer(
            {
                "peer": request.peer,
                "url": str(request.url),
                "host": request.headers.get("host"),
                "tls": tls and [tls.version, tls.alpn, tls.subject],
            }
        )

    return app


@contextmanager
def serving(bind: tuple[str, ...] = ("127.0.0.1:0",), **settings: Any) -> Iterator[Any]:
    told = ServerSettings(bind=bind, **settings)
    with running(new_app(), None, None, settings=told) as server:
        yield server


class Office:
    """An authority, and what it signed, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca)
        self.one = self.write("one.pem", "one.example", "localhost", "127.0.0.1")
        self.two = self.write("two.pem", "two.example", "*.two.example")
        self.me = self.write("me.pem", "me@one.example", common_name="me")

    def write(self, name: str, *hosts: str, **more: Any) -> str:
        path = self.folder / name
        self.authority.issue_cert(*hosts, **more).private_key_and_cert_chain_pem.write_to_path(path)
        path.chmod(0o600)
        return str(path)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


def run(*words: str, says: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, input=says, capture_output=True, timeout=20, check=False)


def told(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.needs("curl")
@pytest.mark.parametrize("host", ["one.example", "two.example", "www.two.example", "localhost"])
def test_curl_is_shown_the_certificate_of_the_name(office: Office, host: str) -> None:
    with serving(certificates=(office.one, office.two)) as server:
        port = server.port
        assert server.url.startswith("https://")
        resolve = f"{host}:{port}:127.0.0.1"
        url = f"https://{host}:{port}/x"
        seen = told(run("curl", "-sS", "--cacert", office.ca, "--resolve", resolve, url))
        assert seen["url"] == url
        assert seen["tls"] == ["TLSv1.3", "http/1.1", None]


@pytest.mark.needs("curl")
def test_curl_shows_a_certificate_of_its_own(office: Office) -> None:
    with serving(certificates=(office.one,), client_ca=office.ca) as server:
        ask = ("curl", "-sS", "--cacert", office.ca, f"https://localhost:{server.port}/")
        assert told(run(*ask, "--cert", office.me))["tls"][2].startswith("CN=me,")
        assert run(*ask).returncode != 0
    with serving(
        certificates=(office.one,), client_ca=office.ca, client_certificate="optional"
    ) as server:
        assert told(run(*ask[:-1], f"https://localhost:{server.port}/"))["tls"][2] is None


@pytest.mark.needs("curl")
def test_curl_with_http_is_told_to_write_https(office: Office) -> None:
    with serving(certificates=(office.one,)) as server:
        done = run("curl", "-sS", "-i", f"http://localhost:{server.port}/")
        assert done.stdout.startswith(b"HTTP/1.1 400 ")
        assert b"date: " in done.stdout
        assert b"This port speaks HTTPS" in done.stdout


@pytest.mark.needs("openssl")
@pytest.mark.rfc("8996", "4")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-tls1_3"], "TLSv1.3"),
        (["-tls1_2"], "TLSv1.2"),
        (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], None),
        (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], None),  # no secrecy of the past
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"], None),  # CBC
        (["-alpn", "h2,http/1.1"], "ALPN protocol: http/1.1"),
        (["-alpn", "h2"], None),
        (["-tls1_2", "-no_ticket"], "Compression: NONE"),
    ],
)
def test_openssl_agrees_on_what_is_of_today_alone(
    office: Office, options: list[str], expected: str | None
) -> None:
    with serving(certificates=(office.one,)) as server:
        to = f"127.0.0.1:{server.port}"
        done = run("openssl", "s_client", "-connect", to, "-servername", "one.example", *options)
        said = (done.stdout + done.stderr).decode()
        if expected is None:
            assert "alert" in said
            assert "Cipher is (NONE)" in said or "Cipher    : 0000" in said
        else:
            assert expected in said
        if options == ["-alpn", "h2"]:
            assert "no application protocol" in said.lower()


@pytest.mark.needs("openssl")
def test_openssl_may_not_begin_anew(office: Office) -> None:
    with serving(certificates=(office.one,)) as server:
        to = f"127.0.0.1:{server.port}"
        done = run("openssl", "s_client", "-tls1_2", "-connect", to, says=b"R\n")
        assert "no renegotiation" in (done.stdout + done.stderr).decode().lower()


def test_certificates_are_renewed_while_connections_live(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "_LOOK", 0.5)
    path = office.write("renewed.pem", "one.example", "localhost")
    trusting = ssl.create_default_context(cafile=office.ca)
    with serving(certificates=(path,)) as server:

        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", server.port), 10)
            return trusting.wrap_socket(plain, server_hostname="localhost")

        def ask(connection: ssl.SSLSocket) -> bytes:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return connection.recv(65536)

        with connect() as old:
            assert ask(old).startswith(b"HTTP/1.1 200 ")
            before = old.getpeercert(True)
            office.write("renewed.pem", "one.example", "localhost")
            give_up = time.monotonic() + 15
            while True:  # the server looks every few seconds, and needs to be told nothing
                with connect() as new:
                    assert ask(new).startswith(b"HTTP/1.1 200 ")
                    if new.getpeercert(True) != before:
                        break
                assert time.monotonic() < give_up
                time.sleep(0.2)
            assert ask(old).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_says_nothing_is_let_go(office: Office) -> None:
    patience = Patience(handshake=0.2)
    with (
        serving(certificates=(office.one,), patience=patience) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as dumb,
    ):
        began = time.monotonic()
        assert dumb.recv(1) == b""
        assert time.monotonic() - began < 3


def test_a_stop_does_not_wait_for_a_handshake(office: Office) -> None:
    with ExitStack() as open_ones:
        with serving(certificates=(office.one,)) as server:
            for _ in range(3):
                dumb = socket.create_connection(("127.0.0.1", server.port), 10)
                open_ones.enter_context(dumb)
                dumb.sendall(b"\x16\x03\x01")
            time.sleep(0.1)
            began = time.monotonic()
        assert time.monotonic() - began < 3


def test_a_failed_handshake_is_no_news(
    office: Office, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO", "crlf")
    with serving(certificates=(office.one, office.two)) as server:
        for said in (b"\x16\x03\x01\0\5hello", b"\0" * 100, b"", b"\x16"):
            with socket.create_connection(("127.0.0.1", server.port), 10) as odd:
                odd.sendall(said)
                odd.shutdown(socket.SHUT_WR)
                while odd.recv(4096):
                    pass
    assert [record for record in caplog.records if record.name.startswith("crlf")] == []
    assert capfd.readouterr().err == ""


# --- PROXY lines ---------------------------------------------------------------------------------


@pytest.mark.needs("curl")
def test_curl_says_a_proxy_line_and_is_believed(office: Office) -> None:
    trusted = {"trusted_proxies": ("127.0.0.1",), "proxy_protocol": True}
    with serving(**trusted) as server:
        url = f"http://127.0.0.1:{server.port}/"
        seen = told(run("curl", "-sS", "--haproxy-protocol", url))
        assert seen["peer"][0] == "127.0.0.1"
        assert run("curl", "-sS", url).returncode != 0  # without it, nothing is served
    with serving(**trusted, certificates=(office.one,)) as server:
        url = f"https://localhost:{server.port}/"
        seen = told(run("curl", "-sS", "--cacert", office.ca, "--haproxy-protocol", url))
        assert seen["tls"][0] == "TLSv1.3"


def test_nobody_else_may_say_one(caplog: pytest.LogCaptureFixture) -> None:
    line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.0\r\n\r\n"
    for trusted, status in ((("10.0.0.0/8",), b""), (("127.0.0.0/8",), b"HTTP/1.1 200 OK")):
        with (
            serving(trusted_proxies=trusted, proxy_protocol=True) as server,
            socket.create_connection(("127.0.0.1", server.port), 10) as proxy,
        ):
            proxy.sendall(line)
            try:
                assert proxy.recv(65536)[:15] == status
            except ConnectionResetError:
                assert status == b""
    assert "the peer is no proxy that is trusted" in caplog.text
    with (
        serving() as server,  # where none is expected, it is no request
        socket.create_connection(("127.0.0.1", server.port), 10) as proxy,
    ):
        proxy.sendall(line)
        assert proxy.recv(65536).startswith(b"HTTP/1.1 400 ")


HAPROXY = """
global
  maxconn 100
defaults
  mode {mode}
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:{front}
  default_backend b
backend b
  {more}
  server s 127.0.0.1:{back} {options}
"""


@pytest.mark.needs("haproxy", "curl")
@pytest.mark.parametrize(
    "options",
    ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id"],
)
def test_haproxy_says_who_is_behind_it(
    office: Office, tmp_path: Path, program: Program, options: str
) -> None:
    settings = {"trusted_proxies": ("127.0.0.1",), "proxy_protocol": True}
    front = free_port()
    with serving(**settings, certificates=(office.one,)) as server:
        config = tmp_path / "haproxy.cfg"
        config.write_text(
            HAPROXY.format(
                mode="tcp", front=front, back=server.port, more="", options=options + " check"
            )
        )
        with process(front, program("haproxy"), "-f", str(config)):
            ask = ["curl", "-sS", "--cacert", office.ca, "--local-port", "20000-60000"]
            seen = told(run(*ask, "--interface", "127.0.0.5", f"https://localhost:{front}/x"))
    assert seen["peer"][0] == "127.0.0.5"
    assert seen["tls"][0] == "TLSv1.3"
    assert seen["url"] == f"https://localhost:{front}/x"


@pytest.mark.needs("haproxy", "curl")
@pytest.mark.rfc("7239", "4")
def test_haproxy_and_its_forwarded_are_believed(tmp_path: Path, program: Program) -> None:
    front = free_port()
    with serving(trusted_proxies=("127.0.0.1",)) as server:
        config = tmp_path / "haproxy.cfg"
        config.write_text(
            HAPROXY.format(
                mode="http", front=front, back=server.port, more="option forwardfor", options=""
            )
        )
        with process(front, program("haproxy"), "-f", str(config)):
            fooling = ("-H", "X-Forwarded-For: 192.0.2.66", "-H", "Forwarded: for=192.0.2.67")
            url = f"http://localhost:{front}/"
            seen = told(run("curl", "-sS", "--interface", "127.0.0.5", *fooling, url))
    assert seen["peer"] == ["127.0.0.5", 0]


# --- nginx before it -----------------------------------------------------------------------------

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{front} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location / {{
      proxy_pass http://{upstream};
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
    location /inside/ {{
      proxy_pass http://{upstream};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
    location /forwarded/ {{
      proxy_pass http://{upstream};
      proxy_set_header Forwarded "$http_forwarded, for=$remote_addr;proto=$scheme;host=a.example";
    }}
  }}
}}
"""


@contextmanager
def behind_nginx(
    office: Office, folder: Path, nginx: str, upstream: str
) -> Iterator[Callable[..., Any]]:
    """Run nginx before a server; give what asks through it, as 127.0.0.5."""
    front = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(folder=folder, front=front, certificate=office.one, upstream=upstream)
    )
    with process(front, nginx, "-c", str(config), "-p", str(folder), said=folder / "error.log"):

        def ask(path: str, *words: str) -> Any:
            url = f"https://localhost:{front}{path}"
            options = ("--cacert", office.ca, "--interface", "127.0.0.5")
            seen = run("curl", "-sS", *options, *words, url)
            return told(seen), url

        yield ask


@pytest.mark.needs("nginx", "curl")
@pytest.mark.rfc("7239", "5.2")
def test_nginx_is_believed_by_address(office: Office, tmp_path: Path, program: Program) -> None:
    with (
        serving(trusted_proxies=("127.0.0.1",), allowed_hosts=("localhost",)) as server,
        behind_nginx(office, tmp_path, program("nginx"), f"127.0.0.1:{server.port}") as ask,
    ):
        seen, url = ask("/x?y")
        assert seen["peer"] == ["127.0.0.5", 0]
        assert seen["url"] == url
        seen, url = ask("/x", "-H", "X-Forwarded-For: 192.0.2.66, 127.0.0.1")
        assert seen["peer"] == ["127.0.0.5", 0]
        stranger = run("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", server.url)
        assert stranger.stdout == b"421"


@pytest.mark.needs("nginx", "curl")
def test_nginx_is_believed_by_unix_socket(office: Office, tmp_path: Path, program: Program) -> None:
    path = tmp_path / "s"
    fields = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
    with (
        serving(bind=(f"unix:{path}",), trusted_proxies=("unix",), proxy_fields=fields),
        behind_nginx(office, tmp_path, program("nginx"), f"unix:{path}:") as ask,
    ):
        seen, url = ask("/inside/x")
        assert seen["peer"] == ["127.0.0.5", 0]
        assert seen["url"] == url
        assert seen["host"] == "localhost"  # nginx's own, without the port that was asked for


@pytest.mark.needs("nginx", "curl")
@pytest.mark.rfc("7239", "5.2")
def test_nginx_and_its_forwarded_are_believed(
    office: Office, tmp_path: Path, program: Program
) -> None:
    with (
        serving(trusted_proxies=("127.0.0.1",), proxy_fields=("forwarded",)) as server,
        behind_nginx(office, tmp_path, program("nginx"), f"127.0.0.1:{server.port}") as ask,
    ):
        seen, _ = ask("/forwarded/x", "-H", "X-Forwarded-For: 192.0.2.66")
        assert seen["peer"] == ["127.0.0.5", 0]
        assert seen["url"] == "https://a.example/forwarded/x"
        for garbage in ('for="', "for=192.0.2.66;proto=http", "for=_x;;", ","):
            assert ask("/forwarded/x", "-H", f"Forwarded: {garbage}")[0] == seen
