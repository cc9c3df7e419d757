"""What an exchange took, and how much went over the wire: its steps, added up as curl does.

Times are seconds since the exchange began, one hop of a chain of redirects added to the next.
Its law: steps are all it looks at (rules/tracing.py), so no byte of the exchange is held up.
"""

from __future__ import annotations

from collections.abc import Callable

from crlf.message.body import Body
from crlf.message.facts import StreamFacts, TlsFacts
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.url import URL
from crlf.rules.tracing import Step
from crlf.wire.parts import ResponseHead


class Measure:
    """Told of each step (`step` is a Trace), it knows what came of them.

    request, head: the last ones; None as long as there are none. facts, tls: of the connection
    that was opened last.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """now: the clock that the steps go by."""
        self._now = now
        self._began = self._hop_began = now()
        self._before: dict[str, float] = {}  # of the hops before this one, summed up
        self._hop: dict[str, float] = {}
        self.request: Request | None = None
        self.first_url: URL | None = None
        self.head: ResponseHead | None = None
        self.facts = StreamFacts()
        self.tls: TlsFacts | None = None
        self.connects = self.redirects = self.retries = 0
        self.redirected = 0.0  # seconds until the last hop began
        self.head_size = self.request_size = self.upload_size = 0  # bytes
        self._uploaded = 0  # bytes of content, as far as that was told
        self.content_size = 0  # bytes of the last content, as they were on the wire
        self.has_begun = False

    def step(self, step: Step) -> None:
        """Take note of a step."""
        self.has_begun = True
        if isinstance(step.request, Request):
            self.request = step.request
            if self.first_url is None:
                self.first_url = step.request.url.without_credentials()
        note = getattr(self, f"_{step.name}", None)
        if note is not None:
            note(step)

    def seconds(self, name: str) -> float:
        """Return when something was over: "dns", "connect", "tls", "ready", "sent", "first"."""
        return self._before.get(name, 0.0) + self._hop.get(name, 0.0)

    def uploaded(self, size: int, total: int | None) -> None:
        """Take note of how much content is out, whose length nobody may have known (a Progress)."""
        self._uploaded = size

    @property
    def total(self) -> float:
        """Seconds from the beginning until now."""
        return self._now() - self._began

    # -- by the names of steps

    def _dns(self, step: Step) -> None:
        self._mark("dns", step.ended)

    def _connect(self, step: Step) -> None:
        self._mark("connect", step.ended)
        self.connects += 1
        self.tls = None
        if isinstance(step.detail, StreamFacts):
            self.facts = step.detail

    def _tls(self, step: Step) -> None:
        self._mark("tls", step.ended)
        if isinstance(step.detail, TlsFacts):
            self.tls = step.detail

    def _send(self, step: Step) -> None:
        self._mark("ready", step.began)
        self._mark("sent", step.ended)
        self.head = None
        self.content_size = 0
        if self.request is not None:
            length = _length(self.request.body)
            self.upload_size = self._uploaded if length is None else length
            self.request_size += request_head_size(self.request) + self.upload_size

    def _interim(self, step: Step) -> None:
        if isinstance(step.detail, ResponseHead):
            self.head_size += response_head_size(step.detail)

    def _wait(self, step: Step) -> None:
        self._mark("first", step.ended)
        if isinstance(step.detail, ResponseHead):
            self.head = step.detail
            self.head_size += response_head_size(step.detail)

    def _receive(self, step: Step) -> None:
        if isinstance(step.detail, int):
            self.content_size = step.detail

    def _redirect(self, step: Step) -> None:
        self.redirects += 1
        for name, seconds in self._hop.items():
            self._before[name] = self._before.get(name, 0.0) + seconds
        self._hop.clear()
        self._hop_began = step.ended
        self.redirected = step.ended - self._began

    def _retry(self, step: Step) -> None:
        self.retries += 1

    def _mark(self, name: str, at: float) -> None:
        self._hop[name] = at - self._hop_began


def response_head_size(head: ResponseHead) -> int:
    """Return how many bytes a head is, written plainly."""
    return len(f"HTTP/{head.version} {head.status_code} {head.reason}\r\n") + _size(head.headers)


def request_head_size(request: Request) -> int:
    """Return how many bytes a request's head is on the wire."""
    line = len(f"{request.method} {request.target} HTTP/1.1\r\n")
    added = 0
    headers = request.headers
    if "content-length" not in headers and "transfer-encoding" not in headers:
        length = _length(request.body)
        if length is None:
            added = len("transfer-encoding: chunked\r\n")
        elif length:
            added = len(f"content-length: {length}\r\n")
    if "host" not in headers:
        added += len(f"host: {request.url.authority}\r\n")
    return line + added + _size(headers)


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.fields) + 2


def _length(body: bytes | Body) -> int | None:
    return len(body) if isinstance(body, bytes) else body.length
