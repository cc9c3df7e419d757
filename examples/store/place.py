"""Where the store keeps what it must not forget: its database, its photos, its visitors' sessions.

STORE_DATA names the folder; without it, it is one of the user's own, never the repository.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def data_folder() -> Path:
    """Return the folder, made if it was not there."""
    folder = Path(os.environ.get("STORE_DATA") or own_folder() / "crlf-store")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def own_folder() -> Path:
    """Return where programs keep their data for this user."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home())
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
