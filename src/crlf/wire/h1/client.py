"""The client's engine: writes requests, reads responses (RFC 9112).

Which response answers which request is a matter of order alone, so a client's engine trusts
nothing that comes unasked: bytes on an idle connection, a body where none may be, a second
answer. Each of them ends the connection's use.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.message.errors import LocalError, Malformed, RemoteError
from crlf.message.headers import Headers
from crlf.wire.h1.framing import CHUNKED, TUNNEL, Facts, response_facts
from crlf.wire.h1.halves import H1Engine
from crlf.wire.h1.head import (
    NOT_CONTROL,
    CarefulWalk,
    parse_block,
    parse_status_line,
)
from crlf.wire.h1.sending import outgoing_facts, request_line
from crlf.wire.h1.state import BODY, DONE, HEAD, IDLE, SWITCH, WHOLE
from crlf.wire.limits import CLIENT_LIMITS, Limits
from crlf.wire.parts import CLOSED as CLOSED_PART
from crlf.wire.parts import Part, RequestHead, RequestLike, ResponseHead

_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH", "QUERY"})  # say Content-Length: 0, RFC 9110 8.6


class _Sent(NamedTuple):
    """A request as it was sent: the same once more is the same bytes."""

    method: str
    target: str
    headers: Headers
    data: bytes


class ClientEngine(H1Engine):
    """One connection as its client sees it."""

    def __init__(self, limits: Limits = CLIENT_LIMITS) -> None:
        super().__init__(limits)
        self._request: RequestLike | None = None
        self._interim = 0  # 1xx responses to the present request
        self._head: ResponseHead | None = None  # the last final one, and what its bytes were
        self._line_data = b""
        self._line_method = ""
        self._facts: Facts | None = None
        self._sent: _Sent | None = None  # the last request without content

    @property
    def awaits_response(self) -> bool:
        """Whether a request has been sent that is not answered yet."""
        return self.theirs == IDLE and self.ours in (BODY, DONE)

    @property
    def upgrade(self) -> str | None:
        """The protocols that the last response switched to or offers, or None."""
        return None if self._facts is None else self._facts.upgrade

    @property
    def is_coded(self) -> bool:
        """Whether the last response's body has codings to be undone, chunked aside."""
        return self._facts is not None and self._facts.is_coded

    # -- receiving

    def _next_head(self) -> Part | None:
        data, at = self._in, self._at
        if at >= len(data):
            if not self._ended:
                return None
            if self.ours == IDLE:
                return CLOSED_PART
            raise Malformed("connection closed without a response", "RFC 9112 8", 502, 0)
        if self.ours == IDLE:
            # RFC 9112 9.2: not an answer to anything. Never kept for the next request.
            raise Malformed("bytes that no request asked for", "RFC 9112 9.2", 502, 0)
        head = self._find_head()
        if head is None:
            return None
        line, _, block = head.partition(b"\r\n")
        seen = self._head
        if seen is not None and block == self._block_data:
            method = "" if self._request is None else self._request.method
            if line == self._line_data and method == self._line_method and self._facts is not None:
                return self._begun(seen, self._facts)
            headers = seen.headers
        else:
            parsed = parse_block(block, self.limits)
            if parsed is None:
                return self._careful_head(head)
            headers = parsed
        if len(line) > self.limits.line or line.translate(None, NOT_CONTROL):
            return self._careful_head(head)
        try:
            code, reason, version = parse_status_line(line.decode("latin-1"))
        except Malformed:
            return self._careful_head(head)
        response = self._understood(ResponseHead(code, headers, reason, version))
        if code >= 200:
            self._line_data, self._block_data = line, block
        return response

    def _careful_head(self, head: bytes) -> Part:
        walk = CarefulWalk(head, self.limits, whole=True, folds=True)
        code, reason, version = self._read_start_line(walk) or parse_status_line("")
        return self._understood(ResponseHead(code, walk.headers(), reason, version))

    def _read_start_line(self, walk: CarefulWalk) -> tuple[int, str, str] | None:
        line = walk.next_line("line", self.limits.line, 502)
        return None if line is None else parse_status_line(line)

    def _understood(self, response: ResponseHead) -> Part:
        """Check what a well-formed head means. Raises Malformed (RFC 9112 6.3, 9110 15.2)."""
        method = "" if self._request is None else self._request.method
        facts = response_facts(response.status_code, response.headers, response.version, method)
        if response.status_code < 200:
            return self._interim_head(response, facts)
        self._line_data, self._block_data = b"", None
        self._head, self._facts, self._line_method = response, facts, method
        return self._begun(response, facts)

    def _begun(self, response: ResponseHead, facts: Facts) -> Part:
        if facts.length == TUNNEL:
            if self.ours != DONE:
                raise Malformed("2xx to CONNECT before its end", "RFC 9110 9.3.6", 502)
            self.theirs = self.ours = self._step(SWITCH)
            return response
        self._message_begins(facts)
        return response

    def _interim_head(self, response: ResponseHead, facts: Facts) -> Part:
        self._interim += 1
        self._persists = self._persists and facts.persists  # "close" counts here too
        if self._interim > self.limits.interim:
            raise Malformed(f"over {self.limits.interim} interim responses", "RFC 9110 15.2", 502)
        if response.status_code == 101:
            asked = self._request is not None and "upgrade" in self._request.headers
            if not asked or facts.upgrade is None or self.ours != DONE:
                raise Malformed("101 that no request asked for", "RFC 9110 15.2.2", 502)
            self._facts = facts
            self.theirs = self.ours = self._step(SWITCH)
        return response

    # -- sending

    def send_whole(self, head: RequestLike, content: bytes) -> None:
        """Write a request with all of its content, in one piece."""
        after = self._step(WHOLE)
        sent = self._sent
        if (
            not content
            and sent is not None
            and sent.headers is head.headers
            and sent.target == head.target
            and sent.method == head.method
            and self._persists
            and self.theirs == IDLE
            and self._at >= len(self._in)
        ):
            self._out.append(sent.data)
        else:
            start = self._start_of(head)
            facts = outgoing_facts(head.headers)
            if facts.is_chunked:
                raise LocalError("a whole request is sent with its length", "RFC 9112 6.2")
            if facts.length is not None and facts.length != len(content):
                raise LocalError("Content-Length is not that of the content", "RFC 9110 8.6")
            counts = facts.length is None and (content or head.method in _WITH_CONTENT)
            length = b"content-length: %d\r\n" % len(content) if counts else b""
            data = b"%b%b%b\r\n%b" % (start, facts.block, length, content)
            self._out.append(data)
            if "close" in facts.options:
                self._persists = False
            if not content and "close" not in facts.options:
                self._sent = _Sent(head.method, head.target, head.headers, data)
        self._begin_exchange(head)
        self.ours = after

    def _send_head(self, head: RequestHead | ResponseHead) -> None:
        if not isinstance(head, RequestHead):
            raise LocalError("a client sends requests", "RFC 9110 3.3")
        after = self._step(HEAD)
        start = self._start_of(head)
        facts = outgoing_facts(head.headers)
        self._out.append(b"%b%b\r\n" % (start, facts.block))
        if "close" in facts.options:
            self._persists = False
        self._left = CHUNKED if facts.is_chunked else facts.length or 0
        self._begin_exchange(head)
        self.ours = after

    def _start_of(self, head: RequestLike) -> bytes:
        """Check what a request must have, and write its request line (RFC 9112 3.2)."""
        if self._at < len(self._in):
            raise RemoteError("bytes that no request asked for", "RFC 9112 9.2", 502, 0)
        if not self._persists or self.theirs != IDLE:
            raise LocalError("this connection takes no further request", "RFC 9112 9.6")
        if len(head.headers.get_all("host")) != 1:
            raise LocalError("a request has exactly one Host field", "RFC 9112 3.2")
        if head.version != "1.1":
            raise LocalError(f"requests go out as HTTP/1.1, not {head.version}", "RFC 9112 2.3")
        return request_line(head.method, head.target)

    def _begin_exchange(self, head: RequestLike) -> None:
        self._request = head
        self._interim = 0
        self._drops_data = False
