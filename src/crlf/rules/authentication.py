"""What `auth=` may be, and the filter that it becomes: anchored to the origin that was asked.

Every way to authenticate is a filter (a user's own flow too, one generator for both colours), and
this is the frame round it. Its law: nothing of it reaches a request that has an Authorization
field of its own, or a redirect led to another origin; and no content is sent half twice.
"""

from __future__ import annotations

from collections.abc import Generator

from crlf.message.body import Body
from crlf.message.errors import CrlfError
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import Origin
from crlf.rules.credentials import (
    REFUSED,
    Basic,
    Bearer,
    authorizing,
    cannot_be_resent,
    takes_credentials,
)
from crlf.rules.filters import WHOLE, After, Filter

# What auth= takes: (user, password), Basic, Bearer, Digest, Netrc, or a generator function that
# yields the request, is sent its response, and may go on: ask for a token, and yield it again.
Auth = tuple[str, str] | Filter


_Steps = Generator[Request | After, Response, Response]
_WRONG = "auth is (user, password), Basic, Bearer, Digest, Netrc or a generator function"


def standing_value(auth: object) -> str | None:
    """Return the Authorization value that is the same for each request; None where none is.

    For (user, password), Basic and Bearer a client may put it into its requests' fields at once,
    which `redirecting` then keeps within their origin. Raises TypeError for what auth= does not
    take, Malformed for a user, password or token that cannot be sent.
    """
    if isinstance(auth, Basic | Bearer):
        return auth.value
    if isinstance(auth, tuple):
        return Basic(*_login(auth)).value
    if auth is not None and (not callable(auth) or isinstance(auth, type)):
        raise TypeError(f"{_WRONG}, not {type(auth).__name__}")
    return None


def authenticating(auth: Auth) -> Filter:
    """Make a filter of what auth= takes, to be put inside of `redirecting`.

    Which requests it touches: see credentials.takes_credentials. Where a flow yields content a
    second time that cannot be sent again, its first response comes back, with a sentence in
    extras["auth_refused"]. Raises as standing_value does.
    """
    value = standing_value(auth)
    if value is not None:
        return authorizing(value)
    if isinstance(auth, tuple):  # never: it had a value
        raise TypeError(_WRONG)
    flow = auth

    def authenticated(request: Request) -> _Steps:
        if not takes_credentials(request):
            return (yield request)
        steps = flow(request)
        if not isinstance(steps, Generator):
            raise TypeError(f"{_WRONG}; this one returned {type(steps).__name__}, not a generator")
        return (yield from _anchored(steps, request))

    return authenticated


def at_origin(origin: Origin, flow: Filter) -> Filter:
    """Make a filter that lets another see the requests to one origin alone."""

    def anchored(request: Request) -> _Steps:
        if request.url.origin != origin:
            return (yield request)
        return (yield from flow(request))

    return anchored


def _anchored(steps: _Steps, request: Request) -> _Steps:
    """Run a flow for a request, and see to what it yields."""
    spent: Body | None = None  # content that was sent, and cannot be a second time
    outcome: Response | CrlfError | None = None  # what came of it
    try:
        wanted = next(steps)
        while True:
            asked = wanted.request if isinstance(wanted, After) else wanted
            if spent is not None and asked.body is spent:
                if isinstance(outcome, Response):
                    outcome.extras[REFUSED] = cannot_be_resent(asked)
                    return outcome
                if outcome is not None:
                    raise outcome
            once = cannot_be_resent(asked) != ""
            if once and not isinstance(asked.body, bytes):
                spent = asked.body
            asked = _dressed(asked, request)
            try:
                response = yield (
                    After(wanted.seconds, asked) if isinstance(wanted, After) else asked
                )
            except CrlfError as fault:
                if once:
                    outcome = fault
                wanted = steps.throw(fault)
            else:
                if once:
                    outcome = response
                wanted = steps.send(response)
    except StopIteration as done:
        answer: Response = done.value
        return answer
    finally:
        steps.close()


def _dressed(asked: Request, request: Request) -> Request:
    """Give a request that a flow made for itself what goes without saying.

    That is a Host field, and the mark that its response is read whole. The request that the flow
    was made for, under whatever fields and query, stays as it is.
    """
    there, here = asked.url, request.url
    if there is here or (there.origin == here.origin and there.path == here.path):
        return asked
    headers = asked.headers
    if headers.first("host") is None:
        headers = Headers((("host", asked.url.authority), *headers.fields))
    # A request of its own: what is noted of the first must not be noted of this, nor back.
    own = Request(asked.method, asked.url, headers, asked.body)
    own.extras[WHOLE] = True
    return own


def _login(auth: tuple[object, ...]) -> tuple[str, str]:
    match auth:
        case (str(user), str(password)):
            return user, password
    raise TypeError(f"{_WRONG}; a pair is of two strings")
