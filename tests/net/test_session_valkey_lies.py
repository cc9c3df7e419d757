"""Sessions in a store that talks nonsense: whatever it says, the store is out of order, no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from crlf.message.errors import StoreUnavailable
from crlf.net.sessionvalkey import ValkeyStore
from crlf.rules.sessionstore import Record

pytestmark = pytest.mark.needs("python:valkey")

ONE = Record("{}", None, 1, 1, 1)


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], ValkeyStore]]:
    """Make stores whose server gives one answer to whatever it is asked."""
    monkeypatch.setattr("crlf.net.sessionvalkey.READ_TIMEOUT", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    said = b""

    def answer(asked: socket.socket) -> None:
        with asked, suppress(OSError):
            while asked.recv(65536):
                asked.sendall(said)

    def listen() -> None:
        with suppress(OSError):  # when it is closed
            while True:
                asked, _ = listening.accept()
                threading.Thread(target=answer, args=(asked,), daemon=True).start()

    def make(reply: bytes) -> ValkeyStore:
        nonlocal said
        said = reply
        return ValkeyStore(f"valkey://127.0.0.1:{listening.getsockname()[1]}/0")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    with closing(listening):
        yield make
        listening.shutdown(socket.SHUT_RDWR)  # which ends accept; closing would not
        listener.join(10)


@pytest.mark.parametrize(
    "reply",
    [
        b":one\r\n", b"$one\r\n", b":" + b"9" * 5000 + b"\r\n", b"*1\r\n" * 5000 + b":1\r\n",
        b"$-7\r\n", b"*2000000000\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"%1\r\n+a\r\n+b\r\n",
        b"-NOSCRIPT of course\r\n", b"-MOVED 1 elsewhere.example:1\r\n", b"-ERR \xff\r\n",
    ],
    ids=lambda reply: repr(reply[:12]),
)  # fmt: skip
def test_no_answer_is_an_error_of_ours(lying: Callable[[bytes], ValkeyStore], reply: bytes) -> None:
    with closing(lying(reply)) as store:
        for ask in (
            lambda: store.load("a", 5),
            lambda: store.swap("a", 0, ONE, 9, 5),
            lambda: store.delete_all_of("ann"),
        ):
            with pytest.raises(StoreUnavailable, match=r"valkey://127\.0\.0\.1:") as raised:
                ask()
            assert "interrupted" not in str(raised.value)


@pytest.mark.parametrize("reply", [b"$-1\r\n", b"*-1\r\n", b":5\r\n", b"+OK\r\n", b"$1\r\nx\r\n"])
def test_what_is_no_session_is_none(lying: Callable[[bytes], ValkeyStore], reply: bytes) -> None:
    with closing(lying(reply)) as store:
        assert store.load("a", 5) is None


def test_it_steers_no_terminal(lying: Callable[[bytes], ValkeyStore]) -> None:
    with closing(lying(b"-ERR \x1b]0;owned\x07\x9b\r\n")) as store:
        with pytest.raises(StoreUnavailable) as raised:
            store.load("a", 5)
        assert str(raised.value).isprintable()
