"""Media types: what is broken is nothing, and a suffix always means the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.media import TYPES, MediaType, media_type_of, parse_media_type

pytestmark = pytest.mark.rfc("9110", "8.3.1")


def test_type_and_parameters_are_read() -> None:
    found = parse_media_type(' Text/HTML ; Charset="UTF-8";boundary="a\\"b;c" ')
    assert found == MediaType("text", "html", (("charset", "UTF-8"), ("boundary", 'a"b;c')))
    assert found.essence == "text/html"
    assert found.charset == "utf-8"
    assert found.parameter("boundary") == 'a"b;c'
    assert found.parameter("level") is None
    assert MediaType("a", "b").charset is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "text/",
        "/html",
        "text/html; charset",
        "text/html; charset=",
        "text/html; charset =utf-8",
        "text/html; charset= utf-8",
        'text/html; charset="utf-8',
        'text/html; charset="utf-8"x',
        "text/html charset=utf-8",
        "text/html, text/plain",
        "text/html; a=b\n",
        "text/html\x85",
        "te xt/html",
        "text/html; =b",
        "text/html; charset=utf-8; charset=utf-7",
        "text/html/xml",
        "text/ html",
        "*/*; q=ü\x00",
    ],
)
def test_a_broken_content_type_is_none(text: str) -> None:
    assert parse_media_type(text) is None


@pytest.mark.parametrize("text", ["text/html;", "text/html; ;; ", "text/html ; ;a=b;a=b"])
def test_empty_and_repeated_equal_parameters_are_allowed(text: str) -> None:
    found = parse_media_type(text)
    assert found is not None
    assert found.essence == "text/html"


def test_building_quotes_what_needs_it() -> None:
    assert MediaType("text", "html", (("charset", "utf-8"),)).build() == "text/html; charset=utf-8"
    assert MediaType("a", "b", (("c", 'd "e"'),)).build() == 'a/b; c="d \\"e\\""'


@pytest.mark.parametrize(
    "broken",
    [
        MediaType("te xt", "html"),
        MediaType("text", ""),
        MediaType("text", "html", (("a b", "c"),)),
        MediaType("text", "html", (("a", "b\r\nX: y"),)),
    ],
)
def test_nothing_that_could_end_the_line_is_built(broken: MediaType) -> None:
    with pytest.raises(Malformed):
        broken.build()


token = st.text("abcxyz019!#-+.^_`|~", min_size=1, max_size=12)
value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))


@given(token, token, st.dictionaries(token, value, max_size=4))
def test_what_is_built_is_read_back(kind: str, subtype: str, parameters: dict[str, str]) -> None:
    made = MediaType(kind, subtype, tuple(parameters.items()))
    assert parse_media_type(made.build()) == made


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_text_is_a_media_type_or_none(text: str) -> None:
    found = parse_media_type(text)
    if found is not None:
        assert re.fullmatch(r"[^/\s]+/[^/\s]+", found.essence)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("a/b.c/INDEX.HTM", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("data.json", "application/json"),
        ("logo.svg", "image/svg+xml"),
        ("backup.tar.gz", "application/gzip"),
        ("evil.html.unknown", "application/octet-stream"),
        ("noext", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("a/.js", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("x.", "application/octet-stream"),
        ("x.h\u212al", "application/octet-stream"),
        ("x.html ", "application/octet-stream"),
        ("x.html\n", "application/octet-stream"),
    ],
)
def test_the_type_of_a_file(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


def test_every_pinned_type_is_a_media_type_under_a_plain_suffix() -> None:
    for suffix, media_type in TYPES.items():
        assert re.fullmatch(r"[a-z0-9]+", suffix)
        found = parse_media_type(media_type)
        assert found is not None
        assert found.parameters == ()
        assert found.build() == media_type
    assert len(TYPES) >= 120
