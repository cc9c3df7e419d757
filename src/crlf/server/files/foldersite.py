"""A folder, or one file, as the whole of what a server serves: `crlf serve FOLDER`.

It is an application of its own, with nothing between a request and the folder: what is in memory
is answered by one look into a table. Its law: whatever it is asked, it only ever reads, unless it
was told to take files (uploading.py).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from crlf.flow.turn import Talk
from crlf.message.grammar import parse_digits
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.caching import parse_rules
from crlf.rules.pages import NOSNIFF, error_response, refuse_method
from crlf.server.files.filecache import MEMORY
from crlf.server.files.folder import Folder, Place
from crlf.server.settings import DEFAULT_FOLDER, FolderSettings

_ALLOWED: Final = Headers([("allow", "GET, HEAD, OPTIONS"), NOSNIFF])


class FolderSite:
    """An application that serves a folder, or one file of any name.

    target: a Folder as it is; or the path of a folder or a file, served as settings say.

    Raises OSError for a path that is neither, ValueError for settings that cannot be.
    """

    talker: Callable[[InThread, Callable[[], float]], Talk]  # there, when files are taken

    def __init__(
        self,
        target: Folder | str | os.PathLike[str],
        settings: FolderSettings = DEFAULT_FOLDER,
    ) -> None:
        self.folder: Folder
        if isinstance(target, Folder):
            if settings.upload:
                raise ValueError("uploads need the path of a folder")
            self.folder = target
            return
        cache, compress = parse_rules(settings.cache), settings.compress
        if not os.path.isdir(target):
            if settings.upload:
                raise ValueError("uploads need a folder")
            self.folder = FileSite(target, cache=cache, compress=compress)
            return
        # What visitors send is neither a folder's own page, nor another file in a coding, and is
        # seen at once by all processes.
        takes = settings.upload
        self.folder = Folder(
            target,
            index=None if takes else settings.index,
            listing=settings.listing,
            follow_symlinks=settings.follow_symlinks,
            hidden=settings.hidden,
            fallback=settings.spa,
            clean_urls=settings.clean_urls,
            errors=_error_pages(settings.error_pages),
            cache=cache,
            hashed=settings.hashed,
            compress=compress and not takes,
            memory=0 if takes else MEMORY,
        )
        if takes:
            self._take(target, settings)

    def _take(self, target: str | os.PathLike[str], settings: FolderSettings) -> None:
        """Be an application that takes files, too: one with a talker."""
        from crlf.server.files.uploading import Uploads

        uploads = Uploads(target, settings)
        self.folder.panel_of = uploads.panel_of
        self.talker = lambda in_thread, now: uploads.talk(
            self.sender(in_thread, now), in_thread, now
        )

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers requests: `async def answer(request) -> Response`."""
        ready, answer = self.folder.ready, self.folder.answer

        async def send(request: Request) -> Response:
            response = ready(request)
            if response is not None:
                return response
            if request.method not in ("GET", "HEAD"):
                return refuse_method(request, _ALLOWED)
            return await answer(request, None, in_thread)

        return send


class FileSite(Folder):
    """One file, at "/" and under its name; everything else is nothing.

    It is the program that has chosen it, so it may have any name, and may be a link. What lies
    beside it nobody has chosen: in a folder that others write to it may be a link to anything.
    """

    _looks_beside = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        cache: Iterable[tuple[str, str]] = (),
        compress: bool = True,
    ) -> None:
        os.stat(path)  # a clear error for what is not there
        folder, self._name = os.path.split(os.path.abspath(path))
        super().__init__(
            folder, index=None, follow_symlinks=True, hidden=True, cache=cache, compress=compress
        )

    def _place(self, request: Request, subpath: str | None) -> Response | Place:
        place = super()._place(request, subpath)
        if not isinstance(place, Place):
            return place
        if place.names == (self._name,) or not place.names:
            return Place((self._name,), ends_in_slash=bool(place.names) and place.ends_in_slash)
        return error_response(404, accept=request.headers.get("accept"))


def _error_pages(texts: Iterable[str]) -> dict[int, str]:
    """Read pairs that are written "404=404.html". Raises ValueError for what is none."""
    pages = {}
    for text in texts:
        code, _, name = text.partition("=")
        number = parse_digits(code, 3)
        if number is None or not name:
            raise ValueError(f"an error page is CODE=FILE, as in 404=404.html: {text!r}")
        pages[number] = name
    return pages
