"""The PROXY line: who is at the far end of a connection, in the words of the proxy between.

A proxy that passes on bytes and not requests (HAProxy, AWS's NLB) says it once, before anything
else, as a line of text or as a block of bytes: versions 1 and 2 of HAProxy's proxy-protocol.txt,
of which the sections are given as "PROXY 2.1". Its law: nothing that differs from it by a byte is
taken for it, and how much is read is bounded before it is whole.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from crlf.message.authority import is_address, is_ipv6, parse_port
from crlf.message.errors import Malformed
from crlf.message.fields.forwarded import canonical_address

MAX_LINE: Final = 107  # bytes of version 1 with its CRLF; PROXY 2.1
MAX_BLOCK: Final = 4096  # bytes of version 2 after its first 16; AWS and HAProxy send under 600

_WORD = b"PROXY "
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_HEAD = 16  # bytes of version 2 that are always there
_CRC32C = 3  # the type of its checksum, PROXY 2.2.3
_LOCAL = 0x20  # version 2, and the proxy speaks for itself
_RELAYED = 0x21
_UNIX = (0x31, 0x32)
# Bytes of one address by family. With TCP and UDP there is a port to each.
_SIZES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}

Place = tuple[str, int]


class ProxyLine(NamedTuple):
    """What a proxy says of a connection.

    size: bytes of the line. is_relayed: False when the proxy itself came to ask (LOCAL), and the
    addresses are those of its connection. peer, local: of the connection that it relays; None
    when it does not say, or when that one was on a Unix domain socket.
    """

    size: int
    is_relayed: bool
    peer: Place | None = None
    local: Place | None = None


def parse_proxy_line(data: bytes) -> ProxyLine | None:
    """Read the PROXY line that a connection begins with; None when more bytes must come first.

    Raises Malformed as soon as it cannot become one.
    """
    if data[:1] == b"P":
        return _parse_text(data)
    if data[:12] != _SIGNATURE[: len(data)]:
        raise Malformed("the connection begins with no PROXY line", "PROXY 2", offset=0)
    if len(data) < _HEAD:
        return None
    return _parse_block(data)


# --- version 1, text -----------------------------------------------------------------------------


def _parse_text(data: bytes) -> ProxyLine | None:
    if data[:6] != _WORD[: len(data)]:
        raise Malformed("the connection begins with no PROXY line", "PROXY 2", offset=0)
    # PROXY 2.1: if there is no CRLF in the first 107 characters, the line is invalid.
    end = data.find(b"\n", 0, MAX_LINE)
    if end < 0:
        if len(data) >= MAX_LINE:
            raise Malformed(f"a PROXY line of over {MAX_LINE} bytes", "PROXY 2.1", offset=MAX_LINE)
        return None
    # PROXY 2.1: the receiver must not tolerate a single CR or LF.
    if data.find(b"\r", 0, end) != end - 1:
        raise Malformed("a PROXY line ends with CRLF, and has no other", "PROXY 2.1", offset=end)
    words = data[: end - 1].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":  # what comes after it is to be ignored
        return ProxyLine(end + 1, True)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise Malformed("a PROXY line of other words than its six", "PROXY 2.1", offset=6)
    _, kind, source, target, source_port, target_port = words
    peer = _place(kind, source, source_port)
    return ProxyLine(end + 1, True, peer, _place(kind, target, target_port))


def _place(kind: str, address: str, port: str) -> Place:
    fits = is_ipv6(address) if kind == "TCP6" else ":" not in address and is_address(address)
    if not fits:
        raise Malformed(f"no address for {kind} in a PROXY line", "PROXY 2.1")
    number = parse_port(port)
    if number is None or (port[0] == "0" and port != "0"):
        raise Malformed("no port in a PROXY line", "PROXY 2.1")
    return canonical_address(address), number


# --- version 2, bytes ----------------------------------------------------------------------------


def _parse_block(data: bytes) -> ProxyLine | None:
    command, family = data[12], data[13]
    if command not in (_LOCAL, _RELAYED):
        raise Malformed("a PROXY block of no known version or command", "PROXY 2.2", offset=12)
    # Where either half is 0 nobody knows what it was; the addresses, if any, say nothing then.
    if family >> 4 > 3 or family & 15 > 2:
        raise Malformed("a PROXY block of no known family", "PROXY 2.2", offset=13)
    length = int.from_bytes(data[14:16], "big")
    if length > MAX_BLOCK:
        raise Malformed(f"a PROXY block of over {MAX_BLOCK} bytes", "PROXY 2.2", offset=14)
    size = _HEAD + length
    if len(data) < size:
        return None
    block = data[:size]
    if command == _LOCAL:
        return ProxyLine(size, False)  # PROXY 2.2: the block is to be thrown away
    each = _SIZES.get(family, 0)
    taken = 2 * each + 4 if each else 216 if family in _UNIX else 0
    if length < taken:
        raise Malformed("a PROXY block shorter than its addresses", "PROXY 2.2", offset=14)
    if each or family in _UNIX:  # of an unknown family nobody knows where the rest begins
        _check_rest(block, _HEAD + taken)
    if not each:
        return ProxyLine(size, True)
    ports = _HEAD + 2 * each
    peer = _address(block[_HEAD : _HEAD + each]), int.from_bytes(block[ports : ports + 2], "big")
    local = (
        _address(block[_HEAD + each : ports]),
        int.from_bytes(block[ports + 2 : ports + 4], "big"),
    )
    return ProxyLine(size, True, peer, local)


def _address(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(map(str, packed))
    return canonical_address(packed.hex(":", 2))


def _check_rest(block: bytes, at: int) -> None:
    """Walk over what a proxy says beside the addresses, and see to its checksum."""
    while at < len(block):
        value = at + 3
        end = value + int.from_bytes(block[at + 1 : value], "big")
        if end > len(block) or value > len(block):
            raise Malformed("a value beyond the end of a PROXY block", "PROXY 2.2", offset=at)
        if block[at] == _CRC32C:
            # PROXY 2.2.3: if it is not the same, the connection MUST be treated as invalid.
            zeroed = block[:value] + bytes(end - value) + block[end:]
            if block[value:end] != crc32c(zeroed).to_bytes(4, "big"):
                raise Malformed("a PROXY block with a wrong checksum", "PROXY 2.2.3", offset=at)
        at = end


def crc32c(data: bytes) -> int:
    """Return the CRC32c of data (RFC 9260 appendix A); zlib has only the other one."""
    table = _crc_table()
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF_FFFF


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F6_3B78 if number & 1 else 0)
        table.append(number)
    return tuple(table)
