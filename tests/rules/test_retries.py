"""Retries: what is sent again and what never, how soon, and when the budget is used up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from crlf.message.body import IterableBody
from crlf.message.errors import (
    BlockedAddress,
    ConnectFailed,
    ConnectTimeout,
    CrlfError,
    LocalError,
    PoolTimeout,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    TlsFailed,
    TotalTimeout,
    WriteFailed,
)
from crlf.message.fields.retryafter import parse_retry_after
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.filters import After
from crlf.rules.retries import IDEMPOTENT, Retry, RetryBudget, budget_of, retrying

pytestmark = pytest.mark.rfc("9112", "9.3.1")

Steps = Generator[Request | After, Response, Response]
NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
GET = Request("GET", "http://a.example/")
DEFAULT_RETRY = Retry()


def half() -> float:
    return 0.5


def begin(
    retry: Retry = DEFAULT_RETRY, request: Request = GET, budget: RetryBudget | None = None
) -> tuple[Steps, Request | After]:
    steps = retrying(retry, random=half, wall=lambda: NOW, budget=budget)(request)
    return steps, next(steps)


def play(
    outcomes: Sequence[Response | CrlfError],
    retry: Retry = DEFAULT_RETRY,
    request: Request = GET,
    **more: Any,
) -> tuple[Response | CrlfError, list[float]]:
    """Let the filter meet these outcomes; return what came back, and the pauses it made."""
    steps, step = begin(retry, request, **more)
    pauses = []
    waiting = list(outcomes)
    try:
        while True:
            if isinstance(step, After):
                assert step.request is request
                pauses.append(step.seconds)
            outcome = waiting.pop(0)
            step = steps.throw(outcome) if isinstance(outcome, CrlfError) else steps.send(outcome)
    except StopIteration as done:
        assert not waiting, "it stopped early"
        return done.value, pauses
    except CrlfError as fault:
        assert not waiting, "it stopped early"
        return fault, pauses


def refused() -> ConnectFailed:
    return ConnectFailed("refused", phase="connect")


# --- what is sent again by itself ---------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(IDEMPOTENT))
def test_an_idempotent_request_that_reached_nobody_is_sent_once_more(method: str) -> None:
    request = Request(method, "http://a.example/")
    response, pauses = play([refused(), Response(200)], request=request)
    assert isinstance(response, Response)
    assert response.extras["attempts"] == 2
    assert pauses == [0.1]


def test_the_second_failure_is_the_last() -> None:
    last = refused()
    fault, pauses = play([refused(), last])
    assert fault is last
    assert last.attempt == 2
    assert len(pauses) == 1


def test_a_first_answer_is_the_first_attempt() -> None:
    response, pauses = play([Response(503)])
    assert isinstance(response, Response)
    assert "attempts" not in response.extras
    assert pauses == []


@pytest.mark.parametrize(
    "fault",
    [
        TlsFailed("no trust", phase="tls"),
        BlockedAddress("127.0.0.1"),
        ConnectFailed("no such name", phase="dns"),
        ConnectTimeout("late", phase="connect"),
        PoolTimeout("late", phase="pool"),
        TotalTimeout("late", phase="connect"),
        ReadFailed("gone"),
        ReadTimeout("late"),
        WriteFailed("gone"),
        RemoteError("cut", "RFC 9112 8"),
        LocalError("ours"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_may_have_arrived_or_will_not_change_is_left_alone(fault: CrlfError) -> None:
    assert play([fault]) == (fault, [])
    assert fault.attempt == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "get", "LOCK"])
def test_what_is_not_known_to_be_idempotent_is_left_alone(method: str) -> None:
    url = "http://a.example:80/" if method != "CONNECT" else "http://a.example:80"
    fault = refused()
    assert play([fault], Retry(unanswered=True), Request(method, url))[0] is fault


def test_any_method_may_be_asked_for() -> None:
    request = Request("POST", "http://a.example/", content=b"x")
    assert play([refused(), Response(201)], Retry(methods=None), request)[1] == [0.1]


# --- what is sent again when asked for ----------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        ConnectTimeout("late"),
        ReadFailed("gone"),
        ReadTimeout("late"),
        WriteFailed("gone"),
        RemoteError("cut short", "RFC 9112 8"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_unanswered_requests_are_sent_again_when_asked(fault: CrlfError) -> None:
    assert play([fault, Response(200)], Retry(unanswered=True))[1] == [0.1]


@pytest.mark.parametrize(
    "fault",
    [
        TlsFailed("x"),
        TotalTimeout("x", phase="read"),
        RemoteError("x", "RFC 9112 6.3"),
        LocalError("x"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_even_then_not_what_would_fail_again(fault: CrlfError) -> None:
    assert play([fault], Retry(unanswered=True))[0] is fault


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_statuses_are_those_that_were_given(status: int) -> None:
    retry = Retry(attempts=3, statuses=frozenset({429, 502, 503, 504}))
    response, pauses = play([Response(status), Response(status), Response(200)], retry)
    assert isinstance(response, Response)
    assert response.extras["attempts"] == 3
    assert pauses == [0.1, 0.2]
    assert play([Response(500)], retry)[1] == []


def test_when_attempts_run_out_the_last_response_comes_back() -> None:
    last = Response(503)
    retry = Retry(statuses=frozenset({503}))
    assert play([Response(503), last], retry)[0] is last


def test_failures_of_both_kinds_count_together() -> None:
    retry = Retry(attempts=3, statuses=frozenset({503}))
    last = refused()
    assert play([refused(), Response(503), last], retry) == (last, [0.1, 0.2])
    assert last.attempt == 3


# --- content that is there only once ------------------------------------------------------------


def streamed(method: str = "PUT") -> Request:
    return Request(method, "http://a.example/", content=iter([b"once"]))


def test_a_stream_is_never_sent_half_twice() -> None:
    retry = Retry(unanswered=True, statuses=frozenset({503}))
    fault = ReadFailed("gone")
    assert play([fault], retry, streamed())[0] is fault
    assert play([Response(503)], retry, streamed())[1] == []


def test_a_stream_of_which_nothing_went_out_may_still_go() -> None:
    assert play([refused(), Response(200)], request=streamed())[1] == [0.1]


def test_an_iterable_that_can_begin_anew_is_sent_again() -> None:
    request = Request("PUT", "http://a.example/", content=IterableBody([b"many"]))
    assert play([ReadFailed("gone"), Response(200)], Retry(unanswered=True), request)[1] == [0.1]


# --- when ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [
        (1, 1.0, 0.2),
        (2, 1.0, 0.4),
        (3, 0.5, 0.4),
        (6, 1.0, 6.4),
        (7, 1.0, 10.0),
        (9999, 1.0, 10.0),
        (5, 0.0, 0.0),
    ],
)
def test_backoff_doubles_up_to_its_cap(failures: int, chance: float, seconds: float) -> None:
    assert Retry().backoff(failures, chance) == pytest.approx(seconds)


@pytest.mark.rfc("9110", "10.2.3")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7\t", 7.0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sunday, 06-Nov-94 08:49:38 GMT", 1.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("+5", None),
        ("1.5", None),
        ("1_0", None),
        ("5 s", None),
        ("٣", None),
        ("9" * 20, None),
        ("tomorrow", None),
    ],
)
def test_retry_after_has_two_forms(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


BUSY = Retry(statuses=frozenset({503}))


@pytest.mark.rfc("9110", "10.2.3")
def test_retry_after_is_waited_for_and_a_little_more() -> None:
    busy = Response(503, {"retry-after": "3"})
    assert play([busy, Response(200)], BUSY)[1] == [3.1]
    dated = Response(503, {"retry-after": "Sun, 06 Nov 1994 08:49:42 GMT"})
    assert play([dated, Response(200)], BUSY)[1] == [5.1]


@pytest.mark.rfc("9110", "10.2.3")
def test_a_server_that_wants_more_time_than_there_is_gets_its_peace() -> None:
    busy = Response(503, {"retry-after": "31"})
    assert play([busy], BUSY) == (busy, [])
    patient = Retry(statuses=frozenset({503}), longest_wait=60)
    assert play([Response(503, {"retry-after": "31"}), Response(200)], patient)[1] == [31.1]


def test_retry_after_can_be_left_unheeded_and_a_broken_one_is() -> None:
    deaf = Retry(statuses=frozenset({503}), longest_wait=None)
    assert play([Response(503, {"retry-after": "3600"}), Response(200)], deaf)[1] == [0.1]
    assert play([Response(503, {"retry-after": "soon"}), Response(200)], BUSY)[1] == [0.1]


def test_without_time_for_a_pause_the_outcome_before_it_comes_back() -> None:
    busy, late = Response(503), TotalTimeout("no time", phase="pause")
    assert play([busy, late], BUSY)[0] is busy
    first = refused()
    assert play([first, late])[0] is first
    assert first.attempt == 1


def test_a_total_that_passes_while_sending_is_its_own_error() -> None:
    late = TotalTimeout("late", phase="read")
    assert play([Response(503), late], BUSY)[0] is late
    assert late.attempt == 2


# --- how many in all ----------------------------------------------------------------------------


def test_a_server_that_is_down_is_not_asked_much_more_often() -> None:
    budget = budget_of(Retry())
    assert budget is not None
    sent = 0
    for _ in range(1000):
        steps, _ = begin(budget=budget)
        sent += 1
        try:
            while True:
                steps.throw(refused())
                sent += 1
        except ConnectFailed:
            pass
    assert 1200 <= sent <= 1000 + 200 + 10


def test_good_days_are_not_saved_up() -> None:
    budget = RetryBudget(share=0.5, reserve=3)
    for _ in range(100):
        budget.earn()
    assert budget.left == 3
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()


def test_without_a_reserve_the_share_is_all() -> None:
    budget = RetryBudget(share=0.2, reserve=0)
    assert not budget.spend()
    for _ in range(5):
        budget.earn()
    assert budget.spend()
    assert not budget.spend()


def test_a_retry_that_the_server_asked_for_costs_nothing() -> None:
    budget = RetryBudget(share=0.0, reserve=0)
    busy = Response(503, {"retry-after": "1"})
    assert play([busy, Response(200)], BUSY, budget=budget)[1] == [1.1]
    at_once = Response(503, {"retry-after": "0"})
    assert play([at_once], BUSY, budget=budget)[0] is at_once


def test_who_wants_no_budget_has_none() -> None:
    empty = RetryBudget(share=0.0, reserve=0)
    retry = Retry(attempts=5, share=None)
    assert budget_of(retry) is None
    assert len(play([refused()] * 4 + [Response(200)], retry, budget=empty)[1]) == 4


def test_every_change_of_a_budget_is_guarded() -> None:
    class Guard:
        inside = entered = 0

        def __enter__(self) -> None:
            self.entered += 1

        def __exit__(self, *_: object) -> None: ...

    guard = Guard()
    budget = RetryBudget(0.2, 10, guard)
    budget.earn()
    assert guard.entered == 0, "full: nothing to change"
    budget.spend()
    budget.earn()
    assert guard.entered == 2


# --- the value ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retry(attempts=0),
        lambda: Retry(first_wait=-1),
        lambda: Retry(longest_backoff=-1),
        lambda: Retry(longest_wait=-1),
        lambda: Retry(share=-0.1),
        lambda: Retry(reserve=-1),
    ],
)
def test_what_means_nothing_is_refused(make: Callable[[], Retry]) -> None:
    with pytest.raises(ValueError):
        make()


def test_a_policy_is_a_value() -> None:
    assert Retry(3) == Retry(attempts=3)
    assert hash(Retry()) == hash(Retry())
    with pytest.raises(AttributeError):
        Retry().attempts = 5  # type: ignore[misc]  # the point of the test


def test_no_error_is_kept_alive_by_the_filter() -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        fault = refused()
        steps, _ = begin(Retry(attempts=1))
        with pytest.raises(ConnectFailed):
            steps.throw(fault)
        seen = weakref.ref(fault)
        fault.__traceback__ = None
        del fault, steps
        assert seen() is None
    finally:
        gc.enable()
