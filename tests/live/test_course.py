"""The course's exchange, byte for byte: a request written by hand, read until the peer closes.

    GET http://HOST/index.html HTTP/1.1
    Host: HOST
    Connection: close

From a bare Python socket that takes 1024 bytes at a time and saves what it gets, and from
`printf | nc`; with the fields that the course calls not required, and without them.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType

import pytest

from crlf import running

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "examples/store/static/index.html"
OPTIONAL = (
    "Accept-Encoding: identity\r\n",
    "From: tim@ksu.edu\r\n",
    "Accept-Language: en\r\n",
    "User-Agent: Python\r\n",
)
CHOICES = ["", *OPTIONAL, "".join(OPTIONAL), *("".join(pair) for pair in combinations(OPTIONAL, 2))]


@pytest.fixture
def host(store: ModuleType) -> Iterator[str]:
    """The store's address, as in "127.0.0.1:8000"."""
    with running(store.app) as server:
        yield f"127.0.0.1:{server.port}"


def retrieve(host: str, request: str, path: Path) -> tuple[str, bytes]:
    """Do as the course does; return the head and the content that were saved."""
    name, _, port = host.partition(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(10)
    s.connect((name, int(port)))
    s.send(request.encode("ascii"))
    fp = open(path, "wb")  # noqa: SIM115  # as the course has it
    while 1:
        data = s.recv(1024)
        if not len(data):
            break
        fp.write(data)
    fp.close()
    s.close()
    head, _, content = path.read_bytes().partition(b"\r\n\r\n")
    return head.decode("latin-1"), content


@pytest.mark.rfc("9112", "3.2.2")
@pytest.mark.rfc("9112", "9.6")
@pytest.mark.parametrize("optional", CHOICES)
def test_the_course_s_program_saves_the_page(host: str, tmp_path: Path, optional: str) -> None:
    request = f"GET http://{host}/index.html HTTP/1.1\r\n"
    request = request + f"Host: {host}\r\n{optional}Connection: close\r\n\r\n"
    head, content = retrieve(host, request, tmp_path / "index.html")
    assert content == PAGE.read_bytes()
    status, *fields = head.lower().split("\r\n")
    assert status == "http/1.1 200 ok"
    assert "connection: close" in fields
    assert "content-type: text/html; charset=utf-8" in fields
    assert f"content-length: {len(content)}" in fields


@pytest.mark.needs("nc")
@pytest.mark.rfc("9112", "3.2.2")
@pytest.mark.parametrize("optional", [CHOICES[0], CHOICES[5]])
@pytest.mark.parametrize("options", ["", "-N", "-q 1"], ids=["waits", "shuts", "leaves"])
def test_printf_and_nc_save_the_page(
    host: str, tmp_path: Path, program: Callable[[str], str], options: str, optional: str
) -> None:
    """nc waits for the store to close; with -N it says first that it will send no more."""
    text = f"GET http://{host}/index.html HTTP/1.1\r\nHost: {host}\r\n{optional}"
    text = (text + "Connection: close\r\n\r\n").replace("\r\n", r"\r\n")
    name, _, port = host.partition(":")
    command = f"printf '{text}' | {program('nc')} {options} {name} {port} > page"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=10)
    head, _, content = (tmp_path / "page").read_bytes().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert content == PAGE.read_bytes()


@pytest.mark.rfc("9110", "9.3.1")
@pytest.mark.parametrize("target", ["/index.html", "http://{}/index.html"])
@pytest.mark.parametrize("close", ["Connection: close\r\n", ""])
def test_http_1_0_needs_no_host_and_ends_with_the_reply(
    host: str, tmp_path: Path, target: str, close: str
) -> None:
    request = f"GET {target.format(host)} HTTP/1.0\r\n{close}\r\n"
    head, content = retrieve(host, request, tmp_path / "index.html")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert content == PAGE.read_bytes()


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize("target", ["/index.html", "http://{}/index.html"])
def test_http_1_1_without_host_is_told_the_rule(host: str, tmp_path: Path, target: str) -> None:
    request = f"GET {target.format(host)} HTTP/1.1\r\nConnection: close\r\n\r\n"
    head, content = retrieve(host, request, tmp_path / "answer")
    assert head.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert b"Host" in content
    assert b"RFC 9112 3.2" in content


@pytest.mark.rfc("9112", "2.2")
def test_a_line_that_ends_in_a_bare_lf_is_told_the_rule(host: str, tmp_path: Path) -> None:
    """The course's comments show the optional fields with \\n alone, which would not have done."""
    request = f"GET http://{host}/index.html HTTP/1.1\r\nHost: {host}\r\n"
    request = request + "From: tim@ksu.edu\nConnection: close\r\n\r\n"
    head, content = retrieve(host, request, tmp_path / "answer")
    assert head.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert b"RFC 9112 2.2" in content


@pytest.mark.rfc("9110", "9.3.1")
def test_data_may_be_embedded_in_the_url(host: str, tmp_path: Path) -> None:
    """A zip code and a part number, the course's own examples, after a question mark."""
    for query, found in (("part?number=7", b"Spur gear"), ("shipping?zip=67401&number=7", b"4.35")):
        request = f"GET http://{host}/{query} HTTP/1.1\r\nHost: {host}\r\n"
        request = request + "Connection: close\r\n\r\n"
        head, content = retrieve(host, request, tmp_path / "page.html")
        assert head.startswith("HTTP/1.1 200 OK\r\n")
        assert found in content


@pytest.mark.rfc("9110", "9.3.3")
def test_a_form_is_sent_with_post(host: str, tmp_path: Path) -> None:
    """What a browser sends when "submit" is clicked, by hand; the reply leads to the cart."""
    form = "number=7&quantity=2"
    request = f"POST http://{host}/cart HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    request = request + "Content-Type: application/x-www-form-urlencoded\r\n"
    request = request + f"Content-Length: {len(form)}\r\n\r\n{form}"
    head, content = retrieve(host, request, tmp_path / "answer")
    assert head.startswith("HTTP/1.1 303 See Other\r\n")
    assert "\r\nlocation: /cart\r\n" in head
    assert "\r\nset-cookie: session=" in head
    assert content == b""
