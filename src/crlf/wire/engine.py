"""What every version of HTTP promises to the floors above: parts in, bytes out, and back.

An engine does no I/O and knows no time. Bytes from the peer go into `receive`, parts come
out of `next_part`; parts go into `send`, bytes for the peer come out of `outgoing`. After
an error in one direction that direction is over; the error is raised again when asked again.
Each role's engine also has `send_whole(head, content)`: a message with its length, in one piece.
"""

from __future__ import annotations

from typing import Protocol

from crlf.wire.parts import Part


class Engine(Protocol):
    """One connection's worth of HTTP, either role."""

    def receive(self, data: bytes) -> None:
        """Take bytes that arrived. b"" says that the peer will send no more."""

    def next_part(self) -> Part | None:
        """Return the next part, or None when more must happen first (bytes, or our answer).

        Raises RemoteError or TooLarge when the peer broke a rule; `receive` never does.
        """

    def send(self, part: Part) -> None:
        """Write a part. Raises LocalError, and then has changed nothing."""

    def outgoing(self) -> bytes:
        """Return the bytes that must go out now, each byte once; b"" when there are none."""

    @property
    def drops_content(self) -> bool:
        """Whether the content of our present message stays here: an answer to HEAD, a 304."""

    @property
    def may_send_beside(self) -> bool:
        """Whether content of our present message may go onto the wire without passing here."""

    def send_beside(self, count: int) -> None:
        """Count content that goes out beside, after all that `outgoing` has handed out."""

    @property
    def is_reusable(self) -> bool:
        """Whether a new exchange may start: both sides agree, and nothing is left over."""
