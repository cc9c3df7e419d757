"""The blocking client, whole: requests, and what is built on them.

A Client may be shared by threads. It keeps connections, cookies and options; close it, or use
it in a `with` block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from os import PathLike
from typing import Unpack

from crlf.client.download import DownloadOptions, save
from crlf.client.events import Events, event_source
from crlf.client.gathering import AT_ONCE, Asked, GatherProgress, Outcome, gather
from crlf.client.options import RequestOptions
from crlf.client.pages import NextPage, Trail, by_link, pages
from crlf.client.plain import PlainClient
from crlf.flow.events import MOST_FAILURES
from crlf.flow.run import run_sync
from crlf.message.progress import Download
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.blocking import refuse_inside_loop


class Client(PlainClient):
    """An HTTP client; see ClientOptions for what it takes. Threads may share one."""

    def download(
        self, url: str | URL, path: str | PathLike[str], **options: Unpack[DownloadOptions]
    ) -> Download:
        """Fetch a URL into a file, whole or not at all; see DownloadOptions.

        An interrupted download is taken up again where it stopped. Raises CrlfError (StatusError,
        DigestMismatch ...), FileExistsError, OSError.
        """
        refuse_inside_loop()
        return run_sync(save(self._core, url, path, options))

    def events(
        self,
        url: str | URL,
        *,
        reconnect: bool = True,
        last_event_id: str = "",
        failures: int | None = MOST_FAILURES,
        **options: Unpack[RequestOptions],
    ) -> Events:
        """Give a server's events (server-sent events) as they come; see event_source."""
        return Events(
            event_source(
                self._core, url, options,
                reconnect=reconnect, last_event_id=last_event_id, failures=failures,
            )
        )  # fmt: skip

    def pages(
        self,
        url: str | URL,
        *,
        next_page: NextPage = by_link,
        limit: int | None = None,
        origins: Collection[str] = (),
        **options: Unpack[RequestOptions],
    ) -> Iterator[Response]:
        """Yield the pages of a list, each when it is asked for; see Trail."""
        return pages(self, url, options, Trail(next_page, limit, origins))

    def gather(
        self,
        asked: Iterable[Asked],
        *,
        at_once: int = AT_ONCE,
        on_progress: GatherProgress | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[tuple[Asked, Outcome]]:
        """Ask for many, so many at once; yield each with its response or error, as they come."""
        return gather(self, asked, options, at_once, on_progress)
