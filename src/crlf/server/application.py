"""What can be served, and what a server puts before it: their shapes, without their weight.

Whoever starts a server needs these names, not TLS, templates or sessions. Its law: shapes and
short checks only; what does the work is loaded by who asks for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from crlf.flow.turn import Talk
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread, Stream


class DidNotStart(RuntimeError):
    """An application says that it cannot start. why: in its own words, maybe a whole traceback."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the application did not start: {why}")
        self.why = why

    @property
    def told(self) -> str:
        """What it comes to, in a line; after it all that was said, where that was more."""
        *more, last = self.why.rstrip("\n").split("\n")
        text = f"the application did not start: {last}"
        return f"{text}\n{self.why}" if more else text


def check_debug(app: object, *, is_reachable: bool) -> None:
    """Raise ValueError when an application that shows its insides could be reached from afar."""
    if is_reachable and getattr(app, "debug", False) is True:
        raise ValueError(
            "an application with debug=True shows its insides, so it may not listen where other "
            "machines can reach it: bind 127.0.0.1, or make it without debug"
        )


class Renewed(Protocol):
    """Certificates, as net/certificates.py has them: loading ssl is not for plain HTTP."""

    def reload(self) -> None: ...
    def refresh(self) -> bool: ...


class Entrance(Protocol):
    """What connections pass through first, as server/arriving.py has it."""

    def serve(self, stream: Stream) -> Awaitable[None]: ...
    def drain(self) -> None: ...
    def make_room(self) -> None: ...


class Sending(Protocol):
    """What answers with responses, once it is told its surroundings: an App, a FolderSite."""

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]: ...


class Talking(Protocol):
    """What answers piece by piece (flow/turn.py): hosted ASGI and WSGI applications."""

    def talker(self, in_thread: InThread, now: Callable[[], float]) -> Talk: ...


# What can be served. It may have `async begin()` and `async finish()`, awaited before the first
# request and after the last; what `begin` raises keeps the server from starting.
Application = Sending | Talking
