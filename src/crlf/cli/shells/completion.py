"""`crlf completion SHELL` and `crlf man`: texts that lie in the package, written out.

scripts/shells.py makes them from the table of commands, by shtab; here nothing is computed.
"""

from __future__ import annotations

import os
from typing import Final

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import OK, Failure

FILES: Final = {"bash": "crlf.bash", "zsh": "_crlf", "fish": "crlf.fish", "man": "crlf.1"}


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Write the script of a shell, or the man page. Raises Failure for another shell."""
    name = "man" if command.name == "man" else arguments.words[0]
    if name not in FILES or (name == "man") != (command.name == "man"):
        raise Failure(f"there is no completion for {name}; there is for bash, zsh and fish")
    with open(os.path.join(os.path.dirname(__file__), FILES[name]), "rb") as file:
        environment.stdout.write(file.read())
    return OK
