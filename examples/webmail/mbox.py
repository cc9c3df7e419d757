"""Mbox: letters one after the other in a single file, as mail programs hand them over.

A line that begins with "From " after an empty line begins a letter; such a line inside of one is
written with ">" in front (the variant called mboxrd). Python's `mailbox.mbox` makes a table of
the whole file before the first letter and has no bounds. Its law: a file that is read takes the
memory of its largest letter, and of that no more than LONGEST.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, Final

LONGEST: Final = 32 * 1024 * 1024  # bytes of one letter; Gmail takes 25 MB, Exchange 36 MB
_LINE: Final = 64 * 1024  # bytes read at a time, where a line has no end
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_TO_QUOTE = re.compile(rb"^(>*From )", re.MULTILINE)


class NoMbox(ValueError):
    """A file that does not begin as an mbox does. The message is for who sent it."""


def read_mbox(file: BinaryIO) -> Iterator[bytes]:
    """Give the letters of an mbox, one at a time. Longer ones than LONGEST are left out.

    Raises NoMbox when the file does not begin with "From ".
    """
    pieces: list[bytes] = []
    size, is_empty_before, at_start = 0, True, True
    if not file.readline(_LINE).startswith(b"From "):
        raise NoMbox('An mbox begins with "From ", and this file does not.')
    while line := file.readline(_LINE):
        if at_start and is_empty_before and line.startswith(b"From "):
            yield from _letter(pieces, size)
            pieces, size = [], 0
        elif (size := size + len(line)) <= LONGEST:
            pieces.append(line)
        else:
            pieces.clear()
        is_empty_before = at_start and line in (b"\n", b"\r\n")
        at_start = line.endswith(b"\n")
    yield from _letter(pieces, size)


def _letter(pieces: list[bytes], size: int) -> Iterator[bytes]:
    if pieces and size <= LONGEST:
        if pieces[-1] in (b"\n", b"\r\n"):
            pieces.pop()  # it belongs to the separator
        yield _QUOTED.sub(rb"\1", b"".join(pieces))


def write_mbox(letters: Iterable[bytes], made: datetime) -> Iterator[bytes]:
    """Write letters as an mbox, one piece each."""
    opening = f"From MAILER-DAEMON {made:%a %b %d %H:%M:%S %Y}\n".encode()
    for letter in letters:
        content = letter.replace(b"\r\n", b"\n")
        end = b"\n" if content.endswith(b"\n") else b"\n\n"
        yield opening + _TO_QUOTE.sub(rb">\1", content) + end
