"""The course's two forms, `printf | nc` and a bare socket, send what --offline writes, to the byte.

And so does the command itself. The other tools send the same request in their own way: its
method, target, content and the fields that the user gave. All of it is heard by a peer that keeps
every byte. One process runs all the programs of a kind.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.live.capturing import Peer, capturing, plain, run_line, said_by

from crlf.cli.exits import OK

# `URL` is the peer's. Files: see `folder`.
LINES = [
    ["get", "URL"],
    ["get", "URL/part?number=7"],
    ["get", "URL/shipping", "zip==67401", "number==7", "note==50% off & more"],
    ["get", "URL/page", "Connection:close"],
    ["get", "URL/100%25/it's/(a);b?x='y'&z=$HOME"],
    ["get", "URL/ümlaut/日本?q=ö+ä"],
    ["get", "URL/dots/../up/./here"],
    ["get", "URL/[1-3]/{a,b}"],
    ["get", "URL", "Accept:", "User-Agent:", "Accept-Encoding:"],
    ["get", "URL", "X-Quote:it's \"so\" `date` $(date) $HOME \\ \\n %s %% !x", "X-Empty;"],
    ["get", "URL", "X-Name:Jürgen", "Accept-Language:de", "Accept:text/html"],
    ["get", "URL", "-H", "X-A: 1", "-H", "X-A: 2", "Host:other.example"],
    ["get", "URL", "--auth", "tim:pa'ss%$"],
    ["get", "URL", "--auth-type", "bearer", "--auth", "abc.def~+/=="],
    ["head", "URL/page"],
    ["delete", "URL/part/7"],
    ["options", "URL"],
    ["request", "PURGE", "URL/cache", "Connection:close"],
    ["post", "URL/empty"],
    ["post", "URL/cart", "number=7", "quantity=2", "Connection:close"],
    ["post", "URL/cart", "text=it's 100% \"sure\" \\ & = +", "name=Jürgen", "e="],
    ["post", "URL/cart", "lines=one\ntwo\r\n"],
    ["post", "URL/api", "-j", "name=Jürgen", "tags:=[1,2.5,null,true]", "q='\"\\\n\u2028"],
    ["put", "URL/api", "a:={\"b\":\"</script>\"}", "If-Match:\"x\""],
    ["post", "URL/upload", "title=a 'title'", "file@photo.bin", "second@page.txt;type=text/x-a"],
    ["post", "URL/upload", "--multipart", "a=1\t2", "b=\\@x", "c=<y;type=z"],
    ["put", "URL/raw", "@photo.bin"],
    ["put", "URL/raw", "@large.bin"],
    ["post", "URL/raw", "--raw", "@no file\n%d \\r 'x'\n"],
    ["patch", "URL/raw", "@page.txt;type=text/plain"],
    ["post", "URL/raw", "@small.bin", "--chunked"],
    ["post", "URL/raw", "@page.txt", "-xx"],
    ["query", "URL/q", "--raw", "select *", "Content-Type:application/sql"],
]  # fmt: skip
NAMES = [" ".join(line).replace("\n", " ")[:60] for line in LINES]

Heard = list[tuple[bytes, bytes]]  # what --offline wrote, and what the peer heard, of each line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that are sent."""
    made = tmp_path_factory.mktemp("forms")
    (made / "photo.bin").write_bytes(bytes(range(256)) * 5 + b"\r\n%s'\"\\")
    (made / "small.bin").write_bytes(bytes(range(256)))
    (made / "large.bin").write_bytes(os.urandom(65536) * 17)
    (made / "page.txt").write_bytes(b"it's 100%\r\n\x00\xff\n" * 20)
    return made


def line_for(line: list[str], peer: Peer) -> list[str]:
    return [word.replace("URL", peer.url) for word in line]


def written(folder: Path, *words: str) -> bytes:
    code, out, err = run_line(list(words), folder)
    assert code == OK, err
    return out


def heard_from(
    folder: Path, tool: str, run: Callable[[list[bytes], Path], None], lines: list[list[str]]
) -> Heard:
    """Have all lines written for a tool, run them, and return what was promised and heard."""
    with capturing() as peer:
        own = [line_for(line, peer) for line in lines]
        texts = [written(folder, *line, "--as", tool) for line in own]
        offline = [written(folder, *line, "--offline") for line in own]
        run(texts, folder)
        return list(zip(offline, peer.wait_for(len(lines)), strict=True))


def run_in(folder: Path, *command: str) -> None:
    """Run a program to its end."""
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def run_sh(shell: str) -> Callable[[list[bytes], Path], None]:
    def run(texts: list[bytes], folder: Path) -> None:
        script = folder / f"all.{os.path.basename(shell)}"
        script.write_bytes(b"set -e\n" + b"".join(texts))
        run_in(folder, shell, str(script))

    return run


def run_python(texts: list[bytes], folder: Path) -> None:
    """Run each program by itself, one after the other, in one interpreter."""
    names = []
    for number, text in enumerate(texts):
        names.append(str(folder / f"program{number}.py"))
        Path(names[-1]).write_bytes(text)
    run_all = "import runpy, sys\nfor name in sys.argv[1:]: runpy.run_path(name)"
    run_in(folder, sys.executable, "-c", run_all, *names)


def run_node(texts: list[bytes], folder: Path) -> None:
    script = folder / "all.mjs"
    script.write_bytes(b"".join([b"{\n" + text + b"}\n" for text in texts]))
    run_in(folder, "node", str(script))


@pytest.fixture(scope="module")
def from_printf(folder: Path) -> Heard:
    return heard_from(folder, "printf-nc", run_sh("sh"), LINES)


@pytest.fixture(scope="module")
def from_sockets(folder: Path) -> Heard:
    return heard_from(folder, "python-socket", run_python, LINES)


@pytest.fixture(scope="module")
def from_crlf(folder: Path) -> Heard:
    """What the command itself sends."""
    with capturing() as peer:
        own = [line_for(line, peer) for line in LINES]
        offline = [written(folder, *line, "--offline") for line in own]
        for line in own:
            written(folder, *line)
        return list(zip(offline, peer.wait_for(len(LINES)), strict=True))


every_line = pytest.mark.parametrize("number", range(len(LINES)), ids=NAMES)


@pytest.mark.needs("nc")
@every_line
def test_printf_and_nc_send_the_bytes(from_printf: Heard, number: int) -> None:
    offline, heard = from_printf[number]
    assert plain(heard) == plain(offline)


@every_line
def test_a_bare_socket_sends_the_bytes(from_sockets: Heard, number: int) -> None:
    offline, heard = from_sockets[number]
    assert plain(heard) == plain(offline)


@every_line
def test_the_command_sends_the_bytes(from_crlf: Heard, number: int) -> None:
    offline, heard = from_crlf[number]
    assert plain(heard) == plain(offline)


@pytest.mark.needs("nc", "bash", "dash")
@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_every_shell_writes_the_same(
    folder: Path, program: Callable[[str], str], shell: str
) -> None:
    """Without nc: what printf writes is looked at itself."""
    with capturing() as peer:
        for line in LINES:
            own = line_for(line, peer)
            text = written(folder, *own, "--as", "printf-nc")
            command = text.rpartition(b" | nc ")[0]
            done = subprocess.run(
                [program(shell), "-c", command], cwd=folder, capture_output=True, check=True
            )
            assert plain(done.stdout) == plain(written(folder, *own, "--offline"))


# --- the same request, in a tool's own way -------------------------------------------------------


def check_same(offline: bytes, heard: bytes, line: list[str]) -> None:
    """Compare method, target, content and the fields that the user gave."""
    ours, theirs = said_by(offline), said_by(heard)
    assert (theirs.method, theirs.target) == (ours.method, ours.target)
    assert theirs.content == ours.content
    for name in {*given_fields(line), "authorization"}:
        assert theirs.headers.get_all(name) == ours.headers.get_all(name), name
    kind = ours.headers.get("content-type")
    if kind is None or not kind.startswith("multipart/"):
        assert theirs.headers.get("content-type") == kind


def given_fields(line: list[str]) -> set[str]:
    """Return the names of the fields that a line gives or takes away, but for Connection."""
    words = [word for before, word in pairwise(line) if before != "--raw"]
    names = {word.partition(":")[0] for word in words[1:] if ":" in word and ":=" not in word}
    names |= {word[:-1] for word in words if word.endswith(";")}
    return {name.lower() for name in names if "=" not in name and "@" not in name} - {"connection"}


@pytest.fixture(scope="module")
def from_curl(folder: Path) -> Heard:
    return heard_from(folder, "curl", run_sh("sh"), LINES)


@pytest.mark.needs("curl")
@every_line
def test_curl_sends_the_same(from_curl: Heard, number: int) -> None:
    offline, heard = from_curl[number]
    check_same(offline, heard, LINES[number])


@pytest.fixture(scope="module")
def from_library(folder: Path) -> Heard:
    return heard_from(folder, "python", run_python, LINES)


@every_line
def test_the_library_sends_the_same(from_library: Heard, number: int) -> None:
    offline, heard = from_library[number]
    check_same(offline, heard, LINES[number])


# Not: content too long for a program, a foreign Host, and URLs that fetch writes in its own way.
NOT_FETCHED = {"@large.bin", "Host:other.example", LINES[4][1], LINES[6][1]}
FETCHED = [line for line in LINES if not set(line) & NOT_FETCHED]


@pytest.fixture(scope="module")
def from_node(folder: Path) -> Heard:
    return heard_from(folder, "fetch", run_node, FETCHED)


@pytest.mark.needs("node")
@pytest.mark.parametrize("number", range(len(FETCHED)))
def test_fetch_sends_the_same(from_node: Heard, number: int) -> None:
    offline, heard = from_node[number]
    line = FETCHED[number]
    if "Accept:" in line:
        pytest.skip("fetch has fields of its own that nobody takes away")
    check_same(offline, heard, line)


@pytest.fixture(scope="module")
def from_httpie(folder: Path) -> Heard:
    return heard_from(folder, "httpie", run_sh("sh"), LINES)


@pytest.mark.long
@pytest.mark.needs("http")
@pytest.mark.timeout(120)
@every_line
def test_httpie_sends_the_same(from_httpie: Heard, number: int) -> None:
    offline, heard = from_httpie[number]
    if "[" in LINES[number][1]:
        pytest.skip("HTTPie writes brackets as %5B, which is said beside")
    check_same(offline, heard.replace(b"urlencoded; charset=utf-8", b"urlencoded"), LINES[number])
