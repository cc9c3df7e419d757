"""Urlencoded forms: read without errors but size, written as browsers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import TooLarge
from crlf.message.params import MAX_PAIRS, parse_pairs
from crlf.wire.forms import build_form, parse_form


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2", [("a", "1"), ("b", "2")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        (b"a", [("a", "")]),
        (b"=x", [("", "x")]),
        (b"&&a=1&", [("a", "1")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a+b=c%2Bd%20e", [("a b", "c+d e")]),
        (b"a=%C3%A9&%E2%82%ac=1", [("a", "é"), ("€", "1")]),
        ("a=é".encode(), [("a", "é")]),
        (b"a=%ff", [("a", "\ufffd")]),
        (b"a=\xff", [("a", "\ufffd")]),
        (b"a=%&b=%4&c=%zz&d=100%", [("a", "%"), ("b", "%4"), ("c", "%zz"), ("d", "100%")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a%3Db=1%262", [("a=b", "1&2")]),
        (b"a=1\r\nb", [("a", "1\r\nb")]),
        (b"a=%2525", [("a", "%25")]),
    ],
)
def test_a_form_is_read(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert list(parse_form(body).pairs) == pairs


def test_a_form_is_written() -> None:
    pairs = [("a b", "1&2=3"), ("", ""), ("é", "*-._~ \r\n")]
    assert build_form(pairs) == b"a+b=1%262%3D3&=&%C3%A9=*-._%7E+%0D%0A"
    assert build_form([]) == b""


@pytest.mark.parametrize("count", [MAX_PAIRS - 1, MAX_PAIRS])
def test_fields_up_to_the_limit_are_read(count: int) -> None:
    assert len(parse_form(b"&".join([b"a=1"] * count)).pairs) == count


@pytest.mark.parametrize("body", [b"&".join([b"a=1"] * (MAX_PAIRS + 1)), b"&" * MAX_PAIRS])
def test_more_fields_are_refused_before_one_is_made(body: bytes) -> None:
    with pytest.raises(TooLarge) as caught:
        parse_form(body)
    assert (caught.value.what, caught.value.status_code) == ("form_fields", 413)
    with pytest.raises(TooLarge) as caught:
        parse_pairs(body.decode())
    assert (caught.value.what, caught.value.status_code) == ("query_fields", 414)


pairs = st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6)


@given(pairs)
def test_what_is_written_is_read_back(given_pairs: list[tuple[str, str]]) -> None:
    kept = [
        pair for pair in given_pairs if not any("\ud800" <= c <= "\udfff" for c in "".join(pair))
    ]
    body = build_form(kept)
    assert body.isascii()
    assert list(parse_form(body).pairs) == kept


@given(st.binary(max_size=80))
def test_any_bytes_are_a_form(body: bytes) -> None:
    assert len(parse_form(body).pairs) <= body.count(b"&") + 1
