"""After the answer: what a request has left to be done, once its client has been told.

It runs beside the connection, which goes on with its next request meanwhile. Its law: whatever
it does, no visitor sees it; what goes wrong is in the log, and the next piece of work follows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from crlf.flow.run import run_sync
from crlf.flow.terms import Running, Spawn
from crlf.message.request import Request
from crlf.ports import InThread

NOTED: Final = "after_answer"  # where request.extras has a list of what is to be done

_IS_COROUTINE: Final = 0x80  # inspect.CO_COROUTINE, without 10 ms for inspect
_MOST_SHOWN: Final = 200  # characters of a path, in a log


class Afterwards:
    """What was begun after answers, and has not ended.

    spawn: runs a flow in a Task of its own; None where there are none: then it is run at once.
    is_cancelled: whether somebody ends the present Task; None where nobody knows.
    """

    def __init__(
        self,
        in_thread: InThread,
        spawn: Spawn | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._in_thread = in_thread
        self._spawn = spawn
        self._is_cancelled = is_cancelled
        self._begun = 0
        self._running: dict[int, Running] = {}

    def begin(self, request: Request) -> None:
        """Begin what a request has noted, if anything; in order, one after the other."""
        works = request.extras.pop(NOTED, None)
        if not isinstance(works, list):
            return
        self._begun = number = self._begun + 1
        flow = self._in_turn(number, request, works)
        if self._spawn is None:
            with suppress(RuntimeError):  # what would have waited is in the log
                run_sync(flow)
            return
        run = self._spawn(flow)
        if not run.done():
            self._running[number] = run

    async def finish(self) -> None:
        """Wait until nothing is under way any more. Cancelled, it cancels what is."""
        try:
            while self._running:
                await next(iter(self._running.values()))
        finally:
            for run in self._running.values():
                run.cancel()

    async def _in_turn(self, number: int, request: Request, works: list[partial[object]]) -> None:
        try:
            for work in works:
                try:
                    await self._done(work)
                except BaseException as fault:
                    if not self._is_of_work(fault):
                        raise
                    _log(request, work, fault)
        finally:
            self._running.pop(number, None)

    async def _done(self, work: partial[object]) -> None:
        """Do a piece of work, where it waits as it can."""
        code = getattr(work.func, "__code__", None)
        if code is not None and code.co_flags & _IS_COROUTINE:
            result: Any = work()
        else:
            result = await self._in_thread(partial(_called, work))
        if hasattr(result, "__await__"):
            await result
        elif hasattr(result, "send") or hasattr(result, "asend"):
            raise TypeError("it yields, and so has done nothing")

    def _is_of_work(self, fault: BaseException) -> bool:
        """Tell an error of the work, be it an exit, from an end that was wished from outside."""
        if isinstance(fault, Exception | SystemExit):
            return True
        if isinstance(fault, KeyboardInterrupt | GeneratorExit):
            return False
        return self._is_cancelled is not None and not self._is_cancelled()


def _called(work: Callable[[], object]) -> object:
    try:
        return work()
    except StopIteration as stop:  # which gets through to nobody who waits
        raise RuntimeError("StopIteration got out of it") from stop


def line_of(request: Request) -> str:
    """Say what was asked, for a log: without the query, which has secrets, and as plain ASCII."""
    path = request.target.partition("?")[0][:_MOST_SHOWN]
    return f"{ascii(request.method[:20])[1:-1]} {ascii(path)[1:-1]}"


def _log(request: Request, work: partial[object], fault: BaseException) -> None:
    import logging  # a program that makes no mistakes may never need it

    name = getattr(work.func, "__name__", type(work.func).__name__)
    logging.getLogger("crlf.server").error(
        "%s after its answer: %s() failed: %s", line_of(request), name, fault, exc_info=fault
    )
