"""What happens on the way from a request to its response: named steps, each with its times.

A client's `trace` is called with each step when it is over, in order, from the flow that took
it. Its law: a step tells and decides nothing, and a client without a trace pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from crlf.values import frozen

StepName = Literal[
    "queue", "dns", "connect", "proxy", "tls", "send", "interim", "wait", "receive",
    "redirect", "retry", "failed",
]  # fmt: skip


@frozen
class Step:
    """Something that was done for a request.

    name: "queue" (waited for a free connection; detail: whether one was idle), "dns" (detail: the
    addresses), "connect" (detail: StreamFacts), "proxy" (a tunnel was opened), "tls" (detail:
    TlsFacts), "send" (detail: StreamFacts of the connection that it went out on), "interim"
    (detail: the head of a 1xx response, as 103 Early Hints), "wait" (until the final head;
    detail: that head), "receive" (detail: bytes of content), "redirect" (detail: the next
    request), "retry" (detail: seconds waited), "failed" (detail: the error).
    began, ended: in the network's monotonic seconds. request: the one that went out.
    """

    name: StepName
    began: float
    ended: float
    request: object | None = None
    detail: object = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


Trace = Callable[[Step], object]
