"""Parts and codings of files: what is sent, what is said of it, from disk and from memory."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import brotli
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crlf.flow.bodies import let_go
from crlf.flow.run import run_sync
from crlf.message.body import FileBody, JoinedBody
from crlf.message.dates import build_date
from crlf.message.errors import LocalError
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.compressing import MOST
from crlf.server.files import representation
from crlf.server.files.filecache import CODED, SMALL
from crlf.server.files.single import Folder, file_response

T = TypeVar("T")
OLD = 1_700_000_000
TEXT = b"A sentence that is said again and again. " * 400
SMALL_SIZE, LARGE_SIZE = 1000, SMALL + 1


async def inline(work: Callable[[], T], /) -> T:
    return work()


def ask(folder: Folder, target: str, method: str = "GET", **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    request = Request.received((method, target, headers, "1.1"), b"", Received())
    return run_sync(folder.answer(request, in_thread=inline))


def content_of(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    content = b"".join(response.body.chunks())
    let_go(response.body)
    assert response.body.length in (None, len(content))
    return content


def put(path: Path, content: bytes, modified: int = OLD) -> bytes:
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return content


@pytest.fixture
def site(tmp_path: Path) -> Path:
    put(tmp_path / "small", os.urandom(SMALL_SIZE))
    put(tmp_path / "large", os.urandom(LARGE_SIZE))
    put(tmp_path / "empty", b"")
    put(tmp_path / "page.txt", TEXT)
    return tmp_path


@pytest.fixture(params=["memory", "disk"])
def folder(request: pytest.FixtureRequest, site: Path) -> Folder:
    """With files in memory, looked at before, and without any."""
    folder = Folder(site, memory=0 if request.param == "disk" else 1 << 26)
    if request.param == "memory":
        for name in ("small", "page.txt"):
            ask(folder, "/" + name)
    return folder


# --- parts ---------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.3.7")
@pytest.mark.parametrize("name", ["small", "large"])
def test_one_part(folder: Folder, site: Path, name: str) -> None:
    content = (site / name).read_bytes()
    whole = ask(folder, f"/{name}")
    assert whole.headers["accept-ranges"] == "bytes"
    let_go(whole.body)
    for text, part in (("0-9", content[:10]), ("500-", content[500:]), ("-7", content[-7:])):
        response = ask(folder, f"/{name}", range=f"bytes={text}")
        assert response.status_code == 206
        assert response.headers["etag"] == whole.headers["etag"]
        first = content.index(part)
        assert response.headers["content-range"] == (
            f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        )
        assert response.headers.get("content-length", str(len(part))) == str(len(part))
        assert content_of(response) == part


@pytest.mark.rfc("9110", "14.6")
@pytest.mark.parametrize("name", ["small", "large"])
def test_several_parts(folder: Folder, site: Path, name: str) -> None:
    content = (site / name).read_bytes()
    response = ask(folder, f"/{name}", range="bytes=0-9,100-199,-5")
    assert response.status_code == 206
    kind, _, mark = response.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    length = response.headers.get("content-length")
    sent = content_of(response)
    assert length in (None, str(len(sent)))
    assert sent.count(b"--" + mark.encode()) == 4
    for part in (content[:10], content[100:200], content[-5:]):
        assert b"\r\n\r\n" + part + b"\r\n--" + mark.encode() in sent
    assert sent.endswith(b"--\r\n")


@pytest.mark.rfc("9110", "15.5.17")
def test_what_is_not_there_is_416(folder: Folder) -> None:
    for target, size in (("/small", SMALL_SIZE), ("/large", LARGE_SIZE), ("/empty", 0)):
        response = ask(folder, target, range=f"bytes={size}-")
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{size}"


@pytest.mark.rfc("9110", "14.2")
@pytest.mark.parametrize("text", ["bytes=5-1", "bytes=--1", "lines=0-1", "bytes=0-,0-,0-"])
def test_a_range_that_is_none_is_a_whole_200(folder: Folder, site: Path, text: str) -> None:
    for name in ("small", "large"):
        response = ask(folder, f"/{name}", range=text)
        assert (response.status_code, content_of(response)) == (200, (site / name).read_bytes())
        assert ask(folder, f"/{name}", "HEAD", range="bytes=0-1").status_code == 200


@pytest.mark.rfc("9110", "13.1.5")
def test_a_part_of_another_state_is_everything(folder: Folder) -> None:
    for target in ("/small", "/large"):
        whole = ask(folder, target)
        let_go(whole.body)
        tag = whole.headers["etag"]
        for if_range, status_code in (
            (tag, 206), ("W/" + tag, 200), ('"other"', 200), (build_date(OLD), 206),
            (build_date(OLD + 1), 200),
        ):  # fmt: skip
            response = ask(folder, target, range="bytes=0-1", if_range=if_range)
            assert response.status_code == status_code, if_range
            let_go(response.body)


@pytest.mark.rfc("9110", "13.2.2")
def test_conditions_go_before_parts(folder: Folder) -> None:
    for target in ("/small", "/large"):
        whole = ask(folder, target)
        let_go(whole.body)
        tag = whole.headers["etag"]
        assert ask(folder, target, range="bytes=0-1", if_none_match=tag).status_code == 304
        assert ask(folder, target, range="bytes=0-1", if_match='"other"').status_code == 412
        assert ask(folder, target, range="bytes=99999999-", if_none_match=tag).status_code == 304


def test_one_part_goes_out_of_the_open_file(site: Path) -> None:
    """So that the network can send it without reading: a FileBody that stands where it begins."""
    response = ask(Folder(site), "/large", range="bytes=70000-70009")
    assert type(response.body) is FileBody
    assert (response.body.file.tell(), response.body.length) == (70000, 10)
    several = ask(Folder(site), "/large", range="bytes=0-9,70000-70009")
    assert isinstance(several.body, JoinedBody)
    for answer in (response, several):
        let_go(answer.body)
        assert answer.body.file.closed  # type: ignore[union-attr]


@pytest.mark.rfc("9110", "15.3.7")
@pytest.mark.parametrize("text", ["bytes=100-", "bytes=0-9,130000-"])
def test_a_file_that_shrinks_is_no_success(site: Path, text: str) -> None:
    response = ask(Folder(site), "/large", range=text)
    os.truncate(site / "large", 500)
    with pytest.raises(LocalError):
        content_of(response)


@pytest.mark.rfc("9110", "14.6")
def test_no_boundary_is_like_another(site: Path) -> None:
    kinds = {
        ask(Folder(site), "/small", range="bytes=0-1,5-6").headers["content-type"] for _ in "12"
    }
    assert len(kinds) == 2


specs = st.one_of(
    st.tuples(st.integers(0, SMALL_SIZE + 9), st.integers(0, SMALL_SIZE + 9)).map(
        lambda pair: f"{min(pair)}-{max(pair)}"
    ),
    st.integers(0, SMALL_SIZE + 9).map(lambda number: f"-{number}"),
    st.integers(0, SMALL_SIZE + 9).map(lambda number: f"{number}-"),
)
fields_of = st.fixed_dictionaries(
    {},
    optional={
        "range": st.lists(specs, min_size=1, max_size=5).map(
            lambda some: f"bytes={','.join(some)}"
        ),
        "if_range": st.sampled_from(["TAG", '"other"', build_date(OLD), build_date(OLD - 1)]),
        "if_none_match": st.sampled_from(["TAG", "W/TAG", '"other"', "*", "broken"]),
        "if_match": st.sampled_from(["TAG", '"other"', "*"]),
        "if_modified_since": st.sampled_from([build_date(OLD), build_date(OLD - 1), "never"]),
        "if_unmodified_since": st.sampled_from([build_date(OLD), build_date(OLD - 1)]),
        "accept_encoding": st.sampled_from(["gzip", "br, gzip;q=0.5", "identity;q=0", "*;q=0", ""]),
    },
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields_of, st.sampled_from(["GET", "HEAD"]), st.sampled_from(["small", "page.txt"]))
def test_memory_and_disk_say_the_same(
    site: Path, fields: dict[str, str], method: str, name: str
) -> None:
    """Whatever is asked: the second answer of one folder is the first one of another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(representation, "_make_boundary", lambda: "boundary")
        tag = ask(Folder(site), f"/{name}").headers["etag"]
        given = {key: value.replace("TAG", tag) for key, value in fields.items()}
        warm, cold = Folder(site), Folder(site, memory=0)
        ask(warm, f"/{name}")
        ask(warm, f"/{name}", method, **given)
        seen = ask(warm, f"/{name}", method, **given)
        fresh = ask(cold, f"/{name}", method, **given)
        assert seen.status_code == fresh.status_code
        assert sorted(seen.headers.fields) == sorted(fresh.headers.fields)
        assert content_of(seen) == content_of(fresh)


# --- codings -------------------------------------------------------------------------------------


def beside(site: Path) -> None:
    put(site / "page.txt.br", brotli.compress(TEXT, quality=11))
    put(site / "page.txt.gz", gzip.compress(TEXT, 9))
    put(site / "page.txt.zst", b"as it is beside" * 40)


@pytest.mark.rfc("9110", "12.5.3")
@pytest.mark.rfc("9110", "8.8.3.3")
def test_what_lies_beside_is_sent_to_who_takes_it(site: Path) -> None:
    beside(site)
    folder = Folder(site)
    tags = set()
    for accept, coding, content in (
        ("gzip", "gzip", (site / "page.txt.gz").read_bytes()),
        ("gzip, br", "br", (site / "page.txt.br").read_bytes()),
        ("zstd", "zstd", (site / "page.txt.zst").read_bytes()),
        ("br;q=0", None, TEXT),
        (None, None, TEXT),
    ):
        fields = {} if accept is None else {"accept_encoding": accept}
        for _ in "12":
            response = ask(folder, "/page.txt", **fields)
            assert response.headers.get("content-encoding") == coding
            assert content_of(response) == content
            assert response.headers["vary"] == "Accept-Encoding"
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
            assert response.headers["accept-ranges"] == "bytes"
        tag = response.headers["etag"]
        tags.add(tag)
        assert tag.startswith('"')
        again = ask(folder, "/page.txt", if_none_match=tag, **fields)
        assert again.status_code == 304
        assert again.headers["vary"] == "Accept-Encoding"
        part = ask(folder, "/page.txt", range="bytes=3-9", if_range=tag, **fields)
        assert (part.status_code, part.content) == (206, content[3:10])
    assert len(tags) == 4


@pytest.mark.rfc("9110", "12.5.3")
def test_nothing_acceptable_is_406(site: Path) -> None:
    for _ in "12":
        response = ask(Folder(site), "/page.txt", accept_encoding="identity;q=0")
        assert (response.status_code, response.headers["vary"]) == (406, "Accept-Encoding, Accept")


def test_several_parts_of_a_coding_are_everything(site: Path) -> None:
    beside(site)
    response = ask(Folder(site), "/page.txt", accept_encoding="gzip", range="bytes=0-1,5-9")
    assert (response.status_code, response.headers["content-encoding"]) == (200, "gzip")


def test_what_is_older_than_its_file_is_not_of_it(site: Path) -> None:
    beside(site)
    put(site / "page.txt", TEXT, OLD + 1)
    response = ask(Folder(site), "/page.txt", accept_encoding="br")
    assert content_of(response) != (site / "page.txt.br").read_bytes()
    assert brotli.decompress(content_of(response)) == TEXT


def test_what_is_no_file_beside_is_not_there(site: Path) -> None:
    (site / "page.txt.br").mkdir()
    (site / "page.txt.gz").symlink_to(site / "small")
    put(site / "page.txt.zst", b"")
    assert (
        ask(Folder(site, compress=True), "/page.txt", accept_encoding="gzip")
        .headers["etag"]
        .startswith("W/")
    )
    assert ask(Folder(site), "/page.txt", accept_encoding="br").headers["etag"].startswith("W/")


def test_what_lies_beside_is_also_a_file(site: Path) -> None:
    beside(site)
    response = ask(Folder(site), "/page.txt.gz", accept_encoding="gzip")
    assert response.headers["content-type"] == "application/gzip"
    assert "content-encoding" not in response.headers


@pytest.mark.rfc("9110", "8.8.1")
def test_texts_are_coded_on_the_way_out(site: Path) -> None:
    folder = Folder(site)
    plain = ask(folder, "/page.txt")
    for _ in "12":
        response = ask(folder, "/page.txt", accept_encoding="gzip")
        assert gzip.decompress(content_of(response)) == TEXT
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert response.headers["etag"].startswith("W/")
        assert response.headers["etag"] != plain.headers["etag"]
        assert "accept-ranges" not in response.headers
    tag = response.headers["etag"]
    assert ask(folder, "/page.txt", accept_encoding="gzip", if_none_match=tag).status_code == 304
    part = ask(folder, "/page.txt", accept_encoding="gzip", range="bytes=2-5")
    assert (part.status_code, part.content) == (206, TEXT[2:6])
    assert "content-encoding" not in part.headers
    head = ask(folder, "/page.txt", "HEAD", accept_encoding="gzip")
    assert head.headers["content-length"] == str(len(response.content))


def test_a_long_text_is_coded_while_it_is_sent(site: Path) -> None:
    content = put(site / "long.txt", TEXT * (CODED // len(TEXT) + 1))
    folder = Folder(site)
    response = ask(folder, "/long.txt", accept_encoding="gzip")
    assert "content-length" not in response.headers
    assert gzip.decompress(content_of(response)) == content
    for method in ("HEAD", "GET"):
        let_go(ask(folder, "/long.txt", method, accept_encoding="gzip").body)


def test_a_huge_text_is_never_coded(site: Path) -> None:
    with (site / "huge.txt").open("wb") as file:
        file.truncate(MOST + 1)
    response = ask(Folder(site), "/huge.txt", accept_encoding="gzip")
    let_go(response.body)
    assert response.headers.keys().isdisjoint({"content-encoding", "vary"})


def test_codings_can_be_left_out(site: Path) -> None:
    beside(site)
    response = ask(Folder(site, compress=False), "/page.txt", accept_encoding="gzip")
    assert content_of(response) == TEXT
    assert response.headers.keys().isdisjoint({"content-encoding", "vary"})


# --- one file of the program's choice ------------------------------------------------------------


def test_a_chosen_file_has_parts_too(site: Path) -> None:
    asked = Headers({"range": "bytes=1-3"})
    for name in ("small", "large"):
        response = file_response(site / name, asked)
        assert response.status_code == 206
        assert content_of(response) == (site / name).read_bytes()[1:4]
        head = file_response(site / name, asked, method="HEAD")
        assert (head.status_code, head.body) == (200, b"")
