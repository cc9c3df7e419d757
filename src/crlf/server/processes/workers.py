"""A worker as its supervisor sees it: a process, its place on the board, and a link to it.

A fresh interpreter each, so that what it imports is what lies on disk now. Its law: a signal
sent to it is never too early, and what it says of its start is heard before its end is seen.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

from crlf.net.board import BEAT, Slot
from crlf.server.processes.briefing import Answer, Briefing, read_line, write_line

# Held back while a worker is born: it does not know yet what to do with them, nor does the
# parent want to be disturbed.
HELD = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU,
    signal.SIGCHLD,
)  # fmt: skip
_MOST_SAID = 1 << 20  # bytes of a worker's answer; a traceback


class Worker:
    """One process that serves. Times are monotonic seconds."""

    def __init__(self, briefing: Briefing, slot: Slot) -> None:
        """Start it. Raises OSError when the system has no room for it."""
        self.slot = slot
        self.generation = briefing.generation
        self.born = time.monotonic()
        self.ready: float | None = None  # since when it serves
        self.told: float | None = None  # since when it is to stop
        self.ended_by: int | None = None  # the last signal that we insisted with, and when
        self.ended_at = 0.0
        self.fault = ""  # why it cannot serve
        self._said = bytearray()
        slot.wipe()
        self.link, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _start(briefing, theirs)
            self.link.settimeout(5.0)  # the buffer takes it all, and it has nothing else to do
            self.link.sendall(write_line(briefing))
            self.link.setblocking(False)
        except BaseException:
            self.link.close()
            raise

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_serving(self) -> bool:
        """Whether it is ready, and has not been told to stop."""
        return self.ready is not None and self.told is None

    @property
    def last_beat(self) -> float:
        """When it was last seen to live."""
        return max(self.slot[BEAT] / 1e9, self.ready or self.born)

    def listen(self) -> bool:
        """Hear what it has said; tell whether there may be more. It is born, or says why not."""
        try:
            piece = self.link.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not piece or len(self._said) > _MOST_SAID:
            return False
        self._said += piece
        if piece.endswith(b"\n"):
            said, self._said = bytes(self._said), bytearray()
            try:
                answer = read_line(said)
            except (ValueError, LookupError, TypeError, AttributeError):
                answer = None
            if not isinstance(answer, Answer):  # what one worker says ends nobody but itself
                self.fault = "what it says of its start cannot be understood"
                return False
            if answer.fault:
                self.fault = answer.fault
            else:
                self.ready = time.monotonic()
        return True

    def tell(self, number: int) -> None:
        """Send it a signal, if it still is there."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def tell_to_stop(self) -> None:
        """Let it finish what it has begun, and end."""
        if self.told is None:
            self.told = time.monotonic()
            self.tell(signal.SIGTERM)

    def insist(self, number: int) -> None:
        """End it: SIGABRT shows where it is stuck, SIGKILL is not to be refused."""
        self.ended_by, self.ended_at = number, time.monotonic()
        self.tell(number)

    def has_ended(self) -> bool:
        """Tell whether the process is gone; if so, its last words have been heard."""
        if self._process.poll() is None:
            return False
        while self._is_more() and self.listen():
            pass
        return True

    def wait(self) -> None:
        """Wait until the process is gone."""
        self._process.wait()

    def forget(self) -> None:
        """Let go of what it had."""
        self.link.close()
        self.slot.wipe()

    def _is_more(self) -> bool:
        try:
            return bool(self.link.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    @property
    def fate(self) -> str:
        """How it ended, in words."""
        status = self._process.returncode
        if status is None:
            return "still runs"
        if status < 0:
            return f"was ended by {signal_name(-status)}"
        return f"ended with status {status}"

    @property
    def status(self) -> int | None:
        """What it returned; negative for a signal; None as long as it runs."""
        return self._process.returncode


def signal_name(number: int) -> str:
    """Name a signal: SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _start(briefing: Briefing, link: socket.socket) -> subprocess.Popen[bytes]:
    """Start an interpreter that runs worker.py, with the signals of HELD held back."""
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
    # The flags are what multiprocessing hands on too.
    # -P: without it Python would look for our own imports in the folder that is served.
    run = [sys.executable, *flags, "-P", "-m", "crlf.server.processes.worker", str(link.fileno())]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        return subprocess.Popen(
            run,
            stdin=subprocess.DEVNULL,
            pass_fds=(link.fileno(), briefing.board, *briefing.sockets),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
