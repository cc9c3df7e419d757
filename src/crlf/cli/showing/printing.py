"""The parts of an exchange that were asked for, in their order: H B, h b, m.

On a terminal heads are coloured and harmless and content is formatted; into a pipe both go as
they were, a head's lines ended by LF so that other tools take them. Credentials in a request's
head are not shown. Its law: content goes through as it comes, and a blank line stands between
two parts and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from crlf.cli.arguments import Arguments
from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.cli.showing.formatting import TerminalOutput, read_pretty
from crlf.cli.showing.output import Output, StreamOutput, count
from crlf.cli.terminal import Style, harmless_line
from crlf.client.streamed import StreamedResponse
from crlf.message.batch import Batch
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.net.blocking import BlockingNetwork
from crlf.patterns import pattern
from crlf.ports import Network
from crlf.rules.tracing import Step, Trace
from crlf.wire.parts import RequestHead

PARTS = "HBhbmt"
_SECRETS = ("authorization", "proxy-authorization")
_CREDENTIALS = pattern(r"([!-~]+ +).+")


class Sent(Protocol):
    """What was sent last: see sent.py."""

    head: RequestHead | None
    content: Batch
    size: int

    @property
    def left(self) -> int: ...


class Measured(Protocol):
    """What an exchange took: see measure.py."""

    redirects: int
    head_size: int
    content_size: int

    @property
    def total(self) -> float: ...


class Printer:
    """Shows one exchange. parts: the letters of --print."""

    def __init__(self, parts: str, arguments: Arguments, environment: Environment) -> None:
        """Raise Failure for what cannot be meant."""
        odd = parts.translate({ord(letter): None for letter in PARTS})
        if odd:
            raise Failure(f"--print takes any of {PARTS}, not {odd[0]!r}")
        self._parts = parts
        self._environment = environment
        self._pretty = read_pretty(arguments.last("pretty"), environment)
        self._path = arguments.last("select")
        if self._path is not None:
            from crlf.cli.showing import selecting  # few select

            selecting.parse_path(self._path)
        self._is_terminal = environment.stdout_is_terminal
        is_coloured = self._pretty.colours or (
            arguments.last("pretty") is None and environment.wants_colour(self._is_terminal)
        )
        self._style = Style(is_coloured)
        self._sent: Sent | None = None
        self._measure: Measured | None = None
        self._has_written = False
        self._content: _Below | None = None

    def watch(
        self, network: Network | None, trace: Trace | None
    ) -> tuple[Network | None, Trace | None]:
        """Look on where what is to be shown is known there alone."""
        if "H" in self._parts or "B" in self._parts:
            from crlf.cli.showing import sent  # few look at what they asked
            from crlf.net.tap import TapNetwork

            network = BlockingNetwork() if network is None else network
            self._sent = watching = sent.Sent()
            network = TapNetwork(network, watching.event)
        if "m" in self._parts:
            from crlf.cli.showing import measure  # few ask for figures

            now = time.monotonic if network is None else network.now
            self._measure = measured = measure.Measure(now)
            trace = measured.step if trace is None else _both(measured.step, trace)
        return network, trace

    def begin(self, response: StreamedResponse) -> None:
        """Show what is before the content."""
        request = response.response.request
        if request is not None and "H" in self._parts:
            self._show_request(request)
        if request is not None and "B" in self._parts:
            self._show_request_content(request)
        if "h" in self._parts:
            self._gap()
            self._show_head(response)

    def output(self, response: StreamedResponse) -> Output:
        """Return where the content goes: to standard output, formatted as asked for."""
        inner = None
        if "b" in self._parts:
            inner = self._selecting() or self._plain(response.headers, bool(response.codings))
        self._content = _Below(inner, self._gap)
        return self._content

    def selected(self, sink: Output) -> Output:
        """Return what lets through to a file only what is selected, if something is to be."""
        if self._path is None:
            return sink
        from crlf.cli.showing import selecting

        return selecting.SelectOutput(self._path, sink)

    def end(self, response: StreamedResponse) -> None:
        """Show what is after the content."""
        content = self._content
        is_followed = "m" in self._parts or "t" in self._parts
        has_more = is_followed or ("h" in self._parts and bool(response.trailers))
        if has_more and content is not None and not content.ends_line and not self._is_terminal:
            self._environment.show("\n")
        if "h" in self._parts and response.trailers:
            self._gap()
            self._show_fields(response.trailers)
        if "m" in self._parts:
            self._gap()
            self._show_facts(response)

    # -- heads

    def _show_request(self, request: Request) -> None:
        head = None if self._sent is None else self._sent.head
        method, target, headers, version = (
            (request.method, request.target, request.headers, request.version)
            if head is None
            else head
        )
        line = self._style.paint(self._shown(method), "strong")
        self._put(f"{line} {self._shown(target)} HTTP/{version}\n")
        self._show_fields(headers)

    def _show_head(self, response: StreamedResponse) -> None:
        status = self._shown(f"{response.status_code} {response.reason}".rstrip(" "))
        colour = self._style.status(response.status_code)
        self._put(f"HTTP/{response.version} {self._style.paint(status, 'strong', colour)}\n")
        self._show_fields(response.headers)

    def _show_fields(self, headers: Headers) -> None:
        for name, value in headers.fields:
            if name.lower() in _SECRETS:
                value = _CREDENTIALS.sub(r"\1[not shown]", value)
            self._put(f"{self._style.paint(name, 'name')}: {self._shown(value)}\n")

    def _shown(self, value: str) -> str:
        """Return what a field says as text, UTF-8 where it is that; harmless on a terminal."""
        with suppress(UnicodeError):
            value = value.encode("latin-1").decode("utf-8")
        return harmless_line(value) if self._is_terminal else value

    # -- content

    def _plain(self, headers: Headers, is_coded: bool) -> Output:
        environment = self._environment
        stream = None if self._is_terminal else StreamOutput(environment.stdout)
        if stream is not None and not self._pretty.is_any:
            return stream
        return TerminalOutput(
            environment.show,
            headers,
            self._pretty,
            stream,
            width=environment.width,
            is_coded=is_coded,
        )

    def _selecting(self) -> Output | None:
        if self._path is None:
            return None
        from crlf.cli.showing import selecting

        environment = self._environment
        sink = StreamOutput(environment.stdout)
        if not self._is_terminal and not self._pretty.is_any:
            return selecting.SelectOutput(self._path, sink)
        pretty = self._pretty

        def shown(value: object) -> bytes:
            text = selecting.as_shown(value, Style(pretty.colours), indents=pretty.formats)
            return environment.encoded(f"{text}\n")

        return selecting.SelectOutput(self._path, sink, shown)

    def _show_request_content(self, request: Request) -> None:
        """Show what was sent: what was kept of it, or all of it once more, where it is there."""
        sent = self._sent
        if sent is None or sent.head is None or not sent.size:
            return
        headers = sent.head.headers
        output = _Below(self._plain(headers, "content-encoding" in headers), self._gap)
        left = sent.left
        pieces: Iterable[bytes] = sent.content.take()  # type: ignore[assignment]  # bytes or alike
        body = request.body
        if left > 0 and not isinstance(body, bytes) and body.can_send_again and not body.waits:
            pieces, left = body.chunks(), 0
        elif left > 0 and isinstance(body, bytes):
            pieces, left = (body,), 0
        for piece in pieces:
            output.write(bytes(piece))
            if output.is_full:
                break
        output.finish()
        if not output.ends_line and not self._is_terminal and self._parts.strip("HB"):
            self._environment.show("\n")
        if left > 0:
            self._environment.complain(f"{count(left)} more were sent than are shown")

    # -- what else is known

    def _show_facts(self, response: StreamedResponse) -> None:
        facts = response.response.facts
        measure = self._measure
        rows = []
        if facts is not None and facts.peer is not None:
            address, port = facts.peer
            rows.append(("peer", f"[{address}]:{port}" if ":" in address else f"{address}:{port}"))
        if facts is not None and facts.tls is not None:
            rows.append(("tls", f"{facts.tls.version}, {facts.tls.cipher}"))
        rows.append(("status", f"{response.status_code} {response.reason}".rstrip(" ")))
        rows.append(("version", f"HTTP/{response.version}"))
        if measure is not None and measure.redirects:
            rows.append(("redirects", f"{measure.redirects:,}"))
        if measure is not None:
            rows.append(("head", count(measure.head_size)))
            size = 0 if self._content is None else self._content.size
            coded = measure.content_size
            on_wire = f", {coded:,} on the wire" if coded not in (0, size) else ""
            rows.append(("content", f"{count(size)}{on_wire}"))
            rows.append(("seconds", f"{measure.total:.3f}"))
        wide = max(len(name) for name, _ in rows)
        for name, text in rows:
            shown = harmless_line(text) if self._is_terminal else text
            self._put(f"{self._style.paint(name, 'name')}{' ' * (wide - len(name) + 2)}{shown}\n")

    # -- writing

    def _gap(self) -> None:
        """Leave a line blank, if something stands above it."""
        if self._has_written:
            self._environment.show("\n")
        self._has_written = True

    def _put(self, text: str) -> None:
        self._has_written = True
        self._environment.show(text)


class _Below:
    """Content below something else: a blank line comes before its first byte.

    size: bytes of the content so far. ends_line: whether they end with their line.
    """

    def __init__(self, inner: Output | None, gap: Callable[[], None]) -> None:
        self._inner = inner
        self._gap = gap
        self.size = 0
        self.ends_line = True

    @property
    def is_full(self) -> bool:
        return self._inner is not None and self._inner.is_full

    def write(self, piece: bytes) -> None:
        if self._inner is not None:
            if piece and not self.size:
                self._gap()
            self._inner.write(piece)
            self.ends_line = piece.endswith(b"\n")
        self.size += len(piece)

    def finish(self) -> None:
        if self._inner is not None:
            self._inner.finish()

    def abandon(self) -> str:
        return "" if self._inner is None else self._inner.abandon()


def _both(first: Trace, second: Trace) -> Trace:
    """Return a trace that tells two."""

    def tell(step: Step) -> None:
        first(step)
        second(step)

    return tell
