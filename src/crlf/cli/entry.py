"""Where the process begins: `crlf`, and `python -m crlf`. Its law: Ctrl-C is one line and 130,
also while the command line is still being loaded, or is about to end.
"""

from __future__ import annotations

import os
from contextlib import suppress


def main() -> int:
    """Run this process's command line; return its exit code."""
    try:
        from crlf.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return _interrupted()


def _interrupted() -> int:
    """Say so without anything that may not be there yet, and end."""
    with suppress(OSError):  # nowhere to say it
        os.write(2, b"crlf: interrupted\n")
    os._exit(130)
