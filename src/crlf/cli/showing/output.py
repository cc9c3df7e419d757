"""Where the content goes: as it is into a pipe or a file. (For a terminal see formatting.py.)

A file is written as FILE.part beside it and renamed when it is whole; what has arrived before a
failure stays in the part. Its law: whatever its length, no more than a piece of the content is
in memory.
"""

from __future__ import annotations

import io
import os
import stat
from contextlib import suppress
from typing import BinaryIO, Protocol

from crlf.cli.exits import NO_OUTPUT, Failure, reason_of
from crlf.message.content import charset_of
from crlf.message.headers import Headers

_TEXTS = ("json", "xml", "javascript", "x-www-form-urlencoded")  # how types of texts end


class Output(Protocol):
    """Takes content, piece by piece."""

    @property
    def is_full(self) -> bool:
        """Whether more of it is of no use."""

    def write(self, piece: bytes) -> None:
        """Take a piece."""

    def finish(self) -> None:
        """Say that the content is whole."""

    def abandon(self) -> str:
        """Say that nothing more will come; return what became of the rest, for people, or ""."""


class StreamOutput:
    """Content into an open stream, as it is: a pipe, or standard output sent to a file."""

    is_full = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, piece: bytes) -> None:
        self._stream.write(piece)
        self._stream.flush()  # who reads it may be waiting for just this piece

    def finish(self) -> None:
        self._stream.flush()

    def abandon(self) -> str:
        with suppress(OSError):  # a failure has been told already
            self._stream.flush()
        return ""


class FileOutput:
    """Content into a file: whole under its name, or in part under its name and `.part`."""

    is_full = False

    def __init__(self, path: str, shown: str) -> None:
        """path: where; shown: what to call it. Raises Failure when it cannot be written there."""
        self.path, self.shown = path, shown
        self._size = 0
        self._part: str | None = None
        if not os.path.basename(path):
            raise Failure(f"{shown!r} is no name of a file", NO_OUTPUT)
        try:
            self._mode = _mode_of(path)
            if path.startswith("/dev/") or not (self._mode is None or stat.S_ISREG(self._mode)):
                self._file = io.FileIO(path, "wb")  # a device or a pipe has no .part
            else:
                self.path = os.path.realpath(path)  # a link stays, what it leads to changes
                self._part = f"{self.path}.part"
                self._file = io.FileIO(self._part, "wb", opener=_open_part)
        except FileNotFoundError:
            raise Failure(f"cannot write {shown}: there is no such folder", NO_OUTPUT) from None
        except OSError as fault:
            raise Failure(f"cannot write {shown}: {reason_of(fault)}", NO_OUTPUT) from None

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises Failure when the disk does not."""
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise Failure(f"cannot write {self.shown}: {reason_of(fault)}", NO_OUTPUT) from None
        self._size += len(piece)

    def finish(self) -> None:
        """Give the file its name. Raises Failure when that is not possible."""
        self._file.close()
        if self._part is None:
            return
        try:
            if self._mode is not None:
                os.chmod(self._part, stat.S_IMODE(self._mode))
            os.replace(self._part, self.path)
        except OSError as fault:
            raise Failure(f"cannot write {self.shown}: {reason_of(fault)}", NO_OUTPUT) from None
        self._part = None

    def abandon(self) -> str:
        self._file.close()
        if self._part is None:
            return ""
        if self._size:
            return f"what had arrived, {count(self._size)}, is in {self.shown}.part"
        with suppress(OSError):  # it is empty; who cares who took it
            os.unlink(self._part)
        return ""


def _open_part(path: str, flags: int) -> int:
    """Open a part; never through a link that somebody else has put in its place."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _mode_of(path: str) -> int | None:
    """Return what kind of file there is, with its rights; None when there is none."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def says_text(headers: Headers) -> bool:
    """Tell whether Content-Type calls the content text."""
    if charset_of(headers) is not None:
        return True
    essence = headers.get("content-type", "").partition(";")[0].strip(" \t").lower()
    return essence.startswith("text/") or essence.endswith(_TEXTS)


def count(size: int) -> str:
    """Write a size for people."""
    return f"{size:,} byte{'' if size == 1 else 's'}"
