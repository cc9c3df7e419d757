"""Server-sent events: the algorithm of WHATWG HTML 9.2.6, its examples, and its bounds."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed, TooLarge
from crlf.wire.sse import EventParser, ServerSentEvent, build_event


def read(data: bytes) -> list[ServerSentEvent]:
    return EventParser().receive(data)


def datas(data: bytes) -> list[tuple[str, str]]:
    return [(event.event, event.data) for event in read(data)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        # The examples of the standard.
        (b"data: This is the first message.\n\n", [("message", "This is the first message.")]),
        (
            b"data: This is the second message, it\ndata: has two lines.\n\n",
            [("message", "This is the second message, it\nhas two lines.")],
        ),
        (
            b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
            [("add", "73857293"), ("remove", "2153")],
        ),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10")]),
        (b"data\n\ndata\ndata\n\ndata:", [("message", ""), ("message", "\n")]),
        (b"data:test\n\ndata: test\n\n", [("message", "test"), ("message", "test")]),
        # Line ends of each kind, and mixed.
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\r", [("message", c) for c in "abc"]),
        (b"data: a\r\n\n", [("message", "a")]),
        # Comments, unknown fields, fields in another case, a lone BOM in front.
        (b": hello\n:\n\ndata: a\n: between\ndata: b\n\n", [("message", "a\nb")]),
        (b"foo: x\nDATA: x\n data: x\ndata : x\n\ndata: y\n\n", [("message", "y")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("message", "b")]),
        (b"\n\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("message", "b")]),
        # One blank is taken away, no more; a colon is part of the value.
        (b"data:  a : b \n\n", [("message", " a : b ")]),
        (b"data:\ta\n\n", [("message", "\ta")]),
        # What has no data is no event, and its type is gone.
        (b"event: x\n\ndata: a\n\n", [("message", "a")]),
        (b"event: x\nevent: y\ndata: a\n\n", [("y", "a")]),
        (b"event: x\nevent:\ndata: a\n\n", [("message", "a")]),
        # What is not ended never was.
        (b"data: a\n", []),
        (b"data: a\n\ndata: b\n", [("message", "a")]),
        # Broken UTF-8 does not reach into the next line.
        (b"data: \xff\xe2\x82\ndata: \xe2\x82\xac\n\n", [("message", "\ufffd\ufffd\n\u20ac")]),
        (b"data: a\0b\x0b\xc2\x85\xe2\x80\xa8c\n\n", [("message", "a\0b\x0b\x85\u2028c")]),
    ],
)
def test_a_stream_is_read_as_the_standard_has_it(
    stream: bytes, events: list[tuple[str, str]]
) -> None:
    assert datas(stream) == events


def test_an_id_stays_until_the_next_one() -> None:
    stream = b": test\n\ndata: 1\nid: 1\n\ndata:2\nid\n\ndata: 3\n\nid: x\ndata: 4\n\ndata: 5\n\n"
    assert [event.id for event in read(stream)] == ["1", "", "", "x", "x"]


def test_an_id_with_nul_is_ignored() -> None:
    assert [event.id for event in read(b"id: 1\ndata\n\nid: 2\x003\ndata\n\n")] == ["1", "1"]


def test_an_id_counts_when_its_event_ends_even_without_data() -> None:
    parser = EventParser("before")
    parser.receive(b"id: 7\n")
    assert parser.last_event_id == "before"
    assert parser.receive(b"\n") == []
    assert parser.last_event_id == "7"


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        ("0", 0),
        ("2500", 2500),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1_0", None),
        ("1 ", None),
        ("\u0663", None),
        ("9" * 20, None),
    ],
)
def test_retry_is_digits_and_nothing_else(value: str, milliseconds: int | None) -> None:
    parser = EventParser()
    (event,) = parser.receive(f"retry: {value}\ndata: x\n\n".encode())
    assert event.retry == parser.retry == milliseconds
    (event,) = parser.receive(b"data: y\n\n")
    assert event.retry is None
    assert parser.retry == milliseconds


def test_an_event_is_there_with_the_byte_that_ends_it() -> None:
    parser = EventParser()
    assert parser.receive(b"data: a\r\n") == []
    assert len(parser.receive(b"\r")) == 1
    assert parser.receive(b"\ndata: b\n") == []
    assert len(parser.receive(b"\n")) == 1
    assert parser.receive(b"") == []


def test_an_empty_piece_does_not_come_between_cr_and_lf() -> None:
    parser = EventParser()
    assert parser.receive(b"data: a\r") == []
    assert parser.receive(b"") == []
    assert parser.receive(b"\ndata: b\n") == []
    assert [event.data for event in parser.receive(b"\n")] == ["a\nb"]


STREAM = (
    b"\xef\xbb\xbf: hi\r\nid: \xe2\x82\xac\rdata: a\n"
    b"data: \xe2\x82\xac\xff\r\n\r\nevent: x\ndata\n\n"
)


def test_how_the_bytes_are_cut_does_not_matter() -> None:
    whole = read(STREAM)
    assert len(whole) == 2
    for first in range(len(STREAM) + 1):
        for second in range(first, len(STREAM) + 1):
            parser = EventParser()
            pieces = (STREAM[:first], STREAM[first:second], STREAM[second:])
            assert [event for piece in pieces for event in parser.receive(piece)] == whole


# --- bounds -------------------------------------------------------------------------------------


def test_a_line_is_bounded_before_it_ends() -> None:
    parser = EventParser(most_in_line=10)
    assert parser.receive(b"data: 1234\n\n")[0].data == "1234"
    parser.receive(b"data: 1234")
    with pytest.raises(TooLarge, match="event line over its limit of 10"):
        parser.receive(b"5")


def test_a_comment_is_bounded_too() -> None:
    with pytest.raises(TooLarge):
        EventParser(most_in_line=10).receive(b":" + b"x" * 10)


def test_an_event_is_bounded_in_all() -> None:
    parser = EventParser(most_in_event=20)
    assert parser.receive(b"data: 1234\ndata: 1234\n\n")
    assert parser.receive(b"data: 1234\ndata: 1234\n\n"), "counted anew for each event"
    with pytest.raises(TooLarge, match="event over its limit of 20"):
        parser.receive(b"data\n" * 6)


def test_keeping_a_connection_open_costs_nothing() -> None:
    parser = EventParser(most_in_event=20)
    for _ in range(1000):
        assert parser.receive(b": still here\n") == []


def test_many_small_pieces_take_linear_time() -> None:
    def seconds(count: int) -> float:
        parser = EventParser()
        began = process_time()
        for _ in range(count):
            parser.receive(b"x")
        parser.receive(b"\n")
        return process_time() - began

    assert seconds(400_000) < 2.0


# --- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (build_event("a"), b"data: a\n\n"),
        (build_event(""), b"data: \n\n"),
        (build_event("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (
            build_event("x", event="add", id="7", retry=0),
            b"event: add\nid: 7\nretry: 0\ndata: x\n\n",
        ),
        (build_event(retry=500), b"retry: 500\n\n"),
        (build_event(id=""), b"id: \n\n"),
        (build_event(comment="hi\nthere"), b": hi\n: there\n\n"),
        (build_event("\u20ac"), b"data: \xe2\x82\xac\n\n"),
        (build_event(), b""),
    ],
)
def test_an_event_is_written(event: bytes, wire: bytes) -> None:
    assert event == wire


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("name", ["event", "id"])
def test_no_name_can_smuggle_a_line(name: str, end: str) -> None:
    with pytest.raises(Malformed, match=f"the {name} of an event"):
        build_event("x", **{name: f"a{end}data: forged"})  # type: ignore[arg-type]  # by its name


def test_what_cannot_be_read_back_is_not_written() -> None:
    with pytest.raises(Malformed):
        build_event("x", id="a\0b")
    with pytest.raises(Malformed):
        build_event("\ud800")
    with pytest.raises(ValueError, match="0 or more"):
        build_event(retry=-1)


LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@given(
    data=st.text(st.characters(exclude_categories=["Cs"])),
    event=LINE,
    id=LINE,
    retry=st.none() | st.integers(0, 10**18),
    comment=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_what_is_written_is_read(
    data: str, event: str, id: str, retry: int | None, comment: str | None
) -> None:
    wire = build_event(data, event=event, id=id, retry=retry, comment=comment)
    (found,) = read(wire)
    assert found.data == data.replace("\r\n", "\n").replace("\r", "\n")
    assert (found.event, found.id, found.retry) == (event or "message", id, retry)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_anything_can_be_read_and_cut(stream: bytes, cuts: list[int]) -> None:
    whole = EventParser()
    events = whole.receive(stream)
    parser, at, found = EventParser(), 0, []
    for cut in [*sorted(cuts), len(stream)]:
        found += parser.receive(stream[at:cut])
        at = max(at, cut)
    assert found == events
    assert (parser.last_event_id, parser.retry) == (whole.last_event_id, whole.retry)


def test_data_may_be_json() -> None:
    (event,) = read(b'data: {"a": [1,\ndata: 2]}\n\n')
    assert event.json() == {"a": [1, 2]}
    with pytest.raises(Malformed):
        ServerSentEvent(data="[DONE").json()
