"""Happy Eyeballs: in which order addresses are tried, and when (RFC 8305)."""

from __future__ import annotations

import pytest

from crlf.rules.eyeballs import (
    ATTEMPT_DELAY,
    MAX_DELAY,
    MIN_DELAY,
    MOST_TRIED,
    Race,
    attempt_delay,
    interleaved,
)


def listed(text: str) -> list[tuple[int, str]]:
    """Write "6a 4b" as [(6, "6a"), (4, "4b")]."""
    return [(int(name[0]), name) for name in text.split()]


def said(candidates: list[tuple[int, str]]) -> str:
    return " ".join(name for _, name in candidates)


@pytest.mark.rfc("8305", "4")
@pytest.mark.parametrize(
    ("system", "order"),
    [
        ("6a 6b 6c 4a 4b", "6a 4a 6b 4b 6c"),
        ("4a 4b 6a", "4a 6a 4b"),
        ("6a 4a", "6a 4a"),
        ("4a 4b 4c", "4a 4b 4c"),
        ("6a 4a 6b 4b", "6a 4a 6b 4b"),
        ("", ""),
    ],
)
def test_families_take_turns_and_the_systems_first_stays_first(system: str, order: str) -> None:
    assert said(interleaved(listed(system))) == order


@pytest.mark.rfc("8305", "8")
@pytest.mark.parametrize(
    ("seconds", "count", "delay"),
    [
        (None, 2, ATTEMPT_DELAY),
        (10.0, 2, ATTEMPT_DELAY),
        (0.2, 4, 0.05),
        (0.001, 4, MIN_DELAY),
        (1000.0, 1, ATTEMPT_DELAY),
    ],
)
def test_an_attempt_has_its_share_of_little_time_and_a_quarter_second_of_much(
    seconds: float | None, count: int, delay: float
) -> None:
    assert attempt_delay(seconds, count) == pytest.approx(delay)
    assert MIN_DELAY == 0.01
    assert MIN_DELAY <= delay <= MAX_DELAY == 2.0


@pytest.mark.rfc("8305", "5")
def test_the_next_attempt_waits_for_the_delay_and_not_for_a_failure() -> None:
    race = Race(listed("6a 4a"), None)
    assert race.pause(100.0) == 0.0
    assert race.begin(100.0) == (6, "6a")
    assert race.begin(100.0) is None
    assert race.pause(100.1) == pytest.approx(0.15)
    assert race.begin(100.2499) is None
    assert race.begin(100.25) == (4, "4a")
    assert race.pause(100.25) is None
    assert race.begin(200.0) is None


@pytest.mark.rfc("8305", "5")
def test_a_failure_begins_the_next_attempt_at_once() -> None:
    race = Race(listed("6a 6b 4a"), None)
    assert race.begin(0.0) == (6, "6a")
    race.failed("Network is unreachable")
    assert race.pause(0.0) == 0.0
    assert race.begin(0.0) == (4, "4a")
    race.failed("Connection refused")
    assert race.begin(0.0) == (6, "6b")
    race.failed("Network is unreachable")
    assert list(race.reasons) == ["Network is unreachable", "Connection refused"]
    assert race.pause(0.0) is None


def test_who_lists_hundreds_of_addresses_is_tried_at_so_many() -> None:
    race = Race([(4, str(number)) for number in range(500)], None)
    tried = 0
    while race.begin(0.0) is not None:
        race.failed("no")
        tried += 1
    assert tried == MOST_TRIED


def test_where_nobody_is_nothing_begins() -> None:
    race: Race[str] = Race([], 1.0)
    assert race.begin(0.0) is None
    assert race.pause(0.0) is None
