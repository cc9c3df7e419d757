"""`crlf get` and its sisters: one exchange, from the command line to the exit code.

The content of a good answer goes where it is wanted, piece by piece. A file that was named with
-o is only ever replaced by what was asked for: an answer of 4xx or 5xx leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from crlf.cli.arguments import Arguments
from crlf.cli.asking.request import read_request
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import BROKE, OK, REDIRECTED, REFUSED
from crlf.cli.showing.output import FileOutput, Output, StreamOutput, TerminalOutput, count
from crlf.cli.terminal import Style, harmless_line
from crlf.client.options import ClientOptions
from crlf.client.plain import PlainClient
from crlf.client.streamed import StreamedResponse
from crlf.message.status import reason_of
from crlf.ports import Network
from crlf.rules.tracing import Trace

# Which codings there are beside these is a question of packages, 2 ms that no page is worth.
_STANDING = {"accept-encoding": "gzip, deflate"}


def run(
    command: Command,
    arguments: Arguments,
    environment: Environment,
    network: Network | None = None,
    *,
    is_shown: bool = False,
    trace: Trace | None = None,
) -> int:
    """Send the request that a command line asks for; return the exit code.

    network: another one than the machine's. is_shown: the whole exchange is being shown to who
    would read standard output. trace: told of every step. Raises Failure, CrlfError, OSError.
    """
    asked = read_request(command, arguments, environment)
    # A session is opened and applied to what is asked here, and kept after the exchange below.
    if trace is not None:
        asked.options["trace"] = trace
    target = arguments.last("output")
    options: ClientOptions = {**asked.client, "network": network, "headers": _STANDING}
    try:
        with (
            PlainClient(**options) as client,
            client.stream(asked.method, asked.url, **asked.options) as response,
        ):
            is_silent = is_shown and target is None
            if asked.method == "HEAD" and not is_silent:
                _show_head(response, environment)
            output = None if is_silent else _choose_output(response, target, environment)
            _receive(response.iter_bytes(), output)
            if not is_silent:
                _remark(response, target, output, environment)
            return code_of(response.status_code)
    finally:
        asked.close()


def code_of(status_code: int) -> int:
    """Return the exit code for a final status."""
    if status_code < 300:
        return OK
    return REDIRECTED if status_code < 400 else REFUSED if status_code < 500 else BROKE


def _choose_output(
    response: StreamedResponse, target: str | None, environment: Environment
) -> Output | None:
    """Return where the content goes; None when it goes nowhere. Raises Failure."""
    if target is not None and target != "-":
        if response.status_code >= 400:
            return None
        return FileOutput(environment.path(target), target)
    if target is None and environment.stdout_is_terminal:
        return TerminalOutput(environment.show, response.headers)
    return StreamOutput(environment.stdout)


def _receive(pieces: Iterable[bytes], output: Output | None) -> None:
    """Hand the content to an output; a failure is given a note of what became of the rest."""
    try:
        for piece in pieces:
            if output is not None:
                output.write(piece)
        if output is not None:
            output.finish()
    except BaseException as fault:
        left = "" if output is None else output.abandon()
        if left:
            fault.add_note(left)
        raise


def _show_head(response: StreamedResponse, environment: Environment) -> None:
    """Show the answer to HEAD, which is all head."""
    is_terminal = environment.stdout_is_terminal
    style = Style(environment.wants_colour(is_terminal))
    shown = harmless_line if is_terminal else str
    status = shown(f"{response.status_code} {response.reason}".rstrip(" "))
    colour = style.status(response.status_code)
    lines = [f"HTTP/{response.version} {style.paint(status, 'strong', colour)}"]
    for name, value in response.headers.fields:
        lines.append(f"{style.paint(name, 'name')}: {shown(value)}")
    environment.show("\n".join(lines) + "\n")


def _remark(
    response: StreamedResponse, target: str | None, output: Output | None, environment: Environment
) -> None:
    """Say on standard error what the content alone does not."""
    code = response.status_code
    status = f"{code} {response.reason or reason_of(code)}".rstrip(" ")
    if code >= 400:
        left = "" if output is not None or target is None else f"; {target} is left as it was"
        environment.complain(f"{status}{left}")
    elif code >= 300 and code != 304:
        where = response.headers.get("location", "")
        hint = f", to {where}; --follow goes there" if where else ""
        environment.complain(f"{status}{hint}")
    if isinstance(output, TerminalOutput) and output.binary:
        kind = response.headers.get("content-type", "").partition(";")[0] or "no type"
        environment.complain(
            f"{count(output.binary)} of {kind} are nothing for a terminal; "
            "-o FILE saves them, -o - sends them all the same"
        )
