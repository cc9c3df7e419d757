"""A file that lines are added to while others wait for something better to do.

Whoever writes adds to a list; a thread takes what is there a few times a second and writes it in
one piece, opened to append, so that the processes of one server may share a file and no line is
ever torn. Its law: who writes never waits. What a slow disk has not taken when the room is used
up is dropped, counted, and spoken of.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

ROOM: Final = 8 * 1024 * 1024  # bytes that wait to be written; 25,000 lines or more
EVERY: Final = 0.2  # seconds between two writes; nginx's buffers are as long as they are told
LAST_SECONDS: Final = 3.0  # for what is left, and for a disk that hangs, when a server stops
STANDARD_OUTPUT: Final = 1

# Linux writes so much into a pipe as one piece, whoever else writes to it (POSIX: 512 or more).
_PIPE_PIECE: Final = 4096
_FLAGS: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a named pipe without a reader is an error, not a wait
)


def open_log(path: str) -> int:
    """Open a file to append to, made for its owner and group alone; "-" is standard output.

    Raises OSError.
    """
    if path == "-":
        return STANDARD_OUTPUT
    descriptor = os.open(path, _FLAGS, 0o640)
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return descriptor


class LogFile:
    """Lines on their way into a file. Each ends with a newline and is ASCII.

    path: "-" for standard output. every: seconds between two writes. room: bytes that may wait.
    complain: told of each trouble in a sentence, at most once a second.

    Raises OSError when the file cannot be opened.
    """

    def __init__(
        self,
        path: str,
        *,
        every: float = EVERY,
        room: int = ROOM,
        complain: Callable[[str], None] | None = None,
    ) -> None:
        self.process = os.getpid()  # which writes it
        self._path = path
        self._every = every
        self._room = room
        self._complain = complain
        self._descriptor = open_log(path)
        self._lines: list[
            str
        ] = []  # added to by whoever writes, taken from the front by the thread
        self._came = 0  # bytes so far; only who writes counts here,
        self._went = 0  # and here only the thread
        self.dropped = 0  # lines that there was no room for; written where they are dropped
        self._lost = 0  # lines that the disk refused; the thread's
        self._told = (0, 0.0)  # lines spoken of, and when; the thread's
        self._sleeps = True  # the thread waits to be woken, or is not there yet
        self._awake = threading.Event()
        self._asked = threading.Event()  # to reopen
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> int:
        """How many lines have not been written, and will not be."""
        return self.dropped + self._lost

    def write(self, line: str) -> None:
        """Add a line; it is in the file a moment later. Called from one thread at a time."""
        size = len(line)
        if self._came - self._went + size > self._room:
            self.dropped += 1
            return
        self._came += size
        self._lines.append(line)
        if self._sleeps:
            self._begin()

    def _begin(self) -> None:
        """Wake the thread for the first line of a batch."""
        self._sleeps = False
        if self._thread is None:
            if self._ends.is_set():
                return
            # No sooner than there is something to write: a process may fork before that.
            self._thread = threading.Thread(target=self._live, name="crlf-log", daemon=True)
            self._thread.start()
        self._awake.set()

    def reopen(self) -> None:
        """Go on in the file that has the path's name now, as after it was moved away."""
        if self._path == "-":
            return
        self._asked.set()
        if self._thread is None:
            self._open_anew()
        else:
            self._awake.set()

    def close(self) -> None:
        """Write what is left, within seconds, and end."""
        if self._ends.is_set():
            return
        self._ends.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)
            if self._thread.is_alive():
                return  # the disk hangs, and the descriptor with it
        if self._descriptor != STANDARD_OUTPUT:
            os.close(self._descriptor)

    # -- in the thread

    def _live(self) -> None:
        while not self._ends.wait(self._every):
            if self._asked.is_set():
                self._open_anew()
            self._write_out()
            self._awake.clear()
            self._sleeps = True
            # Who adds a line after this look sees that the thread sleeps; who added one before
            # is seen here.
            if self._lines or self._asked.is_set() or self._ends.is_set():
                self._sleeps = False
            else:
                self._awake.wait()
        self._write_out()

    def _open_anew(self) -> None:
        self._asked.clear()
        self._write_out()
        try:
            opened = open_log(self._path)
        except OSError as fault:
            self._say(f"the log goes on where it was: {self._path!a} cannot be opened: {fault}")
            return
        before, self._descriptor = self._descriptor, opened
        os.close(before)

    def _write_out(self) -> None:
        """Write all lines that are there."""
        lines = self._lines
        count = len(lines)
        if count:
            batch = lines[:count]
            try:
                for piece in self._pieces(batch):
                    self._write_piece(piece)
            except OSError as fault:
                self._lost += count
                self._speak_of_lost(f": {fault.strerror}")
            # The lines make room when they are written: what waits is what stands in the list.
            self._went += sum(map(len, batch))
            del lines[:count]
        self._speak_of_lost("")

    def _pieces(self, batch: Sequence[str]) -> Sequence[bytes]:
        """Join lines into what one write takes whole: all of them, or a pipe's worth."""
        if len(batch) == 1 or not stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
            return ["".join(batch).encode("ascii", "backslashreplace")]
        pieces: list[bytes] = []
        held: list[str] = []
        size = 0
        for line in batch:
            if held and size + len(line) > _PIPE_PIECE:
                pieces.append("".join(held).encode("ascii", "backslashreplace"))
                held, size = [line], len(line)
                continue
            held.append(line)
            size += len(line)
        pieces.append("".join(held).encode("ascii", "backslashreplace"))
        return pieces

    def _write_piece(self, piece: bytes) -> None:
        view = memoryview(piece)
        last_at = None
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # standard output that somebody has made non-blocking
                if self._ends.is_set():
                    last_at = last_at or time.monotonic() + LAST_SECONDS / 2
                    if time.monotonic() > last_at:
                        raise
                time.sleep(0.02)

    def _speak_of_lost(self, why: str) -> None:
        told, told_at = self._told
        lost = self.lost
        if lost == told or (time.monotonic() - told_at < 1 and not self._ends.is_set()):
            return
        self._told = (lost, time.monotonic())
        self._say(f"{lost - told} lines of the log are lost{why or ': they came too fast'}")

    def _say(self, sentence: str) -> None:
        if self._complain is not None:
            self._complain(sentence)
