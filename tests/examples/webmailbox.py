"""The web mail and who reads in it, for all its tests: in memory, with Ann's sample mailbox."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crlf import Client, Response

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r'<li id="row-([0-9a-f]{16})".*?</li>', re.DOTALL)


class Reader:
    """A browser without a window: it follows redirects and sends a page's token back."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.page: Response | None = None

    def get(self, path: str, **options: Any) -> Response:
        self.page = self.client.get(f"http://localhost{path}", follow_redirects=True, **options)
        return self.page

    def post(self, path: str, data: Any = None, **options: Any) -> Response:
        """Send a form, with the token of a page that was asked for before."""
        options.setdefault("follow_redirects", True)
        data = {"csrf_token": self.token()} | (data or {})
        url = f"http://localhost{path}"
        self.page = self.client.post(url, data=data, **options)
        return self.page

    def token(self) -> str:
        for path in ("", "/sign-in"):
            page = self.page if not path else self.get(path)
            found = re.search(r'name="csrf_token" value="([^"]+)"', page.text if page else "")
            if found is not None:
                return found[1]
        raise AssertionError("no page has a form with a token")

    def sign_in(self, name: str = "ann", password: str | None = None) -> Response:
        known = {"ann": "prairie-wind", "tim": "prairie-rain", "rosa": "prairie-snow"}
        form = {"name": name, "password": password or known[name]}
        return self.post("/sign-in", form)

    def ids(self, path: str = "/mail/inbox") -> list[str]:
        """The letters of one page of a list, as it shows them."""
        return LINK.findall(self.get(path).text)

    def id_of(self, subject: str, folder: str = "inbox") -> str:
        """Find a letter by a piece of its subject, on any page of a folder."""
        for number in range(1, 10):
            page = self.get(f"/mail/{folder}?page={number}").text
            for found in LINK.finditer(page):
                if subject in found[0]:
                    return found[1]
            if 'rel="next"' not in page:
                break
        raise AssertionError(f"no {subject!r} in {folder}")

    def flash(self) -> str:
        assert self.page is not None
        return " ".join(
            re.findall(r'<p class="flash[^"]*" role="[a-z]+">(.*?)</p>', self.page.text)
        )


Readers = Callable[..., Reader]


@contextmanager
def opened(folder: Path) -> Iterator[ModuleType]:
    """The web mail, loaded anew for a folder of its own: its site module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEBMAIL_DATA", str(folder))
        patch.syspath_prepend(ROOT)
        for name in [name for name in sys.modules if name.startswith("examples.webmail")]:
            patch.delitem(sys.modules, name)
        importlib.import_module("examples.webmail.furnishing").furnish()
        site = sys.modules["examples.webmail.site"]
        try:
            with Client(app=site.app) as client:  # the file of sessions stays open from here on
                reader = Reader(client)
                reader.sign_in("rosa")
                reader.post("/sign-out")
            yield site
        finally:
            site.app.sessions.store.close()


@pytest.fixture(scope="module")
def webmail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The web mail, with a folder of its own."""
    with opened(tmp_path_factory.mktemp("webmail")) as site:
        yield site


@pytest.fixture
def readers(webmail: ModuleType) -> Iterator[Readers]:
    """Make readers, each with cookies of its own; signed in, unless told otherwise."""
    clients: list[Client] = []

    def reader(name: str = "ann") -> Reader:
        clients.append(Client(app=webmail.app))
        made = Reader(clients[-1])
        if name:
            assert made.sign_in(name).status_code == 200
        return made

    yield reader
    for client in clients:
        client.close()


@pytest.fixture
def ann(readers: Readers) -> Reader:
    return readers("ann")
