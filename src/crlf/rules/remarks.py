"""What remarks on an exchange are made of: one look at it, and what is known of it.

rules/consequences.py puts them in order; what a browser makes of an answer is looked at in
rules/browserremarks.py. Its law: what is not in the heads is not guessed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crlf.message.headers import Headers, visible
from crlf.message.url import URL
from crlf.wire.h1.framing import Facts
from crlf.wire.parts import RequestHead, ResponseHead

# What a remark may be about, in the order they come.
SUBJECTS: Final = (
    "broken", "expect", "upgrade", "connection", "request content", "content", "coding",
    "condition", "range", "redirect", "authentication", "retry", "cache", "cookie", "security",
    "other origins", "date", "deprecated",
)  # fmt: skip
_SHOWN: Final = 80  # characters of a field in a sentence


class Remark(NamedTuple):
    """One consequence: what it is about (of SUBJECTS), a sentence, and the rule behind it."""

    about: str
    text: str
    rule: str


class Exchange(NamedTuple):
    """What is known of an exchange, and what its fields mean for the connection."""

    request: RequestHead
    response: ResponseHead
    url: URL | None
    now: float
    asked: Facts
    answered: Facts
    interim: tuple[int, ...] = ()

    @property
    def fields(self) -> Headers:
        return self.response.headers


def shown(text: str) -> str:
    """Make text of the wire fit for a remark: printable ASCII, and not long."""
    return visible(text[:_SHOWN]) + ("..." if len(text) > _SHOWN else "")
