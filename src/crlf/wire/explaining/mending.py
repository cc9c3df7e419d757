"""How a broken message is mended, and what comes of it as it is."""

from __future__ import annotations

from typing import Literal

from crlf.message.errors import ProtocolError, TooLarge
from crlf.message.status import reason_of


def advice_for(
    reason: str, fault: ProtocolError | TooLarge, kind: Literal["request", "response"]
) -> str:
    """Say what to change."""
    return "Look at the bytes that are marked."


def answer_for(fault: ProtocolError | TooLarge, kind: Literal["request", "response"]) -> str:
    """Say what a server answers, or what a client does."""
    if kind == "response":
        return "a client gives the response up and closes the connection"
    return f"{fault.status_code} {reason_of(fault.status_code)}, and close"
