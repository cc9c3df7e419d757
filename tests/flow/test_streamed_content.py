"""Content as a handler reads it, over scripted sources: every cut, every fault, and no more work.

The faces and connections are in tests/server/test_streaming_uploads.py; here nothing waits.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.flow.batches import BATCH, Behind
from crlf.flow.forms import read_form
from crlf.flow.run import run_sync
from crlf.flow.streamed import StreamedContent
from crlf.flow.telling import Telling
from crlf.message.batch import Batch
from crlf.message.errors import Malformed, ReadFailed, RemoteError, TooLarge
from crlf.message.headers import Headers
from crlf.message.progress import UploadProgress
from crlf.message.request import Request
from crlf.net.saving import Saving
from crlf.values import replace
from crlf.wire.multipart import DEFAULT_LIMITS
from crlf.wire.parts import END, Data, Part

T = TypeVar("T")
HEADERS = Headers({"content-type": "multipart/form-data; boundary=xyz"})
ANY = replace(DEFAULT_LIMITS, parts=10**9, header=10**9, headers=10**9, fields_total=10**9)


async def inline(work: Callable[[], T], /) -> T:
    return work()


class Source:
    """Brings pieces, then an end or a fault."""

    def __init__(self, pieces: Iterable[bytes], fault: Exception | None = None) -> None:
        self.pieces = iter(pieces)
        self.fault = fault

    async def next_piece(self) -> bytes | None:
        piece = next(self.pieces, None)
        if piece is None and self.fault is not None:
            raise self.fault
        return piece

    async def next_part(self, deadline: float | None) -> Part:
        piece = await self.next_piece()
        return END if piece is None else Data(piece)


def content_of(source: Source, *, limits: Any = DEFAULT_LIMITS, **given: Any) -> StreamedContent:
    return StreamedContent(
        source.next_piece, given.pop("headers", HEADERS), limits, inline, run_sync, Saving, **given
    )


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    said = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    return f"--xyz\r\nContent-Disposition: {said}\r\n\r\n".encode() + content + b"\r\n"


FORM = part("a", b"1") + part("f", b"\r\n--xy\r" * 20, "f") + part("b", b"") + b"--xyz--\r\n"
PARTS = [("a", b"1"), ("f", b"\r\n--xy\r" * 20), ("b", b"")]


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


# --- what comes ----------------------------------------------------------------------------------


@pytest.mark.rfc("7578", "4")
@given(st.integers(1, len(FORM)))
def test_the_cuts_do_not_show(size: int) -> None:
    content = content_of(Source(cut(FORM, size)))
    assert [(part.name, part.read()) for part in content.parts()] == PARTS
    content = content_of(Source(cut(FORM, size)))
    joined = [(part.name, b"".join(part.pieces())) for part in content.parts()]
    assert joined == PARTS

    async def read() -> list[tuple[str, bytes]]:
        waited = content_of(Source(cut(FORM, size))).parts()
        return [(part.name, await part.read()) async for part in waited]

    assert run_sync(read()) == PARTS


def test_what_is_left_of_a_part_is_skipped() -> None:
    for size in (1, 7, 1000):
        parts = iter(content_of(Source(cut(FORM, size))).parts())
        assert [next(parts).name, next(iter(next(parts).pieces()))[:1]] == ["a", b"\r"]
        assert next(parts).name == "b"
        assert next(parts, None) is None


def test_a_form_that_breaks_off_anywhere_is_no_form() -> None:
    for end in range(len(FORM) - 2):
        content = content_of(Source(cut(FORM[:end], 16)))
        with pytest.raises(RemoteError) as caught:
            [each.read() for each in content.parts()]
        assert content.fault is caught.value
        with pytest.raises(RemoteError):  # each time, not only once
            list(content.parts())


def test_a_connection_that_breaks_is_told_each_time_and_to_blame() -> None:
    fault = ReadFailed("gone", phase="read")
    content = content_of(Source([b"some"], fault))
    pieces = iter(content.pieces())
    assert next(pieces) == b"some"
    for reading in (pieces, content.pieces()):
        with pytest.raises(ReadFailed) as caught:
            next(iter(reading))
        assert caught.value is fault
    assert content.fault is fault


def test_after_the_end_comes_the_end_and_after_the_answer_nothing() -> None:
    content = content_of(Source([b"all"]))
    assert list(content.pieces()) == [b"all"]
    assert list(content.pieces()) == []
    content.close()
    assert list(content.pieces()) == []
    left = content_of(Source([b"some", b"more"]))
    assert next(iter(left.pieces())) == b"some"
    left.close()
    with pytest.raises(RuntimeError, match="answered"):
        next(iter(left.pieces()))


@pytest.mark.parametrize(
    ("kind", "status"), [("text/plain", 415), ("multipart/form-data", 400), ("", 415)]
)
def test_what_is_no_form_has_no_parts(kind: str, status: int) -> None:
    content = content_of(Source([]), headers=Headers({"content-type": kind} if kind else {}))
    with pytest.raises(Malformed) as caught:
        content.parts()
    assert caught.value.status_code == status


def test_without_a_loop_a_thread_cannot_wait() -> None:
    content = StreamedContent(Source([]).next_piece, HEADERS, DEFAULT_LIMITS, inline, None, None)
    with pytest.raises(RuntimeError, match="no loop"):
        list(content.pieces())


# --- to the disk ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, 65_536, 10**9])
def test_a_part_is_saved_with_its_size_and_digest(size: int, tmp_path: Path) -> None:
    data = b"\r\n--x" * (3 * BATCH // 5)
    form = part("f", data, "f") + b"--xyz--\r\n"
    for each in content_of(Source(cut(form, size))).parts():
        each.save(tmp_path / "blocking")
        assert (each.size, each.sha256) == (len(data), hashlib.sha256(data).hexdigest())

    async def save() -> None:
        async for each in content_of(Source(cut(form, size))).parts():
            await each.save(tmp_path / "waiting")
            assert (each.size, each.sha256) == (len(data), hashlib.sha256(data).hexdigest())

    run_sync(save())
    assert (tmp_path / "blocking").read_bytes() == (tmp_path / "waiting").read_bytes() == data


def test_a_part_that_breaks_off_is_not_saved(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"before")
    source = Source([part("f", b"x" * 1000, "f")[:-2]], ReadFailed("gone", phase="read"))
    with pytest.raises(ReadFailed):
        [each.save(tmp_path / "f") for each in content_of(source).parts()]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"before"


def test_a_full_disk_is_the_contents_fault_and_not_the_handlers(tmp_path: Path) -> None:
    class Full:
        size, sha256 = 0, ""

        def write(self, pieces: object) -> None:
            raise TooLarge("free_space", 0, 507)

        def close(self) -> None:
            pass

    content = content_of(Source([FORM]))
    content.saving = lambda path, exclusive: Full()  # type: ignore[assignment,return-value]
    with pytest.raises(TooLarge) as caught:
        [each.save(tmp_path / "x") for each in content.parts()]
    assert content.fault is caught.value


def test_a_batch_keeps_large_pieces_as_they_are_and_joins_small_ones() -> None:
    batch, large = Batch(), b"x" * 5000
    for piece in (b"a", b"b", large, b"c"):
        batch.add(piece)
    assert batch.size == 5003
    pieces = batch.take()
    assert pieces == [b"ab", large, b"c"]
    assert pieces[1] is large
    assert (batch.size, batch.take_whole()) == (0, b"")


def test_work_behind_the_flow_raises_in_the_flow_and_in_order() -> None:
    done: list[str] = []

    class Running:
        """A Task that runs when it is waited for."""

        def __init__(self, flow: Any) -> None:
            self.flow = flow
            self.is_cancelled = False

        def __await__(self) -> Any:
            return self.flow.__await__()

        def cancel(self) -> None:
            self.is_cancelled = True
            self.flow.close()

        def done(self) -> bool:
            return False

    def failing() -> None:
        raise TooLarge("spool", 1, 507)

    async def story() -> None:
        behind = Behind(inline, Running)
        for number in range(3):
            await behind.begin(
                lambda number=number: done.append(f"write {number}"),  # type: ignore[misc]
                lambda number=number: done.append(f"digest {number}"),  # type: ignore[misc]
            )
            assert f"write {number}" not in done
        await behind.begin_alone(lambda: done.append("keep"))
        await behind.finish()
        assert [each for each in done if each[0] == "w"] == ["write 0", "write 1", "write 2"]
        assert [each for each in done if each[0] == "d"] == ["digest 0", "digest 1", "digest 2"]
        assert done[-1] == "keep"
        await behind.begin(failing, lambda: None)
        with pytest.raises(TooLarge):
            await behind.begin(lambda: done.append("no"), lambda: None)
        behind.stop()
        assert "no" not in done

    run_sync(story())


# --- telling -------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 300_000), max_size=60), st.booleans())
def test_a_program_is_told_the_beginning_the_end_and_little_between(
    sizes: list[int], is_known: bool
) -> None:
    told: list[UploadProgress] = []
    total = sum(sizes)
    request = Request("POST", "http://a.example/")
    telling = Telling(lambda _, step: told.append(step), request, total if is_known else None)
    telling.begin()
    for size in sizes:
        telling.add(size)
    telling.finish()
    telling.finish(failed=True)  # it is over already
    known = total if is_known else None
    assert told[0] == UploadProgress(0, known)
    assert told[-1] == UploadProgress(total, known, ended=True)
    steps = [later.received - sooner.received for sooner, later in pairwise(told[:-1])]
    assert all(step >= 65_536 for step in steps)
    if is_known:
        assert len(told) <= 103


# --- work ----------------------------------------------------------------------------------------


class Work:
    """Counts calls, and the bytes that searches of the parser may look at."""

    def __init__(self) -> None:
        self.calls = self.bytes = 0

    def note(self, frame: FrameType, event: str, detail: object) -> None:
        if event == "c_call":
            looked_at = getattr(detail, "__self__", None)
            if isinstance(looked_at, bytes | bytearray) and "find" in str(detail):
                self.bytes += len(looked_at) - self.start_of(frame)
        if event in ("call", "c_call"):
            self.calls += 1

    def start_of(self, frame: FrameType) -> int:
        """Where in its buffer a search of the parser begins."""
        known = frame.f_locals
        if frame.f_code.co_name == "_next_line":
            return int(max(known["start"], known["self"]._searched))
        return int(known.get("at", 0))

    def count(self, work: Callable[[], object]) -> tuple[int, int]:
        before = sys.getprofile()
        sys.setprofile(self.note)
        try:
            work()
        finally:
            sys.setprofile(before)
        return self.calls, self.bytes


def field(name: str, value: bytes) -> bytes:
    return f"--xyz\r\n{name}: ".encode() + value + b"\r\n"


GROWING: list[tuple[str, Callable[[int], bytes]]] = [
    ("a file", lambda n: part("f", b"x" * n, "f")),
    ("a field", lambda n: part("f", b"x" * n)),
    ("a file of CR", lambda n: part("f", b"\r" * n, "f")),
    ("a file of line ends", lambda n: part("f", b"\r\n" * (n // 2), "f")),
    ("a file of near misses", lambda n: part("f", b"\r\n--xy" * (n // 6), "f")),
    ("a file of dashes", lambda n: part("f", b"\r\n--" * (n // 4), "f")),
    ("many parts", lambda n: part("f", b"") * (n // 50)),
    ("many files", lambda n: part("f", b"x" * 10, "f") * (n // 80)),
    ("a long name", lambda n: part("f" * n, b"")),
    ("a long file's name", lambda n: part("f", b"", "\\" * n)),
    ("a name of escapes", lambda n: part("%22" * (n // 3), b"")),
    ("a long field of a part", lambda n: field("X", b"y" * n) + part("f", b"")[7:]),
    ("a field of blanks", lambda n: field("X", b" \t" * (n // 2)) + part("f", b"")[7:]),
    ("a field of semicolons", lambda n: field("X", b";" * n) + part("f", b"")[7:]),
    ("many parameters", lambda n: part('f"; a="b' * (n // 8), b"")),
    ("many fields of a part",
     lambda n: b"--xyz\r\n" + b"X-Y: z\r\n" * (n // 8) + part("f", b"")[7:]),
]  # fmt: skip


def read_parts(pieces: list[bytes]) -> None:
    """Read a form part by part; many of these are refused in the end, which costs as much."""
    try:
        for each in content_of(Source(pieces), limits=ANY).parts():
            for _ in each.pieces():
                pass
    except RemoteError:
        pass


def read_whole(pieces: list[bytes]) -> None:
    def none() -> BinaryIO:
        raise AssertionError("nothing here is so large")

    limits = replace(ANY, field_in_memory=10**9)
    flow = read_form(Source(pieces), HEADERS, None, none, lambda: None, inline, limits)
    try:
        _, files = run_sync(flow)
        files.close()
    except RemoteError:
        pass


@pytest.mark.rfc("7578", "4")
@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize("read", [read_parts, read_whole])
@pytest.mark.parametrize(("what", "made"), GROWING, ids=[name for name, _ in GROWING])
def test_four_times_as_much_is_less_than_five_times_the_work(
    what: str, made: Callable[[int], bytes], read: Callable[[list[bytes]], None], size: int
) -> None:
    spent = []
    read([b"--xyz--\r\n"])  # so that none of them compiles a pattern
    for amount in (0, 600, 2400):
        pieces = cut(made(amount) + b"--xyz--\r\n", size)
        spent.append(Work().count(lambda pieces=pieces: read(pieces)))  # type: ignore[misc]
    assert spent[0] < spent[1]
    for kind in (0, 1):
        nothing, once, four = (each[kind] for each in spent)
        assert four - nothing < 5 * (once - nothing) + 200, spent
