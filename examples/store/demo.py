"""A walk through the course with crlf at both ends: the store, and a client that visits it.

`make demo` runs this. It opens the store, makes each kind of request that the course knows and
shows what went over the wire. On a terminal the store then stays open until Ctrl-C. Exit code
0 when every step did what it should, 1 and one line when one did not.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # the folder of this file is a package of it, and no place to import from

from crlf import Client, CrlfError, Response, Server, running  # noqa: E402
from crlf.net.blocking import BlockingNetwork  # noqa: E402
from crlf.net.tap import Event, TapNetwork  # noqa: E402

PORT: Final = 8000
WIDTH: Final = 80
LONGEST: Final = 420  # bytes of a request's content that are shown
SAVED: Final = ROOT / ".demo" / "index.html"


class Failed(Exception):
    """A step of the walk did not do what it should."""


# --- what is shown -------------------------------------------------------------------------------

has_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
has_colour = has_colour and os.environ.get("TERM") != "dumb"
BOLD, DIM, SENT, RECEIVED = "1", "2", "36", "32"


def coloured(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if has_colour else text


def say(text: str = "") -> None:
    print(text, flush=True)


def headline(number: int, text: str) -> None:
    say(f"{coloured(BOLD, f'{number}  {text}')}\n{coloured(DIM, '─' * WIDTH)}")


def show(mark: str, text: str, code: str) -> None:
    """Print lines of an exchange, each cut to the width of the page and free of control codes."""
    for line in text.split("\n"):
        shown = (letter if letter.isprintable() else "·" for letter in line.rstrip("\r"))
        plain = "".join(shown).replace("\ufffd", "·")
        cut = plain if len(plain) <= WIDTH - 4 else plain[: WIDTH - 5] + "…"
        say(f"  {coloured(code, mark)} {cut}".rstrip(" "))


def show_exchange(exchange: Exchange, about: str = "") -> None:
    """Print a request and its response. about: what of the content is worth a look."""
    head, _, content = bytes(exchange.sent).partition(b"\r\n\r\n")
    show(">", head.decode("latin-1"), SENT)
    if content:
        show(">", "\n" + content[:LONGEST].decode("ascii", "replace").rstrip("\r\n"), DIM)
    say()
    head, _, content = bytes(exchange.received).partition(b"\r\n\r\n")
    show("<", head.decode("latin-1"), RECEIVED)
    if about:
        show(" ", "\n" + excerpt(content.decode("utf-8", "replace"), about), DIM)
    say()


def excerpt(text: str, about: str) -> str:
    """Pick the first line with a word in it, and say how much there is around it."""
    line = next((line for line in text.split("\n") if about in line), "")
    return f"… {line[line.find(about) :]}\n… {len(text.encode()):,} bytes in all"


# --- what goes over the wire ---------------------------------------------------------------------


class Exchange:
    """The bytes of one request and of its response."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.received = bytearray()


class Wire:
    """Listens to a client's connection, one exchange after the other."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []

    def listen(self, event: Event) -> None:
        last = self._exchanges[-1] if self._exchanges else None
        if event.what == "sent":
            if last is None or last.received:
                self._exchanges.append(last := Exchange())
            last.sent += event.data
        elif event.what == "received" and last is not None:
            last.received += event.data

    def take(self) -> list[Exchange]:
        """Return what has been heard since the last time."""
        taken, self._exchanges = self._exchanges, []
        return taken


# --- the walk ------------------------------------------------------------------------------------


class Visit(NamedTuple):
    """Where the store is, who visits it, and what is heard of that."""

    url: str
    client: Client
    wire: Wire


def expect(response: Response, status_code: int, about: str = "") -> Response:
    """Return a response that is as it should be. Raises Failed."""
    if response.status_code != status_code:
        raise Failed(f"{response.status_code} where {status_code} was expected")
    if about not in response.text:
        raise Failed(f"{about!r} is not on the page {response.url}")
    return response


def walk(visit: Visit) -> None:
    steps = (
        ("A page, saved to a file", save_a_page),
        ("Data in the URL: a part number, a zip code", ask_with_data),
        ("A session: the cart grows over three requests", fill_the_cart),
        ("An account: the session gets another number, the cart stays", sign_up),
        ("A form, sent with POST and answered with a redirect", order),
        ("An upload: a photo in a part of its own", send_a_photo),
        ("Twelve buyers at once, and three pieces left", buy_the_last),
        ("The same protocol from a bare socket", ask_by_hand),
    )
    for number, (name, step) in enumerate(steps, 1):
        headline(number, name)
        try:
            step(visit)
        except (Failed, CrlfError, OSError) as fault:
            raise Failed(f"step {number} ({name}): {fault}") from fault


def save_a_page(visit: Visit) -> None:
    response = expect(visit.client.get(f"{visit.url}index.html"), 200)
    SAVED.parent.mkdir(exist_ok=True)
    path = response.save(SAVED)
    show_exchange(visit.wire.take()[0], "<title>")
    if path.read_bytes() != (ROOT / "examples/store/static/index.html").read_bytes():
        raise Failed(f"{path} is not the page that the store has")
    say(f"  saved to {os.path.relpath(path)}\n")


def ask_with_data(visit: Visit) -> None:
    url, client, wire = visit
    expect(client.get(f"{url}part", params={"number": 7}), 200, "Spur gear")
    show_exchange(wire.take()[0], "<h1>")
    shipping = client.get(f"{url}shipping", params={"zip": "67401", "number": "7"})
    expect(shipping, 200, "$4.35")
    show_exchange(wire.take()[0], "To 67401")


def fill_the_cart(visit: Visit) -> None:
    url, client, wire = visit
    held = 0
    for number, quantity in ((7, 1), (15, 4), (22, 1)):
        form = {"number": number, "quantity": quantity}
        page = client.post(f"{url}cart", data=form, follow_redirects=True)
        held += quantity
        expect(page, 200, f"{held} in the cart")
        show_exchange(wire.take()[0])
        say(f"  the cart holds {held} now\n")


def sign_up(visit: Visit) -> None:
    url, client, wire = visit
    before = client.cookies.get("session")
    form = {"name": "Tim", "email": "tim@example.org", "password": "a horse, a battery, a staple"}
    page = client.post(f"{url}signup", data=form, follow_redirects=True)
    expect(page, 200, "Welcome, Tim.")
    show_exchange(wire.take()[0])
    if client.cookies.get("session") in (None, before):
        raise Failed("the session has the number that it had before Tim signed in")
    expect(client.get(f"{url}cart"), 200, "6 in the cart, signed in")
    wire.take()
    say("  whoever knew the old number knows nothing now; the cart still holds 6\n")


def order(visit: Visit) -> None:
    url, client, wire = visit
    ticket = re.search(r'name="ticket" value="([0-9a-f]+)"', client.get(f"{url}order").text)
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
    page = client.post(f"{url}order", data=form, follow_redirects=True)
    expect(page, 200, "Thank you, Tim.")
    posted, shown = wire.take()
    show_exchange(posted)
    show_exchange(shown, "<h1>")
    again = client.post(f"{url}order", data=form, follow_redirects=True)
    history = expect(client.get(f"{url}account"), 200, "4 × Ball bearing").text
    if again.url != page.url or history.count("/order/") != 1:
        raise Failed("an order that was sent twice was made twice")
    wire.take()
    say("  sent once more, with the same ticket: still one order, in Tim's account\n")


def send_a_photo(visit: Visit) -> None:
    url, client, wire = visit
    photo = ("clock.png", drawn_photo(), "image/png")
    form = {"caption": "A clock"}
    sent = client.post(f"{url}projects", data=form, files={"photo": photo}, follow_redirects=True)
    page = expect(sent, 200, "A clock")
    show_exchange(wire.take()[0])
    shown = client.get(f"{url}photo/{str(page.url).rpartition('/')[2]}")
    if expect(shown, 200).content != photo[1]:
        raise Failed("the photo that came back is not the one that was sent")
    say(f"  and it came back the same, {len(shown.content):,} bytes of {photo[2]}\n")


def buy_the_last(visit: Visit) -> None:
    """Let each of twelve clients order a part of which there are three; the database decides."""
    form = {"name": "Somebody quick", "address": "Salina", "zip": "67401"}
    codes: list[int] = []

    def buy() -> None:
        with Client() as client:
            client.post(f"{visit.url}cart", data={"number": 9, "quantity": 1})
            codes.append(client.post(f"{visit.url}order", data=form).status_code)

    buyers = [threading.Thread(target=buy) for _ in range(12)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    if sorted(codes) != [303] * 3 + [409] * 9:
        raise Failed(f"twelve buyers of three pieces got {sorted(codes)}")
    page = expect(visit.client.get(f"{visit.url}part/9"), 200, "sold out")
    show_exchange(visit.wire.take()[-1], "sold out")
    say(f"  3 orders, 9 times “somebody was quicker”, and {page.url.path} is sold out\n")


def ask_by_hand(visit: Visit) -> None:
    host = visit.url.removeprefix("http://").rstrip("/")
    request = f"GET {visit.url}index.html HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    by_hand, pieces = Exchange(), 0
    name, _, port = host.rpartition(":")
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        connection.sendall(request.encode("ascii"))
        while data := connection.recv(1024):
            by_hand.received += data
            pieces += 1
    by_hand.sent += request.encode("ascii")
    show_exchange(by_hand)
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


# --- the store -----------------------------------------------------------------------------------


@contextlib.contextmanager
def open_store(folder: str) -> Iterator[Server]:
    """Serve the store from an empty folder, at the usual port or at one that is free."""
    os.environ["STORE_DATA"] = folder
    from examples.store.app import app  # it makes its database where STORE_DATA says

    with contextlib.ExitStack() as opened:
        try:
            server = opened.enter_context(running(app, "127.0.0.1", PORT))
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                raise
            say(f"Port {PORT} is taken, so the store takes another.")
            server = opened.enter_context(running(app, "127.0.0.1", 0))
        yield server


def main() -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals that do not know every letter
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_done = False
    try:
        with (
            tempfile.TemporaryDirectory(prefix="crlf-store-") as folder,
            open_store(folder) as server,
        ):
            say(f"{coloured(BOLD, 'Prairie Parts')}, the example store, is open: {server.url}\n")
            wire = Wire()
            with Client(network=TapNetwork(BlockingNetwork(), wire.listen)) as client:
                walk(Visit(server.url, client, wire))
            is_done = True
            say(coloured(BOLD, "All of it worked."))
            if sys.stdin.isatty() and sys.stdout.isatty():
                say(f"The store stays open at {server.url} until Ctrl-C.")
                threading.Event().wait()
    except KeyboardInterrupt:
        say("\nThe store is closed.")
        return 0 if is_done else 130  # as a shell has it: 128 and SIGINT
    except (Failed, OSError) as fault:
        text = re.sub(r"\s+", " ", str(fault))
        print(f"The demo failed: {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
