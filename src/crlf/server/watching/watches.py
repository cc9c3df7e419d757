"""What a server watches of itself, put together from its settings: log, measures, warnings.

What was refused is worth a warning in any server, a line a second for each kind of refusal, with
how many there were; a log of all that was answered, and counts, are for those who ask. Its law:
what nobody asked for costs nothing, and a flood of bad requests is no flood of lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crlf.flow.terms import Stamp
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.net.aio import monotonic, wall
from crlf.net.board import REFUSED_TIMEOUT, Board, Slot
from crlf.rules.gates import Gate
from crlf.rules.requestids import counted_ids, naming, stamp_id
from crlf.server.settings import ServerSettings
from crlf.server.watching.accesslog import AccessLog, Answered, CombinedLog, JsonLog, ShortLog
from crlf.server.watching.health import HEALTH_PATHS, health_gate
from crlf.server.watching.logfile import LogFile
from crlf.server.watching.logtext import quoted
from crlf.server.watching.measures import Measures, MetricsSite, is_refused, reason_counter
from crlf.server.watching.timing import stamp_timing, timing_gate

_LOGS: Final = {"short": ShortLog, "combined": CombinedLog, "json": JsonLog}
_KINDS_MOST: Final = 64  # of refusals; the rules have fewer
_SECOND: Final = 1.0
_LONGEST: Final = 240  # characters of a reason


def warn(sentence: str) -> None:
    """Warn by the logger "crlf.server"."""
    import logging  # 8 ms; a server on which nothing goes wrong does without

    logging.getLogger("crlf.server").warning("%s", sentence)


class Refusals:
    """Watches what breaks a rule or a limit, and warns of it, once a second for each kind.

    now: monotonic seconds. tell: takes a sentence.
    """

    def __init__(self, now: Callable[[], float], tell: Callable[[str], None] = warn) -> None:
        self._now = now
        self._tell = tell
        self._kinds: dict[str, tuple[float, int]] = {}  # when told, and how many since
        self._looked = now()

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        """Warn of a refusal."""
        if why and is_refused(counter := reason_counter(why)) and counter != REFUSED_TIMEOUT:
            peer = where.peer if request is None else request.peer
            self.note(why, status_code, "-" if peer is None else peer[0])

    def note(self, why: str, status_code: int, peer: str) -> None:
        """Tell of a refusal, or count it when its kind has been told of within the second."""
        kind = kind_of(why)
        now = self._now()
        if kind not in self._kinds and len(self._kinds) >= _KINDS_MOST:
            kind = "others"
        told_at, more = self._kinds.get(kind, (now - _SECOND, 0))
        if now - told_at < _SECOND:
            self._kinds[kind] = told_at, more + 1
        else:
            self._kinds[kind] = now, 0
            also = f" ... and {more} more" if more else ""
            self._tell(f"refused {quoted(peer, 64)} ({status_code}): {quoted(why, _LONGEST)}{also}")
        if now - self._looked >= _SECOND:
            self.tell_rest(now)

    def tell_rest(self, now: float | None = None) -> None:
        """Tell of what has only been counted: of all when no time is given, as at the end."""
        self._looked = self._now() if now is None else now
        for kind, (told_at, more) in self._kinds.items():
            if more and (now is None or now - told_at >= _SECOND):
                self._kinds[kind] = self._looked, 0
                self._tell(f"refused: {quoted(kind, _LONGEST)} ... and {more} more")


def kind_of(why: str) -> str:
    """Name a kind of refusal: "RFC 9112 3.2", "limit head". There are few, whatever peers send."""
    if why.startswith("limit "):
        return " ".join(why.split(" ")[:2])
    return why.partition(":")[0]


class Watching:
    """All that watches a server, in one.

    answered: as of a Watch (flow/terms.py). sees_all: whether anybody wants to know of requests
    on which nothing went wrong.
    """

    __slots__ = ("_file", "_log", "_refusals", "answered", "sees_all")

    answered: Answered

    def __init__(
        self,
        refusals: Refusals,
        log: AccessLog | None = None,
        file: LogFile | None = None,
        measures: Measures | None = None,
    ) -> None:
        self._refusals = refusals
        self._log = log
        self._file = file
        self.sees_all = log is not None or measures is not None
        # Each is called by itself where there is one: a call is a fiftieth of an answer.
        if log is not None and measures is not None:
            self.answered = _both(log.answered, measures.answered)
        elif log is not None:
            self.answered = log.answered
        else:
            self.answered = refusals.answered if measures is None else measures.answered

    def opened(self, where: Received) -> None:
        """Tell nobody: connections are counted where they are accepted."""

    def closed(self, where: Received) -> None:
        """Tell nobody."""

    def every_second(self) -> None:
        """Look at the clock, and tell of refusals that have only been counted."""
        if self._log is not None:
            self._log.every_second()
        self._refusals.tell_rest(monotonic())

    def reopen(self) -> None:
        """Write into the file that has the log's name now, as after it was moved away."""
        if self._file is not None:
            self._file.reopen()

    def close(self) -> None:
        """Write what is left, within seconds. Blocks: call it in a thread, or at the very end."""
        self._refusals.tell_rest()
        if self._file is not None:
            self._file.close()


def _both(one: Answered, other: Answered) -> Answered:
    def answered(
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        one(request, where, status_code, size, seconds, why)
        other(request, where, status_code, size, seconds, why)

    return answered


def watches(settings: ServerSettings, slot: Slot | None = None) -> Watching:
    """Put together what the settings ask for. slot: what measures count in.

    Made in the process that serves. Raises OSError when the log cannot be opened, ValueError
    for a format that there is not.
    """
    refusals = Refusals(monotonic)
    style, told, measures = settings.access_log, refusals.answered, None
    if slot is not None and settings.metrics is not None:
        measures = Measures(slot, wall(), on_fault=told if style == "off" else None)
    if style == "off":
        return Watching(refusals, None, None, measures)
    if style not in _LOGS:
        raise ValueError(f"access_log is off, short, combined or json, not {style!r}")
    file = LogFile(settings.access_log_file, complain=warn)
    quiet = HEALTH_PATHS if settings.health else frozenset[str]()
    query = settings.log_query
    kind: type[AccessLog] = _LOGS[style]
    log = kind(file, wall, log_query=query, quiet=quiet, on_fault=told, worker=file.process)
    return Watching(refusals, log, file, measures)


def watching_gates(
    settings: ServerSettings,
    *,
    trusts: Callable[[Received], bool],
    is_ready: Callable[[], bool],
    board: Board | None = None,
) -> list[Gate]:
    """List the gates that the settings ask for, to stand before those for proxies and hosts.

    trusts: whether a request comes from one of the trusted proxies. is_ready: whether the server
    takes requests. board: what /metrics shows, where it is a path of the server itself. Raises
    RuntimeError without prometheus-client.
    """
    gates: list[Gate] = []
    if settings.server_timing:
        gates.append(timing_gate(monotonic))
    if settings.request_ids or settings.access_log == "json":
        from secrets import token_hex

        gates.append(naming(trusts, counted_ids(token_hex(6))))
    if settings.health:
        gates.append(health_gate(is_ready))
    if board is not None and settings.metrics is not None and settings.metrics.startswith("/"):
        gates.append(MetricsSite(board, settings.metrics).gate)
    return gates


def watching_stamp(settings: ServerSettings) -> Stamp | None:
    """Find what every answer of the application is to say beside its own; None for nothing."""
    if settings.server_timing and settings.request_ids:

        def stamp_both(request: Request, headers: Headers) -> Headers:
            return stamp_timing(request, stamp_id(request, headers))

        return stamp_both
    if settings.server_timing:
        return stamp_timing
    return stamp_id if settings.request_ids else None
