"""`crlf get -v`: the exchange, and what goes over the wire while it happens."""

from __future__ import annotations

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exchanging import fetch
from crlf.cli.showing.view import View
from crlf.net.blocking import BlockingNetwork
from crlf.net.tap import TapNetwork
from crlf.ports import Network


def run(
    command: Command,
    arguments: Arguments,
    environment: Environment,
    network: Network | None = None,
) -> int:
    """Do what fetch.run does, on a network that is watched."""
    view = View(environment)
    tapped = TapNetwork(BlockingNetwork() if network is None else network, view)
    # One terminal is not shown the content twice.
    is_shown = environment.stdout_is_terminal and environment.stderr_is_terminal
    try:
        return fetch.run(command, arguments, environment, tapped, is_shown=is_shown)
    finally:
        view.finish()
