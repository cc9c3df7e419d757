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
from collections.abc import Callable, Iterator
from typing import Final

ROOM: Final = 8 * 1024 * 1024  # bytes that wait to be written; 25,000 lines or more
EVERY: Final = 0.2  # seconds between two writes; nginx's buffers are as long as they are told
LAST_SECONDS: Final = 3.0  # for what is left, and for a disk that hangs, when a server stops
STANDARD_OUTPUT: Final = 1
_RETRY: Final = 0.02  # seconds until a pipe that was full is tried again

# Linux writes so much into a pipe as one piece, whoever else writes to it (POSIX: 512 or more).
_PIPE_PIECE: Final = 4096
_PACK: Final = 128  # lines: few enough to be in the processor's cache still when they are joined
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
        self._lines: list[str] = []  # the newest; added to by who writes, else guarded by _packing
        self._packing = threading.Lock()
        self._packs: list[bytes] = []  # what is written next; guarded by _packing
        self._waiting = 0  # bytes in packs and under way; guarded by _packing
        self.lost = 0  # lines that are not in the file and never will be; guarded by _packing
        self._told = (0, 0.0)  # lost lines that were spoken of, and when; the thread's
        self._is_torn = False  # the last write ended within a line; the thread's
        self._sleeps = True  # the thread waits to be woken, or is not there yet
        self._awake = threading.Event()
        self._asked = threading.Event()  # to reopen
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Add a line; it is in the file a moment later. Called from one thread at a time."""
        lines = self._lines
        lines.append(line)
        if len(lines) >= _PACK:
            self._pack()
        if self._sleeps:
            self._begin()

    def _pack(self) -> None:
        """Make one piece of the lines that are there, or drop them when there is no room."""
        with self._packing:
            lines = self._lines
            count = len(lines)  # where the thread packs, another may be added meanwhile
            if not count:
                return
            pack = "".join(lines[:count]).encode("ascii", "backslashreplace")
            del lines[:count]
            if self._waiting + len(pack) > self._room:
                self.lost += count
            else:
                self._waiting += len(pack)
                self._packs.append(pack)

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
        if self._path == "-" or self._ends.is_set():
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
            self._say(f"the log goes on where it was: {self._path!a}: {fault.strerror}")
            return
        before, self._descriptor = self._descriptor, opened
        self._is_torn = False
        os.close(before)

    def _write_out(self) -> None:
        """Write all lines that are there."""
        self._pack()
        with self._packing:
            packs, self._packs = self._packs, []
        why = "they came too fast"
        for pack in packs:
            try:
                for piece in self._pieces(pack):
                    self._write_piece(piece)
            except OSError as fault:
                why = fault.strerror or "the disk"
                with self._packing:
                    self.lost += pack.count(b"\n")  # or fewer: some may have got through
            with self._packing:
                self._waiting -= len(pack)
        self._speak_of_lost(why)

    def _pieces(self, pack: bytes) -> Iterator[bytes]:
        """Cut a pack, between lines, into what one write takes whole."""
        begin = 0
        if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode):
            while len(pack) - begin > _PIPE_PIECE:
                end = pack.rfind(b"\n", begin, begin + _PIPE_PIECE)
                end = (pack.find(b"\n", begin) if end < 0 else end) + 1
                yield pack[begin:end]
                begin = end
        if begin < len(pack):
            yield pack[begin:]

    def _write_piece(self, piece: bytes) -> None:
        view = memoryview(b"\n" + piece if self._is_torn else piece)
        give_up = None
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # standard output that somebody has made non-blocking
                if self._ends.is_set():
                    give_up = give_up or time.monotonic() + LAST_SECONDS / 2
                    if time.monotonic() > give_up:
                        raise
                time.sleep(_RETRY)
            except OSError:
                self._is_torn = len(view) < len(piece) or self._is_torn
                raise
        self._is_torn = False

    def _speak_of_lost(self, why: str) -> None:
        told, told_at = self._told
        lost = self.lost
        if lost == told or (time.monotonic() - told_at < 1 and not self._ends.is_set()):
            return
        self._told = (lost, time.monotonic())
        self._say(f"{lost - told} lines of the log are lost: {why}")

    def _say(self, sentence: str) -> None:
        if self._complain is not None:
            self._complain(sentence)
