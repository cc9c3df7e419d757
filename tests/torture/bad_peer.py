"""A server that misbehaves on request: what it does wrong is the last segment of the path.

It speaks over any Stream, so it is the same peer in memory and on sockets, and it shares no
code with crlf's own engine. A path is /TOKEN/SIZE/WAY; whatever the way, its answer to that
request has TOKEN in it and no other, and what no request may ever be given says POISON.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NamedTuple

from crlf.message.errors import CrlfError
from crlf.ports import Stream

PATIENCE = 5.0  # seconds; whoever waits longer here was forgotten
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"


class Asked(NamedTuple):
    """A request as the peer read it."""

    method: str
    token: str
    size: int
    way: str
    body: bytes
    head: bytes

    @property
    def content(self) -> bytes:
        """What the right answer to it has."""
        return content_of(self.token, self.size)


def content_of(token: str, size: int) -> bytes:
    """The right answer to a token."""
    return token.encode() + b";" + b"x" * size


class Gone(Exception):
    """The client has left."""


class Visit:
    """A connection as this peer sees it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seen = b""

    async def more(self) -> None:
        data = await self.stream.read(monotonic() + PATIENCE)
        if not data:
            raise Gone
        self.seen += data

    async def until(self, end: bytes) -> bytes:
        while end not in self.seen:
            await self.more()
        found, _, self.seen = self.seen.partition(end)
        return found

    async def exactly(self, size: int) -> bytes:
        while len(self.seen) < size:
            await self.more()
        found, self.seen = self.seen[:size], self.seen[size:]
        return found

    async def say(self, data: bytes) -> None:
        await self.stream.write(data, monotonic() + PATIENCE)

    async def head(self) -> Asked:
        """Read a request's head; its body is still to come."""
        head = await self.until(b"\r\n\r\n")
        method, target, version = head.split(b"\r\n")[0].split(b" ")
        assert version == b"HTTP/1.1", head
        token, size, way = target.decode()[1:].split("/")
        return Asked(method.decode(), token, int(size), way, b"", head)

    async def body(self, head: bytes) -> bytes:
        """Read the body that a head announces."""
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        fields = {name.strip().lower(): value.strip() for name, _, value in lines}
        if fields.get(b"transfer-encoding") != b"chunked":
            return await self.exactly(int(fields.get(b"content-length", b"0")))
        pieces = []
        while size := int(await self.until(b"\r\n"), 16):
            pieces.append(await self.exactly(size))
            assert await self.exactly(2) == b"\r\n"
        assert await self.until(b"\r\n") == b""
        return b"".join(pieces)


Way = Callable[[Visit, Asked], Awaitable[bool]]  # whether the connection goes on
EARLY: dict[str, Way] = {}  # told before the body is read
WAYS: dict[str, Way] = {}
BY_NAME: dict[str, Way] = {}  # too slow to be chosen by chance
RIGHT: dict[str, Callable[[Asked], tuple[int, bytes] | None]] = {}  # None: only an error is right


def whole(asked: Asked) -> tuple[int, bytes]:
    return 200, b"" if asked.method == "HEAD" else asked.content


def nothing_right(asked: Asked) -> None:
    return None


def way(
    right: Callable[[Asked], tuple[int, bytes] | None], table: dict[str, Way] = WAYS
) -> Callable[[Way], Way]:
    """Enter a function under its name."""

    def enter(told: Way) -> Way:
        name = told.__name__
        table[name] = told
        RIGHT[name] = right
        return told

    return enter


def head_of(length: object, *fields: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {length}", *fields, "", ""]).encode()


def answer(asked: Asked, *fields: str) -> bytes:
    """The right answer, with its length."""
    content = b"" if asked.method == "HEAD" else asked.content
    fields = (*fields, f"Got: {len(asked.body)}")
    return head_of(len(asked.content), *fields) + content


def chunked(asked: Asked, last: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    if asked.method == "HEAD":
        return head
    content = asked.content
    cuts = [content[at : at + 1000] for at in range(0, len(content), 1000)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(cut), cut) for cut in cuts) + last


# --- ways that are right ---


@way(whole)
async def good(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked))
    return True


@way(whole)
async def chunks(visit: Visit, asked: Asked) -> bool:
    await visit.say(chunked(asked))
    return True


@way(whole)
async def dribble(visit: Visit, asked: Asked) -> bool:
    data = answer(asked)
    for at in range(min(len(data), 150)):
        await visit.say(data[at : at + 1])
        if at % 8 == 0:
            await asyncio.sleep(0)
    await visit.say(data[150:])
    return True


@way(whole)
async def interim(visit: Visit, asked: Asked) -> bool:
    await visit.say(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" * 3)
    await asyncio.sleep(0)
    await visit.say(answer(asked))
    return True


@way(whole)
async def slow(visit: Visit, asked: Asked) -> bool:
    data = answer(asked)
    await asyncio.sleep(0.002)
    await visit.say(data[:50])
    await asyncio.sleep(0.002)
    await visit.say(data[50:])
    return True


@way(whole)
async def closes(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked, "Connection: close"))
    return False


@way(whole)
async def leaves(visit: Visit, asked: Asked) -> bool:
    """Close without a word, as a server does whose patience with an idle connection is over."""
    await visit.say(answer(asked))
    return False


@way(whole)
async def to_the_end(visit: Visit, asked: Asked) -> bool:
    content = b"" if asked.method == "HEAD" else asked.content
    await visit.say(b"HTTP/1.0 200 OK\r\n\r\n" + content)
    return False


# --- ways that have something odd behind a right answer ---


@way(whole)
async def twice(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked) + POISON)
    return True


@way(whole)
async def twice_apart(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked))
    await visit.say(POISON)
    return True


@way(lambda asked: (204, b""))
async def empty_with_body(visit: Visit, asked: Asked) -> bool:
    await visit.say(b"HTTP/1.1 204 No Content\r\n\r\n" + POISON)
    return True


@way(lambda asked: (304, b""))
async def unchanged_with_body(visit: Visit, asked: Asked) -> bool:
    await visit.say(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 30\r\n\r\n" + POISON)
    return True


@way(lambda asked: (200, b"" if asked.method == "HEAD" else asked.content[:-1]))
async def longer_than_said(visit: Visit, asked: Asked) -> bool:
    await visit.say(head_of(len(asked.content) - 1) + asked.content + POISON)
    return True


# --- ways that are wrong ---


@way(nothing_right)
async def resets(visit: Visit, asked: Asked) -> bool:
    reset(visit.stream)
    return False


@way(nothing_right)
async def hangs_up(visit: Visit, asked: Asked) -> bool:
    return False


@way(nothing_right)
async def half_a_head(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked)[:25])
    return False


@way(nothing_right)
async def half_a_head_and_reset(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked)[:25])
    await asyncio.sleep(0)
    reset(visit.stream)
    return False


@way(lambda asked: (200, b"") if asked.method == "HEAD" else None)
async def shorter_than_said(visit: Visit, asked: Asked) -> bool:
    await visit.say(head_of(len(asked.content) + 1) + asked.content)
    return False


@way(lambda asked: (200, b"") if asked.method == "HEAD" else None)
async def no_last_chunk(visit: Visit, asked: Asked) -> bool:
    await visit.say(chunked(asked, last=b""))
    return False


@way(lambda asked: (200, b"") if asked.method == "HEAD" else None)
async def bad_chunk(visit: Visit, asked: Asked) -> bool:
    await visit.say(chunked(asked, last=b"+0\r\n\r\n"))
    return True


@way(nothing_right)
async def noise(visit: Visit, asked: Asked) -> bool:
    await visit.say(b"\x15\x03\x01\x00\x02\x02\x16 noise\r\n\r\n")
    return True


@way(nothing_right)
async def bare_cr(visit: Visit, asked: Asked) -> bool:
    await visit.say(b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 6\r\n\r\n")
    return True


@way(nothing_right)
async def two_framings(visit: Visit, asked: Asked) -> bool:
    data = chunked(asked).replace(b"\r\n", b"\r\nContent-Length: 6\r\n", 1)
    await visit.say(data)
    return True


@way(nothing_right)
async def stalls(visit: Visit, asked: Asked) -> bool:
    while True:  # until the client leaves
        await visit.more()


@way(lambda asked: (200, b"") if asked.method == "HEAD" else None)
async def stalls_in_the_body(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked)[:-1])
    while True:
        await visit.more()


# --- ways that are told by name only ---


@way(whole, BY_NAME)
async def stops_reading(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked))
    await asyncio.sleep(PATIENCE)
    return False


@way(whole, BY_NAME)
async def redirects(visit: Visit, asked: Asked) -> bool:
    """Lead to the good answer to the same token."""
    place = f"Location: /{asked.token}/{asked.size}/good"
    await visit.say(answer(asked, place).replace(b"200 OK", b"302 Go", 1))
    return True


# --- ways that do not wait for the request's body ---


@way(lambda asked: (413, asked.content if asked.method != "HEAD" else b""), EARLY)
async def refuses(visit: Visit, asked: Asked) -> bool:
    await visit.say(answer(asked, "Connection: close").replace(b"200 OK", b"413 No", 1))
    return False


@way(nothing_right, EARLY)
async def resets_early(visit: Visit, asked: Asked) -> bool:
    reset(visit.stream)
    return False


@way(nothing_right, EARLY)
async def hangs_up_early(visit: Visit, asked: Asked) -> bool:
    return False


def reset(stream: Any) -> None:
    """Break a connection as a peer that crashed does."""
    if hasattr(stream, "reset"):
        stream.reset()  # in memory
        return
    below = getattr(stream, "_inner", stream)  # of TLS
    transport = below._transport
    if transport is not None:
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


async def serve(stream: Stream) -> None:
    """Serve a connection until either side has enough of it."""
    visit = Visit(stream)
    try:
        goes_on = True
        while goes_on:
            asked = await visit.head()
            if asked.way in EARLY:
                goes_on = await EARLY[asked.way](visit, asked)
                continue
            if b"100-continue" in asked.head.lower():
                await visit.say(b"HTTP/1.1 100 Continue\r\n\r\n")
            asked = asked._replace(body=await visit.body(asked.head))
            goes_on = await (WAYS | BY_NAME)[asked.way](visit, asked)
        await stream.end(monotonic() + PATIENCE)
        if asked.way in EARLY:
            await linger(visit)
    except (CrlfError, Gone):
        pass
    finally:
        stream.close()


async def linger(visit: Visit) -> None:
    """Read on for a moment, so that the answer is not lost to a reset (RFC 9112 9.6)."""
    try:
        async with asyncio.timeout(0.05):
            while True:
                await visit.more()
                visit.seen = b""
    except TimeoutError:
        pass
