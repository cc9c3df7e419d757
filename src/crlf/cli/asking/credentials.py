"""Who asks: a user and a password, a token, or what a netrc file has for the host.

What is missing is asked for on a terminal, so that no password has to stand on a command line,
where others can read it. Its law: no error shows what was given, not even the user's name, which
is a token as often as not.
"""

from __future__ import annotations

import os
import stat

from crlf.cli.arguments import Arguments
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_INPUT, Failure, reason_of
from crlf.client.options import Auth
from crlf.message.errors import Malformed, TooLarge
from crlf.message.url import URL
from crlf.rules.credentials import Basic, Bearer
from crlf.rules.digest import Digest
from crlf.rules.netrc import MAX_NETRC, NetrcLogin, find_login, parse_netrc


def read_auth(arguments: Arguments, url: URL, environment: Environment) -> Auth | None:
    """Return what the options say of credentials; None when they say nothing. Raises Failure.

    --auth counts more than the URL's user and password, and those more than netrc.
    """
    given, kind = arguments.last("auth"), arguments.last("auth-type") or "basic"
    if kind == "bearer":
        return _bearer(given, environment)
    if given is not None:
        user, password = _login(given, environment)
    elif url.username or url.password:
        user, password = url.username or "", url.password or ""
    else:
        login = _netrc_login(url.host, environment) if arguments.has("netrc") else None
        if login is None:
            if arguments.has("auth-type") and not arguments.has("netrc"):
                raise Failure("--auth-type says how, and nothing says who: add --auth USER")
            return None
        user, password = login.login, login.password
    return Digest(user, password) if kind == "digest" else Basic(user, password)


def _bearer(given: str | None, environment: Environment) -> Bearer:
    return Bearer(given or _ask("Token: ", "--auth-type bearer has no token", environment))


def _login(given: str, environment: Environment) -> tuple[str, str]:
    """Take USER:PASSWORD apart; USER: has an empty password, USER is asked for one."""
    user, colon, password = given.partition(":")
    if not colon:
        password = _ask(f"Password of {user}: ", "--auth has no password", environment)
    return user, password


def _ask(prompt: str, missing: str, environment: Environment) -> str:
    if environment.ask is None:
        raise Failure(f"{missing}, and there is nobody to ask")
    try:
        return environment.ask(prompt)
    except EOFError:
        environment.leave_line()  # the prompt's
        raise Failure(f"{missing}, and none was typed") from None


# --- netrc ---------------------------------------------------------------------------------------


def _netrc_login(host: str, environment: Environment) -> NetrcLogin | None:
    """Find a host's login in the user's netrc file; a file that is not there has none."""
    named = environment.variables.get("NETRC")
    path = environment.path(named or "~/.netrc")
    shown = named or "~/.netrc"
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MAX_NETRC + 1).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise Failure(f"cannot read {shown}: {reason_of(fault)}", NO_INPUT) from None
    except UnicodeDecodeError:
        raise Failure(f"{shown} is not UTF-8", NO_INPUT) from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        environment.complain(f"{shown} has passwords and is open to other users: chmod 600")
    try:
        return find_login(parse_netrc(text), host)
    except (Malformed, TooLarge) as fault:
        raise Failure(f"{shown}: {fault.brief}", NO_INPUT) from None
