"""--print and its sisters: which parts of an exchange are shown, where, and in which order."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from crlf import App, Request, Response, running
from crlf.cli.exits import BROKE, OK, PIPE_CLOSED, REDIRECTED, REFUSED, USAGE
from crlf.cli.showing.sent import MOST, Sent
from crlf.net.tap import Event

CommandLine = Terminal = Any  # see conftest.py
ANSWER = b"HTTP/1.1 200 Fine\r\nContent-Type: text/plain\r\nX-N: \xc3\xbc\r\n\r\nhello"


def starts(text: str) -> list[str]:
    """List the start lines in what was shown."""
    return re.findall(r"^(?:[A-Z]+ /\S* HTTP/1\.1|HTTP/1\.1 .*)$", text, re.MULTILINE)


# --- what is shown -------------------------------------------------------------------------------


def test_a_terminal_gets_head_and_content(
    terminal: Terminal, scripted: Callable[[bytes], str]
) -> None:
    done = terminal("get", scripted(ANSWER))
    assert done.text == "HTTP/1.1 200 Fine\nContent-Type: text/plain\nX-N: ü\n\nhello\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--headers"], "HTTP/1.1 200 Fine\nContent-Type: text/plain\nX-N: ü\n"),
        (["-p", "h"], "HTTP/1.1 200 Fine\nContent-Type: text/plain\nX-N: ü\n"),
        (["-b"], "hello"),
        (["--print=bh"], "HTTP/1.1 200 Fine\nContent-Type: text/plain\nX-N: ü\n\nhello"),
        (["-q"], ""),
        (["-qq"], ""),
    ],
)
def test_the_parts_that_are_asked_for_are_shown(
    words: list[str], expected: str, crlf: CommandLine, scripted: Callable[[bytes], str]
) -> None:
    done = crlf("get", scripted(ANSWER), *words)
    assert (done.code, done.text, done.err) == (OK, expected, "")


def test_all_parts_stand_in_the_order_of_the_exchange(crlf: CommandLine, site: str) -> None:
    done = crlf("post", f"{site}/echo", "a=1", "--print=mbhBH")
    request, form, head, content, facts = done.text.split("\n\n")
    assert request.startswith("POST /echo HTTP/1.1\nhost: ")
    assert form == "a=1"
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert json.loads(content)["form"] == [["a", "1"]]
    assert re.fullmatch(
        r"peer +127\.0\.0\.1:\d+\nstatus +200 OK\nversion +HTTP/1\.1\nhead +\d+ bytes\n"
        r"content +\d+ bytes\nseconds +\d+\.\d{3}\n",
        facts,
    )


def test_what_was_really_sent_is_shown(crlf: CommandLine, site: str) -> None:
    done = crlf("post", f"{site}/echo", "a=1", "-p", "H")
    shown = done.text.split("\n")[1:-1]
    echoed = json.loads(crlf("post", f"{site}/echo", "a=1").out)
    assert [line.lower().split(": ", 1) for line in shown] == echoed["headers"]


def test_credentials_are_not_shown(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/echo", "-a", "me:secret", "-p", "Hb")
    assert "authorization: Basic [not shown]\n" in done.text
    assert ["authorization", "Basic bWU6c2VjcmV0"] in json.loads(done.text.split("\n\n")[1])[
        "headers"
    ]


def test_of_redirects_the_last_exchange_is_shown(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/old", "-p", "Hhm")
    assert starts(done.text) == ["GET /page HTTP/1.1", "HTTP/1.1 200 OK"]
    assert "redirects  1\n" in done.text


@pytest.mark.parametrize("size", [10, MOST + 10])
def test_content_that_was_sent_is_shown_whole(size: int, crlf: CommandLine, site: str) -> None:
    (crlf.folder / "a").write_bytes(b"x" * size)
    done = crlf("put", f"{site}/echo", "@a", "-p", "B")
    assert (done.out, done.err) == (b"x" * size, "")


def test_of_what_cannot_be_read_again_the_beginning_is_shown(crlf: CommandLine, site: str) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    from crlf.cli.environment import Environment
    from crlf.cli.main import main

    out, err = io.BytesIO(), io.BytesIO()
    stdin = Pipe(b"x" * (MOST + 5))
    words = ["put", f"{site}/echo", "@-", "-p", "B"]
    assert main(words, Environment(stdin, out, err)) == OK
    assert out.getvalue() == b"x" * MOST
    assert err.getvalue() == b"crlf: 5 bytes more were sent than are shown\n"


def test_the_answer_to_head_is_its_head(crlf: CommandLine, site: str) -> None:
    assert starts(crlf("head", f"{site}/page").text) == ["HTTP/1.1 200 OK"]
    assert starts(crlf("request", "HEAD", f"{site}/page", "-q").text) == []


def test_letters_that_mean_nothing_are_said(crlf: CommandLine) -> None:
    done = crlf("get", "http://127.0.0.1:1/", "--print=hx")
    assert (done.code, done.err) == (USAGE, "crlf: --print takes any of HBhbmt, not 'x'\n")
    done = crlf("get", "http://127.0.0.1:1/", "--pretty=x")
    assert done.code == USAGE
    assert "all, format, colors or none, not 'x'\n" in done.err


# --- beside others -------------------------------------------------------------------------------


def test_with_a_file_the_head_is_shown_and_the_content_saved(terminal: Terminal, site: str) -> None:
    done = terminal("get", f"{site}/page", "-o", "a", "-p", "hb")
    assert starts(done.text) == ["HTTP/1.1 200 OK"]
    assert "Parts" not in done.text
    file = terminal.folder / "a"
    assert file.read_text(encoding="utf-8") == "<h1>Parts</h1>\n"
    file.unlink()
    assert terminal("get", f"{site}/page", "-o", "a").out == b""
    assert file.exists()


def test_a_head_alone_does_not_wait_for_the_content(
    crlf: CommandLine, scripted: Callable[..., str]
) -> None:
    url = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx", hold=20)
    assert crlf("get", url, "--headers").text == "HTTP/1.1 200 OK\nContent-Length: 1000000\n"


def test_binary_content_is_not_downloaded_for_a_note(
    terminal: Terminal, scripted: Callable[..., str]
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\n"
    done = terminal("get", scripted(head + b"\0", hold=20), "-b")
    assert (done.code, done.text) == (
        OK,
        "[video/mp4, 1,000,000 bytes; -o FILE saves it]\n",
    )


@pytest.mark.parametrize(("status", "code"), [(303, REDIRECTED), (404, REFUSED), (503, BROKE)])
def test_a_status_is_said_once(
    status: int, code: int, terminal: Terminal, scripted: Callable[[bytes], str]
) -> None:
    answer = b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status
    done = terminal("get", scripted(answer))
    assert (done.code, done.text, done.err) == (
        code, f"HTTP/1.1 {status} Odd\nContent-Length: 0\n", "",
    )  # fmt: skip
    terminal.on_terminal = ("stderr",)
    assert terminal("get", scripted(answer)).err == f"crlf: {status} Odd\n"
    assert terminal("get", scripted(answer), "-q").err == f"crlf: {status} Odd\n"
    assert terminal("get", scripted(answer), "-qq").err == ""
    done = terminal("get", scripted(answer), "--ignore-status")
    assert (done.code, done.err) == (OK, "")


def test_doubly_quiet_is_quiet_about_everything(crlf: CommandLine) -> None:
    done = crlf("get", "http://127.0.0.1:1/", "-qq")
    assert (done.code, done.out, done.err) == (7, b"", "")
    assert crlf("get", "http://127.0.0.1:1/", "-q").err.startswith("crlf: cannot connect")


def test_verbose_shows_what_it_did_before(terminal: Terminal, site: str) -> None:
    done = terminal("get", f"{site}/page", "-v")
    assert (done.out, "< HTTP/1.1 200 OK" in done.err) == (b"", True)
    done = terminal("get", f"{site}/page", "-v", "-p", "b")
    assert done.out == b"<h1>Parts</h1>\n"


def test_an_application_in_memory_is_shown_too(crlf: CommandLine) -> None:
    (crlf.folder / "memory.py").write_text(
        "from crlf import App\napp = App()\n@app.get('/')\ndef home(request): return 'hi'\n",
        encoding="utf-8",
    )
    done = crlf("get", "/", "--app", "memory:app", "-p", "Hhb", "-w", " %{http_code}")
    assert starts(done.text) == ["GET / HTTP/1.1", "HTTP/1.1 200 OK"]
    assert done.text.endswith("\n\nhi 200")


# --- colours -------------------------------------------------------------------------------------


def test_pretty_forces_its_way_into_a_pipe(crlf: CommandLine, site: str) -> None:
    plain = crlf("get", f"{site}/echo")
    assert b"\n" not in plain.out
    done = crlf("get", f"{site}/echo", "--pretty=all")
    assert b'{\n  \x1b[36m"method"\x1b[0m: \x1b[32m"GET"\x1b[0m,\n' in done.out
    done = crlf("get", f"{site}/echo", "--pretty=format")
    assert b'{\n  "method": "GET",\n' in done.out
    done = crlf("get", f"{site}/echo", "--pretty=colors")
    assert b'{\x1b[36m"method"\x1b[0m:\x1b[32m"GET"\x1b[0m,' in done.out
    assert crlf("get", f"{site}/bytes/512", "--pretty=all").out == bytes(range(256)) * 2


def test_content_in_a_pipe_is_never_coloured_unasked(crlf: CommandLine, site: str) -> None:
    crlf.variables["FORCE_COLOR"] = "1"
    assert b"\x1b" not in crlf("get", f"{site}/echo").out
    assert b"\x1b[1;32m200 OK" in crlf("get", f"{site}/page", "-p", "h").out


def test_a_terminal_can_do_without(terminal: Terminal, site: str) -> None:
    terminal.variables.clear()
    done = terminal("get", f"{site}/echo", "--pretty=none")
    assert b"\x1b" not in done.out
    assert done.out.count(b'{"method":"GET"') == 1
    assert b"\x1b[36m" in terminal("get", f"{site}/echo").out


# --- as it comes ---------------------------------------------------------------------------------


@pytest.fixture
def endless() -> Iterator[str]:
    """A server whose answers have no end."""
    app = App()

    async def stream(request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            while True:
                yield b'data: {"n": 1}\n\n'

        return Response(200, {"content-type": request.query["type"]}, events())

    app.get("/")(stream)
    with running(app) as server:
        yield server.url


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "kind", ["text/event-stream", "application/json", "text/html", "text/xml", "text/plain"]
)
def test_a_stream_without_an_end_is_shown_until_nobody_looks(
    kind: str, terminal: Terminal, endless: str
) -> None:
    class Closing(io.BytesIO):
        def write(self, data: Any, /) -> int:
            if self.tell() > 100_000:
                raise BrokenPipeError
            return super().write(data)

    out = Closing()
    done = terminal("get", f"{endless}?type={kind}", stdout=out)
    assert (done.code, done.err) == (PIPE_CLOSED, "")
    assert b'data: {"n": 1}' in out.getvalue()


# --- the tap -------------------------------------------------------------------------------------


def test_the_last_request_is_read_off_the_wire() -> None:
    sent = Sent()
    first = (
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    for at in range(len(first)):
        sent.event(Event("sent", 1, 0.0, first[at : at + 1]))
    assert sent.head is not None
    assert (sent.head.target, b"".join(sent.content.take()), sent.size) == ("/a", b"abc", 3)
    sent.event(Event("sent", 1, 0.0, b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert (sent.head.target, sent.size) == ("/b", 0)
    sent.event(Event("sent", 2, 0.0, b"\x16\x03 no HTTP\r\n\r\n"))
    assert sent.head.target == "/b"
