"""multipart/form-data: every cut of every body gives the same parts, and every limit holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed, TooLarge
from crlf.values import replace
from crlf.wire.multipart import (
    MAX_PADDING,
    PART_END,
    Finished,
    MultipartLimits,
    MultipartParser,
    MultipartPart,
    PartData,
    PartEnd,
    PartHead,
    build_part_head,
    closing,
    new_boundary,
    opening,
)

B = "bound"
Part = tuple[str, str | None, str | None, bytes]

FORM = (
    b'--bound\r\nContent-Disposition: form-data; name="title"\r\n\r\nA day\r\n'
    b'--bound\r\nContent-Disposition: form-data; name="photo"; filename="a b.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n--boun\r\n--\r\n-\r\r\n\r\n"
    b'--bound\r\nContent-Disposition: form-data; name="none"; filename=""\r\n\r\n\r\n'
    b"--bound--\r\n"
)
FORM_PARTS: list[Part] = [
    ("title", None, None, b"A day"),
    ("photo", "a b.png", "image/png", b"\x89PNG\r\n\x1a\n\r\n--boun\r\n--\r\n-\r\r\n"),
    ("none", "", None, b""),
]
# A preamble and an epilogue, blanks after boundaries, and a content that ends in half a CRLF.
ODD = (
    b"This is a multipart body.\r\n-- bound\r\n"
    b'--bound \t\r\ncontent-disposition:form-data;name="a"\r\nX-Extra: \t\r\n\r\n\r\r\n'
    b'--bound\r\nContent-Disposition: form-data; name="\xc3\xa9"\r\n\r\n--bound\r\n\n\r\n'
    b"--bound-- \r\n--bound\r\nanything"
)
ODD_PARTS: list[Part] = [("a", None, None, b"\r"), ("é", None, None, b"--bound\r\n\n")]


def events(
    chunks: Iterable[bytes], limits: MultipartLimits | None = None
) -> Iterator[MultipartPart]:
    parser = MultipartParser(B, limits or MultipartLimits())
    for chunk in (*chunks, b""):
        parser.receive(chunk)
        while (part := parser.next_part()) is not None:
            yield part
    assert parser.next_part() is None


def pulled(chunks: Iterable[bytes]) -> Iterator[MultipartPart]:
    """What a parser with small limits gives while the chunks are still coming."""
    parser = MultipartParser(B, SMALL)
    for chunk in chunks:
        parser.receive(chunk)
        while (part := parser.next_part()) is not None:
            yield part


def parts(chunks: Iterable[bytes], limits: MultipartLimits | None = None) -> list[Part]:
    """The parts of a body, their content put together; the order of events is checked."""
    found: list[Part] = []
    content: list[bytes] = []
    head: PartHead | None = None
    finished = False
    for part in events(chunks, limits):
        assert not finished
        match part:
            case PartHead():
                assert head is None
                head = part
            case PartData():
                assert head is not None
                assert type(part.data) is bytes
                assert part.data
                content.append(part.data)
            case PartEnd():
                assert head is not None
                found.append((head.name, head.filename, head.content_type, b"".join(content)))
                head, content = None, []
            case Finished():
                finished = True
    assert finished
    assert head is None
    return found


def every_cut(body: bytes) -> Iterator[list[bytes]]:
    """The body whole, in two at every offset, and byte by byte, in twos and in threes."""
    yield [body]
    for at in range(1, len(body)):
        yield [body[:at], body[at:]]
    for size in (1, 2, 3, 7):
        yield [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.rfc("7578", "4")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FORM, FORM_PARTS),
        (ODD, ODD_PARTS),
        (b"--bound--", []),
        (b"--bound--\r\n", []),
        (b"\r\n--bound--\r\n", []),
        (
            b'--bound\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--bound--\t',
            [("a", None, None, b"")],
        ),
    ],
    ids=["form", "odd", "empty", "empty, line end", "empty, after a line", "no last line end"],
)
def test_every_cut_gives_the_same_parts(body: bytes, expected: list[Part]) -> None:
    for cut in every_cut(body):
        assert parts(cut) == expected


def test_content_goes_on_as_the_very_object_that_came() -> None:
    parser = MultipartParser(B)
    parser.receive(opening(B) + build_part_head("file", "x"))
    assert isinstance(parser.next_part(), PartHead)
    for chunk in (b"x" * 5000, b"\r\n--boun" * 500 + b"x", b"\r" * 300 + b"y"):
        parser.receive(chunk)
        part = parser.next_part()
        assert isinstance(part, PartData)
        assert part.data is chunk
        assert parser.next_part() is None


def test_parts_may_be_pulled_late() -> None:
    parser = MultipartParser(B)
    for at in range(len(FORM)):
        parser.receive(FORM[at : at + 1])
    parser.receive(b"")
    found = []
    while not isinstance(part := parser.next_part(), Finished):
        found.append(part)
    assert [part.name for part in found if isinstance(part, PartHead)] == ["title", "photo", "none"]
    assert parser.next_part() is None


def test_the_head_has_all_its_fields() -> None:
    head = next(iter(events([FORM[FORM.index(b"--bound\r\nContent", 9) :]])))
    assert isinstance(head, PartHead)
    assert head.headers["Content-Type"] == "image/png"
    assert [name for name, _ in head.headers.fields] == ["Content-Disposition", "Content-Type"]
    twice = b'--bound\r\nContent-Disposition: form-data; name="a"\r\nX: 1\r\nx: 2\r\n\r\n'
    head = next(iter(events([twice])))
    assert isinstance(head, PartHead)
    assert head.headers.get_all("x") == ["1", "2"]


def with_head(*lines: bytes) -> bytes:
    return b"--bound\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\nx\r\n--bound--\r\n"


DISPOSITION = b'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        # the closing boundary is missing
        (b"", "before its closing"),
        (FORM[:-4], "before its closing"),
        (FORM[:-3], "before its closing"),
        (b"--bound\r\n", "before its closing"),
        (b"--bound", "before its closing"),
        (b"--bound-", "before its closing"),
        (b"--bound--\r", "before its closing"),
        (with_head(DISPOSITION)[:-9], "before its closing"),
        (b"just text", "before its closing"),
        (FORM.replace(b"\r\n", b"\n"), "end of its line"),
        # something after a boundary
        (b"--boundary\r\n", "end of its line"),
        (b"--bound\n", "end of its line"),
        (b"--bound\rx", "end of its line"),
        (b"--bound -\r\n", "end of its line"),
        (b"--bound-x\r\n", "end of its line"),
        (b"--bound" + b" " * (MAX_PADDING + 1) + b"\r\n", "end of its line"),
        (b"--bound--x", "end of its line"),
        (b"--bound--\nx", "end of its line"),
        (b"--bound---\r\n", "end of its line"),
        (b"--bound--" + b" " * (MAX_PADDING + 2), "end of its line"),
        (FORM.replace(b"A day", b"A\r\n--boundless day"), "end of its line"),
        # heads that are none
        (with_head(), "no Content-Disposition"),
        (with_head(b"Content-Type: text/plain"), "no Content-Disposition"),
        (with_head(b"Content-Disposition: attachment; name=a"), "no Content-Disposition"),
        (with_head(b"Content-Disposition: form-data"), "no Content-Disposition"),
        (with_head(b'Content-Disposition: form-data; name="a'), "no Content-Disposition"),
        (with_head(b'Content-Disposition: form-data; name="a"; name="b"'), "no Content-Dispos"),
        (with_head(b"Content-Disposition: form-data; filename=x"), "no Content-Disposition"),
        (with_head(DISPOSITION, DISPOSITION), "given twice"),
        (with_head(DISPOSITION, b"Content-Type: a/b", b"content-type: c/d"), "given twice"),
        (with_head(DISPOSITION, b"Content-Transfer-Encoding: base64"), "transfer encoding"),
        (with_head(DISPOSITION, b"Content-Transfer-Encoding: quoted-printable"), "transfer enc"),
        (with_head(DISPOSITION, b"no colon"), "begin with a name"),
        (with_head(DISPOSITION, b": x"), "begin with a name"),
        (with_head(DISPOSITION, b"X : x"), "begin with a name"),
        (with_head(DISPOSITION, b" folded"), "begin with a name"),
        (with_head(DISPOSITION, b"X\xe9: x"), "begin with a name"),
        (with_head(DISPOSITION, b"X: a\rb"), "control character"),
        (with_head(DISPOSITION, b"X: a\nb"), "control character"),
        (with_head(DISPOSITION, b"X: \x00"), "control character"),
        (with_head(DISPOSITION, b"X: \x7f"), "control character"),
        (b"--bound\r\n" + DISPOSITION + b"\r\n--bound--\r\n", "begin with a name"),
    ],
)
def test_what_is_broken_is_refused_at_every_cut(body: bytes, reason: str) -> None:
    offsets = set()
    for cut in every_cut(body):
        with pytest.raises(Malformed, match=reason) as caught:
            parts(cut)
        assert caught.value.status_code == 400
        assert caught.value.rule
        offsets.add(caught.value.offset)
    assert len(offsets) == 1
    assert 0 <= (offsets.pop() or 0) <= len(body)


@pytest.mark.parametrize("encoding", [b"7bit", b"8BIT", b"binary"])
def test_an_encoding_that_changes_nothing_is_let_through(encoding: bytes) -> None:
    body = with_head(DISPOSITION, b"Content-Transfer-Encoding: " + encoding)
    assert parts([body]) == [("a", None, None, b"x")]


def test_a_fault_is_final() -> None:
    parser = MultipartParser(B)
    parser.receive(b"--boundless")
    for _ in range(2):
        with pytest.raises(Malformed):
            parser.next_part()
    parser.receive(FORM)
    with pytest.raises(Malformed, match="refused before"):
        parser.next_part()


def test_nothing_may_come_after_the_end() -> None:
    parser = MultipartParser(B)
    parser.receive(b"")
    with pytest.raises(RuntimeError):
        parser.receive(b"x")


# Limits: one under, met, and one over; whole and byte by byte.

SMALL = MultipartLimits(parts=3, headers=3, header=50, preamble=20, epilogue=20, fields_total=30)


def line_of(size: int) -> bytes:
    return b"X: " + b"x" * (size - 3)


def body_with(count: int = 1, head: tuple[bytes, ...] = (), content: bytes = b"x") -> bytes:
    lines = b"".join(line + b"\r\n" for line in (DISPOSITION, *head))
    return (b"--bound\r\n" + lines + b"\r\n" + content + b"\r\n") * count + b"--bound--\r\n"


FILE = body_with(content=b"x" * 500).replace(b'"a"', b'"a"; filename=x')

LIMITS: list[tuple[str, int, bytes, str | None]] = [
    (what, status, body, None if fits else what)
    for what, status, bodies in (
        ("parts", 413, [body_with(count) for count in (2, 3, 4)]),
        ("part_headers", 431, [body_with(head=(b"X: x",) * count) for count in (1, 2, 3)]),
        ("part_header", 431, [body_with(head=(line_of(size),)) for size in (49, 50, 51)]),
        ("preamble", 413, [b"x" * size + b"\r\n" + body_with() for size in (19, 20, 21)]),
        ("epilogue", 413, [body_with() + b"x" * size for size in (19, 20, 21)]),
        ("fields_total", 413, [body_with(content=b"x" * size) for size in (29, 30, 31)]),
        ("fields_total", 413, [body_with(3, content=b"x" * size) for size in (9, 10, 11)]),
    )
    for body, fits in zip(bodies, (True, True, False), strict=True)
]


@pytest.mark.rfc("7578", "7")
@pytest.mark.parametrize(("what", "status", "body", "over"), LIMITS)
def test_limits_hold_however_the_body_is_cut(
    what: str, status: int, body: bytes, over: str | None
) -> None:
    for cut in ([body], [body[at : at + 1] for at in range(len(body))]):
        if over is None:
            assert parts(cut, SMALL)
        else:
            with pytest.raises(TooLarge) as caught:
                parts(cut, SMALL)
            assert (caught.value.what, caught.value.status_code) == (what, status)


def test_files_do_not_count_as_fields() -> None:
    assert len(parts([FILE], MultipartLimits(fields_total=30))[0][3]) == 500


@pytest.mark.parametrize(
    ("flood", "what"),
    [
        (b"x", "preamble"),
        (b"--bound\r\n" + b"x" * 51, "part_header"),
        (b"--bound--\r\n", "epilogue"),
        (b"--bound\r\n" + DISPOSITION + b"\r\n\r\n", "fields_total"),
    ],
)
def test_a_limit_holds_before_the_terminator_comes(flood: bytes, what: str) -> None:
    taken = 0

    def arriving() -> Iterator[bytes]:
        nonlocal taken
        yield flood
        for taken in range(1000):  # noqa: B007 - counted for the assertion below
            yield b"x"

    with pytest.raises(TooLarge) as caught:
        list(pulled(arriving()))
    assert caught.value.what == what
    assert taken <= 52


# Work and memory: linear, whatever the bytes are and however they come.

HOSTILE = {
    "CR only": b"\r",
    "LF only": b"\n",
    "line ends": b"\r\n",
    "dashes": b"\r\n--",
    "near boundaries": b"\r\n--boun",
    "plain": b"x",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_what_is_kept_between_two_arrivals_is_less_than_a_delimiter(unit: bytes, size: int) -> None:
    parser = MultipartParser(B)
    parser.receive(opening(B) + build_part_head("file", "x"))
    assert isinstance(parser.next_part(), PartHead)
    content = unit * (3000 // len(unit))
    passed = 0
    for at in range(0, len(content), size):
        parser.receive(content[at : at + size])
        while (part := parser.next_part()) is not None:
            assert isinstance(part, PartData)
            passed += len(part.data)
        assert min(at + size, len(content)) - passed < len(b"\r\n--bound")
        assert len(parser._buffer) <= size + len(b"\r\n--bound")


def steps(chunks: list[bytes]) -> int:
    """How many lines of Python the parser runs for a body."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if "/crlf/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    limits = replace(MultipartLimits(), parts=10**6, header=10**6, preamble=10**6, epilogue=10**6)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in events(chunks, limits):
            pass
    finally:
        sys.settrace(before)
    return count


def grown(shape: str, count: int) -> bytes:
    head = opening(B) + DISPOSITION + b'; filename="x"\r\n'
    match shape:
        case "preamble":
            return b"\r\n--boun" * count + b"\r\n" + closing(B)
        case "header":
            return head + b"X: " + b"x" * count + b"\r\n\r\n" + PART_END + closing(B)
        case "content":
            return head + b"\r\n" + b"\r\n--boun" * count + PART_END + closing(B)
        case "parts":
            return (head + b"\r\nx\r\n") * count + closing(B)
        case _:
            return closing(B) + b"\r\n--bound" * count


@pytest.mark.parametrize("shape", ["preamble", "header", "content", "parts", "epilogue"])
@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_four_times_the_body_is_four_times_the_work(shape: str, size: int) -> None:
    def work(count: int) -> int:
        body = grown(shape, count)
        return steps([body[at : at + size] for at in range(0, len(body), size)])

    once, four_times = work(100), work(400)
    assert four_times <= 4.2 * once


# Building.


def build(parts_given: list[Part], boundary: str = B) -> bytes:
    pieces = []
    for name, filename, content_type, content in parts_given:
        pieces += [
            opening(boundary),
            build_part_head(name, filename, content_type),
            content,
            PART_END,
        ]
    return b"".join([*pieces, closing(boundary)])


@pytest.mark.rfc("7578", "4.2")
def test_what_is_built_is_what_browsers_send() -> None:
    assert build([("a", None, None, b"1"), ("f", 'é"\r\n.txt', "text/plain", b"2")]) == (
        b'--bound\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--bound\r\nContent-Disposition: form-data; name="f"; filename="\xc3\xa9%22%0D%0A.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n2\r\n--bound--\r\n"
    )


@pytest.mark.parametrize("bad", ["a\x00", "\x1b", "\x7f", "\ud800", "\x0b"])
def test_a_name_that_could_break_the_head_is_refused(bad: str) -> None:
    with pytest.raises(Malformed):
        build_part_head(bad)
    with pytest.raises(Malformed):
        build_part_head("a", bad)


@pytest.mark.parametrize("bad", ["", "text", "text/plain\r\nX: y", "text/plain; charset", "é/x"])
def test_a_content_type_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(Malformed):
        build_part_head("a", None, bad)


@pytest.mark.rfc("2046", "5.1.1")
@pytest.mark.parametrize("bad", ["", "a ", "a" * 71, "a\r\n", "a\n", "é", 'a"', "a;b", "a@b"])
def test_a_boundary_has_a_grammar(bad: str) -> None:
    for use in (MultipartParser, opening, closing):
        with pytest.raises(Malformed):
            use(bad)


def test_boundaries_are_new_and_valid() -> None:
    made = {new_boundary() for _ in range(100)}
    assert len(made) == 100
    for boundary in (*made, "a" * 70, "a b'()+_,-./:=?"):
        MultipartParser(boundary)


text = st.text(
    st.characters(min_codepoint=32, exclude_characters="%\x7f", exclude_categories=["Cs"])
    | st.sampled_from('"\\;=\r\n\t'),
    max_size=12,
)
contents = st.lists(
    st.sampled_from([b"\r\n--bound"[:size] for size in range(1, 9)] + [b"\r", b"\n", b"-"])
    | st.binary(max_size=6),
    max_size=8,
).map(b"".join)
given_parts = st.lists(
    st.tuples(text, st.none() | text, st.none() | st.just("image/png"), contents), max_size=4
)


@given(given_parts, st.lists(st.integers(1, 40), max_size=30))
def test_what_is_built_is_read_back_at_any_cut(made: list[Part], sizes: list[int]) -> None:
    made = [part for part in made if b"\r\n--bound" not in b"\r\n" + part[3] + b"\r\n"]
    body = build(made)
    chunks = []
    at = 0
    for size in sizes:
        chunks.append(body[at : at + size])
        at += size
    assert parts([chunk for chunk in (*chunks, body[at:]) if chunk]) == made


@given(
    st.lists(
        st.sampled_from(
            [b"--bound", b"\r\n", b"--", DISPOSITION, b"\r", b"\n", b": ", b"x", b" ", b'"', b";"]
        )
        | st.binary(max_size=3),
        max_size=25,
    ),
    st.integers(1, 9),
)
def test_any_bytes_are_parts_or_a_named_refusal_at_any_cut(pieces: list[bytes], size: int) -> None:
    body = b"--bound\r\n" + b"".join(pieces)

    def outcome(chunks: list[bytes]) -> object:
        try:
            return parts(chunks)
        except (Malformed, TooLarge) as error:
            return type(error), str(error), error.offset

    whole = outcome([body])
    assert outcome([body[at : at + size] for at in range(0, len(body), size)]) == whole
