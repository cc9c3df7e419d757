"""The debug page in a real browser: on a phone and a desk, light and dark, judged by axe and Nu."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.live.browsing import CONTRAST, DESK, PHONE, Browser
from tests.live.pagechecks import AXE, VALIDATOR, assert_accessible, assert_valid_html

from crlf import App, Client, running
from crlf.message.request import Request

WIDER = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"


def mistaken() -> App:
    app = App(debug=True)

    @app.get("/part/{number:int}")
    def part(request: Request, number: int) -> str:
        name, wide = "bolt <b> & nut", "long " * 100 + "W" * 150
        try:
            return name[number]
        except IndexError as cause:
            raise ExceptionGroup("no part", [ValueError(wide), KeyError(number)]) from cause

    return app


@pytest.mark.needs("chromium|chromium-browser|google-chrome", "chromedriver", AXE)
@pytest.mark.timeout(180)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everybody_can_read_it(browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    with running(mistaken()) as server:
        browser.look(width, dark=dark)
        browser.open(f"{server.url.rstrip('/')}/part/99?token=hidden")
        assert "IndexError" in browser.text("main")
        assert "hidden" not in browser.text(".wire")
        browser.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert browser.run(WIDER) is False
        assert browser.run(CONTRAST) == []
        assert_accessible(browser)
        browser.picture(tmp_path / f"{width}{'-dark' if dark else ''}.png")


@pytest.mark.needs(*VALIDATOR)
@pytest.mark.timeout(120)
def test_it_is_html() -> None:
    with Client(app=mistaken(), base_url="http://localhost") as client:
        assert_valid_html(client.get("/part/99", headers={"accept": "text/html"}).text)
