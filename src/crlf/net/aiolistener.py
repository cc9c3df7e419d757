"""A listener of asyncio: an accept loop of our own, and the connections that came through it.

The loops' own servers accept as much as comes, and at the limit of descriptors they spin
(asyncio) or hang up on whoever waits (uvloop); this one leaves connections in the kernel's queue
while there is no room for them. Processes that share their sockets also share a board: one that
has clearly more connections than another lets that one accept, for a moment. Its law: accepting
never fails for good, and never keeps the loop busy with nothing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

from crlf.net.aiostream import AioStream
from crlf.net.board import ACCEPTED, BEAT, CONNECTIONS, DRAINING, READY, Board, Slot
from crlf.net.sweep import Sweep
from crlf.ports import Stream

_AT_ONCE = 32  # connections accepted before others have a turn; asyncio takes its whole backlog
_ROOM_AGAIN = 0.1  # seconds after which room is asked for again, while somebody waits for it
_CROWDED = 256  # connections, beyond which one that does not read may hold less of the kernel's ...
_UNSENT = 128 * 1024  # ... bytes: it would take 1.7 MB of each, and Linux has some GB for them all
_NOTSENT_LOWAT = 25 if sys.platform == "linux" else 0  # which Python knows from 3.12 on
_PAUSE = 0.25  # seconds without accepting when descriptors or memory are out; asyncio 1.0
_SAY_AGAIN = 60.0  # seconds between two complaints about that
_LEAVE = 0.001  # seconds for which others are let go first
_LEAVES = 100  # times in which they take nothing, after which they are thought busy ...
_BUSY = 1.0  # ... for so many seconds, or until they take something; meanwhile we take what comes
_LOOK_ROUND = 0.1  # seconds for which the list of who else accepts is believed
_STUCK = 3_000_000_000  # nanoseconds without a beat; it should come once a second

# What accept says of a connection that was gone before we came to it, or of the network, which
# Linux reports here (accept(2)): the next one may be well.
_GONE = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED", "ECONNRESET", "EPROTO", "EPERM", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN",
        "ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT",
    )
    if hasattr(errno, name)
)  # fmt: skip
_NETWORK = frozenset({socket.AF_INET, socket.AF_INET6})
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


class Crowd:
    """The processes that accept from the same sockets, and what each of them has."""

    def __init__(self, board: Board, own: Slot, now: Callable[[], float]) -> None:
        self._board = board
        self._own = own
        self._now = now
        self._others: list[Slot] = []
        self._believed_until = 0.0
        self._busy_until = 0.0
        self._busy_since = 0  # what the others had accepted when they were thought busy

    @property
    def is_ahead(self) -> bool:
        """Whether we have clearly more connections than somebody else who accepts."""
        now = self._now()
        if now >= self._believed_until:
            self._look_round(now)
        mine = self._own[CONNECTIONS]
        for slot in self._others:
            least = slot[CONNECTIONS]
            # A sixteenth more, and one: few enough that wrk -c64 finds four workers within 1.3,
            # and so much that a connection which has just come or gone moves nobody.
            if mine > least + (least >> 4) + 1 and slot[READY] and not slot[DRAINING]:
                return now >= self._busy_until or self.taken != self._busy_since
        return False

    @property
    def taken(self) -> int:
        """How many connections the others have accepted so far."""
        return sum([slot[ACCEPTED] for slot in self._others])

    def think_busy(self) -> None:
        """Wait for nobody for a while: those who were let go first did not go."""
        self._busy_until = self._now() + _BUSY
        self._busy_since = self.taken

    def _look_round(self, now: float) -> None:
        self._believed_until = now + _LOOK_ROUND
        oldest = int(now * 1e9) - _STUCK
        self._others = [
            slot
            for slot in self._board.living()
            if slot.number != self._own.number and slot[READY] and slot[BEAT] > oldest
        ]


class Listener:
    """Open doors: the connections that come through them, each a Task.

    slot: where connections are counted. most: connections at a time; beyond that the others wait
    in the kernel. make_room: closes connections on which nothing is under way, if there are any;
    called while somebody waits. crowd: who else accepts from these sockets.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        serve: Callable[[Stream], Awaitable[None]],
        sweep: Sweep,
        *,
        slot: Slot | None = None,
        most: int | None = None,
        make_room: Callable[[], object] | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self._loop = loop
        self._serve = serve
        self._sweep = sweep
        self._slot = Board()[0] if slot is None else slot
        self._most = most
        self._make_room = make_room
        self._wants_room = False  # the timer is not to be waited for when there is some
        self._crowd = crowd
        self._sockets: list[socket.socket] = []
        self._is_accepting = False
        self._timer: asyncio.TimerHandle | None = None
        self._leaves = 0
        self._taken = 0  # by others, when we last let them go first
        self._quiet_until = 0.0
        self._turns: set[asyncio.Task[None]] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._open = 0  # connections, those included that are on their way into the loop
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """What is listened on."""
        return tuple(self._sockets)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Return (address, port) of every socket that listens on the network."""
        names = [listening.getsockname() for listening in self._sockets]
        return [(name[0], name[1]) for name in names if isinstance(name, tuple)]

    def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept from sockets that listen, and own them."""
        for listening in sockets:
            listening.setblocking(False)
            if listening.family in _NETWORK:
                # Who is accepted inherits it; asyncio sets it for some sockets only.
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stop_accepting()
        self._sockets += sockets
        self._begin_accepting()

    def close(self) -> None:
        """Accept no more; connections go on."""
        self._stop_accepting()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    async def finish(self, seconds: float) -> None:
        """Wait for the connections to end; cancel what is left after so many seconds."""
        if self._arriving:
            await asyncio.wait(self._arriving, timeout=1.0)
        if self.tasks:
            _, left = await asyncio.wait(self.tasks, timeout=seconds)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=1.0)

    # -- accepting

    def _begin_accepting(self) -> None:
        self._timer = None
        self._wants_room = False
        if self._is_accepting or (self._is_full and self._make_room is None):
            return
        self._is_accepting = True
        for listening in self._sockets:
            try:
                self._loop.add_reader(listening.fileno(), self._accept, listening)
            except NotImplementedError:  # the loop of Windows
                task = self._loop.create_task(self._accept_in_turn(listening))
                self._turns.add(task)
                task.add_done_callback(self._turns.discard)

    def _stop_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for task in self._turns:
                task.cancel()
            if not self._turns:
                for listening in self._sockets:
                    self._loop.remove_reader(listening.fileno())

    def _pause(self, seconds: float) -> None:
        self._stop_accepting()
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._begin_accepting)

    @property
    def _is_full(self) -> bool:
        return self._most is not None and self._open >= self._most

    def _accept(self, listening: socket.socket) -> None:
        """Take what waits, as long as there is room and it is our turn."""
        for taken in range(_AT_ONCE):
            if self._is_full:
                self._wait_for_room(is_news=taken == 0)
                return
            if self._crowd is not None and self._crowd.is_ahead and self._leave(self._crowd):
                return
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as fault:
                if fault.errno in _GONE:
                    continue
                self._complain(fault)
                self._pause(_PAUSE)
                if self._make_room is not None and fault.errno in _NO_DESCRIPTOR:
                    self._wants_room = True
                    self._make_room()
                return
            self._leaves = 0
            self._take(accepted)

    def _wait_for_room(self, is_news: bool) -> None:
        """Let who waits wait; ask for room, unless others have some.

        is_news: somebody is known to wait.
        """
        if self._make_room is None:
            self._stop_accepting()
        elif is_news:
            self._pause(_ROOM_AGAIN)
            self._wants_room = True
            if self._crowd is None or not self._crowd.is_ahead:
                self._make_room()

    def _leave(self, crowd: Crowd) -> bool:
        """Let others go first; False when they do not go."""
        taken = crowd.taken
        self._leaves = self._leaves + 1 if taken == self._taken else 0
        self._taken = taken
        if self._leaves >= _LEAVES:
            crowd.think_busy()
            return False
        self._pause(_LEAVE)
        return True

    async def _accept_in_turn(self, listening: socket.socket) -> None:
        """Do the same on a loop that can wait for a connection, not for the news of one."""
        while not self._is_full:
            try:
                accepted, _ = await self._loop.sock_accept(listening)
            except OSError as fault:
                if fault.errno not in _GONE:
                    self._complain(fault)
                    await asyncio.sleep(_PAUSE)
            else:
                self._take(accepted)
        self._stop_accepting()

    def _complain(self, fault: OSError) -> None:
        """Say that nothing can be accepted for now; not again and again."""
        now = self._loop.time()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _SAY_AGAIN
        import logging  # 8 ms; most servers never have to

        logging.getLogger("crlf.server").error(
            "cannot accept, with %d connections open: %s; they wait", self._open, fault
        )

    def _take(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        if self._open >= _CROWDED and _NOTSENT_LOWAT and accepted.family in _NETWORK:
            # Not for all: a fast client's large answer costs twice the work, in wakings.
            accepted.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _UNSENT)
        self._open += 1
        self._slot.add(ACCEPTED)
        self._slot.add(CONNECTIONS)
        # A Task of its own costs no more than what the loops' own servers do (measured).
        task = self._loop.create_task(self._hand_over(accepted))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _hand_over(self, accepted: socket.socket) -> None:
        """Let the loop have a connection; it is begun as soon as that is so."""
        begun = False

        def begin(stream: AioStream) -> None:
            nonlocal begun
            begun = True
            task: asyncio.Task[None] = self._loop.create_task(self._served(stream))
            self.tasks.add(task)
            task.add_done_callback(self._ended)

        try:
            await self._loop.connect_accepted_socket(
                lambda: AioStream(self._loop, self._sweep, begin), accepted
            )
        except OSError:
            accepted.close()  # it was gone before it began
        finally:
            if not begun:
                self._forget()

    async def _served(self, stream: AioStream) -> None:
        try:
            await self._serve(stream)
        finally:
            stream.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._forget()

    def _forget(self) -> None:
        self._open -= 1
        self._slot.add(CONNECTIONS, -1)
        if self._wants_room and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sockets and not self._is_accepting and self._timer is None:
            self._begin_accepting()
