"""Repr-Digest, Content-Digest and Want-*: read by RFC 9651's grammar, checked by what is safe."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import DigestMismatch, Malformed
from crlf.message.fields.digests import (
    Digest,
    build_digests,
    build_wanted,
    digest_of,
    new_hash,
    parse_digests,
    parse_wanted,
    strongest,
)

CONTENT = b'{"hello": "world"}\n'
SHA_256 = hashlib.sha256(CONTENT).digest()
SHA_512 = hashlib.sha512(CONTENT).digest()
# RFC 9530, appendix D and B.1: the same content there.
FIELD_256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


@pytest.mark.rfc("9530", "3")
def test_the_example_of_the_rfc() -> None:
    assert parse_digests(FIELD_256) == {"sha-256": SHA_256}
    assert build_digests({"sha-256": SHA_256}) == FIELD_256


@pytest.mark.rfc("9530", "3")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("md5=:AAAA:, sha-256=:AAEC:", {"md5": b"\0\0\0", "sha-256": b"\0\1\2"}),
        ("a=:AAEC:\t,\tb=:AA==:", {"a": b"\0\1\2", "b": b"\0"}),
        ("a=:AA:", {"a": b"\0"}),
        ("a=::", {"a": b""}),
        ("a=:AA==:, a=:AQ==:", {"a": b"\1"}),
        ('a=:AA==:;q=1;  x="y, z";flag;t=@5;n=?0', {"a": b"\0"}),
        ("*a=:AA==:", {"*a": b"\0"}),
    ],
)
def test_a_digest_is_read(text: str, found: dict[str, bytes]) -> None:
    assert parse_digests(text) == found


@pytest.mark.rfc("9651", "4.2")
@pytest.mark.parametrize(
    "text",
    [
        "sha-256", "sha-256=", "sha-256=abc", "sha-256=:A:", "sha-256=:AA=A:", "sha-256=:A A=:",
        "sha-256=:AA==", "sha-256=:_-A=:", "SHA-256=:AA==:", "a=:AA==:,", "a=:AA==:, ,b=:AA==:",
        ",a=:AA==:", "a=:AA==: b=:AA==:", "a =:AA==:", "a=:AA===:", "a=:=:", "a=5", 'a=":AA==:"',
        "a=(:AA==:)", "a=:AA==:;", "a=:AA==:;=", "a=?1", "\u00e4=:AA==:",
        ", ".join(f"a{n}=:AA==:" for n in range(33)),
    ],
)  # fmt: skip
def test_a_broken_field_says_nothing(text: str) -> None:
    assert parse_digests(text) == {}


@given(st.dictionaries(st.from_regex(r"[a-z*][a-z0-9_.*-]{0,9}", fullmatch=True), st.binary()))
def test_what_is_written_is_read(digests: dict[str, bytes]) -> None:
    if len(digests) <= 32:
        assert parse_digests(build_digests(digests)) == digests


@given(st.text(st.sampled_from('a=:;, "\\?1@*A(-.'), max_size=40))
def test_nothing_is_too_odd_to_be_read(text: str) -> None:
    for value in parse_digests(text).values():
        assert isinstance(value, bytes)
    assert all(0 <= liking <= 10 for liking in parse_wanted(text).values())


def test_a_long_field_is_read_in_no_time() -> None:
    began = time.process_time()
    for piece in ("a=1;", "a;", "a;  ", 'a="', ":", "a=:", "-1", "a,", "\\", 'a;a="\\"'):
        parse_digests(piece * 100_000)
        parse_digests("a=:" + piece * 100_000)
        parse_digests('a="' + piece * 100_000)
        parse_digests("a=:AA==:" + piece * 100_000)
    assert time.process_time() - began < 2


@pytest.mark.rfc("9530", "5")
def test_only_what_cannot_be_forged_is_checked() -> None:
    assert (
        strongest({"md5": b"", "sha": b"", "unixsum": b"", "crc32c": b"", "id-sha-256": b""})
        is None
    )
    assert strongest({"sha-256": SHA_256, "md5": b"x"}) == Digest("sha-256", SHA_256)
    assert strongest({"sha-256": b"", "sha-512": SHA_512}) == Digest("sha-512", SHA_512)
    assert strongest({}) is None


@pytest.mark.parametrize("digest", [Digest("sha-256", SHA_256), Digest("sha-512", SHA_512)])
def test_content_is_checked(digest: Digest) -> None:
    found = digest.new_hash()
    found.update(CONTENT[:5])
    found.update(CONTENT[5:])
    digest.check(found)
    found.update(b"!")
    with pytest.raises(DigestMismatch, match=digest.value.hex()):
        digest.check(found)


def test_a_digest_of_the_wrong_length_matches_nothing() -> None:
    with pytest.raises(DigestMismatch):
        Digest("sha-256", SHA_256[:16]).check(new_hash("sha-256"))


@pytest.mark.rfc("9530", "4")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sha-512=3, sha-256=10, unixsum=0", {"sha-512": 3, "sha-256": 10, "unixsum": 0}),
        ("sha-256=11", {}),
        ("sha-256=-1", {}),
        ("sha-256=1.0", {}),
        ("sha-256", {}),
        ("sha-256=1,", {}),
    ],
)
def test_what_is_wanted(text: str, found: dict[str, int]) -> None:
    assert parse_wanted(text) == found
    if found:
        assert build_wanted(found) == text


def test_nothing_is_wanted_more_than_most() -> None:
    with pytest.raises(Malformed):
        build_wanted({"sha-256": 11})


@pytest.mark.parametrize(
    "text",
    [
        SHA_256.hex(), SHA_256.hex().upper(), f"sha-256={SHA_256.hex()}", f"sha256:{SHA_256.hex()}",
        FIELD_256, f"sha-256={base64.b64encode(SHA_256).decode()}", f"  {SHA_256.hex()}",
        f"sha256={base64.b64encode(SHA_256).decode().rstrip('=')}",
    ],
)  # fmt: skip
def test_a_digest_as_people_write_it(text: str) -> None:
    assert digest_of(text) == Digest("sha-256", SHA_256)
    assert str(digest_of(text)) == f"sha-256={SHA_256.hex()}"


def test_a_longer_digest_as_people_write_it() -> None:
    for text in (SHA_512.hex(), f"sha-512={SHA_512.hex()}", f"sha512:{SHA_512.hex()}"):
        assert digest_of(text) == Digest("sha-512", SHA_512)


@pytest.mark.parametrize(
    "text",
    ["", "sha-256=", "sha-256", "md5=" + "0" * 32, "0" * 32, "0" * 63, "g" * 64,
     f"sha-512={SHA_256.hex()}", "sha-256=:AA==:", f"sha-1={'0' * 40}"],
)  # fmt: skip
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        digest_of(text)
