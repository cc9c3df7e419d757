"""The asynchronous client: the same core as the blocking one, on an event loop.

An AsyncClient belongs to the loop it is first used on. Close it with `await client.aclose()`,
or use it in an `async with` block.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Unpack

from crlf.client.core import Core
from crlf.client.inside import async_memory_network
from crlf.client.options import Application, HeaderInput, RequestOptions, client_options
from crlf.client.streamed import AsyncStreamedResponse
from crlf.client.verbs import Verbs
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.aio import AioNetwork
from crlf.ports import Network
from crlf.rules.cookiejar import CookieJar
from crlf.rules.deadlines import DEFAULT_TIMEOUT, Timeout
from crlf.rules.ledger import PoolLimits


class AsyncClient(Verbs[Coroutine[Any, Any, Response]]):
    """An HTTP client for asyncio. It takes what Client takes, and its methods are awaited."""

    def __init__(
        self,
        *,
        headers: HeaderInput | None = None,
        timeout: Timeout | float | None = DEFAULT_TIMEOUT,
        limits: PoolLimits | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        follow_redirects: bool | None = None,
        auth: tuple[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        app: Application | None = None,
    ) -> None:
        self._options = client_options(
            headers, timeout, limits, verify, cert, follow_redirects, auth, cookies
        )
        self._app = app
        self._jar = CookieJar()
        self._core_here: Core | None = None

    @property
    def cookies(self) -> CookieJar:
        """The cookies that servers have set."""
        return self._jar

    @property
    def _core(self) -> Core:
        """The core, made on the loop that runs when it is first needed."""
        if self._core_here is None:
            network: Network = (
                AioNetwork() if self._app is None else async_memory_network(self._app)
            )
            self._core_here = Core(self._options, network, self._jar)
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
        try:
            yield AsyncStreamedResponse(incoming, response, self._options.limits.body)
        finally:
            incoming.close()

    async def aclose(self) -> None:
        """Close the idle connections. The client cannot be used any more."""
        core = self._core
        core.close()
        await core.network.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
