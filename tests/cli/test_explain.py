"""`crlf explain`: every byte shown and named, live, from files, as it comes in; in three forms."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf import App, Request, Response, running, text
from crlf.cli.exits import NO_CONNECTION, NO_INPUT, NOT_HTTP, REFUSED, USAGE
from crlf.cli.explaining.glyphs import glyphs_of, text_width
from crlf.cli.explaining.origins import Origins
from crlf.cli.explaining.page import page_of
from crlf.cli.explaining.story import chapter_of, chapter_of_bytes
from crlf.cli.explaining.structured import as_json
from crlf.cli.explaining.textual import Teller
from crlf.cli.terminal import Style
from crlf.rules.captures import Captured

GET = b"GET /part?n=1 HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b; HttpOnly\r\n\r\n"
    b"5;x=1\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n"
)
BROKEN = b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n"


def told(data: bytes, width: int = 80, **named: bool) -> str:
    return Teller(width, Style(False), **named).chapter(chapter_of_bytes(data))


# --- text ----------------------------------------------------------------------------------------


def test_each_line_stands_as_it_was_with_its_end_and_its_meaning() -> None:
    text = told(GET)
    assert "> GET /part?n=1 HTTP/1.1␍␊\n" in text
    assert "> Host: a.example␍␊\n" in text
    assert "> ␍␊\n" in text
    assert "GET  asks for the resource itself" in text
    assert "[RFC 9110 7.2]" in text
    assert "RFC 9112 6.3 (7)" in text


def test_chunks_and_trailers_are_told_one_by_one() -> None:
    text = told(CHUNKED)
    lines = [line for line in text.split("\n") if line.startswith("< ")]
    assert lines[-5:] == ["< 5;x=1␍␊", "< hello␍␊", "< 0␍␊", "< X-Check: 1␍␊", "< ␍␊"]
    assert "an interim response: 103 Early Hints" in text
    assert "HttpOnly  no script of a page can read it" in text


@pytest.mark.rfc("9112", "5.1")
def test_a_caret_stands_under_the_offending_byte() -> None:
    lines = told(BROKEN).split("\n")
    at = lines.index("> Host : a.example␍␊")
    assert lines[at + 1] == "      ^"
    assert lines[at][lines[at + 1].index("^")] == " "
    block = "\n".join(lines[at:])
    assert "RFC 9112 5.1" in block
    assert "400 Bad Request" in block
    assert "to mend it: " in block


@pytest.mark.parametrize(
    ("before", "columns"),
    [("a", 1), ("日本", 4), ("e\u0301", 1), ("\x1b", 4), ("ü", 1), ("\udcff", 4), ("\u202e", 6)],
)
def test_the_caret_is_right_behind_wide_combining_and_escaped_text(
    before: str, columns: int
) -> None:
    data = before.encode("utf-8", "surrogateescape") + b"X"
    glyphs = glyphs_of(data, 0, len(data), has_unicode=True)
    assert sum(glyph.width for glyph in glyphs[:-1]) == columns
    assert (glyphs[-1].start, glyphs[-1].text) == (len(data) - 1, "X")


@given(st.binary(max_size=200), st.booleans())
def test_glyphs_cover_all_bytes_and_are_harmless(data: bytes, has_unicode: bool) -> None:
    glyphs = glyphs_of(data, 0, len(data), has_unicode=has_unicode)
    at = 0
    for glyph in glyphs:
        assert glyph.start == at
        at = glyph.end
        assert glyph.width == text_width(glyph.text)
    assert at == len(data)
    shown = "".join(glyph.text for glyph in glyphs)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert has_unicode or shown.isascii()


@pytest.mark.parametrize("width", [40, 80, 109, 110, 140, 300])
@pytest.mark.parametrize("data", [GET, CHUNKED, BROKEN, b"GET /" + b"x" * 500 + b" HTTP/1.1\r\n"])
def test_no_line_is_wider_than_the_terminal(width: int, data: bytes) -> None:
    assert max(map(text_width, told(data, width).split("\n"))) <= min(width, 160)


def test_in_a_wide_terminal_notes_stand_beside() -> None:
    [line] = [line for line in told(GET, 140).split("\n") if line.startswith("> Host")]
    assert "which site is meant" in line


def test_an_encoding_without_signs_has_escapes() -> None:
    text = told("GET /ü HTTP/1.1\r\n\r\n".encode(), has_unicode=False)
    assert "> GET /\\xc3\\xbc HTTP/1.1\\r\\n" in text


def test_terminal_escapes_from_the_wire_are_harmless() -> None:
    text = told(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b]0;owned\x07\x9b\r\n\r\nevil\x1b[31m")
    assert "\x1b" not in text
    assert "\x9b" not in text


def test_long_content_is_cut_unless_all_is_wanted() -> None:
    body = b"".join(b"line %d\n" % n for n in range(500))
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert "line 499" not in told(data)
    assert re.search(r"\[[0-9,]+ more bytes; crlf explain --all shows them\]", told(data))
    assert "line 499" in told(data, shows_all=True)


def test_many_chunks_are_cut_in_the_middle() -> None:
    body = b"".join(b"3\r\n%03d\r\n" % n for n in range(300))
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    text = told(data)
    assert "000␍␊" in text
    assert "299␍␊" in text
    assert "150␍␊" not in text
    assert "more lines" in text
    assert "150␍␊" in told(data, shows_all=True)


def test_binary_content_is_shown_in_hexadecimal() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x89PN\0"
    assert "89 50 4e 00" in told(data)
    assert ".PN." in told(data)


@given(st.binary(max_size=300))
def test_whatever_comes_it_is_told(data: bytes) -> None:
    chapter = chapter_of_bytes(data)
    covered = [(line.start, line.end) for part in chapter.parts for line in part.lines]
    at = 0
    for start, end in covered:
        assert start == at
        at = end
    assert at == len(data)
    Teller(80, Style(True)).chapter(chapter)
    as_json([chapter])
    page_of([chapter])


# --- who set it ----------------------------------------------------------------------------------


def test_each_field_says_who_set_it(crlf, site: str) -> None:
    crlf.variables["COLUMNS"] = "200"
    text = crlf("explain", "post", f"{site}/echo", "a=1", "X-Odd:5", "-H", "Accept: text/x").text
    flat = re.sub(r"\s+", " ", text)
    for line in (
        "host: its", "you: -H or an item", "crlf: counted the content", "crlf: goes by what you",
        "crlf: can undo these codings",
    ):  # fmt: skip
        assert line.removeprefix("host: ") in flat
    assert flat.count("you: -H or an item") == 2


def test_options_and_urls_are_named() -> None:
    origins = Origins(["accept"], ["cookie"], ["auth"])
    assert origins.of_field("Accept").who == "you"  # type: ignore[union-attr]  # it is known
    assert origins.of_field("Cookie").who == "the session"  # type: ignore[union-attr]  # the same
    assert origins.of_field("Authorization").why == "--auth"  # type: ignore[union-attr]  # the same
    assert origins.of_field("X-Unknown") is None


# --- live ----------------------------------------------------------------------------------------


def test_redirects_are_told_hop_by_hop(crlf, site: str) -> None:
    done = crlf("explain", f"{site}/old")
    assert done.code == 0
    assert "1. GET" in done.text
    assert "2. GET" in done.text
    assert "303 See Other" in done.text
    assert "= redirect: 303" in done.text
    assert done.err == ""


@pytest.mark.parametrize("words", [("post",), ("POST",), ("PURGE",), ()])
def test_a_method_may_stand_before_the_url(crlf, site: str, words: tuple[str, ...]) -> None:
    text = crlf("explain", *words, f"{site}/echo").text
    method = words[0].upper() if words else "GET"
    assert f"> {method} /echo HTTP/1.1␍␊" in text


def test_an_error_has_its_exit_code(crlf, site: str) -> None:
    assert crlf("explain", f"{site}/status/404").code == REFUSED


def test_nobody_there_is_told(crlf) -> None:
    done = crlf("explain", "http://127.0.0.1:9/")
    assert done.code == NO_CONNECTION
    assert "nothing went over the wire" in done.text
    assert len(done.err.strip().split("\n")) == 1


def test_a_broken_answer_is_told_with_its_caret(crlf, scripted) -> None:
    done = crlf("explain", scripted(b"HTTP/1.1 2x0 OK\r\n\r\n"))
    assert done.code == NOT_HTTP
    assert "^" in done.text
    assert "what a client does" in done.text
    assert done.err.startswith("crlf: ")


def test_credentials_are_stars(crlf, site: str) -> None:
    done = crlf("explain", f"{site}/page", "--auth", "ann:hunter2", "--save", "x.capture")
    assert "YW5u" not in done.text
    assert re.search(r"authorization: Basic \*+␍␊", done.text)
    assert "YW5u" not in (crlf.folder / "x.capture").read_text()
    assert "YW5u" in crlf("explain", f"{site}/page", "--auth", "ann:hunter2", "--secrets").text


def test_vv_explains_beside_the_content(crlf, site: str) -> None:
    done = crlf("get", f"{site}/page", "-vv")
    assert (done.code, done.out) == (0, b"<h1>Parts</h1>\n")
    assert "> GET /page HTTP/1.1␍␊" in done.err
    assert "= connection: kept open" in done.err


def test_vv_goes_with_har_and_times(crlf, site: str) -> None:
    done = crlf("get", f"{site}/page", "-vv", "--har", "x.har", "--print=t")
    assert "  wait " in done.text
    assert "> GET /page HTTP/1.1␍␊" in done.err
    assert json.loads((crlf.folder / "x.har").read_text())["log"]["entries"]


def test_rounds_of_authentication_are_told_one_by_one(crlf) -> None:
    app = App()

    @app.get("/")
    def home(request: Request) -> Response:
        challenge = {"www-authenticate": 'Digest realm="a", nonce="n", qop="auth"'}
        return text("in\n") if "authorization" in request.headers else Response(401, challenge)

    with running(app) as server:
        done = crlf("explain", server.url, "-a", "ann:hunter2", "-A", "digest")
    assert done.code == 0
    assert "401 Unauthorized" in done.text
    assert re.search(r"> authorization: Digest \*+", done.text)
    assert "you: --auth" in done.text


def test_timing_alone(crlf, site: str) -> None:
    assert "  wait " in crlf("explain", f"{site}/page", "--timing").text
    [row] = json.loads(crlf("explain", f"{site}/page", "--timing", "--format", "json").text)
    assert {phase["name"] for phase in row["phases"]} >= {"connect", "send", "wait"}


# --- files and standard input --------------------------------------------------------------------


def test_a_capture_is_explained_like_the_exchange(crlf, site: str) -> None:
    live = crlf("explain", f"{site}/old", "--save", "x.capture").text
    again = crlf("explain", "x.capture")
    assert again.code == 0
    kept = [line for line in live.split("\n") if line[:2] in ("> ", "< ")]
    assert [line for line in again.text.split("\n") if line[:2] in ("> ", "< ")] == kept


def test_a_har_is_explained_and_says_that_it_is_rebuilt(crlf, site: str) -> None:
    crlf("get", f"{site}/old", "--har", "x.har")
    text = crlf("explain", "x.har").text
    assert text.count("rebuilt from a HAR") == 2
    assert "< <h1>Parts</h1>␊" in text
    assert "  wait " in crlf("explain", "x.har", "--timing").text


def test_a_line_without_end_is_shown_as_far_as_anybody_looks() -> None:
    data = b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    chapter = chapter_of_bytes(data)
    assert len(told(data)) < 20_000
    assert "more bytes" in page_of([chapter])
    assert len(page_of([chapter])) < 600_000
    long = told(CHUNKED.replace(b"a=b", b"a=" + b"\xc3\xa9" * 8000))
    assert "more bytes; crlf explain --all shows them" in long
    assert len(long) < 20_000


@pytest.mark.rfc("9112", "9.3.2")
def test_what_follows_is_said_of_each_exchange_of_a_conversation() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    range_of = b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n"
    text = told(GET + ok + range_of + ok)
    assert text.count("= connection: kept open") == 2
    assert text.count("= range: 200 to a Range") == 1
    pipelined = told(GET + range_of + ok + ok)
    assert pipelined.count("= connection: kept open") == 2
    assert pipelined.count("= range: 200 to a Range") == 1
    assert pipelined.index("= range") > pipelined.rindex("< the response")
    assert "= connection" not in told(ok)  # nobody knows what was asked


def test_headings_of_a_page_leave_no_level_out() -> None:
    page = page_of([chapter_of_bytes(GET)])
    assert re.findall("<h([1-6])", page) == ["1", "2"]


def test_what_a_har_left_out_is_said_and_http_2_is_not_judged_as_http_1_1(crlf) -> None:
    length = [{"name": "content-length", "value": "3"}]
    entry = {
        "request": {"method": "PUT", "url": "https://a.example/", "headers": length},
        "response": {"status": 200, "content": {"size": 1450}},
    }
    old = json.dumps({"log": {"entries": [entry]}})
    entry["request"] = {"method": "GET", "url": "https://a.example/", "httpVersion": "h2"}
    new = json.dumps({"log": {"entries": [entry]}})
    (crlf.folder / "x.har").write_text(old)
    text = crlf("explain", "x.har").text
    assert "= not kept: 3 bytes more were sent\n" in text
    assert "= not kept: 1,450 bytes more came\n" in text
    assert "= connection: kept open" in text
    (crlf.folder / "x.har").write_text(new)
    assert "= connection" not in crlf("explain", "x.har").text


def test_bytes_from_a_file(crlf) -> None:
    (crlf.folder / "r.http").write_bytes(GET + GET)
    done = crlf("explain", "r.http")
    assert done.code == 0
    assert done.text.count("> GET /part?n=1 HTTP/1.1␍␊") == 2
    (crlf.folder / "b.http").write_bytes(BROKEN)
    assert crlf("explain", "b.http").code == NOT_HTTP


def test_bytes_from_standard_input(crlf) -> None:
    crlf.stdin = GET
    assert "> Host: a.example␍␊" in crlf("explain", "-").text
    crlf.stdin = BROKEN + b"more"
    done = crlf("explain", "-")
    assert done.code == NOT_HTTP
    assert "> more" in done.text
    crlf.stdin = GET[:-10]
    assert crlf("explain", "-").code == NOT_HTTP


def test_a_har_on_standard_input(crlf, site: str) -> None:
    crlf("get", f"{site}/page", "--har", "x.har")
    crlf.stdin = (crlf.folder / "x.har").read_bytes()
    assert "rebuilt from a HAR" in crlf("explain", "-").text


@pytest.mark.timeout(60)
def test_what_comes_piece_by_piece_is_told_as_it_comes() -> None:
    """As `nc -l 8000 | crlf explain -` does: nobody waits for the end of standard input."""
    ours, theirs = socket.socketpair()
    run = [sys.executable, "-m", "crlf", "explain", "-"]
    with ours, theirs, subprocess.Popen(run, stdin=theirs, stdout=subprocess.PIPE) as process:
        theirs.close()
        assert process.stdout is not None
        for _ in range(2):
            ours.sendall(GET)
            seen = b""
            while b"RFC 9112 6.3 (7)" not in seen:
                seen += process.stdout.readline()
            assert b"> GET /part?n=1 HTTP/1.1" in seen
        ours.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("x.har", b"{}", "no HAR"),
        ("x.har", b'{"log"', "no HAR"),
        ("x.txt", b'{"crlf": "capture", "version": 1}\n{}\n', "line 2"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_a_line(
    crlf, name: str, content: bytes, line: str
) -> None:
    (crlf.folder / name).write_bytes(content)
    done = crlf("explain", name)
    assert done.code == NO_INPUT
    assert line in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("none.har",), NO_INPUT),
        (("./none",), NO_INPUT),
        ((":1/", "--format", "xml"), USAGE),
        ((), USAGE),
    ],
)
def test_what_cannot_be_meant_is_said(crlf, words: tuple[str, ...], code: int) -> None:
    done = crlf("explain", *words)
    assert done.code == code
    assert done.err.count("\n") == 1


def test_a_file_of_nothing_has_nothing_to_be_explained(crlf) -> None:
    (crlf.folder / "x.http").write_bytes(b"")
    assert crlf("explain", "x.http").code == NOT_HTTP
    assert crlf("explain", "-").code == NOT_HTTP


# --- JSON and the page ---------------------------------------------------------------------------


def test_json_has_every_byte_in_a_span() -> None:
    captured = Captured("http://a.example/", "GET", GET, CHUNKED)
    [exchange] = json.loads(as_json([chapter_of(captured)]))
    for message in exchange["messages"]:
        spans = [span for line in message["lines"] for span in line["spans"]]
        at = 0
        for span in spans:
            assert span["start"] == at
            at = span["end"]
        assert at == len(message["bytes"])
    assert [one["way"] for one in exchange["messages"]] == ["sent", "received", "received"]


def test_json_on_the_command_line(crlf, site: str) -> None:
    done = crlf("explain", f"{site}/page", "--format", "json", "--auth", "ann:hunter2")
    [exchange] = json.loads(done.text)
    assert exchange["url"] == f"{site}/page"
    assert "YW5u" not in done.text


class Tags(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@given(st.text(max_size=50), st.binary(max_size=50))
def test_a_page_has_no_tags_but_its_own(text: str, data: bytes) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    captured = Captured(
        f"http://a.example/{evil}{text}", "GET",
        GET + evil.encode() + data,
        b"HTTP/1.1 200 OK\r\nX: " + evil.encode() + b"\r\n\r\n" + evil.encode() + data,
        fault=evil, origin=text,
    )  # fmt: skip
    tags = Tags()
    tags.feed(page_of([chapter_of(captured)]))
    tags.close()
    assert tags.open == []
    assert not {tag for tag, _ in tags.tags} & {"script", "img", "iframe", "link", "object"}
    assert not [name for _, attrs in tags.tags for name in attrs if name.startswith("on")]


def test_a_page_is_written_for_its_owner(crlf, site: str) -> None:
    done = crlf("explain", f"{site}/old", "--html", "x.html", "--auth", "ann:hunter2")
    assert done.code == 0
    path = crlf.folder / "x.html"
    assert path.stat().st_mode & 0o777 == 0o600
    page = path.read_text(encoding="utf-8")
    assert "Where the time went" in page
    assert "YW5u" not in page
    assert "default-src 'none'" in page
