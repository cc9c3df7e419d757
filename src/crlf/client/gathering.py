"""Many requests at a bounded concurrency, each answer as it comes.

An error is a result like a response, since one server that is down is no reason to lose the
answers of the others. Its law: nothing is asked for before there is room for it, and when the
loop over the results is left, nothing goes on.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sized,
)
from contextlib import aclosing, closing
from typing import Any, TypeVar

from crlf.client.options import RequestOptions
from crlf.client.verbs import Verbs
from crlf.message.errors import CrlfError
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net import tasks, threads

AT_ONCE = 10  # as many as go to one host (PoolLimits.per_host)

# What can be asked for: a URL, by GET, or a request of any kind.
Asked = TypeVar("Asked", bound=str | URL | Request)
Outcome = Response | CrlfError
# Told of each result: how many there are now, and how many there will be, where that is known.
GatherProgress = Callable[[int, int | None], object]


def _total_of(asked: object, at_once: int) -> int | None:
    """Refuse what makes no sense, and say how many requests there will be, if that is known."""
    if isinstance(asked, str):
        raise TypeError("gather takes several URLs, and was given one")
    if at_once < 1:
        raise ValueError(f"at_once is 1 or more, not {at_once}")
    return len(asked) if isinstance(asked, Sized) else None


def _method_of(asked: str | URL | Request) -> str:
    return asked.method if isinstance(asked, Request) else "GET"


def _url_of(asked: str | URL | Request) -> str | URL:
    return asked.url if isinstance(asked, Request) else asked


def _options_of(asked: str | URL | Request, options: RequestOptions) -> RequestOptions:
    """Return the options for one of many; what a Request says itself comes first."""
    if not isinstance(asked, Request):
        return options
    own = options.copy()
    if asked.body != b"":
        own["content"] = asked.body  # type: ignore[typeddict-item]  # a Body is content as well
    if asked.headers:
        own["headers"] = asked.headers
    return own


def gather(
    client: Verbs[Response],
    asked: Iterable[Asked],
    options: RequestOptions,
    at_once: int = AT_ONCE,
    on_progress: GatherProgress | None = None,
) -> Iterator[tuple[Asked, Outcome]]:
    """Ask for each in a few threads, and yield it with its response or CrlfError.

    More at once than the pool has connections wait for one, and that may time out. Leaving early
    waits for the requests under way, which have their timeouts.
    """
    total = _total_of(asked, at_once)

    def ask(one: Asked) -> Outcome:
        try:
            return client.request(_method_of(one), _url_of(one), **_options_of(one, options))
        except CrlfError as fault:
            return fault

    return _told(threads.as_they_come(ask, asked, at_once), total, on_progress)


def _told(
    results: Generator[tuple[Asked, Outcome], None, None],
    total: int | None,
    on_progress: GatherProgress | None,
) -> Iterator[tuple[Asked, Outcome]]:
    with closing(results):
        for count, result in enumerate(results, 1):
            if on_progress is not None:
                on_progress(count, total)
            yield result


def gather_async(
    client: Verbs[Coroutine[Any, Any, Response]],
    asked: Iterable[Asked] | AsyncIterable[Asked],
    options: RequestOptions,
    at_once: int = AT_ONCE,
    on_progress: GatherProgress | None = None,
) -> AsyncIterator[tuple[Asked, Outcome]]:
    """Ask for each in a task, and yield it with its response or CrlfError.

    More at once than the pool has connections wait for one, and that may time out. Leaving early
    cancels the requests under way: at once where contextlib.aclosing stands around the loop, else
    as soon as the event loop comes to it.
    """
    total = _total_of(asked, at_once)

    async def ask(one: Asked) -> Outcome:
        try:
            return await client.request(_method_of(one), _url_of(one), **_options_of(one, options))
        except CrlfError as fault:
            return fault

    return _told_async(tasks.as_they_come(ask, asked, at_once), total, on_progress)


async def _told_async(
    results: AsyncGenerator[tuple[Asked, Outcome], None],
    total: int | None,
    on_progress: GatherProgress | None,
) -> AsyncIterator[tuple[Asked, Outcome]]:
    count = 0
    async with aclosing(results):
        async for result in results:
            count += 1
            if on_progress is not None:
                on_progress(count, total)
            yield result
