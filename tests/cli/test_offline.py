"""--offline: the bytes that would go out, and nothing but them; nobody is asked for anything.

That they are those that a live command sends is held in tests/live/test_course_forms.py.
"""

from __future__ import annotations

import io
import json
import socket
import zlib
from pathlib import Path
from typing import Any

import pytest

from crlf.cli.exits import NO_INPUT, OK, USAGE
from crlf.message.version import __version__

CommandLine = Any  # see conftest.py
URL = "http://a.example/x"
HEAD = (
    f"GET /x HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\nuser-agent: crlf/{__version__}\r\n"
    "accept-encoding: gzip, deflate\r\n\r\n"
).encode()


@pytest.fixture(autouse=True)
def nobody_to_ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt at the network be an error, but in a test that has a site."""
    if "site" in request.fixturenames:
        return

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("--offline has asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_request_is_written_as_it_would_be_sent(crlf: CommandLine) -> None:
    done = crlf("get", URL, "--offline")
    assert (done.code, done.out, done.err) == (OK, HEAD, "")


def test_no_host_is_looked_up_and_no_tls_spoken(crlf: CommandLine) -> None:
    done = crlf("get", "https://no-such-host.invalid/x", "--offline", "--untrusted")
    assert done.code == OK
    assert done.out.startswith(b"GET /x HTTP/1.1\r\nhost: no-such-host.invalid\r\n")


@pytest.mark.rfc("9112", "6.2")
def test_a_form_has_its_length(crlf: CommandLine) -> None:
    head, _, content = crlf("post", URL, "a=1", "b=ö", "--offline").out.partition(b"\r\n\r\n")
    assert content == b"a=1&b=%C3%B6"
    assert b"\r\ncontent-length: 12" in head


def test_json_is_written(crlf: CommandLine) -> None:
    content = crlf("put", URL, "a:=[1,2]", "b=x", "--offline").out.partition(b"\r\n\r\n")[2]
    assert json.loads(content) == {"a": [1, 2], "b": "x"}


@pytest.mark.rfc("9112", "7.1")
def test_chunks_are_written_as_chunks(crlf: CommandLine) -> None:
    head, _, content = crlf("post", URL, "a=1", "--chunked", "--offline").out.partition(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked" in head
    assert content == b"3\r\na=1\r\n0\r\n\r\n"


def test_compressed_content_is_written_compressed(crlf: CommandLine) -> None:
    head, _, content = crlf("post", URL, f"a={'b' * 500}", "-x", "--offline").out.partition(
        b"\r\n\r\n"
    )
    assert b"\r\ncontent-encoding: gzip" in head
    assert zlib.decompress(content, wbits=31) == b"a=" + b"b" * 500


def test_the_boundary_of_the_head_is_that_of_the_parts(crlf: CommandLine) -> None:
    (crlf.folder / "f").write_bytes(b"\x00\xff")
    head, _, content = crlf("post", URL, "a=1", "f@f", "--offline").out.partition(b"\r\n\r\n")
    boundary = head.partition(b"boundary=")[2].partition(b"\r\n")[0]
    assert content.startswith(b"--" + boundary + b"\r\n")
    assert content.endswith(b"\x00\xff\r\n--" + boundary + b"--\r\n")


@pytest.mark.rfc("9110", "10.1.1")
def test_a_large_file_goes_out_in_pieces_after_a_question(crlf: CommandLine) -> None:
    content = bytes(range(256)) * 4096 * 3
    (crlf.folder / "large").write_bytes(content)
    sizes: list[int] = []

    class Counting(io.BytesIO):
        def write(self, data: Any) -> int:
            sizes.append(len(data))
            return super().write(data)

    done = crlf("put", URL, "@large", "--offline", stdout=Counting())
    head, _, sent = done.out.partition(b"\r\n\r\n")
    assert b"\r\nexpect: 100-continue" in head
    assert sent == content
    assert max(sizes) <= 1024 * 1024


def test_standard_input_is_read_where_it_is_named(crlf: CommandLine) -> None:
    crlf.stdin = b"what comes"
    done = crlf("post", URL, "@-", "--offline")
    assert done.out.endswith(b"content-length: 10\r\n\r\nwhat comes")


# --- credentials and sessions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["--auth", "tim:secret"], b"authorization: Basic dGltOnNlY3JldA=="),
        (["--auth-type", "bearer", "--auth", "abc"], b"authorization: Bearer abc"),
    ],
)
def test_credentials_are_written_and_said(
    crlf: CommandLine, words: list[str], field: bytes
) -> None:
    done = crlf("get", URL, *words, "--offline")
    assert field in done.out
    assert "secrets in it (authorization)" in done.err


@pytest.mark.rfc("7616", "3.3")
def test_digest_answers_what_was_not_asked_yet(crlf: CommandLine) -> None:
    done = crlf("get", URL, "-A", "digest", "-a", "tim:secret", "--offline")
    assert done.out == HEAD
    assert "Digest" in done.err
    assert "secret" not in done.err


def test_a_session_s_cookies_are_written_and_its_file_left_alone(
    crlf: CommandLine, site: str
) -> None:
    session = crlf.folder / "s.json"
    name = f"--session={session}"
    assert crlf("get", f"{site}/page", "X-Kept:yes", "Cookie:id=7", name).code == OK
    before = session.read_bytes()
    done = crlf("get", f"{site}/echo", "X-Other:no", name, "--offline")
    assert b"\r\nX-Kept: yes\r\n" in done.out
    assert b"\r\ncookie: id=7\r\n" in done.out.lower()
    assert session.read_bytes() == before


def test_a_session_that_is_not_there_is_not_made(crlf: CommandLine) -> None:
    done = crlf("get", URL, "--session=./new.json", "--offline")
    assert (done.code, done.out) == (OK, HEAD)
    assert not (crlf.folder / "new.json").exists()


# --- proxies -------------------------------------------------------------------------------------


@pytest.mark.rfc("9112", "3.2.2")
def test_what_a_proxy_forwards_is_in_the_absolute_form(crlf: CommandLine) -> None:
    done = crlf("get", URL, "--proxy", "http://u:p@proxy.example:3128", "--offline")
    assert done.out.startswith(b"GET http://a.example/x HTTP/1.1\r\nhost: a.example\r\n")
    assert b"\r\nProxy-Authorization: Basic dTpw\r\n" in done.out
    assert "for the proxy http://proxy.example:3128" in done.err


@pytest.mark.rfc("9110", "9.3.6")
def test_in_a_tunnel_it_is_what_the_origin_gets(crlf: CommandLine) -> None:
    done = crlf("get", "https://a.example/x", "--proxy", "http://u:p@proxy.example", "--offline")
    assert done.out == HEAD
    assert "CONNECT" in done.err


# --- on a terminal -------------------------------------------------------------------------------


def test_a_terminal_sees_text_without_control_characters(terminal: CommandLine) -> None:
    done = terminal("post", URL, "--raw", "a\x1b]0;owned\x07\r\nb", "X:ü", "--offline")
    assert "\x1b" not in done.text
    assert done.text.endswith("X: ü\ncontent-length: 14\n\na\\x1b]0;owned\\x07\nb\n")


def test_a_terminal_is_told_of_binary_content(terminal: CommandLine) -> None:
    (terminal.folder / "f").write_bytes(bytes(range(256)) * 16)
    done = terminal("put", URL, "@f", "--offline")
    assert "\x00" not in done.text
    assert "4.1 kB of binary content" in done.err or "4,096 bytes of binary" in done.err


def test_a_terminal_has_colours(crlf: CommandLine) -> None:
    crlf.on_terminal = ("stdout",)
    assert "\x1b[36mhost\x1b[0m: a.example\n" in crlf("get", URL, "--offline").text


# --- what cannot be meant ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--as", "crul"], USAGE, "did you mean curl?"),
        (["--as", "telnet"], USAGE, "--as takes curl, printf-nc"),
        (["--as", "curl", "--offline"], USAGE, "exclude each other"),
        (["--offline", "--har", "x.har"], USAGE, "so --har has nothing to say"),
        (["--as", "curl", "-w", "%{http_code}"], USAGE, "so --write-out has nothing to say"),
        (["--offline", "-o", "x"], USAGE, "> FILE"),
        (["--offline", "Host:a", "Host:b"], USAGE, "exactly one Host"),
        (["--offline", "Content-Length:7"], USAGE, "Content-Length"),
    ],
)
def test_one_line_says_what_is_wrong(
    crlf: CommandLine, words: list[str], code: int, line: str
) -> None:
    done = crlf("get", URL, *words)
    assert (done.code, done.out) == (code, b"")
    assert line in done.err
    assert done.err.count("\n") == 1


def test_a_file_that_is_not_there(crlf: CommandLine, tmp_path: Path) -> None:
    done = crlf("post", URL, "@gone", "--offline")
    assert (done.code, done.out) == (NO_INPUT, b"")
