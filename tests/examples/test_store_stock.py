"""The last piece: two buyers cannot both have it, in two threads and in two processes."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from tests.examples.storefront import ROOT, Visitor, Visitors, heading

from crlf import Client, running

ORDER = {"name": "Somebody quick", "address": "Salina", "zip": "67401"}
BUYERS = 50


def ask(file: Path, statement: str, *values: object) -> int:
    """Do something to the store's database, from outside of the store."""
    with closing(sqlite3.connect(file, timeout=10)) as db, db:
        row = db.execute(statement, values).fetchone()
    return row[0] if row else 0


def stock(file: Path, number: int) -> int:
    return ask(file, "SELECT stock FROM parts WHERE number = ?", number)


def set_stock(file: Path, number: int, pieces: int) -> None:
    ask(file, "UPDATE parts SET stock = ? WHERE number = ?", pieces, number)


def rush(url: str, file: Path, number: int) -> None:
    """Let fifty clients order one piece each of the last ten, all at the same time."""
    set_stock(file, number, 10)
    before = ask(file, "SELECT count(*) FROM orders")

    def buy(_: int) -> int:
        with Client(timeout=60) as client:
            visitor = Visitor(url, client)
            visitor.post("/cart", data={"number": number, "quantity": 1})
            return visitor.post("/order", data=ORDER).status_code

    with ThreadPoolExecutor(BUYERS) as pool:
        codes = Counter(pool.map(buy, range(BUYERS)))
    assert codes == {303: 10, 409: 40}
    assert stock(file, number) == 0
    assert ask(file, "SELECT count(*) FROM orders") == before + 10
    sold = "SELECT sum(quantity) FROM order_lines WHERE number = ?"
    assert ask(file, sold, number) == 10


@pytest.fixture
def file(store: ModuleType) -> Path:
    store.catalogue.last()
    return Path(store.FOLDER) / "shop.sqlite"


@pytest.mark.timeout(90)
def test_fifty_buyers_of_the_last_ten_get_ten(store: ModuleType, file: Path) -> None:
    with running(store.app) as server:
        rush(server.url, file, 20)


@contextmanager
def served_by_two(folder: Path) -> Iterator[str]:
    """`crlf serve` with two workers; the store's URL."""
    environment = os.environ | {
        "STORE_DATA": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "crlf", "serve", "examples.store.app:app", "--bind", "127.0.0.1:0",
         "--workers", "2"],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            found = (re.search(r"http://127\.0\.0\.1:[0-9]+", line) for line in process.stdout)
            yield next(match[0] for match in found if match)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


@pytest.mark.timeout(120)
def test_two_processes_sell_the_last_ten_once(tmp_path: Path) -> None:
    with served_by_two(tmp_path) as url, Client() as client:
        assert client.get(f"{url}/part/20").status_code == 200
        rush(url, tmp_path / "shop.sqlite", 20)


def test_all_of_an_order_or_nothing(visitor: Visitor, file: Path) -> None:
    set_stock(file, 4, 7)
    set_stock(file, 23, 2)
    visitor.buy(4, 5)
    visitor.buy(23, 3)
    page = visitor.post("/order", data=ORDER)
    assert (page.status_code, heading(page)) == (409, "Somebody was quicker.")
    assert "Disc cam" in page.text
    assert "2 left" in page.text
    assert "Eye bolt" not in page.text  # of that there is enough
    assert (stock(file, 4), stock(file, 23)) == (7, 2)
    assert "8 in the cart" in visitor.get("/cart").text
    cart = visitor.post("/cart/left", follow_redirects=True)
    assert "7 in the cart" in cart.text
    assert heading(visitor.post("/order", data=ORDER, follow_redirects=True))[:5] == "Thank"
    assert (stock(file, 4), stock(file, 23)) == (2, 0)
    assert "sold out" in visitor.get("/part/23").text
    assert 'action="/cart"' not in visitor.get("/part/23").text


@pytest.mark.rfc("9110", "9.2.2")
def test_a_form_that_is_sent_eight_times_at_once_orders_once(visitor: Visitor, file: Path) -> None:
    set_stock(file, 22, 30)
    visitor.buy(22, 2)
    ticket = re.findall(r'name="ticket" value="([0-9a-f]{32})"', visitor.get("/order").text)[0]

    def send(_: int) -> str | None:
        return visitor.post("/order", data=ORDER | {"ticket": ticket}).headers.get("location")

    with ThreadPoolExecutor(8) as pool:
        orders = set(pool.map(send, range(8)))
    assert len(orders) == 1
    assert stock(file, 22) == 28
    assert send(9) in orders
    assert "the cart is empty" in visitor.get("/cart").text


def test_a_new_form_is_a_new_order(visitor: Visitor, file: Path) -> None:
    set_stock(file, 21, 30)
    codes = set()
    for _ in range(2):
        visitor.buy(21)
        codes.add(visitor.post("/order", data=ORDER).headers["location"])
    assert (len(codes), stock(file, 21)) == (2, 28)


@pytest.mark.parametrize("ticket", ["x", "0" * 31, "0" * 33, "A" * 32, "' OR 1=1 --"])
def test_a_ticket_is_one_of_ours(visitor: Visitor, ticket: str) -> None:
    visitor.buy(7)
    assert visitor.post("/order", data=ORDER | {"ticket": ticket}).status_code == 400


def test_what_another_tab_puts_in_meanwhile_stays(
    visitors: Visitors, store: ModuleType, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = visitors()
    visitor.buy(7, 2)
    place: Callable[..., str] = store.orders.place

    def while_somebody_adds(*order: object) -> str:
        code = place(*order)
        visitor.buy(15)
        visitor.buy(7)
        return code

    monkeypatch.setattr(store.orders, "place", while_somebody_adds)
    assert visitor.post("/order", data=ORDER).status_code == 303
    assert "2 in the cart" in visitor.get("/cart").text


def test_the_table_itself_has_no_stock_below_zero(file: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        set_stock(file, 7, -1)
