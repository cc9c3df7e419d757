"""Whose connection is given up when a full pool needs room."""

from __future__ import annotations

from crlf.rules.ledger import Ledger, PoolLimits


def idle_ledger(total: int, **counts: int) -> Ledger[str]:
    """Make a full ledger with so many idle connections of each key, named key + number."""
    ledger: Ledger[str] = Ledger(PoolLimits(total=total))
    for key, count in counts.items():
        for number in range(count):
            ledger.opened(key)
            ledger.keep(key, f"{key}{number}", now=float(number))
    return ledger


def test_the_key_with_most_connections_gives_up_its_oldest() -> None:
    ledger = idle_ledger(6, a=1, b=3, c=2)
    assert ledger.evict() == "b0"
    assert ledger.total == 5
    assert ledger.take("b", 0.0)[0] == "b2"  # the newest is still the first to be used again


def test_connections_in_use_count_for_their_key() -> None:
    ledger = idle_ledger(5, a=1, b=1, c=1)
    ledger.opened("c")
    ledger.opened("c")
    assert ledger.evict() == "c0"


def test_the_last_one_of_a_key_goes_when_there_are_no_others() -> None:
    ledger = idle_ledger(3, a=1, b=1)
    ledger.opened("c")
    assert {ledger.evict(), ledger.evict()} == {"a0", "b0"}
    assert ledger.evict() is None
    assert ledger.total == 1


def test_as_many_hosts_as_connections_are_asked_in_turn_without_losing_theirs() -> None:
    ledger = idle_ledger(4, a=1, b=1, c=1, d=1)
    assert ledger.take("a", 0.0)[0] == "a0"  # in use, as a second one is asked for
    assert not ledger.may_open("a")
    gone = ledger.evict()
    assert gone is not None
    ledger.opened("a")
    ledger.keep("a", "a0", 0.0)
    ledger.keep("a", "a1", 0.0)
    assert not ledger.may_open(gone[0])  # its turn: it gets its place back from the one with two
    assert ledger.evict() == "a0"
