"""`crlf serve`: a folder, a file or an application, at its addresses, until Ctrl-C.

What it is told is gathered by server/configuration.py; here it is said what is served where,
and what was wrong.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import OK, OTHER, USAGE, Failure, reason_of
from crlf.cli.loading import explained
from crlf.cli.serving.checking import check, package_faults
from crlf.cli.serving.configured import configuration_text
from crlf.cli.terminal import Style, harmless
from crlf.message.errors import CrlfError
from crlf.net.listening import is_public, parse_bind, url_of
from crlf.server.application import DidNotStart
from crlf.server.configuration import Configuration, configure
from crlf.server.hosting import CannotHost, load_application
from crlf.server.settable import SETTINGS
from crlf.server.settings import ServerSettings
from crlf.server.starting import serve
from crlf.values import replace


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Serve until SIGINT or SIGTERM, then stop in order; return the exit code. Raises Failure."""
    configuration = configure(
        {one.name: said for one in SETTINGS if (said := arguments.every(one.name))},
        environment.variables,
        environment.folder,
        config=arguments.last("config"),
        target=arguments.words[0] if arguments.words else None,
    )
    for remark in configuration.remarks:
        environment.complain(remark)
    if arguments.has("check-config"):
        return check(configuration, environment)
    complain_of(configuration.faults, environment)
    if arguments.has("print-config"):
        style = Style(environment.wants_colour(environment.stdout_is_terminal))
        environment.show(configuration_text(configuration.chosen, style))
        return OK
    complain_of(tuple(package_faults(configuration.settings)), environment, OTHER)
    add_variables(configuration, environment)
    settings = _settled(configuration, environment)
    try:
        with _signed(settings, environment, configuration.quiet) as settings:
            return _serve(configuration, settings, environment)
    except CannotHost as fault:
        raise explained(fault, environment) from fault.__cause__
    except DidNotStart as fault:
        raise _told(fault.told, environment) from None
    except ValueError as fault:
        raise Failure(str(fault)) from None
    except OSError as fault:
        raise _cannot_listen(fault, settings) from None


def _serve(configuration: Configuration, settings: ServerSettings, environment: Environment) -> int:
    target = configuration.target

    def tell(sockets: Sequence[socket.socket]) -> None:
        scheme = "https" if settings.certificates else "http"
        if not configuration.quiet:
            tell_where(target, [_place(each, scheme) for each in sockets], environment)
        warn_of_everybody(sockets, environment)

    if settings.workers or settings.reload:
        return _serve_with_workers(target, settings, tell, environment)
    app = load_application(target, settings, environment.folder)
    serve(app, settings=settings, started=lambda server: tell(server.sockets))
    environment.leave_line()
    return OK


def _serve_with_workers(
    target: str,
    settings: ServerSettings,
    tell: Callable[[Sequence[socket.socket]], None],
    environment: Environment,
) -> int:
    """Let several processes serve, or one that is begun anew. Raises Failure."""
    from crlf.server.processes.supervisor import CannotStart, serve_with_workers

    try:
        code = serve_with_workers(
            target,
            settings,
            folder=environment.folder,
            started=tell,
            say=lambda text: _say(text, environment),
        )
    except CannotStart as fault:
        raise _told(str(fault), environment) from None
    environment.leave_line()
    return code


def _told(text: str, environment: Environment) -> Failure:
    """Show the trace that may follow a first line; return what ends the command."""
    reason, _, trace = text.partition("\n")
    environment.tell(harmless(f"{trace}\n" if trace else ""))
    return Failure(reason, OTHER)


def _say(text: str, environment: Environment) -> None:
    """Say what happened to the workers; after the first line a trace may follow."""
    reason, _, trace = text.partition("\n")
    environment.complain(reason)
    environment.tell(harmless(f"{trace}\n" if trace else ""))


@contextmanager
def _signed(
    settings: ServerSettings, environment: Environment, is_quiet: bool
) -> Iterator[ServerSettings]:
    """Make a certificate up where that is asked for; it is gone when the server is."""
    if not settings.self_signed:
        yield settings
        return
    from crlf.net.selfsigned import make_self_signed

    made = make_self_signed([parse_bind(text).host for text in settings.bind])
    digest = made.fingerprint.replace(":", "").lower()
    try:
        if not is_quiet:
            # As browsers show it, and short enough for a line.
            environment.show(
                f"A certificate was made up for development. Its SHA-256:\n  {digest}\n"
            )
        yield replace(settings, certificates=(made.path,))
    finally:
        made.remove()


def complain_of(faults: Sequence[str], environment: Environment, code: int = USAGE) -> None:
    """Say all that is wrong with what was told, a line each. Raises Failure with the last."""
    for fault in faults[:-1]:
        environment.complain(fault)
    if faults:
        raise Failure(faults[-1], code)


def add_variables(configuration: Configuration, environment: Environment) -> None:
    """Add what an env-file says to the environment of this process, and so of its workers."""
    if configuration.variables and isinstance(environment.variables, MutableMapping):
        environment.variables.update(configuration.variables)


def _settled(configuration: Configuration, environment: Environment) -> ServerSettings:
    """Decide what "auto" is: for a person one short line a request, for a file all of it."""
    settings = configuration.settings
    if settings.access_log != "auto":
        return settings
    kind = "off"
    if settings.access_log_file != "-":
        kind = "combined"
    elif environment.stdout_is_terminal and not configuration.quiet:
        kind = "short"
    return replace(settings, access_log=kind)


# --- what is said --------------------------------------------------------------------------------


def _place(listening: socket.socket, scheme: str) -> str:
    """Say where a socket is: as a link, where there can be one."""
    name = listening.getsockname()
    return url_of(listening, scheme) if isinstance(name, tuple) else f"unix:{os.fsdecode(name)}"


def tell_where(target: str, places: Sequence[str], environment: Environment) -> None:
    """Say what is served where, each place as a link."""
    style = Style(environment.wants_colour(environment.stdout_is_terminal))
    shown = "this folder" if target == "." else target
    links = [style.paint(place, "strong", "link") for place in places]
    lines = [f"Serving {shown} at {links[0]}"] if len(links) == 1 else [f"Serving {shown} at"]
    lines += [f"  {link}" for link in links if len(links) > 1]
    if environment.stdout_is_terminal:
        lines.append(style.paint("Ctrl-C stops it.", "faint"))
    environment.show("\n".join(lines) + "\n")


def warn_of_everybody(sockets: Sequence[socket.socket], environment: Environment) -> None:
    """Say so when it is not this machine alone that can reach the server."""
    if any(is_public(listening) for listening in sockets):
        environment.complain("everyone who can reach this machine can reach it")


def _cannot_listen(fault: OSError, settings: ServerSettings) -> Failure:
    """Say why an address cannot be had, and what could; or which file it is that cannot."""
    if isinstance(fault, CrlfError):  # of TLS: its sentence is whole
        return Failure(str(fault), OTHER)
    if fault.filename is not None:
        return Failure(f"{os.fsdecode(fault.filename)} cannot be opened: {reason_of(fault)}", OTHER)
    place, reason = parse_bind(settings.bind[0]), reason_of(fault)
    where = f"port {place.port} of {place.host or 'this machine'}"
    if place.path is None and reason.startswith(f"cannot listen on {place}: "):
        if fault.errno == errno.EADDRINUSE:
            hint = f"--port {place.port + 1} is another, --port 0 any free one"
            return Failure(f"{where} is in use; {hint}", OTHER)
        if fault.errno == errno.EACCES:
            return Failure(f"{where} is not for everybody; ports from 1024 on are", OTHER)
    if reason.startswith("cannot listen on "):  # it names the place itself
        return Failure(reason, OTHER)
    return Failure(f"cannot listen on {', '.join(settings.bind)}: {reason}", OTHER)
