"""Trouble: what could not be done, said on a page that looks like all others."""

from __future__ import annotations

from typing import Final

from crlf import ProtocolError, Refused, Request
from examples.store.shop import app, page

# What is said of each status; the sentence where the error itself has none for visitors.
TITLES: Final = {
    400: ("That was not understood", "Something in the request is not as it should be."),
    403: ("Not from there", "This may not be done from where you are."),
    404: ("Not in stock", "Nothing in this store has that address."),
    405: ("Not that way", "This address does other things than that."),
    413: ("Too much at once", "That is more than this store takes."),
    429: ("Too often", "Please wait a little."),
    500: ("Something broke", "It is our fault, and it has been noted. Please try again."),
}


def trouble(request: Request, error: Exception) -> object:
    status = getattr(error, "status_code", None) or 500
    title, sentence_of_ours = TITLES[status]
    said = sentence(error) if isinstance(error, Refused | ProtocolError) and error.reason else ""
    return page(
        request, "trouble.html", status, status=status, title=title,
        sentence=said or sentence_of_ours,
    )  # fmt: skip


for status in TITLES:
    app.on_error(status)(trouble)


def sentence(error: ProtocolError | Refused) -> str:
    return f"{error.reason[:1].upper()}{error.reason[1:].removesuffix('.')}."
