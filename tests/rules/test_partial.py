"""What of a representation a request gets: conditions and ranges, against a model of them."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crlf.message.dates import build_date
from crlf.message.fields.etags import ETag
from crlf.message.fields.ranges import MAX_RANGES
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.rules.partial import (
    WHOLE,
    Selection,
    answer_bytes,
    conditional,
    multipart,
    part_headers,
    select,
)

NOW = 1_795_000_000
MODIFIED = NOW - 1000
TAG = ETag("x")
DATE = build_date(MODIFIED)


def boundary() -> str:
    return "XYZ"


def chosen(
    method: str = "GET", size: int | None = 10, etag: ETag | None = TAG, **fields: str
) -> Selection:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    return select(method, headers, etag, MODIFIED, size, NOW)


@pytest.mark.rfc("9110", "14.2")
@pytest.mark.parametrize(
    ("text", "status_code", "parts"),
    [
        ("bytes=0-4", 206, [(0, 4)]),
        ("bytes=5-", 206, [(5, 9)]),
        ("bytes=-3", 206, [(7, 9)]),
        ("bytes=-300", 206, [(0, 9)]),
        ("bytes=0-0,9-9", 206, [(0, 0), (9, 9)]),
        ("bytes=9-9,0-0", 206, [(9, 9), (0, 0)]),
        ("bytes=20-,0-1", 206, [(0, 1)]),
        ("bytes=-0,0-1", 206, [(0, 1)]),
        ("bytes=10-", 416, []),
        ("bytes=-0", 416, []),
        ("bytes=10-,20-30,-0", 416, []),
        ("bytes=5-1", 200, []),
        ("bytes=--1", 200, []),
        ("pages=1-2", 200, []),
        ("bytes=0-1;x", 200, []),
        ("bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)), 200, []),
        ("bytes=" + "0-," * 1000, 200, []),
        ("bytes=0-,0-", 200, []),  # more than the whole
        ("bytes=0-1,1-2,2-3", 206, [(0, 1), (1, 2), (2, 3)]),
        ("bytes=0-1,1-2,2-3,3-4", 200, []),  # three overlap with one before
    ],
    ids=lambda value: str(value)[:30],
)
def test_ranges(text: str, status_code: int, parts: list[tuple[int, int]]) -> None:
    assert chosen(range=text) == Selection(status_code, tuple(parts))  # type: ignore[arg-type]


@pytest.mark.rfc("9110", "14.1.2")
def test_ranges_of_nothing() -> None:
    assert chosen(size=0, range="bytes=0-").status_code == 416
    assert chosen(size=0, range="bytes=-0").status_code == 416
    assert chosen(size=0, range="bytes=-5") == WHOLE


@pytest.mark.rfc("9110", "14.2")
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get_has_ranges(method: str) -> None:
    assert chosen(method, range="bytes=0-1") == WHOLE
    assert chosen(method, range="bytes=50-") == WHOLE


def test_what_has_no_size_has_no_ranges() -> None:
    assert chosen(size=None, range="bytes=0-1") == WHOLE


@pytest.mark.rfc("9110", "13.1.5")
@pytest.mark.parametrize(
    ("if_range", "status_code"),
    [
        ('"x"', 206), ('"y"', 200), ('W/"x"', 200), ("*", 200), (DATE, 206), ("", 200),
        (build_date(MODIFIED + 1), 200), (build_date(MODIFIED - 1), 200), ('"x", "y"', 200),
    ],
)  # fmt: skip
def test_parts_are_of_the_state_that_was_asked_for(if_range: str, status_code: int) -> None:
    assert chosen(range="bytes=0-1", if_range=if_range).status_code == status_code
    # Where it does not hold nothing is unsatisfiable either.
    after = 416 if status_code == 206 else 200
    assert chosen(range="bytes=50-", if_range=if_range).status_code == after


@pytest.mark.rfc("9110", "13.1.5")
def test_a_weak_tag_has_no_parts_by_if_range() -> None:
    assert chosen(etag=TAG.weakened(), range="bytes=0-1", if_range='"x"') == WHOLE
    assert chosen(etag=TAG.weakened(), range="bytes=0-1", if_range='W/"x"') == WHOLE
    assert chosen(etag=TAG.weakened(), range="bytes=0-1").status_code == 206


# Each of the five conditions, true and false.
CONDITIONS = {
    "if-match": ('"x"', '"a"'),
    "if-unmodified-since": (DATE, build_date(MODIFIED - 1)),
    "if-none-match": ('"a"', '"x"'),
    "if-modified-since": (build_date(MODIFIED - 1), DATE),
    "if-range": ('"x"', '"a"'),
}


def by_the_rfc(method: str, holds: dict[str, bool | None]) -> int:
    """RFC 9110 13.2.2, its five steps, for a GET or HEAD with a satisfiable Range."""
    if holds["if-match"] is False:
        return 412
    if holds["if-match"] is None and holds["if-unmodified-since"] is False:
        return 412
    if holds["if-none-match"] is False:
        return 304
    if holds["if-none-match"] is None and holds["if-modified-since"] is False:
        return 304
    return 206 if method == "GET" and holds["if-range"] is not False else 200


@pytest.mark.rfc("9110", "13.2.2")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_combination_of_conditions_is_as_the_rfc_says(method: str) -> None:
    for states in itertools.product((True, False, None), repeat=5):
        holds = dict(zip(CONDITIONS, states, strict=True))
        fields = [
            (name, CONDITIONS[name][0 if state else 1])
            for name, state in holds.items()
            if state is not None
        ]
        headers = Headers([*fields, ("range", "bytes=2-3")])
        found = select(method, headers, TAG, MODIFIED, 10, NOW)
        assert found.status_code == by_the_rfc(method, holds), fields


specs = st.one_of(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: f"{min(p)}-{max(p)}"),
    st.integers(0, 60).map(lambda first: f"{first}-"),
    st.integers(0, 60).map(lambda last: f"-{last}"),
)


@settings(max_examples=200)
@given(st.binary(max_size=50), st.lists(specs, min_size=1, max_size=MAX_RANGES))
def test_parts_are_those_bytes(content: bytes, asked: list[str]) -> None:
    """The model: each range as a slice, and what comes back put where it says it belongs."""
    headers = Headers({"range": f"bytes={','.join(asked)}"})
    found = select("GET", headers, TAG, MODIFIED, len(content), NOW)
    wanted = [piece for text in asked if (piece := sliced(content, text))]
    whole = Response.quick(200, Headers({"content-type": "text/x", "etag": '"x"'}), content)
    answer = answer_bytes(found, headers, whole, boundary)
    if found.status_code == 416:
        assert wanted == []
        assert answer.headers["content-range"] == f"bytes */{len(content)}"
    elif found.status_code == 206:
        assert [content[first : last + 1] for first, last in found.parts] == wanted
        assert pieces_of(answer) == [
            (f"bytes {first}-{last}/{len(content)}", content[first : last + 1])
            for first, last in found.parts
        ]
    else:
        assert answer is whole
        assert len(wanted) != 1 or not content


def sliced(content: bytes, text: str) -> bytes:
    first, _, last = text.partition("-")
    if not first:
        return content[-int(last) :] if int(last) else b""
    return content[int(first) : int(last) + 1] if last else content[int(first) :]


def pieces_of(answer: Response) -> list[tuple[str, bytes]]:
    """Take an answer with parts apart, as RFC 2046 5.1.1 has it."""
    kind = answer.headers["content-type"]
    if not kind.startswith("multipart/byteranges"):
        return [(answer.headers["content-range"], answer.content)]
    assert "content-range" not in answer.headers  # RFC 9110 15.3.7.2
    mark = kind.partition("boundary=")[2].encode()
    start, *parts, end = (b"\r\n" + answer.content).split(b"\r\n--" + mark)
    assert (start, end) == (b"", b"--\r\n")
    found = []
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        fields = dict(re.findall(r"\r\n([a-z-]+): ([^\r]*)", head.decode()))
        assert fields["content-type"] == "text/x"
        found.append((fields["content-range"], content))
    return found


@pytest.mark.rfc("9110", "14.6")
def test_the_length_of_several_parts_is_known_before_they_are_read() -> None:
    headers = Headers({"content-type": "text/plain", "content-length": "10", "etag": '"x"'})
    spans = [(0, 1), (4, 9)]
    around = multipart(headers, spans, 10, "XYZ")
    content = b"0123456789"
    sent = b"".join(
        [
            before + content[first : last + 1]
            for before, (first, last) in zip(around.before, spans, strict=True)
        ]
    )
    assert len(sent + around.after) == around.length
    assert "content-length" not in around.headers
    assert around.headers["etag"] == '"x"'
    typeless = multipart(Headers(), spans, 10, "XYZ")
    assert b"content-type" not in b"".join(typeless.before)


@pytest.mark.rfc("9110", "15.3.7")
def test_one_part_says_where_it_belongs() -> None:
    headers = Headers({"content-type": "text/plain", "content-length": "10", "etag": '"x"'})
    fields = part_headers(headers, (2, 5), 10)
    assert fields["content-range"] == "bytes 2-5/10"
    assert (fields["etag"], "content-length" in fields) == ('"x"', False)


# --- any answer -----------------------------------------------------------------------------------


def asked_of(response: Response, method: str = "GET", **fields: str) -> Response:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    return conditional(method, headers, response, NOW, boundary)


def test_an_answer_of_a_program_has_conditions_and_parts() -> None:
    page = Response(200, {"etag": '"x"', "content-type": "text/x"}, b"0123456789")
    assert asked_of(page).headers["accept-ranges"] == "bytes"
    assert asked_of(page, if_none_match='"x"').status_code == 304
    assert asked_of(page, if_match='"y"').status_code == 412
    assert asked_of(page, range="bytes=2-3").content == b"23"
    assert asked_of(page, range="bytes=20-").status_code == 416
    assert pieces_of(asked_of(page, range="bytes=2-3,5-5"))[1] == ("bytes 5-5/10", b"5")
    dated = Response(200, {"last-modified": DATE}, b"0123456789")
    assert asked_of(dated, if_modified_since=DATE).status_code == 304
    assert asked_of(dated, range="bytes=2-3", if_range=DATE).status_code == 206


def test_what_has_no_parts_is_whole() -> None:
    for response in (
        Response(200, {}, b"0123456789"),  # no validator, so parts could be of two states
        Response(200, {"etag": '"x"', "accept-ranges": "none"}, b"0123456789"),
        Response(404, {"etag": '"x"'}, b"0123456789"),
        Response(200, {"etag": '"x"'}, iter([b"0123456789"])),
    ):
        answer = asked_of(response, range="bytes=0-1")
        assert (answer.status_code, answer.body) == (response.status_code, response.body)
    coded = Response(200, {"etag": '"x"', "content-encoding": "gzip"}, b"0123456789")
    assert asked_of(coded, range="bytes=0-1").status_code == 206
    assert asked_of(coded, range="bytes=0-1,3-4").status_code == 200
