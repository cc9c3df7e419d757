"""One blocking client in 16 threads, against a peer that resets, stalls and lies.

Threads are not cancelled; what ends a request early here are deadlines, the peer, and streams
that are left. Who gets which misbehaviour comes from one seed; who meets whom, the system says.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_peer import EARLY, RIGHT, WAYS, Asked, serve

from crlf.client.blocking import Client
from crlf.message.errors import CrlfError
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits

THREADS = 16
SMALL = PoolLimits(total=8, per_host=5, idle=0.05)
# What follows an answer in a write of its own may come after the next request has gone out;
# then nobody could tell it from the answer. With the peer in another thread that happens.
ANY = tuple(name for name in WAYS if name != "twice_apart")


class BrokenUpload(Exception):
    """Raised by a body of ours while it is sent."""


class Worker:
    """What one thread does with the client."""

    def __init__(self, number: int, seed: int, client: Client, bases: list[str]) -> None:
        self.number = number
        self.chance = random.Random(f"{seed}/{number}")
        self.client = client
        self.bases = bases
        self.seen: Counter[str] = Counter()
        self.fault: BaseException | None = None

    def work(self, requests: int, upload: Path) -> None:
        try:
            for turn in range(requests):
                try:
                    self.one(turn, upload)
                except CrlfError as fault:
                    check_error(fault)
                    self.seen[type(fault).__name__] += 1
                except BrokenUpload:
                    self.seen["BrokenUpload"] += 1
                else:
                    self.seen["right"] += 1
        except BaseException as fault:
            self.fault = fault

    def one(self, turn: int, upload: Path) -> None:
        chance = self.chance
        kind = chance.randrange(3)
        method = ("GET", "GET", "POST")[kind]
        way = chance.choice((*ANY, *EARLY) if kind == 2 else ANY)
        asked = Asked(method, f"t{self.number}.{turn}", chance.choice((0, 9, 9000)), way, b"", b"")
        url = f"{chance.choice(self.bases)}/{asked.token}/{asked.size}/{way}"
        timeout = Timeout(1.0, 0.03, 0.03, chance.choice((0.01, 1.0)), chance.choice((0.02, 1, 1)))
        if kind == 0:
            response = self.client.get(url, timeout=timeout)
            check(asked, response.status_code, response.content, partly=False)
        elif kind == 1:
            self.streamed(asked, url, timeout)
        else:
            response = self.client.post(url, **self.body(upload), timeout=timeout)
            check(asked, response.status_code, response.content, partly=False)

    def streamed(self, asked: Asked, url: str, timeout: Timeout) -> None:
        leaves = self.chance.random() < 0.5
        content = b""
        with self.client.stream("GET", url, timeout=timeout) as response:
            for piece in response.iter_bytes():
                content += piece
                if leaves:
                    break
        check(asked, response.status_code, content, partly=leaves)

    def body(self, upload: Path) -> dict[str, Any]:
        kind = self.chance.randrange(4)
        if kind == 0:
            return {"content": b"u" * self.chance.choice((0, 10, 400_000))}
        if kind == 1:
            return {"files": {"f": upload}}
        return {"content": pieces(fails=kind == 2)}


def pieces(*, fails: bool) -> Iterator[bytes]:
    for _ in range(3):
        yield b"u" * 30_000
    if fails:
        raise BrokenUpload


def check(asked: Asked, status_code: int, content: bytes, *, partly: bool) -> None:
    """An answer is the one to its own question, or the beginning of it where that is due."""
    right = RIGHT[asked.way](asked)
    if right is None:
        assert partly, f"{asked} was answered with {status_code} {content[:80]!r}"
        right = (200, asked.content)
    assert status_code == right[0], asked
    assert right[1].startswith(content), (asked, content[:80])
    assert partly or len(content) == len(right[1]), (asked, content[:80])


def check_error(fault: CrlfError) -> None:
    """An error says all that errors say."""
    assert fault.phase, repr(fault)
    assert fault.request is not None, repr(fault)
    assert fault.seconds is not None, repr(fault)


def share(seed: int, requests: int, upload: Path, listening: Any) -> None:
    with listening.in_thread(serve) as one, listening.in_thread(serve) as other:
        bases = [f"http://127.0.0.1:{port}" for port in (one, other)]
        client = Client(pool=SMALL, trust_env=False)
        workers = [Worker(number, seed, client, bases) for number in range(THREADS)]
        threads = [
            threading.Thread(target=worker.work, args=(requests // THREADS, upload))
            for worker in workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for worker in workers:
            if worker.fault is not None:
                raise worker.fault
        pool = client._core._pool
        assert not pool._queues
        assert pool._ledger.total <= 8
        for base in bases:
            assert client.delete(f"{base}/probe/3/closes", timeout=5).content == b"probe;xxx"
        client.close()
        assert pool._ledger.total == 0
        seen = sum((worker.seen for worker in workers), Counter())
        assert seen["right"] > requests / 4, seen
        assert len(seen) >= 5, seen


def test_2000_requests_of_16_threads_lose_nothing(
    seed: int, big_file: Path, listening: Any
) -> None:
    share(seed, 2000, big_file, listening)


@pytest.mark.long
@pytest.mark.parametrize("number", range(5))
def test_10000_requests_of_16_threads_lose_nothing(
    number: int, big_file: Path, listening: Any
) -> None:
    share(number, 10_000, big_file, listening)
