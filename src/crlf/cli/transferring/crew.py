"""Work on files in threads, while the main thread shows how far they are and hears Ctrl-C.

Its law: however it ends, nothing goes on behind it that writes: who is in the middle of a file
is stopped and waited for, and who waits for a name or a connection has nothing to keep.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import monotonic

from crlf.cli.transferring.bars import Painter
from crlf.cli.transferring.transfers import Transfer
from crlf.net.stoppable import StoppableNetwork

_TICK = 0.1  # seconds between two looks at how far everything is
_PATIENCE = 3.0  # seconds for those in the middle of a file to let go of it


def carry_out(
    transfers: Sequence[Transfer],
    work: Callable[[Transfer], object],
    told: Callable[[Transfer], object],
    painter: Painter,
    network: StoppableNetwork,
    at_once: int,
) -> None:
    """Do the work on each transfer, so many at once, until all have ended, well or not.

    told: called with each that has ended, in this thread. What interrupts this thread is raised
    once the others have stopped.
    """
    waiting, ended = deque(transfers), SimpleQueue[Transfer]()

    def labour() -> None:
        while True:
            try:
                transfer = waiting.popleft()
            except IndexError:
                return
            transfer.begin()
            try:
                work(transfer)
            except BaseException as fault:  # it is told of by who waits for this
                transfer.end(fault)
            else:
                transfer.end()
            ended.put(transfer)

    left = len(transfers)
    try:
        for _ in range(min(at_once, left)):
            threading.Thread(target=labour, name="crlf transfer", daemon=True).start()
        while left:
            try:
                transfer = ended.get(timeout=_TICK if painter.is_live else None)
            except Empty:
                painter.paint()
                continue
            left -= 1
            told(transfer)
    except BaseException:
        waiting.clear()
        network.stop()
        _let_go(transfers, ended)
        raise


def _let_go(transfers: Sequence[Transfer], ended: SimpleQueue[Transfer]) -> None:
    """Wait until nobody is in the middle of a file."""
    give_up = monotonic() + _PATIENCE
    while any(one.state == "running" and one.is_moving for one in transfers):
        if monotonic() > give_up:
            return
        try:
            ended.get(timeout=0.05)
        except Empty:
            continue
