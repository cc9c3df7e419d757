"""A folder's contents as a page and as JSON: sorted, bounded, and nothing in them can act."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.flow.run import run_sync
from crlf.message.headers import Headers
from crlf.message.percent import path_segments
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.pages import source_of
from crlf.server.files import folder as folders
from crlf.server.files import listing, opening
from crlf.server.files.listing import Entry, Listed, View, in_order, listing_json
from crlf.server.files.listingpage import listing_page
from crlf.server.files.single import Folder

OLD = 1_700_000_000
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Page(HTMLParser):
    """Reads a page, and fails where an element is not closed as it was opened."""

    EMPTY = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []  # in the table's body
        self.others: list[str] = []
        self.shown: list[str] = []
        self.texts: dict[str, str] = {}
        self.sorted: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link", "iframe")
        names = [name for name, _ in attrs]
        assert not any(name.startswith("on") or name in ("src", "style") for name in names)
        found = self.links if "tbody" in self.open else self.others
        found += [value or "" for name, value in attrs if name == "href"]
        self.sorted += [value or "" for name, value in attrs if name == "aria-sort"]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data
        if self.open[-1:] == ["bdi"] and "tbody" in self.open:
            self.shown.append(data)


@pytest.fixture(params=["walking", "by whole path"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Path:
    if request.param == "by whole path":
        monkeypatch.setattr(opening, "_WALKS", False)
    root = tmp_path / "site"
    (root / "docs").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / ".git").mkdir()
    (root / "index.html").write_text("<p>home")
    (root / "a b.txt").write_text("blank")
    put(root, "ä.txt", "umlaut")
    (root / "nothing").write_bytes(b"")
    (root / ".env").write_text("secret")
    return root


def put(folder: Path, name: str, content: str) -> None:
    """Write a file whose name is UTF-8 in any locale."""
    with open(os.fsencode(folder) + b"/" + name.encode(), "wb") as file:
        file.write(content.encode())


def ask(folder: Folder, target: str, method: str = "GET", **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    request = Request.received((method, target, headers, "1.1"), b"", Received())
    return run_sync(folder.answer(request))


# --- what is in it -------------------------------------------------------------------------------


def test_a_listing_shows_what_would_be_served(site: Path) -> None:
    (site / "link").symlink_to(site / "index.html")
    os.mkfifo(site / "fifo")
    (site / "CON").write_text("x")
    os.close(os.open(os.fsencode(site) + b"/\xff.txt", os.O_CREAT))
    response = ask(Folder(site, listing=True, index=None), "/")
    page = Page(response.text)
    assert page.shown == ["docs/", "empty/", "a b.txt", "index.html", "nothing", "ä.txt"]
    assert page.links == ["docs/", "empty/", "a%20b.txt", "index.html", "nothing", "%C3%A4.txt"]
    assert page.texts["caption"] == "2 folders, 4 files, 18 B"
    assert "http" not in response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    for link in page.links:
        assert ask(Folder(site, listing=True, index=None), "/" + link).status_code == 200


def test_names_can_do_nothing_in_a_listing(site: Path) -> None:
    names = [
        "<script>alert(1)<", '"onclick=x', "javascript:alert(1)", "&lt;", "'", "a?b", "a#b", "%41",
        "-", "evil.example", "{x}", "\u202egpj.exe", "<!--", "\x7f\x1b[31m", "a\nb",
    ]  # fmt: skip
    for name in names:
        put(site / "empty", name, name)
    served = sorted(set(names) - {"\x7f\x1b[31m", "a\nb"})
    folder = Folder(site, listing=True)
    for query in ("", "?sort=size&order=desc&new=%3Cscript%3E"):
        response = ask(folder, f"/empty/{query}")
        page = Page(response.text)
        assert page.links[0] == "../"
        assert len(page.links) == len(served) + 1
        assert "\u202e" not in response.text
        for link in page.links[1:]:
            assert not set(link) & set(":?#<>\"'/&")
        assert sorted(ask(folder, f"/empty/{one}").text for one in page.links[1:]) == served
    given = json.loads(ask(folder, "/empty/?format=json").content)
    assert sorted(entry["name"] for entry in given["entries"]) == served


def test_a_folder_whose_own_name_is_nasty(site: Path) -> None:
    put_in = "<b>&\"'"
    (site / put_in / "x&y").mkdir(parents=True)
    page = Page(ask(Folder(site, listing=True), "/%3Cb%3E%26%22%27/x%26y/").text)
    assert page.others[:2] == ["../../", "../"]
    assert page.texts["title"] == "x&y/"
    assert put_in in page.texts["bdi"]


@pytest.mark.parametrize("target", ["/", "/a/", "/a/b%20c/", "/a/b%20c/d/"])
def test_the_way_back_is_relative(tmp_path: Path, target: str) -> None:
    (tmp_path / "a" / "b c" / "d").mkdir(parents=True)
    folder = Folder(tmp_path, listing=True)
    page = Page(ask(folder, target).text)
    depth = target.count("/") - 1
    back = [link for link in page.others if link.startswith(".")]
    assert back == ["../" * up for up in range(depth, 0, -1)]
    assert ("../" in page.links) == (depth > 0)
    assert page.texts["title"] == ("Files" if not depth else path_segments(target)[-2] + "/")


def test_an_index_goes_before_a_listing(site: Path) -> None:
    folder = Folder(site, listing=True)
    assert ask(folder, "/").content == b"<p>home"
    assert Page(ask(folder, "/empty/").text).links == ["../"]
    assert "This folder is empty" in ask(folder, "/empty/").text
    assert ask(folder, "/empty").headers["location"] == "empty/"
    assert ask(folder, "/none/").status_code == 404
    assert ask(folder, "/.git/").status_code == 404


def test_an_index_that_cannot_be_served_leaves_the_listing(site: Path) -> None:
    os.mkfifo(site / "empty" / "index.html")
    assert ask(Folder(site, listing=True), "/empty/").status_code == 200
    assert ask(Folder(site), "/empty/").status_code == 404
    (site / "empty" / "index.html").unlink()
    (site / "empty" / "index.html").mkdir()
    assert ask(Folder(site), "/empty/").status_code == 404


def test_a_listing_has_an_end(site: Path, monkeypatch) -> None:
    monkeypatch.setattr(folders, "MAX_LISTED", 3)
    for number in range(3):
        (site / "empty" / str(number)).write_text("x")
    folder = Folder(site, listing=True)
    assert "more here" not in ask(folder, "/empty/").text
    assert json.loads(ask(folder, "/empty/?format=json").content)["complete"] is True
    (site / "empty" / "more").write_text("x")
    response = ask(folder, "/empty/")
    assert "more here" in response.text
    assert len(Page(response.text).shown) == 3
    assert json.loads(ask(folder, "/empty/?format=json").content)["complete"] is False


def test_a_long_listing_has_pages(site: Path, monkeypatch) -> None:
    monkeypatch.setattr(listing, "PER_PAGE", 4)
    for number in range(10):
        (site / "empty" / f"{number}").write_text("x")
    folder = Folder(site, listing=True)

    def names(query: str) -> str:
        return "".join(Page(ask(folder, f"/empty/{query}").text).shown)

    assert [names(f"?page={number}") for number in (1, 2, 3)] == ["0123", "4567", "89"]
    assert names("?page=2&sort=name&order=desc") == "5432"
    assert names("?page=999999") == "89"  # the last is the nearest
    for nonsense in ("0", "-1", "x", "", "1e3", "%D9%A3", "9" * 99):
        assert names(f"?page={nonsense}") == "0123"
    page = Page(ask(folder, "/empty/?page=2&sort=size").text)
    assert page.others[-2:] == ["?sort=size&order=asc&page=1", "?sort=size&order=asc&page=3"]
    assert page.texts["caption"].startswith("10 files")


def test_a_listing_says_how_large_and_how_old(site: Path) -> None:
    for size in (999, 1000, 1_234_567):
        (site / "empty" / str(size)).write_bytes(b"x" * size)
    os.utime(site / "empty" / "999", (OLD, OLD))
    text = ask(Folder(site, listing=True), "/empty/").text
    for shown in ("999 B", "1 kB", "1.23 MB"):
        assert f">{shown}<" in text
    assert '<time datetime="2023-11-14T22:13:20Z">2023-11-14<span> 22:13</span></time>' in text


def test_a_time_that_is_none_is_left_out() -> None:
    listed = Listed((), (Entry("x", False, 0, -(2**40)), Entry("y", False, 0, 2**50)))
    assert "<td></td></tr>" in listing_page(listed, listed.entries or (), View(), 10)
    told = json.loads(listing_json(listed, listed.entries or ()))
    assert [entry["modified"] for entry in told["entries"]] == [None, None]


# --- in which order ------------------------------------------------------------------------------


def test_columns_are_links_that_sort(site: Path) -> None:
    for name, size, age in (("b", 1, 30), ("A", 30, 10), ("c", 2, 20)):
        (site / "empty" / name).write_bytes(b"x" * size)
        os.utime(site / "empty" / name, (OLD + age, OLD + age))
    (site / "empty" / "z").mkdir()
    folder = Folder(site, listing=True)
    for query, shown, said in (
        ("", "z/ A b c", "ascending"),
        ("?sort=name&order=desc", "z/ c b A", "descending"),
        ("?sort=size&order=asc", "z/ b c A", "ascending"),
        ("?sort=size&order=desc", "z/ A c b", "descending"),
        ("?sort=date&order=asc", "z/ A c b", "ascending"),
        ("?sort=date&order=desc", "z/ b c A", "descending"),
        ("?sort=nonsense&order=x&page=x&format=x", "z/ A b c", "ascending"),
    ):
        page = Page(ask(folder, f"/empty/{query}").text)
        assert (" ".join(page.shown), page.sorted) == (shown, [said])
    links = Page(ask(folder, "/empty/?sort=size&order=asc").text).others[-3:]
    assert links == ["?sort=name&order=asc", "?sort=size&order=desc", "?sort=date&order=asc"]


def test_numbers_in_names_are_numbers() -> None:
    names = ["1", "2", "10", "a1b2", "a1b10", "a01b11", "a2", "a10", "A10", "b"]
    entries = [Entry(name, False, 0, 0) for name in names]
    Random(5).shuffle(entries)
    found = [entry.name for entry in in_order(entries, "name")]
    assert found == ["1", "2", "10", "a1b2", "a1b10", "a01b11", "a2", "A10", "a10", "b"]


@given(
    st.lists(
        st.builds(Entry, st.text(max_size=6), st.booleans(), st.integers(0, 3), st.integers(0, 3)),
        max_size=8,
    ),
    st.sampled_from(["name", "size", "date"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_the_same_folder_is_always_in_the_same_order(entries, key, descending, random) -> None:
    entries = list({entry.name: entry for entry in entries}.values())
    ordered = in_order(entries, key, descending=descending)
    random.shuffle(entries)
    assert in_order(entries, key, descending=descending) == ordered
    assert sorted(ordered) == sorted(entries)
    kinds = [entry.is_folder for entry in ordered]
    assert kinds == sorted(kinds, reverse=True)


def test_a_long_number_costs_nothing() -> None:
    entries = [Entry("9" * 5000 + str(number), False, 0, 0) for number in range(3)]
    assert in_order(entries[::-1], "name") == entries


# --- for programs --------------------------------------------------------------------------------


def test_a_listing_as_json(site: Path) -> None:
    put(site / "docs", "größe 1.txt", "12345")
    (site / "docs" / "in").mkdir()
    os.utime(site / "docs" / "größe 1.txt", (OLD, OLD))
    os.utime(site / "docs" / "in", (OLD, OLD))
    folder = Folder(site, listing=True)
    response = ask(folder, "/docs/", accept="application/json")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Accept"
    assert response.json() == {
        "path": "/docs/",
        "entries": [
            {
                "name": "in",
                "type": "folder",
                "size": None,
                "modified": "2023-11-14T22:13:20Z",
                "link": "in/",
            },
            {
                "name": "größe 1.txt",
                "type": "file",
                "size": 5,
                "modified": "2023-11-14T22:13:20Z",
                "link": "gr%C3%B6%C3%9Fe%201.txt",
            },
        ],
        "complete": True,
    }
    assert ask(folder, "/docs/?format=json", accept=BROWSER).content == response.content


@pytest.mark.rfc("9110", "12.5.1")
@pytest.mark.parametrize(
    ("accept", "query", "is_json"),
    [
        ("application/json", "", True), ("application/json, text/html;q=0.5", "", True),
        ("text/html;q=0.5, application/json", "", True), (BROWSER, "", False), ("*/*", "", False),
        ("", "", False), ("text/plain", "", False), ("application/json;q=0, */*", "", False),
        ("application/json", "?format=html", False), (BROWSER, "?format=json", True),
    ],
)  # fmt: skip
def test_json_is_for_who_prefers_it(site: Path, accept: str, query: str, is_json: bool) -> None:
    response = ask(Folder(site, listing=True), f"/empty/{query}", accept=accept)
    assert (response.headers["content-type"] == "application/json") == is_json


# --- its fields ----------------------------------------------------------------------------------


def test_head_of_a_listing_is_its_head(site: Path) -> None:
    folder = Folder(site, listing=True)
    for accept in (BROWSER, "application/json"):
        whole = ask(folder, "/empty/", accept=accept)
        head = ask(folder, "/empty/", "HEAD", accept=accept)
        assert head.headers.without("content-length") == whole.headers


@pytest.mark.rfc("9110", "13.1.2")
def test_a_listing_that_is_the_same_is_not_sent_again(site: Path) -> None:
    folder = Folder(site, listing=True)
    tags = {
        ask(folder, target, accept=accept).headers["etag"]
        for target in ("/empty/", "/empty/?sort=name&order=desc", "/docs/")
        for accept in (BROWSER, "application/json")
    }
    assert len(tags) == 5  # an empty folder is the same JSON in each order
    tag = ask(folder, "/empty/").headers["etag"]
    again = ask(folder, "/empty/", if_none_match=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert {"etag", "vary", "cache-control"} <= again.headers.keys()
    (site / "empty" / "x").write_text("x")
    assert ask(folder, "/empty/", if_none_match=tag).status_code == 200
    assert ask(folder, "/empty/", range="bytes=0-1").status_code == 200


def test_the_policy_allows_the_page_and_nothing_else(site: Path) -> None:
    response = ask(Folder(site, listing=True), "/empty/")
    policy = response.headers["content-security-policy"]
    style = response.text.split("<style>")[1].split("</style>")[0]
    assert f"style-src {source_of(style)};" in policy
    assert policy.startswith("default-src 'none'; ")
    for word in ("base-uri 'none'", "form-action 'none'"):
        assert word in policy
    for word in ("unsafe", "script-src", "*"):
        assert word not in policy


def test_a_query_of_too_many_fields_is_refused(site: Path) -> None:
    with pytest.raises(Exception, match="query fields"):
        ask(Folder(site, listing=True), "/empty/?" + "&".join(["sort=name"] * 1001))
