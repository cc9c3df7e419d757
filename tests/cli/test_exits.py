"""Exit codes by what happened, each with one line and no traceback, on peers that misbehave."""

from __future__ import annotations

import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from crlf.cli import exits
from crlf.cli.outcomes import outcome_of
from crlf.message import errors

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]
SLOW = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf\n"


def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start `crlf` as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [sys.executable, "-m", "crlf", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **options,
    )


# --- peers ---------------------------------------------------------------------------------------


def test_nobody_there(crlf: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = crlf("get", place)
    assert done.code == exits.NO_CONNECTION
    assert done.err.lower() == f"crlf: cannot connect to {place}: connection refused\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "connection closed without a response [RFC 9112 8]"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "connection closed 5 bytes before"),
        (b"SSH-2.0-OpenSSH\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nA\x1b: b\r\n\r\n", ""),
    ],
)
def test_an_answer_that_breaks_the_rules(
    answer: bytes, says: str, crlf: CommandLine, scripted: Callable[..., str]
) -> None:
    done = crlf("get", scripted(answer))
    assert done.code == exits.NOT_HTTP
    assert done.err.startswith(f"crlf: the answer is broken: {says}")
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err


def test_a_connection_that_breaks(crlf: CommandLine, scripted: Callable[..., str]) -> None:
    done = crlf("get", scripted(SLOW, reset=True), "-o", "a")
    assert done.code == exits.LOST
    assert done.err.startswith("crlf: connection lost: ")


@pytest.mark.parametrize("answer", [b"", SLOW])
def test_a_time_limit(answer: bytes, crlf: CommandLine, scripted: Callable[..., str]) -> None:
    began = time.monotonic()
    done = crlf("get", scripted(answer, hold=20), "--timeout", "0.2")
    assert (done.code, done.err) == (
        exits.TOO_LATE,
        "crlf: the exchange took longer than 0.2 s in all\n",
    )
    assert time.monotonic() - began < 5
    assert done.out == answer[-5:]


def test_a_certificate_that_nobody_vouches_for(
    crlf: CommandLine, scripted: Callable[..., str]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    done = crlf("get", scripted(SLOW, tls=context))
    assert done.code == exits.NO_TRUST
    assert done.err.startswith("crlf: the certificate of 127.0.0.1 is not accepted: ")
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert crlf("get", scripted(answer, tls=context, hold=0.1), "--insecure").code == exits.OK


# --- everything else -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (errors.ConnectTimeout("late"), exits.TOO_LATE),
        (errors.ReadTimeout("late"), exits.TOO_LATE),
        (errors.BlockedAddress("private"), exits.NO_CONNECTION),
        (errors.ConnectFailed("refused", phase="connect"), exits.NO_CONNECTION),
        (errors.ConnectFailed("unknown", phase="dns"), exits.NO_NAME),
        (errors.TlsFailed("it hung up", phase="tls"), exits.NO_TLS),
        (errors.WriteFailed("lost"), exits.LOST),
        (errors.LocalError("Host twice"), exits.USAGE),
        (errors.TooLarge("head", 65536), exits.TOO_LARGE),
        (errors.DecodingError("gzip"), exits.NOT_DECODED),
        (errors.CrlfError("odd"), exits.OTHER),
        (OSError(28, "No space left on device"), exits.NO_OUTPUT),
        (ZeroDivisionError("division by zero"), exits.OTHER),
    ],
)
def test_every_error_has_a_code(fault: Exception, code: int) -> None:
    line, found = outcome_of(fault)
    assert found == code
    assert found in exits.MEANINGS
    assert "\n" not in line


def test_a_mistake_of_ours_is_one_line_unless_somebody_looks_for_it(
    crlf: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise KeyError("mistake")

    monkeypatch.setattr("crlf.cli.exchanging.fetch.run", fail)
    done = crlf("get", "http://a.example/")
    assert (done.code, done.err) == (
        exits.OTHER,
        "crlf: a mistake in crlf: KeyError: 'mistake'; CRLF_DEBUG=1 shows where\n",
    )
    crlf.variables["CRLF_DEBUG"] = "1"
    assert "Traceback" in crlf("get", "http://a.example/").err


def test_ctrl_c_is_an_exit_code_and_keeps_the_part(
    crlf: CommandLine, monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crlf.cli.showing.output.FileOutput.finish", interrupt)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npart"
    done = crlf("get", scripted(answer), "-o", "a")
    assert (done.code, done.err) == (
        exits.INTERRUPTED,
        "crlf: interrupted; what had arrived, 4 bytes, is in a.part\n",
    )
    crlf.on_terminal = ("stderr",)
    assert crlf("get", scripted(answer), "-o", "a").err.startswith("\ncrlf: interrupted")


def test_standard_error_may_be_closed(crlf: CommandLine, site: str) -> None:
    class Closed(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(9, "Bad file descriptor")

    from crlf.cli.environment import Environment
    from crlf.cli.main import main

    here = Environment(io.BytesIO(), io.BytesIO(), Closed())
    assert main(["get", f"{site}/status/404"], here) == exits.REFUSED


# --- as a process --------------------------------------------------------------------------------


def test_a_process_ends_with_the_code(site: str) -> None:
    with start("get", f"{site}/status/404") as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (exits.REFUSED, b"this is 404\n")
    assert err == b"crlf: 404 Not Found\n"


def test_a_process_whose_reader_leaves_is_quiet(site: str) -> None:
    with start("get", f"{site}/bytes/4194304") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == exits.PIPE_CLOSED


def test_a_process_is_interrupted_in_one_line(scripted: Callable[..., str]) -> None:
    with start("get", scripted(SLOW, hold=20)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b"crlf: interrupted\n"
    assert process.returncode == exits.INTERRUPTED


@pytest.mark.skipif(os.name == "nt", reason="closes a descriptor by its number")
def test_a_process_without_standard_output_says_so(site: str) -> None:
    with start("get", f"{site}/page", preexec_fn=lambda: os.close(1)) as process:
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (
        exits.NO_OUTPUT,
        b"crlf: cannot write the output: it is closed\n",
    )


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_is_not_there_is_said_to_be_one(crlf: CommandLine, scheme: str) -> None:
    """Its address stands in a variable as often as not, and nobody has just typed it."""
    done = crlf("get", "http://a.example/", "--proxy", f"{scheme}://127.0.0.1:1")
    assert done.code == exits.NO_CONNECTION
    assert done.err.startswith("crlf: cannot connect to 127.0.0.1:1: ")
    assert done.err.endswith("; that is the proxy on the way\n")
