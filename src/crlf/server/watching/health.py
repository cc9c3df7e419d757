"""Health: what a load balancer asks, answered before the application is.

/healthz says that this process answers at all, /readyz whether it wants requests: no longer,
from the moment it begins to stop, and before anyone waits for it. Its law: the answer is tiny,
never kept by a cache, and the application has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.gates import Gate
from crlf.rules.pages import NOSNIFF, error_response

HEALTHZ: Final = "/healthz"
READYZ: Final = "/readyz"
HEALTH_PATHS: Final = frozenset({HEALTHZ, READYZ})

_FIELDS: Final = Headers(
    [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store"), NOSNIFF]
)
_ALLOW: Final = Headers([("allow", "GET, HEAD")])
_ALIVE: Final = Response.quick(200, _FIELDS, b"ok\n")
_READY: Final = Response.quick(200, _FIELDS, b"ready\n")
_NOT_READY: Final = Response.quick(503, _FIELDS, b"not ready\n")


def health_gate(is_ready: Callable[[], bool] = lambda: True) -> Gate:
    """Make the gate that answers for /healthz and /readyz.

    is_ready: whether the server takes requests; once the request's server drains it is not
    asked any more. Put it before a gate that refuses hosts: who asks knows an address only.
    """

    def answer(request: Request) -> Request | Response:
        target = request.target
        if target not in HEALTH_PATHS and target.partition("?")[0] not in HEALTH_PATHS:
            return request
        if request.method not in ("GET", "HEAD"):
            return error_response(405, headers=_ALLOW)
        if target.startswith(HEALTHZ):
            return _ALIVE
        return _READY if is_ready() and not request.draining else _NOT_READY

    return answer
