"""Opening sockets for those who block: one address plainly, several in a race (RFC 8305).

The race is one thread, sockets that do not block and one poll. Its law: the first that answers
wins, and of the others none is open when this returns or raises, whatever it raises.

What a socket needs to be like is here for both colours.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import sys
from collections.abc import Iterable, Sequence
from time import monotonic, sleep

from crlf.message.errors import ConnectFailed, ConnectTimeout, TransportError
from crlf.net.names import Address, Candidate, literal, reason_of
from crlf.ports import SocketSettings
from crlf.rules.eyeballs import Race

# Seconds of silence before the kernel asks whether a peer still lives, between two questions, and
# how many go unanswered: dead after two minutes. curl asks after 60, Go after 15, Linux after 7200.
_IDLE, _BETWEEN, _QUESTIONS = 60, 15, 4
_KEEPALIVE = [
    (getattr(socket, name), value)
    for name, value in (
        ("TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE", _IDLE),
        ("TCP_KEEPINTVL", _BETWEEN),
        ("TCP_KEEPCNT", _QUESTIONS),
    )
    if hasattr(socket, name)
]
# Linux: the port is chosen at connect, when it need be free only for that peer.
_BIND_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24) if sys.platform == "linux" else None
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR)
_UNIX = getattr(socket, "AF_UNIX", None)
_FULL = 0.01  # seconds between two knocks at a Unix socket that takes no more connections now


def new_socket(family: int, settings: SocketSettings) -> socket.socket:
    """Make a socket that will connect from the address it should. Raises OSError."""
    opened = socket.socket(family, socket.SOCK_STREAM)
    if settings.local_address is not None:
        try:
            _bind(opened, settings.local_address)
        except BaseException:
            opened.close()
            raise
    return opened


def _bind(opened: socket.socket, address: str) -> None:
    own = literal(address, 0)
    if own is None:
        raise OSError(f"not an IP address to connect from: {address!a}")
    if _BIND_NO_PORT is not None:
        opened.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
    try:
        opened.bind(own[1])
    except OSError as fault:
        raise OSError(f"cannot connect from {address}: {reason_of(fault)}") from None


def settle(opened: socket.socket, settings: SocketSettings) -> None:
    """Set on a connected socket what both colours want: no delay, and a look at idle peers."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings.keepalive:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)


def reachable_from(
    candidates: Sequence[Candidate], settings: SocketSettings, place: str
) -> Sequence[Candidate]:
    """Leave out addresses of another family than ours. Raises ConnectFailed when none is left."""
    if not candidates:
        raise ConnectFailed(f"cannot connect to {place}: it has no address", phase="dns")
    if settings.local_address is None:
        return candidates
    is_new = ":" in settings.local_address
    family = socket.AF_INET6 if is_new else socket.AF_INET
    left = [candidate for candidate in candidates if candidate[0] == family]
    if not left:
        raise ConnectFailed(
            f"cannot connect to {place} from {settings.local_address}: "
            f"it has no IPv{6 if is_new else 4} address",
            phase="connect",
        )
    return left


def open_any(
    candidates: Sequence[Candidate], place: str, deadline: float | None, settings: SocketSettings
) -> tuple[socket.socket, Address]:
    """Connect to the address that answers first, and say which that was.

    place: where that is, for errors. Raises ConnectFailed, ConnectTimeout.
    """
    began = monotonic()
    candidates = reachable_from(candidates, settings, place)
    if deadline is not None and deadline <= began:
        raise too_late(place, began)
    if len(candidates) > 1:
        return _open_first(candidates, place, deadline, settings)
    family, address = candidates[0]
    try:
        opened = new_socket(family, settings)
        try:
            opened.settimeout(None if deadline is None else deadline - began)
            opened.connect(address)
            settle(opened, settings)
        except BaseException:  # KeyboardInterrupt too
            opened.close()
            raise
    except OSError as fault:
        if deadline is not None and monotonic() >= deadline:
            raise too_late(place, began) from None
        raise unreachable(place, (reason_of(fault),), began) from None
    return opened, address


def _open_first(
    candidates: Sequence[Candidate], place: str, deadline: float | None, settings: SocketSettings
) -> tuple[socket.socket, Address]:
    """Connect to several addresses, one after the other and side by side; keep the first."""
    began = monotonic()
    race = Race(candidates, None if deadline is None else deadline - began)
    under_way: dict[socket.socket, Address] = {}
    winner: socket.socket | None = None
    # poll has no highest descriptor; Windows has select alone.
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:
        try:
            while winner is None:
                now = monotonic()
                if deadline is not None and now >= deadline:
                    raise too_late(place, began, race.reasons)
                candidate = race.begin(now)
                if candidate is not None:
                    winner = _begin(candidate, settings, selector, under_way, race)
                    continue
                pause = race.pause(now)
                if pause is None and not under_way:
                    raise unreachable(place, race.reasons, began)
                if deadline is not None:
                    pause = deadline - now if pause is None else min(pause, deadline - now)
                for key, _ in selector.select(pause):
                    if _has_connected(key.data, selector, under_way, race):
                        winner = key.data
                        break
            settle(winner, settings)
            return winner, under_way.pop(winner)
        except TransportError:
            raise
        except OSError as fault:
            raise unreachable(place, (reason_of(fault),), began) from None
        finally:
            for opened in under_way:
                opened.close()


def _begin(
    candidate: Candidate,
    settings: SocketSettings,
    selector: selectors.BaseSelector,
    under_way: dict[socket.socket, Address],
    race: Race[Address],
) -> socket.socket | None:
    """Begin one attempt; return its socket when it is connected at once."""
    family, address = candidate
    try:
        opened = new_socket(family, settings)
    except OSError as fault:
        race.failed(reason_of(fault))
        return None
    under_way[opened] = address
    opened.setblocking(False)
    code = opened.connect_ex(address)
    if code == 0:
        return opened
    if code in _UNDER_WAY:
        selector.register(opened, selectors.EVENT_WRITE, opened)
    else:
        _lose(opened, code, under_way, race)
    return None


def _has_connected(
    opened: socket.socket,
    selector: selectors.BaseSelector,
    under_way: dict[socket.socket, Address],
    race: Race[Address],
) -> bool:
    """Look how an attempt went that is over."""
    code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code == 0:
        return True
    selector.unregister(opened)
    _lose(opened, code, under_way, race)
    return False


def _lose(
    opened: socket.socket,
    code: int,
    under_way: dict[socket.socket, Address],
    race: Race[Address],
) -> None:
    del under_way[opened]
    opened.close()
    race.failed(words_of(code))


def words_of(code: int) -> str:
    """Say what an error number means; Windows has a table of its own for sockets."""
    windows: dict[int, str] = getattr(socket, "errorTab", {})
    return windows.get(code) or os.strerror(code)


# --- Unix domain sockets -------------------------------------------------------------------------


def open_unix(path: str, deadline: float | None) -> socket.socket:
    """Connect to a Unix domain socket. Raises ConnectFailed, ConnectTimeout."""
    began = monotonic()
    opened = unix_socket()
    try:
        while not knock(opened, path):
            if deadline is not None and monotonic() >= deadline:
                raise too_late(f"the socket {path!r}", began)
            sleep(_FULL)
    except BaseException:
        opened.close()
        raise
    return opened


def unix_socket() -> socket.socket:
    """Make a Unix domain socket that does not block. Raises ConnectFailed where there are none."""
    if _UNIX is None:
        raise ConnectFailed("this system has no Unix domain sockets", phase="connect")
    opened = socket.socket(_UNIX, socket.SOCK_STREAM)
    opened.setblocking(False)
    return opened


def knock(opened: socket.socket, path: str) -> bool:
    """Connect to a path at once; False when its listener has no room now. Raises ConnectFailed.

    It never waits in the kernel: whoever is told EAGAIN there is not connecting, but refused.
    """
    try:
        if "\0" in path[1:] and path[0] != "\0":  # what the kernel would read to the NUL only
            raise OSError("no path has a NUL")
        opened.connect(path)
    except BlockingIOError:
        return False
    except OSError as fault:
        if fault.errno != errno.EISCONN:
            why = reason_of(fault)
            raise ConnectFailed(
                f"cannot connect to the socket {path!r}: {why}", phase="connect"
            ) from None
    return True


# --- errors --------------------------------------------------------------------------------------


def unreachable(place: str, reasons: Iterable[str], began: float) -> ConnectFailed:
    """Return the error for a place whose every address failed."""
    return ConnectFailed(
        f"cannot connect to {place}: {'; '.join(reasons)}",
        phase="connect",
        seconds=monotonic() - began,
    )


def too_late(place: str, began: float, reasons: Iterable[str] = ()) -> ConnectTimeout:
    """Return the error for a place of which no address answered in time."""
    seconds = monotonic() - began
    others = "; ".join(reasons)
    return ConnectTimeout(
        f"no connection to {place} within {seconds:.3g} seconds"
        + (f"; what answered: {others}" if others else ""),
        phase="connect",
        seconds=seconds,
    )
