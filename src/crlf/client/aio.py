"""The asynchronous client: the same core as the blocking one, on an event loop.

An AsyncClient belongs to the loop it is first used on. Close it with `await client.aclose()`,
or use it in an `async with` block.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from os import PathLike
from typing import Any, Unpack

from crlf.client.core import Core
from crlf.client.download import DownloadOptions, save
from crlf.client.events import AsyncEvents, event_source
from crlf.client.gathering import AT_ONCE, Asked, GatherProgress, Outcome, gather_async
from crlf.client.inside import async_memory_network
from crlf.client.options import ClientOptions, RequestOptions
from crlf.client.pages import NextPage, Trail, by_link, pages_async
from crlf.client.settings import jar_of, proxies_of, settings_of
from crlf.client.streamed import AsyncStreamedResponse
from crlf.client.verbs import Verbs
from crlf.flow.events import MOST_FAILURES
from crlf.message.progress import Download
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.aio import AioNetwork
from crlf.rules.cookiejar import CookieJar


class AsyncClient(Verbs[Coroutine[Any, Any, Response]]):
    """An HTTP client for asyncio. It takes what Client takes, and its methods are awaited."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self._settings = settings_of(options)
        self._proxies = proxies_of(options)  # of the environment as it is now
        self._options = options
        self._core_here: Core | None = None

    @property
    def cookies(self) -> CookieJar:
        """The cookies that servers have set."""
        return self._core.cookies

    @property
    def _core(self) -> Core:
        """The core, made on the loop that runs when it is first needed."""
        if self._core_here is None:
            options = self._options
            network, app = options.get("network"), options.get("app")
            if app is not None:
                network = async_memory_network(app)
            elif network is None:
                network = AioNetwork()
            jar = jar_of(options, network)
            self._core_here = Core(self._settings, network, jar, self._proxies)
        return self._core_here

    async def request(
        self, method: str, url: str | URL, **options: Unpack[RequestOptions]
    ) -> Response:
        """Send a request and return its response, whole.

        Raises CrlfError: BadUrl, ConnectFailed, TlsFailed, a Timeout, RemoteError for a broken
        response, TooLarge; a status of 4xx or 5xx is a response like any other.
        """
        return await self._core.request(method, url, options)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str | URL, **options: Unpack[RequestOptions]
    ) -> AsyncIterator[AsyncStreamedResponse]:
        """Send a request and give its response with the content still to come.

        For `async with`; the client's total timeout does not apply, only one given here does,
        and the one between reads.
        """
        incoming, response = await self._core.open(method, url, options)
        async with AsyncStreamedResponse(incoming, response, self._settings.limits.body) as reply:
            yield reply

    async def download(
        self, url: str | URL, path: str | PathLike[str], **options: Unpack[DownloadOptions]
    ) -> Download:
        """Fetch a URL into a file, whole or not at all; see DownloadOptions.

        An interrupted download is taken up again where it stopped. Raises CrlfError (StatusError,
        DigestMismatch ...), FileExistsError, OSError.
        """
        return await save(self._core, url, path, options)

    def events(
        self,
        url: str | URL,
        *,
        reconnect: bool = True,
        last_event_id: str = "",
        failures: int | None = MOST_FAILURES,
        **options: Unpack[RequestOptions],
    ) -> AsyncEvents:
        """Give a server's events (server-sent events) as they come; see event_source."""
        return AsyncEvents(
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
    ) -> AsyncIterator[Response]:
        """Yield the pages of a list, each when it is asked for; see Trail."""
        return pages_async(self, url, options, Trail(next_page, limit, origins))

    def gather(
        self,
        asked: Iterable[Asked] | AsyncIterable[Asked],
        *,
        at_once: int = AT_ONCE,
        on_progress: GatherProgress | None = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[tuple[Asked, Outcome]]:
        """Ask for many, so many at once; yield each with its response or error, as they come."""
        return gather_async(self, asked, options, at_once, on_progress)

    async def aclose(self) -> None:
        """Close the idle connections. The client cannot be used any more."""
        core = self._core
        core.close()
        await core.network.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
