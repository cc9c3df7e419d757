"""Every deadline of a server, just before it and just after it, whole and byte by byte.

The clock is told, so that a hundredth of a second decides. A client that makes it by that much is
served, one that misses it by that much is not. And a law: whatever stands in Patience or Limits
has a test that tries it, by name.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.server.test_limits import CASES as SERVER_CASES
from tests.wire.test_limits import CASES as WIRE_CASES

from crlf.flow.clienthello import read_client_hello
from crlf.flow.run import run_sync
from crlf.flow.serve import Service
from crlf.message.errors import ReadTimeout, WriteTimeout
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.scripted import END, STALL, Item, ScriptedStream
from crlf.ports import StreamFacts
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.server import App, running
from crlf.values import as_dict
from crlf.wire.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
EPSILON = 0.01  # seconds
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = 4000
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BODY


class Played(NamedTuple):
    """What came of a script: the statuses, the seconds until it was over, the requests."""

    codes: list[int]
    seconds: float
    asked: int


def play(
    script: Iterable[Item],
    patience: Patience = DEFAULT_PATIENCE,
    stream: ScriptedStream | None = None,
) -> Played:
    """Serve a script to its end."""
    stream = stream or ScriptedStream(script)
    began = stream.clock.now()
    asked: list[Request] = []

    async def send(request: Request) -> Response:
        asked.append(request)
        return Response(200, None, b"x" * 300_000 if request.path == "/large" else b"x")

    async def in_thread(work: Callable[[], object]) -> object:
        return work()

    service = Service(send, stream.clock.now, in_thread, lambda: None, patience=patience)  # type: ignore[arg-type]  # nothing is spooled
    run_sync(service.serve(stream))
    codes = [int(code) for code in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", bytes(stream.written))]
    return Played(codes, stream.clock.now() - began, len(asked))


def spread(data: bytes, seconds: float, how: str) -> list[Item]:
    """Let data arrive so that its last byte comes after so many seconds."""
    if how == "whole":
        return [data[:1], seconds, data[1:]]
    gap = seconds / (len(data) - 1)
    script: list[Item] = []
    for at in range(len(data)):
        script += [data[at : at + 1], gap]
    return script[:-1]


SIDES = [-EPSILON, EPSILON]
WAYS = ["whole", "byte by byte"]


# --- one for each field --------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", SIDES)
def test_handshake_is_exact(side: float, way: str) -> None:
    """A ClientHello has one deadline, whether it comes at once or in single bytes."""
    hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + b"x" * 32 + b"\0\0\2\0\1\1\0"
    stream = ScriptedStream([*spread(hello, DEFAULT_PATIENCE.handshake + side, way), STALL])
    deadline = stream.clock.now() + DEFAULT_PATIENCE.handshake
    reading = read_client_hello(stream, ("http/1.1",), deadline)
    if side < 0:
        assert run_sync(reading) is not None
    else:
        with pytest.raises(ReadTimeout):
            run_sync(reading)


@pytest.mark.rfc("9110", "15.5.9")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", SIDES)
def test_head_is_exact(side: float, way: str) -> None:
    played = play([*spread(GET, DEFAULT_PATIENCE.head + side, way), END])
    assert played.codes == ([200] if side < 0 else [408])
    assert played.asked == (side < 0)


@pytest.mark.parametrize("side", SIDES)
def test_head_is_exact_for_who_says_nothing_first(side: float) -> None:
    played = play([DEFAULT_PATIENCE.head + side, GET, END])
    assert played.codes == ([200] if side < 0 else [])


@pytest.mark.rfc("9112", "9.5")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", SIDES)
def test_idle_is_exact(side: float, way: str) -> None:
    """It is for the first byte; the head's own time begins with that."""
    patience = Patience(jitter=0)
    rest = [GET] if way == "whole" else spread(GET, patience.head - EPSILON, way)
    played = play([GET, patience.idle + side, *rest, END], patience)
    assert played.codes == ([200, 200] if side < 0 else [200])


def test_jitter_is_within_its_bounds_and_differs() -> None:
    seen = set()
    for port in range(40_000, 40_050):
        stream = ScriptedStream([GET, STALL], facts=StreamFacts(("127.0.0.1", port)))
        played = play([], stream=stream)
        waited = played.seconds - DEFAULT_PATIENCE.linger
        least = DEFAULT_PATIENCE.idle - DEFAULT_PATIENCE.jitter
        assert least <= round(waited, 6) <= DEFAULT_PATIENCE.idle
        seen.add(round(waited, 3))
    assert len(seen) > 40


@pytest.mark.rfc("9110", "15.5.9")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", SIDES)
def test_body_grace_is_exact(side: float, way: str) -> None:
    """What has come so far adds to it at the rate: whole, all but the last byte has."""
    patience = Patience(body_stall=1000)
    come = BODY - 1
    seconds = patience.body_grace + come / patience.body_rate + side
    body = b"x" * BODY
    if way == "whole":
        script: list[Item] = [POST, body[:-1], seconds, body[-1:]]
    else:
        script = [POST, *spread(body, seconds, way)]
    played = play([*script, END], patience)
    assert played.codes == ([200] if side < 0 else [408])


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_body_rate_is_exact(factor: float) -> None:
    """In the long run it is the rate that counts: a hundredth less is too little."""
    patience = Patience(body_grace=1.0)
    size = 400_000
    head = POST.replace(b"%d" % BODY, b"%d" % size)
    gap = 50 / (patience.body_rate * factor)
    script: list[Item] = [head]
    for _ in range(size // 50):
        script += [gap, b"x" * 50]
    played = play([*script, END], patience)
    assert played.codes == ([200] if factor > 1 else [408])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", SIDES)
def test_body_stall_is_exact(side: float, way: str) -> None:
    patience = Patience(body_grace=1e6)
    pause = patience.body_stall + side
    body = b"x" * 9
    head = POST.replace(b"%d" % BODY, b"9")
    if way == "whole":
        script: list[Item] = [head + body[:5], pause, body[5:]]
    else:
        script = [head]
        for _ in body:
            script += [pause, b"x"]
    played = play([*script, END], patience)
    assert played.codes == ([200] if side < 0 else [408])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", SIDES)
def test_write_is_exact(side: float, way: str) -> None:
    """A client has so long for each piece; whole: for a small answer, else for each of a large."""
    pause = DEFAULT_PATIENCE.write + side

    class Slow(ScriptedStream):
        async def write(self, data: bytes, deadline: float | None) -> None:
            if deadline is not None and self.clock.now() + pause > deadline:
                self.clock.wait_until(deadline)
                raise WriteTimeout("the peer does not read", phase="write")
            self.clock.advance(pause)
            await super().write(data, deadline)

    request = GET if way == "whole" else GET.replace(b"/ ", b"/large ")
    stream = Slow([request, END])
    played = play([], stream=stream)
    assert played.codes == ([200] if side < 0 else [])
    if side < 0 and way != "whole":
        assert played.seconds == pytest.approx(2 * pause)


@pytest.mark.rfc("9112", "9.6")
@pytest.mark.parametrize("side", SIDES)
def test_linger_is_exact(side: float) -> None:
    """Who still sends is heard out, pause by pause; who pauses for longer has had time to read."""
    bad = b"nonsense\r\n\r\n"
    pause = DEFAULT_PATIENCE.linger + side
    played = play([bad, pause, b"more", pause, b"more", END])
    assert played.codes == [400]
    assert played.seconds == pytest.approx(2 * pause if side < 0 else DEFAULT_PATIENCE.linger)


@pytest.mark.parametrize("patience", [0.3, 1.2])
def test_drain_is_what_an_answer_has_when_the_server_stops(patience: float) -> None:
    """Over a real connection: an answer that takes 0.7 s, and a stop when it has just begun."""
    app = App()
    begun = threading.Event()

    @app.get("/")
    async def slow(request: object) -> str:
        begun.set()
        await asyncio.sleep(0.7)
        return "done"

    with running(app, patience=Patience(drain=patience)) as server:
        peer = socket.create_connection(("127.0.0.1", server.port), 5)
        peer.sendall(GET)
        assert begun.wait(5)
        began = time.monotonic()
    spent = time.monotonic() - began
    with peer:
        said = peer.recv(65536)
    if patience > 0.7:
        assert said.endswith(b"done")
        assert spent < 1.6  # the client has time to read it
    else:
        assert said == b""
        assert spent < 0.65


@pytest.mark.rfc("9112", "9.6")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [4, 5, 6])
def test_requests_is_exact(count: int, way: str) -> None:
    script: list[Item] = [GET * count] if way == "whole" else [b"%c" % byte for byte in GET * count]
    stream = ScriptedStream([*script, END])
    played = play([], Patience(requests=5), stream)
    assert played.codes == [200] * min(count, 5)
    assert bytes(stream.written).count(b"connection: close") == (count >= 5)


@pytest.mark.rfc("9112", "9.6")
@pytest.mark.parametrize("side", SIDES)
def test_age_is_exact(side: float) -> None:
    """An answer that begins after it says that it is the last; the connection's end is in order."""
    patience = Patience(age=10.0)
    stream = ScriptedStream([GET, 10.0 + side, GET, GET, END])
    played = play([], patience, stream)
    assert played.codes == ([200] * 3 if side < 0 else [200] * 2)
    assert (b"connection: close" in bytes(stream.written)) == (side > 0)


# --- the laws ------------------------------------------------------------------------------------

# Limits that are no case of a table: where the test is that tries them.
WIRE, CODING = "tests/wire/test_limits.py", "tests/wire/test_coding.py"
BY_NAME = {
    "body": (WIRE, "test_a_body_is_bounded_by_who_gathers_it"),
    "ratio": (CODING, "test_the_ratio_holds_from_the_first_mib_on_and_to_the_byte"),
    "codings": (CODING, "test_more_codings_than_allowed_are_refused_before_a_byte"),
    "field_in_memory": (
        "tests/server/test_limits.py",
        "test_a_file_is_in_memory_up_to_its_limit",
    ),
    "spool": ("tests/net/test_spool.py", "test_all_files_share_a_quota_that_is_exact"),
    "connections": ("tests/torture/test_server_room.py", "test_connections_is_exact"),
}


def test_every_deadline_has_its_test() -> None:
    here = Path(__file__).read_text("utf-8")
    tested = set(re.findall(r"\ndef test_([a-z_]+?)_is_(?:exact|what|within)", here))
    tested |= {name for name in ("jitter", "drain") if f"\ndef test_{name}_is_" in here}
    assert as_dict(DEFAULT_PATIENCE).keys() <= tested


def test_every_limit_has_its_test() -> None:
    tested = {case.limit for case in (*WIRE_CASES, *SERVER_CASES)}
    for name, (file, function) in BY_NAME.items():
        assert f"\ndef {function}(" in (ROOT / file).read_text("utf-8"), function
        tested.add(name)
    assert tested == set(Limits.__annotations__)


def test_every_limit_and_deadline_says_its_precedent() -> None:
    for file in ("src/crlf/wire/limits.py", "src/crlf/rules/deadlines.py"):
        text = (ROOT / file).read_text("utf-8")
        fields = re.findall(r"^    ([a-z_]+): [^=]+ = [^#\n]+(#.*)?$", text, re.MULTILINE)
        assert len(fields) > 10
        bare = {name for name, comment in fields if not comment}
        assert bare <= {"read", "write", "pool"}, "what are their numbers taken from?"
