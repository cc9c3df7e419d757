"""One HTTP/1.1 connection as pure objects: the half that both roles share.

Two states walk the table of state.py, ours and theirs. Bytes wait in one buffer with a
position; a head is looked for where the last look ended, a body is cut by a reader. The
roles (client.py, server.py) differ in three things only: which heads they read, which they
write, and what decides that a connection persists.
"""

from __future__ import annotations

from crlf.message.errors import LocalError, Malformed, RemoteError, TooLarge
from crlf.wire.h1.body import (
    FORBIDDEN_TRAILERS,
    LATE_TRAILERS,
    ChunkedReader,
    CloseReader,
    LengthReader,
)
from crlf.wire.h1.framing import CHUNKED, TO_CLOSE, Facts
from crlf.wire.h1.head import CarefulWalk, has_stray_control
from crlf.wire.h1.state import (
    BODY,
    CLOSE,
    CLOSED,
    DATA,
    DONE,
    FAIL,
    FAILED,
    HEAD,
    IDLE,
    NEXT,
    NO,
    STATE_NAMES,
    STEP_NAMES,
    STOP,
    SWITCHED,
    TABLE,
    WHOLE,
)  # fmt: skip
from crlf.wire.limits import Limits
from crlf.wire.parts import CLOSED as CLOSED_PART
from crlf.wire.parts import END, Closed, Data, End, Head, Part, Switched

Reader = LengthReader | ChunkedReader | CloseReader


class H1Engine:
    """What a client's and a server's engine have in common.

    ours, theirs: the states of what we send and what they send (state.py).
    limits: the bounds on what they send.
    """

    is_server = False

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ours = IDLE
        self.theirs = IDLE
        self._in: bytes | bytearray = b""
        self._at = 0  # everything before it has been read
        self._checked = 0  # no head ends before it, and no stray control character is there
        self._line_at = 0  # where the last line before it begins
        self._base = 0  # bytes of their present message that came before the buffer
        self._ended = False  # they will send no more
        self._reader: Reader | None = None
        self._end_due = False  # their message is complete, its End not handed out yet
        self._fault: RemoteError | TooLarge | None = None
        self._out: list[bytes] = []
        self._left = 0  # bytes of our body still to come, or CHUNKED or TO_CLOSE
        self._drops_data = False  # our message answers HEAD, or is a 304: its data stays here
        self._persists = True
        self._block_data: bytes | None = None

    # -- receiving

    def receive(self, data: bytes) -> None:
        """Take bytes that arrived. b"" says that the peer will send no more."""
        if not data:
            self._ended = True
        elif self._at >= len(self._in):
            self._base += self._at
            self._in = data
            self._at = self._checked = self._line_at = 0
        elif self.theirs != FAILED and self.theirs != CLOSED:  # else nobody will read it
            rest = self._in
            if not isinstance(rest, bytearray):
                self._in = rest = bytearray(rest)
            if self._at > 65536:
                self._base += self._at
                self._checked = max(0, self._checked - self._at)
                self._line_at = max(0, self._line_at - self._at)
                del rest[: self._at]
                self._at = 0
            rest += data

    def next_part(self) -> Part | None:
        """Return the next part, or None when more must happen first.

        Raises RemoteError or TooLarge when the peer broke a rule, each time it is asked.
        """
        theirs = self.theirs
        if theirs == IDLE:
            try:
                return self._next_head()
            except (Malformed, TooLarge) as fault:
                raise self._failed(fault) from None
        if theirs == BODY:
            try:
                return self._next_data()
            except (Malformed, TooLarge) as fault:
                raise self._failed(fault) from None
        if self._end_due:
            return self._their_end()
        if self._fault is not None:
            raise self._fault
        if theirs == SWITCHED:
            return Switched(self.leftover())
        if theirs == CLOSED or (theirs == DONE and self.ours == CLOSED):
            return CLOSED_PART
        return None

    def take_rest(self) -> bytes | None:
        """Return the content that is left and end their message, when all of it has arrived.

        What `next_part` would give as Data and End, in one step. None when that is the way:
        something has still to arrive, or its length is not known before its end.
        """
        reader = self._reader
        if self.theirs != BODY or type(reader) is not LengthReader:
            return None
        data, at = self._in, self._at
        end = at + reader.left
        if end > len(data):
            return None
        self._at = end
        self.theirs = TABLE[BODY][STOP]
        self._reader = None
        if self.ours == DONE:
            self._cycle()
        content = data[at:end]
        return content if type(content) is bytes else bytes(content)

    def leftover(self) -> bytes:
        """Take the bytes that have arrived and belong to no message yet."""
        rest = bytes(self._in[self._at :])
        self._in = b""
        self._at = self._checked = self._line_at = 0
        return rest

    @property
    def is_reusable(self) -> bool:
        """Whether a new exchange may start here."""
        return (
            self.ours == IDLE
            and self.theirs == IDLE
            and self._persists
            and self._at >= len(self._in)
            and not self._ended
        )

    @property
    def holds_bytes(self) -> bool:
        """Whether bytes have arrived that no part has been made of."""
        return self._at < len(self._in)

    @property
    def drops_content(self) -> bool:
        """Whether the content of our present message stays here: an answer to HEAD, a 304."""
        return self._drops_data

    @property
    def body_is_due(self) -> bool:
        """Whether content of their present message is still to come."""
        return self.theirs == BODY

    @property
    def body_left(self) -> int | None:
        """Bytes of their present body still to come; None when nobody can know."""
        reader = self._reader
        if self.theirs != BODY:
            return 0
        return reader.left if isinstance(reader, LengthReader) else None

    def _next_head(self) -> Part | None:
        raise NotImplementedError  # each role reads its own kind of head

    def _find_head(self) -> bytes | None:
        """Return the next head without its empty line, or None when it is not whole.

        Refuses what can never become a head as soon as that is certain.
        """
        data, at = self._in, self._at
        start = self._checked - 3  # its end may have begun there
        end = data.find(b"\r\n\r\n", start if start > at else at)
        if end < 0:
            self._check_partial_head()
            return None
        if end + 4 - at > self.limits.head:
            self._walk_partial_head()
        self._base = -at
        self._at = end + 4
        head = data[at:end]
        return head if type(head) is bytes else bytes(head)

    def _check_partial_head(self) -> None:
        """Look at what has come of a head since the last look, and at no byte twice."""
        data, at, limits = self._in, self._at, self.limits
        size = len(data)
        checked = size - 1 if data[size - 1] == 13 else size  # a last CR may lack its LF yet
        start, line_at = max(at, self._checked), max(at, self._line_at)
        bad = size - at >= limits.head or has_stray_control(data[start:checked])
        while not bad:
            end = data.find(b"\r\n", start, checked)
            most = limits.line if line_at == at else limits.field
            bad = (checked if end < 0 else end) - line_at > most
            if end < 0:
                break
            start = line_at = end + 2
        if bad:
            self._walk_partial_head()
        if self._ended:
            raise Malformed("connection closed inside a head", "RFC 9112 8", 400, size - at)
        self._checked, self._line_at = checked, line_at

    def _walk_partial_head(self) -> None:
        """Raise the first fault of a head that is not whole or too large, if there is one."""
        data = bytes(self._in[self._at : self._at + self.limits.head])
        walk = CarefulWalk(data, self.limits, whole=False, folds=not self.is_server)
        self._read_start_line(walk)
        walk.headers()

    def _read_start_line(self, walk: CarefulWalk) -> object:
        raise NotImplementedError  # each role reads its own kind of start line

    def _message_begins(self, facts: Facts) -> None:
        """Note that their head has passed, and how its body ends."""
        self._persists = self._persists and facts.persists
        length = facts.length
        if length == 0:
            self._end_due = True
            self.theirs = TABLE[self.theirs][WHOLE]
            return
        self.theirs = TABLE[self.theirs][HEAD]
        if length == CHUNKED:
            self._reader = ChunkedReader(self.limits, folds=not self.is_server)
        elif length == TO_CLOSE:
            self._reader = CloseReader()
        else:
            self._reader = LengthReader(length)

    def _next_data(self) -> Part | None:
        reader = self._reader
        if reader is None:
            return None
        if self._at < len(self._in):
            try:
                content, self._at = reader.take(self._in, self._at)
            except Malformed as fault:
                fault.offset = self._base + (self._at if fault.offset is None else fault.offset)
                raise
            if reader.done:
                self._end_due = True
                self.theirs = TABLE[BODY][STOP]
            if content:
                return Data(content)
            if reader.done:
                return self._their_end()
        if self._ended:
            reader.end()
            self._end_due = True
            self.theirs = TABLE[BODY][STOP]
            return self._their_end()
        return None

    def _their_end(self) -> End:
        self._end_due = False
        reader, self._reader = self._reader, None
        if self.ours == DONE:
            self._cycle()
        if reader is None or reader.trailers is None:
            return END
        return End(reader.trailers)

    def _cycle(self) -> None:
        """Both messages are complete: go on to the next exchange, or be closed."""
        if self._persists:
            self.ours = TABLE[self.ours][NEXT]
            self.theirs = TABLE[self.theirs][NEXT]
        else:
            self.ours = TABLE[self.ours][CLOSE]
            self.theirs = TABLE[self.theirs][CLOSE]

    def _failed(self, fault: Malformed | TooLarge) -> RemoteError | TooLarge:
        self.theirs = TABLE[self.theirs][FAIL]
        self._persists = False
        # RFC 9110 15.6.3: who asked on behalf of another answers 502 to a broken response.
        status_code = fault.status_code if self.is_server else 502
        if isinstance(fault, TooLarge):
            fault.status_code = status_code
            self._fault = fault
        else:
            self._fault = RemoteError(fault.reason, fault.rule, status_code, fault.offset)
        return self._fault

    # -- sending

    def send(self, part: Part) -> None:
        """Write a part. Raises LocalError, and then has changed nothing."""
        if type(part) is Data:
            self._send_data(part.data)
        elif type(part) is End:
            self._send_end(part)
        elif type(part) is Closed:
            unasked = self.ours == IDLE and self.theirs == IDLE
            self.ours = self._step(CLOSE)
            self._persists = False
            if unasked:  # no request can come of it any more, or no answer
                self.theirs = TABLE[IDLE][CLOSE]
        else:
            self._send_head(part)  # type: ignore[arg-type]  # each role refuses the other's

    def _send_head(self, head: Head) -> None:
        raise NotImplementedError  # each role writes its own kind of head

    def outgoing(self) -> bytes:
        """Return the bytes that must go out now, each byte once."""
        out = self._out
        if len(out) == 1:
            return out.pop()
        data = b"".join(out)
        out.clear()
        return data

    def _step(self, step: int) -> int:
        """Return our state after a step. Raises LocalError when the table has none."""
        after = TABLE[self.ours][step]
        if after == NO:
            raise LocalError(
                f"cannot send {STEP_NAMES[step]} in state {STATE_NAMES[self.ours]}", "RFC 9112 6"
            )
        return after

    def _send_data(self, data: bytes) -> None:
        self._step(DATA)
        if not data or self._drops_data:
            return
        if self._left == CHUNKED:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
            return
        self._count_off(len(data))
        self._out.append(data)

    @property
    def may_send_beside(self) -> bool:
        """Whether content may go out without passing here (sendfile): not where it is chunked."""
        return self._left != CHUNKED

    def send_beside(self, count: int) -> None:
        """Count content that goes out beside, after all that `outgoing` has handed out.

        Where `drops_content` is true, none is to be sent. Raises LocalError.
        """
        self._step(DATA)
        if not self._drops_data:
            if self._left == CHUNKED or self._out:
                raise LocalError("content beside chunks, or before what is queued", "RFC 9112 7.1")
            self._count_off(count)

    def _count_off(self, count: int) -> None:
        if count > self._left >= 0:
            over = count - self._left
            raise LocalError(f"{over:,} bytes more than Content-Length", "RFC 9110 8.6")
        if self._left > 0:
            self._left -= count

    def _send_end(self, end: End) -> None:
        after = self._step(STOP)
        trailers = end.trailers
        if self._left > 0 and not self._drops_data:
            raise LocalError(f"{self._left:,} bytes fewer than Content-Length", "RFC 9110 8.6")
        for name in trailers:
            if name in FORBIDDEN_TRAILERS or name in LATE_TRAILERS:
                raise LocalError(f"{name} in a trailer", "RFC 9110 6.5.1")
        if self._left == CHUNKED and not self._drops_data:
            self._out.append(b"0\r\n%b\r\n" % trailers.block())
        elif trailers.fields and not self._drops_data:
            raise LocalError("trailers need a chunked body", "RFC 9110 6.5.1")
        self.ours = after
        self._our_end()

    def _our_end(self) -> None:
        """Our message is complete: if theirs is too, go on. A server need not have fetched the
        End of a request without a body; a client, answered early, has still to be given it."""
        if self.theirs == DONE and ((self._reader is None and self.is_server) or not self._end_due):
            self._end_due = False
            self._cycle()
        elif self.theirs == IDLE and self.is_server:
            self._cycle()  # an answer to no request: to a client that is too slow, or at the end
