"""The board: what the processes of one server count, where all of them can read it.

A row of 64-bit counters a process, its slot, in memory that is shared by a descriptor. Its law:
a slot has one writer, the process that it was given to, so that no lock is needed; whoever reads
sees each counter as it was a moment ago, and two of them not of the same moment. Counts go on
when a slot is given to the next process: they are the slot's. What is so at present (PID ...
CONNECTIONS) is the process's, and wiped with it. One process alone has the same board in
plain memory.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator

# What is so at present: wiped when the slot's process has ended.
PID, BEAT, READY, DRAINING, GENERATION, CONNECTIONS = range(6)  # BEAT: monotonic nanoseconds
PRESENT = CONNECTIONS + 1  # as many counters of that kind

# What has been so far.
ACCEPTED = 8
REQUESTS_1XX, REQUESTS_2XX, REQUESTS_3XX, REQUESTS_4XX, REQUESTS_5XX = range(9, 14)
BYTES_OUT = 14  # of content
REFUSED_RULE, REFUSED_LIMIT, REFUSED_TIMEOUT, REFUSED_HOST, REFUSED_OVERLOAD = range(15, 20)
GONE = 20  # clients that left in the middle of an answer
ERRORS = 21  # of the application's
RESTARTS = 22  # processes that came after the first in this slot
SECONDS_SUM = 24  # microseconds
SECONDS = 25  # the first of the buckets: requests that took at most so many seconds
SECONDS_UP_TO = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# The last bucket, SECONDS + len(SECONDS_UP_TO), has what took longer. Each request is in one.
FREE = SECONDS + len(SECONDS_UP_TO) + 1  # counters from here on are nobody's yet

COUNTERS = 64  # in a slot: 512 bytes, so that no two writers share a line of a processor's cache
_SIZE = 8  # bytes of a counter


class Slot:
    """One process's counters. Only that process writes to it."""

    __slots__ = ("_cells", "board", "number")

    def __init__(self, board: Board, cells: list[int] | memoryview[int], number: int = 0) -> None:
        self.board = board
        self._cells = cells
        self.number = number

    def __getitem__(self, counter: int) -> int:
        return self._cells[counter]

    def __setitem__(self, counter: int, value: int) -> None:
        self._cells[counter] = value

    def add(self, counter: int, count: int = 1) -> None:
        """Count."""
        self._cells[counter] += count

    def answered(self, status_code: int, size: int, seconds: float) -> None:
        """Count an answer, all that there is to count of it. size: bytes of content."""
        cells = self._cells
        cells[REQUESTS_1XX - 1 + status_code // 100] += 1
        cells[SECONDS + bisect_left(SECONDS_UP_TO, seconds)] += 1
        cells[SECONDS_SUM] += int(seconds * 1e6)
        if size:
            cells[BYTES_OUT] += size

    def wipe(self) -> None:
        """Forget what was so at present: its process has ended. What was counted stays."""
        for counter in range(PRESENT):
            self._cells[counter] = 0


class Board:
    """The slots of one server's processes.

    Made by `Board(slots)` in plain memory, by `Board.shared(slots)` to be handed on by its
    descriptor, by `Board.attached(descriptor)` in the process that it was handed to.
    """

    def __init__(self, slots: int = 1) -> None:
        self.descriptor: int | None = None
        self._memory: mmap.mmap | None = None
        self._view: memoryview | None = None
        self._cuts: list[memoryview[int]] = []
        self.slots = tuple([Slot(self, [0] * COUNTERS, number) for number in range(slots)])

    @classmethod
    def shared(cls, slots: int) -> Board:
        """Make a board that other processes may be given. Raises OSError."""
        descriptor = _open_memory()
        try:
            os.ftruncate(descriptor, slots * COUNTERS * _SIZE)
            return cls.attached(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def attached(cls, descriptor: int) -> Board:
        """Use the board behind a descriptor, and own that. Raises OSError, ValueError."""
        size = os.fstat(descriptor).st_size
        if not size or size % (COUNTERS * _SIZE):
            raise ValueError(f"descriptor {descriptor} is no board: it has {size} bytes")
        board = cls(0)
        board.descriptor = descriptor
        board._memory = mmap.mmap(descriptor, size)
        board._view = cells = memoryview(board._memory).cast("q")
        board._cuts = [cells[at : at + COUNTERS] for at in range(0, size // _SIZE, COUNTERS)]
        board.slots = tuple([Slot(board, cut, number) for number, cut in enumerate(board._cuts)])
        return board

    def __len__(self) -> int:
        return len(self.slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.slots)

    def __getitem__(self, number: int) -> Slot:
        return self.slots[number]

    def total(self, counter: int) -> int:
        """Add up a counter of all processes, those that have ended included."""
        return sum([slot[counter] for slot in self.slots])

    def living(self) -> list[Slot]:
        """List the slots that a process has."""
        return [slot for slot in self.slots if slot[PID]]

    def close(self) -> None:
        """Let go of the memory; the slots cannot be used any more."""
        if self._memory is None or self.descriptor is None:
            return
        for cut in self._cuts:
            cut.release()
        if self._view is not None:
            self._view.release()
        with contextlib.suppress(BufferError):  # somebody else looks into it still
            self._memory.close()
        os.close(self.descriptor)
        self._memory = self._view = self.descriptor = None


def _open_memory() -> int:
    """Open memory that has a descriptor and no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("crlf-board", os.MFD_CLOEXEC)
    import tempfile  # macOS and the BSDs have no memory without a name

    descriptor, path = tempfile.mkstemp(prefix="crlf-board-")
    os.unlink(path)
    return descriptor
