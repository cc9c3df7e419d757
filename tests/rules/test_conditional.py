"""Conditional requests: the five conditions in the RFC's order, each alone and against others."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.dates import build_date
from crlf.message.fields.etags import ETag
from crlf.message.headers import Headers
from crlf.rules.conditional import evaluate, not_modified_headers

NOW = 1_795_000_000
MODIFIED = NOW - 1000
TAG = ETag("x")
OLDER, SAME, NEWER = (build_date(MODIFIED + step) for step in (-1, 0, 1))


def verdict(method: str = "GET", etag: ETag | None = TAG, **fields: str) -> int:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    return evaluate(method, headers, etag, MODIFIED, NOW)


def test_without_conditions_the_answer_is_the_usual_one() -> None:
    assert verdict() == 200
    assert verdict("PUT") == 200


@pytest.mark.rfc("9110", "13.1.1")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"x"', 200),
        ('"a", "x"', 200),
        ("*", 200),
        ('W/"x"', 412),
        ('"a"', 412),
        ("x", 412),
        ('"a, x"', 412),
        ("", 412),
        ('*, "x"', 412),
    ],
)
def test_if_match_compares_strongly(value: str, expected: int) -> None:
    assert verdict(if_match=value) == expected
    assert verdict("PUT", if_match=value) == expected


@pytest.mark.rfc("9110", "13.1.1")
def test_a_weak_tag_never_satisfies_if_match() -> None:
    assert verdict(etag=ETag("x", weak=True), if_match='"x"') == 412
    assert verdict(etag=ETag("x", weak=True), if_match='W/"x"') == 412
    assert verdict(etag=ETag("x", weak=True), if_match="*") == 200
    assert verdict(etag=None, if_match='"x"') == 412


@pytest.mark.rfc("9110", "13.1.2")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"x"', 304),
        ('W/"x"', 304),
        ('"a", W/"x"', 304),
        ("*", 304),
        ('"a"', 200),
        ("x", 200),
        ('"a, x"', 200),
        ('"x", broken', 200),
        ("", 200),
    ],
)
def test_if_none_match_compares_weakly(value: str, expected: int) -> None:
    for etag in (TAG, TAG.weakened()):
        assert verdict("GET", etag, if_none_match=value) == expected
        assert verdict("HEAD", etag, if_none_match=value) == expected
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            assert verdict(method, etag, if_none_match=value) == (412 if expected == 304 else 200)


@pytest.mark.rfc("9110", "13.1.2")
def test_what_does_not_exist_matches_no_star() -> None:
    """`PUT` with `If-None-Match: *` creates; with `If-Match: *` it must not."""

    def put(name: str, value: str) -> int:
        return evaluate("PUT", Headers({name: value}), None, None, NOW, exists=False)

    assert put("if-none-match", "*") == 200
    assert put("if-match", "*") == 412
    assert put("if-match", '"x"') == 412


@pytest.mark.rfc("9110", "13.1.3")
def test_if_modified_since_counts_the_very_second_as_known() -> None:
    for method in ("GET", "HEAD"):
        assert verdict(method, if_modified_since=OLDER) == 200
        assert verdict(method, if_modified_since=SAME) == 304
        assert verdict(method, if_modified_since=NEWER) == 304
        assert verdict(method, if_modified_since=build_date(NOW + 86_400)) == 304


@pytest.mark.rfc("9110", "13.1.3")
def test_if_modified_since_is_for_reading_only() -> None:
    for method in ("PUT", "POST", "DELETE"):
        assert verdict(method, if_modified_since=NEWER) == 200


@pytest.mark.rfc("9110", "13.1.4")
def test_if_unmodified_since_guards_every_method() -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert verdict(method, if_unmodified_since=OLDER) == 412
        assert verdict(method, if_unmodified_since=SAME) == 200
        assert verdict(method, if_unmodified_since=NEWER) == 200


@pytest.mark.rfc("9110", "5.6.7")
@pytest.mark.parametrize("text", ["", "yesterday", "0", SAME + "x", SAME[:-4], f"{SAME}, {SAME}"])
def test_a_date_that_is_none_is_ignored(text: str) -> None:
    assert verdict(if_modified_since=text) == 200
    assert verdict("PUT", if_unmodified_since=text) == 200


@pytest.mark.rfc("9110", "5.6.7")
def test_all_three_formats_of_dates_are_read() -> None:
    modified = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT
    for text in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ):
        headers = Headers({"if-modified-since": text})
        assert evaluate("GET", headers, None, modified, NOW) == 304
        assert evaluate("GET", headers, None, modified + 1, NOW) == 200


@pytest.mark.rfc("9110", "13.1.3")
@pytest.mark.rfc("9110", "13.1.4")
def test_without_a_modification_date_dates_are_ignored() -> None:
    for name in ("if-modified-since", "if-unmodified-since"):
        for text in (OLDER, NEWER):
            assert evaluate("GET", Headers({name: text}), TAG, None, NOW) == 200


@pytest.mark.rfc("9110", "13.2.2")
def test_tags_go_before_dates() -> None:
    assert verdict(if_none_match='"a"', if_modified_since=NEWER) == 200
    assert verdict(if_none_match='"x"', if_modified_since=OLDER) == 304
    assert verdict(if_none_match="broken", if_modified_since=NEWER) == 200
    assert verdict(if_match='"x"', if_unmodified_since=OLDER) == 200
    assert verdict(if_match='"a"', if_unmodified_since=NEWER) == 412


@pytest.mark.rfc("9110", "13.2.2")
def test_what_guards_goes_before_what_saves() -> None:
    assert verdict(if_match='"a"', if_none_match='"x"') == 412
    assert verdict(if_match='"x"', if_none_match='"x"') == 304
    assert verdict(if_unmodified_since=OLDER, if_modified_since=NEWER) == 412
    assert verdict(if_unmodified_since=NEWER, if_modified_since=NEWER) == 304


@pytest.mark.rfc("9110", "13.2.1")
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT"])
def test_methods_that_select_nothing_have_no_conditions(method: str) -> None:
    assert verdict(method, if_match='"a"', if_none_match="*") == 200


@pytest.mark.rfc("9110", "14.2")
def test_ranges_are_not_a_condition() -> None:
    """A server that sends no parts ignores Range and If-Range: a whole 200."""
    assert verdict(range="bytes=0-1", if_range='"a"') == 200
    assert verdict(range="bytes=0-1", if_range='"x"', if_none_match='"x"') == 304


def rfc_says(method: str, conditions: dict[str, bool | None]) -> int:
    """Follow RFC 9110 13.2.2 with each condition true, false, or None when it is absent."""
    reading = method in ("GET", "HEAD")
    first = conditions["if-match"]
    if first is None:
        first = conditions["if-unmodified-since"]
    if first is False:
        return 412
    if conditions["if-none-match"] is not None:
        if conditions["if-none-match"]:
            return 200
        return 304 if reading else 412
    return 304 if reading and conditions["if-modified-since"] is False else 200


TRUE = {"if-match": '"x"', "if-none-match": '"a"'}
TRUE |= {"if-unmodified-since": NEWER, "if-modified-since": OLDER}
FALSE = {"if-match": '"a"', "if-none-match": '"x"'}
FALSE |= {"if-unmodified-since": OLDER, "if-modified-since": NEWER}


@pytest.mark.rfc("9110", "13.2.2")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_every_combination_is_as_the_rfc_says(method: str) -> None:
    for answers in itertools.product((True, False, None), repeat=4):
        conditions = dict(zip(TRUE, answers, strict=True))
        fields = {
            name: (TRUE if holds else FALSE)[name]
            for name, holds in conditions.items()
            if holds is not None
        }
        seen = evaluate(method, Headers(fields), TAG, MODIFIED, NOW)
        assert seen == rfc_says(method, conditions), fields


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(st.sampled_from(sorted(TRUE)), VALUES, st.sampled_from(["GET", "PUT", "OPTIONS"]))
def test_any_value_gets_one_of_the_three_answers(name: str, value: str, method: str) -> None:
    assert evaluate(method, Headers({name: value}), TAG, MODIFIED, NOW) in (200, 304, 412)


@pytest.mark.rfc("9110", "15.4.5")
def test_a_304_repeats_what_a_cache_needs_and_nothing_else() -> None:
    whole = Headers(
        [
            ("ETag", '"x"'),
            ("Last-Modified", SAME),
            ("Content-Type", "text/html"),
            ("Content-Length", "5"),
            ("Cache-Control", "max-age=60"),
            ("Vary", "Accept"),
            ("Vary", "Cookie"),
            ("Expires", NEWER),
            ("Content-Location", "/x"),
            ("Content-Encoding", "gzip"),
        ]
    )
    kept = not_modified_headers(whole)
    assert list(kept) == ["etag", "cache-control", "vary", "expires", "content-location"]
    assert kept.get_all("vary") == ["Accept", "Cookie"]


@pytest.mark.rfc("9110", "15.4.5")
def test_a_304_without_a_tag_says_when_it_was_modified() -> None:
    kept = not_modified_headers(Headers({"last-modified": SAME, "content-type": "text/html"}))
    assert kept.fields == (("last-modified", SAME),)
