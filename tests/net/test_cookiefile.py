"""Cookie files: what a jar knows comes back from disk, and nobody else can read it there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crlf import CookieJar, Malformed, load_cookies, save_cookies
from crlf.message.url import URL
from crlf.net.cookiefile import CookieFormat

FORMATS: list[CookieFormat] = ["json", "netscape"]
NOW = time.time()


def filled() -> CookieJar:
    jar = CookieJar()
    jar.store(
        URL("https://www.example.org/a/b"),
        [
            "own=1; Max-Age=1000",
            "shared=2; Domain=example.org; Max-Age=1000; Secure; HttpOnly",
            "session=3",
            "__Host-safe=4; Secure; Path=/; Max-Age=1000",
        ],
        NOW,
    )
    return jar


def fields(jar: CookieJar, url: str) -> set[str]:
    return set((jar.field_for(URL(url), NOW) or "").split("; "))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.rfc("6265bis", "5.7")
def test_a_cookie_for_one_host_is_for_one_host_after_it_was_saved(
    format: CookieFormat, tmp_path: Path
) -> None:
    path = tmp_path / "cookies"
    save_cookies(filled(), path, format=format)
    jar = load_cookies(path)
    for url in (
        "https://www.example.org/a/b",
        "https://other.example.org/a/b",
        "http://www.example.org/a/",
    ):
        assert fields(jar, url) == fields(filled(), url)
    assert fields(jar, "https://other.example.org/a/b") == {"shared=2"}


@pytest.mark.parametrize("format", FORMATS)
def test_cookies_of_a_session_stay_where_they_are_when_that_is_said(
    format: CookieFormat, tmp_path: Path
) -> None:
    path = tmp_path / "cookies"
    save_cookies(filled(), path, format=format, session=False)
    assert load_cookies(path).get("session") is None
    assert load_cookies(path).get("own") == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such mode there")
def test_nobody_else_can_read_the_file_and_an_old_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "cookies"
    path.write_text("old")
    path.chmod(0o666)
    before = path.stat().st_ino
    save_cookies(filled(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_ino != before
    assert os.listdir(tmp_path) == ["cookies"]


def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cookies"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        save_cookies(filled(), path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["cookies"]


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cookies"
    for text in ("{", "[1]", "a line", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(Malformed):
            load_cookies(path)


def test_a_cookie_for_a_public_suffix_is_not_taken_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cookies"
    path.write_text(f".co.uk\tTRUE\t/\tFALSE\t{NOW + 1000:.0f}\tevil\t1\n")
    assert len(load_cookies(path)) == 0


@pytest.mark.live
@pytest.mark.needs("curl")
def test_curl_reads_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "cookies"
    save_cookies(filled(), path, format="netscape")
    # Without a request curl reads the jar and writes it again, as it understood it.
    done = subprocess.run(
        ["curl", "-s", "-b", path, "-c", "-", "file:///dev/null"],
        check=True, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert "#HttpOnly_.example.org\tTRUE\t/a\tTRUE" in done.stdout
    assert "www.example.org\tFALSE\t/\tTRUE" in done.stdout
