"""Files that go out in bodies: looked at when a request is built, opened when it is sent.

So that a request that waits holds no descriptor, and one that is sent again reads it again. Its
law: what is not there, or is no file, is an error before anything goes out.
"""

from __future__ import annotations

import os
from functools import partial

from crlf.message.body import UPLOAD_PIECE, FileBody


def file_part(path: str | os.PathLike[str]) -> tuple[str, int, partial[FileBody]]:
    """Return a file's name, its size in bytes, and what opens it as a body.

    Raises OSError at once when it is not there or is no file.
    """
    size = os.stat(path).st_size
    if not os.path.isfile(path):
        raise IsADirectoryError(f"{os.fspath(path)!r} is no file")
    return os.path.basename(os.fspath(path)), size, partial(_opened, path, size)


def _opened(path: str | os.PathLike[str], size: int) -> FileBody:
    file = open(path, "rb")  # noqa: SIM115 - the body closes it
    body = FileBody(file, size, closing=True)
    body.piece = UPLOAD_PIECE
    return body
