"""The blocking client's ground: a coat over the core in which nothing ever suspends.

What a Client can do beside requests (client/blocking.py) is not loaded by who only asks.
"""

from __future__ import annotations

from typing import Self, Unpack

from crlf.client.core import Core
from crlf.client.options import ClientOptions, RequestOptions
from crlf.client.settings import jar_of, proxies_of, settings_of
from crlf.client.streamed import StreamedResponse
from crlf.client.verbs import Verbs
from crlf.flow.run import run_sync
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.blocking import BlockingNetwork, refuse_inside_loop
from crlf.rules.cookiejar import CookieJar


class PlainClient(Verbs[Response]):
    """A client that asks and is answered: what Client stands on, and all a command needs."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        settings = settings_of(options)
        network, app = options.get("network"), options.get("app")
        if app is not None:
            from crlf.client.inside import memory_network  # it brings asyncio, 60 ms

            network = memory_network(app)
        elif network is None:
            network = BlockingNetwork()
        jar = jar_of(options, network)
        self._core = Core(settings, network, jar, proxies_of(options))

    @property
    def cookies(self) -> CookieJar:
        """The cookies that servers have set."""
        return self._core.cookies

    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and return its response, whole.

        Raises CrlfError: BadUrl, ConnectFailed, TlsFailed, a Timeout, RemoteError for a broken
        response, TooLarge; a status of 4xx or 5xx is a response like any other.
        """
        refuse_inside_loop()
        return run_sync(self._core.request(method, url, options))

    def stream(
        self, method: str, url: str | URL, **options: Unpack[RequestOptions]
    ) -> StreamedResponse:
        """Send a request and return its response with the content still to come.

        Use it in a `with` block; the client's total timeout does not apply, only one given here
        does, and the one between reads.
        """
        refuse_inside_loop()
        incoming, response = run_sync(self._core.open(method, url, options))
        return StreamedResponse(incoming, response, self._core.settings.limits.body)

    def close(self) -> None:
        """Close the idle connections. The client cannot be used any more."""
        self._core.close()
        run_sync(self._core.network.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
