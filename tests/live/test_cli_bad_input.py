"""Commands as processes: without streams, on full disks, into closed pipes, interrupted anywhere.

What only a process has: descriptors that are closed, signals, limits of the system, an environment
with nothing in it. Whatever happens, there is one line, a documented exit code and no traceback.
"""

from __future__ import annotations

import datetime
import os
import random
import re
import resource
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from tests.live.faultypeer import FILE, FaultyPeer

from crlf.cli.exits import MEANINGS

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]
CRLF = [sys.executable, "-m", "crlf"]
MIB = 1 << 20


class Done(NamedTuple):
    code: int
    out: bytes
    err: str


class Shell:
    """Runs command lines of bash in a folder; "crlf" in them is ours, $U the peer's address."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CRLF", "COLUMNS", "NO_COLOR", "PYTEST"))
        }
        self.variables |= {"CRLF_CLIENT_CONFIG": "off", "U": url, "P": sys.executable}

    def __call__(
        self, line: str, limit: Callable[[], None] | None = None, seconds: float = 30
    ) -> Done:
        script = f'crlf() {{ "$P" -m crlf "$@"; }}; {line}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.variables, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=seconds, preexec_fn=limit,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


@pytest.fixture(scope="module")
def peer() -> Iterator[FaultyPeer]:
    made = FaultyPeer()
    yield made
    made.close()


@pytest.fixture
def shell(tmp_path: Path, peer: FaultyPeer) -> Shell:
    return Shell(tmp_path, peer.url)


def is_one_line(err: str) -> bool:
    return err.startswith("crlf: ") and err.count("\n") == 1 and "Traceback" not in err


# --- streams -------------------------------------------------------------------------------------

WRITING = (
    "get $U/many",
    "get $U/json --print=HBhbmt --pretty all",
    "get $U/ok --har -",
    "get $U/ok --offline",
    "upload /etc/hostname $U/many",
    "explain $U/ok",
    "man",
    "--help",
    *[
        pytest.param(words, marks=pytest.mark.long)
        for words in (
            "get $U/json --select a", "get $U/ok -w '%{json}'", "get $U/ok --as curl",
            "explain $U/ok --format json", "from-curl curl $U/", "completion bash", "--version",
            "serve --print-config", "explain $U/ok --timing", "explain /etc/hostname",
        )
    ],
)  # fmt: skip


@pytest.mark.needs("bash")
@pytest.mark.parametrize("words", WRITING)
def test_output_that_cannot_be_written_is_one_line(shell: Shell, words: str) -> None:
    """Closed, full, and closed by who reads: three ways, one process each, side by side."""
    done = shell(
        f"(crlf {words} >&-; echo $? >code1) 2>err1 & (crlf {words} >/dev/full; echo $? >code2)"
        f" 2>err2 & (crlf {words}; echo $? >code3) 2>err3 | true; wait"
    )
    assert done.code == 0
    err = {number: (shell.folder / f"err{number}").read_text() for number in (1, 2, 3)}
    code = {number: int((shell.folder / f"code{number}").read_text()) for number in (1, 2, 3)}
    assert (code[1], code[2]) == (23, 23)
    assert err[1] == "crlf: cannot write the output: it is closed\n"
    assert err[2] == "crlf: cannot write the output: No space left on device\n"
    assert code[3] in (0, 141)  # 0: it was written before anybody could end the pipe
    assert err[3] == ""


@pytest.mark.needs("bash")
def test_a_reader_who_has_seen_enough_ends_it(shell: Shell) -> None:
    for words in ("get $U/many", "get $U/endless-text", "get $U/endless-text -v 2>/dev/null"):
        done = shell(f"crlf {words} | head -1; echo ${{PIPESTATUS[0]}} >code")
        assert done.err == ""
        assert done.out
        assert (shell.folder / "code").read_text() == "141\n", words


@pytest.mark.needs("bash")
@pytest.mark.parametrize("end", ["2>&-", "2>/dev/full"])
def test_nobody_who_reads_errors_changes_nothing(shell: Shell, end: str) -> None:
    done = shell(
        f"crlf get $U/ok -v {end} && crlf download $U/many {end} >/dev/null && cmp many <(crlf "
        f"get $U/many -w '%{{stderr}}%{{json}}' {end}) && crlf get $U/not-found {end}"
    )
    assert done == Done(4, b"a page\nno\n", "")


@pytest.mark.needs("bash")
@pytest.mark.parametrize(
    "words",
    [
        "post $U/ok @- --offline", "post $U/ok a=@-", "explain -", "from-curl -", "download -i -",
        "get $U/ok -w @-", "download $U/ok --checksums -",
    ],
)  # fmt: skip
def test_standard_input_that_is_closed_is_said_to_be(shell: Shell, words: str) -> None:
    done = shell(f"crlf {words} <&-")
    assert done.code == 26
    assert done.err == "crlf: cannot read standard input: it is closed\n"


@pytest.mark.needs("bash")
def test_nothing_of_the_streams_is_needed(shell: Shell) -> None:
    done = shell("crlf get $U/many -o kept <&- >&- 2>&- && cmp kept <(crlf get $U/many)")
    assert done == Done(0, b"", "")


# --- disks ---------------------------------------------------------------------------------------


@pytest.mark.needs("bash")
def test_a_full_disk_keeps_what_there_was_room_for(shell: Shell) -> None:
    """A limit on the size of files is a disk that is full in the middle of one."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = shell("crlf get $U/many -o kept", small)
    assert done.code == 23
    assert is_one_line(done.err)
    assert "kept.part" in done.err
    assert (shell.folder / "kept.part").stat().st_size == 100_000
    done = shell("crlf download $U/many --retry 0", small)
    assert done.code == 23
    assert is_one_line(done.err)
    assert "many.part" in done.err
    assert not (shell.folder / "many").exists()
    done = shell("crlf get $U/many --har all.har >/dev/null", small)
    assert done.code == 23
    assert is_one_line(done.err)
    assert not (shell.folder / "all.har").exists()


@pytest.mark.needs("bash")
@pytest.mark.parametrize(
    "words",
    [
        "get $U/many -o /dev/full", "get $U/ok --har /dev/full", "explain $U/ok --save /dev/full",
        "explain $U/ok --html /dev/full", "explain $U/ok --har /dev/full",
        "get $U/ok -o there/is/none", "get $U/ok --har there/is/none", "download $U/ok -o a/b/c",
        "get $U/ok -o /proc/none", "download $U/ok --into /proc/none",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_written_is_named(shell: Shell, words: str) -> None:
    done = shell(f"crlf {words} >/dev/null")
    assert done.code == 23
    assert is_one_line(done.err)
    assert words.split(" ")[-1].split("/")[-1] in done.err


@pytest.mark.needs("bash")
def test_a_folder_that_is_gone_is_one_line(shell: Shell) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && "$P" -P -m crlf '
    done = shell(f"{script} get $U/ok")
    assert done == Done(0, b"a page\n", "")
    for words in ("get $U/ok -o kept", "download $U/ok", "serve"):
        done = shell(f"{script} {words}")
        assert done.code in (2, 23), words
        assert is_one_line(done.err), done.err
        (shell.folder / "gone").rmdir() if (shell.folder / "gone").exists() else None


# --- connections ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_each_broken_tls_has_its_line(shell: Shell, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(str(shell.folder / "ca.pem"))
    past = datetime.datetime(2020, 1, 1)
    certificates = {
        "S": (trustme.CA().issue_cert("127.0.0.1"), "an authority that is not trusted here"),
        "W": (authority.issue_cert("other.example"), "not valid for '127.0.0.1'"),
        "E": (authority.issue_cert("127.0.0.1", not_after=past), "it has expired"),
    }
    peers = []
    try:
        for name, (certificate, _) in certificates.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            peers.append(FaultyPeer(context))
            shell.variables[name] = peers[-1].url
        commands = {"S": "get", "W": "download", "E": "explain"}
        for name, (_, reason) in certificates.items():
            for words in (f"get ${name}/ok", f"{commands[name]} ${name}/ok"):
                done = shell(f"crlf {words} --ca ca.pem >/dev/null")
                assert done.code == 60
                assert is_one_line(done.err)
                assert reason in done.err
        done = shell(
            f"crlf get https://127.0.0.1:{shell.variables['U'].rpartition(':')[2]}/ -t 0.3"
        )
        assert done.code == 28
        assert is_one_line(done.err)
        done = shell("crlf get ${S/https/http}/ok -t 5")
        assert done.code in (8, 56)
        assert is_one_line(done.err)
    finally:
        for one in peers:
            one.close()


@pytest.mark.needs("bash")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("get http://127.0.0.1:1/", 7), ("get http://no-such-host.invalid/", 6),
        ("download http://127.0.0.1:1/a --retry 0", 7), ("upload /etc/hostname 127.0.0.1:1", 7),
        ("explain http://127.0.0.1:1/", 7), ("get $U/ok --proxy http://127.0.0.1:1", 7),
        ("get $U/ok --unix-socket /there/is/none", 7), ("get $U/hold-head -t 0.2", 28),
        ("get $U/hold-body -t 0.2", 28), ("download $U/hold-body -t 0.2", 28),
        ("explain $U/hold-body -t 0.2", 28), ("get $U/reset", 56),
        ("get $U/endless-head", 63), ("get $U/endless-line", 63), ("get $U/endless-interim", 8),
    ],
)  # fmt: skip
def test_nobody_there_or_nothing_said_is_one_line(shell: Shell, words: str, code: int) -> None:
    done = shell(f"crlf {words} >/dev/null", seconds=20)
    assert done.code == code, done.err
    assert is_one_line(done.err)


# --- environments --------------------------------------------------------------------------------


@pytest.mark.needs("bash")
@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"},
        {"LC_ALL": "", "LC_CTYPE": "no_SUCH.locale", "LANG": "\udcff"},
        {"COLUMNS": "1", "TERM": "", "FORCE_COLOR": "1"},
        {"HOME": "/dev/null", "XDG_CONFIG_HOME": "x", "TMPDIR": "/there/is/none"},
        {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
        *[pytest.param(variables, marks=pytest.mark.long) for variables in (
            {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONCOERCECLOCALE": "0"},
            {"COLUMNS": "10", "TERM": "dumb"}, {"COLUMNS": "-5", "LINES": "x"},
            {"COLUMNS": "99999999999999999999"}, {"HOME": ""}, {"HOME": "/there/is/none"},
            {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"http_proxy": "", "no_proxy": "*"},
            {"CRLF_DEBUG": ""},
        )],
    ],
    ids=str,
)  # fmt: skip
def test_any_environment_will_do(shell: Shell, variables: dict[str, str]) -> None:
    shell.variables |= variables
    done = shell(
        "crlf get $U/json --pretty all --print hb >/dev/null && crlf explain $U/evil >/dev/null && "
        "crlf get $U/not-found"
    )
    assert done == Done(4, b"no\n", "crlf: 404 Not Found\n")


@pytest.mark.needs("bash")
def test_an_environment_with_nothing_in_it_will_do(shell: Shell) -> None:
    done = shell('env -i "$P" -m crlf get $U/json --session a --pretty all')
    assert is_one_line(done.err) or done.code == 0
    assert "Traceback" not in done.err
    done = shell("HOME=/proc/1 XDG_CONFIG_HOME= crlf get $U/json --session a")
    assert "Traceback" not in done.err
    assert done.code in MEANINGS


# --- interrupted ---------------------------------------------------------------------------------


class Interrupted:
    """Starts commands and sends them a signal."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*CRLF, *words], cwd=self.shell.folder, env=self.shell.variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def end(self, process: subprocess.Popen[bytes], number: int) -> Done:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        return Done(process.returncode, out, err.decode())


WAITING = {
    "waiting": ("get", "/hold-head"),
    "in a head": ("get", "/hold-in-head"),
    "in a body": ("get", "/hold-body"),
    "into a file": ("get", "/hold-body", "-o", "kept"),
    "formatting": ("get", "/hold-json", "--pretty", "all"),
    "selecting": ("get", "/hold-json", "--select", "a"),
    "figures": ("get", "/hold-body", "-w", ""),
    "a HAR": ("get", "/hold-body", "--har", "all.har"),
    "a download": ("download", "/file", "-o", "kept"),
    "downloads": ("download", "/file1", "/file2", "/file3"),
    "an upload": ("upload", "sent", "/hold-request"),
    "explaining": ("explain", "/hold-body"),
}


@pytest.mark.parametrize(
    ("number", "where"),
    [
        *[(signal.SIGINT, where) for where in WAITING],
        *[(signal.SIGTERM, where) for where in ("into a file", "a download", "an upload")],
        *[pytest.param(signal.SIGTERM, where, marks=pytest.mark.long) for where in WAITING],
    ],
)
def test_a_signal_ends_it_where_it_waits(
    shell: Shell, peer: FaultyPeer, where: str, number: int
) -> None:
    """Ctrl-C is one line and 130; SIGTERM ends it by the signal. Either keeps what arrived."""
    (shell.folder / "sent").write_bytes(bytes(8 * MIB))
    interrupted = Interrupted(shell)
    peer.held.clear()
    words = [peer.url + word if word.startswith("/") else word for word in WAITING[where]]
    process = interrupted.start(*words)
    assert peer.held.wait(20)
    if where in ("into a file", "a download"):
        wait_for(lambda: size_of(shell.folder / "kept.part") >= 130_000)
    if where == "downloads":
        wait_for(lambda: all(size_of(shell.folder / f"file{n}.part") for n in (1, 2, 3)))
    done = interrupted.end(process, number)
    assert "Traceback" not in done.err
    if number == signal.SIGTERM:
        assert (done.code, done.err) == (-signal.SIGTERM, "")
    else:
        assert done.code == 130
        assert is_one_line(done.err)
        assert done.err.startswith("crlf: interrupted")
        if where in ("into a file", "a download"):
            assert "kept.part" in done.err
        if where == "downloads":
            assert all(f" bytes in file{n}.part" in done.err for n in (1, 2, 3))
            assert done.err.count("the same command goes on from there") == 1
    if where == "a download":
        again = shell("crlf download $U/file -o kept")
        assert again.code == 0
        assert (shell.folder / "kept").read_bytes() == FILE
        assert "from before" in again.err


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def wait_for(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.01)


@pytest.mark.long
def test_ctrl_c_at_any_moment_is_one_line(shell: Shell, peer: FaultyPeer) -> None:
    """Moments from a seed, from the first on that is ours: Python's own start cannot be caught."""
    moments = random.Random(6)
    interrupted = Interrupted(shell)
    commands = (
        ("get", "/hold-body"), ("get", "/hold-body", "-v"), ("get", "/hold-body", "-o", "kept"),
        ("download", "/file", "--overwrite"), ("explain", "/hold-body"), ("get", "/json"),
        ("get", "/hold-json", "--pretty", "all"), ("upload", "/etc/hostname", "/hold-request"),
        ("get", "--help"), ("get", "/ok", "--as", "curl"),
    )  # fmt: skip
    wrong = []
    for number in range(120):
        words = commands[number % len(commands)]
        full = [
            peer.url + word if word.startswith("/") and word != "/etc/hostname" else word
            for word in words
        ]
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "crlf", *full], cwd=shell.folder,
            env=shell.variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        said = b""
        while b"crlf.cli.entry" not in said and (line := process.stderr.readline()):
            said += line
        time.sleep(moments.uniform(0, 0.2))
        done = interrupted.end(process, signal.SIGINT)
        err = re.sub(r"(?m)^import time:.*\n", "", done.err)
        fine = done.code == 130 and err.count("crlf: interrupted") == 1
        if "Traceback" in err or not (fine or (done.code == 0 and "crlf: int" not in err)):
            wrong.append((words, done.code, err[-600:]))
    assert wrong == []


# --- too much ------------------------------------------------------------------------------------


def most_memory(shell: Shell, *words: str, seconds: float = 100) -> tuple[int, int]:
    """Run a command; return its exit code and the most memory that it had, in bytes."""
    script = (
        "import os, subprocess, sys, resource\n"
        "with open(os.devnull, 'wb') as null:\n"
        f"    code = subprocess.run(sys.argv[1:], stdout=null, timeout={seconds}).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *CRLF, *words], cwd=shell.folder, env=shell.variables,
        capture_output=True, timeout=seconds + 20, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    code, memory = done.stdout.split()
    return int(code), int(memory) * 1024


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "codes", "most"),
    [
        (("get", "/long-line"), {0}, 80),
        (("get", "/long-line", "-o", "kept"), {0}, 80),
        (("get", "/long-line", "--pretty", "all", "--print", "hb"), {0, 63}, 100),
        (("get", "/long-line", "-v"), {0}, 100),
        (("get", "/large.json", "--pretty", "all"), {0, 63}, 100),
        (("get", "/large.json", "--select", "[0]"), {0, 63}, 1600),
        (("get", "/large.json", "--har", "all.har"), {0}, 400),
        (("explain", "/large.json"), {0}, 400),
        (("explain", "/long-line"), {0}, 400),
        (("explain", "/endless-text", "-t", "3"), {28}, 400),
        (("get", "/endless-body", "--select", "[0]", "-t", "20"), {63, 28}, 400),
        (("get", "/endless-text", "--har", "all.har", "-t", "3"), {28}, 400),
        (("get", "/deep.json", "--pretty", "all"), {0}, 200),
        (("download", "/long-line", "--overwrite"), {0}, 80),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_memory_is_bounded_whatever_comes(
    shell: Shell, peer: FaultyPeer, words: tuple[str, ...], codes: set[int], most: int
) -> None:
    """1 GB in a line, 100 MB of JSON, content without end. most: MiB of the process."""
    full = [peer.url + word if word.startswith("/") else word for word in words]
    code, memory = most_memory(shell, *full)
    assert code in codes
    assert memory < most * MIB, f"{memory / MIB:.0f} MiB"


@pytest.mark.long
def test_large_files_are_refused_or_read_in_time(shell: Shell) -> None:
    """A HAR of 100 MB, a curl line of 1 MB, a million items of JSON."""
    entry = (
        '{"startedDateTime":"2026-01-01T00:00:00Z","time":1,"timings":{"wait":1},"request":'
        '{"method":"GET","url":"http://a.example/","httpVersion":"HTTP/1.1","headers":[]},"response":'
        '{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[],"content":'
        '{"size":100000,"mimeType":"text/plain","text":"' + "x" * 100_000 + '"}}}'
    )
    whole = '{"log":{"entries":[' + ",".join([entry] * 1000) + "]}}"
    (shell.folder / "large.har").write_text(whole)
    code, memory = most_memory(shell, "explain", "large.har")
    assert code in (0, 63)
    assert memory < 1500 * MIB
    (shell.folder / "line").write_text("curl http://a.example/ -d '" + "x" * 1_000_000 + "'")
    done = shell("crlf from-curl - <line")
    assert done.code in (0, 2, 63)
    assert "Traceback" not in done.err
    done = shell("$P -c 'print(\"[\" * 1000000)' >deep; crlf post $U/ok a:=@deep")
    assert done.code == 2
    assert is_one_line(done.err)
