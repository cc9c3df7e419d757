"""Where a store of sessions is, and what is remembered of one that did not answer: no server."""

from __future__ import annotations

import sys

import pytest

from crlf.net.sessionvalkey import Breaker, ValkeyStore
from crlf.net.valkeyurl import DEFAULT_PREFIX, parse_place

SECRET = "s3cr3t"


class Clock:
    """A clock that is told the time."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


# --- where it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "options"),
    [
        ("valkey://", "valkey://localhost:6379/0", {"host": "localhost", "port": 6379}),
        ("redis://db:7000/3", "redis://db:7000/3", {"host": "db", "port": 7000, "db": 3}),
        ("valkey://[::1]:7/", "valkey://[::1]:7/0", {"host": "::1", "port": 7, "db": 0}),
        ("rediss://db", "rediss://db:6379/0", {"ssl_check_hostname": True, "ssl_ca_certs": None}),
        ("valkeys://db?ca=/a.pem", "valkeys://db:6379/0", {"ssl_ca_certs": "/a.pem"}),
        ("unix:///run/v.sock?db=2", "unix:///run/v.sock?db=2", {"path": "/run/v.sock", "db": 2}),
        ("valkey://ann:s3cr%2Ft@db", "valkey://db:6379/0", {"username": "ann"}),
        ("unix://:s3cr%2Ft@/v.sock", "unix:///v.sock?db=0", {"password": "s3cr/t"}),
    ],
)
def test_a_url_says_where_the_store_is(url: str, name: str, options: dict[str, object]) -> None:
    place = parse_place(url)
    assert (place.name, place.prefix) == (name, DEFAULT_PREFIX)
    assert {key: place.options[key] for key in options} == options


def test_a_prefix_is_for_stores_that_others_share() -> None:
    assert parse_place("valkey://db/1?prefix=shop%3A").prefix == "shop:"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "valkey",
        "valkey:db",
        "http://db",
        "sqlite:///x",
        f"valkey://:{SECRET}/x@db",
        f"valkey://:{SECRET}?x=1@db",
        f"valkey://:x?{SECRET}=1@db",
        f"valkey://:{SECRET}#x@db",
        f"valkey://:x@[{SECRET}",
        f"valkey://db/{SECRET}",
        "valkey://db/123456",
        "valkey://db/-1",
        "valkey://db/\N{ARABIC-INDIC DIGIT ONE}",
        "valkey://db:99999",
        "valkey://db?db=1",
        "valkey://db?prefix=",
        "valkey://db?prefix=" + "x" * 101,
        "valkey://db?ca=/a.pem",
        f"valkey://db?password={SECRET}",
        "unix://v.sock",
        "unix:///",
    ],
)
def test_a_url_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="store") as refused:
        parse_place(url)
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_password_is_in_no_repr() -> None:
    place = parse_place(f"valkey://ann:{SECRET}@db/0")
    assert SECRET not in repr(place) + str(place)
    assert place.options["password"] == SECRET


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkey", None)
    with pytest.raises(RuntimeError, match=r"pip install 'crlf\[valkey\]'"):
        ValkeyStore("valkey://db")


# --- what is remembered --------------------------------------------------------------------------


def test_after_a_failure_nobody_asks_for_a_while() -> None:
    clock = Clock()
    breaker = Breaker(1.0, clock)
    assert breaker.refusal() == ""
    breaker.failed("it is asleep")
    clock.now += 0.99
    assert breaker.refusal() == "it is asleep"


def test_after_the_pause_one_tries_and_the_others_wait_for_what_he_says() -> None:
    clock = Clock()
    breaker = Breaker(1.0, clock)
    breaker.failed("it is asleep")
    clock.now += 1
    assert [breaker.refusal() for _ in range(3)] == ["", "it is asleep", "it is asleep"]
    clock.now += 30
    assert breaker.refusal() == "it is asleep"  # he has not come back

    breaker.failed("it snores")
    assert breaker.refusal() == "it snores"
    clock.now += 1
    assert breaker.refusal() == ""
    breaker.succeeded()
    assert [breaker.refusal() for _ in range(3)] == ["", "", ""]


def test_who_asked_before_the_failure_may_still_say_that_it_answers() -> None:
    breaker = Breaker(1.0, Clock())
    breaker.failed("it is asleep")
    breaker.succeeded()
    assert breaker.refusal() == ""
