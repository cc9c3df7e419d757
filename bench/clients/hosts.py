"""One client, many hosts: `hosts.py blocking|waiting NAME COUNT URL ...`.

COUNT requests over all of the URLs in turn, and as many to the first alone by a client of its
own: in slices that alternate, after all connections are warm, so that both have the same
machine. Prints for each kind its requests, seconds and CPU seconds.
"""

import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle, islice

SLICES = 10
AT_ONCE = 64  # for those that wait
Spent = dict[str, float]


class Books:
    """What each kind has cost so far."""

    def __init__(self, count: int, urls: list[str]) -> None:
        self.size = count // SLICES
        self.kinds = {"one": cycle(urls[:1]), "many": cycle(urls)}
        self.spent = {kind: Spent(requests=0, seconds=0, cpu=0) for kind in self.kinds}
        self._is_warm: set[str] = set()

    def slices(self) -> Iterator[tuple[str, list[str]]]:
        """Yield (kind, URLs) in the order of their turns; the first of each only warms up."""
        for _ in range(1 + SLICES):
            for kind, urls in self.kinds.items():
                yield kind, list(islice(urls, self.size))

    def add(self, kind: str, count: int, seconds: float, cpu: float) -> None:
        """Count a slice."""
        if kind not in self._is_warm:
            self._is_warm.add(kind)
            return
        spent = self.spent[kind]
        spent["requests"] += count
        spent["seconds"] += seconds
        spent["cpu"] += cpu


def measure(name: str, books: Books) -> None:
    from blocking import CLIENTS, cpu_seconds

    with CLIENTS[name]() as one, CLIENTS[name]() as many:
        for kind, urls in books.slices():
            get = one if kind == "one" else many
            cpu, start = cpu_seconds(), time.perf_counter()
            for url in urls:
                get(url)
            books.add(kind, len(urls), time.perf_counter() - start, cpu_seconds() - cpu)


async def measure_waiting(name: str, books: Books) -> None:
    import asyncio

    from blocking import cpu_seconds
    from waiting import CLIENTS

    async def ask_all(get: Callable[[str], Awaitable[None]], urls: list[str]) -> None:
        left = iter(urls)

        async def ask() -> None:
            for url in left:
                await get(url)

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    async with CLIENTS[name]() as one, CLIENTS[name]() as many:
        for kind, urls in books.slices():
            cpu, start = cpu_seconds(), time.perf_counter()
            await ask_all(one if kind == "one" else many, urls)
            books.add(kind, len(urls), time.perf_counter() - start, cpu_seconds() - cpu)


def main(way: str, name: str, count: int, urls: list[str]) -> None:
    books = Books(count, urls)
    if way == "blocking":
        measure(name, books)
    else:
        from uvloop import run

        run(measure_waiting(name, books))
    print(json.dumps(books.spent))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
