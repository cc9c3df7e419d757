"""What a command line makes a request carry, and in what form."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

import pytest
from tests.cli.conftest import CommandLine, Done

from crlf import App, Request, Response, running
from crlf import json as answer
from crlf.cli.exits import NO_INPUT, USAGE

Asking = Callable[..., dict[str, object]]


@pytest.fixture
def raw_site() -> Iterator[str]:
    """A server that says what came, content as it was on the wire but for chunks."""
    app = App()

    def seen(request: Request) -> Response:
        return answer(
            {
                "method": request.method,
                "target": request.target,
                "fields": [[name.lower(), value] for name, value in request.headers.fields],
                "content": request.content.decode("latin-1"),
            }
        )

    app.route("/seen", ["GET", "POST", "PUT", "AHOY", "QUERY"])(seen)
    with running(app) as server:
        yield f"{server.url}seen"


@pytest.fixture
def ask(crlf: CommandLine, raw_site: str) -> Asking:
    """Ask with U for the URL; return what the server saw."""

    def asking(*words: str) -> dict[str, object]:
        done: Done = crlf(*[raw_site if word == "U" else word for word in words])
        assert (done.code, done.err) == (0, "")
        seen: dict[str, object] = json.loads(done.out)
        return seen

    return asking


def fields(seen: dict[str, object], name: str) -> list[str]:
    pairs = seen["fields"]
    assert isinstance(pairs, list)
    return [value for each, value in pairs if each == name]


def test_json_is_what_one_value_or_the_option_asks_for(ask: Asking) -> None:
    for words in (["a=1", "b:=[2]"], ["a=1", "b:=[2]", "--json"]):
        seen = ask("post", "U", *words)
        assert seen["content"] == '{"a":"1","b":[2]}'
        assert fields(seen, "content-type") == ["application/json"]
        assert fields(seen, "accept") == ["application/json, */*;q=0.5"]
    assert fields(ask("get", "U", "--json"), "accept") == ["application/json, */*;q=0.5"]
    assert fields(ask("get", "U", "--json", "Accept:a/b"), "accept") == ["a/b"]
    assert fields(ask("get", "U", "--json"), "content-type") == []


def test_names_with_brackets_are_paths_in_json_and_names_in_forms(ask: Asking) -> None:
    assert ask("post", "U", "a[b][]=1", "--json")["content"] == '{"a":{"b":["1"]}}'
    assert ask("post", "U", "a[b][]=1")["content"] == "a%5Bb%5D%5B%5D=1"


def test_a_form_has_texts_and_numbers(ask: Asking) -> None:
    seen = ask("post", "U", "-f", "a=1", "b:=2.50", 'c:="x"', "d:=true", "a=3")
    assert seen["content"] == "a=1&b=2.50&c=x&d=true&a=3"
    assert fields(seen, "content-type") == ["application/x-www-form-urlencoded"]


def test_parts_keep_their_order(ask: Asking, crlf: CommandLine) -> None:
    (crlf.folder / "x.png").write_bytes(b"PNG")
    kind = "Content-Type:multipart/mixed; boundary=xoxo"  # not a form, which the server would read
    content = str(ask("post", "U", "a=1", "f@x.png", "b=2", kind)["content"])
    assert content.index('name="a"') < content.index('name="f"') < content.index('name="b"')
    assert 'filename="x.png"\r\nContent-Type: image/png' in content
    seen = ask("post", "U", "--multipart", "a=1")
    assert fields(seen, "content-type")[0].startswith("multipart/form-data; boundary=")


@pytest.mark.rfc("2046", "5.1.1")
def test_a_type_of_parts_is_given_its_boundary(ask: Asking) -> None:
    seen = ask("post", "U", "--multipart", "a=1", "Content-Type:multipart/letter")
    kind = fields(seen, "content-type")[0]
    boundary = kind.removeprefix("multipart/letter; boundary=")
    assert str(seen["content"]).startswith(f"--{boundary}\r\n")
    seen = ask("post", "U", "--multipart", "a=1", "Content-Type:multipart/mixed; boundary=xoxo")
    assert str(seen["content"]).startswith("--xoxo\r\n")


def test_a_text_is_sent_as_it_is(ask: Asking) -> None:
    for options, kind in (
        ([], "text/plain; charset=utf-8"),
        (["-j"], "application/json"),
        (["-f"], "application/x-www-form-urlencoded"),
        (["Content-Type:a/b"], "a/b"),
    ):
        seen = ask("post", "U", "--raw", "grüße=1", *options)
        assert seen["content"] == "grüße=1".encode().decode("latin-1")
        assert fields(seen, "content-type") == [kind]


def test_standard_input_has_the_type_that_is_said(ask: Asking, crlf: CommandLine) -> None:
    for options, kind in (([], []), (["-j"], ["application/json"])):
        crlf.stdin = b"abc"
        seen = ask("post", "U", "@-", *options)
        assert (seen["content"], fields(seen, "content-type")) == ("abc", kind)
    seen = ask("post", "U", "@-;type=a/b")
    assert fields(seen, "content-type") == ["a/b"]


def test_a_file_says_its_type_by_its_name(ask: Asking, crlf: CommandLine) -> None:
    for name, options, kind in (
        ("a.xml", ["-j"], "application/xml"),
        ("a.unknown", [], "application/octet-stream"),
        ("a.unknown", ["-j"], "application/json"),
        ("a.xml;type=x/y", [], "x/y"),
    ):
        (crlf.folder / name.partition(";")[0]).write_text("<a/>")
        assert fields(ask("put", "U", f"@{name}", *options), "content-type") == [kind]


@pytest.mark.rfc("9112", "7.1")
def test_content_goes_out_in_chunks(ask: Asking, crlf: CommandLine) -> None:
    (crlf.folder / "x").write_text("a file")
    for words, content in (
        (["a=1"], "a=1"),
        (["a:=1"], '{"a":1}'),
        (["@x"], "a file"),
        (["--raw", "text"], "text"),
    ):
        seen = ask("post", "U", "--chunked", *words)
        assert seen["content"] == content
        assert fields(seen, "transfer-encoding") == ["chunked"]
        assert fields(seen, "content-length") == []
        assert len(fields(seen, "content-type")) == 1
    seen = ask("post", "U", "--chunked", "--multipart", "a=1")
    assert fields(seen, "content-type")[0].startswith("multipart/form-data; boundary=")


@pytest.mark.rfc("9110", "8.4.1.3")
def test_content_is_compressed_where_that_helps(ask: Asking, crlf: CommandLine) -> None:
    (crlf.folder / "x.txt").write_text("abc " * 1000)
    for words, size in ((["@x.txt"], 4000), (["a=" + "b" * 500], 502)):
        seen = ask("post", "U", "-x", *words)
        assert len(gzip.decompress(str(seen["content"]).encode("latin-1"))) == size
        assert fields(seen, "content-encoding") == ["gzip"]
    seen = ask("post", "U", "-x", "a=1")
    assert (seen["content"], fields(seen, "content-encoding")) == ("a=1", [])
    seen = ask("post", "U", "-xx", "a=1")
    assert gzip.decompress(str(seen["content"]).encode("latin-1")) == b"a=1"


def test_fields_come_as_often_as_they_are_given(ask: Asking) -> None:
    assert fields(ask("get", "U", "A:1", "A:2", "-H", "A: 0"), "a") == ["0", "1", "2"]
    assert fields(ask("get", "U", "A:1", "a:"), "a") == []
    assert fields(ask("get", "U", "A:1", "a:", "A:2"), "a") == ["2"]
    assert fields(ask("get", "U", "A;"), "a") == [""]
    assert fields(ask("get", "U", "User-Agent:"), "user-agent") == []
    assert fields(ask("post", "U", "a=1", "Content-Type:"), "content-type") == []


def test_a_method_may_stand_in_the_commands_place(ask: Asking) -> None:
    for words, method in (
        (["POST", "U", "a=1"], "POST"),
        (["AHOY", "U"], "AHOY"),
        (["GET", "U"], "GET"),
        (["--timeout=20", "PUT", "U", "a=1"], "PUT"),
        (["-t", "20", "post", "U", "a=1"], "POST"),
        (["-t", "20", "U"], "GET"),
        (["QUERY", "U", "a=1"], "QUERY"),
        (["request", "GET", "U", "a=1"], "GET"),
    ):
        assert ask(*words)["method"] == method


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("post U --json --form a=1", "--json and --form exclude each other"),
        ("post U --json --multipart a=1", "--json and --multipart exclude each other"),
        ("post U --raw x a=1", "--raw is the whole content, so 'a=1' has no place"),
        ("post U --raw x @f", "--raw is the whole content, so '@f' has no place"),
        ("post U --raw x --multipart", "--multipart sends items"),
        ("post U f@a;filename=", "says no name"),
        ("get U --raw x", "--raw is content, which GET does not carry: use post"),
        ("GET U a=1", "'a=1' is content, which GET does not carry"),
        ("post U --chunked", "--chunked is about content, and there is none"),
        ("post U --compress a==1", "--compress is about content, and there is none"),
        ("post U -x a=1 Content-Encoding:br", "--compress says the Content-Encoding itself"),
        ("post U a:=1 b@f", "'b@f' is an upload, for which JSON has no place"),
        ("post U a:=[1] -f", "a form has texts and numbers"),
        ("post U a:=null -f", "a form has texts and numbers"),
        ("post U a=@- b=@-", "'a=@-' and 'b=@-' both read standard input"),
        ("post U A:@- @-", "'A:@-' and '@-' both read standard input"),
        ("post U a=1 --multipart Content-Type:text/plain", "no type of several parts"),
        ("post U a:=1e999", "has no JSON after the :="),
        ("PSOT U", "there is no method PSOT; did you mean POST? crlf request PSOT sends it"),
        ("OPTION U", "did you mean OPTIONS?"),
        ("DOWNLOAD U", "did you mean download?"),
        ("-v download U", "options stand behind their command: crlf download -v"),
        ("get U --pretty al", "--pretty takes all, format, colors or none, not 'al'; did you mean"),
        ("get U -A beerer", "-A takes basic, digest or bearer, not 'beerer'; did you mean bearer?"),
        ("get U --tls-minimum 1.1", "--tls-minimum takes 1.2 or 1.3, not '1.1'"),
        ("get U --multipat", "there is no option --multipat; did you mean --multipart?"),
    ],
)
def test_what_contradicts_itself_is_said_in_one_line(
    words: str, says: str, crlf: CommandLine
) -> None:
    (crlf.folder / "f").write_text("x")
    done = crlf(*["http://127.0.0.1:9/" if word == "U" else word for word in words.split(" ")])
    assert (done.code, done.out) == (USAGE, b"")
    assert says in done.err
    assert done.err.startswith("crlf: ")
    assert done.err.count("\n") == 1


def test_what_is_no_text_is_said(crlf: CommandLine) -> None:
    (crlf.folder / "binary").write_bytes(b"\xff\xfe")
    done = crlf("post", "http://127.0.0.1:9/", "a=@binary")
    assert (done.code, "not text in UTF-8" in done.err) == (NO_INPUT, True)
    for word in ("a=\udcff", "\udcff==1", "a:=\udcff"):
        done = crlf("post", "http://127.0.0.1:9/", word)
        assert done.code == USAGE
        assert done.err.startswith("crlf: ")
        assert done.err.count("\n") == 1
