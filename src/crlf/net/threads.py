"""Blocking work in a few threads, its results in the order in which they come.

The caller's thread hands out the work and takes the results; nothing else happens in it, and
its iterable is never touched by another. Its law: when the results are no longer wanted no
further work begins, and no thread is left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def as_they_come(
    work: Callable[[T], R], things: Iterable[T], at_once: int
) -> Generator[tuple[T, R], None, None]:
    """Do the work on each thing, on so many at once, and yield each with its result.

    Things are taken when there is room: no more of them are under way, or waiting to be yielded,
    than at_once. What work raises is raised here, and so is what the iterable raises. Leaving
    early waits for the work that has begun. Each thread has the caller's context variables.
    """
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

    waiting: Iterator[T] | None = iter(things)
    under_way: dict[Any, T] = {}  # by future
    finished: list[Any] = []
    with ThreadPoolExecutor(at_once, "crlf") as threads:
        try:
            while True:
                while waiting is not None and len(under_way) < at_once:
                    for thing in waiting:
                        under_way[threads.submit(copy_context().run, work, thing)] = thing
                        break
                    else:
                        waiting = None
                if not under_way:
                    return
                if not finished:
                    finished += wait(under_way, return_when=FIRST_COMPLETED).done
                future = finished.pop()
                yield under_way.pop(future), future.result()
        finally:
            for future in under_way:
                future.cancel()
