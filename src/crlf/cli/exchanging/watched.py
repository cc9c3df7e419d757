"""`crlf get -v`, `-w`, `--har`, `--print=t`: the exchange, and who looks on while it happens.

Whoever looks on is a listener to the network (net/tap.py), a trace (rules/tracing.py), or both,
and is told when it is over, also when it failed. Its law: what nobody asked for is not loaded.
"""

from __future__ import annotations

from collections.abc import Callable

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exchanging import fetch
from crlf.cli.exits import INTERRUPTED, PIPE_CLOSED
from crlf.cli.outcomes import outcome_of
from crlf.message.body import Progress
from crlf.net.blocking import BlockingNetwork
from crlf.net.tap import Event, Listener, TapNetwork
from crlf.ports import Network
from crlf.rules.tracing import Step, Trace


class Onlookers:
    """Who looks on.

    ending: each is called with the exit code and the line that said why. progress: told how much
    of a file is out, if that is wanted.
    """

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.listeners: list[Listener] = []
        self.traces: list[Trace] = []
        self.ending: list[Callable[[int, str], object]] = []

    def event(self, event: Event) -> None:
        """Tell of something on the network."""
        for listener in self.listeners:
            listener(event)

    def step(self, step: Step) -> None:
        """Tell of a step."""
        for trace in self.traces:
            trace(step)


def run(
    command: Command,
    arguments: Arguments,
    environment: Environment,
    network: Network | None = None,
) -> int:
    """Do what fetch.run does, while somebody looks on."""
    network = BlockingNetwork() if network is None else network
    onlookers = Onlookers()
    if arguments.has("verbose"):
        _add_view(onlookers, environment)
    if arguments.has("har") or "t" in (arguments.last("print") or ""):
        _add_recording(onlookers, arguments, environment, network)
    if arguments.has("write-out"):
        _add_write_out(onlookers, command, arguments, environment, network)
    # One terminal is not shown the content twice.
    is_shown = arguments.has("verbose") and (
        environment.stdout_is_terminal and environment.stderr_is_terminal
    )
    tapped = TapNetwork(network, onlookers.event) if onlookers.listeners else network
    trace = onlookers.step if onlookers.traces else None
    code, line = 0, ""
    try:
        code = fetch.run(
            command, arguments, environment, tapped,
            is_shown=is_shown, trace=trace, progress=onlookers.progress,
        )  # fmt: skip
    except KeyboardInterrupt:
        line, code = "interrupted", INTERRUPTED
        raise
    except BrokenPipeError:
        code = PIPE_CLOSED
        raise
    except Exception as fault:
        line, code = outcome_of(fault)
        raise
    finally:
        for end in onlookers.ending:
            end(code, line)
    return code


def _add_view(onlookers: Onlookers, environment: Environment) -> None:
    from crlf.cli.showing.view import View  # few look at the wire

    view = View(environment)
    onlookers.listeners.append(view)
    onlookers.ending.append(lambda code, line: view.finish())


def _add_recording(
    onlookers: Onlookers, arguments: Arguments, environment: Environment, network: Network
) -> None:
    from crlf.cli.exchanging.recorded import recording  # few keep what went over the wire

    listener, trace, end = recording(arguments, environment, network)
    onlookers.listeners.append(listener)
    onlookers.traces.append(trace)
    onlookers.ending.append(end)


def _add_write_out(
    onlookers: Onlookers,
    command: Command,
    arguments: Arguments,
    environment: Environment,
    network: Network,
) -> None:
    from crlf.cli.showing import measure, writeout  # few ask for figures

    form = writeout.read_format(arguments.last("write-out") or "", environment)
    measured = measure.Measure(network.now)
    words = arguments.words[1:] if not command.method else arguments.words
    target = arguments.last("output") or ""

    def end(code: int, line: str) -> None:
        if measured.has_begun:  # else nothing was sent, so there is nothing to be told
            url = str(measured.first_url or words[0])
            outcome = writeout.Outcome(code, line, url, "" if target == "-" else target)
            writeout.write_out(form, measured, outcome, environment)

    onlookers.progress = measured.uploaded
    onlookers.traces.append(measured.step)
    onlookers.ending.append(end)
