"""Two requests have changed one session at once: what each of them did is in what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.session_visitors import MemoryStore

from crlf.message.errors import LocalError, StoreUnavailable
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.message.session import ABSENT, MAX_FLASHES, Session
from crlf.rules.merging import MAX_DEPTH, is_same, merge_dicts, merged
from crlf.rules.sessionstore import Record, SessionStore
from crlf.rules.storedsessions import (
    MAX_SESSION,
    MAX_TRIES,
    PRUNED_EVERY,
    StoredSessions,
    key_of,
)

NOW = 1_800_000_000
Work = Callable[[Session], object]


def loaded(data: dict[str, Any]) -> Session:
    """A session as it comes out of a store."""
    text = json.dumps(data)
    return Session("session", json.loads(text), NOW, NOW, text, key="k", version=1)


def kept(before: dict[str, Any], work: Work, theirs: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a session that one request works on while another stores `theirs`."""
    session = loaded(before)
    work(session)
    result: dict[str, Any] = json.loads(merged(session, json.dumps(theirs)))
    return result


# --- dicts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "mine", "theirs", "result"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 1, "b": 2}, {"a": 2, "b": 2}),
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}),  # the later one
        ({"a": 1}, {}, {"a": 1, "b": 2}, {"b": 2}),
        ({"a": 1}, {"a": 1, "b": 2}, {}, {"b": 2}),
        ({"a": 1}, {}, {"a": 2}, {}),
        ({"a": 1}, {"a": 2}, {}, {"a": 2}),
        ({"a": {}}, {"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 1, "y": 1}}),
        ({}, {"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 1, "y": 1}}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"y": 1}}, {"a": {"x": 1, "y": 1}}),
        ({"a": {"x": 1}}, {"a": 5}, {"a": {"x": 2}}, {"a": 5}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 2]}),  # a list is one value
        ({"a": None}, {"a": None}, {"a": 0}, {"a": 0}),
        ({"a": None}, {}, {"a": None}, {}),
        ({"a": 1}, {"a": True}, {"a": 1, "b": 1}, {"a": True, "b": 1}),
        ({"a": 1}, {"a": 1.0}, {"a": 1}, {"a": 1.0}),
    ],
)
def test_what_one_of_them_changed_is_as_that_one_has_it(
    before: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any], result: dict[str, Any]
) -> None:
    found = merge_dicts(before, mine, theirs)
    assert as_text(found) == as_text(result)


SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner),
    max_leaves=8,
)
DICTS = st.dictionaries(st.sampled_from("abc"), SMALL, max_size=3)


@given(DICTS, DICTS)
def test_if_only_one_changed_anything_his_is_kept(before: dict[str, Any], now: Any) -> None:
    assert as_text(merge_dicts(before, before, now)) == as_text(now)
    assert as_text(merge_dicts(before, now, before)) == as_text(now)
    assert as_text(merge_dicts(before, now, now)) == as_text(now)


@given(DICTS, DICTS, DICTS)
def test_nothing_is_there_that_neither_has(before: Any, mine: Any, theirs: Any) -> None:
    found = merge_dicts(before, mine, theirs)
    assert set(found) <= set(mine) | set(theirs)
    for key in set(mine) - set(before) - set(theirs):
        assert is_same(found[key], mine[key])


def as_text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def test_depth_is_bounded() -> None:
    def nest(depth: int, name: str) -> dict[str, Any]:
        data: dict[str, Any] = {name: 1}
        for _ in range(depth):
            data = {"in": data}
        return data

    def leaf(data: Any) -> set[str]:
        while "in" in data:
            data = data["in"]
        return set(data)

    assert leaf(merge_dicts({}, nest(MAX_DEPTH, "a"), nest(MAX_DEPTH, "b"))) == {"a", "b"}
    assert leaf(merge_dicts({}, nest(900, "a"), nest(900, "b"))) == {"a"}


# --- what is done again --------------------------------------------------------------------------


def adding(part: object) -> Work:
    return lambda session: session.change("list", lambda old: [*old, part], [])


@pytest.mark.parametrize(
    ("before", "work", "theirs", "result"),
    [
        ({"n": 1}, lambda s: s.increment("n"), {"n": 5}, {"n": 6}),
        ({}, lambda s: s.increment("n", 2), {"n": 5}, {"n": 7}),
        ({"n": 1}, lambda s: s.increment("n"), {}, {"n": 1}),  # begun again from 0
        ({"n": 1}, lambda s: (s.increment("n"), s.increment("n", 3)), {"n": 5}, {"n": 9}),
        ({"list": [1]}, adding(2), {"list": [1, 3]}, {"list": [1, 3, 2]}),
        ({}, adding(2), {"list": [3]}, {"list": [3, 2]}),
        # what was written plainly is written
        ({"n": 1}, lambda s: (s.update(n=7), s.increment("n")), {"n": 5}, {"n": 8}),
        ({"n": 1}, lambda s: (s.increment("n"), s.update(n=7)), {"n": 5}, {"n": 7}),
        ({"n": 1}, lambda s: (s.increment("n"), s.pop("n")), {"n": 5}, {}),
        (
            {"list": [1]},
            lambda s: (adding(2)(s), s["list"].append(9)),
            {"list": [1, 3]},
            {"list": [1, 2, 9]},
        ),
        (
            {"list": [1]},
            lambda s: (s["list"].append(9), adding(2)(s)),
            {"list": [1, 3]},
            {"list": [1, 9, 2]},
        ),
    ],
)
def test_a_step_is_done_again_to_what_is_there(
    before: dict[str, Any], work: Work, theirs: dict[str, Any], result: dict[str, Any]
) -> None:
    assert kept(before, work, theirs) == result


def test_a_step_may_change_its_value_in_place() -> None:
    def put(cart: dict[str, int]) -> dict[str, int]:
        cart["7"] = cart.get("7", 0) + 1
        return cart

    session = loaded({})
    for expected in (1, 2):
        assert session.change("cart", put, {}) == {"7": expected}
    assert json.loads(merged(session, '{"cart":{"7":5,"8":1}}')) == {"cart": {"7": 7, "8": 1}}


def test_a_step_need_not_give_the_same_twice() -> None:
    drawn = iter(range(10))
    work: Work = lambda s: s.change("list", lambda old: [*old, next(drawn)], [])  # noqa: E731
    assert kept({"list": ["a"]}, work, {"list": ["b"]}) == {"list": ["b", 1]}


def test_what_a_step_raises_is_raised() -> None:
    with pytest.raises(TypeError, match="no number"):
        loaded({"n": "x"}).increment("n")
    with pytest.raises(TypeError, match="no number"):
        loaded({"n": True}).increment("n")
    with pytest.raises(TypeError, match="no number"):
        kept({"n": 1}, lambda s: s.increment("n"), {"n": "x"})
    session = loaded({})
    with pytest.raises(TypeError, match="JSON"):
        session.change("x", lambda old: {1, 2})
    with pytest.raises(TypeError, match="text"):
        session.flash(b"x")  # type: ignore[arg-type]


def test_messages_are_taken_once_and_bounded() -> None:
    def flashing(count: int) -> Work:
        return lambda s: [s.flash(f"{number}") for number in range(count)]

    session = loaded({})
    flashing(MAX_FLASHES + 5)(session)
    assert [one.text for one in session.flashes()][:2] == ["5", "6"]
    assert dict(session) == {}
    before = {"_flashes": [["a", "info"]]}
    later = {"_flashes": [["a", "info"], ["b", "info"]]}
    assert kept(before, lambda s: s.flashes(), later) == {"_flashes": [["b", "info"]]}
    assert kept(before, lambda s: s.flashes(), {}) == {}
    for foreign in ("x", [1, ["a"], ["a", 2], ["a", "b", "c"]], None):
        assert loaded({"_flashes": foreign}).flashes() == []


def test_what_stands_for_nothing_says_so() -> None:
    assert repr(ABSENT) == "ABSENT"


# --- kept in a store -----------------------------------------------------------------------------


def request(told: str = "") -> Request:
    fields = [("host", "localhost")] + ([("cookie", f"session={told}")] if told else [])
    return Request.received(("GET", "/", Headers(fields), "1.1"), b"", Received())


def visit(sessions: StoredSessions, work: Work, told: str = "", now: int = NOW) -> str:
    """One request; returns the id that it leaves the visitor with."""
    session = sessions.open(request(told), now)
    work(session)
    assert sessions.saves(session, now) in (True, False)
    headers = sessions.close(session, Response(), now).headers
    cookie = headers.get("set-cookie", f"session={told};")
    return cookie.partition(";")[0].removeprefix("session=")


def test_it_is_a_store() -> None:
    assert isinstance(MemoryStore(), SessionStore)


def test_the_store_never_sees_an_id() -> None:
    store = MemoryStore()
    told = visit(StoredSessions(store), lambda s: s.update(n=1))
    ((key, (record, ends)),) = store.records.items()
    assert len(told) == 22
    assert told not in key
    assert key == key_of("session", told)
    assert key != key_of("__Host-session", told)
    assert record == Record('{"n":1}', None, NOW, NOW, 1)
    assert ends == NOW + 14 * 24 * 3600


def test_that_it_is_in_use_is_noted_now_and_then() -> None:
    store = MemoryStore()
    sessions = StoredSessions(store, idle=100, lifetime=1000)
    told = visit(sessions, lambda s: s.update(n=1))
    for at, seen in ((9, 0), (10, 10), (19, 10), (20, 20)):
        visit(sessions, len, told, NOW + at)
        ((record, ends),) = store.records.values()
        assert (record.seen, ends) == (NOW + seen, NOW + seen + 100)
    visit(sessions, lambda s: s.update(n=2), told, NOW + 21)
    ((record, ends),) = store.records.values()
    assert (record.seen, record.version) == (NOW + 20, 4)
    visit(sessions, len, told, NOW + 110)
    assert all(ends <= NOW + 1000 for _, ends in store.records.values())


def test_settings_that_were_shortened_count_for_what_is_there() -> None:
    store = MemoryStore()
    told = visit(StoredSessions(store), lambda s: s.update(n=1))
    shorter = StoredSessions(store, idle=10, lifetime=10)
    assert shorter.open(request(told), NOW + 10) == {}
    assert shorter.open(request(told), NOW + 9) == {"n": 1}


@pytest.mark.parametrize("data", ["", "[]", "{", "null", "[" * 5000])
def test_what_another_program_wrote_counts_as_none(data: str) -> None:
    store = MemoryStore()
    store.records[key_of("session", "A" * 22)] = (Record(data, None, NOW, NOW, 1), NOW + 50)
    assert StoredSessions(store).open(request("A" * 22), NOW) == {}


def test_the_limit_holds_for_what_is_merged_too() -> None:
    store = MemoryStore()
    sessions = StoredSessions(store)
    told = visit(sessions, lambda s: s.update(n=1))
    half = "a" * (MAX_SESSION // 2)

    def both(session: Session) -> None:
        session["a"] = half
        visit(sessions, lambda s: s.update(b=half), told)

    with pytest.raises(LocalError, match="65,5"):
        visit(sessions, both, told)
    assert sessions.open(request(told), NOW) == {"n": 1, "b": half}


def test_who_never_gets_through_gives_up() -> None:
    class Busy(MemoryStore):
        tries = 0

        def swap(self, key: str, version: int, *rest: Any) -> bool:
            self.tries += 1
            return version == 0 and super().swap(key, version, *rest)

    store = Busy()
    sessions = StoredSessions(store)
    told = visit(sessions, lambda s: s.update(n=1))
    with pytest.raises(StoreUnavailable, match="in a row"):
        visit(sessions, lambda s: s.update(n=2), told)
    assert store.tries == MAX_TRIES + 1


def test_a_store_that_has_everything_is_none() -> None:
    class Full(MemoryStore):
        def swap(self, *_: Any) -> bool:
            return False

    with pytest.raises(StoreUnavailable):
        visit(StoredSessions(Full()), lambda s: s.update(n=1))


def test_what_is_over_is_forgotten_now_and_then() -> None:
    store = MemoryStore()
    sessions = StoredSessions(store, idle=10, lifetime=10)
    for _ in range(PRUNED_EVERY):
        visit(sessions, lambda s: s.update(n=1))
    assert len(store.records) == PRUNED_EVERY
    visit(sessions, lambda s: s.update(n=1), now=NOW + 10)
    assert len(store.records) == 1


def test_a_revocation_that_broke_off_leaves_nobody_signed_in() -> None:
    class Broken(MemoryStore):
        def delete_all_of(self, user: str) -> int:
            raise StoreUnavailable("gone")

    store = Broken()
    sessions = StoredSessions(store)
    told = visit(sessions, lambda s: (s.sign_in("ann"), s.update(n=1)))
    with pytest.raises(StoreUnavailable):
        visit(sessions, lambda s: (s.revoke_all("ann"), s.sign_in("ann")), told)
    assert [record.user for record, _ in store.records.values()] == [""]
    assert sessions.open(request(told), NOW) == {}
    for user in ("", 7):
        with pytest.raises((TypeError, ValueError)):
            sessions.revoke_all(user)  # type: ignore[arg-type]


def test_settings_are_checked() -> None:
    assert StoredSessions(MemoryStore(), "__Host-mine").cookie == "mine"
    for name, idle, lifetime in (("a b", 1, 1), ("", 1, 1), ("x", 0, 1), ("x", 1, 0)):
        with pytest.raises(ValueError, match=r"cookie|seconds"):
            StoredSessions(MemoryStore(), name, idle, lifetime)
