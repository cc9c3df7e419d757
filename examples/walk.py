"""A walk: an example is served, visited by crlf's own client, and each exchange is shown.

What the demos of the examples have in common: printing what went over the wire, steps with names,
a port, an exit code. Its law: a step that did not do what it should ends the walk with one line.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from crlf import App, Client, CrlfError, Response, Server, running
from crlf.net.blocking import BlockingNetwork
from crlf.net.tap import Event, TapNetwork

PORT: Final = 8000
WIDTH: Final = 80
LONGEST: Final = 420  # bytes of a request's content that are shown


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

    def show(self, about: str = "") -> None:
        """Print both. about: what of the content is worth a look."""
        head, _, content = bytes(self.sent).partition(b"\r\n\r\n")
        show(">", head.decode("latin-1"), SENT)
        if content:
            show(">", "\n" + content[:LONGEST].decode("ascii", "replace").rstrip("\r\n"), DIM)
        say()
        head, _, content = bytes(self.received).partition(b"\r\n\r\n")
        show("<", head.decode("latin-1"), RECEIVED)
        if about:
            show(" ", "\n" + excerpt(content.decode("utf-8", "replace"), about), DIM)
        say()


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
    """Where the example is, without the last slash; who visits it, and what is heard of that."""

    url: str
    client: Client
    wire: Wire


Step = tuple[str, Callable[[Visit], None]]


def expect(response: Response, status_code: int, about: str = "") -> Response:
    """Return a response that is as it should be. Raises Failed."""
    if response.status_code != status_code:
        raise Failed(f"{response.status_code} where {status_code} was expected")
    if about not in response.text:
        raise Failed(f"{about!r} is not on the page {response.url}")
    return response


def walk(visit: Visit, steps: Sequence[Step]) -> None:
    """Take one step after the other. Raises Failed."""
    for number, (name, step) in enumerate(steps, 1):
        headline(number, name)
        try:
            step(visit)
        except (Failed, CrlfError, OSError) as fault:
            raise Failed(f"step {number} ({name}): {fault}") from fault


@contextlib.contextmanager
def served(app: App) -> Iterator[Server]:
    """Serve an example at the usual port, or at one that is free."""
    with contextlib.ExitStack() as opened:
        try:
            server = opened.enter_context(running(app, "127.0.0.1", PORT))
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                raise
            say(f"Port {PORT} is taken, so it takes another.")
            server = opened.enter_context(running(app, "127.0.0.1", 0))
        yield server


def run(
    name: str, folder_name: str, load: Callable[[], App], steps: Sequence[Step], last: str
) -> int:
    """Open an example, walk through it, and leave it open on a terminal; gives the exit code.

    folder_name: the variable that names its folder of data, which is an empty one here. load:
    imports it, once that is set. last: what to say to who may now look around.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals that do not know every letter
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_done = False
    try:
        with tempfile.TemporaryDirectory(prefix="crlf-demo-") as folder:
            os.environ[folder_name] = folder
            with served(load()) as server:
                say(f"{coloured(BOLD, name)} is open: {server.url}\n")
                wire = Wire()
                with Client(network=TapNetwork(BlockingNetwork(), wire.listen)) as client:
                    walk(Visit(server.url.rstrip("/"), client, wire), steps)
                is_done = True
                say(coloured(BOLD, "All of it worked."))
                if sys.stdin.isatty() and sys.stdout.isatty():
                    say(f"It stays open at {server.url} until Ctrl-C. {last}".rstrip(" "))
                    threading.Event().wait()
    except KeyboardInterrupt:
        say("\nIt is closed.")
        return 0 if is_done else 130  # as a shell has it: 128 and SIGINT
    except (Failed, OSError) as fault:
        text = re.sub(r"\s+", " ", str(fault))
        print(f"The demo failed: {text}", file=sys.stderr)
        return 1
    return 0
