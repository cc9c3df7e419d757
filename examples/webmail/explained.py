"""Explained: the fields of a letter's head, each with what it is for.

A letter's head and a request's are the same grammar, made nine years apart: a name, a colon, a
value, an empty line at the end (RFC 822, and from it RFC 1945). That is why a course on one
protocol can read the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple


class Explained(NamedTuple):
    """A field, and what it is for; "" where nobody knows."""

    name: str
    value: str
    meaning: str


MEANINGS: Final = {
    "from": "Who wrote it, as the sender says. Nothing in the mail itself proves it.",
    "to": "Whom it is for. The servers on the way go by another list, the envelope.",
    "cc": "Who gets a copy, for all to see.",
    "reply-to": "Where answers should go, when that is not the sender.",
    "subject": "What it is about. Beyond ASCII it travels as encoded words (RFC 2047).",
    "date": "When it was written, by the sender's clock.",
    "message-id": "Its name, unlike any other letter's; answers refer to it.",
    "in-reply-to": "The Message-ID of the letter that this one answers.",
    "references": "The letters before it in the conversation, the oldest first.",
    "received": "A server writes one on top when it takes the letter: the way it came, upwards.",
    "return-path": "Where word goes when it cannot be delivered: the envelope's sender.",
    "mime-version": "That the next fields mean what MIME says. There has only ever been 1.0.",
    "content-type": "What the content is. HTTP has taken this field over as it is (RFC 9110 8.3).",
    "content-transfer-encoding": "How it was made fit for lines of ASCII. HTTP needs none.",
    "content-disposition": "Whether to show it or to save it, and under which name; in HTTP too.",
    "dkim-signature": "The sending domain's signature over some fields and the body.",
    "authentication-results": "What our own server found when it checked who sent this.",
    "list-unsubscribe": "Where to ask for no more of these.",
    "x-mailer": "The program that wrote it. The X- says: nobody has registered this field.",
    "user-agent": "The program that wrote it, as in a request.",
    "bcc": "Should not be here: its readers are those whom the others do not see.",
}


def explained(fields: Iterable[tuple[str, str]]) -> list[Explained]:
    """Say what each field is for."""
    return [Explained(name, value[:2000], MEANINGS.get(name.lower(), "")) for name, value in fields]
