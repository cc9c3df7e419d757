"""Where a server listens: binds as they are written, and the sockets that are opened for them.

Each is opened once, by the process that is started, and its sockets are shared with those
that serve. Its law: nothing is left to the system's taste. An IPv6 socket is for IPv6 alone
(`:8000` opens both kinds), a socket file that nobody listens on is replaced and any other file
is not, and what is handed over by descriptor is looked at before it is believed.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

from crlf.message.percent import percent_encode
from crlf.values import frozen

FIRST_INHERITED = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
BACKLOG = 2048  # connections that wait to be accepted; nginx 511, uvicorn 2048
_MODE = 0o660  # of a socket file: its owner and group, as a proxy before us has it
_MOST_TRIES = 8  # for a port that is free in both families
_MOST_DESCRIPTORS = 1 << 20  # Linux's fs.nr_open, as it is delivered
_EVERYWHERE = ("0.0.0.0", "::")
_ON_UNIX = sys.platform != "win32"
# What a machine says that has no IPv6, say, to one address of several.
_NO_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_Name = tuple[Any, ...]  # address and port, of IPv6 also flow and scope


@frozen
class Bind:
    """Where to listen: at a host and port, at a socket file, or on an open descriptor.

    host: "" is every address, IPv4 and IPv6. path, mode: of a socket file. descriptor: of a
    socket that listens already.
    """

    host: str = ""
    port: int = 0
    path: str | None = None
    mode: int = _MODE
    descriptor: int | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        if self.descriptor is not None:
            return f"fd://{self.descriptor}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(text: str) -> Bind:
    """Read "host:port", "[::1]:port", ":port", "port", "unix:PATH" or "fd://N".

    A port alone is at 127.0.0.1; `:port` is every address. "unix:PATH?mode=666" says who may
    connect. Raises ValueError, which says what is wrong.
    """
    if text.startswith("unix:"):
        return _parse_unix(text)
    if text.startswith("fd://"):
        return Bind(descriptor=_number(text.removeprefix("fd://"), 2**31 - 1, text))
    if text.isascii() and text.isdigit():
        return Bind("127.0.0.1", _number(text, 65535, text))
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} has no port: write {text}:8000")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError(f"{text!r}: brackets are for IPv6 addresses")
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, [{host}]:{port}")
    if host == "*":
        host = ""
    if any(sign in host for sign in "/[]@ \t\r\n\0"):
        raise ValueError(f"{text!r} is no host and port")
    return Bind(host, _number(port, 65535, text))


def _parse_unix(text: str) -> Bind:
    path, mark, mode = text.removeprefix("unix:").rpartition("?mode=")
    if not mark:
        path, mode = mode, ""
    if not path or "\0" in path:
        raise ValueError(f"{text!r} names no path")
    if not mode:
        return Bind(path=path)
    if len(mode) not in (3, 4) or any(digit not in "01234567" for digit in mode):
        raise ValueError(f"{text!r}: a mode is three digits from 0 to 7, as in ?mode=660")
    return Bind(path=path, mode=int(mode, 8))


def _number(digits: str, most: int, text: str) -> int:
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or int(digits) > most:
        raise ValueError(f"{text!r}: {digits!r} is no number from 0 to {most}")
    return int(digits)


class Doors:
    """The sockets that a server listens on, in the order in which they were asked for.

    It closes them, and removes the socket files that were made with them.
    """

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self._files: list[tuple[str, int, int]] = []  # path, device and inode of what we made

    def open(self, bind: Bind, backlog: int = BACKLOG) -> None:
        """Listen at one more place. Raises OSError, whose text says where and why not."""
        try:
            if bind.descriptor is not None:
                self.sockets.append(take_descriptor(bind.descriptor))
            elif bind.path is not None:
                self._open_file(bind.path, bind.mode, backlog)
            else:
                self.sockets += _open_addresses(bind.host, bind.port, backlog)
        except OSError as fault:
            raise _explained(fault, bind) from None

    def _open_file(self, path: str, mode: int, backlog: int) -> None:
        _remove_stale(path)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.bind(path)
            made = os.stat(path, follow_symlinks=False)
            self._files.append((path, made.st_dev, made.st_ino))
            os.chmod(path, mode)  # before anybody can connect: it does not listen yet
            opened.listen(backlog)
            opened.setblocking(False)
        except BaseException:
            opened.close()
            raise
        self.sockets.append(opened)

    def close(self) -> None:
        """Listen no more, here; whoever shares the sockets does. Remove our socket files."""
        for opened in self.sockets:
            opened.close()
        self.sockets.clear()
        for path, device, inode in self._files:
            try:
                found = os.stat(path, follow_symlinks=False)
                if (found.st_dev, found.st_ino) == (device, inode):
                    os.unlink(path)
            except OSError:
                continue  # somebody else was quicker
        self._files.clear()


def open_doors(binds: Sequence[str], backlog: int = BACKLOG) -> Doors:
    """Listen at each of several places, or at none. Raises ValueError, OSError."""
    asked = [parse_bind(text) for text in binds]
    doors = Doors()
    try:
        for bind in asked:
            doors.open(bind, backlog)
    except BaseException:
        doors.close()
        raise
    return doors


def inherited_descriptors(environ: MutableMapping[str, str], pid: int) -> list[int]:
    """List the descriptors that systemd opened for the process pid (sd_listen_fds(3)).

    The variables are taken away, so that no child believes them. Raises ValueError.
    """
    for_whom = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if not count or for_whom != str(pid):
        return []
    return list(
        range(FIRST_INHERITED, FIRST_INHERITED + _number(count, 1024, f"LISTEN_FDS={count}"))
    )


def doors_of(
    binds: Sequence[str], backlog: int, environ: MutableMapping[str, str], pid: int
) -> Doors:
    """Take what systemd opened for the process pid, or listen at each of several places.

    Raises ValueError, OSError.
    """
    given = inherited_descriptors(environ, pid)
    return open_doors([f"fd://{number}" for number in given] or binds, backlog)


def take_descriptor(descriptor: int) -> socket.socket:
    """Own a socket that was opened elsewhere, once it is seen to listen. Raises OSError."""
    try:
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        raise OSError(errno.EBADF, f"descriptor {descriptor} is not open") from None
    if not is_socket:
        raise OSError(errno.ENOTSOCK, f"descriptor {descriptor} is no socket")
    taken = socket.socket(fileno=descriptor)
    why = ""
    if taken.family not in _families():
        why = "speaks no network that we know"
    elif taken.type != socket.SOCK_STREAM:
        why = "is no stream"
    elif not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        why = "does not listen"
    if why:
        taken.detach()
        raise OSError(errno.EINVAL, f"the socket {descriptor} {why}")
    taken.set_inheritable(False)
    taken.setblocking(False)
    return taken


def allow_descriptors(most: int = _MOST_DESCRIPTORS) -> int:
    """Let this process and its children open as many descriptors as the system lets them.

    The soft limit is for programs that count them in bit sets of 1024; a server with as many
    connections would run out of files. Go's programs do the same. Returns the limit.
    """
    try:
        import resource
    except ImportError:  # Windows counts otherwise
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a third limit, which it does not tell
        return soft
    return wanted


def url_of(listening: socket.socket, scheme: str = "http") -> str:
    """Say where a browser on this machine finds a socket that listens."""
    name = listening.getsockname()
    if not isinstance(name, tuple):
        path = os.fsdecode(name)
        return f"{scheme}+unix://{percent_encode(path)}/"
    host, port = str(name[0]), name[1]
    if host in _EVERYWHERE:
        host = "[::1]" if ":" in host else "127.0.0.1"
    elif ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{port}/"


def is_public(listening: socket.socket) -> bool:
    """Tell whether other machines may reach a socket that listens."""
    name = listening.getsockname()
    if not isinstance(name, tuple):
        return False
    host = str(name[0])
    return not (host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1"))


def _families() -> tuple[int, ...]:
    return (socket.AF_INET, socket.AF_INET6, *((socket.AF_UNIX,) if _ON_UNIX else ()))


def _open_addresses(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listen at every address of a host, at the same port of each."""
    names = [found for one in ([host] if host else _EVERYWHERE) for found in _names(one, port)]
    for left in range(_MOST_TRIES - 1, -1, -1):
        opened: list[socket.socket] = []
        try:
            for family, name in names:
                at = opened[0].getsockname()[1] if opened else port  # of port 0: the one we got
                try:
                    opened.append(_open_one(family, (name[0], at, *name[2:]), backlog))
                except OSError as fault:
                    if fault.errno not in _NO_FAMILY or (not opened and name == names[-1][1]):
                        raise
            return opened
        except OSError as fault:
            for one in opened:
                one.close()
            if not (opened and not port and left and fault.errno == errno.EADDRINUSE):
                raise
    raise OSError(errno.EADDRINUSE, "no port is free in both families")


def _names(host: str, port: int) -> list[tuple[int, _Name]]:
    """List the families and socket names of a host, each once."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as fault:
        raise OSError(errno.EADDRNOTAVAIL, f"no address is known: {fault.strerror}") from None
    return list(dict.fromkeys([(family, name) for family, _, _, _, name in found]))


def _open_one(family: int, name: _Name, backlog: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if _ON_UNIX:  # on Windows it would let two servers share a port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(name)
        opened.listen(backlog)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def _remove_stale(path: str) -> None:
    """Remove a socket file that nobody listens on. Raises OSError when somebody does."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file of that name that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as fault:  # BlockingIOError: its backlog is full, so somebody has it
            raise OSError(errno.EADDRINUSE, f"it cannot be asked: {fault.strerror}") from None
        else:
            raise OSError(errno.EADDRINUSE, "another server listens there")


def _explained(fault: OSError, bind: Bind) -> OSError:
    """Say the same with the bind in it; the number stays."""
    why = fault.strerror or str(fault)
    if fault.errno == errno.EADDRINUSE and bind.path is None:
        why = "it is in use"
    elif fault.errno == errno.EACCES and bind.path is None:
        why = "ports below 1024 are not for everybody"
    elif fault.errno == errno.ENOENT:
        why = "its folder does not exist"
    return OSError(fault.errno, f"cannot listen on {bind}: {why}")
