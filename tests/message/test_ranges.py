"""Range, Content-Range, Accept-Ranges and If-Range: read strictly, written as they are read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.dates import build_date
from crlf.message.fields.etags import ETag
from crlf.message.fields.ranges import (
    MAX_RANGES,
    ByteRange,
    ContentRange,
    build_range,
    if_range_holds,
    parse_content_range,
    parse_range,
    refuses_ranges,
)
from crlf.message.headers import Headers

NOW = 1_700_000_000


@pytest.mark.rfc("9110", "14.1.2")
@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-", [(500, None)]),
        ("bytes=-500", [(None, 500)]),
        ("bytes=-0", [(None, 0)]),
        ("BYTES=0-0", [(0, 0)]),
        ("bytes=0-0, -1", [(0, 0), (None, 1)]),
        ("bytes= 0-0 ,\t5-9", [(0, 0), (5, 9)]),
        ("bytes=,0-0,,5-9,", [(0, 0), (5, 9)]),
        ("bytes=00-01", [(0, 1)]),
        (f"bytes=0-{'9' * 19}", [(0, int("9" * 19))]),
    ],
)
def test_a_range_is_read(text: str, ranges: list[tuple[int | None, int | None]]) -> None:
    assert parse_range(text) == tuple(ByteRange(*one) for one in ranges)


@pytest.mark.rfc("9110", "14.2")
@pytest.mark.parametrize(
    "text",
    [
        "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=--1", "bytes=5-1", "bytes=a-b",
        "bytes=0-5;x", "bytes=+1-5", "bytes=1_0-20", "bytes=\u0661-5", "bytes=0x1-5", "bytes 0-5",
        "bytes=0 - 5", "items=0-5", "bytes=0-5,x", 'bytes="0-5"', f"bytes=0-{'9' * 20}",
        "bytes=0-5\n", "bytes=" + "0-," * 1000, "bytes=" + "," * 100_000,
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_read_asks_for_everything(text: str) -> None:
    assert parse_range(text) is None


@pytest.mark.rfc("9110", "17.15")
def test_too_many_ranges_ask_for_everything() -> None:
    assert len(parse_range("bytes=" + ",".join(["0-0"] * MAX_RANGES)) or ()) == MAX_RANGES == 16
    assert parse_range("bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1))) is None


def test_a_range_of_many_members_is_read_in_no_time() -> None:
    began = time.process_time()
    parse_range("bytes=" + "0-1," * 1_000_000)
    parse_range("bytes=" + " " * 1_000_000)
    parse_content_range("bytes " + "0" * 1_000_000)
    assert time.process_time() - began < 0.5


@pytest.mark.rfc("9110", "14.1.2")
@pytest.mark.parametrize(
    ("one", "size", "found"),
    [
        (ByteRange(0, 0), 10, (0, 0)),
        (ByteRange(0, 99), 10, (0, 9)),
        (ByteRange(9), 10, (9, 9)),
        (ByteRange(10), 10, None),
        (ByteRange(10, 20), 10, None),
        (ByteRange(None, 3), 10, (7, 9)),
        (ByteRange(None, 30), 10, (0, 9)),
        (ByteRange(None, 0), 10, None),
        (ByteRange(None, 5), 0, None),
        (ByteRange(0), 0, None),
    ],
)
def test_a_range_within_a_size(one: ByteRange, size: int, found: tuple[int, int] | None) -> None:
    assert one.within(size) == found


ranges = st.one_of(
    st.builds(ByteRange, st.integers(0, 10**18), st.none()),
    st.builds(ByteRange, st.none(), st.integers(0, 10**18)),
    st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)).map(
        lambda pair: ByteRange(min(pair), max(pair))
    ),
)


@given(st.lists(ranges, min_size=1, max_size=MAX_RANGES))
def test_what_is_written_is_read(some: list[ByteRange]) -> None:
    assert parse_range(build_range(*some)) == tuple(some)


@given(ranges, st.integers(0, 10**9))
def test_what_is_found_is_inside(one: ByteRange, size: int) -> None:
    found = one.within(size)
    if found is not None:
        assert 0 <= found[0] <= found[1] < size


@pytest.mark.rfc("9110", "14.4")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 0-499/1234", ContentRange(0, 499, 1234)),
        ("Bytes 5-5/*", ContentRange(5, 5, None)),
        ("bytes */1234", ContentRange(None, None, 1234)),
        ("bytes 0-9/10", ContentRange(0, 9, 10)),
    ],
)
def test_a_content_range_is_read_and_written(text: str, found: ContentRange) -> None:
    assert parse_content_range(text) == found
    assert found.build() == text.lower()


@pytest.mark.rfc("9110", "14.4")
@pytest.mark.parametrize(
    "text",
    [
        "", "bytes", "bytes */*", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "bytes 0-/10",
        "bytes -5/10", "bytes=0-9/10", "items 0-9/10", "bytes 0-9/10, bytes 0-9/10",
        "bytes  0-9/10", "bytes 0-9/+10", "bytes 0-9/1_0", "bytes \u0660-9/10",
        f"bytes 0-9/{'9' * 20}", "bytes 0-9/10\n",
    ],
)  # fmt: skip
def test_a_content_range_that_cannot_be_true_belongs_to_nothing(text: str) -> None:
    assert parse_content_range(text) is None


@pytest.mark.rfc("9110", "14.3")
@pytest.mark.parametrize(
    ("fields", "refuses"),
    [
        ([], False),
        ([("accept-ranges", "bytes")], False),
        ([("accept-ranges", "Bytes")], False),
        ([("accept-ranges", "pages"), ("Accept-Ranges", "bytes")], False),
        ([("accept-ranges", "none")], True),
        ([("accept-ranges", "")], True),
        ([("accept-ranges", '"')], True),
    ],
)
def test_who_refuses_ranges_says_so(fields: list[tuple[str, str]], refuses: bool) -> None:
    assert refuses_ranges(Headers(fields)) is refuses


@pytest.mark.rfc("9110", "13.1.5")
@pytest.mark.parametrize(
    ("text", "etag", "modified", "holds"),
    [
        ('"a"', ETag("a"), None, True),
        ('"a"', ETag("b"), None, False),
        ('"a"', None, None, False),
        ('W/"a"', ETag("a"), None, False),
        ('W/"a"', ETag("a", weak=True), None, False),
        ('"a"', ETag("a", weak=True), None, False),
        ('"a", "b"', ETag("a"), None, False),
        ("*", ETag("*"), None, False),
        ("a", ETag("a"), NOW, False),
        (build_date(NOW - 60), ETag("a"), NOW - 60, True),
        (build_date(NOW - 60), ETag("a"), NOW - 61, False),
        (build_date(NOW - 60), None, NOW - 59, False),
        (build_date(NOW - 60), None, None, False),
        (build_date(NOW), None, NOW, False),
    ],
)
def test_if_range_is_strong(
    text: str, etag: ETag | None, modified: int | None, holds: bool
) -> None:
    assert if_range_holds(text, etag, modified, NOW) is holds
