"""What a visitor is told of an error that no handler of the program answers for.

What he may do something about is told with its sentence and rule, what is our fault by its
status alone. Its law: insides are shown on this machine, under its own name, and in an
application that was made with debug=True; nowhere else.
"""

from __future__ import annotations

from crlf.message.errors import (
    BadParameter,
    Malformed,
    RemoteError,
    StoreUnavailable,
    TimedOut,
    TooLarge,
)
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.nearness import is_from_here
from crlf.rules.pages import error_response
from crlf.rules.problems import NO_MEMBERS
from crlf.server.apps.answers import Refused

_SOON = Headers([("retry-after", "5")])


def page_of(request: Request, error: Exception, status_code: int, *, debug: bool) -> Response:
    """Say what went wrong: as a page, as a problem or as text, whichever is asked for."""
    accept = request.headers.get("accept")
    if isinstance(error, Refused):
        return error_response(
            status_code, error.reason, "", accept, headers=error.headers, members=error.problem
        )
    if isinstance(error, StoreUnavailable):
        why = "What remembers visitors is out of order for a moment."
        return error_response(503, why, "", accept, headers=_SOON)
    if status_code == 408 and isinstance(error, TimedOut):
        why = "The request did not arrive in time."
        return error_response(408, why, "RFC 9110 15.5.9", accept)
    if status_code != 500 and isinstance(error, Malformed | RemoteError | TooLarge):
        why = error.brief if isinstance(error, TooLarge) else error.reason
        members = NO_MEMBERS
        if isinstance(error, BadParameter) and error.name:
            members = {"parameter": error.name, "expected": error.expected}
        return error_response(status_code, why, error.rule, accept, members=members)
    if debug and status_code == 500 and is_from_here(request):
        from crlf.server.apps.debugpage import debug_response  # what no visitor ever sees

        return debug_response(request, error)
    return error_response(status_code, accept=accept)


def with_its_fields(error: Exception, response: Response) -> Response:
    """Return a program's own answer for an error with the fields that its status has to have.

    Allow of a 405 is told whatever the page looks like (RFC 9110 15.5.6). What the answer says
    itself is left as it is.
    """
    if not isinstance(error, Refused) or response.status_code != error.status_code:
        return response
    missing = [field for field in error.headers.fields if field[0] not in response.headers]
    if not missing:
        return response
    return response.with_headers(Headers((*response.headers.fields, *missing)))
