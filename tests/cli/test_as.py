"""--as TOOL: whatever is in a request, a shell, Python and JavaScript read it back as it was.

The commands are run by real shells in which nc, curl and http are functions that tell what they
were given. What they send over a wire is held in tests/live/test_course_forms.py.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.live.capturing import plain, run_line, said_by

from crlf.cli.asking.options import REQUEST_OPTIONS
from crlf.cli.exits import NO_INPUT, OK, USAGE
from crlf.cli.translating.instead import TOOLS
from crlf.cli.translating.quoting import javascript, printf, python_bytes, sh

CommandLine = Any  # see conftest.py
URL = "http://a.example/x"
# In a shell, so that a command is looked at and not run.
STUBS = b"nc() { cat; }\ncurl() { printf '%s\\0' \"$@\"; }\nhttp() { printf '%s\\0' \"$@\"; }\n"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_SIGNS = "'\"\\`$(){}%!;&|<>*?~#@=: \n\r\t\0-\u202eä"
NASTY = st.one_of(TEXT, st.text(st.sampled_from(_SIGNS), max_size=20))
FIELD = st.text(st.characters(min_codepoint=33, exclude_categories=["C", "Z"]), min_size=1)
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)] or ["sh"]
# A shell is 2 ms, so fewer of these.
by_shell = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run_by(shell: str, script: bytes, folder: Path) -> bytes:
    done = subprocess.run(
        [shell], input=STUBS + script, capture_output=True, cwd=folder, check=True, timeout=20
    )
    assert done.stderr == b""
    return done.stdout


def written(folder: Path, *words: str, stdin: bytes = b"") -> str:
    code, out, err = run_line(list(words), folder, stdin)
    assert code == OK, err
    return out.decode("utf-8", "surrogateescape")


# --- literals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
@by_shell
@given(texts=st.lists(NASTY.map(lambda text: text.replace("\0", "")), min_size=1, max_size=8))
def test_a_shell_reads_a_word_back(shell: str, tmp_path: Path, texts: list[str]) -> None:
    script = "curl " + " ".join(map(sh, texts))
    told = run_by(shell, script.encode(), tmp_path)
    assert told == b"".join([text.encode() + b"\0" for text in texts])


@pytest.mark.parametrize("shell", SHELLS)
@by_shell
@given(pieces=st.lists(st.one_of(st.binary(max_size=200), NASTY.map(str.encode)), max_size=8))
def test_printf_writes_bytes_back(shell: str, tmp_path: Path, pieces: list[bytes]) -> None:
    for piece in (b"".join(pieces), b"-e" + b"".join(pieces)):
        words = printf(piece)
        assert run_by(shell, b"printf " + "\\\n".join(words).encode(), tmp_path) == piece


@given(st.one_of(st.binary(max_size=300), NASTY.map(str.encode)))
def test_python_reads_bytes_back(data: bytes) -> None:
    assert ast.literal_eval("(" + "\n".join(python_bytes(data)) + ")") == data


@given(st.one_of(TEXT, st.text(st.sampled_from("</script>!-\\\"'"), max_size=20)))
def test_javascript_reads_text_back(text: str) -> None:
    literal = javascript(text)
    assert json.loads(literal) == text
    assert literal.isascii()
    assert "</" not in literal
    assert "<!" not in literal


# --- whole requests ------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
@by_shell
@given(text=NASTY, field=FIELD)
def test_no_text_gets_out_of_a_command(shell: str, tmp_path: Path, text: str, field: str) -> None:
    """Content and a field with anything in them: the offline bytes, or the tool's own words."""
    line = ["post", URL, "--raw", text, "-H", f"X-A: {field}"]
    offline = plain(written(tmp_path, *line, "--offline").encode("utf-8", "surrogateescape"))
    command = written(tmp_path, *line, "--as", "printf-nc")
    assert run_by(shell, command.encode(), tmp_path) == offline
    command = written(tmp_path, *line, "--as", "curl")
    told = run_by(shell, command.encode(), tmp_path).split(b"\0")
    assert told[-2:] == [URL.encode(), b""]
    assert f"X-A: {field}".encode() in told
    if "printf" not in command:
        assert told[told.index(b"--data-raw") + 1] == text.encode()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=NASTY, field=FIELD)
def test_no_text_gets_out_of_a_program(tmp_path: Path, text: str, field: str) -> None:
    """A program has the calls that it always has, and the text in literals."""
    line = ["post", URL, "--raw", text, "-H", f"X-A: {field}"]
    offline = written(tmp_path, *line, "--offline").encode()
    program = ast.parse(written(tmp_path, *line, "--as", "python-socket"))
    assigned = next(one for one in program.body if isinstance(one, ast.Assign))
    assert ast.literal_eval(assigned.value) == offline
    program = ast.parse(written(tmp_path, *line, "--as", "python"))
    calls = [ast.unparse(one.func) for one in ast.walk(program) if isinstance(one, ast.Call)]
    known = {"crlf.post", "print", f"{field!r}.encode", f"{field!r}.encode().decode"}
    assert set(calls) <= known
    given_content = [
        ast.literal_eval(one.value)
        for one in ast.walk(program)
        if isinstance(one, ast.keyword) and one.arg == "content"
    ]
    assert given_content == ([text.encode()] if text else [])


def test_a_path_gets_out_of_no_command(crlf: CommandLine) -> None:
    name = 'it\'s $(date) "x"; `y`'
    (crlf.folder / name).write_bytes(b"x" * 5000)
    path = str(crlf.folder / name)
    program = ast.parse(crlf("put", URL, f"@{name}", "--as", "python").text)
    assert path in [one.value for one in ast.walk(program) if isinstance(one, ast.Constant)]
    for shell in SHELLS:
        told = run_by(shell, crlf("put", URL, f"@{name}", "--as", "curl").out, crlf.folder)
        assert f"@{path}".encode() in told.split(b"\0")
        told = run_by(shell, crlf("put", URL, f"@{name}", "--as", "printf-nc").out, crlf.folder)
        assert told == crlf("put", URL, f"@{name}", "--offline").out


def test_the_option_lists_the_tools() -> None:
    option = next(one for one in REQUEST_OPTIONS if one.key == "as")
    assert option.choices == tuple(TOOLS)


# --- what is written -----------------------------------------------------------------------------


def test_the_course_s_form_is_one_line(crlf: CommandLine) -> None:
    words = ["Connection:close", "Accept:", "User-Agent:", "Accept-Encoding:"]
    done = crlf("get", "http://faculty.example/tim/", *words, "--as", "printf-nc")
    assert done.text == (
        r"printf 'GET /tim/ HTTP/1.1\r\nhost: faculty.example\r\nConnection: close\r\n\r\n'"
        " | nc faculty.example 80\n"
    )
    assert done.err == ""


def test_where_the_server_is_not_asked_to_close_nc_waits_for_a_bounded_time(
    crlf: CommandLine,
) -> None:
    done = crlf("get", URL, "--as", "printf-nc")
    assert done.text.endswith(" | nc -w 10 a.example 80\n")
    assert "Connection:close" in done.err


def test_https_is_openssl_s(crlf: CommandLine) -> None:
    done = crlf("get", "https://a.example:8443/", "--as", "printf-nc")
    assert done.text.startswith("# nc speaks no TLS")
    assert done.text.endswith(
        " | openssl s_client -quiet -connect a.example:8443 -servername a.example "
        "-verify_hostname a.example -verify_return_error\n"
    )
    done = crlf("get", "https://a.example/", "--as", "python-socket")
    assert "ssl.create_default_context()" in done.text
    done = crlf("get", "https://a.example/", "-k", "--as", "python-socket")
    assert "ssl.CERT_NONE" in done.text


def test_resolve_and_a_unix_socket_say_where_bytes_go(crlf: CommandLine) -> None:
    words = ["--as", "printf-nc", "Connection:close"]
    done = crlf("get", URL, "--resolve", "a.example:127.0.0.7", *words)
    assert done.text.endswith(" | nc 127.0.0.7 80\n")
    assert r"host: a.example\r\n" in done.text
    done = crlf("get", URL, "--unix-socket", "/run/a b.sock", *words)
    assert done.text.endswith(" | nc -U '/run/a b.sock'\n")


CURLS = [
    (["get", URL], f"curl {URL}\n"),
    (["get", URL, "-k", "--follow", "-t", "2"], f"curl --location --max-time 2 --insecure {URL}\n"),
    (["head", URL], f"curl --head {URL}\n"),
    (["delete", URL], f"curl -X DELETE {URL}\n"),
    (["post", URL], f"curl -H content-type: --data-raw '' {URL}\n"),
    (["post", URL, "a=1", "b=2"], f"curl --data-raw 'a=1&b=2' {URL}\n"),
    (["put", URL, "--raw", "x", "Content-Type:a/b"],
     f"curl -X PUT -H 'Content-Type: a/b' --data-raw x {URL}\n"),
    (["get", "http://u:p@a.example/x"], f"curl -u u:p {URL}\n"),
    (["get", URL, "-A", "digest", "-a", "u:p"], f"curl --digest -u u {URL}\n"),
    (["get", URL, "--resolve", "a.example:127.0.0.7"],
     f"curl --connect-to a.example:80:127.0.0.7:80 {URL}\n"),
    (["get", URL, "--proxy", "http://u:p%40@p.example:3128"],
     f"curl --proxy http://u:p%40@p.example:3128 {URL}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "command"), CURLS, ids=[" ".join(one[0]) for one in CURLS])
def test_a_line_for_curl(crlf: CommandLine, words: list[str], command: str) -> None:
    text = crlf(*words, "--as", "curl").text
    assert " ".join(text.replace("\\\n", "").split()) == " ".join(command.split())


PYTHONS = [
    (["get", URL, "q==1"], f"response = crlf.get('{URL}?q=1')"),
    (["post", URL, "a=1"], f"response = crlf.post('{URL}', data={{'a': '1'}})"),
    (["post", URL, "a=1", "a=2"], f"response = crlf.post('{URL}', data=[('a', '1'), ('a', '2')])"),
    (["request", "PURGE", URL], f"response = crlf.request('PURGE', '{URL}')"),
    (["get", URL, "-k"], "with crlf.Client(verify=False) as client:"),
    (["get", URL, "-A", "digest", "-a", "u:p"],
     f"response = crlf.get('{URL}', auth=crlf.Digest('u', getpass()))"),
    (["get", URL, "-A", "bearer", "-a", "t"],
     f"response = crlf.get('{URL}', auth=crlf.Bearer('t'))"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "line"), PYTHONS, ids=[" ".join(one[0]) for one in PYTHONS])
def test_a_program_with_crlf(crlf: CommandLine, words: list[str], line: str) -> None:
    assert line in crlf(*words, "--as", "python").text.splitlines()


HTTPIES = [
    (["post", URL, "a=1"], f"http --ignore-stdin --form POST {URL} a=1\n"),
    (["post", URL, "a:=1", "b=x"], f"http --ignore-stdin POST {URL} a:=1 b=x\n"),
    (["get", URL, "X:1", "Accept:"], f"http --ignore-stdin GET {URL} X:1 accept:\n"),
    (["post", URL, r"a\=b=c"], f"http --ignore-stdin --form POST {URL} 'a\\=b=c'\n"),
    (["get", URL, "-a", "u:p"], f"http --ignore-stdin -a u:p GET {URL}\n"),
]


@pytest.mark.parametrize(("words", "command"), HTTPIES, ids=[" ".join(one[0]) for one in HTTPIES])
def test_a_line_for_httpie(crlf: CommandLine, words: list[str], command: str) -> None:
    assert crlf(*words, "--as", "httpie").text == command


def test_httpie_has_no_words_for_some_fields(crlf: CommandLine) -> None:
    done = crlf("get", URL, "-H", r"X: a\=b", "--as", "httpie")
    assert done.code == USAGE
    assert "--as curl" in done.err


def test_untrusted_is_kept_or_said(crlf: CommandLine) -> None:
    assert "policy=crlf.public_only" in crlf("get", URL, "--untrusted", "--as", "python").text
    assert "--untrusted" in crlf("get", URL, "--untrusted", "--as", "curl").err


def test_fetch(crlf: CommandLine) -> None:
    done = crlf("post", URL, "a:=1", "Cookie:a=b", "Host:c.example", "--as", "fetch")
    assert 'body: JSON.stringify({"a": 1}),' in done.text
    assert "browsers write these themselves: Cookie, Host" in done.err
    for words in (["request", "GET", URL, "a=1"], ["request", "TRACE", URL]):
        assert crlf(*words, "--as", "fetch").code == USAGE


@pytest.mark.parametrize("tool", TOOLS)
def test_secrets_are_written_and_said(crlf: CommandLine, tool: str) -> None:
    done = crlf("get", URL, "--auth", "tim:secret", "--as", tool)
    assert done.code == OK
    assert "keep this to yourself" in done.err
    assert "secret" not in done.err.replace("secrets", "")


@pytest.mark.parametrize("tool", ["printf-nc", "python-socket", "curl", "python"])
def test_a_large_file_is_read_by_the_tool_itself(crlf: CommandLine, tool: str) -> None:
    (crlf.folder / "large").write_bytes(b"x" * 3_000_000)
    done = crlf("put", URL, "@large", "--as", tool)
    assert done.code == OK
    assert len(done.out) < 1000
    assert str(crlf.folder / "large") in done.text


@pytest.mark.parametrize("tool", ["printf-nc", "python-socket", "fetch"])
def test_what_is_too_large_is_refused(crlf: CommandLine, tool: str) -> None:
    (crlf.folder / "large").write_bytes(b"x" * 3_000_000)
    done = crlf("post", URL, "f@large", "--as", tool)
    assert (done.code, done.out) == (USAGE, b"")
    assert "--offline" in done.err


def test_a_terminal_sees_no_control_characters(terminal: CommandLine) -> None:
    for tool in TOOLS:
        done = terminal("post", URL, "--raw", "a\x1b[2J\u202e", "--as", tool)
        assert done.code == OK
        assert "\x1b" not in done.text
        assert "\u202e" not in done.text


def test_a_missing_file_is_said(crlf: CommandLine) -> None:
    assert crlf("post", URL, "@gone", "--as", "curl").code == NO_INPUT


def test_a_form_of_parts_is_the_same_in_bytes(crlf: CommandLine) -> None:
    """Names that a tool cannot say make it send bytes: nothing is left out."""
    (crlf.folder / "f").write_bytes(b"\x00\x01")
    line = ["post", URL, r"a\=b=c", r"x\=y@f"]
    command = crlf(*line, "--as", "curl").out
    content = run_by(SHELLS[0], b"curl() { cat; }\n" + command, crlf.folder)
    head, _, ours = plain(crlf(*line, "--offline").out).partition(b"\r\n\r\n")
    assert plain(content) == ours
    assert said_by(head + b"\r\n\r\n" + ours).content == [
        ("a=b", None, None, b"c"), ("x=y", "f", "application/octet-stream", b"\x00\x01"),
    ]  # fmt: skip
