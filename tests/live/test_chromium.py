"""A real browser in the store: headless Chromium, driven over WebDriver by crlf's own client.

What a visitor does is done here: looking a part up, ordering, sending a photo, coming back to
a full cart. WebDriver is JSON over HTTP, so every step is an exchange of the client, too.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crlf import Client

ROOT = Path(__file__).resolve().parents[2]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver 11.1: the key of a reference
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --disable-dev-shm-usage "
    "--force-color-profile=srgb --hide-scrollbars"
).split(" ")
STARTED = re.compile(r"started successfully on port ([0-9]+)")
PYTHONPATH = filter(None, [os.environ.get("PYTHONPATH")])
PHONE, DESK = 400, 1200  # pixels wide

pytestmark = [
    pytest.mark.needs("chromium|chromium-browser|google-chrome", "chromedriver"),
    pytest.mark.timeout(180),
]


class Browser:
    """One window of Chromium."""

    def __init__(self, client: Client, driver: str, program: str, profile: Path) -> None:
        self._client = client
        self._session = driver
        options = {"binary": program, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        started = self._ask("POST", "/session", {"capabilities": capabilities})
        self._session = f"{driver}/session/{started['sessionId']}"

    def close(self) -> None:
        self._ask("DELETE", "")

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return self._ask("GET", "/url")

    def text(self, css: str = "main") -> str:
        return self._ask("GET", f"{self._element(css)}/text")

    def count(self, css: str) -> int:
        return len(self._ask("POST", "/elements", {"using": "css selector", "value": css}))

    def value(self, css: str, name: str) -> str:
        return self._ask("GET", f"{self._element(css)}/property/{name}")

    def fill(self, css: str, text: str) -> None:
        """Type into an input, or choose a file for it, after what was there is gone."""
        if self.value(css, "type") != "file":
            self._ask("POST", f"{self._element(css)}/clear", {})
        self._ask("POST", f"{self._element(css)}/value", {"text": text})

    def click(self, css: str, to: str) -> None:
        """Click what leads to another page, and wait until one whose URL ends so is there.

        to: a regular expression for the end of the URL, query included.
        """
        old = self._element("html")
        self._ask("POST", f"{self._element(css)}/click", {})
        give_up = time.monotonic() + 15
        while time.monotonic() < give_up:
            with suppress(AssertionError):  # between two pages there is no element at all
                if self._element("html") != old and self.run("return document.readyState") == (
                    "complete"
                ):
                    break
            time.sleep(0.02)
        assert re.search(f"{to}$", self.url), f"{self.url} does not end in {to}"

    def run(self, script: str) -> object:
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def look(self, width: int = DESK, *, dark: bool = False) -> None:
        """Be a screen of some width whose owner likes it light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", features=[scheme])
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def picture(self, path: Path) -> Path:
        """Take a picture of the whole page."""
        shot = self._tell("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _tell(self, command: str, **params: object) -> dict:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def _element(self, css: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": css})
        return f"/element/{found[ELEMENT]}"

    def _ask(self, method: str, path: str, body: object = None):
        options = {} if body is None else {"json": body}
        response = self._client.request(method, self._session + path, timeout=60, **options)
        value = response.json()["value"]
        assert response.status_code == 200, f"{method} {path}: {value}"
        return value


@contextmanager
def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> Iterator[None]:
    """End a process of ours at the end, kindly first."""
    try:
        with process:
            try:
                yield
            finally:
                process.send_signal(number)
                process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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


@pytest.fixture(scope="module")
def driver(program: Callable[[str], str]) -> Iterator[str]:
    """A running chromedriver's URL."""
    command = [program("chromedriver"), "--port=0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    with ended(process):
        assert process.stdout is not None
        port = next(found[1] for line in process.stdout if (found := STARTED.search(line)))
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def browser(driver: str, program: Callable[[str], str], tmp_path: Path) -> Iterator[Browser]:
    chromium = program("chromium|chromium-browser|google-chrome")
    with Client() as client:
        browser = Browser(client, driver, chromium, tmp_path / "profile")
        try:
            browser.look()
            yield browser
        finally:
            browser.close()


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
    assert browser.count(".card") == 24
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
    browser.open(f"{store}/about")
    assert browser.text(".count") == "5"
    browser.open(f"{store}/cart")
    assert "$25.30" in browser.text(".total")
    browser.fill("#quantity-15", "2")
    browser.click("form[action='/cart/15'] button", to="/cart")
    assert browser.text(".count") == "3"
    browser.click("main .button", to="/order")
    browser.fill("#name", "Grace <Hopper>")
    browser.fill("#address", "1 Compiler Court\nSalina, Kansas")
    browser.fill("#zip", "67401")
    browser.fill("#note", "Größer & “better” 🙂")
    browser.click("main form button", to="/order/[0-9a-f]{16}")
    assert browser.text("h1") == "Thank you, Grace <Hopper>."
    assert "Größer & “better” 🙂" in browser.text()
    assert "$23.25" in browser.text(".total")
    assert browser.text(".count") == "0"


def test_a_photo_is_sent_and_shown(browser: Browser, store: str, tmp_path: Path) -> None:
    photo = tmp_path / 'größe "1".png'
    photo.write_bytes(small_png())
    browser.open(f"{store}/projects")
    browser.fill("#photo", str(photo))
    browser.fill("#caption", "Rings")
    browser.click("main form button", to="/projects/[0-9a-f]{24}-png")
    assert browser.text("h1") == "Rings"
    assert "größe _1_.png" in browser.text()
    assert browser.run("return document.querySelector('.photo img').naturalWidth") == 480


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


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_pages_fit_the_screen_and_can_be_read(
    browser: Browser, store: str, tmp_path: Path, width: int, dark: bool
) -> None:
    browser.look(width, dark=dark)
    browser.open(f"{store}/part/22")
    browser.fill("#quantity", "12")
    browser.click("form[action='/cart'] button", to="/cart")
    paths = ("/", "/part?number=9", "/part?number=x", "/shipping?zip=67401&number=7", "/cart",
             "/order", "/projects", "/about", "/index.html", "/nowhere")  # fmt: skip
    for number, path in enumerate(paths):
        browser.open(store + path)
        assert browser.run("return document.documentElement.scrollWidth") <= width, path
        assert browser.run(CONTRAST) == [], path
        assert browser.run("return [...document.images].every(i => i.naturalWidth)"), path
        shot = browser.picture(tmp_path / f"{number}.png")
        assert shot.read_bytes().startswith(b"\x89PNG")


# Lists text whose colour is closer to its background than WCAG 2.2 AA allows (1.4.3: 4.5 to 1).
CONTRAST = """
const light = text => {
  const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!/^rgba[(].*, 0[)]$|transparent/.test(colour)) return colour;
  }
  return 'rgb(255, 255, 255)';
};
return [...document.body.querySelectorAll('*')]
  .filter(element => element.checkVisibility() && [...element.childNodes].some(
    node => node.nodeType === 3 && node.data.trim()))
  .map(element => {
    const pair = [getComputedStyle(element).color, behind(element)];
    const [a, b] = pair.map(light).sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), element.tagName, element.textContent.slice(0, 30), ...pair];
  })
  .filter(found => found[0] < 4.5);
"""
