"""The time one exchange may take, phase by phase and in all.

Streams only know a deadline; which of several it was, and how many seconds it stood for, is
known here.
"""

from __future__ import annotations

from collections.abc import Callable

from crlf.message.errors import ReadTimeout, TimedOut, TotalTimeout
from crlf.rules.deadlines import Timeout
from crlf.rules.tracing import Step, StepName, Trace


class Budget:
    """Deadlines for one exchange, redirects and retries included, from now on.

    trace: who is told of its steps; request: the one under way, which they are told with.
    """

    __slots__ = ("began", "now", "request", "timeout", "total_at", "trace")

    def __init__(
        self, timeout: Timeout, now: Callable[[], float], trace: Trace | None = None
    ) -> None:
        self.timeout = timeout
        self.now = now
        self.trace = trace
        self.request: object | None = None
        self.began = now()
        self.total_at = None if timeout.total is None else self.began + timeout.total

    def until(self, seconds: float | None) -> float | None:
        """Return the deadline of a phase that begins now and may take so many seconds.

        `read` and `write` say the same again, since every exchange asks them a few times.
        """
        total_at = self.total_at
        if seconds is None:
            return total_at
        deadline = self.now() + seconds
        return deadline if total_at is None or deadline < total_at else total_at

    def read(self) -> float | None:
        """Return the deadline for something to arrive.

        Raises ReadTimeout when the total one has passed: where there is always something to
        read, nobody ever waits, so no stream would see that.
        """
        seconds, total_at = self.timeout.read, self.total_at
        if seconds is None and total_at is None:
            return None
        now = self.now()
        if total_at is None or (seconds is not None and now + seconds < total_at):
            return now + seconds  # type: ignore[operator]  # one of the two is given
        if now >= total_at:
            raise ReadTimeout("nothing more is read", phase="read")
        return total_at

    def write(self) -> float | None:
        """Return the deadline for a piece to be taken."""
        seconds, total_at = self.timeout.write, self.total_at
        if seconds is None:
            return total_at
        deadline = self.now() + seconds
        return deadline if total_at is None or deadline < total_at else total_at

    def note(self, name: StepName, began: float, detail: object = None) -> None:
        """Tell of a step that is over now, if anybody listens."""
        if self.trace is not None:
            self.trace(Step(name, began, self.now(), self.request, detail))

    @property
    def elapsed(self) -> float:
        """Seconds since the exchange began."""
        return self.now() - self.began

    def explained(self, late: TimedOut) -> TimedOut:
        """Return the timeout to raise for a deadline that passed: the phase's, or the total's."""
        if self.total_at is not None and self.now() >= self.total_at:
            return TotalTimeout(
                f"the exchange took longer than {self.timeout.total:g} s in all",
                phase=late.phase,
                seconds=self.elapsed,
            )
        if late.seconds is None:
            late.seconds = getattr(self.timeout, late.phase, None)
        return late
