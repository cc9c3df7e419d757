"""A real browser: headless Chromium, driven over WebDriver by crlf's own client.

WebDriver is JSON over HTTP, so every step is an exchange of the client, too.
"""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crlf import Client

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver 11.1: the key of a reference
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --disable-dev-shm-usage "
    "--force-color-profile=srgb --hide-scrollbars"
).split(" ")
STARTED = re.compile(r"started successfully on port ([0-9]+)")
PHONE, DESK = 400, 1200  # pixels wide


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
        self.press(css)
        give_up = time.monotonic() + 15
        while time.monotonic() < give_up:
            with suppress(AssertionError):  # between two pages there is no element at all
                if self._element("html") != old and self.run("return document.readyState") == (
                    "complete"
                ):
                    break
            time.sleep(0.02)
        assert re.search(f"{to}$", self.url), f"{self.url} does not end in {to}"

    def press(self, css: str) -> None:
        """Click, whatever comes of it."""
        self._ask("POST", f"{self._element(css)}/click", {})

    def run(self, script: str) -> object:
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def look(self, width: int = DESK, *, dark: bool = False) -> None:
        """Be a screen of some width whose owner likes it light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def picture(self, path: Path) -> Path:
        """Take a picture of the whole page."""
        shot = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def tell(self, command: str, **params: object) -> dict:
        """Say something that WebDriver has no word for (Chrome DevTools Protocol)."""
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
