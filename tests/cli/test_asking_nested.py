"""Names of items as paths: what they build, what is wrong with them, and that both stay bounded."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.conftest import CommandLine

from crlf.cli.asking.items import parse_item
from crlf.cli.asking.nested import MAX_DEPTH, MAX_GAPS, build_json, parse_json, parse_path
from crlf.cli.exits import USAGE, Failure


def built(*texts: str) -> object:
    items = [parse_item(text) for text in texts]
    return build_json(
        [(one, one.value if one.kind == "=" else parse_json(one.value)) for one in items]
    )


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["a=1", "b:=2"], {"a": "1", "b": 2}),
        (["b:=2", "a=1"], {"b": 2, "a": "1"}),
        (["a=1", "a=2"], {"a": "2"}),
        (["a[b]=1", "a[c]:=2"], {"a": {"b": "1", "c": 2}}),
        (["a[]=1", "a[]=2"], {"a": ["1", "2"]}),
        (["a[b][]=1"], {"a": {"b": ["1"]}}),
        (["a[0][x]:=2", "a[0][y]:=3"], {"a": [{"x": 2, "y": 3}]}),
        (["a[][x]:=2", "a[][y]:=3"], {"a": [{"x": 2}, {"y": 3}]}),
        (["a[2]=x"], {"a": [None, None, "x"]}),
        (["a[1]=x", "a[0]=y", "a[1]=z"], {"a": ["y", "z"]}),
        (["a[2]=x", "a[0][b]=y"], {"a": [{"b": "y"}, None, "x"]}),
        (["[]=1", "[]:=2"], ["1", 2]),
        (["[0][x]=1", "[0][y]=2", "[1]:=null"], [{"x": "1", "y": "2"}, None]),
        (["[][]=1"], [["1"]]),
        (["a:=[1]", "a[]:=2"], {"a": [1, 2]}),
        (['a:={"b":1}', "a[c]:=2"], {"a": {"b": 1, "c": 2}}),
        ([r"a\[b\]=1"], {"a[b]": "1"}),
        ([r"a[\[]=1", r"a[\]]=2", r"a[\\]=3"], {"a": {"[": "1", "]": "2", "\\": "3"}}),
        ([r"a[\1]=x", r"a[\-1]=y"], {"a": {"1": "x", "-1": "y"}}),
        (["5=x", "007=y"], {"5": "x", "007": "y"}),
        (["a[b c]=1", "a[ü]=2", "a[1b]=3", "a[1.5]=4"],
         {"a": {"b c": "1", "ü": "2", "1b": "3", "1.5": "4"}}),
        (["a[٣]=1"], {"a": {"٣": "1"}}),
        (["a[007]=x"], {"a": [None] * 7 + ["x"]}),
        (["user[name]:=411", "user[name]=text"], {"user": {"name": "text"}}),
    ],
)  # fmt: skip
def test_a_name_is_a_path(texts: list[str], whole: object) -> None:
    assert built(*texts) == whole


@pytest.mark.parametrize(
    ("texts", "says", "caret"),
    [
        (["foo[baz][quux=x"], "a ] is missing", "             ^"),
        (["a[=x"], "a key, a number or ] is missing", "  ^"),
        (["a[b=x"], "a ] is missing", "   ^"),
        (["a]=x"], "this ] closes nothing", " ^"),
        (["a[b]c=x"], "only another [ may follow a ]", "    ^"),
        (["a[b[c]]=x"], "a ] is missing", "   ^"),
        (["[a]=x"], "a name that begins with [ is an array", " ^"),
        (["a[-1]=x"], "an array has no place -1", "  ^^"),
        (["array[]:=1", "array[key]:=3"], "'array' is an array by now", "     ^^^^^"),
        (["a=1", "a[b]=2"], "'a' is a text by now, and this needs an object", " ^^^"),
        (["a:=1", "a[]=2"], "'a' is a number by now, and this needs an array", " ^^"),
        (["a:=true", "a[]=2"], "'a' is true or false", " ^^"),
        (["a:=null", "a[b]=2"], "'a' is null", " ^^^"),
        (["a[b]=1", "a[0]=2"], "'a' is an object", " ^^^"),
        (["a=1", "[]=2"], "the whole is an object by now", "^^"),
        (["[]=1", "a=2"], "the whole is an array by now", "^"),
        (["a[b]=1", "a[b][c][d]=2"], "'a[b]' is a text", "    ^^^"),
        (["a[10001]=x"], "too many empty", " ^^^^^^^"),
        (["a[999999999]=x"], "no place so far off", "  ^^^^^^^^^"),
        (["\x1b[=x"], "a key, a number or ]", r"        ^"),
    ],
)
def test_what_is_wrong_is_pointed_at(texts: list[str], says: str, caret: str) -> None:
    with pytest.raises(Failure) as caught:
        built(*texts)
    assert says in caught.value.line
    assert caught.value.code == USAGE
    name = parse_item(texts[-1]).name
    shown, pointer = caught.value.below
    if name.isprintable():
        assert (shown, pointer) == (name, caret)
    else:
        assert pointer.endswith("^")


def test_numbers_cost_no_memory() -> None:
    with pytest.raises(Failure, match="filled with null at most"):
        built(f"a[{'9' * 5000}]=1")
    assert len(built(f"[{MAX_GAPS}]=1")) == MAX_GAPS + 1  # type: ignore[arg-type]
    with pytest.raises(Failure, match="filled with null at most"):
        built(*[f"[{number}][9000]=1" for number in range(5)])


def test_depth_has_an_end() -> None:
    assert len(parse_path("a" + "[b]" * (MAX_DEPTH - 1))) == MAX_DEPTH
    with pytest.raises(Failure, match="nested at most 100 deep"):
        parse_path("a" + "[b]" * MAX_DEPTH)
    with pytest.raises((ValueError, RecursionError)):
        parse_json("[" * 200_000)


@pytest.mark.rfc("8259", "6")
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "", "'a'"])
def test_only_json_is_json(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.rfc("8259", "4")
def test_a_key_that_comes_twice_is_sent_twice_and_read_by_its_last() -> None:
    value = parse_json('{"a": 1, "b": 0, "a": 2}')
    assert json.dumps(value) == '{"a": 1, "b": 0, "a": 2}'
    assert value == {"a": 2, "b": 0}
    whole = built('x:={"a":1,"a":2}', "x[a]=3", "x[c]=4")
    assert json.dumps(whole) == '{"x": {"a": "3", "c": "4"}}'


@given(st.lists(st.text(alphabet=st.sampled_from("ab[]\\01-"), min_size=1, max_size=8), max_size=5))
def test_any_names_build_json_or_fail_with_a_caret(names: list[str]) -> None:
    items = [parse_item("x=1")._replace(name=name) for name in names]
    try:
        whole = build_json([(item, "v") for item in items])
    except Failure as fault:
        shown, pointer = fault.below
        assert shown in names
        assert pointer.strip(" ").strip("^") == ""
        assert len(pointer) <= len(shown) + 1
        return
    assert json.loads(json.dumps(whole)) == whole


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_any_keys_can_be_written(keys: list[str]) -> None:
    def written(key: str) -> str:
        escaped = "".join(f"\\{letter}" if letter in "[]\\" else letter for letter in key)
        return f"\\{escaped}" if is_number(key) else escaped

    def is_number(key: str) -> bool:
        return re.fullmatch("-?[0-9]+", key) is not None

    name = written(keys[0]) + "".join(f"[{written(key)}]" for key in keys[1:])
    place = build_json([(parse_item("x=1")._replace(name=name), "v")])
    for key in keys:
        assert isinstance(place, dict)
        place = place[key]
    assert place == "v"


def test_a_fault_is_one_line_and_what_was_typed(crlf: CommandLine, site: str) -> None:
    done = crlf("post", f"{site}/echo", "a[b:=1", "--json")
    assert done.code == USAGE
    assert done.err == "crlf: a ] is missing\n  a[b\n     ^\n"
