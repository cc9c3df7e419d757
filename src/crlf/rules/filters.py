"""Filters: what is decided between a request and its response, written once for both ends.

A filter is a generator: it yields the request to send on, is sent the response, and returns the
response to hand back. It may yield again (a redirect, a retry) or never (a refusal). It cannot
wait; it yields After, and whoever runs it waits (flow/filters.py). A filter that follows
redirects stands outside of those that look at each request by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final

from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import Origin
from crlf.values import frozen


@frozen
class After:
    """What a filter yields that wants a request sent only after so many seconds.

    When there is no time for that, TotalTimeout with the phase "pause" is raised at the yield,
    at once, and nothing was sent.
    """

    seconds: float
    request: Request


Filter = Callable[[Request], Generator[Request | After, Response, Response]]

# Where a request that follows a redirect has, in its extras, the origin its caller asked.
FIRST_ORIGIN: Final = "first_origin"
# Where request.extras says that a filter needs the whole content of the response. What a flow
# asks for beside the request itself, such as a token, is read whole even while streaming.
WHOLE: Final = "whole"
_MOST_KEPT = 64  # heads remembered; then the memory is emptied and begins anew


def first_origin(request: Request) -> Origin | None:
    """The origin that the caller asked, when a redirect has led from there to here; else None.

    Credentials that were given for one origin are for that origin alone.
    """
    first = request.extras.get(FIRST_ORIGIN)
    return first if isinstance(first, Origin) else None


def answering(answer: Callable[[Request], Response]) -> Filter:
    """Make a filter that answers by itself: the network of a test, in one function.

    Nothing is sent; what `answer` returns is the response, what it raises is raised.
    """

    def answered(request: Request) -> Generator[Request, Response, Response]:
        yield from ()  # nothing is sent, but a filter is a generator
        response = answer(request)
        if response.request is None:
            response = response.with_history(response.history)  # a copy: it may be a constant
            response.request = request
        return response

    return answered


class FieldSetter:
    """Gives one field to the heads that pass, and remembers the heads that came out.

    A program sends the same few heads again and again, and a head that is the same object is
    neither checked nor written twice.
    """

    __slots__ = ("_made", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: dict[str, tuple[Headers, Headers]] = {}  # by value: a head before, and after

    def on(self, request: Request, value: str) -> Request:
        """Return a copy of the request in which the field has this value."""
        before = request.headers
        made = self._made.get(value)
        if made is None or made[0] is not before:
            if len(self._made) >= _MOST_KEPT:
                self._made.clear()
            made = self._made[value] = (before, before.with_field(self._name, value))
        return request.with_headers(made[1])
