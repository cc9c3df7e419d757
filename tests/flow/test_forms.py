"""Forms with files: the same however they are cut, and nothing left open when they break."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crlf.flow.batches import BATCH
from crlf.flow.forms import is_form_data, read_form
from crlf.flow.run import run_sync
from crlf.message.errors import ReadFailed, ReadTimeout, RemoteError, TooLarge
from crlf.message.headers import Headers
from crlf.message.params import Params
from crlf.message.uploads import Files
from crlf.values import replace
from crlf.wire.multipart import DEFAULT_LIMITS
from crlf.wire.parts import END, Data, Part

T = TypeVar("T")
HEADERS = Headers({"content-type": "multipart/form-data; boundary=xyz"})
LIMIT = 16 * 1024 * 1024


def part(name: str, content: bytes, *more: str, filename: str | None = None) -> bytes:
    said = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    lines = [f"Content-Disposition: {said}", *more]
    return b"--xyz\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


ORDER = body(
    part("part", b"4711"),
    part("photo", b"\xff\xd8" * 50, "Content-Type: image/jpeg", filename="a b.jpg"),
    part("note", "Grüße\r\n--xy".encode()),
    part("photo", b"", filename="empty.txt"),
    part("none", b"", filename=""),
)


async def inline(work: Callable[[], T], /) -> T:
    return work()


async def threaded(work: Callable[[], T], /) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)


class Spool:
    """Gives temporary files, keeps them in sight, and breaks when it is told to."""

    def __init__(self, *, breaks_at: int | None = None) -> None:
        self.files: list[BinaryIO] = []
        self.breaks_at = breaks_at
        self.taken = 0

    def __call__(self) -> BinaryIO:
        spool = self

        class File(io.BytesIO):
            def write(self, content: object, /) -> int:
                written = super().write(content)  # type: ignore[arg-type]
                spool.taken += written
                if spool.breaks_at is not None and spool.taken > spool.breaks_at:
                    raise TooLarge("spool", spool.breaks_at, 507)
                return written

        self.files.append(File())
        return self.files[-1]

    @property
    def are_open(self) -> int:
        return sum(not file.closed for file in self.files)


class Source:
    """A body that comes in pieces of a size, and may break off."""

    def __init__(self, content: bytes, size: int = LIMIT, fault: Exception | None = None) -> None:
        starts = range(0, len(content), size)
        self.parts: list[Part] = [Data(content[start : start + size]) for start in starts]
        self.parts.append(END)
        self.parts.reverse()
        if fault is not None:
            self.parts.pop(0)
        self.fault = fault

    async def next_part(self, deadline: float | None) -> Part:
        if not self.parts and self.fault is not None:
            raise self.fault
        return self.parts.pop()


def read(
    source: Source,
    spool: Callable[[], BinaryIO] | None = None,
    headers: Headers = HEADERS,
    limit: int | None = LIMIT,
    **limits: int,
) -> tuple[Params, Files]:
    flow = read_form(
        source, headers, limit, spool or Spool(), lambda: None, inline,
        replace(DEFAULT_LIMITS, **limits),
    )  # fmt: skip
    return run_sync(flow)


def contents(files: Files) -> list[tuple[str, str, bytes]]:
    return [(name, upload.filename, upload.read()) for name, upload in files.pairs]


# --- what comes out ------------------------------------------------------------------------------


@pytest.mark.rfc("7578", "4.2")
def test_fields_and_files_come_apart() -> None:
    form, files = read(Source(ORDER))
    assert form.pairs == (("part", "4711"), ("note", "Grüße\r\n--xy"))
    photo = files["photo"]
    assert (photo.filename, photo.content_type) == ("a b.jpg", "image/jpeg")
    assert (photo.size, photo.read()) == (100, b"\xff\xd8" * 50)
    assert photo.sha256 == hashlib.sha256(b"\xff\xd8" * 50).hexdigest()
    assert [upload.filename for upload in files.get_all("photo")] == ["a b.jpg", "empty.txt"]
    assert list(files) == ["photo"]  # an input without a chosen file is no upload


@given(st.integers(1, len(ORDER)))
@example(1)
def test_the_cuts_do_not_show(size: int) -> None:
    form, files = read(Source(ORDER, size))
    whole_form, whole_files = read(Source(ORDER))
    assert form == whole_form
    assert contents(files) == contents(whole_files)


CONTENT = st.binary(max_size=300) | st.sampled_from([b"\r\n", b"\r\n--xy", b"--xyz", b"x" * 70_000])
NAMES = st.sampled_from(["a", "b", "ä"])


@given(
    st.lists(st.tuples(NAMES, st.sampled_from([None, "f", "g.txt"]), CONTENT), max_size=6),
    st.integers(1, 5000),
)
def test_what_was_put_in_comes_out(parts: list[tuple[str, str | None, bytes]], size: int) -> None:
    spool = Spool()
    made = body(*[part(name, content, filename=file) for name, file, content in parts])
    form, files = read(Source(made, size), spool)
    assert form.pairs == tuple(
        (name, content.decode("utf-8", "replace")) for name, file, content in parts if file is None
    )
    expected = [(name, file, content) for name, file, content in parts if file is not None]
    assert contents(files) == expected
    for (_, _, content), (_, upload) in zip(expected, files.pairs, strict=True):
        assert upload.size == len(content)
        assert upload.sha256 == hashlib.sha256(content).hexdigest()
    assert len(spool.files) == sum(len(content) > 65_536 for _, _, content in expected)
    files.close()
    assert not spool.are_open


def test_a_form_of_nothing() -> None:
    form, files = read(Source(b"--xyz--\r\n"))
    assert not form
    assert not files


@pytest.mark.rfc("7578", "5.1.2")
def test_a_field_may_say_its_charset() -> None:
    latin = part("a", b"gr\xfc\xdfe", "Content-Type: text/plain; charset=ISO-8859-1")
    unknown = part("b", b"gr\xc3\xbc", "Content-Type: text/plain; charset=none-such")
    broken = part("c", b"gr\xfc")
    form, _ = read(Source(body(latin, unknown, broken)))
    assert dict(form) == {"a": "grüße", "b": "grü", "c": "gr\ufffd"}


@given(st.binary(max_size=60))
def test_no_charset_of_python_makes_a_field_raise(content: bytes) -> None:
    for charset in ("utf-16", "utf-7", "utf-32-be", "shift_jis", "hz", "iso2022_jp", "cp037"):
        mark = f"Content-Type: text/plain; charset={charset}"
        try:
            read(Source(body(part("a", content, mark))))
        except RemoteError:
            assert b"--xyz" in content


# --- memory, disk and threads --------------------------------------------------------------------


def test_a_small_file_never_sees_the_disk() -> None:
    for size, on_disk in ((65_536, 0), (65_537, 1)):
        spool = Spool()
        _, files = read(Source(body(part("f", b"x" * size, filename="f"))), spool)
        assert len(spool.files) == on_disk
        assert files["f"].size == size
        assert files["f"].file.tell() == 0


def test_a_large_file_goes_to_disk_while_it_comes_in_batches() -> None:
    size, hops = 5 * BATCH + 1000, 0
    content = os.urandom(1024) * (size // 1024 + 1)
    content = content[:size]
    spool = Spool()

    async def counting(work: Callable[[], T], /) -> T:
        nonlocal hops
        hops += 1
        return work()

    source = Source(body(part("f", content, filename="f")), 4096)
    flow = read_form(source, HEADERS, LIMIT, spool, lambda: None, counting)
    _, files = run_sync(flow)
    assert 5 <= hops <= 6
    assert files["f"].read() == content
    assert files["f"].sha256 == hashlib.sha256(content).hexdigest()
    files.close()


def test_the_file_comes_in_while_the_rest_is_still_under_way() -> None:
    """Not more than a batch waits in memory: the disk has the rest before the form is whole."""
    spool = Spool()
    source = Source(body(part("f", b"x" * (3 * BATCH), filename="f")), 65_536, ReadFailed("x"))
    with pytest.raises(ReadFailed):
        read(source, spool)
    assert spool.taken >= 2 * BATCH
    assert not spool.are_open


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, LIMIT])
def test_the_whole_body_has_a_limit(size: int) -> None:
    read(Source(ORDER, size), limit=len(ORDER) + 1)
    read(Source(ORDER, size), limit=len(ORDER))
    read(Source(ORDER, size), limit=None)
    with pytest.raises(TooLarge) as caught:
        read(Source(ORDER, size), limit=len(ORDER) - 1)
    assert (caught.value.what, caught.value.status_code) == ("body", 413)


def test_a_length_over_the_limit_is_refused_before_anything_is_waited_for() -> None:
    source = Source(b"")
    source.parts.clear()
    with pytest.raises(TooLarge):
        read(source, headers=HEADERS.with_field("content-length", "101"), limit=100)


@pytest.mark.parametrize("size", [1, LIMIT])
def test_the_number_of_parts_has_a_limit(size: int) -> None:
    many = body(*[part("a", b"1")] * 5)
    read(Source(many, size), parts=6)
    read(Source(many, size), parts=5)
    with pytest.raises(TooLarge, match="parts"):
        read(Source(many, size), parts=4)


@pytest.mark.parametrize("size", [1, LIMIT])
def test_fields_share_a_limit_that_files_do_not_count_for(size: int) -> None:
    many = body(part("a", b"x" * 50), part("f", b"x" * 500, filename="f"), part("b", b"x" * 50))
    read(Source(many, size), fields_total=101)
    read(Source(many, size), fields_total=100)
    with pytest.raises(TooLarge, match="fields total"):
        read(Source(many, size), fields_total=99)


def test_a_file_that_is_too_large_leaves_nothing_behind() -> None:
    spool = Spool()
    made = body(part("f", b"x" * (2 * BATCH), filename="f"))
    with pytest.raises(TooLarge):
        read(Source(made, 65_536), spool, limit=BATCH + BATCH // 2)
    assert spool.files
    assert not spool.are_open


def test_a_full_disk_is_507_and_leaves_nothing_behind() -> None:
    spool = Spool(breaks_at=3 * BATCH)
    made = body(*[part("f", b"x" * (2 * BATCH), filename="f")] * 2)
    with pytest.raises(TooLarge) as caught:
        read(Source(made, 65_536), spool)
    assert caught.value.status_code == 507
    assert len(spool.files) == 2
    assert not spool.are_open


def test_a_spool_that_cannot_open_leaves_nothing_behind() -> None:
    def broken() -> BinaryIO:
        raise PermissionError("no folder for you")

    with pytest.raises(PermissionError):
        read(Source(body(part("f", b"x" * 70_000, filename="f"))), broken)


# --- their bytes are broken ----------------------------------------------------------------------


@pytest.mark.rfc("2046", "5.1.1")
def test_a_form_cut_off_anywhere_is_refused() -> None:
    for end in range(len(ORDER) - 2):
        with pytest.raises(RemoteError) as caught:
            read(Source(ORDER[:end]))
        assert caught.value.status_code == 400


def test_a_form_cut_off_anywhere_leaves_no_file_open() -> None:
    made = body(part("f", b"x" * 70, filename="f"), part("g", b"y" * 70, filename="g"))
    for end in range(len(made)):
        for fault in (ReadFailed("gone"), ReadTimeout("slow"), RemoteError("broken")):
            spool = Spool()
            with pytest.raises(type(fault)):
                read(Source(made[:end], 16, fault), spool, field_in_memory=8)
            assert not spool.are_open


@pytest.mark.parametrize(
    "text",
    ["multipart/form-data", 'multipart/form-data; boundary=""', "multipart/form-data; boundary=ü"],
)
def test_without_a_boundary_there_is_no_form(text: str) -> None:
    with pytest.raises(RemoteError) as caught:
        read(Source(ORDER), headers=Headers({"content-type": text}))
    assert caught.value.status_code == 400


@pytest.mark.rfc("7578", "4.2")
def test_a_fault_of_theirs_is_a_remote_error_with_its_rule() -> None:
    with pytest.raises(RemoteError) as caught:
        read(Source(b"--xyz\r\nContent-Type: text/plain\r\n\r\n\r\n--xyz--\r\n"))
    assert caught.value.rule.startswith("RFC 7578")
    assert caught.value.offset is not None


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_is_a_form_or_a_typed_error(garbage: bytes, size: int) -> None:
    for made in (garbage, b"--xyz\r\n" + garbage, part("f", garbage, filename="f") + garbage):
        spool = Spool()
        try:
            _, files = read(Source(made, size), spool, field_in_memory=4)
        except (RemoteError, TooLarge):
            assert not spool.are_open
        else:
            files.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("multipart/form-data; boundary=x", True),
        ('Multipart/Form-Data;boundary="x"', True),
        ("multipart/form-data", True),
        ("multipart/mixed; boundary=x", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x; boundary=y", False),
        ("text/plain; x=multipart/form-data", False),
        ("", False),
    ],
)
def test_which_content_is_such_a_form(text: str, expected: bool) -> None:
    assert is_form_data(Headers({"content-type": text})) is expected
    assert not is_form_data(Headers())


# --- the flow is cancelled -----------------------------------------------------------------------


class SlowFile(io.BytesIO):
    """A file whose write takes as long as somebody wants it to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_writing = threading.Event()
        self.may_go_on = threading.Event()

    def write(self, content: object, /) -> int:
        self.is_writing.set()
        self.may_go_on.wait(10)
        return super().write(content)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_cancelled_while_a_thread_writes_the_file_is_closed_after_the_write() -> None:
    file = SlowFile()

    async def story() -> None:
        source = Source(body(part("f", b"x" * BATCH, filename="f")))
        flow = read_form(source, HEADERS, LIMIT, lambda: file, lambda: None, threaded)
        task = asyncio.ensure_future(flow)
        await until(file.is_writing.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not file.closed
        file.may_go_on.set()
        await until(lambda: file.closed)

    asyncio.run(story())


def test_cancelled_while_a_thread_opens_the_file_it_is_closed_all_the_same() -> None:
    opening, go_on = threading.Event(), threading.Event()
    file = io.BytesIO()

    def slow() -> BinaryIO:
        opening.set()
        go_on.wait(10)
        return file

    async def story() -> None:
        source = Source(body(part("f", b"x" * BATCH, filename="f")))
        flow = read_form(source, HEADERS, LIMIT, slow, lambda: None, threaded)
        task = asyncio.ensure_future(flow)
        await until(opening.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await until(lambda: file.closed)

    asyncio.run(story())


def test_cancelled_while_it_waits_everything_is_closed() -> None:
    spool = Spool()

    class Stalled(Source):
        async def next_part(self, deadline: float | None) -> Part:
            if len(self.parts) == 1:
                await asyncio.sleep(10)
            return await super().next_part(deadline)

    async def story() -> None:
        made = body(*[part("f", b"x" * (2 * BATCH), filename="f")] * 2)
        flow = read_form(Stalled(made, 65_536), HEADERS, LIMIT, spool, lambda: None, threaded)
        task = asyncio.ensure_future(flow)
        await until(lambda: spool.taken > 3 * BATCH)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert len(spool.files) == 2
    assert not spool.are_open


# --- an upload in a handler's hands --------------------------------------------------------------


def uploaded(content: bytes = b"content", filename: str = "a.txt") -> Files:
    # A name that could not stand in a quoted string as it is.
    filename = filename.replace('"', "%22")
    return read(Source(body(part("f", content, filename=filename))))[1]


def test_an_upload_is_read_from_its_beginning_each_time() -> None:
    upload = uploaded()["f"]
    assert upload.file.read(3) == b"con"
    assert upload.read() == b"content"
    assert upload.read() == b"content"


def test_an_upload_is_saved_whole_and_replaces(tmp_path: Path) -> None:
    upload = uploaded()["f"]
    target = tmp_path / upload.safe_name()
    target.write_bytes(b"before, and longer")
    assert upload.save(target) == target
    assert target.read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.txt"]
    assert upload.save(str(tmp_path / "b")).read_bytes() == b"content"


def test_an_exclusive_save_leaves_what_is_there(tmp_path: Path) -> None:
    upload = uploaded()["f"]
    upload.save(tmp_path / "new", exclusive=True)
    assert (tmp_path / "new").read_bytes() == b"content"
    (tmp_path / "old").write_bytes(b"before")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("old", "link"):
        with pytest.raises(FileExistsError):
            upload.save(tmp_path / name, exclusive=True)
    assert (tmp_path / "old").read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["link", "new", "old"]


def test_a_save_never_writes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    uploaded()["f"].save(tmp_path / "link")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_save_that_fails_leaves_things_as_they_were(tmp_path: Path, exclusive: bool) -> None:
    upload = uploaded()["f"]
    (tmp_path / "old").write_bytes(b"before")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is broken")

    upload.file = Broken(b"content")
    with pytest.raises(OSError, match="broken"):
        upload.save(tmp_path / ("new" if exclusive else "old"), exclusive=exclusive)
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"before"


@pytest.mark.parametrize(
    "filename",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        ".bashrc",
        "a/b",
        "..\\x",
        "CON",
        "C:\\x",
        "a:b",
    ],
)
def test_the_senders_name_is_no_path(filename: str, tmp_path: Path) -> None:
    upload = uploaded(filename=filename)["f"]
    assert upload.filename == filename
    with pytest.raises((ValueError, IsADirectoryError)):
        upload.save(tmp_path / upload.filename)
    assert os.listdir(tmp_path) == []
    saved = upload.save(tmp_path / upload.safe_name())
    assert saved.parent == tmp_path
    assert saved.read_bytes() == b"content"


def test_a_folder_is_no_file_to_save_to(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        uploaded()["f"].save(tmp_path)
    with pytest.raises(ValueError, match=r"\.\."):
        uploaded()["f"].save(tmp_path / ".." / "x")


def test_files_are_read_as_a_mapping_and_closed_as_one() -> None:
    files = uploaded()
    assert files.get_all("none") == []
    assert files.get("none") is None
    assert len(files) == 1
    assert "a.txt" in repr(files)
    files.close()
    files.close()
    assert files["f"].file.closed
