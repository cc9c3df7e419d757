"""A server of several processes: it opens the sockets, starts the workers, and looks after them.

One loop over few events: a signal, a word from a worker, a worker's end, the tick of a clock.
Each time it compares what there is with what there should be, and does the next thing. Its law:
what serves goes on serving until what replaces it has said that it is ready, so that neither a
crash, nor new code, nor code that does not load ever leaves nobody to answer.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from crlf.net.board import RESTARTS, Board, Slot
from crlf.net.listening import Doors, allow_descriptors, doors_of, parse_bind
from crlf.server.processes.briefing import Briefing
from crlf.server.processes.hearing import Ear
from crlf.server.processes.reloading import CannotReload, watching_files
from crlf.server.processes.workers import Worker
from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.server.starting import running
from crlf.server.watching.measures import MetricsSite
from crlf.server.watching.watches import warn
from crlf.values import replace

STUCK_AFTER = 30.0  # seconds without a sign of life; gunicorn 30
START_WITHIN = 60.0  # seconds for an application to load; its own begin included
_SHOW = 1.0  # seconds for a stuck worker to show where it is, before it is killed
_INSIST = 5.0  # seconds after all patience with its clients, before a worker is killed
_TICK = 0.5  # seconds between two looks at the clock
_LATE = 5.0  # seconds; if we were away for longer, the whole machine was
_YOUNG = 10.0  # seconds; who dies younger than that is replaced later and later
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 30.0  # seconds, doubling
_SLOTS = 256  # places on the board, for workers of several generations
_MOST_WORKERS = 64
_MOST_DRAINING = 3  # old workers for each that serves; at more, a reload waits
_HEARD = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU,
    signal.SIGCHLD,
)  # fmt: skip


class CannotStart(Exception):
    """No worker came up the first time. The text says why, for people."""


def serve_with_workers(
    target: str,
    settings: ServerSettings = DEFAULT_SETTINGS,
    *,
    folder: str = "",
    started: Callable[[Sequence[socket.socket]], object] | None = None,
    say: Callable[[str], object] = warn,
    stuck_after: float = STUCK_AFTER,
    start_within: float = START_WITHIN,
) -> int:
    """Serve a target with settings.workers processes, at least one, until told to stop.

    folder: what the target's path starts from. started: called once with what is listened on,
    when the first workers are ready. say: takes a sentence on what happens. stuck_after: seconds
    without a sign of life, after which a worker is ended; 0 for never.

    SIGTERM and SIGINT stop in order, and at once the second time. SIGHUP loads code,
    certificates and logs anew; SIGTTIN and SIGTTOU are one worker more and less; SIGUSR1 reopens
    logs. Returns the exit code: 0, or 128 and the number of the signal that insisted. Raises
    CannotStart, and OSError or ValueError when a place to listen cannot be had.
    """
    allow_descriptors()
    with ExitStack() as stack:
        doors = doors_of(settings.bind, settings.backlog, os.environ, os.getpid())
        stack.callback(doors.close)
        board = Board.shared(_SLOTS)
        stack.callback(board.close)
        supervisor = Supervisor(target, settings, folder, doors, board, say)
        supervisor.started, supervisor.stuck_after = started, stuck_after
        supervisor.start_within = start_within
        stack.enter_context(supervisor)
        if settings.metrics is not None and not settings.metrics.startswith("/"):
            place = parse_bind(settings.metrics)
            is_file = place.path is not None or place.descriptor is not None
            host, port = (None, None) if is_file else (place.host, place.port)
            own = replace(DEFAULT_SETTINGS, bind=(settings.metrics,))
            stack.enter_context(running(MetricsSite(board), host, port, settings=own))
        if settings.reload:
            try:
                stack.enter_context(watching_files([folder or "."], supervisor.request_reload))
            except CannotReload as fault:
                raise CannotStart(str(fault)) from None
        return supervisor.run()


class Supervisor:
    """What there is, what there should be, and the next step from one to the other."""

    def __init__(
        self,
        target: str,
        settings: ServerSettings,
        folder: str,
        doors: Doors,
        board: Board,
        say: Callable[[str], object],
    ) -> None:
        self._target, self._settings = target, settings
        self._folder = os.path.abspath(folder)
        self._doors, self._board, self._say = doors, board, say
        self.started: Callable[[Sequence[socket.socket]], object] | None = None
        self.stuck_after, self.start_within = STUCK_AFTER, START_WITHIN
        self._workers: list[Worker] = []
        self._wanted = max(1, settings.workers)
        self._serving = 1  # the generation that serves
        self._coming: int | None = None  # the one that is to replace it
        self._latest = 1
        self._reload_for: str | None = None  # why one is asked for: a sentence's end
        self._is_up = False  # somebody has been ready
        self._waits_for_change = False  # of the code, which did not load
        self._stopping_since: float | None = None
        self._insisted = 0  # the signal that came while we were stopping
        self._delay = 0.0
        self._next_birth = 0.0
        self._seen = time.monotonic()  # when we last looked at the clock
        self._excused_until = 0.0  # beats from before then were missed by the whole machine
        self._changes: deque[str] = deque()  # from the thread that watches files
        self._has_terminal = False
        self._ear = Ear(_HEARD)

    # -- the loop

    def __enter__(self) -> Supervisor:
        self._selector = selectors.DefaultSelector()
        self._ear.__enter__()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._has_terminal = _at_terminal()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._workers):
            worker.insist(signal.SIGKILL)
            worker.wait()
            self._bury(worker)
        self._selector.close()
        self._ear.__exit__()

    def run(self) -> int:
        """Look after the workers until the last has stopped; return the exit code."""
        while True:
            self._go_on()
            if self._stopping_since is not None and not self._workers:
                return 128 + self._insisted if self._insisted else 0
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    self._listen()
                elif not key.data.listen():
                    self._selector.unregister(key.fileobj)

    def _pause(self) -> float:
        """How long nothing may happen."""
        until_birth = self._next_birth - time.monotonic()
        return min(_TICK, until_birth) if until_birth > 0 else _TICK

    def _go_on(self) -> None:
        """Compare what there is with what there should be, and do the next thing."""
        now = time.monotonic()
        if now - self._seen > _LATE:
            self._excused_until = now + self.stuck_after
        self._seen = now
        for worker in [one for one in self._workers if one.has_ended()]:
            self._bury(worker)
            self._judge(worker, now)
        for worker in self._workers:
            self._look_after(worker, now)
        if self._stopping_since is None:
            self._replace_generation()
            self._settle_count(now)
            self._say_started()

    # -- what is heard

    def request_reload(self, change: str) -> None:
        """Ask for new workers because something has changed; from any thread."""
        self._changes.append(change)
        self._ear.wake()

    def _listen(self) -> None:
        for number in self._ear.heard():
            self._obey(number)
        if self._changes:
            changed = list(dict.fromkeys(self._changes))
            self._changes.clear()
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            self._ask_to_reload(f"because {changed[0]}{more} changed")

    def _obey(self, number: int) -> None:
        """Do what a signal says."""
        if number in (signal.SIGINT, signal.SIGTERM):
            self._stop(number)
        elif number == signal.SIGHUP:
            if self._has_terminal and not _at_terminal():
                self._stop(signal.SIGTERM)  # the window was closed, and nobody means a reload
            else:
                self._ask_to_reload("as asked")
        elif number == signal.SIGUSR1:
            for worker in self._workers:
                if worker.is_serving:
                    worker.tell(signal.SIGUSR1)
        elif number == signal.SIGTTIN:
            self._want(self._wanted + 1)
        elif number == signal.SIGTTOU:
            self._want(self._wanted - 1)

    def _want(self, count: int) -> None:
        if 1 <= count <= _MOST_WORKERS and self._stopping_since is None:
            self._wanted = count
            self._say(f"{count} worker{'s' if count > 1 else ''} from now on")

    def _stop(self, number: int) -> None:
        """Stop in order; at once when asked for a second time."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            self._doors.close()  # ours: whoever connects now is refused, as soon as all have closed
            for worker in self._workers:
                worker.tell_to_stop()
        else:
            self._insisted = number
            for worker in self._workers:
                worker.insist(signal.SIGKILL)

    def _ask_to_reload(self, why: str) -> None:
        if self._stopping_since is None:
            self._reload_for = why  # one that waits stands for all that come meanwhile

    # -- the next thing

    def _replace_generation(self) -> None:
        """Begin a new generation if one is asked for; when it is ready, let the old one go."""
        if self._coming is None:
            draining = sum([worker.told is not None for worker in self._workers])
            if self._reload_for is None or draining > _MOST_DRAINING * self._wanted:
                return
            self._say(f"loading anew, {self._reload_for}")
            self._reload_for = None
            self._waits_for_change = False
            self._latest += 1
            self._coming = self._latest
        coming = self._of(self._coming)
        while len(coming) < self._wanted:
            worker = self._bear(self._coming)
            if worker is None:
                return
            coming.append(worker)
        if all(worker.is_serving for worker in coming):
            for worker in self._workers:
                if worker.generation != self._coming:
                    worker.tell_to_stop()
            self._serving, self._coming = self._coming, None
            self._delay = self._next_birth = 0.0

    def _settle_count(self, now: float) -> None:
        """Replace who has died, once it is time; let the youngest go who is too many."""
        serving = self._of(self._serving)
        for worker in serving[self._wanted :]:
            worker.tell_to_stop()
        if self._waits_for_change:
            return
        for _ in range(self._wanted - len(serving)):
            if now < self._next_birth or self._bear(self._serving) is None:
                return

    def _bear(self, generation: int) -> Worker | None:
        """Start a worker; None when the system has no room for it now."""
        taken = {worker.slot.number for worker in self._workers}
        slot: Slot | None = next((one for one in self._board if one.number not in taken), None)
        if slot is None:
            return None
        briefing = Briefing(
            self._target,
            self._folder,
            self._settings,
            tuple([opened.fileno() for opened in self._doors.sockets]),
            -1 if self._board.descriptor is None else self._board.descriptor,
            slot.number,
            generation,
        )
        try:
            worker = Worker(briefing, slot)
        except OSError as fault:
            self._put_off(f"cannot start a worker: {fault.strerror or fault}")
            return None
        self._workers.append(worker)
        self._selector.register(worker.link, selectors.EVENT_READ, worker)
        return worker

    def _of(self, generation: int) -> list[Worker]:
        """List the workers of a generation that have not been told to stop, oldest first."""
        return [
            worker
            for worker in self._workers
            if worker.generation == generation and worker.told is None
        ]

    def _say_started(self) -> None:
        """Tell whoever started us, once, that all who should are ready."""
        serving = self._of(self._serving)
        if self._is_up or len(serving) < self._wanted or not all(one.ready for one in serving):
            return
        self._is_up = True
        if self.started is not None:
            self.started(tuple(self._doors.sockets))

    # -- the sick and the dead

    def _look_after(self, worker: Worker, now: float) -> None:
        """End a worker that is stuck, or does not stop."""
        if worker.ended_by == signal.SIGABRT and now - worker.ended_at > _SHOW:
            worker.insist(signal.SIGKILL)
        if worker.ended_by is not None:
            return
        patience = self._settings.patience.drain + _INSIST
        if worker.told is not None and now - worker.told > patience:
            self._say(f"worker {worker.pid} does not stop; it is ended")
            worker.insist(signal.SIGKILL)
        elif worker.ready is None and now - worker.born > self.start_within:
            self._say(f"worker {worker.pid} was not ready within {self.start_within:g} s")
            worker.insist(signal.SIGABRT)
        elif worker.is_serving and self.stuck_after and now > self._excused_until:
            silent = now - worker.last_beat
            if silent > self.stuck_after:
                self._say(f"worker {worker.pid} is stuck: nothing for {silent:.0f} s; it is ended")
                worker.insist(signal.SIGABRT)

    def _bury(self, worker: Worker) -> None:
        """Forget a worker that has ended."""
        self._workers.remove(worker)
        if worker.link in [key.fileobj for key in self._selector.get_map().values()]:
            self._selector.unregister(worker.link)
        worker.forget()

    def _judge(self, worker: Worker, now: float) -> None:
        """Draw the conclusion from a worker's end."""
        if worker.told is not None or self._stopping_since is not None:
            return
        if worker.generation == self._coming:
            self._give_up_generation(worker)
        elif not self._is_up and not any(other.ready for other in self._workers):
            self._fail_to_start(worker)
        else:
            worker.slot.add(RESTARTS)
            lived = now - (worker.ready or now)
            if lived >= _YOUNG:
                self._delay = 0.0
                self._say(f"worker {worker.pid} {worker.fate}; another takes its place")
            else:
                self._put_off(worker.fault or f"worker {worker.pid} {worker.fate}")

    def _put_off(self, why: str) -> None:
        """Wait before the next worker is started, each time longer."""
        self._delay = min(_LONGEST_DELAY, self._delay * 2) if self._delay else _FIRST_DELAY
        self._next_birth = time.monotonic() + self._delay
        self._say(f"{why}; another takes its place in {self._delay:g} s")

    def _give_up_generation(self, worker: Worker) -> None:
        """Stay with the old workers, since the new ones do not come up."""
        why = worker.fault or f"worker {worker.pid} {worker.fate} before it was ready"
        old = "nobody serves until it does" if not self._of(self._serving) else "the old one serves"
        self._say(f"{self._target} does not load, {old}: {why}")
        self._waits_for_change = not self._of(self._serving)
        for other in self._workers:
            if other.generation == self._coming:
                other.tell_to_stop()
        self._coming = None

    def _fail_to_start(self, worker: Worker) -> None:
        """Say why nothing can be served; in development, wait for that to change."""
        why = worker.fault or f"worker {worker.pid} {worker.fate} before it was ready"
        if not self._settings.reload:
            raise CannotStart(why)
        if not self._waits_for_change:
            self._waits_for_change = True
            self._say(f"{why}\nWaiting for a change.")
            for other in self._of(self._serving):
                other.tell_to_stop()


def _at_terminal() -> bool:
    try:
        return os.isatty(sys.__stdin__.fileno()) if sys.__stdin__ is not None else False
    except (OSError, ValueError):
        return False
