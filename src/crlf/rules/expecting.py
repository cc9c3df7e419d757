"""Content that asks first whether it is wanted, at a server that does not know the question."""

from __future__ import annotations

from collections.abc import Generator

from crlf.message.request import Request
from crlf.message.response import Response


def expecting(request: Request) -> Generator[Request, Response, Response]:
    """Send a request once more without Expect when that is what the server objects to.

    RFC 9110 10.1.1: a client that gets 417 repeats the request without the expectation. None of
    its content has gone out by then, but what cannot be sent twice may have been opened.
    """
    response = yield request
    body = request.body
    if response.status_code == 417 and (isinstance(body, bytes) or body.can_send_again):
        response = yield request.without_fields("expect")
    return response
