"""Running a flow where nothing suspends: one step from its start to its end.

The flows are written once, as coroutines. Over blocking ports they never suspend, so a
blocking face needs no event loop: it sends None once, and the answer is there.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def run_sync(flow: Coroutine[object, object, T]) -> T:
    """Run a flow over ports that never suspend, and return what it returns.

    Raises RuntimeError when something in it suspended all the same: a port of the other
    colour, or an asynchronous iterable that really waits, was handed in. It is raised where
    that happened, so that everything on the way is let go of.
    """
    try:
        flow.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    refusal = RuntimeError(
        "something waited inside a blocking call; "
        "asynchronous bodies, filters and streams belong to AsyncClient"
    )
    try:
        flow.throw(refusal)
    except StopIteration:
        raise refusal from None
    with suppress(RuntimeError):  # it waits once more, and may even refuse to end
        flow.close()
    raise refusal
