"""A real browser in the web mail: headless Chromium reads, writes, attaches, downloads, leaves.

Every page is held to the HTML standard and to WCAG, by day and by night, on a desk and on a
phone; and once more with scripts turned off, which must change nothing, as there are none. With
CRLF_PICTURES=docs/apps/img it takes the pictures of the docs as well.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.live.browsing import DESK, PHONE, Browser, ended
from tests.live.pagechecks import AXE, VALIDATOR, assert_accessible, assert_valid_html

from crlf import Client

ROOT = Path(__file__).resolve().parents[2]
PYTHONPATH = filter(None, [os.environ.get("PYTHONPATH")])
PICTURES = os.environ.get("CRLF_PICTURES")

pytestmark = [
    pytest.mark.needs("chromium|chromium-browser|google-chrome", "chromedriver"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def webmail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web mail with its samples, in a process of its own; its URL without the last slash."""
    environment = os.environ | {
        "WEBMAIL_DATA": str(tmp_path_factory.mktemp("webmail")),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), *PYTHONPATH]),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }
    program = "import crlf\nfrom examples.webmail.furnishing import furnish\nfurnish()\n"
    program += "from examples.webmail.app import app\n"
    program += "crlf.serve(app, port=0, started=lambda server: print(server.url))\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )
    with ended(process, signal.SIGINT):
        assert process.stdout is not None
        yield process.stdout.readline().rstrip("/\n")


def sign_in(
    browser: Browser, webmail: str, name: str = "ann", password: str = "prairie-wind"
) -> None:
    browser.open(f"{webmail}/mail/inbox")
    assert browser.url.endswith("/sign-in?next=%2Fmail%2Finbox")
    browser.fill("#name", name)
    browser.fill("#password", password)
    browser.click(".card .first", to="/mail/inbox")


def sign_out(browser: Browser) -> None:
    browser.press(".me summary")
    browser.click(".menu button", to="/sign-in")
    assert browser.text(".flash") == "You are signed out."


def id_of(browser: Browser, subject: str) -> str:
    """The letter of that subject in the list that is shown."""
    rows = browser.run(
        "return [...document.querySelectorAll('.row')].map("
        "row => [row.id.slice(4), row.querySelector('.subject').textContent])"
    )
    return next(id for id, shown in rows if subject in shown)


def wait_for(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 15
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)


# --- a visit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "has_script"),
    [
        pytest.param(DESK, True, id="desk-script"),
        pytest.param(PHONE, False, id="phone-no-script"),
        pytest.param(DESK, False, id="desk-no-script", marks=pytest.mark.long),
        pytest.param(PHONE, True, id="phone-script", marks=pytest.mark.long),
    ],
)
def test_a_letter_is_found_answered_with_a_file_fetched_and_deleted(
    browser: Browser, webmail: str, tmp_path: Path, width: int, has_script: bool
) -> None:
    browser.look(width)
    if not has_script:
        browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    where = f"{width}, {'with' if has_script else 'without'} script"
    sign_in(browser, webmail)
    browser.fill("#q", "ranges plug\ue007")  # Enter (W3C WebDriver 17.4.2)
    wait_for(lambda: browser.url.endswith("/mail/search?q=ranges+plug"))
    assert browser.text(".bar h1") == "Search: ranges plug"
    browser.click(".row:last-child a", to="q=ranges[+]plug#row-[0-9a-f]{16}")  # others answer it
    assert browser.text("#subject") == "Re: Ranges and resumed downloads"
    assert browser.count(".quote.q2") == 1
    browser.click(".answer .first", to="/compose[?]reply=[0-9a-f]{16}")
    assert browser.value("#to", "value") == "Tim Lindqvist <tim@prairie.example>"
    file = tmp_path / "größe.txt"
    file.write_text(where * 1000)
    browser.fill("#subject", f"An answer, {where}")
    browser.fill("#files", str(file))
    browser.click("[value=send]", to="/mail/inbox")
    assert browser.text(".flash") == "Sent."
    sign_out(browser)

    sign_in(browser, webmail, "tim", "prairie-rain")
    assert browser.text(".row.unread .who").endswith("Ann Whitfield")
    browser.click(".row.unread a", to="/mail/inbox/[0-9a-f]{16}#row-[0-9a-f]{16}")
    assert browser.text("#subject") == f"An answer, {where}"
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    browser.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
    browser.press(".files a")
    fetched = downloads / "größe.txt"
    wait_for(lambda: fetched.exists() and fetched.stat().st_size == file.stat().st_size)
    assert fetched.read_bytes() == file.read_bytes()
    browser.click(".reading [value=bin]", to="/mail/inbox")
    assert browser.text(".flash") == "Moved to the bin."
    browser.open(f"{webmail}/mail/bin")
    browser.click(".row a", to="/mail/bin/[0-9a-f]{16}#row-[0-9a-f]{16}")
    browser.click(".reading [value=delete]", to="/mail/bin")
    assert browser.text(".flash") == "Deleted for ever."
    sign_out(browser)
    browser.open(f"{webmail}/mail/bin")
    assert "/sign-in?next=" in browser.url
    browser.tell("Emulation.setScriptExecutionDisabled", value=False)


def test_what_is_wrong_is_said_beside_the_field_and_the_file_is_kept(
    browser: Browser, webmail: str, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    sign_in(browser, webmail)
    browser.click(".write", to="/compose")
    assert browser.run("return document.activeElement.id") == "to"
    browser.fill("#to", "somebody")
    browser.fill("#subject", "Keep me")
    browser.fill("#files", str(tmp_path / "kept.txt"))
    browser.click("[value=send]", to="/compose")
    assert browser.text("#to-problem") == "“somebody” is no address."
    assert browser.value("#to", "value") == "somebody"
    assert "kept.txt" in browser.text("fieldset")
    browser.fill("#to", "rosa@prairie.example")
    browser.click("[value=send]", to="/mail/inbox")
    sign_out(browser)
    sign_in(browser, webmail, "rosa", "prairie-snow")
    browser.click(".row a", to="/mail/inbox/[0-9a-f]{16}#row-.*")
    assert "kept.txt" in browser.text(".files")


def test_everything_can_be_done_by_keyboard(browser: Browser, webmail: str) -> None:
    """Tab goes through the page in its order, and what has the focus can be seen."""
    sign_in(browser, webmail)
    seen = []
    for _ in range(24):
        browser.tell("Input.dispatchKeyEvent", type="keyDown", key="Tab", windowsVirtualKeyCode=9)
        seen.append(
            browser.run(
                "const e = document.activeElement; const s = getComputedStyle(e);"
                "return [e.className || e.name || e.tagName, e.matches(':focus-visible'),"
                " s.outlineStyle !== 'none' || s.opacity === '1']"
            )
        )
    names = [name for name, _, _ in seen]
    assert names[:3] == ["skip", "brand", "q"]
    assert names.index("write") < names.index("do") < names.index("letter")
    assert all(visible and shown for _, visible, shown in seen), seen
    browser.tell("Input.dispatchKeyEvent", type="keyDown", key=" ", text=" ")
    browser.tell("Input.dispatchKeyEvent", type="keyUp", key=" ")
    assert browser.count(".row :checked") <= 1


# --- letters that mean harm ----------------------------------------------------------------------


def test_no_letter_acts_or_tells_that_it_was_read(browser: Browser, webmail: str) -> None:
    sign_in(browser, webmail)
    browser.open(f"{webmail}/mail/inbox?page=2")
    pages = [browser.run(SUBJECTS)]
    browser.open(f"{webmail}/mail/inbox")
    pages.append(browser.run(SUBJECTS))
    odd = ("Important notice", "Your mailbox is full", "You have been chosen", "The club's week")
    chosen = [(subject, url) for page in pages for subject, url in page if subject.startswith(odd)]
    assert len(chosen) >= 4
    for subject, url in chosen:
        browser.open(url)
        title = browser.run("return document.title")
        assert title.startswith(subject)
        inner = browser.run("return document.querySelector('iframe').src")
        time.sleep(0.2)  # for what a frame might do
        browser.open(inner)  # alone, where all of it can be asked
        assert browser.run("return self.origin") == "null"
        assert browser.run("try { return document.cookie } catch (e) { return e.name }") == (
            "SecurityError"
        )
        assert browser.run("return document.title") == "A letter"
        assert browser.run("return document.forms.length + document.scripts.length") == 0
        names = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in names if not name.startswith("data:")] == []
        assert browser.run(
            "return [...document.images].every(i => i.src.startsWith('data:image/') "
            "&& i.naturalWidth > 0)"
        )


SUBJECTS = (
    "return [...document.querySelectorAll('.row a')].map("
    "a => [a.querySelector('.subject').textContent.trim(), a.href])"
)


# --- how it looks --------------------------------------------------------------------------------


def paths_of(browser: Browser, webmail: str) -> dict[str, str]:
    """Every kind of page, by name."""
    browser.open(f"{webmail}/mail/inbox")
    letter, html = (id_of(browser, each) for each in ("The ring gears are", "The club's week"))
    quotes = id_of(browser, "Re: Ranges")
    return {
        "inbox": "/mail/inbox",
        "letter": f"/mail/inbox/{letter}",
        "formatted": f"/mail/inbox/{html}",
        "text": f"/mail/inbox/{html}?show=text",
        "quotes": f"/mail/inbox/{quotes}",
        "everybody": f"/mail/search/{everybody(browser, webmail)}?q=thousand",
        "search": "/mail/search?q=gear",
        "nothing": "/mail/search?q=zzzzzz",
        "bin": "/mail/bin",
        "drafts": "/mail/drafts",
        "compose": f"/compose?reply={quotes}",
        "forward": f"/compose?forward={letter}",
        "head": f"/letter/{letter}/headers",
        "account": "/account",
        "missing": "/mail/nowhere",
        "page-2": "/mail/inbox?page=2",
    }


def everybody(browser: Browser, webmail: str) -> str:
    browser.open(f"{webmail}/mail/search?q=thousand")
    return id_of(browser, "To ten thousand")


@pytest.mark.needs(AXE)
@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(
            width,
            dark,
            id=f"{width}-{'dark' if dark else 'light'}",
            marks=[] if (width, dark) in ((PHONE, False), (DESK, True)) else pytest.mark.long,
        )
        for width in (DESK, 900, PHONE, 320)
        for dark in (False, True)
    ],
)
def test_pages_fit_the_screen_and_are_for_everybody(
    browser: Browser, webmail: str, width: int, dark: bool
) -> None:
    browser.look(width, dark=dark)
    browser.open(f"{webmail}/sign-in")
    assert_accessible(browser)
    take(browser, "sign-in", width, dark)
    sign_in(browser, webmail)
    for name, path in paths_of(browser, webmail).items():
        browser.open(webmail + path)
        assert browser.run("return document.documentElement.scrollWidth") <= width, name
        if width in (DESK, PHONE):
            assert_accessible(browser)
        take(browser, name, width, dark)
    browser.open(f"{webmail}/mail/inbox")
    browser.press(".me summary")
    assert_accessible(browser)


@pytest.mark.needs(*VALIDATOR)
def test_pages_are_valid(browser: Browser, webmail: str) -> None:
    """What the server sends, and not what the browser made of it."""
    sign_in(browser, webmail)
    paths = paths_of(browser, webmail)
    cookies = browser.tell("Network.getCookies", urls=[webmail])["cookies"]
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in cookies)
    pages = []
    with Client(headers={"cookie": cookie}) as client:
        pages += [client.get(webmail + path).text for path in paths.values()]
        token = re.search(r'name="csrf_token" value="([^"]+)"', pages[0])
        assert token is not None
        form = {"csrf_token": token[1], "to": "x", "subject": "a\nb"}
        pages.append(client.post(f"{webmail}/compose", data=form).text)
        pages.append(client.post(f"{webmail}/import", data={"csrf_token": token[1]}).text)
    with Client() as client:
        pages.append(client.get(f"{webmail}/sign-in").text)
    assert sum("<h1" in page for page in pages) == len(pages)
    assert_valid_html(*pages)


SHOWN = ("letter", "letter-dark", "formatted", "compose", "inbox-phone", "letter-phone-dark")


def take(browser: Browser, name: str, width: int, dark: bool) -> None:
    """Take a picture for the docs, of what is on the screen."""
    called = name + ("-phone" if width == PHONE else "") + ("-dark" if dark else "")
    if PICTURES is None or width not in (DESK, PHONE) or called not in SHOWN:
        return
    shot = browser.tell("Page.captureScreenshot", format="png")
    path = Path(PICTURES, f"webmail-{called}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(shot["data"]))
