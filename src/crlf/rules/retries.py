"""Retries: which requests are sent once more, how soon, and how many of them in all.

By default a request is tried again once, and only where it provably never reached the server:
no connection came about. Everything else a program has to ask for, because only it knows what
a request does when it arrives twice. Its law: what may have gone out and cannot be sent again is
never retried; and what a server that is down is sent beyond what callers ask is bounded (a
budget, as Finagle and linkerd have it), or its clients keep it down.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from crlf.message.errors import (
    ConnectFailed,
    ConnectTimeout,
    CrlfError,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    TotalTimeout,
    WriteFailed,
    WriteTimeout,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.filters import After, Filter
from crlf.values import frozen

# RFC 9110 9.2.2, and QUERY, which is safe (RFC 10008).
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "QUERY"})
# Where response.extras says which try of its request was answered, when it was not the first.
ATTEMPTS: Final = "attempts"

_CUT_SHORT = "RFC 9112 8"  # the rule of a response that ends before its end
_MOST_DOUBLINGS = 30
_WHOLE = 1000  # parts of a retry, so that shares add up exactly


@frozen
class Retry:
    """When, how often and how soon a request is tried again.

    attempts: of one request, the first included. methods: those that are tried again; None is
    all. statuses: those that are, as {429, 502, 503, 504}. unanswered: also when the request went
    out and no whole answer came: the connection broke, or a phase took too long; the server may
    then have done all of it.

    first_wait: seconds at most before the second attempt; doubled before each further one, up to
    longest_backoff. How long it really is, is left to chance between 0 and that, lest all clients
    come back together. longest_wait: of seconds that a Retry-After may ask for; a server that
    wants more time gets it, and the caller its response. None heeds no Retry-After.

    share: how many retries each request allows for, in all of a client, beside a reserve to begin
    with. A retry at the time that Retry-After names is the server's own wish, and free. A share of
    None is no such budget.
    """

    attempts: int = 2  # curl, Go, httpx: 1; browsers and urllib3 more
    methods: Collection[str] | None = IDEMPOTENT
    statuses: Collection[int] = frozenset()
    unanswered: bool = False
    first_wait: float = 0.2
    longest_backoff: float = 10.0
    longest_wait: float | None = 30.0
    share: float | None = 0.2  # Finagle 0.2, .NET 0.1
    reserve: int = 10  # retries; Finagle has 10 a second

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"a request is tried once at least, not {self.attempts} times")
        if self.first_wait < 0 or self.longest_backoff < 0 or (self.longest_wait or 0) < 0:
            raise ValueError("a wait is 0 seconds or more")
        if self.share is not None and (self.share < 0 or self.reserve < 0):
            raise ValueError("a budget has a share and a reserve of 0 or more")

    def backoff(self, failures: int, chance: float) -> float:
        """Return the seconds to wait after so many failures; chance: from 0 to 1."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        return chance * min(self.longest_backoff, self.first_wait * 2.0**doublings)

    def forgives(self, fault: CrlfError, request: Request) -> bool:
        """Tell whether a request may be sent again after an error."""
        if self.methods is not None and request.method not in self.methods:
            return False
        if isinstance(fault, ConnectFailed):
            return fault.phase != "dns"  # a name that is unknown will be so in a moment
        return self.unanswered and _is_unanswered(fault) and can_send_again(request)

    def rejects(self, response: Response, request: Request) -> bool:
        """Tell whether a response is one after which its request may be sent again."""
        return (
            response.status_code in self.statuses
            and (self.methods is None or request.method in self.methods)
            and can_send_again(request)
        )


def can_send_again(request: Request) -> bool:
    """Tell whether a request has still all of its content after it was sent."""
    body = request.body
    return isinstance(body, bytes) or body.can_send_again


def _is_unanswered(fault: CrlfError) -> bool:
    if isinstance(fault, RemoteError):
        return fault.rule == _CUT_SHORT
    return isinstance(fault, (ConnectTimeout, ReadFailed, ReadTimeout, WriteFailed, WriteTimeout))


class RetryBudget:
    """How many retries a client has left: each request adds a share of one, each retry takes one.

    guard: entered around each change. What is left is never above the reserve, so that a
    client which has had a good day does not ruin its server's bad one; and as long as all goes
    well, there is nothing to change and no guard to enter.
    """

    __slots__ = ("_guard", "_left", "_most", "_share")

    def __init__(
        self,
        share: float = 0.2,
        reserve: int = 10,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self._share = round(share * _WHOLE)
        # Without a reserve the shares still add up to one.
        self._most = max(1, reserve) * _WHOLE
        self._left = reserve * _WHOLE  # guarded by guard; in parts of a retry
        self._guard = nullcontext() if guard is None else guard

    @property
    def left(self) -> float:
        """How many retries may be made now; a part of one is none."""
        return self._left / _WHOLE

    def earn(self) -> None:
        """Count a request."""
        if self._left < self._most:
            with self._guard:
                self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Take one retry, if there is one."""
        with self._guard:
            if self._left < _WHOLE:
                return False
            self._left -= _WHOLE
            return True


def budget_of(
    retry: Retry, guard: AbstractContextManager[object] | None = None
) -> RetryBudget | None:
    """Make the budget that a client with this policy has; None when it has none."""
    return None if retry.share is None else RetryBudget(retry.share, retry.reserve, guard)


def retrying(
    retry: Retry,
    *,
    random: Callable[[], float],
    wall: Callable[[], float],
    budget: RetryBudget | None = None,
) -> Filter:
    """Make a filter that sends a request again where its policy says so.

    random: gives numbers from 0 to 1. wall: gives the time of day, POSIX seconds. budget: of the
    client; None does without, and so does a policy whose share is None.

    A response to a later attempt has its number in extras["attempts"], an error in its `attempt`.
    When a retry would come too late (the deadline, Retry-After) or is one too many (the budget),
    what there is, is handed back: the response, or the error of the attempt before.
    """
    if retry.share is None:
        budget = None

    def next_wait(failures: int, asked: float | None) -> float | None:
        if not _has_another(retry, failures, asked):
            return None
        if not asked and budget is not None and not budget.spend():
            return None
        return (asked or 0.0) + retry.backoff(failures, random())

    def trying(request: Request) -> Generator[Request | After, Response, Response]:
        if budget is not None:
            budget.earn()
        attempt = 1
        step: Request | After = request
        outcome: Response | CrlfError | None = None  # of the attempt before
        try:
            while True:
                asked: float | None = None
                try:
                    response = yield step
                except CrlfError as fault:
                    if outcome is not None and is_without_time(fault):
                        return _handed_back(outcome)
                    fault.attempt = attempt
                    if not retry.forgives(fault, request):
                        raise
                    outcome = fault
                else:
                    if attempt > 1:  # a first one is not worth a dictionary
                        response.extras[ATTEMPTS] = attempt
                    if not retry.rejects(response, request):
                        return response
                    outcome = response
                    asked = _retry_after(retry, response, wall)
                wait = next_wait(attempt, asked)
                if wait is None:
                    return _handed_back(outcome)
                attempt += 1
                step = After(wait, request)
        finally:
            outcome = None  # an error and the frame that keeps it would keep each other

    return trying


def _has_another(retry: Retry, failures: int, asked: float | None) -> bool:
    """Tell whether there are attempts left, and the next one is soon enough."""
    too_late = asked is not None and retry.longest_wait is not None and asked > retry.longest_wait
    return failures < retry.attempts and not too_late


def is_without_time(fault: CrlfError) -> bool:
    """Tell whether an error says that there was no time for a pause, and nothing was sent."""
    return isinstance(fault, TotalTimeout) and fault.phase == "pause"


def _handed_back(outcome: Response | CrlfError) -> Response:
    if isinstance(outcome, CrlfError):
        raise outcome from None
    return outcome


def _retry_after(retry: Retry, response: Response, wall: Callable[[], float]) -> float | None:
    text = response.headers.first("retry-after")
    if text is None or retry.longest_wait is None:
        return None
    from crlf.message.fields.retryafter import parse_retry_after  # few responses have one

    return parse_retry_after(text, wall())


def expecting(request: Request) -> Generator[Request, Response, Response]:
    """Send a request once more without Expect when that is what the server objects to.

    RFC 9110 10.1.1: a client that gets 417 may repeat the request without the expectation. None
    of its content has gone out by then.
    """
    response = yield request
    if response.status_code == 417 and can_send_again(request):
        response = yield request.without_fields("expect")
    return response
