"""`crlf from-curl`: what it writes, what it says, and what it makes of hostile words."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crlf.cli.exits import Failure
from crlf.cli.translating.crlfline import item
from crlf.cli.translating.curlglobs import MAX_URLS, expand_globs, fill_target
from crlf.cli.translating.curltable import LETTERS, NAMES
from crlf.cli.translating.curlwords import parse_curl
from crlf.cli.translating.shellquotes import quote
from crlf.cli.translating.shellwords import split_commands

CommandLine = Any  # see conftest.py
URL = "http://a.example/"


def words_of(text: str) -> list[list[str]]:
    return [spoken.words for spoken in split_commands(text).commands]


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curl", "written"),
    [
        ("curl a.example", "crlf get http://a.example --no-follow"),
        ("curl -L a.example", "crlf get http://a.example"),
        (f"curl -d a=1 -d b=2 {URL}", f"crlf post {URL} a=1 b=2"),
        (f"curl -L -d a=1 {URL}", f"crlf post {URL} a=1 --follow"),
        (f"curl -d 'a=x y' {URL}", f"crlf post {URL} --form --raw 'a=x y'"),
        (f"curl --data-urlencode 'a=x y' {URL}", f"crlf post {URL} 'a=x y'"),
        (f"curl --data-urlencode a@f.txt {URL}", f"crlf post {URL} a=@f.txt"),
        (f"curl -G --data-urlencode 'a=x y' {URL}", f"crlf get {URL} 'a==x y' --no-follow"),
        (f"curl -G -d 'a=b=c' {URL}", f"crlf get '{URL}?a=b=c' --no-follow"),
        (f"curl -d a=1 -X GET {URL}", f"crlf request GET {URL} a=1 --no-follow"),
        (f"curl -X PURGE {URL}", f"crlf request PURGE {URL}"),
        (f"curl --json '{{\"a\":1}}' {URL}",
         f"crlf post {URL} a:=1 Content-Type:application/json Accept:application/json"),
        (f"curl -H 'Content-Type: application/json' -d '{{\"a\":\"b\"}}' {URL}",
         f"crlf post {URL} a=b Content-Type:application/json --json"),
        (f"curl -H 'Content-Type: application/json' -d '{{\"a[0]\":\"b\"}}' {URL}",
         f"crlf post {URL} Content-Type:application/json --raw '{{\"a[0]\":\"b\"}}'"),
        (f"curl -F a=1 {URL}", f"crlf post {URL} a=1 --multipart"),
        (f"curl -F 'f=@a b;type=image/png' {URL}", f"crlf post {URL} 'f@a b;type=image/png'"),
        (f"curl -F 'f=@a;filename=b' {URL}", f"crlf post {URL} 'f@a;filename=b'"),
        (
            f"curl -F 'f=@a;filename=b;type=x/y' {URL}",
            f"crlf post {URL} 'f@a;type=x/y;filename=b'",
        ),
        (
            f"""curl -F 'm={{"a": 1}};type=application/json' -F f=@a {URL}""",
            f"""crlf post {URL} 'm:={{"a": 1}}' f@a --multipart""",
        ),
        (f"curl -T a.zip {URL}", f"crlf put {URL}a.zip @a.zip Content-Type:"),
        (f"curl -I {URL}", f"crlf head {URL} --no-follow"),
        (f"curl -i {URL}", f"crlf get {URL} --no-follow --print=hb"),
        (f"curl -sSLo f {URL}", f"crlf get {URL} -o f"),
        (f"curl -O {URL}x/y.zip?z=1", f"crlf get '{URL}x/y.zip?z=1' --no-follow -o y.zip"),
        (f"curl --output-dir d -O {URL}y.zip", f"crlf get {URL}y.zip --no-follow -o d/y.zip"),
        (f"curl -JO {URL}y.zip", f"crlf download {URL}y.zip --no-follow --no-resume"),
        (f"curl -LJO -H 'A: b' {URL}y", f"crlf download {URL}y -H 'A: b' --no-resume"),
        (f"curl -u me {URL}", f"crlf get {URL} -a me --no-follow"),
        (f"curl -u me:pw --digest {URL}", f"crlf get {URL} -A digest -a me:pw --no-follow"),
        (f"curl --oauth2-bearer t {URL}", f"crlf get {URL} -A bearer -a t --no-follow"),
        (f"curl -n {URL}", f"crlf get {URL} --netrc --no-follow"),
        (f"curl --netrc-file 'my rc' {URL}", f"NETRC='my rc' crlf get {URL} --netrc --no-follow"),
        (f"curl -H 'A: b' {URL}", f"crlf get {URL} A:b --no-follow"),
        (f"curl -H 'A:' -H 'B;' {URL}", f"crlf get {URL} A: 'B;' --no-follow"),
        (f"curl -H 'A: @b' {URL}", f"crlf get {URL} 'A:\\@b' --no-follow"),
        (f"curl -A '' {URL}", f"crlf get {URL} User-Agent: --no-follow"),
        (f"curl -e x;auto {URL}", None),
        (f"curl -r 5 {URL}", f"crlf get {URL} Range:bytes=5- --no-follow"),
        (f"curl -z '-20 Nov 2026 12:30' {URL}",
         f"crlf get {URL} 'If-Unmodified-Since:Fri, 20 Nov 2026 12:30:00 GMT' --no-follow"),
        (f"curl -k --cacert x {URL}", f"crlf get {URL} --no-follow -k"),
        (f"curl --cacert x --tlsv1.3 -E c.pem --key k.pem {URL}",
         f"crlf get {URL} --no-follow --ca x --tls-minimum 1.3 --cert c.pem --cert-key k.pem"),
        (f"curl -m 0 --connect-timeout 2 --retry 3 {URL}",
         f"crlf get {URL} --no-follow --connect-timeout 2 --retry 3"),
        (f"curl -x proxy:3128 -U 'a:b@c' {URL}",
         f"crlf get {URL} --no-follow --proxy http://a:b%40c@proxy:3128"),
        (f"curl --socks5-hostname p:1 {URL}", f"crlf get {URL} --no-follow --proxy socks5h://p:1"),
        (f"curl -x p:1 --noproxy .example {URL}", f"crlf get {URL} --no-follow --no-proxy"),
        (f"curl -x '' {URL}", f"crlf get {URL} --no-follow --no-proxy"),
        (f"curl --resolve '*:80:::1' {URL}",
         f"crlf get {URL} --no-follow --resolve a.example:80:::1"),
        ("curl --connect-to a.example:443:127.0.0.1:443 https://a.example/",
         "crlf get https://a.example/ --no-follow --resolve a.example:443:127.0.0.1"),
        (f"curl --connect-to ::[::1]:81 {URL}x",
         "crlf get 'http://[::1]:81/x' Host:a.example --no-follow"),
        (f"curl {URL}a/./b/../c", f"crlf get {URL}a/c --no-follow"),
        (f"curl -v {URL}", f"crlf get {URL} --no-follow -v"),
        (f"curl -d-a=1 {URL}", f"crlf post -- {URL} -a=1"),
        (f"curl -d {URL}", None),
    ],
)  # fmt: skip
def test_each_option_has_its_words(crlf: CommandLine, curl: str, written: str | None) -> None:
    done = crlf("from-curl", curl)
    if written is None:
        assert done.code == 2
    else:
        assert (done.text, done.err) == (f"{written}\n", "")
        assert done.code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["curl", "-d", "a=1", URL], ["-d", "a=1", URL], ["--", "-d", "a=1", URL],
        ["--", "curl", "-d", "a=1", URL], ["/usr/bin/curl", "--data", "a=1", URL],
        [f"$ curl -d a=1 {URL}"], [f"  curl -d 'a=1' \\\n '{URL}' # a note"],
        [f"curl -da=1 -- {URL}"], [f"curl --data-asc a=1 --url {URL}"],
        [f"curl.exe ^\"{URL}^\" ^\n --data-raw ^\"a=1^\""],
    ],
)  # fmt: skip
def test_words_come_in_many_forms(crlf: CommandLine, words: list[str]) -> None:
    done = crlf("from-curl", *words)
    assert (done.code, done.text) == (0, f"crlf post {URL} a=1\n")


def test_a_line_comes_by_standard_input(crlf: CommandLine) -> None:
    crlf.stdin = f"curl '{URL}' \\\r\n  -H 'a: b'\r\n".encode()
    done = crlf("from-curl", "-")
    assert done.text == f"crlf get {URL} a:b --no-follow\n"


def test_help_is_ours_when_it_is_asked_for_alone(crlf: CommandLine) -> None:
    assert "from-curl" in crlf("from-curl", "--help").text
    assert crlf("from-curl", "curl", "--help").code == 2


def test_what_only_a_shell_can_fill_in_stays(crlf: CommandLine) -> None:
    done = crlf("from-curl", f'curl -H "A: Bearer $T" -u "$U"x:`pw` "{URL}$(date +%s)/${{V:-1}}"')
    assert done.text == (
        f'crlf get "{URL}$(date +%s)/${{V:-1}}" -H "A: Bearer $T" -a "${{U}}x:`pw`" --no-follow\n'
    )
    done = crlf("from-curl", f'curl -d "q=$Q" {URL}')
    assert done.text == f'crlf post {URL} --form --raw "q=$Q"\n'
    done = crlf("from-curl", f'curl --data-urlencode "q=$Q" {URL}')
    assert done.text == f'crlf post {URL} "q=$Q"\n'


def test_what_the_shell_does_around_it_stays(crlf: CommandLine) -> None:
    done = crlf("from-curl", f"cat f | curl -s --data-binary @- {URL} 2>/dev/null | jq . > out")
    assert done.text == (
        f"cat f | crlf post {URL} @- Content-Type:application/x-www-form-urlencoded "
        "2>/dev/null | jq . > out\n"
    )
    done = crlf("from-curl", f"curl -d @- {URL} << E\nx\nE\nls; curl b")
    assert done.text == (
        f"{{ tr -d '\\0\\r\\n' | crlf post {URL} @- "
        "Content-Type:application/x-www-form-urlencoded; } << E\nx\nE\n"
        "crlf get http://b --no-follow\n"
    )
    assert done.err == "crlf: left out, as it is not curl: ls\n"


def test_several_requests_are_several_lines(crlf: CommandLine) -> None:
    done = crlf("from-curl", "curl -v 'a/{x,y}' -o '#1.txt' -: -d a=1 'b[08-10]'")
    assert done.text.split("\n") == [
        "crlf get http://a/x --no-follow -o x.txt -v",
        "crlf get http://a/y --no-follow -o y.txt -v",
        "crlf post http://b08 a=1 -v",
        "crlf post http://b09 a=1 -v",
        "crlf post http://b10 a=1 -v",
        "",
    ]


def test_a_file_without_line_ends_is_sent_as_it_is(crlf: CommandLine) -> None:
    (crlf.folder / "bare").write_bytes(b"a=1")
    (crlf.folder / "lines").write_bytes(b"a=1\n")
    kind = "Content-Type:application/x-www-form-urlencoded"
    assert crlf("from-curl", f"curl -d @bare {URL}").text == f"crlf post {URL} @bare {kind}\n"
    for name in ("lines", "missing"):
        written = crlf("from-curl", f"curl -d @{name} {URL}").text
        assert written == f"tr -d '\\0\\r\\n' < {name} | crlf post {URL} @- {kind}\n"


# --- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curl", "code", "told"),
    [
        (f"curl --limit-rate 1k {URL}", 0, "--limit-rate: has no counterpart"),
        (f"curl --http2 {URL}", 0, "crlf speaks HTTP/1.1"),
        (f"curl -L -X PUT {URL}", 0, "curl says PUT again"),
        (f"curl -c jar {URL}", 0, "./jar.json"),
        (f"curl -b jar {URL}", 1, "cannot read jar"),
        (f"curl --ntlm -u a:b {URL}", 1, "the request differs"),
        (f"curl -0 {URL}", 1, "-0"),
        (f"curl --pinnedpubkey x {URL}", 1, "--pinnedpubkey"),
        (f"curl -x socks4://p {URL}", 1, "socks4"),
        (f"curl -F 'f=1;filename=b' {URL}", 1, "another name for its file"),
        (f"curl -F 'f=1;type=text/x' {URL}", 1, "a type"),
        (f"curl -F 'f=@a,b' {URL}", 1, "into one part"),
        (f"curl -z yesterday {URL}", 1, "no date"),
        (f"curl '{URL}a b'", 1, "%20"),
        (f"curl -g '{URL}{{a}}'", 0, "percent-encodes"),
        ("curl --connect-to ::x.example:444 https://a.example/", 1, "not to another port"),
        ("curl", 2, "no URL"),
        ("wget x", 2, "no command line of curl's"),
        ("curl ''", 2, "empty URL"),
        ("curl ftp://x/", 2, "ftp://"),
        ("curl http://a:b:c/", 2, "no URL"),
        (f"curl -d a -F b=c {URL}", 2, "not both"),
        (f"curl --request=POST {URL}", 2, "write --request and the value"),
        (f"curl --requ POST {URL}", 2, "could be any of request, request-target"),
        (f"curl -K f {URL}", 2, "its options"),
        (f"curl -X 'A B' {URL}", 2, "no method"),
        (f"curl -m soon {URL}", 2, "takes seconds"),
        ("curl http://a/?a=1&b=2", 2, "put the URL in quotes"),
        ("curl \u201chttp://a/\u201d", 2, "word processor"),
        ("curl -H a \\ \n http://a/", 2, "a blank after the \\"),
        (f"curl -d a=1 -d @- {URL}", 26, "standard input among other data"),
        (f"curl -d a=1 -d @missing {URL}", 26, "cannot read missing"),
        (f"curl --next {URL}", 2, "before there is a URL"),
        ("curl (", 2, "outside of quotes"),
        ("curl 'http://a/[1-", 2, "never closed"),
        ("curl 'http://a/[1-'", 2, "-g"),
        ("curl -", 2, "standard input"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_said(crlf: CommandLine, curl: str, code: int, told: str) -> None:
    done = crlf("from-curl", curl)
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert told in done.err
    assert bool(done.out) == (code < 2)


def test_no_remark_names_a_secret_that_was_not_in_it(crlf: CommandLine) -> None:
    done = crlf("from-curl", f"curl --ntlm -u ann:secret {URL} -H 'Authorization: secret'")
    assert "secret" not in done.err


# --- the table -----------------------------------------------------------------------------------


def test_every_option_is_read_by_its_name_and_its_letter() -> None:
    assert len(NAMES) > 260
    for known in NAMES.values():
        if known.sort == "refused" or known.name == "next":
            continue
        words = [f"--{known.name}", *(["1"] if known.takes else []), URL]
        assert parse_curl(words)[0].urls[-1] == URL
    for letter, known in LETTERS.items():
        if known.takes and known.sort != "refused":
            assert parse_curl([f"-s{letter}1", URL])[0].urls[-1] == URL


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("'a b'\"c d\"e\\ f", ["a bc de f"]),
        (r'"\$ \` \" \\ \n"', ['$ ` " \\ \\n']),
        (r"$'\x41\102\u0021\U0001F600\e\'\\\q\cA'", ["AB!\U0001f600\x1b'\\\\q\x01"]),
        ("$'\\xc3\\xa4'", ["ä"]),
        ("$'\\xff'", ["\udcff"]),
        ("a\\\nb '\\\n'", ["ab", "\\\n"]),
        ("a#b #c\n", ["a#b"]),
        ("'' \"\"", ["", ""]),
        ('$"a"', ["a"]),
        ("\U00100000", ["\U00100000"]),
    ],
)
def test_words_are_those_of_a_shell(text: str, words: list[str]) -> None:
    assert words_of(text) == [words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('curl "a b" ^\n -x', ["curl", "a b", "-x"]),
        (r'curl ^"a\^"b^" -d "{\"a\":1}" ^"^\^\^\^""', ["curl", 'a"b', "-d", '{"a":1}', '\\"']),
        ('curl ^"a^\n\nb^"', ["curl", "a\nb"]),
        ('curl ^"a^&b^%c^"', ["curl", "a&b%c"]),
    ],
)
def test_words_are_those_of_cmd(text: str, words: list[str]) -> None:
    assert words_of(text) == [words]


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    line = split_commands(" ".join(quote(word, {}) for word in words))
    read = ["".join([line.expansions.get(sign, sign) for sign in word]) for word in
            (line.commands[0].words if line.commands else [])]  # fmt: skip
    assert read == words


@settings(max_examples=200)
@given(st.text(), st.sampled_from([":", "=", "==", ":=", "=@", "@"]), st.text())
def test_an_item_is_written_only_when_it_is_read_back(name: str, sign: str, value: str) -> None:
    from crlf.cli.asking.items import parse_item

    written = item(name, sign, value)
    if written is not None:
        found = parse_item(written)
        assert (found.name, found.value) == (name, value)
        assert found.kind + "@" * found.from_file == sign or sign == "@"


@settings(max_examples=200)
@given(st.text(alphabet=" \t\n'\"\\$`{}()[]|&;<>#^aexu0-9@=:,%!\u201c", max_size=60))
def test_no_text_ends_in_anything_but_words_or_a_failure(text: str) -> None:
    with suppress(Failure):
        for spoken in split_commands(f"curl {text}").commands:
            for each in parse_curl(spoken.words):
                for url in each.urls:
                    expand_globs(url)


# --- globs ---------------------------------------------------------------------------------------


def test_globs_are_those_of_curl() -> None:
    found = [one.url for one in expand_globs("h/{a,,b}[8-10:2][a-b]")]
    assert found[:3] == ["h/a8a", "h/a8b", "h/a10a"]
    assert len(found) == 12
    assert [one.url for one in expand_globs("[001-100:33]")] == ["001", "034", "067", "100"]
    assert [one.url for one in expand_globs(r"http://[::1]/?a[]=\{1\}")] == [
        "http://[::1]/?a[]={1}"
    ]
    assert fill_target("#1-#2-#3", ("a", "b")) == "a-b-#3"


@pytest.mark.parametrize(
    "text", ["[1-1000000000]", "[1-999999999999999999]", "{a,b}" * 40, "{" + "," * 5000 + "}"]
)
def test_what_would_be_too_many_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(Failure, match=f"over {MAX_URLS:,}|globs"):
        expand_globs(text)
    assert time.process_time() - began < 1


# --- hostile -------------------------------------------------------------------------------------

MANY = 200_000


@pytest.mark.parametrize(
    "text",
    [
        "'" * (MANY + 1), '"' * (MANY + 1), "\\" * MANY, "$'" * MANY, "`" * MANY, "$(" * MANY,
        "${" * MANY, "$a" * MANY, "\\ " * MANY, " \\" * MANY + " \n", "^" * MANY + '^"',
        "a " * MANY, "\n" * MANY, "|" * MANY, "| curl " * 20_000, "$(" + "'" * MANY, "<<a" * MANY,
        "<<a\n" * 20_000, "curl " + "-d a " * 20_000 + "x", "curl " + "-H @" * MANY,
        "curl '" + "[" * MANY + "'", "curl -g '" + "{" * MANY + "'", "$'" + "\\x41" * MANY + "'",
        "curl -F '" + 'a="' * MANY + "' x", "curl -F 'a=" + ";type=" * 50_000 + "' x",
        "curl -d '" + "a=1&" * 50_000 + "' x", "curl -b '" + "=;" * 50_000 + "' x",
        "curl -H 'content-type: application/json' -d '" + "[" * 100_000 + "' x",
        "curl --noproxy '" + "a," * 50_000 + "' -x p x", "A=1 " * MANY, "a\0b",
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
@pytest.mark.timeout(20)
def test_hostile_words_take_no_long(crlf: CommandLine, text: str) -> None:
    began = time.process_time()
    done = crlf("from-curl", text)
    assert done.code in (0, 1, 2, 26)
    assert "a mistake in crlf" not in done.err
    assert time.process_time() - began < 8


def test_nothing_that_a_terminal_obeys_is_written(crlf: CommandLine, tmp_path: Path) -> None:
    done = crlf("from-curl", f"curl -H 'a: b' -d $'\\e]0;x\\a\\u202e' {URL}")
    assert "\x1b" not in done.text
    assert "\u202e" not in done.text
    assert r"$'\033]0;x\007\342\200\256'" in done.text
    done = crlf("from-curl", "curl x | \x1b]0;x")
    assert done.code == 2
    assert "\x1b" not in done.err
