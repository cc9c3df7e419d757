"""Every command on a real terminal: Python's pty for what arrives there, tmux for what is seen.

A terminal is left as it was: the cursor shown, keys echoed, no colour left on. Whatever a server
says, what arrives is text and our own colours; and no line is broken within a word.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from tests.live.faultypeer import EVIL_PATHS, FaultyPeer
from tests.security.test_cli_hostile import OBEYED, OURS

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]
SOURCE = Path(__file__).resolve().parents[2] / "src"
# What bars are drawn with beside colours: up a line, erase a line, the cursor off and on.
BARS = re.compile(r"\x1b\[(?:[0-9]*A|2K|\?25[lh])|\r")


@pytest.fixture(scope="module")
def peer() -> Iterator[FaultyPeer]:
    made = FaultyPeer()
    yield made
    made.close()


class Screen:
    """A terminal of Python's, on which one command runs at a time."""

    def __init__(self, folder: Path, columns: int = 80) -> None:
        self.folder = folder
        self.variables = {
            "CRLF_CLIENT_CONFIG": "off", "PATH": os.environ["PATH"], "TERM": "xterm",
            "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": str(SOURCE),
        }  # fmt: skip
        self.master, self.slave = pty.openpty()
        ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.said = b""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> None:
        self.said = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crlf", *words], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, cwd=self.folder, env=self.variables, start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def read_until(self, is_enough: Callable[[], object]) -> None:
        give_up = time.monotonic() + 30
        while not is_enough():
            assert time.monotonic() < give_up, self.said[-500:]
            if select.select([self.master], [], [], 0.02)[0]:
                self.said += os.read(self.master, 65536)

    def end(self) -> int:
        """Read all until it has ended; return its exit code."""
        process = self.process
        assert process is not None
        self.read_until(lambda: process.poll() is not None)
        while select.select([self.master], [], [], 0)[0]:
            self.said += os.read(self.master, 65536)
        return process.returncode

    def run(self, *words: str) -> int:
        self.start(*words)
        return self.end()

    @property
    def text(self) -> str:
        return self.said.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    made = Screen(tmp_path)
    yield made
    made.close()


SHOWING = (
    ("get",), ("get", "-v"), ("explain",), ("download", "--retry", "0", "--numbered"),
)  # fmt: skip


@pytest.mark.parametrize("words", SHOWING, ids=" ".join)
@pytest.mark.parametrize("path", ["/evil-json", "/evil-head", "/evil-name-star"])
def test_only_text_and_our_colours_arrive(
    screen: Screen, peer: FaultyPeer, words: tuple[str, ...], path: str
) -> None:
    """A few of all: tests/security/test_cli_hostile.py asks for each, without a terminal."""
    assert path in EVIL_PATHS
    screen.run(words[0], peer.url + path, *words[1:])
    rest = BARS.sub("", OURS.sub("", screen.text))
    assert [rest[at.start() - 20 : at.end() + 20] for at in OBEYED.finditer(rest)] == []
    assert "\ufffd" not in rest or path == "/evil-json"  # of a byte that is no text
    assert "Traceback" not in rest
    assert screen.text.endswith("\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_prompt_that_is_interrupted_leaves_a_terminal_that_echoes(
    screen: Screen, peer: FaultyPeer, number: int
) -> None:
    screen.start("get", peer.url + "/ok", "-a", "ann")
    screen.read_until(lambda: not screen.echoes and b"ann" in screen.said)
    if number == signal.SIGINT:
        os.write(screen.master, b"\x03")  # as the key does it
    else:
        assert screen.process is not None
        screen.process.send_signal(number)
    code = screen.end()
    assert screen.echoes
    assert "Traceback" not in screen.text
    assert code == (130 if number == signal.SIGINT else -signal.SIGTERM)
    if number == signal.SIGINT:
        assert screen.text.count("crlf: interrupted") == 1


def test_a_password_is_not_seen(screen: Screen, peer: FaultyPeer) -> None:
    screen.start("get", peer.url + "/ok", "-a", "ann", "-v")
    screen.read_until(lambda: not screen.echoes and b"ann" in screen.said)
    os.write(screen.master, b"s3cr3t\n")
    assert screen.end() == 0
    assert "s3cr3t" not in screen.text
    assert "YW5u" not in screen.text
    assert b"authorization: Basic YW5uOnMzY3IzdA==" in peer.heads[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_bars_that_are_interrupted_leave_the_cursor(
    screen: Screen, peer: FaultyPeer, number: int
) -> None:
    peer.held.clear()
    screen.start("download", peer.url + "/file1", peer.url + "/file2")
    screen.read_until(lambda: peer.held.is_set() and b"of 2 files" in screen.said)
    if number == signal.SIGINT:
        os.write(screen.master, b"\x03")
    else:
        assert screen.process is not None
        screen.process.send_signal(number)
    code = screen.end()
    assert code == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert screen.text.count("crlf: interrupted") == (number == signal.SIGINT)
    assert "Traceback" not in screen.text
    assert screen.said.count(b"\x1b[?25h") >= screen.said.count(b"\x1b[?25l") > 0
    assert (screen.folder / "file1.part").exists()


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_no_colour_where_none_is_wanted(
    screen: Screen, peer: FaultyPeer, variables: dict[str, str]
) -> None:
    screen.variables |= variables
    for words in (
        ("get", peer.url + "/json", "-v"), ("get", peer.url + "/evil-html"), ("--help",),
        ("explain", peer.url + "/json"), ("download", peer.url + "/many", "--overwrite"),
    ):  # fmt: skip
        assert screen.run(*words) == 0
        if variables != {"TERM": ""}:
            assert "\x1b" not in screen.text, words


# --- tmux ----------------------------------------------------------------------------------------


class Tmux:
    """A window of tmux with a shell in it."""

    def __init__(self, folder: Path, columns: int, variables: dict[str, str]) -> None:
        self.folder, self.columns = folder, columns
        self.number = 0
        settings = [f"{name}={value}" for name, value in variables.items()]
        self.say(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", "50", "-s", "it",
            shlex.join(["env", *settings, "bash", "--norc", "--noprofile"]),
        )  # fmt: skip

    def say(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self.folder / "tmux"), *words],
            cwd=self.folder, capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, line: str) -> None:
        """Type a command, and wait until it has ended."""
        self.number += 1
        mark = self.folder / f"ended{self.number}"
        self.say("send-keys", "-t", "it", "-l", f"clear; {line}; touch {mark}")
        self.say("send-keys", "-t", "it", "Enter")
        give_up = time.monotonic() + 20
        while not mark.exists():
            assert time.monotonic() < give_up, self.seen()
            time.sleep(0.02)
        while not self.seen().rstrip("\n").endswith("$"):  # the prompt comes after it
            assert time.monotonic() < give_up, self.seen()
            time.sleep(0.02)

    def seen(self, *how: str) -> str:
        return self.say("capture-pane", "-p", "-t", "it", *how)

    def close(self) -> None:
        self.say("kill-server")


# What is folded to the width: no line of these may be broken by the terminal.
FOLDED = (
    "crlf --help", "crlf explain $U/json | tail -30", "crlf explain $U/json --timing",
    "crlf get $U/json", "crlf get $U/not-found", "crlf download $U/many --overwrite -q",
)  # fmt: skip


@pytest.mark.needs("tmux", "bash")
@pytest.mark.parametrize(
    "columns", [40, *[pytest.param(columns, marks=pytest.mark.long) for columns in (80, 140)]]
)
def test_commands_in_tmux(tmp_path: Path, peer: FaultyPeer, columns: int) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "crlf").write_text(f'#!/bin/sh\nexec {sys.executable} -m crlf "$@"\n')
    (bin_folder / "crlf").chmod(0o755)
    tmux = Tmux(tmp_path, columns, {
        "PATH": f"{bin_folder}:{os.environ['PATH']}", "U": peer.url, "PS1": "$ ", "LANG": "C.UTF-8",
        "CRLF_CLIENT_CONFIG": "off", "PYTHONPATH": str(SOURCE), "HOME": str(tmp_path),
    })  # fmt: skip
    try:
        for line in FOLDED:
            tmux.run(f"COLUMNS= {line}" if "|" not in line else line)
            seen = tmux.seen()
            assert "Traceback" not in seen
            assert max(map(len, seen.split("\n"))) <= columns
            # Joined lines are those that the terminal broke; the command itself may be one.
            shown = [row for row in seen.split("\n")[2:] if row]
            whole = [row.rstrip(" ") for row in tmux.seen("-J").split("\n") if row]
            broken = [row for row in whole if len(row) > columns and " " in row.strip(" ")]
            broken = [row for row in broken if "touch" not in row]
            assert broken == [], (line, shown)
            assert tmux.say("display", "-p", "-t", "it", "#{cursor_flag}") == "1\n"
        tmux.run("crlf get $U/json")
        assert "\x1b[" in tmux.seen("-e")
        tmux.run("NO_COLOR=1 crlf get $U/json -v")
        assert "\x1b[" not in tmux.seen("-e").replace("\x1b[39m", "").replace("\x1b[49m", "")
        tmux.run("crlf get $U/evil; crlf explain $U/evil-head | tail -30; crlf get $U/evil-status")
        assert tmux.say("display", "-p", "-t", "it", "#{pane_title}") != "owned\n"
    finally:
        tmux.close()
