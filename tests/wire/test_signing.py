"""Signing: what comes back is what left, or it is refused before anyone looked inside."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import BadSignature, TooLarge
from crlf.wire.signing import MAX_SIGNED, SKEW, sign, unsign

OLD, NEW, FOREIGN = b"o" * 16, b"n" * 32, b"f" * 32
NOW = 1_700_000_000


def test_the_newest_key_signs_and_all_of_them_verify() -> None:
    before = sign(b"payload", [OLD], "session", NOW)
    after = sign(b"payload", [NEW, OLD], "session", NOW)
    assert unsign(before, [NEW, OLD], "session", NOW, 60) == b"payload"
    assert unsign(after, [NEW], "session", NOW, 60) == b"payload"
    with pytest.raises(BadSignature):
        unsign(after, [OLD], "session", NOW, 60)
    with pytest.raises(BadSignature):
        unsign(before, [FOREIGN], "session", NOW, 60)


def test_the_format_names_its_algorithm_and_fits_a_cookie() -> None:
    text = sign(b'{"cart": ["\xc3\xa9"]}', [NEW], "session", NOW)
    assert text.startswith("hs256.")
    assert set(text) <= set(string.ascii_letters + string.digits + "-_.")


def test_it_is_hmac_sha256_as_written_down() -> None:
    """The format is a promise: a text signed yesterday is valid tomorrow."""
    import hashlib
    import hmac

    key = hmac.new(NEW, b"crlf signing 1\x00session", hashlib.sha256).digest()
    body = "hs256.cGF5bG9hZA.1700000000"
    mac = hmac.new(key, body.encode(), hashlib.sha256).digest()
    expected = body + "." + base64.urlsafe_b64encode(mac).decode().rstrip("=")
    assert sign(b"payload", [NEW], "session", NOW) == expected


def test_a_text_for_one_purpose_is_none_for_another() -> None:
    text = sign(b"payload", [NEW], "session", NOW)
    with pytest.raises(BadSignature):
        unsign(text, [NEW], "form", NOW, 60)


@pytest.mark.parametrize(("age", "valid"), [(0, True), (59, True), (60, True), (61, False)])
def test_a_text_grows_old(age: int, valid: bool) -> None:
    text = sign(b"payload", [NEW], "session", NOW)
    if valid:
        assert unsign(text, [NEW], "session", NOW + age, 60) == b"payload"
    else:
        with pytest.raises(BadSignature, match="too long ago"):
            unsign(text, [NEW], "session", NOW + age, 60)
    assert unsign(text, [NEW], "session", NOW + age, None) == b"payload"


def test_a_text_from_the_future_is_refused_but_for_a_little_skew() -> None:
    text = sign(b"payload", [NEW], "session", NOW)
    assert unsign(text, [NEW], "session", NOW - SKEW, 60) == b"payload"
    with pytest.raises(BadSignature, match="future"):
        unsign(text, [NEW], "session", NOW - SKEW - 1, 60)


def test_no_character_can_be_changed_or_left_out() -> None:
    text = sign(b"payload", [NEW], "session", NOW)
    for at, letter in enumerate(text):
        for other in {"A", "B", "", letter + letter, "=", ".", "\u00e9"} - {letter}:
            with pytest.raises(BadSignature):
                unsign(text[:at] + other + text[at + 1 :], [NEW], "session", NOW, 60)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "...",
        "hs256",
        "hs256.",
        "hs256...",
        "none.cGF5.1700000000.",
        "\ud800",
        "hs256.é.1.x",
    ],
)
def test_what_was_never_signed_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        unsign(text, [NEW], "session", NOW, 60)


def test_too_long_a_text_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(BadSignature, match="over its limit"):
        unsign("hs256." + "A" * MAX_SIGNED, [NEW], "session", NOW, 60)
    room = (MAX_SIGNED - len(sign(b"", [NEW], "session", NOW))) * 3 // 4
    text = sign(b"x" * room, [NEW], "session", NOW)
    assert MAX_SIGNED - 2 < len(text) <= MAX_SIGNED
    assert unsign(text, [NEW], "session", NOW, 60) == b"x" * room
    for size in (room + 1, 10**6):
        with pytest.raises(TooLarge):
            sign(b"x" * size, [NEW], "session", NOW)


@pytest.mark.parametrize(("keys", "purpose"), [([], "x"), ([b"k" * 15], "x"), ([NEW, b""], "x")])
def test_weak_keys_are_wrong_use(keys: list[bytes], purpose: str) -> None:
    with pytest.raises(ValueError, match="key"):
        sign(b"", keys, purpose, NOW)
    with pytest.raises(ValueError, match="key"):
        unsign("", keys, purpose, NOW, 60)


def test_a_purpose_and_a_time_are_needed() -> None:
    with pytest.raises(ValueError, match="purpose"):
        sign(b"", [NEW], "", NOW)
    with pytest.raises(ValueError, match="1970"):
        sign(b"", [NEW], "session", -1)


@given(st.binary(max_size=300), st.integers(0, 2**40), st.text(min_size=1, max_size=9))
def test_what_is_signed_comes_back(payload: bytes, now: int, purpose: str) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in purpose):
        return
    text = sign(payload, [NEW, OLD], purpose, now)
    assert unsign(text, [OLD, NEW], purpose, now, 0) == payload


@given(st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        unsign(text, [NEW], "session", NOW, None)
