"""Which event loop: uvloop where it is installed, asyncio's own where it is not.

CRLF_LOOP=asyncio or CRLF_LOOP=uvloop decides by hand, as the tests do to try both.
"""

from __future__ import annotations

import asyncio
import os


def new_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop. Raises ImportError when uvloop is demanded and not there."""
    wanted = os.environ.get("CRLF_LOOP", "")
    if wanted not in ("", "asyncio", "uvloop"):
        raise ValueError(f"CRLF_LOOP is asyncio or uvloop, not {wanted!r}")
    if wanted != "asyncio":
        try:
            import uvloop  # 10 ms, and only servers and their tests need a loop of ours

            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        except ImportError:
            if wanted:
                raise
        else:
            return loop
    return asyncio.new_event_loop()
