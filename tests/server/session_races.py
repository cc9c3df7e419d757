"""What holds of requests that change one session at once, wherever it is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.server.session_visitors import (
    IDLE,
    MemoryStore,
    Shop,
    Work,
    both,
    incrementing,
    putting,
    signing_in,
)

from crlf.message.session import Session


class RaceStories:
    """What holds of two requests at once. Needs a fixture `shop`."""

    def test_nothing_is_asked_by_who_does_not_look(self, shop: Shop) -> None:
        store = getattr(shop.app.sessions, "store", None)
        if not isinstance(store, MemoryStore):
            pytest.skip("only the store of the tests counts what it is asked")
        with shop.browser() as ann:
            ann.unseen()
            assert store.asked == 0
            ann.data  # noqa: B018 - a look
            assert store.asked == 0  # nothing to look for without a cookie
            ann.do(putting(n=1))
            store.asked = 0
            with ann.twin() as twin:
                twin.ask(lambda session: None)
                assert store.asked == 1  # the look, and nothing for its end

    def test_requests_at_once_lose_nothing(self, shop: Shop) -> None:
        shop.only_if_stored("is what its last answer said")
        with shop.browser() as ann:
            ann.do(putting(n=1, kept=[1], gone=2, deep={"a": {"x": 1, "y": 1}, "b": 1}))
            with ann.twin() as twin:

                def outer(session: Session) -> None:
                    session.increment("n")
                    session["mine"] = True
                    session["deep"]["a"]["x"] = 2
                    del session["deep"]["b"]
                    twin.do(inner)
                    session["late"] = 1
                    session.increment("n", 10)

                def inner(session: Session) -> None:
                    session.increment("n", 100)
                    session["theirs"] = True
                    session["deep"]["a"]["y"] = 2
                    session["deep"]["c"] = 3
                    del session["gone"]

                ann.do(outer)
            assert ann.data == {
                "n": 112, "kept": [1], "mine": True, "theirs": True, "late": 1,
                "deep": {"a": {"x": 2, "y": 2}, "c": 3},
            }  # fmt: skip

    def test_a_change_is_made_again_to_what_is_there(self, shop: Shop) -> None:
        shop.only_if_stored("is what its last answer said")

        def adding(part: int) -> Work:
            return lambda session: session.change("cart", lambda cart: [*cart, part], [])

        with shop.browser() as ann:
            ann.do(adding(1))
            with ann.twin() as twin:
                ann.do(both(adding(2), lambda _: twin.do(adding(3)), adding(4)))
            assert ann.data == {"cart": [1, 3, 2, 4]}

    def test_messages_of_requests_at_once_are_all_shown(self, shop: Shop) -> None:
        shop.only_if_stored("is what its last answer said")
        with shop.browser() as ann:
            ann.do(lambda session: session.flash("a"))
            with ann.twin() as twin:
                shown = ann.do(
                    lambda session: [session.flashes(), twin.do(lambda s: s.flash("b"))][0]
                )
            assert shown == [["a", "info"]]
            assert ann.do(lambda session: session.flashes()) == [["b", "info"]]

    def test_200_increments_at_once_are_200(self, shop: Shop) -> None:
        shop.only_if_stored("is what its last answer said")
        with shop.browser() as ann:
            ann.do(putting(n=0))
            with ann.twin() as twin, ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: twin.do(incrementing()), range(200)))
            assert ann.data == {"n": 200}

    @pytest.mark.parametrize(
        "end",
        [lambda s: s.sign_out(), lambda s: s.revoke_all("ann"), lambda s: s.rotate(),
         lambda s: s.clear()],
    )  # fmt: skip
    def test_what_was_ended_is_not_brought_back(self, shop: Shop, end: Work) -> None:
        shop.only_if_stored("stays good until it is too old")
        with shop.browser() as ann:
            ann.do(both(signing_in("ann"), putting(n=1)))
            with ann.twin() as twin, ann.twin() as third:
                answer = ann.ask(both(incrementing(), lambda _: twin.do(end)))
                assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
                assert (third.user, third.data) == (None, {})

    def test_whoever_signs_in_is_signed_in_though_the_session_was_ended(self, shop: Shop) -> None:
        shop.only_if_stored("stays good until it is too old")
        with shop.browser() as ann:
            ann.do(putting(n=1, old=1))
            with ann.twin() as twin:
                inside = both(putting(n=2), lambda _: twin.do(lambda s: s.clear()))
                ann.do(both(inside, signing_in("ann")))
            assert (ann.user, ann.data) == ("ann", {"n": 2})  # and nothing that had been ended

    def test_a_late_answer_does_not_overwrite_a_new_id(self, shop: Shop) -> None:
        shop.only_if_stored("is what its last answer said")
        with shop.browser() as ann:
            ann.do(putting(n=1))
            with ann.twin() as late:
                ann.do(signing_in("ann"))
                shop.now += IDLE // 2
                for work in (len, incrementing("m"), lambda s: s.sign_out()):
                    cookie = late.ask(work).headers.get("set-cookie", "")
                    assert not cookie.startswith("session=;")
            assert (ann.user, ann.data) == ("ann", {"n": 1})

    # -- ending them all

    def test_all_of_a_users_sessions_end_at_once(self, shop: Shop) -> None:
        shop.only_if_stored("stays good until it is too old")
        with shop.browser() as phone, shop.browser() as laptop, shop.browser() as bob:
            for one, user in ((phone, "ann"), (laptop, "ann"), (bob, "bob")):
                one.do(both(signing_in(user), putting(n=1)))
            phone.do(lambda session: session.rotate())
            bob.do(lambda session: session.revoke_all("ann"))
            assert [one.user for one in (phone, laptop, bob)] == [None, None, "bob"]
            assert [one.data for one in (phone, laptop, bob)] == [{}, {}, {"n": 1}]
            for one in (phone, laptop):
                one.do(signing_in("ann"))
            assert shop.app.sessions.revoke_all("nobody") == 0
            assert shop.app.sessions.revoke_all("ann") == 2
            assert [one.user for one in (phone, laptop, bob)] == [None, None, "bob"]

    def test_revoking_ones_own_sessions_ends_this_one_too(self, shop: Shop) -> None:
        shop.only_if_stored("stays good until it is too old")
        with shop.browser() as ann:
            ann.do(both(signing_in("ann"), putting(n=1)))
            cookie = ann.ask(lambda session: session.revoke_all("ann")).headers["set-cookie"]
            assert cookie.startswith("session=;")
            assert (ann.user, ann.data) == (None, {})

    def test_after_a_new_password_this_one_goes_on(self, shop: Shop) -> None:
        shop.only_if_stored("stays good until it is too old")
        with shop.browser() as ann, shop.browser() as thief:
            for one in (ann, thief):
                one.do(both(signing_in("ann"), putting(cart=[1], n=0)))
            before = ann.id
            with ann.twin() as twin:
                anew = both(lambda s: s.revoke_all("ann"), signing_in("ann"))
                ann.do(both(lambda _: twin.do(incrementing()), anew))
                assert (ann.user, ann.data) == ("ann", {"cart": [1], "n": 1})
                assert ann.id != before
                assert (twin.user, thief.user) == (None, None)
            assert shop.app.sessions.revoke_all("ann") == 1
