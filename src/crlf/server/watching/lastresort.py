"""What a server writes to a terminal when its program says nothing of logging: errors, mostly.

An error's text is often what a visitor sent. Its law: no terminal obeys what is in it, and what
begins at the left margin was begun by us, so that nobody writes a line of the log but us.
"""

from __future__ import annotations

import logging

from crlf.message.harmless import harmless


def settle_last_resort() -> None:
    """Let warnings and errors that no handler of the program takes be shown harmlessly.

    A program that settles its logging itself is not touched, and has its own formats.
    """
    handler = logging.lastResort
    if handler is not None and handler.formatter is None:
        handler.setFormatter(_Harmless())


class _Harmless(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record)).replace("\n", "\n  ")
