"""Running filters: the one place where deciding meets waiting.

A filter is a generator that yields the request to send on, is sent the response, and returns
the response to hand back (rules/filters.py). Here its requests are really sent: through the
filters below it and in the end through `send`. An error on the way is raised at the yield.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence

from crlf.flow.budget import Budget
from crlf.message.errors import CrlfError, TotalTimeout
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import Network
from crlf.rules.filters import After, Filter

Send = Callable[[Request], Awaitable[Response]]
Steps = Generator[Request | After, Response, Response]
Pause = Callable[[float], Awaitable[None]]  # seconds; raises TotalTimeout when they are not there


async def filtered(
    filters: Sequence[Filter], request: Request, send: Send, pause: Pause | None = None
) -> Response:
    """Send a request through filters, the first of them outermost.

    pause: waits for a filter that asks for it. Without one, such a filter is told that there is
    no time. There is one loop for all filters, and not one in the other: a response that is
    waited for comes back through every frame on the way.
    """
    running: list[Steps] = []  # the filters that have been entered, the innermost last
    wanted: Request | After = request
    outcome: Response | CrlfError | None = None
    try:
        while True:
            try:
                while True:
                    if isinstance(wanted, After):
                        await (_refuse if pause is None else pause)(wanted.seconds)
                        wanted = wanted.request
                    if len(running) == len(filters):
                        break
                    steps = filters[len(running)](wanted)
                    running.append(steps)
                    wanted = next(steps)
                outcome = await send(wanted)
            except StopIteration as done:
                running.pop()  # it answered without asking anybody
                outcome = done.value
            except CrlfError as fault:
                outcome = fault
            while running:
                try:
                    if isinstance(outcome, CrlfError):
                        wanted = running[-1].throw(outcome)
                    else:
                        wanted = running[-1].send(outcome)
                    break
                except StopIteration as done:
                    outcome = done.value
                except CrlfError as fault:
                    outcome = fault
                running.pop()
            else:
                if isinstance(outcome, CrlfError):
                    raise outcome
                return outcome
    finally:
        outcome = None  # an error and the frame that keeps it would keep each other
        while running:
            running.pop().close()


async def _refuse(seconds: float) -> None:
    raise _no_time(seconds, "nobody waits here")


async def pause(network: Network, budget: Budget, seconds: float) -> None:
    """Wait for a filter of an exchange.

    Raises TotalTimeout at once when the exchange has no time for that.
    """
    began = network.now()
    until = began + seconds
    if budget.total_at is not None and until >= budget.total_at:
        left = max(0.0, budget.total_at - began)
        fault = _no_time(seconds, f"{left:.3g} s are left of {budget.timeout.total:g}")
        fault.seconds = budget.elapsed
        raise fault
    await wait_until(network, until)
    budget.note("retry", began, seconds)


async def wait_until(network: Network, moment: float) -> None:
    """Do nothing until a moment of the network's clock."""
    bell = network.new_bell()
    with bell:
        while network.now() < moment and await bell.wait(moment):
            pass  # nobody rings it; the loop is for whoever does all the same


def _no_time(seconds: float, why: str) -> TotalTimeout:
    return TotalTimeout(f"no time for a pause of {seconds:.3g} s: {why}", phase="pause")
