"""`crlf serve`: a folder or an application, at an address, until Ctrl-C."""

from __future__ import annotations

import errno
import os

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import OK, OTHER, Failure
from crlf.cli.loading import load_application
from crlf.cli.output import reason_of
from crlf.cli.terminal import Style
from crlf.client.options import Application
from crlf.server.app import App
from crlf.server.serving import Server
from crlf.server.starting import serve

_HERE = ("127.0.0.1", "::1", "localhost")


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Serve until SIGINT or SIGTERM, then stop in order; return the exit code. Raises Failure."""
    host = arguments.last("host") or "127.0.0.1"
    port = _read_port(arguments.last("port") or "8000")
    target = arguments.words[0] if arguments.words else "."
    app, shown = _choose_application(target, environment)

    def started(server: Server) -> None:
        style = Style(environment.wants_colour(environment.stdout_is_terminal))
        url = style.paint(server.url, "strong", "link")
        environment.show(f"Serving {shown} at {url}\n")
        if environment.stdout_is_terminal:
            environment.show(style.paint("Ctrl-C stops it.", "faint") + "\n")
        if host not in _HERE:
            environment.complain("everyone who can reach this machine can reach it")

    try:
        serve(app, host, port, started=started)
        environment.leave_line()
    except OSError as fault:
        raise _explained(fault, host, port) from None
    return OK


def _choose_application(target: str, environment: Environment) -> tuple[Application, str]:
    """Return what is to be served, and what to call it. Raises Failure."""
    path = environment.path(target)
    if os.path.isdir(path):
        app = App()
        app.folder("/", path, listing=True)
        return app, "this folder" if target == "." else target
    if ":" in target and not os.path.exists(path):
        return load_application(target, environment), target
    if os.path.exists(path):
        raise Failure(f"{target} is no folder; serve the one that it is in")
    raise Failure(f"there is no folder {target}; an application is written module:app")


def _read_port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 65535:
        raise Failure(f"--port takes a number from 0 to 65535, not {text!r}")
    return int(text)


def _explained(fault: OSError, host: str, port: int) -> Failure:
    place = f"port {port} of {host}"
    if fault.errno == errno.EADDRINUSE:
        return Failure(
            f"{place} is in use; --port {port + 1} is another, --port 0 any free one", OTHER
        )
    if fault.errno == errno.EACCES:
        return Failure(f"{place} is not for everybody; ports from 1024 on are", OTHER)
    return Failure(f"cannot listen on {place}: {reason_of(fault)}", OTHER)
