"""An application by name for `--app`: one that can be talked to in memory.

It is found as `crlf serve` finds it (server/hosting.py). Its law: what went wrong in the user's
own files is shown with its place, and what is no App is refused with what to do instead.
"""

from __future__ import annotations

from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.client.options import Application
from crlf.server.hosting import CannotHost, import_application, interface_of


def load_application(name: str, environment: Environment) -> Application:
    """Import `module:app`, from the current folder first. Raises Failure.

    The app may be in something: `shop:site.app`.
    """
    try:
        found = import_application(name, environment.folder)
    except CannotHost as fault:
        raise explained(fault, environment) from fault.__cause__
    interface = interface_of(found)
    if interface == "crlf":
        return found  # type: ignore[return-value]  # it has what an Application has
    if interface:
        kind = interface.upper()
        raise Failure(f"{name} is an application for {kind}: crlf serve {name} hosts it")
    kind = type(found).__name__
    raise Failure(f"{name} is no application but a {kind}; crlf.App() makes one")


def explained(fault: CannotHost, environment: Environment) -> Failure:
    """Show where in the user's files it went wrong; return what ends the command."""
    environment.tell(fault.trace)
    return Failure(fault.reason)
