"""What both clients are inside: options in, a flow, a response out. It has no colour.

It puts the filters in their order, and a budget of time around all of them. Its law: what one
face can do the other can, since neither decides anything.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from crlf.client.dressing import Dressing
from crlf.client.options import ClientSettings, RequestOptions
from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler, Proxies
from crlf.flow.filters import Send, filtered, pause
from crlf.flow.incoming import Arrived, Incoming
from crlf.flow.pool import Pool
from crlf.flow.sending import open_response, send_through
from crlf.message.errors import CrlfError, TooManyRedirects
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.ports import Network
from crlf.rules.cookiejar import CookieJar, keeping_cookies
from crlf.rules.deadlines import Timeout
from crlf.rules.filters import WHOLE, Filter, first_origin
from crlf.rules.redirects import SAFE_FIELDS, redirecting
from crlf.rules.retries import budget_of, expecting, retrying
from crlf.rules.tracing import Step, Trace

_FOLLOWED = frozenset({"GET", "HEAD"})
Chain = tuple[Filter, ...]


class Core:
    """A client's settings, connections and cookies, and the flow from a URL to a response."""

    def __init__(
        self,
        settings: ClientSettings,
        network: Network,
        cookies: CookieJar,
        proxies: Proxies | None = None,
    ) -> None:
        self.settings = settings
        if settings.record is not None:
            network = settings.record.watch(network)
        self.network = network
        self.cookies = cookies
        self._dressing = Dressing(settings)
        dialler = Dialler(
            network,
            settings.limits,
            settings.tls,
            sockets=settings.sockets,
            proxies=proxies,
            resolver=settings.resolve,
            policy=settings.policy,
        )
        self._pool = Pool(dialler, settings.pool)
        self._redirecting: dict[bool | None, Chain] = {
            None: (_redirecting(settings, _FOLLOWED, network),),
            True: (_redirecting(settings, None, network),),
            False: (),
        }
        retry = settings.retry
        self._retry_budget = None if retry is None else budget_of(retry, network.new_bell())
        self._logins: list[Filter] = []  # the netrc file, once it was needed
        self._keeping = keeping_cookies(cookies, network.wall)
        self._chains: dict[bool | None, Chain] = {}  # of requests that ask for nothing else

    async def request(self, method: str, url: str | URL, options: RequestOptions) -> Response:
        """Send a request and return its response, whole. Raises CrlfError."""
        request = self._dressing.request(method, url, options)
        budget = self._budget(options)
        pool = self._pool

        async def send(request: Request) -> Response:
            return await send_through(pool, request, budget)

        return await self._filtered(request, options, budget, send)

    def url_of(self, url: str | URL, options: RequestOptions) -> URL:
        """Return the URL that would be asked. Raises BadUrl."""
        return self._dressing.request("GET", url, options).url

    async def dressed(self, method: str, url: str | URL, options: RequestOptions) -> Request:
        """Return the request that would go out first, with cookies and credentials; send nothing.

        A Digest has no credentials before it was asked for them. Raises as `request` does before
        it connects.
        """
        first: list[Request] = []

        async def send(request: Request) -> Response:
            first.append(request)
            return Response(204)

        request = self._dressing.request(method, url, options)
        await self._filtered(request, options, self._budget(options), send)
        return first[0]

    async def open(
        self, method: str, url: str | URL, options: RequestOptions
    ) -> tuple[Incoming | Arrived, Response]:
        """Send a request and return its response with the body still to come."""
        request = self._dressing.request(method, url, options)
        budget = self._budget(options)
        pool = self._pool
        opened: list[Incoming] = []

        async def send(request: Request) -> Response:
            if WHOLE in request.extras:
                return await send_through(pool, request, budget)
            if opened and not opened[-1].is_held:
                await opened[-1].leave()  # it led on to this one, so its content interests nobody
            # A request of its own each time: by it a response is known, whatever a filter did.
            incoming = await open_response(pool, request.with_headers(request.headers), budget)
            opened.append(incoming)
            if self.settings.policy is not None:
                incoming.most = self.settings.limits.body  # strangers have no streams without end
            if incoming.response.status_code >= 300:
                await incoming.hold()  # a filter may wait, or ask for a token, before it goes on
            return incoming.response

        found: Incoming | None = None
        try:
            response = await self._filtered(request, options, budget, send)
            found = next((each for each in opened if each.request is response.request), None)
            if found is not None and found is not opened[-1] and not found.is_held:
                raise RuntimeError(
                    "a filter handed back a response whose content was let go of, since it sent"
                    " another request after that: set request.extras['whole'] to keep it"
                )
        except BaseException:
            found = None
            raise
        finally:
            for each in opened:
                if each is not found:
                    each.close()
        if "timeout" not in options and self.settings.policy is None:
            budget.total_at = None  # how long the body flows, nobody can know before
        return Arrived(response, request, pool) if found is None else found, response

    async def _filtered(
        self, request: Request, options: RequestOptions, budget: Budget, send: Send
    ) -> Response:
        chain = self._chain(request, options)
        if budget.trace is not None:
            inside = len(self.settings.filters) + 1  # of the one that follows redirects
            inside += self.settings.hsts is not None
            chain = (*chain[:inside], _telling(budget), *chain[inside:])
        try:
            return await filtered(chain, request, send, partial(pause, self.network, budget))
        except CrlfError as fault:
            if not fault.phase:  # raised by a filter, which knows no clock
                fault.phase = "redirect" if isinstance(fault, TooManyRedirects) else "filter"
                fault.seconds = budget.elapsed
                fault.during(request)
            if budget.trace is not None:
                budget.note("failed", budget.now(), fault)
            raise

    def _chain(self, request: Request, options: RequestOptions) -> Chain:
        """Return the filters of a request, the first outermost."""
        follow = options.get("follow_redirects") if options else None
        if follow is None:
            follow = self.settings.follow_redirects
        asks_more = options and ("retry" in options or "auth" in options)
        chain = None if asks_more else self._chains.get(follow)
        if chain is None:
            chain = self._build_chain(follow, options)
            if not asks_more:
                self._chains[follow] = chain
        if options and "expect" in request.headers:
            return (*chain[:-1], expecting, chain[-1])
        return chain

    def _build_chain(self, follow: bool | None, options: RequestOptions) -> Chain:
        settings = self.settings
        retry = options["retry"] if options and "retry" in options else settings.retry
        hsts, wall = settings.hsts, self.network.wall
        secured = () if hsts is None else (hsts.upgrading(wall),)
        chain = [*settings.filters, *secured, *self._redirecting[follow]]
        if retry is not None:
            budget = self._retry_budget
            chain.append(retrying(retry, random=chance, wall=wall, budget=budget))
        auth = options.get("auth", settings.auth)  # None where it was given as None
        if auth is not None or settings.trust_env.netrc:
            from crlf.client.authorized import auth_filters  # most authenticate by a field, or not

            chain += auth_filters(auth, "auth" in options, settings, self._logins)
        if hsts is not None:
            chain.append(hsts.keeping(wall, learns=settings.tls.verify is not False))
        return (*chain, self._keeping)

    def _budget(self, options: RequestOptions) -> Budget:
        settings = self.settings
        timeout, trace = settings.timeout, settings.trace
        if options:
            trace = options.get("trace", trace)
        if settings.record is not None:
            trace = _both(settings.record.step, trace)
        if options and "timeout" in options:
            return Budget(Timeout.of(options["timeout"]), self.network.now, trace)
        return Budget(timeout, self.network.now, trace)

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()


def _redirecting(
    settings: ClientSettings, methods: frozenset[str] | None, network: Network
) -> Filter:
    hsts = settings.hsts
    return redirecting(
        settings.max_redirects,
        methods,
        settings.redirect_downgrades,
        safe_fields=SAFE_FIELDS | settings.redirect_headers,
        upgraded=None if hsts is None else lambda url: hsts.upgraded(url, network.wall()),
    )


def _both(first: Trace, second: Trace | None) -> Trace:
    """Return a trace that tells two: the first is told whatever the second raises."""

    def tell(step: Step) -> None:
        first(step)
        if second is not None:
            second(step)

    return tell


def _telling(budget: Budget) -> Filter:
    """Make a filter for one exchange that tells of each redirect as it is followed."""
    was_redirect = False

    def telling(request: Request) -> Generator[Request, Response, Response]:
        nonlocal was_redirect
        if was_redirect and first_origin(request) is not None:
            budget.note("redirect", budget.now(), request)
        response = yield request
        was_redirect = response.is_redirect
        return response

    return telling


def chance() -> float:
    """Return a number from 0 to 1, for pauses that are not to fall together."""
    from random import random  # 3 ms, for the few who try again

    return random()
