"""Running filters: the one place where deciding meets waiting.

A filter is a generator that yields the request to send on, is sent the response, and returns
the response to hand back (rules/filters.py). Here its requests are really sent: through the
filters below it and in the end through `send`. An error on the way is raised at the yield.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from crlf.message.errors import CrlfError
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.filters import Filter

Send = Callable[[Request], Awaitable[Response]]


async def filtered(filters: Sequence[Filter], request: Request, send: Send) -> Response:
    """Send a request through filters, the first of them outermost."""
    if not filters:
        return await send(request)
    steps, below = filters[0](request), filters[1:]
    try:
        wanted = next(steps)
        while True:
            try:
                response = await filtered(below, wanted, send)
            except CrlfError as fault:
                wanted = steps.throw(fault)
            else:
                wanted = steps.send(response)
    except StopIteration as done:
        answer: Response = done.value
        return answer
    finally:
        steps.close()
