"""--select: where paths lead in JSON, and what is written of what they find."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.cli.exits import NOT_HTTP, OK, OTHER, REFUSED, USAGE, Failure
from crlf.cli.showing.selecting import (
    SelectOutput,
    as_json,
    as_line,
    parse_path,
    parse_values,
    select,
)

CommandLine = Terminal = Any  # see conftest.py
DOCUMENT = (
    b'{"a": {"b": [1.50, "two\\n\\u00fc", null]}, '
    b'"items": [{"name": "x", "n": 12345678901234567890}, {"name": "y"}, '
    b'{"n": 1e400}], "odd key": true, "a.b": false, "n": 1, "n": 2, "e": []}'
)


def found(path: str, document: bytes = DOCUMENT) -> list[str]:
    return [as_line(value) for value in select(parse_values(document), parse_path(path))]


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("a.b[0]", ["1.50"]),
        (".a.b[0]", ["1.50"]),
        ("a.b[1]", ["two\nü"]),
        ("a.b[-1]", ["null"]),
        ("a.b[-4]", []),
        ("a.b[3]", []),
        ("a.b[]", ["1.50", "two\nü", "null"]),
        ("a.b[:2]", ["1.50", "two\nü"]),
        ("a.b[1:]", ["two\nü", "null"]),
        ("a.b[-2:-1]", ["two\nü"]),
        ("a.b[:]", ["1.50", "two\nü", "null"]),
        ("items[].name", ["x", "y"]),
        ("items[0]", ['{"name":"x","n":12345678901234567890}']),
        ("items[2].n", ["1e400"]),
        ('["odd key"]', ["true"]),
        ('"odd key"', ["true"]),
        ('."a.b"', ["false"]),
        ('["a.b"]', ["false"]),
        ("n", ["2"]),
        ("a[]", ['[1.50,"two\\nü",null]']),
        ("..name", ["x", "y"]),
        ("..n", ["12345678901234567890", "1e400", "1", "2"]),
        ("items[0]..n", ["12345678901234567890"]),
        ("none", []),
        ("a.b.c", []),
        ("a[0]", []),
        ("e[]", []),
        ("items[].none", []),
    ],
)
def test_a_path_leads_somewhere(path: str, lines: list[str]) -> None:
    assert found(path) == lines


@pytest.mark.parametrize("path", ["", "."])
def test_no_path_is_all_of_it(path: str) -> None:
    assert found(path, b' {"a": [1, {}]} ') == ['{"a":[1,{}]}']
    assert found("[1]", b"[1, 2]") == found(".[1]", b"[1, 2]") == ["2"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("a[", "at its end"), ("a[x]", "at 'x]'"), ("a]", "at ']'"), ("a..", "at its end"),
        ("a.", "at its end"), ("a b", "at ' b'"), ('a["b]', "at '\"b]'"), ("a[1", "at its end"),
        ("a...b", "at '.b'"), ("[99999999999]", "at '99]'"),
    ],
)  # fmt: skip
def test_a_path_that_goes_wrong_says_where(path: str, where: str) -> None:
    with pytest.raises(Failure) as raised:
        parse_path(path)
    assert f" goes wrong {where}; paths" in raised.value.line
    assert raised.value.code == USAGE


@given(st.text(alphabet='a.[]:-"\\1 ', max_size=12))
def test_a_path_is_read_or_refused(path: str) -> None:
    try:
        steps = parse_path(path)
    except Failure:
        return
    list(select(parse_values(DOCUMENT), steps))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_what_is_written_is_what_was_read(value: object) -> None:
    assert json.loads(as_json(parse_values(json.dumps(value).encode()))) == value


def test_a_name_that_is_there_twice_stays_so() -> None:
    assert found("", b'{"a": 1, "a": [2.0, {}]}') == ['{"a":1,"a":[2.0,{}]}']


@pytest.mark.parametrize("content", [b"", b"no", b"[NaN]", b"[" * 100_000, b"\xff\x00\xff"])
def test_what_is_no_json_is_said(content: bytes) -> None:
    with pytest.raises(Failure) as raised:
        parse_values(content)
    assert raised.value.code == OTHER


# --- on the command line -------------------------------------------------------------------------


def test_a_pipe_gets_a_line_for_each_value(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/echo", "--select", "headers[:2][0]")
    assert (done.code, done.text, done.err) == (OK, "host\naccept\n", "")
    assert crlf("get", f"{site}/echo", "--select", "form").out == b"[]\n"


def test_a_terminal_gets_it_formatted_and_harmless(
    terminal: Terminal, scripted: Callable[[bytes], str]
) -> None:
    answer = b'HTTP/1.1 200 OK\r\n\r\n{"a": {"b": [1]}, "c": "\\u001b[2J\\u202e"}'
    assert terminal("get", scripted(answer), "--select", "a").text == (
        '{\n  "b": [\n    1\n  ]\n}\n'
    )
    assert terminal("get", scripted(answer), "--select", "c").text == "\\x1b[2J\\u202e\n"


def test_nothing_found_is_a_line_and_a_code(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/echo", "--select", "a.b")
    assert (done.code, done.out, done.err) == (
        OTHER, b"", "crlf: the answer has nothing at a.b\n",
    )  # fmt: skip
    done = crlf("get", f"{site}/page", "--select", "a")
    assert (done.code, done.out) == (OTHER, b"")
    assert done.err.startswith("crlf: the answer is no JSON, so nothing can be selected: ")


def test_an_error_is_an_error_all_the_same(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/status/404", "--select", "a")
    assert done.code == REFUSED
    assert [line[:18] for line in done.err.splitlines()] == [
        "crlf: the answer i",
        "crlf: 404 Not Foun",
    ]


def test_what_is_selected_is_saved(crlf: CommandLine, site: str) -> None:
    assert crlf("get", f"{site}/echo", "--select", "method", "-o", "a").code == OK
    assert (crlf.folder / "a").read_bytes() == b"GET\n"
    assert crlf("get", f"{site}/echo", "--select", "none", "-o", "b").code == OTHER
    assert not (crlf.folder / "b").exists()


def test_a_path_is_read_before_anything_is_sent(crlf: CommandLine) -> None:
    assert crlf("get", "http://127.0.0.1:1/", "--select", "a[").code == USAGE


def test_an_answer_cut_short_selects_nothing(
    crlf: CommandLine, scripted: Callable[[bytes], str]
) -> None:
    url = scripted(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"a": 1}')
    done = crlf("get", url, "--select", "a")
    assert (done.code, done.out) == (NOT_HTTP, b"")


class Sink:
    is_full = False

    def __init__(self) -> None:
        self.content = b""

    def write(self, piece: bytes) -> None:
        self.content += piece

    def finish(self) -> None: ...

    def abandon(self) -> str:
        return ""


def collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def test_a_large_document_is_not_looked_through_for_garbage() -> None:
    """Which took ten times as long as reading it: 20 MB were 5 seconds."""
    output = SelectOutput("[-1].n", sink := Sink())
    output.write(b"[%s]" % b",".join(b'{"n":%d,"a":[1,2]}' % n for n in range(20_000)))
    before = collections()
    output.finish()
    assert (sink.content, gc.isenabled()) == (b"19999\n", True)
    assert collections() - before < 10  # 100 and more, otherwise
