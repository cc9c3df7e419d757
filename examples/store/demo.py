"""A walk through the course with crlf at both ends: the store, and a client that visits it.

`make demo` runs this. It opens the store, makes each kind of request that the course knows and
shows what went over the wire. On a terminal the store then stays open until Ctrl-C. Exit code
0 when every step did what it should, 1 and one line when one did not.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # the folder of this file is a package of it, and no place to import from

from crlf import App, Client  # noqa: E402
from examples.walk import Exchange, Failed, Visit, expect, run, say  # noqa: E402

SAVED: Final = ROOT / ".demo" / "index.html"
PASSWORD: Final = "a horse, a battery, a staple"


def load() -> App:
    from examples.store.app import app  # it makes its database where STORE_DATA says

    return app


# --- the steps -----------------------------------------------------------------------------------


def save_a_page(visit: Visit) -> None:
    response = expect(visit.client.get(f"{visit.url}/index.html"), 200)
    SAVED.parent.mkdir(exist_ok=True)
    response.save(SAVED)
    visit.wire.take()[0].show("<title>")
    if SAVED.read_bytes() != (ROOT / "examples/store/static/index.html").read_bytes():
        raise Failed(f"{SAVED} is not the page that the store has")
    say(f"  saved to {os.path.relpath(SAVED)}\n")


def ask_with_data(visit: Visit) -> None:
    url, client, wire = visit
    expect(client.get(f"{url}/part", params={"number": 7}), 200, "Spur gear")
    wire.take()[0].show("<h1>")
    shipping = client.get(f"{url}/shipping", params={"zip": "67401", "number": "7"})
    expect(shipping, 200, "$4.35")
    wire.take()[0].show("To 67401")


def fill_the_cart(visit: Visit) -> None:
    url, client, wire = visit
    held = 0
    for number, quantity in ((7, 1), (15, 4), (22, 1)):
        form = {"number": number, "quantity": quantity}
        page = client.post(f"{url}/cart", data=form, follow_redirects=True)
        held += quantity
        expect(page, 200, f"{held} in the cart")
        wire.take()[0].show()
        say(f"  the cart holds {held} now\n")


def sign_up(visit: Visit) -> None:
    url, client, wire = visit
    before = client.cookies.get("session")
    form = {"name": "Tim", "email": "tim@example.org", "password": PASSWORD}
    page = client.post(f"{url}/signup", data=form, follow_redirects=True)
    expect(page, 200, "Welcome, Tim.")
    wire.take()[0].show()
    if client.cookies.get("session") in (None, before):
        raise Failed("the session has the number that it had before Tim signed in")
    expect(client.get(f"{url}/cart"), 200, "6 in the cart, signed in")
    wire.take()
    say("  whoever knew the old number knows nothing now; the cart still holds 6\n")


def order(visit: Visit) -> None:
    url, client, wire = visit
    ticket = re.search(r'name="ticket" value="([0-9a-f]+)"', client.get(f"{url}/order").text)
    if ticket is None:
        raise Failed("the order form has no ticket")
    wire.take()
    form = {
        "ticket": ticket[1],
        "name": "Tim",
        "address": "2310 Centennial Road\nSalina, Kansas",
        "zip": "67401",
        "note": "For the course. Please wrap it well & send it soon.",
    }
    page = client.post(f"{url}/order", data=form, follow_redirects=True)
    expect(page, 200, "Thank you, Tim.")
    posted, shown = wire.take()
    posted.show()
    shown.show("<h1>")
    again = client.post(f"{url}/order", data=form, follow_redirects=True)
    history = expect(client.get(f"{url}/account"), 200, "4 × Ball bearing").text
    if again.url != page.url or history.count("/order/") != 1:
        raise Failed("an order that was sent twice was made twice")
    wire.take()
    say("  sent once more, with the same ticket: still one order, in Tim's account\n")


def send_a_photo(visit: Visit) -> None:
    url, client, wire = visit
    photo = ("clock.png", drawn_photo(), "image/png")
    form = {"caption": "A clock"}
    sent = client.post(f"{url}/projects", data=form, files={"photo": photo}, follow_redirects=True)
    page = expect(sent, 200, "A clock")
    wire.take()[0].show()
    shown = client.get(f"{url}/photo/{str(page.url).rpartition('/')[2]}")
    if expect(shown, 200).content != photo[1]:
        raise Failed("the photo that came back is not the one that was sent")
    say(f"  and it came back the same, {len(shown.content):,} bytes of {photo[2]}\n")


def buy_the_last(visit: Visit) -> None:
    """Let each of twelve clients order a part of which there are three; the database decides."""
    form = {"name": "Somebody quick", "address": "Salina", "zip": "67401"}
    codes: list[int] = []

    def buy() -> None:
        with Client() as client:
            client.post(f"{visit.url}/cart", data={"number": 9, "quantity": 1})
            codes.append(client.post(f"{visit.url}/order", data=form).status_code)

    buyers = [threading.Thread(target=buy) for _ in range(12)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    if sorted(codes) != [303] * 3 + [409] * 9:
        raise Failed(f"twelve buyers of three pieces got {sorted(codes)}")
    page = expect(visit.client.get(f"{visit.url}/part/9"), 200, "sold out")
    visit.wire.take()[-1].show("sold out")
    say(f"  3 orders, 9 times “somebody was quicker”, and {page.url.path} is sold out\n")


def ask_by_hand(visit: Visit) -> None:
    host = visit.url.removeprefix("http://")
    request = f"GET {visit.url}/index.html HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    by_hand, pieces = Exchange(), 0
    name, _, port = host.rpartition(":")
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        connection.sendall(request.encode("ascii"))
        while data := connection.recv(1024):
            by_hand.received += data
            pieces += 1
    by_hand.sent += request.encode("ascii")
    by_hand.show()
    content = bytes(by_hand.received).partition(b"\r\n\r\n")[2]
    if content != SAVED.read_bytes():
        raise Failed("a bare socket got another page than the client")
    say(f"  the same {len(content):,} bytes, in {pieces} pieces until the store closed\n")


def drawn_photo() -> bytes:
    """Draw a clock face, as a PNG."""
    size = 64
    far = [[(x - 32) ** 2 + (y - 32) ** 2 for x in range(size)] for y in range(size)]
    hand = {(32, y) for y in range(10, 32)} | {(x, 32) for x in range(32, 46)}
    rows = b"".join(
        b"\0" + bytes(0 if 800 < far[y][x] < 960 or (x, y) in hand else 255 for x in range(size))
        for y in range(size)
    )
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


STEPS: Final = (
    ("A page, saved to a file", save_a_page),
    ("Data in the URL: a part number, a zip code", ask_with_data),
    ("A session: the cart grows over three requests", fill_the_cart),
    ("An account: the session gets another number, the cart stays", sign_up),
    ("A form, sent with POST and answered with a redirect", order),
    ("An upload: a photo in a part of its own", send_a_photo),
    ("Twelve buyers at once, and three pieces left", buy_the_last),
    ("The same protocol from a bare socket", ask_by_hand),
)


def main() -> int:
    look_around = f"Sign in as tim@example.org with {PASSWORD!r}, or open an account."
    return run("Prairie Parts, the example store,", "STORE_DATA", load, STEPS, look_around)


if __name__ == "__main__":
    sys.exit(main())
