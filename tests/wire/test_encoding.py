"""Content codings done: what is made here is undone here, and by those whose formats they are."""

from __future__ import annotations

import gzip

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.wire import encoding
from crlf.wire.coding import ContentDecoder
from crlf.wire.encoding import encodable, encode, encoder_of
from crlf.wire.limits import CLIENT_LIMITS

pytestmark = pytest.mark.rfc("9110", "8.4.1")

CODINGS = ("zstd", "br", "gzip")
TEXT = b"A sentence that is said again and again. " * 400


def decoded(content: bytes, coding: str) -> bytes:
    decoder = ContentDecoder([coding], CLIENT_LIMITS)
    pieces = []
    for start in range(0, len(content), 1000):
        decoder.receive(content[start : start + 1000])
        while (piece := decoder.next_piece()) is not None:
            pieces.append(piece)
    decoder.finish()
    return b"".join(pieces)


def test_all_codings_are_here() -> None:
    assert encodable() == CODINGS


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_coded_can_be_decoded(coding: str) -> None:
    for content in (b"", b"x", TEXT):
        assert decoded(encode(content, coding), coding) == content
    assert len(encode(TEXT, coding)) < len(TEXT) / 20


@pytest.mark.parametrize("coding", CODINGS)
@given(pieces=st.lists(st.binary(max_size=300), max_size=8), flushes=st.booleans())
def test_any_pieces_are_their_whole(coding: str, pieces: list[bytes], flushes: bool) -> None:
    encoder = encoder_of(coding)
    made = []
    for piece in pieces:
        made.append(encoder.encode(piece))
        if flushes:
            made.append(encoder.flush())
    made.append(encoder.finish())
    assert decoded(b"".join(made), coding) == b"".join(pieces)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_was_flushed_can_be_read_at_once(coding: str) -> None:
    encoder = encoder_of(coding)
    sent = encoder.encode(b"first line\n") + encoder.flush()
    decoder = ContentDecoder([coding], CLIENT_LIMITS)
    decoder.receive(sent)
    assert decoder.next_piece() == b"first line\n"


def test_others_understand_it() -> None:
    assert gzip.decompress(encode(TEXT, "gzip")) == TEXT
    assert brotli.decompress(encode(TEXT, "br")) == TEXT


@pytest.mark.rfc("1952", "2.3.1")
def test_the_same_content_makes_the_same_bytes() -> None:
    assert encode(TEXT, "gzip")[4:8] == b"\0\0\0\0"  # no time of day
    for coding in CODINGS:
        assert encode(TEXT, coding) == encode(TEXT, coding)


def test_without_packages_there_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert encodable.__wrapped__() == ("gzip",)

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", missing)
    assert encodable.__wrapped__() == ("gzip",)


def test_an_unknown_coding_is_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError):
        encoding.encode(b"", "deflate64")
