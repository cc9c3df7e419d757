"""Our server behind nginx, HAProxy and Caddy, which keep their connections to it.

A proxy is a client that never forgives: what it cannot read is a 502 for somebody else. So every
kind of message passes here, both ways, and what happens to a proxy's connections when clients
leave, when workers are replaced and when a server goes is looked at from the outside.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.client_shops import LARGE, NEEDS, PIECES, TALKING, Shop, digest, fill, shop
from tests.live.peers import free_port, process

pytestmark = [pytest.mark.live, pytest.mark.timeout(90), pytest.mark.needs("curl")]

Program = Callable[[str], str]
HUGE = LARGE * 8  # 10 MB: more than any proxy holds in memory

NGINX = """
daemon off; worker_processes 1; master_process off; pid {folder}/nginx.pid;
error_log {folder}/error.log warn; events {{ worker_connections 512; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  upstream shop {{ {servers} keepalive 32; keepalive_timeout 10s; }}
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
    }}
    location /buffered/ {{
      proxy_pass http://shop/; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
    location /closing/ {{ proxy_pass http://shop/; }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 500
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  timeout http-keep-alive 10s
  option forwardfor
  http-reuse always
frontend front
  bind 127.0.0.1:{front}
  default_backend back
backend back
  {servers}
"""

CADDY = """
{{
  admin off
  auto_https off
  persist_config off
}}
http://127.0.0.1:{front}, http://localhost:{front} {{
  bind 127.0.0.1
  reverse_proxy {servers} {{
    transport http {{
      keepalive 10s
    }}
  }}
}}
"""

PROXIES = ("nginx", "haproxy", "caddy")
proxies = pytest.mark.parametrize(
    "proxy", [pytest.param(name, marks=pytest.mark.needs(name)) for name in PROXIES], indirect=True
)


@contextlib.contextmanager
def standing_before(kind: str, folder: Path, path: str, *ports: int) -> Iterator[str]:
    """Run a proxy before servers at these ports; give its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    front, config, log = free_port(), folder / "config", folder / "error.log"
    if kind == "nginx":
        servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
        command = [path, "-c", str(config), "-p", str(folder)]
        text = NGINX.format(front=front, servers=servers, folder=folder)
    elif kind == "haproxy":
        servers = "\n  ".join(
            f"server s{port} 127.0.0.1:{port} pool-purge-delay 10s" for port in ports
        )
        command = [path, "-db", "-q", "-f", str(config)]
        text = HAPROXY.format(front=front, servers=servers)
    else:
        servers = " ".join(f"127.0.0.1:{port}" for port in ports)
        command = [path, "run", "--config", str(config), "--adapter", "caddyfile"]
        text = CADDY.format(front=front, servers=servers)
    config.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):  # where Caddy would write
            patch.setenv(name, str(folder))
        with process(front, *command, said=log):
            yield f"http://127.0.0.1:{front}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fill(tmp_path_factory.mktemp("behind") / "served")
    (folder / "files" / "huge.bin").write_bytes(HUGE)
    return folder


class Behind:
    """A proxy, and the server that it stands before."""

    def __init__(self, url: str, shop: Shop) -> None:
        self.url, self.shop = url, shop


@pytest.fixture(scope="module")
def shops(folder: Path) -> Iterator[Callable[[str], Shop]]:
    """Give the server of a kind, which believes nobody: each is started once."""
    with contextlib.ExitStack() as stack:
        opened: dict[str, Shop] = {}

        def of_kind(kind: str) -> Shop:
            if kind not in opened:
                opened[kind] = stack.enter_context(shop(kind, folder))
            return opened[kind]

        yield of_kind


@pytest.fixture(scope="module")
def fronts(
    shops: Callable[[str], Shop],
    program: Program,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, str], Behind]]:
    """Give a proxy before a server: each pair is started once."""
    with contextlib.ExitStack() as stack:
        standing: dict[tuple[str, str], Behind] = {}

        def before(proxy: str, kind: str) -> Behind:
            if (proxy, kind) not in standing:
                place, port = tmp_path_factory.mktemp(proxy), shops(kind).port
                url = stack.enter_context(standing_before(proxy, place, program(proxy), port))
                standing[proxy, kind] = Behind(url, shops(kind))
            return standing[proxy, kind]

        yield before


@pytest.fixture
def proxy(request: pytest.FixtureRequest, fronts: Callable[[str, str], Behind]) -> Behind:
    return fronts(request.param, "app")


def curl(*words: str | Path, says: bytes = b"", code: int = 0) -> bytes:
    command = ["curl", "-sS", *[str(word) for word in words]]
    done = subprocess.run(command, input=says, capture_output=True, timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout[-500:], done.stderr[-500:])
    return done.stdout


def code_of(*words: str | Path) -> str:
    return curl("-o", "/dev/null", "-w", "%{http_code}", *words).decode()


# --- what passes ---------------------------------------------------------------------------------


@proxies
@pytest.mark.rfc("9112", "7.1")
def test_bodies_pass_both_ways(proxy: Behind, folder: Path) -> None:
    url, huge = proxy.url, folder / "files" / "huge.bin"
    assert curl("-T", huge, url + "/echo").decode() == digest(HUGE)
    assert curl("-T", "-", url + "/echo", says=HUGE).decode() == digest(HUGE)  # chunked
    assert curl("-d", "", url + "/echo").decode() == digest(b"")
    assert curl("-T", huge, "-H", "Expect: 100-continue", url + "/echo").decode() == digest(HUGE)
    form = ("-F", "note=grüße", "-F", f"file=@{huge}")
    assert curl(*form, url + "/form").decode() == f"grüße huge.bin {len(HUGE)}"
    assert curl(url + "/files/huge.bin") == HUGE
    assert curl(url + "/stream").decode() == "".join(PIECES)
    assert curl(url + "/down") == LARGE


@proxies
@pytest.mark.rfc("9110", "14.2")
def test_heads_ranges_and_conditions_pass(proxy: Behind) -> None:
    url = proxy.url + "/files/large.bin"
    head = curl("-I", url).decode().lower()
    assert f"content-length: {len(LARGE)}\r\n" in head
    tag = re.search(r"etag: (\S+)", head)
    assert tag is not None
    assert code_of("-H", f"If-None-Match: {tag[1]}", url) == "304"
    assert curl("-r", "10-19", url) == LARGE[10:20]
    assert code_of("-r", "10-19", "-H", f"If-Range: {tag[1]}", url) == "206"
    assert code_of("-r", "99999999-", url) == "416"
    several = curl("-i", "-r", "0-9,-5", url)
    assert b"multipart/byteranges" in several
    assert LARGE[-5:] in several
    page = proxy.url + "/files/page.html"
    assert b"content-encoding: gzip" in curl("-I", "-H", "Accept-Encoding: gzip", page).lower()
    assert code_of(proxy.url + "/to-hello") == "303"


@proxies
def test_errors_pass_as_they_are(proxy: Behind) -> None:
    url = proxy.url
    asked = [
        ("404", [url + "/nowhere"]),
        ("404", [url + "/files/none"]),
        ("405", ["-X", "DELETE", url + "/hello"]),
        ("501", ["-X", "BREW", url + "/hello"]),
        ("500", [url + "/broken"]),
        ("400", ["--path-as-is", url + "/files/%00"]),
        ("200", [url + "/hello"]),
    ]
    found = [(code_of(*words), words) for _, words in asked]
    assert found == asked


@proxies
@pytest.mark.rfc("9110", "15.5.14")
def test_what_is_too_large_is_refused_and_no_bad_gateway(proxy: Behind, tmp_path: Path) -> None:
    """Our 413 goes out while the proxy still sends; it has to be able to read it."""
    path = tmp_path / "too-large"
    with path.open("wb") as file:
        file.truncate(40_000_000)
    for words in (["-T", path], ["-T", path, "-H", "Expect: 100-continue"]):
        assert code_of(*words, proxy.url + "/echo") == "413"
    assert code_of(proxy.url + "/hello") == "200"


@proxies
@pytest.mark.rfc("9112", "9.3")
def test_connections_are_used_again(proxy: Behind) -> None:
    curl(proxy.url + "/page")  # which nothing else asks for
    lines = proxy.shop.until(lambda lines: lines and lines[-1]["target"] == "/page")
    before = len(lines)
    many = [word for n in range(100) for word in ("-o", "/dev/null", f"{proxy.url}/hello?{n}")]
    curl(*many)
    mixed = ["/hello", "/nowhere", "/broken", "/files/small.txt", "/stream", "/to-hello"]
    curl(*[word for path in mixed * 3 for word in ("-o", "/dev/null", proxy.url + path)])
    for _ in range(5):
        curl("-I", proxy.url + "/files/large.bin")
        assert curl("-d", "abc", proxy.url + "/echo").decode() == digest(b"abc")
    count = 100 + 18 + 10
    lines = proxy.shop.until(lambda lines: len(lines) >= before + count)[before:]
    assert len(lines) == count
    ports = {line["peer_port"] for line in lines}
    assert len(ports) <= 3, f"{len(ports)} connections for {count} requests, one after the other"


@proxies
def test_who_leaves_early_ends_what_is_under_way(proxy: Behind) -> None:
    before = len(proxy.shop.answered())
    for _ in range(3):
        curl("--max-time", "0.2", "-o", "/dev/null", proxy.url + "/endless", code=28)

    def ended(lines: list[dict[str, Any]]) -> bool:
        return [line["why"] for line in lines[before:] if line["target"] == "/endless"] == (
            ["gone"] * 3
        )

    proxy.shop.until(ended)
    assert code_of(proxy.url + "/hello") == "200"


@proxies
def test_who_leaves_in_the_middle_of_an_upload_leaves_no_trace(proxy: Behind) -> None:
    port = int(proxy.url.rpartition(":")[2])
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), 5) as leaving:
            head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"
            leaving.sendall(head + b"x" * 300_000)
    for _ in range(5):
        assert curl("-d", "abc", proxy.url + "/echo").decode() == digest(b"abc")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.needs(*NEEDS[k])) for k in TALKING if k in NEEDS]
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("nginx", marks=pytest.mark.needs("nginx")),
        *[pytest.param(n, marks=[pytest.mark.needs(n), pytest.mark.long]) for n in PROXIES[1:]],
    ],
)
def test_applications_of_others_pass_too(
    fronts: Callable[[str, str], Behind], folder: Path, kind: str, name: str
) -> None:
    url, huge = fronts(name, kind).url, folder / "files" / "huge.bin"
    assert curl("-T", huge, url + "/echo").decode() == digest(HUGE)
    assert curl("-T", "-", url + "/echo", says=HUGE).decode() == digest(HUGE)
    assert curl(url + "/files/huge.bin") == HUGE
    assert curl("-r", "10-19", url + "/files/large.bin") == LARGE[10:20]
    assert curl(url + "/stream").decode() == "".join(PIECES)
    assert [code_of(url + path) for path in ("/hello", "/broken", "/nowhere")] == [
        "200", "500", "404",
    ]  # fmt: skip


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("place", ["/buffered", "/closing"])
def test_nginx_as_it_comes(fronts: Callable[[str, str], Behind], folder: Path, place: str) -> None:
    """With HTTP/1.0 and a connection for each request, and with requests that it reads first."""
    url, huge = fronts("nginx", "app").url + place, folder / "files" / "huge.bin"
    assert curl("-T", huge, url + "/echo").decode() == digest(HUGE)
    assert curl("-T", "-", url + "/echo", says=HUGE).decode() == digest(HUGE)
    assert curl(url + "/stream").decode() == "".join(PIECES)
    assert curl(url + "/files/huge.bin") == HUGE
    assert [code_of(url + path) for path in ("/hello", "/broken")] == ["200", "500"]


# --- who is believed -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.needs(n)) for n in PROXIES])
@pytest.mark.rfc("7239", "4")
def test_what_a_proxy_says_of_its_client_is_believed(
    folder: Path, tmp_path: Path, program: Program, name: str
) -> None:
    fields = "x-forwarded-for,x-forwarded-proto"
    with (
        shop("app", folder, "--trusted-proxies", "127.0.0.1", "--proxy-fields", fields) as served,
        standing_before(name, tmp_path / "front", program(name), served.port) as url,
    ):
        fooling = ("-H", "X-Forwarded-For: 192.0.2.66", "-H", "Forwarded: for=192.0.2.67")
        seen = json.loads(curl("--interface", "127.0.0.9", *fooling, url + "/seen"))
        direct = json.loads(curl("--interface", "127.0.0.9", *fooling, served.url + "/seen"))
    assert seen["peer"] == "127.0.0.9"
    assert seen["url"] == url + "/seen"
    assert direct["peer"] == "127.0.0.9", "a stranger is not believed"


# --- while servers come and go -------------------------------------------------------------------


def load(url: str, seconds: int, connections: int = 16) -> subprocess.Popen[str]:
    """Let wrk ask as fast as the proxy lets it."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def without_fault(load: subprocess.Popen[str]) -> int:
    """Wait for wrk, which has to have had an answer of 2xx to each request; return how many."""
    said = load.communicate(timeout=120)[0]
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    found = re.search(r"([0-9]+) requests in", said)
    assert found is not None, said
    return int(found[1])


@pytest.mark.needs("wrk")
@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.needs(n)) for n in PROXIES])
def test_no_request_under_load_is_a_bad_gateway(
    fronts: Callable[[str, str], Behind], name: str
) -> None:
    """More than a thousand requests on each connection, after which we end it, which we say."""
    behind = fronts(name, "app")
    made = without_fault(load(behind.url + "/page?load", 2, connections=4))
    time.sleep(0.7)  # the log is written a moment later
    lines = [line for line in behind.shop.answered() if line["target"] == "/page"]
    assert len(lines) >= made
    ports = {line["peer_port"] for line in lines}
    assert len(ports) <= 4 + made // 900, f"{len(ports)} connections for {made} requests"


@pytest.mark.needs("wrk")
@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.needs(n)) for n in PROXIES])
def test_a_reload_each_second_is_no_bad_gateway(
    folder: Path, tmp_path: Path, program: Program, name: str
) -> None:
    with (
        shop("app", folder, "--workers", "2", "--access-log", "off") as served,
        standing_before(name, tmp_path / "front", program(name), served.port) as url,
    ):
        asked = load(url + "/hello", 12)
        for _ in range(10):
            time.sleep(1)
            served.process.send_signal(signal.SIGHUP)
        assert without_fault(asked) > 500


@pytest.mark.needs("wrk", "nginx")
@pytest.mark.long
def test_a_worker_less_is_no_bad_gateway(folder: Path, tmp_path: Path, program: Program) -> None:
    with (
        shop("app", folder, "--workers", "2", "--access-log", "off") as served,
        standing_before("nginx", tmp_path / "front", program("nginx"), served.port) as url,
    ):
        asked = load(url + "/hello", 9)
        for number in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTTIN):
            time.sleep(2)
            served.process.send_signal(number)
        assert without_fault(asked) > 500


@pytest.mark.needs("wrk", "nginx")
@pytest.mark.long
def test_one_of_two_servers_may_stop(folder: Path, tmp_path: Path, program: Program) -> None:
    """As when a new version is rolled out: nginx asks the other, and no client sees a thing."""
    with shop("app", folder, "--access-log", "off") as stays, contextlib.ExitStack() as stack:
        goes = stack.enter_context(shop("app", folder, "--access-log", "off"))
        ports = (stays.port, goes.port)
        with standing_before("nginx", tmp_path / "front", program("nginx"), *ports) as url:
            asked = load(url + "/hello", 6)
            time.sleep(2)
            stack.close()
            assert goes.process.returncode == 0
            assert without_fault(asked) > 500


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.needs(n)) for n in PROXIES])
@pytest.mark.long
def test_a_pause_as_long_as_our_patience_is_no_bad_gateway(
    folder: Path, tmp_path: Path, program: Program, name: str
) -> None:
    """We close what is idle; a proxy that asks just then asks anew, or it was told before."""
    with (
        shop("app", folder, "--timeout-idle", "1", "--timeout-jitter", "0") as served,
        standing_before(name, tmp_path / "front", program(name), served.port) as url,
    ):
        for turn in range(12):
            assert code_of(url + "/hello") == "200"
            time.sleep(0.99 + turn * 0.002)
