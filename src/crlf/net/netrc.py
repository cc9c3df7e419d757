"""Credentials out of a netrc file: found, read once, when they are needed first.

The file is $NETRC, or .netrc in the home folder (on Windows also _netrc). Its law: nothing is
read before a request may use it, and who else can read the file is told to its owner.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Generator
from typing import Final

from crlf.message.errors import Malformed, TooLarge
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.credentials import authorizing, basic, takes_credentials
from crlf.rules.filters import After, Filter
from crlf.rules.netrc import MAX_NETRC, NetrcLogin, find_login, parse_netrc

_MOST_KEPT: Final = 64  # hosts remembered; then the memory is emptied and begins anew


class Netrc:
    """The logins of a netrc file, sent as Basic to the hosts they are for: a filter, for auth=.

    path: None for the user's own file. A file that is not there has no logins. It is read once,
    by the first request; a RuntimeWarning says when others may read it too.

    The first request raises Malformed for a broken file, and OSError for one that cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = path
        self._entries: tuple[NetrcLogin, ...] | None = None
        self._senders: dict[str, Filter | None] = {}  # by host

    def __call__(self, request: Request) -> Generator[Request | After, Response, Response]:
        """Send a request with its host's login, if there is one."""
        if takes_credentials(request):
            sender = self._sender(request.url.host)
            if sender is not None:
                return (yield from sender(request))
        return (yield request)

    def find(self, host: str) -> NetrcLogin | None:
        """Return the login for a host, as URL.host has it. Raises as the first request does."""
        if self._entries is None:
            self._entries = _read(netrc_path() if self._path is None else os.fspath(self._path))
        return find_login(self._entries, host)

    def _sender(self, host: str) -> Filter | None:
        try:
            return self._senders[host]
        except KeyError:
            login = self.find(host)
        sender = None if login is None else authorizing(basic(login.login, login.password))
        if len(self._senders) >= _MOST_KEPT:
            self._senders = {}
        self._senders[host] = sender
        return sender

    def __repr__(self) -> str:
        return f"Netrc({'' if self._path is None else repr(os.fspath(self._path))})"


def netrc_path() -> str:
    """Name the user's netrc file, whether it is there or not."""
    named = os.environ.get("NETRC")
    if named:
        return named
    home = os.path.expanduser("~")
    path = os.path.join(home, ".netrc")
    if os.name == "nt" and not os.path.exists(path):
        return os.path.join(home, "_netrc")
    return path


def _read(path: str) -> tuple[NetrcLogin, ...]:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_NETRC + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.warn(
            f"{path} has passwords and is open to other users: chmod 600",
            RuntimeWarning,
            stacklevel=2,
        )
    if len(data) > MAX_NETRC:
        raise TooLarge("netrc", MAX_NETRC, 400, "netrc")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise Malformed("the file is not UTF-8", "netrc", 400, fault.start) from None
    return parse_netrc(text)
