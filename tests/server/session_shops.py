"""What must hold of sessions wherever they are kept: the suite for every store.

A test of a store makes a class of SessionStories and gives it a fixture `shop`, a Shop of that
store (session_visitors.py).
"""

from __future__ import annotations

import pytest
from tests.server.session_races import RaceStories
from tests.server.session_visitors import (
    IDLE,
    LIFETIME,
    NOW,
    Shop,
    Work,
    both,
    incrementing,
    putting,
    signing_in,
)

from crlf.message.headers import Headers
from crlf.message.params import Params
from crlf.message.request import Received, Request
from crlf.message.session import Flash


class SessionStories(RaceStories):
    """What holds of sessions wherever they are kept. Needs a fixture `shop`."""

    # -- one visitor

    def test_what_is_put_in_comes_back(self, shop: Shop) -> None:
        data = {"cart": {"7": 2}, "name": "Jürgen \U0001f600", "rate": 0.1, "nothing": None}
        with shop.browser() as ann, shop.browser() as bob:
            ann.do(putting(**data))
            bob.do(putting(n=1))
            assert (ann.data, bob.data) == (data, {"n": 1})
            ann.do(lambda session: session["cart"].update({"8": 1}))
            assert ann.data["cart"] == {"7": 2, "8": 1}

    def test_who_does_not_look_is_told_nothing(self, shop: Shop) -> None:
        with shop.browser() as ann:
            for _ in range(2):
                headers = ann.unseen().headers
                assert not {"set-cookie", "vary", "cache-control"} & set(headers)
                ann.do(putting(n=1))

    @pytest.mark.rfc("9111", "5.2.2.7")
    @pytest.mark.parametrize(
        "look",
        [len, list, lambda s: "x" in s, lambda s: s.get("x"), lambda s: s.user,
         lambda s: s.flashes()],
    )  # fmt: skip
    def test_any_look_makes_an_answer_private(self, shop: Shop, look: Work) -> None:
        with shop.browser() as ann:
            for _ in range(2):
                headers = ann.ask(look).headers
                assert (headers["vary"], headers["cache-control"]) == ("Cookie", "private")
                assert "set-cookie" not in headers
                ann.do(putting(n=1))

    @pytest.mark.rfc("9111", "5.2.2.5")
    @pytest.mark.rfc("6265", "4.1.2")
    def test_a_cookie_is_set_for_this_host_alone(self, shop: Shop) -> None:
        with shop.browser() as ann:
            headers = ann.ask(putting(n=1)).headers
            assert (headers["vary"], headers["cache-control"]) == ("Cookie", "no-store")
            assert headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")

    def test_a_change_that_was_taken_back_sets_nothing(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            back = both(putting(x=1), lambda session: session.pop("x"))
            assert "set-cookie" not in ann.ask(back).headers

    @pytest.mark.parametrize("end", [lambda s: s.clear(), lambda s: s.pop("n")])
    def test_who_is_forgotten_loses_his_cookie(self, shop: Shop, end: Work) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            with ann.twin() as twin:
                gone = ann.ask(end).headers["set-cookie"]
                assert gone.startswith("session=;")
                assert ann.id == ""
                assert ann.data == {}
                if shop.is_stored:
                    assert twin.data == {}

    @pytest.mark.parametrize("value", [{1, 2}, b"bytes", float("nan"), "\ud800", {"a": object()}])
    def test_what_is_not_json_is_our_fault(self, shop: Shop, value: object) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            response = ann.ask(putting(x=value))
            assert (response.status_code, "set-cookie" in response.headers) == (500, False)
            assert response.headers["cache-control"] == "private"
            assert ann.data == {"n": 1}

    def test_what_is_too_large_is_our_fault(self, shop: Shop) -> None:
        fits, limit = (60_000, 65_536) if shop.is_stored else (2_900, 4_000)
        with shop.browser() as ann:
            assert ann.ask(putting(x="a" * fits)).status_code == 200
            assert ann.ask(putting(x="a" * limit)).status_code == 500
            assert ann.ask(putting(x="\N{SNOWMAN}" * (limit // 2))).status_code == 500
            assert ann.data == {"x": "a" * fits}

    def test_what_an_error_left_is_not_kept(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            assert ann.ask(both(putting(n=2), lambda session: session["?"])).status_code == 500
            assert ann.data == {"n": 1}

    # -- who it is

    def test_signing_in_gives_a_new_id_and_keeps_the_cart(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(cart=[7]))
            with ann.twin() as twin:
                ann.do(signing_in("ann"))
                assert (ann.user, ann.data) == ("ann", {"cart": [7]})
                assert f"session={ann.id}" != twin.cookie
                assert twin.user is None
                if shop.is_stored:  # the old id is dead
                    assert twin.data == {}

    def test_rotating_gives_a_new_id(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(both(signing_in("ann"), putting(n=1)))
            before = ann.id
            with ann.twin() as twin:
                shop.now += 1
                ann.do(lambda session: session.rotate())
                assert (ann.user, ann.data) == ("ann", {"n": 1})
                assert ann.id != before
                if shop.is_stored:
                    assert (twin.user, twin.data) == (None, {})

    def test_another_user_gets_nothing_of_the_first_ones(self, shop: Shop) -> None:
        with shop.browser() as shared:
            shared.do(both(signing_in("ann"), putting(cart=[7])))
            shared.do(both(signing_in("bob"), putting(n=1)))
            assert (shared.user, shared.data) == ("bob", {"n": 1})

    def test_who_has_signed_out_is_nobody(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(both(signing_in("ann"), putting(n=1)))
            with ann.twin() as twin:
                out = both(
                    lambda session: session.sign_out(), lambda session: session.flash("Bye.")
                )
                ann.do(out)
                assert ann.user is None
                assert ann.do(lambda session: session.flashes()) == [["Bye.", "info"]]
                assert ann.data == {}
                if shop.is_stored:
                    assert (twin.user, twin.data) == (None, {})

    def test_signing_in_without_data_is_kept(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(signing_in("ann"))
            assert (ann.user, ann.data) == ("ann", {})

    # -- how long

    def test_a_session_that_nobody_uses_ends(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            shop.now += IDLE - 1
            with ann.twin() as twin:  # it does not say that it was here: nothing is noted
                shop.now += 1
                assert twin.data == {}

    def test_a_session_in_use_goes_on_and_ends_all_the_same(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            while shop.now < NOW + LIFETIME - 500:
                shop.now += 500
                assert ann.data == {"n": 1}
            shop.now = NOW + LIFETIME - 1
            assert ann.data == {"n": 1}
            shop.now += 1
            assert ann.data == {}

    def test_rotating_begins_a_new_lifetime(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=1))
            while shop.now < NOW + LIFETIME - 500:
                shop.now += 500
                ann.do(incrementing())
            ann.do(lambda session: session.rotate())
            shop.now += 800
            assert ann.data == {"n": 10}

    # -- whose id

    def test_an_id_of_somebody_elses_making_is_not_taken(self, shop: Shop) -> None:
        """Or who had sent a link with an id in it would know the session of who followed it."""
        chosen = "A" * 22
        with shop.browser(f"session={chosen}") as ann:
            assert "set-cookie" not in ann.ask(len).headers
            given = ann.ask(putting(n=1)).headers["set-cookie"]
            assert chosen not in given
            assert ann.data == {}

    @pytest.mark.parametrize(
        "value",
        ["", "x", "A" * 21, "A" * 23, "A" * 100_000, "A" * 21 + "\x00", "A" * 21 + "+", "ä" * 22,
         "A" * 21 + "%", '"' + "A" * 22 + '"', "..", "' OR 1=1 --", "١" * 22],
    )  # fmt: skip
    def test_hostile_cookies_count_as_none(self, shop: Shop, value: str) -> None:
        head = ("GET", "/", Headers([("host", "localhost")]), "1.1")
        request = Request.received(head, b"", Received())
        request._cookies = Params([("session", value)])  # whatever a parser let through
        session = shop.app.sessions.open(request, NOW)
        assert (session, session.user) == ({}, None)

    # -- messages

    def test_a_message_is_shown_once(self, shop: Shop) -> None:
        with shop.browser() as ann:
            assert ann.do(lambda session: session.flashes()) == []
            ann.do(both(lambda s: s.flash("Saved."), lambda s: s.flash("No.", "error")))
            ann.do(putting(n=1))
            shown = ann.do(lambda session: session.flashes())
            assert shown == [["Saved.", "info"], ["No.", "error"]]
            assert ann.do(lambda session: session.flashes()) == []
            assert ann.data == {"n": 1}

    def test_messages_of_one_request_are_there_at_once(self, shop: Shop) -> None:
        with shop.browser() as ann:
            there = both(lambda s: s.flash("a"), lambda s: s.flash("b", kind="c"))
            found = ann.do(lambda s: [there(s), s.flashes() == [Flash("a"), Flash("b", "c")]])
            assert found == [None, True]
            assert ann.id == ""
