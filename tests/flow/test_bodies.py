"""Content in and out: whole, dropped, sent in pieces; closed on every way out, threads included."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.flow.bodies import Lent, drain, let_go, read_whole, send_body
from crlf.flow.run import run_sync
from crlf.message.body import SMALL_FILE, UPLOAD_PIECE, FileBody, JoinedBody, body_of
from crlf.message.errors import (
    LocalError,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    TooLarge,
    WriteFailed,
)
from crlf.message.headers import Headers
from crlf.message.progress import WatchedBody
from crlf.wire.parts import CLOSED, END, Data, End, Part

T = TypeVar("T")


async def inline(work: Callable[[], T], /) -> T:
    return work()


async def threaded(work: Callable[[], T], /) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)


def never() -> None:
    return None


class Source:
    """Parts that have come, then an error; notes the deadlines it is given."""

    def __init__(self, parts: Iterable[Part], fault: Exception | None = None) -> None:
        self.parts = iter(parts)
        self.fault = fault
        self.deadlines: list[float | None] = []

    async def next_part(self, deadline: float | None) -> Part:
        self.deadlines.append(deadline)
        part = next(self.parts, None)
        if part is None:
            raise self.fault or ReadFailed("nothing more")
        return part


class Sink:
    """Keeps what is sent; breaks when it is told to."""

    sends_files = False

    def __init__(self, breaks_at: int | None = None) -> None:
        self.sent: list[Part] = []
        self.files: list[tuple[int, int, int]] = []
        self.flushed = 0
        self.breaks_at = breaks_at

    def send(self, part: Part) -> None:
        self.sent.append(part)

    async def flush(self, deadline: float | None) -> None:
        if self.flushed == self.breaks_at:
            raise WriteFailed("gone")
        self.flushed += 1

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        await self.flush(deadline_of())
        self.files.append((descriptor, offset, count))

    @property
    def content(self) -> bytes:
        return b"".join(part.data for part in self.sent if isinstance(part, Data))


def data(*pieces: bytes) -> list[Part]:
    return [*map(Data, pieces), END]


# --- reading it whole ----------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=9000), max_size=12))
def test_the_pieces_make_the_content_however_they_are_cut(pieces: list[bytes]) -> None:
    content, trailers = run_sync(read_whole(Source(data(*pieces)), None, never))
    assert content == b"".join(pieces)
    assert type(content) is bytes
    assert not trailers.fields


def test_a_body_in_one_piece_is_not_copied() -> None:
    piece = b"small"
    assert run_sync(read_whole(Source(data(piece)), 10, never))[0] is piece


def test_no_body_is_no_bytes() -> None:
    assert run_sync(read_whole(Source([END]), 0, never))[0] == b""


def test_trailers_come_with_the_end() -> None:
    trailers = Headers({"digest": "x"})
    assert run_sync(read_whole(Source([Data(b"a"), End(trailers)]), None, never))[1] is trailers


@pytest.mark.parametrize("cut", [(100,), (99, 1), (1,) * 100])
def test_the_limit_is_the_last_size_that_is_let_through(cut: tuple[int, ...]) -> None:
    pieces = [b"x" * size for size in cut]
    assert len(run_sync(read_whole(Source(data(*pieces)), 101, never))[0]) == 100
    assert len(run_sync(read_whole(Source(data(*pieces)), 100, never))[0]) == 100
    with pytest.raises(TooLarge) as caught:
        run_sync(read_whole(Source(data(*pieces)), 99, never))
    assert (caught.value.what, caught.value.limit, caught.value.status_code) == ("body", 99, 413)


def test_a_length_over_the_limit_is_refused_before_anything_is_waited_for() -> None:
    source = Source(data(b"x" * 100))
    with pytest.raises(TooLarge):
        run_sync(read_whole(source, 99, never, length=100))
    assert source.deadlines == []


def test_too_much_is_refused_when_it_comes_not_at_the_end() -> None:
    source = Source(data(*[b"x" * 10] * 100))
    with pytest.raises(TooLarge):
        run_sync(read_whole(source, 25, never))
    assert len(source.deadlines) == 3


def test_each_wait_has_its_own_deadline() -> None:
    source = Source(data(b"a", b"b"))
    clock = iter([1.0, 2.0, 3.0])
    run_sync(read_whole(source, None, lambda: next(clock)))
    assert source.deadlines == [1.0, 2.0, 3.0]


@pytest.mark.rfc("9112", "8")
@pytest.mark.parametrize("fault", [ReadFailed("x"), ReadTimeout("x"), RemoteError("short")])
def test_a_body_that_breaks_off_is_never_a_whole_one(fault: Exception) -> None:
    with pytest.raises(type(fault)):
        run_sync(read_whole(Source([Data(b"half")], fault), None, never))


def test_a_message_that_was_read_before_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError, match="read before"):
        run_sync(read_whole(Source([CLOSED]), None, never))


# --- dropping the rest ---------------------------------------------------------------------------


@pytest.mark.rfc("9112", "9.3")
def test_what_is_left_is_dropped_up_to_a_limit() -> None:
    assert run_sync(drain(Source(data(b"12345", b"67890")), 10, None))
    assert not run_sync(drain(Source(data(b"12345", b"678901")), 10, None))
    assert run_sync(drain(Source([END]), 0, None))


def test_dropping_stops_at_the_first_byte_too_many() -> None:
    source = Source(data(*[b"x"] * 100))
    assert not run_sync(drain(source, 3, 9.0))
    assert source.deadlines == [9.0] * 4


@pytest.mark.parametrize(
    "fault", [ReadFailed("x"), ReadTimeout("x"), RemoteError("x"), TooLarge("trailers", 1)]
)
def test_what_cannot_be_dropped_ends_the_connection(fault: Exception) -> None:
    assert not run_sync(drain(Source([Data(b"x")], fault), 10, None))
    assert not run_sync(drain(Source([CLOSED]), 10, None))


# --- sending -------------------------------------------------------------------------------------


def send(body: object, sink: Sink | None = None) -> Sink:
    sink = sink or Sink()
    made = body_of(body)
    assert not isinstance(made, bytes)
    run_sync(send_body(sink, made, never, inline))
    return sink


def test_an_iterable_goes_out_piece_by_piece_with_an_end() -> None:
    sink = send([b"a", bytearray(b"b"), memoryview(b"c")])
    assert sink.sent == [Data(b"a"), Data(b"b"), Data(b"c"), END]
    assert sink.flushed == 4


def test_a_piece_is_sent_before_the_next_is_made() -> None:
    sink = Sink()

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            assert sink.flushed == number
            yield b"x"

    assert send(pieces(), sink).content == b"xxx"


class Endless(io.BytesIO):
    """A file as in /proc: it can be read from its start again, and does not say how long it is."""

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            raise OSError(errno.EINVAL, "Invalid argument")
        return super().seek(offset)


def test_a_file_without_an_end_to_seek_is_sent_without_a_length() -> None:
    body = FileBody(Endless(b"Linux"))
    assert (body.length, body.span()) == (None, None)
    assert [b"".join(body.chunks()) for _ in range(2)] == [b"Linux", b"Linux"]


def test_a_file_is_sent_from_a_thread() -> None:
    hops = 0

    async def counting(work: Callable[[], T], /) -> T:
        nonlocal hops
        hops += 1
        return work()

    file = io.BytesIO(b"x" * 600_000)
    sink = Sink()
    run_sync(send_body(sink, FileBody(file, closing=True), never, counting))
    assert len(sink.content) == 600_000
    assert sink.sent[-1] is END
    assert hops == 4  # three pieces, and the look behind the last
    assert file.closed


def test_a_joined_body_with_an_empty_part_is_sent_to_its_end() -> None:
    body = JoinedBody([b"a", b"", (1, lambda: FileBody(io.BytesIO(b"b"))), b"c"])
    sink = Sink()
    run_sync(send_body(sink, body, never, inline))
    assert sink.content == b"abc"


def test_an_asynchronous_iterable_is_waited_for_and_closed() -> None:
    closed = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    assert send(pieces()).content == b"ab"
    with pytest.raises(WriteFailed):
        send(pieces(), Sink(breaks_at=1))
    assert closed == [True, True]


def test_a_generator_is_closed_when_the_peer_is_gone() -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    with pytest.raises(WriteFailed):
        send(pieces(), Sink(breaks_at=2))
    assert closed == [True]


@pytest.mark.parametrize("breaks_at", [0, 1, 2, 3])
def test_a_file_is_closed_when_the_peer_is_gone(breaks_at: int) -> None:
    file = io.BytesIO(b"x" * 600_000)
    with pytest.raises(WriteFailed):
        send(FileBody(file, closing=True), Sink(breaks_at))
    assert file.closed


def test_a_file_of_the_callers_is_left_open() -> None:
    file = io.BytesIO(b"abc")
    assert send(file).content == b"abc"
    assert not file.closed


def test_a_file_that_shrank_is_no_success() -> None:
    file = io.BytesIO(b"abc")
    sink = Sink()
    with pytest.raises(LocalError, match="2 bytes before"):
        send(FileBody(file, 5, closing=True), sink)
    assert END not in sink.sent
    assert file.closed


def test_a_file_that_grew_is_sent_as_promised() -> None:
    assert send(FileBody(io.BytesIO(b"abcdef"), 3)).content == b"abc"


def test_text_is_not_bytes() -> None:
    sink = Sink()
    with pytest.raises(TypeError, match="not str"):
        send(iter(["text"]), sink)
    assert sink.sent == []


def test_what_the_body_raises_is_raised_and_no_end_is_sent() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("the program's own")

    sink = Sink()
    with pytest.raises(KeyError):
        send(pieces(), sink)
    assert sink.sent == [Data(b"a")]


def test_a_body_that_is_not_sent_can_be_let_go_of() -> None:
    file = io.BytesIO(b"abc")
    let_go(FileBody(file, closing=True))
    assert file.closed
    let_go(b"bytes hold nothing open")


# --- files that go as they are -------------------------------------------------------------------


class FileSink(Sink):
    """A sink that takes files from their descriptors."""

    sends_files = True

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        await super().send_file(descriptor, offset, count, deadline_of)
        self.sent.append(Data(os.pread(descriptor, count, offset)))


MUCH = bytes(range(251)) * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "much.bin"
    path.write_bytes(MUCH)
    return path


async def no_thread(work: Callable[[], T], /) -> T:
    raise AssertionError("a file that the kernel sends needs no thread")


@pytest.mark.parametrize("buffering", [0, -1])
@pytest.mark.parametrize("mode", ["rb", "r+b"])
def test_an_open_file_goes_by_its_descriptor(path: Path, mode: str, buffering: int) -> None:
    with open(path, mode, buffering=buffering) as file:
        file.read(5)
        sink = FileSink()
        body = FileBody(file)
        run_sync(send_body(sink, body, never, no_thread))
        assert sink.files == [(file.fileno(), 5, len(MUCH) - 5)]
        assert sink.content == MUCH[5:]
        assert sink.sent[-1] is END
        assert file.tell() == len(MUCH)  # as if it had been read
        run_sync(send_body(sink, body, never, no_thread))  # once more, from where it stood
        assert sink.files[1] == sink.files[0]


def test_what_was_written_to_a_file_is_in_it_when_it_goes() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(MUCH)
        file.seek(0)
        assert send(file, FileSink()).content == MUCH
        file.write(b"still in the buffer")
        file.seek(0)
        assert send(file, FileSink()).content == MUCH + b"still in the buffer"


def test_a_small_file_is_read_and_joins_its_head(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * SMALL_FILE)
    file = open(tmp_path / "small", "rb")  # noqa: SIM115 - the body closes it
    sink = FileSink()
    run_sync(send_body(sink, FileBody(file, SMALL_FILE, closing=True), never, no_thread))
    assert (sink.files, sink.content) == ([], b"x" * SMALL_FILE)
    assert file.closed


def test_only_a_plain_file_is_what_its_descriptor_says(path: Path) -> None:
    class Shouting(io.FileIO):
        def read(self, size: int = -1, /) -> bytes:
            return (super().read(size) or b"").upper()

    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(MUCH))
    with gzip.open(packed) as file:  # its fileno is that of what is packed
        assert send(file, FileSink()).content == MUCH
    with Shouting(path) as file:
        assert FileBody(file).span() is None
    with io.BufferedReader(Shouting(path)) as file:
        assert FileBody(file).span() is None
    assert FileBody(io.BytesIO(MUCH)).span() is None
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as file, os.fdopen(theirs, "wb"):
        assert FileBody(file).span() is None
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as file, os.fdopen(theirs, "wb"):
        assert FileBody(file, 10).span() is None


@pytest.mark.parametrize("sends_files", [True, False])
def test_a_joined_body_alternates_between_bytes_and_files(path: Path, sends_files: bool) -> None:
    opened: list[FileBody] = []

    def open_file() -> FileBody:
        opened.append(FileBody(open(path, "rb"), len(MUCH), closing=True))  # noqa: SIM115
        return opened[-1]

    small = io.BytesIO(b"not on disk")
    parts: list[bytes | tuple[int | None, Callable[[], Any]]] = [
        b"head", (len(MUCH), open_file), b"between", (len(MUCH), open_file),
        (11, lambda: FileBody(small)), (1, lambda: body_of([b"!"])), b"", b"tail",
    ]  # fmt: skip
    body = JoinedBody(parts)
    sink = FileSink() if sends_files else Sink()
    run_sync(send_body(sink, body, never, inline))
    assert sink.content == b"head" + MUCH + b"between" + MUCH + b"not on disk" + b"!" + b"tail"
    assert len(sink.content) == body.length
    assert len(sink.files) == (2 if sends_files else 0)
    assert all(body.file.closed for body in opened)


@pytest.mark.parametrize("what", ["file", "form"])
def test_who_watches_is_told_of_files_too(path: Path, what: str) -> None:
    size = 2 * UPLOAD_PIECE + 5
    path.write_bytes(b"x" * size)
    told: list[tuple[int, int | None]] = []
    with open(path, "rb") as file:
        plain: Any = file
        if what == "form":
            plain = JoinedBody([b"head", (size, lambda: FileBody(file)), b"tail"])
        body = WatchedBody(plain, lambda sent, whole: told.append((sent, whole)))
        sink = FileSink()
        run_sync(send_body(sink, body, never, inline))
    assert len(sink.files) == 3
    before = [0] if what == "file" else [0, 4]
    after = [] if what == "file" else [size + 8]
    steps = [before[-1] + UPLOAD_PIECE, before[-1] + 2 * UPLOAD_PIECE, before[-1] + size]
    whole = size if what == "file" else size + 8
    assert told == [(sent, whole) for sent in [*before, *steps, *after]]


@pytest.mark.parametrize("breaks_at", [0, 1])
def test_a_file_that_goes_by_itself_is_closed_when_the_peer_is_gone(
    path: Path, breaks_at: int
) -> None:
    file = open(path, "rb")  # noqa: SIM115 - the body closes it
    with pytest.raises(WriteFailed):
        send(FileBody(file, len(MUCH), closing=True), FileSink(breaks_at))
    assert file.closed


def test_a_cancelled_flow_closes_the_file_that_goes_by_itself(path: Path) -> None:
    class Stuck(FileSink):
        async def send_file(self, *_: object) -> None:
            await asyncio.sleep(10)

    file = open(path, "rb")  # noqa: SIM115 - the body closes it

    async def story() -> None:
        body = FileBody(file, len(MUCH), closing=True)
        task = asyncio.ensure_future(send_body(Stuck(), body, never, threaded))
        await asyncio.sleep(0.01)
        assert not file.closed
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert file.closed


# --- threads and cancelled flows -----------------------------------------------------------------


class Slow(io.BytesIO):
    """A file whose read takes as long as somebody wants it to."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.is_reading = threading.Event()
        self.may_go_on = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.is_reading.set()
        self.may_go_on.wait(10)
        return super().read(size)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_a_flow_cancelled_while_a_thread_reads_closes_the_file_after_the_read() -> None:
    file = Slow(b"x" * 1000)

    async def story() -> None:
        body = FileBody(file, 1000, closing=True)
        task = asyncio.ensure_future(send_body(Sink(), body, never, threaded))
        await until(file.is_reading.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not file.closed  # a thread still reads it
        file.may_go_on.set()
        await until(lambda: file.closed)

    asyncio.run(story())


def test_a_flow_cancelled_before_its_thread_begins_closes_the_file_at_once() -> None:
    file = io.BytesIO(b"x")

    async def story() -> None:
        async def stuck(work: Callable[[], T], /) -> T:
            await asyncio.sleep(10)
            return work()

        body = FileBody(file, 1, closing=True)
        task = asyncio.ensure_future(send_body(Sink(), body, never, stuck))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert file.closed


@pytest.mark.parametrize("body_is", ["plain", "waiting"])
def test_a_flow_cancelled_while_it_writes_closes_its_body(body_is: str) -> None:
    closed = []

    def plain() -> Iterator[bytes]:
        try:
            yield b"a"
        finally:
            closed.append(True)

    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield b"a"
        finally:
            closed.append(True)

    class Stuck(Sink):
        async def flush(self, deadline: float | None) -> None:
            await asyncio.sleep(10)

    async def story() -> None:
        body = body_of(plain() if body_is == "plain" else waiting())
        assert not isinstance(body, bytes)
        task = asyncio.ensure_future(send_body(Stuck(), body, never, threaded))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert closed == [True]


def test_lent_closes_once_whoever_is_last() -> None:
    closed: list[str] = []
    lent = Lent(lambda: closed.append("closed"))
    assert lent.use(lambda: 5) == 5
    assert lent.use(lambda: lent.let_go()) is None  # gone while it is used
    assert closed == ["closed"]
    lent.let_go()
    with pytest.raises(RuntimeError):
        lent.use(lambda: closed.append("used"))
    assert closed == ["closed"]


def test_lent_closes_when_the_work_fails_after_its_flow_is_gone() -> None:
    closed = []
    lent = Lent(lambda: closed.append(True))

    def work() -> None:
        lent.let_go()
        raise KeyError

    with pytest.raises(KeyError):
        lent.use(work)
    assert closed == [True]


def test_lent_closes_once_under_a_race() -> None:
    async def race() -> None:
        for _ in range(300):
            closed: list[bool] = []
            lent = Lent(lambda closed=closed: closed.append(True))  # type: ignore[misc]
            work = asyncio.get_running_loop().run_in_executor(None, lent.use, never)
            await asyncio.sleep(0)
            lent.let_go()
            await asyncio.gather(work, return_exceptions=True)
            assert closed == [True]

    asyncio.run(race())
