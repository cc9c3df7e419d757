"""Measures: what a server counts of itself, and how Prometheus reads it.

A process counts into its slot of the board (net/board.py), a few additions a request; whoever
is asked adds up all slots, so that one answer is about all processes, those that have ended
included. Its law: names and units are Prometheus' conventions, labels have few values, and
nothing that a client sends becomes one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from crlf.message.fields.media import parse_media_type
from crlf.message.fields.negotiation import parse_quality_list
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.net.board import (
    ACCEPTED,
    BEAT,
    BYTES_OUT,
    CONNECTIONS,
    DRAINING,
    ERRORS,
    FREE,
    GONE,
    READY,
    REFUSED_HOST,
    REFUSED_LIMIT,
    REFUSED_OVERLOAD,
    REFUSED_RULE,
    REFUSED_TIMEOUT,
    REQUESTS_1XX,
    RESTARTS,
    SECONDS,
    SECONDS_SUM,
    SECONDS_UP_TO,
    Board,
    Slot,
)
from crlf.ports import InThread
from crlf.rules.pages import NOSNIFF, error_response
from crlf.server.watching.accesslog import Answered

STARTED: Final = FREE  # seconds since 1970, when the slot's first process did

# The first word of why something was refused or closed, and what it is counted as.
_REASONS: Final = {
    "limit": REFUSED_LIMIT,
    "timeout": REFUSED_TIMEOUT,
    "overload": REFUSED_OVERLOAD,
    "gone": GONE,
    "error": ERRORS,
}
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_REFUSED: Final = {
    "rule": REFUSED_RULE,
    "limit": REFUSED_LIMIT,
    "timeout": REFUSED_TIMEOUT,
    "host": REFUSED_HOST,
    "overload": REFUSED_OVERLOAD,
}
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


class Measures:
    """Watches answers, and counts them in a process's slot.

    now: seconds since 1970, the server's start where this is its first process in the slot.
    on_fault: told of answers on which something went wrong.
    """

    __slots__ = ("_on_fault", "_slot")

    def __init__(self, slot: Slot, now: float, on_fault: Answered | None = None) -> None:
        self._slot = slot
        self._on_fault = on_fault
        if not slot[STARTED]:
            slot[STARTED] = int(now)

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        """Count an answer, and what went wrong."""
        slot = self._slot
        if status_code:
            slot.answered(status_code, size, seconds)
            if status_code == 421:  # RFC 9110 15.5.20: for a host that is not served here
                slot.add(REFUSED_HOST)
        if why:
            reason = reason_counter(why)
            if reason is not None:
                slot.add(reason)
            if self._on_fault is not None:
                self._on_fault(request, where, status_code, size, seconds, why)


def reason_counter(why: str) -> int | None:
    """Find the counter for what refused a request or closed a connection, if there is one."""
    if why == "draining":
        return None
    # Beside the words there are rules, as in "RFC 9112 3.2: two Host fields".
    return _REASONS.get(why.partition(" ")[0], REFUSED_RULE)


def is_refused(counter: int | None) -> bool:
    """Tell whether a counter is one of refusals, not of the application or the network."""
    return counter in _REFUSED.values()


class BoardCollector:
    """What prometheus-client collects: the sums over a board, made when they are asked for."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def describe(self) -> list[object]:
        """Describe nothing before it is asked for, so that nothing is collected twice."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield each family of measures."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        total = self._board.total
        requests = CounterMetricFamily(
            "crlf_requests", "Answers, by class of their status.", labels=["class"]
        )
        for place, name in enumerate(_CLASSES):
            requests.add_metric([name], total(REQUESTS_1XX + place))
        yield requests
        taken = HistogramMetricFamily(
            "crlf_request_seconds", "Time from the end of a request's head to the answer's end."
        )
        taken.add_metric([], self._buckets(), total(SECONDS_SUM) / 1e6)
        yield taken
        refused = CounterMetricFamily(
            "crlf_refused",
            "Requests and connections refused, by what refused them.",
            labels=["why"],
        )
        for name, counter in _REFUSED.items():
            refused.add_metric([name], total(counter))
        yield refused
        for name, text, counter in (
            ("crlf_accepted", "Connections accepted.", ACCEPTED),
            ("crlf_response_bytes", "Bytes of content sent.", BYTES_OUT),
            ("crlf_clients_gone", "Clients that left in the middle of an answer.", GONE),
            ("crlf_errors", "Requests on which the application failed.", ERRORS),
            ("crlf_worker_restarts", "Processes that came in the place of others.", RESTARTS),
        ):
            yield CounterMetricFamily(name, text, value=total(counter))
        living = [slot for slot in self._board if slot[BEAT]]  # wiped when a process has ended
        started = min([slot[STARTED] for slot in self._board if slot[STARTED]], default=0)
        for name, text, value in (
            ("crlf_connections", "Connections open now.", sum(s[CONNECTIONS] for s in living)),
            ("crlf_workers", "Processes that serve.", len(living)),
            ("crlf_workers_ready", "Processes that take requests.", sum(map(_is_ready, living))),
            ("crlf_draining", "Whether processes let their connections end.",
             int(any(slot[DRAINING] for slot in living))),
            ("crlf_start_time_seconds", "When the server started, since 1970.", started),
        ):  # fmt: skip
            yield GaugeMetricFamily(name, text, value=value)

    def _buckets(self) -> list[tuple[str, float]]:
        """List the histogram's buckets as Prometheus has them: each with all below it."""
        bounds = [*[repr(bound) for bound in SECONDS_UP_TO], "+Inf"]
        so_far = 0.0
        buckets: list[tuple[str, float]] = []
        for place, bound in enumerate(bounds):
            so_far += self._board.total(SECONDS + place)
            buckets.append((bound, so_far))
        return buckets


def _is_ready(slot: Slot) -> bool:
    return bool(slot[READY]) and not slot[DRAINING]


class MetricsSite:
    """The measures of a board as a page, for Prometheus and who else reads its format.

    An application of its own, to be served at a port of its own; `gate(path)` puts it in front
    of another one. started: seconds since 1970.

    Raises RuntimeError without prometheus-client.
    """

    def __init__(self, board: Board, path: str = "/metrics") -> None:
        try:
            from prometheus_client import CollectorRegistry
        except ImportError as fault:
            raise RuntimeError(
                "measures need prometheus-client: pip install 'crlf[metrics]'"
            ) from fault
        self._path = path
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(BoardCollector(board))

    def page(self, accept: str = "") -> Response:
        """Write all measures in the format that is accepted, text or OpenMetrics."""
        from prometheus_client.exposition import choose_encoder

        # What is accepted is read here: the package compares the version of a stranger's Accept
        # with numbers (TypeError), and repeats it in the content type.
        encode, content_type = choose_encoder(_OPENMETRICS if prefers_openmetrics(accept) else "")
        return Response.quick(200, _fields(content_type), encode(self._registry))

    def answer(self, request: Request) -> Response | None:
        """Answer for the path of the measures; None for any other."""
        if request.target.partition("?")[0] != self._path:
            return None
        if request.method not in ("GET", "HEAD"):
            return error_response(405, headers=Headers([("allow", "GET, HEAD")]))
        return self.page(request.headers.get("accept", ""))

    def gate(self, request: Request) -> Request | Response:
        """Answer for the path of the measures; let every other request pass."""
        return self.answer(request) or request

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Be an application that has this one page."""

        async def send(request: Request) -> Response:
            return self.answer(request) or error_response(404)

        return send


def prefers_openmetrics(accept: str) -> bool:
    """Tell whether an Accept field likes OpenMetrics 1.0 as much as Prometheus' plain text."""
    liked, plain = 0.0, 0.0
    for text, quality in parse_quality_list(accept):
        found = parse_media_type(text)
        if found is None:
            continue
        version = found.parameter("version")
        if found.essence == "application/openmetrics-text" and version in (None, "1.0.0"):
            liked = max(liked, quality)
        elif found.essence == "text/plain":
            plain = max(plain, quality)
    return liked > 0 and liked >= plain


def _fields(content_type: str) -> Headers:
    return Headers(
        [
            ("content-type", content_type),
            ("cache-control", "no-store"),
            ("vary", "Accept"),
            NOSNIFF,
        ]
    )
