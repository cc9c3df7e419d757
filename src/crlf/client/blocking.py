"""The blocking client: a coat over the core in which nothing ever suspends.

A Client may be shared by threads. It keeps connections, cookies and options; close it, or use
it in a `with` block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from crlf.client.core import Core
from crlf.client.options import Application, HeaderInput, RequestOptions, client_options
from crlf.client.streamed import StreamedResponse
from crlf.client.verbs import Verbs
from crlf.flow.run import run_sync
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.blocking import BlockingNetwork, refuse_inside_loop
from crlf.ports import Network
from crlf.rules.cookiejar import CookieJar
from crlf.rules.deadlines import DEFAULT_TIMEOUT, Timeout
from crlf.rules.ledger import PoolLimits


class Client(Verbs[Response]):
    """An HTTP client.

    headers: sent with every request. timeout: a Timeout, seconds for a whole exchange, or None
    for no end. limits: of the connection pool. verify: True for the system's trust store, a
    path to a CA file or folder, or False for no check at all. cert: a PEM path, or (certificate,
    key). follow_redirects: None for GET and HEAD, True for all, False for none. auth: (user,
    password) for Basic. app: an App to talk to in memory instead of the network. network:
    another one than the machine's, as a test or a tap has it.
    """

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
        network: Network | None = None,
    ) -> None:
        options = client_options(
            headers, timeout, limits, verify, cert, follow_redirects, auth, cookies
        )
        if app is not None:
            from crlf.client.inside import memory_network  # it brings asyncio, 60 ms

            network = memory_network(app)
        elif network is None:
            network = BlockingNetwork()
        self._core = Core(options, network, CookieJar(guard=network.new_bell()))

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
        return StreamedResponse(incoming, response, self._core.options.limits.body)

    def close(self) -> None:
        """Close the idle connections. The client cannot be used any more."""
        self._core.close()
        run_sync(self._core.network.aclose())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
