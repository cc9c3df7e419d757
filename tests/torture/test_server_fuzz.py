"""Mutated requests against a server in a process of its own: whatever comes, it stays well.

Good requests, those of browsers and programs and those of tests/wire/cases, are cut, flipped,
doubled and lied in; they go to an App, a folder, an ASGI and a WSGI application. Never a 500, a
traceback, a hang, a second answer to one request, a worker that is gone. The seed is in the name
of each case, and what fails says which bytes it were.
"""

from __future__ import annotations

import json
import random
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.live.targets import KINDS, Served, serving
from tests.wire.test_cases import ALL as CASES

from crlf.message.errors import RemoteError, TooLarge
from crlf.wire.h1.server import ServerEngine
from crlf.wire.parts import Closed, End, Part, RequestHead, ResponseHead

SOON = 2.0  # seconds in which all is answered and the connection over, once all is said
MAY_FAIL = {501, 505}  # what a server may not know (RFC 9110 15.6.2, 15.6.6); no other 5xx

BROWSERS = [
    # Chromium
    (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: keep-alive\r\n"
        b'sec-ch-ua: "Chromium";v="143", "Not A(Brand";v="24"\r\nsec-ch-ua-mobile: ?0\r\n'
        b'sec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        b"Chrome/143.0.0.0 Safari/537.36\r\n"
        b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
        b"*/*;q=0.8\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
        b"Sec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        b"Accept-Language: en-GB,en;q=0.9\r\nCookie: session=a.b.c; theme=dark\r\n\r\n"
    ),
    # Firefox, for a part of a file that it has a piece of
    (
        b"GET /below/style.css HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: Mozilla/5.0 (X11; "
        b"Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0\r\nAccept: text/css,*/*;q=0.1\r\n"
        b"Accept-Language: de,en-US;q=0.7,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        b"Range: bytes=10-40, 60-, -7\r\nIf-Range: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
        b"Connection: keep-alive\r\nPriority: u=2\r\nPragma: no-cache\r\n\r\n"
    ),
    # Safari, that has it already
    (
        b'GET /index.html HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: "abc", W/"def"\r\n'
        b"If-Modified-Since: Wed, 21 Oct 2026 07:28:00 GMT\r\nAccept: */*\r\n"
        b"Accept-Encoding: gzip;q=1.0, identity; q=0.5, *;q=0\r\nConnection: keep-alive\r\n\r\n"
    ),
    b"HEAD /probe HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost:8000/probe?a=1&b=%20#c HTTP/1.1\r\nHost: other\r\n\r\n",
    b"GET /probe HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /%e2%82%ac/..%2f..%5c/a%00b;c=d?e=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    # forms
    (
        b"POST /form HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: "
        b"application/x-www-form-urlencoded\r\nContent-Length: 23\r\n\r\nname=J%C3%BCrgen&age=42"
    ),
    (
        b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
        b"boundary=----geckoformboundary7c\r\nContent-Length: 212\r\n\r\n"
        b'------geckoformboundary7c\r\nContent-Disposition: form-data; name="file"; '
        b'filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello, here is what is in it, '
        b"and it is not long\r\n"
        b"------geckoformboundary7c--\r\n\r\n\r\n\r\n\r\n"
    ),
    # programs
    (
        b"POST /json HTTP/1.1\r\nHost: localhost\r\nUser-Agent: python-requests/2.32\r\n"
        b"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        b'Content-Length: 17\r\n\r\n{"a": [1, 2, 3]} '
    ),
    (
        b"PUT /put HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
        b'\r\n5\r\nhello\r\n6;ext="a b"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n'
    ),
    (
        b"POST /expect HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
        b"\r\nwait"
    ),
    (
        b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ),
    (
        b"GET /h2 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    ),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\n\r\n",
    b"DELETE /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1]:8000\r\nX_Forwarded_For: 1\r\nProxy: http://a\r\n\r\n",
]
SEEDS = BROWSERS + [case.data for case in CASES if case.to is None and len(case.data) < 20_000]
INSERTED = [b"\r", b"\n", b"\r\n", b"\0", b"\r\n\r\n", b" ", b"\t", b"\x0b", b"\x85", b"\xff", b":",
            b",", b";", b'"', b"%", b"\r\n ", b"\x7f", "€".encode()]  # fmt: skip
LIES = [b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 99999999999999999999999",
        b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: 5, 5", b"Content-Length:",
        b"Content-Length: 0x5", b"Content-Length : 5", b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: identity",
        b"transfer-encoding:chunked",
        b"Transfer_Encoding: chunked", b"Host: b", b"Host:", b"Connection: close",
        b"Connection: keep-alive, close", b"Connection: transfer-encoding", b"Expect: 100-continue",
        b"Expect: 200-maybe", b"Content-Encoding: gzip", b"Content-Type: multipart/form-data",
        b"Content-Type: multipart/form-data; boundary=\"a", b"Cookie: a=b; a=b; =;;; \"",
        b"Range: bytes=0-0,-1,5-2", b"If-None-Match: W/\"", b"If-Match: *",
        b"Accept-Encoding: ;q=,,",
        b"Upgrade: h2c", b"Forwarded: for=\"[::1\"", b"X-Forwarded-For: a,,b", b"TE: trailers",
        b"Authorization: Basic ====", b"Content-Type: a/b; charset=\"\\"]  # fmt: skip
SIZES = [b"0", b"00000000000000000000005", b"5", b"FFFFFFFFFFFFFFFF", b"-5", b"0x5", b"5;a=b",
         b" 5", b"5 ", b"", b"g", b"5\r"]  # fmt: skip


# --- mutations -----------------------------------------------------------------------------------

Mutation = Callable[[random.Random, bytes], bytes]


def flipped(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 5])):
        if changed:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def without_a_piece(dice: random.Random, data: bytes) -> bytes:
    start = dice.randrange(len(data) + 1)
    return data[:start] + data[start + dice.choice([1, 2, 7, 40]) :]


def with_a_piece_twice(dice: random.Random, data: bytes) -> bytes:
    start = dice.randrange(len(data) + 1)
    end = start + dice.choice([1, 4, 30, 300])
    return data[:end] + data[start:end] * dice.choice([1, 1, 3, 50]) + data[end:]


def with_a_line_twice(dice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    line = dice.randrange(len(lines))
    return b"\r\n".join([*lines[: line + 1], *lines[line:]])


def with_lines_swapped(dice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


def inserted(dice: random.Random, data: bytes) -> bytes:
    place = dice.randrange(len(data) + 1)
    return data[:place] + dice.choice(INSERTED) + data[place:]


def with_another_end_of_line(dice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    line = dice.randrange(len(lines))
    end = dice.choice([b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t"])
    return b"\r\n".join(lines[:line]) + end + b"\r\n".join(lines[line:])


def lied_of_its_length(dice: random.Random, data: bytes) -> bytes:
    line, end, rest = data.partition(b"\r\n")
    return line + end + dice.choice(LIES) + b"\r\n" + rest


def lied_of_a_number(dice: random.Random, data: bytes) -> bytes:
    numbers = list(re.finditer(rb"[0-9]+", data))
    if not numbers:
        return data
    number = dice.choice(numbers)
    lie = dice.choice([b"0", b"1", b"-1", b"4096", b"9" * 25, b"1e3", "٥".encode(), b""])
    return data[: number.start()] + lie + data[number.end() :]


def lied_of_a_chunk(dice: random.Random, data: bytes) -> bytes:
    head, end, _ = data.partition(b"\r\n\r\n")
    chunks = b"".join(
        dice.choice(SIZES) + b"\r\n" + b"x" * dice.choice([0, 4, 5, 6]) + b"\r\n"
        for _ in range(dice.randrange(4))
    )
    last = dice.choice([b"", b"0\r\n\r\n"])
    return head + b"\r\nTransfer-Encoding: chunked" + end + chunks + last


def flooded(dice: random.Random, data: bytes) -> bytes:
    line, end, rest = data.partition(b"\r\n")
    flood = dice.choice([b"X: y\r\n", b"A:\r\n", b"Cookie: a=b\r\n", b"X: " + b"z" * 500 + b"\r\n"])
    return line + end + flood * dice.choice([20, 99, 101, 1000]) + rest


def with_a_long_word(dice: random.Random, data: bytes) -> bytes:
    place = dice.randrange(len(data) + 1)
    return data[:place] + dice.choice([b"a", b"%41", b"/", b"&", b"="]) * 9000 + data[place:]


MUTATIONS: list[Mutation] = [
    flipped, flipped, cut, without_a_piece, with_a_piece_twice, with_a_line_twice,
    with_lines_swapped, inserted, inserted, with_another_end_of_line, lied_of_its_length,
    lied_of_its_length, lied_of_a_number, lied_of_a_chunk, flooded, with_a_long_word,
]  # fmt: skip


def mutated(dice: random.Random) -> bytes:
    """Make one stream of bytes: a request or several of them, of which some are not good."""
    data = b""
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        one = dice.choice(dice.choice([BROWSERS, SEEDS]))
        for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
            one = dice.choice(MUTATIONS)(dice, one)
        data += one
    return data


# --- what must come of it ------------------------------------------------------------------------


def requests_in(data: bytes) -> list[str]:
    """List what is to be answered, by an engine that is asked alone.

    Return the method of each request, "" for what is refused at its head.
    """
    engine = ServerEngine()
    engine.receive(data)
    engine.receive(b"")
    methods: list[str] = []
    is_within = False
    try:
        while True:
            part: Part | None = engine.next_part()
            if type(part) is RequestHead:
                methods.append(part.method)
                is_within = True
                if part.method == "CONNECT":
                    return methods  # and no more, however it is answered
            elif type(part) is End:
                is_within = False
                engine.send_whole(ResponseHead(200), b"x")
                engine.outgoing()
            elif part is None or type(part) is Closed:
                return methods
    except (RemoteError, TooLarge):
        return methods if is_within else [*methods, ""]


class Answer(NamedTuple):
    """A response, as its bytes say it."""

    status_code: int
    fields: list[tuple[str, str]]
    content: bytes

    def value(self, name: str) -> str | None:
        return next((value for each, value in self.fields if each == name), None)


HEAD = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]*\r\n((?:[!-9;-~]+: ?[ -~\t]*\r\n)*)\r\n")


def answers_of(data: bytes, methods: Sequence[str]) -> Iterator[Answer]:
    """Read answers strictly, one a request; raises AssertionError where they are not that."""
    at, number = 0, 0
    while at < len(data):
        head = HEAD.match(data, at)
        assert head, f"no head of an answer at {at}: {data[at : at + 200]!r}"
        at = head.end()
        fields = [
            (line.partition(":")[0].lower(), line.partition(":")[2].strip(" "))
            for line in head[2].decode().split("\r\n")[:-1]
        ]
        answer = Answer(int(head[1]), fields, b"")
        if answer.status_code < 200:
            continue
        assert number < len(methods), f"an answer that nobody asked for: {data[head.start() :]!r}"
        length, coding = answer.value("content-length"), answer.value("transfer-encoding")
        if methods[number] == "HEAD" or answer.status_code in (204, 304):
            content = b""
        elif length is not None:
            content = data[at : at + int(length)]
            assert len(content) == int(length)
            at += len(content)
        elif coding == "chunked":
            content = b""
            while True:
                line, _, _ = data[at:].partition(b"\r\n")
                size = int(line, 16)
                content += data[at + len(line) + 2 : at + len(line) + 2 + size]
                at += len(line) + 2 + size + 2
                if not size:
                    break
            assert data[at - 4 : at] == b"\r\n\r\n"
        else:
            content, at = data[at:], len(data)
        number += 1
        yield answer._replace(content=content)


def said_to(served: Served, data: bytes, dice: random.Random) -> bytes:
    """Send bytes, say that this was all, and return everything that is answered, in time."""
    with socket.create_connection(("127.0.0.1", served.port), 5) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.settimeout(SOON)
        place = dice.randrange(len(data) + 1) if dice.random() < 0.3 else 0
        answer = b""
        try:
            for piece in (data[:place], data[place:]):
                peer.sendall(piece)
            peer.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it has had enough
        began = time.monotonic()
        try:
            while piece := peer.recv(65536):
                answer += piece
        except ConnectionError:
            pass  # it closed while we still spoke
        assert time.monotonic() - began < SOON
        return answer


def look_at(answer: bytes, data: bytes, seen: set[str]) -> int:
    """Hold what was answered against what was said; return how many answers there were."""
    methods = requests_in(data)
    answers = list(answers_of(answer, methods))
    for one in answers[:-1]:
        assert one.value("connection") != "close", "an answer after the last one"
    for one in answers:
        assert one.status_code < 500 or one.status_code in MAY_FAIL, one
        assert one.value("date") is not None
        turn = one.value("x-turn")
        assert turn not in seen, "two answers of one call"
        if turn is not None:
            seen.add(turn)
    if len(answers) < len(methods):  # what is wrong with content ends a connection too
        assert answers, "no answer at all"
        assert answers[-1].value("connection") == "close"
    return len(answers)


def play(kind: str, seed: int, count: int, tmp_path: Path) -> None:
    """Say so many mutated requests to a server of a kind, and see that it stays well."""
    dice = random.Random(seed)
    seen: set[str] = set()
    answered = 0
    log = tmp_path / "log"
    with serving(kind, "--access-log", "json", "--log-file", str(log)) as served:
        said_to(served, b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n", dice)
        descriptors = served.descriptors
        for number in range(count):
            data = mutated(dice)
            try:
                answered += look_at(said_to(served, data, dice), data, seen)
            except (AssertionError, TimeoutError) as fault:
                fault.add_note(f"number {number} of {seed}: {data!r:.3000}")
                raise
        assert answered > count / 2
        assert served.settles(descriptors)
        assert served.process.poll() is None
        said = said_to(served, b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n", dice)
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"alive" in said
        assert "Traceback" not in served.said
        assert "failed" not in served.said, served.said
    assert served.process.returncode == 0
    for line in log.read_text().splitlines():
        json.loads(line)


@pytest.mark.rfc("9112", "2.2")
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_mutated_requests_leave_a_server_well(kind: str, tmp_path: Path) -> None:
    play(kind, 1, 250, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_mutated_requests_leave_a_server_well(kind: str, tmp_path: Path) -> None:
    play(kind, 2, 10_000, tmp_path)
