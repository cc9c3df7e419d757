"""`crlf get --app module:app`: the exchange with an application in memory, without a server."""

from __future__ import annotations

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exchanging import watched
from crlf.cli.loading import load_application
from crlf.client.inside import memory_network


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Do what watched.run does, on a network on which every address is the application."""
    app = load_application(arguments.last("app") or "", environment)
    network = memory_network(app)
    return watched.run(command, arguments, environment, network)
