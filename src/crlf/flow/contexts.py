"""A context of its own for what runs in somebody else's Task.

All requests of a connection run in one Task, whose context variables would go on from one
visitor's request to the next. So the application's steps are run in a copy. Its law: what one
request sets, no other sees, while who waits is still the connection's Task.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import coroutine
from typing import Any


@coroutine
def rest_of(
    run: Callable[..., Any],
    steps: Generator[Any, Any, Any],
    waited: Any,
    before_waiting: Callable[[], object] | None = None,
) -> Generator[Any, Any, Any]:
    """Carry on what has begun to wait, each step in its own context; return what it returns.

    run: of that context. steps: a coroutine, or what its __await__ gave. waited: what its last
    step gave. before_waiting: called before each wait.
    """
    while True:
        if before_waiting is not None:
            before_waiting()
        try:
            yield waited
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:
            thrown: BaseException | None = error
        else:
            thrown = None
        try:
            waited = run(steps.send, None) if thrown is None else run(steps.throw, thrown)
        except StopIteration as done:
            return done.value
