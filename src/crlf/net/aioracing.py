"""Names and sockets for event loops: what names.py and racing.py do, without blocking anybody.

An attempt is a Task around the loop's sock_connect, which asyncio's loops and uvloop have alike.
Its law: a socket belongs to its attempt until it is connected, then to the race, then to the
caller; whoever is cancelled meanwhile closes what is its own.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from crlf.net.names import (
    Address,
    Candidate,
    Lookup,
    known_addresses,
    late_lookup,
    reason_of,
)
from crlf.net.racing import (
    knock,
    new_socket,
    reachable_from,
    settle,
    too_late,
    unix_socket,
    unreachable,
    words_of,
)
from crlf.ports import SocketSettings
from crlf.rules.eyeballs import Race

_FULL = 0.01  # seconds between two knocks at a Unix socket that takes no more connections now


async def find_addresses(
    loop: asyncio.AbstractEventLoop, host: str, port: int, deadline: float | None
) -> list[Candidate]:
    """List where a host may be reached, best first. Raises ConnectFailed, ConnectTimeout.

    Not by the loop's getaddrinfo: its threads are a handful, for everybody, and a program that
    ends would wait for those that are stuck.
    """
    known = known_addresses(host, port)
    if known is not None:
        return known
    began = monotonic()
    if deadline is not None and deadline <= began:
        raise late_lookup(host, began)
    is_told: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_future, is_told)

    lookup = Lookup(host, port, tell)
    try:
        async with asyncio.timeout(None if deadline is None else deadline - began):
            await is_told
    except TimeoutError:
        raise late_lookup(host, began) from None
    return lookup.answer()


def _settle_future(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def open_any(
    loop: asyncio.AbstractEventLoop,
    candidates: Sequence[Candidate],
    place: str,
    deadline: float | None,
    settings: SocketSettings,
) -> socket.socket:
    """Connect to the address that answers first. Raises ConnectFailed, ConnectTimeout."""
    began = monotonic()
    candidates = reachable_from(candidates, settings, place)
    left = None if deadline is None else deadline - began
    if left is not None and left <= 0:
        raise too_late(place, began)
    race = Race(candidates, left)
    try:
        async with asyncio.timeout(left):
            if len(candidates) == 1:
                opened = await _attempt(loop, candidates[0], settings, race)
            else:
                opened = await _open_first(loop, race, settings)
    except TimeoutError:
        raise too_late(place, began, race.reasons) from None
    if opened is None:
        raise unreachable(place, race.reasons, began)
    return opened


async def _open_first(
    loop: asyncio.AbstractEventLoop, race: Race[Address], settings: SocketSettings
) -> socket.socket | None:
    """Connect to several addresses, one after the other and side by side; None: none answers."""
    attempts: set[asyncio.Task[None]] = set()
    connected: deque[socket.socket] = deque()  # more than one when two answer in the same turn

    async def attempt(candidate: Candidate) -> None:
        opened = await _attempt(loop, candidate, settings, race)
        if opened is not None:
            connected.append(opened)

    try:
        while not connected:
            now = monotonic()
            candidate = race.begin(now)
            if candidate is not None:
                attempts.add(loop.create_task(attempt(candidate)))
                now = monotonic()
            pause = race.pause(now)
            if not attempts:
                if pause is None:
                    return None
                continue
            over, attempts = await asyncio.wait(
                attempts, timeout=pause, return_when=asyncio.FIRST_COMPLETED
            )
            for task in over:
                task.result()  # raises what is no failure to connect
        losers, attempts = attempts, set()
        await _call_off(losers)
        return connected.popleft()
    finally:
        for opened in connected:
            opened.close()
        await _call_off(attempts)


async def _call_off(attempts: set[asyncio.Task[None]]) -> None:
    """Cancel attempts and wait until they have closed their sockets.

    They do so in the next turn of the loop, even when the waiting here is cancelled.
    """
    for task in attempts:
        task.cancel()
    if attempts:
        await asyncio.wait(attempts)


async def _attempt(
    loop: asyncio.AbstractEventLoop,
    candidate: Candidate,
    settings: SocketSettings,
    race: Race[Address],
) -> socket.socket | None:
    """Connect to one address; None, and a reason for the race, when that fails."""
    family, address = candidate
    try:
        opened = new_socket(family, settings)
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, address)
            settle(opened, settings)
        except BaseException:
            opened.close()
            raise
    except OSError as fault:
        # asyncio puts its own text, with the address, where the system's should be.
        code = fault.errno if "Connect call failed" in str(fault) else None
        race.failed(reason_of(fault) if code is None else words_of(code))
        return None
    return opened


async def open_unix(path: str, deadline: float | None) -> socket.socket:
    """Connect to a Unix domain socket. Raises ConnectFailed, ConnectTimeout."""
    began = monotonic()
    opened = unix_socket()
    try:
        while not knock(opened, path):
            if deadline is not None and monotonic() >= deadline:
                raise too_late(f"the socket {path!r}", began)
            await asyncio.sleep(_FULL)
    except BaseException:
        opened.close()
        raise
    return opened
