"""The store and who visits it, for all its tests: in memory, and over a socket."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from argon2 import PasswordHasher

from crlf import Client, Response, running
from crlf.net.loops import new_loop

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "examples/store/static"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
PASSWORD = "correct horse battery"
_numbers = count(1)


class Visitor:
    """A client that knows where the store is."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url.rstrip("/")
        self.client = client

    def get(self, path: str, **options: Any) -> Response:
        return self.client.get(self.url + path, **options)

    def post(self, path: str, **options: Any) -> Response:
        return self.client.post(self.url + path, **options)

    def buy(self, number: int, quantity: int = 1) -> Response:
        form = {"number": number, "quantity": quantity}
        return self.post("/cart", data=form, follow_redirects=True)

    def join(self, name: str = "Tim") -> str:
        """Open an account and sign in; returns its e-mail address."""
        email = f"tim{next(_numbers)}@example.org"
        form = {"name": name, "email": email, "password": PASSWORD}
        page = self.post("/signup", data=form, follow_redirects=True)
        assert (page.status_code, heading(page)) == (200, escape(name)), page.text
        return email

    def log_in(self, email: str, password: str = PASSWORD, **more: str) -> Response:
        form = {"email": email, "password": password} | more
        return self.post("/login", data=form, follow_redirects=True)


Visitors = Callable[[], Visitor]


@contextmanager
def opened(folder: Path) -> Iterator[ModuleType]:
    """The store, loaded anew for a folder of its own: the module that has its app and memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORE_DATA", str(folder))
        patch.syspath_prepend(ROOT)
        for name in [name for name in sys.modules if name.startswith("examples.store")]:
            patch.delitem(sys.modules, name)
        importlib.import_module("examples.store.app")
        new_loop().close()  # uvloop's first one in a process keeps a pipe for ever
        shop = sys.modules["examples.store.shop"]
        quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        patch.setattr("examples.store.data.passwords._hasher", quick)
        try:
            yield shop
        finally:
            shop.app.sessions.store.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The store, with a folder of its own."""
    with opened(tmp_path_factory.mktemp("store")) as shop:
        yield shop


@pytest.fixture(params=["memory", "socket"])
def visitors(request: pytest.FixtureRequest, store: ModuleType) -> Iterator[Visitors]:
    """Make visitors, each with cookies of its own."""
    clients: list[Client] = []

    def visitor(url: str, **options: Any) -> Visitor:
        clients.append(Client(**options))
        return Visitor(url, clients[-1])

    with contextlib.ExitStack() as open_ones:
        open_ones.callback(store.app.sessions.store.close)  # as serving it does at its end
        if request.param == "memory":
            yield lambda: visitor("http://localhost", app=store.app)
        else:
            server = open_ones.enter_context(running(store.app))
            yield lambda: visitor(server.url)
        for client in clients:
            client.close()


@pytest.fixture
def visitor(visitors: Visitors) -> Visitor:
    return visitors()


def heading(response: Response) -> str:
    """Read the page's one h1."""
    found = re.findall(r"<h1>(.*?)</h1>", response.text, re.DOTALL)
    assert len(found) == 1, response.text
    return found[0]


def text_of(response: Response, id: str) -> str:
    """Read what the element with an id says."""
    found = re.search(rf'<[a-z]+ [^>]*id="{id}"[^>]*>([^<]*)<', response.text)
    assert found is not None, f"no {id} in {response.text}"
    return found[1]
