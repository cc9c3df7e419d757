"""The access log: a line for each request, as the common tools read it, or as JSON with more.

A line is made where the answer went out, from pieces that have mostly been escaped before, and
handed to a list; a thread writes it (logfile.py). Its law: nobody can forge a line. Whatever is
not a visible ASCII character, and every quote and backslash, is escaped, and each field ends
somewhere; a query, in which secrets travel, is left out unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from crlf.message.dates import MONTHS, build_date
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.requestids import REQUEST_ID
from crlf.server.watching.logtext import json_text, quoted, without_query, without_userinfo

# Characters of a field, escapes counted. Together they stay below the 4096 bytes that a pipe
# takes as one piece, so that a line is whole there too; nginx has no limit, Apache 8 KiB.
TARGET: Final = 1536
REFERER: Final = 640
AGENT: Final = 384
HOST: Final = 255
WHY: Final = 240
SHORT: Final = 64
NAME: Final = 128

_KNOWN_MOST: Final = 1024  # texts whose escaped form is remembered, of each kind of field
_KNOWN_LONGEST: Final = 512  # characters of a text that is worth remembering


class Answered(Protocol):
    """What is told of an answer, as a Watch is (flow/terms.py)."""

    def __call__(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None: ...


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: str) -> None:
        """Add a line; return at once."""


class Known(dict[str | None, str]):
    """Texts and what stands for them in the log, made when first asked for.

    write: makes it. The room is bounded: when it is full, all is forgotten.
    """

    __slots__ = ("_absent", "_write")

    def __init__(self, write: Callable[[str], str], absent: str) -> None:
        super().__init__()
        self._write = write
        self._absent = absent
        self[None] = absent

    def __missing__(self, text: str | None) -> str:
        if text is None:
            return self._absent
        written = self._write(text)
        if len(text) <= _KNOWN_LONGEST:
            if len(self) >= _KNOWN_MOST:
                self.clear()
                self[None] = self._absent
            self[text] = written
        return written


Peer = tuple[str, int]
Pieces = tuple[str, str, str]  # of a line; what the answer says comes between and after them
_DIGITS: Final = tuple([f"{number:03d}" for number in range(1000)])


def stamps(second: int) -> tuple[str, str]:
    """Write a moment in UTC as logs have it, and as RFC 3339 does, its fraction left open.

    As in 06/Nov/1994:08:49:37 +0000 and 1994-11-06T08:49:37.
    """
    date = build_date(second)  # Sun, 06 Nov 1994 08:49:37 GMT
    day, month, year, clock = date[5:7], date[8:11], date[12:16], date[17:25]
    number = MONTHS.index(month) + 1
    return f"{day}/{month}/{year}:{clock} +0000", f"{year}-{number:02d}-{day}T{clock}"


class AccessLog:
    """Watches answers and writes a line for each. The subclasses say what stands in it.

    sink: where lines go. wall: seconds since 1970. log_query: write queries too. quiet: targets
    that are not logged while all is well, such as those that ask for the server's health.
    on_fault: told of answers on which something went wrong. worker: the number of this process.

    What a head says is written once: a client that asks the same again on its connection has
    the same Headers as before (wire/h1/head.py), and by them what stands for it is found.
    """

    def __init__(
        self,
        sink: Sink,
        wall: Callable[[], float],
        *,
        log_query: bool = False,
        quiet: frozenset[str] = frozenset(),
        on_fault: Answered | None = None,
        worker: int = 0,
    ) -> None:
        self._write = sink.write
        self._wall = wall
        self._shown = without_userinfo if log_query else without_query
        self._quiet = quiet
        self._on_fault = on_fault
        # By the id of the fields, which are kept so that the id stays theirs. They alone say too
        # little: a method that changes nothing else of a head must not hide behind another's.
        self._kept: dict[int, tuple[Headers, str, str, str, Peer | None, Pieces]] = {}
        self._prepare(worker)

    def _prepare(self, worker: int) -> None:
        """Make what the subclass remembers of texts and of the time."""

    def every_second(self) -> None:
        """Look at the clock, where that is enough."""

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        """Write a line."""
        if request is None:
            pieces = self._pieces(None, where)
        else:
            headers, target, method = request.headers, request.target, request.method
            version, peer = request.version, request.peer  # of whom a trusted proxy may tell
            kept = self._kept.get(id(headers))
            if (
                kept is None
                or kept[0] is not headers
                or kept[1] != target
                or kept[2] != method
                or kept[3] != version
                or kept[4] != peer
            ):
                if target in self._quiet and status_code < 500:
                    return
                if len(self._kept) >= _KNOWN_MOST:
                    self._kept.clear()
                kept = headers, target, method, version, peer, self._pieces(request, where)
                self._kept[id(headers)] = kept
            pieces = kept[5]
        self._write(self._line(pieces, request, status_code, size, seconds, why))
        if why and self._on_fault is not None:
            self._on_fault(request, where, status_code, size, seconds, why)

    def _pieces(self, request: Request | None, where: Received) -> Pieces:
        """Write what a head says, or what is known of one that could not be read."""
        raise NotImplementedError  # each format says how

    def _line(
        self,
        pieces: Pieces,
        request: Request | None,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> str:
        """Write a line around those pieces."""
        raise NotImplementedError  # as above


class ShortLog(AccessLog):
    """A short line for whoever develops: status, request, size, time, and what went wrong."""

    def _pieces(self, request: Request | None, where: Received) -> Pieces:
        if request is None:
            return "-", "", ""
        target = quoted(self._shown(request.target), TARGET)
        return f"{quoted(request.method, SHORT)} {target}", "", ""

    def _line(
        self,
        pieces: Pieces,
        request: Request | None,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> str:
        reason = f"  {quoted(why, WHY)}" if why else ""
        return f"{status_code} {pieces[0]}  {size} B  {seconds * 1000:.1f} ms{reason}\n"


class CombinedLog(AccessLog):
    """The combined format of Apache and nginx, to the letter; times are UTC.

    The clock is looked at once a second, as by nginx it is once a round of its loop.
    """

    def _prepare(self, worker: int) -> None:
        shown = self._shown
        self._short = Known(lambda text: quoted(text, SHORT), "-")
        self._targets = Known(lambda text: quoted(shown(text), TARGET), "-")
        self._referers = Known(lambda text: quoted(shown(text), REFERER), "-")
        self._agents = Known(lambda text: quoted(text, AGENT), "-")
        self._stamp = ""
        self.every_second()

    def every_second(self) -> None:
        """Look at the clock."""
        self._stamp = stamps(int(self._wall()))[0]

    def _pieces(self, request: Request | None, where: Received) -> Pieces:
        short = self._short
        asked, referer, agent, peer = "-", "-", "-", where.peer
        if request is not None:
            peer, first = request.peer, request.headers.first
            asked = (
                f"{short[request.method]} {self._targets[request.target]}"
                f" HTTP/{short[request.version]}"
            )
            referer, agent = self._referers[first("referer")], self._agents[first("user-agent")]
        return (
            f"{short[peer[0] if peer is not None else None]} - - [",
            f'] "{asked}" ',
            f' "{referer}" "{agent}"\n',
        )

    def _line(
        self,
        pieces: Pieces,
        request: Request | None,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> str:
        first, middle, last = pieces
        return f"{first}{self._stamp}{middle}{status_code} {size}{last}"


class JsonLog(AccessLog):
    """A JSON object a line, with everything that is known; what is not is null."""

    def _prepare(self, worker: int) -> None:
        shown = self._shown
        self._worker = worker
        self._second = -1
        self._stamp = ""  # of that second
        self._short = Known(lambda text: json_text(text, SHORT), "null")
        self._targets = Known(lambda text: json_text(shown(text), TARGET), "null")
        self._referers = Known(lambda text: json_text(shown(text), REFERER), "null")
        self._agents = Known(lambda text: json_text(text, AGENT), "null")
        self._hosts = Known(lambda text: json_text(text, HOST), "null")

    def _pieces(self, request: Request | None, where: Received) -> Pieces:
        short, tls, peer = self._short, where.tls, where.peer
        method = target = version = host = referer = agent = "null"
        if request is not None:
            peer, first = request.peer, request.headers.first
            method, version = short[request.method], short[request.version]
            target, host = self._targets[request.target], self._hosts[first("host")]
            referer, agent = self._referers[first("referer")], self._agents[first("user-agent")]
        address, port = ("null", "null") if peer is None else (short[peer[0]], peer[1])
        text = (
            f'"peer":{address},"peer_port":{port},'
            f'"method":{method},"target":{target},"version":{version},"host":{host},'
            f'"referer":{referer},"user_agent":{agent},'
            f'"tls":{"null" if tls is None else short[tls.version]},"worker":{self._worker}}}\n'
        )
        return text, "", ""

    def _line(
        self,
        pieces: Pieces,
        request: Request | None,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> str:
        now = self._wall()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, stamps(second)[1]
        # Numbers by three digits from a table: formatting a float takes three times as long.
        moment = _DIGITS[int((now - second) * 1000)]
        whole, micro = divmod(int(seconds * 1e6), 1_000_000)
        name = "null"
        if request is not None:
            named = request.extras.get(REQUEST_ID)
            name = json_text(named, NAME) if isinstance(named, str) else "null"
        return (
            f'{{"time":"{self._stamp}.{moment}Z","status":{status_code},"bytes":{size},'
            f'"seconds":{whole}.{_DIGITS[micro // 1000]}{_DIGITS[micro % 1000]},'
            f'"request_id":{name},"why":{json_text(why, WHY) if why else "null"},{pieces[0]}'
        )
