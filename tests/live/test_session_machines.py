"""Two servers, two processes, one Valkey: a cart on many machines, and a store that hangs."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.live.peers import START, free_port
from tests.live.valkeyserver import NEEDED, StoreServer, store_server

from crlf import App, Client, CrlfError, Response, TransportError

pytestmark = [pytest.mark.live, pytest.mark.needs(NEEDED, "python:valkey")]

SHOP = """
import os
import crlf

app = crlf.App(sessions=os.environ["SHOP_SESSIONS"])

@app.post("/cart/{item}")
def add(request, item):
    cart = request.session.change("cart", lambda cart: {**cart, item: 1}, {})
    return {"count": request.session.increment("count"), "size": len(cart)}

@app.get("/cart")
def cart(request):
    return {"cart": sorted(request.session.get("cart", ())), "count": request.session.get("count"),
            "user": request.session.user}

@app.get("/cart-async")
async def cart_async(request):
    return {"count": request.session.get("count")}

@app.post("/login/{user}")
async def login(request, user):
    request.session.sign_in(user)
    return "welcome"

@app.post("/leave")
def leave(request):
    request.session.revoke_all("ann")
    return "all devices are signed out"

@app.get("/about")
async def about(request):
    return "a shop"

@app.get("/about-thread")
def about_thread(request):
    return "a shop"
"""


class Machine:
    """`crlf serve` in a process of its own."""

    def __init__(self, folder: Path, sessions: str) -> None:
        (folder / "shop.py").write_text(SHOP)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crlf", "serve", "shop:app", "--port", str(self.port)],
            cwd=folder, env={**os.environ, "SHOP_SESSIONS": sessions},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        give_up = time.monotonic() + START
        with Client(trust_env=False) as client:
            while True:
                try:
                    assert client.get(f"{self.url}/about").text == "a shop"
                    return
                except TransportError:
                    assert self.process.poll() is None
                    assert time.monotonic() < give_up
                    time.sleep(0.02)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.process.kill()
        self.process.wait(5)


@contextmanager
def machines(folder: Path, store: StoreServer, count: int = 2) -> Iterator[list[Machine]]:
    """Run servers that share a store until the block ends."""
    begun = [Machine(folder, store.url) for _ in range(count)]
    try:
        for machine in begun:
            machine.wait()
        yield begun
    finally:
        for machine in begun:
            machine.kill()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreServer]:
    with store_server(tmp_path) as running:
        yield running


@pytest.fixture
def client() -> Iterator[Client]:
    """A visitor; cookies know no ports (RFC 6265bis 8.5), so both servers are the same to him."""
    with Client(trust_env=False) as visitor:
        yield visitor


def test_a_cart_is_the_same_on_both_servers_and_outlives_one(
    store: StoreServer, tmp_path: Path, client: Client
) -> None:
    with machines(tmp_path, store) as (one, other):
        for number, machine in zip(range(20), itertools.cycle((one, other)), strict=False):
            answer = client.post(f"{machine.url}/cart/item{number}")
            assert answer.json() == {"count": number + 1, "size": number + 1}
        one.kill()
        assert client.get(f"{other.url}/cart").json()["count"] == 20
        assert client.post(f"{other.url}/cart/last").json() == {"count": 21, "size": 21}


def test_who_is_signed_out_everywhere_is_so_on_the_other_server(
    store: StoreServer, tmp_path: Path, client: Client
) -> None:
    with machines(tmp_path, store) as (one, other):
        client.post(f"{one.url}/cart/lamp")
        client.post(f"{one.url}/login/ann")
        seen = client.get(f"{other.url}/cart").json()
        assert (seen["user"], seen["cart"]) == ("ann", ["lamp"])
        with Client(trust_env=False) as elsewhere:
            elsewhere.post(f"{other.url}/leave")
        gone = client.get(f"{one.url}/cart").json()
        assert gone == {"cart": [], "count": None, "user": None}


def test_parallel_writers_on_both_lose_nothing_when_one_is_killed(
    store: StoreServer, tmp_path: Path, client: Client
) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()
    with machines(tmp_path, store) as (one, other):
        client.post(f"{one.url}/cart/first")
        cookies = {cookie.name: cookie.value for cookie in client.cookies}

        def put(number: int) -> None:
            order = (one, other) if number % 2 else (other, one)
            with Client(trust_env=False, cookies=cookies) as visitor:
                for machine in order:
                    try:
                        answer = visitor.post(f"{machine.url}/cart/item{number}")
                    except CrlfError:
                        continue  # it is dead; the other one takes the item, twice if need be
                    assert answer.status_code == 200
                    acknowledged.append(f"item{number}")
                    if len(acknowledged) == 60:
                        enough.set()
                    return
            raise AssertionError("nobody took it")

        with ThreadPoolExecutor(8) as threads:
            putting = [threads.submit(put, number) for number in range(200)]
            assert enough.wait(10)
            one.kill()
            for each in putting:
                each.result()
        kept = client.get(f"{other.url}/cart").json()
    assert len(acknowledged) == 200
    assert set(kept["cart"]) == {"first", *acknowledged}
    assert 201 <= kept["count"] <= 209  # one for each, and what had no answer when its server died


# --- a store that does not answer ----------------------------------------------------------------


def timed(client: Client, url: str) -> tuple[float, Response]:
    begun = time.monotonic()
    answer = client.get(url)
    return time.monotonic() - begun, answer


def test_while_the_store_hangs_only_who_looks_is_told_so(
    store: StoreServer, tmp_path: Path, client: Client
) -> None:
    with machines(tmp_path, store, 1) as (machine,):
        client.post(f"{machine.url}/cart/lamp")
        assert client.get(f"{machine.url}/cart-async").json() == {"count": 1}  # its first look
        cookies = {cookie.name: cookie.value for cookie in client.cookies}
        store.pause()
        stop = threading.Event()
        looks: list[tuple[float, int, str | None]] = []

        def look(path: str) -> None:
            with Client(trust_env=False, cookies=cookies) as visitor:
                while not stop.is_set():
                    seconds, answer = timed(visitor, f"{machine.url}{path}")
                    looks.append((seconds, answer.status_code, answer.headers.get("retry-after")))
                    time.sleep(0.01)

        with ThreadPoolExecutor(6) as threads:
            looking = [threads.submit(look, path) for path in ("/cart", "/cart-async") * 3]
            quick = []
            for path in ("/about", "/about-thread") * 60:
                seconds, answer = timed(client, f"{machine.url}{path}")
                assert answer.status_code == 200
                quick.append(seconds)
                time.sleep(0.01)
            stop.set()
            for each in looking:
                each.result()
        assert max(quick) < 0.5, max(quick)
        assert {(status, after) for _, status, after in looks} == {(503, "5")}
        assert max(seconds for seconds, _, _ in looks) < 2.5
        assert len(looks) > 50  # nearly all of them are told at once

        with Client(trust_env=False) as stranger:  # who has no session yet, and needs none
            assert stranger.get(f"{machine.url}/cart").status_code == 200

        store.resume()
        give_up = time.monotonic() + 5
        while client.get(f"{machine.url}/cart").status_code == 503:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        assert client.get(f"{machine.url}/cart").json()["cart"] == ["lamp"]


def test_a_slow_store_does_not_hold_up_the_loop(
    store: StoreServer, tmp_path: Path, client: Client
) -> None:
    with machines(tmp_path, store, 1) as (machine,), Client(trust_env=False) as other:
        client.post(f"{machine.url}/cart/lamp")
        client.get(f"{machine.url}/cart-async")  # its first look: from now on it is opened ahead
        store.pause()
        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(timed, client, f"{machine.url}/cart-async")
            time.sleep(0.1)
            quick = [timed(other, f"{machine.url}/about")[0] for _ in range(20)]
            time.sleep(0.3)
            store.resume()
            seconds, answer = slow.result()
        assert answer.json() == {"count": 1}
        assert 0.35 < seconds < 1
        assert max(quick) < 0.2, quick


def test_an_app_whose_store_cannot_be_is_refused_when_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="database") as refused:
        App(sessions="valkey://:s3cr3t@db/shop")
    assert "s3cr3t" not in str(refused.value)
    monkeypatch.setitem(sys.modules, "valkey", None)
    with pytest.raises(RuntimeError, match=r"pip install 'crlf\[valkey\]'"):
        App(sessions="valkey://db")
