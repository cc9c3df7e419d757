"""Where a host is: addresses and loopback names at once, other names from the system, in time.

The system's resolver cannot be interrupted. So a lookup that has a deadline is made in a thread
of its own, which is left behind when the deadline passes: of a pool, a few names whose servers
are silent would take every thread. Its law: what is an address already is never looked up.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from crlf.message.authority import in_brackets
from crlf.message.errors import ConnectFailed, ConnectTimeout
from crlf.message.grammar import parse_digits

Address = tuple[Any, ...]  # as the socket module has it: (host, port), and two more in IPv6
Candidate = tuple[int, Address]  # its family, and the address

# RFC 6761 6.3: localhost and all below it are loopback, and no server is asked. IPv6 is first,
# as RFC 6724 has it; where that is not spoken, it fails at once.
_LOOPBACK = ("::1", "127.0.0.1")
_DIGITS = tuple("0123456789")


def reason_of(fault: OSError) -> str:
    """Say what the operating system said, without its numbers."""
    return fault.strerror or str(fault) or type(fault).__name__


def place_of(host: str, port: int) -> str:
    """Write host and port for an error's text."""
    return f"{in_brackets(host)}:{port}"


def literal(text: str, port: int) -> Candidate | None:
    """Read an IP address, with or without a zone, as one to connect to; None: it is none.

    Raises ConnectFailed for a zone that is no interface of this machine.
    """
    if ":" in text:
        address, _, zone = text.partition("%")
        if not _is_of(socket.AF_INET6, address):
            return None
        return socket.AF_INET6, (address, port, 0, _scope_of(zone, text) if zone else 0)
    if text[-1:] in _DIGITS and _is_of(socket.AF_INET, text):
        return socket.AF_INET, (text, port)
    return None


def _is_of(family: int, text: str) -> bool:
    """Tell whether text is an address, as inet_pton has it: of IPv4 it knows one spelling only."""
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def _scope_of(zone: str, text: str) -> int:
    number = parse_digits(zone, most=9)
    if number is not None:
        return number
    try:
        return socket.if_nametoindex(zone)
    except OSError:
        raise ConnectFailed(
            f"cannot find {text}: no network interface {zone!a} here", phase="dns"
        ) from None


def literals(addresses: Sequence[str], port: int) -> list[Candidate]:
    """Read addresses that somebody chose; none of them is looked up. Raises ConnectFailed."""
    found = []
    for text in addresses:
        candidate = literal(text, port)
        if candidate is None:
            raise ConnectFailed(f"not an IP address: {text!a}", phase="dns")
        found.append(candidate)
    return found


def shown(candidate: Candidate) -> str:
    """Write a candidate as an IP literal, the zone included."""
    address = candidate[1]
    zone = address[3] if len(address) > 3 else 0
    text = str(address[0])
    return f"{text}%{zone}" if zone and "%" not in text else text


def known_addresses(host: str, port: int) -> list[Candidate] | None:
    """List where a host is without asking anybody; None when the system must be asked."""
    own = literal(host, port)
    if own is not None:
        return [own]
    name = host.removesuffix(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return literals(_LOOPBACK, port)
    return None


def ask_system(host: str, port: int) -> list[Candidate]:
    """List where a name is, best first, as the system's resolver has it, however long that takes.

    Raises ConnectFailed when there is no such name.
    """
    try:
        # As bytes: for a str, even an ASCII one, the socket module loads its tables of IDNA.
        name = host.encode("ascii")
    except UnicodeEncodeError:
        name = b""
    if not name or b"\0" in name:
        raise ConnectFailed(f"cannot find {host!r}: not the name of a host", phase="dns")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as fault:
        raise ConnectFailed(f"cannot find {host}: {reason_of(fault)}", phase="dns") from None
    families = (socket.AF_INET, socket.AF_INET6)
    # A hosts file may list an address twice.
    return list({(family, address): None for family, *_, address in found if family in families})


class Lookup:
    """A question to the system's resolver, asked in a thread that nobody has to wait for.

    tell: called from that thread when there is an answer.
    """

    def __init__(self, host: str, port: int, tell: Callable[[], object]) -> None:
        self._host = host
        self._port = port
        self._tell = tell
        self._found: list[Candidate] = []
        self._fault: Exception | None = None
        try:
            threading.Thread(target=self._ask, name=f"lookup of {host}", daemon=True).start()
        except RuntimeError:  # no thread to be had, as when the interpreter is about to end
            self._ask()

    def _ask(self) -> None:
        try:
            self._found = ask_system(self._host, self._port)
        except Exception as fault:
            self._fault = fault
        self._tell()

    def answer(self) -> list[Candidate]:
        """Return what was found, once that was told. Raises ConnectFailed."""
        if self._fault is not None:
            raise self._fault
        return self._found


def find_addresses(host: str, port: int, deadline: float | None = None) -> list[Candidate]:
    """List where a host may be reached, best first.

    Raises ConnectFailed when there is no such name, ConnectTimeout when the answer takes too long.
    """
    known = known_addresses(host, port)
    if known is not None:
        return known
    if deadline is None:
        return ask_system(host, port)
    began = monotonic()
    if deadline <= began:
        raise late_lookup(host, began)
    is_told = threading.Event()
    lookup = Lookup(host, port, is_told.set)
    if not is_told.wait(deadline - began):
        raise late_lookup(host, began)
    return lookup.answer()


def late_lookup(host: str, began: float) -> ConnectTimeout:
    """Return the error for a name whose servers did not answer in time."""
    seconds = monotonic() - began
    return ConnectTimeout(
        f"no address of {host} within {seconds:.3g} seconds", phase="dns", seconds=seconds
    )
