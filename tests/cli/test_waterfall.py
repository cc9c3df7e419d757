"""Where the time went, in text: on any width, in any encoding, joined with what the server says."""

from __future__ import annotations

import json
import re
import stat

import pytest

from crlf.cli.exits import NO_CONNECTION, NO_OUTPUT
from crlf.cli.showing.waterfall import span_text, waterfall
from crlf.cli.terminal import Style
from crlf.rules.captures import Captured
from crlf.rules.timing import timings_json
from crlf.rules.tracing import Step

STEPS = (
    Step("dns", 5.0, 5.010, None, "192.0.2.1"),
    Step("connect", 5.010, 5.020),
    Step("tls", 5.020, 5.040, None, "TLSv1.3, AES"),
    Step("send", 5.040, 5.041),
    Step("wait", 5.041, 5.091),
    Step("receive", 5.091, 5.100),
)
ANSWER = (
    b'HTTP/1.1 200 OK\r\nServer-Timing: db;dur=25;desc="the \x9bshelf", miss, slow;dur=900\r\n'
    b"Content-Length: 0\r\n\r\n"
)
ONE = Captured("https://a.example/part?n=1", "GET", b"", ANSWER, began=100.0, steps=STEPS)
PLAIN = Style(False)


def lines_of(captures: list[Captured], width: int = 80, **named: bool) -> list[str]:
    return waterfall(captures, width, PLAIN, **named).split("\n")


def test_each_phase_has_a_bar_and_its_time() -> None:
    text = waterfall([ONE], 80, PLAIN)
    for phase in ("dns", "connect", "tls", "send", "wait", "receive"):
        assert re.search(rf"^  {phase} +[█▏▎▍▌▋▊▉]+ +[0-9.]+ ms$", text, re.MULTILINE), phase
    title = text.split("\n")[0]
    assert title.startswith("GET https://a.example/part?n=1  200 ")
    assert title.endswith("100.0 ms")


def test_bars_follow_one_another() -> None:
    starts = [len(line) - len(line[14:].lstrip(" ")) for line in lines_of([ONE]) if "█" in line]
    phases = [line for line in lines_of([ONE]) if re.match(r"  [a-z]", line) and "█" in line]
    places = [re.search("[█▏▎▍▌▋▊▉]", line).start() for line in phases]  # type: ignore[union-attr]  # each has one
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert starts


def test_what_the_server_says_hangs_in_wait() -> None:
    lines = lines_of([ONE])
    at = next(n for n, line in enumerate(lines) if line.startswith("  wait"))
    assert lines[at + 1].startswith("    db ")
    assert "25.0 ms" in lines[at + 1]
    assert lines[at + 2].strip() == "the \\x9bshelf"
    assert lines[at + 3].strip().startswith("miss")
    assert lines[at + 4].startswith("    slow ")
    assert "900.0 ms" in lines[at + 4]
    assert "longer than we waited" in lines[at + 5]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = ONE._replace(url="https://a.example/" + "x" * 300)
    assert max(map(len, lines_of([long], width))) <= max(40, min(width, 120))
    assert max(map(len, lines_of([long] * 20, max(80, width)))) <= min(max(80, width), 120)


def test_an_encoding_without_bars_has_others() -> None:
    assert waterfall([ONE], 80, PLAIN, has_unicode=False).isascii()


def test_many_exchanges_have_a_line_each() -> None:
    lines = lines_of([ONE._replace(began=100.0 + n) for n in range(20)])
    assert sum(line.startswith("GET https://a.example/part?n=1") for line in lines) == 20
    assert "w wait" in lines[-2]


def test_an_exchange_that_failed_says_why() -> None:
    failed = Captured("http://a.example/", "GET", steps=STEPS[:2], fault="nobody \x1banswers")
    assert "nobody \\x1banswers" in waterfall([failed], 80, PLAIN)


def test_nothing_is_drawn_of_nothing() -> None:
    assert waterfall([], 80, PLAIN) == "\n"


def test_json_has_milliseconds() -> None:
    [row] = json.loads(json.dumps(timings_json([ONE])))
    assert row["total"] == 100.0
    assert row["phases"][0] == {
        "name": "dns", "start": 0.0, "duration": 10.0, "detail": "192.0.2.1",
    }  # fmt: skip
    assert row["server"][0]["duration"] == 25.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.00 ms"), (0.00512, "5.12 ms"), (0.0512, "51.2 ms"), (1.5, "1,500 ms"),
     (12.0, "12.0 s")],
)  # fmt: skip
def test_times_are_written_to_be_read(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


# --- the command line ----------------------------------------------------------------------------


def test_print_t_shows_where_the_time_went(crlf, site: str) -> None:
    done = crlf("get", f"{site}/old", "--print=t")
    assert done.code == 0
    assert done.text.count("  wait ") == 2
    assert "<h1>" not in done.text
    assert "<h1>" in crlf("get", f"{site}/page", "--print=bt").text


def test_har_is_written_beside_the_content(crlf, site: str) -> None:
    done = crlf("get", f"{site}/old", "--har", "x.har", "--auth", "ann:hunter2")
    assert (done.code, done.out) == (0, b"<h1>Parts</h1>\n")
    path = crlf.folder / "x.har"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entries = json.loads(path.read_text())["log"]["entries"]
    assert [one["response"]["status"] for one in entries] == [303, 200]
    assert "YW5u" not in path.read_text()
    crlf("get", f"{site}/page", "--har", "x.har", "--secrets", "--auth", "ann:hunter2")
    assert "YW5u" in path.read_text()


def test_har_is_written_when_nobody_answers(crlf) -> None:
    done = crlf("get", "http://127.0.0.1:9/", "--har", "x.har")
    assert done.code == NO_CONNECTION
    assert "refused" in (crlf.folder / "x.har").read_text()


@pytest.mark.parametrize("place", [".", "no/such/x.har"])
def test_a_har_that_cannot_be_written_stops_before_anything_is_sent(crlf, place: str) -> None:
    done = crlf("get", "http://127.0.0.1:9/", "--har", place)
    assert done.code == NO_OUTPUT
    assert done.err.startswith(f"crlf: cannot write {place}: ")
