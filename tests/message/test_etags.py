"""Entity tags: quoted, compared in two ways, and lists that match nothing when broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.etags import MAX_TAGS, ETag, parse_etag, parse_etag_list

STRONG, WEAK, OTHER = ETag("x"), ETag("x", weak=True), ETag("y")


@pytest.mark.rfc("9110", "8.8.3.2")
def test_the_table_of_comparisons() -> None:
    assert STRONG.strongly_equals(STRONG)
    assert not STRONG.strongly_equals(WEAK)
    assert not WEAK.strongly_equals(WEAK)
    assert STRONG.weakly_equals(WEAK)
    assert not STRONG.weakly_equals(OTHER)
    assert STRONG.weakened() == WEAK


@pytest.mark.rfc("9110", "13.1.2")
def test_if_none_match_compares_weakly_and_if_match_strongly() -> None:
    tags = parse_etag_list('W/"x", "z"')
    assert STRONG.is_in(tags, weakly=True)
    assert not STRONG.is_in(tags, weakly=False)
    assert not OTHER.is_in(tags, weakly=True)
    assert OTHER.is_in(parse_etag_list(" * "), weakly=False)


@pytest.mark.rfc("9110", "8.8.3")
@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ('"x"', STRONG),
        (' W/"x"\t', WEAK),
        ('""', ETag("")),
        ('"a,b"', ETag("a,b")),
        ('"a\\"', ETag("a\\")),
        ('"\xe9"', ETag("\xe9")),
        ('w/"x"', None),
        ('W/ "x"', None),
        ("x", None),
        ('"x', None),
        ('"a"b"', None),
        ('"a b"', None),
        ('"a\n"', None),
        ('"a"\n', None),
        ('"\x7f"', None),
        ("", None),
        ("*", None),
    ],
)
def test_one_tag(text: str, tag: ETag | None) -> None:
    assert parse_etag(text) == tag


@pytest.mark.rfc("9110", "13.1.2")
@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('"x"', [STRONG]),
        (',, "x" ,,W/"x",', [STRONG, WEAK]),
        ('"a,b","y"', [ETag("a,b"), OTHER]),
        ("", []),
        (" , ", []),
        ('"x" "y"', []),
        ('"x""y"', []),
        ('x, "y"', []),
        ('"y", x', []),
        ('"a, b"', []),
        ('"y", *', []),
        ('"y', []),
        ('"y"\x0b', []),
    ],
)
def test_a_broken_list_matches_nothing(text: str, tags: list[ETag]) -> None:
    assert parse_etag_list(text) == tags


def test_a_list_has_an_end() -> None:
    assert len(parse_etag_list(",".join(['"x"'] * MAX_TAGS))) == MAX_TAGS
    assert parse_etag_list(",".join(['"x"'] * (MAX_TAGS + 1))) == []


@pytest.mark.parametrize("value", ['a"b', "a b", "a\r\nb", "\u0100", "\x7f"])
def test_a_tag_that_could_break_its_field_is_not_built(value: str) -> None:
    with pytest.raises(Malformed):
        ETag(value).build()


values = st.text(st.characters(min_codepoint=0x23, max_codepoint=0xFF, exclude_characters="\x7f"))


@given(st.lists(st.tuples(values, st.booleans()), max_size=6))
def test_what_is_built_is_read_back(parts: list[tuple[str, bool]]) -> None:
    tags = [ETag(value, weak) for value, weak in parts]
    assert parse_etag_list(", ".join(tag.build() for tag in tags)) == tags
    assert [parse_etag(tag.build()) for tag in tags] == tags
