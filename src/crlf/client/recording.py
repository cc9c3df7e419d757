"""Recording: every exchange of a client as it went over the wire, in order, with its times.

A tap tells the bytes of each connection, a trace the steps of each request. They meet at the step
`send`, which names its connection by its facts: what a connection sends after that belongs to
its next exchange. Its law: a recorder changes nothing of what it sees, and keeps no more of it
than it was told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from typing import Final, Self

from crlf.message.errors import CrlfError
from crlf.message.facts import TlsFacts
from crlf.message.request import Request
from crlf.net.privatefile import write_private
from crlf.net.tap import Event, Listener, TapNetwork
from crlf.ports import Network, StreamFacts
from crlf.rules.captures import Captured, masked
from crlf.rules.tracing import Step

MOST_BYTES: Final = 16 * 1024 * 1024  # of all exchanges; beyond it each has its first 64 KiB
MOST_EXCHANGES: Final = 10_000  # a day of one a few seconds; the others are only counted
_HEAD: Final = 64 * 1024  # bytes either way that are kept of every exchange: a whole head
_MOST_PENDING: Final = 1000  # requests under way that are known; what was cancelled is among them


class _Exchange:
    """What is known of one exchange so far. is_sent: its request is out."""

    __slots__ = (
        "at", "cut", "ended", "facts", "fault", "is_sent", "method", "number", "pieces", "size",
        "steps", "url", "wall",
    )  # fmt: skip

    def __init__(self, at: float, wall: float) -> None:
        self.at = at  # the network's now, when it began
        self.wall = wall  # to be added to that for seconds since 1970
        self.url = self.method = self.fault = ""
        self.number = 0
        self.facts: StreamFacts | None = None
        self.steps: list[Step] = []
        self.pieces: tuple[list[bytes], list[bytes]] = ([], [])  # sent, received
        self.size = [0, 0]
        self.cut = [0, 0]
        self.ended = self.is_sent = False

    def add(self, way: int, data: bytes, room: int) -> int:
        """Keep as much of some bytes as there is room for; return how much that was."""
        kept = min(len(data), max(room, _HEAD - self.size[way]))
        if self.cut[way]:
            kept = 0  # what follows a gap would be read as what was before it
        if kept:
            self.pieces[way].append(bytes(data[:kept]))
        self.size[way] += kept
        self.cut[way] += len(data) - kept
        return kept

    def captured(self) -> Captured:
        """Return what is known as a value."""
        facts = self.facts
        began = self.steps[0].began if self.steps else self.at
        sent, received = (b"".join(pieces) for pieces in self.pieces)
        return Captured(
            self.url, self.method, sent, received, self.ended, began + self.wall,
            tuple(self.steps), self.number,
            None if facts is None else facts.peer, None if facts is None else facts.tls,
            self.fault, self.cut[0], self.cut[1],
        )  # fmt: skip


class _Line:
    """One connection. facts: all that it was known by, kept so that their identities stay."""

    __slots__ = ("current", "facts", "number", "place")

    def __init__(self, number: int, place: str) -> None:
        self.number = number
        self.place = place
        self.facts: list[StreamFacts] = []
        self.current: _Exchange | None = None


class Recorder:
    """Keeps what one client, or several, send and receive: `Client(record=Recorder())`.

    most: bytes kept of all exchanges together; beyond it only the first 64 KiB each way of
    each, and how much there was. Either client takes one, and threads may share it.
    """

    def __init__(self, *, most: int = MOST_BYTES) -> None:
        self._room = most
        self._guard: AbstractContextManager[object] = nullcontext()
        self._exchanges: list[_Exchange] = []
        self._lines: dict[int, _Line] = {}  # by a count of our own
        self._by_facts: dict[int, _Line] = {}
        self._pending: dict[int, tuple[object, list[Step]]] = {}  # steps before "send"
        self._active: dict[int, tuple[object, _Exchange]] = {}  # by the identity of a request
        self._count = 0
        self._wall = 0.0
        self.left_out = 0  # exchanges of which nothing is kept

    @property
    def captured(self) -> list[Captured]:
        """Every exchange so far, in the order in which they began."""
        with self._guard:
            return [one.captured() for one in self._exchanges]

    def watch(self, network: Network) -> Network:
        """Return a network on which all is recorded; a client given `record=` calls this."""
        return TapNetwork(network, self.listen(network))

    def listen(self, network: Network) -> Listener:
        """Return what has to be told of all that happens on a network; see TapNetwork."""
        if isinstance(self._guard, nullcontext):
            self._guard = network.new_bell()
        self._wall = network.wall() - network.now()
        lines: dict[int, int] = {}  # the network's numbers to ours: there may be several networks

        def event(event: Event) -> None:
            with self._guard:
                if event.what == "opening":
                    self._count += 1
                    lines[event.connection] = self._count
                    self._lines[self._count] = _Line(self._count, event.data.decode("ascii"))
                line = self._lines.get(lines.get(event.connection, 0))
                if line is not None:
                    self._event(line, event)
                if event.what == "closed":
                    lines.pop(event.connection, None)

        return event

    def _event(self, line: _Line, event: Event) -> None:
        if event.what in ("opened", "secured") and event.facts is not None:
            line.facts.append(event.facts)
            self._by_facts[id(event.facts)] = line
            line.current = None
        elif event.what == "sent":
            if line.current is None or line.current.is_sent:
                self._begin(line, event)
            self._add(line, 0, event.data)
        elif event.what == "received":
            if line.current is None:
                self._begin(line, event)
            self._add(line, 1, event.data)
        elif event.what == "ended" and line.current is not None:
            line.current.ended = True
        elif event.what == "closed":
            self._lines.pop(line.number, None)
            for facts in line.facts:
                self._by_facts.pop(id(facts), None)

    def _begin(self, line: _Line, event: Event) -> None:
        exchange = line.current = _Exchange(event.at, self._wall)
        exchange.number = line.number
        exchange.facts = line.facts[-1] if line.facts else None
        if event.what == "sent":
            first = event.data[:300].partition(b"\r\n")[0].decode("latin-1").split(" ")
            exchange.method = first[0]
            exchange.url = first[1] if first[0] == "CONNECT" and len(first) > 1 else ""
        self._keep(exchange)

    def _keep(self, exchange: _Exchange) -> None:
        if len(self._exchanges) < MOST_EXCHANGES:
            self._exchanges.append(exchange)
        else:
            self.left_out += 1

    def _add(self, line: _Line, way: int, data: bytes) -> None:
        if line.current is not None:
            self._room -= line.current.add(way, data, max(0, self._room))

    # -- steps

    def step(self, step: Step) -> None:
        """Note a step; see Trace."""
        with self._guard:
            self._step(step)

    def _step(self, step: Step) -> None:
        key, kept = id(step.request), _light(step)
        if step.name in ("queue", "dns", "connect", "proxy", "tls"):
            self._before(key, step.request).append(kept)
            if step.name == "proxy":
                self._end_connect(step)
        elif step.name == "send":
            self._sent(key, step, kept)
        elif step.name == "failed":
            self._failed(key, step, kept)
        elif key in self._active:
            self._active[key][1].steps.append(kept)
            if step.name == "receive":
                del self._active[key]
        elif step.name == "interim":  # 100, before the content is sent
            self._before(key, step.request).append(kept)
        elif step.name == "retry" and key in self._pending:
            self._pending[key][1].append(kept)

    def _before(self, key: int, request: object) -> list[Step]:
        """Return the steps of a request that is not out yet."""
        if key not in self._pending:
            self._pending[key] = request, []
            if len(self._pending) > _MOST_PENDING:
                del self._pending[next(iter(self._pending))]
        return self._pending[key][1]

    def _end_connect(self, step: Step) -> None:
        """Note that what was sent on a connection until now was said to a proxy."""
        line = self._by_facts.get(id(step.detail))
        if line is not None and line.current is not None:
            line.current.steps.append(_light(step))
            line.current.is_sent = True
            line.current = None

    def _sent(self, key: int, step: Step, kept: Step) -> None:
        line = self._by_facts.get(id(step.detail))
        exchange = line.current if line is not None else None
        if exchange is None or exchange.is_sent:
            exchange = self._unsent(step.request)
        if exchange is None:
            return
        exchange.steps += [*self._pending.pop(key, (None, []))[1], kept]
        exchange.is_sent = True
        _name(exchange, step.request)
        lost = self._active.pop(key, None)
        if lost is not None and not lost[1].fault:
            lost[1].fault = "nothing came back, so it was sent again"
        self._active[key] = step.request, exchange
        if len(self._active) > _MOST_PENDING:
            del self._active[next(iter(self._active))]

    def _unsent(self, request: object) -> _Exchange | None:
        """Find what is being sent for a request by its method alone: a tunnel hides its facts."""
        method = getattr(request, "method", "")
        for line in reversed(self._lines.values()):
            current = line.current
            if current is not None and not current.is_sent and current.method == method:
                return current
        return None

    def _failed(self, key: int, step: Step, kept: Step) -> None:
        _, before = self._pending.pop(key, (None, []))
        if key in self._active:
            exchange = self._active.pop(key)[1]
        else:
            exchange = self._half_sent(before)
            exchange.steps += before
            _name(exchange, step.request)
        exchange.steps.append(kept)
        exchange.fault = str(kept.detail)

    def _half_sent(self, before: Sequence[Step]) -> _Exchange:
        """Return the exchange whose sending failed on a new connection, or one without bytes."""
        for line in reversed(self._lines.values()):
            if line.current is not None and not line.current.is_sent and not line.current.steps:
                return line.current
        exchange = _Exchange(before[0].began if before else 0.0, self._wall)
        self._keep(exchange)
        return exchange


class HarFile(Recorder):
    """Writes all exchanges of a client to a file in HAR 1.2, when its `with` block ends.

        with crlf.HarFile("shop.har") as har, crlf.Client(record=har) as client:
            client.get(url)

    path: replaced when it is there, whole or not at all, for its owner alone (0600). secrets:
    keep credentials and cookies as they were sent; otherwise stars stand for them.
    """

    def __init__(
        self, path: str | PathLike[str], *, secrets: bool = False, most: int = MOST_BYTES
    ) -> None:
        super().__init__(most=most)
        self._path = path
        self._secrets = secrets

    def save(self) -> None:
        """Write what there is by now. Raises OSError."""
        write_private(self._path, self.as_har().encode("utf-8"))

    def as_har(self) -> str:
        """Return what there is by now, as the text of a HAR file."""
        from crlf.rules.har import har_text  # few write one

        found = self.captured
        return har_text(found if self._secrets else [masked(one) for one in found])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.save()


def _name(exchange: _Exchange, request: object) -> None:
    if isinstance(request, Request):
        exchange.method = request.method
        exchange.url = str(request.url.without_credentials())


def _light(step: Step) -> Step:
    """Return a step without what it would keep alive: requests, and with them content."""
    detail = step.detail
    if isinstance(detail, CrlfError):
        detail = detail.brief
    elif isinstance(detail, StreamFacts):
        peer = detail.peer
        detail = "" if peer is None else f"{peer[0]} port {peer[1]}"
    elif isinstance(detail, (list, tuple)) and type(detail) in (list, tuple):
        detail = ", ".join([str(one) for one in detail])
    elif not isinstance(detail, int | float | str):
        detail = f"{detail.version}, {detail.cipher}" if isinstance(detail, TlsFacts) else ""
    return Step(step.name, step.began, step.ended, None, detail)
