"""Every kind of answer that a folder gives, over a socket, judged by httplint."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels

from crlf.client.blocking import Client
from crlf.message.response import Response
from crlf.rules.resuming import build_note
from crlf.server.files.foldersite import FolderSite
from crlf.server.files.single import Folder
from crlf.server.starting import running

OLD = 1_700_000_000
TEXT = "<!DOCTYPE html><title>a</title>" + "<p>said again" * 500
TAG = f'"{OLD * 10**9:x}-{len(TEXT):x}"'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "docs").mkdir()
    (root / "page.html").write_text(TEXT)
    (root / "long.html").write_text(TEXT * 300)
    (root / "large.html").write_text(TEXT * 3000)
    (root / "pre.html").write_text(TEXT)
    (root / "pre.html.gz").write_bytes(gzip.compress(TEXT.encode()))
    (root / "app.3f2a9b1c.js").write_text("let a;")
    (root / "404.html").write_text("<!DOCTYPE html><title>not here</title>")
    for path in [*root.rglob("*"), root]:
        os.utime(path, (OLD, OLD))
    (root / "new.txt").write_text("new")
    return root


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    folder = Folder(site, listing=True, hashed=True, clean_urls=True, fallback="page.html")
    with running(FolderSite(folder)) as server:
        yield server.url.rstrip("/")


def as_it_came(url: str, method: str, path: str, fields: dict[str, str]) -> Response:
    """Ask with somebody else's client, which undoes no coding."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    with contextlib.closing(connection):
        connection.request(method, path, headers=fields)
        answer = connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read(), reason=answer.reason)


# What the linter says of answers that are as they have to be: several parts have no Content-Range
# of the whole (RFC 9110 15.3.7.2), and a 400 means that something was wrong with the request.
KNOWN = {"multipart/byteranges": "PARTIAL_WITHOUT_RANGE", "text/plain": "STATUS_BAD_REQUEST"}


def faults_of(response: Response, method: str = "GET") -> list[str]:
    linter = HttpResponseLinter(no_content=method == "HEAD")
    linter.process_response_topline(
        b"HTTP/1.1", str(response.status_code).encode(), response.reason.encode()
    )
    linter.process_headers(
        [(name.encode(), value.encode("latin-1")) for name, value in response.headers.fields]
    )
    linter.feed_content(response.content)
    linter.finish_content(True)
    known = KNOWN.get(response.headers.get("content-type", "").partition(";")[0])
    return [
        f"{type(note).__name__}: {note.summary}"
        for note in linter.notes
        if note.level in (levels.BAD, levels.WARN) and type(note).__name__ != known
    ]


@pytest.mark.parametrize(
    ("method", "path", "status_code", "fields"),
    [
        ("GET", "/page.html", 200, {}),
        ("GET", "/page", 200, {}),
        ("GET", "/page.html", 200, {"accept-encoding": "gzip"}),
        ("GET", "/page.html", 200, {"accept-encoding": "zstd"}),
        ("GET", "/pre.html", 200, {"accept-encoding": "gzip"}),
        ("GET", "/long.html", 200, {}),
        ("GET", "/large.html", 200, {"accept-encoding": "gzip"}),
        ("HEAD", "/page.html", 200, {"accept-encoding": "gzip"}),
        ("HEAD", "/large.html", 200, {"accept-encoding": "gzip"}),
        ("HEAD", "/large.html", 200, {}),
        ("GET", "/page.html", 206, {"range": "bytes=0-9"}),
        ("GET", "/large.html", 206, {"range": "bytes=0-9"}),
        ("GET", "/page.html", 206, {"range": "bytes=0-9,20-29"}),
        ("GET", "/large.html", 206, {"range": "bytes=0-9,900000-900009"}),
        ("GET", "/page.html", 304, {"if-none-match": TAG, "accept-encoding": "identity"}),
        ("GET", "/page.html", 412, {"if-match": '"other"'}),
        ("GET", "/page.html", 416, {"range": "bytes=99999999-"}),
        ("GET", "/page.html", 406, {"accept-encoding": "identity;q=0"}),
        ("GET", "/app.3f2a9b1c.js", 200, {}),
        ("GET", "/new.txt", 200, {}),
        ("GET", "/docs", 301, {}),
        ("GET", "/docs/", 200, {}),
        ("GET", "/none", 404, {}),
        ("GET", "/none", 200, {"accept": "text/html"}),
        ("GET", "/%00", 400, {}),
        ("POST", "/page.html", 405, {}),
        ("BREW", "/page.html", 501, {}),
        ("OPTIONS", "/page.html", 204, {}),
    ],
    ids=str,
)
def test_an_answer_is_clean(
    method: str, path: str, status_code: int, fields: dict[str, str], url: str
) -> None:
    for _ in "12":  # from disk, and from memory
        response = as_it_came(url, method, path, {"accept-encoding": ""} | fields)
        assert response.status_code == status_code
        assert faults_of(response, method) == []


def test_a_page_of_the_program_for_errors_is_clean(site: Path) -> None:
    with running(FolderSite(Folder(site, errors={404: "404.html"}))) as server:
        response = as_it_came(server.url.rstrip("/"), "GET", "/none", {})
    assert (response.status_code, faults_of(response)) == (404, [])


@pytest.mark.rfc("9110", "14.2")
def test_our_own_client_goes_on_where_it_stopped(url: str, site: Path, tmp_path: Path) -> None:
    """One grammar of ranges for both ends: what a client keeps is what this server has left."""
    content = (site / "large.html").read_bytes()
    tag = as_it_came(url, "HEAD", "/large.html", {}).headers["etag"]
    address = f"{url}/large.html"
    (tmp_path / "large.html.part").write_bytes(content[:100_000])
    note = build_note(address, tag, len(content))
    (tmp_path / "large.html.part.json").write_bytes(note)
    with Client() as client:
        done = client.download(address, tmp_path / "large.html")
    assert (done.resumed_from, done.response.status_code) == (100_000, 206)
    assert (tmp_path / "large.html").read_bytes() == content
