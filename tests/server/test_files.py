"""Folders over HTTP: what is found, what names nothing, and what is said about a file."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from crlf.flow.bodies import let_go, send_body
from crlf.flow.run import run_sync
from crlf.message.body import PIECE, Body, FileBody
from crlf.message.dates import build_date, parse_date
from crlf.message.errors import LocalError
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.server.files import opening, representation
from crlf.server.files.single import Folder, file_response
from crlf.wire.parts import Data, Part

T = TypeVar("T")
OLD = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT


async def inline(work: Callable[[], T], /) -> T:
    return work()


@pytest.fixture(params=["walking", "by whole path"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Path:
    """A folder to serve beside one that is not served, in both ways of reaching a file."""
    if request.param == "by whole path":
        if sys.getfilesystemencoding() != "utf-8":
            pytest.skip("no system that cannot walk has another encoding")
        monkeypatch.setattr(opening, "_WALKS", False)
    outside = tmp_path / "site-secrets"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    root = tmp_path / "site"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "index.html").write_text("<p>home")
    (root / "docs" / "index.html").write_text("<p>docs")
    (root / "docs" / "deep" / "page.txt").write_text("deep")
    (root / "a b.txt").write_text("blank")
    put(root, "ä.txt", "umlaut")
    (root / "nothing").write_bytes(b"")
    (root / ".env").write_text("secret")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_text("call us")
    for path in [*root.rglob("*"), root]:
        os.utime(path, (OLD, OLD))
    return root


def put(folder: Path, name: str, content: str) -> None:
    """Write a file whose name is UTF-8 in any locale."""
    with open(os.fsencode(folder) + b"/" + name.encode(), "wb") as file:
        file.write(content.encode())


def ask(folder: Folder, target: str, method: str = "GET", **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    request = Request.received((method, target, headers, "1.1"), b"", Received())
    return run_sync(folder.answer(request, in_thread=inline))


def content_of(response: Response) -> bytes:
    """Read a response's content as it is sent, which closes its file."""
    if isinstance(response.body, bytes):
        return response.body
    sink = Sink()
    run_sync(send_body(sink, response.body, lambda: None, inline))
    return sink.content


class Sink:
    sends_files = False

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def send(self, part: Part) -> None:
        self.parts.append(part)

    async def flush(self, deadline: float | None) -> None:
        return None

    @property
    def content(self) -> bytes:
        return b"".join(part.data for part in self.parts if isinstance(part, Data))


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "content", "kind"),
    [
        ("/", b"<p>home", "text/html; charset=utf-8"),
        ("/index.html", b"<p>home", "text/html; charset=utf-8"),
        ("/?x=1", b"<p>home", "text/html; charset=utf-8"),
        ("/docs/", b"<p>docs", "text/html; charset=utf-8"),
        ("/docs/deep/page.txt", b"deep", "text/plain; charset=utf-8"),
        ("/d%6Fcs/deep/p%61ge.txt?download", b"deep", "text/plain; charset=utf-8"),
        ("/a%20b.txt", b"blank", "text/plain; charset=utf-8"),
        ("/%C3%A4.txt", b"umlaut", "text/plain; charset=utf-8"),
        ("/nothing", b"", "application/octet-stream"),
        ("/.well-known/security.txt", b"call us", "text/plain; charset=utf-8"),
        ("http://localhost/index.html", b"<p>home", "text/html; charset=utf-8"),
    ],
)
def test_a_file_is_found(site: Path, target: str, content: bytes, kind: str) -> None:
    response = ask(Folder(site), target)
    assert (response.status_code, content_of(response)) == (200, content)
    assert response.headers["content-type"] == kind
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_rest_of_a_path_is_enough(site: Path) -> None:
    request = Request.received(("GET", "/static/docs/", Headers(), "1.1"), b"", Received())
    for subpath in ("docs/", "/docs/"):
        assert run_sync(Folder(site).answer(request, subpath)).content == b"<p>docs"


def test_what_is_no_folder_is_not_served(site: Path) -> None:
    for path in (site / "index.html", site / "none", ""):
        with pytest.raises(NotADirectoryError):
            Folder(path or site / "index.html")


def test_a_folder_that_is_moved_away_is_nothing(site: Path) -> None:
    folder = Folder(site)
    site.rename(site.with_name("gone"))
    assert ask(folder, "/").status_code == 404


# --- what names nothing --------------------------------------------------------------------------

NOTHING = [
    "/none",
    "/docs/none/x",
    "/index.html/",
    "/index.html/x",
    "/docs/../index.html",
    "/..",
    "/../site-secrets/secret.txt",
    "/docs/../../site-secrets/secret.txt",
    "/%2e%2e/site-secrets/secret.txt",
    "/%2E%2e/%2E./site-secrets/secret.txt",
    "/docs/%2e%2e%2f%2e%2e%2fsite-secrets%2fsecret.txt",
    "/..%2fsite-secrets%2fsecret.txt",
    "/..%5csite-secrets%5csecret.txt",
    "/docs%2findex.html",
    "/docs%5cindex.html",
    "/docs%5Cindex.html",
    "/%252e%252e/site-secrets/secret.txt",
    "/.",
    "/./index.html",
    "/docs/./index.html",
    "//index.html",
    "/docs//index.html",
    "//site-secrets/secret.txt",
    "/C:/windows/win.ini",
    "/c:index.html",
    "/C%3a/x",
    "/CON",
    "/nul.txt",
    "/docs/aux.html",
    "/.env",
    "/%2eenv",
    "/.git/config",
    "/docs/.well-known",
    "/a%0d%0ab",
    "/a%1b[31m",
    "/a%7f",
    "/" + "x" * 256,
    "/" + "x" * 5000,
    "/" + "d/" * 3000,
    "/index.html%20",
    "/index.html.",
    "/index.html::$DATA",
    "/INDEX~1.HTM",
    "/empty/",
    "/empty",
]


@pytest.mark.parametrize("target", NOTHING, ids=lambda target: target[:40])
def test_what_names_nothing_is_404(site: Path, target: str) -> None:
    response = ask(Folder(site), target)
    assert response.status_code == 404
    assert b"secret" not in response.content
    assert str(site).encode() not in response.content


@pytest.mark.parametrize("target", NOTHING, ids=lambda target: target[:40])
def test_the_same_below_a_prefix(site: Path, target: str) -> None:
    """A router hands over what follows its prefix, raw; the prefix must not make a difference."""
    request = Request.received(("GET", "/static" + target, Headers(), "1.1"), b"", Received())
    assert run_sync(Folder(site).answer(request, target)).status_code == 404


@pytest.mark.parametrize("target", ["/a%00b", "/%00", "/index.html%00.txt", "/%ff", "/%c0%af"])
def test_what_is_no_text_is_400(site: Path, target: str) -> None:
    assert ask(Folder(site), target).status_code == 400


@pytest.mark.parametrize("subpath", ["a%zz", "%", "a%2", "a\0b"])
def test_a_broken_escape_is_400(site: Path, subpath: str) -> None:
    request = Request.received(("GET", "/x", Headers(), "1.1"), b"", Received())
    assert run_sync(Folder(site).answer(request, subpath)).status_code == 400


def test_hidden_files_are_served_when_they_are_wanted(site: Path) -> None:
    assert ask(Folder(site, hidden=True), "/.env").content == b"secret"
    assert ask(Folder(site, hidden=True), "/..").status_code == 404


def test_links_are_not_followed(site: Path) -> None:
    secrets = site.parent / "site-secrets"
    (site / "file").symlink_to(secrets / "secret.txt")
    (site / "folder").symlink_to(secrets)
    (site / "inside.html").symlink_to(site / "index.html")
    (site / "circle").symlink_to(site / "circle")
    (site / "docs" / "up").symlink_to("..")
    targets = ("/file", "/folder/secret.txt", "/folder/", "/folder", "/inside.html", "/circle")
    for target in (*targets, "/docs/up/index.html"):
        assert ask(Folder(site), target).status_code == 404, target
    free = Folder(site, follow_symlinks=True)
    assert ask(free, "/file").content == b"secret"
    assert ask(free, "/folder/secret.txt").content == b"secret"
    assert ask(free, "/circle").status_code == 404


def test_an_index_that_is_a_link_is_not_followed(site: Path) -> None:
    (site / "empty" / "index.html").symlink_to(site.parent / "site-secrets" / "secret.txt")
    assert ask(Folder(site), "/empty/").status_code == 404
    assert ask(Folder(site), "/empty").status_code == 404


def test_the_folder_itself_may_be_a_link(site: Path) -> None:
    """Deployments switch a link from one release to the next; the program has chosen it."""
    link = site.with_name("current")
    link.symlink_to(site)
    clock = iter(range(100))
    folder = Folder(link, monotonic=lambda: next(clock))
    assert ask(folder, "/").content == b"<p>home"
    link.unlink()
    link.symlink_to(site / "docs")
    assert ask(folder, "/").content == b"<p>docs"


def test_only_regular_files_are_served(site: Path) -> None:
    os.mkfifo(site / "fifo")  # a plain open would wait here for ever
    (site / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(site)  # the whole path may be too long for a socket
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        for target in ("/fifo", "/socket", "/null", "/fifo/", "/fifo/x"):
            assert ask(Folder(site, follow_symlinks=True), target).status_code == 404, target


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_we_may_not_read_names_nothing(site: Path) -> None:
    (site / "index.html").chmod(0)
    assert ask(Folder(site), "/").status_code == 404


@pytest.mark.parametrize(
    ("code", "status_code"),
    [
        (errno.EACCES, 404), (errno.ENAMETOOLONG, 404), (errno.ELOOP, 404), (errno.ENXIO, 404),
        (errno.EMFILE, 503), (errno.ENFILE, 503),
    ],
)  # fmt: skip
def test_what_the_system_says(site: Path, monkeypatch, code: int, status_code: int) -> None:
    folder = Folder(site)
    monkeypatch.setattr(os, "open", failing(OSError(code, os.strerror(code))))
    response = ask(folder, "/index.html")
    assert response.status_code == status_code
    assert ("retry-after" in response.headers) == (status_code == 503)


def test_a_broken_disk_is_no_404(site: Path, monkeypatch) -> None:
    folder = Folder(site)
    monkeypatch.setattr(os, "open", failing(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        ask(folder, "/index.html")


def failing(fault: OSError) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise fault

    return fail


@pytest.mark.rfc("9110", "15.5.6")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"])
def test_only_get_and_head(site: Path, method: str) -> None:
    for target in ("/index.html", "/none"):
        response = ask(Folder(site), target, method)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


# --- folders and slashes -------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.4.2")
def test_a_folder_without_its_slash_is_redirected(site: Path) -> None:
    folder = Folder(site)
    assert ask(folder, "/docs").status_code == 301
    assert ask(folder, "/docs").headers["location"] == "docs/"
    assert ask(folder, "/docs?a=b&c").headers["location"] == "docs/?a=b&c"
    assert ask(folder, "http://localhost/docs?x").headers["location"] == "docs/?x"
    assert ask(folder, "/docs", "HEAD").headers["location"] == "docs/"


def test_a_redirect_never_names_a_host(site: Path) -> None:
    (site / "evil.example").mkdir()
    (site / "evil.example" / "index.html").write_text("x")
    (site / "http:").mkdir()
    (site / "http:" / "index.html").write_text("x")
    folder = Folder(site)
    assert ask(folder, "//evil.example").status_code == 404
    assert ask(folder, "/http:").headers["location"] == "http%3A/"
    for target in ("//evil.example", "//evil.example/x/evil.example"):
        request = Request.received(("GET", target, Headers(), "1.1"), b"", Received())
        location = run_sync(folder.answer(request, "evil.example")).headers["location"]
        assert location == "evil.example/"


def test_the_folder_itself_below_a_prefix_without_slash(site: Path) -> None:
    request = Request.received(("GET", "/static", Headers(), "1.1"), b"", Received())
    assert run_sync(Folder(site).answer(request, "")).headers["location"] == "static/"
    request = Request.received(("GET", "/static/", Headers(), "1.1"), b"", Received())
    assert run_sync(Folder(site).answer(request, "")).content == b"<p>home"


def test_another_index_or_none(site: Path) -> None:
    assert ask(Folder(site, index="a b.txt"), "/").content == b"blank"
    assert ask(Folder(site, index=None), "/").status_code == 404
    assert ask(Folder(site, index=None), "/docs").status_code == 404


# --- validators and conditions -------------------------------------------------------------------


@pytest.mark.rfc("9110", "8.8")
def test_a_file_says_when_and_what_it_is(site: Path) -> None:
    headers = ask(Folder(site), "/index.html").headers
    assert headers["last-modified"] == build_date(OLD)
    assert headers["etag"].startswith('"')  # strong
    os.utime(site / "index.html", ns=(OLD * 10**9, OLD * 10**9 + 1))
    assert ask(Folder(site), "/index.html").headers["etag"] != headers["etag"]


@pytest.mark.rfc("9110", "8.8.1")
def test_another_length_is_another_tag(site: Path) -> None:
    before = ask(Folder(site), "/index.html").headers["etag"]
    (site / "index.html").write_text("<p>home!")
    os.utime(site / "index.html", (OLD, OLD))
    assert ask(Folder(site), "/index.html").headers["etag"] != before


@pytest.mark.rfc("9110", "15.4.5")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_cache_has_is_not_sent_again(site: Path, method: str) -> None:
    folder = Folder(site)
    whole = ask(folder, "/index.html")
    for fields in (
        {"if_none_match": whole.headers["etag"]},
        {"if_none_match": "W/" + whole.headers["etag"]},
        {"if_none_match": '"other", ' + whole.headers["etag"]},
        {"if_none_match": "*"},
        {"if_modified_since": whole.headers["last-modified"]},
        {"if_none_match": whole.headers["etag"], "if_modified_since": build_date(OLD - 1)},
    ):
        response = ask(folder, "/index.html", method, **fields)
        assert (response.status_code, response.content) == (304, b""), fields
        for name in ("etag", "cache-control"):
            assert response.headers[name] == whole.headers[name]
        assert "content-type" not in response.headers
        assert "content-length" not in response.headers


@pytest.mark.rfc("9110", "13.2.2")
def test_what_the_cache_does_not_have_is_sent(site: Path) -> None:
    for fields in (
        {"if_none_match": '"other"'},
        {"if_none_match": '"other"', "if_modified_since": build_date(OLD)},
        {"if_modified_since": build_date(OLD - 1)},
        {"if_modified_since": "yesterday"},
    ):
        assert ask(Folder(site), "/index.html", **fields).content == b"<p>home", fields


@pytest.mark.rfc("9110", "13.1.1")
def test_a_condition_that_fails_is_412(site: Path) -> None:
    for fields in ({"if_match": '"other"'}, {"if_unmodified_since": build_date(OLD - 1)}):
        assert ask(Folder(site), "/index.html", **fields).status_code == 412
    assert ask(Folder(site), "/none", if_match='"other"').status_code == 404  # 13.2.1


@pytest.mark.rfc("9110", "8.8.2.1")
def test_a_file_from_the_future_was_modified_just_now(site: Path) -> None:
    os.utime(site / "index.html", (OLD + 5000, OLD + 5000))
    headers = ask(Folder(site, clock=lambda: OLD + 0.9), "/index.html").headers
    assert headers["last-modified"] == headers["date"] == build_date(OLD)


@pytest.mark.rfc("9110", "8.8.2.1")
def test_a_new_file_is_never_newer_than_its_response(site: Path) -> None:
    """The Date that a server adds may be a second old, so here the response has its own."""
    (site / "new").write_text("x")
    headers = ask(Folder(site), "/new").headers
    modified, sent = parse_date(headers["last-modified"]), parse_date(headers["date"])
    assert modified is not None
    assert sent is not None
    assert modified <= sent <= time.time()
    assert "date" not in ask(Folder(site), "/index.html").headers


def test_a_time_that_is_no_date_is_left_out(site: Path, monkeypatch) -> None:
    monkeypatch.setattr(representation, "build_date", lambda seconds: build_date(-(10**12)))
    headers = ask(Folder(site), "/index.html").headers
    assert "last-modified" not in headers
    assert "etag" in headers


@pytest.mark.rfc("9111", "4.2.2")
def test_no_cache_has_to_guess(site: Path) -> None:
    folder = Folder(site, listing=True)
    for target in ("/index.html", "/docs", "/docs/", "/empty/"):
        assert "cache-control" in ask(folder, target).headers


# --- content: small, large, HEAD, changing ------------------------------------------------------


@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.parametrize("size", [0, 7, PIECE, PIECE + 1])
def test_head_says_what_get_would(site: Path, size: int) -> None:
    (site / "file").write_bytes(b"x" * size)
    os.utime(site / "file", (OLD, OLD))
    folder = Folder(site)
    got, asked = ask(folder, "/file"), ask(folder, "/file", "HEAD")
    assert asked.headers["content-length"] == str(len(content_of(got)))
    assert asked.headers.without("content-length") == got.headers.without("content-length")
    assert asked.body == b""


def test_a_large_file_is_streamed_and_then_closed(site: Path) -> None:
    content = os.urandom(PIECE * 2 + 5)
    (site / "file").write_bytes(content)
    response = ask(Folder(site), "/file")
    assert isinstance(response.body, FileBody)
    assert response.headers["content-length"] == str(len(content))
    assert response.body.length == len(content)
    assert content_of(response) == content
    assert response.body.file.closed


def test_a_large_file_that_is_not_sent_is_let_go_of(site: Path) -> None:
    (site / "file").write_bytes(b"x" * (PIECE + 1))
    response = ask(Folder(site), "/file")
    let_go(response.body)
    assert isinstance(response.body, FileBody)
    assert response.body.file.closed
    assert ask(Folder(site), "/file", if_none_match="*").status_code == 304


def test_a_file_replaced_while_it_is_sent_is_sent_as_it_was(site: Path) -> None:
    (site / "file").write_bytes(b"a" * (PIECE + 1))
    response = ask(Folder(site), "/file")
    (site / "new").write_bytes(b"b")
    (site / "new").replace(site / "file")
    assert content_of(response) == b"a" * (PIECE + 1)


def test_a_large_file_that_shrinks_while_it_is_sent_is_no_success(site: Path) -> None:
    (site / "file").write_bytes(b"a" * (PIECE * 2))
    response = ask(Folder(site), "/file")
    os.truncate(site / "file", PIECE + 1)
    with pytest.raises(LocalError):
        content_of(response)


def test_a_large_file_that_grows_is_sent_as_promised(site: Path) -> None:
    (site / "file").write_bytes(b"a" * (PIECE + 1))
    response = ask(Folder(site), "/file")
    with (site / "file").open("ab") as file:
        file.write(b"b" * 100)
    assert content_of(response) == b"a" * (PIECE + 1)


@pytest.mark.parametrize("most", [3, 0])
def test_a_small_file_is_read_whole_or_not_at_all(site: Path, monkeypatch, most: int) -> None:
    """A read may give less than it was asked for; nothing means that the file is shorter now."""
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, most)))
    response = ask(Folder(site), "/index.html")
    if most:
        assert response.content == b"<p>home"
    else:
        assert response.status_code == 503


# --- threads -------------------------------------------------------------------------------------


def test_files_are_touched_in_a_thread_and_nonsense_is_not(site: Path) -> None:
    hops = 0

    async def counting(work: Callable[[], T], /) -> T:
        nonlocal hops
        hops += 1
        return work()

    def ask_counting(target: str, method: str = "GET") -> Response:
        request = Request.received((method, target, Headers(), "1.1"), b"", Received())
        return run_sync(Folder(site).answer(request, in_thread=counting))

    assert ask_counting("/index.html").content == b"<p>home"
    assert hops == 1  # opened, looked at and read in one
    for target, method in (("/../x", "GET"), ("/%00", "GET"), ("/index.html", "POST")):
        ask_counting(target, method)
    assert hops == 1


def test_a_cancelled_answer_leaves_no_file_open(site: Path, monkeypatch) -> None:
    """conftest's oracle sees the descriptor, and Python warns of a file nobody closed."""
    (site / "file").write_bytes(b"x" * (PIECE + 1))
    opening, go_on, done = threading.Event(), threading.Event(), threading.Event()
    made: list[Body] = []

    class Slow(FileBody):
        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named)  # type: ignore[arg-type]
            made.append(self)
            opening.set()
            go_on.wait(10)

        def close(self) -> None:
            super().close()
            done.set()

    monkeypatch.setattr(representation, "FileBody", Slow)

    async def threaded(work: Callable[[], T], /) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, work)

    async def story() -> None:
        request = Request.received(("GET", "/file", Headers(), "1.1"), b"", Received())
        task = asyncio.ensure_future(Folder(site).answer(request, in_thread=threaded))
        while not opening.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(story())
    assert done.wait(5)
    assert made[0].file.closed  # type: ignore[attr-defined]


# --- one file of the program's choice ------------------------------------------------------------


def test_one_file_is_a_response(site: Path) -> None:
    response = file_response(site / "index.html")
    assert (response.status_code, response.content) == (200, b"<p>home")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-disposition" not in response.headers
    again = Headers({"if-none-match": response.headers["etag"]})
    assert file_response(str(site / "index.html"), again).status_code == 304


@pytest.mark.rfc("6266", "4")
def test_a_download_is_saved_and_never_shown(site: Path) -> None:
    headers = file_response(site / "index.html", None, "Grüße.pdf").headers
    assert headers["content-disposition"].startswith("attachment; filename=")
    assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf" in headers["content-disposition"]
    assert headers["content-type"] == "application/pdf"
    assert "sandbox" in headers["content-security-policy"]


def test_what_is_no_file_is_an_error_of_the_program(site: Path) -> None:
    os.mkfifo(site / "fifo")
    for path, fault in (
        (site / "none", FileNotFoundError),
        (site, IsADirectoryError),
        (site / "fifo", OSError),
    ):
        with pytest.raises(fault):
            file_response(path)
