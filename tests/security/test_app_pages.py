"""Pages of applications, attacked: insides, redirects, scripts, fields of the answer."""

from __future__ import annotations

import socket

import pytest

from crlf import App, running
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.server.apps.errorpages import is_from_here

SECRET = "a secret of sixteen bytes"
HOME = "http://localhost"
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
SCRIPT = "<script>alert(1)</script>"


def asked(port: int, head: str) -> str:
    """Send a head as it is and read all of what comes back."""
    with socket.create_connection(("127.0.0.1", port), 5) as stream:
        stream.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        pieces = []
        while piece := stream.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode("latin-1")


# -- insides: on this machine alone


def breaking() -> App:
    app = App(debug=True)

    @app.get("/")
    def breaks(request: Request) -> str:
        raise ValueError("insides")

    return app


@pytest.mark.parametrize(
    "line",
    [
        "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example",
        "Forwarded: for=192.0.2.1", "Via: 1.1 nginx", "X-Real-IP: 192.0.2.1",
    ],
)  # fmt: skip
def test_a_proxy_on_this_machine_shows_nobody_the_insides(line: str) -> None:
    """It asks from here, and by nginx's default for 127.0.0.1, whoever has asked it."""
    with running(breaking()) as server:
        host = f"Host: 127.0.0.1:{server.port}\nConnection: close\nAccept: text/html\n"
        assert "insides" in asked(server.port, f"GET / HTTP/1.1\n{host}\n")
        answer = asked(server.port, f"GET / HTTP/1.1\n{host}{line}\n\n")
        assert (answer[:12], "insides" in answer) == ("HTTP/1.1 500", False)


def test_nginx_as_it_comes_shows_nobody_the_insides() -> None:
    """It says nothing of itself, and speaks HTTP/1.0, which no browser does."""
    with running(breaking()) as server:
        head = f"GET / HTTP/1.0\nHost: 127.0.0.1:{server.port}\nConnection: close\n\n"
        assert "insides" not in asked(server.port, head)


@pytest.mark.parametrize(
    "host",
    [
        "a.example", "127.0.0.1.a.example", "localhost.a.example", "0.0.0.0", "127.1", "2130706433",
        "[::ffff:127.0.0.1]", "[::]", "127.0.0.1, a.example",
        "127.0.0.999.", "\u0131localhost",
    ],
)  # fmt: skip
def test_no_other_name_is_this_machine(host: str) -> None:
    """A name of an attacker may lead here (DNS rebinding), and his page would read the answer."""
    where = Received(peer=("127.0.0.1", 5), local=("127.0.0.1", 80))
    headers = Headers([("host", host.encode().decode("latin-1"))])
    request = Request.received(("GET", "/", headers, "1.1"), b"", where)
    assert not is_from_here(request)
