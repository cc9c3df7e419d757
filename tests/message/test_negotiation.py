"""Negotiation: weights, specificity, refusals, and fields that cannot be read."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.fields.negotiation import (
    MAX_MEMBERS,
    best_coding,
    best_language,
    best_media_type,
    parse_quality_list,
)

PAGES = ["text/html", "application/xhtml+xml", "application/json", "text/html;level=1"]
CODINGS = ["zstd", "br", "gzip", "identity"]


@pytest.mark.rfc("9110", "12.4.2")
@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("gzip, br;q=0.5", [("gzip", 1.0), ("br", 0.5)]),
        (",, gzip ; q=1.000 ,", [("gzip", 1.0)]),
        ("a;Q=0", [("a", 0.0)]),
        ("text/*;level=1;q=0.3;ext=1", [("text/*;level=1", 0.3)]),
        ('a/b;c=";q=0.1"', [('a/b;c=";q=0.1"', 1.0)]),
        ('a/b;c=",";q=0.1', [('a/b;c=","', 0.1)]),
        ("a;q=1.001, b;q=2, c;q=-1, d;q=0.1234, e;q=.5, f;q=, g;q=٠, h", [("h", 1.0)]),
        ('a;q=0.5x, b;q="1", c;q=1e0, d', [("d", 1.0)]),
        ('"open', []),
        ("", []),
        (";q=1", []),
    ],
)
def test_lists_of_weights(text: str, members: list[tuple[str, float]]) -> None:
    assert parse_quality_list(text) == members


@pytest.mark.rfc("9110", "5.6.1.2")
def test_a_list_has_an_end() -> None:
    assert len(parse_quality_list(",".join(["a"] * MAX_MEMBERS))) == MAX_MEMBERS
    assert parse_quality_list(",".join(["a"] * (MAX_MEMBERS + 1))) == []
    assert parse_quality_list("," * 5000 + "a") == []


@pytest.mark.rfc("9110", "12.5.1")
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/html"),
        ("", "text/html"),
        ("nonsense", "text/html"),
        ("*/*", "text/html"),
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/*", "application/xhtml+xml"),
        ("text/html;q=0.5, application/json;q=0.9", "application/json"),
        ("text/html;q=0, */*;q=0.1", "application/xhtml+xml"),
        ("*/*;q=0.1, text/html;q=0", "application/xhtml+xml"),
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/html;level=1, text/html;q=0.4", "text/html;level=1"),
        ("text/html;level=2", None),
        ("*/html", None),
        # what Firefox sends
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/xhtml+xml,text/html;q=0.9,*/*;q=0.1", "application/xhtml+xml"),
    ],
)
def test_media_types(accept: str | None, chosen: str | None) -> None:
    assert best_media_type(accept, PAGES) == chosen


def test_nothing_offered_is_nothing() -> None:
    assert best_media_type("*/*", []) is None
    assert best_media_type(None, []) is None
    assert best_language("en", []) is None
    assert best_coding("gzip", []) is None


@pytest.mark.rfc("9110", "12.5.1")
def test_the_examples_of_the_rfc() -> None:
    accept = (
        "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, "
        "text/plain;format=fixed;q=0.4, */*;q=0.5"
    )
    expected = [
        ("text/plain;format=flowed", 1.0),
        ("text/plain", 0.7),
        ("text/html", 0.3),
        ("image/jpeg", 0.5),
        ("text/plain;format=fixed", 0.4),
        ("text/html;level=3", 0.3),
    ]
    ranked = sorted(expected, key=lambda pair: -pair[1])
    for (better, high), (worse, low) in itertools.pairwise(ranked):
        if high != low:
            assert best_media_type(accept, [worse, better]) == better


@pytest.mark.rfc("9110", "12.5.3")
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP;q=0.1", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.5, br;q=0.4", "gzip"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, br", "br"),
        ("*;q=0, identity", "identity"),
        ("*;q=0, gzip;q=0.1", "gzip"),
        ("gzip;q=0, *", "zstd"),
        ("compress", "identity"),
        ("gzip;q=nonsense", "identity"),
    ],
)
def test_codings(accept: str | None, chosen: str | None) -> None:
    assert best_coding(accept, CODINGS) == chosen


def test_a_coding_that_must_be_is_still_refused_by_name() -> None:
    assert best_coding("br", ["gzip"]) is None
    assert best_coding(None, ["gzip"]) == "gzip"


@pytest.mark.rfc("9110", "12.5.4")
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "en-GB"),
        ("de", "de"),
        ("DE-ch", "de"),
        ("de-CH-1996, en;q=0.5", "de"),
        ("en", "en-GB"),
        ("en-us, en;q=0.5", "en-US"),
        ("en-AU", None),
        ("fr, *;q=0.1", "en-GB"),
        ("fr, en-GB;q=0, *;q=0.1", "en-US"),
        ("en, en-GB;q=0", "en-US"),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-Hant-x-private", "zh-Hant"),
        ("de;q=0", None),
        ("e", None),
        ("de;q=0.2, en-us;q=0.3", "en-US"),
    ],
)
def test_languages(accept: str | None, chosen: str | None) -> None:
    assert best_language(accept, ["en-GB", "en-US", "de", "zh-Hant"]) == chosen


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_any_field_gets_one_of_the_offers_or_none(text: str) -> None:
    assert best_media_type(text, PAGES) in (*PAGES, None)
    assert best_coding(text, CODINGS) in (*CODINGS, None)
    assert best_language(text, ["en", "de"]) in ("en", "de", None)
