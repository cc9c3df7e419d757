"""Files and folders as responses: the face of what opens, describes, keeps and sends them.

Folder answers for what is below a folder (folder.py), FolderSite serves one by itself
(foldersite.py), file_response sends one file that the program has chosen.
"""

from __future__ import annotations

import os
import time

from crlf.message.body import PIECE
from crlf.message.fields.disposition import build_attachment
from crlf.message.headers import EMPTY, Field, Headers
from crlf.message.response import Response
from crlf.rules.pages import error_response
from crlf.server.files.folder import Folder, FolderOptions
from crlf.server.files.opening import open_file
from crlf.server.files.representation import answer_from_file, answer_in_memory, describe

__all__ = ["Folder", "FolderOptions", "file_response"]

# A page must not run what it was only meant to hand over.
_SANDBOX = ("content-security-policy", "default-src 'none'; sandbox")


def file_response(
    path: str | os.PathLike[str],
    request_headers: Headers | None = None,
    download_name: str | None = None,
    *,
    method: str = "GET",
) -> Response:
    """Make a response of one file, which the program has chosen.

    request_headers: with them the answer may be 206, 304, 412 or 416. download_name: a browser
    is told to save it, under this name, and never to show it: right for what users uploaded.
    A large file is open in the response's body until that is sent, or let go of.

    Raises OSError when it cannot be opened or is no regular file. Never for a path, or part of
    one, that came from outside: that is what Folder is for.
    """
    more: list[Field] = []
    if download_name is not None:
        more = [("content-disposition", build_attachment(download_name)), _SANDBOX]
    asked = request_headers or EMPTY
    now = int(time.time())
    opened = open_file(path)
    try:
        name = download_name or os.path.basename(os.fspath(path))
        described = describe(name, opened.facts, now, more=more)
        if opened.facts.size > PIECE:
            return answer_from_file(described, opened, method, asked, now)
        read = opened.read()
        if read is None:
            return error_response(
                503, "The file is being changed just now.", accept=asked.get("accept"),
                headers=Headers({"retry-after": "1"}),
            )  # fmt: skip
        whole = Response.quick(200, described.headers, read[0])
        return answer_in_memory(described, whole, method, asked, now)
    finally:
        opened.close()
