"""Requests as they are asked for on the command line, against a server that echoes them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from crlf.cli.asking.request import whole_url
from crlf.cli.exits import NO_INPUT, OK, REDIRECTED, REDIRECTS, USAGE

CommandLine = Any  # see conftest.py


def echoed(done: Any) -> dict[str, Any]:
    assert done.code == OK, done.err
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def fields(answer: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in answer["headers"] if key == name]


# --- what is asked -------------------------------------------------------------------------------


def test_get_writes_the_content_and_nothing_else(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page")
    assert (done.code, done.out, done.err) == (OK, b"<h1>Parts</h1>\n", "")


def test_a_url_alone_is_fetched(crlf: CommandLine, site: str) -> None:
    assert crlf(f"{site}/page").out == b"<h1>Parts</h1>\n"
    assert crlf(site.removeprefix("http://") + "/page").out == b"<h1>Parts</h1>\n"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_every_method_is_a_command(method: str, crlf: CommandLine, site: str) -> None:
    assert echoed(crlf(method, f"{site}/echo"))["method"] == method.upper()


def test_any_method_can_be_sent(crlf: CommandLine, site: str) -> None:
    answer = echoed(crlf("request", "PURGE", f"{site}/echo", "a=b"))
    assert (answer["method"], answer["form"]) == ("PURGE", [["a", "b"]])
    assert crlf("request", "PUR GE", f"{site}/echo").err == "crlf: 'PUR GE' is no method\n"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("http://a.example/", "http://a.example/"),
        ("https://a.example", "https://a.example"),
        ("a.example/b?c=http://d", "http://a.example/b?c=http://d"),
        ("a.example:81/b", "http://a.example:81/b"),
        ("user:word@a.example/", "http://user:word@a.example/"),
        ("localhost", "http://localhost"),
        ("[::1]:81/b", "http://[::1]:81/b"),
        ("[::1]", "http://[::1]"),
        ("://a.example/", "http://a.example/"),
        (":81/b", "http://localhost:81/b"),
        (":/b", "http://localhost/b"),
        (":", "http://localhost"),
        ("ftp://a.example/", "ftp://a.example/"),
        ("mailto:a", "mailto:a"),
    ],
)
def test_a_short_url_is_completed(text: str, whole: str) -> None:
    assert whole_url(text) == whole


def test_parameters_are_added_to_the_query(crlf: CommandLine, site: str) -> None:
    answer = echoed(crlf("get", f"{site}/echo?a=1", "b==2 3", "c==ü"))
    assert answer["target"] == "/echo?a=1&b=2+3&c=%C3%BC"


def test_fields_are_added_replaced_emptied_and_left_out(crlf: CommandLine, site: str) -> None:
    answer = echoed(
        crlf("get", f"{site}/echo", "X-A:1", "X-A:2", "User-Agent:", "X-Empty;", "Accept:text/html",
             "-H", "X-B: 3", "-H", "X-C;")
    )  # fmt: skip
    assert fields(answer, "x-a") == ["1", "2"]
    assert fields(answer, "x-b") == ["3"]
    assert fields(answer, "x-empty") == [""]
    assert fields(answer, "x-c") == [""]
    assert fields(answer, "user-agent") == []
    assert fields(answer, "accept") == ["text/html"]


def test_a_field_beyond_ascii_goes_out_as_utf_8(crlf: CommandLine, site: str) -> None:
    answer = echoed(crlf("get", f"{site}/echo", "X-Name:Ü"))
    assert fields(answer, "x-name") == ["Ü".encode().decode("latin-1")]


def test_a_form_is_what_fields_make(crlf: CommandLine, site: str) -> None:
    answer = echoed(crlf("post", f"{site}/echo", "part=7", "name=Ann Ö", "part=8"))
    assert fields(answer, "content-type") == ["application/x-www-form-urlencoded"]
    assert answer["form"] == [["part", "7"], ["name", "Ann Ö"], ["part", "8"]]


def test_json_is_made_when_it_is_asked_for(crlf: CommandLine, site: str) -> None:
    answer = echoed(crlf("post", f"{site}/echo", "-j", "name=Ann", "age=42"))
    assert fields(answer, "content-type") == ["application/json"]
    assert json.loads(answer["content"]) == {"name": "Ann", "age": "42"}


def test_json_is_made_when_an_item_is_json(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "tags.json").write_text('["a"]', encoding="utf-8")
    answer = echoed(crlf("put", f"{site}/echo", "name=Ann", "age:=42", "tags:=@tags.json"))
    assert json.loads(answer["content"]) == {"name": "Ann", "age": 42, "tags": ["a"]}


def test_json_without_items_is_no_content(crlf: CommandLine, site: str) -> None:
    answer = echoed(crlf("post", f"{site}/echo", "--json"))
    assert (answer["content"], fields(answer, "content-type")) == ("", [])


@pytest.mark.rfc("7578", "4.2")
def test_a_file_is_uploaded_with_its_form(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "gear.png").write_bytes(b"\x89PNG\x00")
    (crlf.folder / "b").write_bytes(b"")
    answer = echoed(
        crlf("post", f"{site}/echo", "title=Gear", "photo@gear.png", "b@b;type=text/x-b")
    )
    assert answer["form"] == [["title", "Gear"]]
    assert answer["files"]["photo"] == ["gear.png", "image/png", "\x89PNG\x00"]
    assert answer["files"]["b"] == ["b", "text/x-b", ""]


def test_a_file_is_the_whole_content(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "a.txt").write_bytes(b"hello")
    answer = echoed(crlf("post", f"{site}/echo", "@a.txt"))
    assert answer["content"] == "hello"
    assert fields(answer, "content-type") == ["text/plain; charset=utf-8"]
    assert fields(answer, "content-length") == ["5"]
    typed = echoed(crlf("post", f"{site}/echo", "@a.txt;type=a/b"))
    assert fields(typed, "content-type") == ["a/b"]
    said = echoed(crlf("post", f"{site}/echo", "@a.txt", "Content-Type:c/d"))
    assert fields(said, "content-type") == ["c/d"]


def test_standard_input_is_read_when_it_is_asked_for_and_only_then(
    crlf: CommandLine, site: str
) -> None:
    crlf.stdin = b"piped"
    assert echoed(crlf("post", f"{site}/echo"))["content"] == ""
    assert echoed(crlf("post", f"{site}/echo", "@-"))["content"] == "piped"
    assert echoed(crlf("post", f"{site}/echo", "a=@-"))["form"] == [["a", "piped"]]


def test_values_come_from_files(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "token").write_text("secret\n", encoding="utf-8")
    answer = echoed(crlf("post", f"{site}/echo", "X-Token:@token", "q==@token", "f=@token"))
    assert fields(answer, "x-token") == ["secret"]
    assert answer["target"] == "/echo?q=secret"
    assert answer["form"] == [["f", "secret\n"]]


@pytest.mark.rfc("7617", "2")
def test_credentials_are_sent_and_a_missing_password_is_asked_for(
    crlf: CommandLine, site: str
) -> None:
    assert fields(echoed(crlf("get", f"{site}/echo", "-a", "me:a:b")), "authorization") == [
        "Basic bWU6YTpi"
    ]
    crlf.password = "a:b"
    answer = echoed(crlf("get", f"{site}/echo", "--auth", "me"))
    assert fields(answer, "authorization") == ["Basic bWU6YTpi"]
    assert crlf.prompts == ["Password of me: "]
    crlf.password = None
    assert crlf("get", f"{site}/echo", "-a", "me").code == USAGE


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.4")
def test_redirects_are_followed_for_get_and_otherwise_on_demand(
    crlf: CommandLine, site: str
) -> None:
    assert crlf("get", f"{site}/old").out == b"<h1>Parts</h1>\n"
    kept = crlf("get", f"{site}/old", "--no-follow")
    assert kept.code == REDIRECTED
    assert kept.err == "crlf: 303 See Other, to /page; --follow goes there\n"
    assert crlf("post", f"{site}/order", "a=b").code == REDIRECTED
    assert crlf("post", f"{site}/order", "a=b", "--follow").out == b"<h1>Parts</h1>\n"


def test_a_circle_of_redirects_has_a_code_of_its_own(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/circle")
    assert done.code == REDIRECTS
    assert done.err.startswith("crlf: over 10 redirects, in a circle")


# --- slips ---------------------------------------------------------------------------------------


# A command line, U for a URL, and what is said to it.
SLIPS = r"""
get U number=7
    'number=7' is content, which GET does not carry: write number==7 for the URL's query, or use post
head U a@b
    'a@b' is content, which HEAD does not carry: use post
get
    URL is missing: crlf get URL [ITEM]...
request GET
    URL is missing: crlf request METHOD URL [ITEM]...
get 'http://a b/'
    'http://a b/' is no URL to ask for: ' ' in the host
get ftp://a/
    cannot request ftp: URLs, only http and https
get U -t soon
    --timeout takes seconds, as in 2.5, not 'soon'
get U -t 0
    --timeout takes seconds, as in 2.5, not '0'
get U -t nan
    --timeout takes seconds, as in 2.5, not 'nan'
get U -H nonsense
    -H takes 'Name: value', not 'nonsense'
get U 'bad name:x'
    'bad name' is no field name [RFC 9110 5.1]
get U 'X:ab'
    control character in the value of X [RFC 9110 5.5]
get U -a 'a:b'
    a control character in the user name or password [RFC 7617 2]
post U a:=x
    'a:=x' has no JSON after the :=; a text is written a=value
post U a:={} --form
    'a:={}': a form has texts and numbers; --json sends the rest
post U a=1 --form --json
    --json and --form exclude each other: content has one form
post U a:=1 b@c
    'b@c' is an upload, for which JSON has no place
post U b@-
    'b@-': an upload comes from a file; @- alone sends standard input
post U '@x;type=nonsense'
    'nonsense' is no media type; they are like image/png
post U nonsense
    'nonsense' is no item: write name=value, name==value for the query, Header:value, name:=json or name@file
gte U
    there is no command gte; did you mean get?
xyzzy
    there is no command xyzzy
get U --verbos
    there is no option --verbos; did you mean --verbose?
get U -y
    there is no option -y; crlf get --help lists them
"""  # noqa: E501
LINES = [line.strip() for line in SLIPS.strip().splitlines()]


@pytest.mark.parametrize(("line", "says"), list(zip(LINES[::2], LINES[1::2], strict=True)))
def test_a_slip_is_one_line_that_says_what_to_write(
    line: str, says: str, crlf: CommandLine, site: str
) -> None:
    words = shlex.split(line.replace(r"\x01", "\x01"))
    done = crlf(*[f"{site}/echo" if word == "U" else word for word in words])
    assert (done.code, done.out, done.err) == (USAGE, b"", f"crlf: {says}\n")


@pytest.mark.parametrize("item", ["a@none", "@none", "a=@none", "a:=@none"])
def test_a_file_that_is_not_there_is_named(item: str, crlf: CommandLine, site: str) -> None:
    done = crlf("post", f"{site}/echo", item)
    assert (done.code, done.err) == (
        NO_INPUT,
        "crlf: cannot read none: No such file or directory\n",
    )


def test_a_value_that_is_no_text_is_refused(crlf: CommandLine, site: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff")
    done = crlf("post", f"{site}/echo", "a=@x")
    assert done.code == NO_INPUT
    assert done.err == "crlf: x is not text in UTF-8; name@file uploads anything\n"


def test_a_file_is_closed_when_the_next_item_is_wrong(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "a").write_bytes(b"")
    assert crlf("post", f"{site}/echo", "a@a", "b@none").code == NO_INPUT
