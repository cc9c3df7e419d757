"""Both clients against nginx as Debian ships it: TLS, ranges, codings, uploads, a pool that copes.

One nginx has a port for each of its moods. What it saw is in its answers and in its log; each
story is told by Client and by AsyncClient. Basic authentication is in test_auth.py, downloads
that are taken up again in test_downloads.py.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from tests.live.peers import COLOURS, Face, Play, process

from crlf import (
    PoolLimits,
    ReadTimeout,
    RemoteError,
    Retry,
    Timeout,
    TlsFailed,
    TooLarge,
    TotalTimeout,
)
from crlf.client.streamed import StreamedResponse
from crlf.message.response import Response

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(60)]

MIB = 1024 * 1024
TEXT = "".join(f"line {number} of a text, which is läng\n" for number in range(2000)).encode()
DATA = bytes(range(256)) * 4096  # 1 MiB

CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format seen '$server_port $request_method $uri $status $request_length $connection';
  access_log {folder}/log seen;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  types {{ text/plain txt; text/html html; application/octet-stream bin; }}
  charset utf-8; ssl_session_cache off; ssl_protocols TLSv1.2 TLSv1.3;
  root {folder}/root;
  add_header x-connection $connection always;

  server {{
    listen 127.0.0.1:{plain}; {ipv6}
    listen unix:{folder}/s;
    gzip on; gzip_types text/plain application/octet-stream; gzip_vary on; gzip_min_length 20;
    error_page 404 /lost.html;
    location /identity/ {{ alias {folder}/root/; gzip off; }}
    location /host {{ default_type text/plain; return 200 "$host $remote_addr $server_protocol"; }}
    location /headers {{ {large} return 200 "x"; }}
    location /too-many {{ {larger} return 200 "x"; }}
    location /cookie {{ return 200 "$http_x_large"; }}
    location /small {{ client_max_body_size 1m; proxy_pass http://127.0.0.1:{old}/whole; }}
    location /put/ {{
      alias {folder}/put/; dav_methods PUT DELETE; client_max_body_size 0; gzip off;
      client_body_buffer_size 128k;
    }}
    location /old/ {{ proxy_pass http://127.0.0.1:{old}/; gzip off; }}
    location /nobody {{ proxy_pass http://127.0.0.1:{nobody}/; }}
    location /slow/ {{ alias {folder}/root/; gzip off; limit_rate 512k; limit_rate_after 64k; }}
    location /busy {{
      if (-f {folder}/busy) {{ add_header retry-after 1 always; return 503; }}
      return 200 "fine";
    }}
    location /busy-for-long {{ add_header retry-after 120 always; return 503; }}
    location /secure {{ return 301 https://localhost:{tls}/there; }}
  }}
  server {{
    listen 127.0.0.1:{impatient}; listen 127.0.0.1:{impatient_tls} ssl;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.pem;
    keepalive_requests 3; keepalive_timeout 1s; client_max_body_size 1m;
    location / {{ return 200 "$connection"; }}
  }}
  server {{
    listen 127.0.0.1:{tls} ssl http2;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.pem;
    location /there {{ return 200 "$ssl_protocol $server_protocol"; }}
    location /back {{ return 302 http://localhost:{plain}/host; }}
  }}
  server {{
    listen 127.0.0.1:{expired} ssl;
    ssl_certificate {folder}/expired.pem; ssl_certificate_key {folder}/expired.pem;
  }}
  server {{
    listen 127.0.0.1:{misnamed} ssl;
    ssl_certificate {folder}/misnamed.pem; ssl_certificate_key {folder}/misnamed.pem;
  }}
  server {{
    listen 127.0.0.1:{tls12} ssl; ssl_protocols TLSv1.2;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.pem;
    location / {{ return 200 "$ssl_protocol"; }}
  }}
  server {{
    listen 127.0.0.1:{tls13} ssl; ssl_protocols TLSv1.3;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.pem;
    location / {{ return 200 "$ssl_protocol"; }}
  }}
  server {{
    listen 127.0.0.1:{mutual} ssl; ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.pem;
    location / {{ return 200 "$ssl_client_s_dn"; }}
  }}
  server {{
    listen 127.0.0.1:{names} ssl; server_name one.example;
    ssl_certificate {folder}/one.pem; ssl_certificate_key {folder}/one.pem;
    location / {{ return 200 "one $ssl_server_name"; }}
  }}
  server {{
    listen 127.0.0.1:{names} ssl; server_name two.example;
    ssl_certificate {folder}/two.pem; ssl_certificate_key {folder}/two.pem;
    location / {{ return 200 "two $ssl_server_name"; }}
  }}
}}
"""
PORTS = (
    "plain", "impatient", "impatient_tls", "tls", "expired", "misnamed", "tls12", "tls13",
    "mutual", "names", "old", "nobody",
)  # fmt: skip

# An upstream of the old days: HTTP/1.0, and the content ends where the connection does.
OLD = """
import socketserver, sys

class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split(b" ")[1]
        while self.rfile.readline() not in (b"\\r\\n", b""):
            pass
        field = b"Content-Length: 200000" if path == b"/short" else b"X-Old: 1"
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\n" + field + b"\\r\\n\\r\\n" + b"x" * 100000)

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

Server(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


class Nginx(NamedTuple):
    """A running nginx: its folder, and its port for each mood."""

    folder: Path
    ports: dict[str, int]
    has_ipv6: bool

    def at(self, mood: str, path: str = "/") -> str:
        """Return the URL of a path at a port without TLS."""
        return f"http://127.0.0.1:{self.ports[mood]}{path}"

    def secure(self, mood: str, path: str = "/", host: str = "localhost") -> str:
        """Return the URL of a path at a port with TLS."""
        return f"https://{host}:{self.ports[mood]}{path}"

    @property
    def ca(self) -> str:
        """The path of the authority that signed its certificates."""
        return str(self.folder / "ca.pem")

    def log(self, path: str) -> list[list[str]]:
        """List what was logged of a path: port, method, path, status, bytes read, connection."""
        time.sleep(0.05)  # it is written after the answer
        lines = (self.folder / "log").read_text().splitlines()
        return [words for line in lines if (words := line.split(" "))[2] == path]


def make_papers(folder: Path) -> None:
    """Write an authority, what it has signed, and what another has."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    issued = {
        "good": authority.issue_cert("localhost", "127.0.0.1"),
        "expired": authority.issue_cert(
            "localhost", not_before=long_ago, not_after=long_ago + datetime.timedelta(days=1)
        ),
        "misnamed": authority.issue_cert("other.example"),
        "one": authority.issue_cert("one.example"),
        "two": authority.issue_cert("two.example"),
        "anna": authority.issue_cert("anna@a.example", common_name="anna"),
        "mallory": stranger.issue_cert("anna@a.example", common_name="anna"),
    }
    for name, papers in issued.items():
        papers.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    issued["anna"].private_key_pem.write_to_path(folder / "anna.key")
    for number, blob in enumerate(issued["anna"].cert_chain_pems):
        blob.write_to_path(folder / "anna.crt", append=number > 0)


def free_ports(stack: ExitStack) -> tuple[dict[str, int], bool]:
    """Choose a port for each mood, and tell whether the first one is free on [::1] too."""
    taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
    ports = {name: each.getsockname()[1] for name, each in zip(PORTS, taken, strict=True)}
    has_ipv6 = False
    with suppress(OSError):
        socket.create_server(("::1", ports["plain"]), family=socket.AF_INET6).close()
        has_ipv6 = True
    return ports, has_ipv6


@pytest.fixture(scope="module")
def nginx(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]
) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    for name in ("root", "put"):
        (folder / name).mkdir()
    (folder / "root" / "text.txt").write_bytes(TEXT)
    (folder / "root" / "data.bin").write_bytes(DATA)
    (folder / "root" / "lost.html").write_text("<p>Nüscht</p>", encoding="utf-8")
    make_papers(folder)
    with ExitStack() as stack:
        ports, has_ipv6 = free_ports(stack)
    ipv6 = f"listen [::1]:{ports['plain']};" if has_ipv6 else ""
    many = [f"add_header x-{number} {'y' * 3000};" for number in range(40)]
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(
            folder=folder, ipv6=ipv6, large=" ".join(many[:10]), larger=" ".join(many), **ports
        )
    )
    command = (program("nginx"), "-p", str(folder), "-c", str(config))
    with (
        process(ports["old"], sys.executable, "-c", OLD, str(ports["old"])),
        process(ports["plain"], *command, said=folder / "error.log"),
    ):
        yield Nginx(folder, ports, has_ipv6)


@pytest.fixture(params=list(COLOURS))
def play(request: pytest.FixtureRequest) -> Play:
    return COLOURS[request.param]


def said(response: Response) -> str:
    """What a good answer says."""
    assert response.status_code == 200, response.text
    return response.text


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "4.3.4")
def test_an_authority_of_ones_own(nginx: Nginx, play: Play) -> None:
    """It speaks HTTP/2 as well, which we do not ask for."""

    async def story(face: Face) -> Any:
        answers = [await face.get(nginx.secure("tls", "/there")) for _ in range(3)]
        return answers, face.connections

    answers, connections = play(story, verify=nginx.ca)
    assert {said(answer) for answer in answers} == {"TLSv1.3 HTTP/1.1"}
    assert answers[0].tls.version == "TLSv1.3"
    assert answers[0].tls.alpn == "http/1.1"
    assert answers[0].peer == ("127.0.0.1", nginx.ports["tls"])
    assert connections == 1


@pytest.mark.rfc("9110", "4.3.4")
@pytest.mark.parametrize(
    ("mood", "trusts", "why"),
    [
        ("tls", False, "an authority that is not trusted"),
        ("misnamed", True, "not valid for 'localhost'"),
        ("expired", True, "expired"),
    ],
)
def test_a_certificate_that_is_refused(
    nginx: Nginx, play: Play, mood: str, trusts: bool, why: str
) -> None:
    async def story(face: Face) -> Any:
        return await face.failing(nginx.secure(mood, "/refused")), face.connections

    fault, connections = play(story, **({"verify": nginx.ca} if trusts else {}))
    assert type(fault) is TlsFailed
    assert (fault.phase, fault.attempt) == ("tls", 1)  # a second try would change nothing
    assert why in str(fault)
    assert connections == 0
    assert nginx.log("/refused") == []


def test_no_check_at_all_is_of_one_client_alone(nginx: Nginx, play: Play) -> None:
    async def careless(face: Face) -> Any:
        return [said(await face.get(nginx.secure("tls", "/there"))) for _ in range(2)]

    async def careful(face: Face) -> Any:
        return await face.failing(nginx.secure("tls", "/there"))

    assert play(careless, verify=False) == ["TLSv1.3 HTTP/1.1"] * 2
    assert isinstance(play(careful), TlsFailed)


def test_an_authority_that_the_environment_names(
    nginx: Nginx, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", nginx.ca)

    async def story(face: Face) -> Any:
        return said(await face.get(nginx.secure("tls", "/there")))

    async def refused(face: Face) -> Any:
        return await face.failing(nginx.secure("tls", "/there"))

    assert play(story, trust_env=True).startswith("TLS")
    assert isinstance(play(refused, trust_env=False), TlsFailed)


@pytest.mark.rfc("8996", "2")
def test_versions_of_tls(nginx: Nginx, play: Play) -> None:
    async def both(face: Face) -> Any:
        return [said(await face.get(nginx.secure(mood))) for mood in ("tls12", "tls13")]

    async def new_ones(face: Face) -> Any:
        newer = said(await face.get(nginx.secure("tls13")))
        return newer, await face.failing(nginx.secure("tls12"))

    assert play(both, verify=nginx.ca) == ["TLSv1.2", "TLSv1.3"]
    newer, fault = play(new_ones, verify=nginx.ca, tls_minimum="1.3")
    assert newer == "TLSv1.3"
    assert isinstance(fault, TlsFailed)


@pytest.mark.parametrize(
    ("given", "status"), [(None, 400), ("one", 200), ("two", 200), ("stranger", 400)]
)
def test_certificates_of_clients(nginx: Nginx, play: Play, given: str | None, status: int) -> None:
    folder = nginx.folder
    papers = {
        None: None,
        "one": str(folder / "anna.pem"),
        "two": (str(folder / "anna.crt"), str(folder / "anna.key")),
        "stranger": str(folder / "mallory.pem"),
    }

    async def story(face: Face) -> Any:
        response = await face.get(nginx.secure("mutual"))
        return response.status_code, response.text

    code, text = play(story, verify=nginx.ca, cert=papers[given])
    assert code == status
    assert ("CN=anna" in text) == (status == 200)
    assert ("certificate" in text) == (status == 400)


def test_the_wrong_one_of_two_ports(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        plain_to_tls = await face.get(nginx.at("tls"))
        return plain_to_tls, await face.failing(nginx.secure("plain"))

    answer, fault = play(story, verify=nginx.ca)
    assert answer.status_code == 400
    assert "plain HTTP request" in answer.text
    assert isinstance(fault, TlsFailed)


# --- where it is found ---------------------------------------------------------------------------


@pytest.mark.rfc("6066", "3")
@pytest.mark.parametrize("kind", ["table", "function"])
def test_two_names_of_one_port(nginx: Nginx, play: Play, kind: str) -> None:
    """The name goes into the handshake, the certificate is checked for it, and Host says it."""
    port = nginx.ports["names"]
    table = {"one.example": "127.0.0.1", f"two.example:{port}": ["127.0.0.1"],
             "three.example": "127.0.0.1"}  # fmt: skip
    asked: list[tuple[str, int]] = []

    def function(host: str, port: int) -> str:
        asked.append((host, port))
        return "127.0.0.1"

    async def story(face: Face) -> Any:
        found = [
            said(await face.get(nginx.secure("names", host=f"{name}.example")))
            for name in ("one", "two", "one")
        ]
        return found, await face.failing(nginx.secure("names", host="three.example"))

    resolve = table if kind == "table" else function
    found, fault = play(story, verify=nginx.ca, resolve=resolve)
    assert found == ["one one.example", "two two.example", "one one.example"]
    assert isinstance(fault, TlsFailed)  # it has no certificate for that name
    names = () if kind == "table" else ("one", "two", "three")  # "one" has a connection already
    assert asked == [(f"{name}.example", port) for name in names]


def test_a_unix_socket_stands_for_every_host(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        found = [said(await face.get(f"http://{host}/host")) for host in ("a.example", "b.example")]
        async with face.stream("GET", "http://a.example/text.txt") as body:
            return found, await body.read()

    found, text = play(story, unix_socket=str(nginx.folder / "s"))
    assert found == ["a.example unix: HTTP/1.1", "b.example unix: HTTP/1.1"]
    assert text == TEXT


@pytest.mark.rfc("9110", "7.2")
def test_ipv6(nginx: Nginx, play: Play) -> None:
    if not nginx.has_ipv6:
        pytest.skip("this machine has no IPv6, or the port is taken there")
    url = f"http://[::1]:{nginx.ports['plain']}/host"

    async def story(face: Face) -> Any:
        response = await face.get(url)
        by_name = await face.get(f"http://six.example:{nginx.ports['plain']}/host")
        return said(response), said(by_name), response.peer

    found = play(story, resolve={"six.example": "::1"})
    assert found == (
        "[::1] ::1 HTTP/1.1", "six.example ::1 HTTP/1.1", ("::1", nginx.ports["plain"]),
    )  # fmt: skip


@pytest.mark.rfc("9110", "15.4")
def test_to_https_and_never_back(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        return await face.get(nginx.at("plain", "/secure")), await face.get(
            nginx.secure("tls", "/back")
        )

    there, back = play(story, verify=nginx.ca)
    assert said(there) == "TLSv1.3 HTTP/1.1"
    assert [hop.status_code for hop in there.history] == [301]
    assert (back.status_code, back.history) == (302, ())
    assert "from https to http" in str(back.extras["redirect_refused"])


# --- content -------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "8.4")
def test_gzip_is_undone(nginx: Nginx, play: Play) -> None:
    url = nginx.at("plain", "/text.txt")

    async def story(face: Face) -> Any:
        whole = await face.get(url)
        async with face.stream("GET", url) as body:
            lines = await body.lines()
        raw = b""
        async with face.stream("GET", url) as body:
            if isinstance(body.inner, StreamedResponse):
                raw = b"".join(body.inner.iter_raw())
            else:
                raw = b"".join([piece async for piece in body.inner.iter_raw()])
        plain = await face.get(url, headers={"accept-encoding": None})
        return whole, lines, raw, plain, face.connections

    whole, lines, raw, plain, connections = play(story)
    assert whole.content == plain.content == gzip.decompress(raw) == TEXT
    assert whole.text.splitlines() == lines == TEXT.decode().splitlines()
    assert whole.headers["content-encoding"] == "gzip"
    assert whole.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert whole.headers["transfer-encoding"] == "chunked"  # it knows no length before
    assert "content-encoding" not in plain.headers
    assert connections == 1


@pytest.mark.rfc("9110", "14.2")
def test_a_part_is_asked_for_as_it_is(nginx: Nginx, play: Play) -> None:
    """nginx would gzip the whole of it; a part of that would be a part of the code."""
    url = nginx.at("plain", "/text.txt")

    async def story(face: Face) -> Any:
        async with face.stream("GET", url, headers={"range": "bytes=100-299"}) as body:
            part = body.status_code, body.headers["content-range"], await body.read()
            asked = body.inner.response.request.headers["accept-encoding"]
        etag = (await face.ask("HEAD", url, headers={"accept-encoding": None})).headers["etag"]
        answers = [
            await face.get(url, headers={"range": "bytes=0-9", **more})
            for more in ({"if-range": etag}, {"if-range": '"another"'})
        ]
        beyond = await face.get(url, headers={"range": "bytes=9999999-"})
        several = await face.get(url, headers={"range": "bytes=0-3,10-13"})
        return part, asked, answers, beyond, several

    part, asked, (same, other), beyond, several = play(story)
    assert part == (206, f"bytes 100-299/{len(TEXT)}", TEXT[100:300])
    assert asked == "identity"
    assert (same.status_code, same.content) == (206, TEXT[:10])
    assert (other.status_code, other.content) == (200, TEXT)
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(TEXT)}")
    assert several.status_code == 206
    assert several.headers["content-type"].startswith("multipart/byteranges")


@pytest.mark.rfc("9110", "13.1.2")
def test_what_has_not_changed(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        url = nginx.at("plain", "/identity/data.bin")
        first = await face.get(url)
        again = await face.get(url, headers={"if-none-match": first.headers["etag"]})
        head = await face.ask("HEAD", url)
        return first, again, head, face.connections

    first, again, head, connections = play(story)
    assert (first.status_code, first.content) == (200, DATA)
    assert (again.status_code, again.content) == (304, b"")
    assert (head.headers["content-length"], head.content) == (str(len(DATA)), b"")
    assert connections == 1


@pytest.mark.rfc("9112", "7.1")
def test_behind_nginx_is_a_server_of_the_old_days(nginx: Nginx, play: Play) -> None:
    """Its content ends with its connection: nginx makes chunks of that, and says so when it
    ended too early."""

    async def story(face: Face) -> Any:
        whole = await face.get(nginx.at("plain", "/old/whole"))
        straight = await face.get(nginx.at("old", "/whole"))
        short = await face.failing(nginx.at("plain", "/old/short"))
        streamed, fault = 0, None
        async with face.stream("GET", nginx.at("plain", "/old/short")) as body:
            try:
                async for piece in body.pieces():
                    streamed += len(piece)
            except RemoteError as cut_short:
                fault = cut_short
        return whole, straight, short, streamed, fault, face.connections

    whole, straight, short, streamed, fault, connections = play(story)
    assert whole.content == straight.content == b"x" * 100_000
    assert (whole.version, whole.headers["transfer-encoding"]) == ("1.1", "chunked")
    assert (straight.version, straight.headers["x-old"]) == ("1.0", "1")
    assert isinstance(short, RemoteError)
    assert short.rule == fault.rule == "RFC 9112 8"
    assert 0 < streamed <= 100_000
    assert connections == 0  # the one that was cut short is gone


@pytest.mark.rfc("9110", "15.5")
def test_pages_of_errors(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        lost = await face.get(nginx.at("plain", "/nowhere"))
        head = await face.ask("HEAD", nginx.at("plain", "/nowhere"))
        post = await face.ask("POST", nginx.at("plain", "/identity/text.txt"), content=b"x")
        nobody = await face.get(nginx.at("plain", "/nobody"))
        return lost, head, post, nobody

    lost, head, post, nobody = play(story)
    assert (lost.status_code, lost.text) == (404, "<p>Nüscht</p>")
    assert (head.status_code, head.content) == (404, b"")
    assert post.status_code == 405
    assert nobody.status_code == 502


# --- heads ---------------------------------------------------------------------------------------


def test_large_heads(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        theirs = await face.get(nginx.at("plain", "/headers"))
        too_large = await face.failing(nginx.at("plain", "/too-many"))
        ours = await face.get(nginx.at("plain", "/cookie"), headers={"x-large": "z" * 7000})
        refused = await face.get(nginx.at("plain", "/cookie"), headers={"x-large": "z" * 20_000})
        return theirs, too_large, ours, refused

    theirs, too_large, ours, refused = play(story)
    assert theirs.headers["x-9"] == "y" * 3000
    assert isinstance(too_large, TooLarge)
    assert too_large.what == "head"
    assert said(ours) == "z" * 7000
    assert refused.status_code == 400
    assert "Too Large" in refused.text


# --- the pool ------------------------------------------------------------------------------------


@pytest.mark.rfc("9112", "9.3")
@pytest.mark.parametrize("mood", ["impatient", "impatient_tls"])
def test_a_server_that_closes_after_three(nginx: Nginx, play: Play, mood: str) -> None:
    url = nginx.secure(mood) if mood.endswith("tls") else nginx.at(mood)

    async def story(face: Face) -> Any:
        return [said(await face.get(url)) for _ in range(20)], face.connections

    found, connections = play(story, verify=nginx.ca)
    assert len(set(found)) == 7  # connections, as nginx counts them
    assert [found.count(each) for each in dict.fromkeys(found)] == [3] * 6 + [2]
    assert connections == 1


@pytest.mark.rfc("9112", "9.5")
def test_a_server_that_closes_what_is_idle(nginx: Nginx, play: Play) -> None:
    """A POST could not be sent twice: that the connection is gone must be known before."""
    urls = (nginx.at("impatient"), nginx.secure("impatient_tls"))

    async def story(face: Face) -> Any:
        before = [said(await face.get(url)) for url in urls]
        time.sleep(1.3)  # noqa: ASYNC251  # that a loop sees nothing meanwhile, is the point
        after = [await face.ask("POST", url, content=b"x") for url in urls]
        return before, after

    before, after = play(story, verify=nginx.ca, retry=None)
    assert {said(response) for response in after}.isdisjoint(before)
    assert not any("attempts" in response.extras for response in after)


def test_many_at_once_on_few_connections(nginx: Nginx, play: Play) -> None:
    urls = [nginx.at("impatient", f"/{number}") for number in range(120)]

    async def story(face: Face) -> Any:
        results = face.client.gather(urls, at_once=12)
        if hasattr(results, "__aiter__"):
            async with aclosing(results):
                found = [pair async for pair in results]
        else:
            found = list(results)
        return [(url, said(response)) for url, response in found]

    found = play(story, pool=PoolLimits(per_host=4))
    assert sorted(url for url, _ in found) == sorted(urls)
    assert max([text for _, text in found].count(each) for each in {t for _, t in found}) <= 3


# --- uploads -------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "10.1.1")
@pytest.mark.parametrize("kind", ["bytes", "pieces"])
def test_content_that_nginx_refuses_is_not_sent(nginx: Nginx, play: Play, kind: str) -> None:
    """With a length it is refused at once; without one, nobody can know before."""
    path = f"/small/{kind}/{play.__name__}"
    told: list[int] = []

    async def story(face: Face) -> Any:
        content = DATA * 4 if kind == "bytes" else iter([DATA] * 4)
        return await face.ask(
            "POST", nginx.at("plain", path), content=content,
            progress=lambda sent, _: told.append(sent),
        )  # fmt: skip

    response = play(story)
    assert response.status_code == 413
    ((*_, read, _),) = nginx.log(path)
    if kind == "bytes":
        assert told in ([], [0])
        assert int(read) < 1000
    else:
        assert int(read) < 3 * MIB


@pytest.mark.rfc("9112", "9.5")
def test_a_refusal_is_read_though_everything_was_sent(nginx: Nginx, play: Play) -> None:
    async def story(face: Face) -> Any:
        codes = []
        for _ in range(3):
            response = await face.ask("POST", nginx.at("plain", "/small"), content=DATA * 4)
            codes.append(response.status_code)
        return codes

    assert play(story, expect_continue=None) == [413] * 3


@pytest.mark.rfc("9110", "9.3.4")
@pytest.mark.parametrize("kind", ["bytes", "pieces", "file"])
def test_64_mib_are_put(nginx: Nginx, play: Play, kind: str, tmp_path: Path) -> None:
    size, name = 64 * MIB, f"{kind}-{play.__name__}"
    url = nginx.at("plain", f"/put/{name}")
    told: list[tuple[int, int | None]] = []

    def content() -> Any:
        if kind == "bytes":
            return DATA * 64
        if kind == "pieces":
            return (DATA for _ in range(64))
        path = tmp_path / "large"
        with path.open("wb") as file:
            file.writelines(DATA for _ in range(64))
        return path.open("rb")

    async def story(face: Face) -> Any:
        given = content()
        try:
            response = await face.ask(
                "PUT", url, content=given, progress=lambda sent, total: told.append((sent, total))
            )
        finally:
            if kind == "file":
                given.close()
        return response.status_code

    assert play(story) == 201
    there = nginx.folder / "put" / name
    with there.open("rb") as arrived:
        found = hashlib.file_digest(arrived, "sha256").digest()
    there.unlink()
    assert found == hashlib.sha256(DATA * 64).digest()
    assert told[-1] == (size, None if kind == "pieces" else size)


# --- time ----------------------------------------------------------------------------------------


def test_a_slow_answer_comes_piece_by_piece(nginx: Nginx, play: Play) -> None:
    """512 KiB a second, after 64 KiB at once; the first part is 384 KiB of it."""
    url = nginx.at("plain", "/slow/data.bin")

    async def story(face: Face) -> Any:
        began, size, first = time.monotonic(), 0, 0.0
        async with face.stream("GET", url, headers={"range": "bytes=0-393215"}) as body:
            async for piece in body.pieces():
                first = first or time.monotonic() - began
                size += len(piece)
        took = time.monotonic() - began
        late = await face.failing(url, timeout=Timeout(total=0.3))
        slow = await face.failing(url, timeout=Timeout(read=0.05))
        return size, first, took, late, slow

    # What is streamed has no end in all, only between two reads.
    size, first, took, late, slow = play(story, timeout=Timeout(total=0.2))
    assert size == 393216
    assert took > 0.4
    assert first < took / 2
    assert isinstance(late, TotalTimeout)
    assert isinstance(slow, ReadTimeout)


@pytest.mark.rfc("9110", "10.2.3")
def test_what_is_busy_is_asked_again_when_it_wants(nginx: Nginx, play: Play) -> None:
    busy = nginx.folder / "busy"
    busy.touch()
    waited: list[float] = []

    def watch(step: Any) -> None:
        if step.name == "wait" and step.detail.status_code == 503:
            busy.unlink()  # it is free from now on
        if step.name == "retry":
            waited.append(step.seconds)

    async def story(face: Face) -> Any:
        found = await face.get(nginx.at("plain", "/busy"), trace=watch)
        long = await face.get(nginx.at("plain", "/busy-for-long"))
        return found, long

    retry = Retry(statuses=frozenset({503}), first_wait=0.0)
    found, long = play(story, retry=retry)
    assert said(found) == "fine"
    assert found.extras["attempts"] == 2
    assert len(waited) == 1
    assert waited[0] >= 1.0
    assert (long.status_code, "attempts" in long.extras) == (503, False)  # too late to be of use
