"""Folders over HTTP: which file a path names, in which coding it goes out, what else there is.

A path is taken apart once and every piece is judged as a name; what is left is opened and sent
(opening.py, shelf.py), or found in memory (filecache.py). Its law: a path names a regular file
below the folder or it names nothing, and the answer to nothing is always 404.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import Final, Literal, NamedTuple, TypedDict

from crlf.flow.bodies import let_go, opened_in_thread
from crlf.message.errors import Malformed
from crlf.message.fields.media import media_type_of
from crlf.message.fields.negotiation import best_media_type
from crlf.message.headers import Headers
from crlf.message.percent import path_segments, percent_encode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.caching import CacheRules
from crlf.rules.compressing import varied
from crlf.rules.pages import NOSNIFF, error_response
from crlf.rules.partial import DECIDING
from crlf.rules.paths import may_be_named
from crlf.server.files.filecache import MEMORY, Alias, FileCache, Known
from crlf.server.files.listing import Listed, Panel, answer_listing
from crlf.server.files.opening import WINDOWS, Root, is_nothing, is_shortage
from crlf.server.files.shelf import Shelf

MAX_LISTED: Final = 10_000  # entries of one listing; each is a call to the file system
MAX_ERROR_PAGE: Final = 1024 * 1024  # bytes

_ALLOWED: Final = Headers({"allow": "GET, HEAD"})
_LATER: Final = Headers({"retry-after": "1"})
_MOVED: Final = ("cache-control", "max-age=3600")  # a folder may become a file one day
_PAGE: Final = ".html"
_OF_PAGES: Final = ("content-security-policy", "content-type")


class Place(NamedTuple):
    """What a path names: decoded names from the folder down, and whether it ends in a slash."""

    names: tuple[str, ...]
    ends_in_slash: bool


class FolderOptions(TypedDict, total=False):
    """What a Folder is told beside its path, for whoever hands it on."""

    index: str | None
    listing: bool
    follow_symlinks: bool
    hidden: bool
    fallback: str | None
    clean_urls: bool | Literal["redirect"]
    errors: Mapping[int, str] | None
    cache: Mapping[str, str] | Iterable[tuple[str, str]]
    hashed: bool
    compress: bool
    memory: int


class Folder:
    """A folder of files to serve (RFC 9110 9.3.1, 13, 14).

    index: the file that stands for a folder, or None. listing: show a folder without one.
    follow_symlinks: let links lead wherever they lead, also out of the folder.
    hidden: serve names that begin with a dot; without it only /.well-known/ (RFC 8615).
    fallback: a file of the folder for pages that are none, as a single-page application wants.
    clean_urls: /about is about.html; "redirect": and /about.html leads there.
    errors: files of the folder that are shown for a status, as in {404: "404.html"}.
    cache: Cache-Control by pattern of the path, the first that fits: {"/assets/*": "max-age=60"}.
    hashed: names with a digest of their content in them never change.
    compress: send .zst, .br and .gz that lie beside a file, and make them where it is worth it.
    memory: bytes of small files to keep; 0 for none. clock: seconds since 1970.
    monotonic: seconds that only go forward.

    Raises NotADirectoryError when path is no folder, ValueError for an option that is none.
    """

    _looks_beside = True  # for coded files

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        index: str | None = "index.html",
        listing: bool = False,
        follow_symlinks: bool = False,
        hidden: bool = False,
        fallback: str | None = None,
        clean_urls: bool | Literal["redirect"] = False,
        errors: Mapping[int, str] | None = None,
        cache: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        hashed: bool = False,
        compress: bool = True,
        memory: int = MEMORY,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.panel_of: Callable[[Request], Panel | None] | None = None  # of its listings' pages
        self._root = Root(path, follow_symlinks=follow_symlinks)
        self.path = self._root.path
        self.index = index or None
        self.listing = listing
        self.hidden = hidden
        self.fallback = None if fallback is None else _own_name(fallback)
        self.clean_urls = clean_urls
        self.errors = {code: _own_name(name) for code, name in (errors or {}).items()}
        self._cache = FileCache(memory, monotonic)
        self._known = self._cache.known
        rules = CacheRules(cache, hashed=hashed)
        self._shelf = Shelf(
            self._root, self._cache, rules, clock,
            compress=compress, looks_beside=self._looks_beside,
        )  # fmt: skip
        self._clock = clock
        self._monotonic = monotonic
        if any(not 400 <= code <= 599 for code in self.errors):
            raise ValueError("error pages are for a status from 400 to 599")

    # -- at once

    def ready(self, request: Request, subpath: str | None = None) -> Response | None:
        """Answer from memory, if what is there was checked within the second; None otherwise.

        Waits for nothing and touches no file. subpath: as `answer` is given it.
        """
        headers = request.headers
        known = self._known.get((request.target, subpath, headers.first("accept-encoding")))
        if known is None:
            return None
        now = self._monotonic()
        if now >= known.due:
            if now < known.end:
                known.due = known.end  # this request checks; whoever comes meanwhile need not
            return None
        names = headers.keys()
        if (
            request.method == "GET"
            and DECIDING.isdisjoint(names)
            and len(names) == len(headers.fields)
        ):
            return known.response
        return self._ready_in_part(request, known)

    def _ready_in_part(self, request: Request, known: Known) -> Response | None:
        """Answer HEAD, conditions and ranges from memory, unless the choice would be another."""
        headers = request.headers
        if request.method not in ("GET", "HEAD") or len(headers.get_all("accept-encoding")) > 1:
            return None
        if known.kept.described.is_made and "range" in headers:
            return None
        return known.kept.answer(request.method, headers, int(self._clock()))

    # -- with a look at the disk

    async def answer(
        self, request: Request, subpath: str | None = None, in_thread: InThread | None = None
    ) -> Response:
        """Answer a request for a file of this folder; the files are touched in a thread.

        subpath: what of the raw path is below this folder, where that is not all of it.
        A response whose body is not bytes has an open file, which sending it closes.
        """
        response = self.ready(request, subpath)
        if response is not None:
            return response
        place = self._place(request, subpath)
        if isinstance(place, Response) and place.status_code not in self.errors:
            return place
        alias = _alias(request, subpath)
        work = partial(self._answer, request, place, alias)
        if in_thread is None:
            return work()
        return await opened_in_thread(in_thread, work)

    def _place(self, request: Request, subpath: str | None) -> Response | Place:
        """Take the path apart; or say what is wrong with it."""
        accept = request.headers.get("accept")
        if request.method not in ("GET", "HEAD"):
            return error_response(405, accept=accept, headers=_ALLOWED)
        try:
            names = path_segments(request.path if subpath is None else subpath)
        except Malformed as fault:
            return error_response(fault.status_code, f"{fault.reason}.", fault.rule, accept)
        ends_in_slash = bool(names) and names[-1] == ""
        if ends_in_slash:
            names.pop()
        elif not names:
            ends_in_slash = request.path.endswith("/")
        for number, name in enumerate(names):
            hidden = self.hidden or (number == 0 and name == ".well-known")
            if not may_be_named(name, hidden=hidden, windows=WINDOWS):
                return error_response(404, accept=accept)
        return Place(tuple(names), ends_in_slash)

    def _answer(self, request: Request, place: Response | Place, alias: Alias | None) -> Response:
        """Answer in the thread that may touch files."""
        known = None if alias is None else self._known.get(alias)
        if known is not None and self._monotonic() < known.due:  # another looked while we waited
            response = self._ready_in_part(request, known)
            if response is not None:
                return response
        response = place if isinstance(place, Response) else self._found(request, place, alias)
        if alias is not None and response.status_code not in (200, 206, 304, 412, 416):
            self._cache.forget(alias)
        name = self.errors.get(response.status_code)
        return response if name is None else self._error_page(response, name)

    def _found(self, request: Request, place: Place, alias: Alias | None) -> Response:
        try:
            return self._named(request, place, alias)
        except OSError as fault:
            if is_shortage(fault):
                return error_response(503, accept=request.headers.get("accept"), headers=_LATER)
            if not is_nothing(fault):
                raise
        if self.fallback is not None and _may_fall_back(request, place):
            try:
                response = self._shelf.answer(request, self.fallback, None)
                return response.with_headers(varied(response.headers, "Accept"))
            except OSError as fault:
                if not is_nothing(fault):
                    raise
        return error_response(404, accept=request.headers.get("accept"))

    def _named(self, request: Request, place: Place, alias: Alias | None) -> Response:
        """Answer with what a path names. Raises OSError."""
        names, ends_in_slash = place
        if ends_in_slash:
            return self._index(request, names, alias)
        try:
            if self.clean_urls == "redirect" and names and names[-1].endswith(_PAGE):
                self._root.open(names).close()
                return self._without_suffix(request, names[-1])
            return self._shelf.answer(request, names, alias)
        except OSError as fault:
            if not is_nothing(fault):
                raise
            if self.clean_urls and names and "." not in names[-1]:
                try:
                    return self._shelf.answer(request, (*names[:-1], names[-1] + _PAGE), alias)
                except OSError as another:
                    if not is_nothing(another):
                        raise
            if isinstance(fault, IsADirectoryError):
                return self._with_slash(request, names)
            raise

    # -- folders and other names

    def _index(self, request: Request, names: tuple[str, ...], alias: Alias | None) -> Response:
        if self.index is not None:
            try:
                return self._shelf.answer(request, (*names, self.index), alias)
            except OSError as fault:
                if not self.listing or not is_nothing(fault):
                    raise
        panel = None if self.panel_of is None else self.panel_of(request)
        if not self.listing and panel is None:
            raise FileNotFoundError(errno.ENOENT, "nothing to show")
        entries = self._root.entries(names, MAX_LISTED + 1, hidden=self.hidden)
        shown = entries[:MAX_LISTED] if self.listing else None
        listed = Listed(names, shown, is_cut=len(entries) > MAX_LISTED)
        return answer_listing(request, listed, int(self._clock()), panel)

    def _with_slash(self, request: Request, names: Sequence[str]) -> Response:
        """Send who left out the slash to the folder, if there is anything to see.

        The Location is relative: right also behind a proxy that takes a prefix off, and never
        the name of a host, whatever the path begins with.
        """
        if not self.listing and self.panel_of is None:
            if self.index is None:
                raise FileNotFoundError(errno.ENOENT, "nothing to show")
            self._root.open([*names, self.index]).close()
        name = names[-1] if names else path_segments(request.path)[-1]
        return self._moved(request, percent_encode(name) + "/")

    def _without_suffix(self, request: Request, name: str) -> Response:
        is_index = name == self.index
        stem = name.removesuffix(_PAGE)
        return self._moved(request, "./" if is_index or not stem else percent_encode(stem))

    def _moved(self, request: Request, location: str) -> Response:
        _, mark, query = request.target.partition("?")
        fields = [("location", f"{location}{mark}{query}"), _MOVED, NOSNIFF]
        return Response(301, fields)

    # -- refusals

    def _error_page(self, response: Response, name: tuple[str, ...]) -> Response:
        """Show the program's page for a status, with the fields that the status needs."""
        let_go(response.body)
        try:
            opened = self._root.open(name)
        except OSError as fault:
            if not (is_nothing(fault) or is_shortage(fault)):
                raise
            return response
        try:
            read = opened.read() if opened.facts.size <= MAX_ERROR_PAGE else None
        finally:
            opened.close()
        if read is None:
            return response
        kept = response.headers.without(*_OF_PAGES).fields
        headers = Headers([("content-type", media_type_of(name[-1])), *kept])
        return Response.quick(response.status_code, headers, read[0])


def _alias(request: Request, subpath: str | None) -> Alias | None:
    """What a request is known by; None when more than that decides what it gets."""
    codings = request.headers.get_all("accept-encoding")
    if len(codings) > 1 or "range" in request.headers:
        return None
    return request.target, subpath, codings[0] if codings else None


def _own_name(text: str) -> tuple[str, ...]:
    """Take the name of a file apart that the program has chosen. Raises ValueError."""
    names = tuple(text.removeprefix("/").split("/"))
    if not all(may_be_named(name, hidden=True, windows=WINDOWS) for name in names):
        raise ValueError(f"{text!r} names no file of the folder")
    return names


def _may_fall_back(request: Request, place: Place) -> bool:
    """Tell whether a page was wanted, not a file that is missing."""
    accept = request.headers.get("accept")
    if accept in (None, "", "*/*") or (place.names and "." in place.names[-1]):
        return False
    return best_media_type(accept, ("text/plain", "text/html")) == "text/html"
