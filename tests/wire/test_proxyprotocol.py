"""PROXY lines: both versions as proxy-protocol.txt has them, and nothing that is almost one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.flow.proxyprotocol import read_proxy_line
from crlf.flow.run import run_sync
from crlf.message.errors import Malformed, ReadFailed, ReadTimeout
from crlf.net.scripted import END, STALL, ScriptedStream
from crlf.ports import StreamFacts
from crlf.wire.proxyprotocol import MAX_BLOCK, MAX_LINE, ProxyLine, crc32c, parse_proxy_line

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TCP4 = bytes([192, 0, 2, 1, 198, 51, 100, 7]) + struct.pack("!HH", 56324, 443)
TCP6 = bytes.fromhex("20010db8000000000000000000000001") * 2 + struct.pack("!HH", 1, 65535)


def block(family: int, rest: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def value(kind: int, content: bytes) -> bytes:
    return struct.pack("!BH", kind, len(content)) + content


def checked(family: int, rest: bytes) -> bytes:
    """Add a checksum as the last value."""
    bare = block(family, rest + value(3, bytes(4)))
    return bare[:-4] + struct.pack("!I", crc32c(bare))


# --- what is one ---------------------------------------------------------------------------------

LINES = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", ("192.0.2.1", 56324),
     ("198.51.100.7", 443)),
    (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", ("0.0.0.0", 0), ("255.255.255.255", 65535)),
    (b"PROXY TCP6 2001:DB8::1 ::1 1 2\r\n", ("2001:db8::1", 1), ("::1", 2)),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", ("192.0.2.1", 1), ("::1", 2)),
    (b"PROXY UNKNOWN\r\n", None, None),
    (b"PROXY UNKNOWN ffff:f:f:f:f:f:f:f whatever this is\r\n", None, None),
    (block(0x11, TCP4), ("192.0.2.1", 56324), ("198.51.100.7", 443)),
    (block(0x12, TCP4), ("192.0.2.1", 56324), ("198.51.100.7", 443)),
    (block(0x21, TCP6), ("2001:db8::1", 1), ("2001:db8::1", 65535)),
    (block(0x22, TCP6), ("2001:db8::1", 1), ("2001:db8::1", 65535)),
    (block(0x31, b"/run/a".ljust(108, b"\0") * 2), None, None),
    (block(0x00, b"whatever"), None, None),
    (block(0x10, TCP4), None, None),
    (block(0x11, TCP4 + value(4, b"") + value(2, b"a.example")), ("192.0.2.1", 56324),
     ("198.51.100.7", 443)),
    (checked(0x11, TCP4 + value(0xE0, b"x" * 300)), ("192.0.2.1", 56324), ("198.51.100.7", 443)),
]  # fmt: skip


@pytest.mark.parametrize(("line", "peer", "local"), LINES)
def test_a_line_is_read_wherever_it_is_cut(line: bytes, peer: object, local: object) -> None:
    for end in range(len(line)):
        assert parse_proxy_line(line[:end]) is None
    whole = ProxyLine(len(line), True, peer, local)  # type: ignore[arg-type]  # a table's column
    assert parse_proxy_line(line) == whole
    assert parse_proxy_line(line + b"GET / HTTP/1.1\r\n") == whole


def test_a_proxy_that_speaks_for_itself_is_not_relaying() -> None:
    for rest in (b"", TCP4, b"anything"):
        line = block(0x11, rest, 0x20)
        assert parse_proxy_line(line) == ProxyLine(len(line), False)


# --- what is none --------------------------------------------------------------------------------

BROKEN = [
    b"GET / HTTP/1.1\r\n", b"PROXY\r\n",
    b"PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n", b"proxy TCP4", b"POST / HTTP/1.1",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\r\n",
    b"PROXY TCP4 192.0.2.1\r 198.51.100.7 1 2\r\n",
    b"PROXY TCP4 192.0.2.1  198.51.100.7 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2 \r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n",
    b"PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 +1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.7 1 \xb2\r\n",
    b"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
    b"PROXY \r\n",
    b"\r\n\r\n\0\r\nQUIT\r",
    block(0x11, TCP4, 0x11), block(0x11, TCP4, 0x22), block(0x11, TCP4, 0x31),
    block(0x41, TCP4), block(0x13, TCP4), block(0x11, TCP4[:-1]), block(0x21, TCP4),
    block(0x31, b"/run/a"),
    block(0x11, TCP4 + b"\4"), block(0x11, TCP4 + value(4, b"abc")[:-1]),
    block(0x11, TCP4 + value(3, b"\1\2\3\4")), block(0x11, TCP4 + value(3, b"")),
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
def test_what_differs_by_a_byte_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="PROXY"):
        parse_proxy_line(data)


def test_a_line_is_refused_before_it_is_longer_than_it_may_be() -> None:
    longest = b"PROXY UNKNOWN ".ljust(MAX_LINE - 2, b"f") + b"\r\n"
    assert parse_proxy_line(longest) == ProxyLine(MAX_LINE, True)
    for extra in (b"f\r\n", b"ff", b"f" * 1000):
        with pytest.raises(Malformed, match="over 107"):
            parse_proxy_line(longest[:-2] + extra)
    assert parse_proxy_line(longest[:-2] + b"f") is None
    most = block(0x11, TCP4 + value(4, bytes(MAX_BLOCK - 15)))
    assert parse_proxy_line(most) is not None
    with pytest.raises(Malformed, match="over 4096"):
        parse_proxy_line(SIGNATURE + struct.pack("!BBH", 0x21, 0x11, MAX_BLOCK + 1))


@given(st.binary(max_size=200))
def test_no_bytes_do_any_harm(data: bytes) -> None:
    for begin in (b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x20"):
        try:
            line = parse_proxy_line(begin + data)
        except Malformed:
            continue
        assert line is None or line.size <= len(begin + data)


def test_a_checksum_is_that_of_the_sctp_rfc() -> None:
    assert crc32c(b"123456789") == 0xE306_9283  # the check value of CRC-32/ISCSI
    assert crc32c(bytes(32)) == 0x8A91_36AA  # RFC 3720 B.4


# --- on a stream ---------------------------------------------------------------------------------

FACTS = StreamFacts(("10.0.0.9", 5555), ("10.0.0.1", 443))


def read_from(*script: object, piece: int | None = None) -> object:
    stream = ScriptedStream(script, piece=piece, facts=FACTS)  # type: ignore[arg-type]  # items
    return run_sync(read_proxy_line(stream, stream.clock.now() + 5))


@pytest.mark.parametrize("piece", [1, 7, None])
def test_what_follows_the_line_is_read_next(piece: int | None) -> None:
    async def story() -> None:
        line = LINES[0][0] + b"GET / HTTP/1.1\r\n"
        inner = ScriptedStream([line, b"Host: a\r\n", END], piece=piece, facts=FACTS)
        stream = await read_proxy_line(inner, None)
        assert stream.facts == StreamFacts(("192.0.2.1", 56324), ("198.51.100.7", 443))
        assert inner.facts == FACTS
        got = b""
        while data := await stream.read(None):
            assert got or piece is not None or stream.has_arrived
            got += data
        assert got == b"GET / HTTP/1.1\r\nHost: a\r\n"
        await stream.write(b"answer", None)
        assert inner.written == b"answer"

    run_sync(story())


def test_the_peer_is_nobody_when_the_proxy_does_not_know_it() -> None:
    assert read_from(b"PROXY UNKNOWN\r\n").facts == StreamFacts(None, FACTS.local)  # type: ignore[attr-defined]  # a Stream
    assert read_from(block(0x00, b"", 0x20)).facts == FACTS  # type: ignore[attr-defined]  # the same


def test_a_proxy_that_never_ends_its_line_is_not_waited_for() -> None:
    with pytest.raises(ReadTimeout):
        read_from(b"PROXY TCP4 ", STALL)
    with pytest.raises(Malformed, match="ended within"):
        read_from(b"PROXY TCP4 ", END)
    with pytest.raises(ReadFailed, match="before it said anything"):
        read_from(END)


def test_a_stream_that_was_looked_at_is_itself_again() -> None:
    async def story() -> None:
        inner = ScriptedStream([b"PROXY UNKNOWN\r\nrest", b"more"])
        stream = await read_proxy_line(inner, None)
        assert stream.has_arrived()
        assert await stream.read(None) == b"rest"
        assert stream.read == inner.read
        assert stream.has_arrived == inner.has_arrived
        bare = await read_proxy_line(ScriptedStream([b"PROXY UNKNOWN\r\n", b"more"]), None)
        assert await bare.read(None) == b"more"

    run_sync(story())
