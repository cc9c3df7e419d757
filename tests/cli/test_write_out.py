"""-w: curl's variables, with the values that curl would give."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from crlf.cli.exits import NO_CONNECTION, NO_INPUT, NOT_HTTP, OK, REFUSED
from crlf.cli.showing.measure import Measure
from crlf.client.plain import PlainClient
from crlf.net.blocking import BlockingNetwork
from crlf.net.tap import Event, TapNetwork

CommandLine = Terminal = Any  # see conftest.py
# What two exchanges never have alike, and what curl has of other protocols or a later version.
UNLIKE = {"local_port", "size_request", "speed_download", "speed_upload", "scheme", "errormsg"}


def written(crlf: CommandLine, *words: str) -> dict[str, Any]:
    done = crlf(*words, "-q", "-w", "%{json}")
    answer: dict[str, Any] = json.loads(done.out)
    return answer


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", ""),
        ("%{http_code} %{response_code}", "200 200"),
        (r"a\tb\n\r\x", "a\tb\n\r\\x"),
        ("100%% %x %", "100% %x %"),
        (
            "%{content_type}|%header{Content-TYPE}|%header{none}|",
            "text/html; charset=utf-8|" * 2 + "|",
        ),
        ("%{method} %{num_redirects} %{http_version} %{errormsg}%{exitcode}", "GET 0 1.1 0"),
        ("a%{onerror}b", "a"),
        ("%{ %{method", "%{ %{method"),
    ],
)
def test_a_format_is_filled_in(form: str, text: str, crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "-q", "-w", form)
    assert (done.code, done.text, done.err) == (OK, text, "")


def test_it_is_written_after_the_content(crlf: CommandLine, site: str) -> None:
    assert crlf("get", f"{site}/page", "-w", "%{http_code}").text == "<h1>Parts</h1>\n200"
    done = crlf("get", f"{site}/page", "-w", "a%{stderr}b%{stdout}c", "-o", "file")
    assert (done.text, done.err) == ("ac", "b")
    done = crlf("get", f"{site}/page", "-q", "-w", "%output{x}a%output{>>x}b%{stdout}c")
    assert (done.text, (crlf.folder / "x").read_text(encoding="utf-8")) == ("c", "ab")


def test_a_file_that_takes_no_more_is_named(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "-q", "-w", "%output{/dev/full}%{http_code}")
    assert (done.code, done.err) == (23, "crlf: cannot write /dev/full: No space left on device\n")


def test_an_unknown_variable_is_said_and_left_out(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "-q", "-w", "[%{foo}]")
    assert (done.code, done.text) == (OK, "[]")
    assert done.err == "crlf: -w knows no variable 'foo'; %{json} lists them all\n"


def test_a_format_may_be_in_a_file(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "form").write_text("%{http_code}\\n", encoding="utf-8")
    assert crlf("get", f"{site}/page", "-q", "-w", "@form").text == "200\n"
    crlf.stdin = b"<%{http_code}>"
    assert crlf("get", f"{site}/page", "-q", "-w", "@-").text == "<200>"
    assert crlf("get", f"{site}/page", "-w", "@none").code == NO_INPUT


def test_times_add_up(crlf: CommandLine, site: str) -> None:
    values = written(crlf, "get", f"{site}/old")
    times = [
        values[f"time_{name}"]
        for name in ("namelookup", "connect", "pretransfer", "posttransfer", "starttransfer")
    ]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] <= values["time_total"]
    assert 0 < values["time_redirect"] < values["time_total"]
    assert values["time_appconnect"] == 0
    text = crlf("get", f"{site}/page", "-q", "-w", "%{time_total}").text
    assert re.fullmatch(r"[0-9]\.[0-9]{6}", text)


def test_sizes_are_those_on_the_wire(site: str) -> None:
    events: list[Event] = []
    network = TapNetwork(BlockingNetwork(), events.append)
    measure = Measure(network.now)
    with PlainClient(network=network, trace=measure.step) as client:
        for response in (
            client.get(f"{site}/old"),
            client.post(f"{site}/echo", data={"a": "b"}),
            client.post(f"{site}/echo", content=iter([b"abc"]), headers={"expect": None}),
        ):
            assert response.status_code == 200
        chunked = b"3\r\nabc\r\n0\r\n\r\n"
        sent = sum(len(event.data) for event in events if event.what == "sent")
        # What frames the content of the last one is no part of it.
        assert measure.request_size == sent - len(chunked)
        received = b"".join(event.data for event in events if event.what == "received")
        heads = re.findall(rb"HTTP/1\.1 .*?\r\n\r\n", received, re.DOTALL)
        assert measure.head_size == sum(map(len, heads))
        assert measure.content_size == len(response.content)


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (("@file",), 6), (("@-",), 6), (("@file", "--chunked"), 6),
        (("@file", "-xx"), len(gzip.compress(b"A file"))), (("a=1",), 3), ((), 0),
    ],
)  # fmt: skip
def test_content_that_goes_out_in_chunks_is_counted_too(
    words: tuple[str, ...], size: int, crlf: CommandLine, site: str
) -> None:
    (crlf.folder / "file").write_bytes(b"A file")
    crlf.stdin = b"A file"
    form = "%{http_code} %{size_upload}"
    assert crlf("post", f"{site}/echo", *words, "-q", "-w", form).text == f"200 {size}"


def test_a_failure_is_written_too(crlf: CommandLine, scripted: Callable[[bytes], str]) -> None:
    form = "%{http_code} %{exitcode} %{errormsg}%{onerror} %{http_version}"
    done = crlf("get", "http://127.0.0.1:1/", "-w", form)
    assert done.code == NO_CONNECTION
    assert done.text.lower() == "000 7 cannot connect to 127.0.0.1:1: connection refused 0"
    assert done.err.startswith("crlf: cannot connect")
    done = crlf("get", scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), "-w", form)
    assert done.code == NOT_HTTP
    assert done.text.startswith("x200 8 the answer is broken: connection closed 8 bytes before")
    assert crlf("get", "ftp://a/", "-w", form).out == b""


def test_a_status_is_an_exit_code(crlf: CommandLine, site: str) -> None:
    values = written(crlf, "get", f"{site}/status/404")
    assert (values["exitcode"], values["http_code"], values["errormsg"]) == (REFUSED, 404, None)


def test_a_redirect_that_is_not_followed_is_named(crlf: CommandLine, site: str) -> None:
    values = written(crlf, "get", f"{site}/old", "--no-follow")
    assert (values["redirect_url"], values["num_redirects"]) == (f"{site}/page", 0)
    values = written(crlf, "get", f"{site}/old")
    assert (values["redirect_url"], values["num_redirects"]) == (None, 1)
    assert (values["url"], values["url_effective"]) == (f"{site}/old", f"{site}/page")


def test_head_fields_are_json(crlf: CommandLine, scripted: Callable[[bytes], str]) -> None:
    url = scripted(b'HTTP/1.1 200 OK\r\nB: 1\r\nA: "\xc3\xbc\r\nb: 2\r\n\r\n')
    done = crlf("get", url, "-w", "%{header_json}")
    assert json.loads(done.out) == {"b": ["1", "2"], "a": ['"ü']}


def test_a_terminal_is_not_obeyed(terminal: Terminal, scripted: Callable[[bytes], str]) -> None:
    url = scripted(b"HTTP/1.1 200 OK\r\nA: \x9b31m\r\n\r\n")
    assert terminal("get", url, "-q", "-w", "%header{a}").text == "\\x9b31m"


@pytest.mark.needs("curl")
@pytest.mark.parametrize("path", ["/page", "/old", "/status/404", "/nothing", "/pieces"])
def test_curl_says_the_same(path: str, crlf: CommandLine, site: str) -> None:
    ours = written(crlf, "get", f"{site}{path}")
    run = ["curl", "-q", "-sL", "-o", "/dev/null", "-w", "%{json}", "--noproxy", "*", site + path]
    theirs = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
    common = (ours.keys() & theirs.keys()) - UNLIKE - {"exitcode", "filename_effective"}
    assert len(common) > 25
    for name in common:
        if name.startswith("time_"):
            assert type(ours[name]) is type(theirs[name])
            assert (ours[name] > 0) == (theirs[name] > 0), name
        else:
            assert ours[name] == theirs[name], name
