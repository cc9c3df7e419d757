"""Params: first wins, types are strict, and a wrong value is a named 400."""

from __future__ import annotations

import contextlib
import pickle
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import BadParameter, Malformed
from crlf.message.params import Params

QUERY = Params([("size", "3"), ("colour", "red"), ("size", "4"), ("blank", "")])


def test_the_first_value_is_the_value_and_all_are_there() -> None:
    assert QUERY["size"] == "3"
    assert QUERY.get_all("size") == ["3", "4"]
    assert QUERY.get_all("none") == []
    assert list(QUERY) == ["size", "colour", "blank"]
    assert dict(QUERY) == {"size": "3", "colour": "red", "blank": ""}
    assert QUERY.pairs[2] == ("size", "4")
    assert QUERY.get("none") is None
    assert "size" in QUERY
    assert "none" not in QUERY
    with pytest.raises(KeyError):
        QUERY["none"]


def test_equality_knows_about_repeated_names() -> None:
    assert Params([("a", "1")]) == {"a": "1"}
    assert Params([("a", "1"), ("a", "2")]) != {"a": "1"}
    assert Params([("a", "1"), ("b", "2")]) != Params([("b", "2"), ("a", "1")])
    assert Params([("a", "1")]) != 3
    assert len({Params([("a", "1")]), Params([("a", "1")])}) == 1


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("-7", -7), ("007", 7), ("9" * 18, 10**18 - 1)]
)
def test_whole_numbers(text: str, number: int) -> None:
    assert Params([("n", text)]).int("n") == number


@pytest.mark.parametrize(
    "text",
    ["+1", "1_0", " 1", "1 ", "1\n", "0x1", "٣", "1.0", "--1", "-", "9" * 19, "1" * 5000, "²"],
)
def test_what_python_would_take_for_a_number_is_none(text: str) -> None:
    with pytest.raises(BadParameter) as caught:
        Params([("n", text)]).int("n", 5)
    assert caught.value.name == "n"
    assert caught.value.expected == "a whole number"
    assert caught.value.status_code == 400
    assert isinstance(caught.value, Malformed)


def test_a_missing_parameter_has_its_default_or_is_an_error() -> None:
    assert QUERY.int("page", 1) == 1
    assert QUERY.int("page", None) is None
    assert QUERY.str("page", "x") == "x"
    with pytest.raises(BadParameter, match="'page' is missing"):
        QUERY.int("page")
    with pytest.raises(BadParameter, match="'page' is missing"):
        QUERY.str("page")


def test_an_input_left_blank_counts_as_missing_except_as_text() -> None:
    assert QUERY.int("blank", 1) == 1
    assert QUERY.float("blank", None) is None
    assert QUERY.bool("blank", False) is False
    assert QUERY.str("blank") == ""
    with pytest.raises(BadParameter):
        QUERY.int("blank")


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), ("-1.5", -1.5), (".5", 0.5), ("2.", 2.0), ("2e3", 2000.0)]
)
def test_numbers(text: str, number: float) -> None:
    assert Params([("n", text)]).float("n") == number


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e999", "1_0.0", "+1", "1,5", ".", "e5", "0x1p3", "1 ", "١"]
)
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        Params([("n", text)]).float("n")


def test_yes_and_no() -> None:
    for text in ("1", "true", "Yes", "ON"):
        assert Params([("b", text)]).bool("b") is True
    for text in ("0", "False", "no", "off"):
        assert Params([("b", text)]).bool("b") is False
    with pytest.raises(BadParameter):
        Params([("b", "maybe")]).bool("b", True)


def test_one_of_some() -> None:
    query = Params([("sort", "price"), ("blank", "")])
    assert query.choice("sort", ("name", "price")) == "price"
    assert query.choice("blank", {"name": 1}, "name") == "name"
    assert query.choice("missing", ["name"], None) is None
    with pytest.raises(BadParameter, match="'sort' should be one of name, size, and is 'price'"):
        query.choice("sort", ("name", "size"), "name")
    with pytest.raises(BadParameter, match="'blank' is missing: one of a, b needed"):
        query.choice("blank", iter("ab"))
    with pytest.raises(BadParameter):
        query.choice("sort", "a price")  # letters, not a text that it is a part of


def test_a_reader_of_ones_own() -> None:
    query = Params([("from", "2026-03-01"), ("bad", "2026-02-30"), ("price", "1.10"), ("e", "")])
    assert query.read("from", date.fromisoformat) == date(2026, 3, 1)
    assert query.read("price", Decimal) == Decimal("1.10")
    assert query.read("e", date.fromisoformat, None) is None
    with pytest.raises(BadParameter, match="'bad' should be a date, and is '2026-02-30'") as caught:
        query.read("bad", date.fromisoformat, None, expected="a date")
    assert (caught.value.name, caught.value.expected) == ("bad", "a date")
    with pytest.raises(BadParameter, match="'from' should be"):
        query.read("from", Decimal)
    with pytest.raises(BadParameter, match="'e' is missing: a date needed"):
        query.read("e", date.fromisoformat, expected="a date")
    with pytest.raises(KeyError):  # a mistake of the reader's own
        query.read("from", {}.__getitem__)


def test_the_message_shows_forty_escaped_characters_at_most() -> None:
    with pytest.raises(BadParameter) as caught:
        Params([("n", "\x1b[31m\r\n\u202e" + "é" * 500)]).int("n")
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    shown = text.partition("and is ")[2]
    assert len(shown) <= 40 + len("'...'")


def test_the_error_survives_pickling() -> None:
    with pytest.raises(BadParameter) as caught:
        QUERY.int("colour")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.name, again.expected) == (
        str(caught.value),
        "colour",
        "a whole number",
    )


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_number_in_reach_is_read_back(number: int) -> None:
    assert Params([("n", str(number))]).int("n") == number


@given(st.text())
def test_any_text_is_a_number_or_a_bad_parameter(text: str) -> None:
    params = Params([("n", text)])
    for read in (params.int, params.float, params.bool):
        with contextlib.suppress(BadParameter):
            assert type(read("n", None)) in (int, float, bool, type(None))
