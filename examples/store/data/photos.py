"""Photos that members send: judged by their bytes, kept under names of our own.

What a file says of itself, its name and its type, decides nothing here. Its law: what is kept
is a picture by its first bytes, in a folder of its own, under a name that the sender could not
choose; it is only ever sent as a download in a sandbox, which `<img>` still shows.
"""

from __future__ import annotations

import re
from pathlib import Path
from secrets import token_hex
from typing import Final

from crlf.message.uploads import Upload

MOST: Final = 8 * 1024 * 1024  # bytes of one photo; a phone's are 2 to 6 MB
# By their first bytes; four are left out of WebP's, which are a length.
PICTURES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
)
_NAME = re.compile(r"[0-9a-f]{24}-(?:png|jpg|gif|webp)")


class NoPicture(ValueError):
    """What was sent is not a photo that can be kept. The message is for its sender."""


class Photos:
    """A folder of photos."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, upload: Upload) -> str:
        """Keep an upload and return our name for it. Raises NoPicture."""
        if not 0 < upload.size <= MOST:
            raise NoPicture(f"A photo has up to {MOST // 1024 // 1024} MB; this is none, or more.")
        first = upload.file.read(16)
        ending = next((ending for first_bytes, ending in PICTURES if first_bytes.match(first)), "")
        if not ending:
            raise NoPicture("This is no PNG, JPEG, GIF or WebP picture, whatever it is called.")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{token_hex(12)}-{ending}"
        upload.save(self._path(name), exclusive=True)
        return name

    def find(self, name: str) -> Path | None:
        """Find a photo's file; None for a name that is none of ours."""
        path = self._path(name)
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def drop(self, name: str) -> None:
        """Delete a photo, if it is there."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name.replace("-", ".")
