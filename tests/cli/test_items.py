"""Items: split at the first separator, sorted by what they make, refused when they contradict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.cli.asking.items import SEPARATORS, parse_item, sort_items, split_file
from crlf.cli.exits import USAGE, Failure


@pytest.mark.parametrize(
    ("text", "kind", "name", "value"),
    [
        ("name=Ann", "=", "name", "Ann"),
        ("name=", "=", "name", ""),
        ("name=a=b", "=", "name", "a=b"),
        ("q==crlf", "==", "q", "crlf"),
        ("q===x", "==", "q", "=x"),
        ("age:=42", ":=", "age", "42"),
        ("tags:=[1,2]", ":=", "tags", "[1,2]"),
        ("X-Name:value", ":", "X-Name", "value"),
        ("X-Time:10:30", ":", "X-Time", "10:30"),
        ("Accept:", ":", "Accept", ""),
        ("Accept;", ";", "Accept", ""),
        ("photo@gear.jpg", "@", "photo", "gear.jpg"),
        ("photo@gear.jpg;type=image/jpeg", "@", "photo", "gear.jpg;type=image/jpeg"),
        ("mail=a@b.example", "=", "mail", "a@b.example"),
        ("@note.txt", "@", "", "note.txt"),
        ("@-", "@", "", "-"),
        ("name=ümlaut", "=", "name", "ümlaut"),
        ("a;b=c", "=", "a;b", "c"),
        ("url=http://a.example/", "=", "url", "http://a.example/"),
    ],
)
def test_an_item_is_split_at_its_first_separator(
    text: str, kind: str, name: str, value: str
) -> None:
    item = parse_item(text)
    assert (item.kind, item.name, item.value, item.from_file) == (kind, name, value, False)


@pytest.mark.parametrize(
    ("text", "kind"), [("a=@f", "="), ("a==@f", "=="), ("a:=@f", ":="), ("A:@f", ":")]
)
def test_an_at_after_the_separator_takes_the_value_from_a_file(text: str, kind: str) -> None:
    item = parse_item(text)
    assert (item.kind, item.value, item.from_file) == (kind, "f", True)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (r"a\:b=c", "a:b", "c"),
        (r"a\=b=c", "a=b", "c"),
        (r"user=\@bob", "user", "@bob"),
        (r"path=C:\temp", "path", r"C:\temp"),
        (r"a\b=c", r"a\b", "c"),
        ("a=b\\", "a", "b\\"),
    ],
)
def test_a_backslash_takes_a_separators_meaning_away(text: str, name: str, value: str) -> None:
    item = parse_item(text)
    assert (item.kind, item.name, item.value, item.from_file) == ("=", name, value, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name", "write name=value"),
        ("", "write name=value"),
        ("=value", "no name"),
        (":value", "no name"),
        ("==x", "no name"),
        ("@", "no name"),
        ("photo@", "names no file"),
        ("a=@", "names no file"),
        ("a:=", "no JSON"),
        ("https://b.example/", "second URL"),
        (":8000/b", "second URL"),
    ],
)
def test_what_is_no_item_says_how_to_write_one(text: str, says: str) -> None:
    with pytest.raises(Failure, match=says) as caught:
        parse_item(text)
    assert caught.value.code == USAGE


@given(name=st.text(min_size=1), separator=st.sampled_from(["=", "==", ":="]), value=st.text())
def test_what_is_escaped_comes_back(name: str, separator: str, value: str) -> None:
    def escaped(text: str) -> str:
        return "".join(f"\\{c}" if c in ":=@;" else c for c in text)

    if name.endswith("\\") or (not value and separator == ":="):
        return
    item = parse_item(escaped(name) + separator + escaped(value))
    assert (item.name, item.kind, item.value) == (name, separator, value)


@given(st.text(alphabet=st.sampled_from("ab\\:=@;"), max_size=12))
def test_any_text_is_an_item_or_a_failure(text: str) -> None:
    try:
        item = parse_item(text)
    except Failure:
        return
    assert (item.kind + "@" if item.from_file else item.kind) in SEPARATORS


def test_items_are_sorted_by_what_they_make() -> None:
    items = sort_items([parse_item(t) for t in ("A:1", "b=2", "c==3", "d:=4", "e@f", "B;", "g=5")])
    assert [item.name for item in items.fields] == ["A", "B"]
    assert [item.name for item in items.parameters] == ["c"]
    assert [item.name for item in items.content] == ["b", "d", "e", "g"]
    assert items.has_files
    assert items.body is None


def test_a_file_as_the_whole_content_leaves_no_place_for_more() -> None:
    with pytest.raises(Failure, match=r"'@f' is the whole content, so 'a=b' has no place"):
        sort_items([parse_item("@f"), parse_item("a=b")])
    with pytest.raises(Failure, match="'@g' has no place"):
        sort_items([parse_item("@f"), parse_item("@g")])
    assert sort_items([parse_item("@f"), parse_item("a==b")]).body is not None


def test_a_file_may_say_its_type() -> None:
    assert split_file("a.png;type=image/png") == ("a.png", "image/png")
    assert split_file("a.png") == ("a.png", None)
    assert split_file("a;type=b;type=c/d") == ("a;type=b", "c/d")
