"""Files and folders as responses: what may be named, what is opened, what is said about it.

A path is taken apart once, every piece is judged as a name, and the file is reached by opening
one folder after the other, each from the one before. What is then known of it (kind, length,
time) is asked of the open file, so nothing can be swapped in between. Its law: a path names a
regular file below the folder or it names nothing, and the answer to nothing is always 404.

The entity tag is strong and made of modification time (in ns) and size: reading the content
for a digest would cost as much as sending it. Who writes a file in place twice within a tick
of the file system's clock, at the same length, gets the same tag; who replaces files does not.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from crlf.flow.bodies import Lent, let_go
from crlf.message.body import PIECE, FileBody
from crlf.message.dates import build_date
from crlf.message.errors import Malformed
from crlf.message.fields.disposition import build_attachment
from crlf.message.fields.etags import ETag
from crlf.message.fields.media import media_type_of
from crlf.message.headers import EMPTY, Field, Headers
from crlf.message.percent import path_segments, percent_encode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.conditional import evaluate, not_modified_headers
from crlf.rules.pages import NOSNIFF, error_response
from crlf.rules.paths import may_be_named
from crlf.server.listing import Entry, listing_response

MAX_LISTED: Final = 10_000  # entries of one listing; each is a call to the file system

_ALLOWED: Final = Headers({"allow": "GET, HEAD"})
_LATER: Final = Headers({"retry-after": "1"})
# Kept, but asked about each time: without it a cache guesses for how long a file is good
# (RFC 9111 4.2.2), and shows an old page after a new one is there.
_CACHING: Final = ("cache-control", "no-cache")
_MOVED: Final = ("cache-control", "max-age=3600")  # a folder may become a file one day
# A page must not run what it was only meant to hand over.
_SANDBOX: Final = ("content-security-policy", "default-src 'none'; sandbox")

_WALKS: Final = os.open in os.supports_dir_fd
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
# A FIFO would keep a plain open waiting for a writer, and a terminal become ours.
_FILE: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_LISTED: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_STEP: Final = _LISTED | getattr(os, "O_PATH", 0)  # passing through needs no right to read

# What opening says of a name that is none, or not ours to serve. EMLINK is FreeBSD's ELOOP.
_NOTHING: Final = frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG,
        errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENODEV, errno.EINVAL, errno.EILSEQ,
    }
)  # fmt: skip
_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_WINDOWS: Final = os.name == "nt"


class Folder:
    """A folder of files to serve (RFC 9110 9.3.1, 13).

    index: the file that stands for a folder, or None. listing: show a folder without one.
    follow_symlinks: let links lead wherever they lead, also out of the folder.
    hidden: serve names that begin with a dot; without it only /.well-known/ (RFC 8615).
    clock: seconds since 1970.

    Raises NotADirectoryError when path is no folder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        index: str | None = "index.html",
        listing: bool = False,
        follow_symlinks: bool = False,
        hidden: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = os.path.abspath(path)
        if not os.path.isdir(self.path):
            raise NotADirectoryError(errno.ENOTDIR, "no folder to serve", os.fspath(path))
        self.index = index or None
        self.listing = listing
        self.follow_symlinks = follow_symlinks
        self.hidden = hidden
        self._clock = clock

    async def answer(
        self, request: Request, subpath: str | None = None, in_thread: InThread | None = None
    ) -> Response:
        """Answer a request for a file of this folder; the files are touched in a thread.

        subpath: what of the raw path is below this folder, where that is not all of it.
        A response whose body is a FileBody has an open file, which sending it closes.
        """
        segments = self._segments(request, subpath)
        if isinstance(segments, Response):
            return segments
        if in_thread is None:
            return self._answer(request, *segments)
        made: list[Response] = []

        def work() -> Response:
            made.append(self._answer(request, *segments))
            return made[0]

        def close() -> None:
            for response in made:
                let_go(response.body)

        lent = Lent(close)
        try:
            return await in_thread(lambda: lent.use(work))
        except BaseException:
            lent.let_go()
            raise

    def _segments(self, request: Request, subpath: str | None) -> Response | tuple[list[str], bool]:
        """Take the path apart: names, and whether it ends in a slash; or what is wrong with it."""
        accept = request.headers.get("accept")
        if request.method not in ("GET", "HEAD"):
            return error_response(405, accept=accept, headers=_ALLOWED)
        try:
            segments = path_segments(request.path if subpath is None else subpath)
        except Malformed as fault:
            return error_response(fault.status_code, f"{fault.reason}.", fault.rule, accept)
        ends_in_slash = bool(segments) and segments[-1] == ""
        if ends_in_slash:
            segments.pop()
        elif not segments:
            ends_in_slash = request.path.endswith("/")
        for number, name in enumerate(segments):
            hidden = self.hidden or (number == 0 and name == ".well-known")
            if not may_be_named(name, hidden=hidden, windows=_WINDOWS):
                return error_response(404, accept=accept)
        return segments, ends_in_slash

    def _answer(self, request: Request, segments: list[str], ends_in_slash: bool) -> Response:
        try:
            if ends_in_slash:
                return self._folder_answer(request, segments)
            try:
                return self._file_answer(request, segments)
            except IsADirectoryError:
                return self._redirect(request, segments)
        except OSError as fault:
            accept = request.headers.get("accept")
            if fault.errno in _NOTHING:
                return error_response(404, accept=accept)
            if fault.errno in _NO_DESCRIPTORS:
                return error_response(503, accept=accept, headers=_LATER)
            raise

    def _file_answer(self, request: Request, segments: Sequence[str]) -> Response:
        descriptor = self._reach(segments, _FILE)
        try:
            now = int(self._clock())
            name = segments[-1] if segments else ""
            return _response(request.method, request.headers, descriptor, name, now)
        finally:
            os.close(descriptor)

    def _folder_answer(self, request: Request, segments: list[str]) -> Response:
        if self.index is not None:
            try:
                return self._file_answer(request, [*segments, self.index])
            except OSError as fault:
                if not self.listing or fault.errno not in _NOTHING:
                    raise
        if not self.listing:
            return error_response(404, accept=request.headers.get("accept"))
        entries = self._entries(segments)
        return listing_response(
            segments[-1] + "/" if segments else "/",
            entries[:MAX_LISTED],
            has_parent=bool(segments),
            is_cut=len(entries) > MAX_LISTED,
        )

    def _redirect(self, request: Request, segments: list[str]) -> Response:
        """Send who left out the slash to the folder, if there is anything to see.

        The Location is relative: right also behind a proxy that takes a prefix off, and never
        the name of a host, whatever the path begins with.
        """
        if not self.listing:
            if self.index is None:
                raise FileNotFoundError(errno.ENOENT, "nothing to show")
            os.close(self._reach([*segments, self.index], _FILE))
        name = segments[-1] if segments else path_segments(request.path)[-1]
        _, mark, query = request.target.partition("?")
        location = f"{percent_encode(name)}/{mark}{query}"
        return Response(301, [("location", location), _MOVED, NOSNIFF])

    def _entries(self, segments: Sequence[str]) -> list[Entry]:
        """List what of a folder would be served; one more than MAX_LISTED at most."""
        entries = []
        opened = self._reach(segments, _LISTED) if _WALKS else None
        try:
            place = self._own_path(segments) if opened is None else opened
            with os.scandir(place) as found:
                for item in islice(found, MAX_LISTED + 1):
                    with suppress(OSError, UnicodeDecodeError):  # gone by now, or no text
                        entry = self._entry(os.fsencode(item.name), item)
                        if entry is not None:
                            entries.append(entry)
        finally:
            if opened is not None:
                os.close(opened)
        return entries

    def _entry(self, raw: bytes, item: os.DirEntry[str]) -> Entry | None:
        """Describe a file or folder; None for what would not be served."""
        name = raw.decode("utf-8")
        facts = item.stat(follow_symlinks=self.follow_symlinks)
        is_folder = stat.S_ISDIR(facts.st_mode)
        if not (is_folder or stat.S_ISREG(facts.st_mode)):
            return None
        if not may_be_named(name, hidden=self.hidden, windows=_WINDOWS):
            return None
        return Entry(name, is_folder, facts.st_size, facts.st_mtime_ns // 1_000_000_000)

    def _reach(self, segments: Sequence[str], flags: int) -> int:
        """Open what names lead to, folder by folder. Raises OSError."""
        if not _WALKS:
            path = self._own_path(segments)
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, "a folder")
            return os.open(path, flags)
        nofollow = 0 if self.follow_symlinks else _NOFOLLOW
        # Names are UTF-8 on the wire and bytes on the disk, whatever the locale.
        names = [name.encode() for name in segments] or [b"."]
        folder = os.open(self.path, _STEP)
        try:
            for name in names[:-1]:
                passed, folder = folder, os.open(name, _STEP | nofollow, dir_fd=folder)
                os.close(passed)
            return os.open(names[-1], flags | nofollow, dir_fd=folder)
        finally:
            os.close(folder)

    def _own_path(self, segments: Sequence[str]) -> str:
        """Join the whole path, where a system cannot open step by step (Windows).

        A name that is really another one (a link, a short name, a stripped end) is refused by
        asking what it really is; between that and the opening somebody could swap it.
        """
        path = os.path.join(self.path, *segments)
        if not self.follow_symlinks:
            direct = os.path.join(os.path.realpath(self.path), *segments)
            if os.path.normcase(os.path.realpath(path)) != os.path.normcase(direct):
                raise OSError(errno.ELOOP, "not its own name")
        return path


def file_response(
    path: str | os.PathLike[str],
    request_headers: Headers | None = None,
    download_name: str | None = None,
) -> Response:
    """Make a response of one file, which the program has chosen.

    request_headers: with them the answer may be 304 or 412. download_name: a browser is told to
    save it, under this name, and never to show it: right for what users uploaded.
    A large file is open in the response's body until that is sent, or let go of.

    Raises OSError when it cannot be opened or is no regular file. Never for a path, or part of
    one, that came from outside: that is what Folder is for.
    """
    more: list[Field] = []
    if download_name is not None:
        more = [("content-disposition", build_attachment(download_name)), _SANDBOX]
    descriptor = os.open(path, _FILE)
    try:
        name = download_name or os.path.basename(os.fspath(path))
        return _response("GET", request_headers or EMPTY, descriptor, name, int(time.time()), more)
    finally:
        os.close(descriptor)


def _response(
    method: str,
    asked: Headers,
    descriptor: int,
    name: str,
    now: int,
    more: Sequence[Field] = (),
) -> Response:
    """Make the response for an open file: 200, 304 or 412. The descriptor stays the caller's.

    Raises IsADirectoryError, OSError for what is no regular file.
    """
    facts = os.fstat(descriptor)
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.ENXIO, "no regular file")
    size = facts.st_size
    etag = ETag(f"{facts.st_mtime_ns:x}-{size:x}")
    modified = min(facts.st_mtime_ns // 1_000_000_000, now)  # RFC 9110 8.8.2.1: not in the future
    fields = [("content-type", media_type_of(name)), ("etag", etag.build())]
    with suppress(ValueError):  # before the year 1
        fields.append(("last-modified", build_date(modified)))
    if modified >= now - 2:
        # The Date that every response gets may be a second old: older than a file so new.
        fields.append(("date", build_date(now)))
    headers = Headers([*fields, _CACHING, NOSNIFF, *more])
    verdict = evaluate(method, asked, etag, modified, now)
    if verdict == 304:
        return Response.quick(304, not_modified_headers(headers), b"")
    if verdict == 412:
        return error_response(412, accept=asked.get("accept"))
    if method != "HEAD" and size <= PIECE:
        content = _read(descriptor, size)
        if len(content) != size:
            return error_response(
                503, "The file is being changed just now.", accept=asked.get("accept"),
                headers=_LATER,
            )  # fmt: skip
        return Response.quick(200, headers, content)
    headers = headers.adding("content-length", str(size))
    if method == "HEAD":
        return Response.quick(200, headers, b"")
    file = os.fdopen(os.dup(descriptor), "rb")
    return Response(200, headers, FileBody(file, size, closing=True))


def _read(descriptor: int, size: int) -> bytes:
    """Read so many bytes, or all there are; what has been added since is left out."""
    content = os.read(descriptor, size)
    if len(content) == size or not content:
        return content
    pieces = [content]
    left = size - len(content)
    while left > 0 and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
