"""Small files in memory: nothing is touched within the second, every change is seen after it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from crlf.flow.run import run_sync
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.server.files import filecache
from crlf.server.files.filecache import LATE, SMALL, SOON
from crlf.server.files.single import Folder

T = TypeVar("T")
OLD = 1_700_000_000


class Visitor:
    """Asks a folder whose seconds pass when it says so, and counts what is done in threads."""

    def __init__(self, path: Path, **options: object) -> None:
        self.seconds = 100.0
        self.hops = 0
        self.folder = Folder(path, monotonic=lambda: self.seconds, **options)  # type: ignore[arg-type]

    async def in_thread(self, work: Callable[[], T], /) -> T:
        self.hops += 1
        return work()

    def ask(
        self, target: str = "/a.txt", method: str = "GET", subpath: str | None = None, **more: str
    ) -> Response:
        headers = Headers({name.replace("_", "-"): value for name, value in more.items()})
        request = Request.received((method, target, headers, "1.1"), b"", Received())
        return run_sync(self.folder.answer(request, subpath, self.in_thread))


def put(path: Path, content: bytes, modified: int = OLD) -> None:
    path.write_bytes(content)
    os.utime(path, (modified, modified))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    root.mkdir()
    put(root / "a.txt", b"first")
    put(root / "index.html", b"<p>home")
    put(root / "text.txt", b"again and " * 500)
    return root


def test_within_the_second_nothing_is_touched(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(site)
    first = visitor.ask()
    assert visitor.hops == 1
    monkeypatch.setattr(os, "open", None)
    visitor.seconds += SOON - 0.01
    assert visitor.ask() is visitor.ask()
    assert visitor.ask().content == first.content == b"first"
    assert visitor.hops == 1


@pytest.mark.rfc("9110", "13.2.2")
def test_conditions_parts_and_head_are_answered_from_memory_too(site: Path) -> None:
    visitor = Visitor(site)
    tag = visitor.ask().headers["etag"]
    assert visitor.ask(if_none_match=tag).status_code == 304
    assert visitor.ask(if_none_match=tag) is visitor.ask(if_none_match=f'"x", {tag}')
    assert visitor.ask(if_match='"other"').status_code == 412
    assert visitor.ask(range="bytes=1-2").content == b"ir"
    assert visitor.ask(range="bytes=9-").status_code == 416
    head = visitor.ask(method="HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "5")
    assert visitor.hops == 1
    assert visitor.ask(method="POST").status_code == 405


def test_only_one_checks_while_the_others_go_on(site: Path) -> None:
    visitor = Visitor(site)
    visitor.ask()
    visitor.seconds += SOON
    request = Request.received(("GET", "/a.txt", Headers(), "1.1"), b"", Received())
    assert visitor.folder.ready(request) is None  # this one checks
    assert visitor.folder.ready(request) is not None
    visitor.seconds += LATE - SOON
    assert visitor.folder.ready(request) is None  # its check did not come back in time
    assert visitor.ask().content == b"first"
    assert visitor.folder.ready(request) is not None


def test_a_check_that_finds_nothing_new_reads_nothing(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(site)
    first = visitor.ask()
    monkeypatch.setattr(os, "read", None)
    visitor.seconds += LATE
    assert visitor.ask() is first
    assert visitor.hops == 2


def change_content(site: Path) -> None:
    put(site / "a.txt", b"other", OLD + 5)


def change_content_and_keep_the_time(site: Path) -> None:
    put(site / "a.txt", b"other")


def replace_it(site: Path) -> None:
    put(site / "new", b"other")
    (site / "new").replace(site / "a.txt")


@pytest.mark.parametrize("change", [change_content, change_content_and_keep_the_time, replace_it])
def test_a_change_is_seen_after_a_second(site: Path, change: Callable[[Path], None]) -> None:
    visitor = Visitor(site)
    for target in ("/a.txt", "/a.txt?query"):
        visitor.ask(target)
    change(site)
    visitor.seconds += LATE
    for target in ("/a.txt", "/a.txt?query"):
        assert visitor.ask(target).content == b"other"


def remove(site: Path) -> None:
    (site / "a.txt").unlink()


def make_a_link(site: Path) -> None:
    (site / "a.txt").rename(site / "b.txt")
    (site / "a.txt").symlink_to(site / "b.txt")


def make_a_pipe(site: Path) -> None:
    (site / "a.txt").unlink()
    os.mkfifo(site / "a.txt")


def link_the_folder(site: Path) -> None:
    (site / "sub").rename(site / "other")
    (site / "sub").symlink_to("other")


@pytest.mark.parametrize("change", [remove, make_a_link, make_a_pipe, link_the_folder])
def test_what_may_be_had_no_more_is_nothing(site: Path, change: Callable[[Path], None]) -> None:
    (site / "sub").mkdir()
    put(site / "sub" / "a.txt", b"first")
    target = "/sub/a.txt" if change is link_the_folder else "/a.txt"
    visitor = Visitor(site)
    assert visitor.ask(target).content == b"first"
    change(site)
    visitor.seconds += LATE
    assert visitor.ask(target).status_code == 404
    assert visitor.ask(target).status_code == 404


def test_what_we_may_read_no_more_is_nothing(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(site)
    visitor.ask()
    open_as_root = os.open

    def refused(path: str | bytes, flags: int, **named: int) -> int:
        if path == b"a.txt":
            raise PermissionError(errno.EACCES, "not for us")
        return open_as_root(path, flags, **named)

    monkeypatch.setattr(os, "open", refused)
    visitor.seconds += LATE
    assert visitor.ask().status_code == 404


def test_each_name_of_a_file_is_checked_for_itself(site: Path) -> None:
    """What leads to a file may change while the file does not."""
    put(site / "about.html", b"by suffix")
    visitor = Visitor(site, clean_urls=True)
    assert visitor.ask("/about").content == b"by suffix"
    put(site / "about", b"by name")
    for _ in range(5):
        visitor.seconds += LATE / 2
        visitor.ask("/about.html")
    assert visitor.ask("/about").content == b"by name"


def test_a_coding_that_comes_to_lie_beside_is_seen(site: Path) -> None:
    visitor = Visitor(site)
    assert visitor.ask("/text.txt", accept_encoding="br").headers["etag"].startswith("W/")
    put(site / "text.txt.br", b"coded")
    visitor.seconds += LATE
    assert visitor.ask("/text.txt", accept_encoding="br").content == b"coded"


@pytest.mark.rfc("9110", "12.5.3")
def test_two_fields_are_not_taken_for_the_first_of_them(site: Path) -> None:
    visitor = Visitor(site)

    def ask(*codings: str) -> str | None:
        headers = Headers([("accept-encoding", coding) for coding in codings])
        request = Request.received(("GET", "/text.txt", headers, "1.1"), b"", Received())
        response = run_sync(visitor.folder.answer(request, None, visitor.in_thread))
        return response.headers.get("content-encoding")

    for _ in "12":
        assert ask("gzip", "zstd") == "zstd"
        assert ask("gzip") == "gzip"
        assert ask("identity", "gzip;q=0") is None


def test_a_part_does_not_decide_for_the_whole(site: Path) -> None:
    visitor = Visitor(site)
    part = visitor.ask("/text.txt", accept_encoding="gzip", range="bytes=0-4")
    assert (part.status_code, part.content) == (206, b"again")
    whole = visitor.ask("/text.txt", accept_encoding="gzip")
    assert whole.headers["content-encoding"] == "gzip"
    part = visitor.ask("/text.txt", accept_encoding="gzip", range="bytes=0-4")
    assert (part.status_code, part.content) == (206, b"again")


def test_the_same_target_below_another_prefix_is_another_file(site: Path) -> None:
    (site / "x").mkdir()
    put(site / "x" / "a.txt", b"deeper")
    visitor = Visitor(site)
    for _ in "12":
        assert visitor.ask("/x/a.txt").content == b"deeper"
        assert visitor.ask("/x/a.txt", subpath="a.txt").content == b"first"


def test_a_new_file_is_read_each_time(site: Path) -> None:
    """Another change within this tick of the clock would have the same time."""
    (site / "new.txt").write_bytes(b"one")
    visitor = Visitor(site)
    assert visitor.ask("/new.txt").content == b"one"
    (site / "new.txt").write_bytes(b"two")
    assert visitor.ask("/new.txt").content == b"two"


def test_large_files_are_not_kept(site: Path) -> None:
    visitor = Visitor(site)
    for size, hops in ((SMALL, 1), (SMALL + 1, 2)):
        put(site / "file", b"x" * size)
        before = visitor.hops
        visitor.ask("/file", "HEAD")
        visitor.ask("/file", "HEAD")
        assert visitor.hops - before == hops
        visitor.seconds += LATE


def test_memory_is_bounded(site: Path) -> None:
    for number in range(20):
        put(site / f"{number}.bin", b"x" * 10_000)
    visitor = Visitor(site, memory=40_000)
    cache = visitor.folder._cache
    for number in range(20):
        visitor.ask(f"/{number}.bin")
        assert cache.size <= 40_000
    assert cache.size == sum(known.kept.cost for known in cache.known.values())
    assert len(cache.known) == len(cache._kept) == 3
    hops = visitor.hops
    visitor.ask("/19.bin")
    assert visitor.hops == hops
    visitor.ask("/0.bin")
    assert visitor.hops == hops + 1


def test_what_is_asked_for_stays(site: Path) -> None:
    for number in range(20):
        put(site / f"{number}.bin", b"x" * 10_000)
    visitor = Visitor(site, memory=40_000)
    for number in range(20):
        visitor.ask(f"/{number}.bin")
        visitor.ask("/a.txt")
        visitor.seconds += SOON
    assert any(key.names == ("a.txt",) for key in visitor.folder._cache._kept)


def test_a_flood_of_queries_is_bounded(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filecache, "_ALIASES", 10)
    visitor = Visitor(site)
    for number in range(100):
        assert visitor.ask(f"/a.txt?{number}").content == b"first"
        assert len(visitor.folder._known) <= 10
    kept = next(iter(visitor.folder._known.values())).kept
    assert kept.aliases == set(visitor.folder._known)
    assert visitor.ask("/a.txt?" + "x" * 600).content == b"first"
    assert not any(len(alias[0]) > 512 for alias in visitor.folder._known)


def test_a_folder_without_memory_keeps_nothing(site: Path) -> None:
    visitor = Visitor(site, memory=0)
    visitor.ask()
    visitor.ask()
    assert (visitor.hops, visitor.folder._cache.size) == (2, 0)
