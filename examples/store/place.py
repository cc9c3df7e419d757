"""Where the store keeps what it must not forget: its database, its photos and its secret.

STORE_DATA names the folder; without it, it is one of the user's own, never the repository.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from secrets import token_hex


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


def secret(folder: Path) -> str:
    """Return what signs the sessions; made once, so that carts outlive a restart."""
    path = folder / "secret"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as new:
            new.write(token_hex(32))
    return path.read_text(encoding="ascii")
