"""What goes over the wire, as it goes: `>` what is sent, `<` what is received, `*` what else.

Every line of every message is shown, chunk sizes too. On a terminal control characters are
written as escapes, and the end of each line is visible: ␍␊ is the CRLF that ends a line of
HTTP. Elsewhere the bytes are as they were, line ends included. Left out are only credentials,
binary content and what is beyond the first 64 KiB of a body; each says so.
"""

from __future__ import annotations

import re
from contextlib import suppress

from crlf.cli.environment import Environment
from crlf.cli.showing.output import count
from crlf.cli.terminal import Style, harmless_line, is_text
from crlf.net.tap import Event
from crlf.patterns import pattern

MOST = 64 * 1024  # bytes of one body that are shown
_LONGEST = 16 * 1024  # bytes of a body's line that are waited for before it is shown in pieces
_CREDENTIALS = pattern(rb"((?:proxy-)?authorization: *[!-~]+ +)[^\r\n]+", re.IGNORECASE)
_STATUS = pattern(r"(HTTP/[0-9.]+ )([1-5][0-9][0-9])(.*)")
_FIELD = pattern(r"([!-9;-~]+)(:.*)")
_INTERIM = pattern(rb"HTTP/1\.[0-9] 1(?!01)[0-9][0-9]")  # a head that another head follows


class Message:
    """What has gone one way since the other side last spoke: a head, then a body."""

    def __init__(self, sign: str) -> None:
        self.sign = sign
        self.is_head = True
        self.lines = 0  # of this head
        self.is_interim = False
        self.rest: list[bytes] = []  # of a line whose end has not come
        self.size = 0  # of the body, bytes
        self.binary: bool | None = None  # None until there is a body


class View:
    """Shows the events of a network; call it with each."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._is_terminal = environment.stderr_is_terminal
        self._style = Style(environment.wants_colour(self._is_terminal))
        self._messages: dict[int, Message] = {}
        self._opening: dict[int, tuple[str, float]] = {}
        encoding = environment.encoding.lower().replace("_", "-")
        self._ends = {b"\r\n": "␍␊", b"\n": "␊"} if encoding in ("utf-8", "utf8") else {}

    def __call__(self, event: Event) -> None:
        number, facts = event.connection, event.facts
        if event.what in ("sent", "received"):
            self._add(number, ">" if event.what == "sent" else "<", event.data)
        elif event.what == "opening":
            self._opening[number] = (event.data.decode("ascii"), event.at)
        elif event.what == "opened":
            place, began = self._opening[number]
            peer = None if facts is None else facts.peer
            address = "" if peer is None or peer[0] in place else f" ({peer[0]})"
            took = (event.at - began) * 1000
            self._remark(f"connected to {place}{address} in {took:.1f} ms")
        elif event.what == "secured" and facts is not None and facts.tls is not None:
            self._remark(f"{facts.tls.version}, {facts.tls.cipher}")
        else:
            self._finish(number)
            if event.what == "ended":
                self._remark("the server ended the connection")

    def finish(self) -> None:
        """Show what was held back."""
        for number in list(self._messages):
            self._finish(number)

    # -- messages

    def _add(self, number: int, sign: str, data: bytes) -> None:
        message = self._messages.get(number)
        if message is None or message.sign != sign:
            self._finish(number)
            message = self._messages[number] = Message(sign)
        at = 0
        while message.is_head and at < len(data):
            end = data.find(b"\n", at) + 1
            message.rest.append(data[at : end or len(data)])
            at = end or len(data)
            if end:
                self._head_line(message)
        if at < len(data):
            self._add_body(message, data[at:])

    def _head_line(self, message: Message) -> None:
        line = b"".join(message.rest)
        message.rest.clear()
        if message.lines == 0:
            message.is_interim = _INTERIM.match(line) is not None
        self._line(message.sign, line, message.lines)
        message.lines += 1
        if line in (b"\r\n", b"\n"):
            message.is_head, message.lines = message.is_interim and message.sign == "<", 0

    def _add_body(self, message: Message, data: bytes) -> None:
        if message.binary is None:
            message.binary = not is_text(data, "utf-8")
        shown = b"" if message.binary else data[: max(0, MOST - message.size)]
        message.size += len(data)
        *lines, rest = shown.split(b"\n")
        for line in lines:
            message.rest.append(line + b"\n")
            self._body_line(message)
        if rest:
            message.rest.append(rest)
            if sum(map(len, message.rest)) > _LONGEST:
                self._body_line(message)

    def _body_line(self, message: Message) -> None:
        self._line(message.sign, b"".join(message.rest), None)
        message.rest.clear()

    def _finish(self, number: int) -> None:
        """Show the end of what was said last on a connection."""
        message = self._messages.pop(number, None)
        if message is None:
            return
        if message.rest:
            self._line(message.sign, b"".join(message.rest), None)
        left = 0
        if message.binary:
            left = message.size
        elif message.size > MOST:
            left = message.size - MOST
        if left:
            what = "of binary content" if message.binary else "more"
            self._write(self._style.paint(f"{message.sign} [{count(left)} {what}]", "faint"))

    # -- lines

    def _line(self, sign: str, line: bytes, number: int | None) -> None:
        """Show one line. number: which of its head; None for a body's."""
        if number is not None:
            line = _CREDENTIALS.sub(rb"\1[not shown]", line)
        if not self._is_terminal:
            end = b"" if line.endswith(b"\n") else b"\n"
            with suppress(OSError, ValueError):  # who looks on no longer stops no exchange
                self._environment.stderr.write(b"%s %s%s" % (sign.encode(), line, end))
                self._environment.stderr.flush()
            return
        end = b"\r\n" if line.endswith(b"\r\n") else b"\n" if line.endswith(b"\n") else b""
        body = line[: len(line) - len(end)]
        text = body.decode("utf-8" if number is None else "latin-1", "replace")
        text = harmless_line(text).replace("\\t", "\t")
        if number is not None:
            text = self._painted(text, number)
        mark = self._ends.get(end, "") if self._style.has_colour else ""
        paint = self._style.paint
        self._write(paint(f"{sign} ", "faint") + text + paint(mark, "faint"))

    def _painted(self, text: str, number: int) -> str:
        """Colour a line of a head."""
        style = self._style
        if not style.has_colour:
            return text
        status = _STATUS.fullmatch(text)
        if number == 0 and status is not None:
            colour = style.status(int(status[2]))
            return status[1] + style.paint(status[2] + status[3], "strong", colour)
        if number == 0:
            return style.paint(text, "strong")
        field = _FIELD.fullmatch(text)
        return text if field is None else style.paint(field[1], "name") + field[2]

    def _remark(self, text: str) -> None:
        if self._is_terminal:
            text = harmless_line(text)
        self._write(self._style.paint(f"* {text}", "faint"))

    def _write(self, text: str) -> None:
        self._environment.tell(f"{text}\n")
