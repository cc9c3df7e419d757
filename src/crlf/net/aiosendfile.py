"""A file on its way out of a loop's connection, by the kernel, as often as there is room.

The loop refuses to look after a descriptor that a transport has, so it is given a copy. Its law:
the copy is closed as soon as the sending is over, for whatever reason, since with it open the
connection would stay open as well.
"""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable

from crlf.net.sendfile import send_some
from crlf.net.sweep import Sweep


class Sending:
    """Bytes of a file that the socket did not take at once: each time there is room, some more.

    offset, left: what is still to be sent. deadline_of: asked anew after each piece.
    """

    __slots__ = (
        "_copy",
        "_deadline_of",
        "_descriptor",
        "_done",
        "_loop",
        "_sweep",
        "left",
        "offset",
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        sweep: Sweep,
        descriptor: int,
        offset: int,
        left: int,
        deadline_of: Callable[[], float | None],
    ) -> None:
        self._loop = loop
        self._sweep = sweep
        self._descriptor = descriptor
        self._deadline_of = deadline_of
        self._copy = -1
        self._done: Future[bool] = loop.create_future()  # False when a deadline has passed
        self.offset = offset
        self.left = left

    async def finish(self, socket_number: int) -> bool:
        """Send all that is left, as the socket takes it; False when a deadline passed meanwhile.

        Raises OSError, LocalError, and what `fail` was given.
        """
        try:
            self._set_deadline()
            self._copy = os.dup(socket_number)
            self._loop.add_writer(self._copy, self._send_more)
            return await self._done
        finally:
            self._stop()
            self._sweep.forget(self._done)

    def fail(self, fault: Exception) -> None:
        """Stop at once, and let whoever waits know why."""
        self._stop()
        if not self._done.done():
            self._done.set_exception(fault)

    def _send_more(self) -> None:
        """Send a piece, in the loop's call: others have their turn before the next."""
        try:
            sent = send_some(self._copy, self._descriptor, self.offset, self.left)
            self.offset += sent
            self.left -= sent
            if self.left:
                self._set_deadline()
                return
        except (BlockingIOError, InterruptedError):
            return
        except Exception as fault:
            self.fail(fault)
            return
        self._stop()
        if not self._done.done():
            self._done.set_result(True)

    def _set_deadline(self) -> None:
        deadline = self._deadline_of()
        if deadline is not None:
            self._sweep.watch(self._done, deadline)

    def _stop(self) -> None:
        copy, self._copy = self._copy, -1
        if copy >= 0:
            self._loop.remove_writer(copy)
            os.close(copy)
