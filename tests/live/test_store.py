"""The store: what the course's server-side application does, in memory and over a socket.

Each test is run twice, with `Client(app=app)` and with a server on a port, and expects the same.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from tests.examples.storefront import PNG, ROOT, STATIC, Visitor, Visitors, heading, opened, text_of
from tests.live.pagechecks import VALIDATOR, assert_valid_html

from crlf import Client, Response, running

XHTML = "application/xhtml+xml"
NAMESPACE = "{http://www.w3.org/1999/xhtml}"
PAGES = (
    "/", "/?page=2", "/?q=gear&sort=cheap", "/?q=nothing", "/part?number=7", "/part/23",
    "/part?number=seven", "/part/99", "/shipping", "/cart", "/shipping?zip=67401&number=7",
    "/shipping?zip=1&number=x", "/login", "/signup", "/projects", "/about", "/nowhere",
)  # fmt: skip


# --- looking -------------------------------------------------------------------------------------


def parts_on(page: Response) -> list[int]:
    return [int(number) for number in re.findall(r'href="/part/([0-9]+)"', page.text)]


@pytest.mark.rfc("8288", "3")
def test_the_catalogue_s_pages_lead_to_every_part(visitor: Visitor) -> None:
    found, page = [], visitor.get("/")
    while "next" in page.links:
        found += parts_on(page)
        page = visitor.client.get(page.links["next"].url)
    assert found + parts_on(page) == list(range(1, 37))
    assert str(page.links["prev"].url) == f"{visitor.url}/?page=2"
    assert visitor.get("/?page=4").status_code == 404
    assert visitor.get("/?page=0").status_code == 404
    assert visitor.get("/?page=x").status_code == 400


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("q=gear rack", [10]),
        ("q=%20GEAR++rack+", [10]),
        ("q=spring&sort=dear", [34, 21, 19, 20]),
        ("q=bolt&family=Fasteners&sort=cheap", [1, 25, 4]),
        ("family=Gears&sort=light", [29, 28, 8, 11, 7, 12, 10, 9]),
        ("q=%25", []),
        ("q=_", []),
        ("q=\\", []),
        ("q=' OR 1=1 --", []),
        ("q=<b>", []),
    ],
)
def test_a_search_finds_what_has_all_its_words(
    visitor: Visitor, query: str, numbers: list[int]
) -> None:
    page = visitor.get(f"/?{query}")
    assert page.status_code == 200
    assert parts_on(page) == numbers
    assert "<b>" not in page.text


def test_a_search_is_bounded_and_its_order_is_one_of_ours(visitor: Visitor) -> None:
    assert len(parts_on(visitor.get("/?q=" + "a+" * 3000))) == 12
    assert visitor.get("/?sort=price;DROP TABLE parts").status_code == 400
    assert visitor.get("/?family=Nuts").status_code == 400


def test_a_part_is_looked_up_by_data_in_the_url(visitor: Visitor) -> None:
    page = visitor.get("/part", params={"number": 7})
    assert str(page.url).endswith("/part?number=7")
    assert heading(page) == "Spur gear, 24 teeth"
    assert heading(visitor.get("/part/7")) == heading(page)


@pytest.mark.parametrize("query", ["number=seven", "number=", "number=-", "", "number=7;8"])
def test_a_part_number_that_is_none_is_a_400_that_names_the_field(
    visitor: Visitor, query: str
) -> None:
    page = visitor.get(f"/part?{query}")
    assert page.status_code == 400
    assert "&#39;number&#39;" in text_of(page, "number-problem")


@pytest.mark.parametrize("number", ["0", "37", "999999999999999999"])
def test_a_part_that_is_not_there_is_a_404(visitor: Visitor, number: str) -> None:
    assert visitor.get(f"/part?number={number}").status_code == 404
    page = visitor.get(f"/part/{number}")
    assert page.status_code == 404
    assert f"There is no part {int(number)}." in page.text


@pytest.mark.parametrize(
    ("zip_code", "number", "amount"),
    [
        ("67401", 7, "$4.35"),
        ("67401-1234", 7, "$4.35"),
        ("66044", 7, "$6.20"),
        ("10001", 13, "$14.00"),
        ("00601", 2, "$30.50"),
        ("99501", 2, "$30.50"),
        ("96813", 2, "$30.50"),
    ],
)
def test_shipping_costs_what_zone_and_weight_say(
    visitor: Visitor, zip_code: str, number: int, amount: str
) -> None:
    page = visitor.get("/shipping", params={"zip": zip_code, "number": number})
    assert page.status_code == 200
    assert amount in page.text
    assert f"zip={zip_code}&number={number}" in str(page.url)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("zip=6740&number=7", "zip"),
        ("zip=67401x&number=7", "zip"),
        ("zip=%D9%A6%D9%A7%D9%A4%D9%A0%D9%A1&number=7", "zip"),  # digits, but of Arabic
        ("zip=&number=7", "zip"),
        ("zip=00501&number=7", "zip"),
        ("zip=67401&number=99", "ship-number"),
        ("zip=67401&number=x", "ship-number"),
        ("zip=67401", "ship-number"),  # for the cart, which is empty
    ],
)
def test_a_bad_question_about_shipping_is_answered_beside_the_field(
    visitor: Visitor, query: str, field: str
) -> None:
    page = visitor.get(f"/shipping?{query}")
    assert page.status_code == 400
    assert f'id="{field}-problem"' in page.text


def test_shipping_without_a_part_number_is_for_the_cart(visitor: Visitor) -> None:
    visitor.buy(13, 2)  # two chains, 1.4 kg: two kilograms begun
    assert "$4.75" in visitor.get("/shipping?zip=67401").text


# --- the cart ------------------------------------------------------------------------------------


def test_the_cart_survives_between_requests_and_adds_up(visitor: Visitor) -> None:
    assert "1 in the cart" in visitor.buy(7).text
    assert "5 in the cart" in visitor.buy(15, 4).text
    page = visitor.buy(7, 2)
    assert "7 in the cart" in page.text
    assert str(page.url).endswith("/cart")
    assert "$50.30" in page.text  # 3 x 12.50 + 4 x 3.20


def test_the_cart_is_changed_line_by_line(visitor: Visitor) -> None:
    visitor.buy(7, 3)
    visitor.buy(15, 2)
    changed = visitor.post("/cart/7", data={"quantity": 1}, follow_redirects=True)
    assert "3 in the cart" in changed.text
    form = {"quantity": "nonsense", "remove": "yes"}
    assert "2 in the cart" in visitor.post("/cart/7", data=form, follow_redirects=True).text
    emptied = visitor.post("/cart/15", data={"quantity": 0}, follow_redirects=True)
    assert heading(emptied) == "The cart is empty."


def test_each_visitor_has_a_cart_of_their_own(visitors: Visitors) -> None:
    one, other = visitors(), visitors()
    one.buy(7)
    assert "the cart is empty" in other.get("/cart").text
    assert "1 in the cart" in one.get("/cart").text


def test_a_session_that_somebody_made_up_is_none(visitor: Visitor) -> None:
    visitor.buy(7)
    cookie = visitor.client.cookies.get("session") or ""
    assert cookie
    forged = cookie[:-1] + ("A" if cookie[-1] != "A" else "B")
    page = visitor.get("/cart", headers={"cookie": f"session={forged}"})
    assert "the cart is empty" in page.text


def test_two_tabs_at_once_lose_nothing(visitor: Visitor) -> None:
    visitor.buy(1)
    tabs = [threading.Thread(target=visitor.buy, args=(number,)) for number in range(2, 10)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert "9 in the cart" in visitor.get("/cart").text


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"number": 7, "quantity": "many"}, "quantity"),
        ({"number": 7, "quantity": 0}, "quantity"),
        ({"number": 7, "quantity": -1}, "quantity"),
        ({"number": 7, "quantity": 100}, "quantity"),
        ({"number": 7}, "quantity"),
        ({"quantity": 1}, "number"),
        ({}, "number"),
    ],
)
def test_a_bad_quantity_is_a_400_that_names_it(
    visitor: Visitor, form: dict[str, object], named: str
) -> None:
    page = visitor.post("/cart", data=form)
    assert page.status_code == 400
    assert f"&#39;{named}&#39;" in page.text


def test_what_is_not_sold_cannot_be_bought(visitor: Visitor) -> None:
    assert visitor.post("/cart", data={"number": 99, "quantity": 1}).status_code == 404
    assert visitor.post("/cart/99", data={"quantity": 1}).status_code == 404
    assert "the cart is empty" in visitor.get("/cart").text


def test_what_a_visit_shows_is_private(visitor: Visitor) -> None:
    assert visitor.get("/").headers["cache-control"] == "no-store"
    assert visitor.get("/").headers["vary"] == "Cookie"
    bought = visitor.post("/cart", data={"number": 7, "quantity": 1})
    assert bought.headers["cache-control"] == "no-store"
    cookie = bought.headers.get_all("set-cookie")[0]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


# --- ordering ------------------------------------------------------------------------------------

ORDER = {
    "name": "Grace <b>Hopper</b>",
    "address": "1 Compiler Court\r\nSalina",
    "zip": "67401",
    "note": 'Wrap it "well" & soon',
}


@pytest.mark.rfc("9110", "15.4.4")
def test_an_order_is_posted_redirected_and_shown(visitor: Visitor) -> None:
    visitor.buy(7, 2)
    page = visitor.post("/order", data=ORDER, follow_redirects=True)
    assert [response.status_code for response in page.history] == [303]
    assert heading(page) == "Thank you, Grace &lt;b&gt;Hopper&lt;/b&gt;."
    assert "Wrap it &#34;well&#34; &amp; soon" in page.text
    assert "<b>" not in page.text
    assert "$29.35" in page.text  # 2 x 12.50, and shipping
    assert "the cart is empty" in page.text
    assert visitor.get(page.url.target).content == page.content  # looked at again, not ordered


def test_an_order_is_priced_when_it_is_made(visitor: Visitor, store: ModuleType) -> None:
    visitor.buy(3, 5)
    page = visitor.post("/order", data=ORDER, follow_redirects=True)
    order = store.orders.find(str(page.url).rpartition("/")[2])
    assert [(line.part.number, line.quantity, line.price) for line in order.lines] == [(3, 5, 8)]
    assert order.total == 5 * 8 + 435
    assert order.to.address == "1 Compiler Court\nSalina"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"address": None}, "address"),
        ({"zip": "6740"}, "zip"),
        ({"zip": "00501"}, "zip"),
        ({"note": "x" * 2001}, "note"),
    ],
)
def test_an_order_that_lacks_something_comes_back_as_it_was_filled_in(
    visitor: Visitor, change: dict[str, str | None], field: str
) -> None:
    visitor.buy(7)
    page = visitor.post("/order", data=ORDER | change)
    assert page.status_code == 400
    assert f'id="{field}-problem"' in page.text
    assert page.text.count('class="problem"') == 2  # this, and a word at the top
    assert "Wrap it &#34;well&#34;" in page.text or field == "note"
    assert "1 in the cart" in page.text


def test_nothing_is_ordered_with_an_empty_cart(visitor: Visitor) -> None:
    asked = visitor.get("/order")
    assert [response.status_code for response in asked.history] == [303]
    assert heading(asked) == "The cart is empty."
    assert visitor.post("/order", data=ORDER).headers["location"] == "/cart"


def test_an_order_s_address_cannot_be_guessed(visitor: Visitor) -> None:
    for code in ("1", "0" * 16, "..", "%2e%2e", "a'--"):
        assert visitor.get(f"/order/{code}").status_code == 404


def test_many_orders_at_once_are_all_kept(visitors: Visitors) -> None:
    buyers = [visitors() for _ in range(6)]
    bought: list[str] = []

    def order(buyer: Visitor) -> None:
        for _ in range(3):
            buyer.buy(7)
            bought.append(str(buyer.post("/order", data=ORDER, follow_redirects=True).url))

    threads = [threading.Thread(target=order, args=(buyer,)) for buyer in buyers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(bought)) == 18
    assert all(re.fullmatch(r".*/order/[0-9a-f]{16}", url) for url in bought)


# --- projects ------------------------------------------------------------------------------------


def send_photo(
    visitor: Visitor, content: bytes, filename: str = "clock.png", kind: str = "image/png", **more
) -> Response:
    form = {"caption": "A clock"} | more
    files = {"photo": (filename, content, kind)}
    return visitor.post("/projects", data=form, files=files, follow_redirects=True)


def test_a_photo_comes_back_as_it_was_sent(visitor: Visitor, store: ModuleType) -> None:
    visitor.join()
    page = send_photo(visitor, PNG, "../../ü<b>.png", "text/html")
    assert heading(page) == "A clock"
    name = str(page.url).rpartition("/")[2]
    assert re.fullmatch(r"[0-9a-f]{24}-png", name)
    assert "ü_b_.png" in page.text
    photo = visitor.get(f"/photo/{name}")
    assert photo.content == PNG
    assert photo.headers["content-type"] == "image/png"
    assert photo.headers["x-content-type-options"] == "nosniff"
    assert photo.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in photo.headers["content-security-policy"]
    assert f'src="/photo/{name}"' in visitor.get("/projects").text
    kept = sorted(path.name for path in (store.FOLDER / "photos").iterdir())
    assert name.replace("-", ".") in kept


@pytest.mark.parametrize(
    ("first_bytes", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_photo_is_what_its_bytes_say(visitor: Visitor, first_bytes: bytes, kind: str) -> None:
    visitor.join()
    page = send_photo(visitor, first_bytes + b"\0" * 50, "x.html", "text/html")
    photo = visitor.get("/photo/" + str(page.url).rpartition("/")[2])
    assert photo.headers["content-type"] == kind


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"<script>alert(1)</script>", "photo.png"),
        (b"GIF87", "short.gif"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg"),
        (PNG + bytes(8 * 1024 * 1024), "large.png"),
    ],
)
def test_what_is_no_photo_is_not_kept(
    visitor: Visitor, store: ModuleType, content: bytes, filename: str
) -> None:
    visitor.join()
    before = len(store.projects.newest())
    page = send_photo(visitor, content, filename)
    assert page.status_code == 400
    assert 'id="photo-problem"' in page.text
    assert 'value="A clock"' in page.text
    assert len(store.projects.newest()) == before


def test_a_photo_needs_a_word_and_a_word_needs_a_photo(visitor: Visitor) -> None:
    visitor.join()
    assert 'id="caption-problem"' in send_photo(visitor, PNG, caption=" ").text
    assert 'id="caption-problem"' in send_photo(visitor, PNG, caption="x" * 121).text
    assert 'id="photo-problem"' in visitor.post("/projects", data={"caption": "A clock"}).text


@pytest.mark.parametrize(
    "name", ["..", "..%2fsecret", "secret", "a" * 24 + "-png", "a" * 24 + "-html", "%00", "x" * 300]
)
def test_a_photo_s_name_is_no_path(visitor: Visitor, name: str) -> None:
    assert visitor.get(f"/photo/{name}").status_code in (400, 404)
    assert visitor.get(f"/projects/{name}").status_code in (400, 404)


def test_the_oldest_photos_make_room(
    visitor: Visitor, store: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.join()
    monkeypatch.setattr("examples.store.data.projects.MOST", 2)
    sent = [str(send_photo(visitor, PNG, caption=f"{n}").url) for n in range(3)]
    first, *others = (url.rpartition("/")[2] for url in sent)
    assert visitor.get(f"/photo/{first}").status_code == 404
    assert [project.photo for project in store.projects.newest()] == others[::-1]
    assert all(visitor.get(f"/photo/{name}").status_code == 200 for name in others)


# --- pages ---------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "12.5.1")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{XHTML}, text/html;q=0.9", XHTML),
        (f"{XHTML}", XHTML),
        ("application/*", XHTML),
        ("text/html", "text/html"),
        (f"text/html,{XHTML},application/xml;q=0.9,*/*;q=0.8", "text/html"),  # Chromium
        ("*/*", "text/html"),
        ("image/png", "text/html"),
    ],
)
def test_one_page_is_xhtml_for_who_prefers_that(visitor: Visitor, accept: str, kind: str) -> None:
    page = visitor.get("/about", headers={"accept": accept})
    assert page.headers["content-type"] == f"{kind}; charset=utf-8"
    assert {"Accept", "Cookie"} == set(page.headers["vary"].split(", "))
    assert ElementTree.fromstring(page.text).tag == f"{NAMESPACE}html"
    assert f"<code>{kind}</code>" in page.text


def test_the_course_s_page_is_a_file(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.get("/index.html")
    assert page.save(tmp_path / "index.html").read_bytes() == (STATIC / "index.html").read_bytes()
    again = visitor.get("/index.html", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.needs(*VALIDATOR)
@pytest.mark.timeout(120)
def test_every_page_is_valid_html(store: ModuleType) -> None:
    """By the W3C's checker; in every state that a page can be in."""
    with Client(app=store.app) as client:
        visitor = Visitor("http://localhost", client)
        pages = [visitor.get(path).text for path in PAGES]
        pages += [visitor.post(path, data={}).text for path in ("/signup", "/login", "/cart")]
        visitor.join()
        visitor.buy(9, 3)
        pages += [visitor.post("/projects", data={}).text, visitor.get("/cart").text]
        pages += [visitor.get("/order").text, visitor.post("/order", data={}).text]
        pages.append(visitor.post("/order", data=ORDER, follow_redirects=True).text)
        visitor.buy(9, 4)
        pages.append(visitor.post("/order", data=ORDER).text)
        pages.append(visitor.post("/account/password", data={}).text)
        pages.append(send_photo(visitor, PNG).text)
        pages += [visitor.get(path).text for path in ("/projects", "/account", "/cart")]
        pages.append(visitor.post("/logout", follow_redirects=True).text)
        pages.append((STATIC / "index.html").read_text(encoding="utf-8"))
    store.app.sessions.store.close()
    assert_valid_html(*pages)


def test_what_pages_load_is_there_and_nowhere_else(visitor: Visitor) -> None:
    pages = "".join(visitor.get(f"/?page={number}").text for number in (1, 2, 3))
    loaded = set(re.findall(r'(?:src|<(?:link|use)[^>]* href)="([^"]*)"', pages))
    assert all(path.startswith("/") and not path.startswith("//") for path in loaded)
    assert {visitor.get(path).status_code for path in loaded} == {200}
    drawings = ElementTree.fromstring(visitor.get("/static/drawings.svg").text)
    assert {f"/static/drawings.svg#{symbol.get('id')}" for symbol in drawings} <= loaded
    assert not re.search(r"url\(|@import|https?:", visitor.get("/static/store.css").text)


def test_every_page_says_what_it_may_load(visitor: Visitor) -> None:
    for path in (*PAGES, "/index.html"):
        policy = visitor.get(path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "script-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert "content-security-policy" not in visitor.get("/static/store.css").headers


def test_what_nobody_foresaw_is_a_page_that_tells_nothing(
    visitor: Visitor, store: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(_: object) -> None:
        raise ValueError("secret")

    visitor.buy(7)
    monkeypatch.setattr(store.catalogue, "search", search)
    page = visitor.get("/")
    assert (page.status_code, heading(page)) == (500, "Something broke")
    assert "1 in the cart" in page.text
    assert "secret" not in page.text


@pytest.mark.rfc("9110", "15.5.14")
def test_a_photo_that_is_too_large_is_refused_on_a_page_of_the_store(visitor: Visitor) -> None:
    visitor.join()
    photo = {"photo": ("large.png", PNG + bytes(9 << 20), "image/png")}
    page = visitor.post("/projects", data={"caption": "A clock"}, files=photo)
    assert (page.status_code, heading(page)) == (413, "Too much at once")
    assert "8 MB" in page.text
    assert "script-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("unseen", ["\0", "\x1b", "\x7f", "\x85", "\ufffe"])
def test_what_no_page_can_show_is_left_out(visitor: Visitor, unseen: str) -> None:
    visitor.buy(7)
    visitor.join()
    name = f"Grace{unseen} {unseen}Hopper"
    page = visitor.post("/order", data=ORDER | {"name": name}, follow_redirects=True)
    assert heading(page) == "Thank you, Grace Hopper."
    searched = visitor.get("/", params={"q": f"spring{unseen}"})
    assert heading(searched) == "Parts with “spring”"


def test_who_listens_is_told_of_what_is_sold(
    visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.store.handlers.around.LOOKS_EVERY", 0.02)
    listener, buyer = visitors(), visitors()
    with listener.client.events(f"{listener.url}/stock") as news:
        before = json.loads(next(iter(news)).data)
        assert len(before) == 36
        buyer.buy(16, 5)
        buyer.post("/order", data=ORDER)
        assert json.loads(next(iter(news)).data) == {"16": before["16"] - 5}


@pytest.mark.rfc("9110", "15.5.6")
def test_what_an_address_does_not_do_it_says(visitor: Visitor) -> None:
    wrong = visitor.client.request("DELETE", visitor.url + "/cart")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    head = visitor.client.head(visitor.url + "/part/7")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(visitor.get("/part/7").content)


def test_nothing_but_the_static_folder_is_served(visitor: Visitor) -> None:
    for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/app.py"):
        assert visitor.get(path).status_code in (400, 404)


@pytest.mark.parametrize(
    "path", [*PAGES, "/index.html", "/static/store.css", "/static/drawings.svg"]
)
def test_a_response_is_free_of_lint(store: ModuleType, path: str) -> None:
    from httplint import HttpResponseLinter

    with running(store.app) as server, Client() as client:
        page = client.get(server.url + path[1:], headers={"accept-encoding": "identity"})
    linter = HttpResponseLinter(start_time=time.time())
    linter.process_response_topline(b"1.1", b"%d" % page.status_code, page.reason.encode())
    fields = [(a.encode("latin-1"), b.encode("latin-1")) for a, b in page.headers.fields]
    linter.process_headers(fields)
    linter.feed_content(page.content)
    linter.finish_content(True, [])
    notes = [note for note in linter.notes if note.level.name in ("BAD", "WARN")]
    # That the request was a bad one is not the response's fault.
    assert [note.summary for note in notes if type(note).__name__ != "STATUS_BAD_REQUEST"] == []


# --- starting, and the demo ----------------------------------------------------------------------


def test_two_stores_that_start_at_once_make_one_database(store: ModuleType, tmp_path: Path) -> None:
    kinds, database = type(store.catalogue), type(store.database)
    shelves = [kinds(database(tmp_path / "new" / "shop.sqlite")) for _ in range(6)]
    threads = [threading.Thread(target=shelf.stock) for shelf in shelves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(shelf.stock()) for shelf in shelves] == [36] * 6


def test_carts_outlive_a_restart(tmp_path: Path) -> None:
    cookies = None
    for _ in range(2):
        with opened(tmp_path) as shop, Client(app=shop.app, cookies=cookies) as client:
            page = Visitor("http://localhost", client).buy(7)
            cookies = client.cookies
    assert "2 in the cart" in page.text
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("sessions*"))


def demo(*more: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(ROOT / "examples/store/demo.py"), *more]
    return command, os.environ | {"PYTHONPATH": paths} | environment


def test_the_demo_walks_through_the_course_and_cleans_up(tmp_path: Path) -> None:
    command, environment = demo(TMPDIR=str(tmp_path))
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=25, encoding="utf-8",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        "> GET /index.html HTTP/1.1",
        "> GET /part?number=7 HTTP/1.1",
        "> GET /shipping?zip=67401&number=7 HTTP/1.1",
        "> POST /cart HTTP/1.1",
        "> POST /order HTTP/1.1",
        "> POST /projects HTTP/1.1",
        "< HTTP/1.1 303 See Other",
        "the cart holds 6 now",
        "> POST /signup HTTP/1.1",
        "still one order",
        "3 orders, 9 times",
        "All of it worked.",
    ):
        assert line in done.stdout
    assert "\x1b" not in done.stdout
    assert max(len(line) for line in done.stdout.split("\n")) <= 80
    assert list(tmp_path.iterdir()) == []
    page = ROOT / ".demo" / "index.html"
    assert page.read_bytes() == (STATIC / "index.html").read_bytes()


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal_the_demo_serves_until_ctrl_c(tmp_path: Path, no_color: str) -> None:
    command, environment = demo(TMPDIR=str(tmp_path), NO_COLOR=no_color, TERM="xterm")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    try:
        while b"until Ctrl-C." not in seen:
            assert select.select([ours], [], [], 20)[0], seen
            seen += os.read(ours, 65536)
        url = re.search(rb"stays open at (http://\S+)", seen)
        assert url is not None
        with Client() as client:
            assert client.get(f"{url[1].decode()}part?number=7").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
    assert (b"\x1b[1m" in seen) == (not no_color)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_fails_says_so_in_one_line(tmp_path: Path) -> None:
    program = (
        "import runpy, sys; sys.argv = ['demo.py']\n"
        f"names = runpy.run_path({str(ROOT / 'examples/store/demo.py')!r})\n"
        "names['main'].__globals__['SAVED'] = names['ROOT'] / 'README.md' / 'no' / 'folder'\n"
        "sys.exit(names['main']())"
    )
    command, environment = demo(TMPDIR=str(tmp_path))
    done = subprocess.run(
        [command[0], "-c", program], env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=25, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("The demo failed: step 1 (A page, saved to a file): ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
