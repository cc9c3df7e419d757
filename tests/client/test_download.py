"""Downloads in both colours, from peers that break, change their minds, and lie.

The peer is a script over a bare socket: one answer a connection, so that each attempt meets
what the story wants it to meet. What it was asked is kept.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import json
import os
import socket
import stat
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crlf import App, AsyncClient, Client, Response, Timeout, running
from crlf.client.download import save
from crlf.flow.run import run_sync
from crlf.message.errors import (
    ConnectFailed,
    CrlfError,
    DecodingError,
    DigestMismatch,
    ReadTimeout,
    RemoteError,
    StatusError,
    TooLarge,
    TotalTimeout,
)
from crlf.message.progress import Download
from crlf.net.partfile import Destination, PartFile
from crlf.rules import resuming

pytestmark = pytest.mark.rfc("9110", "14")

CONTENT = bytes(range(256)) * 4  # 1 KiB, no two places alike nearby
TAG = '"v1"'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses between attempts be short."""
    monkeypatch.setattr(resuming, "_FIRST_PAUSE", 0.001)


# -- both colours


Saving = Callable[..., Download]


def save_blocking(url: str, path: object, app: App | None = None, **options: Any) -> Download:
    with Client(app=app, trust_env=False) as client:
        return run_sync(save(client._core, url, path, options))  # type: ignore[arg-type]  # options of many tests


def save_async(url: str, path: object, app: App | None = None, **options: Any) -> Download:
    async def story() -> Download:
        async with AsyncClient(app=app, trust_env=False) as client:
            return await save(client._core, url, path, options)  # type: ignore[arg-type]  # options of many tests

    return asyncio.run(story())


@pytest.fixture(params=[save_blocking, save_async], ids=["blocking", "asyncio"])
def saving(request: pytest.FixtureRequest) -> Saving:
    chosen: Saving = request.param
    return chosen


# -- a peer


# An answer, what makes one of the request's fields, or an answer and until when to fall silent.
Entry = bytes | Callable[[dict[str, str]], bytes] | tuple[bytes, threading.Event]


class Peer:
    """Answers each connection by the next entry of its script, and closes; asked: the heads."""

    def __init__(self, *script: Entry) -> None:
        self.script = list(script)
        self.asked: list[dict[str, str]] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/file.bin"
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        lines = data.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines[1:])}
        self.asked.append({**fields, "": lines[0]})
        if not self.script:
            return
        entry = self.script.pop(0)
        try:
            if isinstance(entry, tuple):
                connection.sendall(entry[0])
                entry[1].wait(5)
            else:
                connection.sendall(entry(fields) if callable(entry) else entry)
        except OSError:
            return


@contextmanager
def peer(*script: Entry) -> Iterator[Peer]:
    made = Peer(*script)
    made.thread.start()
    try:
        yield made
    finally:
        made.listening.shutdown(socket.SHUT_RDWR)
        made.listening.close()
        made.thread.join()


def answer(
    status: int, content: bytes = b"", *, length: int | None = -1, **fields: str | None
) -> bytes:
    """Write an answer. length: said, where it is not the content's; None says none."""
    known = len(content) if length == -1 else length
    lines = [f"HTTP/1.1 {status} X", "connection: close"]
    if known is not None:
        lines.append(f"content-length: {known}")
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items() if v is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def cut(at: int, *, etag: str | None = TAG, content: bytes = CONTENT, **fields: str) -> bytes:
    """A whole answer that breaks after so many bytes."""
    return answer(200, content[:at], length=len(content), etag=etag, **fields)


def part(
    start: int, end: int | None = None, *, etag: str | None = TAG, content: bytes = CONTENT,
    **fields: str | None,
) -> bytes:  # fmt: skip
    """The rest of it, as a 206."""
    end = len(content) if end is None else end
    told = {"content_range": f"bytes {start}-{end - 1}/{len(content)}", "etag": etag, **fields}
    return answer(206, content[start:end], **told)


WHOLE = answer(200, CONTENT, etag=TAG)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leave(
    folder: Path, url: str, content: bytes, etag: str = TAG, total: int | None = 1024
) -> Path:
    """Leave behind what a download that broke leaves."""
    (folder / "f.part").write_bytes(content)
    note = {"crlf": 1, "url": url, "etag": etag, "total": total}
    (folder / "f.part.json").write_text(json.dumps(note))
    return folder / "f"


# -- the plain story


def test_a_file_is_there_whole(saving: Saving, tmp_path: Path) -> None:
    with peer(WHOLE) as server:
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["f"]
    assert (done.path, done.size, done.attempts) == (str(tmp_path / "f"), 1024, 1)
    assert (done.resumed_from, done.digest, done.response.status_code) == (0, None, 200)
    asked = server.asked[0]
    assert asked["accept-encoding"] == "identity"
    assert asked["want-repr-digest"] == "sha-256=10, sha-512=9"
    assert "range" not in asked


def test_options_of_a_request_hold(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), part(100)) as server:
        saving(
            server.url, tmp_path / "f", params={"a": "1"}, auth=("u", "p"),
            headers={"x-mine": "2", "Accept-Encoding": "gzip", "user-agent": None},
        )  # fmt: skip
    assert len(server.asked) == 2
    for asked in server.asked:
        assert asked[""] == "GET /file.bin?a=1 HTTP/1.1"
        assert asked["x-mine"] == "2"
        assert asked["accept-encoding"] == "identity"
        assert asked["authorization"].startswith("Basic ")
        assert "user-agent" not in asked


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"headers": {"Range": "bytes=0-"}}, ValueError),
        ({"headers": [("if-range", '"a"')]}, ValueError),
        ({"content": b"x"}, TypeError),
        ({"json": {}}, TypeError),
        ({"digest": "md5=00"}, ValueError),
        ({"attempts": 0}, ValueError),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    saving: Saving, tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        saving("http://127.0.0.1:9/x", tmp_path / "f", **options)
    assert leftovers(tmp_path) == []


def test_an_empty_file(saving: Saving, tmp_path: Path) -> None:
    with peer(answer(200, b"", etag=TAG)) as server:
        assert saving(server.url, tmp_path / "f").size == 0
    assert (tmp_path / "f").read_bytes() == b""


def test_in_memory(saving: Saving, tmp_path: Path) -> None:
    app = App()
    content = os.urandom(1_000_000)

    @app.get("/f")
    def file(request: object) -> Response:
        return Response(200, {"etag": TAG}, content)

    assert saving("http://a/f", tmp_path / "f", app).size == 1_000_000
    assert (tmp_path / "f").read_bytes() == content


@pytest.mark.parametrize("status", [301, 304, 400, 401, 404, 416, 500, 503])
def test_an_error_writes_nothing(saving: Saving, tmp_path: Path, status: int) -> None:
    content = b"" if status == 304 else b"an explanation"
    with peer(answer(status, content, length=None)) as server, pytest.raises(StatusError) as caught:
        saving(server.url, tmp_path / "f", follow_redirects=False)
    assert leftovers(tmp_path) == []
    response = caught.value.response
    assert isinstance(response, Response)
    assert (response.status_code, response.content) == (status, content)
    assert len(server.asked) == 1


def test_an_endless_error_is_cut(saving: Saving, tmp_path: Path) -> None:
    with peer(answer(500, b"x" * 500_000)) as server, pytest.raises(StatusError) as caught:
        saving(server.url, tmp_path / "f")
    assert isinstance(caught.value.response, Response)
    assert len(caught.value.response.content) == 64 * 1024


# -- taken up again


def test_a_break_is_taken_up_where_it_was(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), part(100)) as server:
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert (server.asked[1]["range"], server.asked[1]["if-range"]) == ("bytes=100-", TAG)
    assert (done.attempts, done.resumed_from, done.response.status_code) == (2, 0, 206)
    assert leftovers(tmp_path) == ["f"]


def test_a_server_that_cuts_again_and_again(saving: Saving, tmp_path: Path) -> None:
    def rest(fields: dict[str, str]) -> bytes:
        start = int(fields.get("range", "bytes=0-")[6:-1])
        if not start:
            return cut(200)
        return part(start)[: -(1024 - start - 200)] if start + 200 < 1024 else part(start)

    with peer(*[rest] * 10) as server:
        done = saving(
            server.url, tmp_path / "f", attempts=10, digest=hashlib.sha256(CONTENT).hexdigest()
        )
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert done.attempts == 6


def test_attempts_that_bring_next_to_nothing_end(saving: Saving, tmp_path: Path) -> None:
    script = [cut(10), *[part(10 + n)[: -(1024 - 11 - n)] for n in range(9)]]
    with peer(*script) as server, pytest.raises(RemoteError, match="before the end") as caught:
        saving(server.url, tmp_path / "f", attempts=4)
    assert len(server.asked) == 4
    assert caught.value.request is not None
    assert leftovers(tmp_path) == ["f.part", "f.part.json"]
    assert (tmp_path / "f.part").read_bytes() == CONTENT[:13]


def test_attempts_that_bring_enough_go_on(saving: Saving, tmp_path: Path) -> None:
    content = os.urandom(70_000 * 5)

    def rest(fields: dict[str, str]) -> bytes:
        start = int(fields.get("range", "bytes=0-")[6:-1])
        if not start:
            return cut(70_000, content=content)
        whole = part(start, content=content)
        return whole[: len(whole) - (len(content) - start) + 70_000]

    with peer(*[rest] * 5) as server:
        done = saving(server.url, tmp_path / "f", attempts=2)
    assert (tmp_path / "f").read_bytes() == content
    assert done.attempts == 5


def test_short_parts_are_put_together(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), part(100, 500), part(500, 900), part(900)) as server:
        saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [asked.get("range") for asked in server.asked] == [
        None, "bytes=100-", "bytes=500-", "bytes=900-",
    ]  # fmt: skip


def test_crumbs_without_end_are_refused(saving: Saving, tmp_path: Path) -> None:
    script = [cut(10), *[part(10 + n, 11 + n) for n in range(50)]]
    with peer(*script) as server, pytest.raises(RemoteError, match="next to nothing"):
        saving(server.url, tmp_path / "f")
    assert len(server.asked) == 5


@pytest.mark.parametrize("etag", [None, 'W/"v1"', "v1"])
def test_without_a_strong_tag_it_starts_over(
    saving: Saving, tmp_path: Path, etag: str | None
) -> None:
    weak = answer(200, CONTENT, etag=etag)
    with peer(cut(100, etag=etag), weak) as server:
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert "range" not in server.asked[1]
    assert done.attempts == 2


def test_a_server_that_has_no_ranges_is_asked_for_everything(
    saving: Saving, tmp_path: Path
) -> None:
    with peer(cut(100, accept_ranges="none"), WHOLE) as server:
        saving(server.url, tmp_path / "f")
    assert "range" not in server.asked[1]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_200_starts_from_0(saving: Saving, tmp_path: Path) -> None:
    new = bytes(reversed(CONTENT)) + b"more"
    with peer(cut(500), answer(200, new, etag='"v2"')) as server:
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == new
    assert (done.size, len(server.asked)) == (len(new), 2)


def test_resume_false_asks_for_everything(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), WHOLE) as server:
        leave(tmp_path, server.url, CONTENT[:5])
        saving(server.url, tmp_path / "f", resume=False)
    assert ["range" in asked for asked in server.asked] == [False, False]
    assert leftovers(tmp_path) == ["f"]


def test_a_server_that_is_just_starting_is_waited_for(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), answer(503, b"a moment"), answer(502), part(100)) as server:
        done = saving(server.url, tmp_path / "f")
    assert (done.attempts, (tmp_path / "f").read_bytes()) == (4, CONTENT)


def test_a_file_that_is_gone_now_is_an_error(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), answer(404)) as server, pytest.raises(StatusError):
        saving(server.url, tmp_path / "f")
    assert leftovers(tmp_path) == ["f.part", "f.part.json"]


def test_nobody_there_is_not_waited_for(saving: Saving, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    with pytest.raises(ConnectFailed):
        saving(url, tmp_path / "f", retry=None)
    assert leftovers(tmp_path) == []


# -- from an earlier call


def test_a_later_call_goes_on(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(300)) as server, pytest.raises(CrlfError):
        saving(server.url, tmp_path / "f", attempts=1)
    note = tmp_path / "f.part.json"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert json.loads(note.read_text()) == {
        "crlf": 1, "url": server.url, "etag": TAG, "total": 1024,
    }  # fmt: skip
    with peer(part(300)) as again:
        again.listening.getsockname()
        leave(tmp_path, again.url, CONTENT[:300])
        done = saving(again.url, tmp_path / "f")
    assert (done.resumed_from, done.attempts, done.size) == (300, 1, 1024)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["f"]


def test_no_password_is_left_on_the_disk(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(300)) as server, pytest.raises(CrlfError):
        saving(server.url.replace("//", "//user:secret@"), tmp_path / "f", attempts=1)
    assert "secret" not in (tmp_path / "f.part.json").read_text()
    assert json.loads((tmp_path / "f.part.json").read_text())["url"] == server.url


@pytest.mark.rfc("9110", "15.5.17")
def test_a_416_with_the_matching_total_means_complete(saving: Saving, tmp_path: Path) -> None:
    with peer(answer(416, b"", content_range="bytes */1024")) as server:
        leave(tmp_path, server.url, CONTENT)
        done = saving(server.url, tmp_path / "f", digest=hashlib.sha512(CONTENT).hexdigest())
    assert (done.resumed_from, done.response.status_code) == (1024, 416)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["f"]


@pytest.mark.parametrize("said", ["bytes */1000", "bytes */1025", "bytes */*", None])
def test_a_416_with_another_total_starts_over(
    saving: Saving, tmp_path: Path, said: str | None
) -> None:
    with peer(answer(416, b"", content_range=said), WHOLE) as server:
        leave(tmp_path, server.url, b"?" * 1024)
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert (done.resumed_from, done.attempts) == (0, 2)
    assert "range" not in server.asked[1]


def test_another_url_s_beginning_is_not_used(saving: Saving, tmp_path: Path) -> None:
    with peer(WHOLE) as server:
        leave(tmp_path, server.url + "?other", b"?" * 300)
        saving(server.url, tmp_path / "f")
    assert "range" not in server.asked[0]
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['W/"v1"', "v1", ""])
def test_a_note_with_a_weak_tag_is_not_used(saving: Saving, tmp_path: Path, etag: str) -> None:
    with peer(WHOLE) as server:
        leave(tmp_path, server.url, b"?" * 300, etag)
        saving(server.url, tmp_path / "f")
    assert "range" not in server.asked[0]


def test_a_part_without_a_note_is_not_used(saving: Saving, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(b"?" * 2000)
    with peer(WHOLE) as server:
        saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


# -- peers that lie


LIES: dict[str, bytes] = {
    "another start": answer(206, CONTENT[:924], content_range="bytes 0-923/1024", etag=TAG),
    "no Content-Range": answer(206, CONTENT[100:], etag=TAG),
    "another total": answer(206, CONTENT[100:], content_range="bytes 100-1023/2000", etag=TAG),
    "an unknown total": answer(206, CONTENT[100:], content_range="bytes 100-1023/*", etag=TAG),
    "another tag": part(100, etag='"v2"'),
    "a weak tag": part(100, etag='W/"v1"'),
    "no tag": part(100, etag=None),
    "a coding": part(100, content_encoding="gzip"),
    "several parts": answer(
        206,
        b"--x\r\ncontent-range: bytes 100-1023/1024\r\n\r\n" + CONTENT[100:] + b"\r\n--x--",
        content_type="multipart/byteranges; boundary=x",
        etag=TAG,
    ),
    "a shorter content": answer(206, b"?" * 9, content_range="bytes 100-1023/1024", etag=TAG),
    "a shorter content, in chunks": answer(
        206, b"9\r\n?????????\r\n0\r\n\r\n", length=None, content_range="bytes 100-1023/1024",
        etag=TAG, transfer_encoding="chunked",
    ),
    "more content than said": answer(
        206, CONTENT[100:] + b"?", length=None, content_range="bytes 100-1023/1024", etag=TAG
    ),
}  # fmt: skip


@pytest.mark.rfc("9110", "15.3.7.3")
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_206_that_lies_starts_over_once(saving: Saving, tmp_path: Path, lie: bytes) -> None:
    with peer(cut(100), lie, WHOLE) as server:
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert ["range" in asked for asked in server.asked] == [False, True, False]
    assert done.attempts == 3


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_who_lies_twice_is_not_asked_again(saving: Saving, tmp_path: Path, lie: bytes) -> None:
    with peer(cut(100), lie, cut(100), lie, WHOLE) as server, pytest.raises(RemoteError) as caught:
        saving(server.url, tmp_path / "f")
    assert caught.value.rule == "RFC 9110 15.3.7"
    assert len(server.asked) == 4
    assert "f" not in leftovers(tmp_path)


def test_a_206_that_nobody_asked_for(saving: Saving, tmp_path: Path) -> None:
    with peer(part(0)) as server, pytest.raises(RemoteError, match="without having been asked"):
        saving(server.url, tmp_path / "f")
    assert leftovers(tmp_path) == []


def test_a_redirect_that_leads_elsewhere_each_time(saving: Saving, tmp_path: Path) -> None:
    """Signed URLs do: what counts is the URL that was asked for, and the tag."""

    def to(path: str) -> bytes:
        return answer(302, b"", location=path)

    with peer(to("/one?signature=1"), cut(100), to("/two?signature=2"), part(100)) as server:
        done = saving(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [asked[""].split(" ")[1] for asked in server.asked] == [
        "/file.bin", "/one?signature=1", "/file.bin", "/two?signature=2",
    ]  # fmt: skip
    assert done.response.url.path == "/two"
    with peer(to("/one"), cut(100)) as server, pytest.raises(CrlfError):
        saving(server.url, tmp_path / "g", attempts=1)
    assert json.loads((tmp_path / "g.part.json").read_text())["url"] == server.url


# -- sizes, codings, digests


def test_an_endless_body_ends_at_max_size(saving: Saving, tmp_path: Path) -> None:
    endless = answer(200, b"x" * 3_000_000, length=None, etag=TAG)
    with peer(endless) as server, pytest.raises(TooLarge):
        saving(server.url, tmp_path / "f", max_size=1_000_000)
    assert leftovers(tmp_path) == []


def test_what_says_that_it_is_too_large_is_not_begun(saving: Saving, tmp_path: Path) -> None:
    with peer(WHOLE) as server, pytest.raises(TooLarge):
        saving(server.url, tmp_path / "f", max_size=1023)
    assert leftovers(tmp_path) == []
    with peer(WHOLE) as server:
        saving(server.url, tmp_path / "f", max_size=1024)


def test_what_is_too_large_with_its_rest(saving: Saving, tmp_path: Path) -> None:
    with peer(part(100)) as server:
        leave(tmp_path, server.url, CONTENT[:100], total=None)
        with pytest.raises(TooLarge):
            saving(server.url, tmp_path / "f", max_size=1000)
    assert leftovers(tmp_path) == []


def test_a_coding_that_comes_all_the_same_is_undone(saving: Saving, tmp_path: Path) -> None:
    coded = gzip.compress(CONTENT)
    whole = answer(200, coded, etag=TAG, content_encoding="gzip")
    with peer(cut(100, content=coded, content_encoding="gzip"), whole) as server:
        done = saving(server.url, tmp_path / "f", digest=hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert "range" not in server.asked[1]
    assert done.size == 1024


def test_a_broken_coding_leaves_nothing(saving: Saving, tmp_path: Path) -> None:
    whole = answer(200, b"no gzip at all", etag=TAG, content_encoding="gzip")
    with peer(whole) as server, pytest.raises(DecodingError):
        saving(server.url, tmp_path / "f")
    assert leftovers(tmp_path) == []


def test_a_decoded_file_is_bounded_too(saving: Saving, tmp_path: Path) -> None:
    whole = answer(200, gzip.compress(bytes(500_000)), content_encoding="gzip")
    with peer(whole) as server, pytest.raises(TooLarge):
        saving(server.url, tmp_path / "f", max_size=400_000)
    assert leftovers(tmp_path) == []


def sha(content: bytes, name: str = "sha-256") -> str:
    made = hashlib.new(name.replace("-", ""), content).digest()
    return f"{name}=:{b64encode(made).decode()}:"


@pytest.mark.rfc("9530", "3")
@pytest.mark.parametrize(
    "fields",
    [
        {"repr_digest": sha(CONTENT)},
        {"repr_digest": f"md5=:AAAA:, {sha(CONTENT, 'sha-512')}"},
        {"content_digest": sha(CONTENT)},
        {"repr_digest": sha(CONTENT), "content_digest": sha(CONTENT, "sha-512")},
    ],
)
def test_what_the_server_says_is_checked(
    saving: Saving, tmp_path: Path, fields: dict[str, str]
) -> None:
    with peer(answer(200, CONTENT, **fields)) as server:
        done = saving(server.url, tmp_path / "f")
    assert done.digest is not None
    assert done.digest.startswith("sha-")
    wrong = {name: value.replace(":", ":AA", 1) for name, value in fields.items()}
    wrong = {name: sha(b"other", "sha-256") for name in wrong}
    with peer(answer(200, CONTENT, **wrong)) as server, pytest.raises(DigestMismatch):
        saving(server.url, tmp_path / "g")
    assert leftovers(tmp_path) == ["f"]


@pytest.mark.parametrize("said", ["md5=:AAAA:", "sha=:AAAA:", "sha-256=AAAA", "nonsense=("])
def test_what_proves_nothing_is_not_looked_at(saving: Saving, tmp_path: Path, said: str) -> None:
    with peer(answer(200, CONTENT, repr_digest=said)) as server:
        assert saving(server.url, tmp_path / "f").digest is None


def test_what_was_given_is_checked(saving: Saving, tmp_path: Path) -> None:
    with peer(WHOLE, WHOLE) as server:
        given = hashlib.sha256(CONTENT).hexdigest()
        assert saving(server.url, tmp_path / "f", digest=given).digest == f"sha-256={given}"
        with pytest.raises(DigestMismatch):
            saving(server.url, tmp_path / "g", digest="0" * 64)
    assert leftovers(tmp_path) == ["f"]


@pytest.mark.parametrize("is_right", [True, False])
def test_a_digest_holds_over_a_resume(saving: Saving, tmp_path: Path, is_right: bool) -> None:
    """The bytes that an earlier call left are part of it."""
    kept = CONTENT[:300] if is_right else b"?" * 300
    with peer(part(300, repr_digest=sha(CONTENT))) as server:
        leave(tmp_path, server.url, kept)
        if is_right:
            assert saving(server.url, tmp_path / "f").resumed_from == 300
        else:
            with pytest.raises(DigestMismatch):
                saving(server.url, tmp_path / "f")
    assert leftovers(tmp_path) == (["f"] if is_right else [])


@pytest.mark.rfc("9530", "2")
def test_a_part_has_a_digest_of_its_own(saving: Saving, tmp_path: Path) -> None:
    with peer(cut(100), part(100, content_digest=sha(CONTENT[100:]))) as server:
        saving(server.url, tmp_path / "f")
    with (
        peer(cut(100), part(100, content_digest=sha(CONTENT))) as server,
        pytest.raises(DigestMismatch),
    ):
        saving(server.url, tmp_path / "g")
    assert leftovers(tmp_path) == ["f"]


@pytest.mark.rfc("9530", "2")
@pytest.mark.parametrize("content", [CONTENT, b"other"])
def test_a_digest_in_a_trailer(saving: Saving, tmp_path: Path, content: bytes) -> None:
    body = b"400\r\n" + CONTENT + f"\r\n0\r\nRepr-Digest: {sha(content)}\r\n\r\n".encode()
    with peer(answer(200, body, length=None, transfer_encoding="chunked")) as server:
        if content is CONTENT:
            assert saving(server.url, tmp_path / "f").digest is not None
        else:
            with pytest.raises(DigestMismatch):
                saving(server.url, tmp_path / "f")


# -- time


def test_a_total_timeout_holds_for_all_attempts(
    saving: Saving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "_FIRST_PAUSE", 0.15)
    with peer(*[cut(10)] * 20) as server, pytest.raises(TotalTimeout):
        saving(server.url, tmp_path / "f", timeout=0.4, attempts=100)
    assert len(server.asked) < 5


def test_silence_is_a_break_like_others(saving: Saving, tmp_path: Path) -> None:
    gate = threading.Event()

    with peer(cut(100), (b"", gate)) as server:
        try:
            with pytest.raises(ReadTimeout):
                saving(server.url, tmp_path / "f", timeout=Timeout(read=0.1), attempts=2)
        finally:
            gate.set()
    assert (tmp_path / "f.part").read_bytes() == CONTENT[:100]


# -- progress


def test_progress_is_told(saving: Saving, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with peer(cut(100), part(100)) as server:
        saving(server.url, tmp_path / "f", progress=lambda *now: told.append(now))
    assert told[0] == (0, 1024)
    assert (100, 1024) in told
    assert told[-1] == (1024, 1024)
    told.clear()
    with peer(answer(200, CONTENT, length=None)) as server:
        saving(server.url, tmp_path / "g", progress=lambda *now: told.append(now))
    assert (told[0], told[-1]) == ((0, None), (1024, 1024))


def test_a_callback_that_raises_ends_the_download(saving: Saving, tmp_path: Path) -> None:
    def enough(done: int, total: int | None) -> None:
        raise ZeroDivisionError

    with peer(WHOLE) as server, pytest.raises(ZeroDivisionError):
        saving(server.url, tmp_path / "f", progress=enough)
    assert "f" not in leftovers(tmp_path)


# -- names


@pytest.mark.rfc("6266", "4.3")
@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (None, "file.bin"),
        ('attachment; filename="../../.bashrc"', "bashrc"),
        ('attachment; filename="CON"', "_CON"),
        ("attachment; filename*=UTF-8''%2e%2e%2f%e2%82%ac.txt", "\u20ac.txt"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        ('attachment; filename="x.part.json"', "x.part.json_"),
        ('attachment; filename=".."', "unnamed"),
    ],
)
def test_in_a_folder_the_name_is_safe(
    saving: Saving, tmp_path: Path, disposition: str | None, name: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with peer(answer(200, CONTENT, content_disposition=disposition)) as server:
        done = saving(server.url, here)
    assert done.path == str(here / name)
    assert leftovers(here) == [name]
    assert leftovers(tmp_path) == ["here"]


def test_in_a_folder_an_earlier_call_is_found(saving: Saving, tmp_path: Path) -> None:
    named = 'attachment; filename="f"'
    with peer(answer(200, CONTENT, etag=TAG, content_disposition=named), part(300)) as server:
        leave(tmp_path, server.url, CONTENT[:300])
        done = saving(server.url, tmp_path)
    assert (done.resumed_from, done.attempts) == (300, 2)
    assert server.asked[1]["range"] == "bytes=300-"
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_in_a_folder_an_older_state_is_not_used(saving: Saving, tmp_path: Path) -> None:
    named = 'attachment; filename="f"'
    with peer(answer(200, CONTENT, etag='"v2"', content_disposition=named)) as server:
        leave(tmp_path, server.url, b"?" * 300)
        done = saving(server.url, tmp_path)
    assert (done.resumed_from, done.attempts) == (0, 1)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_nothing_is_replaced_in_silence(saving: Saving, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with peer(WHOLE) as server:
        with pytest.raises(FileExistsError):
            saving(server.url, tmp_path / "file.bin")
        assert server.asked == []  # seen before anybody was asked
        with pytest.raises(FileExistsError):
            saving(server.url, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert leftovers(tmp_path) == ["file.bin"]


def test_overwrite_replaces_at_the_end(saving: Saving, tmp_path: Path) -> None:
    mine = tmp_path / "f"
    mine.write_bytes(b"mine")
    with peer(cut(5)) as server, pytest.raises(CrlfError):
        saving(server.url, mine, overwrite=True, attempts=1)
    assert mine.read_bytes() == b"mine"
    with peer(WHOLE) as server:
        saving(server.url, mine, overwrite=True, sync=True)
    assert mine.read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["f"]


def test_a_free_name_is_taken_when_asked_for(saving: Saving, tmp_path: Path) -> None:
    for name in ("a.tar.gz", "a (1).tar.gz", "file.bin"):
        (tmp_path / name).write_bytes(b"mine")
    with peer(WHOLE, WHOLE) as server:
        assert saving(server.url, tmp_path / "a.tar.gz", numbered=True).path.endswith(
            "a (2).tar.gz"
        )
        assert saving(server.url, tmp_path, numbered=True).path.endswith("file (1).bin")


def test_a_name_taken_meanwhile_is_not_replaced(saving: Saving, tmp_path: Path) -> None:
    def taken(done: int, total: int | None) -> None:
        (tmp_path / "f").write_bytes(b"theirs")

    with peer(WHOLE) as server, pytest.raises(FileExistsError):
        saving(server.url, tmp_path / "f", progress=taken)
    assert (tmp_path / "f").read_bytes() == b"theirs"
    assert (tmp_path / "f.part").read_bytes() == CONTENT
    complete = answer(416, content_range="bytes */1024")
    with peer(complete) as again:
        leave(tmp_path, again.url, CONTENT)
        saving(again.url, tmp_path / "f", overwrite=True)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_no_such_folder(saving: Saving, tmp_path: Path) -> None:
    with peer(WHOLE) as server:
        with pytest.raises(FileNotFoundError):
            saving(server.url, f"{tmp_path}/none/")
        with pytest.raises(FileNotFoundError):
            saving(server.url, tmp_path / "none" / "f")


# -- the disk


def test_a_full_disk_keeps_what_fits(
    saving: Saving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = PartFile.write

    def full(self: PartFile, pieces: list[bytes]) -> None:
        written(self, [b"".join(pieces)[:400]])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartFile, "write", full)
    with peer(WHOLE) as server, pytest.raises(OSError, match="No space left"):
        saving(server.url, tmp_path / "f")
    assert (tmp_path / "f.part").read_bytes() == CONTENT[:400]
    assert leftovers(tmp_path) == ["f.part", "f.part.json"]


def test_a_cancelled_download_keeps_what_came(tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    gate = threading.Event()

    async def story(url: str) -> None:
        part = tmp_path / "f.part"
        async with AsyncClient() as client:
            task = asyncio.create_task(save(client._core, url, tmp_path / "f", {}))
            while not part.exists() or part.stat().st_size < 500_000:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with peer((cut(1_500_000, content=content), gate)) as server:
        try:
            asyncio.run(story(server.url))
        finally:
            gate.set()
    assert leftovers(tmp_path) == ["f.part", "f.part.json"]
    kept = (tmp_path / "f.part").read_bytes()
    assert len(kept) >= 500_000
    assert content.startswith(kept)


def test_two_at_once_do_not_mix(saving: Saving, tmp_path: Path) -> None:
    first = Destination(tmp_path / "f").part("")
    first.begin(b"{}")
    try:
        with peer(WHOLE) as server, pytest.raises(BlockingIOError):
            saving(server.url, tmp_path / "f")
    finally:
        first.close()
    with peer(WHOLE) as server:
        saving(server.url, tmp_path / "f")


def test_the_loop_is_not_held_up_by_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = threading.current_thread()
    where: list[bool] = []
    for name in ("look", "begin", "write", "feed", "finish"):
        plain = getattr(PartFile, name)

        def noted(self: PartFile, *given: Any, plain: Any = plain) -> Any:
            where.append(threading.current_thread() is here)
            return plain(self, *given)

        monkeypatch.setattr(PartFile, name, noted)
    with peer(part(300, repr_digest=sha(CONTENT))) as server:
        leave(tmp_path, server.url, CONTENT[:300])
        save_async(server.url, tmp_path / "f")
    assert len(where) == 4
    assert not any(where)


@pytest.mark.skipif(os.name == "nt", reason="links and FIFOs")
class TestPartFile:
    """What stands under the passing name is not always a file of ours."""

    def begun(self, folder: Path) -> bytes:
        part = Destination(folder / "f").part("")
        try:
            assert part.look() is None
            part.begin(b"note")
            part.write([b"ab", b"c"])
            part.write([b"d"])
            pieces: list[bytes] = []
            part.feed(pieces.append)
            assert b"".join(pieces) == b"abcd"
            assert part.finish() == str(folder / "f")
        finally:
            part.close()
        assert (folder / "f").read_bytes() == b"abcd"
        return b""

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_bytes(b"theirs")
        here = tmp_path / "here"
        here.mkdir()
        (here / "f.part").symlink_to(other)
        (here / "f.part.json").symlink_to(other)
        self.begun(here)
        assert other.read_bytes() == b"theirs"
        assert not (here / "f").is_symlink()
        assert leftovers(here) == ["f"]

    def test_a_second_name_of_another_file_is_not_written_to(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_bytes(b"theirs")
        here = tmp_path / "here"
        here.mkdir()
        os.link(other, here / "f.part")
        self.begun(here)
        assert other.read_bytes() == b"theirs"

    def test_a_fifo_does_not_keep_us(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "f.part")
        os.mkfifo(tmp_path / "f.part.json")
        self.begun(tmp_path)

    def test_a_file_is_readable_as_the_umask_says(self, tmp_path: Path) -> None:
        before = os.umask(0o022)
        try:
            self.begun(tmp_path)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o644

    def test_a_folder_or_device_is_not_replaced(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "f")
        with pytest.raises(FileExistsError):
            Destination(tmp_path / "f", overwrite=True).part("")

    def test_a_dangling_link_is_there_already(self, tmp_path: Path) -> None:
        (tmp_path / "f").symlink_to(tmp_path / "none")
        with pytest.raises(FileExistsError):
            Destination(tmp_path / "f").part("")

    def test_where_there_are_no_links_names_are_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", none)
        self.begun(tmp_path)
        part = Destination(tmp_path / "g").part("")
        part.begin(None)
        (tmp_path / "g").write_bytes(b"theirs")
        with pytest.raises(FileExistsError):
            part.finish()
        part.close()
        assert (tmp_path / "g").read_bytes() == b"theirs"

    def test_many_pieces_and_none(self, tmp_path: Path) -> None:
        part = Destination(tmp_path / "f").part("")
        part.begin(None)
        part.write([b"x"] * 512)
        part.write([])
        part.finish()
        assert (tmp_path / "f").stat().st_size == 512

    def test_discarded_and_closed(self, tmp_path: Path) -> None:
        part = Destination(tmp_path / "f").part("")
        part.discard()
        part.begin(b"note")
        assert leftovers(tmp_path) == ["f.part", "f.part.json"]
        part.discard()
        part.close()
        assert leftovers(tmp_path) == []


def test_over_a_real_server(saving: Saving, tmp_path: Path) -> None:
    app = App()
    content = os.urandom(3_000_000)

    @app.get("/f")
    def file(request: object) -> Response:
        return Response(200, {"etag": TAG, "repr-digest": sha(content)}, content)

    with running(app) as server:
        done = saving(f"{server.url}f", tmp_path)
    assert (done.size, (tmp_path / "f").read_bytes()) == (3_000_000, content)
    assert done.digest is not None
