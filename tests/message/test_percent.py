"""Percent-encoding is decoded once, and hides nothing."""

from __future__ import annotations

import time
import tracemalloc
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.percent import (
    decode_path,
    decode_plus,
    encode_plus,
    path_segments,
    percent_decode,
    percent_encode,
)

PIECES = [
    "%", "%4", "%41", "%3d", "%3D", "%25", "%%", "%zz", "%\r\n", "% \n", "=", "==", "=41", "=\r\n",
    "\r\n", "\n", " ", "\t\n", "_", ".\n", "\0", "%00", "%0d%0a", "a", "ü", "%FF", "+",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.rfc("3986", "2.1")
def test_encoding_keeps_what_it_is_told_to() -> None:
    assert percent_encode("a b/ü%~\n") == "a%20b%2F%C3%BC%25~%0A"
    assert percent_encode("a b/ü%~", keep="/% ") == "a b/%C3%BC%%7E"
    assert percent_encode("") == ""
    with pytest.raises(ValueError, match="surrogates"):
        percent_encode("\ud800")


@given(TEXT)
def test_encoding_is_what_the_standard_library_does(text: str) -> None:
    assert percent_encode(text) == quote(text, safe="")
    assert percent_decode(percent_encode(text)) == text.encode()


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=40), st.integers(8, 60))
def test_a_long_text_is_decoded_as_a_short_one(pieces: list[str], step: int) -> None:
    """Wherever it is cut, and whatever of it would mean something in a mail."""
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crlf.message.percent._STEP", step)
        assert percent_decode(text) == unquote_to_bytes(text)


@pytest.mark.parametrize("escape", ["%41", "a%41", "%zz", "%"])
def test_a_long_form_takes_little_more_than_its_own_size(escape: str) -> None:
    text = escape * (1_000_000 // len(escape))
    tracemalloc.start()
    try:
        decode_plus(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(text)  # an object for each escape made it 60 times


@given(st.text("%a1F g", max_size=20))
def test_decoding_is_what_the_standard_library_does(text: str) -> None:
    assert percent_decode(text) == unquote_to_bytes(text)


def test_decoding_leaves_what_is_no_escape() -> None:
    assert percent_decode("%zz%4%") == b"%zz%4%"
    assert percent_decode("%%41%2525") == b"%A%25"
    assert percent_decode("%fF\xff") == b"\xff\xc3\xbf"


def test_all_256_bytes_decode_in_both_cases() -> None:
    for byte in range(256):
        assert percent_decode(f"%{byte:02x}") == percent_decode(f"%{byte:02X}") == bytes([byte])


def test_forms_have_blanks_as_plus() -> None:
    assert encode_plus("a b+c") == "a+b%2Bc"
    assert encode_plus("*-._~") == "*-._%7E"
    assert decode_plus("a+b%2Bc%20d") == "a b+c d"
    assert decode_plus("100%&%zz") == "100%&%zz"
    assert decode_plus("%FF") == "\ufffd"
    assert decode_plus("plain") == "plain"


@given(TEXT)
def test_a_form_value_survives(text: str) -> None:
    assert decode_plus(encode_plus(text)) == text
    assert parse_qsl(f"a={encode_plus(text)}", keep_blank_values=True) == [("a", text)]


@given(st.text())
def test_reading_a_form_value_never_fails(text: str) -> None:
    decode_plus(text)


# --- paths


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("", []),
        ("/", [""]),
        ("/a", ["a"]),
        ("/a/", ["a", ""]),
        ("/a//b", ["a", "", "b"]),
        ("/a%2Fb/c", ["a/b", "c"]),
        ("/%2e%2e/x", ["..", "x"]),
        ("/a%252Fb", ["a%2Fb"]),
        ("/%C3%BC+%20", ["ü+ "]),
        ("/a%5Cb", ["a\\b"]),
        ("*", ["*"]),
    ],
)
def test_segments_are_split_before_they_are_decoded(path: str, segments: list[str]) -> None:
    assert path_segments(path) == segments


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/%zz", "RFC 3986 2.1"),
        ("/%", "RFC 3986 2.1"),
        ("/a%4/b", "RFC 3986 2.1"),
        ("/%ff", "RFC 3986 2.5"),
        ("/%C3/%BC", "RFC 3986 2.5"),
        ("/%c0%af", "RFC 3986 2.5"),
        ("/%ed%a0%80", "RFC 3986 2.5"),
        ("/%00", "RFC 3986 7.3"),
        ("/a\0", "RFC 3986 7.3"),
    ],
)
def test_a_path_that_is_no_text_is_refused(path: str, rule: str) -> None:
    for reader in (path_segments, decode_path):
        with pytest.raises(Malformed) as caught:
            reader(path)
        assert (caught.value.rule, caught.value.status_code) == (rule, 400)


def test_a_path_is_decoded_once() -> None:
    assert decode_path("/a%20b/%C3%BC/%2541") == "/a b/ü/%41"
    assert decode_path("/static/style.css") == "/static/style.css"


@pytest.mark.parametrize("path", ["/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/%0a", "/a\r", "/%7f"])
def test_a_path_in_one_text_has_no_hidden_separators(path: str) -> None:
    with pytest.raises(Malformed):
        decode_path(path)


def test_a_million_escapes_take_linear_time() -> None:
    start = time.process_time()
    percent_encode("é" * 300_000)
    percent_decode("%C3" * 300_000)
    percent_decode("%" * 1_000_000)
    decode_plus("+%zz" * 300_000)
    path_segments("/%41" * 100_000)
    assert time.process_time() - start < 3  # seconds
