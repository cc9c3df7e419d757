"""Not there yet."""

from __future__ import annotations

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import Failure


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Run the command."""
    raise Failure(f"crlf {command.name} is not there yet")
