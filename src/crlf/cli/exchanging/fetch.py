"""`crlf get` and its sisters: one exchange, from the command line to the exit code.

The content of a good answer goes where it is wanted, piece by piece. A file that was named with
-o is only ever replaced by what was asked for: an answer of 4xx or 5xx leaves it as it was. What
shows more than content is loaded when it is asked for, or when somebody reads on a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from crlf.cli.arguments import Arguments
from crlf.cli.asking.request import STANDING, Asked, read_request
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import BROKE, OK, OTHER, REDIRECTED, REFUSED, Failure
from crlf.cli.showing.output import FileOutput, Output, StreamOutput
from crlf.client.options import ClientOptions
from crlf.client.plain import PlainClient
from crlf.client.streamed import StreamedResponse
from crlf.message.body import Progress
from crlf.message.status import reason_of
from crlf.ports import Network
from crlf.rules.tracing import Trace


class Printer(Protocol):
    """What shows more than content: showing/printing.py, which few need."""

    def watch(
        self, network: Network | None, trace: Trace | None
    ) -> tuple[Network | None, Trace | None]: ...
    def begin(self, response: StreamedResponse) -> None: ...
    def output(self, response: StreamedResponse) -> Output | None: ...
    def selected(self, sink: Output) -> Output: ...
    def end(self, response: StreamedResponse) -> None: ...


def run(
    command: Command,
    arguments: Arguments,
    environment: Environment,
    network: Network | None = None,
    *,
    is_shown: bool = False,
    trace: Trace | None = None,
    progress: Progress | None = None,
) -> int:
    """Send the request that a command line asks for; return the exit code.

    network: another one than the machine's. is_shown: the whole exchange is being shown to who
    would read standard output. trace: told of every step. progress: told how much of a file, or of
    standard input, is out. Raises Failure, CrlfError, OSError.
    """
    environment.is_silent = len(arguments.every("quiet")) > 1
    asked = read_request(command, arguments, environment)
    try:
        with in_session(asked, arguments, environment) as asked:
            parts = _parts(arguments, environment, asked.method, is_shown)
            printer = _printer(parts, arguments, environment)
            if printer is not None:
                network, trace = printer.watch(network, trace)
            if trace is not None:
                asked.options["trace"] = trace
            is_whole = isinstance(asked.options.get("content", b""), bytes)
            if progress is not None and ("files" in asked.options or not is_whole):
                asked.options["progress"] = progress
            client_options: ClientOptions = {"headers": STANDING, **asked.client}
            if network is not None:
                client_options["network"] = network
            with (
                PlainClient(**client_options) as client,
                client.stream(asked.method, asked.url, **asked.options) as response,
            ):
                output = _begin(response, parts, printer, arguments, environment)
                is_watched = is_shown or trace is not None or arguments.has("verbose")
                # For a head alone nobody waits for what comes after it.
                if is_watched or arguments.has("output") or not parts or parts.strip("HBh"):
                    _receive(response, output, environment, may_stop=not is_watched)
                if printer is not None:
                    printer.end(response)
                if not is_shown or arguments.has("output"):
                    _remark(asked.method, response, arguments, output, environment, "h" in parts)
                is_ignored = arguments.has("ignore-status")
                return OK if is_ignored else code_of(response.status_code)
    finally:
        asked.close()


def in_session(
    asked: Asked, arguments: Arguments, environment: Environment
) -> AbstractContextManager[Asked]:
    """Give what is asked with what its session adds, which is kept afterwards; most have none."""
    if not arguments.has("session") and not arguments.has("session-read-only"):
        return nullcontext(asked)
    from crlf.cli.asking.sessions import in_session as really

    return really(asked, arguments, environment)


def code_of(status_code: int) -> int:
    """Return the exit code for a final status."""
    if status_code < 300:
        return OK
    return REDIRECTED if status_code < 400 else REFUSED if status_code < 500 else BROKE


def _parts(arguments: Arguments, environment: Environment, method: str, is_shown: bool) -> str:
    """Return which parts of the exchange are shown, as the letters of --print."""
    said, target = arguments.last("print"), arguments.last("output")
    if arguments.has("quiet"):
        return ""
    if said is not None:
        return said
    if is_shown and target is None and not arguments.has("select"):
        return ""
    if method == "HEAD":
        return "h"
    if target is not None:
        return "b" if target == "-" else ""
    return "hb" if environment.stdout_is_terminal and not arguments.has("select") else "b"


def _printer(parts: str, arguments: Arguments, environment: Environment) -> Printer | None:
    """Load what shows parts; None where the content goes out as it is. Raises Failure."""
    is_plain = parts in ("", "b") and not (arguments.has("select") or arguments.has("pretty"))
    if is_plain and not (parts and environment.stdout_is_terminal):
        return None
    from crlf.cli.showing import printing  # what a pipe gets by itself needs none of it

    return printing.Printer(parts, arguments, environment)


def _begin(
    response: StreamedResponse,
    parts: str,
    printer: Printer | None,
    arguments: Arguments,
    environment: Environment,
) -> Output | None:
    """Show what stands before the content; return where that goes, None for nowhere."""
    if printer is not None:
        printer.begin(response)
    target = arguments.last("output")
    output: Output | None = None
    if target is None and printer is not None:
        return printer.output(response)
    if target in (None, "-"):
        output = StreamOutput(environment.stdout) if "b" in parts else None
    elif response.status_code < 400:
        output = FileOutput(environment.path(str(target)), str(target))
    return output if printer is None or output is None else printer.selected(output)


def _receive(
    response: StreamedResponse,
    output: Output | None,
    environment: Environment,
    *,
    may_stop: bool,
) -> None:
    """Hand the content to an output.

    may_stop: leave the rest when the output has no more use for it. Of an error's content
    nothing may be there to select: that does not hide the error.
    """
    try:
        _hand_over(response.iter_bytes(), output, may_stop)
    except Failure as fault:
        if fault.code != OTHER or response.status_code < 400:
            raise
        environment.complain(fault.line)


def _hand_over(pieces: Iterable[bytes], output: Output | None, may_stop: bool) -> None:
    """Hand pieces to an output; a failure is given a note of what became of the rest."""
    try:
        for piece in pieces:
            if output is not None:
                output.write(piece)
                if output.is_full and may_stop:
                    break
        if output is not None:
            output.finish()
    except BaseException as fault:
        left = "" if output is None else output.abandon()
        if left:
            fault.add_note(left)
        raise


def _remark(
    method: str,
    response: StreamedResponse,
    arguments: Arguments,
    output: Output | None,
    environment: Environment,
    is_status_shown: bool,
) -> None:
    """Say on standard error what the status means, to who has not read it on the same screen."""
    code, target = response.status_code, arguments.last("output")
    is_read = is_status_shown and environment.stdout_is_terminal and environment.stderr_is_terminal
    status = f"{code} {response.reason or reason_of(code)}".rstrip(" ")
    if code >= 400 and not arguments.has("ignore-status"):
        is_left = output is None and target is not None and target != "-"
        if is_left or not is_read:
            environment.complain(f"{status}{_left(str(target), environment) if is_left else ''}")
    elif 300 <= code < 400 and code != 304 and not arguments.has("ignore-status"):
        where = response.headers.get("location", "")
        if where or not is_read:
            # A GET was followed as far as it goes: what is left here leads nowhere.
            may_follow = method not in ("GET", "HEAD") or arguments.last("follow") == "no"
            hint = "; --follow goes there" if may_follow else ""
            environment.complain(f"{status}{f', to {where}{hint}' if where else ''}")


def _left(target: str, environment: Environment) -> str:
    """Say what became of a file that an error is not written to."""
    is_there = os.path.lexists(environment.path(target))
    return f"; {target} is left as it was" if is_there else f"; {target} is not written"
