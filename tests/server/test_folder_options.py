"""What a folder is told: pages for paths that are none, clean URLs, error pages, caching."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from crlf.flow.run import run_sync
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.server.files.foldersite import FolderSite
from crlf.server.files.single import Folder
from crlf.server.settings import FolderSettings

T = TypeVar("T")
OLD = 1_700_000_000
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


async def inline(work: Callable[[], T], /) -> T:
    return work()


def ask(folder: Folder, target: str, method: str = "GET", **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    request = Request.received((method, target, headers, "1.1"), b"", Received())
    return run_sync(folder.answer(request, in_thread=inline))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "docs").mkdir(parents=True)
    (root / "both").mkdir()
    (root / "bare").mkdir()
    (root / "index.html").write_text("<p>home")
    (root / "about.html").write_text("<p>about")
    (root / "both.html").write_text("<p>both, the page")
    (root / "bare.html").write_text("<p>bare, the page")
    (root / "both" / "index.html").write_text("<p>both, the folder")
    (root / "docs" / "index.html").write_text("<p>docs")
    (root / "docs" / "page.html").write_text("<p>page")
    (root / "404.html").write_text("<p>not here")
    (root / "app.3f2a9b1c.js").write_text("let a")
    for path in [*root.rglob("*"), root]:
        os.utime(path, (OLD, OLD))
    return root


# --- pages for paths that are none ---------------------------------------------------------------


def test_an_application_of_one_page(site: Path) -> None:
    folder = Folder(site, fallback="index.html")
    for target in ("/settings", "/settings/profile/7", "/docs/x", "/bare/", "/settings?x=1.2"):
        for method in ("GET", "HEAD"):
            response = ask(folder, target, method, accept=BROWSER)
            assert response.status_code == 200, target
            assert response.headers["content-type"] == "text/html; charset=utf-8"
            assert response.headers["vary"] == "Accept"
        assert ask(folder, target, accept=BROWSER).content == b"<p>home"
    tag = ask(folder, "/settings", accept=BROWSER).headers["etag"]
    assert ask(folder, "/settings", accept=BROWSER, if_none_match=tag).status_code == 304
    assert ask(folder, "/docs/", accept=BROWSER).content == b"<p>docs"


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("/app.js", BROWSER), ("/settings/logo.svg", BROWSER), ("/api/things", "application/json"),
        ("/settings", "*/*"), ("/settings", ""), ("/.env", BROWSER), ("/.git/config", BROWSER),
        ("/a/../b", BROWSER), ("/settings", "text/html;q=0"),
        ("/settings", "text/plain, text/html"),
    ],
)  # fmt: skip
def test_a_file_that_is_missing_is_no_page(site: Path, target: str, accept: str) -> None:
    folder = Folder(site, fallback="index.html")
    assert ask(folder, target, accept=accept).status_code == 404
    assert ask(folder, "/settings", "POST", accept=accept).status_code == 405


def test_a_fallback_that_is_not_there_is_404(site: Path) -> None:
    assert ask(Folder(site, fallback="none.html"), "/x", accept=BROWSER).status_code == 404


@pytest.mark.parametrize(
    "name", ["../x", "/", "", "a//b", "a/../b", "a\\b", "..", "a\0"], ids=ascii
)
def test_a_name_that_is_none_is_refused_at_once(site: Path, name: str) -> None:
    with pytest.raises(ValueError, match="names no file"):
        Folder(site, fallback=name)
    with pytest.raises(ValueError, match="names no file"):
        Folder(site, errors={404: name})


# --- clean URLs ----------------------------------------------------------------------------------


def test_pages_without_their_suffix(site: Path) -> None:
    folder = Folder(site, clean_urls=True)
    assert ask(folder, "/about").content == ask(folder, "/about.html").content == b"<p>about"
    assert ask(folder, "/about").headers["content-type"] == "text/html; charset=utf-8"
    assert ask(folder, "/docs/page?x").content == b"<p>page"
    assert ask(folder, "/bare").content == b"<p>bare, the page"
    assert ask(folder, "/docs").headers["location"] == "docs/"
    assert ask(folder, "/both/").content == b"<p>both, the folder"
    for target in ("/none", "/about/", "/about.htm", "/.html"):
        assert ask(folder, target).status_code == 404
    assert ask(Folder(site), "/about").status_code == 404


@pytest.mark.rfc("9110", "15.4.2")
def test_pages_with_their_suffix_lead_to_those_without(site: Path) -> None:
    folder = Folder(site, clean_urls="redirect")
    for target, location in (
        ("/about.html", "about"), ("/about.html?x=1", "about?x=1"), ("/docs/page.html", "page"),
        ("/index.html", "./"), ("/docs/index.html?a", "./?a"),
    ):  # fmt: skip
        response = ask(folder, target)
        assert (response.status_code, response.headers["location"]) == (301, location)
    assert ask(folder, "/about").content == b"<p>about"
    assert ask(folder, "/").content == b"<p>home"
    assert ask(folder, "/none.html").status_code == 404


# --- error pages ---------------------------------------------------------------------------------


def test_pages_for_errors(site: Path) -> None:
    folder = Folder(site, errors={404: "404.html", 416: "about.html"})
    for target in ("/none", "/none/", "/.env", "/docs/none"):
        response = ask(folder, target)
        assert (response.status_code, response.content) == (404, b"<p>not here")
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers.keys().isdisjoint({"etag", "last-modified"})
    response = ask(folder, "/about.html", range="bytes=99-")
    assert (response.status_code, response.content) == (416, b"<p>about")
    assert response.headers["content-range"] == "bytes */8"
    assert ask(folder, "/", "POST").headers["content-type"] == "text/plain; charset=utf-8"


def test_a_page_for_errors_that_is_not_there(site: Path) -> None:
    (site / "404.html").unlink()
    response = ask(Folder(site, errors={404: "404.html"}), "/none")
    assert (response.status_code, b"404" in response.content) == (404, True)
    with pytest.raises(ValueError, match="400 to 599"):
        Folder(site, errors={200: "404.html"})


# --- how long ------------------------------------------------------------------------------------


@pytest.mark.rfc("9111", "5.2.2")
def test_cache_control_by_path(site: Path) -> None:
    folder = Folder(site, cache={"/docs/*": "max-age=60", "/about*": ""}, hashed=True)

    def said(target: str) -> str | None:
        return ask(folder, target).headers.get("cache-control")

    assert said("/docs/") == said("/docs/page.html") == "max-age=60"
    assert said("/") == "no-cache"
    assert said("/about.html") is None
    assert said("/app.3f2a9b1c.js") == "max-age=31536000, immutable"
    tag = ask(folder, "/docs/").headers["etag"]
    assert ask(folder, "/docs/", if_none_match=tag).headers["cache-control"] == "max-age=60"


# --- as the whole of a server --------------------------------------------------------------------


def send(site: FolderSite, target: str, method: str = "GET", **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    request = Request.received((method, target, headers, "1.1"), b"", Received())
    return run_sync(site.sender(inline, lambda: 0.0)(request))


def test_a_folder_is_a_site(site: Path) -> None:
    served = FolderSite(site)
    for _ in "12":
        assert send(served, "/").content == b"<p>home"
        assert send(served, "/about.html", "HEAD").headers["content-length"] == "8"
    assert send(served, "/bare/").status_code == 200  # a listing
    assert send(served, "/none").status_code == 404


@pytest.mark.rfc("9110", "9.1")
@pytest.mark.parametrize(
    ("method", "status_code"), [("POST", 405), ("DELETE", 405), ("TRACE", 405), ("BREW", 501)]
)
def test_a_site_only_reads(site: Path, method: str, status_code: int) -> None:
    response = send(FolderSite(site), "/", method)
    assert response.status_code == status_code
    assert ("allow" in response.headers) == (status_code == 405)


@pytest.mark.rfc("9110", "9.3.7")
def test_a_site_has_options(site: Path) -> None:
    for target in ("*", "/"):
        response = send(FolderSite(site), target, "OPTIONS")
        assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_a_site_is_as_its_settings_say(site: Path) -> None:
    settings = FolderSettings(
        listing=False, spa="index.html", clean_urls=True, cache=("*.html=max-age=5",),
        compress=False,
    )  # fmt: skip
    served = FolderSite(site, settings)
    assert send(served, "/bare/").status_code == 404
    assert send(served, "/about").headers["cache-control"] == "max-age=5"
    assert send(served, "/x", accept=BROWSER).content == b"<p>home"
    with pytest.raises(ValueError, match="PATTERN=VALUE"):
        FolderSite(site, FolderSettings(cache=("nonsense",)))
    folder = Folder(site, index=None)
    assert FolderSite(folder).folder is folder


def test_a_file_is_a_site(site: Path) -> None:
    (site / ".hidden").symlink_to(site / "about.html")
    for name in ("about.html", ".hidden"):
        served = FolderSite(site / name)
        for target in ("/", f"/{name}", f"/{name}?x"):
            for _ in "12":
                assert send(served, target).content == b"<p>about", target
        for target in ("/index.html", "/docs/", "/site/about.html", f"/{name}/", "/..", "//"):
            assert send(served, target).status_code == 404, target
    assert send(FolderSite(site / "about.html"), "/").headers["content-type"] == (
        "text/html; charset=utf-8"
    )
    with pytest.raises(FileNotFoundError):
        FolderSite(site / "none")
