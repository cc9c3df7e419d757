"""The types of public names as a user's type checker sees them; mypy --strict reads this file.

Each function is also run, so that what the types promise is what the values are.
"""

from __future__ import annotations

from typing import assert_type

import pytest

from crlf.message.errors import ConnectTimeout, CrlfError, Malformed, TooLarge
from crlf.message.grammar import parse_digits, split_list


def test_errors_tell_what_they_know() -> None:
    with pytest.raises(CrlfError) as caught:
        raise Malformed("no colon", "RFC 9112 5.1", offset=12)
    assert_type(caught.value, CrlfError)
    error = caught.value
    assert isinstance(error, Malformed)
    assert_type(error.rule, str)
    assert_type(error.status_code, int)
    assert_type(error.offset, int | None)
    assert (error.rule, error.status_code, error.offset) == ("RFC 9112 5.1", 400, 12)


def test_timeouts_are_timeout_errors() -> None:
    error: TimeoutError = ConnectTimeout("no answer", phase="connect", seconds=10.0)
    assert isinstance(error, ConnectTimeout)
    assert_type(error.seconds, float | None)
    assert error.seconds == 10.0


def test_limits_are_named() -> None:
    error = TooLarge("head", 32_768, 431)
    assert_type(error.limit, int)
    assert (error.what, error.limit) == ("head", 32_768)


def test_numbers_may_be_none() -> None:
    assert_type(parse_digits("12"), int | None)
    assert_type(split_list("a, b"), list[str])
    assert parse_digits("+12") is None
