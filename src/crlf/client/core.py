"""What both clients are inside: options in, a flow, a response out. It has no colour."""

from __future__ import annotations

from collections.abc import Mapping

from crlf.client.dressing import Dressing
from crlf.client.options import ClientOptions, RequestOptions
from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler
from crlf.flow.filters import filtered
from crlf.flow.pool import Pool
from crlf.flow.sending import Incoming, open_response, send_through
from crlf.message.errors import TooManyRedirects
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.ports import Network
from crlf.rules.cookiejar import CookieJar, keeping_cookies
from crlf.rules.deadlines import Timeout
from crlf.rules.filters import Filter
from crlf.rules.redirects import redirecting

_FOLLOWED = frozenset({"GET", "HEAD"})


class Core:
    """A client's options, connections and cookies, and the flow from a URL to a response."""

    def __init__(self, options: ClientOptions, network: Network, cookies: CookieJar) -> None:
        self.options = options
        self.network = network
        self.cookies = cookies
        self._dressing = Dressing(options)
        self._pool = Pool(Dialler(network, options.limits, options.tls), options.pool)
        for name, value in options.cookies:
            cookies.set(name, value)
        keeping = keeping_cookies(cookies, network.wall)
        self._filters: Mapping[bool | None, tuple[Filter, ...]] = {
            None: (redirecting(methods=_FOLLOWED), keeping),
            True: (redirecting(methods=None), keeping),
            False: (keeping,),
        }

    async def request(self, method: str, url: str | URL, options: RequestOptions) -> Response:
        """Send a request and return its response, whole. Raises CrlfError."""
        request = self._dressing.request(method, url, options)
        budget = Budget(self._timeout(options), self.network.now)
        pool = self._pool

        async def send(request: Request) -> Response:
            return await send_through(pool, request, budget)

        try:
            return await filtered(self._filters_for(options), request, send)
        except TooManyRedirects as fault:
            raise _timed(fault, budget) from None

    async def open(
        self, method: str, url: str | URL, options: RequestOptions
    ) -> tuple[Incoming, Response]:
        """Send a request and return its response with the body still to come."""
        request = self._dressing.request(method, url, options)
        timeout = self._timeout(options)
        if "timeout" not in options:
            timeout = timeout.without_total()  # how long a stream flows, nobody can know before
        budget = Budget(timeout, self.network.now)
        pool = self._pool
        opened: list[Incoming] = []

        async def send(request: Request) -> Response:
            if opened:
                # The response before this one was a redirect: its content interests nobody.
                opened.pop().close()
            incoming = await open_response(pool, request, budget)
            opened.append(incoming)
            return incoming.response

        try:
            response = await filtered(self._filters_for(options), request, send)
        except BaseException as fault:
            for incoming in opened:
                incoming.close()
            if isinstance(fault, TooManyRedirects):
                raise _timed(fault, budget) from None
            raise
        return opened[0], response

    def _filters_for(self, options: RequestOptions) -> tuple[Filter, ...]:
        follow = options.get("follow_redirects") if options else None
        return self._filters[self.options.follow_redirects if follow is None else follow]

    def _timeout(self, options: RequestOptions) -> Timeout:
        if "timeout" in options:
            return Timeout.of(options["timeout"])
        return self.options.timeout

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()


def _timed(fault: TooManyRedirects, budget: Budget) -> TooManyRedirects:
    """Add what a filter, which raised this, does not know."""
    fault.phase, fault.seconds = "redirect", budget.elapsed
    return fault
