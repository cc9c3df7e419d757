"""How large a picture is, by its first bytes: PNG, GIF, WebP, JPEG.

Its law: nothing but the few bytes that say so is looked at, and what is odd has no size.
"""

from __future__ import annotations

_FRAMES = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xCD, 0xCE, 0xCF})
_MOST_SEGMENTS = 64  # of a JPEG before its frame; cameras write some ten


def image_size(start: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels; None for what is no picture, or says it later."""
    if start.startswith(b"\x89PNG\r\n\x1a\n") and start[12:16] == b"IHDR" and len(start) >= 24:
        return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    if start[:6] in (b"GIF87a", b"GIF89a") and len(start) >= 10:
        return int.from_bytes(start[6:8], "little"), int.from_bytes(start[8:10], "little")
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP" and len(start) >= 30:
        return _webp_size(start)
    return _jpeg_size(start) if start.startswith(b"\xff\xd8\xff") else None


def _webp_size(start: bytes) -> tuple[int, int] | None:
    """Read one of WebP's three heads (RFC 9649 2.5 to 2.7)."""
    kind = start[12:16]
    if kind == b"VP8X":
        return int.from_bytes(start[24:27], "little") + 1, int.from_bytes(
            start[27:30], "little"
        ) + 1
    if kind == b"VP8L" and start[20] == 0x2F:
        bits = int.from_bytes(start[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and start[23:26] == b"\x9d\x01\x2a":
        width, height = start[26:28], start[28:30]
        return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF
    return None


def _jpeg_size(start: bytes) -> tuple[int, int] | None:
    """Walk from segment to segment, to the frame that has the size (ITU T.81 B.2.2)."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        segment = start[at : at + 9]
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        if segment[1] in _FRAMES:
            return int.from_bytes(segment[7:9], "big"), int.from_bytes(segment[5:7], "big")
        at += 2 + max(2, int.from_bytes(segment[2:4], "big"))
    return None
