"""What an error says: what went wrong, of whom it was asked, when, and no secret."""

from __future__ import annotations

import pickle

import pytest

from crlf.message.errors import (
    CrlfError,
    Malformed,
    ReadTimeout,
    StatusError,
    TooLarge,
    TooManyRedirects,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.redirects import redirecting

SECRET = "s3cret"
ASKED = Request("GET", f"http://me:{SECRET}@a.example/path?token={SECRET}#part")


def happened(fault: CrlfError) -> CrlfError:
    fault.during(ASKED)
    fault.seconds, fault.attempt, fault.peer = 30.0, 2, ("192.0.2.1", 80)
    return fault


def test_an_error_by_itself_says_what_went_wrong() -> None:
    assert str(ReadTimeout("nothing arrived", phase="read")) == "nothing arrived"
    assert str(Malformed("a blank", "RFC 9112 5")) == "a blank [RFC 9112 5]"
    assert str(TooLarge("body", 1000, 413, "RFC 9110 15.5.14")) == (
        "body over its limit of 1,000 [RFC 9110 15.5.14]"
    )


def test_an_error_of_an_exchange_says_everything_that_is_known() -> None:
    fault = happened(ReadTimeout("nothing arrived within 30 seconds", phase="read"))
    assert str(fault) == (
        "nothing arrived within 30 seconds"
        " (GET http://a.example/path?... at 192.0.2.1:80, in read, after 30 s, attempt 2)"
    )
    assert fault.brief == "nothing arrived within 30 seconds"


@pytest.mark.parametrize(
    "fault",
    [
        ReadTimeout("late", phase="read"),
        Malformed("a blank", "RFC 9112 5"),
        TooLarge("body", 1000),
        StatusError("404 Not Found"),
    ],
)
def test_no_error_shows_a_query_or_a_password_and_each_survives_pickling(fault: CrlfError) -> None:
    happened(fault)
    assert SECRET not in str(fault)
    assert SECRET not in repr(fault)
    again = pickle.loads(pickle.dumps(fault))
    assert str(again) == str(fault)
    assert (again.attempt, again.peer, again.seconds) == (2, ("192.0.2.1", 80), 30.0)


def test_a_reason_phrase_cannot_steer_a_terminal() -> None:
    response = Response(404, reason="\x9b2J\x9b1;31mgone")
    with pytest.raises(StatusError) as caught:
        response.raise_for_status()
    assert str(caught.value) == "404 Not Found: the request's fault"


@pytest.mark.rfc("9110", "15.4")
def test_too_many_redirects_throw_no_response_away() -> None:
    steps = redirecting(2)(ASKED)
    next(steps)
    for number in range(2):
        steps.send(Response(302, {"location": f"/{number}"}))
    with pytest.raises(TooManyRedirects) as caught:
        steps.send(Response(302, {"location": "/2"}))
    last = caught.value.response
    assert isinstance(last, Response)
    assert last.headers["location"] == "/2"
    assert [hop.headers["location"] for hop in last.history] == ["/0", "/1"]
