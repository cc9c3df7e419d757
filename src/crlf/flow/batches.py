"""Content on its way to the disk: gathered into batches, which a thread writes while more comes.

The thread is one batch behind the flow: while it writes and digests, both of which let go of the
interpreter, the flow reads the next one. Its law: one batch is written at a time and in order,
what went wrong in the thread is raised in the flow, and who stops early waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crlf.flow.terms import Running, Spawn
from crlf.ports import InThread

BATCH: Final = 2 * 1024 * 1024  # bytes gathered for one write; a hop to a thread costs as 64 KiB do


class Lane:
    """Does one piece of work in a thread at a time, while its flow goes on.

    spawn: runs a coroutine beside; None: the flow waits for each piece of work.
    """

    __slots__ = ("_fault", "_in_thread", "_running", "_spawn")

    def __init__(self, in_thread: InThread, spawn: Spawn | None) -> None:
        self._in_thread = in_thread
        self._spawn = spawn
        self._running: Running | None = None
        self._fault: Exception | None = None

    async def begin(self, work: Callable[[], object]) -> None:
        """Wait for the work before, and begin this. Raises what the work before has raised."""
        await self.finish()
        if self._spawn is None:
            await self._in_thread(work)
        else:
            self._running = self._spawn(self._run(work))

    async def finish(self) -> None:
        """Wait for what is under way. Raises what it raises."""
        running = self._running
        if running is not None:
            await running
            self._running = None
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def stop(self) -> None:
        """Wait for nothing any more; what a thread has begun it finishes."""
        running, self._running = self._running, None
        self._fault = None
        if running is not None:
            running.cancel()

    async def _run(self, work: Callable[[], object]) -> None:
        try:
            await self._in_thread(work)
        except Exception as fault:  # of the flow, which may never look at this Task again
            self._fault = fault


class Behind:
    """Writes and digests batches while its flow reads the next: two lanes, as a disk and a CPU are.

    spawn: runs a coroutine beside; None: the flow waits for each batch, which has one thread.
    """

    __slots__ = ("_digesting", "_is_beside", "_writing")

    def __init__(self, in_thread: InThread, spawn: Spawn | None = None) -> None:
        self._is_beside = spawn is not None
        self._writing = Lane(in_thread, spawn)
        self._digesting = Lane(in_thread, spawn)

    async def begin(self, write: Callable[[], object], digest: Callable[[], object]) -> None:
        """Begin with a batch. Raises what the batch before has raised."""
        if self._is_beside:
            await self._writing.begin(write)
            await self._digesting.begin(digest)
        else:
            await self.begin_alone(lambda: (write(), digest()))

    async def begin_alone(self, work: Callable[[], object]) -> None:
        """Begin with work that comes after all batches."""
        await self._digesting.finish()
        await self._writing.begin(work)

    async def finish(self) -> None:
        """Wait until all is done. Raises what it raises."""
        await self._writing.finish()
        await self._digesting.finish()

    def stop(self) -> None:
        """Wait for nothing any more; what a thread has begun it finishes."""
        self._writing.stop()
        self._digesting.stop()
