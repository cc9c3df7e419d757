"""A real browser in the store: headless Chromium, driven over WebDriver by crlf's own client.

What a visitor does is done here, on a desk and on a phone: looking a part up, opening an account,
ordering, sending a photo, coming back to what is remembered. WebDriver is JSON over HTTP, so
every step is an exchange of the client, too.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.live.browsing import DESK, PHONE, Browser, ended
from tests.live.pagechecks import AXE, assert_accessible

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
numbers = count(1)
PYTHONPATH = filter(None, [os.environ.get("PYTHONPATH")])

pytestmark = [
    pytest.mark.needs("chromium|chromium-browser|google-chrome", "chromedriver"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The store, served by `crlf serve` in a process of its own; its URL without the last slash."""
    environment = os.environ | {
        "STORE_DATA": str(tmp_path_factory.mktemp("store")),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), *PYTHONPATH]),
        "PYTHONUNBUFFERED": "1",
    }
    program = "import crlf, examples.store.app as store\n"
    program += "crlf.serve(store.app, port=0, started=lambda server: print(server.url))\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )
    with ended(process, signal.SIGINT):
        assert process.stdout is not None
        yield process.stdout.readline().rstrip("/\n")


def small_png(width: int = 480, height: int = 360) -> bytes:
    """Write a picture: rings in the store's colours."""
    rows = []
    for y in range(height):
        row = bytearray(b"\0")
        for x in range(width):
            ring = ((x - width / 2) ** 2 + (y - height / 2) ** 2) ** 0.5 // 24 % 3
            row += bytes(((178, 60, 10), (244, 241, 232), (27, 42, 58))[int(ring)])
        rows.append(bytes(row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


# --- a visit -------------------------------------------------------------------------------------


def test_a_part_is_looked_up_and_its_number_is_in_the_url(browser: Browser, store: str) -> None:
    browser.open(f"{store}/")
    assert "Every part has a number." in browser.text("h1")
    assert browser.count(".card") == 12
    browser.fill("#number", "7")
    browser.click("form[action='/part'] button", to="/part[?]number=7")
    assert browser.text("h1") == "Spur gear, 24 teeth"
    assert browser.text(".block").count("GET /part?number=7") == 1
    browser.fill("#zip", "67401")
    browser.click("form[action='/shipping'] button", to="/shipping[?]zip=67401&number=7")
    assert "$4.35" in browser.text(".answer")


def test_what_was_typed_wrong_is_said_beside_it(browser: Browser, store: str) -> None:
    browser.open(f"{store}/")
    browser.fill("#number", "seven")
    browser.click("form[action='/part'] button", to="/part[?]number=seven")
    assert "should be a whole number" in browser.text("#number-problem")
    assert browser.value("#number", "value") == "seven"


def test_the_cart_survives_between_requests_and_is_ordered(browser: Browser, store: str) -> None:
    for number, quantity in ((7, 1), (15, 4)):
        browser.open(f"{store}/part/{number}")
        browser.fill("#quantity", str(quantity))
        browser.click("form[action='/cart'] button", to="/cart")
        assert f"In your cart: {quantity} ×" in browser.text(".flash")
    browser.open(f"{store}/about")
    assert browser.count(".flash") == 0
    assert browser.text(".count") == "5"
    browser.open(f"{store}/cart")
    assert "$25.30" in browser.text(".total")
    browser.fill("#quantity-15", "2")
    browser.click("form[action='/cart/15'] button", to="/cart")
    assert browser.text(".count") == "3"
    order(browser)
    assert browser.text("h1") == "Thank you, Grace <Hopper>."
    assert "Größer & “better” 🙂" in browser.text()
    assert "$23.25" in browser.text(".pair .total")
    assert browser.text(".count") == "0"


def sign_up(browser: Browser, store: str) -> str:
    """Open an account; returns its e-mail address."""
    email = f"grace{next(numbers)}@example.org"
    browser.open(f"{store}/login")
    browser.click(".lead a", to="/signup[?]next=%2Faccount")
    browser.fill("#name", "Grace <Hopper>")
    browser.fill("#email", email)
    browser.fill("#password", PASSWORD)
    browser.click("main form button", to="/account")
    assert browser.text("h1") == "Grace <Hopper>"
    return email


def order(browser: Browser) -> None:
    browser.open(browser.url)
    browser.click("main .button", to="/order")
    browser.fill("#name", "Grace <Hopper>")
    browser.fill("#address", "1 Compiler Court\nSalina, Kansas")
    browser.fill("#zip", "67401")
    browser.fill("#note", "Größer & “better” 🙂")
    browser.click("main form button", to="/order/[0-9a-f]{16}")


@pytest.mark.parametrize("width", [pytest.param(DESK, marks=pytest.mark.long), PHONE])
def test_a_visit_from_the_first_search_to_signing_out(
    browser: Browser, store: str, tmp_path: Path, width: int
) -> None:
    browser.look(width)
    browser.open(f"{store}/")
    browser.click(".pager [rel=next]", to="/[?]page=2")
    assert browser.text(".pager [aria-current]").endswith("2")
    browser.fill("#q", "spring")
    browser.click("[role=search] button", to="/[?]q=spring&family=&sort=number")
    assert browser.text("h1") == "Parts with “spring”"
    assert browser.count(".card") == 4
    browser.click(".cards li:nth-child(2) a", to="/part/20")
    browser.fill("#quantity", "3")
    browser.click("form[action='/cart'] button", to="/cart")

    email = sign_up(browser, store)
    assert browser.text(".count") == "3"  # what was in the cart before is there still
    assert "Nothing yet." in browser.text()
    browser.open(f"{store}/cart")
    order(browser)
    browser.click(".own .who", to="/account")
    assert "3 × Extension spring" in browser.text(".orders")

    photo = tmp_path / 'größe "1".png'
    photo.write_bytes(small_png())
    browser.click(".places li:nth-child(3) a", to="/projects")
    browser.fill("#photo", str(photo))
    browser.fill("#caption", "Rings")
    browser.click("main form button", to="/projects/[0-9a-f]{24}-png")
    assert browser.text("h1") == "Rings"
    assert "größe _1_.png" in browser.text()
    assert "Grace <Hopper>" in browser.text(".facts")
    assert browser.run("return document.querySelector('.photo img').naturalWidth") == 480

    browser.open(f"{store}/account")
    browser.click("form[action='/logout'] button", to="/")
    assert browser.text(".flash") == "You are signed out."
    browser.open(f"{store}/account")
    assert "/login?next=%2Faccount" in browser.url
    browser.fill("#email", email)
    browser.fill("#password", "wrong password")
    browser.click("main form button", to="/login")
    assert "No account has this" in browser.text("#login-problem")
    browser.fill("#password", PASSWORD)
    browser.click("main form button", to="/account")
    assert browser.text(".orders").count("Extension") == 1


def test_a_photo_that_is_none_is_said_beside_it(
    browser: Browser, store: str, tmp_path: Path
) -> None:
    script = tmp_path / "photo.png"
    script.write_text("<script>alert(1)</script>")
    sign_up(browser, store)
    browser.open(f"{store}/projects")
    browser.fill("#photo", str(script))
    browser.fill("#caption", "Nothing")
    browser.click("main form button", to="/projects")
    assert "no PNG, JPEG, GIF or WebP" in browser.text("#photo-problem")
    assert browser.value("#caption", "value") == "Nothing"


def press(browser: Browser, key: str, code: int) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        browser.tell("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)
    if key == "Enter":
        browser.tell("Input.dispatchKeyEvent", type="char", text="\r")


def test_a_keyboard_reaches_everything_and_sees_where_it_is(browser: Browser, store: str) -> None:
    browser.open(f"{store}/?q=worm")
    script = (
        "const at = document.activeElement, style = getComputedStyle(at);"
        "return [at.className || at.id || at.textContent.trim(), parseInt(style.outlineWidth),"
        " at.getBoundingClientRect().top >= 0];"
    )
    passed = []
    for _ in range(14):
        press(browser, "Tab", 9)
        name, outline, is_seen = browser.run(script)
        assert outline >= 2, name
        assert is_seen, name
        passed.append(name)
    assert passed == [
        "skip", "brand", "Catalogue", "Shipping", "Projects", "About", "Sign in", "Cart 0", "q",
        "family", "sort", "quiet", "card", passed[13],
    ]  # fmt: skip
    browser.open(f"{store}/?q=worm")
    press(browser, "Tab", 9)
    press(browser, "Enter", 13)
    assert browser.url.endswith("#content")


def test_the_browser_takes_the_page_as_xml(browser: Browser, store: str) -> None:
    """The page that is XHTML is well-formed to a parser that forgives nothing."""
    browser.open(f"{store}/about")
    script = (
        "const request = new XMLHttpRequest();"
        "request.open('GET', '/about', false);"
        "request.setRequestHeader('Accept', 'application/xhtml+xml');"
        "request.send();"
        "return [request.getResponseHeader('content-type'),"
        " request.responseXML.querySelector('h1').textContent];"
    )
    kind, heading = browser.run(script)
    assert kind == "application/xhtml+xml; charset=utf-8"
    assert heading == "A store front, a protocol"


@pytest.mark.needs(AXE)
@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(DESK, False, id="day"),
        pytest.param(PHONE, True, id="night", marks=pytest.mark.long),
    ],
)
def test_pages_fit_the_screen_and_can_be_used_by_everybody(
    browser: Browser, store: str, tmp_path: Path, width: int, dark: bool
) -> None:
    browser.look(width, dark=dark)
    for path in ("/login", "/signup", "/nowhere", f"/?q={'long' * 20}"):
        assert_fits(browser, store + path, width)
    for narrow in (360, 740, 768, 900, 1024):
        browser.look(narrow, dark=dark)
        for path in ("/part/7", "/shipping", "/login"):
            browser.open(store + path)
            assert browser.run(CUT_LABELS) == [], (path, narrow)
    browser.look(width, dark=dark)
    sign_up(browser, store)
    browser.open(f"{store}/part/22")
    browser.fill("#quantity", "12")
    browser.click("form[action='/cart'] button", to="/cart")
    for path in (
        "/", "/?q=gear&page=1", "/?q=nothing", "/part?number=9", "/part/23", "/part?number=x",
        "/shipping?zip=67401&number=7", "/shipping?zip=1&number=x", "/cart", "/order", "/projects",
        "/account", "/about", "/index.html",
    ):  # fmt: skip
        assert_fits(browser, store + path, width)
    shot = browser.picture(tmp_path / "page.png")
    assert shot.read_bytes().startswith(b"\x89PNG")
    for narrow in (320, 360, 768):  # with a name and a number at the top
        browser.look(narrow, dark=dark)
        browser.open(f"{store}/cart")
        assert browser.run("return document.documentElement.scrollWidth") <= narrow
        assert browser.run(LINES_AT_THE_TOP) == 1, narrow


LINES_AT_THE_TOP = """
return new Set([...document.querySelectorAll('.own li')].map(
  item => Math.round(item.getBoundingClientRect().top))).size;
"""
# Labels of which a part is under the input that they are for.
CUT_LABELS = """
return [...document.querySelectorAll('main label')]
  .filter(label => label.scrollHeight > label.clientHeight + 2).map(label => label.textContent);
"""


def assert_fits(browser: Browser, url: str, width: int) -> None:
    browser.open(url)
    assert browser.run("return document.documentElement.scrollWidth") <= width, url
    assert browser.run("return [...document.images].every(i => !i.complete || i.naturalWidth)"), url
    assert_accessible(browser)
