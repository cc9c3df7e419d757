"""One process of several, started by a supervisor as `python -m crlf.server.processes.worker`.

It inherits sockets that listen, the board and a link to its parent; loads the application by
itself, so that a new process has new code; says that it is ready; and serves until it is told to
stop (SIGTERM) or its parent is gone. Its law: an answer that has begun is finished, and who is
connected is told that this connection is the last.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import socket
import sys
from contextlib import suppress
from traceback import format_exception
from types import FrameType

from crlf.message.errors import CrlfError
from crlf.net.board import GENERATION, PID, Board, Slot
from crlf.net.loops import new_loop
from crlf.server.application import Application, DidNotStart
from crlf.server.hosting import CannotHost, load_application
from crlf.server.processes.briefing import Answer, Briefing, hear, read_line, write_line
from crlf.server.serving import Server
from crlf.server.watching.lastresort import settle_last_resort

CANNOT_START = 3  # exit code: the reason has been told to the parent
_INSIST = 5.0  # seconds after all patience, before an orphan that does not end is ended
_GRACE = 1.0  # seconds for idle connections to ask once more, and learn that it was the last time


def main() -> int:
    """Serve as the parent says; return the exit code."""
    link = socket.socket(fileno=int(sys.argv[1]))
    link.set_inheritable(False)
    _settle_signals()
    settle_last_resort()
    line = hear(link)
    if not line:
        return 0  # the parent is gone already
    briefing: Briefing = read_line(line)
    board = Board.attached(briefing.board)
    os.set_inheritable(briefing.board, False)
    sockets = [socket.socket(fileno=number) for number in briefing.sockets]
    for listening in sockets:
        listening.set_inheritable(False)
    slot = board[briefing.slot]
    slot[PID], slot[GENERATION] = os.getpid(), briefing.generation
    try:
        app = load_application(briefing.target, briefing.settings, briefing.folder)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(app, briefing, sockets, slot, link))
    except CannotHost as fault:
        return _tell(link, f"{fault.reason}\n{fault.trace}".rstrip("\n"))
    except _CannotStart as fault:
        return _tell(link, str(fault))
    except SystemExit as fault:
        return _tell(link, f"{briefing.target} left while it was loaded: sys.exit({fault.code!r})")
    return 0


class _CannotStart(Exception):
    """The server does not begin; the text says why, for people."""


def _reason_of(fault: Exception) -> str:
    """Say why a server does not start: what is expected in a line, the rest with its trace."""
    if isinstance(fault, CrlfError):
        return fault.brief
    if isinstance(fault, DidNotStart):
        return fault.told
    if isinstance(fault, OSError):
        why = fault.strerror or str(fault)
        return why if fault.filename is None else f"{fault.filename} cannot be opened: {why}"
    if isinstance(fault, ValueError):
        return str(fault)
    trace = "".join(format_exception(fault)).rstrip("\n")
    return f"it did not start: {type(fault).__name__}: {fault}\n{trace}"


def _tell(link: socket.socket, reason: str) -> int:
    """Tell the parent why nothing can be served."""
    try:
        link.sendall(write_line(Answer(reason or "it does not say why")))
    except OSError:
        sys.stderr.write(f"{reason}\n")  # nobody else is there to hear it
    return CANNOT_START


def _settle_signals() -> None:
    """Leave Ctrl-C and hang-ups to the parent; go at once when told to before serving.

    The parent starts us with these signals held back, so that none came too early.
    """
    faulthandler.enable()  # SIGABRT, from a parent that thinks us stuck, shows where we are

    def leave(number: int, _: FrameType | None) -> None:
        os._exit(0)  # nobody is connected yet, and an import may not be left otherwise

    signal.signal(signal.SIGTERM, leave)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


async def _serve(
    app: Application,
    briefing: Briefing,
    sockets: list[socket.socket],
    slot: Slot,
    link: socket.socket,
) -> None:
    """Serve until SIGTERM, or until the parent is gone. Raises _CannotStart."""
    loop, settings = asyncio.get_running_loop(), briefing.settings
    told = asyncio.Event()
    server = Server(app, settings=settings, sockets=sockets, slot=slot, board=slot.board)
    try:
        await server.start()
    except Exception as fault:
        raise _CannotStart(_reason_of(fault)) from fault

    def look_at_link() -> None:
        if _has_ended(link):
            loop.remove_reader(link.fileno())
            # Nobody would end us if we could not.
            signal.alarm(int(settings.patience.drain + _GRACE + _INSIST))
            told.set()

    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGUSR1, server.reopen_logs)
    loop.add_signal_handler(signal.SIGHUP, server.renew)
    link.setblocking(False)
    with suppress(OSError):  # then the parent is gone, which the link says too
        link.send(write_line(Answer()))
    loop.add_reader(link.fileno(), look_at_link)
    await told.wait()
    loop.remove_reader(link.fileno())
    await server.stop(grace=_GRACE)


def _has_ended(link: socket.socket) -> bool:
    try:
        return not link.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


if __name__ == "__main__":
    sys.exit(main())
