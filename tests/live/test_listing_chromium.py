"""A real browser in a folder: sorting by hand and by key, sending files with and without script."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.live.browsing import CONTRAST, DESK, PHONE, Browser

from crlf.server.files.foldersite import FolderSite
from crlf.server.settings import FolderSettings
from crlf.server.starting import running

pytestmark = [
    pytest.mark.needs("chromium|chromium-browser|google-chrome", "chromedriver"),
    pytest.mark.timeout(180),
]

SHOWN = "return [...document.querySelectorAll('tbody bdi')].map(e => e.textContent).join(' ')"
# Dropping is what a person does with a mouse; a script makes the same events.
DROP = """
const dropped = new DataTransfer();
for (const [name, size] of %s) dropped.items.add(new File([new Uint8Array(size)], name));
for (const kind of ["dragover", "drop"]) {
  const event = new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true });
  document.querySelector("h1").dispatchEvent(event);
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "Grüße & <b>" / "deep").mkdir(parents=True)
    for name, size in (("b10.txt", 1), ("b9.txt", 3000), ("A.txt", 20)):
        (root / name).write_bytes(b"x" * size)
    (root / ("long name " * 12 + ".txt")).write_text("x")
    (root / ("l" * 200)).write_text("x")
    return root


@contextmanager
def served(root: Path, **options: object) -> Iterator[str]:
    settings = FolderSettings(**options)  # type: ignore[arg-type]
    with running(FolderSite(root, settings)) as server:
        yield server.url.rstrip("/")


def wait_for(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 15
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        (DESK, False),
        (PHONE, True),
        *(
            pytest.param(width, dark, marks=pytest.mark.long)
            for width, dark in ((DESK, True), (PHONE, False), (320, False), (320, True))
        ),
    ],
)
def test_a_listing_fits_the_screen_and_can_be_read(
    browser: Browser, root: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    browser.look(width, dark=dark)
    paths = ["/", "/?sort=size&order=desc&new=A.txt", "/Gr%C3%BC%C3%9Fe%20%26%20%3Cb%3E/deep/"]
    for options in ({}, {"upload": True}, {"upload": True, "upload_token": "t" * 20}):
        with served(root, **options) as url:
            for path in [*paths, "/none"]:
                browser.open(url + path)
                assert browser.run("return document.documentElement.scrollWidth") <= width, path
                assert browser.run(CONTRAST) == [], path
                tall = "return [...document.querySelectorAll('td a, th a, nav a, button')].filter("
                tall += "e => e.getBoundingClientRect().height < 24).length"
                assert browser.run(tall) == 0, path  # WCAG 2.2, 2.5.8
    assert browser.picture(tmp_path / "listing.png").stat().st_size > 1000


def test_columns_sort_by_hand_and_by_key(browser: Browser, root: Path) -> None:
    with served(root) as url:
        browser.open(f"{url}/")
        assert browser.run(SHOWN).startswith("Grüße & <b>/ A.txt b9.txt b10.txt ")
        browser.click("th:nth-child(2) a", to="sort=size&order=asc")
        browser.click("th:nth-child(2) a", to="sort=size&order=desc")
        assert browser.run(SHOWN).startswith("Grüße & <b>/ b9.txt A.txt ")
        assert browser.count("th[aria-sort=descending]") == 1
        browser.click("tbody a", to="/Gr%C3%BC%C3%9Fe%20%26%20%3Cb%3E/")
        assert browser.text("h1") == "Grüße & <b>/"
        browser.click("nav a", to="/")
        browser.run("document.querySelector('th a').focus()")
        assert browser.run("return document.activeElement.matches(':focus-visible')") is True


def test_files_are_chosen_and_sent(browser: Browser, root: Path, tmp_path: Path) -> None:
    for name, size in (("photo 1.jpg", 3_000_000), ("A.txt", 5)):
        (tmp_path / name).write_bytes(b"y" * size)
    with served(root, upload=True) as url:
        browser.open(f"{url}/")
        browser.fill("input", f"{tmp_path / 'photo 1.jpg'}\n{tmp_path / 'A.txt'}")
        browser.click(".upload button", to=re.escape("/?new=photo+1.jpg&new=A+%281%29.txt"))
        assert browser.count("tr.new") == 2
    assert (root / "photo 1.jpg").read_bytes() == b"y" * 3_000_000
    assert (root / "A (1).txt").read_bytes() == b"y" * 5
    assert (root / "A.txt").read_bytes() == b"x" * 20


def test_files_are_dropped_and_one_is_refused(browser: Browser, root: Path) -> None:
    files = [["one.bin", 200_000], ["much.bin", 2_000_000], ["two.bin", 10]]
    with served(root, upload=True, upload_limit=1_000_000) as url:
        browser.open(f"{url}/")
        browser.run(DROP % files)
        wait_for(lambda: browser.count(".upload .done") == 2)
        assert "Larger than may be sent." in browser.text(".upload .failed")
        assert browser.count(".upload progress") == 2
        assert browser.url == f"{url}/"  # so that what went wrong can be read
    assert {path.name for path in root.glob("*.bin")} == {"one.bin", "two.bin"}


def test_what_the_server_says_is_shown(browser: Browser, root: Path) -> None:
    with served(root, upload=True, upload_quota=1000) as url:
        browser.open(f"{url}/")
        browser.run(DROP % [["much.bin", 5000]])
        wait_for(lambda: browser.count(".upload .failed") == 1)
        assert (
            browser.text(".upload .failed") == "More than the 1,000 bytes that the folder may have."
        )


def test_without_a_script_a_form_sends_files(browser: Browser, root: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("plain")
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    with served(root, upload=True) as url:
        browser.open(f"{url}/")
        browser.fill("input", str(tmp_path / "plain.txt"))
        browser.press(".upload button")
        wait_for(lambda: browser.url.endswith("/?new=plain.txt"))
        assert browser.count("tr.new") == 1
    browser.tell("Emulation.setScriptExecutionDisabled", value=False)
    assert (root / "plain.txt").read_text() == "plain"


def test_a_visitor_signs_in_and_sends(browser: Browser, root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with served(root, upload=True, upload_user="ann:secret") as url:
        browser.open(f"{url}/")
        assert browser.count("form") == 0
        browser.open(f"{url.replace('//', '//ann:secret@')}/?sign-in")
        browser.open(f"{url}/")  # the name and password of a URL are for that URL alone
        assert browser.count("form") == 1
        browser.fill("input", str(tmp_path / "mine.txt"))
        browser.click(".upload button", to=re.escape("/?new=mine.txt"))
    assert (root / "mine.txt").read_text() == "mine"


def test_a_page_that_was_sent_has_no_power(browser: Browser, root: Path) -> None:
    (root / "page.html").write_text(
        "<!DOCTYPE html><title>quiet</title><p>theirs<script>document.title = 'loud'</script>"
        "<form action='/' method=post enctype=multipart/form-data><button>x</button></form>"
    )
    with served(root, upload=True) as url:
        browser.open(f"{url}/page.html")
        assert browser.text("p") == "theirs"
        assert browser.run("return document.title") == "quiet"
        assert browser.run("return self.origin") == "null"


def test_a_page_of_another_site_sends_nothing(browser: Browser, root: Path, tmp_path: Path) -> None:
    """A page elsewhere has a form that leads here, and sends itself; and asks by fetch, too."""
    other = tmp_path / "other"
    other.mkdir()
    before = sorted(path.name for path in root.iterdir())
    with served(root, upload=True) as url, served(other) as elsewhere:
        page = (
            f"<!DOCTYPE html><form action='{url}/' method=post enctype=multipart/form-data>"
            "<input type=file name=file></form><script>const files = new DataTransfer();"
            "files.items.add(new File(['x'], 'evil.txt'));"
            "document.querySelector('input').files = files.files;"
            f"fetch('{url}/put.txt', {{method: 'PUT', body: 'x'}}).catch(() => 0).finally("
            "() => document.forms[0].submit())</script>"
        )
        (other / "evil.html").write_text(page)
        for host in ("127.0.0.1", "localhost"):
            browser.open(f"{elsewhere.replace('127.0.0.1', host)}/evil.html")
            wait_for(lambda: browser.url == f"{url}/" and "403" in browser.text("h1"))
    assert sorted(path.name for path in root.iterdir()) == before
