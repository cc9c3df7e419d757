"""The terms on which connections are served: application, guards, limits, patience.

What all connections of a server share, and no connection changes. Its law: what is None costs
nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, BinaryIO, Protocol

from crlf.flow.intake import AskIntake
from crlf.message.facts import NOT_DRAINING, Draining
from crlf.message.headers import Headers
from crlf.message.request import Counts, Received, Request
from crlf.message.response import Response
from crlf.ports import FromThread, InThread, OpenSaving
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.rules.gates import Gate
from crlf.wire.h1.server import NO_STANDING, Standing
from crlf.wire.limits import SERVER_LIMITS, Limits
from crlf.wire.multipart import MultipartLimits

Send = Callable[[Request], Awaitable[Response]]
Stamp = Callable[[Request, Headers], Headers]  # what every answer says beside its own


class Watch(Protocol):
    """Who is told what happens: a log, a measure. It must neither wait nor raise.

    sees_all: whether it wants to know of connections, and of requests on which nothing went
    wrong; otherwise it is told only of those that were refused or broke.
    """

    sees_all: bool

    def opened(self, where: Received) -> None:
        """A connection has come."""

    def closed(self, where: Received) -> None:
        """A connection is over."""

    def answered(
        self,
        request: Request | None,
        where: Received,
        status_code: int,
        size: int,
        seconds: float,
        why: str,
    ) -> None:
        """A request has been answered, or nobody could.

        request: None when it could not be read. status_code: 0 when there was no answer. size:
        bytes of content that were sent. seconds: from the end of its head to the end of the
        answer. why: what refused it or closed the connection, such as "RFC 9112 3.2: ...",
        "limit head of 32768", "timeout body", "gone", "error"; "" when all went well.
        """


class Running(Awaitable[None], Protocol):
    """A Task."""

    def cancel(self) -> object: ...
    def done(self) -> bool: ...


Spawn = Callable[[Coroutine[object, object, None]], Running]


class Interrupt(Protocol):
    """Ends a wait of the flow that made it, in an exception that is no Exception."""

    has_struck: bool

    def begin(self, seconds: float, moved: Callable[[], int]) -> None:
        """Strike after so many seconds in which `moved` gives the same number."""

    def stop(self) -> None:
        """Strike no more."""


class Terms:
    """What all connections of a server share.

    send: the application; None when there is a talk (flow/turn.py's Talk), which answers piece
    by piece. spawn: runs a coroutine in a Task of its own, for connections whose application is
    busy after its answer. now: monotonic seconds. in_thread: runs what would block. spool: opens
    a new temporary file. report: takes an exception that no client may see. gate: looks at each
    request first. stamp: adds fields to each answer of the application. watch: is told of all.
    draining: what requests say of it. interrupt: makes what ends a wait for a piece of an
    answer whose client is gone; None where nothing can. is_cancelled: whether somebody ends
    the present Task; None where nobody knows. intake: says of a request how its content is to
    be taken in. from_threads: makes, on the loop, what a thread waits for a flow with. saving:
    opens a file that a part of a form is saved to.
    """

    def __init__(
        self,
        send: Send | None,
        now: Callable[[], float],
        in_thread: InThread,
        spool: Callable[[], BinaryIO],
        *,
        talk: Callable[[Any], Awaitable[None]] | None = None,
        spawn: Spawn | None = None,
        limits: Limits = SERVER_LIMITS,
        patience: Patience = DEFAULT_PATIENCE,
        standing: Standing = NO_STANDING,
        report: Callable[[Request | None, BaseException], None] | None = None,
        gate: Gate | None = None,
        stamp: Stamp | None = None,
        watch: Watch | None = None,
        draining: Draining = NOT_DRAINING,
        interrupt: Callable[[], Interrupt] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
        intake: AskIntake | None = None,
        from_threads: Callable[[], FromThread] | None = None,
        saving: OpenSaving | None = None,
    ) -> None:
        self.send = send
        self.now = now
        self.in_thread = in_thread
        self.spool = spool
        self.talk = talk
        self.spawn = spawn
        self.limits = limits
        self.counts = Counts(limits.query_fields, limits.form_fields, limits.cookies)
        self.form_limits = MultipartLimits.of(limits)
        self.patience = patience
        self.standing = standing
        self.report = report
        self.gate = gate
        self.stamp = stamp
        self.watch = watch
        self.draining = draining
        self.interrupt = interrupt
        self.is_cancelled = is_cancelled
        self.intake = intake
        self.from_threads = from_threads
        self.saving = saving
        self.is_draining = False  # every answer is its connection's last
        self._begin()

    def _begin(self) -> None:
        """Make what whoever serves on these terms keeps of its own."""
