"""Content codings: every split gives the same, every fault is a DecodingError, no bomb goes off.

The encoders are other people's: zlib, brotli, zstd. What they make is decoded whole and in
pieces, cut at every byte, damaged, stacked, and made to stand for more than it should.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crlf.message.errors import DecodingError
from crlf.message.fields.codings import codings_of
from crlf.message.headers import Headers
from crlf.values import replace
from crlf.wire import coding
from crlf.wire.coding import PIECE, RATIO_FROM, ContentDecoder, available, refuse_ratio
from crlf.wire.limits import CLIENT_LIMITS, Limits

try:
    from compression import zstd
except ImportError:
    from backports import zstd

pytestmark = pytest.mark.rfc("9110", "8.4.1")

SOURCE = Path(__file__).resolve().parents[2] / "src"
FREE = replace(CLIENT_LIMITS, ratio=None)
MiB = 1024 * 1024


def raw_deflate(data: bytes, level: int = 6) -> bytes:
    packing = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packing.compress(data) + packing.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=5)),
    "zstd": ("zstd", zstd.compress),
}
TEXT = b"".join(b'{"number": %d, "name": "item %d"}\n' % (n, n * 7919 % 10007) for n in range(300))
LARGEST = 2 * PIECE  # of one piece; br gives more than it is asked for


def decoded(
    codings: Iterable[str], pieces: Iterable[bytes], limits: Limits = CLIENT_LIMITS
) -> bytes:
    """Decode some pieces, demanding that each that comes out is bounded."""
    decoder = ContentDecoder(tuple(codings), limits)
    found = []
    for data in pieces:
        decoder.receive(data)
        while (piece := decoder.next_piece()) is not None:
            assert len(piece) <= LARGEST
            found.append(piece)
    decoder.finish()
    return b"".join(found)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


# --- what encoders make is read --------------------------------------------------------------


@pytest.mark.parametrize("how", ENCODERS)
@pytest.mark.parametrize("content", [b"", b"x", TEXT, os.urandom(3 * PIECE), bytes(MiB)])
def test_what_was_encoded_is_decoded_whole_and_byte_by_byte(how: str, content: bytes) -> None:
    name, encode = ENCODERS[how]
    data = encode(content)
    assert decoded([name], [data]) == content
    if len(data) < 20_000:
        assert decoded([name], cut(data, 1)) == content


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_every_split_gives_the_same(data: st.DataObject) -> None:
    hows = data.draw(st.lists(st.sampled_from(list(ENCODERS)), min_size=1, max_size=2))
    content = data.draw(st.binary(max_size=300)) * data.draw(st.sampled_from([1, 50]))
    encoded = content
    for how in hows:
        encoded = ENCODERS[how][1](encoded)
    names = [ENCODERS[how][0] for how in hows]
    places = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=6)))
    edges = [0, *places, len(encoded)]
    pieces = [encoded[a:b] for a, b in pairwise(edges)]
    assert decoded(names, pieces) == content


@pytest.mark.parametrize("how", ENCODERS)
def test_what_was_flushed_is_there_before_the_rest_comes(how: str) -> None:
    encoders: dict[str, Callable[[], tuple[Any, Callable[[], bytes]]]] = {
        "gzip": lambda: flushing(zlib.compressobj(wbits=31)),
        "zlib": lambda: flushing(zlib.compressobj()),
        "raw": lambda: flushing(zlib.compressobj(wbits=-15)),
        "br": lambda: ((one := brotli.Compressor()).process, one.flush),
        "zstd": lambda: (
            (two := zstd.ZstdCompressor()).compress,
            lambda: two.flush(two.FLUSH_BLOCK),
        ),
    }
    encode, flush = encoders[how]()
    decoder = ContentDecoder((ENCODERS[how][0],), CLIENT_LIMITS)
    for event in (b"data: one\n\n", b"data: two\n\n"):
        decoder.receive(encode(event) + flush())
        assert decoder.next_piece() == event
        assert decoder.next_piece() is None
    with pytest.raises(DecodingError, match="ends early"):
        decoder.finish()


def flushing(packing: Any) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    return packing.compress, lambda: packing.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.rfc("1952", "2.2")
def test_gzip_members_follow_each_other_with_names_and_notes_and_zeros_after() -> None:
    # FTEXT, FHCRC, FEXTRA, FNAME and FCOMMENT all set.
    head = b"\x1f\x8b\x08\x1f" + bytes(6) + b"\x04\x00abcd" + b"name\0" + b"note\0"
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    tail = zlib.crc32(b"two").to_bytes(4, "little") + (3).to_bytes(4, "little")
    data = gzip.compress(b"one, ") + head + raw_deflate(b"two") + tail + gzip.compress(b"")
    for size in (1, 2, 7, len(data)):
        assert decoded(["gzip"], cut(data, size)) == b"one, two"
        assert decoded(["gzip"], cut(data + bytes(600), size)) == b"one, two"


@pytest.mark.rfc("8878", "3.1")
def test_zstd_frames_follow_each_other_and_some_are_skipped() -> None:
    skipped = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    data = skipped + zstd.compress(b"one, ") + skipped + zstd.compress(b"two") + skipped
    for size in (1, 3, len(data)):
        assert decoded(["zstd"], cut(data, size)) == b"one, two"
    assert decoded(["zstd"], [skipped]) == b""


@pytest.mark.rfc("9110", "8.4.1.2")
@pytest.mark.parametrize("level", range(10))
def test_both_kinds_of_deflate_are_told_apart(level: int) -> None:
    for content in (b"", b"x", TEXT, os.urandom(100)):
        for data in (zlib.compress(content, level), raw_deflate(content, level)):
            assert decoded(["deflate"], [data]) == content
            assert decoded(["deflate"], cut(data, 1)) == content


def test_the_last_coding_is_undone_first() -> None:
    data = brotli.compress(gzip.compress(TEXT))
    assert decoded(["gzip", "br"], [data]) == TEXT
    with pytest.raises(DecodingError):
        decoded(["br", "gzip"], [data])


def test_content_that_never_began_is_empty() -> None:
    for how in ENCODERS:
        assert decoded([ENCODERS[how][0]], []) == b""
        assert decoded([ENCODERS[how][0]], [b""]) == b""


# --- what is broken is refused ---------------------------------------------------------------


@pytest.mark.parametrize("how", ENCODERS)
def test_content_cut_anywhere_is_no_short_success(how: str) -> None:
    name, encode = ENCODERS[how]
    data = encode(TEXT[:200])
    for end in range(1, len(data)):
        with pytest.raises(DecodingError, match=f"broken {name} content: .*RFC "):
            decoded([name], [data[:end]])
    stacked = gzip.compress(data)
    for end in range(1, len(stacked)):
        with pytest.raises(DecodingError):
            decoded([name, "gzip"], [stacked[:end]])


def test_a_coding_that_holds_nothing_under_another_is_cut_short_too() -> None:
    with pytest.raises(DecodingError, match="broken br content: it ends early"):
        decoded(["br", "gzip"], [gzip.compress(b"")])


@pytest.mark.parametrize("how", ENCODERS)
def test_what_comes_after_the_end_is_refused(how: str) -> None:
    name, encode = ENCODERS[how]
    data = encode(b"content")
    for after in (b"x", b"\0x", b"\x1f", b"HTTP/1.1 200 OK"):
        for pieces in ([data + after], [data, after], cut(data + after, 1)):
            with pytest.raises(DecodingError, match="broken"):
                decoded([name], pieces)


@given(st.binary(max_size=2000), st.sampled_from([*ENCODERS]), st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_random_bytes_raise_nothing_but_decoding_errors(data: bytes, how: str, size: int) -> None:
    name, encode = ENCODERS[how]
    for hostile in (data, encode(data)[:4] + data):
        with suppress(DecodingError):
            decoded([name], cut(hostile, size))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_content_is_refused_or_says_the_same(data: st.DataObject) -> None:
    name, encode = ENCODERS[data.draw(st.sampled_from([*ENCODERS]))]
    encoded = bytearray(encode(TEXT[:500]))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = decoded([name], [bytes(encoded)])
    except DecodingError:
        return
    if name == "gzip":  # its checksum holds for the content; a flag or the time may differ
        assert found == TEXT[:500]


def test_who_asks_broken_content_again_is_told_again() -> None:
    decoder = ContentDecoder(("gzip",), CLIENT_LIMITS)
    decoder.receive(b"no gzip at all")
    for _ in range(2):
        with pytest.raises(DecodingError, match="RFC 1952"):
            decoder.next_piece()


def test_pieces_are_taken_before_more_is_given() -> None:
    decoder = ContentDecoder(("gzip",), CLIENT_LIMITS)
    decoder.receive(gzip.compress(bytes(4 * PIECE)))
    assert decoder.next_piece()
    with pytest.raises(RuntimeError, match="first"):
        decoder.receive(b"more")


@pytest.mark.rfc("1950", "2.2")
def test_a_dictionary_nobody_has_is_refused() -> None:
    packing = zlib.compressobj(zdict=b"words that both sides know")
    with pytest.raises(DecodingError):
        decoded(["deflate"], [packing.compress(b"words") + packing.flush()])


@pytest.mark.rfc("9659", "3")
def test_a_zstd_window_over_8_mib_is_refused() -> None:
    for log, is_allowed in ((23, True), (24, False), (27, False)):
        packing = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
        data = packing.compress(TEXT) + packing.flush()
        if is_allowed:
            assert decoded(["zstd"], [data]) == TEXT
        else:
            with pytest.raises(DecodingError, match="memory"):
                decoded(["zstd"], [data])


# --- limits ----------------------------------------------------------------------------------


def test_more_codings_than_allowed_are_refused_before_a_byte() -> None:
    once, twice = gzip.compress(TEXT), gzip.compress(gzip.compress(TEXT))
    assert decoded(["gzip"] * 2, [twice]) == TEXT
    assert decoded(["gzip"], [once], replace(CLIENT_LIMITS, codings=1)) == TEXT
    with pytest.raises(DecodingError, match=r"3 codings.*`codings` of 2"):
        ContentDecoder(("gzip",) * 3, CLIENT_LIMITS)
    with pytest.raises(DecodingError, match="`codings`"):
        ContentDecoder(("gzip",) * 2, replace(CLIENT_LIMITS, codings=1))


def test_the_ratio_holds_from_the_first_mib_on_and_to_the_byte() -> None:
    refuse_ratio("gzip", RATIO_FROM, 1, 200)
    for decoded_size in (200 * 10_000 - 1, 200 * 10_000):
        refuse_ratio("gzip", decoded_size, 10_000, 200)
    with pytest.raises(DecodingError, match=r"gzip content .* 200 times .*`ratio`"):
        refuse_ratio("gzip", 200 * 10_000 + 1, 10_000, 200)
    with pytest.raises(DecodingError):
        refuse_ratio("gzip", RATIO_FROM + 1, 1, 200)
    refuse_ratio("gzip", 10**15, 1, None)


@pytest.mark.parametrize("how", ENCODERS)
def test_a_mib_may_be_packed_as_tight_as_can_be_and_no_more(how: str) -> None:
    name, encode = ENCODERS[how]
    assert decoded([name], [encode(bytes(RATIO_FROM))]) == bytes(RATIO_FROM)
    more = bytes(2 * RATIO_FROM)
    with pytest.raises(DecodingError, match="`ratio`"):
        decoded([name], [encode(more)])
    with pytest.raises(DecodingError, match="`ratio`"):
        decoded([name], cut(encode(more), 1))
    assert decoded([name], [encode(more)], FREE) == more


def test_two_codings_within_the_ratio_each_are_beyond_it_together() -> None:
    # 100:1 by zstd, and that by 10:1 once more; neither is a bomb alone.
    line = os.urandom(1000)
    inner = b"".join(zstd.compress(line * 100) for _ in range(100))
    outer = gzip.compress(inner)
    assert len(inner) * 200 > 10**7 > len(outer) * 200
    assert len(inner) < len(outer) * 200
    assert len(decoded(["zstd"], [inner])) == 10**7
    assert decoded(["gzip"], [outer]) == inner
    with pytest.raises(DecodingError, match=r"zstd, gzip content .*`ratio`"):
        decoded(["zstd", "gzip"], [outer])


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_million_empty_members_are_refused_and_a_few_thousand_are_not(name: str) -> None:
    empty = ENCODERS[name][1](b"")
    assert decoded([name], [empty * 10_000]) == b""
    decoder = ContentDecoder((name,), CLIENT_LIMITS)
    decoder.receive(empty * 1_000_000)
    with pytest.raises(DecodingError, match=r"over 10,000 members.*RFC") as caught:
        list(iter(decoder.next_piece, None))
    assert caught.value.phase == "decode"
    assert decoder.encoded < 15_000 * len(empty)
    large = ENCODERS[name][1](os.urandom(1100))
    assert len(decoded([name], [large * 12_000], FREE)) == 12_000 * 1100


def test_a_million_empty_blocks_give_nothing_in_bounded_steps() -> None:
    stored = b"\x00\x00\x00\xff\xff"
    data = stored * 1_000_000 + b"\x01\x00\x00\xff\xff"
    decoder = ContentDecoder(("deflate",), CLIENT_LIMITS)
    decoder.receive(data)
    before, steps = 0, 0
    while (piece := decoder.next_piece()) is not None:
        assert piece == b""
        assert decoder.encoded - before <= 300_000
        before = decoder.encoded
        steps += 1
    decoder.finish()
    assert steps >= 15


def calls_for(work: Callable[[], object]) -> int:
    """Count the calls that some work makes."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("how", ENCODERS)
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_work_grows_with_what_comes(how: str, size: int) -> None:
    name, encode = ENCODERS[how]
    scale = 5_000 if size == 1 else 200_000
    costs = []
    for length in (scale, 2 * scale):
        data = encode(os.urandom(length))
        costs.append(calls_for(lambda data=data: decoded([name], cut(data, size))))  # type: ignore[misc]
    assert costs[1] <= 2.2 * costs[0] + 50


# --- bombs -----------------------------------------------------------------------------------

BOMB = """
    import sys, zlib, resource
    sys.path.insert(0, sys.argv[1])
    from crlf.message.errors import DecodingError
    from crlf.values import replace
    from crlf.wire.coding import ContentDecoder
    from crlf.wire.limits import CLIENT_LIMITS
    import brotli
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd

    ZEROS = bytes(1 << 20)

    def gzipped(pieces):
        packing = zlib.compressobj(6, wbits=31)
        for piece in pieces:
            yield packing.compress(piece)
        yield packing.flush()

    def gzip_of_zeros(mib):
        # One block that stands for a MiB, again and again.
        packing = zlib.compressobj(9, wbits=-15)
        packing.compress(ZEROS)
        packing.flush(zlib.Z_FULL_FLUSH)
        block = packing.compress(ZEROS) + packing.flush(zlib.Z_FULL_FLUSH)
        checksum = 0
        yield b"\\x1f\\x8b\\x08" + bytes(7)
        for _ in range(mib):
            checksum = zlib.crc32(ZEROS, checksum)
            yield block
        yield b"\\x03\\x00" + checksum.to_bytes(4, "little")
        yield (mib << 20 & 0xFFFFFFFF).to_bytes(4, "little")

    def deflate_of_zeros(mib):
        pieces = gzip_of_zeros(mib)
        next(pieces)
        before = None
        for piece in pieces:
            if before is not None:
                yield before
            before = piece
            if piece[:2] == b"\\x03\\x00":
                yield b"\\x03\\x00"
                return

    def br_of_zeros(mib):
        packing = brotli.Compressor(quality=1)
        for _ in range(mib):
            yield packing.process(ZEROS)
        yield packing.finish()

    def zstd_of_zeros(mib):
        packing = zstd.ZstdCompressor(1)
        for _ in range(mib):
            yield packing.compress(ZEROS)
        yield packing.flush()

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    makers = {"gzip": gzip_of_zeros, "deflate": deflate_of_zeros, "br": br_of_zeros,
              "zstd": zstd_of_zeros}
    names, mib, is_free = sys.argv[2].split(","), int(sys.argv[3]), sys.argv[4] == "free"
    for name in names:  # everything is loaded before memory is measured
        ContentDecoder((name,), CLIENT_LIMITS)
    pieces = makers[names[0]](mib)
    if len(names) == 2:
        assert names[1] == "gzip"
        pieces = gzipped(pieces)
    limits = replace(CLIENT_LIMITS, ratio=None) if is_free else CLIENT_LIMITS
    before, size, verdict = peak(), 0, "whole"
    decoder = ContentDecoder(names, limits)
    try:
        for data in pieces:
            decoder.receive(data)
            while (piece := decoder.next_piece()) is not None:
                size += len(piece)
        decoder.finish()
    except DecodingError as fault:
        verdict = "ratio" if "`ratio`" in str(fault) else str(fault)
    print(verdict, size, peak() - before)
"""
STACKS = ["gzip", "deflate", "br", "zstd", "gzip,gzip", "deflate,gzip", "br,gzip", "zstd,gzip"]


def explode(names: str, mib: int, how: str) -> tuple[str, int, int]:
    """Decode a bomb in a process of its own: the verdict, bytes decoded, MiB that it cost."""
    script = textwrap.dedent(BOMB)
    run = [sys.executable, "-c", script, str(SOURCE), names, str(mib), how]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    verdict, size, cost = done.stdout.rsplit(" ", 2)
    return verdict, int(size), int(cost)


@pytest.mark.parametrize("names", STACKS)
def test_a_bomb_is_refused_after_a_mib_or_so(names: str) -> None:
    verdict, size, cost = explode(names, 64, "limited")
    assert verdict == "ratio"
    assert size <= 8 * MiB
    assert cost < 40


@pytest.mark.parametrize("names", STACKS)
def test_what_is_no_bomb_because_somebody_said_so_streams_through(names: str) -> None:
    verdict, size, cost = explode(names, 128, "free")
    assert (verdict, size) == ("whole", 128 * MiB)
    assert cost < 40


@pytest.mark.long
@pytest.mark.parametrize("how", ["limited", "free"])
@pytest.mark.parametrize("names", STACKS)
def test_ten_gigabytes_stop_or_stream_in_constant_memory(names: str, how: str) -> None:
    verdict, size, cost = explode(names, 10_240, how)
    assert verdict == ("ratio" if how == "limited" else "whole")
    assert size == 10_240 * MiB if how == "free" else size <= 8 * MiB
    assert cost < 60


# --- what can be undone here -----------------------------------------------------------------


def test_what_is_installed_is_offered_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available() == ("gzip", "deflate", "br", "zstd")
    monkeypatch.setitem(sys.modules, "brotli", None)
    available.cache_clear()
    assert "br" not in available()
    monkeypatch.setattr(coding, "_has_zstd", lambda: False)
    available.cache_clear()
    assert available() == ("gzip", "deflate")
    monkeypatch.undo()
    available.cache_clear()


def test_a_brotli_that_cannot_be_bounded_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        """Brotli 1.1."""

        class Decompressor:
            def process(self, data: bytes) -> bytes:
                return data

    monkeypatch.setitem(sys.modules, "brotli", Old)
    available.cache_clear()
    assert "br" not in available()
    monkeypatch.undo()
    available.cache_clear()


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import crlf.wire.coding as c;"
        "print(*{'zlib', 'brotli', 'compression', 'backports.zstd'} & set(sys.modules))"
    )
    run = [sys.executable, "-S", "-E", "-c", script, str(SOURCE)]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "\n"


@pytest.mark.rfc("9110", "8.4")
@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ([], ()),
        (["gzip"], ("gzip",)),
        (["GZip"], ("gzip",)),
        (["x-gzip, BR"], ("gzip", "br")),
        (["gzip", "br"], ("gzip", "br")),
        (["identity"], ()),
        (["identity, gzip ,,identity"], ("gzip",)),
        ([""], ()),
        (["x-compress"], ("compress",)),
        (["gzip;q=1"], ("gzip;q=1",)),
        (["g zip"], ("g zip",)),
        (['"gzip'], ('"gzip',)),
        (["gzip," * 60], ("gzip," * 60,)),
    ],
)
def test_the_field_is_read_and_never_repaired(values: list[str], codings: tuple[str, ...]) -> None:
    assert codings_of(Headers([("content-encoding", value) for value in values])) == codings
