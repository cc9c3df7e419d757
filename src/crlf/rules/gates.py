"""Gates: what looks at every request before the application does, and may answer for it.

A gate is a function from a request to the same request, another one, or a response. It is
where a server believes its proxies, refuses hosts that are not its own and answers questions
about its health. Its law: a gate decides by what it sees, waits for nothing, and costs nothing
where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crlf.message.request import Request
from crlf.message.response import Response

Gate = Callable[[Request], Request | Response]


def in_a_row(gates: Sequence[Gate]) -> Gate | None:
    """Make one gate of several, outermost first; None of none."""
    if len(gates) < 2:
        return gates[0] if gates else None
    row = tuple(gates)

    def pass_all(request: Request) -> Request | Response:
        for gate in row:
            passed = gate(request)
            if not isinstance(passed, Request):
                return passed
            request = passed
        return request

    return pass_all
