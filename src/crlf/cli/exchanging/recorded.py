"""`--har FILE` and `--print=t`: what is made of an exchange that was recorded, when it is over.

Both are made of the same captures. Its law: a file is written whole or not at all, for its owner
alone, also when the exchange failed; and that it could not be written never hides why.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext, suppress

from crlf.cli.arguments import Arguments
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_OUTPUT, Failure, reason_of
from crlf.cli.showing.waterfall import waterfall
from crlf.cli.terminal import Style, harmless
from crlf.client.recording import Recorder
from crlf.net.privatefile import write_private
from crlf.net.tap import Listener
from crlf.ports import Network
from crlf.rules.captures import Captured, masked
from crlf.rules.har import har_text
from crlf.rules.tracing import Trace

Ending = Callable[[int, str], object]


def recording(
    arguments: Arguments, environment: Environment, network: Network
) -> tuple[Listener, Trace, Ending]:
    """Return what has to be told of bytes, of steps and of the end. Raises Failure."""
    recorder = Recorder()
    har = arguments.last("har")
    if har is not None:
        check_place(har, environment)

    def end(code: int, line: str) -> None:
        captures = recorder.captured
        parts = arguments.last("print") or ""
        if "t" in parts and captures:
            if parts.strip("t"):
                environment.show("\n")
            show_times(captures, environment)
        if har is not None:
            text = har_text(as_kept(captures, arguments))
            write_file(text, har, environment, has_failed=bool(line))

    return recorder.listen(network), recorder.step, end


def show_times(captures: list[Captured], environment: Environment) -> None:
    """Draw where the time went, on standard output."""
    style = Style(environment.wants_colour(environment.stdout_is_terminal))
    environment.show(
        waterfall(captures, environment.width, style, has_unicode=has_unicode(environment))
    )


def has_unicode(environment: Environment) -> bool:
    """Whether the terminal's encoding has what bars and line ends are drawn with."""
    return environment.encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def check_place(name: str, environment: Environment) -> None:
    """Raise Failure for a file that cannot be written, before anything is sent."""
    path = environment.path(name)
    if os.path.isdir(path):
        raise Failure(f"cannot write {name}: it is a folder", NO_OUTPUT)
    if not os.path.isdir(os.path.dirname(path) or os.curdir):
        raise Failure(f"cannot write {name}: there is no such folder", NO_OUTPUT)


def as_kept(captures: list[Captured], arguments: Arguments) -> list[Captured]:
    """Return captures as they are kept in a file: with stars for credentials, unless asked for."""
    return captures if arguments.has("secrets") else [masked(one) for one in captures]


def write_file(text: str, name: str, environment: Environment, *, has_failed: bool = False) -> None:
    """Write a file for its owner alone, whole or not at all. Raises Failure."""
    data = text.encode("utf-8", "surrogatepass")
    if name == "-":
        if environment.stdout_is_terminal:
            data = environment.encoded(harmless(text))
        with suppress(OSError) if has_failed else nullcontext():  # one line, about the first fault
            environment.stdout.write(data)
        return
    try:
        write_private(environment.path(name), data)
    except OSError as fault:
        line = f"cannot write {name}: {reason_of(fault)}"
        if not has_failed:
            raise Failure(line, NO_OUTPUT) from None
        environment.complain(line)
