"""Lists that come in pages: each response says where the next one is (RFC 8288, rel="next").

The next page is asked for with the same fields and credentials, so it has to be at the origin
that the caller asked, or at one that the caller named. Its law: the pages end where the server
says so; anything else that ends them is an error, never a list that is quietly too short.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from typing import Any, Final

from crlf.client.options import RequestOptions
from crlf.client.verbs import Verbs
from crlf.message.errors import BadUrl, CrlfError, LocalError, RemoteError, TooLarge
from crlf.message.fields.links import links_of
from crlf.message.response import Response
from crlf.message.url import URL

MAX_PAGES: Final = 10_000  # where nobody said how many; a million entries at 100 a page
_SHOWN = 200  # characters of a URL in an error

# Says where the page after a response is; None where there is none.
NextPage = Callable[[Response], "str | URL | None"]


def by_link(response: Response) -> URL | None:
    """Say where the next page is by the Link field (RFC 8288)."""
    link = links_of(response.headers, response.url).get("next")
    return None if link is None else link.url


class Trail:
    """Where the pages lead, and how far to follow.

    next_page: by_link, or a function for an interface that says it in its content. limit: pages
    in all, and no error when there are more; None for MAX_PAGES and an error. origins: further
    ones, as "https://b.example", that may have what is sent to the first.
    """

    def __init__(
        self,
        next_page: NextPage = by_link,
        limit: int | None = None,
        origins: Collection[str] = (),
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"a limit of pages is 1 or more, not {limit}")
        self._next_page = next_page
        self._limit = limit
        self._origins = {URL(text).origin for text in origins}
        self._visited: set[str] = set()

    def after(self, response: Response) -> URL | None:
        """Return where to go on from a page; None at the end.

        Raises RemoteError for a circle and for what is no URL, LocalError for another origin,
        TooLarge after MAX_PAGES.
        """
        visited = self._visited
        request = response.request
        if not visited and request is not None:
            first = (response.history or (response,))[0]
            self._origins.add(first.url.origin)
        visited.add(_without_fragment(response.url))
        visited.update(_without_fragment(hop.url) for hop in response.history)
        if self._limit is not None:
            self._limit -= 1
            if self._limit <= 0:
                return None
        following = self._next_page(response)
        if following is None:
            return None
        try:
            return self._checked(response.url, following)
        except CrlfError as fault:
            fault.during(request)
            raise

    def _checked(self, here: URL, following: str | URL) -> URL:
        try:
            # A user name in it is not the caller's.
            url = here.join(str(following)).without_credentials()
        except BadUrl as fault:
            raise RemoteError(f"the next page is at no URL: {fault.reason}") from None
        shown = url.redacted[:_SHOWN]
        if url.origin not in self._origins:
            raise LocalError(
                f"the next page is at another origin, {shown}; "
                "name that in origins=[...] if it may have what this request carries"
            )
        if _without_fragment(url) in self._visited:
            raise RemoteError(f"the pages run in a circle, back to {shown}")
        if len(self._visited) >= MAX_PAGES:
            raise TooLarge("pages", MAX_PAGES, 502)
        return url


def _without_fragment(url: URL) -> str:
    return str(url if url.fragment is None else url.with_fragment(None))


def _for_more(options: RequestOptions, first: Response) -> RequestOptions:
    """Return what the pages after the first are asked with.

    Their URLs have all parameters, and never a user name: what the first one had comes along.
    """
    rest = options.copy()
    rest.pop("params", None)
    asked = (first.history or (first,))[0].url
    if asked.username is not None and "auth" not in rest:
        rest["auth"] = (asked.username, asked.password or "")
    return rest


def pages(
    client: Verbs[Response], url: str | URL, options: RequestOptions, trail: Trail
) -> Iterator[Response]:
    """Yield a list's pages, each as it is asked for; see Trail for what it raises."""
    response = client.get(url, **options)
    rest = _for_more(options, response)
    while True:
        yield response
        following = trail.after(response)
        if following is None:
            return
        response = client.get(following, **rest)


async def pages_async(
    client: Verbs[Coroutine[Any, Any, Response]],
    url: str | URL,
    options: RequestOptions,
    trail: Trail,
) -> AsyncIterator[Response]:
    """Yield a list's pages, each as it is asked for; see Trail for what it raises."""
    response = await client.get(url, **options)
    rest = _for_more(options, response)
    while True:
        yield response
        following = trail.after(response)
        if following is None:
            return
        response = await client.get(following, **rest)
