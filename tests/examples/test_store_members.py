"""Members of the store: accounts, signing in and out, what only its owner may see and do."""

from __future__ import annotations

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import quote

import pytest
from tests.examples.storefront import PASSWORD, PNG, Visitor, Visitors, heading, text_of

from crlf import Response

ORDER = {"name": "Tim", "address": "Salina", "zip": "67401"}


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account", follow_redirects=False).status_code == 200


def cookie_of(visitor: Visitor) -> str:
    return visitor.client.cookies.get("session") or ""


def known_by(visitor: Visitor, cookie: str) -> Response:
    """Look at the cart as somebody who has a session's number from somewhere."""
    return visitor.get("/cart", headers={"cookie": f"session={cookie}"})


# --- opening an account --------------------------------------------------------------------------


def test_who_opens_an_account_is_signed_in_and_keeps_the_cart(visitor: Visitor) -> None:
    visitor.buy(7, 3)
    before = cookie_of(visitor)
    visitor.join("Grace <Hopper>")
    assert "3 in the cart, signed in" in visitor.get("/cart").text
    assert "Grace &lt;Hopper&gt;</a>" in visitor.get("/").text
    assert cookie_of(visitor) != before
    assert "the cart is empty" in known_by(visitor, before).text  # nobody waits with the old number


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"email": "tim"}, "email"),
        ({"email": "tim@localhost"}, "email"),
        ({"email": "tim@example.org, eve@example.org"}, "email"),
        ({"email": "x" * 250 + "@example.org"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"password": "tim@example.org"}, "password"),
        ({"password": "aaaaaaaaaaaa"}, "password"),
        ({"password": ""}, "password"),
    ],
)
def test_what_an_account_lacks_is_said_beside_the_field(
    visitor: Visitor, change: dict[str, str], field: str
) -> None:
    form = {"name": "Tim", "email": "tim@example.org", "password": PASSWORD} | change
    page = visitor.post("/signup", data=form)
    assert page.status_code == 400
    assert text_of(page, f"{field}-problem")
    assert PASSWORD not in page.text
    assert not is_signed_in(visitor)


def test_an_address_has_one_account(visitors: Visitors) -> None:
    email = visitors().join()
    form = {"name": "Eve", "email": email.upper(), "password": PASSWORD}
    page = visitors().post("/signup", data=form)
    assert page.status_code == 409
    assert "Sign in instead?" in text_of(page, "email-problem")


def test_a_password_is_nowhere_but_as_a_hash(visitor: Visitor, store: ModuleType) -> None:
    email = visitor.join()
    kept = store.members.by_email(email).password
    assert kept.startswith("$argon2id$")
    files = [path for path in Path(store.FOLDER).rglob("*") if path.is_file()]
    assert all(PASSWORD.encode() not in path.read_bytes() for path in files)


def test_letters_that_look_the_same_are_the_same(visitors: Visitors) -> None:
    form = {"name": "Zoë", "email": "zoe@example.org", "password": "Zo\u00eb's Passw\u00f6rter"}
    visitors().post("/signup", data=form)
    assert visitors().log_in("zoe@example.org", "Zoe\u0308's Passwo\u0308rter").status_code == 200


# --- signing in ----------------------------------------------------------------------------------


def test_a_cart_from_before_survives_signing_in(visitors: Visitors) -> None:
    email = visitors().join()
    other = visitors()
    other.buy(15, 4)
    before = cookie_of(other)
    page = other.log_in(email)
    assert heading(page) == "Tim"
    assert "Welcome back, Tim." in page.text
    assert "Welcome back" not in other.get("/").text  # said once
    assert "4 in the cart, signed in" in other.get("/cart").text
    assert "the cart is empty" in known_by(other, before).text


def test_whether_the_name_or_the_password_was_wrong_is_not_said(
    visitors: Visitors, store: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    email, looked_at = visitors().join(), []
    hasher = sys.modules["examples.store.data.passwords"]._hasher

    def verify(kept: str, password: bytes) -> bool:
        looked_at.append(kept)
        return hasher.verify(kept, password)

    watched = SimpleNamespace(verify=verify, hash=hasher.hash)
    monkeypatch.setattr("examples.store.data.passwords._hasher", watched)
    wrong = visitors().log_in(email, "not the password")
    unknown = visitors().log_in(f"nobody-{email}", "not the password")
    assert wrong.status_code == unknown.status_code == 403
    assert text_of(wrong, "login-problem") == text_of(unknown, "login-problem")
    assert len(set(looked_at)) == 2  # a name that nobody has takes as long


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/order?a=b", "/order?a=b"),
        ("/", "/"),
        ("", "/account"),
        ("order", "/account"),
        ("//evil.example/", "/account"),
        ("/\\evil.example", "/account"),
        ("\\/evil.example", "/account"),
        ("/\t/evil.example", "/account"),
        ("https://evil.example/", "/account"),
        ("javascript:alert(1)", "/account"),
        ("/\r\nset-cookie: a=b", "/account"),
    ],
)
def test_after_signing_in_one_is_still_in_this_store(
    visitor: Visitor, store: ModuleType, wanted: str, location: str
) -> None:
    email = visitor.join()
    visitor.post("/logout")
    page = visitor.get(f"/login?next={quote(wanted, safe='')}")
    assert f'name="next" value="{location}"' in page.text
    form = {"email": email, "password": PASSWORD, "next": wanted}
    assert visitor.post("/login", data=form).headers["location"] == location


def test_what_is_for_members_asks_for_one_and_comes_back(visitor: Visitor) -> None:
    page = visitor.get("/account")
    assert str(page.url).endswith("/login?next=%2Faccount")
    assert heading(page) == "Sign in"
    for path in ("/projects", "/account/password", "/account/everywhere", "/projects/x/remove"):
        assert visitor.post(path).headers["location"] == "/login?next=%2Faccount"
        assert "You are signed out, and nothing was done." in visitor.get("/login").text


# --- how often -----------------------------------------------------------------------------------


def test_a_password_is_not_tried_for_ever(visitors: Visitors) -> None:
    email, guesser = visitors().join(), visitors()
    tried = [guesser.log_in(email, f"guess number {n}").status_code for n in range(7)]
    assert tried == [403] * 6 + [429]
    page = guesser.log_in(email.upper())  # right, but too late
    assert page.status_code == 429
    assert 0 < int(page.headers["retry-after"]) <= 15 * 60
    assert "tried too often" in text_of(page, "login-problem")
    assert not is_signed_in(guesser)
    assert visitors().join()  # others there are not troubled


def test_tries_at_once_are_counted_one_by_one_and_forgotten_in_time(
    store: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = store.attempts
    too_many = sys.modules["examples.store.data.attempts"].TooMany

    def passes(_: int) -> bool:
        try:
            attempts.note("ann@example.org", "192.0.2.1")
        except too_many:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(passes, range(20))) == 6
    attempts.note("ann@example.org", "192.0.2.2")
    attempts.note("bob@example.org", "192.0.2.1")
    now = time.time()
    monkeypatch.setattr("examples.store.data.attempts.time.time", lambda: now + 15 * 60 + 1)
    attempts.note("ann@example.org", "192.0.2.1")


def test_an_office_may_sign_in_often_but_not_guess_often(store: ModuleType) -> None:
    attempts = store.attempts
    for n in range(60):
        attempts.note(f"{n}@example.org", "192.0.2.9")
        attempts.forget(f"{n}@example.org", "192.0.2.9")
    for n in range(40):
        attempts.note(f"{n}@example.org", "192.0.2.9")
    with pytest.raises(Exception, match=r"^[0-9]+ s$"):
        attempts.note("60@example.org", "192.0.2.9")


def test_one_household_is_one_place(store: ModuleType) -> None:
    for n in range(6):
        store.attempts.note("cy@example.org", f"2001:db8:1:2::{n:x}")
    with pytest.raises(Exception, match=r"^[0-9]+ s$"):
        store.attempts.note("cy@example.org", "2001:db8:1:2:ffff::1")
    store.attempts.note("cy@example.org", "2001:db8:1:3::1")


# --- signing out ---------------------------------------------------------------------------------


def test_after_signing_out_the_old_number_is_worth_nothing(visitor: Visitor) -> None:
    visitor.join()
    visitor.buy(7)
    before = cookie_of(visitor)
    page = visitor.post("/logout", follow_redirects=True)
    assert "You are signed out." in page.text
    assert not is_signed_in(visitor)
    assert "the cart is empty" in known_by(visitor, before).text


def test_signing_out_everywhere_ends_every_session(visitors: Visitors) -> None:
    here, library, stranger = visitors(), visitors(), visitors()
    email = here.join()
    library.log_in(email)
    stranger.join()
    page = here.post("/account/everywhere", follow_redirects=True)
    assert "here and everywhere else" in page.text
    assert [is_signed_in(visitor) for visitor in (here, library, stranger)] == [False, False, True]


def test_a_new_password_ends_all_other_sessions(visitors: Visitors) -> None:
    here, library = visitors(), visitors()
    email = here.join()
    here.buy(7)
    library.log_in(email)
    wrong = here.post("/account/password", data={"password": "no", "new": "another password"})
    assert (wrong.status_code, is_signed_in(library)) == (403, True)
    weak = here.post("/account/password", data={"password": PASSWORD, "new": "no"})
    assert (weak.status_code, text_of(weak, "new-problem")[:10]) == (400, "A password")
    form = {"password": PASSWORD, "new": "another password"}
    page = here.post("/account/password", data=form, follow_redirects=True)
    assert "counts from now on" in page.text
    assert "1 in the cart, signed in" in page.text
    assert [is_signed_in(here), is_signed_in(library)] == [True, False]
    assert library.log_in(email).status_code == 403
    assert library.log_in(email, "another password").status_code == 200


# --- what is one's own ---------------------------------------------------------------------------


def test_the_history_has_one_s_own_orders_and_nobody_else_s(visitors: Visitors) -> None:
    tim, eve, nobody = visitors(), visitors(), visitors()
    tim.join("Tim")
    eve.join("Eve")
    urls = []
    for visitor, part in ((tim, 7), (tim, 15), (nobody, 22)):
        visitor.buy(part, 2)
        page = visitor.post("/order", data=ORDER, follow_redirects=True)
        urls.append(str(page.url).removeprefix(visitor.url))
    assert re.findall(r'href="(/order/[^"]+)"', tim.get("/account").text) == urls[1::-1]
    assert "Nothing yet." in eve.get("/account").text
    assert nobody.get(urls[2]).status_code == 200  # by its secret code


def test_a_project_is_taken_down_by_who_sent_it_alone(visitors: Visitors) -> None:
    tim, eve = visitors(), visitors()
    tim.join("Tim")
    eve.join("Eve")
    sent = tim.post(
        "/projects", data={"caption": "A clock"}, files={"photo": ("a.png", PNG, "image/png")}
    )
    project = sent.headers["location"]
    photo = project.replace("/projects/", "/photo/")
    assert "by Tim" in eve.get("/projects").text
    assert "Take it down" not in eve.get(project).text
    assert eve.post(f"{project}/remove").status_code == 404
    assert eve.get(photo).status_code == 200
    assert "Take it down" in tim.get(project).text
    assert tim.post(f"{project}/remove").headers["location"] == "/projects"
    assert [tim.get(path).status_code for path in (project, photo)] == [404, 404]


def test_nobody_drives_out_all_others_photos(
    visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.store.data.projects.MOST_OF_ONE", 2)
    tim, eve = visitors(), visitors()
    tim.join()
    eve.join()
    photo = {"photo": ("a.png", PNG, "image/png")}
    kept = tim.post("/projects", data={"caption": "Tim's"}, files=photo).headers["location"]
    sent = [
        eve.post("/projects", data={"caption": "Eve's"}, files=photo).headers["location"]
        for _ in range(3)
    ]
    assert tim.get(kept).status_code == 200
    assert [eve.get(path).status_code for path in sent] == [404, 200, 200]


# --- pages of other sites ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login", "/signup", "/cart", "/order", "/logout", "/projects"])
def test_a_page_of_another_site_cannot_act_for_a_visitor(visitor: Visitor, path: str) -> None:
    visitor.buy(7)
    for fields in (
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        page = visitor.post(path, data=ORDER, headers=fields)
        assert (page.status_code, heading(page)) == (403, "Not from there")
    assert "1 in the cart" in visitor.get("/cart").text
