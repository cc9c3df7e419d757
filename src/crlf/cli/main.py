"""From argv to an exit code: finds the command, loads the one module that runs it, and says in
one line what went wrong. Its law: a user sees no traceback, unless CRLF_DEBUG is set.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from crlf.cli import environment as environments
from crlf.cli.arguments import (
    Arguments,
    Option,
    UnknownOption,
    UnknownValue,
    parse_arguments,
    parse_raw,
)
from crlf.cli.commands import COMMANDS, MAIN_OPTIONS, Command
from crlf.cli.environment import Environment
from crlf.cli.exits import INTERRUPTED, OK, PIPE_CLOSED, USAGE, Failure
from crlf.cli.terminal import Style, harmless_line

# Options that look at the exchange itself, and so need a network that is watched.
WATCHED = ("verbose", "har", "write-out")
# Commands that leave nothing that would have to be put in order, but threads perhaps.
_LEFT_AT_ONCE = ("fetch", "download", "upload")
# Commands that ask, for which a file of settings may say something.
_ASKING = ("fetch", "explain", "download", "upload")
Run = Callable[[Command, Arguments, Environment], int]


def main(argv: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Run a command line and return its exit code.

    argv: without the program's name; this process's when it is None. environment: where it
    runs. When both are None it is this process, which ends at once when all it did was to
    fetch: taking an interpreter down in order takes 9 ms, and there is nothing to put in order.
    """
    is_process = argv is None and environment is None
    if is_process:
        gc.disable()  # loading makes no garbage, and looking for it takes 4 ms
    here = environments.of_process(_ask) if environment is None else environment
    code, is_done = _outcome(sys.argv[1:] if argv is None else list(argv), here)
    if is_process and is_done:
        os._exit(code)
    return code


def _outcome(words: list[str], environment: Environment) -> tuple[int, bool]:
    """Run a command line; return its exit code, and whether the process holds nothing now."""
    is_done = True
    try:
        command, rest = _find_command(words)
        if command is None:
            code = _run_without(rest, environment)
        else:
            arguments = (
                parse_raw(rest)
                if command.is_raw
                else _parse(rest, command.options, f"crlf {command.name}", command.module)
            )
            arguments = _with_settings(command, arguments, environment)
            command, arguments = _named_later(command, arguments, words)
            is_done = command.module in _LEFT_AT_ONCE and not arguments.has("app")
            code = _run(command, arguments, environment)
        environment.stdout.flush()
    except KeyboardInterrupt as fault:
        environment.leave_line()
        environment.complain("; ".join(["interrupted", *getattr(fault, "__notes__", ())]))
        code = INTERRUPTED
    except BrokenPipeError:
        code, is_done = PIPE_CLOSED, True
    except Exception as fault:
        code = _explain(fault, environment)
    return code, is_done


def _run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Run a command. Raises what it raises."""
    if arguments.has("help"):
        from crlf.cli.help import command_help

        environment.show(command_help(command, *_looks(environment)))
        return OK
    _check_words(command, arguments)
    run = _load(command, arguments)
    if not gc.isenabled():
        gc.freeze()  # what is loaded stays, so it need not be looked at again
        gc.enable()
    return run(command, arguments, environment)


def _load(command: Command, arguments: Arguments) -> Run:
    """Import what runs a command, and nothing else: this is where the time goes."""
    if command.module != "fetch":
        return _load_other(command.module)
    if arguments.has("offline") or arguments.has("as"):
        from crlf.cli.translating import instead

        return instead.run
    if len(arguments.every("verbose")) > 1:
        from crlf.cli.explaining import explain

        return explain.run
    if arguments.has("app"):
        from crlf.cli.exchanging import inside

        return inside.run
    if any(arguments.has(key) for key in WATCHED) or "t" in (arguments.last("print") or ""):
        from crlf.cli.exchanging import watched

        return watched.run
    from crlf.cli.exchanging import fetch

    return fetch.run


def _load_other(module: str) -> Run:
    """Import what runs a command that is not one of HTTP's methods."""
    run: Run
    if module == "serve":
        from crlf.cli.serving.serve import run
    elif module == "explain":
        from crlf.cli.explaining.explain import run
    elif module == "download":
        from crlf.cli.transferring.download import run
    elif module == "upload":
        from crlf.cli.transferring.upload import run
    elif module == "from-curl":
        from crlf.cli.translating.fromcurl import run
    else:
        from crlf.cli.shells.completion import run
    return run


def _find_command(words: list[str]) -> tuple[Command | None, list[str]]:
    """Return the command and what follows it. Raises Failure.

    A URL in its place means get, and a word in capitals is a method: `crlf POST URL`.
    """
    if not words or words[0] in ("-h", "--help", "-V", "--version", "help"):
        return None, words
    first = words[0]
    if first in COMMANDS:
        return COMMANDS[first], words[1:]
    if first.startswith("-") or any(sign in first for sign in ":/.[") or first == "localhost":
        return COMMANDS["get"], words
    if first.isascii() and first.isupper():
        return _method_command(first, words)
    raise Failure(f"there is no command {first}{_meant(first, COMMANDS)}")


def _method_command(method: str, words: list[str]) -> tuple[Command, list[str]]:
    """Return the command of a method in capitals; what is almost one of ours is a slip."""
    command = COMMANDS.get(method.lower())
    if command is not None and command.method == method:
        return command, words[1:]
    from crlf.cli.suggestions import closest

    meant = closest(method.lower(), COMMANDS, 0.75)
    if meant is not None:
        shown = meant.upper() if COMMANDS[meant].method == meant.upper() else meant
        raise Failure(
            f"there is no method {method}; did you mean {shown}? "
            f"crlf request {method} sends it all the same"
        )
    return COMMANDS["request"], words


def _named_later(
    command: Command, arguments: Arguments, words: list[str]
) -> tuple[Command, Arguments]:
    """Find the method behind options that come first: `crlf -v POST URL`, `crlf -v post URL`."""
    first = arguments.words[0] if arguments.words else ""
    if words[0].startswith("-") and first.isascii() and (first in COMMANDS or first.isupper()):
        found, rest = _find_command(arguments.words)
        if found is not None and found.module == "fetch":
            return found, arguments.with_words(rest)
        raise Failure(f"options stand behind their command: crlf {first} {words[0]}")
    return command, arguments


def _run_without(words: list[str], environment: Environment) -> int:
    """Show the help or the version; without any words, the help to who did not know."""
    from crlf.cli import help as pages

    if not words:
        environment.tell(pages.main_help(*_looks(environment)))
        return USAGE
    if words[0] == "help" and len(words) > 1 and words[1] in COMMANDS:
        environment.show(pages.command_help(COMMANDS[words[1]], *_looks(environment)))
    elif words[0] == "help" and len(words) > 1 and not words[1].startswith("-"):
        raise Failure(f"there is no command {words[1]}{_meant(words[1], COMMANDS)}")
    elif words[0] in ("-V", "--version"):
        from crlf.message.version import __version__

        environment.show(f"crlf {__version__}\n")
    else:
        _parse([word for word in words if word != "help"], MAIN_OPTIONS, "crlf")
        environment.show(pages.main_help(*_looks(environment)))
    return OK


def _parse(
    words: list[str], options: tuple[Option, ...], whose: str, module: str = ""
) -> Arguments:
    try:
        return parse_arguments(words, options)
    except UnknownOption as fault:
        from crlf.cli.elsewhere import hint_for

        names = [name for option in options for name in option.names if name.startswith("--")]
        known = hint_for(fault.name, module)
        # One letter is like too many names.
        meant = _meant(fault.name, names) if fault.name.startswith("--") else ""
        hint = f"; {known}" if known else meant or f"; {whose} --help lists them"
        raise Failure(f"{fault.line}{hint}") from None
    except UnknownValue as fault:
        raise Failure(f"{fault.line}{_meant(fault.value, fault.choices)}") from None


def _with_settings(command: Command, arguments: Arguments, environment: Environment) -> Arguments:
    """Add what the user's file of settings says, if there is one. Raises Failure."""
    if command.module not in _ASKING or arguments.has("help"):
        return arguments
    path = environment.settings_file()
    if not path:
        return arguments
    from crlf.cli.asking.settings import with_settings

    return with_settings(arguments, command, path, environment)


def _check_words(command: Command, arguments: Arguments) -> None:
    words = arguments.words
    if len(words) < command.least:
        wanted = [word for word in command.words.split(" ") if word[0] != "["]
        missing = "SHELL" if command.name == "completion" else wanted[len(words)].strip("'")
        raise Failure(f"{missing} is missing: crlf {command.name} {command.words}")
    if command.most is not None and len(words) > command.most:
        form = f"crlf {command.name} {command.words}".rstrip(" ")
        raise Failure(f"{words[command.most]!r} is too much: {form}")


def _meant(name: str, names: Sequence[str] | dict[str, Command]) -> str:
    from crlf.cli.suggestions import closest

    found = closest(name, names)
    return f"; did you mean {found}?" if found else ""


def _looks(environment: Environment) -> tuple[Style, int]:
    """Return how help is coloured, and how wide it is: 80 columns, fewer on a narrow terminal."""
    is_terminal = environment.stdout_is_terminal
    width = min(80, environment.width) if is_terminal else 80
    return Style(environment.wants_colour(is_terminal)), width


def _explain(fault: Exception, environment: Environment) -> int:
    """Say in one line what went wrong; return the exit code."""
    if environment.variables.get("CRLF_DEBUG"):
        from traceback import format_exception

        environment.tell("".join(format_exception(fault)))
    from crlf.cli.outcomes import outcome_of

    line, code = outcome_of(fault)
    environment.complain(line)
    if isinstance(fault, Failure) and fault.below:
        environment.tell("".join(f"  {harmless_line(shown)}\n" for shown in fault.below))
    return code


def _ask(prompt: str) -> str:
    """Ask for a password on a terminal, unseen. Raises Failure where there is none."""
    from getpass import getpass

    from crlf.cli.terminated import in_order

    if not _has_terminal():
        raise Failure("a password has to be asked for, and there is no terminal to ask on")
    with in_order():
        return getpass(prompt)


def _has_terminal() -> bool:
    """Whether somebody can be asked, so that getpass reads from nothing that others write."""
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
