"""The server's engine: reads requests, writes responses (RFC 9112).

A request that breaks a rule is never repaired; the error carries the status code to answer
with, and after the answer the connection is over. Pipelined requests wait in the buffer,
unread, until the response before them is complete.
"""

from __future__ import annotations

from collections.abc import Iterator

from crlf.message.authority import parse_authority
from crlf.message.errors import LocalError, Malformed, RemoteError, TooLarge
from crlf.message.headers import Headers
from crlf.message.status import reason_of
from crlf.message.target import parse_target
from crlf.wire.h1.framing import CHUNKED, TO_CLOSE, Facts, request_facts
from crlf.wire.h1.halves import H1Engine
from crlf.wire.h1.head import (
    NOT_CONTROL,
    CarefulWalk,
    parse_block,
    parse_request_line,
)
from crlf.wire.h1.sending import Outgoing, outgoing_facts, status_line
from crlf.wire.h1.state import DONE, HEAD, IDLE, INTERIM, SWITCH, TABLE, WHOLE
from crlf.wire.limits import SERVER_LIMITS, Limits
from crlf.wire.parts import CLOSED as CLOSED_PART
from crlf.wire.parts import Part, RequestHead, ResponseHead, ResponseLike


class Standing:
    """The fields that a server adds to each response of its own, as lines ready to send.

    date: "date: ...\\r\\n", renewed once a second by whoever knows the time; b"" when nobody
    does. server: "server: ...\\r\\n" or b"".
    """

    __slots__ = ("date", "lines", "server")

    def __init__(self, date: bytes = b"", server: bytes = b"") -> None:
        self.server = server
        self.renew(date)

    def renew(self, date: bytes) -> None:
        """Put in a new date line."""
        self.date = date
        self.lines = date + self.server


NO_STANDING = Standing()
_JOINED = 256 * 1024  # bytes of content that are copied to go out in one piece with their head
_UNLIKE_200 = frozenset({204, 205, 304})
_UNLIKE_GET = frozenset({"HEAD", "CONNECT"})  # their responses are framed otherwise
_status_lines: dict[tuple[int, str], bytes] = {}  # at most one entry a registered status code


class ServerEngine(H1Engine):
    """One connection as its server sees it."""

    is_server = True

    def __init__(self, limits: Limits = SERVER_LIMITS, standing: Standing = NO_STANDING) -> None:
        super().__init__(limits)
        self._standing = standing
        self._head: RequestHead | None = None  # the last one, and what its bytes were
        self._line_data = b""
        self._facts: Facts | None = None
        self._blank_lines = 0

    @property
    def expects_continue(self) -> bool:
        """Whether the present request waits for a 100 before it sends its body."""
        return self._facts is not None and self._facts.expects_continue and self.body_is_due

    @property
    def upgrade(self) -> str | None:
        """The protocols that the present request asks to change to, or None."""
        return None if self._facts is None or self.theirs == IDLE else self._facts.upgrade

    @property
    def _request(self) -> RequestHead | None:
        """The request that a response would answer; None between two, or when it is no request."""
        return None if self.theirs == IDLE else self._head

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of a next request has arrived, and one may come."""
        return self.theirs == IDLE and self._at >= len(self._in)

    @property
    def may_answer(self) -> bool:
        """Whether a response may still begin."""
        return self.ours == IDLE

    def persist_no_more(self) -> None:
        """Let the next response be the last; it says so (RFC 9112 9.6)."""
        self._persists = False

    def forget(self) -> None:
        """Keep nothing of the last exchange while there is none: an idle connection is small.

        A head that comes again is read anew, not known by its bytes.
        """
        if self.is_waiting and self.ours == IDLE:
            self._head = self._facts = self._block_data = None
            self._line_data = b""
            self.leftover()

    # -- receiving

    def _next_head(self) -> Part | None:
        data, at = self._in, self._at
        if at >= len(data):
            if not self._ended:
                return None
            return CLOSED_PART
        if data[at] in b"\r\n" and not self._skip_blank_lines():
            return CLOSED_PART if self._ended else None
        head = self._find_head()
        if head is None:
            return None
        line, _, block = head.partition(b"\r\n")
        seen = self._head
        if seen is not None and block == self._block_data:
            if line == self._line_data and self._facts is not None:
                self._message_begins(self._facts)
                return seen
            headers: Headers | None = seen.headers
        else:
            headers = parse_block(block, self.limits)
        if headers is None or len(line) > self.limits.line or line.translate(None, NOT_CONTROL):
            return self._careful_head(head)
        try:
            method, target, version = parse_request_line(line.decode("latin-1"))
        except Malformed:
            return self._careful_head(head)
        request = self._understood(method, target, version, headers)
        self._line_data, self._block_data = line, block
        return request

    def _careful_head(self, head: bytes) -> RequestHead:
        walk = CarefulWalk(head, self.limits, whole=True, folds=False)
        method, target, version = self._read_start_line(walk) or ("", "", "")
        return self._understood(method, target, version, walk.headers())

    def _read_start_line(self, walk: CarefulWalk) -> tuple[str, str, str] | None:
        line = walk.next_line("line", self.limits.line, 414)
        return None if line is None else parse_request_line(line)

    def _understood(self, method: str, target: str, version: str, headers: Headers) -> RequestHead:
        """Check what a well-formed head means. Raises Malformed (RFC 9112 3.2, 6.3)."""
        host = headers.first("host")
        if host is not None:
            if len(headers.get_all("host")) > 1:
                raise Malformed("more than one Host field", "RFC 9112 3.2", 400)
            parse_authority(host)
        elif version != "1.0":
            raise Malformed("HTTP/1.1 request without a Host field", "RFC 9112 3.2", 400)
        parse_target(target, method)
        facts = request_facts(headers, version)
        self._line_data, self._block_data = b"", None
        self._facts = facts
        self._head = RequestHead(method, target, headers, version)
        self._message_begins(facts)
        return self._head

    def _skip_blank_lines(self) -> bool:
        """Skip empty lines before a request line; tell whether something else follows.

        RFC 9112 2.2: a server SHOULD ignore at least one; ours has an end, before which a
        connection has to come up with a request.
        """
        data = self._in
        while self._at < len(data) and data[self._at] in b"\r\n":
            pair = data[self._at : self._at + 2]
            if pair == b"\r" and not self._ended:
                return False
            if pair != b"\r\n":
                raise Malformed("bare CR or LF before a request line", "RFC 9112 2.2", 400, 0)
            self._blank_lines += 1
            if self._blank_lines > self.limits.blank_lines:
                raise Malformed("too many empty lines before a request", "RFC 9112 2.2", 400, 0)
            self._at += 2
        return self._at < len(data)

    def _failed(self, fault: Malformed | TooLarge) -> RemoteError | TooLarge:
        if self.theirs == IDLE:
            self._head = self._facts = None  # what cannot be read is not the request before it
        return super()._failed(fault)

    # -- sending

    def send_whole(self, head: ResponseLike, content: bytes) -> None:
        """Write a response with all of its content, in one piece."""
        status_code = head.status_code
        if TABLE[self.ours][WHOLE] != DONE or status_code < 200:
            self._step(WHOLE)
            raise LocalError("a whole message needs a final status code", "RFC 9110 15.2")
        facts = head.headers.noted
        if type(facts) is not Outgoing:
            facts = outgoing_facts(head.headers)
        seen = self._head
        if (
            facts.plain
            and self._persists
            and status_code not in _UNLIKE_200
            and seen is not None
            and self.theirs == DONE
            and seen.method not in _UNLIKE_GET
            and seen.version != "1.0"
        ):
            length = len(content)
            self._out.append(
                b"%b%b%bcontent-length: %d\r\n\r\n%b"
                % (
                    _status_lines.get((status_code, head.reason)) or _line_of(head),
                    facts.block,
                    self._standing.lines,
                    length,
                    content if length <= _JOINED else b"",
                )
            )
            if length > _JOINED:
                self._out.append(content)
            if self._reader is None:  # as _our_end would
                self._blank_lines = 0
                self._end_due = False
                self.ours = self.theirs = IDLE
                return
        else:
            lines, left, drops, persists = self._written(head, facts, len(content))
            if left >= 0 and left != len(content) and not drops:
                raise LocalError("Content-Length is not that of the content", "RFC 9110 8.6")
            self._persists = persists
            if drops:
                self._out.append(lines)
            elif left != CHUNKED:
                self._out += (lines, content)
            elif content:
                self._out += (lines, b"%x\r\n" % len(content), content, b"\r\n0\r\n\r\n")
            else:
                self._out.append(lines + b"0\r\n\r\n")
            if self._opens_tunnel(status_code):
                return
        self.ours = DONE
        self._blank_lines = 0
        self._our_end()

    def outgoing_pieces(self, most: int) -> Iterator[bytes]:
        """Yield what must go out now in pieces of at most so many bytes, with no copy of it all.

        Content that is large stays the object that it was given as, however slowly it is taken.
        """
        out, self._out = self._out, []
        pieces, room = [], most
        for data in out:
            start = 0
            while start < len(data):
                piece = data[start : start + room]
                pieces.append(piece)
                start, room = start + len(piece), room - len(piece)
                if not room:
                    yield b"".join(pieces)
                    pieces, room = [], most
        if pieces:
            yield b"".join(pieces)

    def _send_head(self, head: RequestHead | ResponseHead) -> None:
        if not isinstance(head, ResponseHead):
            raise LocalError("a server sends responses", "RFC 9110 3.3")
        facts = outgoing_facts(head.headers)
        if head.status_code < 200:
            self._send_interim(head, facts)
            return
        after = self._step(HEAD)
        lines, left, drops, persists = self._written(head, facts, None)
        self._out.append(lines)
        self._left, self._drops_data, self._persists = left, drops, persists
        self._blank_lines = 0
        if not self._opens_tunnel(head.status_code):
            self.ours = after

    def _opens_tunnel(self, status_code: int) -> bool:
        """Go over to a tunnel after a 2xx to CONNECT (RFC 9112 6.3, rule 2); tell whether."""
        request = self._request
        if request is None or request.method != "CONNECT" or status_code >= 300:
            return False
        self.ours = self.theirs = TABLE[IDLE][SWITCH]
        return True

    def _send_interim(self, head: ResponseHead, facts: Outgoing) -> None:
        after = self._step(INTERIM)
        if facts.length is not None or facts.is_chunked:
            raise LocalError("framing fields in an interim response", "RFC 9112 6.1")
        if self._request is None or self._request.version == "1.0":
            raise LocalError("an interim response to HTTP/1.0 or nobody", "RFC 9110 15.2")
        lines = _line_of(head) + facts.block + b"\r\n"
        if head.status_code == 101:
            if self.upgrade is None:
                raise LocalError("101 without an Upgrade asked for", "RFC 9110 15.2.2")
            if "upgrade" not in head.headers or "upgrade" not in facts.options:
                raise LocalError("101 without Upgrade and Connection: Upgrade", "RFC 9110 7.8")
            if self.theirs != DONE:
                raise LocalError("101 before the end of the request", "RFC 9110 7.8")
            after = self._step(SWITCH)
            self.theirs = after
        elif head.status_code == 100 and self._facts is not None:
            # It waits no longer; the same head once more would, so it is read anew.
            self._facts = self._facts._replace(expects_continue=False)
            self._block_data = None
        self._out.append(lines)
        self.ours = after

    def _written(
        self, head: ResponseLike, facts: Outgoing, length: int | None
    ) -> tuple[bytes, int, bool, bool]:
        """Return a response's head as bytes, what its body will be, whether that is dropped, and
        whether we persist.

        length: of content that is known already, or None. Changes nothing.
        """
        status_code, request = head.status_code, self._request
        method = "" if request is None else request.method
        old = request is not None and request.version == "1.0"
        if facts.is_chunked and (old or request is None):
            raise LocalError("chunked to a peer that may not know it", "RFC 9112 6.1")
        lines = [_line_of(head), facts.block]
        framed = facts.length if facts.length is not None else length
        # RFC 9110 10.1.1: who still waits for a 100 may send the content or not. Nor does a
        # connection go on after an answer to no request at all.
        persists = (
            self._persists
            and "close" not in facts.options
            and request is not None
            and not self.expects_continue
        )
        drops = method == "HEAD" or status_code == 304
        tunnel = method == "CONNECT" and status_code < 300
        if tunnel and self.theirs != DONE:
            raise LocalError("a tunnel before the end of the request", "RFC 9110 9.3.6")
        if status_code in (204, 205) or tunnel:
            if framed or facts.is_chunked or (facts.length is not None and status_code == 204):
                raise LocalError(f"content in a {status_code}", "RFC 9110 15.3.5")
            left = 0
            if status_code == 205 and facts.length is None:
                lines.append(b"content-length: 0\r\n")  # RFC 9110 15.3.6
        elif facts.is_chunked or (framed is None and not old and request is not None):
            left = CHUNKED
            if not facts.is_chunked and not drops:
                lines.append(b"transfer-encoding: chunked\r\n")
        elif framed is None:
            left, persists = TO_CLOSE, False
        else:
            left = framed
            # RFC 9110 8.6: to HEAD, the length that GET would have; in a 304 none is made up.
            if facts.length is None and status_code != 304:
                lines.append(b"content-length: %d\r\n" % framed)
        if "date" not in head.headers:
            lines.append(self._standing.date)
        if "server" not in head.headers:
            lines.append(self._standing.server)
        if tunnel:
            pass  # no option of the connection holds any more
        elif not persists and "close" not in facts.options:
            lines.append(b"connection: close\r\n")
        elif old and persists and "keep-alive" not in facts.options:
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        return b"".join(lines), left, drops, persists


def _line_of(head: ResponseLike) -> bytes:
    key = head.status_code, head.reason
    line = _status_lines.get(key)
    if line is None:
        line = status_line(head.status_code, head.reason or reason_of(head.status_code))
        if not head.reason:
            _status_lines[key] = line
    return line
