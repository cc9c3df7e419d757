"""What tests of sessions share: a shop with sessions in some store, and browsers that visit it.

Requests go through a client in memory, under a clock that stands. Two requests at once are one
inside the other: what the inner one keeps, the outer one has not read.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from crlf.client import AsyncClient, Client
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.session import Session
from crlf.rules.sessionstore import Record
from crlf.server import App

NOW = 1_800_000_000
IDLE, LIFETIME = 1000, 5000
HOME = "http://localhost"

Work = Callable[[Session], object]


class MemoryStore:
    """The simplest store that there is, which counts what it is asked."""

    opens_slowly = True  # so that the way by look_ahead is tried too

    def __init__(self) -> None:
        self.records: dict[str, tuple[Record, int]] = {}
        self.guard = threading.Lock()
        self.asked = 0

    def _held(self, key: str, now: int) -> Record | None:
        self.asked += 1
        record, ends = self.records.get(key, (None, 0))
        return record if ends > now else None

    def load(self, key: str, now: int) -> Record | None:
        with self.guard:
            return self._held(key, now)

    def swap(self, key: str, version: int, record: Record, ends: int, now: int) -> bool:
        return self._write(key, version, key, record, ends, now)

    def move(
        self, key: str, version: int, new_key: str, record: Record, ends: int, now: int
    ) -> bool:
        return self._write(key, version, new_key, record, ends, now)

    def _write(
        self, key: str, version: int, new_key: str, record: Record, ends: int, now: int
    ) -> bool:
        assert record.version == version + 1
        with self.guard:
            held = self._held(key, now)
            if (0 if held is None else held.version) != version:
                return False
            self.records.pop(key, None)
            if ends > now:
                self.records[new_key] = (record, ends)
            return True

    def delete(self, key: str) -> None:
        with self.guard:
            self.asked += 1
            self.records.pop(key, None)

    def delete_all_of(self, user: str) -> int:
        with self.guard:
            self.asked += 1
            gone = [key for key, (record, _) in self.records.items() if record.user == user]
            for key in gone:
                del self.records[key]
            return len(gone)

    def prune(self, now: int) -> int:
        with self.guard:
            gone = [key for key, (_, ends) in self.records.items() if ends <= now]
            for key in gone:
                del self.records[key]
            return len(gone)

    def close(self) -> None:
        self.records.clear()


class Shop:
    """An application whose handlers do what a test says, under a clock that the test sets.

    sessions, secret: as App takes them. waits: its handlers are `async def`.
    """

    def __init__(self, sessions: Any, *, waits: bool, secret: str | None = None) -> None:
        self.now = float(NOW)
        self.is_stored = sessions != "cookie"
        self.works: list[Work] = []
        self.app = App(
            secret=secret,
            sessions=sessions,
            session_idle=IDLE,
            session_lifetime=LIFETIME,
            csrf=False,
        )

        def at_once(request: Request) -> dict[str, object]:
            return {"result": self.works[int(request.headers["x-work"])](request.session)}

        async def waiting(request: Request) -> dict[str, object]:
            assert request.session is not None  # looked at on the loop, if at all
            with ThreadPoolExecutor(1) as pool:  # the work may have requests of its own
                return pool.submit(at_once, request).result()

        async def unseeing(request: Request) -> dict[str, object]:
            return {"result": None}

        self.app.get("/")(waiting if waits else at_once)
        self.app.get("/unseen")(unseeing if waits else lambda request: {"result": None})

    def sender(self, in_thread: Any, _: Callable[[], float]) -> Any:
        """Stand for the application, with its own clock."""
        return self.app.sender(in_thread, lambda: self.now)

    def intake(self, request: Request) -> Any:
        return self.app.intake(request)

    def only_if_stored(self, why: str) -> None:
        if not self.is_stored:
            pytest.skip(f"a cookie that the visitor carries {why}")

    @contextmanager
    def browser(self, cookie: str = "") -> Iterator[Browser]:
        """Give a visitor; cookie: the field that he sends, instead of what he was given."""
        with Client(app=self, base_url=HOME) as client:  # type: ignore[arg-type]  # it has a sender
            yield Browser(self, client, cookie)


class Browser:
    """A visitor of a shop."""

    def __init__(self, shop: Shop, client: Client, cookie: str = "") -> None:
        self.shop = shop
        self.client = client
        self.cookie = cookie

    def unseen(self) -> Response:
        """Ask for what does not look at the session."""
        fields = {"cookie": self.cookie} if self.cookie else {}
        return self.client.get("/unseen", headers=fields)

    def ask(self, work: Work) -> Response:
        """Have one request's handler do something with the session."""
        self.shop.works.append(work)
        fields = {"x-work": str(len(self.shop.works) - 1)}
        if self.cookie:
            fields["cookie"] = self.cookie
        return self.client.get("/", headers=fields)

    def do(self, work: Work) -> Any:
        """Do the same, and return what the work returned."""
        response = self.ask(work)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    @property
    def data(self) -> dict[str, Any]:
        """What the session has for the next request."""
        data: dict[str, Any] = self.do(lambda session: dict(session))
        return data

    @property
    def user(self) -> str | None:
        user: str | None = self.do(lambda session: session.user)
        return user

    @property
    def id(self) -> str:
        """The value of the cookie, "" without one."""
        return next((cookie.value for cookie in self.client.cookies), "")

    @contextmanager
    def twin(self) -> Iterator[Browser]:
        """Give another tab of the same visitor: the cookie as it is now."""
        with self.shop.browser(f"session={self.id}") as twin:
            yield twin


def both(*works: Work) -> Work:
    """Do one thing after the other."""

    def doing(session: Session) -> None:
        for work in works:
            work(session)

    return doing


def putting(**values: Any) -> Work:
    return lambda session: session.update(values)


def signing_in(user: str) -> Work:
    return lambda session: session.sign_in(user)


def incrementing(key: str = "n", by: float = 1) -> Work:
    return lambda session: session.increment(key, by)


async def increments_at_once(shop: Shop, cookie: str, count: int) -> None:
    """Send so many requests together, each of which adds one to "n"."""
    shop.works.append(incrementing())
    fields = {"x-work": str(len(shop.works) - 1), "cookie": cookie}
    async with AsyncClient(app=shop, base_url=HOME) as client:  # type: ignore[arg-type]  # it has a sender
        answers = [client.get("/", headers=fields) for _ in range(count)]
        assert {answer.status_code for answer in await asyncio.gather(*answers)} == {200}
