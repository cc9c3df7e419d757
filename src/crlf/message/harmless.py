"""Text that may have come over the wire, as a terminal may have it: nothing in it is obeyed.

A terminal obeys escape codes, and a peer can send some: to change the title, the clipboard or
what has been shown before. Its law: what comes out has no control character but tab and line
feed, and nothing that turns the direction of text around.
"""

from __future__ import annotations

# C0 but for tab and line feed, DEL, C1; and what turns the direction of text around, so that
# one thing is read and another meant (CVE-2021-42574).
_SHOWN = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (
        *range(9), *range(11, 32), *range(127, 160),
        0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    )
}  # fmt: skip


def harmless(text: str) -> str:
    """Return text with every control character but tab and line feed written as an escape."""
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)
