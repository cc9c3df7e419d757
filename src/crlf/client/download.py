"""Downloads: from what a user says to the flow that saves a file, for both clients.

A download is a GET whose answer goes to a file. Whatever a request can be told holds for each
of its attempts, the redirects and the credentials included; only the ranges are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Final, cast

from crlf.client.core import Core
from crlf.client.options import RequestOptions
from crlf.flow.download import Wishes, download
from crlf.flow.incoming import Arrived, Incoming
from crlf.message.errors import TotalTimeout
from crlf.message.fields.digests import digest_of
from crlf.message.headers import Headers
from crlf.message.progress import Download
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.partfile import Destination
from crlf.rules.deadlines import Timeout
from crlf.values import replace

ATTEMPTS: Final = 5  # in a row that bring next to nothing; wget 20, curl none
_CONTENT: Final = ("content", "data", "files", "json")
_OF_REQUEST: Final = frozenset(RequestOptions.__annotations__) - {"progress"}  # it is of uploads
_OURS: Final = frozenset({"accept-encoding", "want-repr-digest"})
_RANGES: Final = frozenset({"range", "if-range"})


class DownloadOptions(RequestOptions, total=False):
    """What a download takes beside URL and path: what a GET takes, and this.

    progress: called with (bytes here, bytes in all or None), some twenty times a second. digest:
    what the file has to come to, as "sha-256=..." or bare hexadecimal digits; one that the
    server gives (RFC 9530) is checked anyway. resume: False to ask for everything each time.
    overwrite: replace a file that is there; numbered: take a free name instead, as in
    "page (1).html". max_size: in bytes, of the file. attempts: in a row that bring next to
    nothing, before the fault is raised. sync: have the file on the disk before it gets its name.
    """

    digest: str | None
    resume: bool
    overwrite: bool
    numbered: bool
    max_size: int | None
    attempts: int
    sync: bool


async def save(
    core: Core, url: str | URL, path: str | PathLike[str] | Destination, options: DownloadOptions
) -> Download:
    """Fetch a URL into a file; see DownloadOptions for the words.

    path: or a Destination, which decides alone what is replaced and what is numbered.
    """
    if any(name in options for name in _CONTENT):
        raise TypeError("a download is a GET: it sends no content")
    attempts, digest = options.get("attempts", ATTEMPTS), options.get("digest")
    if attempts < 1:
        raise ValueError("a download takes at least one attempt")
    asking = _Asking(core, url, options)
    wishes = Wishes(
        asking.url,
        None if digest is None else digest_of(digest),
        options.get("resume", True),
        options.get("max_size"),
        attempts,
        options.get("progress"),
    )

    def look() -> Destination:
        if isinstance(path, Destination):
            return path
        return Destination(
            path,
            overwrite=options.get("overwrite", False),
            numbered=options.get("numbered", False),
            sync=options.get("sync", False),
        )

    place = await core.network.in_thread(look)
    return await download(asking.ask, place, wishes, core.network)


class _Asking:
    """Sends a download's request, each time with other fields and within one total timeout."""

    def __init__(self, core: Core, url: str | URL, options: DownloadOptions) -> None:
        self._core = core
        of_request = {name: options[name] for name in _OF_REQUEST if name in options}  # type: ignore[literal-required]  # each is its own
        self._options = cast("RequestOptions", of_request)
        self._headers = _others(options)
        self._timeout = Timeout.of(options["timeout"]) if "timeout" in options else None
        self._began = core.network.now()
        self._asked = url
        # What an unfinished file is known by.
        self.url = core.url_of(url, self._options)

    async def ask(self, fields: list[tuple[str, str]]) -> tuple[Incoming | Arrived, Response]:
        """Send the request with these fields over the user's."""
        headers: list[tuple[str, str | None]] = [*self._headers, *fields]
        options: RequestOptions = {**self._options, "headers": headers}
        timeout = self._timeout
        if timeout is not None and timeout.total is not None:
            spent = self._core.network.now() - self._began
            if spent >= timeout.total:
                raise TotalTimeout(
                    f"the download took longer than {timeout.total:g} s in all",
                    phase="read",
                    seconds=spent,
                )
            options["timeout"] = replace(timeout, total=timeout.total - spent)
        return await self._core.open("GET", self._asked, options)


def _others(options: DownloadOptions) -> list[tuple[str, str | None]]:
    """List the user's fields but those that a download decides. Raises ValueError for a range."""
    added = options.get("headers")
    if added is None:
        return []
    if isinstance(added, Headers):
        pairs: list[tuple[str, str | None]] = list(added.fields)
    else:
        pairs = list(added.items() if isinstance(added, Mapping) else added)
    if any(name.lower() in _RANGES for name, _ in pairs):
        raise ValueError("a download asks for ranges itself; use stream() for a part")
    return [pair for pair in pairs if pair[0].lower() not in _OURS]
