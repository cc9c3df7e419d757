"""Every kind of credential, every redirect, every way to another origin: nothing secret arrives.

Raw servers keep each byte they are sent. What the same origin gets shows that a credential was
there to be leaked; what another one gets is searched for it in every spelling.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.flow.run import run_sync
from crlf.message.errors import LocalError
from crlf.message.response import Response
from crlf.net.loops import new_loop
from crlf.net.tls import server_context
from crlf.rules.redirects import REFUSED

SECRET = "s3cr3t"
IN_BASIC = b64encode(f"user:{SECRET}".encode())
SPELLINGS = re.compile(b"|".join((SECRET.encode(), IN_BASIC, b64encode(SECRET.encode()))), re.I)
STATUSES = (301, 302, 303, 307, 308)


class Recorder:
    """A server that keeps what it is sent, by path, and redirects /go/STATUS/URL to the URL.

    /set/STATUS/URL sets a cookie as well.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self.listening.getsockname()[1]
        self.context = context
        self.seen: list[bytes] = []
        self._workers: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            worker = threading.Thread(target=self._serve, args=(accepted,))
            worker.start()
            self._workers = [one for one in self._workers if one.is_alive()] + [worker]

    def _serve(self, accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            accepted.settimeout(5)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = accepted
            if self.context is not None:
                stream = self.context.wrap_socket(accepted, server_side=True)
            with stream:
                data = b""
                while piece := stream.recv(65536):
                    data += piece
                    head, end, rest = data.partition(b"\r\n\r\n")
                    length = re.search(rb"content-length: ([0-9]+)", head, re.I)
                    if not end or len(rest) < int(length[1] if length else 0):
                        continue
                    self.seen.append(data)
                    stream.sendall(answer(data.split(b" ")[1].decode()))
                    data = b""

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self._accepting.join()
        for worker in self._workers:
            worker.join()


def answer(target: str) -> bytes:
    if not target.startswith(("/go/", "/set/")):
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    _, kind, status, rest = target.split("/", 3)
    fields = f"Location: {unquote(rest.partition('?')[0])}\r\nContent-Length: 0"
    if kind == "set":
        fields += f"\r\nSet-Cookie: jar={SECRET}; Path=/"
    return f"HTTP/1.1 {status} Go\r\n{fields}\r\n\r\n".encode()


# --- what is secret ------------------------------------------------------------------------------


class Credential(NamedTuple):
    """client, request: options. userinfo, query: in the URL. is_cookie: set by the server."""

    client: dict[str, Any]
    request: dict[str, Any]
    userinfo: str = ""
    query: str = ""
    is_cookie: bool = False


def given(userinfo: str = "", **options: Any) -> Credential:
    """A credential given with one request."""
    return Credential({}, options, userinfo)


def standing(**options: Any) -> Credential:
    """A credential that a client is made with."""
    return Credential(options, {})


CREDENTIALS = {
    "Authorization": given(headers={"Authorization": f"Bearer {SECRET}"}),
    "auth=": given(auth=("user", SECRET)),
    "auth= of the client": standing(auth=("user", SECRET)),
    "user and password in the URL": given(f"user:{SECRET}@"),
    "Cookie": given(headers={"Cookie": f"a={SECRET}"}),
    "cookies=": given(cookies={"a": SECRET}),
    "cookies= of the client": standing(cookies={"a": SECRET}),
    "X-Api-Key": given(headers={"X-Api-Key": SECRET}),
    "X-Vault-Token of the client": standing(headers={"X-Vault-Token": SECRET}),
    "a field that nobody knows": given(headers={"Zephyr": f"x {SECRET}"}),
    "Referer": given(headers={"Referer": f"http://a/?{SECRET}"}),
    "Origin": given(headers={"Origin": f"http://{SECRET}.example"}),
    "a query": Credential({}, {}, query=f"?token={SECRET}"),
    "the jar": Credential({}, {}, is_cookie=True),
}


# --- the clients ---------------------------------------------------------------------------------


class Face:
    """A client of either colour."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, url: str, **options: Any) -> Response:
        reply = self.client.request(method, url, **options)
        return reply if isinstance(reply, Response) else await reply


Story = Callable[[Face], Coroutine[Any, Any, None]]


def blocking(story: Story, options: dict[str, Any]) -> None:
    with Client(**options) as client:
        run_sync(story(Face(client)))


def waiting(story: Story, options: dict[str, Any]) -> None:
    async def run() -> None:
        async with AsyncClient(**options) as client:
            await story(Face(client))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


class Ground(NamedTuple):
    """The servers: the one that is asked, another one, and one with TLS."""

    first: Recorder
    other: Recorder
    secure: Recorder
    authority: str

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        return (self.first, self.other, self.secure)

    def forget(self) -> None:
        for recorder in self.recorders:
            recorder.seen.clear()


@pytest.fixture(scope="module")
def ground(papers: tuple[str, str]) -> Iterator[Ground]:
    made = Ground(Recorder(), Recorder(), Recorder(server_context(papers[1])), papers[0])
    try:
        yield made
    finally:
        for recorder in made.recorders:
            recorder.close()


def places(ground: Ground) -> dict[str, tuple[str, str, bool]]:
    """Give (what is asked, where it leads, whether the host stays the same) by name."""
    first, other, secure = (recorder.port for recorder in ground.recorders)
    here = f"127.0.0.1:{first}"
    return {
        "another port": (f"http://{here}", f"http://127.0.0.1:{other}/end", True),
        "another host": (f"http://{here}", f"http://localhost:{other}/end", False),
        "another name of this one": (f"http://{here}", f"http://localhost:{first}/end", False),
        "another host, no scheme": (f"http://{here}", f"//localhost:{other}/end", False),
        "TLS": (f"http://{here}", f"https://127.0.0.1:{secure}/end", True),
        "TLS elsewhere": (f"https://127.0.0.1:{secure}", f"https://localhost:{secure}/end", False),
        "with a password": (
            f"http://{here}", f"http://user:{SECRET}@localhost:{other}/end", False,
        ),
        "by way of the same": (
            f"http://{here}", f"http://{here}/go/302/http:%2F%2Flocalhost:{other}%2Fend", False,
        ),
    }  # fmt: skip


both = pytest.mark.parametrize("play", [blocking, waiting], ids=["Client", "AsyncClient"])


def options_of(credential: Credential, ground: Ground) -> dict[str, Any]:
    return {
        "verify": ground.authority,
        "trust_env": False,
        "timeout": 5,
        "follow_redirects": True,
        **credential.client,
    }


def start_of(base: str, status: int, place: str, credential: Credential) -> str:
    scheme, _, authority = base.partition("://")
    path = place.replace("%", "%25").replace("/", "%2F").replace("@", "%40")
    path = path.replace(SECRET, "%733cr3t")  # not to be found in what the first was asked
    kind = "set" if credential.is_cookie else "go"
    return f"{scheme}://{credential.userinfo}{authority}/{kind}/{status}/{path}{credential.query}"


@both
@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.rfc("9110", "15.4")
def test_another_origin_gets_no_credential(
    play: Callable[[Story, dict[str, Any]], None], name: str, ground: Ground
) -> None:
    credential = CREDENTIALS[name]

    async def story(face: Face) -> None:
        for place, (base, end, is_same_host) in places(ground).items():
            for status, method in product(STATUSES, ("GET", "POST")):
                ground.forget()
                if credential.is_cookie:
                    face.client.cookies.clear()
                url = start_of(base, status, end, credential)
                response = await face.ask(method, url, **credential.request)
                assert response.status_code == 200
                assert SECRET not in repr(response)
                seen = [data for recorder in ground.recorders for data in recorder.seen]
                there = [data for data in seen if b" /end" in data.split(b"\r\n")[0]]
                said = f"{name}, {method}, {status}, {place}"
                assert len(there) == 1, said
                if credential.is_cookie:
                    # RFC 6265bis 8.5: cookies are not kept apart by port, only by host.
                    assert (SPELLINGS.search(there[0]) is not None) == is_same_host, said
                    continue
                assert SPELLINGS.search(there[0]) is None, f"{said}: {there[0]!r}"
                assert any(SPELLINGS.search(data) for data in seen), f"{said}: never sent"

    play(story, options_of(credential, ground))


@both
@pytest.mark.parametrize("name", sorted(CREDENTIALS.keys() - {"a query", "Referer", "Origin"}))
def test_the_same_origin_gets_them_again(
    play: Callable[[Story, dict[str, Any]], None], name: str, ground: Ground
) -> None:
    """Else the test above would show nothing."""
    credential = CREDENTIALS[name]
    base = f"http://127.0.0.1:{ground.first.port}"

    async def story(face: Face) -> None:
        for status in STATUSES:
            ground.forget()
            url = start_of(base, status, "/end", credential)
            assert (await face.ask("GET", url, **credential.request)).status_code == 200
            assert len(ground.first.seen) == 2
            assert SPELLINGS.search(ground.first.seen[1]), (name, ground.first.seen[1])

    play(story, options_of(credential, ground))


@both
@pytest.mark.parametrize("name", CREDENTIALS)
def test_who_is_led_back_brings_only_what_is_the_first_origins(
    play: Callable[[Story, dict[str, Any]], None], name: str, ground: Ground
) -> None:
    """There and back: what was given with one request stays behind for good."""
    credential = CREDENTIALS[name]
    back = f"http:%2F%2F127.0.0.1:{ground.first.port}%2Fend"
    end = f"http://localhost:{ground.other.port}/go/302/{back}"

    async def story(face: Face) -> None:
        url = start_of(f"http://127.0.0.1:{ground.first.port}", 302, end, credential)
        assert (await face.ask("GET", url, **credential.request)).status_code == 200

    ground.forget()
    play(story, options_of(credential, ground))
    assert len(ground.first.seen) == 2
    assert len(ground.other.seen) == 1
    assert SPELLINGS.search(ground.first.seen[0]) or credential.is_cookie
    assert SPELLINGS.search(ground.other.seen[0]) is None
    if "headers" in credential.request or "cookies" in credential.request:
        assert SPELLINGS.search(ground.first.seen[1]) is None


@both
@pytest.mark.rfc("9110", "11.7.2")
def test_no_origin_ever_gets_proxy_authorization(
    play: Callable[[Story, dict[str, Any]], None], ground: Ground
) -> None:
    async def story(face: Face) -> None:
        for base, end, _ in places(ground).values():
            url = start_of(base, 302, end, Credential({}, {}))
            with suppress(LocalError):  # refused before it is sent
                await face.ask("GET", url, headers={"Proxy-Authorization": f"Basic {SECRET}"})

    ground.forget()
    play(story, options_of(Credential({}, {}), ground))
    for recorder in ground.recorders:
        assert not any(SPELLINGS.search(data) for data in recorder.seen)


@both
@pytest.mark.parametrize("name", CREDENTIALS)
def test_https_does_not_lead_to_http(
    play: Callable[[Story, dict[str, Any]], None], name: str, ground: Ground
) -> None:
    credential = CREDENTIALS[name]

    async def story(face: Face) -> None:
        for status, method in product(STATUSES, ("GET", "POST")):
            end = f"http://127.0.0.1:{ground.first.port}/end"
            url = start_of(f"https://127.0.0.1:{ground.secure.port}", status, end, credential)
            response = await face.ask(method, url, **credential.request)
            assert response.status_code == status
            assert "https to http" in response.extras[REFUSED]

    ground.forget()
    play(story, options_of(credential, ground))
    assert ground.first.seen == []


@both
def test_a_second_request_of_the_user_is_no_redirect(
    play: Callable[[Story, dict[str, Any]], None], ground: Ground
) -> None:
    """What one request was given, the next one to whatever origin does not have."""

    async def story(face: Face) -> None:
        for credential in CREDENTIALS.values():
            if not credential.request and not credential.userinfo:
                continue
            ground.forget()
            url = f"http://{credential.userinfo}127.0.0.1:{ground.first.port}/a"
            await face.ask("GET", url, **credential.request)
            await face.ask("GET", f"http://127.0.0.1:{ground.first.port}/b")
            await face.ask("GET", f"http://127.0.0.1:{ground.other.port}/c")
            assert SPELLINGS.search(ground.first.seen[0])
            assert not SPELLINGS.search(ground.first.seen[1])
            assert not SPELLINGS.search(ground.other.seen[0])

    play(story, options_of(Credential({}, {}), ground))
