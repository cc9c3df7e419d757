"""Compressing: what is worth it, what is never coded, and which coding a request gets."""

from __future__ import annotations

import pytest

from crlf.message.fields.media import TYPES
from crlf.message.headers import Headers
from crlf.rules.compressing import (
    LEAST,
    MOST,
    Choice,
    Offer,
    choose_coding,
    choose_offer,
    coded_headers,
    is_worth_coding,
    varied,
)

MADE = ("zstd", "br", "gzip")
TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("content_type", "worth"),
    [
        ("text/html; charset=utf-8", True), ("application/json", True), ("image/svg+xml", True),
        ("application/problem+json", True), ("application/wasm", True), ("font/ttf", True),
        ("image/png", False), ("video/mp4", False), ("font/woff2", False),
        ("application/zip", False), ("application/octet-stream", False),
        ("text/event-stream", False),
        ("", False), ("text/html; charset", False), (None, False),
    ],
)  # fmt: skip
def test_types(content_type: str | None, worth: bool) -> None:
    assert is_worth_coding(content_type) is worth


def test_no_packed_type_of_the_table_is_coded() -> None:
    for suffix in (
        "gz",
        "br",
        "zst",
        "zip",
        "7z",
        "xz",
        "png",
        "jpg",
        "webp",
        "avif",
        "mp4",
        "woff2",
    ):
        assert not is_worth_coding(TYPES[suffix]), suffix


def choice(length: int | None = 5000, accept: str = "gzip", **fields: str) -> Choice:
    headers = {"content-type": TEXT} | {k.replace("_", "-"): v for k, v in fields.items()}
    return choose_coding(Headers({"accept-encoding": accept}), 200, Headers(headers), length, MADE)


@pytest.mark.rfc("9110", "12.5.3")
@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"), ("gzip, br", "br"), ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1, br;q=0.5", "gzip"), ("br;q=0, gzip", "gzip"), ("*", "zstd"),
        ("identity, gzip;q=0.5", None), ("", None), ("gzip;q=0", None), ("deflate", None),
    ],
)  # fmt: skip
def test_the_client_chooses(accept: str, coding: str | None) -> None:
    assert choice(accept=accept) == Choice(coding, varies=True)


def test_who_says_nothing_gets_it_as_it_is() -> None:
    made = choose_coding(Headers(), 200, Headers({"content-type": TEXT}), 5000, MADE)
    assert made == Choice(None, varies=True)


def test_what_may_hold_a_secret_is_never_coded() -> None:
    """BREACH: the length of what is coded tells what stands beside a secret."""
    for fields in (
        {"set_cookie": "a=b"}, {"cache_control": "private"}, {"cache_control": "no-store"},
        {"cache_control": "max-age=60, Private=\"x\""}, {"cache_control": 'a="'},
        {"cache_control": "no-transform"}, {"content_encoding": "br"},
        {"content_range": "bytes 0-1/2"},
    ):  # fmt: skip
        assert choice(**fields) == Choice(None, varies=False), fields
    assert choice(cache_control="max-age=60").coding == "gzip"


def test_what_is_small_or_has_no_content_is_not_coded() -> None:
    assert choice(LEAST - 1) == Choice(None, varies=False)
    assert choice(LEAST).coding == "gzip"
    assert choice(None).coding == "gzip"
    asked, headers = Headers({"accept-encoding": "gzip"}), Headers({"content-type": TEXT})
    for status_code in (100, 204, 205, 206, 304):
        assert not choose_coding(asked, status_code, headers, None, MADE).varies
    assert choose_coding(asked, 404, headers, 5000, MADE).coding == "gzip"


@pytest.mark.rfc("9110", "8.8.1")
def test_what_is_said_of_coded_content() -> None:
    headers = Headers(
        [
            ("etag", '"x"'),
            ("content-length", "5000"),
            ("accept-ranges", "bytes"),
            ("vary", "Accept"),
        ]
    )
    fields = coded_headers(headers, "gzip")
    assert fields["etag"] == 'W/"x"'
    assert fields["content-encoding"] == "gzip"
    assert fields["vary"] == "Accept, Accept-Encoding"
    assert fields.keys().isdisjoint({"content-length", "accept-ranges"})
    assert "etag" not in coded_headers(Headers(), "br")


@pytest.mark.rfc("9110", "12.5.5")
def test_vary_says_it_once() -> None:
    assert varied(Headers()).fields == (("vary", "Accept-Encoding"),)
    for there in ("accept-encoding", "Accept, Accept-Encoding", "*"):
        assert varied(Headers({"vary": there}))["vary"] == there


# --- files ---------------------------------------------------------------------------------------


def offer(
    accept: str | None, *, beside: tuple[tuple[str, int], ...] = (), size: int = 5000,
    kind: str = TEXT, made: tuple[str, ...] = MADE, is_ranged: bool = False,
) -> Offer | None:  # fmt: skip
    return choose_offer(accept, kind, size, beside, made, is_ranged=is_ranged)


BESIDE = ((".zst", 900), (".br", 800), (".gz", 1000))


@pytest.mark.rfc("9110", "12.5.3")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Offer(varies=True)),
        ("", Offer(varies=True)),
        ("gzip, deflate, br, zstd", Offer("br", ".br", varies=True)),  # the smallest
        ("gzip, zstd", Offer("zstd", ".zst", varies=True)),
        ("x-gzip", Offer("gzip", ".gz", varies=True)),
        ("gzip;q=1.0, br;q=0.9", Offer("gzip", ".gz", varies=True)),
        ("br;q=0, zstd;q=0, *", Offer("gzip", ".gz", varies=True)),
        ("br;q=0", Offer(varies=True)),
        ("xbrx", Offer(varies=True)),
        ("identity;q=0, gzip", Offer("gzip", ".gz", varies=True)),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("identity;q=0, deflate", None),
    ],
)
def test_what_lies_beside_is_chosen_by_quality(accept: str | None, expected: Offer | None) -> None:
    assert offer(accept, beside=BESIDE) == expected


def test_what_lies_beside_goes_before_what_is_made() -> None:
    assert offer("gzip, br", beside=((".gz", 1000),)) == Offer("gzip", ".gz", varies=True)
    found = offer("br", beside=((".gz", 1000),))
    assert found == Offer("br", "", varies=True)
    assert found is not None
    assert found.is_made


def test_what_is_not_worth_coding_has_no_choice() -> None:
    for changed in ({"kind": "image/png"}, {"size": LEAST - 1}, {"size": MOST + 1}, {"made": ()}):
        for accept in (None, "gzip", "*;q=0"):
            assert offer(accept, **changed) == Offer(), changed  # type: ignore[arg-type]


def test_parts_are_never_of_what_is_made() -> None:
    assert offer("gzip", is_ranged=True) == Offer(varies=True)
    assert offer("gzip", beside=BESIDE, is_ranged=True) == Offer("gzip", ".gz", varies=True)
