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
from crlf.message.request import Received, Request
from crlf.patterns import pattern
from crlf.rules.requestids import REQUEST_ID

# Characters of a field, escapes counted. Together they stay below the 4096 bytes that a pipe
# takes as one piece, so that a line is whole there too; nginx has no limit, Apache 8 KiB.
TARGET: Final = 1536
REFERER: Final = 640
AGENT: Final = 384
HOST: Final = 255
WHY: Final = 240
SHORT: Final = 64

_KNOWN_MOST = 1024  # texts whose escaped form is remembered, of each kind of field
_KNOWN_LONGEST = 512  # characters of a text that is worth remembering
_PLAIN = pattern(r"[ !#-\[\]-~]*")  # visible ASCII but for quote and backslash
_USERINFO = pattern(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//[^/?#@]*@")


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


def quoted(text: str, most: int) -> str:
    r"""Escape a text for between quotes: every byte that is not plain as \xNN, at most so long.

    What is cut ends with "...".
    """
    if len(text) > most:
        text = text[: most - 3] + "..."
    if _PLAIN.fullmatch(text) is not None:
        return text
    return _bounded(_escaped_bytes(text), most)


def json_text(text: str, most: int) -> str:
    r"""Write a text as JSON, quotes included, in ASCII; a byte of the wire is one \u00NN."""
    if len(text) > most:
        text = text[: most - 3] + "..."
    if _PLAIN.fullmatch(text) is not None:
        return f'"{text}"'
    return f'"{_bounded([_json_character(character) for character in text], most)}"'


def _bounded(pieces: list[str], most: int) -> str:
    """Join escapes, none of them cut in two."""
    whole = "".join(pieces)
    if len(whole) <= most:
        return whole
    size, kept = 3, []
    for piece in pieces:
        size += len(piece)
        if size > most:
            break
        kept.append(piece)
    return "".join([*kept, "..."])


def _escaped_bytes(text: str) -> list[str]:
    """Escape character by character. On the wire one is a byte; beyond U+00FF it is UTF-8."""
    return [_BYTES[ord(each)] if each <= "\xff" else _beyond(each) for each in text]


def _beyond(character: str) -> str:
    return "".join([_BYTES[byte] for byte in character.encode("utf-8", "surrogatepass")])


def _json_character(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if 0x20 <= code < 0x7F:
        return character
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"


_BYTES: Final = tuple(
    [
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}"
        for byte in range(256)
    ]
)


def without_query(target: str) -> str:
    """Cut a target, or a referer, at its query; a user's name and password go too."""
    target = target.partition("?")[0].partition("#")[0]
    named = _USERINFO.match(target)
    return target if named is None else f"{target[: target.index('//')]}//{target[named.end() :]}"


class Stamps:
    """The present as a log writes it; of one second once. wall: seconds since 1970."""

    __slots__ = ("_iso", "_second", "_stamp", "_wall")

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._stamp = self._iso = ""

    def _renew(self, second: int) -> None:
        self._second = second
        date = build_date(second)  # Sun, 06 Nov 1994 08:49:37 GMT
        day, month, year, clock = date[5:7], date[8:11], date[12:16], date[17:25]
        self._stamp = f"{day}/{month}/{year}:{clock} +0000"
        self._iso = f"{year}-{MONTHS.index(month) + 1:02d}-{day}T{clock}"

    def clf(self) -> str:
        """As in 06/Nov/1994:08:49:37 +0000."""
        second = int(self._wall())
        if second != self._second:
            self._renew(second)
        return self._stamp

    def iso(self) -> str:
        """As in 1994-11-06T08:49:37.123Z (RFC 3339)."""
        now = self._wall()
        second = int(now)
        if second != self._second:
            self._renew(second)
        return f"{self._iso}.{int((now - second) * 1000):03d}Z"


class AccessLog:
    """Watches answers and writes a line for each. The subclasses say what stands in it.

    sink: where lines go. wall: seconds since 1970. log_query: write queries too. quiet: targets
    that are not logged while all is well, such as those that ask for the server's health.
    """

    def __init__(
        self,
        sink: Sink,
        wall: Callable[[], float],
        *,
        log_query: bool = False,
        quiet: frozenset[str] = frozenset(),
    ) -> None:
        self._write = sink.write
        self._log_query = log_query
        self._quiet = quiet
        self._stamps = Stamps(wall)

    def opened(self, where: Received) -> None:
        """Write nothing: a line is a request's."""

    def closed(self, where: Received) -> None:
        """Write nothing."""

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
        raise NotImplementedError


class CombinedLog(AccessLog):
    """The combined format of Apache and nginx, to the letter; times are UTC."""

    def __init__(
        self,
        sink: Sink,
        wall: Callable[[], float],
        *,
        log_query: bool = False,
        quiet: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(sink, wall, log_query=log_query, quiet=quiet)
        kept: Callable[[str], str] = str if log_query else without_query
        self._peers = Known(lambda text: quoted(text, SHORT), "-")
        self._methods = Known(lambda text: quoted(text, SHORT), "-")
        self._targets = Known(lambda text: quoted(kept(text), TARGET), "-")
        self._referers = Known(lambda text: quoted(kept(text), REFERER), "-")
        self._agents = Known(lambda text: quoted(text, AGENT), "-")

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        """Write a line; a request that could not be read is a "-"."""
        peer = where.peer
        if request is None:
            line = "-"
            referer = agent = "-"
        else:
            target = request.target
            if target in self._quiet and status_code < 500:
                return
            peer = request.peer  # a trusted proxy may have said who it is
            first = request.headers.first
            line = f"{self._methods[request.method]} {self._targets[target]} HTTP/{request.version}"
            referer, agent = self._referers[first("referer")], self._agents[first("user-agent")]
        address = "-" if peer is None else self._peers[peer[0]]
        self._write(
            f"{address} - - [{self._stamps.clf()}] "
            f'"{line}" {status_code} {size} "{referer}" "{agent}"\n'
        )


class ShortLog(AccessLog):
    """A short line for whoever develops: status, request, size, time, and what went wrong."""

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
            asked = "-"
        else:
            if request.target in self._quiet and status_code < 500:
                return
            target = request.target if self._log_query else without_query(request.target)
            asked = f"{quoted(request.method, SHORT)} {quoted(target, TARGET)}"
        reason = f"  {quoted(why, WHY)}" if why else ""
        self._write(f"{status_code} {asked}  {size} B  {seconds * 1000:.1f} ms{reason}\n")


class JsonLog(AccessLog):
    """A JSON object a line, with everything that is known; what is not is null.

    worker: the number of this process.
    """

    def __init__(
        self,
        sink: Sink,
        wall: Callable[[], float],
        *,
        worker: int,
        log_query: bool = False,
        quiet: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(sink, wall, log_query=log_query, quiet=quiet)
        kept: Callable[[str], str] = str if log_query else without_query
        self._worker = worker
        self._short = Known(lambda text: json_text(text, SHORT), "null")
        self._targets = Known(lambda text: json_text(kept(text), TARGET), "null")
        self._referers = Known(lambda text: json_text(kept(text), REFERER), "null")
        self._agents = Known(lambda text: json_text(text, AGENT), "null")
        self._hosts = Known(lambda text: json_text(text, HOST), "null")

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        """Write a line; of a request that could not be read it has the connection's facts."""
        peer, tls = where.peer, where.tls
        short = self._short
        if request is None:
            words = '"method":null,"target":null,"version":null'
            more = '"request_id":null,"host":null,"referer":null,"user_agent":null'
        else:
            target = request.target
            if target in self._quiet and status_code < 500:
                return
            peer = request.peer
            first = request.headers.first
            words = (
                f'"method":{short[request.method]},"target":{self._targets[target]},'
                f'"version":"{request.version}"'
            )
            named = request.extras.get(REQUEST_ID)
            more = (
                f'"request_id":{json_text(named, 128) if isinstance(named, str) else "null"},'
                f'"host":{self._hosts[first("host")]},"referer":{self._referers[first("referer")]},'
                f'"user_agent":{self._agents[first("user-agent")]}'
            )
        address, port = ("null", "null") if peer is None else (short[peer[0]], peer[1])
        self._write(
            f'{{"time":"{self._stamps.iso()}","peer":{address},"peer_port":{port},{words},'
            f'"status":{status_code},"bytes":{size},"seconds":{seconds:.6f},{more},'
            f'"tls":{"null" if tls is None else short[tls.version]},'
            f'"why":{json_text(why, WHY) if why else "null"},"worker":{self._worker}}}\n'
        )
