"""A connection on its server, disturbed at each of its awaits in turn: at the k-th, for every k.

It is cancelled, drained, hung up on, reset; its stream, its disk, its application, its gate, its
stamp and its watch fail. Whatever happens, nothing stays open, nobody is told twice, and no
request has two answers.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import suppress
from typing import Any, BinaryIO

import pytest

from crlf.flow.serve import Service
from crlf.flow.turn import Turn
from crlf.message.body import FileBody
from crlf.message.errors import (
    Malformed,
    ReadFailed,
    ReadTimeout,
    TooLarge,
    WriteFailed,
    WriteTimeout,
)
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.net.draining import Drain
from crlf.net.interrupt import is_cancelled
from crlf.net.memorystream import MemoryStream, Shape, join
from crlf.rules.deadlines import Patience
from crlf.server.gateways.asgi import AsgiApplication
from crlf.wire.parts import ResponseHead

pytestmark = pytest.mark.timeout(60)

MOST = 300  # awaits of one connection; more, and something never ends
PATIENCE = Patience(linger=1.0, body_grace=1.0, head=3.0, idle=3.0)
NARROW = Shape(room=20_000, piece=16_000)
_ANSWER = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n")
_NUMBER = re.compile(rb"(?m)^n: ([0-9]+)")

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    + b"z" * 70_000
    + b"\r\n--x--\r\n"
)


def head_of(number: int, method: str = "GET", path: str = "/plain", *fields: str) -> bytes:
    lines = [f"{method} {path}?{number} HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode()


def with_content(number: int, path: str, content: bytes, *fields: str) -> bytes:
    return head_of(number, "POST", path, f"Content-Length: {len(content)}", *fields) + content


LAST = head_of(9, "GET", "/plain", "Connection: close")
ASKED = {
    "plain": head_of(1) + with_content(2, "/plain", b"hello") + head_of(3, "HEAD") + LAST,
    "form": with_content(1, "/plain", FORM, "Content-Type: multipart/form-data; boundary=x") + LAST,
    "chunked": head_of(1, "POST", "/plain", "Transfer-Encoding: chunked")
    + b"5\r\nhello\r\n0\r\n\r\n"
    + LAST,
    "expects": with_content(1, "/plain", b"hello", "Expect: 100-continue") + LAST,
    "streams": head_of(1, "GET", "/stream") + head_of(2, "GET", "/file") + LAST,
    "unread": with_content(1, "/unread", b"hello") + head_of(2) + LAST,
}


class World:
    """All that a connection could leave behind, and what fails at its k-th use.

    fails_at, fault: of the application's steps and of what looks on.
    """

    def __init__(self, fails_at: int = 0, fault: BaseException | None = None) -> None:
        self.fails_at, self.fault = fails_at, fault
        self.steps = 0
        self.files: list[BinaryIO] = []
        self.open_bodies = 0
        self.events: list[str] = []
        self.answered_ones: list[tuple[str, int]] = []
        self.reported: list[BaseException] = []
        self.background = 0
        self.sees_all = True

    def step(self) -> None:
        """Take a step of the application's."""
        self.steps += 1
        if self.steps == self.fails_at and self.fault is not None:
            raise self.fault

    def look(self) -> None:
        """Be asked as one who looks on, or as the disk: these neither exit nor are cancelled."""
        if isinstance(self.fault, Exception):
            self.step()

    def spool(self) -> BinaryIO:
        self.look()
        self.files.append(io.BytesIO())
        return self.files[-1]

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        try:
            return work()
        finally:
            await asyncio.sleep(0)

    # -- who looks on

    def gate(self, request: Request) -> Request | Response:
        self.look()
        return request

    def stamp(self, request: Request, headers: Headers) -> Headers:
        self.look()
        return headers

    def opened(self, where: Received) -> None:
        self.events.append("opened")

    def closed(self, where: Received) -> None:
        self.events.append("closed")

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        if request is not None:
            self.answered_ones.append((request.target, status_code))
        self.look()

    def report(self, request: Request | None, fault: BaseException) -> None:
        self.reported.append(fault)

    # -- the application, in two ways

    async def send(self, request: Request) -> Response:
        self.step()
        await asyncio.sleep(0)
        self.step()
        number = ("n", request.target.partition("?")[2])
        if request.target.startswith("/stream"):
            return Response(200, [number], self.dribble())
        if request.target.startswith("/file"):
            self.open_bodies += 1
            return Response(200, [number], FileBody(_Counted(self), closing=True))
        return Response(200, [number], b"x" * 30_000)

    async def dribble(self) -> AsyncIterator[bytes]:
        self.open_bodies += 1
        try:
            for _ in range(3):
                await asyncio.sleep(0)
                self.step()
                yield b"y" * 9000
        finally:
            self.open_bodies -= 1
            await asyncio.sleep(0)

    async def talk(self, turn: Turn) -> None:
        self.step()
        path, _, number = turn.request.target.partition("?")
        if path != "/unread":
            while await turn.next_piece() is not None:
                self.step()
        if path == "/stream":
            await turn.begin(ResponseHead(200, Headers([("n", number)])))
            for _ in range(3):
                self.step()
                await turn.send(b"y" * 9000)
            await turn.finish()
        elif path == "/file":
            with io.BytesIO(b"f" * 30_000) as file:
                self.step()
                await turn.begin(ResponseHead(200, Headers([("n", number)])))
                await turn.send_file(file, 0, 30_000)
                await turn.finish()
        else:
            await turn.answer(Response(200, [("n", number)], b"x" * 30_000))
        self.step()

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, and go on working when nobody waits any more."""
        self.step()
        self.background += 1
        try:
            if scope["path"] != "/unread":
                while (await receive())["more_body"]:
                    self.step()
            fields = [(b"n", scope["query_string"])]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            for _ in range(2):
                self.step()
                await send({"type": "http.response.body", "body": b"y" * 9000, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            for _ in range(3):
                await asyncio.sleep(0)
                self.step()
        finally:
            self.background -= 1

    def service(self, kind: str) -> Service:
        talk = None
        if kind == "talk":
            talk = self.talk
        elif kind == "asgi":
            talk = AsgiApplication(self.asgi, lifespan="off").talker(self.in_thread, time.monotonic)
        return Service(
            self.send if talk is None else None, time.monotonic, self.in_thread, self.spool,
            talk=talk, spawn=asyncio.get_running_loop().create_task, patience=PATIENCE,
            report=self.report, gate=self.gate, stamp=self.stamp, watch=self, draining=Drain(),
            is_cancelled=is_cancelled,
        )  # fmt: skip


class _Counted(io.BytesIO):
    def __init__(self, world: World) -> None:
        super().__init__(b"f" * 30_000)
        self._world = world

    def close(self) -> None:
        if not self.closed:
            self._world.open_bodies -= 1
        super().close()


class At:
    """An awaitable that runs a coroutine, and does something at its k-th suspension."""

    def __init__(self, work: Any, k: int, act: Callable[[], object]) -> None:
        self.work, self.k, self.act = work, k, act
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.work.__await__()
        go_on: Callable[[], Any] = lambda: steps.send(None)  # noqa: E731
        while True:
            try:
                awaited = go_on()
            except StopIteration as done:
                return done.value
            self.suspensions += 1
            if self.suspensions == self.k:
                asyncio.get_running_loop().call_soon(self.act)
            try:
                yield awaited
            except BaseException as fault:
                thrown = fault
                go_on = lambda: steps.throw(thrown)  # noqa: E731, B023
            else:
                go_on = lambda: steps.send(None)  # noqa: E731


class FailingStream:
    """A stream whose k-th reading, writing or ending fails."""

    def __init__(self, inner: MemoryStream, k: int, fault: Callable[[str], Exception]) -> None:
        self._inner, self._k, self._fault = inner, k, fault
        self.calls = 0
        self.is_broken = False
        self.facts = inner.facts
        self.sends_files = False
        self.close, self.on_end = inner.close, inner.on_end
        self.send_file, self.has_arrived = inner.send_file, inner.has_arrived

    def _count(self, phase: str) -> None:
        self.calls += 1
        if self.calls == self._k or self.is_broken:
            self.is_broken = True
            raise self._fault(phase)

    async def read(self, deadline: float | None) -> bytes:
        self._count("read")
        return await self._inner.read(deadline)

    async def write(self, data: bytes, deadline: float | None) -> None:
        self._count("write")
        await self._inner.write(data, deadline)

    async def end(self, deadline: float | None) -> None:
        await self._inner.end(deadline)


async def ask(stream: MemoryStream, asked: bytes) -> bytes:
    """Send requests, read all that comes, and hang up."""
    deadline = time.monotonic() + 5

    async def write() -> None:
        with suppress(WriteFailed, WriteTimeout):
            await stream.write(asked, deadline)

    writing = asyncio.create_task(write())
    heard = []
    try:
        while data := await stream.read(deadline):
            heard.append(data)
    except (ReadFailed, ReadTimeout):
        pass
    writing.cancel()
    await asyncio.wait({writing})
    stream.close()
    return b"".join(heard)


def look_at(world: World, service: Service, heard: bytes, asked: bytes, what: object) -> None:
    """See that nothing was left behind, and nothing said twice."""
    assert not service.visits, what
    assert world.events == ["opened", "closed"], what
    assert all(file.closed for file in world.files), what
    assert world.open_bodies == 0, what
    assert world.background == 0, what
    assert len(asyncio.all_tasks()) == 1, (what, asyncio.all_tasks())
    requests = asked.count(b" HTTP/1.1\r\n")
    answers = _ANSWER.findall(heard)
    assert len(answers) <= requests, (what, [answer[0] for answer in answers])
    numbers = [int(found[0]) for _, fields in answers if (found := _NUMBER.findall(fields))]
    assert numbers == sorted(set(numbers)), (what, numbers)
    # Nothing comes after an answer that says it is the last.
    closing = [b"connection: close" in fields for _, fields in answers]
    assert not any(closing[:-1]), (what, answers)
    told = [target for target, _ in world.answered_ones]
    assert len(told) == len(set(told)), (what, world.answered_ones)


async def settle() -> None:
    """Let what was cancelled end."""
    for _ in range(50):
        if len(asyncio.all_tasks()) == 1:
            return
        await asyncio.sleep(0.001)


async def play(
    kind: str,
    asked: bytes,
    k: int,
    act: Callable[[asyncio.Task[None], Service, MemoryStream], object],
) -> bool:
    """Serve the requests, and do something at the k-th await; tell whether there were so many."""
    world = World()
    service = world.service(kind)
    client, stream = join(asyncio.get_running_loop(), NARROW, NARROW)
    acting: list[Callable[[], object]] = []
    disturbed = At(service.serve(stream), k, lambda: acting[0]())

    async def run() -> None:
        await disturbed

    task = asyncio.create_task(run())
    acting.append(lambda: act(task, service, client))
    heard = await ask(client, asked)
    done, _ = await asyncio.wait({task}, timeout=5)
    assert done, (k, "it never ends")
    if not task.cancelled() and (fault := task.exception()) is not None:
        raise AssertionError(k) from fault
    await settle()
    assert stream._is_closed, k
    assert not world.reported, (k, world.reported)
    look_at(world, service, heard, asked, k)
    return disturbed.suspensions >= k


def cancelled(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    task.cancel()


def cancelled_twice(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    task.cancel()
    asyncio.get_running_loop().call_soon(task.cancel)


def drained(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    service.draining.begin()  # type: ignore[attr-defined]
    service.drain()
    service.close_idle()


def drained_and_cancelled(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    drained(task, service, client)
    asyncio.get_running_loop().call_soon(task.cancel)


def hung_up(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    client._outgoing.end()


def gone(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    client.close()


def reset(task: asyncio.Task[None], service: Service, client: MemoryStream) -> None:
    client.reset()


KINDS = ["send", "talk", "asgi"]
OFTEN = ("form", "streams", "unread")  # the others are tried with the long tests
STORIES = [pytest.param(name, marks=() if name in OFTEN else pytest.mark.long) for name in ASKED]


@pytest.mark.parametrize(
    "act", [cancelled, cancelled_twice, drained, drained_and_cancelled, hung_up, gone, reset]
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", STORIES)
def test_disturbed_at_every_await(asked: str, kind: str, act: Any) -> None:
    async def run() -> None:
        for k in range(1, MOST):
            if not await play(kind, ASKED[asked], k, act):
                assert k > 3, "it was disturbed nowhere"
                return
        raise AssertionError("it never ends")

    asyncio.run(run())


async def play_failing(kind: str, asked: bytes, k: int, fault: Callable[[str], Exception]) -> bool:
    world = World()
    service = world.service(kind)
    client, stream = join(asyncio.get_running_loop(), NARROW, NARROW)
    failing = FailingStream(stream, k, fault)
    task = asyncio.create_task(service.serve(failing))  # type: ignore[arg-type]
    heard = await ask(client, asked)
    await asyncio.wait_for(task, 5)
    await settle()
    look_at(world, service, heard, asked, k)
    return failing.is_broken


def breaks(phase: str) -> Exception:
    return (ReadFailed if phase == "read" else WriteFailed)("connection lost", phase=phase)


def is_late(phase: str) -> Exception:
    return (ReadTimeout if phase == "read" else WriteTimeout)("too late", phase=phase)


@pytest.mark.parametrize("fault", [breaks, is_late])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", STORIES)
def test_a_stream_that_fails_at_every_call(asked: str, kind: str, fault: Any) -> None:
    async def run() -> None:
        for k in range(1, MOST):
            if not await play_failing(kind, ASKED[asked], k, fault):
                assert k > 3, "it failed nowhere"
                return
        raise AssertionError("it never ends")

    asyncio.run(run())


async def play_wrong(kind: str, asked: bytes, k: int, fault: BaseException) -> bool:
    world = World(k, fault)
    service = world.service(kind)
    client, stream = join(asyncio.get_running_loop(), NARROW, NARROW)
    task = asyncio.create_task(service.serve(stream))
    heard = await ask(client, asked)
    done, _ = await asyncio.wait({task}, timeout=5)
    assert done, (k, "it never ends")
    assert not task.cancelled(), k
    if (raised := task.exception()) is not None:
        raise AssertionError(k) from raised
    await settle()
    look_at(world, service, heard, asked, k)
    return world.steps >= k


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("of ours"),
        OSError(28, "No space left on device"),
        ReadTimeout("of another connection", phase="read"),
        Malformed("of what it read itself", "RFC 9110"),
        TooLarge("body", 7, 413, "RFC 9110 15.5.14"),
        asyncio.CancelledError(),
        SystemExit(1),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", STORIES)
def test_what_fails_at_every_step(asked: str, kind: str, fault: BaseException) -> None:
    """The application, its disk, the gate, the stamp, the watch: one of them, once."""

    async def run() -> None:
        for k in range(1, MOST):
            if not await play_wrong(kind, ASKED[asked], k, fault):
                assert k > 3, "it failed nowhere"
                return
        raise AssertionError("it never ends")

    asyncio.run(run())
